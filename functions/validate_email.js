// functions/validate_email.js
// What is thrown becomes the body: {"error": {"code", "message", "field"}}, with status 400.
export default async function handler(ctx) {
  if (!ctx.input.email) {
    throw {
      code: "VALIDATION_ERROR",
      message: "Email is required",
      field: "email",
    };
  }

  return { email: ctx.input.email.trim().toLowerCase() };
}
