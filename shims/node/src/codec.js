/**
 * Bytes to frames and back: one kind byte, three bytes of length (big-endian), the payload.
 *
 * Knows nothing of JSON-RPC and nothing of sockets: payloads are text, bytes come from anywhere.
 */

import { isUtf8 } from "node:buffer";

export const HEADER_BYTES = 4;
/** The largest length that three bytes can name. */
export const FRAME_CAP = 0xff_ff_ff;

const KIND_JSON = 0;
/** Text up to this length takes the shared buffer; longer text gets a buffer of its own size. */
const SMALL_TEXT = 16 * 1024;
const BATCH_BYTES = 64 * 1024;
const REPLACEMENT = "\ufffd";

/** The stream makes no sense from here on; the connection has to be closed. */
export class FramingError extends Error {}

/**
 * Takes in bytes in pieces of any size and reports whole frames.
 *
 * A frame that lies whole in one piece is decoded in place, without a copy.
 */
export class Decoder {
  /** Frames over this many bytes are skipped and reported. May change at any time. */
  maxFrame;
  #sink;
  #header = Buffer.allocUnsafe(HEADER_BYTES);
  #headerFilled = 0;
  /** @type {Buffer | null} The payload of a frame that came in more than one piece. */
  #body = null;
  #bodyFilled = 0;
  #skip = 0;

  /**
   * @param {number} maxFrame
   * @param {{ frame(text: string): void, garbled(): void, oversize(length: number): void }} sink
   */
  constructor(maxFrame, sink) {
    this.maxFrame = maxFrame;
    this.#sink = sink;
  }

  /** True where the bytes so far end inside a frame. */
  get midFrame() {
    return this.#headerFilled > 0 || this.#body !== null || this.#skip > 0;
  }

  /**
   * @param {Buffer} bytes
   * @param {number} end how many of them count
   */
  push(bytes, end = bytes.length) {
    let at = 0;
    while (at < end) {
      const start = at + HEADER_BYTES;
      if (start <= end && !this.midFrame) {
        const length = lengthAt(bytes, at);
        if (start + length <= end && length <= this.maxFrame) {
          at = start + length;
          this.#emit(bytes, start, at);
          continue;
        }
      }
      at = this.#pushPiece(bytes, at, end);
    }
  }

  /**
   * The slow path: the frame does not lie whole in this piece.
   *
   * @param {Buffer} bytes
   * @param {number} at
   * @param {number} end
   */
  #pushPiece(bytes, at, end) {
    if (this.#skip > 0) {
      const taken = Math.min(this.#skip, end - at);
      this.#skip -= taken;
      return at + taken;
    }
    if (this.#body === null) {
      const taken = bytes.copy(this.#header, this.#headerFilled, at, end);
      this.#headerFilled += taken;
      this.#openBody();
      return at + taken;
    }
    const taken = bytes.copy(this.#body, this.#bodyFilled, at, end);
    this.#bodyFilled += taken;
    this.#closeFullBody();
    return at + taken;
  }

  #openBody() {
    // A wrong kind is told at its first byte: a stray print must not look like a slow frame.
    if (this.#headerFilled < HEADER_BYTES) return checkKind(this.#header, 0);
    const length = lengthAt(this.#header, 0);
    this.#headerFilled = 0;
    if (length > this.maxFrame) {
      this.#skip = length;
      this.#sink.oversize(length);
      return;
    }
    this.#body = Buffer.allocUnsafeSlow(length);
    this.#bodyFilled = 0;
    this.#closeFullBody();
  }

  #closeFullBody() {
    const body = this.#body;
    if (body === null || this.#bodyFilled < body.length) return;
    this.#body = null;
    this.#emit(body, 0, body.length);
  }

  /**
   * @param {Buffer} bytes
   * @param {number} start
   * @param {number} end
   */
  #emit(bytes, start, end) {
    const text = bytes.toString("utf8", start, end);
    // Bytes that are no UTF-8 become U+FFFD; only then is a second look needed.
    if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) this.#sink.garbled();
    else this.#sink.frame(text);
  }
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 */
function lengthAt(bytes, at) {
  checkKind(bytes, at);
  return bytes.readUInt32BE(at);
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 */
function checkKind(bytes, at) {
  const kind = bytes[at];
  if (kind === KIND_JSON) return;
  throw new FramingError(`frame kind ${kind} is unknown; this stream is not the Alyx protocol`);
}

/**
 * Collects frames so that one write carries them all.
 *
 * Invariant: the bytes of `take` stay untouched until `release` says that they have left.
 */
export class Batch {
  #bytes = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #filled = 0;

  get empty() {
    return this.#filled === 0;
  }

  /**
   * Adds a frame, or refuses with false because what is there has to be taken first.
   *
   * @param {string} text
   */
  append(text) {
    const bound = text.length <= SMALL_TEXT ? text.length * 3 : Buffer.byteLength(text);
    if (bound > FRAME_CAP) throw new FramingError(`a frame cannot hold ${bound} bytes`);
    const needed = HEADER_BYTES + bound;
    if (needed > this.#bytes.length - this.#filled) {
      if (this.#filled > 0) return false;
      this.#bytes = Buffer.allocUnsafeSlow(needed);
    }
    const length = this.#bytes.write(text, this.#filled + HEADER_BYTES, "utf8");
    this.#bytes.writeUInt32BE(length, this.#filled);
    this.#filled += HEADER_BYTES + length;
    return true;
  }

  take() {
    return this.#bytes.subarray(0, this.#filled);
  }

  /**
   * Starts the next batch.
   *
   * @param {boolean} written whether the taken bytes have left and their buffer may be used again
   */
  release(written) {
    this.#filled = 0;
    const reusable = written && this.#bytes.length === BATCH_BYTES;
    if (!reusable) this.#bytes = Buffer.allocUnsafeSlow(BATCH_BYTES);
  }
}

/**
 * One frame as bytes of its own.
 *
 * @param {string} text
 */
export function encode(text) {
  const batch = new Batch();
  batch.append(text);
  return Buffer.from(batch.take());
}
