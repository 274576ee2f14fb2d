// functions/createPost.js
export const config = {
  input: {
    title: { type: "string", required: true, maxLength: 200 },
    content: { type: "string", required: true },
    tags: { type: "array", items: "string", optional: true },
  },
  output: {
    id: { type: "string" },
    slug: { type: "string" },
  },
};

export default async function handler(ctx) {
  if (!ctx.auth) {
    throw new Error("Authentication required");
  }

  // Input is already validated
  const { title, content, tags } = ctx.input;

  // Generate slug
  const slug = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");

  // Check for uniqueness
  const existing = await ctx.db.posts.list({
    filter: { slug: { $like: `${slug}%` } },
  });

  const finalSlug = existing.total > 0 ? `${slug}-${Date.now()}` : slug;

  // Create the post
  const post = await ctx.db.posts.create({
    title,
    content,
    slug: finalSlug,
    author_id: ctx.auth.id,
    tags: tags || [],
    published: false,
  });

  ctx.log.info("Post created", { postId: post.id, authorId: ctx.auth.id });

  return { id: post.id, slug: post.slug };
}
