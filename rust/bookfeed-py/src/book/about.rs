//! What a book is of, and whether it may be believed.

use super::BookView;
use crate::errors::engine_error;
use bookfeed_core::engine::present;
use bookfeed_core::metrics::Terms;
use pyo3::prelude::*;
use std::collections::BTreeMap;

#[pymethods]
impl BookView {
    /// Number of the instrument in its engine, the same as in records.
    #[getter]
    fn instrument(&self) -> u32 {
        self.number
    }

    /// The same book as the other side of its contract, for example the NO of a YES.
    ///
    /// Bids stand at the payout less the asks, asks at the payout less the bids; sizes, state
    /// and evidence are the same. It is a view as well and costs no copy, whatever the depth.
    /// The complement's complement is the book as it is. Raises ``EngineError`` if the
    /// instrument pays nothing out.
    #[getter]
    fn complement(&self, py: Python<'_>) -> PyResult<Self> {
        let terms = self.read(py, |seen| match seen.about.payout {
            _ if self.terms.is_turned() => Ok(Terms::OWN),
            Some(payout) => Ok(Terms::turned(payout)),
            None => {
                let (venue, symbol) = (seen.about.venue.name(), &seen.about.symbol);
                Err(engine_error(format!("{venue} {symbol} has no payout, so it has no complement")))
            }
        })??;
        Ok(self.in_terms(py, terms))
    }

    /// Whether this is the other side of the instrument's contract (see ``complement``).
    #[getter]
    fn is_complement(&self) -> bool {
        self.terms.is_turned()
    }

    /// The hole in its numbered stream that the book was last lost to: the number that was
    /// due, and the one that came. ``None`` if there was none since it was last whole.
    #[getter]
    fn gap(&self, py: Python<'_>) -> PyResult<Option<(u64, u64)>> {
        self.read(py, |seen| seen.book.rare.gap)
    }

    /// The venue's number of the newest update in the book; ``None`` where the venue does not
    /// number the updates of each book, and before the first.
    #[getter]
    fn update_id(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.read(py, |seen| seen.book.rare.stitch.book_id())
    }

    /// The venue's id of the event that the market belongs to, or ``None``.
    #[getter]
    fn event(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |seen| seen.about.event.as_deref().map(str::to_owned))
    }

    /// When the market opens, Unix nanoseconds, or ``None`` if that is not known.
    #[getter]
    fn open_ts(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| seen.about.hours.open)
    }

    /// When the market closes, Unix nanoseconds, or ``None`` if that is not known.
    #[getter]
    fn close_ts(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| seen.about.hours.close)
    }

    /// Whether the market can be traded in at ``ts`` (Unix nanoseconds): ``"open"``,
    /// ``"before_open"``, ``"paused"`` by the venue, ``"closed"``, or ``"unknown"`` after news was
    /// lost.
    fn trading(&self, py: Python<'_>, ts: i64) -> PyResult<&'static str> {
        self.read(py, |seen| seen.about.status(ts).name())
    }

    /// Name of the venue, as in ``VENUES`` and the configuration.
    #[getter]
    fn venue(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |seen| seen.about.venue.name())
    }

    /// The venue's own string for the book.
    #[getter]
    fn symbol(&self, py: Python<'_>) -> PyResult<String> {
        self.read(py, |seen| seen.about.symbol.to_string())
    }

    /// The venue's id of the market that this is an outcome of, or ``None`` if it is not
    /// known.
    #[getter]
    fn market(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |seen| seen.about.market.as_deref().map(str::to_owned))
    }

    /// The outcome in words, such as ``"Yes"``, or ``None`` if none was given.
    #[getter]
    fn outcome(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |seen| seen.about.outcome.as_deref().map(str::to_owned))
    }

    /// What a share and its complement pay out together, in 1e-9; ``None`` where nothing is
    /// paid out, as on spot venues.
    #[getter]
    fn payout_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| seen.about.payout)
    }

    /// The currency that is traded, such as ``"BTC"``; ``None`` where shares are.
    #[getter]
    fn base(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |seen| seen.about.base.as_deref().map(str::to_owned))
    }

    /// The currency it is priced in, such as ``"USDT"``, or ``None`` if that was not stated.
    /// One currency is never taken for another.
    #[getter]
    fn quote(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.read(py, |seen| seen.about.quote.as_deref().map(str::to_owned))
    }

    /// Whether the book may be believed: one of ``STATES``. Only ``"live"`` says yes;
    /// ``"live_poll"`` says that it was so at ``ts_evidence``.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |seen| seen.book.shown_state().name())
    }

    /// Why it is in that state: one of ``CAUSES``; ``docs/states.md`` explains each.
    #[getter]
    fn cause(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |seen| seen.book.shown_cause().name())
    }

    /// Whether the book may be believed. The same as ``state == "live"``.
    #[getter]
    fn live(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |seen| seen.book.believable())
    }

    /// Whether nothing streams the book, and it is as the venue told it when it was last
    /// asked, at ``ts_evidence``. The same as ``state == "live_poll"``.
    #[getter]
    fn polled(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |seen| seen.book.polled())
    }

    /// Whether the venue's own hash or checksum vouches for the book exactly as it stands.
    /// ``False`` where the venue gives neither, and after every change until it is checked.
    #[getter]
    fn verified(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |seen| seen.book.verified())
    }

    /// Number of the unbroken run the book is in; grows whenever it is recovered, 0 before the
    /// first whole book.
    #[getter]
    fn epoch(&self, py: Python<'_>) -> PyResult<u32> {
        self.read(py, |seen| seen.book.epoch)
    }

    /// The venue's time of the newest message applied, Unix nanoseconds, or ``None``.
    #[getter]
    fn ts_event(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| present(seen.book.ts_event))
    }

    /// When the newest message applied was received, Unix nanoseconds, or ``None``.
    #[getter]
    fn ts_recv(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| present(seen.book.ts_recv))
    }

    /// When the newest evidence for the book was received, Unix nanoseconds, or ``None``. It
    /// may be newer than the book: a numbered stream proves its quiet books as well.
    #[getter]
    fn ts_evidence(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| present(seen.ts_evidence()))
    }

    /// What is thought of how long the book has said nothing, at the newest ``advance``: one of
    /// ``FRESHNESS``. ``"fresh"``, it spoke lately; ``"quiet"``, it never says much, or a witness
    /// vouched for its silence; ``"suspect"``, by its own rhythm it should have spoken, and nobody
    /// has vouched, or it falls behind (``delay_grows``); ``"frozen"``, a witness knows of changes
    /// that its stream kept back; ``"none"``, there is nothing to be heard. None is a state.
    #[getter]
    fn freshness(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |seen| seen.freshness().name())
    }

    /// Whether what is said of the book is later and later, and not so of its connection: it
    /// waits somewhere where its siblings do not. Judged where messages bear times, at ``advance``.
    #[getter]
    fn delay_grows(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |seen| seen.falls_behind())
    }

    /// How often each kind of evidence spoke for or against the book since it was subscribed.
    #[getter]
    fn evidence(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, u64>> {
        self.read(py, |seen| seen.book.evidence.iter().collect())
    }

    /// Smallest step between two prices, in 1e-9, or ``None`` if it is not known.
    #[getter]
    fn tick_size_e9(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.read(py, |seen| seen.about.tick())
    }
}
