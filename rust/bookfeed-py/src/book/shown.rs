//! A book as people and programs look at it: a line, a table, a dictionary.

use super::{BookView, Seen};
use bookfeed_core::engine::present;
use bookfeed_core::event::Side;
use bookfeed_core::fixed::{PRICE_DECIMALS, QTY_DECIMALS, format_decimal};
use bookfeed_core::metrics::{price_f64, qty_f64};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::fmt::Write;

/// Levels a side that a notebook shows.
const HTML_LEVELS: usize = 10;

#[pymethods]
impl BookView {
    /// The book as a dictionary of plain values, for JSON and the like.
    ///
    /// ``bids`` and ``asks`` list at most ``depth`` levels each (all of them if ``None``),
    /// best first, as ``[price, size]`` in floats, whatever the book's state, which is beside
    /// them in ``state``, ``cause``, ``live`` and ``polled``. ``bid``, ``ask``, their sizes,
    /// ``spread`` and ``mid`` are ``None`` unless one of the two is true. Times are Unix
    /// nanoseconds or ``None``.
    #[pyo3(signature = (depth = None))]
    fn to_dict<'py>(&self, py: Python<'py>, depth: Option<usize>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        self.read(py, |seen| self.fill_dict(&dict, seen, depth))??;
        Ok(dict)
    }

    /// The ladder as an HTML table, for notebooks.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        self.read(py, |seen| self.html(seen))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<BookView {}>", self.line(py)?))
    }
}

impl BookView {
    /// Whose book it is, its state and its touch.
    pub(super) fn line(&self, py: Python<'_>) -> PyResult<String> {
        self.read(py, |seen| {
            let view = self.view(seen.book);
            let price = |side| {
                view.best_price(side).map_or("-".to_owned(), |p| format_decimal(p, PRICE_DECIMALS))
            };
            let (state, cause) = (seen.book.shown_state().name(), seen.book.shown_cause().name());
            let name = self.named(seen, &seen.about.symbol);
            format!("{name} {state} ({cause}) {}/{}", price(Side::Bid), price(Side::Ask))
        })
    }

    fn fill_dict(
        &self,
        dict: &Bound<'_, PyDict>,
        seen: &Seen<'_>,
        depth: Option<usize>,
    ) -> PyResult<()> {
        let (book, about, view) = (seen.book, seen.about, self.view(seen.book));
        dict.set_item("venue", about.venue.name())?;
        dict.set_item("symbol", &*about.symbol)?;
        dict.set_item("market", about.market.as_deref())?;
        dict.set_item("outcome", about.outcome.as_deref())?;
        dict.set_item("instrument", self.number)?;
        dict.set_item("is_complement", self.terms.is_turned())?;
        dict.set_item("state", book.shown_state().name())?;
        dict.set_item("cause", book.shown_cause().name())?;
        dict.set_item("live", book.believable())?;
        dict.set_item("polled", book.polled())?;
        dict.set_item("verified", book.verified())?;
        dict.set_item("epoch", book.epoch)?;
        dict.set_item("ts_event", present(book.ts_event))?;
        dict.set_item("ts_recv", present(book.ts_recv))?;
        dict.set_item("ts_evidence", present(seen.ts_evidence()))?;
        dict.set_item("freshness", seen.freshness().name())?;
        dict.set_item("delay_grows", seen.falls_behind())?;
        let believed = Some(view).filter(|_| book.readable());
        for (price, size, side) in [("bid", "bid_qty", Side::Bid), ("ask", "ask_qty", Side::Ask)] {
            let best = believed.and_then(|view| view.best(side));
            dict.set_item(price, best.map(|level| price_f64(i128::from(level.0))))?;
            dict.set_item(size, best.map(|level| qty_f64(i128::from(level.1))))?;
        }
        let touch = believed.and_then(|view| view.touch());
        dict.set_item("spread", touch.as_ref().map(|touch| touch.spread_f64()))?;
        dict.set_item("mid", touch.as_ref().map(|touch| touch.mid_f64()))?;
        for (name, side) in [("bids", Side::Bid), ("asks", Side::Ask)] {
            let levels = view.levels(side).best_first().take(depth.unwrap_or(usize::MAX));
            let rows: Vec<_> =
                levels.map(|(p, q)| [price_f64(i128::from(p)), qty_f64(i128::from(q))]).collect();
            dict.set_item(name, rows)?;
        }
        Ok(())
    }

    /// Venue and `name`, and whether it is the other side of the contract or a moment of the
    /// past.
    fn named(&self, seen: &Seen<'_>, name: &str) -> String {
        let complement = if self.terms.is_turned() { "complement of " } else { "" };
        let frozen = if self.frozen.is_some() { "frozen " } else { "" };
        format!("{frozen}{complement}{} {name}", seen.about.venue.name())
    }

    /// A ladder as an HTML table: asks above bids, the touch in the middle. Symbols are the
    /// venue's text and are escaped.
    fn html(&self, seen: &Seen<'_>) -> String {
        let (book, view) = (seen.book, self.view(seen.book));
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let mut out = String::from("<table><caption>");
        let name = self.named(seen, seen.about.outcome.as_deref().unwrap_or(&seen.about.symbol));
        let (state, cause) = (book.shown_state().name(), book.shown_cause().name());
        let _ = write!(out, "{}: {state} ({cause}), epoch {}", escape(&name), book.epoch);
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
}
