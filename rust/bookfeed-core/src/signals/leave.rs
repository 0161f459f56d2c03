//! Rules and instruments that go: nothing is asked about them any more, and their memory is free.

use super::kept::Walked;
use super::life::{Signals, Watched};
use super::steps::Steps;
use super::{Assessment, CloseReason, Direction, Gates, Rule, RuleKind, Subject, View};
use crate::instrument::{InstrumentId, Instruments, Venue};

/// Stands where a rule was, so that the others keep their numbers.
#[derive(Debug)]
struct Gone;

impl Rule for Gone {
    fn kind(&self) -> RuleKind {
        RuleKind::Spread
    }

    fn gates(&self) -> &Gates {
        &Gates::NONE
    }

    fn named(&self) -> Option<Vec<(Venue, &str)>> {
        Some(Vec::new())
    }

    fn subjects(&self, _added: InstrumentId, _instruments: &Instruments) -> Vec<Subject> {
        Vec::new()
    }

    fn quiet(&self, _subject: &Subject, _view: &View) -> bool {
        true
    }

    fn assess(&self, _subject: &Subject, _view: &View, _walked: &mut Walked) -> Assessment {
        Assessment::Quiet
    }

    fn is_gone(&self) -> bool {
        true
    }
}

/// The number of no rule.
const NO_RULE: usize = usize::MAX;

impl Signals {
    /// Gives a rule up, and closes what is open of it; `false` if there is none of that number.
    pub(crate) fn remove_rule(&mut self, rule: u32, steps: &mut Steps) -> bool {
        let number = rule as usize;
        if self.rules.get(number).is_none_or(|rule| rule.is_gone()) {
            return false;
        }
        for index in 0..self.watched.len() {
            if self.watched[index].rule == number
                && let Ok(index) = u32::try_from(index)
            {
                self.close(index, CloseReason::Removed, steps);
                self.watch_no_more(index);
            }
        }
        self.about_any.retain(|&other| other != number);
        self.about.retain(|_, rules| {
            rules.retain(|&other| other != number);
            !rules.is_empty()
        });
        self.rules[number] = Box::new(Gone);
        true
    }

    /// Lets go of an instrument. Its book was given up before, so nothing of it is open.
    pub(crate) fn forget(&mut self, id: InstrumentId) {
        let Some(watching) = self.by_instrument.get_mut(id as usize) else { return };
        for index in std::mem::take(watching) {
            self.watch_no_more(index);
        }
        self.attentive[id as usize] = false;
    }

    fn watch_no_more(&mut self, index: u32) {
        let nothing = Subject { legs: Box::default(), direction: Direction::None, payout: 0 };
        let nothing = Watched::new(NO_RULE, nothing);
        let gone = std::mem::replace(&mut self.watched[index as usize], nothing);
        if gone.rule == NO_RULE {
            return; // two of its legs are on one instrument
        }
        for id in gone.subject.instruments() {
            self.by_instrument[id as usize].retain(|&other| other != index);
        }
        self.queue.forget(index);
        self.opened.remove(&index);
        self.vacant.push(index);
    }
}
