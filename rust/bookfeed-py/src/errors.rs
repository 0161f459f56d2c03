//! The error tree's Rust half; `bookfeed.errors` shows all of it.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::fmt::Display;

create_exception!(
    bookfeed,
    BookfeedError,
    PyException,
    "Root of every error that bookfeed raises on purpose."
);
create_exception!(
    bookfeed,
    EngineError,
    BookfeedError,
    "A call that the engine cannot carry out; the message says why."
);
create_exception!(
    bookfeed,
    DecimalError,
    BookfeedError,
    "A text or number that is not a plain decimal within range."
);
create_exception!(bookfeed, JournalError, BookfeedError, "A journal that cannot be written or read.");

/// Adds the exceptions to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("BookfeedError", py.get_type::<BookfeedError>())?;
    module.add("EngineError", py.get_type::<EngineError>())?;
    module.add("DecimalError", py.get_type::<DecimalError>())?;
    module.add("JournalError", py.get_type::<JournalError>())
}

/// An `EngineError` saying `message`.
#[cold]
pub fn engine_error(message: impl Display) -> PyErr {
    EngineError::new_err(message.to_string())
}

/// A `DecimalError` saying `message`.
#[cold]
pub fn decimal_error(message: impl Display) -> PyErr {
    DecimalError::new_err(message.to_string())
}

/// A `JournalError` saying `message`.
#[cold]
pub fn journal_error(message: impl Display) -> PyErr {
    JournalError::new_err(message.to_string())
}
