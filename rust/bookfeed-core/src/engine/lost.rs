//! What is lost with a message: the books of a stream, or one of them, when a number is missing
//! or a message cannot be placed.

use super::judge::Judge;
use super::lines;
use super::world::{Origin, World};
use crate::book::integrity::{Cause, Evidence, State};
use crate::instrument::InstrumentId;
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::span::Value;

/// The books that rest on a stream now.
pub(super) fn books_on(world: &World, conn: u32, stream: StreamId) -> Vec<InstrumentId> {
    let Some(connection) = world.connection(conn) else { return Vec::new() };
    let on_it = |&&id: &&InstrumentId| world.books[id as usize].stream == stream;
    connection.instruments.iter().filter(on_it).copied().collect()
}

/// The books that something is lost of with a stream: those that no other line carries on.
pub(super) fn losing(world: &mut World, conn: u32, stream: StreamId) -> Vec<InstrumentId> {
    lines::lose_stream(world, conn, stream);
    books_on(world, conn, stream)
}

/// Every book of a stream is stale.
#[cold]
pub(super) fn lose_stream(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    stream: StreamId,
    cause: Cause,
) {
    for id in losing(world, origin.conn, stream) {
        judge.turn(world, id, State::Stale, cause, origin.ts_recv);
    }
}

/// A whole book in its place differs from the one that the numbers proved complete up to there: the
/// stream keeps changes back, of this book or of any, and its numbers prove nothing.
#[cold]
pub(super) fn convict_stream(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    stream: StreamId,
) {
    world.book(id).evidence.count(Evidence::SnapshotMismatch);
    if let Some(stream) = world.streams.at_mut(stream) {
        stream.withholds = true;
    }
    lose_stream(world, judge, origin, stream, Cause::Withheld);
}

/// A hole in the numbered updates of one book.
#[cold]
pub(super) fn note_hole(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    expected: u64,
    got: u64,
) {
    world.counters.gaps += 1;
    let book = world.book(id);
    book.evidence.count(Evidence::Gap);
    book.rare.gap = Some((expected, got));
    judge.turn(world, id, State::Stale, Cause::Gap, origin.ts_recv);
}

/// The numbered updates of one book run backwards.
#[cold]
pub(super) fn note_set_back(world: &mut World, judge: &mut Judge, origin: &Origin, id: InstrumentId) {
    world.counters.regressions += 1;
    world.book(id).evidence.count(Evidence::OutOfOrder);
    judge.turn(world, id, State::Stale, Cause::OutOfOrder, origin.ts_recv);
}

/// A book message that names no market of ours. With the second name of one of ours the
/// first is damaged; without any, it may be anybody's. A recording that subscribes what it
/// meets may hold other markets, and their changes from before it began.
#[cold]
pub(super) fn unknown_on_stream(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    stream: StreamId,
    market_id: Value,
) {
    world.counters.unknown_instruments += 1;
    let what = "a symbol that was never subscribed";
    let offset = market_id.start as usize;
    if let Some(id) = world.by_market_id(origin.conn, market_id, origin.payload) {
        return judge.refuse(world, origin, id, what, offset);
    }
    if stream != NO_STREAM && (!world.config.auto_subscribe || market_id.is_absent()) {
        world.note_error(origin.conn, origin.ts_recv, what, offset);
        lose_stream(world, judge, origin, stream, Cause::Malformed);
    }
}
