//! Seeded streams with faults: whatever is lost, repeated, swapped or broken, a book that is
//! called live at the end of a message about it is the true one, and records never say more.

use crate::support::Rng;
use crate::support::records::{Update, drain};
use crate::support::scene::Scene;
use crate::support::venue::{MS, policy};
use bookfeed_core::book::integrity::State;
use bookfeed_core::engine::{Config, HashCheck};
use bookfeed_core::signals::Phase;
use bookfeed_core::update::UpdateKind;
use std::collections::BTreeMap;

fn rules(scene: &mut Scene) {
    let params = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
    };
    scene.engine.add_rule("spread", &params(&[("open", "0.002")])).unwrap();
    scene.engine.add_rule("complement", &params(&[("min_edge", "0.001")])).unwrap();
}

/// What records alone tell a reader: the last state of each book.
#[derive(Default)]
struct Reader {
    states: [Option<State>; 2],
    epochs: [u32; 2],
}

impl Reader {
    fn read(&mut self, update: &Update) {
        let i = update.instrument as usize;
        if update.kind == UpdateKind::State {
            self.states[i] = Some(update.state);
            assert!(update.epoch >= self.epochs[i], "epochs never go back");
            self.epochs[i] = update.epoch;
        } else {
            // Any other record repeats the state that was told, and never runs ahead of it.
            assert_eq!(self.states[i], Some(update.state), "{update:?}");
            assert_eq!(self.epochs[i], update.epoch, "{update:?}");
        }
    }
}

struct Outcome {
    live_checks: u64,
    not_live: u64,
    signals: u64,
}

/// One seed; `fault_every` of 0 is a clean run.
fn run(seed: u64, hash_check: HashCheck, fault_every: usize) -> Outcome {
    let mut rng = Rng(seed);
    let mut scene = Scene::silent(policy(hash_check));
    rules(&mut scene);
    let mut reader = Reader { states: [Some(State::Syncing); 2], epochs: [0; 2] };
    let mut outcome = Outcome { live_checks: 0, not_live: 0, signals: 0 };
    let mut held: Option<String> = None;
    for step in 0..400 {
        let whole = step == 0 || rng.once_in(40);
        let mut frame = if whole {
            scene.market.ms += 1;
            scene.market.books_frame()
        } else {
            scene.market.random_change(&mut rng)
        };
        let mut judged = true;
        let mut again = None;
        if step > 0 && fault_every > 0 && rng.once_in(fault_every) {
            match rng.below(5) {
                0 => continue,
                1 => again = Some(frame.clone()),
                2 => {
                    held = Some(frame);
                    continue;
                }
                3 => {
                    frame.truncate(rng.below(frame.len()));
                    judged = false;
                }
                _ => {
                    let at = rng.below(frame.len());
                    frame.replace_range(at..=at, "\u{1}");
                    judged = false;
                }
            }
        }
        let late = held.take_if(|_| rng.once_in(3));
        for frame in [Some(frame), again, late.clone()].into_iter().flatten() {
            scene.ts += MS * i64::try_from(1 + rng.below(20)).unwrap();
            scene.engine.ingest(0, frame.as_bytes(), scene.ts);
            let (updates, signals) = drain(&mut scene.engine);
            updates.iter().for_each(|u| reader.read(u));
            for signal in signals.iter().filter(|s| s.phase != Phase::Close) {
                outcome.signals += 1;
                for leg in &signal.legs {
                    assert_eq!(leg.state, State::Live, "{signal:?}");
                    assert_eq!(leg.epoch, scene.epoch(leg.instrument as usize), "{signal:?}");
                }
            }
        }
        // With every hash checked, whoever is live after a message about it is true.
        for i in [0, 1] {
            if scene.states()[i] == State::Live {
                outcome.live_checks += 1;
                let current = judged && late.is_none();
                let hashed = hash_check == HashCheck::Always || fault_every == 0;
                assert!(
                    !(current && hashed) || scene.is_true(i),
                    "seed {seed}, step {step}, outcome {i}"
                );
            } else {
                outcome.not_live += 1;
            }
        }
        if rng.once_in(25) {
            scene.ts += 100 * MS;
            scene.engine.advance(scene.ts);
            drain(&mut scene.engine).0.iter().for_each(|u| reader.read(u));
        }
    }
    outcome
}

const POLICIES: [HashCheck; 3] = [HashCheck::Always, HashCheck::Sampled, HashCheck::Off];

#[test]
fn faults_of_all_kinds_never_make_a_live_book_wrong() {
    let (mut live, mut not_live, mut signals) = (0, 0, 0);
    for seed in 0..90 {
        let policy = POLICIES[usize::try_from(seed % 3).unwrap()];
        let outcome = run(seed, policy, 12);
        live += outcome.live_checks;
        not_live += outcome.not_live;
        signals += outcome.signals;
    }
    assert!(live > 2_000 && not_live > 2_000 && signals > 100, "{live} {not_live} {signals}");
}

#[test]
fn a_clean_stream_changes_no_state() {
    for seed in 0..30 {
        let policy = POLICIES[usize::try_from(seed % 3).unwrap()];
        let outcome = run(1_000 + seed, policy, 0);
        assert_eq!(outcome.not_live, 0, "seed {seed}");
    }
}

/// Under sampling a book may be wrong for as long as the interval, and no longer.
#[test]
fn sampling_bounds_how_long_a_live_book_is_wrong() {
    let bound = Config::default().hash_interval;
    for seed in 0..24 {
        let mut rng = Rng(9_000 + seed);
        let mut scene = Scene::live(HashCheck::Sampled);
        let mut wrong_since = [None; 2];
        for _ in 0..600 {
            let frame = scene.market.random_change(&mut rng);
            if rng.once_in(60) {
                continue;
            }
            scene.say(&frame);
            scene.wait(10 * MS);
            for (i, since) in wrong_since.iter_mut().enumerate() {
                let wrong = scene.states()[i] == State::Live && !scene.is_true(i);
                *since = if wrong { Some(since.unwrap_or(scene.ts)) } else { None };
                let time = since.map_or(0, |since| scene.ts - since);
                assert!(time <= bound + 12 * MS, "seed {seed}: live and wrong for {} ms", time / MS);
            }
            if scene.states() != [State::Live; 2] && rng.once_in(10) {
                scene.tick();
                let frame = scene.market.books_frame();
                scene.say(&frame);
            }
        }
    }
}
