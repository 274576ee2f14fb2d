/**
 * The stream to the host: a unix socket, a loopback TCP connection, or this process' stdin and stdout.
 *
 * Knows nothing of frames: bytes in through a callback, bytes out through `write`.
 */

import { closeSync, fstatSync, openSync } from "node:fs";
import net from "node:net";
import { Writable } from "node:stream";

const READ_BYTES = 256 * 1024;
const STUCK_AFTER_MS = 10_000;
/** Errors that say no more than that the host is gone. */
const GONE = new Set([/** @type {string | undefined} */ ("ECONNRESET"), "EPIPE"]);

/**
 * @typedef {object} Receiver
 * @property {(bytes: Buffer, length: number) => void} bytes the buffer is used again after the call
 * @property {() => void} end the host closed the stream
 * @property {(problem: string) => void} fail
 */

export class AddressError extends Error {}

/**
 * @param {string} address `unix:/path`, `tcp:host:port` or `stdio`
 * @param {Receiver} receiver
 */
export function dial(address, receiver) {
  const { buffer } = new Uint8Array(READ_BYTES);
  const bytes = Buffer.from(buffer);
  const onread = {
    buffer: bytes,
    /** @param {number} length */
    callback(length) {
      receiver.bytes(bytes, length);
      return true;
    },
  };
  const [input, output] = open(address, onread);
  input.on("end", () => receiver.end());
  for (const stream of new Set([input, output])) {
    stream.on("error", (error) => {
      if (GONE.has(/** @type {NodeJS.ErrnoException} */ (error).code)) receiver.end();
      else receiver.fail(error.message);
    });
    stream.on("close", () => receiver.end());
  }
  return new Transport(output, receiver);
}

/**
 * @param {string} address
 * @param {net.OnReadOpts} onread
 * @returns {[net.Socket, net.Socket]}
 */
function open(address, onread) {
  if (address === "stdio") return openStdio(onread);
  const [scheme, rest] = splitOnce(address);
  if (scheme === "unix" && rest.startsWith("/")) {
    const socket = net.connect({ path: rest, onread });
    return [socket, socket];
  }
  const { host, port } = scheme === "tcp" ? parseHostPort(rest) : { host: "", port: 0 };
  if (port === 0)
    throw new AddressError(`'${address}' is no address; use unix:/path, tcp:host:port or stdio`);
  if (!isLoopback(host)) {
    throw new AddressError(`'${address}' is not on loopback; plain TCP goes to 127.0.0.1 or ::1 only`);
  }
  const socket = net.connect({ host, port, onread, noDelay: true });
  return [socket, socket];
}

/** @param {string} address */
function splitOnce(address) {
  const colon = address.indexOf(":");
  return /** @type {const} */ ([address.slice(0, colon), address.slice(colon + 1)]);
}

/** @param {string} text */
function parseHostPort(text) {
  const [, host = "", port = "0"] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  return { host, port: Number(port) };
}

/** @param {string} host */
function isLoopback(host) {
  return host === "localhost" || host === "::1" || (net.isIPv4(host) && host.startsWith("127."));
}

/**
 * Moves the protocol to a descriptor of its own and points fd 1 at stderr, so that nothing printed
 * by user code, native code or a child process can get between two frames.
 *
 * @param {net.OnReadOpts} onread
 * @returns {[net.Socket, net.Socket]}
 */
function openStdio(onread) {
  // A socket cannot be opened a second time: it stays where it is, and only bare reads of fd 0 and
  // bare writes to fd 1 could still disturb the stream.
  const from = fstatSync(0).isSocket() ? 0 : movePipe(0, "r", "/dev/null");
  const to = fstatSync(1).isSocket() ? 1 : movePipe(1, "a", "/dev/fd/2");
  const toStderr = new Writable({
    write: (chunk, encoding, done) => void process.stderr.write(chunk, encoding, done),
  });
  Object.defineProperty(process, "stdout", { configurable: true, enumerable: true, get: () => toStderr });
  const input = new net.Socket(/** @type {any} */ ({ fd: from, readable: true, writable: false, onread }));
  const output = new net.Socket({ fd: to, readable: false, writable: true });
  return [input, output];
}

/**
 * Node cannot dup, but opening /dev/fd/N gives a second descriptor for the same pipe, and closing N
 * makes it the lowest free number, which the next open takes.
 *
 * @param {0 | 1} fd
 * @param {"r" | "a"} flags
 * @param {string} instead what the old number leads to from now on
 */
function movePipe(fd, flags, instead) {
  const moved = openSync(`/dev/fd/${fd}`, flags);
  closeSync(fd);
  try {
    openSync(instead, flags);
  } catch {
    // It is a socket, or closed.
    openSync("/dev/null", flags);
  }
  return moved;
}

export class Transport {
  #stream;
  #receiver;
  #written = 0;
  #writtenAtCheck = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #watch;

  /**
   * @param {net.Socket} stream
   * @param {Receiver} receiver
   */
  constructor(stream, receiver) {
    this.#stream = stream;
    this.#receiver = receiver;
  }

  /**
   * @param {Buffer} bytes
   * @returns {boolean} true if the buffer may be used again: the kernel took all, or they were copied
   */
  write(bytes) {
    if (!this.#stream.writable) return true;
    // What has to wait is kept in no more room than it needs: there may be thousands of it.
    if (this.#stream.writableLength > 0) {
      this.#stream.write(Buffer.from(bytes), this.#onWritten);
      return true;
    }
    this.#stream.write(bytes, this.#onWritten);
    const taken = this.#stream.writableLength === 0;
    if (!taken && this.#watch === undefined) this.#startWatch();
    return taken;
  }

  #onWritten = () => {
    this.#written += 1;
  };

  /** A host that takes nothing for 10 s is dead. */
  #startWatch() {
    this.#writtenAtCheck = this.#written;
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      if (this.#stream.writableLength === 0) return;
      if (this.#written > this.#writtenAtCheck) return this.#startWatch();
      this.#receiver.fail(`the host took no bytes for ${STUCK_AFTER_MS} ms`);
    }, STUCK_AFTER_MS);
    this.#watch.unref();
  }

  /**
   * Closes after everything has been written.
   *
   * @param {() => void} closed
   */
  close(closed) {
    clearTimeout(this.#watch);
    this.#stream.end(closed);
  }
}
