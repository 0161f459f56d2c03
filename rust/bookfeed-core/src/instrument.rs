//! Instruments: each outcome of a market is one, with one book. Symbols are interned once,
//! at subscribe; from then on an instrument is a dense number.

use crate::fees::Fees;
use crate::fixed::{ABSENT, Decimal, Price, Qty};
use crate::time::Nanos;
use crate::trading::Exchange;
use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use std::collections::HashMap;
use std::hash::Hasher;

/// Where an instrument stands in every per-instrument array. An instrument that comes takes the
/// place of one that went; [`Instrument::number`] tells them apart.
pub type InstrumentId = u32;

/// "No such instrument", where an id would stand.
pub const UNKNOWN: InstrumentId = InstrumentId::MAX;

/// A venue: the number of its row in the table of venues ([`crate::venue`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Venue(pub(crate) u8);

/// What is known of an instrument besides its book. What every message asks for comes first, in one
/// line of memory.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Instrument {
    /// What it is called in records and outside: how many were there before it. Never given twice,
    /// so that a number that is kept too long means nothing, and no other instrument.
    pub number: u32,
    /// Connection it is subscribed on.
    pub conn: u32,
    /// The market's other outcome, whose book mirrors this one, once known.
    pub sibling: Option<InstrumentId>,
    /// The venue's own string for it.
    pub symbol: Box<str>,
    /// The venue's second name of the market, which its messages carry beside the symbol, once
    /// known.
    pub market_id: Option<Box<str>>,
    /// The venue that trades it.
    pub venue: Venue,
    /// The venue's string for the market it is an outcome of.
    pub market: Option<Box<str>>,
    /// Name of the outcome, as the user gave it.
    pub outcome: Option<Box<str>>,
    /// The venue's string for the event the market belongs to.
    pub event: Option<Box<str>>,
    /// When the market opens, and when it closes, as far as is known.
    pub hours: Hours,
    /// The same, and the terms of fees, as it was listed last.
    pub listed: (Hours, Option<Box<str>>),
    /// Whether the venue has paused it.
    pub paused: bool,
    /// Whether it may have been paused, or may be open for another time, without our hearing of it.
    pub unheard: Unheard,
    /// Receive time from which on more could be missed, or the stream spoke last, or [`ABSENT`].
    pub ts_news: Nanos,
    /// Whether its connection was lost before the news of it came.
    pub cut_off: bool,
    /// When what may have changed counts as unchanged, since nobody can say; or [`ABSENT`].
    pub doubt_ends: Nanos,
    /// Whether the venue was asked how the market stands since its news come.
    pub confirmed: bool,
    /// Whether the venue as a whole trades.
    pub exchange: Exchange,
    /// Which part of the venue trades it, once known.
    pub shard: Option<u32>,
    /// What a share was said to pay when the market was said to be over: [`crate::fixed::ABSENT`] for a result
    /// without a payout. `None` while it is not over.
    pub result: Option<Price>,
    /// Smallest price step, as configured or as last announced.
    pub tick_size: Option<Decimal>,
    /// Smallest order, as the venue prints it.
    pub min_order_size: Option<Box<str>>,
    /// The same as a quantity, 0 if it is not known.
    pub min_qty: Qty,
    /// What one share pays for certain with its opposite; `None` where nothing is ever paid out,
    /// as of a currency, which has no opposite.
    pub payout: Option<Price>,
    /// What is bought and sold, where that is a currency.
    pub base: Option<Box<str>>,
    /// What it is paid in, where that is stated. One currency is never taken for another.
    pub quote: Option<Box<str>>,
    /// Fees as they were listed, in the venue's own terms; an event may override them for a time.
    pub fee_terms: Option<Box<str>>,
    /// Whether the terms are known to be those without an override, because one was told apart from
    /// them. Where that is not so, fees that an override does not state are unknown.
    pub fee_base_known: bool,
    /// Fees of the market; without them no signal can be net of fees.
    pub fees: Option<Fees>,
    /// Fees as they were before they became unknown.
    pub fees_before: Option<Fees>,
    /// The venue's string for the series whose fees the market has, once known.
    pub series: Option<Box<str>>,
}

/// The time in which a market trades, Unix ns; a bound that is not known does not bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// When it opens. Venues do not announce the moment itself.
    pub open: Option<Nanos>,
    /// When it closes.
    pub close: Option<Nanos>,
}

/// What may have changed without our hearing of it, until the venue says it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unheard {
    /// Whether it is paused.
    pub pause: bool,
    /// When it closes.
    pub close: bool,
    /// What trading costs.
    pub fees: bool,
}

impl Unheard {
    /// Anything may have changed.
    pub const ALL: Self = Self { pause: true, close: true, fees: true };
    /// Whether and until when it trades may have changed.
    pub const TRADING: Self = Self { fees: false, ..Self::ALL };
    /// What trading costs may have changed.
    pub const FEES: Self = Self { pause: false, close: false, fees: true };

    /// Whether it may not be open for trading.
    #[inline]
    #[must_use]
    pub fn trading(self) -> bool {
        self.pause || self.close
    }
}

/// Whether a market can be traded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketStatus {
    /// It can.
    Open,
    /// It opens later.
    BeforeOpen,
    /// The venue has paused it, or pauses as a whole.
    Paused,
    /// News was lost, or could not be read: nobody knows.
    Unknown,
    /// It is over.
    Closed,
}

impl MarketStatus {
    /// The name shown to users.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::BeforeOpen => "before_open",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
            Self::Closed => "closed",
        }
    }
}

impl Instrument {
    /// An instrument of which nothing but its symbol and connection is known.
    #[must_use]
    pub fn new(venue: Venue, symbol: &str, conn: u32) -> Self {
        Self {
            number: UNKNOWN,
            venue,
            symbol: symbol.into(),
            market: None,
            market_id: None,
            event: None,
            hours: Hours::default(),
            listed: Default::default(),
            paused: false,
            unheard: Unheard::default(),
            ts_news: ABSENT,
            cut_off: false,
            doubt_ends: ABSENT,
            confirmed: false,
            exchange: Exchange::default(),
            shard: None,
            outcome: None,
            result: None,
            conn,
            sibling: None,
            tick_size: None,
            min_order_size: None,
            min_qty: 0,
            payout: None,
            base: None,
            quote: None,
            fee_terms: None,
            fee_base_known: false,
            fees: None,
            fees_before: None,
            series: None,
        }
    }

    /// Whether the market can be traded in at `now`.
    #[inline]
    #[must_use]
    pub fn status(&self, now: Nanos) -> MarketStatus {
        if self.result.is_some() || self.hours.close.is_some_and(|close| now >= close) {
            MarketStatus::Closed
        } else if self.hours.open.is_some_and(|open| now < open) {
            MarketStatus::BeforeOpen
        } else if self.paused || self.exchange.pauses(now) {
            MarketStatus::Paused
        } else if self.unheard.trading() {
            MarketStatus::Unknown
        } else {
            MarketStatus::Open
        }
    }

    /// A time until which the status is as it is at `now`, unless there is news.
    #[must_use]
    pub(crate) fn status_until(&self, now: Nanos) -> Nanos {
        let bounds = [self.hours.open, self.hours.close].into_iter().flatten();
        bounds.filter(|&ts| ts > now).fold(self.exchange.pauses_until(now), Nanos::min)
    }

    /// The tick size as a price, if known.
    #[must_use]
    pub fn tick(&self) -> Option<Price> {
        self.tick_size.map(|t| t.value).filter(|&t| t > 0)
    }
}

/// All instruments of an engine, and the table from symbols to ids.
#[derive(Debug, Default)]
pub struct Instruments {
    list: Vec<Instrument>,
    /// Of each, the symbol and the quote that ends it in JSON.
    quoted: Vec<Box<[u8]>>,
    /// Places in `list` that nobody has; what stands there means nothing.
    vacant: Vec<InstrumentId>,
    /// How many there were so far.
    given: u32,
    /// Ids of those that are there, by number.
    numbers: HashMap<u32, InstrumentId>,
    /// Open addressing, power-of-two size: short hash and id; `UNKNOWN` marks a free slot.
    table: Vec<(u32, InstrumentId)>,
    /// First outcome seen of each market, to pair the second with.
    markets: HashMap<(Venue, Box<str>), Vec<InstrumentId>>,
}

/// A short hash of the whole symbol: symbols of one event or one moment share long parts. Symbols
/// are compared in full afterwards; only subscribed ones enter the table, so nobody can flood it.
#[inline]
fn short_hash(venue: Venue, symbol: &[u8]) -> u32 {
    let mut hasher = FoldHasher::with_seed(u64::from(venue.0), SharedSeed::global_fixed());
    hasher.write(symbol);
    let hash = hasher.finish();
    #[allow(clippy::cast_possible_truncation)] // both halves together
    let short = (hash ^ (hash >> 32)) as u32;
    short
}

/// The symbol as it ends in JSON. One that JSON would have to escape never stands there
/// as it is, so it gets a text that no string contains.
fn quoted(symbol: &[u8]) -> Box<[u8]> {
    let plain = symbol.iter().all(|&b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if plain { [symbol, b"\""].concat().into() } else { Box::from(*b"\n") }
}

impl Instruments {
    /// The id of `symbol`, if it is there.
    #[inline]
    #[must_use]
    pub fn find(&self, venue: Venue, symbol: &[u8]) -> Option<InstrumentId> {
        let mask = self.table.len().checked_sub(1)?;
        let hash = short_hash(venue, symbol);
        let mut slot = hash as usize & mask;
        loop {
            let &(slot_hash, id) = self.table.get(slot)?;
            if id == UNKNOWN {
                return None;
            }
            if slot_hash == hash {
                let instrument = self.list.get(id as usize)?;
                if instrument.symbol.as_bytes() == symbol && instrument.venue == venue {
                    return Some(id);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds an instrument; `None` if the symbol is there already or ids have run out.
    pub fn add(&mut self, mut instrument: Instrument) -> Option<InstrumentId> {
        let symbol = instrument.symbol.as_bytes();
        if self.find(instrument.venue, symbol).is_some() {
            return None;
        }
        let number = Some(self.given).filter(|&number| number != UNKNOWN)?;
        let (venue, hash) = (instrument.venue, short_hash(instrument.venue, symbol));
        let (market, quoted) = (instrument.market.clone(), quoted(symbol));
        instrument.number = number;
        let id = if let Some(id) = self.vacant.pop() {
            (self.list[id as usize], self.quoted[id as usize]) = (instrument, quoted);
            id
        } else {
            self.quoted.push(quoted);
            self.list.push(instrument);
            // No more of them than numbers.
            InstrumentId::try_from(self.list.len() - 1).ok()?
        };
        self.given += 1;
        self.numbers.insert(number, id);
        if self.len() * 2 > self.table.len() {
            self.resize();
        } else {
            self.insert(hash, id);
        }
        if let Some(market) = market {
            self.pair(venue, market, id);
        }
        Some(id)
    }

    /// Links the two outcomes of a binary market; a market with more has no complement.
    fn pair(&mut self, venue: Venue, market: Box<str>, id: InstrumentId) {
        let outcomes = self.markets.entry((venue, market)).or_default();
        outcomes.push(id);
        let siblings = match outcomes.as_slice() {
            [a, b] => [(*a, Some(*b)), (*b, Some(*a))],
            [a, b, _] => [(*a, None), (*b, None)],
            _ => return,
        };
        for (id, sibling) in siblings {
            if let Some(instrument) = self.list.get_mut(id as usize) {
                instrument.sibling = sibling;
            }
        }
    }

    /// Makes the table as large as what is in it wants.
    fn resize(&mut self) {
        let size = (self.len() * 4).next_power_of_two().max(64);
        self.table = vec![(0, UNKNOWN); size];
        for id in self.ids() {
            let one = &self.list[id as usize];
            self.insert(short_hash(one.venue, one.symbol.as_bytes()), id);
        }
    }

    fn insert(&mut self, hash: u32, id: InstrumentId) {
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        while self.table[slot].1 != UNKNOWN {
            slot = (slot + 1) & mask;
        }
        self.table[slot] = (hash, id);
    }

    /// Gives up an instrument and its symbol, which may be added again and is another one then.
    /// What was its sibling has none any more.
    pub(crate) fn remove(&mut self, id: InstrumentId) {
        let Some(one) = self.list.get_mut(id as usize).filter(|one| one.number != UNKNOWN) else {
            return;
        };
        let gone = std::mem::replace(one, Instrument::new(one.venue, "", 0));
        self.quoted[id as usize] = Box::default();
        self.numbers.remove(&gone.number);
        self.vacant.push(id);
        self.take_out(short_hash(gone.venue, gone.symbol.as_bytes()), id);
        if let Some(sibling) = gone.sibling.and_then(|sibling| self.at_mut(sibling)) {
            sibling.sibling = None;
        }
        let Some(market) = gone.market else { return };
        let key = (gone.venue, market);
        if let Some(outcomes) = self.markets.get_mut(&key) {
            outcomes.retain(|&other| other != id);
            if outcomes.is_empty() {
                self.markets.remove(&key);
            }
        }
    }

    /// Frees the table's slot of an id, and closes the gap: whoever stands behind it is found by
    /// walking on from where his hash points, past no free slot.
    fn take_out(&mut self, hash: u32, id: InstrumentId) {
        let mask = self.table.len().wrapping_sub(1);
        let after = |slot: usize| (slot + 1) & mask;
        let mut gap = hash as usize & mask;
        while self.table[gap].1 != id {
            gap = after(gap);
        }
        let mut slot = after(gap);
        while self.table[slot].1 != UNKNOWN {
            let home = self.table[slot].0 as usize;
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(gap) & mask {
                self.table[gap] = self.table[slot];
                gap = slot;
            }
            slot = after(slot);
        }
        self.table[gap] = (0, UNKNOWN);
        if self.len() * 16 < self.table.len() && self.table.len() > 64 {
            self.resize();
        }
    }

    /// Whether an instrument has this id now.
    #[must_use]
    pub(crate) fn holds(&self, id: InstrumentId) -> bool {
        self.at(id).is_some_and(|one| one.number != UNKNOWN)
    }

    /// The id of the instrument that is called `number` outside, if it is there.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<InstrumentId> {
        self.numbers.get(&number).copied()
    }

    /// The outcomes subscribed so far of the venue's `market`.
    #[must_use]
    pub(crate) fn of_market(&self, venue: Venue, market: &str) -> &[InstrumentId] {
        self.markets.get(&(venue, Box::from(market))).map_or(&[], Vec::as_slice)
    }

    /// The instruments of the venue's `event`, whatever their market.
    pub(crate) fn of_event<'a>(
        &'a self,
        venue: Venue,
        event: &'a str,
    ) -> impl Iterator<Item = InstrumentId> + 'a {
        let found = move |i: &Instrument| i.venue == venue && i.event.as_deref() == Some(event);
        self.iter().filter(move |(_, i)| found(i)).map(|(id, _)| id)
    }

    /// Everything known of `id`, which an instrument has.
    #[inline]
    #[must_use]
    pub fn at(&self, id: InstrumentId) -> Option<&Instrument> {
        self.list.get(id as usize)
    }

    /// The symbol of the other outcome of the market `id` belongs to, as it ends in a JSON
    /// string, and its id.
    #[inline]
    #[must_use]
    pub(crate) fn quoted_sibling(&self, id: InstrumentId) -> Option<(InstrumentId, &[u8])> {
        let sibling = self.at(id)?.sibling?;
        Some((sibling, self.quoted.get(sibling as usize)?))
    }

    /// As [`Self::at`], to change it.
    pub fn at_mut(&mut self, id: InstrumentId) -> Option<&mut Instrument> {
        self.list.get_mut(id as usize)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() - self.vacant.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them with their ids, in that order.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &Instrument)> {
        (0..).zip(&self.list).filter(|(_, one)| one.number != UNKNOWN)
    }

    /// The ids of all of them, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<InstrumentId> {
        self.iter().map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(symbol: &str, market: Option<&str>) -> Instrument {
        Instrument { market: market.map(Into::into), ..Instrument::new(Venue(0), symbol, 0) }
    }

    #[test]
    fn interns_long_decimal_symbols() {
        let mut all = Instruments::default();
        assert_eq!(all.find(Venue(0), b"1"), None);
        for i in 0..5_000u64 {
            let symbol = format!("{:078}", u128::from(i) << 64);
            assert_eq!(all.add(instrument(&symbol, None)), Some(u32::try_from(i).unwrap()));
            assert_eq!(all.add(instrument(&symbol, None)), None);
        }
        for i in 0..5_000u64 {
            let symbol = format!("{:078}", u128::from(i) << 64);
            assert_eq!(all.find(Venue(0), symbol.as_bytes()), Some(u32::try_from(i).unwrap()));
        }
        assert_eq!(all.find(Venue(0), b"short"), None);
    }

    #[test]
    fn finds_what_is_there_and_nothing_that_went() {
        let (mut all, mut there) = (Instruments::default(), std::collections::BTreeMap::new());
        let mut state = 1u64;
        for _ in 0..30_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let symbol = format!("{}", (state >> 33) % 500);
            let known = all.find(Venue(0), symbol.as_bytes());
            assert_eq!(known, there.get(&symbol).map(|&(id, _)| id));
            if let Some(id) = known {
                all.remove(id);
                let (_, number) = there.remove(&symbol).unwrap();
                assert_eq!(all.numbered(number), None);
            } else {
                let id = all.add(instrument(&symbol, None)).unwrap();
                let number = all.at(id).unwrap().number;
                there.insert(symbol, (id, number));
                assert_eq!((all.numbered(number), number + 1), (Some(id), all.given));
            }
            assert_eq!(all.len(), there.len());
        }
        for (symbol, &(id, _)) in &there {
            assert_eq!(all.find(Venue(0), symbol.as_bytes()), Some(id));
        }
        assert!(all.list.len() <= 500, "places are used again");
        for id in all.ids() {
            all.remove(id);
        }
        assert!(all.is_empty() && all.table.len() <= 64);
        assert!(all.table.iter().all(|&(_, id)| id == UNKNOWN));
    }

    #[test]
    fn what_goes_leaves_its_market() {
        let mut all = Instruments::default();
        for symbol in ["yes", "no"] {
            all.add(instrument(symbol, Some("m")));
        }
        all.remove(1);
        assert_eq!((all.at(0).unwrap().sibling, all.of_market(Venue(0), "m")), (None, &[0][..]));
        assert_eq!(all.add(instrument("no", Some("m"))), Some(1));
        assert_eq!((all.at(0).unwrap().sibling, all.at(1).unwrap().sibling), (Some(1), Some(0)));
        assert_eq!(all.at(1).unwrap().number, 2);
        all.remove(0);
        all.remove(1);
        assert!(all.markets.is_empty());
    }

    #[test]
    fn pairs_two_outcomes_and_no_more() {
        let mut all = Instruments::default();
        all.add(instrument("yes", Some("m")));
        assert_eq!(all.at(0).unwrap().sibling, None);
        all.add(instrument("no", Some("m")));
        assert_eq!((all.at(0).unwrap().sibling, all.at(1).unwrap().sibling), (Some(1), Some(0)));
        all.add(instrument("maybe", Some("m")));
        assert_eq!((all.at(0).unwrap().sibling, all.at(2).unwrap().sibling), (None, None));
        assert_eq!(all.of_market(Venue(0), "m"), [0, 1, 2]);
    }
}
