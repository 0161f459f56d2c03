//! Latency histograms for Python.

use bookfeed_core::latency;
use pyo3::prelude::*;

/// Counts of nanosecond durations.
#[pyclass(module = "bookfeed._bookfeed")]
#[derive(Default)]
pub struct Histogram {
    pub(crate) inner: latency::Histogram,
}

#[pymethods]
impl Histogram {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn record(&mut self, value_ns: i64) {
        self.inner.record(value_ns);
    }

    fn percentile(&self, p: f64) -> Option<u64> {
        self.inner.percentile(p)
    }

    #[getter]
    fn count(&self) -> u64 {
        self.inner.count()
    }

    #[getter]
    fn negative(&self) -> u64 {
        self.inner.negative()
    }

    #[getter]
    fn min(&self) -> Option<u64> {
        self.inner.min()
    }

    #[getter]
    fn max(&self) -> Option<u64> {
        self.inner.max()
    }

    #[getter]
    fn mean(&self) -> Option<f64> {
        self.inner.mean_f64()
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}
