//! How a market's book answers when its reference moves: whether one is waited for, and how long
//! they take.
//!
//! A move is one of several deviations of the reference within some time. The book has answered it
//! when its mid has come half of the way to what the contract was worth when the move was seen.

use super::{Volatility, units};
use crate::book::Touch;
use crate::fixed::Price;
use crate::settlement::Tick;
use crate::time::{Nanos, SECOND};
use std::collections::VecDeque;

/// After so long nobody waits for an answer any more.
const GIVEN_UP: Nanos = 60 * SECOND;
/// The newest answers, of which the half-life is said.
const ANSWERS_KEPT: usize = 64;

/// When a reference has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moves {
    /// Within what time.
    pub within: Nanos,
    /// By how many deviations of that time.
    sigmas: f64,
}

impl Moves {
    /// Moves by so many millionths of a deviation.
    #[must_use]
    pub fn of_ppm(within: Nanos, sigmas: u32) -> Self {
        Self { within, sigmas: f64::from(sigmas) / 1e6 }
    }

    /// Whether a reference went up from one tick to another, or down; `None` if it did not move, or
    /// its volatility is not known.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a time, as seconds")]
    pub fn between(self, from: Tick, to: Tick, volatility: &Volatility) -> Option<bool> {
        let passed = to.at.saturating_sub(from.at) as f64 / SECOND as f64;
        let moved = units(to.value - from.value);
        let far = self.sigmas * volatility.sigma()? * libm::sqrt(passed.max(0.0));
        (libm::fabs(moved) >= far && moved != 0.0).then_some(moved > 0.0)
    }
}

/// A move that a book has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The tick by which it was seen.
    pub since: Nanos,
    /// How long it has been waited for, by the newest tick.
    pub waited: Nanos,
    /// Whether the contract became worth more.
    pub up: bool,
    /// Four times the mid from which on it is answered.
    halfway: i64,
}

/// Twice the mid of a book.
fn mid(touch: &Touch) -> Option<i64> {
    touch.both().map(|(bid, ask)| bid + ask)
}

impl Waiting {
    /// Whether a book with such a touch has still not answered.
    #[must_use]
    pub fn stands(&self, touch: &Touch) -> bool {
        mid(touch)
            .is_some_and(|mid| if self.up { 2 * mid < self.halfway } else { 2 * mid > self.halfway })
    }
}

/// How the book of one contract answers.
#[derive(Clone, Debug, Default)]
pub struct Answering {
    waiting: Option<Waiting>,
    moves: u64,
    took: VecDeque<Nanos>,
}

impl Answering {
    /// The move that is not answered yet.
    #[must_use]
    pub const fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// How many moves were seen so far.
    #[must_use]
    pub const fn moves(&self) -> u64 {
        self.moves
    }

    /// The median of the newest answers, from tick to tick; `None` before the first.
    #[must_use]
    pub fn half_life(&self) -> Option<Nanos> {
        let mut took: Vec<_> = self.took.iter().copied().collect();
        took.sort_unstable();
        took.get(took.len() / 2).copied()
    }

    /// The reference has ticked: whether it has `moved` so that the contract is worth more, or less;
    /// what it is worth now; and the touch of its book, if that may be believed.
    pub fn tick(
        &mut self,
        at: Nanos,
        moved: impl FnOnce(bool) -> bool,
        fair: Option<Price>,
        touch: Option<&Touch>,
    ) {
        let (Some(fair), Some(touch)) = (fair, touch) else { return self.waiting = None };
        let Some(mid) = mid(touch) else { return self.waiting = None };
        let beyond = |up| if up { 2 * fair > mid } else { 2 * fair < mid };
        if let Some(mut waiting) = self.waiting.take() {
            waiting.waited = at.saturating_sub(waiting.since);
            if !waiting.stands(touch) {
                if self.took.len() == ANSWERS_KEPT {
                    self.took.pop_front();
                }
                self.took.push_back(waiting.waited);
            } else if waiting.waited <= GIVEN_UP && beyond(waiting.up) {
                self.waiting = Some(waiting);
            }
            return;
        }
        let up = beyond(true);
        if (up || beyond(false)) && moved(up) {
            self.moves += 1;
            self.waiting = Some(Waiting { since: at, waited: 0, up, halfway: mid + 2 * fair });
        }
    }
}
