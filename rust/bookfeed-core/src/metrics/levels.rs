//! One side of a book, borrowed: its levels in the terms of whoever asks, and how far they
//! are known.

use super::Terms;
use crate::book::side::Ladder;
use crate::event::Side;
use crate::fixed::{Price, Qty};

/// One side of a book, borrowed. Prices are not negative and quantities are positive.
#[derive(Clone, Copy, Debug)]
pub struct Levels<'a> {
    side: Side,
    /// As the book holds them; `terms` says how they are read.
    levels: Ladder<'a>,
    terms: Terms,
    known_end: Option<Price>,
}

impl<'a> Levels<'a> {
    /// The levels of `side`, all of which are known.
    #[inline]
    #[must_use]
    pub fn new(side: Side, levels: impl Into<Ladder<'a>>) -> Self {
        Self { side, levels: levels.into(), terms: Terms::OWN, known_end: None }
    }

    /// The same side of a book that is known up to and including the price `end`, in whole if
    /// that is `None`.
    #[inline]
    #[must_use]
    pub const fn known_to(self, end: Option<Price>) -> Self {
        Self { known_end: end, ..self }
    }

    /// The same levels in other terms: those of [`Terms::turned`] make bids of asks.
    #[inline]
    pub(super) fn in_terms(self, terms: Terms) -> Self {
        let known_end = self.known_end.map(|end| terms.price(end));
        Self { side: terms.side(self.side), levels: self.levels, terms, known_end }
    }

    /// Which side of the book this is.
    #[inline]
    #[must_use]
    pub const fn side(self) -> Side {
        self.side
    }

    /// Number of levels.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.levels.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.levels.is_empty()
    }

    /// Price and quantity of the best level.
    #[inline]
    #[must_use]
    pub fn best(self) -> Option<(Price, Qty)> {
        self.levels.best().map(|l| (self.terms.price(l.price), l.qty))
    }

    /// Takes the best level off and returns its price and quantity; `None` if there is none.
    #[inline]
    pub fn pop_best(&mut self) -> Option<(Price, Qty)> {
        self.levels.pop_best().map(|l| (self.terms.price(l.price), l.qty))
    }

    /// Price and quantity of each level, the best first, those included that lie beyond what
    /// is known in full.
    #[inline]
    pub fn best_first(self) -> impl ExactSizeIterator<Item = (Price, Qty)> {
        self.levels.best_first().map(move |l| (self.terms.price(l.price), l.qty))
    }

    /// Price up to which the side is known, `None` if all of it is.
    #[inline]
    #[must_use]
    pub const fn known_end(self) -> Option<Price> {
        self.known_end
    }

    /// Whether there may be levels that are not known.
    #[inline]
    pub(super) const fn is_cut_off(self) -> bool {
        self.known_end.is_some()
    }

    /// The levels that no unknown one can precede. Those beyond are in the book because they
    /// changed lately; their neighbours that did not are missing.
    #[inline]
    pub(super) fn known(self) -> Self {
        let Some(end) = self.known_end else { return self };
        Self { levels: self.levels.without_worst(self.count_worse(end)), ..self }
    }

    /// Quantity of the best `count` levels.
    #[inline]
    pub(super) fn qty_of_best(self, count: usize) -> i128 {
        let best = self.levels.without_worst(self.len().saturating_sub(count));
        best.best_first().map(|level| i128::from(level.qty)).sum()
    }

    /// Number of levels worse than `price`.
    #[inline]
    pub(super) fn count_worse(self, price: Price) -> usize {
        let price = self.terms.price(price);
        match self.terms.side(self.side) {
            Side::Bid => self.levels.count_worse(price, |a, b| a < b),
            Side::Ask => self.levels.count_worse(price, |a, b| a > b),
        }
    }
}
