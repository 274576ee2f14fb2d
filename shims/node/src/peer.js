/**
 * One connection to the host: JSON-RPC in both directions.
 *
 * Answers of one turn of the event loop leave in one write; `sendNow` does not wait for it.
 * Knows nothing of functions: methods come in as a table, each entry answers its request itself.
 */

import { Batch, Decoder, FramingError } from "./codec.js";
import { faultOf, wireError } from "./errors.js";
import { paramsFault } from "./params.js";
import { Pending } from "./pending.js";

const MAX_FRAME_BEFORE_HELLO = 64 * 1024;
const MAX_BAD_FRAMES = 8;
const MAX_METHOD_BYTES = 64;

/**
 * @typedef {Record<string, any>} Params
 * @typedef {import("./errors.js").WireError} WireError
 * @typedef {Map<string, (params: Params, id: number) => void>} Requests
 * @typedef {Map<string, (params: Params) => void>} Notices
 */

export class Peer {
  #decoder = new Decoder(MAX_FRAME_BEFORE_HELLO, this);
  #batch = new Batch();
  #scheduled = false;
  #badFrames = 0;
  /** What this side asks of the host. */
  outgoing = new Pending((text) => this.#send(text));
  /** @type {Requests} */
  #requests = new Map();
  /** @type {Notices} */
  #notices = new Map();
  /** Why requests that are not in the table are refused; undefined where they are unknown. */
  #closed = /** @type {string | undefined} */ ("the handshake is not done");
  #write;

  /** @param {(bytes: Buffer) => boolean} write true if the bytes have left */
  constructor(write) {
    this.#write = write;
  }

  /**
   * Serves these methods from now on; before that every request is answered with NOT_READY.
   *
   * @param {Requests} requests
   * @param {Notices} notices
   * @param {string} [closed] why all other requests are answered with NOT_READY, where they are
   */
  serve(requests, notices, closed) {
    this.#requests = requests;
    this.#notices = notices;
    this.#closed = closed;
  }

  /** The largest frame, in both directions. */
  get maxFrame() {
    return this.#decoder.maxFrame;
  }

  set maxFrame(bytes) {
    this.#decoder.maxFrame = bytes;
  }

  /**
   * @param {Buffer} bytes
   * @param {number} length
   * @throws {FramingError} where the connection has to be closed
   */
  receive(bytes, length) {
    this.#decoder.push(bytes, length);
  }

  /** @param {number} length */
  oversize(length) {
    const limit = this.#decoder.maxFrame;
    const message = `frame of ${length} bytes is over the limit of ${limit}`;
    this.#answerError(null, wireError("FRAME_TOO_LARGE", message, { details: { size: length, limit } }));
  }

  garbled() {
    this.#badFrame("invalid UTF-8");
  }

  /** @param {string} text */
  frame(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch (error) {
      return this.#badFrame(`invalid JSON: ${/** @type {Error} */ (error).message}`);
    }
    this.#badFrames = 0;
    this.#dispatch(message, text);
  }

  /** @param {string} problem */
  #badFrame(problem) {
    this.#answerError(null, wireError("PARSE_ERROR", problem));
    this.#badFrames += 1;
    if (this.#badFrames < MAX_BAD_FRAMES) return;
    this.flush();
    throw new FramingError(`${MAX_BAD_FRAMES} bad frames in a row`);
  }

  /**
   * @param {any} message
   * @param {string} text
   */
  #dispatch(message, text) {
    if (typeof message !== "object" || message === null || Array.isArray(message)) {
      return this.#invalid(null, "a message is one object; batches are not part of this protocol");
    }
    const { method, id, params = {} } = message;
    if (method === undefined) {
      if (id === undefined) return this.#invalid(null, "a message has a method or an id");
      return this.outgoing.settle(message, text);
    }
    if (id !== undefined && !isId(id)) return this.#invalid(null, "an id is an integer from 1 to 2^53 - 1");
    const fault = callFault(message.jsonrpc, method, params);
    if (fault !== undefined) return this.#invalid(id, fault);
    if (id === undefined) this.#notices.get(method)?.(params);
    else this.#request(method, params, id);
  }

  /**
   * @param {string} method
   * @param {Params} params
   * @param {number} id
   */
  #request(method, params, id) {
    const serve = this.#requests.get(method);
    if (serve === undefined) {
      if (this.#closed !== undefined) return this.fail(id, wireError("NOT_READY", this.#closed));
      return this.fail(id, wireError("METHOD_NOT_FOUND", `unknown method '${method}'`));
    }
    const fault = paramsFault(method, params);
    if (fault !== undefined) return this.fail(id, wireError("INVALID_PARAMS", fault));
    try {
      serve(params, id);
    } catch (error) {
      // A fault of the shim must not cost the frames behind this one.
      this.fail(id, wireError("INTERNAL_ERROR", `the shim failed in '${method}': ${error}`));
    }
  }

  /**
   * @param {unknown} id
   * @param {string} problem
   */
  #invalid(id, problem) {
    this.#answerError(isId(id) ? id : null, wireError("INVALID_REQUEST", problem));
  }

  /**
   * Asks the host; the answer is handled before the next frame is looked at.
   *
   * @param {string} method
   * @param {Params} params
   * @param {number} timeoutMs
   * @param {{ resolve(result: any): void, reject(fault: import("./errors.js").Fault): void }} answer
   */
  ask(method, params, timeoutMs, answer) {
    const timer = setTimeout(() => {
      this.outgoing.forget(id);
      const message = `the host did not answer '${method}' in ${timeoutMs} ms`;
      answer.reject({ code: "DEADLINE_EXCEEDED", message });
    }, timeoutMs);
    /** @param {any} message */
    const settle = (message) => {
      clearTimeout(timer);
      const fault = faultOf(message);
      if (fault === undefined) answer.resolve(message.result);
      else answer.reject(fault);
    };
    const id = this.outgoing.send(`,"method":"${method}","params":${JSON.stringify(params)}}`, { settle });
  }

  /**
   * @param {string} method
   * @param {Params} params
   */
  notify(method, params) {
    this.#send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /**
   * @param {number} id
   * @param {string} result JSON text
   */
  answer(id, result) {
    const text = `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
    if (this.#fits(text)) this.#send(text);
    else this.fail(id, this.#tooLarge(Buffer.byteLength(text)));
  }

  /**
   * @param {number} id
   * @param {WireError} error
   */
  fail(id, error) {
    this.#answerError(id, error);
  }

  /**
   * @param {number | null} id
   * @param {WireError} error
   */
  #answerError(id, error) {
    this.#send(JSON.stringify({ jsonrpc: "2.0", id, error }));
  }

  /** @param {string} text */
  #fits(text) {
    const { maxFrame } = this.#decoder;
    return text.length * 3 <= maxFrame || Buffer.byteLength(text) <= maxFrame;
  }

  /** @param {number} size */
  #tooLarge(size) {
    const limit = this.#decoder.maxFrame;
    const message = `the result is a frame of ${size} bytes; the host takes ${limit}`;
    return wireError("FRAME_TOO_LARGE", message, { details: { size, limit } });
  }

  /** @param {string} text */
  #send(text) {
    if (!this.#batch.append(text)) {
      this.flush();
      this.#batch.append(text);
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flushScheduled);
  }

  /**
   * Writes a frame, and all before it, at once.
   *
   * @param {string} text
   */
  sendNow(text) {
    this.#send(text);
    this.flush();
  }

  #flushScheduled = () => {
    this.#scheduled = false;
    this.flush();
  };

  flush() {
    if (!this.#batch.empty) this.#batch.release(this.#write(this.#batch.take()));
  }
}

/**
 * @param {unknown} id
 * @returns {id is number}
 */
function isId(id) {
  return Number.isSafeInteger(id) && /** @type {number} */ (id) >= 1;
}

/**
 * What makes a call no call of this protocol, if anything does.
 *
 * @param {unknown} jsonrpc
 * @param {unknown} method
 * @param {unknown} params
 */
function callFault(jsonrpc, method, params) {
  if (jsonrpc !== "2.0") return 'jsonrpc must be "2.0"';
  if (typeof method !== "string") return "method must be a string";
  if (method.length > MAX_METHOD_BYTES || Buffer.byteLength(method) > MAX_METHOD_BYTES) {
    return `method is longer than ${MAX_METHOD_BYTES} bytes`;
  }
  if (typeof params !== "object" || params === null || Array.isArray(params))
    return "params must be an object";
  return undefined;
}
