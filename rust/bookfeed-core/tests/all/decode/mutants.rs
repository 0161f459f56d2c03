//! Mutated frames against a plain reading of the same bytes by another JSON reader: what that
//! one refuses changes no level, and what both accept gives the same book or none.

use super::broadcasts::{new_market, resolved_elsewhere};
use crate::support::Rng;
use crate::support::plain::{Model, apply, is_broadcast_of_others, is_remark};
use crate::support::scene::Scene;
use bookfeed_core::book::integrity::State;
use bookfeed_core::engine::HashCheck;
use bookfeed_core::venue::polymarket::MESSAGE_NAMES;
use serde_json::Value;

fn mutate(rng: &mut Rng, frame: &[u8]) -> Vec<u8> {
    const BYTES: &[u8] = b"\"\\{}[],:.0123456789-+eE tfnulrsa_/\x00\x1f\x7f\x80\xc3\xa9\xed\xf5\n";
    let mut bytes = frame.to_vec();
    for _ in 0..=rng.below(2) {
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = *rng.pick(BYTES),
            2 => bytes.insert(at, *rng.pick(BYTES)),
            3 => {
                bytes.remove(at);
            }
            4 => {
                let end = (at + 1 + rng.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = (at + 1 + rng.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Whether it is JSON but for half of a pair of escapes, which is of its grammar and no character.
fn is_grammatical(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let halves =
        "89abcdefABCDEF".chars().flat_map(|digit| ["\\ud", "\\uD"].map(|u| format!("{u}{digit}")));
    let whole = halves.fold(text.to_owned(), |text, half| text.replace(&half, "\\u00"));
    serde_json::from_str::<Value>(&whole).is_ok()
}

/// The venue times of both books, ms; 0 for none.
fn stamps(scene: &Scene) -> [u64; 2] {
    let ms = |id| scene.engine.book(id).unwrap().ts_event / 1_000_000;
    scene.ids.map(|id| u64::try_from(ms(id)).unwrap_or(0))
}

/// Whether a whole book of this asset is older than the one that is there, which then stands.
fn tells_older(value: &Value, asset: &str, seen: u64) -> bool {
    let older = |message: &Value| {
        let stamp = message["timestamp"].as_str().and_then(|text| text.parse().ok());
        message["asset_id"] == *asset && stamp.is_some_and(|stamp: u64| stamp < seen)
    };
    value.as_array().map_or_else(|| older(value), |messages| messages.iter().any(older))
}

fn campaign(seed: u64, rounds: usize) -> [u64; 4] {
    let mut rng = Rng(seed);
    let mut scene = Scene::live(HashCheck::Off);
    let [mut refused, mut left, mut compared, mut closed] = [0; 4];
    for round in 0..rounds {
        scene.tick();
        let (before, seen) = (scene.market.books.clone(), stamps(&scene));
        let frame = match rng.below(10) {
            8 => new_market(),
            9 => resolved_elsewhere(),
            0 => scene.market.books_frame(),
            1 => scene.market.trade(0, "0.4", "3", "BUY"),
            _ => scene.market.random_change(&mut rng),
        };
        let bytes = mutate(&mut rng, frame.as_bytes());
        let mut models = [0, 1].map(|i| Some(Model::of(&before[i])));
        let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
        scene.ts += 1_000_000;
        scene.engine.ingest(0, &bytes, scene.ts);
        scene.records();
        let case = || format!("seed {seed}, round {round}: {}", String::from_utf8_lossy(&bytes));
        let text = bytes.trim_ascii();
        let bare =
            is_remark(&bytes) || MESSAGE_NAMES.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(text));
        match parsed {
            Err(_) if !bare => {
                refused += 1;
                let ours = [&scene.market.market, &scene.market.assets[0], &scene.market.assets[1]];
                if scene.states() == [State::Live; 2] {
                    left += 1;
                    let of_others = is_broadcast_of_others(&bytes, &ours.map(String::as_str));
                    assert!(of_others || is_grammatical(&bytes), "{}", case());
                } else {
                    assert_eq!(scene.states(), [State::Stale; 2], "{}", case());
                }
                let found = [0, 1].map(|i| Some(Model::of_engine(&scene.engine, scene.ids[i])));
                assert_eq!(found, models, "{}", case());
            }
            Err(_) => {}
            Ok(value) => {
                apply(&mut models, &scene.market.assets, &value);
                for (i, model) in models.iter().enumerate() {
                    if scene.engine.book(scene.ids[i]).unwrap().believable() {
                        compared += 1;
                        let found = Some(Model::of_engine(&scene.engine, scene.ids[i]));
                        let unchanged = found == Some(Model::of(&before[i]));
                        let older = tells_older(&value, &scene.market.assets[i], seen[i]);
                        assert!(&found == model || older && unchanged, "outcome {i}, {}", case());
                    } else {
                        closed += 1;
                    }
                }
            }
        }
        // Both start again from the truth, which is told later than a stamp that was changed says:
        // what is older than a book changes nothing of it.
        scene.market.ms = stamps(&scene).into_iter().fold(scene.market.ms, u64::max);
        scene.tick();
        let frame = scene.market.books_frame();
        scene.say(&frame);
        assert_eq!(scene.states(), [State::Live; 2], "{}", case());
    }
    [refused, left, compared, closed]
}

#[test]
fn mutants_change_nothing_or_the_same_as_a_plain_reading() {
    let mut totals = [0; 4];
    for seed in 0..4 {
        for (total, n) in totals.iter_mut().zip(campaign(seed, 1_500)) {
            *total += n;
        }
    }
    let [refused, left, compared, closed] = totals;
    assert!(refused > 1_000 && left > 100 && compared > 1_000 && closed > 300, "{totals:?}");
}

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a million mutants"]
fn many_mutants() {
    for seed in 100..200 {
        campaign(seed, 10_000);
    }
}
