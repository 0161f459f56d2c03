//! Broken frames: cut off anywhere, without a member, with a member renamed, with bytes changed.
//! None panics, and a delta comes out only where a plain reading finds the same.

use super::describe::say;
use super::oracle::check;
use super::spelling::delta;
use super::vectors::Vector;
use crate::support::Rng;
use crate::support::texts::mutate;
use serde_json::Value;

#[test]
fn cut_off_anywhere_nothing_is_decoded() {
    for v in Vector::all() {
        let known = v.known();
        let whole = v.frame().trim_end().as_bytes();
        if say(v.yes_prices(), v.source(), whole, &known).is_err() || whole.len() < 2 {
            continue;
        }
        for cut in 0..whole.len() {
            let said = say(v.yes_prices(), v.source(), &whole[..cut], &known);
            let number = whole[..cut].iter().all(u8::is_ascii_digit) && cut > 0;
            assert!(said.is_err() || number, "{}: {cut}", v.name);
        }
    }
}

/// The frame without each of its members in turn, and with each renamed, at both levels.
fn maimed(frame: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for path in ["", "/msg"] {
        let Some(Value::Object(members)) = frame.pointer(path) else { continue };
        for name in members.keys() {
            for rename in [false, true] {
                let mut other = frame.clone();
                let object = other.pointer_mut(path).unwrap().as_object_mut().unwrap();
                let value = object.remove(name).unwrap();
                if rename {
                    object.insert(format!("{name}x"), value);
                }
                all.push((name.clone(), other));
            }
        }
    }
    all
}

#[test]
fn a_book_message_without_a_part_is_never_taken_for_a_whole_one() {
    let needless = ["ts", "ts_ms", "market_id", "sending_ts_ms", "id"];
    let mut checked = 0;
    for v in Vector::all() {
        let Ok(frame) = serde_json::from_str::<Value>(v.frame()) else { continue };
        let known = v.known();
        let decode = |f: &Value| say(v.yes_prices(), v.source(), f.to_string().as_bytes(), &known);
        let (_, whole) = decode(&frame).unwrap();
        let delta = whole.first().is_some_and(|m| m["body"].get("delta").is_some());
        for (name, other) in maimed(&frame) {
            let (_, messages) = decode(&other).unwrap();
            // Of several formats the next one may do, and a side that is left out is empty.
            if !delta || v.name.ends_with("formats") || needless.contains(&&*name) {
                continue;
            }
            checked += 1;
            let body = &messages[0]["body"];
            let refused = body.get("malformed");
            let seen = body == "unknown" || refused.is_some();
            let own = ["client_order_id", "subaccount"].contains(&&*name);
            assert!(seen || own, "{} without {name}: {body}", v.name);
            assert!(name != "type" || refused.is_some(), "{} without a type: {body}", v.name);
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn a_ladder_under_another_name_is_no_empty_side() {
    let mut checked = 0;
    for v in Vector::all().into_iter().filter(|v| !v.name.ends_with("formats")) {
        let Ok(frame) = serde_json::from_str::<Value>(v.frame()) else { continue };
        let known = v.known();
        let decode = |f: &Value| say(v.yes_prices(), v.source(), f.to_string().as_bytes(), &known);
        let (_, whole) = decode(&frame).unwrap();
        if whole.first().is_none_or(|m| m["body"].get("snapshot").is_none()) {
            continue;
        }
        let Some(Value::Object(members)) = frame.pointer("/msg") else { continue };
        for (name, _) in members.iter().filter(|(_, value)| value.is_array()) {
            let mut other = frame.clone();
            let object = other.pointer_mut("/msg").unwrap().as_object_mut().unwrap();
            let levels = object.remove(name).unwrap();
            object.insert(format!("{name}_v2"), levels);
            let (_, messages) = decode(&other).unwrap();
            let body = &messages[0]["body"];
            assert!(body.get("malformed").is_some(), "{} without {name}: {body}", v.name);
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

fn campaign(seed: u64, rounds: usize) -> [u64; 2] {
    let mut rng = Rng(seed);
    let frames: Vec<_> = Vector::all();
    let [mut deltas, mut others] = [0; 2];
    for _ in 0..rounds {
        let frame = if rng.once_in(3) { rng.pick(&frames).frame().to_owned() } else { delta(&mut rng) };
        if frame.is_empty() {
            continue;
        }
        if check(&mutate(&mut rng, frame.as_bytes())) {
            deltas += 1;
        } else {
            others += 1;
        }
    }
    [deltas, others]
}

#[test]
fn mutants_are_deltas_only_if_a_plain_reading_says_so() {
    let [deltas, others] = campaign(5, 20_000);
    assert!(deltas > 1_000 && others > 5_000, "{deltas} {others}");
}

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a million mutants"]
fn many_mutants() {
    for seed in 100..150 {
        campaign(seed, 20_000);
    }
}
