//! Latency histograms for Python.

use bookfeed_core::latency;
use pyo3::prelude::*;

/// Counts of durations in nanoseconds, in log-linear buckets.
///
/// A percentile is never below the true value and at most 1/64 above it. Negative durations
/// are counted apart, in ``negative``, and enter no other statistic: receivers' clocks may be
/// behind.
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

    /// Counts one duration in nanoseconds.
    fn record(&mut self, value_ns: i64) {
        self.inner.record(value_ns);
    }

    /// The duration that ``p`` percent do not exceed, in nanoseconds: 0 is the minimum, 100
    /// the maximum. ``None`` while empty, and for a ``p`` that is not from 0 to 100.
    fn percentile(&self, p: f64) -> Option<u64> {
        self.inner.percentile(p)
    }

    /// For each of ``bounds_ns``, in ascending order, how many durations are below it. Exact for
    /// powers of two; of others those within 1/64 below may be missing.
    #[expect(clippy::needless_pass_by_value, reason = "it comes from Python")]
    fn below(&self, bounds_ns: Vec<u64>) -> Vec<u64> {
        self.inner.below(&bounds_ns)
    }

    /// How many durations were counted; negative ones are not.
    #[getter]
    fn count(&self) -> u64 {
        self.inner.count()
    }

    /// How many durations were negative.
    #[getter]
    fn negative(&self) -> u64 {
        self.inner.negative()
    }

    /// The shortest, exactly, in nanoseconds; ``None`` while empty.
    #[getter]
    fn min(&self) -> Option<u64> {
        self.inner.min()
    }

    /// The longest, exactly, in nanoseconds; ``None`` while empty.
    #[getter]
    fn max(&self) -> Option<u64> {
        self.inner.max()
    }

    /// The mean, in nanoseconds; ``None`` while empty.
    #[getter]
    fn mean(&self) -> Option<f64> {
        self.inner.mean_f64()
    }

    /// Forgets everything.
    fn reset(&mut self) {
        self.inner.reset();
    }
}
