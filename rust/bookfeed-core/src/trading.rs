//! Whether a venue as a whole can be traded on: its calendar, what it says itself, and what it
//! announces. Where these disagree, its own word counts, as long as it is new.

use crate::time::{Nanos, SECOND};
use std::ops::Range;
use std::sync::Arc;

/// How long the venue's word that it trades counts against its calendar.
const WORD_HOLDS: Nanos = 60 * SECOND;

/// What calendars are told in.
const MINUTE: Nanos = 60 * SECOND;

/// When a venue will not trade, as announced: from and to.
pub type Closures = Arc<[Range<Nanos>]>;

/// What is known of a venue as a whole.
#[derive(Clone, Debug, Default)]
pub struct ExchangeKnown {
    /// What it said last.
    pub report: Option<ExchangeReport>,
    /// When it will not trade.
    pub closures: Closures,
}

/// Whether a market's venue as a whole trades.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Whether it pauses at a time, by its own calendar; `None` where it never does.
    pub calendar: Option<fn(Nanos) -> bool>,
    /// What it said last, and when that was received.
    pub word: Option<(bool, Nanos)>,
    /// When it will not trade, as announced.
    pub closures: Closures,
}

impl Exchange {
    /// Whether nothing can be traded at `now`.
    #[inline]
    #[must_use]
    pub fn pauses(&self, now: Nanos) -> bool {
        match self.word {
            Some((false, _)) => true,
            Some((true, ts)) if now.saturating_sub(ts) < WORD_HOLDS => false,
            Some(_) | None => self.planned(now),
        }
    }

    /// A time until which it pauses, or does not, as at `now`, unless there is news. Calendars
    /// change on whole minutes.
    #[must_use]
    pub(crate) fn pauses_until(&self, now: Nanos) -> Nanos {
        let word = self.word.map(|(_, ts)| ts.saturating_add(WORD_HOLDS));
        let minute = self.calendar.map(|_| (now / MINUTE).saturating_add(1).saturating_mul(MINUTE));
        let closures = self.closures.iter().flat_map(|closure| [closure.start, closure.end]);
        closures.chain(word).chain(minute).filter(|&ts| ts > now).min().unwrap_or(Nanos::MAX)
    }

    fn planned(&self, now: Nanos) -> bool {
        self.calendar.is_some_and(|pauses| pauses(now))
            || !self.closures.is_empty() && self.closures.iter().any(|closure| closure.contains(&now))
    }
}

/// What a venue said of itself: whether it trades, and which of its parts do.
#[derive(Clone, Debug, Default)]
pub struct ExchangeReport {
    /// Whether it trades at all.
    pub trading: bool,
    /// Its parts by number, and whether each trades.
    pub shards: Vec<(u32, bool)>,
    /// When that was received.
    pub ts: Nanos,
}

impl ExchangeReport {
    /// Whether a part trades. Where it is not known which part it is, all of them must.
    #[must_use]
    pub fn trades(&self, shard: Option<u32>) -> bool {
        let of = |&&(number, _): &&(u32, bool)| shard.is_none_or(|shard| shard == number);
        self.trading && self.shards.iter().filter(of).all(|&(_, trading)| trading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_venue_counts_against_its_calendar_while_it_is_new() {
        let thursday: fn(Nanos) -> bool = |ts| (1_000 * SECOND..2_000 * SECOND).contains(&ts);
        let mut exchange = Exchange { calendar: Some(thursday), ..Exchange::default() };
        let at = |exchange: &Exchange, seconds: i64| exchange.pauses(seconds * SECOND);
        assert_eq!([999, 1_000, 1_999, 2_000].map(|s| at(&exchange, s)), [false, true, true, false]);
        exchange.word = Some((true, 1_500 * SECOND));
        assert_eq!([1_500, 1_559, 1_560].map(|s| at(&exchange, s)), [false, false, true]);
        exchange.word = Some((false, 500 * SECOND));
        assert!(at(&exchange, 100_000), "until it says otherwise");
    }

    #[test]
    fn a_closure_that_was_announced_is_a_pause() {
        let exchange = Exchange { closures: std::iter::once(10..20).collect(), ..Exchange::default() };
        assert_eq!([9, 10, 19, 20].map(|now| exchange.pauses(now)), [false, true, true, false]);
    }

    #[test]
    fn a_market_whose_part_is_not_known_needs_all_of_them() {
        let shards = vec![(0, true), (2, false)];
        let report = ExchangeReport { trading: true, shards, ts: 0 };
        assert_eq!(
            [Some(0), Some(2), Some(7), None].map(|s| report.trades(s)),
            [true, false, true, false]
        );
        let none = ExchangeReport { trading: false, ..ExchangeReport::default() };
        assert!(!none.trades(Some(0)));
    }
}
