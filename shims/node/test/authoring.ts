/** What authors write with the types; checked by `npm run check`, never run. */

import type { Config, Context, FunctionError, Handler } from "@alyx/runtime";
import { DatabaseError } from "@alyx/runtime";

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
  const rows = await ctx.db.query("SELECT 1 AS one WHERE ? = ?", [ctx.env.KEY ?? null, 1]);
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

interface Post {
  id: string;
  title: string;
  views: bigint | number;
  published_at: string | null;
}

declare module "@alyx/runtime" {
  interface Collections {
    comments: Collection<{ id: string; text: string }>;
  }
}

export const stored: Handler = async ({ db }) => {
  const posts = db.collection<Post>("posts");
  const made = await posts.create({ title: "T", views: 1n, published_at: new Date() });
  const { docs, total } = await posts.list({ filter: { views: { $gt: 5n } }, sort: ["-views", "title"] });
  const titles: string[] = [made, ...docs].map((post) => post.title);
  const { docs: uncounted } = await posts.list({ count: false, fields: ["id"] });
  const some = await db.posts?.list<Post>({
    filter: { $or: [{ title: { $like: "a%" } }, { $not: { views: 1 } }] },
  });
  const first: Post | undefined = some?.docs[0];
  // Told once, in `Collections`: no type argument, and it is surely there.
  const text: string | undefined = (await db.comments.get("c1"))?.text;
  const rows = await db.query<{ n: number }>("SELECT count(*) AS n FROM posts WHERE title = :t", { t: "T" });
  const count: number | undefined = rows[0]?.n;
  const [written] = await db.batch([
    { sql: "DELETE FROM posts WHERE views < ?", params: [10] },
    { sql: "DELETE FROM drafts" },
  ]);
  try {
    await posts.update("p1", { title: "U" });
  } catch (error) {
    if (error instanceof DatabaseError && error.code === "UNIQUE_VIOLATION") return { taken: error.field };
    throw error;
  }
  return { titles, total, uncounted, first, text, count, rows: written?.rows_affected };
};

export const wrong: Handler = async ({ db, input }) => {
  const posts = db.collection<Post>("posts");
  // @ts-expect-error: undefined would match everything
  await posts.list({ filter: { title: undefined } });
  // @ts-expect-error: no such option
  await posts.list({ filters: {} });
  // @ts-expect-error: no such field
  await posts.create({ titel: "T" });
  // @ts-expect-error: total was not asked for
  return (await posts.list({ count: false, filter: { title: input.title } })).total;
};
