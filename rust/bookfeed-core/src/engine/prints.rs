//! What trades say beside themselves: they are values of the references that rest on them, and
//! they show whether a venue's word for who crossed the spread is read the right way round.
//!
//! The alarm is the rule of Lee and Ready turned round: who buys pays more than the mid before, who
//! sells gets less. Of trades apart from that mid most agree, whatever the market does; where most
//! disagree somebody reads the side of the maker as that of the taker.

use super::judge::Judge;
use super::terms::{Source, Teller};
use super::world::{Origin, World};
use crate::book::integrity::State;
use crate::book::{Book, Touch};
use crate::event::{Aggressor, Trade};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, Venue};
use crate::settlement::{Made, Tick, price_value};
use crate::time::Nanos;

/// After so many trades that say something it is judged, and begun anew.
const JUDGED: u32 = 100;
/// Fewer of them that agree, in per cent, are too few.
const LEAST_PERCENT: u32 = 40;
/// So many mids of a book are kept: trades may come some time after what they did to the book.
const MIDS: usize = 8;

/// How the aggressors of a venue's trades agree with its books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sense {
    /// Trades apart from the mid before them.
    pub decided: u64,
    /// Those of them on their aggressor's side of it.
    pub agreed: u64,
    /// How often less than 40 of 100 did.
    pub alarms: u64,
    /// Of the hundred that is being counted.
    now: [u32; 2],
}

impl Sense {
    /// Counts a trade; whether this was the last of a hundred of which too few agree.
    fn count(&mut self, agrees: bool) -> bool {
        self.decided += 1;
        self.agreed += u64::from(agrees);
        let [decided, agreed] = &mut self.now;
        *decided += 1;
        *agreed += u32::from(agrees);
        if *decided < JUDGED {
            return false;
        }
        let alarm = *agreed * 100 < LEAST_PERCENT * *decided;
        self.now = [0; 2];
        self.alarms += u64::from(alarm);
        alarm
    }
}

/// The newest mids of a book, doubled, in one unbroken run of it.
#[derive(Clone, Copy, Debug)]
struct Mids {
    epoch: u32,
    /// The venue's time, or ours where it tells none, and the sum of both best prices.
    of: [(Nanos, i64); MIDS],
    count: usize,
}

impl Mids {
    const NONE: Self = Self { epoch: 0, of: [(ABSENT, 0); MIDS], count: 0 };

    fn note(&mut self, book: &Book) {
        if book.epoch != self.epoch {
            *self = Self { epoch: book.epoch, ..Self::NONE };
        }
        let Touch { bid, ask, .. } = book.touch;
        if bid == ABSENT || ask == ABSENT {
            return;
        }
        let Some(doubled) = bid.checked_add(ask) else { return };
        let ts = if book.ts_event == ABSENT { book.ts_recv } else { book.ts_event };
        self.of[self.count % MIDS] = (ts, doubled);
        self.count += 1;
    }

    /// The newest of before a time.
    fn before(&self, ts: Nanos) -> Option<i64> {
        let kept = self.count.min(MIDS);
        let newest_first = (1..=kept).map(|back| self.of[(self.count - back) % MIDS]);
        newest_first.into_iter().find(|&(at, _)| at < ts).map(|(_, doubled)| doubled)
    }
}

/// How the aggressors of trades agree with the books of spot venues.
#[derive(Debug)]
pub(super) struct Senses {
    mids: Vec<Option<Box<Mids>>>,
    venues: [Sense; Venue::ALL.len()],
}

impl Default for Senses {
    fn default() -> Self {
        Self { mids: Vec::new(), venues: [Sense::default(); Venue::ALL.len()] }
    }
}

impl Senses {
    pub(super) fn of(&self, venue: Venue) -> Sense {
        self.venues[venue.number()]
    }

    /// The touch of a book was published. Only those that had a trade are followed.
    #[inline]
    pub(super) fn note(&mut self, id: InstrumentId, book: &Book) {
        if let Some(Some(mids)) = self.mids.get_mut(id as usize) {
            mids.note(book);
        }
    }

    /// An instrument is gone.
    pub(super) fn forget(&mut self, id: InstrumentId) {
        if let Some(mids) = self.mids.get_mut(id as usize) {
            *mids = None;
        }
    }

    /// A trade was told; whether too few agree by now.
    fn hear(&mut self, book: &Book, id: InstrumentId, venue: Venue, ts: Nanos, trade: &Trade) -> bool {
        let slot = id as usize;
        if self.mids.len() <= slot {
            self.mids.resize(slot + 1, None);
        }
        let Some(mids) = &mut self.mids[slot] else {
            let mut first = Mids::NONE;
            first.note(book);
            self.mids[slot] = Some(Box::new(first));
            return false;
        };
        if book.state != State::Live || mids.epoch != book.epoch {
            return false;
        }
        let (Some(doubled), Some(aggressor)) = (mids.before(ts), trade.aggressor) else { return false };
        let above = trade.price.saturating_mul(2).cmp(&doubled);
        above.is_ne()
            && self.venues[venue.number()].count(above.is_gt() == (aggressor == Aggressor::Buy))
    }
}

/// What a new trade says beside itself.
pub(super) fn hear(world: &mut World, judge: &mut Judge, origin: &Origin, trade: &Trade, number: &[u8]) {
    let id = trade.instrument;
    let Some(instrument) = world.instruments.at(id).filter(|_| !trade.off_book) else { return };
    let venue = instrument.venue;
    if venue.row().payout.is_none() {
        let ts = if origin.ts_event == ABSENT { origin.ts_recv } else { origin.ts_event };
        let book = &world.books[id as usize];
        if world.senses.hear(book, id, venue, ts, trade) {
            world.counters.turned_aggressors += 1;
        }
    }
    if !world.references.hear_trades() || origin.ts_event == ABSENT {
        return;
    }
    let name = format!("{} {}", venue.name(), instrument.symbol);
    let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
    world.references.hear_number(&name, number);
    let tick = Tick { at: origin.ts_event, value: price_value(trade.price) };
    let from = Source { teller: Teller::Trades, name: &name, made: Made::default() };
    judge.tick_reference(world, from, tick, origin.ts_recv);
}
