//! Answers a book gives: named results, exact integers beside their nearest doubles.

use bookfeed_core::fees::Usd;
use bookfeed_core::metrics::{self, Sweep};
use bookfeed_core::trades;
use pyo3::prelude::*;

/// What sweeping one side of a book would execute; made by ``BookView.sweep``. All but ``fee``
/// is before fees.
///
/// Where it is not ``complete``, the rest is not in the book; or, where it is ``truncated``
/// too, the book is not known so deep.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Fill {
    pub(crate) sweep: Sweep,
    pub(crate) touch: Option<metrics::Quote>,
    pub(crate) fee: Option<Usd>,
}

#[pymethods]
impl Fill {
    /// Whether the book holds all that was asked for.
    #[getter]
    fn complete(&self) -> bool {
        self.sweep.complete
    }

    /// Whether knowledge of the side ends before all was had (see ``BookView.depth_known``).
    #[getter]
    fn truncated(&self) -> bool {
        self.sweep.truncated
    }

    /// Quantity that would execute.
    #[getter]
    fn qty(&self) -> f64 {
        self.sweep.qty_f64()
    }

    /// Quantity that would execute, in 1e-8, exactly.
    #[getter]
    fn qty_e8(&self) -> i64 {
        self.sweep.filled_qty
    }

    /// Average price: ``notional / qty``.
    #[getter]
    fn avg_price(&self) -> f64 {
        self.sweep.avg_price_f64()
    }

    /// Price of the last level used.
    #[getter]
    fn worst_price(&self) -> f64 {
        metrics::price_f64(i128::from(self.sweep.worst_price))
    }

    /// Price of the last level used, in 1e-9, exactly.
    #[getter]
    fn worst_price_e9(&self) -> i64 {
        self.sweep.worst_price
    }

    /// Money that changes hands: the sum of price times quantity over the levels used.
    #[getter]
    fn notional(&self) -> f64 {
        self.sweep.notional_f64()
    }

    /// The notional in 1e-17, exactly; it may need more than 64 bits.
    #[getter]
    fn notional_e17(&self) -> i128 {
        self.sweep.notional
    }

    /// What the venue charges a taker for it, in dollars. ``None`` where the fees are not known,
    /// or are of a type that cannot be computed.
    #[getter]
    fn fee(&self) -> Option<f64> {
        // Dollars are counted in the units of prices.
        self.fee.map(|fee| metrics::price_f64(i128::from(fee)))
    }

    /// The fee in 1e-9 dollars, exactly; ``None`` as ``fee``.
    #[getter]
    fn fee_e9(&self) -> Option<i64> {
        self.fee
    }

    /// How many levels it uses.
    #[getter]
    fn levels(&self) -> u32 {
        self.sweep.levels
    }

    /// How much worse than the mid the average price is, in basis points of the mid; negative
    /// if it is better. ``None`` without a touch, and where the mid is 0.
    #[getter]
    fn slippage_bps(&self) -> Option<f64> {
        Some(self.sweep.slippage_vs_mid_bps(self.touch.as_ref()?)?.value_f64())
    }

    /// How much worse than the best price of the side swept the average price is, in basis
    /// points of that price. ``None`` where it is 0.
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

/// What stands on the best levels of one side, or on those inside a band around the mid.
///
/// Where ``truncated``, levels that belong here may be missing: the book is not known so deep.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Depth {
    pub(crate) inner: metrics::Depth,
}

#[pymethods]
impl Depth {
    /// Sum of the sizes.
    #[getter]
    fn qty(&self) -> f64 {
        self.inner.qty_f64()
    }

    /// Sum of price times size.
    #[getter]
    fn notional(&self) -> f64 {
        self.inner.notional_f64()
    }

    /// How many levels were counted.
    #[getter]
    fn levels(&self) -> u32 {
        self.inner.levels
    }

    /// Whether levels that belong here may be missing, because the book is not known so deep.
    #[getter]
    fn truncated(&self) -> bool {
        self.inner.truncated
    }
}

/// The trades of a window of time before the newest message about a book, by receive time.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct TradeWindow {
    pub(crate) inner: trades::TradeWindow,
}

#[pymethods]
impl TradeWindow {
    /// How many trades.
    #[getter]
    fn count(&self) -> usize {
        self.inner.count
    }

    /// Average price weighted by size, ``sum(price * qty) / sum(qty)``; ``None`` without a
    /// trade.
    #[getter]
    fn vwap(&self) -> Option<f64> {
        self.inner.vwap_f64()
    }

    /// Sum of the sizes.
    #[getter]
    fn volume(&self) -> f64 {
        self.inner.volume_f64()
    }

    /// Sum of the sizes, those of sellers who crossed the spread subtracted; trades whose
    /// aggressor is not known count 0.
    #[getter]
    fn signed_flow(&self) -> f64 {
        self.inner.signed_flow_f64()
    }

    /// Whether older trades of the window are not remembered any more; the sums lack them.
    #[getter]
    fn truncated(&self) -> bool {
        self.inner.truncated
    }
}
