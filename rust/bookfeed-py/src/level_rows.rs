//! Rows of the best levels of books, for tables.

use crate::engine::Engine;
use bookfeed_core::level_rows;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The best ``depth`` levels a side of an engine's books as rows of int64.
///
/// A row is ``5 + 4 * depth`` numbers: time, instrument, epoch, places in ``STATES`` and
/// ``CAUSES``; then for each level price and size of the bid, price and size of the ask,
/// ``ABSENT`` where there is none, or none is known of. There is one where a book differs from
/// the row before it.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct LevelRows {
    inner: level_rows::LevelRows,
}

#[pymethods]
impl LevelRows {
    #[new]
    fn new(depth: usize) -> Self {
        Self { inner: level_rows::LevelRows::new(depth) }
    }

    /// Notes which books the packed updates of a batch are about.
    fn note(&mut self, update_bytes: &[u8]) {
        self.inner.note(update_bytes);
    }

    /// Rows of the books that were noted, as they are now; ``ts`` is their time.
    fn look(&mut self, engine: &Engine, ts: i64) {
        self.inner.look(&engine.inner, ts);
    }

    /// The same for the books that updates are about which wait in the engine and were not
    /// looked at; ``drained`` has to be told once they were handed over.
    fn look_waiting(&mut self, engine: &mut Engine, ts: i64) {
        self.inner.note_waiting(&mut engine.inner);
        self.inner.look(&engine.inner, ts);
    }

    /// No update waits in the engine any more.
    fn drained(&mut self) {
        self.inner.drained();
    }

    /// How many rows have come together.
    fn __len__(&self) -> usize {
        self.inner.rows().len() / self.inner.width()
    }

    /// Hands the rows over, packed.
    fn take<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes: Vec<u8> = self.inner.rows().iter().flat_map(|n| n.to_ne_bytes()).collect();
        self.inner.clear();
        PyBytes::new(py, &bytes)
    }
}
