/**
 * Values as the database's wire carries them, and back: `$int`, `$bytes` and `$lit` stand for what JSON lacks.
 *
 * One walk writes the text itself and refuses, by path, what would be lost on the way.
 * Knows nothing of collections and statements; the grammar of filters is in `filter`.
 */

import { types } from "node:util";
import { DatabaseError } from "./dberror.js";
import { enter, isPlain, isRecord, kindOf, refusal, root, unfit } from "./place.js";
import { lostType } from "./result.js";

/** @typedef {import("./place.js").Place} Place */

/**
 * The members of a document as an object. Undefined ones are left out, as JSON.stringify does.
 *
 * @param {unknown} data
 */
export function dataJson(data) {
  const place = root("data", () => undefined);
  if (!isRecord(data)) throw refusal("VALIDATION_ERROR", ` must be an object, not ${kindOf(data)}`, place);
  return rootJson(data, place);
}

/**
 * The list or object that a walk starts with. The stack of an error begins here: how deep the value stood
 * would push the author's line out of it.
 *
 * @param {Record<string, unknown> | unknown[]} value
 * @param {Place} place
 * @param {typeof write} [writeOne]
 */
export function rootJson(value, place, writeOne) {
  place.value = value;
  try {
    return Array.isArray(value)
      ? listJson(value, place, writeOne)
      : `{${membersJson(value, place, writeOne)}}`;
  } catch (error) {
    if (error instanceof DatabaseError) Error.captureStackTrace(error, rootJson);
    throw error;
  }
}

/**
 * A value as JSON text; undefined where it is to be left out.
 *
 * @param {unknown} value
 * @param {string | number} key
 * @param {Place} above
 * @returns {string | undefined}
 */
export function write(value, key, above) {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return writeNumber(value, key, above);
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return `{"$int":"${value}"}`;
    case "undefined":
      return above.gap(key, above);
    case "object":
      return value === null ? "null" : writeObject(value, key, above);
    default:
      throw unfit(`a ${typeof value}`, key, above);
  }
}

/**
 * @param {number} value
 * @param {string | number} key
 * @param {Place} above
 */
function writeNumber(value, key, above) {
  if (Number.isSafeInteger(value)) return `${value}`;
  if (!Number.isFinite(value)) throw unfit(`${value}`, key, above);
  // So far out a number is no exact integer; with an exponent it is not taken for one.
  return Number.isInteger(value) ? value.toExponential() : `${value}`;
}

/**
 * @param {any} value
 * @param {string | number} key
 * @param {Place} above
 * @param {boolean} [asked] whether its toJSON was called
 * @returns {string | undefined}
 */
function writeObject(value, key, above, asked = false) {
  if (Array.isArray(value)) return listJson(value, enter(value, key, above));
  if (!isPlain(value)) {
    const special = writeSpecial(value, key, above);
    if (special !== undefined) return special;
  }
  if (!asked && typeof value.toJSON === "function") {
    const told = value.toJSON(String(key));
    const isObject = typeof told === "object" && told !== null;
    return isObject ? writeObject(told, key, above, true) : write(told, key, above);
  }
  const place = enter(value, key, above);
  const members = membersJson(value, place);
  // It would be taken for one of the three stand-ins.
  const masked = place.size === 1 && members.startsWith('"$');
  return masked ? `{"$lit":{${members}}}` : `{${members}}`;
}

/**
 * A list, with its brackets; holes are undefined too.
 *
 * @param {unknown[]} list
 * @param {Place} place
 * @param {typeof write} [writeOne]
 */
export function listJson(list, place, writeOne = write) {
  let text = "";
  for (let index = 0; index < list.length; index += 1) {
    if (index > 0) text += ",";
    text += writeOne(list[index], index, place) ?? "null";
  }
  return `[${text}]`;
}

/**
 * The members of an object, without braces.
 *
 * @param {Record<string, unknown>} object
 * @param {Place} place
 * @param {typeof write} [writeOne]
 */
export function membersJson(object, place, writeOne = write) {
  let text = "";
  for (const name of Object.keys(object)) {
    const json = writeOne(object[name], name, place);
    if (json === undefined) continue;
    if (place.size > 0) text += ",";
    text += `${JSON.stringify(name)}:${json}`;
    place.size += 1;
  }
  return text;
}

/**
 * What is neither a list nor a plain object, where it has a form of its own.
 *
 * @param {any} value
 * @param {string | number} key
 * @param {Place} above
 */
function writeSpecial(value, key, above) {
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) throw unfit("an invalid Date", key, above);
    return `"${value.toISOString()}"`;
  }
  if (types.isUint8Array(value)) return bytesJson(value.buffer, value.byteOffset, value.byteLength);
  if (types.isAnyArrayBuffer(value)) return bytesJson(value, 0, value.byteLength);
  if (types.isBoxedPrimitive(value)) return write(value.valueOf(), key, above);
  const lost = ArrayBuffer.isView(value) ? kindOf(value) : lostType(value);
  if (lost !== undefined) throw unfit(lost, key, above);
  return undefined;
}

/**
 * @param {ArrayBufferLike} buffer
 * @param {number} offset
 * @param {number} length
 */
function bytesJson(buffer, offset, length) {
  return `{"$bytes":"${Buffer.from(buffer, offset, length).toString("base64")}"}`;
}

/**
 * Whether a text may hold one of the three stand-ins; most do not, and need no second look.
 *
 * @param {string} text
 */
export function mayBeMasked(text) {
  return text.includes('"$') || text.includes("\\u0024");
}

/**
 * What parsed JSON stands for. Changes it in place where it can.
 *
 * @param {any} value
 * @returns {any}
 */
export function unmask(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) value[index] = unmask(value[index]);
    return value;
  }
  const names = Object.keys(value);
  if (names.length === 1) {
    const inner = value[/** @type {string} */ (names[0])];
    if (names[0] === "$int" && isDigits(inner)) return integer(inner);
    if (names[0] === "$bytes" && typeof inner === "string") return Buffer.from(inner, "base64");
    if (names[0] === "$lit" && isPlain(inner)) return unmaskMembers(inner, Object.keys(inner));
  }
  return unmaskMembers(value, names);
}

/**
 * @param {any} object
 * @param {string[]} names
 */
function unmaskMembers(object, names) {
  for (const name of names) {
    const inner = object[name];
    const value = unmask(inner);
    if (value !== inner) setMember(object, name, value);
  }
  return object;
}

/**
 * @param {any} object
 * @param {string} name may be `__proto__`, which must not become the prototype
 * @param {unknown} value
 */
export function setMember(object, name, value) {
  if (name !== "__proto__") object[name] = value;
  else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

/** @param {unknown} text */
function isDigits(text) {
  return typeof text === "string" && /^-?\d+$/.test(text);
}

/** @param {string} digits */
function integer(digits) {
  // Not -0, which no integer is.
  const number = Number(digits) + 0;
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}
