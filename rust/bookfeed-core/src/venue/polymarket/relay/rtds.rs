//! The real-time data socket: prices, activity, comments, and topics that are retired, which
//! recordings hold.

use super::forms::Kind;
use super::reader::Reader;
use super::record::{FieldValue, Told, event};
use super::symbols::Symbols;
use super::topics::Topic;
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, elements, given, inside, members};
use crate::fixed::ABSENT;
use crate::span::Value;
use crate::time::Nanos;

/// The members of a frame.
#[derive(Default)]
struct Envelope {
    topic: Value,
    of_type: Value,
    timestamp: Value,
    payload: Value,
    status: Value,
    body: Value,
    message: Value,
}

/// Reads a frame.
///
/// # Errors
/// [`JsonError`] if it is not JSON; the other result is what is wrong with a well-formed one.
pub(super) fn decode(
    bytes: &[u8],
    ts_recv: Nanos,
    symbols: &mut Symbols,
    told: &mut Told,
) -> Result<Result<(), Wrong>, JsonError> {
    let mut cursor = Cursor::new(bytes)?;
    let mut found = Envelope::default();
    cursor.peek();
    let offset = cursor.offset();
    let object = cursor.peek() == b'{';
    if object {
        members(&mut cursor, |name, cursor| {
            let slot = match name {
                b"topic" => &mut found.topic,
                b"type" => &mut found.of_type,
                b"timestamp" => &mut found.timestamp,
                b"payload" => &mut found.payload,
                b"statusCode" => &mut found.status,
                b"body" => &mut found.body,
                b"message" => &mut found.message,
                _ => return cursor.skip(),
            };
            *slot = cursor.scalar()?;
            Ok(())
        })?;
    } else {
        cursor.skip()?;
    }
    cursor.finish()?;
    if !object {
        return Ok(Err(Wrong { offset, what: "frame is not an object" }));
    }
    let mut reader = Reader { bytes, ts_recv, ts_sent: ABSENT, symbols, told };
    Ok(reader.message(&found))
}

impl Reader<'_> {
    fn message(&mut self, found: &Envelope) -> Result<(), Wrong> {
        if !given(found.payload) {
            return self.refusal(found);
        }
        self.ts_sent = self.millis(found.timestamp)?;
        let (name, of_type) = (self.text(found.topic), self.text(found.of_type));
        let payload = found.payload;
        let about = (name.as_ref(), of_type.as_ref());
        let Some(topic) = Topic::by_name(&name) else {
            // Activity was seen without topic and type.
            if name.is_empty() && self.is_trade(payload) {
                let ts = self.time_in(payload, b"timestamp")?;
                return self.event(Kind::ActivityTrade, ("activity", ""), payload, ts);
            }
            self.told.unknown = true;
            return Ok(());
        };
        let kind = match (topic, of_type.as_ref()) {
            (
                Topic::CryptoPrices
                | Topic::CryptoPricesChainlink
                | Topic::CryptoPricesTwapThirty
                | Topic::CryptoPricesTwapSixty
                | Topic::EquityPrices,
                _,
            ) => return self.prices(topic, payload),
            (Topic::Activity, _) => Kind::ActivityTrade,
            (Topic::Comments, of) if of.starts_with("comment_") => Kind::Comment,
            (Topic::Comments, of) if of.starts_with("reaction_") => Kind::Reaction,
            (Topic::Rfq, of) if of.starts_with("request_") => Kind::QuoteRequest,
            (Topic::Rfq, of) if of.starts_with("quote_") => Kind::RequestedQuote,
            (Topic::ClobMarket, "price_change") => return self.level_changes(about, payload),
            (Topic::ClobMarket, "agg_orderbook") => Kind::Book,
            (Topic::ClobMarket, "last_trade_price") => Kind::LastTrade,
            (Topic::ClobMarket, "tick_size_change") => Kind::TickSize,
            (Topic::ClobMarket, "market_created" | "market_resolved") => Kind::MarketNews,
            (Topic::ClobUser, "order") => Kind::OwnOrder,
            (Topic::ClobUser, "trade") => Kind::OwnTrade,
            _ => {
                self.told.unknown = true;
                return Ok(());
            }
        };
        let ts_event = self.time_in(payload, b"timestamp")?;
        self.event(kind, about, payload, ts_event)
    }

    /// Whether a payload has what only trades have.
    fn is_trade(&self, payload: Value) -> bool {
        let mut found = 0;
        let Ok(mut cursor) = self.object(payload) else { return false };
        let walked = members(&mut cursor, |name, cursor| {
            found += u8::from(matches!(name, b"asset" | b"conditionId" | b"transactionHash"));
            cursor.skip()
        });
        walked.is_ok() && found == 3
    }

    /// A message without a payload: an error, or nothing that is known.
    fn refusal(&mut self, found: &Envelope) -> Result<(), Wrong> {
        let mut said = found.message;
        if given(found.body) {
            let unread = Wrong::at(found.body, "body is not an object");
            members(&mut self.object(found.body)?, |name, cursor| {
                if name == b"message" {
                    said = cursor.scalar()?;
                    return Ok(());
                }
                cursor.skip()
            })
            .map_err(|_| unread)?;
        }
        if !given(said) && !given(found.status) {
            self.told.unknown = true;
            return Ok(());
        }
        let said = self.text(said);
        let (topic, of_type) = refused_topic(&said).unwrap_or_default();
        let mut made = event(Kind::Refused, topic, of_type, ABSENT);
        let code = super::forms::text(self.bytes, found.status);
        let code = code.filter(|_| given(found.status)).map_or(FieldValue::Absent, FieldValue::Text);
        made.fields.extend([code, FieldValue::Absent, FieldValue::Text(said)]);
        self.told.events.push(made);
        Ok(())
    }

    /// Every entry of a retired message about levels.
    fn level_changes(&mut self, about: (&str, &str), payload: Value) -> Result<(), Wrong> {
        let unread = Wrong::at(payload, "payload is not an object with changes");
        let ts_event = self.time_in(payload, b"t")?;
        let mut changes = Value::default();
        members(&mut self.object(payload)?, |name, cursor| {
            if name == b"pc" {
                changes = cursor.scalar()?;
                return Ok(());
            }
            cursor.skip()
        })
        .map_err(|_| unread)?;
        let array = changes.raw(self.bytes).first() == Some(&b'[');
        let mut cursor = inside(self.bytes, changes).filter(|_| array).ok_or(unread)?;
        let mut entries = Vec::new();
        elements(&mut cursor, |cursor| {
            entries.push(cursor.scalar()?);
            Ok(())
        })
        .map_err(|_| unread)?;
        entries.into_iter().try_for_each(|entry| self.level_change(about, entry, ts_event))
    }

    /// Which of two members is the side and which the size is told by what they hold: both
    /// spellings are on record.
    fn level_change(
        &mut self,
        (topic, of_type): (&str, &str),
        entry: Value,
        ts_event: Nanos,
    ) -> Result<(), Wrong> {
        const SIZE: usize = 2;
        const SIDE: usize = 3;
        let unread = Wrong::at(entry, "entry is not an object");
        let mut found = Kind::LevelChange.walk(&mut self.object(entry)?).map_err(|_| unread)?;
        if found.get(SIZE).is_some_and(|&size| matches!(self.text(size).as_ref(), "BUY" | "SELL")) {
            found.swap(SIZE, SIDE);
        }
        let mut made = event(Kind::LevelChange, topic, of_type, self.ts_sent);
        made.ts_event = ts_event;
        let read = Kind::LevelChange.read(self.bytes, &found, &mut made.fields);
        read.map_err(|(offset, what)| Wrong { offset, what })?;
        self.told.events.push(made);
        Ok(())
    }
}

/// The topic and type that an error names: `topic: <topic> and type: <type> not found`.
fn refused_topic(said: &str) -> Option<(&str, &str)> {
    let (_, rest) = said.split_once("topic: ")?;
    let (topic, rest) = rest.split_once(" and type: ")?;
    let end = rest.find([' ', ','])?;
    Some((topic, rest.get(..end)?))
}
