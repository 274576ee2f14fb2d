/**
 * Filters as the wire carries them: operators stay as they are, only operands are values.
 *
 * Judges no field and no operator, the host does. But refuses undefined anywhere: a forgotten input would
 * otherwise leave its condition out, and match everything.
 */

import { enter, isPlain, isRecord, kindOf, refusal, root } from "./place.js";
import { listJson, membersJson, rootJson, write } from "./values.js";

/** @typedef {import("./place.js").Place} Place */

/** @param {unknown} filter */
export function filterJson(filter) {
  const place = root("filter", forgotten);
  if (filter === undefined) throw refusal("INVALID_FILTER", " is undefined; leave it out or pass {}", place);
  if (!isRecord(filter)) throw refusal("INVALID_FILTER", ` must be an object, not ${kindOf(filter)}`, place);
  return rootJson(filter, place, writeMember);
}

/**
 * @param {string | number} key
 * @param {Place} above
 * @returns {never}
 */
function forgotten(key, above) {
  const remedy = "leave the condition out, or pass null for documents without a value";
  throw refusal("INVALID_FILTER", ` is undefined; ${remedy}`, above, key);
}

/**
 * A member of a filter: a logical operator, or a field with its condition.
 *
 * @param {unknown} value
 * @param {string | number} key
 * @param {Place} above
 */
function writeMember(value, key, above) {
  if (key === "$not") return writeFilter(value, key, above);
  if ((key !== "$and" && key !== "$or") || !Array.isArray(value)) return writeCondition(value, key, above);
  return listJson(value, enter(value, key, above), writeFilter);
}

/**
 * @param {unknown} value
 * @param {string | number} key
 * @param {Place} above
 */
function writeFilter(value, key, above) {
  if (!isPlain(value)) return write(value, key, above);
  return `{${membersJson(value, enter(value, key, above), writeMember)}}`;
}

/**
 * @param {unknown} value
 * @param {string | number} key
 * @param {Place} above
 */
function writeCondition(value, key, above) {
  if (!isPlain(value) || typeof value.toJSON === "function") return write(value, key, above);
  return `{${membersJson(value, enter(value, key, above))}}`;
}
