/** Bytes to frames and back, whatever way the bytes are split. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch, Decoder, encode, FRAME_CAP, FramingError } from "../src/codec.js";

/**
 * @param {Buffer[]} pieces
 * @param {number} [maxFrame]
 */
function decode(pieces, maxFrame = FRAME_CAP) {
  /** @type {(string | null)[]} */
  const frames = [];
  const decoder = new Decoder(maxFrame, {
    frame: (text) => frames.push(text),
    garbled: () => frames.push("garbled"),
    oversize: () => frames.push(null),
  });
  for (const piece of pieces) decoder.push(piece);
  return { frames, midFrame: decoder.midFrame };
}

test("a frame is a kind byte, three bytes of length and the payload", () => {
  assert.deepEqual(encode("{}"), Buffer.from([0, 0, 0, 2, 0x7b, 0x7d]));
  assert.deepEqual(encode("é".repeat(150)).subarray(0, 4), Buffer.from([0, 0, 1, 44]));
});

test("texts of every size survive, small ones and ones beyond the shared buffer", () => {
  const sizes = [0, 1, 255, 256, 16384, 16385, 65532, 65533, 65536, 70000, 300_000];
  const texts = sizes.flatMap((size) => ["x".repeat(size), "ü王🎉".repeat(size / 8)]);
  assert.deepEqual(decode(texts.map(encode)).frames, texts);
  assert.deepEqual(decode([Buffer.concat(texts.map(encode))]).frames, texts);
});

test("a frame split at any byte is one frame", () => {
  const bytes = Buffer.concat([encode('{"a":"ü"}'), encode(""), encode('{"b":2}')]);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const { frames } = decode([bytes.subarray(0, cut), bytes.subarray(cut)]);
    assert.deepEqual(frames, ['{"a":"ü"}', "", '{"b":2}'], `split at ${cut}`);
  }
});

test("the input buffer may be used again after push", () => {
  const bytes = Buffer.concat([encode("first"), encode("second")]);
  const buffer = Buffer.alloc(7);
  /** @type {string[]} */
  const frames = [];
  const decoder = new Decoder(FRAME_CAP, {
    frame: (text) => frames.push(text),
    garbled: () => assert.fail("garbled"),
    oversize: () => assert.fail("oversize"),
  });
  for (let at = 0; at < bytes.length; at += buffer.length) {
    const length = bytes.copy(buffer, 0, at);
    decoder.push(buffer, length);
    buffer.fill(0xff);
  }
  assert.deepEqual(frames, ["first", "second"]);
});

test("a frame over the limit is skipped and the next one read", () => {
  const bytes = Buffer.concat([encode("too long"), encode("ok")]);
  assert.deepEqual(decode([bytes], 4).frames, [null, "ok"]);
  assert.deepEqual(
    decode(
      [...bytes].map((byte) => Buffer.from([byte])),
      4,
    ).frames,
    [null, "ok"],
  );
});

test("an unknown kind is fatal at its first byte", () => {
  assert.throws(() => decode([Buffer.from("{")]), FramingError);
  assert.throws(() => decode([encode("{}"), Buffer.from([1])]), FramingError);
});

test("bytes that are no UTF-8 are told apart from a real U+FFFD", () => {
  const broken = Buffer.concat([Buffer.from([0, 0, 0, 2]), Buffer.from([0xc3, 0x28])]);
  assert.deepEqual(decode([broken, encode("\ufffd")]).frames, ["garbled", "\ufffd"]);
});

test("a batch refuses what does not fit until it has been taken", () => {
  const batch = new Batch();
  const [big, small] = ["x".repeat(100_000), "small"];
  assert.equal(batch.append(small), true);
  assert.equal(batch.append(big), false);
  assert.deepEqual(decode([Buffer.from(batch.take())]).frames, [small]);
  batch.release(true);
  assert.equal(batch.append(big), true);
  assert.deepEqual(decode([batch.take()]).frames, [big]);
});

test("taken bytes stay as they are until they have left", () => {
  const batch = new Batch();
  batch.append("one");
  const taken = batch.take();
  batch.release(false);
  batch.append("two");
  assert.deepEqual(decode([taken]).frames, ["one"]);
});
