//! What the engine says besides books: replies of the venue, holes in streams, indices, and
//! what the paper ledger made of signals.

use bookfeed_core::engine::{self as core, present};
use bookfeed_core::sequence::stream;
use bookfeed_core::signals::paper;
use pyo3::prelude::*;
use std::collections::BTreeMap;

/// A venue's reply to a command, or its word that something ends or failed. Numbers that it
/// does not state are 0, texts empty.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Notice {
    pub(crate) inner: core::Notice,
}

#[pymethods]
impl Notice {
    /// Number of the connection it came on.
    #[getter]
    fn conn(&self) -> u32 {
        self.inner.conn
    }

    /// What it is: ``"subscribed"``, ``"ok"``, ``"unsubscribed"``, ``"error"``, ``"ending"``, or
    /// ``"asks"``, which the venue does to hear whether anybody is there.
    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind.name()
    }

    /// Number of the command it answers.
    #[getter]
    fn id(&self) -> u64 {
        self.inner.id
    }

    /// The venue's number of the subscription.
    #[getter]
    fn sid(&self) -> u32 {
        self.inner.sid
    }

    /// The venue's number of the error.
    #[getter]
    fn code(&self) -> u32 {
        self.inner.code
    }

    /// Name of the channel.
    #[getter]
    fn channel(&self) -> &str {
        &self.inner.channel
    }

    /// The venue's own words.
    #[getter]
    fn text(&self) -> &str {
        &self.inner.text
    }

    /// When it was received, Unix nanoseconds.
    #[getter]
    fn ts(&self) -> i64 {
        self.inner.ts
    }

    fn __repr__(&self) -> String {
        let core::Notice { conn, id, sid, code, channel, text, .. } = &self.inner;
        format!("<Notice {} conn={conn} id={id} sid={sid} code={code} {channel}{text}>", self.kind())
    }
}

/// A hole in a numbered stream: the number that should have come, and the one that came.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Gap {
    pub(crate) inner: stream::Gap,
}

#[pymethods]
impl Gap {
    /// Number of the connection.
    #[getter]
    fn conn(&self) -> u32 {
        self.inner.conn
    }

    /// The venue's number of the stream.
    #[getter]
    fn sid(&self) -> u32 {
        self.inner.sid
    }

    /// The number that should have come.
    #[getter]
    fn expected(&self) -> u64 {
        self.inner.expected
    }

    /// The number that came.
    #[getter]
    fn got(&self) -> u64 {
        self.inner.got
    }

    /// When that was received, Unix nanoseconds.
    #[getter]
    fn ts(&self) -> i64 {
        self.inner.ts
    }

    fn __repr__(&self) -> String {
        let stream::Gap { conn, sid, expected, got, ts } = self.inner;
        format!("<Gap conn={conn} sid={sid} expected={expected} got={got} ts={ts}>")
    }
}

/// The newest value of a reference index, in dollars of 1e-9.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Index {
    pub(crate) inner: core::IndexReading,
}

#[pymethods]
impl Index {
    /// Its value, in 1e-9.
    #[getter]
    fn value_e9(&self) -> i64 {
        self.inner.value
    }

    /// The venue's time of it, Unix nanoseconds, or ``None``.
    #[getter]
    fn ts_event(&self) -> Option<i64> {
        present(self.inner.ts_event)
    }

    /// When it was received, Unix nanoseconds.
    #[getter]
    fn ts_recv(&self) -> i64 {
        self.inner.ts_recv
    }

    /// The venue's mean of the last 60 seconds, in 1e-9, or ``None`` if it states none.
    #[getter]
    fn mean_60s_e9(&self) -> Option<i64> {
        self.inner.mean_60s
    }

    /// The venue's mean that a market is going to be settled at, in 1e-9, and how many values
    /// are in it so far; ``None`` outside its window.
    #[getter]
    fn closing_mean_e9(&self) -> Option<(i64, u32)> {
        self.inner.closing_mean
    }

    fn __repr__(&self) -> String {
        format!("<Index value_e9={} ts_recv={}>", self.inner.value, self.inner.ts_recv)
    }
}

/// What an order that arrived a latency after a signal would have captured of it.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct PaperFill {
    pub(crate) inner: paper::PaperFill,
}

#[pymethods]
impl PaperFill {
    /// Id of the signal.
    #[getter]
    fn signal(&self) -> u64 {
        self.inner.signal
    }

    /// Kind of the rule, one of ``RULES``.
    #[getter]
    fn rule(&self) -> &'static str {
        self.inner.rule.name()
    }

    /// Number of the rule.
    #[getter]
    fn rule_id(&self) -> u32 {
        self.inner.rule_id
    }

    /// When the order arrived, Unix nanoseconds.
    #[getter]
    fn ts(&self) -> i64 {
        self.inner.ts
    }

    /// Size that the signal claimed, in 1e-8.
    #[getter]
    fn qty_e8(&self) -> i64 {
        self.inner.qty
    }

    /// Size that every leg still gave, in 1e-8.
    #[getter]
    fn captured_e8(&self) -> i64 {
        self.inner.captured
    }

    /// Size that one leg gave and another did not, in 1e-8.
    #[getter]
    fn unhedged_e8(&self) -> i64 {
        self.inner.unhedged
    }

    /// What the signal claimed in all, after fees, in 1e-9 USD.
    #[getter]
    fn net_claimed_e9(&self) -> i64 {
        self.inner.net_claimed
    }

    /// What the captured size came to, after fees, in 1e-9 USD.
    #[getter]
    fn net_captured_e9(&self) -> i64 {
        self.inner.net_captured
    }

    fn __repr__(&self) -> String {
        let paper::PaperFill { signal, qty, captured, .. } = self.inner;
        format!("<PaperFill signal={signal} captured_e8={captured} of {qty}>")
    }
}

/// Sums of a ledger by name.
pub fn paper_totals(ledger: &paper::Ledger) -> BTreeMap<&'static str, i64> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let totals = ledger.totals();
    BTreeMap::from([
        ("latency_ns", ledger.latency()),
        ("signals", count(totals.signals)),
        ("whole", count(totals.whole)),
        ("partial", count(totals.partial)),
        ("gone", count(totals.gone)),
        ("unhedged", count(totals.unhedged)),
        ("pending", i64::try_from(ledger.pending()).unwrap_or(i64::MAX)),
        ("net_claimed_e9", totals.net_claimed),
        ("net_captured_e9", totals.net_captured),
    ])
}
