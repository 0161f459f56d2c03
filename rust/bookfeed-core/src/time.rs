//! Time units. Every time in the engine is Unix nanoseconds in an `i64`, handed in by the
//! caller: the core never reads a clock, so the same input always gives the same records.

use crate::fixed::eight_digits;

/// Unix time in nanoseconds.
pub type Nanos = i64;

/// One microsecond.
pub(crate) const MICROSECOND: Nanos = 1_000;
/// One millisecond.
pub(crate) const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;

/// Reads a venue's decimal milliseconds (`1790658674035`), as text or number.
///
/// `None` for anything else, or beyond the years an `i64` of nanoseconds can hold.
#[inline(always)]
#[must_use]
pub fn parse_millis(text: &[u8]) -> Option<Nanos> {
    if let Ok(thirteen) = <&[u8; 13]>::try_from(text) {
        return thirteen_digits(thirteen)?.checked_mul(MILLISECOND);
    }
    if text.is_empty() || text.len() > 13 {
        return None;
    }
    let mut millis: i64 = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        millis = millis * 10 + i64::from(digit);
    }
    millis.checked_mul(MILLISECOND)
}

/// The venue's times have thirteen digits until the year 2286: two overlapping words.
#[inline(always)]
fn thirteen_digits(text: &[u8; 13]) -> Option<i64> {
    let word =
        |chunk: Option<&[u8; 8]>| chunk.map_or(0, |c| u64::from_le_bytes(*c) ^ 0x3030_3030_3030_3030);
    let (first, last) = (word(text.first_chunk()), word(text.last_chunk()));
    let over_nine = |w: u64| (w | w.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0;
    if over_nine(first) || over_nine(last) {
        return None;
    }
    i64::try_from(eight_digits(first) * 100_000 + eight_digits(last) % 100_000).ok()
}

#[cfg(test)]
mod tests {
    use super::parse_millis;

    #[test]
    fn reads_plain_millis_only() {
        assert_eq!(parse_millis(b"1790658674035"), Some(1_790_658_674_035_000_000));
        assert_eq!(parse_millis(b"0"), Some(0));
        for bad in [
            &b""[..],
            b"-1",
            b"17906586740a5",
            b"x790658674035",
            b"179065867403\xb5",
            b"1.5",
            b"17906586740350",
            b"abc",
        ] {
            assert_eq!(parse_millis(bad), None);
        }
        assert_eq!(parse_millis(b"9999999999999"), None);
    }
}
