/**
 * The database calls of one invocation: how many are out at once, which wait, and what its end means for them.
 *
 * Knows nothing of what is asked; a call is the text of its message and gets the answer whole.
 */

import { DatabaseError } from "./dberror.js";
import { faultOf } from "./errors.js";
import { Queue } from "./queue.js";
import { mayBeMasked, unmask } from "./values.js";

/** More than what stands before a tail: the version and an id. */
const HEAD_BYTES = 64;
const ENDED = "the handler has returned; await every ctx.db call before it does";

/** One call, waiting or sent. */
class Call {
  /** @type {Call | undefined} */
  next;
  /** Of the message, once it is sent. @type {number | undefined} */
  id;
  #calls;

  /**
   * @param {Calls} calls
   * @param {string} tail
   * @param {(message: any) => void} resolve
   */
  constructor(calls, tail, resolve) {
    this.#calls = calls;
    this.tail = tail;
    this.resolve = resolve;
  }

  /**
   * @param {any} message
   * @param {string} text
   */
  settle(message, text) {
    if (mayBeMasked(text)) message.result = unmask(message.result);
    this.resolve(message);
    this.#calls.answered();
  }
}

export class Calls {
  /** @type {Calls | undefined} Where several invocations wait for the connection. */
  next;
  #peer;
  #limit;
  #flying = 0;
  /** @type {Queue<Call>} */
  #waiting = new Queue();
  /** Whether it waits for room on the connection. */
  #inLine = false;
  #ended = false;

  /**
   * @param {import("./peer.js").Peer} peer
   * @param {number} limit how many may be unanswered at once
   */
  constructor(peer, limit) {
    this.#peer = peer;
    this.#limit = limit;
  }

  /**
   * Asks the host. The promise never rejects: what is wrong is told by `resultOf`, called where the stack
   * still leads to the author's line.
   *
   * @param {string} tail the message behind its id
   * @returns {Promise<any>} the answer
   */
  ask(tail) {
    this.check();
    this.#checkSize(tail);
    return new Promise((resolve) => {
      this.#waiting.push(new Call(this, tail, resolve));
      this.#advance();
    });
  }

  /** Throws once the invocation is over. */
  check() {
    if (this.#ended) throw new DatabaseError("INVOCATION_ENDED", ENDED);
  }

  /** @param {string} tail */
  #checkSize(tail) {
    const limit = this.#peer.maxFrame;
    if (tail.length * 3 + HEAD_BYTES <= limit) return;
    const size = Buffer.byteLength(tail) + HEAD_BYTES;
    if (size <= limit) return;
    const message = `the call takes ${size} bytes; the host takes ${limit} at once, so split it`;
    throw new DatabaseError("PAYLOAD_TOO_LARGE", message, { size, limit });
  }

  /** Sends what may be sent now; in order, and after those who wait for the connection longer. */
  #advance() {
    while (this.#hasNext && this.#peer.outgoing.hasRoom) this.#sendNext();
    if (!this.#hasNext || this.#inLine) return;
    this.#inLine = true;
    this.#peer.outgoing.wait(this);
  }

  get #hasNext() {
    return this.#flying < this.#limit && !this.#waiting.empty;
  }

  #sendNext() {
    const call = /** @type {Call} */ (this.#waiting.shift());
    this.#flying += 1;
    this.#peer.outgoing.send(call.tail, call);
  }

  /** Its turn on the connection has come. */
  sendOne() {
    this.#inLine = false;
    if (this.#hasNext) this.#sendNext();
    this.#advance();
  }

  answered() {
    this.#flying -= 1;
    this.#advance();
  }

  /** The invocation was answered: nothing is sent any more. What is out is the host's to answer. */
  end() {
    this.#ended = true;
    this.#refuseWaiting("INVOCATION_ENDED", ENDED);
  }

  /**
   * Refuses what waits. What is out gets its answer, and what is asked from now on too: a handler may clean up.
   *
   * @param {string} reason
   */
  cancel(reason) {
    this.#refuseWaiting("CANCELLED", `the call was cancelled: ${reason}`);
  }

  /**
   * @param {string} code
   * @param {string} message
   */
  #refuseWaiting(code, message) {
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift()) {
      call.resolve({ error: { message, data: { code } } });
    }
  }
}

/**
 * The result of an answer.
 *
 * @param {any} message
 * @throws {DatabaseError}
 */
export function resultOf(message) {
  const fault = faultOf(message);
  if (fault === undefined) return message.result;
  throw new DatabaseError(fault.code, fault.message, fault.details, fault.retryable);
}
