//! News of markets that was lost, or cannot be read, and what the venue says when it is asked.
//!
//! What may have changed and was not heard is unknown: whether markets trade, when they close, what
//! they cost. The stream says it again, or the venue when it is asked, in an answer that is not
//! older than the doubt. Where nobody can say, it counts as unchanged after `Config::unheard`.

use super::Engine;
use super::judge::Judge;
use super::markets::{end_market, tell_market};
use super::publish::record;
use super::world::{Origin, World};
use crate::event::{Body, Frame, Listed, ListedFees, Message, Stands, Unclear, Whose};
use crate::fixed::ABSENT;
use crate::instrument::{Hours, Instrument, InstrumentId, Unheard, Venue};
use crate::sequence::stream::Connection;
use crate::span::Value;
use crate::time::{Nanos, SECOND};
use crate::trading::{ExchangeKnown, ExchangeReport};
use crate::update::UpdateKind;
use std::ops::Range;

/// How old an answer may be when it is received: as long as caches keep it, and a request takes.
const ANSWER_AGE_MAX: Nanos = 20 * SECOND;

/// What a venue should be asked about a connection's markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question<'a> {
    /// How a market stands: its symbol.
    Market(&'a str),
    /// The fees of an event's markets: its name.
    Event(&'a str),
    /// The fees of a series: its name.
    Series(&'a str),
}

// What may have changed, and was not heard.

/// News that cannot be read: what it may have changed is not known from here on.
#[cold]
pub(super) fn take_unclear(world: &mut World, judge: &mut Judge, origin: &Origin, unclear: &Unclear) {
    world.counters.malformed += 1;
    world.note_error(origin.conn, origin.ts_recv, unclear.what, unclear.offset);
    let (conn, ts) = (origin.conn, origin.ts_recv);
    match unclear.whose {
        Whose::Market(id) => doubt_news(world, judge, &[id], Unheard::TRADING, ts),
        Whose::Event(event) => {
            let Some(venue) = world.connection(conn).map(|c| c.venue) else { return };
            let ids = of_event(world, venue, event, origin.payload);
            doubt_news(world, judge, &ids, Unheard::FEES, ts);
        }
        Whose::Any => lose_news(world, judge, conn, ts),
    }
}

/// News of a connection's markets was lost: any of them may be paused, closing or dearer by now.
#[cold]
pub(super) fn lose_news(world: &mut World, judge: &mut Judge, conn: u32, ts_recv: Nanos) {
    let ids = world.connection(conn).map(|c| c.instruments.clone()).unwrap_or_default();
    doubt_news(world, judge, &ids, Unheard::ALL, ts_recv);
}

/// A connection is no more, or another than it was: if news came on it, some may be lost. If none
/// did, they may still come on the next one, and what was said meanwhile is lost then.
pub(super) fn lose_connection(world: &mut World, judge: &mut Judge, conn: u32, ts_recv: Nanos) {
    let Some(connection) = world.connection_mut(conn) else { return };
    let mut streams = std::mem::take(&mut connection.streams);
    let came = |&(_, id): &(u32, _)| world.streams.at(id).is_some_and(|stream| stream.news);
    if streams.iter().any(came) {
        // Without its streams: nothing comes before they are subscribed again.
        lose_news(world, judge, conn, ts_recv);
    } else if !streams.is_empty() {
        for id in world.connection(conn).map(|c| c.instruments.clone()).unwrap_or_default() {
            if let Some(instrument) = world.instruments.at_mut(id) {
                instrument.cut_off = true;
            }
        }
    }
    if let Some(connection) = world.connection_mut(conn) {
        connection.streams.append(&mut streams);
    }
}

/// A market came onto another connection: until its news come there, some may be missed.
pub(super) fn miss_news(world: &mut World, judge: &mut Judge, id: InstrumentId, ts_recv: Nanos) {
    if !heard(world, id) {
        doubt_news(world, judge, &[id], Unheard::ALL, ts_recv);
    }
}

/// A subscription was refused, or failed, without its number: it may have been the news of those
/// markets whose channel is not alive.
#[cold]
pub(super) fn note_refusal(world: &mut World, judge: &mut Judge, origin: &Origin) {
    let Some(connection) = world.connection(origin.conn) else { return };
    let unheard = |&id: &InstrumentId| !covered(world, connection, id);
    let ids: Vec<_> = connection.instruments.iter().copied().filter(unheard).collect();
    doubt_news(world, judge, &ids, Unheard::ALL, origin.ts_recv);
}

/// Whether the news of a market comes on its connection.
fn covered(world: &World, connection: &Connection, id: InstrumentId) -> bool {
    let Some(instrument) = world.instruments.at(id) else { return false };
    let channel = (connection.venue.row().news_of)(&instrument.symbol);
    connection.streams.iter().any(|&(_, stream)| {
        let alive = world.streams.at(stream).filter(|s| s.news && !s.ended);
        alive.is_some_and(|s| s.channel.is_empty() || &*s.channel == channel)
    })
}

/// The same of a market wherever it is subscribed.
pub(super) fn heard(world: &World, id: InstrumentId) -> bool {
    let connection = world.instruments.at(id).and_then(|about| world.connection(about.conn));
    connection.is_some_and(|connection| covered(world, connection, id))
}

/// What may have changed is unknown until the venue says it again.
fn doubt_news(
    world: &mut World,
    judge: &mut Judge,
    ids: &[InstrumentId],
    unheard: Unheard,
    ts_recv: Nanos,
) {
    let mut told = Vec::new();
    for &id in ids {
        let Some(instrument) = world.instruments.at_mut(id) else { continue };
        if instrument.venue.row().news.is_empty() {
            continue;
        }
        let known = instrument.unheard;
        instrument.unheard.pause |= unheard.pause;
        instrument.unheard.close |= unheard.close;
        if instrument.unheard != known {
            told.push((id, UpdateKind::Trading));
        }
        if unheard.fees
            && let Some(fees) = instrument.fees.take()
        {
            (instrument.fees_before, instrument.unheard.fees) = (Some(fees), true);
            told.push((id, UpdateKind::Fees));
        }
        instrument.ts_news = ts_recv;
        bound_doubt(world, judge, id, ts_recv);
    }
    tell(world, judge, &told, ts_recv);
}

/// From `ts` on nothing more is missed of a market whose news comes; what was missed counts as
/// unchanged some time after.
fn bound_doubt(world: &mut World, judge: &mut Judge, id: InstrumentId, ts: Nanos) {
    let (bound, heard) = (world.config.unheard, heard(world, id));
    let Some(instrument) = world.instruments.at_mut(id) else { return };
    instrument.doubt_ends = ABSENT;
    if heard && bound > 0 && instrument.unheard != Unheard::default() {
        instrument.doubt_ends = ts.saturating_add(bound);
        judge.watch_until(world, id, ts.saturating_add(bound));
    }
}

/// Told only when all are changed: no rule may see a loss, or its end, half noticed.
fn tell(world: &World, judge: &mut Judge, told: &[(InstrumentId, UpdateKind)], ts_recv: Nanos) {
    for &(id, kind) in told {
        let update = record(world, id, kind, ts_recv);
        judge.publisher.tell(world, id, &update);
    }
}

/// A stream of news begins: from here on nothing is missed of those markets whose news it has.
#[cold]
pub(super) fn begin_news(world: &mut World, judge: &mut Judge, conn: u32, channel: &str, ts: Nanos) {
    let Some(connection) = world.connection(conn) else { return };
    let news_of = connection.venue.row().news_of;
    let mut ids = connection.instruments.clone();
    ids.retain(|&id| {
        let instrument = world.instruments.at(id);
        instrument.is_some_and(|i| channel.is_empty() || channel == news_of(&i.symbol))
    });
    doubt_first_news(world, judge, &ids, ts);
    for id in ids {
        if let Some(instrument) = world.instruments.at_mut(id) {
            (instrument.ts_news, instrument.confirmed) = (ts, false);
            bound_doubt(world, judge, id, ts);
        }
    }
}

/// What was said of markets before the first news of them could come is not known, if their
/// connection was lost in between.
fn doubt_first_news(world: &mut World, judge: &mut Judge, ids: &[InstrumentId], ts: Nanos) {
    let cut_off = |&id: &InstrumentId| {
        let instrument = world.instruments.at_mut(id);
        instrument.is_some_and(|instrument| std::mem::take(&mut instrument.cut_off))
    };
    let missed: Vec<_> = ids.iter().copied().filter(cut_off).collect();
    doubt_news(world, judge, &missed, Unheard::ALL, ts);
}

impl Judge {
    /// Nobody said what may have changed, for so long that it counts as unchanged.
    pub(super) fn sweep_news(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let Some(instrument) = world.instruments.at_mut(id) else { return };
        if instrument.doubt_ends == ABSENT {
            return;
        }
        if ts < instrument.doubt_ends {
            let due = instrument.doubt_ends;
            return self.watch_until(world, id, due);
        }
        let unheard = std::mem::take(&mut instrument.unheard);
        instrument.doubt_ends = ABSENT;
        let mut told = Vec::new();
        if unheard.trading() {
            told.push((id, UpdateKind::Trading));
        }
        if unheard.fees && instrument.fees_before.is_none() {
            // They are known to have changed, and not to what.
            instrument.unheard.fees = true;
        } else if unheard.fees {
            instrument.fees = instrument.fees_before.take();
            told.push((id, UpdateKind::Fees));
        }
        tell(world, self, &told, ts);
    }
}

// What the venue says when it is asked.

/// Takes an answer that is about markets and no book; `false` if it is something else.
pub(super) fn take_answer(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    frame: &Frame,
    message: &Message,
) -> bool {
    match &message.body {
        Body::Listed(listed) => take_listed(world, judge, origin, listed),
        Body::ListedFees(fees) => take_listed_fees(world, judge, origin, fees),
        Body::Exchange(trading, shards) => {
            let shards = frame.shards[shards.clone()].to_vec();
            let report = ExchangeReport { trading: *trading, shards, ts: origin.ts_recv };
            take_exchange(world, judge, origin, report);
        }
        Body::Closures(range) => {
            take_closures(world, judge, origin, &frame.closures[range.clone()]);
        }
        _ => return false,
    }
    true
}

/// Whether an answer of `ts` cannot be older than what the stream said last, or lost.
fn is_new(instrument: &Instrument, ts: Nanos) -> bool {
    ts.saturating_sub(ANSWER_AGE_MAX) >= instrument.ts_news
}

/// How a market stands. An answer that may be older than our stream of news says nothing that
/// would open the market.
fn take_listed(world: &mut World, judge: &mut Judge, origin: &Origin, listed: &Listed) {
    let (id, ts) = (listed.instrument, origin.ts_recv);
    let heard = heard(world, id);
    let Some(instrument) = world.instruments.at_mut(id) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    if instrument.event.is_none() && !listed.event.is_absent() {
        instrument.event = Some(text(listed.event, origin.payload));
    }
    instrument.shard = listed.shard.or(instrument.shard);
    if let Stands::Decided(pays) = listed.stands {
        world.counters.rest_accepted += 1;
        return end_market(world, judge, origin, id, pays);
    }
    let new = heard && is_new(instrument, ts);
    let first = !instrument.confirmed && instrument.unheard == Unheard::default();
    let worse = first && listed.stands != Stands::Open;
    if !(new || worse) {
        world.counters.rest_rejected += 1;
        return;
    }
    let before = (instrument.hours, instrument.paused, instrument.unheard);
    instrument.paused = listed.stands == Stands::Paused;
    let close = if listed.stands == Stands::Closed { listed.closes.min(ts) } else { listed.closes };
    instrument.hours = Hours { open: listed.opens.or(instrument.hours.open), close: Some(close) };
    if new {
        instrument.confirmed = true;
        (instrument.unheard.pause, instrument.unheard.close) = (false, false);
    }
    let changed = before != (instrument.hours, instrument.paused, instrument.unheard);
    world.counters.rest_accepted += 1;
    join_exchange(world, id);
    if changed {
        tell_market(world, judge, origin, id, UpdateKind::Trading);
    }
}

/// Fees as they are listed: those of a series, or an event's in their place.
fn take_listed_fees(world: &mut World, judge: &mut Judge, origin: &Origin, listed: &ListedFees) {
    let Some(venue) = world.connection(origin.conn).map(|c| c.venue) else { return };
    let series = text(listed.series, origin.payload);
    let kind = Some(listed.kind).filter(|t| !t.is_absent()).map(|t| text(t, origin.payload));
    if listed.event.is_absent() {
        if let Some((kind, multiplier)) = kind.zip(listed.multiplier) {
            set_base(world, venue, &series, &kind, multiplier);
        }
        return;
    }
    let mut told = Vec::new();
    for id in of_event(world, venue, listed.event, origin.payload) {
        let Some(instrument) = world.instruments.at_mut(id) else { continue };
        instrument.series = Some(series.clone());
        if !is_new(instrument, origin.ts_recv) {
            world.counters.rest_rejected += 1;
            continue;
        }
        let before = instrument.fees;
        set_fees(instrument, kind.as_deref(), listed.multiplier);
        world.counters.rest_accepted += 1;
        if instrument.fees != before {
            told.push((id, UpdateKind::Fees));
        }
    }
    tell(world, judge, &told, origin.ts_recv);
}

/// What the fees of a series are, from now on told apart from an event's in their place.
fn set_base(world: &mut World, venue: Venue, series: &str, kind: &str, multiplier: i64) {
    for id in world.instruments.ids() {
        let Some(instrument) = world.instruments.at_mut(id) else { continue };
        if instrument.venue == venue && instrument.series.as_deref() == Some(series) {
            let rebased = venue.row().fees.rebased;
            instrument.fee_terms =
                instrument.fee_terms.take().map(|terms| rebased(&terms, kind, multiplier).into());
            instrument.fee_base_known = true;
        }
    }
}

/// An event's fees in place of those that are listed, or the end of such: what is not stated is as
/// it was listed. Where the listing may have been an older override, that is not known: then the
/// fees are unknown, unless all of them are stated.
pub(super) fn set_fees(instrument: &mut Instrument, kind: Option<&str>, multiplier: Option<i64>) {
    let Some(terms) = &instrument.fee_terms else { return };
    let fees = (instrument.venue.row().fees.changed)(terms, kind, multiplier);
    let known = instrument.fee_base_known || (kind.is_some() && multiplier.is_some());
    (instrument.fees, instrument.fees_before) = (known.then_some(fees), None);
    instrument.unheard.fees = !known;
}

/// Whether the venue trades, as it says itself.
fn take_exchange(world: &mut World, judge: &mut Judge, origin: &Origin, report: ExchangeReport) {
    let Some(venue) = world.connection(origin.conn).map(|c| c.venue) else { return };
    world.exchanges[venue.number()].report = Some(report);
    rejoin_exchange(world, judge, venue, origin.ts_recv);
}

/// When the venue will be closed, in place of what was said before.
fn take_closures(world: &mut World, judge: &mut Judge, origin: &Origin, closures: &[Range<Nanos>]) {
    let Some(venue) = world.connection(origin.conn).map(|c| c.venue) else { return };
    world.exchanges[venue.number()].closures = closures.into();
    rejoin_exchange(world, judge, venue, origin.ts_recv);
}

/// What a venue said of itself holds for all its markets, and is told of those that it pauses.
fn rejoin_exchange(world: &mut World, judge: &mut Judge, venue: Venue, ts: Nanos) {
    world.counters.rest_accepted += 1;
    let mut told = Vec::new();
    for id in world.instruments.ids() {
        let Some(about) = world.instruments.at(id).filter(|about| about.venue == venue) else {
            continue;
        };
        let before = about.exchange.pauses(ts);
        join_exchange(world, id);
        let after = world.instruments.at(id).map(|about| about.exchange.pauses(ts));
        if after != Some(before) {
            told.push((id, UpdateKind::Trading));
        }
    }
    tell(world, judge, &told, ts);
}

/// What a market's venue said of itself holds for the market.
pub(super) fn join_exchange(world: &mut World, id: InstrumentId) {
    let calendar = world.config.calendar;
    let Some(instrument) = world.instruments.at_mut(id) else { return };
    let ExchangeKnown { report, closures } = &world.exchanges[instrument.venue.number()];
    instrument.exchange.word = report.as_ref().map(|r| (r.trades(instrument.shard), r.ts));
    instrument.exchange.closures = closures.clone();
    if !calendar {
        instrument.exchange.calendar = None;
    }
}

fn text(value: Value, payload: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value.raw(payload)).into()
}

fn of_event(world: &World, venue: Venue, event: Value, payload: &[u8]) -> Vec<InstrumentId> {
    world.instruments.of_event(venue, &text(event, payload)).collect()
}

impl Engine {
    /// What the venue should be asked about the markets of a connection, each once: what may have
    /// changed without our hearing of it, and how markets stand whose news has just begun to come.
    #[must_use]
    pub fn questions(&self, conn: u32) -> Vec<Question<'_>> {
        let world = &self.world;
        let Some(connection) = world.connection(conn) else { return Vec::new() };
        let mut questions = Vec::new();
        for &id in &connection.instruments {
            let Some(about) = world.instruments.at(id).filter(|about| about.result.is_none()) else {
                continue;
            };
            if !covered(world, connection, id) {
                // Whatever is answered may be another the moment after.
                continue;
            }
            if about.unheard.trading() || !about.confirmed {
                questions.push(Question::Market(&about.symbol));
            }
            if about.unheard.fees {
                questions.extend(about.event.as_deref().map(Question::Event));
                let series = about.series.as_deref().filter(|_| !about.fee_base_known);
                questions.extend(series.map(Question::Series));
            }
        }
        questions.sort_unstable();
        questions.dedup();
        questions
    }
}
