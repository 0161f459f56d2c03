//! Books kept by polling, where nothing streams: no key, no venue, or no way to it.
//!
//! Such a book is `live_poll`. It is as the venue had it at some time since it was asked, and nothing
//! says what happened after: so its evidence is of when it was asked, and it holds for
//! `Config::poll_age`. An answer never replaces a newer book, and never one that a connection carries:
//! as soon as that is open, its word alone counts.
//!
//! Where changes are numbered and whole books come by REST alone, a connection may be open and its
//! stream silent. Then a book that is not believed is polled as well ([`Engine::unstreamed`]). An
//! answer stands at a number, so it waits for the stream as any whole book does: as soon as the stream
//! has come to that number the book is `live`, known as deep as a poll tells.
//!
//! Where a venue answers with ghosts now and then (`Row::ghosts`), a touch that says next to nothing
//! is believed only if the venue, asked for the touch alone, says so as well.

use super::Engine;
use super::applied::How;
use super::apply::Applier;
use super::judge::Judge;
use super::whole::{join, load};
use super::world::{Origin, World};
use crate::book::Book;
use crate::book::integrity::{Cause, Evidence, State, Verdict};
use crate::book::relayed::says_nothing;
use crate::event::{Body, Frame, Message, Snapshot, TouchClaim};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::update_ids::Seed;
use crate::time::{Nanos, SECOND};
use crate::venue::Continuity;
use std::ops::Range;

/// How long the stream of an open connection says nothing of a book before that may be polled.
const SILENT: Nanos = 5 * SECOND;

impl Engine {
    /// The instruments of a connection of which a polled book waits until the venue, asked for their
    /// touch alone, says whether it is a ghost.
    #[must_use]
    pub fn poll_doubts(&self, conn: u32) -> Vec<InstrumentId> {
        let ids = self.world.connection(conn).map_or(&[][..], |c| &c.instruments);
        let doubted = |id: &InstrumentId| self.world.books[*id as usize].rare.poll.doubted;
        ids.iter().copied().filter(doubted).collect()
    }

    /// The instruments of an open connection whose books are not believed, and of which its stream
    /// says nothing: they may be polled.
    #[must_use]
    pub fn unstreamed(&self, conn: u32, ts: Nanos) -> Vec<InstrumentId> {
        let ids = self.world.connection(conn).filter(|c| c.open).map_or(&[][..], |c| &c.instruments);
        ids.iter().copied().filter(|&id| is_silent(&self.world, id, ts)).collect()
    }
}

impl Applier {
    /// One message of the answer to a poll.
    pub(super) fn apply_poll(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        asked: Nanos,
    ) {
        self.applied.touched.clear();
        let how = match &message.body {
            Body::Snapshot(snapshot) => {
                let stands_at = message.place.seq;
                if takes(world, origin, frame, snapshot, stands_at, asked)
                    && load(world, judge, snapshot.instrument, origin, frame, snapshot)
                {
                    put_in_place(world, judge, origin, snapshot.instrument, stands_at, asked)
                } else {
                    None
                }
            }
            Body::Touch(claim) => return hear_witness(world, claim, asked),
            Body::Malformed(malformed) => {
                world.note_error(origin.conn, origin.ts_recv, malformed.what, malformed.offset);
                None
            }
            _ => None,
        };
        if let (Some(how), Body::Snapshot(snapshot)) = (how, &message.body) {
            world.counters.rest_accepted += 1;
            self.applied.touch(snapshot.instrument, how);
        } else {
            world.counters.rest_rejected += 1;
        }
    }
}

impl Judge {
    /// A book by polling: it holds from when it was asked for.
    pub(super) fn judge_polled(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        asked: Nanos,
    ) {
        let proved = world.book(id).ts_evidence;
        let expires = asked.saturating_add(world.config.poll_age);
        let testimony = self.testimony_of_whole(world, origin, id, None);
        let book = world.book(id);
        let (state, cause) = match book.judge(&testimony, 0) {
            Verdict::Agrees => (State::LivePoll, Cause::Polled),
            Verdict::Doubted => (State::Stale, book.convict().unwrap_or(Cause::Polled)),
            Verdict::Convicted(cause) => (State::Stale, cause),
        };
        if state == State::LivePoll {
            book.ts_evidence = asked;
            book.rare.expires = expires;
            self.await_expiry(world, id);
        } else {
            book.ts_evidence = proved;
        }
        self.turn(world, id, state, cause, origin.ts_recv);
    }
}

/// Whether whole books of an instrument come by REST alone, at a number of its stream.
fn is_seeded(world: &World, id: InstrumentId) -> bool {
    let on_the_stream = world.begins_whole(id) || world.chained(id);
    world.continuity(id) == Some(Continuity::UpdateIds) && !on_the_stream
}

/// Whether a book is not believed, and its stream has said nothing of it for long enough at `ts`.
fn is_silent(world: &World, id: InstrumentId, ts: Nanos) -> bool {
    let book = &world.books[id as usize];
    let silent = ts >= book.rare.poll.heard.saturating_add(SILENT);
    is_seeded(world, id) && silent && !book.running() && !book.over() && book.state != State::Idle
}

/// An answer is the book from here on: what it is to be judged by, unless it cannot be believed.
fn put_in_place(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    stands_at: u64,
    asked: Nanos,
) -> Option<How> {
    if !is_seeded(world, id) {
        return Some(How::Polled(asked));
    }
    let book = world.book(id);
    // As deep as was asked for, and no further.
    book.note_end();
    book.rare.poll.shallow = true;
    match join(world, judge, origin, id, stands_at)? {
        true => Some(How::Joined { resumes: true }),
        false => Some(How::Polled(asked)),
    }
}

/// Whether the answer to a poll, which stands at the number `stands_at` if any, may replace the book.
fn takes(
    world: &mut World,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    stands_at: u64,
    asked: Nanos,
) -> bool {
    let id = snapshot.instrument;
    let Some(about) = world.instruments.at(id) else {
        world.counters.unknown_instruments += 1;
        return false;
    };
    let (conn, ghosts) = (about.conn, about.venue.row().ghosts);
    let open = world.connection(conn).is_some_and(|c| c.open);
    let carried = open && !is_silent(world, id, asked);
    let (age, seeded) = (world.config.poll_age, is_seeded(world, id));
    let too_old = asked.saturating_add(age) <= origin.ts_recv;
    let book = world.book(id);
    if carried || too_old || book.running() || book.over() || book.state == State::Idle {
        return false;
    }
    if is_older(book, origin.ts_event, asked) || seeded && is_behind(book, stands_at) {
        book.evidence.count(Evidence::OutOfOrder);
        return false;
    }
    if ghosts && is_ghost(book, frame, snapshot, asked, age) {
        return false;
    }
    world.book(id).rare.poll.doubted = false;
    true
}

/// Whether the book holds something that the venue said after the answer was asked for, or that is
/// newer by the venue's own time.
fn is_older(book: &Book, ts_event: Nanos, asked: Nanos) -> bool {
    let known = if book.polled() { book.ts_evidence } else { book.ts_recv.max(book.ts_evidence) };
    let overtaken = ts_event != ABSENT && book.ts_event != ABSENT && ts_event < book.ts_event;
    asked <= known || overtaken
}

/// Whether an answer stands at no number, or at one before what is known already.
fn is_behind(book: &Book, stands_at: u64) -> bool {
    let passed = book.polled() && book.rare.stitch.book_id().is_some_and(|id| stands_at < id);
    stands_at == 0 || passed || book.rare.stitch.weigh(stands_at) != Seed::Fits
}

/// Whether an answer says nothing, and the venue's word of the touch is another, or wanting.
fn is_ghost(book: &mut Book, frame: &Frame, snapshot: &Snapshot, asked: Nanos, age: Nanos) -> bool {
    let prices = |levels: &Range<usize>| {
        frame.levels[levels.clone()].iter().filter(|level| level.qty > 0).map(|level| level.price)
    };
    if !says_nothing(prices(&snapshot.bids).max(), prices(&snapshot.asks).min()) {
        return false;
    }
    if book.polled() && says_nothing(book.bids.best_price(), book.asks.best_price()) {
        return false; // as it was when that was looked into
    }
    let witness = book.rare.poll.witness.filter(|&(ts, _)| asked.saturating_sub(ts) < age);
    if let Some((_, false)) = witness {
        book.evidence.count(Evidence::RestMismatch);
    }
    let ghost = witness.is_none_or(|(_, nothing)| !nothing);
    book.rare.poll.doubted = ghost;
    ghost
}

/// What the venue says of the touch alone.
fn hear_witness(world: &mut World, claim: &TouchClaim, asked: Nanos) {
    let Some(book) = world.books.get_mut(claim.instrument as usize) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    let nothing = says_nothing(claim.bid.named(), claim.ask.named());
    book.rare.poll.witness = Some((asked, nothing));
}
