/** Database errors: caught by code and field, uncaught on the wire, and where nobody waits for the call. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DatabaseError } from "../src/dberror.js";
import { thrownError } from "../src/errors.js";
import { startShim, startShimWithDatabase } from "./host.js";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/** @type {import("./host.js").Host} */
let host;
/** What a shim asked and is answered by hand. @type {Set<string>} */
const silent = new Set();
before(async () => {
  host = await startShimWithDatabase();
  host.serve((_method, params) => (silent.has(params.collection) ? undefined : answers[params.collection]));
});
after(() => host.stop());

/** @param {string} code @param {object} [more] */
function error(code, more = {}) {
  return { error: { code: -32041, message: `it is ${code}`, data: { code, ...more } } };
}

/** @type {Record<string, object>} */
const answers = {
  taken: error("UNIQUE_VIOLATION", { details: { collection: "taken", field: "slug" } }),
  busy: error("DB_BUSY", { retryable: true }),
  sly: error("SLY", { details: { code: "x", message: "y", name: "z", stack: "s", retryable: 1, ok: 2 } }),
  bare: { error: { code: -1, message: "m" } },
  fine: { result: { doc: { id: "1" } } },
};

let count = 0;

/**
 * Runs the body of an async handler in a file of its own.
 *
 * @param {string} body
 * @param {{ head?: string, wait?: boolean }} [options] `wait: false` returns the id at once
 * @returns {Promise<any>}
 */
async function run(body, { head = "", wait = true } = {}) {
  count += 1;
  const name = `e${count}`;
  const loaded = await host.load(`${head}\nexport default async (ctx) => {\n${body}\n};`, { name });
  assert.ok(loaded.result, JSON.stringify(loaded.error));
  const id = host.nextId();
  host.send({ id, method: "invoke", params: { function: name, revision: "r1", input: {} } });
  return wait ? host.answer(id) : id;
}

test("a database error is caught with its code, message and details", async () => {
  const answer = await run(
    `const told = [];
     for (const name of ["taken", "busy", "sly", "bare"])
       await ctx.db[name].create({}).catch((e) => told.push([e.name, e.message, e.retryable, { ...e }, String(e)]));
     return told;`,
  );
  const name = "DatabaseError";
  const taken = { code: "UNIQUE_VIOLATION", collection: "taken", field: "slug" };
  assert.deepEqual(answer.result.output, [
    [name, "it is UNIQUE_VIOLATION", false, taken, `${name}: it is UNIQUE_VIOLATION`],
    [name, "it is DB_BUSY", true, { code: "DB_BUSY" }, `${name}: it is DB_BUSY`],
    [name, "it is SLY", false, { code: "SLY", ok: 2 }, `${name}: it is SLY`],
    [name, "m", false, { code: "UNKNOWN" }, `${name}: m`],
  ]);
});

test("uncaught it keeps code, message and details; its stack leads to the author's line", async () => {
  const { error: taken } = await run("\n\nawait ctx.db.taken.create({});");
  assert.deepEqual(
    [taken.code, taken.message, taken.data.code, taken.data.details],
    [-32020, "it is UNIQUE_VIOLATION", "UNIQUE_VIOLATION", { collection: "taken", field: "slug" }],
  );
  assert.match(taken.data.stack, new RegExp(`at async .*/e${count}\\.js:5:1`));
  const { error: busy } = await run("await ctx.db.busy.create({});");
  assert.equal(busy.data.details, undefined);
  const { error: wrong } = await run("return ctx.db.fine.create({ at: { x: NaN } });");
  assert.deepEqual([wrong.data.code, wrong.data.details], ["VALIDATION_ERROR", { field: "at" }]);
  assert.match(wrong.data.stack, new RegExp(`/e${count}\\.js:3:`));
});

test("a call over the frame limit is refused here, with the size", async () => {
  const { error } = await run("return ctx.db.fine.create({ text: 'x'.repeat(9 << 20) });");
  const details = { size: 9_437_284, limit: 8_388_608 };
  assert.equal(error.data.code, "PAYLOAD_TOO_LARGE");
  assert.deepEqual({ ...error.data.details, size: 0 }, { ...details, size: 0 });
  assert.ok(error.data.details.size > 9 << 20);
  assert.equal((await run("return (await ctx.db.fine.get('1')).id;")).result.output, "1");
});

test("an author's copy of the package tells the errors of the shim's apart", async () => {
  const scope = join(host.dir, "node_modules", "@alyx");
  mkdirSync(scope, { recursive: true });
  symlinkSync(PACKAGE, join(scope, "linked"));
  for (const part of ["package.json", "src"]) {
    cpSync(join(PACKAGE, part), join(scope, "runtime", part), { recursive: true });
  }
  for (const name of ["linked", "runtime"]) {
    const head = `import { DatabaseError } from "@alyx/${name}"; class Mine extends DatabaseError {}`;
    const { result } = await run(
      `const caught = await ctx.db.taken.create({}).catch((e) => e);
       return [caught, new Mine("C", "m"), new Error("x"), null, "text"].map((e) => [e instanceof DatabaseError, e instanceof Mine]);`,
      { head },
    );
    const neither = [false, false];
    assert.deepEqual(result.output, [[true, false], [true, true], neither, neither, neither], name);
  }
});

test("an error made by an author goes over the wire as any other", () => {
  const made = new DatabaseError("BUSY", "m", { field: "f", __proto__x: 1 }, true);
  assert.equal(made.retryable, true);
  const { data } = thrownError(made);
  assert.deepEqual([data.code, data.details], ["BUSY", { field: "f", __proto__x: 1 }]);
});

/** @param {string} text */
function logged(text) {
  return host.expect(
    (message) =>
      message.method === "log" && message.params.entries.some((/** @type {any} */ e) => e.msg.includes(text)),
    `a log of '${text}'`,
  );
}

test("calls after the handler returned are refused, send nothing and harm nothing", async () => {
  const { result } = await run(
    `setTimeout(async () => {
       const { fine } = ctx.db;
       const asks = [() => fine.get("1"), () => fine.get(null), () => fine.list(), () => fine.create({}),
         () => fine.update("1", {}), () => fine.delete("1"), () => ctx.db.query("Q"), () => ctx.db.exec("E"),
         () => ctx.db.batch([]), () => ctx.db.batch([{ sql: "S" }])];
       const codes = await Promise.all(asks.map((ask) => ask().catch((error) => error.code)));
       console.log("codes " + new Set(codes).size + " " + codes[0]);
       fine.get("nobody waits");
     }, 1);
     return "early";`,
  );
  assert.equal(result.output, "early");
  await logged("unhandled rejection: the handler has returned; await every ctx.db call before it does");
  assert.match(host.stdout, /^codes 1 INVOCATION_ENDED$/m);
  assert.deepEqual((await host.request("ping")).result, {});
  assert.deepEqual(
    host.asked().filter((message) => message.params.id === "nobody waits"),
    [],
  );
});

test("a call in flight when the handler returns is the host's to answer; waiting ones end", async () => {
  silent.add("slow");
  const { id, result } = await run(
    `for (let n = 0; n < 40; n += 1) ctx.db.slow.get("" + n).then(console.log, (e) => console.log(n + " " + e.code));
     ctx.db.slow.get("unawaited");
     return 1;`,
  );
  assert.equal(result.output, 1);
  const calls = host.asked().filter((message) => message.params.inv === id);
  assert.equal(calls.length, 32);
  const ended = { code: -32029, message: `invocation ${id} has ended`, data: { code: "INVOCATION_ENDED" } };
  for (const call of calls) host.send({ id: call.id, error: ended });
  assert.deepEqual((await host.request("ping")).result, {});
  await logged("unhandled rejection: the handler has returned");
  for (let n = 0; n < 40; n += 1) assert.match(host.stdout, new RegExp(`^${n} INVOCATION_ENDED$`, "m"));
});

test("after all that nobody asked for this worker to be replaced", async () => {
  assert.equal((await run("return ctx.db.fine.get('1');")).result.output.id, "1");
  assert.deepEqual(
    host.messages.filter((message) => message.method === "goaway"),
    [],
  );
});

test("a cancel refuses the calls that wait; those in flight get their answer; cleaning up is possible", async () => {
  silent.add("held");
  const id = await run(
    `const gets = Array.from({ length: 34 }, (_, n) => ctx.db.held.get("" + n).catch((e) => e.code + ": " + e.message));
     const ends = await Promise.all(gets.slice(32));
     ctx.log.info(ends.join());
     ctx.log.info((await Promise.all(gets.slice(0, 32))).every((doc) => doc.id === "h") + "");
     ctx.log.info((await ctx.db.fine.get("1")).id);
     throw new Error("stopped");`,
    { wait: false },
  );
  const isOurs = (/** @type {any} */ message) => message.params?.collection === "held";
  await host.expect((message) => isOurs(message) && message.params.id === "31");
  host.send({ method: "cancel", params: { id, reason: "deadline" } });
  await logged("CANCELLED: the call was cancelled: deadline");
  for (const call of host.messages.filter(isOurs)) host.send({ id: call.id, result: { doc: { id: "h" } } });
  assert.equal((await host.answer(id)).error.code, -32024);
  assert.deepEqual(
    host.logs(id).map((entry) => entry.msg.split(",").length + entry.msg.slice(0, 4)),
    ["2CANC", "1true", "11"],
  );
  assert.equal(host.messages.filter(isOurs).length, 32);
});

test("a cancelled call that nobody waits for does not answer in its handler's place", async () => {
  silent.add("held");
  const id = await run(
    `for (let n = 0; n < 33; n += 1) ctx.db.held.get("x");
     await new Promise((stop) => ctx.signal.addEventListener("abort", () => setTimeout(stop, 30)));
     return "stopped by itself";`,
    { wait: false },
  );
  await host.expect((message) => message.params?.inv === id && message.params.id === "x");
  host.send({ method: "cancel", params: { id, reason: "client" } });
  await logged("unhandled rejection: the call was cancelled: client");
  assert.equal((await host.answer(id)).result.output, "stopped by itself");
});

test("without the capability any use is refused; without batch only batch is", async () => {
  const bare = await startShim();
  await bare.load(
    `export default async (ctx) => {
       await ctx.db; JSON.stringify(ctx.db); console.log(ctx.db);
       try { ctx.db.posts } catch (e) { return [e.name, e.code, e.message]; }
     };`,
  );
  assert.deepEqual((await bare.invoke()).result.output, [
    "DatabaseError",
    "UNAVAILABLE",
    "the host offers no database",
  ]);
  await bare.stop();
  const reply = { result: { protocolVersion: 1, session: "s", host: {}, capabilities: { db: {} } } };
  const unbatched = await startShim({ reply });
  unbatched.serve(() => ({ result: { doc: null } }));
  await unbatched.load(
    `export default async (ctx) =>
       [await ctx.db.posts.get("1"), await ctx.db.batch([{ sql: "S" }]).catch((e) => e.code + ": " + e.message)];`,
  );
  assert.deepEqual((await unbatched.invoke()).result.output, [
    null,
    "UNAVAILABLE: the host offers no batches",
  ]);
  assert.deepEqual(
    unbatched.asked().map((message) => message.method),
    ["db.get"],
  );
  await unbatched.stop();
});
