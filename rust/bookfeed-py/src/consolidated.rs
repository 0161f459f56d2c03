//! Several venues' books of one thing, for Python: from views of live books, or from levels.

use crate::book::{BookView, side_by_name, taken_by};
use crate::durations::duration;
use crate::errors::{decimal_error, engine_error};
use crate::numbers::qty_of;
use crate::sources::Source;
use crate::values::Fill;
use bookfeed_core::consolidated::{
    Across, Basis, Crossing, Lead, LeadLag as Core, LeadParams, Part, Share, Step, merged,
    sweep_notional, sweep_qty,
};
use bookfeed_core::event::Side;
use bookfeed_core::fees::{Fees, Usd};
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::metrics::{Ratio, Requested, Sweep, notional_f64, price_f64, qty_f64};
use bookfeed_core::time::SECOND;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;

/// The books of several venues read as one: made by ``Consolidated.now()``, or of ``BookView``
/// and ``SpotBook`` by name.
///
/// Each answer is of the moment it is asked, and only from books that may be believed then.
/// Prices are before fees; what a sweep pays of them stands beside it. ``taker_bps`` are what
/// venues take of the money that changes hands, in basis points by name, such as your tier of a
/// spot venue: what is stated counts before a market's own schedule. Raises ``DecimalError``
/// for one that is negative or above 10,000.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Consolidation {
    names: Vec<String>,
    books: Vec<Py<PyAny>>,
    taker_ppm: BTreeMap<String, u32>,
}

/// What a venue takes of those who take.
#[derive(Clone)]
enum Charge {
    Unknown,
    /// Millionths of the money that changes hands.
    Ppm(u32),
    /// As the market's schedule says.
    Schedule(Fees),
}

impl Charge {
    /// The fee of one venue's part of a sweep, rounded up to 1e-9; `None` if it is not known.
    fn of(&self, part: &Part<'_>, sweep: &Sweep) -> Option<Usd> {
        /// From millionths of 1e-17 to 1e-9.
        const UNIT: i128 = 100_000_000_000_000;
        match self {
            Self::Unknown => None,
            Self::Ppm(ppm) => {
                let fee = sweep.notional.checked_mul(i128::from(*ppm))?;
                Usd::try_from(-(-fee).div_euclid(UNIT)).ok()
            }
            Self::Schedule(fees) => part.levels(sweep.side).taker_fee(sweep, fees),
        }
    }
}

impl Consolidation {
    /// Asks something of the books that may be believed; `names` are those of the places.
    fn ask<R>(&self, py: Python<'_>, question: impl FnOnce(&[Part<'_>], &[&str]) -> R) -> PyResult<R> {
        let sources: Vec<_> =
            self.books.iter().map(|book| Source::of(book.bind(py))).collect::<PyResult<_>>()?;
        let named = sources.iter().zip(&self.names);
        let (parts, names): (Vec<_>, Vec<_>) =
            named.filter_map(|(source, name)| Some((source.part()?, name.as_str()))).unzip();
        Ok(question(&parts, &names))
    }

    fn fill(
        &self,
        py: Python<'_>,
        sweep: impl FnOnce(&[Part<'_>]) -> Option<Across>,
    ) -> PyResult<Option<ConsolidatedFill>> {
        let charges = self.charges(py);
        self.ask(py, |parts, names| {
            let Across { whole, shares } = sweep(parts)?;
            let share = |share: Share| {
                let (name, sweep) = (names[share.place], part_of(&whole, &share));
                let charge = charges.get(name).unwrap_or(&Charge::Unknown);
                (name.to_owned(), (sweep, charge.of(&parts[share.place], &sweep)))
            };
            let shares: BTreeMap<_, _> = shares.into_iter().map(share).collect();
            // Unknown, if one of them is.
            let fee = shares.values().try_fold(0, |sum: Usd, &(_, fee)| sum.checked_add(fee?));
            Some(ConsolidatedFill { whole, fee, shares })
        })
    }

    /// What each venue takes: as it is stated, else as the market of its book says.
    fn charges(&self, py: Python<'_>) -> BTreeMap<&str, Charge> {
        let charge = |(name, book): (&String, &Py<PyAny>)| {
            let stated = self.taker_ppm.get(name).copied().map(Charge::Ppm);
            let schedule = || book.bind(py).cast::<BookView>().ok()?.get().taker_fees(py);
            stated.or_else(|| schedule().map(Charge::Schedule)).unwrap_or(Charge::Unknown)
        };
        self.names.iter().zip(&self.books).map(|one| (one.0.as_str(), charge(one))).collect()
    }
}

/// Millionths from basis points.
fn ppm(name: &str, bps: f64) -> PyResult<u32> {
    const BPS_MAX: f64 = 10_000.0;
    if !(0.0..=BPS_MAX).contains(&bps) {
        let wanted = "a fee must be between 0 and 10000 basis points";
        return Err(decimal_error(format!("taker_bps of {name}: {wanted}, not {bps}")));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // just checked
    let ppm = (bps * 100.0).round() as u32;
    Ok(ppm)
}

const fn fill(sweep: Sweep, fee: Option<Usd>) -> Fill {
    Fill { sweep, touch: None, fee }
}

/// One venue's part of a sweep, as a sweep of its own.
const fn part_of(whole: &Sweep, share: &Share) -> Sweep {
    Sweep {
        side: whole.side,
        requested: Requested::Qty(share.qty),
        filled_qty: share.qty,
        notional: share.notional,
        best_price: share.best_price,
        worst_price: share.worst_price,
        levels: share.levels,
        complete: true,
        truncated: false,
    }
}

#[pymethods]
impl Consolidation {
    #[new]
    #[pyo3(signature = (books, *, taker_bps=None))]
    fn new(books: &Bound<'_, PyDict>, taker_bps: Option<BTreeMap<String, f64>>) -> PyResult<Self> {
        let stated = taker_bps.unwrap_or_default().into_iter();
        let taker_ppm =
            stated.map(|(name, bps)| ppm(&name, bps).map(|ppm| (name, ppm))).collect::<PyResult<_>>()?;
        let (mut names, mut all) = (Vec::new(), Vec::new());
        for (name, book) in books {
            Source::of(&book)?;
            names.push(name.extract()?);
            all.push(book.unbind());
        }
        Ok(Self { names, books: all, taker_ppm })
    }

    /// Names of the books that may be believed now; no others are in any answer.
    #[getter]
    fn included(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, |_, names| names.iter().map(|&name| name.to_owned()).collect())
    }

    /// The levels of ``side`` (``"bid"`` or ``"ask"``) of all venues, the best first: the best
    /// ``depth`` prices, or all.
    #[pyo3(signature = (side, depth=None))]
    fn ladder(
        &self,
        py: Python<'_>,
        side: &str,
        depth: Option<usize>,
    ) -> PyResult<Vec<ConsolidatedLevel>> {
        let side = side_by_name(side)?;
        self.ask(py, |parts, names| {
            let steps = merged(parts, side).steps().take(depth.unwrap_or(usize::MAX));
            steps.map(|step| ConsolidatedLevel::new(step, names)).collect()
        })
    }

    /// Whether some venue does not tell ``side`` as deep as another does: ``ladder`` may miss
    /// levels of it from this price on. ``None`` if all are known in whole.
    fn depth_known(&self, py: Python<'_>, side: &str) -> PyResult<Option<f64>> {
        let side = side_by_name(side)?;
        self.ask(py, |parts, _| merged(parts, side).known_end().map(|end| price_f64(i128::from(end))))
    }

    /// What taking ``qty`` from all venues would execute: ``"buy"`` walks the asks, ``"sell"``
    /// the bids, the best price first, and of one price the venues in their order.
    ///
    /// ``None`` if nothing would. Raises as ``BookView.sweep`` does.
    fn sweep(
        &self,
        py: Python<'_>,
        side: &str,
        qty: &Bound<'_, PyAny>,
    ) -> PyResult<Option<ConsolidatedFill>> {
        let (side, qty) = (taken_by(side)?, qty_of(qty)?);
        self.fill(py, |parts| sweep_qty(parts, side, qty))
    }

    /// As ``sweep``, for at most so much money.
    fn sweep_notional(
        &self,
        py: Python<'_>,
        side: &str,
        notional: &Bound<'_, PyAny>,
    ) -> PyResult<Option<ConsolidatedFill>> {
        let (side, notional) = (taken_by(side)?, i128::from(qty_of(notional)?) * i128::from(PRICE_ONE));
        self.fill(py, |parts| sweep_notional(parts, side, notional))
    }

    /// What could be bought at one venue and sold at another for more: how far books overlap.
    fn crossing(&self, py: Python<'_>) -> PyResult<VenueCrossing> {
        self.ask(py, |parts, names| VenueCrossing::new(&Crossing::of(parts), names))
    }

    /// The median of the venues' mids; ``None`` if none has both sides.
    #[getter]
    fn mid(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.ask(py, |parts, _| Some(price(Basis::of(parts)?.median()?)))
    }

    /// How far each venue's mid is above ``mid``; a venue without both sides is not in it.
    fn basis(&self, py: Python<'_>) -> PyResult<BTreeMap<String, f64>> {
        self.apart(py, |basis, place| basis.apart(place).map(price))
    }

    /// The same in basis points of ``mid``.
    fn basis_bps(&self, py: Python<'_>) -> PyResult<BTreeMap<String, f64>> {
        self.apart(py, |basis, place| basis.apart_bps(place).map(Ratio::value_f64))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let best =
            |side| self.ladder(py, side, Some(1)).map(|all| all.first().map(ConsolidatedLevel::price));
        let shown = |price: Option<f64>| price.map_or("None".to_owned(), |price| price.to_string());
        let (bid, ask) = (shown(best("bid")?), shown(best("ask")?));
        Ok(format!("Consolidation({}, bid={bid}, ask={ask})", self.included(py)?.join(", ")))
    }
}

impl Consolidation {
    fn apart(
        &self,
        py: Python<'_>,
        of: impl Fn(&Basis, usize) -> Option<f64>,
    ) -> PyResult<BTreeMap<String, f64>> {
        self.ask(py, |parts, names| {
            let basis = Basis::of(parts);
            let one =
                |(place, &name): (usize, &&str)| Some((name.to_owned(), of(basis.as_ref()?, place)?));
            names.iter().enumerate().filter_map(one).collect()
        })
    }

    /// Twice the mid of each of `names`.
    fn twice_mids(&self, py: Python<'_>, wanted: &[String]) -> PyResult<Vec<Option<i128>>> {
        self.ask(py, |parts, names| {
            let of = |name: &String| parts[names.iter().position(|known| known == name)?].twice_mid();
            wanted.iter().map(of).collect()
        })
    }
}

/// A ratio of 1e-9 in whole units.
fn price(ratio: Ratio) -> f64 {
    Ratio::new(ratio.num(), ratio.den() * i128::from(PRICE_ONE)).map_or(0.0, Ratio::value_f64)
}

/// All that venues have at one price.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct ConsolidatedLevel {
    step: Step,
    names: Vec<String>,
}

impl ConsolidatedLevel {
    fn new(step: Step, names: &[&str]) -> Self {
        let names = step.sizes.iter().map(|&(place, _)| names[place].to_owned()).collect();
        Self { step, names }
    }
}

#[pymethods]
impl ConsolidatedLevel {
    /// The price.
    #[getter]
    fn price(&self) -> f64 {
        price_f64(i128::from(self.step.price))
    }

    /// The price in 1e-9, exactly.
    #[getter]
    fn price_e9(&self) -> i64 {
        self.step.price
    }

    /// Size of all venues.
    #[getter]
    fn qty(&self) -> f64 {
        qty_f64(self.step.qty)
    }

    /// Size of all venues in 1e-8, exactly.
    #[getter]
    fn qty_e8(&self) -> i128 {
        self.step.qty
    }

    /// Size of each venue that is there, in 1e-8, in their order.
    #[getter]
    fn venues<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let sizes = PyDict::new(py);
        for (name, (_, qty)) in self.names.iter().zip(&self.step.sizes) {
            sizes.set_item(name, qty)?;
        }
        Ok(sizes)
    }

    fn __repr__(&self) -> String {
        format!("ConsolidatedLevel({} x {}, {})", self.price(), self.qty(), self.names.join(", "))
    }
}

/// What a sweep of all venues would execute.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct ConsolidatedFill {
    whole: Sweep,
    fee: Option<Usd>,
    shares: BTreeMap<String, (Sweep, Option<Usd>)>,
}

#[pymethods]
impl ConsolidatedFill {
    /// The whole of it: its average price is the VWAP across venues, its fee the sum of theirs;
    /// ``None`` if one of them is not known.
    #[getter]
    fn whole(&self) -> Fill {
        fill(self.whole, self.fee)
    }

    /// What each venue does of it, of those that do anything.
    #[getter]
    fn venues<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shares = PyDict::new(py);
        for (name, &(sweep, fee)) in &self.shares {
            shares.set_item(name, Py::new(py, fill(sweep, fee))?)?;
        }
        Ok(shares)
    }
}

/// How far books of several venues overlap.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct VenueCrossing {
    inner: Crossing,
    sold: BTreeMap<String, i128>,
    bought: BTreeMap<String, i128>,
}

impl VenueCrossing {
    fn new(inner: &Crossing, names: &[&str]) -> Self {
        let of = |side: Side| {
            let size = |&(sold, bought): &(i128, i128)| if side == Side::Bid { sold } else { bought };
            let sizes = names.iter().zip(inner.sizes.iter().map(size)).filter(|(_, size)| *size > 0);
            sizes.map(|(&name, size)| (name.to_owned(), size)).collect()
        };
        Self { inner: inner.clone(), sold: of(Side::Bid), bought: of(Side::Ask) }
    }
}

#[pymethods]
impl VenueCrossing {
    /// Size that bids above asks of other venues would match.
    #[getter]
    fn qty(&self) -> f64 {
        qty_f64(self.inner.qty)
    }

    /// The same in 1e-8, exactly.
    #[getter]
    fn qty_e8(&self) -> i128 {
        self.inner.qty
    }

    /// What that would gain, before fees.
    #[getter]
    fn gain(&self) -> f64 {
        notional_f64(self.inner.gain)
    }

    /// The same in 1e-17, exactly.
    #[getter]
    fn gain_e17(&self) -> i128 {
        self.inner.gain
    }

    /// The last bid matched, in 1e-9; ``None`` if nothing crosses.
    #[getter]
    fn last_bid_e9(&self) -> Option<i64> {
        self.inner.last.map(|(bid, _)| bid)
    }

    /// The last ask matched, in 1e-9; ``None`` if nothing crosses.
    #[getter]
    fn last_ask_e9(&self) -> Option<i64> {
        self.inner.last.map(|(_, ask)| ask)
    }

    /// Size that would be sold to each venue, in 1e-8.
    #[getter]
    fn sold_e8(&self) -> BTreeMap<String, i128> {
        self.sold.clone()
    }

    /// Size that would be bought at each venue, in 1e-8.
    #[getter]
    fn bought_e8(&self) -> BTreeMap<String, i128> {
        self.bought.clone()
    }

    /// Whether more may cross behind what is known of a book.
    #[getter]
    fn truncated(&self) -> bool {
        self.inner.truncated
    }
}

/// Which of several venues moves first: their mids, looked at on a grid of time.
///
/// ``venues`` are names. ``step_s`` is the time between two looks, ``window_s`` how far back they
/// are remembered, ``reach_s`` how far a venue may be ahead or behind: seconds or ``timedelta``.
/// Raises ``EngineError`` for a step of 0, and for more than 10,000 steps in the window.
#[pyclass(module = "bookfeed._bookfeed")]
pub struct LeadLag {
    inner: Core,
    venues: Vec<String>,
}

#[pymethods]
impl LeadLag {
    #[new]
    #[pyo3(signature = (venues, *, step_s=None, window_s=None, reach_s=None))]
    fn new(
        venues: Vec<String>,
        step_s: Option<&Bound<'_, PyAny>>,
        window_s: Option<&Bound<'_, PyAny>>,
        reach_s: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        const STEPS_MAX: i64 = 10_000;
        let usual = LeadParams::USUAL;
        let or = |given: Option<&Bound<'_, PyAny>>, name, usual| {
            given.map_or(Ok(usual), |given| duration(name, given))
        };
        let step = or(step_s, "step_s", usual.step)?;
        let window = or(window_s, "window_s", 60 * SECOND)?;
        let reach = or(reach_s, "reach_s", 2 * SECOND)?;
        let steps = |time: i64| time.checked_div(step).filter(|&steps| steps <= STEPS_MAX);
        let (Some(looks), Some(reach)) = (steps(window), steps(reach)) else {
            return Err(engine_error(format!(
                "step_s must be above 0, and window_s and reach_s at most {STEPS_MAX} of it"
            )));
        };
        let [looks, reach] = [looks, reach].map(|steps| usize::try_from(steps).unwrap_or(0));
        let inner = Core::new(venues.len(), LeadParams { step, looks, reach, ..usual });
        Ok(Self { inner, venues })
    }

    /// Looks at the mids as they are at ``ts``, Unix nanoseconds. The first look in each step
    /// counts, and a step without one is unknown. A venue that may not be believed is unknown, too.
    fn look(&mut self, py: Python<'_>, ts: i64, books: &Consolidation) -> PyResult<()> {
        let mids = books.twice_mids(py, &self.venues)?;
        self.inner.look(ts, &mids);
        Ok(())
    }

    /// How far a venue is ahead of the others together.
    ///
    /// ``None`` while it, or the others, moved fewer than 20 times in the window, where nothing
    /// goes together, and for another name.
    fn lead(&self, venue: &str) -> Option<VenueLead> {
        let place = self.venues.iter().position(|known| known == venue)?;
        self.inner.lead(place).map(|inner| VenueLead { inner })
    }
}

/// How far a venue is ahead of others.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct VenueLead {
    inner: Lead,
}

#[pymethods]
impl VenueLead {
    /// Nanoseconds by which its moves come before theirs; negative if they come behind.
    #[getter]
    fn lead_ns(&self) -> i64 {
        self.inner.lead
    }

    /// How well they go together then, in millionths: 1,000,000 is the same moves.
    #[getter]
    fn correlation_ppm(&self) -> i128 {
        self.inner.correlation_ppm
    }

    /// How many moves of its own that rests on.
    #[getter]
    fn moves(&self) -> usize {
        self.inner.moves
    }

    fn __repr__(&self) -> String {
        let Lead { lead, correlation_ppm, moves } = self.inner;
        format!("VenueLead(lead_ns={lead}, correlation_ppm={correlation_ppm}, moves={moves})")
    }
}
