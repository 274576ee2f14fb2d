//! Whether a signing secret is one, and how to make one.
//!
//! Knows nothing of tokens; a secret that can be guessed makes everyone an admin.

use crate::config::secret::Secret;

/// As long as the hash: shorter ones weaken HS256 (RFC 7518, section 3.2).
const SHORTEST: usize = 32;
/// Words of examples, as they look without punctuation.
const PLACEHOLDERS: [&str; 6] =
    ["changeme", "changethis", "yoursecret", "yourjwtsecret", "replaceme", "placeholder"];

/// Why a text may not sign tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    #[error(
        "auth.jwt.secret is empty; set ALYX_JWT_SECRET, for example to the output of 'openssl rand -hex 32'"
    )]
    Empty,
    #[error(
        "auth.jwt.secret has {0} bytes and needs at least {SHORTEST}; 'openssl rand -hex 32' makes a good one"
    )]
    Short(usize),
    #[error(
        "auth.jwt.secret looks like a placeholder; set one of your own, for example the output of 'openssl rand -hex 32'"
    )]
    Placeholder,
}

/// # Errors
/// What is wrong with it, without quoting it.
pub fn check(secret: &Secret) -> Result<(), SecretProblem> {
    let text = secret.expose();
    if text.trim().is_empty() {
        return Err(SecretProblem::Empty);
    }
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let letters = letters.to_lowercase();
    let mut distinct: Vec<char> = text.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if PLACEHOLDERS.iter().any(|word| letters.contains(word)) {
        return Err(SecretProblem::Placeholder);
    }
    if text.len() < SHORTEST {
        return Err(SecretProblem::Short(text.len()));
    }
    // `xxxxxxxx…` is as long as it is easy.
    if distinct.len() < 5 { Err(SecretProblem::Placeholder) } else { Ok(()) }
}

/// A fresh secret of 256 bits, as text.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::{SecretProblem, check, generate};
    use crate::config::secret::Secret;

    #[test]
    fn only_long_and_unlikely_texts_are_secrets() {
        let check = |text: &str| check(&Secret::new(text));
        assert_eq!(check(""), Err(SecretProblem::Empty));
        assert_eq!(check("   "), Err(SecretProblem::Empty));
        assert_eq!(check("0123456789abcdef0123456789abcde"), Err(SecretProblem::Short(31)));
        assert_eq!(check("0123456789abcdef0123456789abcdef"), Ok(()));
        assert_eq!(check(&"a".repeat(40)), Err(SecretProblem::Placeholder));
        let placeholder = "change-me-in-production-please-0123456789";
        assert_eq!(check(placeholder), Err(SecretProblem::Placeholder));
        assert_eq!(check("CHANGE_ME"), Err(SecretProblem::Placeholder));
    }

    #[test]
    fn a_generated_one_is_good_and_new() {
        let one = generate().unwrap();
        assert_eq!(check(&one), Ok(()));
        assert_ne!(one, generate().unwrap());
    }
}
