/** The golden examples of db.*: ctx.db asks in these very words, and understands every answer. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Decoder, FRAME_CAP } from "../src/codec.js";
import { openDatabase } from "../src/db.js";
import { DatabaseError } from "../src/dberror.js";
import { Peer } from "../src/peer.js";
import { LIMITS } from "./host.js";

const ROOT = fileURLToPath(new URL("../../../protocol/v1/examples", import.meta.url));
const BIG = 2n ** 63n - 1n;
const ID = "0190a1b2-0000-7000-8000-000000000001";

/** @typedef {(db: import("../index.d.ts").Database) => Promise<any>} Ask */

/** @type {Record<string, { example: any, used: boolean }>} */
const examples = {};
for (const folder of readdirSync(ROOT).filter((name) => name.startsWith("db."))) {
  for (const file of readdirSync(join(ROOT, folder))) {
    const example = JSON.parse(readFileSync(join(ROOT, folder, file), "utf8"));
    examples[`${folder}/${file.replace(".json", "")}`] = { example, used: false };
  }
}

/** @param {string} name */
function take(name) {
  const found = examples[name];
  assert.ok(found, `the example ${name} is missing`);
  found.used = true;
  return found.example.message;
}

/** A database whose host says what it is told to. */
function database() {
  /** @type {any[]} */
  const sent = [];
  const decoder = new Decoder(FRAME_CAP, {
    frame: (text) => sent.push(JSON.parse(text)),
    garbled: () => assert.fail(),
    oversize: () => assert.fail(),
  });
  const peer = new Peer((bytes) => {
    decoder.push(bytes);
    return true;
  });
  peer.maxFrame = LIMITS.maxFrame;
  const { client } = openDatabase(2, peer, { limits: LIMITS, capabilities: { db: {}, batch: {} } });
  return { peer, sent, client };
}

/** @type {Record<string, Ask>} */
const REQUESTS = {
  "db.list/request": (db) => db.posts?.list() ?? assert.fail(),
  "db.list/request-full": (db) =>
    db.collection("posts").list({
      filter: {
        published: true,
        price: { $gte: 10, $lt: 99.5 },
        slug: { $like: "hello%" },
        category: { $in: ["tech", "science"] },
        deleted_at: null,
      },
      sort: ["-created_at", "title"],
      limit: 20,
      offset: 40,
      fields: ["id", "title"],
      count: false,
    }),
  "db.list/request-operators": (db) =>
    db.collection("posts").list({
      filter: {
        $or: [{ a: { $eq: 1 } }, { $and: [{ b: { $ne: null } }, { $not: { c: { $nin: [1, 2] } } }] }],
        n: { $gt: 9007199254740993n },
      },
    }),
  "db.get/request": (db) => db.collection("posts").get(ID),
  "db.create/request": (db) =>
    db.collection("posts").create({ title: "Hello", slug: "hello", tags: ["a", "b"] }),
  "db.create/request-values": (db) =>
    db.collection("files").create({
      size: 9007199254740992n,
      body: Buffer.from([0, 1, 2, 255]),
      meta: { $ref: "x" },
    }),
  "db.update/request": (db) => db.collection("posts").update(ID, { title: "Updated Title" }),
  "db.delete/request": (db) => db.collection("posts").delete(ID),
  "db.query/request": (db) =>
    db.query("SELECT id, title FROM posts WHERE author_id = ? AND published = ?", ["u1", true]),
  "db.query/request-named": (db) =>
    db.query("SELECT count(*) AS n FROM posts WHERE author_id = :author", { author: "u1" }),
  "db.query/request-no-args": (db) => db.query("SELECT 1 AS one"),
  "db.exec/request": (db) => db.exec("UPDATE posts SET view_count = view_count + 1 WHERE id = ?", ["p1"]),
  "db.exec/request-values": (db) =>
    db.exec("INSERT INTO blobs (n, body, flag) VALUES (?, ?, ?)", [
      -(2n ** 63n),
      new Uint8Array([0xde, 0xad, 0xbe, 0xef]),
      false,
    ]),
};

for (const [name, ask] of Object.entries(REQUESTS)) {
  test(`${name}: asked in these words`, () => {
    const { method, params } = take(name);
    const { peer, sent, client } = database();
    ask(client);
    peer.flush();
    // This shim offers no transactions.
    const { tx, ...expected } = params;
    assert.deepEqual(sent, [{ jsonrpc: "2.0", id: 1, method, params: expected }]);
  });
}

test("what ctx.db never asks: nothing for a null id and an empty batch, and only exec in a batch", async () => {
  take("db.get/request-null-id");
  take("db.batch/request-empty");
  const { peer, sent, client } = database();
  assert.equal(await client.posts.get(null), null);
  assert.deepEqual(await client.batch([]), []);
  const { method, params } = take("db.batch/request");
  const [{ params: first }] = params.ops;
  client.batch([{ sql: first.sql, params: first.args }]);
  peer.flush();
  assert.deepEqual(sent, [{ jsonrpc: "2.0", id: 1, method, params: { inv: 2, ops: [params.ops[0]] } }]);
});

const POST = {
  id: ID,
  created_at: "2026-01-24T10:30:00.000Z",
  updated_at: "2026-01-24T10:30:00.000Z",
  title: "Hello",
  slug: "hello",
  published: true,
  tags: ["a", "b"],
};

/** @type {[name: string, ask: Ask, expected: unknown][]} */
const RESULTS = [
  ["db.list/result", (db) => db.collection("posts").list(), { docs: [POST], total: 42 }],
  ["db.list/result-empty", (db) => db.collection("posts").list(), { docs: [], total: 0 }],
  [
    "db.list/result-no-count",
    (db) => db.collection("posts").list({ count: false }),
    { docs: [{ id: ID, title: "Hello" }] },
  ],
  ["db.get/result", (db) => db.collection("posts").get(ID), POST],
  ["db.get/result-null", (db) => db.collection("posts").get("x"), null],
  [
    "db.get/result-values",
    (db) => db.collection("posts").get(ID),
    {
      id: ID,
      views: BIG,
      debt: -9007199254740993n,
      small: Number.MAX_SAFE_INTEGER,
      photo: Buffer.from("iVBORw0KGgo=", "base64"),
      empty: Buffer.alloc(0),
      meta: { $int: "not a number" },
      plain: { $int: "1", other: 2 },
      nested: { list: [{ $lit: { $x: 1 } }] },
    },
  ],
  ["db.create/result", (db) => db.collection("posts").create({}), POST],
  [
    "db.update/result",
    (db) => db.collection("posts").update(ID, {}),
    { ...POST, title: "Updated Title", updated_at: "2026-01-24T10:31:00.000Z" },
  ],
  ["db.delete/result", (db) => db.collection("posts").delete(ID), undefined],
  [
    "db.query/result",
    (db) => db.query("Q"),
    [
      { id: "p1", title: "Hello" },
      { id: "p2", title: null },
    ],
  ],
  ["db.query/result-empty", (db) => db.query("Q"), []],
  ["db.query/result-truncated", (db) => db.query("Q").catch((error) => error.code), "RESULT_TOO_LARGE"],
  ["db.exec/result", (db) => db.exec("E"), { rows_affected: 1, last_insert_id: null }],
  ["db.exec/result-insert", (db) => db.exec("E"), { rows_affected: 1, last_insert_id: 7 }],
  ["db.exec/result-large-key", (db) => db.exec("E"), { rows_affected: 1, last_insert_id: BIG }],
  ["db.batch/result-empty", (db) => db.batch([{ sql: "S" }]), []],
];

for (const [name, ask, expected] of RESULTS) {
  test(`${name}: understood`, async () => {
    const { peer, client } = database();
    const asked = ask(client);
    peer.frame(JSON.stringify({ ...take(name), id: 1 }));
    assert.deepEqual(await asked, expected);
  });
}

test("a batch gets the result of each statement", async () => {
  const message = take("db.batch/result");
  const [first] = message.result.results;
  const { peer, client } = database();
  const asked = client.batch([{ sql: "A" }, { sql: "B" }]);
  peer.frame(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { results: [first, { changes: 0 }] } }));
  assert.deepEqual(await asked, [
    { rows_affected: 1, last_insert_id: 1 },
    { rows_affected: 0, last_insert_id: null },
  ]);
});

test("every error of a host becomes a DatabaseError with its code, message and details", async () => {
  const names = Object.keys(examples).filter((name) => name.includes("/error"));
  assert.ok(names.length > 10);
  for (const name of names) {
    const message = take(name);
    const { code, retryable = false, details = {} } = message.error.data;
    const { peer, client } = database();
    const asked = client.posts.get("1");
    peer.frame(JSON.stringify({ ...message, id: 1 }));
    const error = await asked.catch((/** @type {unknown} */ thrown) => thrown);
    assert.ok(error instanceof DatabaseError, name);
    assert.deepEqual({ ...error }, { ...details, code }, name);
    assert.deepEqual([error.message, error.retryable], [message.error.message, retryable], name);
  }
});

test("no example was left out", () => {
  const left = Object.keys(examples).filter((name) => !examples[name]?.used);
  assert.deepEqual(left, []);
});
