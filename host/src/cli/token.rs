//! `alyx token`: prints an access token, so that functions can be tried as some user.
//!
//! Asks no database: whoever has the secret may say who somebody is.

use alyx_protocol::json;
use alyx_protocol::limits::DEPTH;
use alyx_protocol::worker::Auth;
use clap::Args;
use serde_json::Value;

use crate::auth::minter::Minter;
use crate::auth::verifier::Verifier;
use crate::cli::output::print;
use crate::cli::{ConfigFile, Failure};
use crate::config::quantity::parse_duration;
use crate::dev::secret;
use crate::schema::format::is_email;

/// What `alyx token` takes.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The user's id: ctx.auth.id
    #[arg(long)]
    id: String,
    #[command(flatten)]
    config: ConfigFile,
    /// The user's email address: ctx.auth.email
    #[arg(long)]
    email: Option<String>,
    /// The user's role: ctx.auth.role
    #[arg(long, default_value = "user")]
    role: String,
    /// More about the user, a JSON object: ctx.auth.metadata
    #[arg(long, value_name = "JSON", default_value = "{}")]
    metadata: String,
    /// How long it is valid: 90s, 15m, 1h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expires: String,
}

pub(crate) fn run(options: Token) -> Result<(), Failure> {
    let mut config = options.config.load()?;
    secret::adopt(&mut config).map_err(Failure::failed)?;
    let jwt = &config.auth.jwt;
    let minter = Minter::new(jwt).map_err(Failure::usage)?;
    let lasts = parse_duration(&options.expires).filter(|lasts| !lasts.is_zero());
    let lasts = lasts.ok_or_else(|| {
        let given = &options.expires;
        Failure::usage(format!("--expires '{given}' is no time to come; try 15m, 1h or 7d"))
    })?;
    let metadata = object(&options.metadata)?;
    let Token { id, email, role, .. } = options;
    if let Some(email) = email.as_ref().filter(|email| !is_email(email)) {
        return Err(Failure::usage(format!("--email '{email}' is no email address")));
    }
    let auth = Auth { id, email, role, verified: false, metadata };
    let token = minter.access_for(&auth, lasts);
    // What no host would accept, such as one that is too long, helps nobody.
    Verifier::new(jwt, None)
        .verify_now(&token)
        .map_err(|error| Failure::usage(format!("the host would refuse such a token: {error}")))?;
    print(token)
}

fn object(text: &str) -> Result<Value, Failure> {
    let wrong = |why: String| {
        Failure::usage(format!(
            "--metadata {why}; expected an object such as '{{\"team\": \"blue\"}}'"
        ))
    };
    json::check(text.as_bytes(), DEPTH).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    let value: Value = json::read(text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(wrong(format!("is '{value}'"))) }
}
