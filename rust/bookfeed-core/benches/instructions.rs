//! How many instructions a frame costs, rules on: `cargo bench --bench instructions`, under
//! valgrind, which counts them. A count hardly moves with the load of the machine, so that two
//! commits can be compared where two times could not.
//!
//! Each scene is played twice, one time with more frames; corpus and start-up are the same both
//! times and cancel out. Hashes are off: valgrind knows no SHA-1 instructions, and a digest without
//! them would outweigh all the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "stages/clock.rs"]
mod clock;
#[allow(dead_code)]
#[path = "stages/kalshi.rs"]
mod kalshi;
#[allow(dead_code)]
#[path = "stages/kalshi_venue.rs"]
mod kalshi_venue;
#[path = "stages/play.rs"]
mod play;
#[allow(dead_code)]
#[path = "stages/polymarket.rs"]
mod polymarket;
#[path = "../tests/support/mod.rs"]
mod support;

use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue as Name;
use kalshi::Watch;
use kalshi_venue::{Mix, Venue};
use std::process::Command;
use support::venue::{T0, policy};

/// Frames of every corpus.
const FRAMES: usize = 20_000;
/// Frames that are played before the counted ones: books and buffers have grown by then.
const WARM: usize = 4_000;

/// Name, and an engine with the frames it is to ingest.
type Scene = (&'static str, fn() -> (Engine, Vec<String>));

fn polymarket() -> (Engine, Vec<String>) {
    let corpus = polymarket::Corpus::new(FRAMES);
    (corpus.engine(HashCheck::Off, true), corpus.frames)
}

fn kalshi(rules: &[Watch]) -> (Engine, Vec<String>) {
    let (mut engine, mut venue) = (Engine::new(policy(HashCheck::Off)), Venue::new());
    venue.begin(&mut engine);
    rules.iter().for_each(|watch| watch.set_up(&mut engine));
    let frames = (0..FRAMES).map(|_| venue.frame(Mix::All).0).collect();
    (engine, frames)
}

/// Differences of 20 to 100 levels, of a book of 1,000 a side.
fn binance() -> (Engine, Vec<String>) {
    let (mut engine, listing) = (Engine::new(policy(HashCheck::Off)), Listing::default());
    let mut venue = support::spot::Venue::new("BTCUSDT", 5, 1_000);
    let mut rng = support::Rng(6);
    let book = engine.subscribe(Name::BINANCE, &venue.symbol, 0, &listing, T0).unwrap();
    engine.ingest_rest(0, venue.rest_book().as_bytes(), book, None, T0);
    Watch::Spread.set_up(&mut engine);
    let frame = |_| {
        let first = venue.id + 1;
        let changes = venue.change(20 + rng.below(81));
        venue.depth_update(first, &changes)
    };
    (engine, (0..FRAMES).map(frame).collect())
}

const SCENES: [Scene; 4] = [
    ("polymarket, spread and complement", polymarket),
    ("kalshi, spread", || kalshi(&[Watch::Spread])),
    ("kalshi, spread and box", || kalshi(&[Watch::Spread, Watch::Boxes])),
    ("binance, spread", binance),
];

/// Plays the first `count` frames of a scene.
fn play_scene(name: &str, count: usize) {
    let (_, scene) = SCENES.iter().find(|(known, _)| *known == name).expect("a scene of this file");
    let (mut engine, frames) = scene();
    play::play(&mut engine, &frames[..count], &mut T0.clone());
    assert_eq!((engine.counters().decode_errors, engine.counters().malformed), (0, 0));
}

/// Instructions of this program while it plays `count` frames of a scene.
fn counted(name: &str, count: usize) -> u64 {
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args([name, &count.to_string()])
        .output()
        .expect("valgrind, which counts the instructions, is on PATH");
    let printed = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{printed}");
    let total = printed.lines().find_map(|line| line.split("Collected : ").nth(1));
    total.and_then(|total| total.trim().parse().ok()).unwrap_or_else(|| panic!("no total in {printed}"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [name, count] => play_scene(name, count.parse().expect("a number of frames")),
        [only] if only == "--bench" => {
            println!("instructions for each frame, by venue and rules");
            for (name, _) in SCENES {
                let more = counted(name, FRAMES) - counted(name, WARM);
                println!("{name:<36} {:>6}", more / (FRAMES - WARM) as u64);
            }
        }
        // `cargo test --benches` runs this too.
        _ => SCENES.iter().for_each(|(name, _)| play_scene(name, 400)),
    }
}
