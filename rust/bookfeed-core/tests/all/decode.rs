//! Frames of the venue to books: vectors for every message type, any spelling of one message
//! gives the same engine, and a frame that is broken anywhere changes no level.

mod broadcasts;
mod mutants;
mod numbers;
mod spelling;
mod vectors;

use crate::support::records::levels;
use crate::support::scene::Scene;
use crate::support::venue::{Market, T0, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue;

/// A live scene, the frame to break, and what may be expected to survive.
fn frames_to_break(scene: &mut Scene) -> Vec<String> {
    scene.tick();
    let m = &mut scene.market.clone();
    vec![
        m.change(0, true, 395, "77.5"),
        m.change_one(1, false, 650, "0"),
        m.book(0),
        m.books_frame(),
        m.trade(0, "0.4", "31.250001", "BUY"),
        m.tick(0, "0.001", "0.01"),
        m.touch(1),
        m.resolved(0),
    ]
}

#[test]
fn a_frame_cut_anywhere_changes_no_level_and_closes_its_books() {
    let mut scene = Scene::live(HashCheck::Off);
    for frame in frames_to_break(&mut scene) {
        for cut in 0..frame.len() {
            scene.tick();
            let before = [0, 1].map(|id| levels(&scene.engine, id));
            let records = scene.say(&frame[..cut]);
            assert_eq!(scene.states(), [State::Stale; 2], "{}", &frame[..cut]);
            assert_eq!(scene.standing(0).1, Cause::Malformed);
            assert_eq!(records, ["0 state stale malformed", "1 state stale malformed"]);
            assert!(before == [0, 1].map(|id| levels(&scene.engine, id)), "{}", &frame[..cut]);
            let whole = scene.market.books_frame();
            scene.say(&whole);
            assert_eq!(scene.states(), [State::Live; 2]);
        }
    }
}

/// How a frame is broken, and the outcomes that must leave `live` for it.
type Break = (&'static str, fn(&str, &Market) -> String, [bool; 2]);

/// The frame is a change of both outcomes; `true` marks an outcome that must leave `live`.
const BROKEN: &[Break] = &[
    ("first price", |f, _| f.replacen(r#""price":"0.395""#, r#""price":"O.395""#, 1), [true, false]),
    ("second price", |f, _| f.replacen(r#""price":"0.605""#, r#""price":"""#, 1), [false, true]),
    ("both sizes", |f, _| f.replace(r#""size":"77.5""#, r#""size":"+77.5""#), [true, true]),
    ("no size", |f, _| f.replacen(r#""size":"77.5","#, "", 1), [true, false]),
    ("size null", |f, _| f.replacen(r#""size":"77.5""#, r#""size":null"#, 1), [true, false]),
    ("size array", |f, _| f.replacen(r#""size":"77.5""#, r#""size":["77.5"]"#, 1), [true, false]),
    ("size exponent", |f, _| f.replacen(r#""size":"77.5""#, r#""size":775e-1"#, 1), [true, false]),
    ("no side", |f, _| f.replacen(r#""side":"BUY","#, "", 1), [true, false]),
    ("bad best_ask", |f, _| f.replacen(r#""best_ask":"0.401""#, r#""best_ask":"-""#, 1), [true, false]),
    (
        "the first entry is a number",
        |f, _| {
            let (start, end) = (f.find(":[{").unwrap() + 2, f.find("},{").unwrap() + 1);
            format!("{}7{}", &f[..start], &f[end..])
        },
        [true, true],
    ),
    ("entry is a number", |f, _| f.replacen("[{", "[7,{", 1), [true, true]),
    (
        "entries are no array",
        |f, _| f.replacen(":[{", ":{\"a\":[{", 1).replacen("}]", "}]}", 1),
        [true, true],
    ),
    ("no entries at all", |f, _| f.replacen("price_changes", "prize_changes", 1), [true, true]),
    (
        "an entry without asset_id",
        |f, m| f.replacen(&format!(r#""asset_id":"{}","#, m.assets[0]), "", 1),
        [true, true],
    ),
    (
        "an entry whose asset_id is null",
        |f, m| f.replacen(&format!(r#""asset_id":"{}""#, m.assets[0]), r#""asset_id":null"#, 1),
        [true, true],
    ),
    (
        "a broken entry of an unknown asset",
        |f, m| f.replacen(&m.assets[0], "5", 1).replacen(r#""price":"0.395""#, r#""price":"x""#, 1),
        [true, true],
    ),
    ("the type is a number", |f, _| f.replacen(r#""price_change""#, "5", 1), [false, false]),
];

#[test]
fn a_broken_change_closes_what_it_names_or_may_name() {
    for (what, break_it, expected) in BROKEN {
        let mut scene = Scene::live(HashCheck::Off);
        scene.tick();
        let mut next = scene.market.clone();
        let frame = next.change(0, true, 395, "77.5");
        let broken = break_it(&frame, &scene.market);
        assert_ne!(frame, broken, "{what}");
        let before = [0, 1].map(|id| levels(&scene.engine, id));
        scene.say(&broken);
        for outcome in [0, 1] {
            let closed = scene.states()[outcome] == State::Stale;
            if expected[outcome] {
                assert!(closed, "{what}: outcome {outcome} is {:?}", scene.standing(outcome));
            }
            let same = levels(&scene.engine, scene.ids[outcome]) == before[outcome];
            assert!(same, "{what}: nothing of a broken message is applied");
        }
    }
}

#[test]
fn a_change_of_the_old_layouts_without_asset_is_not_ignored() {
    let ms = "1790000000500";
    for frame in [
        r#"{"event_type":"price_change","market":"M","changes":[{"price":"0.3","size":"5","side":"BUY"}],"timestamp":"T"}"#,
        r#"{"event_type":"price_change","market":"M","price":"0.3","size":"5","side":"BUY","timestamp":"T"}"#,
        r#"{"event_type":"price_change","asset_id":null,"market":"M","price":"0.3","size":"5","side":"BUY","timestamp":"T"}"#,
        r#"{"event_type":"tick_size_change","market":"M","old_tick_size":"0.001","new_tick_size":"0.01","timestamp":"T"}"#,
        r#"{"event_type":"book","market":"M","bids":[],"asks":[],"timestamp":"T"}"#,
    ] {
        let mut scene = Scene::live(HashCheck::Off);
        let frame = frame.replace('M', &scene.market.market).replace('T', ms);
        scene.say(&frame);
        assert_eq!(scene.states(), [State::Stale; 2], "{frame}");
    }
}

#[test]
fn a_broken_book_closes_what_it_names() {
    type Case = (&'static str, fn(&str) -> String);
    let broken: &[Case] = &[
        ("price", |f| f.replacen(r#""price":"0.38""#, r#""price":"0,38""#, 1)),
        ("level", |f| f.replacen(r#""bids":[{"#, r#""bids":[0,{"#, 1)),
        ("no asks", |f| f.replacen(r#""asks""#, r#""aska""#, 1)),
        ("bids null", |f| f.replacen(r#""bids":["#, r#""bids":null,"x":["#, 1)),
        ("price of one", |f| f.replacen(r#""price":"0.38""#, r#""price":"1""#, 1)),
        ("price of zero", |f| f.replacen(r#""price":"0.38""#, r#""price":"0""#, 1)),
        ("ten decimals", |f| f.replacen(r#""price":"0.38""#, r#""price":"0.3800000001""#, 1)),
        ("twice", |f| f.replacen(r#""price":"0.38""#, r#""price":"0.381""#, 1)),
    ];
    for (what, break_it) in broken {
        let mut scene = Scene::live(HashCheck::Off);
        let frame = scene.tick().market.book(0);
        let records = scene.say(&break_it(&frame));
        assert_eq!(records, ["0 state stale malformed"], "{what}");
        assert_eq!(scene.evidence(0, Evidence::Malformed), 1, "{what}");
        assert_eq!(scene.engine.counters().malformed, 1, "{what}");
        assert!(scene.engine.last_error().unwrap().to_string().contains("byte"), "{what}");
    }
}

#[test]
fn a_broken_message_of_an_unknown_market_closes_its_connection_and_no_other() {
    let mut scene = Scene::live(HashCheck::Off);
    let near = Market::new(8, 3);
    let ids = near.subscribe(&mut scene.engine, 5, T0);
    scene.engine.ingest(5, near.books_frame().as_bytes(), scene.ts);
    scene.records();
    let mut unknown = Market::new(99, 3);
    let frame = unknown.change(0, true, 395, "7").replace(r#""size":"7""#, r#""size":"""#);
    scene.engine.ingest(5, frame.as_bytes(), scene.ts);
    assert_eq!(scene.states(), [State::Live; 2]);
    for id in ids {
        assert_eq!(scene.engine.book(id).unwrap().cause, Cause::Malformed);
    }
}

#[test]
fn ids_of_78_digits_are_told_apart_by_any_digit() {
    let mut engine = Engine::new(policy(HashCheck::Off));
    let base = "1".repeat(78);
    let mut symbols = vec![base.clone()];
    for at in 0..78 {
        let mut symbol = base.clone();
        symbol.replace_range(at..=at, "2");
        symbols.push(symbol);
    }
    symbols.push("1".repeat(77));
    for (i, symbol) in symbols.iter().enumerate() {
        let id = engine.subscribe(Venue::POLYMARKET, symbol, 0, &Listing::default(), T0).unwrap();
        assert_eq!(id as usize, i);
    }
    for (i, symbol) in symbols.iter().enumerate() {
        let size = i + 1;
        let frame = format!(
            r#"{{"event_type":"book","asset_id":"{symbol}","market":"0x1","timestamp":"1790000000000","hash":"","bids":[{{"price":"0.5","size":"{size}"}}],"asks":[]}}"#
        );
        engine.ingest(0, frame.as_bytes(), T0);
    }
    for i in 0..symbols.len() {
        let id = u32::try_from(i).unwrap();
        assert_eq!(levels(&engine, id).0, [("0.5".to_owned(), (i + 1).to_string())], "{i}");
    }
    assert_eq!(engine.counters().unknown_instruments, 0);
}

#[test]
fn unknown_types_are_counted_by_name_in_bounded_memory() {
    let mut scene = Scene::live(HashCheck::Off);
    for i in 0..100 {
        let frame = format!(r#"{{"event_type":"type-{i}","asset_id":"{}"}}"#, scene.market.assets[0]);
        assert_eq!(scene.say(&frame), [""; 0]);
    }
    let long = format!(r#"{{"event_type":"{}"}}"#, "\u{20ac}".repeat(100_000));
    scene.say(&long);
    let messages = scene.engine.messages();
    assert_eq!(messages["unknown:type-7"], 1);
    assert_eq!(messages["unknown"], 101 - 32);
    assert!(messages.keys().all(|name| name.len() < 256));
    assert_eq!(scene.states(), [State::Live; 2]);
}

#[test]
fn errors_point_into_the_frame() {
    let mut scene = Scene::live(HashCheck::Off);
    let frame = scene.tick().market.change(0, true, 395, "77.5");
    for cut in 0..frame.len() {
        scene.say(&frame[..cut]);
        let error = scene.engine.last_error().unwrap().to_string();
        let offset: usize =
            error.split("at byte ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(offset <= cut, "{error}, of {cut} bytes");
    }
}
