//! Frames from the socket layer into the engine without a call of Python for each.
//!
//! A `FrameIntake` belongs to one listener of `live/native.py`. It takes whole text frames that are
//! market data; every other frame goes to the listener's own method, which shares its state. What
//! it does with a frame is what that method does with it, and tests hold the two together.

mod picows;

use crate::engine::Engine;
use crate::journal::{JournalEncoder, Packed};
use bookfeed_core::journal::Record;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Text messages up to this long are looked at in Python: answers to pings, words of the venue.
const BARE_TEXT_BYTES_MAX: usize = 64;
/// How many records may wait while a socket read goes on.
const DRAIN_RECORDS_MAX: usize = 256;
/// How long records may wait while a socket read goes on.
const DRAIN_AFTER: Duration = Duration::from_millis(1);
/// The clock is looked at after so many frames, or so many bytes.
const LOOK_FRAMES: u32 = 16;
const LOOK_BYTES: usize = 16 * 1024;

/// Where the frames of all connections go in: an engine, and the encoder that records them.
///
/// ``attend`` is called when the recorder has something to do. ``open`` is whether frames may come
/// in this way: not while somebody wants to see each of them.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct FrameDoor {
    engine: Py<Engine>,
    recorder: Option<FrameRecorder>,
    open: AtomicBool,
}

struct FrameRecorder {
    encoder: Py<JournalEncoder>,
    attend: Py<PyAny>,
    kind: u8,
}

impl FrameDoor {
    /// Records a frame; whether it may go into the engine from here.
    fn record(&self, py: Python<'_>, record: Record<'_>) -> PyResult<bool> {
        let Some(recorder) = &self.recorder else { return Ok(true) };
        match recorder.encoder.get().pack(&Record { kind: recorder.kind, ..record }) {
            Packed::No => return Ok(false),
            Packed::Waiting => {}
            Packed::Attend => call(recorder.attend.bind(py))?,
        }
        Ok(true)
    }
}

#[pymethods]
impl FrameDoor {
    #[new]
    #[pyo3(signature = (engine, *, encoder = None, attend = None, kind = 0))]
    fn new(
        engine: Py<Engine>,
        encoder: Option<Py<JournalEncoder>>,
        attend: Option<Py<PyAny>>,
        kind: u8,
    ) -> Self {
        let recorder =
            encoder.zip(attend).map(|(encoder, attend)| FrameRecorder { encoder, attend, kind });
        Self { engine, recorder, open: AtomicBool::new(true) }
    }

    #[getter]
    fn open(&self) -> bool {
        self.open.load(Relaxed)
    }

    #[setter]
    fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)?;
        let Some(recorder) = &self.recorder else { return Ok(()) };
        visit.call(&recorder.encoder)?;
        visit.call(&recorder.attend)
    }
}

/// Takes the frames of one listener; see ``live/native.py``.
///
/// ``now`` gives the receive time of a socket read (Unix nanoseconds), ``flush(conn)`` hands
/// records over. The attributes are the listener's state, which its own methods share: ``direct``,
/// whether frames are taken here at all; ``plain``, whether the next whole text frame is a message;
/// ``epoch``, which attempt of the connection it is; ``ts``, the receive time of the socket read in
/// progress, 0 between reads; ``pending``, how many records wait; ``data_ns``, when market data
/// came last; ``frames``, how many frames were taken here.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct FrameIntake {
    door: Py<FrameDoor>,
    conn: u32,
    now: Py<PyAny>,
    flush: Py<PyAny>,
    direct: AtomicBool,
    plain: AtomicBool,
    epoch: AtomicU32,
    ts: AtomicI64,
    pending: AtomicUsize,
    data_ns: AtomicI64,
    frames: AtomicU64,
    work: Work,
}

/// How much was done since records were handed over, or since the read began.
struct Work {
    beginning: Instant,
    /// Nanoseconds from the beginning until then.
    since: AtomicU64,
    /// Frames and bytes since the clock was looked at.
    frames: AtomicU32,
    bytes: AtomicUsize,
}

impl Work {
    fn new() -> Self {
        Self {
            beginning: Instant::now(),
            since: AtomicU64::new(0),
            frames: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.beginning.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn begin(&self) {
        self.since.store(self.now(), Relaxed);
        self.frames.store(0, Relaxed);
        self.bytes.store(0, Relaxed);
    }

    /// Whether it was enough with one more frame.
    fn enough(&self, bytes: usize) -> bool {
        let frames = self.frames.load(Relaxed) + 1;
        let bytes = self.bytes.load(Relaxed).saturating_add(bytes);
        let look = frames >= LOOK_FRAMES || bytes >= LOOK_BYTES;
        self.frames.store(if look { 0 } else { frames }, Relaxed);
        self.bytes.store(if look { 0 } else { bytes }, Relaxed);
        look && u128::from(self.now().saturating_sub(self.since.load(Relaxed))) >= DRAIN_AFTER.as_nanos()
    }
}

impl FrameIntake {
    /// Takes the payload of a whole text frame, `last` of a socket read or not; whether it did.
    fn take(&self, py: Python<'_>, payload: &[u8], last: bool) -> PyResult<bool> {
        let door = self.door.get();
        let ordinary = self.direct.load(Relaxed)
            && self.plain.load(Relaxed)
            && door.open.load(Relaxed)
            && payload.len() > BARE_TEXT_BYTES_MAX
            && std::str::from_utf8(payload).is_ok();
        if !ordinary {
            return Ok(false);
        }
        let ts = self.received(py, last)?;
        let epoch = self.epoch.load(Relaxed);
        if !door.record(py, Record { kind: 0, ts, conn: self.conn, epoch, payload })? {
            return Ok(false);
        }
        let pending = door.engine.bind(py).try_borrow_mut()?.take_frame(self.conn, payload, ts)?;
        self.data_ns.store(ts, Relaxed);
        self.frames.fetch_add(1, Relaxed);
        if last {
            self.ts.store(0, Relaxed);
        } else if pending < DRAIN_RECORDS_MAX && !self.work.enough(payload.len()) {
            self.pending.store(pending, Relaxed);
            return Ok(true);
        }
        self.pending.store(0, Relaxed);
        if pending > 0 {
            flush(self.flush.bind(py), self.conn)?;
            if !last {
                self.work.begin();
            }
        }
        Ok(true)
    }

    /// The receive time of the socket read, which begins with this frame if none is in progress.
    fn received(&self, py: Python<'_>, last: bool) -> PyResult<i64> {
        let ts = self.ts.load(Relaxed);
        if ts != 0 {
            return Ok(ts);
        }
        let ts = now(self.now.bind(py))?;
        self.ts.store(ts, Relaxed);
        if !last {
            self.work.begin();
        }
        Ok(ts)
    }
}

#[allow(clippy::disallowed_methods, reason = "once a socket read: the clock is the session's")]
fn now(clock: &Bound<'_, PyAny>) -> PyResult<i64> {
    clock.call0()?.extract()
}

#[allow(clippy::disallowed_methods, reason = "once a block: the recorder's thread is woken")]
fn call(attend: &Bound<'_, PyAny>) -> PyResult<()> {
    attend.call0().map(drop)
}

#[allow(clippy::disallowed_methods, reason = "once a socket read: records are handed over")]
fn flush(flush: &Bound<'_, PyAny>, conn: u32) -> PyResult<()> {
    flush.call1((conn,)).map(drop)
}

/// Tells a listener that a frame failed, as its own method does.
#[cold]
#[allow(clippy::disallowed_methods, reason = "errors are the session's")]
fn tell(listener: &Bound<'_, PyAny>, error: PyErr) -> PyResult<()> {
    listener.call_method1("_failed", (error,)).map(drop)
}

#[pymethods]
impl FrameIntake {
    /// Text messages up to this long, in bytes, are not taken here.
    #[classattr]
    const BARE_TEXT_BYTES_MAX: usize = BARE_TEXT_BYTES_MAX;
    /// How many records may wait while a socket read goes on.
    #[classattr]
    const DRAIN_RECORDS_MAX: usize = DRAIN_RECORDS_MAX;
    /// How long they may, in nanoseconds.
    #[classattr]
    const DRAIN_AFTER_NS: u32 = DRAIN_AFTER.subsec_nanos();

    #[new]
    fn new(door: Py<FrameDoor>, conn: u32, now: Py<PyAny>, flush: Py<PyAny>) -> Self {
        Self {
            door,
            conn,
            now,
            flush,
            direct: AtomicBool::new(false),
            plain: AtomicBool::new(true),
            epoch: AtomicU32::new(0),
            ts: AtomicI64::new(0),
            pending: AtomicUsize::new(0),
            data_ns: AtomicI64::new(0),
            frames: AtomicU64::new(0),
            work: Work::new(),
        }
    }

    /// Compares the layout of picows' types with the one that is known, and says what differs.
    ///
    /// ``slotted`` is derived from ``WSListener`` and adds one slot, ``frame_type`` is ``WSFrame``.
    /// To be called once the published declarations were compared.
    #[staticmethod]
    fn learn(slotted: &Bound<'_, PyType>, frame_type: &Bound<'_, PyType>) -> PyResult<Option<String>> {
        picows::learn(slotted, frame_type)
    }

    /// Has ``listener``, in whose slot this is, hand its frames to it; says what differs.
    ///
    /// Raises ``TypeError`` for a listener of another class.
    fn install(this: &Bound<'_, Self>, listener: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        picows::install(listener, this)
    }

    /// Whether what is read of ``frame`` is what its getters say; only during its callback.
    #[staticmethod]
    fn agrees(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
        picows::agrees(frame)
    }

    #[getter]
    fn direct(&self) -> bool {
        self.direct.load(Relaxed)
    }

    #[setter]
    fn set_direct(&self, value: bool) {
        self.direct.store(value, Relaxed);
    }

    #[getter]
    fn plain(&self) -> bool {
        self.plain.load(Relaxed)
    }

    #[setter]
    fn set_plain(&self, value: bool) {
        self.plain.store(value, Relaxed);
    }

    #[getter]
    fn epoch(&self) -> u32 {
        self.epoch.load(Relaxed)
    }

    #[setter]
    fn set_epoch(&self, value: u32) {
        self.epoch.store(value, Relaxed);
    }

    #[getter]
    fn ts(&self) -> i64 {
        self.ts.load(Relaxed)
    }

    #[setter]
    fn set_ts(&self, value: i64) {
        self.ts.store(value, Relaxed);
    }

    #[getter]
    fn pending(&self) -> usize {
        self.pending.load(Relaxed)
    }

    #[setter]
    fn set_pending(&self, value: usize) {
        self.pending.store(value, Relaxed);
    }

    #[getter]
    fn data_ns(&self) -> i64 {
        self.data_ns.load(Relaxed)
    }

    #[setter]
    fn set_data_ns(&self, value: i64) {
        self.data_ns.store(value, Relaxed);
    }

    #[getter]
    fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.door)?;
        visit.call(&self.now)?;
        visit.call(&self.flush)
    }
}
