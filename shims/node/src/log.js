/**
 * The log entries of one invocation: shape, size limits, the budget.
 *
 * Each call is one frame written at once, so that a line survives whatever the code does next.
 * Knows nothing of where lines come from: ctx.log and captured output both end here.
 */

import { inspect } from "node:util";
import { echoLine } from "./echo.js";
import { cut } from "./errors.js";

/**
 * @typedef {"debug" | "info" | "warn" | "error"} Level
 * @typedef {"ctx" | "stdout" | "stderr"} Source
 * @typedef {{ maxLogEntry: number, maxLogBytes: number }} LogLimits
 * @typedef {(frame: string) => void} SendNow writes a frame to the socket before it returns
 */

/** @type {typeof echoLine | undefined} Set where lines are to be seen on stdout as well. */
let echo;

/** From now on every line goes to stdout as well. */
export function echoLines() {
  echo = echoLine;
}

export class InvocationLog {
  #inv;
  #limits;
  #send;
  #spent = 0;
  #dropped = 0;

  /**
   * @param {number | undefined} inv the id of the invoke request; undefined outside an invocation
   * @param {LogLimits} limits
   * @param {SendNow} send
   */
  constructor(inv, limits, send) {
    this.#inv = inv;
    this.#limits = limits;
    this.#send = send;
  }

  /**
   * @param {Level} level
   * @param {unknown} message
   * @param {unknown} [fields]
   */
  write(level, message, fields) {
    this.#sendAll([this.#entry(level, asText(message), "ctx", fields)]);
  }

  /**
   * Lines that the code printed.
   *
   * @param {Level} level
   * @param {Source} source
   * @param {{ text: string, unseen: number }[]} lines
   */
  print(level, source, lines) {
    this.#sendAll(lines.map(({ text, unseen }) => this.#entry(level, text, source, undefined, unseen)));
  }

  /** The invocation is over: tells how much did not fit. What comes later belongs to no invocation. */
  close() {
    if (this.#dropped > 0) this.#sendFrame("", this.#dropped);
    this.#inv = undefined;
  }

  /** @param {(string | undefined)[]} entries */
  #sendAll(entries) {
    const kept = entries.filter((entry) => entry !== undefined);
    if (kept.length > 0) this.#sendFrame(kept.join());
  }

  /**
   * @param {string} entries
   * @param {number} [dropped]
   */
  #sendFrame(entries, dropped) {
    const inv = this.#inv === undefined ? "" : `"inv":${this.#inv},`;
    const tail = dropped === undefined ? "" : `,"dropped":${dropped}`;
    this.#send(`{"jsonrpc":"2.0","method":"log","params":{${inv}"entries":[${entries}]${tail}}}`);
  }

  /**
   * One entry as JSON, or nothing once the budget is spent.
   *
   * @param {Level} level
   * @param {string} text
   * @param {Source} source
   * @param {unknown} [fields]
   * @param {number} [unseen] bytes of the text that were never kept
   */
  #entry(level, text, source, fields, unseen) {
    if (this.#dropped > 0) {
      this.#dropped += 1;
      return undefined;
    }
    const msg = cut(text, this.#limits.maxLogEntry, unseen);
    const json = fields === undefined ? "" : this.#fields(fields);
    // An empty line costs something too, or a loop of them would never end.
    this.#spent += Math.max(1, Buffer.byteLength(msg) + Buffer.byteLength(json));
    if (this.#spent > this.#limits.maxLogBytes) {
      this.#dropped = 1;
      return undefined;
    }
    echo?.(level, msg, json);
    const extra = json === "" ? "" : `,"fields":${json}`;
    const from = source === "ctx" ? "" : `,"source":"${source}"`;
    return `{"ts":${Date.now()},"level":"${level}","msg":${JSON.stringify(msg)}${extra}${from}}`;
  }

  /** @param {unknown} fields */
  #fields(fields) {
    const isMap = typeof fields === "object" && fields !== null && !Array.isArray(fields);
    const json = fieldsJson(isMap && !(fields instanceof Error) ? fields : { value: fields });
    const size = Buffer.byteLength(json);
    if (size <= this.#limits.maxLogEntry) return json;
    return JSON.stringify({ "…": `[cut, ${size} bytes]` });
  }
}

/** @param {unknown} message */
function asText(message) {
  if (typeof message === "string") return message;
  try {
    return inspect(message, { depth: 4, breakLength: Number.POSITIVE_INFINITY });
  } catch {
    return "[unreadable]";
  }
}

/**
 * Fields as JSON; what JSON cannot hold becomes a marker in its place.
 *
 * @param {object} fields
 */
function fieldsJson(fields) {
  try {
    const json = JSON.stringify(fields);
    // An Error leaves `{}` and NaN leaves `null`: then the careful way tells more.
    if (json !== undefined && !json.includes("{}") && !json.includes("null")) return json;
  } catch {
    // A cycle, a BigInt or a toJSON that throws: the careful way below marks it.
  }
  return JSON.stringify(legibleMembers(fields, [fields]));
}

const MAX_FIELD_DEPTH = 32;

/**
 * A copy that JSON can hold.
 *
 * @param {unknown} value
 * @param {object[]} above the objects that contain it
 * @returns {unknown}
 */
function legible(value, above) {
  if (typeof value === "bigint") return `${value}`;
  if (typeof value === "number" && !Number.isFinite(value)) return `[${value}]`;
  if (typeof value === "function") return `[function ${value.name}]`;
  if (typeof value !== "object" || value === null) return value;
  if (above.includes(value)) return "[cycle]";
  if (above.length >= MAX_FIELD_DEPTH) return "[too deep]";
  const inside = [...above, value];
  if ("toJSON" in value && typeof value.toJSON === "function") return legible(value.toJSON(), inside);
  if (Array.isArray(value) || value instanceof Set) return [...value].map((item) => legible(item, inside));
  return legibleMembers(value, inside);
}

/**
 * @param {object} value
 * @param {object[]} inside the objects around its members, itself among them
 */
function legibleMembers(value, inside) {
  const source = value instanceof Map ? Object.fromEntries(value) : value;
  // The parts of an Error that tell most are not enumerable.
  const hidden = value instanceof Error ? ["name", "message"] : [];
  const members = [...hidden, ...Object.keys(source)].map((key) => {
    try {
      return [key, legible(Reflect.get(source, key), inside)];
    } catch {
      return [key, "[unreadable]"];
    }
  });
  return Object.fromEntries(members);
}
