//! The commonest messages, in the venue's own order and spelling, in one pass.

use super::{Decoder, price_or_none};
use crate::decode::json::Cursor;
use crate::decode::read::is_probability;
use crate::event::{Body, Change, Level, Message, Place, Side};
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, QTY_DECIMALS};
use crate::instrument::{InstrumentId, Venue};
use crate::span::Kind;

impl Decoder<'_> {
    /// The commonest message, if its members come in the order and spelling the venue uses
    /// and all its assets are known; `None` leaves it to the general way.
    #[inline]
    pub(super) fn plain_price_change(&mut self, cursor: &mut Cursor) -> Option<Message> {
        if !cursor.take_literal(b"{\"market\":\"") {
            return None;
        }
        let market = cursor.take_quoted_exactly::<66>()?;
        member(cursor, b",\"price_changes\":[", b", \"price_changes\":[")?;
        let start = self.frame.changes.len();
        loop {
            let change = self.plain_change(cursor)?;
            self.frame.changes.push(change);
            if cursor.take_literal(b"]") {
                break;
            }
            if !(cursor.take_literal(b",") && (cursor.take_literal(b" ") || cursor.peek() == b'{')) {
                return None;
            }
        }
        member(cursor, b",\"timestamp\":\"", b", \"timestamp\":\"")?;
        let ts_event = cursor.take_millis()?;
        let last = (b"\",\"event_type\":\"price_change\"}", b"\", \"event_type\":\"price_change\"}");
        member(cursor, last.0, last.1)?;
        Some(Message {
            ts_event,
            market,
            place: Place::NONE,
            body: Body::Changes(start..self.frame.changes.len()),
        })
    }

    /// A change in the order and spelling the venue uses, of a known asset.
    #[inline(always)]
    fn plain_change(&mut self, cursor: &mut Cursor) -> Option<Change> {
        if !cursor.take_literal(b"{\"asset_id\":\"") {
            return None;
        }
        let instrument = self.plain_instrument(cursor)?;
        member(cursor, b",\"price\":\"", b", \"price\":\"")?;
        let price =
            cursor.take_quoted_decimal::<PRICE_DECIMALS>().filter(|p| is_probability(p.value))?;
        member(cursor, b",\"size\":\"", b", \"size\":\"")?;
        let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
        member(cursor, b",\"side\":\"", b", \"side\":\"")?;
        let side = if cursor.take_literal(b"BUY\"") {
            Side::Bid
        } else if cursor.take_literal(b"SELL\"") {
            Side::Ask
        } else {
            return None;
        };
        member(cursor, b",\"hash\":\"", b", \"hash\":\"")?;
        let digest = cursor.take_quoted_exactly::<40>()?;
        member(cursor, b",\"best_bid\":\"", b", \"best_bid\":\"")?;
        let best_bid = cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value;
        member(cursor, b",\"best_ask\":\"", b", \"best_ask\":\"")?;
        let best_ask = cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value;
        let level = Level { price: price.value, qty: size.value, forms: (price.form, size.form) };
        let (best_bid, best_ask) = (price_or_none(best_bid, 0), price_or_none(best_ask, PRICE_ONE));
        cursor.take_literal(b"}").then_some(Change {
            instrument,
            side,
            level,
            best_bid,
            best_ask,
            digest,
        })
    }

    /// The asset id that stands here. The second change of a message is mostly that of the
    /// other outcome, so its id is compared before it is looked up.
    #[inline(always)]
    fn plain_instrument(&mut self, cursor: &mut Cursor) -> Option<InstrumentId> {
        let last = self.frame.changes.last().map(|c| c.instrument);
        if let Some((id, quoted)) = last.and_then(|id| self.instruments.quoted_sibling(id))
            && cursor.take_literal(quoted)
        {
            return Some(id);
        }
        let symbol = cursor.rest_of_string().ok().filter(|s| s.kind == Kind::Text)?;
        self.instruments.find(Venue::POLYMARKET, symbol.raw(self.bytes))
    }

    /// A level written as `{"price":"0.3","size":"5005"}`, blanks after the comma allowed.
    /// On anything else the cursor goes back to where the level began.
    #[inline]
    pub(super) fn plain_level(&mut self, cursor: &mut Cursor) -> Option<Level> {
        let begin = cursor.offset() - 10;
        let level = Self::try_plain_level(cursor);
        if level.is_none() {
            cursor.rewind(begin);
        }
        level
    }

    #[inline(always)]
    fn try_plain_level(cursor: &mut Cursor) -> Option<Level> {
        let price =
            cursor.take_quoted_decimal::<PRICE_DECIMALS>().filter(|p| is_probability(p.value))?;
        member(cursor, b",\"size\":\"", b", \"size\":\"")?;
        let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
        let level = Level { price: price.value, qty: size.value, forms: (price.form, size.form) };
        cursor.take_literal(b"}").then_some(level)
    }
}

/// Takes the separator and name of the next member, and the quote its value begins with, in
/// one of the two spellings the venue uses.
#[inline(always)]
fn member(cursor: &mut Cursor, tight: &[u8], spaced: &[u8]) -> Option<()> {
    (cursor.take_literal(tight) || cursor.take_literal(spaced)).then_some(())
}
