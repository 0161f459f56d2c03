//! The levels of one message, set together: their places are looked up at once, and the others move
//! once for all that come and go.

use super::BookSide;
use super::long::NEAR_MOST;
use crate::event::{Level, Side};
use crate::fixed::Price;

/// Levels that are looked up before any is set.
const BATCH: usize = 64;

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
                let (near, others) = batch.split_at(self.count_near(batch));
                changed |= match near {
                    [] => false,
                    [level] => self.set(*level),
                    _ => self.apply_batch(near, worse),
                };
                changed |= others.iter().fold(false, |changed, level| changed | self.set(*level));
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
            if self.levels.len() > NEAR_MOST || self.deep.is_some() {
                self.share();
            }
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
}
