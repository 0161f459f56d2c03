//! One boundary of a window: the value that its measure gives there, or why there is none.

use super::mean::{Ahead, Mean, Sampling};
use super::{Tick, Value, part, seconds};
use crate::time::Nanos;

/// How the value at a boundary is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The mean of samples that end there.
    Mean(Sampling),
    /// The tick that is stamped with that very time.
    Tick,
    /// The first tick at that time or after: the open of a candle.
    First,
    /// The last tick before that time, of those with one time the one told last: the close of a
    /// candle.
    Last,
}

/// What is known of a boundary's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing final: its time has not come.
    Open,
    /// The value; a mean is rounded down.
    Known(Value),
    /// Its time is over and what it needs was not heard: how many samples of it are missing.
    Missing(u32),
}

/// A boundary as it is being read.
#[derive(Clone, Debug)]
pub(super) enum Boundary {
    Mean(Mean),
    Point(Point),
}

/// A value at one moment, and the ticks around it.
#[derive(Clone, Debug)]
pub(super) struct Point {
    at: Nanos,
    measure: Measure,
    /// The newest tick before the moment, that at it, and the oldest after it.
    before: Option<Tick>,
    exact: Option<Tick>,
    after: Option<Tick>,
    /// Whether ticks were lost since the last one before the moment.
    lost: bool,
}

impl Boundary {
    pub(super) fn new(at: Nanos, measure: Measure) -> Option<Self> {
        Some(match measure {
            Measure::Mean(sampling) => Self::Mean(Mean::new(at, sampling)?),
            _ => Self::Point(Point { at, measure, before: None, exact: None, after: None, lost: false }),
        })
    }

    /// Ticks were lost since the newest one, or what came before the first one was not heard: a first
    /// and a last one around them are not known.
    pub(super) fn lose(&mut self) {
        if let Self::Point(point) = self {
            point.lost |= point.exact.is_none() && point.after.is_none();
        }
    }

    pub(super) fn tick(&mut self, at: Nanos, value: Value) {
        match self {
            Self::Mean(mean) => mean.tick(at, value),
            Self::Point(point) => point.tick(Tick { at, value }),
        }
    }

    pub(super) fn reading(&self) -> Reading {
        match self {
            Self::Point(point) => point.reading(),
            Self::Mean(mean) if mean.left() > 0 => Reading::Open,
            Self::Mean(mean) => mean.value().map_or(Reading::Missing(mean.missing()), Reading::Known),
        }
    }

    /// Whether the value is at least `strike`, exactly; `None` unless it is known.
    pub(super) fn reaches(&self, strike: Value) -> Option<bool> {
        match (self, self.reading()) {
            (Self::Mean(mean), _) => mean.reaches(strike),
            (Self::Point(_), Reading::Known(value)) => Some(value >= strike),
            (Self::Point(_), _) => None,
        }
    }

    /// What is expected of it; `None` before the first tick.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        match self {
            Self::Mean(mean) => mean.ahead(),
            Self::Point(point) => point.ahead(),
        }
    }
}

impl Point {
    /// Of ticks with one time the first stays, but where the last one counts.
    fn tick(&mut self, tick: Tick) {
        if !tick.is_sound() {
            return;
        }
        if self.measure == Measure::Last
            && let Some(held) = self.before.as_mut().filter(|held| held.at == tick.at)
        {
            *held = tick;
        }
        // A late one from before the moment does not say that it is the only one that is late.
        self.lost &= tick.at >= self.at || self.exact.is_some() || self.after.is_some();
        let (slot, newer) = match tick.at.cmp(&self.at) {
            std::cmp::Ordering::Less => (&mut self.before, true),
            std::cmp::Ordering::Equal => (&mut self.exact, true),
            std::cmp::Ordering::Greater => (&mut self.after, false),
        };
        let replaces = |held: &Tick| if newer { tick.at > held.at } else { tick.at < held.at };
        if slot.as_ref().is_none_or(replaces) {
            *slot = Some(tick);
        }
    }

    fn reading(&self) -> Reading {
        let passed = self.exact.is_some() || self.after.is_some();
        let found = match self.measure {
            Measure::First => self.exact.or(self.after).filter(|_| !self.lost),
            Measure::Last => self.before.filter(|_| passed && !self.lost),
            Measure::Tick | Measure::Mean(_) => self.exact,
        };
        match found {
            Some(tick) => Reading::Known(tick.value),
            None if passed => Reading::Missing(1),
            None => Reading::Open,
        }
    }

    /// Known, or the newest tick before; where the very tick is missing, on the line between its
    /// neighbours.
    fn ahead(&self) -> Option<Ahead> {
        if let Reading::Known(value) = self.reading() {
            let newest = self.after.or(self.exact).or(self.before)?;
            return Some(Ahead { expected: value, variance_s: 0.0, newest });
        }
        let (expected, variance_s, newest) = match (self.before, self.after) {
            (Some(before), Some(after)) => {
                let (to, span) = (seconds(self.at - before.at), seconds(after.at - before.at));
                let risen = part(after.value - before.value, to / span);
                (before.value + risen, to * (span - to) / span, after)
            }
            (None, Some(after)) => (after.value, seconds(after.at - self.at), after),
            (before, None) => {
                let before = before?;
                (before.value, seconds(self.at - before.at), before)
            }
        };
        Some(Ahead { expected, variance_s, newest })
    }
}
