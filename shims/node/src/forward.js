/**
 * The way to the host's proxy for programs in a container without a network: a port of loopback.
 *
 * On a thread of its own, so that a program that the function waits for without turning the event
 * loop gets through as well. Only passes bytes on; what may be reached is for the host to say.
 */

import { createConnection, createServer } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const ADDRESS = { host: "127.0.0.1", port: 3128 };

/**
 * @param {string} socket path of the host's proxy
 * @param {() => void} ready called once programs get through, or never will
 */
export function forward(socket, ready) {
  const limits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 };
  const options = { workerData: { alyxProxy: socket }, resourceLimits: limits, env: {} };
  const worker = new Worker(new URL(import.meta.url), options);
  const settle = () => {
    worker.unref();
    ready();
  };
  worker.once("message", settle);
  // Without it there is no way out, and what is asked for fails by itself.
  worker.once("error", settle);
}

/** @param {string} socket */
function serve(socket) {
  const server = createServer((program) => {
    const proxy = createConnection(socket);
    const end = () => {
      program.destroy();
      proxy.destroy();
    };
    program.on("error", end);
    proxy.on("error", end);
    program.pipe(proxy).pipe(program);
  });
  const tell = () => parentPort?.postMessage(null);
  server.on("error", tell);
  server.listen(ADDRESS, tell);
}

if (!isMainThread && workerData?.alyxProxy) serve(workerData.alyxProxy);
