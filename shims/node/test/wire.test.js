/** The JSON-RPC profile and the framing rules, against the real shim. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encode } from "../src/codec.js";
import { startShim } from "./host.js";

/** @type {import("./host.js").Host} */
let host;
before(async () => {
  host = await startShim();
  await host.load("export default (ctx) => ctx.input.value;");
});
after(() => host.stop());

/** Waits until the shim has handled all that was sent before. */
async function settled() {
  assert.deepEqual((await host.request("ping")).result, {});
}

/** @param {string} text the payload of one frame; the answers to it have no usable id */
async function answerTo(text) {
  const seen = host.messages.length;
  host.raw(encode(text));
  await settled();
  return host.messages.slice(seen, -1);
}

test("bad JSON, no UTF-8 and an empty payload are answered without an id", async () => {
  for (const bytes of [encode("{nope"), encode(""), encode("\ufeff{}"), Buffer.from([0, 0, 0, 1, 0xff])]) {
    const seen = host.messages.length;
    host.raw(bytes);
    await settled();
    const [answer] = host.messages.slice(seen);
    assert.equal(answer.id, null);
    assert.deepEqual([answer.error.code, answer.error.data.code], [-32700, "PARSE_ERROR"]);
  }
});

test("what is no request is -32600; the id comes back if it is a good one", async () => {
  const cases = /** @type {[string, number | null][]} */ ([
    ["[]", null],
    ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', null],
    ["1", null],
    ["null", null],
    ["{}", null],
    ['{"jsonrpc":"2.0","method":"cancel","params":[1]}', null],
    ['{"jsonrpc":"1.0","id":9002,"method":"ping"}', 9002],
    ['{"id":9003,"method":"ping"}', 9003],
    ['{"jsonrpc":"2.0","id":9004,"method":7}', 9004],
    ['{"jsonrpc":"2.0","id":"9","method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":0,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}', null],
  ]);
  for (const [text, id] of cases) {
    const [answer, ...others] = await answerTo(text);
    assert.equal(answer?.error.code, -32600, text);
    assert.equal(answer.id, id, text);
    assert.deepEqual(others, [], text);
  }
});

test("the largest id comes back exactly", async () => {
  host.raw(encode('{"jsonrpc":"2.0","id":9007199254740991,"method":"ping"}'));
  assert.deepEqual((await host.answer(9007199254740991)).result, {});
});

test("unknown methods, wrong params, a method name that is too long", async () => {
  assert.equal((await host.request("db.list")).error.code, -32601);
  assert.equal((await host.request("toString")).error.code, -32601);
  const id = host.nextId();
  host.send({ id, method: "ping", params: [1] });
  assert.equal((await host.answer(id)).error.code, -32600);
  assert.equal((await host.request("m".repeat(65))).error.code, -32600);
});

test("notifications are never answered", async () => {
  const texts = ["nobody.knows", "ping", "cancel", "invoke"].map(
    (method) => `{"jsonrpc":"2.0","method":"${method}"}`,
  );
  for (const text of texts) assert.deepEqual(await answerTo(text), [], text);
});

test("a member that is missing or of the wrong type is -32602 and named", async () => {
  const key = { function: "f", revision: "r1" };
  const cases = /** @type {[string, object, string][]} */ ([
    ["invoke", { revision: "r1" }, "'function' is missing"],
    ["invoke", { ...key, deadlineMs: "soon" }, "'deadlineMs' is not of type number"],
    ["invoke", { ...key, trigger: null }, "'trigger' is not of type object"],
    ["load", { ...key, env: {} }, "'path' is missing"],
    ["load", { ...key, path: "relative.js" }, "'path' is not absolute"],
    ["load", { ...key, path: "/x.js", env: { A: 1 } }, "'env' is not an object of strings"],
    ["load", { ...key, function: 7, path: "/x.js" }, "'function' is not of type string"],
    ["unload", { function: "f" }, "'revision' is missing"],
    ["shutdown", { graceMs: "1s" }, "'graceMs' is not of type number"],
  ]);
  for (const [method, params, fault] of cases) {
    const { error } = await host.request(method, params);
    assert.deepEqual([error.code, error.message], [-32602, `${method}: ${fault}`]);
  }
});

test("answers to calls that were never made are ignored, broken ones too", async () => {
  assert.deepEqual(await answerTo('{"jsonrpc":"2.0","id":9001}'), []);
  assert.deepEqual(await answerTo('{"jsonrpc":"1.0","id":9001,"result":{}}'), []);
  assert.deepEqual(await answerTo('{"jsonrpc":"2.0","id":9001,"result":7}'), []);
  assert.deepEqual(await answerTo('{"jsonrpc":"2.0","id":77,"result":{}}'), []);
  assert.deepEqual(await answerTo('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}'), []);
  assert.deepEqual(await answerTo('{"jsonrpc":"2.0","id":77,"error":null,"result":{}}'), []);
});

test("a frame with both method and result is a request; unknown members are ignored", async () => {
  const id = host.nextId();
  host.send({ id, method: "ping", result: {}, ID: 5, METHOD: "load", "x-acme": [1] });
  assert.deepEqual((await host.answer(id)).result, {});
});

test("an oversize frame is thrown away, the connection serves on", async () => {
  const header = Buffer.from([0, 0xff, 0xff, 0xff]);
  const seen = host.messages.length;
  host.raw(header);
  host.raw(Buffer.alloc(0xff_ff_ff, 0x20));
  await settled();
  const [answer] = host.messages.slice(seen);
  assert.deepEqual([answer.id, answer.error.code], [null, -32028]);
  assert.deepEqual(answer.error.data.details, { size: 16777215, limit: 8388608 });
});

test("a result over the frame limit is answered with its size", async () => {
  await host.load("export default (ctx) => 'x'.repeat(ctx.input.size);", { name: "big" });
  const { error } = await host.invoke({ size: 9_000_000 }, { function: "big" });
  assert.equal(error.code, -32028);
  assert.equal(error.data.details.limit, 8388608);
  assert.ok(error.data.details.size > 9_000_000);
  const { result } = await host.invoke({ size: 8_000_000 }, { function: "big" });
  assert.equal(result.output.length, 8_000_000);
});

test("bytes that come one at a time are as good as whole frames", async () => {
  const id = host.nextId();
  const params = { function: "f", revision: "r1", input: { value: "grüße 王 🎉" } };
  const bytes = encode(JSON.stringify({ jsonrpc: "2.0", id, method: "invoke", params }));
  for (const byte of bytes) host.raw(Buffer.from([byte]));
  assert.equal((await host.answer(id)).result.output, "grüße 王 🎉");
});

test("eight bad frames in a row close the connection, seven do not", async () => {
  const other = await startShim();
  const bad = encode("{");
  other.raw(Buffer.concat([...Array(7).fill(bad), encode('{"jsonrpc":"2.0","id":1,"method":"ping"}')]));
  assert.deepEqual((await other.answer(1)).result, {});
  other.raw(Buffer.concat(Array(8).fill(bad)));
  assert.equal((await other.exited).code, 1);
  await other.stop();
});

test("an unknown frame kind ends the shim with a word about it", async () => {
  const other = await startShim();
  other.raw(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  assert.equal((await other.exited).code, 1);
  assert.match(other.stderr, /frame kind 71 is unknown/);
  await other.stop();
});

test("a request before the handshake is done is NOT_READY, one right behind its reply is served", async () => {
  const other = await startShim({ reply: null });
  other.send({ id: 5, method: "ping" });
  assert.equal((await other.answer(5)).error.code, -32022);
  const [hello] = other.messages;
  const result = { protocolVersion: 1, session: "s", host: { name: "t", version: "0" } };
  other.send({ id: hello.id, result }, { id: 6, method: "ping" });
  assert.deepEqual((await other.answer(6)).result, {});
  await other.stop();
});
