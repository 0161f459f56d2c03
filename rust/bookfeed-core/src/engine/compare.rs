//! Whole books by REST that nothing waited for: witnesses, held against books that are live.
//!
//! What can be concluded depends on what the answer states of itself: its place among numbered
//! updates, its time, or nothing. One that agrees vouches for the book as it stands, and for the
//! silence of its stream; one that is older than the book says nothing.
//!
//! A witness may be wrong itself. Its answers are counted ([`Reputation`]), and one that was wrong
//! often is asked again before it costs a book its state; so is one that says next to nothing of a
//! market that has prices (`Row::ghosts`), twice, and one that states nothing of itself where it may
//! convict. Whatever the stream says meanwhile clears the book.

use super::judge::Judge;
use super::probe;
use super::world::{Origin, World};
use crate::book::Book;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::book::relayed::says_nothing;
use crate::book::side::BookSide;
use crate::event::{Frame, Side, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::reputation::{Answer, Reputation};
use crate::sequence::rhythm::Freshness;
use crate::time::{Nanos, SECOND};
use crate::venue::Continuity;
use std::ops::Range;

/// How many answers in a row cost a book its state: usually, of a doubtful witness, of ghosts, of one
/// that does not say of when they are.
const ANSWERS: u32 = 1;
const ANSWERS_DOUBTFUL: u32 = 2;
const ANSWERS_GHOST: u32 = 3;
const ANSWERS_UNDATED: u32 = 3;

/// A book by REST of a venue that numbers its messages. It has no number and no time, so it
/// can neither replace a book nor convict one; that it is the same still says something.
pub(super) fn compare_rest(world: &mut World, origin: &Origin, frame: &Frame, snapshot: &Snapshot) {
    let id = snapshot.instrument;
    let book = world.books.get(id as usize).filter(|b| b.state == State::Live);
    match book.map(|book| same_levels(book, frame, snapshot)) {
        Some(Some(true)) => agree(world, origin, id),
        Some(_) => {
            world.book(id).evidence.count(Evidence::RestMismatch);
            differ(world, id, Answer::Differed);
        }
        None => world.counters.rest_rejected += 1,
    }
}

/// A book by REST that nothing waited for: a comparison. If the venue's book is not older than ours
/// and differs, the stream has the grace of a batch to come to it.
pub(super) fn compare_fetched(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
) {
    let id = snapshot.instrument;
    let book = world.books.get(id as usize).filter(|book| book.believable());
    let Some(book) = book.filter(|_| origin.ts_event != ABSENT) else {
        world.counters.rest_rejected += 1;
        return;
    };
    if origin.ts_event < book.ts_event {
        return differ(world, id, Answer::Older);
    }
    match same_levels(book, frame, snapshot) {
        None => world.counters.rest_rejected += 1,
        Some(true) => agree(world, origin, id),
        Some(false) => {
            let (of, grace) = (book.ts_event, world.config.batch_grace);
            let answer =
                if is_ghost(world, id, frame, snapshot) { Answer::Ghost } else { Answer::Differed };
            accuse(world, judge, id, answer, of, origin.ts_recv.saturating_add(grace));
        }
    }
}

/// A book by REST of a venue whose stream proves its books, and which states of when it is: it may
/// convict a silence that is odd, of the book alone, and vouch for it. A stream that speaks is on its
/// way. A time in whole seconds stands for all of its second. Where it is that of the newest level, a
/// book may be newer: of a level that is gone nothing is left.
pub(super) fn compare_silent(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
) {
    let id = snapshot.instrument;
    let book = world.books.get(id as usize).filter(|book| book.believable());
    let told = book.filter(|_| origin.ts_event != ABSENT).map(|book| {
        let whole = if origin.ts_event % SECOND == 0 { SECOND } else { 0 };
        let older = origin.ts_event.saturating_add(whole) <= book.ts_event;
        (older, book.ts_event, same_as_known(book, frame, snapshot))
    });
    let odd = world.rhythms.get(id as usize).is_some_and(|r| r.verdict == Freshness::Suspect);
    let newest_level = world.continuity(id) == Some(Continuity::Checksum);
    match told {
        Some((true, _, same)) if !(newest_level && same == Some(true)) => {
            differ(world, id, Answer::Older)
        }
        Some((_, _, Some(true))) => agree(world, origin, id),
        Some((_, of, Some(false))) if odd => {
            let deadline = origin.ts_recv.saturating_add(world.config.witness_grace);
            accuse(world, judge, id, Answer::Differed, of, deadline);
        }
        _ => world.counters.rest_rejected += 1,
    }
}

/// A book by REST that states nothing of itself, beside a stream that alone begins its books. The same
/// levels vouch for a silence. Other ones may be older, or ahead of a stream that is on its way: they
/// convict only a silence that is odd, and only if they are told again and again.
pub(super) fn compare_undated(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
) {
    let id = snapshot.instrument;
    let book = world.books.get(id as usize).filter(|book| book.believable());
    let told = book.map(|book| (book.stands(), same_as_known(book, frame, snapshot)));
    let odd = world.rhythms.get(id as usize).is_some_and(|r| r.verdict == Freshness::Suspect);
    match told {
        Some((_, Some(true))) => agree(world, origin, id),
        Some((of, Some(false))) if odd => {
            let deadline = origin.ts_recv.saturating_add(world.config.witness_grace);
            accuse(world, judge, id, Answer::Differed, of, deadline);
        }
        _ => world.counters.rest_rejected += 1,
    }
}

/// A book by REST, beside a stream of updates with numbers or times: where it stands says whether the
/// stream has told everything. A stream that is on its way has not, so one that stands further speaks
/// only against a book whose silence is odd, and which then has the grace of a witness to go on. While
/// the stream runs, the two are compared as soon as both stand at the same place.
pub(super) fn compare_seed(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    snapshot: &Snapshot,
    stands_at: u64,
) {
    let id = snapshot.instrument;
    let odd = world.rhythms[id as usize].verdict == Freshness::Suspect;
    if !odd && probe::take(world, judge, origin, frame, snapshot, stands_at) {
        return;
    }
    let book = world.book(id);
    let ours = book.rare.stitch.book_id().unwrap_or(u64::MAX);
    let numbered = book.rare.stitch.is_numbered();
    let Some(same) = same_as_known(book, frame, snapshot) else {
        world.counters.rest_rejected += 1;
        return;
    };
    // Where there are no numbers, a later book that is the same is of a time without changes.
    if same && (stands_at == ours || !numbered && stands_at > ours) {
        agree(world, origin, id);
    } else if stands_at < ours {
        differ(world, id, Answer::Older);
    } else if numbered && stands_at == ours {
        contradict(world, judge, origin, id);
    } else if odd {
        let deadline = origin.ts_recv.saturating_add(world.config.witness_grace);
        accuse(world, judge, id, Answer::Differed, i64::try_from(ours).unwrap_or(0), deadline);
    } else {
        world.counters.rest_rejected += 1;
    }
}

/// A witness has the same book.
pub(super) fn agree(world: &mut World, origin: &Origin, id: InstrumentId) {
    let book = world.book(id);
    book.evidence.count(Evidence::RestMatch);
    book.rest_version = book.version;
    book.ts_evidence = origin.ts_recv;
    book.rare.accusation.end();
    world.counters.rest_accepted += 1;
    take_answer(world, id, Answer::Agreed);
    world.vouch_for_silence(id, origin.ts_recv);
}

/// A witness has another book, which costs ours nothing.
pub(super) fn differ(world: &mut World, id: InstrumentId, answer: Answer) {
    if answer != Answer::Older {
        world.book(id).rest_version = u64::MAX;
    }
    world.counters.rest_rejected += 1;
    take_answer(world, id, answer);
}

/// A witness has another book than ours, of the very place in the stream where ours stands: one of
/// them is wrong, and nothing that the stream may say will settle it. Said often enough, ours is lost;
/// whether it is.
pub(super) fn contradict(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
) -> bool {
    let doubtful = reputation(world, id).is_some_and(|witness| witness.doubtful());
    differ(world, id, Answer::Differed);
    let book = world.book(id);
    book.evidence.count(Evidence::RestMismatch);
    book.rare.probes_denied += 1;
    let lost = book.rare.probes_denied >= if doubtful { ANSWERS_DOUBTFUL } else { ANSWERS };
    if lost {
        judge.turn(world, id, State::Stale, Cause::Withheld, origin.ts_recv);
    }
    lost
}

/// A witness has another book than ours, which stands at `of`: said often enough, ours is in doubt
/// until `deadline`.
fn accuse(
    world: &mut World,
    judge: &mut Judge,
    id: InstrumentId,
    answer: Answer,
    of: i64,
    deadline: Nanos,
) {
    let doubtful = reputation(world, id).is_some_and(|witness| witness.doubtful());
    let enough = match answer {
        Answer::Ghost => ANSWERS_GHOST,
        _ if world.begins_whole(id) => ANSWERS_UNDATED,
        _ if doubtful => ANSWERS_DOUBTFUL,
        _ => ANSWERS,
    };
    differ(world, id, answer);
    let book = world.book(id);
    if book.rare.accusation.take(of) < enough {
        return;
    }
    book.rare.accusation.end();
    book.rare.accusation.until = Some(deadline);
    let (cause, against, ts_event) = (Cause::Withheld, Evidence::RestMismatch, book.ts_event);
    judge.doubt(world, id, Doubt { cause, ts_event, deadline, patient: true, against });
}

impl Judge {
    /// The time may be over in which a stream had to come to what a witness said. If it went on, and
    /// the book is live, the witness was wrong, or ahead by a moment.
    pub(super) fn sweep_accusation(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        let Some(until) = book.rare.accusation.until else { return };
        if ts < until {
            return self.watch_until(world, id, until);
        }
        book.rare.accusation.until = None;
        if book.state == State::Live && book.doubt.is_none() {
            take_answer(world, id, Answer::Refuted);
        }
    }
}

fn reputation(world: &mut World, id: InstrumentId) -> Option<&mut Reputation> {
    let conn = world.instruments.at(id)?.conn;
    Some(&mut world.connection_mut(conn)?.rest)
}

fn take_answer(world: &mut World, id: InstrumentId, answer: Answer) {
    if let Some(witness) = reputation(world, id) {
        witness.take(answer);
    }
}

/// Whether a venue that is known for that says next to nothing of a book that has prices.
fn is_ghost(world: &World, id: InstrumentId, frame: &Frame, snapshot: &Snapshot) -> bool {
    let haunted = world.instruments.at(id).is_some_and(|about| about.venue.row().ghosts);
    let price = |side, range| best(side, frame, range).map(|(price, _)| price);
    let (bid, ask) = (price(Side::Bid, &snapshot.bids), price(Side::Ask, &snapshot.asks));
    let book = &world.books[id as usize];
    haunted && says_nothing(bid, ask) && !says_nothing(book.bids.best_price(), book.asks.best_price())
}

/// Whether a whole book has the levels of ours, as far as both are known; `None` if it contradicts
/// itself, or has no level at all: that says nothing.
fn same_as_known(book: &Book, frame: &Frame, snapshot: &Snapshot) -> Option<bool> {
    let load = |side, range: &Range<usize>| {
        let mut theirs = BookSide::new(side);
        theirs.load(&frame.levels[range.clone()]).ok()?;
        Some(theirs)
    };
    let theirs = [load(Side::Bid, &snapshot.bids)?, load(Side::Ask, &snapshot.asks)?];
    let ends = [0, 1].map(|i: usize| theirs[i].worst_price().unwrap_or(ABSENT));
    (ends != [ABSENT; 2]).then(|| book.same_within(&theirs, ends))
}

/// The best level of one side of an answer.
fn best(side: Side, frame: &Frame, range: &Range<usize>) -> Option<(i64, i64)> {
    let mut theirs = BookSide::new(side);
    theirs.load(&frame.levels[range.clone()]).ok()?;
    theirs.best()
}

/// Whether a whole book has the levels of ours; `None` if it contradicts itself.
pub(super) fn same_levels(book: &Book, frame: &Frame, snapshot: &Snapshot) -> Option<bool> {
    let same = |side, ours: &BookSide, range: &Range<usize>| {
        let mut theirs = BookSide::new(side);
        theirs.load(&frame.levels[range.clone()]).ok()?;
        Some(theirs.best_first().eq(ours.best_first()))
    };
    let bids = same(Side::Bid, &book.bids, &snapshot.bids)?;
    Some(same(Side::Ask, &book.asks, &snapshot.asks)? && bids)
}
