//! Decimals read in words instead of digit by digit: for venues that print every number with all
//! its decimals (`61685.99000000`).

use crate::fixed::{Decimal, Form, eight_digits};
use wide::{CmpEq, i8x16};

/// Bytes looked at: sixteen in which the number ends, and a word from any place among them.
const WINDOW: usize = 24;
/// The highest bit of each byte of a word.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
/// The character `0` in each byte of a word.
pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Reads a decimal of at most eight digits before and behind its point, and the byte `END`
/// behind it, which must be among the first sixteen; `None` declines anything else. Units of
/// 10^-`SCALE`, eight or nine.
///
/// Returns the decimal and how many bytes it took, `END` included.
#[inline(always)]
pub(super) fn decimal_until<const SCALE: u32, const END: u8>(text: &[u8]) -> Option<(Decimal, usize)> {
    const { assert!(SCALE == 8 || SCALE == 9) }
    let padded;
    let window = if let Some(window) = text.first_chunk() {
        window
    } else {
        padded = pad(text);
        &padded
    };
    let window: &[u8; WINDOW] = window;
    let bytes: i8x16 = bytemuck::cast(*window.first_chunk::<16>()?);
    let (end, point) = (first_of::<END>(bytes), first_of::<b'.'>(bytes));
    let pointed = point < end;
    let (whole, fraction) = if pointed { (point, end - point - 1) } else { (end, 0) };
    if end > 15 || !(1..=8).contains(&whole) || fraction > 8 || (pointed && fraction == 0) {
        return None;
    }
    // The first digit stands in the lowest byte: shifting up leaves as many leading zeros as
    // digits are missing, and masking as many trailing ones.
    let before = (word(window)? ^ ZEROS).wrapping_shl(missing(whole));
    let behind = match fraction {
        0 => 0,
        _ => (word(&window[whole + 1..])? ^ ZEROS) & u64::MAX.wrapping_shr(missing(fraction)),
    };
    let superfluous = whole > 1 && window[0] == b'0';
    if superfluous || (above_nine(before) | above_nine(behind)) & HIGH_BITS != 0 {
        return None;
    }
    // At most sixteen digits, and one more for the scale: they fit.
    let digits = eight_digits(before) * 100_000_000 + eight_digits(behind);
    let value = (digits * 10u64.pow(SCALE - 8)).cast_signed();
    #[allow(clippy::cast_possible_truncation)] // at most eight
    let form = Form::with_fraction(fraction as u8);
    Some((Decimal { value, form }, end + 1))
}

/// Reads pairs of a price and a size, `["61685.99000000","1.25869000"]`, up to the end of their
/// array, and hands each to `push`. Each number has one to seven digits in front of its point and
/// eight behind it; `None` declines anything else, when some may have been handed over already.
///
/// Returns how many bytes were taken, the end of the array included.
#[inline(always)]
pub(super) fn quoted_pairs(text: &[u8], mut push: impl FnMut(Decimal, Decimal)) -> Option<usize> {
    let mut at: usize = 0;
    loop {
        let rest = text.get(at..)?;
        let padded;
        let window = if let Some(window) = rest.first_chunk() {
            window
        } else {
            padded = pad(rest);
            &padded
        };
        let pair = quoted_pair(window)?;
        push(pair.price, pair.size);
        at = at.wrapping_add(pair.taken);
        if pair.last {
            return Some(at);
        }
    }
}

/// A price and a size, how many bytes they took with what stands behind them, and whether that
/// is the end of the array.
struct Pair {
    price: Decimal,
    size: Decimal,
    taken: usize,
    last: bool,
}

/// Both numbers of a pair in one window, longer than they can be.
#[inline(always)]
fn quoted_pair(window: &[u8; 48]) -> Option<Pair> {
    let price = with_eight_decimals(window, 2)?;
    let size = with_eight_decimals(window, price.end + 3)?;
    let begin = u16::from_le_bytes([window[0], window[1]]) ^ u16::from_le_bytes(*b"[\"");
    let between = four(window, price.end)? & 0x00ff_ffff ^ u32::from_le_bytes(*b"\",\"\0");
    // Behind the size, its quote and bracket: a comma or another bracket.
    let behind = four(window, size.end)? & 0x00ff_ffff;
    let last = behind == u32::from_le_bytes(*b"\"]]\0");
    let more = behind == u32::from_le_bytes(*b"\"],\0");
    let astray = u64::from(begin) | u64::from(between) | u64::from(!(last | more));
    if astray | ((price.bad | size.bad) & HIGH_BITS) != 0 {
        return None;
    }
    // At most fifteen digits, and one more for the scale of prices: they fit.
    let decimal = |units: u64| Decimal { value: units.cast_signed(), form: Form::with_fraction(8) };
    let (price, size, taken) =
        (decimal(price.units.wrapping_mul(10)), decimal(size.units), size.end + 3);
    Some(Pair { price, size, taken, last })
}

/// A decimal in units of 1e-8.
struct Units {
    units: u64,
    /// Where it ends in the window.
    end: usize,
    /// Has a high bit where something is no digit, or a zero stands in front of digits.
    bad: u64,
}

/// The decimal that begins at `at`; `None` if no point is among its first eight bytes.
#[inline(always)]
fn with_eight_decimals(window: &[u8; 48], at: usize) -> Option<Units> {
    let first = word(&window[at..])?;
    // The lowest of the high bits that are set marks the point: a zero byte borrows from above.
    let points = first ^ 0x2e2e_2e2e_2e2e_2e2e;
    let found = points.wrapping_sub(0x0101_0101_0101_0101) & !points & HIGH_BITS;
    if found == 0 {
        return None;
    }
    let bits = found.trailing_zeros() & !7;
    let whole = (bits / 8) as usize;
    let behind = word(&window[at + whole + 1..])? ^ ZEROS;
    // No digit in front of the point leaves the point among the digits.
    let before = (first ^ ZEROS).wrapping_shl(64u32.wrapping_sub(bits));
    let superfluous = u64::from(first & 0xff == u64::from(b'0')) & u64::from(whole != 1);
    Some(Units {
        units: eight_digits(before).wrapping_mul(100_000_000).wrapping_add(eight_digits(behind)),
        end: at + whole + 9,
        bad: superfluous << 63 | above_nine(before) | above_nine(behind),
    })
}

/// The end of a text, and zero bytes behind it.
#[cold]
#[inline(never)]
fn pad<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut window = [0; N];
    for (to, from) in window.iter_mut().zip(text) {
        *to = *from;
    }
    window
}

/// Bits of a word that so many digits, one to eight, leave free.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
const fn missing(digits: usize) -> u32 {
    64u32.wrapping_sub((digits as u32).wrapping_mul(8))
}

/// Where a byte stands for the first time; 16 if it does not.
#[inline(always)]
fn first_of<const BYTE: u8>(bytes: i8x16) -> usize {
    let found = bytes.cmp_eq(i8x16::splat(BYTE.cast_signed())).move_mask();
    (found | 1 << 16).trailing_zeros() as usize
}

#[inline(always)]
fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[inline(always)]
fn four(window: &[u8; 48], at: usize) -> Option<u32> {
    window.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The high bit of each byte that is above nine; the others mean nothing.
#[inline(always)]
const fn above_nine(word: u64) -> u64 {
    word | word.wrapping_add(0x7676_7676_7676_7676)
}

/// The highest bit of each byte that is no digit's value, up to the first such byte and of plain
/// ASCII behind it.
#[inline(always)]
pub(super) const fn not_digits(values: u64) -> u64 {
    (values | values.wrapping_add(0x7676_7676_7676_7676)) & HIGH_BITS
}

/// The number that up to eight digits at the beginning of `text` make, and how many they are;
/// `None` if there is none, or something else than digits does not follow within a word.
#[inline(always)]
pub(super) fn leading_number(text: &[u8]) -> Option<(u64, usize)> {
    let values = u64::from_le_bytes(*text.first_chunk()?) ^ ZEROS;
    let length = not_digits(values).trailing_zeros() & !7;
    if length == 0 || length >= 64 || (length > 8 && values & 0xff == 0) {
        return None;
    }
    Some((eight_digits(values << (64 - length)), length as usize / 8))
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
        assert_eq!(read, 10);
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

    fn pairs(text: &[u8]) -> Option<(Vec<(Decimal, Decimal)>, usize)> {
        let mut pairs = Vec::new();
        let taken = quoted_pairs(text, |price, size| pairs.push((price, size)))?;
        Some((pairs, taken))
    }

    #[test]
    fn pairs_are_what_their_two_numbers_are() {
        let numbers = ["61685.99000000", "1.25869000", "0.00000000", "1234567.12345678", "7.00000001"];
        let odd = [
            "0.1",
            "12345678.00000000",
            "01.00000000",
            "1.0000000.",
            "1.000000001",
            ".00000000",
            "1.0000000",
            "1",
            "",
            ".5",
            "5.",
            "01.5",
            "123456789.5",
            "0.123456789",
            "1.2.3",
            "1e5.0",
            "-1.5",
            "1,5",
        ];
        let all = [&numbers[..], &odd].concat();
        let mut read = 0;
        for (price, size) in all.iter().flat_map(|p| all.iter().map(move |s| (p, s))) {
            let text = format!(r#"["{price}","{size}"],["0.50000000","1.00000000"]],"a":[]"#);
            let Some((pairs, taken)) = pairs(text.as_bytes()) else { continue };
            assert_eq!(&text[taken..], r#","a":[]"#);
            assert_eq!(pairs.len(), 2);
            assert_eq!(Ok(pairs[0].0), parse_price(price.as_bytes()), "{text}");
            assert_eq!(Ok(pairs[0].1), parse_qty(size.as_bytes()), "{text}");
            read += 1;
        }
        assert_eq!(read, numbers.len() * numbers.len());
    }

    #[test]
    fn any_byte_changed_in_a_pair_is_noticed() {
        let text = br#"["61685.99000000","1.25869000"]]"#;
        for behind in [&b""[..], b",\"a\":[[\"61686.00000000\",\"2.44807000\"]]}}"] {
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut bytes = [text, behind].concat();
                    bytes[at] = byte;
                    let Some((pairs, taken)) = pairs(&bytes) else { continue };
                    let inner = std::str::from_utf8(&bytes[2..taken - 3]).unwrap();
                    let (price, size) = inner.split_once("\",\"").unwrap();
                    assert_eq!(Ok(pairs[0].0), parse_price(price.as_bytes()), "{inner}");
                    assert_eq!(Ok(pairs[0].1), parse_qty(size.as_bytes()), "{inner}");
                    assert_eq!((pairs.len(), &bytes[taken - 2..taken]), (1, &b"]]"[..]));
                }
            }
        }
        assert!(pairs(text).is_some());
        assert!((0..text.len()).all(|cut| pairs(&text[..cut]).is_none()));
    }

    #[test]
    fn the_end_of_the_text_may_follow_at_once() {
        for (text, taken) in [(&b"1.5\""[..], 4), (b"61685.99000000\"", 15), (b"7\"]]}}", 2)] {
            let found = decimal_until::<9, b'"'>(text).unwrap();
            assert_eq!((Ok(found.0), found.1), (parse_price(&text[..taken - 1]), taken));
            assert_eq!(decimal_until::<9, b'"'>(&text[..taken - 1]), None);
        }
    }
}
