//! The best levels of a book as another channel of the venue has them: what a comparison with them
//! comes to (`crate::book::beside`) where changes bear times and no numbers; and where they have
//! numbers, but that channel has others, so that times place both, and nothing but that channel says
//! whether a book began whole.

use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::beside::Compared;
use crate::book::integrity::{Cause, Evidence, State};
use crate::event::{Frame, Snapshot, TouchClaim};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::time::Nanos;

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
    let compared = book.compare_beside(sides, (stamp, stands_at), origin.ts_recv, grace);
    let kinds = (Evidence::SnapshotMatch, Evidence::SnapshotMismatch, Cause::Withheld);
    conclude(world, judge, id, compared, kinds, origin.ts_recv);
}

/// The touch as a channel has it whose numbers are not those of the book's changes: held against the
/// book by time.
pub(super) fn hear_touch_beside(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    touch: &TouchClaim,
) {
    let (id, grace) = (touch.instrument, world.config.witness_grace);
    if id == UNKNOWN || origin.ts_event == ABSENT || world.elsewhere(id, origin.conn) {
        world.counters.unknown_instruments += u64::from(id == UNKNOWN);
        return;
    }
    let book = world.book(id);
    if !book.running() {
        return;
    }
    let compared = book.hear_touch_beside(touch, origin.ts_event, origin.ts_recv, grace);
    conclude(world, judge, id, compared, TOUCHES, origin.ts_recv);
}

/// The changes have come to where the book stands now: has it the touch that was told last?
pub(super) fn meet_touch_beside(world: &mut World, judge: &mut Judge, id: InstrumentId, ts: Nanos) {
    let compared = world.book(id).meet_touch_beside(ts);
    conclude(world, judge, id, compared, TOUCHES, ts);
}

/// What is counted of touches that were told by themselves, and why a book is lost to them.
const TOUCHES: (Evidence, Evidence, Cause) =
    (Evidence::TouchMatch, Evidence::TouchMismatch, Cause::BboMismatch);

/// What a comparison means for the book: for, against, and why it is lost.
fn conclude(
    world: &mut World,
    judge: &mut Judge,
    id: InstrumentId,
    compared: Compared,
    (matched, mismatched, cause): (Evidence, Evidence, Cause),
    ts_recv: Nanos,
) {
    let book = world.book(id);
    match compared {
        Compared::History | Compared::Open => {}
        Compared::Same => {
            book.evidence.count(matched);
            book.ts_evidence = ts_recv;
            if matched == Evidence::TouchMatch {
                book.touch_version = book.version;
            }
        }
        Compared::Settled => {
            book.evidence.count(Evidence::BatchSettled);
            book.ts_evidence = ts_recv;
        }
        Compared::Missing => {
            book.evidence.count(mismatched);
            judge.turn(world, id, State::Stale, cause, ts_recv);
        }
    }
}
