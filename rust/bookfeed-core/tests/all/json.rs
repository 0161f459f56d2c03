//! RFC 8259, rule by rule: documents of our own that must be accepted or refused, built by
//! category, and a differential against another strict reader; each by the checker, inside a
//! member that a message does not need, and where the decoder takes its short cuts.

mod suite;

use crate::support::Rng;
use crate::support::scene::Scene;
use crate::support::surrogates::paired;
use bookfeed_core::book::integrity::State;
use bookfeed_core::decode::json::{JsonErrorKind, MAX_DEPTH, check};
use bookfeed_core::engine::HashCheck;
use proptest::prelude::*;

/// Whether a document is accepted as the value of a member nobody needs, in the middle of a
/// change that must otherwise be applied.
fn accepted_inside(scene: &mut Scene, document: &[u8], place: usize) -> bool {
    scene.tick();
    let frame = scene.market.change(0, true, 300, &format!("{}", 1 + scene.market.ms % 1_000));
    let at = match place % 4 {
        0 => 1,
        1 => frame.find(r#""price_changes""#).unwrap(),
        2 => frame.find(r#""asset_id""#).unwrap(),
        _ => frame.find(r#""side":"SELL""#).unwrap(),
    };
    let mut bytes = frame.as_bytes()[..at].to_vec();
    bytes.extend_from_slice(br#""not needed":"#);
    bytes.extend_from_slice(document);
    bytes.push(b',');
    bytes.extend_from_slice(&frame.as_bytes()[at..]);
    scene.ts += 1_000_000;
    let before = scene.engine.counters().decode_errors;
    scene.engine.ingest(0, &bytes, scene.ts);
    let refused = scene.engine.counters().decode_errors > before;
    if refused {
        assert_eq!(scene.states(), [State::Stale; 2]);
        let whole = scene.tick().market.books_frame();
        scene.say(&whole);
    } else {
        assert!(scene.is_true(0) && scene.is_true(1), "the rest of the message counts");
    }
    assert_eq!(scene.states(), [State::Live; 2]);
    scene.records();
    !refused
}

#[test]
fn documents_that_must_be_accepted() {
    let all = suite::accepted();
    assert!(all.len() >= 95, "{}", all.len());
    let mut scene = Scene::live(HashCheck::Off);
    for (i, (name, document)) in all.iter().enumerate() {
        let text = String::from_utf8_lossy(document);
        assert_eq!(check(document), Ok(()), "{name}: {text}");
        assert!(accepted_inside(&mut scene, document, i), "{name}: {text}");
    }
}

#[test]
fn documents_that_must_be_refused() {
    let all = suite::refused();
    assert!(all.len() >= 188, "{}", all.len());
    let mut scene = Scene::live(HashCheck::Off);
    for (i, (name, document)) in all.iter().enumerate() {
        let text = String::from_utf8_lossy(&document[..document.len().min(200)]).into_owned();
        let error = check(document).expect_err(&format!("{name}: {text}"));
        assert!(error.offset <= document.len(), "{name}: {text}: {error}");
        assert!(!accepted_inside(&mut scene, document, i), "{name}: {text}");
    }
}

/// The suite itself is checked by another reader, up to the documented differences.
#[test]
fn the_suite_agrees_with_another_reader() {
    for (name, document) in suite::accepted() {
        let theirs = serde_json::from_slice::<serde_json::Value>(&document).is_ok();
        assert!(theirs || suite::differs(name), "{name}");
    }
    for (name, document) in suite::refused() {
        let theirs = serde_json::from_slice::<serde_json::Value>(&document).is_ok();
        assert!(!theirs || suite::differs(name), "{name}");
    }
}

#[test]
fn depth_is_bounded_without_recursion() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    for (open, close) in [("[", "]"), (r#"{"a":["#, "]}"), (r#"[{"a":"#, "}]")] {
        let each = open.matches(['[', '{']).count();
        let inner = if close == "}]" { "1" } else { "" };
        let whole = |depth| {
            let mut text = nested(open, close, depth / each);
            let middle = text.len() - close.len() * (depth / each);
            text.splice(middle..middle, inner.bytes());
            text
        };
        assert_eq!(check(&whole(MAX_DEPTH)), Ok(()), "{open}");
        let error = check(&whole(MAX_DEPTH + each)).unwrap_err();
        assert_eq!(error.kind, JsonErrorKind::Depth, "{open}");
    }
    for bytes in [b"[".repeat(100_000), b"{\"a\":".repeat(100_000), nested("[", "]", 100_000)] {
        assert_eq!(check(&bytes).unwrap_err().kind, JsonErrorKind::Depth);
    }
    // Wide is not deep.
    let wide = format!("[{}[]]", "[],".repeat(100_000));
    assert_eq!(check(wide.as_bytes()), Ok(()));
}

/// Every byte at every place of a string, against the definition of UTF-8.
#[test]
fn strings_are_utf8_at_any_distance_from_the_end() {
    let mut sequences: Vec<Vec<u8>> = Vec::new();
    for a in 0x7f..=0xff_u8 {
        for b in [0x00, 0x22, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff_u8] {
            sequences.push(vec![a, b]);
            for c in [0x41, 0x7f, 0x80, 0xbf, 0xc0_u8] {
                sequences.push(vec![a, b, c]);
                sequences.push(vec![a, b, c, 0x80]);
                sequences.push(vec![a, b, c, 0xbf]);
            }
        }
    }
    for sequence in &sequences {
        for before in [0, 1, 13, 14, 15, 16, 17] {
            let mut document = b"[\"".to_vec();
            document.extend(b"x".repeat(before));
            document.extend_from_slice(sequence);
            document.extend_from_slice(b"\"]");
            let theirs = serde_json::from_slice::<serde_json::Value>(&document).is_ok();
            assert_eq!(check(&document).is_ok(), theirs, "{document:x?}");
        }
    }
}

/// The reader looks at sixteen bytes at a time: what ends a string is found at every place.
#[test]
fn the_end_of_a_string_is_found_at_any_place() {
    for length in 0..70 {
        for at in 0..=length {
            for byte in [b'"', b'\\', b'\n', 0, 0x1f, 0x20, 0x7f, b'\'', b'!', b'#', b'[', b']'] {
                let mut document = b"\"".to_vec();
                document.extend(b"a".repeat(at));
                document.push(byte);
                document.extend(b"b".repeat(length - at));
                document.push(b'"');
                let theirs = serde_json::from_slice::<serde_json::Value>(&document).is_ok();
                let text = String::from_utf8_lossy(&document);
                assert_eq!(check(&document).is_ok(), theirs, "{text:?}");
            }
        }
    }
}

/// Values with everything in them.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,24}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 80, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(".{0,8}", inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Numbers beyond a double's range are grammar to us and an error to the other reader.
fn overflows(theirs: &serde_json::Error) -> bool {
    theirs.to_string().contains("number out of range")
}

fn agree(document: &[u8]) -> Result<bool, TestCaseError> {
    let ours = check(document);
    match serde_json::from_slice::<serde_json::Value>(&paired(document)) {
        Ok(_) => prop_assert_eq!(ours, Ok(()), "{:?}", String::from_utf8_lossy(document)),
        Err(theirs) if overflows(&theirs) => return Ok(ours.is_ok()),
        Err(theirs) if theirs.to_string().contains("recursion limit") => return Ok(ours.is_ok()),
        Err(theirs) => {
            prop_assert!(ours.is_err(), "{theirs}: {:?}", String::from_utf8_lossy(document));
        }
    }
    Ok(ours.is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_another_reader_writes_is_accepted(value in values(), pretty: bool) {
        let text = if pretty {
            serde_json::to_vec_pretty(&value).unwrap()
        } else {
            serde_json::to_vec(&value).unwrap()
        };
        prop_assert!(agree(&text)?);
    }

    #[test]
    fn mutations_are_refused_and_accepted_alike(value in values(), seed: u64) {
        let mut rng = Rng(seed);
        let text = serde_json::to_vec(&value).unwrap();
        for _ in 0..20 {
            let mut mutant = text.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(mutant.len() + 1);
                let byte = *rng.pick(b"\"\\/{}[],:.0123456789-+eEtfnul dD8\x00\x09\x1f\x7f\x80\xbf\xc2\xe0\xed\xf0\xf4");
                match rng.below(3) {
                    0 => mutant.insert(at, byte),
                    1 if at < mutant.len() => mutant[at] = byte,
                    _ if at < mutant.len() => {
                        mutant.remove(at);
                    }
                    _ => {}
                }
            }
            agree(&mutant)?;
        }
    }

    #[test]
    fn strings_of_escapes_are_refused_and_accepted_alike(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("\\u"), Just("\\"), Just("\\n"), Just("d83d"), Just("de00"), Just("\\ud83d\\ude00"),
                Just("\\udbff"), Just("\\udfff"), Just("00e9"), Just("0000"), Just("uD800"), Just("\""),
                Just("/"), Just("g"), Just("é"), Just("\u{1F600}"), Just("\u{7f}"), Just("\\b\\f"),
            ],
            0..10,
        ),
    ) {
        let mut text = String::from("[\"");
        pieces.iter().for_each(|piece| text.push_str(piece));
        text.push_str("\"]");
        agree(text.as_bytes())?;
    }

    #[test]
    fn numbers_are_refused_and_accepted_alike(text in "[-+0-9.eE]{0,9}") {
        agree(text.as_bytes())?;
        agree(format!("[{text}]").as_bytes())?;
        agree(format!("{{\"a\":{text} }}").as_bytes())?;
    }

    #[test]
    fn a_skipped_member_is_judged_as_a_document_is(value in values(), seed: u64) {
        let mut rng = Rng(seed);
        let mut scene = Scene::live(HashCheck::Off);
        let text = serde_json::to_vec(&value).unwrap();
        prop_assert!(accepted_inside(&mut scene, &text, rng.below(4)));
        for _ in 0..6 {
            let mut mutant = text.clone();
            let at = rng.below(mutant.len());
            mutant[at] = *rng.pick(b"\"\\{}[],:.09-eE \x00\x1f\x80\xc3");
            // Where it ends early, what follows is not the member's any more.
            if check(&mutant).is_err() && !suite::ends_early(&mutant) {
                prop_assert!(!accepted_inside(&mut scene, &mutant, rng.below(4)));
            }
        }
    }
}

/// Short cuts: the venue's own spelling, broken at every byte by every byte that matters,
/// against the other reader.
#[test]
fn short_cuts_refuse_what_the_general_way_refuses() {
    let mut scene = Scene::live(HashCheck::Off);
    for round in 0..2 {
        scene.tick();
        let mut next = scene.market.clone();
        let frame = if round == 0 { next.change(0, true, 395, "77.5") } else { next.book(0) };
        for at in 0..frame.len() {
            for byte in [b'"', b'\\', b'{', b'}', b',', b':', b'0', b' ', 0, 0x1f, 0x80] {
                let mut mutant = frame.clone().into_bytes();
                mutant[at] = byte;
                let theirs = serde_json::from_slice::<serde_json::Value>(&mutant).is_ok();
                let before = scene.engine.counters().decode_errors;
                scene.ts += 1;
                scene.engine.ingest(0, &mutant, scene.ts);
                let ours = scene.engine.counters().decode_errors == before;
                assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&mutant));
            }
            scene.records();
        }
    }
}
