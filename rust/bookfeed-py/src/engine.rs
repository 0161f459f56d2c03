//! `Engine`: the door for control events and frames, and the way records come out.

use crate::batch::Batch;
use crate::book::BookView;
use crate::control::{Gap, Index, Notice, PaperFill, paper_totals};
use crate::errors::engine_error;
use crate::histogram::Histogram;
use bookfeed_core::book::integrity::Cause;
use bookfeed_core::engine::{self as core, Config, HashCheck, Listing};
use bookfeed_core::instrument::{Hours, InstrumentId, UNKNOWN, Venue};
use bookfeed_core::latency;
use bookfeed_core::signals::{Params, Refusal};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Every book of a process.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct Engine {
    pub(crate) inner: core::Engine,
    emit_latency: latency::Histogram,
}

impl Engine {
    /// Runs `work` on the engine. Should it panic, every book is poisoned: the caller learns
    /// of it as an `EngineError`, and no book is shown as good again.
    #[inline]
    fn guarded<R>(&mut self, ts: i64, work: impl FnOnce(&mut core::Engine) -> R) -> PyResult<R> {
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| work(inner))) {
            Ok(result) if !self.inner.poisoned() => Ok(result),
            Ok(_) => Err(engine_error(core::EngineError::Poisoned)),
            Err(_) => {
                self.inner.poison(ts);
                Err(engine_error("the engine failed; every book is poisoned, build a new engine"))
            }
        }
    }

    #[inline]
    fn with_payload<R>(
        &mut self,
        payload: &Bound<'_, PyAny>,
        ts: i64,
        work: impl FnOnce(&mut core::Engine, &[u8]) -> R,
    ) -> PyResult<R> {
        if let Ok(bytes) = payload.cast::<PyBytes>() {
            return self.guarded(ts, |engine| work(engine, bytes.as_bytes()));
        }
        let buffer = PyBuffer::<u8>::get(payload)?;
        if !buffer.is_c_contiguous() {
            return Err(engine_error("the payload must be contiguous bytes"));
        }
        // SAFETY: the buffer is contiguous, `buf_ptr` is valid for `len_bytes` bytes while
        // `buffer` is alive, and the GIL is held throughout, so no Python code can write to
        // it meanwhile. The slice does not outlive this call. An empty buffer may have a null
        // pointer, for which a dangling one stands in.
        let bytes = unsafe {
            let length = buffer.len_bytes();
            let start = if length == 0 {
                std::ptr::dangling()
            } else {
                buffer.buf_ptr().cast::<u8>().cast_const()
            };
            std::slice::from_raw_parts(start, length)
        };
        self.guarded(ts, |engine| work(engine, bytes))
    }
}

fn venue_by_name(name: &str) -> PyResult<Venue> {
    Venue::by_name(name).ok_or_else(|| {
        let names: Vec<_> = Venue::ALL.iter().map(|v| v.name()).collect();
        engine_error(format!("no venue {name:?}; there are {}", names.join(", ")))
    })
}

fn hash_check_by_name(name: &str) -> PyResult<HashCheck> {
    match name {
        "always" => Ok(HashCheck::Always),
        "sampled" => Ok(HashCheck::Sampled),
        "off" => Ok(HashCheck::Off),
        _ => Err(engine_error(format!("hash_check must be always, sampled or off, not {name:?}"))),
    }
}

fn duration(name: &str, value: i64) -> PyResult<i64> {
    if value < 0 {
        return Err(engine_error(format!("{name} must not be negative, and is {value}")));
    }
    Ok(value)
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, hash_check = "sampled", hash_interval_ns = 250_000_000,
        batch_grace_ns = 250_000_000, suspect_grace_ns = 1_000_000_000,
        silence_ns = 30_000_000_000, witness_grace_ns = 2_000_000_000, auto_subscribe = false,
        digest = false, paper_latency_ns = None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments of the Python signature
    fn new(
        hash_check: &str,
        hash_interval_ns: i64,
        batch_grace_ns: i64,
        suspect_grace_ns: i64,
        silence_ns: i64,
        witness_grace_ns: i64,
        auto_subscribe: bool,
        digest: bool,
        paper_latency_ns: Option<i64>,
    ) -> PyResult<Self> {
        let config = Config {
            hash_check: hash_check_by_name(hash_check)?,
            hash_interval: duration("hash_interval_ns", hash_interval_ns)?,
            batch_grace: duration("batch_grace_ns", batch_grace_ns)?,
            suspect_grace: duration("suspect_grace_ns", suspect_grace_ns)?,
            silence: duration("silence_ns", silence_ns)?,
            witness_grace: duration("witness_grace_ns", witness_grace_ns)?,
            auto_subscribe,
            digest,
            paper_latency: paper_latency_ns
                .map(|latency| duration("paper_latency_ns", latency))
                .transpose()?,
        };
        Ok(Self { inner: core::Engine::new(config), emit_latency: latency::Histogram::new() })
    }

    #[pyo3(signature = (venue, symbol, conn, ts, *, market = None, outcome = None, tick_size = None,
        min_order_size = None, event = None, open_ts = None, close_ts = None, fee = None,
        hints = None, base = None, quote = None, depth = None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments of the Python signature
    fn subscribe(
        &mut self,
        venue: &str,
        symbol: &str,
        conn: u32,
        ts: i64,
        market: Option<&str>,
        outcome: Option<&str>,
        tick_size: Option<&str>,
        min_order_size: Option<&str>,
        event: Option<&str>,
        open_ts: Option<i64>,
        close_ts: Option<i64>,
        fee: Option<&str>,
        hints: Option<&str>,
        base: Option<&str>,
        quote: Option<&str>,
        depth: Option<u32>,
    ) -> PyResult<InstrumentId> {
        let listing = Listing {
            market,
            outcome,
            tick_size,
            min_order_size,
            event,
            hours: Hours { open: open_ts, close: close_ts },
            fee,
            hints,
            base,
            quote,
            depth,
        };
        let venue = venue_by_name(venue)?;
        self.guarded(ts, |e| e.subscribe(venue, symbol, conn, &listing, ts))?.map_err(engine_error)
    }

    fn unsubscribe(&mut self, instrument: InstrumentId, ts: i64) -> PyResult<()> {
        self.guarded(ts, |e| e.unsubscribe(instrument, ts))?.map_err(engine_error)
    }

    #[pyo3(signature = (conn, venue, ts, *, mode = ""))]
    fn connected(&mut self, conn: u32, venue: &str, ts: i64, mode: &str) -> PyResult<()> {
        let venue = venue_by_name(venue)?;
        self.guarded(ts, |e| e.connected(conn, venue, mode, ts))?.map_err(engine_error)
    }

    fn disconnected(&mut self, conn: u32, ts: i64) -> PyResult<()> {
        self.guarded(ts, |e| e.disconnected(conn, ts))
    }

    fn invalidate(&mut self, conn: u32, cause: &str, ts: i64) -> PyResult<()> {
        let cause = Cause::by_name(cause).ok_or_else(|| {
            engine_error(format!("no cause {cause:?}; there are {}", Cause::NAMES.join(", ")))
        })?;
        self.guarded(ts, |e| e.invalidate(conn, cause, ts))
    }

    #[pyo3(signature = (instrument, ts, *, asked = false))]
    fn resync_begin(&mut self, instrument: InstrumentId, ts: i64, asked: bool) -> PyResult<()> {
        let begin = if asked { core::Engine::resync_asked } else { core::Engine::resync_begin };
        self.guarded(ts, |e| begin(e, instrument, ts))?.map_err(engine_error)
    }

    #[allow(clippy::disallowed_methods, reason = "any mapping will do")]
    fn add_rule(&mut self, kind: &str, params: &Bound<'_, PyAny>) -> PyResult<u32> {
        let mut texts = Params::new();
        for item in params.call_method0("items")?.try_iter()? {
            let (key, value): (String, Bound<'_, PyAny>) = item?.extract()?;
            texts.insert(key, value.str()?.to_string());
        }
        self.guarded(0, |e| e.add_rule(kind, &texts))?.map_err(engine_error)
    }

    fn ingest(&mut self, conn: u32, payload: &Bound<'_, PyAny>, ts_recv: i64) -> PyResult<usize> {
        self.with_payload(payload, ts_recv, |engine, bytes| engine.ingest(conn, bytes, ts_recv))
    }

    #[pyo3(signature = (conn, payload, ts_recv, *, instrument = None, stands_at = None))]
    fn ingest_rest(
        &mut self,
        conn: u32,
        payload: &Bound<'_, PyAny>,
        ts_recv: i64,
        instrument: Option<InstrumentId>,
        stands_at: Option<u64>,
    ) -> PyResult<usize> {
        let about = instrument.unwrap_or(UNKNOWN);
        self.with_payload(payload, ts_recv, |engine, bytes| {
            engine.ingest_rest(conn, bytes, about, stands_at, ts_recv)
        })
    }

    /// Whether each change of a level is a record from here on (``Batch.levels``): then whoever
    /// applies ``new_qty_e8`` to his copy has ``BookView.levels_exact`` after every call,
    /// whatever the book's state. His copy begins with the levels as they are now. It is a way of
    /// looking: no other record and no digest depends on it, and recordings do not know of it.
    fn watch_levels(&mut self, on: bool) {
        self.inner.watch_levels(on);
    }

    fn advance(&mut self, ts: i64) -> PyResult<usize> {
        self.guarded(ts, |e| e.advance(ts))
    }

    #[pyo3(signature = (ts_emit = 0))]
    fn drain(&mut self, py: Python<'_>, ts_emit: i64) -> Batch {
        let output = self.inner.output();
        if let (Some(ts_first), true) = (output.ts_first(), ts_emit > 0) {
            self.emit_latency.record(ts_emit.saturating_sub(ts_first));
        }
        let batch = Batch {
            updates: PyBytes::new(py, output.updates()).unbind(),
            signals: PyBytes::new(py, output.signals()).unbind(),
            legs: PyBytes::new(py, output.legs()).unbind(),
            levels: PyBytes::new(py, output.levels()).unbind(),
            count: output.pending(),
        };
        output.clear();
        batch
    }

    #[getter]
    fn pending(&mut self) -> usize {
        self.inner.output().pending()
    }

    fn book(slf: Bound<'_, Self>, instrument: InstrumentId) -> PyResult<BookView> {
        if slf.borrow().inner.book(instrument).is_none() {
            return Err(engine_error(core::EngineError::NoInstrument(instrument)));
        }
        Ok(BookView::new(slf.unbind(), instrument))
    }

    fn instrument(&self, venue: &str, symbol: &str) -> PyResult<Option<InstrumentId>> {
        Ok(self.inner.instruments().find(venue_by_name(venue)?, symbol.as_bytes()))
    }

    fn books(slf: Bound<'_, Self>) -> Vec<BookView> {
        let count = slf.borrow().inner.instruments().len();
        let view = |id| BookView::new(slf.clone().unbind(), id);
        (0..count).filter_map(|id| InstrumentId::try_from(id).ok()).map(view).collect()
    }

    fn counters(&mut self) -> BTreeMap<&'static str, u64> {
        let (updates, signals) = self.inner.output().totals();
        let c = *self.inner.counters();
        BTreeMap::from([
            ("frames", c.frames),
            ("bytes", c.bytes),
            ("decode_errors", c.decode_errors),
            ("malformed", c.malformed),
            ("unknown_instruments", c.unknown_instruments),
            ("late_frames", c.late_frames),
            ("unannounced_frames", c.unannounced_frames),
            ("trades", c.trades),
            ("hashes_checked", c.hashes_checked),
            ("hash_searches", c.hash_searches),
            ("transitions", c.transitions),
            ("gaps", c.gaps),
            ("regressions", c.regressions),
            ("underflows", c.underflows),
            ("own", c.own),
            ("notices_dropped", c.notices_dropped),
            ("rest_accepted", c.rest_accepted),
            ("rest_rejected", c.rest_rejected),
            ("updates", updates),
            ("signals", signals),
        ])
    }

    fn messages(&self) -> BTreeMap<String, u64> {
        self.inner.messages()
    }

    fn evidence(&self) -> BTreeMap<&'static str, u64> {
        self.inner.evidence().iter().collect()
    }

    #[pyo3(signature = (rule = None))]
    fn refusals(&self, rule: Option<u32>) -> PyResult<BTreeMap<&'static str, u64>> {
        let counts = match rule {
            None => self.inner.refusals(),
            Some(number) => *self
                .inner
                .refusals_of(number)
                .ok_or_else(|| engine_error(format!("there is no rule {number}")))?,
        };
        Ok(Refusal::NAMES.iter().copied().zip(counts).collect())
    }

    fn sid(&self, conn: u32, channel: &str) -> Option<u32> {
        self.inner.sid(conn, channel)
    }

    /// Receive time less venue time of the newest message of a connection that stated one, in
    /// nanoseconds; negative where the receiver's clock is behind, `None` before there was one.
    fn delay_ns(&self, conn: u32) -> Option<i64> {
        self.inner.delay(conn)
    }

    fn notices(&mut self, conn: u32) -> Vec<Notice> {
        self.inner.take_notices(conn).into_iter().map(|inner| Notice { inner }).collect()
    }

    fn notices_pending(&self, conn: u32) -> usize {
        self.inner.notices_pending(conn)
    }

    fn gaps(&self) -> Vec<Gap> {
        self.inner.gaps().map(|&inner| Gap { inner }).collect()
    }

    fn indices(&self) -> BTreeMap<String, Index> {
        let named = self.inner.indices().map(|(name, &inner)| (name.to_owned(), Index { inner }));
        named.collect()
    }

    fn paper(&self) -> Option<BTreeMap<&'static str, i64>> {
        self.inner.paper().map(paper_totals)
    }

    fn paper_fills(&self) -> Vec<PaperFill> {
        let fills = self.inner.paper().into_iter().flat_map(|ledger| ledger.fills().cloned());
        fills.map(|inner| PaperFill { inner }).collect()
    }

    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let stages =
            [("venue_to_recv", self.inner.venue_latency()), ("recv_to_emit", &self.emit_latency)];
        for (stage, histogram) in stages {
            dict.set_item(stage, Histogram { inner: histogram.clone() }.into_pyobject(py)?)?;
        }
        Ok(dict)
    }

    fn digest(&mut self) -> PyResult<String> {
        self.inner
            .output()
            .digest()
            .ok_or_else(|| engine_error("no digest was kept; build the engine with digest=True"))
    }

    fn last_error<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.inner.last_error().map(|e| PyString::new(py, &e.to_string()))
    }
}
