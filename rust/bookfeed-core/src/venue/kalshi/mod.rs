//! Kalshi's WebSocket of version 2, in its three historical number formats, and REST books.
//!
//! A frame is one object: an envelope (`type`, `sid`, `seq`, `id`) around a `msg`. Members come
//! in any order, `msg` before `type` too, so what matters is collected first (`fields`) and
//! understood when the frame has proved to be JSON. The place in the numbered stream is read
//! from every message before its type is looked at: replies and news take numbers as well.
//!
//! Everything is stated in YES terms. A market has one book: its bids are the `yes` ladder,
//! its asks the `no` ladder, which holds bids for NO.

mod book;
mod fields;
mod hours;
mod index;
mod listed;
mod market;
mod own;
mod plain;
mod reply;
mod rest;

use crate::decode::broken::{Broken, heard};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, Wrong, given, is_text};
use crate::decode::{Mode, Payload, Source, Tally, stamp};
use crate::event::{Body, Frame, Message, Place};
use crate::fixed::{ABSENT, Decimal, DecimalError};
use crate::instrument::{Instrument, InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::Nanos;
use fields::{Envelope, KalshiFields};
pub(crate) use hours::pauses;

/// Message types, in order of their counters. The commonest come first: a type is looked for
/// in this order.
pub const MESSAGE_NAMES: [&str; 29] = [
    "orderbook_delta",
    "ticker",
    "trade",
    "orderbook_snapshot",
    "cfbenchmarks_value",
    "cfbenchmarks_value_5hz",
    "pyth_value",
    "market_lifecycle_v2",
    "multivariate_market_lifecycle",
    "event_lifecycle",
    "event_fee_update",
    "subscribed",
    "ok",
    "unsubscribed",
    "error",
    "fill",
    "user_order",
    "market_position",
    "cfbenchmarks_value_indexlist",
    "cfbenchmarks_value_5hz_indexlist",
    "pyth_value_underlying_list",
    "order_group_updates",
    "rfq_created",
    "rfq_deleted",
    "quote_created",
    "quote_accepted",
    "quote_executed",
    "rest_book",
    "untyped",
];
const DELTA: u8 = 0;
const TICKER: u8 = 1;
const TRADE: u8 = 2;
const SNAPSHOT: u8 = 3;
const CF_VALUE: u8 = 4;
const CF_VALUE_5HZ: u8 = 5;
const PYTH_VALUE: u8 = 6;
const LIFECYCLE: u8 = 7;
const COMBO_LIFECYCLE: u8 = 8;
const FEE_UPDATE: u8 = 10;
const SUBSCRIBED: u8 = 11;
const OK: u8 = 12;
const UNSUBSCRIBED: u8 = 13;
const ERROR: u8 = 14;
const FILL: u8 = 15;
const USER_ORDER: u8 = 16;
const POSITION: u8 = 17;
const REST_BOOK: u8 = 27;
const UNTYPED: u8 = 28;

/// The mode in which prices of the `no` side are stated as YES prices.
pub(crate) const YES_PRICES: &str = "use_yes_price";

/// The channels that carry news of markets.
pub(crate) const NEWS_CHANNELS: [&str; 2] = ["market_lifecycle_v2", "multivariate_market_lifecycle"];

/// The channel with the news of a market: combos have one of their own.
pub(crate) fn news_channel(ticker: &str) -> &'static str {
    NEWS_CHANNELS[usize::from(ticker.starts_with("KXMVE"))]
}

/// What a message asks for, and its time by the venue.
type Understood = (Nanos, Result<Body, Wrong>);

struct Decoder<'a> {
    bytes: &'a [u8],
    instruments: &'a Instruments,
    frame: &'a mut Frame,
    /// Whether prices of the `no` ladder are YES prices already.
    yes_prices: bool,
    /// As in [`Payload`].
    fast: bool,
}

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
    let mut cursor = Cursor::new(payload.bytes)?;
    // A REST book states NO prices, whatever was agreed for the stream.
    let yes_prices = payload.mode != Mode::default() && payload.source == Source::Stream;
    let fast = payload.fast;
    let mut decoder = Decoder { bytes: payload.bytes, instruments, frame, yes_prices, fast };
    match payload.source {
        Source::Stream => decoder.stream(&mut cursor, tally)?,
        Source::Rest => decoder.rest(&mut cursor)?,
    }
    tally.count(&frame.kinds);
    Ok(())
}

/// Broken news of a market that nobody subscribed, which still takes its number; see
/// [`crate::decode::ReadBroken`].
#[cold]
pub fn read_broken(payload: &Payload, instruments: &Instruments) -> Option<Message> {
    let broken = Broken::object(payload.bytes)?;
    let kind = broken.name("type")?;
    let news = NEWS_CHANNELS.iter().any(|channel| channel.as_bytes() == kind);
    broken.name("market_ticker").filter(|_| news)?;
    let number = |name| {
        let value = broken.member(name).filter(|value| value.kind == Kind::Number)?;
        read::integer(payload.bytes, value, &mut Vec::new()).filter(|&n| n > 0)
    };
    let (sid, seq) = (u32::try_from(number("sid")?).ok()?, number("seq")?);
    let known = broken.names_any(Venue::KALSHI, instruments);
    (!known).then(|| heard(Place::one(sid, seq), Body::News))
}

impl Decoder<'_> {
    fn stream(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        cursor.peek();
        let begin = cursor.offset();
        if self.fast && self.plain(cursor).is_some() {
            return cursor.finish();
        }
        cursor.rewind(begin);
        self.any(cursor, tally)
    }

    /// Any frame, in any spelling.
    #[inline(never)]
    fn any(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            let wrong = Wrong { offset: cursor.offset(), what: "frame is not an object" };
            cursor.skip()?;
            cursor.finish()?;
            let body = self.malformed(wrong, Some(UNKNOWN), None);
            self.push(Place::NONE, Value::default(), (ABSENT, body));
            return Ok(());
        }
        let mut envelope = Envelope::default();
        self.envelope(cursor, &mut envelope)?;
        cursor.finish()?;
        self.understand(&envelope, tally);
        Ok(())
    }

    /// Turns a collected frame into messages, by `type`.
    fn understand(&mut self, e: &Envelope, tally: &mut Tally) {
        let f = &e.fields;
        self.frame.ts_sent = self.millis(e.sending_ts_ms);
        let place = self.place(e);
        let Some(kind) = self.kind(e, tally) else {
            return self.push(place, f.market_ticker, (ABSENT, Body::Unknown));
        };
        self.frame.kinds.push(kind);
        let (ts_event, body) = match kind {
            DELTA => (self.time(f), self.delta(f, place)),
            TICKER => (self.time(f), self.ticker(f)),
            TRADE => (self.time(f), self.trade(f)),
            SNAPSHOT => (ABSENT, self.snapshot(e, place)),
            CF_VALUE | CF_VALUE_5HZ | PYTH_VALUE => self.index(f, kind),
            LIFECYCLE | COMBO_LIFECYCLE => (ABSENT, self.lifecycle(f)),
            FEE_UPDATE => (ABSENT, self.fees(f)),
            SUBSCRIBED | OK | UNSUBSCRIBED | ERROR => return self.reply(e, place, kind),
            FILL => (self.time(f), self.fill(f)),
            USER_ORDER => (self.order_time(f), self.order(f)),
            POSITION => (ABSENT, self.position(f)),
            UNTYPED => (ABSENT, Self::untyped(f)),
            _ => (ABSENT, Ok(Body::Nothing)),
        };
        let news = matches!(kind, LIFECYCLE | COMBO_LIFECYCLE | FEE_UPDATE);
        let body = body.unwrap_or_else(|wrong| {
            if news {
                return self.unclear(f, kind, wrong);
            }
            let about_a_book = matches!(kind, DELTA | SNAPSHOT | UNTYPED);
            let book = about_a_book.then(|| self.instrument(f.market_ticker));
            let second = book.filter(|&id| id != UNKNOWN).and_then(|_| self.by_market_id(f.market_id));
            self.malformed(wrong, book, second)
        });
        let market = if kind == USER_ORDER { f.ticker } else { f.market_ticker };
        self.push(place, market, (ts_event, body));
    }

    /// The number of the message's type; `None` if it is not known, which is counted.
    fn kind(&mut self, e: &Envelope, tally: &mut Tally) -> Option<u8> {
        if !is_text(e.kind) {
            return Some(UNTYPED);
        }
        let name = e.kind.text(self.bytes, &mut self.frame.scratch);
        let kind = (0..REST_BOOK).zip(MESSAGE_NAMES).find(|(_, n)| n.as_bytes() == name);
        if kind.is_none() {
            tally.count_unknown(name);
        }
        kind.map(|(kind, _)| kind)
    }

    /// A message without a type is no news to act on, unless it carries a book, which must not
    /// be lost quietly.
    fn untyped(f: &KalshiFields) -> Result<Body, Wrong> {
        if f.speaks_of_a_book() {
            return Err(Wrong::at(f.market_ticker, "levels without a type"));
        }
        Ok(Body::Unknown)
    }

    /// Where the message stands. What is missing, or no number, is 0.
    fn place(&mut self, e: &Envelope) -> Place {
        let sid = self.integer(e.sid).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        Place::one(sid, self.integer(e.seq).unwrap_or(0))
    }

    fn push(&mut self, place: Place, market: Value, (ts_event, body): (Nanos, Body)) {
        self.frame.messages.push(Message { ts_event, market, place, body });
    }

    /// Records that a message cannot be trusted, and the book it may have been about: `None`
    /// for none, `UNKNOWN` for any. Where its second name is that of another, it may have been
    /// about either.
    #[cold]
    fn malformed(
        &mut self,
        wrong: Wrong,
        book: Option<InstrumentId>,
        second: Option<InstrumentId>,
    ) -> Body {
        let first = book.filter(|&id| id != UNKNOWN);
        let other = second.filter(|&id| book != Some(id));
        let books = first.into_iter().chain(other);
        self.frame.malformed(books, book == Some(UNKNOWN), wrong.offset, wrong.what)
    }

    // Values.

    /// The instrument of a market ticker, or `UNKNOWN`: tickers are never guessed at.
    #[inline]
    fn instrument(&mut self, ticker: Value) -> InstrumentId {
        if !is_text(ticker) {
            return UNKNOWN;
        }
        let text = ticker.text(self.bytes, &mut self.frame.scratch);
        self.instruments.find(Venue::KALSHI, text).unwrap_or(UNKNOWN)
    }

    /// The instrument that is known by this second name.
    #[cold]
    fn by_market_id(&mut self, market_id: Value) -> Option<InstrumentId> {
        let instruments = self.instruments;
        let wanted = self.text(market_id);
        let same = |i: &Instrument| {
            i.venue == Venue::KALSHI && i.market_id.as_deref().is_some_and(|id| id.as_bytes() == wanted)
        };
        instruments.iter().find(|(_, i)| same(i)).map(|(id, _)| id)
    }

    /// The text of a string; empty for anything else.
    #[inline]
    fn text(&mut self, value: Value) -> &[u8] {
        read::text(self.bytes, value, &mut self.frame.scratch)
    }

    /// A decimal given as a string or a number; `None` if it is neither, or refused.
    #[inline]
    fn decimal(
        &mut self,
        value: Value,
        parse: impl Fn(&[u8]) -> Result<Decimal, DecimalError>,
    ) -> Option<Decimal> {
        read::decimal(self.bytes, value, &mut self.frame.scratch, parse)
    }

    /// A whole number that is not negative.
    #[inline]
    fn integer(&mut self, value: Value) -> Option<u64> {
        read::integer(self.bytes, value, &mut self.frame.scratch)
    }

    /// A decimal that may be left out; `Err` if it is there and refused.
    fn optional(
        &mut self,
        value: Value,
        parse: impl Fn(&[u8]) -> Result<Decimal, DecimalError>,
        what: &'static str,
    ) -> Result<Option<i64>, Wrong> {
        if !given(value) {
            return Ok(None);
        }
        self.decimal(value, parse).map(|d| Some(d.value)).ok_or(Wrong::at(value, what))
    }

    /// `true` or `false`; `None` for anything else.
    fn boolean(&self, value: Value) -> Option<bool> {
        read::boolean(self.bytes, value)
    }

    /// The venue's time of a message: `ts_ms`, or `ts` in one of its two older forms.
    fn time(&mut self, f: &KalshiFields) -> Nanos {
        self.millis(f.ts_ms).or_else(|| self.moment(f.ts)).unwrap_or(ABSENT)
    }

    /// Milliseconds, as a number or a string.
    fn millis(&mut self, value: Value) -> Option<Nanos> {
        let known = matches!(value.kind, Kind::Text | Kind::Escaped | Kind::Number);
        let text = value.text(self.bytes, &mut self.frame.scratch);
        crate::time::parse_millis(text).filter(|_| known)
    }

    /// A moment as text (RFC 3339), or as a number of seconds.
    fn moment(&mut self, value: Value) -> Option<Nanos> {
        match value.kind {
            Kind::Text | Kind::Escaped => stamp::parse(self.text(value)),
            Kind::Number => stamp::seconds(value.raw(self.bytes)),
            Kind::Missing | Kind::Null | Kind::Other => None,
        }
    }
}
