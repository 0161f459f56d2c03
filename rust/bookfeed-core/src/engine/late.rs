//! Connections that deliver too late: their books may be in order and are of the past.
//!
//! Such a book is suspect until its connection is prompt again. It is not given up for it, since
//! nothing is missing; and what would have made it live meanwhile is kept until then.

use super::judge::Judge;
use super::lines;
use super::world::World;
use crate::book::integrity::{Cause, State};
use crate::instrument::InstrumentId;
use crate::sequence::clock::Pace;
use crate::time::Nanos;

impl Judge {
    /// A connection delivers too late from here on.
    #[cold]
    pub(super) fn hold_late(&mut self, world: &mut World, conn: u32, ts: Nanos) {
        world.counters.late_spells += 1;
        for id in books_of(world, conn) {
            if world.book(id).state == State::Live && !lines::lean(world, conn, id) {
                world.book(id).hold(Cause::Evidence);
                self.turn(world, id, State::Suspect, Cause::Late, ts);
            }
        }
    }

    /// A connection brought late messages: a burst, unless they go on.
    #[cold]
    pub(super) fn expect_late(&mut self, world: &World, ts: Nanos) {
        self.next_sweep = self.next_sweep.min(ts.saturating_add(world.config.batch_grace));
    }

    /// A connection is prompt again.
    #[cold]
    pub(super) fn release_late(&mut self, world: &mut World, conn: u32, ts: Nanos) {
        for id in books_of(world, conn) {
            let book = world.book(id);
            if book.is_held() {
                let cause = book.rare.held;
                self.turn(world, id, State::Live, cause, ts);
                self.publish_one(world, id, ts);
            }
        }
    }

    /// Whether a book that is about to be live has to wait, since its connection is late.
    pub(super) fn is_late(world: &World, id: InstrumentId) -> bool {
        let about = world.instruments.at(id);
        about.and_then(|about| world.connection(about.conn)).is_some_and(|c| c.clock.late)
    }

    /// Time passes: whether a burst of late messages has lasted too long.
    pub(super) fn sweep_late(&mut self, world: &mut World, conn: u32, ts: Nanos) {
        let patience = world.config.patience();
        let Some(connection) = world.connection_mut(conn) else { return };
        if connection.clock.wait(ts, patience) == Pace::Late {
            self.hold_late(world, conn, ts);
        } else if let Some(due) = connection.clock.late_at(patience) {
            self.next_sweep = self.next_sweep.min(due);
        }
    }
}

/// The books of a connection.
fn books_of(world: &World, conn: u32) -> Vec<InstrumentId> {
    world.connection(conn).map_or_else(Vec::new, |c| c.instruments.clone())
}
