//! One side of a book: levels sorted so that the best one is last, where it is cheapest to
//! look at, to insert beside and to remove. A level's price and size lie side by side: the
//! line of memory that the search for a price ends at holds the size to change as well. A side of
//! very many levels keeps the worse ones elsewhere (`long.rs`).
//!
//! A side also keeps the running sum of what was put in and taken out. Now and then it adds up
//! its levels: if they come to something else, or are out of order, a change went astray here.

mod batch;
mod deep;
mod ladder;
mod long;

use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};
use deep::Deep;
pub(crate) use ladder::Runs;
pub use ladder::{BestFirst, Ladder};
pub(crate) use long::NEAR_LEAST;

/// Levels of one side, the best last: bids ascending, asks descending.
#[derive(Clone, Debug)]
pub struct BookSide {
    /// All levels; of a long side the best.
    levels: Vec<Level>,
    /// The others, if the side is long. They are worse than those.
    deep: Option<Box<Deep>>,
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
/// Fewest changes after which levels are added up. A side of many levels waits for more: so many
/// for each of them, which keeps the cost of a change the same.
const AUDIT_AFTER: usize = 32;
const AUDIT_CHANGES_PER_LEVEL: usize = 8;

impl BookSide {
    /// An empty side.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { levels: Vec::new(), deep: None, side, unsound: false, audit_in: 0, balance: 0 }
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
        let wait = (self.len() * AUDIT_CHANGES_PER_LEVEL).max(AUDIT_AFTER);
        self.audit_in = u32::try_from(wait).unwrap_or(u32::MAX);
        let sum = self.levels().best_first().fold(0, |sum: Qty, level| sum.wrapping_add(level.qty));
        self.unsound |= sum != self.balance || !self.ordered();
        !self.unsound
    }

    fn ordered(&self) -> bool {
        self.levels.windows(2).all(|pair| self.worse(pair[0].price, pair[1].price))
            && self.deep.as_ref().is_none_or(|deep| self.ordered_before(deep))
    }

    /// Whether price `a` is worse than `b` on this side.
    #[inline(always)]
    fn worse(&self, a: Price, b: Price) -> bool {
        match self.side {
            Side::Bid => a < b,
            Side::Ask => a > b,
        }
    }

    /// Index of the first level that is not worse than `price`, of the best if the side is long.
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
        let at = self.position(price);
        let level = match &self.deep {
            Some(deep) if at == 0 && self.levels.first().is_none_or(|l| l.price != price) => {
                deep.level(price)
            }
            _ => self.levels.get(at).filter(|l| l.price == price),
        };
        level.map_or(0, |l| l.qty)
    }

    #[inline(always)]
    fn put_in(&mut self, at: usize, level: Level) {
        self.levels.insert(at, level);
        if self.levels.len() > long::NEAR_MOST {
            self.share();
        }
    }

    #[inline(always)]
    fn take_out(&mut self, at: usize) {
        self.levels.remove(at);
        if self.deep.is_some() {
            self.share();
        }
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
                    self.take_out(at);
                } else {
                    (known.qty, known.forms) = (level.qty, level.forms);
                }
                self.book(level.qty, before);
                before != level.qty
            }
            _ if at == 0 && self.deep.is_some() => self.set_deep(level),
            _ if level.qty == 0 => false,
            _ => {
                self.put_in(at, level);
                self.book(level.qty, 0);
                true
            }
        }
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
                    self.take_out(at);
                } else {
                    known.qty = sum;
                }
                self.book(qty, 0);
                Ok(qty != 0)
            }
            _ if at == 0 && self.deep.is_some() => self.add_deep(price, qty),
            _ if qty < 0 => Err(Underflow),
            _ if qty == 0 => Ok(false),
            _ => {
                self.put_in(at, Level::new(price, qty));
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
        if let Some(deep) = &mut self.deep {
            deep.clear();
        }
        self.levels.clear();
        self.levels.extend_from_slice(levels);
        self.balance = levels.iter().fold(0, |sum: Qty, level| sum.wrapping_add(level.qty));
        let loaded = if self.ordered() { Ok(()) } else { self.sort() };
        self.share();
        loaded
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
        self.gather();
        if self.levels.len() > depth {
            let gone = self.levels.drain(..self.levels.len() - depth);
            self.balance = gone.fold(self.balance, |sum, level| sum.wrapping_sub(level.qty));
        }
        self.share();
    }

    /// The worst level, if the side is not empty.
    #[must_use]
    pub fn worst_price(&self) -> Option<Price> {
        let deep = self.deep.as_ref().and_then(|deep| deep.worst());
        deep.or_else(|| self.levels.first()).map(|l| l.price)
    }

    /// Removes every level, keeping the memory.
    pub fn clear(&mut self) {
        self.levels.clear();
        self.deep = None;
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

    /// All levels.
    #[inline]
    #[must_use]
    pub fn levels(&self) -> Ladder<'_> {
        Ladder::new(&self.levels, self.deep.as_deref())
    }

    /// The best `COUNT` levels or all, the best last.
    #[inline]
    pub(crate) fn nearest<const COUNT: usize>(&self) -> &[Level] {
        const { assert!(COUNT <= NEAR_LEAST, "of a long side no more may lie together") }
        &self.levels[self.levels.len().saturating_sub(COUNT)..]
    }

    /// Number of levels.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.len() + self.deep.as_ref().map_or(0, |deep| deep.len())
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Price and size of each level, the best first.
    pub fn best_first(&self) -> impl Iterator<Item = (Price, Qty)> {
        self.levels().best_first().map(|l| (l.price, l.qty))
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
mod tests;
