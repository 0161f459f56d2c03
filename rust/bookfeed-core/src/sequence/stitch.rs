//! A stream of numbered updates without a whole book, and what is kept of it until one comes: the
//! numbers are judged by [`UpdateIds`], the levels wait here.

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

/// Where one book stands in its numbered updates, and what waits for it.
#[derive(Clone, Debug, Default)]
pub struct Stitch {
    ids: UpdateIds,
    waiting: VecDeque<Waiting>,
}

impl Stitch {
    /// Takes the numbers of the next message, which changes `levels` levels. What is to be kept
    /// of it, [`Self::keep`] takes.
    #[inline]
    pub fn take(&mut self, updates: Updates, levels: usize) -> Verdict {
        let verdict = self.ids.take(updates, levels);
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
        let mut ids = self.ids;
        ids.seed(id)
    }

    /// Takes a whole book that stands at update `id`. If it fits, the messages that wait are to
    /// be taken, all of them, by [`Self::take_waiting`].
    pub fn seed(&mut self, id: u64) -> Seed {
        self.ids.seed(id)
    }

    /// The next message that waited, if it goes beyond the whole book.
    pub fn take_waiting(&mut self) -> Option<Waiting> {
        loop {
            let message = self.waiting.pop_front()?;
            match self.ids.take(message.updates, message.levels.len()) {
                Verdict::Apply => return Some(message),
                Verdict::Contained | Verdict::Again => {}
                // Those that wait follow each other, and the first follows the book. Should
                // they not, there is no book.
                _ => self.restart(),
            }
        }
    }

    /// The stream itself brought a whole book, which stands at update `id`.
    pub fn begin(&mut self, id: u64) {
        self.ids.begin(id);
        self.waiting.clear();
    }

    /// The running book is not believed any more: messages are kept from here on.
    pub fn distrust(&mut self) {
        if self.ids.book_id().is_some() {
            self.ids.distrust();
            self.waiting.clear();
        }
    }

    /// Another connection: its stream begins anew.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Number of the update that the book stands at, if there is a whole one.
    #[inline]
    #[must_use]
    pub fn book_id(&self) -> Option<u64> {
        self.ids.book_id()
    }

    /// Whether there is a whole book and its stream has come to it.
    #[inline]
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.ids.caught_up()
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
