//! What REST says of markets besides their books: how they stand, what they cost, and whether the
//! exchange trades. Times are RFC 3339 here.

use super::Decoder;
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, elements, given, is_text, members};
use crate::event::{Body, Listed, ListedFees, Place, Stands};
use crate::fixed::{ABSENT, PRICE_ONE, parse_price};
use crate::span::Value;

/// A market as it is listed.
#[derive(Default)]
struct Entry {
    ticker: Value,
    event: Value,
    status: Value,
    open_time: Value,
    close_time: Value,
    result: Value,
    settlement_value: Value,
    shard: Value,
}

/// What the exchange says of itself.
#[derive(Default)]
pub(super) struct Exchange {
    /// Whether the answer is of another kind.
    pub(super) found: bool,
    active: Value,
    trading: Value,
    shards: Option<(usize, usize)>,
    wrong: Option<Wrong>,
}

impl Exchange {
    pub(super) fn is_there(&self) -> bool {
        !self.found && (given(self.active) || given(self.trading) || self.shards.is_some())
    }
}

impl Decoder<'_> {
    pub(super) fn rest_market(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        let mut entry = Entry::default();
        if cursor.peek() != b'{' {
            let offset = cursor.offset();
            cursor.skip()?;
            self.refuse(Wrong { offset, what: "market is not an object" });
            return Ok(());
        }
        members(cursor, |name, cursor| {
            let value = cursor.scalar()?;
            match name {
                b"ticker" => entry.ticker = value,
                b"event_ticker" => entry.event = value,
                b"status" => entry.status = value,
                b"open_time" => entry.open_time = value,
                b"close_time" => entry.close_time = value,
                b"result" => entry.result = value,
                b"settlement_value_dollars" => entry.settlement_value = value,
                b"exchange_index" => entry.shard = value,
                _ => {}
            }
            Ok(())
        })?;
        match self.market(&entry) {
            Ok(listed) => self.push(Place::NONE, entry.ticker, (ABSENT, Body::Listed(listed))),
            Err(wrong) => self.refuse(wrong),
        }
        Ok(())
    }

    fn market(&mut self, entry: &Entry) -> Result<Listed, Wrong> {
        let wrong = Wrong::at(entry.close_time, "close_time is not a time");
        let closes = self.moment(entry.close_time).ok_or(wrong)?;
        let stands = match self.text(entry.status) {
            // It opens by its time alone; a list may be a little behind.
            b"active" | b"initialized" => Stands::Open,
            b"inactive" => Stands::Paused,
            b"closed" | b"disputed" | b"amended" => Stands::Closed,
            b"determined" | b"finalized" => Stands::Decided(self.pays(entry)),
            _ => return Err(Wrong::at(entry.status, "status of a market is not known")),
        };
        Ok(Listed {
            instrument: self.named(entry.ticker)?,
            stands,
            opens: self.moment(entry.open_time),
            closes,
            event: if is_text(entry.event) { entry.event } else { Value::default() },
            shard: self.integer(entry.shard).and_then(|n| u32::try_from(n).ok()),
        })
    }

    fn pays(&mut self, entry: &Entry) -> i64 {
        if is_text(entry.settlement_value) {
            let pays = self.decimal(entry.settlement_value, parse_price).map(|pays| pays.value);
            return pays.filter(|&pays| pays <= PRICE_ONE).unwrap_or(ABSENT);
        }
        match self.text(entry.result) {
            b"yes" => PRICE_ONE,
            b"no" => 0,
            _ => ABSENT,
        }
    }

    /// The fees of a series, or those of an event in their place.
    pub(super) fn rest_fees(&mut self, cursor: &mut Cursor, of_event: bool) -> Result<(), JsonError> {
        let [mut ticker, mut series, mut kind, mut multiplier] = [Value::default(); 4];
        members(cursor, |name, cursor| {
            let value = cursor.scalar()?;
            match name {
                b"event_ticker" if of_event => ticker = value,
                b"series_ticker" if of_event => series = value,
                b"fee_type_override" if of_event => kind = value,
                b"fee_multiplier_override" if of_event => multiplier = value,
                b"ticker" if !of_event => series = value,
                b"fee_type" if !of_event => kind = value,
                b"fee_multiplier" if !of_event => multiplier = value,
                _ => {}
            }
            Ok(())
        })?;
        match self.listed_fees(of_event, [ticker, series, kind, multiplier]) {
            Ok(fees) => self.push(Place::NONE, Value::default(), (ABSENT, Body::ListedFees(fees))),
            Err(wrong) => self.refuse(wrong),
        }
        Ok(())
    }

    fn listed_fees(
        &mut self,
        of_event: bool,
        [event, series, kind, multiplier]: [Value; 4],
    ) -> Result<ListedFees, Wrong> {
        if of_event && !is_text(event) {
            return Err(Wrong::at(event, "event without an event_ticker"));
        }
        if !is_text(series) {
            return Err(Wrong::at(series, "fees without a series"));
        }
        if given(kind) && !is_text(kind) {
            return Err(Wrong::at(kind, "fee type is not a name"));
        }
        let factor = self.optional(multiplier, parse_price, "fee multiplier is not a decimal")?;
        if !of_event && (!given(kind) || factor.is_none()) {
            return Err(Wrong::at(series, "series without fees"));
        }
        let kind = if given(kind) { kind } else { Value::default() };
        let event = if of_event { event } else { Value::default() };
        Ok(ListedFees { event, series, kind, multiplier: factor })
    }

    /// When the exchange will be closed besides its weekly hours.
    pub(super) fn rest_schedule(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        let start = self.frame.closures.len();
        let mut wrong = None;
        members(cursor, |name, cursor| {
            if name != b"maintenance_windows" || cursor.peek() != b'[' {
                return cursor.skip();
            }
            elements(cursor, |cursor| {
                let [mut from, mut to] = [Value::default(); 2];
                if cursor.peek() == b'{' {
                    members(cursor, |name, cursor| {
                        let value = cursor.scalar()?;
                        match name {
                            b"start_datetime" => from = value,
                            b"end_datetime" => to = value,
                            _ => {}
                        }
                        Ok(())
                    })?;
                } else {
                    cursor.skip()?;
                }
                match self.moment(from).zip(self.moment(to)) {
                    Some((from, to)) => self.frame.closures.push(from..to),
                    None => wrong = wrong.or(Some(Wrong::at(from, "maintenance without its times"))),
                }
                Ok(())
            })
        })?;
        match wrong {
            Some(wrong) => self.refuse(wrong),
            None => {
                let closures = start..self.frame.closures.len();
                self.push(Place::NONE, Value::default(), (ABSENT, Body::Closures(closures)));
            }
        }
        Ok(())
    }

    /// A member of the exchange's status.
    pub(super) fn rest_exchange(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        exchange: &mut Exchange,
    ) -> Result<(), JsonError> {
        if name != b"exchange_index_statuses" || cursor.peek() != b'[' {
            let value = cursor.scalar()?;
            match name {
                b"exchange_active" => exchange.active = value,
                b"trading_active" => exchange.trading = value,
                _ => {}
            }
            return Ok(());
        }
        let start = self.frame.shards.len();
        elements(cursor, |cursor| {
            let [mut index, mut active, mut trading] = [Value::default(); 3];
            let offset = cursor.offset();
            if cursor.peek() == b'{' {
                members(cursor, |name, cursor| {
                    let value = cursor.scalar()?;
                    match name {
                        b"exchange_index" => index = value,
                        b"exchange_active" => active = value,
                        b"trading_active" => trading = value,
                        _ => {}
                    }
                    Ok(())
                })?;
            } else {
                cursor.skip()?;
            }
            let number = self.integer(index).and_then(|n| u32::try_from(n).ok());
            match number.zip(self.boolean(trading)) {
                Some((number, trading)) => {
                    let active = self.boolean(active) != Some(false);
                    self.frame.shards.push((number, trading && active));
                }
                None => {
                    let what = "part of the exchange without a number or a status";
                    exchange.wrong = exchange.wrong.or(Some(Wrong { offset, what }));
                }
            }
            Ok(())
        })?;
        exchange.shards = Some((start, self.frame.shards.len()));
        Ok(())
    }

    pub(super) fn exchange_said(&mut self, exchange: &Exchange) {
        let Some(trading) = self.boolean(exchange.trading) else {
            let what = "trading_active is not true or false";
            return self.refuse(Wrong::at(exchange.trading, what));
        };
        if let Some(wrong) = exchange.wrong {
            return self.refuse(wrong);
        }
        let trading = trading && self.boolean(exchange.active) != Some(false);
        let (start, end) = exchange.shards.unwrap_or_default();
        let body = Body::Exchange(trading, start..end);
        self.push(Place::NONE, Value::default(), (ABSENT, body));
    }
}
