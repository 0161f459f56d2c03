//! The second stage: a message's changes, put on the ladders of its books. What each book is to
//! be judged by is noted; nobody sees anything yet.

use super::judge::Judge;
use super::sequence::Heard;
use super::whole::fit_window;
use super::world::{Origin, World};
use crate::book::Buffered;
use crate::book::integrity::{Cause, Evidence, State, Testimony};
use crate::book::proof::book_hash::hex_hash;
use crate::event::{Body, Change, Delta, Frame, Level, Levels, Message, Place, ProofClaim, Side};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::recent::fingerprint;
use crate::sequence::stitch::Waiting;
use crate::sequence::stream::StreamId;
use crate::sequence::update_ids::{Updates, Verdict};
use crate::venue::Continuity;

/// Most deltas kept for one book while it is being fetched.
const AWAITED_MAX: usize = 10_000;

/// A book changed by the message in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    pub(super) id: InstrumentId,
    pub(super) how: How,
}

/// How a message changed a book, and with that what it is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// Levels were set that carry evidence; `last` is the last of them in the frame.
    Changed { last: usize, out_of_order: bool },
    /// Levels changed in the order of numbers.
    InSequence,
    /// Levels were set, or `whole` if all of them were, and the message says what the book comes
    /// to (`Applier::claim`).
    Claimed { whole: bool },
    /// The book is whole and its numbers follow; `resumes` if it is believed from here on.
    Joined { resumes: bool },
    /// A whole book replaced it.
    Whole,
    /// A whole book replaced it, at its place in this numbered stream.
    Placed(StreamId),
    /// A whole book by REST replaced it, with what the stream said since put on it
    /// (`Applier::testimony`).
    Fetched,
}

/// The books that the message in hand changed, and what it brought to judge them by. The buffer
/// keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Applier {
    pub(super) touched: Vec<Touched>,
    /// What the book has come to, if the message says so.
    pub(super) claim: ProofClaim,
    /// What a fetched book, and all that was put on it, is judged by.
    pub(super) testimony: Option<Testimony>,
}

impl Applier {
    pub(super) fn touch(&mut self, id: InstrumentId, how: How) {
        self.touched.push(Touched { id, how });
    }

    /// Puts a message on its books, if it changes any.
    #[inline]
    pub(super) fn apply(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        heard: Heard,
    ) {
        self.touched.clear();
        match &message.body {
            Body::Changes(range) => {
                for index in range.clone() {
                    let change = &frame.changes[index];
                    if change.instrument == UNKNOWN {
                        world.counters.unknown_instruments += 1;
                    } else {
                        self.apply_change(world, judge, origin, change, index);
                    }
                }
            }
            Body::Delta(delta) if heard.current => {
                self.apply_delta(world, judge, origin, heard.stream, delta);
            }
            Body::Levels(levels) if heard.current => {
                self.apply_levels(world, judge, origin, frame, message.place, levels);
            }
            Body::Snapshot(snapshot) if heard.current => {
                self.apply_snapshot(world, judge, origin, frame, message, snapshot, heard.stream);
            }
            _ => {}
        }
    }

    // Changes with their own evidence.

    #[inline]
    fn apply_change(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        change: &Change,
        index: usize,
    ) {
        let (id, ts_event) = (change.instrument, origin.ts_event);
        let Some(book) = world.books.get_mut(id as usize) else { return };
        book.ts_seen = book.ts_seen.max(ts_event);
        if !book.running() {
            return set_aside(world, judge, origin, change);
        }
        let known = self.touched.iter().position(|t| t.id == id);
        if known.is_none() && book.batch_over(ts_event) {
            judge.convict(world, id, origin.ts_recv);
        }
        let book = world.book(id);
        let digest = change.digest.raw(origin.payload);
        let side = if change.side == Side::Bid { 1 } else { 2 };
        let print = fingerprint(ts_event, digest, side, change.level.price, change.level.qty);
        let not_newer = ts_event != ABSENT && ts_event <= book.ts_event;
        // Entries of the message in hand follow each other; only earlier messages come again.
        if not_newer && known.is_none() && book.recent.seen(print) {
            book.evidence.count(Evidence::Duplicate);
            let undone = book.qty_at(change.side, change.level.price) != change.level.qty;
            if undone && ts_event == book.ts_event {
                // Within one venue time a level was set, changed, and now the first message
                // comes again: told twice, or set back. Only the next hash can say which.
                judge.turn(world, id, State::Suspect, Cause::OutOfOrder, origin.ts_recv);
            }
            return;
        }
        let out_of_order = not_newer && ts_event < book.ts_event;
        if out_of_order {
            book.evidence.count(Evidence::OutOfOrder);
            if judge.vouch(world, id, origin.ts_recv) {
                // The newest message is complete without it: it was overtaken, and is history.
                return;
            }
        }
        let book = world.book(id);
        book.set(change.side, change.level);
        book.recent.remember(print);
        match known.and_then(|i| self.touched.get_mut(i)) {
            Some(Touched { how: How::Changed { last, .. }, .. }) => *last = index,
            _ => self.touch(id, How::Changed { last: index, out_of_order }),
        }
    }

    // Changes in numbered streams.

    #[inline]
    fn apply_delta(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        stream: StreamId,
        delta: &Delta,
    ) {
        let id = delta.instrument;
        let Some(book) = world.books.get_mut(id as usize) else {
            return super::sequence::unknown_on_stream(world, judge, origin, stream, delta.market_id);
        };
        if !book.running() {
            book.evidence.count(Evidence::BeforeSnapshot);
            return;
        }
        if book.stream != stream {
            if elsewhere(world, id, origin.conn) {
                return;
            }
            let what = "a change on another subscription than the book's";
            return judge.refuse(world, origin, id, what, delta.market_id.start as usize);
        }
        if book.add(delta.side, delta.price, delta.qty).is_err() {
            book.evidence.count(Evidence::Underflow);
            world.counters.underflows += 1;
            return judge.turn(world, id, State::Stale, Cause::Underflow, origin.ts_recv);
        }
        if origin.ts_event != ABSENT {
            book.ts_event = origin.ts_event;
        }
        self.touch(id, How::InSequence);
    }

    // Absolute levels of one book.

    #[inline]
    fn apply_levels(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        place: Place,
        levels: &Levels,
    ) {
        let id = levels.instrument;
        if world.books.get(id as usize).is_none() || elsewhere(world, id, origin.conn) {
            world.counters.unknown_instruments += u64::from(id == UNKNOWN);
            return;
        }
        let book = world.book(id);
        book.ts_seen = book.ts_seen.max(origin.ts_event);
        if book.over() {
            return;
        }
        let (bids, asks) = (&frame.levels[levels.bids.clone()], &frame.levels[levels.asks.clone()]);
        if world.continuity(id) == Some(Continuity::UpdateIds) {
            return self.apply_updates(world, judge, origin, place, levels, [bids, asks]);
        }
        let book = world.book(id);
        if !book.running() {
            book.evidence.count(Evidence::BeforeSnapshot);
            book.rare.ts_discarded = book.rare.ts_discarded.max(origin.ts_event);
            return;
        }
        book.set_all(bids, asks);
        book.rare.asks_cut |= levels.asks_cut;
        fit_window(book);
        book.ts_event = book.ts_event.max(origin.ts_event);
        self.claim = levels.claim;
        self.touch(id, How::Claimed { whole: false });
    }

    /// A message that says which updates of its book it holds.
    #[inline]
    fn apply_updates(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        place: Place,
        levels: &Levels,
        [bids, asks]: [&[Level]; 2],
    ) {
        let id = levels.instrument;
        let Some(updates) = Updates::new(place.first, place.seq) else {
            let offset = levels.symbol.start as usize;
            return judge.refuse(world, origin, id, "update ids run backwards", offset);
        };
        let book = world.book(id);
        let caught_up = book.rare.stitch.caught_up();
        let verdict = book.rare.stitch.take(updates, bids.len() + asks.len());
        match verdict {
            Verdict::Apply => {
                book.set_all(bids, asks);
                book.ts_event = book.ts_event.max(origin.ts_event);
                if book.beyond_known() {
                    return judge.turn(world, id, State::Stale, Cause::Window, origin.ts_recv);
                }
                let resumes = !book.running();
                self.touch(id, if resumes { How::Joined { resumes } } else { How::InSequence });
                return;
            }
            Verdict::Contained if !caught_up && book.rare.stitch.caught_up() => {
                return self.touch(id, How::Joined { resumes: true });
            }
            Verdict::Contained | Verdict::Again => {
                book.evidence.count(Evidence::Duplicate);
                return;
            }
            Verdict::Keep | Verdict::KeepAlone => book.evidence.count(Evidence::BeforeSnapshot),
            Verdict::Late => judge.turn(world, id, State::Stale, Cause::Resync, origin.ts_recv),
            Verdict::Gap { expected, got } => {
                super::sequence::note_hole(world, judge, origin, id, expected, got);
            }
            Verdict::SetBack { .. } => super::sequence::note_set_back(world, judge, origin, id),
        }
        let kept = [bids, asks].concat().into();
        let waiting = Waiting { updates, ts_event: origin.ts_event, levels: kept, bids: bids.len() };
        world.book(id).rare.stitch.keep(waiting);
    }
}

/// A change for a book that has no basis to change: kept if a fetch is under way.
#[cold]
fn set_aside(world: &mut World, judge: &mut Judge, origin: &Origin, change: &Change) {
    let id = change.instrument;
    let book = world.book(id);
    book.evidence.count(Evidence::BeforeSnapshot);
    book.rare.ts_discarded = book.rare.ts_discarded.max(origin.ts_event);
    if let Some(awaited) = &mut book.rare.awaited {
        if awaited.deltas.len() == AWAITED_MAX {
            book.rare.awaited = None;
            return judge.turn(world, id, State::Stale, Cause::Resync, origin.ts_recv);
        }
        awaited.deltas.push(Buffered {
            ts_event: origin.ts_event,
            side: change.side,
            level: change.level,
            best_bid: change.best_bid,
            best_ask: change.best_ask,
            hash: hex_hash(change.digest.raw(origin.payload)),
        });
    }
}

/// Whether an instrument is subscribed on another connection than `conn`, which may be left
/// from before it moved: what is said there is not about its book, and is only counted.
pub(super) fn elsewhere(world: &mut World, id: InstrumentId, conn: u32) -> bool {
    let moved = world.instruments.at(id).is_some_and(|i| i.conn != conn);
    world.counters.unknown_instruments += u64::from(moved);
    moved
}
