//! The vectors under `tests/data/kalshi`, one JSON object a file, for any language to run:
//! `name`, `about`, `source` (`stream` or `rest`), `use_yes_price`, `known` (symbols, and market
//! ids where they are known), `frame`, and what it says, `expect`: `json_error`, `messages` by
//! type, and `decoded`, every message as [`super::describe`] notes it.

use super::describe::{instruments, say};
use bookfeed_core::decode::Source;
use bookfeed_core::instrument::Instruments;
use bookfeed_core::instrument::Venue;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub struct Vector {
    pub name: String,
    pub json: Value,
}

impl Vector {
    pub fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/kalshi");
        let mut all: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                Self { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), json }
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub fn known(&self) -> Instruments {
        let known = self.json["known"].as_array().unwrap();
        let pairs: Vec<_> =
            known.iter().map(|k| (k["symbol"].as_str().unwrap(), k["market_id"].as_str())).collect();
        instruments(&pairs)
    }

    pub fn frame(&self) -> &str {
        self.json["frame"].as_str().unwrap()
    }

    pub fn source(&self) -> Source {
        if self.json["source"] == "rest" { Source::Rest } else { Source::Stream }
    }

    pub fn yes_prices(&self) -> bool {
        self.json["use_yes_price"].as_bool().unwrap()
    }
}

#[test]
fn every_vector_says_what_it_says() {
    let vectors = Vector::all();
    assert!(vectors.len() >= 170);
    for v in &vectors {
        assert_eq!(v.json["name"], *v.name);
        let expect = &v.json["expect"];
        let said = say(v.yes_prices(), v.source(), v.frame().as_bytes(), &v.known());
        assert_eq!(said.is_err(), expect["json_error"] == true, "{}: {said:?}", v.name);
        let (counts, messages) = said.unwrap_or_default();
        let wanted: BTreeMap<String, u64> = serde_json::from_value(expect["messages"].clone()).unwrap();
        assert_eq!(counts, wanted, "{}: counts", v.name);
        assert_eq!(Value::from(messages), expect["decoded"], "{}", v.name);
    }
}

#[test]
fn there_is_a_vector_for_every_message_type() {
    let mut met = BTreeSet::new();
    for v in Vector::all() {
        met.extend(v.json["expect"]["messages"].as_object().unwrap().keys().cloned());
    }
    for name in Venue::KALSHI.row().messages {
        assert!(met.contains(*name), "no vector for {name}");
    }
}
