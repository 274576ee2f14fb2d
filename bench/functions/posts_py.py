# What the database benchmark asks of ctx.db, in a def handler.
from random import randrange


def id_of(number):
    return f"00000000-0000-7000-8000-{number:012}"


def post(number):
    return {"title": f"Post {number}", "body": "x" * 100, "published": True, "views": number}


def handler(ctx):
    posts = ctx.db.posts
    what = ctx.input["do"]
    if what == "seed":
        for number in range(1000):
            posts.create({"id": id_of(number), **post(number)})
        return None
    if what == "get":
        return posts.get(id_of(randrange(1000)))
    if what == "get_ten":
        return [posts.get(id_of(randrange(1000))) for _ in range(10)]
    if what == "create":
        return posts.create(post(1))
    return posts.list(sort="id", limit=1000)
