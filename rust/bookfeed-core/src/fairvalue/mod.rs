//! What a contract on a reference is worth: the probability that its window ends where it pays.
//!
//! What is expected of the closing value, and how far it may still move, comes from
//! [`crate::settlement`]; how much the reference moves a second from [`Volatility`]; the shape of
//! its moves from [`Tails`]. Out comes a probability with an interval and the ages of what it
//! rests on, rounded to [`Price`] before anything compares it. Probabilities are floats by one
//! portable libm.
//!
//! ```
//! use bookfeed_core::fairvalue::{Outlook, Payoff, Tails};
//! use bookfeed_core::settlement::VALUE_ONE;
//!
//! // 84,050 now, 120 s to go, 6 dollars a root second, a mean of 60 at the end.
//! let outlook = Outlook { expected: 84_050 * VALUE_ONE, sd: 6.0 * 80.502_777_f64.sqrt() };
//! let up = Payoff::at_least(84_000 * VALUE_ONE);
//! assert_eq!(up.probability(outlook, Tails::NORMAL), 823_498_704);
//! ```

#![allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "probabilities by one portable libm, rounded to Price before anything is compared"
)]

mod answer;
mod basis;
mod payoff;
mod tails;
mod volatility;

pub use answer::{Answering, Moves, Waiting};
pub use basis::Basis;
pub use payoff::{Payoff, ladder};
pub use tails::{BadTails, Tails};
pub use volatility::{BadHalfLife, Volatility};

use crate::fixed::{PRICE_ONE, Price};
use crate::settlement::{Ahead, Made, VALUE_ONE, Value};
use crate::time::Nanos;

/// At least such a part of the true volatility was measured, whatever the doubt.
const LEAST_PART: f64 = 0.01;

/// What is expected of a closing value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The expected value, 1e-18.
    pub expected: Value,
    /// Its standard deviation, in whole units.
    pub sd: f64,
}

/// What is not known for certain, as an interval allows for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// How far off the reference may be, 1e-18: the error of an index that is estimated.
    pub reference: Value,
    /// How far off the volatility may be, in standard deviations of its own estimate.
    pub volatility: f64,
}

impl Doubt {
    /// A reference that is the very one that settles, and two deviations of the volatility.
    pub const USUAL: Self = Self { reference: 0, volatility: 2.0 };

    /// A doubt of the volatility in parts per million of a deviation.
    #[must_use]
    pub fn of_ppm(reference: Value, volatility: u32) -> Self {
        Self { reference, volatility: f64::from(volatility) / 1e6 }
    }
}

/// A probability, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FairValue {
    /// When it is worth that.
    pub at: Nanos,
    /// Probability of yes, 1e-9: what a share is worth.
    pub price: Price,
    /// The least and the greatest probability that the doubts allow, 1e-9.
    pub low: Price,
    /// The greatest.
    pub high: Price,
    /// The expected closing value, 1e-18.
    pub expected: Value,
    /// Its standard deviation, 1e-18.
    pub sd: Value,
    /// How old the newest tick of the reference is.
    pub reference_age: Nanos,
    /// How old the newest move is that the volatility was measured by.
    pub volatility_age: Nanos,
    /// What that tick of the reference was made of.
    pub made: Made,
}

impl FairValue {
    /// How old the oldest of what it was told of its reference is at a time: the newest tick, or
    /// what that was made of.
    #[must_use]
    pub const fn input_age(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.at).saturating_add(self.reference_age).saturating_add(self.made.age)
    }
}

/// What a contract is worth at the time `now`.
///
/// `None` while the volatility has seen too little to be one ([`Volatility::sigma`]), unless
/// nothing can move any more. The less it has seen, the wider is the interval.
#[must_use]
pub fn fair_value(
    payoff: Payoff,
    ahead: &Ahead,
    volatility: &Volatility,
    tails: Tails,
    doubt: Doubt,
    now: Nanos,
) -> Option<FairValue> {
    let settled = ahead.variance_s <= 0.0;
    let sigma = if settled { 0.0 } else { volatility.sigma()? };
    let outlook = Outlook { expected: ahead.expected, sd: sigma * libm::sqrt(ahead.variance_s) };
    let price = payoff.probability(outlook, tails);
    let off = if settled { 0.0 } else { volatility.relative_error() * doubt.volatility };
    let (mut low, mut high) = (price, price);
    // What was measured is that part off from what is: too little by a part is short by more.
    for sd in [outlook.sd / (1.0 + off), outlook.sd / (1.0 - off).max(LEAST_PART)] {
        for expected in payoff.extremes(ahead.expected, doubt.reference) {
            let p = payoff.probability(Outlook { expected, sd }, tails);
            (low, high) = (low.min(p), high.max(p));
        }
    }
    Some(FairValue {
        at: now,
        price,
        low,
        high,
        expected: ahead.expected,
        sd: value_of(outlook.sd),
        reference_age: now.saturating_sub(ahead.newest.at),
        volatility_age: volatility.newest().map_or(0, |at| now.saturating_sub(at)),
        made: Made::default(),
    })
}

/// A value in whole units.
#[allow(clippy::cast_precision_loss, reason = "a distance in deviations")]
fn units(value: Value) -> f64 {
    value as f64 / VALUE_ONE as f64
}

/// Whole units as a value, the nearest.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "for show")]
fn value_of(units: f64) -> Value {
    libm::round(units * VALUE_ONE as f64) as Value
}

/// A probability as a price, the nearest.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "within 0 and 1e9")]
fn price_of(probability: f64) -> Price {
    libm::round(probability.clamp(0.0, 1.0) * PRICE_ONE as f64) as Price
}
