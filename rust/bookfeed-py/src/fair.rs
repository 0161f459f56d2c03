//! What windows settle at and what contracts on them are worth, for Python.

use crate::durations::duration;
use crate::errors::engine_error;
use bookfeed_core::engine;
use bookfeed_core::fairvalue::{self as core, Doubt, Payoff, Tails};
use bookfeed_core::metrics::price_f64;
use bookfeed_core::settlement::{self, Endpoints, Measure, Reading, Rule, Sampling, Tie, Value};
use bookfeed_core::time::SECOND;
use pyo3::prelude::*;

/// How the value at a boundary of a window is had.
///
/// ``BoundaryMeasure("mean")`` is the mean of the 60 one-second samples before it; ``samples``,
/// ``step_s`` and ``endpoints`` change that: whether the beginning of the stretch has a sample
/// (``"start"``) or its end has one (``"end"``). ``"tick"`` is the tick stamped with that very
/// time, ``"first"`` the first one at that time or after (the open of a candle), ``"last"`` the
/// last one before it (the close of a candle).
#[pyclass(frozen, module = "bookfeed._bookfeed", from_py_object)]
#[derive(Clone, Copy)]
pub struct BoundaryMeasure {
    inner: Measure,
}

#[pymethods]
impl BoundaryMeasure {
    #[new]
    #[pyo3(signature = (kind, *, samples=60, step_s=None, endpoints="start"))]
    fn new(
        kind: &str,
        samples: u32,
        step_s: Option<&Bound<'_, PyAny>>,
        endpoints: &str,
    ) -> PyResult<Self> {
        let step = step_s.map_or(Ok(SECOND), |step| duration("step_s", step))?;
        let endpoints = match endpoints {
            "start" => Endpoints::Start,
            "end" => Endpoints::End,
            _ => return Err(engine_error(format!("endpoints must be start or end, not {endpoints:?}"))),
        };
        let inner = match kind {
            "mean" => Measure::Mean(Sampling { samples, step, endpoints }),
            "tick" => Measure::Tick,
            "first" => Measure::First,
            "last" => Measure::Last,
            _ => {
                return Err(engine_error(format!(
                    "kind must be mean, tick, first or last, not {kind:?}"
                )));
            }
        };
        Ok(Self { inner })
    }
}

/// A window of a rolling market: what it opens and closes with by its market's own rule, and how
/// much of that is known.
///
/// ``start`` and ``end`` are Unix nanoseconds, ``opening`` and ``closing`` say how their values
/// are had. ``tie`` says what a closing value equal to the strike means: ``"yes"``, or
/// ``"half"`` each. Values are integers of 1e-18, as in ``PricePoint.value_e18``. Ticks come in
/// any order, late and repeated; the first value of a time stays. One that is missing is never
/// made up: without it the outcome is ``"unknown"``.
///
/// Raises ``EngineError`` for times and samples that make no sense.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct SettlementWindow {
    inner: settlement::Window,
}

fn known(reading: Reading) -> Option<Value> {
    match reading {
        Reading::Known(value) => Some(value),
        Reading::Open | Reading::Missing(_) => None,
    }
}

#[pymethods]
impl SettlementWindow {
    #[new]
    #[pyo3(signature = (start, end, opening, closing, *, tie="yes"))]
    fn new(
        start: i64,
        end: i64,
        opening: BoundaryMeasure,
        closing: BoundaryMeasure,
        tie: &str,
    ) -> PyResult<Self> {
        let tie = match tie {
            "yes" => Tie::Yes,
            "half" => Tie::Half,
            _ => return Err(engine_error(format!("tie must be yes or half, not {tie:?}"))),
        };
        let rule = Rule { opening: opening.inner, closing: closing.inner, tie };
        settlement::Window::new(start, end, rule).map(|inner| Self { inner }).map_err(engine_error)
    }

    /// Takes a tick of the reference: the venue's time of it, Unix nanoseconds, and its value in
    /// 1e-18.
    fn tick(&mut self, ts: i64, value_e18: i128) {
        self.inner.tick(ts, value_e18);
    }

    /// Takes the strike that the venue states, in 1e-18: it overrules what was read at the
    /// start. Raises ``EngineError`` if it is not positive.
    fn tell_strike(&mut self, strike_e18: i128) -> PyResult<()> {
        self.inner.tell_strike(strike_e18).map_err(engine_error)
    }

    /// The strike, in 1e-18: as the venue states it, else as it was read at the start. ``None``
    /// until it is known.
    #[getter]
    fn strike_e18(&self) -> Option<i128> {
        self.inner.strike()
    }

    /// The value at the start, in 1e-18, a mean rounded down; ``None`` until it is known, and if
    /// a tick of it is missing.
    #[getter]
    fn opening_e18(&self) -> Option<i128> {
        known(self.inner.opening())
    }

    /// The value at the end, in the same way.
    #[getter]
    fn closing_e18(&self) -> Option<i128> {
        known(self.inner.closing())
    }

    /// Who has won: ``"open"``, ``"yes"``, ``"no"``, ``"half"``, or ``"unknown"`` if a tick that
    /// it takes to say so was not heard. Compared exactly.
    #[getter]
    fn outcome(&self) -> &'static str {
        self.inner.outcome().name()
    }

    /// How many samples of the closing mean are known; ``None`` if it closes with no mean.
    #[getter]
    fn banked(&self) -> Option<u32> {
        self.inner.closing_mean().map(settlement::Mean::banked)
    }

    /// How many of them passed and were not heard.
    #[getter]
    fn missing(&self) -> Option<u32> {
        self.inner.closing_mean().map(settlement::Mean::missing)
    }

    /// How many of them are to come.
    #[getter]
    fn left(&self) -> Option<u32> {
        self.inner.closing_mean().map(settlement::Mean::left)
    }

    /// Mean of the known samples, in 1e-18, rounded down; ``None`` before the first.
    #[getter]
    fn mean_of_banked_e18(&self) -> Option<i128> {
        self.inner.closing_mean()?.mean_of_banked()
    }

    /// The least average of the samples to come that makes it a yes, in 1e-18. ``None`` where no
    /// sample is to come, or the strike is not known.
    #[getter]
    fn needed_e18(&self) -> Option<i128> {
        self.inner.needed()
    }

    /// What is expected of the closing value at the newest tick, in 1e-18; ``None`` before the
    /// first. Samples that were missed lie on a line between their neighbours.
    #[getter]
    fn expected_e18(&self) -> Option<i128> {
        self.inner.ahead().map(|ahead| ahead.expected)
    }

    /// How far it may still move: seconds of the reference's own variance.
    #[getter]
    fn variance_s(&self) -> Option<f64> {
        self.inner.ahead().map(|ahead| ahead.variance_s)
    }

    /// The venue's time of the newest tick, Unix nanoseconds.
    #[getter]
    fn newest_ts(&self) -> Option<i64> {
        self.inner.ahead().map(|ahead| ahead.newest.at)
    }
}

/// How much a reference moves a second lately: an exponentially weighted mean of squared moves
/// of its logarithm, over unequal times.
///
/// What is ``half_life_s`` old counts half; ticks nearer to each other than ``step_s`` are left
/// out. Durations are seconds or ``timedelta``. The reference must be the raw one: a mean of a
/// minute moves by a seventh of it. Raises ``EngineError`` unless 0 < ``step_s`` <
/// ``half_life_s``.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct Volatility {
    inner: core::Volatility,
}

#[pymethods]
impl Volatility {
    #[new]
    #[pyo3(signature = (half_life_s, *, step_s=None))]
    fn new(half_life_s: &Bound<'_, PyAny>, step_s: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let half_life = duration("half_life_s", half_life_s)?;
        let step = step_s.map_or(Ok(SECOND), |step| duration("step_s", step))?;
        core::Volatility::new(half_life, step).map(|inner| Self { inner }).map_err(engine_error)
    }

    /// Takes a tick: Unix nanoseconds, and a value in 1e-18.
    fn tick(&mut self, ts: i64, value_e18: i128) {
        self.inner.tick(ts, value_e18);
    }

    /// Variance of the logarithm a second; ``None`` until nine tenths of all weights are had, or
    /// as much as 20 moves that count alike.
    #[getter]
    fn variance(&self) -> Option<f64> {
        self.inner.variance()
    }

    /// Units of the reference a root second, at its newest value; ``None`` as ``variance``.
    #[getter]
    fn sigma(&self) -> Option<f64> {
        self.inner.sigma()
    }

    /// Standard deviation of the estimate, as a part of it.
    #[getter]
    fn relative_error(&self) -> f64 {
        self.inner.relative_error()
    }
}

/// The probability that a contract pays, and what it rests on.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct FairValue {
    pub(crate) inner: core::FairValue,
}

#[pymethods]
impl FairValue {
    /// When it was worth that, Unix nanoseconds.
    #[getter]
    fn ts(&self) -> i64 {
        self.inner.at
    }

    /// Probability of yes: what a share is worth.
    #[getter]
    fn price(&self) -> f64 {
        price_f64(i128::from(self.inner.price))
    }

    /// The same in 1e-9.
    #[getter]
    fn price_e9(&self) -> i64 {
        self.inner.price
    }

    /// The least probability that the doubts allow, in 1e-9.
    #[getter]
    fn low_e9(&self) -> i64 {
        self.inner.low
    }

    /// The greatest probability that the doubts allow, in 1e-9.
    #[getter]
    fn high_e9(&self) -> i64 {
        self.inner.high
    }

    /// The expected closing value, in 1e-18.
    #[getter]
    fn expected_e18(&self) -> i128 {
        self.inner.expected
    }

    /// Its standard deviation, in 1e-18.
    #[getter]
    fn sd_e18(&self) -> i128 {
        self.inner.sd
    }

    /// How old the newest tick of the reference is, nanoseconds.
    #[getter]
    fn reference_age_ns(&self) -> i64 {
        self.inner.reference_age
    }

    /// How old the newest move is that the volatility was measured by, nanoseconds.
    #[getter]
    fn volatility_age_ns(&self) -> i64 {
        self.inner.volatility_age
    }

    /// How old the newest evidence was for the oldest book that the newest tick of the reference
    /// was made of, nanoseconds; 0 of a reference that is told.
    #[getter]
    fn books_age_ns(&self) -> i64 {
        self.inner.made.age
    }

    /// Of how many books it was made; 0 of a reference that is told.
    #[getter]
    fn books(&self) -> u32 {
        self.inner.made.of.count_ones()
    }

    fn __repr__(&self) -> String {
        let [low, high] = [self.inner.low, self.inner.high].map(|p| price_f64(i128::from(p)));
        format!("FairValue({}, low={low}, high={high})", self.price())
    }
}

/// How the book of a contract answers when its reference moves.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Answers {
    pub(crate) inner: engine::Answers,
}

#[pymethods]
impl Answers {
    /// Moves of the reference that were seen so far.
    #[getter]
    fn moves(&self) -> u64 {
        self.inner.moves
    }

    /// How long the book takes to come half of the way, in nanoseconds: the median of the
    /// newest 64 answers, from tick to tick of the reference; ``None`` before the first.
    #[getter]
    fn half_life_ns(&self) -> Option<i64> {
        self.inner.half_life
    }

    /// How long a move has not been answered, in nanoseconds, by the newest tick; ``None`` while
    /// nothing is waited for.
    #[getter]
    fn waited_ns(&self) -> Option<i64> {
        self.inner.waiting.map(|waiting| waiting.waited)
    }

    /// Whether it became worth more by that; ``None`` while nothing is waited for.
    #[getter]
    fn up(&self) -> Option<bool> {
        self.inner.waiting.map(|waiting| waiting.up)
    }

    fn __repr__(&self) -> String {
        let half_life = self.inner.half_life.map_or_else(|| "None".to_owned(), |ns| ns.to_string());
        format!("<Answers to {} moves half_life_ns={half_life}>", self.inner.moves)
    }
}

/// What is known of the window that a contract settles by.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct WindowStanding {
    pub(crate) inner: engine::WindowStanding,
}

#[pymethods]
impl WindowStanding {
    /// The strike, in 1e-18: as it was told, else as it was read at the start; ``None`` until
    /// it is known.
    #[getter]
    fn strike_e18(&self) -> Option<i128> {
        self.inner.strike
    }

    /// What was read at its start, in 1e-18; ``None`` until known, and if a tick is missing.
    #[getter]
    fn opening_e18(&self) -> Option<i128> {
        known(self.inner.opening)
    }

    /// What was read at its end, in 1e-18, likewise.
    #[getter]
    fn closing_e18(&self) -> Option<i128> {
        known(self.inner.closing)
    }

    /// Whether ``opening_e18`` is what the stream that decides told for that very time
    /// (``decided_by`` of the terms); if not, it is computed from what the reference told.
    #[getter]
    fn opening_told(&self) -> bool {
        self.inner.decided[0]
    }

    /// The same of ``closing_e18``.
    #[getter]
    fn closing_told(&self) -> bool {
        self.inner.decided[1]
    }

    /// What the samples to come must average at least for yes, in 1e-18; ``None`` where it
    /// closes with no mean, none is to come, or the strike is not known.
    #[getter]
    fn needed_e18(&self) -> Option<i128> {
        self.inner.needed
    }

    /// How many samples of the closing mean are known; ``None`` where it closes with no mean.
    #[getter]
    fn banked(&self) -> Option<u32> {
        self.inner.samples.map(|[banked, _, _]| banked)
    }

    /// How many of them passed and were not heard; ``None`` where it closes with no mean.
    #[getter]
    fn missing(&self) -> Option<u32> {
        self.inner.samples.map(|[_, missing, _]| missing)
    }

    /// How many there are in all; ``None`` where it closes with no mean.
    #[getter]
    fn samples(&self) -> Option<u32> {
        self.inner.samples.map(|[_, _, all]| all)
    }

    /// Who has won by the window's own question: ``"open"``, ``"yes"``, ``"no"``, ``"half"`` or
    /// ``"unknown"``.
    #[getter]
    fn outcome(&self) -> &'static str {
        self.inner.outcome.name()
    }

    fn __repr__(&self) -> String {
        let strike = self.inner.strike.map_or_else(|| "None".to_owned(), |strike| strike.to_string());
        format!("<WindowStanding {} strike_e18={strike}>", self.outcome())
    }
}

/// What a contract on the closing value of a window is worth at ``ts`` (Unix nanoseconds).
///
/// It pays 1 if that value is at least ``at_least_e18`` and below ``below_e18``; with neither it
/// is the window's own question, at least its strike. ``half_on_tie`` says that a value equal to
/// the lower bound pays half. ``freedom`` is degrees of freedom of Student's t, 3 to 100, or
/// ``None`` for normal moves; ``scale`` multiplies their deviation. The interval allows for a
/// reference that is off by ``reference_doubt_e18`` and a volatility that is off by
/// ``volatility_doubt`` standard deviations of its estimate.
///
/// ``None`` before the first tick, while the strike or the volatility is not known. Raises
/// ``EngineError`` for tails that make no sense.
#[pyfunction]
#[pyo3(signature = (window, volatility, ts, *, at_least_e18=None, below_e18=None, half_on_tie=false,
    freedom=None, scale=1.0, reference_doubt_e18=0, volatility_doubt=2.0))]
#[allow(clippy::too_many_arguments)]
pub fn fair_value(
    window: &SettlementWindow,
    volatility: &Volatility,
    ts: i64,
    at_least_e18: Option<i128>,
    below_e18: Option<i128>,
    half_on_tie: bool,
    freedom: Option<u32>,
    scale: f64,
    reference_doubt_e18: i128,
    volatility_doubt: f64,
) -> PyResult<Option<FairValue>> {
    let tails = Tails::new(freedom, scale).map_err(engine_error)?;
    if !(0.0..=100.0).contains(&volatility_doubt) || reference_doubt_e18 < 0 {
        return Err(engine_error("doubts must not be negative, that of the volatility at most 100"));
    }
    let own = at_least_e18.is_none() && below_e18.is_none();
    let at_least = if own { window.inner.strike() } else { at_least_e18 };
    let Some(ahead) = window.inner.ahead().filter(|_| !own || at_least.is_some()) else {
        return Ok(None);
    };
    let payoff = Payoff { at_least, below: below_e18, half_on_tie };
    let doubt = Doubt { reference: reference_doubt_e18, volatility: volatility_doubt };
    let value = core::fair_value(payoff, &ahead, &volatility.inner, tails, doubt, ts);
    Ok(value.map(|inner| FairValue { inner }))
}

/// Probability, in 1e-9, that a value with an expectation (in 1e-18) and a standard deviation
/// (in whole units) is at least one bound and below another. ``freedom`` and ``scale`` as in
/// ``fair_value``. Raises ``EngineError`` for tails and deviations that make no sense.
#[pyfunction]
#[pyo3(signature = (expected_e18, sd, *, at_least_e18=None, below_e18=None, freedom=None, scale=1.0))]
pub fn payoff_probability(
    expected_e18: i128,
    sd: f64,
    at_least_e18: Option<i128>,
    below_e18: Option<i128>,
    freedom: Option<u32>,
    scale: f64,
) -> PyResult<i64> {
    let tails = Tails::new(freedom, scale).map_err(engine_error)?;
    if !(0.0..=f64::MAX).contains(&sd) {
        return Err(engine_error(format!("sd must be a number that is not negative, not {sd}")));
    }
    let payoff = Payoff { at_least: at_least_e18, below: below_e18, half_on_tie: false };
    let outlook = core::Outlook { expected: expected_e18, sd };
    Ok(payoff.probability(outlook, tails))
}
