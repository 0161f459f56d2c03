//! Complement rule: both outcomes of a binary market together cost less than one to buy, or
//! bring more than one when sold, net of that market's fees, walked through both ladders to
//! the size where the marginal net edge falls to the threshold.
//!
//! The two books of a market mirror each other, so this hardly ever happens in truth: seen,
//! it is a torn book first and an opportunity second. It is refused unless the books mirror
//! each other at their touches or the venue's own hashes vouch for both.

use super::bundle::{self, Limits};
use super::kept::Walked;
use super::{
    Assessment, Direction, Gates, LegRef, ParamReader, Params, Refusal, Rule, RuleError, RuleKind,
    Subject, View,
};
use crate::book::Book;
use crate::fixed::{PRICE_ONE, Price, Qty};
use crate::instrument::{InstrumentId, Instruments};

/// The rule and its threshold.
#[derive(Debug)]
pub struct ComplementRule {
    limits: Limits,
    gates: Gates,
}

impl ComplementRule {
    /// The rule from its parameters: `min_edge` (price units), and the common gates.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn new(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("complement", params);
        let min_edge = reader.decimal::<9>("min_edge", Some(1))?;
        let gates = reader.gates(false, 0)?;
        reader.finish()?;
        let limits = Limits { min_edge: min_edge.max(1), min_qty: gates.min_qty, max_qty: Qty::MAX };
        Ok(Self { limits, gates })
    }
}

/// Whether two books of a market mirror each other at their touches.
#[inline]
#[must_use]
pub fn mirrored(a: &Book, b: &Book) -> bool {
    let flip = |best: Option<(Price, Qty)>| best.map(|(price, qty)| (PRICE_ONE - price, qty));
    a.bids.best() == flip(b.asks.best()) && a.asks.best() == flip(b.bids.best())
}

impl Rule for ComplementRule {
    fn kind(&self) -> RuleKind {
        RuleKind::Complement
    }

    fn gates(&self) -> &Gates {
        &self.gates
    }

    fn subjects(&self, added: InstrumentId, instruments: &Instruments) -> Vec<Subject> {
        let Some(sibling) = instruments.at(added).and_then(|i| i.sibling) else { return Vec::new() };
        let legs = [sibling.min(added), sibling.max(added)].map(LegRef::own);
        [Direction::Buy, Direction::Sell]
            .map(|direction| Subject { legs: legs.into(), direction, payout: PRICE_ONE })
            .into()
    }

    fn rests_on_hash(&self) -> bool {
        true
    }

    fn quiet(&self, subject: &Subject, view: &View) -> bool {
        bundle::touch_edge(subject, view).is_none_or(|edge| edge < self.limits.min_edge)
    }

    fn assess(&self, subject: &Subject, view: &View, walked: &mut Walked) -> Assessment {
        let [a, b] = &*subject.legs else { return Assessment::Quiet };
        let (Some((a, _)), Some((b, _))) = (view.at(a.instrument), view.at(b.instrument)) else {
            return Assessment::Quiet;
        };
        if a.crossed() || b.crossed() {
            return Assessment::Refused(Refusal::Crossed);
        }
        let vouched = a.verified() && b.verified();
        if !vouched && !mirrored(a, b) {
            let hashed = a.hash_known && b.hash_known;
            return Assessment::Refused(if hashed { Refusal::Hash } else { Refusal::Torn });
        }
        bundle::assess(subject, view, &self.limits, walked)
    }
}
