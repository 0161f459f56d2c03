//! Which points were told already: backfills come with every subscription, and overlap.

use super::record::{FLAG_CARRIED, FLAG_DOUBLE, FLAG_REVISED, Point};
use crate::time::Nanos;
use std::collections::BTreeMap;

/// Points that are remembered of a symbol of a topic: more than any backfill holds.
const POINTS_MAX: usize = 512;
/// What is remembered of one time: values that were revised come again with the next backfill.
const TOLD_MAX: usize = 8;

/// One thing that was told of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    value: i128,
    double: bool,
    /// What else makes a point another one.
    mark: (u8, u8),
}

/// What is to be done with a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new.
    New,
    /// It was told.
    Told,
    /// Something else was told of its time.
    Revised,
    /// It may have been told: it is older than everything that is remembered, or its time has had
    /// as many values as are remembered.
    Forgotten,
}

/// The points that were told, by topic, symbol and window.
#[derive(Debug, Default)]
pub(super) struct Known {
    series: BTreeMap<(u8, u32, u16), BTreeMap<Nanos, Vec<Told>>>,
}

impl Known {
    /// Judges a point, remembers it, and marks it if it says otherwise than one before it.
    pub(super) fn take(&mut self, point: &mut Point) -> Verdict {
        let key = (point.topic as u8, point.symbol, point.window_s);
        let series = self.series.entry(key).or_default();
        let double = point.flags & FLAG_DOUBLE != 0;
        let mark = (point.flags & FLAG_CARRIED, point.status as u8);
        let told = Told { value: point.value, double, mark };
        let before = series.get(&point.ts_event).map_or(&[][..], Vec::as_slice);
        if before.iter().any(|&before| same(before, told)) {
            return Verdict::Told;
        }
        let oldest = series.first_key_value().map(|(&ts, _)| ts);
        let too_old = series.len() >= POINTS_MAX && oldest.is_some_and(|ts| point.ts_event < ts);
        if before.is_empty() && too_old || before.len() >= TOLD_MAX {
            return Verdict::Forgotten;
        }
        let revised = before.last().is_some_and(|&last| !near(last, told));
        series.entry(point.ts_event).or_default().push(told);
        if series.len() > POINTS_MAX {
            series.pop_first();
        }
        if revised {
            point.flags |= FLAG_REVISED;
            return Verdict::Revised;
        }
        Verdict::New
    }
}

/// Whether a point tells nothing beyond another one of its time.
fn same(before: Told, now: Told) -> bool {
    let more_exact = before.double && !now.double;
    before.mark == now.mark && near(before, now) && !more_exact
}

/// Whether values are equal, as far as a double can say where one of them comes of one.
fn near(before: Told, now: Told) -> bool {
    if !before.double && !now.double {
        return before.value == now.value;
    }
    // A double has 53 bits: what is printed of it is within one part of 2^52.
    let (apart, size) = (before.value.abs_diff(now.value), before.value.unsigned_abs());
    apart <= (size >> 50).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::topics::{MarketStatus, Origin, Topic};
    use super::*;

    fn point(ts: Nanos, value: i128, flags: u8) -> Point {
        Point {
            ts_event: ts,
            ts_sent: 0,
            ts_source: 0,
            value,
            price: 0,
            symbol: 1,
            window_s: 0,
            topic: Topic::CryptoPrices,
            origin: Origin::Chainlink,
            status: MarketStatus::Unsaid,
            flags,
        }
    }

    #[test]
    fn a_point_is_told_once_and_a_more_exact_one_again() {
        let mut known = Known::default();
        let exact = 79_696_948_174_287_960_000_123;
        let double = 79_696_948_174_287_960_000_000;
        assert_eq!(known.take(&mut point(1, double, FLAG_DOUBLE)), Verdict::New);
        assert_eq!(known.take(&mut point(1, double, FLAG_DOUBLE)), Verdict::Told);
        assert_eq!(known.take(&mut point(1, exact, 0)), Verdict::New);
        assert_eq!(known.take(&mut point(1, double, FLAG_DOUBLE)), Verdict::Told);
        assert_eq!(known.take(&mut point(2, exact, 0)), Verdict::New);
        let mut other = point(2, exact + 1, 0);
        assert_eq!(known.take(&mut other), Verdict::Revised);
        assert_eq!(other.flags, FLAG_REVISED);
        let mut closed = point(2, exact + 1, 0);
        closed.status = MarketStatus::Closed;
        assert_eq!(known.take(&mut closed), Verdict::New);
    }

    #[test]
    fn a_revised_value_that_comes_again_is_not_told_again() {
        let mut known = Known::default();
        assert_eq!(known.take(&mut point(1, 5, 0)), Verdict::New);
        assert_eq!(known.take(&mut point(1, 6, 0)), Verdict::Revised);
        assert_eq!(known.take(&mut point(1, 5, 0)), Verdict::Told);
        assert_eq!(known.take(&mut point(1, 6, 0)), Verdict::Told);
        for value in 0..1_000 {
            known.take(&mut point(1, value, 0));
        }
        assert_eq!(known.take(&mut point(1, 2_000, 0)), Verdict::Forgotten);
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_is_not_told_again() {
        let mut known = Known::default();
        for ts in 0..2_000 {
            assert_eq!(known.take(&mut point(ts, 5, 0)), Verdict::New);
        }
        assert_eq!(known.series[&(Topic::CryptoPrices as u8, 1, 0)].len(), POINTS_MAX);
        assert_eq!(known.take(&mut point(3, 5, 0)), Verdict::Forgotten);
        assert_eq!(known.take(&mut point(1_999, 5, 0)), Verdict::Told);
    }
}
