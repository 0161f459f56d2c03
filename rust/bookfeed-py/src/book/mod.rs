//! `BookView`: an instrument's book as it stands now, or as it stood when it was frozen.
//!
//! Questions are answered only by a book that may be believed; its levels can always be looked
//! at, with the state beside them. The other side of a contract is the same book, read in other
//! terms.

mod about;
mod freeze;
mod held;
mod prices;
mod renamed;
mod shown;
mod trust;
mod walk;

use crate::engine::Engine;
use crate::errors::engine_error;
use bookfeed_core::book::Book;
use bookfeed_core::engine as core;
use bookfeed_core::event::Side;
use bookfeed_core::instrument::{Instrument, InstrumentId};
use bookfeed_core::metrics::{Terms, View};
use bookfeed_core::sequence::rhythm::Freshness;
use bookfeed_core::time::Nanos;
use bookfeed_core::trades::TradeTape;
use freeze::Frozen;
pub use held::HeldBook;
use pyo3::prelude::*;
use std::sync::Arc;
pub use trust::{Refused, Untrusted};
pub(crate) use walk::taken_by;

/// One book: a live view, of which every property reads the engine's current state, or a
/// frozen copy of one moment.
///
/// Prices are in the money of the market (USD a share for contracts), quantities in shares or
/// in the base currency. Names ending in ``_e9`` and ``_e8`` are the exact integers of 1e-9
/// and 1e-8; those without are the nearest floats. Times are Unix nanoseconds.
///
/// The touch, the metrics and the fills are ``None`` unless the book may be believed
/// (``live``), or was so when it was last polled (``polled``). Levels, trades, ``state`` and
/// ``cause`` are always there. Every read raises ``EngineError`` if the engine no longer has
/// the book. Views come from ``Engine.book()`` and ``Feed.book()``.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct BookView {
    engine: Py<Engine>,
    /// Where its instrument stands, as long as the one that stands there has this number.
    id: InstrumentId,
    number: u32,
    /// Whether the book is read as it is, or as the other side of the contract.
    terms: Terms,
    /// The moment it is about, unless that is now.
    frozen: Option<Arc<Frozen>>,
}

/// What a question is asked of.
struct Seen<'a> {
    book: &'a Book,
    about: &'a Instrument,
    when: When<'a>,
}

enum When<'a> {
    Now(&'a core::Engine, InstrumentId),
    Then(&'a Frozen),
}

impl<'a> Seen<'a> {
    fn trades(&self) -> Option<&'a TradeTape> {
        match self.when {
            When::Now(engine, id) => engine.trades(id),
            When::Then(frozen) => Some(&frozen.trades),
        }
    }

    fn ts_evidence(&self) -> Nanos {
        match self.when {
            When::Now(engine, id) => engine.ts_evidence(id),
            When::Then(frozen) => frozen.ts_evidence,
        }
    }

    fn freshness(&self) -> Freshness {
        match self.when {
            When::Now(engine, id) => engine.freshness(id),
            When::Then(frozen) => frozen.freshness,
        }
    }

    fn falls_behind(&self) -> bool {
        match self.when {
            When::Now(engine, id) => engine.falls_behind(id),
            When::Then(frozen) => frozen.falls_behind,
        }
    }
}

/// The side called `name`.
pub(crate) fn side_by_name(name: &str) -> PyResult<Side> {
    match name {
        "bid" => Ok(Side::Bid),
        "ask" => Ok(Side::Ask),
        _ => Err(engine_error(format!("side must be \"bid\" or \"ask\", not {name:?}"))),
    }
}

impl BookView {
    /// In whose terms it is read.
    pub(crate) const fn terms(&self) -> Terms {
        self.terms
    }

    pub(crate) fn new(engine: Py<Engine>, id: InstrumentId, number: u32) -> Self {
        Self { engine, id, number, terms: Terms::OWN, frozen: None }
    }

    /// The book, unless the engine has let go of it.
    #[inline]
    fn held<'a>(&self, inner: &'a core::Engine) -> Option<&'a Book> {
        inner.book(self.id).filter(|book| book.number == self.number)
    }

    fn no_instrument(&self) -> PyErr {
        engine_error(core::EngineError::NoInstrument(self.number))
    }

    /// The same book at the same moment, in other terms.
    fn in_terms(&self, py: Python<'_>, terms: Terms) -> Self {
        let (id, number, frozen) = (self.id, self.number, self.frozen.clone());
        Self { engine: self.engine.clone_ref(py), id, number, terms, frozen }
    }

    /// Reads the book, whatever its state.
    #[inline]
    fn read<R>(&self, py: Python<'_>, question: impl FnOnce(&Seen<'_>) -> R) -> PyResult<R> {
        if let Some(frozen) = self.frozen.as_deref() {
            let (book, about) = (&frozen.book, &frozen.about);
            return Ok(question(&Seen { book, about, when: When::Then(frozen) }));
        }
        let engine = self.engine.bind(py).try_borrow()?;
        let inner = &engine.inner;
        match (self.held(inner), inner.instruments().at(self.id)) {
            (Some(book), Some(about)) => {
                Ok(question(&Seen { book, about, when: When::Now(inner, self.id) }))
            }
            _ => Err(self.no_instrument()),
        }
    }

    /// Asks the book if its prices may be looked at.
    #[inline]
    fn believe<R>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(View<'_>) -> Option<R>,
    ) -> PyResult<Option<R>> {
        if let Some(frozen) = self.frozen.as_deref() {
            let book = Some(&frozen.book).filter(|book| book.readable());
            return Ok(book.and_then(|book| question(self.view(book))));
        }
        let engine = self.engine.bind(py).try_borrow()?;
        let book = self.held(&engine.inner).filter(|book| book.readable());
        Ok(book.and_then(|book| question(self.view(book))))
    }

    /// The book in the view's terms.
    #[inline]
    fn view<'a>(&self, book: &'a Book) -> View<'a> {
        View::new(book, self.terms)
    }
}
