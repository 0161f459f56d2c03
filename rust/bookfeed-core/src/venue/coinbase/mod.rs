//! Coinbase's Advanced Trade WebSocket; in `exchange`, that of its Exchange, a second source.
//!
//! A frame is one object: a `channel`, a number that counts every message of the connection, and
//! `events`. The channel of books is subscribed as `level2` and comes as `l2_data`; each of its
//! events is of one book, whole or changed, both sides in one array. Sizes are absolute. Members
//! come in any order, so `events` is walked when the frame has proved to be JSON and the rest is
//! known.
//!
//! The venue counts from 0. A place is one more, since 0 stands for none. What a message has beyond
//! its first part stands at the same place.

mod exchange;
mod plain;
mod rest;

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, NoLevel, Reader, Wrong, given, is_text};
use crate::decode::{Mode, Payload, Source, Tally, stamp};
use crate::event::{Aggressor, Body, Frame, Level, Levels, Place, ProofClaim, Reply, ReplyKind, Trade};
use crate::fixed::ABSENT;
use crate::instrument::{Instruments, UNKNOWN, Venue};
use crate::span::Value;
use crate::time::Nanos;
use std::ops::Range;

/// Message types, in order of their counters. An event of a book or a trade counts as a message.
pub const MESSAGE_NAMES: [&str; 15] = [
    "book_update",
    "book_snapshot",
    "trade",
    "trade_history",
    "ticker",
    "heartbeat",
    "subscriptions",
    "candles",
    "status",
    "error",
    "untyped",
    "rest_book",
    "exchange_book",
    "exchange_update",
    "exchange_other",
];
const BOOK_UPDATE: u8 = 0;
const BOOK_SNAPSHOT: u8 = 1;
const TRADE: u8 = 2;
const TRADE_HISTORY: u8 = 3;
const TICKER: u8 = 4;
const HEARTBEAT: u8 = 5;
const SUBSCRIPTIONS: u8 = 6;
const CANDLES: u8 = 7;
const STATUS: u8 = 8;
const ERROR: u8 = 9;
const UNTYPED: u8 = 10;
const REST_BOOK: u8 = 11;
const EXCHANGE_BOOK: u8 = 12;
const EXCHANGE_UPDATE: u8 = 13;
const EXCHANGE_OTHER: u8 = 14;

/// All channels of a connection are one numbered stream.
const STREAM: u32 = 1;

/// The members of a frame.
#[derive(Default)]
struct Envelope {
    channel: Value,
    timestamp: Value,
    sequence_num: Value,
    /// Its text; walked later.
    events: Value,
    /// Of a frame that is of no channel.
    kind: Value,
    message: Value,
}

/// The members of an event, and of a trade.
#[derive(Default)]
struct Event {
    kind: Value,
    product_id: Value,
    /// Their texts; walked later.
    updates: Value,
    trades: Value,
    subscriptions: Value,
    trade_id: Value,
    price: Value,
    size: Value,
    side: Value,
    time: Value,
}

/// The members of a level.
#[derive(Default)]
struct Update {
    side: Value,
    event_time: Value,
    price: Value,
    size: Value,
}

/// The levels of an event, where they were put, and when the newest of them was set.
struct Updates {
    bids: Range<usize>,
    asks: Range<usize>,
    asks_cut: bool,
    ts_event: Nanos,
}

struct Decoder<'a> {
    reader: Reader<'a>,
    /// Where the next part of the frame stands.
    place: Place,
}

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
    let reader = Reader { bytes, venue: Venue::COINBASE, instruments, frame, fast: payload.fast };
    let mut decoder = Decoder { reader, place: Place::NONE };
    if payload.source == Source::Rest {
        decoder.rest(&mut cursor, payload.about)?;
    } else if payload.mode != Mode::default() {
        decoder.exchange(&mut cursor)?;
    } else if payload.fast && decoder.plain_book(&mut cursor).is_some() {
        cursor.finish()?;
    } else {
        decoder.reader.frame.clear();
        cursor.rewind(0);
        decoder.any(&mut cursor, tally)?;
    }
    tally.count(&frame.kinds);
    Ok(())
}

impl Decoder<'_> {
    /// Any frame, in any spelling.
    #[inline(never)]
    fn any(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            let wrong = Wrong { offset: cursor.offset(), what: "frame is not an object" };
            cursor.skip()?;
            cursor.finish()?;
            self.broken_frame(wrong);
            return Ok(());
        }
        let mut envelope = Envelope::default();
        read::members(cursor, |name, cursor| member(name, cursor, &mut envelope))?;
        cursor.finish()?;
        self.place = self.place_of(&envelope);
        self.understand(&envelope, tally)?;
        if self.place.first != 0 {
            // Whatever the frame was, its number was used.
            self.push(Value::default(), ABSENT, Body::Nothing);
        }
        Ok(())
    }

    fn place_of(&mut self, e: &Envelope) -> Place {
        let number = self.reader.integer(e.sequence_num).and_then(|n| n.checked_add(1));
        number.map_or(Place::NONE, |number| Place::one(STREAM, number))
    }

    /// Adds a message. The first of a frame takes the frame's number, the others are parts of it.
    fn push(&mut self, market: Value, ts_event: Nanos, body: Body) {
        self.reader.push(self.place, market, ts_event, body);
        self.place = self.place.part();
    }

    /// A frame that may be about any book of its connection.
    fn broken_frame(&mut self, wrong: Wrong) {
        let body = self.reader.broken_book(Value::default(), wrong);
        self.push(Value::default(), ABSENT, body);
    }

    fn understand(&mut self, e: &Envelope, tally: &mut Tally) -> Result<(), JsonError> {
        let sent = self.time(e.timestamp);
        self.reader.frame.ts_sent = (sent != ABSENT).then_some(sent);
        let channel = self.reader.text(e.channel);
        let kind = match channel {
            b"l2_data" => return self.books(e),
            b"market_trades" => return self.trades(e),
            b"subscriptions" => return self.subscriptions(e, sent),
            b"heartbeats" => HEARTBEAT,
            b"ticker" | b"ticker_batch" => TICKER,
            b"candles" => CANDLES,
            b"status" => STATUS,
            b"" => return self.untyped(e, tally),
            // On a stream that carries books it may have changed one.
            unknown => {
                tally.count_unknown(unknown);
                self.push(Value::default(), sent, Body::Unknown);
                return Ok(());
            }
        };
        self.reader.frame.kinds.push(kind);
        self.push(Value::default(), sent, Body::Nothing);
        Ok(())
    }

    /// A frame of no channel: an error, or something that may have been of one.
    fn untyped(&mut self, e: &Envelope, tally: &mut Tally) -> Result<(), JsonError> {
        if given(e.events) || given(e.sequence_num) {
            self.reader.frame.kinds.push(UNTYPED);
            self.broken_frame(Wrong::at(e.events, "a message without a channel"));
            return Ok(());
        }
        let kind = self.reader.text(e.kind);
        let body = match kind {
            b"error" => {
                self.reader.frame.kinds.push(ERROR);
                Body::Reply(reply(ReplyKind::Error, e.message))
            }
            b"" => {
                self.reader.frame.kinds.push(UNTYPED);
                Body::Unknown
            }
            unknown => {
                tally.count_unknown(unknown);
                Body::Unknown
            }
        };
        self.push(Value::default(), ABSENT, body);
        Ok(())
    }

    // Events.

    /// Walks the objects of an array; anything else is wrong, as `what` says.
    fn objects(
        &mut self,
        array: Value,
        what: &'static str,
        mut each: impl FnMut(&mut Self, Event, usize) -> Result<(), JsonError>,
    ) -> Result<Result<(), Wrong>, JsonError> {
        let bytes = self.reader.bytes;
        let is_array = array.raw(bytes).first() == Some(&b'[');
        let Some(mut cursor) = read::inside(bytes, array).filter(|_| is_array) else {
            return Ok(Err(Wrong::at(array, what)));
        };
        let mut wrong = None;
        read::elements(&mut cursor, |cursor| {
            let is_object = cursor.peek() == b'{';
            let offset = cursor.offset();
            if !is_object {
                wrong = wrong.or(Some(Wrong { offset, what }));
                return cursor.skip();
            }
            let mut event = Event::default();
            read::members(cursor, |name, cursor| part(name, cursor, &mut event))?;
            each(self, event, offset)
        })?;
        Ok(wrong.map_or(Ok(()), Err))
    }

    /// A message of the channel of books.
    fn books(&mut self, e: &Envelope) -> Result<(), JsonError> {
        let numbered = self.place != Place::NONE;
        let walked =
            self.objects(e.events, "events are not an array of objects", |decoder, event, at| {
                let kind = match decoder.reader.text(event.kind) {
                    b"update" => BOOK_UPDATE,
                    b"snapshot" => BOOK_SNAPSHOT,
                    _ => UNTYPED,
                };
                decoder.reader.frame.kinds.push(kind);
                let book = if numbered { decoder.book(&event, kind)? } else { Err(UNNUMBERED) };
                let (ts_event, body) = book.unwrap_or_else(|wrong| {
                    (ABSENT, decoder.reader.broken_book(event.product_id, wrong.or_at(at)))
                });
                decoder.push(event.product_id, ts_event, body);
                Ok(())
            })?;
        if let Err(wrong) = walked {
            self.reader.frame.kinds.push(UNTYPED);
            self.broken_frame(wrong);
        }
        Ok(())
    }

    /// A whole book, or new sizes of some of its levels.
    fn book(&mut self, event: &Event, kind: u8) -> Result<Result<(Nanos, Body), Wrong>, JsonError> {
        let symbol = event.product_id;
        if !is_text(symbol) {
            return Ok(Err(Wrong::at(symbol, "book without a product")));
        }
        if kind == UNTYPED {
            return Ok(Err(Wrong::at(event.kind, "neither a snapshot nor an update")));
        }
        let updates = match self.updates(event.updates, kind == BOOK_SNAPSHOT)? {
            Ok(updates) => updates,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let instrument = self.reader.instrument(symbol);
        let Updates { bids, asks, asks_cut, ts_event } = updates;
        let claim = ProofClaim::None;
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
        let whole = kind == BOOK_SNAPSHOT;
        let body = if whole { Body::Snapshot(levels.into()) } else { Body::Levels(levels) };
        Ok(Ok((ts_event, body)))
    }

    /// The levels of an event: both sides in one array, in any order.
    fn updates(&mut self, array: Value, whole: bool) -> Result<Result<Updates, Wrong>, JsonError> {
        let bytes = self.reader.bytes;
        let is_array = array.raw(bytes).first() == Some(&b'[');
        let Some(mut cursor) = read::inside(bytes, array).filter(|_| is_array) else {
            return Ok(Err(Wrong::at(array, "updates are not an array")));
        };
        let start = self.reader.frame.levels.len();
        let (mut asks, mut asks_cut, mut wrong) = (Vec::new(), false, None);
        let mut ts_event = ABSENT;
        read::elements(&mut cursor, |cursor| {
            cursor.peek();
            let offset = cursor.offset();
            let mut update = Update::default();
            if cursor.peek() != b'{' {
                wrong = wrong.or(Some(Wrong { offset, what: "level is not an object" }));
                return cursor.skip();
            }
            read::members(cursor, |name, cursor| side_part(name, cursor, &mut update))?;
            ts_event = ts_event.max(self.time(update.event_time));
            let is_bid = match self.reader.text(update.side) {
                b"bid" => true,
                b"offer" => false,
                _ => {
                    wrong = wrong.or(Some(Wrong { offset, what: "level of no side" }));
                    return Ok(());
                }
            };
            match self.reader.level(update.price, update.size) {
                Ok(level) if whole && level.qty == 0 => {}
                Ok(level) if is_bid => self.reader.frame.levels.push(level),
                Ok(level) => asks.push(level),
                Err(NoLevel::TooHigh) if !is_bid => asks_cut = true,
                Err(NoLevel::TooHigh) => {
                    wrong = wrong.or(Some(Wrong { offset, what: "price is too high" }));
                }
                Err(NoLevel::Wrong(what)) => wrong = wrong.or(Some(Wrong { offset, what })),
            }
            Ok(())
        })?;
        let levels: &mut Vec<Level> = &mut self.reader.frame.levels;
        let middle = levels.len();
        levels.append(&mut asks);
        let (bids, asks) = (start..middle, middle..levels.len());
        Ok(wrong.map_or(Ok(Updates { bids, asks, asks_cut, ts_event }), Err))
    }

    /// A time; one of no clock, such as that of the year 1, is none.
    fn time(&mut self, value: Value) -> Nanos {
        let text = if is_text(value) { self.reader.text(value) } else { b"" };
        stamp::parse(text).filter(|&ts| ts > 0).unwrap_or(ABSENT)
    }

    // Trades.

    fn trades(&mut self, e: &Envelope) -> Result<(), JsonError> {
        let walked =
            self.objects(e.events, "events are not an array of objects", |decoder, event, _| {
                if decoder.reader.text(event.kind) == b"snapshot" {
                    // What was traded before the subscription is no news.
                    decoder.reader.frame.kinds.push(TRADE_HISTORY);
                    return Ok(());
                }
                let what = "trades are not an array of objects";
                let walked = decoder.objects(event.trades, what, |decoder, trade, at| {
                    decoder.reader.frame.kinds.push(TRADE);
                    let ts_event = decoder.time(trade.time);
                    let body = decoder
                        .trade(&trade)
                        .unwrap_or_else(|wrong| decoder.reader.broken_notice(wrong.or_at(at)));
                    decoder.push(trade.product_id, ts_event, body);
                    Ok(())
                })?;
                decoder.note_trades(walked);
                Ok(())
            })?;
        self.note_trades(walked);
        Ok(())
    }

    /// Trades that cannot be read take no book with them.
    fn note_trades(&mut self, walked: Result<(), Wrong>) {
        if let Err(wrong) = walked {
            self.reader.frame.kinds.push(TRADE);
            let body = self.reader.broken_notice(wrong);
            self.push(Value::default(), ABSENT, body);
        }
    }

    /// A trade; `side` is that of the order that rested, so that the taker's is the other one.
    fn trade(&mut self, trade: &Event) -> Result<Body, Wrong> {
        let level = self.reader.traded(trade.price, trade.size)?;
        let aggressor = match self.reader.text(trade.side) {
            b"BUY" => Some(Aggressor::Sell),
            b"SELL" => Some(Aggressor::Buy),
            _ => None,
        };
        Ok(Body::Trade(Trade {
            instrument: self.reader.instrument(trade.product_id),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: trade.price,
            id: trade.trade_id,
            id_shared: false,
            off_book: false,
        }))
    }

    // Subscriptions.

    /// All that the connection is subscribed to, by channel: told after every command.
    fn subscriptions(&mut self, e: &Envelope, sent: Nanos) -> Result<(), JsonError> {
        self.reader.frame.kinds.push(SUBSCRIPTIONS);
        let mut listed = None;
        let walked = self.objects(e.events, "", |decoder, event, _| {
            listed = decoder.listed(event.subscriptions)?;
            Ok(())
        })?;
        let body = match listed.filter(|_| walked.is_ok()) {
            Some(books) => Body::Subscribed(books),
            None => self.reader.broken_notice(Wrong::at(e.events, "no list of subscriptions")),
        };
        self.push(Value::default(), sent, body);
        Ok(())
    }

    /// The books that a list names, as a range of `Frame::named`; `None` if it is no such list.
    fn listed(&mut self, list: Value) -> Result<Option<Range<usize>>, JsonError> {
        let bytes = self.reader.bytes;
        let is_object = list.raw(bytes).first() == Some(&b'{');
        let Some(mut cursor) = read::inside(bytes, list).filter(|_| is_object) else {
            return Ok(None);
        };
        let (start, mut fits) = (self.reader.frame.named.len(), true);
        read::members(&mut cursor, |name, cursor| {
            if name != b"level2" {
                return cursor.skip();
            }
            self.reader.frame.named.truncate(start);
            if cursor.peek() != b'[' {
                fits = false;
                return cursor.skip();
            }
            read::elements(cursor, |cursor| {
                let product = cursor.scalar()?;
                let id = self.reader.instrument(product);
                self.reader.frame.named.extend(Some(id).filter(|&id| id != UNKNOWN));
                Ok(())
            })
        })?;
        Ok(fits.then_some(start..self.reader.frame.named.len()))
    }
}

const UNNUMBERED: Wrong = Wrong { offset: 0, what: "book message without a number" };

fn reply(kind: ReplyKind, text: Value) -> Reply {
    let channel = Value::default();
    Reply { kind, id: 0, code: 0, channel, text, ends: false, refuses: false, instrument: UNKNOWN }
}

/// A member of the frame.
fn member(name: &[u8], cursor: &mut Cursor, e: &mut Envelope) -> Result<(), JsonError> {
    match name {
        b"channel" => e.channel = cursor.scalar()?,
        b"timestamp" => e.timestamp = cursor.scalar()?,
        b"sequence_num" => e.sequence_num = cursor.scalar()?,
        b"events" => e.events = cursor.scalar()?,
        b"type" => e.kind = cursor.scalar()?,
        b"message" => e.message = cursor.scalar()?,
        _ => cursor.skip()?,
    }
    Ok(())
}

/// A member of an event, or of a trade.
fn part(name: &[u8], cursor: &mut Cursor, event: &mut Event) -> Result<(), JsonError> {
    match name {
        b"type" => event.kind = cursor.scalar()?,
        b"product_id" => event.product_id = cursor.scalar()?,
        b"updates" => event.updates = cursor.scalar()?,
        b"trades" => event.trades = cursor.scalar()?,
        b"subscriptions" => event.subscriptions = cursor.scalar()?,
        b"trade_id" => event.trade_id = cursor.scalar()?,
        b"price" => event.price = cursor.scalar()?,
        b"size" => event.size = cursor.scalar()?,
        b"side" => event.side = cursor.scalar()?,
        b"time" => event.time = cursor.scalar()?,
        _ => cursor.skip()?,
    }
    Ok(())
}

/// A member of a level.
fn side_part(name: &[u8], cursor: &mut Cursor, update: &mut Update) -> Result<(), JsonError> {
    match name {
        b"side" => update.side = cursor.scalar()?,
        b"event_time" => update.event_time = cursor.scalar()?,
        b"price_level" => update.price = cursor.scalar()?,
        b"new_quantity" => update.size = cursor.scalar()?,
        _ => cursor.skip()?,
    }
    Ok(())
}
