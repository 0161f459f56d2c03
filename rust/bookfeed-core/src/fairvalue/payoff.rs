//! Which closing values pay: up or down, above, below, a range, a ladder of strikes.

use super::{Outlook, Tails, price_of, units};
use crate::fixed::{PRICE_ONE, Price};
use crate::settlement::Value;

/// A contract that pays 1 where the closing value is at least one bound and below another.
///
/// A market that says "above 84,999.99" of values in cents has its bound at 85,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payoff {
    /// The least value that pays, 1e-18.
    pub at_least: Option<Value>,
    /// The least value above that pays no more, 1e-18.
    pub below: Option<Value>,
    /// Whether a value equal to `at_least` pays half.
    pub half_on_tie: bool,
}

impl Payoff {
    /// Pays from a strike on: up or down, or above.
    #[must_use]
    pub const fn at_least(strike: Value) -> Self {
        Self { at_least: Some(strike), below: None, half_on_tie: false }
    }

    /// Pays below a strike.
    #[must_use]
    pub const fn below(strike: Value) -> Self {
        Self { at_least: None, below: Some(strike), half_on_tie: false }
    }

    /// Pays from one bound on and below the other.
    #[must_use]
    pub const fn between(from: Value, to: Value) -> Self {
        Self { at_least: Some(from), below: Some(to), half_on_tie: false }
    }

    /// Probability that it pays, 1e-9.
    #[must_use]
    pub fn probability(self, outlook: Outlook, tails: Tails) -> Price {
        if outlook.sd <= 0.0 {
            return self.paid(outlook.expected);
        }
        let reached =
            |bound: Value| tails.cdf(units(outlook.expected.saturating_sub(bound)) / outlook.sd);
        let missed =
            |bound: Value| tails.cdf(units(bound.saturating_sub(outlook.expected)) / outlook.sd);
        price_of(match (self.at_least, self.below) {
            (None, None) => 1.0,
            (Some(from), None) => reached(from),
            (None, Some(to)) => missed(to),
            // Of two tails the lighter ones differ: far from the middle the heavy ones are both 1.
            (Some(from), Some(to)) if outlook.expected < from => reached(from) - reached(to),
            (Some(from), Some(to)) => missed(to) - missed(from),
        })
    }

    /// What it pays at a value, 1e-9.
    #[must_use]
    pub fn paid(self, value: Value) -> Price {
        let pays =
            self.at_least.is_none_or(|from| value >= from) && self.below.is_none_or(|to| value < to);
        match pays {
            true if self.half_on_tie && self.at_least == Some(value) => PRICE_ONE / 2,
            true => PRICE_ONE,
            false => 0,
        }
    }

    /// Expected values, at most `doubt` off, among which the greatest and the least probability
    /// are: the ends, and for a range the value that is nearest to its middle.
    pub(super) fn extremes(self, expected: Value, doubt: Value) -> [Value; 3] {
        let doubt = doubt.saturating_abs();
        let (low, high) = (expected.saturating_sub(doubt), expected.saturating_add(doubt));
        let middle = match (self.at_least, self.below) {
            (Some(from), Some(to)) => from.midpoint(to).clamp(low, high),
            _ => expected,
        };
        [low, middle, high]
    }
}

/// Probabilities, 1e-9, that the closing value is at least each of some strikes, into `out`.
pub fn ladder(strikes: &[Value], outlook: Outlook, tails: Tails, out: &mut Vec<Price>) {
    out.clear();
    out.extend(strikes.iter().map(|&strike| Payoff::at_least(strike).probability(outlook, tails)));
}
