//! A book that a calculation over several books holds on to while it reads them all.

use super::BookView;
use super::freeze::Frozen;
use crate::engine::Engine;
use bookfeed_core::book::Book;
use bookfeed_core::instrument::InstrumentId;
use bookfeed_core::time::Nanos;
use pyo3::prelude::*;
use std::sync::Arc;

/// The book of a view, borrowed.
pub enum HeldBook<'py> {
    /// Of now; its engine takes nothing meanwhile.
    Now(PyRef<'py, Engine>, InstrumentId, u32),
    /// Of a moment.
    Then(Arc<Frozen>),
}

impl<'py> HeldBook<'py> {
    /// The book of a view.
    pub fn of(view: &Bound<'py, BookView>) -> PyResult<Self> {
        let (py, view) = (view.py(), view.get());
        Ok(match &view.frozen {
            Some(frozen) => Self::Then(frozen.clone()),
            None => Self::Now(view.engine.bind(py).try_borrow()?, view.id, view.number),
        })
    }

    /// The book; `None` if the engine has let go of it.
    pub fn book(&self) -> Option<&Book> {
        match self {
            Self::Now(engine, id, number) => {
                engine.inner.book(*id).filter(|book| book.number == *number)
            }
            Self::Then(frozen) => Some(&frozen.book),
        }
    }

    /// When the venue last vouched for it.
    pub fn ts_evidence(&self) -> Nanos {
        match self {
            Self::Now(engine, id, _) => engine.inner.ts_evidence(*id),
            Self::Then(frozen) => frozen.ts_evidence,
        }
    }
}
