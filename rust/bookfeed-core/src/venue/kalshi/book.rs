//! Messages that make books: snapshots and signed deltas.

use super::Decoder;
use super::fields::{Amount, Array, Envelope, KalshiFields, parse_cents};
use crate::decode::read::{Wrong, given, is_probability, is_text};
use crate::event::{Body, Delta, Place, ProofClaim, Side, Snapshot};
use crate::fixed::{PRICE_ONE, Price, QTY_DECIMALS, Qty, parse_price, parse_signed};
use crate::instrument::InstrumentId;
use crate::span::{Kind, Value};

impl Decoder<'_> {
    /// A whole book. A side that is left out is empty.
    pub(super) fn snapshot(&mut self, e: &Envelope, place: Place) -> Result<Body, Wrong> {
        let f = &e.fields;
        let instrument = self.book(f, place)?;
        let [bids, asks] = sides(f)?;
        Ok(Body::Snapshot(Snapshot {
            instrument,
            symbol: f.market_ticker,
            bids: bids.0..bids.1,
            asks: asks.0..asks.1,
            claim: ProofClaim::None,
            asks_cut: false,
            tick_size: None,
            min_order_size: Value::default(),
            hints: [Value::default(); 2],
            market_id: f.market_id,
            requested: self.integer(e.id).is_some_and(|id| id != 0),
            holds_for: None,
        }))
    }

    /// A change of one level.
    pub(super) fn delta(&mut self, f: &KalshiFields, place: Place) -> Result<Body, Wrong> {
        let instrument = self.book(f, place)?;
        let side = match self.text(f.side) {
            b"yes" => Side::Bid,
            b"no" => Side::Ask,
            _ => return Err(Wrong::at(f.side, "side is neither yes nor no")),
        };
        let (price, qty) = self.amount(&f.delta)?;
        let turned = side == Side::Ask && !self.yes_prices;
        let price = if turned { PRICE_ONE - price } else { price };
        Ok(Body::Delta(Delta { instrument, side, price, qty, market_id: f.market_id }))
    }

    /// The instrument of a message about a book, which must say where it stands in its stream
    /// and which market it is about.
    fn book(&mut self, f: &KalshiFields, place: Place) -> Result<InstrumentId, Wrong> {
        if !is_text(f.market_ticker) {
            return Err(Wrong::at(f.market_ticker, "book message without a market_ticker"));
        }
        if place.sid == 0 || place.seq == 0 {
            return Err(Wrong::at(f.market_ticker, "book message without sid and seq"));
        }
        let instrument = self.instrument(f.market_ticker);
        self.same_market(f, instrument)?;
        Ok(instrument)
    }

    /// Whether a message's two names of its market belong together, as far as is known.
    pub(super) fn same_market(
        &mut self,
        f: &KalshiFields,
        instrument: InstrumentId,
    ) -> Result<(), Wrong> {
        if f.market_id.is_absent() {
            return Ok(());
        }
        if !matches!(f.market_id.kind, Kind::Text | Kind::Escaped) {
            return Err(Wrong::at(f.market_id, "market_id is not a string"));
        }
        let known = self.instruments.at(instrument).and_then(|i| i.market_id.as_deref());
        match known {
            Some(known) if known.as_bytes() != self.text(f.market_id) => {
                Err(Wrong::at(f.market_id, "market_id is that of another market"))
            }
            _ => Ok(()),
        }
    }

    /// Price and signed size, in the one format that the message carries whole: the best of
    /// which there is any part. Parts of two formats are never put together.
    pub(super) fn amount(&mut self, a: &Amount) -> Result<(Price, Qty), Wrong> {
        let in_dollars = given(a.dollars);
        if given(a.fp) && !in_dollars {
            return Err(Wrong::at(a.fp, "size in one format, price in another"));
        }
        let price = if in_dollars { a.dollars } else { a.cents };
        let parse = if in_dollars { parse_price } else { parse_cents };
        let qty = if given(a.fp) { a.fp } else { a.whole };
        let wrong = Wrong::at(price, "price is missing or not a decimal");
        let read = self.decimal(price, parse).ok_or(wrong)?.value;
        if !is_probability(read) {
            return Err(Wrong::at(price, "price is not between 0 and 1"));
        }
        let wrong = Wrong::at(qty, "size is missing or not a decimal");
        let qty = self.decimal(qty, parse_signed::<QTY_DECIMALS>).ok_or(wrong)?.value;
        Ok((read, qty))
    }
}

/// Both sides, as ranges of the frame's levels, in the best format of which there is any. What
/// else is there is ignored, unless a side stands in another format only, or may stand under a name
/// that is not known.
fn sides(f: &KalshiFields) -> Result<[(usize, usize); 2], Wrong> {
    let mut ranges = [(0, 0); 2];
    let given = f.ladders.iter().position(|sides| sides.iter().any(Option::is_some));
    let renamed =
        || Err(Wrong::at(f.market_ticker, "a side is missing, and something unknown is there"));
    let Some((best, others)) = given.and_then(|at| f.ladders.get(at..)?.split_first()) else {
        return if f.strange { renamed() } else { Ok(ranges) };
    };
    for (outcome, range) in ranges.iter_mut().enumerate() {
        match best[outcome] {
            Some(Array { wrong: Some(wrong), .. }) => return Err(wrong),
            Some(array) => *range = (array.start, array.end),
            None if others.iter().any(|o| o[outcome].is_some_and(|a| !a.empty)) => {
                return Err(Wrong::at(f.market_ticker, "sides in different formats"));
            }
            None if f.strange => return renamed(),
            None => {}
        }
    }
    Ok(ranges)
}
