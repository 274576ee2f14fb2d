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
 * @typedef {object} Database what an invocation holds of it
 * @property {any} client what its handler sees
 * @property {(reason: string) => void} cancel
 * @property {() => void} end
 */

/** Asked for by `await` and by JSON.stringify; as collections they would break both. */
const HIDDEN = new Set(["then", "toJSON"]);

/**
 * @param {number} inv the id of the invoke request
 * @param {import("./peer.js").Peer} peer
 * @param {import("./shim.js").Offer} offer
 * @returns {Database}
 */
export function openDatabase(inv, peer, { limits, capabilities }) {
  if (!capabilities.db) return NO_DATABASE;
  const calls = new Calls(peer, limits.maxCallsPerInvocation);
  return {
    client: new Proxy(new Client(inv, calls, Boolean(capabilities.batch)), MEMBERS),
    cancel: (reason) => calls.refuseWaiting("CANCELLED", `the call was cancelled: ${reason}`),
    end: () => calls.end(),
  };
}

class Client {
  #inv;
  #calls;
  #offersBatch;
  /** @type {Map<string, Collection>} */
  #collections = new Map();

  /**
   * @param {number} inv
   * @param {Calls} calls
   * @param {boolean} offersBatch
   */
  constructor(inv, calls, offersBatch) {
    this.#inv = inv;
    this.#calls = calls;
    this.#offersBatch = offersBatch;
    Object.freeze(this);
  }

  /**
   * @param {unknown} sql
   * @param {unknown} [params]
   */
  query = async (sql, params) => {
    const members = statementJson(sql, params);
    return rowsOf(await this.#ask("query", members));
  };

  /**
   * @param {unknown} sql
   * @param {unknown} [params]
   */
  exec = async (sql, params) => {
    const members = statementJson(sql, params);
    return writtenOf(await this.#ask("exec", members));
  };

  /** @param {unknown} statements */
  batch = async (statements) => {
    this.#calls.check();
    if (!this.#offersBatch) throw new DatabaseError("UNAVAILABLE", "the host offers no batches");
    const ops = opsJson(statements);
    if (ops === "") return [];
    return (await this.#ask("batch", `"ops":[${ops}]`)).results.map(writtenOf);
  };

  /** @param {string} name */
  collection = (name) => {
    const found = this.#collections.get(name);
    if (found !== undefined) return found;
    if (typeof name !== "string") {
      throw new DatabaseError(
        "INVALID_QUERY",
        `the name of a collection must be a string, not ${kindOf(name)}`,
      );
    }
    const collection = new Collection(name, this.#inv, this.#calls);
    this.#collections.set(name, collection);
    return collection;
  };

  /**
   * @param {string} method
   * @param {string} members
   */
  async #ask(method, members) {
    const tail = `,"method":"db.${method}","params":{"inv":${this.#inv},${members}}}`;
    return resultOf(await this.#calls.ask(tail));
  }
}

/** Every name but its own is that of a collection. @type {ProxyHandler<Client>} */
const MEMBERS = {
  get(client, name) {
    // Symbols are asked for by inspection, not by the author's code.
    if (typeof name === "symbol" || HIDDEN.has(name)) return undefined;
    return Object.hasOwn(client, name) ? Reflect.get(client, name) : client.collection(name);
  },
};

/** What ctx.db is while the host offers none: any use throws an error the author can tell apart. */
const NO_DATABASE = /** @type {Database} */ ({
  client: new Proxy(
    {},
    {
      get(_target, name) {
        if (typeof name === "symbol" || HIDDEN.has(name)) return undefined;
        throw new DatabaseError("UNAVAILABLE", "the host offers no database");
      },
    },
  ),
  cancel() {},
  end() {},
});
