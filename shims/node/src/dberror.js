/**
 * `DatabaseError`: what a call of ctx.db throws, whether the host or this shim refused it.
 *
 * Imports nothing, because authors import it too: the package's entry is this class and no more.
 */

/** The same in every copy of this package, so that `instanceof` holds for an author's own copy. */
const BRAND = Symbol.for("alyx.DatabaseError");
/** Details never take the place of these. */
const RESERVED = new Set(["code", "message", "name", "stack", "retryable", "__proto__"]);

export class DatabaseError extends Error {
  /** The same call may succeed a little later. */
  retryable = false;

  /**
   * @param {string} code such as `UNIQUE_VIOLATION`
   * @param {string} message
   * @param {Record<string, unknown>} [details] what else is known, such as `field`
   * @param {boolean} [retryable]
   */
  constructor(code, message, details, retryable = false) {
    super(message);
    // Hidden, because the fields that can be seen become the caller's.
    Object.defineProperty(this, "retryable", { value: retryable, enumerable: false });
    this.code = code;
    for (const [name, value] of Object.entries(details ?? {})) {
      if (!RESERVED.has(name)) Reflect.set(this, name, value);
    }
  }

  get [BRAND]() {
    return true;
  }
}

Object.defineProperty(DatabaseError.prototype, "name", {
  value: "DatabaseError",
  writable: true,
  configurable: true,
});

Object.defineProperty(DatabaseError, Symbol.hasInstance, {
  /**
   * @this {Function} this class, or one that an author derived from it, which has its own instances only
   * @param {unknown} value
   */
  value: function hasInstance(value) {
    if (typeof value !== "object" || value === null) return false;
    return this === DatabaseError ? BRAND in value : Function.prototype[Symbol.hasInstance].call(this, value);
  },
});
