//! The vectors in `tests/data/relay`: a frame each, and what it comes to.

use super::describe::{T_RECV, connected, take};
use super::oracle;
use crate::support::Rng;
use bookfeed_core::venue::relay::Relay;
use bookfeed_core::venue::relay::forms::Kind;
use bookfeed_core::venue::relay::topics::Topic;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn vectors() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/relay");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap()
    };
    let mut all: Vec<Value> = std::fs::read_dir(folder).unwrap().map(read).collect();
    all.sort_by_key(|vector| vector["name"].as_str().unwrap().to_owned());
    all
}

fn relay_of(vector: &Value) -> Relay {
    Relay::by_name(vector["relay"].as_str().unwrap()).unwrap()
}

#[test]
fn every_vector_comes_to_what_it_says() {
    let (mut kinds, mut topics) = (BTreeSet::new(), BTreeSet::new());
    for vector in vectors() {
        let (name, frame) = (&vector["name"], vector["frame"].as_str().unwrap());
        let mut relays = connected(relay_of(&vector));
        relays.ingest(0, frame.as_bytes(), T_RECV);
        let (points, mut events) = take(&mut relays);
        let counts = *relays.counters();
        if let Some(what) = vector["malformed"].as_str() {
            let lost = events.pop().unwrap();
            assert_eq!((&lost["kind"], &lost["type"]), (&"lost".into(), &"unread".into()), "{name}");
            assert!(relays.last_error().unwrap().contains(what), "{name}: {:?}", relays.last_error());
        }
        assert_eq!(Value::from(points), vector["points"], "{name}");
        assert_eq!(Value::from(events), vector["events"], "{name}");
        assert_eq!(counts.malformed, u64::from(vector["malformed"].is_string()), "{name}");
        assert_eq!(counts.unknown, vector["unknown"].as_u64().unwrap(), "{name}");
        let named = |all: &str, key: &str| {
            let each = vector[all].as_array().unwrap().iter();
            each.map(|one| one[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        kinds.extend(named("events", "kind"));
        topics.extend([named("points", "topic"), named("events", "topic")].concat());
    }
    assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind.name())), "{kinds:?}");
    assert!(Topic::NAMES.iter().all(|&topic| topics.contains(topic)), "{topics:?}");
}

#[test]
fn a_damaged_frame_tells_nothing_that_a_plain_reader_does_not_find() {
    let mut rng = Rng(7);
    let frames: Vec<(Relay, Vec<u8>)> = vectors()
        .iter()
        .map(|vector| (relay_of(vector), vector["frame"].as_str().unwrap().as_bytes().to_vec()))
        .collect();
    for (relay, frame) in &frames {
        oracle::check(*relay, frame);
        for end in 0..frame.len() {
            oracle::check(*relay, &frame[..end]);
        }
        for _ in 0..300 {
            let mut damaged = frame.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(damaged.len());
                match rng.below(4) {
                    0 => damaged[at] = rng.next().to_le_bytes()[0],
                    1 => damaged[at] = *rng.pick(b"0123456789\",:{}[].-eE"),
                    2 => drop(damaged.remove(at)),
                    _ => damaged.insert(at, *rng.pick(b"0123456789\",:{}[].-eE")),
                }
                if damaged.is_empty() {
                    damaged.push(b'x');
                }
            }
            oracle::check(*relay, &damaged);
        }
    }
}
