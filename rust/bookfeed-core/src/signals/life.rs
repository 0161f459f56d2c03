//! The life of opportunities: open, update, close, once each; gates and counted refusals.

use super::{Assessment, CloseReason, Found, Phase, Refusal, Rule, Subject, View, apart};
use crate::fixed::{Price, Qty};
use crate::instrument::{InstrumentId, Instruments};
use crate::time::Nanos;

/// An opportunity that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    id: u64,
    ts_open: Nanos,
    qty_open: Qty,
    peak_edge: Price,
    last: Found,
}

/// One thing a rule watches, and the opportunity on it.
#[derive(Debug)]
struct Watched {
    rule: usize,
    subject: Subject,
    open: Option<Box<Open>>,
    /// Since when it would have been found, while the minimum hold lasts.
    seen_since: Option<Nanos>,
    ts_close: Option<Nanos>,
}

/// A step in an opportunity's life, ready to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Number of the rule, in the order rules were added.
    pub rule_id: u32,
    /// Which rule it is.
    pub rule: super::RuleKind,
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
    /// How far apart the legs' evidence is.
    pub skew: Nanos,
    /// The opportunity as it stands, or as it last stood.
    pub found: Found,
}

/// Counted refusals, by reason.
pub type Refusals = [u64; Refusal::NAMES.len()];

/// All rules and what they watch.
#[derive(Debug, Default)]
pub struct Signals {
    rules: Vec<Box<dyn Rule>>,
    watched: Vec<Watched>,
    by_instrument: Vec<Vec<u32>>,
    /// Whether anything that watches the instrument was open, or more than quiet, when it
    /// was last asked: then it must be asked again even though the touch has not moved.
    attentive: Vec<bool>,
    refusals: Refusals,
    next_id: u64,
    /// Opportunities that only time keeps from being opened: minimum hold, or cooldown.
    waiting: Vec<u32>,
    /// Those among them being asked again; empty between calls.
    asked: Vec<u32>,
}

impl Signals {
    /// Adds a rule; it watches all instruments there are and will be. Returns its number.
    pub fn add_rule(&mut self, rule: Box<dyn Rule>, instruments: &Instruments) -> u32 {
        self.rules.push(rule);
        let number = self.rules.len() - 1;
        for id in 0..instruments.len() {
            if let Ok(id) = InstrumentId::try_from(id) {
                self.watch(number, id, instruments);
            }
        }
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Lets every rule watch a new instrument.
    pub fn add_instrument(&mut self, added: InstrumentId, instruments: &Instruments) {
        for rule in 0..self.rules.len() {
            self.watch(rule, added, instruments);
        }
    }

    fn watch(&mut self, rule: usize, added: InstrumentId, instruments: &Instruments) {
        for subject in self.rules[rule].subjects(added, instruments) {
            let known = |w: &Watched| w.rule == rule && w.subject == subject;
            let watching = self.by_instrument.get(added as usize);
            if watching.is_some_and(|list| list.iter().any(|&i| known(&self.watched[i as usize]))) {
                continue;
            }
            let Ok(index) = u32::try_from(self.watched.len()) else { return };
            self.watched.push(Watched { rule, subject, open: None, seen_since: None, ts_close: None });
            for &id in subject.instruments() {
                let slot = id as usize;
                if self.by_instrument.len() <= slot {
                    self.by_instrument.resize_with(slot + 1, Vec::new);
                    self.attentive.resize(slot + 1, false);
                }
                self.by_instrument[slot].push(index);
            }
        }
    }

    /// Counted refusals.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The books worth a hash check before the rules that watch `id` are asked for good:
    /// those of an opportunity that would be opened, or that rests on hashes.
    #[inline]
    #[must_use]
    pub fn to_vouch(&self, id: InstrumentId, view: &View) -> Option<Subject> {
        let list = self.by_instrument.get(id as usize)?;
        let found = list.iter().map(|&i| &self.watched[i as usize]).find(|w| {
            let rule = &self.rules[w.rule];
            (w.open.is_none() || rule.rests_on_hash()) && !rule.quiet(&w.subject, view)
        })?;
        Some(found.subject)
    }

    /// Asks every rule that watches `id`, now that its book or state changed.
    #[inline]
    pub fn evaluate(&mut self, id: InstrumentId, view: &View, now: Nanos, steps: &mut Vec<Step>) {
        let count = self.by_instrument.get(id as usize).map_or(0, Vec::len);
        if count == 0 {
            return;
        }
        self.attentive[id as usize] = false;
        for i in 0..count {
            let index = self.by_instrument[id as usize][i];
            if self.evaluate_one(index, view, now, steps) {
                for &leg in self.watched[index as usize].subject.instruments() {
                    self.attentive[leg as usize] = true;
                }
            }
        }
    }

    /// Whether `id` must be asked again although its touch has not moved.
    #[inline]
    #[must_use]
    pub fn attentive(&self, id: InstrumentId) -> bool {
        self.attentive.get(id as usize).copied().unwrap_or(false)
    }

    /// Asks again about what only time kept from being opened.
    pub fn evaluate_waiting(&mut self, view: &View, now: Nanos, steps: &mut Vec<Step>) {
        std::mem::swap(&mut self.waiting, &mut self.asked);
        while let Some(index) = self.asked.pop() {
            self.evaluate_one(index, view, now, steps);
        }
    }

    /// Asks one question; `false` if it is quiet and was so before.
    #[inline]
    fn evaluate_one(&mut self, index: u32, view: &View, now: Nanos, steps: &mut Vec<Step>) -> bool {
        let watched = &self.watched[index as usize];
        let rule = &self.rules[watched.rule];
        let open = watched.open.is_some();
        let quiet = if open {
            rule.quiet_when_open(&watched.subject, view)
        } else {
            rule.quiet(&watched.subject, view)
        };
        if quiet && !open && watched.seen_since.is_none() {
            return false;
        }
        let assessment = match self.gate(watched, view, now) {
            Err(refusal) => Assessment::Refused(refusal),
            Ok(_) if quiet => Assessment::Quiet,
            Ok(skew) => {
                let assessment = rule.assess(&watched.subject, view);
                if let Assessment::Found(found) = assessment {
                    self.found(index, found, skew, now, steps);
                    return true;
                }
                assessment
            }
        };
        if let Assessment::Refused(refusal) = assessment
            && !quiet
        {
            self.refusals[refusal as usize] += 1;
        }
        self.gone(index, assessment, now, steps);
        true
    }

    /// The gates that all rules share; gives the skew between the legs.
    fn gate(&self, watched: &Watched, view: &View, now: Nanos) -> Result<Nanos, Refusal> {
        let gates = self.rules[watched.rule].gates();
        let mut skew = 0;
        let mut first = None;
        for &id in watched.subject.instruments() {
            let (book, _) = view.at(id).ok_or(Refusal::NotLive)?;
            if !book.believable() {
                return Err(Refusal::NotLive);
            }
            let age = apart(now, book.ts_evidence).ok_or(Refusal::Age)?;
            if age > gates.max_age {
                return Err(Refusal::Age);
            }
            if let Some(other) = first.replace(book.ts_evidence) {
                skew = apart(other, book.ts_evidence).unwrap_or(Nanos::MAX);
            }
        }
        if skew > gates.max_skew { Err(Refusal::Skew) } else { Ok(skew) }
    }

    fn found(&mut self, index: u32, found: Found, skew: Nanos, now: Nanos, steps: &mut Vec<Step>) {
        let watched = &self.watched[index as usize];
        let gates = *self.rules[watched.rule].gates();
        if let Some(open) = watched.open.as_deref().copied() {
            if open.last != found {
                let peak_edge = open.peak_edge.max(found.net_edge);
                let open = Open { last: found, peak_edge, ..open };
                self.watched[index as usize].open = Some(Box::new(open));
                steps.push(self.step(index, &open, Phase::Update, CloseReason::None, skew));
            }
            return;
        }
        let since = watched.seen_since.unwrap_or(now);
        self.watched[index as usize].seen_since = Some(since);
        if now.saturating_sub(since) < gates.min_hold {
            self.refusals[Refusal::Hold as usize] += 1;
            self.ask_later(index);
            return;
        }
        let closed = self.watched[index as usize].ts_close;
        if closed.is_some_and(|ts| now.saturating_sub(ts) < gates.cooldown) {
            self.refusals[Refusal::Cooldown as usize] += 1;
            self.ask_later(index);
            return;
        }
        self.next_id += 1;
        let open = Open {
            id: self.next_id,
            ts_open: now,
            qty_open: found.qty,
            peak_edge: found.net_edge,
            last: found,
        };
        self.watched[index as usize].open = Some(Box::new(open));
        steps.push(self.step(index, &open, Phase::Open, CloseReason::None, skew));
    }

    fn ask_later(&mut self, index: u32) {
        if !self.waiting.contains(&index) {
            self.waiting.push(index);
        }
    }

    /// The opportunity is not there: closes it if it was open.
    fn gone(&mut self, index: u32, assessment: Assessment, now: Nanos, steps: &mut Vec<Step>) {
        self.watched[index as usize].seen_since = None;
        let Some(open) = self.watched[index as usize].open.take() else { return };
        self.watched[index as usize].ts_close = Some(now);
        let reason = match assessment {
            Assessment::Quiet | Assessment::Refused(Refusal::Fees) => CloseReason::Edge,
            Assessment::Refused(Refusal::NotLive) => CloseReason::NotLive,
            Assessment::Refused(Refusal::Age) => CloseReason::Age,
            Assessment::Refused(Refusal::Skew) => CloseReason::Skew,
            Assessment::Refused(Refusal::MinQty) => CloseReason::MinQty,
            Assessment::Refused(_) | Assessment::Found(_) => CloseReason::Refused,
        };
        steps.push(self.step(index, &open, Phase::Close, reason, 0));
    }

    fn step(&self, index: u32, open: &Open, phase: Phase, reason: CloseReason, skew: Nanos) -> Step {
        let rule = self.watched[index as usize].rule;
        Step {
            rule_id: u32::try_from(rule).unwrap_or(u32::MAX),
            rule: self.rules[rule].kind(),
            id: open.id,
            phase,
            reason,
            ts_open: open.ts_open,
            qty_open: open.qty_open,
            peak_edge: open.peak_edge,
            skew,
            found: open.last,
        }
    }

    /// Re-examines every open opportunity, so that one whose evidence ages while nothing
    /// comes in is closed.
    pub fn evaluate_open(&mut self, view: &View, now: Nanos, steps: &mut Vec<Step>) {
        for index in 0..self.watched.len() {
            if self.watched[index].open.is_some()
                && let Ok(index) = u32::try_from(index)
            {
                self.evaluate_one(index, view, now, steps);
            }
        }
    }
}
