/** Loading: module formats, schemas, and failures that name their place. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startShim } from "./host.js";

/** @type {import("./host.js").Host} */
let host;
before(async () => {
  host = await startShim();
  mkdirSync(join(host.dir, "commonjs"));
  host.write("commonjs/package.json", '{"type":"commonjs"}');
});
after(() => host.stop());

let count = 0;

/**
 * @param {string} file
 * @param {string} source
 */
async function outputOf(file, source) {
  count += 1;
  const name = `fn${count}`;
  const { error } = await host.load(source, { name, file });
  assert.equal(error, undefined, JSON.stringify(error));
  return (await host.invoke({}, { function: name })).result.output;
}

/**
 * Loads a broken file and checks what is said about it.
 *
 * @param {string} file
 * @param {string} source
 * @param {{ kind: string, message: RegExp, line?: number, column?: number, in?: string }} expected
 */
async function broken(file, source, { kind, message, line, column, in: other = file }) {
  count += 1;
  const { error } = await host.load(source, { name: `fn${count}`, file, timeoutMs: 2000 });
  assert.deepEqual([error.code, error.data.code], [-32023, "LOAD_FAILED"]);
  assert.match(error.message, message);
  const place = { file: join(host.dir, other), line, column };
  assert.deepEqual(error.data.details, JSON.parse(JSON.stringify({ kind, ...place })));
  assert.doesNotMatch(error.data.stack, /\?alyx=/);
}

test("a .js file without package.json is an ES module", async () => {
  assert.equal(await outputOf("plain.js", "export default () => import.meta.url.length > 0"), true);
});

test("module.exports in .cjs, in a CommonJS package, as an object with default", async () => {
  assert.equal(await outputOf("one.cjs", "module.exports = () => 1"), 1);
  assert.equal(await outputOf("two.cjs", "exports.default = async () => 2; exports.__esModule = true"), 2);
  assert.equal(await outputOf("commonjs/three.js", "module.exports = function handler() { return 3 }"), 3);
  assert.equal(await outputOf("four.js", "module.exports = () => 4"), 4);
});

test("top-level await and local imports", async () => {
  host.write("_shared.js", "export const five = 5;");
  const source =
    "import { five } from './_shared.js'; const n = await Promise.resolve(five); export default () => n;";
  assert.equal(await outputOf("five.mjs", source), 5);
});

test("another revision of the same path is new code, CommonJS too; the same one is not imported again", async () => {
  for (const [file, wrap] of /** @type {[string, (n: number) => string][]} */ ([
    ["again.js", (n) => `export default () => [${n}, globalThis.imports = (globalThis.imports ?? 0) + 0]`],
    ["again.cjs", (n) => `module.exports = () => [${n}, 0]`],
  ])) {
    for (const n of [1, 2]) {
      await host.load(wrap(n), { name: file, file, revision: `r${n}` });
      assert.deepEqual((await host.invoke({}, { function: file, revision: `r${n}` })).result.output, [n, 0]);
    }
    assert.deepEqual((await host.invoke({}, { function: file, revision: "r1" })).result.output, [1, 0]);
  }
  const counting = "globalThis.count = (globalThis.count ?? 0) + 1; export default () => globalThis.count";
  await Promise.all([host.load(counting, { name: "once" }), host.load(counting, { name: "once" })]);
  assert.deepEqual((await host.load(counting, { name: "once" })).result, {});
  assert.equal((await host.invoke({}, { function: "once" })).result.output, 1);
});

test("TypeScript runs where this Node strips types, else the needed version is named", async () => {
  const source =
    "export default async (ctx: { input: { n: number } }): Promise<number> => ctx.input.n as number;";
  const strips = "typescript" in process.features && Boolean(process.features.typescript);
  if (strips) {
    await host.load(source, { name: "typed", file: "typed.ts" });
    assert.equal((await host.invoke({ n: 7 }, { function: "typed" })).result.output, 7);
  } else {
    await broken("typed.ts", source, { kind: "unsupported", message: /TypeScript.*needs Node 22\.18/ });
  }
});

test("config becomes the schema, as it stands", async () => {
  const config =
    "{ input: { title: { type: 'string', required: true, maxLength: 200 } }, output: { id: { type: 'string' } } }";
  const input = { title: { type: "string", required: true, maxLength: 200 } };
  const output = { id: { type: "string" } };
  const load = (/** @type {string} */ name, /** @type {string} */ file, /** @type {string} */ source) =>
    host.load(source, { name, file });
  const esm = await load("s1", "s1.js", `export const config = ${config}; export default () => 1`);
  assert.deepEqual(esm.result, { schema: { input, output } });
  const cjs = await load("s2", "s2.cjs", `module.exports = () => 1; module.exports.config = ${config}`);
  assert.deepEqual(cjs.result, { schema: { input, output } });
  const half = await load("s3", "s3.js", "export const config = { input: {} }; export default () => 1");
  assert.deepEqual(half.result, { schema: { input: {} } });
  const none = await load("s4", "s4.js", "export const config = {}; export default () => 1");
  assert.deepEqual(none.result, {});
});

test("a schema that is no plain JSON", async () => {
  const pattern = "export const config = { input: { title: { pattern: /x/ } } }; export default () => 1";
  await broken("pattern.js", pattern, { kind: "schema", message: /config\.input\.title\.pattern: RegExp/ });
  const list = "export const config = []; export default () => 1";
  await broken("list.js", list, { kind: "schema", message: /config is not an object/ });
});

test("syntax errors name file, line and column, in ES modules, CommonJS and imported files", async () => {
  const bad = "(ctx) => {\n  return { ok: };\n}\n";
  const expected = { kind: "syntax", message: /^SyntaxError: Unexpected token '}'/, line: 2, column: 16 };
  await broken("bad.js", `export default ${bad}`, expected);
  await broken("bad.mjs", `export default ${bad}`, expected);
  await broken("bad.cjs", `module.exports = ${bad}`, expected);
  host.write("_bad.js", `export default ${bad}`);
  await broken("imports.js", "import './_bad.js'; export default () => 1", { ...expected, in: "_bad.js" });
});

test("parsing again for the place runs nothing", async () => {
  host.write(
    "_writes.js",
    "import { writeFileSync } from 'node:fs'; writeFileSync(new URL('ran', import.meta.url), '');",
  );
  const source = "import './_writes.js';\nexport default } ";
  await broken("after.js", source, { kind: "syntax", message: /Unexpected token '}'/, line: 2, column: 16 });
  const check =
    "import { existsSync } from 'node:fs'; export default () => existsSync(new URL('ran', import.meta.url))";
  assert.equal(await outputOf("check.js", check), false);
});

test("a missing import names the package and where it is asked for", async () => {
  const message =
    /^cannot find package 'left-pad', imported by 'pad.js'; add it to package.json and run 'alyx deps install'$/;
  const source = "// hello\nimport pad from 'left-pad';\nexport default () => pad";
  await broken("pad.js", source, { kind: "import", message, line: 2, column: 17 });
  const required = "\nconst pad = require('left-pad'); module.exports = pad";
  await broken("pad.cjs", required, { kind: "import", message: /package 'left-pad'/, line: 2, column: 13 });
  const local = "import x from './_nope.js';";
  const nope = /cannot find module '\.\/_nope\.js', imported by 'local.js'; look at the path/;
  await broken("local.js", local, { kind: "import", message: nope, line: 1, column: 15 });
  host.write("_ok.js", "export const a = 1;");
  const named = /does not provide an export named 'b'/;
  await broken("named.js", "\nimport { b } from './_ok.js';", {
    kind: "import",
    message: named,
    line: 2,
    column: 10,
  });
});

test("code that throws while it loads", async () => {
  const thrown = { kind: "throw", message: /^TypeError: boom$/, line: 2, column: 7 };
  await broken("throws.js", "\nthrow new TypeError('boom')", thrown);
  await broken("string.js", "throw 'just text'", { kind: "throw", message: /the file threw just text/ });
});

test("no handler, or something that is none", async () => {
  const none = /'none.js' has no handler \(it exports nothing\); write `export default async function/;
  await broken("none.js", "const x = 1; export {};", { kind: "no_handler", message: none });
  const named = /it exports handler/;
  await broken("named2.js", "export function handler() {}", { kind: "no_handler", message: named });
  const kind = { kind: "no_handler", message: /exports a class/ };
  await broken("class.js", "export default class Handler {}", kind);
});

test("a file that is not there, and a top-level await that never ends", async () => {
  const { error } = await host.request("load", {
    function: "x",
    revision: "1",
    path: join(host.dir, "gone.js"),
    env: {},
  });
  assert.deepEqual([error.data.details.kind, error.data.details.file], ["import", join(host.dir, "gone.js")]);
  count += 1;
  const path = host.write("never.js", "await new Promise(() => {}); export default () => 1");
  const late = await host.request("load", { function: "never", revision: "1", path, env: {}, timeoutMs: 50 });
  assert.deepEqual(late.error.data.details, { kind: "timeout", file: path });
  assert.match(late.error.message, /longer than 50 ms/);
});

test("mending the file mends the function, in the same revision", async () => {
  assert.ok((await host.load("export default {", { name: "mend" })).error);
  assert.ok((await host.load("export default () => 'well'", { name: "mend" })).result);
  assert.equal((await host.invoke({}, { function: "mend" })).result.output, "well");
});

test("unload takes a revision away, not one that runs", async () => {
  await host.load("export default (ctx) => new Promise((_, no) => ctx.signal.onabort = () => no(1))", {
    name: "go",
  });
  const key = { function: "go", revision: "r1" };
  const id = host.nextId();
  host.send({ id, method: "invoke", params: key });
  assert.equal((await host.request("unload", key)).error.code, -32026);
  host.send({ method: "cancel", params: { id, reason: "client" } });
  assert.equal((await host.answer(id)).error.code, -32024);
  assert.deepEqual((await host.request("unload", key)).result, { reclaimed: false });
  assert.equal((await host.request("unload", key)).error.code, -32021);
  assert.equal((await host.invoke({}, key)).error.code, -32021);
});

test("an ES module that package.json declares to be CommonJS says how to mend it", async () => {
  const message = /Unexpected token 'export'; the file is taken for CommonJS: name it \.mjs or put "type"/;
  const expected = { kind: "syntax", message, line: 1, column: 1 };
  await broken("commonjs/esm.js", "export default () => 1", expected);
});
