//! A mean of equally spaced samples: what is banked, what is missing, what the rest must average.

use super::{Tick, Value, part, seconds};
use crate::time::{Nanos, SECOND};

/// Which of the two ends of the stretch that is averaged has a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// The beginning has one, the end has none. The one settlement that was caught digit by digit
    /// was so, and so a venue documents its own mean of a minute.
    Start,
    /// The end has one, the beginning has none: how another of its fields is documented.
    End,
}

/// Which samples are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// How many, at most [`Sampling::MOST`].
    pub samples: u32,
    /// How far apart.
    pub step: Nanos,
    /// Which end has one.
    pub endpoints: Endpoints,
}

impl Sampling {
    /// A mean of the sixty seconds before a boundary.
    pub const MINUTE: Self = Self { samples: 60, step: SECOND, endpoints: Endpoints::Start };
    /// The most samples that a mean has.
    pub const MOST: u32 = 3_600;

    pub(super) const fn is_sound(self) -> bool {
        self.samples > 0 && self.samples <= Self::MOST && self.step > 0 && self.step <= 3_600 * SECOND
    }
}

/// What is expected of a value that is not settled yet, from the newest tick on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// The expected value, 1e-18.
    pub expected: Value,
    /// How far it may still move: seconds of the reference's own variance.
    pub variance_s: f64,
    /// The newest tick, from which both are reckoned.
    pub newest: Tick,
}

/// A mean that is being gathered.
#[derive(Clone, Debug)]
pub struct Mean {
    sampling: Sampling,
    first: Nanos,
    samples: Vec<Option<Value>>,
    /// The newest tick before the first sample, and the newest of all.
    before: Option<Tick>,
    newest: Option<Tick>,
    banked: u32,
    sum: Value,
    differing: u32,
}

/// Samples that passed without being heard, or that are still to come: a number of them in a row.
#[derive(Clone, Copy)]
struct Run {
    count: u32,
    /// From the tick that is known to the nearest of them.
    lead: Nanos,
}

impl Mean {
    /// A mean that ends at `end`; `None` if the sampling is not sound, or begins before all time.
    #[must_use]
    pub fn new(end: Nanos, sampling: Sampling) -> Option<Self> {
        if !sampling.is_sound() {
            return None;
        }
        let back = match sampling.endpoints {
            Endpoints::Start => sampling.samples,
            Endpoints::End => sampling.samples - 1,
        };
        let first = end.checked_sub(sampling.step.checked_mul(Nanos::from(back))?)?;
        // So that no difference and no sum of its times overflows.
        end.checked_add(sampling.step).filter(|_| first >= 0)?;
        let samples = vec![None; usize::try_from(sampling.samples).ok()?];
        let (before, newest) = (None, None);
        Some(Self { sampling, first, samples, before, newest, banked: 0, sum: 0, differing: 0 })
    }

    /// Takes a tick of the reference, whenever it comes. The first value that a sample is given
    /// stays: revisions are not looked at, but counted ([`Mean::differing`]).
    pub fn tick(&mut self, at: Nanos, value: Value) {
        let tick = Tick { at, value };
        if !tick.is_sound() {
            self.differing = self.differing.saturating_add(1);
            return;
        }
        if self.newest.is_none_or(|newest| newest.at < at) {
            self.newest = Some(tick);
        }
        if at < self.first {
            if self.before.is_none_or(|before| before.at < at) {
                self.before = Some(tick);
            }
            return;
        }
        let Some(slot) = self.place(at).and_then(|place| self.samples.get_mut(place)) else { return };
        match slot {
            None => {
                *slot = Some(value);
                self.banked += 1;
                self.sum += value;
            }
            Some(known) if *known != value => self.differing = self.differing.saturating_add(1),
            Some(_) => {}
        }
    }

    /// The sample that stands at a time, if one does.
    fn place(&self, at: Nanos) -> Option<usize> {
        let passed = at - self.first;
        (passed % self.sampling.step == 0).then(|| usize::try_from(passed / self.sampling.step).ok())?
    }

    fn time(&self, place: usize) -> Nanos {
        self.first + self.sampling.step * Nanos::try_from(place).unwrap_or(0)
    }

    /// How many samples there are in all.
    #[must_use]
    pub const fn samples(&self) -> u32 {
        self.sampling.samples
    }

    /// How many of them are known.
    #[must_use]
    pub const fn banked(&self) -> u32 {
        self.banked
    }

    /// How many are to come: those after the newest tick.
    #[must_use]
    pub fn left(&self) -> u32 {
        let Some(newest) = self.newest else { return self.sampling.samples };
        if newest.at < self.first {
            return self.sampling.samples;
        }
        let passed = (newest.at - self.first) / self.sampling.step + 1;
        self.sampling.samples.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
    }

    /// How many passed and were not heard.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.sampling.samples - self.banked - self.left()
    }

    /// Ticks that contradicted a sample, and those beyond all sense.
    #[must_use]
    pub const fn differing(&self) -> u32 {
        self.differing
    }

    /// Sum of the known samples, 1e-18.
    #[must_use]
    pub const fn sum(&self) -> Value {
        self.sum
    }

    /// The mean of the known samples, rounded down; `None` if there is none.
    #[must_use]
    pub fn mean_of_banked(&self) -> Option<Value> {
        (self.banked > 0).then(|| self.sum.div_euclid(Value::from(self.banked)))
    }

    /// The mean, rounded down, when every sample is known. A comparison needs no rounding:
    /// [`Mean::reaches`].
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        if self.banked == self.sampling.samples { self.mean_of_banked() } else { None }
    }

    /// Whether the mean is at least `strike`, when every sample is known.
    #[must_use]
    pub fn reaches(&self, strike: Value) -> Option<bool> {
        let samples = Value::from(self.sampling.samples);
        (self.banked == self.sampling.samples).then(|| self.sum >= strike.saturating_mul(samples))
    }

    /// The least average of the samples to come with which the mean is at least `strike`, those
    /// that are missing taken as they are expected. `None` if none is to come.
    #[must_use]
    pub fn needed(&self, strike: Value) -> Option<Value> {
        let left = self.left();
        let (known, _) = self.known();
        let short = strike.checked_mul(Value::from(self.sampling.samples))?.checked_sub(known)?;
        (left > 0).then(|| -(-short).div_euclid(Value::from(left)))
    }

    /// What is expected of the mean; `None` before the first tick.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "seconds of variance, as a double")]
    pub fn ahead(&self) -> Option<Ahead> {
        let newest = self.newest?;
        let (known, mut spread) = self.known();
        let left = self.left();
        if left > 0 {
            let next = self.time(self.samples.len()) - self.sampling.step * Nanos::from(left);
            spread += self.free(Run { count: left, lead: next - newest.at });
        }
        let samples = Value::from(self.sampling.samples);
        let expected = (known + Value::from(left) * newest.value).div_euclid(samples);
        let variance_s = spread / (samples * samples) as f64;
        Some(Ahead { expected, variance_s, newest })
    }

    /// Sum of the samples that passed, those that were not heard taken as they are expected, and
    /// the variance of that sum, in seconds.
    fn known(&self) -> (Value, f64) {
        let passed = self.samples.len().saturating_sub(usize::try_from(self.left()).unwrap_or(0));
        if self.missing() == 0 {
            return (self.sum, 0.0);
        }
        let (mut sum, mut spread, mut anchor, mut at) = (self.sum, 0.0, self.before, 0);
        while at < passed {
            if let Some(value) = self.samples[at] {
                anchor = Some(Tick { at: self.time(at), value });
                at += 1;
                continue;
            }
            let run = self.samples[at..passed].iter().take_while(|s| s.is_none()).count();
            let behind = match self.samples.get(at + run).copied().flatten() {
                Some(value) if at + run < passed => Some(Tick { at: self.time(at + run), value }),
                _ => self.newest,
            };
            let (more, wider) = self.bridged(anchor, behind, at, run);
            sum += more;
            spread += wider;
            at += run;
        }
        (sum, spread)
    }

    /// The expected sum of a run of missing samples between two ticks, and its variance.
    fn bridged(&self, from: Option<Tick>, to: Option<Tick>, place: usize, run: usize) -> (Value, f64) {
        let count = u32::try_from(run).unwrap_or(0);
        let (first, last) = (self.time(place), self.time(place + run) - self.sampling.step);
        match (from, to) {
            (Some(from), Some(to)) if to.at > from.at => {
                // On a straight line, the sum is the count times the middle of the first and last.
                let (lead, span) = (first - from.at, seconds(to.at - from.at));
                let reach = f64::from(count) * (seconds(lead) + seconds(last - from.at)) / 2.0;
                let risen = part(to.value - from.value, reach / span);
                let tied = reach * reach / span;
                let sum = Value::from(count) * from.value + risen;
                (sum, (self.free(Run { count, lead }) - tied).max(0.0))
            }
            (None, Some(to)) => {
                let spread = self.free(Run { count, lead: to.at - last });
                (Value::from(count) * to.value, spread)
            }
            (from, to) => (from.or(to).map_or(0, |tick| Value::from(count) * tick.value), 0.0),
        }
    }

    /// Variance of the sum of samples that one tick alone is known of: of a driftless walk, the
    /// sum over all pairs of the time that both have in common.
    fn free(&self, run: Run) -> f64 {
        let n = f64::from(run.count);
        n * n * seconds(run.lead) + (n - 1.0) * n * (2.0 * n - 1.0) / 6.0 * seconds(self.sampling.step)
    }
}
