//! `Relays`: frames of relays in, points and events out.

use crate::batch::{dtype_dict, frombuffer};
use crate::errors::engine_error;
use bookfeed_core::venue::relay::forms::Kind;
use bookfeed_core::venue::relay::record::{Event, FieldValue, POINT_FIELDS, POINT_SIZE};
use bookfeed_core::venue::relay::topics::Topic;
use bookfeed_core::venue::relay::{self as core, Relay};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

static POINT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The names of an event's fields, by its kind.
pub fn event_fields(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for kind in Kind::ALL {
        let names = kind.fields().iter().map(|field| field.name);
        all.set_item(kind.name(), PyTuple::new(py, names)?)?;
    }
    Ok(all)
}

/// Everything that relays tell beside books: prices of references, trades, comments, quotes.
///
/// It reads no clock and opens nothing: times are arguments (Unix nanoseconds), and the same
/// calls give the same records. It knows no book, and no ``Engine`` knows it. If it fails (a
/// defect), each further call raises ``EngineError``.
#[pyclass(module = "bookfeed._bookfeed")]
#[derive(Default)]
pub struct Relays {
    inner: core::Relays,
    poisoned: bool,
}

impl Relays {
    fn guarded<R>(&mut self, work: impl FnOnce(&mut core::Relays) -> R) -> PyResult<R> {
        if self.poisoned {
            return Err(engine_error("the relays failed; build new ones"));
        }
        let inner = &mut self.inner;
        catch_unwind(AssertUnwindSafe(|| work(inner))).map_err(|_| {
            self.poisoned = true;
            engine_error("the relays failed; build new ones")
        })
    }
}

#[pymethods]
impl Relays {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// A connection to ``relay`` (``RELAYS``) is open; the numbers of its frames begin anew.
    /// Raises ``EngineError`` for a relay that there is not.
    fn connected(&mut self, conn: u32, relay: &str) -> PyResult<()> {
        let found = Relay::by_name(relay).ok_or_else(|| {
            engine_error(format!("no relay {relay:?}; there are {}", Relay::NAMES.join(", ")))
        })?;
        self.guarded(|relays| relays.connected(conn, found))
    }

    /// A connection is gone.
    fn disconnected(&mut self, conn: u32) -> PyResult<()> {
        self.guarded(|relays| relays.disconnected(conn))
    }

    /// Takes one frame of a connection, received at ``ts`` (Unix nanoseconds); returns how many
    /// records wait. Bad frames are counted and told as an event, ``lost``.
    fn ingest(&mut self, conn: u32, payload: &[u8], ts: i64) -> PyResult<usize> {
        self.guarded(|relays| relays.ingest(conn, payload, ts))
    }

    /// Records that wait to be drained.
    #[getter]
    fn pending(&mut self) -> usize {
        self.inner.output().pending()
    }

    /// Hands over the records that wait.
    fn drain(&mut self, py: Python<'_>) -> PyResult<RelayBatch> {
        let output = std::mem::take(self.inner.output());
        let count = output.pending();
        let events = PyList::empty(py);
        for event in &output.events {
            events.append(told(py, event)?)?;
        }
        let points = PyBytes::new(py, &output.points).unbind();
        let named = |&(conn, topic, symbol): &(u32, u8, u32)| {
            let topic = Topic::NAMES.get(usize::from(topic)).copied().unwrap_or_default();
            (conn, topic, self.inner.symbol(symbol).unwrap_or_default().to_owned())
        };
        let heard = output.heard.iter().map(named).collect();
        Ok(RelayBatch { points, events: events.unbind(), heard, count })
    }

    /// What a symbol is called, by the number that points carry; ``None`` if there is none.
    fn symbol(&self, number: u32) -> Option<&str> {
        self.inner.symbol(number)
    }

    /// What happened, counted, by name.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        let c = self.inner.counters();
        BTreeMap::from([
            ("relay_frames", c.frames),
            ("relay_bytes", c.bytes),
            ("relay_points", c.points),
            ("relay_backfilled", c.backfilled),
            ("relay_duplicates", c.duplicates),
            ("relay_revised", c.revised),
            ("relay_events", c.events),
            ("relay_lost", c.lost),
            ("relay_decode_errors", c.decode_errors),
            ("relay_malformed", c.malformed),
            ("relay_unknown", c.unknown),
            ("relay_late_frames", c.late_frames),
            ("relay_unannounced_frames", c.unannounced_frames),
        ])
    }

    /// The newest complaint about a frame: connection, time, place and what was wrong;
    /// ``None`` before the first.
    fn last_error(&self) -> Option<String> {
        self.inner.last_error()
    }
}

/// Records handed over together, by one ``Relays.drain()``; its length is their number.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct RelayBatch {
    points: Py<PyBytes>,
    events: Py<PyList>,
    heard: Vec<(u32, &'static str, String)>,
    count: usize,
}

#[pymethods]
impl RelayBatch {
    /// Values of references, in order: an array of ``POINT_DTYPE`` over the bytes, read-only.
    /// The value is ``value_e18_high * 2**64 + value_e18_low``.
    #[getter]
    #[allow(clippy::disallowed_methods, reason = "a type of numpy's")]
    fn points<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dtype = POINT.get_or_try_init(py, || {
            let dict = dtype_dict(py, &POINT_FIELDS, POINT_SIZE)?;
            py.import("numpy")?.getattr("dtype")?.call1((dict,)).map(Bound::unbind)
        })?;
        frombuffer(py, self.points.bind(py), dtype.bind(py))
    }

    /// The bytes of ``points``.
    #[getter]
    fn point_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.points.clone_ref(py)
    }

    /// Everything else, in order, each as kind, topic, type, connection, receive time, time,
    /// time sent (Unix nanoseconds, ``None`` where it is not told), and the fields that
    /// ``RELAY_EVENTS`` names.
    #[getter]
    fn events(&self, py: Python<'_>) -> Py<PyList> {
        self.events.clone_ref(py)
    }

    /// Connections, topics and symbols of which values came, other than of the past; also such
    /// as had been told, for they show that the stream lives.
    #[getter]
    fn heard(&self) -> Vec<(u32, &'static str, String)> {
        self.heard.clone()
    }

    fn __len__(&self) -> usize {
        self.count
    }
}

fn told<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyTuple>> {
    let time = |ns: i64| (ns != bookfeed_core::fixed::ABSENT).then_some(ns);
    let mut fields: Vec<Bound<'py, PyAny>> = Vec::with_capacity(event.fields.len() + 7);
    let head = (
        event.kind.name(),
        event.topic.as_ref(),
        event.of_type.as_ref(),
        event.conn,
        event.ts_recv,
        time(event.ts_event),
        time(event.ts_sent),
    );
    fields.extend(head.into_pyobject(py)?.iter());
    for field in &event.fields {
        fields.push(match field {
            FieldValue::Absent => py.None().into_bound(py),
            FieldValue::Number(n) => n.into_pyobject(py)?.into_any(),
            FieldValue::Truth(yes) => yes.into_pyobject(py)?.to_owned().into_any(),
            FieldValue::Text(text) => text.as_ref().into_pyobject(py)?.into_any(),
            FieldValue::Texts(texts) => {
                PyTuple::new(py, texts.iter().map(AsRef::<str>::as_ref))?.into_any()
            }
            FieldValue::Levels(levels) => PyTuple::new(py, levels)?.into_any(),
        });
    }
    PyTuple::new(py, fields)
}
