//! Durations from Python: seconds as a number or a `timedelta`, kept as whole nanoseconds; and
//! the answer to keywords that once counted nanoseconds.

use crate::errors::engine_error;
use bookfeed_core::time::{Nanos, SECOND};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat};

static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Longest duration taken, 366 days. Nanoseconds given for seconds are nearly always longer.
const SECONDS_MAX: f64 = 31_622_400.0;
const DAY_S: i64 = 86_400;
const MICROSECOND: Nanos = 1_000;

/// The duration called `name`: seconds to the nearest nanosecond, a `timedelta` exactly.
pub fn duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Nanos> {
    // Python's own floats first: `trusted` is asked in hot loops.
    if let Ok(seconds) = value.cast_exact::<PyFloat>() {
        return seconds_ns(name, seconds.value());
    }
    let py = value.py();
    if value.is_instance(TIMEDELTA.import(py, "datetime", "timedelta")?)? {
        let part = |part: &str| value.getattr(part)?.extract::<i64>();
        let (days, seconds, micros) = (part("days")?, part("seconds")?, part("microseconds")?);
        let within =
            (0..=366).contains(&days).then(|| (days * DAY_S + seconds) * SECOND + micros * MICROSECOND);
        return within.filter(|&ns| ns <= 366 * DAY_S * SECOND).ok_or_else(|| {
            out_of_range(name, &value.str().map_or_else(|_| String::new(), |s| s.to_string()))
        });
    }
    match value.extract::<f64>() {
        Ok(seconds) if !value.is_instance_of::<PyBool>() => seconds_ns(name, seconds),
        _ => Err(PyTypeError::new_err(format!(
            "{name} must be seconds as a number, or a datetime.timedelta, not {}",
            value.get_type().name()?
        ))),
    }
}

/// Seconds as nanoseconds, the whole ones apart, so that a fraction keeps its precision.
#[inline]
fn seconds_ns(name: &str, seconds: f64) -> PyResult<Nanos> {
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(out_of_range(name, &seconds.to_string()));
    }
    let whole = seconds.trunc();
    #[allow(clippy::cast_possible_truncation)] // the range was just checked
    let ns = whole as Nanos * SECOND + ((seconds - whole) * 1e9).round() as Nanos;
    Ok(ns)
}

#[cold]
fn out_of_range(name: &str, given: &str) -> PyErr {
    engine_error(format!(
        "{name} must be from 0 to {SECONDS_MAX} seconds (366 days), not {given}; it is not in nanoseconds"
    ))
}

/// Refuses keywords that `function` does not know. Those in `renamed`, old name and new, are
/// answered with their new name.
pub fn refuse_keywords(
    function: &str,
    keywords: Option<&Bound<'_, PyDict>>,
    renamed: &[(&str, &str)],
) -> PyResult<()> {
    let Some((key, _)) = keywords.and_then(|keywords| keywords.iter().next()) else { return Ok(()) };
    let key = key.str()?.to_string();
    let new = renamed.iter().find(|(old, _)| *old == key);
    Err(PyTypeError::new_err(match new {
        Some((old, new)) => {
            format!("{function}: {old} is now {new}, in seconds (a number or a timedelta)")
        }
        None => format!("{function}() got an unexpected keyword argument '{key}'"),
    }))
}
