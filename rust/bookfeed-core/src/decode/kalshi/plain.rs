//! The commonest message, in the venue's own order and spelling, in one pass.

use super::{Decoder, in_range};
use crate::decode::Venue;
use crate::decode::json::{Cursor, Kind};
use crate::event::{Body, Delta, Message, Place, Side};
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, QTY_DECIMALS, Qty};
use crate::time::{MILLISECOND, Nanos};

/// Length of a UUID.
const MARKET_ID: usize = 36;

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
        let instrument = self.instruments.find(Venue::Kalshi, market.raw(self.bytes))?;
        take(cursor, b",\"market_id\":\"")?;
        let market_id = cursor.take_quoted_exactly(MARKET_ID)?;
        let known = self.instruments.at(instrument)?.market_id.as_deref();
        if known.is_some_and(|known| known.as_bytes() != market_id.raw(self.bytes)) {
            return None;
        }
        take(cursor, b",\"price_dollars\":\"")?;
        let price = cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value;
        if !in_range(price) {
            return None;
        }
        take(cursor, b",\"delta_fp\":\"")?;
        let qty = signed(cursor)?;
        let (side, price) = self.plain_side(cursor, price)?;
        let ts_event = plain_end(cursor)?;
        let body = Body::Delta(Delta { instrument, side, price, qty, market_id });
        Some(Message { ts_event, market, place: Place { sid, seq }, body })
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

/// Everything behind the side: the time, which may be there as text as well, and both ends.
#[inline(always)]
fn plain_end(cursor: &mut Cursor) -> Option<Nanos> {
    if cursor.take_literal(b",\"ts\":\"") {
        cursor.rest_of_string().ok()?;
    }
    take(cursor, b",\"ts_ms\":")?;
    let millis = i64::try_from(cursor.take_unsigned()?).ok()?;
    let ts_event: Nanos = millis.checked_mul(MILLISECOND)?;
    if !cursor.take_literal(b"}}") {
        take(cursor, b"},\"sending_ts_ms\":")?;
        cursor.take_unsigned()?;
        take(cursor, b"}")?;
    }
    Some(ts_event)
}

/// A decimal that may have a minus sign, and the quote behind it.
#[inline(always)]
fn signed(cursor: &mut Cursor) -> Option<Qty> {
    let negative = cursor.take_literal(b"-");
    let magnitude = cursor.take_quoted_decimal::<QTY_DECIMALS>()?.value;
    Some(if negative { -magnitude } else { magnitude })
}

#[inline(always)]
fn take(cursor: &mut Cursor, literal: &[u8]) -> Option<()> {
    cursor.take_literal(literal).then_some(())
}
