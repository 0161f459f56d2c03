//! Messages that change a book: whole books, and changes of levels in three layouts.

use super::Decoder;
use super::fields::{Array, Entry, PolymarketFields};
use crate::decode::read::{Wrong, is_text};
use crate::event::{Body, ProofClaim, Snapshot};
use crate::fixed::parse_price;
use crate::span::Value;

impl Decoder<'_> {
    pub(super) fn snapshot(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let missing = |what| Wrong { offset: f.asset_id.start as usize, what };
        let bids = f.bids.ok_or(missing("book without bids"))?;
        let asks = f.asks.ok_or(missing("book without asks"))?;
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        let tick_size = self.decimal(f.tick_size, parse_price);
        Ok(Body::Snapshot(Snapshot {
            instrument: self.instrument(f.asset_id),
            symbol: f.asset_id,
            bids: bids.start..bids.end,
            asks: asks.start..asks.end,
            claim: ProofClaim::Digest(f.hash),
            asks_cut: false,
            tick_size,
            min_order_size: f.min_order_size,
            hints: [f.last_trade_price, f.neg_risk],
            market_id: Value::default(),
            requested: false,
            holds_for: None,
        }))
    }

    /// Today's layout, and the two of older recordings: `changes` of one asset, or a single
    /// change written out at top level.
    #[inline]
    pub(super) fn price_change(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let array = if let Some(array) = f.price_changes {
            array
        } else if let Some(mut array) = f.changes {
            if !is_text(f.asset_id) {
                let offset = f.asset_id.start as usize;
                array.wrong =
                    array.wrong.or(Some(Wrong { offset, what: "changes without an asset_id" }));
            }
            let instrument = self.instrument(f.asset_id);
            for change in self.frame.changes.iter_mut().take(array.end).skip(array.start) {
                change.instrument = instrument;
                change.digest = Value::default();
            }
            if let Some(last) =
                self.frame.changes.get_mut(array.start..array.end).and_then(<[_]>::last_mut)
            {
                last.digest = f.hash;
            }
            array
        } else {
            self.flat_change(f)?
        };
        match array.wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Body::Changes(array.start..array.end)),
        }
    }

    fn flat_change(&mut self, f: &PolymarketFields) -> Result<Array, Wrong> {
        let entry = Entry {
            asset_id: f.asset_id,
            price: f.price,
            size: f.size,
            side: f.side,
            hash: f.hash,
            best_bid: f.best_bid,
            best_ask: f.best_ask,
        };
        let start = self.frame.changes.len();
        self.push_change(&entry, true).map_err(|what| Wrong { offset: f.price.start as usize, what })?;
        Ok(Array { start, end: start + 1, wrong: None })
    }
}
