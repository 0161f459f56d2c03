//! The best levels as another channel of the venue has them, held against the book: where changes
//! bear times and no numbers, nothing else shows that one is missing.
//!
//! The two channels speak in rhythms of their own, so that theirs may be of a moment between two
//! messages of ours, when an order was there that ours never knew. What is missing for good stays:
//! the same difference, through several comparisons, each of a time that the stream has left behind
//! when the next one comes.
//!
//! A channel that tells the touch alone, at once, is held against the book when a change has come to
//! the touch's time ([`Book::meet_touch_beside`]): between two changes the touch is ahead of the book.

use super::Book;
use super::side::BookSide;
use crate::event::{Claim, Level, Side, TouchClaim};
use crate::fixed::{ABSENT, Price, Qty};
use crate::time::Nanos;
use std::collections::BTreeMap;

/// Comparisons in a row that must find the same difference.
const STRIKES: u32 = 3;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is of a time that the book has left behind: it says nothing.
    History,
    /// The levels are ours.
    Same,
    /// They differ, but every difference that was found before is gone: the stream has told of it.
    Settled,
    /// They differ, and it is too early to say why.
    Open,
    /// They differ, and our stream says nothing of what the other one knows.
    Missing,
}

/// A level as the other channel has it, and we do not; size 0 where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    side: Side,
    price: Price,
    theirs: Qty,
}

/// What comparisons have found since the last one without a difference.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    /// Differences that every one of them found.
    differences: Vec<Difference>,
    /// The time of the newest, and how many there were.
    stamp: u64,
    strikes: u32,
    /// Receive time of the first after which the stream has said nothing.
    since: Nanos,
    /// Where the book stood before the newest message of the stream, and what that changed.
    before: u64,
    changed: Vec<(Side, Price)>,
    /// Sizes that the stream told last while a whole book waited for it, of times that the whole book
    /// should hold.
    told: BTreeMap<(u64, Price), Qty>,
    /// Venue time of the newest change, or [`ABSENT`] if it has none that is believed.
    changed_at: Nanos,
    /// The newest touch that was told by itself, and its time.
    touch: Option<(TouchClaim, Nanos)>,
    /// Receive time of the first one that was not the book's since the stream last spoke, or
    /// [`ABSENT`].
    unmet: Nanos,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            differences: Vec::new(),
            stamp: 0,
            strikes: 0,
            since: 0,
            before: 0,
            changed: Vec::new(),
            told: BTreeMap::new(),
            changed_at: ABSENT,
            touch: None,
            unmet: ABSENT,
        }
    }
}

impl Beside {
    /// Nothing that was found is of the book as it will be.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The stream changes these levels; the book stood at `before`.
    pub(crate) fn note_change(&mut self, before: u64, bids: &[Level], asks: &[Level]) {
        self.before = before;
        self.changed.clear();
        self.changed.extend(bids.iter().map(|level| (Side::Bid, level.price)));
        self.changed.extend(asks.iter().map(|level| (Side::Ask, level.price)));
    }

    /// The book changes, or begins, at this venue time. Touches are placed by the times of changes:
    /// what was told before the venue's clock ran back, or had no time, is not of a time of theirs.
    pub(crate) fn note_time(&mut self, ts_event: Nanos) {
        if ts_event == ABSENT || ts_event < self.changed_at {
            (self.touch, self.unmet, self.strikes) = (None, ABSENT, 0);
        }
        self.changed_at = ts_event;
    }
}

/// Each level of both sides.
fn both<'a>(bids: &'a [Level], asks: &'a [Level]) -> impl Iterator<Item = (Side, &'a Level)> {
    let side = |side| move |level| (side, level);
    bids.iter().map(side(Side::Bid)).chain(asks.iter().map(side(Side::Ask)))
}

impl Book {
    /// A message is not put on the book, because its time says that the book holds it.
    pub(crate) fn note_contained(&mut self, bids: &[Level], asks: &[Level]) {
        let told = both(bids, asks).map(|(side, level)| ((side.number(), level.price), level.qty));
        self.rare.beside.told.extend(told);
    }

    /// These levels are told anew: what was told of them before does not matter.
    pub(crate) fn note_told(&mut self, bids: &[Level], asks: &[Level]) {
        let before = &mut self.rare.beside.told;
        if !before.is_empty() {
            both(bids, asks).for_each(|(side, level)| {
                before.remove(&(side.number(), level.price));
            });
        }
    }

    /// Whether the book lacks what its time says that it holds. If it has every level as it was told
    /// last, it is right whatever those times were; if not, a stamp is wrong, or the book is.
    pub(crate) fn contradicted(&self) -> bool {
        let side = |number| if number == Side::Bid.number() { Side::Bid } else { Side::Ask };
        let told = &self.rare.beside.told;
        told.iter().any(|(&(number, price), &qty)| self.qty_at(side(number), price) != qty)
    }

    /// The stream has come to the book, which holds all that was told before.
    pub(crate) fn forget_told(&mut self) {
        self.rare.beside.told.clear();
    }
}

impl Book {
    /// Holds the best levels of another channel, of time `stamp`, against the book, which stands at
    /// `stands_at`. `patience` is how long a stream may say nothing while they differ.
    pub(crate) fn compare_beside(
        &mut self,
        [bids, asks]: [&[Level]; 2],
        (stamp, stands_at): (u64, u64),
        ts_recv: Nanos,
        patience: Nanos,
    ) -> Compared {
        let beside = &self.rare.beside;
        if stamp < beside.before {
            return Compared::History;
        }
        let mut found = Vec::new();
        differ(Side::Bid, &self.bids, bids, &mut found);
        differ(Side::Ask, &self.asks, asks, &mut found);
        if stamp < stands_at {
            // Of before our newest message: what that changed was something else.
            found.retain(|one| !beside.changed.contains(&(one.side, one.price)));
        }
        let beside = &mut self.rare.beside;
        if found.is_empty() {
            (beside.strikes, beside.differences) = (0, found);
            return Compared::Same;
        }
        if beside.strikes == 0 {
            (beside.differences, beside.stamp, beside.strikes) = (found, stamp, 1);
            beside.since = ts_recv;
            return Compared::Open;
        }
        let common: Vec<_> =
            beside.differences.iter().copied().filter(|one| found.contains(one)).collect();
        let gone_on = stands_at > beside.stamp;
        if common.is_empty() {
            (beside.differences, beside.stamp, beside.strikes) = (found, stamp, 1);
            beside.since = ts_recv;
            // While the stream said nothing, it has told of nothing.
            return if gone_on { Compared::Settled } else { Compared::Open };
        }
        beside.differences = common;
        if gone_on {
            (beside.stamp, beside.since) = (stamp, ts_recv);
            beside.strikes += 1;
        }
        let silent = ts_recv.saturating_sub(beside.since) >= patience;
        if silent || beside.strikes >= STRIKES { Compared::Missing } else { Compared::Open }
    }
}

impl Book {
    /// The touch is told by itself, of `ts_event`. The changes may not have come to it, unless they
    /// say nothing for longer than `patience` while it moves.
    pub(crate) fn hear_touch_beside(
        &mut self,
        touch: &TouchClaim,
        ts_event: Nanos,
        ts_recv: Nanos,
        patience: Nanos,
    ) -> Compared {
        let changed_at = self.rare.beside.changed_at;
        if changed_at == ABSENT || ts_event < changed_at {
            return Compared::History;
        }
        self.rare.beside.touch = Some((*touch, ts_event));
        let mut found = Vec::new();
        let [bid, ask] = levels_of(touch);
        differ(Side::Bid, &self.bids, bid.as_slice(), &mut found);
        differ(Side::Ask, &self.asks, ask.as_slice(), &mut found);
        let beside = &mut self.rare.beside;
        if found.is_empty() {
            beside.unmet = ABSENT;
            return Compared::Same;
        }
        if beside.unmet == ABSENT {
            beside.unmet = ts_recv;
        }
        let silent = ts_recv.saturating_sub(beside.unmet) >= patience;
        if silent { Compared::Missing } else { Compared::Open }
    }

    /// A change has come, of the book's time: the touch that was told last must be the book's, if it
    /// is not ahead of it.
    pub(crate) fn meet_touch_beside(&mut self, ts_recv: Nanos) -> Compared {
        let beside = &mut self.rare.beside;
        beside.unmet = ABSENT;
        let changed_at = beside.changed_at;
        let Some((touch, at)) = beside.touch.filter(|&(_, at)| at <= changed_at) else {
            return Compared::History;
        };
        let (now, [bid, ask]) = (u64::try_from(changed_at).unwrap_or(0), levels_of(&touch));
        debug_assert!(at != ABSENT, "a touch without a time is placed nowhere");
        self.compare_beside([bid.as_slice(), ask.as_slice()], (now, now), ts_recv, Nanos::MAX)
    }
}

/// The best levels that a touch states.
fn levels_of(touch: &TouchClaim) -> [Option<Level>; 2] {
    let level = |claim: Claim, qty| claim.named().map(|price| Level::new(price, qty));
    [level(touch.bid, touch.bid_qty), level(touch.ask, touch.ask_qty)]
}

/// What differs in a side, as far as theirs goes: what lies behind their last level is not told.
fn differ(side: Side, ours: &BookSide, theirs: &[Level], found: &mut Vec<Difference>) {
    let mut theirs: Vec<_> = theirs.iter().map(|level| (level.price, level.qty)).collect();
    let better = |price: Price| if side == Side::Bid { -price } else { price };
    theirs.sort_unstable_by_key(|&(price, _)| better(price));
    let Some(&(end, _)) = theirs.last() else { return };
    for &(price, qty) in &theirs {
        if ours.qty_at(price) != qty {
            found.push(Difference { side, price, theirs: qty });
        }
    }
    let known = |price: Price| theirs.binary_search_by_key(&better(price), |&(p, _)| better(p)).is_ok();
    let within = ours.best_first().map(|(price, _)| price).take_while(|&p| better(p) <= better(end));
    found.extend(within.filter(|&price| !known(price)).map(|price| Difference {
        side,
        price,
        theirs: 0,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Nanos = 250;

    fn levels(of: &[(Price, Qty)]) -> Vec<Level> {
        of.iter().map(|&(price, qty)| Level::new(price, qty)).collect()
    }

    /// A book of two levels a side.
    fn book() -> Book {
        let mut book = Book::default();
        book.load(&levels(&[(100, 5), (90, 4)]), &levels(&[(110, 3), (120, 2)])).unwrap();
        book
    }

    /// Compares the book, which stands at `at`, with these of `stamp`.
    fn compare(
        book: &mut Book,
        bids: &[(Price, Qty)],
        asks: &[(Price, Qty)],
        (stamp, at): (u64, u64),
        ts: Nanos,
    ) -> Compared {
        book.compare_beside([&levels(bids), &levels(asks)], (stamp, at), ts, PATIENCE)
    }

    #[test]
    fn levels_are_compared_as_far_as_they_are_told() {
        let mut book = book();
        for (bids, asks, same) in [
            (&[(100, 5), (90, 4)][..], &[(110, 3)][..], true),
            (&[(90, 4), (100, 5)], &[(120, 2), (110, 3)], true),
            (&[(100, 5)], &[], true),
            (&[(100, 6)], &[(110, 3)], false),
            (&[(90, 4)], &[(110, 3)], false),
            (&[(100, 5), (95, 1)], &[(110, 3)], false),
            (&[(100, 5)], &[(120, 2)], false),
        ] {
            book.rare.beside.clear();
            let expected = if same { Compared::Same } else { Compared::Open };
            assert_eq!(compare(&mut book, bids, asks, (10, 10), 0), expected, "{bids:?} {asks:?}");
        }
    }

    #[test]
    fn a_difference_that_stays_is_something_missing() {
        let mut book = book();
        let bids = [(100, 7), (90, 4)];
        assert_eq!(compare(&mut book, &bids, &[(110, 3)], (12, 10), 0), Compared::Open);
        assert_eq!(compare(&mut book, &bids, &[(110, 3)], (13, 10), 1), Compared::Open);
        assert_eq!(compare(&mut book, &bids, &[(110, 9)], (22, 20), 2), Compared::Open);
        assert_eq!(compare(&mut book, &bids, &[(110, 3)], (32, 30), 3), Compared::Missing);
    }

    #[test]
    fn differences_of_moments_settle() {
        let mut book = book();
        for (round, at) in (0..50).zip((0_u64..).step_by(10)) {
            let theirs = [(100, 5), (99 - round % 5, 1 + round)];
            let expected = if round == 0 { Compared::Open } else { Compared::Settled };
            assert_eq!(compare(&mut book, &theirs, &[(110, 3)], (at + 2, at), round), expected);
        }
        assert_eq!(compare(&mut book, &[(100, 5)], &[(110, 3)], (900, 900), 60), Compared::Same);
    }

    #[test]
    fn a_stream_that_says_nothing_is_given_the_patience() {
        let mut book = book();
        let asks = [(105, 3)];
        assert_eq!(compare(&mut book, &[(100, 5)], &asks, (12, 10), 7), Compared::Open);
        let before = compare(&mut book, &[(100, 5)], &asks, (13, 10), 6 + PATIENCE);
        assert_eq!(before, Compared::Open);
        let after = compare(&mut book, &[(100, 5)], &asks, (14, 10), 7 + PATIENCE);
        assert_eq!(after, Compared::Missing);
    }

    #[test]
    fn one_of_before_the_newest_message_is_compared_but_for_what_that_changed() {
        let mut book = book();
        book.rare.beside.note_change(10, &levels(&[(100, 5)]), &levels(&[(130, 0)]));
        let asks = [(110, 3), (130, 1)];
        assert_eq!(compare(&mut book, &[(100, 2)], &[(110, 3)], (9, 20), 0), Compared::History);
        assert_eq!(compare(&mut book, &[(100, 2)], &[(110, 3)], (10, 20), 0), Compared::Same);
        assert_eq!(compare(&mut book, &[(100, 2)], &[(110, 8)], (10, 20), 0), Compared::Open);
        book.rare.beside.clear();
        book.rare.beside.note_change(10, &levels(&[(100, 5)]), &levels(&[(130, 0)]));
        assert_eq!(compare(&mut book, &[(100, 5)], &asks, (15, 20), 0), Compared::Open, "120 lacks");
        assert_eq!(compare(&mut book, &[(100, 2)], &[(110, 3)], (20, 20), 0), Compared::Settled);
    }
}
