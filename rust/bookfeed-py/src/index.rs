//! The index of spot books, for Python: from views of live books, or from levels.

use crate::durations::duration;
use crate::errors::engine_error;
use crate::sources::Source;
use bookfeed_core::book::side::Ladder;
use bookfeed_core::event::Level;
use bookfeed_core::fixed::{Price, Qty};
use bookfeed_core::index::{
    Constituent, Crossed, IndexValue, Median, Order, Params, Sample, Spacing, SpotIndex as Core,
    Standing,
};
use bookfeed_core::metrics::{price_f64, qty_f64};
use bookfeed_core::time::Nanos;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A spot venue's book at one moment, as levels.
///
/// ``ts`` is when the venue last vouched for it (any frame or heartbeat), Unix nanoseconds.
/// Levels are pairs of a price in 1e-9 and a size in 1e-8, in any order. ``believed`` says
/// whether the book may be believed; one that may not is left out of an index.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct SpotBook {
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
    retrieved: Nanos,
    pub(crate) believed: bool,
}

#[pymethods]
impl SpotBook {
    #[new]
    #[pyo3(signature = (ts, bids, asks, *, believed=true))]
    fn new(ts: i64, bids: Vec<(Price, Qty)>, asks: Vec<(Price, Qty)>, believed: bool) -> Self {
        let levels = |side: Vec<(Price, Qty)>| side.into_iter().map(|(p, q)| Level::new(p, q));
        let (mut bids, mut asks): (Vec<_>, Vec<_>) = (levels(bids).collect(), levels(asks).collect());
        bids.sort_by_key(|level| level.price);
        asks.sort_by_key(|level| std::cmp::Reverse(level.price));
        Self { bids, asks, retrieved: ts, believed }
    }
}

/// An index of spot books by its administrator's published method: an estimate of our own, never
/// the administrator's value.
///
/// ``asset`` chooses the published parameters: ``"BTC"``, ``"ETH"``, ``"SOL"`` or ``"XRP"``.
/// Where public sources disagree about the method there is a switch:
///
/// * ``spacing``: ``"integral"``, over each step of the curve; ``"published"``, multiples of the
///   size that was published until June 2026; ``"hundredth"``, hundredths of the depth that is
///   used; or a size in 1e-8.
/// * ``sample``: which orders the size cap is computed from: ``("at_least", n)``, all within 5 %
///   of the best price, but n of each side; ``("at_most", n)``, the best n of those.
/// * ``order``: what is capped as one order: a venue's ``"level"``, or all of a ``"price"``.
/// * ``crossed``: whether bids above asks of other venues are ``"kept"`` or ``"matched"``.
/// * ``median``: whether mids are compared with the median of those that are not excluded
///   (``"valid"``) or of ``"all"``.
/// * ``lag_max_s``: how old a book's newest sign of life may not be, seconds or ``timedelta``.
/// * ``half_spread_ppm``, ``erroneous_ppm``: how wide half the spread may become, and how far a
///   mid may stray, in parts per million.
///
/// Raises ``EngineError`` for what is none of these.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct SpotIndex {
    inner: Core,
    names: Vec<String>,
}

impl Source<'_> {
    fn constituent(&self) -> Constituent<'_> {
        match self {
            Self::View(held, _) => held.book().map_or(ABSENT, |book| Constituent {
                bids: book.bids.levels(),
                asks: book.asks.levels(),
                retrieved: held.ts_evidence(),
                believed: book.believable(),
            }),
            Self::Levels(spot) => Constituent {
                bids: Ladder::of(&spot.bids),
                asks: Ladder::of(&spot.asks),
                retrieved: spot.retrieved,
                believed: spot.believed,
            },
        }
    }
}

/// A constituent that nobody has heard of this time.
const ABSENT: Constituent<'static> =
    Constituent { bids: Ladder::of(&[]), asks: Ladder::of(&[]), retrieved: Nanos::MIN, believed: false };

/// The one of `choices` that is called `given`.
fn choice<T: Copy>(name: &str, given: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(called, _)| *called == given).map(|&(_, value)| value).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(called, _)| format!("{called:?}")).collect();
        engine_error(format!("{name} must be {}, not {given:?}", known.join(" or ")))
    })
}

fn spacing(given: &Bound<'_, PyAny>, published: Qty) -> PyResult<Spacing> {
    if let Ok(size) = given.extract::<Qty>() {
        let positive = (size > 0).then_some(Spacing::Every(size));
        return positive.ok_or_else(|| engine_error(format!("spacing must be above 0, not {size}")));
    }
    let choices = [
        ("integral", Spacing::Integral),
        ("published", Spacing::Every(published)),
        ("hundredth", Spacing::Hundredth),
    ];
    choice("spacing", &given.extract::<String>()?, &choices)
}

#[pymethods]
impl SpotIndex {
    #[new]
    #[pyo3(signature = (asset, *, spacing=None, sample=None, order="level", crossed="kept",
        median="valid", lag_max_s=None, half_spread_ppm=None, erroneous_ppm=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        asset: &str,
        spacing: Option<&Bound<'_, PyAny>>,
        sample: Option<(String, usize)>,
        order: &str,
        crossed: &str,
        median: &str,
        lag_max_s: Option<&Bound<'_, PyAny>>,
        half_spread_ppm: Option<u32>,
        erroneous_ppm: Option<u32>,
    ) -> PyResult<Self> {
        let (mut params, published) = Params::of_asset(asset)
            .ok_or_else(|| engine_error(format!("asset must be BTC, ETH, SOL or XRP, not {asset:?}")))?;
        if let Some(given) = spacing {
            params.spacing = self::spacing(given, published)?;
        }
        if let Some((kind, count)) = sample {
            let kinds = [("at_least", Sample::AtLeast(count)), ("at_most", Sample::AtMost(count))];
            params.sample = choice("sample", &kind, &kinds)?;
        }
        if params.sample == Sample::AtMost(0) {
            return Err(engine_error("a sample of at most 0 orders has no size: allow more"));
        }
        params.order = choice("order", order, &[("level", Order::Level), ("price", Order::Price)])?;
        let kinds = [("kept", Crossed::Kept), ("matched", Crossed::Matched)];
        params.crossed = choice("crossed", crossed, &kinds)?;
        params.median = choice("median", median, &[("valid", Median::Valid), ("all", Median::All)])?;
        if let Some(lag_max) = lag_max_s {
            params.lag_max = duration("lag_max_s", lag_max)?;
        }
        params.half_spread_ppm = half_spread_ppm.unwrap_or(params.half_spread_ppm);
        params.erroneous_ppm = erroneous_ppm.unwrap_or(params.erroneous_ppm);
        Ok(Self { inner: Core::new(params), names: Vec::new() })
    }

    /// The index at the effective time ``ts`` (Unix nanoseconds), from the books of its
    /// constituents by name: ``BookView`` or ``SpotBook``. A view counts while it is live; its
    /// newest evidence is its sign of life. A constituent that was given before and is not now
    /// is delayed.
    ///
    /// ``None`` if no book is left after the screening: nothing is carried forward.
    fn tick(&mut self, ts: i64, books: &Bound<'_, PyDict>) -> PyResult<Option<SpotIndexValue>> {
        let mut sources: Vec<Option<Source<'_>>> = (0..self.names.len()).map(|_| None).collect();
        for (name, book) in books {
            let name: String = name.extract()?;
            let source = Source::of(&book)?;
            match self.names.iter().position(|known| *known == name) {
                Some(place) => sources[place] = Some(source),
                None => {
                    self.names.push(name);
                    sources.push(Some(source));
                }
            }
        }
        let constituents: Vec<_> =
            sources.iter().map(|source| source.as_ref().map_or(ABSENT, Source::constituent)).collect();
        Ok(self.inner.tick(ts, &constituents).map(|inner| SpotIndexValue { inner, ts }))
    }

    /// How each constituent stood at the last tick, by name: ``"included"``, ``"delayed"``,
    /// ``"erroneous"`` (cannot be read or believed, lacks a side, or crosses itself) or
    /// ``"potentially_erroneous"`` (too far from the others, until it is well back).
    #[getter]
    fn standings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (name, standing) in self.names.iter().zip(self.inner.standings()) {
            all.set_item(name, Standing::NAMES[standing.code()])?;
        }
        Ok(all)
    }
}

/// An index of spot books at one effective time.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct SpotIndexValue {
    inner: IndexValue,
    ts: Nanos,
}

#[pymethods]
impl SpotIndexValue {
    /// The effective time, Unix nanoseconds.
    #[getter]
    fn ts(&self) -> i64 {
        self.ts
    }

    /// The value.
    #[getter]
    fn value(&self) -> f64 {
        price_f64(i128::from(self.inner.value))
    }

    /// The value, in 1e-9.
    #[getter]
    fn value_e9(&self) -> i64 {
        self.inner.value
    }

    /// The value, rounded half up to the decimal places it is published with, in 1e-9.
    #[getter]
    fn published_e9(&self) -> i64 {
        self.inner.published
    }

    /// Size up to which the merged book is tight enough to count.
    #[getter]
    fn utilised_depth(&self) -> f64 {
        qty_f64(i128::from(self.inner.utilised_depth))
    }

    /// The same in 1e-8.
    #[getter]
    fn utilised_depth_e8(&self) -> i64 {
        self.inner.utilised_depth
    }

    /// Size above which an order counts no more, in 1e-8.
    #[getter]
    fn cap_e8(&self) -> i64 {
        self.inner.cap
    }

    /// Size that the books of different venues would match with each other, in 1e-8.
    #[getter]
    fn crossed_e8(&self) -> i64 {
        self.inner.crossed
    }

    /// Best bid and best ask of the merged book, in 1e-9.
    #[getter]
    fn touch_e9<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, [self.inner.bid, self.inner.ask])
    }

    /// How many constituents are in it.
    #[getter]
    fn included(&self) -> usize {
        self.inner.included
    }

    fn __repr__(&self) -> String {
        let IndexValue { included, .. } = self.inner;
        format!("SpotIndexValue({}, included={included})", self.value())
    }
}
