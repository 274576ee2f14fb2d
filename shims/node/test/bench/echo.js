/**
 * Measures echo invocations per second over a unix socket, 64 in flight, and the CPU that the shim
 * spends on each. The driver reads frame lengths only, so that the shim is what is measured.
 *
 * Usage: node test/bench/echo.js [seconds] [rounds]
 */

import { readFileSync } from "node:fs";
import { encode, HEADER_BYTES } from "../../src/codec.js";
import { startShim } from "../host.js";

const seconds = Number(process.argv[2] ?? 2);
const rounds = Number(process.argv[3] ?? 5);
const IN_FLIGHT = 64;
const TICKS_PER_SECOND = 100;
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

/** @param {number} pid seconds of CPU so far */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * @param {import("../host.js").Host} host
 * @returns {Promise<{ perSecond: number, cpuMicros: number }>}
 */
async function round(host) {
  const socket = /** @type {import("node:net").Socket} */ (host.takeStream());
  const frames = Array.from({ length: IN_FLIGHT }, (_, index) => invokeFrame(1000 + index));
  const pid = Number(host.child.pid);
  const [started, cpu] = [performance.now(), cpuOf(pid)];
  const count = await drive(socket, frames, started + seconds * 1000);
  const took = performance.now() - started;
  return { perSecond: (count / took) * 1000, cpuMicros: ((cpuOf(pid) - cpu) / count) * 1e6 };
}

/**
 * @param {import("node:net").Socket} socket
 * @param {Buffer[]} frames
 * @param {number} until
 * @returns {Promise<number>}
 */
function drive(socket, frames, until) {
  return new Promise((resolve) => {
    let rest = Buffer.alloc(0);
    let count = 0;
    let flying = IN_FLIGHT;
    socket.on("data", (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      let whole = 0;
      while (bytes.length - at >= HEADER_BYTES) {
        const next = at + HEADER_BYTES + bytes.readUInt32BE(at);
        if (next > bytes.length) break;
        at = next;
        whole += 1;
      }
      rest = bytes.subarray(at);
      count += whole;
      flying -= whole;
      if (performance.now() < until) {
        flying += whole;
        socket.write(Buffer.concat(frames.slice(0, whole)));
      } else if (flying === 0) {
        socket.removeAllListeners("data");
        resolve(count);
      }
    });
    socket.write(Buffer.concat(frames));
  });
}

/** @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

for (const [name, source] of Object.entries(HANDLERS)) {
  const host = await startShim();
  const revision = REVISION;
  await host.load(source, { revision, file: "f.mjs" });
  const proof = await host.invoke({ name: "Alyx" }, { revision });
  if (proof.result === undefined) throw new Error(JSON.stringify(proof));
  const results = [];
  for (let done = 0; done < rounds; done += 1) results.push(await round(host));
  const perSecond = Math.round(median(results.map((result) => result.perSecond)));
  const cpu = median(results.map((result) => result.cpuMicros)).toFixed(2);
  process.stdout.write(`${name.padEnd(6)} ${perSecond} calls/s, ${cpu} us of shim CPU a call\n`);
  await host.stop();
}
