/**
 * `ctx.db`: the database as one invocation sees it.
 *
 * Knows nothing of SQL, of rights and of what a collection may be called: all that is the host's.
 */

import { Calls, resultOf } from "./calls.js";
import { Collection } from "./collection.js";
import { DatabaseError } from "./dberror.js";
import { kindOf } from "./place.js";
import { opsJson, rowsOf, statementJson, writtenOf } from "./statement.js";

/**
 * @typedef {object} Database
 * @property {any} client what the handler sees
 * @property {Pick<Calls, "cancel" | "end">} calls
 */

/**
 * @param {number} inv the id of the invoke request
 * @param {import("./peer.js").Peer} peer
 * @param {import("./shim.js").Offer} offer
 * @returns {Database}
 */
export function openDatabase(inv, peer, { limits, capabilities }) {
  if (!capabilities.db) return NO_DATABASE;
  const calls = new Calls(peer, limits.maxCallsPerInvocation);
  return { client: new Client(inv, calls, Boolean(capabilities.batch)), calls };
}

/** Names that are no collections as members: its own, and what `await` and JSON.stringify ask for. */
const OWN = new Set(["query", "exec", "batch", "collection", "then", "toJSON"]);

/**
 * Has no members until they are asked for; then each is made once and kept. Every name but a few is that of
 * a collection, so even the constructor hides.
 */
class Client {
  #inv;
  #calls;
  #offersBatch;

  /**
   * @param {number} inv
   * @param {Calls} calls
   * @param {boolean} offersBatch
   */
  constructor(inv, calls, offersBatch) {
    this.#inv = inv;
    this.#calls = calls;
    this.#offersBatch = offersBatch;
  }

  static {
    /** @type {ProxyHandler<Client>} */
    const members = {
      get(_target, name, /** @type {Client} */ client) {
        // Symbols are asked for by inspection, not by the author's code.
        if (typeof name === "symbol") return undefined;
        const value = client.#make(name);
        if (value !== undefined) Object.defineProperty(client, name, { value });
        return value;
      },
      set: () => false,
    };
    Reflect.deleteProperty(Client.prototype, "constructor");
    // A proxy above, not around: what was made is found without it, which is far quicker.
    Object.setPrototypeOf(Client.prototype, new Proxy(Object.create(null), members));
  }

  /**
   * A member by its name. Methods need no `this`.
   *
   * @param {string} name
   */
  #make(name) {
    switch (name) {
      case "query":
        return (/** @type {unknown} */ sql, /** @type {unknown} */ params) => this.#query(sql, params);
      case "exec":
        return (/** @type {unknown} */ sql, /** @type {unknown} */ params) => this.#exec(sql, params);
      case "batch":
        return (/** @type {unknown} */ statements) => this.#batch(statements);
      case "collection":
        return (/** @type {unknown} */ other) => this.#collection(other);
      default:
        return OWN.has(name) ? undefined : new Collection(name, this.#inv, this.#calls);
    }
  }

  /**
   * @param {unknown} sql
   * @param {unknown} params
   */
  async #query(sql, params) {
    return rowsOf(resultOf(await this.#ask("query", statementJson(sql, params))));
  }

  /**
   * @param {unknown} sql
   * @param {unknown} params
   */
  async #exec(sql, params) {
    return writtenOf(resultOf(await this.#ask("exec", statementJson(sql, params))));
  }

  /** @param {unknown} statements */
  async #batch(statements) {
    this.#calls.check();
    if (!this.#offersBatch) throw new DatabaseError("UNAVAILABLE", "the host offers no batches");
    const ops = opsJson(statements);
    if (ops === "") return [];
    return resultOf(await this.#ask("batch", `"ops":[${ops}]`)).results.map(writtenOf);
  }

  /** @param {unknown} name */
  #collection(name) {
    if (typeof name !== "string") {
      const message = `the name of a collection must be a string, not ${kindOf(name)}`;
      throw new DatabaseError("INVALID_QUERY", message);
    }
    return OWN.has(name) ? new Collection(name, this.#inv, this.#calls) : Reflect.get(this, name);
  }

  /**
   * @param {string} method
   * @param {string} members
   */
  #ask(method, members) {
    return this.#calls.ask(`,"method":"db.${method}","params":{"inv":${this.#inv},${members}}}`);
  }
}

/** What ctx.db is while the host offers none: any use throws an error the author can tell apart. */
const NO_DATABASE = /** @type {Database} */ ({
  client: new Proxy(
    {},
    {
      get(_target, name) {
        if (typeof name === "symbol" || name === "then" || name === "toJSON") return undefined;
        throw new DatabaseError("UNAVAILABLE", "the host offers no database");
      },
    },
  ),
  calls: { cancel() {}, end() {} },
});
