/** The protocol's golden examples, which all runtimes read. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Decoder, encode, FRAME_CAP, FramingError } from "../src/codec.js";
import { Peer } from "../src/peer.js";
import { startShim } from "./host.js";

const ROOT = fileURLToPath(new URL("../../../protocol/v1/examples", import.meta.url));
const RANDOM_SPLITS = 20;

/** @returns {{ name: string, example: any }[]} */
function examples(folder = "") {
  const dir = join(ROOT, folder);
  assert.ok(existsSync(dir), `the golden examples are missing at ${dir}`);
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".json"),
  );
  assert.ok(files.length > 0, `no golden examples in ${dir}`);
  return files.sort().map((name) => ({
    name: join(folder, name),
    example: JSON.parse(readFileSync(join(dir, name), "utf8")),
  }));
}

const messages = examples().filter(({ name }) => !name.startsWith("framing"));

/**
 * @param {any} example
 * @param {number[]} cuts
 */
function decodeSplit({ hex, maxFrame = FRAME_CAP }, cuts) {
  const bytes = Buffer.from(hex, "hex");
  /** @type {(string | null)[]} */
  const frames = [];
  const decoder = new Decoder(maxFrame, {
    frame: (text) => frames.push(text),
    garbled: () => assert.fail("bytes that are no UTF-8"),
    oversize: () => frames.push(null),
  });
  let end;
  try {
    const borders = [0, ...cuts, bytes.length];
    for (let i = 1; i < borders.length; i += 1) decoder.push(bytes.subarray(borders[i - 1], borders[i]));
    if (decoder.midFrame) end = "truncated";
    else if (frames.includes(null)) end = "oversize";
  } catch (error) {
    assert.ok(error instanceof FramingError);
    end = "unknown-kind";
  }
  return { frames, end };
}

for (const { name, example } of examples("framing")) {
  test(`${name}: ${example.title}`, () => {
    const expected = { frames: example.frames, end: example.end };
    const length = example.hex.length / 2;
    assert.deepEqual(decodeSplit(example, []), expected);
    assert.deepEqual(
      decodeSplit(
        example,
        Array.from({ length }, (_, i) => i),
      ),
      expected,
    );
    for (let round = 0; round < RANDOM_SPLITS; round += 1) {
      const cuts = Array.from({ length: 5 }, () => Math.floor(Math.random() * (length + 1))).sort(
        (a, b) => a - b,
      );
      assert.deepEqual(decodeSplit(example, cuts), expected, `split at ${cuts}`);
    }
  });
}

test("every message survives encode and decode", () => {
  for (const { name, example } of messages) {
    const text = JSON.stringify(example.message);
    const { frames } = decodeSplit({ hex: encode(text).toString("hex") }, [3]);
    assert.deepEqual(
      frames.map((frame) => JSON.parse(String(frame))),
      [example.message],
      name,
    );
  }
});

test("every notification and answer of a host is taken without a word", () => {
  for (const { name, example } of messages) {
    if (example.from !== "host" || example.kind === "request") continue;
    const peer = new Peer(() => assert.fail(`${name} was answered`));
    peer.serve(new Map(), new Map());
    peer.frame(JSON.stringify(example.message));
    peer.flush();
  }
});

test("the real shim serves every request that the examples send to a shim", async () => {
  /** @type {Record<string, (number | undefined)[]>} */
  const answers = { load: [undefined, -32023], unload: [-32021], invoke: [-32021], ping: [undefined] };
  for (const { name, example } of messages) {
    const { method, id } = example.message;
    if (example.from !== "host" || example.kind !== "request" || method === "shutdown") continue;
    const host = await startShim();
    host.send(example.message);
    const answer = await host.answer(id);
    const allowed = answers[method] ?? [];
    assert.ok(allowed.includes(answer.error?.code), `${name}: ${JSON.stringify(answer)}`);
    await host.stop();
  }
});

test("every host's answer to hello that the examples hold is understood", async () => {
  const replies = messages.filter(
    ({ name }) => name.startsWith("hello/result") || name.startsWith("hello/error"),
  );
  assert.ok(replies.length > 3);
  for (const { name, example } of replies) {
    const { result, error } = example.message;
    const host = await startShim({ reply: error ? { error } : { result } });
    if (error) assert.deepEqual(await host.exited, { code: 1, signal: null }, name);
    else assert.deepEqual((await host.request("ping")).result, {}, name);
    await host.stop();
  }
});

/**
 * The members that an example of a shim has, so that ours can be held against it.
 *
 * @param {string} name
 */
function shapeOf(name) {
  const found = messages.find((entry) => entry.name === name);
  assert.ok(found, `example ${name} is missing`);
  return found.example.message;
}

/**
 * @param {any} value
 * @returns {any} the same tree with types in the place of values
 */
function types(value) {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  if (Array.isArray(value)) return value.map(types);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, types(member)]));
}

test("what the shim sends has the shape of the examples", async () => {
  const host = await startShim();
  const [hello] = host.messages;
  assert.deepEqual(types(hello), types(shapeOf("hello/request-node.json")));
  await host.load(`export const config = { input: { title: { type: "string", required: true, maxLength: 200 },
    tags: { type: "array", items: "string", optional: true } }, output: { id: { type: "string" }, slug: { type: "string" } } };
    export default (ctx) => { console.log("hello from print"); console.error("careful"); ctx.log.info("Post created");
      if (ctx.input.plain) throw new Error("Post not found");
      throw { code: "VALIDATION_ERROR", message: "Email is required", field: "email" }; };`);
  assert.deepEqual(types(host.messages.at(-1)), types(shapeOf("load/result-schema.json")));
  assert.deepEqual(types(await host.invoke()), types(shapeOf("invoke/error-custom.json")));
  assert.deepEqual(types(await host.invoke({ plain: true })), types(shapeOf("invoke/error-plain.json")));
  const [stdout, stderr, plain] = host.messages.filter((message) => message.method === "log");
  assert.deepEqual(types(stdout), types(shapeOf("log/stdout.json")));
  assert.deepEqual(types(stderr), types(shapeOf("log/stderr.json")));
  assert.deepEqual(types(plain), types(shapeOf("log/plain.json")));
  await host.stop();
});
