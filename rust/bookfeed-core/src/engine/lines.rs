//! Two lines: two connections that carry the same books, so that what one of them loses, or brings
//! late, the other may bring in time.
//!
//! Each book rests on one of them, which carries it; that is the connection of its instrument. Which
//! messages count is in `super::weigh`, what each line told in `super::told`. A line that loses
//! something is out of step, and if it carried books, the other carries them on, where that is in
//! step. Only where neither is, a book leaves `live`.

use super::judge::Judge;
use super::told::{Log, Step};
use super::world::World;
use super::{Engine, EngineError};
use crate::book::integrity::{Cause, State};
use crate::decode::Mode;
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::time::Nanos;
use crate::venue::Continuity;
use std::collections::BTreeMap;

/// What one line of two has told, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineTally {
    /// Messages that it told first.
    pub first: u64,
    /// Messages that the other had told before.
    pub later: u64,
    /// Messages that the other never told.
    pub only: u64,
    /// Books that it had to leave to the other.
    pub left: u64,
}

/// One of the two lines of a book.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Whether its messages go on where the book stands.
    pub(super) joined: bool,
    /// Whether they once did: what it tells ahead of the other line counts against that one.
    pub(super) proved: bool,
    /// Of which books it brought a whole one.
    pub(super) whole: Vec<InstrumentId>,
    /// How far it is in step while it has not joined.
    pub(super) step: Step,
    /// The numbered stream on which the book comes.
    pub(super) stream: StreamId,
    /// Number of the newest update it told.
    pub(super) last: u64,
}

impl Default for Line {
    fn default() -> Self {
        let (whole, step) = (Vec::new(), Step::default());
        Self { joined: false, proved: false, whole, step, stream: NO_STREAM, last: 0 }
    }
}

/// A whole book that counted: what the other line tells of its time or before, it contains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contained {
    pub(super) id: InstrumentId,
    pub(super) line: usize,
    pub(super) ts: Nanos,
}

/// What is known of the lines of one book, or of the two outcomes of a market.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) lines: [Line; 2],
    /// Changes of levels.
    pub(super) log: Log,
    /// Trades and news.
    pub(super) asides: Log,
    /// Whole books that counted.
    pub(super) contained: Vec<Contained>,
    /// Newest venue time of a change that counted, or [`ABSENT`]: that of a whole book may be when
    /// it was made.
    pub(super) ts_change: Nanos,
    /// Which line told the newest change that was taken.
    pub(super) newest: Option<usize>,
    /// The run of the book that the numbered line was compared with.
    pub(super) epoch: u32,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            lines: [Line::default(), Line::default()],
            log: Log::default(),
            asides: Log::default(),
            contained: Vec::new(),
            ts_change: ABSENT,
            newest: None,
            epoch: 0,
        }
    }
}

/// All books that have two lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) pairs: BTreeMap<InstrumentId, Pair>,
    pub(super) tallies: BTreeMap<u32, LineTally>,
    /// When a line may have been ahead for too long.
    pub(super) due: Option<Nanos>,
}

impl Lines {
    /// An instrument is gone, or is subscribed elsewhere.
    pub(super) fn forget(&mut self, id: InstrumentId) {
        self.pairs.remove(&id);
        for pair in self.pairs.values_mut() {
            pair.lines.iter_mut().for_each(|line| line.whole.retain(|&other| other != id));
        }
    }
}

impl Engine {
    /// Makes `conn` a second line of `beside`: it is subscribed to the same books, which rest on
    /// either from now on.
    ///
    /// # Errors
    /// [`EngineError::Line`] if either has another line or `conn` has books, or where the venue's
    /// messages cannot be told apart; [`EngineError::Connection`].
    pub fn add_line(&mut self, conn: u32, beside: u32, ts: Nanos) -> Result<(), EngineError> {
        let Some((venue, mode)) = self.world.connection(beside).map(|c| (c.venue, c.mode)) else {
            return Err(EngineError::Line(conn, "there is no connection beside which it could be"));
        };
        if !venue.bears_lines() {
            return Err(EngineError::Line(conn, "its venue's messages cannot be told apart"));
        }
        if conn == beside || self.world.twin(beside) != UNKNOWN || self.world.twin(conn) != UNKNOWN {
            return Err(EngineError::Line(conn, "a line is one of two connections, of no others"));
        }
        if self.world.connection(conn).is_some_and(|c| !c.instruments.is_empty()) {
            return Err(EngineError::Line(conn, "it has books of its own"));
        }
        self.announce(conn, venue, Mode::default(), ts)?;
        self.begin(ts);
        for (one, other) in [(conn, beside), (beside, conn)] {
            if let Some(connection) = self.world.connection_mut(one) {
                connection.twin = other;
            }
        }
        if let Some(connection) = self.world.connection_mut(conn) {
            (connection.venue, connection.mode) = (venue, mode);
            // It is open when somebody says so.
            connection.up = connection.open;
        }
        Ok(())
    }

    /// Ends a line: the other connection carries its books where it is in step, all others are
    /// stale. Nothing happens to a connection that is none of two lines.
    pub fn end_line(&mut self, conn: u32, ts: Nanos) {
        let twin = self.world.twin(conn);
        if twin == UNKNOWN {
            return;
        }
        self.begin(ts);
        self.judge.turn_connection(&mut self.world, conn, State::Stale, Cause::Line, ts);
        for id in on_either(&self.world, conn, twin) {
            move_to(&mut self.world, id, twin);
            let key = key_of(&self.world, id);
            self.world.lines.pairs.remove(&key);
        }
        for one in [conn, twin] {
            if let Some(connection) = self.world.connection_mut(one) {
                connection.twin = UNKNOWN;
            }
        }
    }

    /// What each line has told, by connection.
    pub fn line_tallies(&self) -> impl Iterator<Item = (u32, LineTally)> + '_ {
        self.world.lines.tallies.iter().map(|(&conn, &tally)| (conn, tally))
    }

    /// The connection that told the newest change of a book that has two lines.
    #[must_use]
    pub fn told_by(&self, id: InstrumentId) -> Option<u32> {
        let conn = self.world.instruments.at(id)?.conn;
        let twin = self.world.twin(conn);
        let line = self.world.lines.pairs.get(&key_of(&self.world, id))?.newest?;
        Some(if slot(conn, twin) == line { conn } else { twin })
    }

    /// Whether a connection could carry a book that the other line carries.
    #[must_use]
    pub fn line_in_step(&self, conn: u32, id: InstrumentId) -> bool {
        let carries = self.world.instruments.at(id).is_some_and(|about| about.conn == conn);
        carries && self.world.books[id as usize].running() || usable(&self.world, conn, id)
    }
}

// What is lost.

/// Something of a book was lost on a connection. Whether that costs the book nothing: it rests on
/// the other line, or does so from now on.
pub(super) fn lose(world: &mut World, conn: u32, id: InstrumentId) -> bool {
    let twin = world.twin(conn);
    if twin == UNKNOWN {
        return false;
    }
    let (key, about) = (key_of(world, id), world.instruments.at(id));
    let Some((carrier, continuity)) = about.map(|a| (a.conn, a.venue.row().continuity)) else {
        return false;
    };
    if let Some(pair) = world.lines.pairs.get_mut(&key) {
        let line = &mut pair.lines[slot(conn, twin)];
        line.proved |= line.joined || carrier == conn;
        line.whole.retain(|&other| other != id);
        line.joined &= continuity == Continuity::Evidence && !line.whole.is_empty();
        line.step.forget();
    }
    carrier == twin || carrier == conn && lean(world, conn, id)
}

/// Has the other line carry a book, if it can.
pub(super) fn lean(world: &mut World, conn: u32, id: InstrumentId) -> bool {
    let twin = world.twin(conn);
    if twin == UNKNOWN || !usable(world, twin, id) {
        return false;
    }
    world.lines.tallies.entry(conn).or_default().left += 1;
    move_to(world, id, twin);
    true
}

/// Everything of a connection was lost, or is to come anew.
pub(super) fn lose_connection(world: &mut World, conn: u32) {
    let twin = world.twin(conn);
    if twin == UNKNOWN {
        return;
    }
    for id in on_either(world, conn, twin) {
        lose(world, conn, id);
        let key = key_of(world, id);
        if let Some(pair) = world.lines.pairs.get_mut(&key) {
            pair.lines[slot(conn, twin)] = Line::default();
        }
    }
}

/// Something of a numbered stream was lost.
pub(super) fn lose_stream(world: &mut World, conn: u32, stream: StreamId) {
    let twin = world.twin(conn);
    if twin == UNKNOWN {
        return;
    }
    for id in on_either(world, conn, twin) {
        let pair = world.lines.pairs.get(&key_of(world, id));
        let on_it = pair.is_some_and(|pair| pair.lines[slot(conn, twin)].stream == stream);
        if on_it || world.books[id as usize].stream == stream {
            lose(world, conn, id);
        }
    }
}

/// Books whose line is not in step with one that is ahead of it, for longer than a connection may be
/// late: which of them is right, nobody knows.
pub(super) fn sweep(world: &mut World, judge: &mut Judge, ts: Nanos) {
    let max_delay = world.config.max_delay;
    let Some(due) = world.lines.due.take() else { return };
    if ts < due {
        world.lines.due = Some(due);
        judge.next_sweep = judge.next_sweep.min(due);
        return;
    }
    let over_at = |pair: &Pair| {
        let proved = pair.lines.iter().filter(|line| line.proved);
        let ahead = proved.filter_map(|line| line.step.ahead_since()).min()?;
        Some(ahead.saturating_add(max_delay))
    };
    let waiting: Vec<_> =
        world.lines.pairs.iter().filter_map(|(&key, pair)| Some((key, over_at(pair)?))).collect();
    for (key, over_at) in waiting {
        if over_at <= ts {
            lose_step(world, judge, key, ts);
        } else {
            world.lines.due = Some(world.lines.due.map_or(over_at, |known| known.min(over_at)));
            judge.next_sweep = judge.next_sweep.min(over_at);
        }
    }
}

/// Neither line is known to be right.
#[cold]
pub(super) fn lose_step(world: &mut World, judge: &mut Judge, key: InstrumentId, ts: Nanos) {
    if let Some(pair) = world.lines.pairs.get_mut(&key) {
        pair.lines.iter_mut().for_each(|line| line.step.forget());
    }
    let sibling = world.instruments.at(key).and_then(|about| about.sibling);
    for id in [Some(key), sibling].into_iter().flatten() {
        if world.books[id as usize].running() {
            judge.turn(world, id, State::Stale, Cause::Line, ts);
        }
    }
}

// Who carries a book.

/// Whether a line could carry a book on: it is up, in step, and not behind the other by more than a
/// connection may be late.
fn usable(world: &World, conn: u32, id: InstrumentId) -> bool {
    let (twin, max_delay) = (world.twin(conn), world.config.max_delay);
    let (Some(ours), Some(other)) = (world.connection(conn), world.connection(twin)) else {
        return false;
    };
    let prompt = max_delay == 0 || ours.ts_data.saturating_add(max_delay) >= other.ts_data;
    let book = world.books.get(id as usize).filter(|book| book.running());
    let Some(book) = book else { return false };
    let continuity = ours.venue.row().continuity;
    let numbered = continuity == Continuity::UpdateIds && book.rare.stitch.book_id().is_some();
    let Some(pair) = world.lines.pairs.get(&key_of(world, id)) else {
        return numbered && ours.open;
    };
    let line = &pair.lines[slot(conn, twin)];
    // Neither told anything of it since both are up: the number of the next update shows whether
    // one was missed.
    let silent = numbered && ours.open && line.last == 0 && pair.log.ahead(slot(twin, conn)) == 0;
    let there = match continuity {
        Continuity::Stream => {
            let goes_on = world.streams.at(line.stream).is_some_and(|stream| !stream.ended);
            goes_on && pair.epoch == book.epoch
        }
        Continuity::Evidence => line.whole.contains(&id),
        _ => true,
    };
    ours.up && prompt && !ours.clock.late && (line.joined || silent) && there
}

/// A book rests on this connection from now on.
pub(super) fn move_to(world: &mut World, id: InstrumentId, conn: u32) {
    if world.instruments.at(id).is_none_or(|about| about.conn == conn) {
        return;
    }
    world.leave_connection(id);
    if let Some(about) = world.instruments.at_mut(id) {
        about.conn = conn;
    }
    world.join_connection(conn, id);
    let (key, twin) = (key_of(world, id), world.twin(conn));
    let stream = world.lines.pairs.get(&key).map(|pair| pair.lines[slot(conn, twin)].stream);
    let book = world.book(id);
    book.stream = stream.filter(|_| book.running()).unwrap_or(NO_STREAM);
}

pub(super) fn slot(conn: u32, twin: u32) -> usize {
    usize::from(conn > twin)
}

pub(super) fn both_up(world: &World, conn: u32) -> bool {
    [conn, world.twin(conn)].into_iter().all(|one| world.connection(one).is_some_and(|c| c.up))
}

fn on_either(world: &World, conn: u32, twin: u32) -> Vec<InstrumentId> {
    let of = |one| world.connection(one).map_or(&[][..], |c| &c.instruments);
    [of(conn), of(twin)].concat()
}

/// Both outcomes of a market are told in the same messages.
pub(super) fn key_of(world: &World, id: InstrumentId) -> InstrumentId {
    let sibling = world.instruments.at(id).and_then(|about| about.sibling);
    sibling.map_or(id, |sibling| sibling.min(id))
}
