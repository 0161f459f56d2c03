//! Messages to books: each message is applied whole, then judged, then published.

use super::Engine;
use crate::book::integrity::{Cause, Evidence, HashVerdict, State, Testimony, Verdict};
use crate::book::proof::book_hash::hex_hash;
use crate::book::{Awaited, Buffered, fingerprint};
use crate::decode::Source;
use crate::event::{Aggressor, Body, Change, Claim, Frame, Malformed, Message, Place, Snapshot, Trade};
use crate::fixed::{ABSENT, Decimal, PRICE_ONE, QTY_ONE};
use crate::instrument::{Instrument, InstrumentId, UNKNOWN};
use crate::signals::complement::mirrored;
use crate::span::Value;
use crate::time::Nanos;
use crate::trades::Print;
use crate::update::{FLAG_BUY, FLAG_OFF_BOOK, FLAG_SELL, UpdateKind};
use crate::venue::Continuity;

/// Most deltas kept for one book while it is being fetched.
const AWAITED_MAX: usize = 10_000;

/// A book changed by the message in hand.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    id: InstrumentId,
    /// Index of its last change in the frame.
    last: usize,
    out_of_order: bool,
}

/// Where a message comes from: what all of its parts share.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) conn: u32,
    pub(super) payload: &'a [u8],
    pub(super) ts_event: Nanos,
    pub(super) ts_recv: Nanos,
}

impl Engine {
    pub(super) fn apply_frame(
        &mut self,
        conn: u32,
        source: Source,
        frame: &Frame,
        payload: &[u8],
        ts_recv: Nanos,
    ) {
        for message in &frame.messages {
            let origin = Origin { conn, payload, ts_event: message.ts_event, ts_recv };
            // A REST answer says nothing about whether the stream still flows.
            if source == Source::Stream && is_data(message) {
                self.note_data(conn, message.ts_event, ts_recv);
            }
            let (stream, current) = self.take_place(&origin, message.place, &message.body);
            match &message.body {
                Body::Changes(range) => self.apply_changes(&origin, frame, range.clone()),
                Body::Levels(_) => {}
                body if source == Source::Rest => self.apply_rest(&origin, frame, message, body),
                Body::Nothing => {}
                Body::Snapshot(_) | Body::Delta(_) if !current => {}
                Body::Delta(delta) => self.apply_delta(&origin, stream, delta),
                Body::Snapshot(snapshot) if message.place != Place::NONE => {
                    self.apply_numbered_snapshot(&origin, stream, frame, message, snapshot);
                }
                Body::Snapshot(snapshot) => self.apply_snapshot(&origin, frame, message, snapshot),
                Body::Trade(trade) => self.apply_trade(&origin, trade),
                Body::TickSize(id, old, new) => self.apply_tick_size(&origin, *id, *old, *new),
                Body::Touch(touch) => self.apply_touch(&origin, touch.instrument, touch.bid, touch.ask),
                Body::Resolved(range, winner) => {
                    self.resolve(&origin, &frame.named[range.clone()], *winner)
                }
                Body::Malformed(malformed) => self.quarantine(&origin, frame, malformed),
                Body::Witness(id, bid, ask) => self.apply_witness(&origin, *id, *bid, *ask),
                Body::Trading(id, trading) => self.apply_trading(&origin, *id, *trading),
                Body::Fees(change) => self.apply_fees(&origin, change),
                Body::Reply(reply) => self.apply_reply(&origin, message.place, reply),
                Body::Index(index) => self.apply_index(&origin, index),
                Body::Own(_) => self.counters.own += 1,
                Body::Unknown => self.apply_unknown(&origin, stream),
            }
        }
    }

    #[inline]
    fn note_data(&mut self, conn: u32, ts_event: Nanos, ts_recv: Nanos) {
        if let Some(Some(connection)) = self.connections.get_mut(conn as usize) {
            connection.ts_data = ts_recv;
            connection.ts_event = connection.ts_event.max(ts_event);
        }
        if ts_event != ABSENT {
            self.venue_latency.record(ts_recv.saturating_sub(ts_event));
        }
    }

    // Level changes.

    fn apply_changes(&mut self, origin: &Origin, frame: &Frame, range: std::ops::Range<usize>) {
        self.touched.clear();
        for index in range {
            let change = &frame.changes[index];
            if change.instrument == UNKNOWN {
                self.counters.unknown_instruments += 1;
            } else {
                self.apply_change(origin, change, index);
            }
        }
        for i in 0..self.touched.len() {
            let touched = self.touched[i];
            self.judge_change(origin, &touched, &frame.changes[touched.last]);
        }
        match self.touched[..] {
            [a, b] => self.check_mirror(a.id, b.id, origin.ts_event, origin.ts_recv),
            [a] => self.check_sibling(a.id, origin.ts_recv),
            _ => {}
        }
        for i in 0..self.touched.len() {
            let id = self.touched[i].id;
            self.stage(id);
        }
        self.publish_staged(origin.ts_recv);
    }

    #[inline]
    fn apply_change(&mut self, origin: &Origin, change: &Change, index: usize) {
        let id = change.instrument;
        let ts_event = origin.ts_event;
        let Some(book) = self.books.get_mut(id as usize) else { return };
        book.ts_seen = book.ts_seen.max(ts_event);
        if !matches!(book.state, State::Live | State::Suspect) {
            return self.set_aside(origin, change);
        }
        let known = self.touched.iter().position(|t| t.id == id);
        if known.is_none() && book.batch_over(ts_event) {
            self.convict(id, origin.ts_recv);
        }
        let book = &mut self.books[id as usize];
        let print = fingerprint(ts_event, change.digest.raw(origin.payload), change);
        let not_newer = ts_event != ABSENT && ts_event <= book.ts_event;
        // Entries of the message in hand follow each other; only earlier messages come again.
        if not_newer && known.is_none() && book.seen_before(print) {
            book.evidence.count(Evidence::Duplicate);
            let undone = book.qty_at(change.side, change.level.price) != change.level.qty;
            if undone && ts_event == book.ts_event {
                // Within one venue time a level was set, changed, and now the first message
                // comes again: told twice, or set back. Only the next hash can say which.
                self.transition(id, State::Suspect, Cause::OutOfOrder, origin.ts_recv);
            }
            return;
        }
        let out_of_order = not_newer && ts_event < book.ts_event;
        if out_of_order {
            book.evidence.count(Evidence::OutOfOrder);
            if self.vouch(id, origin.ts_recv) {
                // The newest message is complete without it: it was overtaken, and is history.
                return;
            }
        }
        let book = &mut self.books[id as usize];
        book.set(change.side, change.level);
        book.remember(print);
        match known {
            Some(i) => self.touched[i].last = index,
            None => self.touched.push(Touched { id, last: index, out_of_order }),
        }
    }

    /// A change for a book that has no basis to change: kept if a fetch is under way.
    #[cold]
    fn set_aside(&mut self, origin: &Origin, change: &Change) {
        let book = &mut self.books[change.instrument as usize];
        book.evidence.count(Evidence::BeforeSnapshot);
        book.ts_discarded = book.ts_discarded.max(origin.ts_event);
        if let Some(awaited) = &mut book.awaited {
            if awaited.deltas.len() == AWAITED_MAX {
                book.awaited = None;
                return self.transition(change.instrument, State::Stale, Cause::Resync, origin.ts_recv);
            }
            awaited.deltas.push(Buffered {
                ts_event: origin.ts_event,
                side: change.side,
                level: change.level,
                best_bid: change.best_bid,
                best_ask: change.best_ask,
                hash: hex_hash(change.digest.raw(origin.payload)),
            });
        }
    }

    #[inline]
    fn judge_change(&mut self, origin: &Origin, touched: &Touched, change: &Change) {
        let book = &mut self.books[touched.id as usize];
        book.ts_recv = origin.ts_recv;
        let (mut best_bid, mut best_ask) = (change.best_bid, change.best_ask);
        if touched.out_of_order {
            // What an overtaken message says of the book is history; the newest hash decides.
            (best_bid, best_ask) = (Claim::SILENT, Claim::SILENT);
        } else {
            book.ts_event = book.ts_event.max(origin.ts_event);
            book.hash.claimed = hex_hash(change.digest.raw(origin.payload));
            book.hash.claimed_ts = origin.ts_event;
            book.hash.claimed_whole = false;
        }
        let ts_event = book.ts_event;
        let hash = self.hash_verdict(touched.id, origin.ts_recv, touched.out_of_order);
        let testimony = Testimony {
            ts_event,
            ts_recv: origin.ts_recv,
            best_bid,
            best_ask,
            hash,
            snapshot: false,
            out_of_order: touched.out_of_order,
        };
        self.sentence(touched.id, &testimony);
    }

    /// Judges a book and lets its state follow.
    #[inline]
    fn sentence(&mut self, id: InstrumentId, testimony: &Testimony) {
        let grace = self.config.batch_grace;
        let book = &mut self.books[id as usize];
        match book.judge(testimony, grace) {
            Verdict::Agrees => {
                let strong = testimony.hash == HashVerdict::Match;
                if book.state == State::Suspect && strong {
                    self.transition(id, State::Live, Cause::Evidence, testimony.ts_recv);
                }
            }
            Verdict::Doubted => self.watch(id),
            Verdict::Convicted(cause) => {
                self.transition(id, State::Suspect, cause, testimony.ts_recv);
            }
        }
    }

    /// Compares the touches of a market's two outcomes after both took part in a message.
    #[inline]
    fn check_mirror(&mut self, a: InstrumentId, b: InstrumentId, ts_event: Nanos, ts_recv: Nanos) {
        if self.instruments.at(a).and_then(|i| i.sibling) != Some(b) {
            return;
        }
        let (first, second) = (&self.books[a as usize], &self.books[b as usize]);
        if !(first.believable() && second.believable()) {
            return;
        }
        if mirrored(first, second) {
            for id in [a, b] {
                let book = &mut self.books[id as usize];
                book.evidence.count(Evidence::MirrorMatch);
                book.torn_since = ABSENT;
            }
        } else {
            self.mirror_broken([a, b], ts_event, ts_recv);
        }
    }

    /// One outcome moved and the other was not heard of. Where the two have always mirrored
    /// each other, the silent one is being told late, or not at all: the venue sends both.
    #[inline]
    fn check_sibling(&mut self, moved: InstrumentId, ts_recv: Nanos) {
        let Some(other) = self.instruments.at(moved).and_then(|i| i.sibling) else { return };
        let (mover, silent) = (&self.books[moved as usize], &self.books[other as usize]);
        if silent.state != State::Live || !mover.believable() {
            return;
        }
        let broken = !mirrored(mover, silent);
        match silent.doubt {
            None => {
                let counts = &silent.evidence;
                let always =
                    counts.of(Evidence::MirrorMatch) > 0 && counts.of(Evidence::MirrorMismatch) == 0;
                if broken && always && silent.ts_event < mover.ts_event {
                    let ts_event = silent.ts_event;
                    self.doubt_mirror(other, ts_event, ts_recv);
                }
            }
            Some(doubt) if doubt.cause == Cause::MirrorMismatch && !broken => {
                let silent = &mut self.books[other as usize];
                silent.doubt = None;
                silent.torn_since = ABSENT;
                silent.evidence.count(Evidence::BatchSettled);
                self.publish(other, ts_recv);
            }
            Some(_) => {}
        }
    }

    /// A broken mirror is a torn book unless the venue's hashes vouch for both.
    #[cold]
    fn mirror_broken(&mut self, pair: [InstrumentId; 2], ts_event: Nanos, ts_recv: Nanos) {
        let vouched = pair.iter().all(|&id| self.vouch(id, ts_recv));
        for id in pair {
            if vouched {
                self.books[id as usize].evidence.count(Evidence::MirrorMismatch);
            } else {
                self.doubt_mirror(id, ts_event, ts_recv);
            }
        }
    }

    // Whole books.

    fn apply_snapshot(
        &mut self,
        origin: &Origin,
        frame: &Frame,
        message: &Message,
        snapshot: &Snapshot,
    ) {
        let id = match snapshot.instrument {
            UNKNOWN if self.config.auto_subscribe => self.auto_subscribe(origin, message, snapshot),
            known => known,
        };
        let Some(book) = self.books.get_mut(id as usize) else {
            self.counters.unknown_instruments += 1;
            return;
        };
        if book.over() {
            return;
        }
        let running = matches!(book.state, State::Live | State::Suspect);
        if !running && origin.ts_event != ABSENT && origin.ts_event < book.ts_discarded {
            // A newer change overtook it and was discarded for want of it: this book lacks it.
            book.evidence.count(Evidence::OutOfOrder);
            return;
        }
        book.ts_seen = book.ts_seen.max(origin.ts_event);
        let claimed = hex_hash(snapshot.claim.digest().raw(origin.payload));
        if running && origin.ts_event != ABSENT {
            let claims = &book.hash;
            let again = claimed.is_some() && claimed == claims.claimed && claims.claimed_whole;
            if again && origin.ts_event == claims.claimed_ts && book.believable() {
                book.evidence.count(Evidence::Duplicate);
                return;
            }
            if origin.ts_event < book.ts_event {
                book.evidence.count(Evidence::OutOfOrder);
                return;
            }
        }
        if book.batch_over(origin.ts_event) {
            // The new book replaces the doubtful one; the doubt was right all the same.
            self.convict(id, origin.ts_recv);
        }
        if self.load(id, origin, frame, snapshot) {
            self.judge_snapshot(id, origin);
        }
    }

    pub(super) fn auto_subscribe(
        &mut self,
        origin: &Origin,
        message: &Message,
        snapshot: &Snapshot,
    ) -> InstrumentId {
        let text = |value: Value| String::from_utf8_lossy(value.raw(origin.payload)).into_owned();
        let connection = self.connections.get(origin.conn as usize).and_then(Option::as_ref);
        let Some(venue) = connection.map(|c| c.venue) else { return UNKNOWN };
        let market = Some(message.market).filter(|m| !m.is_absent()).map(|m| text(m).into());
        let instrument = Instrument {
            market,
            tick_size: snapshot.tick_size,
            payout: venue.row().payout,
            ..Instrument::new(venue, &text(snapshot.symbol), origin.conn)
        };
        self.add(instrument, origin.ts_recv).unwrap_or(UNKNOWN)
    }

    /// Puts a snapshot's levels and what it tells of the hash in place; `false` if the
    /// levels contradict themselves.
    pub(super) fn load(
        &mut self,
        id: InstrumentId,
        origin: &Origin,
        frame: &Frame,
        snapshot: &Snapshot,
    ) -> bool {
        let book = &mut self.books[id as usize];
        book.version += 1;
        let bids = book.bids.load(&frame.levels[snapshot.bids.clone()]);
        let asks = book.asks.load(&frame.levels[snapshot.asks.clone()]);
        book.unpublished = true;
        if bids.is_err() || asks.is_err() {
            book.evidence.count(Evidence::Malformed);
            self.counters.malformed += 1;
            let offset = snapshot.symbol.start as usize;
            self.note_error(origin.conn, origin.ts_recv, "a price stands twice in one side", offset);
            self.transition(id, State::Stale, Cause::Malformed, origin.ts_recv);
            return false;
        }
        book.ts_event = origin.ts_event;
        book.ts_recv = origin.ts_recv;
        book.snapshot_tick = snapshot.tick_size.map(|t| t.value);
        book.hash.claimed = hex_hash(snapshot.claim.digest().raw(origin.payload));
        book.hash.claimed_ts = origin.ts_event;
        book.hash.claimed_whole = true;
        let [last_trade_price, neg_risk] = snapshot.hints;
        if !last_trade_price.is_absent() {
            book.hash.note_trade_price(last_trade_price.raw(origin.payload));
        }
        match neg_risk.raw(origin.payload) {
            b"true" => book.hash.neg_risk = Some(true),
            b"false" => book.hash.neg_risk = Some(false),
            _ => {}
        }
        if let Some(instrument) = self.instruments.at_mut(id) {
            instrument.tick_size = snapshot.tick_size.or(instrument.tick_size);
            if !snapshot.min_order_size.is_absent() {
                let text = String::from_utf8_lossy(snapshot.min_order_size.raw(origin.payload));
                if instrument.min_order_size.as_deref() != Some(&*text) {
                    instrument.min_order_size = Some(Box::from(&*text));
                }
            }
        }
        true
    }

    fn judge_snapshot(&mut self, id: InstrumentId, origin: &Origin) {
        let hash = self.hash_verdict_of_snapshot(id, origin.ts_recv);
        let testimony = Testimony {
            ts_event: origin.ts_event,
            ts_recv: origin.ts_recv,
            best_bid: Claim::SILENT,
            best_ask: Claim::SILENT,
            hash,
            snapshot: true,
            out_of_order: false,
        };
        let grace = self.config.batch_grace;
        let book = &mut self.books[id as usize];
        let was = book.state;
        match book.judge(&testimony, grace) {
            Verdict::Agrees if was == State::Live => {}
            Verdict::Agrees => {
                let cause = if book.awaited.take().is_some() { Cause::Resync } else { Cause::Snapshot };
                self.transition(id, State::Live, cause, origin.ts_recv);
            }
            // Not believed before, and doubtful now: not worth the grace of a live book.
            Verdict::Doubted if was != State::Live => {
                if let Some(cause) = book.convict() {
                    self.transition(id, State::Suspect, cause, origin.ts_recv);
                }
            }
            Verdict::Doubted => self.watch(id),
            Verdict::Convicted(cause) => self.transition(id, State::Suspect, cause, origin.ts_recv),
        }
        self.check_sibling(id, origin.ts_recv);
        self.publish(id, origin.ts_recv);
    }

    // REST books.

    fn apply_rest(&mut self, origin: &Origin, frame: &Frame, message: &Message, body: &Body) {
        let Body::Snapshot(snapshot) = body else {
            self.counters.rest_rejected += 1;
            if let Body::Malformed(m) = body {
                self.note_error(origin.conn, origin.ts_recv, m.what, m.offset);
            }
            return;
        };
        let id = snapshot.instrument;
        if self.instruments.at(id).is_some_and(|i| i.venue.row().continuity == Continuity::Stream) {
            return self.compare_rest(origin, id, frame, snapshot);
        }
        let awaited = self.books.get_mut(id as usize).and_then(|book| book.awaited.take());
        let Some(awaited) = awaited else {
            self.counters.rest_rejected += 1;
            return;
        };
        if message.ts_event == ABSENT || message.ts_event < awaited.ts_begin {
            // Older than what the stream had already said: changes in between are unknown.
            self.counters.rest_rejected += 1;
            return self.transition(id, State::Stale, Cause::Resync, origin.ts_recv);
        }
        self.counters.rest_accepted += 1;
        if self.load(id, origin, frame, snapshot) {
            self.replay_awaited(id, origin, &awaited);
        }
    }

    /// Applies what the stream said while the REST book was on its way. Sizes are absolute,
    /// so a delta the book already contains does no harm as long as all later ones follow.
    fn replay_awaited(&mut self, id: InstrumentId, origin: &Origin, awaited: &Awaited) {
        let mut testimony = Testimony {
            ts_event: origin.ts_event,
            ts_recv: origin.ts_recv,
            best_bid: Claim::SILENT,
            best_ask: Claim::SILENT,
            hash: HashVerdict::Skipped,
            snapshot: true,
            out_of_order: false,
        };
        let book = &mut self.books[id as usize];
        for delta in awaited.deltas.iter().filter(|d| d.ts_event >= origin.ts_event) {
            book.set(delta.side, delta.level);
            book.ts_event = book.ts_event.max(delta.ts_event);
            (book.hash.claimed, book.hash.claimed_ts) = (delta.hash, delta.ts_event);
            book.hash.claimed_whole = false;
            testimony.ts_event = delta.ts_event;
            (testimony.best_bid, testimony.best_ask) = (delta.best_bid, delta.best_ask);
            testimony.snapshot = false;
        }
        testimony.hash = self.hash_verdict_of_snapshot(id, origin.ts_recv);
        let book = &mut self.books[id as usize];
        match book.judge(&testimony, 0) {
            Verdict::Agrees => self.transition(id, State::Live, Cause::Resync, origin.ts_recv),
            Verdict::Doubted => {
                let cause = book.convict().unwrap_or(Cause::Resync);
                self.transition(id, State::Stale, cause, origin.ts_recv);
            }
            Verdict::Convicted(cause) => self.transition(id, State::Stale, cause, origin.ts_recv),
        }
        self.publish(id, origin.ts_recv);
    }

    // Everything else.

    fn apply_trade(&mut self, origin: &Origin, trade: &Trade) {
        let id = trade.instrument;
        let Some(book) = self.books.get_mut(id as usize) else {
            self.counters.unknown_instruments += 1;
            return;
        };
        let as_change = Change {
            instrument: id,
            side: crate::event::Side::Bid,
            level: crate::event::Level { price: trade.price, qty: trade.qty, ..Default::default() },
            best_bid: Claim::SILENT,
            best_ask: Claim::SILENT,
            digest: Value::default(),
        };
        // A print has no id. One that is the same in time, price, size and transaction came twice.
        let transaction = trade.transaction.raw(origin.payload);
        let print = fingerprint(origin.ts_event, transaction.get(2..).unwrap_or_default(), &as_change);
        if !transaction.is_empty() && book.seen_before(print) {
            book.evidence.count(Evidence::Duplicate);
            return;
        }
        book.remember(print);
        book.hash.note_trade_price(trade.price_text.raw(origin.payload));
        self.counters.trades += 1;
        if !trade.off_book {
            self.tapes[id as usize].push(Print {
                price: trade.price,
                qty: trade.qty,
                aggressor: trade.aggressor,
                ts_event: super::present(origin.ts_event),
                ts_recv: origin.ts_recv,
            });
        }
        let mut update = self.update(id, UpdateKind::Trade, origin.ts_recv);
        update.ts_event = origin.ts_event;
        (update.price, update.qty) = (trade.price, trade.qty);
        update.flags |= match trade.aggressor {
            Some(Aggressor::Buy) => FLAG_BUY,
            Some(Aggressor::Sell) => FLAG_SELL,
            None => 0,
        };
        update.flags |= if trade.off_book { FLAG_OFF_BOOK } else { 0 };
        self.output.push_update(&update);
        self.retry_doubtful_hash(id, origin.ts_recv);
    }

    /// A hash in doubt may have contained a trade whose print comes only now.
    fn retry_doubtful_hash(&mut self, id: InstrumentId, ts_recv: Nanos) {
        let book = &self.books[id as usize];
        let hash_doubted = book.doubt.is_some_and(|d| d.cause == Cause::HashMismatch)
            || (book.state == State::Suspect && book.cause == Cause::HashMismatch);
        if hash_doubted && self.vouch(id, ts_recv) {
            let book = &mut self.books[id as usize];
            book.ts_evidence = ts_recv;
            if book.doubt.take().is_some() {
                book.evidence.count(Evidence::BatchSettled);
            }
            if book.state == State::Suspect {
                self.transition(id, State::Live, Cause::Evidence, ts_recv);
            }
            self.publish(id, ts_recv);
        }
    }

    fn apply_tick_size(&mut self, origin: &Origin, id: InstrumentId, old: Decimal, new: Decimal) {
        let Some(book) = self.books.get_mut(id as usize) else {
            self.counters.unknown_instruments += 1;
            return;
        };
        if let Some(instrument) = self.instruments.at_mut(id) {
            instrument.tick_size = Some(new);
        }
        if let Some(profile) = &mut book.hash.profile {
            let mut text = Vec::new();
            crate::fixed::write_decimal(&mut text, new.value, crate::fixed::PRICE_DECIMALS, new.form);
            profile.tick_size = String::from_utf8_lossy(&text).into();
        }
        let mut update = self.update(id, UpdateKind::TickSize, origin.ts_recv);
        update.ts_event = origin.ts_event;
        update.price = new.value;
        self.output.push_update(&update);
        let book = &self.books[id as usize];
        // A snapshot that already states the new grid was taken after the change.
        let taken_after = book.snapshot_tick == Some(new.value);
        let running = matches!(book.state, State::Live | State::Suspect);
        if old.value != new.value && running && !taken_after {
            self.transition(id, State::Stale, Cause::TickChange, origin.ts_recv);
        }
    }

    /// The venue's own touch, sent by itself: evidence, and nothing else.
    fn apply_touch(&mut self, origin: &Origin, id: InstrumentId, bid: Claim, ask: Claim) {
        let Some(book) = self.books.get_mut(id as usize) else {
            self.counters.unknown_instruments += 1;
            return;
        };
        let running = matches!(book.state, State::Live | State::Suspect);
        if !running || origin.ts_event < book.ts_event {
            return;
        }
        if !(bid.given() || ask.given()) {
            return;
        }
        let told_by_touch = book.doubt.is_some_and(|d| d.against == Evidence::TouchMismatch);
        if bid.agrees(book.bids.best_price()) && ask.agrees(book.asks.best_price()) {
            book.evidence.count(Evidence::TouchMatch);
            if told_by_touch {
                book.doubt = None;
                book.evidence.count(Evidence::BatchSettled);
            }
            if book.believable() {
                book.ts_evidence = origin.ts_recv;
                self.publish(id, origin.ts_recv);
            }
            return;
        }
        if book.batch_over(origin.ts_event) {
            self.convict(id, origin.ts_recv);
        }
        let book = &self.books[id as usize];
        if book.doubt.is_none() && book.state == State::Live {
            let against = Evidence::TouchMismatch;
            self.doubt(id, Cause::BboMismatch, against, origin.ts_event, origin.ts_recv);
        }
    }

    fn resolve(&mut self, origin: &Origin, ids: &[InstrumentId], winner: InstrumentId) {
        for &id in ids {
            let mut update = self.update(id, UpdateKind::Resolved, origin.ts_recv);
            update.ts_event = origin.ts_event;
            update.price = if winner == UNKNOWN {
                ABSENT
            } else if id == winner {
                PRICE_ONE
            } else {
                0
            };
            update.qty = QTY_ONE;
            self.output.push_update(&update);
            self.transition(id, State::Stale, Cause::Resolved, origin.ts_recv);
        }
    }

    /// Fail closed: what a message that cannot be trusted names, or may name, is stale.
    #[cold]
    fn quarantine(&mut self, origin: &Origin, frame: &Frame, malformed: &Malformed) {
        self.counters.malformed += 1;
        self.note_error(origin.conn, origin.ts_recv, malformed.what, malformed.offset);
        if malformed.whole_connection {
            return self.transition_connection(
                origin.conn,
                State::Stale,
                Cause::Malformed,
                origin.ts_recv,
            );
        }
        for &id in &frame.named[malformed.named.clone()] {
            self.books[id as usize].evidence.count(Evidence::Malformed);
            self.transition(id, State::Stale, Cause::Malformed, origin.ts_recv);
        }
    }
}

/// Whether a message shows that market data flows. A reply does only if it takes a number.
fn is_data(message: &Message) -> bool {
    match message.body {
        Body::Nothing | Body::Reply(_) | Body::Unknown | Body::Own(_) => message.place.seq != 0,
        _ => true,
    }
}
