//! The frames of all vectors, whole and broken: each is read the fast way and the general way, and
//! must say the same to the byte.

use crate::support::Rng;
use crate::support::texts::mutate;
use crate::support::twins::read_alike;
use bookfeed_core::instrument::{Instrument, Instruments, Venue};
use serde_json::Value;
use std::path::PathBuf;

/// A venue's frames, and the symbols that its vectors know.
struct Vectors {
    venue: Venue,
    known: Instruments,
    frames: Vec<String>,
}

impl Vectors {
    fn of(venue: Venue, folder: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(folder);
        let (mut known, mut frames) = (Instruments::default(), Vec::new());
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            let vector: Value = serde_json::from_slice(&text).unwrap();
            let listed = vector.get("known").or(vector.get("subscribe")).and_then(Value::as_array);
            for about in listed.into_iter().flatten() {
                let symbol = about["symbol"].as_str().or(about.as_str()).unwrap();
                if known.find(venue, symbol.as_bytes()).is_none() {
                    let name = |key: &str| about[key].as_str().map(Into::into);
                    let (market_id, market) = (name("market_id"), name("market"));
                    known.add(Instrument { market_id, market, ..Instrument::new(venue, symbol, 0) });
                }
            }
            let before = vector["before"].as_array().into_iter().flatten();
            frames.extend(before.chain([&vector["frame"]]).map(|f| f.as_str().unwrap().to_owned()));
        }
        frames.sort();
        frames.dedup();
        Self { venue, known, frames }
    }

    fn all() -> [Self; 8] {
        [
            Self::of(Venue::POLYMARKET, "vectors"),
            Self::of(Venue::KALSHI, "kalshi"),
            Self::of(Venue::BINANCE, "binance"),
            Self::of(Venue::KRAKEN, "kraken"),
            Self::of(Venue::COINBASE, "coinbase"),
            Self::of(Venue::BITSTAMP, "bitstamp"),
            Self::of(Venue::GEMINI, "gemini"),
            Self::of(Venue::CRYPTOCOM, "cryptocom"),
        ]
    }
}

/// Reads each frame, and so many mutants of it. How many were understood.
fn campaign(seed: u64, mutants: usize) -> usize {
    let (mut rng, mut understood) = (Rng(seed), 0);
    for Vectors { venue, known, frames } in Vectors::all() {
        for frame in frames.iter().filter(|frame| !frame.is_empty()) {
            assert!(frames.len() > 20, "{venue:?}");
            understood += usize::from(read_alike(venue, b"", frame.as_bytes(), &known));
            for _ in 0..mutants {
                let mutant = mutate(&mut rng, frame.as_bytes());
                understood += usize::from(read_alike(venue, frame.as_bytes(), &mutant, &known));
            }
        }
    }
    understood
}

#[test]
fn either_way_reads_the_same() {
    let understood = campaign(1, 60);
    assert!(understood > 5_000, "{understood}");
}

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a million mutants"]
fn either_way_reads_the_same_of_many_mutants() {
    campaign(2, 4_000);
}
