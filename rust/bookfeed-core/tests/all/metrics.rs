//! Metrics, trade windows and histograms against the obvious implementations.
//!
//! The oracles are written from the definitions (`docs/metrics.md`) in exact rationals of
//! unbounded size, so a result that was rounded or that overflowed cannot agree with them.
//! Books come in three sizes: tiny numbers that hit boundaries all the time, numbers as
//! venues print them, and numbers up to the ends of 64 bits.

use bookfeed_core::event::{Aggressor, Level, Side};
use bookfeed_core::fixed::{Price, Qty};
use bookfeed_core::latency::Histogram;
use bookfeed_core::metrics::{
    Levels, NoQuote, Quote, Ratio, Requested, Sweep, imbalance, price_f64, qty_f64,
};
use bookfeed_core::trades::{Print, TapeLimits, TradeTape};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Best = Vec<(Price, Qty)>;

fn whole(value: impl Into<BigInt>) -> BigRational {
    BigRational::from_integer(value.into())
}

fn exact(ratio: Ratio) -> BigRational {
    BigRational::new(ratio.num().into(), ratio.den().into())
}

fn distance(a: &BigRational, b: &BigRational) -> BigRational {
    if a > b { a - b } else { b - a }
}

/// Whether `float` is the double nearest to `value`, ties to even.
fn is_nearest(float: f64, value: &BigRational) -> bool {
    let off = |f: f64| BigRational::from_float(f).map(|f| distance(&f, value));
    let Some(error) = off(float) else { return false };
    [float.next_up(), float.next_down()]
        .into_iter()
        .filter_map(off)
        .all(|neighbour| error < neighbour || (error == neighbour && float.to_bits().is_multiple_of(2)))
}

fn sizes() -> impl Strategy<Value = (std::ops::Range<i64>, std::ops::Range<i64>)> {
    prop_oneof![
        Just((0..24, 1..9)),
        Just((1_000_000..1_000_000_000, 1_000_000..50_000_000_000_000)),
        Just((0..i64::MAX, 1..i64::MAX)),
    ]
}

/// A side, best level first, of up to `most` levels.
fn side_of(side: Side, most: usize) -> impl Strategy<Value = Best> {
    sizes().prop_flat_map(move |(prices, qtys)| {
        prop::collection::btree_map(prices, qtys, 0..=most).prop_map(move |levels| match side {
            Side::Bid => levels.into_iter().rev().collect(),
            Side::Ask => levels.into_iter().collect(),
        })
    })
}

fn any_side() -> impl Strategy<Value = (Side, Best)> {
    prop_oneof![Just(Side::Bid), Just(Side::Ask)]
        .prop_flat_map(|side| side_of(side, 12).prop_map(move |best| (side, best)))
}

/// Two sides that share a range of sizes, crossed about as often as not.
fn any_book() -> impl Strategy<Value = (Best, Best)> {
    sizes().prop_flat_map(|(prices, qtys)| {
        let levels = prop::collection::btree_map(prices, qtys, 0..=12);
        (levels, any::<prop::sample::Index>(), any::<bool>()).prop_map(split)
    })
}

fn split((levels, at, crossed): (BTreeMap<Price, Qty>, prop::sample::Index, bool)) -> (Best, Best) {
    let levels: Best = levels.into_iter().collect();
    let (low, high) = levels.split_at(at.index(levels.len() + 1));
    let (bids, asks) = if crossed { (high, low) } else { (low, high) };
    (bids.iter().rev().copied().collect(), asks.to_vec())
}

/// What a ladder keeps: worst first.
struct Worst {
    side: Side,
    levels: Vec<Level>,
}

impl Worst {
    fn new(side: Side, best: &[(Price, Qty)]) -> Self {
        Self { side, levels: best.iter().rev().map(|&(p, q)| Level::new(p, q)).collect() }
    }

    fn levels(&self) -> Levels<'_> {
        Levels::new(self.side, &self.levels)
    }
}

/// Levels that live as long as the test.
fn fixed(side: Side, prices: &[Price], qtys: &[Qty]) -> Levels<'static> {
    let levels: Vec<_> = prices.iter().zip(qtys).map(|(&p, &q)| Level::new(p, q)).collect();
    Levels::new(side, &*levels.leak())
}

/// Quantity taken from each level when `left(k)` is what may still be taken at level `k`.
fn filled(best: &Best, mut left: impl FnMut(usize) -> BigRational) -> Vec<BigRational> {
    let zero = whole(0);
    (0..best.len()).map(|k| left(k).min(whole(best[k].1)).max(zero.clone())).collect()
}

fn assert_sweep(sweep: Option<Sweep>, best: &Best, taken: &[BigRational]) {
    let qty: BigRational = taken.iter().sum();
    let notional: BigRational = best.iter().zip(taken).map(|(l, x)| whole(l.0) * x).sum();
    let Some(sweep) = sweep else {
        assert_eq!(qty, whole(0));
        return;
    };
    let used: Best = best.iter().zip(taken).filter(|(_, x)| **x > whole(0)).map(|(l, _)| *l).collect();
    assert_eq!(whole(sweep.filled_qty), qty);
    assert_eq!(whole(sweep.notional), notional);
    assert_eq!(sweep.levels as usize, used.len());
    assert_eq!(Some(sweep.best_price), used.first().map(|l| l.0));
    assert_eq!(Some(sweep.worst_price), used.last().map(|l| l.0));
    let vwap = &notional / &qty;
    assert_eq!(sweep.avg_price().map(exact), Some(vwap.clone()));
    assert!(is_nearest(sweep.avg_price_f64(), &(vwap / whole(1_000_000_000))));
    assert!(is_nearest(sweep.qty_f64(), &(qty / whole(100_000_000))));
    assert!(is_nearest(sweep.notional_f64(), &(notional / whole(10i128.pow(17)))));
}

proptest! {
    #[test]
    fn sweep_by_quantity_takes_what_the_definition_says(
        (side, best) in any_side(),
        small in 0..80i64,
        large in 1..=i64::MAX,
    ) {
        let arrays = Worst::new(side, &best);
        let deep: i128 = best.iter().map(|l| i128::from(l.1)).sum();
        let all = i64::try_from(deep).unwrap_or(i64::MAX);
        for qty in [small, large, large / 10_000, all, all.saturating_add(1), all - 1] {
            let taken = filled(&best, |k| {
                whole(qty) - best[..k].iter().map(|l| whole(l.1)).sum::<BigRational>()
            });
            let sweep = arrays.levels().sweep_qty(qty);
            assert_sweep(sweep, &best, &taken);
            if let Some(sweep) = sweep {
                prop_assert_eq!(sweep.requested, Requested::Qty(qty));
                prop_assert_eq!(sweep.complete, deep >= i128::from(qty));
            }
        }
    }

    #[test]
    fn sweep_by_notional_never_exceeds_it(
        (side, best) in any_side(),
        small in 0..200i128,
        large in 1..=i128::MAX,
        shift in 0..100u32,
    ) {
        let arrays = Worst::new(side, &best);
        let worth: BigInt = best.iter().map(|l| BigInt::from(l.0) * l.1).sum();
        let all = i128::try_from(&worth).unwrap_or(i128::MAX);
        for notional in [small, large >> shift, all, all.saturating_add(1), all - 1] {
            let sweep = arrays.levels().sweep_notional(notional);
            let mut taken = filled(&best, |k| {
                let spent: BigInt = best[..k].iter().map(|l| BigInt::from(l.0) * l.1).sum();
                let left = whole(notional) - whole(spent);
                match best[k].0 {
                    0 if notional > 0 && left >= whole(0) => whole(best[k].1),
                    0 => whole(0),
                    price => (left / whole(price)).floor(),
                }
            });
            // The quantity has 64 bits: the level that would pass them is not taken.
            let mut total = whole(0);
            let stop = taken.iter().position(|x| {
                total += x;
                total > whole(i64::MAX)
            });
            taken[stop.unwrap_or(best.len())..].fill(whole(0));
            assert_sweep(sweep, &best, &taken);
            if let Some(sweep) = sweep {
                prop_assert_eq!(sweep.requested, Requested::Notional(notional));
                prop_assert!(sweep.notional <= notional);
                prop_assert_eq!(sweep.complete, stop.is_none() && worth >= notional.into());
                let next = best.iter().zip(&taken).find(|(l, x)| **x < whole(l.1));
                if let (true, Some((level, _))) = (sweep.complete, next) {
                    prop_assert!(notional - sweep.notional < i128::from(level.0));
                }
            }
        }
    }

    #[test]
    fn slippage_is_measured_from_mid_and_touch(
        (bids, asks) in any_book(),
        part in 1..=i64::MAX,
        shift in 0..63u32,
    ) {
        let touch = Quote::new(bids.first().copied(), asks.first().copied());
        for (side, best) in [(Side::Bid, &bids), (Side::Ask, &asks)] {
            let arrays = Worst::new(side, best);
            let Some(sweep) = arrays.levels().sweep_qty(part >> shift) else { continue };
            let vwap = BigRational::new(sweep.notional.into(), sweep.filled_qty.into());
            let expected = |reference: BigRational| {
                let worse = if side == Side::Ask { &vwap - &reference } else { &reference - &vwap };
                worse * whole(10_000) / reference
            };
            let small = sweep.notional < 1 << 111 && best[0].0 < 1 << 50;
            let from_touch = sweep.slippage_vs_touch_bps();
            prop_assert!(from_touch.is_some() || !small || best[0].0 == 0);
            if let Some(slippage) = from_touch {
                let value = expected(whole(best[0].0));
                prop_assert!(is_nearest(slippage.value_f64(), &value));
                prop_assert!(value >= whole(0));
                prop_assert_eq!(exact(slippage), value);
            }
            let Ok(touch) = touch else { continue };
            if let Some(slippage) = sweep.slippage_vs_mid_bps(&touch) {
                let mid = whole(touch.twice_mid()) / whole(2);
                prop_assert_eq!(exact(slippage), expected(mid));
            } else {
                prop_assert!(!small || touch.ask().0 >= 1 << 50 || touch.twice_mid() == 0);
            }
        }
    }

    #[test]
    fn touch_metrics_follow_their_definitions((bids, asks) in any_book()) {
        let touch = Quote::new(bids.first().copied(), asks.first().copied());
        let (Some(&(bid, bid_qty)), Some(&(ask, ask_qty))) = (bids.first(), asks.first()) else {
            prop_assert!(matches!(touch, Err(NoQuote::Empty | NoQuote::NoBid | NoQuote::NoAsk)));
            return Ok(());
        };
        let Ok(touch) = touch else {
            prop_assert!(bid > ask);
            return Ok(());
        };
        prop_assert!(bid <= ask);
        let mid = (whole(bid) + whole(ask)) / whole(2);
        let nano = whole(1_000_000_000);
        prop_assert_eq!(whole(touch.spread()), whole(ask) - whole(bid));
        prop_assert_eq!(whole(touch.twice_mid()), whole(2) * &mid);
        prop_assert!(is_nearest(touch.mid_f64(), &(&mid / &nano)));
        prop_assert!(is_nearest(touch.spread_f64(), &(whole(touch.spread()) / &nano)));
        if let Some(bps) = touch.spread_bps() {
            let expected = whole(10_000) * whole(touch.spread()) / mid;
            prop_assert!(is_nearest(bps.value_f64(), &expected));
            prop_assert_eq!(exact(bps), expected);
        } else {
            prop_assert_eq!(ask, 0);
        }
        let share = whole(bid_qty) / (whole(bid_qty) + whole(ask_qty));
        let weighted = &share * whole(ask) + (whole(1) - &share) * whole(bid);
        prop_assert_eq!(touch.bid_share().map(exact), Some(share));
        prop_assert_eq!(touch.weighted_mid().map(exact), Some(weighted.clone()));
        prop_assert!(touch.weighted_mid_f64().is_some_and(|f| is_nearest(f, &(weighted / nano))));
    }

    #[test]
    fn imbalance_counts_the_best_levels((bids, asks) in any_book(), levels in 0..14usize) {
        let (bid, ask) = (Worst::new(Side::Bid, &bids), Worst::new(Side::Ask, &asks));
        let sum = |best: &Best| best.iter().take(levels).map(|l| whole(l.1)).sum::<BigRational>();
        let quoted = Quote::new(bids.first().copied(), asks.first().copied()).is_ok();
        let got = imbalance(bid.levels(), ask.levels(), levels);
        prop_assert_eq!(got.is_some(), quoted && levels > 0);
        if let Some(got) = got {
            let expected = (sum(&bids) - sum(&asks)) / (sum(&bids) + sum(&asks));
            prop_assert!(is_nearest(got.ratio.value_f64(), &expected));
            prop_assert_eq!(exact(got.ratio), expected);
            prop_assert!(!got.truncated, "both sides are known in whole");
        }
    }

    #[test]
    fn depth_adds_up_and_admits_what_it_left_out(
        (bids, asks) in any_book(),
        levels in 0..14usize,
        band_ppm in prop_oneof![0..300u32, 0..2_000_000u32, any::<u32>()],
    ) {
        let touch = Quote::new(bids.first().copied(), asks.first().copied());
        for (side, best) in [(Side::Bid, &bids), (Side::Ask, &asks)] {
            let arrays = Worst::new(side, best);
            assert_depth(arrays.levels().depth(levels), best, levels.min(best.len()));
            let Ok(touch) = touch else { continue };
            let mid = whole(touch.twice_mid()) / whole(2);
            let band = BigRational::new(band_ppm.into(), 1_000_000.into());
            let inside = |level: &&(Price, Qty)| match side {
                Side::Bid => whole(level.0) >= &mid * (whole(1) - &band),
                Side::Ask => whole(level.0) <= &mid * (whole(1) + &band),
            };
            let count = best.iter().filter(inside).count();
            assert_depth(arrays.levels().depth_within(&touch, band_ppm), best, count);
        }
    }

    #[test]
    fn ratios_become_the_nearest_double(
        num in any::<i128>(),
        den in 1..=i128::MAX,
        shrink in (0..127u32, 0..127u32),
    ) {
        for (num, den) in [(num >> shrink.0, (den >> shrink.1).max(1)), (num, den)] {
            let ratio = Ratio::new(num, den);
            prop_assert!(ratio.is_some_and(|r| is_nearest(r.value_f64(), &exact(r))));
        }
    }

    /// Small and large ones, and those at the last integer of which all before it are doubles.
    #[test]
    fn prices_and_quantities_become_the_nearest_double(
        any: i128,
        shrink in 0..127u32,
        near in -1_000..1_000_i128,
    ) {
        for units in [any >> shrink, (1 << 53) + near, near - (1 << 53), near] {
            prop_assert!(is_nearest(price_f64(units), &BigRational::new(units.into(), 1_000_000_000.into())));
            prop_assert!(is_nearest(qty_f64(units), &BigRational::new(units.into(), 100_000_000.into())));
        }
    }

    /// Halfway between two doubles, and a hair to either side of it.
    #[test]
    fn ties_go_to_even(mantissa in 1u64 << 52..1 << 53, den in 1..1i128 << 60) {
        let half = (2 * i128::from(mantissa) + 1) * den;
        for num in [half - 1, half, half + 1] {
            let ratio = Ratio::new(num, 2 * den);
            prop_assert!(ratio.is_some_and(|r| is_nearest(r.value_f64(), &exact(r))));
        }
    }
}

fn assert_depth(depth: bookfeed_core::metrics::Depth, best: &Best, count: usize) {
    let mut fits = 0;
    let mut notional = BigInt::from(0);
    for level in &best[..count] {
        let next = &notional + BigInt::from(level.0) * level.1;
        if next > i128::MAX.into() {
            break;
        }
        (notional, fits) = (next, fits + 1);
    }
    assert_eq!(depth.levels as usize, fits);
    assert_eq!(BigInt::from(depth.notional), notional);
    let qty: BigInt = best[..fits].iter().map(|l| BigInt::from(l.1)).sum();
    assert_eq!(BigInt::from(depth.qty), qty);
    assert_eq!(depth.truncated, fits < count);
    assert!(is_nearest(depth.qty_f64(), &(whole(qty) / whole(100_000_000))));
    assert!(is_nearest(depth.notional_f64(), &(whole(notional) / whole(10i128.pow(17)))));
}

/// A trade as the oracle keeps it: when it counts, and what it was.
type Kept = (i64, Print);

fn prints(most: usize) -> impl Strategy<Value = Vec<Print>> {
    sizes().prop_flat_map(move |(prices, qtys)| {
        let aggressor = prop::option::of(prop_oneof![Just(Aggressor::Buy), Just(Aggressor::Sell)]);
        let steps = prop::collection::vec((-8..40i64, prices, qtys, aggressor), 0..most);
        steps.prop_map(|steps| {
            let mut ts_recv = 1_000;
            let print = |(step, price, qty, aggressor)| {
                ts_recv += step;
                Print { price, qty, aggressor, ts_event: Some(ts_recv - 7), ts_recv }
            };
            steps.into_iter().map(print).collect()
        })
    })
}

proptest! {
    #[test]
    fn trade_windows_are_exact_or_say_that_they_are_not(
        prints in prints(200),
        trades_max in prop_oneof![1..20usize, 60..140usize],
        window_ns_max in 1..3_000i64,
        queries in prop::collection::vec((0..4_000i64, -1_000..50i64), 4),
    ) {
        // Sizes near 64 bits may be forgotten early; the others only for the stated limits.
        let plain = prints.iter().all(|p| p.qty < 1 << 47 && p.price < 1 << 30);
        let mut tape = TradeTape::new(TapeLimits { window_ns_max, trades_max });
        let mut kept: Vec<Kept> = Vec::new();
        for print in prints {
            let ts = kept.last().map_or(print.ts_recv, |last| last.0.max(print.ts_recv));
            prop_assert!(tape.push(print));
            kept.push((ts, print));
            prop_assert_eq!(tape.last(), Some(&print));
            if kept.len() % 7 > 1 {
                continue;
            }
            for &(window_ns, ahead) in &queries {
                assert_window(&tape, &kept, ts + ahead, window_ns);
                let window = tape.window(ts, window_ns.min(window_ns_max));
                if plain && window.truncated {
                    prop_assert_eq!(window.count, trades_max);
                }
            }
        }
    }
}

fn assert_window(tape: &TradeTape, kept: &[Kept], now: i64, window_ns: i64) {
    let window = tape.window(now, window_ns);
    let inside: Vec<&Print> =
        kept.iter().filter(|(ts, _)| now - window_ns < *ts && *ts <= now).map(|k| &k.1).collect();
    assert!(window.count <= inside.len());
    assert!(window.truncated || window.count == inside.len());
    // Only the oldest are ever forgotten.
    let seen = &inside[inside.len() - window.count..];
    let volume: BigInt = seen.iter().map(|p| BigInt::from(p.qty)).sum();
    let notional: BigInt = seen.iter().map(|p| BigInt::from(p.price) * p.qty).sum();
    let signed = |p: &&Print| match p.aggressor {
        Some(Aggressor::Buy) => BigInt::from(p.qty),
        Some(Aggressor::Sell) => BigInt::from(-p.qty),
        None => BigInt::from(0),
    };
    assert_eq!(BigInt::from(window.volume), volume);
    assert_eq!(BigInt::from(window.notional), notional);
    assert_eq!(BigInt::from(window.signed_flow), seen.iter().map(signed).sum());
    assert_eq!(window.vwap_f64().is_some(), !seen.is_empty());
    if let Some(vwap) = window.vwap_f64() {
        let expected = BigRational::new(notional, volume) / whole(1_000_000_000);
        assert!(is_nearest(vwap, &expected));
    }
}

fn durations() -> impl Strategy<Value = Vec<i64>> {
    let one = (any::<i64>(), 0..64u32).prop_map(|(value, shift)| value >> shift);
    prop::collection::vec(prop_oneof![3 => one, 1 => 0..200i64], 0..300)
}

/// The nearest-rank percentile for `p` in thousandths of a percent.
fn nearest_rank(sorted: &[u64], p: usize) -> u64 {
    let rank = (p * sorted.len()).div_ceil(100_000).max(1);
    sorted[rank - 1]
}

proptest! {
    #[test]
    fn histograms_stay_within_a_sixty_fourth(first in durations(), second in durations()) {
        let mut histogram = Histogram::new();
        let mut other = Histogram::new();
        let mut together = Histogram::new();
        first.iter().for_each(|&value| histogram.record(value));
        second.iter().for_each(|&value| other.record(value));
        first.iter().chain(&second).for_each(|&value| together.record(value));
        histogram.merge(&other);
        prop_assert_eq!(&histogram, &together);

        let all = first.iter().chain(&second);
        let mut sorted: Vec<u64> = all.clone().filter_map(|&v| u64::try_from(v).ok()).collect();
        sorted.sort_unstable();
        prop_assert_eq!(histogram.count(), sorted.len() as u64);
        prop_assert_eq!(histogram.negative(), all.filter(|v| **v < 0).count() as u64);
        prop_assert_eq!(histogram.min(), sorted.first().copied());
        prop_assert_eq!(histogram.max(), sorted.last().copied());
        let sum: BigInt = sorted.iter().map(|&v| BigInt::from(v)).sum();
        prop_assert_eq!(BigInt::from(histogram.sum()), sum.clone());
        prop_assert_eq!(histogram.mean_f64().is_some(), !sorted.is_empty());
        if let Some(mean) = histogram.mean_f64() {
            prop_assert!(is_nearest(mean, &BigRational::new(sum, sorted.len().into())));
        }
        for (p, thousandths) in [(0.0, 0), (0.1, 100), (25.0, 25_000), (50.0, 50_000),
            (90.0, 90_000), (99.0, 99_000), (99.9, 99_900), (99.999, 99_999), (100.0, 100_000)]
        {
            let got = histogram.percentile(p);
            prop_assert_eq!(got.is_some(), !sorted.is_empty());
            let Some(got) = got else { continue };
            let truth = nearest_rank(&sorted, thousandths);
            prop_assert!(got >= truth, "p{p}: {got} below {truth}");
            prop_assert!(u128::from(got - truth) * 64 <= u128::from(truth), "p{p}: {got} {truth}");
        }
    }
}

#[test]
fn a_side_without_levels_answers_nothing() {
    let none = fixed(Side::Ask, &[], &[]);
    assert!(none.is_empty() && none.best().is_none());
    assert!(none.sweep_qty(1).is_none() && none.sweep_notional(1).is_none());
    let depth = none.depth(5);
    assert_eq!((depth.qty, depth.notional, depth.levels, depth.truncated), (0, 0, 0, false));
    let one = Some((500_000_000, 1));
    assert_eq!(Quote::new(None, None), Err(NoQuote::Empty));
    assert_eq!(Quote::new(None, one), Err(NoQuote::NoBid));
    assert_eq!(Quote::new(one, None), Err(NoQuote::NoAsk));
    assert!(imbalance(fixed(Side::Bid, &[1], &[1]), none, 1).is_none());
}

#[test]
fn locked_is_a_quote_and_crossed_is_not() {
    let locked = Quote::new(Some((500_000_000, 1)), Some((500_000_000, 3)));
    assert_eq!(locked.map(|t| (t.spread(), t.mid_f64())), Ok((0, 0.5)));
    assert_eq!(
        locked.ok().and_then(|t| t.spread_bps()).map(Ratio::value_f64).map(f64::to_bits),
        Some(0)
    );
    let crossed = Quote::new(Some((500_000_001, 1)), Some((500_000_000, 3)));
    assert_eq!(crossed, Err(NoQuote::Crossed));
    let bids = fixed(Side::Bid, &[500_000_001], &[1]);
    let asks = fixed(Side::Ask, &[500_000_000], &[3]);
    assert!(imbalance(bids, asks, 1).is_none());
}

#[test]
fn sweeps_refuse_what_executes_nothing() {
    let asks = fixed(Side::Ask, &[500_000_000], &[10]);
    for amount in [0, -1, i64::MIN] {
        assert!(asks.sweep_qty(amount).is_none());
        assert!(asks.sweep_notional(amount.into()).is_none());
    }
    // One unit of 1e-8 costs 500,000,000: anything less buys nothing.
    assert!(asks.sweep_notional(499_999_999).is_none());
    let one = asks.sweep_notional(999_999_999);
    assert_eq!(one.map(|s| (s.filled_qty, s.notional, s.complete)), Some((1, 500_000_000, true)));
}

#[test]
fn sweeps_at_the_edge_of_a_level() {
    let asks = fixed(Side::Ask, &[700_000_000, 600_000_000], &[5, 10]);
    let at = |qty| asks.sweep_qty(qty).map(|s| (s.filled_qty, s.levels, s.worst_price, s.complete));
    assert_eq!(at(10), Some((10, 1, 600_000_000, true)));
    assert_eq!(at(11), Some((11, 2, 700_000_000, true)));
    assert_eq!(at(15), Some((15, 2, 700_000_000, true)));
    assert_eq!(at(16), Some((15, 2, 700_000_000, false)));
    let with = |notional| {
        let sweep = asks.sweep_notional(notional);
        sweep.map(|s| (s.filled_qty, s.levels, s.worst_price, s.complete))
    };
    assert_eq!(with(6_000_000_000), Some((10, 1, 600_000_000, true)));
    // The second level is reached but not touched: less than one unit of it is affordable.
    assert_eq!(with(6_699_999_999), Some((10, 1, 600_000_000, true)));
    assert_eq!(with(6_700_000_000), Some((11, 2, 700_000_000, true)));
    assert_eq!(with(9_500_000_001), Some((15, 2, 700_000_000, false)));
}

#[test]
fn a_quantity_may_fill_64_bits_and_no_more() {
    let asks = fixed(Side::Ask, &[2, 1], &[10, i64::MAX - 5]);
    let with = |extra: i128| {
        let sweep = asks.sweep_notional(i128::from(i64::MAX - 5) + extra);
        sweep.map(|s| (s.filled_qty, s.levels, s.complete))
    };
    assert_eq!(with(10), Some((i64::MAX, 2, true)));
    assert_eq!(with(11), Some((i64::MAX, 2, true)));
    assert_eq!(with(12), Some((i64::MAX - 5, 1, false)));
    assert_eq!(with(20), Some((i64::MAX - 5, 1, false)));
}

#[test]
fn published_vectors() {
    // Weighted mid: bid 100 x 9, ask 101 x 1 gives 100.9.
    let touch = Quote::new(Some((100_000_000_000, 9)), Some((101_000_000_000, 1)));
    assert_eq!(touch.ok().and_then(|t| t.weighted_mid_f64()), Some(100.9));
    let wide = Quote::new(Some((98_000_000_000, 1)), Some((102_000_000_000, 1)));
    let bps = wide.ok().and_then(|t| t.spread_bps());
    assert_eq!(bps.map(Ratio::value_f64), Some(400.0));
}

#[test]
fn a_band_includes_its_edges() {
    let bids = fixed(Side::Bid, &[970_000_000, 980_000_000, 990_000_000], &[4, 2, 1]);
    let Ok(touch) = Quote::new(bids.best(), Some((1_010_000_000, 1))) else {
        unreachable!("not crossed")
    };
    let within = |ppm| {
        let depth = bids.known_to(Some(970_000_000)).depth_within(&touch, ppm);
        (depth.qty, depth.levels, depth.truncated)
    };
    assert_eq!(within(9_999), (0, 0, false));
    assert_eq!(within(10_000), (1, 1, false));
    assert_eq!(within(20_000), (3, 2, false));
    assert_eq!(within(30_000), (7, 3, false), "it ends with the last level that is known");
    assert_eq!(within(30_001), (7, 3, true));
    assert!(!bids.depth_within(&touch, 30_001).truncated, "a side that is known in whole");
    assert_eq!(within(u32::MAX), (7, 3, true));
}
