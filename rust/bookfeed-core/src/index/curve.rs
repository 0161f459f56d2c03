//! The curve of marginal prices by size, how far it is tight, and the mid weighted along it.

use super::merge::Merged;
use super::{Crossed, MILLION, Params, Spacing};
use crate::fixed::{Price, Qty};

/// The weights fall by e over this part of the utilised depth.
const DECAY: f64 = 0.3;
/// Steps that [`Spacing::Hundredth`] makes of the depth.
const HUNDREDTH: Qty = 100;

/// A stretch of sizes at which both marginal prices stay what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    bid: Price,
    ask: Price,
    /// The size it ends at; the size it begins behind is the end of the one before.
    end: Qty,
}

impl Step {
    /// Whether half the spread is at most so many parts per million of the mid.
    fn is_tight(self, limit_ppm: u32) -> bool {
        let (bid, ask) = (i128::from(self.bid), i128::from(self.ask));
        (ask - bid) * MILLION <= i128::from(limit_ppm) * (ask + bid)
    }

    /// Twice the mid.
    fn twice_mid(self) -> i128 {
        i128::from(self.bid) + i128::from(self.ask)
    }
}

/// What is left of the entry that a walk has come to on one side.
struct Walk<'a> {
    side: Merged<'a>,
    entry: Option<(Price, Qty)>,
}

impl<'a> Walk<'a> {
    fn new(mut side: Merged<'a>) -> Self {
        let entry = side.next();
        Self { side, entry }
    }

    fn take(&mut self, qty: Qty) {
        match &mut self.entry {
            Some((_, left)) if *left > qty => *left -= qty,
            _ => self.entry = self.side.next(),
        }
    }
}

/// The steps of two sides, from the best prices on.
struct Steps<'a> {
    bids: Walk<'a>,
    asks: Walk<'a>,
    end: Qty,
}

impl<'a> Steps<'a> {
    fn new((bids, asks): (Merged<'a>, Merged<'a>), crossed: Crossed) -> Self {
        let (mut bids, mut asks) = (Walk::new(bids), Walk::new(asks));
        if crossed == Crossed::Matched {
            while let (Some((bid, sold)), Some((ask, bought))) = (bids.entry, asks.entry) {
                if bid < ask {
                    break;
                }
                bids.take(sold.min(bought));
                asks.take(sold.min(bought));
            }
        }
        Self { bids, asks, end: 0 }
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    #[inline]
    fn next(&mut self) -> Option<Step> {
        let ((bid, sold), (ask, bought)) = (self.bids.entry?, self.asks.entry?);
        let size = sold.min(bought);
        // Depth beyond 64 bits is no depth that an index needs: the curve ends there.
        self.end = self.end.checked_add(size)?;
        self.bids.take(size);
        self.asks.take(size);
        Some(Step { bid, ask, end: self.end })
    }
}

/// Quantity that the books of different venues would match with each other.
pub(super) fn crossed_qty(bids: Merged<'_>, asks: Merged<'_>) -> Qty {
    let crossed = Steps::new((bids, asks), Crossed::Kept).take_while(|step| step.bid >= step.ask);
    crossed.last().map_or(0, |step| step.end)
}

/// The index of two capped sides, and the depth that it used. `None` if a side is empty, or if
/// nothing is left when what is crossed has been matched. `steps` is room to work in.
pub(super) fn weighted_mid(
    params: &Params,
    sides: (Merged<'_>, Merged<'_>),
    steps: &mut Vec<Step>,
) -> Option<(Price, Qty)> {
    let mut all = Steps::new(sides, params.crossed);
    let first = all.next()?;
    steps.clear();
    let mut beyond = Some(first);
    while let Some(step) = beyond.filter(|step| step.is_tight(params.half_spread_ppm)) {
        push(steps, step);
        beyond = all.next();
    }
    let tight = steps.last().map_or(0, |step| step.end);
    let spacing = match params.spacing {
        Spacing::Integral => None,
        Spacing::Every(size) => Some(size.max(1)),
        Spacing::Hundredth => Some((tight / HUNDREDTH).max(1)),
    };
    let points = tight / spacing.unwrap_or(1);
    if points > 0 {
        return Some((
            mean_of_steps(steps, spacing.unwrap_or(1), points),
            points * spacing.unwrap_or(1),
        ));
    }
    // Not even the first point is tight: it is the index, where the books are so deep at all.
    let size = spacing.unwrap_or(0);
    let point = steps.iter().copied().chain(beyond).chain(all).find(|step| step.end >= size);
    Some((half(point.unwrap_or(first).twice_mid()), size))
}

/// Appends a step, or lengthens the last one: venues have levels of equal prices.
fn push(steps: &mut Vec<Step>, step: Step) {
    match steps.last_mut() {
        Some(last) if (last.bid, last.ask) == (step.bid, step.ask) => last.end = step.end,
        _ => steps.push(step),
    }
}

/// The mean of the steps' mids by weight, over `points` sizes that lie `spacing` apart.
///
/// Weights at equally spaced sizes are a geometric series, so a step's share is a difference of
/// two powers, as it is in the integral: a spacing of one unit stands for that.
#[allow(clippy::cast_precision_loss, reason = "sizes and differences of prices, as doubles")]
fn mean_of_steps(steps: &[Step], spacing: Qty, points: Qty) -> Price {
    let decay = -1.0 / (DECAY * points as f64);
    let base = steps.first().map_or(0, |step| step.twice_mid());
    let (mut sum, mut before, mut weight) = (0.0, 0, 1.0);
    for step in steps {
        let up_to = step.end / spacing;
        if up_to == before {
            continue;
        }
        let next = libm::exp(decay * up_to as f64);
        sum += (step.twice_mid() - base) as f64 * (weight - next);
        (before, weight) = (up_to, next);
    }
    from_base(base, sum / (1.0 - weight))
}

/// Half of `base + rest`, rounded to the nearest unit. The rest is small beside the base, so
/// nothing is lost between.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "whole and bounded")]
fn from_base(base: i128, rest: f64) -> Price {
    let odd = base.rem_euclid(2);
    let from_half = libm::round((rest + odd as f64) / 2.0).clamp(-4.0e18, 4.0e18) as i128;
    Price::try_from((base - odd) / 2 + from_half).unwrap_or(Price::MAX)
}

/// Half of a sum of two prices, rounded up.
fn half(twice: i128) -> Price {
    Price::try_from((twice + 1).div_euclid(2)).unwrap_or(Price::MAX)
}
