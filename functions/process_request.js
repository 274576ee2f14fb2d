// functions/process_request.js
// The entries carry the request id, and so does what console.log prints.
export default async function handler(ctx) {
  ctx.log.info("Processing request", { userId: ctx.auth?.id });
  ctx.log.debug("Debug info", { input: ctx.input });
  ctx.log.warn("Warning message");
  ctx.log.error("Error occurred", { error: "details" });

  return { requestId: ctx.request.id };
}
