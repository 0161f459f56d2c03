//! What venues say of a market besides the changes of its book: trades, whether it trades, what
//! it costs, the touch as another channel has it, and the indices that settle it.

use super::beside::hear_touch_beside;
use super::judge::Judge;
use super::news::{set_fees, take_unclear};
use super::prints;
use super::publish::record;
use super::terms::{Source, Teller};
use super::world::{Origin, World};
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::book::{Book, NumberedTouch, Witness};
use crate::event::{
    Aggressor, Body, Claim, FeeChange, Frame, IndexValue, Message, TouchClaim, Trade, Trading, Winner,
};
use crate::fixed::{ABSENT, Decimal, PRICE_DECIMALS, PRICE_ONE, Price, QTY_ONE, write_decimal};
use crate::instrument::InstrumentId;
use crate::sequence::recent::trade_fingerprint;
use crate::settlement::{Made, Tick, price_value};
use crate::time::Nanos;
use crate::trades::Print;
use crate::update::{FLAG_BUY, FLAG_OFF_BOOK, FLAG_SELL, UpdateKind};
use std::collections::BTreeMap;

/// Most indices that are kept; venues have a few dozen.
const INDICES_MAX: usize = 1_024;
/// Convictions by another channel without an agreement between them, after which that channel
/// is not trusted to speak of the same book.
const WITNESS_STRIKES_MAX: u32 = 3;
/// Most touches that are kept of updates a book has not come to; the oldest goes first.
const TOUCHES_AHEAD_MAX: usize = 256;

/// The newest value of a reference index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexReading {
    /// The value in dollars, 1e-9.
    pub value: Price,
    /// The source's time, or absent.
    pub ts_event: Nanos,
    /// Receive time.
    pub ts_recv: Nanos,
    /// Mean of the 60 s before the source's time, 1e-9.
    pub mean_60s: Option<Price>,
    /// Mean since a minute before the quarter of an hour, and how many values it holds.
    pub closing_mean: Option<(Price, u32)>,
}

impl Book {
    /// Whether the book has come to what another channel says of its touch; if so, that is
    /// settled.
    pub(super) fn meet_witness(&mut self) {
        let Some(witness) = self.rare.witness else { return };
        if self.agrees(witness.bid, witness.ask) {
            self.rare.witness = None;
            self.rare.witness_strikes = 0;
            self.touch_agrees(Evidence::TouchMatch, witness.bid, witness.ask);
        }
    }

    /// Compares the touches that the venue gave for updates the book has come to by now. Only one
    /// at the very update where it stands says anything. Whether one disagrees.
    pub(super) fn meet_touches(&mut self) -> bool {
        let Some(at) = self.rare.stitch.book_id() else { return false };
        let mut disagrees = false;
        while let Some(ahead) = self.rare.ahead.front().copied().filter(|ahead| ahead.id <= at) {
            self.rare.ahead.pop_front();
            if ahead.id == at {
                let agrees = self.agrees_with(&ahead.touch);
                disagrees |= !agrees;
                if agrees {
                    self.touch_agrees(Evidence::TouchMatch, ahead.touch.bid, ahead.touch.ask);
                } else {
                    self.evidence.count(Evidence::TouchMismatch);
                    self.touch_disagrees();
                }
            }
        }
        disagrees
    }
}

/// The indices, as last heard of.
#[derive(Debug, Default)]
pub(super) struct Markets {
    pub(super) indices: BTreeMap<Box<str>, IndexReading>,
}

impl Markets {
    /// Takes a message that changes no levels.
    #[inline]
    pub(super) fn take(
        &mut self,
        world: &mut World,
        judge: &mut Judge,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
    ) {
        match &message.body {
            Body::Trade(trade) => take_trade(world, judge, origin, trade),
            Body::TickSize(id, old, new) => take_tick_size(world, judge, origin, *id, *old, *new),
            Body::Touch(touch) if message.place.seq != 0 => {
                take_touch_at(world, judge, origin, message.place.seq, touch);
            }
            Body::Touch(touch) if world.begins_whole(touch.instrument) => {
                hear_touch_beside(world, judge, origin, touch);
            }
            Body::Touch(touch) => take_touch(world, judge, origin, touch),
            Body::Resolved(range, winner) => {
                resolve(world, judge, origin, &frame.named[range.clone()], *winner);
            }
            Body::Witness(id, bid, ask) => take_witness(world, judge, origin, *id, *bid, *ask),
            Body::Trading(id, trading) => take_trading(world, judge, origin, *id, *trading),
            Body::Fees(change) => take_fees(world, judge, origin, change),
            Body::Unclear(unclear) => take_unclear(world, judge, origin, unclear),
            Body::Index(index) => self.take_index(world, judge, origin, index),
            Body::Own(_) => world.counters.own += 1,
            _ => {}
        }
    }

    fn take_index(&mut self, world: &mut World, judge: &mut Judge, origin: &Origin, index: &IndexValue) {
        let name = String::from_utf8_lossy(index.index.raw(origin.payload));
        let reading = IndexReading {
            value: index.value,
            ts_event: origin.ts_event,
            ts_recv: origin.ts_recv,
            mean_60s: index.mean_60s,
            closing_mean: index.closing_mean,
        };
        if let Some(known) = self.indices.get_mut(&*name) {
            // Told twice, and only once with its means.
            let (mean_60s, closing_mean) = match known.ts_event == reading.ts_event {
                true => (known.mean_60s, known.closing_mean),
                false => (None, None),
            };
            *known = IndexReading {
                mean_60s: reading.mean_60s.or(mean_60s),
                closing_mean: reading.closing_mean.or(closing_mean),
                ..reading
            };
        } else if self.indices.len() < INDICES_MAX {
            self.indices.insert(Box::from(&*name), reading);
        }
        if !world.references.is_empty() && origin.ts_event != ABSENT {
            let tick = Tick { at: origin.ts_event, value: price_value(index.value) };
            let from = Source { teller: Teller::Venue, name: &name, made: Made::default() };
            judge.tick_reference(world, from, tick, origin.ts_recv);
        }
    }
}

// Trades and the grid.

fn take_trade(world: &mut World, judge: &mut Judge, origin: &Origin, trade: &Trade) {
    let id = trade.instrument;
    let Some(book) = world.books.get_mut(id as usize) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    let name = trade.id.raw(origin.payload);
    let side = trade.aggressor.map_or(0, |aggressor| if aggressor == Aggressor::Buy { 1 } else { 2 });
    let print = trade_fingerprint(origin.ts_stated, name, side, trade.price, trade.qty);
    // One of these is there while the book is not running, the other while no stamp is believed.
    let newest = [book.ts_seen, book.claimed.ts].map(|ts| ts.max(origin.ts_stated));
    if !name.is_empty() && !book.rare.trades.take(print, trade.id_shared.then_some(newest)) {
        book.evidence.count(Evidence::Duplicate);
        return;
    }
    book.rare.hashes.note_trade_price(trade.price_text.raw(origin.payload));
    world.counters.trades += 1;
    if !trade.off_book {
        world.tapes[id as usize].push(Print {
            price: trade.price,
            qty: trade.qty,
            aggressor: trade.aggressor,
            ts_event: super::present(origin.ts_event),
            ts_recv: origin.ts_recv,
        });
    }
    let mut update = record(world, id, UpdateKind::Trade, origin.ts_recv);
    update.ts_event = origin.ts_event;
    (update.price, update.qty) = (trade.price, trade.qty);
    update.flags |= match trade.aggressor {
        Some(Aggressor::Buy) => FLAG_BUY,
        Some(Aggressor::Sell) => FLAG_SELL,
        None => 0,
    };
    update.flags |= if trade.off_book { FLAG_OFF_BOOK } else { 0 };
    judge.publisher.output.push_update(&update);
    prints::hear(world, judge, origin, trade, name);
    retry_doubtful_hash(world, judge, id, origin.ts_recv);
}

/// A hash in doubt may have contained a trade whose print comes only now.
fn retry_doubtful_hash(world: &mut World, judge: &mut Judge, id: InstrumentId, ts_recv: Nanos) {
    let book = world.book(id);
    let hash_doubted = book.doubt.is_some_and(|d| d.cause == Cause::HashMismatch)
        || (book.state == State::Suspect && book.cause == Cause::HashMismatch);
    if hash_doubted && judge.vouch(world, id, ts_recv) {
        let book = world.book(id);
        book.ts_evidence = ts_recv;
        if book.doubt.take().is_some() {
            book.evidence.count(Evidence::BatchSettled);
        }
        if book.state == State::Suspect {
            judge.turn(world, id, State::Live, Cause::Evidence, ts_recv);
        }
        judge.publish_one(world, id, ts_recv);
    }
}

fn take_tick_size(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    old: Decimal,
    new: Decimal,
) {
    let Some(book) = world.books.get_mut(id as usize) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    if !book.rare.grid.changes(origin.ts_event, new.value) {
        book.evidence.count(Evidence::Duplicate);
        return;
    }
    if let Some(instrument) = world.instruments.at_mut(id) {
        instrument.tick_size = Some(new);
    }
    if let Some(profile) = &mut book.rare.hashes.profile {
        let mut text = Vec::new();
        write_decimal(&mut text, new.value, PRICE_DECIMALS, new.form);
        profile.tick_size = String::from_utf8_lossy(&text).into();
    }
    let mut update = record(world, id, UpdateKind::TickSize, origin.ts_recv);
    update.ts_event = origin.ts_event;
    update.price = new.value;
    judge.publisher.output.push_update(&update);
    let book = world.book(id);
    // A snapshot that already states the new grid was taken after the change.
    let taken_after = book.rare.grid.stated == Some(new.value);
    if !taken_after {
        // What it and its sibling said of each other was of the old grid.
        book.reconciled();
    }
    if old.value != new.value && book.running() && !taken_after {
        judge.turn(world, id, State::Stale, Cause::TickChange, origin.ts_recv);
    }
}

// The venue's own touch.

/// The venue's own touch, sent by itself: evidence, and nothing else.
fn take_touch(world: &mut World, judge: &mut Judge, origin: &Origin, touch: &TouchClaim) {
    let (id, bid, ask) = (touch.instrument, touch.bid, touch.ask);
    let Some(book) = world.books.get_mut(id as usize) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    let older = origin.ts_event != ABSENT && origin.ts_event < book.ts_event;
    if !book.running() || older || !(bid.given() || ask.given()) {
        return;
    }
    let decided = book.decided_by_touch() && bid.given() && ask.given();
    let doubted_by_touch = book.doubt.is_some_and(|d| d.against == Evidence::TouchMismatch) || decided;
    if book.agrees(bid, ask) {
        book.touch_agrees(Evidence::TouchMatch, bid, ask);
        if doubted_by_touch {
            book.doubt = None;
            book.evidence.count(Evidence::BatchSettled);
        }
        if book.believable() {
            book.ts_evidence = origin.ts_recv;
            judge.publish_one(world, id, origin.ts_recv);
        }
        if doubted_by_touch {
            judge.check_sibling(world, id, origin.ts_recv);
        }
        return;
    }
    book.touch_disagrees();
    if book.batch_over(origin.ts_event) {
        judge.convict(world, id, origin.ts_recv);
    }
    let book = world.book(id);
    if book.doubt.is_none() && book.state == State::Live {
        let (cause, against) = (Cause::BboMismatch, Evidence::TouchMismatch);
        let deadline = origin.ts_recv.saturating_add(world.config.batch_grace);
        let ts_event = origin.ts_event;
        judge.doubt(world, id, Doubt { cause, ts_event, deadline, patient: false, against });
    }
}

/// The venue's touch at one of the book's numbered updates: exact where the book stands there,
/// and kept until it does where it does not yet, or is not there yet.
fn take_touch_at(world: &mut World, judge: &mut Judge, origin: &Origin, id_at: u64, touch: &TouchClaim) {
    let id = touch.instrument;
    let Some(book) = world.books.get_mut(id as usize) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    if book.over() {
        return;
    }
    let stands_at = book.rare.stitch.book_id().filter(|_| book.running());
    if stands_at.is_none_or(|stands_at| id_at > stands_at) {
        if book.rare.ahead.back().is_some_and(|last| last.id >= id_at) {
            // Ids that run backwards say nothing that could be waited for.
            return;
        }
        if book.rare.ahead.len() == TOUCHES_AHEAD_MAX {
            book.rare.ahead.pop_front();
        }
        if stands_at.is_some() && !book.agrees_with(touch) {
            book.touch_disagrees();
        }
        book.rare.ahead.push_back(NumberedTouch { id: id_at, touch: *touch });
        book.awaits_touch = true;
    } else if stands_at == Some(id_at) && book.agrees_with(touch) {
        book.touch_agrees(Evidence::TouchMatch, touch.bid, touch.ask);
        book.ts_evidence = origin.ts_recv;
    } else if stands_at == Some(id_at) {
        book.evidence.count(Evidence::TouchMismatch);
        book.touch_disagrees();
        if book.state == State::Live {
            judge.turn(world, id, State::Suspect, Cause::BboMismatch, origin.ts_recv);
        }
    }
}

/// The touch as a channel has it whose messages are not ordered with the book's. Behind
/// the book it is history; ahead of it, the book has to come to it in time.
fn take_witness(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    bid: Claim,
    ask: Claim,
) {
    let deadline = origin.ts_recv.saturating_add(world.config.witness_grace);
    let Some(book) = world.books.get_mut(id as usize) else {
        world.counters.unknown_instruments += 1;
        return;
    };
    if book.state != State::Live || !(bid.given() || ask.given()) {
        return;
    }
    if book.agrees(bid, ask) {
        book.touch_agrees(Evidence::TouchMatch, bid, ask);
        (book.rare.witness, book.rare.witness_strikes) = (None, 0);
        book.awaits_touch = !book.rare.ahead.is_empty();
        return;
    }
    // The oldest unmet word is kept: the book passes through every touch it ever had.
    let ahead = origin.ts_event > book.ts_event;
    if ahead {
        book.touch_disagrees();
    }
    if ahead && book.rare.witness.is_none() && book.rare.witness_strikes < WITNESS_STRIKES_MAX {
        book.rare.witness = Some(Witness { bid, ask, deadline });
        book.awaits_touch = true;
        judge.watch_until(world, id, deadline);
    }
}

impl Judge {
    /// The time is over in which a book had to come to what another channel says.
    pub(super) fn sweep_witness(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        match book.rare.witness {
            Some(witness) if ts >= witness.deadline => {
                book.rare.witness = None;
                book.awaits_touch = !book.rare.ahead.is_empty();
                book.rare.witness_strikes += 1;
                book.evidence.count(Evidence::TouchMismatch);
                if book.state == State::Live {
                    self.turn(world, id, State::Suspect, Cause::BboMismatch, ts);
                }
            }
            Some(witness) => self.watch_until(world, id, witness.deadline),
            None => {}
        }
    }
}

// Trading, its end, and its price.

/// Whether, and until when, a market trades. Its book stays what it is.
fn take_trading(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    trading: Trading,
) {
    let Some(instrument) = world.instruments.at_mut(id) else { return };
    match trading {
        Trading::Paused => (instrument.paused, instrument.unheard.pause) = (true, false),
        Trading::Resumed => (instrument.paused, instrument.unheard.pause) = (false, false),
        Trading::ClosesAt(ts) => {
            (instrument.hours.close, instrument.unheard.close) = (Some(ts), false);
        }
        Trading::Determined(payout) => return determine(world, judge, origin, id, payout),
    }
    (instrument.ts_news, instrument.confirmed) = (origin.ts_recv, true);
    tell_market(world, judge, origin, id, UpdateKind::Trading);
}

/// Writes a record about a market, and asks the rules that rest on it.
pub(super) fn tell_market(
    world: &World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    kind: UpdateKind,
) {
    let mut update = record(world, id, kind, origin.ts_recv);
    update.ts_event = origin.ts_event;
    judge.publisher.tell(world, id, &update);
}

fn resolve(world: &mut World, judge: &mut Judge, origin: &Origin, ids: &[InstrumentId], winner: Winner) {
    for &id in ids {
        let payout = match winner {
            Winner::Unsaid => ABSENT,
            Winner::One(winner) if winner == id => PRICE_ONE,
            Winner::One(_) | Winner::Other => 0,
        };
        end_market(world, judge, origin, id, payout);
    }
}

fn determine(world: &mut World, judge: &mut Judge, origin: &Origin, id: InstrumentId, payout: Price) {
    let payout = if payout == ABSENT { ABSENT } else { payout.clamp(0, PRICE_ONE) };
    end_market(world, judge, origin, id, payout);
}

/// A market is over. What was said before is not told again: every connection may bring it.
pub(super) fn end_market(
    world: &mut World,
    judge: &mut Judge,
    origin: &Origin,
    id: InstrumentId,
    payout: Price,
) {
    let Some(instrument) = world.instruments.at_mut(id) else { return };
    if instrument.result.is_some_and(|known| known == payout || payout == ABSENT) {
        return;
    }
    instrument.result = Some(payout);
    let mut update = record(world, id, UpdateKind::Resolved, origin.ts_recv);
    update.ts_event = origin.ts_event;
    (update.price, update.qty) = (payout, QTY_ONE);
    judge.publisher.output.push_update(&update);
    judge.turn(world, id, State::Stale, Cause::Resolved, origin.ts_recv);
}

/// The fees of an event's markets changed, or are again as they were listed.
fn take_fees(world: &mut World, judge: &mut Judge, origin: &Origin, change: &FeeChange) {
    let Some(venue) = world.connection(origin.conn).map(|c| c.venue) else { return };
    let event = String::from_utf8_lossy(change.event.raw(origin.payload)).into_owned();
    let ids: Vec<_> = world.instruments.of_event(venue, &event).collect();
    let kind = Some(change.kind).filter(|t| !t.is_absent());
    let kind = kind.map(|t| String::from_utf8_lossy(t.raw(origin.payload)));
    for &id in &ids {
        if let Some(instrument) = world.instruments.at_mut(id) {
            instrument.ts_news = origin.ts_recv;
            set_fees(instrument, kind.as_deref(), change.multiplier);
        }
    }
    // Told only when all are changed: no rule may see the message half applied.
    for id in ids {
        tell_market(world, judge, origin, id, UpdateKind::Fees);
    }
}
