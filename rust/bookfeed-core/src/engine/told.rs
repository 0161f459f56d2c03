//! What two lines told of the same books, in order: which of two equal messages is a copy, what only
//! one of them told so far, and what a line tells that is not in step with the other.
//!
//! A message has a print, made of what it says. The n-th message of a print on one line is the n-th
//! of that print on the other.

use super::world::Origin;
use crate::event::{Body, Change, Frame, Level, Message, ProofClaim, Side, Trading};
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::recent::{fingerprint, mix, trade_fingerprint};
use crate::time::{Nanos, SECOND};
use std::collections::VecDeque;
use std::ops::Range;

/// Longest time for which the other line may tell what one told.
const KEPT_NS: Nanos = 30 * SECOND;
/// Most messages that are remembered.
const KEPT_MAX: usize = 4_096;
/// Most messages that a line may be ahead of the one that carries the book.
pub(super) const AHEAD_MAX: usize = 4_096;

/// One message that was taken.
#[derive(Clone, Copy, Debug)]
struct Told {
    print: u64,
    ts_recv: Nanos,
    /// By which of the two lines.
    by: [bool; 2],
}

/// The messages that were taken lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    told: VecDeque<Told>,
    /// Number of the first of them.
    first: u64,
    /// How many only one of the lines told so far, by line.
    only: [usize; 2],
}

impl Log {
    /// How many messages `line` told that the other did not, so far.
    pub(super) fn ahead(&self, line: usize) -> usize {
        self.only[line]
    }

    /// Remembers a message that was taken from `line`. Returns whose messages are forgotten that
    /// the other line never told, by line.
    pub(super) fn push(&mut self, line: usize, print: u64, ts_recv: Nanos) -> [u64; 2] {
        let mut by = [false; 2];
        by[line] = true;
        self.told.push_back(Told { print, ts_recv, by });
        self.only[line] += 1;
        let mut alone = [0; 2];
        while let Some(oldest) = self.told.front() {
            let both = oldest.by[0] && oldest.by[1];
            let over = ts_recv.saturating_sub(oldest.ts_recv) > KEPT_NS;
            if !both && !over && self.told.len() <= KEPT_MAX {
                break;
            }
            if !both {
                let line = usize::from(oldest.by[1]);
                self.only[line] -= 1;
                alone[line] += 1;
            }
            self.told.pop_front();
            self.first += 1;
        }
        alone
    }

    /// The message that `line` tells now, if the other told it before: its number. From now on both
    /// told it.
    pub(super) fn take_copy(&mut self, line: usize, print: u64) -> Option<u64> {
        let other = 1 - line;
        if self.only[other] == 0 {
            return None;
        }
        let at = self.told.iter().position(|told| told.print == print && !told.by[line])?;
        self.told[at].by[line] = true;
        self.only[other] -= 1;
        Some(self.first + at as u64)
    }

    /// Number of the message that was taken last.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.told.len() as u64).saturating_sub(1)
    }
}

/// How far a line is in step with the one that carries the book: what it told in a row that the
/// other told as well, and what it told and the other did not yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// So many messages in a row that both told.
    run: u32,
    /// Number of the last of them.
    at: u64,
    /// What it told since, and when.
    ahead: VecDeque<(u64, Nanos)>,
}

impl Step {
    /// Since when it tells what the other line did not.
    pub(super) fn ahead_since(&self) -> Option<Nanos> {
        self.ahead.front().map(|&(_, since)| since)
    }

    /// Forgets everything: the line lost messages, or begins anew.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// It told the message `at`, which was taken before.
    pub(super) fn follow(&mut self, at: u64) {
        let next = self.run > 0 && at == self.at + 1 && self.ahead.is_empty();
        (self.run, self.at) = (if next { self.run + 1 } else { 1 }, at);
        self.ahead.clear();
    }

    /// It told a message that was not taken. Says whether that is one too many.
    pub(super) fn run_ahead(&mut self, print: u64, ts_recv: Nanos) -> bool {
        self.ahead.push_back((print, ts_recv));
        self.ahead.len() > AHEAD_MAX
    }

    /// The other line told the message `at`, which was taken; whether this one had told it before.
    pub(super) fn met(&mut self, print: u64, at: u64) -> bool {
        let Some(found) = self.ahead.iter().position(|&(told, _)| told == print) else { return false };
        let next = self.run > 0 && at == self.at + 1 && found == 0;
        (self.run, self.at) = (if next { self.run + 1 } else { 1 }, at);
        self.ahead.drain(..=found);
        true
    }

    /// The book has come to this update: what was told up to there is not ahead of it.
    pub(super) fn pass(&mut self, update: u64) {
        while self.ahead.front().is_some_and(|&(told, _)| told <= update) {
            self.ahead.pop_front();
        }
    }

    /// Whether it told `run` messages in a row that the other told as well, and nothing beyond.
    pub(super) fn in_step(&self, run: u32) -> bool {
        self.run >= run && self.ahead.is_empty()
    }
}

// What a message says.

/// The book that a message is about, or the first of them; `None` where it is about none of ours, or
/// about none in particular.
pub(super) fn subject(frame: &Frame, message: &Message) -> Option<InstrumentId> {
    let id = match &message.body {
        Body::Changes(range) => {
            let ids = frame.changes[range.clone()].iter().map(|change| change.instrument);
            return ids.into_iter().find(|&id| id != UNKNOWN);
        }
        Body::Delta(delta) => delta.instrument,
        Body::Levels(levels) => levels.instrument,
        Body::Snapshot(snapshot) => snapshot.instrument,
        Body::Trade(trade) => trade.instrument,
        Body::Touch(touch) => touch.instrument,
        Body::TickSize(id, ..) | Body::Witness(id, ..) | Body::Trading(id, _) => *id,
        Body::Resolved(range, _) => *frame.named.get(range.start)?,
        _ => return None,
    };
    (id != UNKNOWN).then_some(id)
}

/// Whether a message changes no levels and says nothing of them.
pub(super) fn is_aside(body: &Body) -> bool {
    matches!(body, Body::Trade(_) | Body::TickSize(..) | Body::Trading(..) | Body::Resolved(..))
}

/// A number that two messages share only if they say the same.
pub(super) fn print_of(origin: &Origin, frame: &Frame, message: &Message) -> u64 {
    let (ts, payload) = (origin.ts_stated, origin.payload);
    let level = |side: Side, level: &Level| fingerprint(ts, &[], side.number(), level.price, level.qty);
    let sides = |bids: &Range<usize>, asks: &Range<usize>, claim: ProofClaim| {
        let digest = claim.digest().raw(payload);
        let bids = frame.levels[bids.clone()].iter().map(|each| level(Side::Bid, each));
        let asks = frame.levels[asks.clone()].iter().map(|each| level(Side::Ask, each));
        bids.chain(asks).fold(fingerprint(ts, digest, 0, 0, 0), mix)
    };
    let aside = |kind: u64, numbers: [i64; 2]| fingerprint(ts, &[], kind, numbers[0], numbers[1]);
    let (id, print) = match &message.body {
        Body::Changes(range) => {
            let one = |print, change: &Change| {
                let (side, level) = (change.side.number(), change.level);
                let digest = change.digest.raw(payload);
                mix(print, fingerprint(ts, digest, side, level.price, level.qty))
            };
            (0, frame.changes[range.clone()].iter().fold(range.len() as u64, one))
        }
        Body::Delta(delta) => {
            let side = delta.side.number();
            (delta.instrument, fingerprint(ts, &[], side, delta.price, delta.qty))
        }
        Body::Levels(levels) => (levels.instrument, sides(&levels.bids, &levels.asks, levels.claim)),
        Body::Snapshot(whole) => {
            (whole.instrument, mix(1, sides(&whole.bids, &whole.asks, whole.claim)))
        }
        Body::Trade(trade) => {
            let side = trade.aggressor.map_or(0, |aggressor| 1 + aggressor as u64);
            let name = trade.id.raw(payload);
            (trade.instrument, trade_fingerprint(ts, name, side, trade.price, trade.qty))
        }
        Body::TickSize(id, old, new) => (*id, aside(10, [old.value, new.value])),
        Body::Trading(id, trading) => (
            *id,
            match *trading {
                Trading::Paused => aside(11, [0, 0]),
                Trading::Resumed => aside(12, [0, 0]),
                Trading::ClosesAt(ts) => aside(13, [ts, 0]),
                Trading::Determined(pays) => aside(14, [pays, 0]),
            },
        ),
        Body::Resolved(..) => (0, aside(15, [0, 0])),
        _ => (0, 0),
    };
    mix(u64::from(id), print)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_of_a_print_is_the_nth_of_the_other_line() {
        let mut log = Log::default();
        log.push(0, 7, 1);
        log.push(0, 7, 1);
        assert_eq!((log.ahead(0), log.ahead(1)), (2, 0));
        assert_eq!(log.take_copy(1, 7), Some(0));
        assert_eq!(log.take_copy(1, 7), Some(1));
        assert_eq!(log.take_copy(1, 7), None, "a third one is new");
        assert_eq!(log.take_copy(0, 7), None, "its own is no copy");
        assert_eq!(log.ahead(0), 0);
    }

    #[test]
    fn what_one_line_alone_told_is_forgotten_in_time_and_counted() {
        let mut log = Log::default();
        log.push(0, 1, 0);
        log.push(1, 2, 1);
        assert_eq!(log.push(0, 3, KEPT_NS + 2), [1, 1]);
        assert_eq!((log.ahead(0), log.ahead(1), log.last()), (1, 0, 2));
        assert_eq!(log.take_copy(1, 1), None);
        let dropped: u64 = (0..KEPT_MAX as u64).map(|n| log.push(0, n, KEPT_NS + 2)[0]).sum();
        assert_eq!(dropped, 1);
    }

    #[test]
    fn a_line_is_in_step_after_a_row_that_both_told_and_nothing_beyond() {
        let mut step = Step::default();
        assert!(!step.in_step(1));
        step.follow(5);
        assert!(step.in_step(1) && !step.in_step(2));
        step.follow(6);
        assert!(step.in_step(2));
        step.follow(8);
        assert!(!step.in_step(2), "it did not tell the one between");
        step.run_ahead(70, 10);
        step.run_ahead(71, 11);
        assert!(!step.in_step(1));
        assert_eq!(step.ahead_since(), Some(10));
        assert!(!step.met(99, 9));
        assert!(step.met(70, 9) && !step.in_step(1));
        assert!(step.met(71, 10) && step.in_step(3));
        step.forget();
        assert!(!step.in_step(1));
    }
}
