//! Which messages of two lines count, and which are copies, or not in step.
//!
//! A message counts when it comes first, on whichever line. From the line that does not carry the
//! book only what is in step with it counts, and a line is in step as its venue's continuity allows
//! one to know: docs/lines.md has the rules.

use super::compare::same_levels;
use super::judge::Judge;
use super::lines::{Contained, LineTally, Pair, both_up, key_of, lose, lose_step, move_to, slot};
use super::told::{Log, Step, is_aside, print_of, subject};
use super::world::{Heard, Origin, World};
use crate::book::integrity::{Cause, State};
use crate::book::proof::{self, Claim, Proved};
use crate::event::{Body, Frame, Levels, Message, ProofClaim, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::stream::NO_STREAM;
use crate::venue::Continuity;

/// So many messages in a row that both told show where a line of numbered messages stands.
const IN_STEP: u32 = 2;

/// What becomes of a message of a line.
pub(super) enum Weighed {
    /// It counts for its own connection.
    Own,
    /// It counts as if it had come on this connection, which carries the book, and on its stream.
    For(u32, Heard),
    /// It is a copy, or not in step.
    Left,
}

/// Where a message of a line stands against its book.
struct Place<'a> {
    /// The book, or the first of them.
    id: InstrumentId,
    /// Of which pair.
    key: InstrumentId,
    origin: &'a Origin<'a>,
    /// Which line it came on, 0 or 1.
    line: usize,
    /// The connection that carries the book, and whether the message came on it.
    carrier: u32,
    here: bool,
    continuity: Continuity,
}

/// Whether, and for which connection, a message of one of two lines counts.
pub(super) fn weigh(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    message: &Message,
    heard: Heard,
) -> Weighed {
    let Some(id) = subject(frame, message) else { return Weighed::Own };
    let twin = world.twin(origin.conn);
    let Some(about) = world.instruments.at(id) else { return Weighed::Own };
    if about.conn != origin.conn && about.conn != twin {
        return Weighed::Own;
    }
    let (carrier, continuity) = (about.conn, about.venue.row().continuity);
    let (line, here) = (slot(origin.conn, twin), about.conn == origin.conn);
    let at = Place { id, key: key_of(world, id), origin, line, carrier, here, continuity };
    let book = &world.books[id as usize];
    let (running, epoch) = (book.running(), book.epoch);
    let pair = world.lines.pairs.entry(at.key).or_default();
    if heard.stream != NO_STREAM && !is_aside(&message.body) {
        pair.lines[line].stream = heard.stream;
    }
    if continuity == Continuity::Stream && pair.epoch != epoch {
        // Where the lines stood belongs to a run that is over.
        (pair.epoch, pair.log) = (epoch, Log::default());
        pair.lines.iter_mut().for_each(|line| line.joined = false);
        pair.lines.iter_mut().for_each(|line| line.step.forget());
    }
    let counts = match &message.body {
        body if is_aside(body) => weigh_aside(world, &at, frame, message),
        _ if !heard.current => here,
        _ if !running => weigh_first(world, &at, message),
        Body::Snapshot(snapshot) => weigh_whole(world, &at, frame, message, snapshot),
        Body::Touch(_) if message.place.seq != 0 => true,
        Body::Touch(_) | Body::Witness(..) => {
            // What is said of the touch is of the line's own moment.
            let pair = &world.lines.pairs[&at.key];
            pair.log.ahead(1 - line) == 0 && (here || pair.lines[line].joined)
        }
        _ => weigh_change(world, judge, &at, frame, message),
    };
    let carrier = world.instruments.at(id).map_or(carrier, |about| about.conn);
    match counts {
        false => Weighed::Left,
        true if carrier == origin.conn => Weighed::Own,
        true if is_aside(&message.body) => Weighed::For(carrier, heard),
        true => Weighed::For(carrier, Heard::current(world.books[id as usize].stream)),
    }
}

/// Trades and news, of whichever line.
fn weigh_aside(world: &mut World, at: &Place, frame: &Frame, message: &Message) -> bool {
    let print = print_of(at.origin, frame, message);
    let both = both_up(world, at.origin.conn);
    let Some(pair) = world.lines.pairs.get_mut(&at.key) else { return true };
    if pair.asides.take_copy(at.line, print).is_some() {
        return false;
    }
    if both {
        pair.asides.push(at.line, print, at.origin.ts_recv);
    }
    true
}

/// A message about a book that is not there: a whole one makes its line carry the book, and so does
/// any where the other line is down.
fn weigh_first(world: &mut World, at: &Place, message: &Message) -> bool {
    let carrier_up = world.connection(at.carrier).is_some_and(|c| c.up);
    let whole = matches!(message.body, Body::Snapshot(_));
    if !at.here && (whole || !carrier_up) {
        move_to(world, at.id, at.origin.conn);
    }
    if let Some(pair) = world.lines.pairs.get_mut(&at.key) {
        if whole {
            pair.ts_change = ABSENT;
            begin(pair, at);
        }
        let line = &mut pair.lines[at.line];
        line.joined |= whole;
        line.last = message.place.seq;
        pair.newest = Some(at.line);
    }
    at.here || whole || !carrier_up
}

/// A line brought the whole book that counts: what the other one tells of before, it contains.
fn begin(pair: &mut Pair, at: &Place) {
    let line = &mut pair.lines[at.line];
    line.whole.retain(|&id| id != at.id);
    line.whole.push(at.id);
    pair.contained.retain(|contained| contained.id != at.id);
    // Elsewhere numbers say that, and a whole book states when it was made.
    if matches!(at.continuity, Continuity::Evidence | Continuity::Checksum) {
        pair.contained.push(Contained { id: at.id, line: at.line, ts: at.origin.ts_event });
    }
}

/// A whole book beside one that is there.
fn weigh_whole(
    world: &mut World,
    at: &Place,
    frame: &Frame,
    message: &Message,
    snapshot: &Snapshot,
) -> bool {
    let print = print_of(at.origin, frame, message);
    let book = &world.books[at.id as usize];
    let (same, ts_book) = (same_levels(book, frame, snapshot), book.ts_event);
    let Some(pair) = world.lines.pairs.get_mut(&at.key) else { return at.here };
    let first = !pair.lines[at.line].whole.contains(&at.id);
    if first {
        pair.lines[at.line].whole.push(at.id);
    }
    if at.continuity == Continuity::Stream {
        if at.here {
            // One of a moment that the other line has left behind replaces nothing.
            return pair.log.ahead(1 - at.line) == 0;
        }
        // Of a line in step, it may be of a moment that the other has left behind, or not come to.
        let level = pair.log.ahead(0) + pair.log.ahead(1) == 0;
        let line = &mut pair.lines[at.line];
        line.step.forget();
        line.joined = same == Some(true) || line.joined && !level;
        return false;
    }
    pair.lines[at.line].joined = true;
    if pair.log.take_copy(at.line, print).is_some() {
        count(world, at, |tally| &mut tally.later);
        return false;
    }
    let ts = at.origin.ts_event;
    let behind = !at.here || pair.log.ahead(1 - at.line) > 0;
    if behind && (ts == ABSENT || ts <= ts_book) {
        return false;
    }
    if first && !at.here {
        begin(pair, at);
    }
    note(world, at, print);
    true
}

/// A change of a book that is there.
fn weigh_change(
    world: &mut World,
    judge: &mut Judge,
    at: &Place,
    frame: &Frame,
    message: &Message,
) -> bool {
    if at.continuity == Continuity::UpdateIds {
        return weigh_updates(world, judge, at, message);
    }
    let print = print_of(at.origin, frame, message);
    let Some(pair) = world.lines.pairs.get_mut(&at.key) else { return at.here };
    let joined = at.here || pair.lines[at.line].joined;
    if !joined && at.continuity == Continuity::Evidence {
        return false;
    }
    if let Some(number) = pair.log.take_copy(at.line, print) {
        let line = &mut pair.lines[at.line];
        if !joined {
            line.step.follow(number);
            line.joined = at.continuity == Continuity::Checksum || line.step.in_step(IN_STEP);
        }
        count(world, at, |tally| &mut tally.later);
        return false;
    }
    if !joined && at.continuity == Continuity::Stream {
        return run_ahead(world, judge, at, print);
    }
    if is_contained(pair, frame, message, at) {
        return false;
    }
    if let (Continuity::Checksum, Body::Levels(levels)) = (at.continuity, &message.body)
        && !fits(world, judge, at, frame, levels)
    {
        return false;
    }
    note(world, at, print);
    true
}

/// Whether the whole book of the other line contains a change. One of the same time that it does not
/// contain, that line tells as well.
fn is_contained(pair: &Pair, frame: &Frame, message: &Message, at: &Place) -> bool {
    let within = |id: InstrumentId| {
        let holds = |one: &Contained| one.id == id && one.line != at.line;
        id == UNKNOWN || pair.contained.iter().any(|one| holds(one) && at.origin.ts_event <= one.ts)
    };
    match &message.body {
        _ if pair.contained.is_empty() || at.origin.ts_event == ABSENT => false,
        Body::Changes(range) => frame.changes[range.clone()].iter().all(|c| within(c.instrument)),
        _ => within(at.id),
    }
}

/// A numbered message of a line that is out of step, and that the other line did not tell yet.
fn run_ahead(world: &mut World, judge: &mut Judge, at: &Place, print: u64) -> bool {
    let (ts, max_delay) = (at.origin.ts_recv, world.config.max_delay);
    let Some(pair) = world.lines.pairs.get_mut(&at.key) else { return false };
    let line = &mut pair.lines[at.line];
    let (full, proved) = (line.step.run_ahead(print, ts), line.proved);
    if full && proved {
        lose_step(world, judge, at.key, ts);
    } else if full {
        line.step.forget();
    } else if proved && max_delay > 0 {
        let due = ts.saturating_add(max_delay);
        world.lines.due = Some(world.lines.due.map_or(due, |known| known.min(due)));
        judge.next_sweep = judge.next_sweep.min(due);
    }
    false
}

/// Numbered updates of one book: they say themselves whether they go on where it stands.
fn weigh_updates(world: &mut World, judge: &mut Judge, at: &Place, message: &Message) -> bool {
    let (first, last) = (message.place.first, message.place.seq);
    let Some(stands) = world.books[at.id as usize].rare.stitch.book_id() else { return at.here };
    let Some(pair) = world.lines.pairs.get_mut(&at.key) else { return at.here };
    let line = &mut pair.lines[at.line];
    let (set_back, hole) = (last < line.last, first > stands.saturating_add(1));
    line.last = last;
    if set_back || first > last {
        return !lose(world, at.origin.conn, at.id);
    }
    if hole {
        let lost = !lose(world, at.origin.conn, at.id);
        return lost || run_ahead(world, judge, at, last);
    }
    (line.joined, line.step) = (true, Step::default());
    if last <= stands {
        if pair.log.take_copy(at.line, last).is_some() {
            count(world, at, |tally| &mut tally.later);
        }
        return false;
    }
    note(world, at, last);
    true
}

/// Whether the levels of a message make the book what its checksum says. If not, its line has lost
/// something, and does not count while the other is in step.
fn fits(world: &mut World, judge: &mut Judge, at: &Place, frame: &Frame, levels: &Levels) -> bool {
    let ts = at.origin.ts_event;
    let Some(pair) = world.lines.pairs.get(&at.key) else { return at.here };
    if ts != ABSENT && ts < pair.ts_change {
        let joined = at.here || pair.lines[at.line].joined;
        if joined {
            // The other line lost it, deeper than checksums reach.
            judge.turn(world, at.id, State::Stale, Cause::Line, at.origin.ts_recv);
        }
        return false;
    }
    let ProofClaim::Checksum(claimed) = levels.claim else { return at.here };
    let mut after = world.books[at.id as usize].clone();
    after.level_log = None;
    after.set_all(&frame.levels[levels.bids.clone()], &frame.levels[levels.asks.clone()]);
    after.fit_window();
    let proved = proof::check(&mut after, &Claim::Checksum(claimed), &mut judge.text);
    if proved == Proved::Mismatch {
        return !lose(world, at.origin.conn, at.id);
    }
    if let Some(pair) = world.lines.pairs.get_mut(&at.key) {
        pair.lines[at.line].joined = true;
        pair.ts_change = pair.ts_change.max(ts);
    }
    true
}

/// A change counts: it is remembered, and the other line may have told it already.
fn note(world: &mut World, at: &Place, print: u64) {
    let (both, twin) = (both_up(world, at.origin.conn), world.twin(at.origin.conn));
    let Some(pair) = world.lines.pairs.get_mut(&at.key) else { return };
    pair.newest = Some(at.line);
    if !both {
        return;
    }
    let alone = pair.log.push(at.line, print, at.origin.ts_recv);
    let (number, other) = (pair.log.last(), &mut pair.lines[1 - at.line]);
    if at.continuity == Continuity::UpdateIds {
        other.step.pass(print);
    } else if !other.joined && other.step.met(print, number) {
        pair.log.take_copy(1 - at.line, print);
        other.joined = other.step.in_step(IN_STEP);
    }
    count(world, at, |tally| &mut tally.first);
    for (line, alone) in alone.into_iter().enumerate() {
        let conn = if line == at.line { at.origin.conn } else { twin };
        world.lines.tallies.entry(conn).or_default().only += alone;
    }
}

fn count(world: &mut World, at: &Place, what: impl Fn(&mut LineTally) -> &mut u64) {
    *what(world.lines.tallies.entry(at.origin.conn).or_default()) += 1;
}
