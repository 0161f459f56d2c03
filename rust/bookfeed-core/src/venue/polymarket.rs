//! Polymarket's CLOB market channel, and REST books, which have the same shape.
//!
//! A frame is bare text (`PONG`), an object, or an array of objects; members come in any
//! order, so an object is first collected into `PolymarketFields` and understood at its end, when
//! `event_type` is known. Level arrays are parsed where they stand.

use crate::decode::broken::{Broken, heard};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, decimal, elements, given, is_probability, is_text};
use crate::decode::{Payload, Source, Tally, remark};
use crate::event::{
    Aggressor, Body, Change, Claim, Frame, Level, Malformed, Message, Place, ProofClaim, Side, Snapshot,
    TouchClaim, Trade, Winner,
};
use crate::fixed::{
    ABSENT, Decimal, DecimalError, PRICE_DECIMALS, PRICE_ONE, Price, QTY_DECIMALS, parse_price,
    parse_qty,
};
use crate::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::parse_millis;

/// Message types, in order of their counters.
pub const MESSAGE_NAMES: [&str; 12] = [
    "book",
    "price_change",
    "last_trade_price",
    "tick_size_change",
    "best_bid_ask",
    "new_market",
    "market_resolved",
    "rest_book",
    "PONG",
    "NO NEW ASSETS",
    "INVALID OPERATION",
    "untyped",
];
const PRICE_CHANGE: u8 = 1;
const TRADE: u8 = 2;
const REST_BOOK: u8 = 7;
const FIRST_BARE_TEXT: u8 = 8;
const BARE_TEXTS: [&[u8]; 3] = [b"PONG", b"NO NEW ASSETS", b"INVALID OPERATION"];
const UNTYPED: u8 = 11;

/// The members of a message object that matter, in whatever order they came.
#[derive(Default)]
struct PolymarketFields {
    event_type: Value,
    market: Value,
    condition_id: Value,
    asset_id: Value,
    timestamp: Value,
    hash: Value,
    price: Value,
    size: Value,
    side: Value,
    best_bid: Value,
    best_ask: Value,
    tick_size: Value,
    old_tick_size: Value,
    new_tick_size: Value,
    last_trade_price: Value,
    min_order_size: Value,
    neg_risk: Value,
    assets_ids: Value,
    winning_asset_id: Value,
    transaction_hash: Value,
    bids: Option<Array>,
    asks: Option<Array>,
    price_changes: Option<Array>,
    changes: Option<Array>,
}

/// An array that was parsed where it stood: what it added to the frame's buffers, and the
/// first thing wrong with it.
#[derive(Clone, Copy)]
struct Array {
    start: usize,
    end: usize,
    wrong: Option<Wrong>,
}

/// Members of a level or of an entry of `price_changes`.
#[derive(Default)]
struct Entry {
    asset_id: Value,
    price: Value,
    size: Value,
    side: Value,
    hash: Value,
    best_bid: Value,
    best_ask: Value,
}

struct Decoder<'a> {
    bytes: &'a [u8],
    instruments: &'a Instruments,
    frame: &'a mut Frame,
    source: Source,
    fast: bool,
}

/// Decodes one payload; see [`crate::decode::Decode`].
///
/// # Errors
/// [`JsonError`] if it is neither one of the bare texts nor JSON.
pub fn decode(
    payload: &Payload,
    instruments: &Instruments,
    frame: &mut Frame,
    tally: &mut Tally,
) -> Result<(), JsonError> {
    frame.clear();
    let Payload { bytes, source, fast, .. } = *payload;
    let mut cursor = Cursor::new(bytes)?;
    let mut decoder = Decoder { bytes, instruments, frame, source, fast };
    match cursor.peek() {
        b'{' => decoder.message(&mut cursor, tally)?,
        b'[' => decoder.array(&mut cursor, tally)?,
        _ => decoder.bare_text(&mut cursor, tally)?,
    }
    cursor.finish()?;
    tally.count(&frame.kinds);
    Ok(())
}

/// Members of messages about books, which no broadcast has.
const OF_A_BOOK: [&str; 5] = ["asset_id", "bids", "asks", "price_changes", "changes"];

/// A broken broadcast about nobody who is subscribed; see [`crate::decode::ReadBroken`].
#[cold]
pub fn read_broken(payload: &Payload, instruments: &Instruments) -> Option<Message> {
    let broken = Broken::object(payload.bytes)?;
    let of_others = match broken.name("event_type")? {
        // It changes no book, whosever it is: the names that are cut off do not matter.
        b"new_market" => true,
        b"market_resolved" => tells_whose(payload.bytes, &broken),
        _ => false,
    };
    let known = broken.has_any(&OF_A_BOOK) || broken.names_any(Venue::POLYMARKET, instruments);
    (of_others && !known).then(|| heard(Place::NONE, Body::Nothing))
}

/// Whether the market that is over, and all its assets, can be read.
fn tells_whose(bytes: &[u8], broken: &Broken) -> bool {
    let market = broken.name("market").or_else(|| broken.name("condition_id"));
    let listed = ["assets_ids", "asset_ids", "clob_token_ids"].iter().find_map(|n| broken.member(n));
    let listed = asset_list(bytes, listed.unwrap_or_default());
    let digits = |asset: &Vec<u8>| !asset.is_empty() && asset.iter().all(u8::is_ascii_digit);
    let assets = !listed.broken && !listed.assets.is_empty() && listed.assets.iter().all(digits);
    market.is_some() && assets
}

impl Decoder<'_> {
    #[cold]
    fn bare_text(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        let text = self.bytes.trim_ascii();
        if let Some(kind) =
            (FIRST_BARE_TEXT..).zip(BARE_TEXTS).find(|(_, t)| t.eq_ignore_ascii_case(text))
        {
            self.frame.kinds.push(kind.0);
            cursor.rewind(self.bytes.len());
            return Ok(());
        }
        if self.source == Source::Stream
            && let Some(said) = remark(self.bytes)
        {
            tally.count_remark(said);
            cursor.rewind(self.bytes.len());
            return Ok(());
        }
        cursor.skip()?;
        self.malformed(
            ABSENT,
            Value::default(),
            Wrong { offset: 0, what: "not an object or array" },
            &[],
        );
        Ok(())
    }

    fn array(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        cursor.expect(b'[')?;
        if cursor.take(b']') {
            return Ok(());
        }
        loop {
            if cursor.peek() == b'{' {
                self.message(cursor, tally)?;
            } else {
                let wrong = Wrong { offset: cursor.offset(), what: "element is not an object" };
                cursor.skip()?;
                self.malformed(ABSENT, Value::default(), wrong, &[]);
            }
            if !cursor.more(b']')? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn message(&mut self, cursor: &mut Cursor, tally: &mut Tally) -> Result<(), JsonError> {
        let (begin, changes) = (cursor.offset(), self.frame.changes.len());
        if self.fast
            && let Some(message) = self.plain_price_change(cursor)
        {
            self.frame.kinds.push(PRICE_CHANGE);
            self.frame.messages.push(message);
            return Ok(());
        }
        cursor.rewind(begin);
        self.frame.changes.truncate(changes);
        let mut fields = PolymarketFields::default();
        self.fields(cursor, &mut fields)?;
        self.understand(&fields, tally);
        Ok(())
    }

    /// The commonest message, if its members come in the order and spelling the venue uses
    /// and all its assets are known; `None` leaves it to the general way.
    #[inline]
    fn plain_price_change(&mut self, cursor: &mut Cursor) -> Option<Message> {
        if !cursor.take_literal(b"{\"market\":\"") {
            return None;
        }
        let market = cursor.take_quoted_exactly::<66>()?;
        member(cursor, b",\"price_changes\":[", b", \"price_changes\":[")?;
        let start = self.frame.changes.len();
        loop {
            let change = self.plain_change(cursor)?;
            self.frame.changes.push(change);
            if cursor.take_literal(b"]") {
                break;
            }
            if !(cursor.take_literal(b",") && (cursor.take_literal(b" ") || cursor.peek() == b'{')) {
                return None;
            }
        }
        member(cursor, b",\"timestamp\":\"", b", \"timestamp\":\"")?;
        let ts_event = cursor.take_millis()?;
        let last = (b"\",\"event_type\":\"price_change\"}", b"\", \"event_type\":\"price_change\"}");
        member(cursor, last.0, last.1)?;
        Some(Message {
            ts_event,
            market,
            place: Place::NONE,
            body: Body::Changes(start..self.frame.changes.len()),
        })
    }

    fn fields(&mut self, cursor: &mut Cursor, f: &mut PolymarketFields) -> Result<(), JsonError> {
        cursor.expect(b'{')?;
        if cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let key = cursor.key()?;
            let mut scratch = Vec::new();
            match key.text(self.bytes, &mut scratch) {
                b"event_type" => f.event_type = cursor.scalar()?,
                b"market" => f.market = cursor.scalar()?,
                b"timestamp" => f.timestamp = cursor.scalar()?,
                b"price_changes" => f.price_changes = Some(self.changes(cursor, true)?),
                b"asset_id" => f.asset_id = cursor.scalar()?,
                b"hash" => f.hash = cursor.scalar()?,
                b"bids" => f.bids = Some(self.levels(cursor)?),
                b"asks" => f.asks = Some(self.levels(cursor)?),
                b"price" => f.price = cursor.scalar()?,
                b"size" => f.size = cursor.scalar()?,
                b"side" => f.side = cursor.scalar()?,
                b"best_bid" => f.best_bid = cursor.scalar()?,
                b"best_ask" => f.best_ask = cursor.scalar()?,
                b"tick_size" => f.tick_size = cursor.scalar()?,
                b"last_trade_price" => f.last_trade_price = cursor.scalar()?,
                b"old_tick_size" => f.old_tick_size = cursor.scalar()?,
                b"new_tick_size" => f.new_tick_size = cursor.scalar()?,
                b"min_order_size" => f.min_order_size = cursor.scalar()?,
                b"neg_risk" => f.neg_risk = cursor.scalar()?,
                b"assets_ids" | b"asset_ids" => f.assets_ids = cursor.scalar()?,
                b"clob_token_ids" if !given(f.assets_ids) => f.assets_ids = cursor.scalar()?,
                b"condition_id" => f.condition_id = cursor.scalar()?,
                b"winning_asset_id" => f.winning_asset_id = cursor.scalar()?,
                b"transaction_hash" => f.transaction_hash = cursor.scalar()?,
                b"changes" => f.changes = Some(self.changes(cursor, false)?),
                _ => cursor.skip()?,
            }
            if !cursor.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// `bids` or `asks`: levels are appended to the frame.
    fn levels(&mut self, cursor: &mut Cursor) -> Result<Array, JsonError> {
        let start = self.frame.levels.len();
        let mut wrong = None;
        if cursor.peek() != b'[' {
            wrong = Some(Wrong { offset: cursor.offset(), what: "levels are not an array" });
            cursor.skip()?;
            return Ok(Array { start, end: start, wrong });
        }
        cursor.expect(b'[')?;
        if cursor.take(b']') {
            return Ok(Array { start, end: start, wrong });
        }
        loop {
            let offset = cursor.offset();
            match self.level(cursor)? {
                Ok(level) if level.qty > 0 => self.frame.levels.push(level),
                Ok(_) => {}
                Err(what) => wrong = wrong.or(Some(Wrong { offset, what })),
            }
            if !cursor.more(b']')? {
                return Ok(Array { start, end: self.frame.levels.len(), wrong });
            }
        }
    }

    #[inline]
    fn level(&mut self, cursor: &mut Cursor) -> Result<Result<Level, &'static str>, JsonError> {
        if cursor.peek() != b'{' {
            cursor.skip()?;
            return Ok(Err("level is not an object"));
        }
        if self.fast && cursor.take_literal(b"{\"price\":\"") {
            // The venue's own way of writing a level, nearly always.
            if let Some(level) = self.plain_level(cursor) {
                return Ok(Ok(level));
            }
        }
        let entry = Self::entry(self.bytes, cursor)?;
        Ok(self.price_and_size(&entry))
    }

    /// A level written as `{"price":"0.3","size":"5005"}`, blanks after the comma allowed.
    /// On anything else the cursor goes back to where the level began.
    #[inline]
    fn plain_level(&mut self, cursor: &mut Cursor) -> Option<Level> {
        let begin = cursor.offset() - 10;
        let level = Self::try_plain_level(cursor);
        if level.is_none() {
            cursor.rewind(begin);
        }
        level
    }

    #[inline(always)]
    fn try_plain_level(cursor: &mut Cursor) -> Option<Level> {
        let price =
            cursor.take_quoted_decimal::<PRICE_DECIMALS>().filter(|p| is_probability(p.value))?;
        member(cursor, b",\"size\":\"", b", \"size\":\"")?;
        let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
        let level = Level { price: price.value, qty: size.value, forms: (price.form, size.form) };
        cursor.take_literal(b"}").then_some(level)
    }

    /// A change in the order and spelling the venue uses, of a known asset.
    #[inline(always)]
    fn plain_change(&mut self, cursor: &mut Cursor) -> Option<Change> {
        if !cursor.take_literal(b"{\"asset_id\":\"") {
            return None;
        }
        let instrument = self.plain_instrument(cursor)?;
        member(cursor, b",\"price\":\"", b", \"price\":\"")?;
        let price =
            cursor.take_quoted_decimal::<PRICE_DECIMALS>().filter(|p| is_probability(p.value))?;
        member(cursor, b",\"size\":\"", b", \"size\":\"")?;
        let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
        member(cursor, b",\"side\":\"", b", \"side\":\"")?;
        let side = if cursor.take_literal(b"BUY\"") {
            Side::Bid
        } else if cursor.take_literal(b"SELL\"") {
            Side::Ask
        } else {
            return None;
        };
        member(cursor, b",\"hash\":\"", b", \"hash\":\"")?;
        let digest = cursor.take_quoted_exactly::<40>()?;
        member(cursor, b",\"best_bid\":\"", b", \"best_bid\":\"")?;
        let best_bid = cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value;
        member(cursor, b",\"best_ask\":\"", b", \"best_ask\":\"")?;
        let best_ask = cursor.take_quoted_decimal::<PRICE_DECIMALS>()?.value;
        let level = Level { price: price.value, qty: size.value, forms: (price.form, size.form) };
        let (best_bid, best_ask) = (price_or_none(best_bid, 0), price_or_none(best_ask, PRICE_ONE));
        cursor.take_literal(b"}").then_some(Change {
            instrument,
            side,
            level,
            best_bid,
            best_ask,
            digest,
        })
    }

    /// The asset id that stands here. The second change of a message is mostly that of the
    /// other outcome, so its id is compared before it is looked up.
    #[inline(always)]
    fn plain_instrument(&mut self, cursor: &mut Cursor) -> Option<InstrumentId> {
        let last = self.frame.changes.last().map(|c| c.instrument);
        if let Some((id, quoted)) = last.and_then(|id| self.instruments.quoted_sibling(id))
            && cursor.take_literal(quoted)
        {
            return Some(id);
        }
        let symbol = cursor.rest_of_string().ok().filter(|s| s.kind == Kind::Text)?;
        self.instruments.find(Venue::POLYMARKET, symbol.raw(self.bytes))
    }

    /// An object with some of the members of [`Entry`]; others are skipped.
    #[inline]
    fn entry(bytes: &[u8], cursor: &mut Cursor) -> Result<Entry, JsonError> {
        let mut entry = Entry::default();
        cursor.expect(b'{')?;
        if cursor.take(b'}') {
            return Ok(entry);
        }
        loop {
            let key = cursor.key()?;
            let mut scratch = Vec::new();
            match key.text(bytes, &mut scratch) {
                b"asset_id" => entry.asset_id = cursor.scalar()?,
                b"price" => entry.price = cursor.scalar()?,
                b"size" => entry.size = cursor.scalar()?,
                b"side" => entry.side = cursor.scalar()?,
                b"hash" => entry.hash = cursor.scalar()?,
                b"best_bid" => entry.best_bid = cursor.scalar()?,
                b"best_ask" => entry.best_ask = cursor.scalar()?,
                _ => cursor.skip()?,
            }
            if !cursor.more(b'}')? {
                return Ok(entry);
            }
        }
    }

    /// `price_changes`, or `changes` of older recordings, whose entries do not name the asset:
    /// appended to the frame's changes.
    fn changes(&mut self, cursor: &mut Cursor, named: bool) -> Result<Array, JsonError> {
        let start = self.frame.changes.len();
        let mut wrong = None;
        if cursor.peek() != b'[' {
            wrong = Some(Wrong { offset: cursor.offset(), what: "changes are not an array" });
            cursor.skip()?;
            return Ok(Array { start, end: start, wrong });
        }
        cursor.expect(b'[')?;
        if cursor.take(b']') {
            return Ok(Array { start, end: start, wrong });
        }
        loop {
            let offset = cursor.offset();
            if cursor.peek() == b'{' {
                let entry = Self::entry(self.bytes, cursor)?;
                if let Err(what) = self.push_change(&entry, named) {
                    wrong = wrong.or(Some(Wrong { offset, what }));
                }
            } else {
                cursor.skip()?;
                wrong = wrong.or(Some(Wrong { offset, what: "change is not an object" }));
                // It stands for a change of nobody knows which asset.
                let _ = self.push_change(&Entry::default(), named);
            }
            if !cursor.more(b']')? {
                return Ok(Array { start, end: self.frame.changes.len(), wrong });
            }
        }
    }

    /// A change is kept even when it is wrong, so that what it names can be quarantined.
    #[inline]
    fn push_change(&mut self, entry: &Entry, named: bool) -> Result<(), &'static str> {
        let mut change = Change {
            instrument: self.instrument(entry.asset_id),
            side: Side::Bid,
            level: Level::default(),
            best_bid: Claim::SILENT,
            best_ask: Claim::SILENT,
            digest: entry.hash,
        };
        let result = self.fill_change(entry, &mut change);
        if change.instrument == UNKNOWN && named {
            self.frame.strangers.push((self.frame.changes.len(), entry.asset_id));
        }
        self.frame.changes.push(change);
        if named && !is_text(entry.asset_id) {
            return Err("change without an asset_id");
        }
        result
    }

    #[inline]
    fn fill_change(&mut self, entry: &Entry, change: &mut Change) -> Result<(), &'static str> {
        change.level = self.price_and_size(entry)?;
        change.side = match entry.side.text(self.bytes, &mut self.frame.scratch) {
            b"BUY" => Side::Bid,
            b"SELL" => Side::Ask,
            other if other.eq_ignore_ascii_case(b"BUY") => Side::Bid,
            other if other.eq_ignore_ascii_case(b"SELL") => Side::Ask,
            _ => return Err("side is neither BUY nor SELL"),
        };
        change.best_bid = self.claim(entry.best_bid, 0).ok_or("best_bid is not a price")?;
        change.best_ask = self.claim(entry.best_ask, PRICE_ONE).ok_or("best_ask is not a price")?;
        Ok(())
    }

    #[inline]
    fn price_and_size(&mut self, entry: &Entry) -> Result<Level, &'static str> {
        let price = self.decimal(entry.price, parse_price).ok_or("price is not a decimal")?;
        let size = self.decimal(entry.size, parse_qty).ok_or("size is not a decimal")?;
        if !is_probability(price.value) {
            return Err("price is not between 0 and 1");
        }
        Ok(Level { price: price.value, qty: size.value, forms: (price.form, size.form) })
    }

    /// A decimal given as a string or a number; `None` if it is neither, or refused.
    #[inline]
    fn decimal(
        &mut self,
        value: Value,
        parse: impl Fn(&[u8]) -> Result<Decimal, DecimalError>,
    ) -> Option<Decimal> {
        decimal(self.bytes, value, &mut self.frame.scratch, parse)
    }

    /// The venue's best price of a side: absent is silence, and the price that means "no
    /// such side" (0 for bids, 1 for asks) is an empty side. `None` if it is not a price.
    #[inline]
    fn claim(&mut self, value: Value, none: Price) -> Option<Claim> {
        if value.is_absent() {
            return Some(Claim::SILENT);
        }
        Some(price_or_none(self.decimal(value, parse_price)?.value, none))
    }

    #[inline]
    fn instrument(&mut self, symbol: Value) -> InstrumentId {
        match symbol.kind {
            Kind::Text => {
                self.instruments.find(Venue::POLYMARKET, symbol.raw(self.bytes)).unwrap_or(UNKNOWN)
            }
            Kind::Escaped => {
                let text = symbol.text(self.bytes, &mut self.frame.scratch);
                self.instruments.find(Venue::POLYMARKET, text).unwrap_or(UNKNOWN)
            }
            Kind::Missing | Kind::Null | Kind::Number | Kind::Other => UNKNOWN,
        }
    }

    /// Turns the collected members into a message, by `event_type`.
    #[inline]
    fn understand(&mut self, f: &PolymarketFields, tally: &mut Tally) {
        let mut scratch = Vec::new();
        let ts_event = match f.timestamp.kind {
            Kind::Text | Kind::Escaped | Kind::Number => {
                parse_millis(f.timestamp.text(self.bytes, &mut scratch)).unwrap_or(ABSENT)
            }
            Kind::Missing | Kind::Null | Kind::Other => ABSENT,
        };
        let kind = match f.event_type.text(self.bytes, &mut scratch) {
            b"price_change" => PRICE_CHANGE,
            b"book" => 0,
            b"last_trade_price" => TRADE,
            b"best_bid_ask" => 4,
            b"tick_size_change" => 3,
            b"new_market" => 5,
            b"market_resolved" => 6,
            _ if f.event_type.is_absent() => return self.untyped(f, ts_event),
            unknown => return tally.count_unknown(unknown),
        };
        self.frame.kinds.push(kind);
        let about_an_asset = matches!(kind, 0 | 3 | 4);
        let body = match kind {
            TRADE => Ok(self.trade(f)),
            _ if about_an_asset && !is_text(f.asset_id) => {
                Err(Wrong { offset: f.asset_id.start as usize, what: "message without an asset_id" })
            }
            0 => self.snapshot(f),
            PRICE_CHANGE => self.price_change(f),
            3 => self.tick_size_change(f),
            4 => self.touch(f),
            6 => return self.resolved(f, ts_event),
            _ => Ok(Body::Nothing),
        };
        self.push(f, ts_event, body);
    }

    #[inline]
    fn push(&mut self, f: &PolymarketFields, ts_event: i64, body: Result<Body, Wrong>) {
        match body {
            Ok(body) => self.frame.messages.push(Message {
                ts_event,
                market: f.market,
                place: Place::NONE,
                body,
            }),
            Err(wrong) => {
                let named = self.named_by(f);
                self.malformed(ts_event, f.market, wrong, &named);
            }
        }
    }

    /// An object without a type: a REST book is one; on the stream it is news to ignore,
    /// unless it carries levels, which must not be lost quietly.
    #[cold]
    fn untyped(&mut self, f: &PolymarketFields, ts_event: i64) {
        if self.source == Source::Rest && f.bids.is_some() && f.asks.is_some() {
            self.frame.kinds.push(REST_BOOK);
            let body = self.snapshot(f);
            return self.push(f, ts_event, body);
        }
        self.frame.kinds.push(UNTYPED);
        if f.bids.is_some() || f.asks.is_some() || f.price_changes.is_some() || f.changes.is_some() {
            let wrong = Wrong { offset: f.market.start as usize, what: "levels without an event_type" };
            self.push(f, ts_event, Err(wrong));
        }
    }

    fn snapshot(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let missing = |what| Wrong { offset: f.asset_id.start as usize, what };
        let bids = f.bids.ok_or(missing("book without bids"))?;
        let asks = f.asks.ok_or(missing("book without asks"))?;
        if let Some(wrong) = bids.wrong.or(asks.wrong) {
            return Err(wrong);
        }
        let tick_size = self.decimal(f.tick_size, parse_price);
        Ok(Body::Snapshot(Snapshot {
            instrument: self.instrument(f.asset_id),
            symbol: f.asset_id,
            bids: bids.start..bids.end,
            asks: asks.start..asks.end,
            claim: ProofClaim::Digest(f.hash),
            asks_cut: false,
            tick_size,
            min_order_size: f.min_order_size,
            hints: [f.last_trade_price, f.neg_risk],
            market_id: Value::default(),
            requested: false,
            holds_for: None,
        }))
    }

    /// Today's layout, and the two of older recordings: `changes` of one asset, or a single
    /// change written out at top level.
    #[inline]
    fn price_change(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let array = if let Some(array) = f.price_changes {
            array
        } else if let Some(mut array) = f.changes {
            if !is_text(f.asset_id) {
                let offset = f.asset_id.start as usize;
                array.wrong =
                    array.wrong.or(Some(Wrong { offset, what: "changes without an asset_id" }));
            }
            let instrument = self.instrument(f.asset_id);
            for change in self.frame.changes.iter_mut().take(array.end).skip(array.start) {
                change.instrument = instrument;
                change.digest = Value::default();
            }
            if let Some(last) =
                self.frame.changes.get_mut(array.start..array.end).and_then(<[_]>::last_mut)
            {
                last.digest = f.hash;
            }
            array
        } else {
            self.flat_change(f)?
        };
        match array.wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Body::Changes(array.start..array.end)),
        }
    }

    fn flat_change(&mut self, f: &PolymarketFields) -> Result<Array, Wrong> {
        let entry = Entry {
            asset_id: f.asset_id,
            price: f.price,
            size: f.size,
            side: f.side,
            hash: f.hash,
            best_bid: f.best_bid,
            best_ask: f.best_ask,
        };
        let start = self.frame.changes.len();
        self.push_change(&entry, true).map_err(|what| Wrong { offset: f.price.start as usize, what })?;
        Ok(Array { start, end: start + 1, wrong: None })
    }

    /// A trade. One that cannot be read takes no book with it: it changes none.
    fn trade(&mut self, f: &PolymarketFields) -> Body {
        if !is_text(f.asset_id) {
            return self.broken_trade(f.asset_id, "trade without an asset_id");
        }
        let entry = Entry { price: f.price, size: f.size, ..Entry::default() };
        let level = match self.price_and_size(&entry) {
            Ok(level) => level,
            Err(what) => return self.broken_trade(f.price, what),
        };
        let side = f.side.text(self.bytes, &mut self.frame.scratch);
        let aggressor = if side.eq_ignore_ascii_case(b"BUY") {
            Some(Aggressor::Buy)
        } else if side.eq_ignore_ascii_case(b"SELL") {
            Some(Aggressor::Sell)
        } else {
            None
        };
        Body::Trade(Trade {
            instrument: self.instrument(f.asset_id),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: f.price,
            transaction: f.transaction_hash,
            off_book: false,
        })
    }

    #[cold]
    fn broken_trade(&mut self, at: Value, what: &'static str) -> Body {
        self.frame.malformed(None, false, at.start as usize, what)
    }

    fn tick_size_change(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let wrong = Wrong { offset: f.new_tick_size.start as usize, what: "tick size is not a price" };
        let old = self.decimal(f.old_tick_size, parse_price).unwrap_or_default();
        let new = self
            .decimal(f.new_tick_size, parse_price)
            .filter(|t| is_probability(t.value))
            .ok_or(wrong)?;
        Ok(Body::TickSize(self.instrument(f.asset_id), old, new))
    }

    fn touch(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let wrong = |value: Value, what| Wrong { offset: value.start as usize, what };
        let bid = self.claim(f.best_bid, 0).ok_or(wrong(f.best_bid, "best_bid is not a price"))?;
        let ask =
            self.claim(f.best_ask, PRICE_ONE).ok_or(wrong(f.best_ask, "best_ask is not a price"))?;
        Ok(Body::Touch(TouchClaim::prices(self.instrument(f.asset_id), bid, ask)))
    }

    /// The end of a market. It is told to everybody, so what names nothing that is subscribed hurts
    /// nobody; what names something and cannot be read takes it out of `live`.
    #[cold]
    fn resolved(&mut self, f: &PolymarketFields, ts_event: i64) {
        let market = if is_text(f.market) { f.market } else { f.condition_id };
        let start = self.frame.named.len();
        let listed = asset_list(self.bytes, f.assets_ids);
        let name = String::from_utf8_lossy(market.raw(self.bytes)).into_owned();
        let mut named: Vec<_> = self.instruments.of_market(Venue::POLYMARKET, &name).to_vec();
        for asset in &listed.assets {
            let id = self.instruments.find(Venue::POLYMARKET, asset).unwrap_or(UNKNOWN);
            if id != UNKNOWN && !named.contains(&id) {
                named.push(id);
            }
        }
        self.frame.named.extend(named);
        let winner = self.winner(f, &listed).and_then(|winner| match winner {
            Winner::One(id) if !self.frame.named[start..].contains(&id) => {
                Err(Wrong::at(f.winning_asset_id, "the winner is of another market"))
            }
            winner => Ok(winner),
        });
        let body = match winner {
            Ok(winner) => Body::Resolved(start..self.frame.named.len(), winner),
            Err(wrong) => {
                let books = self.frame.named.split_off(start);
                self.frame.malformed(books, false, wrong.offset, wrong.what)
            }
        };
        self.frame.messages.push(Message { ts_event, market, place: Place::NONE, body });
    }

    /// Who won: an asset that the message itself lists, where it lists any.
    fn winner(&mut self, f: &PolymarketFields, listed: &AssetList) -> Result<Winner, Wrong> {
        let winner = f.winning_asset_id;
        if winner.is_absent() {
            return Ok(Winner::Unsaid);
        }
        if !matches!(winner.kind, Kind::Text | Kind::Escaped | Kind::Number) {
            return Err(Wrong::at(winner, "winning_asset_id is not an asset"));
        }
        let text = winner.text(self.bytes, &mut self.frame.scratch).to_vec();
        if let Some(id) = self.instruments.find(Venue::POLYMARKET, &text) {
            return Ok(Winner::One(id));
        }
        let plausible = if listed.assets.is_empty() || listed.broken {
            text.iter().all(u8::is_ascii_digit)
        } else {
            listed.assets.contains(&text)
        };
        if plausible { Ok(Winner::Other) } else { Err(Wrong::at(winner, "nobody knows who won")) }
    }

    /// Every asset a message names, known or not.
    #[cold]
    fn named_by(&mut self, f: &PolymarketFields) -> Vec<InstrumentId> {
        let mut named: Vec<InstrumentId> = Vec::new();
        if !f.asset_id.is_absent() {
            named.push(self.instrument(f.asset_id));
        }
        if let Some(array) = f.price_changes {
            named.extend(self.frame.changes[array.start..array.end].iter().map(|c| c.instrument));
        }
        named
    }

    /// Records that a message cannot be trusted. If it names an asset nobody subscribed it
    /// may be about any: then its market's outcomes, or else the connection, are in doubt.
    #[cold]
    fn malformed(&mut self, ts_event: i64, market: Value, wrong: Wrong, named: &[InstrumentId]) {
        let start = self.frame.named.len();
        self.frame.named.extend(named.iter().filter(|&&id| id != UNKNOWN));
        let unsure = named.is_empty() || named.contains(&UNKNOWN);
        let mut whole_connection = false;
        if unsure {
            let text = String::from_utf8_lossy(market.raw(self.bytes));
            let outcomes = self.instruments.of_market(Venue::POLYMARKET, &text);
            self.frame.named.extend(outcomes);
            whole_connection = outcomes.is_empty();
        }
        let named = start..self.frame.named.len();
        let malformed = Malformed { named, whole_connection, offset: wrong.offset, what: wrong.what };
        self.frame.messages.push(Message {
            ts_event,
            market,
            place: Place::NONE,
            body: Body::Malformed(malformed),
        });
    }
}

/// Takes the separator and name of the next member, and the quote its value begins with, in
/// one of the two spellings the venue uses.
#[inline(always)]
fn member(cursor: &mut Cursor, tight: &[u8], spaced: &[u8]) -> Option<()> {
    (cursor.take_literal(tight) || cursor.take_literal(spaced)).then_some(())
}

/// The price that means "no such side" (0 for bids, 1 for asks) is an empty side.
#[inline(always)]
fn price_or_none(price: Price, none: Price) -> Claim {
    if price == none || price == 0 { Claim::EMPTY } else { Claim::price(price) }
}

/// The assets that a message lists.
#[derive(Default)]
struct AssetList {
    assets: Vec<Vec<u8>>,
    /// Whether it holds anything else.
    broken: bool,
}

/// Assets in an array, or in a text that is one; ids are strings, or numbers.
#[cold]
fn asset_list(bytes: &[u8], value: Value) -> AssetList {
    let mut list = AssetList::default();
    let mut scratch = Vec::new();
    let text = match value.kind {
        Kind::Text | Kind::Escaped | Kind::Other => value.text(bytes, &mut scratch).to_vec(),
        Kind::Missing | Kind::Null | Kind::Number => return list,
    };
    let read = Cursor::new(&text).and_then(|mut cursor| {
        elements(&mut cursor, |cursor| {
            let element = cursor.scalar()?;
            if matches!(element.kind, Kind::Text | Kind::Escaped | Kind::Number) {
                list.assets.push(element.text(&text, &mut Vec::new()).to_vec());
            } else {
                list.broken = true;
            }
            Ok(())
        })
    });
    list.broken |= read.is_err();
    list
}
