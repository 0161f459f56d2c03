//! Polymarket's CLOB market channel, and REST books, which have the same shape.
//!
//! A frame is bare text (`PONG`), an object, or an array of objects; members come in any
//! order, so an object is first collected into `PolymarketFields` and understood at its end, when
//! `event_type` is known. Level arrays are parsed where they stand.

mod book;
mod fields;
mod market;
mod plain;
mod prices;
pub mod relay;

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, decimal, is_text};
use crate::decode::{Payload, Source, Tally, remark};
use crate::event::{Body, Claim, Frame, Malformed, Message, Place};
use crate::fixed::{ABSENT, Decimal, DecimalError, Price, parse_price};
use crate::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::parse_millis;
use fields::PolymarketFields;
pub use market::read_broken;

/// Message types, in order of their counters.
pub const MESSAGE_NAMES: [&str; 13] = [
    "book",
    "price_change",
    "last_trade_price",
    "tick_size_change",
    "best_bid_ask",
    "new_market",
    "market_resolved",
    "rest_book",
    "PONG",
    "NO NEW ASSETS",
    "INVALID OPERATION",
    "untyped",
    "rest_prices",
];
const BOOK: u8 = 0;
const PRICE_CHANGE: u8 = 1;
const TRADE: u8 = 2;
const TICK_SIZE: u8 = 3;
const TOUCH: u8 = 4;
const NEW_MARKET: u8 = 5;
const RESOLVED: u8 = 6;
const REST_BOOK: u8 = 7;
const FIRST_BARE_TEXT: u8 = 8;
const BARE_TEXTS: [&[u8]; 3] = [b"PONG", b"NO NEW ASSETS", b"INVALID OPERATION"];
const UNTYPED: u8 = 11;
const REST_PRICES: u8 = 12;

struct Decoder<'a> {
    bytes: &'a [u8],
    instruments: &'a Instruments,
    frame: &'a mut Frame,
    source: Source,
    fast: bool,
}

/// Decodes one payload; see [`crate::decode::Decode`].
///
/// # Errors
/// [`JsonError`] if it is neither one of the bare texts nor JSON.
pub fn decode(
    payload: &Payload,
    instruments: &Instruments,
    frame: &mut Frame,
    tally: &mut Tally,
) -> Result<(), JsonError> {
    frame.clear();
    let Payload { bytes, source, fast, .. } = *payload;
    let mut cursor = Cursor::new(bytes)?;
    let mut decoder = Decoder { bytes, instruments, frame, source, fast };
    match cursor.peek() {
        b'{' if source == Source::Rest && decoder.holds_prices(&mut cursor)? => {
            decoder.prices(&mut cursor)?;
        }
        b'{' => decoder.message(&mut cursor, tally)?,
        b'[' => decoder.array(&mut cursor, tally)?,
        _ => decoder.bare_text(&mut cursor, tally)?,
    }
    cursor.finish()?;
    tally.count(&frame.kinds);
    Ok(())
}

impl Decoder<'_> {
    #[cold]
    fn bare_text(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        let text = self.bytes.trim_ascii();
        if let Some(kind) =
            (FIRST_BARE_TEXT..).zip(BARE_TEXTS).find(|(_, t)| t.eq_ignore_ascii_case(text))
        {
            self.frame.kinds.push(kind.0);
            cursor.rewind(self.bytes.len());
            return Ok(());
        }
        if self.source == Source::Stream
            && let Some(said) = remark(self.bytes)
        {
            tally.count_remark(said);
            cursor.rewind(self.bytes.len());
            return Ok(());
        }
        cursor.skip()?;
        self.malformed(
            ABSENT,
            Value::default(),
            Wrong { offset: 0, what: "not an object or array" },
            &[],
        );
        Ok(())
    }

    fn array(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        cursor.expect(b'[')?;
        if cursor.take(b']') {
            return Ok(());
        }
        loop {
            if cursor.peek() == b'{' {
                self.message(cursor, tally)?;
            } else {
                let wrong = Wrong { offset: cursor.offset(), what: "element is not an object" };
                cursor.skip()?;
                self.malformed(ABSENT, Value::default(), wrong, &[]);
            }
            if !cursor.more(b']')? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn message(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        let begin = cursor.offset();
        let (changes, levels) = (self.frame.changes.len(), self.frame.levels.len());
        if self.fast && self.plain_message(cursor).is_some() {
            return Ok(());
        }
        cursor.rewind(begin);
        self.frame.changes.truncate(changes);
        self.frame.levels.truncate(levels);
        let mut fields = PolymarketFields::default();
        self.fields(cursor, &mut fields)?;
        self.understand(&fields, tally);
        Ok(())
    }

    /// A decimal given as a string or a number; `None` if it is neither, or refused.
    #[inline]
    fn decimal(
        &mut self,
        value: Value,
        parse: impl Fn(&[u8]) -> Result<Decimal, DecimalError>,
    ) -> Option<Decimal> {
        decimal(self.bytes, value, &mut self.frame.scratch, parse)
    }

    /// The venue's best price of a side: absent is silence, and the price that means "no
    /// such side" (0 for bids, 1 for asks) is an empty side. `None` if it is not a price.
    #[inline]
    fn claim(&mut self, value: Value, none: Price) -> Option<Claim> {
        if value.is_absent() {
            return Some(Claim::SILENT);
        }
        Some(price_or_none(self.decimal(value, parse_price)?.value, none))
    }

    #[inline]
    fn instrument(&mut self, symbol: Value) -> InstrumentId {
        match symbol.kind {
            Kind::Text => {
                self.instruments.find(Venue::POLYMARKET, symbol.raw(self.bytes)).unwrap_or(UNKNOWN)
            }
            Kind::Escaped => {
                let text = symbol.text(self.bytes, &mut self.frame.scratch);
                self.instruments.find(Venue::POLYMARKET, text).unwrap_or(UNKNOWN)
            }
            Kind::Missing | Kind::Null | Kind::Number | Kind::Other => UNKNOWN,
        }
    }

    /// Turns the collected members into a message, by `event_type`.
    #[inline]
    fn understand(&mut self, f: &PolymarketFields, tally: &mut Tally) {
        let mut scratch = Vec::new();
        let ts_event = match f.timestamp.kind {
            Kind::Text | Kind::Escaped | Kind::Number => {
                parse_millis(f.timestamp.text(self.bytes, &mut scratch)).unwrap_or(ABSENT)
            }
            Kind::Missing | Kind::Null | Kind::Other => ABSENT,
        };
        let kind = match f.event_type.text(self.bytes, &mut scratch) {
            b"price_change" => PRICE_CHANGE,
            b"book" => BOOK,
            b"last_trade_price" => TRADE,
            b"best_bid_ask" => TOUCH,
            b"tick_size_change" => TICK_SIZE,
            b"new_market" => NEW_MARKET,
            b"market_resolved" => RESOLVED,
            _ if f.event_type.is_absent() => return self.untyped(f, ts_event),
            unknown => return tally.count_unknown(unknown),
        };
        self.frame.kinds.push(kind);
        let about_an_asset = matches!(kind, BOOK | TICK_SIZE | TOUCH);
        let body = match kind {
            TRADE => Ok(self.trade(f)),
            _ if about_an_asset && !is_text(f.asset_id) => {
                Err(Wrong { offset: f.asset_id.start as usize, what: "message without an asset_id" })
            }
            BOOK => self.snapshot(f),
            PRICE_CHANGE => self.price_change(f),
            TICK_SIZE => self.tick_size_change(f),
            TOUCH => self.touch(f),
            RESOLVED => return self.resolved(f, ts_event),
            _ => Ok(Body::Nothing),
        };
        self.push(f, ts_event, body);
    }

    #[inline]
    fn push(&mut self, f: &PolymarketFields, ts_event: i64, body: Result<Body, Wrong>) {
        match body {
            Ok(body) => self.frame.messages.push(Message {
                ts_event,
                market: f.market,
                place: Place::NONE,
                body,
            }),
            Err(wrong) => {
                let named = self.named_by(f);
                self.malformed(ts_event, f.market, wrong, &named);
            }
        }
    }

    /// An object without a type: a REST book is one; on the stream it is news to ignore,
    /// unless it carries levels, which must not be lost quietly.
    #[cold]
    fn untyped(&mut self, f: &PolymarketFields, ts_event: i64) {
        if self.source == Source::Rest && f.bids.is_some() && f.asks.is_some() {
            self.frame.kinds.push(REST_BOOK);
            let body = self.snapshot(f);
            return self.push(f, ts_event, body);
        }
        self.frame.kinds.push(UNTYPED);
        if f.bids.is_some() || f.asks.is_some() || f.price_changes.is_some() || f.changes.is_some() {
            let wrong = Wrong { offset: f.market.start as usize, what: "levels without an event_type" };
            self.push(f, ts_event, Err(wrong));
        }
    }

    /// Every asset a message names, known or not.
    #[cold]
    fn named_by(&mut self, f: &PolymarketFields) -> Vec<InstrumentId> {
        let mut named: Vec<InstrumentId> = Vec::new();
        if !f.asset_id.is_absent() {
            named.push(self.instrument(f.asset_id));
        }
        if let Some(array) = f.price_changes {
            named.extend(self.frame.changes[array.start..array.end].iter().map(|c| c.instrument));
        }
        named
    }

    /// Records that a message cannot be trusted. If it names an asset nobody subscribed it
    /// may be about any: then its market's outcomes, or else the connection, are in doubt.
    #[cold]
    fn malformed(&mut self, ts_event: i64, market: Value, wrong: Wrong, named: &[InstrumentId]) {
        let start = self.frame.named.len();
        self.frame.named.extend(named.iter().filter(|&&id| id != UNKNOWN));
        let unsure = named.is_empty() || named.contains(&UNKNOWN);
        let mut whole_connection = false;
        if unsure {
            let text = String::from_utf8_lossy(market.raw(self.bytes));
            let outcomes = self.instruments.of_market(Venue::POLYMARKET, &text);
            self.frame.named.extend(outcomes);
            whole_connection = outcomes.is_empty();
        }
        let named = start..self.frame.named.len();
        let malformed = Malformed { named, whole_connection, offset: wrong.offset, what: wrong.what };
        self.frame.messages.push(Message {
            ts_event,
            market,
            place: Place::NONE,
            body: Body::Malformed(malformed),
        });
    }
}

/// The price that means "no such side" (0 for bids, 1 for asks) is an empty side.
#[inline(always)]
fn price_or_none(price: Price, none: Price) -> Claim {
    if price == none || price == 0 { Claim::EMPTY } else { Claim::price(price) }
}
