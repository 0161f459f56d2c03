//! Continuity by time, where a venue numbers nothing: messages say when they are of, and so does a
//! whole book. That orders them; it never proves that none is missing. Whoever uses it needs other
//! evidence for that.
//!
//! One [`Timestamps`] belongs to one book. Without a whole book every message is to be kept. A
//! whole book fits if a message from before it, or of its very time, was heard: then nothing
//! can lie between the two that was not heard as well, as far as the stream lost nothing.

use super::Kept;
use crate::fixed::ABSENT;
use crate::time::Nanos;

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no whole book yet: keep it behind those kept.
    Keep,
    /// Likewise, but drop those kept before it, which are too many.
    KeepAlone,
    /// It is newer than all before it: apply it.
    Newer,
    /// It is of the time of the newest one, or states none on a stream that runs: apply it, in
    /// the order of arrival. Sizes are absolute, so the same message twice does no harm.
    Same,
    /// The whole book holds it already: drop it.
    Contained,
    /// It is older than one before it: applied, it would undo what is newer.
    Older {
        /// Time of the newest message.
        newest: Nanos,
    },
    /// It states no time, and may be older than the whole book or not: the book is lost.
    Unplaced,
}

/// What is to be done with a whole book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Load it, then take all messages kept again, in order, before any new one.
    Fits,
    /// Nothing that is at hand goes back to its time, or it states none: ask again, and keep
    /// what is kept.
    TooOld,
    /// The running book is newer: do not load it.
    Behind {
        /// Time of the newest message applied.
        book: Nanos,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// No whole book. `from` is the time from which on everything heard is kept, once a
    /// message has stated one.
    Collecting { from: Option<Nanos>, kept: Kept },
    /// There is one: fetched, of the time `seed`, or `None` if the stream itself brought it.
    Seeded { seed: Option<Nanos> },
}

/// Where one book stands in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// Newest time heard on the stream.
    newest: Option<Nanos>,
    standing: Standing,
}

impl Default for Timestamps {
    fn default() -> Self {
        Self { newest: None, standing: Standing::Collecting { from: None, kept: Kept::default() } }
    }
}

impl Timestamps {
    /// A book of whose stream nothing was heard.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the time of the next message, [`ABSENT`] if it states none, which has so many
    /// levels.
    pub fn take(&mut self, ts: Nanos, levels: usize) -> Verdict {
        let stated = (ts != ABSENT).then_some(ts);
        let verdict = match self.standing {
            Standing::Collecting { from, kept } => self.keep(from.or(stated), kept, stated, levels),
            Standing::Seeded { seed } => self.place(seed, stated),
        };
        self.newest = self.newest.max(stated);
        verdict
    }

    fn keep(
        &mut self,
        from: Option<Nanos>,
        kept: Kept,
        stated: Option<Nanos>,
        levels: usize,
    ) -> Verdict {
        let (from, kept, verdict) = if kept.has_room_for(levels) {
            (from, kept.with(levels), Verdict::Keep)
        } else {
            (stated, Kept::default().with(levels), Verdict::KeepAlone)
        };
        self.standing = Standing::Collecting { from, kept };
        verdict
    }

    fn place(&mut self, seed: Option<Nanos>, stated: Option<Nanos>) -> Verdict {
        match (stated, self.newest) {
            (None, _) if self.caught_up() => Verdict::Same,
            (None, _) => {
                self.distrust();
                Verdict::Unplaced
            }
            (Some(ts), Some(newest)) if ts < newest => Verdict::Older { newest },
            _ if stated <= seed => Verdict::Contained,
            _ if stated == self.newest => Verdict::Same,
            _ => Verdict::Newer,
        }
    }

    /// Takes a whole book that was asked for, of the time `ts`.
    pub fn seed(&mut self, ts: Nanos) -> Seed {
        match self.standing {
            _ if ts == ABSENT => return Seed::TooOld,
            Standing::Seeded { seed } => {
                if let Some(book) = self.newest.max(seed).filter(|&book| ts < book) {
                    return Seed::Behind { book };
                }
            }
            Standing::Collecting { from, .. } if from.is_none_or(|from| from > ts) => {
                return Seed::TooOld;
            }
            // The stream goes back to where the messages kept begin.
            Standing::Collecting { kept, .. } => {
                self.newest = self.newest.filter(|_| kept == Kept::default());
            }
        }
        self.standing = Standing::Seeded { seed: Some(ts) };
        Seed::Fits
    }

    /// The stream itself sends a whole book, of the time `ts`, [`ABSENT`] if it states none.
    pub fn begin(&mut self, ts: Nanos) {
        let newest = (ts != ABSENT).then_some(ts);
        *self = Self { newest, standing: Standing::Seeded { seed: None } };
    }

    /// The book is not believed any more: a new whole book is wanted.
    pub fn distrust(&mut self) {
        if let Standing::Seeded { .. } = self.standing {
            self.standing = Standing::Collecting { from: self.newest, kept: Kept::default() };
        }
    }

    /// Time of the newest message that the book holds, if there is a whole one.
    #[must_use]
    pub fn book_time(&self) -> Option<Nanos> {
        match self.standing {
            Standing::Seeded { seed } => self.newest.max(seed),
            Standing::Collecting { .. } => None,
        }
    }

    /// Something of the stream was lost, nobody knows of when: what was kept has a hole.
    pub fn lose(&mut self) {
        self.standing = Standing::Collecting { from: None, kept: Kept::default() };
    }

    /// Whether there is a whole book and the stream has come to its time.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        match self.standing {
            Standing::Seeded { seed } => self.newest >= seed,
            Standing::Collecting { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MOST_KEPT_LEVELS;
    use super::*;

    fn take(times: &mut Timestamps, ts: Nanos) -> Verdict {
        times.take(ts, 3)
    }

    #[test]
    fn a_snapshot_is_stitched_to_the_messages_kept() {
        let mut times = Timestamps::new();
        for ts in [20, 30, 40] {
            assert_eq!(take(&mut times, ts), Verdict::Keep);
        }
        assert_eq!(times.seed(19), Seed::TooOld);
        assert_eq!(times.seed(ABSENT), Seed::TooOld);
        assert_eq!(times.book_time(), None);
        assert_eq!((times.seed(30), times.caught_up()), (Seed::Fits, false));
        assert_eq!(times.book_time(), Some(30));
        assert_eq!(take(&mut times, 20), Verdict::Contained);
        assert_eq!(take(&mut times, 30), Verdict::Contained);
        assert_eq!(take(&mut times, 40), Verdict::Newer);
        assert_eq!((times.caught_up(), times.book_time()), (true, Some(40)));
        assert_eq!(take(&mut times, 40), Verdict::Same);
        assert_eq!(take(&mut times, 39), Verdict::Older { newest: 40 });
        assert_eq!(take(&mut times, 41), Verdict::Newer);
    }

    #[test]
    fn a_snapshot_needs_a_message_from_before_it() {
        let mut times = Timestamps::new();
        assert_eq!(times.seed(50), Seed::TooOld, "nothing was heard");
        take(&mut times, ABSENT);
        assert_eq!(times.seed(50), Seed::TooOld, "nor does a message without a time prove anything");
        take(&mut times, 50);
        assert_eq!(times.seed(50), Seed::Fits);
    }

    #[test]
    fn a_snapshot_ahead_of_its_stream_waits_for_it() {
        let mut times = Timestamps::new();
        take(&mut times, 10);
        assert_eq!(times.seed(20), Seed::Fits);
        assert_eq!(take(&mut times, 10), Verdict::Contained);
        assert_eq!((take(&mut times, 15), times.caught_up()), (Verdict::Contained, false));
        assert_eq!((take(&mut times, 20), times.caught_up()), (Verdict::Contained, true));
        assert_eq!(take(&mut times, 20), Verdict::Contained, "a second one of its very time too");
        assert_eq!(take(&mut times, 21), Verdict::Newer);
    }

    #[test]
    fn a_book_of_the_stream_contains_what_came_before_it_only() {
        let mut times = Timestamps::new();
        times.begin(70);
        assert!(times.caught_up());
        assert_eq!(take(&mut times, 70), Verdict::Same);
        assert_eq!(take(&mut times, 69), Verdict::Older { newest: 70 });
        times.begin(ABSENT);
        assert!(times.caught_up());
        assert_eq!(take(&mut times, ABSENT), Verdict::Same);
        assert_eq!(take(&mut times, 5), Verdict::Newer);
    }

    #[test]
    fn a_message_without_a_time_is_applied_where_its_place_is_known() {
        let mut times = Timestamps::new();
        take(&mut times, 10);
        take(&mut times, ABSENT);
        assert_eq!(times.seed(10), Seed::Fits);
        let mut other = times;
        assert_eq!(take(&mut times, 10), Verdict::Contained);
        assert_eq!(take(&mut times, ABSENT), Verdict::Same, "the stream has reached the book");
        assert_eq!(take(&mut other, ABSENT), Verdict::Unplaced);
        assert!(!other.caught_up());
        assert_eq!(take(&mut other, 11), Verdict::Keep);
    }

    #[test]
    fn an_older_snapshot_does_not_undo_what_was_applied() {
        let mut times = Timestamps::new();
        times.begin(10);
        take(&mut times, 20);
        assert_eq!(times.seed(19), Seed::Behind { book: 20 });
        assert_eq!((times.seed(25), times.caught_up()), (Seed::Fits, false));
        assert_eq!(times.seed(24), Seed::Behind { book: 25 });
        times.distrust();
        assert_eq!(times.seed(19), Seed::TooOld, "what was applied is gone");
        assert_eq!((times.seed(20), times.caught_up()), (Seed::Fits, true));
    }

    #[test]
    fn what_is_lost_is_of_before_the_next_message() {
        let mut times = Timestamps::new();
        take(&mut times, 10);
        times.lose();
        assert_eq!(times.seed(15), Seed::TooOld, "what was lost may be of after that");
        take(&mut times, 20);
        assert_eq!((times.seed(19), times.seed(20)), (Seed::TooOld, Seed::Fits));
        times.lose();
        assert_eq!((times.caught_up(), times.seed(30)), (false, Seed::TooOld));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut times = Timestamps::new();
        assert_eq!(times.take(1, MOST_KEPT_LEVELS), Verdict::Keep);
        assert_eq!(times.take(2, 1), Verdict::KeepAlone);
        assert_eq!(times.seed(1), Seed::TooOld);
        assert_eq!(times.seed(2), Seed::Fits);
    }
}
