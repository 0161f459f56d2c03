//! Polymarket's fees: `C · rate · (p · (1 − p))^exponent` dollars for `C` shares at price
//! `p`, takers only, each fill rounded to 5 decimals by a named rule, from the market's schedule.

use super::exact::{Formula, Round};
use super::{Fees, Role, Terms, Usd};
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, Price, Qty, parse_price};

/// Decimals the fee of a fill is rounded to.
const FEE_DECIMALS: u32 = 5;
/// Largest exponent accepted; every schedule seen uses 1 or 2.
const EXPONENT_MAX: u32 = 4;

/// Terms are `rate;exponent`: the rate as printed, 0 to 1, and the exponent, 0 to 4; after another
/// `;` how a fill is rounded, `half_up` or `floor`, the former if nothing is said.
pub(crate) const TERMS: Terms = Terms { parse, ..Terms::UNKNOWN };

fn parse(terms: &str) -> Result<Fees, String> {
    read(terms).map(Fees::Polymarket).ok_or_else(|| {
        format!(
            "{terms:?} cannot be computed exactly; give rate;exponent, 0 to 1 and 0 to 4, and \
             half_up or floor if you know it"
        )
    })
}

fn read(terms: &str) -> Option<PolymarketFees> {
    let (rate, rest) = terms.split_once(';')?;
    let (exponent, rounding) = rest.split_once(';').unwrap_or((rest, "half_up"));
    let fees = PolymarketFees::new(rate, exponent.parse().ok()?)?;
    let fill = match rounding {
        "half_up" => Round::HalfUp,
        "floor" => Round::Down,
        _ => return None,
    };
    Some(PolymarketFees { fill, ..fees })
}

/// A market's fee schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolymarketFees {
    formula: Formula,
    /// How the fee of a fill is rounded.
    fill: Round,
}

impl PolymarketFees {
    pub(super) fn new(rate: &str, exponent: u32) -> Option<Self> {
        let rate = parse_price(rate.as_bytes()).ok()?.value;
        if rate > PRICE_ONE || exponent > EXPONENT_MAX {
            return None;
        }
        let formula = Formula::new(u64::try_from(rate).ok()?, PRICE_DECIMALS, exponent);
        Some(Self { formula, fill: Round::HalfUp })
    }

    /// The schedule as `role` pays it.
    #[inline]
    pub(super) fn paid_by(self, role: Role) -> Self {
        if role == Role::Taker { self } else { Self { formula: Formula::FREE, ..self } }
    }

    #[inline]
    pub(super) fn marginal(self, price: Price) -> Option<Price> {
        self.formula.one(price, PRICE_DECIMALS, Round::HalfUp)
    }

    #[inline]
    pub(super) fn fill(self, qty: Qty, price: Price) -> Option<Usd> {
        let fee = self.formula.fee(qty, price, FEE_DECIMALS, self.fill)?;
        fee.checked_mul(10i64.pow(PRICE_DECIMALS - FEE_DECIMALS))
    }
}
