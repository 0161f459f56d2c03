//! `BookView`: an instrument's book as it stands now. Questions are answered only by a book
//! that may be believed; its levels can always be looked at, with the state beside them. The
//! other side of a contract is the same book, read in other terms.

use crate::batch::frombuffer;
use crate::engine::Engine;
use crate::errors::{decimal_error, engine_error};
use crate::numbers::qty_of;
use crate::values::{Depth, Fill, TradeWindow};
use bookfeed_core::book::Book;
use bookfeed_core::engine::{self as core, present};
use bookfeed_core::event::{Aggressor, Side};
use bookfeed_core::fixed::{PRICE_DECIMALS, PRICE_ONE, Price, QTY_DECIMALS, Qty, format_decimal};
use bookfeed_core::instrument::{Instrument, InstrumentId};
use bookfeed_core::metrics::{self, Terms, View, price_f64, qty_f64};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use std::fmt::Write;

static FLOAT64: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static INT64: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Levels a side that a notebook shows.
const HTML_LEVELS: usize = 10;

/// A live view of one instrument's book.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct BookView {
    engine: Py<Engine>,
    id: InstrumentId,
    /// Whether the book is read as it is, or as the other side of the contract.
    terms: Terms,
}

fn side_by_name(name: &str) -> PyResult<Side> {
    match name {
        "bid" => Ok(Side::Bid),
        "ask" => Ok(Side::Ask),
        _ => Err(engine_error(format!("side must be bid or ask, not {name:?}"))),
    }
}

impl BookView {
    pub(crate) fn new(engine: Py<Engine>, id: InstrumentId) -> Self {
        Self { engine, id, terms: Terms::OWN }
    }

    /// Reads the book, whatever its state.
    #[inline]
    fn read<R>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&core::Engine, &Book, &Instrument) -> R,
    ) -> PyResult<R> {
        let engine = self.engine.bind(py).try_borrow()?;
        let inner = &engine.inner;
        match (inner.book(self.id), inner.instruments().at(self.id)) {
            (Some(book), Some(about)) => Ok(question(inner, book, about)),
            _ => Err(engine_error(core::EngineError::NoInstrument(self.id))),
        }
    }

    /// Asks the book if it may be believed.
    #[inline]
    fn believe<R>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(View<'_>) -> Option<R>,
    ) -> PyResult<Option<R>> {
        let engine = self.engine.bind(py).try_borrow()?;
        let book = engine.inner.book(self.id).filter(|book| book.believable());
        Ok(book.and_then(|book| question(self.view(book))))
    }

    /// The book in the view's terms.
    #[inline]
    fn view<'a>(&self, book: &'a Book) -> View<'a> {
        View::new(book, self.terms)
    }

    /// Reads one side, level by level from the best one on, whatever the book's state.
    fn list<R>(
        &self,
        py: Python<'_>,
        side: &str,
        depth: Option<usize>,
        read: impl FnMut((Price, Qty)) -> R,
    ) -> PyResult<Vec<R>> {
        let side = side_by_name(side)?;
        self.read(py, |_, book, _| {
            let levels = self.view(book).levels(side).best_first();
            levels.take(depth.unwrap_or(usize::MAX)).map(read).collect()
        })
    }

    fn sweep(&self, py: Python<'_>, side: Side, qty: &Bound<'_, PyAny>) -> PyResult<Option<Fill>> {
        let qty = qty_of(qty)?;
        self.believe(py, |book| {
            let sweep = book.levels(side).sweep_qty(qty)?;
            Some(Fill { sweep, touch: book.touch() })
        })
    }

    fn sweep_notional(
        &self,
        py: Python<'_>,
        side: Side,
        notional: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Fill>> {
        // Users give dollars with the precision of a size; the walk counts in 1e-17.
        let notional = i128::from(qty_of(notional)?) * i128::from(PRICE_ONE);
        self.believe(py, |book| {
            let sweep = book.levels(side).sweep_notional(notional)?;
            Some(Fill { sweep, touch: book.touch() })
        })
    }
}

#[pymethods]
impl BookView {
    #[getter]
    fn instrument(&self) -> InstrumentId {
        self.id
    }

    #[getter]
    fn complement(&self, py: Python<'_>) -> PyResult<Self> {
        let terms = self.read(py, |_, _, about| match about.payout {
            _ if self.terms.is_turned() => Ok(Terms::OWN),
            Some(payout) => Ok(Terms::turned(payout)),
            None => {
                let (venue, symbol) = (about.venue.name(), &about.symbol);
                Err(engine_error(format!("{venue} {symbol} has no payout, so it has no complement")))
            }
        })??;
        Ok(Self { engine: self.engine.clone_ref(py), id: self.id, terms })
    }

    #[getter]
    fn is_complement(&self) -> bool {
        self.terms.is_turned()
    }

    #[getter]
    fn gap(&self, py: Python<'_>) -> PyResult<Option<(u64, u64)>> {
        self.read(py, |_, book, _| book.rare.gap)
    }

    #[getter]
    fn update_id(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.read(py, |_, book, _| book.rare.stitch.book_id())
    }

    #[getter]
    fn event(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |_, _, about| about.event.as_deref().map(str::to_owned))
    }

    #[getter]
    fn open_ts(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |_, _, about| about.hours.open)
    }

    #[getter]
    fn close_ts(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |_, _, about| about.hours.close)
    }

    fn trading(&self, py: Python<'_>, ts: i64) -> PyResult<&'static str> {
        self.read(py, |_, _, about| about.status(ts).name())
    }

    #[getter]
    fn venue(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |_, _, about| about.venue.name())
    }

    #[getter]
    fn symbol(&self, py: Python<'_>) -> PyResult<String> {
        self.read(py, |_, _, about| about.symbol.to_string())
    }

    #[getter]
    fn market(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |_, _, about| about.market.as_deref().map(str::to_owned))
    }

    #[getter]
    fn payout_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |_, _, about| about.payout)
    }

    #[getter]
    fn base(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |_, _, about| about.base.as_deref().map(str::to_owned))
    }

    #[getter]
    fn quote(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |_, _, about| about.quote.as_deref().map(str::to_owned))
    }

    #[getter]
    fn outcome(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |_, _, about| about.outcome.as_deref().map(str::to_owned))
    }

    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |_, book, _| book.shown_state().name())
    }

    #[getter]
    fn cause(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |_, book, _| book.shown_cause().name())
    }

    #[getter]
    fn live(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |_, book, _| book.believable())
    }

    #[getter]
    fn verified(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |_, book, _| book.verified())
    }

    #[getter]
    fn epoch(&self, py: Python<'_>) -> PyResult<u32> {
        self.read(py, |_, book, _| book.epoch)
    }

    #[getter]
    fn ts_event(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |_, book, _| present(book.ts_event))
    }

    #[getter]
    fn ts_recv(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |_, book, _| present(book.ts_recv))
    }

    #[getter]
    fn ts_evidence(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |engine, _, _| present(engine.ts_evidence(self.id)))
    }

    #[getter]
    fn evidence(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, u64>> {
        self.read(py, |_, book, _| book.evidence.iter().collect())
    }

    #[getter]
    fn tick_size_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |_, _, about| about.tick())
    }

    #[getter]
    fn bid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(price_f64(i128::from(book.best_price(Side::Bid)?))))
    }

    #[getter]
    fn ask(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(price_f64(i128::from(book.best_price(Side::Ask)?))))
    }

    #[getter]
    fn bid_qty(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(qty_f64(i128::from(book.best(Side::Bid)?.1))))
    }

    #[getter]
    fn ask_qty(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(qty_f64(i128::from(book.best(Side::Ask)?.1))))
    }

    #[getter]
    fn bid_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best_price(Side::Bid))
    }

    #[getter]
    fn ask_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best_price(Side::Ask))
    }

    #[getter]
    fn bid_qty_e8(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best(Side::Bid).map(|b| b.1))
    }

    #[getter]
    fn ask_qty_e8(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.believe(py, |book| book.best(Side::Ask).map(|b| b.1))
    }

    #[getter]
    fn spread(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(book.touch()?.spread_f64()))
    }

    #[getter]
    fn spread_bps(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(book.touch()?.spread_bps()?.value_f64()))
    }

    #[getter]
    fn mid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| Some(book.touch()?.mid_f64()))
    }

    #[getter]
    fn weighted_mid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.believe(py, |book| book.touch()?.weighted_mid_f64())
    }

    #[getter]
    fn last_price(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.read(py, |engine, _, _| {
            let last = engine.trades(self.id)?.last()?;
            Some(price_f64(i128::from(self.terms.price(last.price))))
        })
    }

    #[getter]
    fn last_qty(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.read(py, |engine, _, _| {
            let last = engine.trades(self.id)?.last()?;
            Some(qty_f64(i128::from(last.qty)))
        })
    }

    #[getter]
    fn last_aggressor(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        self.read(py, |engine, _, _| {
            let aggressor = engine.trades(self.id)?.last()?.aggressor?;
            Some(match self.terms.aggressor(aggressor) {
                Aggressor::Buy => "buy",
                Aggressor::Sell => "sell",
            })
        })
    }

    #[pyo3(signature = (levels = 1))]
    fn imbalance(&self, py: Python<'_>, levels: usize) -> PyResult<Option<f64>> {
        self.believe(py, |book| {
            let (bids, asks) = (book.levels(Side::Bid), book.levels(Side::Ask));
            let imbalance = metrics::imbalance(bids, asks, levels)?;
            (!imbalance.truncated).then(|| imbalance.ratio.value_f64())
        })
    }

    fn buy(&self, py: Python<'_>, qty: &Bound<'_, PyAny>) -> PyResult<Option<Fill>> {
        self.sweep(py, Side::Ask, qty)
    }

    fn sell(&self, py: Python<'_>, qty: &Bound<'_, PyAny>) -> PyResult<Option<Fill>> {
        self.sweep(py, Side::Bid, qty)
    }

    fn buy_notional(&self, py: Python<'_>, notional: &Bound<'_, PyAny>) -> PyResult<Option<Fill>> {
        self.sweep_notional(py, Side::Ask, notional)
    }

    fn sell_notional(&self, py: Python<'_>, notional: &Bound<'_, PyAny>) -> PyResult<Option<Fill>> {
        self.sweep_notional(py, Side::Bid, notional)
    }

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

    fn depth(&self, py: Python<'_>, side: &str, levels: usize) -> PyResult<Option<Depth>> {
        let side = side_by_name(side)?;
        self.believe(py, |book| Some(Depth { inner: book.levels(side).depth(levels) }))
    }

    /// Price of the last level of a side that is known; whatever the book's state.
    fn depth_known(&self, py: Python<'_>, side: &str) -> PyResult<Option<f64>> {
        let side = side_by_name(side)?;
        self.read(py, |_, book, _| {
            Some(price_f64(i128::from(self.view(book).levels(side).known_end()?)))
        })
    }

    /// The window ends at the newest frame received for the instrument.
    fn trades(&self, py: Python<'_>, window_ns: i64) -> PyResult<TradeWindow> {
        let inner = self.read(py, |engine, book, _| {
            let tape = engine.trades(self.id)?;
            let now = tape.last().map_or(book.ts_recv, |last| last.ts_recv.max(book.ts_recv));
            Some(tape.window(now, window_ns))
        })?;
        inner
            .map(|inner| TradeWindow { inner: inner.in_terms(self.terms) })
            .ok_or_else(|| engine_error(core::EngineError::NoInstrument(self.id)))
    }

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

    fn as_strings(&self, py: Python<'_>, side: &str) -> PyResult<Vec<[String; 2]>> {
        self.list(py, side, None, |(price, qty)| {
            [format_decimal(price, PRICE_DECIMALS), format_decimal(qty, QTY_DECIMALS)]
        })
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        self.read(py, |_, book, about| html(book, self.view(book), about))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.read(py, |_, book, about| {
            let price = |p: Option<i64>| p.map_or("-".to_owned(), |p| format_decimal(p, PRICE_DECIMALS));
            format!(
                "<BookView {} {}{} {} ({}) {}/{}>",
                about.venue.name(),
                about.symbol,
                if self.terms.is_turned() { " complement" } else { "" },
                book.shown_state().name(),
                book.shown_cause().name(),
                price(self.view(book).best_price(Side::Bid)),
                price(self.view(book).best_price(Side::Ask)),
            )
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

/// A ladder as an HTML table: asks above bids, the touch in the middle. Symbols are the
/// venue's text and are escaped.
fn html(book: &Book, view: View<'_>, about: &Instrument) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut out = String::from("<table><caption>");
    let name = about.outcome.as_deref().unwrap_or(&about.symbol);
    let (state, cause) = (book.shown_state().name(), book.shown_cause().name());
    let _ =
        write!(out, "{} {}: {state} ({cause}), epoch {}", about.venue.name(), escape(name), book.epoch);
    out.push_str("</caption><tr><th>bid size</th><th>price</th><th>ask size</th></tr>");
    let mut asks: Vec<_> = view.levels(Side::Ask).best_first().take(HTML_LEVELS).collect();
    asks.reverse();
    let (price, qty) = (|p| format_decimal(p, PRICE_DECIMALS), |q| format_decimal(q, QTY_DECIMALS));
    for (p, q) in asks {
        let _ = write!(out, "<tr><td></td><td>{}</td><td>{}</td></tr>", price(p), qty(q));
    }
    for (p, q) in view.levels(Side::Bid).best_first().take(HTML_LEVELS) {
        let _ = write!(out, "<tr><td>{}</td><td>{}</td><td></td></tr>", qty(q), price(p));
    }
    out.push_str("</table>");
    out
}
