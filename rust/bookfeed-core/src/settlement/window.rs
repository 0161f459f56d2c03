//! A window of a rolling market: two boundaries, a strike, and who has won.

use super::mean::{Ahead, Mean};
use super::reading::{Boundary, Measure, Reading};
use super::{Tick, VALUE_MAX, Value};
use crate::time::Nanos;
use std::fmt;

/// What a closing value equal to the strike means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// The same as one above it.
    Yes,
    /// Both sides are paid half.
    Half,
}

/// How a window is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How the opening value is had: the strike.
    pub opening: Measure,
    /// How the closing value is had.
    pub closing: Measure,
    /// What it means that they are equal.
    pub tie: Tie,
}

/// Who has won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody yet.
    Open,
    /// Up: the closing value is at least the strike.
    Yes,
    /// Down.
    No,
    /// Both, half each.
    Half,
    /// Somebody, but what it takes to say so was not heard.
    Unknown,
}

impl Outcome {
    /// Names, in the order of the codes.
    pub const NAMES: [&'static str; 5] = ["open", "yes", "no", "half", "unknown"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Why there is no such window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadWindow {
    /// It ends before it begins, or begins before all time.
    Times,
    /// Its samples are none, too many, or not in order.
    Sampling,
    /// Its strike is not positive, or beyond all sense.
    Strike,
}

impl fmt::Display for BadWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Times => "a window must end after it starts: check its times (Unix nanoseconds)",
            Self::Sampling => "a mean needs 1 to 3,600 samples, more than 0 and at most 3,600 s apart",
            Self::Strike => "a strike must be positive and below 10^12, in units of 1e-18",
        })
    }
}

impl std::error::Error for BadWindow {}

/// A window and what is known of it.
#[derive(Clone, Debug)]
pub struct Window {
    /// Its start and its end, and what was read there.
    times: [Nanos; 2],
    opening: Boundary,
    closing: Boundary,
    tie: Tie,
    told: Option<Value>,
    /// What a stream that decides told for its start and its end: the values themselves.
    decided: [Option<Value>; 2],
}

impl Window {
    /// A window of which nothing is known yet.
    ///
    /// # Errors
    /// [`BadWindow`] if it does not end after it starts, or a mean's sampling is not sound.
    pub fn new(start: Nanos, end: Nanos, rule: Rule) -> Result<Self, BadWindow> {
        if end <= start || start < 0 {
            return Err(BadWindow::Times);
        }
        let at = |time, measure| Boundary::new(time, measure).ok_or(BadWindow::Sampling);
        let (opening, closing) = (at(start, rule.opening)?, at(end, rule.closing)?);
        let (times, tie) = ([start, end], rule.tie);
        Ok(Self { times, opening, closing, tie, told: None, decided: [None; 2] })
    }

    /// Takes a tick of the reference, in any order.
    pub fn tick(&mut self, at: Nanos, value: Value) {
        self.opening.tick(at, value);
        self.closing.tick(at, value);
    }

    /// Takes a value of the stream that decides, such as the means that a venue relays. Stamped with
    /// the start or the end it is the value there, whatever was read; any other says nothing.
    pub fn decide(&mut self, at: Nanos, value: Value) {
        if (Tick { at, value }).is_sound() {
            for (time, decided) in self.times.iter().zip(&mut self.decided) {
                if at == *time {
                    *decided = Some(value);
                }
            }
        }
    }

    /// Ticks of the reference were lost since the newest one.
    pub fn lose(&mut self) {
        self.opening.lose();
        self.closing.lose();
    }

    /// Takes the strike that the venue states, which overrules the opening value that was read.
    ///
    /// # Errors
    /// [`BadWindow::Strike`] if it is not positive or beyond all sense.
    pub fn tell_strike(&mut self, strike: Value) -> Result<(), BadWindow> {
        if strike <= 0 || strike > VALUE_MAX {
            return Err(BadWindow::Strike);
        }
        self.told = Some(strike);
        Ok(())
    }

    /// What was read at its start.
    #[must_use]
    pub fn opening(&self) -> Reading {
        self.decided[0].map_or_else(|| self.opening.reading(), Reading::Known)
    }

    /// What was read at its end.
    #[must_use]
    pub fn closing(&self) -> Reading {
        self.decided[1].map_or_else(|| self.closing.reading(), Reading::Known)
    }

    /// Whether the stream that decides told the values at its start and at its end.
    #[must_use]
    pub fn decided(&self) -> [bool; 2] {
        self.decided.map(|value| value.is_some())
    }

    /// The strike: as the venue states it, else as it was read.
    #[must_use]
    pub fn strike(&self) -> Option<Value> {
        match (self.told, self.opening()) {
            (Some(told), _) => Some(told),
            (None, Reading::Known(value)) => Some(value),
            (None, _) => None,
        }
    }

    /// The mean that it closes with, if it closes with one.
    #[must_use]
    pub const fn closing_mean(&self) -> Option<&Mean> {
        match &self.closing {
            Boundary::Mean(mean) => Some(mean),
            Boundary::Point(_) => None,
        }
    }

    /// What is expected of the closing value; `None` before the first tick.
    #[must_use]
    pub fn ahead(&self) -> Option<Ahead> {
        let ahead = self.closing.ahead()?;
        let Some(expected) = self.decided[1] else { return Some(ahead) };
        Some(Ahead { expected, variance_s: 0.0, ..ahead })
    }

    /// What the samples to come must average at least for the answer yes; `None` where the window
    /// does not close with a mean, no sample is to come, or the strike is not known.
    #[must_use]
    pub fn needed(&self) -> Option<Value> {
        self.closing_mean()?.needed(self.strike()?)
    }

    /// Who has won.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let missing = |reading| matches!(reading, Reading::Missing(_));
        if missing(self.closing()) || (self.told.is_none() && missing(self.opening())) {
            return Outcome::Unknown;
        }
        let Some(strike) = self.strike() else { return Outcome::Open };
        let reaches = match self.decided[1] {
            Some(value) => Some(value >= strike),
            None => self.closing.reaches(strike),
        };
        match (reaches, self.tie) {
            (None, _) => Outcome::Open,
            (Some(false), _) => Outcome::No,
            // Not above: not even by one unit.
            (Some(true), Tie::Half) if self.equals(strike) => Outcome::Half,
            (Some(true), _) => Outcome::Yes,
        }
    }

    fn equals(&self, strike: Value) -> bool {
        match &self.closing {
            _ if self.decided[1].is_some() => self.decided[1] == Some(strike),
            Boundary::Mean(mean) => mean.sum() == strike * Value::from(mean.samples()),
            Boundary::Point(_) => self.closing.reading() == Reading::Known(strike),
        }
    }
}
