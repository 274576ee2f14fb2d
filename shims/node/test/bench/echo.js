/**
 * Measures echo invocations per second over a unix socket, 64 in flight, and the CPU that the shim
 * spends on each. The driver reads frame lengths only, so that the shim is what is measured.
 *
 * Usage: node test/bench/echo.js [seconds] [rounds]
 */

import { encode } from "../../src/codec.js";
import { startShim } from "../host.js";
import { measure, median } from "./driver.js";

const seconds = Number(process.argv[2] ?? 2);
const rounds = Number(process.argv[3] ?? 5);
const IN_FLIGHT = 64;
const REVISION = "sha256:9c1185a5c5e9fc54612808977ee8f548b2258d31";

const HANDLERS = {
  sync: "export default (ctx) => ctx.input;",
  async: "export default async function handler(ctx) { return ctx.input; }",
  hello:
    "export default async function handler(ctx) { const name = ctx.input.name || 'World';" +
    " return { message: 'Hello, ' + name + '!', timestamp: new Date().toISOString() }; }",
};

/** @param {number} id */
function invokeFrame(id) {
  const headers = { host: "127.0.0.1:8090", "content-type": "application/json", "content-length": "100" };
  const input = { name: "Alyx", text: "x".repeat(50), number: 12345, list: [1, 2, 3] };
  return encode(
    JSON.stringify({
      jsonrpc: "2.0",
      id,
      method: "invoke",
      params: {
        function: "f",
        revision: REVISION,
        requestId: "01JX5M6V1D0000000000000000",
        deadlineMs: 30_000,
        attempt: 1,
        trigger: { type: "http", method: "POST", headers, ip: "127.0.0.1" },
        auth: null,
        input,
      },
    }),
  );
}

for (const [name, source] of Object.entries(HANDLERS)) {
  const host = await startShim();
  const revision = REVISION;
  await host.load(source, { revision, file: "f.mjs" });
  const proof = await host.invoke({ name: "Alyx" }, { revision });
  if (proof.result === undefined) throw new Error(JSON.stringify(proof));
  const frames = Array.from({ length: IN_FLIGHT }, (_, index) => invokeFrame(1000 + index));
  const results = [];
  for (let done = 0; done < rounds; done += 1) results.push(await measure(host, frames, seconds));
  const perSecond = Math.round(median(results.map((result) => result.perSecond)));
  const cpu = median(results.map((result) => result.cpuMicros)).toFixed(2);
  process.stdout.write(`${name.padEnd(6)} ${perSecond} calls/s, ${cpu} us of shim CPU a call\n`);
  await host.stop();
}
