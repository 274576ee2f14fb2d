/**
 * What authors can import from the package at runtime; everything else of it is types (index.d.ts).
 *
 * Knows nothing of the shim: a function runs beside it, and this module may even come from another copy.
 */

export { DatabaseError } from "./dberror.js";
