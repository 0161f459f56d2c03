//! Fixed-point numbers: checked parsing from ASCII digits, exact printing back.
//!
//! Prices are `i64` of 1e-9 and quantities `i64` of 1e-8; no float is involved anywhere.
//! A venue's hash covers the digits as printed (`0.50` is not `0.5`), so parsing also
//! returns the printed [`Form`], from which the very same text can be written again.

use std::fmt;

/// A price in units of 1e-9 (one nano of the quote currency, or of probability).
pub type Price = i64;
/// A quantity in units of 1e-8.
pub type Qty = i64;

/// Decimal places of a [`Price`].
pub const PRICE_DECIMALS: u32 = 9;
/// Decimal places of a [`Qty`].
pub const QTY_DECIMALS: u32 = 8;
/// One whole price unit (1.0) as a [`Price`].
pub const PRICE_ONE: Price = 1_000_000_000;
/// One whole unit of quantity (1.0) as a [`Qty`].
pub const QTY_ONE: Qty = 100_000_000;
/// "Absent" in fixed-width records, where there is no room for an `Option`.
pub const ABSENT: i64 = i64::MIN;

/// Longest decimal text accepted; venues print at most about 20 characters.
const LONGEST: usize = 40;
pub(crate) const POW10: [u64; 19] = {
    let mut table = [1u64; 19];
    let mut i = 1;
    while i < 19 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// How a decimal was printed: fraction digits (low 5 bits) and whether the integer zero
/// before the point was left out (bit 5: `.48` instead of `0.48`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form(u8);

impl Form {
    /// A form with `digits` fraction digits (at most 31) and a digit before the point.
    #[must_use]
    pub(crate) const fn with_fraction(digits: u8) -> Self {
        Self(digits & 31)
    }

    const fn new(digits: usize, bare: bool) -> Self {
        #[allow(clippy::cast_possible_truncation)] // `digits` is bounded by LONGEST at the caller
        let digits = (digits & 31) as u8;
        Self(digits | if bare { 32 } else { 0 })
    }

    /// Digits printed after the point.
    #[must_use]
    pub(crate) const fn fraction_digits(self) -> u32 {
        (self.0 & 31) as u32
    }

    const fn bare(self) -> bool {
        self.0 & 32 != 0
    }
}

/// A parsed decimal: its value in the caller's scale, and the form it was printed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decimal {
    /// Value in units of the scale asked for.
    pub value: i64,
    /// The printed form.
    pub form: Form,
}

/// Why a text is not a decimal this engine accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalErrorKind {
    /// No digits at all.
    Empty,
    /// A byte that does not belong in a plain decimal (`+`, `e`, `_`, space, a letter…).
    Unexpected,
    /// More integer digits than one zero at the front (`007`).
    LeadingZero,
    /// A sign where only magnitudes are allowed.
    Negative,
    /// More significant fraction digits than the scale holds.
    Inexact,
    /// Does not fit 64 bits, or the text is absurdly long.
    Overflow,
}

/// A refused decimal, with the byte offset inside the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecimalError {
    /// What is wrong.
    pub kind: DecimalErrorKind,
    /// Byte offset of the offending byte within the text.
    pub offset: usize,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DecimalErrorKind::Empty => "no digits",
            DecimalErrorKind::Unexpected => "not a plain decimal (digits with an optional point)",
            DecimalErrorKind::LeadingZero => "superfluous leading zero",
            DecimalErrorKind::Negative => "negative where only a magnitude is allowed",
            DecimalErrorKind::Inexact => "more decimal places than the scale holds",
            DecimalErrorKind::Overflow => "too large",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}

impl std::error::Error for DecimalError {}

#[cold]
const fn refuse(kind: DecimalErrorKind, offset: usize) -> DecimalError {
    DecimalError { kind, offset }
}

/// Parses a magnitude (`0.48`, `.48`, `31.250001`) into units of 10^-`SCALE`.
///
/// # Errors
/// [`DecimalError`] for anything but ASCII digits with at most one point that has a digit
/// behind it: signs, exponents, separators, blanks and non-ASCII digits are refused, and so
/// is a value that the scale cannot hold exactly.
#[inline]
pub fn parse_unsigned<const SCALE: u32>(text: &[u8]) -> Result<Decimal, DecimalError> {
    if text.len() > LONGEST {
        return Err(refuse(DecimalErrorKind::Overflow, LONGEST));
    }
    let mut whole: u64 = 0;
    let mut at = 0;
    while let Some(digit) = digit_at(text, at) {
        if at >= 18 {
            return Err(refuse(DecimalErrorKind::Overflow, at));
        }
        whole = whole * 10 + digit;
        at += 1;
    }
    let whole_digits = at;
    if whole_digits > 1 && text[0] == b'0' {
        return Err(refuse(DecimalErrorKind::LeadingZero, 0));
    }
    if at == text.len() {
        if at == 0 {
            return Err(refuse(DecimalErrorKind::Empty, 0));
        }
        let value = scaled::<SCALE>(whole, 0, 0).ok_or(refuse(DecimalErrorKind::Overflow, 0))?;
        return Ok(Decimal { value, form: Form(0) });
    }
    if text[at] != b'.' {
        let negative = at == 0 && text[0] == b'-';
        let kind = if negative { DecimalErrorKind::Negative } else { DecimalErrorKind::Unexpected };
        return Err(refuse(kind, at));
    }
    parse_fraction::<SCALE>(text, at + 1, whole, whole_digits == 0)
}

#[inline]
fn parse_fraction<const SCALE: u32>(
    text: &[u8],
    start: usize,
    whole: u64,
    bare: bool,
) -> Result<Decimal, DecimalError> {
    let mut fraction: u64 = 0;
    let mut kept: u32 = 0;
    let mut at = start;
    while let Some(digit) = digit_at(text, at) {
        if kept < SCALE {
            fraction = fraction * 10 + digit;
            kept += 1;
        } else if digit != 0 {
            return Err(refuse(DecimalErrorKind::Inexact, at));
        }
        at += 1;
    }
    if at != text.len() || at == start {
        let kind = if at == text.len() { DecimalErrorKind::Empty } else { DecimalErrorKind::Unexpected };
        return Err(refuse(kind, at));
    }
    if at - start > 31 {
        return Err(refuse(DecimalErrorKind::Overflow, at));
    }
    let value = scaled::<SCALE>(whole, fraction, kept).ok_or(refuse(DecimalErrorKind::Overflow, 0))?;
    Ok(Decimal { value, form: Form::new(at - start, bare) })
}

/// Reads a plain decimal that ends at a quote, in one pass: the common case of
/// [`parse_unsigned`], which decides about everything this one declines with `None`.
///
/// Returns the decimal and how many bytes it took, the quote included.
#[inline(always)]
#[must_use]
pub fn quoted_unsigned<const SCALE: u32>(text: &[u8]) -> Option<(Decimal, usize)> {
    let window: &[u8; 24] = text.first_chunk()?;
    let mut digits: u64 = 0;
    let mut at = 0;
    while at < 12 {
        let digit = window[at].wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        digits = digits * 10 + u64::from(digit);
        at += 1;
    }
    let whole = at;
    if whole == 0 || (whole > 1 && window[0] == b'0') {
        return None;
    }
    let mut fraction = 0;
    if window[at] == b'.' {
        at += 1;
        while fraction < 9 {
            let digit = window[at].wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
            fraction += 1;
        }
        if fraction == 0 {
            return None;
        }
    }
    // Eighteen digits fit 64 bits, whatever they are.
    if window[at] != b'"' || fraction > SCALE as usize || whole + fraction > 18 {
        return None;
    }
    let value = digits.checked_mul(POW10[SCALE as usize - fraction])?;
    let value = i64::try_from(value).ok()?;
    Some((Decimal { value, form: Form::new(fraction, false) }, at + 1))
}

/// The number whose decimal digits are the bytes of `digits`, the first in the lowest byte.
#[inline(always)]
pub(crate) const fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10).wrapping_add(digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// Parses a decimal that may carry a minus sign, such as a signed size delta.
///
/// # Errors
/// As [`parse_unsigned`], the sign excepted.
pub fn parse_signed<const SCALE: u32>(text: &[u8]) -> Result<Decimal, DecimalError> {
    match text.split_first() {
        Some((b'-', magnitude)) => {
            let parsed = parse_unsigned::<SCALE>(magnitude)
                .map_err(|e| DecimalError { kind: e.kind, offset: e.offset + 1 })?;
            Ok(Decimal { value: -parsed.value, form: parsed.form })
        }
        _ => parse_unsigned::<SCALE>(text),
    }
}

#[inline]
fn digit_at(text: &[u8], at: usize) -> Option<u64> {
    let digit = text.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[inline]
fn scaled<const SCALE: u32>(whole: u64, fraction: u64, kept: u32) -> Option<i64> {
    let unit = POW10[SCALE as usize];
    let fraction = fraction * POW10[(SCALE - kept) as usize];
    let value = whole.checked_mul(unit)?.checked_add(fraction)?;
    i64::try_from(value).ok()
}

/// Parses a price (see [`parse_unsigned`]).
///
/// # Errors
/// [`DecimalError`] with the byte offset.
#[inline]
pub fn parse_price(text: &[u8]) -> Result<Decimal, DecimalError> {
    parse_unsigned::<PRICE_DECIMALS>(text)
}

/// Parses a quantity (see [`parse_unsigned`]).
///
/// # Errors
/// [`DecimalError`] with the byte offset.
#[inline]
pub fn parse_qty(text: &[u8]) -> Result<Decimal, DecimalError> {
    parse_unsigned::<QTY_DECIMALS>(text)
}

/// Appends `value` (units of 10^-`scale`) exactly as it was printed in `form`.
///
/// A form with fewer fraction digits than the value needs is widened to what it needs, so
/// the number written always equals the number given.
pub fn write_decimal(out: &mut Vec<u8>, value: i64, scale: u32, form: Form) {
    if value < 0 {
        out.push(b'-');
    }
    let magnitude = value.unsigned_abs();
    let unit = POW10[scale as usize];
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    if whole != 0 || !form.bare() {
        write_digits(out, whole);
    }
    let printed = form.fraction_digits();
    // Nearly always the printed digits hold the whole fraction; then one division finds them.
    let unit = POW10[scale.saturating_sub(printed) as usize];
    if printed > 0 && printed <= scale && fraction.is_multiple_of(unit) {
        out.push(b'.');
        return write_padded(out, fraction / unit, printed as usize);
    }
    let digits = printed.max(needed_digits(fraction, scale));
    if digits == 0 {
        return;
    }
    out.push(b'.');
    let held = digits.min(scale);
    write_padded(out, fraction / POW10[(scale - held) as usize], held as usize);
    out.resize(out.len() + (digits - held) as usize, b'0');
}

/// Appends exactly `digits` (at most 18) decimal digits of `value`.
#[inline]
fn write_padded(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for place in out[start..].iter_mut().rev() {
        #[allow(clippy::cast_possible_truncation)] // a single decimal digit
        let digit = (value % 10) as u8;
        *place = b'0' + digit;
        value /= 10;
    }
}

/// Bytes that a number below 10^8 may take, with a point and eight places, printed in whole words.
pub(crate) const USUAL_BYTES: usize = 24;

/// Prints a decimal to the beginning of `out`, if it is below 10^8 and of a form of whole digits, a
/// point, and at most eight places, no fewer than it needs. `None` for any other; else how many bytes
/// it takes. What is behind them is of no use.
#[inline]
pub(crate) fn put_usual<const SCALE: u32>(
    out: &mut [u8; USUAL_BYTES],
    value: i64,
    form: Form,
) -> Option<usize> {
    const { assert!(SCALE == 8 || SCALE == 9) }
    let one = 10u64.pow(SCALE);
    // A negative number is a huge one here.
    let (whole, fraction) = (value.cast_unsigned() / one, value.cast_unsigned() % one);
    let needless = SCALE == 9 && fraction % 10 != 0;
    let fraction = spread_digits(if SCALE == 9 { fraction / 10 } else { fraction });
    let digits = form.fraction_digits() as usize;
    if whole >= 100_000_000 || needless || form.bare() || digits > 8 {
        return None;
    }
    if digits < 8 && fraction >> (8 * digits) != 0 {
        return None;
    }
    let before = put_whole(out, whole)?;
    *out.get_mut(before..)?.first_chunk_mut()? = *b".";
    *out.get_mut(before + 1..)?.first_chunk_mut()? = digits_as_text(fraction).to_le_bytes();
    Some(before + digits + usize::from(digits > 0))
}

/// Likewise of a quantity below 10^6 with at most two places, as nearly all are printed.
#[inline(always)]
pub(crate) fn put_hundredths(out: &mut [u8; USUAL_BYTES], value: Qty, form: Form) -> Option<usize> {
    let hundredths = value.cast_unsigned() / 1_000_000;
    // With the bit that says that there is no zero before the point it is no number of places.
    let places = usize::from(form.0);
    if hundredths >= 100_000_000 || hundredths * 1_000_000 != value.cast_unsigned() || places > 2 {
        return None;
    }
    // Six before the point and two behind it. What is known to be small is divided in fewer steps.
    let digits = spread_digits(u64::from(u32::try_from(hundredths).ok()?));
    if digits >> 48 >> (8 * places) != 0 {
        return None;
    }
    // The last digit before the point is printed even if it is zero.
    let zeros = (digits | 1 << 40).trailing_zeros() & !7;
    let (text, before) = (digits_as_text(digits), 6 - zeros as usize / 8);
    *out.first_chunk_mut()? = (text >> zeros).to_le_bytes();
    *out.get_mut(before..)?.first_chunk_mut()? = (u64::from(b'.') | text >> 48 << 8).to_le_bytes();
    Some(before + places + usize::from(places > 0))
}

/// Prints a number below 10^8, and says how many bytes it takes.
#[inline(always)]
fn put_whole(out: &mut [u8; USUAL_BYTES], value: u64) -> Option<usize> {
    let digits = match value {
        0..10_000 => spread_four(value) << 32,
        10_000..100_000_000 => spread_digits(value),
        _ => return None,
    };
    // Zero has one digit as well.
    let zeros = (digits | 1 << 56).trailing_zeros() & !7;
    *out.first_chunk_mut()? = (digits_as_text(digits) >> zeros).to_le_bytes();
    Some(8 - zeros as usize / 8)
}

/// The digits behind the point of the thousandths from 0 to 999, and how many each needs if there is
/// a point.
const THOUSANDTHS: [u32; 1_000] = {
    let mut table = [0; 1_000];
    let mut at: usize = 0;
    while at < 1_000 {
        let digits = spread_four(at as u64).to_le_bytes();
        let needs = if !at.is_multiple_of(10) {
            3
        } else if !at.is_multiple_of(100) {
            2
        } else {
            1
        };
        table[at] = u32::from_le_bytes([b'0' + digits[1], b'0' + digits[2], b'0' + digits[3], needs]);
        at += 1;
    }
    table
};

/// The digits behind the point of a price below one in whole thousandths, as nearly all are printed,
/// and how many were printed; `None` for any other.
#[inline(always)]
pub(crate) fn thousandths(price: Price, form: Form) -> Option<([u8; 4], usize)> {
    let at = price.cast_unsigned() / 1_000_000;
    let text = *THOUSANDTHS.get(usize::try_from(at).ok()?)?;
    // With the bit that says that there is no zero before the point it is no number of digits.
    let fits = u32::from(form.0) >= text >> 24 && form.0 <= 3;
    let fits = fits && at * 1_000_000 == price.cast_unsigned();
    fits.then_some((text.to_le_bytes(), usize::from(form.0)))
}

/// The four decimal digits of a number below 10^4, one a byte, the first in the lowest.
#[inline(always)]
const fn spread_four(value: u64) -> u64 {
    // A hundredth, rounded down, and a tenth of each half.
    let hundreds = value.wrapping_mul(10_486) >> 20;
    let twos = hundreds | (value.wrapping_sub(hundreds.wrapping_mul(100)) << 16);
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f;
    tens | (twos.wrapping_sub(tens.wrapping_mul(10)) << 8)
}

/// The eight decimal digits of a number below 10^8, likewise: two lots of four, each two of two, each
/// two of one, without a loop.
#[inline(always)]
const fn spread_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // A hundredth, rounded down, of anything below 10,000; and a tenth of anything below 100.
    let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16);
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos.wrapping_sub(tens.wrapping_mul(10)) << 8)
}

#[inline(always)]
const fn digits_as_text(digits: u64) -> u64 {
    digits | 0x3030_3030_3030_3030
}

/// Digits that an unsigned integer takes at most.
pub(crate) const DIGITS_MAX: usize = 20;

/// Appends an unsigned integer in decimal.
pub(crate) fn write_digits(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(digits_of(value, &mut [0; DIGITS_MAX]));
}

/// An unsigned integer in decimal, at the end of `buffer`.
pub(crate) fn digits_of(mut value: u64, buffer: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        #[allow(clippy::cast_possible_truncation)] // a single decimal digit
        let digit = (value % 10) as u8;
        buffer[at] = b'0' + digit;
        value /= 10;
        if value == 0 {
            return &buffer[at..];
        }
    }
}

fn needed_digits(fraction: u64, scale: u32) -> u32 {
    if fraction == 0 {
        return 0;
    }
    let mut digits = scale;
    let mut rest = fraction;
    while rest.is_multiple_of(10) {
        rest /= 10;
        digits -= 1;
    }
    digits
}

/// `value` (units of 10^-`scale`) in its shortest exact form: `0.5`, `13.37`, `7`.
#[must_use]
pub fn format_decimal(value: i64, scale: u32) -> String {
    let mut out = Vec::with_capacity(24);
    write_decimal(&mut out, value, scale, Form(0));
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Result<i64, DecimalErrorKind> {
        parse_price(text.as_bytes()).map(|d| d.value).map_err(|e| e.kind)
    }

    #[test]
    fn accepts_every_printed_form() {
        assert_eq!(price("0.48"), Ok(480_000_000));
        assert_eq!(price(".48"), Ok(480_000_000));
        assert_eq!(price("0.480"), Ok(480_000_000));
        assert_eq!(price("1"), Ok(PRICE_ONE));
        assert_eq!(price("0"), Ok(0));
        assert_eq!(price("0.0025"), Ok(2_500_000));
        assert_eq!(price("0.0000000010000"), Ok(1));
        assert_eq!(price("9223372036.854775807"), Ok(i64::MAX));
        assert_eq!(parse_qty(b"31.250001").map(|d| d.value), Ok(3_125_000_100));
    }

    #[test]
    fn refuses_what_is_not_a_plain_decimal() {
        use DecimalErrorKind as K;
        for (text, kind) in [
            ("", K::Empty),
            (".", K::Empty),
            ("5.", K::Empty),
            ("-1", K::Negative),
            ("+1", K::Unexpected),
            ("1e5", K::Unexpected),
            ("1_0", K::Unexpected),
            ("NaN", K::Unexpected),
            ("0x10", K::Unexpected),
            (" 1", K::Unexpected),
            ("1 ", K::Unexpected),
            ("1.2.3", K::Unexpected),
            ("\u{ff11}", K::Unexpected),
            ("00.5", K::LeadingZero),
            ("007", K::LeadingZero),
            ("0.0000000001", K::Inexact),
            ("9223372036.854775808", K::Overflow),
            ("99999999999999999999", K::Overflow),
        ] {
            assert_eq!(price(text), Err(kind), "{text:?}");
        }
    }

    #[test]
    fn the_fast_reader_agrees_with_the_strict_one() {
        let texts =
            ["0", "1", "0.5", "0.480", "31.250001", "12345678901", "99999999.99999999", "0.12345678"];
        let odd = [
            "",
            ".",
            ".5",
            "5.",
            "00.5",
            "-1",
            "1e5",
            "+1",
            "1_0",
            "1a",
            "\u{e9}",
            "1.2.3",
            "0.12345678901",
            "999999999999999999999",
        ];
        for text in texts.iter().chain(&odd) {
            let quoted = format!("{text}\",\"size\":\"200.50\"}},{{\"price\"");
            let strict = parse_qty(text.as_bytes()).ok();
            match quoted_unsigned::<QTY_DECIMALS>(quoted.as_bytes()) {
                Some((decimal, taken)) => {
                    assert_eq!(Some(decimal), strict, "{text}");
                    assert_eq!(taken, text.len() + 1);
                }
                None => {
                    assert!(odd.contains(text) || strict.is_none(), "{text} is common and was declined")
                }
            }
        }
    }

    #[test]
    fn signs_only_where_asked_for() {
        assert_eq!(parse_signed::<8>(b"-54.00").map(|d| d.value), Ok(-54 * QTY_ONE));
        assert_eq!(parse_signed::<8>(b"--5").map_err(|e| e.offset), Err(1));
        assert_eq!(
            parse_signed::<8>(b"-").map_err(|e| (e.kind, e.offset)),
            Err((DecimalErrorKind::Empty, 1))
        );
    }

    #[test]
    fn every_digit_has_its_place() {
        for value in (0..100_000_000).step_by(997).chain(99_990_000..100_000_000).chain(0..20_000) {
            let text = digits_as_text(spread_digits(value)).to_le_bytes();
            assert_eq!(String::from_utf8_lossy(&text), format!("{value:08}"));
        }
    }

    #[test]
    fn what_is_printed_the_usual_way_is_printed_the_same_in_any_way() {
        let (mut state, mut usual) = (3u64, 0);
        let mut below = |n: u64| {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for _ in 0..100_000 {
            let most = 10u64.pow(u32::try_from(1 + below(17)).unwrap());
            let value = below(most).cast_signed() - 5;
            let dropped = 10i64.pow(u32::try_from(below(9)).unwrap());
            let (value, digits) = (value / dropped * dropped, u8::try_from(below(12)).unwrap());
            let form = Form::new(digits.into(), below(9) == 0);
            let (mut out, mut strict) = ([0; USUAL_BYTES], Vec::new());
            write_decimal(&mut strict, value, QTY_DECIMALS, form);
            if let Some(length) = put_usual::<QTY_DECIMALS>(&mut out, value, form) {
                assert_eq!(String::from_utf8_lossy(&out[..length]), String::from_utf8_lossy(&strict));
                usual += 1;
            }
            if let Some(length) = put_hundredths(&mut out, value, form) {
                assert_eq!(String::from_utf8_lossy(&out[..length]), String::from_utf8_lossy(&strict));
                usual += 1;
            }
            strict.clear();
            write_decimal(&mut strict, value, PRICE_DECIMALS, form);
            if let Some(length) = put_usual::<PRICE_DECIMALS>(&mut out, value, form) {
                assert_eq!(String::from_utf8_lossy(&out[..length]), String::from_utf8_lossy(&strict));
            }
        }
        assert!(usual > 20_000, "{usual}");
    }

    #[test]
    fn thousandths_are_printed_with_as_many_digits_as_they_had() {
        let mut usual = 0;
        for price in (-5_000_000..1_010_000_000).step_by(500_000) {
            for form in
                [0, 1, 2, 3, 4].into_iter().flat_map(|n| [Form::new(n, false), Form::new(n, true)])
            {
                let mut strict = Vec::new();
                write_decimal(&mut strict, price, PRICE_DECIMALS, form);
                let Some((text, digits)) = thousandths(price, form) else { continue };
                assert_eq!([b"0.", &text[..digits]].concat(), strict);
                usual += 1;
            }
        }
        assert_eq!(usual, 1_000 + 100 + 10);
    }

    #[test]
    fn prints_back_what_it_read() {
        for text in [
            "0.48",
            ".48",
            "0.480",
            "1",
            "0",
            "0.0",
            "10",
            "99",
            "100.5",
            "9223372036.854775807",
            "200.0",
            "31.250001",
            "0.9900000000",
        ] {
            let parsed = parse_price(text.as_bytes()).unwrap();
            let mut out = Vec::new();
            write_decimal(&mut out, parsed.value, PRICE_DECIMALS, parsed.form);
            assert_eq!(String::from_utf8(out).unwrap(), text);
            let mut usual = [0; USUAL_BYTES];
            match put_usual::<PRICE_DECIMALS>(&mut usual, parsed.value, parsed.form) {
                Some(length) => assert_eq!(String::from_utf8_lossy(&usual[..length]), text),
                None => {
                    let odd = text.starts_with('.') || text.len() > 11;
                    assert!(odd, "{text} is common and was declined");
                }
            }
        }
        assert_eq!(format_decimal(480_000_000, 9), "0.48");
        assert_eq!(format_decimal(-5 * QTY_ONE, 8), "-5");
    }
}
