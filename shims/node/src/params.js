/**
 * What the members of each method's params must be.
 *
 * Knows nothing of what they mean; members that are not named here are ignored.
 */

/**
 * @typedef {[name: string, type: "string" | "number" | "object" | "strings", required?: "required"]} Rule
 */

/** @type {Record<string, Rule[]>} */
const RULES = {
  load: [
    ["function", "string", "required"],
    ["revision", "string", "required"],
    ["path", "string", "required"],
    ["root", "string"],
    ["entry", "string"],
    ["env", "strings"],
    ["timeoutMs", "number"],
  ],
  unload: [
    ["function", "string", "required"],
    ["revision", "string", "required"],
  ],
  invoke: [
    ["function", "string", "required"],
    ["revision", "string", "required"],
    ["requestId", "string"],
    ["deadlineMs", "number"],
    ["trigger", "object"],
  ],
  shutdown: [["graceMs", "number"]],
};

/**
 * What is wrong with the params of a request, if anything is.
 *
 * @param {string} method
 * @param {Record<string, unknown>} params
 * @returns {string | undefined}
 */
export function paramsFault(method, params) {
  for (const [name, type, required] of RULES[method] ?? []) {
    const value = params[name];
    if (value === undefined) {
      if (required) return `${method}: '${name}' is missing`;
    } else if (type === "strings" ? !isStrings(value) : typeof value !== type || value === null) {
      return `${method}: '${name}' is not ${type === "strings" ? "an object of strings" : `of type ${type}`}`;
    }
  }
  return undefined;
}

/** @param {unknown} value */
function isStrings(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((member) => typeof member === "string");
}
