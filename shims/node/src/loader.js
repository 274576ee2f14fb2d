/**
 * User code from disk: imports a file and finds its handler and its schema.
 *
 * A failure is told so that its author can mend it: what kind, which file, line and column.
 * Knows nothing of invocations and nothing of the connection.
 */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, extname } from "node:path";
import { pathToFileURL } from "node:url";
import { explain, LoadError } from "./loaderror.js";
import { toJson } from "./result.js";

const TYPESCRIPT = new Set([".ts", ".mts", ".cts"]);
const require = createRequire(import.meta.url);

/**
 * @typedef {object} LoadParams
 * @property {string} function
 * @property {string} revision
 * @property {string} path the entry file, absolute
 * @property {string} [entry] the export that is the handler, when it is not the default one
 * @property {Record<string, string>} [env]
 * @property {number} [timeoutMs]
 *
 * @typedef {object} LoadedFunction
 * @property {Readonly<{ name: string, revision: string }>} identity
 * @property {Readonly<Record<string, string>>} env
 * @property {(ctx: import("./context.js").Context) => unknown} handler
 * @property {string} schema the function's schema as JSON text, empty if it has none
 */

/** What is loaded, by function and revision. Several revisions of one function may be. */
export class Functions {
  /** @type {Map<string, Map<string, LoadedFunction>>} */
  #loaded = new Map();
  /** @type {Map<string, Promise<LoadedFunction>>} */
  #loading = new Map();

  /**
   * @param {string} name
   * @param {string} revision
   */
  find(name, revision) {
    return this.#loaded.get(name)?.get(revision);
  }

  /**
   * Loads what is not loaded yet; a failure is forgotten, so that the next try reads the file again.
   *
   * @param {LoadParams} params
   * @returns {Promise<LoadedFunction>}
   * @throws {LoadError}
   */
  async load(params) {
    const { function: name, revision } = params;
    const found = this.find(name, revision);
    if (found !== undefined) return found;
    const key = JSON.stringify([name, revision]);
    const loading = this.#loading.get(key) ?? loadFunction(params);
    this.#loading.set(key, loading);
    try {
      const fn = await loading;
      const revisions = this.#loaded.get(name) ?? new Map();
      this.#loaded.set(name, revisions.set(revision, fn));
      return fn;
    } finally {
      this.#loading.delete(key);
    }
  }

  /**
   * @param {string} name
   * @param {string} revision
   */
  unload(name, revision) {
    this.#loaded.get(name)?.delete(revision);
  }
}

/** Each import gets a number of its own, so that no module comes from Node's cache. */
let imports = 0;

/**
 * @param {LoadParams} params
 * @returns {Promise<LoadedFunction>}
 */
async function loadFunction(params) {
  const { path, timeoutMs } = params;
  refuseUnsupported(path);
  const importing = importFresh(path);
  const module = await (timeoutMs === undefined ? importing : within(timeoutMs, path, importing));
  return {
    identity: Object.freeze({ name: params.function, revision: params.revision }),
    env: Object.freeze({ ...params.env }),
    handler: handlerOf(module, path, params.entry ?? "default"),
    schema: schemaOf(module, path),
  };
}

/** @param {string} path */
function refuseUnsupported(path) {
  if (!existsSync(path)) throw new LoadError("import", `file '${path}' does not exist`, { file: path });
  const strips = "typescript" in process.features && Boolean(process.features.typescript);
  if (!TYPESCRIPT.has(extname(path)) || strips) return;
  const needed = "it needs Node 22.18 or newer, or compile the file to JavaScript";
  throw new LoadError("unsupported", `Node ${process.versions.node} cannot run TypeScript; ${needed}`, {
    file: path,
  });
}

/**
 * @param {string} path
 * @returns {Promise<Record<string, any>>}
 */
async function importFresh(path) {
  imports += 1;
  // CommonJS files are cached by path alone, whatever the query says.
  delete require.cache[path];
  try {
    return await import(`${pathToFileURL(path)}?alyx=${imports}`);
  } catch (error) {
    throw await explain(error, path);
  }
}

/**
 * @template T
 * @param {number} timeoutMs
 * @param {string} path
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
async function within(timeoutMs, path, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const timeout = new Promise((_resolve, reject) => {
    timer = setTimeout(() => {
      const message = `loading '${basename(path)}' took longer than ${timeoutMs} ms; look for an await that never ends`;
      reject(new LoadError("timeout", message, { file: path }));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, /** @type {Promise<never>} */ (timeout)]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {Record<string, any>} module
 * @param {string} path
 * @param {string} entry
 * @returns {LoadedFunction["handler"]}
 */
function handlerOf(module, path, entry) {
  const exported = module[entry];
  const handler = typeof exported === "function" ? exported : exported?.[entry];
  if (typeof handler !== "function") {
    const found = Object.keys(module).filter((name) => name !== "module.exports");
    const names = found.length > 0 ? `it exports ${found.join(", ")}` : "it exports nothing";
    throw noHandler(path, `'${basename(path)}' has no handler (${names})`);
  }
  if (/^class\b/.test(Function.prototype.toString.call(handler))) {
    throw noHandler(path, `'${basename(path)}' exports a class as its handler`);
  }
  return handler;
}

/**
 * @param {string} path
 * @param {string} problem
 */
function noHandler(path, problem) {
  const remedy = "write `export default async function handler(ctx) { … }`";
  return new LoadError("no_handler", `${problem}; ${remedy}`, { file: path });
}

/**
 * `config` of the module: its input and output as JSON text.
 *
 * @param {Record<string, any>} module
 * @param {string} path
 */
function schemaOf(module, path) {
  const config = module.config ?? module.default?.config;
  if (config === undefined || config === null) return "";
  try {
    if (typeof config !== "object" || Array.isArray(config)) throw new Error("config is not an object");
    const { input, output } = config;
    return input === undefined && output === undefined ? "" : toJson({ input, output }, "config");
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new LoadError("schema", `${problem}; a schema holds plain JSON values only`, { file: path });
  }
}
