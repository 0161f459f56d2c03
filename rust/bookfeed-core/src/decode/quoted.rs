//! Numbers between quotes, as venues of contracts spell them, and levels made of them: each is read
//! as a word or two, and what is spelled otherwise is declined.

use super::digits::{ZEROS, leading_number, not_digits};
use crate::event::Level;
use crate::fixed::{Decimal, Form, eight_digits};

/// Reads `0.441"`, a decimal below one of at most five places, and the quote behind it, in units of
/// 1e-9; `None` declines anything else.
///
/// Returns the decimal and how many bytes it took.
#[inline(always)]
pub(super) fn quoted_below_one(text: &[u8; 8]) -> Option<(Decimal, usize)> {
    let word = u64::from_le_bytes(*text);
    #[allow(clippy::cast_possible_truncation)] // the places
    let values = (word >> 16) as u32 ^ 0x3030_3030;
    let others = (values | values.wrapping_add(0x7676_7676)) & 0x8080_8080;
    let (hundreds, tens, ones) = (values & 0xff, values >> 8 & 0xff, values >> 16 & 0xff);
    let decimal = |units: u32, places| {
        let value = i64::from(units).wrapping_mul(1_000_000);
        Decimal { value, form: Form::with_fraction(places) }
    };
    // Thousandths and hundredths are the usual ticks; zeros at the end are not printed.
    if word & 0x0000_ff00_0000_ffff == 0x0000_2200_0000_2e30 && others & 0x0080_8080 == 0 {
        let thousandths =
            hundreds.wrapping_mul(100).wrapping_add(tens.wrapping_mul(10)).wrapping_add(ones);
        return Some((decimal(thousandths, 3), 6));
    }
    if word & 0x0000_00ff_0000_ffff == 0x0000_0022_0000_2e30 && others & 0x8080 == 0 {
        let thousandths = hundreds.wrapping_mul(100).wrapping_add(tens.wrapping_mul(10));
        return Some((decimal(thousandths, 2), 5));
    }
    if word & 0xff00_ffff == 0x2200_2e30 && others & 0x80 == 0 {
        return Some((decimal(hundreds.wrapping_mul(100), 1), 4));
    }
    below_one_of_other_places(word)
}

/// The same of any places that fit.
#[inline(never)]
fn below_one_of_other_places(word: u64) -> Option<(Decimal, usize)> {
    let values = word >> 16 ^ ZEROS >> 16;
    // The bits of the places: those below the first byte that is no digit.
    let end = not_digits(values).trailing_zeros() & !7;
    let quoted = word.wrapping_shr(end.wrapping_add(16)) & 0xff == u64::from(b'"');
    if word & 0xffff != 0x2e30 || !(8..=40).contains(&end) || !quoted {
        return None;
    }
    let places = end / 8;
    // As many zeros follow as are missing from eight digits.
    let value = eight_digits(values & (1u64.wrapping_shl(end).wrapping_sub(1))).wrapping_mul(10);
    #[allow(clippy::cast_possible_truncation)] // at most five
    let form = Form::with_fraction(places as u8);
    Some((Decimal { value: value.cast_signed(), form }, places as usize + 3))
}

/// The digits behind a point, as far as they are ones: in units of 1e-8, and how many there are. None
/// and seven are both taken; `None` if there are more.
#[inline(always)]
fn digits_behind_point(text: &[u8]) -> Option<(u64, usize)> {
    let values = u64::from_le_bytes(*text.first_chunk()?) ^ ZEROS;
    let bits = not_digits(values).trailing_zeros() & !7;
    // As many zeros follow as are missing from eight digits.
    let digits = values & 1u64.wrapping_shl(bits).wrapping_sub(1);
    (bits < 64).then_some((eight_digits(digits), bits as usize / 8))
}

/// Reads `1250.75"`, a size of at most seven digits on either side of its point, or without one, and
/// the quote behind it; `None` declines anything else.
///
/// Returns the decimal and how many bytes it took.
#[inline(always)]
pub(super) fn quoted_size(text: &[u8; 24]) -> Option<(Decimal, usize)> {
    let word = u64::from_le_bytes(*text.first_chunk()?);
    let values = word ^ ZEROS;
    let bits = not_digits(values).trailing_zeros() & !7;
    if !(8..64).contains(&bits) || (bits > 8 && values & 0xff == 0) {
        return None;
    }
    let (whole, length) = (eight_digits(values << (64 - bits)), bits as usize / 8);
    let pointed = (word >> bits) & 0xff == u64::from(b'.');
    let (units, places) = digits_behind_point(text.get(length + 1..)?)?;
    // Without a point, what was read behind it is something else.
    let (units, places) = if pointed { (units, places) } else { (0, 0) };
    let end = length + usize::from(pointed) + places;
    if *text.get(end)? != b'"' || (pointed && places == 0) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // at most seven
    let form = Form::with_fraction(places as u8);
    // Fifteen digits.
    let value = whole.wrapping_mul(100_000_000).wrapping_add(units).cast_signed();
    Some((Decimal { value, form }, end + 1))
}

/// Reads `{"price":"0.441","size":"1250.75"},`, a level of a price between nothing and one
/// and at most seven places, and the comma behind it; `None` declines anything else.
///
/// Returns the level and how many bytes it took.
#[inline(always)]
pub(super) fn quoted_level(text: &[u8; 72]) -> Option<(Level, usize)> {
    const PRICE: &[u8; 12] = b"{\"price\":\"0.";
    const SIZE: &[u8; 10] = b"\",\"size\":\"";
    let (begin, rest) = text.split_first_chunk()?;
    let (units, places) = digits_behind_point(rest)?;
    let (name, rest) = rest.get(places..)?.split_first_chunk()?;
    if begin != PRICE || units == 0 || name != SIZE {
        return None;
    }
    let (size, length) = quoted_size(rest.first_chunk()?)?;
    if rest.get(length..)?.first_chunk()? != b"}," {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // at most seven
    let form = Form::with_fraction(places as u8);
    let price = units.wrapping_mul(10).cast_signed();
    let level = Level { price, qty: size.value, forms: (form, size.form) };
    Some((level, PRICE.len() + places + SIZE.len() + length + 2))
}

/// Reads `0.4410"`, a price with four decimals and its quote, in ten-thousandths; seven bytes.
#[inline(always)]
pub(super) fn quoted_ten_thousandths(text: &[u8]) -> Option<u32> {
    let word = u64::from_le_bytes(*text.first_chunk()?);
    #[allow(clippy::cast_possible_truncation)] // the four digits
    let values = (word >> 16) as u32 ^ 0x3030_3030;
    let framed = word & 0x00ff_0000_0000_ffff == 0x0022_0000_0000_2e30;
    if !framed || (values | values.wrapping_add(0x7676_7676)) & 0x8080_8080 != 0 {
        return None;
    }
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    Some((pairs & 0xff) * 100 + (pairs >> 16 & 0xff))
}

/// Reads `1250.75"`, a size with two decimals and its quote, in hundredths, and how many bytes it
/// took; at most seven digits before the point.
#[inline(always)]
pub(super) fn quoted_hundredths(text: &[u8]) -> Option<(u64, usize)> {
    let (whole, length) = leading_number(text)?;
    let word = u32::from_le_bytes(*text.get(length..)?.first_chunk()?);
    let values = (word >> 8 & 0xffff) ^ 0x3030;
    let framed = word & 0xff00_00ff == 0x2200_002e;
    if !framed || (values | values.wrapping_add(0x7676)) & 0x8080 != 0 {
        return None;
    }
    let hundredths = (values & 0xff) * 10 + (values >> 8);
    Some((whole * 100 + u64::from(hundredths), length + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{parse_price, parse_qty};

    #[test]
    fn prices_are_read_as_the_strict_reader_does() {
        let mut read = 0;
        // Every text of three or four of these behind `0.`, then some of other kinds.
        let bytes = b"0159\"./:-e\xe9";
        for number in 0..11usize.pow(5) {
            let tail: Vec<u8> = (0..5).map(|n| bytes[number / 11usize.pow(n) % 11]).collect();
            let text = [b"0.", &tail[..], b"\",\"size\""].concat();
            let Some((price, taken)) = quoted_below_one(text.first_chunk().unwrap()) else { continue };
            assert_eq!(Some(price), parse_price(&text[..taken - 1]).ok());
            assert_eq!(text[taken - 1], b'"');
            read += 1;
        }
        let with_quote: usize = (1..5).map(|places| 4usize.pow(places) * 11usize.pow(4 - places)).sum();
        assert_eq!(read, with_quote + 4usize.pow(5));
        for other in [b"1.5\",\"si", b"0\",\"size", b"0.123456", b"00.5\",\"a", b".5\",\"siz"] {
            assert_eq!(quoted_below_one(other), None);
        }
    }

    #[test]
    fn numbers_of_one_form_are_read_as_the_strict_reader_does() {
        let mut state = 7u64;
        let mut below = |n: u64| {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut read = [0; 3];
        for _ in 0..200_000 {
            let most = 10u64.pow(u32::try_from(1 + below(8)).unwrap());
            let whole = below(most);
            let mut text = match below(3) {
                0 => format!("0.{:04}", below(10_000)),
                1 => format!("{whole}.{:02}", below(100)),
                _ => format!("{whole}"),
            }
            .into_bytes();
            if below(2) == 0 {
                let at = usize::try_from(below(text.len() as u64)).unwrap();
                text[at] = u8::try_from(below(256)).unwrap();
            }
            let quoted = [&text[..], b"\",\"side\""].concat();
            if let Some(price) = quoted_ten_thousandths(&quoted) {
                let strict = parse_price(&text).unwrap().value;
                assert_eq!(i64::from(price) * 100_000, strict, "{text:?}");
                read[0] += 1;
            }
            if let Some((hundredths, taken)) = quoted_hundredths(&quoted) {
                let strict = parse_qty(&text[..taken - 1]).unwrap().value;
                assert_eq!(i64::try_from(hundredths).unwrap() * 1_000_000, strict, "{text:?}");
                read[1] += 1;
            }
            if let Some((number, length)) = leading_number(&quoted) {
                let digits = std::str::from_utf8(&text[..length]).unwrap();
                assert_eq!((number.to_string(), Ok(number)), (digits.to_owned(), digits.parse()));
                read[2] += 1;
            }
        }
        assert!(read.iter().all(|&times| times > 30_000), "{read:?}");
    }

    /// Every text of so many of these bytes.
    fn texts(bytes: &[u8], length: u32) -> impl Iterator<Item = Vec<u8>> {
        (0..bytes.len().pow(length)).map(move |number| {
            (0..length).map(|n| bytes[number / bytes.len().pow(n) % bytes.len()]).collect()
        })
    }

    #[test]
    fn sizes_are_read_as_the_strict_reader_does() {
        let (mut read, mut declined) = (0, 0);
        for begin in [&b""[..], b"123", b"1234567", b"12345678", b"0.12345", b"7.123456", b"1.12345678"]
        {
            for tail in texts(b"059.\"/:\xe9", 4) {
                let text = [begin, &tail[..], b"\"},{\"price\":\"0.441\",\"size\":\"1\""].concat();
                let end = text.iter().position(|&byte| byte == b'"').unwrap();
                let strict = parse_qty(&text[..end]).ok();
                match quoted_size(text.first_chunk().unwrap()) {
                    Some((size, taken)) => {
                        assert_eq!((Some(size), taken), (strict, end + 1), "{text:?}");
                        read += 1;
                    }
                    None => declined += u32::from(strict.is_some()),
                }
            }
        }
        assert!(read > 2_000 && declined > 100, "{read} read, {declined} left to the strict reader");
    }

    #[test]
    fn levels_are_what_their_numbers_are() {
        let behind = br#"{"price":"0.1","size":"1"},{"price":"0.1","size":"1"},{"price":"0.1"}]"#;
        let level = |text: &[u8]| quoted_level([text, behind].concat().first_chunk().unwrap());
        let text = br#"{"price":"0.441","size":"5460.211709"},"#;
        let (known, taken) = level(text).unwrap();
        assert_eq!((known.price, known.qty, taken), (441_000_000, 546_021_170_900, text.len()));
        let mut read = 0;
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut text = *text;
                text[at] = byte;
                let Some((found, taken)) = level(&text) else { continue };
                let inner = std::str::from_utf8(&text[10..taken - 3]).unwrap();
                let (price, size) = inner.split_once(r#"","size":""#).unwrap();
                let (price, size) = (parse_price(price.as_bytes()), parse_qty(size.as_bytes()));
                let (price, size) = (price.unwrap(), size.unwrap());
                assert_eq!((found.price, found.qty), (price.value, size.value), "{inner}");
                assert_eq!(found.forms, (price.form, size.form), "{inner}");
                read += 1;
            }
        }
        // As it is at every place; and with any other of its thirteen digits, but no zero in front.
        assert_eq!(read, text.len() + 13 * 9 - 1);
        for other in [
            &br#"{"price":"1","size":"5"},"#[..],
            br#"{"price":"0.0","size":"5"},"#,
            br#"{"price":"0.5","size":"05"},"#,
            br#"{"price":"0.5","size":"5"}]"#,
            br#"{"price":"0.5", "size":"5"},"#,
            br#"{"price":"0.12345678","size":"5"},"#,
        ] {
            assert_eq!(level(other), None);
        }
    }
}
