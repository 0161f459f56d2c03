//! Indices of spot books as the engine estimates them: a value at each effective time, from the
//! books as they stand then.
//!
//! An effective time is a whole multiple of the index's tick. Its value rests on all that was
//! received before it: it is computed when the first input of that time or a later one comes, and
//! before anything is done with that. So a replay computes the same values at the same places.

use super::Engine;
use super::judge::Judge;
use super::output::Output;
use super::recipe::{Named, Recipe};
use super::terms::{Source, Teller};
use super::world::World;
use crate::book::side::Ladder;
use crate::index::{Constituent, IndexValue, SpotIndex, Standing};
use crate::instrument::Venue;
use crate::settlement::{Made, Tick, price_value};
use crate::signals::{Params, RuleError};
use crate::time::Nanos;
use crate::update::IndexRecord;

/// Most indices that an engine estimates.
const ESTIMATES_MAX: usize = 64;
/// Most constituents of one: a record holds the standings of so many.
pub(super) const CONSTITUENTS_MAX: usize = 16;

/// A constituent of which there is no book.
const NOBODY: Constituent<'static> =
    Constituent { bids: Ladder::of(&[]), asks: Ladder::of(&[]), retrieved: Nanos::MIN, believed: false };

/// An index, and its newest value.
#[derive(Debug)]
pub struct Estimate {
    /// What it is called.
    pub name: Box<str>,
    constituents: Named,
    index: SpotIndex,
    tick: Nanos,
    next: Nanos,
    newest: Option<(Nanos, Option<IndexValue>)>,
    /// What the newest value was made of.
    made: Made,
}

impl Estimate {
    /// The newest effective time and its value; `None` before the first.
    #[must_use]
    pub const fn newest(&self) -> Option<(Nanos, Option<IndexValue>)> {
        self.newest
    }

    /// Computes the value at the next effective time, and says whether anybody had been heard of
    /// lately enough.
    fn pass(&mut self, world: &World, output: &mut Output, number: u32, ts_recv: Nanos) -> bool {
        let at = self.next;
        let mut books = [NOBODY; CONSTITUENTS_MAX];
        for (slot, (venue, symbol)) in books.iter_mut().zip(&self.constituents) {
            if let Some(seen) = seen(world, *venue, symbol) {
                *slot = seen;
            }
        }
        let books = books.get(..self.constituents.len()).unwrap_or_default();
        let value = self.index.tick(at, books);
        let standings = self.index.standings();
        self.made = made(at, books, standings);
        output.push_index(&IndexRecord { ts: at, ts_recv, index: number, value, standings });
        self.newest = Some((at, value));
        self.next = at.saturating_add(self.tick);
        standings.iter().any(|standing| !matches!(standing, Standing::Delayed { .. }))
    }

    /// Leaves out effective times up to the newest one by `ts`: nobody is heard of anew in between.
    fn skip_to(&mut self, ts: Nanos) {
        self.next = self.next.max(ts.div_euclid(self.tick).saturating_mul(self.tick));
    }
}

/// What an index was made of: which places, and the age of the oldest of those books.
fn made(at: Nanos, books: &[Constituent<'_>], standings: &[Standing]) -> Made {
    let mut made = Made::default();
    let judged = books.iter().zip(standings).enumerate();
    for (place, (book, _)) in judged.filter(|(_, (_, standing))| **standing == Standing::Included) {
        made.of |= 1 << place;
        made.age = made.age.max(at.saturating_sub(book.retrieved));
    }
    made
}

/// A book as an index sees it, if there is one.
fn seen<'a>(world: &'a World, venue: Venue, symbol: &str) -> Option<Constituent<'a>> {
    let id = world.instruments.find(venue, symbol.as_bytes())?;
    let book = world.books.get(id as usize)?;
    Some(Constituent {
        bids: book.bids.levels(),
        asks: book.asks.levels(),
        retrieved: world.view().ts_evidence(id),
        believed: book.believable(),
    })
}

/// All indices that are estimated.
#[derive(Debug)]
pub(super) struct Estimates {
    all: Vec<Estimate>,
    /// The next effective time of any of them.
    next: Nanos,
}

impl Default for Estimates {
    fn default() -> Self {
        Self { all: Vec::new(), next: Nanos::MAX }
    }
}

impl Estimates {
    /// The next effective time of any index; `Nanos::MAX` if there is none.
    pub(super) const fn next(&self) -> Nanos {
        self.next
    }

    /// The indices, by number.
    pub(super) fn all(&self) -> &[Estimate] {
        &self.all
    }

    /// Computes what is due at the next effective time of all, after which another one is next.
    fn pass(&mut self, world: &World, output: &mut Output, ts: Nanos) {
        let at = self.next;
        for (number, one) in self.all.iter_mut().enumerate().filter(|(_, one)| one.next == at) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if !one.pass(world, output, number, ts) {
                one.skip_to(ts);
            }
        }
        self.next = self.all.iter().map(|one| one.next).min().unwrap_or(Nanos::MAX);
    }
}

impl Engine {
    /// Estimates the index called `name` from the books of its constituents, at every effective time
    /// after `ts`; returns its number. Each value is a record ([`Output::indices`]).
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn add_index(&mut self, name: &str, params: &Params, ts: Nanos) -> Result<u32, RuleError> {
        let Recipe { params, tick, constituents } = Recipe::read(name, params)?;
        self.begin(ts);
        let estimates = &mut self.world.estimates;
        let all = &mut estimates.all;
        if all.iter().any(|one| &*one.name == name) {
            return Err(RuleError(format!("there is an index {name:?} already: call it otherwise")));
        }
        let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
        if all.len() == ESTIMATES_MAX {
            return Err(RuleError(format!("at most {ESTIMATES_MAX} indices are estimated")));
        }
        let next = (ts.div_euclid(tick) + 1).saturating_mul(tick);
        let index = SpotIndex::new(params);
        let (name, newest, made) = (name.into(), None, Made::default());
        all.push(Estimate { name, constituents, index, tick, next, newest, made });
        estimates.next = estimates.next.min(next);
        self.judge.next_expiry = self.judge.next_expiry.min(next);
        Ok(number)
    }
}

impl Judge {
    /// Computes all indices at the next effective time of any.
    pub(super) fn pass_indices(&mut self, world: &mut World, ts: Nanos) {
        // Taken out while the books are read; what it leaves behind owns no memory.
        let mut estimates = std::mem::take(&mut world.estimates);
        let at = estimates.next;
        estimates.pass(world, &mut self.publisher.output, ts);
        if !world.references.is_empty() {
            for one in &estimates.all {
                if let Some((_, Some(value))) = one.newest.filter(|&(time, _)| time == at) {
                    let tick = Tick { at, value: price_value(value.value) };
                    let from = Source { teller: Teller::Index, name: &one.name, made: one.made };
                    self.tick_reference(world, from, tick, ts);
                }
            }
        }
        world.estimates = estimates;
    }
}
