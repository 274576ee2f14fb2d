//! The shapes of text that have a name: e-mail addresses, addresses of pages, ids, dates.
//!
//! Knows text alone; nothing is looked up, and an address that looks right may reach nobody.

use std::fmt;

/// A named format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Email,
    Url,
    Uuid,
    Date,
    DateTime,
}

/// Every name by which a schema may ask for a format. The first of each is ours.
pub const FORMATS: [(&str, Format); 8] = [
    ("email", Format::Email),
    ("url", Format::Url),
    ("uuid", Format::Uuid),
    ("date", Format::Date),
    ("date-time", Format::DateTime),
    // What JSON Schema and our own collections call them.
    ("uri", Format::Url),
    ("datetime", Format::DateTime),
    ("timestamp", Format::DateTime),
];

/// RFC 5321 gives a path 256 octets, two of them brackets.
const LONGEST_EMAIL: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;

impl Format {
    #[must_use]
    pub fn named(name: &str) -> Option<Format> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    #[must_use]
    pub fn matches(self, text: &str) -> bool {
        match self {
            Format::Email => is_email(text),
            Format::Url => is_url(text),
            Format::Uuid => is_uuid(text),
            Format::Date => is_date(text.as_bytes()),
            Format::DateTime => is_date_time(text.as_bytes()),
        }
    }

    /// What JSON Schema calls it.
    #[must_use]
    pub fn in_json_schema(self) -> &'static str {
        match self {
            Format::Email => "email",
            Format::Url => "uri",
            Format::Uuid => "uuid",
            Format::Date => "date",
            Format::DateTime => "date-time",
        }
    }
}

/// Reads on from "must be a valid".
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Email => "email address",
            Format::Url => "url",
            Format::Uuid => "uuid",
            Format::Date => "date (YYYY-MM-DD)",
            Format::DateTime => "date and time (RFC 3339)",
        })
    }
}

/// `local@domain` as the forms of browsers take it, and with letters of any script.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_is_fine = !local.is_empty()
        && local.len() <= LONGEST_LOCAL_PART
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| is_letter(c) || ".!#$%&'*+/=?^_`{|}~-".contains(c));
    local_is_fine && text.len() <= LONGEST_EMAIL && is_domain(domain)
}

/// `http://…` or `https://…` with a host and no spaces.
#[must_use]
pub fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"\\^`{|}".contains(c);
    rest.chars().all(plain) && is_host_and_port(host_and_port)
}

/// Eight, four, four, four and twelve hexadecimal digits.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
            let Some(port) = port else { return false };
            return address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port);
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| is_letter(c) || "-_%~".contains(c))
    };
    // One final dot names the root.
    is_port(port) && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| is_letter(c) || c == '-')
    };
    // A name without a dot reaches nobody outside.
    text.contains('.') && text.split('.').all(label)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() && !c.is_whitespace() && !c.is_control()
}

/// `YYYY-MM-DD`, and a day that there is.
fn is_date(text: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return false };
    let (Some(year), Some(month), Some(day)) =
        (digits(&[*y1, *y2, *y3, *y4]), digits(&[*m1, *m2]), digits(&[*d1, *d2]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// RFC 3339: a date, `T`, a time, and an offset or `Z`.
fn is_date_time(text: &[u8]) -> bool {
    let Some((date, [b'T' | b't' | b' ', time @ ..])) = text.split_at_checked(10) else {
        return false;
    };
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = time else { return false };
    let clock = |hour: [u8; 2], minute: [u8; 2]| {
        digits(&hour).is_some_and(|h| h < 24) && digits(&minute).is_some_and(|m| m < 60)
    };
    let rest = match rest {
        [b'.', fraction @ ..] => {
            let len = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if len == 0 {
                return false;
            }
            &fraction[len..]
        }
        _ => rest,
    };
    let offset_is_fine = match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => clock([*h1, *h2], [*m1, *m2]),
        _ => false,
    };
    // 60 is a leap second.
    let second_is_fine = digits(&[*s1, *s2]).is_some_and(|s| s <= 60);
    is_date(date) && clock([*h1, *h2], [*m1, *m2]) && second_is_fine && offset_is_fine
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::Format;

    fn check(format: Format, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(format.matches(text), "{text} is a {format}");
        }
        for text in bad {
            assert!(!format.matches(text), "{text} is no {format}");
        }
    }

    #[test]
    fn email() {
        let good = ["a@b.co", "first.last+tag@sub.example.com", "jörg@münchen.de", "o'neil@x.org"];
        let bad = [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a b@c.de",
            "a@b..de",
            ".a@b.de",
            "a.@b.de",
            "a..b@c.de",
            "a@-b.de",
            "a@b.de\n",
            "a@b@c d.de",
            "a@[127.0.0.1]",
        ];
        check(Format::Email, &good, &bad);
        check(Format::Email, &[], &[&format!("{}@b.de", "a".repeat(65))]);
    }

    #[test]
    fn url() {
        let good = [
            "http://a",
            "https://example.com/p?q=1#f",
            "HTTP://127.0.0.1:80/",
            "http://[::1]:8080/x",
            "https://user:pw@example.com",
            "https://münchen.de/ä",
        ];
        let bad = [
            "",
            "example.com",
            "ftp://a",
            "javascript:alert(1)",
            "http://",
            "http:///x",
            "http://a b",
            "http://a:99999",
            "http://a..b",
            "http://[::g]/",
            "http://a/\n",
            "http://[::1]x",
        ];
        check(Format::Url, &good, &bad);
    }

    #[test]
    fn uuid() {
        let good = ["0190b5c0-6f2e-7c3a-8a43-0f1e2d3c4b5a", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"];
        let bad = ["", "0190b5c06f2e7c3a8a430f1e2d3c4b5a", "0190b5c0-6f2e-7c3a-8a43-0f1e2d3c4b5g"];
        check(Format::Uuid, &good, &bad);
    }

    #[test]
    fn dates() {
        let bad =
            ["", "2026-2-1", "2026-02-29", "2026-13-01", "2026-00-01", "2026-01-32", "20260101"];
        check(Format::Date, &["2026-01-31", "2024-02-29", "2000-02-29"], &bad);
        let good =
            ["2026-01-24T10:30:00.000Z", "2026-01-24t10:30:00z", "2026-01-24T10:30:60+05:30"];
        let bad = [
            "",
            "2026-01-24",
            "2026-01-24T10:30:00",
            "2026-01-24T24:00:00Z",
            "2026-01-24T10:30:00.Z",
            "2026-01-24T10:30:00+0530",
            "2026-01-24é10:30:00Z",
        ];
        check(Format::DateTime, &good, &bad);
    }
}
