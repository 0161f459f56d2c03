//! News of markets: the venue's touch, trades, pauses, closing times, results, fees.

use super::fields::KalshiFields;
use super::{Decoder, FEE_UPDATE};
use crate::decode::read::{Wrong, given, is_probability, is_text};
use crate::event::{Aggressor, Body, Claim, FeeChange, Trade, Trading, Unclear, Whose};
use crate::fixed::{ABSENT, PRICE_ONE, Price, parse_price};
use crate::instrument::InstrumentId;
use crate::span::{Kind, Value};

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
            id: f.trade_id,
            id_shared: false,
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
        let lifecycle = &f.lifecycle;
        if self.harmless(f) {
            return Ok(Body::News);
        }
        let instrument = self.named(f.market_ticker)?;
        let trading = match self.text(lifecycle.event_type) {
            b"activated" => self.switched(f, Some(false))?,
            b"deactivated" => self.switched(f, Some(true))?,
            b"close_date_updated" => {
                let wrong = Wrong::at(lifecycle.close_ts, "close_ts is not a time");
                Some(Trading::ClosesAt(self.moment(lifecycle.close_ts).ok_or(wrong)?))
            }
            b"determined" => Some(Trading::Determined(self.determined(f))),
            // It was determined before, whether or not we heard of that.
            b"settled" => Some(Trading::Determined(ABSENT)),
            b"" => return Err(Wrong::at(lifecycle.event_type, "news without an event_type")),
            _ => self.switched(f, None)?,
        };
        Ok(trading.map_or(Body::News, |trading| Body::Trading(instrument, trading)))
    }

    /// Whether the news is of a kind that changes nothing here, whosever it is.
    fn harmless(&mut self, f: &KalshiFields) -> bool {
        const KINDS: [&[u8]; 4] = [
            b"created",
            b"metadata_updated",
            b"price_level_structure_updated",
            b"fractional_trading_updated",
        ];
        KINDS.contains(&self.text(f.lifecycle.event_type)) && !given(f.lifecycle.is_deactivated)
    }

    /// Whether a market is paused: if the news is called so, or `is_deactivated` says so.
    fn switched(&self, f: &KalshiFields, called: Option<bool>) -> Result<Option<Trading>, Wrong> {
        let value = f.lifecycle.is_deactivated;
        let said = self.boolean(value);
        if said.is_none() && given(value) {
            return Err(Wrong::at(value, "is_deactivated is not true or false"));
        }
        if said.is_none() && called.is_none() {
            return Ok(None);
        }
        let paused = said == Some(true) || called == Some(true);
        Ok(Some(if paused { Trading::Paused } else { Trading::Resumed }))
    }

    /// What a share of YES pays; [`ABSENT`] if the message does not tell, or not in a way that can be
    /// read. Either way the market is decided.
    fn determined(&mut self, f: &KalshiFields) -> Price {
        let value = f.lifecycle.settlement_value;
        if !value.is_absent() {
            let pays = self.decimal(value, parse_price).map(|pays| pays.value);
            return pays.filter(|&pays| pays <= PRICE_ONE).unwrap_or(ABSENT);
        }
        match self.text(f.lifecycle.result) {
            b"yes" => PRICE_ONE,
            b"no" => 0,
            _ => ABSENT,
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
        let missing = |value: Value| value.kind == Kind::Missing;
        if missing(lifecycle.fee_type) && missing(lifecycle.fee_multiplier) {
            return Err(Wrong::at(lifecycle.event_ticker, "fee update without fees"));
        }
        let what = "fee_multiplier_override is not a decimal";
        let multiplier = self.optional(lifecycle.fee_multiplier, parse_price, what)?;
        Ok(Body::Fees(FeeChange { event: lifecycle.event_ticker, kind: lifecycle.fee_type, multiplier }))
    }

    /// News that cannot be read, and whose it may be.
    #[cold]
    pub(super) fn unclear(&mut self, f: &KalshiFields, kind: u8, wrong: Wrong) -> Body {
        let (event, ticker) = (f.lifecycle.event_ticker, f.market_ticker);
        let whose = if kind == FEE_UPDATE && is_text(event) {
            Whose::Event(event)
        } else if kind != FEE_UPDATE && is_text(ticker) {
            Whose::Market(self.instrument(ticker))
        } else {
            Whose::Any
        };
        Body::Unclear(Unclear { whose, offset: wrong.offset, what: wrong.what })
    }

    /// The instrument of a message that must name its market.
    pub(super) fn named(&mut self, ticker: Value) -> Result<InstrumentId, Wrong> {
        if !is_text(ticker) {
            return Err(Wrong::at(ticker, "message without a market ticker"));
        }
        Ok(self.instrument(ticker))
    }
}
