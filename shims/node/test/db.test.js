/** ctx.db in handlers, against the real shim and a host that answers by script. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { startShimWithDatabase } from "./host.js";

/** @type {import("./host.js").Host} */
let host;
/** @type {(method: string, params: any, id: number) => object | undefined} */
let reply;
before(async () => {
  host = await startShimWithDatabase();
  host.serve((method, params, id) => reply(method, params, id));
});
after(() => host.stop());
afterEach(() => {
  host.messages.length = 0;
});

let count = 0;

/**
 * Runs the body of an async handler.
 *
 * @param {string} body
 * @param {(method: string, params: any, id: number) => object | undefined} [script]
 * @returns {Promise<any>} the answer; what was asked is in `host.asked()`
 */
async function run(body, script = () => ({ result: {} })) {
  reply = script;
  count += 1;
  const name = `d${count}`;
  const loaded = await host.load(`export default async (ctx) => { ${body} };`, { name });
  assert.ok(loaded.result, JSON.stringify(loaded.error));
  return host.invoke({}, { function: name });
}

/**
 * The params of what was asked, without `inv`, which is checked to be that of the invocation.
 *
 * @param {any} answer
 */
function asked(answer) {
  return host.asked().map(({ method, params: { inv, ...params } }) => {
    assert.equal(inv, answer.id);
    return [method, params];
  });
}

/**
 * @param {any} answer
 * @returns {any}
 */
function outputOf(answer) {
  assert.ok(answer.result, JSON.stringify(answer.error));
  return answer.result.output;
}

const POST = { id: "p1", created_at: "2026-01-24T10:30:00.000Z", title: "Hello" };

test("list, get, create, update, delete", async () => {
  /** @type {Record<string, object>} */
  const results = {
    "db.list": { docs: [POST], total: 42, more: "of a later host" },
    "db.get": { doc: POST },
    "db.create": { doc: POST },
    "db.update": { doc: POST },
    "db.delete": { deleted: true },
  };
  const answer = await run(
    `const { posts } = ctx.db;
     return [await posts.list({ filter: { author_id: "u1" }, sort: "-created_at", limit: 10, offset: 0 }),
       await posts.get("p1"), await posts.create({ title: "Hello", gone: undefined }),
       await posts.update("p1", { title: "Hello" }), String(await posts.delete("p1"))];`,
    (method) => ({ result: results[method] }),
  );
  assert.deepEqual(outputOf(answer), [{ docs: [POST], total: 42 }, POST, POST, POST, "undefined"]);
  assert.deepEqual(asked(answer), [
    [
      "db.list",
      { collection: "posts", filter: { author_id: "u1" }, sort: "-created_at", limit: 10, offset: 0 },
    ],
    ["db.get", { collection: "posts", id: "p1" }],
    ["db.create", { collection: "posts", data: { title: "Hello" } }],
    ["db.update", { collection: "posts", id: "p1", data: { title: "Hello" } }],
    ["db.delete", { collection: "posts", id: "p1" }],
  ]);
});

test("list with every option, with none, and without a count", async () => {
  const answer = await run(
    `const { posts } = ctx.db;
     await posts.list(); await posts.list({}); await posts.list({ limit: undefined, sort: undefined });
     return posts.list({ filter: {}, sort: ["a", "-b"], limit: 1, offset: 2, fields: ["id"], count: false });`,
    () => ({ result: { docs: [] } }),
  );
  assert.deepEqual(outputOf(answer), { docs: [] });
  const bare = ["db.list", { collection: "posts" }];
  const full = { filter: {}, sort: "a,-b", limit: 1, offset: 2, fields: ["id"], count: false };
  assert.deepEqual(asked(answer), [bare, bare, bare, ["db.list", { collection: "posts", ...full }]]);
});

test("query, exec and batch", async () => {
  /** @type {Record<string, object>} */
  const results = {
    "db.query": { columns: ["id", "n"], rows: [["p1", { $int: "9223372036854775807" }]] },
    "db.exec": { changes: 1, lastInsertId: 7 },
    "db.batch": { results: [{ changes: 1, lastInsertId: { $int: "9223372036854775807" } }, { changes: 0 }] },
  };
  const answer = await run(
    `const text = (value) => JSON.stringify(value, (_, v) => typeof v === "bigint" ? v + "n" : v);
     return text([await ctx.db.query("Q", ["u1", true]), await ctx.db.query("Q", { id: 1n }), await ctx.db.exec("E"),
       await ctx.db.batch([{ sql: "A", params: [1] }, { sql: "B" }]), await ctx.db.batch([])]);`,
    (method) => ({ result: results[method] }),
  );
  const large = "9223372036854775807n";
  const rows = [{ id: "p1", n: large }];
  assert.deepEqual(JSON.parse(outputOf(answer)), [
    rows,
    rows,
    { rows_affected: 1, last_insert_id: 7 },
    [
      { rows_affected: 1, last_insert_id: large },
      { rows_affected: 0, last_insert_id: null },
    ],
    [],
  ]);
  assert.deepEqual(asked(answer), [
    ["db.query", { sql: "Q", args: ["u1", true] }],
    ["db.query", { sql: "Q", args: { id: { $int: "1" } } }],
    ["db.exec", { sql: "E" }],
    [
      "db.batch",
      {
        ops: [
          { method: "db.exec", params: { sql: "A", args: [1] } },
          { method: "db.exec", params: { sql: "B" } },
        ],
      },
    ],
  ]);
});

test("names: collections of any name, none for await and JSON, methods that need no this", async () => {
  const answer = await run(
    `const { db } = ctx;
     await db.collection("query").get("a"); await db["odd \\" name"].get("b"); await db.toString.get("c");
     const { query } = db;
     const gets = ["d", "e"].map(db.posts.get);
     await Promise.all(gets);
     await query("Q");
     console.log(db, db.posts);
     return [(await db) === db, typeof db.then, db[Symbol.toStringTag] === undefined, JSON.stringify(db),
       db.posts === db.posts, db.collection("posts") === db.posts, ctx.db === db, Object.keys(ctx).includes("db")];`,
    (method) => ({ result: method === "db.get" ? { doc: null } : { columns: [], rows: [] } }),
  );
  assert.deepEqual(outputOf(answer), [true, "undefined", true, "{}", true, true, true, false]);
  assert.deepEqual(
    asked(answer).map(([, params]) => [params.collection, params.id]),
    [
      ["query", "a"],
      ['odd " name', "b"],
      ["toString", "c"],
      ["posts", "d"],
      ["posts", "e"],
      [undefined, undefined],
    ],
  );
});

test("ids: null and undefined are not found without a question, anything else must be a string", async () => {
  const answer = await run(
    `const { posts } = ctx.db;
     const tries = [() => posts.get(null), () => posts.get(undefined), () => posts.get(7), () => posts.get({}),
       () => posts.update(undefined, {}), () => posts.delete(null)];
     const told = [];
     for (const ask of tries) told.push(await ask().catch((error) => error.code + ": " + error.message));
     return told;`,
  );
  const must = "VALIDATION_ERROR: id must be a string, not";
  const refusals = ["a number", "an object", "undefined", "null"].map((kind) => `${must} ${kind}`);
  assert.deepEqual(outputOf(answer), [null, null, ...refusals]);
  assert.deepEqual(asked(answer), []);
});

test("wrong options of list are refused by name", async () => {
  const answer = await run(
    `const told = [];
     for (const options of [{ filters: {} }, { limit: "10" }, { limit: 1.5 }, { offset: NaN }, { sort: 1 },
       { fields: "id" }, { count: 1 }, { limit: null }, 5, { filter: undefined }, { __proto__: null, toString: 1 }])
       told.push(await ctx.db.posts.list(options).catch((error) => error.code + ": " + error.message));
     return told;`,
  );
  const known = "use filter, sort, limit, offset, fields, count";
  assert.deepEqual(outputOf(answer), [
    `INVALID_QUERY: unknown option 'filters' of list; ${known}`,
    "INVALID_QUERY: limit must be an integer, not a string",
    "INVALID_QUERY: limit must be an integer, not 1.5",
    "INVALID_QUERY: offset must be an integer, not NaN",
    "INVALID_QUERY: sort must be a string or a list of strings, not 1",
    "INVALID_QUERY: fields must be a list of strings, not a string",
    "INVALID_QUERY: count must be true or false, not 1",
    "INVALID_QUERY: limit must be an integer, not null",
    "INVALID_QUERY: the options of list must be an object, not a number",
    "INVALID_FILTER: filter is undefined; leave it out or pass {}",
    `INVALID_QUERY: unknown option 'toString' of list; ${known}`,
  ]);
  assert.deepEqual(asked(answer), []);
});

test("50 parallel calls each get their own answer, in whatever order", async () => {
  /** @type {[number, string][]} */
  const held = [];
  let total = 0;
  const answer = await run(
    `const ids = Array.from({ length: 50 }, (_, n) => "p" + n);
     return (await Promise.all(ids.map((id) => ctx.db.posts.get(id)))).map((doc) => doc.id);`,
    (_method, params, id) => {
      held.push([id, params.id]);
      total += 1;
      // 32 are all that may be out; they are answered backwards.
      if (held.length === 32 || total === 50)
        for (const [call, doc] of held.splice(0).reverse()) send(call, doc);
      return undefined;
    },
  );
  assert.deepEqual(
    outputOf(answer),
    Array.from({ length: 50 }, (_, n) => `p${n}`),
  );
  assert.equal(total, 50);
});

/**
 * @param {number} id
 * @param {string} doc
 */
function send(id, doc) {
  host.send({ id, result: { doc: { id: doc } } });
}

test("at most 32 calls of one invocation are out at once, and 10,000 at once work", async () => {
  let out = 0;
  let most = 0;
  const answer = await run(
    `const docs = await Promise.all(Array.from({ length: 10_000 }, (_, n) => ctx.db.posts.get("" + n)));
     return docs.every((doc, n) => doc.id === "" + n);`,
    (_method, params, id) => {
      out += 1;
      most = Math.max(most, out);
      setImmediate(() => {
        out -= 1;
        send(id, params.id);
      });
      return undefined;
    },
  );
  assert.equal(outputOf(answer), true);
  assert.equal(most, 32);
});

test("the samples of the README run as they stand", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const samples = [...readme.matchAll(/```js\n(.*?)```/gs)].map((found) => found[1] ?? "");
  const doc = { id: "p1", title: "Hello" };
  /** @type {Record<string, object>} */
  const results = {
    "db.list": { docs: [doc], total: 1 },
    "db.query": { columns: ["id", "title"], rows: [["p1", "Hello"]] },
    "db.exec": { changes: 1 },
    "db.batch": { results: [{ changes: 2 }, { changes: 1 }] },
    "db.delete": { deleted: true },
  };
  const taken = { code: "UNIQUE_VIOLATION", details: { collection: "users", field: "email" } };
  reply = (method, params) =>
    params.collection === "users"
      ? { error: { code: -32041, message: "taken", data: taken } }
      : { result: results[method] ?? { doc } };
  const outputs = [];
  for (const [index, source] of samples.entries()) {
    const loaded = await host.load(source, { name: `readme${index}` });
    assert.ok(loaded.result, JSON.stringify(loaded.error));
    const input = { author: "u1", id: "p1", email: "a@b.c" };
    outputs.push(outputOf(await host.invoke(input, { function: `readme${index}` })));
  }
  assert.deepEqual(outputs, [
    { docs: [doc], total: 1, same: doc },
    { rows: [doc], rows_affected: 1 },
    { taken: "email" },
  ]);
});
