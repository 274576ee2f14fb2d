/** Values on the database's wire: what is written, what is refused and where, what is read. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { filterJson } from "../src/filter.js";
import { opsJson, rowsOf, statementJson, writtenOf } from "../src/statement.js";
import { dataJson, mayBeMasked, unmask } from "../src/values.js";

const ROUNDS = 3_000;

/** @param {unknown} data */
function written(data) {
  return JSON.parse(dataJson(data));
}

/** What a host would send back of a document. @param {string} text */
function read(text) {
  const value = JSON.parse(text);
  return mayBeMasked(text) ? unmask(value) : value;
}

test("plain data is written as JSON.stringify does", () => {
  const data = {
    text: 'ü\u2028\ud800"\\',
    numbers: [0, -0, 1.5, -1e-7, 1e300, Number.MAX_SAFE_INTEGER],
    flags: [true, false, null],
    gone: undefined,
    list: [undefined, [], {}, new Array(2)],
    nested: { a: { b: [{ gone: undefined, c: 1 }] }, "a b": 1, "": 2 },
    url: new URL("http://x/"),
    made: new (class {
      shown = 1;
      #hidden = 2;
      sum = () => this.#hidden;
      toJSON(/** @type {string} */ key) {
        return { key, shown: this.shown };
      }
    })(),
    boxed: [new Number(1), new String("s"), new Boolean(false)],
  };
  assert.equal(dataJson(data), JSON.stringify(data));
  assert.equal(dataJson(Object.assign(Object.create(null), { a: 1 })), '{"a":1}');
  assert.equal(dataJson(JSON.parse('{"__proto__":1}')), '{"__proto__":1}');
});

test("what JSON lacks has a form of its own", () => {
  const bytes = Buffer.from([0, 255]);
  assert.deepEqual(
    written({
      at: new Date(0),
      small: 1n,
      large: 2n ** 63n - 1n,
      buffer: bytes,
      array: new Uint8Array([1, 2, 3]).subarray(1),
      raw: new Uint8Array(bytes).buffer,
      none: new Uint8Array(),
    }),
    {
      at: "1970-01-01T00:00:00.000Z",
      small: { $int: "1" },
      large: { $int: "9223372036854775807" },
      buffer: { $bytes: "AP8=" },
      array: { $bytes: "AgM=" },
      raw: { $bytes: "AP8=" },
      none: { $bytes: "" },
    },
  );
});

test("a number beyond 2^53 is no integer; it keeps an exponent", () => {
  assert.equal(dataJson({ a: 2 ** 53, b: -1e20 }), '{"a":9.007199254740992e+15,"b":-1e+20}');
});

test("an object that looks like a stand-in is written inside $lit, at any depth but the top", () => {
  assert.deepEqual(written({ a: { $int: "x" }, b: [{ $x: { $y: 1 } }], c: { $a: 1, b: 2 } }), {
    a: { $lit: { $int: "x" } },
    b: [{ $lit: { $x: { $lit: { $y: 1 } } } }],
    c: { $a: 1, b: 2 },
  });
  assert.deepEqual(written({ a: { $int: "1", gone: undefined } }), { a: { $lit: { $int: "1" } } });
  assert.deepEqual(written({ $a: 1 }), { $a: 1 });
});

/**
 * @param {() => unknown} run
 * @param {string} code
 * @param {string} message
 * @param {object} [details]
 */
function refused(run, code, message, details = {}) {
  assert.throws(run, { name: "DatabaseError", code, message, ...details });
}

test("what cannot be stored is refused by path and field", () => {
  /** @type {any} */
  const cycle = { list: [] };
  cycle.list.push({ cycle });
  const deep = Array.from({ length: 70 }).reduce((inner) => ({ a: inner }), {});
  const cases = /** @type {[unknown, string, string][]} */ ([
    [{ price: Number.NaN }, "data.price: NaN", "price"],
    [{ a: { "b c": [Number.NEGATIVE_INFINITY] } }, 'data.a["b c"][0]: -Infinity', "a"],
    [{ at: new Date(Number.NaN) }, "data.at: an invalid Date", "at"],
    [{ tags: new Set() }, "data.tags: Set", "tags"],
    [{ user: Promise.resolve() }, "data.user: Promise (is an await missing?)", "user"],
    [{ call() {} }, "data.call: a function", "call"],
    [{ s: Symbol("s") }, "data.s: a symbol", "s"],
    [{ f: new Float32Array(1) }, "data.f: a Float32Array", "f"],
    [cycle, "data.list[0].cycle: a cycle", "list"],
    [deep, `data${".a".repeat(65)}: nesting deeper than 64 levels`, "a"],
  ]);
  for (const [data, start, field] of cases) {
    refused(() => dataJson(data), "VALIDATION_ERROR", `${start} cannot be sent to the database`, { field });
  }
});

test("data that is no object is refused", () => {
  const cases = /** @type {[unknown, string][]} */ ([
    [undefined, "undefined"],
    [null, "null"],
    [[1], "a list"],
    ["text", "a string"],
    [new Map(), "a Map"],
    [new Date(), "a Date"],
    [Buffer.alloc(1), "a Buffer"],
  ]);
  for (const [data, kind] of cases) {
    refused(() => dataJson(data), "VALIDATION_ERROR", `data must be an object, not ${kind}`);
  }
});

test("the same object twice is no cycle", () => {
  const shared = { x: 1 };
  assert.deepEqual(written({ a: shared, b: [shared, shared] }), { a: shared, b: [shared, shared] });
});

test("in a filter operators stay, operands are values", () => {
  const filter = {
    a: 1,
    b: { $gt: 5n, $in: [1n, Buffer.from([1]), new Date(0)] },
    c: { $eq: { $int: "x" } },
    d: null,
    at: new Date(0),
    $and: [{ e: { $like: "%" } }, { $not: { $or: [{ f: { $ne: 2n } }, {}] } }],
    $unknown: [{ x: { $y: 1 } }],
  };
  assert.deepEqual(JSON.parse(filterJson(filter)), {
    a: 1,
    b: { $gt: { $int: "5" }, $in: [{ $int: "1" }, { $bytes: "AQ==" }, "1970-01-01T00:00:00.000Z"] },
    c: { $eq: { $lit: { $int: "x" } } },
    d: null,
    at: "1970-01-01T00:00:00.000Z",
    $and: [{ e: { $like: "%" } }, { $not: { $or: [{ f: { $ne: { $int: "2" } } }, {}] } }],
    $unknown: [{ x: { $lit: { $y: 1 } } }],
  });
});

test("undefined in a filter is refused, wherever it is", () => {
  const remedy = "is undefined; leave the condition out, or pass null for documents without a value";
  const cases = /** @type {[unknown, string][]} */ ([
    [{ author_id: undefined }, "filter.author_id"],
    [{ a: { $in: [1, undefined] } }, "filter.a.$in[1]"],
    [{ $and: [{}, { $not: { x: { $gt: undefined } } }] }, "filter.$and[1].$not.x.$gt"],
    [{ $or: [undefined] }, "filter.$or[0]"],
    [{ $or: new Array(1) }, "filter.$or[0]"],
    [{ $not: undefined }, "filter.$not"],
    [{ a: { toJSON: () => undefined } }, "filter.a"],
  ]);
  for (const [filter, path] of cases)
    refused(() => filterJson(filter), "INVALID_FILTER", `${path} ${remedy}`);
  refused(() => filterJson(undefined), "INVALID_FILTER", "filter is undefined; leave it out or pass {}");
  refused(() => filterJson([]), "INVALID_FILTER", "filter must be an object, not a list");
  refused(
    () => filterJson({ n: { $gt: Number.NaN } }),
    "VALIDATION_ERROR",
    /** @type {any} */ (/^filter\.n\.\$gt: NaN/),
  );
});

test("statements carry their parameters as a list, by name, or have none", () => {
  const args = (/** @type {unknown} */ params) => JSON.parse(`{${statementJson("S", params)}}`);
  assert.deepEqual(args(undefined), { sql: "S" });
  assert.deepEqual(args(null), { sql: "S" });
  assert.deepEqual(args([]), { sql: "S", args: [] });
  assert.deepEqual(args([1n, null, true, Buffer.from([1])]).args, [
    { $int: "1" },
    null,
    true,
    { $bytes: "AQ==" },
  ]);
  assert.deepEqual(args({ $n: 1n, at: new Date(0) }).args, {
    $n: { $int: "1" },
    at: "1970-01-01T00:00:00.000Z",
  });
  assert.deepEqual(args({ $n: 1 }).args, { $n: 1 });
});

test("what is wrong with a statement is told by its path", () => {
  const gap = "is undefined; pass null for NULL";
  refused(() => statementJson("S", [1, undefined]), "INVALID_QUERY", `params[1] ${gap}`);
  refused(() => statementJson("S", new Array(2)), "INVALID_QUERY", `params[0] ${gap}`);
  refused(() => statementJson("S", { a: undefined }), "INVALID_QUERY", `params.a ${gap}`);
  refused(() => statementJson("S", "x"), "INVALID_QUERY", "params must be a list or an object, not a string");
  refused(
    () => statementJson("S", new Map()),
    "INVALID_QUERY",
    "params must be a list or an object, not a Map",
  );
  refused(() => statementJson(7, []), "INVALID_QUERY", "sql must be a string, not a number");
  refused(() => opsJson({}), "INVALID_QUERY", "batch takes a list of statements, not an object");
  refused(() => opsJson(new Array(1)), "INVALID_QUERY", "batch[0] must be {sql, params}, not undefined");
  refused(() => opsJson(["S"]), "INVALID_QUERY", "batch[0] must be {sql, params}, not a string", { op: 0 });
  refused(
    () => opsJson([{ sql: "S" }, { sql: "S", args: [] }]),
    "INVALID_QUERY",
    "unknown member 'args' of batch[1]; use sql, params",
    { op: 1 },
  );
  refused(
    () => opsJson([{ sql: "S" }, {}]),
    "INVALID_QUERY",
    "batch[1].sql must be a string, not undefined",
    {
      op: 1,
    },
  );
  refused(() => opsJson([{ sql: "S", params: [undefined] }]), "INVALID_QUERY", `batch[0].params[0] ${gap}`, {
    op: 0,
  });
});

test("stand-ins are read, anything else is plain", () => {
  const text = `{"large":{"$int":"9223372036854775807"},"low":{"$int":"-9007199254740993"},"small":{"$int":"7"},
    "edge":{"$int":"9007199254740991"},"zero":{"$int":"-0"},"photo":{"$bytes":"AP8="},"empty":{"$bytes":""},
    "meta":{"$lit":{"$int":"x"}},"two":{"$int":"1","b":2},"other":{"$x":{"$int":"1"}},"odd":{"$int":"1.5"},
    "list":[{"$lit":{"$lit":{"$x":1}}}],"__proto__":{"$int":"5"},"escaped":{"\\u0024int":"3"}}`;
  const value = read(text);
  assert.deepEqual(Object.entries(value), [
    ["large", 2n ** 63n - 1n],
    ["low", -(2n ** 53n) - 1n],
    ["small", 7],
    ["edge", Number.MAX_SAFE_INTEGER],
    ["zero", 0],
    ["photo", Buffer.from([0, 255])],
    ["empty", Buffer.alloc(0)],
    ["meta", { $int: "x" }],
    ["two", { $int: "1", b: 2 }],
    ["other", { $x: 1 }],
    ["odd", { $int: "1.5" }],
    ["list", [{ $lit: { $x: 1 } }]],
    ["__proto__", 5],
    ["escaped", 3],
  ]);
  assert.deepEqual(read('{"escaped":{"\\u0024int":"3"}}'), { escaped: 3 });
});

test("rows become objects, the last of two columns with one name wins", () => {
  assert.deepEqual(rowsOf({ columns: ["a", "b", "a"], rows: [[1, 2, 3]] }), [{ a: 3, b: 2 }]);
  assert.deepEqual(rowsOf({ columns: ["a"], rows: [] }), []);
  const [row] = rowsOf({ columns: ["__proto__", "b"], rows: [[1, 2]] });
  assert.deepEqual(Object.entries(row ?? {}), [
    ["__proto__", 1],
    ["b", 2],
  ]);
  const cut = () => rowsOf({ columns: ["a"], rows: [[1]], truncated: true });
  assert.throws(cut, { code: "RESULT_TOO_LARGE" });
  assert.deepEqual(writtenOf({ changes: 2 }), { rows_affected: 2, last_insert_id: null });
  assert.deepEqual(writtenOf({ changes: 1, lastInsertId: 7 }), { rows_affected: 1, last_insert_id: 7 });
});

/** A random source that can be started again. @param {number} seed */
function dice(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

const NAMES = ["a", "$int", "$bytes", "$lit", "$x", "", "__proto__", "ü"];

/**
 * @param {(below: number) => number} roll
 * @param {number} depth
 * @returns {any}
 */
function randomValue(roll, depth) {
  const scalars = [
    () => roll(1_000) - 500,
    () => (roll(1_000_000) - 500_000) / 1_024,
    () => (roll(2) === 0 ? 1e300 : -(2 ** 60)),
    () => BigInt(Number.MAX_SAFE_INTEGER) + BigInt(roll(1_000_000)) + 1n,
    () => -BigInt(Number.MAX_SAFE_INTEGER) - BigInt(roll(1_000_000)) - 1n,
    () => Buffer.from(Array.from({ length: roll(4) }, () => roll(256))),
    () => ["", "x", '"$', "$int", "\ud800", "5"][roll(6)],
    () => [true, false, null][roll(3)],
  ];
  const kind = roll(depth > 0 ? scalars.length + 4 : scalars.length);
  const scalar = scalars[kind];
  if (scalar !== undefined) return scalar();
  const members = Array.from({ length: roll(3) }, () => randomValue(roll, depth - 1));
  if (kind === scalars.length) return members;
  return Object.fromEntries(members.map((member) => [NAMES[roll(NAMES.length)], member]));
}

test("what is written is read again as it was", () => {
  const roll = dice(42);
  for (let round = 0; round < ROUNDS; round += 1) {
    const data = { id: "1", value: randomValue(roll, 4), more: randomValue(roll, 4) };
    assert.deepEqual(read(dataJson(data)), data, dataJson(data));
    const params = [data.value, data.more];
    const { args } = JSON.parse(`{${statementJson("S", params)}}`);
    assert.deepEqual(unmask(args), params);
  }
});
