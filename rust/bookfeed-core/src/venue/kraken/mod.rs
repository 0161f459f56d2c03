//! Kraken's WebSocket of version 2.
//!
//! A frame is one object: news of a `channel`, whose `data` is an array of entries, one for each
//! book, or a reply to a `method`. Members come in any order, `data` before `channel` too, so
//! `data` is walked when the frame has proved to be JSON and the rest is known. Prices and sizes
//! are numbers of which every digit counts: the checksum in each entry of a book is over the
//! digits as printed. Levels are sizes, not changes of sizes; nothing is numbered.

mod plain;
mod rest;

use crate::decode::broken::{Broken, heard};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, NoLevel, Reader, Wrong, Zero, given, is_text};
use crate::decode::{Payload, Source, Tally, stamp};
use crate::event::{
    Aggressor, Body, Frame, Levels, Message, Place, ProofClaim, Reply, ReplyKind, Side, Trade,
};
use crate::fixed::ABSENT;
use crate::instrument::{Instruments, UNKNOWN, Venue};
use crate::span::Value;
use crate::time::Nanos;

/// Message types, in order of their counters. An entry of a book or a trade counts as a message.
pub const MESSAGE_NAMES: [&str; 15] = [
    "book_update",
    "book_snapshot",
    "trade",
    "trade_history",
    "ticker",
    "heartbeat",
    "status",
    "instrument",
    "subscribed",
    "unsubscribed",
    "pong",
    "error",
    "reply",
    "untyped",
    "rest_book",
];
const BOOK_UPDATE: u8 = 0;
const BOOK_SNAPSHOT: u8 = 1;
const TRADE: u8 = 2;
const TRADE_HISTORY: u8 = 3;
const TICKER: u8 = 4;
const HEARTBEAT: u8 = 5;
const STATUS: u8 = 6;
const INSTRUMENT: u8 = 7;
const SUBSCRIBED: u8 = 8;
const UNSUBSCRIBED: u8 = 9;
const PONG: u8 = 10;
const ERROR: u8 = 11;
const REPLY: u8 = 12;
const UNTYPED: u8 = 13;
const REST_BOOK: u8 = 14;

/// The members of a frame.
#[derive(Default)]
struct Envelope {
    channel: Value,
    kind: Value,
    /// Its text; walked later.
    data: Value,
    method: Value,
    success: Value,
    error: Value,
    req_id: Value,
    /// The book that a reply is about, beside its result or in it.
    symbol: Value,
    /// Likewise the channel.
    result_channel: Value,
}

/// The members of an entry of `data`.
#[derive(Default)]
struct Entry {
    symbol: Value,
    bids: Option<LevelArray>,
    asks: Option<LevelArray>,
    checksum: Value,
    timestamp: Value,
    side: Value,
    price: Value,
    size: Value,
    trade_id: Value,
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
    let mut decoder =
        Decoder(Reader { bytes, venue: Venue::KRAKEN, instruments, frame, fast: payload.fast });
    if payload.source == Source::Rest {
        decoder.rest(&mut cursor, payload.about)?;
    } else if payload.fast && decoder.plain_update(&mut cursor).is_some() {
        cursor.finish()?;
    } else {
        decoder.0.frame.clear();
        cursor.rewind(0);
        decoder.any(&mut cursor, tally)?;
    }
    tally.count(&frame.kinds);
    Ok(())
}

/// A broken notice of how the exchange stands, or that it is there; see
/// [`crate::decode::ReadBroken`].
#[cold]
pub fn read_broken(payload: &Payload, instruments: &Instruments) -> Option<Message> {
    let broken = Broken::object(payload.bytes)?;
    let to_all = matches!(broken.name("channel")?, b"status" | b"heartbeat");
    let known = broken.has_any(&["symbol", "bids", "asks", "method"])
        || broken.names_any(Venue::KRAKEN, instruments);
    (to_all && !known).then(|| heard(Place::NONE, Body::Nothing))
}

impl Decoder<'_> {
    /// Any frame, in any spelling.
    #[inline(never)]
    fn any(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            let wrong = Wrong { offset: cursor.offset(), what: "frame is not an object" };
            cursor.skip()?;
            cursor.finish()?;
            return self.broken_frame(wrong);
        }
        let mut envelope = Envelope::default();
        read::members(cursor, |name, cursor| member(name, cursor, &mut envelope))?;
        cursor.finish()?;
        self.understand(&envelope, tally)
    }

    /// A frame that may be about any book of its connection.
    fn broken_frame(&mut self, wrong: Wrong) -> Result<(), JsonError> {
        let body = self.0.broken_book(Value::default(), wrong);
        self.0.push(Place::NONE, Value::default(), ABSENT, body);
        Ok(())
    }

    fn understand(&mut self, e: &Envelope, tally: &mut Tally) -> Result<(), JsonError> {
        let Some(kind) = self.kind(e, tally) else {
            self.0.push(Place::NONE, e.symbol, ABSENT, Body::Unknown);
            return Ok(());
        };
        match kind {
            BOOK_UPDATE | BOOK_SNAPSHOT | TRADE => return self.entries(e.data, kind),
            SUBSCRIBED | UNSUBSCRIBED | ERROR | REPLY => {
                let body = self.reply(e, kind);
                self.0.push(Place::NONE, e.symbol, ABSENT, body);
            }
            UNTYPED if given(e.data) => {
                self.0.frame.kinds.push(UNTYPED);
                return self.broken_frame(Wrong::at(e.data, "data without a channel and a type"));
            }
            UNTYPED => self.0.push(Place::NONE, Value::default(), ABSENT, Body::Unknown),
            _ => self.0.push(Place::NONE, Value::default(), ABSENT, Body::Nothing),
        }
        self.0.frame.kinds.push(kind);
        Ok(())
    }

    /// The number of the frame's type; `None` if it is not known, which is counted.
    fn kind(&mut self, e: &Envelope, tally: &mut Tally) -> Option<u8> {
        if given(e.error) || read::boolean(self.0.bytes, e.success) == Some(false) {
            return Some(ERROR);
        }
        if is_text(e.method) {
            return Some(match self.0.text(e.method) {
                b"subscribe" => SUBSCRIBED,
                b"unsubscribe" => UNSUBSCRIBED,
                b"pong" => PONG,
                _ => REPLY,
            });
        }
        let snapshot = match self.0.text(e.kind) {
            b"snapshot" => Some(true),
            b"update" => Some(false),
            _ => None,
        };
        let channel = self.0.text(e.channel);
        Some(match (channel, snapshot) {
            (b"book", Some(true)) => BOOK_SNAPSHOT,
            (b"book", Some(false)) => BOOK_UPDATE,
            // What was traded before the subscription is no news.
            (b"trade", Some(true)) => TRADE_HISTORY,
            (b"trade", _) => TRADE,
            (b"book" | b"", _) => UNTYPED,
            (b"ticker", _) => TICKER,
            (b"heartbeat", _) => HEARTBEAT,
            (b"status", _) => STATUS,
            (b"instrument", _) => INSTRUMENT,
            _ => {
                tally.count_unknown(channel);
                return None;
            }
        })
    }

    fn reply(&mut self, e: &Envelope, kind: u8) -> Body {
        let instrument = self.0.instrument(e.symbol);
        let of_a_book = self.0.text(e.result_channel) == b"book";
        Body::Reply(Reply {
            kind: match kind {
                SUBSCRIBED => ReplyKind::Subscribed,
                UNSUBSCRIBED => ReplyKind::Unsubscribed,
                ERROR => ReplyKind::Error,
                _ => ReplyKind::Ok,
            },
            id: self.0.integer(e.req_id).unwrap_or(0),
            code: 0,
            channel: e.result_channel,
            // There is one reply for each symbol of a command.
            text: if kind == ERROR { e.error } else { e.symbol },
            ends: kind == UNSUBSCRIBED && of_a_book && instrument != UNKNOWN,
            refuses: false,
            instrument,
        })
    }

    /// The entries of `data`, a message each.
    fn entries(&mut self, data: Value, kind: u8) -> Result<(), JsonError> {
        let cursor = read::inside(self.0.bytes, data);
        let Some(mut cursor) = cursor.filter(|_| data.raw(self.0.bytes).first() == Some(&b'[')) else {
            self.0.frame.kinds.push(kind);
            return self.broken_frame(Wrong::at(data, "data is not an array"));
        };
        read::elements(&mut cursor, |cursor| {
            self.0.frame.kinds.push(kind);
            let offset = {
                cursor.peek();
                cursor.offset()
            };
            if cursor.peek() != b'{' {
                cursor.skip()?;
                return self.broken_frame(Wrong { offset, what: "entry is not an object" });
            }
            let mut entry = Entry::default();
            read::members(cursor, |name, cursor| self.part(name, cursor, kind, &mut entry))?;
            self.entry(&entry, kind, offset);
            Ok(())
        })
    }

    fn part(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        kind: u8,
        entry: &mut Entry,
    ) -> Result<(), JsonError> {
        let zero = if kind == BOOK_SNAPSHOT { Zero::Skipped } else { Zero::Removes };
        match name {
            b"symbol" => entry.symbol = cursor.scalar()?,
            b"bids" => entry.bids = Some(self.levels(cursor, Side::Bid, zero)?),
            b"asks" => entry.asks = Some(self.levels(cursor, Side::Ask, zero)?),
            b"checksum" => entry.checksum = cursor.scalar()?,
            b"timestamp" => entry.timestamp = cursor.scalar()?,
            b"side" => entry.side = cursor.scalar()?,
            b"price" => entry.price = cursor.scalar()?,
            b"qty" => entry.size = cursor.scalar()?,
            b"trade_id" => entry.trade_id = cursor.scalar()?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    /// An array of levels, `{"price":…,"qty":…}` each.
    fn levels(&mut self, cursor: &mut Cursor, side: Side, zero: Zero) -> Result<LevelArray, JsonError> {
        self.0.levels(cursor, (side, zero), |reader, cursor| {
            if cursor.peek() != b'{' {
                cursor.skip()?;
                return Ok(Err(NoLevel::Wrong("level is not an object")));
            }
            if reader.fast
                && let Some(level) = plain::level(cursor)
            {
                return Ok(Ok(level));
            }
            let (mut price, mut size) = (Value::default(), Value::default());
            read::members(cursor, |name, cursor| {
                match name {
                    b"price" => price = cursor.scalar()?,
                    b"qty" => size = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?;
            Ok(reader.level(price, size))
        })
    }

    /// Turns an entry into a message.
    fn entry(&mut self, entry: &Entry, kind: u8, offset: usize) {
        let ts_event = self.time(entry.timestamp);
        let understood = if kind == TRADE { self.trade(entry) } else { self.book(entry, kind) };
        let body = understood.unwrap_or_else(|wrong| {
            let wrong = wrong.or_at(offset);
            if kind == TRADE {
                self.0.broken_notice(wrong)
            } else {
                self.0.broken_book(entry.symbol, wrong)
            }
        });
        self.0.push(Place::NONE, entry.symbol, ts_event, body);
    }

    fn time(&mut self, value: Value) -> Nanos {
        if is_text(value) { stamp::parse(self.0.text(value)).unwrap_or(ABSENT) } else { ABSENT }
    }

    /// A whole book, or new sizes of some of its levels, and the checksum of what it comes to.
    fn book(&mut self, entry: &Entry, kind: u8) -> Result<Body, Wrong> {
        if !is_text(entry.symbol) {
            return Err(Wrong::at(entry.symbol, "book without a symbol"));
        }
        let checksum = self.0.integer(entry.checksum).and_then(|n| u32::try_from(n).ok());
        let checksum = checksum.ok_or(Wrong::at(entry.checksum, "checksum is missing or no 32 bits"))?;
        let claim = ProofClaim::Checksum(checksum);
        let wrong = [&entry.bids, &entry.asks].into_iter().flatten().find_map(|side| side.wrong);
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let (instrument, symbol) = (self.0.instrument(entry.symbol), entry.symbol);
        let range = |side: &Option<LevelArray>| side.as_ref().map(|side| side.range.clone());
        let (bids, asks) = (range(&entry.bids), range(&entry.asks));
        let asks_cut = entry.asks.as_ref().is_some_and(|side| side.cut);
        if kind == BOOK_UPDATE {
            let given = bids.is_some() || asks.is_some();
            let (bids, asks) = (bids.unwrap_or_default(), asks.unwrap_or_default());
            let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
            return given
                .then_some(Body::Levels(levels))
                .ok_or(Wrong::at(symbol, "update without levels"));
        }
        let (bids, asks) = bids.zip(asks).ok_or(Wrong::at(symbol, "whole book without both sides"))?;
        Ok(Body::Snapshot(Levels { instrument, symbol, bids, asks, claim, asks_cut }.into()))
    }

    /// A trade; `side` is that of whoever took.
    fn trade(&mut self, entry: &Entry) -> Result<Body, Wrong> {
        let level = self.0.traded(entry.price, entry.size)?;
        let aggressor = match self.0.text(entry.side) {
            b"buy" => Some(Aggressor::Buy),
            b"sell" => Some(Aggressor::Sell),
            _ => None,
        };
        Ok(Body::Trade(Trade {
            instrument: self.0.instrument(entry.symbol),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: entry.price,
            id: entry.trade_id,
            id_shared: false,
            off_book: false,
        }))
    }
}

/// A member of the frame.
fn member(name: &[u8], cursor: &mut Cursor, e: &mut Envelope) -> Result<(), JsonError> {
    match name {
        b"channel" => e.channel = cursor.scalar()?,
        b"type" => e.kind = cursor.scalar()?,
        b"data" => e.data = cursor.scalar()?,
        b"method" => e.method = cursor.scalar()?,
        b"success" => e.success = cursor.scalar()?,
        b"error" => e.error = cursor.scalar()?,
        b"req_id" => e.req_id = cursor.scalar()?,
        b"symbol" => e.symbol = cursor.scalar()?,
        b"result" if cursor.peek() == b'{' => read::members(cursor, |name, cursor| {
            match name {
                b"channel" => e.result_channel = cursor.scalar()?,
                b"symbol" => e.symbol = cursor.scalar()?,
                _ => cursor.skip()?,
            }
            Ok(())
        })?,
        _ => cursor.skip()?,
    }
    Ok(())
}
