//! Output records: fixed width, little-endian, the same bytes on every platform.
//!
//! Layouts are described once, in [`UPDATE_FIELDS`], [`SIGNAL_FIELDS`], [`LEG_FIELDS`],
//! [`LEVEL_FIELDS`] and [`INDEX_FIELDS`], which become the numpy dtypes; a test pins that the
//! writers agree with them.

use crate::book::Touch;
use crate::book::integrity::{Cause, State};
use crate::book::level_log::LevelChange;
use crate::event::Side;
use crate::fixed::{ABSENT, PRICE_ONE, Price, Qty};
use crate::index::{IndexValue, Standing};
use crate::names::named_codes;
use crate::signals::steps::Step;
use crate::time::Nanos;

/// Bytes of an update record.
pub const UPDATE_SIZE: usize = 96;
/// Bytes of a signal record.
pub const SIGNAL_SIZE: usize = 144;
/// Bytes of a leg record.
pub const LEG_SIZE: usize = 64;
/// Bytes of a level change record.
pub const LEVEL_SIZE: usize = 48;
/// Bytes of a record of an index.
pub const INDEX_SIZE: usize = 96;

/// A field of a record: name, numpy type, byte offset.
pub type Field = (&'static str, &'static str, usize);

/// Layout of an update record.
pub const UPDATE_FIELDS: [Field; 17] = [
    ("ts_recv_ns", "<i8", 0),
    ("ts_event_ns", "<i8", 8),
    ("ts_evidence_ns", "<i8", 16),
    ("seq", "<u8", 24),
    ("bid_price_e9", "<i8", 32),
    ("bid_qty_e8", "<i8", 40),
    ("ask_price_e9", "<i8", 48),
    ("ask_qty_e8", "<i8", 56),
    ("price_e9", "<i8", 64),
    ("qty_e8", "<i8", 72),
    ("instrument", "<u4", 80),
    ("epoch", "<u4", 84),
    ("conn", "<u4", 88),
    ("kind", "|u1", 92),
    ("state", "|u1", 93),
    ("cause", "|u1", 94),
    ("flags", "|u1", 95),
];

/// Layout of a signal record.
pub const SIGNAL_FIELDS: [Field; 24] = [
    ("ts_recv_ns", "<i8", 0),
    ("ts_open_ns", "<i8", 8),
    ("seq", "<u8", 16),
    ("id", "<u8", 24),
    ("qty_e8", "<i8", 32),
    ("gross_edge_e9", "<i8", 40),
    ("net_edge_e9", "<i8", 48),
    ("fee_e9", "<i8", 56),
    ("capital_e9", "<i8", 64),
    ("peak_edge_e9", "<i8", 72),
    ("qty_open_e8", "<i8", 80),
    ("value_e9", "<i8", 88),
    ("skew_ns", "<i8", 96),
    ("rule_id", "<u4", 104),
    ("leg_start", "<u4", 108),
    ("rule", "|u1", 112),
    ("phase", "|u1", 113),
    ("reason", "|u1", 114),
    ("direction", "|u1", 115),
    ("legs", "|u1", 116),
    ("maker_edge_e9", "<i8", 120),
    ("lag_ns", "<i8", 128),
    ("both_lose_ppm", "<i4", 136),
    ("both_win_ppm", "<i4", 140),
];

/// Layout of a leg record.
pub const LEG_FIELDS: [Field; 11] = [
    ("instrument", "<u4", 0),
    ("epoch", "<u4", 4),
    ("avg_price_e9", "<i8", 8),
    ("worst_price_e9", "<i8", 16),
    ("qty_e8", "<i8", 24),
    ("fee_e9", "<i8", 32),
    ("age_ns", "<i8", 40),
    ("state", "|u1", 48),
    ("side", "|u1", 49),
    ("view", "|u1", 50),
    ("maker_fee_e9", "<i8", 56),
];

/// Layout of a level change record.
pub const LEVEL_FIELDS: [Field; 10] = [
    ("seq", "<u8", 0),
    ("ts_recv_ns", "<i8", 8),
    ("price_e9", "<i8", 16),
    ("old_qty_e8", "<i8", 24),
    ("new_qty_e8", "<i8", 32),
    ("instrument", "<u4", 40),
    ("side", "|u1", 44),
    ("state", "|u1", 45),
    ("cause", "|u1", 46),
    ("flags", "|u1", 47),
];

/// Layout of a record of an index.
pub const INDEX_FIELDS: [Field; 14] = [
    ("ts_ns", "<i8", 0),
    ("ts_recv_ns", "<i8", 8),
    ("seq", "<u8", 16),
    ("value_e9", "<i8", 24),
    ("published_e9", "<i8", 32),
    ("utilised_depth_e8", "<i8", 40),
    ("cap_e8", "<i8", 48),
    ("crossed_e8", "<i8", 56),
    ("bid_price_e9", "<i8", 64),
    ("ask_price_e9", "<i8", 72),
    ("standings", "<u4", 80),
    ("index", "<u4", 84),
    ("included", "|u1", 88),
    ("constituents", "|u1", 89),
];

/// Flag: the touch changed.
pub(crate) const FLAG_TOUCH: u8 = 1;
/// Flag: the aggressor bought.
pub(crate) const FLAG_BUY: u8 = 2;
/// Flag: the aggressor sold.
pub(crate) const FLAG_SELL: u8 = 4;
/// Flag: the trade was agreed outside the book.
pub(crate) const FLAG_OFF_BOOK: u8 = 16;
/// Flag: the venue's hash vouches for the book as it stands.
pub const FLAG_VERIFIED: u8 = 8;
/// Flag of a level change: the message was a whole book.
pub const FLAG_WHOLE: u8 = 1;

named_codes! {
    /// What an update tells.
    UpdateKind {
        /// Levels changed.
        Book = "book",
        /// A trade was printed.
        Trade = "trade",
        /// The book's state changed.
        State = "state",
        /// The price grid changed.
        TickSize = "tick_size",
        /// The market is over; `price` is what a share of this outcome pays.
        Resolved = "resolved",
        /// The market was paused or resumed, or will close at another time.
        Trading = "trading",
        /// The market's fees changed.
        Fees = "fees",
    }
}

/// An update, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Receive time of the frame.
    pub ts_recv: Nanos,
    /// Venue time of the message, or [`ABSENT`].
    pub ts_event: Nanos,
    /// Receive time of the newest positive evidence, or [`ABSENT`].
    pub ts_evidence: Nanos,
    /// Best prices and sizes.
    pub touch: Touch,
    /// Trade price, new tick size or payout, or [`ABSENT`].
    pub price: Price,
    /// Trade size, or [`ABSENT`].
    pub qty: Qty,
    /// Number of the instrument.
    pub instrument: u32,
    /// Number of the unbroken run.
    pub epoch: u32,
    /// Connection it came on.
    pub conn: u32,
    /// What it tells.
    pub kind: UpdateKind,
    /// State of the book.
    pub state: State,
    /// Why it is in that state.
    pub cause: Cause,
    /// `FLAG_*` bits.
    pub flags: u8,
}

struct Writer<'a, const N: usize>(&'a mut [u8; N]);

impl<const N: usize> Writer<'_, N> {
    #[inline(always)]
    fn put<const W: usize>(&mut self, at: usize, bytes: [u8; W]) {
        self.0[at..at + W].copy_from_slice(&bytes);
    }
}

impl Update {
    /// Appends the record, numbered `seq`.
    #[inline(always)]
    pub fn write(&self, seq: u64, out: &mut Vec<u8>) {
        // Written where it stays: a copy of what was just written in words waits for all of them.
        let at = out.len();
        out.extend_from_slice(&[0; UPDATE_SIZE]);
        let Some(record) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) else { return };
        let mut w: Writer<'_, UPDATE_SIZE> = Writer(record);
        w.put(0, self.ts_recv.to_le_bytes());
        w.put(8, self.ts_event.to_le_bytes());
        w.put(16, self.ts_evidence.to_le_bytes());
        w.put(24, seq.to_le_bytes());
        w.put(32, self.touch.bid.to_le_bytes());
        w.put(40, self.touch.bid_qty.to_le_bytes());
        w.put(48, self.touch.ask.to_le_bytes());
        w.put(56, self.touch.ask_qty.to_le_bytes());
        w.put(64, self.price.to_le_bytes());
        w.put(72, self.qty.to_le_bytes());
        w.put(80, self.instrument.to_le_bytes());
        w.put(84, self.epoch.to_le_bytes());
        w.put(88, self.conn.to_le_bytes());
        w.put(92, [self.kind as u8, self.state as u8, self.cause as u8, self.flags]);
    }
}

/// What a leg record says besides the leg itself.
#[derive(Clone, Copy, Debug)]
pub struct LegStanding {
    /// Number of its instrument.
    pub instrument: u32,
    /// Number of the book's unbroken run.
    pub epoch: u32,
    /// Age of its newest evidence, or [`ABSENT`].
    pub age: Nanos,
    /// Its state.
    pub state: State,
}

/// Appends a signal record, numbered `seq`, whose legs begin at `leg_start`.
pub(crate) fn write_signal(step: &Step, ts_recv: Nanos, seq: u64, leg_start: u32, out: &mut Vec<u8>) {
    let found = &step.found;
    let mut record = [0u8; SIGNAL_SIZE];
    let mut w = Writer(&mut record);
    let longs = [
        ts_recv,
        step.ts_open,
        seq.cast_signed(),
        step.id.cast_signed(),
        found.qty,
        found.gross_edge,
        found.net_edge,
        found.fee,
        found.capital,
        step.peak_edge,
        step.qty_open,
        found.value,
        step.apart.skew,
    ];
    for (i, value) in longs.into_iter().enumerate() {
        w.put(i * 8, value.to_le_bytes());
    }
    w.put(104, step.rule_id.to_le_bytes());
    w.put(108, leg_start.to_le_bytes());
    let legs = u8::try_from(step.legs.len()).unwrap_or(u8::MAX);
    w.put(112, [step.rule as u8, step.phase as u8, step.reason as u8, found.direction as u8, legs]);
    w.put(120, found.maker_edge.to_le_bytes());
    w.put(128, step.apart.lag.to_le_bytes());
    let chances = found.chances.map_or([ABSENT_PPM; 2], |c| [ppm(c.both_lose), ppm(c.both_win)]);
    w.put(136, chances[0].to_le_bytes());
    w.put(140, chances[1].to_le_bytes());
    out.extend_from_slice(&record);
}

/// A probability that is not there.
const ABSENT_PPM: i32 = -1;

/// A probability in millionths; those of signals are whole ones.
fn ppm(probability: Price) -> i32 {
    i32::try_from(probability / (PRICE_ONE / 1_000_000)).unwrap_or(ABSENT_PPM)
}

/// Index of a signal record's first leg, and how many it has.
///
/// # Panics
///
/// If `record` is shorter than a signal.
#[must_use]
pub fn legs_of(record: &[u8]) -> (usize, usize) {
    let first = [record[108], record[109], record[110], record[111]];
    (u32::from_le_bytes(first) as usize, usize::from(record[116]))
}

/// The number of the instrument that a packed update is about; 0 of bytes that are none.
#[must_use]
pub fn instrument_of(update: &[u8]) -> u32 {
    let number = update.get(80..84).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(number.unwrap_or_default())
}

/// Appends a leg record.
pub(crate) fn write_leg(leg: &crate::signals::Leg, standing: &LegStanding, out: &mut Vec<u8>) {
    let mut record = [0u8; LEG_SIZE];
    let mut w = Writer(&mut record);
    w.put(0, standing.instrument.to_le_bytes());
    w.put(4, standing.epoch.to_le_bytes());
    w.put(8, leg.avg_price.to_le_bytes());
    w.put(16, leg.worst_price.to_le_bytes());
    w.put(24, leg.qty.to_le_bytes());
    w.put(32, leg.fee.to_le_bytes());
    w.put(40, standing.age.to_le_bytes());
    w.put(48, [standing.state as u8, u8::from(leg.sell), u8::from(leg.leg.complement)]);
    w.put(56, leg.maker_fee.to_le_bytes());
    out.extend_from_slice(&record);
}

/// A change of one level, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct LevelRecord {
    /// Receive time of the message, or when the book was given up.
    pub ts_recv: Nanos,
    /// What changed.
    pub change: LevelChange,
    /// Number of the instrument.
    pub instrument: u32,
    /// State of the book at the end of the message.
    pub state: State,
    /// Why it is in that state.
    pub cause: Cause,
    /// [`FLAG_WHOLE`] or nothing.
    pub flags: u8,
}

impl LevelRecord {
    /// Appends the record; all changes of one message and book have the same `seq`.
    pub fn write(&self, seq: u64, out: &mut Vec<u8>) {
        let LevelChange { side, price, old_qty, new_qty } = self.change;
        let mut record = [0u8; LEVEL_SIZE];
        let mut w = Writer(&mut record);
        w.put(0, seq.to_le_bytes());
        for (i, value) in [self.ts_recv, price, old_qty, new_qty].into_iter().enumerate() {
            w.put(8 + i * 8, value.to_le_bytes());
        }
        w.put(40, self.instrument.to_le_bytes());
        let side = u8::from(side == Side::Ask);
        w.put(44, [side, self.state as u8, self.cause as u8, self.flags]);
        out.extend_from_slice(&record);
    }
}

/// An index at one effective time, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct IndexRecord<'a> {
    /// The effective time.
    pub ts: Nanos,
    /// Receive time of the input that came first at that time or after it.
    pub ts_recv: Nanos,
    /// Number of the index.
    pub index: u32,
    /// The index; `None` if no book was left.
    pub value: Option<IndexValue>,
    /// How each constituent stood, at most sixteen.
    pub standings: &'a [Standing],
}

impl IndexRecord<'_> {
    /// Appends the record, numbered `seq`. Of each standing the code takes two bits, the first
    /// one's the lowest.
    pub fn write(&self, seq: u64, out: &mut Vec<u8>) {
        let mut record = [0u8; INDEX_SIZE];
        let mut w = Writer(&mut record);
        let told = |field: fn(&IndexValue) -> i64| self.value.as_ref().map_or(ABSENT, field);
        let longs = [
            self.ts,
            self.ts_recv,
            seq.cast_signed(),
            told(|v| v.value),
            told(|v| v.published),
            told(|v| v.utilised_depth),
            told(|v| v.cap),
            told(|v| v.crossed),
            told(|v| v.bid),
            told(|v| v.ask),
        ];
        for (i, value) in longs.into_iter().enumerate() {
            w.put(i * 8, value.to_le_bytes());
        }
        let code = |standing: &Standing| u32::try_from(standing.code()).unwrap_or(0);
        let coded = |all: u32, standing: &Standing| all << 2 | code(standing);
        w.put(80, self.standings.iter().rev().fold(0, coded).to_le_bytes());
        w.put(84, self.index.to_le_bytes());
        let small = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let included = self.value.map_or(0, |v| v.included);
        w.put(88, [small(included), small(self.standings.len())]);
        out.extend_from_slice(&record);
    }
}

/// An update about `instrument` with nothing in it but the instrument and the time.
#[must_use]
pub const fn blank(instrument: u32, kind: UpdateKind, ts_recv: Nanos) -> Update {
    Update {
        ts_recv,
        ts_event: ABSENT,
        ts_evidence: ABSENT,
        touch: Touch::EMPTY,
        price: ABSENT,
        qty: ABSENT,
        instrument,
        epoch: 0,
        conn: 0,
        kind,
        state: State::Idle,
        cause: Cause::None,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(code: &str) -> usize {
        code[2..].parse().unwrap()
    }

    fn read(fields: &[Field], name: &str, record: &[u8]) -> i64 {
        let &(_, code, at) = fields.iter().find(|f| f.0 == name).unwrap();
        let mut bytes = [0; 8];
        bytes[..width(code)].copy_from_slice(&record[at..at + width(code)]);
        i64::from_le_bytes(bytes)
    }

    fn packed(fields: &[Field], size: usize) {
        let mut end = 0;
        for &(name, code, at) in fields {
            assert!(
                (end..end + 8).contains(&at),
                "{name} overlaps, or leaves more than alignment needs"
            );
            assert_eq!(at % width(code), 0, "{name} is not aligned");
            end = at + width(code);
        }
        assert!(end <= size && size.is_multiple_of(8));
    }

    #[test]
    fn layouts_are_packed_and_aligned() {
        packed(&UPDATE_FIELDS, UPDATE_SIZE);
        packed(&SIGNAL_FIELDS, SIGNAL_SIZE);
        packed(&LEG_FIELDS, LEG_SIZE);
        packed(&LEVEL_FIELDS, LEVEL_SIZE);
        packed(&INDEX_FIELDS, INDEX_SIZE);
    }

    #[test]
    fn a_signals_legs_are_read_where_its_layout_says() {
        let at = |name: &str| SIGNAL_FIELDS.iter().find(|f| f.0 == name).unwrap().2;
        let mut record = [0; SIGNAL_SIZE];
        record[at("leg_start")..][..4].copy_from_slice(&70_000u32.to_le_bytes());
        record[at("legs")] = 3;
        assert_eq!(legs_of(&record), (70_000, 3));
    }

    #[test]
    fn an_update_is_written_where_its_layout_says() {
        let update = Update {
            ts_event: 2,
            ts_evidence: 3,
            touch: Touch { bid: 5, bid_qty: 6, ask: 7, ask_qty: 8 },
            price: 9,
            qty: 10,
            epoch: 12,
            conn: 13,
            state: State::Live,
            cause: Cause::Snapshot,
            flags: 17,
            ..blank(11, UpdateKind::State, 1)
        };
        let mut out = Vec::new();
        update.write(4, &mut out);
        let expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2, 2, 2, 17];
        for ((name, _, _), value) in UPDATE_FIELDS.iter().zip(expected) {
            assert_eq!(read(&UPDATE_FIELDS, name, &out), value, "{name}");
        }
        assert_eq!(out.len(), UPDATE_SIZE);
    }

    #[test]
    fn a_level_change_is_written_where_its_layout_says() {
        let change = LevelChange { side: Side::Ask, price: 3, old_qty: 4, new_qty: 5 };
        let (state, cause) = (State::Stale, Cause::Window);
        let record = LevelRecord { ts_recv: 2, change, instrument: 6, state, cause, flags: FLAG_WHOLE };
        let mut out = Vec::new();
        record.write(1, &mut out);
        let codes = [1, state as i64, cause as i64, 1];
        let expected = [1, 2, 3, 4, 5, 6].into_iter().chain(codes);
        for ((name, _, _), value) in LEVEL_FIELDS.iter().zip(expected) {
            assert_eq!(read(&LEVEL_FIELDS, name, &out), value, "{name}");
        }
        assert_eq!(out.len(), LEVEL_SIZE);
    }

    #[test]
    fn an_index_is_written_where_its_layout_says() {
        let value = IndexValue {
            value: 3,
            published: 4,
            utilised_depth: 5,
            cap: 6,
            crossed: 7,
            bid: 8,
            ask: 9,
            included: 12,
        };
        let standings = [Standing::Delayed { excluded: false }, Standing::Included, Standing::Potential];
        let standings = &standings[..];
        let record = IndexRecord { ts: 0, ts_recv: 1, index: 11, value: Some(value), standings };
        let mut out = Vec::new();
        record.write(2, &mut out);
        let expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0b11_00_01, 11, 12, 3];
        for ((name, _, _), value) in INDEX_FIELDS.iter().zip(expected) {
            assert_eq!(read(&INDEX_FIELDS, name, &out), value, "{name}");
        }
        assert_eq!(out.len(), INDEX_SIZE);
        IndexRecord { value: None, ..record }.write(2, &mut out);
        assert_eq!(read(&INDEX_FIELDS, "value_e9", &out[INDEX_SIZE..]), ABSENT);
        assert_eq!(read(&INDEX_FIELDS, "included", &out[INDEX_SIZE..]), 0);
    }
}
