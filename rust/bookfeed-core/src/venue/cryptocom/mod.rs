//! Crypto.com's WebSocket of the Exchange, version 1, market data.
//!
//! A frame is one object: news of a subscription, which stands in `result`, or an answer to a
//! `method`; the venue's own question whether we are there is one of those. `data` is an array of
//! entries. A book begins with a whole one of so many levels a side; each change after that says at
//! which update the book stands (`u`) and at which it stood when the message before it was sent
//! (`pu`), so that a missing message shows with the next. A change of nothing is a sign of life.
//!
//! Members come in any order, `data` before `channel` too, so `data` is walked when the frame has
//! proved to be JSON and the rest is known.

mod plain;

use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, Reader, Wrong, Zero, given, is_text};
use crate::decode::{Payload, Source, Tally, stamp};
use crate::event::{Aggressor, Body, Frame, Levels, Place, ProofClaim, Reply, ReplyKind, Side, Trade};
use crate::fixed::ABSENT;
use crate::instrument::{Instruments, UNKNOWN, Venue};
use crate::span::Value;
use crate::time::Nanos;

/// Message types, in order of their counters. An entry of a book or a trade counts as a message.
pub const MESSAGE_NAMES: [&str; 11] = [
    "book",
    "book.update",
    "trade",
    "ticker",
    "other",
    "public/heartbeat",
    "subscribed",
    "unsubscribed",
    "reply",
    "error",
    "untyped",
];
const BOOK: u8 = 0;
const UPDATE: u8 = 1;
const TRADE: u8 = 2;
const TICKER: u8 = 3;
const OTHER: u8 = 4;
const HEARTBEAT: u8 = 5;
const SUBSCRIBED: u8 = 6;
const UNSUBSCRIBED: u8 = 7;
const REPLY: u8 = 8;
const ERROR: u8 = 9;
const UNTYPED: u8 = 10;

/// How subscriptions to books begin.
const BOOKS: &[u8] = b"book";

/// The members of a frame.
#[derive(Default)]
struct Envelope {
    id: Value,
    method: Value,
    code: Value,
    /// `message`: why a command was refused.
    text: Value,
    /// `result`.
    news: News,
}

/// The members of `result`.
#[derive(Default)]
struct News {
    channel: Value,
    subscription: Value,
    /// `instrument_name`.
    symbol: Value,
    /// Its text; walked later.
    data: Value,
}

/// The members of an entry of `data`.
#[derive(Default)]
struct Entry {
    /// Whether there is an `update`, in which the sides of a change stand.
    changes: bool,
    bids: Option<LevelArray>,
    asks: Option<LevelArray>,
    /// `u` and `pu`.
    stands_at: Value,
    stood_at: Value,
    /// `t`: when it was sent, or traded; `tt`: when the book was so. Milliseconds.
    sent: Value,
    changed: Value,
    /// A trade: its time in nanoseconds, and `p`, `q`, `s`, `d`, `i`.
    nanos: Value,
    price: Value,
    size: Value,
    side: Value,
    trade_id: Value,
    symbol: Value,
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
        Decoder(Reader { bytes, venue: Venue::CRYPTOCOM, instruments, frame, fast: payload.fast });
    if payload.source == Source::Rest {
        decoder.0.no_rest(&mut cursor)?;
    } else if payload.fast && decoder.plain_update(&mut cursor).is_some() {
        cursor.finish()?;
    } else {
        decoder.0.frame.clear();
        cursor.rewind(0);
        decoder.any(&mut cursor, tally)?;
    }
    tally.count(&frame.kinds);
    Ok(())
}

impl Decoder<'_> {
    /// Any frame, in any spelling.
    #[inline(never)]
    fn any(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        if cursor.peek() != b'{' {
            return self.0.no_object(cursor);
        }
        let mut envelope = Envelope::default();
        read::members(cursor, |name, cursor| member(name, cursor, &mut envelope))?;
        cursor.finish()?;
        self.understand(&envelope, tally)
    }

    /// A frame that may be about the book of `symbol`, or else about any of its connection.
    fn broken_frame(&mut self, symbol: Value, wrong: Wrong) {
        let body = self.0.broken_book(symbol, wrong);
        self.0.push(Place::NONE, symbol, ABSENT, body);
    }

    fn understand(&mut self, e: &Envelope, tally: &mut Tally) -> Result<(), JsonError> {
        let Some(kind) = self.kind(e, tally) else {
            self.0.push(Place::NONE, e.news.symbol, ABSENT, Body::Unknown);
            return Ok(());
        };
        match kind {
            BOOK | UPDATE | TRADE => return self.entries(e, kind),
            UNTYPED if given(e.news.data) || given(e.news.channel) => {
                self.broken_frame(
                    e.news.symbol,
                    Wrong::at(e.news.data, "news of a book without its data"),
                );
            }
            UNTYPED => self.0.push(Place::NONE, Value::default(), ABSENT, Body::Unknown),
            HEARTBEAT | SUBSCRIBED | UNSUBSCRIBED | REPLY | ERROR => {
                let body = self.reply(e, kind);
                self.0.push(Place::NONE, e.news.symbol, ABSENT, body);
            }
            _ => self.0.push(Place::NONE, Value::default(), ABSENT, Body::Nothing),
        }
        self.0.frame.kinds.push(kind);
        Ok(())
    }

    /// The number of the frame's type; `None` if it is not known, which is counted. What may be a
    /// change of a book is not passed over.
    fn kind(&mut self, e: &Envelope, tally: &mut Tally) -> Option<u8> {
        let failed = given(e.code) && self.0.integer(e.code) != Some(0);
        if given(e.news.data) {
            let of_a_book = self.0.text(e.news.subscription).starts_with(BOOKS);
            let channel = self.0.text(e.news.channel);
            return match channel {
                // Data with an error is neither.
                b"book" | b"book.update" if failed => Some(UNTYPED),
                b"book" => Some(BOOK),
                b"book.update" => Some(UPDATE),
                b"trade" => Some(TRADE),
                b"ticker" => Some(TICKER),
                b"candlestick" | b"funding" | b"index" | b"mark" | b"settlement" | b"otc_book"
                | b"estimatedfunding" => Some(OTHER),
                b"" => Some(UNTYPED),
                _ if of_a_book || channel.starts_with(BOOKS) => Some(UNTYPED),
                _ => {
                    tally.count_unknown(channel);
                    None
                }
            };
        }
        if self.0.text(e.news.channel) == b"book.update" {
            return Some(UNTYPED);
        }
        Some(match self.0.text(e.method) {
            b"public/heartbeat" => HEARTBEAT,
            _ if failed => ERROR,
            b"subscribe" => SUBSCRIBED,
            b"unsubscribe" => UNSUBSCRIBED,
            b"" => UNTYPED,
            _ => REPLY,
        })
    }

    /// An answer names no book, unless it brings one: what has ended shows in the stream itself.
    fn reply(&mut self, e: &Envelope, kind: u8) -> Body {
        let failed = kind == ERROR;
        let code = self.0.integer(e.code).and_then(|code| u32::try_from(code).ok());
        Body::Reply(Reply {
            kind: match kind {
                HEARTBEAT => ReplyKind::Asks,
                SUBSCRIBED => ReplyKind::Subscribed,
                UNSUBSCRIBED => ReplyKind::Unsubscribed,
                ERROR => ReplyKind::Error,
                _ => ReplyKind::Ok,
            },
            id: self.0.integer(e.id).unwrap_or(0),
            code: code.filter(|_| failed).unwrap_or(0),
            channel: e.news.channel,
            text: if failed { e.text } else { Value::default() },
            ends: false,
            refuses: false,
            instrument: UNKNOWN,
        })
    }

    /// The entries of `data`, a message each. Of trades the newest stands first; they are told in
    /// the order in which they happened.
    fn entries(&mut self, e: &Envelope, kind: u8) -> Result<(), JsonError> {
        let bytes = self.0.bytes;
        let cursor = read::inside(bytes, e.news.data);
        let Some(mut cursor) = cursor.filter(|_| e.news.data.raw(bytes).first() == Some(&b'[')) else {
            self.0.frame.kinds.push(kind);
            let wrong = Wrong::at(e.news.data, "data is not an array");
            match kind {
                TRADE => self.broken_trade(wrong),
                _ => self.broken_frame(e.news.symbol, wrong),
            }
            return Ok(());
        };
        let (from, mut entries) = (self.0.frame.messages.len(), 0);
        read::elements(&mut cursor, |cursor| {
            entries += 1;
            cursor.peek();
            let offset = cursor.offset();
            if cursor.peek() != b'{' {
                cursor.skip()?;
                self.0.frame.kinds.push(kind);
                let wrong = Wrong { offset, what: "entry is not an object" };
                match kind {
                    TRADE => self.broken_trade(wrong),
                    _ => self.broken_frame(e.news.symbol, wrong),
                }
                return Ok(());
            }
            let mut entry = Entry::default();
            read::members(cursor, |name, cursor| self.part(name, cursor, kind, &mut entry))?;
            self.0.frame.kinds.push(kind);
            if kind == TRADE {
                self.trade(e, &entry, offset);
            } else {
                self.book(e, &entry, kind, offset);
            }
            Ok(())
        })?;
        if kind == TRADE {
            self.0.frame.messages[from..].reverse();
        } else if entries == 0 {
            self.0.frame.kinds.push(kind);
            self.broken_frame(e.news.symbol, Wrong::at(e.news.data, "data without an entry"));
        }
        Ok(())
    }

    fn part(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        kind: u8,
        entry: &mut Entry,
    ) -> Result<(), JsonError> {
        match name {
            b"bids" | b"asks" if kind == BOOK => self.side(name, cursor, Zero::Skipped, entry)?,
            b"update" if kind == UPDATE => {
                (entry.changes, entry.bids, entry.asks) = (cursor.peek() == b'{', None, None);
                if !entry.changes {
                    return cursor.skip();
                }
                read::members(cursor, |name, cursor| match name {
                    b"bids" | b"asks" => self.side(name, cursor, Zero::Removes, entry),
                    _ => cursor.skip(),
                })?;
            }
            b"u" => entry.stands_at = cursor.scalar()?,
            b"pu" => entry.stood_at = cursor.scalar()?,
            b"t" => entry.sent = cursor.scalar()?,
            b"tt" => entry.changed = cursor.scalar()?,
            b"tn" => entry.nanos = cursor.scalar()?,
            b"p" => entry.price = cursor.scalar()?,
            b"q" => entry.size = cursor.scalar()?,
            b"s" => entry.side = cursor.scalar()?,
            b"d" => entry.trade_id = cursor.scalar()?,
            b"i" => entry.symbol = cursor.scalar()?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    fn side(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor,
        zero: Zero,
        entry: &mut Entry,
    ) -> Result<(), JsonError> {
        let (side, read) = match name {
            b"bids" => (Side::Bid, &mut entry.bids),
            _ => (Side::Ask, &mut entry.asks),
        };
        *read = Some(self.0.pairs(cursor, (side, zero))?);
        Ok(())
    }

    // Books.

    fn book(&mut self, e: &Envelope, entry: &Entry, kind: u8, offset: usize) {
        let ts_event = self.millis(entry.sent).or_else(|| self.millis(entry.changed)).unwrap_or(ABSENT);
        let understood = match kind {
            BOOK => self.whole(e, entry),
            _ => self.update(e, entry),
        };
        let (place, body) = understood.unwrap_or_else(|wrong| {
            (Place::NONE, self.0.broken_book(e.news.symbol, wrong.or_at(offset)))
        });
        self.0.push(place, e.news.symbol, ts_event, body);
    }

    /// The best levels of both sides, and at which update they are.
    fn whole(&mut self, e: &Envelope, entry: &Entry) -> Result<(Place, Body), Wrong> {
        let stands_at = self.number(entry.stands_at)?;
        let levels = self.levels(e, entry)?;
        Ok((Place::one(0, stands_at), Body::Snapshot(levels.into())))
    }

    /// New sizes of some levels, and between which updates they came to be; or nothing, as a sign of
    /// life.
    fn update(&mut self, e: &Envelope, entry: &Entry) -> Result<(Place, Body), Wrong> {
        let (stands_at, stood_at) = (self.number(entry.stands_at)?, self.number(entry.stood_at)?);
        if !entry.changes {
            return Err(Wrong::at(e.news.symbol, "change without an update"));
        }
        if stood_at > stands_at {
            return Err(Wrong::at(entry.stood_at, "update ids run backwards"));
        }
        let levels = self.levels(e, entry)?;
        let empty = levels.bids.is_empty() && levels.asks.is_empty();
        if stood_at == stands_at && !empty {
            return Err(Wrong::at(entry.stands_at, "a change without a number of its own"));
        }
        Ok((Place::run(stood_at + 1, stands_at), Body::Levels(levels)))
    }

    /// Both sides: where nothing happened on one, the venue says so.
    fn levels(&mut self, e: &Envelope, entry: &Entry) -> Result<Levels, Wrong> {
        if !is_text(e.news.symbol) {
            return Err(Wrong::at(e.news.symbol, "book without an instrument"));
        }
        let (Some(bids), Some(asks)) = (&entry.bids, &entry.asks) else {
            return Err(Wrong::at(e.news.symbol, "book without both sides"));
        };
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        Ok(Levels {
            instrument: self.0.instrument(e.news.symbol),
            symbol: e.news.symbol,
            bids: bids.range.clone(),
            asks: asks.range.clone(),
            claim: ProofClaim::None,
            asks_cut: asks.cut,
        })
    }

    /// Number of an update; none is 0, and none the last there is, behind which none can come.
    fn number(&mut self, value: Value) -> Result<u64, Wrong> {
        let number = self.0.integer(value).filter(|&number| number > 0 && number < u64::MAX);
        number.ok_or(Wrong::at(value, "update id is missing or not a whole number"))
    }

    fn millis(&mut self, value: Value) -> Option<Nanos> {
        self.0.integer(value).filter(|&number| number > 0).and_then(stamp::millis_or_micros)
    }

    // Trades.

    fn broken_trade(&mut self, wrong: Wrong) {
        let body = self.0.broken_notice(wrong);
        self.0.push(Place::NONE, Value::default(), ABSENT, body);
    }

    /// A trade; `s` is the side of whoever took.
    fn trade(&mut self, e: &Envelope, entry: &Entry, offset: usize) {
        let symbol = if is_text(entry.symbol) { entry.symbol } else { e.news.symbol };
        let ts_event = self.nanos(entry.nanos).or_else(|| self.millis(entry.sent)).unwrap_or(ABSENT);
        let body = match self.0.traded(entry.price, entry.size) {
            Err(wrong) => self.0.broken_notice(wrong.or_at(offset)),
            Ok(level) => Body::Trade(Trade {
                instrument: self.0.instrument(symbol),
                price: level.price,
                qty: level.qty,
                aggressor: match self.0.text(entry.side) {
                    b"BUY" => Some(Aggressor::Buy),
                    b"SELL" => Some(Aggressor::Sell),
                    _ => None,
                },
                price_text: entry.price,
                id: entry.trade_id,
                id_shared: false,
                off_book: false,
            }),
        };
        self.0.push(Place::NONE, symbol, ts_event, body);
    }

    /// A time in nanoseconds, which stands as text.
    fn nanos(&mut self, value: Value) -> Option<Nanos> {
        stamp::nanoseconds(self.0.text(value)).filter(|&nanos| nanos > 0)
    }
}

/// A member of the frame.
fn member(name: &[u8], cursor: &mut Cursor, e: &mut Envelope) -> Result<(), JsonError> {
    match name {
        b"id" => e.id = cursor.scalar()?,
        b"method" => e.method = cursor.scalar()?,
        b"code" => e.code = cursor.scalar()?,
        b"message" => e.text = cursor.scalar()?,
        b"result" => {
            e.news = News::default();
            if cursor.peek() != b'{' {
                return cursor.skip();
            }
            read::members(cursor, |name, cursor| {
                match name {
                    b"channel" => e.news.channel = cursor.scalar()?,
                    b"subscription" => e.news.subscription = cursor.scalar()?,
                    b"instrument_name" => e.news.symbol = cursor.scalar()?,
                    b"data" => e.news.data = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?;
        }
        _ => cursor.skip()?,
    }
    Ok(())
}
