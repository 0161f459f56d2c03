//! Fees that a user states for his own quotes: so many dollars a share, whoever takes, none unless
//! he says so. Each fill is rounded up to 1e-9 dollars.

use super::{Fees, Terms, Usd};
use crate::fixed::{Price, QTY_ONE, Qty, parse_price};

/// Terms are the dollars a share, a plain decimal.
pub(crate) const TERMS: Terms = Terms { parse, unstated: Some("0"), ..Terms::UNKNOWN };

fn parse(terms: &str) -> Result<Fees, String> {
    let read = parse_price(terms.as_bytes());
    let read = read.map(|rate| Fees::User(UserFees { a_share: rate.value }));
    read.map_err(|_| format!("must be dollars a share, a plain decimal such as 0.01, not {terms:?}"))
}

/// A fee for each share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserFees {
    a_share: Price,
}

impl UserFees {
    #[inline]
    pub(super) const fn marginal(self) -> Price {
        self.a_share
    }

    #[inline]
    pub(super) fn fill(self, qty: Qty) -> Option<Usd> {
        let exact = i128::from(self.a_share) * i128::from(u64::try_from(qty).ok()?);
        let one = i128::from(QTY_ONE);
        Usd::try_from((exact + one - 1) / one).ok()
    }
}
