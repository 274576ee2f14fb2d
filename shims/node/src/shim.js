/**
 * The methods that a host calls: load, invoke, cancel, ping, shutdown; and what becomes of stray errors.
 *
 * Knows nothing of bytes (codec), of user files (loader) and of how the process starts and ends (start).
 */

import { isRefusal, thrownError, wireError } from "./errors.js";
import { Activity, Invocation, scope } from "./invocation.js";
import { LoadError } from "./loaderror.js";
import { InvocationLog } from "./log.js";
import { toJson, UnserializableError } from "./result.js";

export const MAX_CONCURRENCY = 64;
/** How long cancelled handlers may take to stop before this process leaves without them. */
const STOP_MS = 500;
const DEFAULT_GRACE_MS = 1_000;

/**
 * @typedef {import("./peer.js").Params} Params
 *
 * @typedef {object} Offer what the host said in its answer to hello
 * @property {import("./log.js").LogLimits & { maxCallsPerInvocation: number }} limits
 * @property {Record<string, unknown>} capabilities
 *
 * @typedef {"unhandled_rejection" | "uncaught_exception"} Fault
 */

export class Shim {
  #peer;
  #functions;
  #offer;
  #leave;
  /** @type {Map<number, Invocation>} */
  #running = new Map();
  /** @type {Set<Activity>} */
  #loading = new Set();
  /** @type {Set<() => void>} Called when the last running invocation has been answered. */
  #onIdle = new Set();
  #saidGoaway = false;
  /** Read after the handshake, so that a worker is there sooner; no function is loaded without it. */
  #dbModule = import("./db.js");
  /** @type {typeof import("./db.js")} Set before the first function is loaded. */
  #database = /** @type {any} */ (undefined);

  /**
   * @param {import("./peer.js").Peer} peer
   * @param {import("./loader.js").Functions} functions
   * @param {Offer} offer
   * @param {(code: number) => void} leave closes the connection and ends the process
   */
  constructor(peer, functions, offer, leave) {
    this.#peer = peer;
    this.#functions = functions;
    this.#offer = offer;
    this.#leave = leave;
  }

  /** @returns {import("./peer.js").Requests} */
  get requests() {
    return new Map([
      ["invoke", (params, id) => this.#invoke(params, id)],
      ["ping", this.#ping],
      ["load", (params, id) => void this.#load(params, id)],
      ["unload", (params, id) => this.#unload(params, id)],
      ["shutdown", (params, id) => void this.#shutdown(params, id)],
    ]);
  }

  /** @returns {import("./peer.js").Notices} */
  get notices() {
    return new Map([["cancel", (params) => this.#running.get(params.id)?.cancel(String(params.reason))]]);
  }

  /**
   * @param {Params} _params
   * @param {number} id
   */
  #ping = (_params, id) => this.#peer.answer(id, "{}");

  /**
   * @param {Params} params
   * @param {number} id
   */
  async #load(params, id) {
    if (!params.path.startsWith("/")) {
      return this.#peer.fail(id, wireError("INVALID_PARAMS", "load: 'path' is not absolute"));
    }
    const activity = new Activity(this.#doors);
    this.#loading.add(activity);
    try {
      this.#database ??= await this.#dbModule;
      const { schema } = await scope.run(activity, () => this.#functions.load(/** @type {any} */ (params)));
      activity.close();
      this.#peer.answer(id, schema === "" ? "{}" : `{"schema":${schema}}`);
    } catch (error) {
      activity.close();
      this.#peer.fail(id, loadFailure(error));
    } finally {
      this.#loading.delete(activity);
    }
  }

  /**
   * @param {Params} params
   * @param {number} id
   */
  #unload(params, id) {
    const fn = this.#functions.find(params.function, params.revision);
    if (fn === undefined) return this.#peer.fail(id, notLoaded(params));
    const busy = [...this.#running.values()].filter((invocation) => invocation.fn === fn).length;
    if (busy > 0) {
      const message = `${busy} invocations of '${params.function}' are running; unload it when they have ended`;
      return this.#peer.fail(id, wireError("OVERLOADED", message, { retryable: true }));
    }
    this.#functions.unload(params.function, params.revision);
    // Node keeps every module that it ever imported.
    this.#peer.answer(id, '{"reclaimed":false}');
  }

  /**
   * @param {Params} params
   * @param {number} id
   */
  #invoke(params, id) {
    if (this.#running.size >= MAX_CONCURRENCY) return this.#peer.fail(id, overloaded());
    const fn = this.#functions.find(params.function, params.revision);
    if (fn === undefined) return this.#peer.fail(id, notLoaded(params));
    const invocation = new Invocation(id, fn, /** @type {any} */ (params), this.#doors);
    this.#running.set(id, invocation);
    this.#run(invocation);
  }

  /** @param {Invocation} invocation */
  #run(invocation) {
    let returned;
    try {
      returned = scope.run(invocation, invocation.fn.handler, invocation.ctx);
      if (isThenable(returned) && !(returned instanceof Promise)) returned = Promise.resolve(returned);
    } catch (error) {
      return this.#fail(invocation, error);
    }
    if (!(returned instanceof Promise)) return this.#finish(invocation, returned);
    returned.then(
      (output) => this.#finish(invocation, output),
      (error) => this.#fail(invocation, error),
    );
  }

  /**
   * @param {Invocation} invocation
   * @param {unknown} output
   */
  #finish(invocation, output) {
    if (invocation.done) return;
    let json;
    try {
      json = toJson(output, "result");
    } catch (error) {
      const message = error instanceof UnserializableError ? error.message : String(error);
      return this.#answerError(invocation, wireError("RESULT_NOT_SERIALIZABLE", message));
    }
    this.#close(invocation);
    this.#peer.answer(invocation.id, `{"output":${json}}`);
  }

  /**
   * @param {Invocation} invocation
   * @param {unknown} thrown
   */
  #fail(invocation, thrown) {
    const { cancelled } = invocation;
    if (cancelled === undefined) return this.#answerError(invocation, thrownError(thrown));
    this.#answerError(invocation, wireError("CANCELLED", "cancelled"));
  }

  /**
   * @param {Invocation} invocation
   * @param {import("./errors.js").WireError} error
   */
  #answerError(invocation, error) {
    if (invocation.done) return;
    this.#close(invocation);
    this.#peer.fail(invocation.id, error);
  }

  /** @param {Invocation} invocation */
  #close(invocation) {
    invocation.close();
    this.#running.delete(invocation.id);
    if (this.#running.size > 0) return;
    for (const idle of this.#onIdle) idle();
  }

  /** @type {import("./invocation.js").Doors} */
  #doors = {
    log: (inv) => new InvocationLog(inv, this.#offer.limits, (frame) => this.#peer.sendNow(frame)),
    db: (inv) => this.#database.openDatabase(inv, this.#peer, this.#offer),
  };

  /**
   * An error that nobody caught: it fails its invocation if that still runs, and is logged either way.
   *
   * @param {unknown} thrown
   * @param {Fault} fault
   */
  fault(thrown, fault) {
    const activity = scope.getStore();
    const error = thrownError(thrown);
    const log = activity === undefined || activity.done ? this.#doors.log(undefined) : activity.log;
    const called = activity instanceof Invocation ? activity.fn.identity.name : undefined;
    const fields = { function: called, stack: error.data.stack };
    log.write("error", `${fault.replace("_", " ")}: ${error.message}`, fields);
    if (isRefusal(thrown)) return;
    if (activity instanceof Invocation) this.#fail(activity, thrown);
    if (this.#saidGoaway) return;
    this.#saidGoaway = true;
    this.#peer.notify("goaway", { reason: fault });
  }

  /**
   * @param {Params} params
   * @param {number} id
   */
  async #shutdown(params, id) {
    this.#drain();
    await this.#idleWithin(params.graceMs ?? DEFAULT_GRACE_MS);
    await this.stop("shutdown");
    for (const invocation of this.#running.values()) this.#fail(invocation, undefined);
    this.#peer.answer(id, "{}");
    this.#leave(0);
  }

  /** From now on no request is served but ping. */
  #drain() {
    this.#peer.serve(new Map([["ping", this.#ping]]), this.notices, "this worker is shutting down");
  }

  /**
   * Cancels what runs and waits a moment for it to stop.
   *
   * @param {string} reason
   */
  async stop(reason) {
    this.#drain();
    for (const invocation of this.#running.values()) invocation.cancel(reason);
    await this.#idleWithin(STOP_MS);
  }

  /**
   * @param {number} ms
   * @returns {Promise<void>}
   */
  #idleWithin(ms) {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const idle = () => {
        clearTimeout(timer);
        this.#onIdle.delete(idle);
        resolve();
      };
      const timer = setTimeout(idle, ms);
      this.#onIdle.add(idle);
    });
  }

  /** The process ends, perhaps by the hand of user code: writes what the logs still hold. */
  lastWords() {
    for (const activity of [...this.#running.values(), ...this.#loading]) activity.close();
    this.#peer.flush();
  }
}

/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
function isThenable(value) {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function overloaded() {
  const message = `${MAX_CONCURRENCY} invocations are running, which is this shim's limit`;
  return wireError("OVERLOADED", message, { retryable: true });
}

/** @param {Params} params */
function notLoaded(params) {
  const message = `no function '${params.function}' of revision ${params.revision} is loaded here`;
  return wireError("FUNCTION_NOT_FOUND", message);
}

/** @param {unknown} error */
function loadFailure(error) {
  if (!(error instanceof LoadError)) return wireError("INTERNAL_ERROR", String(error));
  const details = { kind: error.kind, ...error.place };
  const stack = error.causeStack ?? error.stack;
  return wireError("LOAD_FAILED", error.message, { details, ...(stack && { stack }) });
}
