/** Calls to the host: each gets its own answer, whatever comes in between. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Calls, resultOf } from "../src/calls.js";
import { Decoder, FRAME_CAP } from "../src/codec.js";
import { Peer } from "../src/peer.js";

/** A peer and what it has written so far. */
function connected() {
  /** @type {any[]} */
  const written = [];
  const decoder = new Decoder(FRAME_CAP, {
    frame: (text) => written.push(JSON.parse(text)),
    garbled: () => assert.fail(),
    oversize: () => assert.fail(),
  });
  let writes = 0;
  const peer = new Peer((bytes) => {
    writes += 1;
    decoder.push(bytes);
    return true;
  });
  /** @param {object} message */
  const hear = (message) => peer.frame(JSON.stringify({ jsonrpc: "2.0", ...message }));
  return { peer, written, hear, writes: () => writes };
}

/**
 * Asks as ctx.db does.
 *
 * @param {Peer} peer
 * @param {string} [params]
 */
function call(peer, params = "{}") {
  const calls = new Calls(peer, 32);
  return calls.ask(`,"method":"db.get","params":${params}}`).then(resultOf);
}

test("answers find their call in any order; errors come as exceptions with code and details", async () => {
  const { peer, written, hear } = connected();
  const calls = [1, 2, 3].map((n) => call(peer, `{"n":${n}}`));
  peer.flush();
  const expected = [1, 2, 3].map((n) => ({ jsonrpc: "2.0", id: n, method: "db.get", params: { n } }));
  assert.deepEqual(written, expected);
  hear({ id: 3, result: { n: 3 } });
  hear({ id: 1, result: { n: 1 }, error: null });
  hear({
    id: 2,
    error: { code: -32040, message: "gone", data: { code: "NOT_FOUND", details: { field: "id" } } },
  });
  assert.deepEqual([await calls[0], await calls[2]], [{ n: 1 }, { n: 3 }]);
  await assert.rejects(/** @type {Promise<any>} */ (calls[1]), {
    code: "NOT_FOUND",
    message: "gone",
    field: "id",
  });
});

test("a question that is not answered in time fails, and a late answer is ignored", async () => {
  const { peer, hear } = connected();
  const fault = await new Promise((reject) => peer.ask("hello", {}, 1, { resolve: assert.fail, reject }));
  assert.deepEqual(fault, { code: "DEADLINE_EXCEEDED", message: "the host did not answer 'hello' in 1 ms" });
  hear({ id: 1, result: {} });
});

test("an error without data has the word of its number, if that has one", async () => {
  const { peer, hear, written } = connected();
  for (const [number, code] of /** @type {const} */ ([
    [-32601, "METHOD_NOT_FOUND"],
    [-32045, "DB_BUSY"],
    [-1, "UNKNOWN"],
  ])) {
    const asked = call(peer);
    peer.flush();
    hear({ id: written.at(-1).id, error: { code: number, message: "bare" } });
    await assert.rejects(asked, { code, message: "bare" });
  }
});

test("an answer that cannot be read fails its call, and so does one that is no JSON-RPC", async () => {
  const { peer, hear } = connected();
  for (const [id, message] of [{ result: 7 }, { result: null }, { jsonrpc: "1.0", result: {} }].entries()) {
    const asked = call(peer);
    hear({ id: id + 1, ...message });
    await assert.rejects(asked, { code: "INVALID_REQUEST" });
  }
});

test("ids of the two directions do not mix", async () => {
  const { peer, hear, written } = connected();
  peer.serve(new Map([["ping", (_params, id) => peer.answer(id, "{}")]]), new Map());
  const asked = call(peer);
  hear({ id: 1, method: "ping" });
  hear({ id: 1, result: { doc: null } });
  assert.deepEqual(await asked, { doc: null });
  peer.flush();
  assert.deepEqual(written[1], { jsonrpc: "2.0", id: 1, result: {} });
});

test("answers of one turn leave in one write; sendNow does not wait and keeps the order", async () => {
  const { peer, written, writes } = connected();
  peer.answer(1, "{}");
  peer.answer(2, "{}");
  assert.equal(writes(), 0);
  await new Promise((turn) => setImmediate(turn));
  assert.equal(writes(), 1);
  peer.answer(3, "{}");
  peer.sendNow('{"jsonrpc":"2.0","method":"log","params":{}}');
  assert.equal(writes(), 2);
  assert.deepEqual(
    written.map((message) => message.id ?? message.method),
    [1, 2, 3, "log"],
  );
});

test("calls of one turn leave in one write, together with answers", async () => {
  const { peer, written, writes } = connected();
  for (let n = 0; n < 50; n += 1) call(peer);
  peer.answer(9, "{}");
  await new Promise((turn) => setImmediate(turn));
  assert.equal(writes(), 1);
  assert.equal(written.length, 51);
});

test("a method that fails in the shim costs its own call only", () => {
  const { peer, hear, written } = connected();
  const broken = () => {
    throw new Error("bug");
  };
  peer.serve(new Map([["ping", broken]]), new Map());
  hear({ id: 1, method: "ping" });
  peer.flush();
  assert.deepEqual([written[0].id, written[0].error.code], [1, -32603]);
});
