//! Old names of `BookView`, answered for one version with the new ones.

use super::BookView;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

#[cold]
fn now(old: &str, new: &str) -> PyResult<()> {
    Err(PyAttributeError::new_err(format!("BookView.{old}() is now {new}: it looked like an order")))
}

// Properties that raise, since reading a property that is there costs nothing more for it.
#[pymethods]
impl BookView {
    /// Gone: use ``sweep("buy", qty)``.
    #[getter]
    fn buy(&self) -> PyResult<()> {
        now("buy", "sweep(\"buy\", qty)")
    }

    /// Gone: use ``sweep("sell", qty)``.
    #[getter]
    fn sell(&self) -> PyResult<()> {
        now("sell", "sweep(\"sell\", qty)")
    }

    /// Gone: use ``sweep_notional("buy", notional)``.
    #[getter]
    fn buy_notional(&self) -> PyResult<()> {
        now("buy_notional", "sweep_notional(\"buy\", notional)")
    }

    /// Gone: use ``sweep_notional("sell", notional)``.
    #[getter]
    fn sell_notional(&self) -> PyResult<()> {
        now("sell_notional", "sweep_notional(\"sell\", notional)")
    }
}
