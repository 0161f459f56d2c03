//! Whether the delay of a connection, or of one book on it, grows: what it brings waits in a queue
//! somewhere, each message for longer than the one before.
//!
//! One message may be slow, and a batch is as old as its oldest change. So only the least delay of a
//! while counts, the fastest that any got through: if that rises again and again, by more than two
//! clocks can run apart, nothing gets past the queue. A step is no growth: a clock may have been set.
//!
//! Delays are looked at a few times a second and not at every message.

use crate::fixed::ABSENT;
use crate::time::{MILLISECOND, Nanos, SECOND};

/// How long a while is, and how many delays it has, at least.
const WHILE: Nanos = SECOND;
const SEEN: u32 = 3;
/// The least delay rises if it does so by this part of the time that passed. Clocks that are being
/// put right run apart by a fiftieth of that.
const PART: Nanos = 40;
/// So often in a row, and by so much in all, and the delay grows.
const RISES: u32 = 4;
const RISEN: Nanos = 250 * MILLISECOND;

/// The delay of one connection, or of one book, as time passes.
#[derive(Clone, Copy, Debug)]
pub struct Trend {
    /// Venue time of the newest message seen, or [`ABSENT`].
    newest: Nanos,
    /// When this while began, its least delay, and how many were seen.
    began: Nanos,
    least: Nanos,
    seen: u32,
    /// The least delay of the while before, or [`ABSENT`].
    before: Nanos,
    /// How often in a row it rose, and by how much.
    rises: u32,
    risen: Nanos,
    /// Whether the delay grows.
    pub grows: bool,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            newest: ABSENT,
            began: ABSENT,
            least: Nanos::MAX,
            seen: 0,
            before: ABSENT,
            rises: 0,
            risen: 0,
            grows: false,
        }
    }
}

impl Trend {
    /// The newest message at `ts` has the venue time `stamp`, and took `delay`. Whether the delay
    /// grows from now on.
    pub fn look(&mut self, stamp: Nanos, delay: Nanos, ts: Nanos) -> bool {
        if stamp == ABSENT || delay == ABSENT || stamp == self.newest {
            return false;
        }
        if stamp < self.newest {
            // The venue's clock was set: delays are other ones from here on.
            *self = Self::default();
        }
        if self.began == ABSENT {
            self.began = ts;
        }
        (self.newest, self.least, self.seen) = (stamp, self.least.min(delay), self.seen + 1);
        let passed = ts.saturating_sub(self.began);
        passed >= WHILE && self.seen >= SEEN && self.end_while(passed, ts)
    }

    /// Whether it has seen a message since it was made.
    #[must_use]
    pub const fn begun(&self) -> bool {
        self.began != ABSENT
    }

    fn end_while(&mut self, passed: Nanos, ts: Nanos) -> bool {
        let rise = if self.before == ABSENT { 0 } else { self.least.saturating_sub(self.before) };
        if rise >= passed / PART {
            (self.rises, self.risen) = (self.rises + 1, self.risen.saturating_add(rise));
        } else {
            (self.rises, self.risen) = (0, 0);
        }
        let grew = self.grows;
        let goes_on = grew && rise > 0;
        self.grows = goes_on || self.rises >= RISES && self.risen >= RISEN;
        (self.before, self.began, self.least, self.seen) = (self.least, ts, Nanos::MAX, 0);
        self.grows && !grew
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: Nanos = 1_790_000_000 * SECOND;
    const LOOK: Nanos = 200 * MILLISECOND;

    /// Messages every `gap`, looked at as a session does; their delay as told, in ms. When growth was
    /// found, in ns from the start.
    fn found(gap: Nanos, until: Nanos, mut delay_ms: impl FnMut(Nanos) -> i64) -> Option<Nanos> {
        let mut trend = Trend::default();
        let (mut sent, mut looked, mut newest) = (0, 0, (ABSENT, ABSENT));
        let mut arrived = Nanos::MIN;
        while looked < until {
            looked += LOOK;
            loop {
                let delay = delay_ms(sent) * MILLISECOND;
                let arrives = (sent + delay).max(arrived);
                if arrives > looked {
                    break;
                }
                (newest, arrived) = ((T0 + sent, arrives - sent), arrives);
                sent += gap;
            }
            if trend.look(newest.0, newest.1, T0 + looked) {
                return Some(looked);
            }
        }
        None
    }

    proptest! {
        /// A queue that grows by a twentieth of the time or faster is found within 12 s, however
        /// much the way jitters.
        #[test]
        fn a_growing_queue_is_found(
            base in 0..400_i64, percent in 10..90_i64, gap in 5..200_i64,
            jitter in prop::collection::vec(0..30_i64, 64),
        ) {
            let mut n = 0;
            let seen = found(gap * MILLISECOND, 40 * SECOND, |sent| {
                n = (n + 1) % 64;
                base + jitter[n] + (sent / MILLISECOND) * percent / 100
            });
            prop_assert!(seen.is_some_and(|ns| ns <= 20 * SECOND), "{seen:?}");
        }

        /// A way that jitters, clocks that run apart by what can be, a step, a burst that is worked
        /// off: no growth.
        #[test]
        fn what_does_not_grow_is_not_found(
            base in 0..400_i64, step in 0..4_000_i64, at in 0..60_i64, apart in -500..500_i64,
            gap in 5..1_500_i64, jitter in prop::collection::vec(0..300_i64, 64),
        ) {
            let mut n = 0;
            let seen = found(gap * MILLISECOND, 120 * SECOND, |sent| {
                n = (n + 1) % 64;
                let burst = (step - (sent / MILLISECOND - at * 1_000)).clamp(0, step);
                let stepped = if sent > at * SECOND { burst } else { 0 };
                base + jitter[n] / 10 + sent / MILLISECOND * apart / 1_000_000 + stepped
            });
            prop_assert_eq!(seen, None);
        }
    }

    #[test]
    fn growth_ends_when_the_delay_rises_no_more() {
        let mut trend = Trend::default();
        let mut delay = 20 * MILLISECOND;
        let mut grew = Vec::new();
        for at in 0..200 {
            delay += if at < 100 { 50 * MILLISECOND } else { 0 };
            trend.look(T0 + at * LOOK, delay, T0 + at * LOOK);
            grew.push(trend.grows);
        }
        assert!(!grew[0] && grew[60] && grew[99] && !grew[115], "{grew:?}");
    }

    #[test]
    fn a_clock_that_was_set_begins_anew() {
        let mut trend = Trend::default();
        for at in 0..60 {
            trend.look(T0 + at * LOOK, at * 50 * MILLISECOND, T0 + at * LOOK);
        }
        assert!(trend.grows);
        assert!(!trend.look(T0, 0, T0 + 61 * LOOK));
        assert!(!trend.grows);
    }
}
