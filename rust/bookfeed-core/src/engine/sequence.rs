//! Numbered streams: what is missing, what came twice, and what a message in order proves.
//!
//! Every message of such a stream takes a number, replies to commands included, so numbers are
//! taken before anything else is done with a message. A hole makes every book of the stream
//! stale in that very message; a fresh snapshot starts a book anew from its own number on.
//! What rests on a stream that ended, or cannot be read, is stale as well.

use super::Engine;
use super::apply::Origin;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::event::{Body, Delta, Frame, Message, Place, Reply, ReplyKind, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::stream::{Connection, Gap, NO_STREAM, Order, StreamId};
use crate::span::Value;
use crate::time::Nanos;

/// Most streams of one connection that are told apart.
const STREAMS_MAX: usize = 64;
/// Gaps that are kept for whoever asks.
const GAPS_KEPT: usize = 256;
/// Replies that are kept for whoever collects them.
const NOTICES_KEPT: usize = 1_024;
/// The venue's codes for "this subscription is dead": channel error, buffer overflow.
const TERMINAL_CODES: [u32; 2] = [10, 25];

/// A reply of the venue to a command, or its word that a subscription failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The connection it came on.
    pub conn: u32,
    /// What it says.
    pub kind: ReplyKind,
    /// Number of the command it answers; 0 for none.
    pub id: u64,
    /// Number of the subscription it is about; 0 for none.
    pub sid: u32,
    /// The venue's error code; 0 for none.
    pub code: u32,
    /// The channel, where it is named.
    pub channel: String,
    /// The text of an error.
    pub text: String,
    /// Receive time.
    pub ts: Nanos,
}

impl Engine {
    /// Takes a message's number. Says which stream it is of, and whether the message may be
    /// applied to a book.
    #[inline]
    pub(super) fn take_place(&mut self, origin: &Origin, place: Place, body: &Body) -> (StreamId, bool) {
        if place.seq == 0 || place.sid == 0 {
            return (NO_STREAM, true);
        }
        let id = self.stream_or_new(origin.conn, place.sid);
        let Some(stream) = self.streams.at_mut(id).filter(|stream| !stream.ended) else {
            return (NO_STREAM, false);
        };
        match stream.take(place.seq) {
            Order::Next => {}
            Order::Gap(expected) => self.note_gap(origin, id, place, expected),
            // The venue may answer a request without spending a number on it.
            Order::Again(last) if place.seq == last && answers_request(body) => {}
            Order::Again(_) => {
                self.note_regression(origin, id);
                return (id, false);
            }
        }
        if let Some(stream) = self.streams.at_mut(id) {
            stream.ts_evidence = origin.ts_recv;
            stream.ts_event = stream.ts_event.max(origin.ts_event);
        }
        (id, true)
    }

    #[inline]
    fn stream_of(&self, conn: u32, sid: u32) -> StreamId {
        let connection = self.connections.get(conn as usize).and_then(Option::as_ref);
        connection.and_then(|c| c.stream(sid)).unwrap_or(NO_STREAM)
    }

    #[inline]
    fn stream_or_new(&mut self, conn: u32, sid: u32) -> StreamId {
        let known = self.stream_of(conn, sid);
        if known != NO_STREAM {
            return known;
        }
        let full = |c: &Connection| c.streams.len() >= STREAMS_MAX;
        if self.connections.get(conn as usize).and_then(Option::as_ref).is_none_or(full) {
            self.drop_stream(conn);
        }
        match self.connections.get_mut(conn as usize) {
            Some(Some(connection)) if !full(connection) => {
                let id = self.streams.open("");
                connection.streams.push((sid, id));
                id
            }
            _ => NO_STREAM,
        }
    }

    /// Makes room for another stream: each new subscription has a new number, and so has every
    /// damaged one. The oldest goes that has ended, or that nothing rests on.
    #[cold]
    fn drop_stream(&mut self, conn: u32) {
        let Some(Some(connection)) = self.connections.get(conn as usize) else { return };
        let idle = |&(_, id): &(u32, StreamId)| {
            let stream = self.streams.at(id);
            stream.is_none_or(|s| s.ended || s.channel.is_empty()) && self.books_on(conn, id).is_empty()
        };
        let Some(at) = connection.streams.iter().position(idle) else { return };
        if let Some(Some(connection)) = self.connections.get_mut(conn as usize) {
            let (_, id) = connection.streams.remove(at);
            self.streams.close(id);
        }
    }

    /// The books that rest on a stream now.
    fn books_on(&self, conn: u32, stream: StreamId) -> Vec<InstrumentId> {
        let Some(Some(connection)) = self.connections.get(conn as usize) else { return Vec::new() };
        let on_it = |&&id: &&InstrumentId| self.books[id as usize].stream == stream;
        connection.instruments.iter().filter(on_it).copied().collect()
    }

    /// Every book of a stream is stale.
    #[cold]
    fn lose_stream(&mut self, origin: &Origin, stream: StreamId, cause: Cause) {
        for id in self.books_on(origin.conn, stream) {
            self.transition(id, State::Stale, cause, origin.ts_recv);
        }
    }

    #[cold]
    fn note_gap(&mut self, origin: &Origin, stream: StreamId, place: Place, expected: u64) {
        self.counters.gaps += 1;
        if self.gaps.len() == GAPS_KEPT {
            self.gaps.pop_front();
        }
        let (conn, ts) = (origin.conn, origin.ts_recv);
        self.gaps.push_back(Gap { conn, sid: place.sid, expected, got: place.seq, ts });
        for id in self.books_on(conn, stream) {
            let book = &mut self.books[id as usize];
            book.evidence.count(Evidence::Gap);
            book.gap = Some((expected, place.seq));
            self.transition(id, State::Stale, Cause::Gap, ts);
        }
    }

    /// A number that came before: a message told twice, or a counter that was set back. Which
    /// of the two cannot be known, and after the second the numbers prove nothing.
    #[cold]
    fn note_regression(&mut self, origin: &Origin, stream: StreamId) {
        self.counters.regressions += 1;
        for id in self.books_on(origin.conn, stream) {
            self.books[id as usize].evidence.count(Evidence::OutOfOrder);
        }
        self.lose_stream(origin, stream, Cause::OutOfOrder);
    }

    /// A message of an unknown type. On a stream that carries books it may have changed one.
    #[cold]
    pub(super) fn apply_unknown(&mut self, origin: &Origin, stream: StreamId) {
        if stream != NO_STREAM {
            self.lose_stream(origin, stream, Cause::Malformed);
        }
    }

    /// The connection was lost, or is a new one: its streams are over.
    pub(super) fn forget_streams(&mut self, conn: u32) {
        let Some(Some(connection)) = self.connections.get_mut(conn as usize) else { return };
        for (_, id) in std::mem::take(&mut connection.streams) {
            self.streams.close(id);
        }
    }

    // Books.

    #[inline]
    pub(super) fn apply_delta(&mut self, origin: &Origin, stream: StreamId, delta: &Delta) {
        let id = delta.instrument;
        let Some(book) = self.books.get_mut(id as usize) else {
            return self.unknown_on_stream(origin, stream, delta.market_id);
        };
        if !matches!(book.state, State::Live | State::Suspect) {
            book.evidence.count(Evidence::BeforeSnapshot);
            return;
        }
        if book.stream != stream {
            if self.elsewhere(id, origin.conn) {
                return;
            }
            let what = "a change on another subscription than the book's";
            return self.refuse(origin, id, what, delta.market_id.start as usize);
        }
        if book.add(delta.side, delta.price, delta.qty).is_err() {
            book.evidence.count(Evidence::Underflow);
            self.counters.underflows += 1;
            return self.transition(id, State::Stale, Cause::Underflow, origin.ts_recv);
        }
        book.evidence.count(Evidence::InSequence);
        if origin.ts_event != ABSENT {
            book.ts_event = origin.ts_event;
        }
        self.judge_numbered(id, origin);
        self.publish(id, origin.ts_recv);
    }

    /// Judges a book after a message in order. Its number has proved it complete; what is
    /// left is that orders cannot overlap for longer than one match takes to be told.
    #[inline]
    fn judge_numbered(&mut self, id: InstrumentId, origin: &Origin) {
        let book = &mut self.books[id as usize];
        book.ts_recv = origin.ts_recv;
        book.ts_evidence = origin.ts_recv;
        if book.witness.is_some() {
            book.meet_witness();
        }
        match (book.overlaps(), book.doubt.is_some()) {
            (false, false) | (true, true) => {}
            (false, true) => {
                book.doubt = None;
                book.evidence.count(Evidence::BatchSettled);
            }
            (true, false) => {
                // Each level of one match comes by itself, in messages of one time or of two.
                let deadline = origin.ts_recv.saturating_add(self.config.batch_grace);
                let (cause, against) = (Cause::Crossed, Evidence::Crossed);
                let ts_event = origin.ts_event;
                book.doubt = Some(Doubt { cause, ts_event, deadline, patient: true, against });
                self.watch(id);
            }
        }
    }

    /// A whole book at its number: everything before it is of no interest any more.
    pub(super) fn apply_numbered_snapshot(
        &mut self,
        origin: &Origin,
        stream: StreamId,
        frame: &Frame,
        message: &Message,
        snapshot: &Snapshot,
    ) {
        let mut id = snapshot.instrument;
        if id == UNKNOWN {
            if self.known_market(origin.conn, snapshot.market_id, origin.payload).is_some() {
                return self.unknown_on_stream(origin, stream, snapshot.market_id);
            }
            if self.config.auto_subscribe {
                id = self.auto_subscribe(origin, message, snapshot);
            }
        }
        if self.elsewhere(id, origin.conn) {
            return;
        }
        let Some(book) = self.books.get_mut(id as usize) else {
            self.counters.unknown_instruments += 1;
            return;
        };
        if book.over() || book.state == State::Idle {
            return;
        }
        (book.doubt, book.witness) = (None, None);
        if !self.load(id, origin, frame, snapshot) {
            return;
        }
        self.learn_market_id(id, snapshot.market_id, origin.payload);
        let book = &mut self.books[id as usize];
        book.stream = stream;
        (book.ts_evidence, book.gap) = (origin.ts_recv, None);
        if book.overlaps() {
            book.evidence.count(Evidence::Crossed);
            // A whole book that overlaps is no torn batch: prices are not what they are taken for.
            self.transition(id, State::Suspect, Cause::Crossed, origin.ts_recv);
        } else if book.state != State::Live {
            let requested = book.state == State::Syncing && book.cause == Cause::Resync;
            let cause = if requested { Cause::Resync } else { Cause::Snapshot };
            self.transition(id, State::Live, cause, origin.ts_recv);
            self.books[id as usize].stream = stream;
        }
        self.publish(id, origin.ts_recv);
    }

    /// Whether an instrument is subscribed on another connection than `conn`, which may be left
    /// from before it moved: what is said there is not about its book, and is only counted.
    fn elsewhere(&mut self, id: InstrumentId, conn: u32) -> bool {
        let moved = self.instruments.at(id).is_some_and(|i| i.conn != conn);
        self.counters.unknown_instruments += u64::from(moved);
        moved
    }

    /// Remembers the venue's second name of a market, by which a damaged first one is found out.
    fn learn_market_id(&mut self, id: InstrumentId, market_id: Value, payload: &[u8]) {
        if let Some(instrument) = self.instruments.at_mut(id)
            && instrument.market_id.is_none()
            && !market_id.is_absent()
        {
            let text = String::from_utf8_lossy(market_id.raw(payload));
            instrument.market_id = Some(Box::from(&*text));
        }
    }

    /// Which instrument of the connection has this second name.
    fn known_market(&self, conn: u32, market_id: Value, payload: &[u8]) -> Option<InstrumentId> {
        let Some(Some(connection)) = self.connections.get(conn as usize) else { return None };
        let wanted = market_id.raw(payload);
        let same = |id: &&InstrumentId| {
            let known = self.instruments.at(**id).and_then(|i| i.market_id.as_deref());
            known.is_some_and(|known| !wanted.is_empty() && known.as_bytes() == wanted)
        };
        connection.instruments.iter().find(same).copied()
    }

    /// A book message that names no market of ours. With the second name of one of ours the
    /// first is damaged; without any, it may be anybody's. A recording that subscribes what it
    /// meets may hold other markets, and their changes from before it began.
    #[cold]
    fn unknown_on_stream(&mut self, origin: &Origin, stream: StreamId, market_id: Value) {
        self.counters.unknown_instruments += 1;
        let what = "a symbol that was never subscribed";
        let offset = market_id.start as usize;
        if let Some(id) = self.known_market(origin.conn, market_id, origin.payload) {
            return self.refuse(origin, id, what, offset);
        }
        if stream != NO_STREAM && (!self.config.auto_subscribe || market_id.is_absent()) {
            self.note_error(origin.conn, origin.ts_recv, what, offset);
            self.lose_stream(origin, stream, Cause::Malformed);
        }
    }

    /// A message that cannot be right makes its book stale.
    #[cold]
    fn refuse(&mut self, origin: &Origin, id: InstrumentId, what: &'static str, offset: usize) {
        self.counters.malformed += 1;
        self.books[id as usize].evidence.count(Evidence::Malformed);
        self.note_error(origin.conn, origin.ts_recv, what, offset);
        self.transition(id, State::Stale, Cause::Malformed, origin.ts_recv);
    }

    // Replies.

    pub(super) fn apply_reply(&mut self, origin: &Origin, place: Place, reply: &Reply) {
        let text = |value: Value| String::from_utf8_lossy(value.raw(origin.payload)).into_owned();
        let notice = Notice {
            conn: origin.conn,
            kind: reply.kind,
            id: reply.id,
            sid: place.sid,
            code: reply.code,
            channel: text(reply.channel),
            text: text(reply.text),
            ts: origin.ts_recv,
        };
        if place.sid != 0 {
            self.follow_reply(origin, place.sid, reply, &notice.channel);
        } else if ends(reply) {
            // It does not say which subscription is dead, so any may be.
            self.transition_connection(origin.conn, State::Stale, Cause::Channel, origin.ts_recv);
        }
        if self.notices.len() == NOTICES_KEPT {
            self.notices.pop_front();
            self.counters.notices_dropped += 1;
        }
        self.notices.push_back(notice);
    }

    fn follow_reply(&mut self, origin: &Origin, sid: u32, reply: &Reply, channel: &str) {
        if ends(reply) {
            self.end_stream(origin, sid);
        } else if matches!(reply.kind, ReplyKind::Subscribed | ReplyKind::Ok) && !channel.is_empty() {
            let id = self.stream_or_new(origin.conn, sid);
            if let Some(stream) = self.streams.at_mut(id) {
                stream.begin(channel);
            }
        }
    }

    /// A subscription ended: its books are stale, and what is still on its way is ignored until
    /// the venue gives its number out again.
    fn end_stream(&mut self, origin: &Origin, sid: u32) {
        let id = self.stream_of(origin.conn, sid);
        if let Some(stream) = self.streams.at_mut(id) {
            stream.ended = true;
            self.lose_stream(origin, id, Cause::Channel);
        }
    }

    /// Holes found lately, oldest first.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// Takes the replies on a connection that nobody has taken yet, oldest first.
    pub fn take_notices(&mut self, conn: u32) -> Vec<Notice> {
        let mut taken = Vec::new();
        self.notices.retain(|notice| {
            if notice.conn == conn {
                taken.push(notice.clone());
            }
            notice.conn != conn
        });
        taken
    }

    /// How many replies on a connection wait to be taken.
    #[must_use]
    pub fn notices_pending(&self, conn: u32) -> usize {
        self.notices.iter().filter(|notice| notice.conn == conn).count()
    }

    /// The venue's number of the subscription to `channel` on a connection, once it said so.
    #[must_use]
    pub fn sid(&self, conn: u32, channel: &str) -> Option<u32> {
        let connection = self.connections.get(conn as usize)?.as_ref()?;
        let live = |id| self.streams.at(id).filter(|stream| !stream.ended);
        let of_channel = |(_, id): &&(u32, StreamId)| live(*id).is_some_and(|s| &*s.channel == channel);
        connection.streams.iter().rev().find(of_channel).map(|&(sid, _)| sid)
    }
}

/// Whether a reply says that a subscription is over.
fn ends(reply: &Reply) -> bool {
    match reply.kind {
        ReplyKind::Subscribed | ReplyKind::Ok => false,
        ReplyKind::Unsubscribed => true,
        ReplyKind::Error => TERMINAL_CODES.contains(&reply.code),
    }
}

fn answers_request(body: &Body) -> bool {
    matches!(body, Body::Snapshot(snapshot) if snapshot.requested)
}
