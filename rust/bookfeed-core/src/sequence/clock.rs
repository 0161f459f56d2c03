//! Time stamps as claims: which of a connection's are believed, and how late it delivers.
//!
//! A stamp says when the venue made a message. Compared with the time of receipt it is late by the
//! delivery and by how far the two clocks are apart. The fastest messages show how far that is at
//! most (the floor); what a message takes beyond the floor is delay. A stamp that no delivery
//! explains is none: nothing arrives before it was sent, and nothing is under way for a day.
//!
//! A clock may be set. What looks odd for a while, without one stamp between that fits, is a clock
//! that was set, and the floor moves with it. A stream that is late in order never looks so.

use crate::fixed::ABSENT;
use crate::time::{MILLISECOND, Nanos, SECOND};

/// How much faster than the fastest before it a message may be.
const AHEAD: Nanos = SECOND;
/// How much faster than the fastest before it a message may be without a word on its stamp.
const JITTER: Nanos = 100 * MILLISECOND;
/// How far stamps may run back on one connection.
const BACK: Nanos = SECOND;
/// How far ahead of the receiver's clock the first stamp of a connection may be.
const FIRST_AHEAD: Nanos = 60 * SECOND;
/// No message is under way for longer: an older stamp is of another unit, or of no clock.
const LONGEST_DELIVERY: Nanos = 86_400 * SECOND;
/// The stamp of a whole book may be that of its last change; beyond this it is of another unit.
const LONGEST_QUIET: Nanos = 10 * 365 * LONGEST_DELIVERY;
/// A connection may be late from its first message on, and nothing it says shows it. So the
/// receiver's clock is believed to be at most this far ahead of the venue's.
const FLOOR_MAX: Nanos = SECOND;
/// How long stamps must look odd, none between that fits, until a clock was set.
const SET_AFTER: Nanos = 3 * SECOND;
/// A late connection is prompt again below this delay.
const PROMPT: Nanos = SECOND;

/// What a message says of its connection's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Nothing new.
    Same,
    /// It came too late, as do single bursts; a connection may do so for the grace.
    Slow,
    /// From here on its messages come too late.
    Late,
    /// From here on they come in time again.
    Prompt,
}

/// How late is too late.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Longest delay beyond the floor; 0 for any.
    pub max_delay: Nanos,
    /// How long a burst of late messages may last. At twice the longest delay there is none.
    pub grace: Nanos,
}

/// The venue's clock, and the way from it, as one connection shows them.
#[derive(Clone, Copy, Debug)]
pub struct VenueClock {
    /// The fastest delivery, clocks apart included, or [`ABSENT`].
    floor: Nanos,
    /// Newest stamp believed, or [`ABSENT`].
    pub newest: Nanos,
    /// Receive time less venue time of the newest message that shows it, or [`ABSENT`]. A whole
    /// book does if it is fresh: an old stamp may be that of its last change.
    pub delay: Nanos,
    /// Delay of the newest message that was compared with the floor, or [`ABSENT`].
    last: Nanos,
    /// Receive time of the newest message that the floor was learned from, or [`ABSENT`].
    learned_at: Nanos,
    /// Delivery of the last frame that was faster than the floor by its time of sending; one alone
    /// does not lower the floor.
    fastest_sent: Nanos,
    /// Receive time at which stamps began to look odd, or [`ABSENT`].
    odd_since: Nanos,
    /// Whether that began with one that ran back, as no delivery in order does.
    ran_back: bool,
    /// Receive time at which messages began to be late, or [`ABSENT`].
    late_since: Nanos,
    /// Whether the connection delivers too late.
    pub late: bool,
}

impl Default for VenueClock {
    fn default() -> Self {
        Self {
            floor: ABSENT,
            newest: ABSENT,
            delay: ABSENT,
            last: ABSENT,
            learned_at: ABSENT,
            fastest_sent: Nanos::MAX,
            odd_since: ABSENT,
            ran_back: false,
            late_since: ABSENT,
            late: false,
        }
    }
}

impl VenueClock {
    /// The stamp of a message that is made when something happens (a change, not a whole book,
    /// whose stamp may be that of its last change): what of it is believed, or [`ABSENT`].
    #[inline]
    pub fn take(&mut self, stated: Nanos, ts_recv: Nanos) -> Nanos {
        let delay = ts_recv.saturating_sub(stated);
        // Where one of these overflows, the delay is not a short one, or the other is far off.
        let (lead, back) = (self.floor.wrapping_sub(delay), self.newest.wrapping_sub(stated));
        // The usual case: neither far ahead of the fastest, nor far older than what came before.
        let known = self.floor != ABSENT && self.odd_since == ABSENT;
        let short = (-LONGEST_DELIVERY..LONGEST_DELIVERY).contains(&delay);
        if !(known && short) || lead > AHEAD || back > BACK {
            return self.take_unusual(stated, ts_recv, delay);
        }
        if lead > 0 || back > 0 {
            self.learn(delay, ts_recv);
            self.ran_back = false;
        } else {
            self.last = delay;
        }
        (self.newest, self.delay) = (self.newest.max(stated), delay);
        stated
    }

    #[cold]
    fn take_unusual(&mut self, stated: Nanos, ts_recv: Nanos, delay: Nanos) -> Nanos {
        if stated == ABSENT || delay > LONGEST_DELIVERY {
            return ABSENT;
        }
        let ahead = self.leads(delay);
        if ahead || self.is_back(delay, stated) {
            let set = self.is_set(delay, stated, ts_recv);
            // A book's own order can still be judged by a stamp that runs back.
            return if ahead && !set { ABSENT } else { stated };
        }
        self.learn(delay, ts_recv);
        (self.newest, self.delay, self.odd_since) = (self.newest.max(stated), delay, ABSENT);
        stated
    }

    /// As [`Self::take`], for a whole book: its stamp may be of long ago, when the book last
    /// changed, but not of the future.
    pub fn take_whole(&mut self, stated: Nanos, ts_recv: Nanos) -> Nanos {
        let delay = ts_recv.saturating_sub(stated);
        if stated == ABSENT || delay > LONGEST_QUIET {
            return ABSENT;
        }
        if self.leads(delay) {
            return if self.is_set(delay, stated, ts_recv) { stated } else { ABSENT };
        }
        // One that runs back says no more than the changes do, and must not end their run.
        if delay <= FLOOR_MAX && !self.is_back(delay, stated) {
            self.learn(delay, ts_recv);
            (self.delay, self.odd_since) = (delay, ABSENT);
        }
        self.newest = self.newest.max(stated);
        stated
    }

    /// The stamp of any other message, as far as it is believed, or [`ABSENT`]: nothing is learned
    /// of it.
    #[must_use]
    pub fn believe(&self, stated: Nanos, ts_recv: Nanos) -> Nanos {
        let delay = ts_recv.saturating_sub(stated);
        if stated == ABSENT || delay > LONGEST_QUIET || self.leads(delay) { ABSENT } else { stated }
    }

    /// The venue handed a frame to its network at `sent`: what the way alone takes. The first one
    /// comes before anything that can be late.
    #[inline]
    pub fn note_sent(&mut self, sent: Nanos, ts_recv: Nanos) {
        let delay = ts_recv.saturating_sub(sent);
        if delay < self.floor || self.floor == ABSENT {
            self.learn_sent(delay);
        }
    }

    #[cold]
    fn learn_sent(&mut self, delay: Nanos) {
        if self.leads(delay) || delay > LONGEST_DELIVERY {
            return;
        }
        self.floor = match self.floor {
            ABSENT => delay.min(FLOOR_MAX),
            floor => floor.min(delay.max(self.fastest_sent)),
        };
        self.fastest_sent = delay;
    }

    /// Judges the delivery of a frame by its time of sending alone.
    pub fn pace_sent(&mut self, sent: Nanos, ts_recv: Nanos, patience: Patience) -> Pace {
        let delay = ts_recv.saturating_sub(sent);
        if self.leads(delay) || delay > LONGEST_DELIVERY {
            return Pace::Same;
        }
        self.delay = delay;
        self.pace(ts_recv, patience)
    }

    /// Learns how fast the fastest way is. One frame alone does not show it.
    fn learn(&mut self, delay: Nanos, ts_recv: Nanos) {
        if ts_recv == self.learned_at {
            return;
        }
        self.learned_at = ts_recv;
        self.floor = match self.floor {
            ABSENT => delay.min(FLOOR_MAX),
            floor => floor.min(delay.max(self.last)),
        };
        self.last = delay;
    }

    /// Whether a message is faster than any can be.
    fn leads(&self, delay: Nanos) -> bool {
        if self.floor == ABSENT {
            return delay < -FIRST_AHEAD;
        }
        self.floor.saturating_sub(delay) > AHEAD
    }

    /// Whether a stamp runs back, or is of a clock that did so and was not seen to be right since:
    /// stamps go on, and soon are newer than the newest before it.
    fn is_back(&mut self, delay: Nanos, stated: Nanos) -> bool {
        self.ran_back &= self.odd_since != ABSENT;
        let runs = self.newest != ABSENT && self.newest.saturating_sub(stated) > BACK;
        self.ran_back |= runs;
        runs || self.ran_back && self.last != ABSENT && delay.saturating_sub(self.last) > BACK
    }

    /// Whether a stamp that looks odd shows that one of the two clocks was set.
    fn is_set(&mut self, delay: Nanos, stated: Nanos, ts_recv: Nanos) -> bool {
        if self.odd_since == ABSENT {
            self.odd_since = ts_recv;
        }
        if ts_recv.saturating_sub(self.odd_since) < SET_AFTER {
            return false;
        }
        let step = if self.last == ABSENT { 0 } else { delay.saturating_sub(self.last) };
        self.floor = match self.floor {
            ABSENT => delay.min(FLOOR_MAX),
            floor => floor.saturating_add(step),
        };
        (self.newest, self.delay, self.last, self.odd_since) = (stated, delay, delay, ABSENT);
        true
    }

    /// Whether a stamp is of a time that the venue's clock has not come to: whoever bears it was
    /// stamped ahead.
    #[must_use]
    pub fn is_future(&self, stamp: Nanos, ts_recv: Nanos) -> bool {
        let fastest = self.floor.saturating_sub(JITTER);
        self.floor != ABSENT && stamp > ts_recv.saturating_sub(fastest)
    }

    /// Whether the clock of the stream had come to the stamp of a REST answer. How slow the stream is
    /// says nothing of that: an answer may be faster. How far its clock is ahead does, and how far it
    /// was set back: no stream is thought to be slower than `FLOOR_MAX`.
    #[must_use]
    pub fn has_come_to(&self, stamp: Nanos, ts_recv: Nanos) -> bool {
        let apart = match self.floor {
            ABSENT => 0,
            floor if floor > FLOOR_MAX => floor.saturating_sub(JITTER),
            floor => floor.saturating_sub(JITTER).min(0),
        };
        stamp <= ts_recv.saturating_sub(apart)
    }

    /// Judges the delivery of the message whose stamp was taken last.
    #[inline]
    pub fn pace(&mut self, ts_recv: Nanos, patience: Patience) -> Pace {
        if self.delay == ABSENT || patience.max_delay == 0 {
            return Pace::Same;
        }
        let over = self.delay.saturating_sub(self.floor);
        if over <= patience.max_delay && !self.late {
            self.late_since = ABSENT;
            return Pace::Same;
        }
        self.weigh(over, ts_recv, patience)
    }

    #[cold]
    fn weigh(&mut self, over: Nanos, ts_recv: Nanos, patience: Patience) -> Pace {
        if self.late {
            if over >= PROMPT.min(patience.max_delay) {
                return Pace::Same;
            }
            (self.late, self.late_since) = (false, ABSENT);
            return Pace::Prompt;
        }
        if self.late_since == ABSENT {
            self.late_since = ts_recv;
        }
        let far = over > patience.max_delay.saturating_mul(2);
        if far || self.late_by(ts_recv, patience) { self.be_late() } else { Pace::Slow }
    }

    /// When late messages will have lasted for longer than a burst, if nothing prompt comes.
    #[must_use]
    pub fn late_at(&self, patience: Patience) -> Option<Nanos> {
        let waiting = self.late_since != ABSENT && !self.late;
        waiting.then(|| self.late_since.saturating_add(patience.grace))
    }

    fn late_by(&self, ts: Nanos, patience: Patience) -> bool {
        self.late_at(patience).is_some_and(|due| ts >= due)
    }

    /// Time passes: whether the burst of late messages has lasted too long.
    pub fn wait(&mut self, ts: Nanos, patience: Patience) -> Pace {
        if self.late_by(ts, patience) { self.be_late() } else { Pace::Same }
    }

    fn be_late(&mut self) -> Pace {
        self.late = true;
        Pace::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The short way of a stamp comes to what the long one does.
        #[test]
        fn usual_stamps_are_taken_as_any_other(steps in prop::collection::vec(
            (-3_000..3_000_i64, 0..200_i64, 1..50_i64), 1..60,
        )) {
            let mut clock = VenueClock::default();
            let mut ts_recv = 1_800_000_000 * SECOND;
            for (jump, late, pause) in steps {
                ts_recv += pause * MILLISECOND;
                let jump = if jump % 7 == 0 { jump } else { jump % 100 };
                let stated = ts_recv - (late + jump) * MILLISECOND;
                let (before, mut at_length) = (clock, clock);
                let taken = clock.take(stated, ts_recv);
                prop_assert_eq!(taken, at_length.take_unusual(stated, ts_recv, ts_recv - stated));
                if ts_recv - stated < before.floor || stated < before.newest {
                    // In the order of their stamps and no faster than any, nothing is learned.
                    prop_assert_eq!(format!("{clock:?}"), format!("{at_length:?}"));
                }
                prop_assert_eq!((clock.newest, clock.delay), (at_length.newest, at_length.delay));
                prop_assert_eq!((clock.floor, clock.last), (at_length.floor, at_length.last));
            }
        }
    }
}
