//! The commonest message, in the venue's own order and spelling, in one pass.

use super::Decoder;
use crate::decode::json::Cursor;
use crate::decode::read::{is_probability, take};
use crate::event::{Body, Delta, Message, Place, Side};
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, QTY_DECIMALS, Qty};
use crate::instrument::Venue;
use crate::span::{Kind, Value};
use crate::time::{MILLISECOND, Nanos};

/// Length of a UUID.
const MARKET_ID: usize = 36;
/// Length of a time as text, with microseconds.
const TIME: usize = 27;

impl Decoder<'_> {
    /// A delta of a known market, complete and without a flaw; `None` leaves anything else to
    /// the general way, which must read the same out of it.
    #[inline]
    pub(super) fn plain_delta(&mut self, cursor: &mut Cursor) -> Option<Message> {
        take(cursor, b"{\"type\":\"orderbook_delta\",\"sid\":")?;
        let sid = u32::try_from(cursor.take_unsigned()?).ok()?;
        take(cursor, b",\"seq\":")?;
        let seq = cursor.take_unsigned()?;
        if sid == 0 || seq == 0 {
            return None;
        }
        take(cursor, b",\"msg\":{\"market_ticker\":\"")?;
        let market = cursor.rest_of_string().ok().filter(|v| v.kind == Kind::Text)?;
        let instrument = self.instruments.find(Venue::KALSHI, market.raw(self.bytes))?;
        take(cursor, b",\"market_id\":\"")?;
        let market_id = match self.instruments.at(instrument)?.market_id.as_deref() {
            Some(known) => take_known(cursor, known.as_bytes())?,
            None => cursor.take_quoted_exactly::<MARKET_ID>()?,
        };
        take(cursor, b",\"price_dollars\":\"")?;
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
        let (ts_event, ts_sent) = plain_end(cursor)?;
        self.frame.ts_sent = ts_sent;
        let body = Body::Delta(Delta { instrument, side, price, qty, market_id });
        Some(Message { ts_event, market, place: Place::one(sid, seq), body })
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

/// Everything behind the side: the time, which may be there as text as well, and both ends, with
/// the time of sending between them.
#[inline(always)]
fn plain_end(cursor: &mut Cursor) -> Option<(Nanos, Option<Nanos>)> {
    if cursor.take_literal(b",\"ts\":\"") && cursor.take_quoted_exactly::<TIME>().is_none() {
        cursor.rest_of_string().ok()?;
    }
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
