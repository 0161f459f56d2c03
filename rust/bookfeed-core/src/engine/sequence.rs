//! The first stage: is anything missing before a message? And what the venue says of its streams.
//!
//! Every message of a numbered stream takes a number, replies to commands included, so numbers
//! are taken before anything else is done with a message. A hole makes every book of the stream
//! stale in that very message; a fresh snapshot starts a book anew from its own number on.
//! What rests on a stream that ended, or cannot be read, is stale as well. Where each book has
//! numbers of its own, they are taken when the book is at hand (`super::apply`).

use super::judge::Judge;
use super::lines;
use super::lost::{books_on, lose_stream, losing};
use super::news::{begin_news, lose_news, note_refusal};
use super::whole::taking;
use super::world::{Heard, Origin, World};
use crate::book::integrity::{Cause, Evidence, State};
use crate::event::{Body, Message, Place, Reply, ReplyKind};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::stream::{Connection, Gap, NO_STREAM, Order, StreamId, Tells};
use crate::span::Value;
use crate::time::Nanos;
use std::collections::VecDeque;

/// Most streams of one connection that are told apart.
const STREAMS_MAX: usize = 64;
/// Gaps that are kept for whoever asks.
const GAPS_KEPT: usize = 256;
/// Replies that are kept for whoever collects them.
const NOTICES_KEPT: usize = 1_024;

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

/// What was missing lately, and what venues answered.
#[derive(Debug, Default)]
pub(super) struct Sequencer {
    gaps: VecDeque<Gap>,
    notices: VecDeque<Notice>,
}

impl Sequencer {
    /// Takes a message's number in its stream, if it has one.
    #[inline]
    pub(super) fn take(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        message: &Message,
    ) -> Heard {
        let place = message.place;
        if place.seq == 0 || place.sid == 0 {
            return Heard::current(NO_STREAM);
        }
        let id = stream_or_new(world, origin.conn, place.sid);
        if message.body.is_news() {
            note_news(world, judge, origin, id);
        }
        let Some(stream) = world.streams.at_mut(id).filter(|stream| !stream.ended) else {
            return Heard::late(NO_STREAM);
        };
        if place.first == 0 {
            // Its first part took the number, if it was the next one.
            return if stream.last_seq == place.seq { Heard::current(id) } else { Heard::late(id) };
        }
        match stream.take(place.seq) {
            Order::Next => {
                stream.hear(origin.ts_event, origin.ts_sent, origin.ts_recv);
                return Heard::current(id);
            }
            Order::Gap(expected) => self.note_gap(world, judge, origin, id, place, expected),
            // The venue may answer a request without spending a number on it.
            Order::Again(last) if place.seq == last && answers_request(&message.body) => {}
            Order::Again(_) => return take_again(world, judge, origin, id, message),
        }
        if let Some(stream) = world.streams.at_mut(id) {
            stream.hear(origin.ts_event, origin.ts_sent, origin.ts_recv);
        }
        Heard::current(id)
    }

    #[cold]
    fn note_gap(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        stream: StreamId,
        place: Place,
        expected: u64,
    ) {
        judge.publisher.rules.unsettled = true;
        world.counters.gaps += 1;
        if self.gaps.len() == GAPS_KEPT {
            self.gaps.pop_front();
        }
        let (conn, ts) = (origin.conn, origin.ts_recv);
        self.gaps.push_back(Gap { conn, sid: place.sid, expected, got: place.seq, ts });
        for id in losing(world, conn, stream) {
            let book = world.book(id);
            book.evidence.count(Evidence::Gap);
            book.rare.gap = Some((expected, place.seq));
            judge.turn(world, id, State::Stale, Cause::Gap, ts);
        }
        lose_news_of(world, judge, origin, stream);
    }

    // Replies.

    /// Keeps what the venue answers, and follows what it says of its streams.
    pub(super) fn take_reply(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        place: Place,
        reply: &Reply,
    ) {
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
            follow_reply(world, judge, origin, place.sid, reply, &notice.channel);
        } else if reply.ends && reply.instrument != UNKNOWN {
            if !lines::lose(world, origin.conn, reply.instrument) {
                judge.turn(world, reply.instrument, State::Stale, Cause::Channel, origin.ts_recv);
            }
        } else if reply.ends {
            // It does not say which subscription is dead, so any may be.
            lose_news(world, judge, origin.conn, origin.ts_recv);
            judge.turn_connection(world, origin.conn, State::Stale, Cause::Channel, origin.ts_recv);
        } else if reply.refuses {
            note_refusal(world, judge, origin);
        }
        if self.notices.len() == NOTICES_KEPT {
            self.notices.pop_front();
            world.counters.notices_dropped += 1;
        }
        self.notices.push_back(notice);
    }

    /// Holes found lately, oldest first.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// Takes the replies on a connection that nobody has taken yet, oldest first.
    pub(super) fn take_notices(&mut self, conn: u32) -> Vec<Notice> {
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
    pub(super) fn notices_pending(&self, conn: u32) -> usize {
        self.notices.iter().filter(|notice| notice.conn == conn).count()
    }
}

#[inline]
fn stream_of(world: &World, conn: u32, sid: u32) -> StreamId {
    world.connection(conn).and_then(|c| c.stream(sid)).unwrap_or(NO_STREAM)
}

#[inline]
fn stream_or_new(world: &mut World, conn: u32, sid: u32) -> StreamId {
    let known = stream_of(world, conn, sid);
    if known != NO_STREAM {
        return known;
    }
    let full = |c: &Connection| c.streams.len() >= STREAMS_MAX;
    if world.connection(conn).is_none_or(full) {
        drop_stream(world, conn);
    }
    let World { connections, streams, .. } = world;
    match connections.get_mut(conn as usize) {
        Some(Some(connection)) if !full(connection) => {
            let id = streams.open("");
            connection.streams.push((sid, id));
            id
        }
        _ => NO_STREAM,
    }
}

/// Makes room for another stream: each new subscription has a new number, and so has every
/// damaged one. The oldest goes that has ended, or that nothing rests on.
#[cold]
fn drop_stream(world: &mut World, conn: u32) {
    let Some(connection) = world.connection(conn) else { return };
    let idle = |&(_, id): &(u32, StreamId)| {
        let stream = world.streams.at(id);
        let unused = stream.is_none_or(|s| s.ended || s.channel.is_empty());
        unused && books_on(world, conn, id).is_empty()
    };
    let Some(at) = connection.streams.iter().position(idle) else { return };
    if let Some(connection) = world.connection_mut(conn) {
        let (_, id) = connection.streams.remove(at);
        world.streams.close(id);
    }
}

/// The connection was lost, or is a new one: its streams are over, and what comes now was not told
/// by it before.
pub(super) fn forget_streams(world: &mut World, conn: u32) {
    let Some(Some(connection)) = world.connections.get_mut(conn as usize) else { return };
    for (_, id) in std::mem::take(&mut connection.streams) {
        world.streams.close(id);
    }
    for &id in &connection.instruments {
        world.books[id as usize].rare.trades.count_anew();
    }
}

/// A number that came before. What follows may show that numbers began anew, which a recording
/// need not say: the whole books that came since are believed then.
#[cold]
fn take_again(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: StreamId,
    message: &Message,
) -> Heard {
    judge.publisher.rules.unsettled = true;
    let discards = world.connection(origin.conn).is_some_and(|c| c.venue.discards_again());
    let Some(stream) = world.streams.at_mut(id) else { return Heard::late(NO_STREAM) };
    let tells = match &message.body {
        // Neither states a time of its own.
        Body::Snapshot(_) | Body::Reply(_) => Tells::Nothing,
        _ if origin.ts_event != ABSENT && origin.ts_event > stream.ts_event => Tells::Later,
        _ => Tells::Earlier,
    };
    // What changed may have changed long before it was sent; a copy was sent before, too. Only that of
    // the newest message was sent when that was.
    let newest = message.place.seq == stream.last_seq && origin.ts_sent == stream.ts_sent;
    let sent_before = origin.ts_sent != ABSENT && (newest || origin.ts_sent < stream.ts_sent);
    let copy = discards && stream.may_be_copy(tells) && sent_before;
    let Some(books) = stream.take_again(message.place.seq, tells) else {
        if copy {
            note_copy(world, message);
            return Heard::late(id);
        }
        note_regression(world, judge, origin, id);
        return Heard { stream: id, current: false, apart: tells == Tells::Nothing };
    };
    stream.hear(origin.ts_event, origin.ts_sent, origin.ts_recv);
    for book in books {
        if taking(world, origin, book).is_none_or(|book| book.running()) {
            continue; // it is wanted elsewhere by now, or another stream has brought it
        }
        judge.judge_placed(world, origin, book, id);
        judge.publish_one(world, book, origin.ts_recv);
    }
    Heard::current(id)
}

/// A message that came before: it changes nothing.
fn note_copy(world: &mut World, message: &Message) {
    world.counters.regressions += 1;
    if let Body::Levels(levels) = &message.body
        && let Some(book) = world.books.get_mut(levels.instrument as usize)
    {
        book.evidence.count(Evidence::Duplicate);
    }
}

/// A number that came before: a message told twice, or a counter that was set back. Which
/// of the two is not known yet, and after the second the numbers prove nothing.
#[cold]
fn note_regression(world: &mut World, judge: &mut Judge, origin: &Origin, stream: StreamId) {
    world.counters.regressions += 1;
    for id in losing(world, origin.conn, stream) {
        world.book(id).evidence.count(Evidence::OutOfOrder);
    }
    lose_stream(world, judge, origin, stream, Cause::OutOfOrder);
    lose_news_of(world, judge, origin, stream);
}

/// A stream brings news. It may be the first sign that it is one of news.
#[cold]
fn note_news(world: &mut World, judge: &mut Judge, origin: &Origin, stream: StreamId) {
    let Some(stream) = world.streams.at_mut(stream).filter(|stream| !stream.ended) else { return };
    if !std::mem::replace(&mut stream.news, true) {
        judge.publisher.rules.unsettled = true;
        begin_news(world, judge, origin.conn, "", origin.ts_recv);
    }
}

/// Something of a stream was lost: if it carries news, nobody knows what they were.
#[cold]
fn lose_news_of(world: &mut World, judge: &mut Judge, origin: &Origin, stream: StreamId) {
    if world.streams.at(stream).is_some_and(|stream| stream.news) {
        lose_news(world, judge, origin.conn, origin.ts_recv);
    }
}

/// A message of an unknown type. On a stream that carries books it may have changed one.
#[cold]
pub(super) fn take_unknown(world: &mut World, judge: &mut Judge, origin: &Origin, stream: StreamId) {
    if stream != NO_STREAM {
        lose_stream(world, judge, origin, stream, Cause::Malformed);
    }
}

fn follow_reply(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    sid: u32,
    reply: &Reply,
    channel: &str,
) {
    if reply.ends {
        end_stream(world, judge, origin, sid);
    } else if matches!(reply.kind, ReplyKind::Subscribed | ReplyKind::Ok) && !channel.is_empty() {
        let id = stream_or_new(world, origin.conn, sid);
        let news = world.connection(origin.conn).is_some_and(|c| c.venue.row().news.contains(&channel));
        if let Some(stream) = world.streams.at_mut(id) {
            stream.begin(channel);
            stream.news |= news;
        }
        if news {
            begin_news(world, judge, origin.conn, channel, origin.ts_recv);
        }
    }
}

/// The venue lists whose books a connection is subscribed to: nothing more comes of any other.
#[cold]
pub(super) fn end_others(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    subscribed: &[InstrumentId],
) {
    let Some(connection) = world.connection(origin.conn) else { return };
    let ended = |&&id: &&InstrumentId| !subscribed.contains(&id) && world.books[id as usize].running();
    let ended: Vec<_> = connection.instruments.iter().filter(ended).copied().collect();
    for id in ended {
        if !lines::lose(world, origin.conn, id) {
            judge.turn(world, id, State::Stale, Cause::Channel, origin.ts_recv);
        }
    }
}

/// A subscription ended: its books are stale, and what is still on its way is ignored until
/// the venue gives its number out again.
fn end_stream(world: &mut World, judge: &mut Judge, origin: &Origin, sid: u32) {
    let id = stream_of(world, origin.conn, sid);
    if let Some(stream) = world.streams.at_mut(id) {
        stream.ended = true;
        lose_stream(world, judge, origin, id, Cause::Channel);
        lose_news_of(world, judge, origin, id);
    }
}

/// The venue's number of the subscription to `channel` on a connection, once it said so.
pub(super) fn sid(world: &World, conn: u32, channel: &str) -> Option<u32> {
    let live = |id| world.streams.at(id).filter(|stream| !stream.ended);
    let of_channel = |(_, id): &&(u32, StreamId)| live(*id).is_some_and(|s| &*s.channel == channel);
    world.connection(conn)?.streams.iter().rev().find(of_channel).map(|&(sid, _)| sid)
}

fn answers_request(body: &Body) -> bool {
    matches!(body, Body::Snapshot(snapshot) if snapshot.requested)
}
