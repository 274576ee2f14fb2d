/** Handlers, ctx, results and errors, against the real shim. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startShim } from "./host.js";

/** @type {import("./host.js").Host} */
let host;
before(async () => {
  host = await startShim();
});
after(() => host.stop());

let revision = 0;

/**
 * Loads a handler's source and calls it once.
 *
 * @param {string} source
 * @param {object} [input]
 * @param {object} [more]
 */
async function run(source, input, more) {
  revision += 1;
  const loaded = await host.load(source, { revision: `v${revision}` });
  assert.ok(loaded.result, JSON.stringify(loaded.error));
  return host.invoke(input, { revision: `v${revision}`, ...more });
}

test("sync, async and arrow handlers, a value, nothing, a foreign promise", async () => {
  const output = async (/** @type {string} */ source) => (await run(source, { n: 2 })).result.output;
  assert.equal(await output("export default function handler(ctx) { return ctx.input.n + 1; }"), 3);
  assert.equal(await output("export default async (ctx) => { await null; return ctx.input.n; }"), 2);
  assert.equal(await output("export default () => {}"), null);
  assert.equal(await output("export default async () => undefined"), null);
  assert.equal(await output("export default () => ({ then(ok) { ok('later'); } })"), "later");
  assert.equal(JSON.stringify(await output("export default () => ({ then: 5 })")), '{"then":5}');
});

test("every kind of JSON passes both ways", async () => {
  const input = {
    a: [1, -0.5, 1e21, true, null, "ü王🎉"],
    o: { "": {} },
    __proto__x: 1,
    text: "\u2028\u0000",
  };
  const answer = await run("export default (ctx) => ctx.input", input);
  assert.deepEqual(answer.result, { output: input });
});

test("a lone surrogate is escaped and breaks nothing", async () => {
  assert.equal((await run("export default () => 'a\\ud800b'")).result.output, "a\ud800b");
  const { error } = await run("export default () => { throw new Error('\\udc00'); }");
  assert.equal(error.message, "\udc00");
});

test("ctx tells about the call", async () => {
  const source = `export default (ctx) => ({ auth: ctx.auth, env: ctx.env, request: ctx.request,
    deadline: ctx.deadline, fn: ctx.function, aborted: ctx.signal.aborted, same: ctx.log === ctx.log,
    processEnv: Object.keys(process.env) });`;
  await host.load(source, { name: "told", env: { API_KEY: "k", EMPTY: "" } });
  const auth = { id: "u1", email: "a@b.c", role: "user", metadata: { x: 1 } };
  const query = { one: ["1"], many: ["1", "2"], __proto__x: ["3"] };
  const trigger = { type: "http", method: "POST", headers: { host: "h" }, query, ip: "127.0.0.1" };
  const started = Date.now();
  const params = { function: "told", requestId: "req-1", deadlineMs: 5000, attempt: 1, trigger, auth };
  const { output } = (await host.invoke({}, params)).result;
  assert.deepEqual(output.auth, auth);
  assert.deepEqual(output.env, { API_KEY: "k", EMPTY: "" });
  assert.deepEqual(output.request, {
    id: "req-1",
    method: "POST",
    headers: { host: "h" },
    query: { one: "1", many: ["1", "2"], __proto__x: "3" },
    ip: "127.0.0.1",
  });
  assert.ok(output.deadline >= started + 5000 && output.deadline <= Date.now() + 5000);
  assert.deepEqual([output.fn, output.aborted, output.same], [{ name: "told", revision: "r1" }, false, true]);
  assert.deepEqual(output.processEnv, ["PATH"]);
});

test("missing members take their defaults", async () => {
  const source =
    "export default (ctx) => [ctx.input, ctx.auth, ctx.request, ctx.deadline - Date.now() > 29000]";
  await host.load(source, { name: "bare" });
  const { result } = await host.request("invoke", { function: "bare", revision: "r1" });
  const request = { id: "", method: null, headers: {}, query: {}, ip: null };
  assert.deepEqual(result.output, [{}, null, request, true]);
});

test("env is frozen and neither printing nor returning ctx shows it", async () => {
  const source = `import { inspect } from "node:util";
    export default (ctx) => { "use strict"; let frozen = false;
      try { ctx.env.KEY = "changed"; } catch { frozen = true; }
      return { frozen, shown: inspect(ctx) + JSON.stringify(ctx), key: ctx.env.KEY }; };`;
  await host.load(source, { name: "secret", env: { KEY: "s3cret" } });
  const { output } = (await host.invoke({}, { function: "secret" })).result;
  assert.deepEqual([output.frozen, output.key], [true, "s3cret"]);
  assert.doesNotMatch(output.shown, /s3cret/);
});

test("ctx.db says that there is no database", async () => {
  const { error } = await run("export default async (ctx) => ctx.db.posts.list()");
  assert.deepEqual([error.message, error.data.code], ["the host offers no database", "UNAVAILABLE"]);
});

test("errors carry code, message, details and a stack with the author's lines", async () => {
  const { error } = await run(
    "\nexport default async () => {\n  throw Object.assign(new Error('no'), { code: 'NOPE', status: 418 });\n}",
  );
  assert.equal(error.code, -32020);
  assert.deepEqual([error.message, error.data.code, error.data.details], ["no", "NOPE", { status: 418 }]);
  assert.ok(error.data.stack.includes(`${host.dir}/f.js:3:`), error.data.stack);
  assert.equal((await run("export default () => { throw null; }")).error.message, "null thrown");
  assert.equal((await run("export default () => Promise.reject('why')")).error.message, "why");
});

test("a result that JSON cannot hold is refused and the worker serves on", async () => {
  const { error } = await run("export default () => ({ items: [1, 2, 3n] })");
  assert.equal(error.code, -32027);
  assert.equal(error.message, "result.items[2]: BigInt cannot be sent as JSON");
  assert.equal((await run("export default () => ({ n: NaN })")).error.code, -32027);
  assert.equal((await run("export default () => 'fine'")).result.output, "fine");
});

test("64 calls run at once, each with its own input", async () => {
  const source = `let arrived = 0; let open; const gate = new Promise((go) => { open = go; });
    export default async (ctx) => { arrived += 1; if (arrived === 64) open(); await gate; return ctx.input.n; };`;
  await host.load(source, { name: "gate" });
  const calls = Array.from({ length: 64 }, (_, n) => host.invoke({ n }, { function: "gate" }));
  const outputs = (await Promise.all(calls)).map((answer) => answer.result.output);
  assert.deepEqual(outputs, [...Array(64).keys()]);
});

test("the 65th call at once is refused", async () => {
  const other = await startShim();
  await other.load("export default () => new Promise(() => {})");
  for (let id = 100; id < 164; id += 1) {
    other.send({ id, method: "invoke", params: { function: "f", revision: "r1" } });
  }
  const { error } = await other.invoke();
  assert.deepEqual([error.code, error.data.code, error.data.retryable], [-32026, "OVERLOADED", true]);
  await other.stop();
});

test("functions and revisions live side by side; an unknown one is not found", async () => {
  await host.load("export default () => 'one'", { name: "twin", revision: "a" });
  await host.load("export default () => 'two'", { name: "twin", revision: "b" });
  const call = (/** @type {string} */ revision) => host.invoke({}, { function: "twin", revision });
  assert.equal((await call("a")).result.output, "one");
  assert.equal((await call("b")).result.output, "two");
  const { error } = await call("c");
  assert.equal(error.code, -32021);
  assert.equal(error.message, "no function 'twin' of revision c is loaded here");
});
