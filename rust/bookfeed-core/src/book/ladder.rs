//! One side of a book: levels sorted so that the best one is last, where it is cheapest to
//! look at, to insert beside and to remove. Prices, sizes and printed forms lie in arrays of
//! their own: a search touches prices only, a sweep prices and sizes only.

use crate::event::{Level, Side};
use crate::fixed::{Form, Price, Qty};

/// Levels of one side, the best last: bids ascending, asks descending.
#[derive(Clone, Debug)]
pub struct Ladder {
    prices: Vec<Price>,
    qtys: Vec<Qty>,
    forms: Vec<(Form, Form)>,
    side: Side,
}

/// A snapshot lists the same price twice on one side, so its size there is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateLevel(pub Price);

/// Levels near the touch change most; that many are tried one by one before bisecting.
const NEAR: usize = 4;

impl Ladder {
    /// An empty ladder.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { prices: Vec::new(), qtys: Vec::new(), forms: Vec::new(), side }
    }

    /// Whether price `a` is worse than `b` on this side.
    #[inline(always)]
    fn worse(&self, a: Price, b: Price) -> bool {
        match self.side {
            Side::Bid => a < b,
            Side::Ask => a > b,
        }
    }

    /// Index of the first level that is not worse than `price`.
    #[inline]
    fn position(&self, price: Price) -> usize {
        let mut high = self.prices.len();
        for _ in 0..NEAR {
            if high == 0 || self.worse(self.prices[high - 1], price) {
                return high;
            }
            high -= 1;
        }
        match self.side {
            Side::Bid => self.prices[..high].partition_point(|&p| p < price),
            Side::Ask => self.prices[..high].partition_point(|&p| p > price),
        }
    }

    /// Sets the absolute size at a price; zero removes the level. Returns whether anything
    /// changed.
    #[inline]
    pub fn set(&mut self, level: Level) -> bool {
        let at = self.position(level.price);
        if self.prices.get(at) == Some(&level.price) {
            if level.qty == 0 {
                self.prices.remove(at);
                self.qtys.remove(at);
                self.forms.remove(at);
                return true;
            }
            let changed = self.qtys[at] != level.qty;
            self.qtys[at] = level.qty;
            self.forms[at] = level.forms;
            return changed;
        }
        if level.qty == 0 {
            return false;
        }
        self.prices.insert(at, level.price);
        self.qtys.insert(at, level.qty);
        self.forms.insert(at, level.forms);
        true
    }

    /// Replaces everything by the levels of a snapshot, in whatever order they come.
    ///
    /// # Errors
    /// [`DuplicateLevel`]; the ladder is then empty.
    pub fn load(&mut self, levels: &[Level]) -> Result<(), DuplicateLevel> {
        self.clear();
        for level in levels {
            if self.prices.last().is_none_or(|&last| self.worse(last, level.price)) {
                self.prices.push(level.price);
                self.qtys.push(level.qty);
                self.forms.push(level.forms);
            } else {
                return self.load_unsorted(levels);
            }
        }
        Ok(())
    }

    #[cold]
    fn load_unsorted(&mut self, levels: &[Level]) -> Result<(), DuplicateLevel> {
        self.clear();
        let mut sorted = levels.to_vec();
        sorted.sort_unstable_by_key(|l| if self.side == Side::Bid { l.price } else { -l.price });
        for level in &sorted {
            if self.prices.last() == Some(&level.price) {
                self.clear();
                return Err(DuplicateLevel(level.price));
            }
            self.prices.push(level.price);
            self.qtys.push(level.qty);
            self.forms.push(level.forms);
        }
        Ok(())
    }

    /// Removes every level, keeping the memory.
    pub fn clear(&mut self) {
        self.prices.clear();
        self.qtys.clear();
        self.forms.clear();
    }

    /// Best price, if the side is not empty.
    #[inline]
    #[must_use]
    pub fn best_price(&self) -> Option<Price> {
        self.prices.last().copied()
    }

    /// Best price and its size, if the side is not empty.
    #[inline]
    #[must_use]
    pub fn best(&self) -> Option<(Price, Qty)> {
        Some((*self.prices.last()?, *self.qtys.last()?))
    }

    /// Prices, the best last.
    #[inline]
    #[must_use]
    pub fn prices(&self) -> &[Price] {
        &self.prices
    }

    /// Sizes, in the order of [`Self::prices`].
    #[inline]
    #[must_use]
    pub fn qtys(&self) -> &[Qty] {
        &self.qtys
    }

    /// Printed forms of price and size, in the order of [`Self::prices`].
    #[must_use]
    pub fn forms(&self) -> &[(Form, Form)] {
        &self.forms
    }

    /// Number of levels.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.prices.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }

    /// Price and size of each level, the best first.
    pub fn best_first(&self) -> impl Iterator<Item = (Price, Qty)> {
        self.prices.iter().rev().copied().zip(self.qtys.iter().rev().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: Price, qty: Qty) -> Level {
        Level { price, qty, ..Level::default() }
    }

    fn levels(ladder: &Ladder) -> Vec<(Price, Qty)> {
        ladder.best_first().collect()
    }

    #[test]
    fn keeps_the_best_level_last() {
        let mut bids = Ladder::new(Side::Bid);
        let mut asks = Ladder::new(Side::Ask);
        for price in [5, 1, 9, 3, 7, 2, 8] {
            assert!(bids.set(level(price, price * 10)));
            assert!(asks.set(level(price, price * 10)));
        }
        assert_eq!(bids.best(), Some((9, 90)));
        assert_eq!(asks.best(), Some((1, 10)));
        assert!(bids.set(level(9, 0)));
        assert!(!bids.set(level(9, 0)));
        assert!(!bids.set(level(8, 80)));
        assert!(bids.set(level(8, 81)));
        assert_eq!(levels(&bids), [(8, 81), (7, 70), (5, 50), (3, 30), (2, 20), (1, 10)]);
        assert_eq!(levels(&asks)[..3], [(1, 10), (2, 20), (3, 30)]);
    }

    #[test]
    fn loads_sorted_and_unsorted_snapshots() {
        let mut asks = Ladder::new(Side::Ask);
        let sorted = [level(9, 1), level(5, 2), level(4, 3)];
        asks.load(&sorted).unwrap();
        let expected = levels(&asks);
        asks.load(&[sorted[2], sorted[0], sorted[1]]).unwrap();
        assert_eq!(levels(&asks), expected);
        assert_eq!(asks.load(&[sorted[0], sorted[1], sorted[0]]), Err(DuplicateLevel(9)));
        assert!(asks.is_empty());
    }
}
