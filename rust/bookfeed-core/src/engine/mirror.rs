//! Two outcomes of one market: their books mirror each other, or one of them is torn.

use super::judge::Judge;
use super::world::World;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::signals::complement::mirrored;
use crate::time::Nanos;

impl Judge {
    /// Compares the touches of a market's two outcomes after both took part in a message.
    #[inline]
    pub(super) fn check_mirror(
        &mut self,
        world: &mut World,
        a: InstrumentId,
        b: InstrumentId,
        ts_event: Nanos,
        ts_recv: Nanos,
    ) {
        if world.instruments.at(a).and_then(|i| i.sibling) != Some(b) {
            return;
        }
        let (first, second) = (&world.books[a as usize], &world.books[b as usize]);
        if !(first.believable() && second.believable()) {
            return;
        }
        if mirrored(first, second) {
            for id in [a, b] {
                let book = world.book(id);
                book.evidence.count(Evidence::MirrorMatch);
                book.torn_since = ABSENT;
            }
        } else {
            self.mirror_broken(world, [a, b], ts_event, ts_recv);
        }
    }

    /// One outcome moved and the other was not heard of. Where the two have always mirrored
    /// each other, the silent one is being told late, or not at all: the venue sends both.
    #[inline]
    pub(super) fn check_sibling(&mut self, world: &mut World, moved: InstrumentId, ts_recv: Nanos) {
        let Some(other) = world.instruments.at(moved).and_then(|i| i.sibling) else { return };
        let (mover, silent) = (&world.books[moved as usize], &world.books[other as usize]);
        if silent.state != State::Live || !mover.believable() {
            return;
        }
        let broken = !mirrored(mover, silent);
        match silent.doubt {
            None => {
                let counts = &silent.evidence;
                let always =
                    counts.of(Evidence::MirrorMatch) > 0 && counts.of(Evidence::MirrorMismatch) == 0;
                if broken && always && silent.ts_event < mover.ts_event {
                    let ts_event = silent.ts_event;
                    self.doubt_mirror(world, other, ts_event, ts_recv);
                }
            }
            Some(doubt) if doubt.cause == Cause::MirrorMismatch && !broken => {
                let silent = world.book(other);
                silent.doubt = None;
                silent.torn_since = ABSENT;
                silent.evidence.count(Evidence::BatchSettled);
                self.publish_one(world, other, ts_recv);
            }
            Some(_) => {}
        }
    }

    /// A broken mirror is a torn book unless the venue's hashes vouch for both.
    #[cold]
    fn mirror_broken(
        &mut self,
        world: &mut World,
        pair: [InstrumentId; 2],
        ts_event: Nanos,
        ts_recv: Nanos,
    ) {
        let vouched = pair.iter().all(|&id| self.vouch(world, id, ts_recv));
        for id in pair {
            if vouched {
                world.book(id).evidence.count(Evidence::MirrorMismatch);
            } else {
                self.doubt_mirror(world, id, ts_event, ts_recv);
            }
        }
    }

    /// The two outcomes of a market do not mirror each other. Messages that agree with
    /// themselves do not prolong the grace: it runs from when the mirror broke.
    fn doubt_mirror(&mut self, world: &mut World, id: InstrumentId, ts_event: Nanos, ts_recv: Nanos) {
        let grace = world.config.batch_grace;
        let book = world.book(id);
        if book.torn_since == ABSENT {
            book.torn_since = ts_recv;
        }
        let deadline = book.torn_since.saturating_add(grace);
        let (cause, against) = (Cause::MirrorMismatch, Evidence::MirrorMismatch);
        book.doubt = Some(Doubt { cause, ts_event, deadline, patient: true, against });
        if ts_recv >= deadline {
            self.convict(world, id, ts_recv);
        } else {
            self.watch(world, id);
        }
    }
}
