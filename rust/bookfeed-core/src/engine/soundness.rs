//! Books whose levels are not what their changes made of them. No input can do that: it would be a
//! defect of this engine, so it is looked for in whatever build runs. Such a book is not believed
//! until it is told anew; the others go on.

use super::applied::Applied;
use super::judge::Judge;
use super::world::World;
use crate::book::integrity::{Cause, State};
use crate::time::Nanos;

impl Judge {
    /// Adds up the levels of books that a message changed, of each after so many changes.
    #[inline]
    pub(super) fn audit(&mut self, world: &mut World, applied: &mut Applied, ts: Nanos) {
        if applied.books().any(|id| world.books[id as usize].audit_due()) {
            self.give_up_unsound(world, applied, ts);
        }
    }

    #[inline(never)]
    fn give_up_unsound(&mut self, world: &mut World, applied: &mut Applied, ts: Nanos) {
        applied.touched.retain(|one| {
            let sound = world.book(one.id).audit();
            if !sound {
                world.counters.unsound += 1;
                self.turn(world, one.id, State::Stale, Cause::Unsound, ts);
                world.book_to_change(one.id).clear();
            }
            sound
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::applied::How;
    use crate::engine::{Config, Engine, Listing};
    use crate::event::{Level, Side};
    use crate::instrument::{InstrumentId, Venue};

    const T0: Nanos = 1_790_000_000_000_000_000;

    fn told_whole(engine: &mut Engine, id: InstrumentId) {
        let Engine { world, judge, .. } = engine;
        let [bid, ask] = [400, 600].map(|price| Level::new(price, 5));
        world.book_to_change(id).load(&[bid], &[ask]).unwrap();
        judge.turn(world, id, State::Live, Cause::Snapshot, T0);
    }

    /// One message that changes both books; those that are left to be judged.
    fn change(engine: &mut Engine, qty: i64) -> Vec<InstrumentId> {
        let Engine { world, judge, .. } = engine;
        let mut applied = Applied::default();
        for id in [0, 1] {
            world.book_to_change(id).set(Side::Bid, Level::new(300, qty));
            applied.touch(id, How::InSequence);
        }
        judge.audit(world, &mut applied, T0);
        applied.books().collect()
    }

    #[test]
    fn a_book_that_does_not_add_up_leaves_live_alone_and_is_told_anew() {
        let mut engine = Engine::new(Config::default());
        for (id, symbol) in [(0, "11"), (1, "22")] {
            engine.subscribe(Venue::ALL[0], symbol, 0, &Listing::default(), T0).unwrap();
            told_whole(&mut engine, id);
        }
        assert_eq!(change(&mut engine, 1), [0, 1]);
        engine.world.books[0].bids.damage();
        let found = (2..100).map(|qty| change(&mut engine, qty)).find(|left| left.len() < 2);
        assert_eq!(found, Some(vec![1]), "it is found, and not judged");
        let (book, other) = (engine.book(0).unwrap(), engine.book(1).unwrap());
        assert_eq!((book.state, book.cause), (State::Stale, Cause::Unsound));
        assert!(book.bids.is_empty() && book.asks.is_empty());
        assert_eq!((other.state, engine.counters().unsound), (State::Live, 1));
        told_whole(&mut engine, 0);
        for qty in 1..100 {
            assert_eq!(change(&mut engine, qty), [0, 1]);
        }
        let book = engine.book(0).unwrap();
        assert_eq!((book.state, book.epoch, engine.counters().unsound), (State::Live, 2, 1));
    }
}
