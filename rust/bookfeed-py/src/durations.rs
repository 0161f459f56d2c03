//! Durations from Python: seconds as a number or a `timedelta`, kept as whole nanoseconds; and
//! the answer to keywords that once counted nanoseconds.

use crate::errors::engine_error;
use bookfeed_core::time::{Nanos, SECOND};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyTuple};

static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Longest duration taken, 366 days. Nanoseconds given for seconds are nearly always longer.
const SECONDS_MAX: f64 = 31_622_400.0;
const DAYS_MAX: i64 = 366;
const DAY_S: i64 = 86_400;
const MICROSECOND: Nanos = 1_000;

/// The duration called `name`: seconds to the nearest nanosecond, a `timedelta` exactly.
#[inline]
pub fn duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Nanos> {
    // Python's own floats first and inline: `trusted` is asked in hot loops.
    let usual = value.cast_exact::<PyFloat>().ok().and_then(|seconds| whole_ns(seconds.value()));
    usual.map_or_else(|| any_duration(name, value), Ok)
}

/// The durations called `name`: one, or those of a list or a tuple.
pub fn durations(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<Nanos>> {
    let several = value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>();
    if !several {
        return Ok(vec![duration(name, value)?]);
    }
    value.try_iter()?.map(|one| duration(name, &one?)).collect()
}

#[cold]
fn any_duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Nanos> {
    if value.is_instance(TIMEDELTA.import(value.py(), "datetime", "timedelta")?)? {
        let part = |part: &str| value.getattr(part)?.extract::<i64>();
        let (days, seconds, micros) = (part("days")?, part("seconds")?, part("microseconds")?);
        let within = (0..=DAYS_MAX).contains(&days);
        let ns = within.then(|| (days * DAY_S + seconds) * SECOND + micros * MICROSECOND);
        let fits = ns.filter(|&ns| ns <= DAYS_MAX * DAY_S * SECOND);
        return fits.ok_or_else(|| out_of_range(name, &value.to_string()));
    }
    match value.extract::<f64>() {
        Ok(seconds) if !value.is_instance_of::<PyBool>() => {
            whole_ns(seconds).ok_or_else(|| out_of_range(name, &format!("{seconds:?}")))
        }
        _ => Err(PyTypeError::new_err(format!(
            "{name} must be seconds as a number, or a datetime.timedelta, not {}",
            value.get_type().name()?
        ))),
    }
}

/// Seconds as nanoseconds, the whole ones apart, so that a fraction keeps its precision;
/// `None` out of range. In steps that need no call of the maths library.
#[inline]
fn whole_ns(seconds: f64) -> Option<Nanos> {
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // just checked
    let ns = {
        let whole = seconds as Nanos;
        whole * SECOND + ((seconds - whole as f64) * 1e9 + 0.5) as Nanos
    };
    Some(ns)
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
