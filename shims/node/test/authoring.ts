/** What authors write with the types; checked by `npm run check`, never run. */

import type { Config, Context, FunctionError, Handler } from "@alyx/runtime";

export const config: Config = {
  input: {
    title: { type: "string", required: true, maxLength: 200 },
    tags: { type: "array", items: "string", optional: true },
  },
};

interface Input {
  title: string;
  tags?: string[];
}

export default async function handler(ctx: Context<Input>) {
  if (!ctx.auth) {
    const error: FunctionError = { code: "UNAUTHENTICATED", message: "log in first", field: "auth" };
    throw error;
  }
  ctx.log.info("creating", { title: ctx.input.title, by: ctx.auth.email });
  // This project asks of an index whether it is there; a project that does not may leave out the `?`.
  const posts = await ctx.db.posts?.list({ filter: { slug: { $like: "a%" } }, limit: 1 });
  const rows = await ctx.db.query("SELECT 1 AS one WHERE ? = ?", [ctx.env.KEY, 1]);
  const left: number = ctx.deadline - Date.now();
  const page: string | string[] | undefined = ctx.request.query.page;
  await fetch("https://example.com", { signal: ctx.signal });
  return { total: posts?.total, rows: rows.length, left, page, method: ctx.request.method };
}

export const untyped: Handler = (ctx) => ({ hello: ctx.input.name });

// @ts-expect-error: the environment cannot be written to
export const readOnly: Handler = (ctx) => (ctx.env.KEY = "x");

// @ts-expect-error: the input has no such field
export const typed: Handler<Input> = (ctx) => ctx.input.titel;
