//! The commonest message, in the venue's own order and spelling, in one pass.

use super::{BOOK_UPDATE, Decoder};
use crate::decode::json::Cursor;
use crate::decode::read::take;
use crate::decode::stamp;
use crate::event::{Body, Level, Levels, Message, Place, ProofClaim};
use crate::fixed::{PRICE_DECIMALS, QTY_DECIMALS};
use std::ops::Range;

impl Decoder<'_> {
    /// New sizes of known books, complete and without a flaw; `None` leaves anything else to the
    /// general way, which must read the same out of it. What was added to the frame by then is of
    /// no use.
    #[inline]
    pub(super) fn plain_update(&mut self, cursor: &mut Cursor) -> Option<()> {
        take(cursor, b"{\"channel\":\"book\",\"type\":\"update\",\"data\":[")?;
        loop {
            let message = self.plain_entry(cursor)?;
            self.0.frame.kinds.push(BOOK_UPDATE);
            self.0.frame.messages.push(message);
            if !cursor.take_literal(b",") {
                return take(cursor, b"]}");
            }
        }
    }

    #[inline(always)]
    fn plain_entry(&mut self, cursor: &mut Cursor) -> Option<Message> {
        take(cursor, b"{\"symbol\":\"")?;
        let symbol = cursor.take_text()?;
        let instrument = self.0.instruments.find(self.0.venue, symbol.raw(self.0.bytes))?;
        take(cursor, b",\"bids\":[")?;
        let bids = self.plain_side(cursor)?;
        take(cursor, b",\"asks\":[")?;
        let asks = self.plain_side(cursor)?;
        take(cursor, b",\"checksum\":")?;
        let claim = ProofClaim::Checksum(u32::try_from(cursor.take_unsigned()?).ok()?);
        take(cursor, b",\"timestamp\":\"")?;
        let timestamp = cursor.take_text()?;
        let ts_event = stamp::parse(timestamp.raw(self.0.bytes))?;
        take(cursor, b"}")?;
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut: false };
        let body = Body::Levels(levels);
        Some(Message { ts_event, market: symbol, place: Place::NONE, body })
    }

    /// Levels up to the end of their array, whose beginning was taken.
    #[inline(always)]
    fn plain_side(&mut self, cursor: &mut Cursor) -> Option<Range<usize>> {
        let levels = &mut self.0.frame.levels;
        let start = levels.len();
        if cursor.take_literal(b"]") {
            return Some(start..start);
        }
        loop {
            levels.push(try_level(cursor)?);
            if !cursor.take_literal(b",") {
                take(cursor, b"]")?;
                return Some(start..levels.len());
            }
        }
    }
}

/// A level as the venue writes it, if that is what stands here; else nothing is taken.
#[inline]
pub(super) fn level(cursor: &mut Cursor) -> Option<Level> {
    let begin = cursor.offset();
    let level = try_level(cursor);
    if level.is_none() {
        cursor.rewind(begin);
    }
    level
}

/// `{"price":45283.5,"qty":0.10000000}`.
#[inline(always)]
fn try_level(cursor: &mut Cursor) -> Option<Level> {
    take(cursor, b"{\"price\":")?;
    let price = cursor.take_decimal_until::<PRICE_DECIMALS, b','>().filter(|p| p.value > 0)?;
    take(cursor, b"\"qty\":")?;
    let size = cursor.take_decimal_until::<QTY_DECIMALS, b'}'>()?;
    Some(Level { price: price.value, qty: size.value, forms: (price.form, size.form) })
}
