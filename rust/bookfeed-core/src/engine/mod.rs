//! The engine: one door in for bytes and control events, fixed-width records out.
//!
//! The way of a message is `Engine::take_message`: five stages, one struct each, in the order
//! in which data flows. A stage is handed the `World`, which they all change, and the
//! stage it hands over to; nothing calls back.
//!
//! ```text
//! sequence ─▶ apply ─▶ judge ─▶ publish ─▶ rules
//! ```

mod applied;
mod apply;
mod beside;
mod compare;
mod config;
mod distrust;
mod early;
mod estimates;
mod expiry;
mod fresh;
mod hashes;
mod judge;
mod late;
mod levels;
mod lines;
mod listing;
mod lost;
mod markets;
mod mirror;
mod news;
mod numbered;
mod order;
mod output;
mod own;
mod poll;
mod prints;
mod probe;
mod publish;
mod questions;
mod recipe;
mod relayed;
mod rules;
mod searches;
mod second;
mod sequence;
mod soundness;
mod terms;
mod terms_read;
mod time;
mod told;
mod usual;
mod weigh;
mod whole;
mod world;

use crate::book::integrity::{Cause, State};
use crate::decode::json::JsonError;
use crate::decode::{Mode, Payload, Source, Tally, remark};
use crate::event::{Body, Frame, Message};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN, Venue};
use crate::sequence::clock::{Pace, VenueClock};
use crate::sequence::stream::Connection;
use crate::sequence::trend::Trend;
use crate::signals::{self, Params, RuleError};
use crate::time::Nanos;
use apply::Applier;
use config::json_complaint;
pub use config::{
    Config, Counters, EngineError, HashCheck, LastError, Listing, MAX_CONNECTIONS, SYMBOL_BYTES_MAX,
};
pub use estimates::Estimate;
use judge::Judge;
pub use lines::LineTally;
use listing::{Listed, list, relist};
pub use markets::IndexReading;
use markets::Markets;
pub use news::Question;
pub use output::Output;
pub use prints::Sense;
use publish::Publisher;
pub use second::{SecondStanding, SecondTally};
pub use sequence::Notice;
use sequence::Sequencer;
pub use terms::{Answers, WindowStanding};
use usual::{Taken, take_pair};
use weigh::{Weighed, weigh};
use world::{Heard, Origin, World};

/// Every book of a process, and everything that happens to them.
#[derive(Debug)]
pub struct Engine {
    world: World,
    sequencer: Sequencer,
    applier: Applier,
    /// Holds the stages that come after it.
    judge: Judge,
    markets: Markets,
    tallies: [Tally; Venue::ALL.len()],
    poisoned: bool,
    /// Reused from frame to frame; away only while a frame is being applied.
    frame: Option<Box<Frame>>,
}

impl Engine {
    /// An engine without instruments.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            world: World::new(config),
            sequencer: Sequencer::default(),
            applier: Applier::default(),
            judge: Judge::new(Publisher::new(&config)),
            markets: Markets::default(),
            tallies: Default::default(),
            poisoned: false,
            frame: None,
        }
    }

    // The way of a message.

    /// One message of a stream, from its number to the rules.
    #[inline]
    fn take_message(&mut self, origin: &Origin, frame: &Frame, message: &Message) {
        // 1. Is anything missing before it?
        let heard = self.sequencer.take(&mut self.world, &mut self.judge, origin, message);
        self.take_heard(origin, frame, message, heard);
    }

    /// One message of a connection that is one of two: it may be a copy of what the other told.
    #[inline(never)]
    fn take_of_line(&mut self, origin: &Origin, frame: &Frame, message: &Message) {
        let Self { world, sequencer, judge, .. } = self;
        let heard = sequencer.take(world, judge, origin, message);
        match weigh(world, judge, origin, frame, message, heard) {
            Weighed::Own => self.take_heard(origin, frame, message, heard),
            Weighed::For(conn, heard) => {
                self.take_heard(&Origin { conn, ..*origin }, frame, message, heard);
            }
            Weighed::Left => {}
        }
    }

    /// A message whose number was taken.
    #[inline]
    fn take_heard(&mut self, origin: &Origin, frame: &Frame, message: &Message, heard: Heard) {
        let Self { world, sequencer, applier, judge, markets, .. } = self;
        match &message.body {
            Body::Changes(_) | Body::Delta(_) | Body::Levels(_) | Body::Snapshot(_) => {
                let taken = match &message.body {
                    Body::Changes(changes) if world.config.fast_frames => {
                        take_pair(world, origin, frame, changes, &mut applier.applied)
                    }
                    _ => Taken::Not,
                };
                if taken == Taken::Not {
                    // 2. All of its changes, on the ladders.
                    applier.apply(world, judge, origin, frame, message, heard);
                }
                if taken != Taken::Judged {
                    // 3. Does the evidence agree? Which state?
                    judge.judge(world, origin, frame, &mut applier.applied);
                }
                // 4. The books as they are now, for all to see; and 5., the rules that watch them.
                judge.publish(world, applier.applied.books(), origin.ts_recv);
            }
            Body::Malformed(malformed) => judge.quarantine(world, origin, frame, malformed),
            Body::Unknown => sequence::take_unknown(world, judge, origin, heard.stream),
            Body::Reply(reply) => {
                sequencer.take_reply(world, judge, origin, message.place, reply);
            }
            Body::Subscribed(books) => {
                sequence::end_others(world, judge, origin, &frame.named[books.clone()]);
            }
            Body::Nothing | Body::News => {}
            _ => markets.take(world, judge, origin, frame, message),
        }
        world.levels.publish(&mut world.books, &mut judge.publisher.output, origin.ts_recv);
        judge.publisher.rules.hear(world, origin.conn, heard.stream, &message.body);
    }

    /// One message of a REST answer. It says nothing about whether the stream still flows.
    fn take_answer(
        &mut self,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        stands_at: Option<u64>,
    ) {
        let Self { world, applier, judge, .. } = self;
        if news::take_answer(world, judge, origin, frame, message) {
            return;
        }
        applier.apply_rest(world, judge, origin, frame, message, stands_at);
        judge.judge(world, origin, frame, &mut applier.applied);
        judge.publish(world, applier.applied.books(), origin.ts_recv);
        world.levels.publish(&mut world.books, &mut judge.publisher.output, origin.ts_recv);
    }

    /// One message of the answer to a poll.
    fn take_polled(&mut self, origin: &Origin, frame: &Frame, message: &Message, asked: Nanos) {
        let Self { world, applier, judge, .. } = self;
        applier.apply_poll(world, judge, origin, frame, message, asked);
        judge.judge(world, origin, frame, &mut applier.applied);
        judge.publish(world, applier.applied.books(), origin.ts_recv);
        world.levels.publish(&mut world.books, &mut judge.publisher.output, origin.ts_recv);
    }

    // Data inputs.

    /// Takes one frame of a connection. Bad input is counted and takes the books concerned
    /// out of `live`; it is never an error. Returns the number of records pending.
    pub fn ingest(&mut self, conn: u32, payload: &[u8], ts_recv: Nanos) -> usize {
        if self.poisoned {
            return self.pending();
        }
        self.judge.expire_due(&mut self.world, ts_recv);
        let (venue, mode, twin) = match self.world.connections.get(conn as usize) {
            Some(Some(c)) if c.up => (c.venue, c.mode, c.twin),
            Some(Some(_)) => {
                self.world.counters.late_frames += 1;
                return self.pending();
            }
            _ => return self.refuse_unannounced(conn, ts_recv),
        };
        self.world.counters.frames += 1;
        self.world.counters.bytes += payload.len() as u64;
        self.judge.run_due(&mut self.world, ts_recv);
        let (fast, about) = (self.world.config.fast_frames, UNKNOWN);
        let payload = Payload { bytes: payload, source: Source::Stream, mode, about, fast };
        // The frame is taken out for the time it is applied, so that it can be read while the
        // rest of the engine changes; its buffers come back with it.
        let mut frame = self.frame.take().unwrap_or_default();
        if venue.is_second(mode) {
            self.ingest_second(conn, venue, &payload, &mut frame, ts_recv);
        } else if self.decode(conn, venue, &payload, &mut frame, ts_recv) {
            for message in &frame.messages {
                let (ts_event, pace) = self.world.hear(conn, message, frame.ts_sent, ts_recv);
                let (payload, ts_stated) = (payload.bytes, message.ts_event);
                let ts_sent = frame.ts_sent.unwrap_or(ABSENT);
                let origin = Origin { conn, payload, ts_event, ts_stated, ts_sent, ts_recv };
                match pace {
                    Pace::Late => self.judge.hold_late(&mut self.world, conn, ts_recv),
                    Pace::Slow => self.judge.expect_late(&self.world, ts_recv),
                    Pace::Same | Pace::Prompt => {}
                }
                if twin == UNKNOWN {
                    self.take_message(&origin, &frame, message);
                } else {
                    self.take_of_line(&origin, &frame, message);
                }
                if pace == Pace::Prompt {
                    self.judge.release_late(&mut self.world, conn, ts_recv);
                }
            }
        } else {
            let (state, cause) = (State::Stale, Cause::Malformed);
            self.judge.turn_connection(&mut self.world, conn, state, cause, ts_recv);
        }
        self.frame = Some(frame);
        self.pending()
    }

    /// A frame of a second source, which changes no book. One that cannot be read may have been of any
    /// book that it tells.
    #[inline(never)]
    fn ingest_second(
        &mut self,
        conn: u32,
        venue: Venue,
        payload: &Payload,
        frame: &mut Frame,
        ts_recv: Nanos,
    ) {
        if !self.decode(conn, venue, payload, frame, ts_recv) {
            return self.world.seconds.miss(conn, None);
        }
        if let Some(connection) = self.world.connection_mut(conn) {
            connection.ts_data = ts_recv;
        }
        for message in &frame.messages {
            let (payload, ts_event) = (payload.bytes, message.ts_event);
            let (ts_stated, ts_sent) = (ts_event, ABSENT);
            let origin = Origin { conn, payload, ts_event, ts_stated, ts_sent, ts_recv };
            if let Body::Reply(reply) = &message.body {
                let Self { world, sequencer, judge, .. } = self;
                sequencer.take_reply(world, judge, &origin, message.place, reply);
            }
            second::take(&mut self.world, &mut self.judge, &origin, frame, message);
        }
    }

    /// Takes a REST answer with whole books of instruments being fetched. `about` is the
    /// instrument, where the answer itself does not say so, else `UNKNOWN`; `stands_at` the
    /// update at which the book stands, where that is said beside the answer.
    pub fn ingest_rest(
        &mut self,
        conn: u32,
        payload: &[u8],
        about: InstrumentId,
        stands_at: Option<u64>,
        ts_recv: Nanos,
    ) -> usize {
        self.read_answer(conn, payload, about, ts_recv, |engine, origin, frame, message| {
            engine.take_answer(origin, frame, message, stands_at);
        })
    }

    /// Takes an answer with whole books of instruments that nothing streams, which was asked for at
    /// `asked`: that is how old they are. What a connection that is open carries is left alone.
    /// `about` is as in [`Self::ingest_rest`].
    pub fn ingest_poll(
        &mut self,
        conn: u32,
        payload: &[u8],
        about: InstrumentId,
        asked: Nanos,
        ts_recv: Nanos,
    ) -> usize {
        let asked = asked.min(ts_recv);
        self.read_answer(conn, payload, about, ts_recv, |engine, origin, frame, message| {
            engine.take_polled(origin, frame, message, asked);
        })
    }

    /// Reads the body of an answer and hands each of its messages to `take`.
    fn read_answer(
        &mut self,
        conn: u32,
        payload: &[u8],
        about: InstrumentId,
        ts_recv: Nanos,
        mut take: impl FnMut(&mut Self, &Origin, &Frame, &Message),
    ) -> usize {
        if self.poisoned {
            return self.pending();
        }
        self.begin(ts_recv);
        let Some(connection) = self.world.connection(conn) else {
            return self.refuse_unannounced(conn, ts_recv);
        };
        let (venue, mode) = (connection.venue, connection.mode);
        let fast = self.world.config.fast_frames;
        let payload = Payload { bytes: payload, source: Source::Rest, mode, about, fast };
        let mut frame = self.frame.take().unwrap_or_default();
        if self.decode(conn, venue, &payload, &mut frame, ts_recv) {
            for message in &frame.messages {
                let (payload, ts_stated) = (payload.bytes, message.ts_event);
                let ts_event = self.world.believe_answer(conn, ts_stated, ts_recv);
                let ts_sent = frame.ts_sent.unwrap_or(ABSENT);
                let origin = Origin { conn, payload, ts_event, ts_stated, ts_sent, ts_recv };
                take(self, &origin, &frame, message);
            }
        } else {
            self.world.counters.rest_rejected += 1;
        }
        self.frame = Some(frame);
        self.pending()
    }

    /// Whose messages these are is not known, so they cannot be read.
    #[cold]
    fn refuse_unannounced(&mut self, conn: u32, ts_recv: Nanos) -> usize {
        self.world.counters.unannounced_frames += 1;
        self.world.note_error(conn, ts_recv, "a frame of a connection nobody announced", 0);
        self.pending()
    }

    /// Reads a payload into `frame`; `false` if it is neither JSON nor a text that says nothing of
    /// any book.
    #[inline]
    fn decode(
        &mut self,
        conn: u32,
        venue: Venue,
        payload: &Payload,
        frame: &mut Frame,
        ts_recv: Nanos,
    ) -> bool {
        let tally = &mut self.tallies[venue.number()];
        match (venue.row().decode)(payload, &self.world.instruments, frame, tally) {
            Ok(()) => true,
            Err(error) => self.take_unread(conn, venue, payload, &error, frame, ts_recv),
        }
    }

    /// A payload that is not JSON: a remark, or an error, which a broadcast about nobody here may
    /// have without harm.
    #[cold]
    fn take_unread(
        &mut self,
        conn: u32,
        venue: Venue,
        payload: &Payload,
        error: &JsonError,
        frame: &mut Frame,
        ts_recv: Nanos,
    ) -> bool {
        let said = if payload.source == Source::Stream { remark(payload.bytes) } else { None };
        if let Some(text) = said {
            frame.clear();
            self.tallies[venue.number()].count_remark(text);
            return true;
        }
        self.world.counters.decode_errors += 1;
        self.world.note_error(conn, ts_recv, json_complaint(error), error.offset);
        let read = (payload.source == Source::Stream).then_some(venue.row().read_broken);
        let foreign = read.and_then(|read| read(payload, &self.world.instruments));
        frame.clear();
        frame.messages.extend(foreign);
        !frame.messages.is_empty()
    }
}

impl Engine {
    // Control inputs.

    /// Subscribes a symbol on a connection, or moves it there if it is known. Its book waits
    /// for a snapshot.
    ///
    /// # Errors
    /// [`EngineError`] if a number of the listing is not one, or the connection's is too big or
    /// of another venue.
    pub fn subscribe(
        &mut self,
        venue: Venue,
        symbol: &str,
        conn: u32,
        listing: &Listing,
        ts: Nanos,
    ) -> Result<InstrumentId, EngineError> {
        let listed = Listed::check(venue, listing)?;
        self.announce(conn, venue, Mode::default(), ts)?;
        self.begin(ts);
        let world = &mut self.world;
        if let Some(of) = world.connection(conn).map(|c| c.venue).filter(|&of| of != venue) {
            return Err(EngineError::OtherVenue(conn, of, venue));
        }
        if let Some(id) = world.instruments.find(venue, symbol.as_bytes()) {
            world.lines.forget(id);
            let news_came = news::heard(world, id);
            let followed = world.leave_connection(id);
            if let Some(instrument) = world.instruments.at_mut(id) {
                instrument.conn = conn;
                relist(instrument, listing, listed, followed);
            }
            world.join_connection(conn, id);
            if news_came {
                news::miss_news(world, &mut self.judge, id, ts);
            }
            let book = world.book(id);
            book.rare.trades.count_anew();
            if let Some(depth) = listing.depth {
                book.rare.depth = depth as usize;
            }
            (book.state, book.cause) = (State::Idle, Cause::None);
            self.judge.turn(world, id, State::Syncing, Cause::Subscribed, ts);
            return Ok(id);
        }
        let (neg_risk, depth) = (listed.neg_risk, listing.depth);
        let instrument = list(venue, symbol, conn, listing, listed);
        let id = self.judge.add(world, instrument, ts)?;
        let rare = &mut world.book(id).rare;
        rare.hashes.neg_risk = neg_risk;
        rare.depth = depth.map_or(0, |depth| depth as usize);
        Ok(id)
    }

    /// Gives an instrument up; its book is never believed again unless it is subscribed anew.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`].
    pub fn unsubscribe(&mut self, id: InstrumentId, ts: Nanos) -> Result<(), EngineError> {
        if !self.world.instruments.holds(id) {
            return Err(EngineError::NoInstrument(id));
        }
        self.begin(ts);
        let world = &mut self.world;
        world.lines.forget(id);
        world.seconds.forget(id);
        world.leave_connection(id);
        self.judge.turn(world, id, State::Stale, Cause::Unsubscribed, ts);
        let book = world.book_to_change(id);
        book.forget_stream();
        book.clear();
        world.tapes[id as usize].clear();
        world.levels.publish(&mut world.books, &mut self.judge.publisher.output, ts);
        Ok(())
    }

    /// Lets go of an instrument that was given up: its number means nothing any more, and its
    /// symbol, subscribed anew, is another instrument. Not before its connection has brought
    /// everything that it may still bring: a symbol that is not known may be a damaged one.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`], [`EngineError::Subscribed`].
    pub fn forget(&mut self, id: InstrumentId) -> Result<(), EngineError> {
        if !self.world.instruments.holds(id) {
            return Err(EngineError::NoInstrument(id));
        }
        // Whatever its cause says: a market that is over stays so when it is given up.
        let conn = self.world.instruments.at(id).map_or(UNKNOWN, |about| about.conn);
        if self.world.connection(conn).is_some_and(|c| c.instruments.contains(&id)) {
            return Err(EngineError::Subscribed(id));
        }
        self.judge.forget(&mut self.world, id);
        Ok(())
    }

    /// A call that is no frame begins. What it changes is not followed book by book.
    fn begin(&mut self, ts: Nanos) {
        self.judge.publisher.rules.unsettled = true;
        self.judge.expire_due(&mut self.world, ts);
    }

    /// Makes sure that a connection is there; a new one counts as up.
    fn announce(&mut self, conn: u32, venue: Venue, mode: Mode, ts: Nanos) -> Result<(), EngineError> {
        if conn >= MAX_CONNECTIONS {
            return Err(EngineError::Connection(conn));
        }
        let (slot, connections) = (conn as usize, &mut self.world.connections);
        if connections.len() <= slot {
            connections.resize_with(slot + 1, || None);
        }
        if connections[slot].is_none() {
            connections[slot] = Some(Connection::new(venue, mode, ts));
            self.judge.expect_data(&self.world, ts);
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
        self.announce(conn, venue, mode, ts)?;
        self.begin(ts);
        if let Some(connection) = self.world.connection_mut(conn) {
            (connection.venue, connection.mode) = (venue, mode);
            (connection.up, connection.open, connection.ts_data) = (true, true, ts);
            (connection.clock, connection.behind) = (VenueClock::default(), ABSENT);
            connection.trend = Trend::default();
            connection.past.clear();
        }
        self.world.seconds.lose(conn);
        self.judge.expect_data(&self.world, ts);
        let (state, cause) = (State::Syncing, Cause::Subscribed);
        self.judge.turn_connection(&mut self.world, conn, state, cause, ts);
        news::lose_connection(&mut self.world, &mut self.judge, conn, ts);
        sequence::forget_streams(&mut self.world, conn);
        Ok(())
    }

    /// A connection was lost: all its books are stale at once.
    pub fn disconnected(&mut self, conn: u32, ts: Nanos) {
        if let Some(connection) = self.world.connection_mut(conn) {
            (connection.up, connection.open) = (false, false);
        }
        self.invalidate(conn, Cause::Disconnected, ts);
        news::lose_connection(&mut self.world, &mut self.judge, conn, ts);
        sequence::forget_streams(&mut self.world, conn);
    }

    /// The caller has reason not to believe a connection: all its books are stale.
    pub fn invalidate(&mut self, conn: u32, cause: Cause, ts: Nanos) {
        self.begin(ts);
        self.world.seconds.lose(conn);
        self.judge.turn_connection(&mut self.world, conn, State::Stale, cause, ts);
    }

    /// How the second sources of books stand to them.
    pub fn second_sources(&self) -> impl Iterator<Item = (InstrumentId, SecondStanding)> + '_ {
        self.world.seconds.standings()
    }

    /// A book is being fetched anew; what the stream says of it meanwhile is kept. A book that is
    /// live by now stays so.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`].
    pub fn resync_begin(&mut self, id: InstrumentId, ts: Nanos) -> Result<(), EngineError> {
        self.resync(id, false, ts)
    }

    /// The same, for a caller who doubts the book: it leaves `live`, too.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`].
    pub fn resync_asked(&mut self, id: InstrumentId, ts: Nanos) -> Result<(), EngineError> {
        self.resync(id, true, ts)
    }

    fn resync(&mut self, id: InstrumentId, asked: bool, ts: Nanos) -> Result<(), EngineError> {
        if !self.world.instruments.holds(id) {
            return Err(EngineError::NoInstrument(id));
        }
        self.begin(ts);
        self.judge.resync_begin(&mut self.world, id, asked, ts);
        Ok(())
    }

    /// Gives a rule up; what is open of it is closed. Its number is not given again, and what it
    /// refused stays counted.
    ///
    /// # Errors
    /// [`EngineError::NoRule`].
    pub fn remove_rule(&mut self, rule: u32, ts: Nanos) -> Result<(), EngineError> {
        self.judge.expire_due(&mut self.world, ts);
        let publisher = &mut self.judge.publisher;
        let removed = publisher.rules.remove(&self.world, &mut publisher.output, rule, ts);
        if removed { Ok(()) } else { Err(EngineError::NoRule(rule)) }
    }

    /// Adds a rule over all instruments there are and will be; returns its number.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn add_rule(&mut self, kind: &str, params: &Params) -> Result<u32, RuleError> {
        let rule = signals::build(kind, params)?;
        Ok(self.judge.publisher.rules.signals.add_rule(rule, &self.world.instruments))
    }

    /// Lets time pass without data: deadlines, silence, hash checks and holds that are due.
    /// Returns the number of records pending.
    pub fn advance(&mut self, ts: Nanos) -> usize {
        if !self.poisoned {
            self.judge.advance(&mut self.world, ts);
        }
        self.pending()
    }

    /// The engine failed in the middle of something: nothing it holds may be believed again.
    pub fn poison(&mut self, ts: Nanos) {
        self.poisoned = true;
        for id in self.world.instruments.ids() {
            self.judge.turn(&mut self.world, id, State::Stale, Cause::Poisoned, ts);
        }
        self.world.levels.publish(&mut self.world.books, &mut self.judge.publisher.output, ts);
    }

    /// Whether each change of a level is a record from here on ([`Output::levels`]): then whoever
    /// applies the new sizes to his copy has the book's levels after every message, whatever its
    /// state. His copy begins with the levels as they are when this is switched on. No other
    /// record, and no digest, depends on it.
    pub fn watch_levels(&mut self, on: bool) {
        self.world.levels.on = on;
    }

    #[inline]
    fn pending(&self) -> usize {
        self.judge.publisher.output.pending()
    }
}

/// "Absent" as an option.
#[must_use]
pub fn present(value: i64) -> Option<i64> {
    (value != ABSENT).then_some(value)
}
