/**
 * A program of its own: parses a module and its local imports until one has the given syntax error,
 * and lets that error end the process, for then Node prints the place.
 *
 * Runs nothing of what it parses. Usage: node --experimental-vm-modules parse.js FILE MESSAGE
 */

import { readFileSync } from "node:fs";
import vm from "node:vm";

const MAX_FILES = 500;
const [, , entry = "", message = ""] = process.argv;

const queue = [entry];
const seen = new Set(queue);
for (const file of queue) {
  for (const specifier of importsOf(file)) {
    const local = specifier.startsWith(".") || specifier.startsWith("/");
    if (!local || seen.size >= MAX_FILES) continue;
    const path = decodeURIComponent(new URL(specifier, `file://${file}`).pathname);
    if (/\.m?js$/.test(path) && !seen.has(path)) {
      seen.add(path);
      queue.push(path);
    }
  }
}

/**
 * @param {string} file
 * @returns {string[]}
 */
function importsOf(file) {
  try {
    const source = readFileSync(file, "utf8");
    const module = /** @type {any} */ (
      new /** @type {any} */ (vm).SourceTextModule(source, { identifier: file })
    );
    return (
      module.moduleRequests?.map((/** @type {any} */ request) => request.specifier) ??
      module.dependencySpecifiers
    );
  } catch (error) {
    if (error instanceof SyntaxError && error.message === message) throw error;
    // Another file, or a CommonJS one: not the error that is looked for.
    return [];
  }
}
