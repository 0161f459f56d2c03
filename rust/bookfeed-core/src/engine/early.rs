//! Changes that come before the whole book they are changes of: kept, and put on it when it is there.
//!
//! A book that is being fetched anew keeps what the stream says meanwhile; one that was never
//! there keeps what overtook its first whole book. Where a recording subscribes what it meets, an
//! asset is known from its first whole book on; until then its changes are kept by its name.

use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::Buffered;
use crate::book::integrity::{Cause, Evidence, State, Testimony};
use crate::book::proof::book_hash::hex_hash;
use crate::book::{Claimed, Rare};
use crate::event::{Change, Frame};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::span::Value;
use crate::time::Nanos;
use std::collections::HashMap;

/// Most changes kept for one book.
const KEPT_MAX: usize = 10_000;
/// Most changes kept for assets that are not known.
const STRANGE_MAX: usize = 100_000;

/// Changes of assets that nobody subscribed yet, by symbol.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// Whether a whole book may make them known; else nothing is kept.
    pub(super) wanted: bool,
    kept: HashMap<Box<str>, Vec<Buffered>>,
    count: usize,
    /// Newest venue time of a change that was forgotten for want of room, or [`ABSENT`].
    forgotten: Nanos,
}

impl Strangers {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, forgotten: ABSENT, ..Self::default() }
    }

    /// Keeps a change of an asset that is not known.
    pub(super) fn keep(&mut self, origin: &Origin, frame: &Frame, index: usize) {
        let stranger = frame.strangers.iter().find(|(of, _)| *of == index);
        let Some((_, symbol)) = stranger.filter(|_| self.wanted) else { return };
        if self.count == STRANGE_MAX {
            self.forgotten = self.forgotten.max(origin.ts_event);
            return;
        }
        let symbol = String::from_utf8_lossy(symbol.raw(origin.payload));
        if !self.kept.contains_key(&*symbol) {
            self.kept.insert(Box::from(&*symbol), Vec::new());
        }
        if let Some(kept) = self.kept.get_mut(&*symbol) {
            kept.push(buffered(origin, &frame.changes[index]));
            self.count += 1;
        }
    }

    /// The asset is known by now: what was kept for it is its book's.
    pub(super) fn hand_over(&mut self, symbol: Value, payload: &[u8], rare: &mut Rare) {
        if !self.wanted {
            return;
        }
        let symbol = String::from_utf8_lossy(symbol.raw(payload));
        rare.early = self.kept.remove(&*symbol).unwrap_or_default();
        rare.ts_discarded = self.forgotten;
        self.count -= rare.early.len();
    }
}

/// The asset of a change, if an earlier message of the same frame made it known.
#[cold]
pub(super) fn met_since(
    world: &World,
    origin: &Origin,
    frame: &Frame,
    index: usize,
) -> Option<InstrumentId> {
    let stranger = frame.strangers.iter().find(|(of, _)| *of == index);
    let (_, symbol) = stranger.filter(|_| world.strangers.wanted)?;
    let venue = world.connection(origin.conn)?.venue;
    world.instruments.find(venue, symbol.raw(origin.payload))
}

/// A change for a book that has no basis to change: kept if its first whole book is awaited, or a
/// fetch is under way.
#[cold]
pub(super) fn set_aside(world: &mut World, judge: &mut Judge, origin: &Origin, change: &Change) {
    let id = change.instrument;
    let book = world.book(id);
    book.evidence.count(Evidence::BeforeSnapshot);
    let first = (book.state, book.cause) == (State::Syncing, Cause::Subscribed);
    if first && book.rare.early.len() < KEPT_MAX {
        book.rare.early.push(buffered(origin, change));
        return;
    }
    book.rare.ts_discarded = book.rare.ts_discarded.max(origin.ts_event);
    if let Some(awaited) = &mut book.rare.awaited {
        if awaited.deltas.len() == KEPT_MAX {
            book.rare.awaited = None;
            return judge.turn(world, id, State::Stale, Cause::Resync, origin.ts_recv);
        }
        awaited.deltas.push(buffered(origin, change));
    }
}

fn buffered(origin: &Origin, change: &Change) -> Buffered {
    Buffered {
        ts_event: origin.ts_event,
        ts_stated: origin.ts_stated,
        side: change.side,
        level: change.level,
        best_bid: change.best_bid,
        best_ask: change.best_ask,
        hash: hex_hash(change.digest.raw(origin.payload)),
    }
}

/// Puts on a whole book what the stream said of it before the book was there. Sizes are absolute,
/// so a change that the book contains does no harm as long as all later ones follow.
pub(super) fn put_on(
    world: &mut World,
    id: InstrumentId,
    origin: &Origin,
    changes: &[Buffered],
) -> Testimony {
    let mut testimony = Testimony::of_snapshot(origin.ts_event, origin.ts_recv);
    let book = world.book_to_change(id);
    for change in changes.iter().filter(|c| c.ts_event == ABSENT || c.ts_event >= origin.ts_event) {
        book.set(change.side, change.level);
        book.ts_event = book.ts_event.max(change.ts_event);
        book.take_claim(Claimed { hash: change.hash, ts: change.ts_stated, whole: false });
        testimony.ts_event = change.ts_event;
        (testimony.best_bid, testimony.best_ask) = (change.best_bid, change.best_ask);
        testimony.snapshot = false;
    }
    testimony
}
