//! `JournalEncoder` and `JournalReader`: the journal codec for Python. No files here either.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bookfeed_core::journal::{JournalError, Packer, ReadOptions, Reader, Record, Sealer};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::errors::journal_error;

/// Packs records into checksummed, compressed journal blocks; it opens no file.
///
/// ``level`` is zstd's. Once ``bytes_max`` wait, each frame that comes without a call of Python
/// has its owner called. ``append`` and ``take_block`` may be called from two threads:
/// compression holds neither the GIL nor the lock that ``append`` needs. Errors are
/// ``JournalError``.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct JournalEncoder {
    packer: Mutex<Counted>,
    sealer: Mutex<Sealer>,
    bytes_max: usize,
    direct: AtomicBool,
}

/// A packer, and how many records it took.
#[derive(Default)]
struct Counted {
    packer: Packer,
    appended: u64,
}

impl Counted {
    fn append(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
        self.packer.append(record)?;
        self.appended += 1;
        Ok(())
    }
}

/// What became of a record that came without a call of Python.
pub(crate) enum Packed {
    /// It is not taken: its owner is to be asked.
    No,
    /// It waits.
    Waiting,
    /// It waits, and its owner has something to do: a block is full, or too much waits.
    Attend,
}

impl JournalEncoder {
    /// Adds a record, if records may come without a call of Python now.
    pub(crate) fn pack(&self, record: &Record<'_>) -> Packed {
        if !self.direct.load(Relaxed) {
            return Packed::No;
        }
        let mut counted = lock(&self.packer);
        let closed = counted.packer.closed();
        if counted.append(record).is_err() {
            return Packed::No;
        }
        if counted.packer.closed() > closed || counted.packer.pending() > self.bytes_max {
            return Packed::Attend;
        }
        Packed::Waiting
    }
}

#[pymethods]
impl JournalEncoder {
    #[new]
    #[pyo3(signature = (*, level = 3, bytes_max = None))]
    fn new(level: i32, bytes_max: Option<usize>) -> Self {
        Self {
            packer: Mutex::default(),
            sealer: Mutex::new(Sealer::new(level)),
            bytes_max: bytes_max.unwrap_or(usize::MAX),
            direct: AtomicBool::new(true),
        }
    }

    /// Whether frames may be added without a call of Python (``FrameDoor``).
    #[getter]
    fn direct(&self) -> bool {
        self.direct.load(Relaxed)
    }

    #[setter]
    fn set_direct(&self, direct: bool) {
        self.direct.store(direct, Relaxed);
    }

    /// Records added since the beginning.
    #[getter]
    fn appended(&self) -> u64 {
        lock(&self.packer).appended
    }

    /// The first bytes of a segment, with ``metadata`` inside; ``JournalError`` if it is too
    /// long.
    fn header<'py>(&self, py: Python<'py>, metadata: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let header = py.detach(|| lock(&self.sealer).header(metadata)).map_err(journal_error)?;
        Ok(PyBytes::new(py, &header))
    }

    /// Adds a record and returns the bytes that wait. ``ts`` is Unix nanoseconds.
    /// ``JournalError`` for a payload that is too long.
    fn append(
        &self,
        kind: u8,
        ts: i64,
        conn: u32,
        epoch: u32,
        payload: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let mut counted = lock(&self.packer);
        let copied;
        let payload = if let Ok(bytes) = payload.cast::<PyBytes>() {
            bytes.as_bytes()
        } else {
            copied = PyBuffer::<u8>::get(payload)?.to_vec(payload.py())?;
            &copied
        };
        counted.append(&Record { kind, ts, conn, epoch, payload }).map_err(journal_error)?;
        Ok(counted.packer.pending())
    }

    /// Bytes that wait to be packed.
    #[getter]
    fn pending(&self) -> usize {
        lock(&self.packer).packer.pending()
    }

    /// The next block, empty bytes if there is none: a full one, or with ``partial`` what
    /// there is.
    #[pyo3(signature = (*, partial = true))]
    fn take_block<'py>(&self, py: Python<'py>, partial: bool) -> PyResult<Bound<'py, PyBytes>> {
        let block = py.detach(|| {
            // The sealer's lock first, so that blocks are numbered in the order they are taken.
            let mut sealer = lock(&self.sealer);
            let Some(raw) = lock(&self.packer).packer.take(partial) else { return Ok(None) };
            let block = sealer.seal(&raw);
            lock(&self.packer).packer.give_back(raw);
            block.map(Some)
        });
        let block = block.map_err(journal_error)?.unwrap_or_default();
        Ok(PyBytes::new(py, &block))
    }

    /// The last block of a recording, which says that nothing is to follow; take all others
    /// first.
    fn end_block<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let block = lock(&self.sealer).end().map_err(journal_error)?;
        Ok(PyBytes::new(py, &block))
    }
}

/// Iterates ``(kind, ts, conn, epoch, payload)`` over the longest valid part of a segment that
/// is held in memory, and says what is missing.
///
/// ``recover`` hands out valid blocks behind damage, too; ``after`` is the number of the block
/// before the first that is wanted. Raises ``JournalError`` if ``data`` is no journal, or of a
/// newer format.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct JournalReader {
    reader: Reader<PyBackedBytes>,
}

#[pymethods]
impl JournalReader {
    #[new]
    #[pyo3(signature = (data, *, recover = false, after = None))]
    fn new(
        py: Python<'_>,
        data: Bound<'_, PyBytes>,
        recover: bool,
        after: Option<u64>,
    ) -> PyResult<Self> {
        let data = PyBackedBytes::from(data);
        let reader = py.detach(|| Reader::new(data, ReadOptions { recover, after }));
        Ok(Self { reader: reader.map_err(journal_error)? })
    }

    /// What the segment was begun with.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.reader.metadata())
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        if !self.reader.ready() && !py.detach(|| self.reader.load()) {
            return Ok(None);
        }
        let Some(record) = self.reader.next_record() else { return Ok(None) };
        let payload = PyBytes::new(py, record.payload);
        let fields = (record.kind, record.ts, record.conn, record.epoch, payload);
        fields.into_pyobject(py).map(Some)
    }

    /// What was read and what is missing, by name: ``records``, ``blocks``, ``valid_bytes``,
    /// ``total_bytes``, ``clean``, ``missing`` (a list of offset, bytes and reason), ``ended``
    /// (whether the recording ends here; ``None`` if its format does not say), and more.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let report = py.detach(|| self.reader.report());
        let missing = PyList::empty(py);
        for hole in &report.missing {
            let entry = PyDict::new(py);
            entry.set_item("offset", hole.offset)?;
            entry.set_item("bytes", hole.bytes)?;
            entry.set_item("reason", hole.damage.to_string())?;
            missing.append(entry)?;
        }
        let dict = PyDict::new(py);
        dict.set_item("records", report.records)?;
        dict.set_item("blocks", report.blocks)?;
        dict.set_item("valid_bytes", report.valid_bytes)?;
        dict.set_item("total_bytes", report.total_bytes)?;
        dict.set_item("clean", report.clean())?;
        dict.set_item("missing", missing)?;
        dict.set_item("ended", report.ended)?;
        dict.set_item("records_behind", report.records_behind)?;
        dict.set_item("blocks_skipped", report.blocks_skipped)?;
        dict.set_item("seq_first", report.seq_first)?;
        dict.set_item("seq_last", report.seq_last)?;
        dict.set_item("stream", self.reader.stream().map(|id| format!("{id:016x}")))?;
        Ok(dict)
    }
}

/// A panic while holding a lock leaves bytes that are at worst incomplete, which is for the
/// reader's checks to find; recording goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
