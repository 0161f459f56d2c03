//! What an engine is built with and told, what it counts, and what it refuses.

use crate::decode::json::{JsonError, JsonErrorKind};
use crate::instrument::{Hours, InstrumentId, Venue};
use crate::sequence::clock::Patience;
use crate::signals::own::OwnError;
use crate::time::{MILLISECOND, Nanos, SECOND};
use std::fmt;

/// When book hashes are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashCheck {
    /// At the end of every message.
    Always,
    /// Every changed book within the interval, and before a signal is opened.
    Sampled,
    /// Never.
    Off,
}

/// What an engine is built with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// When book hashes are checked.
    pub hash_check: HashCheck,
    /// With [`HashCheck::Sampled`]: longest time a change goes unchecked.
    pub hash_interval: Nanos,
    /// Longest time a batch may be spread over.
    pub batch_grace: Nanos,
    /// Longest time a book stays suspect before it is given up.
    pub suspect_grace: Nanos,
    /// Longest time a book may take to come to the touch that another channel has of it.
    pub witness_grace: Nanos,
    /// Longest delay of a connection beyond that of its fastest messages; 0 for any.
    pub max_delay: Nanos,
    /// How long what news may have changed stays unknown where nobody can say; 0 for ever.
    pub unheard: Nanos,
    /// Whether venues pause when their calendars say so.
    pub calendar: bool,
    /// Longest silence of a connection; 0 switches the check off.
    pub silence: Nanos,
    /// Shortest silence of a book or a connection that may be odd; 0 lets none be.
    pub odd_silence: Nanos,
    /// How old a polled book may be.
    pub poll_age: Nanos,
    /// Whether a snapshot of an unknown symbol subscribes it; for recordings.
    pub auto_subscribe: bool,
    /// How many instruments there may be: a recording from anywhere may name any number.
    pub books_max: usize,
    /// Whether the digest over all records is kept.
    pub digest: bool,
    /// How long orders of the paper ledger take to arrive; none for no ledger.
    pub paper_latency: Option<Nanos>,
    /// Whether what is spelled as its venue spells it is read the fast way. Records do not depend on it.
    pub fast_frames: bool,
    /// Whether rules are asked at every frame about what they refused, though nothing changed for it.
    /// Records do not depend on it.
    pub ask_always: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hash_check: HashCheck::Sampled,
            hash_interval: 250 * MILLISECOND,
            batch_grace: 250 * MILLISECOND,
            suspect_grace: SECOND,
            witness_grace: 2 * SECOND,
            max_delay: 3 * SECOND,
            unheard: 300 * SECOND,
            calendar: true,
            silence: 30 * SECOND,
            odd_silence: 3 * SECOND,
            poll_age: 10 * SECOND,
            auto_subscribe: false,
            books_max: 100_000,
            digest: false,
            paper_latency: None,
            fast_frames: true,
            ask_always: false,
        }
    }
}

impl Config {
    /// How late a connection may deliver.
    #[inline]
    pub(super) fn patience(&self) -> Patience {
        Patience { max_delay: self.max_delay, grace: self.batch_grace }
    }
}

/// What is given at subscribe about an instrument; what is left out is learned or unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing<'a> {
    /// The venue's name of the market.
    pub market: Option<&'a str>,
    /// Name of the outcome.
    pub outcome: Option<&'a str>,
    /// Tick size as printed.
    pub tick_size: Option<&'a str>,
    /// Smallest order as printed.
    pub min_order_size: Option<&'a str>,
    /// The venue's name of the event the market belongs to.
    pub event: Option<&'a str>,
    /// When the market opens and closes.
    pub hours: Hours,
    /// Fees: the venue's name, a colon, and its terms (see [`crate::fees`]).
    pub fee: Option<&'a str>,
    /// What the book's proof has to know besides, as `name=value`, separated by semicolons.
    pub hints: Option<&'a str>,
    /// What is bought and sold, and what it is paid in, where that is a currency.
    pub base: Option<&'a str>,
    /// See `base`.
    pub quote: Option<&'a str>,
    /// Levels a side that the venue sends, where the subscription bounds them.
    pub depth: Option<u32>,
}

/// A control call that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// A number in a listing is not a plain decimal.
    Decimal(&'static str, String),
    /// Fees that cannot be computed exactly.
    Fees(String),
    /// A hint that the book's proof does not know.
    Hint(String),
    /// A mode in which the venue cannot be subscribed.
    Mode(Venue, String),
    /// A symbol longer than [`SYMBOL_BYTES_MAX`].
    Symbol(usize),
    /// No room for another instrument beside so many.
    BooksMax(usize),
    /// No such instrument.
    NoInstrument(InstrumentId),
    /// An instrument that was not given up.
    Subscribed(InstrumentId),
    /// No such rule.
    NoRule(u32),
    /// Connection numbers go up to [`MAX_CONNECTIONS`].
    Connection(u32),
    /// An instrument on a connection of another venue, whose decoder cannot read it.
    OtherVenue(u32, Venue, Venue),
    /// A connection that cannot be a second line, and why.
    Line(u32, &'static str),
    /// Levels that cannot be the user's own.
    Own(OwnError),
    /// The engine failed earlier and holds nothing to be believed.
    Poisoned,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(what, text) => {
                write!(f, "{what} must be a plain decimal such as 0.01, not {text:?}")
            }
            Self::Fees(text) => {
                write!(f, "fees {text}")
            }
            Self::Hint(text) => {
                write!(f, "hints must be name=value of what the book's proof reads, not {text:?}")
            }
            Self::Mode(venue, mode) => {
                let modes = venue.row().modes;
                write!(f, "{venue:?} has no mode {mode:?}; there are {modes:?}")
            }
            Self::Symbol(len) => {
                write!(f, "a symbol of {len} bytes; at most {SYMBOL_BYTES_MAX} are allowed")
            }
            Self::BooksMax(books) => {
                write!(f, "this engine follows {books} books and no more; start another process")
            }
            Self::NoInstrument(id) => write!(f, "there is no instrument {id}"),
            Self::Subscribed(id) => write!(f, "instrument {id} is subscribed; unsubscribe it first"),
            Self::NoRule(rule) => write!(f, "there is no rule {rule}"),
            Self::Connection(id) => {
                write!(f, "connection {id} is out of range; use 0 to {}", MAX_CONNECTIONS - 1)
            }
            Self::OtherVenue(conn, of, wanted) => {
                write!(f, "connection {conn} is of {of:?}; subscribe {wanted:?} on one of its own")
            }
            Self::Line(conn, why) => write!(f, "connection {conn} cannot be a second line: {why}"),
            Self::Own(error) => error.fmt(f),
            Self::Poisoned => f.write_str("the engine failed earlier; build a new one"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Connections are an array; their numbers stay small.
pub const MAX_CONNECTIONS: u32 = 65_536;

/// The longest symbol; those of venues have up to 80 bytes.
pub const SYMBOL_BYTES_MAX: usize = 512;

/// What happened, counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Payloads ingested.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Payloads that were not JSON, or no message.
    pub decode_errors: u64,
    /// Messages that were JSON but could not be trusted.
    pub malformed: u64,
    /// Changes, snapshots and trades of symbols nobody subscribed.
    pub unknown_instruments: u64,
    /// Frames that arrived for a connection that was down.
    pub late_frames: u64,
    /// Time stamps that were not believed.
    pub odd_stamps: u64,
    /// Spells in which a connection delivered too late.
    pub late_spells: u64,
    /// Spells in which the delay of a connection grew.
    pub delay_growths: u64,
    /// Frames of connections that nobody announced.
    pub unannounced_frames: u64,
    /// Trades.
    pub trades: u64,
    /// How often most of a hundred trades were on the other side of the mid than their aggressor.
    pub turned_aggressors: u64,
    /// Book hashes computed.
    pub hashes_checked: u64,
    /// Searches for a last trade price.
    pub hash_searches: u64,
    /// Changes of state.
    pub transitions: u64,
    /// Holes in numbered streams.
    pub gaps: u64,
    /// Messages of numbered streams that came before.
    pub regressions: u64,
    /// Changes that took more from a level than it held.
    pub underflows: u64,
    /// Books whose levels did not add up to their changes.
    pub unsound: u64,
    /// Messages about the user's own orders and positions.
    pub own: u64,
    /// Replies and errors that nobody collected in time.
    pub notices_dropped: u64,
    /// REST books that were used.
    pub rest_accepted: u64,
    /// REST books that were older than the stream, broken, or not asked for.
    pub rest_rejected: u64,
}

/// Where and why the newest bad payload was refused; formatted only when asked for.
#[derive(Clone, Debug)]
pub struct LastError {
    pub(super) conn: u32,
    pub(super) ts_recv: Nanos,
    pub(super) what: &'static str,
    pub(super) offset: usize,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conn, ts_recv, what, offset } = self;
        write!(f, "connection {conn}: {what} at byte {offset} of the frame received at {ts_recv}")
    }
}

/// What is wrong with a text that is not JSON.
pub(super) fn json_complaint(error: &JsonError) -> &'static str {
    use JsonErrorKind as K;
    match error.kind {
        K::Truncated => "JSON ends inside a value",
        K::Unexpected => "JSON has an unexpected byte",
        K::Control => "JSON has a control character inside a string",
        K::Escape => "JSON has a bad escape",
        K::Utf8 => "JSON is not UTF-8",
        K::Depth => "JSON is nested too deeply",
        K::Trailing => "JSON is followed by something",
        K::Length => "JSON is too long",
    }
}
