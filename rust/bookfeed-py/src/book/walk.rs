//! What a size would cost, how much stands where, what was traded, and the levels themselves.

use super::{BookView, side_by_name};
use crate::batch::frombuffer;
use crate::durations::{duration, refuse_keywords};
use crate::errors::{decimal_error, engine_error};
use crate::numbers::qty_of;
use crate::values::{Depth, Fill, TradeWindow};
use bookfeed_core::event::Side;
use bookfeed_core::fees::Fees;
use bookfeed_core::fixed::{PRICE_DECIMALS, PRICE_ONE, Price, QTY_DECIMALS, Qty, format_decimal};
use bookfeed_core::metrics::{Levels, Sweep, price_f64, qty_f64};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

static FLOAT64: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static INT64: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The side of the book that somebody who buys or sells would take from.
pub(crate) fn taken_by(side: &str) -> PyResult<Side> {
    match side {
        "buy" => Ok(Side::Ask),
        "sell" => Ok(Side::Bid),
        _ => Err(engine_error(format!("side must be \"buy\" or \"sell\", not {side:?}"))),
    }
}

impl BookView {
    /// Reads one side, level by level from the best one on, whatever the book's state.
    fn list<R>(
        &self,
        py: Python<'_>,
        side: &str,
        depth: Option<usize>,
        read: impl FnMut((Price, Qty)) -> R,
    ) -> PyResult<Vec<R>> {
        let side = side_by_name(side)?;
        self.read(py, |seen| {
            let levels = self.view(seen.book).levels(side).best_first();
            levels.take(depth.unwrap_or(usize::MAX)).map(read).collect()
        })
    }
}

impl BookView {
    /// What taking from the book costs, as its market says; `None` if that is not known.
    pub(crate) fn taker_fees(&self, py: Python<'_>) -> Option<Fees> {
        self.read(py, |seen| seen.about.fees).unwrap_or_default()
    }

    /// What a walk along one side would execute, and its fee.
    fn fill(
        &self,
        py: Python<'_>,
        side: Side,
        walk: impl FnOnce(Levels<'_>) -> Option<Sweep>,
    ) -> PyResult<Option<Fill>> {
        let fees = self.taker_fees(py);
        self.believe(py, |book| {
            let levels = book.levels(side);
            let sweep = walk(levels)?;
            let fee = fees.as_ref().and_then(|fees| levels.taker_fee(&sweep, fees));
            Some(Fill { sweep, touch: book.touch(), fee })
        })
    }
}

#[pymethods]
impl BookView {
    /// What taking ``qty`` out of the book would execute: ``"buy"`` walks the asks, ``"sell"``
    /// the bids, best level first. Nothing is ordered, and ``Fill.fee`` stands beside the money.
    ///
    /// ``qty`` is a number, or decimal text to be exact. ``None`` if nothing would execute (no
    /// level that is known, a quantity of 0) or the book may not be believed. Raises
    /// ``DecimalError`` for a quantity that is none, ``EngineError`` for another side.
    fn sweep(&self, py: Python<'_>, side: &str, qty: &Bound<'_, PyAny>) -> PyResult<Option<Fill>> {
        let (side, qty) = (taken_by(side)?, qty_of(qty)?);
        self.fill(py, side, |levels| levels.sweep_qty(qty))
    }

    /// As ``sweep``, for at most so much money: it spends (``"buy"``) or raises (``"sell"``)
    /// never more than ``notional``, before fees.
    ///
    /// ``None`` also where the money does not buy 1e-8.
    fn sweep_notional(
        &self,
        py: Python<'_>,
        side: &str,
        notional: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Fill>> {
        // Users give dollars with the precision of a size; the walk counts in 1e-17.
        let (side, notional) = (taken_by(side)?, i128::from(qty_of(notional)?) * i128::from(PRICE_ONE));
        self.fill(py, side, |levels| levels.sweep_notional(notional))
    }

    /// What stands on ``side`` (``"bid"`` or ``"ask"``) within ``bps`` basis points of the
    /// mid, the edge included.
    ///
    /// ``None`` without a touch, or if the book may not be believed. Raises ``DecimalError``
    /// for a band that is negative or beyond 4e7.
    fn depth_within(&self, py: Python<'_>, side: &str, bps: f64) -> PyResult<Option<Depth>> {
        let side = side_by_name(side)?;
        let millionths = (bps * 100.0).round();
        if !(0.0..=f64::from(u32::MAX)).contains(&millionths) {
            return Err(decimal_error(format!("{bps}: a band must be between 0 and 4e7 basis points")));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked above
        let millionths = millionths as u32;
        self.believe(py, |book| {
            let inner = book.levels(side).depth_within(&book.touch()?, millionths);
            Some(Depth { inner })
        })
    }

    /// What stands on the best ``levels`` of ``side`` (``"bid"`` or ``"ask"``); ``None`` if
    /// the book may not be believed.
    fn depth(&self, py: Python<'_>, side: &str, levels: usize) -> PyResult<Option<Depth>> {
        let side = side_by_name(side)?;
        self.believe(py, |book| Some(Depth { inner: book.levels(side).depth(levels) }))
    }

    /// Price of the last level that knowledge of a side reaches, whatever the book's state.
    ///
    /// ``None`` if the whole side is known. ``levels`` may list levels beyond: they are there
    /// because they changed, others beside them may be missing, and no metric counts them.
    fn depth_known(&self, py: Python<'_>, side: &str) -> PyResult<Option<f64>> {
        let side = side_by_name(side)?;
        self.read(py, |seen| Some(price_f64(i128::from(self.view(seen.book).levels(side).known_end()?))))
    }

    /// The trades of the last ``window_s`` seconds (a number or a ``timedelta``) before the
    /// newest message received about the book, whatever its state.
    ///
    /// Raises ``EngineError`` for a negative window, NaN, or one of more than 366 days.
    #[pyo3(signature = (window_s = None, **renamed), text_signature = "($self, window_s)")]
    fn trades(
        &self,
        py: Python<'_>,
        window_s: Option<&Bound<'_, PyAny>>,
        renamed: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<TradeWindow> {
        refuse_keywords("BookView.trades", renamed, &[("window_ns", "window_s")])?;
        let window_s = window_s
            .ok_or_else(|| PyTypeError::new_err("trades() needs the length of the window, window_s"))?;
        let window = duration("window_s", window_s)?;
        let inner = self.read(py, |seen| {
            let tape = seen.trades()?;
            let now = tape.last().map_or(seen.book.ts_recv, |last| last.ts_recv.max(seen.book.ts_recv));
            Some(tape.window(now, window))
        })?;
        inner
            .map(|inner| TradeWindow { inner: inner.in_terms(self.terms) })
            .ok_or_else(|| self.no_instrument())
    }

    /// The levels of ``side`` (``"bid"`` or ``"ask"``), best first, at most ``depth`` of them,
    /// whatever the book's state: float64 of shape ``(n, 2)``, price and size.
    #[pyo3(signature = (side, depth = None))]
    fn levels<'py>(
        &self,
        py: Python<'py>,
        side: &str,
        depth: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let row = |(price, qty)| [price_f64(i128::from(price)), qty_f64(i128::from(qty))];
        let rows = self.list(py, side, depth, row)?;
        let bytes: Vec<u8> = rows.as_flattened().iter().flat_map(|f| f.to_ne_bytes()).collect();
        two_columns(py, &bytes, FLOAT64.import(py, "numpy", "float64")?)
    }

    /// As ``levels``, exactly: int64 of shape ``(n, 2)``, prices in 1e-9 and sizes in 1e-8.
    #[pyo3(signature = (side, depth = None))]
    fn levels_exact<'py>(
        &self,
        py: Python<'py>,
        side: &str,
        depth: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rows = self.list(py, side, depth, |(price, qty)| [price, qty])?;
        let bytes: Vec<u8> = rows.as_flattened().iter().flat_map(|n| n.to_ne_bytes()).collect();
        two_columns(py, &bytes, INT64.import(py, "numpy", "int64")?)
    }

    /// All levels of ``side``, best first, as decimal text: ``[price, size]`` each, the
    /// shortest text that is exact.
    fn as_strings(&self, py: Python<'_>, side: &str) -> PyResult<Vec<[String; 2]>> {
        self.list(py, side, None, |(price, qty)| {
            [format_decimal(price, PRICE_DECIMALS), format_decimal(qty, QTY_DECIMALS)]
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "an array of numpy's")]
fn two_columns<'py>(
    py: Python<'py>,
    bytes: &[u8],
    dtype: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyBytes::new(py, bytes);
    frombuffer(py, &bytes, dtype)?.call_method1("reshape", (-1, 2))
}
