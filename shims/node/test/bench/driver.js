/**
 * Keeps a shim busy over its socket and measures what it spends.
 *
 * Knows nothing of messages: it counts frames, and lets a benchmark answer those that ask for something.
 */

import { readFileSync } from "node:fs";
import { HEADER_BYTES } from "../../src/codec.js";

const TICKS_PER_SECOND = 100;

/**
 * @typedef {import("node:net").Socket} Socket
 * @typedef {(bytes: Buffer, start: number) => Buffer | undefined} Reply the answer to a payload that asks
 */

/** @param {number} pid seconds of CPU so far */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * Sends every frame, and one again for each answer, until the time is up.
 *
 * @param {import("../host.js").Host} host
 * @param {Buffer[]} frames as many as are in flight
 * @param {number} seconds
 * @param {Reply} [reply]
 * @returns {Promise<{ perSecond: number, cpuMicros: number }>}
 */
export async function measure(host, frames, seconds, reply) {
  const socket = /** @type {Socket} */ (host.takeStream());
  const pid = Number(host.child.pid);
  const [started, cpu] = [performance.now(), cpuOf(pid)];
  const count = await drive(socket, frames, started + seconds * 1000, reply);
  const took = performance.now() - started;
  return { perSecond: (count / took) * 1000, cpuMicros: ((cpuOf(pid) - cpu) / count) * 1e6 };
}

/**
 * @param {Socket} socket
 * @param {Buffer[]} frames
 * @param {number} until
 * @param {Reply} [reply]
 * @returns {Promise<number>} how many were answered
 */
function drive(socket, frames, until, reply) {
  return new Promise((resolve) => {
    let rest = Buffer.alloc(0);
    let count = 0;
    let flying = frames.length;
    socket.on("data", (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const { end, answered, replies } = takeFrames(bytes, reply);
      rest = bytes.subarray(end);
      count += answered;
      flying -= answered;
      const again = performance.now() < until ? answered : 0;
      flying += again;
      const out = [...replies, ...frames.slice(0, again)];
      if (out.length > 0) socket.write(Buffer.concat(out));
      if (flying > 0) return;
      socket.removeAllListeners("data");
      resolve(count);
    });
    socket.write(Buffer.concat(frames));
  });
}

/**
 * @param {Buffer} bytes
 * @param {Reply} [reply]
 */
function takeFrames(bytes, reply) {
  const replies = [];
  let end = 0;
  let answered = 0;
  while (bytes.length - end >= HEADER_BYTES) {
    const start = end + HEADER_BYTES;
    const next = start + bytes.readUInt32BE(end);
    if (next > bytes.length) break;
    end = next;
    const answer = reply?.(bytes, start);
    if (answer === undefined) answered += 1;
    else replies.push(answer);
  }
  return { end, answered, replies };
}

/** @param {number[]} values */
export function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
