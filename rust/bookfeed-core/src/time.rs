//! Time units. Every time in the engine is Unix nanoseconds in an `i64`, handed in by the
//! caller: the core never reads a clock, so the same input always gives the same records.

/// Unix time in nanoseconds.
pub type Nanos = i64;

/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;

/// Reads a venue's decimal milliseconds (`1790658674035`), as text or number.
///
/// `None` for anything else, or beyond the years an `i64` of nanoseconds can hold.
#[inline]
#[must_use]
pub fn parse_millis(text: &[u8]) -> Option<Nanos> {
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

#[cfg(test)]
mod tests {
    use super::parse_millis;

    #[test]
    fn reads_plain_millis_only() {
        assert_eq!(parse_millis(b"1790658674035"), Some(1_790_658_674_035_000_000));
        assert_eq!(parse_millis(b"0"), Some(0));
        for bad in [&b""[..], b"-1", b"1.5", b"17906586740350", b"abc"] {
            assert_eq!(parse_millis(bad), None);
        }
        assert_eq!(parse_millis(b"9999999999999"), None);
    }
}
