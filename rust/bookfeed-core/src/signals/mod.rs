//! Signals: opportunities with a life. A rule is a pure question about some books, one file
//! each; opening, updating and closing an opportunity, its gates and the counting of
//! refusals are the same for all rules and live in [`life`].

pub mod bundle;
pub mod complement;
pub mod confirm;
pub mod fair_value;
mod gates;
pub mod kept;
pub mod leave;
pub mod legs;
pub mod life;
pub mod own;
pub mod paper;
mod params;
pub mod polarity;
pub mod spread;
pub mod steps;
mod waiting;

use crate::book::Book;
use crate::fairvalue::{FairValue, Waiting};
use crate::fees::Usd;
use crate::fixed::{ABSENT, Price, Qty};
use crate::instrument::{Instrument, InstrumentId, Instruments, Venue};
use crate::names::named_codes;
use crate::sequence::stream::{Connection, Streams};
use crate::time::Nanos;
use crate::venue::Continuity;
use kept::Walked;
use own::OwnLevels;
use std::fmt;

pub use gates::{Apart, Gates, ReferenceAge};
pub use params::{ParamReader, Params, RuleError};

named_codes! {
    /// The rules there are.
    RuleKind {
        /// A book's spread is beyond a threshold.
        Spread = "spread",
        /// Both outcomes of a market together cost less, or bring more, than one.
        Complement = "complement",
        /// One event on two venues: YES on one and NO on the other cost less than one.
        BoxSpread = "box",
        /// Outcomes of which at most one happens cost less than they pay together.
        Basket = "basket",
        /// A higher strike is dearer than a lower one.
        Ladder = "ladder",
        /// Two contracts on nearly the same cost less than they pay, as far as one of them does.
        StrikeGap = "strike_gap",
        /// A contract costs less than it is worth by its reference.
        FairValue = "fair_value",
        /// The same while its book has not answered a move of the reference.
        Delay = "delay",
    }
}

named_codes! {
    /// Why an opportunity was not opened.
    Refusal {
        /// A leg's book may not be believed.
        NotLive = "not_live",
        /// A leg's newest evidence is too old.
        Age = "age",
        /// The legs' evidence is too far apart in time.
        Skew = "skew",
        /// The executable size is below the minimum.
        MinQty = "min_qty",
        /// The market's fees are not known.
        FeeUnknown = "fee_unknown",
        /// Fees eat the edge.
        Fees = "fees",
        /// The legs do not mirror each other, and there is no hash to vouch for them.
        Torn = "torn",
        /// The legs do not mirror each other, and the venue's hash does not vouch for one.
        Hash = "hash",
        /// A leg's book is crossed or locked.
        Crossed = "crossed",
        /// It has not lasted long enough yet.
        Hold = "hold",
        /// The last one closed too recently.
        Cooldown = "cooldown",
        /// The numbers do not fit exact arithmetic.
        Overflow = "overflow",
        /// A leg's market is paused, not open yet, or closed.
        Status = "status",
        /// A leg's market closes too soon.
        Closing = "closing",
        /// The legs' venues were last heard of at venue times too far apart.
        Lag = "lag",
        /// The set of outcomes is not complete, and may not mean what it says.
        Augmented = "augmented",
        /// The two contracts look like opposites.
        Polarity = "polarity",
        /// A leg's fees are of a type the engine cannot compute.
        FeeType = "fee_type",
        /// It is not known yet that the legs' books ever stood so at one time.
        Unconfirmed = "unconfirmed",
        /// The venue does not vouch for a leg's book exactly as it stands.
        Unproven = "unproven",
        /// Without the user's own orders it would not be there.
        Own = "own",
        /// The newest value of the reference that a leg's contract settles on is too old.
        Reference = "reference",
    }
}

named_codes! {
    /// Why an opportunity was closed.
    CloseReason {
        /// Not closed.
        None = "none",
        /// The edge is gone.
        Edge = "edge",
        /// A leg's book may no longer be believed.
        NotLive = "not_live",
        /// A leg's evidence became too old.
        Age = "age",
        /// The legs' evidence drifted apart in time.
        Skew = "skew",
        /// The executable size fell below the minimum.
        MinQty = "min_qty",
        /// Another gate shut.
        Refused = "refused",
        /// The legs' venues were last heard of too far apart in venue time.
        Lag = "lag",
        /// A leg's market does not trade.
        Status = "status",
        /// A leg's market closes too soon.
        Closing = "closing",
        /// The two contracts look like opposites.
        Polarity = "polarity",
        /// Its rule was removed.
        Removed = "removed",
    }
}

named_codes! {
    /// Where an opportunity is in its life.
    Phase {
        /// It begins.
        Open = "open",
        /// Its size or edge changed.
        Update = "update",
        /// It is over.
        Close = "close",
    }
}

/// What is traded in a signal's legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Nothing is taken.
    None = 0,
    /// Every leg is bought.
    Buy = 1,
    /// Every leg is sold.
    Sell = 2,
}

/// What a leg is of: an instrument, and which view of its book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegRef {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Whether the leg is the other side of the instrument's contract: bought at one minus bid.
    pub complement: bool,
}

impl LegRef {
    /// The instrument's own outcome.
    #[must_use]
    pub const fn own(instrument: InstrumentId) -> Self {
        Self { instrument, complement: false }
    }

    /// The other side of the same contract.
    #[must_use]
    pub const fn opposite(self) -> Self {
        Self { complement: !self.complement, ..self }
    }
}

/// One leg of an opportunity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What it is of; prices are in its terms.
    pub leg: LegRef,
    /// Whether it is sold rather than bought.
    pub sell: bool,
    /// Average price over the size.
    pub avg_price: Price,
    /// Worst price touched.
    pub worst_price: Price,
    /// Size.
    pub qty: Qty,
    /// Fee.
    pub fee: Usd,
    /// Fee of the size in one fill, resting at the best price of its own side, or [`ABSENT`].
    pub maker_fee: Usd,
}

/// An opportunity as a rule sees it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The rule's own measure: the spread, or the edge at the touch.
    pub value: Price,
    /// Executable size.
    pub qty: Qty,
    /// Average edge per share before fees.
    pub gross_edge: Price,
    /// Average edge per share after fees.
    pub net_edge: Price,
    /// What one unit would leave if every leg rested at the best price of its own side, or
    /// [`ABSENT`].
    pub maker_edge: Price,
    /// Fees of all legs.
    pub fee: Usd,
    /// Money it takes.
    pub capital: Usd,
    /// What is traded.
    pub direction: Direction,
    /// What a unit of every leg together pays: at least, or what it is worth.
    pub payout: Price,
    /// How likely two legs are to lose together or to win together, where the rule says so.
    pub chances: Option<Chances>,
}

/// What two legs that are no opposites may do together: the greatest probabilities, 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chances {
    /// That both lose.
    pub both_lose: Price,
    /// That both win.
    pub both_win: Price,
}

/// A rule's answer about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// Nothing there.
    Quiet,
    /// Something there that must not be signalled.
    Refused(Refusal),
    /// Something there; its legs are beside it.
    Found(Found),
}

/// What a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All books.
    pub books: &'a [Book],
    /// All instruments.
    pub instruments: &'a Instruments,
    /// All numbered streams.
    pub streams: &'a Streams,
    /// All connections.
    pub connections: &'a [Option<Connection>],
    /// What rests of the user's own, by instrument; nothing beyond the end.
    pub own: &'a [OwnLevels],
    /// What contracts were worth when their references last ticked, by instrument; nothing beyond
    /// the end.
    pub worths: &'a [Worth],
}

/// What is known of a contract by its reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// What it was worth when that last ticked.
    pub fair: Option<FairValue>,
    /// A move of the reference that its book has not answered yet.
    pub waiting: Option<Waiting>,
    /// How old what its reference told may be, unless a rule says otherwise.
    pub reference_age_max: Nanos,
}

impl<'a> View<'a> {
    /// Book and instrument of `id`.
    #[inline]
    #[must_use]
    pub fn at(&self, id: InstrumentId) -> Option<(&'a Book, &'a Instrument)> {
        Some((self.books.get(id as usize)?, self.instruments.at(id)?))
    }

    /// Whether what the newest tick of a contract's reference rests on is older than a gate allows,
    /// or there is none.
    #[must_use]
    pub(crate) fn reference_is_old(&self, id: InstrumentId, gate: ReferenceAge, now: Nanos) -> bool {
        let worth = self.worths.get(id as usize);
        let most = match gate {
            ReferenceAge::Any => return false,
            ReferenceAge::Usual => worth.map_or(0, |worth| worth.reference_age_max),
            ReferenceAge::AtMost(age) => age,
        };
        worth.and_then(|worth| worth.fair.as_ref()).is_none_or(|fair| fair.input_age(now) > most)
    }

    /// Receive time of the newest evidence for a book, or [`ABSENT`]: its own, or a message in
    /// the order of the numbered stream that carries it.
    #[inline]
    #[must_use]
    pub fn ts_evidence(&self, id: InstrumentId) -> Nanos {
        let Some(book) = self.books.get(id as usize) else { return ABSENT };
        self.streams.at(book.stream).map_or(book.ts_evidence, |s| s.ts_evidence.max(book.ts_evidence))
    }

    /// How newly, and how late, a book was heard of.
    #[inline]
    #[must_use]
    pub(crate) fn heard_of(&self, book: &Book, about: &Instrument) -> HeardOf {
        if let Some(stream) = self.streams.at(book.stream) {
            let ts_evidence = stream.ts_evidence.max(book.ts_evidence);
            return HeardOf { ts_evidence, behind: stream.behind };
        }
        let connection = self.connections.get(about.conn as usize).and_then(Option::as_ref);
        let behind = connection.map_or(ABSENT, |c| c.behind);
        HeardOf { ts_evidence: book.ts_evidence, behind }
    }

    /// Whether a book's owner says himself how long it holds. It stands at every time until then,
    /// so that there is no time to hold against those of other books.
    #[inline]
    #[must_use]
    pub(crate) fn stands_by_itself(&self, id: InstrumentId) -> bool {
        self.instruments.at(id).is_some_and(stands_by_itself)
    }

    /// Whether a book has no venue time to hold against those of others: it stands by itself, or it
    /// is polled, and nothing says what happened since.
    #[inline]
    #[must_use]
    pub(crate) fn is_timeless(&self, id: InstrumentId) -> bool {
        self.stands_by_itself(id) || self.books.get(id as usize).is_some_and(Book::polled)
    }

    /// Newest venue time up to which a book is proved complete, or [`ABSENT`]: by its numbered
    /// stream, or else by the newest message about the book itself.
    #[inline]
    #[must_use]
    pub(crate) fn ts_proved(&self, id: InstrumentId) -> Nanos {
        let Some(book) = self.books.get(id as usize) else { return ABSENT };
        self.streams.at(book.stream).map_or(book.ts_event, |stream| stream.ts_event)
    }

    /// Newest venue time heard of on the book's numbered stream, or else on its connection, or
    /// [`ABSENT`].
    #[inline]
    #[must_use]
    pub(crate) fn ts_heard(&self, id: InstrumentId) -> Nanos {
        let Some((book, about)) = self.at(id) else { return ABSENT };
        if let Some(stream) = self.streams.at(book.stream) {
            return stream.ts_event;
        }
        let connection = self.connections.get(about.conn as usize).and_then(Option::as_ref);
        connection.map_or(ABSENT, |c| c.clock.newest)
    }

    /// Whether nothing has shown yet how late a connection delivers: what its books hold may be of
    /// long ago.
    #[inline]
    #[must_use]
    pub(crate) fn delay_unknown(&self, conn: u32) -> bool {
        let connection = self.connections.get(conn as usize).and_then(Option::as_ref);
        connection.is_none_or(|c| c.clock.delay == ABSENT)
    }
}

/// How newly, and how late, a book was heard of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeardOf {
    /// Receive time of the newest evidence for it, or [`ABSENT`].
    pub(crate) ts_evidence: Nanos,
    /// Receive time less venue time of the newest message on its numbered stream, or else on its
    /// connection, or [`ABSENT`]. One that is quiet is no later for that.
    pub(crate) behind: Nanos,
}

/// See [`View::stands_by_itself`].
#[inline]
#[must_use]
pub(crate) fn stands_by_itself(about: &Instrument) -> bool {
    about.venue.row().continuity == Continuity::Expiry
}

/// What one opportunity of a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its legs, one unit of each.
    pub legs: Box<[LegRef]>,
    /// Whether they are bought or sold.
    pub direction: Direction,
    /// What a unit of every leg together pays at least, whatever happens.
    pub payout: Price,
}

impl Subject {
    /// The instruments of its legs.
    pub fn instruments(&self) -> impl Iterator<Item = InstrumentId> {
        self.legs.iter().map(|leg| leg.instrument)
    }
}

/// A question about books.
pub trait Rule: fmt::Debug + Send + Sync {
    /// Which rule it is.
    fn kind(&self) -> RuleKind;
    /// Its gates.
    fn gates(&self) -> &Gates;
    /// The instruments it is about by venue and symbol; `None` if it may be about any.
    fn named(&self) -> Option<Vec<(Venue, &str)>> {
        None
    }
    /// What becomes watchable now that `added` is there.
    fn subjects(&self, added: InstrumentId, instruments: &Instruments) -> Vec<Subject>;
    /// Whether the touches alone rule an opportunity out: the cheap answer, asked first.
    fn quiet(&self, subject: &Subject, view: &View) -> bool;
    /// The full answer, walked through depth, with the legs of what was found and what it rests on.
    /// Asked only of believable books.
    fn assess(&self, subject: &Subject, view: &View, walked: &mut Walked) -> Assessment;
    /// Whether the subject's two legs are to be watched for being opposites.
    fn checks_polarity(&self) -> bool {
        false
    }
    /// Whether the answer depends on the venue's hash vouching for the books as they stand:
    /// then they are checked at every change while the opportunity is there, not only before
    /// it is opened.
    fn rests_on_hash(&self) -> bool {
        false
    }
    /// Whether the answer depends on what contracts are worth by their references: then it is asked
    /// anew whenever those tick.
    fn rests_on_reference(&self) -> bool {
        false
    }
    /// Whether it was removed, and only its number is kept.
    fn is_gone(&self) -> bool {
        false
    }
    /// As [`Self::quiet`], for an opportunity that is open: hysteresis lives here.
    fn quiet_when_open(&self, subject: &Subject, view: &View) -> bool {
        self.quiet(subject, view)
    }
}

/// Builds the rule called `kind`.
///
/// # Errors
/// [`RuleError`] naming the rule or parameter, and what is allowed.
pub fn build(kind: &str, params: &Params) -> Result<Box<dyn Rule>, RuleError> {
    match RuleKind::by_name(kind) {
        Some(RuleKind::Spread) => Ok(Box::new(spread::SpreadRule::new(params)?)),
        Some(RuleKind::Complement) => Ok(Box::new(complement::ComplementRule::new(params)?)),
        Some(RuleKind::BoxSpread) => Ok(Box::new(legs::LegsRule::new_box(params)?)),
        Some(RuleKind::Basket) => Ok(Box::new(legs::LegsRule::new_basket(params)?)),
        Some(RuleKind::Ladder) => Ok(Box::new(legs::LegsRule::new_ladder(params)?)),
        Some(RuleKind::FairValue) => Ok(Box::new(fair_value::FairValueRule::new(params)?)),
        Some(RuleKind::Delay) => Ok(Box::new(fair_value::FairValueRule::new_delay(params)?)),
        Some(RuleKind::StrikeGap) => Ok(Box::new(legs::LegsRule::new_strike_gap(params)?)),
        None => Err(RuleError(format!("no rule {kind:?}; there are {}", RuleKind::NAMES.join(", ")))),
    }
}

/// Nanoseconds between two times of which either may be [`ABSENT`].
#[inline]
#[must_use]
pub(crate) fn apart(a: Nanos, b: Nanos) -> Option<Nanos> {
    if a == ABSENT || b == ABSENT {
        None
    } else {
        Some(i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX))
    }
}
