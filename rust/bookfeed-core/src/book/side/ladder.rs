//! The levels of one side, borrowed: in order, wherever they lie.

use super::deep::Deep;
use crate::event::Level;
use crate::fixed::Price;
use std::fmt;

/// Levels of one side. Most lie in one run of memory, those of a long side in several.
#[derive(Clone, Copy)]
pub struct Ladder<'a> {
    /// The best of them, the best one last.
    run: &'a [Level],
    /// The others.
    behind: Option<Behind<'a>>,
}

/// The levels behind a run: those of the worst `blocks` blocks, without the very worst.
#[derive(Clone, Copy)]
struct Behind<'a> {
    deep: &'a Deep,
    blocks: usize,
    /// How many there are.
    len: usize,
}

impl Behind<'_> {
    /// How many of the worst are left out.
    fn left_out(&self) -> usize {
        self.deep.len_of(self.blocks) - self.len
    }
}

impl<'a> Ladder<'a> {
    /// Levels that lie in one run, the best last.
    #[inline]
    #[must_use]
    pub const fn of(levels: &'a [Level]) -> Self {
        Self { run: levels, behind: None }
    }

    #[inline]
    pub(super) fn new(levels: &'a [Level], deep: Option<&'a Deep>) -> Self {
        let behind = |deep: &'a Deep| Behind { deep, blocks: deep.blocks(), len: deep.len() };
        Self { run: levels, behind: deep.map(behind) }
    }

    /// Number of levels.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        match self.behind {
            Some(behind) => self.run.len() + behind.len,
            None => self.run.len(),
        }
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The best level.
    #[inline]
    #[must_use]
    pub fn best(self) -> Option<&'a Level> {
        self.run.last().or_else(|| self.next_run()?.run.last())
    }

    /// Takes the best level off; `None` if there is none.
    ///
    /// In place, as a walk does so for each level and the rest of a ladder is longer than a level.
    #[inline]
    pub fn pop_best(&mut self) -> Option<&'a Level> {
        let Some((best, run)) = self.run.split_last() else { return self.pop_of_next_run() };
        self.run = run;
        Some(best)
    }

    #[cold]
    #[inline(never)]
    fn pop_of_next_run(&mut self) -> Option<&'a Level> {
        *self = self.next_run()?;
        self.pop_best()
    }

    /// The levels behind the run, if there are any.
    #[cold]
    fn next_run(self) -> Option<Self> {
        let mut behind = self.behind.filter(|behind| behind.len > 0)?;
        behind.blocks -= 1;
        let block = behind.deep.block(behind.blocks);
        let run = &block[block.len().saturating_sub(behind.len)..];
        behind.len -= run.len();
        Some(Self { run, behind: Some(behind) })
    }

    /// All levels but the worst `count`.
    #[inline]
    #[must_use]
    pub fn without_worst(self, count: usize) -> Self {
        let Some(behind) = self.behind else {
            return Self::of(&self.run[count.min(self.run.len())..]);
        };
        let of_run = count.saturating_sub(behind.len).min(self.run.len());
        let len = behind.len.saturating_sub(count);
        Self { run: &self.run[of_run..], behind: Some(Behind { len, ..behind }) }
    }

    /// Number of levels worse than `price`. `worse` says whether one price is worse than another.
    #[inline]
    #[must_use]
    pub fn count_worse(self, price: Price, worse: impl Fn(Price, Price) -> bool) -> usize {
        match self.behind {
            Some(behind) if !self.run.first().is_some_and(|level| worse(level.price, price)) => {
                behind.deep.count_worse(price).saturating_sub(behind.left_out()).min(behind.len)
            }
            behind => {
                let behind = behind.map_or(0, |behind| behind.len);
                behind + self.run.partition_point(|level| worse(level.price, price))
            }
        }
    }

    /// The levels, the best first.
    #[inline]
    #[must_use]
    pub const fn best_first(self) -> BestFirst<'a> {
        BestFirst(self)
    }

    /// The runs of memory that the levels lie in, the worst first, and the best level of each last.
    #[inline]
    pub(crate) fn runs(self) -> Runs<'a> {
        let left_out = self.behind.as_ref().map_or(0, Behind::left_out);
        Runs { behind: self.behind, block: 0, left_out, run: Some(self.run) }
    }
}

/// The runs of memory that the levels of a side lie in, the worst first.
#[derive(Clone)]
pub(crate) struct Runs<'a> {
    behind: Option<Behind<'a>>,
    /// The next block.
    block: usize,
    /// How many of the worst levels are still to be left out.
    left_out: usize,
    /// The last run.
    run: Option<&'a [Level]>,
}

impl<'a> Iterator for Runs<'a> {
    type Item = &'a [Level];

    fn next(&mut self) -> Option<&'a [Level]> {
        let Some(behind) = self.behind.filter(|behind| self.block < behind.blocks) else {
            return self.run.take();
        };
        let block = behind.deep.block(self.block);
        let left_out = self.left_out.min(block.len());
        self.block += 1;
        self.left_out -= left_out;
        Some(&block[left_out..])
    }
}

/// The levels of a side, the best first.
#[derive(Clone)]
pub struct BestFirst<'a>(Ladder<'a>);

impl<'a> Iterator for BestFirst<'a> {
    type Item = &'a Level;

    #[inline]
    fn next(&mut self) -> Option<&'a Level> {
        self.0.pop_best()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }

    #[inline]
    fn fold<B, F: FnMut(B, &'a Level) -> B>(self, init: B, mut each: F) -> B {
        let (mut sum, mut ladder) = (init, Some(self.0));
        while let Some(levels) = ladder {
            sum = levels.run.iter().rev().fold(sum, &mut each);
            ladder = levels.next_run();
        }
        sum
    }
}

impl ExactSizeIterator for BestFirst<'_> {}

impl<'a> From<&'a [Level]> for Ladder<'a> {
    fn from(levels: &'a [Level]) -> Self {
        Self::of(levels)
    }
}

impl<'a, const COUNT: usize> From<&'a [Level; COUNT]> for Ladder<'a> {
    fn from(levels: &'a [Level; COUNT]) -> Self {
        Self::of(levels)
    }
}

impl<'a> From<&'a Vec<Level>> for Ladder<'a> {
    fn from(levels: &'a Vec<Level>) -> Self {
        Self::of(levels)
    }
}

impl fmt::Debug for Ladder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.best_first()).finish()
    }
}

impl PartialEq for Ladder<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.best_first().eq(other.best_first())
    }
}
