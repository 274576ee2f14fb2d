/**
 * What goes wrong, as the wire says it: the protocol's own errors, and any value that user code throws.
 *
 * Knows nothing of HTTP: which status a code becomes is the host's business.
 */

import { types } from "node:util";
import { DatabaseError } from "./dberror.js";

/** The protocol's errors by name; the name is also `data.code`. */
export const CODES = Object.freeze({
  PARSE_ERROR: -32700,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL_ERROR: -32603,
  FUNCTION_ERROR: -32020,
  FUNCTION_NOT_FOUND: -32021,
  NOT_READY: -32022,
  LOAD_FAILED: -32023,
  CANCELLED: -32024,
  DEADLINE_EXCEEDED: -32025,
  OVERLOADED: -32026,
  RESULT_NOT_SERIALIZABLE: -32027,
  FRAME_TOO_LARGE: -32028,
  INVOCATION_ENDED: -32029,
  UNSUPPORTED_VERSION: -32030,
  UNAUTHENTICATED: -32031,
  DB_NOT_FOUND: -32040,
  DB_CONFLICT: -32041,
  DB_VALIDATION: -32042,
  DB_FORBIDDEN: -32043,
  DB_SQL: -32044,
  DB_BUSY: -32045,
  TX_ENDED: -32046,
  TX_TIMEOUT: -32047,
  DB_OUTCOME_UNKNOWN: -32048,
});
/** Their names by number, for errors that come with no more. @type {Map<unknown, string>} */
const NAMES = new Map(Object.entries(CODES).map(([name, number]) => [number, name]));

const MAX_MESSAGE = 4 * 1024;
const MAX_STACK = 16 * 1024;
const MAX_DETAILS = 64 * 1024;
const MAX_CODE = 256;
const REFUSALS = new Set(["INVOCATION_ENDED", "CANCELLED"]);
/** A file as the loader imported it: the query makes each revision a module of its own. */
const LOADED_URL = /file:\/\/(\/[^\s?:)]*)\?alyx=\d+/g;

/**
 * @typedef {object} ErrorData
 * @property {string} code
 * @property {boolean} [retryable]
 * @property {Record<string, unknown>} [details]
 * @property {string} [stack]
 *
 * @typedef {{ code: number, message: string, data: ErrorData }} WireError
 *
 * @typedef {object} Fault an error answer, taken apart
 * @property {string} code the word of `data.code`
 * @property {string} message
 * @property {Record<string, unknown>} [details]
 * @property {boolean} [retryable]
 */

/**
 * What is wrong with an answer of the host, if anything is.
 *
 * @param {any} message
 * @returns {Fault | undefined}
 */
export function faultOf(message) {
  const { error, result } = message;
  if (error !== undefined && error !== null) {
    const { code, details, retryable } = error.data ?? {};
    const word = typeof code === "string" ? code : (NAMES.get(error.code) ?? "UNKNOWN");
    return { code: word, message: String(error.message), details, retryable: retryable === true };
  }
  if (message.jsonrpc === "2.0" && typeof result === "object" && result !== null) return undefined;
  return { code: "INVALID_REQUEST", message: "the answer of the host cannot be read" };
}

/**
 * Errors of database calls that had to be refused because their invocation is over: no fault of the process,
 * even if nobody waits for them.
 *
 * @param {unknown} thrown
 */
export function isRefusal(thrown) {
  // A proxy is no native error, so nothing of the author's runs here.
  return types.isNativeError(thrown) && thrown instanceof DatabaseError && REFUSALS.has(thrown.code);
}

/**
 * An error of the protocol itself.
 *
 * @param {keyof typeof CODES} name
 * @param {string} message
 * @param {Partial<ErrorData>} [more]
 * @returns {WireError}
 */
export function wireError(name, message, more) {
  return {
    code: CODES[name],
    message: cut(message, MAX_MESSAGE),
    data: { ...more, code: name },
  };
}

/**
 * What a handler threw, whatever it is.
 *
 * @param {unknown} thrown
 * @returns {WireError}
 */
export function thrownError(thrown) {
  try {
    return describe(thrown);
  } catch {
    // A getter or a proxy of the thrown value threw in its turn.
    return wireError("FUNCTION_ERROR", "a value was thrown that cannot be read");
  }
}

/**
 * @param {unknown} thrown
 * @returns {WireError}
 */
function describe(thrown) {
  if (typeof thrown === "string") return wireError("FUNCTION_ERROR", thrown || "function failed");
  if (thrown === null || thrown === undefined) return wireError("FUNCTION_ERROR", `${thrown} thrown`);
  if (typeof thrown === "function") return wireError("FUNCTION_ERROR", "a function was thrown");
  if (typeof thrown !== "object") return wireError("FUNCTION_ERROR", String(thrown));

  const error = /** @type {Record<string, unknown>} */ (thrown);
  // The host knows what the limit is, and tells.
  if (isOutOfMemory(error))
    return { code: CODES.FUNCTION_ERROR, message: "out of memory", data: { code: "OUT_OF_MEMORY" } };
  const coded = !isSystemError(error);
  const code = (coded && codeOf(error)) || "FUNCTION_ERROR";
  const fallback = code === "FUNCTION_ERROR" ? "function failed" : code;
  const message = typeof error.message === "string" && error.message !== "" ? error.message : fallback;
  /** @type {ErrorData} */
  const data = { code };
  const details = coded ? extrasOf(error) : undefined;
  if (details !== undefined) data.details = details;
  if (typeof error.stack === "string") data.stack = cleanStack(error.stack);
  return { code: CODES.FUNCTION_ERROR, message: cut(message, MAX_MESSAGE), data };
}

/**
 * Errors of Node and of the platform: their codes and fields (paths, addresses) are not for the caller.
 *
 * @param {Record<string, unknown>} error
 */
function isSystemError(error) {
  if (error instanceof DOMException) return true;
  if (typeof error.code === "string" && error.code.startsWith("ERR_")) return true;
  return typeof error.errno === "number" && error.syscall !== undefined;
}

/**
 * What buffers that the system has no room for throw; a full heap ends the process instead.
 *
 * @param {Record<string, unknown>} error
 */
function isOutOfMemory(error) {
  return error.code === "ERR_MEMORY_ALLOCATION_FAILED" || error.message === "Array buffer allocation failed";
}

/** @param {Record<string, unknown>} error */
function codeOf(error) {
  const { code } = error;
  if (typeof code === "string") return cut(code, MAX_CODE);
  return typeof code === "number" ? String(code) : "";
}

/**
 * The own fields beside code and message, each only where JSON can hold it.
 *
 * @param {Record<string, unknown>} error
 */
function extrasOf(error) {
  const skipped = ["code", "message", "stack"];
  if (types.isNativeError(error)) skipped.push("name");
  /** @type {[string, unknown][]} */
  const kept = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(error)) {
    const json = skipped.includes(key) ? undefined : jsonOrNothing(value);
    if (json === undefined) continue;
    bytes += Buffer.byteLength(json) + Buffer.byteLength(key);
    kept.push([key, JSON.parse(json)]);
  }
  if (bytes > MAX_DETAILS) {
    return { dropped: `extra fields of ${bytes} bytes are over the limit of ${MAX_DETAILS}` };
  }
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** @param {unknown} value */
function jsonOrNothing(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/**
 * A stack as the author knows the files: paths, without the loader's query.
 *
 * @param {string} stack
 */
export function cleanStack(stack) {
  return cut(
    stack.replace(LOADED_URL, (_, path) => decoded(path)),
    MAX_STACK,
  );
}

/** @param {string} path */
function decoded(path) {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/**
 * At most `limit` bytes of a text, with a marker that tells what is missing.
 *
 * @param {string} text
 * @param {number} limit
 * @param {number} [unseen] bytes that were left out before
 */
export function cut(text, limit, unseen = 0) {
  // No text of a third of the limit can be over it, so most need no count of bytes.
  if (unseen === 0 && text.length * 3 <= limit) return text;
  const size = Buffer.byteLength(text) + unseen;
  if (size <= limit) return text;
  const room = limit - ` …[cut, ${size} bytes]`.length - 2;
  const bytes = Buffer.from(text.slice(0, room));
  let end = Math.min(room, bytes.length);
  // Not inside a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString("utf8", 0, end)} …[cut, ${size - end} bytes]`;
}
