//! What venues say of a market besides its book: whether it trades, what it costs, the touch as
//! another channel has it, and the indices that settle it.

use super::Engine;
use super::apply::Origin;
use crate::book::integrity::{Cause, Evidence, State};
use crate::book::ladder::Ladder;
use crate::book::{Book, Witness};
use crate::event::{Claim, FeeChange, Frame, IndexValue, Side, Snapshot, Trading};
use crate::fixed::{PRICE_ONE, Price, QTY_ONE};
use crate::instrument::InstrumentId;
use crate::time::Nanos;
use crate::update::UpdateKind;
use std::ops::Range;

/// Most indices that are kept; venues have a few dozen.
const INDICES_MAX: usize = 1_024;
/// Convictions by another channel without an agreement between them, after which that channel
/// is not trusted to speak of the same book.
const WITNESS_STRIKES_MAX: u32 = 3;

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
    pub fn meet_witness(&mut self) {
        let Some(witness) = self.witness else { return };
        if self.agrees(witness.bid, witness.ask) {
            self.witness = None;
            self.witness_strikes = 0;
            self.evidence.count(Evidence::TouchMatch);
        }
    }

    fn agrees(&self, bid: Claim, ask: Claim) -> bool {
        bid.agrees(self.bids.best_price()) && ask.agrees(self.asks.best_price())
    }
}

impl Engine {
    /// The touch as a channel has it whose messages are not ordered with the book's. Behind
    /// the book it is history; ahead of it, the book has to come to it in time.
    pub(super) fn apply_witness(&mut self, origin: &Origin, id: InstrumentId, bid: Claim, ask: Claim) {
        let deadline = origin.ts_recv.saturating_add(self.config.witness_grace);
        let Some(book) = self.books.get_mut(id as usize) else {
            self.counters.unknown_instruments += 1;
            return;
        };
        if book.state != State::Live || !(bid.given() || ask.given()) {
            return;
        }
        if book.agrees(bid, ask) {
            book.evidence.count(Evidence::TouchMatch);
            (book.witness, book.witness_strikes) = (None, 0);
            return;
        }
        // The oldest unmet word is kept: the book passes through every touch it ever had.
        let ahead = origin.ts_event > book.ts_event;
        if ahead && book.witness.is_none() && book.witness_strikes < WITNESS_STRIKES_MAX {
            book.witness = Some(Witness { bid, ask, deadline });
            self.watch_until(id, deadline);
        }
    }

    /// The time is over in which a book had to come to what another channel says.
    pub(super) fn sweep_witness(&mut self, id: InstrumentId, ts: Nanos) {
        let book = &mut self.books[id as usize];
        match book.witness {
            Some(witness) if ts >= witness.deadline => {
                book.witness = None;
                book.witness_strikes += 1;
                book.evidence.count(Evidence::TouchMismatch);
                if book.state == State::Live {
                    self.transition(id, State::Suspect, Cause::BboMismatch, ts);
                }
            }
            Some(witness) => self.watch_until(id, witness.deadline),
            None => {}
        }
    }

    /// A book by REST of a venue that numbers its messages. It has no number and no time, so it
    /// can neither replace a book nor convict one; that it is the same still says something.
    pub(super) fn compare_rest(
        &mut self,
        origin: &Origin,
        id: InstrumentId,
        frame: &Frame,
        snapshot: &Snapshot,
    ) {
        let Some(book) = self.books.get_mut(id as usize).filter(|b| b.state == State::Live) else {
            self.counters.rest_rejected += 1;
            return;
        };
        let same = |side, ours: &Ladder, range: &Range<usize>| {
            let mut theirs = Ladder::new(side);
            let loaded = theirs.load(&frame.levels[range.clone()]).is_ok();
            loaded && theirs.best_first().eq(ours.best_first())
        };
        if same(Side::Bid, &book.bids, &snapshot.bids) && same(Side::Ask, &book.asks, &snapshot.asks) {
            book.evidence.count(Evidence::RestMatch);
            book.ts_evidence = origin.ts_recv;
            self.counters.rest_accepted += 1;
        } else {
            book.evidence.count(Evidence::RestMismatch);
            self.counters.rest_rejected += 1;
        }
    }

    /// Whether, and until when, a market trades. Its book stays what it is.
    pub(super) fn apply_trading(&mut self, origin: &Origin, id: InstrumentId, trading: Trading) {
        let Some(instrument) = self.instruments.at_mut(id) else { return };
        match trading {
            Trading::Paused => instrument.paused = true,
            Trading::Resumed => instrument.paused = false,
            Trading::ClosesAt(ts) => instrument.hours.close = Some(ts),
            Trading::Determined(payout) => return self.determine(origin, id, payout),
        }
        self.tell_market(origin, id, UpdateKind::Trading);
    }

    /// Writes a record about a market, and asks the rules that rest on it.
    fn tell_market(&mut self, origin: &Origin, id: InstrumentId, kind: UpdateKind) {
        let mut update = self.update(id, kind, origin.ts_recv);
        update.ts_event = origin.ts_event;
        self.output.push_update(&update);
        self.ask_rules(id, false, origin.ts_recv);
    }

    fn determine(&mut self, origin: &Origin, id: InstrumentId, payout: Price) {
        let mut update = self.update(id, UpdateKind::Resolved, origin.ts_recv);
        update.ts_event = origin.ts_event;
        (update.price, update.qty) = (payout.clamp(0, PRICE_ONE), QTY_ONE);
        self.output.push_update(&update);
        self.transition(id, State::Stale, Cause::Resolved, origin.ts_recv);
    }

    /// The fees of an event's markets changed; what is not stated is as the series has it.
    pub(super) fn apply_fees(&mut self, origin: &Origin, change: &FeeChange) {
        let Some(Some(connection)) = self.connections.get(origin.conn as usize) else { return };
        let venue = connection.venue;
        let event = String::from_utf8_lossy(change.event.raw(origin.payload)).into_owned();
        let ids: Vec<_> = self.instruments.of_event(venue, &event).collect();
        for &id in &ids {
            if let Some(instrument) = self.instruments.at_mut(id)
                && let Some(terms) = &instrument.fee_terms
            {
                let kind = Some(change.kind).filter(|t| !t.is_absent());
                let kind = kind.map(|t| String::from_utf8_lossy(t.raw(origin.payload)));
                let changed = venue.row().fees.changed;
                instrument.fees = Some(changed(terms, kind.as_deref(), change.multiplier));
            }
        }
        // Told only when all are changed: no rule may see the message half applied.
        for id in ids {
            self.tell_market(origin, id, UpdateKind::Fees);
        }
    }

    pub(super) fn apply_index(&mut self, origin: &Origin, index: &IndexValue) {
        let name = String::from_utf8_lossy(index.index.raw(origin.payload));
        let reading = IndexReading {
            value: index.value,
            ts_event: origin.ts_event,
            ts_recv: origin.ts_recv,
            mean_60s: index.mean_60s,
            closing_mean: index.closing_mean,
        };
        if let Some(known) = self.indices.get_mut(&*name) {
            *known = reading;
        } else if self.indices.len() < INDICES_MAX {
            self.indices.insert(Box::from(&*name), reading);
        }
    }

    /// The newest value of each reference index that was heard of.
    pub fn indices(&self) -> impl Iterator<Item = (&str, &IndexReading)> {
        self.indices.iter().map(|(name, reading)| (&**name, reading))
    }
}
