/**
 * Output of user code: print and console.log inside an invocation become lines of its log.
 *
 * Output outside any invocation goes where it always went.
 * Knows nothing of the log's shape and limits, only of streams and lines.
 */

/** Longest piece of a line that is kept; the log cuts finer. */
const MAX_LINE = 64 * 1024;

/** @typedef {{ text: string, unseen: number }} Line `unseen` counts bytes that were not kept */

/** Text in pieces to whole lines. A line without an end is kept up to a bound. */
export class LineBuffer {
  #text = "";
  #unseen = 0;

  /**
   * @param {string} piece
   * @returns {Line[]} the lines that are whole now
   */
  push(piece) {
    const parts = piece.split("\n");
    const last = /** @type {string} */ (parts.pop());
    const lines = parts.map((part) => {
      this.#keep(part);
      return this.#take();
    });
    this.#keep(last);
    return lines;
  }

  /**
   * What is left at the end.
   *
   * @returns {Line[]}
   */
  rest() {
    return this.#text === "" ? [] : [this.#take()];
  }

  /** @param {string} part */
  #keep(part) {
    const room = MAX_LINE - this.#text.length;
    if (part.length <= room) {
      this.#text += part;
      return;
    }
    this.#text += part.slice(0, room);
    this.#unseen += Buffer.byteLength(part.slice(room));
  }

  #take() {
    const text = this.#text.endsWith("\r") ? this.#text.slice(0, -1) : this.#text;
    const line = { text, unseen: this.#unseen };
    this.#text = "";
    this.#unseen = 0;
    return line;
  }
}

/**
 * Puts a switch before process.stdout and process.stderr.
 *
 * @param {(source: "stdout" | "stderr", text: string) => boolean} take true where an invocation took the text
 */
export function captureOutput(take) {
  captureStream("stdout", take);
  captureStream("stderr", take);
}

/**
 * The real stream is made when it is first asked for, as Node itself does.
 *
 * @param {"stdout" | "stderr"} source
 * @param {(source: "stdout" | "stderr", text: string) => boolean} take
 */
function captureStream(source, take) {
  const original = Object.getOwnPropertyDescriptor(process, source);
  const open = original?.get;
  if (open === undefined) return;
  let patched = false;
  Object.defineProperty(process, source, {
    ...original,
    get() {
      const stream = open.call(process);
      if (!patched) {
        patched = true;
        patchWrite(stream, source, take);
      }
      return stream;
    },
  });
}

/**
 * @param {NodeJS.WriteStream} stream
 * @param {"stdout" | "stderr"} source
 * @param {(source: "stdout" | "stderr", text: string) => boolean} take
 */
function patchWrite(stream, source, take) {
  const write = stream.write;
  /**
   * @param {string | Uint8Array} chunk
   * @param {unknown[]} rest encoding and callback, each optional
   */
  function capturingWrite(chunk, ...rest) {
    const encoding = typeof rest[0] === "string" ? /** @type {BufferEncoding} */ (rest[0]) : "utf8";
    const text = () =>
      typeof chunk === "string" ? decode(chunk, encoding) : Buffer.from(chunk).toString("utf8");
    const isOutput = typeof chunk === "string" || chunk instanceof Uint8Array;
    if (!isOutput || !take(source, text())) return Reflect.apply(write, stream, [chunk, ...rest]);
    const done = rest.find((argument) => typeof argument === "function");
    if (typeof done === "function") process.nextTick(done);
    return true;
  }
  stream.write = /** @type {typeof stream.write} */ (capturingWrite);
}

/**
 * @param {string} text
 * @param {BufferEncoding} encoding
 */
function decode(text, encoding) {
  return encoding === "utf8" || encoding === "utf-8" ? text : Buffer.from(text, encoding).toString("utf8");
}
