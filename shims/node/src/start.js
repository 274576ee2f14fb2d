/**
 * Starts a worker: its address, the handshake, and the ways in which this process ends.
 *
 * Knows nothing of functions. Exit codes: 0 after shutdown or the host's end, 1 failed, 2 usage.
 */

import { captureOutput } from "./capture.js";
import { FRAME_CAP, FramingError } from "./codec.js";
import { forward } from "./forward.js";
import { scope } from "./invocation.js";
import { Functions } from "./loader.js";
import { echoLines } from "./log.js";
import { Peer } from "./peer.js";
import { MAX_CONCURRENCY, Shim } from "./shim.js";
import { AddressError, dial } from "./transport.js";

export const VERSION = "0.1.0";
const PROTOCOL = 1;
const HELLO_TIMEOUT_MS = 5_000;
const LEAVE_WITHIN_MS = 800;
const DEFAULT_LIMITS = {
  maxFrame: 8 * 1024 * 1024,
  maxLogEntry: 16 * 1024,
  maxLogBytes: 256 * 1024,
  maxCalls: 256,
  maxCallsPerInvocation: 32,
};

/** @param {NodeJS.ProcessEnv} env the variables that concern the shim are taken out of it */
export function start(env) {
  const { ALYX_ADDR: address, ALYX_TOKEN: token = "", ALYX_ECHO: echo, ALYX_PROXY: proxy } = env;
  delete env.ALYX_ADDR;
  delete env.ALYX_TOKEN;
  delete env.ALYX_ECHO;
  delete env.ALYX_PROXY;
  if (echo) echoLines();
  if (!address) return die(2, "usage: ALYX_ADDR=unix:/path|tcp:host:port|stdio ALYX_TOKEN=… alyx-shim-node");
  const greet = () => {
    try {
      new Worker(address).greet(token);
    } catch (error) {
      die(error instanceof AddressError ? 2 : 1, /** @type {Error} */ (error).message);
    }
  };
  // No function runs before it has its way out.
  if (proxy) forward(proxy.replace(/^unix:/, ""), greet);
  else greet();
}

class Worker {
  #transport;
  #peer;
  /** @type {Shim | undefined} Made when the handshake is done. */
  #shim;
  #leaving = false;

  /** @param {string} address */
  constructor(address) {
    this.#peer = new Peer((bytes) => this.#transport.write(bytes));
    this.#transport = dial(address, {
      bytes: (bytes, length) => this.#receive(bytes, length),
      end: () => this.#end(),
      fail: (problem) => this.#fail(problem),
    });
  }

  /** @param {string} token */
  greet(token) {
    this.#peer.ask("hello", greeting(token), HELLO_TIMEOUT_MS, {
      // At once: calls of the host may stand right behind its reply.
      resolve: (reply) => this.#serve(reply),
      reject: ({ code, message }) => die(1, `no handshake with the host: ${code}: ${message}`),
    });
  }

  /** @param {any} reply the host's answer to hello */
  #serve(reply) {
    if (reply?.protocolVersion !== PROTOCOL) {
      return die(1, `the host chose protocol ${reply?.protocolVersion}; this shim speaks ${PROTOCOL}`);
    }
    const limits = { ...DEFAULT_LIMITS, ...reply.limits };
    this.#peer.maxFrame = Math.min(limits.maxFrame, FRAME_CAP);
    this.#peer.outgoing.limit = limits.maxCalls;
    const offer = { limits, capabilities: reply.capabilities ?? {} };
    const shim = new Shim(this.#peer, new Functions(), offer, (code) => this.#leave(code));
    this.#shim = shim;
    this.#peer.serve(shim.requests, shim.notices);
    captureOutput(printToActivity);
    process.on("unhandledRejection", (reason) => shim.fault(reason, "unhandled_rejection"));
    process.on("uncaughtException", (error) => shim.fault(error, "uncaught_exception"));
    process.on("exit", () => shim.lastWords());
  }

  /**
   * @param {Buffer} bytes
   * @param {number} length
   */
  #receive(bytes, length) {
    try {
      this.#peer.receive(bytes, length);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#peer.flush();
      die(1, error.message);
    }
  }

  /** The host closed the connection: what runs is cancelled, the process ends. */
  async #end() {
    if (this.#leaving) return;
    this.#leaving = true;
    if (this.#shim === undefined)
      return die(1, "the host closed the connection before the handshake was done");
    setTimeout(() => process.exit(0), LEAVE_WITHIN_MS);
    await this.#shim.stop("shutdown");
    process.exit(0);
  }

  /** @param {string} problem */
  #fail(problem) {
    if (!this.#leaving) die(1, problem);
  }

  /**
   * Writes what is queued, closes, ends; does not wait for the host to close.
   *
   * @param {number} code
   */
  #leave(code) {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#peer.flush();
    this.#transport.close(() => process.exit(code));
    setTimeout(() => process.exit(code), LEAVE_WITHIN_MS);
  }
}

/** @param {string} token */
function greeting(token) {
  return {
    protocolVersions: [PROTOCOL],
    token,
    runtime: {
      name: "node",
      version: VERSION,
      language: "javascript",
      languageVersion: process.versions.node,
    },
    pid: process.pid,
    concurrency: { max: MAX_CONCURRENCY },
    capabilities: { load: {} },
    limits: { maxFrame: FRAME_CAP },
  };
}

/**
 * @param {"stdout" | "stderr"} source
 * @param {string} text
 */
function printToActivity(source, text) {
  const activity = scope.getStore();
  if (activity === undefined || activity.done) return false;
  activity.print(source, text);
  return true;
}

/**
 * @param {number} code
 * @param {string} line
 */
function die(code, line) {
  process.stderr.write(`alyx-shim-node: ${line}\n`);
  process.exit(code);
}
