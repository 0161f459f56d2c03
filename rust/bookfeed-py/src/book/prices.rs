//! The touch, what is computed from it, and the last trade. `docs/metrics.md` defines each.

use super::BookView;
use bookfeed_core::event::{Aggressor, Side};
use bookfeed_core::metrics::{self, price_f64, qty_f64};
use pyo3::prelude::*;

#[pymethods]
impl BookView {
    /// Best bid; ``None`` without one, or if the book may not be believed.
    #[getter]
    fn bid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(price_f64(i128::from(book.best_price(Side::Bid)?))))
    }

    /// Best ask; ``None`` without one, or if the book may not be believed.
    #[getter]
    fn ask(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(price_f64(i128::from(book.best_price(Side::Ask)?))))
    }

    /// Size at the best bid; ``None`` as ``bid``.
    #[getter]
    fn bid_qty(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(qty_f64(i128::from(book.best(Side::Bid)?.1))))
    }

    /// Size at the best ask; ``None`` as ``ask``.
    #[getter]
    fn ask_qty(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(qty_f64(i128::from(book.best(Side::Ask)?.1))))
    }

    /// Best bid in 1e-9, exactly; ``None`` as ``bid``.
    #[getter]
    fn bid_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best_price(Side::Bid))
    }

    /// Best ask in 1e-9, exactly; ``None`` as ``ask``.
    #[getter]
    fn ask_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best_price(Side::Ask))
    }

    /// Size at the best bid in 1e-8, exactly; ``None`` as ``bid``.
    #[getter]
    fn bid_qty_e8(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best(Side::Bid).map(|b| b.1))
    }

    /// Size at the best ask in 1e-8, exactly; ``None`` as ``ask``.
    #[getter]
    fn ask_qty_e8(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best(Side::Ask).map(|b| b.1))
    }

    /// Best ask less best bid; 0 where they are equal. ``None`` if a side is empty, if they
    /// cross, or if the book may not be believed.
    #[getter]
    fn spread(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(book.touch()?.spread_f64()))
    }

    /// The spread in basis points of the mid: ``10_000 * (ask - bid) / mid``. ``None`` as
    /// ``spread``, and where the mid is 0.
    #[getter]
    fn spread_bps(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(book.touch()?.spread_bps()?.value_f64()))
    }

    /// ``(bid + ask) / 2``; ``None`` as ``spread``.
    #[getter]
    fn mid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(book.touch()?.mid_f64()))
    }

    /// ``(ask * bid_qty + bid * ask_qty) / (bid_qty + ask_qty)``: a large bid pulls it towards
    /// the ask. Often called micro-price. ``None`` as ``spread``.
    #[getter]
    fn weighted_mid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| book.touch()?.weighted_mid_f64())
    }

    /// Price of the newest trade, whatever the book's state; ``None`` before the first.
    #[getter]
    fn last_price(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.read(py, |seen| {
            let last = seen.trades()?.last()?;
            Some(price_f64(i128::from(self.terms.price(last.price))))
        })
    }

    /// Size of the newest trade; ``None`` before the first.
    #[getter]
    fn last_qty(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.read(py, |seen| Some(qty_f64(i128::from(seen.trades()?.last()?.qty))))
    }

    /// Who crossed the spread in the newest trade, ``"buy"`` or ``"sell"``; ``None`` before
    /// the first, and where the venue does not say.
    #[getter]
    fn last_aggressor(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        self.read(py, |seen| {
            let aggressor = seen.trades()?.last()?.aggressor?;
            Some(match self.terms.aggressor(aggressor) {
                Aggressor::Buy => "buy",
                Aggressor::Sell => "sell",
            })
        })
    }

    /// ``(bids - asks) / (bids + asks)`` of the sizes of the best ``levels`` of each side, -1
    /// to 1.
    ///
    /// ``None`` without a touch, for 0 levels, where a side is not known for so many levels,
    /// and if the book may not be believed. A side that has fewer levels counts those it has.
    #[pyo3(signature = (levels = 1))]
    fn imbalance(&self, py: Python<'_>, levels: usize) -> PyResult<Option<f64>> {
        self.believe(py, |book| {
            let (bids, asks) = (book.levels(Side::Bid), book.levels(Side::Ask));
            let imbalance = metrics::imbalance(bids, asks, levels)?;
            (!imbalance.truncated).then(|| imbalance.ratio.value_f64())
        })
    }
}
