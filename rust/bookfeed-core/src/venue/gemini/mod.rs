//! Gemini's fast WebSocket, and its market data of version 2.
//!
//! The fast one speaks as Binance does, in nanoseconds: each change says which updates it holds, first
//! and last, and the first message about a book on a connection holds all of it, which nothing in it
//! says: the engine knows (`Row::begins_whole`). The best prices count in other numbers, so that only
//! their time places them. Version 2 numbers nothing and states no time; its first message about a
//! book is known by the trades or auctions that come with it.
//!
//! Members come in any order, so they are collected first and understood at the end; `b` and `a` are
//! levels in one message and prices in another, told apart by what stands there.

mod plain;
mod rest;

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Reader, Wrong, Zero, given, is_text};
use crate::decode::sided::Sided;
use crate::decode::{Mode, Payload, Source, Tally, stamp};
use crate::event::{
    Aggressor, Body, Claim, Frame, Levels, Place, ProofClaim, Reply, ReplyKind, Side, TouchClaim, Trade,
};
use crate::fixed::{ABSENT, Qty, parse_price, parse_qty};
use crate::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::{MILLISECOND, Nanos};

/// Message types, in order of their counters: those of the fast WebSocket, those of version 2, others.
pub const MESSAGE_NAMES: [&str; 14] = [
    "depthUpdate",
    "bookTicker",
    "trade",
    "partial_depth",
    "reply",
    "error",
    "l2_book",
    "l2_updates",
    "l2_trade",
    "heartbeat",
    "auction",
    "other",
    "rest_book",
    "untyped",
];
const DEPTH: u8 = 0;
const BOOK_TICKER: u8 = 1;
const TRADE: u8 = 2;
const PARTIAL_DEPTH: u8 = 3;
const REPLY: u8 = 4;
const ERROR: u8 = 5;
const L2_BOOK: u8 = 6;
const L2_UPDATES: u8 = 7;
const L2_TRADE: u8 = 8;
const HEARTBEAT: u8 = 9;
const AUCTION: u8 = 10;
const OTHER: u8 = 11;
const REST_BOOK: u8 = 12;
const UNTYPED: u8 = 13;

/// The status of an answer to a command that was carried out.
const DONE: u64 = 200;

/// The members of a message that matter.
#[derive(Default)]
struct Fields {
    /// `e`, and `type` in version 2.
    event: Value,
    kind: Value,
    /// `E`: when it was sent, in nanoseconds; `timestamp` in version 2, in milliseconds.
    sent: Value,
    timestamp: Value,
    /// `s`, and `symbol` in version 2.
    symbol: Value,
    /// `U` and `u`.
    first: Value,
    last: Value,
    /// `b` and `a`, where they are levels.
    differences: [Option<LevelArray>; 2],
    /// `b` and `a`, where they are not; `B` and `A`.
    bid: Value,
    ask: Value,
    bid_size: Value,
    ask_size: Value,
    /// `p`, `q`, `t` and `m` of a trade; `price`, `quantity`, `side` and its ids in version 2.
    price: Value,
    size: Value,
    trade_id: Value,
    buyer_is_maker: Value,
    side: Value,
    /// A book of a few levels.
    last_update_id: Value,
    sides: [Value; 2],
    /// Version 2: new sizes of levels of both sides, and what comes with the whole book.
    changes: Value,
    trades: Value,
    auctions: Value,
    /// A reply.
    status: Value,
    result: Value,
    id: Value,
    text: Value,
}

/// The reader, and whether symbols stand in upper case that are known in lower case: version 2 as a
/// second source beside the fast WebSocket.
struct Decoder<'a>(Reader<'a>, bool);

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
    let reader = Reader { bytes, venue: Venue::GEMINI, instruments, frame, fast: payload.fast };
    let mut decoder = Decoder(reader, payload.mode != Mode::default());
    match payload.source {
        Source::Stream => decoder.stream(&mut cursor, tally)?,
        Source::Rest => decoder.rest(&mut cursor, payload.about)?,
    }
    tally.count(&frame.kinds);
    Ok(())
}

impl Decoder<'_> {
    fn stream(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if self.0.fast
            && let Some(message) = self.plain_depth(cursor)
        {
            cursor.finish()?;
            self.0.frame.kinds.push(DEPTH);
            self.0.frame.messages.push(message);
            return Ok(());
        }
        cursor.rewind(0);
        self.0.frame.levels.clear();
        self.any(cursor, tally)
    }

    /// Any frame, in any spelling.
    #[inline(never)]
    fn any(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            return self.0.no_object(cursor);
        }
        let mut fields = Fields::default();
        read::members(cursor, |name, cursor| self.member(name, cursor, &mut fields))?;
        cursor.finish()?;
        self.understand(&fields, tally)
    }

    fn member(&mut self, name: &[u8], cursor: &mut Cursor, f: &mut Fields) -> Result<(), JsonError> {
        match name {
            b"e" => f.event = cursor.scalar()?,
            b"type" => f.kind = cursor.scalar()?,
            b"E" => f.sent = cursor.scalar()?,
            b"timestamp" => f.timestamp = cursor.scalar()?,
            b"s" | b"symbol" => f.symbol = cursor.scalar()?,
            b"U" => f.first = cursor.scalar()?,
            b"u" => f.last = cursor.scalar()?,
            b"b" | b"a" => {
                let at = usize::from(name == b"a");
                let levels = cursor.peek() == b'[';
                let side = if at == 0 { Side::Bid } else { Side::Ask };
                let read =
                    if levels { Some(self.0.pairs(cursor, (side, Zero::Removes))?) } else { None };
                f.differences[at] = read;
                let scalar = if at == 0 { &mut f.bid } else { &mut f.ask };
                *scalar = if levels { Value::default() } else { cursor.scalar()? };
            }
            b"B" => f.bid_size = cursor.scalar()?,
            b"A" => f.ask_size = cursor.scalar()?,
            b"p" | b"price" => f.price = cursor.scalar()?,
            b"q" | b"quantity" => f.size = cursor.scalar()?,
            b"t" | b"tid" => f.trade_id = cursor.scalar()?,
            b"m" => f.buyer_is_maker = cursor.scalar()?,
            b"side" => f.side = cursor.scalar()?,
            b"lastUpdateId" => f.last_update_id = cursor.scalar()?,
            b"bids" => f.sides[0] = cursor.scalar()?,
            b"asks" => f.sides[1] = cursor.scalar()?,
            b"changes" => f.changes = cursor.scalar()?,
            b"trades" => f.trades = cursor.scalar()?,
            b"auction_events" => f.auctions = cursor.scalar()?,
            b"status" => f.status = cursor.scalar()?,
            b"result" => f.result = cursor.scalar()?,
            b"id" => f.id = cursor.scalar()?,
            b"error" if cursor.peek() == b'{' => read::members(cursor, |name, cursor| {
                match name {
                    b"msg" | b"message" => f.text = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?,
            b"error" | b"msg" | b"message" => f.text = cursor.scalar()?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    /// Turns a collected message into an event.
    fn understand(&mut self, f: &Fields, tally: &mut Tally) -> Result<(), JsonError> {
        let Some(kind) = self.kind(f, tally) else {
            self.0.push(Place::NONE, f.symbol, ABSENT, Body::Unknown);
            return Ok(());
        };
        self.0.frame.kinds.push(kind);
        let sent = self.sent(f);
        let understood = match kind {
            DEPTH => self.depth(f),
            L2_BOOK | L2_UPDATES => self.version_2(f, kind == L2_BOOK)?,
            BOOK_TICKER => self.touch(f).map(|body| (Place::NONE, body)),
            TRADE | L2_TRADE => self.trade(f, kind).map(|body| (Place::NONE, body)),
            REPLY | ERROR => Ok((Place::NONE, self.reply(f, kind))),
            UNTYPED => untyped(f),
            _ => Ok((Place::NONE, Body::Nothing)),
        };
        let (place, body) = understood.unwrap_or_else(|wrong| {
            let about_a_book = matches!(kind, DEPTH | L2_BOOK | L2_UPDATES | UNTYPED);
            let body = if about_a_book {
                let book = self.instrument_beside(f.symbol);
                self.0.broken_book_of(book, wrong)
            } else {
                self.0.broken_notice(wrong)
            };
            (Place::NONE, body)
        });
        self.0.push(place, f.symbol, sent, body);
        Ok(())
    }

    /// The number of the message's type; `None` if it is not known, which is counted. What may be
    /// a change of a book is not passed over.
    fn kind(&mut self, f: &Fields, tally: &mut Tally) -> Option<u8> {
        let (event, kind) = (is_text(f.event), is_text(f.kind));
        let known = if event {
            (DEPTH..=TRADE).find(|&n| MESSAGE_NAMES[usize::from(n)].as_bytes() == self.0.text(f.event))
        } else if kind {
            self.kind_of_version_2(f)
        } else if given(f.event) || given(f.kind) {
            Some(UNTYPED)
        } else {
            let status = self.0.integer(f.status);
            return Some(unnamed(f, status == Some(DONE)));
        };
        if known.is_none() && has_levels(f) {
            return Some(UNTYPED);
        }
        if known.is_none() {
            let name = self.0.text(if event { f.event } else { f.kind }).to_vec();
            tally.count_unknown(&name);
        }
        known
    }

    fn kind_of_version_2(&mut self, f: &Fields) -> Option<u8> {
        Some(match self.0.text(f.kind) {
            b"l2_updates" if given(f.trades) || given(f.auctions) => L2_BOOK,
            b"l2_updates" => L2_UPDATES,
            b"trade" | b"block_trade" => L2_TRADE,
            b"heartbeat" => HEARTBEAT,
            b"auction_open" | b"auction_indicative" | b"auction_result" => AUCTION,
            b"candles_1m_updates" | b"top" | b"subscription_ack" => OTHER,
            b"error" => ERROR,
            _ => return None,
        })
    }

    /// When it was sent; 0 is no time.
    fn sent(&mut self, f: &Fields) -> Nanos {
        let (bytes, scratch) = (self.0.bytes, &mut self.0.frame.scratch);
        let mut number = |value: Value| {
            let text = matches!(value.kind, Kind::Text | Kind::Escaped | Kind::Number);
            stamp::nanoseconds(value.text(bytes, scratch)).filter(|&number| text && number > 0)
        };
        let millis = number(f.timestamp).and_then(|millis| millis.checked_mul(MILLISECOND));
        number(f.sent).or(millis).unwrap_or(ABSENT)
    }

    /// New sizes of some levels, and which updates they are; or the whole book, likewise.
    fn depth(&mut self, f: &Fields) -> Result<(Place, Body), Wrong> {
        if !is_text(f.symbol) {
            return Err(Wrong::at(f.symbol, "depthUpdate without a symbol"));
        }
        let [first, last] = [f.first, f.last].map(|id| self.0.integer(id).unwrap_or(0));
        if first == 0 || first > last {
            return Err(Wrong::at(f.first, "update ids are missing, or the first is behind the last"));
        }
        let [Some(bids), Some(asks)] = &f.differences else {
            return Err(Wrong::at(f.symbol, "a side is missing, or no array of levels"));
        };
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        let (instrument, symbol) = (self.0.instrument(f.symbol), f.symbol);
        let (claim, asks_cut) = (ProofClaim::None, asks.cut);
        let (bids, asks) = (bids.range.clone(), asks.range.clone());
        let body = Body::Levels(Levels { instrument, symbol, bids, asks, claim, asks_cut });
        Ok((Place::run(first, last), body))
    }

    /// Version 2: levels of both sides in one array, all of them or those that have new sizes.
    fn version_2(&mut self, f: &Fields, whole: bool) -> Result<Result<(Place, Body), Wrong>, JsonError> {
        if !is_text(f.symbol) {
            return Ok(Err(Wrong::at(f.symbol, "l2_updates without a symbol")));
        }
        let Sided { bids, asks, asks_cut } = match self.0.sided(f.changes, whole)? {
            Ok(sided) => sided,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let (instrument, symbol, claim) = (self.instrument_beside(f.symbol), f.symbol, ProofClaim::None);
        let empty = bids.is_empty() && asks.is_empty();
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
        let body = match whole {
            // A book that was emptied is no book to begin with.
            true if empty => Body::Nothing,
            true => Body::Snapshot(levels.into()),
            false => Body::Levels(levels),
        };
        Ok(Ok((Place::NONE, body)))
    }

    /// The instrument of a symbol, also of version 2's own.
    fn instrument_beside(&mut self, symbol: Value) -> InstrumentId {
        if !self.1 {
            return self.0.instrument(symbol);
        }
        let lower = self.0.text(symbol).to_ascii_lowercase();
        self.0.instruments.find(Venue::GEMINI, &lower).unwrap_or(UNKNOWN)
    }

    /// The best prices.
    fn touch(&mut self, f: &Fields) -> Result<Body, Wrong> {
        if !is_text(f.symbol) {
            return Err(Wrong::at(f.symbol, "best prices without a symbol"));
        }
        let instrument = self.0.instrument(f.symbol);
        let (bid, bid_qty) = self.best(f.bid, f.bid_size)?;
        let (ask, ask_qty) = self.best(f.ask, f.ask_size)?;
        Ok(Body::Touch(TouchClaim { instrument, bid, ask, bid_qty, ask_qty }))
    }

    /// A best price and its size; a price of zero says that the side is empty.
    fn best(&mut self, price: Value, size: Value) -> Result<(Claim, Qty), Wrong> {
        let (bytes, scratch) = (self.0.bytes, &mut self.0.frame.scratch);
        let read = read::decimal(bytes, price, scratch, parse_price);
        let qty = read::decimal(bytes, size, scratch, parse_qty);
        let (read, qty) =
            read.zip(qty).ok_or(Wrong::at(price, "best price or size is not a decimal"))?;
        let empty = read.value == 0;
        Ok(if empty { (Claim::EMPTY, ABSENT) } else { (Claim::price(read.value), qty.value) })
    }

    /// A trade. `m` says that the buyer rested in the book; `side` of version 2 is the taker's.
    fn trade(&mut self, f: &Fields, kind: u8) -> Result<Body, Wrong> {
        let level = self.0.traded(f.price, f.size)?;
        let mut off_book = false;
        let aggressor = if kind == TRADE {
            let maker = read::boolean(self.0.bytes, f.buyer_is_maker);
            maker.map(|maker| if maker { Aggressor::Sell } else { Aggressor::Buy })
        } else {
            off_book = self.0.text(f.kind) == b"block_trade" || self.0.text(f.side) == b"block";
            match self.0.text(f.side) {
                b"buy" => Some(Aggressor::Buy),
                b"sell" => Some(Aggressor::Sell),
                _ => None,
            }
        };
        Ok(Body::Trade(Trade {
            instrument: self.0.instrument(f.symbol),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: f.price,
            id: f.trade_id,
            id_shared: false,
            off_book,
        }))
    }

    fn reply(&mut self, f: &Fields, kind: u8) -> Body {
        let status = self.0.integer(f.status).and_then(|status| u32::try_from(status).ok());
        let failed = kind == ERROR;
        Body::Reply(Reply {
            kind: if failed { ReplyKind::Error } else { ReplyKind::Ok },
            id: self.0.integer(f.id).unwrap_or(0),
            code: status.filter(|_| failed).unwrap_or(0),
            channel: Value::default(),
            text: f.text,
            // A reply names no stream; what has ended shows in the stream itself.
            ends: false,
            refuses: false,
            instrument: UNKNOWN,
        })
    }
}

/// What a message is that does not name its type; `done` if it says that a command was carried out.
fn unnamed(f: &Fields, done: bool) -> u8 {
    let levels = has_levels(f);
    if given(f.last_update_id) {
        PARTIAL_DEPTH
    } else if levels {
        UNTYPED
    } else if given(f.bid_size) && given(f.ask_size) {
        BOOK_TICKER
    } else if given(f.trade_id) && given(f.price) {
        TRADE
    } else if given(f.text) || given(f.status) && !done {
        ERROR
    } else if given(f.status) || given(f.result) {
        REPLY
    } else {
        UNTYPED
    }
}

/// Whether it has levels of any kind.
fn has_levels(f: &Fields) -> bool {
    let of_the_fast = f.differences.iter().any(Option::is_some);
    of_the_fast || f.sides.iter().any(|&side| given(side)) || given(f.changes)
}

/// A message without a type is no news to act on, unless it carries levels, which must not be lost
/// quietly.
fn untyped(f: &Fields) -> Result<(Place, Body), Wrong> {
    if has_levels(f) {
        return Err(Wrong::at(f.symbol, "levels without a type"));
    }
    Ok((Place::NONE, Body::Unknown))
}
