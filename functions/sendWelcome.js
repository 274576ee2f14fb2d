// functions/sendWelcome.js
// Its manifest, sendWelcome.yaml, says where the mail service is.
export default async function handler(ctx) {
  const { userId } = ctx.input;

  // Get user
  const user = await ctx.db.users.get(userId);
  if (!user) {
    throw new Error("User not found");
  }

  // Send email via external API
  const response = await fetch(`${ctx.env.SENDGRID_URL}/v3/mail/send`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${ctx.env.SENDGRID_API_KEY}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify({
      personalizations: [{ to: [{ email: user.email }] }],
      from: { email: "hello@myapp.com" },
      subject: "Welcome to MyApp!",
      content: [
        {
          type: "text/html",
          value: `<h1>Welcome, ${user.name}!</h1>`,
        },
      ],
    }),
  });

  if (!response.ok) {
    throw new Error("Failed to send email");
  }

  return { sent: true };
}
