//! The members of a message, in whatever order they come: collected first, understood later. Arrays
//! of levels and of changes are read where they stand.

use super::{Decoder, plain};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, given, is_probability, is_text};
use crate::event::{Change, Claim, Level, Side};
use crate::fixed::{PRICE_ONE, parse_price, parse_qty};
use crate::instrument::UNKNOWN;
use crate::span::Value;

/// The members of a message object that matter, in whatever order they came.
#[derive(Default)]
pub(super) struct PolymarketFields {
    pub(super) event_type: Value,
    pub(super) market: Value,
    pub(super) condition_id: Value,
    pub(super) asset_id: Value,
    pub(super) timestamp: Value,
    pub(super) hash: Value,
    pub(super) price: Value,
    pub(super) size: Value,
    pub(super) side: Value,
    pub(super) best_bid: Value,
    pub(super) best_ask: Value,
    pub(super) tick_size: Value,
    pub(super) old_tick_size: Value,
    pub(super) new_tick_size: Value,
    pub(super) last_trade_price: Value,
    pub(super) min_order_size: Value,
    pub(super) neg_risk: Value,
    pub(super) assets_ids: Value,
    pub(super) winning_asset_id: Value,
    pub(super) transaction_hash: Value,
    pub(super) bids: Option<Array>,
    pub(super) asks: Option<Array>,
    pub(super) price_changes: Option<Array>,
    pub(super) changes: Option<Array>,
}

/// An array that was parsed where it stood: what it added to the frame's buffers, and the
/// first thing wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Array {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) wrong: Option<Wrong>,
}

/// Members of a level or of an entry of `price_changes`.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) asset_id: Value,
    pub(super) price: Value,
    pub(super) size: Value,
    pub(super) side: Value,
    pub(super) hash: Value,
    pub(super) best_bid: Value,
    pub(super) best_ask: Value,
}

impl Decoder<'_> {
    pub(super) fn fields(
        &mut self,
        cursor: &mut Cursor,
        f: &mut PolymarketFields,
    ) -> Result<(), JsonError> {
        cursor.expect(b'{')?;
        if cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let key = cursor.key()?;
            let mut scratch = Vec::new();
            match key.text(self.bytes, &mut scratch) {
                b"event_type" => f.event_type = cursor.scalar()?,
                b"market" => f.market = cursor.scalar()?,
                b"timestamp" => f.timestamp = cursor.scalar()?,
                b"price_changes" => f.price_changes = Some(self.changes(cursor, true)?),
                b"asset_id" => f.asset_id = cursor.scalar()?,
                b"hash" => f.hash = cursor.scalar()?,
                b"bids" => f.bids = Some(self.levels(cursor)?),
                b"asks" => f.asks = Some(self.levels(cursor)?),
                b"price" => f.price = cursor.scalar()?,
                b"size" => f.size = cursor.scalar()?,
                b"side" => f.side = cursor.scalar()?,
                b"best_bid" => f.best_bid = cursor.scalar()?,
                b"best_ask" => f.best_ask = cursor.scalar()?,
                b"tick_size" => f.tick_size = cursor.scalar()?,
                b"last_trade_price" => f.last_trade_price = cursor.scalar()?,
                b"old_tick_size" => f.old_tick_size = cursor.scalar()?,
                b"new_tick_size" => f.new_tick_size = cursor.scalar()?,
                b"min_order_size" => f.min_order_size = cursor.scalar()?,
                b"neg_risk" => f.neg_risk = cursor.scalar()?,
                b"assets_ids" | b"asset_ids" => f.assets_ids = cursor.scalar()?,
                b"clob_token_ids" if !given(f.assets_ids) => f.assets_ids = cursor.scalar()?,
                b"condition_id" => f.condition_id = cursor.scalar()?,
                b"winning_asset_id" => f.winning_asset_id = cursor.scalar()?,
                b"transaction_hash" => f.transaction_hash = cursor.scalar()?,
                b"changes" => f.changes = Some(self.changes(cursor, false)?),
                _ => cursor.skip()?,
            }
            if !cursor.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// `bids` or `asks`: levels are appended to the frame.
    fn levels(&mut self, cursor: &mut Cursor) -> Result<Array, JsonError> {
        let start = self.frame.levels.len();
        let mut wrong = None;
        if cursor.peek() != b'[' {
            wrong = Some(Wrong { offset: cursor.offset(), what: "levels are not an array" });
            cursor.skip()?;
            return Ok(Array { start, end: start, wrong });
        }
        cursor.expect(b'[')?;
        if cursor.take(b']') {
            return Ok(Array { start, end: start, wrong });
        }
        loop {
            let offset = cursor.offset();
            match self.level(cursor)? {
                Ok(level) if level.qty > 0 => self.frame.levels.push(level),
                Ok(_) => {}
                Err(what) => wrong = wrong.or(Some(Wrong { offset, what })),
            }
            if !cursor.more(b']')? {
                return Ok(Array { start, end: self.frame.levels.len(), wrong });
            }
        }
    }

    #[inline]
    fn level(&mut self, cursor: &mut Cursor) -> Result<Result<Level, &'static str>, JsonError> {
        if cursor.peek() != b'{' {
            cursor.skip()?;
            return Ok(Err("level is not an object"));
        }
        if self.fast
            && let Some(level) = plain::level(cursor)
        {
            return Ok(Ok(level));
        }
        let entry = Self::entry(self.bytes, cursor)?;
        Ok(self.price_and_size(&entry))
    }

    /// An object with some of the members of [`Entry`]; others are skipped.
    #[inline]
    fn entry(bytes: &[u8], cursor: &mut Cursor) -> Result<Entry, JsonError> {
        let mut entry = Entry::default();
        cursor.expect(b'{')?;
        if cursor.take(b'}') {
            return Ok(entry);
        }
        loop {
            let key = cursor.key()?;
            let mut scratch = Vec::new();
            match key.text(bytes, &mut scratch) {
                b"asset_id" => entry.asset_id = cursor.scalar()?,
                b"price" => entry.price = cursor.scalar()?,
                b"size" => entry.size = cursor.scalar()?,
                b"side" => entry.side = cursor.scalar()?,
                b"hash" => entry.hash = cursor.scalar()?,
                b"best_bid" => entry.best_bid = cursor.scalar()?,
                b"best_ask" => entry.best_ask = cursor.scalar()?,
                _ => cursor.skip()?,
            }
            if !cursor.more(b'}')? {
                return Ok(entry);
            }
        }
    }

    /// `price_changes`, or `changes` of older recordings, whose entries do not name the asset:
    /// appended to the frame's changes.
    fn changes(&mut self, cursor: &mut Cursor, named: bool) -> Result<Array, JsonError> {
        let start = self.frame.changes.len();
        let mut wrong = None;
        if cursor.peek() != b'[' {
            wrong = Some(Wrong { offset: cursor.offset(), what: "changes are not an array" });
            cursor.skip()?;
            return Ok(Array { start, end: start, wrong });
        }
        cursor.expect(b'[')?;
        if cursor.take(b']') {
            return Ok(Array { start, end: start, wrong });
        }
        loop {
            let offset = cursor.offset();
            if cursor.peek() == b'{' {
                let entry = Self::entry(self.bytes, cursor)?;
                if let Err(what) = self.push_change(&entry, named) {
                    wrong = wrong.or(Some(Wrong { offset, what }));
                }
            } else {
                cursor.skip()?;
                wrong = wrong.or(Some(Wrong { offset, what: "change is not an object" }));
                // It stands for a change of nobody knows which asset.
                let _ = self.push_change(&Entry::default(), named);
            }
            if !cursor.more(b']')? {
                return Ok(Array { start, end: self.frame.changes.len(), wrong });
            }
        }
    }

    /// A change is kept even when it is wrong, so that what it names can be quarantined.
    #[inline]
    pub(super) fn push_change(&mut self, entry: &Entry, named: bool) -> Result<(), &'static str> {
        let mut change = Change {
            instrument: self.instrument(entry.asset_id),
            side: Side::Bid,
            level: Level::default(),
            best_bid: Claim::SILENT,
            best_ask: Claim::SILENT,
            digest: entry.hash,
        };
        let result = self.fill_change(entry, &mut change);
        if change.instrument == UNKNOWN && named {
            self.frame.strangers.push((self.frame.changes.len(), entry.asset_id));
        }
        self.frame.changes.push(change);
        if named && !is_text(entry.asset_id) {
            return Err("change without an asset_id");
        }
        result
    }

    #[inline]
    fn fill_change(&mut self, entry: &Entry, change: &mut Change) -> Result<(), &'static str> {
        change.level = self.price_and_size(entry)?;
        change.side = match entry.side.text(self.bytes, &mut self.frame.scratch) {
            b"BUY" => Side::Bid,
            b"SELL" => Side::Ask,
            other if other.eq_ignore_ascii_case(b"BUY") => Side::Bid,
            other if other.eq_ignore_ascii_case(b"SELL") => Side::Ask,
            _ => return Err("side is neither BUY nor SELL"),
        };
        change.best_bid = self.claim(entry.best_bid, 0).ok_or("best_bid is not a price")?;
        change.best_ask = self.claim(entry.best_ask, PRICE_ONE).ok_or("best_ask is not a price")?;
        Ok(())
    }

    #[inline]
    pub(super) fn price_and_size(&mut self, entry: &Entry) -> Result<Level, &'static str> {
        let price = self.decimal(entry.price, parse_price).ok_or("price is not a decimal")?;
        let size = self.decimal(entry.size, parse_qty).ok_or("size is not a decimal")?;
        if !is_probability(price.value) {
            return Err("price is not between 0 and 1");
        }
        Ok(Level { price: price.value, qty: size.value, forms: (price.form, size.form) })
    }
}
