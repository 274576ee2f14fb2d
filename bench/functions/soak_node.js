// Does what a soak asks of it; the same in every runtime.
import { setTimeout as pause } from "node:timers/promises";

export default async function handler(ctx) {
  const { act, ms = 0, lines = 0, kib = 0 } = ctx.input;
  if (act === "hold") await pause(ms, undefined, { signal: ctx.signal });
  else if (act === "deaf") await pause(ms);
  else if (act === "block") for (const end = Date.now() + ms; Date.now() < end; );
  else if (act === "crash") process.exit(3);
  else if (act === "throw") throw { code: "TOLD_TO", message: "as it was told" };
  for (let i = 0; i < lines; i++) i % 2 ? console.log(`line ${i}`) : ctx.log.info(`line ${i}`);
  return { act, text: "x".repeat(kib * 1024) };
}
