//! What waits: opportunities that are refused for now. Each is asked about again when time, or news
//! of one of its legs, may have lifted the refusal, and not before.
//!
//! Where only news can lift it, a refusal rests: until a time, while its legs' books are as they
//! were, and while what is heard of their streams and connections stays within [`Bounds`].

use crate::fixed::ABSENT;
use crate::sequence::stream::{Connection, Stream};
use crate::time::Nanos;
use foldhash::fast::FixedState;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Times that nothing waits for any more are dropped when there are more of them than this, and
/// than of others.
const TIMES_SPARE: usize = 64;

/// Until when something waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// Whenever anything is asked next.
    Next,
    /// A time, whatever is heard.
    Time(Nanos),
    /// A time, or news of one of its legs.
    News(Nanos),
}

/// One thing's place among those that wait.
#[derive(Debug)]
struct Wait {
    /// In this order they are asked.
    ticket: u64,
    /// When to ask again.
    due: Nanos,
    /// The first of `times` that is its own.
    timed: Nanos,
    /// Where it stands among those that rest, if it does.
    rests: Option<usize>,
    /// Whether it is among those that are asked next.
    stirred: bool,
}

/// What waits, by its number among all that is watched.
#[derive(Debug)]
pub(super) struct Queue {
    waits: HashMap<u32, Wait, FixedState>,
    tickets: u64,
    /// How often anything was put here.
    puts: u64,
    /// When something may be due, the earliest first; one that no longer is counts for nothing.
    times: BinaryHeap<Reverse<(Nanos, u32)>>,
    /// What is asked next.
    stirred: Vec<u32>,
    /// What rests.
    resting: Vec<u32>,
    /// From this time on something may be due.
    next: Nanos,
    /// Before this time nothing that rests was looked at.
    since: Nanos,
    /// What of each stream, and of each connection, leaves all that rests as it is.
    pub(super) streams: Bounded,
    pub(super) connections: Bounded,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waits: HashMap::default(),
            tickets: 0,
            puts: 0,
            times: BinaryHeap::new(),
            stirred: Vec::new(),
            resting: Vec::new(),
            next: Nanos::MAX,
            since: Nanos::MIN,
            streams: Bounded::default(),
            connections: Bounded::default(),
        }
    }
}

impl Queue {
    /// Whether something is to be asked by now.
    #[inline]
    pub(super) fn due(&self, now: Nanos) -> bool {
        now >= self.next || now < self.since
    }

    /// Whether nothing rests.
    #[inline]
    pub(super) fn none_rests(&self) -> bool {
        self.resting.is_empty()
    }

    /// What rests.
    pub(super) fn resting(&self) -> &[u32] {
        &self.resting
    }

    /// Whether something rests.
    #[inline]
    pub(super) fn rests(&self, index: u32) -> bool {
        !self.none_rests() && self.waits.get(&index).is_some_and(|wait| wait.rests.is_some())
    }

    /// How often anything was put here.
    pub(super) fn puts(&self) -> u64 {
        self.puts
    }

    /// Lets something wait, in its place if it does so already.
    pub(super) fn put(&mut self, index: u32, until: Until, now: Nanos) {
        self.rouse(index);
        self.puts += 1;
        let tickets = &mut self.tickets;
        let wait = self.waits.entry(index).or_insert_with(|| {
            *tickets += 1;
            let (due, timed) = (Nanos::MAX, Nanos::MAX);
            Wait { ticket: *tickets, due, timed, rests: None, stirred: false }
        });
        match until {
            Until::Next => return self.ask_next(index),
            Until::Time(due) => wait.due = due,
            Until::News(due) => {
                (wait.due, wait.rests) = (due, Some(self.resting.len()));
                self.resting.push(index);
                self.since = self.since.max(now);
            }
        }
        self.note_time(index);
    }

    /// Something is asked next, whatever it waits for.
    fn ask_next(&mut self, index: u32) {
        let Some(wait) = self.waits.get_mut(&index) else { return };
        wait.due = Nanos::MIN;
        if !std::mem::replace(&mut wait.stirred, true) {
            self.stirred.push(index);
        }
        self.next = Nanos::MIN;
    }

    /// Notes when something is due.
    fn note_time(&mut self, index: u32) {
        let Some(wait) = self.waits.get_mut(&index) else { return };
        if wait.due < wait.timed {
            wait.timed = wait.due;
            self.times.push(Reverse((wait.due, index)));
            self.next = self.next.min(wait.due);
        }
        if self.times.len() > TIMES_SPARE + 2 * self.waits.len() {
            // Nothing is kept twice: what waits for one time again and again has noted it each time.
            let own = self.waits.iter().map(|(&index, wait)| Reverse((wait.timed, index)));
            self.times.clear();
            self.times.extend(own.filter(|Reverse((time, _))| *time < Nanos::MAX));
        }
    }

    /// Takes something from among those that rest; says whether it was there. With the last one go
    /// all bounds.
    pub(super) fn rouse(&mut self, index: u32) -> bool {
        let Some(at) = self.waits.get_mut(&index).and_then(|wait| wait.rests.take()) else {
            return false;
        };
        self.resting.swap_remove(at);
        if let Some(moved) = self.resting.get(at).and_then(|moved| self.waits.get_mut(moved)) {
            moved.rests = Some(at);
        }
        if self.resting.is_empty() {
            self.since = Nanos::MIN;
            self.streams.clear();
            self.connections.clear();
        }
        true
    }

    /// There is news of something that may rest: it is asked next.
    pub(super) fn stir(&mut self, index: u32) {
        if self.rouse(index) {
            self.ask_next(index);
        }
    }

    /// There may be news of anything.
    pub(super) fn stir_all(&mut self) {
        while let Some(&index) = self.resting.last() {
            self.stir(index);
        }
    }

    /// Takes out what is due, with its place, in the order in which it is asked.
    pub(super) fn take_due(&mut self, now: Nanos, due: &mut Vec<(u64, u32)>) {
        if now < self.since {
            self.stir_all();
        }
        for index in std::mem::take(&mut self.stirred) {
            if let Some(wait) = self.waits.get_mut(&index) {
                wait.stirred = false;
                self.take_if_due(index, now, due);
            }
        }
        while let Some(&Reverse((time, index))) = self.times.peek().filter(|Reverse((t, _))| *t <= now) {
            self.times.pop();
            if !self.take_if_due(index, now, due)
                && let Some(wait) = self.waits.get_mut(&index)
                && wait.timed == time
            {
                wait.timed = Nanos::MAX;
                self.note_time(index);
            }
        }
        self.next = self.times.peek().map_or(Nanos::MAX, |&Reverse((time, _))| time);
        due.sort_unstable();
    }

    fn take_if_due(&mut self, index: u32, now: Nanos, due: &mut Vec<(u64, u32)>) -> bool {
        let Some(wait) = self.waits.get(&index).filter(|wait| wait.due <= now) else { return false };
        due.push((wait.ticket, index));
        self.forget(index);
        true
    }

    /// What was taken out keeps its place if it waits again.
    pub(super) fn keep_place(&mut self, index: u32, ticket: u64) {
        if let Some(wait) = self.waits.get_mut(&index) {
            wait.ticket = ticket;
        }
    }

    /// Nothing waits under this number any more.
    pub(super) fn forget(&mut self, index: u32) {
        self.rouse(index);
        self.waits.remove(&index);
    }
}

/// What may be heard on a stream, or a connection, that lifts no refusal and brings none about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Receive time less venue time, from and to.
    behind: (Nanos, Nanos),
    /// Newest venue time.
    ts_event: Nanos,
    /// Receive time of the newest message, from and to: a receiver's clock may be set back.
    ts_evidence: (Nanos, Nanos),
    /// Whether it is all the same that its delay becomes known.
    delay: bool,
}

impl Bounds {
    const NONE: Self = Self {
        behind: (Nanos::MIN, Nanos::MAX),
        ts_event: Nanos::MAX,
        ts_evidence: (Nanos::MIN, Nanos::MAX),
        delay: true,
    };

    /// What was heard last is at most so far behind, and at least.
    pub(super) fn keep_behind(&mut self, least: Nanos, most: Nanos) {
        self.behind = (self.behind.0.max(least), self.behind.1.min(most));
    }

    /// Nothing newer is heard than of this venue time.
    pub(super) fn keep_event(&mut self, ts: Nanos) {
        self.ts_event = self.ts_event.min(ts);
    }

    /// What is heard next is received between these times.
    pub(super) fn keep_evidence(&mut self, from: Nanos, to: Nanos) {
        self.ts_evidence = (self.ts_evidence.0.max(from), self.ts_evidence.1.min(to));
    }

    /// Its delay stays unknown.
    pub(super) fn keep_delay(&mut self) {
        self.delay = false;
    }
}

fn within((from, to): (Nanos, Nanos), ts: Nanos) -> bool {
    from <= ts && ts <= to
}

/// Bounds by number; where there are none, anything may be heard.
#[derive(Debug, Default)]
pub(super) struct Bounded(Vec<Bounds>);

impl Bounded {
    fn clear(&mut self) {
        self.0.clear();
    }

    /// The bounds of `number`.
    pub(super) fn at(&mut self, number: u32) -> &mut Bounds {
        let slot = number as usize;
        if self.0.len() <= slot {
            self.0.resize(slot + 1, Bounds::NONE);
        }
        &mut self.0[slot]
    }

    fn pass(&mut self, number: u32, keeps: impl FnOnce(&Bounds) -> bool) -> bool {
        match self.0.get_mut(number as usize) {
            Some(bounds) if !keeps(bounds) => {
                *bounds = Bounds::NONE;
                true
            }
            _ => false,
        }
    }

    /// Whether what was heard of a stream is beyond its bounds; then it has none any more.
    pub(super) fn stream_passes(&mut self, number: u32, stream: &Stream) -> bool {
        self.pass(number, |bounds| {
            within(bounds.behind, stream.behind)
                && within(bounds.ts_evidence, stream.ts_evidence)
                && stream.ts_event <= bounds.ts_event
        })
    }

    /// The same of a connection.
    pub(super) fn connection_passes(&mut self, number: u32, connection: &Connection) -> bool {
        self.pass(number, |bounds| {
            within(bounds.behind, connection.behind)
                && (bounds.delay || connection.clock.delay == ABSENT)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_same_time_again_and_again_takes_no_more_memory() {
        let (mut queue, mut due) = (Queue::default(), Vec::new());
        for now in 0..10_000 {
            for index in 0..20 {
                queue.put(index, Until::News(1_000_000 + Nanos::from(index)), now);
            }
            queue.stir_all();
            queue.take_due(now, &mut due);
            assert_eq!(due.len(), 20);
            due.clear();
            assert!(queue.times.len() <= TIMES_SPARE + 40, "{} times", queue.times.len());
        }
        (0..20).for_each(|index| queue.put(index, Until::News(1_000_000 + Nanos::from(index)), 10_000));
        queue.take_due(1_000_009, &mut due);
        assert_eq!(due.iter().map(|&(_, index)| index).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}
