//! Signals: opportunities with a life. A rule is a pure question about some books, one file
//! each; opening, updating and closing an opportunity, its gates and the counting of
//! refusals are the same for all rules and live in [`life`].

pub mod complement;
pub mod fees;
pub mod life;
pub mod spread;

use crate::book::Book;
use crate::book::integrity::named_codes;
use crate::fixed::{ABSENT, Price, Qty};
use crate::instrument::{Instrument, InstrumentId, Instruments};
use crate::time::Nanos;
use fees::Usd;
use std::collections::BTreeMap;
use std::fmt;

named_codes! {
    /// The rules there are.
    RuleKind {
        /// A book's spread is beyond a threshold.
        Spread = "spread",
        /// Both outcomes of a market together cost less, or bring more, than one.
        Complement = "complement",
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

/// Most legs a rule of this engine has.
pub const MAX_LEGS: usize = 2;

/// One leg of an opportunity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The instrument.
    pub instrument: InstrumentId,
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
    /// Fees of all legs.
    pub fee: Usd,
    /// Money it takes.
    pub capital: Usd,
    /// What is traded.
    pub direction: Direction,
    /// The legs; the first `leg_count` count.
    pub legs: [Leg; MAX_LEGS],
    /// Number of legs.
    pub leg_count: usize,
}

/// A rule's answer about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // returned by value a few times per message, never stored
pub enum Assessment {
    /// Nothing there.
    Quiet,
    /// Something there that must not be signalled.
    Refused(Refusal),
    /// Something there.
    Found(Found),
}

/// What a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All books.
    pub books: &'a [Book],
    /// All instruments.
    pub instruments: &'a Instruments,
}

impl<'a> View<'a> {
    /// Book and instrument of `id`.
    #[inline]
    #[must_use]
    pub fn at(&self, id: InstrumentId) -> Option<(&'a Book, &'a Instrument)> {
        Some((self.books.get(id as usize)?, self.instruments.at(id)?))
    }
}

/// The instruments one opportunity of a rule is about, the rest of the array unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The instruments.
    pub instruments: [InstrumentId; MAX_LEGS],
    /// How many of them count.
    pub count: usize,
    /// Told apart by the rule, if it asks several questions of the same instruments.
    pub direction: Direction,
}

impl Subject {
    /// The instruments that count.
    #[must_use]
    pub fn instruments(&self) -> &[InstrumentId] {
        &self.instruments[..self.count]
    }
}

/// Gates common to all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// Oldest evidence a leg may rest on.
    pub max_age: Nanos,
    /// How far apart in time the legs' evidence may be.
    pub max_skew: Nanos,
    /// How long an opportunity must last before it is opened.
    pub min_hold: Nanos,
    /// How long after a close the same one may not open again.
    pub cooldown: Nanos,
    /// Smallest size.
    pub min_qty: Qty,
}

/// A question about books.
pub trait Rule: fmt::Debug + Send + Sync {
    /// Which rule it is.
    fn kind(&self) -> RuleKind;
    /// Its gates.
    fn gates(&self) -> &Gates;
    /// What becomes watchable now that `added` is there.
    fn subjects(&self, added: InstrumentId, instruments: &Instruments) -> Vec<Subject>;
    /// Whether the touches alone rule an opportunity out: the cheap answer, asked first.
    fn quiet(&self, subject: &Subject, view: &View) -> bool;
    /// The full answer, walked through depth. Asked only of believable books.
    fn assess(&self, subject: &Subject, view: &View) -> Assessment;
    /// Whether the answer depends on the venue's hash vouching for the books as they stand:
    /// then they are checked at every change while the opportunity is there, not only before
    /// it is opened.
    fn rests_on_hash(&self) -> bool {
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

    fn take(&mut self, key: &'static str) -> Option<&'a str> {
        self.asked.push(key);
        self.params.get(key).map(String::as_str)
    }

    fn wrong(&self, key: &str, wanted: &str, given: &str) -> RuleError {
        RuleError(format!("rule {}: {key} must be {wanted}, not {given:?}", self.rule))
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

    /// The common gates.
    ///
    /// # Errors
    /// If one of them is not a plain decimal.
    pub fn gates(&mut self) -> Result<Gates, RuleError> {
        use crate::time::SECOND;
        Ok(Gates {
            max_age: self.millis("max_age_ms", 30 * SECOND)?,
            max_skew: self.millis("max_skew_ms", 2 * SECOND)?,
            min_hold: self.millis("min_hold_ms", 0)?,
            cooldown: self.millis("cooldown_ms", 0)?,
            min_qty: self.decimal::<8>("min_qty", Some(1))?,
        })
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// If a parameter was given that the rule does not have.
    pub fn finish(self) -> Result<(), RuleError> {
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
        None => Err(RuleError(format!("no rule {kind:?}; there are {}", RuleKind::NAMES.join(", ")))),
    }
}

/// Nanoseconds between two times of which either may be [`ABSENT`].
#[inline]
#[must_use]
pub(crate) fn apart(a: Nanos, b: Nanos) -> Option<Nanos> {
    if a == ABSENT || b == ABSENT { None } else { Some(a.saturating_sub(b).saturating_abs()) }
}
