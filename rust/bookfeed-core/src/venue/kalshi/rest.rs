//! REST answers, told apart by their members. Of books only the batch form names its markets, so
//! only that one is read:
//! `{"orderbooks":[{"ticker":…,"orderbook_fp":{"yes_dollars":[…],"no_dollars":[…]}}]}`.
//! What is said of markets, fees and the exchange is read in `listed`.

use super::fields::{Array, Format};
use super::listed::Exchange;
use super::{Decoder, REST_BOOK};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, elements, is_text, members};
use crate::event::{Body, Place, ProofClaim, Snapshot};
use crate::fixed::ABSENT;
use crate::span::Value;

/// One book of the batch.
#[derive(Default)]
struct Entry {
    ticker: Value,
    yes: Option<Array>,
    no: Option<Array>,
}

impl Decoder<'_> {
    pub(super) fn rest(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        let object = cursor.peek() == b'{';
        let begin = cursor.offset();
        let mut exchange = Exchange::default();
        if object {
            members(cursor, |name, cursor| match (name, cursor.peek()) {
                (b"orderbooks", b'[') => {
                    exchange.found = true;
                    elements(cursor, |cursor| self.rest_book(cursor))
                }
                (b"markets", b'[') => {
                    exchange.found = true;
                    elements(cursor, |cursor| self.rest_market(cursor))
                }
                (b"market", b'{') => {
                    exchange.found = true;
                    self.rest_market(cursor)
                }
                (b"event", b'{') => {
                    exchange.found = true;
                    self.rest_fees(cursor, true)
                }
                (b"series", b'{') => {
                    exchange.found = true;
                    self.rest_fees(cursor, false)
                }
                (b"schedule", b'{') => {
                    exchange.found = true;
                    self.rest_schedule(cursor)
                }
                _ => self.rest_exchange(name, cursor, &mut exchange),
            })?;
        } else {
            cursor.skip()?;
        }
        cursor.finish()?;
        if exchange.is_there() {
            self.exchange_said(&exchange);
        } else if !exchange.found {
            self.refuse(Wrong { offset: begin, what: "answer of no known kind" });
        }
        Ok(())
    }

    fn rest_book(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        let mut entry = Entry::default();
        if cursor.peek() != b'{' {
            let offset = cursor.offset();
            cursor.skip()?;
            self.refuse(Wrong { offset, what: "book is not an object" });
            return Ok(());
        }
        members(cursor, |name, cursor| match name {
            b"ticker" => {
                entry.ticker = cursor.scalar()?;
                Ok(())
            }
            b"orderbook_fp" if cursor.peek() == b'{' => self.rest_sides(cursor, &mut entry),
            _ => cursor.skip(),
        })?;
        self.frame.kinds.push(REST_BOOK);
        match self.rest_snapshot(&entry) {
            Ok(snapshot) => {
                let body = Body::Snapshot(snapshot);
                self.push(Place::NONE, entry.ticker, (ABSENT, body));
            }
            Err(wrong) => self.refuse(wrong),
        }
        Ok(())
    }

    fn rest_sides(&mut self, cursor: &mut Cursor, entry: &mut Entry) -> Result<(), JsonError> {
        members(cursor, |name, cursor| {
            match name {
                b"yes_dollars" => entry.yes = self.levels(cursor, Format::Dollars, 0)?,
                b"no_dollars" => entry.no = self.levels(cursor, Format::Dollars, 1)?,
                _ => cursor.skip()?,
            }
            Ok(())
        })
    }

    /// Here an empty side is written out, so one that is missing is an error.
    fn rest_snapshot(&mut self, entry: &Entry) -> Result<Snapshot, Wrong> {
        if !is_text(entry.ticker) {
            return Err(Wrong::at(entry.ticker, "book without a ticker"));
        }
        let missing = Wrong::at(entry.ticker, "book without both sides");
        let (bids, asks) = entry.yes.zip(entry.no).ok_or(missing)?;
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        Ok(Snapshot {
            instrument: self.instrument(entry.ticker),
            symbol: entry.ticker,
            bids: bids.start..bids.end,
            asks: asks.start..asks.end,
            claim: ProofClaim::None,
            asks_cut: false,
            tick_size: None,
            min_order_size: Value::default(),
            hints: [Value::default(); 2],
            market_id: Value::default(),
            requested: true,
            holds_for: None,
        })
    }

    /// What REST answers says nothing against the books of the stream.
    pub(super) fn refuse(&mut self, wrong: Wrong) {
        let body = self.malformed(wrong, None, None);
        self.push(Place::NONE, Value::default(), (ABSENT, body));
    }
}
