//! What the engine says besides books: replies of the venue, holes in streams, indices, and
//! what the paper ledger made of signals.

use bookfeed_core::engine::{self as core, present};
use bookfeed_core::sequence::stream;
use bookfeed_core::signals::paper;
use pyo3::prelude::*;
use std::collections::BTreeMap;

/// A reply of the venue to a command, or its word that a subscription failed.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Notice {
    pub(crate) inner: core::Notice,
}

#[pymethods]
impl Notice {
    #[getter]
    fn conn(&self) -> u32 {
        self.inner.conn
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind.name()
    }

    #[getter]
    fn id(&self) -> u64 {
        self.inner.id
    }

    #[getter]
    fn sid(&self) -> u32 {
        self.inner.sid
    }

    #[getter]
    fn code(&self) -> u32 {
        self.inner.code
    }

    #[getter]
    fn channel(&self) -> &str {
        &self.inner.channel
    }

    #[getter]
    fn text(&self) -> &str {
        &self.inner.text
    }

    #[getter]
    fn ts(&self) -> i64 {
        self.inner.ts
    }

    fn __repr__(&self) -> String {
        let core::Notice { conn, id, sid, code, channel, text, .. } = &self.inner;
        format!("<Notice {} conn={conn} id={id} sid={sid} code={code} {channel}{text}>", self.kind())
    }
}

/// A hole in a numbered stream.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Gap {
    pub(crate) inner: stream::Gap,
}

#[pymethods]
impl Gap {
    #[getter]
    fn conn(&self) -> u32 {
        self.inner.conn
    }

    #[getter]
    fn sid(&self) -> u32 {
        self.inner.sid
    }

    #[getter]
    fn expected(&self) -> u64 {
        self.inner.expected
    }

    #[getter]
    fn got(&self) -> u64 {
        self.inner.got
    }

    #[getter]
    fn ts(&self) -> i64 {
        self.inner.ts
    }

    fn __repr__(&self) -> String {
        let stream::Gap { conn, sid, expected, got, ts } = self.inner;
        format!("<Gap conn={conn} sid={sid} expected={expected} got={got} ts={ts}>")
    }
}

/// The newest value of a reference index.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Index {
    pub(crate) inner: core::IndexReading,
}

#[pymethods]
impl Index {
    #[getter]
    fn value_e9(&self) -> i64 {
        self.inner.value
    }

    #[getter]
    fn ts_event(&self) -> Option<i64> {
        present(self.inner.ts_event)
    }

    #[getter]
    fn ts_recv(&self) -> i64 {
        self.inner.ts_recv
    }

    #[getter]
    fn mean_60s_e9(&self) -> Option<i64> {
        self.inner.mean_60s
    }

    #[getter]
    fn closing_mean_e9(&self) -> Option<(i64, u32)> {
        self.inner.closing_mean
    }

    fn __repr__(&self) -> String {
        format!("<Index value_e9={} ts_recv={}>", self.inner.value, self.inner.ts_recv)
    }
}

/// What became of one signal on paper.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct PaperFill {
    pub(crate) inner: paper::PaperFill,
}

#[pymethods]
impl PaperFill {
    #[getter]
    fn signal(&self) -> u64 {
        self.inner.signal
    }

    #[getter]
    fn rule(&self) -> &'static str {
        self.inner.rule.name()
    }

    #[getter]
    fn rule_id(&self) -> u32 {
        self.inner.rule_id
    }

    #[getter]
    fn ts(&self) -> i64 {
        self.inner.ts
    }

    #[getter]
    fn qty_e8(&self) -> i64 {
        self.inner.qty
    }

    #[getter]
    fn captured_e8(&self) -> i64 {
        self.inner.captured
    }

    #[getter]
    fn unhedged_e8(&self) -> i64 {
        self.inner.unhedged
    }

    #[getter]
    fn net_claimed_e9(&self) -> i64 {
        self.inner.net_claimed
    }

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
