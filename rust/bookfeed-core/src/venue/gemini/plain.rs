//! The commonest message of the fast WebSocket, in the venue's own order and spelling, in one pass.

use super::Decoder;
use crate::decode::json::Cursor;
use crate::decode::read::take;
use crate::decode::stamp;
use crate::event::{Body, Levels, Message, Place, ProofClaim};
use crate::span::Kind;

impl Decoder<'_> {
    /// Changes of a known book, complete and without a flaw; `None` leaves anything else to the
    /// general way, which must read the same out of it.
    #[inline]
    pub(super) fn plain_depth(&mut self, cursor: &mut Cursor) -> Option<Message> {
        take(cursor, b"{\"e\":\"depthUpdate\",\"E\":")?;
        // Nanoseconds have more digits than a number that is read in one go.
        let sent = cursor.scalar().ok().filter(|sent| sent.kind == Kind::Number)?;
        let ts_event = stamp::nanoseconds(sent.raw(self.0.bytes)).filter(|&ts| ts > 0)?;
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
        let (claim, asks_cut) = (ProofClaim::None, false);
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
        let (place, body) = (Place::run(first, last), Body::Levels(levels));
        Some(Message { ts_event, market: symbol, place, body })
    }
}
