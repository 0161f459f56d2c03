//! The life of opportunities: open, update, close, once each.

use super::confirm::Seen;
use super::gates::{self, Apart, Extent};
use super::kept::{self, Kept, Walked};
use super::polarity::{Reading, Score};
use super::steps::{Refusals, Step, Steps};
use super::waiting::{Queue, Until};
use super::{Assessment, CloseReason, Found, Leg, Phase, Refusal, Rule, Subject, View};
use crate::fixed::{ABSENT, Price, Qty};
use crate::instrument::{InstrumentId, Instruments, Venue};
use crate::sequence::stream::StreamId;
use crate::time::{MILLISECOND, Nanos};
use std::collections::{BTreeSet, HashMap};

/// How far apart in venue time two venues may have been heard of for their prices to be compared.
const READING_LAG_MAX: Nanos = 250 * MILLISECOND;

/// An opportunity that is open.
#[derive(Clone, Debug)]
struct Open {
    id: u64,
    ts_open: Nanos,
    qty_open: Qty,
    peak_edge: Price,
    last: Found,
    legs: Vec<Leg>,
}

/// One thing a rule watches, and the opportunity on it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) rule: usize,
    pub(super) subject: Subject,
    open: Option<Box<Open>>,
    /// What was seen of it since it was first found, while something keeps it from being opened.
    seen: Option<Seen>,
    ts_close: Option<Nanos>,
    /// Whether the two legs have been seen to move together, where that is asked.
    polarity: Score,
    /// Why it was refused when it was last asked, if it was.
    refused: Option<Refusal>,
    /// What the rule answered last.
    kept: Kept,
    /// Whether the touches alone ruled it out when it was last asked: they do so until one moves.
    asleep: bool,
}

impl Watched {
    pub(super) fn new(rule: usize, subject: Subject) -> Self {
        Self {
            rule,
            subject,
            open: None,
            seen: None,
            ts_close: None,
            polarity: Score::default(),
            refused: None,
            kept: Kept::default(),
            asleep: false,
        }
    }
}

/// Which touches a message moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// That of the book that is asked about.
    Own,
    /// Another's, or none and something else happened.
    Other,
    /// None: it changed what lies behind them.
    Nothing,
}

/// All rules and what they watch.
#[derive(Debug, Default)]
pub struct Signals {
    pub(super) rules: Vec<Box<dyn Rule>>,
    /// Numbers of the rules that may be about any instrument.
    pub(super) about_any: Vec<usize>,
    /// Numbers of the others, by the instruments they name: there may be very many.
    pub(super) about: HashMap<(Venue, Box<str>), Vec<usize>>,
    pub(super) watched: Vec<Watched>,
    /// Places in `watched` where nothing is watched any more.
    pub(super) vacant: Vec<u32>,
    pub(super) by_instrument: Vec<Vec<u32>>,
    /// Whether anything that watches the instrument was open, or more than quiet, when it
    /// was last asked: then it must be asked again even though the touch has not moved.
    pub(super) attentive: Vec<bool>,
    /// Numbers of those of `watched` that are open.
    pub(super) opened: BTreeSet<u32>,
    /// Of each rule.
    refusals: Vec<Refusals>,
    next_id: u64,
    /// Opportunities that are kept from being opened, until when, and by what.
    pub(super) queue: Queue,
    /// What of them is due, while it is asked about.
    due: Vec<(u64, u32)>,
    /// What the last answer came with.
    walked: Walked,
    /// Whether what is refused is asked about at every frame, though nothing changed for it, and
    /// no answer is kept: what tests hold the usual way to.
    always: bool,
}

impl Signals {
    /// No rules yet; `always` if what is refused is asked about at every frame.
    #[must_use]
    pub fn new(always: bool) -> Self {
        Self { always, ..Self::default() }
    }

    /// Adds a rule; it watches all instruments there are and will be. Returns its number.
    pub fn add_rule(&mut self, rule: Box<dyn Rule>, instruments: &Instruments) -> u32 {
        let number = self.rules.len();
        let known: Vec<InstrumentId> = match rule.named() {
            Some(named) => {
                for &(venue, symbol) in &named {
                    self.about.entry((venue, symbol.into())).or_default().push(number);
                }
                let find = |(venue, symbol): (Venue, &str)| instruments.find(venue, symbol.as_bytes());
                named.into_iter().filter_map(find).collect()
            }
            None => {
                self.about_any.push(number);
                instruments.ids()
            }
        };
        self.rules.push(rule);
        self.refusals.push(Refusals::default());
        for id in known {
            self.watch(number, id, instruments);
            if let Some(attentive) = self.attentive.get_mut(id as usize) {
                // Books that stand already are news to it, whether they move or not.
                *attentive = true;
            }
        }
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Lets every rule that it may concern watch a new instrument.
    pub(crate) fn add_instrument(&mut self, added: InstrumentId, instruments: &Instruments) {
        let Some(about) = instruments.at(added) else { return };
        let mut rules = self.about_any.clone();
        rules.extend(self.about.get(&(about.venue, about.symbol.clone())).into_iter().flatten());
        rules.sort_unstable();
        for rule in rules {
            self.watch(rule, added, instruments);
        }
    }

    fn watch(&mut self, rule: usize, added: InstrumentId, instruments: &Instruments) {
        for subject in self.rules[rule].subjects(added, instruments) {
            let known = |w: &Watched| w.rule == rule && w.subject == subject;
            // Not every subject of a rule has a leg on the instrument that was added.
            let first = subject.instruments().next().unwrap_or(added);
            let watching = self.by_instrument.get(first as usize);
            if watching.is_some_and(|list| list.iter().any(|&i| known(&self.watched[i as usize]))) {
                continue;
            }
            let next = self.vacant.pop().or_else(|| u32::try_from(self.watched.len()).ok());
            let Some(index) = next else { return };
            for id in subject.instruments() {
                let slot = id as usize;
                if self.by_instrument.len() <= slot {
                    self.by_instrument.resize_with(slot + 1, Vec::new);
                    self.attentive.resize(slot + 1, false);
                }
                self.by_instrument[slot].push(index);
            }
            let fresh = Watched::new(rule, subject);
            match self.watched.get_mut(index as usize) {
                Some(vacant) => *vacant = fresh,
                None => self.watched.push(fresh),
            }
        }
    }

    /// Refusals of all rules together.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        let mut all = Refusals::default();
        for one in &self.refusals {
            for (sum, n) in all.iter_mut().zip(one) {
                *sum += n;
            }
        }
        all
    }

    /// Refusals of one rule, if there is such a rule.
    #[must_use]
    pub fn refusals_of(&self, rule: u32) -> Option<&Refusals> {
        self.refusals.get(rule as usize)
    }

    /// The instruments worth a hash check before the rules that watch `id` are asked for good:
    /// those of opportunities that would be opened, or that rest on hashes.
    #[inline]
    pub(crate) fn to_vouch(&self, id: InstrumentId, view: &View, into: &mut Vec<InstrumentId>) {
        let Some(list) = self.by_instrument.get(id as usize) else { return };
        for &index in list {
            let watched = &self.watched[index as usize];
            let rule = &self.rules[watched.rule];
            if (watched.open.is_none() || rule.rests_on_hash() || rule.gates().proof)
                && !rule.quiet(&watched.subject, view)
            {
                into.extend(watched.subject.instruments());
            }
        }
    }

    /// Asks every rule that watches `id`, now that its book, its state or its market changed.
    #[inline]
    pub fn evaluate(
        &mut self,
        id: InstrumentId,
        moves: Moves,
        view: &View,
        now: Nanos,
        steps: &mut Steps,
    ) {
        let count = self.by_instrument.get(id as usize).map_or(0, Vec::len);
        if count == 0 {
            return;
        }
        self.attentive[id as usize] = false;
        for i in 0..count {
            let index = self.by_instrument[id as usize][i];
            match moves {
                Moves::Own => self.read_polarity(index, view, now),
                Moves::Nothing if self.watched[index as usize].asleep && !self.always => continue,
                Moves::Other | Moves::Nothing => {}
            }
            self.ask(index, view, now, steps);
        }
    }

    /// Asks one question, of which there is news.
    #[inline]
    fn ask(&mut self, index: u32, view: &View, now: Nanos, steps: &mut Steps) {
        let (rested, puts) = (self.queue.rests(index), self.queue.puts());
        let awake = self.evaluate_one(index, false, view, now, steps);
        let Self { watched, attentive, .. } = self;
        let watched = &mut watched[index as usize];
        watched.asleep = !awake;
        if awake {
            for leg in watched.subject.instruments() {
                attentive[leg as usize] = true;
            }
        }
        if rested && self.queue.puts() == puts {
            // It was not refused again.
            self.queue.stir(index);
        }
    }

    /// Asks the rules that rest on what the contract of `id` is worth, which is news.
    pub(crate) fn evaluate_worth(
        &mut self,
        id: InstrumentId,
        view: &View,
        now: Nanos,
        steps: &mut Steps,
    ) {
        let count = self.by_instrument.get(id as usize).map_or(0, Vec::len);
        for i in 0..count {
            let index = self.by_instrument[id as usize][i];
            if self.rules[self.watched[index as usize].rule].rests_on_reference() {
                self.ask(index, view, now, steps);
            }
        }
    }

    #[inline]
    fn read_polarity(&mut self, index: u32, view: &View, now: Nanos) {
        let watched = &mut self.watched[index as usize];
        if !self.rules[watched.rule].checks_polarity() || !watched.polarity.due(now) {
            return;
        }
        // While one of the venues is behind, the prices are not of one time.
        let mut heard = Extent::default();
        for id in watched.subject.instruments() {
            if !view.is_timeless(id) {
                heard.take(view.ts_heard(id));
            }
        }
        let width = heard.known_width();
        if width != ABSENT
            && width <= READING_LAG_MAX
            && let Some(reading) = Reading::of(&watched.subject, view)
        {
            watched.polarity.take(reading, now);
        }
    }

    /// Whether `id` must be asked again although its touch has not moved.
    #[inline]
    #[must_use]
    pub(crate) fn attentive(&self, id: InstrumentId) -> bool {
        self.attentive.get(id as usize).copied().unwrap_or(false)
    }

    /// Whether something that waits is to be asked again by now.
    #[inline]
    #[must_use]
    pub(crate) fn due(&self, now: Nanos) -> bool {
        self.queue.due(now)
    }

    /// Asks again about what was kept from being opened, as far as it is due.
    pub(crate) fn evaluate_waiting(&mut self, view: &View, now: Nanos, steps: &mut Steps) {
        let mut due = std::mem::take(&mut self.due);
        self.queue.take_due(now, &mut due);
        for (place, index) in due.drain(..) {
            self.evaluate_one(index, true, view, now, steps);
            self.queue.keep_place(index, place);
        }
        self.due = due;
    }

    /// A book, or what is known of its market, may be another one: refusals that rest on it are
    /// looked at again.
    #[inline]
    pub(crate) fn stir(&mut self, id: InstrumentId) {
        if !self.queue.none_rests()
            && let Some(list) = self.by_instrument.get(id as usize)
        {
            list.iter().for_each(|&index| self.queue.stir(index));
        }
    }

    /// A book's new touch was taken back: whoever was asked meanwhile may have seen it.
    pub(crate) fn take_back(&mut self, id: InstrumentId) {
        self.stir(id);
        for &index in self.by_instrument.get(id as usize).into_iter().flatten() {
            self.watched[index as usize].asleep = false;
        }
    }

    /// All refusals are looked at again.
    #[inline]
    pub(crate) fn stir_all(&mut self) {
        self.queue.stir_all();
    }

    /// Whether any refusal rests on what is heard.
    #[inline]
    #[must_use]
    pub(crate) fn rest(&self) -> bool {
        !self.queue.none_rests()
    }

    /// A message was heard on a connection, and on a numbered stream, if there is one.
    pub(crate) fn hear(&mut self, view: &View, conn: u32, stream: StreamId) {
        let queue = &mut self.queue;
        let connection = view.connections.get(conn as usize).and_then(Option::as_ref);
        let of_stream = view.streams.at(stream).is_some_and(|s| queue.streams.stream_passes(stream, s));
        let of_connection = connection.is_some_and(|c| queue.connections.connection_passes(conn, c));
        if !(of_stream || of_connection) {
            return;
        }
        let watched = &self.watched;
        let rests_on_it = |&index: &u32| {
            watched[index as usize].subject.instruments().filter_map(|id| view.at(id)).any(
                |(book, about)| {
                    of_stream && book.stream == stream || of_connection && about.conn == conn
                },
            )
        };
        let concerned: Vec<u32> = queue.resting().iter().copied().filter(rests_on_it).collect();
        concerned.into_iter().for_each(|index| queue.stir(index));
    }

    /// Asks one question; `false` if it is quiet and was so before. `again` if it has only
    /// waited since it was last asked.
    #[inline]
    fn evaluate_one(
        &mut self,
        index: u32,
        again: bool,
        view: &View,
        now: Nanos,
        steps: &mut Steps,
    ) -> bool {
        let watched = &self.watched[index as usize];
        let rule = &self.rules[watched.rule];
        let open = watched.open.is_some();
        let quiet = if open {
            rule.quiet_when_open(&watched.subject, view)
        } else {
            rule.quiet(&watched.subject, view)
        };
        if quiet && !open && watched.seen.is_none() {
            self.watched[index as usize].refused = None;
            return false;
        }
        let assessment = match self.gate(watched, view, now) {
            Err(refusal) => Assessment::Refused(refusal),
            Ok(_) if quiet => Assessment::Quiet,
            Ok(apart) => {
                let assessment = self.assess(index, view);
                if let Assessment::Found(found) = assessment {
                    self.found(index, again, found, apart, view, now, steps);
                    return true;
                }
                assessment
            }
        };
        match assessment {
            Assessment::Refused(refusal) if !quiet => self.refuse(index, refusal, again, view, now),
            _ => self.watched[index as usize].refused = None,
        }
        self.gone(index, assessment, now, steps);
        true
    }

    /// A rule's full answer: the last one, if that still stands.
    #[inline]
    fn assess(&mut self, index: u32, view: &View) -> Assessment {
        let Self { watched, rules, walked, always, .. } = self;
        let Watched { rule, subject, kept, .. } = &mut watched[index as usize];
        if let Some((assessment, legs)) = kept.answer(subject, view) {
            debug_assert!(kept::is_given(&*rules[*rule], subject, view, walked, assessment, legs));
            walked.legs.clear();
            walked.legs.extend_from_slice(legs);
            return assessment;
        }
        walked.reach.clear();
        let assessment = rules[*rule].assess(subject, view, walked);
        if !*always {
            kept.keep(subject, view, assessment, walked);
        }
        assessment
    }

    /// The gates that come before what a rule finds; gives how far apart the legs are.
    #[inline]
    fn gate(&self, watched: &Watched, view: &View, now: Nanos) -> Result<Apart, Refusal> {
        let rule = &*self.rules[watched.rule];
        let apart = gates::pass(rule, &watched.subject, watched.open.is_none(), view, now)?;
        if rule.checks_polarity() && !watched.polarity.trusted() {
            return Err(Refusal::Polarity);
        }
        Ok(apart)
    }

    /// Counts a refusal, unless it only waits for the same reason as before, and has it asked
    /// again if time or other messages may lift it.
    fn refuse(&mut self, index: u32, refusal: Refusal, again: bool, view: &View, now: Nanos) {
        let Self { watched, rules, queue, .. } = self;
        let watched = &mut watched[index as usize];
        let known = watched.refused.replace(refusal) == Some(refusal);
        if !(again && known) {
            self.refusals[watched.rule][refusal as usize] += 1;
        }
        if !matches!(
            refusal,
            Refusal::Age
                | Refusal::Skew
                | Refusal::Lag
                | Refusal::Status
                | Refusal::Unconfirmed
                | Refusal::Unproven
        ) {
            return;
        }
        // What is open is closed by this, and is asked otherwise then.
        let until = if watched.open.is_some() || self.always {
            Until::Next
        } else {
            queue.rouse(index);
            let gates = rules[watched.rule].gates();
            if let (Refusal::Unconfirmed, Some(seen)) = (refusal, &watched.seen) {
                seen.keep(&watched.subject, view, queue);
            }
            Until::News(gates::stands(gates, &watched.subject, refusal, view, now, queue))
        };
        queue.put(index, until, now);
    }

    #[allow(clippy::too_many_arguments)] // what one question has come to, taken apart
    fn found(
        &mut self,
        index: u32,
        again: bool,
        found: Found,
        apart: Apart,
        view: &View,
        now: Nanos,
        steps: &mut Steps,
    ) {
        let watched = &mut self.watched[index as usize];
        if let Some(open) = watched.open.as_deref_mut() {
            if open.last != found || open.legs != self.walked.legs {
                open.peak_edge = open.peak_edge.max(found.net_edge);
                open.last = found;
                open.legs.clone_from(&self.walked.legs);
                self.push_step(index, Phase::Update, CloseReason::None, apart, steps);
            }
            return;
        }
        let gates = *self.rules[watched.rule].gates();
        let seen = watched.seen.get_or_insert_with(|| Seen::first(&watched.subject, view, now));
        if gates.confirm && !seen.confirms(&watched.subject, view) {
            return self.refuse(index, Refusal::Unconfirmed, again, view, now);
        }
        let hold_ends = seen.since.saturating_add(gates.min_hold);
        if now < hold_ends {
            self.refuse(index, Refusal::Hold, again, view, now);
            return self.queue.put(index, Until::Time(hold_ends), now);
        }
        let cooled = watched.ts_close.map_or(now, |ts| ts.saturating_add(gates.cooldown));
        if now < cooled {
            self.refuse(index, Refusal::Cooldown, again, view, now);
            return self.queue.put(index, Until::Time(cooled), now);
        }
        watched.refused = None;
        self.next_id += 1;
        watched.open = Some(Box::new(Open {
            id: self.next_id,
            ts_open: now,
            qty_open: found.qty,
            peak_edge: found.net_edge,
            last: found,
            legs: self.walked.legs.clone(),
        }));
        self.opened.insert(index);
        self.push_step(index, Phase::Open, CloseReason::None, apart, steps);
    }

    /// Closes an opportunity, if it is open.
    pub(super) fn close(&mut self, index: u32, reason: CloseReason, steps: &mut Steps) {
        self.push_step(index, Phase::Close, reason, Apart::default(), steps);
        self.watched[index as usize].open = None;
        self.opened.remove(&index);
    }

    /// The opportunity is not there: closes it if it was open.
    fn gone(&mut self, index: u32, assessment: Assessment, now: Nanos, steps: &mut Steps) {
        let watched = &mut self.watched[index as usize];
        watched.seen = None;
        if watched.open.is_none() {
            return;
        }
        watched.ts_close = Some(now);
        let reason = match assessment {
            Assessment::Quiet | Assessment::Refused(Refusal::Fees) => CloseReason::Edge,
            Assessment::Refused(Refusal::NotLive) => CloseReason::NotLive,
            Assessment::Refused(Refusal::Age) => CloseReason::Age,
            Assessment::Refused(Refusal::Skew) => CloseReason::Skew,
            Assessment::Refused(Refusal::Lag) => CloseReason::Lag,
            Assessment::Refused(Refusal::Status) => CloseReason::Status,
            Assessment::Refused(Refusal::Closing) => CloseReason::Closing,
            Assessment::Refused(Refusal::Polarity) => CloseReason::Polarity,
            Assessment::Refused(Refusal::MinQty) => CloseReason::MinQty,
            Assessment::Refused(_) | Assessment::Found(_) => CloseReason::Refused,
        };
        self.close(index, reason, steps);
    }

    fn push_step(&self, index: u32, phase: Phase, reason: CloseReason, apart: Apart, steps: &mut Steps) {
        let watched = &self.watched[index as usize];
        let Some(open) = watched.open.as_deref() else { return };
        let start = steps.legs.len();
        steps.legs.extend_from_slice(&open.legs);
        steps.list.push(Step {
            rule_id: u32::try_from(watched.rule).unwrap_or(u32::MAX),
            rule: self.rules[watched.rule].kind(),
            id: open.id,
            phase,
            reason,
            ts_open: open.ts_open,
            qty_open: open.qty_open,
            peak_edge: open.peak_edge,
            apart,
            found: open.last,
            legs: start..steps.legs.len(),
        });
    }

    /// Re-examines every open opportunity, so that one whose evidence ages while nothing
    /// comes in is closed.
    pub(crate) fn evaluate_open(&mut self, view: &View, now: Nanos, steps: &mut Steps) {
        let mut next = 0;
        while let Some(&index) = self.opened.range(next..).next() {
            self.evaluate_one(index, false, view, now, steps);
            next = index + 1;
        }
    }
}
