//! The commonest message, in the venue's own order and spelling, in one pass.

use super::Decoder;
use crate::decode::json::Cursor;
use crate::decode::read::take;
use crate::decode::stamp;
use crate::event::{Body, Levels, Message, Place, ProofClaim};

impl Decoder<'_> {
    /// A difference of a known book, wrapped or not, complete and without a flaw; `None` leaves
    /// anything else to the general way, which must read the same out of it.
    #[inline]
    pub(super) fn plain_depth(&mut self, cursor: &mut Cursor) -> Option<Message> {
        let wrapped = cursor.take_literal(b"{\"stream\":\"");
        if wrapped {
            cursor.rest_of_string().ok()?;
            take(cursor, b",\"data\":")?;
        }
        take(cursor, b"{\"e\":\"depthUpdate\",\"E\":")?;
        let ts_event = stamp::millis_or_micros(cursor.take_unsigned()?)?;
        take(cursor, b",\"s\":\"")?;
        let symbol = cursor.take_text()?;
        let instrument = self.0.instruments.find(self.0.venue, symbol.raw(self.0.bytes))?;
        take(cursor, b",\"U\":")?;
        let first = cursor.take_unsigned()?;
        take(cursor, b",\"u\":")?;
        let last = cursor.take_unsigned()?;
        if first == 0 || first > last {
            return None;
        }
        take(cursor, b",\"b\":[")?;
        let bids = self.0.plain_side(cursor)?;
        take(cursor, b",\"a\":[")?;
        let asks = self.0.plain_side(cursor)?;
        take(cursor, b"}")?;
        if wrapped {
            take(cursor, b"}")?;
        }
        let (claim, asks_cut) = (ProofClaim::None, false);
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
        let (place, body) = (Place::run(first, last), Body::Levels(levels));
        Some(Message { ts_event, market: symbol, place, body })
    }
}
