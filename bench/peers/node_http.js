// The hello of functions/hello.js on node:http, with nothing in between.
import { createServer } from "node:http";

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const input = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const name = input.name || "World";
    const body = JSON.stringify({
      message: `Hello, ${name}!`,
      timestamp: new Date().toISOString(),
    });
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  });
});

server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
