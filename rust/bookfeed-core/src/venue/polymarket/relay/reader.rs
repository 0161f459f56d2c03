//! What both relays spell alike: points of a price, alone or many together, and events.

use super::exact::{self, Exact};
use super::forms::{Kind, text};
use super::record::{FLAG_BACKFILL, FLAG_CARRIED, FLAG_DOUBLE, FLAG_ROUNDED, Point, Told, event};
use super::symbols::Symbols;
use super::topics::{MarketStatus, Origin, Topic};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, boolean, elements, given, inside, integer, is_text, members};
use crate::fixed::ABSENT;
use crate::span::{Kind as Token, Value};
use crate::time::{Nanos, SECOND, parse_millis};

/// How far a time may be ahead of its receipt: clocks differ, but not by so much.
const AHEAD_MAX: Nanos = 300 * SECOND;

/// The members of a price, or of many of one symbol.
#[derive(Default)]
struct Members {
    symbol: Value,
    timestamp: Value,
    value: Value,
    exact: Value,
    window_s: Value,
    received_at: Value,
    carried: Value,
    source: Value,
    status: Value,
    data: Value,
}

impl Members {
    fn walk(cursor: &mut Cursor) -> Result<Self, JsonError> {
        let mut found = Self::default();
        members(cursor, |name, cursor| {
            let slot = match name {
                b"symbol" => &mut found.symbol,
                b"timestamp" => &mut found.timestamp,
                b"value" => &mut found.value,
                b"full_accuracy_value" => &mut found.exact,
                b"window_s" | b"window_seconds" => &mut found.window_s,
                b"received_at" => &mut found.received_at,
                b"is_carried_forward" => &mut found.carried,
                b"source" => &mut found.source,
                b"market_status" => &mut found.status,
                b"data" => &mut found.data,
                _ => return cursor.skip(),
            };
            *slot = cursor.scalar()?;
            Ok(())
        })?;
        Ok(found)
    }
}

/// One frame of a relay, and what reading it needs.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) ts_recv: Nanos,
    /// When the relay sent it, or [`ABSENT`].
    pub(super) ts_sent: Nanos,
    pub(super) symbols: &'a mut Symbols,
    pub(super) told: &'a mut Told,
}

impl Reader<'_> {
    /// The text of a string; empty for anything else.
    pub(super) fn text(&self, value: Value) -> Box<str> {
        text(self.bytes, value).filter(|_| is_text(value)).unwrap_or_default()
    }

    /// Milliseconds since 1970; [`ABSENT`] if they are not given.
    pub(super) fn millis(&self, value: Value) -> Result<Nanos, Wrong> {
        if !given(value) {
            return Ok(ABSENT);
        }
        let read = parse_millis(value.text(self.bytes, &mut Vec::new()));
        read.ok_or(Wrong::at(value, "a time that is no milliseconds"))
    }

    /// A cursor in front of an object; what is wrong if it is none.
    pub(super) fn object(&self, value: Value) -> Result<Cursor<'_>, Wrong> {
        let object = value.kind == Token::Other && value.raw(self.bytes).first() == Some(&b'{');
        let cursor = inside(self.bytes, value).filter(|_| object);
        cursor.ok_or(Wrong::at(value, "payload is not an object"))
    }

    /// The points of a payload of `topic`.
    pub(super) fn prices(&mut self, topic: Topic, payload: Value) -> Result<(), Wrong> {
        let unread = Wrong::at(payload, "payload is not an object");
        let head = Members::walk(&mut self.object(payload)?).map_err(|_| unread)?;
        let symbol = self.text(head.symbol).to_ascii_lowercase();
        if !Symbols::allowed(&symbol) {
            return Err(Wrong::at(head.symbol, "price without a symbol"));
        }
        let (topic, window_s) = self.topic(topic, &symbol, head.window_s)?;
        let first = self.told.points.len();
        if given(head.data) {
            self.backfill(topic, &head)?;
        } else {
            let point = self.point(topic, &head, 0)?;
            self.told.points.push(point);
        }
        let full = Wrong::at(head.symbol, "more symbols than are followed");
        let symbol = self.symbols.number(&symbol).ok_or(full)?;
        let origin = self.origin(topic, head.source);
        for point in self.told.points.iter_mut().skip(first) {
            (point.symbol, point.window_s, point.origin) = (symbol, window_s, origin);
        }
        Ok(())
    }

    /// The topic as the symbol shows it, and the seconds its values are means of.
    fn topic(&self, topic: Topic, symbol: &str, window: Value) -> Result<(Topic, u16), Wrong> {
        let stated = integer(self.bytes, window, &mut Vec::new()).and_then(|n| u16::try_from(n).ok());
        let fixed = match topic {
            Topic::CryptoPricesTwapThirty => 30,
            Topic::CryptoPricesTwapSixty => 60,
            Topic::PriceCryptoTwap | Topic::PriceEquityTwap => {
                let wrong = Wrong::at(window, "mean without its window");
                return stated.filter(|&s| s > 0).map(|s| (topic, s)).ok_or(wrong);
            }
            // Backfills of Chainlink come under the name of the other topic.
            Topic::CryptoPrices if symbol.contains('/') => return Ok((Topic::CryptoPricesChainlink, 0)),
            _ => return Ok((topic, 0)),
        };
        if given(window) && stated != Some(fixed) {
            return Err(Wrong::at(window, "mean over another window than its topic's"));
        }
        Ok((topic, fixed))
    }

    fn origin(&self, topic: Topic, source: Value) -> Origin {
        if is_text(source) {
            return Origin::by_name(&self.text(source)).unwrap_or(Origin::Other);
        }
        topic.origin()
    }

    fn backfill(&mut self, topic: Topic, head: &Members) -> Result<(), Wrong> {
        let unread = Wrong::at(head.data, "backfill is not an array of objects");
        let array = head.data.raw(self.bytes).first() == Some(&b'[');
        let mut cursor = inside(self.bytes, head.data).filter(|_| array).ok_or(unread)?;
        let mut wrong = None;
        elements(&mut cursor, |cursor| {
            if cursor.peek() != b'{' {
                wrong = wrong.or(Some(unread));
                return cursor.skip();
            }
            let mut each = Members::walk(cursor)?;
            each.status = head.status;
            match self.point(topic, &each, FLAG_BACKFILL) {
                Ok(point) => self.told.points.push(point),
                Err(error) => wrong = wrong.or(Some(error)),
            }
            Ok(())
        })
        .map_err(|_| unread)?;
        wrong.map_or(Ok(()), Err)
    }

    /// One point; its symbol, window and origin are filled in by whoever knows them.
    fn point(&self, topic: Topic, found: &Members, flags: u8) -> Result<Point, Wrong> {
        let ts_event = self.millis(found.timestamp)?;
        if ts_event == ABSENT {
            return Err(Wrong::at(found.timestamp, "price without a time"));
        }
        if ts_event > self.ts_recv.saturating_add(AHEAD_MAX) {
            return Err(Wrong::at(found.timestamp, "a time far ahead of its receipt"));
        }
        let (exact, double) = self.value(topic, found)?;
        let wrong = Wrong::at(found.value, "price does not fit");
        let (price, rounded) = exact::price(exact.value).ok_or(wrong)?;
        let carried = given(found.carried) && boolean(self.bytes, found.carried) == Some(true);
        let status = self.text(found.status);
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        Ok(Point {
            ts_event,
            ts_sent: self.ts_sent,
            ts_source: self.millis(found.received_at)?,
            value: exact.value,
            price,
            symbol: 0,
            window_s: 0,
            topic,
            origin: Origin::Unknown,
            status: MarketStatus::by_name(&status).unwrap_or(MarketStatus::Unknown),
            flags: flags
                | flag(double, FLAG_DOUBLE)
                | flag(rounded || exact.rounded, FLAG_ROUNDED)
                | flag(carried, FLAG_CARRIED),
        })
    }

    /// The value, exactly where it is given so, and whether it comes of a double.
    ///
    /// Some topics state it in whole 1e-18, others as a decimal; of the two readings the one counts
    /// that is the number beside it, so that nothing of another scale gets through.
    fn value(&self, topic: Topic, found: &Members) -> Result<(Exact, bool), Wrong> {
        let number = |value: Value| matches!(value.kind, Token::Number | Token::Text | Token::Escaped);
        let mut scratch = Vec::new();
        let double = if given(found.value) {
            let wrong = Wrong::at(found.value, "value is no number that fits");
            let read = exact::decimal(found.value.text(self.bytes, &mut scratch));
            Some(read.filter(|_| number(found.value)).ok_or(wrong)?)
        } else {
            None
        };
        if found.exact.is_absent() {
            let missing = Wrong::at(found.value, "price without a value");
            return double.map(|double| (double, true)).ok_or(missing);
        }
        let mut scratch = Vec::new();
        let text = found.exact.text(self.bytes, &mut scratch);
        let whole = matches!(
            topic,
            Topic::CryptoPricesChainlink | Topic::CryptoPricesTwapThirty | Topic::CryptoPricesTwapSixty
        );
        let readings = [exact::decimal(text), exact::whole(text)];
        let mut readings: Vec<Exact> = readings.into_iter().flatten().collect();
        if whole {
            readings.reverse();
        }
        let fits = |read: &Exact| double.is_none_or(|double| exact::agree(read.value, double.value));
        let wrong = Wrong::at(found.exact, "full_accuracy_value is not the value beside it");
        let read = readings.into_iter().find(fits).filter(|_| number(found.exact));
        read.map(|exact| (exact, false)).ok_or(wrong)
    }

    /// An event of a payload, its time in the member `time` if it is there.
    pub(super) fn event(
        &mut self,
        kind: Kind,
        (topic, of_type): (&str, &str),
        payload: Value,
        ts_event: Nanos,
    ) -> Result<(), Wrong> {
        let unread = Wrong::at(payload, "payload is not an object");
        let found = kind.walk(&mut self.object(payload)?).map_err(|_| unread)?;
        let mut made = event(kind, topic, of_type, self.ts_sent);
        made.ts_event = ts_event;
        let read = kind.read(self.bytes, &found, &mut made.fields);
        read.map_err(|(offset, what)| Wrong { offset, what })?;
        self.told.events.push(made);
        Ok(())
    }

    /// The time in a member of an object, in seconds or milliseconds by its size.
    pub(super) fn time_in(&self, payload: Value, member: &[u8]) -> Result<Nanos, Wrong> {
        let unread = Wrong::at(payload, "payload is not an object");
        let mut time = Value::default();
        members(&mut self.object(payload)?, |name, cursor| {
            if name == member {
                time = cursor.scalar()?;
                return Ok(());
            }
            cursor.skip()
        })
        .map_err(|_| unread)?;
        if !given(time) || time.is_absent() {
            return Ok(ABSENT);
        }
        let wrong = Wrong::at(time, "a time that is neither seconds nor milliseconds");
        let number = integer(self.bytes, time, &mut Vec::new()).ok_or(wrong)?;
        let number = i64::try_from(number).map_err(|_| wrong)?;
        // Seconds until the year 5138; milliseconds are larger since 1973.
        let unit = if number < 100_000_000_000 { SECOND } else { SECOND / 1_000 };
        number.checked_mul(unit).ok_or(wrong)
    }
}
