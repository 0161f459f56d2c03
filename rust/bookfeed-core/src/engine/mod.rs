//! The engine: one door in for bytes and control events, fixed-width records out.
//!
//! The order of work for a frame: time-driven verdicts that are due, decoding of the whole
//! frame, then message by message: apply, judge, publish, ask the rules. What each step does
//! is in `apply` (messages), `sequence` (numbered streams), `markets` (what is said of a
//! market besides its book), `hashes` (hash checks) and `standing` (states, deadlines).

mod apply;
mod hashes;
mod markets;
mod output;
mod sequence;
mod standing;

use crate::book::Book;
use crate::book::integrity::{Cause, EvidenceCounts, State};
use crate::decode::json::{JsonError, JsonErrorKind};
use crate::decode::{Mode, Payload, Source, Tally};
use crate::event::Frame;
use crate::fees::Fees;
use crate::fixed::{ABSENT, Decimal, parse_price};
use crate::instrument::{Hours, Instrument, InstrumentId, Instruments, UNKNOWN, Venue};
use crate::latency::Histogram;
use crate::sequence::stream::{Connection, Gap, Streams};
use crate::signals::life::{Refusals, Signals, Steps};
use crate::signals::paper::Ledger;
use crate::signals::{self, Params, RuleError};
use crate::time::{MILLISECOND, Nanos, SECOND};
use crate::trades::{TapeLimits, TradeTape};
pub use markets::IndexReading;
pub use output::Output;
pub use sequence::Notice;
use std::collections::{BTreeMap, VecDeque};
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
    /// Longest silence of a connection; 0 switches the check off.
    pub silence: Nanos,
    /// Whether a snapshot of an unknown symbol subscribes it; for recordings.
    pub auto_subscribe: bool,
    /// Whether the digest over all records is kept.
    pub digest: bool,
    /// How long orders of the paper ledger take to arrive; none for no ledger.
    pub paper_latency: Option<Nanos>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hash_check: HashCheck::Sampled,
            hash_interval: 250 * MILLISECOND,
            batch_grace: 250 * MILLISECOND,
            suspect_grace: SECOND,
            witness_grace: 2 * SECOND,
            silence: 30 * SECOND,
            auto_subscribe: false,
            digest: false,
            paper_latency: None,
        }
    }
}

/// What is given at subscribe about an instrument; what is left out is learned or unknown.
#[derive(Clone, Copy, Debug, Default)]
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
    /// No such instrument.
    NoInstrument(InstrumentId),
    /// Connection numbers go up to [`MAX_CONNECTIONS`].
    Connection(u32),
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
            Self::NoInstrument(id) => write!(f, "there is no instrument {id}"),
            Self::Connection(id) => {
                write!(f, "connection {id} is out of range; use 0 to {}", MAX_CONNECTIONS - 1)
            }
            Self::Poisoned => f.write_str("the engine failed earlier; build a new one"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Connections are an array; their numbers stay small.
pub const MAX_CONNECTIONS: u32 = 65_536;

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
    /// Frames of connections that nobody announced.
    pub unannounced_frames: u64,
    /// Trades.
    pub trades: u64,
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
    conn: u32,
    ts_recv: Nanos,
    what: &'static str,
    offset: usize,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conn, ts_recv, what, offset } = self;
        write!(f, "connection {conn}: {what} at byte {offset} of the frame received at {ts_recv}")
    }
}

/// What rules may look at, borrowed field by field so that they can be asked meanwhile.
macro_rules! view {
    ($engine:expr) => {
        crate::signals::View {
            books: &$engine.books,
            instruments: &$engine.instruments,
            streams: &$engine.streams,
            connections: &$engine.connections,
        }
    };
}
use view;

/// Every book of a process, and everything that happens to them.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    instruments: Instruments,
    books: Vec<Book>,
    tapes: Vec<TradeTape>,
    connections: Vec<Option<Connection>>,
    streams: Streams,
    gaps: VecDeque<Gap>,
    notices: VecDeque<Notice>,
    indices: BTreeMap<Box<str>, IndexReading>,
    tallies: [Tally; Venue::ALL.len()],
    signals: Signals,
    paper: Option<Ledger>,
    output: Output,
    counters: Counters,
    last_error: Option<LastError>,
    venue_latency: Histogram,
    poisoned: bool,

    /// Books in doubt or suspect, whose time may run out.
    watchlist: Vec<InstrumentId>,
    /// Hash checks to make, by the time they are due.
    checks: VecDeque<(Nanos, InstrumentId)>,
    /// What may be spent on searching for last trade prices.
    searches: hashes::SearchBudget,
    /// When the next time-driven verdict may be due.
    next_sweep: Nanos,

    // Buffers reused from frame to frame.
    frame: Frame,
    touched: Vec<apply::Touched>,
    /// Books about to be published.
    staged: Vec<InstrumentId>,
    steps: Steps,
    /// Books worth a hash check before a signal opens.
    to_vouch: Vec<InstrumentId>,
    text: Vec<u8>,
}

impl Engine {
    /// An engine without instruments.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            instruments: Instruments::default(),
            books: Vec::new(),
            tapes: Vec::new(),
            connections: Vec::new(),
            streams: Streams::default(),
            gaps: VecDeque::new(),
            notices: VecDeque::new(),
            indices: BTreeMap::new(),
            tallies: Default::default(),
            signals: Signals::default(),
            paper: config.paper_latency.map(Ledger::new),
            output: Output::new(config.digest),
            counters: Counters::default(),
            last_error: None,
            venue_latency: Histogram::new(),
            poisoned: false,
            watchlist: Vec::new(),
            checks: VecDeque::new(),
            searches: hashes::SearchBudget::default(),
            next_sweep: Nanos::MAX,
            frame: Frame::default(),
            touched: Vec::new(),
            staged: Vec::new(),
            steps: Steps::default(),
            to_vouch: Vec::new(),
            text: Vec::new(),
        }
    }

    // Control inputs.

    /// Subscribes a symbol on a connection, or moves it there if it is known. Its book waits
    /// for a snapshot.
    ///
    /// # Errors
    /// [`EngineError`] if a number of the listing is not one, or the connection's is too big.
    pub fn subscribe(
        &mut self,
        venue: Venue,
        symbol: &str,
        conn: u32,
        listing: &Listing,
        ts: Nanos,
    ) -> Result<InstrumentId, EngineError> {
        let listed = Listed::check(venue, listing)?;
        self.connection(conn, venue, Mode::default(), ts)?;
        if let Some(id) = self.instruments.find(venue, symbol.as_bytes()) {
            self.leave_connection(id);
            if let Some(instrument) = self.instruments.at_mut(id) {
                instrument.conn = conn;
                instrument.tick_size = listed.tick_size.or(instrument.tick_size);
                if listed.fees.is_some() {
                    (instrument.fees, instrument.fee_terms) = (listed.fees, listed.fee_terms);
                }
                instrument.hours = listing.hours;
                if listing.event.is_some() {
                    instrument.event = listing.event.map(Into::into);
                }
            }
            self.join_connection(conn, id);
            let book = &mut self.books[id as usize];
            (book.state, book.cause) = (State::Idle, Cause::None);
            self.transition(id, State::Syncing, Cause::Subscribed, ts);
            return Ok(id);
        }
        let instrument = Instrument {
            market: listing.market.map(Into::into),
            event: listing.event.map(Into::into),
            hours: listing.hours,
            outcome: listing.outcome.map(Into::into),
            tick_size: listed.tick_size,
            min_order_size: listing.min_order_size.map(Into::into),
            payout: venue.row().payout,
            base: listing.base.map(Into::into),
            quote: listing.quote.map(Into::into),
            fees: listed.fees,
            fee_terms: listed.fee_terms,
            ..Instrument::new(venue, symbol, conn)
        };
        let id = self.add(instrument, ts).ok_or(EngineError::NoInstrument(UNKNOWN))?;
        self.books[id as usize].hash.neg_risk = listed.neg_risk;
        Ok(id)
    }

    fn add(&mut self, instrument: Instrument, ts: Nanos) -> Option<InstrumentId> {
        let conn = instrument.conn;
        let id = self.instruments.add(instrument)?;
        self.books.push(Book::default());
        self.tapes.push(TradeTape::new(TapeLimits::default()));
        self.join_connection(conn, id);
        self.signals.add_instrument(id, &self.instruments);
        self.transition(id, State::Syncing, Cause::Subscribed, ts);
        Some(id)
    }

    fn join_connection(&mut self, conn: u32, id: InstrumentId) {
        if let Some(Some(connection)) = self.connections.get_mut(conn as usize) {
            connection.instruments.push(id);
        }
    }

    fn leave_connection(&mut self, id: InstrumentId) {
        let Some(conn) = self.instruments.at(id).map(|i| i.conn as usize) else { return };
        if let Some(Some(connection)) = self.connections.get_mut(conn) {
            connection.instruments.retain(|&i| i != id);
        }
    }

    /// Gives an instrument up; its book is never believed again unless it is subscribed anew.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`].
    pub fn unsubscribe(&mut self, id: InstrumentId, ts: Nanos) -> Result<(), EngineError> {
        if self.instruments.at(id).is_none() {
            return Err(EngineError::NoInstrument(id));
        }
        self.leave_connection(id);
        self.transition(id, State::Stale, Cause::Unsubscribed, ts);
        let book = &mut self.books[id as usize];
        book.forget_stream();
        (book.bids, book.asks) = (Book::default().bids, Book::default().asks);
        self.tapes[id as usize].clear();
        Ok(())
    }

    /// Makes sure that a connection is there; a new one counts as up.
    fn connection(&mut self, conn: u32, venue: Venue, mode: Mode, ts: Nanos) -> Result<(), EngineError> {
        if conn >= MAX_CONNECTIONS {
            return Err(EngineError::Connection(conn));
        }
        let slot = conn as usize;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        if self.connections[slot].is_none() {
            self.connections[slot] = Some(Connection::new(venue, mode, ts));
            self.expect_data(ts);
        }
        Ok(())
    }

    /// A connection came up, subscribed in one of the venue's modes (`""` is the usual one): its
    /// books wait for fresh snapshots.
    ///
    /// # Errors
    /// [`EngineError::Connection`], [`EngineError::Mode`].
    pub fn connected(
        &mut self,
        conn: u32,
        venue: Venue,
        mode: &str,
        ts: Nanos,
    ) -> Result<(), EngineError> {
        let mode = venue.mode(mode).ok_or_else(|| EngineError::Mode(venue, mode.to_owned()))?;
        self.connection(conn, venue, mode, ts)?;
        if let Some(connection) = &mut self.connections[conn as usize] {
            (connection.venue, connection.mode) = (venue, mode);
            (connection.up, connection.ts_data, connection.ts_event) = (true, ts, ABSENT);
        }
        self.expect_data(ts);
        self.transition_connection(conn, State::Syncing, Cause::Subscribed, ts);
        self.forget_streams(conn);
        Ok(())
    }

    /// A connection was lost: all its books are stale at once.
    pub fn disconnected(&mut self, conn: u32, ts: Nanos) {
        if let Some(Some(connection)) = self.connections.get_mut(conn as usize) {
            connection.up = false;
        }
        self.transition_connection(conn, State::Stale, Cause::Disconnected, ts);
        self.forget_streams(conn);
    }

    /// The caller has reason not to believe a connection: all its books are stale.
    pub fn invalidate(&mut self, conn: u32, cause: Cause, ts: Nanos) {
        self.transition_connection(conn, State::Stale, cause, ts);
    }

    /// Adds a rule over all instruments there are and will be; returns its number.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn add_rule(&mut self, kind: &str, params: &Params) -> Result<u32, RuleError> {
        let rule = signals::build(kind, params)?;
        Ok(self.signals.add_rule(rule, &self.instruments))
    }

    // Data inputs.

    /// Takes one frame of a connection. Bad input is counted and takes the books concerned
    /// out of `live`; it is never an error. Returns the number of records pending.
    pub fn ingest(&mut self, conn: u32, payload: &[u8], ts_recv: Nanos) -> usize {
        if self.poisoned {
            return self.output.pending();
        }
        let spoken = match self.connections.get(conn as usize) {
            Some(Some(connection)) if connection.up => (connection.venue, connection.mode),
            Some(Some(_)) => {
                self.counters.late_frames += 1;
                return self.output.pending();
            }
            _ => {
                self.refuse_unannounced(conn, ts_recv);
                return self.output.pending();
            }
        };
        self.counters.frames += 1;
        self.counters.bytes += payload.len() as u64;
        self.run_due(ts_recv);
        let payload = Payload { bytes: payload, source: Source::Stream, mode: spoken.1, about: UNKNOWN };
        self.take_payload(conn, spoken.0, payload, ts_recv);
        self.output.pending()
    }

    /// Whose messages these are is not known, so they cannot be read.
    #[cold]
    fn refuse_unannounced(&mut self, conn: u32, ts_recv: Nanos) {
        self.counters.unannounced_frames += 1;
        self.note_error(conn, ts_recv, "a frame of a connection nobody announced", 0);
    }

    /// Takes a REST answer with whole books of instruments being fetched; `about` is the
    /// instrument, where the answer itself does not say so, else `UNKNOWN`.
    pub fn ingest_rest(
        &mut self,
        conn: u32,
        payload: &[u8],
        about: InstrumentId,
        ts_recv: Nanos,
    ) -> usize {
        if self.poisoned {
            return self.output.pending();
        }
        match self.connections.get(conn as usize) {
            Some(Some(connection)) => {
                let (bytes, source, mode) = (payload, Source::Rest, connection.mode);
                let payload = Payload { bytes, source, mode, about };
                self.take_payload(conn, connection.venue, payload, ts_recv);
            }
            _ => self.refuse_unannounced(conn, ts_recv),
        }
        self.output.pending()
    }

    #[inline]
    fn take_payload(&mut self, conn: u32, venue: Venue, payload: Payload, ts_recv: Nanos) {
        // The frame is taken out for the time it is applied, so that it can be read while
        // the rest of the engine changes; its buffers come back with it.
        let mut frame = std::mem::take(&mut self.frame);
        let tally = &mut self.tallies[venue.number()];
        let source = payload.source;
        match (venue.row().decode)(payload, &self.instruments, &mut frame, tally) {
            Ok(()) => self.apply_frame(conn, source, &frame, payload.bytes, ts_recv),
            Err(error) => {
                self.counters.decode_errors += 1;
                self.note_error(conn, ts_recv, json_complaint(&error), error.offset);
                if source == Source::Stream {
                    self.transition_connection(conn, State::Stale, Cause::Malformed, ts_recv);
                } else {
                    self.counters.rest_rejected += 1;
                }
            }
        }
        self.frame = frame;
    }

    /// Lets time pass without data: deadlines, silence, hash checks and holds that are due.
    /// Returns the number of records pending.
    pub fn advance(&mut self, ts: Nanos) -> usize {
        if !self.poisoned {
            self.next_sweep = self.next_sweep.min(ts);
            self.run_due(ts);
            self.run_checks(ts, usize::MAX);
            let view = view!(self);
            self.signals.evaluate_open(&view, ts, &mut self.steps);
            self.flush_steps(ts);
        }
        self.output.pending()
    }

    /// The engine failed in the middle of something: nothing it holds may be believed again.
    pub fn poison(&mut self, ts: Nanos) {
        self.poisoned = true;
        for id in 0..self.books.len() {
            if let Ok(id) = InstrumentId::try_from(id) {
                self.transition(id, State::Stale, Cause::Poisoned, ts);
            }
        }
    }

    // Outputs.

    /// Records written and not yet taken.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// All instruments.
    #[must_use]
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// The book of `id`.
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> Option<&Book> {
        self.books.get(id as usize)
    }

    /// The trades of `id`.
    #[must_use]
    pub fn trades(&self, id: InstrumentId) -> Option<&TradeTape> {
        self.tapes.get(id as usize)
    }

    /// What happened, counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Messages by type, over all venues.
    #[must_use]
    pub fn messages(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (venue, tally) in Venue::ALL.into_iter().zip(&self.tallies) {
            for (name, n) in tally.by_name(venue.row().messages) {
                *all.entry(name).or_insert(0) += n;
            }
        }
        all
    }

    /// Evidence for and against, over all books.
    #[must_use]
    pub fn evidence(&self) -> EvidenceCounts {
        let mut all = EvidenceCounts::default();
        for book in &self.books {
            all.add(&book.evidence);
        }
        all
    }

    /// Refused opportunities by reason, in the order of [`signals::Refusal::NAMES`].
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.signals.refusals()
    }

    /// As [`Self::refusals`], of one rule; `None` if there is no such rule.
    #[must_use]
    pub fn refusals_of(&self, rule: u32) -> Option<&Refusals> {
        self.signals.refusals_of(rule)
    }

    /// The paper ledger, if one is kept.
    #[must_use]
    pub fn paper(&self) -> Option<&Ledger> {
        self.paper.as_ref()
    }

    /// Receive time minus venue time of every message; negative where clocks disagree.
    #[must_use]
    pub fn venue_latency(&self) -> &Histogram {
        &self.venue_latency
    }

    /// Receive time of the newest evidence for the book `id`: its own, or that of the numbered
    /// stream it is on.
    #[inline]
    #[must_use]
    pub fn ts_evidence(&self, id: InstrumentId) -> Nanos {
        view!(self).ts_evidence(id)
    }

    /// Where and why the newest bad payload was refused.
    #[must_use]
    pub fn last_error(&self) -> Option<&LastError> {
        self.last_error.as_ref()
    }

    /// Whether [`Self::poison`] was called.
    #[must_use]
    pub fn poisoned(&self) -> bool {
        self.poisoned
    }

    #[cold]
    fn note_error(&mut self, conn: u32, ts_recv: Nanos, what: &'static str, offset: usize) {
        self.last_error = Some(LastError { conn, ts_recv, what, offset });
    }
}

/// What of a listing has to be read before it can be used.
struct Listed {
    tick_size: Option<Decimal>,
    fees: Option<Fees>,
    fee_terms: Option<Box<str>>,
    neg_risk: Option<bool>,
}

impl Listed {
    fn check(venue: Venue, listing: &Listing) -> Result<Self, EngineError> {
        let decimal = |what, text: Option<&str>| {
            let wrong = |t: &str| EngineError::Decimal(what, t.to_owned());
            text.map(|t| parse_price(t.as_bytes()).map_err(|_| wrong(t))).transpose()
        };
        let tick_size = decimal("tick_size", listing.tick_size)?;
        decimal("min_order_size", listing.min_order_size)?;
        let (mut fees, mut fee_terms) = (None, None);
        if let Some(text) = listing.fee {
            let terms = fee_terms_of(venue, text)?;
            fees = Some((venue.row().fees.parse)(terms).map_err(EngineError::Fees)?);
            fee_terms = Some(terms.into());
        }
        let neg_risk = match listing.hints {
            None | Some("") => None,
            Some("neg_risk=true") => Some(true),
            Some("neg_risk=false") => Some(false),
            Some(other) => return Err(EngineError::Hint(other.to_owned())),
        };
        Ok(Self { tick_size, fees, fee_terms, neg_risk })
    }
}

/// Fees without the name of their venue, which has to be that of the market.
fn fee_terms_of(venue: Venue, text: &str) -> Result<&str, EngineError> {
    let terms = text.strip_prefix(venue.name()).and_then(|rest| rest.strip_prefix(':'));
    terms.ok_or_else(|| EngineError::Fees(format!("must begin with \"{venue:?}:\", not {text:?}")))
}

fn json_complaint(error: &JsonError) -> &'static str {
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

/// "Absent" as an option.
#[must_use]
pub fn present(value: i64) -> Option<i64> {
    (value != ABSENT).then_some(value)
}
