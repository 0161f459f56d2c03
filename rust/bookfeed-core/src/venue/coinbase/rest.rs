//! A book by REST (`market/product_book`), to hold against one of the stream: its product, the time of
//! it, and as many of the best levels as were asked for. It has no number of the stream's.

use super::{Decoder, REST_BOOK};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Wrong, Zero, is_text};
use crate::event::{Body, Levels, ProofClaim, Side, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::span::Value;
use crate::time::Nanos;

/// What stands in an answer.
#[derive(Default)]
struct Pricebook {
    product_id: Value,
    time: Value,
    sides: [Option<LevelArray>; 2],
}

impl Decoder<'_> {
    /// An answer, about the instrument that the asker stated, or the one that it names.
    #[inline(never)]
    pub(super) fn rest(&mut self, cursor: &mut Cursor, about: InstrumentId) -> Result<(), JsonError> {
        let mut book = Pricebook::default();
        if cursor.peek() == b'{' {
            read::members(cursor, |name, cursor| match name {
                b"pricebook" if cursor.peek() == b'{' => {
                    read::members(cursor, |name, cursor| self.rest_part(name, cursor, &mut book))
                }
                _ => cursor.skip(),
            })?;
        } else {
            cursor.skip()?;
        }
        cursor.finish()?;
        self.reader.frame.kinds.push(REST_BOOK);
        let (ts_event, body) = match self.whole(&book, about) {
            Ok(told) => told,
            // What REST answers says nothing against the books of the stream.
            Err(wrong) => (ABSENT, self.reader.broken_notice(wrong)),
        };
        self.push(book.product_id, ts_event, body);
        Ok(())
    }

    fn rest_part(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        book: &mut Pricebook,
    ) -> Result<(), JsonError> {
        match name {
            b"product_id" => book.product_id = cursor.scalar()?,
            b"time" => book.time = cursor.scalar()?,
            b"bids" | b"asks" => {
                let (at, side) = if name == b"bids" { (0, Side::Bid) } else { (1, Side::Ask) };
                let levels = self.reader.objects(cursor, (side, Zero::Skipped), b"size")?;
                book.sides[at] = Some(levels);
            }
            _ => cursor.skip()?,
        }
        Ok(())
    }

    fn whole(&mut self, book: &Pricebook, about: InstrumentId) -> Result<(Nanos, Body), Wrong> {
        let symbol = book.product_id;
        if !is_text(symbol) {
            return Err(Wrong::at(symbol, "answer without a product"));
        }
        let [Some(bids), Some(asks)] = &book.sides else {
            return Err(Wrong::at(symbol, "answer without both sides"));
        };
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        let instrument = self.reader.instrument(symbol);
        if instrument == UNKNOWN || about != UNKNOWN && about != instrument {
            return Err(Wrong::at(symbol, "the book of another product than was asked for"));
        }
        let (claim, asks_cut) = (ProofClaim::None, asks.cut);
        let (bids, asks) = (bids.range.clone(), asks.range.clone());
        let levels = Levels { instrument, symbol, bids, asks, claim, asks_cut };
        let snapshot = Snapshot { requested: true, ..levels.into() };
        Ok((self.time(book.time), Body::Snapshot(snapshot)))
    }
}
