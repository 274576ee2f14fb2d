/**
 * The calls of this side that the other has not answered, by id, and whose turn it is when there is room.
 *
 * Knows nothing of what is called; texts go out through a callback.
 */

import { Queue } from "./queue.js";

const DEFAULT_LIMIT = 256;

/**
 * @typedef {object} Call
 * @property {(message: any, text: string) => void} settle takes the answer, as parsed and as it came
 *
 * @typedef {object} Caller somebody with calls to send
 * @property {() => void} sendOne sends one of them, if there still is one, and queues again for more
 * @property {any} next
 */

export class Pending {
  /** How many calls may be out at once. */
  limit = DEFAULT_LIMIT;
  #send;
  #nextId = 1;
  /** @type {Map<number, Call>} */
  #calls = new Map();
  /** @type {Queue<Caller>} */
  #callers = new Queue();

  /** @param {(text: string) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** Whether a call may be sent now, with nobody waiting for the place. */
  get hasRoom() {
    return this.#calls.size < this.limit && this.#callers.empty;
  }

  /**
   * Sends a call; that there is room is the caller's care.
   *
   * @param {string} tail the message behind its id, from the comma on
   * @param {Call} call
   * @returns {number} its id
   */
  send(tail, call) {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#calls.set(id, call);
    this.#send(`{"jsonrpc":"2.0","id":${id}${tail}`);
    return id;
  }

  /**
   * Where there is no room: each caller in turn sends one call, so that none takes every place.
   *
   * @param {Caller} caller
   */
  wait(caller) {
    this.#callers.push(caller);
  }

  /** @param {number} id a call whose answer nobody waits for any longer */
  forget(id) {
    this.#calls.delete(id);
  }

  /**
   * An answer has come. It is never answered in its turn, whatever is wrong with it.
   *
   * @param {any} message
   * @param {string} text
   */
  settle(message, text) {
    const call = this.#calls.get(message.id);
    if (call === undefined) return;
    this.#calls.delete(message.id);
    call.settle(message, text);
    this.#fill();
  }

  #fill() {
    while (this.#calls.size < this.limit) {
      const caller = this.#callers.shift();
      if (caller === undefined) return;
      caller.sendOne();
    }
  }
}
