//! A whole book by REST beside one that runs. What the stream says since it was asked for is put on
//! it, until both stand at the same place: then they are the same, as far as both are known, or one
//! of them is wrong. Where the answer reaches further, the running book learns of more levels.
//!
//! So a book that is known to some depth is known deeper before the price has walked there, and
//! never leaves `live` for it; and a book whose stream numbers nothing is held against the venue's.

use super::Book;
use super::side::{BookSide, DuplicateLevel};
use crate::event::{Level, Side};
use crate::fixed::{ABSENT, Price};
use crate::sequence::stitch::{Stitch, Waiting};
use crate::sequence::update_ids::{Seed, Verdict};
use crate::time::Nanos;
use std::collections::BTreeMap;

/// The two sides, in the order in which they are kept here.
const SIDES: [Side; 2] = [Side::Bid, Side::Ask];

/// Of a side of which no more levels are known, they are counted: a few takers may empty it.
const FEW_LEVELS: usize = 1_000;

/// How much of a side was known when its end was told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// From the best price to the end.
    price: u64,
    levels: usize,
}

/// Whether a price is known of a side that is known to `end`.
const fn within(side: Side, price: Price, end: Price) -> bool {
    match side {
        Side::Bid => price >= end,
        Side::Ask => price <= end,
    }
}

/// A whole book that was asked for while its stream runs.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Receive time at which it began.
    pub(crate) began: Nanos,
    stitch: Stitch,
    answer: Option<Answer>,
}

/// An answer, with what the stream said since put on it.
#[derive(Clone, Debug)]
struct Answer {
    sides: [BookSide; 2],
    /// Price of the last level of each side when it came, or [`ABSENT`] for an empty one: what lies
    /// behind it was not told.
    ends: [Price; 2],
    /// Where it stood then.
    at: u64,
}

impl Probe {
    /// Begins where the stream of a running book stands.
    pub(crate) fn beside(running: &Stitch, ts: Nanos) -> Self {
        Self { began: ts, stitch: running.beside(), answer: None }
    }

    /// Whether no answer came yet.
    pub(crate) const fn awaits_answer(&self) -> bool {
        self.answer.is_none()
    }

    /// The stream's next message, which the running book takes as well; whether it follows.
    pub(crate) fn hear(&mut self, message: &Waiting) -> bool {
        match self.stitch.take(message.updates, message.levels.len()) {
            Verdict::Keep | Verdict::KeepAlone => self.stitch.keep(message.clone()),
            Verdict::Apply => self.set(message),
            Verdict::Contained | Verdict::Again => {}
            Verdict::Late | Verdict::Gap { .. } | Verdict::SetBack { .. } => return false,
        }
        true
    }

    fn set(&mut self, message: &Waiting) {
        if let Some(answer) = &mut self.answer {
            let (bids, asks) = message.levels.split_at(message.bids);
            answer.sides[0].apply(bids);
            answer.sides[1].apply(asks);
        }
    }

    /// Takes the answer, which stands at `at`, if it fits what was kept.
    ///
    /// # Errors
    /// [`DuplicateLevel`]: it contradicts itself.
    pub(crate) fn take(&mut self, at: u64, levels: [&[Level]; 2]) -> Result<Seed, DuplicateLevel> {
        let mut sides = SIDES.map(BookSide::new);
        for (side, levels) in sides.iter_mut().zip(levels) {
            side.load(levels)?;
        }
        let seed = self.stitch.seed(at);
        if seed != Seed::Fits {
            return Ok(seed);
        }
        let ends = [0, 1].map(|i: usize| sides[i].worst_price().unwrap_or(ABSENT));
        self.answer = Some(Answer { sides, ends, at });
        while let Some(waiting) = self.stitch.take_waiting() {
            self.set(&waiting);
        }
        Ok(seed)
    }

    /// Whether the answer stands where the running book does. By times alone this is known when
    /// the stream has gone beyond it: of one time there may be more.
    pub(crate) fn meets(&self) -> bool {
        let Some(answer) = &self.answer else { return false };
        if self.stitch.is_numbered() {
            self.stitch.caught_up()
        } else {
            self.stitch.book_id() > Some(answer.at)
        }
    }
}

impl Book {
    /// Whether half of what is known of a side is used up: of the way to its end, or of the levels,
    /// where there are few.
    #[must_use]
    pub(crate) fn near_end(&self) -> bool {
        SIDES.into_iter().zip(self.rare.reach).any(|(side, reach)| {
            let (few, left) = (reach.levels <= FEW_LEVELS, self.reach(side, FEW_LEVELS));
            left.price < reach.price / 2 || few && left.levels < reach.levels / 2
        })
    }

    /// Notes how much is known of each side.
    pub(crate) fn note_reach(&mut self) {
        self.rare.reach = SIDES.map(|side| self.reach(side, usize::MAX));
    }

    /// How far the price is from the end of what is known of a side, and how many levels are on the
    /// way, as far as they are counted; nothing where all is known, or there is none.
    fn reach(&self, side: Side, most: usize) -> Reach {
        let levels = match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        };
        levels.best_price().zip(self.depth_known(side)).map_or(Reach::default(), |(best, end)| {
            let known = |(price, _): &(Price, _)| within(side, *price, end);
            let levels = levels.best_first().take(most).take_while(known).count();
            Reach { price: best.abs_diff(end), levels }
        })
    }

    /// Ends a probe whose answer has come to where the book stands: whether the two are the same, as
    /// far as both are known. If so, the book is known as far as either. `None`: it has not yet.
    pub(crate) fn meet_probe(&mut self) -> Option<bool> {
        let probe = self.rare.probe.take_if(|probe| probe.meets())?;
        let Answer { sides, ends, .. } = probe.answer?;
        let same = self.same_within(&sides, ends);
        if same {
            self.deepen(&sides, ends);
        }
        Some(same)
    }

    /// Whether a whole book of where ours stands has our levels, as far as both are known. What we
    /// have behind that, the stream told, so that it must have those, too, as far as it goes. An empty
    /// side of it says nothing: it was cut off.
    #[must_use]
    pub(crate) fn same_within(&self, theirs: &[BookSide; 2], ends: [Price; 2]) -> bool {
        SIDES.into_iter().zip([&self.bids, &self.asks]).enumerate().all(|(i, (side, ours))| {
            if ends[i] == ABSENT {
                return true;
            }
            let (theirs, end) = (&theirs[i], self.depth_known(side));
            ours.best_first()
                .take_while(|&(price, _)| within(side, price, ends[i]))
                .all(|(price, qty)| theirs.qty_at(price) == qty)
                && theirs
                    .best_first()
                    .take_while(|&(price, _)| end.is_none_or(|end| within(side, price, end)))
                    .all(|(price, qty)| ours.qty_at(price) == qty)
        })
    }

    /// Whether a message would change nothing, as far as the book is known: so does a copy of the
    /// one that it took last.
    #[cold]
    pub(crate) fn has_already(&self, bids: &[Level], asks: &[Level]) -> bool {
        [(Side::Bid, &self.bids, bids), (Side::Ask, &self.asks, asks)].into_iter().all(
            |(side, ours, told)| {
                let end = self.depth_known(side);
                // Of two sizes of one price the last one holds.
                let last: BTreeMap<_, _> = told.iter().map(|level| (level.price, level.qty)).collect();
                last.into_iter()
                    .filter(|&(price, _)| end.is_none_or(|end| within(side, price, end)))
                    .all(|(price, qty)| ours.qty_at(price) == qty)
            },
        )
    }

    /// Takes over what an answer, the same as far as both are known, knows beyond that.
    fn deepen(&mut self, sides: &[BookSide; 2], ends: [Price; 2]) {
        let mut beyond = [Vec::new(), Vec::new()];
        for (i, side) in SIDES.into_iter().enumerate() {
            let Some(ours) = self.depth_known(side).filter(|_| ends[i] != ABSENT) else { continue };
            let further = |price: Price| !within(side, price, ours);
            if further(ends[i]) {
                let levels = sides[i].levels().best_first().filter(|l| further(l.price));
                beyond[i] = levels.copied().collect();
                match side {
                    Side::Bid => self.rare.bids_known_to = ends[i],
                    Side::Ask => self.rare.asks_known_to = ends[i],
                }
            }
        }
        self.set_all(&beyond[0], &beyond[1]);
        self.note_reach();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sequence::update_ids::Updates;

    fn message(id: u64, bids: &[(Price, i64)]) -> Waiting {
        let levels: Vec<_> = bids.iter().map(|&(price, qty)| Level::new(price, qty)).collect();
        let updates = Updates::new(id, id).unwrap();
        Waiting { updates, ts_event: 0, bids: levels.len(), levels: levels.into() }
    }

    /// A book with bids at 100, 99, … as far as `end`, at update 10.
    fn known_to(end: Price) -> Book {
        let mut book = Book::default();
        let bids: Vec<_> = (end..=100).map(|price| Level::new(price, 1)).collect();
        book.load(&bids, &[Level::new(200, 1), Level::new(300, 1)]).unwrap();
        book.note_end();
        book.rare.stitch.begin(10);
        book
    }

    fn hear(book: &mut Book, id: u64, bids: &[(Price, i64)]) -> Option<bool> {
        let message = message(id, bids);
        book.rare.stitch.take(message.updates, 1);
        book.set_all(&message.levels, &[]);
        assert!(book.rare.probe.as_mut().unwrap().hear(&message));
        book.meet_probe()
    }

    fn answer(book: &mut Book, at: u64, bids: &[(Price, i64)]) -> Seed {
        let levels: Vec<_> = bids.iter().map(|&(price, qty)| Level::new(price, qty)).collect();
        let asks = [Level::new(200, 1), Level::new(300, 1)];
        book.rare.probe.as_mut().unwrap().take(at, [&levels, &asks]).unwrap()
    }

    fn probed(end: Price) -> Book {
        let mut book = known_to(end);
        book.rare.probe = Some(Box::new(Probe::beside(&book.rare.stitch, 0)));
        book
    }

    #[test]
    fn a_message_is_had_already_if_it_changes_nothing_that_is_known() {
        let book = known_to(90);
        let bids = |levels: &[(Price, i64)]| message(11, levels).levels;
        for (levels, had) in [
            (&[][..], true),
            (&[(100, 1), (101, 0)], true),
            (&[(100, 2), (100, 1)], true),
            (&[(80, 5)], true),
            (&[(100, 1), (100, 2)], false),
            (&[(95, 0)], false),
            (&[(101, 1)], false),
        ] {
            assert_eq!(book.has_already(&bids(levels), &[]), had, "{levels:?}");
        }
        assert!(!book.has_already(&[], &[Level::new(200, 2)]));
    }

    #[test]
    fn half_of_the_way_to_the_end_is_near() {
        let mut book = known_to(90);
        assert!(!book.near_end());
        for price in (95..=100).rev() {
            assert!(!book.near_end(), "{price}");
            book.set(Side::Bid, Level::new(price, 0));
        }
        assert!(book.near_end());
    }

    #[test]
    fn half_of_the_levels_gone_is_near_however_far_the_end_is() {
        let mut book = known_to(90);
        for price in (91..=96).rev() {
            assert!(!book.near_end(), "{price}");
            book.set(Side::Bid, Level::new(price, 0));
        }
        assert!(!book.near_end(), "five are left");
        book.set(Side::Bid, Level::new(97, 0));
        assert!(book.near_end());
        // Levels behind the end are none of those.
        book.set(Side::Bid, Level::new(80, 1));
        assert!(book.near_end());
        book.set(Side::Bid, Level::new(99, 0));
        book.set(Side::Bid, Level::new(98, 1));
        book.set(Side::Bid, Level::new(97, 1));
        book.set(Side::Bid, Level::new(96, 1));
        assert!(!book.near_end());
    }

    #[test]
    fn an_answer_ahead_of_the_stream_is_waited_for_and_deepens_the_book() {
        let mut book = probed(90);
        assert_eq!(hear(&mut book, 11, &[(101, 2)]), None);
        let told: Vec<_> = (50..=100).map(|price| (price, 1)).chain([(101, 2), (102, 3)]).collect();
        assert_eq!(answer(&mut book, 12, &told), Seed::Fits);
        assert_eq!(book.meet_probe(), None, "the stream has yet to come to it");
        assert_eq!(hear(&mut book, 12, &[(102, 3)]), Some(true));
        assert_eq!((book.depth_known(Side::Bid), book.bids.len()), (Some(50), 53));
        assert_eq!(book.depth_known(Side::Ask), Some(300), "no further than before");
        assert!(book.rare.probe.is_none());
    }

    #[test]
    fn an_answer_behind_the_book_is_caught_up_with_what_was_kept() {
        let mut book = probed(90);
        for (id, qty) in (11..15).zip(11..) {
            hear(&mut book, id, &[(100, qty)]);
        }
        assert_eq!(answer(&mut book, 9, &[(100, 1)]), Seed::TooOld { kept_from: 11 });
        let told: Vec<_> = (50..=99).map(|price| (price, 1)).chain([(100, 12)]).collect();
        assert_eq!(answer(&mut book, 12, &told), Seed::Fits);
        assert_eq!(book.meet_probe(), Some(true));
        assert_eq!((book.depth_known(Side::Bid), book.bids.qty_at(100)), (Some(50), 14));
    }

    #[test]
    fn an_answer_that_differs_where_both_are_known_changes_nothing() {
        let mut book = probed(90);
        let told: Vec<_> = (50..=100).map(|price| (price, if price == 95 { 2 } else { 1 })).collect();
        assert_eq!(answer(&mut book, 10, &told), Seed::Fits);
        assert_eq!(book.meet_probe(), Some(false));
        assert_eq!((book.depth_known(Side::Bid), book.bids.len()), (Some(90), 11));
    }

    #[test]
    fn what_the_stream_told_of_levels_behind_the_end_must_be_in_a_deeper_answer() {
        let mut book = probed(90);
        hear(&mut book, 11, &[(80, 3)]);
        let told = |qty| -> Vec<_> {
            let size = |price| if price == 80 { qty } else { 1 };
            (70..=100).map(|price| (price, size(price))).collect()
        };
        let mut other = book.clone();
        assert_eq!(answer(&mut other, 11, &told(2)), Seed::Fits);
        assert_eq!(other.meet_probe(), Some(false));
        assert_eq!(other.depth_known(Side::Bid), Some(90));
        assert_eq!(answer(&mut book, 11, &told(3)), Seed::Fits);
        assert_eq!((book.meet_probe(), book.depth_known(Side::Bid)), (Some(true), Some(70)));
    }

    #[test]
    fn a_short_answer_says_nothing_of_what_lies_behind_it() {
        let mut book = probed(90);
        assert_eq!(answer(&mut book, 10, &[(100, 1), (99, 1)]), Seed::Fits);
        assert_eq!(book.meet_probe(), Some(true));
        assert_eq!((book.depth_known(Side::Bid), book.bids.len()), (Some(90), 11));
    }
}
