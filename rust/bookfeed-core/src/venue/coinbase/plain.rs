//! The commonest message, and the longest, in the venue's own order and spelling, in one pass.

use super::{BOOK_SNAPSHOT, BOOK_UPDATE, Decoder, STREAM};
use crate::decode::json::Cursor;
use crate::decode::read::take;
use crate::decode::stamp;
use crate::event::{Body, Level, Levels, Message, Place, ProofClaim};
use crate::fixed::{PRICE_DECIMALS, QTY_DECIMALS};
use crate::time::Nanos;
use std::ops::Range;

impl Decoder<'_> {
    /// A known book, whole or changed, complete and without a flaw; `None` leaves anything else to
    /// the general way, which must read the same out of it. What was added to the frame by then is
    /// of no use.
    #[inline]
    pub(super) fn plain_book(&mut self, cursor: &mut Cursor) -> Option<()> {
        take(cursor, b"{\"channel\":\"l2_data\",\"timestamp\":\"")?;
        let sent = self.plain_time(cursor)?;
        take(cursor, b",\"sequence_num\":")?;
        let number = cursor.take_unsigned()?;
        take(cursor, b",\"events\":[{\"type\":\"")?;
        let whole = cursor.take_literal(b"snapshot\"");
        if !whole {
            take(cursor, b"update\"")?;
        }
        take(cursor, b",\"product_id\":\"")?;
        let symbol = cursor.take_text()?;
        let instrument =
            self.reader.instruments.find(self.reader.venue, symbol.raw(self.reader.bytes))?;
        take(cursor, b",\"updates\":[{\"side\":\"")?;
        let (ts_event, bids, asks) = self.plain_sides(cursor, whole)?;
        take(cursor, b"}]}")?;
        let (claim, asks_cut) = (ProofClaim::None, false);
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
        let body = if whole { Body::Snapshot(levels.into()) } else { Body::Levels(levels) };
        let frame = &mut *self.reader.frame;
        frame.ts_sent = Some(sent);
        frame.kinds.push(if whole { BOOK_SNAPSHOT } else { BOOK_UPDATE });
        let place = Place::one(STREAM, number + 1);
        frame.messages.push(Message { ts_event, market: symbol, place, body });
        Some(())
    }

    #[inline(always)]
    fn plain_time(&mut self, cursor: &mut Cursor) -> Option<Nanos> {
        let text = cursor.take_text()?;
        stamp::parse(text.raw(self.reader.bytes)).filter(|&ts| ts > 0)
    }

    /// Levels up to the end of their array, the bids first, all of one time. The first object was
    /// begun.
    #[inline(always)]
    fn plain_sides(
        &mut self,
        cursor: &mut Cursor,
        whole: bool,
    ) -> Option<(Nanos, Range<usize>, Range<usize>)> {
        let start = self.reader.frame.levels.len();
        let mut bid = cursor.take_literal(b"bid\"");
        if !bid {
            take(cursor, b"offer\"")?;
        }
        take(cursor, b",\"event_time\":\"")?;
        let begin = cursor.offset();
        let ts_event = self.plain_time(cursor)?;
        let time = self.reader.bytes.get(begin..cursor.offset())?;
        let levels = &mut self.reader.frame.levels;
        let mut middle = start;
        loop {
            take(cursor, b",\"price_level\":\"")?;
            let price = cursor.take_quoted_decimal::<PRICE_DECIMALS>().filter(|p| p.value > 0)?;
            take(cursor, b",\"new_quantity\":\"")?;
            let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
            if whole && size.value == 0 {
                return None;
            }
            let forms = (price.form, size.form);
            levels.push(Level { price: price.value, qty: size.value, forms });
            middle += usize::from(bid);
            if cursor.take_literal(b"}]") {
                return Some((ts_event, start..middle, middle..levels.len()));
            }
            take(cursor, b"},{\"side\":\"")?;
            bid = bid && cursor.take_literal(b"bid\"");
            if !bid {
                take(cursor, b"offer\"")?;
            }
            take(cursor, b",\"event_time\":\"")?;
            take(cursor, time)?;
        }
    }
}
