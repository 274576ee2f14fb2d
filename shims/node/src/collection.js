/**
 * `ctx.db.posts`: the documents of one collection.
 *
 * Knows nothing of how calls reach the host, and judges neither names nor filters: the host does.
 */

import { resultOf } from "./calls.js";
import { DatabaseError } from "./dberror.js";
import { filterJson } from "./filter.js";
import { isRecord, kindOf } from "./place.js";
import { dataJson } from "./values.js";

/** So many collections have the beginnings of their messages kept; names may come from callers. */
const MAX_KEPT = 256;
/** @type {Map<string, Tails>} */
const kept = new Map();

/** @typedef {Record<"list" | "get" | "create" | "update" | "delete", string>} Tails */

/**
 * What the messages about a collection have in common, up to the invocation's number.
 *
 * @param {string} name
 * @returns {Tails}
 */
function tailsOf(name) {
  const found = kept.get(name);
  if (found !== undefined) return found;
  if (kept.size >= MAX_KEPT) kept.clear();
  const collection = JSON.stringify(name);
  /** @param {string} method */
  const tail = (method) => `,"method":"db.${method}","params":{"collection":${collection},"inv":`;
  const tails = {
    list: tail("list"),
    get: tail("get"),
    create: tail("create"),
    update: tail("update"),
    delete: tail("delete"),
  };
  kept.set(name, tails);
  return tails;
}

/** Its methods need no `this`, so that `ids.map(ctx.db.posts.get)` works. */
export class Collection {
  #calls;
  #inv;
  #tails;

  /**
   * @param {string} name
   * @param {number} inv
   * @param {import("./calls.js").Calls} calls
   */
  constructor(name, inv, calls) {
    this.#tails = tailsOf(name);
    this.#inv = inv;
    this.#calls = calls;
  }

  /** @param {unknown} [options] */
  list = async (options) => {
    const members = options === undefined ? "" : optionsJson(options);
    const answer = await this.#calls.ask(`${this.#tails.list}${this.#inv}${members}}}`);
    const { docs, total } = resultOf(answer);
    return total === undefined ? { docs } : { docs, total };
  };

  /** @param {unknown} id */
  get = async (id) => {
    this.#calls.check();
    if (id === undefined || id === null) return null;
    const answer = await this.#calls.ask(`${this.#tails.get}${this.#inv},"id":${idJson(id)}}}`);
    return resultOf(answer).doc;
  };

  /** @param {unknown} data */
  create = async (data) => {
    const answer = await this.#calls.ask(`${this.#tails.create}${this.#inv},"data":${dataJson(data)}}}`);
    return resultOf(answer).doc;
  };

  /**
   * @param {unknown} id
   * @param {unknown} changes
   */
  update = async (id, changes) => {
    const members = `,"id":${idJson(id)},"data":${dataJson(changes)}`;
    const answer = await this.#calls.ask(`${this.#tails.update}${this.#inv}${members}}}`);
    return resultOf(answer).doc;
  };

  /** @param {unknown} id */
  delete = async (id) => {
    const answer = await this.#calls.ask(`${this.#tails.delete}${this.#inv},"id":${idJson(id)}}}`);
    resultOf(answer);
  };
}

/** @param {unknown} id */
function idJson(id) {
  if (typeof id === "string") return JSON.stringify(id);
  throw new DatabaseError("VALIDATION_ERROR", `id must be a string, not ${kindOf(id)}`, { field: "id" });
}

/**
 * What each option of list must be, and how it is written. An option that is undefined is not given.
 *
 * @type {Record<string, { is: string, test(value: any): boolean, json?(value: any): string }>}
 */
const OPTIONS = {
  sort: { is: "a string or a list of strings", test: isSort, json: (sort) => JSON.stringify(`${sort}`) },
  limit: { is: "an integer", test: Number.isSafeInteger },
  offset: { is: "an integer", test: Number.isSafeInteger },
  fields: { is: "a list of strings", test: isStrings },
  count: { is: "true or false", test: (value) => typeof value === "boolean" },
};

/** @param {unknown} options */
function optionsJson(options) {
  if (!isRecord(options)) throw invalid(`the options of list must be an object, not ${kindOf(options)}`);
  let text = "";
  for (const [name, value] of Object.entries(options)) {
    if (name === "filter") text += `,"filter":${filterJson(value)}`;
    else if (!Object.hasOwn(OPTIONS, name)) throw invalid(unknownOption(name));
    else if (value !== undefined) text += `,"${name}":${optionJson(name, value)}`;
  }
  return text;
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function optionJson(name, value) {
  const { is, test, json = JSON.stringify } = /** @type {typeof OPTIONS[string]} */ (OPTIONS[name]);
  if (test(value)) return json(value);
  const found = typeof value === "number" ? value : kindOf(value);
  throw invalid(`${name} must be ${is}, not ${found}`, name);
}

/** @param {string} name */
function unknownOption(name) {
  return `unknown option '${name}' of list; use filter, ${Object.keys(OPTIONS).join(", ")}`;
}

/**
 * @param {string} message
 * @param {string} [field]
 */
function invalid(message, field) {
  return new DatabaseError("INVALID_QUERY", message, field === undefined ? {} : { field });
}

/** @param {unknown} value */
function isSort(value) {
  return typeof value === "string" || isStrings(value);
}

/** @param {unknown} value */
function isStrings(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
