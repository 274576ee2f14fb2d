//! Finds the token in a request's Authorization headers.
//!
//! Knows no tokens: what it finds may be anything.

use crate::auth::token_error::TokenError;

/// Servers and proxies cut headers at about this size; a longer token is none that came through.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// The token among the values of all Authorization headers of one request.
///
/// Another scheme than Bearer is somebody else's business and counts as no token.
///
/// # Errors
/// [`TokenError::Header`] when there is more than one header, or Bearer without a token.
pub fn bearer<'h>(
    headers: impl IntoIterator<Item = &'h [u8]>,
) -> Result<Option<&'h str>, TokenError> {
    let mut headers = headers.into_iter();
    let Some(value) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(TokenError::Header);
    }
    let value = value.trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    let token = token.trim_ascii();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if token.is_empty() || token.len() > LONGEST_TOKEN || !token.iter().all(plain) {
        return Err(TokenError::Header);
    }
    std::str::from_utf8(token).map(Some).map_err(|_| TokenError::Header)
}

#[cfg(test)]
mod tests {
    use super::bearer;
    use crate::auth::token_error::TokenError;

    fn one(value: &str) -> Result<Option<&str>, TokenError> {
        bearer([value.as_bytes()])
    }

    #[test]
    fn the_token_follows_the_scheme_in_any_case() {
        assert_eq!(one("Bearer a.b-c_d"), Ok(Some("a.b-c_d")));
        assert_eq!(one("bearer   a.b "), Ok(Some("a.b")));
        assert_eq!(bearer([]), Ok(None));
    }

    #[test]
    fn other_schemes_are_no_token() {
        assert_eq!(one("Basic dXNlcjpwdw=="), Ok(None));
        assert_eq!(one("Bearerx a"), Ok(None));
        assert_eq!(one(""), Ok(None));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer \"a\"", "Bearer a,Bearer b"] {
            assert_eq!(one(value), Err(TokenError::Header), "{value}");
        }
        assert_eq!(one(&format!("Bearer {}", "a".repeat(9_000))), Err(TokenError::Header));
        assert_eq!(bearer([&b"Bearer a"[..], &b"Bearer a"[..]]), Err(TokenError::Header));
        assert_eq!(bearer([&b"Bearer \xff"[..]]), Err(TokenError::Header));
    }
}
