//! What is heard, and when: connections, and the numbered streams on them.
//!
//! A venue that numbers its messages by stream (one counter for each subscription, shared by all
//! of its markets and by replies to commands) proves with every message in order that nothing of
//! the stream was missed. That is evidence for every book the stream carries,
//! whether or not the message is about it.

use super::clock::VenueClock;
use super::reputation::Reputation;
use super::rhythm::Rhythm;
use super::trend::Trend;
use crate::decode::Mode;
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN, Venue};
use crate::time::Nanos;
use crate::venue::Continuity;

/// Index of a stream in [`Streams`].
pub type StreamId = u32;

/// "On no numbered stream", where an id would stand.
pub const NO_STREAM: StreamId = StreamId::MAX;

/// Most copies in a row, without a number that is due: after more the numbers began anew.
const COPIES_MAX: u8 = 8;

/// One connection of a venue.
#[derive(Debug)]
pub struct Connection {
    /// The venue at its other end.
    pub venue: Venue,
    /// How it was subscribed.
    pub mode: Mode,
    /// Whether it is up.
    pub up: bool,
    /// Whether somebody said that it is open: one that is only listed counts as up as well.
    pub open: bool,
    /// Receive time of the newest message that said something about a market.
    pub(crate) ts_data: Nanos,
    /// What of the venue's time stamps is believed, and how late it delivers.
    pub clock: VenueClock,
    /// Receive time less venue time of the first message of the newest venue time, or [`ABSENT`].
    pub behind: Nanos,
    /// Whether that grows.
    pub(crate) trend: Trend,
    /// What REST answered about books on it.
    pub rest: Reputation,
    /// What relays told of books on it.
    pub relay: Reputation,
    /// How often it says something about a market.
    pub(crate) rhythm: Rhythm,
    /// Instruments subscribed on it.
    pub instruments: Vec<InstrumentId>,
    /// Symbols whose beginning on it is past, where a book begins whole only once: they left it, or
    /// began with too little.
    pub(crate) past: Vec<Box<str>>,
    /// The connection that carries the same books, or [`UNKNOWN`].
    pub(crate) twin: u32,
    /// The numbered streams on it: number given by the venue, and which stream that is.
    pub streams: Vec<(u32, StreamId)>,
}

impl Connection {
    /// A connection that is up.
    #[must_use]
    pub fn new(venue: Venue, mode: Mode, ts: Nanos) -> Self {
        let (instruments, streams) = (Vec::new(), Vec::new());
        let clock = VenueClock::default();
        Self {
            venue,
            mode,
            up: true,
            open: false,
            ts_data: ts,
            clock,
            behind: ABSENT,
            trend: Trend::default(),
            rest: Reputation::default(),
            relay: Reputation::default(),
            rhythm: Rhythm::default(),
            instruments,
            past: Vec::new(),
            twin: UNKNOWN,
            streams,
        }
    }

    /// When it last spoke for all of its books: when it brought anything about a market, unless it
    /// carries numbered streams, each of which speaks for its own books alone, or chains, of which each
    /// speaks for its book, where nothing happens as well.
    pub(crate) fn spoke(&self) -> Nanos {
        let row = self.venue.row();
        let apart = row.continuity == Continuity::Stream || row.chained;
        if apart { ABSENT } else { self.ts_data }
    }

    /// The stream that the venue calls `sid`.
    #[inline]
    #[must_use]
    pub fn stream(&self, sid: u32) -> Option<StreamId> {
        self.streams.iter().find(|(known, _)| *known == sid).map(|&(_, id)| id)
    }
}

/// A stream of numbered messages on one connection.
#[derive(Debug)]
pub struct Stream {
    /// Sequence number of the newest message; 0 before the first.
    pub(crate) last_seq: u64,
    /// Receive time of the newest message in order, or [`ABSENT`].
    pub ts_evidence: Nanos,
    /// Newest venue time of its messages, or [`ABSENT`].
    pub ts_event: Nanos,
    /// Newest time at which its frames say that they were sent, or [`ABSENT`].
    pub ts_sent: Nanos,
    /// Receive time less venue time of the first message of that time, or [`ABSENT`].
    pub behind: Nanos,
    /// The channel it is of, once the venue has said so.
    pub channel: Box<str>,
    /// Whether it carries news of markets: by its channel, or because some came on it.
    pub news: bool,
    /// Whether the venue has ended it; what still comes on it is of no use.
    pub ended: bool,
    /// Whether it kept changes back, and has brought none since: a whole book on it would be true
    /// for a moment only.
    pub(crate) withholds: bool,
    /// Numbers that may have begun anew.
    restart: Option<Box<Restart>>,
    /// How many messages came as copies do behind which number.
    copies: (u64, u8),
}

/// A run of numbers that came before: told twice, or a new beginning that nobody announced.
#[derive(Debug)]
struct Restart {
    /// The newest number when it began: a higher one since shows that the old count goes on.
    above: u64,
    /// The newest number of the run.
    last_seq: u64,
    /// Books of which the run brought a whole one.
    books: Vec<InstrumentId>,
}

/// What the time of a message tells of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// It states none.
    Nothing,
    /// It is later than all that was heard on the stream: no copy of what was told.
    Later,
    /// It may be such a copy.
    Earlier,
}

/// Where a number stands against those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is the next one, or the first of all.
    Next,
    /// Numbers before it are missing; this one was expected.
    Gap(u64),
    /// It came before: the newest one was this.
    Again(u64),
}

impl Stream {
    fn new(channel: &str) -> Self {
        Self {
            last_seq: 0,
            ts_evidence: ABSENT,
            ts_event: ABSENT,
            ts_sent: ABSENT,
            behind: ABSENT,
            channel: channel.into(),
            news: false,
            ended: false,
            withholds: false,
            restart: None,
            copies: (0, 0),
        }
    }

    /// The venue begins it, or a new one of the same number after the old one ended.
    pub fn begin(&mut self, channel: &str) {
        if self.ended {
            *self = Self::new(channel);
        } else {
            self.channel = channel.into();
        }
    }

    /// A message in order proves that nothing was missed up to its time.
    #[inline]
    pub(crate) fn hear(&mut self, ts_event: Nanos, ts_sent: Nanos, ts_recv: Nanos) {
        (self.ts_evidence, self.ts_sent) = (ts_recv, self.ts_sent.max(ts_sent));
        if ts_event > self.ts_event {
            (self.ts_event, self.behind) = (ts_event, ts_recv.saturating_sub(ts_event));
        }
    }

    /// Takes the next number. After a gap the stream goes on from there; a number that came
    /// before changes nothing.
    #[inline]
    pub fn take(&mut self, seq: u64) -> Order {
        let last = self.last_seq;
        if seq <= last {
            return Order::Again(last);
        }
        self.last_seq = seq;
        let next = seq == last + 1 || last == 0 && !self.begins_with_one();
        if next { Order::Next } else { Order::Gap(last + 1) }
    }

    /// Whether a first number above one is a hole. A book stream begins with whole books, and has
    /// nothing to miss before them; of news whose subscription was heard, the first may be missing.
    fn begins_with_one(&self) -> bool {
        self.news && !self.channel.is_empty()
    }

    /// Takes a number that came before. Numbers in a row, up to a message that is later than all
    /// that was heard, are a new beginning: the stream goes on from there, and the answer is whose
    /// whole books came with them. Anything else may be told twice.
    pub(crate) fn take_again(&mut self, seq: u64, tells: Tells) -> Option<Vec<InstrumentId>> {
        let above = self.last_seq;
        let follows = |run: &Restart| run.above == above && seq == run.last_seq + 1;
        let run = self.restart.take().filter(|run| follows(run));
        match (run, tells) {
            (_, Tells::Earlier) | (None, Tells::Later) => None,
            (Some(run), Tells::Later) => {
                (self.last_seq, self.withholds) = (seq, false);
                Some(run.books)
            }
            (run, Tells::Nothing) => {
                let books = run.map_or_else(Vec::new, |run| run.books);
                self.restart = Some(Box::new(Restart { above, last_seq: seq, books }));
                None
            }
        }
    }

    /// Whether what bears a number that came before, and tells nothing later, may be a copy.
    pub(crate) fn may_be_copy(&mut self, tells: Tells) -> bool {
        let behind = self.last_seq;
        let before = if self.copies.0 == behind { self.copies.1 } else { 0 };
        self.copies = (behind, before.saturating_add(1));
        tells == Tells::Earlier && before < COPIES_MAX
    }

    /// A whole book came with the run of numbers that may be a new beginning.
    pub(crate) fn keep_apart(&mut self, book: InstrumentId) {
        if let Some(run) = &mut self.restart
            && !run.books.contains(&book)
        {
            run.books.push(book);
        }
    }
}

/// All numbered streams of an engine. Those of connections that were lost are used again.
#[derive(Debug, Default)]
pub struct Streams {
    list: Vec<Stream>,
    free: Vec<StreamId>,
}

impl Streams {
    /// A new stream.
    pub fn open(&mut self, channel: &str) -> StreamId {
        if let Some(id) = self.free.pop() {
            self.list[id as usize] = Stream::new(channel);
            return id;
        }
        self.list.push(Stream::new(channel));
        StreamId::try_from(self.list.len() - 1).unwrap_or(NO_STREAM)
    }

    /// Gives a stream up; no book may be on it any more.
    pub fn close(&mut self, id: StreamId) {
        if self.at(id).is_some() && !self.free.contains(&id) {
            self.free.push(id);
        }
    }

    /// A book is gone; its id may become another's.
    pub(crate) fn forget(&mut self, book: InstrumentId) {
        for run in self.list.iter_mut().filter_map(|stream| stream.restart.as_mut()) {
            run.books.retain(|&other| other != book);
        }
    }

    /// The stream `id`, unless it is [`NO_STREAM`].
    #[inline]
    #[must_use]
    pub fn at(&self, id: StreamId) -> Option<&Stream> {
        self.list.get(id as usize)
    }

    /// As [`Self::at`], to change it.
    #[inline]
    pub fn at_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.list.get_mut(id as usize)
    }
}

/// A hole in a numbered stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The connection.
    pub conn: u32,
    /// The venue's number of the stream.
    pub sid: u32,
    /// Sequence number that should have come.
    pub expected: u64,
    /// The one that came.
    pub got: u64,
    /// Receive time.
    pub ts: Nanos,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_in_order() {
        let mut stream = Stream::new("");
        assert_eq!(stream.take(7), Order::Next, "the first number is whatever it is");
        assert_eq!(stream.take(8), Order::Next);
        assert_eq!(stream.take(8), Order::Again(8));
        assert_eq!(stream.take(3), Order::Again(8));
        assert_eq!(stream.take(11), Order::Gap(9));
        assert_eq!(stream.take(12), Order::Next, "it goes on from where it is");
        assert_eq!(stream.take(u64::MAX), Order::Gap(13));
        assert_eq!(stream.take(1), Order::Again(u64::MAX), "numbers do not wrap");
    }

    #[test]
    fn streams_given_up_are_used_again() {
        let mut streams = Streams::default();
        let (a, b) = (streams.open("x"), streams.open("y"));
        assert_ne!(a, b);
        streams.close(a);
        streams.close(a);
        assert_eq!(streams.open("z"), a);
        assert_ne!(streams.open("w"), a);
        assert!(streams.at(NO_STREAM).is_none());
    }
}
