//! The size above which an order counts no more: the trimmed mean of the sizes near the best
//! prices, and five times their winsorised deviation.
//!
//! Sums are exact integers, so the order in which sizes come changes nothing.

use super::merge::Merged;
use super::{Order, Params, Sample, ends, merge};
use crate::book::side::Ladder;
use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};

/// Deviations above the mean that an order may be large.
const DEVIATIONS: f64 = 5.0;
/// How far from the best price orders are looked at, in hundredths of it.
const NEAR_PERCENT: i128 = 5;
/// One in so many is trimmed at either end.
const TRIMMED: usize = 100;

/// Room to work in.
#[derive(Clone, Debug)]
pub(super) struct Room {
    sizes: Vec<Qty>,
    end: Vec<Qty>,
}

impl Room {
    pub(super) const fn new() -> Self {
        Self { sizes: Vec::new(), end: Vec::new() }
    }
}

/// The cap; `None` if there is no order.
pub(super) fn size_cap(
    params: &Params,
    bids: &Merged<'_>,
    asks: &Merged<'_>,
    Room { sizes, end }: &mut Room,
) -> Option<Qty> {
    sizes.clear();
    for side in [bids, asks] {
        let limit = near(side)?;
        let from = sizes.len();
        match (params.sample, params.order) {
            (Sample::AtLeast(least), Order::Level) => {
                side.venues().for_each(|levels| all_near(levels, side.side(), limit, sizes));
                if sizes.len() - from < least {
                    sizes.truncate(from);
                    sizes.extend(side.clone().take(least).map(|(_, qty)| qty));
                }
            }
            (Sample::AtLeast(least), Order::Price) => {
                let all = side.clone().capped(Qty::MAX, Order::Price).enumerate();
                let taken = all.take_while(|&(at, (price, _))| at < least || within(side, price, limit));
                sizes.extend(taken.map(|(_, (_, qty))| qty));
            }
            (Sample::AtMost(most), order) => {
                let all = side.clone().capped(Qty::MAX, order).take(most);
                sizes.extend(
                    all.take_while(|&(price, _)| within(side, price, limit)).map(|(_, qty)| qty),
                );
            }
        }
    }
    trimmed_mean_and_deviations(sizes, end)
}

/// The last price that is near the best one.
fn near(side: &Merged<'_>) -> Option<Price> {
    let best = i128::from(side.best()?);
    let near = match side.side() {
        // The first whole number that is not below 95 %, the last one not above 105 %.
        Side::Bid => -((NEAR_PERCENT - 100) * best).div_euclid(100),
        Side::Ask => ((100 + NEAR_PERCENT) * best).div_euclid(100),
    };
    Some(Price::try_from(near).unwrap_or(Price::MAX))
}

fn within(side: &Merged<'_>, price: Price, limit: Price) -> bool {
    match side.side() {
        Side::Bid => price >= limit,
        Side::Ask => price <= limit,
    }
}

/// Sizes of one venue's levels up to a price.
fn all_near((head, behind): (&Level, Ladder<'_>), side: Side, limit: Price, sizes: &mut Vec<Qty>) {
    let is_far = |price| match side {
        Side::Bid => price < limit,
        Side::Ask => price > limit,
    };
    if !is_far(head.price) {
        let far = behind.count_worse(limit, |a, b| match side {
            Side::Bid => a < b,
            Side::Ask => a > b,
        });
        sizes.push(head.qty);
        sizes.extend(merge::sound(behind.without_worst(far)).map(|(_, qty)| qty));
    }
}

/// Trimmed mean and five winsorised sample deviations; `None` of nothing. Reorders the sizes.
///
/// What is trimmed need not be taken out: with every size beyond one of the two bounds moved to
/// that bound, the trimmed sizes are known, and these are the winsorised ones.
#[allow(clippy::cast_precision_loss, reason = "sums of sizes, as doubles")]
fn trimmed_mean_and_deviations(sizes: &mut [Qty], room: &mut Vec<Qty>) -> Option<Qty> {
    let n = sizes.len();
    let k = n / TRIMMED;
    let (low, high) = ends::bounds(sizes, k, room)?;
    let within: i128 = sizes.iter().map(|&qty| i128::from(qty.clamp(low, high))).sum();
    let total = within - k as i128 * (i128::from(low) + i128::from(high));
    let mean = total as f64 / (n - 2 * k) as f64;
    let cap = mean + DEVIATIONS * libm::sqrt(variance(sizes, low, high));
    Some(rounded(cap))
}

/// Sample variance of the sizes, each at least the lowest and at most the highest that count.
#[allow(clippy::cast_precision_loss, reason = "a quotient of exact sums, as a double")]
fn variance(sizes: &[Qty], low: Qty, high: Qty) -> f64 {
    let n = sizes.len();
    if n < 2 {
        return 0.0;
    }
    // From the lowest on; so few bits that `n` times the sum of squares fits. That cuts nothing
    // off unless an order is larger than half a million units.
    let bits = 60 - n.ilog2();
    let shift = (high - low).max(1).ilog2().saturating_sub(bits);
    let (mut sum, mut squares) = (0_i128, 0_i128);
    for &qty in sizes {
        let above = i128::from((qty.clamp(low, high) - low) >> shift);
        sum += above;
        squares += above * above;
    }
    let n = n as i128;
    let scale = (1_u128 << shift) as f64;
    (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64 * scale * scale
}

/// The nearest quantity, the largest if there is none so large.
#[allow(clippy::cast_possible_truncation, reason = "whole, and within the bounds")]
fn rounded(size: f64) -> Qty {
    let bounded = libm::round(size).clamp(1.0, 9.0e18);
    bounded as Qty
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::repeat_n;

    /// The same, as it is published: sizes in order, those trimmed that are, and put in again as
    /// copies of the lowest and the highest of the others.
    fn published(sizes: &[Qty]) -> Option<Qty> {
        let mut kept = sizes.to_vec();
        kept.sort_unstable();
        let k = kept.len() / TRIMMED;
        kept.drain(..k);
        kept.truncate(kept.len() - k);
        let (&low, &high) = (kept.first()?, kept.last()?);
        let total: i128 = kept.iter().map(|&qty| i128::from(qty)).sum();
        let mean = total as f64 / kept.len() as f64;
        kept.extend(repeat_n(low, k).chain(repeat_n(high, k)));
        let (n, bits) = (kept.len() as i128, 60 - kept.len().ilog2());
        let shift = (high - low).max(1).ilog2().saturating_sub(bits);
        let above = |qty: &Qty| i128::from((qty - low) >> shift);
        let sum: i128 = kept.iter().map(above).sum();
        let squares: i128 = kept.iter().map(|qty| above(qty) * above(qty)).sum();
        let scale = (1_u128 << shift) as f64;
        let variance = match n {
            1 => 0.0,
            _ => (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64 * scale * scale,
        };
        Some(rounded(mean + DEVIATIONS * libm::sqrt(variance)))
    }

    #[test]
    fn a_cap_is_that_of_sizes_in_order() {
        let mut seed = 1_u64;
        let mut below = move |bound: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 1).unwrap() % bound
        };
        let mut room = Vec::new();
        for round in 0..600 {
            let most = [1, 2, 99, 100, 101, 700, 5_000, 9_000][below(8)];
            let n = most + if round % 3 == 0 { below(most / 2 + 1) } else { 0 };
            // Few different sizes, very different ones, and in some order, which samples badly.
            let bits = [2, 12, 30, 46, 62][below(5)];
            let mut size = || Qty::try_from(1 + (below(1 << bits) >> below(bits))).unwrap();
            let mut sizes: Vec<Qty> = (0..n).map(|_| size()).collect();
            match round % 4 {
                0 => sizes.sort_unstable(),
                1 => sizes.fill(size()),
                _ => {}
            }
            let wanted = published(&sizes);
            assert_eq!(trimmed_mean_and_deviations(&mut sizes, &mut room), wanted, "round {round}");
        }
        assert_eq!(trimmed_mean_and_deviations(&mut [], &mut room), None);
    }

    #[test]
    fn a_variance_is_exact_however_large_the_sizes() {
        for scale in [1, 1_000_000, 10_000_000_000_000_000] {
            let sizes = [2 * scale, 4 * scale, 9 * scale];
            let (got, wanted) =
                (variance(&sizes, sizes[0], sizes[2]), 13.0 * scale as f64 * scale as f64);
            assert!((got / wanted - 1.0).abs() < 1e-9, "{scale}: {got}");
        }
        assert_eq!(variance(&[Qty::MAX], Qty::MAX, Qty::MAX), 0.0);
    }

    #[test]
    fn the_largest_and_the_smallest_of_a_hundred_are_trimmed() {
        let mut sizes: Vec<Qty> = (1..=98).map(|_| 1_000).collect();
        sizes.extend([1, 1_000_000_000]);
        let cap = |sizes: &mut [Qty]| trimmed_mean_and_deviations(sizes, &mut Vec::new());
        assert_eq!(cap(&mut sizes), Some(1_000));
        sizes.pop();
        assert!(cap(&mut sizes).is_some_and(|cap| cap != 1_000));
    }
}
