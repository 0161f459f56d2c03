//! A second source: another interface of a venue tells the same books on a connection of its own,
//! which is subscribed in the mode [`crate::venue::SECOND`]. What it tells changes no book. It is kept
//! beside, and held against the books of the first.
//!
//! The two speak in rhythms of their own, so that one of them is ahead by moments. What counts is a
//! level where ours stays as it is for [`Config::witness_grace`](super::Config), and theirs is another
//! every time it is looked at, once it has told of a later time than our book is of: what is older
//! than ours says nothing against it. Which of the two is wrong is not known then: nothing proves that a
//! second source is complete. So what it had is dropped, and it has to begin anew. Only if its fresh
//! book differs in the same way, ours is lost. If ours comes anew as theirs was, it was right to be. One
//! that convicts again and again, and neither was right nor ever agrees, is believed no more.

use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::integrity::{Cause, Evidence, State};
use crate::book::side::BookSide;
use crate::event::{Body, Frame, Level, Message, Side};
use crate::fixed::{ABSENT, Price, Qty};
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::time::{MILLISECOND, Nanos, SECOND};
use std::collections::BTreeMap;

/// How often the best levels are compared at most, and all of them.
const BEST_EVERY: Nanos = 100 * MILLISECOND;
const ALL_EVERY: Nanos = 20 * SECOND;
/// How many of the best levels.
const BEST: usize = 50;
/// How often a difference is looked at again, and how often it must be found.
const AGAIN_EVERY: Nanos = 200 * MILLISECOND;
const LOOKS: u32 = 4;
/// How many differences are followed.
const DIFFERENCES_MAX: usize = 64;
/// Books that may be lost to a second source that never agreed in between.
const CONVICTIONS_MAX: u32 = 3;

/// What a second source has said of a book, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondTally {
    /// Comparisons that found no difference.
    pub agreed: u64,
    /// Differences that were gone when they were looked at again.
    pub settled: u64,
    /// Differences that stayed, so that it had to begin anew.
    pub differed: u64,
    /// Those of them that its fresh book did not have: it had lost something itself.
    pub refuted: u64,
    /// Those that its fresh book had as well: ours was lost.
    pub convicted: u64,
    /// The same once it is believed no more.
    pub disbelieved: u64,
}

/// How a second source stands to a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondStanding {
    /// Its connection.
    pub conn: u32,
    /// Whether it has a whole book of it.
    pub whole: bool,
    /// Whether it has to begin anew: only a fresh book can say who is right.
    pub wanted: bool,
    /// What it said.
    pub tally: SecondTally,
}

/// A level where the two are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    side: Side,
    price: Price,
    ours: Qty,
}

impl Difference {
    /// The size that a book has there now.
    fn of(&self, bids: &BookSide, asks: &BookSide) -> Qty {
        if self.side == Side::Bid { bids.qty_at(self.price) } else { asks.qty_at(self.price) }
    }
}

/// Differences that were found together, and stayed.
#[derive(Clone, Debug, Default)]
struct Suspicion {
    differences: Vec<Difference>,
    since: Nanos,
    looked: Nanos,
    looks: u32,
    /// Of which venue time our book was when they were found.
    of: Nanos,
    /// Which run of our book they are of.
    epoch: u32,
    /// Whether they are all that there were anywhere in the book.
    whole: bool,
}

/// A book as the second source has it.
#[derive(Clone, Debug)]
struct Told {
    bids: BookSide,
    asks: BookSide,
    /// When its best levels were compared last, and all of them.
    compared: Nanos,
    compared_whole: Nanos,
}

impl Told {
    /// The size that it has where the two differed.
    fn qty_at(&self, difference: &Difference) -> Qty {
        difference.of(&self.bids, &self.asks)
    }

    /// All of it is to be compared next.
    const fn compare_all(&mut self) {
        (self.compared, self.compared_whole) = (Nanos::MIN, Nanos::MIN);
    }
}

/// All that is known of a second source of one book.
#[derive(Clone, Debug)]
struct Second {
    conn: u32,
    told: Option<Told>,
    suspicion: Option<Suspicion>,
    /// Whether it began anew, or is to, because it differed.
    anew: bool,
    /// Whether it is to, for that or because it cannot be read, and its connection has not ended since.
    wanted: bool,
    /// Books lost to it since it last agreed, or was right.
    convictions: u32,
    /// For what ours was lost last, in the run before that which will show whether it was right.
    charged: Option<(u32, Vec<Difference>)>,
    tally: SecondTally,
}

impl Second {
    /// It has the same book as ours, all of it.
    fn clear(&mut self) {
        self.convictions = 0;
        self.tally.refuted += u64::from(std::mem::take(&mut self.anew));
    }
}

/// The second sources of all books that have one.
#[derive(Debug, Default)]
pub(super) struct Seconds {
    by_book: BTreeMap<InstrumentId, Second>,
}

impl Seconds {
    /// Whatever a connection told is of no use any more.
    pub(super) fn lose(&mut self, conn: u32) {
        for second in self.by_book.values_mut().filter(|second| second.conn == conn) {
            (second.told, second.suspicion, second.wanted) = (None, None, false);
        }
    }

    /// Something that a connection told of a book, or of any, cannot be read.
    pub(super) fn miss(&mut self, conn: u32, of: Option<InstrumentId>) {
        for (&id, second) in &mut self.by_book {
            if second.conn == conn && of.is_none_or(|of| of == id) && second.told.is_some() {
                (second.told, second.suspicion, second.wanted) = (None, None, true);
            }
        }
    }

    /// That of a book, on this connection if there was none.
    fn of(&mut self, id: InstrumentId, conn: u32) -> &mut Second {
        self.by_book.entry(id).or_insert_with(|| Second {
            conn,
            told: None,
            suspicion: None,
            anew: false,
            wanted: false,
            convictions: 0,
            charged: None,
            tally: SecondTally::default(),
        })
    }

    /// An instrument is gone.
    pub(super) fn forget(&mut self, id: InstrumentId) {
        self.by_book.remove(&id);
    }

    /// How each of them stands to its book.
    pub(super) fn standings(&self) -> impl Iterator<Item = (InstrumentId, SecondStanding)> + '_ {
        self.by_book.iter().map(|(&id, second)| {
            let (whole, wanted) = (second.told.is_some(), second.wanted);
            (id, SecondStanding { conn: second.conn, whole, wanted, tally: second.tally })
        })
    }
}

/// A message of a second source.
pub(super) fn take(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    message: &Message,
) {
    let Origin { conn, ts_recv, .. } = *origin;
    note_time(world, conn, message, ts_recv);
    match &message.body {
        Body::Snapshot(whole) => {
            let (bids, asks) = (&frame.levels[whole.bids.clone()], &frame.levels[whole.asks.clone()]);
            begin(world, conn, whole.instrument, bids, asks);
            compare(world, whole.instrument, ts_recv, true);
        }
        Body::Levels(levels) => {
            let (bids, asks) = (&frame.levels[levels.bids.clone()], &frame.levels[levels.asks.clone()]);
            if let Some(told) = told_on(world, conn, levels.instrument) {
                bids.iter().for_each(|&level| _ = told.bids.set(level));
                asks.iter().for_each(|&level| _ = told.asks.set(level));
                compare(world, levels.instrument, ts_recv, true);
            } else if levels.instrument != UNKNOWN {
                // Its beginning did not come.
                world.seconds.of(levels.instrument, conn).wanted = true;
            }
        }
        // What it may have changed, nobody knows. It costs no book anything.
        Body::Malformed(malformed) if malformed.whole_connection => world.seconds.miss(conn, None),
        Body::Malformed(malformed) => {
            for &id in &frame.named[malformed.named.clone()] {
                world.seconds.miss(conn, Some(id));
            }
        }
        // A sign of life shows what time it is: the others may have changed since they were spoken of.
        _ => {
            for id in on(world, conn, |second| second.told.is_some()) {
                compare(world, id, ts_recv, false);
            }
        }
    }
    look_again(world, judge, conn, ts_recv);
}

/// When the venue made what it tells, as far as that is believed: its connection has come so far.
fn note_time(world: &mut World, conn: u32, message: &Message, ts_recv: Nanos) {
    let Some(connection) = world.connection_mut(conn) else { return };
    match message.body {
        Body::Snapshot(_) => connection.clock.take_whole(message.ts_event, ts_recv),
        _ => connection.clock.take(message.ts_event, ts_recv),
    };
}

/// To which venue time the connection of a second source has come, or [`ABSENT`].
fn come_to(world: &World, id: InstrumentId) -> Nanos {
    let conn = world.seconds.by_book.get(&id).map(|second| second.conn);
    conn.and_then(|conn| world.connection(conn)).map_or(ABSENT, |connection| connection.clock.newest)
}

/// A whole book came. One that has no level says nothing; one that contradicts itself is missed.
fn begin(world: &mut World, conn: u32, id: InstrumentId, bids: &[Level], asks: &[Level]) {
    if id == UNKNOWN {
        world.counters.unknown_instruments += 1;
        return;
    }
    let side = |side, levels: &[Level]| {
        let mut loaded = BookSide::new(side);
        loaded.load(levels).ok()?;
        Some(loaded)
    };
    let sides = side(Side::Bid, bids).zip(side(Side::Ask, asks));
    let contradicts = sides.is_none();
    let told = sides.filter(|(bids, asks)| !(bids.is_empty() && asks.is_empty()));
    let second = world.seconds.of(id, conn);
    (second.conn, second.suspicion, second.wanted) = (conn, None, contradicts);
    second.told =
        told.map(|(bids, asks)| Told { bids, asks, compared: Nanos::MIN, compared_whole: Nanos::MIN });
}

fn told_on(world: &mut World, conn: u32, id: InstrumentId) -> Option<&mut Told> {
    let second = world.seconds.by_book.get_mut(&id).filter(|second| second.conn == conn)?;
    second.told.as_mut()
}

/// Holds what was told against our book, if it is time to; `spoken` if it has just spoken of it.
fn compare(world: &mut World, id: InstrumentId, ts: Nanos, spoken: bool) {
    let (come_to, grace) = (come_to(world, id), world.config.witness_grace);
    let World { books, seconds, .. } = world;
    let Some(book) = books.get_mut(id as usize).filter(|book| book.state == State::Live) else { return };
    let Some(second) = seconds.by_book.get_mut(&id).filter(|s| s.suspicion.is_none()) else { return };
    let Some(told) = &mut second.told else { return };
    if let Some((_, charged)) = second.charged.take_if(|(epoch, _)| *epoch != book.epoch) {
        let right =
            charged.iter().filter(|one| told.qty_at(one) == one.of(&book.bids, &book.asks)).count();
        if 2 * right > charged.len() {
            second.convictions = 0;
        }
    }
    let whole = ts.saturating_sub(told.compared_whole) >= ALL_EVERY;
    if !whole && ts.saturating_sub(told.compared) < BEST_EVERY {
        return;
    }
    told.compared = ts;
    if whole {
        told.compared_whole = ts;
    }
    let most = if whole { usize::MAX } else { BEST };
    let mut differences = Vec::new();
    differ(Side::Bid, &book.bids, &told.bids, most, &mut differences);
    differ(Side::Ask, &book.asks, &told.asks, most, &mut differences);
    if !differences.is_empty() {
        let (epoch, whole) = (book.epoch, whole && differences.len() < DIFFERENCES_MAX);
        let of = if book.ts_event == ABSENT { ts } else { book.ts_event };
        let (since, looked, looks) = (ts, ts, 1);
        second.suspicion = Some(Suspicion { differences, since, looked, looks, of, epoch, whole });
        return;
    }
    second.tally.agreed += 1;
    book.evidence.count(Evidence::SnapshotMatch);
    if whole {
        second.clear();
    }
    if spoken {
        let as_of = come_to.min(ts);
        book.ts_evidence = book.ts_evidence.max(as_of);
        // One that is late knows nothing of the silence since.
        if ts.saturating_sub(as_of) <= grace {
            world.vouch_for_silence(id, ts);
        }
    }
}

/// The books of a connection whose second sources are so.
fn on(world: &World, conn: u32, so: impl Fn(&Second) -> bool) -> Vec<InstrumentId> {
    let here = world.seconds.by_book.iter().filter(|(_, second)| second.conn == conn && so(second));
    here.map(|(&id, _)| id).collect()
}

/// Looks at what differed on a connection before: is it still so?
fn look_again(world: &mut World, judge: &mut Judge, conn: u32, ts: Nanos) {
    let due = |second: &Second| {
        let looked = second.suspicion.as_ref().map(|suspicion| suspicion.looked);
        looked.is_some_and(|looked| ts.saturating_sub(looked) >= AGAIN_EVERY)
    };
    for id in on(world, conn, due) {
        look_at(world, judge, id, ts);
    }
}

fn look_at(world: &mut World, judge: &mut Judge, id: InstrumentId, ts: Nanos) {
    let (come_to, grace) = (come_to(world, id), world.config.witness_grace);
    let World { books, seconds, .. } = world;
    let Some(second) = seconds.by_book.get_mut(&id) else { return };
    let Some(mut suspicion) = second.suspicion.take() else { return };
    let book = books.get_mut(id as usize).filter(|book| book.state == State::Live);
    let (Some(told), Some(book)) = (&mut second.told, book) else { return };
    if suspicion.epoch != book.epoch {
        return compare(world, id, ts, false);
    }
    suspicion.differences.retain(|one| {
        let ours = one.of(&book.bids, &book.asks);
        ours == one.ours && told.qty_at(one) != ours
    });
    if suspicion.differences.is_empty() {
        second.tally.settled += 1;
        // In a busy market some level is always on its way: that each of them came is agreement, too.
        if suspicion.whole {
            second.clear();
        } else if second.anew {
            told.compare_all();
        }
        return compare(world, id, ts, false);
    }
    suspicion.looked = ts;
    suspicion.looks += 1;
    if come_to <= suspicion.of {
        // It may only be behind, and come to it.
        (suspicion.since, suspicion.looks) = (ts, 1);
    }
    if suspicion.looks < LOOKS || ts.saturating_sub(suspicion.since) < grace {
        second.suspicion = Some(suspicion);
        return;
    }
    if second.convictions >= CONVICTIONS_MAX {
        second.tally.disbelieved += 1;
        second.anew = false;
    } else if !second.anew {
        // It may have lost something itself: let it begin anew.
        second.tally.differed += 1;
        (second.anew, second.wanted, second.told) = (true, true, None);
    } else {
        second.tally.convicted += 1;
        second.convictions += 1;
        (second.anew, second.charged) = (false, Some((book.epoch, suspicion.differences)));
        told.compare_all();
        book.evidence.count(Evidence::SnapshotMismatch);
        judge.turn(world, id, State::Stale, Cause::Withheld, ts);
    }
}

/// Where two sides differ, as far as the best `most` levels of either.
fn differ(side: Side, ours: &BookSide, theirs: &BookSide, most: usize, found: &mut Vec<Difference>) {
    let better = |a: Price, b: Price| if side == Side::Bid { a > b } else { a < b };
    let (mut mine, mut other) = (ours.best_first().peekable(), theirs.best_first().peekable());
    for _ in 0..most {
        if found.len() >= DIFFERENCES_MAX {
            return;
        }
        let (price, ours) = match (mine.peek().copied(), other.peek().copied()) {
            (None, None) => return,
            (Some((price, ours)), Some((at, theirs))) if price == at => {
                mine.next();
                other.next();
                if ours == theirs {
                    continue;
                }
                (price, ours)
            }
            (Some((price, ours)), at) if at.is_none_or(|(at, _)| better(price, at)) => {
                mine.next();
                (price, ours)
            }
            (_, Some((price, _))) => {
                other.next();
                (price, 0)
            }
            (Some(_), None) => return,
        };
        found.push(Difference { side, price, ours });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by looking at every price that either has.
    fn naive(side: Side, ours: &BookSide, theirs: &BookSide) -> Vec<Difference> {
        let mut prices: Vec<Price> =
            ours.best_first().chain(theirs.best_first()).map(|(price, _)| price).collect();
        prices.sort_unstable_by_key(|&price| if side == Side::Bid { -price } else { price });
        prices.dedup();
        let differ = |&price: &Price| ours.qty_at(price) != theirs.qty_at(price);
        let prices = prices.into_iter().filter(differ);
        prices.map(|price| Difference { side, price, ours: ours.qty_at(price) }).collect()
    }

    #[test]
    fn differences_are_those_that_a_look_at_every_price_finds() {
        let mut seed = 7_u64;
        let mut below = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from((seed >> 33) % bound).unwrap_or(0)
        };
        let mut differed = 0;
        for round in 0..400 {
            let side = if round % 2 == 0 { Side::Bid } else { Side::Ask };
            let (mut ours, mut theirs) = (BookSide::new(side), BookSide::new(side));
            for _ in 0..below(30) {
                let level = Level::new(1 + below(25), 1 + below(3));
                if below(8) > 0 {
                    ours.set(level);
                }
                if below(8) > 0 {
                    theirs.set(level);
                }
            }
            let mut found = Vec::new();
            differ(side, &ours, &theirs, usize::MAX, &mut found);
            assert_eq!(found, naive(side, &ours, &theirs), "{ours:?} {theirs:?}");
            differed += found.len();
            let mut best = Vec::new();
            differ(side, &ours, &theirs, 3, &mut best);
            assert!(found.starts_with(&best) && best.len() <= 3);
        }
        assert!(differed > 400, "{differed}");
    }
}
