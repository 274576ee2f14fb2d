/**
 * What runs: a call of a handler, or the loading of a file; its log, what it printed, its cancellation.
 *
 * Knows nothing of the connection: it is given a log to write to and a database to ask.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { LineBuffer } from "./capture.js";
import { Context } from "./context.js";

/**
 * Tells code anywhere below which activity it belongs to.
 *
 * @type {AsyncLocalStorage<Activity>}
 */
export const scope = new AsyncLocalStorage();

/**
 * @typedef {"stdout" | "stderr"} Stream
 *
 * @typedef {object} Doors how it reaches the host; each is opened when user code first asks for it
 * @property {(inv: number | undefined) => import("./log.js").InvocationLog} log
 * @property {(inv: number) => import("./db.js").Database} db
 *
 * @typedef {object} InvokeParams
 * @property {string} function
 * @property {string} revision
 * @property {string} [requestId]
 * @property {number} [deadlineMs]
 * @property {Record<string, any>} [trigger]
 * @property {import("../index.d.ts").Auth | null} [auth]
 * @property {any} [input]
 */

/** A stretch of user code that prints and logs. */
export class Activity {
  /** True once it is over; what it still prints or logs belongs to no activity. */
  done = false;
  #inv;
  #doors;
  /** @type {import("./log.js").InvocationLog | undefined} */
  #log;
  /** @type {Map<Stream, LineBuffer> | undefined} */
  #printed;

  /**
   * @param {Pick<Doors, "log">} doors
   * @param {number} [inv] the id of the invoke request, if it is an invocation
   */
  constructor(doors, inv) {
    this.#doors = doors;
    this.#inv = inv;
  }

  get log() {
    this.#log ??= this.#doors.log(this.done ? undefined : this.#inv);
    return this.#log;
  }

  /**
   * @param {Stream} source
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
   * @param {Stream} source
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

/** One call of a handler. */
export class Invocation extends Activity {
  /** Why it was cancelled, once it was. @type {string | undefined} */
  cancelled;
  /** @type {AbortController | undefined} Made when somebody asks for the signal. */
  #controller;
  #openDb;
  /** @type {import("./db.js").Database | undefined} */
  #db;

  /**
   * @param {number} id
   * @param {import("./loader.js").LoadedFunction} fn
   * @param {InvokeParams} params
   * @param {Doors} doors
   */
  constructor(id, fn, params, doors) {
    super(doors, id);
    this.#openDb = doors.db;
    this.id = id;
    this.fn = fn;
    this.params = params;
    this.startedAt = Date.now();
    this.ctx = new Context(this);
  }

  get signal() {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.cancelled !== undefined) this.#abort();
    }
    return this.#controller.signal;
  }

  get db() {
    if (this.#db === undefined) {
      this.#db = this.#openDb(this.id);
      if (this.done) this.#db.calls.end();
    }
    return this.#db;
  }

  /** @param {string} reason */
  cancel(reason) {
    if (this.cancelled !== undefined) return;
    this.cancelled = reason;
    this.#abort();
    this.#db?.calls.cancel(reason);
  }

  /** @override */
  close() {
    super.close();
    this.#db?.calls.end();
  }

  #abort() {
    const why = new DOMException(`the call was cancelled: ${this.cancelled}`, "AbortError");
    this.#controller?.abort(why);
  }
}
