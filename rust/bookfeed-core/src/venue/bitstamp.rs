//! Bitstamp's WebSocket of version 2, and the whole books that REST answers.
//!
//! A frame is one object: an `event`, a `channel` whose name ends with the pair, and `data`. Sizes
//! are absolute. Books bear times in microseconds and no numbers, so that a time stands where other
//! venues have a number. `diff_order_book` tells what changed; `order_book` tells the best levels
//! again and again, and so is no whole book but something to hold the book against. A whole one is
//! asked of REST, which does not say whose it is: whoever asked for it does.

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Reader, Wrong, Zero, is_text};
use crate::decode::{Payload, Source, Tally};
use crate::event::{
    Aggressor, Body, Frame, Levels, Place, ProofClaim, Reply, ReplyKind, Side, Snapshot, Trade,
};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::{MICROSECOND, Nanos};

/// Message types, in order of their counters.
pub const MESSAGE_NAMES: [&str; 11] = [
    "book_diff",
    "book_top",
    "trade",
    "subscribed",
    "unsubscribed",
    "heartbeat",
    "error",
    "reconnect",
    "other",
    "rest_book",
    "untyped",
];
const BOOK_DIFF: u8 = 0;
const BOOK_TOP: u8 = 1;
const TRADE: u8 = 2;
const SUBSCRIBED: u8 = 3;
const UNSUBSCRIBED: u8 = 4;
const HEARTBEAT: u8 = 5;
const ERROR: u8 = 6;
const RECONNECT: u8 = 7;
const OTHER: u8 = 8;
const REST_BOOK: u8 = 9;
const UNTYPED: u8 = 10;

const DIFFS: &[u8] = b"diff_order_book_";
const TOPS: &[u8] = b"order_book_";
const DETAILS: &[u8] = b"detail_order_book_";
const TRADES: &[u8] = b"live_trades_";

/// The members of a frame that matter.
#[derive(Clone, Copy, Default)]
struct Envelope {
    event: Value,
    channel: Value,
    data: Value,
}

/// The members of `data` that matter, and of a book that REST answers.
#[derive(Default)]
struct Data {
    microtimestamp: Value,
    sides: [Option<LevelArray>; 2],
    id: Value,
    price: Value,
    amount: Value,
    side: Value,
    message: Value,
}

struct Decoder<'a>(Reader<'a>);

/// Decodes one payload; see [`crate::decode::Decode`].
///
/// # Errors
/// [`JsonError`] if it is not JSON.
pub fn decode(
    payload: &Payload,
    instruments: &Instruments,
    frame: &mut Frame,
    tally: &mut Tally,
) -> Result<(), JsonError> {
    frame.clear();
    let bytes = payload.bytes;
    let mut cursor = Cursor::new(bytes)?;
    let reader = Reader { bytes, venue: Venue::BITSTAMP, instruments, frame, fast: payload.fast };
    let mut decoder = Decoder(reader);
    match payload.source {
        Source::Stream => decoder.stream(&mut cursor, tally)?,
        Source::Rest => decoder.rest(&mut cursor, payload.about)?,
    }
    tally.count(&frame.kinds);
    Ok(())
}

impl Decoder<'_> {
    fn stream(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            return self.0.no_object(cursor);
        }
        let mut envelope = Envelope::default();
        read::members(cursor, |name, cursor| member(name, cursor, &mut envelope))?;
        cursor.finish()?;
        self.understand(&envelope, tally)
    }

    fn understand(&mut self, e: &Envelope, tally: &mut Tally) -> Result<(), JsonError> {
        let (kind, pair) = match self.kind(e, tally) {
            Some((kind, prefix)) => (kind, behind(self.0.bytes, e.channel, prefix)),
            None => {
                self.0.push(Place::NONE, Value::default(), ABSENT, Body::Unknown);
                return Ok(());
            }
        };
        self.0.frame.kinds.push(kind);
        let data = self.data(e.data, kind)?;
        let (place, ts_event, body) = match kind {
            BOOK_DIFF | BOOK_TOP => self.book(kind, pair, e, &data),
            TRADE => {
                let ts_event = self.micros(data.microtimestamp).map_or(ABSENT, nanos);
                let trade = self.trade(pair, &data);
                let body = trade
                    .unwrap_or_else(|wrong| self.0.broken_notice(wrong.or_at(e.data.start as usize)));
                (Place::NONE, ts_event, body)
            }
            UNTYPED => {
                let offset = e.channel.start as usize;
                let wrong = Wrong { offset, what: "data without an event and a known channel" };
                (Place::NONE, ABSENT, self.0.broken_book(pair, wrong))
            }
            SUBSCRIBED | UNSUBSCRIBED | ERROR | RECONNECT => {
                (Place::NONE, ABSENT, self.reply(kind, pair, e, &data))
            }
            _ => (Place::NONE, ABSENT, Body::Nothing),
        };
        self.0.push(place, pair, ts_event, body);
        Ok(())
    }

    /// The number of the frame's type, and how its channel begins; `None` for an event that nobody
    /// knows, which is counted.
    fn kind(&mut self, e: &Envelope, tally: &mut Tally) -> Option<(u8, &'static [u8])> {
        let channel = self.0.text(e.channel);
        let of_a_book = channel.starts_with(DIFFS);
        let prefix = [DIFFS, TOPS, TRADES].into_iter().find(|prefix| channel.starts_with(prefix));
        let (no_channel, detail) = (channel.is_empty(), channel.starts_with(DETAILS));
        let prefix = prefix.unwrap_or_default();
        let kind = match self.0.text(e.event) {
            b"data" if of_a_book => BOOK_DIFF,
            b"data" if prefix == TOPS => BOOK_TOP,
            b"trade" if prefix == TRADES => TRADE,
            b"data" if detail => OTHER,
            // What may be a change of a book is not passed over.
            b"data" => UNTYPED,
            b"" if !no_channel || has_members(e.data) => UNTYPED,
            b"bts:subscription_succeeded" => SUBSCRIBED,
            b"bts:unsubscription_succeeded" => UNSUBSCRIBED,
            b"bts:heartbeat" => HEARTBEAT,
            b"bts:error" => ERROR,
            b"bts:request_reconnect" => RECONNECT,
            _ if of_a_book => UNTYPED,
            b"order_created" | b"order_changed" | b"order_deleted" | b"trade" | b"" => OTHER,
            unknown => {
                tally.count_unknown(unknown);
                return None;
            }
        };
        Some((kind, prefix))
    }

    /// What stands in `data`; nothing if that is no object.
    fn data(&mut self, value: Value, kind: u8) -> Result<Data, JsonError> {
        let zero = if kind == BOOK_DIFF { Zero::Removes } else { Zero::Skipped };
        let mut data = Data::default();
        let is_object = value.raw(self.0.bytes).first() == Some(&b'{');
        let cursor = read::inside(self.0.bytes, value).filter(|_| is_object);
        if let Some(mut cursor) = cursor {
            read::members(&mut cursor, |name, cursor| self.part(name, cursor, zero, &mut data))?;
        }
        Ok(data)
    }

    fn part(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        zero: Zero,
        data: &mut Data,
    ) -> Result<(), JsonError> {
        match name {
            b"microtimestamp" => data.microtimestamp = cursor.scalar()?,
            b"bids" => data.sides[0] = Some(self.0.pairs(cursor, (Side::Bid, zero))?),
            b"asks" => data.sides[1] = Some(self.0.pairs(cursor, (Side::Ask, zero))?),
            b"id" => data.id = cursor.scalar()?,
            b"price_str" => data.price = cursor.scalar()?,
            b"amount_str" => data.amount = cursor.scalar()?,
            b"type" => data.side = cursor.scalar()?,
            b"message" => data.message = cursor.scalar()?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    /// Microseconds, which stand as text; 0 is no time.
    fn micros(&mut self, value: Value) -> Option<u64> {
        self.0.integer(value).filter(|&micros| micros > 0 && micros < MICROS_END)
    }

    /// What changed in a book, or its best levels.
    fn book(&mut self, kind: u8, pair: Value, e: &Envelope, data: &Data) -> (Place, Nanos, Body) {
        let named = is_text(pair).then_some(()).ok_or(Wrong::at(e.channel, "channel without a pair"));
        match named.and_then(|()| self.sides(pair, e.data, data)) {
            Ok((micros, levels)) => {
                let whole = kind == BOOK_TOP;
                let body = if whole { Body::Snapshot(levels.into()) } else { Body::Levels(levels) };
                (Place::run(micros, micros), nanos(micros), body)
            }
            Err(wrong) if kind == BOOK_DIFF => {
                (Place::NONE, ABSENT, self.0.broken_book(pair, wrong.or_at(e.data.start as usize)))
            }
            // Something to compare with that cannot be read says nothing of the book.
            Err(wrong) => {
                (Place::NONE, ABSENT, self.0.broken_notice(wrong.or_at(e.data.start as usize)))
            }
        }
    }

    fn sides(&mut self, pair: Value, at: Value, data: &Data) -> Result<(u64, Levels), Wrong> {
        let Some(micros) = self.micros(data.microtimestamp) else {
            let near = if is_text(data.microtimestamp) { data.microtimestamp } else { at };
            return Err(Wrong::at(near, "microtimestamp is missing or no time"));
        };
        let [Some(bids), Some(asks)] = &data.sides else {
            return Err(Wrong::at(at, "a side is missing"));
        };
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        let (instrument, symbol) = (self.0.instrument(pair), pair);
        let (claim, asks_cut) = (ProofClaim::None, asks.cut);
        let (bids, asks) = (bids.range.clone(), asks.range.clone());
        Ok((micros, Levels { instrument, symbol, bids, asks, claim, asks_cut }))
    }

    /// A trade; `type` is 0 where the taker bought, 1 where he sold.
    fn trade(&mut self, pair: Value, data: &Data) -> Result<Body, Wrong> {
        let level = self.0.traded(data.price, data.amount)?;
        let aggressor = match self.0.integer(data.side) {
            Some(0) => Some(Aggressor::Buy),
            Some(1) => Some(Aggressor::Sell),
            _ => None,
        };
        Ok(Body::Trade(Trade {
            instrument: self.0.instrument(pair),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: data.price,
            id: data.id,
            id_shared: false,
            off_book: false,
        }))
    }

    fn reply(&mut self, kind: u8, pair: Value, e: &Envelope, data: &Data) -> Body {
        let instrument = self.0.instrument(pair);
        let of_a_book = self.0.text(e.channel).starts_with(DIFFS);
        Body::Reply(Reply {
            kind: match kind {
                SUBSCRIBED => ReplyKind::Subscribed,
                UNSUBSCRIBED => ReplyKind::Unsubscribed,
                ERROR => ReplyKind::Error,
                _ => ReplyKind::Ending,
            },
            id: 0,
            code: 0,
            channel: e.channel,
            text: data.message,
            ends: kind == UNSUBSCRIBED && of_a_book && instrument != UNKNOWN,
            refuses: false,
            instrument,
        })
    }

    /// A whole book that was asked for, of the instrument that the asker stated.
    fn rest(&mut self, cursor: &mut Cursor, about: InstrumentId) -> Result<(), JsonError> {
        let mut data = Data::default();
        if cursor.peek() == b'{' {
            read::members(cursor, |name, cursor| self.part(name, cursor, Zero::Skipped, &mut data))?;
        } else {
            cursor.skip()?;
        }
        cursor.finish()?;
        self.0.frame.kinds.push(REST_BOOK);
        let (place, ts_event, body) = match self.sides(Value::default(), Value::default(), &data) {
            Ok((micros, levels)) if about != UNKNOWN => {
                let levels = Levels { instrument: about, ..levels };
                let snapshot = Snapshot { requested: true, ..levels.into() };
                (Place::run(micros, micros), nanos(micros), Body::Snapshot(snapshot))
            }
            // What REST answers says nothing against the books of the stream.
            Ok(_) => {
                let what = "a book that does not say whose it is: state the instrument";
                (Place::NONE, ABSENT, self.0.broken_notice(Wrong { offset: 0, what }))
            }
            Err(wrong) => (Place::NONE, ABSENT, self.0.broken_notice(wrong)),
        };
        self.0.push(place, Value::default(), ts_event, body);
        Ok(())
    }
}

/// Microseconds from which on a time in nanoseconds would not fit.
const MICROS_END: u64 = (Nanos::MAX / MICROSECOND).unsigned_abs();

fn nanos(micros: u64) -> Nanos {
    Nanos::try_from(micros).map_or(ABSENT, |micros| micros.saturating_mul(MICROSECOND))
}

/// The pair that a channel's name ends with; nothing if it does not begin as known ones do.
fn behind(bytes: &[u8], channel: Value, prefix: &[u8]) -> Value {
    if prefix.is_empty() {
        return Value::default();
    }
    let (raw, mut skipped) = (channel.raw(bytes), 0);
    for _ in prefix {
        // A letter stands as it is, or as an escape of six.
        skipped += if raw.get(skipped) == Some(&b'\\') { 6 } else { 1 };
    }
    let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
    let start = channel.start.saturating_add(skipped);
    if start < channel.end { Value { start, ..channel } } else { Value::default() }
}

/// Whether there is anything but nothing.
fn has_members(data: Value) -> bool {
    data.kind == Kind::Other && data.end - data.start > 2
}

/// A member of the frame.
fn member(name: &[u8], cursor: &mut Cursor, e: &mut Envelope) -> Result<(), JsonError> {
    match name {
        b"event" => e.event = cursor.scalar()?,
        b"channel" => e.channel = cursor.scalar()?,
        b"data" => e.data = cursor.scalar()?,
        _ => cursor.skip()?,
    }
    Ok(())
}
