//! Python bindings: a thin list over `bookfeed-core`, the only crate that knows Python exists.

#![deny(clippy::disallowed_methods)]

mod batch;
mod book;
mod consolidated;
mod control;
mod durations;
mod engine;
mod errors;
mod fair;
mod histogram;
mod index;
mod journal;
mod level_rows;
mod listening;
mod numbers;
mod relay;
mod sources;
mod values;

use bookfeed_core::instrument::Venue;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// What the core knows of each venue, by name.
fn venues(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for venue in Venue::ALL {
        let (row, about) = (venue.row(), PyDict::new(py));
        about.set_item("continuity", row.continuity.name())?;
        about.set_item("proof", row.proof.name())?;
        about.set_item("payout_e9", row.payout)?;
        about.set_item("lines", venue.bears_lines())?;
        about.set_item("second", venue.has_second())?;
        all.set_item(row.name, about)?;
    }
    Ok(all)
}

/// The modes in which a connection of each venue may be subscribed, the usual one first.
fn modes(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for venue in Venue::ALL {
        all.set_item(venue.row().name, PyTuple::new(py, venue.row().modes)?)?;
    }
    Ok(all)
}

/// The compiled engine: bytes in, books and fixed-width records out.
///
/// Units everywhere: prices are integers of 1e-9 (``*_e9``), quantities integers of 1e-8
/// (``*_e8``), times Unix nanoseconds. Absent is ``None`` in objects and ``ABSENT``
/// (``-2**63``) in records; never NaN and never 0.
#[pymodule]
mod _bookfeed {
    use super::*;
    use bookfeed_core::book::integrity::{Cause, State};
    use bookfeed_core::fixed::{ABSENT, PRICE_DECIMALS, QTY_DECIMALS};
    use bookfeed_core::index::Standing;
    use bookfeed_core::sequence::rhythm::Freshness;
    use bookfeed_core::signals::{CloseReason, Phase, Refusal, RuleKind};
    use bookfeed_core::update::{
        INDEX_FIELDS, INDEX_SIZE, LEG_FIELDS, LEG_SIZE, LEVEL_FIELDS, LEVEL_SIZE, SIGNAL_FIELDS,
        SIGNAL_SIZE, UPDATE_FIELDS, UPDATE_SIZE, UpdateKind,
    };
    use bookfeed_core::venue::relay::Relay;
    use bookfeed_core::venue::relay::record::{POINT_FIELDS, POINT_SIZE};
    use bookfeed_core::venue::relay::topics::{MarketStatus, Origin, Topic};
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use super::batch::Batch;
    #[pymodule_export]
    use super::book::{BookView, Untrusted};
    #[pymodule_export]
    use super::consolidated::{
        ConsolidatedFill, ConsolidatedLevel, Consolidation, LeadLag, VenueCrossing, VenueLead,
    };
    #[pymodule_export]
    use super::control::{Gap, Index, Notice, PaperFill};
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::fair::{
        Answers, BoundaryMeasure, FairValue, SettlementWindow, Volatility, WindowStanding, fair_value,
        payoff_probability,
    };
    #[pymodule_export]
    use super::histogram::Histogram;
    #[pymodule_export]
    use super::index::{SpotBook, SpotIndex, SpotIndexValue};
    #[pymodule_export]
    use super::journal::{JournalEncoder, JournalReader};
    #[pymodule_export]
    use super::level_rows::LevelRows;
    #[pymodule_export]
    use super::listening::{FrameDoor, FrameIntake};
    #[pymodule_export]
    use super::numbers::{format_price, format_qty, json_check, parse_price, parse_qty};
    #[pymodule_export]
    use super::relay::{RelayBatch, Relays};
    #[pymodule_export]
    use super::values::{Depth, Fill, TradeWindow};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PRICE_SCALE", 10i64.pow(PRICE_DECIMALS))?;
        module.add("QTY_SCALE", 10i64.pow(QTY_DECIMALS))?;
        module.add("ABSENT", ABSENT)?;
        module.add("UPDATE_DTYPE", batch::dtype_dict(py, &UPDATE_FIELDS, UPDATE_SIZE)?)?;
        module.add("SIGNAL_DTYPE", batch::dtype_dict(py, &SIGNAL_FIELDS, SIGNAL_SIZE)?)?;
        module.add("LEG_DTYPE", batch::dtype_dict(py, &LEG_FIELDS, LEG_SIZE)?)?;
        module.add("LEVEL_DTYPE", batch::dtype_dict(py, &LEVEL_FIELDS, LEVEL_SIZE)?)?;
        module.add("INDEX_DTYPE", batch::dtype_dict(py, &INDEX_FIELDS, INDEX_SIZE)?)?;
        module.add("POINT_DTYPE", batch::dtype_dict(py, &POINT_FIELDS, POINT_SIZE)?)?;
        module.add("RELAY_EVENTS", relay::event_fields(py)?)?;
        for (name, names) in [
            ("STATES", State::NAMES),
            ("CAUSES", Cause::NAMES),
            ("FRESHNESS", Freshness::NAMES),
            ("INDEX_STANDINGS", &Standing::NAMES),
            ("UPDATE_KINDS", UpdateKind::NAMES),
            ("SIGNAL_PHASES", Phase::NAMES),
            ("RULES", RuleKind::NAMES),
            ("CLOSE_REASONS", CloseReason::NAMES),
            ("REFUSALS", Refusal::NAMES),
            ("RELAYS", Relay::NAMES),
            ("RELAY_TOPICS", Topic::NAMES),
            ("ORIGINS", Origin::NAMES),
            ("MARKET_STATUSES", MarketStatus::NAMES),
        ] {
            module.add(name, PyTuple::new(py, names)?)?;
        }
        module.add("VENUES", venues(py)?)?;
        module.add("MODES", modes(py)?)?;
        errors::add_to(module)
    }
}
