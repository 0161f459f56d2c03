//! A book that a calculation over several books reads: a view's, or levels that were given.

use crate::book::{BookView, HeldBook};
use crate::index::SpotBook;
use bookfeed_core::book::side::Ladder;
use bookfeed_core::consolidated::Part;
use bookfeed_core::event::Side;
use bookfeed_core::metrics::{Levels, Terms, View};
use pyo3::prelude::*;

/// Where the levels of a book are.
pub enum Source<'py> {
    /// In an engine, read in the terms of a view.
    View(HeldBook<'py>, Terms),
    /// In Python's hands.
    Levels(PyRef<'py, SpotBook>),
}

impl<'py> Source<'py> {
    /// The book of a `BookView` or a `SpotBook`.
    pub fn of(book: &Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(match book.cast::<BookView>() {
            Ok(view) => Self::View(HeldBook::of(view)?, view.get().terms()),
            Err(_) => Self::Levels(book.cast::<SpotBook>()?.try_borrow()?),
        })
    }

    /// Both sides; `None` of a book that may not be believed.
    pub fn part(&self) -> Option<Part<'_>> {
        match self {
            Self::View(held, terms) => {
                let view = View::new(held.book().filter(|book| book.believable())?, *terms);
                Some(Part { bids: view.levels(Side::Bid), asks: view.levels(Side::Ask) })
            }
            Self::Levels(spot) => {
                let sound = spot.bids.iter().chain(&spot.asks).all(|l| l.price >= 0 && l.qty > 0);
                let levels = |side, levels| Levels::new(side, Ladder::of(levels));
                (spot.believed && sound).then(|| Part {
                    bids: levels(Side::Bid, &spot.bids),
                    asks: levels(Side::Ask, &spot.asks),
                })
            }
        }
    }
}
