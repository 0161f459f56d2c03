//! Answers that are kept: a rule that finds everything as it was when it was last asked gives the
//! same answer, so its walk is not made again. What the answer rests on is compared instead, which
//! costs less: touches, the levels that were looked at, fees, and whether hashes vouch.

use super::{Assessment, Direction, Leg, LegRef, Rule, Subject, View};
use crate::book::Touch;
use crate::book::side::Ladder;
use crate::event::Level;
use crate::fees::Fees;
use crate::fixed::{Price, Qty};

/// Of more levels than this one is nearly always another.
const LEVELS_MAX: usize = 32;

/// What a rule comes to besides its answer. The buffers keep their memory.
#[derive(Debug, Default)]
pub struct Walked {
    /// The legs of what was found.
    pub legs: Vec<Leg>,
    /// What the answer rests on besides the touches, leg by leg. An answer that does not say so of
    /// every leg is not kept.
    pub(super) reach: Vec<Reach>,
}

/// The part of a ladder that an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// So many of the best levels.
    Best(usize),
    /// All levels, and that there are no more.
    All,
}

/// What a rule answered last, if it is kept.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<Box<Answer>>);

#[derive(Debug)]
struct Answer {
    assessment: Assessment,
    legs: Vec<Leg>,
    /// How each leg of the subject stood; empty if there is no answer.
    stood: Vec<Stood>,
    /// The levels that were looked at, leg by leg, the best of each last.
    levels: Vec<(Price, Qty)>,
}

/// How one leg stands, its levels apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stood {
    reach: Reach,
    /// How many levels that is.
    count: usize,
    touch: Touch,
    /// Whether the venue's hash vouches for the book, and whether one can be checked.
    hashes: [bool; 2],
    fees: Option<Fees>,
    min_qty: Qty,
}

impl Kept {
    /// The last answer with the legs of what was found, if all that it rests on is as it was.
    #[inline]
    pub(super) fn answer(&self, subject: &Subject, view: &View) -> Option<(Assessment, &[Leg])> {
        let answer = self.0.as_deref().filter(|answer| answer.stands(subject, view))?;
        Some((answer.assessment, &answer.legs))
    }

    /// Keeps an answer, if it says what it rests on.
    pub(super) fn keep(
        &mut self,
        subject: &Subject,
        view: &View,
        assessment: Assessment,
        walked: &Walked,
    ) {
        if walked.reach.len() != subject.legs.len() {
            return self.clear();
        }
        let none = Answer { assessment, legs: Vec::new(), stood: Vec::new(), levels: Vec::new() };
        let answer = self.0.get_or_insert_with(|| Box::new(none));
        answer.assessment = assessment;
        answer.legs.clone_from(&walked.legs);
        answer.levels.clear();
        answer.stood.clear();
        for (&leg, &reach) in subject.legs.iter().zip(&walked.reach) {
            let Some((stood, levels)) = look(leg, reach, subject.direction, view)
                .filter(|(_, levels)| answer.levels.len() + levels.len() <= LEVELS_MAX)
            else {
                return answer.stood.clear();
            };
            answer.stood.push(stood);
            answer.levels.extend(levels.best_first().map(|level| (level.price, level.qty)));
        }
    }

    fn clear(&mut self) {
        if let Some(answer) = &mut self.0 {
            answer.stood.clear();
        }
    }
}

impl Answer {
    /// Whether there is an answer, and it would be given again.
    #[inline]
    fn stands(&self, subject: &Subject, view: &View) -> bool {
        let mut kept = &self.levels[..];
        for (&leg, before) in subject.legs.iter().zip(&self.stood) {
            let Some((now, levels)) = look(leg, before.reach, subject.direction, view) else {
                return false;
            };
            if now != *before {
                return false;
            }
            let Some((ours, others)) = kept.split_at_checked(before.count) else { return false };
            let same = |(level, kept): (&Level, &(Price, Qty))| (level.price, level.qty) == *kept;
            if !levels.best_first().zip(ours).all(same) {
                return false;
            }
            kept = others;
        }
        !self.stood.is_empty()
    }
}

/// Whether a rule gives this very answer: what tests, which run with debug assertions, hold every
/// answer to that is given again.
pub(super) fn is_given(
    rule: &dyn Rule,
    subject: &Subject,
    view: &View,
    walked: &mut Walked,
    assessment: Assessment,
    legs: &[Leg],
) -> bool {
    let given = rule.assess(subject, view, walked);
    given == assessment && (walked.legs == legs || !matches!(given, Assessment::Found(_)))
}

/// How a leg stands, and its levels as far as they are looked at. `None` where that is not all that
/// an answer rests on: the book is not shown as it is, or some of it is the user's own.
#[inline]
fn look<'a>(
    leg: LegRef,
    reach: Reach,
    direction: Direction,
    view: &View<'a>,
) -> Option<(Stood, Ladder<'a>)> {
    let sell = direction == Direction::Sell;
    let (book, about) = view.at(leg.instrument)?;
    let (touch, all) = (book.current_touch(), leg.levels_taken(book, sell));
    if touch != book.touch || !leg.own_taken(view, sell).is_empty() {
        return None;
    }
    let levels = match reach {
        Reach::Best(count) => all.without_worst(all.len().checked_sub(count)?),
        Reach::All => all,
    };
    let (count, hashes) = (levels.len(), [book.verified(), book.hash_known]);
    let (fees, min_qty) = (about.fees, about.min_qty);
    Some((Stood { reach, count, touch, hashes, fees, min_qty }, levels))
}
