//! Durations (`500ms`, `30s`, `7d`) and sizes (`64kb`, `256MB`, `1gb`), read and written.
//!
//! Knows nothing of which key holds one or which range it allows.

use std::time::Duration;

/// Longest first, so that writing picks the largest unit that divides evenly.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Steps of 1024, as container engines and kernels count memory.
const SIZES: [(&str, u64); 5] =
    [("tb", 1 << 40), ("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10), ("b", 1)];

/// Ten years: anything above is a typing slip and would overflow dates further on.
pub const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// A bare whole number counts seconds. `None` when the text is no duration.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (count, unit) = split(text)?;
    let unit = if unit.is_empty() { "s" } else { &unit };
    let millis = TIMES.iter().find(|(name, _)| *name == unit)?.1.checked_mul(count)?;
    Some(Duration::from_millis(millis)).filter(|duration| *duration <= LONGEST)
}

/// A bare whole number counts bytes. `None` when the text is no size.
pub fn parse_size(text: &str) -> Option<u64> {
    let (count, unit) = split(text)?;
    // `256m`, `256mb` and `256MiB` are one and the same.
    let letter = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit);
    let unit = match letter {
        "" if unit.is_empty() || unit == "b" => "b".to_owned(),
        "" | "b" => return None,
        letter => format!("{letter}b"),
    };
    SIZES.iter().find(|(name, _)| *name == unit)?.1.checked_mul(count)
}

pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, &TIMES, "0s")
}

pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, "0b")
}

fn show(amount: u64, units: &[(&str, u64)], nothing: &str) -> String {
    units
        .iter()
        .find(|(_, unit)| amount > 0 && amount.is_multiple_of(*unit))
        .map_or_else(|| nothing.to_owned(), |(name, unit)| format!("{}{name}", amount / unit))
}

/// Digits, then letters in lower case; a space may stand between.
fn split(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count = count.parse().ok()?;
    Some((count, unit.trim_start().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
