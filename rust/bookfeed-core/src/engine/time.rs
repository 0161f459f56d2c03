//! Verdicts that time brings: graces that end, silence, fetches that begin.

use super::judge::Judge;
use super::lines;
use super::order::awaits_stream;
use super::world::World;
use crate::book::Awaited;
use crate::book::integrity::{Cause, State};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::time::Nanos;
use crate::venue::Continuity;

/// Hash checks made per frame, so that no frame waits long for them.
const CHECKS_PER_FRAME: usize = 4;
/// A lone hash mismatch is given up only after this many graces.
const LONE_MISMATCH_GRACES: i64 = 10;

impl Judge {
    /// Verdicts that are due at `ts`.
    #[inline]
    pub(super) fn run_due(&mut self, world: &mut World, ts: Nanos) {
        let publisher = &mut self.publisher;
        publisher.rules.run_due(world, &mut publisher.output, ts);
        if ts >= self.next_sweep {
            self.publisher.rules.unsettled = true;
            self.sweep(world, ts);
        }
        if self.checks.front().is_some_and(|&(due, _)| due <= ts) {
            self.run_checks(world, ts, CHECKS_PER_FRAME);
        }
    }

    /// Everything that is due at `ts`, however much it is, and what is open asked about again.
    pub(super) fn advance(&mut self, world: &mut World, ts: Nanos) {
        self.next_sweep = self.next_sweep.min(ts);
        self.expire_due(world, ts);
        self.run_due(world, ts);
        self.publisher.rules.unsettled = true;
        self.run_checks(world, ts, usize::MAX);
        self.look_around(world, ts);
        let publisher = &mut self.publisher;
        publisher.rules.ask_open(world, &mut publisher.output, ts);
    }

    /// Puts a book on the list of those whose time may run out.
    pub(super) fn watch(&mut self, world: &mut World, id: InstrumentId) {
        let grace = world.config.suspect_grace;
        let book = world.book(id);
        let due = book.doubt.map_or(book.rare.ts_state.saturating_add(grace), |d| d.deadline);
        self.watch_until(world, id, due);
    }

    pub(super) fn watch_until(&mut self, world: &mut World, id: InstrumentId, due: Nanos) {
        self.publisher.rules.unsettled = true;
        if !std::mem::replace(&mut world.book(id).watched, true) {
            self.watchlist.push(id);
        }
        self.next_sweep = self.next_sweep.min(due);
    }

    /// A connection was opened or spoke: silence is counted from there.
    pub(super) fn expect_data(&mut self, world: &World, ts: Nanos) {
        if world.config.silence > 0 {
            self.next_sweep = self.next_sweep.min(ts.saturating_add(world.config.silence));
        }
    }

    #[cold]
    fn sweep(&mut self, world: &mut World, ts: Nanos) {
        self.next_sweep = Nanos::MAX;
        for id in std::mem::take(&mut self.watchlist) {
            world.book(id).watched = false;
            self.sweep_book(world, id, ts);
        }
        lines::sweep(world, self, ts);
        let weigh_hashes = std::mem::take(&mut self.hashes_due);
        for conn in 0..world.connections.len() {
            if let Ok(conn) = u32::try_from(conn) {
                self.sweep_late(world, conn, ts);
                self.sweep_connection(world, conn, ts);
                if weigh_hashes {
                    self.weigh_hashes(world, conn, ts);
                }
            }
        }
    }

    fn sweep_book(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let grace = world.config.suspect_grace;
        self.sweep_news(world, id, ts);
        if world.book(id).doubt.is_some_and(|d| ts >= d.deadline) {
            self.convict(world, id, ts);
            self.publish_one(world, id, ts);
        }
        if world.book(id).state == State::Suspect && given_up(world, id, ts) {
            let cause = world.book(id).cause;
            self.turn(world, id, State::Stale, cause, ts);
            return;
        }
        self.sweep_accusation(world, id, ts);
        self.sweep_witness(world, id, ts);
        self.sweep_relayed(world, id, ts);
        let book = world.book(id);
        if let Some(doubt) = book.doubt {
            self.watch_until(world, id, doubt.deadline);
        } else if book.state == State::Suspect {
            // Looked at a few times a grace, however long it may have to wait.
            self.watch_until(world, id, ts.saturating_add(grace / 4).max(ts + 1));
        }
    }

    fn sweep_connection(&mut self, world: &mut World, conn: u32, ts: Nanos) {
        let silence = world.config.silence;
        let Some(connection) = world.connection(conn).filter(|c| c.up && silence > 0) else { return };
        if connection.venue.row().continuity == Continuity::Expiry {
            // Its books say themselves how long they hold.
            return;
        }
        // A book fetched by REST while its stream is silent was vouched for at that moment.
        let spoke = connection.spoke();
        let view = world.view();
        let due = |id: InstrumentId| spoke.max(view.ts_evidence(id)).saturating_add(silence);
        let mut next = connection.ts_data.saturating_add(silence);
        let mut silenced = Vec::new();
        if spoke == ABSENT || ts >= next {
            next = ts.saturating_add(silence);
            for &id in &connection.instruments {
                if !world.books[id as usize].running() {
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
        silenced.retain(|&id| !lines::lose(world, conn, id));
        for id in silenced {
            self.turn(world, id, State::Stale, Cause::Silence, ts);
        }
    }

    /// A book is being fetched anew; what the stream says of it meanwhile is kept.
    pub(super) fn resync_begin(&mut self, world: &mut World, id: InstrumentId, asked: bool, ts: Nanos) {
        let Some(about) = world.instruments.at(id) else { return };
        // Only a stream can keep a fetched book true.
        let up = world.connection(about.conn).is_some_and(|c| c.up);
        let continuity = about.venue.row().continuity;
        let book = world.book(id);
        // A book that came back meanwhile is not to be lost to a request that was meant to help.
        let unneeded = book.state == State::Live && !asked;
        if !up || book.over() || unneeded || book.state == State::Idle {
            return;
        }
        let ts_begin = book.ts_seen;
        self.turn(world, id, State::Syncing, Cause::Resync, ts);
        if continuity == Continuity::Evidence {
            // Elsewhere numbers say what is to be kept, or the whole book comes in the stream.
            let awaited = Awaited { ts_begin, deltas: Vec::new() };
            world.book(id).rare.awaited = Some(awaited);
        }
    }
}

/// Whether a suspect book's time is over. A hash alone is soft evidence: a single mismatch waits
/// longer for corroboration.
fn given_up(world: &World, id: InstrumentId, ts: Nanos) -> bool {
    let book = &world.books[id as usize];
    let lone = book.cause == Cause::HashMismatch && book.rare.hashes.lone();
    let graces = if lone { LONE_MISMATCH_GRACES } else { 1 };
    let waited = ts.saturating_sub(book.rare.ts_state);
    // Nothing is missing from a book that is only late, or that its stream is too late to judge.
    let awaits = book.cause == Cause::OutOfOrder && awaits_stream(world, id).is_some();
    book.cause != Cause::Late && !awaits && waited >= world.config.suspect_grace.saturating_mul(graces)
}
