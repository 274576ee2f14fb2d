/**
 * Types for writing Alyx functions in JavaScript and TypeScript.
 *
 *     import type { Context } from "@alyx/runtime";
 *
 *     export default async function handler(ctx: Context<{ name?: string }>) {
 *       return { message: `Hello, ${ctx.input.name ?? "World"}!` };
 *     }
 *
 * All the code there is to import is `DatabaseError`; the rest is types, and the host runs the package beside
 * the function.
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

/**
 * `ctx.db.posts` is the collection of that name. Every call is awaited before the handler returns; one that
 * fails throws a `DatabaseError`.
 */
export type Database = DatabaseMethods & Collections & { readonly [collection: string]: Collection };

/**
 * Where a project tells its collections' types once, instead of at each call:
 *
 *     declare module "@alyx/runtime" {
 *       interface Collections { posts: Collection<Post> }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be added to.
export interface Collections {}

export interface DatabaseMethods {
  /** Runs a statement that reads. */
  query<T = Document>(sql: string, params?: Params | null): Promise<T[]>;
  /** Runs a statement that writes. */
  exec(sql: string, params?: Params | null): Promise<Written>;
  /** Runs statements in one transaction: all of them or none. The error of one names its index in `op`. */
  batch(statements: readonly Statement[]): Promise<Written[]>;
  /** A collection whose name is one of these methods', or comes from a variable. */
  collection<T = Document>(name: string): Collection<T>;
}

/** What a field can hold. Comes back as JSON does, bytes as Buffer, integers beyond 2^53 as bigint. */
export type Value = string | number | bigint | boolean | null | Date | Uint8Array | ArrayBuffer;

/** A list for `?`, an object for `:name`. */
export type Params = readonly Value[] | { readonly [name: string]: Value };

export interface Statement {
  sql: string;
  params?: Params | null;
}

export interface Written {
  rows_affected: number;
  last_insert_id: number | bigint | null;
}

export type Document = Record<string, any>;

/** The methods need no `this`: `ids.map(ctx.db.posts.get)` works. */
export interface Collection<Doc = Document> {
  list<T = Doc>(options: ListOptions & { count: false }): Promise<{ docs: T[] }>;
  list<T = Doc>(options?: ListOptions): Promise<{ docs: T[]; total: number }>;
  /** Null where there is no such document. */
  get<T = Doc>(id: string | null | undefined): Promise<T | null>;
  /** The whole document as stored, with its id. */
  create<T = Doc>(data: Data<NoInfer<T>>): Promise<T>;
  /** Changes these fields and no others; the whole document as stored. */
  update<T = Doc>(id: string, changes: Data<NoInfer<T>>): Promise<T>;
  delete(id: string): Promise<void>;
}

/** Fields of a document to write. A Date may stand for a timestamp, and undefined fields are left out. */
export type Data<T> = { readonly [Field in keyof T]?: T[Field] | Date };

export interface ListOptions {
  /** Leave it out for all documents. */
  filter?: Filter;
  /** Field names, `-` before a descending one: `"-created_at"`, `"a,-b"` or `["a", "-b"]`. */
  sort?: string | readonly string[];
  /** 100 where it is left out, at most 1000. */
  limit?: number;
  offset?: number;
  /** Only these fields of each document. */
  fields?: readonly string[];
  /** False leaves out `total`, which saves time. */
  count?: boolean;
}

/**
 * `{ field: value }`, `{ field: { $gt: value } }`, several fields mean all of them; `$and` and `$or` take a list
 * of filters, `$not` one. Undefined is refused: it would match everything.
 */
export type Filter = { readonly [field: string]: Value | Operators | Filter | readonly Filter[] };

export interface Operators {
  readonly $eq?: Value;
  readonly $ne?: Value;
  readonly $gt?: Value;
  readonly $gte?: Value;
  readonly $lt?: Value;
  readonly $lte?: Value;
  readonly $in?: readonly Value[];
  readonly $nin?: readonly Value[];
  /** As SQL has it: `%` is any text, `_` any character. */
  readonly $like?: string;
}

/** What every call of `ctx.db` throws. Uncaught, the caller sees its code, message and details. */
export class DatabaseError extends Error {
  constructor(code: string, message: string, details?: Record<string, unknown>, retryable?: boolean);
  readonly name: "DatabaseError";
  /** Such as `NOT_FOUND`, `UNIQUE_VIOLATION`, `VALIDATION_ERROR` or `DB_BUSY`. */
  readonly code: string;
  /** The field at fault, where there is one. */
  readonly field?: string;
  /** The same call may succeed a little later. */
  readonly retryable: boolean;
  /** What else is known. */
  readonly [detail: string]: unknown;
}
