//! The best levels of a book as another channel of the venue has them: what a comparison with them
//! comes to (`crate::book::beside`) where changes bear times and no numbers.

use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::beside::Compared;
use crate::book::integrity::{Cause, Evidence, State};
use crate::event::{Frame, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::UNKNOWN;

/// The best levels of a book as another channel of its connection has them, which says nothing of
/// the levels behind them: held against ours.
pub(super) fn hear_beside(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    stamp: u64,
) {
    let (id, grace) = (snapshot.instrument, world.config.witness_grace);
    if id == UNKNOWN || stamp == 0 || origin.ts_event == ABSENT || world.elsewhere(id, origin.conn) {
        world.counters.unknown_instruments += u64::from(id == UNKNOWN);
        return;
    }
    let sides = [&frame.levels[snapshot.bids.clone()], &frame.levels[snapshot.asks.clone()]];
    let book = world.book(id);
    let Some(stands_at) = book.rare.stitch.book_id().filter(|_| book.running()) else { return };
    match book.compare_beside(sides, (stamp, stands_at), origin.ts_recv, grace) {
        Compared::History | Compared::Open => {}
        Compared::Same => {
            book.evidence.count(Evidence::SnapshotMatch);
            book.ts_evidence = origin.ts_recv;
        }
        Compared::Settled => {
            book.evidence.count(Evidence::BatchSettled);
            book.ts_evidence = origin.ts_recv;
        }
        Compared::Missing => {
            book.evidence.count(Evidence::SnapshotMismatch);
            judge.turn(world, id, State::Stale, Cause::Withheld, origin.ts_recv);
        }
    }
}
