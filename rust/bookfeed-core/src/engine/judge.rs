//! The third stage: does the venue's evidence agree with the book, and which state follows?
//!
//! A message is judged when all of its changes are applied. What it brought to judge each book
//! by, the stage before has noted (`Touched`); what else may speak is in `super::hashes`
//! (hash checks), `super::mirror` (the other outcome) and `super::time` (verdicts that time brings).

use super::applied::{Applied, How, Touched};
use super::config::{EngineError, HashCheck};
use super::hashes::Beside;
use super::lines;
use super::news::join_exchange;
use super::publish::Publisher;
use super::relayed;
use super::searches::SearchBudget;
use super::world::{Origin, World};
use crate::book::Book;
use crate::book::integrity::{Cause, Doubt, Evidence, HashVerdict, State, Testimony, Verdict};
use crate::event::{Change, Claim, Frame, Malformed};
use crate::fixed::ABSENT;
use crate::instrument::{Instrument, InstrumentId, UNKNOWN};
use crate::sequence::rhythm::Rhythm;
use crate::sequence::stitch::Stitch;
use crate::sequence::trend::Trend;
use crate::signals::own::OwnLevels;
use crate::time::Nanos;
use crate::trades::{TapeLimits, TradeTape};
use crate::venue::Continuity;
use std::collections::VecDeque;

/// Books in doubt, checks to make, and the stages that come after.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) publisher: Publisher,
    /// Books in doubt or suspect, whose time may run out.
    pub(super) watchlist: Vec<InstrumentId>,
    /// When the next verdict by time alone may be due.
    pub(super) next_sweep: Nanos,
    /// When rhythms are looked at again.
    pub(super) next_look: Nanos,
    /// Books that hold only for so long.
    pub(super) expiring: Vec<InstrumentId>,
    /// When the next of them may hold no longer, or an index is next computed.
    pub(super) next_expiry: Nanos,
    /// Hash checks to make, by the time they are due.
    pub(super) checks: VecDeque<(Nanos, InstrumentId)>,
    /// What may be spent on searching for last trade prices.
    pub(super) searches: SearchBudget,
    /// Whether hashes of changes struck a book again: those of its connection may not be of books.
    pub(super) hashes_due: bool,
    /// Books worth a hash check before a signal opens.
    to_vouch: Vec<InstrumentId>,
    /// Where a book is printed for its hash.
    pub(super) text: Vec<u8>,
    /// The digest of a book that was made along with the last one asked for.
    pub(super) beside: Option<Beside>,
}

impl Judge {
    pub(super) fn new(publisher: Publisher) -> Self {
        Self {
            publisher,
            watchlist: Vec::new(),
            next_sweep: Nanos::MAX,
            next_look: Nanos::MIN,
            expiring: Vec::new(),
            next_expiry: Nanos::MAX,
            checks: VecDeque::new(),
            searches: SearchBudget::default(),
            hashes_due: false,
            to_vouch: Vec::new(),
            text: Vec::new(),
            beside: None,
        }
    }

    // States.

    /// Adds an instrument, whose book waits for its first snapshot; refused where there is no room.
    pub(super) fn add(
        &mut self,
        world: &mut World,
        instrument: Instrument,
        ts: Nanos,
    ) -> Result<InstrumentId, EngineError> {
        world.room_for(&instrument.symbol)?;
        let conn = instrument.conn;
        let added = world.instruments.add(Instrument { ts_news: ts, ..instrument });
        let id = added.ok_or(EngineError::NoInstrument(UNKNOWN))?;
        let number = world.instruments.at(id).map_or(UNKNOWN, |added| added.number);
        let (mut book, tape) =
            (Book { number, ..Book::default() }, TradeTape::new(TapeLimits::default()));
        if world.continuity(id) == Some(Continuity::Timestamps) {
            book.rare.stitch = Stitch::by_time();
        }
        match world.books.get_mut(id as usize) {
            Some(vacant) => {
                (*vacant, world.tapes[id as usize]) = (book, tape);
                world.rhythms[id as usize] = Rhythm::default();
                world.trends[id as usize] = Trend::default();
            }
            None => {
                world.books.push(book);
                world.tapes.push(tape);
                world.rhythms.push(Rhythm::default());
                world.trends.push(Trend::default());
            }
        }
        world.join_connection(conn, id);
        join_exchange(world, id);
        self.publisher.rules.signals.add_instrument(id, &world.instruments);
        self.turn(world, id, State::Syncing, Cause::Subscribed, ts);
        Ok(id)
    }

    /// Lets go of an instrument, and of everything that was to be done for it.
    pub(super) fn forget(&mut self, world: &mut World, id: InstrumentId) {
        world.lines.forget(id);
        world.seconds.forget(id);
        world.references.forget(id);
        world.senses.forget(id);
        self.watchlist.retain(|&other| other != id);
        self.expiring.retain(|&other| other != id);
        self.checks.retain(|&(_, other)| other != id);
        self.publisher.rules.forget(id);
        world.streams.forget(id);
        world.instruments.remove(id);
        if let Some(own) = world.own.get_mut(id as usize) {
            *own = OwnLevels::default();
        }
        world.tapes[id as usize] = TradeTape::new(TapeLimits::default());
        let gone = std::mem::take(world.book(id));
        world.evidence_gone.add(&gone.evidence);
    }

    /// Changes a book's state; what is suspect is watched.
    pub(super) fn turn(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        state: State,
        cause: Cause,
        ts: Nanos,
    ) {
        let (mut state, mut cause) = (state, cause);
        if state == State::Live && world.book(id).state != State::Live {
            relayed::believed_again(world, id, ts);
        }
        if state == State::Live && Self::is_late(world, id) {
            // It is as the venue had it some time ago.
            world.book(id).hold(cause);
            (state, cause) = (State::Suspect, Cause::Late);
        } else if state == State::Live && world.book(id).denied() {
            (state, cause) = (State::Suspect, Cause::OutOfOrder);
        }
        if self.publisher.turn(world, id, state, cause, ts) && state == State::Suspect {
            self.watch(world, id);
        }
    }

    /// Changes the state of every book of a connection.
    pub(super) fn turn_connection(
        &mut self,
        world: &mut World,
        conn: u32,
        state: State,
        cause: Cause,
        ts: Nanos,
    ) {
        lines::lose_connection(world, conn);
        let Some(connection) = world.connection_mut(conn) else { return };
        let instruments = std::mem::take(&mut connection.instruments);
        for &id in &instruments {
            self.turn(world, id, state, cause, ts);
        }
        if let Some(connection) = world.connection_mut(conn) {
            connection.instruments = instruments;
        }
    }

    /// A message that cannot be right makes its book stale.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        what: &'static str,
        offset: usize,
    ) {
        world.counters.malformed += 1;
        world.book(id).evidence.count(Evidence::Malformed);
        world.note_error(origin.conn, origin.ts_recv, what, offset);
        if lines::lose(world, origin.conn, id) {
            return;
        }
        self.turn(world, id, State::Stale, Cause::Malformed, origin.ts_recv);
    }

    /// Fail closed: what a message that cannot be trusted names, or may name, is stale.
    #[cold]
    pub(super) fn quarantine(
        &mut self,
        world: &mut World,
        origin: &Origin,
        frame: &Frame,
        malformed: &Malformed,
    ) {
        let ts = origin.ts_recv;
        world.counters.malformed += 1;
        world.note_error(origin.conn, ts, malformed.what, malformed.offset);
        if malformed.whole_connection {
            return self.turn_connection(world, origin.conn, State::Stale, Cause::Malformed, ts);
        }
        for &id in &frame.named[malformed.named.clone()] {
            world.book(id).evidence.count(Evidence::Malformed);
            if !lines::lose(world, origin.conn, id) {
                self.turn(world, id, State::Stale, Cause::Malformed, ts);
            }
        }
    }

    // The end of a message.

    /// Judges every book that a message changed.
    #[inline]
    pub(super) fn judge(
        &mut self,
        world: &mut World,
        origin: &Origin,
        frame: &Frame,
        applied: &mut Applied,
    ) {
        self.audit(world, applied, origin.ts_recv);
        for one in &applied.touched {
            let id = one.id;
            match one.how {
                How::Changed { last, out_of_order, repeated } => {
                    self.judge_change(world, origin, id, out_of_order, &frame.changes[last]);
                    if repeated {
                        self.await_word(world, id, origin.ts_recv);
                    }
                }
                // A message in the order of numbers is about one book.
                How::InSequence => return self.judge_numbered(world, origin, id),
                How::Timed => return self.judge_timed(world, origin, id),
                How::Claimed { whole } => {
                    self.judge_claim(world, origin, id, applied.claim, whole);
                }
                How::Joined { resumes } => self.judge_joined(world, origin, id, resumes),
                How::Whole { disputed } => {
                    self.judge_snapshot(world, origin, id, applied.testimony);
                    if disputed {
                        self.await_word(world, id, origin.ts_recv);
                    }
                }
                How::Placed(stream) => self.judge_placed(world, origin, id, stream),
                How::Fetched => self.judge_fetched(world, origin, id, applied.testimony),
                How::Polled(asked) => self.judge_polled(world, origin, id, asked),
            }
        }
        match &applied.touched[..] {
            [Touched { id: a, how: How::Changed { .. } }, Touched { id: b, .. }] => {
                self.check_mirror(world, *a, *b, origin.ts_event, origin.ts_recv);
            }
            [Touched { id, how: How::Changed { .. } }] => {
                self.check_sibling(world, *id, origin.ts_recv);
            }
            [Touched { id, how: How::Whole { .. } | How::Fetched }] => {
                self.check_whole(world, *id, origin.ts_recv);
            }
            _ => {}
        }
    }

    /// Shows what a message changed, and has the rules asked. Where hashes are sampled, the books
    /// on which a signal would open are checked first, any other within the interval.
    #[inline]
    pub(super) fn publish(
        &mut self,
        world: &mut World,
        mut changed: impl ExactSizeIterator<Item = InstrumentId> + Clone,
        ts: Nanos,
    ) {
        let sampled = world.config.hash_check == HashCheck::Sampled;
        if changed.len() == 1
            && !sampled
            && let Some(id) = changed.next()
        {
            return self.publisher.publish_alone(world, id, ts);
        }
        for id in changed.clone() {
            self.publisher.stage(world, id);
        }
        if sampled {
            self.check_staged(world, ts);
            // A message that changed nothing here is not staged; its hash may deny the book.
            for id in changed {
                self.owe_check(world, id, ts);
            }
        }
        self.publisher.publish_staged(world, ts);
    }

    /// Publishes one book outside any message that changed it.
    pub(super) fn publish_one(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        self.publish(world, [id].into_iter(), ts);
    }

    /// With sampled checks: the books on which a signal would open are checked first.
    #[inline]
    fn check_staged(&mut self, world: &mut World, ts: Nanos) {
        for i in 0..self.publisher.staged.len() {
            let id = self.publisher.staged[i].id;
            if !self.publisher.will_ask(world, id) {
                continue; // what rules look at is as it was when they found nothing there
            }
            self.publisher.rules.signals.to_vouch(id, &world.view(), &mut self.to_vouch);
            while let Some(leg) = self.to_vouch.pop() {
                self.check_now(world, leg, ts);
            }
        }
    }

    /// A hash that has not been compared with the book is, within the interval.
    #[inline]
    fn owe_check(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        let checkable = book.hash_known || book.rare.hashes.search_due(ts);
        if book.claimed.hash.is_some() && checkable && book.doubt.is_none() && !book.verified() {
            self.queue_check(world, id, ts);
        }
    }

    // Books whose changes carry their own evidence.

    #[inline]
    fn judge_change(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        out_of_order: bool,
        change: &Change,
    ) {
        let book = world.book(id);
        book.ts_recv = origin.ts_recv;
        let (mut best_bid, mut best_ask) = (change.best_bid, change.best_ask);
        if out_of_order {
            // What an overtaken message says of the book is history; the newest hash decides.
            (best_bid, best_ask) = (Claim::SILENT, Claim::SILENT);
        } else {
            book.ts_event = book.ts_event.max(origin.ts_event);
            book.older_since = ABSENT;
            book.claim(change.digest.raw(origin.payload), origin.ts_stated, false);
        }
        let ts_event = book.ts_event;
        let hash = self.hash_verdict(world, id, origin.ts_recv, out_of_order);
        let testimony = Testimony {
            ts_event,
            ts_recv: origin.ts_recv,
            best_bid,
            best_ask,
            hash,
            snapshot: false,
            out_of_order,
        };
        self.sentence(world, id, &testimony);
    }

    /// Judges a book and lets its state follow.
    #[inline]
    fn sentence(&mut self, world: &mut World, id: InstrumentId, testimony: &Testimony) {
        let grace = world.config.batch_grace;
        let book = world.book(id);
        match book.judge(testimony, grace) {
            Verdict::Agrees => {
                let strong = testimony.hash == HashVerdict::Match;
                let touch = testimony.best_bid.given() && testimony.best_ask.given();
                let suspect = book.state == State::Suspect;
                if (strong && (suspect || book.hashes_vindicated()))
                    || (suspect && touch && book.acquitted())
                {
                    self.turn(world, id, State::Live, Cause::Evidence, testimony.ts_recv);
                }
            }
            Verdict::Doubted => self.watch(world, id),
            Verdict::Convicted(cause) => {
                self.turn(world, id, State::Suspect, cause, testimony.ts_recv);
            }
        }
    }

    /// What speaks for a whole book: its hash, and what came with it.
    pub(super) fn testimony_of_whole(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        told: Option<Testimony>,
    ) -> Testimony {
        let hash = self.hash_verdict_of_snapshot(world, id, origin.ts_recv);
        let whole = || Testimony::of_snapshot(origin.ts_event, origin.ts_recv);
        Testimony { hash, ..told.unwrap_or_else(whole) }
    }

    /// A whole book of the stream.
    fn judge_snapshot(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        testimony: Option<Testimony>,
    ) {
        let testimony = self.testimony_of_whole(world, origin, id, testimony);
        let grace = world.config.batch_grace;
        let book = world.book(id);
        let was = book.state;
        match book.judge(&testimony, grace) {
            Verdict::Agrees if was == State::Live => {
                if book.hashes_vindicated() {
                    self.turn(world, id, State::Live, Cause::Evidence, origin.ts_recv);
                }
            }
            Verdict::Agrees => {
                if self.contradicted(world, id, false, origin.ts_recv) {
                    return;
                }
                let fetched = world.book(id).rare.awaited.take().is_some();
                let cause = if fetched { Cause::Resync } else { Cause::Snapshot };
                self.turn(world, id, State::Live, cause, origin.ts_recv);
            }
            // Not believed before, and doubtful now: not worth the grace of a live book.
            Verdict::Doubted if was != State::Live => {
                if let Some(cause) = world.book(id).convict() {
                    self.turn(world, id, State::Suspect, cause, origin.ts_recv);
                }
            }
            Verdict::Doubted => self.watch(world, id),
            Verdict::Convicted(cause) => {
                self.turn(world, id, State::Suspect, cause, origin.ts_recv);
            }
        }
    }

    /// A book by REST, with what the stream said since put on it.
    fn judge_fetched(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        testimony: Option<Testimony>,
    ) {
        let testimony = self.testimony_of_whole(world, origin, id, testimony);
        let (state, cause) = match world.book(id).judge(&testimony, 0) {
            Verdict::Agrees if self.contradicted(world, id, true, origin.ts_recv) => return,
            Verdict::Agrees => (State::Live, Cause::Resync),
            Verdict::Doubted => (State::Stale, world.book(id).convict().unwrap_or(Cause::Resync)),
            Verdict::Convicted(cause) => (State::Stale, cause),
        };
        self.turn(world, id, state, cause, origin.ts_recv);
    }

    // Doubt.

    /// Opens a doubt that the end of the batch, or of its grace, settles.
    pub(super) fn doubt(&mut self, world: &mut World, id: InstrumentId, doubt: Doubt) {
        world.book(id).doubt = Some(doubt);
        self.watch(world, id);
    }

    /// The batch is over, or its grace is, and the disagreement stands.
    pub(super) fn convict(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let Some(cause) = world.book(id).convict() else { return };
        if world.book(id).rare.hashes.struck_again() {
            (self.hashes_due, self.next_sweep) = (true, self.next_sweep.min(ts));
        }
        if world.book(id).state == State::Live || world.book(id).is_held() {
            self.turn(world, id, State::Suspect, cause, ts);
        }
    }
}
