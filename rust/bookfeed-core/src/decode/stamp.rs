//! Moments as venues write them besides milliseconds: RFC 3339 text, whole seconds, and numbers
//! that may be of microseconds.

use crate::time::{MICROSECOND, MILLISECOND, Nanos, SECOND};

/// Days from 1970-01-01 to the first of each month of a year that is no leap year.
const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Reads `2026-10-01T21:03:04.123456Z`: up to nine digits of a second, or none; the `Z` may be
/// missing, as in older recordings. Other offsets are refused, they were never seen.
pub fn parse(text: &[u8]) -> Option<Nanos> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    let (whole, fraction) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| whole.get(at) != Some(&mark)) {
        return None;
    }
    let number = |from: usize, to: usize| digits(whole.get(from..to)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    seconds.checked_mul(SECOND)?.checked_add(nanos(fraction)?)
}

/// Whole seconds since 1970.
pub fn seconds(text: &[u8]) -> Option<Nanos> {
    if text.len() > 12 {
        return None;
    }
    digits(text)?.checked_mul(SECOND)
}

/// Milliseconds or microseconds since 1970, told apart by their size: what would be a year
/// beyond 5000 in the one is this century in the other.
#[inline]
pub(crate) fn millis_or_micros(number: u64) -> Option<Nanos> {
    let unit = if number < 100_000_000_000_000 { MILLISECOND } else { MICROSECOND };
    i64::try_from(number).ok()?.checked_mul(unit)
}

/// Nanoseconds since 1970, which have more digits than other numbers here.
pub(crate) fn nanoseconds(text: &[u8]) -> Option<Nanos> {
    let superfluous = text.len() > 1 && text.first() == Some(&b'0');
    if text.is_empty() || superfluous {
        return None;
    }
    text.iter().try_fold(0i64, |n, byte| {
        let digit = byte.wrapping_sub(b'0');
        n.checked_mul(10)?.checked_add(i64::from(digit)).filter(|_| digit < 10)
    })
}

/// The number that a few digits make, nothing else among them.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0i64, |n, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| n * 10 + i64::from(digit))
    })
}

/// A fraction of a second with its point, or nothing.
fn nanos(text: &[u8]) -> Option<Nanos> {
    let Some((point, fraction)) = text.split_first() else { return Some(0) };
    if *point != b'.' || fraction.len() > 9 {
        return None;
    }
    let missing = 9 - u32::try_from(fraction.len()).ok()?;
    Some(digits(fraction)? * 10i64.pow(missing))
}

/// Days since 1970 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = *BEFORE_MONTH.get(usize::try_from(month - 1).ok()?)?;
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1970..=2261).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - 477;
    let this_year = before + i64::from(leap && month > 2) + day - 1;
    Some((year - 1970) * 365 + leap_days + this_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_with_and_without_fraction_and_zone() {
        let second = 1_790_888_584 * SECOND;
        for (text, nanos) in [
            ("2026-10-01T21:03:04Z", 0),
            ("2026-10-01T21:03:04", 0),
            ("2026-10-01T21:03:04.5Z", 500_000_000),
            ("2026-10-01T21:03:04.123456Z", 123_456_000),
            ("2026-10-01T21:03:04.123456789", 123_456_789),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(second + nanos), "{text}");
        }
        assert_eq!(parse(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse(b"2000-03-01T00:00:00Z"), Some(951_868_800 * SECOND));
        assert_eq!(parse(b"2024-02-29T12:00:00Z"), Some(1_709_208_000 * SECOND));
        assert_eq!(parse(b"2100-12-31T23:59:59Z"), Some(4_133_980_799 * SECOND));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..=2261 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = days(year, month, day) {
                        assert_eq!(found, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 292 * 365 + 71);
    }

    #[test]
    fn micros_are_told_from_millis() {
        let moment = Some(1_790_000_000_123_000_000);
        assert_eq!(millis_or_micros(1_790_000_000_123), moment);
        assert_eq!(millis_or_micros(1_790_000_000_123_000), moment);
        assert_eq!(millis_or_micros(0), Some(0));
        assert_eq!(millis_or_micros(99_999_999_999_999), None, "a year that nanoseconds do not hold");
        assert_eq!(millis_or_micros(u64::MAX), None);
    }

    #[test]
    fn nanoseconds_fill_a_number() {
        assert_eq!(nanoseconds(b"1790000000123456789"), Some(1_790_000_000_123_456_789));
        assert_eq!((nanoseconds(b"0"), nanoseconds(b"9223372036854775807")), (Some(0), Some(i64::MAX)));
        for text in ["", "9223372036854775808", "-1", "01", "1.0", "1e9", "99999999999999999999"] {
            assert_eq!(nanoseconds(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "Z",
            "2026-10-01",
            "2026-10-01T21:03",
            "2026-10-01 21:03:04Z",
            "2026-10-01T21:03:04.Z",
            "2026-10-01T21:03:04.1234567890Z",
            "2026-10-01T21:03:04+00:00",
            "2026-10-01T21:03:04ZZ",
            "2026-10-01T21:03:04x",
            "2026-13-01T21:03:04Z",
            "2026-00-01T21:03:04Z",
            "2026-02-29T21:03:04Z",
            "2100-02-29T21:03:04Z",
            "2026-10-00T21:03:04Z",
            "2026-10-01T24:03:04Z",
            "2026-10-01T21:60:04Z",
            "2026-10-01T21:03:60Z",
            "1969-12-31T23:59:59Z",
            "2262-01-01T00:00:00Z",
            "+026-10-01T21:03:04Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(seconds(b"1790888584"), Some(1_790_888_584 * SECOND));
        for text in ["", "-1", "1.5", "1e9", "9999999999999", "99999999999"] {
            assert_eq!(seconds(text.as_bytes()), None, "{text}");
        }
    }
}
