/**
 * ctx.db: in this version a stand-in that tells that there is no database.
 *
 * Knows nothing of SQL; the host will offer the methods as the capability `db`.
 */

import { RpcError } from "./errors.js";

/**
 * What ctx.db is while the host offers none: any use throws an error the caller can tell apart.
 *
 * @type {any}
 */
export const noDatabase = new Proxy(
  {},
  {
    get(_target, name) {
      // Symbols are asked for by inspection, not by the author's code.
      if (typeof name === "symbol") return undefined;
      throw new RpcError("UNAVAILABLE", "the host offers no database");
    },
  },
);
