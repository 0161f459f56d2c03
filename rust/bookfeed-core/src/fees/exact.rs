//! The formula all fees are made of, `rate · C · (p · (1 − p))^exponent` dollars for `C`
//! shares at price `p`, exactly: in one word where the numbers are short, as they nearly
//! always are, and in two words otherwise. Both give the same answer or none.

use crate::fixed::{POW10, PRICE_DECIMALS, PRICE_ONE, Price, QTY_DECIMALS, QTY_ONE, Qty};

/// Prices of short numbers are whole multiples of 1e-4, in units of 1e-9.
const SHORT_PRICE: u64 = 100_000;
/// One, in units of 1e-4.
const SHORT_ONE: u64 = 10_000;
/// Decimals of `p · (1 − p)` when the price is short.
const SHORT_DECIMALS: u32 = 8;
/// Decimals of `C · p · (1 − p)` for any numbers.
pub(super) const WEIGHT_DECIMALS: u32 = QTY_DECIMALS + 2 * PRICE_DECIMALS;

/// Which way a fee is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    Up,
    HalfUp,
    Down,
}

impl Round {
    /// `product / unit` as a whole number, if one word holds what it is rounded from.
    #[inline]
    fn quotient(self, product: u64, unit: u64) -> Option<u64> {
        let raised = product.checked_add(match self {
            Self::Up => unit - 1,
            Self::HalfUp => unit / 2,
            Self::Down => 0,
        })?;
        Some(raised / unit)
    }
}

/// A number kept exactly: digits without trailing zeros, and how many of them are decimals.
#[derive(Clone, Copy, Debug)]
struct Exact {
    digits: u128,
    decimals: u32,
}

impl Exact {
    fn new(mut digits: u128, mut decimals: u32) -> Self {
        while digits != 0 && digits.is_multiple_of(10) && decimals > 0 {
            digits /= 10;
            decimals -= 1;
        }
        Self { digits, decimals }
    }

    fn times(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        Some(Self { digits, decimals: self.decimals + other.decimals })
    }

    /// The value in units of 10^-`decimals`.
    fn rounded(self, decimals: u32, round: Round) -> Option<i64> {
        let unit = 10u128.checked_pow(self.decimals.abs_diff(decimals))?;
        if self.decimals <= decimals {
            return i64::try_from(self.digits.checked_mul(unit)?).ok();
        }
        let raised = self.digits.checked_add(match round {
            Round::Up => unit - 1,
            Round::HalfUp => unit / 2,
            Round::Down => 0,
        })?;
        i64::try_from(raised / unit).ok()
    }
}

/// `p` and `1 − p` in units of 1e-4, if the price is a whole number of them.
#[inline]
pub(super) fn short_price(price: Price) -> Option<(u64, u64)> {
    let price = u64::try_from(price).ok()?;
    let short = price / SHORT_PRICE;
    (short * SHORT_PRICE == price).then_some((short, SHORT_ONE.checked_sub(short)?))
}

/// The quantity in hundredths, if it is a whole number of them.
#[inline]
pub(super) fn hundredths(qty: Qty) -> Option<u64> {
    let qty = u64::try_from(qty).ok()?;
    qty.is_multiple_of(1_000_000).then_some(qty / 1_000_000)
}

/// `C · p · (1 − p)` in units of 1e-26; two words always hold it.
#[inline]
pub(super) fn weight(qty: Qty, price: Price) -> Option<u128> {
    let qty = u64::try_from(qty).ok()?;
    let (price, rest) = (u64::try_from(price).ok()?, u64::try_from(PRICE_ONE - price).ok()?);
    // Both factors of the price are at most 1e9.
    Some(u128::from(qty) * u128::from(price * rest))
}

/// `rate · C · (p · (1 − p))^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Formula {
    /// Digits of the rate without trailing zeros, so that products stay short.
    digits: u64,
    decimals: u32,
    exponent: u32,
}

impl Formula {
    /// The formula of those who pay nothing.
    pub(super) const FREE: Self = Self { digits: 0, decimals: 0, exponent: 1 };

    /// The formula with a rate of `digits` · 10^-`decimals`.
    pub(super) fn new(mut digits: u64, mut decimals: u32, exponent: u32) -> Self {
        if digits == 0 {
            return Self::FREE;
        }
        while digits.is_multiple_of(10) && decimals > 0 {
            digits /= 10;
            decimals -= 1;
        }
        Self { digits, decimals, exponent }
    }

    /// The fee of `qty` at `price` in units of 10^-`to`. `None` if the price is not between
    /// 0 and 1, the quantity is negative, or two words do not hold the numbers.
    #[inline]
    pub(super) fn fee(self, qty: Qty, price: Price, to: u32, round: Round) -> Option<i64> {
        self.short_fee(qty, price, to, round).or_else(|| self.any_fee(qty, price, to, round))
    }

    /// The fee of one share at `price`, likewise.
    #[inline]
    pub(super) fn one(self, price: Price, to: u32, round: Round) -> Option<i64> {
        self.short_one(price, to, round).or_else(|| self.any_fee(QTY_ONE, price, to, round))
    }

    /// The fee for a `weight` (`C · p · (1 − p)`) of that many decimals, in one word if the
    /// numbers are short. Only for an exponent of one.
    #[inline]
    pub(super) fn short(self, weight: u64, decimals: u32, to: u32, round: Round) -> Option<i64> {
        if self.digits == 0 {
            return Some(0);
        }
        let product = self.digits.checked_mul(weight)?;
        // What takers of one venue pay for a fill, and for one more share, is divided by these two:
        // dividing by a number known beforehand is a multiplication.
        let rounded = match (self.decimals + decimals).checked_sub(to)? {
            1 => round.quotient(product, 10),
            6 => round.quotient(product, 1_000_000),
            excess => round.quotient(product, *POW10.get(excess as usize)?),
        };
        i64::try_from(rounded?).ok()
    }

    /// As [`Self::short`] for any weight, in two words.
    pub(super) fn any(self, weight: u128, decimals: u32, to: u32, round: Round) -> Option<i64> {
        self.rate().times(Exact::new(weight, decimals))?.rounded(to, round)
    }

    fn rate(self) -> Exact {
        Exact { digits: u128::from(self.digits), decimals: self.decimals }
    }

    #[inline]
    fn short_one(self, price: Price, to: u32, round: Round) -> Option<i64> {
        let (price, rest) = short_price(price)?;
        if self.exponent != 1 {
            return None;
        }
        self.short(price * rest, SHORT_DECIMALS, to, round)
    }

    /// Millionths of a share first: one branch serves all quantities but the huge and the odd.
    #[inline]
    fn short_fee(self, qty: Qty, price: Price, to: u32, round: Round) -> Option<i64> {
        let (price, rest) = short_price(price)?;
        let qty = u64::try_from(qty).ok()?;
        if self.exponent != 1 || !qty.is_multiple_of(100) {
            return None;
        }
        let millionths = (price * rest).checked_mul(qty / 100);
        if let Some(fee) = millionths.and_then(|w| self.short(w, SHORT_DECIMALS + 6, to, round)) {
            return Some(fee);
        }
        let qty = qty.is_multiple_of(1_000_000).then_some(qty / 1_000_000)?;
        self.short((price * rest).checked_mul(qty)?, SHORT_DECIMALS + 2, to, round)
    }

    #[inline(never)]
    fn any_fee(self, qty: Qty, price: Price, to: u32, round: Round) -> Option<i64> {
        let qty = u64::try_from(qty).ok()?;
        let (price, rest) = (u64::try_from(price).ok()?, u64::try_from(PRICE_ONE - price).ok()?);
        let mut product = self.rate().times(Exact::new(qty.into(), QTY_DECIMALS))?;
        for _ in 0..self.exponent {
            product = product.times(Exact::new(price.into(), PRICE_DECIMALS))?;
            product = product.times(Exact::new(rest.into(), PRICE_DECIMALS))?;
        }
        product.rounded(to, round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers on a grid and off it, small and up to the ends of their range.
    fn on_grids(most: i64, grids: &'static [i64]) -> impl Strategy<Value = i64> {
        (prop::sample::select(grids), 0..most, 0..40u32)
            .prop_map(|(grid, value, shift)| (value >> shift) / grid * grid)
    }

    fn formulas() -> impl Strategy<Value = Formula> {
        let rates = prop_oneof![3 => 0..2_000u64, 1 => any::<u64>()];
        (rates, 0..14u32, 0..4u32).prop_map(|(digits, decimals, exponent)| {
            Formula::new(digits, decimals, if exponent == 3 { 2 } else { 1 })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000_000))]

        #[test]
        fn one_word_and_two_give_the_same_answers(
            formula in formulas(),
            qty in on_grids(i64::MAX, &[1, 100, 1_000_000, 100_000_000]),
            price in on_grids(PRICE_ONE + 1, &[1, 100_000, 1_000_000, 10_000_000]),
            to in prop::sample::select(&[2, 4, 5, 6, 9][..]),
            up in any::<bool>(),
        ) {
            let round = if up { Round::Up } else { Round::HalfUp };
            let any = formula.any_fee(qty, price, to, round);
            if let Some(short) = formula.short_fee(qty, price, to, round) {
                prop_assert_eq!(Some(short), any);
            }
            if let Some(short) = formula.short_one(price, to, round) {
                prop_assert_eq!(Some(short), formula.any_fee(QTY_ONE, price, to, round));
            }
            let weight = weight(qty, price).and_then(|w| formula.any(w, WEIGHT_DECIMALS, to, round));
            if formula.exponent == 1 {
                // Stripped as a whole or in parts, a product may fit in one of the two.
                prop_assert!(weight.is_none() || any.is_none() || weight == any);
            }
        }
    }

    #[test]
    fn the_common_case_takes_one_word() {
        for (digits, decimals) in [(7, 2), (4, 2), (72, 3), (175, 4), (35, 3), (35, 4)] {
            let formula = Formula::new(digits, decimals, 1);
            for price in (1..10_000).map(|n| n * 100_000) {
                // A few thousand shares in millionths, ten million in hundredths.
                for qty in [31_250_001 * 100, 4_000 * QTY_ONE + 100, 10_000_000 * QTY_ONE - 1_000_000] {
                    assert!(formula.short_fee(qty, price, 6, Round::Up).is_some(), "{price} {qty}");
                }
                assert!(formula.short_one(price, PRICE_DECIMALS, Round::HalfUp).is_some());
            }
        }
    }

    #[test]
    fn what_is_no_price_or_no_quantity_has_no_fee() {
        for formula in [Formula::FREE, Formula::new(7, 2, 1), Formula::new(7, 2, 0)] {
            for price in [-1, PRICE_ONE + 1, i64::MIN, i64::MAX, -100_000, PRICE_ONE + 100_000] {
                assert_eq!(formula.one(price, 9, Round::HalfUp), None);
                assert_eq!(formula.fee(QTY_ONE, price, 6, Round::Up), None);
            }
            for qty in [-1, -QTY_ONE, i64::MIN] {
                assert_eq!(formula.fee(qty, PRICE_ONE / 2, 6, Round::Up), None);
            }
            assert_eq!(formula.fee(0, PRICE_ONE / 2, 6, Round::Up), Some(0));
        }
    }
}
