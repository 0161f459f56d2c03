//! What is done by time before anything else: books that hold only for as long as their owner said,
//! or as a polled one may be old, end, and effective times of indices pass. No call sees such a book
//! when its time is over, and no index what was received after its time.

use super::judge::Judge;
use super::world::World;
use crate::book::integrity::{Cause, State};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::time::Nanos;

impl Judge {
    /// Notes when a whole book that has just come holds no longer, if that was said.
    #[inline]
    pub(super) fn await_expiry(&mut self, world: &mut World, id: InstrumentId) {
        let expires = world.book(id).rare.expires;
        if expires != ABSENT {
            self.next_expiry = self.next_expiry.min(expires);
            if !self.expiring.contains(&id) {
                self.expiring.push(id);
            }
        }
    }

    /// Every book whose time is over by `ts` is stale, and every index is computed up to then, before
    /// anything else is done at that time.
    #[inline]
    pub(super) fn expire_due(&mut self, world: &mut World, ts: Nanos) {
        if ts >= self.next_expiry {
            self.expire(world, ts);
        }
    }

    #[cold]
    fn expire(&mut self, world: &mut World, ts: Nanos) {
        while world.estimates.next() <= ts {
            self.end_books(world, world.estimates.next(), ts);
            self.pass_indices(world, ts);
        }
        let next = self.end_books(world, ts, ts);
        self.next_expiry = next.min(world.estimates.next());
    }

    /// Ends the books whose time is over by `due`, at `ts`; when that of the next one is.
    fn end_books(&mut self, world: &mut World, due: Nanos, ts: Nanos) -> Nanos {
        let (mut at, mut next) = (0, Nanos::MAX);
        while let Some(&id) = self.expiring.get(at) {
            let expires = world.book(id).rare.expires;
            if due < expires {
                next = next.min(expires);
                at += 1;
                continue;
            }
            self.expiring.remove(at);
            world.book(id).rare.expires = ABSENT;
            // One whose time was taken back meanwhile is another: a stream keeps it by now.
            let book = world.book(id);
            if expires != ABSENT && (book.running() || book.polled()) {
                self.turn(world, id, State::Stale, Cause::Expired, ts);
            }
        }
        next
    }
}
