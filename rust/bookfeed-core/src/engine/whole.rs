//! The second stage, for whole books: from the stream, or by REST, each joined to its stream as
//! its venue's continuity asks.

use super::applied::How;
use super::apply::Applier;
use super::beside::hear_beside;
use super::compare::{
    compare_fetched, compare_rest, compare_seed, compare_silent, compare_undated, same_levels,
};
use super::early::put_on;
use super::judge::Judge;
use super::lost::{convict_stream, unknown_on_stream};
use super::order::is_behind;
use super::world::{Origin, World};
use crate::book::integrity::{Cause, Evidence, State};
use crate::book::{Book, UNDATED};
use crate::event::{Body, Frame, Levels, Message, Snapshot};
use crate::fixed::{ABSENT, parse_unsigned};
use crate::instrument::{Instrument, InstrumentId, UNKNOWN};
use crate::sequence::stream::StreamId;
use crate::sequence::update_ids::Seed;
use crate::span::Value;
use crate::venue::Continuity;

impl Applier {
    #[allow(clippy::too_many_arguments)] // a whole book, and everything that is known of it
    pub(super) fn apply_snapshot(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        snapshot: &Snapshot,
        stream: StreamId,
    ) {
        let Some(connection) = world.connection(origin.conn) else { return };
        match connection.venue.row().continuity {
            Continuity::Stream => {
                self.apply_placed(world, judge, origin, frame, message, snapshot, stream);
            }
            Continuity::Evidence => self.apply_whole(world, judge, origin, frame, message, snapshot),
            Continuity::Timestamps => {
                hear_beside(world, judge, origin, frame, snapshot, message.place.seq);
            }
            Continuity::UpdateIds | Continuity::Checksum | Continuity::Expiry => {
                self.apply_begin(world, judge, origin, frame, message, snapshot);
            }
        }
    }

    /// A whole book that carries its own evidence.
    fn apply_whole(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        snapshot: &Snapshot,
    ) {
        let id = subscribed(world, judge, origin, message, snapshot);
        let Some(book) = world.books.get_mut(id as usize) else {
            world.counters.unknown_instruments += 1;
            return;
        };
        if book.over() {
            return;
        }
        if !book.running() && origin.ts_event != ABSENT && origin.ts_event < book.rare.ts_discarded {
            // A newer change overtook it and was discarded for want of it: this book lacks it.
            book.evidence.count(Evidence::OutOfOrder);
            return;
        }
        book.ts_seen = book.ts_seen.max(origin.ts_event);
        if book.running() {
            let digest = snapshot.claim.digest().raw(origin.payload);
            if book.claimed_already(digest, origin.ts_stated) && book.believable() {
                book.evidence.count(Evidence::Duplicate);
                return;
            }
            let older = origin.ts_event != ABSENT && origin.ts_event < book.ts_event;
            if is_behind(book, origin) {
                return judge.meet_undated_book(world, origin, frame, snapshot, id);
            }
            if older && !judge.take_older_book(world, origin, frame, snapshot, id) {
                return;
            }
        }
        let book = world.book(id);
        if book.batch_over(origin.ts_event) {
            // The new book replaces the doubtful one; the doubt was right all the same.
            judge.convict(world, id, origin.ts_recv);
        }
        let early = std::mem::take(&mut world.book(id).rare.early);
        let book = world.book(id);
        let dated = origin.ts_stated != ABSENT;
        let again = dated && book.running() && book.claimed.whole && book.claimed.ts == origin.ts_stated;
        let before = [book.bids.best_price(), book.asks.best_price()];
        if load(world, judge, id, origin, frame, snapshot) {
            let book = world.book(id);
            let disputed = again && before != [book.bids.best_price(), book.asks.best_price()];
            self.applied.testimony = None;
            if !early.is_empty() {
                // Its own hash teaches what hashes contain, as long as it is that of the book.
                judge.vouch(world, id, origin.ts_recv);
                self.applied.testimony = Some(put_on(world, id, origin, &early));
            }
            self.applied.touch(id, How::Whole { disputed });
        }
    }

    /// A whole book at its number: everything before it is of no interest any more.
    #[allow(clippy::too_many_arguments)] // as of `apply_snapshot`
    fn apply_placed(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        snapshot: &Snapshot,
        stream: StreamId,
    ) {
        if snapshot.instrument == UNKNOWN
            && world.by_market_id(origin.conn, snapshot.market_id, origin.payload).is_some()
        {
            let market_id = snapshot.market_id;
            return unknown_on_stream(world, judge, origin, stream, market_id);
        }
        let id = subscribed(world, judge, origin, message, snapshot);
        let withholds = world.streams.at(stream).is_some_and(|stream| stream.withholds);
        let Some(book) = taking(world, origin, id) else { return };
        if withholds {
            book.evidence.count(Evidence::BeforeSnapshot);
            return;
        }
        // One that nobody asked for may be news: the venue empties books that way, after a pause.
        if snapshot.requested && book.running() && book.stream == stream {
            match same_levels(book, frame, snapshot) {
                Some(false) => return convict_stream(world, judge, origin, id, stream),
                Some(true) => {
                    book.evidence.count(Evidence::SnapshotMatch);
                    world.vouch_for_silence(id, origin.ts_recv);
                }
                None => {}
            }
        }
        let book = world.book(id);
        (book.doubt, book.rare.witness, book.awaits_touch) = (None, None, false);
        if load(world, judge, id, origin, frame, snapshot) {
            world.learn_market_id(id, snapshot.market_id, origin.payload);
            self.applied.touch(id, How::Placed(stream));
        }
    }

    /// A whole book with which the stream itself begins, or begins anew.
    fn apply_begin(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        snapshot: &Snapshot,
    ) {
        let id = subscribed(world, judge, origin, message, snapshot);
        if world.chained(id) && !goes_on(world, judge, origin, frame, message, snapshot, id)
            || world.begins_whole(id) && !is_beginning(world, judge, origin, frame, snapshot, id)
            || world.continuity(id) == Some(Continuity::Checksum)
                && !is_newer(world, judge, origin, frame, snapshot, id)
        {
            return;
        }
        let Some(book) = taking(world, origin, id) else { return };
        let discarded = std::mem::replace(&mut book.rare.ts_discarded, ABSENT);
        let first = matches!(
            (book.state, book.cause),
            (State::Syncing, Cause::Subscribed) | (_, Cause::Channel)
        );
        // Of two messages of one time the first book comes first. Asked for anew, it may stand where
        // the last change of the old subscription left it, unless that is known to have ended before.
        let overtaken = origin.ts_event < discarded || (first && origin.ts_event == discarded);
        if !book.running() && origin.ts_event != ABSENT && overtaken {
            // A newer change overtook it and was discarded for want of it: this book lacks it. The
            // next one does not, whatever time a damaged message may have claimed.
            book.evidence.count(Evidence::OutOfOrder);
            return;
        }
        book.doubt = None;
        if load(world, judge, id, origin, frame, snapshot) {
            let book = world.book_to_change(id);
            book.fit_window();
            book.rare.beside.note_time(origin.ts_event);
            if message.place.seq != 0 {
                book.rare.stitch.begin(message.place.seq);
            }
            self.applied.claim = snapshot.claim;
            self.applied.touch(id, How::Claimed { whole: true });
        }
    }

    /// The first message about a book on its connection, at a venue that begins with all of it and
    /// does not mark that. One that removes levels is none; one without a side says too little to
    /// tell, and the book is waited for.
    #[cold]
    pub(super) fn apply_first(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        levels: &Levels,
    ) {
        let sides = [&frame.levels[levels.bids.clone()], &frame.levels[levels.asks.clone()]];
        let id = levels.instrument;
        if sides.iter().any(|side| side.iter().any(|level| level.qty == 0)) {
            if id != UNKNOWN {
                let what = "a change came before the whole book";
                judge.refuse(world, origin, id, what, levels.symbol.start as usize);
            }
        } else if sides.iter().any(|side| side.is_empty()) {
            world.pass_beginning(origin.conn, id);
            if let Some(book) = taking(world, origin, id) {
                book.evidence.count(Evidence::BeforeSnapshot);
            }
        } else {
            self.apply_begin(world, judge, origin, frame, message, &levels.clone().into());
        }
    }

    // REST books.

    /// A REST answer: a whole book that was asked for, and nothing else.
    pub(super) fn apply_rest(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        stands_at: Option<u64>,
    ) {
        self.applied.touched.clear();
        let Body::Snapshot(snapshot) = &message.body else {
            world.counters.rest_rejected += 1;
            if let Body::Malformed(m) = &message.body {
                world.note_error(origin.conn, origin.ts_recv, m.what, m.offset);
            }
            return;
        };
        match world.continuity(snapshot.instrument) {
            Some(Continuity::Stream) if origin.ts_event == ABSENT => {
                compare_rest(world, origin, frame, snapshot);
            }
            Some(Continuity::Stream | Continuity::Checksum) => {
                compare_silent(world, judge, origin, frame, snapshot);
            }
            Some(Continuity::UpdateIds) if world.begins_whole(snapshot.instrument) => {
                compare_undated(world, judge, origin, frame, snapshot);
            }
            Some(Continuity::UpdateIds | Continuity::Timestamps) => {
                let stands_at = stands_at.unwrap_or(message.place.seq);
                self.apply_seed(world, judge, origin, frame, snapshot, stands_at);
            }
            _ => self.apply_fetched(world, judge, origin, frame, snapshot),
        }
    }

    /// A whole book by REST, of a venue whose messages have times but no numbers.
    fn apply_fetched(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        snapshot: &Snapshot,
    ) {
        let id = snapshot.instrument;
        let awaited = world.books.get_mut(id as usize).and_then(|book| book.rare.awaited.take());
        let Some(awaited) = awaited else {
            return compare_fetched(world, judge, origin, frame, snapshot);
        };
        if origin.ts_event == ABSENT || origin.ts_event < awaited.ts_begin {
            // Older than what the stream had already said: changes in between are unknown.
            world.counters.rest_rejected += 1;
            return judge.turn(world, id, State::Stale, Cause::Resync, origin.ts_recv);
        }
        world.counters.rest_accepted += 1;
        if load(world, judge, id, origin, frame, snapshot) {
            let clock = world.connection(origin.conn).map(|c| c.clock);
            if clock.is_some_and(|clock| clock.has_come_to(origin.ts_event, origin.ts_recv)) {
                world.book(id).rare.ts_answered = origin.ts_event;
            }
            self.applied.testimony = Some(put_on(world, id, origin, &awaited.deltas));
            self.applied.touch(id, How::Fetched);
        }
    }

    /// A whole book by REST that stands at one of the numbered updates of its stream: what the
    /// stream said since is put on it.
    fn apply_seed(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        snapshot: &Snapshot,
        stands_at: u64,
    ) {
        let id = snapshot.instrument;
        let timed = world.continuity(id) == Some(Continuity::Timestamps);
        let stated = stands_at != 0 && !(timed && origin.ts_event == ABSENT);
        let book = world.book(id);
        if book.believable() && stated {
            return compare_seed(world, judge, origin, frame, snapshot, stands_at);
        }
        // A running book needs none: its stream proves it, and nothing proves the answer. Neither does
        // one that is polled, unless a fetch was begun: the answer may be older.
        let resting = matches!(book.state, State::Idle | State::LivePoll) || book.over();
        let wanted = stated && !resting && !book.running();
        let seed = if wanted { Some(book.rare.stitch.weigh(stands_at)) } else { None };
        match seed {
            Some(Seed::Fits) => {}
            Some(Seed::TooOld { .. }) => {
                world.counters.rest_rejected += 1;
                return judge.turn(world, id, State::Stale, Cause::Resync, origin.ts_recv);
            }
            Some(Seed::Behind { .. }) | None => {
                world.counters.rest_rejected += 1;
                return;
            }
        }
        world.counters.rest_accepted += 1;
        if !load(world, judge, id, origin, frame, snapshot) {
            return;
        }
        let book = world.book_to_change(id);
        book.rare.poll.shallow = false;
        if !timed {
            book.note_end();
        }
        // A book ahead of its stream waits until the stream has come to it.
        if let Some(resumes) = join(world, judge, origin, id, stands_at) {
            self.applied.touch(id, How::Joined { resumes });
        }
    }
}

/// Whether a whole book of a chain is to be taken: it is, if it is as new as what the stream has told.
/// A running book needs none of where it stands itself; the two must be the same.
fn goes_on(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    message: &Message,
    snapshot: &Snapshot,
    id: InstrumentId,
) -> bool {
    let stands_at = message.place.seq;
    let Some(book) = taking(world, origin, id) else { return false };
    if book.rare.stitch.told_beyond(stands_at) {
        book.evidence.count(Evidence::OutOfOrder);
        return false;
    }
    if !book.running() || book.rare.stitch.book_id() != Some(stands_at) {
        return true;
    }
    hold_against(world, judge, origin, frame, snapshot, id, Cause::Withheld);
    false
}

/// Whether a whole book is one that its venue begins with, once a connection. Another one is not to be
/// taken: it may be that one again. It must be the same as a running book.
fn is_beginning(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    id: InstrumentId,
) -> bool {
    let Some(book) = taking(world, origin, id) else { return false };
    let begins = (book.state, book.cause) == (State::Syncing, Cause::Subscribed);
    if begins && book.rare.ts_discarded == UNDATED {
        // A change that rests on it has overtaken it, and was discarded for want of it.
        book.evidence.count(Evidence::OutOfOrder);
        judge.turn(world, id, State::Stale, Cause::OutOfOrder, origin.ts_recv);
        return false;
    }
    if !begins && book.running() {
        hold_against(world, judge, origin, frame, snapshot, id, Cause::OutOfOrder);
    }
    begins
}

/// Whether a whole book, after which the stream goes on, is to be taken. A running book needs none,
/// and an older one takes nothing back: sums prove the running one. One that does not say of when it
/// is must be the same.
fn is_newer(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    id: InstrumentId,
) -> bool {
    let Some(book) = taking(world, origin, id) else { return false };
    if !book.running() || book.ts_event == ABSENT {
        return true;
    }
    if origin.ts_event == ABSENT {
        hold_against(world, judge, origin, frame, snapshot, id, Cause::OutOfOrder);
        return false;
    }
    let older = origin.ts_event < book.ts_event;
    if older {
        book.evidence.count(Evidence::OutOfOrder);
    }
    !older
}

/// A whole book that nothing asked for vouches for a running one if it is the same; else that is lost.
fn hold_against(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    id: InstrumentId,
    cause: Cause,
) {
    let book = world.book(id);
    if same_levels(book, frame, snapshot) == Some(true) {
        book.evidence.count(Evidence::SnapshotMatch);
        return world.vouch_for_silence(id, origin.ts_recv);
    }
    book.evidence.count(Evidence::SnapshotMismatch);
    judge.turn(world, id, State::Stale, cause, origin.ts_recv);
}

/// Joins a whole book that was just put in place to its stream at update `stands_at`, with what
/// waits for it put on it; whether the stream has come to it. `None` if it cannot be believed.
pub(super) fn join(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    stands_at: u64,
) -> Option<bool> {
    let book = world.book_to_change(id);
    book.rare.stitch.seed(stands_at);
    let mut denied = book.meet_touches();
    let (timed, mut gone_on) = (!book.rare.stitch.is_numbered(), false);
    while let Some((waiting, beyond)) = book.rare.stitch.take_any_waiting() {
        let (bids, asks) = waiting.levels.split_at(waiting.bids);
        if !beyond {
            if timed {
                book.note_contained(bids, asks);
            }
            continue;
        }
        gone_on = true;
        book.note_told(bids, asks);
        book.set_all(bids, asks);
        book.ts_event = book.ts_event.max(waiting.ts_event);
        denied |= book.meet_touches();
    }
    let cause = match (denied, book.beyond_known()) {
        // The venue gave another touch for one of the updates that the book passed through.
        (true, _) => Cause::BboMismatch,
        (false, true) => Cause::Window,
        (false, false) if !book.rare.stitch.caught_up() => return Some(false),
        // Told before it by their times, and not in it: those times, or the book, are wrong. Where
        // the stream has just come to it, that may be of a moment between two messages.
        (false, false) if book.contradicted() && !gone_on => return Some(false),
        (false, false) if book.contradicted() => Cause::Withheld,
        (false, false) => {
            book.forget_told();
            return Some(true);
        }
    };
    judge.turn(world, id, State::Stale, cause, origin.ts_recv);
    None
}

/// A whole book whose number came before, in a run that may be a new beginning. It is put in place,
/// and believed as soon as that is known.
#[cold]
pub(super) fn keep_apart(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    stream: StreamId,
) {
    let id = snapshot.instrument;
    if taking(world, origin, id).is_none_or(|book| book.running()) {
        return;
    }
    if load(world, judge, id, origin, frame, snapshot) {
        world.learn_market_id(id, snapshot.market_id, origin.payload);
        if let Some(stream) = world.streams.at_mut(stream) {
            stream.keep_apart(id);
        }
    }
}

/// The book that a whole one on its stream is for, unless another connection carries it, nobody
/// follows it, or it has come to its end.
pub(super) fn taking<'a>(
    world: &'a mut World,
    origin: &Origin,
    id: InstrumentId,
) -> Option<&'a mut Book> {
    if world.elsewhere(id, origin.conn) {
        return None;
    }
    let World { books, counters, .. } = world;
    let Some(book) = books.get_mut(id as usize) else {
        counters.unknown_instruments += 1;
        return None;
    };
    (!book.over() && book.state != State::Idle).then_some(book)
}

/// The instrument of a whole book; one that is not known is subscribed, where that is wanted.
fn subscribed(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    message: &Message,
    snapshot: &Snapshot,
) -> InstrumentId {
    if snapshot.instrument != UNKNOWN || !world.config.auto_subscribe {
        return snapshot.instrument;
    }
    let text = |value: Value| String::from_utf8_lossy(value.raw(origin.payload)).into_owned();
    let Some(venue) = world.connection(origin.conn).map(|c| c.venue) else { return UNKNOWN };
    // An earlier message of the same frame may have made it known.
    if let Some(known) = world.instruments.find(venue, snapshot.symbol.raw(origin.payload)) {
        return known;
    }
    let market = Some(message.market).filter(|m| !m.is_absent()).map(|m| text(m).into());
    let instrument = Instrument {
        market,
        tick_size: snapshot.tick_size,
        ..World::stranger(venue, &text(snapshot.symbol), origin.conn)
    };
    let Ok(id) = judge.add(world, instrument, origin.ts_recv) else { return UNKNOWN };
    let World { books, strangers, .. } = world;
    strangers.hand_over(snapshot.symbol, origin.payload, &mut books[id as usize].rare);
    id
}

/// Puts a snapshot's levels and what it tells of the book's proof in place; `false` if the
/// levels contradict themselves.
pub(super) fn load(
    world: &mut World,
    judge: &mut Judge,
    id: InstrumentId,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
) -> bool {
    let book = world.book_to_change(id);
    let (bids, asks) = (snapshot.bids.clone(), snapshot.asks.clone());
    if book.load(&frame.levels[bids], &frame.levels[asks]).is_err() {
        book.evidence.count(Evidence::Malformed);
        world.counters.malformed += 1;
        let offset = snapshot.symbol.start as usize;
        world.note_error(origin.conn, origin.ts_recv, "a price stands twice in one side", offset);
        judge.turn(world, id, State::Stale, Cause::Malformed, origin.ts_recv);
        return false;
    }
    book.ts_event = origin.ts_event;
    (book.older_since, book.rare.ts_answered) = (ABSENT, ABSENT);
    book.rare.ts_denied = ABSENT;
    book.ts_recv = origin.ts_recv;
    let expires = |holds_for| origin.ts_recv.saturating_add(holds_for);
    book.rare.expires = snapshot.holds_for.map_or(ABSENT, expires);
    book.rare.grid.see_whole(origin.ts_event, snapshot.tick_size.map(|t| t.value));
    book.rare.asks_cut = snapshot.asks_cut;
    book.note_window();
    book.claim(snapshot.claim.digest().raw(origin.payload), origin.ts_stated, true);
    let given = |hint: Value| if hint.is_absent() { &[] } else { hint.raw(origin.payload) };
    book.rare.hashes.hear(snapshot.hints.map(given));
    if let Some(instrument) = world.instruments.at_mut(id) {
        instrument.tick_size = snapshot.tick_size.or(instrument.tick_size);
        if !snapshot.min_order_size.is_absent() {
            let text = String::from_utf8_lossy(snapshot.min_order_size.raw(origin.payload));
            if instrument.min_order_size.as_deref() != Some(&*text) {
                instrument.min_order_size = Some(Box::from(&*text));
                instrument.min_qty = parse_unsigned::<8>(text.as_bytes()).map_or(0, |d| d.value);
            }
        }
    }
    true
}
