//! Polarity: whether two contracts said to be on one event move together, or are opposites.
//!
//! Sides stated the wrong way round turn every price into a huge and false edge, and their
//! prices add up to one. A pair has to have been seen to agree before it may disagree much.

use super::{Subject, View};
use crate::book::Touch;
use crate::fixed::{PRICE_ONE, Price};

/// How much better one explanation must be for a reading to count, in doubled prices.
const MARGIN: Price = PRICE_ONE / 10;
/// Bound of a score, so that what was long ago can be outvoted.
const SCORE_MAX: i8 = 32;
/// At this score or below, a pair has agreed often enough to be trusted.
const TRUSTED: i8 = -8;

/// What the touches of a box's two books say at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// 1 where they look like opposites, -1 where they agree, 0 where neither is clear.
    vote: i8,
    /// Whether being opposites explains them better at all.
    leans_to_inverse: bool,
}

/// Readings of a pair, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score(i8);

impl Score {
    /// Takes in a reading.
    pub fn take(&mut self, reading: Reading) {
        self.0 = (self.0 + reading.vote).clamp(-SCORE_MAX, SCORE_MAX);
    }

    /// Whether a pair with this past that now reads like this may be the wrong way round.
    #[must_use]
    pub fn suspects(self, reading: Reading) -> bool {
        reading.leans_to_inverse && self.0 > TRUSTED
    }
}

impl Reading {
    /// Reads a bundle of two legs, one of which is the opposite of what the pair claims;
    /// `None` unless both books may be believed and have both sides.
    #[must_use]
    pub fn of(subject: &Subject, view: &View) -> Option<Self> {
        let [a, b] = &*subject.legs else { return None };
        let doubled_mid = |leg: &super::LegRef| {
            let book = view.books.get(leg.instrument as usize).filter(|book| book.believable())?;
            let Touch { bid, ask, .. } = book.touch;
            book.touch.both()?;
            Some(if leg.complement { 2 * PRICE_ONE - bid - ask } else { bid + ask })
        };
        let (a, b) = (doubled_mid(a)?, doubled_mid(b)?);
        let (same, inverse) = ((a + b - 2 * PRICE_ONE).abs(), (a - b).abs());
        let vote = if same - inverse > MARGIN {
            1
        } else if inverse - same > MARGIN {
            -1
        } else {
            0
        };
        Some(Self { vote, leans_to_inverse: inverse < same })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGREES: Reading = Reading { vote: -1, leans_to_inverse: false };
    const OPPOSES: Reading = Reading { vote: 1, leans_to_inverse: true };
    const UNCLEAR: Reading = Reading { vote: 0, leans_to_inverse: true };

    #[test]
    fn trust_is_earned_before_it_may_be_strained() {
        let mut score = Score::default();
        assert!(score.suspects(OPPOSES) && score.suspects(UNCLEAR) && !score.suspects(AGREES));
        for _ in 0..7 {
            score.take(AGREES);
        }
        assert!(score.suspects(OPPOSES), "seven are not enough");
        score.take(AGREES);
        assert!(!score.suspects(OPPOSES) && !score.suspects(UNCLEAR));
        score.take(OPPOSES);
        assert!(score.suspects(OPPOSES), "and it can be lost");
    }

    #[test]
    fn the_past_is_outvoted_in_the_end() {
        let mut score = Score::default();
        for _ in 0..1_000 {
            score.take(OPPOSES);
        }
        for _ in 0..i32::from(SCORE_MAX - TRUSTED) {
            assert!(score.suspects(OPPOSES));
            score.take(AGREES);
        }
        assert!(!score.suspects(OPPOSES));
    }
}
