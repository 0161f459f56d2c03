//! Answers a book gives: named results, exact integers beside their nearest doubles.

use bookfeed_core::metrics::{self, Sweep};
use bookfeed_core::trades;
use pyo3::prelude::*;

/// What sweeping one side of a book would execute.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Fill {
    pub(crate) sweep: Sweep,
    pub(crate) touch: Option<metrics::Quote>,
}

#[pymethods]
impl Fill {
    #[getter]
    fn complete(&self) -> bool {
        self.sweep.complete
    }

    #[getter]
    fn truncated(&self) -> bool {
        self.sweep.truncated
    }

    #[getter]
    fn qty(&self) -> f64 {
        self.sweep.qty_f64()
    }

    #[getter]
    fn qty_e8(&self) -> i64 {
        self.sweep.filled_qty
    }

    #[getter]
    fn avg_price(&self) -> f64 {
        self.sweep.avg_price_f64()
    }

    #[getter]
    fn worst_price(&self) -> f64 {
        metrics::price_f64(i128::from(self.sweep.worst_price))
    }

    #[getter]
    fn worst_price_e9(&self) -> i64 {
        self.sweep.worst_price
    }

    #[getter]
    fn notional(&self) -> f64 {
        self.sweep.notional_f64()
    }

    #[getter]
    fn notional_e17(&self) -> i128 {
        self.sweep.notional
    }

    #[getter]
    fn levels(&self) -> u32 {
        self.sweep.levels
    }

    #[getter]
    fn slippage_bps(&self) -> Option<f64> {
        Some(self.sweep.slippage_vs_mid_bps(self.touch.as_ref()?)?.value_f64())
    }

    #[getter]
    fn slippage_touch_bps(&self) -> Option<f64> {
        self.sweep.slippage_vs_touch_bps().map(metrics::Ratio::value_f64)
    }

    fn __repr__(&self) -> String {
        format!(
            "Fill(qty={}, avg_price={}, worst_price={}, complete={}{})",
            self.qty(),
            self.avg_price(),
            self.worst_price(),
            if self.sweep.complete { "True" } else { "False" },
            if self.sweep.truncated { ", truncated=True" } else { "" },
        )
    }
}

/// Cumulative size of one side.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Depth {
    pub(crate) inner: metrics::Depth,
}

#[pymethods]
impl Depth {
    #[getter]
    fn qty(&self) -> f64 {
        self.inner.qty_f64()
    }

    #[getter]
    fn notional(&self) -> f64 {
        self.inner.notional_f64()
    }

    #[getter]
    fn levels(&self) -> u32 {
        self.inner.levels
    }

    #[getter]
    fn truncated(&self) -> bool {
        self.inner.truncated
    }
}

/// Trades of a time window.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct TradeWindow {
    pub(crate) inner: trades::TradeWindow,
}

#[pymethods]
impl TradeWindow {
    #[getter]
    fn count(&self) -> usize {
        self.inner.count
    }

    #[getter]
    fn vwap(&self) -> Option<f64> {
        self.inner.vwap_f64()
    }

    #[getter]
    fn volume(&self) -> f64 {
        self.inner.volume_f64()
    }

    #[getter]
    fn signed_flow(&self) -> f64 {
        self.inner.signed_flow_f64()
    }

    #[getter]
    fn truncated(&self) -> bool {
        self.inner.truncated
    }
}
