//! Decimals read in words instead of digit by digit: for venues that print every number with all
//! its decimals (`61685.99000000`).

use crate::fixed::{Decimal, Form, eight_digits};
use wide::{CmpEq, i8x16};

/// The character `0` in each byte of a word.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Reads a decimal of at most eight digits before and behind its point, and the byte `END`
/// behind it, which must be among the first sixteen; `None` declines anything else, and what
/// stands too near the end of the text. Units of 10^-`SCALE`, eight or more.
///
/// Returns the decimal and how many bytes it took, `END` included.
#[inline(always)]
pub(super) fn decimal_until<const SCALE: u32, const END: u8>(text: &[u8]) -> Option<(Decimal, usize)> {
    const { assert!(SCALE == 8 || SCALE == 9) }
    let window: &[u8; 24] = text.first_chunk()?;
    let bytes: i8x16 = bytemuck::cast(*window.first_chunk::<16>()?);
    let first = |byte: u8| {
        let found = bytes.cmp_eq(i8x16::splat(byte.cast_signed())).move_mask();
        found.trailing_zeros() as usize
    };
    let (end, point) = (first(END), first(b'.'));
    let pointed = point < end;
    let (whole, fraction) = if pointed { (point, end - point - 1) } else { (end, 0) };
    if !(1..=8).contains(&whole) || fraction > 8 || (pointed && fraction == 0) {
        return None;
    }
    // The first digit stands in the lowest byte: shifting up leaves as many leading zeros as
    // digits are missing, and masking as many trailing ones.
    let before = (word(window, 0)? ^ ZEROS) << (64 - 8 * whole);
    let behind = match fraction {
        0 => 0,
        _ => (word(window, whole + 1)? ^ ZEROS) & (u64::MAX >> (64 - 8 * fraction)),
    };
    let superfluous = whole > 1 && window[0] == b'0';
    if superfluous || over_nine(before) || over_nine(behind) {
        return None;
    }
    // At most sixteen digits, and one more for the scale: they fit.
    let digits = eight_digits(before) * 100_000_000 + eight_digits(behind);
    let value = (digits * 10u64.pow(SCALE - 8)).cast_signed();
    #[allow(clippy::cast_possible_truncation)] // at most eight
    let form = Form::with_fraction(fraction as u8);
    Some((Decimal { value, form }, end + 1))
}

#[inline(always)]
fn word(window: &[u8; 24], at: usize) -> Option<u64> {
    window.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Whether any byte of a word is above nine.
#[inline(always)]
const fn over_nine(word: u64) -> bool {
    (word | word.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{parse_price, parse_qty};

    #[test]
    fn it_reads_what_the_strict_reader_reads_or_declines() {
        let texts = [
            "0",
            "1",
            "7.5",
            "0.00000001",
            "61685.99000000",
            "0.00000000",
            "99999999",
            "12345678",
            "00",
            "01.5",
            "1.",
            ".5",
            "",
            "-1",
            "+1",
            "1e5",
            "1.2.3",
            "1..2",
            "1_0",
            "0x1",
            "9/9",
            "9:9",
            "1.23456789a",
            "123456789",
            "0.123456789",
            "1.5 ",
            "\u{e9}5",
            "12345678.1234567",
            "12345678.12345678",
            "10.0",
            "000.5",
            "1.000",
        ];
        let mut read = 0;
        for text in texts {
            let strict = (parse_price(text.as_bytes()).ok(), parse_qty(text.as_bytes()).ok());
            let quoted = format!("{text}\",\"1.25869000\"],[");
            let price = decimal_until::<9, b'"'>(quoted.as_bytes());
            let qty = decimal_until::<8, b'"'>(quoted.as_bytes());
            assert_eq!(price.is_some(), qty.is_some(), "{text}");
            let Some(((price, taken), (qty, _))) = price.zip(qty) else { continue };
            assert_eq!((Some(price), Some(qty), taken), (strict.0, strict.1, text.len() + 1), "{text}");
            read += 1;
        }
        assert_eq!(read, 11);
    }

    #[test]
    fn any_digits_and_any_byte_among_them() {
        let mut state = 1u64;
        let mut below = |n: u64| {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut read = 0;
        for _ in 0..200_000 {
            let whole = 10u64.pow(u32::try_from(below(9)).unwrap());
            let mut text = format!("{}", below(whole));
            if below(5) > 0 {
                let digits = usize::try_from(1 + below(8)).unwrap();
                text += &format!(".{:0digits$}", below(10u64.pow(u32::try_from(digits).unwrap())));
            }
            let mut bytes = [text.as_bytes(), &b",\"qty\":0.10000000},{"[..]].concat();
            if below(3) == 0 {
                let at = usize::try_from(below(text.len() as u64 + 1)).unwrap();
                bytes[at] = u8::try_from(below(256)).unwrap();
            }
            let Some((found, taken)) = decimal_until::<9, b','>(&bytes) else { continue };
            assert_eq!(Ok(found), parse_price(&bytes[..taken - 1]), "{text}");
            assert_eq!(bytes[taken - 1], b',');
            read += 1;
        }
        assert!(read > 130_000, "{read}");
    }

    #[test]
    fn nothing_is_read_near_the_end() {
        assert_eq!(decimal_until::<9, b'"'>(b"1.5\",\"1.25869000\"]}}}}"), None);
        assert!(decimal_until::<9, b'"'>(b"1.5\",\"1.25869000\"]}}}}}}").is_some());
    }
}
