//! How far a witness is trusted: what its answers were, against the stream they were held to.
//!
//! A witness can be stale, cached or a ghost itself. One that was so lately is asked once more
//! before what it says costs a book its state.

use crate::time::Nanos;

/// So many strikes, less what agreed since, make a witness doubtful.
const DOUBTFUL: u32 = 3;
/// A bad past is forgotten after so many agreements, however long it was.
const STRIKES_MAX: u32 = 6;

/// What an answer about a live book was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The same book.
    Agreed,
    /// Another one, as new as ours.
    Differed,
    /// Older than ours: from a cache, or late.
    Older,
    /// Next to nothing, where the live book has prices.
    Ghost,
    /// It differed, and the stream went on without our book being wrong.
    Refuted,
}

/// The answers of one witness, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// How often each [`Answer`] was given, in their order.
    counts: [u64; 5],
    strikes: u32,
}

impl Reputation {
    /// What [`Self::counts`] counts.
    pub const NAMES: [&'static str; 5] = ["agreed", "differed", "older", "ghosts", "refuted"];

    /// Takes an answer in.
    pub fn take(&mut self, answer: Answer) {
        self.counts[answer as usize] += 1;
        match answer {
            Answer::Agreed => self.strikes = self.strikes.saturating_sub(1),
            Answer::Differed => {}
            Answer::Older | Answer::Ghost | Answer::Refuted => {
                self.strikes = (self.strikes + 1).min(STRIKES_MAX);
            }
        }
    }

    /// How often each kind of answer was given, in the order of [`Self::NAMES`].
    #[must_use]
    pub const fn counts(&self) -> [u64; 5] {
        self.counts
    }

    /// Whether it was wrong so often of late that it is asked twice.
    #[must_use]
    pub const fn doubtful(&self) -> bool {
        self.strikes >= DOUBTFUL
    }
}

/// Answers in a row that accuse a book, while nothing newer was said of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accusation {
    /// How many.
    answers: u32,
    /// Venue time, or number, of the book they were about.
    of: i64,
    /// Receive time until which the stream had to answer the last of them, if that is not over.
    pub until: Option<Nanos>,
}

impl Accusation {
    /// One more of the book as it stands at `of`; how many there are by now.
    pub const fn take(&mut self, of: i64) -> u32 {
        if self.of != of {
            self.answers = 0;
        }
        (self.answers, self.of) = (self.answers + 1, of);
        self.answers
    }

    /// The book is cleared, or convicted.
    pub const fn end(&mut self) {
        self.answers = 0;
    }

    /// Whether the book as it stands at `of` is accused.
    #[must_use]
    pub const fn stands(&self, of: i64) -> bool {
        self.answers > 0 && self.of == of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_that_was_wrong_three_times_is_doubtful_until_it_agrees() {
        let mut witness = Reputation::default();
        for answer in [Answer::Older, Answer::Ghost, Answer::Differed] {
            witness.take(answer);
            assert!(!witness.doubtful(), "{answer:?}");
        }
        witness.take(Answer::Refuted);
        assert!(witness.doubtful());
        witness.take(Answer::Agreed);
        assert!(!witness.doubtful());
        for _ in 0..1_000 {
            witness.take(Answer::Older);
        }
        for _ in 0..4 {
            assert!(witness.doubtful());
            witness.take(Answer::Agreed);
        }
        assert!(!witness.doubtful(), "a bad past is not for ever");
        assert_eq!(witness.counts(), [5, 1, 1_001, 1, 1]);
    }

    #[test]
    fn what_accuses_a_book_is_void_when_the_book_moves_on() {
        let mut accused = Accusation::default();
        assert!(!accused.stands(0));
        assert_eq!((accused.take(7), accused.take(7), accused.take(9)), (1, 2, 1));
        assert!(accused.stands(9) && !accused.stands(7));
        accused.end();
        assert!(!accused.stands(9));
        assert_eq!(accused.take(9), 1);
    }
}
