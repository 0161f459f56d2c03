//! What decoders produce: a venue's messages in the engine's terms, ready to be applied.
//!
//! A frame is decoded whole, into buffers that are reused, before anything is applied: a
//! frame that turns out to be broken at its last byte has changed nothing.

use crate::fixed::{ABSENT, Decimal, Form, Price, Qty};
use crate::instrument::InstrumentId;
use crate::names::named_codes;
use crate::openings::Openings;
use crate::span::Value;
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

impl Side {
    /// 1 for bids, 2 for asks: for numbers that are made of what a message says.
    #[inline]
    #[must_use]
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Bid => 1,
            Self::Ask => 2,
        }
    }
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

    /// The price that the venue named, if it did.
    #[must_use]
    pub(crate) const fn named(self) -> Option<Price> {
        if self.0 < 0 { None } else { Some(self.0) }
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
    /// Where the venue's digest of the book after the change stands in the frame.
    pub digest: Value,
}

/// What a message says that its book has come to, for the book's proof to check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofClaim {
    /// Nothing.
    #[default]
    None,
    /// A digest: where its text stands in the frame.
    Digest(Value),
    /// A checksum.
    Checksum(u32),
}

impl ProofClaim {
    /// Where the text of a digest stands; a missing value if there is none.
    #[must_use]
    pub fn digest(self) -> Value {
        if let Self::Digest(value) = self { value } else { Value::default() }
    }
}

/// New absolute sizes of some levels of one book, told together.
#[derive(Clone, Debug)]
pub struct Levels {
    /// The instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Where its symbol stands in the frame.
    pub symbol: Value,
    /// Bid levels, as a range of [`Frame::levels`]; a size of zero removes one.
    pub bids: Range<usize>,
    /// Ask levels, likewise.
    pub asks: Range<usize>,
    /// What the book has come to.
    pub claim: ProofClaim,
    /// Whether asks higher than a price can be were left out.
    pub asks_cut: bool,
}

/// The venue's own best prices and sizes of one book.
#[derive(Clone, Copy, Debug)]
pub struct TouchClaim {
    /// The instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Its best bid.
    pub bid: Claim,
    /// Its best ask.
    pub ask: Claim,
    /// Size at the best bid, or [`ABSENT`].
    pub bid_qty: Qty,
    /// Size at the best ask, or [`ABSENT`].
    pub ask_qty: Qty,
}

impl TouchClaim {
    /// Best prices without sizes.
    #[must_use]
    pub const fn prices(instrument: InstrumentId, bid: Claim, ask: Claim) -> Self {
        Self { instrument, bid, ask, bid_qty: ABSENT, ask_qty: ABSENT }
    }
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
    /// What the book has come to.
    pub claim: ProofClaim,
    /// Whether asks higher than a price can be were left out.
    pub asks_cut: bool,
    /// Tick size, if the message carries it.
    pub tick_size: Option<Decimal>,
    /// Where the minimum order size stands in the frame.
    pub min_order_size: Value,
    /// Further members of the message that the book's proof reads, in the order it states.
    pub hints: [Value; 2],
    /// Where the venue's second name of the market stands in the frame.
    pub market_id: Value,
    /// Whether it answers a request of ours, rather than being part of the stream.
    pub requested: bool,
    /// How long it holds from its receipt, where it says so: nothing else renews it.
    pub holds_for: Option<Nanos>,
}

/// A whole book of which nothing is said but its levels.
impl From<Levels> for Snapshot {
    #[inline]
    fn from(levels: Levels) -> Self {
        let Levels { instrument, symbol, bids, asks, claim, asks_cut } = levels;
        Self {
            instrument,
            symbol,
            bids,
            asks,
            claim,
            asks_cut,
            tick_size: None,
            min_order_size: Value::default(),
            hints: [Value::default(); 2],
            market_id: Value::default(),
            requested: false,
            holds_for: None,
        }
    }
}

/// Where a message stands among those of its venue: in a numbered stream, or in the numbers of
/// its book's changes. Venues without numbers leave it at [`Place::NONE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the stream; 0 for none.
    pub sid: u32,
    /// First number that the message stands for; 0 for none, or for a further part of a message
    /// whose number was taken.
    pub first: u64,
    /// Last number that it stands for; 0 for none. Most messages stand for one number.
    pub seq: u64,
}

impl Place {
    /// No stream, no number.
    pub const NONE: Self = Self { sid: 0, first: 0, seq: 0 };

    /// One number of a stream.
    #[inline]
    #[must_use]
    pub const fn one(sid: u32, seq: u64) -> Self {
        Self { sid, first: seq, seq }
    }

    /// A further part of the message that stands here: it takes no number of its own.
    #[inline]
    #[must_use]
    pub const fn part(self) -> Self {
        Self { first: 0, ..self }
    }

    /// A run of changes of one book.
    #[inline]
    #[must_use]
    pub const fn run(first: u64, last: u64) -> Self {
        Self { sid: 0, first, seq: last }
    }
}

/// A signed change of one level's size: what was added, or taken away.
#[derive(Clone, Copy, Debug)]
pub struct Delta {
    /// The instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Which side, in the terms of the instrument's own book.
    pub side: Side,
    /// Price of the level, in the same terms.
    pub price: Price,
    /// Change of its size, 1e-8; may be negative or zero.
    pub qty: Qty,
    /// Where the venue's second name of the market stands in the frame.
    pub market_id: Value,
}

/// What became of a market, as far as trading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trading {
    /// It is paused: books stay as they are, nothing can be executed.
    Paused,
    /// It trades again.
    Resumed,
    /// It will close at another time than was known.
    ClosesAt(Nanos),
    /// A share of the instrument's own outcome pays this much, or [`ABSENT`] where that cannot be
    /// told; nothing trades any more.
    Determined(Price),
}

/// How a market stands, as the venue lists it when asked.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The market's instrument, or `UNKNOWN`.
    pub instrument: InstrumentId,
    /// Whether it trades.
    pub stands: Stands,
    /// When it opens.
    pub opens: Option<Nanos>,
    /// When it closes.
    pub closes: Nanos,
    /// Where the name of its event stands.
    pub event: Value,
    /// Which part of the venue trades it.
    pub shard: Option<u32>,
}

/// Whether a market trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It does, in its hours.
    Open,
    /// It is paused.
    Paused,
    /// It has closed.
    Closed,
    /// It is over: a share pays this much, or [`ABSENT`] where that is not told.
    Decided(Price),
}

/// The fees of a series, or of an event's markets in their place.
#[derive(Clone, Copy, Debug)]
pub struct ListedFees {
    /// Where the event's name stands, or absent for the fees of the series itself.
    pub event: Value,
    /// Where the name of the series stands.
    pub series: Value,
    /// Where the name of the formula stands; absent if the event has none of its own.
    pub kind: Value,
    /// The multiplier, 1e-9; `None` if the event has none of its own.
    pub multiplier: Option<i64>,
}

/// News that cannot be read: what it is about may have changed, and nobody knows to what.
#[derive(Clone, Copy, Debug)]
pub struct Unclear {
    /// Whose news it is.
    pub whose: Whose,
    /// Byte offset of what is wrong.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Whom unclear news may be about.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// One market.
    Market(InstrumentId),
    /// The fees of an event's markets: where its name stands in the frame.
    Event(Value),
    /// Any market of the connection.
    Any,
}

/// Which outcome of a market won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The venue does not say, or the outcomes share.
    Unsaid,
    /// This one.
    One(InstrumentId),
    /// One that nobody subscribed.
    Other,
}

/// New fees of all markets of an event; what is left out is as it was listed.
#[derive(Clone, Copy, Debug)]
pub struct FeeChange {
    /// Where the event's name stands in the frame.
    pub event: Value,
    /// Where the name of the formula stands, absent or null if the change is taken back.
    pub kind: Value,
    /// The multiplier, 1e-9.
    pub multiplier: Option<i64>,
}

named_codes! {
    /// What a reply to a command says.
    ReplyKind {
        /// A channel was subscribed.
        Subscribed = "subscribed",
        /// A command was carried out.
        Ok = "ok",
        /// A subscription was given up, as asked.
        Unsubscribed = "unsubscribed",
        /// A command, or a subscription, failed.
        Error = "error",
        /// The venue is going to end the connection.
        Ending = "ending",
        /// The venue asks whether anybody is there, and ends the connection if nobody answers.
        Asks = "asks",
    }
}

/// A reply to a command of ours, or the venue's word that a subscription failed.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// What it says.
    pub kind: ReplyKind,
    /// Number of the command it answers; 0 for none.
    pub id: u64,
    /// The venue's error code; 0 for none.
    pub code: u32,
    /// Where the channel's name stands in the frame.
    pub channel: Value,
    /// Where the text of an error stands in the frame.
    pub text: Value,
    /// Whether a subscription is over with it: the stream that the message names, the book of
    /// `instrument`, or any of the connection's.
    pub ends: bool,
    /// Whether a subscription never came to be with it.
    pub refuses: bool,
    /// The instrument it is about, or `UNKNOWN`.
    pub instrument: InstrumentId,
}

/// A value of a reference index.
#[derive(Clone, Copy, Debug)]
pub struct IndexValue {
    /// Where the index's name stands in the frame.
    pub index: Value,
    /// The value in dollars, 1e-9; `ts_event` of the message is the source's time.
    pub value: Price,
    /// Mean of the 60 s before the source's time, 1e-9.
    pub mean_60s: Option<Price>,
    /// Mean since a minute before the quarter of an hour, and how many values it holds.
    pub closing_mean: Option<(Price, u32)>,
}

/// Something about the user's own orders or positions. Prices 1e-9, quantities 1e-8, money
/// 1e-9 dollars, all in terms of the instrument's own book.
#[derive(Clone, Copy, Debug)]
pub enum Own {
    /// An order was filled: price, signed quantity (bought, sold), fee, whether it took.
    Fill(InstrumentId, Price, Qty, i64, bool),
    /// An order changed: price, quantity still resting.
    Order(InstrumentId, Price, Qty),
    /// A position: signed quantity.
    Position(InstrumentId, Qty),
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
    /// Where its id, or that of its transaction, stands in the frame.
    pub id: Value,
    /// Whether the id is that of a transaction, which may be of several trades.
    pub id_shared: bool,
    /// Whether it was agreed outside the book, which it then says nothing about.
    pub off_book: bool,
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
    /// Set some levels of one book.
    Levels(Levels),
    /// Add to a level, or take from it.
    Delta(Delta),
    /// Record a trade.
    Trade(Trade),
    /// The price grid changed from the first tick size to the second.
    TickSize(InstrumentId, Decimal, Decimal),
    /// The venue's touch, as evidence only.
    Touch(TouchClaim),
    /// The venue's touch as another, unordered channel has it: it may be ahead of the book, or
    /// behind.
    Witness(InstrumentId, Claim, Claim),
    /// The market is over; a range of [`Frame::named`], and who won.
    Resolved(Range<usize>, Winner),
    /// Whether, and until when, the market trades.
    Trading(InstrumentId, Trading),
    /// The fees of an event's markets changed.
    Fees(FeeChange),
    /// How a market stands, as the venue lists it when asked.
    Listed(Listed),
    /// Fees, as the venue lists them when asked.
    ListedFees(ListedFees),
    /// Whether the venue trades as a whole, and which of its parts do: a range of
    /// [`Frame::shards`].
    Exchange(bool, Range<usize>),
    /// When the venue will be closed: a range of [`Frame::closures`].
    Closures(Range<usize>),
    /// News of a market that changes nothing here.
    News,
    /// News that cannot be read.
    Unclear(Unclear),
    /// The venue answers a command.
    Reply(Reply),
    /// Whose books the connection is subscribed to, all of them: a range of [`Frame::named`].
    Subscribed(Range<usize>),
    /// A reference index has a new value.
    Index(IndexValue),
    /// The user's own orders and positions.
    Own(Own),
    /// A message of a type the decoder does not know: nothing, unless it came on a stream that
    /// carries books.
    Unknown,
    /// A book-affecting message that cannot be trusted.
    Malformed(Malformed),
}

impl Body {
    /// Whether it is news of markets, so that its stream carries such.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        matches!(self, Self::Trading(..) | Self::Fees(_) | Self::News | Self::Unclear(_))
    }
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
    /// Where the message stands in its stream.
    pub place: Place,
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
    /// Of the changes, those of symbols that are not known: which, and where the symbol stands.
    pub strangers: Vec<(usize, Value)>,
    /// Parts of the venue by number, and whether each trades.
    pub shards: Vec<(u32, bool)>,
    /// When the venue will be closed, from and to.
    pub closures: Vec<Range<Nanos>>,
    /// Levels of all snapshots.
    pub levels: Vec<Level>,
    /// Instruments named by malformed or resolving messages, and in lists of subscriptions.
    pub named: Vec<InstrumentId>,
    /// Message types, as the decoder numbers them: counted once the frame has proved whole.
    pub kinds: Vec<u8>,
    /// When the venue handed the frame to its network, where it says so.
    pub ts_sent: Option<Nanos>,
    /// Scratch for strings with escapes.
    pub(crate) scratch: Vec<u8>,
    /// How earlier frames began, by which decoders know the next ones. It is the only thing that is
    /// not of this frame.
    pub(crate) openings: Openings,
}

impl Frame {
    /// Notes that a message cannot be trusted: the books it may be about, or that it may be
    /// about any of its connection.
    #[cold]
    pub fn malformed(
        &mut self,
        books: impl IntoIterator<Item = InstrumentId>,
        whole_connection: bool,
        offset: usize,
        what: &'static str,
    ) -> Body {
        let start = self.named.len();
        self.named.extend(books);
        Body::Malformed(Malformed { named: start..self.named.len(), whole_connection, offset, what })
    }

    /// Empties the frame, keeping its memory.
    #[inline]
    pub fn clear(&mut self) {
        self.messages.clear();
        self.changes.clear();
        self.strangers.clear();
        self.shards.clear();
        self.closures.clear();
        self.levels.clear();
        self.named.clear();
        self.kinds.clear();
        self.ts_sent = None;
    }
}
