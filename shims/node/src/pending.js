/**
 * The calls of this side that the other has not answered, by id, and whose turn it is when there is room.
 *
 * Knows nothing of what is called; texts go out through a callback.
 */

import { Queue } from "./queue.js";

const DEFAULT_LIMIT = 256;
/** Places for calls, a power of two; no more than half of them are taken, so that the next one is free. */
const PLACES = 4096;
const MASK = PLACES - 1;

/**
 * @typedef {object} Call
 * @property {number} [id] given when it is sent
 * @property {(message: any, text: string) => void} settle takes the answer, as parsed and as it came
 *
 * @typedef {object} Caller somebody with calls to send
 * @property {() => void} sendOne sends one of them, if there still is one, and queues again for more
 * @property {any} next
 */

export class Pending {
  #limit = DEFAULT_LIMIT;
  #send;
  #nextId = 1;
  /**
   * Each call in the place that its id gives. A Map would leave a trail of tables behind it, each of which
   * keeps what it held from the young generation's collector.
   *
   * @type {(Call | undefined)[]}
   */
  #calls = new Array(PLACES).fill(undefined);
  #count = 0;
  /** @type {Queue<Caller>} */
  #callers = new Queue();

  /** @param {(text: string) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {number} calls how many may be out at once */
  set limit(calls) {
    this.#limit = Math.min(calls, PLACES / 2);
  }

  /** Whether a call may be sent now, with nobody waiting for the place. */
  get hasRoom() {
    return this.#count < this.#limit && this.#callers.empty;
  }

  /**
   * Sends a call; that there is room is the caller's care.
   *
   * @param {string} tail the message behind its id, from the comma on
   * @param {Call} call
   * @returns {number} its id
   */
  send(tail, call) {
    // A place may still be taken, by a call that many later ones have overtaken.
    while (this.#calls[this.#nextId & MASK] !== undefined) this.#nextId += 1;
    const id = this.#nextId;
    this.#nextId += 1;
    call.id = id;
    this.#calls[id & MASK] = call;
    this.#count += 1;
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
    this.#take(id);
  }

  /**
   * An answer has come. It is never answered in its turn, whatever is wrong with it.
   *
   * @param {any} message
   * @param {string} text
   */
  settle(message, text) {
    const call = this.#take(message.id);
    if (call === undefined) return;
    call.settle(message, text);
    this.#fill();
  }

  /** @param {number} id which may be anything that came as one */
  #take(id) {
    const call = this.#calls[id & MASK];
    if (call === undefined || call.id !== id) return undefined;
    this.#calls[id & MASK] = undefined;
    this.#count -= 1;
    return call;
  }

  #fill() {
    while (this.#count < this.#limit) {
      const caller = this.#callers.shift();
      if (caller === undefined) return;
      caller.sendOne();
    }
  }
}
