/**
 * A host for tests: starts the real shim as a child process and speaks the protocol with it.
 *
 * Checks nothing by itself; whatever the shim sends is handed to the test.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Decoder, encode, FRAME_CAP } from "../src/codec.js";

const BIN = fileURLToPath(new URL("../bin/alyx-shim-node.js", import.meta.url));
const WITHIN_MS = 10_000;

export const LIMITS = {
  maxFrame: 8 * 1024 * 1024,
  maxDepth: 128,
  maxLogEntry: 16 * 1024,
  maxLogBytes: 256 * 1024,
  maxCalls: 256,
  maxCallsPerInvocation: 32,
};

/** @typedef {any} Message */

export class Host {
  /** Every message of the shim, in order. @type {Message[]} */
  messages = [];
  /** @type {((message: Message) => void)[]} */
  #watchers = [];
  #nextId = 1;
  #decoder = new Decoder(FRAME_CAP, {
    frame: (text) => this.#take(JSON.parse(text)),
    garbled: () => assertNever("the shim sent bytes that are no UTF-8"),
    oversize: (length) => assertNever(`the shim sent ${length} bytes`),
  });
  stdout = "";
  stderr = "";
  /** @type {import("node:stream").Writable | undefined} */
  #out;
  /** @type {import("node:stream").Readable | undefined} */
  #input;

  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {string} dir
   */
  constructor(child, dir) {
    this.child = child;
    this.dir = dir;
    this.exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    /** All that it printed has come. */
    this.closed = once(child, "close");
    child.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
  }

  /**
   * @param {import("node:stream").Readable} input
   * @param {import("node:stream").Writable} output
   */
  attach(input, output) {
    this.#out = output;
    this.#input = input;
    output.on("error", () => {});
    input.on("error", () => {});
    input.on("data", (chunk) => this.#decoder.push(chunk));
  }

  /** @param {Message} message */
  #take(message) {
    this.messages.push(message);
    for (const watcher of [...this.#watchers]) watcher(message);
  }

  /** @param {...Message} messages sent in one write */
  send(...messages) {
    this.raw(
      Buffer.concat(messages.map((message) => encode(JSON.stringify({ jsonrpc: "2.0", ...message })))),
    );
  }

  /** @param {Buffer} bytes */
  raw(bytes) {
    this.#out?.write(bytes);
  }

  /** Hands the stream over: from now on nothing is decoded here. */
  takeStream() {
    this.#input?.removeAllListeners("data");
    return this.#out;
  }

  hangUp() {
    this.#out?.end();
  }

  /**
   * The first message that matches, whether it has come or is to come.
   *
   * @param {(message: Message) => boolean} matches
   * @param {string} [what]
   * @returns {Promise<Message>}
   */
  expect(matches, what = String(matches)) {
    const found = this.messages.find(matches);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`nothing came for ${what}; stderr: ${this.stderr}`)),
        WITHIN_MS,
      );
      /** @param {Message} message */
      const watcher = (message) => {
        if (!matches(message)) return;
        clearTimeout(timer);
        this.#watchers.splice(this.#watchers.indexOf(watcher), 1);
        resolve(message);
      };
      this.#watchers.push(watcher);
    });
  }

  /** @param {number | null} id */
  answer(id) {
    return this.expect((message) => message.id === id && message.method === undefined, `the answer to ${id}`);
  }

  /**
   * Answers what the shim asks, at once and in order: `{result}` or `{error}`.
   *
   * @param {(method: string, params: any, id: number) => object | undefined} reply undefined answers nothing
   */
  serve(reply) {
    this.#watchers.push(({ id, method, params }) => {
      if (id === undefined || method === undefined || method === "hello") return;
      const answer = reply(method, params, id);
      if (answer !== undefined) this.send({ id, ...answer });
    });
  }

  /** What the shim asked for, in order. @param {string} [method] */
  asked(method) {
    return this.messages.filter(
      (message) => message.id !== undefined && message.method?.startsWith(method ?? "db."),
    );
  }

  nextId() {
    this.#nextId += 1;
    return this.#nextId;
  }

  /**
   * @param {string} method
   * @param {object} [params]
   * @returns {Promise<Message>} the whole answer
   */
  request(method, params) {
    const id = this.nextId();
    this.send({ id, method, params });
    return this.answer(id);
  }

  /**
   * Writes a function's source to disk and loads it.
   *
   * @param {string} source
   * @param {{ name?: string, file?: string, revision?: string, env?: object, timeoutMs?: number }} [options]
   */
  load(source, { name = "f", file = `${name}.js`, revision = "r1", env = {}, timeoutMs } = {}) {
    const path = this.write(file, source);
    return this.request("load", { function: name, revision, path, root: this.dir, env, timeoutMs });
  }

  /**
   * @param {string} file
   * @param {string} source
   */
  write(file, source) {
    const path = join(this.dir, file);
    writeFileSync(path, source);
    return path;
  }

  /**
   * @param {object} [input]
   * @param {object} [more] further members of params
   */
  invoke(input = {}, more = {}) {
    return this.request("invoke", { function: "f", revision: "r1", requestId: "q", input, ...more });
  }

  /**
   * Log entries of one invocation, in order.
   *
   * @param {number} [inv]
   */
  logs(inv) {
    return this.messages
      .filter((message) => message.method === "log" && message.params.inv === inv)
      .flatMap((message) => message.params.entries);
  }

  async stop() {
    this.hangUp();
    this.child.kill("SIGKILL");
    await this.exited;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** @param {string} problem @returns {never} */
function assertNever(problem) {
  throw new Error(problem);
}

/**
 * @typedef {object} StartOptions
 * @property {"unix" | "pipes" | "sockets"} [transport]
 * @property {object | null} [reply] replaces the answer to hello; null answers nothing
 * @property {NodeJS.ProcessEnv} [env]
 *
 * Starts a shim and does the handshake.
 *
 * @param {StartOptions} [options]
 */
export async function startShim({ transport = "unix", reply, env = {} } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "alyx-node-"));
  const host = transport === "unix" ? await overUnix(dir, env) : overStdio(dir, env, transport);
  const hello = await host.expect((message) => message.method === "hello", "hello");
  if (reply !== null) host.send({ id: hello.id, ...(reply ?? { result: helloResult() }) });
  return host;
}

/**
 * A shim whose host has a database.
 *
 * @param {object} [limits] in the place of the usual ones
 */
export function startShimWithDatabase(limits = {}) {
  const result = { ...helloResult(), limits: { ...LIMITS, ...limits }, capabilities: { db: {}, batch: {} } };
  return startShim({ reply: { result } });
}

export function helloResult() {
  return {
    protocolVersion: 1,
    session: "s_1",
    host: { name: "test", version: "0" },
    limits: LIMITS,
    heartbeat: { intervalMs: 5000, timeoutMs: 15000 },
    capabilities: {},
  };
}

/**
 * @param {string} address
 * @param {NodeJS.ProcessEnv} env
 * @param {"pipe" | "ignore"} stdin
 */
function spawnShim(address, env, stdin) {
  return spawn(process.execPath, [BIN], {
    stdio: [stdin, "pipe", "pipe"],
    env: { PATH: process.env.PATH, ALYX_ADDR: address, ALYX_TOKEN: "secret-token", ...env },
  });
}

/** @param {NodeJS.ProcessEnv} env */
function spawnPiped(env) {
  const script = 'exec "$0" "$1" < <(cat) > >(cat) 2> >(cat >&2)';
  return spawn("bash", ["--norc", "-c", script, process.execPath, BIN], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ALYX_ADDR: "stdio", ALYX_TOKEN: "secret-token", ...env },
  });
}

/**
 * @param {string} dir
 * @param {NodeJS.ProcessEnv} env
 */
async function overUnix(dir, env) {
  const path = join(dir, "host.sock");
  const server = net.createServer().listen(path);
  await once(server, "listening");
  const host = new Host(spawnShim(`unix:${path}`, env, "ignore"), dir);
  host.child.stdout?.on("data", (chunk) => {
    host.stdout += chunk;
  });
  const [socket] = await Promise.race([once(server, "connection"), host.exited.then(() => [])]);
  server.close();
  if (socket === undefined) throw new Error(`the shim ended before it dialled: ${host.stderr}`);
  host.attach(socket, socket);
  return host;
}

/**
 * Node gives its children sockets for stdin and stdout; `cat` on both sides makes them pipes.
 *
 * @param {string} dir
 * @param {NodeJS.ProcessEnv} env
 * @param {"pipes" | "sockets"} kind
 */
function overStdio(dir, env, kind) {
  const host = new Host(kind === "pipes" ? spawnPiped(env) : spawnShim("stdio", env, "pipe"), dir);
  const { stdin, stdout } = host.child;
  if (stdin === null || stdout === null) throw new Error("no pipes");
  host.attach(stdout, stdin);
  return host;
}
