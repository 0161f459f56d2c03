//! Steps in the lives of opportunities, ready to be recorded, and refusals, counted.

use super::{Apart, CloseReason, Found, Leg, Phase, Refusal, RuleKind};
use crate::fixed::{Price, Qty};
use crate::time::Nanos;
use std::ops::Range;

/// A step in an opportunity's life, ready to be recorded.
#[derive(Clone, Debug)]
pub struct Step {
    /// Number of the rule, in the order rules were added.
    pub rule_id: u32,
    /// Which rule it is.
    pub rule: RuleKind,
    /// Which opportunity.
    pub id: u64,
    /// Where it is in its life.
    pub phase: Phase,
    /// Why it closed.
    pub reason: CloseReason,
    /// When it was opened.
    pub ts_open: Nanos,
    /// Size when it was opened.
    pub qty_open: Qty,
    /// Best net edge of its life.
    pub peak_edge: Price,
    /// How far apart in time the legs are.
    pub apart: Apart,
    /// The opportunity as it stands, or as it last stood.
    pub found: Found,
    /// Its legs, as a range of [`Steps::legs`].
    pub legs: Range<usize>,
}

/// Steps that happened, in order. The buffers keep their memory.
#[derive(Debug, Default)]
pub struct Steps {
    /// The steps.
    pub list: Vec<Step>,
    /// Legs of all of them.
    pub legs: Vec<Leg>,
}

impl Steps {
    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.list.clear();
        self.legs.clear();
    }

    /// The legs of a step.
    #[must_use]
    pub(crate) fn legs_of(&self, step: &Step) -> &[Leg] {
        self.legs.get(step.legs.clone()).unwrap_or_default()
    }
}

/// Counted refusals, by reason.
pub type Refusals = [u64; Refusal::NAMES.len()];
