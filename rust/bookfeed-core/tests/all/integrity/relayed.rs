//! What a relay tells of the touch on a socket of its own: it vouches for books, finds those that are
//! frozen, and costs a true one little however much it lies.

use super::SECOND;
use crate::support::scene::Scene;
use crate::support::venue::{MS, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::book::proof::book_hash::hex_hash;
use bookfeed_core::book::relayed::RelayedTouch;
use bookfeed_core::engine::{Config, EngineError, HashCheck};
use bookfeed_core::event::Claim;
use bookfeed_core::fixed::{ABSENT, parse_price};
use bookfeed_core::sequence::reputation::Reputation;
use bookfeed_core::sequence::rhythm::Freshness;

/// Time goes on by `time` in the steps of a feed's timer.
fn pass(scene: &mut Scene, time: i64) -> Vec<String> {
    let end = scene.ts + time;
    let mut records = Vec::new();
    while scene.ts < end {
        records.extend(scene.wait((end - scene.ts).min(100 * MS)));
    }
    records
}

/// The venue's clock, which ticks beside the receiver's.
fn now(scene: &Scene) -> i64 {
    i64::try_from(scene.market.ms).unwrap() * MS
}

/// The touch of the first outcome as it is in truth.
fn true_touch(scene: &Scene) -> RelayedTouch {
    let (bid, ask) = scene.market.books[0].claims();
    let [bid, ask] = [bid, ask].map(|text| Claim::price(parse_price(text.as_bytes()).unwrap().value));
    let hash = hex_hash(scene.market.hash(0).as_bytes());
    let at = now(scene);
    RelayedTouch { bid, ask, hash, ts_event: at, ts_sent: at }
}

fn tell(scene: &mut Scene, touch: &RelayedTouch) -> Vec<String> {
    scene.ts += MS;
    scene.engine.tell_touch(0, touch, scene.ts).unwrap();
    scene.records()
}

/// The venue's time goes on by `time`, and nothing is said.
fn later(scene: &mut Scene, time: i64) -> Vec<String> {
    scene.market.ms += u64::try_from(time / MS).unwrap();
    pass(scene, time)
}

fn answers(scene: &Scene) -> [u64; Reputation::NAMES.len()] {
    scene.engine.relay_answers(Some(0))
}

/// Both books are fetched by REST.
fn fetch(scene: &mut Scene) {
    for id in scene.ids {
        scene.engine.resync_asked(id, scene.ts).unwrap();
    }
    let body = format!("[{},{}]", scene.market.rest(0), scene.market.rest(1));
    scene.answer(&body);
    assert_eq!(scene.states(), [State::Live; 2]);
}

/// Another touch than the book has, of now.
fn lie(scene: &Scene) -> RelayedTouch {
    let truth = true_touch(scene);
    RelayedTouch { bid: Claim::price(300_000_000), ask: Claim::price(310_000_000), hash: None, ..truth }
}

#[test]
fn the_same_hash_vouches_for_a_silence_as_of_when_it_was_sent() {
    let mut scene = Scene::live_with(Config { silence: 30 * SECOND, ..policy(HashCheck::Off) });
    scene.change(true, 350, "7");
    let newest = true_touch(&scene);
    later(&mut scene, 20 * SECOND);
    let sent = now(&scene);
    tell(&mut scene, &RelayedTouch { ts_sent: sent, ..newest });
    let proved = scene.engine.book(0).unwrap().ts_evidence;
    assert!(proved > scene.ts - 100 * MS && proved <= scene.ts, "{}", scene.ts - proved);
    assert_eq!(scene.evidence(0, Evidence::RelayMatch), 1);
    assert_eq!(answers(&scene), [1, 0, 0, 0, 0]);
    assert_eq!(later(&mut scene, 12 * SECOND), ["1 state stale silence"], "it alone was vouched for");
}

#[test]
fn the_same_touch_alone_does_not_make_a_book_younger() {
    let mut scene = Scene::live(HashCheck::Off);
    scene.change(true, 350, "7");
    let before = scene.engine.book(0).unwrap().ts_evidence;
    later(&mut scene, 20 * SECOND);
    scene.lose_change(true, 349, "9");
    let newest = true_touch(&scene);
    tell(&mut scene, &newest);
    assert_eq!(scene.evidence(0, Evidence::RelayMatch), 1);
    assert_eq!(scene.engine.book(0).unwrap().ts_evidence, before, "levels behind it may have changed");
}

#[test]
fn a_relay_does_not_hide_that_a_silence_is_odd_by_saying_the_same_again_and_again() {
    let mut scene = Scene::live(HashCheck::Off);
    for i in 0..40 {
        later(&mut scene, 499 * MS);
        scene.change(true, 350, &format!("{}", i + 1));
    }
    let newest = true_touch(&scene);
    let mut odd = false;
    for _ in 0..40 {
        later(&mut scene, 200 * MS);
        odd |= scene.engine.freshness(0) == Freshness::Suspect;
        let sent = now(&scene);
        tell(&mut scene, &RelayedTouch { ts_sent: sent, ..newest });
    }
    assert!(odd, "it was odd at first");
    // The relay falls silent as well: so it is asked about as soon as after one such word.
    later(&mut scene, 11 * SECOND);
    assert_eq!(scene.engine.freshness(0), Freshness::Suspect);
}

#[test]
fn a_frozen_book_is_found_after_the_grace_and_its_sibling_is_left_alone() {
    let mut scene = Scene::live(HashCheck::Off);
    scene.change(true, 350, "7");
    for _ in 0..5 {
        scene.lose_change(true, 400, "5");
        later(&mut scene, 300 * MS);
        scene.say("PONG");
        let newest = true_touch(&scene);
        assert_eq!(tell(&mut scene, &RelayedTouch { hash: None, ..newest }), [""; 0]);
    }
    assert_eq!(scene.states(), [State::Live; 2]);
    let records = later(&mut scene, 900 * MS);
    assert_eq!(records, ["0 state suspect withheld"]);
    assert_eq!(scene.evidence(0, Evidence::RelayMismatch), 1);
    assert_eq!(answers(&scene)[1], 1);
    fetch(&mut scene);
    assert_eq!(scene.standing(0), (State::Live, Cause::Resync));
    assert_eq!(answers(&scene)[4], 0, "it was right");
}

#[test]
fn what_is_on_its_way_costs_nothing() {
    let mut scene = Scene::live(HashCheck::Off);
    // The relay is ahead by 1.5 s throughout, and the touch moves with every change.
    let mut told = Vec::new();
    for i in 0..60_u32 {
        scene.tick();
        let price = 396 + i % 4;
        let frame = scene.market.change(0, true, price, if i % 8 < 4 { "5" } else { "0" });
        let touch = true_touch(&scene);
        let records = tell(&mut scene, &touch);
        assert!(records.iter().all(|record| !record.contains("suspect")), "{i}: {records:?}");
        told.push(frame);
        let records = later(&mut scene, 500 * MS);
        assert!(records.iter().all(|record| !record.contains("suspect")), "{i}: {records:?}");
        if told.len() > 2 {
            let frame = told.remove(0);
            scene.say(&frame);
            assert_eq!(scene.states(), [State::Live; 2], "{i}");
        }
    }
    assert_eq!(answers(&scene)[1], 0);
}

#[test]
fn older_words_and_ghosts_convict_nobody() {
    let mut scene = Scene::live(HashCheck::Off);
    let old = lie(&scene);
    later(&mut scene, 10 * SECOND);
    scene.change(true, 350, "7");
    for _ in 0..5 {
        tell(&mut scene, &old);
        let ghost = RelayedTouch {
            bid: Claim::price(10_000_000),
            ask: Claim::price(990_000_000),
            ts_event: now(&scene) + 50 * MS,
            ..old
        };
        tell(&mut scene, &ghost);
    }
    assert_eq!(pass(&mut scene, 5 * SECOND), [""; 0]);
    assert_eq!(answers(&scene), [0, 0, 5, 5, 0]);
    let (future, silent) = (now(&scene) + 3_600 * SECOND, RelayedTouch::SILENT);
    let ahead = RelayedTouch { ts_event: future, ..lie(&scene) };
    tell(&mut scene, &ahead);
    tell(&mut scene, &silent);
    assert_eq!(pass(&mut scene, 5 * SECOND), [""; 0]);
}

#[test]
fn a_relay_that_lies_costs_a_true_book_three_verdicts_and_no_more() {
    let mut scene = Scene::live(HashCheck::Off);
    scene.change(true, 350, "7");
    let (mut taken_out, mut away) = (0, 0);
    let began = scene.ts;
    while scene.ts < began + 600 * SECOND {
        later(&mut scene, 400 * MS);
        let touch = RelayedTouch { ts_event: now(&scene), ..lie(&scene) };
        tell(&mut scene, &touch);
        if scene.engine.book(0).unwrap().state == State::Live {
            continue;
        }
        // A feed asks REST at once, which has the same book.
        taken_out += 1;
        let since = scene.ts;
        scene.engine.resync_begin(0, scene.ts).unwrap();
        pass(&mut scene, 200 * MS);
        let body = scene.market.rest(0);
        scene.answer(&body);
        assert_eq!(scene.engine.book(0).unwrap().state, State::Live);
        away += scene.ts - since;
    }
    assert_eq!(taken_out, 3, "then nobody listens to it");
    assert_eq!(answers(&scene)[4], 3);
    assert!(away < 3 * SECOND, "{away}");
}

#[test]
fn a_relay_is_heard_again_once_it_agreed() {
    let mut scene = Scene::live(HashCheck::Off);
    let old = lie(&scene);
    later(&mut scene, 10 * SECOND);
    scene.change(true, 350, "7");
    for _ in 0..3 {
        tell(&mut scene, &old);
    }
    scene.lose_change(true, 400, "5");
    let newest = true_touch(&scene);
    tell(&mut scene, &newest);
    assert_eq!(later(&mut scene, 3 * SECOND), [""; 0], "it was three times of long ago");
    fetch(&mut scene);
    let newest = true_touch(&scene);
    tell(&mut scene, &newest);
    scene.lose_change(true, 400, "0");
    later(&mut scene, 20 * MS);
    let newest = true_touch(&scene);
    tell(&mut scene, &newest);
    assert_eq!(later(&mut scene, 3 * SECOND)[0], "0 state suspect withheld");
}

#[test]
fn only_books_that_are_there_and_running_are_told() {
    let mut scene = Scene::silent(policy(HashCheck::Off));
    let touch = lie(&scene);
    assert!(matches!(scene.engine.tell_touch(9, &touch, scene.ts), Err(EngineError::NoInstrument(9))));
    tell(&mut scene, &touch);
    assert_eq!(later(&mut scene, 3 * SECOND), [""; 0]);
    assert_eq!(answers(&scene), [0; 5]);
    assert_eq!(scene.engine.book(0).unwrap().ts_evidence, ABSENT);
}
