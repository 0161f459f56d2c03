//! Exact quotients, and the doubles nearest to them.

use super::{NOTIONAL_ONE, Notional};
use crate::fixed::{PRICE_ONE, QTY_ONE};

/// Integers up to here are doubles, and the quotient of two doubles is rounded once.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// An exact quotient; the denominator is positive.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub(super) num: i128,
    pub(super) den: i128,
}

impl Ratio {
    /// `num / den`, not reduced; `None` unless `den` is positive.
    #[inline]
    #[must_use]
    pub const fn new(num: i128, den: i128) -> Option<Self> {
        if den > 0 { Some(Self { num, den }) } else { None }
    }

    /// Numerator, with the sign.
    #[inline]
    #[must_use]
    pub const fn num(self) -> i128 {
        self.num
    }

    /// Denominator, positive.
    #[inline]
    #[must_use]
    pub const fn den(self) -> i128 {
        self.den
    }

    /// The double nearest to the quotient, ties to even: never a rounding of a rounding.
    #[must_use]
    pub fn value_f64(self) -> f64 {
        let (num, den) = (self.num.unsigned_abs(), self.den.unsigned_abs());
        let twos = num.trailing_zeros().min(den.trailing_zeros());
        let (num, den) = (num >> twos, den >> twos);
        let magnitude = match (u64::try_from(num), u64::try_from(den)) {
            (Ok(num), Ok(den)) if num <= EXACT && den <= EXACT => num as f64 / den as f64,
            _ => quotient_f64(num, den),
        };
        if self.num < 0 { -magnitude } else { magnitude }
    }
}

/// `num / den` rounded once. Needs `0 < den < 2^127`.
fn quotient_f64(num: u128, den: u128) -> f64 {
    // Two bits more than a double holds: with "something follows" in the last of them, the
    // final conversion rounds as if it saw every digit.
    const ENOUGH: u32 = f64::MANTISSA_DIGITS + 2;
    let mut quotient = num / den;
    let mut rest = num - quotient * den;
    let mut shift = 0;
    while rest != 0 && quotient >> (ENOUGH - 1) == 0 {
        let step = rest.leading_zeros().min(64);
        rest <<= step;
        let digits = rest / den;
        rest -= digits * den;
        quotient = quotient << step | digits;
        shift += step;
    }
    // At most 127 zeros before the first digit, and 64 bits a step: an exponent of a double.
    let scale = f64::from_bits(u64::from(1023 - shift) << (f64::MANTISSA_DIGITS - 1));
    (quotient | u128::from(rest != 0)) as f64 * scale
}

/// As [`Ratio::value_f64`], where the quotient is usually that of two doubles.
#[inline]
pub(super) fn nearest_f64(num: i128, den: i64) -> f64 {
    match i64::try_from(num) {
        Ok(num) if num.unsigned_abs() <= EXACT && den.unsigned_abs() <= EXACT => num as f64 / den as f64,
        _ => Ratio { num, den: i128::from(den) }.value_f64(),
    }
}

/// A price (1e-9) in whole units: the nearest double.
#[inline]
#[must_use]
pub fn price_f64(price: i128) -> f64 {
    nearest_f64(price, PRICE_ONE)
}

/// A quantity (1e-8) in whole units: the nearest double.
#[inline]
#[must_use]
pub fn qty_f64(qty: i128) -> f64 {
    nearest_f64(qty, QTY_ONE)
}

/// A notional (1e-17) in whole units: the nearest double.
#[inline]
#[must_use]
pub fn notional_f64(notional: Notional) -> f64 {
    Ratio { num: notional, den: NOTIONAL_ONE }.value_f64()
}
