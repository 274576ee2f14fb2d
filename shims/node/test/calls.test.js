/** Whose database call is sent when: the bounds of an invocation and of the connection. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Calls, resultOf } from "../src/calls.js";
import { Pending } from "../src/pending.js";

/**
 * A connection whose sent texts can be read and answered, and what `count` invocations of it ask with.
 *
 * @param {{ maxCalls: number, perInvocation: number, count?: number, maxFrame?: number }} limits
 */
function connection({ maxCalls, perInvocation, count = 1, maxFrame = 1 << 20 }) {
  /** @type {any[]} */
  const sent = [];
  const outgoing = new Pending((text) => sent.push(JSON.parse(text)));
  outgoing.limit = maxCalls;
  const peer = /** @type {import("../src/peer.js").Peer} */ ({ outgoing, maxFrame });
  const invocations = Array.from({ length: count }, () => new Calls(peer, perInvocation));
  const answer = (/** @type {number} */ id) => {
    const message = { jsonrpc: "2.0", id, result: { doc: `for ${id}` } };
    outgoing.settle(message, JSON.stringify(message));
  };
  return { sent, invocations: /** @type {[Calls, Calls, Calls]} */ (invocations), answer, outgoing };
}

/** @param {string} name */
function tail(name) {
  return `,"method":"db.get","params":${JSON.stringify({ name })}}`;
}

/** @param {any[]} sent */
function names(sent) {
  return sent.map((message) => message.params.name).join(" ");
}

test("an invocation has as many calls out as the host allows; the others wait, in order", async () => {
  const { sent, invocations, answer } = connection({ maxCalls: 100, perInvocation: 2 });
  const asked = ["a", "b", "c", "d"].map((name) => invocations[0].ask(tail(name)).then(resultOf));
  assert.equal(names(sent), "a b");
  answer(2);
  assert.equal(names(sent), "a b c");
  answer(1);
  for (const id of [3, 4]) answer(id);
  assert.deepEqual(
    await Promise.all(asked),
    [1, 2, 3, 4].map((id) => ({ doc: `for ${id}` })),
  );
});

test("where the connection is full, invocations take turns", () => {
  const { sent, invocations, answer } = connection({ maxCalls: 2, perInvocation: 2, count: 3 });
  const [a, b, c] = invocations;
  for (const name of ["a1", "a2", "a3", "a4"]) a.ask(tail(name));
  for (const name of ["b1", "b2", "b3"]) b.ask(tail(name));
  c.ask(tail("c1"));
  assert.equal(names(sent), "a1 a2");
  for (let id = 1; id <= 8; id += 1) answer(id);
  assert.equal(names(sent), "a1 a2 b1 c1 a3 b2 a4 b3");
});

test("never more than the two bounds, whatever is asked and answered", () => {
  const limits = { maxCalls: 5, perInvocation: 3, count: 4 };
  const { sent, invocations, answer } = connection(limits);
  const out = new Map(/** @type {[number, string][]} */ ([]));
  let seed = 1;
  const random = (/** @type {number} */ below) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  let asked = 0;
  for (let round = 0; round < 3_000; round += 1) {
    const turn = random(invocations.length);
    if (random(2) === 0 && asked < 1_000) {
      asked += 1;
      invocations[turn]?.ask(tail(String(turn)));
    } else if (out.size > 0) {
      const id = /** @type {number} */ ([...out.keys()][random(out.size)]);
      out.delete(id);
      answer(id);
    }
    for (const message of sent.splice(0)) out.set(message.id, message.params.name);
    assert.ok(out.size <= limits.maxCalls);
    for (let n = 0; n < limits.count; n += 1) {
      assert.ok([...out.values()].filter((name) => name === String(n)).length <= limits.perInvocation);
    }
    // Nobody waits while there is room for all of a single one.
    if (round % 100 === 99) {
      while (out.size > 0) {
        const [id] = /** @type {[number]} */ ([...out.keys()]);
        out.delete(id);
        answer(id);
        for (const message of sent.splice(0)) out.set(message.id, message.params.name);
      }
    }
  }
  assert.ok(asked > 900);
});

test("10,000 at once all get their answer", async () => {
  const { sent, invocations, answer } = connection({ maxCalls: 256, perInvocation: 32 });
  const asked = Array.from({ length: 10_000 }, (_, n) => invocations[0].ask(tail(`${n}`)));
  for (let id = 1; id <= asked.length; id += 1) answer(id);
  const answers = await Promise.all(asked);
  assert.deepEqual(
    sent.map((message) => message.params.name),
    answers.map((_, n) => `${n}`),
  );
  assert.ok(answers.every((message, n) => message.result.doc === `for ${n + 1}`));
});

test("the end refuses what waits and what comes later; what is out is answered", async () => {
  const { sent, invocations, answer } = connection({ maxCalls: 100, perInvocation: 1 });
  const [calls] = invocations;
  const [out, waiting] = ["out", "waiting"].map((name) => calls.ask(tail(name)).then(resultOf));
  calls.end();
  await assert.rejects(/** @type {Promise<any>} */ (waiting), { code: "INVOCATION_ENDED" });
  assert.throws(() => calls.ask(tail("late")), { code: "INVOCATION_ENDED", name: "DatabaseError" });
  answer(1);
  assert.deepEqual(await out, { doc: "for 1" });
  assert.equal(names(sent), "out");
});

test("an invocation that ended in line leaves its place to the next one", () => {
  const { sent, invocations, answer } = connection({ maxCalls: 1, perInvocation: 2, count: 3 });
  const [a, b, c] = invocations;
  a.ask(tail("a"));
  b.ask(tail("b"));
  c.ask(tail("c"));
  b.end();
  answer(1);
  assert.equal(names(sent), "a c");
});

test("a call over the host's frame limit is refused here, with its size", () => {
  const { sent, invocations } = connection({ maxCalls: 1, perInvocation: 1, maxFrame: 1_000 });
  assert.throws(() => invocations[0].ask(tail("ü".repeat(500))), {
    code: "PAYLOAD_TOO_LARGE",
    message: "the call takes 1104 bytes; the host takes 1000 at once, so split it",
    size: 1104,
    limit: 1000,
  });
  invocations[0].ask(tail("ü".repeat(400)));
  assert.equal(sent.length, 1);
});

test("unknown and second answers change nothing", () => {
  const { sent, invocations, answer } = connection({ maxCalls: 1, perInvocation: 1 });
  invocations[0].ask(tail("a"));
  invocations[0].ask(tail("b"));
  for (const id of [7, 1, 1, 1]) answer(id);
  assert.equal(names(sent), "a b");
});

test("a call that thousands overtake keeps its id and its place", async () => {
  const { sent, invocations, answer } = connection({ maxCalls: 5_000, perInvocation: 5_000 });
  const slow = invocations[0].ask(tail("slow")).then(resultOf);
  for (let n = 0; n < 10_000; n += 1) {
    const quick = invocations[0].ask(tail("quick"));
    const { id } = sent.at(-1);
    answer(id);
    assert.equal((await quick).result.doc, `for ${id}`);
  }
  for (const id of [4097, 1.5, "1", null, undefined, 2 ** 53]) answer(/** @type {any} */ (id));
  assert.equal(new Set(sent.map((message) => message.id)).size, 10_001);
  answer(1);
  assert.deepEqual(await slow, { doc: "for 1" });
});

test("however much a host allows, the places suffice", () => {
  const { sent, invocations, answer } = connection({ maxCalls: 100_000, perInvocation: 100_000 });
  for (let n = 0; n < 5_000; n += 1) invocations[0].ask(tail(`${n}`));
  assert.equal(sent.length, 2_048);
  for (let n = 0; n < 5_000; n += 1) answer(sent[n].id);
  assert.equal(sent.length, 5_000);
});
