//! The commonest messages, in the venue's own order and spelling, in one pass.

use super::{DELTA, Decoder, TRADE};
use crate::decode::json::Cursor;
use crate::decode::read::{is_probability, take};
use crate::event::{Aggressor, Body, Delta, Message, Place, Side, Trade};
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, QTY_DECIMALS, Qty};
use crate::instrument::{InstrumentId, Venue};
use crate::openings::key;
use crate::span::{Kind, Value};
use crate::time::{MILLISECOND, Nanos};

/// Length of a UUID.
const MARKET_ID: usize = 36;
/// Length of a time as text, with microseconds.
const TIME: usize = 27;

/// What stands between the two names of a market.
const BETWEEN: &[u8] = b",\"market_id\":\"";
/// Words that tell the names of markets apart, from the first byte of the first name on. Names of one
/// event may differ in their last letters alone: of two second names, which stand behind first ones
/// of up to 57 letters, the last two words hold different parts.
const OPENING: [usize; 4] = [8, 24, 48, 72];

/// A market, and where its two names stand.
struct Named {
    instrument: InstrumentId,
    market: Value,
    market_id: Value,
}

impl Decoder<'_> {
    /// Reads a delta or a trade of a known market into the frame, complete and without a flaw; `None`
    /// leaves anything else to the general way, which must read the same out of it.
    #[inline]
    pub(super) fn plain(&mut self, cursor: &mut Cursor) -> Option<()> {
        if cursor.take_literal(b"{\"type\":\"orderbook_delta\"") {
            return self.plain_delta(cursor);
        }
        take(cursor, b"{\"type\":\"trade\"")?;
        self.plain_trade(cursor)
    }

    /// A delta, from behind its type on.
    #[inline(always)]
    fn plain_delta(&mut self, cursor: &mut Cursor) -> Option<()> {
        let place = plain_place(cursor)?;
        take(cursor, b",\"msg\":{\"market_ticker\":\"")?;
        let Named { instrument, market, market_id } = self.plain_market(cursor)?;
        let price = match cursor.take_price_of_four() {
            Some(price) => price,
            None => cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value,
        };
        if !is_probability(price) {
            return None;
        }
        take(cursor, b",\"delta_fp\":\"")?;
        let qty = signed(cursor)?;
        let (side, price) = self.plain_side(cursor, price)?;
        if cursor.take_literal(b",\"ts\":\"") && cursor.take_quoted_exactly::<TIME>().is_none() {
            cursor.rest_of_string().ok()?;
        }
        let (ts_event, ts_sent) = plain_end(cursor)?;
        self.frame.ts_sent = ts_sent;
        let body = Body::Delta(Delta { instrument, side, price, qty, market_id });
        self.frame.kinds.push(DELTA);
        self.frame.messages.push(Message { ts_event, market, place, body });
        Some(())
    }

    /// A market by both of its names, up to the price that follows them.
    #[inline(always)]
    fn plain_market(&mut self, cursor: &mut Cursor) -> Option<Named> {
        let begin = cursor.offset();
        let text = self.bytes.get(begin..)?;
        let key = key(text, OPENING);
        if let Some((instrument, length)) =
            key.and_then(|key| self.frame.openings.find(key, text, self.instruments))
        {
            cursor.skip_known(length);
            let ends = begin + self.instruments.at(instrument)?.symbol.len();
            let second = ends + BETWEEN.len() + 1;
            let market_id = cursor.text_at(second, second + MARKET_ID);
            return Some(Named { instrument, market: cursor.text_at(begin, ends), market_id });
        }
        let market = cursor.take_text()?;
        let instrument = self.instruments.find(Venue::KALSHI, market.raw(self.bytes))?;
        take(cursor, BETWEEN)?;
        let known = self.instruments.at(instrument)?.market_id.as_deref();
        let market_id = match known {
            Some(known) => take_known(cursor, known.as_bytes())?,
            None => cursor.take_quoted_exactly::<MARKET_ID>()?,
        };
        take(cursor, b",\"price_dollars\":\"")?;
        // What stands there while the second name is not known may turn out to be a wrong one.
        if let (Some(key), Some(_)) = (key, known) {
            let text = self.bytes.get(begin..cursor.offset())?;
            self.frame.openings.keep(key, text, instrument, self.instruments);
        }
        Some(Named { instrument, market, market_id })
    }

    /// A trade, likewise.
    #[inline(never)]
    fn plain_trade(&mut self, cursor: &mut Cursor) -> Option<()> {
        let place = plain_place(cursor)?;
        take(cursor, b",\"msg\":{\"trade_id\":\"")?;
        let id = cursor.take_text()?;
        take(cursor, b",\"market_ticker\":\"")?;
        let market = cursor.take_text()?;
        let instrument = self.instruments.find(Venue::KALSHI, market.raw(self.bytes))?;
        take(cursor, b",\"yes_price_dollars\":\"")?;
        let begin = cursor.offset();
        let price = cursor.take_price_of_four().filter(|&price| is_probability(price))?;
        let price_text = cursor.taken_since(begin);
        take(cursor, b",\"no_price_dollars\":\"")?;
        cursor.take_price_of_four().filter(|&of_no| of_no == PRICE_ONE - price)?;
        take(cursor, b",\"count_fp\":\"")?;
        let qty = cursor.take_qty_of_two()?;
        let aggressor = Some(plain_taker(cursor)?);
        let off_book = cursor.take_literal(b",\"is_block_trade\":true");
        if !off_book {
            cursor.take_literal(b",\"is_block_trade\":false");
        }
        take(cursor, b",\"ts\":")?;
        cursor.take_unsigned()?;
        let (ts_event, ts_sent) = plain_end(cursor)?;
        self.frame.ts_sent = ts_sent;
        let trade =
            Trade { instrument, price, qty, aggressor, price_text, id, id_shared: false, off_book };
        self.frame.kinds.push(TRADE);
        self.frame.messages.push(Message { ts_event, market, place, body: Body::Trade(trade) });
        Some(())
    }

    /// The side, and the price in YES terms.
    #[inline(always)]
    fn plain_side(&self, cursor: &mut Cursor, price: i64) -> Option<(Side, i64)> {
        if cursor.take_literal(b",\"side\":\"yes\"") {
            return Some((Side::Bid, price));
        }
        take(cursor, b",\"side\":\"no\"")?;
        Some((Side::Ask, if self.yes_prices { price } else { PRICE_ONE - price }))
    }
}

/// Where the message stands, from behind its type on.
#[inline(always)]
fn plain_place(cursor: &mut Cursor) -> Option<Place> {
    take(cursor, b",\"sid\":")?;
    let sid = u32::try_from(cursor.take_unsigned()?).ok()?;
    take(cursor, b",\"seq\":")?;
    let seq = cursor.take_unsigned()?;
    (sid != 0 && seq != 0).then_some(Place::one(sid, seq))
}

/// Who took, where all three members that say so agree: buying NO is selling YES.
#[inline(always)]
fn plain_taker(cursor: &mut Cursor) -> Option<Aggressor> {
    const YES: &[u8] =
        b",\"taker_side\":\"yes\",\"taker_outcome_side\":\"yes\",\"taker_book_side\":\"bid\"";
    const NO: &[u8] =
        b",\"taker_side\":\"no\",\"taker_outcome_side\":\"no\",\"taker_book_side\":\"ask\"";
    if cursor.take_literal(YES) {
        return Some(Aggressor::Buy);
    }
    cursor.take_literal(NO).then_some(Aggressor::Sell)
}

/// The time in milliseconds and both ends, with the time of sending between them.
#[inline(always)]
fn plain_end(cursor: &mut Cursor) -> Option<(Nanos, Option<Nanos>)> {
    take(cursor, b",\"ts_ms\":")?;
    let ts_event = millis(cursor)?;
    if cursor.take_literal(b"}}") {
        return Some((ts_event, None));
    }
    take(cursor, b"},\"sending_ts_ms\":")?;
    let ts_sent = millis(cursor)?;
    take(cursor, b"}")?;
    Some((ts_event, Some(ts_sent)))
}

/// A number of milliseconds. Today's have thirteen digits, which are read as two words.
#[inline(always)]
fn millis(cursor: &mut Cursor) -> Option<Nanos> {
    if let Some(ts) = cursor.take_millis() {
        return Some(ts);
    }
    i64::try_from(cursor.take_unsigned()?).ok()?.checked_mul(MILLISECOND)
}

/// The rest of a string that must be a second name already known, and its quote.
#[inline(always)]
fn take_known(cursor: &mut Cursor, known: &[u8]) -> Option<Value> {
    let begin = cursor.offset();
    let (text, quote) =
        cursor.bytes().get(begin..)?.first_chunk::<{ MARKET_ID + 1 }>()?.split_at(MARKET_ID);
    if <&[u8; MARKET_ID]>::try_from(known).ok()? != text || quote != b"\"" {
        return None;
    }
    let (start, end) = (u32::try_from(begin).ok()?, u32::try_from(begin + MARKET_ID).ok()?);
    cursor.rewind(begin + MARKET_ID + 1);
    Some(Value { start, end, kind: Kind::Text })
}

/// A decimal that may have a minus sign, and the quote behind it.
#[inline(always)]
fn signed(cursor: &mut Cursor) -> Option<Qty> {
    let negative = cursor.take_literal(b"-");
    let magnitude = match cursor.take_qty_of_two() {
        Some(magnitude) => magnitude,
        None => cursor.take_quoted_decimal::<QTY_DECIMALS>()?.value,
    };
    Some(if negative { -magnitude } else { magnitude })
}
