//! Whole books by REST that are wanted beside running ones ([`Probe`]): of a book whose price has
//! come halfway to the end of what is known of it, so that more is known before the price is there;
//! of one that was polled until its stream spoke, since a poll tells few levels; and now and then of
//! one whose stream numbers nothing, since no other evidence reaches as deep.
//!
//! Which books that is, is looked at when time passes. Whoever asks the venue reads it
//! ([`Engine::probes`]); the answer comes as any other.

use super::Engine;
use super::compare::{agree, contradict};
use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::Book;
use crate::book::probe::Probe;
use crate::event::{Frame, Level, Snapshot};
use crate::instrument::InstrumentId;
use crate::sequence::reputation::Answer;
use crate::sequence::stitch::Waiting;
use crate::sequence::stream::Connection;
use crate::sequence::update_ids::{Seed, Updates};
use crate::time::{Nanos, SECOND};
use crate::venue::Continuity;

/// How often a book is held against the venue's whose stream numbers nothing.
const PROBE_EVERY: Nanos = 60 * SECOND;
/// How long what the stream says is kept for an answer; later ones need it from then on.
const KEPT_FOR: Nanos = 30 * SECOND;

impl Engine {
    /// The live books of a connection of which a whole one by REST is wanted beside their stream.
    #[must_use]
    pub fn probes(&self, conn: u32) -> Vec<InstrumentId> {
        let Some(connection) = self.world.connection(conn) else { return Vec::new() };
        let wanted = |id: &InstrumentId| {
            let book = &self.world.books[*id as usize];
            book.believable() && book.rare.probe.as_ref().is_some_and(|probe| probe.awaits_answer())
        };
        connection.instruments.iter().copied().filter(wanted).collect()
    }
}

/// Begins the probes of a connection that are due, and ends those that are not wanted any more.
pub(super) fn look_at(connection: &Connection, books: &mut [Book], ts: Nanos) {
    let timed = match connection.venue.row().continuity {
        Continuity::UpdateIds => false,
        Continuity::Timestamps => true,
        _ => return,
    };
    for &id in &connection.instruments {
        let book = &mut books[id as usize];
        let rare = &book.rare;
        let since = rare.ts_probed.max(rare.ts_state);
        let wanted = book.believable()
            && match timed {
                true => ts.saturating_sub(since) >= PROBE_EVERY,
                false => rare.poll.shallow || book.near_end(),
            };
        let kept_since = match &rare.probe {
            Some(probe) if !probe.awaits_answer() => continue,
            Some(probe) => probe.began,
            None => Nanos::MIN,
        };
        if !wanted {
            book.rare.probe = None;
        } else if ts.saturating_sub(kept_since) > KEPT_FOR {
            book.rare.probe = Some(Box::new(Probe::beside(&book.rare.stitch, ts)));
        }
    }
}

/// A message that a running book has just taken, for the probe beside it; whether the book stands.
#[cold]
pub(super) fn hear(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    updates: Updates,
    [bids, asks]: [&[Level]; 2],
) -> bool {
    let levels = [bids, asks].concat().into();
    let message = Waiting { updates, ts_event: origin.ts_event, levels, bids: bids.len() };
    let probe = &mut world.book(id).rare.probe;
    if probe.as_mut().is_some_and(|probe| !probe.hear(&message)) {
        *probe = None;
    }
    settle(world, judge, origin, id)
}

/// An answer, if one is waited for; whether one was.
pub(super) fn take(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    stands_at: u64,
) -> bool {
    let id = snapshot.instrument;
    let levels = [&snapshot.bids, &snapshot.asks].map(|range| &frame.levels[range.clone()]);
    let probe = &mut world.book_to_change(id).rare.probe;
    let Some(waiting) = probe.as_mut().filter(|probe| probe.awaits_answer()) else { return false };
    match waiting.take(stands_at, levels) {
        Ok(Seed::Fits) => {
            let rare = &mut world.book(id).rare;
            (rare.ts_probed, rare.poll.shallow) = (origin.ts_recv, false);
            settle(world, judge, origin, id);
        }
        Ok(Seed::TooOld { .. } | Seed::Behind { .. }) => {
            super::compare::differ(world, id, Answer::Older)
        }
        Err(_) => world.counters.rest_rejected += 1,
    }
    true
}

/// Ends a probe whose answer stands where the book does; whether the book stands.
fn settle(world: &mut World, judge: &mut Judge, origin: &Origin, id: InstrumentId) -> bool {
    match world.book(id).meet_probe() {
        None => true,
        Some(true) => {
            world.book(id).rare.probes_denied = 0;
            agree(world, origin, id);
            true
        }
        Some(false) => !contradict(world, judge, origin, id),
    }
}
