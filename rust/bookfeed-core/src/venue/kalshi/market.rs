//! News of markets: the venue's touch, trades, pauses, closing times, results, fees.

use super::Decoder;
use super::fields::KalshiFields;
use crate::decode::read::{Wrong, given, is_probability, is_text};
use crate::event::{Aggressor, Body, Claim, FeeChange, Trade, Trading};
use crate::fixed::{PRICE_ONE, Price, parse_price};
use crate::instrument::InstrumentId;
use crate::span::Value;

/// The price that stands where a side is empty.
const NO_BID: Price = 0;
const NO_ASK: Price = PRICE_ONE;

impl Decoder<'_> {
    /// The venue's touch. It is on a channel of its own, without numbers, so it is a witness.
    pub(super) fn ticker(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let instrument = self.named(f.market_ticker)?;
        self.same_market(f, instrument)?;
        let bid = self.claim(f.yes_bid_dollars, f.yes_bid, NO_BID)?;
        let ask = self.claim(f.yes_ask_dollars, f.yes_ask, NO_ASK)?;
        Ok(Body::Witness(instrument, bid, ask))
    }

    /// The best price of a side, in dollars or else in cents.
    fn claim(&mut self, dollars: Value, cents: Value, none: Price) -> Result<Claim, Wrong> {
        let in_dollars = !dollars.is_absent();
        let value = if in_dollars { dollars } else { cents };
        if value.is_absent() {
            return Ok(Claim::SILENT);
        }
        let parse = if in_dollars { parse_price } else { super::fields::parse_cents };
        match self.decimal(value, parse).map(|d| d.value) {
            Some(price) if price == none => Ok(Claim::EMPTY),
            Some(price) if is_probability(price) => Ok(Claim::price(price)),
            _ => Err(Wrong::at(value, "best price is not between 0 and 1")),
        }
    }

    /// A trade, at the price of YES.
    pub(super) fn trade(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let instrument = self.named(f.market_ticker)?;
        let (price, qty) = self.amount(&f.count)?;
        if qty < 0 {
            return Err(Wrong::at(f.count.fp, "size of a trade is negative"));
        }
        let of_no = self.optional(f.no_price_dollars, parse_price, "price of NO is not a decimal")?;
        let in_dollars = given(f.count.dollars);
        if in_dollars && of_no.is_some_and(|no| PRICE_ONE - no != price) {
            return Err(Wrong::at(f.no_price_dollars, "prices of YES and NO do not add up"));
        }
        Ok(Body::Trade(Trade {
            instrument,
            price,
            qty,
            aggressor: self.aggressor(f),
            price_text: if in_dollars { f.count.dollars } else { f.count.cents },
            transaction: f.trade_id,
            off_book: self.boolean(f.is_block_trade) == Some(true),
        }))
    }

    /// Who took, if all members that say so agree: buying NO is selling YES.
    fn aggressor(&mut self, f: &KalshiFields) -> Option<Aggressor> {
        let mut said = None;
        for value in [f.taker_outcome_side, f.taker_book_side, f.taker_side] {
            if value.is_absent() {
                continue;
            }
            let one = match self.text(value) {
                b"yes" | b"bid" => Aggressor::Buy,
                b"no" | b"ask" => Aggressor::Sell,
                _ => return None,
            };
            if said.is_some_and(|other| other != one) {
                return None;
            }
            said = Some(one);
        }
        said
    }

    /// What becomes of a market. A new price grid asks for nothing: resting orders are kept,
    /// so the book stays as it is, and levels may have any price.
    pub(super) fn lifecycle(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let instrument = self.named(f.market_ticker)?;
        let lifecycle = &f.lifecycle;
        let trading = match self.text(lifecycle.event_type) {
            b"activated" => Some(self.switched(f, false)),
            b"deactivated" => Some(self.switched(f, true)),
            b"close_date_updated" => {
                let wrong = Wrong::at(lifecycle.close_ts, "close_ts is not a time");
                Some(Trading::ClosesAt(self.moment(lifecycle.close_ts).ok_or(wrong)?))
            }
            b"determined" => self.determined(f)?.map(Trading::Determined),
            _ => None,
        };
        Ok(trading.map_or(Body::Nothing, |trading| Body::Trading(instrument, trading)))
    }

    /// Whether a market is paused: as `is_deactivated` has it, else as the news is called.
    fn switched(&self, f: &KalshiFields, called: bool) -> Trading {
        let paused = self.boolean(f.lifecycle.is_deactivated).unwrap_or(called);
        if paused { Trading::Paused } else { Trading::Resumed }
    }

    /// What a share of YES pays, if the message tells.
    fn determined(&mut self, f: &KalshiFields) -> Result<Option<Price>, Wrong> {
        let value = f.lifecycle.settlement_value;
        let stated = if value.is_absent() { Value::default() } else { value };
        let pays = self.optional(stated, parse_price, "settlement_value is not a decimal")?;
        match pays {
            Some(pays) if pays <= PRICE_ONE => Ok(Some(pays)),
            Some(_) => Err(Wrong::at(value, "settlement_value is not between 0 and 1")),
            None => Ok(match self.text(f.lifecycle.result) {
                b"yes" => Some(PRICE_ONE),
                b"no" => Some(0),
                _ => None,
            }),
        }
    }

    /// New fees of an event's markets, or the end of such an override.
    pub(super) fn fees(&mut self, f: &KalshiFields) -> Result<Body, Wrong> {
        let lifecycle = &f.lifecycle;
        if !is_text(lifecycle.event_ticker) {
            return Err(Wrong::at(lifecycle.event_ticker, "fee update without an event_ticker"));
        }
        if given(lifecycle.fee_type) && !is_text(lifecycle.fee_type) {
            return Err(Wrong::at(lifecycle.fee_type, "fee_type_override is not a name"));
        }
        let what = "fee_multiplier_override is not a decimal";
        let multiplier = self.optional(lifecycle.fee_multiplier, parse_price, what)?;
        Ok(Body::Fees(FeeChange { event: lifecycle.event_ticker, kind: lifecycle.fee_type, multiplier }))
    }

    /// The instrument of a message that must name its market.
    pub(super) fn named(&mut self, ticker: Value) -> Result<InstrumentId, Wrong> {
        if !is_text(ticker) {
            return Err(Wrong::at(ticker, "message without a market ticker"));
        }
        Ok(self.instrument(ticker))
    }
}
