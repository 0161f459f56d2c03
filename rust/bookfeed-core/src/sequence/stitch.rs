//! A stream of updates without a whole book, and what is kept of it until one comes: numbers are
//! judged by [`UpdateIds`], times where there are no numbers by [`Timestamps`]; the levels wait here.
//!
//! A time stands in the place of a number, in any unit: an update of a time has it as its first
//! and as its last.

use super::timestamps::{self, Timestamps};
use super::update_ids::{Seed, UpdateIds, Updates, Verdict};
use crate::event::Level;
use crate::time::Nanos;
use std::collections::VecDeque;

/// A message that waits for a whole book.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The updates it holds.
    pub updates: Updates,
    /// Venue time.
    pub ts_event: Nanos,
    /// Bid levels, then ask levels.
    pub levels: Box<[Level]>,
    /// How many of them are bids.
    pub bids: usize,
}

/// What orders the updates of a book.
#[derive(Clone, Copy, Debug)]
enum Order {
    Numbers(UpdateIds),
    Times(Timestamps),
}

impl Order {
    #[inline]
    fn take(&mut self, updates: Updates, levels: usize) -> Verdict {
        match self {
            Self::Numbers(ids) => ids.take(updates, levels),
            Self::Times(times) => {
                let got = updates.last();
                match times.take(time(got), levels) {
                    timestamps::Verdict::Keep => Verdict::Keep,
                    timestamps::Verdict::KeepAlone => Verdict::KeepAlone,
                    timestamps::Verdict::Newer | timestamps::Verdict::Same => Verdict::Apply,
                    timestamps::Verdict::Contained => Verdict::Contained,
                    timestamps::Verdict::Older { newest } => {
                        Verdict::SetBack { newest: number(newest), got }
                    }
                    // An update without a time has no number either, and does not come here.
                    timestamps::Verdict::Unplaced => Verdict::SetBack { newest: got, got },
                }
            }
        }
    }

    fn seed(&mut self, at: u64) -> Seed {
        match self {
            Self::Numbers(ids) => ids.seed(at),
            Self::Times(times) => match times.seed(time(at)) {
                timestamps::Seed::Fits => Seed::Fits,
                timestamps::Seed::TooOld => Seed::TooOld { kept_from: at.saturating_add(1) },
                timestamps::Seed::Behind { book } => Seed::Behind { book: number(book) },
            },
        }
    }
}

/// A time that stands in the place of a number.
fn time(number: u64) -> Nanos {
    Nanos::try_from(number).unwrap_or(Nanos::MAX)
}

fn number(time: Nanos) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

/// Where one book stands in its updates, and what waits for it.
#[derive(Clone, Debug)]
pub struct Stitch {
    order: Order,
    waiting: VecDeque<Waiting>,
}

impl Default for Stitch {
    fn default() -> Self {
        Self { order: Order::Numbers(UpdateIds::default()), waiting: VecDeque::new() }
    }
}

impl Stitch {
    /// For a book whose updates have times and no numbers.
    #[must_use]
    pub fn by_time() -> Self {
        Self { order: Order::Times(Timestamps::default()), waiting: VecDeque::new() }
    }

    /// For a whole book that is to be joined to the same stream, from where this one stands.
    #[must_use]
    pub fn beside(&self) -> Self {
        let mut other = Self { order: self.order, waiting: VecDeque::new() };
        other.distrust();
        other
    }

    /// Whether updates have numbers, so that a missing one shows.
    #[must_use]
    pub const fn is_numbered(&self) -> bool {
        matches!(self.order, Order::Numbers(_))
    }

    /// Takes the numbers of the next message, which changes `levels` levels. What is to be kept
    /// of it, [`Self::keep`] takes.
    #[inline]
    pub fn take(&mut self, updates: Updates, levels: usize) -> Verdict {
        let verdict = self.order.take(updates, levels);
        if !matches!(verdict, Verdict::Apply | Verdict::Keep | Verdict::Contained | Verdict::Again) {
            self.waiting.clear();
        }
        verdict
    }

    /// Keeps a message that [`Self::take`] wanted kept.
    pub fn keep(&mut self, message: Waiting) {
        self.waiting.push_back(message);
    }

    /// What [`Self::seed`] would say of a whole book that stands at update `id`.
    #[must_use]
    pub fn weigh(&self, id: u64) -> Seed {
        let mut order = self.order;
        order.seed(id)
    }

    /// Takes a whole book that stands at update `id`. If it fits, the messages that wait are to
    /// be taken, all of them, by [`Self::take_waiting`].
    pub fn seed(&mut self, id: u64) -> Seed {
        self.order.seed(id)
    }

    /// The next message that waited, if it goes beyond the whole book.
    pub fn take_waiting(&mut self) -> Option<Waiting> {
        loop {
            let (message, beyond) = self.take_any_waiting()?;
            if beyond {
                return Some(message);
            }
        }
    }

    /// The next message that waited, and whether it goes beyond the whole book.
    pub fn take_any_waiting(&mut self) -> Option<(Waiting, bool)> {
        loop {
            let message = self.waiting.pop_front()?;
            match self.order.take(message.updates, message.levels.len()) {
                Verdict::Apply => return Some((message, true)),
                Verdict::Contained | Verdict::Again => return Some((message, false)),
                // Those that wait follow each other, and the first follows the book. Should
                // they not, there is no book.
                _ => self.restart(),
            }
        }
    }

    /// The stream itself brought a whole book, which stands at update `id`.
    pub fn begin(&mut self, id: u64) {
        match &mut self.order {
            Order::Numbers(ids) => ids.begin(id),
            Order::Times(times) => times.begin(time(id)),
        }
        self.waiting.clear();
    }

    /// The running book is not believed any more: messages are kept from here on.
    pub fn distrust(&mut self) {
        if self.book_id().is_none() {
            return;
        }
        match &mut self.order {
            Order::Numbers(ids) => ids.distrust(),
            Order::Times(times) => times.distrust(),
        }
        self.waiting.clear();
    }

    /// A message was lost. Numbers will show that; where there are none, what is kept has a hole.
    pub fn lose(&mut self) {
        if let Order::Times(times) = &mut self.order {
            times.lose();
            self.waiting.clear();
        }
    }

    /// Another connection: its stream begins anew.
    pub(crate) fn restart(&mut self) {
        *self = match self.order {
            Order::Numbers(_) => Self::default(),
            Order::Times(_) => Self::by_time(),
        };
    }

    /// Whether the stream has told more than a whole book holds that stands at update `id`; never,
    /// where there are no numbers.
    #[must_use]
    pub fn told_beyond(&self, id: u64) -> bool {
        matches!(&self.order, Order::Numbers(ids) if ids.told_beyond(id))
    }

    /// Number of the update that the book stands at, or its time, if there is a whole one.
    #[inline]
    #[must_use]
    pub fn book_id(&self) -> Option<u64> {
        match &self.order {
            Order::Numbers(ids) => ids.book_id(),
            Order::Times(times) => times.book_time().map(number),
        }
    }

    /// Whether there is a whole book and its stream has come to it.
    #[inline]
    #[must_use]
    pub fn caught_up(&self) -> bool {
        match &self.order {
            Order::Numbers(ids) => ids.caught_up(),
            Order::Times(times) => times.caught_up(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(first: u64, last: u64) -> Waiting {
        let updates = Updates::new(first, last).unwrap();
        Waiting { updates, ts_event: 0, levels: Box::default(), bids: 0 }
    }

    fn hear(stitch: &mut Stitch, first: u64, last: u64) -> Verdict {
        let message = message(first, last);
        let verdict = stitch.take(message.updates, 0);
        if !matches!(verdict, Verdict::Apply | Verdict::Contained | Verdict::Again) {
            stitch.keep(message);
        }
        verdict
    }

    #[test]
    fn what_waited_follows_a_whole_book_and_what_it_holds_is_dropped() {
        let mut stitch = Stitch::default();
        for (first, last) in [(1, 5), (6, 9), (10, 10)] {
            assert_eq!(hear(&mut stitch, first, last), Verdict::Keep);
        }
        assert_eq!(stitch.seed(7), Seed::Fits);
        let mut applied = Vec::new();
        while let Some(next) = stitch.take_waiting() {
            applied.push(next.updates.last());
        }
        assert_eq!((applied, stitch.book_id(), stitch.caught_up()), (vec![9, 10], Some(10), true));
        assert_eq!(hear(&mut stitch, 12, 12), Verdict::Gap { expected: 11, got: 12 });
        assert_eq!(stitch.seed(10), Seed::TooOld { kept_from: 12 });
        assert_eq!(stitch.seed(11), Seed::Fits);
        assert_eq!(stitch.take_waiting().map(|next| next.updates.last()), Some(12));
        assert!(stitch.take_waiting().is_none());
    }

    #[test]
    fn times_stand_in_the_place_of_numbers() {
        let mut stitch = Stitch::by_time();
        for ts in [10, 20, 20, 30] {
            assert_eq!(hear(&mut stitch, ts, ts), Verdict::Keep);
        }
        assert_eq!(stitch.weigh(9), Seed::TooOld { kept_from: 10 }, "nothing from before it");
        assert_eq!((stitch.seed(10), stitch.book_id()), (Seed::Fits, Some(10)));
        let applied: Vec<_> = std::iter::from_fn(|| stitch.take_waiting()).collect();
        assert_eq!(applied.iter().map(|m| m.updates.last()).collect::<Vec<_>>(), [20, 20, 30]);
        assert!(stitch.caught_up());
        assert_eq!(hear(&mut stitch, 30, 30), Verdict::Apply, "another one of the same time");
        assert_eq!(hear(&mut stitch, 90, 90), Verdict::Apply, "a hole does not show");
        assert_eq!(stitch.weigh(80), Seed::Behind { book: 90 });
        assert_eq!(hear(&mut stitch, 80, 80), Verdict::SetBack { newest: 90, got: 80 });
        stitch.distrust();
        assert_eq!((stitch.book_id(), stitch.seed(85)), (None, Seed::TooOld { kept_from: 86 }));
        stitch.restart();
        assert_eq!(stitch.seed(95), Seed::TooOld { kept_from: 96 }, "and they stay times");
    }

    #[test]
    fn a_book_that_is_not_believed_keeps_what_comes_after_it() {
        let mut stitch = Stitch::default();
        stitch.begin(4);
        assert_eq!(hear(&mut stitch, 5, 6), Verdict::Apply);
        stitch.distrust();
        assert_eq!(hear(&mut stitch, 7, 7), Verdict::Keep);
        stitch.distrust();
        assert_eq!(stitch.seed(6), Seed::Fits, "what was kept is not forgotten");
        assert_eq!(stitch.take_waiting().map(|next| next.updates.last()), Some(7));
    }
}
