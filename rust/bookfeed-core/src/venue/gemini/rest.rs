//! A book by REST (`/v1/book/btcusd`), to hold against one of the stream: as many of the best levels as
//! were asked for. It says neither whose it is nor when it was: whoever asked for it knows whose.

use super::{Decoder, REST_BOOK};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Wrong, Zero};
use crate::event::{Body, Levels, Place, ProofClaim, Side, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::span::Value;

impl Decoder<'_> {
    /// An answer about the instrument that the asker stated.
    #[inline(never)]
    pub(super) fn rest(&mut self, cursor: &mut Cursor, about: InstrumentId) -> Result<(), JsonError> {
        let mut sides = [None, None];
        if cursor.peek() == b'{' {
            read::members(cursor, |name, cursor| {
                let (at, side) = match name {
                    b"bids" => (0, Side::Bid),
                    b"asks" => (1, Side::Ask),
                    _ => return cursor.skip(),
                };
                sides[at] = Some(self.0.objects(cursor, (side, Zero::Skipped), b"amount")?);
                Ok(())
            })?;
        } else {
            cursor.skip()?;
        }
        cursor.finish()?;
        self.0.frame.kinds.push(REST_BOOK);
        let body = whole(&sides, about)
            // What REST answers says nothing against the books of the stream.
            .unwrap_or_else(|what| self.0.broken_notice(Wrong { offset: 0, what }));
        self.0.push(Place::NONE, Value::default(), ABSENT, body);
        Ok(())
    }
}

/// The book of an answer.
fn whole(sides: &[Option<LevelArray>; 2], about: InstrumentId) -> Result<Body, &'static str> {
    let [Some(bids), Some(asks)] = sides else { return Err("answer without both sides") };
    if about == UNKNOWN {
        return Err("a book that does not say whose it is: state the instrument");
    }
    if let Some(wrong) = bids.wrong.or(asks.wrong) {
        return Err(wrong.what);
    }
    let (symbol, claim, asks_cut) = (Value::default(), ProofClaim::None, asks.cut);
    let (bids, asks) = (bids.range.clone(), asks.range.clone());
    let levels = Levels { instrument: about, symbol, bids, asks, claim, asks_cut };
    Ok(Body::Snapshot(Snapshot { requested: true, ..levels.into() }))
}
