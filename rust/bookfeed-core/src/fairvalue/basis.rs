//! Two contracts on nearly the same: how likely both lose, where each is decided by a reference and
//! a strike of its own.
//!
//! Somebody holds one contract that pays from a strike of the first reference on, and one that pays
//! below a strike of the second. With `gap`, the second strike less the first, both lose only if the
//! second reference closes above the first by more than the gap, and only where the first is less
//! than that difference below its strike:
//!
//! ```text
//! P(both lose) ≤ P(difference ≥ gap)
//! P(both lose) ≤ greatest density of the first closing value · E[max(difference − gap, 0)]
//! ```
//!
//! Each holds whatever the prices are, the second if the difference does not depend on the closing
//! value. The lesser of the two is what may be said without knowing where the reference stands.

use super::{Tails, units};
use crate::fixed::{PRICE_ONE, Price};
use crate::settlement::Value;

/// Probabilities are rounded up to so many parts of one.
const PARTS: f64 = 1e6;
/// What computing may be off by, in such parts: not enough to round up for.
const NOISE: f64 = 1e-6;

/// How two references differ when they close.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Basis {
    /// Standard deviation of the difference of their closing values, 1e-18; 0 if they are one.
    pub reference_sd: Value,
    /// Standard deviation, at least, of the first closing value as seen from now, 1e-18; `None` if
    /// nothing is known of it.
    pub closing_sd: Option<Value>,
    /// The shape of both.
    pub tails: Tails,
}

impl Basis {
    /// The greatest probability that both contracts lose, in 1e-9, rounded up to a millionth.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "within 0 and 1e9")]
    pub fn both_lose(self, gap: Value) -> Price {
        let (gap, sd) = (units(gap), units(self.reference_sd));
        let beyond = match sd > 0.0 {
            true => self.tails.cdf(-gap / sd),
            false if gap >= 0.0 => 0.0,
            false => 1.0,
        };
        let excess = if sd > 0.0 { sd * self.tails.excess(gap / sd) } else { (-gap).max(0.0) };
        let near = self.closing_sd.filter(|&sd| sd > 0).map(|sd| excess * self.tails.peak() / units(sd));
        let most = near.map_or(beyond, |near| beyond.min(near)).clamp(0.0, 1.0);
        libm::ceil(most * PARTS - NOISE) as Price * (PRICE_ONE / PARTS as Price)
    }
}
