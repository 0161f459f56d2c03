//! A copy of a book that does not change.

use super::{BookView, When};
use bookfeed_core::book::Book;
use bookfeed_core::instrument::Instrument;
use bookfeed_core::sequence::rhythm::Freshness;
use bookfeed_core::time::Nanos;
use bookfeed_core::trades::TradeTape;
use pyo3::prelude::*;
use std::sync::Arc;

/// Everything a book was asked about, as it was at one moment.
pub struct Frozen {
    pub(super) book: Book,
    pub(super) about: Instrument,
    pub(super) trades: TradeTape,
    pub(super) ts_evidence: Nanos,
    pub(super) freshness: Freshness,
    pub(super) falls_behind: bool,
    /// The engine's newest time then.
    pub(super) now: Nanos,
}

#[pymethods]
impl BookView {
    /// A copy of the book as it stands, which does not change any more: the same class, with
    /// every metric, level, trade window, state and age of this moment. ``frozen`` is true.
    ///
    /// It copies all levels and the trades that are remembered; a frozen book is its own copy.
    fn freeze(&self, py: Python<'_>) -> PyResult<Self> {
        if self.frozen.is_some() {
            return Ok(self.in_terms(py, self.terms));
        }
        let now = self.engine.bind(py).try_borrow()?.now();
        let frozen = self.read(py, |seen| Frozen {
            book: seen.book.clone(),
            about: seen.about.clone(),
            trades: seen.trades().cloned().unwrap_or_default(),
            ts_evidence: seen.ts_evidence(),
            freshness: seen.freshness(),
            falls_behind: seen.falls_behind(),
            now: match seen.when {
                When::Now(..) => now,
                When::Then(frozen) => frozen.now,
            },
        })?;
        Ok(Self { frozen: Some(Arc::new(frozen)), ..self.in_terms(py, self.terms) })
    }

    /// Whether this is a copy of one moment (see ``freeze``); a live view reads the book of
    /// now.
    #[getter]
    fn frozen(&self) -> bool {
        self.frozen.is_some()
    }
}
