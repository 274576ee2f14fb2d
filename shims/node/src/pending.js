/**
 * The calls that this side made and the other has not answered: each gets its own answer, or a timeout.
 *
 * Knows nothing of what is called; texts go out through a callback.
 */

import { RpcError } from "./errors.js";

const DEFAULT_LIMIT = 256;

/**
 * @typedef {{ resolve(result: any): void, reject(error: Error): void }} Answer
 * @typedef {{ answer: Answer, timer: NodeJS.Timeout, text: string }} Call
 */

export class Pending {
  /** How many calls may be out at once; further ones wait here. */
  limit = DEFAULT_LIMIT;
  #send;
  #nextId = 1;
  /** @type {Map<number, Call>} */
  #calls = new Map();
  /** Of these, the ones that wait to be sent, in order. @type {Set<number>} */
  #unsent = new Set();

  /** @param {(text: string) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {string} method
   * @param {Record<string, any>} params
   * @param {number} timeoutMs
   * @param {Answer} answer
   */
  add(method, params, timeoutMs, answer) {
    const id = this.#nextId;
    this.#nextId += 1;
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const timer = setTimeout(() => {
      this.#take(id);
      const message = `the host did not answer '${method}' in ${timeoutMs} ms`;
      answer.reject(new RpcError("DEADLINE_EXCEEDED", message));
    }, timeoutMs);
    this.#calls.set(id, { answer, timer, text });
    this.#unsent.add(id);
    this.#sendUnsent();
  }

  #sendUnsent() {
    for (const id of this.#unsent) {
      if (this.#calls.size - this.#unsent.size >= this.limit) return;
      this.#unsent.delete(id);
      this.#send(/** @type {Call} */ (this.#calls.get(id)).text);
    }
  }

  /**
   * An answer has come. It is never answered in its turn, whatever is wrong with it.
   *
   * @param {any} message
   */
  settle(message) {
    const { id, result, error } = message;
    const answer = this.#unsent.has(id) ? undefined : this.#take(id)?.answer;
    if (answer === undefined) return;
    if (error !== undefined && error !== null) {
      const { code = "UNKNOWN", details } = error.data ?? {};
      answer.reject(new RpcError(code, String(error.message), details));
    } else if (message.jsonrpc === "2.0" && typeof result === "object" && result !== null) {
      answer.resolve(result);
    } else {
      answer.reject(new RpcError("INVALID_REQUEST", "the answer of the host cannot be read"));
    }
  }

  /**
   * @param {number} id
   * @returns {Call | undefined}
   */
  #take(id) {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    clearTimeout(call.timer);
    this.#calls.delete(id);
    this.#unsent.delete(id);
    this.#sendUnsent();
    return call;
  }
}
