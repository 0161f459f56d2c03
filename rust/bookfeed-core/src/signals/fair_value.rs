//! Fair value rule: a contract can be bought, through depth and fees, for less than it is worth by
//! its reference, whatever the doubts about that allow. Either side of it: YES below the least
//! probability, or NO below what is left of the greatest. The delay rule finds the same, but only
//! while the book has not answered a move of the reference for some time.

use super::bundle::{self, Limits};
use super::kept::Walked;
use super::{
    Assessment, Direction, Gates, LegRef, ParamReader, Params, ReferenceAge, Refusal, Rule, RuleError,
    RuleKind, Subject, View,
};
use crate::fairvalue::FairValue;
use crate::fixed::{ABSENT, PRICE_ONE, Price, Qty};
use crate::instrument::{InstrumentId, Instruments};
use crate::time::{MILLISECOND, Nanos};

/// How long a book has not answered, unless it is said otherwise.
const WAIT: Nanos = 300 * MILLISECOND;

/// The least that a leg is worth.
const fn least(fair: &FairValue, leg: LegRef) -> Price {
    if leg.complement { PRICE_ONE - fair.high } else { fair.low }
}

/// The rule and its limits.
#[derive(Debug)]
pub struct FairValueRule {
    limits: Limits,
    gates: Gates,
    /// How long a book must not have answered a move, if it must not.
    wait: Option<Nanos>,
}

impl FairValueRule {
    /// The rule from its parameters: `min_edge`, `max_qty`, `max_reference_age_ms`, and the common
    /// gates.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn new(params: &Params) -> Result<Self, RuleError> {
        Self::read(ParamReader::new("fair_value", params), None)
    }

    /// The delay rule, which has `min_wait_ms` as well.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_delay(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("delay", params);
        let wait = reader.millis("min_wait_ms", WAIT)?;
        Self::read(reader, Some(wait))
    }

    fn read(mut reader: ParamReader, wait: Option<Nanos>) -> Result<Self, RuleError> {
        let min_edge = reader.decimal::<9>("min_edge", Some(1))?.max(1);
        let max_qty = reader.decimal::<8>("max_qty", Some(Qty::MAX))?;
        let max_reference_age = match reader.millis("max_reference_age_ms", ABSENT)? {
            ABSENT => ReferenceAge::Usual,
            given => ReferenceAge::AtMost(given),
        };
        let gates = Gates { max_reference_age, ..reader.gates(false, 0)? };
        reader.finish()?;
        let limits = Limits { min_edge, min_qty: gates.min_qty, max_qty };
        Ok(Self { limits, gates, wait })
    }

    /// The leg of a subject, and what its contract is worth, if that is known and its book is as
    /// late as the rule asks for.
    #[inline]
    fn fair_of<'a>(&self, subject: &Subject, view: &View<'a>) -> Option<(LegRef, &'a FairValue)> {
        let [leg] = *subject.legs else { return None };
        let worth = view.worths.get(leg.instrument as usize)?;
        if let Some(wait) = self.wait {
            let waiting = worth.waiting.filter(|w| w.up != leg.complement && w.waited >= wait)?;
            let book = view.books.get(leg.instrument as usize)?;
            if !waiting.stands(&book.touch) {
                return None;
            }
        }
        Some((leg, worth.fair.as_ref()?))
    }
}

impl Rule for FairValueRule {
    fn kind(&self) -> RuleKind {
        if self.wait.is_some() { RuleKind::Delay } else { RuleKind::FairValue }
    }

    fn gates(&self) -> &Gates {
        &self.gates
    }

    fn rests_on_reference(&self) -> bool {
        true
    }

    fn subjects(&self, added: InstrumentId, instruments: &Instruments) -> Vec<Subject> {
        let pays = instruments.at(added).is_some_and(|about| about.payout.is_some());
        let sides = if pays { &[false, true][..] } else { &[] };
        let subject = |&complement: &bool| Subject {
            legs: Box::new([LegRef { instrument: added, complement }]),
            direction: Direction::Buy,
            payout: 0,
        };
        sides.iter().map(subject).collect()
    }

    fn quiet(&self, subject: &Subject, view: &View) -> bool {
        let Some((leg, fair)) = self.fair_of(subject, view) else { return true };
        let edge = bundle::touch_edge(subject, view).map(|edge| edge + least(fair, leg));
        edge.is_none_or(|edge| edge < self.limits.min_edge)
    }

    fn assess(&self, subject: &Subject, view: &View, walked: &mut Walked) -> Assessment {
        let Some((leg, fair)) = self.fair_of(subject, view) else { return Assessment::Quiet };
        if bundle::overlaps(subject, view) {
            return Assessment::Refused(Refusal::Crossed);
        }
        let worth = Subject { payout: least(fair, leg), ..subject.clone() };
        let assessment = bundle::assess(&worth, view, &self.limits, walked);
        // It rests on the reference as well, which says nothing of when it changes.
        walked.reach.clear();
        assessment
    }
}
