//! One side of a book: levels sorted so that the best one is last, where it is cheapest to
//! look at, to insert beside and to remove. A level's price and size lie side by side: the
//! line of memory that the search for a price ends at holds the size to change as well.

use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};

/// Levels of one side, the best last: bids ascending, asks descending.
#[derive(Clone, Debug)]
pub struct Ladder {
    levels: Vec<Level>,
    side: Side,
}

/// A snapshot lists the same price twice on one side, so its size there is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateLevel(pub Price);

/// A signed change took more from a level than it held: something was lost before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underflow;

/// Steps from the guessed place before the search bisects.
const STEPS: usize = 12;
/// Levels that are compared at once, without a branch for each.
const BLOCK: usize = 8;
/// Levels put in and taken out that are gathered before the others move.
const EDITS: usize = 64;

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

impl Ladder {
    /// An empty ladder.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { levels: Vec::new(), side }
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
                let changed = known.qty != level.qty;
                if level.qty == 0 {
                    self.levels.remove(at);
                } else {
                    (known.qty, known.forms) = (level.qty, level.forms);
                }
                changed
            }
            _ if level.qty == 0 => false,
            _ => {
                self.levels.insert(at, level);
                true
            }
        }
    }

    /// Sets absolute sizes as [`Self::set`] does each, and returns whether anything changed. Levels
    /// sorted best first, as venues send them, are found in one walk from the best one on, and
    /// the others move once for all that come and go.
    pub fn apply(&mut self, levels: &[Level]) -> bool {
        let side = self.side;
        // A sorted list is one run; of others each run is taken by itself.
        let runs = levels.chunk_by(|a, b| match side {
            Side::Bid => a.price > b.price,
            Side::Ask => a.price < b.price,
        });
        let mut changed = false;
        for run in runs {
            changed |= match side {
                Side::Bid => self.apply_run(run, |a, b| a < b),
                Side::Ask => self.apply_run(run, |a, b| a > b),
            };
        }
        changed
    }

    #[inline]
    fn apply_run(&mut self, run: &[Level], worse: impl Fn(Price, Price) -> bool) -> bool {
        if let [level] = run {
            return self.set(*level);
        }
        let mut edits = [Edit::default(); EDITS];
        let (mut count, mut changed) = (0, false);
        // Whatever lies from here on is better than the level in hand.
        let mut end = self.levels.len();
        for &level in run {
            let at = end - better_or_same(&self.levels[..end], |known| worse(known, level.price));
            match self.levels[..end].get_mut(at) {
                Some(known) if known.price == level.price && level.qty != 0 => {
                    changed |= known.qty != level.qty;
                    (known.qty, known.forms) = (level.qty, level.forms);
                    end = at;
                    continue;
                }
                Some(known) if known.price == level.price => {}
                _ if level.qty == 0 => {
                    end = at;
                    continue;
                }
                _ => {}
            }
            (changed, end) = (true, at);
            edits[count] = Edit { at, level };
            count += 1;
            if count == EDITS {
                self.edit(&edits);
                count = 0;
            }
        }
        self.edit(&edits[..count]);
        changed
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
    /// [`Underflow`] if more would be taken than is there, or the sum does not fit; the ladder
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
                Ok(qty != 0)
            }
            _ if qty < 0 => Err(Underflow),
            _ if qty == 0 => Ok(false),
            _ => {
                self.levels.insert(at, Level::new(price, qty));
                Ok(true)
            }
        }
    }

    /// Replaces everything by the levels of a snapshot, in whatever order they come.
    ///
    /// # Errors
    /// [`DuplicateLevel`]; the ladder is then empty.
    pub fn load(&mut self, levels: &[Level]) -> Result<(), DuplicateLevel> {
        self.levels.clear();
        self.levels.extend_from_slice(levels);
        let sorted = |pair: &[Level]| self.worse(pair[0].price, pair[1].price);
        if self.levels.windows(2).all(sorted) { Ok(()) } else { self.sort() }
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
                self.levels.clear();
                Err(DuplicateLevel(price))
            }
            None => Ok(()),
        }
    }

    /// Keeps the best `depth` levels and drops the others.
    pub fn truncate(&mut self, depth: usize) {
        if self.levels.len() > depth {
            self.levels.drain(..self.levels.len() - depth);
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

/// How many levels, counted from the best, are not worse than some price. Few mostly: they are
/// counted a block at a time, then in strides that double.
#[inline]
fn better_or_same(levels: &[Level], worse: impl Fn(Price) -> bool) -> usize {
    let Some(block) = levels.last_chunk::<BLOCK>() else {
        return levels.iter().filter(|l| !worse(l.price)).count();
    };
    let found = block.iter().map(|l| usize::from(!worse(l.price))).sum();
    if found < BLOCK {
        return found;
    }
    let (mut passed, mut stride) = (BLOCK, BLOCK);
    loop {
        let ahead = &levels[..levels.len() - passed];
        let reach = ahead.len().saturating_sub(stride);
        match ahead.get(reach) {
            Some(level) if !worse(level.price) && reach > 0 => {
                passed += stride;
                stride *= 2;
            }
            _ => {
                let far = &ahead[reach..];
                return passed + far.len() - far.partition_point(|l| worse(l.price));
            }
        }
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
    fn adds_exactly_and_never_below_zero() {
        let mut bids = Ladder::new(Side::Bid);
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
        let mut asks = Ladder::new(Side::Ask);
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
