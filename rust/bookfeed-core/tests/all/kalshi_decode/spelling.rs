//! One frame, spelled in any way JSON allows. The venue's own spelling of a delta takes a short
//! cut through the decoder; a blank behind the first brace forbids it, so both ways are compared
//! on the very same members.

use super::describe::{Said, say};
use super::oracle::{MARKET_ID, TICKER, at_length, known};
use super::vectors::Vector;
use crate::support::Rng;
use crate::support::texts::respell;
use bookfeed_core::decode::Source;
use bookfeed_core::instrument::Instruments;
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;

fn both(frame: &[u8], yes_prices: bool, known: &Instruments) -> Result<Said, String> {
    let short = say(yes_prices, Source::Stream, frame, known);
    let long = say(yes_prices, Source::Stream, &at_length(frame), known);
    let text = String::from_utf8_lossy(frame);
    match (&short, &long) {
        (Ok(short), Ok(long)) => assert_eq!(short, long, "{text}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{short:?} but {long:?}: {text}"),
    }
    short
}

/// A delta in the venue's own spelling, of numbers in every form it may take.
pub fn delta(rng: &mut Rng) -> String {
    let price = format!("0.{:04}", 1 + rng.below(9_999));
    let size = rng.below(1_000_000);
    let sign = rng.word(&["", "-"]);
    let ms = 1_790_000_000_000 + rng.below(1_000_000_000);
    let mut frame = format!(
        r#"{{"type":"orderbook_delta","sid":{},"seq":{},"msg":{{"market_ticker":"{TICKER}","market_id":"{MARKET_ID}","price_dollars":"{price}","delta_fp":"{sign}{}.{:02}","side":"{}""#,
        1 + rng.below(30),
        1 + rng.below(1 << 40),
        size / 100,
        size % 100,
        rng.word(&["yes", "no"]),
    );
    if !rng.once_in(5) {
        frame += r#","ts":"2026-10-01T21:03:04.123456Z""#;
    }
    write!(frame, r#","ts_ms":{ms}}}"#).unwrap();
    if rng.once_in(3) {
        write!(frame, r#","sending_ts_ms":{}"#, ms + 3).unwrap();
    }
    frame + "}"
}

/// Small edits of the kind that a short cut could misread.
const EDITS: [(&str, &str); 34] = [
    (r#""sid":1,"#, r#""sid":0,"#),
    (r#""seq":7,"#, r#""seq":0,"#),
    (r#""price_dollars":"0.4410""#, r#""price_dollars":"0.0000""#),
    (r#""price_dollars":"0.4410""#, r#""price_dollars":"1.0000""#),
    (r#""price_dollars":"0."#, r#""price_dollars":"00."#),
    (r#""price_dollars":"0."#, r#""price_dollars":"."#),
    (r#""price_dollars":"0."#, r#""price_dollars":"1."#),
    (r#""price_dollars":"0."#, r#""price_dollars":"-0."#),
    (r#""price_dollars":"0."#, r#""price_dollars":"0.00000"#),
    (r#""price_dollars":"0."#, r#""price_dollars":"0.000000000000"#),
    (r#""delta_fp":""#, r#""delta_fp":"-"#),
    (r#""delta_fp":""#, r#""delta_fp":"0"#),
    (r#""delta_fp":""#, r#""delta_fp":"99999999999"#),
    (r#""delta_fp":""#, r#""delta_fp":" "#),
    (r#","side""#, r#","delta":5,"side""#),
    (r#","side""#, r#","price":44,"side""#),
    (r#","side""#, r#","side":"no","side""#),
    (r#""side":"yes""#, r#""side":"Yes""#),
    (r#""side":"no""#, r#""side":null"#),
    (r#""sid":"#, r#""sid":0"#),
    (r#""sid":"#, r#""sid":-"#),
    (r#""sid":"#, r#""sid":4294967296,"sid":"#),
    (r#""sid":"#, r#""sid":9999999999"#),
    (r#""seq":"#, r#""seq":"1","seq":"#),
    (r#""seq":"#, r#""seq":12345678901234567"#),
    (r#""seq":"#, r#""seq":0.5e1"#),
    (r#""ts_ms":17"#, r#""ts_ms":"17"#),
    (r#""ts_ms":17"#, r#""ts_ms":97"#),
    (r#""ts_ms":17"#, r#""ts_ms":0"#),
    (r#""ts_ms":17"#, r#""ts_ms":179"#),
    (r#""ts_ms":"#, r#""ts_ms":null,"x":"#),
    ("5b1c1a36", "5b1c1a37"),
    ("KXBTC15M", "KXBTC16M"),
    ("}}", r#"},"id":3}"#),
];

#[test]
fn the_short_cut_reads_what_the_general_way_reads() {
    let (mut rng, known) = (Rng(1), known());
    for round in 0..20_000 {
        let mut frame = delta(&mut rng);
        let yes_prices = rng.once_in(2);
        for _ in 0..round % 3 {
            let (from, to) = *rng.pick(&EDITS);
            frame = frame.replacen(from, to, 1);
        }
        both(frame.as_bytes(), yes_prices, &known).ok();
    }
}

#[test]
fn every_edit_alone_is_read_alike() {
    let vectors = Vector::all();
    for name in ["delta_today_sent", "delta_no"] {
        let frame = vectors.iter().find(|v| v.name == name).unwrap().frame();
        for (from, to) in EDITS {
            let edited = frame.replacen(from, to, 1);
            for yes_prices in [false, true] {
                both(edited.as_bytes(), yes_prices, &known()).ok();
            }
        }
        let met = EDITS.iter().filter(|(from, _)| frame.contains(from)).count();
        assert!(met >= 31, "{met}");
    }
}

#[test]
fn untouched_deltas_are_deltas() {
    let (mut rng, known) = (Rng(2), known());
    for _ in 0..2_000 {
        let frame = delta(&mut rng);
        let (_, messages) = both(frame.as_bytes(), false, &known).unwrap();
        let found = &messages[0]["body"]["delta"];
        assert_eq!(found["instrument"], TICKER, "{frame}");
        assert_eq!(found["side"], if frame.contains(r#""yes""#) { "bid" } else { "ask" });
    }
}

#[test]
fn a_blank_anywhere_between_changes_nothing() {
    let (mut rng, known) = (Rng(3), known());
    let frame = delta(&mut rng);
    let plain = both(frame.as_bytes(), false, &known).unwrap();
    for (at, symbol) in frame.char_indices().filter(|(_, c)| "{}:,".contains(*c)) {
        // Colons of the time are inside a string, where a blank is one.
        if symbol == ':' && frame.as_bytes()[at - 1] != b'"' {
            continue;
        }
        let spaced = format!("{} {}", &frame[..=at], &frame[at + 1..]);
        assert_eq!(both(spaced.as_bytes(), false, &known).unwrap(), plain, "{spaced}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_blanks_and_escapes_mean_the_same(seed: u64, blanks: bool, escapes: bool) {
        let mut rng = Rng(seed);
        for v in Vector::all() {
            let Ok(value) = serde_json::from_str::<Value>(v.frame()) else { continue };
            let mut other = String::new();
            respell(&value, [blanks, escapes], &mut rng, &mut other);
            let known = v.known();
            let text = |text: &str| say(v.yes_prices(), v.source(), text.as_bytes(), &known);
            prop_assert_eq!(text(v.frame()), text(&other), "{}: {}", v.name, other);
        }
    }
}
