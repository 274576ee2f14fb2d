/** Cancellation, and errors that nobody caught: exactly one answer each. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startShim } from "./host.js";

/** @type {import("./host.js").Host} */
let host;
before(async () => {
  host = await startShim();
});
after(() => host.stop());

let count = 0;

/**
 * Loads a handler and invokes it without waiting.
 *
 * @param {string} source
 * @param {...object} behind messages in the same write as the invoke; `ID` stands for its id
 */
async function launch(source, ...behind) {
  count += 1;
  const name = `c${count}`;
  const loaded = await host.load(source, { name });
  assert.ok(loaded.result, JSON.stringify(loaded.error));
  const id = host.nextId();
  host.send(
    { id, method: "invoke", params: { function: name, revision: "r1", input: {} } },
    ...behind.map((message) => JSON.parse(JSON.stringify(message).replaceAll('"ID"', String(id)))),
  );
  return id;
}

const CANCEL = { method: "cancel", params: { id: "ID", reason: "deadline" } };

/** @param {number} id */
function answersTo(id) {
  return host.messages.filter((message) => message.id === id && message.method === undefined);
}

test("a cancel in the same read as its invoke is not lost", async () => {
  const id = await launch(
    `import { setTimeout as sleep } from "node:timers/promises";
     export default (ctx) => sleep(60_000, "late", { signal: ctx.signal });`,
    CANCEL,
  );
  const { error } = await host.answer(id);
  assert.deepEqual([error.code, error.message, error.data.code], [-32024, "cancelled", "CANCELLED"]);
});

test("the signal tells why, whether it is asked for before or after the cancel", async () => {
  for (const early of ["ctx.signal;", ""]) {
    const id = await launch(
      `export default async (ctx) => { ${early} await new Promise((go) => setTimeout(go, 10));
         return [ctx.signal.aborted, ctx.signal.reason.name, ctx.signal.reason.message]; };`,
      CANCEL,
    );
    const expected = [true, "AbortError", "the call was cancelled: deadline"];
    assert.deepEqual((await host.answer(id)).result.output, expected);
  }
});

test("a handler that ignores the signal is answered only when it has stopped", async () => {
  const id = await launch(
    `export default async (ctx) => { await new Promise((go) => ctx.signal.addEventListener("abort", () => setTimeout(go, 50)));
       ctx.log.info("still working"); throw new Error("whatever"); };`,
    CANCEL,
  );
  assert.equal((await host.answer(id)).error.code, -32024);
  assert.deepEqual(
    host.logs(id).map((entry) => entry.msg),
    ["still working"],
  );
});

test("cancels of unknown and finished calls, and second ones, change nothing", async () => {
  const id = await launch("export default () => 'done'", CANCEL, CANCEL, {
    method: "cancel",
    params: { id: 999_999 },
  });
  assert.equal((await host.answer(id)).result.output, "done");
  host.send({ method: "cancel", params: { id, reason: "client" } });
  assert.deepEqual((await host.request("ping")).result, {});
  assert.equal(answersTo(id).length, 1);
});

/**
 * @param {string} text
 * @param {number} [inv]
 */
function errorLog(text, inv) {
  return host.expect(
    (message) =>
      message.method === "log" &&
      message.params.inv === inv &&
      message.params.entries.some(
        (/** @type {any} */ entry) => entry.level === "error" && entry.msg.includes(text),
      ),
    `an error log with '${text}'`,
  );
}

test("a rejection or an exception behind a running call fails that call, and is logged", async () => {
  const bodies = [
    "Promise.reject(new Error('behind 1'))",
    "setTimeout(() => { throw new Error('behind 2') }, 1)",
    "process.nextTick(() => { throw { code: 'BEHIND', message: 'behind 3' } })",
  ];
  for (const [index, body] of bodies.entries()) {
    const id = await launch(`export default () => { ${body}; return new Promise(() => {}); }`);
    const { error } = await host.answer(id);
    assert.deepEqual([error.code, error.message], [-32020, `behind ${index + 1}`]);
    await errorLog(`behind ${index + 1}`, id);
  }
});

test("the same after the answer is logged, changes nothing and kills nothing", async () => {
  const late =
    "setTimeout(async () => { throw new Error('late') }, 5); setTimeout(() => { throw new Error('later') }, 10);";
  const id = await launch(`export default () => { ${late} return "fine"; }`);
  assert.equal((await host.answer(id)).result.output, "fine");
  await errorLog("unhandled rejection: late");
  await errorLog("uncaught exception: later");
  assert.equal(answersTo(id).length, 1);
});

test("after a fault the shim asks once to be replaced and serves on", async () => {
  const goaways = host.messages.filter((message) => message.method === "goaway");
  assert.deepEqual(
    goaways.map((message) => message.params),
    [{ reason: "unhandled_rejection" }],
  );
  assert.equal((await host.answer(await launch("export default () => 1"))).result.output, 1);
});

test("a handler that settles twice, throws after its answer or fails late is answered once", async () => {
  const id = await launch(
    `export default () => ({ then(ok, no) { ok(1); ok(2); no(new Error("x")); throw new Error("y"); } });`,
  );
  assert.equal((await host.answer(id)).result.output, 1);
  assert.deepEqual((await host.request("ping")).result, {});
  assert.equal(answersTo(id).length, 1);
});
