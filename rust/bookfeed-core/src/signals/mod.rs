//! Signals: opportunities with a life. A rule is a pure question about some books, one file
//! each; opening, updating and closing an opportunity, its gates and the counting of
//! refusals are the same for all rules and live in [`life`].

pub mod bundle;
pub mod complement;
pub mod confirm;
pub mod leave;
pub mod legs;
pub mod life;
pub mod paper;
pub mod polarity;
pub mod spread;

use crate::book::Book;
use crate::fees::Usd;
use crate::fixed::{ABSENT, Price, Qty};
use crate::instrument::{Instrument, InstrumentId, Instruments, Venue};
use crate::names::named_codes;
use crate::sequence::stream::{Connection, Streams};
use crate::time::Nanos;
use crate::venue::Continuity;
use std::collections::BTreeMap;
use std::fmt;

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
}

impl<'a> View<'a> {
    /// Book and instrument of `id`.
    #[inline]
    #[must_use]
    pub fn at(&self, id: InstrumentId) -> Option<(&'a Book, &'a Instrument)> {
        Some((self.books.get(id as usize)?, self.instruments.at(id)?))
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

/// Gates common to all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// Oldest evidence a leg may rest on.
    pub(crate) max_age: Nanos,
    /// How far apart in time the legs' evidence may be.
    pub(crate) max_skew: Nanos,
    /// How much later one leg's venue may be heard of than another's; 0 for any.
    pub max_lag: Nanos,
    /// Whether the legs' books must be known to have stood so at one time.
    pub confirm: bool,
    /// Whether each leg's venue must vouch for its book exactly as it stands.
    pub(crate) proof: bool,
    /// How long before its close a market is left alone.
    pub(crate) min_time_to_close: Nanos,
    /// How long an opportunity must last before it is opened.
    pub(crate) min_hold: Nanos,
    /// How long after a close the same one may not open again.
    pub cooldown: Nanos,
    /// Smallest size.
    pub min_qty: Qty,
}

impl Gates {
    /// Those of a rule that is never asked.
    const NONE: Self = Self {
        max_age: 0,
        max_skew: 0,
        max_lag: 0,
        confirm: false,
        proof: false,
        min_time_to_close: 0,
        min_hold: 0,
        cooldown: 0,
        min_qty: 0,
    };
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
    /// The full answer, walked through depth, and the legs of what was found. Asked only of
    /// believable books.
    fn assess(&self, subject: &Subject, view: &View, legs: &mut Vec<Leg>) -> Assessment;
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
    /// Whether it was removed, and only its number is kept.
    fn is_gone(&self) -> bool {
        false
    }
    /// As [`Self::quiet`], for an opportunity that is open: hysteresis lives here.
    fn quiet_when_open(&self, subject: &Subject, view: &View) -> bool {
        self.quiet(subject, view)
    }
}

/// Parameters of a rule, as text, with the names used in configuration.
pub type Params = BTreeMap<String, String>;

/// A rule that cannot be built from its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError(pub String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

/// Reads parameters one by one, and complains of those nobody asked for.
#[derive(Debug)]
pub struct ParamReader<'a> {
    rule: &'static str,
    params: &'a Params,
    asked: Vec<&'static str>,
}

impl<'a> ParamReader<'a> {
    /// A reader of `params` for the rule called `rule`.
    #[must_use]
    pub fn new(rule: &'static str, params: &'a Params) -> Self {
        Self { rule, params, asked: Vec::new() }
    }

    /// The rule that is read.
    #[must_use]
    pub(crate) const fn rule(&self) -> &'static str {
        self.rule
    }

    fn take(&mut self, key: &'static str) -> Option<&'a str> {
        self.asked.push(key);
        self.params.get(key).map(String::as_str)
    }

    pub(crate) fn wrong(&self, key: &str, wanted: &str, given: &str) -> RuleError {
        RuleError(format!("rule {}: {key} must be {wanted}, not {given:?}", self.rule))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// If it is missing.
    pub fn text(&mut self, key: &'static str) -> Result<&'a str, RuleError> {
        self.take(key).ok_or_else(|| RuleError(format!("rule {}: {key} is required", self.rule)))
    }

    /// A decimal in units of 10^-`SCALE`.
    ///
    /// # Errors
    /// If it is not a plain decimal, or missing without a default.
    pub fn decimal<const SCALE: u32>(
        &mut self,
        key: &'static str,
        default: Option<i64>,
    ) -> Result<i64, RuleError> {
        match (self.take(key), default) {
            (Some(text), _) => crate::fixed::parse_unsigned::<SCALE>(text.as_bytes())
                .map(|d| d.value)
                .map_err(|_| self.wrong(key, "a plain decimal such as \"0.01\"", text)),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(RuleError(format!("rule {}: {key} is required", self.rule))),
        }
    }

    /// A duration in milliseconds, as nanoseconds.
    ///
    /// # Errors
    /// If it is not a plain decimal.
    pub fn millis(&mut self, key: &'static str, default: Nanos) -> Result<Nanos, RuleError> {
        self.decimal::<6>(key, Some(default))
    }

    /// One of several words.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn word(
        &mut self,
        key: &'static str,
        allowed: &'static [&'static str],
    ) -> Result<&'static str, RuleError> {
        let Some(text) = self.take(key) else { return Ok(allowed[0]) };
        let found = allowed.iter().copied().find(|a| *a == text);
        found.ok_or_else(|| self.wrong(key, &format!("one of {}", allowed.join(", ")), text))
    }

    /// The common gates, of a rule whose legs `confirm` each other or not, and may be `max_lag`
    /// apart, unless it is said otherwise.
    ///
    /// # Errors
    /// If one of them is not a plain decimal.
    pub fn gates(&mut self, confirm: bool, max_lag: Nanos) -> Result<Gates, RuleError> {
        use crate::time::SECOND;
        let mut gates = Gates {
            max_age: self.millis("max_age_ms", 30 * SECOND)?,
            max_skew: self.millis("max_skew_ms", ABSENT)?,
            max_lag: self.millis("max_lag_ms", max_lag)?,
            confirm: self.word("confirm", if confirm { &["on", "off"] } else { &["off", "on"] })?
                == "on",
            proof: self.word("proof", &["off", "venue"])? == "venue",
            min_time_to_close: self.millis("min_time_to_close_ms", 0)?,
            min_hold: self.millis("min_hold_ms", 0)?,
            cooldown: self.millis("cooldown_ms", 0)?,
            min_qty: self.decimal::<8>("min_qty", Some(1))?,
        };
        if gates.max_skew == ABSENT {
            // What is confirmed stood so at one time, and holds as long as the evidence may be
            // old. Else nearness in time has to do.
            gates.max_skew = if gates.confirm { 30 * SECOND } else { 2 * SECOND };
        }
        Ok(gates)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// If a parameter was given that the rule does not have.
    pub(crate) fn finish(self) -> Result<(), RuleError> {
        match self.params.keys().find(|k| !self.asked.contains(&k.as_str())) {
            Some(key) => Err(RuleError(format!(
                "rule {}: no parameter {key:?}; there are {}",
                self.rule,
                self.asked.join(", ")
            ))),
            None => Ok(()),
        }
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
