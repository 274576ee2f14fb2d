/**
 * Measures what calls of ctx.db cost in the shim: handlers with so many calls, against the same handler with
 * none, 64 invocations in flight. The host's part is a prepared answer.
 *
 * Usage: node test/bench/db.js [seconds] [rounds]
 */

import { encode } from "../../src/codec.js";
import { startShimWithDatabase } from "../host.js";
import { measure, median } from "./driver.js";

const seconds = Number(process.argv[2] ?? 2);
const rounds = Number(process.argv[3] ?? 5);
const MARK = Buffer.from(',"method":"db.');
/** The longest beginning of a message: its version and its id. */
const HEAD_BYTES = 48;

const DOC = {
  id: "0190a1b2-0000-7000-8000-000000000001",
  created_at: "2026-01-24T10:30:00.000Z",
  updated_at: "2026-01-24T10:30:00.000Z",
  title: "Hello World",
  slug: "hello-world",
  published: true,
  views: 12345,
  tags: ["a", "b"],
};
const DATA = '{ title: "Hello World", slug: "hello-world", published: true, views: 12345, tags: ["a", "b"] }';
const ROWS = Array.from({ length: 1_000 }, () => DOC);

/** @type {[name: string, body: string, result: object, calls: number][]} */
const CASES = [
  ["none", "return { id: ctx.input.id };", {}, 1],
  ["get", "return await ctx.db.posts.get(ctx.input.id);", { doc: DOC }, 1],
  ["get x 10, in turn", "for (let n = 0; n < 10; n += 1) await ctx.db.posts.get('p');", { doc: DOC }, 10],
  [
    "get x 10, at once",
    "await Promise.all(Array.from({ length: 10 }, () => ctx.db.posts.get('p')));",
    { doc: DOC },
    10,
  ],
  ["create", `return (await ctx.db.posts.create(${DATA})).id;`, { doc: DOC }, 1],
  ["list of 1,000", "return (await ctx.db.posts.list()).docs.length;", { docs: ROWS, total: 1_000 }, 1],
  [
    "query of 1,000",
    "return (await ctx.db.query('Q')).length;",
    { columns: Object.keys(DOC), rows: ROWS.map((row) => Object.values(row)) },
    1,
  ],
];

/**
 * Answers a call of the database with the result, under its id.
 *
 * @param {object} result
 * @returns {import("./driver.js").Reply}
 */
function replyWith(result) {
  const json = JSON.stringify(result);
  return (bytes, start) => {
    const head = bytes.subarray(start, start + HEAD_BYTES);
    const mark = head.indexOf(MARK);
    if (mark < 0) return undefined;
    return encode(`${head.toString("utf8", 0, mark)},"result":${json}}`);
  };
}

/** @param {number} id */
function invokeFrame(id) {
  const params = { function: "f", revision: "r1", requestId: "r", deadlineMs: 30_000, input: { id: DOC.id } };
  return encode(JSON.stringify({ jsonrpc: "2.0", id, method: "invoke", params }));
}

/**
 * @param {string} body
 * @param {object} result
 * @param {number} inFlight
 */
async function run(body, result, inFlight) {
  const host = await startShimWithDatabase();
  await host.load(`export default async (ctx) => { ${body} };`);
  const frames = Array.from({ length: inFlight }, (_, index) => invokeFrame(1_000 + index));
  const results = [];
  const reply = replyWith(result);
  for (let done = 0; done < rounds; done += 1) results.push(await measure(host, frames, seconds, reply));
  await host.stop();
  return {
    perSecond: median(results.map((round) => round.perSecond)),
    cpu: median(results.map((round) => round.cpuMicros)),
  };
}

let base = 0;
for (const [name, body, result, calls] of CASES) {
  const many = await run(body, result, 64);
  const one = await run(body, result, 1);
  if (name === "none") base = many.cpu;
  const each = name === "none" ? "" : `, ${((many.cpu - base) / calls).toFixed(2)} us of CPU a database call`;
  const alone = `${(1e6 / one.perSecond).toFixed(0)} us alone`;
  process.stdout.write(`${name.padEnd(18)} ${Math.round(many.perSecond)} invocations/s, ${alone}${each}\n`);
}
