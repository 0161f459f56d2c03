//! Fees, exactly, in integers. One door for every rule: what one more share costs at a price
//! ([`Fees::marginal`]), and what the fills of an order cost together ([`Fees::order`]).
//! One file for each venue's rules, which reads the venue's own terms; unknown fees are never
//! zero.

mod exact;
pub mod kalshi;
pub mod polymarket;
pub mod user;

use crate::fixed::{Price, Qty};
pub use kalshi::{KalshiFees, Rounding};
use kalshi::{Listed, Tally};
pub use polymarket::PolymarketFees;
pub use user::UserFees;

/// Dollars in units of 1e-9.
pub type Usd = i64;

/// Which side of a trade an order is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes what rests in the book.
    Taker,
    /// It rests in the book and is taken.
    Maker,
}

/// How a venue states fees: terms are one text a market, without the venue's name.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Fees from their terms, an override that stands included; else what the terms must be.
    pub parse: fn(&str) -> Result<Fees, String>,
    /// Fees from the terms that were listed, without their override, and an event's change to
    /// them: another formula, another multiplier (1e-9). Fees that cannot be computed are unsupported, never free.
    pub changed: fn(&str, Option<&str>, Option<i64>) -> Fees,
    /// The terms with other fees in place of what was listed: a formula, a multiplier (1e-9).
    pub rebased: fn(&str, &str, i64) -> String,
    /// The terms of a market that is listed without; `None` where its fees are unknown then.
    pub unstated: Option<&'static str>,
    /// Whether the terms tell an event's override apart from what they are without it.
    pub tells_override: fn(&str) -> bool,
}

impl Terms {
    /// Of a venue whose fees this engine does not know.
    pub const UNKNOWN: Self = Self {
        parse: |_| Err("are not known of this venue: leave them out".to_owned()),
        changed: |_, _, _| Fees::Unsupported,
        rebased: |terms, _, _| terms.to_owned(),
        unstated: None,
        tells_override: |_| false,
    };
}

/// The fees of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fees {
    /// Of a Polymarket market.
    Polymarket(PolymarketFees),
    /// Of a Kalshi market.
    Kalshi(KalshiFees),
    /// Of a user's own quotes.
    User(UserFees),
    /// Of a type this engine cannot compute.
    Unsupported,
}

impl Fees {
    /// A Polymarket schedule from the printed rate and the exponent; `None` if either is not
    /// one this engine can compute exactly.
    #[must_use]
    pub fn polymarket(rate: &str, exponent: u32) -> Option<Self> {
        PolymarketFees::new(rate, exponent).map(Self::Polymarket)
    }

    /// Kalshi fees from what the series says, or the event where it overrides the series:
    /// `fee_type` as printed (`quadratic`, `quadratic_with_maker_fees`,
    /// `quadratic_with_combo_maker_fees`) and `multiplier` as plain decimal text of up to
    /// nine decimals (`0`, `0.5`, `1`), taken exactly. A multiplier of zero is a fee of zero.
    ///
    /// A type this engine does not know is [`Self::Unsupported`], whatever the multiplier:
    /// the venue adds types, and that is no error. `None` if a known type's multiplier is
    /// not a plain decimal, negative, or absurdly large.
    ///
    /// `rounding` says which rule is in force and for whom; see [`Rounding::by_name`].
    #[must_use]
    pub fn kalshi(fee_type: &str, multiplier: &str, rounding: Rounding) -> Option<Self> {
        match KalshiFees::listed(fee_type, multiplier, rounding) {
            Listed::Known(fees) => Some(Self::Kalshi(fees)),
            Listed::UnknownType => Some(Self::Unsupported),
            Listed::BadMultiplier => None,
        }
    }

    /// Whether this engine can compute them at all.
    #[must_use]
    pub fn supported(&self) -> bool {
        *self != Self::Unsupported
    }

    /// Fee of one more share at `price` before any rounding of fills or balances, in price
    /// units, rounded half up. `None` if unsupported, if the price is not between 0 and 1,
    /// or if two words do not hold the numbers.
    #[inline]
    #[must_use]
    pub fn marginal(&self, role: Role, price: Price) -> Option<Price> {
        match self {
            Self::Polymarket(fees) => fees.paid_by(role).marginal(price),
            Self::Kalshi(fees) => fees.marginal(role, price),
            Self::User(fees) => Some(fees.marginal()),
            Self::Unsupported => None,
        }
    }

    /// Starts to add up the fees of one order's fills, all in the same role. `sell` is
    /// whether the order sells: Kalshi's rounding of balances depends on it.
    #[inline]
    #[must_use]
    pub fn order(&self, role: Role, sell: bool) -> Order {
        let rule = match self {
            Self::Polymarket(fees) => Rule::Polymarket(fees.paid_by(role)),
            Self::Kalshi(fees) => Rule::Kalshi(fees.order(role, sell)),
            Self::User(fees) => Rule::User(*fees),
            Self::Unsupported => return Order { rule: Rule::Unsupported, total: None },
        };
        Order { rule, total: Some(0) }
    }
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Polymarket(PolymarketFees),
    Kalshi(Tally),
    User(UserFees),
    Unsupported,
}

/// The fees of one order, fill by fill.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    rule: Rule,
    /// Of all fills so far; `None` for good once a fill could not be computed.
    total: Option<Usd>,
}

impl Order {
    /// Takes in a fill and gives its fee, net of what is refunded with it: what the order's
    /// [`Self::total`] grows by. `None` if unsupported, if the price is not between 0 and 1
    /// or the quantity negative, or if the numbers do not fit; the total is unknown then too.
    #[inline]
    pub fn fill(&mut self, qty: Qty, price: Price) -> Option<Usd> {
        let before = self.total?;
        self.total = match &mut self.rule {
            Rule::Polymarket(fees) => fees.fill(qty, price).and_then(|fee| before.checked_add(fee)),
            Rule::Kalshi(tally) => tally.fill(qty, price),
            Rule::User(fees) => fees.fill(qty).and_then(|fee| before.checked_add(fee)),
            Rule::Unsupported => None,
        };
        self.total?.checked_sub(before)
    }

    /// Fee of all fills so far. It is exact wherever a unit of 1e-9 dollars can say it, as it
    /// can for every fill these venues allow, and rounded up to the next unit elsewhere.
    #[inline]
    #[must_use]
    pub fn total(&self) -> Option<Usd> {
        self.total
    }
}
