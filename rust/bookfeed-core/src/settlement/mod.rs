//! What a window settles at: its opening and closing values by its market's own rule, and how
//! much of them is known.
//!
//! A window has two boundaries and a [`Measure`] for each: the mean of samples that end there, the
//! tick stamped with that very time, or the last trade before it. Ticks come in any order, late
//! and more than once; one that is missing is said to be missing, never made up. Comparisons are
//! exact: values are whole numbers of 1e-18, the finest that a reference states.
//!
//! | family | opening, closing | tie |
//! |---|---|---|
//! | mean of 60 on an index | [`Measure::Mean`] | yes |
//! | 60-second mean that the venue relays | what is relayed ([`Window::decide`]), else [`Measure::Mean`] | yes |
//! | hourly candle | [`Measure::First`], [`Measure::Last`] | yes |
//! | noon to noon | [`Measure::Last`] twice | half each |
//!
//! ```
//! use bookfeed_core::settlement::{Measure, Outcome, Rule, Tie, VALUE_ONE, Window};
//! use bookfeed_core::time::SECOND;
//!
//! let rule = Rule { opening: Measure::Tick, closing: Measure::Tick, tie: Tie::Yes };
//! let mut window = Window::new(0, 300 * SECOND, rule).unwrap();
//! window.tick(0, 84_000 * VALUE_ONE);
//! assert_eq!((window.strike(), window.outcome()), (Some(84_000 * VALUE_ONE), Outcome::Open));
//! window.tick(300 * SECOND, 84_000 * VALUE_ONE);
//! assert_eq!(window.outcome(), Outcome::Yes);
//! ```

#![allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "variances are floats; what settles is compared in integers"
)]

mod mean;
mod reading;
mod window;

pub use mean::{Ahead, Endpoints, Mean, Sampling};
pub use reading::{Measure, Reading};
pub use window::{BadWindow, Outcome, Rule, Tie, Window};

use crate::fixed::{PRICE_ONE, Price};
use crate::time::{Nanos, SECOND};

/// A value of a reference, in units of 1e-18.
pub type Value = i128;

/// One whole unit as a [`Value`].
pub const VALUE_ONE: Value = 1_000_000_000_000_000_000;
/// Largest magnitude of a value: sums of as many as a mean has fit 128 bits.
pub(crate) const VALUE_MAX: Value = 1_000_000_000_000 * VALUE_ONE;

/// A price as a value of a reference.
pub(crate) fn price_value(price: Price) -> Value {
    Value::from(price) * (VALUE_ONE / Value::from(PRICE_ONE))
}

/// A value and the time it is stamped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The venue's time of it.
    pub at: Nanos,
    /// The value, 1e-18.
    pub value: Value,
}

impl Tick {
    /// Whether it can be reckoned with: a tick beyond all sense is none.
    pub(crate) fn is_sound(self) -> bool {
        self.at >= 0 && self.value.unsigned_abs() <= VALUE_MAX.unsigned_abs()
    }
}

/// What a tick of a reference was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Which constituents are in it, a bit for the place of each; none of a value that is told.
    pub of: u32,
    /// How old the newest evidence was for the book of each of them, for the oldest one.
    pub age: Nanos,
}

/// Nanoseconds as seconds.
#[allow(clippy::cast_precision_loss, reason = "a time for a variance")]
fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}

/// A part of a difference, for values that are estimated.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "an estimate")]
fn part(of: Value, factor: f64) -> Value {
    libm::round(of as f64 * factor) as Value
}
