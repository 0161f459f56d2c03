//! Books that hold only for as long as their owner said, or as a polled one may be old: no other
//! message renews them, and no call sees one when its time is over.

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

    /// Every book whose time is over by `ts` is stale, before anything else is done at that time.
    #[inline]
    pub(super) fn expire_due(&mut self, world: &mut World, ts: Nanos) {
        if ts >= self.next_expiry {
            self.expire(world, ts);
        }
    }

    #[cold]
    fn expire(&mut self, world: &mut World, ts: Nanos) {
        let (mut at, mut next) = (0, Nanos::MAX);
        while let Some(&id) = self.expiring.get(at) {
            let expires = world.book(id).rare.expires;
            if ts < expires {
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
        self.next_expiry = next;
    }
}
