/**
 * One invocation while it runs, and `ctx`, what its handler sees of it.
 *
 * Everything that most handlers never touch is made when it is first asked for.
 * Knows nothing of the connection: it is given a log to write to.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { LineBuffer } from "./capture.js";
import { noDatabase } from "./db.js";

const DEFAULT_DEADLINE_MS = 30_000;

/**
 * Tells code anywhere below a handler which invocation it belongs to.
 *
 * @type {AsyncLocalStorage<Invocation>}
 */
export const scope = new AsyncLocalStorage();

/**
 * @typedef {object} InvokeParams
 * @property {string} function
 * @property {string} revision
 * @property {string} [requestId]
 * @property {number} [deadlineMs]
 * @property {Record<string, any>} [trigger]
 * @property {import("../index.d.ts").Auth | null} [auth]
 * @property {Record<string, any>} [input]
 *
 * @typedef {(inv: number | undefined) => import("./log.js").InvocationLog} OpenLog
 */

export class Invocation {
  /** Why it was cancelled, once it was. @type {string | undefined} */
  cancelled;
  /** True once it has been answered. */
  done = false;
  /** @type {AbortController | undefined} */
  #controller;
  /** @type {import("./log.js").InvocationLog | undefined} */
  #log;
  /** @type {Map<"stdout" | "stderr", LineBuffer> | undefined} */
  #printed;
  #openLog;

  /**
   * @param {number} id
   * @param {import("./loader.js").LoadedFunction} fn
   * @param {InvokeParams} params
   * @param {OpenLog} openLog
   */
  constructor(id, fn, params, openLog) {
    this.id = id;
    this.fn = fn;
    this.params = params;
    this.startedAt = Date.now();
    this.#openLog = openLog;
    this.ctx = new Context(this);
  }

  get log() {
    this.#log ??= this.#openLog(this.done ? undefined : this.id);
    return this.#log;
  }

  get signal() {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.cancelled !== undefined) this.#abort();
    }
    return this.#controller.signal;
  }

  /** @param {string} reason */
  cancel(reason) {
    if (this.cancelled !== undefined) return;
    this.cancelled = reason;
    this.#abort();
  }

  #abort() {
    const why = new DOMException(`the call was cancelled: ${this.cancelled}`, "AbortError");
    this.#controller?.abort(why);
  }

  /**
   * Output of the code, cut into log lines.
   *
   * @param {"stdout" | "stderr"} source
   * @param {string} text
   */
  print(source, text) {
    this.#printed ??= new Map();
    let buffer = this.#printed.get(source);
    if (buffer === undefined) {
      buffer = new LineBuffer();
      this.#printed.set(source, buffer);
    }
    this.#printLines(source, buffer.push(text));
  }

  /**
   * @param {"stdout" | "stderr"} source
   * @param {import("./capture.js").Line[]} lines
   */
  #printLines(source, lines) {
    if (lines.length > 0) this.log.print(source === "stdout" ? "info" : "warn", source, lines);
  }

  /** It is over: writes what is left of the log, lines without an end and the count of dropped entries. */
  close() {
    if (this.#printed !== undefined) {
      for (const [source, buffer] of this.#printed) this.#printLines(source, buffer.rest());
    }
    this.#log?.close();
    this.done = true;
  }
}

export class Context {
  #invocation;

  /** @param {Invocation} invocation */
  constructor(invocation) {
    this.#invocation = invocation;
    this.input = invocation.params.input ?? {};
    this.auth = invocation.params.auth ?? null;
  }

  // A getter, so that printing or returning the whole ctx shows no secrets.
  get env() {
    return this.#invocation.fn.env;
  }

  get function() {
    return this.#invocation.fn.identity;
  }

  get log() {
    const log = this.#invocation.log;
    const value = Object.freeze({
      debug: logger(log, "debug"),
      info: logger(log, "info"),
      warn: logger(log, "warn"),
      error: logger(log, "error"),
    });
    Object.defineProperty(this, "log", { value, configurable: true });
    return value;
  }

  get request() {
    const value = Object.freeze(requestOf(this.#invocation.params));
    Object.defineProperty(this, "request", { value, configurable: true });
    return value;
  }

  /** Milliseconds since the epoch. */
  get deadline() {
    const { startedAt, params } = this.#invocation;
    return startedAt + (params.deadlineMs ?? DEFAULT_DEADLINE_MS);
  }

  get signal() {
    return this.#invocation.signal;
  }

  get db() {
    return noDatabase;
  }
}

/**
 * @param {import("./log.js").InvocationLog} log
 * @param {import("./log.js").Level} level
 * @returns {(message: unknown, fields?: unknown) => void}
 */
function logger(log, level) {
  return (message, fields) => log.write(level, message, fields);
}

/** @param {InvokeParams} params */
function requestOf({ requestId, trigger = {} }) {
  const query = Object.entries(trigger.query ?? {}).map(([name, values]) => [
    name,
    Array.isArray(values) && values.length === 1 ? values[0] : values,
  ]);
  return {
    id: requestId ?? "",
    method: trigger.method ?? null,
    headers: trigger.headers ?? {},
    query: Object.fromEntries(query),
    ip: trigger.ip ?? null,
  };
}
