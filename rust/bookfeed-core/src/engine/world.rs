//! What is known: every instrument with its book and its trades, and what is heard on
//! connections. The stages of the engine change it one after the other; rules only read it.

use super::config::{Config, Counters, EngineError, LastError, SYMBOL_BYTES_MAX};
use super::early::Strangers;
use super::estimates::Estimates;
use super::levels::LevelWatch;
use super::lines::Lines;
use super::prints::Senses;
use super::second::Seconds;
use super::terms::References;
use crate::book::Book;
use crate::book::integrity::{Cause, EvidenceCounts, State};
use crate::event::{Body, Message};
use crate::fixed::ABSENT;
use crate::instrument::{Instrument, InstrumentId, Instruments, UNKNOWN, Venue};
use crate::latency::Histogram;
use crate::sequence::clock::Pace;
use crate::sequence::reputation::Reputation;
use crate::sequence::rhythm::Rhythm;
use crate::sequence::stream::{Connection, StreamId, Streams};
use crate::sequence::trend::Trend;
use crate::signals::View;
use crate::signals::own::OwnLevels;
use crate::span::Value;
use crate::time::Nanos;
use crate::trades::TradeTape;
use crate::trading::{Exchange, ExchangeKnown};
use crate::venue::Continuity;

/// Where a message comes from: what all of its parts share.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) conn: u32,
    pub(super) payload: &'a [u8],
    /// The venue's time as far as it is believed, or [`ABSENT`]: the one to go by.
    pub(super) ts_event: Nanos,
    /// The venue's time as it was stated, or [`ABSENT`]: what a hash covers.
    pub(super) ts_stated: Nanos,
    /// When the venue says that it sent the frame, or [`ABSENT`].
    pub(super) ts_sent: Nanos,
    pub(super) ts_recv: Nanos,
}

/// Where a message stands, as far as its stream goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The numbered stream it came on, or `NO_STREAM`.
    pub(super) stream: StreamId,
    /// Whether it may be applied to a book.
    pub(super) current: bool,
    /// Whether its number came before, in a run that may be a new beginning: a whole book is kept
    /// until that is known.
    pub(super) apart: bool,
}

impl Heard {
    /// A message that may be applied, on `stream`.
    #[inline]
    pub(super) const fn current(stream: StreamId) -> Self {
        Self { stream, current: true, apart: false }
    }

    /// A message that may not.
    pub(super) const fn late(stream: StreamId) -> Self {
        Self { stream, current: false, apart: false }
    }
}

/// Everything that is known, and what happened, counted.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Config,
    pub(super) instruments: Instruments,
    pub(super) books: Vec<Book>,
    /// What came of assets that only their first whole book makes known.
    pub(super) strangers: Strangers,
    /// Who changed levels in the message in hand, while somebody asked for that.
    pub(super) levels: LevelWatch,
    pub(super) tapes: Vec<TradeTape>,
    /// How often each book is spoken of.
    pub(super) rhythms: Vec<Rhythm>,
    /// How the delay of what is said of each book goes on.
    pub(super) trends: Vec<Trend>,
    /// What each venue last said of itself, and when it will be closed.
    pub(super) exchanges: [ExchangeKnown; Venue::ALL.len()],
    pub(super) connections: Vec<Option<Connection>>,
    pub(super) streams: Streams,
    /// Which connections carry the same books, and what each of them told.
    pub(super) lines: Lines,
    /// What other interfaces of venues tell of books.
    pub(super) seconds: Seconds,
    /// What rests of the user's own, by instrument, as far as somebody told.
    pub(super) own: Vec<OwnLevels>,
    /// Indices that are estimated from the books.
    pub(super) estimates: Estimates,
    /// What contracts settle on, and are worth by that.
    pub(super) references: References,
    /// How the aggressors of trades agree with the books.
    pub(super) senses: Senses,
    pub(super) counters: Counters,
    /// Evidence for and against books that are gone.
    pub(super) evidence_gone: EvidenceCounts,
    pub(super) last_error: Option<LastError>,
    pub(super) venue_latency: Histogram,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            instruments: Instruments::default(),
            books: Vec::new(),
            strangers: Strangers::new(config.auto_subscribe),
            levels: LevelWatch::default(),
            tapes: Vec::new(),
            rhythms: Vec::new(),
            trends: Vec::new(),
            exchanges: Default::default(),
            connections: Vec::new(),
            streams: Streams::default(),
            lines: Lines::default(),
            seconds: Seconds::default(),
            own: Vec::new(),
            estimates: Estimates::default(),
            references: References::default(),
            senses: Senses::default(),
            counters: Counters::default(),
            evidence_gone: EvidenceCounts::default(),
            last_error: None,
            venue_latency: Histogram::new(),
        }
    }

    /// What rules may look at.
    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        View {
            books: &self.books,
            instruments: &self.instruments,
            streams: &self.streams,
            connections: &self.connections,
            own: &self.own,
            worths: self.references.worths(),
        }
    }

    #[inline]
    pub(super) fn book(&mut self, id: InstrumentId) -> &mut Book {
        &mut self.books[id as usize]
    }

    /// A book whose levels are about to change.
    #[inline]
    pub(super) fn book_to_change(&mut self, id: InstrumentId) -> &mut Book {
        let book = &mut self.books[id as usize];
        if self.levels.on {
            self.levels.begin(id, book);
        }
        book
    }

    #[inline]
    pub(super) fn connection(&self, conn: u32) -> Option<&Connection> {
        self.connections.get(conn as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn connection_mut(&mut self, conn: u32) -> Option<&mut Connection> {
        self.connections.get_mut(conn as usize)?.as_mut()
    }

    /// The connection that carries the same books as `conn`, or [`UNKNOWN`].
    pub(super) fn twin(&self, conn: u32) -> u32 {
        self.connection(conn).map_or(UNKNOWN, |c| c.twin)
    }

    /// What a witness answered about books of a connection, or of all connections together.
    pub(super) fn answers(
        &self,
        conn: Option<u32>,
        of: impl Fn(&Connection) -> &Reputation,
    ) -> [u64; Reputation::NAMES.len()] {
        let mut all = [0; Reputation::NAMES.len()];
        for (number, connection) in (0..).zip(&self.connections) {
            let Some(connection) = connection.as_ref().filter(|_| conn.is_none_or(|c| c == number))
            else {
                continue;
            };
            for (sum, count) in all.iter_mut().zip(of(connection).counts()) {
                *sum += count;
            }
        }
        all
    }

    /// How a missing message about an instrument would show; `None` if there is no such one.
    #[inline]
    pub(super) fn continuity(&self, id: InstrumentId) -> Option<Continuity> {
        self.instruments.at(id).map(|about| about.venue.row().continuity)
    }

    /// Whether a book's venue begins it with a whole one that nothing marks.
    #[inline]
    pub(super) fn begins_whole(&self, id: InstrumentId) -> bool {
        self.instruments.at(id).is_some_and(|about| about.venue.row().begins_whole)
    }

    /// Whether a book's messages each say which one they follow.
    #[inline]
    pub(super) fn chained(&self, id: InstrumentId) -> bool {
        self.instruments.at(id).is_some_and(|about| about.venue.row().chained)
    }

    /// Whether a message with levels is the first about its book on a connection that somebody saw
    /// open, at a venue that begins with a whole one. A symbol that came to the connection for a
    /// second time may not be told anew.
    #[inline]
    pub(super) fn awaits_whole(&self, conn: u32, message: &Message) -> bool {
        let Body::Levels(levels) = &message.body else { return false };
        match self.books.get(levels.instrument as usize) {
            Some(book) if book.state != State::Syncing => false,
            Some(book) => {
                book.cause == Cause::Subscribed && self.begins(conn, levels.instrument, message)
            }
            None => self.config.auto_subscribe && self.begins(conn, UNKNOWN, message),
        }
    }

    #[cold]
    fn begins(&self, conn: u32, id: InstrumentId, message: &Message) -> bool {
        let Some(connection) = self.connection(conn) else { return false };
        let due = |about: &Instrument| about.conn == conn && !connection.past.contains(&about.symbol);
        let due = self.instruments.at(id).is_none_or(due);
        connection.venue.row().begins_whole && connection.open && due && message.place.seq != 0
    }

    /// What a connection tells of an instrument from now on does not begin with a whole book.
    pub(super) fn pass_beginning(&mut self, conn: u32, id: InstrumentId) {
        let symbol = self.instruments.at(id).map(|about| about.symbol.clone());
        if let (Some(symbol), Some(connection)) = (symbol, self.connection_mut(conn)) {
            connection.past.push(symbol);
        }
    }

    /// An instrument of a venue's, of which nothing but its symbol and connection is known.
    pub(super) fn stranger(venue: Venue, symbol: &str, conn: u32) -> Instrument {
        let row = venue.row();
        let fees = row.fees.unstated.and_then(|terms| (row.fees.parse)(terms).ok());
        let bare = Instrument::new(venue, symbol, conn);
        let exchange = Exchange { calendar: row.pauses, ..Exchange::default() };
        Instrument { payout: row.payout, exchange, fees, ..bare }
    }

    /// Whether another instrument may be added.
    pub(super) fn room_for(&self, symbol: &str) -> Result<(), EngineError> {
        if symbol.len() > SYMBOL_BYTES_MAX {
            return Err(EngineError::Symbol(symbol.len()));
        }
        let full = self.instruments.len() >= self.config.books_max;
        if full { Err(EngineError::BooksMax(self.instruments.len())) } else { Ok(()) }
    }

    /// Puts an instrument on a connection.
    pub(super) fn join_connection(&mut self, conn: u32, id: InstrumentId) {
        if let Some(connection) = self.connection_mut(conn) {
            connection.instruments.push(id);
        }
    }

    /// Takes an instrument off its connection; whether it was on one.
    pub(super) fn leave_connection(&mut self, id: InstrumentId) -> bool {
        let Self { instruments, connections, .. } = self;
        let Some(about) = instruments.at(id) else { return false };
        let Some(Some(connection)) = connections.get_mut(about.conn as usize) else { return false };
        let before = connection.instruments.len();
        connection.instruments.retain(|&i| i != id);
        let left = connection.instruments.len() < before;
        if left && about.venue.row().begins_whole {
            connection.past.push(about.symbol.clone());
        }
        left
    }

    /// Whether an instrument is subscribed on another connection than `conn`, which may be left
    /// from before it moved: what is said there is not about its book, and is only counted.
    pub(super) fn elsewhere(&mut self, id: InstrumentId, conn: u32) -> bool {
        let moved = self.instruments.at(id).is_some_and(|i| i.conn != conn);
        self.counters.unknown_instruments += u64::from(moved);
        moved
    }

    /// Remembers the venue's second name of a market, by which a damaged first one is found out.
    pub(super) fn learn_market_id(&mut self, id: InstrumentId, market_id: Value, payload: &[u8]) {
        if let Some(instrument) = self.instruments.at_mut(id)
            && instrument.market_id.is_none()
            && !market_id.is_absent()
        {
            let text = String::from_utf8_lossy(market_id.raw(payload));
            instrument.market_id = Some(Box::from(&*text));
        }
    }

    /// Which instrument of the connection has this second name.
    pub(super) fn by_market_id(
        &self,
        conn: u32,
        market_id: Value,
        payload: &[u8],
    ) -> Option<InstrumentId> {
        let wanted = market_id.raw(payload);
        let same = |id: &&InstrumentId| {
            let known = self.instruments.at(**id).and_then(|i| i.market_id.as_deref());
            known.is_some_and(|known| !wanted.is_empty() && known.as_bytes() == wanted)
        };
        self.connection(conn)?.instruments.iter().find(same).copied()
    }

    /// A message shows that its connection brings data, and how late: what of its time stamp is
    /// believed.
    #[inline]
    pub(super) fn hear(
        &mut self,
        conn: u32,
        message: &Message,
        ts_sent: Option<Nanos>,
        ts_recv: Nanos,
    ) -> (Nanos, Pace) {
        let stated = message.ts_event;
        let patience = self.config.patience();
        let Some(connection) = self.connection_mut(conn) else { return (stated, Pace::Same) };
        let clock = &mut connection.clock;
        if let Some(sent) = ts_sent {
            clock.note_sent(sent, ts_recv);
        }
        let (newest, delay) = (clock.newest, ts_recv.saturating_sub(stated));
        let (believed, pace) = match message.body {
            Body::Changes(_) | Body::Delta(_) | Body::Levels(_) | Body::Touch(_) => {
                let believed = clock.take(stated, ts_recv);
                (believed, clock.pace(ts_recv, patience))
            }
            Body::Snapshot(_) => match ts_sent {
                // It says of itself only when it was sent.
                Some(sent) if stated == ABSENT => (ABSENT, clock.pace_sent(sent, ts_recv, patience)),
                _ => (clock.take_whole(stated, ts_recv), Pace::Same),
            },
            // None of these shows that market data flows, unless it takes a number.
            Body::Nothing | Body::News | Body::Reply(_) | Body::Unknown | Body::Own(_)
                if message.place.seq == 0 =>
            {
                return (stated, Pace::Same);
            }
            _ => (clock.believe(stated, ts_recv), Pace::Same),
        };
        connection.ts_data = ts_recv;
        if clock.newest > newest {
            connection.behind = delay; // of this message: no other stamp is newer
        } else if clock.newest < newest {
            self.set_back(conn);
        }
        if believed != ABSENT {
            self.venue_latency.record(delay);
        } else if stated != ABSENT {
            self.counters.odd_stamps += 1;
        }
        (believed, pace)
    }

    /// The clock of a connection was set back: what its books were told before is not newer than
    /// what they are told now, and waits for no later time.
    #[cold]
    fn set_back(&mut self, conn: u32) {
        let Self { connections, books, .. } = self;
        let Some(Some(connection)) = connections.get(conn as usize) else { return };
        let now = connection.clock.newest;
        for &id in &connection.instruments {
            let Some(book) = books.get_mut(id as usize) else { continue };
            book.ts_seen = book.ts_seen.min(now);
            book.rare.ts_discarded = book.rare.ts_discarded.min(now);
            book.rare.ts_answered = ABSENT;
            if let Some(awaited) = &mut book.rare.awaited {
                awaited.ts_begin = awaited.ts_begin.min(now);
            }
        }
    }

    /// What of the time stamp of a REST answer is believed. It says nothing of the stream, which
    /// may be late, and then looks as if its clock ran back.
    pub(super) fn believe_answer(&self, conn: u32, stated: Nanos, ts_recv: Nanos) -> Nanos {
        self.connection(conn).map_or(stated, |c| c.clock.believe(stated, ts_recv))
    }

    #[cold]
    pub(super) fn note_error(&mut self, conn: u32, ts_recv: Nanos, what: &'static str, offset: usize) {
        self.last_error = Some(LastError { conn, ts_recv, what, offset });
    }
}
