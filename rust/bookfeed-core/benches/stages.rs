//! What each stage costs, in nanoseconds, on seeded corpora: `cargo bench --bench stages`.
//!
//! Every answer is compared with the truth before it is timed. All stages take turns in each
//! round, so that a machine that slows down slows all of them; the table shows the fastest
//! round and the median one. `STAGES_FRAMES`, `STAGES_ROUNDS` and `STAGES_PAIRS` change the size; with
//! `STAGES_TSV` there is one line a stage instead: name, target, and the time of every round.
//!
//! A word behind `--` chooses: `kalshi` the stages of that group, `kalshi: ingest` those whose
//! name begins so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "stages/checksum.rs"]
mod checksum;
#[path = "stages/clock.rs"]
mod clock;
#[path = "stages/kalshi.rs"]
mod kalshi;
#[path = "stages/kalshi_venue.rs"]
mod kalshi_venue;
#[path = "stages/long.rs"]
mod long;
#[path = "stages/parts.rs"]
mod parts;
#[path = "stages/play.rs"]
mod play;
#[path = "stages/polymarket.rs"]
mod polymarket;
#[path = "stages/reference.rs"]
mod reference;
#[path = "stages/rules.rs"]
mod rules;
#[path = "stages/spot.rs"]
mod spot;
#[path = "../tests/support/mod.rs"]
mod support;

use clock::Stage;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn print(stages: &mut [Stage]) {
    println!("{:<56} {:>10} {:>10} {:>9}", "ns for each", "min", "median", "target");
    for stage in stages {
        stage.times.sort_by(f64::total_cmp);
        let (min, median) = (stage.times[0], stage.times[stage.times.len() / 2]);
        let target = stage.target.map_or(String::new(), |t| format!("{t:.0}"));
        let verdict = stage.target.map_or("", |t| if median <= t { "pass" } else { "miss" });
        println!("{:<56} {min:>10.1} {median:>10.1} {target:>9} {verdict}", stage.name);
    }
}

fn print_for_programs(stages: &[Stage]) {
    for Stage { name, target, times, .. } in stages {
        let target = target.map_or(String::new(), |t| t.to_string());
        let times: Vec<_> = times.iter().map(f64::to_string).collect();
        println!("{name}\t{target}\t{}", times.join(" "));
    }
}

fn main() {
    // `cargo test --benches` runs this too: a few frames then, to check the answers.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let frames = setting("STAGES_FRAMES", if quick { 400 } else { 40_000 });
    let rounds = setting("STAGES_ROUNDS", if quick { 1 } else { 9 });
    let pairs = setting("STAGES_PAIRS", if quick { 50 } else { 10_000 });
    let chosen = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |group: &str| chosen.as_deref().is_none_or(|c| c.split(':').next() == Some(group));
    let named = |name: &str| chosen.as_deref().is_none_or(|c| name.starts_with(c));
    let corpus = polymarket::Corpus::new(frames);
    let mut stages = Vec::new();
    if wanted("polymarket") {
        stages.extend(polymarket::stages(&corpus));
    }
    if wanted("kalshi") {
        stages.extend(kalshi::stages(frames, pairs, named));
    }
    if wanted("rules") {
        stages.extend(rules::stages());
    }
    if wanted("spot") {
        stages.extend(spot::stages());
    }
    if wanted("long") {
        stages.extend(long::stages());
    }
    if wanted("reference") {
        stages.extend(reference::stages());
    }
    if wanted("parts") {
        stages.extend(parts::stages(&corpus.frames));
        stages.extend(checksum::stages());
    }
    stages.retain(|stage| named(&stage.name));
    for _ in 0..rounds {
        for stage in &mut stages {
            let time = (stage.round)();
            stage.times.push(time);
        }
    }
    if std::env::var_os("STAGES_TSV").is_some() {
        print_for_programs(&stages);
    } else {
        print(&mut stages);
    }
}
