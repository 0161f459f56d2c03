//! Any text as a decimal, against reading it with arbitrary places in 128 bits.
#![no_main]

use bookfeed_core::fixed::{parse_price, parse_qty, parse_signed, quoted_unsigned, write_decimal};
use bookfeed_core::time::parse_millis;
use libfuzzer_sys::fuzz_target;

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
    if !plain(whole) || !plain(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    // Texts of absurd length are refused whatever they say.
    if text.len() > 40 || whole.len() > 18 || fraction.len() > 31 {
        return None;
    }
    let kept = fraction.trim_end_matches('0');
    if kept.len() > places {
        return None;
    }
    let digits: i128 = format!("0{whole}{kept:0<places$}").parse().ok()?;
    i64::try_from(digits).ok()
}

fn same(text: &[u8]) {
    let (price, qty) = (parse_price(text).ok(), parse_qty(text).ok());
    assert_eq!(price.map(|d| d.value), oracle(text, 9));
    assert_eq!(qty.map(|d| d.value), oracle(text, 8));
    if let Some(decimal) = price {
        let mut printed = Vec::new();
        write_decimal(&mut printed, decimal.value, 9, decimal.form);
        assert_eq!(printed, text, "printed as it was read");
    }
    let minus = [b"-", text].concat();
    assert_eq!(parse_signed::<8>(&minus).ok().map(|d| d.value), oracle(text, 8).map(|v| -v));
    let plain = !text.is_empty() && text.len() <= 13 && text.iter().all(u8::is_ascii_digit);
    let millis = plain.then(|| std::str::from_utf8(text).unwrap().parse::<i64>().unwrap());
    assert_eq!(parse_millis(text), millis.and_then(|m| m.checked_mul(1_000_000)));
    let mut quoted = [text, b"\"}"].concat();
    quoted.resize(quoted.len() + 24, b' ');
    if text.contains(&b'"') {
        return; // the fast reader stops at the first quote
    }
    if let Some((decimal, taken)) = quoted_unsigned::<9>(&quoted) {
        assert_eq!((Some(decimal), taken), (price, text.len() + 1));
    }
    if let Some((decimal, taken)) = quoted_unsigned::<8>(&quoted) {
        assert_eq!((Some(decimal), taken), (qty, text.len() + 1));
    }
}

fuzz_target!(|data: &[u8]| {
    same(data);
    // The same bytes as a text of nothing but what decimals are made of.
    let near: Vec<u8> = data.iter().map(|b| b"0123456789.0.59-"[usize::from(b & 15)]).collect();
    same(&near);
});
