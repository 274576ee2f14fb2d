// functions/hello.js
export default async function handler(ctx) {
  const name = ctx.input.name || "World";

  return {
    message: `Hello, ${name}!`,
    timestamp: new Date().toISOString(),
  };
}
