// The hello of functions/hello.js on Fastify, as its documentation has it.
import Fastify from "fastify";

const app = Fastify({ logger: false });

app.post("/api/functions/hello", async (request) => {
  const name = request.body.name || "World";
  return {
    message: `Hello, ${name}!`,
    timestamp: new Date().toISOString(),
  };
});

await app.listen({ port: 0, host: "127.0.0.1" });
console.log(`port ${app.server.address().port}`);
