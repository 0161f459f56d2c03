//! Records handed over by one drain, as bytes and as numpy structured arrays over them.

use bookfeed_core::update::{
    Field, LEG_FIELDS, LEG_SIZE, SIGNAL_FIELDS, SIGNAL_SIZE, UPDATE_FIELDS, UPDATE_SIZE,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

static UPDATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static SIGNAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static LEG: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
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

/// Records of one drain; immutable, owns its bytes.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Batch {
    pub(crate) updates: Py<PyBytes>,
    pub(crate) signals: Py<PyBytes>,
    pub(crate) legs: Py<PyBytes>,
    pub(crate) count: usize,
}

#[pymethods]
impl Batch {
    #[getter]
    fn updates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.updates, &UPDATE, &UPDATE_FIELDS, UPDATE_SIZE)
    }

    #[getter]
    fn signals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.signals, &SIGNAL, &SIGNAL_FIELDS, SIGNAL_SIZE)
    }

    #[getter]
    fn legs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records(py, &self.legs, &LEG, &LEG_FIELDS, LEG_SIZE)
    }

    #[getter]
    fn update_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.updates.clone_ref(py)
    }

    #[getter]
    fn signal_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.signals.clone_ref(py)
    }

    #[getter]
    fn leg_bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.legs.clone_ref(py)
    }

    fn __len__(&self) -> usize {
        self.count
    }
}
