//! A stream with faults chosen by the fuzzer: frames lost, repeated, kept back, broken, fetches,
//! lost connections, time. With every hash checked, a book that is live after a message about
//! it is the true one; records never run ahead of the state that was told; and whoever applies
//! level changes has the books, whatever their states.
#![no_main]

#[path = "../../bookfeed-core/tests/support/mod.rs"]
mod support;

use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::HashCheck;
use bookfeed_core::instrument::{UNKNOWN, Venue};
use bookfeed_core::signals::Phase;
use bookfeed_core::update::UpdateKind;
use libfuzzer_sys::fuzz_target;
use support::Rng;
use support::level_copies::LevelCopies;
use support::records::drain;
use support::scene::Scene;
use support::venue::policy;

fn judge(scene: &mut Scene, states: &mut [State; 2], copies: &mut LevelCopies) {
    copies.take(&mut scene.engine);
    let (updates, signals) = drain(&mut scene.engine);
    for update in updates {
        let state = &mut states[update.instrument as usize];
        if update.kind == UpdateKind::State {
            *state = update.state;
        }
        assert_eq!(*state, update.state);
    }
    for signal in signals.iter().filter(|s| s.phase != Phase::Close) {
        assert!(signal.legs.iter().all(|leg| leg.state == State::Live));
    }
}

fuzz_target!(|data: &[u8]| {
    let mut scene = Scene::silent(policy(HashCheck::Always));
    let mut copies = LevelCopies::default();
    scene.engine.watch_levels(true);
    let begin = scene.market.books_frame();
    scene.engine.ingest(0, begin.as_bytes(), scene.ts);
    copies.take(&mut scene.engine);
    scene.records();
    for (rule, key, value) in [("spread", "open", "0.003"), ("complement", "min_edge", "0.001")] {
        scene.engine.add_rule(rule, &[(key.to_owned(), value.to_owned())].into()).unwrap();
    }
    let mut states = [State::Live; 2];
    let mut held = Vec::new();
    for (step, &[op, argument]) in data.as_chunks::<2>().0.iter().take(200).enumerate() {
        let mut rng = Rng(u64::from(argument) * 1_000 + step as u64 % 7);
        scene.ts += 1_000_000 * i64::from(op >> 4);
        let mut current = false;
        match op & 15 {
            0..=5 => {
                let frame = scene.market.random_change(&mut rng);
                scene.engine.ingest(0, frame.as_bytes(), scene.ts);
                current = true;
            }
            6 => {
                scene.market.ms += 1;
                let frame = scene.market.books_frame();
                scene.engine.ingest(0, frame.as_bytes(), scene.ts);
                current = true;
            }
            7 => drop(scene.market.random_change(&mut rng)),
            8 => held.push(scene.market.random_change(&mut rng)),
            9 => {
                if let Some(frame) = held.pop() {
                    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
                }
            }
            10 => {
                let mut bytes = scene.market.random_change(&mut rng).into_bytes();
                let at = rng.below(bytes.len());
                bytes[at] ^= argument | 1;
                scene.engine.ingest(0, &bytes, scene.ts);
            }
            11 => {
                let id = u32::from(argument & 1);
                scene.engine.resync_begin(id, scene.ts).unwrap();
                let body = scene.market.rest(id as usize);
                scene.engine.ingest_rest(0, body.as_bytes(), UNKNOWN, None, scene.ts);
            }
            12 => {
                scene.engine.advance(scene.ts + i64::from(argument) * 10_000_000);
            }
            13 => {
                scene.engine.disconnected(0, scene.ts);
                scene.engine.connected(0, Venue::POLYMARKET, "", scene.ts).unwrap();
            }
            14 => {
                let frame = scene.market.trade(usize::from(argument & 1), "0.4", "3", "BUY");
                scene.engine.ingest(0, frame.as_bytes(), scene.ts);
            }
            _ => scene.engine.invalidate(0, Cause::Transport, scene.ts),
        }
        judge(&mut scene, &mut states, &mut copies);
        for outcome in [0, 1] {
            let live = scene.states()[outcome] == State::Live;
            assert!(!(current && live) || scene.is_true(outcome), "step {step}, outcome {outcome}");
        }
    }
});
