//! Every short text over the characters that matter, and random ones, as a decimal: against a
//! reading with arbitrary places in 128 bits, in value and in what is refused.

use crate::support::Rng;
use bookfeed_core::fixed::{parse_price, parse_qty, parse_signed, quoted_unsigned, write_decimal};

const CHARACTERS: &[u8; 17] = b"0123456789-+.eE_ ";

/// The value in units of 10^-`places`, if the text is a plain decimal that fits exactly.
fn oracle(text: &[u8], places: usize) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None if text.is_empty() => return None,
        None => (text, ""),
    };
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let zero = whole.len() > 1 && whole.starts_with('0');
    // Texts of absurd length are refused whatever they say.
    if !plain(whole) || !plain(fraction) || zero || whole.len() > 18 || fraction.len() > 31 {
        return None;
    }
    let kept = fraction.trim_end_matches('0');
    let digits: i128 = format!("0{whole}{kept:0<places$}").parse().ok()?;
    (kept.len() <= places && text.len() <= 40).then(|| i64::try_from(digits).ok()).flatten()
}

fn same(text: &[u8]) {
    let (price, qty) = (parse_price(text).ok(), parse_qty(text).ok());
    let shown = || String::from_utf8_lossy(text).into_owned();
    assert_eq!(price.map(|d| d.value), oracle(text, 9), "{:?}", shown());
    assert_eq!(qty.map(|d| d.value), oracle(text, 8), "{:?}", shown());
    if let Some(decimal) = price {
        let mut printed = Vec::new();
        write_decimal(&mut printed, decimal.value, 9, decimal.form);
        assert_eq!(printed, text, "printed as it was read");
    }
    let mut quoted = [text, b"\""].concat();
    quoted.resize(quoted.len() + 24, b' ');
    if let Some((decimal, taken)) = quoted_unsigned::<8>(&quoted) {
        assert_eq!((Some(decimal), taken), (qty, text.len() + 1), "{:?}", shown());
    }
    let signed = match text.split_first() {
        Some((b'-', magnitude)) => oracle(magnitude, 8).map(|v| -v),
        _ => oracle(text, 8),
    };
    assert_eq!(parse_signed::<8>(text).ok().map(|d| d.value), signed, "{:?}", shown());
}

fn every_text_of(length: u32) {
    let mut text = vec![0; usize::try_from(length).unwrap()];
    for number in 0..17usize.pow(length) {
        let mut rest = number;
        for byte in &mut text {
            *byte = CHARACTERS[rest % 17];
            rest /= 17;
        }
        same(&text);
    }
}

#[test]
fn every_short_text_is_read_or_refused_as_it_should_be() {
    (0..=4).for_each(every_text_of);
}

#[test]
#[ignore = "long: 25 million texts"]
fn every_text_of_six_characters() {
    (5..=6).for_each(every_text_of);
}

#[test]
fn long_texts_are_read_or_refused_as_they_should_be() {
    let mut rng = Rng(4);
    for _ in 0..100_000 {
        let mut text: Vec<u8> =
            (0..rng.below(45)).map(|_| b'0' + u8::try_from(rng.below(10)).unwrap()).collect();
        let insert = rng.below(3);
        for _ in 0..insert {
            let at = rng.below(text.len() + 1);
            text.insert(at, if rng.once_in(4) { *rng.pick(CHARACTERS) } else { b'.' });
        }
        if rng.once_in(3) {
            let at = rng.below(text.len() + 1);
            text[at..].fill(b'0');
        }
        same(&text);
    }
}
