/**
 * `ctx`: what a handler sees of its invocation.
 *
 * Everything that most handlers never touch is made when it is first asked for.
 * Knows nothing of how invocations start and end.
 */

const DEFAULT_DEADLINE_MS = 30_000;

/** @typedef {import("./invocation.js").Invocation} Invocation */

export class Context {
  #invocation;

  /** @param {Invocation} invocation */
  constructor(invocation) {
    this.#invocation = invocation;
    const { input, auth } = invocation.params;
    this.input = input === undefined ? {} : input;
    this.auth = auth ?? null;
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
    return this.#invocation.db.client;
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

/** @param {import("./invocation.js").InvokeParams} params */
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
