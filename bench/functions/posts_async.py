# What the database benchmark asks of ctx.db, in an async def handler.
from asyncio import gather
from random import randrange


def id_of(number):
    return f"00000000-0000-7000-8000-{number:012}"


def post(number):
    return {"title": f"Post {number}", "body": "x" * 100, "published": True, "views": number}


async def handler(ctx):
    posts = ctx.db.posts
    what = ctx.input["do"]
    if what == "seed":
        for number in range(1000):
            await posts.create({"id": id_of(number), **post(number)})
        return None
    if what == "get":
        return await posts.get(id_of(randrange(1000)))
    if what == "get_ten":
        return await gather(*(posts.get(id_of(randrange(1000))) for _ in range(10)))
    if what == "create":
        return await posts.create(post(1))
    return await posts.list(sort="id", limit=1000)
