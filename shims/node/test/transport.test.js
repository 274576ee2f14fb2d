/** What waits for a host that is slow to read: all of it arrives, and it costs no more than it weighs. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Decoder, FRAME_CAP } from "../src/codec.js";
import { Peer } from "../src/peer.js";
import { dial } from "../src/transport.js";

const FRAMES = 10_000;

test("a loop of log lines takes the room of the lines, and all of them arrive in order", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "alyx-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s");
  const server = net.createServer().listen(path);
  await once(server, "listening");
  const connection = once(server, "connection");
  const transport = dial(`unix:${path}`, {
    bytes: () => {},
    end: () => {},
    fail: (problem) => assert.fail(problem),
  });
  const peer = new Peer((bytes) => transport.write(bytes));
  const [host] = await connection;
  t.after(() => {
    host.destroy();
    server.close();
  });

  const before = process.memoryUsage().arrayBuffers;
  for (let n = 0; n < FRAMES; n++) peer.sendNow(`{"n":${n},"text":"${"x".repeat(100)}"}`);
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 8 << 20, `${grown} bytes for ${FRAMES} lines`);

  /** @type {number[]} */
  const heard = [];
  const decoder = new Decoder(FRAME_CAP, {
    frame: (text) => heard.push(JSON.parse(text).n),
    garbled: () => assert.fail(),
    oversize: () => assert.fail(),
  });
  host.on("data", (/** @type {Buffer} */ bytes) => decoder.push(bytes));
  transport.close(() => {});
  await once(host, "end");
  assert.deepEqual(
    heard,
    Array.from({ length: FRAMES }, (_, n) => n),
  );
});
