//! What comes of frames of relays: points of a price as records of fixed width, little-endian,
//! and everything else as events, whose fields `forms.rs` lists.

use super::forms::Kind;
use super::topics::{MarketStatus, Origin, Topic};
use crate::fixed::{ABSENT, Price};
use crate::time::Nanos;
use std::collections::BTreeSet;

/// A field of a record: name, numpy type, byte offset.
pub type Field = (&'static str, &'static str, usize);

/// Bytes of a point.
pub const POINT_SIZE: usize = 72;

/// Layout of a point.
pub const POINT_FIELDS: [Field; 14] = [
    ("ts_recv_ns", "<i8", 0),
    ("ts_event_ns", "<i8", 8),
    ("ts_sent_ns", "<i8", 16),
    ("ts_source_ns", "<i8", 24),
    ("value_e18_high", "<i8", 32),
    ("value_e18_low", "<u8", 40),
    ("price_e9", "<i8", 48),
    ("symbol", "<u4", 56),
    ("conn", "<u4", 60),
    ("window_s", "<u2", 64),
    ("topic", "|u1", 66),
    ("origin", "|u1", 67),
    ("status", "|u1", 68),
    ("flags", "|u1", 69),
];

/// It came with others when the topic was subscribed.
pub const FLAG_BACKFILL: u8 = 1;
/// It comes of a double: no exact number was given.
pub const FLAG_DOUBLE: u8 = 2;
/// The price is not exactly the value.
pub const FLAG_ROUNDED: u8 = 4;
/// The value is that of an earlier time, since nothing newer is known.
pub const FLAG_CARRIED: u8 = 8;
/// Another value was told for this time before.
pub const FLAG_REVISED: u8 = 16;

/// One value of a reference at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The time it is of.
    pub ts_event: Nanos,
    /// When the relay sent it.
    pub ts_sent: Nanos,
    /// When the relay had it of its source.
    pub ts_source: Nanos,
    /// The value, 1e-18.
    pub value: i128,
    /// The nearest price.
    pub price: Price,
    /// Number of its symbol.
    pub symbol: u32,
    /// Seconds that it is the mean of; 0 for none.
    pub window_s: u16,
    /// The topic, as its symbol shows it where the relay mislabels it.
    pub topic: Topic,
    /// Who states it.
    pub origin: Origin,
    /// Whether its market trades.
    pub status: MarketStatus,
    /// `FLAG_*`.
    pub flags: u8,
}

impl Point {
    pub(super) fn write(&self, conn: u32, ts_recv: Nanos, out: &mut Vec<u8>) {
        let times = [ts_recv, self.ts_event, self.ts_sent, self.ts_source];
        times.iter().for_each(|ts| out.extend_from_slice(&ts.to_le_bytes()));
        // Little-endian halves, the higher one first: as the layout names them.
        let bytes = self.value.to_le_bytes();
        let (low, high) = bytes.split_at(8);
        out.extend_from_slice(high);
        out.extend_from_slice(low);
        out.extend_from_slice(&self.price.to_le_bytes());
        out.extend_from_slice(&self.symbol.to_le_bytes());
        out.extend_from_slice(&conn.to_le_bytes());
        out.extend_from_slice(&self.window_s.to_le_bytes());
        let codes = [self.topic as u8, self.origin as u8, self.status as u8, self.flags];
        out.extend_from_slice(&codes);
        out.extend_from_slice(&[0; 2]);
    }
}

/// A field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// Not given.
    Absent,
    /// A number in the unit of its name, or a time.
    Number(i64),
    /// Yes or no.
    Truth(bool),
    /// A text.
    Text(Box<str>),
    /// Texts.
    Texts(Vec<Box<str>>),
    /// Prices of 1e-9 with quantities of 1e-8.
    Levels(Vec<(i64, i64)>),
}

/// Something that is no point of a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is.
    pub kind: Kind,
    /// What it is about, as the relay names it; empty where it does not.
    pub topic: Box<str>,
    /// The type of the message within its topic; empty where there is none.
    pub of_type: Box<str>,
    /// The connection.
    pub conn: u32,
    /// When it was received.
    pub ts_recv: Nanos,
    /// The time it is of, or [`ABSENT`].
    pub ts_event: Nanos,
    /// When the relay sent it, or [`ABSENT`].
    pub ts_sent: Nanos,
    /// The fields of its kind, in order.
    pub fields: Vec<FieldValue>,
}

/// What waits to be taken.
#[derive(Debug, Default)]
pub struct Output {
    /// Points, packed.
    pub points: Vec<u8>,
    /// Events, in order.
    pub events: Vec<Event>,
    /// Connections, topics and symbols of which values came, other than of the past; also such as
    /// had been told, for they show that the stream lives.
    pub heard: BTreeSet<(u32, u8, u32)>,
}

impl Output {
    /// How many records wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.points.len() / POINT_SIZE + self.events.len()
    }
}

/// What a decoder reads in one frame, before any of it counts.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) points: Vec<Point>,
    pub(super) events: Vec<Event>,
    /// The number of the frame among those of its topic.
    pub(super) seq: Option<(Topic, u64)>,
    /// How many frames the relay says it left out.
    pub(super) dropped: u64,
    /// Whether the message is of a topic or type that is not known.
    pub(super) unknown: bool,
}

impl Told {
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.events.clear();
        (self.seq, self.dropped, self.unknown) = (None, 0, false);
    }
}

/// An event of a kind without any of its fields.
pub(super) fn event(kind: Kind, topic: &str, of_type: &str, ts_sent: Nanos) -> Event {
    Event {
        kind,
        topic: topic.into(),
        of_type: of_type.into(),
        conn: 0,
        ts_recv: ABSENT,
        ts_event: ABSENT,
        ts_sent,
        fields: Vec::with_capacity(kind.fields().len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_written_where_its_layout_says() {
        let point = Point {
            ts_event: 2,
            ts_sent: 3,
            ts_source: 4,
            value: -(7i128 << 64) + 8,
            price: 9,
            symbol: 10,
            window_s: 60,
            topic: Topic::PriceCryptoTwap,
            origin: Origin::Massive,
            status: MarketStatus::Closed,
            flags: 17,
        };
        let mut out = Vec::new();
        point.write(11, 1, &mut out);
        assert_eq!(out.len(), POINT_SIZE);
        let expected = [1, 2, 3, 4, -7, 8, 9, 10, 11, 60, 7, 4, 2, 17];
        for ((name, code, at), value) in POINT_FIELDS.into_iter().zip(expected) {
            let width: usize = code[2..].parse().unwrap();
            let mut bytes = if value < 0 { [0xff; 8] } else { [0; 8] };
            bytes[..width].copy_from_slice(&out[at..at + width]);
            assert_eq!(i64::from_le_bytes(bytes), value, "{name}");
        }
    }
}
