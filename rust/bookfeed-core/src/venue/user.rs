//! A user's own prices: no venue, but quotes that the program which runs the engine states.
//!
//! A frame is one object, a whole quote: `symbol`, `bid` and `ask`, each `null` or
//! `["price","qty"]` in plain decimal text, and `max_age_ns`, how long from its receipt the quote
//! holds. Members come in any order. There is nothing that could be missing between two quotes,
//! and nothing that proves one; so nothing but the next quote keeps a book live.

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, NoLevel, Reader, Wrong, is_text};
use crate::decode::{Payload, Source, Tally};
use crate::event::{Body, Frame, Level, Place, ProofClaim, Snapshot};
use crate::fixed::{ABSENT, Price};
use crate::instrument::{InstrumentId, Instruments, Venue};
use crate::span::{Kind, Value};
use crate::time::{Nanos, SECOND};
use std::ops::Range;

/// Message types, in order of their counters.
pub const MESSAGE_NAMES: [&str; 1] = ["quote"];
const QUOTE: u8 = 0;

/// Longest time a quote may be stated to hold: what eighteen digits can say.
const MAX_AGE: Nanos = 1_000_000_000 * SECOND - 1;

/// The members of a quote.
#[derive(Default)]
struct Quote {
    symbol: Value,
    bid: Value,
    ask: Value,
    max_age: Value,
}

struct Decoder<'a>(Reader<'a>);

/// Decodes one payload; see [`crate::decode::Decode`].
///
/// # Errors
/// [`JsonError`] if it is not JSON.
pub fn decode(
    payload: &Payload,
    instruments: &Instruments,
    frame: &mut Frame,
    tally: &mut Tally,
) -> Result<(), JsonError> {
    frame.clear();
    let bytes = payload.bytes;
    let mut cursor = Cursor::new(bytes)?;
    let mut decoder =
        Decoder(Reader { bytes, venue: Venue::USER, instruments, frame, fast: payload.fast });
    if payload.source == Source::Rest {
        decoder.0.frame.kinds.push(QUOTE);
        decoder.0.no_rest(&mut cursor)?;
        tally.count(&frame.kinds);
        return Ok(());
    }
    let mut quote = Quote::default();
    let offset = {
        cursor.peek();
        cursor.offset()
    };
    let object = cursor.peek() == b'{';
    if object {
        read::members(&mut cursor, |name, cursor| {
            match name {
                b"symbol" => quote.symbol = cursor.scalar()?,
                b"bid" => quote.bid = cursor.scalar()?,
                b"ask" => quote.ask = cursor.scalar()?,
                b"max_age_ns" => quote.max_age = cursor.scalar()?,
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
    } else {
        cursor.skip()?;
    }
    cursor.finish()?;
    let body = if object {
        let read = decoder.quote(&quote)?;
        read.unwrap_or_else(|wrong| decoder.0.broken_book(quote.symbol, wrong))
    } else {
        let wrong = Wrong { offset, what: "frame is not an object" };
        decoder.0.broken_book(Value::default(), wrong)
    };
    decoder.0.frame.kinds.push(QUOTE);
    decoder.0.push(Place::NONE, Value::default(), ABSENT, body);
    tally.count(&frame.kinds);
    Ok(())
}

impl Decoder<'_> {
    /// A whole book of at most one level a side, and how long it holds.
    fn quote(&mut self, quote: &Quote) -> Result<Result<Body, Wrong>, JsonError> {
        if !is_text(quote.symbol) {
            return Ok(Err(Wrong::at(quote.symbol, "quote without a symbol")));
        }
        let instrument = self.0.instrument(quote.symbol);
        let mut sides = [0..0, 0..0];
        for (range, side) in sides.iter_mut().zip([quote.bid, quote.ask]) {
            match self.side(side, instrument)? {
                Ok(read) => *range = read,
                Err(wrong) => return Ok(Err(wrong)),
            }
        }
        let [bids, asks] = sides;
        let age = if quote.max_age.kind == Kind::Number { self.0.integer(quote.max_age) } else { None };
        let age = age.and_then(|ns| Nanos::try_from(ns).ok());
        let Some(holds_for) = age.filter(|age| (1..=MAX_AGE).contains(age)) else {
            let what = "max_age_ns is missing or not a whole number from 1 to 10^18 - 1";
            return Ok(Err(Wrong::at(quote.max_age, what)));
        };
        Ok(Ok(Body::Snapshot(Snapshot {
            instrument,
            symbol: quote.symbol,
            bids,
            asks,
            claim: ProofClaim::None,
            asks_cut: false,
            tick_size: None,
            min_order_size: Value::default(),
            hints: [Value::default(); 2],
            market_id: Value::default(),
            requested: false,
            holds_for: Some(holds_for),
        })))
    }

    /// The level of a side, if it has one. A contract is quoted below what it pays.
    fn side(
        &mut self,
        side: Value,
        instrument: InstrumentId,
    ) -> Result<Result<Range<usize>, Wrong>, JsonError> {
        let start = self.0.frame.levels.len();
        match side.kind {
            Kind::Null => return Ok(Ok(start..start)),
            Kind::Missing => return Ok(Err(Wrong::at(side, "quote without a side: state it as null"))),
            _ => {}
        }
        let wrong = |what| Ok(Err(Wrong::at(side, what)));
        let Some(level) = self.level(side)? else {
            return wrong("a side is null or [\"price\",\"qty\"]");
        };
        let about = self.0.instruments.at(instrument);
        let payout = about.map_or(Venue::USER.row().payout, |about| about.payout);
        match level {
            Ok(level) if level.qty == 0 => wrong("quantity is zero: state the side as null"),
            Ok(level) if payout.is_some_and(|most: Price| level.price >= most) => {
                wrong("price is not below what the contract pays")
            }
            Ok(level) => {
                self.0.frame.levels.push(level);
                Ok(Ok(start..start + 1))
            }
            Err(NoLevel::TooHigh) => wrong("price is too high"),
            Err(NoLevel::Wrong(what)) => wrong(what),
        }
    }

    /// An array of two strings; `None` if it is none.
    fn level(&mut self, side: Value) -> Result<Option<Result<Level, NoLevel>>, JsonError> {
        let array = side.kind == Kind::Other && side.raw(self.0.bytes).first() == Some(&b'[');
        let cursor = read::inside(self.0.bytes, side).filter(|_| array);
        let Some(mut cursor) = cursor else { return Ok(None) };
        let (mut parts, mut count) = ([Value::default(); 2], 0);
        read::elements(&mut cursor, |cursor| {
            let part = cursor.scalar()?;
            if let Some(slot) = parts.get_mut(count) {
                *slot = part;
            }
            count += 1;
            Ok(())
        })?;
        let [price, qty] = parts;
        let texts = is_text(price) && is_text(qty);
        Ok((count == 2 && texts).then(|| self.0.level(price, qty)))
    }
}
