//! A side of very many levels: the best lie in order as those of any side do, the others in blocks
//! ([`Deep`]). So no change moves many, and what asks for the best levels finds them as ever.
//!
//! A side becomes long when it has more than [`SHORT_MOST`] levels, and short again when it has
//! fewer than half of that. Nothing outside of this folder depends on which it is.

use super::deep::{Deep, FILLED};
use super::{BookSide, Underflow};
use crate::event::Level;
use crate::fixed::{Price, Qty};

/// Most levels of a side that is not long.
const SHORT_MOST: usize = 4096;
/// A long side of fewer levels becomes a short one.
const LONG_LEAST: usize = SHORT_MOST / 2;
/// Most levels of a long side that are not in blocks.
pub(super) const NEAR_MOST: usize = 640;
/// So many stay when the others are put into blocks.
const NEAR_KEPT: usize = NEAR_MOST - 2 * FILLED;
/// Fewest levels of a long side that are not in blocks.
pub(crate) const NEAR_LEAST: usize = 64;

impl BookSide {
    /// How many of some levels, the best first, belong among those that are not in blocks.
    #[inline(always)]
    pub(super) fn count_near(&self, levels: &[Level]) -> usize {
        match &self.deep {
            None => levels.len(),
            Some(_) => self.levels.first().map_or(0, |worst| {
                levels.partition_point(|level| !self.worse(level.price, worst.price))
            }),
        }
    }

    /// Sets a level that is worse than all that are not in blocks.
    #[inline(never)]
    pub(super) fn set_deep(&mut self, level: Level) -> bool {
        let Some(deep) = &mut self.deep else { return false };
        let before = deep.set(level);
        self.book(level.qty, before);
        if level.qty == 0 {
            self.share();
        }
        before != level.qty
    }

    /// Adds to such a level, or takes from it.
    #[cold]
    pub(super) fn add_deep(&mut self, price: Price, qty: Qty) -> Result<bool, Underflow> {
        let known = self.deep.as_ref().and_then(|deep| deep.level(price)).copied();
        let level = known.unwrap_or_else(|| Level::new(price, 0));
        let sum = level.qty.checked_add(qty).filter(|&sum| sum >= 0).ok_or(Underflow)?;
        Ok(self.set_deep(Level { qty: sum, ..level }))
    }

    /// Lets a side that has become long, or is no longer, be what it is, and keeps as many levels
    /// out of the blocks as belong there.
    #[inline(never)]
    pub(super) fn share(&mut self) {
        let near = self.levels.len();
        match &mut self.deep {
            None if near <= SHORT_MOST => {}
            Some(deep) if near + deep.len() < LONG_LEAST => self.gather(),
            Some(deep) if near < NEAR_LEAST => {
                while self.levels.len() < NEAR_LEAST && deep.len() > 0 {
                    deep.pop_best(&mut self.levels);
                }
            }
            Some(_) if near <= NEAR_MOST => {}
            deep => {
                let deep = deep.get_or_insert_with(|| Box::new(Deep::new(self.side)));
                let more = near - NEAR_KEPT;
                deep.push_best(&self.levels[..more]);
                self.levels.drain(..more);
                // A whole book came through here: what it needed would be kept twice.
                self.levels.shrink_to(SHORT_MOST);
            }
        }
    }

    /// Makes a side short, however many levels it has.
    pub(super) fn gather(&mut self) {
        if self.deep.as_ref().is_some_and(|deep| deep.len() > 0) {
            self.levels = self.levels().runs().collect::<Vec<_>>().concat();
        }
        self.deep = None;
    }

    /// Whether the blocks are in order, and all in them is worse than what is not.
    pub(super) fn ordered_before(&self, deep: &Deep) -> bool {
        let between = deep.best().zip(self.levels.first());
        deep.ordered() && between.is_none_or(|(deep, near)| self.worse(deep.price, near.price))
    }
}
