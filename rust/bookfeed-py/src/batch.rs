//! Records handed over together, as bytes and as numpy structured arrays over them.

use bookfeed_core::update::{
    Field, INDEX_FIELDS, INDEX_SIZE, LEG_FIELDS, LEG_SIZE, LEVEL_FIELDS, LEVEL_SIZE, SIGNAL_FIELDS,
    SIGNAL_SIZE, UPDATE_FIELDS, UPDATE_SIZE, legs_of,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

static UPDATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static SIGNAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static LEG: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static LEVEL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static INDEX: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static FROMBUFFER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The argument for `numpy.dtype` that describes a record.
pub fn dtype_dict<'py>(py: Python<'py>, fields: &[Field], size: usize) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("names", fields.iter().map(|f| f.0).collect::<Vec<_>>())?;
    dict.set_item("formats", fields.iter().map(|f| f.1).collect::<Vec<_>>())?;
    dict.set_item("offsets", fields.iter().map(|f| f.2).collect::<Vec<_>>())?;
    dict.set_item("itemsize", size)?;
    Ok(dict)
}

/// `numpy.frombuffer(bytes, dtype)`: an array over the bytes, without a copy.
#[allow(clippy::disallowed_methods, reason = "an array of numpy's")]
pub fn frombuffer<'py>(
    py: Python<'py>,
    bytes: &Bound<'py, PyBytes>,
    dtype: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    FROMBUFFER.import(py, "numpy", "frombuffer")?.call1((bytes, dtype))
}

#[allow(clippy::disallowed_methods, reason = "a type of numpy's")]
fn records<'py>(
    py: Python<'py>,
    bytes: &Py<PyBytes>,
    cache: &PyOnceLock<Py<PyAny>>,
    fields: &[Field],
    size: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let dtype = cache.get_or_try_init(py, || {
        let dict = dtype_dict(py, fields, size)?;
        py.import("numpy")?.getattr("dtype")?.call1((dict,)).map(Bound::unbind)
    })?;
    frombuffer(py, bytes.bind(py), dtype.bind(py))
}

/// Whole records of `size` bytes; how many.
fn count_of(name: &str, bytes: &[u8], size: usize) -> PyResult<usize> {
    if bytes.len().is_multiple_of(size) {
        return Ok(bytes.len() / size);
    }
    Err(PyValueError::new_err(format!(
        "{name}: {} bytes are no whole number of records of {size}",
        bytes.len()
    )))
}

/// Every signal's legs must be there: readers look them up by their index.
fn check_legs(signals: &[u8], legs: usize) -> PyResult<()> {
    for (index, signal) in signals.chunks_exact(SIGNAL_SIZE).enumerate() {
        let (first, count) = legs_of(signal);
        if first + count > legs {
            return Err(PyValueError::new_err(format!(
                "signal_bytes: signal {index} has legs {first} to {}, and leg_bytes has {legs}",
                first + count - 1
            )));
        }
    }
    Ok(())
}

/// Records handed over together, by one ``Engine.drain()`` or made by hand; owns its bytes.
///
/// Its length is the number of updates, signals and level changes. Arrays are numpy structured
/// arrays of shape ``(n,)`` over the bytes, without a copy and read-only; their columns carry
/// units, and absent numbers in them are ``ABSENT`` (-2**63): ``bookfeed.columns()`` masks
/// those.
///
/// Made by hand it raises ``ValueError`` for bytes that are no whole number of records, and
/// for a signal whose legs are not in ``leg_bytes``.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Batch {
    pub(crate) updates: Py<PyBytes>,
    pub(crate) signals: Py<PyBytes>,
    pub(crate) legs: Py<PyBytes>,
    pub(crate) levels: Py<PyBytes>,
    pub(crate) indices: Py<PyBytes>,
    pub(crate) count: usize,
}

#[pymethods]
impl Batch {
    #[new]
    #[pyo3(
        signature = (update_bytes = None, signal_bytes = None, leg_bytes = None, level_bytes = None,
            index_bytes = None),
        text_signature = "(update_bytes=b'', signal_bytes=b'', leg_bytes=b'', level_bytes=b'', \
                          index_bytes=b'')"
    )]
    fn new(
        py: Python<'_>,
        update_bytes: Option<Bound<'_, PyBytes>>,
        signal_bytes: Option<Bound<'_, PyBytes>>,
        leg_bytes: Option<Bound<'_, PyBytes>>,
        level_bytes: Option<Bound<'_, PyBytes>>,
        index_bytes: Option<Bound<'_, PyBytes>>,
    ) -> PyResult<Batch> {
        let [updates, signals, legs, levels, indices] =
            [update_bytes, signal_bytes, leg_bytes, level_bytes, index_bytes]
                .map(|given| given.unwrap_or_else(|| PyBytes::new(py, b"")));
        let count = count_of("update_bytes", updates.as_bytes(), UPDATE_SIZE)?
            + count_of("signal_bytes", signals.as_bytes(), SIGNAL_SIZE)?
            + count_of("level_bytes", levels.as_bytes(), LEVEL_SIZE)?;
        count_of("index_bytes", indices.as_bytes(), INDEX_SIZE)?;
        let leg_count = count_of("leg_bytes", legs.as_bytes(), LEG_SIZE)?;
        check_legs(signals.as_bytes(), leg_count)?;
        let [updates, signals, legs, levels, indices] =
            [updates, signals, legs, levels, indices].map(Bound::unbind);
        Ok(Batch { updates, signals, legs, levels, indices, count })
    }

    /// What happened to books, in order: an array of ``UPDATE_DTYPE``.
    #[getter]
    fn updates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.updates, &UPDATE, &UPDATE_FIELDS, UPDATE_SIZE)
    }

    /// What rules found, in order: an array of ``SIGNAL_DTYPE``.
    #[getter]
    fn signals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.signals, &SIGNAL, &SIGNAL_FIELDS, SIGNAL_SIZE)
    }

    /// The legs of the signals, ``legs`` of them from ``leg_start`` on: an array of
    /// ``LEG_DTYPE``.
    #[getter]
    fn legs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.legs, &LEG, &LEG_FIELDS, LEG_SIZE)
    }

    /// Changes of levels, in order: an array of ``LEVEL_DTYPE``; empty unless
    /// ``Engine.watch_levels`` asked for them.
    #[getter]
    fn levels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.levels, &LEVEL, &LEVEL_FIELDS, LEVEL_SIZE)
    }

    /// Values of the indices that are estimated (``Engine.add_index``), in order: an array of
    /// ``INDEX_DTYPE``. They do not count in the batch's length, and sinks do not get them.
    #[getter]
    fn indices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.indices, &INDEX, &INDEX_FIELDS, INDEX_SIZE)
    }

    /// The bytes of ``updates``.
    #[getter]
    fn update_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.updates.clone_ref(py)
    }

    /// The bytes of ``signals``.
    #[getter]
    fn signal_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.signals.clone_ref(py)
    }

    /// The bytes of ``legs``.
    #[getter]
    fn leg_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.legs.clone_ref(py)
    }

    /// The bytes of ``levels``.
    #[getter]
    fn level_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.levels.clone_ref(py)
    }

    /// The bytes of ``indices``.
    #[getter]
    fn index_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.indices.clone_ref(py)
    }

    fn __len__(&self) -> usize {
        self.count
    }
}
