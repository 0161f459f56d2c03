//! One message, spelled in any way JSON allows: members shuffled, blanks, escapes. The venue's
//! own spelling takes a short cut through the decoder; every other one must end at the same
//! books, the same evidence and the same records.

use crate::support::Rng;
use crate::support::records::{Update, drain, levels};
use crate::support::scene::Scene;
use crate::support::venue::{Market, T0, policy};
use bookfeed_core::book::integrity::{EvidenceCounts, State};
use bookfeed_core::engine::{Engine, HashCheck};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;

/// How freely a message is respelled.
#[derive(Clone, Copy, Debug)]
struct Style {
    shuffle: bool,
    blanks: bool,
    /// One in so many characters of member names is escaped; 0 for none.
    escape_names: usize,
    /// Likewise of string values.
    escape_values: usize,
}

fn blank(rng: &mut Rng, style: Style, out: &mut String) {
    if style.blanks {
        for _ in 0..rng.below(4) {
            out.push(*rng.pick(&[' ', '\n', '\t', '\r']));
        }
    }
}

fn string(text: &str, escape_one_in: usize, rng: &mut Rng, out: &mut String) {
    out.push('"');
    for symbol in text.chars() {
        if escape_one_in > 0 && rng.once_in(escape_one_in) {
            let code = u32::from(symbol);
            if rng.once_in(2) {
                write!(out, "\\u{code:04x}").unwrap();
            } else {
                write!(out, "\\u{code:04X}").unwrap();
            }
        } else {
            out.push(symbol);
        }
    }
    out.push('"');
}

fn respell(value: &Value, style: Style, rng: &mut Rng, out: &mut String) {
    blank(rng, style, out);
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if style.shuffle {
                rng.shuffle(&mut members);
            }
            out.push('{');
            for (i, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                blank(rng, style, out);
                string(name, style.escape_names, rng, out);
                blank(rng, style, out);
                out.push(':');
                respell(value, style, rng, out);
            }
            blank(rng, style, out);
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                respell(element, style, rng, out);
            }
            blank(rng, style, out);
            out.push(']');
        }
        Value::String(text) => string(text, style.escape_values, rng, out),
        other => write!(out, "{other}").unwrap(),
    }
    blank(rng, style, out);
}

/// A stream with messages of all kinds, some of several entries, some wrong in evidence.
fn stream(seed: u64, length: usize) -> (Market, Vec<String>) {
    let mut rng = Rng(seed);
    let mut market = Market::new(3, 12);
    let mut frames = vec![market.books_frame()];
    for _ in 0..length {
        market.ms += 1;
        frames.push(match rng.below(12) {
            0 => market.book(rng.below(2)),
            1 => market.books_frame(),
            2 => market.trade(rng.below(2), "0.400", "12.500001", rng.word(&["BUY", "SELL", ""])),
            3 => market.touch(rng.below(2)),
            4 => market.tick(0, "0.001", "0.001"),
            5 => market.change_one(0, true, 300, "5.0"),
            6 => {
                // Its evidence is wrong: what comes of that must be the same as well.
                let frame = market.random_change(&mut rng);
                frame.replacen(r#""best_bid":"0."#, r#""best_bid":"0.0"#, 1)
            }
            7 => {
                let frame = market.random_change(&mut rng);
                frame.replacen(r#""size":""#, r#""size":"0"#, 1) // a superfluous zero
            }
            8 => {
                let empty = [r#""best_bid":"""#, r#""best_bid":null"#];
                let frame = market.random_change(&mut rng);
                let (bid, _) = market.books[0].claims();
                frame.replacen(&format!(r#""best_bid":"{bid}""#), rng.word(&empty), 1)
            }
            _ => market.random_change(&mut rng),
        });
    }
    (market, frames)
}

type Standing = (Vec<Update>, Vec<State>, EvidenceCounts, u64, u64);

fn play(engine: &mut Engine, frame: &str, ts: i64) -> Standing {
    engine.ingest(0, frame.as_bytes(), ts);
    let records = drain(engine).0;
    let states = (0..2).map(|id| engine.book(id).unwrap().shown_state()).collect();
    let counters = engine.counters();
    (records, states, engine.evidence(), counters.decode_errors, counters.malformed)
}

fn difference(a: &Standing, b: &Standing) -> String {
    let short = |s: &Standing| s.0.iter().map(Update::short).collect::<Vec<_>>();
    let kinds = a.2.iter().zip(b.2.iter()).filter(|(x, y)| x != y).collect::<Vec<_>>();
    format!("{:?} {:?}; {:?} {:?}; {kinds:?}", a.1, b.1, short(a), short(b))
}

fn agree(seed: u64, hash_check: HashCheck, style: Style) {
    let (market, frames) = stream(seed, 40);
    let [mut ours, mut theirs] = [0, 1].map(|_| {
        let mut engine = Engine::new(policy(hash_check));
        market.subscribe(&mut engine, 0, T0);
        engine
    });
    let mut rng = Rng(!seed);
    for (i, frame) in frames.iter().enumerate() {
        let mut other = String::new();
        respell(&serde_json::from_str(frame).unwrap(), style, &mut rng, &mut other);
        let ts = T0 + i64::try_from(i).unwrap() * 7_000_000;
        let (a, b) = (play(&mut ours, frame, ts), play(&mut theirs, &other, ts));
        let whole: String = other.chars().take(900).collect();
        assert!(a == b, "seed {seed}, frame {i}: {}\n{whole}", difference(&a, &b));
        for id in 0..2 {
            assert_eq!(levels(&ours, id), levels(&theirs, id), "seed {seed}, frame {i}\n{whole}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_blanks_and_escaped_names_mean_the_same(
        seed: u64,
        policy in 0..3usize,
        shuffle: bool,
        blanks: bool,
        escape_names in 0..4usize,
    ) {
        let hash_check = [HashCheck::Off, HashCheck::Sampled, HashCheck::Always][policy];
        agree(seed, hash_check, Style { shuffle, blanks, escape_names, escape_values: 0 });
    }

    #[test]
    fn escaped_values_mean_the_same(seed: u64) {
        let style = Style { shuffle: true, blanks: false, escape_names: 0, escape_values: 9 };
        agree(seed, HashCheck::Off, style);
    }
}

#[test]
#[ignore = "long: a hundred thousand frames"]
fn many_spellings_mean_the_same() {
    let mut rng = Rng(8);
    for seed in 0..2_500 {
        let hash_check = [HashCheck::Off, HashCheck::Sampled, HashCheck::Always][rng.below(3)];
        let (shuffle, blanks) = (rng.once_in(2), rng.once_in(2));
        agree(seed, hash_check, Style { shuffle, blanks, escape_names: rng.below(4), escape_values: 0 });
    }
}

/// The two spellings of separators the venue has been seen to use, and mixtures of them: the
/// short cuts must take them or leave them, never misread them.
#[test]
fn blanks_after_separators_in_any_mixture() {
    for seed in 0..40 {
        let (market, frames) = stream(seed, 25);
        let mut rng = Rng(seed);
        let [mut ours, mut theirs] = [0, 1].map(|_| {
            let mut engine = Engine::new(policy(HashCheck::Always));
            market.subscribe(&mut engine, 0, T0);
            engine
        });
        for (i, frame) in frames.iter().enumerate() {
            let everywhere = rng.once_in(2);
            let mut other = String::new();
            for symbol in frame.chars() {
                other.push(symbol);
                if ",:".contains(symbol) && (everywhere || rng.once_in(8)) {
                    other.push(' ');
                }
            }
            let ts = T0 + i64::try_from(i).unwrap() * 7_000_000;
            assert_eq!(play(&mut ours, frame, ts), play(&mut theirs, &other, ts), "{other}");
        }
    }
}

/// A member that comes twice: the last one counts, as nearly everywhere.
#[test]
fn of_a_member_that_comes_twice_the_last_counts() {
    let mut scene = Scene::live(HashCheck::Off);
    let frame = scene.tick().market.change(0, true, 395, "77");
    let twice = frame.replacen(r#""size":"77""#, r#""size":"1","size":"77""#, 1);
    scene.say(&twice);
    assert!(scene.is_true(0) && scene.is_true(1));
    let frame = scene.tick().market.change(0, true, 394, "78");
    let twice = frame.replacen(r#""price_changes""#, r#""price_changes":[],"price_changes""#, 1);
    scene.say(&twice);
    assert!(scene.is_true(0) && scene.is_true(1) && scene.states() == [State::Live; 2]);
}
