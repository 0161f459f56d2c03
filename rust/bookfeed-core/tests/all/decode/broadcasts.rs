//! Broadcasts that are no JSON: what names nobody who is subscribed hurts nobody, and what may name
//! somebody is about every book of its connection.

use crate::support::records::drain;
use crate::support::scene::Scene;
use crate::support::venue::{MS, Market, T0, market, policy, symbol};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::{Engine, HashCheck};

const NEW: &str = r#""event_type":"new_market""#;

/// A market that nobody here subscribed is opened.
pub fn new_market() -> String {
    let (id, yes, no) = (market(70_001), symbol(170_002), symbol(170_003));
    format!(
        r#"{{"id":"2900001",{NEW},"question":"Will \u00e9 \ud83c\udfc8 win?","market":"{id}","slug":"s","description":"A \"line\".","assets_ids":["{yes}","{no}"],"outcomes":["Yes","No"],"event_message":{{"id":"1","title":"t"}},"timestamp":"1790000000000","tags":["a"],"condition_id":"{id}","active":true,"clob_token_ids":["{yes}","{no}"],"line":5,"order_price_min_tick_size":"0.01"}}"#
    )
}

/// A market that nobody here subscribed is over.
pub fn resolved_elsewhere() -> String {
    let frame = Market::new(70_001, 1).resolved(0);
    frame.replace(r#""id":"1""#, r#""id":"1","question":"Will é win?","line":5,"tags":["a"]"#)
}

/// How a broadcast is broken in what it says besides names.
fn forms() -> Vec<(&'static str, &'static [u8], Vec<u8>)> {
    let deep = [&b"\"tags\":"[..], &b"[".repeat(1_100), &b"]".repeat(1_100)].concat();
    vec![
        ("raw newline", b" win?", b"\nwin?".to_vec()),
        ("raw tab", b" win?", b"\twin?".to_vec()),
        ("raw zero", b" win?", b"\0win?".to_vec()),
        ("escape that is none", b" win?", b"\\x20win?".to_vec()),
        ("escape cut short", b" win?", b"\\u00 win?".to_vec()),
        ("quote not escaped", b" win?", b" \"win\"?".to_vec()),
        ("not UTF-8", b" win?", b" \xff\xfewin?".to_vec()),
        ("half a character", b" win?", b" \xe2\x82win?".to_vec()),
        ("NaN", b"\"line\":5", b"\"line\":NaN".to_vec()),
        ("infinite", b"\"line\":5", b"\"line\":-Infinity".to_vec()),
        ("zero in front", b"\"line\":5", b"\"line\":05".to_vec()),
        ("plus", b"\"line\":5", b"\"line\":+5".to_vec()),
        ("no value", b"\"line\":5", b"\"line\":".to_vec()),
        ("word", b"\"line\":5", b"\"line\":None".to_vec()),
        ("no colon", b"\"line\":5", b"\"line\" 5".to_vec()),
        ("no comma", b"\"tags\":[\"a\"],", b"\"tags\":[\"a\"] ".to_vec()),
        ("comma too many", b"\"tags\":[\"a\"],", b"\"tags\":[\"a\",],".to_vec()),
        ("bracket of another kind", b"\"tags\":[\"a\"]", b"\"tags\":[\"a\"}".to_vec()),
        ("nested too deeply", b"\"tags\":[\"a\"]", deep),
        ("byte order mark", b"{\"", b"\xef\xbb\xbf{\"".to_vec()),
    ]
}

fn replaced(frame: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = frame.as_bytes().windows(from.len()).position(|w| w == from).unwrap();
    [&frame.as_bytes()[..at], to, &frame.as_bytes()[at + from.len()..]].concat()
}

/// Six hundred live books on three connections.
fn hall() -> Engine {
    let mut engine = Engine::new(policy(HashCheck::Off));
    for n in 0..300 {
        let (market, conn) = (Market::new(n, 2), u32::try_from(n / 100).unwrap());
        market.subscribe(&mut engine, conn, T0);
        engine.ingest(conn, market.books_frame().as_bytes(), T0 + MS);
    }
    drain(&mut engine);
    assert_eq!(live(&engine), 600);
    engine
}

fn live(engine: &Engine) -> usize {
    (0..600).filter(|&id| engine.book(id).unwrap().state == State::Live).count()
}

fn hurts_nobody(engine: &mut Engine, frame: &[u8], what: &str) {
    let before = engine.counters().decode_errors;
    engine.ingest(1, frame, T0 + 2 * MS);
    let case = || format!("{what}: {}", String::from_utf8_lossy(frame));
    assert_eq!(live(engine), 600, "{}", case());
    let (updates, signals) = drain(engine);
    assert!(updates.is_empty() && signals.is_empty(), "{}", case());
    assert_eq!(engine.counters().decode_errors, before + 1, "counted: {}", case());
    assert!(engine.last_error().unwrap().to_string().contains("byte"), "{}", case());
}

#[test]
fn a_broken_broadcast_about_others_is_counted_and_hurts_none_of_600_books() {
    let mut engine = hall();
    for (what, from, to) in forms() {
        for frame in [new_market(), resolved_elsewhere()] {
            hurts_nobody(&mut engine, &replaced(&frame, from, &to), what);
        }
    }
}

#[test]
fn a_new_market_cut_anywhere_hurts_nobody_once_it_says_what_it_is() {
    let (mut engine, frame) = (hall(), new_market());
    let said = frame.find(NEW).unwrap() + NEW.len();
    for cut in said..frame.len() {
        hurts_nobody(&mut engine, &frame.as_bytes()[..cut], "cut");
    }
    engine.ingest(1, &frame.as_bytes()[..said - 1], T0 + 3 * MS);
    assert_eq!(live(&engine), 400, "it did not say what it was");
}

#[test]
fn a_market_that_is_over_hurts_nobody_once_it_says_which() {
    let (mut engine, frame) = (hall(), resolved_elsewhere());
    let said = frame.find("],\"winning").unwrap() + 1;
    for cut in said..frame.len() {
        hurts_nobody(&mut engine, &frame.as_bytes()[..cut], "cut");
    }
    engine.ingest(1, &frame.as_bytes()[..said - 1], T0 + 3 * MS);
    assert_eq!(live(&engine), 400, "an asset may be missing");
}

/// Broken frames that may be about a book of the scene, each as a change of a broadcast.
fn in_doubt(ours: &Market) -> Vec<(&'static str, Vec<u8>)> {
    let broken = |frame: &str| frame.replacen(" win?", "\nwin?", 1);
    let (new, over) = (new_market(), resolved_elsewhere());
    let with = |frame: &str, member: &str| broken(frame).replacen('{', &format!("{{{member},"), 1);
    let asset = &ours.assets[1];
    let spelled: String = asset.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
    let (market, glued) = (ours.market.to_uppercase(), r#"{"asset_id":"7","market":"0x12","bids":[]"#);
    vec![
        ("our asset", with(&new, &format!(r#""x":"{asset}""#))),
        ("our asset, spelled in escapes", with(&new, &format!(r#""x":"{spelled}""#))),
        ("our asset in an address", with(&new, &format!(r#""x":"a.b/c/{asset}?d""#))),
        ("our asset as a number", with(&over, &format!(r#""x":{asset}"#))),
        ("our market", with(&new, &format!(r#""x":"{}""#, ours.market))),
        ("our market in capitals", with(&over, &format!(r#""x":"{market}""#))),
        ("ours is over", broken(&ours.resolved(0).replace(r#""id":"1""#, r#""id":"1 win?""#))),
        ("levels", with(&new, r#""bids":[]"#)),
        ("an asset of a book", with(&new, r#""asset_id":"1""#)),
        ("another kind", broken(&new.replace("new_market", "price_change"))),
        ("two kinds", with(&new, r#""event_type":"book""#)),
        ("a kind that is unreadable", broken(&new.replace("\"new_market\"", "new_market"))),
        ("no kind", broken(&new.replace("event_type", "event"))),
        ("over, in a market whose name is broken", over.replacen("0x", "0x\n", 1)),
        ("over, with an asset that is broken", over.replacen("[\"11", "[\"1\n1", 1)),
        ("over, without a list", over.replacen("\"tags\":", "\"tags\"", 1).replace("assets_ids", "x")),
        ("one of many", format!("[{}]", broken(&new))),
        ("another behind it", format!("{new}{}", &glued[..5])),
        ("another behind it, and a byte order mark", format!("\u{feff}{new}{}", &glued[..5])),
        ("another inside it", new.replacen("\"outcomes\"", &glued[..20], 1)),
        ("no object", format!("\"{}", broken(&new))),
    ]
    .into_iter()
    .map(|(what, frame)| (what, frame.into_bytes()))
    .collect()
}

#[test]
fn a_broken_broadcast_that_may_name_one_of_ours_closes_the_books_of_its_connection() {
    let mut scene = Scene::live(HashCheck::Off);
    for (what, frame) in in_doubt(&scene.market.clone()) {
        scene.ts += MS;
        scene.engine.ingest(0, &frame, scene.ts);
        let case = || format!("{what}: {}", String::from_utf8_lossy(&frame));
        let closed = ["0 state stale malformed", "1 state stale malformed"];
        assert_eq!(scene.records(), closed, "{}", case());
        assert_eq!(scene.standing(0).1, Cause::Malformed, "{}", case());
        let whole = scene.tick().market.books_frame();
        scene.say(&whole);
        assert_eq!(scene.states(), [State::Live; 2], "{}", case());
    }
}

#[test]
fn an_answer_to_a_request_is_no_broadcast() {
    let mut scene = Scene::live(HashCheck::Off);
    scene.answer(&new_market()[..200]);
    let counters = scene.engine.counters();
    assert_eq!((counters.decode_errors, counters.rest_rejected), (1, 1));
    assert_eq!(scene.states(), [State::Live; 2]);
}
