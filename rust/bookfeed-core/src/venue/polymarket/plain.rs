//! The commonest messages, in the venue's own order and spelling, in one pass.

use super::{BOOK, Decoder, PRICE_CHANGE, TOUCH, TRADE, price_or_none};
use crate::decode::json::Cursor;
use crate::decode::read::{is_probability, take};
use crate::decode::window::Window;
use crate::event::{
    Aggressor, Body, Change, Level, Message, Place, ProofClaim, Side, Snapshot, TouchClaim, Trade,
};
use crate::fixed::{PRICE_ONE, QTY_DECIMALS};
use crate::instrument::{InstrumentId, Venue};
use crate::openings::key;
use crate::span::Value;
use crate::time::Nanos;
use std::ops::Range;

/// Length of a hash and its quote.
const HASH_QUOTED: usize = 41;
/// Where the name of a market begins in a message, and how long it is.
const MARKET: usize = b"{\"market\":\"".len();
const MARKET_LENGTH: usize = 66;
/// Words that tell apart how messages of changes begin, up to the first change's price: of the
/// market's name one word and the last one, of the asset's one and the last two.
const OPENING: [usize; 5] = [24, 69, 120, 170, 178];

impl Decoder<'_> {
    /// Reads one of the commonest messages into the frame, if its members come in the order and
    /// spelling the venue uses and all its assets are known; `None` leaves anything else to the
    /// general way, which must read the same out of it. What was added to the frame by then is of no
    /// use.
    #[inline]
    pub(super) fn plain_message(&mut self, cursor: &mut Cursor) -> Option<()> {
        let begin = cursor.offset();
        let text = self.bytes.get(begin..)?;
        let key = key(text, OPENING);
        if let Some((first, length)) =
            key.and_then(|key| self.frame.openings.find(key, text, self.instruments))
        {
            cursor.skip_known(length);
            let market = cursor.text_at(begin + MARKET, begin + MARKET + MARKET_LENGTH);
            return self.plain_changes(cursor, market, first);
        }
        take(cursor, b"{\"market\":\"")?;
        let market = cursor.take_quoted_exactly::<MARKET_LENGTH>()?;
        if member(cursor, b",\"price_changes\":[", b", \"price_changes\":[").is_none() {
            return self.plain_of_asset(cursor, market);
        }
        take(cursor, b"{\"asset_id\":\"")?;
        let first = self.plain_asset(cursor)?;
        if let Some(key) = key {
            let text = self.bytes.get(begin..cursor.offset())?;
            self.frame.openings.keep(key, text, first, self.instruments);
        }
        self.plain_changes(cursor, market, first)
    }

    /// The changes of a message, from the price of the first one on.
    #[inline(always)]
    fn plain_changes(&mut self, cursor: &mut Cursor, market: Value, first: InstrumentId) -> Option<()> {
        let start = self.frame.changes.len();
        let mut instrument = first;
        loop {
            let change = plain_change(cursor, instrument)?;
            self.frame.changes.push(change);
            if cursor.take_literal(b"]") {
                break;
            }
            member(cursor, b",{\"asset_id\":\"", b", {\"asset_id\":\"")?;
            instrument = self.plain_other_asset(cursor, instrument)?;
        }
        let ts_event = plain_time(cursor)?;
        member(cursor, b",\"event_type\":\"price_change\"}", b", \"event_type\":\"price_change\"}")?;
        let body = Body::Changes(start..self.frame.changes.len());
        self.frame.kinds.push(PRICE_CHANGE);
        self.frame.messages.push(Message { ts_event, market, place: Place::NONE, body });
        Some(())
    }

    /// A message about one asset, from behind its market on.
    #[inline(never)]
    fn plain_of_asset(&mut self, cursor: &mut Cursor, market: Value) -> Option<()> {
        member(cursor, b",\"asset_id\":\"", b", \"asset_id\":\"")?;
        let symbol = cursor.take_text()?;
        let instrument = self.instruments.find(Venue::POLYMARKET, symbol.raw(self.bytes))?;
        let (kind, ts_event, body) = if member(cursor, b",\"price\":\"", b", \"price\":\"").is_some() {
            plain_trade(cursor, instrument)?
        } else if member(cursor, b",\"best_bid\":\"", b", \"best_bid\":\"").is_some() {
            plain_touch(cursor, instrument)?
        } else {
            self.plain_book(cursor, instrument, symbol)?
        };
        self.frame.kinds.push(kind);
        self.frame.messages.push(Message { ts_event, market, place: Place::NONE, body });
        Some(())
    }

    /// A whole book, from behind its asset on: the first one of a subscription says more than those
    /// that trades bring, in another order.
    fn plain_book(
        &mut self,
        cursor: &mut Cursor,
        instrument: InstrumentId,
        symbol: Value,
    ) -> Option<(u8, Nanos, Body)> {
        let missing = Value::default();
        let (ts_event, hash, [bids, asks], tick_size, last_trade_price);
        if cursor.take_literal(b",\"timestamp\"") || cursor.take_literal(b", \"timestamp\"") {
            ts_event = plain_moment(cursor)?;
            hash = plain_hash(cursor)?;
            [bids, asks] = self.plain_sides(cursor)?;
            member(cursor, b",\"tick_size\":\"", b", \"tick_size\":\"")?;
            tick_size = Some(cursor.take_quoted_price()?);
            member(cursor, b",\"event_type\":\"book\"", b", \"event_type\":\"book\"")?;
            member(cursor, b",\"last_trade_price\":\"", b", \"last_trade_price\":\"")?;
            last_trade_price = cursor.take_text()?;
            take(cursor, b"}")?;
        } else {
            [bids, asks] = self.plain_sides(cursor)?;
            hash = plain_hash(cursor)?;
            ts_event = plain_time(cursor)?;
            member(cursor, b",\"event_type\":\"book\"}", b", \"event_type\":\"book\"}")?;
            (tick_size, last_trade_price) = (None, missing);
        }
        let body = Body::Snapshot(Snapshot {
            instrument,
            symbol,
            bids,
            asks,
            claim: ProofClaim::Digest(hash),
            asks_cut: false,
            tick_size,
            min_order_size: missing,
            hints: [last_trade_price, missing],
            market_id: missing,
            requested: false,
            holds_for: None,
        });
        Some((BOOK, ts_event, body))
    }

    /// Bids and asks, with their names.
    fn plain_sides(&mut self, cursor: &mut Cursor) -> Option<[Range<usize>; 2]> {
        member(cursor, b",\"bids\":[", b", \"bids\":[")?;
        let bids = self.plain_side(cursor)?;
        member(cursor, b",\"asks\":[", b", \"asks\":[")?;
        Some([bids, self.plain_side(cursor)?])
    }

    /// Levels up to the end of their array, whose beginning was taken.
    fn plain_side(&mut self, cursor: &mut Cursor) -> Option<Range<usize>> {
        let start = self.frame.levels.len();
        if cursor.take_literal(b"]") {
            return Some(start..start);
        }
        loop {
            let levels = &mut self.frame.levels;
            cursor.take_quoted_levels(|level| {
                if level.qty > 0 {
                    levels.push(level);
                }
            });
            let level = plain_level(cursor)?;
            if level.qty > 0 {
                self.frame.levels.push(level);
            }
            if !cursor.take_literal(b",") {
                take(cursor, b"]")?;
                return Some(start..self.frame.levels.len());
            }
            cursor.take_literal(b" ");
        }
    }

    /// The asset of a change that stands here, and the name of the price behind it.
    #[inline(always)]
    fn plain_asset(&mut self, cursor: &mut Cursor) -> Option<InstrumentId> {
        let symbol = cursor.take_text()?;
        let instrument = self.instruments.find(Venue::POLYMARKET, symbol.raw(self.bytes))?;
        member(cursor, b",\"price\":\"", b", \"price\":\"")?;
        Some(instrument)
    }

    /// The same behind a change of `last`. It is mostly that of the other outcome, so its id is
    /// compared before it is looked up.
    #[inline(always)]
    fn plain_other_asset(&mut self, cursor: &mut Cursor, last: InstrumentId) -> Option<InstrumentId> {
        let Some((id, quoted)) = self.instruments.quoted_sibling(last) else {
            return self.plain_asset(cursor);
        };
        if !cursor.take_literal(quoted) {
            return self.plain_asset(cursor);
        }
        member(cursor, b",\"price\":\"", b", \"price\":\"")?;
        Some(id)
    }
}

/// A change in the order and spelling the venue uses, from its price on.
#[inline(always)]
fn plain_change(cursor: &mut Cursor, instrument: InstrumentId) -> Option<Change> {
    let mut w: Window<'_, 128> = cursor.window()?;
    let price = w.price().filter(|p| is_probability(p.value))?;
    w.member(b",\"size\":\"", b", \"size\":\"")?;
    let size = w.size()?;
    w.member(b",\"side\":\"", b", \"side\":\"")?;
    let side =
        if w.literal(b"BUY\"") { Side::Bid } else { w.literal(b"SELL\"").then_some(Side::Ask)? };
    w.member(b",\"hash\":\"", b", \"hash\":\"")?;
    let digest = w.hash(cursor.offset())?;
    cursor.skip_known(w.taken(HASH_QUOTED)?);
    let mut w: Window<'_, 88> = cursor.window()?;
    w.member(b",\"best_bid\":\"", b", \"best_bid\":\"")?;
    let best_bid = price_or_none(w.price()?.value, 0);
    w.member(b",\"best_ask\":\"", b", \"best_ask\":\"")?;
    let best_ask = price_or_none(w.price()?.value, PRICE_ONE);
    let ended = w.literal(b"}");
    cursor.skip_known(w.taken(1)?);
    let level = Level { price: price.value, qty: size.value, forms: (price.form, size.form) };
    ended.then_some(Change { instrument, side, level, best_bid, best_ask, digest })
}

/// A level as the venue writes it, `{"price":"0.3","size":"5005"}`, if that is what stands here; else
/// nothing is taken.
#[inline]
pub(super) fn level(cursor: &mut Cursor) -> Option<Level> {
    let begin = cursor.offset();
    let level = plain_level(cursor);
    if level.is_none() {
        cursor.rewind(begin);
    }
    level
}

#[inline(always)]
fn plain_level(cursor: &mut Cursor) -> Option<Level> {
    let mut w: Window<'_, 88> = cursor.window()?;
    w.literal(b"{\"price\":\"").then_some(())?;
    let price = w.price().filter(|p| is_probability(p.value))?;
    w.member(b",\"size\":\"", b", \"size\":\"")?;
    let size = w.size()?;
    w.literal(b"}").then_some(())?;
    cursor.skip_known(w.taken(1)?);
    Some(Level { price: price.value, qty: size.value, forms: (price.form, size.form) })
}

/// A trade, from its price on.
fn plain_trade(cursor: &mut Cursor, instrument: InstrumentId) -> Option<(u8, Nanos, Body)> {
    let begin = cursor.offset();
    let price = cursor.take_quoted_price().filter(|p| is_probability(p.value))?;
    let price_text = cursor.taken_since(begin);
    member(cursor, b",\"size\":\"", b", \"size\":\"")?;
    let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
    member(cursor, b",\"fee_rate_bps\":\"", b", \"fee_rate_bps\":\"")?;
    cursor.take_text()?;
    member(cursor, b",\"side\":\"", b", \"side\":\"")?;
    let aggressor = match plain_side(cursor)? {
        Side::Bid => Aggressor::Buy,
        Side::Ask => Aggressor::Sell,
    };
    let ts_event = plain_time(cursor)?;
    member(cursor, b",\"event_type\":\"last_trade_price\"", b", \"event_type\":\"last_trade_price\"")?;
    member(cursor, b",\"transaction_hash\":\"", b", \"transaction_hash\":\"")?;
    let id = cursor.take_quoted_exactly::<66>()?;
    take(cursor, b"}")?;
    let trade = Trade {
        instrument,
        price: price.value,
        qty: size.value,
        aggressor: Some(aggressor),
        price_text,
        id,
        id_shared: true,
        off_book: false,
    };
    Some((TRADE, ts_event, Body::Trade(trade)))
}

/// The venue's touch, from its best bid on.
fn plain_touch(cursor: &mut Cursor, instrument: InstrumentId) -> Option<(u8, Nanos, Body)> {
    let bid = cursor.take_quoted_price()?.value;
    member(cursor, b",\"best_ask\":\"", b", \"best_ask\":\"")?;
    let ask = cursor.take_quoted_price()?.value;
    member(cursor, b",\"spread\":\"", b", \"spread\":\"")?;
    cursor.take_text()?;
    let ts_event = plain_time(cursor)?;
    member(cursor, b",\"event_type\":\"best_bid_ask\"}", b", \"event_type\":\"best_bid_ask\"}")?;
    let (bid, ask) = (price_or_none(bid, 0), price_or_none(ask, PRICE_ONE));
    Some((TOUCH, ts_event, Body::Touch(TouchClaim::prices(instrument, bid, ask))))
}

/// The time of a message, with its name.
#[inline(always)]
fn plain_time(cursor: &mut Cursor) -> Option<Nanos> {
    member(cursor, b",\"timestamp\"", b", \"timestamp\"")?;
    plain_moment(cursor)
}

/// The time of a message, from behind its name on.
#[inline(always)]
fn plain_moment(cursor: &mut Cursor) -> Option<Nanos> {
    take(cursor, b":\"")?;
    let ts_event = cursor.take_millis()?;
    take(cursor, b"\"")?;
    Some(ts_event)
}

/// The hash of a book, with its name.
#[inline(always)]
fn plain_hash(cursor: &mut Cursor) -> Option<Value> {
    member(cursor, b",\"hash\":\"", b", \"hash\":\"")?;
    cursor.take_quoted_exactly::<40>()
}

/// A side and its quote.
#[inline(always)]
fn plain_side(cursor: &mut Cursor) -> Option<Side> {
    if cursor.take_literal(b"BUY\"") {
        return Some(Side::Bid);
    }
    cursor.take_literal(b"SELL\"").then_some(Side::Ask)
}

/// Takes the separator and name of the next member, and the quote its value begins with, in
/// one of the two spellings the venue uses.
#[inline(always)]
fn member(cursor: &mut Cursor, tight: &[u8], spaced: &[u8]) -> Option<()> {
    (cursor.take_literal(tight) || cursor.take_literal(spaced)).then_some(())
}
