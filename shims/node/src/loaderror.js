/**
 * Why a file failed to load, in words and with a place: kind, file, line, column.
 *
 * Node keeps the place of a syntax error in an ES module to itself until the error ends a process,
 * so a child that parses the files again is asked for it; only after a failure, never before.
 * Knows nothing of how modules are loaded.
 */

import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { cleanStack } from "./errors.js";

const PARSE_TIMEOUT_MS = 5_000;
const PARSER = fileURLToPath(new URL("./parse.js", import.meta.url));

/**
 * @typedef {"syntax" | "import" | "no_handler" | "throw" | "schema" | "unsupported" | "timeout"} LoadErrorKind
 * @typedef {{ file: string, line?: number, column?: number }} Place `line` and `column` count from 1
 */

export class LoadError extends Error {
  /**
   * @param {LoadErrorKind} kind
   * @param {string} message
   * @param {Place} place
   * @param {string} [causeStack] the stack of the error behind it
   */
  constructor(kind, message, place, causeStack) {
    super(message);
    this.kind = kind;
    this.place = place;
    this.causeStack = causeStack;
  }
}

/**
 * @param {unknown} error what `import` threw
 * @param {string} entry the file that was imported
 */
export async function explain(error, entry) {
  if (!(error instanceof Error)) {
    return new LoadError("throw", `the file threw ${String(error)}`, { file: entry });
  }
  const stack = cleanStack(error.stack ?? "");
  const code = "code" in error ? String(error.code) : "";
  if (code.endsWith("MODULE_NOT_FOUND")) return missingModule(error, stack, entry);
  if (/does not provide an export named/.test(error.message) || code.startsWith("ERR_PACKAGE_")) {
    return new LoadError("import", titled(error), placeIn(stack) ?? { file: entry }, stack);
  }
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" || code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return new LoadError("unsupported", titled(error), placeIn(stack) ?? { file: entry }, stack);
  }
  if (error instanceof SyntaxError) {
    const place = placeIn(stack) ?? (await parseAgain(entry, error.message)) ?? { file: entry };
    return new LoadError("syntax", titled(error) + syntaxHint(error, entry), place, stack);
  }
  return new LoadError("throw", titled(error), placeIn(stack) ?? { file: entry }, stack);
}

/** @param {Error} error */
function titled(error) {
  return `${error.name}: ${error.message}`;
}

/**
 * A package.json may say so, and Node before 20.19 takes every .js file without one for CommonJS.
 *
 * @param {Error} error
 * @param {string} entry
 */
function syntaxHint(error, entry) {
  const isModule = /^(Cannot use import statement|Unexpected token 'export')/.test(error.message);
  if (!isModule || !entry.endsWith(".js")) return "";
  return '; the file is taken for CommonJS: name it .mjs or put "type": "module" into package.json';
}

/**
 * @param {Error} error
 * @param {string} stack
 * @param {string} entry
 */
function missingModule(error, stack, entry) {
  const [, what = "module", name = "?"] = /Cannot find (package|module) '([^']+)'/.exec(error.message) ?? [];
  const importer = /imported from (\/.+)$/m.exec(error.message)?.[1] ?? requirer(error) ?? entry;
  const file = importer.replace(/\?alyx=\d+$/, "");
  const local = name.startsWith("/") || name.startsWith(".");
  const shown = name.startsWith("/") ? localName(file, name) : name;
  const remedy = local
    ? "look at the path and its extension"
    : "add it to package.json and run 'alyx deps install'";
  const kind = local ? what : "package";
  const message = `cannot find ${kind} '${shown}', imported by '${basename(file)}'; ${remedy}`;
  const place = placeIn(stack) ?? findSpecifier(file, shown) ?? { file };
  return new LoadError("import", message, place, stack);
}

/** @param {Error} error */
function requirer(error) {
  const requireStack = "requireStack" in error ? error.requireStack : undefined;
  return Array.isArray(requireStack) ? String(requireStack[0]) : undefined;
}

/**
 * A path as it would stand in an import statement of `file`.
 *
 * @param {string} file
 * @param {string} path
 */
function localName(file, path) {
  const name = relative(dirname(file), path);
  return name.startsWith(".") ? name : `./${name}`;
}

/**
 * Where a file names a module; Node does not say.
 *
 * @param {string} file
 * @param {string} specifier
 * @returns {Place | undefined}
 */
function findSpecifier(file, specifier) {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const bare = specifier.replace(/^\.\//, "");
  for (const [index, line] of lines.entries()) {
    if (!/\b(import|export|from|require)\b/.test(line)) continue;
    const at = [`"${specifier}`, `'${specifier}`, `/${bare}"`, `/${bare}'`]
      .map((quoted) => line.indexOf(quoted))
      .find((found) => found >= 0);
    if (at !== undefined) return { file, line: index + 1, column: at + 1 };
  }
  return undefined;
}

/**
 * The place that a stack names: the lines before the message (file:line, source, caret), else the
 * first frame outside Node.
 *
 * @param {string} text
 * @returns {Place | undefined}
 */
function placeIn(text) {
  const head = /^(?:file:\/\/)?(\/.+?):(\d+)\n.*\n( *|\s*)\^/.exec(text);
  if (head !== null) {
    const [, file = "", line, indent = ""] = head;
    return { file: file.replace(/\?alyx=\d+$/, ""), line: Number(line), column: indent.length + 1 };
  }
  const frame = /^ {4}at (?:.*\()?(?:file:\/\/)?(\/[^\n]+?):(\d+):(\d+)\)?$/m.exec(text);
  if (frame === null) return undefined;
  const [, file = "", line, column] = frame;
  return { file, line: Number(line), column: Number(column) };
}

/**
 * Lets a child process parse the file and what it imports, without running any of it.
 *
 * @param {string} entry
 * @param {string} message the message of the syntax error that is looked for
 * @returns {Promise<Place | undefined>}
 */
async function parseAgain(entry, message) {
  // Here and not at the top: a worker that loads well never needs it.
  const { execFile } = await import("node:child_process");
  const args = ["--no-warnings", "--experimental-vm-modules", PARSER, entry, message];
  const limits = { timeout: PARSE_TIMEOUT_MS, maxBuffer: 1024 * 1024, env: {} };
  return new Promise((resolve) => {
    execFile(process.execPath, args, limits, (_error, _stdout, stderr) => resolve(placeIn(stderr)));
  });
}
