//! The second stage: a message's changes, put on the ladders of its books. What each book is to
//! be judged by is noted; nobody sees anything yet.

use super::applied::{Applied, How, Touched};
use super::beside::meet_touch_beside;
use super::config::HashCheck;
use super::early::{self, set_aside};
use super::judge::Judge;
use super::lost::{note_hole, note_set_back, unknown_on_stream};
use super::order::{Older, is_behind};
use super::probe;
use super::whole::keep_apart;
use super::world::{Heard, Origin, World};
use crate::book::integrity::{Cause, Evidence, State};
use crate::book::{Book, UNDATED};
use crate::event::{Body, Change, Delta, Frame, Level, Levels, Message, Place, ProofClaim};
use crate::fixed::ABSENT;
use crate::instrument::UNKNOWN;
use crate::sequence::recent::{fingerprint, levels_fingerprint};
use crate::sequence::stitch::Waiting;
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::sequence::update_ids::{Updates, Verdict};
use crate::venue::Continuity;

/// How far a time in the place of a number must run back to show that the venue's clock was set.
const CLOCK_SET_MICROS: u64 = 1_000_000;
/// What is wrong with a change that should not come where it comes.
const ELSEWHERE: &str = "a change on another subscription than the book's";

/// Puts messages on the ladders of their books.
#[derive(Debug, Default)]
pub(super) struct Applier {
    /// What the message in hand did.
    pub(super) applied: Applied,
}

impl Applier {
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
        self.applied.touched.clear();
        match &message.body {
            Body::Changes(range) => {
                for index in range.clone() {
                    let change = &frame.changes[index];
                    if change.instrument != UNKNOWN {
                        self.apply_change(world, judge, origin, change, index);
                    } else if let Some(instrument) = early::met_since(world, origin, frame, index) {
                        let change = Change { instrument, ..*change };
                        self.apply_change(world, judge, origin, &change, index);
                    } else {
                        world.counters.unknown_instruments += 1;
                        world.strangers.keep(origin, frame, index);
                    }
                }
            }
            Body::Delta(delta) if heard.current => {
                self.apply_delta(world, judge, origin, heard.stream, delta);
            }
            Body::Levels(levels) if world.awaits_whole(origin.conn, message) => {
                self.apply_first(world, judge, origin, frame, message, levels);
            }
            Body::Levels(levels) if heard.current => {
                self.apply_levels(world, judge, origin, frame, message.place, levels, heard.stream);
            }
            Body::Snapshot(snapshot) if heard.current => {
                self.apply_snapshot(world, judge, origin, frame, message, snapshot, heard.stream);
            }
            Body::Snapshot(snapshot) if heard.apart => {
                keep_apart(world, judge, origin, frame, snapshot, heard.stream);
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
        let checked = world.config.hash_check != HashCheck::Off;
        let Some(book) = world.books.get_mut(id as usize) else { return };
        book.ts_seen = book.ts_seen.max(ts_event);
        if !book.running() {
            return set_aside(world, judge, origin, change);
        }
        let known = self.applied.touched.iter().position(|t| t.id == id);
        if known.is_none() && book.batch_over(ts_event) {
            judge.convict(world, id, origin.ts_recv);
        }
        let book = world.book(id);
        let digest = change.digest.raw(origin.payload);
        let (side, level) = (change.side.number(), change.level);
        let print = fingerprint(origin.ts_stated, digest, side, level.price, level.qty);
        // Where no time is believed, a hash that came before tells a copy.
        let copies = ts_event != ABSENT || checked && !digest.is_empty();
        let not_newer = ts_event <= book.ts_event && copies;
        // Entries of the message in hand follow each other; only earlier messages come again.
        let repeated = not_newer && known.is_none() && book.recent.seen(print);
        let mut out_of_order = not_newer && ts_event < book.ts_event && ts_event != ABSENT;
        if repeated && judge.is_copy(world, origin, change) {
            return;
        }
        if is_behind(world.book(id), origin)
            && judge.place_undated(world, origin, change) == Older::History
        {
            return;
        }
        if out_of_order {
            world.book(id).evidence.count(Evidence::OutOfOrder);
            match judge.place_older(world, origin, change) {
                Older::History => return,
                Older::Current => out_of_order = false,
                Older::Doubtful => {}
            }
        }
        let book = world.book_to_change(id);
        book.set(change.side, change.level);
        book.recent.remember(print);
        match known.and_then(|i| self.applied.touched.get_mut(i)) {
            Some(Touched { how: How::Changed { last, .. }, .. }) => *last = index,
            _ => self.applied.touch(id, How::Changed { last: index, out_of_order, repeated }),
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
            return unknown_on_stream(world, judge, origin, stream, delta.market_id);
        };
        if !book.running() {
            book.evidence.count(Evidence::BeforeSnapshot);
            if let Some(stream) = world.streams.at_mut(stream) {
                stream.withholds = false;
            }
            return;
        }
        if book.stream != stream {
            if world.elsewhere(id, origin.conn) {
                return;
            }
            return judge.refuse(world, origin, id, ELSEWHERE, delta.market_id.start as usize);
        }
        let book = world.book_to_change(id);
        if book.add(delta.side, delta.price, delta.qty).is_err() {
            book.evidence.count(Evidence::Underflow);
            world.counters.underflows += 1;
            return judge.turn(world, id, State::Stale, Cause::Underflow, origin.ts_recv);
        }
        if origin.ts_event != ABSENT {
            book.ts_event = origin.ts_event;
        }
        self.applied.touch(id, How::InSequence);
    }

    // Absolute levels of one book.

    #[inline]
    #[allow(clippy::too_many_arguments)] // a message, its levels, and where both stand
    fn apply_levels(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        place: Place,
        levels: &Levels,
        stream: StreamId,
    ) {
        let id = levels.instrument;
        if id == UNKNOWN && stream != NO_STREAM {
            return unknown_on_stream(world, judge, origin, stream, levels.symbol);
        }
        if world.books.get(id as usize).is_none() || world.elsewhere(id, origin.conn) {
            world.counters.unknown_instruments += u64::from(id == UNKNOWN);
            return;
        }
        let book = world.book(id);
        book.ts_seen = book.ts_seen.max(origin.ts_event);
        if book.over() {
            return;
        }
        let (bids, asks) = (&frame.levels[levels.bids.clone()], &frame.levels[levels.asks.clone()]);
        let continuity = world.continuity(id);
        match continuity {
            Some(Continuity::UpdateIds) if place.seq != 0 => {
                return self.apply_updates(world, judge, origin, place, levels, [bids, asks], false);
            }
            Some(Continuity::Timestamps) => {
                return self.apply_updates(world, judge, origin, place, levels, [bids, asks], true);
            }
            _ => {}
        }
        let begins_whole = world.begins_whole(id);
        let book = world.book(id);
        if !book.running() {
            book.evidence.count(Evidence::BeforeSnapshot);
            // Where a book begins whole, and only with a connection, one that comes later lacks this.
            let undated = begins_whole && origin.ts_event == ABSENT;
            let discarded = if undated { UNDATED } else { origin.ts_event };
            book.rare.ts_discarded = book.rare.ts_discarded.max(discarded);
            return;
        }
        let numbered = stream != NO_STREAM;
        let offset = levels.symbol.start as usize;
        if numbered && book.stream != stream {
            return judge.refuse(world, origin, id, ELSEWHERE, offset);
        }
        let unnumbered = continuity == Some(Continuity::UpdateIds);
        if unnumbered && book.rare.stitch.book_id().is_some() {
            return judge.refuse(world, origin, id, "a change without a number", offset);
        }
        let book = world.book_to_change(id);
        if let ProofClaim::Checksum(sum) = levels.claim {
            // The sum of a copy may fit once more, where the levels that it sets have changed alone.
            let print = levels_fingerprint(origin.ts_stated, sum, [bids, asks]);
            if origin.ts_stated != ABSENT && book.recent.seen(print) {
                book.evidence.count(Evidence::Duplicate);
                return;
            }
            book.recent.remember(print);
        }
        book.set_all(bids, asks);
        book.rare.asks_cut |= levels.asks_cut;
        book.fit_window();
        book.ts_event = book.ts_event.max(origin.ts_event);
        self.applied.claim = levels.claim;
        let how = match numbered {
            true => How::InSequence,
            false if unnumbered => How::Timed,
            false => How::Claimed { whole: false },
        };
        self.applied.touch(id, how);
    }

    /// A message that says which updates of its book it holds, or `timed`, of when it is.
    #[inline]
    #[allow(clippy::too_many_arguments)] // as of `apply_levels`
    fn apply_updates(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        place: Place,
        levels: &Levels,
        [bids, asks]: [&[Level]; 2],
        timed: bool,
    ) {
        let id = levels.instrument;
        let offset = levels.symbol.start as usize;
        let chained = world.chained(id);
        let updates = if chained {
            Updates::after(place.first.saturating_sub(1), place.seq)
        } else {
            Updates::new(place.first, place.seq)
        };
        let Some(updates) = updates else {
            return judge.refuse(world, origin, id, "update ids run backwards", offset);
        };
        if timed && origin.ts_event == ABSENT {
            // It would put all that follows in the past.
            return judge.refuse(world, origin, id, "a time that no delivery explains", offset);
        }
        let beside = world.begins_whole(id);
        let book = world.book(id);
        let caught_up = book.rare.stitch.caught_up();
        if timed {
            let before = book.rare.stitch.book_id().unwrap_or(0);
            book.rare.beside.note_change(before, bids, asks);
        }
        book.rare.poll.heard = origin.ts_recv;
        let verdict = book.rare.stitch.take(updates, bids.len() + asks.len());
        match verdict {
            Verdict::Apply => {
                let book = world.book_to_change(id);
                book.set_all(bids, asks);
                if chained {
                    book.rare.asks_cut |= levels.asks_cut;
                    book.fit_window();
                }
                book.ts_event = book.ts_event.max(origin.ts_event);
                book.rare.beside.note_time(origin.ts_event);
                book.note_told(bids, asks);
                if book.contradicted() {
                    return judge.turn(world, id, State::Stale, Cause::Withheld, origin.ts_recv);
                }
                book.forget_told();
                if book.rare.probe.is_some()
                    && !probe::hear(world, judge, origin, id, updates, [bids, asks])
                {
                    return;
                }
                let book = world.book(id);
                if book.beyond_known() {
                    return judge.turn(world, id, State::Stale, Cause::Window, origin.ts_recv);
                }
                if beside {
                    meet_touch_beside(world, judge, id, origin.ts_recv);
                    if !world.book(id).running() {
                        return;
                    }
                }
                let resumes = !world.book(id).running();
                let how = if timed { How::Timed } else { How::InSequence };
                self.applied.touch(id, if resumes { How::Joined { resumes } } else { how });
                return;
            }
            Verdict::Contained if timed && !caught_up && lacks(book, [bids, asks]) => return,
            Verdict::Contained if !caught_up && book.rare.stitch.caught_up() => {
                return self.applied.touch(id, How::Joined { resumes: true });
            }
            Verdict::Again if chained && bids.len() + asks.len() == 0 && book.running() => {
                // Nothing happened since: the venue says so to show that it is there.
                book.evidence.count(Evidence::InSequence);
                book.ts_evidence = origin.ts_recv;
                return world.vouch_for_silence(id, origin.ts_recv);
            }
            Verdict::Again if book.running() && !book.has_already(bids, asks) => {
                // One number, two contents: the book is not what its number says.
                return note_set_back(world, judge, origin, id);
            }
            Verdict::Contained | Verdict::Again => {
                book.evidence.count(Evidence::Duplicate);
                return;
            }
            Verdict::Keep | Verdict::KeepAlone if beside && book.running() => {
                return judge.refuse(world, origin, id, "a number where changes had none", offset);
            }
            Verdict::Keep | Verdict::KeepAlone => book.evidence.count(Evidence::BeforeSnapshot),
            Verdict::Late => judge.turn(world, id, State::Stale, Cause::Resync, origin.ts_recv),
            Verdict::Gap { expected, got } => {
                note_hole(world, judge, origin, id, expected, got);
            }
            Verdict::SetBack { newest, got } => {
                note_set_back(world, judge, origin, id);
                if timed {
                    // A whole book that fits holds what is older; unless the clock was set.
                    if newest.saturating_sub(got) > CLOCK_SET_MICROS {
                        world.book(id).rare.stitch.lose();
                    }
                    return;
                }
            }
        }
        let kept = [bids, asks].concat().into();
        let waiting = Waiting { updates, ts_event: origin.ts_event, levels: kept, bids: bids.len() };
        world.book(id).rare.stitch.keep(waiting);
    }
}

/// Whether a whole book that its stream has not come to lacks what its time says that it holds, this
/// message included. The next change says whether that was a moment between two messages.
fn lacks(book: &mut Book, [bids, asks]: [&[Level]; 2]) -> bool {
    book.note_contained(bids, asks);
    book.rare.stitch.caught_up() && book.contradicted()
}
