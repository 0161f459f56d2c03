//! The gates that all rules share: whether the legs of an opportunity may be believed and traded
//! now, and until when the answer stands.

use super::waiting::{Bounds, Queue};
use super::{Refusal, Rule, Subject, View, apart, stands_by_itself};
use crate::book::proof::vouched_by_venue;
use crate::fixed::{ABSENT, Qty};
use crate::instrument::{InstrumentId, MarketStatus};
use crate::time::Nanos;

/// Gates common to all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// Oldest evidence a leg may rest on.
    pub(crate) max_age: Nanos,
    /// How far apart in time the legs' evidence may be.
    pub(crate) max_skew: Nanos,
    /// How much later one leg's venue may be heard of than another's; 0 for any.
    pub max_lag: Nanos,
    /// Whether the legs' books must be known to have stood so at one time.
    pub confirm: bool,
    /// Whether each leg's venue must vouch for its book exactly as it stands.
    pub(crate) proof: bool,
    /// How long before its close a market is left alone.
    pub(crate) min_time_to_close: Nanos,
    /// How long an opportunity must last before it is opened.
    pub(crate) min_hold: Nanos,
    /// How long after a close the same one may not open again.
    pub cooldown: Nanos,
    /// Smallest size.
    pub min_qty: Qty,
    /// Whether a leg's book may be one that is kept by polling.
    pub(crate) allow_poll: bool,
    /// How old what a leg's reference told may be.
    pub(crate) max_reference_age: ReferenceAge,
}

/// How old what a leg's reference told last may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceAge {
    /// It does not matter: the rule rests on none.
    Any,
    /// As old as is usual of who tells it ([`Worth::reference_age_max`](super::Worth)).
    Usual,
    /// So old.
    AtMost(Nanos),
}

impl Gates {
    /// Those of a rule that is never asked.
    pub(super) const NONE: Self = Self {
        max_age: 0,
        max_skew: 0,
        max_lag: 0,
        confirm: false,
        proof: false,
        min_time_to_close: 0,
        min_hold: 0,
        cooldown: 0,
        min_qty: 0,
        allow_poll: false,
        max_reference_age: ReferenceAge::Any,
    };
}

/// How far apart in time the evidence for the legs of an opportunity is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Receive times of the newest evidence.
    pub skew: Nanos,
    /// Delays with which the venues were last heard of, or [`ABSENT`].
    pub lag: Nanos,
}

/// The extent of some times.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    first: Nanos,
    last: Nanos,
}

impl Default for Extent {
    fn default() -> Self {
        Self { first: Nanos::MAX, last: Nanos::MIN }
    }
}

impl Extent {
    #[inline]
    pub(super) fn take(&mut self, ts: Nanos) {
        (self.first, self.last) = (self.first.min(ts), self.last.max(ts));
    }

    #[inline]
    fn width(self) -> Nanos {
        self.last.saturating_sub(self.first).max(0)
    }

    /// As [`Self::width`], or [`ABSENT`] if one of the times is.
    #[inline]
    pub(super) fn known_width(self) -> Nanos {
        if self.first == ABSENT { ABSENT } else { self.width() }
    }
}

/// The gates before a rule is asked in full; gives how far apart the legs are. `opening` if nothing
/// is open yet.
#[inline]
pub(super) fn pass(
    rule: &dyn Rule,
    subject: &Subject,
    opening: bool,
    view: &View,
    now: Nanos,
) -> Result<Apart, Refusal> {
    let gates = rule.gates();
    let (mut received, mut behind) = (Extent::default(), Extent::default());
    for id in subject.instruments() {
        let (book, about) = view.at(id).ok_or(Refusal::NotLive)?;
        if !(book.believable() || gates.allow_poll && book.polled()) {
            return Err(Refusal::NotLive);
        }
        if about.status(now) != MarketStatus::Open {
            return Err(Refusal::Status);
        }
        let left = |close: Nanos| close.saturating_sub(now);
        if about.hours.close.is_some_and(|close| left(close) < gates.min_time_to_close) {
            return Err(Refusal::Closing);
        }
        let heard = view.heard_of(book, about);
        if apart(now, heard.ts_evidence).ok_or(Refusal::Age)? > gates.max_age {
            return Err(Refusal::Age);
        }
        if view.reference_is_old(id, gates.max_reference_age, now) {
            return Err(Refusal::Reference);
        }
        if gates.proof && !vouched_by_venue(book, about.venue) {
            return Err(Refusal::Unproven);
        }
        if !stands_by_itself(about) {
            received.take(heard.ts_evidence);
            if !book.polled() {
                behind.take(heard.behind);
            }
        }
    }
    let apart = Apart { skew: received.width(), lag: behind.known_width() };
    if apart.skew > gates.max_skew {
        return Err(Refusal::Skew);
    }
    let too_far = gates.max_lag > 0 && (apart.lag == ABSENT || apart.lag > gates.max_lag);
    // What is open was opened when it was known, and nothing forgets it but a new connection.
    if too_far || opening && late_for_all_we_know(subject, view).is_some() {
        return Err(Refusal::Lag);
    }
    Ok(apart)
}

/// The connection of a leg of which nothing has shown yet how late it delivers, if there is one.
fn late_for_all_we_know(subject: &Subject, view: &View) -> Option<u32> {
    let told = subject.instruments().filter_map(|id| view.at(id));
    // Of a polled book the delay is known: its evidence is of when it was asked for.
    let streamed = told.filter(|&(book, about)| !(stands_by_itself(about) || book.polled()));
    let mut connections = streamed.map(|(_, about)| about.conn);
    connections.find(|&conn| view.delay_unknown(conn))
}

/// The earliest of some times that are still to come.
#[derive(Clone, Copy)]
struct Next {
    now: Nanos,
    ts: Nanos,
}

impl Next {
    fn take(&mut self, ts: Nanos) {
        if ts > self.now {
            self.ts = self.ts.min(ts);
        }
    }

    /// Takes the first time after `ts`.
    fn take_after(&mut self, ts: Nanos) {
        self.take(ts.saturating_add(1));
    }
}

/// How long a question that was refused, and has nothing open, would be refused again for the same
/// reason. What that rests on besides its books is noted in `queue`.
pub(super) fn stands(
    gates: &Gates,
    subject: &Subject,
    refusal: Refusal,
    view: &View,
    now: Nanos,
    queue: &mut Queue,
) -> Nanos {
    let mut next = Next { now, ts: Nanos::MAX };
    let mut received = Extent::default();
    for id in subject.instruments() {
        let Some((book, about)) = view.at(id) else { continue };
        next.take(about.status_until(now));
        if let Some(close) = about.hours.close {
            next.take_after(close.saturating_sub(gates.min_time_to_close));
        }
        let ts_evidence = view.heard_of(book, about).ts_evidence;
        next.take_after(ts_evidence.saturating_add(gates.max_age));
        next.take(ts_evidence.saturating_sub(gates.max_age));
        if !stands_by_itself(about) {
            received.take(ts_evidence);
        }
    }
    // What is too old stays so; any other may come.
    let while_old = |limit: Nanos| move |ts: Nanos| if ts < limit { ts } else { Nanos::MAX };
    match refusal {
        Refusal::Age => {
            keep_evidence(subject, view, queue, while_old(now.saturating_sub(gates.max_age)));
        }
        Refusal::Skew => {
            let limit = received.last.saturating_sub(gates.max_skew);
            keep_evidence(subject, view, queue, while_old(limit));
        }
        Refusal::Lag | Refusal::Unconfirmed => {
            let limit = received.first.saturating_add(gates.max_skew);
            keep_evidence(subject, view, queue, |_| limit);
        }
        _ => {}
    }
    match refusal {
        Refusal::Lag => keep_apart(gates, subject, view, queue),
        Refusal::Unconfirmed if gates.max_lag > 0 => keep_together(gates, subject, view, queue),
        _ => {}
    }
    next.ts
}

/// What is heard of a leg, as far as lag goes: on its numbered stream, or else on its connection.
fn bounds_of<'q>(view: &View, id: InstrumentId, queue: &'q mut Queue) -> Option<&'q mut Bounds> {
    let (book, about) = view.at(id)?;
    Some(match view.streams.at(book.stream) {
        Some(_) => queue.streams.at(book.stream),
        None => queue.connections.at(about.conn),
    })
}

/// A refusal stands while no evidence comes on a numbered stream of a leg that is newer than `most`
/// says, by the evidence there is. Evidence for a book alone is a change of the book.
fn keep_evidence(subject: &Subject, view: &View, queue: &mut Queue, most: impl Fn(Nanos) -> Nanos) {
    for book in subject.instruments().filter_map(|id| view.books.get(id as usize)) {
        if let Some(stream) = view.streams.at(book.stream) {
            let ts = stream.ts_evidence;
            queue.streams.at(book.stream).keep_evidence(ts, most(ts));
        }
    }
}

/// How far behind the legs are whose times are compared.
fn behind(subject: &Subject, view: &View) -> impl Iterator<Item = (InstrumentId, Nanos)> {
    subject.instruments().filter_map(|id| {
        let (book, about) = view.at(id)?;
        let streamed = !(stands_by_itself(about) || book.polled());
        streamed.then(|| (id, view.heard_of(book, about).behind))
    })
}

/// A refusal stands while the legs stay too far apart in delay, or one of them is unknown.
fn keep_apart(gates: &Gates, subject: &Subject, view: &View, queue: &mut Queue) {
    if let Some(conn) = late_for_all_we_know(subject, view) {
        return queue.connections.at(conn).keep_delay();
    }
    let least = behind(subject, view).min_by_key(|&(_, behind)| behind);
    let most = behind(subject, view).max_by_key(|&(_, behind)| behind);
    let (Some(least), Some(most)) = (least, most) else { return };
    // Either may come closer by half of what is between them beyond what is allowed.
    let room = most.1.saturating_sub(least.1).saturating_sub(gates.max_lag).saturating_sub(1) / 2;
    if let Some(bounds) = bounds_of(view, least.0, queue) {
        let most = if least.1 == ABSENT { ABSENT } else { least.1.saturating_add(room) };
        bounds.keep_behind(Nanos::MIN, most);
    }
    if let Some(bounds) = bounds_of(view, most.0, queue).filter(|_| least.1 != ABSENT) {
        bounds.keep_behind(most.1.saturating_sub(room), Nanos::MAX);
    }
}

/// A refusal stands while the legs stay near enough in delay.
fn keep_together(gates: &Gates, subject: &Subject, view: &View, queue: &mut Queue) {
    let mut extent = Extent::default();
    behind(subject, view).for_each(|(_, behind)| extent.take(behind));
    let room = gates.max_lag.saturating_sub(extent.width()).max(0) / 2;
    for (id, _) in behind(subject, view) {
        if let Some(bounds) = bounds_of(view, id, queue) {
            bounds.keep_behind(extent.first.saturating_sub(room), extent.last.saturating_add(room));
        }
    }
}
