//! Polarity: whether two contracts said to be on one event move together, or are opposites.
//!
//! Sides stated the wrong way round turn every price into a huge and false edge, and their
//! prices add up to one. So a pair is spoken of only once it has been seen to agree often enough.

use super::{LegRef, Subject, View};
use crate::book::Touch;
use crate::fixed::{PRICE_ONE, Price};
use crate::time::{MILLISECOND, Nanos};

/// How much better one explanation must be for a reading to count by one, in doubled prices.
const UNIT: Price = PRICE_ONE / 10;
/// The most that a single reading counts.
const VOTE_MAX: i64 = 4;
/// Bound of a score, so that what was long ago can be outvoted.
const SCORE_MAX: i64 = 32;
/// Readings that count are so far apart: a backlog told all at once walks the prices of one
/// venue past those of the other, and for all its steps says no more than one reading.
const READING_EVERY: Nanos = 100 * MILLISECOND;
/// From this score on a pair has agreed often enough.
const TRUSTED: i64 = 8;

/// The doubled mids of a box's two books at one moment, in the terms of the subject's legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    a: Price,
    b: Price,
}

/// Readings of a pair, summed up: what speaks for its being one event less what speaks against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    sum: i64,
    last: Option<Reading>,
    /// When the next reading may count.
    next: Nanos,
}

impl Score {
    /// Whether a reading may count by now.
    #[inline]
    #[must_use]
    pub(crate) fn due(self, now: Nanos) -> bool {
        now >= self.next
    }

    /// Takes in a reading that is due. One that is the same as the last says nothing new.
    #[inline]
    pub fn take(&mut self, reading: Reading, now: Nanos) {
        if self.last.replace(reading) != Some(reading) {
            self.sum = (self.sum + reading.vote()).clamp(-SCORE_MAX, SCORE_MAX);
            self.next = now.saturating_add(READING_EVERY);
        }
    }

    /// Whether the pair has been seen to agree often enough.
    #[inline]
    #[must_use]
    pub fn trusted(self) -> bool {
        self.sum >= TRUSTED
    }
}

impl Reading {
    /// Reads a bundle of two legs, one of which is the opposite of what the pair claims;
    /// `None` unless both books may be believed and have both sides.
    #[inline]
    #[must_use]
    pub fn of(subject: &Subject, view: &View) -> Option<Self> {
        let [a, b] = &*subject.legs else { return None };
        let doubled_mid = |leg: &LegRef| {
            let book = view.books.get(leg.instrument as usize).filter(|book| book.readable())?;
            let Touch { bid, ask, .. } = book.touch;
            book.touch.both()?;
            Some(if leg.complement { 2 * PRICE_ONE - bid - ask } else { bid + ask })
        };
        Some(Self { a: doubled_mid(a)?, b: doubled_mid(b)? })
    }

    /// By how much agreement explains the prices better than opposition does, in units.
    fn vote(self) -> i64 {
        // The second leg is bought against the first: of one event they add up to one.
        let same = (self.a + self.b - 2 * PRICE_ONE).abs();
        let inverse = (self.a - self.b).abs();
        ((inverse - same) / UNIT).clamp(-VOTE_MAX, VOTE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading from mids in cents, the second of the leg that is bought against the first.
    fn reading(a: i64, b: i64) -> Reading {
        Reading { a: 2 * a * PRICE_ONE / 100, b: 2 * b * PRICE_ONE / 100 }
    }

    #[test]
    fn votes_by_how_clear_it_is() {
        let votes = [(50, 50), (52, 48), (53, 47), (47, 53), (55, 45), (90, 10), (10, 10), (53, 53)];
        let votes = votes.map(|(a, b)| reading(a, b).vote());
        assert_eq!(votes, [0, 0, 1, 1, 2, 4, -4, -1]);
    }

    #[test]
    fn trust_is_earned_by_different_readings() {
        let mut score = Score::default();
        assert!(!score.trusted());
        for _ in 0..100 {
            score.take(reading(90, 10), 0);
        }
        assert!(!score.trusted(), "the same again says nothing new");
        score.take(reading(89, 11), 0);
        assert!(score.trusted());
        score.take(reading(89, 80), 0);
        assert!(!score.trusted(), "and it can be lost");
    }

    #[test]
    fn the_past_is_outvoted_in_the_end() {
        let mut score = Score::default();
        for cents in 0..1_000 {
            score.take(reading(10 + cents % 2, 10), 0);
        }
        for readings in 0..10 {
            assert!(!score.trusted(), "{readings}");
            score.take(reading(10 + readings % 2, 90), 0);
        }
        assert!(score.trusted());
    }

    #[test]
    fn readings_count_a_while_apart() {
        let mut score = Score::default();
        assert!(score.due(7));
        score.take(reading(90, 10), 7);
        assert!(!score.due(6 + READING_EVERY));
        assert!(score.due(7 + READING_EVERY));
        score.take(reading(90, 10), 7 + READING_EVERY);
        assert!(score.due(7 + READING_EVERY), "what said nothing new holds up nothing");
    }
}
