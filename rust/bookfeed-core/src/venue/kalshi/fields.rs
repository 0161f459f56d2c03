//! The members of a frame that matter, collected in whatever order they come. Level arrays are
//! parsed where they stand.

use super::Decoder;
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, decimal, elements, is_probability, members};
use crate::event::Level;
use crate::fixed::{
    Decimal, DecimalError, DecimalErrorKind, PRICE_DECIMALS, PRICE_ONE, QTY_DECIMALS, parse_price,
    parse_qty, parse_unsigned,
};
use crate::span::Value;

/// Decimal places that make cents prices.
const CENTS_DECIMALS: u32 = PRICE_DECIMALS - 2;

/// What stands around a message.
#[derive(Default)]
pub struct Envelope {
    pub kind: Value,
    pub sid: Value,
    pub seq: Value,
    pub id: Value,
    pub sending_ts_ms: Value,
    /// Where `msg` stands if it is no object.
    pub msg: Value,
    pub fields: KalshiFields,
}

/// The members of `msg`.
#[derive(Default)]
pub struct KalshiFields {
    pub market_ticker: Value,
    pub market_id: Value,
    pub side: Value,
    pub ts: Value,
    pub ts_ms: Value,
    /// The ladders, by [`Format`] and then by outcome: YES, NO.
    pub ladders: [[Option<Array>; 2]; 3],
    /// Whether there is an array or an object under a name that is not known: levels, maybe.
    pub strange: bool,
    /// Price and size of a delta.
    pub delta: Amount,
    /// Price (of YES) and size of a trade or a fill.
    pub count: Amount,
    pub no_price_dollars: Value,
    pub yes_bid_dollars: Value,
    pub yes_bid: Value,
    pub yes_ask_dollars: Value,
    pub yes_ask: Value,
    pub trade_id: Value,
    pub taker_outcome_side: Value,
    pub taker_book_side: Value,
    pub taker_side: Value,
    pub is_block_trade: Value,
    pub lifecycle: LifecycleFields,
    pub index: Index,
    pub own: Own,
    /// Subscription and channel of `subscribed`; code and text of `error`.
    pub sid: Value,
    pub channel: Value,
    pub code: Value,
    pub text: Value,
    /// The market, as messages about the user's orders call it.
    pub ticker: Value,
}

/// A price and a size, each in the notations a frame may carry side by side.
#[derive(Clone, Copy, Default)]
pub struct Amount {
    /// Dollars in a decimal.
    pub dollars: Value,
    /// Whole cents.
    pub cents: Value,
    /// Contracts with two decimals.
    pub fp: Value,
    /// Whole contracts.
    pub whole: Value,
}

/// Members of news about markets and events.
#[derive(Default)]
pub struct LifecycleFields {
    pub event_type: Value,
    pub is_deactivated: Value,
    pub close_ts: Value,
    pub result: Value,
    pub settlement_value: Value,
    pub event_ticker: Value,
    pub fee_type: Value,
    pub fee_multiplier: Value,
}

/// Members of index values.
#[derive(Default)]
pub struct Index {
    pub index_id: Value,
    pub underlying_ticker: Value,
    pub data: Value,
    pub value_usd: Value,
    pub source_ts_ms: Value,
    pub avg_60s: Value,
    pub closing: Value,
}

/// Members of messages about the user's own orders and positions.
#[derive(Default)]
pub struct Own {
    pub outcome_side: Value,
    pub book_side: Value,
    pub action: Value,
    pub is_taker: Value,
    pub fee_cost: Value,
    pub remaining_fp: Value,
    pub remaining: Value,
    pub position_fp: Value,
    pub position: Value,
    pub created_ts_ms: Value,
    pub last_updated_ts_ms: Value,
}

/// The notations of ladders, the best first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Dollars and contracts as decimals (`yes_dollars_fp`): today's.
    Fp,
    /// Dollars as decimals, whole contracts (`yes_dollars`); REST books hold decimals there.
    Dollars,
    /// Whole cents, whole contracts (`yes`).
    Cents,
}

/// An array of levels that was parsed where it stood: what it added to the frame's levels,
/// whether it held anything at all, and the first thing wrong with it.
#[derive(Clone, Copy)]
pub struct Array {
    pub start: usize,
    pub end: usize,
    pub empty: bool,
    pub wrong: Option<Wrong>,
}

impl KalshiFields {
    /// Whether there is anything that only messages about books have.
    pub fn speaks_of_a_book(&self) -> bool {
        self.ladders.iter().flatten().any(Option::is_some)
            || super::given(self.delta.fp)
            || super::given(self.delta.whole)
    }
}

impl Decoder<'_> {
    pub fn envelope(&mut self, cursor: &mut Cursor, e: &mut Envelope) -> Result<(), JsonError> {
        members(cursor, |name, cursor| {
            match name {
                b"type" => e.kind = cursor.scalar()?,
                b"sid" => e.sid = cursor.scalar()?,
                b"seq" => e.seq = cursor.scalar()?,
                b"id" => e.id = cursor.scalar()?,
                b"sending_ts_ms" => e.sending_ts_ms = cursor.scalar()?,
                b"msg" => {
                    // Of a member that comes twice the last counts.
                    (e.fields, e.msg) = (KalshiFields::default(), Value::default());
                    if cursor.peek() == b'{' {
                        self.fields(cursor, &mut e.fields)?;
                    } else {
                        e.msg = cursor.scalar()?;
                    }
                }
                _ => cursor.skip()?,
            }
            Ok(())
        })
    }

    fn fields(&mut self, cursor: &mut Cursor, f: &mut KalshiFields) -> Result<(), JsonError> {
        members(cursor, |name, cursor| {
            let place = match name {
                b"market_ticker" => &mut f.market_ticker,
                b"market_id" => &mut f.market_id,
                b"side" => &mut f.side,
                b"ts" => &mut f.ts,
                b"ts_ms" => &mut f.ts_ms,
                b"price_dollars" => &mut f.delta.dollars,
                b"price" => &mut f.delta.cents,
                b"delta_fp" => &mut f.delta.fp,
                b"delta" => &mut f.delta.whole,
                b"yes_price_dollars" => &mut f.count.dollars,
                b"yes_price" => &mut f.count.cents,
                b"count_fp" => &mut f.count.fp,
                b"count" => &mut f.count.whole,
                b"no_price_dollars" => &mut f.no_price_dollars,
                b"yes_bid_dollars" => &mut f.yes_bid_dollars,
                b"yes_bid" => &mut f.yes_bid,
                b"yes_ask_dollars" => &mut f.yes_ask_dollars,
                b"yes_ask" => &mut f.yes_ask,
                b"trade_id" => &mut f.trade_id,
                b"taker_outcome_side" => &mut f.taker_outcome_side,
                b"taker_book_side" => &mut f.taker_book_side,
                b"taker_side" => &mut f.taker_side,
                b"is_block_trade" => &mut f.is_block_trade,
                b"sid" => &mut f.sid,
                b"channel" => &mut f.channel,
                b"code" => &mut f.code,
                b"msg" => &mut f.text,
                b"ticker" => &mut f.ticker,
                other => return self.rarer(other, cursor, f),
            };
            *place = cursor.scalar()?;
            Ok(())
        })
    }

    /// Ladders, and members of messages that come seldom.
    fn rarer(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        f: &mut KalshiFields,
    ) -> Result<(), JsonError> {
        if let Some((format, outcome)) = ladder(name) {
            f.ladders[format as usize][outcome] = self.levels(cursor, format, outcome)?;
            return Ok(());
        }
        let place = match name {
            b"event_type" => &mut f.lifecycle.event_type,
            b"is_deactivated" => &mut f.lifecycle.is_deactivated,
            b"close_ts" => &mut f.lifecycle.close_ts,
            b"result" => &mut f.lifecycle.result,
            b"settlement_value" => &mut f.lifecycle.settlement_value,
            b"event_ticker" => &mut f.lifecycle.event_ticker,
            b"fee_type_override" => &mut f.lifecycle.fee_type,
            b"fee_multiplier_override" => &mut f.lifecycle.fee_multiplier,
            b"index_id" => &mut f.index.index_id,
            b"underlying_ticker" => &mut f.index.underlying_ticker,
            b"data" => &mut f.index.data,
            b"value_usd" => &mut f.index.value_usd,
            b"source_ts_ms" => &mut f.index.source_ts_ms,
            b"avg_60s_data" => &mut f.index.avg_60s,
            b"last_60s_windowed_average_15min" => &mut f.index.closing,
            b"outcome_side" => &mut f.own.outcome_side,
            b"book_side" => &mut f.own.book_side,
            b"action" => &mut f.own.action,
            b"is_taker" => &mut f.own.is_taker,
            b"fee_cost" => &mut f.own.fee_cost,
            b"remaining_count_fp" => &mut f.own.remaining_fp,
            b"remaining_count" => &mut f.own.remaining,
            b"position_fp" => &mut f.own.position_fp,
            b"position" => &mut f.own.position,
            b"created_ts_ms" => &mut f.own.created_ts_ms,
            b"last_updated_ts_ms" => &mut f.own.last_updated_ts_ms,
            _ => {
                f.strange |= matches!(cursor.peek(), b'[' | b'{');
                return cursor.skip();
            }
        };
        *place = cursor.scalar()?;
        Ok(())
    }

    /// A ladder: its levels are appended to the frame, in YES terms; a size of zero is no
    /// level. `None` if it is null.
    pub fn levels(
        &mut self,
        cursor: &mut Cursor,
        format: Format,
        outcome: usize,
    ) -> Result<Option<Array>, JsonError> {
        let start = self.frame.levels.len();
        let mut array = Array { start, end: start, empty: true, wrong: None };
        if cursor.peek() != b'[' {
            let wrong = Wrong { offset: cursor.offset(), what: "levels are not an array" };
            let null = cursor.scalar()?;
            array.wrong = Some(wrong);
            array.empty = false;
            return Ok(super::given(null).then_some(array));
        }
        let turned = outcome == 1 && !self.yes_prices;
        elements(cursor, |cursor| {
            cursor.peek();
            let offset = cursor.offset();
            array.empty = false;
            match self.level(cursor, format, turned)? {
                Ok(level) if level.qty > 0 => self.frame.levels.push(level),
                Ok(_) => {}
                Err(what) => array.wrong = array.wrong.or(Some(Wrong { offset, what })),
            }
            Ok(())
        })?;
        array.end = self.frame.levels.len();
        Ok(Some(array))
    }

    #[inline]
    fn level(
        &mut self,
        cursor: &mut Cursor,
        format: Format,
        turned: bool,
    ) -> Result<Result<Level, &'static str>, JsonError> {
        let begin = cursor.offset();
        let plain = if self.fast { plain_level(cursor) } else { None };
        let read = match plain {
            Some(level) if format != Format::Cents => Ok(level),
            _ => {
                cursor.rewind(begin);
                self.any_level(cursor, format)?
            }
        };
        Ok(read.and_then(|(price, qty)| {
            if !is_probability(price) {
                return Err("price is not between 0 and 1");
            }
            Ok(Level::new(if turned { PRICE_ONE - price } else { price }, qty))
        }))
    }

    /// A level in any spelling: an array of two.
    fn any_level(
        &mut self,
        cursor: &mut Cursor,
        format: Format,
    ) -> Result<Result<(i64, i64), &'static str>, JsonError> {
        if cursor.peek() != b'[' {
            cursor.skip()?;
            return Ok(Err("level is not an array"));
        }
        let (mut pair, mut length) = ([Value::default(); 2], 0);
        elements(cursor, |cursor| {
            let value = cursor.scalar()?;
            if let Some(place) = pair.get_mut(length) {
                *place = value;
            }
            length += 1;
            Ok(())
        })?;
        if length != 2 {
            return Ok(Err("level is not a price and a size"));
        }
        let parse = if format == Format::Cents { parse_cents } else { parse_price };
        let scratch = &mut self.frame.scratch;
        let price = decimal(self.bytes, pair[0], scratch, parse).ok_or("price is not a decimal");
        let qty = decimal(self.bytes, pair[1], scratch, parse_qty).ok_or("size is not a decimal");
        Ok(price.and_then(|price| Ok((price.value, qty?.value))))
    }
}

/// Which ladder a member is, if it is one.
fn ladder(name: &[u8]) -> Option<(Format, usize)> {
    Some(match name {
        b"yes_dollars_fp" => (Format::Fp, 0),
        b"no_dollars_fp" => (Format::Fp, 1),
        b"yes_dollars" => (Format::Dollars, 0),
        b"no_dollars" => (Format::Dollars, 1),
        b"yes" => (Format::Cents, 0),
        b"no" => (Format::Cents, 1),
        _ => return None,
    })
}

/// A level as the venue writes it: `["0.4400","13.37"]`.
#[inline(always)]
fn plain_level(cursor: &mut Cursor) -> Option<(i64, i64)> {
    if !cursor.take_literal(b"[\"") {
        return None;
    }
    let price = cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value;
    if !cursor.take_literal(b",\"") {
        return None;
    }
    let qty = cursor.take_quoted_decimal::<QTY_DECIMALS>()?.value;
    cursor.take_literal(b"]").then_some((price, qty))
}

/// A price in whole cents.
pub fn parse_cents(text: &[u8]) -> Result<Decimal, DecimalError> {
    let cents = parse_unsigned::<CENTS_DECIMALS>(text)?;
    if cents.form.fraction_digits() > 0 {
        return Err(DecimalError { kind: DecimalErrorKind::Inexact, offset: 0 });
    }
    Ok(cents)
}
