# functions/create_post.py
# The same as createPost.js, in Python.
import re
import time

SCHEMA = {
    "input": {
        "title": {"type": "string", "required": True, "max_length": 200},
        "content": {"type": "string", "required": True},
        "tags": {"type": "array", "items": "string", "optional": True},
    }
}


def handler(ctx):
    if not ctx.auth:
        raise Exception("Authentication required")

    # Input is validated according to SCHEMA
    title = ctx.input["title"]
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")

    existing = ctx.db.posts.list(filter={"slug": {"$like": f"{slug}%"}}, limit=1)
    if existing["total"] > 0:
        slug = f"{slug}-{int(time.time() * 1000)}"

    post = ctx.db.posts.create(
        {
            "title": title,
            "content": ctx.input["content"],
            "slug": slug,
            "author_id": ctx.auth.id,
            "tags": ctx.input.get("tags") or [],
        }
    )

    ctx.log.info("Post created", postId=post["id"], authorId=ctx.auth.id)

    return {"id": post["id"], "slug": post["slug"]}
