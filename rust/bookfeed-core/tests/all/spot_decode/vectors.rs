//! The vectors under `tests/data/<venue>` of spot venues, one JSON object a file, for any language
//! to run: `name`, `about`, `source` (`stream`, `second` for that of a second source, or
//! `rest`), `of` (the symbol that whoever asked for a REST body states), `known` (symbols), `frame`,
//! and what it says, `expect`: `json_error`, `messages` by type, and `decoded`, every message as
//! [`super::describe`] notes it.

use super::describe::{From, instruments, say};
use super::oracle::SPOT;
use bookfeed_core::instrument::{Instruments, Venue};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub struct Vector {
    pub venue: Venue,
    pub name: String,
    pub json: Value,
}

impl Vector {
    pub fn all(venue: Venue) -> Vec<Self> {
        let folder = format!("../../tests/data/{}", venue.name());
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut all: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                Self { venue, name: path.file_stem().unwrap().to_str().unwrap().to_owned(), json }
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub fn of_spot() -> Vec<Self> {
        SPOT.into_iter().flat_map(Self::all).collect()
    }

    pub fn known(&self) -> Instruments {
        let known = self.json["known"].as_array().unwrap();
        instruments(self.venue, &known.iter().map(|k| k.as_str().unwrap()).collect::<Vec<_>>())
    }

    pub fn frame(&self) -> &str {
        self.json["frame"].as_str().unwrap()
    }

    pub fn from(&self) -> From<'_> {
        match self.json["source"].as_str().unwrap() {
            "stream" => From::Stream,
            "second" => From::Second,
            "rest" => From::Rest(self.json["of"].as_str()),
            other => panic!("{}: no source is {other}", self.name),
        }
    }
}

#[test]
fn every_vector_says_what_it_says() {
    let vectors = Vector::of_spot();
    assert!(vectors.len() >= 130, "{}", vectors.len());
    for v in &vectors {
        assert_eq!(v.json["name"], *v.name);
        let expect = &v.json["expect"];
        let said = say(v.venue, v.from(), v.frame().as_bytes(), &v.known());
        assert_eq!(said.is_err(), expect["json_error"] == true, "{}: {said:?}", v.name);
        let (counts, messages) = said.unwrap_or_default();
        let wanted: BTreeMap<String, u64> = serde_json::from_value(expect["messages"].clone()).unwrap();
        assert_eq!(counts, wanted, "{}: counts", v.name);
        assert_eq!(Value::from(messages), expect["decoded"], "{}", v.name);
    }
}

#[test]
fn there_is_a_vector_for_every_message_type() {
    for venue in SPOT {
        let mut met = BTreeSet::new();
        for v in Vector::all(venue) {
            met.extend(v.json["expect"]["messages"].as_object().unwrap().keys().cloned());
        }
        for name in venue.row().messages {
            assert!(met.contains(*name), "no vector for {name}");
        }
    }
}
