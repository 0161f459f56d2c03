//! Broken frames: cut off anywhere, without a member, with a member renamed, with bytes changed.
//! None panics, and levels come out only where a plain reading finds the same.

use super::describe::{From, say};
use super::oracle::{SPOT, check};
use super::spelling::{change, second_change};
use super::vectors::Vector;
use crate::support::Rng;
use crate::support::texts::mutate;
use bookfeed_core::instrument::Venue;
use serde_json::Value;

#[test]
fn cut_off_anywhere_nothing_is_decoded() {
    for v in Vector::of_spot() {
        let known = v.known();
        let whole = v.frame().trim_end().as_bytes();
        if say(v.venue, v.from(), whole, &known).is_err() || whole.len() < 2 {
            continue;
        }
        for cut in 0..whole.len() {
            let said = say(v.venue, v.from(), &whole[..cut], &known);
            let number = whole[..cut].iter().all(u8::is_ascii_digit) && cut > 0;
            assert!(said.is_err() || number, "{}: {cut}", v.name);
        }
    }
}

/// The frame without each of its members in turn, and with each renamed, wherever it stands.
fn maimed(frame: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let paths = ["", "/data", "/data/0", "/data/0/bids/0", "/data/0/asks/0", "/events/0"];
    let others =
        ["/events/0/updates/0", "/result/XXBTZUSD", "/pricebook", "/pricebook/bids/0", "/bids/0"];
    for path in paths.into_iter().chain(others) {
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
    let mut checked = 0;
    for v in Vector::of_spot() {
        let Ok(frame) = serde_json::from_str::<Value>(v.frame()) else { continue };
        let known = v.known();
        let decode = |f: &Value| say(v.venue, v.from(), f.to_string().as_bytes(), &known);
        let (_, whole) = decode(&frame).unwrap();
        let about_books = |m: &Value| m["body"].get("levels").or(m["body"].get("snapshot")).is_some();
        if !whole.iter().all(about_books) || whole.is_empty() {
            continue;
        }
        for (name, other) in maimed(&frame) {
            let (_, messages) = decode(&other).unwrap();
            // What stands beside a book, and when it was: without a time it is held against nothing.
            let beside = ["last", "mid_market", "spread_bps", "error", "time"];
            let needless = ["E", "timestamp", "stream", "M", "event_time"].contains(&&*name)
                || v.json["source"] != "stream" && beside.contains(&&*name);
            // A side of an update that is not there has not changed; the checksum would tell.
            let side = v.venue == Venue::KRAKEN
                && frame["type"] == "update"
                && ["bids", "asks"].contains(&&*name);
            // What of a chain says neither whose a change is nor which one it follows.
            let around = ["id", "method", "code", "subscription", "depth", "t", "tt", "cs"];
            let around = v.venue == Venue::CRYPTOCOM && around.contains(&&*name);
            if needless || side || around || v.json["any_part"] == true {
                continue;
            }
            checked += 1;
            assert!(!messages.iter().all(about_books), "{} without {name}: {messages:?}", v.name);
        }
    }
    assert!(checked > 100, "{checked}");
}

fn campaign(venue: Venue, seed: u64, rounds: usize) -> [u64; 2] {
    let mut rng = Rng(seed);
    let frames = Vector::all(venue);
    let [mut changes, mut others] = [0; 2];
    for _ in 0..rounds {
        let (from, frame) = if rng.once_in(3) {
            let vector = rng.pick(&frames);
            let from = if vector.json["source"] == "second" { From::Second } else { From::Stream };
            (from, vector.frame().to_owned())
        } else if venue.has_second() && rng.once_in(4) {
            (From::Second, second_change(venue, &mut rng))
        } else {
            (From::Stream, change(venue, &mut rng))
        };
        if frame.is_empty() {
            continue;
        }
        if check(venue, from, &mutate(&mut rng, frame.as_bytes())) {
            changes += 1;
        } else {
            others += 1;
        }
    }
    [changes, others]
}

#[test]
fn mutants_change_levels_only_if_a_plain_reading_says_so() {
    for venue in SPOT {
        let [changes, others] = campaign(venue, 5, 10_000);
        assert!(changes > 500 && others > 2_000, "{changes} {others}");
    }
}

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a million mutants"]
fn many_mutants() {
    for venue in SPOT {
        for seed in 100..125 {
            campaign(venue, seed, 20_000);
        }
    }
}
