//! The WebSocket of Coinbase Exchange, a second source beside that of Advanced Trade: whole books, and
//! changes by the twentieth of a second (`level2_batch`). Nothing numbers them.

use super::{Decoder, ERROR, EXCHANGE_BOOK, EXCHANGE_OTHER, EXCHANGE_UPDATE, reply};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Wrong, Zero, is_text};
use crate::decode::sided::Sided;
use crate::event::{Body, Levels, ProofClaim, ReplyKind, Side};
use crate::fixed::ABSENT;
use crate::span::Value;
use crate::time::Nanos;

/// The members of a message.
#[derive(Default)]
struct Fields {
    kind: Value,
    product_id: Value,
    time: Value,
    sides: [Option<LevelArray>; 2],
    changes: Value,
    /// Of an error.
    message: Value,
}

impl Decoder<'_> {
    /// Any message.
    #[inline(never)]
    pub(super) fn exchange(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            return self.reader.no_object(cursor);
        }
        let mut fields = Fields::default();
        read::members(cursor, |name, cursor| self.exchange_member(name, cursor, &mut fields))?;
        cursor.finish()?;
        let (kind, told) = match self.reader.text(fields.kind) {
            b"snapshot" => (EXCHANGE_BOOK, self.exchange_book(&fields)),
            b"l2update" => (EXCHANGE_UPDATE, self.exchange_update(&fields)?),
            b"error" => (ERROR, Ok(Body::Reply(reply(ReplyKind::Error, fields.message)))),
            // Whatever else there is says nothing of levels, and it is only held against books.
            _ => (EXCHANGE_OTHER, Ok(Body::Nothing)),
        };
        self.reader.frame.kinds.push(kind);
        let ts_event = self.exchange_time(fields.time);
        let body =
            told.unwrap_or_else(|wrong| self.reader.broken_book(fields.product_id, wrong.or_at(1)));
        self.push(fields.product_id, ts_event, body);
        Ok(())
    }

    fn exchange_member(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        fields: &mut Fields,
    ) -> Result<(), JsonError> {
        match name {
            b"type" => fields.kind = cursor.scalar()?,
            b"product_id" => fields.product_id = cursor.scalar()?,
            b"time" => fields.time = cursor.scalar()?,
            b"changes" => fields.changes = cursor.scalar()?,
            b"message" => fields.message = cursor.scalar()?,
            b"bids" => fields.sides[0] = Some(self.reader.pairs(cursor, (Side::Bid, Zero::Skipped))?),
            b"asks" => fields.sides[1] = Some(self.reader.pairs(cursor, (Side::Ask, Zero::Skipped))?),
            _ => cursor.skip()?,
        }
        Ok(())
    }

    fn exchange_time(&mut self, value: Value) -> Nanos {
        if is_text(value) { self.time(value) } else { ABSENT }
    }

    fn exchange_book(&mut self, fields: &Fields) -> Result<Body, Wrong> {
        let [Some(bids), Some(asks)] = &fields.sides else {
            return Err(Wrong::at(fields.product_id, "snapshot without both sides"));
        };
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        let (bids, asks, asks_cut) = (bids.range.clone(), asks.range.clone(), asks.cut);
        let levels = self.exchange_levels(fields, Sided { bids, asks, asks_cut })?;
        Ok(Body::Snapshot(levels.into()))
    }

    fn exchange_update(&mut self, fields: &Fields) -> Result<Result<Body, Wrong>, JsonError> {
        let sided = self.reader.sided(fields.changes, false)?;
        Ok(sided.and_then(|sided| self.exchange_levels(fields, sided)).map(Body::Levels))
    }

    fn exchange_levels(&mut self, fields: &Fields, sided: Sided) -> Result<Levels, Wrong> {
        let symbol = fields.product_id;
        if !is_text(symbol) {
            return Err(Wrong::at(symbol, "levels without a product"));
        }
        let (instrument, claim) = (self.reader.instrument(symbol), ProofClaim::None);
        let Sided { bids, asks, asks_cut } = sided;
        Ok(Levels { instrument, symbol, bids, asks, claim, asks_cut })
    }
}
