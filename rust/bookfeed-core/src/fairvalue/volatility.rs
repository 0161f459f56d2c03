//! How much a reference moves a second, lately: an exponentially weighted mean of squared moves
//! over unequal times.

use super::units;
use crate::settlement::Value;
use crate::time::{Nanos, SECOND};
use std::fmt;

/// Of the weights of an infinite past, so much is enough.
const ENOUGH: f64 = 0.9;
/// And so are so many moves, if they count alike: a deviation of them is a sixth of itself off,
/// which the interval of what rests on it says ([`Volatility::relative_error`]).
const MOVES_ENOUGH: f64 = 20.0;
/// What computing the number of moves may be off by.
const ROUNDING: f64 = 1e-6;
const LN_2: f64 = std::f64::consts::LN_2;

/// A half-life that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHalfLife;

impl fmt::Display for BadHalfLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the half-life must be longer than the least step, which must be above 0 s")
    }
}

impl std::error::Error for BadHalfLife {}

/// Volatility of a reference, from its ticks.
///
/// The reference must be the raw one: a mean of a minute moves by a seventh of what is behind it.
/// Ticks nearer to each other than the least step are left out, so that noise between them counts
/// once. A gap is one long step; nothing is put into it. From one tick to another that is made of
/// other constituents is no move: nothing need have been traded.
#[derive(Clone, Debug)]
pub struct Volatility {
    decay_s: f64,
    step: Nanos,
    newest: Option<Begun>,
    /// Weighted sum of variances a second (of logarithms), the sum of the weights, and the sum of
    /// their squares.
    sum: f64,
    weights: f64,
    squares: f64,
}

/// The tick that the next move begins at.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Nanos,
    value: f64,
    /// What it is made of ([`Made::of`](crate::settlement::Made::of)).
    of: u32,
}

impl Volatility {
    /// Nothing seen yet; what is a half-life old counts half.
    ///
    /// # Errors
    /// [`BadHalfLife`] unless `0 < step < half_life`.
    pub fn new(half_life: Nanos, step: Nanos) -> Result<Self, BadHalfLife> {
        if step <= 0 || half_life <= step {
            return Err(BadHalfLife);
        }
        let decay_s = seconds(half_life) / LN_2;
        Ok(Self { decay_s, step, newest: None, sum: 0.0, weights: 0.0, squares: 0.0 })
    }

    /// Takes a tick. One that is older than the least step asks for, or not positive, is left out.
    pub fn tick(&mut self, at: Nanos, value: Value) {
        self.tick_of(at, value, 0);
    }

    /// The same of a tick that is made of some constituents.
    pub fn tick_of(&mut self, at: Nanos, value: Value, of: u32) {
        if value <= 0 {
            return;
        }
        let to = Begun { at, value: units(value), of };
        let Some(from) = self.newest else {
            self.newest = Some(to);
            return;
        };
        let passed = at.saturating_sub(from.at);
        if passed < self.step {
            return;
        }
        self.newest = Some(to);
        if from.of == of {
            self.count(seconds(passed), libm::log(to.value / from.value));
        }
    }

    /// A move of the logarithm, and the seconds that it took.
    fn count(&mut self, passed: f64, moved: f64) {
        let keep = libm::exp(-passed / self.decay_s);
        self.sum = keep * self.sum + (1.0 - keep) * moved * moved / passed;
        self.weights = keep * self.weights + (1.0 - keep);
        self.squares = keep * keep * self.squares + (1.0 - keep) * (1.0 - keep);
    }

    /// Variance of the logarithm a second; `None` until nine tenths of the weights are had, or as
    /// much as 20 moves that count alike.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        let moves = self.weights * self.weights / self.squares;
        (self.weights >= ENOUGH || moves > MOVES_ENOUGH - ROUNDING).then(|| self.sum / self.weights)
    }

    /// Whole units a root second, at the newest value; `None` as [`Volatility::variance`].
    #[must_use]
    pub fn sigma(&self) -> Option<f64> {
        Some(self.newest?.value * libm::sqrt(self.variance()?))
    }

    /// Standard deviation of the estimate, as a part of it: by how many moves it effectively
    /// rests on. 1 before the first move.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        if self.squares > 0.0 { libm::sqrt(self.squares / 2.0) / self.weights } else { 1.0 }
    }

    /// The time of the newest tick that was taken.
    #[must_use]
    pub const fn newest(&self) -> Option<Nanos> {
        match self.newest {
            Some(from) => Some(from.at),
            None => None,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a time to weigh by")]
fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}
