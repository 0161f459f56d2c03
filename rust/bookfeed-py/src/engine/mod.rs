//! `Engine`: the door for control events and frames, and the way records come out.

mod inputs;
mod market;
mod outputs;

use crate::book::Refused;
use crate::durations::{duration, durations, refuse_keywords};
use crate::errors::engine_error;
use bookfeed_core::engine::{self as core, Config, HashCheck};
use bookfeed_core::instrument::{InstrumentId, UNKNOWN, Venue};
use bookfeed_core::latency;
use bookfeed_core::time::Nanos;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Every book of a process, and the rules that watch them.
///
/// It reads no clock and opens nothing: times are arguments (Unix nanoseconds), and the same
/// calls give the same records. It is not thread-safe by design: one event loop owns it. If it
/// fails (a defect), every book is ``stale(poisoned)`` and each further call raises
/// ``EngineError``.
///
/// Durations are seconds, as numbers or ``timedelta``, from 0 to 366 days; ``EngineError`` for
/// others.
///
/// * ``hash_check``: when book hashes are checked: ``"always"``, at the end of every message;
///   ``"sampled"``, every changed book within ``hash_interval_s`` and before a signal opens;
///   ``"off"``, never.
/// * ``batch_grace_s``: how long a batch of messages of one venue time may contradict itself.
/// * ``suspect_grace_s``: how long a book stays suspect before it is given up.
/// * ``silence_s``: how long a connection may bring nothing; 0 switches the check off.
/// * ``odd_silence_s``: from how long on the silence of a book or connection may be odd
///   (``BookView.freshness``), at the earliest; 0, never.
/// * ``poll_age_s``: how old a book may be that is kept by polling.
/// * ``max_delay_s``: how much later than its fastest messages a connection may deliver; 0
///   switches the check off.
/// * ``witness_grace_s``: how long a book may take to come to the touch another channel has of
///   it.
/// * ``unheard_s``: how long trading and fees that lost news may have changed are unknown where
///   nobody can say; 0, until they are said again.
/// * ``calendar``: whether venues pause when their calendars say so.
/// * ``auto_subscribe``: whether a whole book of an unknown symbol subscribes it; for
///   recordings.
/// * ``books_max``: how many books there may be; ``EngineError`` for one more.
/// * ``digest``: whether ``digest()`` is kept over all records.
/// * ``paper_latency_s``: how long orders of the paper ledger take to arrive; several, in a list or
///   tuple, are several ledgers; ``None``, no ledger.
/// * ``fast_frames``: whether frames that are spelled as their venue spells them are read the fast
///   way; the records are the same either way.
/// * ``ask_always``: whether rules are asked at every frame about what they refused; the records
///   are the same either way.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct Engine {
    pub(crate) inner: core::Engine,
    /// Reads of books that were not to be relied on.
    pub(crate) refused: Refused,
    emit_latency: latency::Histogram,
    /// Newest time it was told.
    newest: Nanos,
}

/// Times have room to be added to; also in `recordings/bounds.py`.
const TS_MAX: u64 = 1 << 62;

impl Engine {
    /// The newest time it was told.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        self.newest
    }

    /// Runs `work` on the engine. Should it panic, every book is poisoned: the caller learns
    /// of it as an `EngineError`, and no book is shown as good again.
    #[inline]
    fn guarded<R>(&mut self, ts: i64, work: impl FnOnce(&mut core::Engine) -> R) -> PyResult<R> {
        if ts.unsigned_abs() > TS_MAX {
            let limit = "between 1823 and 2116";
            return Err(engine_error(format!("ts must be Unix nanoseconds {limit}, not {ts}")));
        }
        self.newest = self.newest.max(ts);
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

    /// Where the instrument of a number stands; an error if there is none.
    pub(crate) fn id_of(&self, number: u32) -> PyResult<InstrumentId> {
        let found = self.inner.instruments().numbered(number);
        found.ok_or_else(|| engine_error(core::EngineError::NoInstrument(number)))
    }

    fn number_of(&self, id: InstrumentId) -> u32 {
        self.inner.instruments().at(id).map_or(UNKNOWN, |about| about.number)
    }

    /// `ingest` of bytes that are at hand.
    #[inline]
    pub(crate) fn take_frame(&mut self, conn: u32, payload: &[u8], ts: Nanos) -> PyResult<usize> {
        self.guarded(ts, |engine| engine.ingest(conn, payload, ts))
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

/// Keywords that counted nanoseconds, and what they are called now.
const RENAMED: [(&str, &str); 6] = [
    ("hash_interval_ns", "hash_interval_s"),
    ("batch_grace_ns", "batch_grace_s"),
    ("suspect_grace_ns", "suspect_grace_s"),
    ("silence_ns", "silence_s"),
    ("witness_grace_ns", "witness_grace_s"),
    ("paper_latency_ns", "paper_latency_s"),
];

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(
        signature = (*, hash_check = "sampled", hash_interval_s = None, batch_grace_s = None,
            suspect_grace_s = None, silence_s = None, max_delay_s = None, witness_grace_s = None,
            odd_silence_s = None, poll_age_s = None, unheard_s = None, calendar = true, auto_subscribe = false, books_max = 100_000,
            digest = false, paper_latency_s = None, fast_frames = true, ask_always = false,
            **renamed),
        text_signature = "(*, hash_check='sampled', hash_interval_s=0.25, batch_grace_s=0.25, \
            suspect_grace_s=1.0, silence_s=30.0, max_delay_s=3.0, witness_grace_s=2.0, \
            odd_silence_s=3.0, poll_age_s=10.0, unheard_s=300.0, calendar=True, auto_subscribe=False, books_max=100_000, digest=False, \
            paper_latency_s=None, fast_frames=True, ask_always=False)"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments of the Python signature
    fn new(
        hash_check: &str,
        hash_interval_s: Option<&Bound<'_, PyAny>>,
        batch_grace_s: Option<&Bound<'_, PyAny>>,
        suspect_grace_s: Option<&Bound<'_, PyAny>>,
        silence_s: Option<&Bound<'_, PyAny>>,
        max_delay_s: Option<&Bound<'_, PyAny>>,
        witness_grace_s: Option<&Bound<'_, PyAny>>,
        odd_silence_s: Option<&Bound<'_, PyAny>>,
        poll_age_s: Option<&Bound<'_, PyAny>>,
        unheard_s: Option<&Bound<'_, PyAny>>,
        calendar: bool,
        auto_subscribe: bool,
        books_max: usize,
        digest: bool,
        paper_latency_s: Option<&Bound<'_, PyAny>>,
        fast_frames: bool,
        ask_always: bool,
        renamed: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        refuse_keywords("Engine", renamed, &RENAMED)?;
        let given = |name: &str, value: Option<&Bound<'_, PyAny>>, otherwise: Nanos| {
            value.map_or(Ok(otherwise), |value| duration(name, value))
        };
        let latencies = paper_latency_s.map_or(Ok(Vec::new()), |s| durations("paper_latency_s", s))?;
        let usual = Config::default();
        let config = Config {
            hash_check: hash_check_by_name(hash_check)?,
            hash_interval: given("hash_interval_s", hash_interval_s, usual.hash_interval)?,
            batch_grace: given("batch_grace_s", batch_grace_s, usual.batch_grace)?,
            suspect_grace: given("suspect_grace_s", suspect_grace_s, usual.suspect_grace)?,
            silence: given("silence_s", silence_s, usual.silence)?,
            max_delay: given("max_delay_s", max_delay_s, usual.max_delay)?,
            witness_grace: given("witness_grace_s", witness_grace_s, usual.witness_grace)?,
            odd_silence: given("odd_silence_s", odd_silence_s, usual.odd_silence)?,
            poll_age: given("poll_age_s", poll_age_s, usual.poll_age)?,
            unheard: given("unheard_s", unheard_s, usual.unheard)?,
            calendar,
            auto_subscribe,
            books_max,
            digest,
            paper_latency: latencies.first().copied(),
            fast_frames,
            ask_always,
        };
        let mut inner = core::Engine::new(config);
        latencies.iter().skip(1).for_each(|&latency| inner.keep_paper(latency));
        Ok(Self {
            inner,
            refused: Refused::default(),
            emit_latency: latency::Histogram::new(),
            newest: Nanos::MIN,
        })
    }
}
