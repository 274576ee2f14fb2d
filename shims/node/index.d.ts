/**
 * Types for writing Alyx functions in JavaScript and TypeScript.
 *
 *     import type { Context } from "@alyx/runtime";
 *
 *     export default async function handler(ctx: Context<{ name?: string }>) {
 *       return { message: `Hello, ${ctx.input.name ?? "World"}!` };
 *     }
 *
 * The package has no code to import: the host runs it beside the function.
 */

/** What a handler is given: one call, who made it, and what it may use. */
export interface Context<Input = Record<string, any>> {
  /** The request body, always an object. */
  readonly input: Input;
  /** The user of a valid token, or null without one. */
  readonly auth: Auth | null;
  /** Environment variables of this function. The process environment has none of them. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly request: Request;
  /** When the call has to be over, in milliseconds since the epoch. */
  readonly deadline: number;
  /** Aborts when the call is cancelled: the deadline passed or the client went away. */
  readonly signal: AbortSignal;
  /** The database. Where the host offers none, any use throws an error with code `UNAVAILABLE`. */
  readonly db: Database;
  readonly function: { readonly name: string; readonly revision: string };
}

/** A function's entry: `export default`, or `module.exports` in CommonJS. */
export type Handler<Input = Record<string, any>, Output = unknown> = (
  ctx: Context<Input>,
) => Output | Promise<Output>;

export interface Auth {
  readonly id: string;
  readonly email: string | null;
  readonly role: string;
  readonly verified?: boolean;
  readonly metadata: Record<string, any>;
}

/** Entries reach the host at once, in order, even if the function crashes right after. */
export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

export interface Request {
  readonly id: string;
  /** Null where the call did not come over HTTP. */
  readonly method: string | null;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A list where a name was given more than once. */
  readonly query: Readonly<Record<string, string | string[]>>;
  readonly ip: string | null;
}

/**
 * What to throw so that the caller sees a code of its own and extra fields. A plain object of this
 * shape does, and so does an Error with these as properties.
 */
export interface FunctionError {
  code: string | number;
  message?: string;
  /** The HTTP status, 400 to 599. */
  status?: number;
  [field: string]: unknown;
}

/** `export const config`: checked by the host before the handler runs. */
export interface Config {
  input?: Record<string, Field>;
  output?: Record<string, Field>;
}

export type FieldType = "string" | "number" | "integer" | "boolean" | "array" | "object" | "any";

export interface Field {
  type: FieldType;
  required?: boolean;
  optional?: boolean;
  default?: unknown;
  enum?: unknown[];
  /** What an array holds. */
  items?: FieldType | Field;
  /** What an object holds. */
  properties?: Record<string, Field>;
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  /** A regular expression as text. */
  pattern?: string;
  format?: "email" | "url" | "uuid" | "date" | "date-time";
}

/** `ctx.db.posts` is the collection of that name. */
export type Database = DatabaseStatements & { readonly [collection: string]: Collection };

export interface DatabaseStatements {
  /** Runs a statement that reads. */
  query(sql: string, params?: unknown[]): Promise<Document[]>;
  /** Runs a statement that writes. */
  exec(sql: string, params?: unknown[]): Promise<{ rows_affected: number; last_insert_id: number | null }>;
}

export type Document = Record<string, any>;

export interface Collection {
  list(query?: {
    filter?: Record<string, any>;
    sort?: string;
    limit?: number;
    offset?: number;
  }): Promise<{ docs: Document[]; total: number }>;
  /** Null where there is no such document. */
  get(id: string | null): Promise<Document | null>;
  create(data: Document): Promise<Document>;
  update(id: string, changes: Document): Promise<Document>;
  delete(id: string): Promise<void>;
}
