// The database benchmark's functions on node:http and better-sqlite3, with nothing in between.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import Database from "better-sqlite3";

const db = new Database(process.argv[2]);
db.pragma("journal_mode = WAL");
// As Alyx has it: what was acknowledged survives a power cut.
db.pragma("synchronous = FULL");
db.exec(`DROP TABLE IF EXISTS posts;
  CREATE TABLE posts (id TEXT PRIMARY KEY, title TEXT, body TEXT, published INTEGER, views INTEGER,
    created_at TEXT, updated_at TEXT) STRICT`);
const insert = db.prepare("INSERT INTO posts VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *");
const one = db.prepare("SELECT * FROM posts WHERE id = ?");
const all = db.prepare("SELECT * FROM posts ORDER BY id LIMIT 1000");
const count = db.prepare("SELECT count(*) AS total FROM posts");

const id = (number) => `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
const document = (row) => ({ ...row, published: row.published === 1 });
const random = () => document(one.get(id(Math.floor(Math.random() * 1000))));
const create = (key, number) => {
  const now = new Date().toISOString();
  return document(insert.get(key, `Post ${number}`, "x".repeat(100), 1, number, now, now));
};

const work = {
  seed: () => db.transaction(() => void Array.from({ length: 1000 }, (_, n) => create(id(n), n)))() ?? null,
  get: random,
  get_ten: () => Array.from({ length: 10 }, random),
  create: () => create(randomUUID(), 1),
  list: () => ({ docs: all.all().map(document), total: count.get().total }),
};

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const input = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const body = JSON.stringify(work[input.do]());
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  });
});

server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
