//! The vectors under `tests/data/vectors`, one JSON object a file, for any language to run:
//! `name`, `about`, `subscribe` (symbols with their markets), `before` (frames told first),
//! `frame`, and what that frame alone must bring, `expect`: `messages` by type,
//! `decode_errors`, `malformed`, `unknown_instruments`, `records` (symbol, kind, state, cause;
//! in order), `books` by symbol (state and cause as shown; levels best first where they are
//! given) and `evidence` counted so far. The engine is built with its defaults.

use crate::support::records::{drain, levels};
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::Evidence;
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::instrument::Venue;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn vectors() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/vectors");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), value)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn counts(engine: &Engine) -> BTreeMap<String, u64> {
    let c = engine.counters();
    let mut counts = engine.messages();
    counts.insert("decode_errors".into(), c.decode_errors);
    counts.insert("malformed".into(), c.malformed);
    counts.insert("unknown_instruments".into(), c.unknown_instruments);
    counts
}

fn run(name: &str, vector: &Value) {
    assert_eq!(text(&vector["name"]), name);
    let mut engine = Engine::new(Config::default());
    let mut ids = BTreeMap::new();
    for listing in vector["subscribe"].as_array().unwrap() {
        let symbol = text(&listing["symbol"]);
        let about = Listing { market: listing["market"].as_str(), ..Listing::default() };
        let id = engine.subscribe(Venue::POLYMARKET, symbol, 0, &about, T0).unwrap();
        ids.insert(symbol.to_owned(), id);
    }
    let mut ts = T0;
    for frame in vector["before"].as_array().unwrap() {
        ts += MS;
        engine.ingest(0, text(frame).as_bytes(), ts);
    }
    drain(&mut engine);
    let before = counts(&engine);
    engine.ingest(0, text(&vector["frame"]).as_bytes(), ts + MS);

    let expect = &vector["expect"];
    let symbol = |id| ids.iter().find(|(_, i)| **i == id).unwrap().0;
    let records: Vec<String> =
        drain(&mut engine).0.iter().map(|u| format!("{} {}", symbol(u.instrument), u.short())).collect();
    let expected: Vec<String> = expect["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r.as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(records, expected, "{name}: records");

    let mut gained = counts(&engine);
    gained.iter_mut().for_each(|(key, n)| *n -= before.get(key).copied().unwrap_or(0));
    gained.retain(|_, n| *n > 0);
    let mut wanted = BTreeMap::new();
    for (kind, n) in expect["messages"].as_object().unwrap() {
        wanted.insert(kind.clone(), n.as_u64().unwrap());
    }
    for key in ["decode_errors", "malformed", "unknown_instruments"] {
        wanted.insert(key.into(), expect[key].as_u64().unwrap());
    }
    wanted.retain(|_, n| *n > 0);
    assert_eq!(gained, wanted, "{name}: counts");

    for (symbol, wanted) in expect["books"].as_object().unwrap() {
        let book = engine.book(ids[symbol]).unwrap();
        let shown = (book.shown_state().name(), book.shown_cause().name());
        assert_eq!(shown, (text(&wanted["state"]), text(&wanted["cause"])), "{name}: {symbol}");
        let (bids, asks) = levels(&engine, ids[symbol]);
        for (side, levels) in [("bids", bids), ("asks", asks)] {
            let Some(wanted) = wanted.get(side) else { continue };
            let wanted: Vec<(String, String)> = serde_json::from_value(wanted.clone()).unwrap();
            assert_eq!(levels, wanted, "{name}: {symbol} {side}");
        }
    }
    for (symbol, kinds) in expect.get("evidence").and_then(Value::as_object).into_iter().flatten() {
        for (kind, n) in kinds.as_object().unwrap() {
            let seen = engine.book(ids[symbol]).unwrap().evidence.of(Evidence::by_name(kind).unwrap());
            assert_eq!(Some(seen), n.as_u64(), "{name}: {symbol} {kind}");
        }
    }
}

#[test]
fn every_vector_gives_what_it_says() {
    let vectors = vectors();
    assert!(vectors.len() >= 40);
    for (name, vector) in &vectors {
        run(name, vector);
    }
}

#[test]
fn there_is_a_vector_for_every_message_type_and_some_emit_nothing() {
    let mut kinds = BTreeSet::new();
    let mut silent = 0;
    for (_, vector) in vectors() {
        let expect = &vector["expect"];
        kinds.extend(expect["messages"].as_object().unwrap().keys().cloned());
        silent += u32::from(expect["records"].as_array().unwrap().is_empty());
    }
    // Answers by REST are no frames: they have tests of their own.
    for name in Venue::POLYMARKET.row().messages.iter().filter(|name| !name.starts_with("rest_")) {
        assert!(kinds.contains(*name), "no vector for {name}");
    }
    assert!(silent >= 5);
}
