//! Where books stand: transitions, publication, and verdicts that time brings.

use super::{Engine, HashCheck, view};
use crate::book::Touch;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::signals::apart;
use crate::time::Nanos;
use crate::update::{FLAG_TOUCH, FLAG_VERIFIED, LegStanding, Update, UpdateKind};
use crate::venue::Continuity;

/// Hash checks made per frame, so that no frame waits long for them.
const CHECKS_PER_FRAME: usize = 4;
/// A lone hash mismatch is given up only after this many graces.
const LONE_MISMATCH_GRACES: i64 = 10;
/// Convictions by hash without a match between them, after which hashes are not trusted.
const STRIKES_MAX: u32 = 4;

impl Engine {
    // Transitions and records.

    /// Changes a book's state. The record is written, and signals that rest on the book are
    /// closed, before anybody can see the book.
    pub(super) fn transition(&mut self, id: InstrumentId, state: State, cause: Cause, ts: Nanos) {
        let Some(book) = self.books.get_mut(id as usize) else { return };
        if book.over() && cause != Cause::Poisoned {
            return;
        }
        if (book.state, book.cause) == (state, cause) && state != State::Live {
            return;
        }
        let new_run = state == State::Live && cause != Cause::Evidence;
        if new_run {
            book.epoch += 1;
            (book.touch, book.told) = (Touch::EMPTY, Touch::EMPTY);
            book.ts_discarded = ABSENT;
        }
        if state == State::Live {
            (book.news, book.unpublished) = (true, true);
        }
        if matches!(state, State::Syncing | State::Stale) {
            book.forget_stream();
        }
        if (state, cause) == (State::Syncing, Cause::Subscribed) {
            // What an earlier connection said does not bind the books of a new one.
            (book.ts_seen, book.ts_discarded) = (ABSENT, ABSENT);
        }
        if state == State::Stale && cause == Cause::Resync {
            book.awaited = None;
        }
        if cause != Cause::Gap {
            book.gap = None;
        }
        let ts_suspect = book.state == State::Suspect && state == State::Suspect;
        if !ts_suspect {
            book.ts_state = ts;
        }
        (book.state, book.cause) = (state, cause);
        self.counters.transitions += 1;
        if state == State::Suspect {
            self.watch(id);
        }
        let mut update = self.update(id, UpdateKind::State, ts);
        let book = &self.books[id as usize];
        update.ts_event = book.ts_event;
        if let Some((expected, got)) = book.gap {
            update.price = i64::try_from(expected).unwrap_or(i64::MAX);
            update.qty = i64::try_from(got).unwrap_or(i64::MAX);
        }
        self.output.push_update(&update);
        if state != State::Live {
            // A book that became live is published next, and asked about then.
            self.ask_rules(id, false, ts);
        }
    }

    pub(super) fn transition_connection(&mut self, conn: u32, state: State, cause: Cause, ts: Nanos) {
        let Some(Some(connection)) = self.connections.get_mut(conn as usize) else { return };
        let instruments = std::mem::take(&mut connection.instruments);
        for &id in &instruments {
            self.transition(id, state, cause, ts);
        }
        if let Some(Some(connection)) = self.connections.get_mut(conn as usize) {
            connection.instruments = instruments;
        }
    }

    /// A record about `id` as its book stands.
    #[inline]
    pub(super) fn update(&self, id: InstrumentId, kind: UpdateKind, ts_recv: Nanos) -> Update {
        let book = &self.books[id as usize];
        Update {
            ts_recv,
            ts_event: book.ts_event,
            ts_evidence: self.ts_evidence(id),
            touch: book.touch,
            price: ABSENT,
            qty: ABSENT,
            instrument: id,
            epoch: book.epoch,
            conn: self.instruments.at(id).map_or(0, |i| i.conn),
            kind,
            state: book.state,
            cause: book.cause,
            flags: if book.verified() { FLAG_VERIFIED } else { 0 },
        }
    }

    /// Publishes what changed in one book.
    #[inline]
    pub(super) fn publish(&mut self, id: InstrumentId, ts_recv: Nanos) {
        self.stage(id);
        self.publish_staged(ts_recv);
    }

    /// Sets a book's new touch for all to see, unless it is inside an open batch or not
    /// running. A message is published only after all of its books are staged: no rule may
    /// see one outcome of a market as it is and the other as it was.
    #[inline]
    pub(super) fn stage(&mut self, id: InstrumentId) {
        let book = &mut self.books[id as usize];
        if book.unpublished && book.doubt.is_none() && matches!(book.state, State::Live | State::Suspect)
        {
            book.touch = book.current_touch();
            self.staged.push(id);
        }
    }

    #[inline]
    pub(super) fn publish_staged(&mut self, ts_recv: Nanos) {
        if self.config.hash_check == HashCheck::Sampled {
            for i in 0..self.staged.len() {
                self.check_before_signal(self.staged[i], ts_recv);
            }
        }
        for i in 0..self.staged.len() {
            let id = self.staged[i];
            let book = &mut self.books[id as usize];
            if book.doubt.is_some() {
                book.touch = book.told;
                continue;
            }
            book.unpublished = false;
            book.news |= book.touch != book.told;
            book.told = book.touch;
            let flag = if book.news { FLAG_TOUCH } else { 0 };
            let mut update = self.update(id, UpdateKind::Book, ts_recv);
            update.flags |= flag;
            self.output.push_update(&update);
        }
        for i in 0..self.staged.len() {
            let id = self.staged[i];
            let book = &mut self.books[id as usize];
            if book.doubt.is_some() {
                continue;
            }
            let moved = std::mem::take(&mut book.news);
            if moved || self.signals.attentive(id) {
                self.ask_rules(id, moved, ts_recv);
            }
        }
        self.staged.clear();
    }

    /// With sampled checks: the books on which a signal would open are checked first, any
    /// other within the interval.
    #[inline]
    fn check_before_signal(&mut self, id: InstrumentId, ts_recv: Nanos) {
        self.signals.to_vouch(id, &view!(self), &mut self.to_vouch);
        while let Some(leg) = self.to_vouch.pop() {
            self.check_now(leg, ts_recv);
        }
        let book = &self.books[id as usize];
        if book.hash.claimed.is_none() || book.hash.profile.is_none() {
            return;
        }
        if book.doubt.is_none() && !book.verified() {
            self.queue_check(id, ts_recv);
        }
    }

    /// Asks the rules that watch a book; `moved` if its touch did.
    #[inline]
    pub(super) fn ask_rules(&mut self, id: InstrumentId, moved: bool, ts_recv: Nanos) {
        self.signals.evaluate(id, moved, &view!(self), ts_recv, &mut self.steps);
        self.flush_steps(ts_recv);
    }

    /// Writes the records of signals that opened, changed or closed.
    pub(super) fn flush_steps(&mut self, ts_recv: Nanos) {
        if self.steps.list.is_empty() {
            return;
        }
        let view = view!(self);
        for step in &self.steps.list {
            let legs = self.steps.legs_of(step).iter().map(|leg| {
                let id = leg.leg.instrument;
                let age = apart(ts_recv, view.ts_evidence(id)).unwrap_or(ABSENT);
                let (epoch, state) =
                    view.at(id).map_or((0, State::Idle), |(book, _)| (book.epoch, book.shown_state()));
                (leg, LegStanding { epoch, age, state })
            });
            self.output.push_signal(step, legs, ts_recv);
        }
        if let Some(paper) = &mut self.paper {
            paper.send(&self.steps, ts_recv);
        }
        self.steps.clear();
    }

    // Doubt.

    /// Puts a book on the list of those whose time may run out.
    pub(super) fn watch(&mut self, id: InstrumentId) {
        let book = &self.books[id as usize];
        let due = match book.doubt {
            Some(doubt) => doubt.deadline,
            None => book.ts_state.saturating_add(self.config.suspect_grace),
        };
        self.watch_until(id, due);
    }

    pub(super) fn watch_until(&mut self, id: InstrumentId, due: Nanos) {
        let book = &mut self.books[id as usize];
        if !std::mem::replace(&mut book.watched, true) {
            self.watchlist.push(id);
        }
        self.next_sweep = self.next_sweep.min(due);
    }

    pub(super) fn doubt(
        &mut self,
        id: InstrumentId,
        cause: Cause,
        against: Evidence,
        ts_event: Nanos,
        ts_recv: Nanos,
    ) {
        let deadline = ts_recv.saturating_add(self.config.batch_grace);
        self.books[id as usize].doubt =
            Some(Doubt { cause, ts_event, deadline, patient: false, against });
        self.watch(id);
    }

    /// The two outcomes of a market do not mirror each other. Messages that agree with
    /// themselves do not prolong the grace: it runs from when the mirror broke.
    pub(super) fn doubt_mirror(&mut self, id: InstrumentId, ts_event: Nanos, ts_recv: Nanos) {
        let book = &mut self.books[id as usize];
        if book.torn_since == ABSENT {
            book.torn_since = ts_recv;
        }
        let deadline = book.torn_since.saturating_add(self.config.batch_grace);
        let (cause, against) = (Cause::MirrorMismatch, Evidence::MirrorMismatch);
        book.doubt = Some(Doubt { cause, ts_event, deadline, patient: true, against });
        if ts_recv >= deadline {
            self.convict(id, ts_recv);
        } else {
            self.watch(id);
        }
    }

    /// The batch is over, or its grace is, and the disagreement stands.
    pub(super) fn convict(&mut self, id: InstrumentId, ts: Nanos) {
        let Some(cause) = self.books[id as usize].convict() else { return };
        if self.books[id as usize].state == State::Live {
            self.transition(id, State::Suspect, cause, ts);
        }
    }

    // Time.

    /// Verdicts that are due at `ts`.
    #[inline]
    pub(super) fn run_due(&mut self, ts: Nanos) {
        if self.paper.as_ref().is_some_and(|paper| paper.due(ts)) {
            self.settle_paper(ts);
        }
        if self.signals.due(ts) {
            self.signals.evaluate_waiting(&view!(self), ts, &mut self.steps);
            self.flush_steps(ts);
        }
        if ts >= self.next_sweep {
            self.sweep(ts);
        }
        if self.checks.front().is_some_and(|&(due, _)| due <= ts) {
            self.run_checks(ts, CHECKS_PER_FRAME);
        }
    }

    /// Orders on paper arrive, at the books as the last frame left them.
    #[cold]
    fn settle_paper(&mut self, ts: Nanos) {
        if let Some(paper) = &mut self.paper {
            paper.settle(&view!(self), ts);
        }
    }

    /// A connection was opened or spoke: silence is counted from there.
    pub(super) fn expect_data(&mut self, ts: Nanos) {
        if self.config.silence > 0 {
            self.next_sweep = self.next_sweep.min(ts.saturating_add(self.config.silence));
        }
    }

    #[cold]
    fn sweep(&mut self, ts: Nanos) {
        self.next_sweep = Nanos::MAX;
        for id in std::mem::take(&mut self.watchlist) {
            self.books[id as usize].watched = false;
            self.sweep_book(id, ts);
        }
        for conn in 0..self.connections.len() {
            if let Ok(conn) = u32::try_from(conn) {
                self.sweep_connection(conn, ts);
            }
        }
    }

    fn sweep_book(&mut self, id: InstrumentId, ts: Nanos) {
        if self.books[id as usize].doubt.is_some_and(|d| ts >= d.deadline) {
            self.convict(id, ts);
            self.publish(id, ts);
        }
        if self.books[id as usize].state == State::Suspect && self.given_up(id, ts) {
            let cause = self.books[id as usize].cause;
            self.transition(id, State::Stale, cause, ts);
            return;
        }
        self.sweep_witness(id, ts);
        let book = &self.books[id as usize];
        if let Some(doubt) = book.doubt {
            self.watch_until(id, doubt.deadline);
        } else if book.state == State::Suspect {
            // Looked at a few times a grace, however long it may have to wait.
            self.watch_until(id, ts.saturating_add(self.config.suspect_grace / 4).max(ts + 1));
        }
    }

    /// Whether a suspect book's time is over. A hash alone is soft evidence: a single
    /// mismatch waits longer for corroboration, and a venue whose hashes keep disagreeing
    /// with fresh snapshots is not asked for more of them.
    fn given_up(&mut self, id: InstrumentId, ts: Nanos) -> bool {
        let book = &mut self.books[id as usize];
        let waited = ts.saturating_sub(book.ts_state);
        if book.cause != Cause::HashMismatch {
            return book.cause != Cause::UntrustedHash && waited >= self.config.suspect_grace;
        }
        if book.hash.strikes >= STRIKES_MAX {
            self.transition(id, State::Suspect, Cause::UntrustedHash, ts);
            return false;
        }
        let graces = if book.hash.mismatches > 1 { 1 } else { LONE_MISMATCH_GRACES };
        waited >= self.config.suspect_grace.saturating_mul(graces)
    }

    fn sweep_connection(&mut self, conn: u32, ts: Nanos) {
        let Some(Some(connection)) = self.connections.get(conn as usize) else { return };
        if !connection.up || self.config.silence == 0 {
            return;
        }
        // Where messages are numbered, only the stream that carries a book speaks for it. A book
        // fetched by REST while its stream is silent was vouched for at that moment.
        let numbered = connection.venue.row().continuity == Continuity::Stream;
        let spoke = if numbered { ABSENT } else { connection.ts_data };
        let due = |id: InstrumentId| spoke.max(self.ts_evidence(id)).saturating_add(self.config.silence);
        let mut next = connection.ts_data.saturating_add(self.config.silence);
        let mut silenced = Vec::new();
        if numbered || ts >= next {
            next = ts.saturating_add(self.config.silence);
            for &id in &connection.instruments {
                let book = &self.books[id as usize];
                if !matches!(book.state, State::Live | State::Suspect) {
                    continue;
                }
                if ts >= due(id) {
                    silenced.push(id);
                } else {
                    next = next.min(due(id));
                }
            }
        }
        self.next_sweep = self.next_sweep.min(next);
        for id in silenced {
            self.transition(id, State::Stale, Cause::Silence, ts);
        }
    }

    /// A book is being fetched anew; what the stream says of it meanwhile is kept.
    ///
    /// # Errors
    /// [`super::EngineError::NoInstrument`].
    pub fn resync_begin(&mut self, id: InstrumentId, ts: Nanos) -> Result<(), super::EngineError> {
        let Some(book) = self.books.get(id as usize) else {
            return Err(super::EngineError::NoInstrument(id));
        };
        // Only a stream can keep a fetched book true.
        let conn = self.instruments.at(id).map(|i| i.conn as usize);
        let up = conn.and_then(|c| self.connections.get(c)?.as_ref()).is_some_and(|c| c.up);
        if !up || book.over() || matches!(book.state, State::Live | State::Idle) {
            return Ok(());
        }
        let ts_begin = book.ts_seen;
        self.transition(id, State::Syncing, Cause::Resync, ts);
        if self.instruments.at(id).is_some_and(|i| i.venue.row().continuity == Continuity::Stream) {
            // The whole book comes in the stream itself, at its place.
            return Ok(());
        }
        self.books[id as usize].awaited = Some(crate::book::Awaited { ts_begin, deltas: Vec::new() });
        Ok(())
    }
}
