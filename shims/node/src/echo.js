/**
 * Log lines on the real stdout as well, for the log of the engine that runs the worker's container.
 *
 * A line begins with its time, by which the host knows what it has got already.
 * Knows nothing of invocations and limits.
 */

import { writeSync } from "node:fs";

/**
 * @param {string} level
 * @param {string} text
 * @param {string} fields as JSON, or nothing
 */
export function echoLine(level, text, fields) {
  const line = `${new Date().toISOString()} ${level.toUpperCase()} ${text} ${fields}`;
  try {
    writeSync(1, `${line.trimEnd().replaceAll("\r", "").replaceAll("\n", "\\n")}\n`);
  } catch {
    // Nobody reads; the host has the line.
  }
}
