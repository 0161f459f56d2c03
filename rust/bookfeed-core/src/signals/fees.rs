//! Taker fees, exactly, in integers.
//!
//! Polymarket: `fee = C · rate · (p · (1 − p))^exponent` dollars for `C` shares at price `p`,
//! takers only, rounded to 5 decimals (half up), from the market's own fee schedule.

use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, Price, QTY_DECIMALS, Qty, parse_price};

/// Dollars in units of 1e-9.
pub type Usd = i64;

/// Decimal places a fee is rounded to.
const FEE_DECIMALS: u32 = 5;
/// Largest exponent accepted; every schedule seen uses 1 or 2.
const MAX_EXPONENT: u32 = 4;

/// A market's fee schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    /// `rate`, in units of 1e-9.
    rate: i64,
    /// `exponent`.
    exponent: u32,
}

/// A product kept exactly: digits without trailing zeros, and how many decimals they have.
#[derive(Clone, Copy)]
struct Exact {
    digits: u128,
    decimals: u32,
}

impl Exact {
    fn new(value: i64, mut decimals: u32) -> Option<Self> {
        let mut digits = u64::try_from(value).ok()?;
        while digits != 0 && digits.is_multiple_of(10) && decimals > 0 {
            digits /= 10;
            decimals -= 1;
        }
        Some(Self { digits: u128::from(digits), decimals })
    }

    fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            digits: self.digits.checked_mul(other.digits)?,
            decimals: self.decimals + other.decimals,
        })
    }

    /// The value in units of 10^-`decimals`, rounded half up.
    fn rounded(self, decimals: u32) -> Option<i64> {
        let unit = 10u128.checked_pow(self.decimals.abs_diff(decimals))?;
        if self.decimals <= decimals {
            return i64::try_from(self.digits.checked_mul(unit)?).ok();
        }
        let raised = self.digits.checked_add(unit / 2)?;
        // Nearly always both fit a word, whose division is far cheaper.
        match (u64::try_from(raised), u64::try_from(unit)) {
            (Ok(raised), Ok(unit)) => i64::try_from(raised / unit).ok(),
            _ => i64::try_from(raised / unit).ok(),
        }
    }
}

impl FeeSchedule {
    /// A schedule from the printed rate and the exponent; `None` if either is not one this
    /// engine can compute exactly. Unknown fees refuse signals; they never count as zero.
    #[must_use]
    pub fn new(rate: &str, exponent: u32) -> Option<Self> {
        let rate = parse_price(rate.as_bytes()).ok()?.value;
        (rate <= PRICE_ONE && exponent <= MAX_EXPONENT).then_some(Self { rate, exponent })
    }

    fn exact(&self, qty: Qty, price: Price) -> Option<Exact> {
        let mut product =
            Exact::new(qty, QTY_DECIMALS)?.times(Exact::new(self.rate, PRICE_DECIMALS)?)?;
        for _ in 0..self.exponent {
            product = product.times(Exact::new(price, PRICE_DECIMALS)?)?;
            product = product.times(Exact::new(PRICE_ONE - price, PRICE_DECIMALS)?)?;
        }
        Some(product)
    }

    /// Fee for taking `qty` at `price` in one fill. `None` if it cannot be computed exactly.
    #[must_use]
    pub fn taker(&self, qty: Qty, price: Price) -> Option<Usd> {
        let rounded = self.exact(qty, price)?.rounded(FEE_DECIMALS)?;
        rounded.checked_mul(10i64.pow(PRICE_DECIMALS - FEE_DECIMALS))
    }

    /// Fee of one more share at `price`, before rounding, in price units.
    #[must_use]
    pub fn marginal(&self, price: Price) -> Option<Price> {
        self.exact(crate::fixed::QTY_ONE, price)?.rounded(PRICE_DECIMALS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::QTY_ONE;

    #[test]
    fn follows_the_published_formula() {
        let crypto = FeeSchedule::new("0.07", 1).unwrap();
        // 100 shares at 0.5: 100 * 0.07 * 0.25 = 1.75 dollars.
        assert_eq!(crypto.taker(100 * QTY_ONE, PRICE_ONE / 2), Some(1_750_000_000));
        assert_eq!(crypto.marginal(PRICE_ONE / 2), Some(17_500_000));
        // 1 share at 0.01: 0.07 * 0.0099 = 0.000693, rounded to 0.00069.
        assert_eq!(crypto.taker(QTY_ONE, PRICE_ONE / 100), Some(690_000));
        // 0.01 share at 0.01: 0.00000693 rounds to 0.00001.
        assert_eq!(crypto.taker(QTY_ONE / 100, PRICE_ONE / 100), Some(10_000));
        let squared = FeeSchedule::new("0.25", 2).unwrap();
        // 10 * 0.25 * 0.0625 = 0.15625.
        assert_eq!(squared.taker(10 * QTY_ONE, PRICE_ONE / 2), Some(156_250_000));
        let free = FeeSchedule::new("0", 1).unwrap();
        assert_eq!(free.taker(QTY_ONE, PRICE_ONE / 2), Some(0));
    }

    #[test]
    fn refuses_what_it_cannot_compute() {
        assert_eq!(FeeSchedule::new("2", 1), None);
        assert_eq!(FeeSchedule::new("x", 1), None);
        assert_eq!(FeeSchedule::new("0.07", 9), None);
        let odd = FeeSchedule::new("0.123456789", 4).unwrap();
        assert_eq!(odd.taker(i64::MAX, 123_456_789), None);
    }
}
