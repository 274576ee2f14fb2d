/**
 * SQL statements with their parameters as the wire carries them, and what comes back as functions see it.
 *
 * Knows nothing of how calls reach the host, and does not look into the SQL.
 */

import { DatabaseError } from "./dberror.js";
import { isRecord, kindOf, refusal, root } from "./place.js";
import { rootJson, setMember } from "./values.js";

/** @typedef {import("./place.js").Place} Place */

/**
 * The members `sql` and, where there are parameters, `args`.
 *
 * @param {unknown} sql
 * @param {unknown} params
 * @param {string} [prefix] what messages put before `sql` and `params`
 * @param {number} [op] which statement of a batch it is
 */
export function statementJson(sql, params, prefix = "", op = undefined) {
  if (typeof sql !== "string") {
    throw refusal(
      "INVALID_QUERY",
      ` must be a string, not ${kindOf(sql)}`,
      root(`${prefix}sql`, forgotten, op),
    );
  }
  const text = `"sql":${JSON.stringify(sql)}`;
  if (params === undefined || params === null) return text;
  const place = root(`${prefix}params`, forgotten, op);
  if (Array.isArray(params) || isRecord(params)) return `${text},"args":${rootJson(params, place)}`;
  throw refusal("INVALID_QUERY", ` must be a list or an object, not ${kindOf(params)}`, place);
}

/**
 * @param {string | number} key
 * @param {Place} above
 * @returns {never}
 */
function forgotten(key, above) {
  throw refusal("INVALID_QUERY", " is undefined; pass null for NULL", above, key);
}

/**
 * The calls of a batch, with commas between.
 *
 * @param {unknown} statements
 */
export function opsJson(statements) {
  if (!Array.isArray(statements))
    throw invalid(`batch takes a list of statements, not ${kindOf(statements)}`);
  return Array.from(statements, opJson).join();
}

/**
 * @param {unknown} statement
 * @param {number} op
 */
function opJson(statement, op) {
  if (!isRecord(statement)) {
    throw invalid(`batch[${op}] must be {sql, params}, not ${kindOf(statement)}`, op);
  }
  const { sql, params, ...others } = statement;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw invalid(`unknown member '${unknown}' of batch[${op}]; use sql, params`, op);
  return `{"method":"db.exec","params":{${statementJson(sql, params, `batch[${op}].`, op)}}}`;
}

/**
 * @param {string} message
 * @param {number} [op]
 */
function invalid(message, op) {
  return new DatabaseError("INVALID_QUERY", message, op === undefined ? {} : { op });
}

/**
 * Rows as objects; of two columns with one name the last one wins. Half an answer must not look
 * like a whole one: it is refused.
 *
 * @param {{ columns: string[], rows: unknown[][], truncated?: boolean }} result
 */
export function rowsOf({ columns, rows, truncated }) {
  if (truncated) {
    throw new DatabaseError(
      "RESULT_TOO_LARGE",
      `the result has more than the ${rows.length} rows that the host sends at once; ask for fewer`,
    );
  }
  const set = columns.includes("__proto__") ? setMember : assign;
  return rows.map((cells) => {
    const row = {};
    for (let index = 0; index < columns.length; index += 1) {
      set(row, /** @type {string} */ (columns[index]), cells[index]);
    }
    return row;
  });
}

/**
 * @param {any} row
 * @param {string} name
 * @param {unknown} value
 */
function assign(row, name, value) {
  row[name] = value;
}

/** @param {{ changes: number, lastInsertId?: number | bigint | null }} result */
export function writtenOf({ changes, lastInsertId = null }) {
  return { rows_affected: changes, last_insert_id: lastInsertId };
}
