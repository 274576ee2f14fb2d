/** Calls to the host: each gets its own answer, whatever comes in between. */

import assert from "node:assert/strict";
import { test } from "node:test";
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

test("answers find their call in any order; errors come as exceptions with code and details", async () => {
  const { peer, written, hear } = connected();
  const calls = [1, 2, 3].map((n) => peer.call("db.get", { n }, 1000));
  peer.flush();
  assert.deepEqual(
    written.map((message) => [message.id, message.params.n]),
    [
      [1, 1],
      [2, 2],
      [3, 3],
    ],
  );
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

test("a call that is not answered in time fails, and a late answer is ignored", async () => {
  const { peer, hear } = connected();
  await assert.rejects(peer.call("db.get", {}, 1), { code: "DEADLINE_EXCEEDED" });
  hear({ id: 1, result: {} });
});

test("an error without data is an error all the same", async () => {
  const { peer, hear } = connected();
  const call = peer.call("db.get", {}, 1000);
  hear({ id: 1, error: { code: -32601, message: "Method not found" } });
  await assert.rejects(call, { code: "UNKNOWN", message: "Method not found" });
});

test("calls over the limit wait here, in order, and one that gives up is never sent", async () => {
  const { peer, hear, written } = connected();
  peer.maxCalls = 2;
  const calls = Array.from({ length: 3 }, (_, n) => peer.call("db.get", { n }, 10_000));
  const impatient = peer.call("db.get", { n: 3 }, 1);
  const last = peer.call("db.get", { n: 4 }, 10_000);
  await assert.rejects(impatient, { code: "DEADLINE_EXCEEDED" });
  const sent = () => {
    peer.flush();
    return written.map((message) => message.params.n);
  };
  assert.deepEqual(sent(), [0, 1]);
  hear({ id: 3, result: { early: true } });
  hear({ id: 1, result: { n: 0 } });
  assert.deepEqual(sent(), [0, 1, 2]);
  for (const id of [2, 3]) hear({ id, result: { n: id - 1 } });
  assert.deepEqual(sent(), [0, 1, 2, 4]);
  hear({ id: 5, result: { n: 4 } });
  assert.deepEqual(await Promise.all([...calls, last]), [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 4 }]);
});

test("an answer that cannot be read fails its call", async () => {
  const { peer, hear } = connected();
  const call = peer.call("db.get", {}, 1000);
  hear({ id: 1, result: 7 });
  await assert.rejects(call, { code: "INVALID_REQUEST" });
});

test("ids of the two directions do not mix", async () => {
  const { peer, hear, written } = connected();
  peer.serve(new Map([["ping", (_params, id) => peer.answer(id, "{}")]]), new Map());
  const call = peer.call("db.get", {}, 1000);
  hear({ id: 1, method: "ping" });
  hear({ id: 1, result: { doc: null } });
  assert.deepEqual(await call, { doc: null });
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
