// What the database benchmark asks of ctx.db.
const id = (number) => `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
const post = (number) => ({ title: `Post ${number}`, body: "x".repeat(100), published: true, views: number });

export default async function handler(ctx) {
  const { posts } = ctx.db;
  switch (ctx.input.do) {
    case "seed":
      for (let number = 0; number < 1000; number++) {
        await posts.create({ id: id(number), ...post(number) });
      }
      return null;
    case "get":
      return posts.get(id(Math.floor(Math.random() * 1000)));
    case "get_ten": {
      const ids = Array.from({ length: 10 }, () => id(Math.floor(Math.random() * 1000)));
      return Promise.all(ids.map((one) => posts.get(one)));
    }
    case "create":
      return posts.create(post(1));
    case "list":
      return posts.list({ sort: "id", limit: 1000 });
  }
}
