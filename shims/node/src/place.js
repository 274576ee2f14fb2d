/**
 * Where a value stands in what is written, and the errors that name it by its path.
 *
 * Knows nothing of how values are written: it tells what kind they are and keeps the way to them.
 */

import { types } from "node:util";
import { DatabaseError } from "./dberror.js";
import { lostType } from "./result.js";

/** The document itself and 64 levels below; a host takes no more. */
const MAX_DEPTH = 65;

/**
 * @typedef {object} Place where a value stands: its key in what is around it
 * @property {unknown} value the list or object that is being written
 * @property {string | number} key of that in its own place; at the root, its name
 * @property {Place | undefined} above
 * @property {(key: string | number, above: Place) => undefined} gap what becomes of undefined: throws, or leaves it out
 * @property {number} size how many members it has so far
 * @property {number} [op] of the root: which statement of a batch it belongs to
 */

/**
 * Where a walk starts.
 *
 * @param {string} name what messages call the value
 * @param {Place["gap"]} gap
 * @param {number} [op]
 * @returns {Place}
 */
export function root(name, gap, op) {
  return { value: undefined, key: name, above: undefined, gap, size: 0, ...(op !== undefined && { op }) };
}

/**
 * Steps into a list or an object.
 *
 * @param {object} value
 * @param {string | number} key
 * @param {Place} above
 * @returns {Place}
 */
export function enter(value, key, above) {
  let depth = 1;
  for (let place = /** @type {Place | undefined} */ (above); place !== undefined; place = place.above) {
    if (place.value === value) throw unfit("a cycle", key, above);
    depth += 1;
  }
  if (depth > MAX_DEPTH) throw unfit("nesting deeper than 64 levels", key, above);
  return { value, key, above, gap: above.gap, size: 0 };
}

/**
 * @param {string} what
 * @param {string | number} key
 * @param {Place} above
 */
export function unfit(what, key, above) {
  return refusal("VALIDATION_ERROR", `: ${what} cannot be sent to the database`, above, key);
}

/**
 * The error for a value at a place: its path stands in the message, and the field of a document in `field`.
 *
 * @param {string} code
 * @param {string} problem what stands behind the path, from the space or colon on
 * @param {Place} above
 * @param {string | number} [key] undefined: what is wrong is `above` itself
 */
export function refusal(code, problem, above, key) {
  const keys = key === undefined ? [] : [key];
  let place = above;
  for (; place.above !== undefined; place = place.above) keys.unshift(place.key);
  const field = place.key === "data" && keys.length > 0 ? { field: keys[0] } : {};
  const op = place.op === undefined ? {} : { op: place.op };
  return new DatabaseError(code, `${place.key}${keys.map(step).join("")}${problem}`, { ...op, ...field });
}

/** @param {string | number} key */
function step(key) {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/**
 * An object literal, or what JSON.parse makes.
 *
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isPlain(value) {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * An object that is meant by its members: a plain one, or an instance of an author's class.
 *
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isRecord(value) {
  if (isPlain(value)) return true;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const isBytes = ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value);
  return !isBytes && !types.isDate(value) && !types.isBoxedPrimitive(value) && lostType(value) === undefined;
}

/**
 * What messages call a value that should be another.
 *
 * @param {unknown} value
 */
export function kindOf(value) {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return `a ${typeof value}`;
  return isPlain(value) ? "an object" : `a ${value.constructor?.name || "object"}`;
}
