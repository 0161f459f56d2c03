//! A book as a reader looks at it: in its own terms, or as the other side of its contract.
//! Nothing is copied: a price is turned round when it is read.

use super::{Levels, Quote};
use crate::book::Book;
use crate::book::side::BookSide;
use crate::event::{Aggressor, Side};
use crate::fixed::{Price, Qty};

/// In whose terms a book is read. A contract that pays out `p` has another side, which pays
/// what the first does not: to bid `x` for one is to ask `p - x` for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the contract pays, if the book is read as the other side of it.
    payout: Option<Price>,
}

impl Terms {
    /// The book as it is.
    pub const OWN: Self = Self { payout: None };

    /// The other side of a contract that pays out `payout` (1e-9).
    #[inline]
    #[must_use]
    pub const fn turned(payout: Price) -> Self {
        Self { payout: Some(payout) }
    }

    /// What the contract pays (1e-9), if these are the terms of its other side.
    #[inline]
    #[must_use]
    pub const fn payout(self) -> Option<Price> {
        self.payout
    }

    /// Whether these are the terms of the other side.
    #[inline]
    #[must_use]
    pub const fn is_turned(self) -> bool {
        self.payout.is_some()
    }

    /// A price of the book in these terms; and back, because turning twice changes nothing.
    #[inline]
    #[must_use]
    pub const fn price(self, price: Price) -> Price {
        match self.payout {
            Some(payout) => payout - price,
            None => price,
        }
    }

    /// The side of the book that is `side` in these terms; and back.
    #[inline]
    #[must_use]
    pub const fn side(self, side: Side) -> Side {
        match (side, self.payout) {
            (side, None) => side,
            (Side::Bid, Some(_)) => Side::Ask,
            (Side::Ask, Some(_)) => Side::Bid,
        }
    }

    /// Who crossed the spread, in these terms: to buy one side is to sell the other.
    #[inline]
    #[must_use]
    pub const fn aggressor(self, aggressor: Aggressor) -> Aggressor {
        match (aggressor, self.payout) {
            (aggressor, None) => aggressor,
            (Aggressor::Buy, Some(_)) => Aggressor::Sell,
            (Aggressor::Sell, Some(_)) => Aggressor::Buy,
        }
    }
}

/// A book read in certain terms. Prices are told in them, and sides are theirs.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    book: &'a Book,
    terms: Terms,
}

impl<'a> View<'a> {
    /// `book` read in `terms`.
    #[inline]
    #[must_use]
    pub const fn new(book: &'a Book, terms: Terms) -> Self {
        Self { book, terms }
    }

    /// The ladder that is `side` in these terms.
    #[inline]
    fn book_side(self, side: Side) -> &'a BookSide {
        match self.terms.side(side) {
            Side::Bid => &self.book.bids,
            Side::Ask => &self.book.asks,
        }
    }

    /// One side.
    #[inline]
    #[must_use]
    pub fn levels(self, side: Side) -> Levels<'a> {
        let own = self.terms.side(side);
        let levels = Levels::new(own, self.book_side(side).levels());
        levels.known_to(self.book.depth_known(own)).in_terms(self.terms)
    }

    /// Price and quantity of the best level of `side`.
    #[inline]
    #[must_use]
    pub fn best(self, side: Side) -> Option<(Price, Qty)> {
        self.book_side(side).best().map(|(price, qty)| (self.terms.price(price), qty))
    }

    /// Price of the best level of `side`.
    #[inline]
    #[must_use]
    pub fn best_price(self, side: Side) -> Option<Price> {
        self.best(side).map(|(price, _)| price)
    }

    /// Both best levels, if there are both and they do not cross.
    #[inline]
    #[must_use]
    pub fn touch(self) -> Option<Quote> {
        Quote::new(self.best(Side::Bid), self.best(Side::Ask)).ok()
    }
}
