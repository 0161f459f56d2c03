//! Is a silence longer than the rhythm before it explains?
//!
//! A market that says ten things a second and then nothing for three seconds is frozen, or paused;
//! one that speaks once a minute is only quiet. Both are silent, and only what they did before tells
//! them apart. Whoever is silent for too long is asked about, by somebody other than its stream; what
//! the witness says of it is kept here as well, so that nobody is asked about twice for one silence.
//!
//! What is heard is looked at a few times a second and not at every word: a rhythm costs the path of
//! a frame nothing. Faster rhythms than that all look the same, and slower ones than [`WAIT_MAX`]
//! allows are none: they are not asked about for being silent.

use crate::fixed::ABSENT;
use crate::names::named_codes;
use crate::time::{Nanos, SECOND};

/// How many of the newest gaps count.
const GAPS: i64 = 64;
/// So many gaps make a rhythm.
const GAPS_MIN: i64 = 16;
/// A silence is odd from so many usual gaps on. Of gaps that are as if by chance, one in 22,000 is
/// so long.
const GAPS_SILENT: i64 = 10;
/// And from so many times the longest of late: markets speak in bursts.
const LONGEST: i64 = 2;
/// A rhythm by which one would have to wait longer than this is none.
pub const WAIT_MAX: Nanos = 20 * SECOND;
/// A pause counts as no longer than this: it shall not hide the next one for hours.
const GAP_MAX: Nanos = 60 * SECOND;
/// A silence that a witness vouched for is odd again after twice the time, at most so often.
const DOUBLED_MAX: u32 = 6;

named_codes! {
    /// What is to be thought of how long somebody has been silent.
    Freshness {
        /// Nothing is to be heard: no connection, no book, or the market is over.
        None = "none",
        /// It spoke lately.
        Fresh = "fresh",
        /// It says nothing, and nothing is odd about that: it never says much, or a witness vouched
        /// for it since.
        Quiet = "quiet",
        /// It says nothing for longer than its rhythm explains, or never said its first word, and
        /// nobody has vouched for it since.
        Suspect = "suspect",
        /// A witness knows of changes that it did not tell.
        Frozen = "frozen",
    }
}

/// How often somebody speaks.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// When it last spoke, or [`ABSENT`].
    heard: Nanos,
    /// When a witness last said that there was nothing to be heard, or [`ABSENT`].
    vouched: Nanos,
    /// How often that was in this silence.
    vouchers: u32,
    /// How many gaps were seen, at most [`GAPS`].
    gaps: i64,
    /// Their mean, the newest counting most.
    mean: Nanos,
    /// The longest of late.
    longest: Nanos,
    /// What was thought of it when it was last looked at.
    pub verdict: Freshness,
}

impl Default for Rhythm {
    fn default() -> Self {
        let verdict = Freshness::None;
        let (heard, vouched) = (ABSENT, ABSENT);
        Self { heard, vouched, vouchers: 0, gaps: 0, mean: 0, longest: 0, verdict }
    }
}

impl Rhythm {
    /// Its newest word came at `heard`. What came between two looks counts as one word.
    #[inline]
    pub fn hear(&mut self, heard: Nanos) {
        // What a witness had it say says nothing of how it speaks by itself.
        if heard == self.heard || heard == self.vouched {
            return;
        }
        if self.heard != ABSENT && heard > self.heard {
            let gap = (heard - self.heard).min(GAP_MAX);
            self.gaps = (self.gaps + 1).min(GAPS);
            self.mean += (gap - self.mean) / self.gaps;
            self.longest = gap.max(self.longest - self.longest / GAPS);
        }
        (self.heard, self.vouchers) = (heard, 0);
    }

    /// Nothing can be heard for a while; that is no gap.
    pub const fn pause(&mut self) {
        (self.heard, self.vouched, self.vouchers) = (ABSENT, ABSENT, 0);
        self.verdict = Freshness::None;
    }

    /// A witness says at `ts` that nothing was there to be heard.
    pub fn vouch(&mut self, ts: Nanos) {
        self.vouched = self.vouched.max(ts);
        self.vouchers = self.vouchers.saturating_add(1);
    }

    /// The usual gap between two words; `None` while there is no rhythm.
    #[must_use]
    pub fn usual(&self) -> Option<Nanos> {
        (self.gaps >= GAPS_MIN).then_some(self.mean)
    }

    /// How long a silence is not odd, and at least `floor`; `None` if it never is.
    #[must_use]
    pub fn wait(&self, floor: Nanos) -> Option<Nanos> {
        let wait = floor.max(GAPS_SILENT * self.usual()?).max(LONGEST * self.longest);
        (wait <= WAIT_MAX).then_some(wait)
    }

    /// What is to be thought of it at `ts`, where no silence is odd that is shorter than `floor`.
    #[must_use]
    pub fn judge(&self, floor: Nanos, ts: Nanos) -> Freshness {
        if self.heard == ABSENT {
            return Freshness::None;
        }
        let silent = ts.saturating_sub(self.heard);
        let Some(wait) = self.wait(floor) else {
            return if silent <= WAIT_MAX { Freshness::Fresh } else { Freshness::Quiet };
        };
        if silent <= wait {
            return Freshness::Fresh;
        }
        let patience = wait << self.vouchers.min(DOUBLED_MAX);
        let vouched = self.vouched > self.heard && ts.saturating_sub(self.vouched) <= patience;
        if vouched { Freshness::Quiet } else { Freshness::Suspect }
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)] // random gaps are of nanoseconds
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    const FLOOR: Nanos = 3 * SECOND;
    const LOOK: Nanos = 200 * MILLISECOND;
    /// Words a second.
    const RATES: [f64; 12] = [0.02, 0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 12.0, 60.0];

    /// Random gaps as of a market whose words come by chance, so many a second.
    struct Chance(u64, f64);

    impl Chance {
        fn gap(&mut self) -> Nanos {
            self.0 =
                self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            (-uniform.ln() / self.1 * SECOND as f64) as Nanos + 1
        }
    }

    /// A market that is heard from `from` to `until`, looked at every `LOOK`, and how often it had to
    /// be asked about; each time a witness vouches a second later.
    fn pass(rhythm: &mut Rhythm, chance: &mut Chance, from: Nanos, until: Nanos) -> u32 {
        let (mut ts, mut word, mut newest, mut asked) = (from, from, ABSENT, 0);
        let mut answer = ABSENT;
        while ts < until {
            while word <= ts {
                newest = word;
                word += chance.gap();
            }
            rhythm.hear(newest);
            if answer != ABSENT && ts >= answer {
                rhythm.vouch(answer);
                answer = ABSENT;
            }
            if answer == ABSENT && rhythm.judge(FLOOR, ts) == Freshness::Suspect {
                asked += 1;
                answer = ts + SECOND;
            }
            ts += LOOK;
        }
        asked
    }

    #[test]
    fn a_market_that_speaks_by_chance_is_asked_about_ten_times_a_day_at_most() {
        let day = 86_400 * SECOND;
        for (seed, rate) in (0..24).map(|i| (i, RATES[i % 12])) {
            let mut rhythm = Rhythm::default();
            let asked = pass(&mut rhythm, &mut Chance(seed as u64, rate), 0, day);
            assert!(asked <= 10, "{rate} words a second: asked {asked} times");
        }
    }

    #[test]
    fn a_market_that_falls_silent_is_suspect_within_eighteen_of_its_gaps() {
        for (seed, rate) in (0..600).map(|i| (i, RATES[3 + i % 9])) {
            let mut rhythm = Rhythm::default();
            let end = 600 * SECOND;
            pass(&mut rhythm, &mut Chance(seed as u64, rate), 0, end);
            let mut ts = end;
            while rhythm.judge(FLOOR, ts) != Freshness::Suspect && ts < end + 60 * SECOND {
                ts += LOOK;
            }
            let bound = FLOOR.max((18.0 / rate * SECOND as f64) as Nanos) + SECOND;
            // Slower ones may be too slow for a rhythm.
            let slow = rate < 1.0 && rhythm.wait(FLOOR).is_none();
            assert!(slow || ts - end <= bound, "{rate} words a second: {} ns", ts - end);
        }
    }
}
