//! Binance's spot streams in JSON, those of Binance.US likewise, and the whole books that REST
//! answers.
//!
//! A frame is one message, or a message wrapped by the name of its stream (`stream`, `data`).
//! Members come in any order, so they are collected first and understood at the end; `b` and `a`
//! are levels in one message and numbers in another, told apart by what stands there. Levels
//! are sizes, not changes of sizes. Each difference says which updates it holds, first and last,
//! and a whole book the last one it holds; the best prices (`bookTicker`) count in the same
//! numbers and carry no time.
//!
//! A whole book does not say whose it is: whoever asked for it does.

mod plain;

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Reader, Wrong, Zero, given, is_text};
use crate::decode::{Payload, Source, Tally, stamp};
use crate::event::{
    Aggressor, Body, Claim, Frame, Levels, Place, ProofClaim, Reply, ReplyKind, Side, Snapshot,
    TouchClaim, Trade,
};
use crate::fixed::{ABSENT, Qty, parse_price, parse_qty};
use crate::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::Nanos;

/// Message types, in order of their counters: first those that messages name themselves.
pub const MESSAGE_NAMES: [&str; 10] = [
    "depthUpdate",
    "bookTicker",
    "trade",
    "aggTrade",
    "serverShutdown",
    "partial_depth",
    "reply",
    "error",
    "rest_book",
    "untyped",
];
const DEPTH: u8 = 0;
const BOOK_TICKER: u8 = 1;
const TRADE: u8 = 2;
const AGG_TRADE: u8 = 3;
const SERVER_SHUTDOWN: u8 = 4;
const PARTIAL_DEPTH: u8 = 5;
const REPLY: u8 = 6;
const ERROR: u8 = 7;
const REST_BOOK: u8 = 8;
const UNTYPED: u8 = 9;
/// How many types messages name themselves.
const NAMED: usize = 5;

/// The members of a message that matter.
#[derive(Default)]
struct BinanceFields {
    /// `e`.
    kind: Value,
    /// `E`: when it was sent.
    sent: Value,
    /// `T`: when the trade happened.
    traded: Value,
    /// `s`.
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
    /// `p`, `q`, `t` and `m` of a trade.
    price: Value,
    size: Value,
    trade_id: Value,
    buyer_is_maker: Value,
    /// A whole book.
    last_update_id: Value,
    whole: [Option<LevelArray>; 2],
    /// A reply.
    result: Value,
    id: Value,
    code: Value,
    text: Value,
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
        Decoder(Reader { bytes, venue: Venue::BINANCE, instruments, frame, fast: payload.fast });
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
        let (mut fields, mut wrapped) = (BinanceFields::default(), None);
        read::members(cursor, |name, cursor| {
            if name != b"data" {
                return self.member(name, cursor, &mut fields);
            }
            wrapped = None;
            if cursor.peek() != b'{' {
                return cursor.skip();
            }
            let inner = wrapped.insert(BinanceFields::default());
            read::members(cursor, |name, cursor| self.member(name, cursor, inner))
        })?;
        cursor.finish()?;
        self.understand(&wrapped.unwrap_or(fields), tally);
        Ok(())
    }

    fn member(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        f: &mut BinanceFields,
    ) -> Result<(), JsonError> {
        match name {
            b"e" => f.kind = cursor.scalar()?,
            b"E" => f.sent = cursor.scalar()?,
            b"T" => f.traded = cursor.scalar()?,
            b"s" => f.symbol = cursor.scalar()?,
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
            b"p" => f.price = cursor.scalar()?,
            b"q" => f.size = cursor.scalar()?,
            b"t" => f.trade_id = cursor.scalar()?,
            b"m" => f.buyer_is_maker = cursor.scalar()?,
            b"lastUpdateId" => f.last_update_id = cursor.scalar()?,
            b"bids" => f.whole[0] = Some(self.0.pairs(cursor, (Side::Bid, Zero::Skipped))?),
            b"asks" => f.whole[1] = Some(self.0.pairs(cursor, (Side::Ask, Zero::Skipped))?),
            b"result" => f.result = cursor.scalar()?,
            b"id" => f.id = cursor.scalar()?,
            b"code" => f.code = cursor.scalar()?,
            b"msg" => f.text = cursor.scalar()?,
            b"error" if cursor.peek() == b'{' => read::members(cursor, |name, cursor| {
                match name {
                    b"code" => f.code = cursor.scalar()?,
                    b"msg" => f.text = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    /// Turns a collected message into an event.
    fn understand(&mut self, f: &BinanceFields, tally: &mut Tally) {
        let Some(kind) = self.kind(f, tally) else {
            return self.0.push(Place::NONE, f.symbol, ABSENT, Body::Unknown);
        };
        self.0.frame.kinds.push(kind);
        let sent = self.time(f.sent);
        let (ts_event, understood) = match kind {
            DEPTH => (sent, self.depth(f)),
            BOOK_TICKER => (sent, self.touch(f)),
            TRADE | AGG_TRADE => {
                let traded = self.time(f.traded);
                (if traded == ABSENT { sent } else { traded }, self.trade(f, kind))
            }
            SERVER_SHUTDOWN => (sent, Ok((Place::NONE, self.reply(f, kind)))),
            REPLY | ERROR => (ABSENT, Ok((Place::NONE, self.reply(f, kind)))),
            UNTYPED => (ABSENT, untyped(f)),
            _ => (sent, Ok((Place::NONE, Body::Nothing))),
        };
        let (place, body) = understood.unwrap_or_else(|wrong| {
            let about_a_book = matches!(kind, DEPTH | UNTYPED);
            let body = if about_a_book {
                self.0.broken_book(f.symbol, wrong)
            } else {
                self.0.broken_notice(wrong)
            };
            (Place::NONE, body)
        });
        self.0.push(place, f.symbol, ts_event, body);
    }

    /// The number of the message's type; `None` if it is not known, which is counted. The best
    /// prices, books of a few levels, and replies do not name theirs.
    fn kind(&mut self, f: &BinanceFields, tally: &mut Tally) -> Option<u8> {
        if is_text(f.kind) {
            let name = self.0.text(f.kind);
            let known = (DEPTH..).zip(&MESSAGE_NAMES[..NAMED]).find(|(_, n)| n.as_bytes() == name);
            if known.is_none() {
                tally.count_unknown(name);
            }
            return known.map(|(kind, _)| kind);
        }
        let kind = if given(f.kind) {
            UNTYPED
        } else if given(f.last) && given(f.bid_size) && given(f.ask_size) {
            BOOK_TICKER
        } else if given(f.last_update_id) {
            PARTIAL_DEPTH
        } else if given(f.code) || given(f.text) {
            ERROR
        } else if f.result.kind != Kind::Missing {
            REPLY
        } else {
            UNTYPED
        };
        Some(kind)
    }

    fn time(&mut self, value: Value) -> Nanos {
        self.0.integer(value).and_then(stamp::millis_or_micros).unwrap_or(ABSENT)
    }

    /// A difference: new sizes of some levels, and which updates they are.
    fn depth(&mut self, f: &BinanceFields) -> Result<(Place, Body), Wrong> {
        if !is_text(f.symbol) {
            return Err(Wrong::at(f.symbol, "depthUpdate without a symbol"));
        }
        let [first, last] = [f.first, f.last].map(|id| self.0.integer(id).unwrap_or(0));
        if first == 0 || first > last {
            return Err(Wrong::at(f.first, "update ids are missing, or the first is behind the last"));
        }
        let [bids, asks] = both(&f.differences, f.symbol)?;
        let (instrument, symbol) = (self.0.instrument(f.symbol), f.symbol);
        let (claim, asks_cut) = (ProofClaim::None, asks.cut);
        let (bids, asks) = (bids.range.clone(), asks.range.clone());
        let body = Body::Levels(Levels { instrument, symbol, bids, asks, claim, asks_cut });
        Ok((Place::run(first, last), body))
    }

    /// The best prices, in the numbers of the updates.
    fn touch(&mut self, f: &BinanceFields) -> Result<(Place, Body), Wrong> {
        let last = self.0.integer(f.last).filter(|&last| last > 0);
        let last = last.ok_or(Wrong::at(f.last, "update id is missing or not a number"))?;
        let instrument = self.0.instrument(f.symbol);
        let (bid, bid_qty) = self.best(f.bid, f.bid_size)?;
        let (ask, ask_qty) = self.best(f.ask, f.ask_size)?;
        let touch = TouchClaim { instrument, bid, ask, bid_qty, ask_qty };
        Ok((Place::run(last, last), Body::Touch(touch)))
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

    /// A trade, or what one order took of one price. `m` says that the buyer rested in the book.
    fn trade(&mut self, f: &BinanceFields, kind: u8) -> Result<(Place, Body), Wrong> {
        let level = self.0.traded(f.price, f.size)?;
        let aggressor = read::boolean(self.0.bytes, f.buyer_is_maker)
            .map(|maker| if maker { Aggressor::Sell } else { Aggressor::Buy });
        let trade = Trade {
            instrument: self.0.instrument(f.symbol),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: f.price,
            id: if kind == TRADE { f.trade_id } else { f.ask },
            id_shared: false,
            off_book: false,
        };
        Ok((Place::NONE, Body::Trade(trade)))
    }

    fn reply(&mut self, f: &BinanceFields, kind: u8) -> Body {
        let code = self.0.integer(f.code).and_then(|code| u32::try_from(code).ok());
        Body::Reply(Reply {
            kind: match kind {
                ERROR => ReplyKind::Error,
                SERVER_SHUTDOWN => ReplyKind::Ending,
                _ => ReplyKind::Ok,
            },
            id: self.0.integer(f.id).unwrap_or(0),
            code: code.unwrap_or(0),
            channel: Value::default(),
            text: f.text,
            // A reply names no stream; what has ended shows in the stream itself.
            ends: false,
            refuses: false,
            instrument: UNKNOWN,
        })
    }

    /// A whole book that was asked for, of the instrument that the asker stated.
    fn rest(&mut self, cursor: &mut Cursor, about: InstrumentId) -> Result<(), JsonError> {
        let (mut fields, object) = (BinanceFields::default(), cursor.peek() == b'{');
        if object {
            read::members(cursor, |name, cursor| self.member(name, cursor, &mut fields))?;
        } else {
            cursor.skip()?;
        }
        cursor.finish()?;
        self.0.frame.kinds.push(REST_BOOK);
        let (place, body) = self.whole(&fields, about).unwrap_or_else(|wrong| {
            // What REST answers says nothing against the books of the stream.
            (Place::NONE, self.0.broken_notice(wrong))
        });
        self.0.push(place, Value::default(), ABSENT, body);
        Ok(())
    }

    fn whole(&mut self, f: &BinanceFields, about: InstrumentId) -> Result<(Place, Body), Wrong> {
        let id = self.0.integer(f.last_update_id).filter(|&id| id > 0);
        let id = id.ok_or(Wrong::at(f.last_update_id, "answer without a lastUpdateId"))?;
        let [bids, asks] = both(&f.whole, f.last_update_id)?;
        if about == UNKNOWN {
            let what = "a book that does not say whose it is: state the instrument";
            return Err(Wrong::at(f.last_update_id, what));
        }
        let snapshot = Snapshot {
            instrument: about,
            symbol: Value::default(),
            bids: bids.range.clone(),
            asks: asks.range.clone(),
            claim: ProofClaim::None,
            asks_cut: asks.cut,
            tick_size: None,
            min_order_size: Value::default(),
            hints: [Value::default(); 2],
            market_id: Value::default(),
            requested: true,
            holds_for: None,
        };
        Ok((Place::run(id, id), Body::Snapshot(snapshot)))
    }
}

/// Both sides, complete and without a flaw.
fn both(sides: &[Option<LevelArray>; 2], near: Value) -> Result<[&LevelArray; 2], Wrong> {
    let [Some(bids), Some(asks)] = sides else {
        return Err(Wrong::at(near, "a side is missing, or no array of levels"));
    };
    match bids.wrong.or(asks.wrong) {
        Some(wrong) => Err(wrong),
        None => Ok([bids, asks]),
    }
}

/// A message without a type is no news to act on, unless it carries levels, which must not be
/// lost quietly.
fn untyped(f: &BinanceFields) -> Result<(Place, Body), Wrong> {
    let levels = f.differences.iter().chain(&f.whole).any(Option::is_some);
    if levels {
        return Err(Wrong::at(f.symbol, "levels without a type"));
    }
    Ok((Place::NONE, Body::Unknown))
}
