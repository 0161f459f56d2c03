//! Mutated frames against a plain reading of the same bytes by another JSON reader: what that
//! one refuses changes no level, and what both accept gives the same book or none.

use super::support::Rng;
use super::support::records::levels;
use super::support::scene::Scene;
use super::support::venue::{Truth, price_text};
use bookfeed_core::book::integrity::State;
use bookfeed_core::decode::polymarket::MESSAGE_NAMES;
use bookfeed_core::engine::HashCheck;
use serde_json::Value;
use std::collections::BTreeMap;

/// Price and size in shortest form, by price in units of 1e-9.
type Side = BTreeMap<u128, u128>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    sides: [Side; 2],
}

/// A decimal in units of 10^-`places`, read by hand; `None` if it is not plain or not exact.
fn decimal(value: &Value, places: usize) -> Option<u128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if !plain(whole) || !plain(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

impl Model {
    fn of(truth: &Truth) -> Self {
        let side = |levels: &BTreeMap<u32, String>| {
            let read = |text: &str, places| decimal(&Value::String(text.into()), places).unwrap();
            levels.iter().map(|(&p, size)| (read(&price_text(p), 9), read(size, 8))).collect()
        };
        Self { sides: [side(&truth.bids), side(&truth.asks)] }
    }

    fn set(&mut self, entry: &Value) -> Option<()> {
        let (price, size) = (decimal(&entry["price"], 9)?, decimal(&entry["size"], 8)?);
        let side = match entry["side"].as_str()?.to_ascii_uppercase().as_str() {
            "BUY" => 0,
            "SELL" => 1,
            _ => return None,
        };
        if size == 0 {
            self.sides[side].remove(&price);
        } else {
            self.sides[side].insert(price, size);
        }
        Some(())
    }

    fn replace(&mut self, message: &Value) -> Option<()> {
        for (side, name) in self.sides.iter_mut().zip(["bids", "asks"]) {
            side.clear();
            for level in message[name].as_array()? {
                let (price, size) = (decimal(&level["price"], 9)?, decimal(&level["size"], 8)?);
                if size > 0 {
                    side.insert(price, size);
                }
            }
        }
        Some(())
    }

    fn of_engine(scene: &Scene, outcome: usize) -> Self {
        let (bids, asks) = levels(&scene.engine, scene.ids[outcome]);
        let side = |levels: Vec<(String, String)>| {
            let read = |text, places| decimal(&Value::String(text), places).unwrap();
            levels.into_iter().map(|(p, q)| (read(p, 9), read(q, 8))).collect()
        };
        Self { sides: [side(bids), side(asks)] }
    }
}

/// Applies a frame to the models as plainly as can be. A model is taken away where the frame
/// cannot be read, and where it cannot be told whom the unreadable is about, both are.
fn apply(models: &mut [Option<Model>; 2], assets: &[String; 2], frame: &Value) {
    let messages = frame.as_array().map_or_else(|| std::slice::from_ref(frame), Vec::as_slice);
    for message in messages {
        let of = |entry: &Value| assets.iter().position(|a| entry["asset_id"].as_str() == Some(a));
        let close = |models: &mut [Option<Model>; 2], named: &[Option<usize>]| {
            let unsure = named.is_empty() || named.contains(&None);
            for (i, model) in models.iter_mut().enumerate() {
                if unsure || named.contains(&Some(i)) {
                    *model = None;
                }
            }
        };
        match &message["event_type"] {
            Value::String(kind) if kind == "price_change" => {
                let entries = message["price_changes"].as_array().map_or(&[][..], Vec::as_slice);
                let named: Vec<_> = entries.iter().map(of).collect();
                let mut trial = models.clone();
                let readable = message["price_changes"].is_array()
                    && entries.iter().zip(&named).all(|(entry, outcome)| {
                        let mut nobody = Some(Model::default());
                        let model = outcome.map_or(&mut nobody, |i| &mut trial[i]);
                        entry["asset_id"].is_string()
                            && model.as_mut().is_none_or(|m| m.set(entry).is_some())
                    });
                if readable {
                    *models = trial;
                } else {
                    close(models, &named);
                }
            }
            Value::String(kind) if kind == "book" => {
                let outcome = of(message);
                let mut model = Model::default();
                let readable = message["asset_id"].is_string() && model.replace(message).is_some();
                match outcome {
                    Some(i) if readable => models[i] = Some(model),
                    None if readable => {}
                    named => close(models, &[named]),
                }
            }
            Value::Null if !message.is_object() => close(models, &[]),
            Value::Null => {
                let levels = ["bids", "asks", "price_changes"].iter().any(|n| message.get(n).is_some());
                if levels {
                    close(models, &[of(message)]);
                }
            }
            _ => {}
        }
    }
}

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

fn campaign(seed: u64, rounds: usize) -> [u64; 3] {
    let mut rng = Rng(seed);
    let mut scene = Scene::live(HashCheck::Off);
    let [mut refused, mut compared, mut closed] = [0; 3];
    for round in 0..rounds {
        scene.tick();
        let before = scene.market.books.clone();
        let frame = match rng.below(8) {
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
        let told = || format!("seed {seed}, round {round}: {}", String::from_utf8_lossy(&bytes));
        let text = bytes.trim_ascii();
        let bare = MESSAGE_NAMES.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(text));
        match parsed {
            Err(_) if !bare => {
                refused += 1;
                assert_eq!(scene.states(), [State::Stale; 2], "{}", told());
                let same = [0, 1].map(|i| Some(Model::of_engine(&scene, i))) == models;
                assert!(same, "{}", told());
            }
            Err(_) => {}
            Ok(value) => {
                apply(&mut models, &scene.market.assets, &value);
                for (i, model) in models.iter().enumerate() {
                    if scene.engine.book(scene.ids[i]).unwrap().believable() {
                        compared += 1;
                        let found = Some(Model::of_engine(&scene, i));
                        assert!(&found == model, "outcome {i}, {}", told());
                    } else {
                        closed += 1;
                    }
                }
            }
        }
        // Both start again from the truth.
        scene.tick();
        let frame = scene.market.books_frame();
        scene.say(&frame);
        assert_eq!(scene.states(), [State::Live; 2], "{}", told());
    }
    [refused, compared, closed]
}

#[test]
fn mutants_change_nothing_or_the_same_as_a_plain_reading() {
    let mut totals = [0; 3];
    for seed in 0..4 {
        for (total, n) in totals.iter_mut().zip(campaign(seed, 1_500)) {
            *total += n;
        }
    }
    let [refused, compared, closed] = totals;
    assert!(refused > 1_000 && compared > 1_000 && closed > 300, "{totals:?}");
}

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a million mutants"]
fn many_mutants() {
    for seed in 100..200 {
        campaign(seed, 10_000);
    }
}
