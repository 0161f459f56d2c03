//! The user's own fills, orders and positions, in terms of the YES book.

use super::Decoder;
use super::fields::{Amount, KalshiFields};
use crate::decode::read::Wrong;
use crate::event::{Body, Own};
use crate::fixed::{ABSENT, PRICE_DECIMALS, QTY_DECIMALS, parse_signed};
use crate::time::Nanos;

impl Decoder<'_> {
    /// A fill: what was bought counts as positive, what was sold as negative.
    pub(super) fn fill(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let instrument = self.named(f.market_ticker)?;
        let (price, count) = self.amount(&f.count)?;
        if count < 0 {
            return Err(Wrong::at(f.count.fp, "size of a fill is negative"));
        }
        let bought = self.bought(f).ok_or(Wrong::at(f.own.outcome_side, "fill without a clear side"))?;
        let took = self.boolean(f.own.is_taker);
        let took = took.ok_or(Wrong::at(f.own.is_taker, "is_taker is neither true nor false"))?;
        let fee = self.decimal(f.own.fee_cost, parse_signed::<PRICE_DECIMALS>);
        let fee = fee.ok_or(Wrong::at(f.own.fee_cost, "fee_cost is not a decimal"))?.value;
        let qty = if bought { count } else { -count };
        Ok(Body::Own(Own::Fill(instrument, price, qty, fee, took)))
    }

    /// Whether YES was bought: buying NO is selling YES. The two members of today say so at
    /// once; of older frames side and action do together.
    fn bought(&mut self, f: &KalshiFields) -> Option<bool> {
        let own = &f.own;
        let outcome = match self.text(own.outcome_side) {
            b"yes" => Some(true),
            b"no" => Some(false),
            _ => None,
        };
        let book = match self.text(own.book_side) {
            b"bid" => Some(true),
            b"ask" => Some(false),
            _ => None,
        };
        match (outcome, book) {
            (Some(outcome), Some(book)) => return (outcome == book).then_some(outcome),
            (Some(one), None) | (None, Some(one)) => return Some(one),
            (None, None) => {}
        }
        let yes = match self.text(f.side) {
            b"yes" => true,
            b"no" => false,
            _ => return None,
        };
        match self.text(own.action) {
            b"buy" => Some(yes),
            b"sell" => Some(!yes),
            _ => None,
        }
    }

    /// An order: its price, and what of it still rests.
    pub(super) fn order(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let instrument = self.named(f.ticker)?;
        let resting = Amount { fp: f.own.remaining_fp, whole: f.own.remaining, ..f.count };
        let (price, qty) = self.amount(&resting)?;
        if qty < 0 {
            return Err(Wrong::at(resting.fp, "resting size is negative"));
        }
        Ok(Body::Own(Own::Order(instrument, price, qty)))
    }

    /// When an order last changed, or was made.
    pub(super) fn order_time(&mut self, f: &KalshiFields) -> Nanos {
        let changed = self.millis(f.own.last_updated_ts_ms);
        changed.or_else(|| self.millis(f.own.created_ts_ms)).unwrap_or(ABSENT)
    }

    /// A position: of YES positive, of NO negative.
    pub(super) fn position(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let instrument = self.named(f.market_ticker)?;
        let value = if super::given(f.own.position_fp) { f.own.position_fp } else { f.own.position };
        let qty = self.decimal(value, parse_signed::<QTY_DECIMALS>);
        let qty = qty.ok_or(Wrong::at(value, "position is not a decimal"))?.value;
        Ok(Body::Own(Own::Position(instrument, qty)))
    }
}
