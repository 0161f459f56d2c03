//! Continuity by update ids. Each change of a book has a number; a message says the first and
//! the last number it holds, and a whole book the number it stands at, whether it is asked for
//! beside the stream or comes first in it.
//!
//! One [`UpdateIds`] belongs to one book. Without a whole book every message is to be kept,
//! as long as those kept have no hole between them. A whole book that reaches them is taken;
//! the messages kept are then taken again, in order: what the book holds already is dropped,
//! the first that goes beyond it must begin at the number behind it or before, and so must
//! each one after. Sizes are absolute, so a message that overlaps what is known is applied
//! whole; unless it is one of a chain, whose messages each say which one they follow: it follows
//! that one or none.

use super::Kept;

/// The updates a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updates {
    first: u64,
    last: u64,
    /// Whether it follows the update before its first, and no other message.
    chained: bool,
}

impl Updates {
    /// Updates `first` to `last`, both included. `None` if they run backwards, or to the
    /// number behind which none can come.
    #[inline]
    #[must_use]
    pub const fn new(first: u64, last: u64) -> Option<Self> {
        if first <= last && last < u64::MAX { Some(Self { first, last, chained: false }) } else { None }
    }

    /// The updates from the one behind `before`, at which the message before stood, to `last`; none
    /// if the two are the same. `None` if they run backwards, or to the number behind which none
    /// can come.
    #[inline]
    #[must_use]
    pub const fn after(before: u64, last: u64) -> Option<Self> {
        if before <= last && last < u64::MAX {
            Some(Self { first: before + 1, last, chained: true })
        } else {
            None
        }
    }

    /// Number of the first.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// Number of the last.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// Whether they go on from update `id`, without a hole.
    #[inline]
    const fn follow(self, id: u64) -> bool {
        let next = id.saturating_add(1);
        if self.chained { self.first == next } else { self.first <= next }
    }
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no whole book yet: keep it behind those kept.
    Keep,
    /// Likewise, but drop those kept before it: they do not lead up to it, or are too many.
    KeepAlone,
    /// It is next: apply it.
    Apply,
    /// The whole book holds it already: drop it.
    Contained,
    /// It is the newest message once more, or says nothing beyond it: drop it.
    Again,
    /// The stream begins behind the whole book that waited for it: that is too old, ask again, and
    /// keep the message.
    Late,
    /// Updates between the book and the message are missing. The book is lost; keep the message.
    Gap {
        /// Number of the update that should have come.
        expected: u64,
        /// First number that came.
        got: u64,
    },
    /// The numbers run backwards: the venue has set its counter back, or sends what it sent
    /// before. The book is lost; keep the message.
    SetBack {
        /// Newest number the stream had come to.
        newest: u64,
        /// Last number that came.
        got: u64,
    },
}

/// What is to be done with a whole book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Load it, then take all messages kept again, in order, before any new one.
    Fits,
    /// It ends before the messages kept begin: ask again, and keep them.
    TooOld {
        /// First number that is at hand.
        kept_from: u64,
    },
    /// The running book has come further: do not load it.
    Behind {
        /// Number the running book stands at.
        book: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// No whole book. `from` is the first update that is kept or still to come, once anything
    /// was heard.
    Collecting { from: Option<u64>, kept: Kept },
    /// There is one, and it stands at `id`.
    Seeded { id: u64 },
}

/// Where one book stands in its numbered updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateIds {
    /// Last update heard on the stream, whether or not it was applied.
    newest: Option<u64>,
    standing: Standing,
}

impl Default for UpdateIds {
    fn default() -> Self {
        Self { newest: None, standing: Standing::Collecting { from: None, kept: Kept::default() } }
    }
}

impl UpdateIds {
    /// A book of whose stream nothing was heard: before the first message of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the numbers of the next message, which has so many levels.
    #[inline]
    pub fn take(&mut self, updates: Updates, levels: usize) -> Verdict {
        match self.newest {
            Some(newest) if updates.last <= newest => return self.take_old(updates, newest, levels),
            _ => {}
        }
        let before = self.newest.replace(updates.last);
        match self.standing {
            Standing::Seeded { id } if !updates.follow(id) && updates.last > id => {
                self.keep_alone(updates, levels);
                if before.is_none() {
                    return Verdict::Late;
                }
                Verdict::Gap { expected: id.saturating_add(1), got: updates.first }
            }
            Standing::Seeded { id } if updates.last <= id => Verdict::Contained,
            Standing::Seeded { .. } => {
                self.standing = Standing::Seeded { id: updates.last };
                Verdict::Apply
            }
            Standing::Collecting { from, kept } => {
                let leads_up = before.is_none_or(|newest| updates.follow(newest));
                if leads_up && kept.has_room_for(levels) {
                    let from = Some(from.unwrap_or(updates.first));
                    self.standing = Standing::Collecting { from, kept: kept.with(levels) };
                    return Verdict::Keep;
                }
                self.keep_alone(updates, levels);
                Verdict::KeepAlone
            }
        }
    }

    /// A message that does not go beyond the newest. Within one connection frames keep their
    /// order, so only the newest itself may come again without harm.
    #[cold]
    fn take_old(&mut self, updates: Updates, newest: u64, levels: usize) -> Verdict {
        if updates.last == newest {
            return Verdict::Again;
        }
        let seeded = matches!(self.standing, Standing::Seeded { .. });
        self.newest = Some(updates.last);
        self.keep_alone(updates, levels);
        if seeded { Verdict::SetBack { newest, got: updates.last } } else { Verdict::KeepAlone }
    }

    fn keep_alone(&mut self, updates: Updates, levels: usize) {
        let kept = Kept::default().with(levels);
        self.standing = Standing::Collecting { from: Some(updates.first), kept };
    }

    /// Takes a whole book that was asked for, and stands at update `id`.
    ///
    /// A book that ends right before the first message kept fits: nothing lies between them.
    pub fn seed(&mut self, id: u64) -> Seed {
        match self.standing {
            // One that is ahead of its stream may have lied about where it stands.
            Standing::Seeded { id: book }
                if id < book && (self.caught_up() || Some(id) < self.newest) =>
            {
                return Seed::Behind { book };
            }
            Standing::Seeded { .. } => {}
            Standing::Collecting { from: Some(from), .. } if id.saturating_add(1) < from => {
                return Seed::TooOld { kept_from: from };
            }
            // The stream goes back to where the messages kept begin.
            Standing::Collecting { from, .. } => self.newest = from.and_then(|from| from.checked_sub(1)),
        }
        self.standing = Standing::Seeded { id };
        Seed::Fits
    }

    /// The stream itself sends a whole book, which stands at update `id`. What was kept is of
    /// no use any more.
    pub fn begin(&mut self, id: u64) {
        *self = Self { newest: Some(id), standing: Standing::Seeded { id } };
    }

    /// The book is not believed any more, for reasons of its own: a new whole book is wanted.
    /// What was kept stays kept.
    pub fn distrust(&mut self) {
        if let Standing::Seeded { .. } = self.standing {
            let from = self.newest.map(|newest| newest.saturating_add(1));
            self.standing = Standing::Collecting { from, kept: Kept::default() };
        }
    }

    /// Whether the stream has told more than a whole book holds that stands at update `id`.
    #[must_use]
    pub fn told_beyond(&self, id: u64) -> bool {
        self.newest.is_some_and(|newest| newest > id)
    }

    /// Number of the update that the book stands at, if there is a whole one.
    #[inline]
    #[must_use]
    pub const fn book_id(&self) -> Option<u64> {
        match self.standing {
            Standing::Seeded { id } => Some(id),
            Standing::Collecting { .. } => None,
        }
    }

    /// Whether there is a whole book and the stream has come to where it stands. A book ahead
    /// of its stream is whole as well, but nothing says yet that the two belong together.
    #[inline]
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.book_id().is_some_and(|id| self.newest.is_some_and(|newest| newest >= id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MOST_KEPT_LEVELS;
    use super::*;

    fn take(ids: &mut UpdateIds, first: u64, last: u64) -> Verdict {
        ids.take(Updates::new(first, last).unwrap(), 3)
    }

    /// A book seeded at 105, with the stream at 100.
    fn seeded() -> UpdateIds {
        let mut ids = UpdateIds::new();
        assert_eq!(take(&mut ids, 91, 100), Verdict::Keep);
        assert_eq!(ids.seed(105), Seed::Fits);
        assert_eq!(take(&mut ids, 91, 100), Verdict::Contained);
        ids
    }

    #[test]
    fn a_range_runs_forwards_and_leaves_a_number_behind_it() {
        assert!(Updates::new(5, 5).is_some());
        assert_eq!(Updates::new(6, 5), None);
        assert_eq!(Updates::new(0, u64::MAX), None);
        assert_eq!(
            Updates::new(0, u64::MAX - 1).map(|u| (u.first(), u.last())),
            Some((0, u64::MAX - 1))
        );
    }

    #[test]
    fn a_snapshot_is_stitched_to_the_messages_kept() {
        let mut ids = UpdateIds::new();
        for (first, last) in [(11, 20), (21, 30), (31, 40)] {
            assert_eq!(take(&mut ids, first, last), Verdict::Keep);
        }
        assert_eq!(ids.seed(9), Seed::TooOld { kept_from: 11 });
        assert_eq!(ids.book_id(), None);
        assert_eq!(ids.seed(25), Seed::Fits);
        assert!(!ids.caught_up(), "the messages kept come first");
        assert_eq!(take(&mut ids, 11, 20), Verdict::Contained);
        assert_eq!(take(&mut ids, 21, 30), Verdict::Apply);
        assert_eq!(take(&mut ids, 31, 40), Verdict::Apply);
        assert!(ids.caught_up());
        assert_eq!((take(&mut ids, 41, 41), ids.book_id()), (Verdict::Apply, Some(41)));
    }

    #[test]
    fn a_snapshot_right_before_the_first_message_fits() {
        let mut ids = UpdateIds::new();
        take(&mut ids, 11, 20);
        assert_eq!(ids.seed(10), Seed::Fits);
        assert!(ids.caught_up());
        assert_eq!(take(&mut ids, 11, 20), Verdict::Apply);
    }

    #[test]
    fn a_snapshot_ahead_of_its_stream_waits_for_it() {
        let mut ids = seeded();
        assert!(!ids.caught_up());
        assert_eq!(take(&mut ids, 101, 103), Verdict::Contained);
        assert!(!ids.caught_up());
        let mut exact = ids;
        assert_eq!((take(&mut exact, 104, 105), exact.caught_up()), (Verdict::Contained, true));
        assert_eq!((take(&mut ids, 104, 109), ids.caught_up()), (Verdict::Apply, true));
    }

    #[test]
    fn a_snapshot_before_anything_was_heard_waits_for_the_stream() {
        let mut ids = UpdateIds::new();
        assert_eq!((ids.seed(50), ids.caught_up()), (Seed::Fits, false));
        let mut late = ids;
        assert_eq!(
            (take(&mut late, 52, 60), late.seed(50)),
            (Verdict::Late, Seed::TooOld { kept_from: 52 })
        );
        assert_eq!((take(&mut ids, 40, 60), ids.caught_up()), (Verdict::Apply, true));
    }

    #[test]
    fn a_gap_loses_the_book_and_begins_to_collect() {
        let mut ids = seeded();
        assert_eq!(take(&mut ids, 107, 110), Verdict::Gap { expected: 106, got: 107 });
        assert_eq!(ids.book_id(), None);
        assert_eq!(take(&mut ids, 111, 112), Verdict::Keep);
        assert_eq!(take(&mut ids, 114, 115), Verdict::KeepAlone, "there is a hole before it");
        assert_eq!(ids.seed(112), Seed::TooOld { kept_from: 114 });
        assert_eq!(ids.seed(113), Seed::Fits);
        assert_eq!(take(&mut ids, 114, 115), Verdict::Apply);
    }

    #[test]
    fn the_newest_message_may_come_again() {
        let mut ids = seeded();
        take(&mut ids, 101, 107);
        assert_eq!(take(&mut ids, 101, 107), Verdict::Again);
        assert_eq!(take(&mut ids, 107, 107), Verdict::Again, "nor does a part of it say anything");
        assert_eq!((ids.book_id(), ids.caught_up()), (Some(107), true));
        assert_eq!(take(&mut ids, 105, 109), Verdict::Apply, "an overlap is whole");
    }

    #[test]
    fn a_counter_that_is_set_back_loses_the_book() {
        let mut ids = seeded();
        take(&mut ids, 101, 107);
        assert_eq!(take(&mut ids, 1, 4), Verdict::SetBack { newest: 107, got: 4 });
        assert_eq!(take(&mut ids, 5, 6), Verdict::Keep, "it goes on from there");
        assert_eq!(take(&mut ids, 2, 3), Verdict::KeepAlone, "and may be set back once more");
        let mut ahead = seeded();
        assert_eq!(take(&mut ahead, 99, 99), Verdict::SetBack { newest: 100, got: 99 });
    }

    #[test]
    fn an_older_snapshot_does_not_undo_what_was_applied() {
        let mut ids = seeded();
        take(&mut ids, 101, 107);
        assert_eq!(ids.seed(106), Seed::Behind { book: 107 });
        assert_eq!((ids.book_id(), ids.caught_up()), (Some(107), true));
        assert_eq!((ids.seed(110), ids.caught_up()), (Seed::Fits, false));
        assert_eq!(take(&mut ids, 108, 111), Verdict::Apply);
    }

    #[test]
    fn a_snapshot_whose_number_never_comes_does_not_stand_in_the_way_of_the_next() {
        let mut ids = UpdateIds::new();
        take(&mut ids, 91, 100);
        assert_eq!(ids.seed(1 << 60), Seed::Fits);
        assert_eq!(take(&mut ids, 91, 100), Verdict::Contained);
        assert_eq!(take(&mut ids, 101, 107), Verdict::Contained);
        assert_eq!(ids.seed(106), Seed::Behind { book: 1 << 60 }, "the message of 107 is gone");
        assert_eq!((ids.seed(109), ids.caught_up()), (Seed::Fits, false));
        assert_eq!((take(&mut ids, 108, 110), ids.caught_up()), (Verdict::Apply, true));
    }

    #[test]
    fn a_book_that_is_distrusted_needs_all_that_was_heard() {
        let mut ids = seeded();
        take(&mut ids, 101, 107);
        ids.distrust();
        assert_eq!(ids.book_id(), None);
        assert_eq!(ids.seed(106), Seed::TooOld { kept_from: 108 }, "the message of 107 is gone");
        let mut quiet = ids;
        assert_eq!((quiet.seed(107), quiet.caught_up()), (Seed::Fits, true));
        assert_eq!(take(&mut ids, 108, 120), Verdict::Keep);
        ids.distrust();
        assert_eq!(ids.seed(110), Seed::Fits, "what was kept stays kept");
        assert_eq!(take(&mut ids, 108, 120), Verdict::Apply);
    }

    #[test]
    fn a_stream_that_begins_with_a_whole_book_needs_no_other() {
        let mut ids = UpdateIds::new();
        take(&mut ids, 3, 4);
        ids.begin(70);
        assert!(ids.caught_up());
        assert_eq!(take(&mut ids, 71, 80), Verdict::Apply);
        assert_eq!(take(&mut ids, 82, 82), Verdict::Gap { expected: 81, got: 82 });
    }

    #[test]
    fn a_message_of_a_chain_follows_one_place_and_no_other() {
        let mut ids = UpdateIds::new();
        let chained = |before, last| Updates::after(before, last).unwrap();
        assert_eq!((Updates::after(6, 5), Updates::after(0, u64::MAX)), (None, None));
        ids.begin(70);
        assert_eq!(ids.take(chained(70, 75), 1), Verdict::Apply);
        assert_eq!(ids.take(chained(75, 75), 0), Verdict::Again, "nothing happened");
        let mut overlapping = ids;
        assert_eq!(overlapping.take(chained(74, 80), 1), Verdict::Gap { expected: 76, got: 75 });
        let mut silent = ids;
        assert_eq!(silent.take(chained(76, 76), 0), Verdict::Gap { expected: 76, got: 77 });
        assert_eq!(ids.take(chained(76, 80), 1), Verdict::Gap { expected: 76, got: 77 });
        assert!(ids.told_beyond(79) && !ids.told_beyond(80));
        assert_eq!(ids.take(chained(80, 82), 1), Verdict::Keep);
        assert_eq!(ids.take(chained(81, 83), 1), Verdict::KeepAlone, "it follows another");
        assert_eq!(ids.take(chained(70, 75), 1), Verdict::KeepAlone);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut ids = UpdateIds::new();
        let mut keep = |n, levels| ids.take(Updates::new(n, n).unwrap(), levels);
        assert_eq!(keep(1, MOST_KEPT_LEVELS - 1), Verdict::Keep);
        assert_eq!(keep(2, 1), Verdict::Keep);
        assert_eq!(keep(3, 1), Verdict::KeepAlone);
        assert_eq!(keep(4, usize::MAX), Verdict::KeepAlone);
        assert_eq!(ids.seed(2), Seed::TooOld { kept_from: 4 });
    }

    #[test]
    fn numbers_at_their_end_do_not_wrap() {
        let end = u64::MAX - 1;
        let mut ids = UpdateIds::new();
        assert_eq!(ids.seed(u64::MAX), Seed::Fits);
        assert_eq!(take(&mut ids, end, end), Verdict::Contained);
        assert_eq!(take(&mut ids, 0, end), Verdict::Again);
        ids.begin(end);
        assert_eq!(take(&mut ids, 0, 0), Verdict::SetBack { newest: end, got: 0 });
        assert_eq!(ids.seed(0), Seed::Fits);
        assert_eq!(take(&mut ids, 0, end), Verdict::Apply);
        ids.distrust();
        assert_eq!(ids.seed(end), Seed::Fits);
        assert!(ids.caught_up());
    }
}
