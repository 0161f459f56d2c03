//! Prices of references, exactly: whole numbers of 1e-18, which is how Chainlink states them.
//!
//! They are wider than a [`crate::fixed::Price`], so they are kept beside it: the price is the
//! nearest multiple of 1e-9.

use crate::fixed::Price;

/// Decimal places of an [`Exact`].
const PLACES: i32 = 18;
/// Largest power of ten that 128 bits hold.
const POWER_MAX: u32 = 38;
/// One millionth: two spellings of one number differ by less, two numbers of another scale by more.
const MILLION: i128 = 1_000_000;

/// A number in units of 1e-18, and whether it was rounded to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact {
    /// The number, 1e-18.
    pub value: i128,
    /// Whether it had more decimal places.
    pub rounded: bool,
}

/// Reads a decimal as JSON and venues write it: a sign, digits, a fraction, an exponent.
///
/// `None` for anything else, and for what does not fit.
#[must_use]
pub fn decimal(text: &[u8]) -> Option<Exact> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let marks = |byte: &u8| matches!(byte, b'e' | b'E');
    let (digits, exponent) = match text.iter().position(marks) {
        Some(at) => (text.get(..at)?, exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let point = digits.iter().position(|&b| b == b'.').unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    if whole.is_empty() || (point < digits.len() && fraction.is_empty()) {
        return None;
    }
    let value = fraction.iter().try_fold(digits_of(whole)?, next_digit)?;
    let places = i32::try_from(fraction.len()).ok()?;
    let exact = scaled(value, PLACES - places + exponent)?;
    let sign = if negative { -1 } else { 1 };
    Some(Exact { value: sign * exact.value, rounded: exact.rounded })
}

/// Reads a whole number of 1e-18.
#[must_use]
pub fn whole(text: &[u8]) -> Option<Exact> {
    let (sign, digits) = text.strip_prefix(b"-").map_or((1, text), |digits| (-1, digits));
    let value = digits_of(digits).filter(|_| !digits.is_empty())?;
    Some(Exact { value: sign * value, rounded: false })
}

/// The number that digits make, nothing else among them.
fn digits_of(digits: &[u8]) -> Option<i128> {
    digits.iter().try_fold(0, next_digit)
}

fn next_digit(value: i128, byte: &u8) -> Option<i128> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(())?;
    value.checked_mul(10)?.checked_add(i128::from(digit))
}

/// Whether two spellings are of one number, as far as a double can say.
#[must_use]
pub fn agree(one: i128, other: i128) -> bool {
    let (apart, size) = (one.abs_diff(other), one.unsigned_abs().max(other.unsigned_abs()));
    // Anything below a picodollar is the rounding of what is printed.
    apart <= MILLION.unsigned_abs() || apart <= size / MILLION.unsigned_abs()
}

/// The nearest price, ties to the even one, and whether it is exactly the number.
#[must_use]
pub fn price(value: i128) -> Option<(Price, bool)> {
    let (price, rounded) = divided(value, 1_000_000_000);
    Some((i64::try_from(price).ok()?, rounded))
}

/// The nearest quantity of 1e-8, ties to the even one.
#[must_use]
pub fn qty(value: i128) -> Option<i64> {
    i64::try_from(divided(value, 10_000_000_000).0).ok()
}

fn exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        (b'+', rest) => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || digits.len() > 3 {
        return None;
    }
    let mut value = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i32::from(digit);
    }
    Some(sign * value)
}

/// `value` times ten to `power`, rounded where that is negative.
fn scaled(value: i128, power: i32) -> Option<Exact> {
    let by = power.unsigned_abs();
    if power >= 0 {
        let value = if value == 0 { 0 } else { value.checked_mul(10i128.checked_pow(by)?)? };
        return Some(Exact { value, rounded: false });
    }
    if by > POWER_MAX {
        return Some(Exact { value: 0, rounded: value != 0 });
    }
    let (value, rounded) = divided(value, 10i128.pow(by));
    Some(Exact { value, rounded })
}

/// The quotient to the nearest, ties to the even one, and whether anything was left.
fn divided(value: i128, by: i128) -> (i128, bool) {
    let (floor, rest) = (value.div_euclid(by), value.rem_euclid(by));
    let (above, half) = (rest > by / 2, rest == by / 2 && by % 2 == 0);
    let up = above || (half && floor % 2 != 0);
    (floor + i128::from(up), rest != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<i128> {
        decimal(text.as_bytes()).map(|e| e.value)
    }

    #[test]
    fn reads_what_is_printed_and_nothing_else() {
        let one = 10i128.pow(18);
        for (text, value) in [
            ("79697.73000000", 7_969_773 * one / 100),
            ("79696.94817428796", 7_969_694_817_428_796 * one / 100_000_000_000),
            ("0", 0),
            ("-37.63", -3_763 * one / 100),
            ("1e-05", one / 100_000),
            ("1.5E+3", 1_500 * one),
            ("0e999", 0),
            ("1e-18", 1),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
        }
        let bad = ["", "-", ".5", "5.", "+1", "1_0", "0x1", "NaN", "1e", "1e+", "1e1000", "1.2.3", " 1"];
        for text in bad.into_iter().chain(["1e21", "999999999999999999999999999999999999999"]) {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("\u{661}"), None);
    }

    #[test]
    fn what_has_more_places_is_rounded_to_even_and_says_so() {
        for (text, value, rounded) in [
            ("0.0000000000000000015", 2, true),
            ("0.0000000000000000025", 2, true),
            ("0.0000000000000000026", 3, true),
            ("1e-19", 0, true),
            ("1e-400", 0, true),
            ("0.0000000000000000010", 1, false),
        ] {
            assert_eq!(decimal(text.as_bytes()), Some(Exact { value, rounded }), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_of_the_smallest_unit() {
        let text = b"79696948174287960000000";
        assert_eq!(whole(text).unwrap().value, 79_696_948_174_287_960_000_000);
        assert_eq!(whole(b"-5").unwrap().value, -5);
        assert_eq!((whole(b"1.5"), whole(b""), whole(b"-"), whole(b"1e3")), (None, None, None, None));
    }

    #[test]
    fn the_nearest_price_is_even_at_a_tie() {
        assert_eq!(price(79_696_948_174_287_960_000_000), Some((79_696_948_174_288, true)));
        assert_eq!(price(1_500_000_000), Some((2, true)));
        assert_eq!(price(2_500_000_000), Some((2, true)));
        assert_eq!(price(-1_500_000_000), Some((-2, true)));
        assert_eq!(price(3_000_000_000), Some((3, false)));
        assert_eq!(price(i128::MAX), None);
        assert_eq!(qty(25 * 10i128.pow(17)), Some(250_000_000));
    }

    #[test]
    fn another_scale_is_another_number() {
        let exact = 79_696_948_174_287_960_000_000;
        assert!(agree(exact, read("79696.94817428796").unwrap()));
        assert!(!agree(exact, exact * 10) && !agree(exact, exact / 1_000_000_000));
        assert!(!agree(exact, -exact) && agree(0, 0));
    }
}
