/** Thrown values as wire errors, and results as JSON. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CODES, cut, thrownError } from "../src/errors.js";
import { toJson, UnserializableError } from "../src/result.js";

/**
 * @param {unknown} thrown
 * @param {{ code?: string, message: string, details?: object }} expected
 */
function check(thrown, { code = "FUNCTION_ERROR", message, details }) {
  const error = thrownError(thrown);
  assert.equal(error.code, CODES.FUNCTION_ERROR);
  assert.equal(error.message, message);
  assert.equal(error.data.code, code);
  assert.deepEqual(error.data.details, details);
  return error;
}

test("the forms of throw", () => {
  check(new Error("Post not found"), { message: "Post not found" });
  check("plain text", { message: "plain text" });
  check(null, { message: "null thrown" });
  check(undefined, { message: "undefined thrown" });
  check(42, { message: "42" });
  check(Symbol("s"), { message: "Symbol(s)" });
  check(() => {}, { message: "a function was thrown" });
  check(new Error(""), { message: "function failed" });
  check({ code: "QUOTA" }, { code: "QUOTA", message: "QUOTA" });
  check({ code: 404, message: "no user" }, { code: "404", message: "no user" });
  check({ code: "", message: "" }, { message: "function failed" });
  check({ reason: "odd" }, { message: "function failed", details: { reason: "odd" } });
});

test("no room for a buffer is told as such, and the rest of what Node says is not", () => {
  const full = { code: "OUT_OF_MEMORY", message: "out of memory" };
  check(new RangeError("Array buffer allocation failed"), full);
  check(
    Object.assign(new Error("Failed to allocate memory"), { code: "ERR_MEMORY_ALLOCATION_FAILED" }),
    full,
  );
  check(new RangeError("Invalid array length"), { message: "Invalid array length" });
});

test("extra fields are details, nested ones too; code and message are not among them", () => {
  const thrown = {
    code: "VALIDATION_ERROR",
    message: "Email is required",
    field: "email",
    status: 422,
    at: { x: [1] },
  };
  const details = { field: "email", status: 422, at: { x: [1] } };
  check(thrown, { code: "VALIDATION_ERROR", message: "Email is required", details });
  check(Object.assign(new TypeError("m"), { code: "C", name: "Mine", extra: 1 }), {
    code: "C",
    message: "m",
    details: { extra: 1 },
  });
});

test("extras that JSON cannot hold are dropped, the others stay", () => {
  /** @type {Record<string, unknown>} */
  const thrown = { code: "C", message: "m", good: 1, big: 1n, call: () => {} };
  thrown.self = thrown;
  check(thrown, { code: "C", message: "m", details: { good: 1 } });
});

test("extras over 64 KiB are dropped with a marker", () => {
  const { data } = thrownError({ code: "C", message: "m", text: "x".repeat(70_000) });
  assert.deepEqual(Object.keys(data.details ?? {}), ["dropped"]);
  assert.match(String(data.details?.dropped), /70006 bytes .* 65536/);
});

test("errors of the system keep their codes and fields to themselves", () => {
  let thrown;
  try {
    readFileSync("/no/such/file");
  } catch (error) {
    thrown = error;
  }
  check(thrown, { message: "ENOENT: no such file or directory, open '/no/such/file'" });
  check(Object.assign(new TypeError("bad"), { code: "ERR_INVALID_ARG_TYPE", x: 1 }), { message: "bad" });
  check(new DOMException("stopped", "AbortError"), { message: "stopped" });
});

test("a value that cannot be read still gives an error", () => {
  const hostile = new Proxy({}, { get: () => assert.fail("no"), ownKeys: () => assert.fail("no") });
  check(hostile, { message: "a value was thrown that cannot be read" });
});

test("messages and stacks are cut by bytes, with a marker", () => {
  const { message, data } = thrownError(new Error("ü".repeat(10_000)));
  assert.ok(Buffer.byteLength(message) <= 4096);
  assert.match(message, /ü …\[cut, \d+ bytes\]$/);
  assert.ok(Buffer.byteLength(String(data.stack)) <= 16384);
  const kept = message.slice(0, message.indexOf(" …"));
  assert.ok(message.endsWith(`[cut, ${20_000 - Buffer.byteLength(kept)} bytes]`));
  assert.equal(cut("short", 4096), "short");
});

test("stacks name files as paths", () => {
  const error = Object.assign(new Error("m"), { stack: "Error: m\n    at file:///a%20b/x.js?alyx=12:3:4" });
  assert.equal(thrownError(error).data.stack, "Error: m\n    at /a b/x.js:3:4");
});

test("results of every kind of JSON", () => {
  const value = { a: [1, 2.5, null, true, "ü\u2028"], empty: {}, list: [], nested: { x: null } };
  assert.deepEqual(JSON.parse(toJson(value, "result")), value);
  assert.equal(toJson(undefined, "result"), "null");
  assert.equal(toJson(new Date(0), "result"), '"1970-01-01T00:00:00.000Z"');
  assert.equal(toJson({ gone: undefined, call() {}, list: [undefined] }, "result"), '{"list":[null]}');
  assert.equal(toJson("\ud800", "result"), '"\\ud800"');
});

test("what JSON cannot hold is refused by type and path", () => {
  /** @type {Record<string, unknown>} */
  const cycle = { list: [] };
  cycle.self = cycle;
  const shared = { ok: 1 };
  const cases = /** @type {[unknown, string][]} */ ([
    [1n, "result: BigInt"],
    [{ items: [1, 2, 3n] }, "result.items[2]: BigInt"],
    [Number.NaN, "result: NaN"],
    [{ a: { "b c": Number.POSITIVE_INFINITY } }, 'result.a["b c"]: Infinity'],
    [cycle, "result.self: cycle"],
    [{ left: shared, right: shared, last: Number.NaN }, "result.last: NaN"],
    [{ tags: new Set([1]) }, "result.tags: Set"],
    [[new Map()], "result[0]: Map"],
    [{ user: Promise.resolve(1) }, "result.user: Promise (is an await missing?)"],
    [() => {}, "result: function"],
    [Symbol("s"), "result: symbol"],
    [{ toJSON: () => Number.NaN }, "result: NaN"],
    [
      {
        toJSON() {
          throw new Error("no\nmore");
        },
      },
      "result: a value that throws 'no'",
    ],
  ]);
  for (const [value, message] of cases) {
    assert.throws(
      () => toJson(value, "result"),
      new UnserializableError(`${message} cannot be sent as JSON`),
    );
  }
});

test("the same object twice is no cycle", () => {
  const shared = { ok: null };
  assert.equal(toJson([shared, shared], "result"), '[{"ok":null},{"ok":null}]');
});
