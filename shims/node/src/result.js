/**
 * Values of user code as JSON, refusing what JSON would lose without a word.
 *
 * Knows nothing of messages: the caller decides what a refusal becomes.
 */

/** What JSON.stringify turns into `{}`, to the author's surprise. */
const LOST = [Map, Set, WeakMap, WeakSet, Promise, RegExp];

/** A value that JSON cannot hold; the message names its type and where it stands. */
export class UnserializableError extends Error {}

/**
 * The JSON text of a value; `undefined` becomes `null`.
 *
 * @param {unknown} value
 * @param {string} name what the message calls the value
 * @returns {string}
 */
export function toJson(value, name) {
  if (value === undefined) return "null";
  let json;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw culprit(value, name) ?? refusal(name, firstLine(error));
  }
  if (json === undefined) throw refusal(name, typeof value);
  // NaN and Infinity leave `null`, a Map or a Promise leaves `{}`: only then is a second look needed.
  const suspect = json.includes("null") || json.includes("{}");
  const found = suspect && loses(value) ? culprit(value, name) : undefined;
  if (found !== undefined) throw found;
  return json;
}

/**
 * Whether JSON lost something of a value that it took: quick, since rows of a database are full of nulls.
 *
 * @param {unknown} value
 * @returns {boolean}
 */
function loses(value) {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(loses);
  if ("toJSON" in value && typeof value.toJSON === "function") return loses(value.toJSON());
  return lostType(value) !== undefined || Object.values(value).some(loses);
}

/**
 * @param {string} path
 * @param {string} problem
 */
function refusal(path, problem) {
  return new UnserializableError(`${path}: ${problem} cannot be sent as JSON`);
}

/**
 * The message of what a toJSON threw, or of JSON.stringify itself.
 *
 * @param {unknown} error
 */
function firstLine(error) {
  const message = error instanceof Error ? error.message : String(error);
  return `a value that throws '${message.split("\n", 1)[0]}'`;
}

/**
 * The first value that JSON cannot hold, walking as JSON.stringify does.
 *
 * @param {unknown} value
 * @param {string} name
 */
function culprit(value, name) {
  /** @type {Map<object, string>} The objects above the current one, each with its path. */
  const above = new Map();
  try {
    JSON.stringify(value, function check(key, current) {
      const path = trail(above, this, key, name);
      const kind = problem(current, above);
      if (kind !== undefined) throw refusal(path, kind);
      if (typeof current === "object" && current !== null) above.set(current, path);
      return current;
    });
  } catch (error) {
    if (error instanceof UnserializableError) return error;
    return refusal(name, firstLine(error));
  }
  return undefined;
}

/**
 * The path of `key` in `holder`; forgets the objects that the walk has left.
 *
 * @param {Map<object, string>} above
 * @param {object} holder
 * @param {string} key
 * @param {string} name
 */
function trail(above, holder, key, name) {
  const path = above.get(holder);
  if (path === undefined) return name;
  const open = [...above.keys()];
  for (const left of open.slice(open.indexOf(holder) + 1)) above.delete(left);
  if (Array.isArray(holder)) return `${path}[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

/**
 * @param {unknown} value
 * @param {Map<object, string>} above
 */
function problem(value, above) {
  if (typeof value === "bigint") return "BigInt";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "object" || value === null) return undefined;
  return above.has(value) ? "cycle" : lostType(value);
}

/**
 * What a value is that would come out as `{}`, if it is one.
 *
 * @param {object} value
 */
export function lostType(value) {
  const lost = LOST.find((type) => value instanceof type);
  return lost === Promise ? "Promise (is an await missing?)" : lost?.name;
}
