//! One side of a book: levels sorted so that the best one is last, where it is cheapest to
//! look at, to insert beside and to remove. A level's price and size lie side by side: the
//! line of memory that the search for a price ends at holds the size to change as well.
//!
//! A side also keeps the running sum of what was put in and taken out. Now and then it adds up
//! its levels: if they come to something else, or are out of order, a change went astray here.

use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};

/// Levels of one side, the best last: bids ascending, asks descending.
#[derive(Clone, Debug)]
pub struct BookSide {
    levels: Vec<Level>,
    side: Side,
    /// Whether the levels were found not to be what changes made of them.
    unsound: bool,
    /// Changes until the levels are added up again.
    audit_in: u32,
    /// Sum of the sizes that came less those that went, since the snapshot; modulo 2^64.
    balance: Qty,
}

/// A snapshot lists the same price twice on one side, so its size there is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateLevel(pub Price);

/// A signed change took more from a level than it held: something was lost before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underflow;

/// Steps from the guessed place before the search bisects.
const STEPS: usize = 12;
/// Levels that are looked up before any is set.
const BATCH: usize = 64;
/// Fewest changes after which levels are added up. A side of many levels waits for more: so many
/// for each of them, which keeps the cost of a change the same.
const AUDIT_AFTER: usize = 32;
const AUDIT_CHANGES_PER_LEVEL: usize = 8;

/// A level that comes in front of the one at `at`, or the one there that goes.
#[derive(Clone, Copy, Debug, Default)]
struct Edit {
    at: usize,
    /// The new level; of size zero if the one at `at` goes.
    level: Level,
}

impl Edit {
    /// How many places the better levels move by.
    #[inline]
    const fn shift(&self) -> isize {
        if self.level.qty == 0 { -1 } else { 1 }
    }

    /// The first of the better levels.
    #[inline]
    const fn behind(&self) -> usize {
        if self.level.qty == 0 { self.at + 1 } else { self.at }
    }
}

impl BookSide {
    /// An empty side.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { levels: Vec::new(), side, unsound: false, audit_in: 0, balance: 0 }
    }

    /// A size came for one that goes.
    #[inline(always)]
    const fn book(&mut self, came: Qty, went: Qty) {
        self.balance = self.balance.wrapping_add(came).wrapping_sub(went);
        self.audit_in = self.audit_in.saturating_sub(1);
    }

    /// Whether the levels should be added up, or were found wrong when they were.
    #[inline(always)]
    #[must_use]
    pub const fn audit_due(&self) -> bool {
        self.audit_in == 0 || self.unsound
    }

    /// Adds the levels up: whether they are in order and come to what was put in less what was
    /// taken out. Once they did not, only a new side is sound.
    #[inline(never)]
    pub fn audit(&mut self) -> bool {
        let wait = (self.levels.len() * AUDIT_CHANGES_PER_LEVEL).max(AUDIT_AFTER);
        self.audit_in = u32::try_from(wait).unwrap_or(u32::MAX);
        let sum = self.levels.iter().fold(0, |sum: Qty, level| sum.wrapping_add(level.qty));
        self.unsound |= sum != self.balance || !self.ordered();
        !self.unsound
    }

    fn ordered(&self) -> bool {
        self.levels.windows(2).all(|pair| self.worse(pair[0].price, pair[1].price))
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
    ///
    /// Prices lie on a grid, more or less evenly, so the place is guessed by interpolation
    /// and found a few steps from there; a bisection would touch more memory. Where levels
    /// lie unevenly it is bisected after all.
    #[inline]
    fn position(&self, price: Price) -> usize {
        let levels = self.levels.as_slice();
        let (Some(worst), Some(best)) = (levels.first(), levels.last()) else { return 0 };
        if self.worse(best.price, price) {
            return levels.len();
        }
        if !self.worse(worst.price, price) {
            return 0;
        }
        // From here on the place is behind the worst level and not behind the best.
        let (passed, span) = (price.abs_diff(worst.price), best.price.abs_diff(worst.price));
        let top = levels.len() - 1;
        let guess = passed.saturating_mul(top as u64) / span;
        let guess = usize::try_from(guess).unwrap_or(top);
        let mut at = guess.min(top);
        for _ in 0..STEPS {
            if self.worse(levels[at].price, price) {
                at += 1;
            } else if self.worse(levels[at - 1].price, price) {
                return at;
            } else {
                at -= 1;
            }
        }
        levels.partition_point(|l| self.worse(l.price, price))
    }

    /// Size at a price, 0 if there is no such level.
    #[must_use]
    pub fn qty_at(&self, price: Price) -> Qty {
        let level = self.levels.get(self.position(price));
        level.filter(|l| l.price == price).map_or(0, |l| l.qty)
    }

    /// Sets the absolute size at a price; zero removes the level. Returns whether anything
    /// changed.
    #[inline]
    pub fn set(&mut self, level: Level) -> bool {
        let at = self.position(level.price);
        match self.levels.get_mut(at) {
            Some(known) if known.price == level.price => {
                let before = known.qty;
                if level.qty == 0 {
                    self.levels.remove(at);
                } else {
                    (known.qty, known.forms) = (level.qty, level.forms);
                }
                self.book(level.qty, before);
                before != level.qty
            }
            _ if level.qty == 0 => false,
            _ => {
                self.levels.insert(at, level);
                self.book(level.qty, 0);
                true
            }
        }
    }

    /// Sets absolute sizes as [`Self::set`] does each, and returns whether anything changed. Of
    /// levels sorted best first, as venues send them, the places are looked up together, and the
    /// others move once for all that come and go.
    #[inline(never)]
    pub fn apply(&mut self, levels: &[Level]) -> bool {
        match self.side {
            Side::Bid => self.apply_ordered(levels, |a, b| a < b),
            Side::Ask => self.apply_ordered(levels, |a, b| a > b),
        }
    }

    /// Takes each sorted part by itself, which of a sorted list is all of it.
    #[inline(always)]
    fn apply_ordered(&mut self, levels: &[Level], worse: impl Fn(Price, Price) -> bool + Copy) -> bool {
        let mut changed = false;
        for sorted in levels.chunk_by(|a, b| worse(b.price, a.price)) {
            for batch in sorted.chunks(BATCH) {
                changed |= match batch {
                    [level] => self.set(*level),
                    _ => self.apply_batch(batch, worse),
                };
            }
        }
        changed
    }

    #[inline(always)]
    fn apply_batch(&mut self, batch: &[Level], worse: impl Fn(Price, Price) -> bool) -> bool {
        // Each search is a chain of loads, but none waits for another: they overlap as long as
        // nothing else comes between them, such as a branch that is guessed wrong.
        let mut places = [0; BATCH];
        for (place, level) in places.iter_mut().zip(batch) {
            *place = self.levels.partition_point(|known| worse(known.price, level.price));
        }
        let mut edits = [Edit::default(); BATCH];
        let (mut count, mut changed, mut balance) = (0, false, self.balance);
        for (&at, &level) in places.iter().zip(batch) {
            let known = self.levels.get_mut(at).filter(|known| known.price == level.price);
            let before = known.as_ref().map_or(0, |known| known.qty);
            balance = balance.wrapping_add(level.qty).wrapping_sub(before);
            edits[count] = Edit { at, level };
            match known {
                Some(known) if level.qty != 0 => {
                    changed |= known.qty != level.qty;
                    (known.qty, known.forms) = (level.qty, level.forms);
                }
                // One that is there goes, or one that is not comes.
                known => count += usize::from(known.is_some() == (level.qty == 0)),
            }
        }
        if count > 0 {
            self.edit(&edits[..count]);
        }
        self.balance = balance;
        self.audit_in = self.audit_in.saturating_sub(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        changed | (count > 0)
    }

    /// Puts levels in and takes levels out. The edits come from the best to the worst, their
    /// places those before any of them.
    ///
    /// What lies between two edits moves as a whole: first what moves towards the best, from there
    /// on, then what moves the other way, from the other end. So nothing is overwritten that has
    /// yet to move, and what as many levels came before as went stays where it is.
    #[inline]
    fn edit(&mut self, edits: &[Edit]) {
        let before = self.levels.len();
        let grown: isize = edits.iter().map(Edit::shift).sum();
        let after = before.saturating_add_signed(grown);
        self.levels.resize(before.max(after), Level::default());
        let levels = self.levels.as_mut_slice();
        let (mut shift, mut end) = (grown, before);
        for edit in edits {
            if shift > 0 {
                levels.copy_within(edit.behind()..end, edit.behind().saturating_add_signed(shift));
            }
            shift -= edit.shift();
            end = edit.at;
        }
        let mut ends = edits.iter().rev().skip(1).map(|better| better.at).chain([before]);
        for edit in edits.iter().rev() {
            if edit.level.qty != 0 {
                levels[edit.at.saturating_add_signed(shift)] = edit.level;
            }
            shift += edit.shift();
            let end = ends.next().unwrap_or(before);
            if shift < 0 {
                levels.copy_within(edit.behind()..end, edit.behind().saturating_add_signed(shift));
            }
        }
        self.levels.truncate(after);
    }

    /// Adds to the size at a price, or takes from it; a level that comes to nothing is removed.
    /// Returns whether anything changed.
    ///
    /// # Errors
    /// [`Underflow`] if more would be taken than is there, or the sum does not fit; the side
    /// is then as it was.
    #[inline]
    pub fn add(&mut self, price: Price, qty: Qty) -> Result<bool, Underflow> {
        let at = self.position(price);
        match self.levels.get_mut(at) {
            Some(known) if known.price == price => {
                let sum = known.qty.checked_add(qty).filter(|&sum| sum >= 0).ok_or(Underflow)?;
                if sum == 0 {
                    self.levels.remove(at);
                } else {
                    known.qty = sum;
                }
                self.book(qty, 0);
                Ok(qty != 0)
            }
            _ if qty < 0 => Err(Underflow),
            _ if qty == 0 => Ok(false),
            _ => {
                self.levels.insert(at, Level::new(price, qty));
                self.book(qty, 0);
                Ok(true)
            }
        }
    }

    /// Replaces everything by the levels of a snapshot, in whatever order they come. Those that go
    /// are added up before: what was wrong with them is not forgotten.
    ///
    /// # Errors
    /// [`DuplicateLevel`]; the side is then empty.
    pub fn load(&mut self, levels: &[Level]) -> Result<(), DuplicateLevel> {
        self.audit();
        self.levels.clear();
        self.levels.extend_from_slice(levels);
        self.balance = levels.iter().fold(0, |sum: Qty, level| sum.wrapping_add(level.qty));
        if self.ordered() { Ok(()) } else { self.sort() }
    }

    #[cold]
    fn sort(&mut self) -> Result<(), DuplicateLevel> {
        match self.side {
            Side::Bid => self.levels.sort_unstable_by_key(|l| l.price),
            Side::Ask => self.levels.sort_unstable_by_key(|l| std::cmp::Reverse(l.price)),
        }
        let twice = self.levels.windows(2).find(|pair| pair[0].price == pair[1].price);
        match twice.map(|pair| pair[0].price) {
            Some(price) => {
                self.clear();
                Err(DuplicateLevel(price))
            }
            None => Ok(()),
        }
    }

    /// Keeps the best `depth` levels and drops the others.
    pub fn truncate(&mut self, depth: usize) {
        if self.levels.len() > depth {
            let gone = self.levels.drain(..self.levels.len() - depth);
            self.balance = gone.fold(self.balance, |sum, level| sum.wrapping_sub(level.qty));
        }
    }

    /// The worst level, if the side is not empty.
    #[must_use]
    pub fn worst_price(&self) -> Option<Price> {
        self.levels.first().map(|l| l.price)
    }

    /// Removes every level, keeping the memory.
    pub fn clear(&mut self) {
        self.levels.clear();
        self.balance = 0;
    }

    /// Best price, if the side is not empty.
    #[inline]
    #[must_use]
    pub fn best_price(&self) -> Option<Price> {
        self.levels.last().map(|l| l.price)
    }

    /// Best price and its size, if the side is not empty.
    #[inline]
    #[must_use]
    pub fn best(&self) -> Option<(Price, Qty)> {
        self.levels.last().map(|l| (l.price, l.qty))
    }

    /// The levels, the best last.
    #[inline]
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Number of levels.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Price and size of each level, the best first.
    pub fn best_first(&self) -> impl Iterator<Item = (Price, Qty)> {
        self.levels.iter().rev().map(|l| (l.price, l.qty))
    }
}

#[cfg(test)]
impl BookSide {
    /// What a defect of this file might do: a level holds one more than was put there.
    pub(crate) fn damage(&mut self) {
        self.levels[0].qty += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: Price, qty: Qty) -> Level {
        Level { price, qty, ..Level::default() }
    }

    fn levels(side: &BookSide) -> Vec<(Price, Qty)> {
        side.best_first().collect()
    }

    #[test]
    fn keeps_the_best_level_last() {
        let mut bids = BookSide::new(Side::Bid);
        let mut asks = BookSide::new(Side::Ask);
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
    fn adds_exactly_and_never_below_zero() {
        let mut bids = BookSide::new(Side::Bid);
        assert_eq!(bids.add(5, 10), Ok(true));
        assert_eq!(bids.add(7, 3), Ok(true));
        assert_eq!(bids.add(5, -4), Ok(true));
        assert_eq!(bids.add(5, 0), Ok(false));
        assert_eq!(bids.add(6, 0), Ok(false), "nothing is not a level");
        assert_eq!(bids.add(5, -7), Err(Underflow));
        assert_eq!(bids.add(4, -1), Err(Underflow), "from a level that is not there");
        assert_eq!(bids.add(5, Qty::MAX), Err(Underflow), "nor beyond what fits");
        assert_eq!(levels(&bids), [(7, 3), (5, 6)]);
        assert_eq!(bids.add(7, -3), Ok(true));
        assert_eq!(levels(&bids), [(5, 6)]);
    }

    #[test]
    fn keeps_the_best_of_a_window() {
        let mut asks = BookSide::new(Side::Ask);
        for price in [4, 2, 3, 1] {
            asks.set(level(price, 1));
        }
        asks.truncate(4);
        assert_eq!((asks.len(), asks.worst_price()), (4, Some(4)));
        asks.truncate(2);
        assert_eq!(levels(&asks), [(1, 1), (2, 1)]);
        asks.truncate(0);
        assert_eq!((asks.len(), asks.worst_price()), (0, None));
    }

    #[test]
    fn what_does_not_add_up_is_found_and_stays_found() {
        let loaded = || {
            let mut bids = BookSide::new(Side::Bid);
            bids.load(&[level(1, 5), level(3, 6), level(2, 7)]).unwrap();
            assert!(bids.audit());
            bids
        };
        let mut bids = loaded();
        bids.damage();
        for _ in 0..AUDIT_AFTER {
            assert!(!bids.audit_due());
            bids.set(level(3, 8));
        }
        assert!(bids.audit_due() && !bids.audit() && bids.audit_due());
        let mut bids = loaded();
        bids.damage();
        bids.load(&[level(1, 5)]).unwrap();
        assert!(bids.audit_due() && !bids.audit(), "a snapshot hides nothing");
        let mut bids = loaded();
        bids.levels.swap(0, 1);
        assert!(!bids.audit(), "the sum alone says nothing about order");
    }

    #[test]
    fn loads_sorted_and_unsorted_snapshots() {
        let mut asks = BookSide::new(Side::Ask);
        let sorted = [level(9, 1), level(5, 2), level(4, 3)];
        asks.load(&sorted).unwrap();
        let expected = levels(&asks);
        asks.load(&[sorted[2], sorted[0], sorted[1]]).unwrap();
        assert_eq!(levels(&asks), expected);
        assert_eq!(asks.load(&[sorted[0], sorted[1], sorted[0]]), Err(DuplicateLevel(9)));
        assert!(asks.is_empty());
    }
}
