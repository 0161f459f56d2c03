//! What decoders produce: a venue's messages in the engine's terms, ready to be applied.
//!
//! A frame is decoded whole, into buffers that are reused, before anything is applied: a
//! frame that turns out to be broken at its last byte has changed nothing.

use crate::decode::json::Value;
use crate::fixed::{ABSENT, Decimal, Form, Price, Qty};
use crate::instrument::InstrumentId;
use crate::time::Nanos;
use std::ops::Range;

/// One side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Buyers.
    Bid,
    /// Sellers.
    Ask,
}

/// Who crossed the spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggressor {
    /// A buyer lifted an offer.
    Buy,
    /// A seller hit a bid.
    Sell,
}

/// A price level: an absolute size at a price, and how the venue printed the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Price, 1e-9.
    pub price: Price,
    /// Size, 1e-8; zero removes the level.
    pub qty: Qty,
    /// Printed forms of price and size.
    pub forms: (Form, Form),
}

impl Level {
    /// A level printed in the shortest form.
    #[must_use]
    pub const fn new(price: Price, qty: Qty) -> Self {
        Self { price, qty, forms: (Form::with_fraction(0), Form::with_fraction(0)) }
    }
}

/// What the venue says is its own best price of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(i64);

impl Claim {
    /// The venue said nothing.
    pub const SILENT: Self = Self(ABSENT);
    /// The venue said that the side is empty.
    pub const EMPTY: Self = Self(-1);

    /// The venue named this price.
    #[must_use]
    pub const fn price(price: Price) -> Self {
        Self(price)
    }

    /// Whether the venue said anything.
    #[inline]
    #[must_use]
    pub const fn given(self) -> bool {
        self.0 != ABSENT
    }

    /// Whether the claim holds for a side whose best price is `best`; a silent one does.
    #[inline]
    #[must_use]
    pub fn agrees(self, best: Option<Price>) -> bool {
        self.0 == ABSENT || self.0 == best.unwrap_or(-1)
    }
}

/// A level change of one instrument, with the evidence the venue attached to it.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Which side.
    pub side: Side,
    /// The level's new absolute size.
    pub level: Level,
    /// The venue's best bid after the message.
    pub best_bid: Claim,
    /// The venue's best ask after the message.
    pub best_ask: Claim,
    /// Where the book hash stands in the frame.
    pub hash: Value,
}

/// A whole book that replaces what was there.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Where its symbol stands in the frame.
    pub symbol: Value,
    /// Bid levels, as a range of [`Frame::levels`].
    pub bids: Range<usize>,
    /// Ask levels, likewise.
    pub asks: Range<usize>,
    /// Where the book hash stands in the frame.
    pub hash: Value,
    /// Tick size, if the message carries it.
    pub tick_size: Option<Decimal>,
    /// Where the last trade price stands in the frame.
    pub last_trade_price: Value,
    /// Where the minimum order size stands in the frame.
    pub min_order_size: Value,
    /// Whether the market is a negative-risk one, if the message says so.
    pub neg_risk: Option<bool>,
}

/// A trade print.
#[derive(Clone, Copy, Debug)]
pub struct Trade {
    /// The instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Price, 1e-9.
    pub price: Price,
    /// Size, 1e-8.
    pub qty: Qty,
    /// Who took, if the venue says so.
    pub aggressor: Option<Aggressor>,
    /// Where the printed price stands in the frame.
    pub price_text: Value,
    /// Where the transaction hash stands in the frame.
    pub transaction: Value,
}

/// What a message asks the engine to do.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing: keepalives, notices, news the engine only counts.
    Nothing,
    /// Replace a book.
    Snapshot(Snapshot),
    /// Change levels: a range of [`Frame::changes`], applied in order, judged at the end.
    Changes(Range<usize>),
    /// Record a trade.
    Trade(Trade),
    /// The price grid changed from the first tick size to the second.
    TickSize(InstrumentId, Decimal, Decimal),
    /// The venue's touch, as evidence only.
    Touch(InstrumentId, Claim, Claim),
    /// The market is over; a range of [`Frame::named`], and the winner.
    Resolved(Range<usize>, InstrumentId),
    /// A book-affecting message that cannot be trusted.
    Malformed(Malformed),
}

/// A message that is valid JSON but not a valid message.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// The instruments it names: a range of [`Frame::named`].
    pub named: Range<usize>,
    /// Whether it names nothing we know, so that its whole connection is in doubt.
    pub whole_connection: bool,
    /// Byte offset of what is wrong.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// One venue message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The venue's time, or [`ABSENT`].
    pub ts_event: Nanos,
    /// Where the market's name stands in the frame.
    pub market: Value,
    /// What to do.
    pub body: Body,
}

/// A decoded frame. The buffers keep their capacity from frame to frame.
#[derive(Debug, Default)]
pub struct Frame {
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// Level changes of all messages.
    pub changes: Vec<Change>,
    /// Levels of all snapshots.
    pub levels: Vec<Level>,
    /// Instruments named by malformed or resolving messages.
    pub named: Vec<InstrumentId>,
    /// Message types, as the decoder numbers them: counted once the frame has proved whole.
    pub kinds: Vec<u8>,
    /// Scratch for strings with escapes.
    pub scratch: Vec<u8>,
}

impl Frame {
    /// Empties the frame, keeping its memory.
    #[inline]
    pub fn clear(&mut self) {
        self.messages.clear();
        self.changes.clear();
        self.levels.clear();
        self.named.clear();
        self.kinds.clear();
    }
}
