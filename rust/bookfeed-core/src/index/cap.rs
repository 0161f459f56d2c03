//! The size above which an order counts no more: the trimmed mean of the sizes near the best
//! prices, and five times their winsorised deviation.
//!
//! Sums are exact integers, so the order in which sizes come changes nothing.

use super::merge::Merged;
use super::{Order, Params, Sample, merge};
use crate::book::side::Ladder;
use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};

/// Deviations above the mean that an order may be large.
const DEVIATIONS: f64 = 5.0;
/// How far from the best price orders are looked at, in hundredths of it.
const NEAR_PERCENT: i128 = 5;
/// One in so many is trimmed at either end.
const TRIMMED: usize = 100;

/// The cap; `None` if there is no order. `sizes` is room to work in.
pub(super) fn size_cap(
    params: &Params,
    bids: &Merged<'_>,
    asks: &Merged<'_>,
    sizes: &mut Vec<Qty>,
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
    trimmed_mean_and_deviations(sizes)
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
#[allow(clippy::cast_precision_loss, reason = "sums of sizes, as doubles")]
fn trimmed_mean_and_deviations(sizes: &mut [Qty]) -> Option<Qty> {
    let n = sizes.len();
    let k = n / TRIMMED;
    if n == 0 {
        return None;
    }
    // Behind the k smallest and before the k largest: what is kept, in any order.
    if k > 0 {
        sizes.select_nth_unstable(k - 1);
        sizes[k..].select_nth_unstable(n - 2 * k);
    }
    let kept = &sizes[k..n - k];
    let (low, high) = (*kept.iter().min()?, *kept.iter().max()?);
    let total: i128 = kept.iter().map(|&qty| i128::from(qty)).sum();
    let mean = total as f64 / kept.len() as f64;
    let cap = mean + DEVIATIONS * libm::sqrt(variance(kept, k, low, high));
    Some(rounded(cap))
}

/// Sample variance of the kept sizes with `k` times the lowest and the highest of them beside.
#[allow(clippy::cast_precision_loss, reason = "a quotient of exact sums, as a double")]
fn variance(kept: &[Qty], k: usize, low: Qty, high: Qty) -> f64 {
    let n = kept.len() + 2 * k;
    if n < 2 {
        return 0.0;
    }
    // From the lowest on; so few bits that `n` times the sum of squares fits. That cuts nothing
    // off unless an order is larger than half a million units.
    let bits = 60 - n.ilog2();
    let shift = (high - low).max(1).ilog2().saturating_sub(bits);
    let above = |qty: Qty| i128::from((qty - low) >> shift);
    let (mut sum, mut squares) = (0_i128, 0_i128);
    for &qty in kept {
        sum += above(qty);
        squares += above(qty) * above(qty);
    }
    let ends = k as i128;
    sum += ends * above(high);
    squares += ends * above(high) * above(high);
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

    #[test]
    fn a_variance_is_exact_however_large_the_sizes() {
        for scale in [1, 1_000_000, 10_000_000_000_000_000] {
            let kept = [2 * scale, 4 * scale, 9 * scale];
            let (got, wanted) =
                (variance(&kept, 0, kept[0], kept[2]), 13.0 * scale as f64 * scale as f64);
            assert!((got / wanted - 1.0).abs() < 1e-9, "{scale}: {got}");
        }
        assert_eq!(variance(&[Qty::MAX], 0, Qty::MAX, Qty::MAX), 0.0);
    }

    #[test]
    fn the_largest_and_the_smallest_of_a_hundred_are_trimmed() {
        let mut sizes: Vec<Qty> = (1..=98).map(|_| 1_000).collect();
        sizes.extend([1, 1_000_000_000]);
        assert_eq!(trimmed_mean_and_deviations(&mut sizes), Some(1_000));
        sizes.pop();
        assert!(trimmed_mean_and_deviations(&mut sizes).is_some_and(|cap| cap != 1_000));
    }
}
