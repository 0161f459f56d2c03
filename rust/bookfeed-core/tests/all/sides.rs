//! Sides of very many levels, and what turns a short one into one of them and back, against a map
//! that knows of no layout.

use crate::support::Rng;
use bookfeed_core::book::side::{BookSide, Ladder};
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fixed::{Price, Qty};
use bookfeed_core::metrics::{Levels, Quote, imbalance};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A side, and a map that the same is done to.
struct Pair {
    ours: BookSide,
    side: Side,
    map: BTreeMap<Price, Qty>,
    rng: Rng,
}

impl Pair {
    fn new(side: Side, seed: u64) -> Self {
        Self { ours: BookSide::new(side), side, map: BTreeMap::new(), rng: Rng(seed) }
    }

    fn number(&mut self, below: usize) -> i64 {
        i64::try_from(self.rng.below(below)).unwrap()
    }

    /// Steps away from the touch: anywhere, or near it as most changes are.
    fn price(&mut self, reach: usize) -> Price {
        let near = 1 + self.rng.below(reach);
        let away = if self.rng.once_in(2) { self.number(reach) } else { self.number(near.min(500)) };
        1_000_000 + if self.side == Side::Bid { -away } else { away }
    }

    fn put(&mut self, price: Price, qty: Qty) {
        if qty == 0 {
            self.map.remove(&price);
        } else {
            self.map.insert(price, qty);
        }
    }

    fn sort_best_first(&self, levels: &mut [Level]) {
        levels.sort_by_key(|level| if self.side == Side::Bid { -level.price } else { level.price });
    }

    fn load(&mut self, count: usize, reach: usize) {
        let prices: Vec<_> = (0..count).map(|_| self.price(reach)).collect();
        self.map = prices.into_iter().map(|price| (price, 1 + price % 977)).collect();
        let mut levels: Vec<_> = self.map.iter().map(|(&p, &q)| Level::new(p, q)).collect();
        if self.rng.once_in(2) {
            self.sort_best_first(&mut levels);
        }
        self.ours.load(&levels).unwrap();
    }

    fn set(&mut self, reach: usize, zeros: usize) {
        let (price, qty) = (self.price(reach), 1 + self.number(1000));
        let qty = if self.rng.below(10) < zeros { 0 } else { qty };
        let before = self.map.get(&price).copied().unwrap_or(0);
        assert_eq!(self.ours.set(Level::new(price, qty)), before != qty);
        self.put(price, qty);
    }

    fn apply(&mut self, reach: usize, zeros: usize) {
        let count = self.rng.below(150);
        let mut levels: Vec<_> = (0..count)
            .map(|_| {
                let (price, qty) = (self.price(reach), 1 + self.number(1000));
                Level::new(price, if self.rng.below(10) < zeros { 0 } else { qty })
            })
            .collect();
        if !self.rng.once_in(4) {
            self.sort_best_first(&mut levels);
        }
        let changed = levels.iter().fold(false, |changed, level| {
            let before = self.map.get(&level.price).copied().unwrap_or(0);
            self.put(level.price, level.qty);
            changed | (before != level.qty)
        });
        assert_eq!(self.ours.apply(&levels), changed);
    }

    fn add(&mut self, reach: usize) {
        let (price, more) = (self.price(reach), self.number(2000) - 1000);
        let before = self.map.get(&price).copied().unwrap_or(0);
        let sum = before + more;
        assert_eq!(self.ours.add(price, more).ok(), (sum >= 0).then_some(more != 0));
        if sum >= 0 {
            self.put(price, sum);
        }
    }

    fn truncate(&mut self, depth: usize) {
        self.ours.truncate(depth);
        while self.map.len() > depth {
            let worst = if self.side == Side::Bid { self.map.pop_first() } else { self.map.pop_last() };
            assert!(worst.is_some());
        }
    }

    fn best_first(&self) -> Vec<(Price, Qty)> {
        let levels = self.map.iter().map(|(&price, &qty)| (price, qty));
        if self.side == Side::Bid { levels.rev().collect() } else { levels.collect() }
    }

    /// All that can be asked of a side.
    fn check(&mut self) {
        let expected = self.best_first();
        assert_eq!(self.ours.best_first().collect::<Vec<_>>(), expected);
        // One by one, which is another way through the blocks than all in one go.
        let mut ladder = self.ours.levels();
        for (n, &(price, qty)) in expected.iter().enumerate() {
            assert_eq!(ladder.len(), expected.len() - n);
            assert_eq!(ladder.best().map(|level| level.price), Some(price));
            let best = ladder.pop_best().unwrap();
            assert_eq!((best.price, best.qty), (price, qty));
        }
        assert!(ladder.is_empty() && ladder.best().is_none() && ladder.pop_best().is_none());
        assert_eq!(self.ours.len(), expected.len());
        assert_eq!(self.ours.is_empty(), expected.is_empty());
        assert_eq!(self.ours.best(), expected.first().copied());
        assert_eq!(self.ours.worst_price(), expected.last().map(|&(price, _)| price));
        assert!(self.ours.audit());
        for _ in 0..20 {
            let price = self.price(20_000);
            assert_eq!(self.ours.qty_at(price), self.map.get(&price).copied().unwrap_or(0));
        }
        self.check_metrics(&expected);
    }

    /// What is computed from a side is what is computed from the same levels in one piece.
    fn check_metrics(&mut self, best_first: &[(Price, Qty)]) {
        let mut dice = Self::new(self.side, self.rng.below(1 << 30) as u64);
        let whole: Vec<_> = best_first.iter().rev().map(|&(p, q)| Level::new(p, q)).collect();
        let worst_known =
            (!whole.is_empty() && dice.rng.once_in(2)).then(|| whole[dice.rng.below(whole.len())].price);
        let ours = Levels::new(self.side, self.ours.levels()).known_to(worst_known);
        let theirs = Levels::new(self.side, &whole).known_to(worst_known);
        let other = match self.side {
            Side::Bid => [Level::new(1_000_001, 5)],
            Side::Ask => [Level::new(999_999, 5)],
        };
        for _ in 0..20 {
            let count = dice.rng.below(whole.len() + 10);
            assert_eq!(ours.depth(count), theirs.depth(count));
            let qty = dice.number(whole.len() * 1_000 + 10);
            assert_eq!(ours.sweep_qty(qty), theirs.sweep_qty(qty));
            let notional = i128::from(qty) * 900_000;
            assert_eq!(ours.sweep_notional(notional), theirs.sweep_notional(notional));
            let touch = match (self.side, theirs.best()) {
                (Side::Bid, Some(bid)) => Quote::new(Some(bid), Some((1_000_001, 5))).unwrap(),
                (Side::Ask, Some(ask)) => Quote::new(Some((999_999, 5)), Some(ask)).unwrap(),
                (_, None) => continue,
            };
            let band = u32::try_from(dice.rng.below(30_000)).unwrap();
            assert_eq!(ours.depth_within(&touch, band), theirs.depth_within(&touch, band));
            let facing = Levels::new(if self.side == Side::Bid { Side::Ask } else { Side::Bid }, &other);
            let of = |levels: Levels<'_>| match self.side {
                Side::Bid => imbalance(levels, facing, count),
                Side::Ask => imbalance(facing, levels, count),
            };
            let told = |levels| of(levels).map(|i| (i.ratio.num(), i.ratio.den(), i.truncated));
            assert_eq!(told(ours), told(theirs));
        }
        // And from a part of them.
        let count = dice.rng.below(whole.len() + 10);
        let part = &whole[count.min(whole.len())..];
        let cut = self.ours.levels().without_worst(count);
        assert!(cut == Ladder::of(part) && cut.len() == part.len());
        let again = dice.rng.below(whole.len() + 10);
        let rest = &part[again.min(part.len())..];
        assert!(cut.without_worst(again) == Ladder::of(rest));
        let price = dice.price(20_000);
        let worse = |a, b| if self.side == Side::Bid { a < b } else { a > b };
        assert_eq!(cut.count_worse(price, worse), Ladder::of(part).count_worse(price, worse));
    }

    /// A while in which the side grows, stays, or shrinks.
    fn live(&mut self) {
        let reach = [300, 6_000, 20_000][self.rng.below(3)];
        let (changes, zeros) = (self.rng.below(4_000), 1 + self.rng.below(9));
        match self.rng.below(12) {
            0 => {
                let count = self.rng.below(15_000);
                self.load(count, 20_000);
            }
            1 => {
                let depth = self.rng.below(self.map.len() + 500);
                self.truncate(depth);
            }
            2 => {
                // The best go, as far as they lie together and further.
                let count = self.rng.below(3_000);
                for (price, _) in self.best_first().into_iter().take(count) {
                    assert!(self.ours.set(Level::new(price, 0)));
                    self.put(price, 0);
                }
            }
            3..6 => (0..changes).for_each(|_| self.set(reach, zeros)),
            6..8 => (0..changes).for_each(|_| self.add(reach)),
            _ => (0..=changes / 75).for_each(|_| self.apply(reach, zeros)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_long_side_equals_a_map(seed: u64, ask: bool, begin in 0..20_000usize) {
        let mut pair = Pair::new(if ask { Side::Ask } else { Side::Bid }, seed);
        pair.load(begin, 20_000);
        pair.check();
        for _ in 0..12 {
            pair.live();
            pair.check();
        }
    }
}

#[test]
fn a_side_becomes_long_level_by_level_and_short_again() {
    for side in [Side::Bid, Side::Ask] {
        for best_first in [false, true] {
            let mut pair = Pair::new(side, 3);
            let first = if side == Side::Bid { 990_000 } else { 1_000_000 };
            let mut prices: Vec<Price> = (first..first + 10_000).collect();
            if best_first == (side == Side::Bid) {
                prices.reverse();
            }
            for (n, &price) in prices.iter().enumerate() {
                assert!(pair.ours.set(Level::new(price, price)));
                pair.put(price, price);
                if n % 1_000 == 0 {
                    pair.check();
                }
            }
            for (n, &price) in prices.iter().enumerate() {
                assert!(pair.ours.set(Level::new(price, 0)));
                pair.put(price, 0);
                if n % 1_000 == 0 {
                    pair.check();
                }
            }
            pair.check();
        }
    }
}

/// For the nightly tier.
#[test]
#[ignore = "long: ten million changes"]
fn a_long_side_equals_a_map_for_long() {
    for (seed, side) in [(1, Side::Bid), (2, Side::Ask)] {
        let mut pair = Pair::new(side, seed);
        for _ in 0..3_000 {
            pair.live();
            pair.check();
        }
    }
}
