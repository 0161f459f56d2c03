//! Confirmation: whether the books of an opportunity ever stood so at one and the same time.
//!
//! What is known of two books is known up to different venue times, and while one of them is
//! behind, prices that never met seem apart. As long as the opportunity is found, though, each
//! message moves one of the two times on; when the book that was behind comes to be ahead, both
//! stood as they were then at one venue time in between, and the opportunity was real.

use super::{Subject, View};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::time::Nanos;

/// What has been seen of an opportunity since it was first found, without a failure in between.
/// Legs are compared with the first; bit `i` is leg `i`.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Receive time at which it was first found.
    pub since: Nanos,
    /// Venue time up to which the first leg was proved then.
    ts_first: Nanos,
    /// Legs that were ahead of the first at some time.
    ahead: u128,
    /// Legs that were behind it at some time.
    behind: u128,
}

/// Up to which venue time a leg is proved, and by what.
#[inline]
fn proof(id: InstrumentId, view: &View) -> (StreamId, Nanos) {
    let stream = view.books.get(id as usize).map_or(NO_STREAM, |book| book.stream);
    (stream, view.ts_proved(id))
}

impl Seen {
    /// It is found for the first time.
    #[must_use]
    pub fn first(subject: &Subject, view: &View, now: Nanos) -> Self {
        let first = subject.legs.first().map_or(ABSENT, |leg| view.ts_proved(leg.instrument));
        Self { since: now, ts_first: first, ahead: 0, behind: 0 }
    }

    /// It is found, again or for the first time: whether all legs are confirmed by now.
    #[must_use]
    pub(crate) fn confirms(&mut self, subject: &Subject, view: &View) -> bool {
        let Some((first, others)) = subject.legs.split_first() else { return false };
        let (stream, ts_first) = proof(first.instrument, view);
        // Within one venue time a batch may still be under way: only a later one completes it.
        let later = ts_first > self.ts_first && self.ts_first != ABSENT;
        let mut confirmed = true;
        for (bit, leg) in (0..).zip(others).map(|(i, leg)| (1u128 << i, leg)) {
            let (other, ts) = proof(leg.instrument, view);
            if other == stream && stream != NO_STREAM {
                confirmed &= later;
                continue;
            }
            if ts != ABSENT && ts_first != ABSENT {
                self.ahead |= if ts > ts_first { bit } else { 0 };
                self.behind |= if ts < ts_first { bit } else { 0 };
            }
            confirmed &= self.ahead & self.behind & bit != 0;
        }
        confirmed
    }
}
