//! Decimals across the boundary: exact in both directions.

use crate::errors::decimal_error;
use bookfeed_core::decode::json;
use bookfeed_core::fixed::{
    self, DecimalError, PRICE_DECIMALS, QTY_DECIMALS, QTY_ONE, Qty, format_decimal,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

fn parse(
    text: &Bound<'_, PyAny>,
    parse: fn(&[u8]) -> Result<fixed::Decimal, DecimalError>,
) -> PyResult<i64> {
    let refuse = |e: DecimalError| decimal_error(format!("{}: {e}", text));
    if let Ok(bytes) = text.cast::<PyBytes>() {
        return parse(bytes.as_bytes()).map(|d| d.value).map_err(refuse);
    }
    let string = text.cast::<PyString>()?.to_str()?;
    parse(string.as_bytes()).map(|d| d.value).map_err(refuse)
}

/// The price that a text prints, in 1e-9, exactly. Plain decimals only: ``"0.48"``, ``".48"``.
///
/// Raises ``DecimalError`` for anything else, more digits than 1e-9 has, or a number too
/// large.
#[pyfunction]
pub fn parse_price(text: &Bound<'_, PyAny>) -> PyResult<i64> {
    parse(text, fixed::parse_price)
}

/// The quantity that a text prints, in 1e-8, exactly. Raises ``DecimalError`` as
/// ``parse_price``.
#[pyfunction]
pub fn parse_qty(text: &Bound<'_, PyAny>) -> PyResult<i64> {
    parse(text, fixed::parse_qty)
}

/// A price in 1e-9 as its shortest exact decimal text.
#[pyfunction]
pub fn format_price(value: i64) -> String {
    format_decimal(value, PRICE_DECIMALS)
}

/// A quantity in 1e-8 as its shortest exact decimal text.
#[pyfunction]
pub fn format_qty(value: i64) -> String {
    format_decimal(value, QTY_DECIMALS)
}

/// Raises ``DecimalError`` with the byte offset unless `data` is one RFC 8259 text.
#[pyfunction]
pub fn json_check(data: &[u8]) -> PyResult<()> {
    json::check(data).map_err(decimal_error)
}

/// A size given by a user: text exactly, a number to the nearest 1e-8.
pub fn qty_of(value: &Bound<'_, PyAny>) -> PyResult<Qty> {
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        return parse_qty(value);
    }
    let number: f64 = value.extract()?;
    let scaled = (number * QTY_ONE as f64).round();
    if !(0.0..9.2e18).contains(&scaled) {
        return Err(decimal_error(format!("{number}: a size must be between 0 and 9.2e10")));
    }
    #[allow(clippy::cast_possible_truncation)] // the range was just checked
    let qty = scaled as i64;
    Ok(qty)
}
