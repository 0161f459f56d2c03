//! `subscribe(market, …)`: a `bookfeed.Market`, read attribute by attribute.

use super::{Engine, venue_by_name};
use crate::errors::engine_error;
use bookfeed_core::engine::Listing;
use bookfeed_core::instrument::Hours;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a market says of each of its books.
struct Terms {
    venue: String,
    market: String,
    tick_size: Option<String>,
    min_order_size: Option<String>,
    event: Option<String>,
    hours: Hours,
    fee: Option<String>,
    hints: Option<&'static str>,
    base: Option<String>,
    quote: Option<String>,
    depth: Option<u32>,
}

impl Terms {
    #[allow(clippy::disallowed_methods, reason = "a fee is stated by its venue's own class")]
    fn read(market: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = |name: &str| market.getattr(name)?.extract::<Option<String>>();
        let time = |name: &str| market.getattr(name)?.extract::<Option<i64>>();
        let fee = market.getattr("fee")?;
        Ok(Self {
            venue: market.getattr("venue")?.extract()?,
            market: market.getattr("market")?.extract()?,
            tick_size: text("tick_size")?,
            min_order_size: text("min_order_size")?,
            event: text("event")?,
            hours: Hours { open: time("open_ts")?, close: time("close_ts")? },
            fee: if fee.is_none() { None } else { Some(fee.call_method0("text")?.extract()?) },
            hints: market
                .getattr("neg_risk")?
                .extract::<Option<bool>>()?
                .map(|neg_risk| if neg_risk { "neg_risk=true" } else { "neg_risk=false" }),
            base: text("base")?,
            quote: text("quote")?,
            depth: market.getattr("depth")?.extract()?,
        })
    }

    fn listing<'a>(&'a self, outcome: &'a str) -> Listing<'a> {
        Listing {
            market: Some(&*self.market).filter(|market| !market.is_empty()),
            outcome: Some(outcome),
            tick_size: self.tick_size.as_deref(),
            min_order_size: self.min_order_size.as_deref(),
            event: self.event.as_deref(),
            hours: self.hours,
            fee: self.fee.as_deref(),
            hints: self.hints,
            base: self.base.as_deref(),
            quote: self.quote.as_deref(),
            depth: self.depth,
        }
    }
}

impl Engine {
    /// Subscribes every outcome of a market; instruments by symbol.
    pub(super) fn subscribe_market<'py>(
        &mut self,
        market: &Bound<'py, PyAny>,
        conn: u32,
        ts: i64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = market.py();
        let Ok(outcomes) = market.getattr("outcomes") else {
            let kind = market.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "subscribe() takes a bookfeed.Market or the name of a venue, not {kind}"
            )));
        };
        let terms = Terms::read(market)?;
        let venue = venue_by_name(&terms.venue)?;
        let dict = PyDict::new(py);
        for outcome in outcomes.try_iter()? {
            let outcome = outcome?;
            let name: String = outcome.getattr("name")?.extract()?;
            let symbol: String = outcome.getattr("symbol")?.extract()?;
            let listing = terms.listing(&name);
            let id = self
                .guarded(ts, |e| e.subscribe(venue, &symbol, conn, &listing, ts))?
                .map_err(engine_error)?;
            dict.set_item(symbol, self.number_of(id))?;
        }
        Ok(dict)
    }
}
