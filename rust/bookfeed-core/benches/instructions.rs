//! How many instructions a frame costs, stage by stage, and whether that is what it was:
//! `cargo bench --bench instructions`, under valgrind, which counts them. A count hardly moves with
//! the load of the machine, so that two commits can be compared where two times could not.
//!
//! Each count is held to the one in `instructions.tsv`: more than [`BAND_PERCENT`] either way is an
//! error. `-- write` counts and rewrites that file instead: the commit that makes a stage dearer or
//! cheaper says so there. Another compiler makes other instructions: its counts are shown beside
//! the file's, and not held to them.
//!
//! What watching over books adds to a frame, supervision, freshness and witnesses together, is held
//! to [`WATCHING_PERCENT`], whatever the compiler: it is a ratio of two counts of now.
//!
//! Each stage is played twice, one time with more frames; corpus and start-up are the same both
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
#[allow(dead_code)]
#[path = "stages/play.rs"]
mod play;
#[allow(dead_code)]
#[path = "stages/polymarket.rs"]
mod polymarket;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "stages/watched.rs"]
mod watched;

use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::event::Frame;
use bookfeed_core::instrument::{UNKNOWN, Venue as Name};
use kalshi::Watch;
use kalshi_venue::{Mix, Venue};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use support::venue::{T0, policy};

/// Frames of a corpus. Making those of Polymarket and Binance under valgrind takes most of the time;
/// Kalshi's are cheap, and prices must have moved before a box has anything to look at.
const FEW: usize = 6_000;
const MANY: usize = 20_000;
/// One in so many frames is played before the counted ones: books and buffers have grown by then.
const WARM: usize = 5;
/// What a count may differ from the one that is kept.
const BAND_PERCENT: f64 = 2.0;
/// What watching over books may add to what a frame costs.
const WATCHING_PERCENT: f64 = 15.0;
/// The same frames, with nobody and with everything that watches over their books.
const UNWATCHED: &str = "polymarket, unwatched";
const WATCHED: &str = "polymarket, watched";
/// The counts that are kept: the compiler, then a line a stage.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.tsv");

/// An engine with the frames it is to ingest.
type Scene = (Engine, Vec<String>);

/// Name, number of frames, what is done with each, and where.
type Stage = (&'static str, usize, fn(&mut Engine, &[String]), fn() -> Scene);

fn polymarket(rules: bool) -> Scene {
    let corpus = polymarket::Corpus::new(FEW);
    (corpus.engine(HashCheck::Off, rules), corpus.frames)
}

fn kalshi(rules: &[Watch]) -> Scene {
    let (mut engine, mut venue) = (Engine::new(policy(HashCheck::Off)), Venue::new());
    venue.begin(&mut engine);
    rules.iter().for_each(|watch| watch.set_up(&mut engine));
    let frames = (0..MANY).map(|_| venue.frame(Mix::All).0).collect();
    (engine, frames)
}

/// Differences of 20 to 100 levels, of a book of 1,000 a side.
fn binance() -> Scene {
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
    (engine, (0..FEW).map(frame).collect())
}

/// Decodes frames and drops the events.
fn decode(engine: &Engine, venue: Name, frames: &[String]) {
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    for text in frames {
        let (bytes, source, mode) = (text.as_bytes(), Source::Stream, Mode::default());
        let payload = Payload { bytes, source, mode, about: UNKNOWN, fast: true };
        (venue.row().decode)(&payload, engine.instruments(), &mut frame, &mut tally).unwrap();
        assert!(!frame.messages.is_empty(), "nothing in {text}");
    }
}

/// Puts frames through the engine.
fn ingest(engine: &mut Engine, frames: &[String]) {
    play::play(engine, frames, &mut T0.clone());
    assert_eq!((engine.counters().decode_errors, engine.counters().malformed), (0, 0));
}

const STAGES: [Stage; 11] = [
    ("polymarket, decoded", FEW, |e, frames| decode(e, Name::POLYMARKET, frames), || polymarket(false)),
    ("polymarket, no rules", FEW, ingest, || polymarket(false)),
    ("polymarket, spread and complement", FEW, ingest, || polymarket(true)),
    (UNWATCHED, FEW, watched::play_unwatched, || watched::scene(false, FEW)),
    (WATCHED, FEW, watched::play_watched, || watched::scene(true, FEW)),
    ("kalshi, decoded", MANY, |e, frames| decode(e, Name::KALSHI, frames), || kalshi(&[])),
    ("kalshi, no rules", MANY, ingest, || kalshi(&[])),
    ("kalshi, spread", MANY, ingest, || kalshi(&[Watch::Spread])),
    ("kalshi, spread and box", MANY, ingest, || kalshi(&[Watch::Spread, Watch::Boxes])),
    ("binance, decoded", FEW, |e, frames| decode(e, Name::BINANCE, frames), binance),
    ("binance, spread", FEW, ingest, binance),
];

/// Plays the first `count` frames of a stage.
fn play_stage(name: &str, count: usize) {
    let (_, _, work, scene) = STAGES.iter().find(|(known, ..)| *known == name).expect("a known stage");
    let (mut engine, frames) = scene();
    work(&mut engine, &frames[..count]);
}

/// Instructions of this program while it plays `count` frames of a stage.
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

/// Instructions a frame of a stage of so many frames.
fn per_frame(name: &str, frames: usize) -> u64 {
    let warm = frames / WARM;
    let more = std::thread::scope(|both| {
        let few = both.spawn(|| counted(name, warm));
        counted(name, frames) - few.join().unwrap()
    });
    more / (frames - warm) as u64
}

/// The compiler and the machine it compiles for.
fn compiler() -> String {
    let done = Command::new("rustc").arg("-V").output().expect("rustc is on PATH");
    format!("{} {}", String::from_utf8_lossy(&done.stdout).trim(), std::env::consts::ARCH)
}

/// The compiler and the counts that are kept.
fn kept() -> (String, BTreeMap<String, u64>) {
    let text = std::fs::read_to_string(KEPT).unwrap_or_default();
    let mut lines = text.lines();
    let compiler = lines.next().unwrap_or_default().to_owned();
    let count = |line: &str| {
        let (name, count) = line.split_once('\t').expect("a name, a tab, a count");
        (name.to_owned(), count.parse().expect("a count"))
    };
    (compiler, lines.map(count).collect())
}

/// What watching adds by these counts, percent.
fn watching_percent(counts: &BTreeMap<String, u64>) -> f64 {
    (counts[WATCHED] as f64 / counts[UNWATCHED] as f64 - 1.0) * 100.0
}

/// Says what watching adds by these counts. Returns whether that is as little as is asked.
fn watching_is_cheap(counts: &BTreeMap<String, u64>) -> bool {
    let percent = watching_percent(counts);
    println!("Watching over books adds {percent:.1} %, of {WATCHING_PERCENT} % that it may.");
    percent <= WATCHING_PERCENT
}

/// Counts every stage and keeps the counts.
fn write() {
    let mut text = format!("{}\n", compiler());
    for (name, frames, ..) in STAGES {
        let count = per_frame(name, frames);
        println!("{name:<36} {count:>6}");
        writeln!(text, "{name}\t{count}").unwrap();
    }
    std::fs::write(KEPT, text).unwrap();
}

/// Counts every stage. Returns whether each is what it was.
fn hold() -> bool {
    let ((by, before), compiler) = (kept(), compiler());
    println!("{:<36} {:>7} {:>7}", "instructions for each frame", "kept", "now");
    let (mut held, mut counts) = (true, BTreeMap::new());
    for (name, frames, ..) in STAGES {
        let now = per_frame(name, frames);
        counts.insert(name.to_owned(), now);
        let Some(&was) = before.get(name) else {
            println!("{name:<36} {:>7} {now:>7}  is not in {KEPT}", "-");
            held = false;
            continue;
        };
        let percent = (now as f64 / was as f64 - 1.0) * 100.0;
        let within = percent.abs() <= BAND_PERCENT;
        held &= within;
        println!("{name:<36} {was:>7} {now:>7} {percent:>+6.1} %{}", if within { "" } else { " !" });
    }
    let cheap = watching_is_cheap(&counts);
    if by != compiler {
        println!("Counted with {compiler}, kept with {by}: nothing is held to what is kept.");
        return cheap;
    }
    if !held {
        println!(
            "More than {BAND_PERCENT} % from what is kept. Find what made a stage dearer; if it is \
             meant, or a stage is cheaper now, `make instructions-kept` and commit the file."
        );
    }
    held && cheap
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--bench"] if !hold() => return ExitCode::FAILURE,
        ["--bench"] => {}
        ["write", "--bench"] => write(),
        [name, count] => play_stage(name, count.parse().expect("a number of frames")),
        // `cargo test --benches` runs this too.
        _ => {
            STAGES.iter().for_each(|(name, ..)| play_stage(name, 400));
            assert!(watching_is_cheap(&kept().1), "what is kept in {KEPT}");
        }
    }
    ExitCode::SUCCESS
}
