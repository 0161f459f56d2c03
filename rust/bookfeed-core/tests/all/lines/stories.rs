//! What two lines do to a story, and what the engine makes of it.

use super::venues::{Story, TELLERS};
use crate::support::Rng;
use crate::support::records::{Levels, drain, levels, shown};
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::State;
use std::cell::Cell;

/// Time between two messages of a story.
pub const PACE: i64 = 20 * MS;
/// Messages of a story.
pub const MESSAGES: usize = 150;
/// With which of them the second line begins.
const JOINS: usize = 5;

/// What happens to one line.
#[derive(Clone, Debug, Default)]
pub struct Way {
    pub delay: i64,
    /// Which messages never come.
    pub lost: Vec<usize>,
    /// Which messages swap places with the next one.
    pub swapped: Vec<usize>,
    /// From which message on nothing comes.
    pub silent_from: Option<usize>,
    /// With which message it is lost.
    pub ends_at: Option<usize>,
}

/// What became of the book.
#[derive(Debug)]
pub struct Seen {
    /// Each time it left live: the cause.
    pub left: Vec<String>,
    pub state: State,
    /// The moment it had come to.
    pub at: usize,
    /// At how many messages a line was first with a new moment, by line.
    pub first: [usize; 2],
}

/// What comes on a line, and when.
enum Comes {
    Frame(String),
    End,
}

/// Tells a story on two lines.
pub fn tell(story: &mut Story, ways: &[Way; 2], rng: &mut Rng) -> Seen {
    let mut all: Vec<(i64, u32, Comes)> = Vec::new();
    for (line, way) in ways.iter().enumerate() {
        let mut order: Vec<usize> = (0..story.frames[line].len()).collect();
        way.swapped.iter().for_each(|&at| order.swap(at, at + 1));
        let (mut last, conn) = (0, u32::try_from(line).unwrap());
        for (place, &number) in order.iter().enumerate() {
            let Some(frame) = &story.frames[line][number] else { continue };
            if way.lost.contains(&number) || way.silent_from.is_some_and(|from| place >= from) {
                continue;
            }
            let jitter = i64::try_from(rng.below(8)).unwrap() * MS;
            let due = T0 + i64::try_from(place).unwrap() * PACE + way.delay + jitter;
            last = due.max(last + 1);
            if way.ends_at == Some(number) {
                all.push((last, conn, Comes::End));
                break;
            }
            all.push((last, conn, Comes::Frame(frame.clone())));
        }
    }
    drain(&mut story.engine);
    all.sort_by_key(|(ts, conn, _)| (*ts, *conn));
    let mut seen = Seen { left: Vec::new(), state: State::Idle, at: 0, first: [0; 2] };
    for (ts, conn, comes) in all {
        match comes {
            Comes::Frame(frame) => {
                for frame in frame.lines() {
                    story.engine.ingest(conn, frame.as_bytes(), ts);
                }
            }
            Comes::End => story.engine.disconnected(conn, ts),
        }
        if let Some(body) = story.rest.take_if(|(due, _)| *due <= ts).map(|(_, body)| body) {
            story.engine.ingest_rest(0, body.as_bytes(), story.id, None, ts);
        }
        look(story, &mut seen, conn, ts);
    }
    let (state, cause) = shown(&story.engine, story.id);
    assert!(state == State::Live || cause != bookfeed_core::book::integrity::Cause::Poisoned);
    seen.state = state;
    seen
}

/// Holds the book against the truth.
fn look(story: &mut Story, seen: &mut Seen, conn: u32, ts: i64) {
    for update in drain(&mut story.engine).0 {
        let short = update.short();
        if short.starts_with("state s") && update.instrument == 0 {
            seen.left.push(short.replace("state ", ""));
        }
    }
    if shown(&story.engine, story.id).0 != State::Live {
        return;
    }
    let ours: (Levels, Levels) = levels(&story.engine, story.id);
    let found = story.truths[seen.at..].iter().position(|truth| *truth == ours);
    let Some(on) = found else {
        let back = story.truths.iter().position(|truth| *truth == ours);
        panic!("{}: at {ts} by line {conn}: it was {}, is {back:?}", story.venue, seen.at);
    };
    if on > 0 {
        seen.first[conn as usize] += 1;
    }
    seen.at += on;
}

/// Every venue, some seeds each, with what happens to the lines; what is to be said of the outcome.
fn every(ways: impl Fn(&mut Rng) -> [Way; 2], judge: impl Fn(&'static str, &Seen)) {
    for (venue, teller) in TELLERS {
        for seed in 0..20 {
            let mut rng = Rng(seed);
            let mut story = teller(seed, MESSAGES, JOINS);
            let seen = tell(&mut story, &ways(&mut rng), &mut rng);
            judge(venue, &seen);
        }
    }
}

/// A message after all have begun, and before the end.
fn some(rng: &mut Rng) -> usize {
    20 + rng.below(MESSAGES - 50)
}

/// Nothing left live after the book was there, and it came to the end.
fn unharmed(venue: &'static str, seen: &Seen) {
    assert!(seen.left.is_empty(), "{venue}: {seen:?}");
    assert_eq!((seen.state, seen.at), (State::Live, MESSAGES), "{venue}: {seen:?}");
}

#[test]
fn whichever_comes_first_counts() {
    every(
        |_| Default::default(),
        |venue, seen| {
            unharmed(venue, seen);
            let [first, second] = seen.first;
            assert!(first > 30 && second > 30, "{venue}: {seen:?}");
        },
    );
}

#[test]
fn a_line_that_lags_costs_nothing() {
    for lagging in 0..2 {
        every(
            |_| {
                let mut ways: [Way; 2] = Default::default();
                ways[lagging].delay = 2_000 * MS;
                ways
            },
            unharmed,
        );
    }
}

#[test]
fn what_one_line_loses_the_other_brings() {
    for losing in 0..2 {
        every(
            |rng| {
                let mut ways: [Way; 2] = Default::default();
                ways[losing].lost = (0..4).map(|_| some(rng)).collect();
                ways
            },
            unharmed,
        );
    }
}

#[test]
fn a_line_that_falls_silent_or_ends_costs_nothing() {
    for line in 0..2 {
        for silent in [false, true] {
            every(
                |rng| {
                    let mut ways: [Way; 2] = Default::default();
                    let at = Some(some(rng));
                    if silent {
                        ways[line].silent_from = at;
                    } else {
                        ways[line].ends_at = at;
                    }
                    ways
                },
                unharmed,
            );
        }
    }
}

#[test]
fn a_late_line_goes_on_when_the_other_ends() {
    every(
        |rng| {
            let ends_at = Some(80 + rng.below(40));
            [Way { ends_at, ..Way::default() }, Way { delay: 1_000 * MS, ..Way::default() }]
        },
        unharmed,
    );
}

#[test]
fn what_both_lose_is_lost() {
    let unnoticed = Cell::new(0);
    every(
        |rng| {
            let lost = vec![some(rng)];
            [Way { lost: lost.clone(), ..Way::default() }, Way { lost, ..Way::default() }]
        },
        |venue, seen| match venue {
            // What is lost shows in the books alone, and not where the next message says it again.
            "polymarket" | "kraken" => {
                unnoticed.set(unnoticed.get() + usize::from(seen.left.is_empty()))
            }
            _ => assert!(!seen.left.is_empty(), "{venue}: {seen:?}"),
        },
    );
    assert!(unnoticed.get() < 10, "{unnoticed:?} of 40");
}

#[test]
fn lines_that_swap_messages_are_never_wrong() {
    every(
        |rng| {
            let mut swapped = || (0..3).map(|n| 20 + 30 * n + rng.below(20)).collect::<Vec<_>>();
            let (first, second) = (swapped(), swapped());
            [Way { swapped: first, ..Way::default() }, Way { swapped: second, ..Way::default() }]
        },
        |_, _| {},
    );
}
