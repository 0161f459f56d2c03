//! Confirmation: whether the books of an opportunity ever stood so at one and the same time.
//!
//! What is known of two books is known up to different venue times, and while one of them is
//! behind, prices that never met seem apart. As long as the opportunity is found, though, each
//! message moves one of the two times on; when the book that was behind comes to be ahead, both
//! stood as they were then at one venue time in between, and the opportunity was real.
//!
//! A book that stands by itself, until a time its owner stated, stands at all of these times. Beside
//! it the others only have to be heard of again, since they may have been behind. The same goes for a
//! polled book, which a rule has to ask for.

use super::waiting::Queue;
use super::{Subject, View};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::time::Nanos;

/// What has been seen of an opportunity since it was first found, without a failure in between.
/// Legs are compared with the first that does not stand by itself; bit `i` is leg `i`.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Receive time at which it was first found.
    pub since: Nanos,
    /// Venue time up to which that leg was proved then.
    ts_first: Nanos,
    /// Legs that were ahead of it at some time.
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

/// The instruments whose times are compared: all but those that stand by themselves.
#[inline]
fn compared(subject: &Subject, view: &View) -> impl Iterator<Item = InstrumentId> {
    subject.instruments().filter(|&id| !view.is_timeless(id))
}

impl Seen {
    /// It is found for the first time.
    #[must_use]
    pub fn first(subject: &Subject, view: &View, now: Nanos) -> Self {
        let first = compared(subject, view).next();
        let ts_first = first.map_or(ABSENT, |id| view.ts_proved(id));
        Self { since: now, ts_first, ahead: 0, behind: 0 }
    }

    /// It is found, again or for the first time: whether all legs are confirmed by now.
    #[must_use]
    pub(crate) fn confirms(&mut self, subject: &Subject, view: &View) -> bool {
        let mut legs = compared(subject, view);
        let Some(first) = legs.next() else { return true };
        let (stream, ts_first) = proof(first, view);
        // Within one venue time a batch may still be under way: only a later one completes it.
        let later = ts_first > self.ts_first && self.ts_first != ABSENT;
        let mut confirmed = later || compared(subject, view).count() == subject.legs.len();
        for (bit, id) in (0..).zip(legs).map(|(i, id)| (1u128 << i, id)) {
            let (other, ts) = proof(id, view);
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

    /// What is not confirmed stays so until the venue time of one of these streams moves on; that of
    /// a book on none moves with the book.
    pub(super) fn keep(&self, subject: &Subject, view: &View, queue: &mut Queue) {
        let mut keep = |(stream, ts): (StreamId, Nanos)| {
            if stream != NO_STREAM {
                queue.streams.at(stream).keep_event(ts);
            }
        };
        let mut legs = compared(subject, view);
        let Some(first) = legs.next().map(|id| proof(id, view)) else { return };
        if compared(subject, view).count() < subject.legs.len() {
            keep(first);
        }
        for (bit, id) in (0..).zip(legs).map(|(i, id)| (1u128 << i, id)) {
            let other = proof(id, view);
            let unknown = other.1 == ABSENT || first.1 == ABSENT;
            // The first has to come to be later where the other was only ahead, or is on its stream.
            if other.0 == first.0 || unknown || self.behind & bit == 0 {
                keep(first);
            }
            if unknown || self.ahead & bit == 0 {
                keep(other);
            }
        }
    }
}
