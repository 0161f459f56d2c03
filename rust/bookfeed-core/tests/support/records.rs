//! Reading what the engine wrote: records as the layouts describe them, books as text.

use super::venue::{Truth, price_text};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::Engine;
use bookfeed_core::fixed::{PRICE_DECIMALS, QTY_DECIMALS, format_decimal, parse_qty};
use bookfeed_core::signals::{CloseReason, Phase, RuleKind};
use bookfeed_core::update::{
    Field, LEG_FIELDS, LEG_SIZE, SIGNAL_FIELDS, SIGNAL_SIZE, UPDATE_FIELDS, UPDATE_SIZE, UpdateKind,
};

pub fn field(fields: &[Field], record: &[u8], name: &str) -> i64 {
    let &(_, code, at) = fields.iter().find(|f| f.0 == name).unwrap();
    let width: usize = code[2..].parse().unwrap();
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(&record[at..at + width]);
    i64::from_le_bytes(bytes)
}

pub fn code(fields: &[Field], record: &[u8], name: &str) -> usize {
    usize::try_from(field(fields, record, name)).unwrap()
}

/// An update record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    pub kind: UpdateKind,
    pub state: State,
    pub cause: Cause,
    pub instrument: u32,
    pub epoch: u32,
    pub bid: i64,
    pub bid_qty: i64,
    pub ask: i64,
    pub ask_qty: i64,
    pub price: i64,
    pub qty: i64,
    pub flags: u8,
    pub seq: i64,
    pub ts_recv: i64,
    pub ts_event: i64,
    pub ts_evidence: i64,
}

impl Update {
    fn read(record: &[u8]) -> Self {
        let long = |name| field(&UPDATE_FIELDS, record, name);
        let small = |name| code(&UPDATE_FIELDS, record, name);
        Self {
            kind: UpdateKind::ALL[small("kind")],
            state: State::ALL[small("state")],
            cause: Cause::ALL[small("cause")],
            instrument: u32::try_from(long("instrument")).unwrap(),
            epoch: u32::try_from(long("epoch")).unwrap(),
            bid: long("bid_price_e9"),
            bid_qty: long("bid_qty_e8"),
            ask: long("ask_price_e9"),
            ask_qty: long("ask_qty_e8"),
            price: long("price_e9"),
            qty: long("qty_e8"),
            flags: u8::try_from(long("flags")).unwrap(),
            seq: long("seq"),
            ts_recv: long("ts_recv_ns"),
            ts_event: long("ts_event_ns"),
            ts_evidence: long("ts_evidence_ns"),
        }
    }

    /// `kind state cause` in short, for tables.
    pub fn short(&self) -> String {
        format!("{} {} {}", self.kind.name(), self.state.name(), self.cause.name())
    }
}

/// A leg of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    pub instrument: u32,
    pub epoch: u32,
    pub avg_price: i64,
    pub worst_price: i64,
    pub qty: i64,
    pub fee: i64,
    pub age_ns: i64,
    pub state: State,
    pub sell: bool,
    /// Whether it is of the other side of the contract.
    pub complement: bool,
    pub maker_fee: i64,
}

/// A signal record with its legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    pub rule: RuleKind,
    pub rule_id: i64,
    pub phase: Phase,
    pub reason: CloseReason,
    pub direction: u8,
    pub id: i64,
    pub seq: i64,
    pub ts_recv: i64,
    pub ts_open: i64,
    pub qty: i64,
    pub qty_open: i64,
    pub gross_edge: i64,
    pub net_edge: i64,
    pub peak_edge: i64,
    pub fee: i64,
    pub capital: i64,
    pub value: i64,
    pub skew_ns: i64,
    pub lag_ns: i64,
    pub both_lose_ppm: i64,
    pub both_win_ppm: i64,
    pub maker_edge: i64,
    pub legs: Vec<Leg>,
}

impl Signal {
    fn read(record: &[u8], legs: &[u8]) -> Self {
        let long = |name| field(&SIGNAL_FIELDS, record, name);
        let small = |name| code(&SIGNAL_FIELDS, record, name);
        let (first, count) = (small("leg_start"), small("legs"));
        let legs = legs.chunks_exact(LEG_SIZE).skip(first).take(count).map(|leg| {
            let long = |name| field(&LEG_FIELDS, leg, name);
            Leg {
                instrument: u32::try_from(long("instrument")).unwrap(),
                epoch: u32::try_from(long("epoch")).unwrap(),
                avg_price: long("avg_price_e9"),
                worst_price: long("worst_price_e9"),
                qty: long("qty_e8"),
                fee: long("fee_e9"),
                age_ns: long("age_ns"),
                state: State::ALL[code(&LEG_FIELDS, leg, "state")],
                sell: long("side") == 1,
                complement: long("view") == 1,
                maker_fee: long("maker_fee_e9"),
            }
        });
        Self {
            rule: RuleKind::ALL[small("rule")],
            rule_id: long("rule_id"),
            phase: Phase::ALL[small("phase")],
            reason: CloseReason::ALL[small("reason")],
            direction: u8::try_from(long("direction")).unwrap(),
            id: long("id"),
            seq: long("seq"),
            ts_recv: long("ts_recv_ns"),
            ts_open: long("ts_open_ns"),
            qty: long("qty_e8"),
            qty_open: long("qty_open_e8"),
            gross_edge: long("gross_edge_e9"),
            net_edge: long("net_edge_e9"),
            peak_edge: long("peak_edge_e9"),
            fee: long("fee_e9"),
            capital: long("capital_e9"),
            value: long("value_e9"),
            skew_ns: long("skew_ns"),
            lag_ns: long("lag_ns"),
            both_lose_ppm: long("both_lose_ppm"),
            both_win_ppm: long("both_win_ppm"),
            maker_edge: long("maker_edge_e9"),
            legs: legs.collect(),
        }
    }

    /// `phase` or `phase reason`, for tables.
    pub fn short(&self) -> String {
        match self.reason {
            CloseReason::None => self.phase.name().to_owned(),
            reason => format!("{} {}", self.phase.name(), reason.name()),
        }
    }
}

/// Takes the records waiting.
pub fn drain(engine: &mut Engine) -> (Vec<Update>, Vec<Signal>) {
    let output = engine.output();
    let updates = output.updates().chunks_exact(UPDATE_SIZE).map(Update::read).collect();
    let legs = output.legs().to_vec();
    let signals =
        output.signals().chunks_exact(SIGNAL_SIZE).map(|record| Signal::read(record, &legs)).collect();
    engine.output().clear();
    (updates, signals)
}

/// The update records waiting, in short.
pub fn shorts(engine: &mut Engine) -> Vec<String> {
    drain(engine).0.iter().map(Update::short).collect()
}

/// The signal records waiting, in short.
pub fn lives(engine: &mut Engine) -> Vec<String> {
    drain(engine).1.iter().map(Signal::short).collect()
}

/// State and cause as a reader is shown them.
pub fn shown(engine: &Engine, id: u32) -> (State, Cause) {
    let book = engine.book(id).unwrap();
    (book.shown_state(), book.shown_cause())
}

/// Levels as text, the best first.
pub type Levels = Vec<(String, String)>;

/// A book's levels, bids and asks, in shortest form, the best first.
pub fn levels(engine: &Engine, id: u32) -> (Levels, Levels) {
    let book = engine.book(id).unwrap();
    let text = |(price, qty)| (format_decimal(price, PRICE_DECIMALS), format_decimal(qty, QTY_DECIMALS));
    (book.bids.best_first().map(text).collect(), book.asks.best_first().map(text).collect())
}

/// The true levels, likewise.
pub fn true_levels(truth: &Truth) -> (Levels, Levels) {
    let text = |(&price, size): (&u32, &String)| {
        let qty = parse_qty(size.as_bytes()).unwrap().value;
        (price_text(price), format_decimal(qty, QTY_DECIMALS))
    };
    (truth.bids.iter().rev().map(text).collect(), truth.asks.iter().map(text).collect())
}
