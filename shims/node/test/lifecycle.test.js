/** How a worker starts and ends: hello, stdio, shutdown, the host's end, exit codes. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startShim } from "./host.js";

const BIN = fileURLToPath(new URL("../bin/alyx-shim-node.js", import.meta.url));
const PACKAGE = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const SLOW =
  "export default (ctx) => new Promise((_, no) => { ctx.signal.onabort = () => no(ctx.signal.reason); })";

/** @param {NodeJS.ProcessEnv} env */
async function runAlone(env) {
  const child = spawn(process.execPath, [BIN], { env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stderr };
}

test("hello says who speaks", async () => {
  const host = await startShim();
  const { id, params } = host.messages[0];
  assert.equal(id, 1);
  assert.deepEqual(params, {
    protocolVersions: [1],
    token: "secret-token",
    runtime: {
      name: "node",
      version: PACKAGE.version,
      language: "javascript",
      languageVersion: process.versions.node,
    },
    pid: host.child.pid,
    concurrency: { max: 64 },
    capabilities: { load: {} },
    limits: { maxFrame: 16777215 },
  });
  await host.stop();
});

test("without an address: exit 2 and how it is used", async () => {
  const { code, stderr } = await runAlone({});
  assert.equal(code, 2);
  assert.match(stderr, /^alyx-shim-node: usage: ALYX_ADDR=.*\n$/);
});

test("an address that is none, one beyond loopback, one where nobody listens: one line, exit 2 or 1", async () => {
  const cases = /** @type {[string, RegExp][]} */ ([
    ["bogus", /'bogus' is no address; use unix:/],
    ["tcp:10.0.0.1:80", /not on loopback/],
    ["unix:/no/such/socket", /ENOENT/],
  ]);
  for (const [address, message] of cases) {
    const { code, stderr } = await runAlone({ ALYX_ADDR: address });
    assert.equal(code, address.startsWith("unix:") ? 1 : 2, address);
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});

test("a host that refuses, chooses another version or hangs up: exit 1", async () => {
  const error = { code: -32031, message: "the token is not valid", data: { code: "UNAUTHENTICATED" } };
  const refused = await startShim({ reply: { error } });
  assert.equal((await refused.exited).code, 1);
  assert.match(refused.stderr, /UNAUTHENTICATED: the token is not valid\n$/);
  const newer = await startShim({ reply: { result: { protocolVersion: 2, session: "s", host: {} } } });
  assert.equal((await newer.exited).code, 1);
  const gone = await startShim({ reply: null });
  gone.hangUp();
  assert.equal((await gone.exited).code, 1);
  for (const host of [refused, newer, gone]) await host.stop();
});

test("a host that says nothing: exit 1 after five seconds", async () => {
  const started = performance.now();
  const host = await startShim({ reply: null });
  assert.equal((await host.exited).code, 1);
  const took = performance.now() - started;
  assert.ok(took > 4_500 && took < 8_000, String(took));
  await host.stop();
});

test("shutdown waits for running calls, writes the logs, answers and exits without waiting for the host", async () => {
  const host = await startShim();
  await host.load(
    "export default async (ctx) => { await new Promise((go) => setTimeout(go, 100)); ctx.log.info('end'); return 1; }",
  );
  const call = host.invoke();
  const answer = await host.request("shutdown", { graceMs: 5000, reason: "drain" });
  assert.deepEqual(answer.result, {});
  assert.equal((await call).result.output, 1);
  assert.ok(host.messages.indexOf(await call) < host.messages.indexOf(answer));
  assert.deepEqual(await host.exited, { code: 0, signal: null });
  await host.stop();
});

test("shutdown cancels what runs past its grace, and takes no new calls", async () => {
  const host = await startShim();
  await host.load(SLOW);
  await host.load("export default () => new Promise(() => {})", { name: "deaf" });
  const calls = [host.invoke(), host.invoke({}, { function: "deaf" })];
  const shutdown = host.request("shutdown", { graceMs: 50, reason: "stop" });
  assert.equal((await host.invoke()).error.code, -32022);
  for (const { error } of await Promise.all(calls)) assert.equal(error.code, -32024);
  assert.deepEqual((await shutdown).result, {});
  assert.equal((await host.exited).code, 0);
  await host.stop();
});

test("when the host hangs up, calls are cancelled and the process ends within a second", async () => {
  for (const source of [
    SLOW,
    "export default () => { setInterval(() => {}, 1000); return new Promise(() => {}); }",
  ]) {
    const host = await startShim();
    await host.load(source);
    const id = host.nextId();
    host.send({ id, method: "invoke", params: { function: "f", revision: "r1" } });
    await host.request("ping");
    const started = performance.now();
    host.hangUp();
    assert.deepEqual(await host.exited, { code: 0, signal: null });
    assert.ok(performance.now() - started < 1_000);
    await host.stop();
  }
});

test("an end inside a frame is an end like any other", async () => {
  const host = await startShim();
  host.raw(Buffer.from([0, 0, 0, 50, 0x7b]));
  host.hangUp();
  assert.equal((await host.exited).code, 0);
  await host.stop();
});

test("over pipes nothing that is printed reaches the protocol's stream, not even from a child process", async () => {
  const host = await startShim({ transport: "pipes" });
  await host.load(`import { spawnSync } from "node:child_process"; import { readFileSync, writeSync } from "node:fs";
    export default (ctx) => { console.log("captured"); writeSync(1, "raw to fd 1\\n");
      spawnSync("sh", ["-c", "echo from a child"], { stdio: "inherit" });
      setTimeout(() => console.log("afterwards"), 1);
      return { ...ctx.input, stdin: readFileSync(0, "utf8") }; };`);
  const answer = await host.invoke({ text: "ü" });
  assert.deepEqual(answer.result.output, { text: "ü", stdin: "" });
  assert.deepEqual(
    host.logs(answer.id).map((entry) => entry.msg),
    ["captured"],
  );
  assert.deepEqual((await host.request("shutdown", { graceMs: 0 })).result, {});
  assert.equal((await host.exited).code, 0);
  host.hangUp();
  await host.closed;
  assert.match(host.stderr, /^raw to fd 1\nfrom a child\n(afterwards\n)?$/);
  await host.stop();
});

test("over a socket as stdin and stdout nothing that the console prints reaches the protocol's stream", async () => {
  const host = await startShim({ transport: "sockets" });
  await host.load(
    "export default (ctx) => { console.log('captured'); setTimeout(() => console.log('after'), 1); return 1; }",
  );
  const answer = await host.invoke();
  assert.equal(answer.result.output, 1);
  assert.deepEqual(
    host.logs(answer.id).map((entry) => [entry.msg, entry.source]),
    [["captured", "stdout"]],
  );
  assert.deepEqual((await host.request("shutdown", { graceMs: 0 })).result, {});
  assert.equal((await host.exited).code, 0);
  await host.closed;
  assert.match(host.stderr, /^(after\n)?$/);
  await host.stop();
});

for (const transport of /** @type {const} */ (["pipes", "sockets"])) {
  test(`large frames and the end of input over ${transport}`, async () => {
    const host = await startShim({ transport });
    await host.load("export default (ctx) => ctx.input");
    const text = "y".repeat(5_000_000);
    assert.equal((await host.invoke({ text })).result.output.text, text);
    host.hangUp();
    assert.equal((await host.exited).code, 0);
    await host.stop();
  });
}

test("the address and the token are not in the process environment", async () => {
  const host = await startShim({ env: { OTHER: "stays" } });
  await host.load("export default () => [process.env.ALYX_ADDR, process.env.ALYX_TOKEN, process.env.OTHER]");
  assert.deepEqual((await host.invoke()).result.output, [null, null, "stays"]);
  await host.stop();
});
