/** ctx.log and captured output: order, invocation, limits, and lines that survive a crash. */

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
 * Runs a handler once; gives the answer and the log of this call, checking that all of it came first.
 *
 * @param {string} source
 */
async function run(source) {
  count += 1;
  const name = `log${count}`;
  const loaded = await host.load(source, { name });
  assert.ok(loaded.result, JSON.stringify(loaded.error));
  const answer = await host.invoke({}, { function: name });
  const at = host.messages.indexOf(answer);
  const later = host.messages.slice(at).filter((message) => message.method === "log");
  assert.deepEqual(later, []);
  const frames = host.messages.filter(
    (message) => message.method === "log" && message.params.inv === answer.id,
  );
  const dropped = frames.map((frame) => frame.params.dropped).filter((n) => n !== undefined);
  return { answer, entries: host.logs(answer.id), dropped };
}

/** @param {any[]} entries */
const brief = (entries) => entries.map(({ level, msg, source }) => [level, msg, source ?? "ctx"]);

test("the four levels with fields, in order, before the answer", async () => {
  const started = Date.now();
  const { entries } = await run(`export default (ctx) => { const { info } = ctx.log;
    ctx.log.debug("a"); info("b", { userId: "u1" }); ctx.log.warn("c"); ctx.log.error("d", { n: { x: [1] } }); };`);
  assert.deepEqual(
    entries.map(({ ts, ...entry }) => entry),
    [
      { level: "debug", msg: "a" },
      { level: "info", msg: "b", fields: { userId: "u1" } },
      { level: "warn", msg: "c" },
      { level: "error", msg: "d", fields: { n: { x: [1] } } },
    ],
  );
  assert.ok(entries.every(({ ts }) => ts >= started && ts <= Date.now()));
});

test("console and the streams become lines; a line without an end comes at the end", async () => {
  const { entries } = await run(`export default async (ctx) => {
    console.log("one %d", 1); console.error("two"); process.stdout.write("th"); await null;
    process.stdout.write("ree\\r\\nfour\\nfi"); process.stderr.write(Buffer.from("héx\\n")); ctx.log.info("ctx");
    await new Promise((done) => process.stdout.write("ve", done)); };`);
  assert.deepEqual(brief(entries), [
    ["info", "one 1", "stdout"],
    ["warn", "two", "stderr"],
    ["info", "three", "stdout"],
    ["info", "four", "stdout"],
    ["warn", "héx", "stderr"],
    ["info", "ctx", "ctx"],
    ["info", "five", "stdout"],
  ]);
});

test("lines of calls that run together stay with their own call", async () => {
  const source = `import { setTimeout as sleep } from "node:timers/promises";
    export default async (ctx) => { for (let i = 0; i < 5; i += 1) {
      console.log(ctx.input.n, i); process.stdout.write("part"); await sleep(1); ctx.log.info(String(ctx.input.n)); } };`;
  await host.load(source, { name: "together" });
  const answers = await Promise.all(
    [...Array(16).keys()].map((n) => host.invoke({ n }, { function: "together" })),
  );
  for (const [n, { id }] of answers.entries()) {
    const entries = host.logs(id);
    const logged = entries.filter((entry) => entry.source === undefined).map((entry) => entry.msg);
    assert.deepEqual(logged, Array(5).fill(String(n)));
    const printed = entries.filter((entry) => entry.source === "stdout").map((entry) => entry.msg);
    assert.deepEqual(printed, [0, 1, 2, 3, 4].map((i) => `${i ? "part" : ""}${n} ${i}`).concat("part"));
  }
});

test("messages and fields of any kind, none of them fatal", async () => {
  const { entries, answer } = await run(`export default (ctx) => {
    const cycle = { a: 1 }; cycle.self = cycle;
    ctx.log.info({ x: 1 }); ctx.log.info(new Error("as message").message); ctx.log.info(undefined); ctx.log.info("lone \\ud800");
    ctx.log.info("f", cycle); ctx.log.info("f", { big: 1n, bad: NaN, call() {}, err: new TypeError("t"), none: null });
    ctx.log.info("f", 5); ctx.log.info("f", [1]); ctx.log.info("f", new Error("e")); ctx.log.info("f", { m: new Map([["k", 1]]), s: new Set([2]) });
    ctx.log.info("f", { get boom() { throw new Error("no"); } }); ctx.log.info("f", { deep: { toJSON() { throw 1; } }, ok: 1 });
    return "done"; };`);
  assert.equal(answer.result.output, "done");
  assert.deepEqual(
    entries.slice(0, 4).map((entry) => entry.msg),
    ["{ x: 1 }", "as message", "undefined", "lone \ud800"],
  );
  assert.deepEqual(
    entries.slice(4).map((entry) => entry.fields),
    [
      { a: 1, self: "[cycle]" },
      {
        big: "1",
        bad: "[NaN]",
        call: "[function call]",
        err: { name: "TypeError", message: "t" },
        none: null,
      },
      { value: 5 },
      { value: [1] },
      { value: { name: "Error", message: "e" } },
      { m: { k: 1 }, s: [2] },
      { boom: "[unreadable]" },
      { deep: "[unreadable]", ok: 1 },
    ],
  );
});

test("a message of 1 MB and fields of 1 MB are cut with a marker", async () => {
  const { entries } = await run(`export default (ctx) => { const mb = "ü".repeat(500_000);
    ctx.log.info(mb); console.log(mb); ctx.log.info("f", { mb }); };`);
  for (const { msg } of entries.slice(0, 2)) {
    assert.ok(Buffer.byteLength(msg) <= 16 * 1024);
    const [kept = "", cut] = msg.split(" …[cut, ");
    assert.equal(cut, `${1_000_000 - Buffer.byteLength(kept)} bytes]`);
  }
  assert.match(entries[2].fields["…"], /^\[cut, 10000\d\d bytes\]$/);
});

test("a flood of 100,000 lines is dropped over 256 KiB, counted, and costs nobody the next call", async () => {
  const { entries, dropped } = await run(
    `export default () => { for (let i = 0; i < 100_000; i += 1) console.log("line " + i); };`,
  );
  assert.equal(entries.length + dropped[0], 100_000);
  assert.equal(dropped.length, 1);
  const bytes = entries.reduce((sum, { msg }) => sum + msg.length, 0);
  assert.ok(bytes > 262_100 && bytes <= 262_144, String(bytes));
  assert.equal(entries[10].msg, "line 10");
  assert.deepEqual((await run("export default (ctx) => ctx.log.info('still here')")).entries.length, 1);
});

test("one line without any end is kept up to a bound", async () => {
  const { entries } = await run(
    `export default () => { for (let i = 0; i < 64; i += 1) process.stdout.write("x".repeat(100_000)); };`,
  );
  assert.equal(entries.length, 1);
  const [kept = "", cut] = entries[0].msg.split(" …[cut, ");
  assert.equal(cut, `${6_400_000 - kept.length} bytes]`);
});

test("what a file prints while it loads comes without an invocation, before the answer", async () => {
  const source = "console.log('one'); await null; process.stdout.write('two'); export default () => {}";
  const other = await startShim();
  const answer = await other.load(source);
  assert.deepEqual(brief(other.logs()), [
    ["info", "one", "stdout"],
    ["info", "two", "stdout"],
  ]);
  assert.equal(other.messages.at(-1), answer);
  await other.load("console.error('broken'); throw new Error('x')", { name: "g" });
  assert.deepEqual(brief(other.logs()).at(-1), ["warn", "broken", "stderr"]);
  await other.stop();
});

test("output outside any activity goes to the real streams", async () => {
  await host.load("export default () => void setTimeout(() => console.log('afterwards'), 5)", {
    name: "outside",
  });
  await host.invoke({}, { function: "outside" });
  const real = await new Promise((resolve) => {
    if (host.stdout !== "") return resolve(host.stdout);
    host.child.stdout?.on("data", () => resolve(host.stdout));
  });
  assert.equal(real, "afterwards\n");
});

test("the budget counts messages and fields, exactly", async () => {
  const { entries, dropped } = await run(`export default (ctx) => {
    for (let i = 0; i < 300; i += 1) ctx.log.info("x".repeat(1000), { f: "x".repeat(16) }); };`);
  assert.deepEqual([entries.length, dropped], [256, [44]]);
});

test("a log call after the answer belongs to no invocation and harms nothing", async () => {
  const { answer } = await run(`let late;
    export default (ctx) => { if (late) late(); late = () => ctx.log.info("late"); };`);
  await host.invoke({}, { function: `log${count}` });
  await host.expect(
    (message) =>
      message.method === "log" &&
      message.params.inv === undefined &&
      message.params.entries[0].msg === "late",
  );
  assert.equal(host.logs(answer.id).length, 0);
});

for (const [what, then] of [
  ["a busy loop", "while (true) {}"],
  ["process.exit", "process.exit(3)"],
  ["process.abort", "process.abort()"],
  ["SIGKILL", "process.kill(process.pid, 'SIGKILL'); while (true) {}"],
]) {
  test(`lines written before ${what} arrive`, async () => {
    const other = await startShim();
    await other.load(`export default (ctx) => { ctx.log.info("before"); console.log("printed"); ${then}; };`);
    const id = other.nextId();
    other.send({ id, method: "invoke", params: { function: "f", revision: "r1" } });
    await other.expect((message) => message.params?.entries?.[0].msg === "printed");
    assert.deepEqual(brief(other.logs(id)), [
      ["info", "before", "ctx"],
      ["info", "printed", "stdout"],
    ]);
    await other.stop();
  });
}

test("process.exit writes what was printed without a line end, and ends with its code", async () => {
  const other = await startShim();
  await other.load(`export default () => { process.stdout.write("no end"); process.exit(3); };`);
  const id = other.nextId();
  other.send({ id, method: "invoke", params: { function: "f", revision: "r1" } });
  assert.deepEqual(await other.exited, { code: 3, signal: null });
  await other.expect((message) => message.params?.entries?.[0].msg === "no end");
  await other.stop();
});
