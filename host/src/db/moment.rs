//! Points in time as text: RFC 3339 in UTC with milliseconds, so that text order is time order.
//!
//! Knows nothing of time zones but offsets, and nothing of leap seconds.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400_000;

/// Now in SQL, as [`now`] writes it. The same for all parts of one statement.
pub(super) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// The time of an update in SQL: now, but always after the last one, even within a millisecond.
/// `row` is `OLD.` in triggers.
pub(super) fn next(row: &str) -> String {
    let after = format!("strftime('%Y-%m-%dT%H:%M:%fZ', {row}\"updated_at\", '+0.001 seconds')");
    format!("max({NOW}, coalesce({after}, ''))")
}

/// Now, as the host writes it.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    written(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A timestamp in any offset, or a date alone (its midnight in UTC), in the one form we store.
/// Without an offset it is UTC. None when it is no timestamp or not of the years 0 to 9999.
pub(super) fn normalised(text: &str) -> Option<String> {
    let (day, rest) = split_day(text)?;
    let mut millis = day * DAY;
    if let Some(rest) = rest.strip_prefix(['T', 't', ' ']) {
        millis += time_of_day(rest)?;
    } else if !rest.is_empty() {
        return None;
    }
    let year = year_of(millis);
    (0..=9999).contains(&year).then(|| written(millis))
}

/// The date of a date or a timestamp, in UTC.
pub(super) fn normalised_date(text: &str) -> Option<String> {
    normalised(text).map(|full| full[..10].to_owned())
}

fn split_day(text: &str) -> Option<(i64, &str)> {
    let (date, rest) = text.split_at_checked(10)?;
    let bytes = date.as_bytes();
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    (1..=longest).contains(&day).then(|| (days_from_civil(year, month, day), rest))
}

/// `10:30[:00[.123]]` and then nothing, `Z` or an offset, in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let end = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(end);
    let mut parts = clock.split(':');
    let hour = pair(parts.next()?, 23)?;
    let minute = pair(parts.next()?, 59)?;
    let (second, millis) = match parts.next() {
        Some(second) => seconds(second)?,
        None => (0, 0),
    };
    if parts.next().is_some() {
        return None;
    }
    let offset = offset_minutes(zone)?;
    Some(((hour * 60 + minute - offset) * 60 + second) * 1000 + millis)
}

fn seconds(text: &str) -> Option<(i64, i64)> {
    let Some((second, fraction)) = text.split_once('.') else {
        return Some((pair(text, 59)?, 0));
    };
    digits(fraction)?;
    let millis = digits(&format!("{fraction:0<3}")[..3])?;
    Some((pair(second, 59)?, millis))
}

fn offset_minutes(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'+') => (1, &zone[1..]),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => return (zone.len() == 1).then_some(0),
    };
    let (hour, minute) = match rest.split_once(':') {
        Some(parts) => parts,
        None => rest.split_at_checked(2)?,
    };
    let minute = if minute.is_empty() { 0 } else { pair(minute, 59)? };
    Some(sign * (pair(hour, 23)? * 60 + minute))
}

fn pair(text: &str, most: i64) -> Option<i64> {
    (text.len() == 2).then(|| digits(text)).flatten().filter(|number| *number <= most)
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn written(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn year_of(millis: i64) -> i64 {
    civil_from_days(millis.div_euclid(DAY)).0
}

/// Days since 1970 by Howard Hinnant's method: years begin in March, eras have 400 years.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{civil_from_days, days_from_civil, normalised, normalised_date};

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(normalised(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn every_form_becomes_one() {
        check("2026-01-24", Some("2026-01-24T00:00:00.000Z"));
        check("2026-01-24T10:30:00Z", Some("2026-01-24T10:30:00.000Z"));
        check("2026-01-24 10:30", Some("2026-01-24T10:30:00.000Z"));
        check("2026-01-24T10:30:00.1+02:00", Some("2026-01-24T08:30:00.100Z"));
        check("2026-01-24T23:30:00-0130", Some("2026-01-25T01:00:00.000Z"));
        check("2026-01-24T10:30:00.123456z", Some("2026-01-24T10:30:00.123Z"));
        assert_eq!(normalised_date("2026-01-24T23:30:00-02:00").as_deref(), Some("2026-01-25"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "2026", "2026-02-29", "2026-13-01", "2026-1-1", "2026-01-24T25:00:00Z"] {
            check(text, None);
        }
        for text in ["2026-01-24T10", "2026-01-24T10:30:60Z", "2026-01-24Z", "yesterday, noon"] {
            check(text, None);
        }
        for text in ["0000-01-01T00:00:00+10:00", "2026-01-24T10:30:00+2", "2026-01-éé"] {
            check(text, None);
        }
        check("2026-01-24T10:30:00Zulu", None);
        check("2026-01-24T10:30:00.Z", None);
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..3_000_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
    }
}
