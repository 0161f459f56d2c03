//! Batches, order and mirrors: what the messages themselves say about each other.

use crate::support::records::drain;
use crate::support::scene::Scene;
use crate::support::venue::{MS, Market, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, HashCheck};
use bookfeed_core::instrument::Venue;

/// Two changes of one venue time in two frames: the best bid goes, then the next one. The
/// evidence of both is that of the end.
fn split_batch(scene: &mut Scene) -> [String; 2] {
    scene.tick();
    scene.market.set(0, true, 399, "0");
    scene.market.set(0, true, 398, "0");
    [399, 398].map(|price| {
        let market = &scene.market;
        market.changes(&[market.entry(0, true, price, "0"), market.entry(1, false, 1000 - price, "0")])
    })
}

#[test]
fn a_batch_over_two_frames_is_judged_at_its_end() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let [first, second] = split_batch(&mut scene);
        assert_eq!(scene.say(&first), [""; 0], "nothing is published inside a batch");
        assert_eq!(scene.standing(0), (State::Suspect, Cause::BboMismatch));
        assert!(!scene.engine.book(0).unwrap().believable());
        assert_eq!(scene.say(&second), ["0 book live snapshot", "1 book live snapshot"]);
        assert_eq!(scene.states(), [State::Live; 2]);
        for outcome in [0, 1] {
            assert!(scene.is_true(outcome));
            assert_eq!(scene.evidence(outcome, Evidence::BatchSettled), 1);
            assert_eq!(scene.evidence(outcome, Evidence::BboMismatch), 0);
        }
    }
}

#[test]
fn the_grace_of_a_batch_ends() {
    let mut scene = Scene::live(HashCheck::Off);
    let [first, _] = split_batch(&mut scene);
    scene.say(&first);
    let grace = Config::default().batch_grace;
    assert_eq!(scene.wait(grace - 1), [""; 0]);
    let records = scene.wait(1);
    assert_eq!(
        records,
        [
            "0 state suspect bbo_mismatch",
            "0 book suspect bbo_mismatch",
            "1 state suspect bbo_mismatch",
            "1 book suspect bbo_mismatch"
        ],
        "the state is told before the book that caused it"
    );
    assert_eq!(scene.evidence(0, Evidence::BboMismatch), 1);
    let records = scene.wait(Config::default().suspect_grace);
    assert_eq!(records, ["0 state stale bbo_mismatch", "1 state stale bbo_mismatch"]);
    assert_eq!(scene.wait(1_000 * MS), [""; 0], "told once");
}

#[test]
fn the_next_venue_time_ends_a_batch() {
    let mut scene = Scene::live(HashCheck::Off);
    let [first, _] = split_batch(&mut scene);
    scene.say(&first);
    let records = scene.change(true, 300, "5");
    assert_eq!(records[0], "0 state suspect bbo_mismatch");
    assert_eq!(records.iter().filter(|r| r.contains(" state ")).count(), 2);
    assert!(records.iter().filter(|r| r.contains(" book ")).all(|r| r.contains("suspect")));
}

#[test]
fn a_lost_change_of_the_touch_is_noticed_by_the_next_message() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        scene.lose_change(true, 399, "0");
        scene.change(true, 300, "5");
        assert_eq!(scene.standing(0), (State::Suspect, Cause::BboMismatch));
        let records = scene.change(true, 300, "6");
        assert!(records[0].starts_with("0 state suspect"), "{records:?}");
        // That the touches agree again by chance does not bring a book back.
        scene.change(true, 399, "0");
        if policy == HashCheck::Off {
            assert_eq!(scene.states(), [State::Suspect; 2]);
        } else {
            // But a matching hash does: the very level that was lost has been told again.
            assert_eq!(scene.states(), [State::Live; 2]);
            assert_eq!((scene.epoch(0), scene.standing(0).1), (1, Cause::Evidence));
            assert!(scene.is_true(0));
        }
    }
}

#[test]
fn the_venues_own_touch_is_evidence_and_nothing_else() {
    let mut scene = Scene::live(HashCheck::Off);
    let frame = scene.tick().market.touch(0);
    assert_eq!(scene.say(&frame), [""; 0]);
    assert_eq!(scene.evidence(0, Evidence::TouchMatch), 1);
    assert_eq!(scene.engine.book(0).unwrap().ts_evidence, scene.ts);
    let frame = scene.tick().market.touch_of(0, "0.398", "0.401");
    assert_eq!(scene.say(&frame), [""; 0]);
    assert_eq!(scene.states(), [State::Suspect, State::Live]);
    // The book catches up within the grace.
    scene.market.set_one(0, true, 399, "0");
    let frame = scene.market.touch(0);
    let change = scene.market.changes(&[scene.market.entry(0, true, 399, "0")]);
    scene.say(&change);
    scene.say(&frame);
    assert_eq!(scene.states()[0], State::Live);
    // And once it does not.
    let frame = scene.tick().market.touch_of(0, "0.397", "0.401");
    scene.say(&frame);
    let records = scene.wait(Config::default().batch_grace);
    assert_eq!(records[0], "0 state suspect bbo_mismatch");
    assert_eq!(scene.evidence(0, Evidence::TouchMismatch), 1);
}

#[test]
fn a_touch_message_that_says_nothing_is_no_evidence() {
    let mut scene = Scene::live(HashCheck::Off);
    let before = scene.engine.book(0).unwrap().ts_evidence;
    let frame = scene.tick().market.touch_of(0, "", "");
    scene.say(&frame);
    assert_eq!(scene.engine.book(0).unwrap().ts_evidence, before);
    assert_eq!(scene.evidence(0, Evidence::TouchMatch), 0);
}

#[test]
fn an_older_touch_is_not_held_against_a_newer_book() {
    let mut scene = Scene::live(HashCheck::Off);
    let old = scene.tick().market.touch(0);
    scene.change(true, 399, "0");
    assert_eq!((scene.say(&old), scene.states()), (vec![], [State::Live; 2]));
}

#[test]
fn a_book_stays_crossed_only_within_its_grace() {
    let mut scene = Scene::live(HashCheck::Off);
    // Both sides at once, without evidence about the touch.
    let entry = |m: &crate::support::venue::Market| {
        let entry = m.entry(0, true, 402, "9");
        entry[..entry.find(r#","hash""#).unwrap()].to_owned() + "}"
    };
    scene.tick();
    let frame = scene.market.changes(&[entry(&scene.market)]);
    assert_eq!(scene.say(&frame), [""; 0]);
    assert_eq!(scene.standing(0), (State::Suspect, Cause::Crossed));
    let records = scene.wait(Config::default().batch_grace);
    assert_eq!(records[0], "0 state suspect crossed");
    assert_eq!(scene.evidence(0, Evidence::Crossed), 1);
}

#[test]
fn a_crossed_snapshot_is_never_live() {
    let mut scene = Scene::silent(policy(HashCheck::Off));
    scene.market.books[0].bids.insert(402, "9".into());
    let frame = scene.market.book(0);
    let records = scene.say(&frame);
    assert_eq!(records[0], "0 state suspect crossed");
    assert!(records.iter().all(|r| !r.contains("live")));
}

#[test]
fn what_comes_twice_is_applied_once() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let frame = scene.tick().market.change(0, true, 395, "77");
    assert_eq!(scene.say(&frame).len(), 2);
    assert_eq!((scene.say(&frame), scene.states()), (vec![], [State::Live; 2]));
    assert_eq!(scene.evidence(0, Evidence::Duplicate), 1);
    let frame = scene.tick().market.book(0);
    assert_eq!(scene.say(&frame).len(), 1);
    assert_eq!(scene.say(&frame), [""; 0]);
    assert_eq!(scene.evidence(0, Evidence::Duplicate), 2);
}

#[test]
fn a_trade_is_told_once_and_its_opposite_is_another() {
    let mut scene = Scene::live(HashCheck::Off);
    let trades = |scene: &mut Scene, frame: &str| {
        scene.say(frame).iter().filter(|record| record.contains("trade")).count()
    };
    let trade = scene.tick().market.trade(0, "0.4", "5", "BUY");
    assert_eq!(trades(&mut scene, &trade), 1);
    for size in 1..=40 {
        let frame = scene.tick().market.change(0, true, 395, &size.to_string());
        scene.say(&frame);
    }
    assert_eq!(trades(&mut scene, &trade), 0, "however much the book changed meanwhile");
    assert_eq!(trades(&mut scene, &trade.replace("BUY", "SELL")), 1);
    assert_eq!(trades(&mut scene, &trade.replace(r#""size":"5""#, r#""size":"6""#)), 1);
    let (at, conn) = (scene.ts, 0);
    scene.engine.disconnected(conn, at);
    scene.engine.connected(conn, Venue::POLYMARKET, "", at).unwrap();
    assert_eq!(trades(&mut scene, &trade), 0, "the first of a connection is the first of any");
    assert_eq!(trades(&mut scene, &trade), 1, "and its second another");
}

#[test]
fn a_trade_that_cannot_be_read_takes_no_book_out() {
    let mut scene = Scene::live(HashCheck::Off);
    let trade = scene.tick().market.trade(0, "0.4", "5", "BUY");
    for (good, bad) in [
        (r#""size":"5""#, r#""size":null"#),
        (r#""size":"5""#, r#""sizes":"5""#),
        (r#""size":"5""#, r#""size":"-5""#),
        (r#""price":"0.4""#, r#""price":"0""#),
        (r#""price":"0.4""#, r#""price":"1""#),
        (r#""price":"0.4""#, r#""price":[]"#),
        (r#""asset_id""#, r#""asset""#),
    ] {
        let broken = trade.replace(good, bad);
        assert_ne!(broken, trade, "{good}");
        let before = scene.engine.counters().malformed;
        assert_eq!(scene.say(&broken), [""; 0], "{bad}");
        assert_eq!((scene.engine.counters().malformed, scene.states()), (before + 1, [State::Live; 2]));
    }
}

#[test]
fn a_message_may_set_a_level_back_to_what_it_was() {
    // Set, removed and set again within one message: in array order, nothing is a duplicate.
    for policy in [HashCheck::Off, HashCheck::Sampled] {
        let mut scene = Scene::live(policy);
        scene.tick();
        let frame = scene.market.change(0, true, 340, "1");
        scene.say(&frame); // so that the venue time is not new
        let mut entries = Vec::new();
        for size in ["9", "0", "9"] {
            scene.market.set_one(0, true, 350, size);
            entries.push(scene.market.entry(0, true, 350, size));
        }
        let frame = scene.market.changes(&entries);
        scene.say(&frame);
        assert!(scene.is_true(0) || scene.states()[0] != State::Live, "{policy:?}");
    }
}

#[test]
fn a_level_set_back_within_one_venue_time_is_not_mistaken_for_a_duplicate() {
    // The third frame equals the first byte for byte: either it came twice, or the order was
    // placed again. Only a book that is right both ways may be called live.
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.tick();
    for size in ["9", "0", "9"] {
        let frame = scene.market.change(0, true, 350, size);
        scene.say(&frame);
    }
    scene.wait(Config::default().hash_interval);
    assert!(scene.is_true(0) || scene.states()[0] != State::Live);
}

#[test]
fn an_older_change_makes_a_book_suspect_unless_a_hash_tells_more() {
    let mut scene = Scene::live(HashCheck::Off);
    let older = scene.tick().market.change(0, true, 350, "9");
    scene.change(true, 360, "5");
    let records = scene.say(&older);
    assert_eq!(records[0], "0 state suspect out_of_order");
    assert_eq!(scene.standing(1), (State::Suspect, Cause::OutOfOrder));
    assert_eq!(scene.evidence(0, Evidence::OutOfOrder), 1);
    assert!(scene.wait(Config::default().suspect_grace)[0].ends_with("stale out_of_order"));
}

#[test]
fn two_messages_that_swapped_places_make_a_whole_book() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let older = scene.tick().market.change(0, true, 350, "9");
        scene.change(true, 360, "5");
        scene.say(&older);
        assert_eq!(scene.states(), [State::Live; 2], "{policy:?}");
        assert!(scene.is_true(0) && scene.is_true(1), "the newest hash contains both");
        assert_eq!(scene.evidence(0, Evidence::OutOfOrder), 1);
    }
}

#[test]
fn an_overtaken_change_does_not_undo_a_newer_one() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let older = scene.tick().market.change(0, true, 350, "9");
        scene.change(true, 350, "5");
        assert_eq!(scene.say(&older), [""; 0]);
        assert_eq!(scene.states(), [State::Suspect; 2], "{policy:?}: or its stamp is wrong");
        scene.tick().change(true, 355, "4");
        assert_eq!(scene.states(), [State::Live; 2], "{policy:?}: the next hash tells");
        assert!(scene.is_true(0) && scene.is_true(1));
    }
}

#[test]
fn a_missing_venue_time_does_not_hide_that_the_next_one_is_older() {
    let mut scene = Scene::live(HashCheck::Off);
    let older = scene.tick().market.change(0, true, 350, "9");
    scene.change(true, 355, "4");
    let ms = scene.tick().market.ms.to_string();
    let untimed = scene.market.change(0, true, 360, "5").replace(&format!(r#""{ms}""#), r#""""#);
    scene.say(&untimed);
    scene.say(&older);
    assert_eq!(scene.states(), [State::Suspect; 2]);
}

/// A scene whose stamps are from now on so far ahead that they are not believed.
fn undated(hash_check: HashCheck) -> Scene {
    let mut scene = Scene::live(hash_check);
    for size in ["4", "5", "6"] {
        scene.tick().change(true, 350, size);
    }
    scene.market.ms += 2_000;
    scene.tick().change(true, 350, "7");
    assert_eq!(scene.states(), [State::Live; 2], "the order of arrival counts");
    assert_eq!(scene.engine.counters().odd_stamps, 1);
    scene
}

#[test]
fn an_overtaken_change_does_not_undo_a_newer_one_of_a_clock_that_is_not_believed() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut scene = undated(policy);
        let older = scene.tick().market.change(0, true, 350, "9");
        scene.tick().change(true, 350, "5");
        assert_eq!(scene.say(&older), [""; 0]);
        assert_eq!(scene.states(), [State::Suspect; 2], "{policy:?}: or its stamp is wrong");
        assert!(scene.is_true(0) && scene.is_true(1));
        scene.tick().change(true, 355, "4");
        assert_eq!(scene.states(), [State::Live; 2], "{policy:?}: the next word tells");
    }
}

#[test]
fn an_overtaken_book_of_a_clock_that_is_not_believed_is_not_taken() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut scene = undated(policy);
        let older = scene.tick().market.books_frame();
        scene.tick().change(true, 350, "5");
        assert_eq!(scene.say(&older), [""; 0]);
        assert_eq!(scene.states(), [State::Suspect; 2], "{policy:?}");
        assert!(scene.is_true(0) && scene.is_true(1));
    }
}

#[test]
fn one_of_a_clock_that_is_far_from_the_newest_counts_as_it_arrives() {
    let mut scene = undated(HashCheck::Sampled);
    scene.market.ms -= 1_500; // of the clock that was right, or of none
    scene.change(true, 350, "5");
    assert!(scene.is_true(0) || scene.states()[0] != State::Live);
    scene.tick().change(true, 355, "4");
    assert!(scene.is_true(0) || scene.states()[0] != State::Live);
}

#[test]
fn of_two_whole_books_of_one_time_with_two_touches_the_next_word_decides() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let whole = scene.tick().market.books_frame();
        scene.say(&whole);
        for price in [399, 398] {
            scene.market.set(0, true, price, "0"); // as if the best levels had gone
        }
        let other = scene.market.books_frame();
        assert_eq!(scene.say(&other), [""; 0]);
        assert_eq!(scene.states(), [State::Suspect; 2], "{policy:?}: one of them is not of then");
        scene.tick().change(true, 350, "4");
        assert_eq!(scene.states(), [State::Live; 2], "{policy:?}: it was the second");
        assert!(scene.is_true(0) && scene.is_true(1));
    }
}

#[test]
fn an_older_snapshot_is_ignored() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let older = scene.tick().market.books_frame();
    scene.change(true, 360, "5");
    assert_eq!((scene.say(&older), scene.states()), (vec![], [State::Suspect; 2]));
    assert_eq!(scene.evidence(0, Evidence::OutOfOrder), 1);
    scene.tick().change(true, 355, "4");
    assert_eq!(scene.states(), [State::Live; 2], "the next hash tells that it was overtaken");
    assert!(scene.is_true(0));
}

#[test]
fn an_older_message_that_nothing_explains_convicts_after_the_grace() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let older = scene.tick().market.books_frame();
    scene.change(true, 360, "5");
    scene.say(&older);
    let records = scene.wait(Config::default().batch_grace);
    assert_eq!(records[0], "0 state suspect out_of_order");
}

#[test]
fn an_older_message_that_changes_nothing_is_history() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let older = scene.tick().market.change(0, true, 350, "9");
    scene.tick();
    let whole = scene.market.books_frame();
    scene.say(&whole);
    assert_eq!((scene.say(&older), scene.states()), (vec![], [State::Live; 2]));
    assert!(scene.is_true(0));
}

#[test]
fn a_silent_outcome_is_doubted_when_the_other_moves() {
    let mut scene = Scene::live(HashCheck::Off);
    scene.change(true, 395, "77"); // the two have mirrored each other so far
    scene.tick();
    scene.market.set(0, true, 400, "50");
    let yes = scene.market.changes(&[scene.market.entry(0, true, 400, "50")]);
    let no = scene.market.changes(&[scene.market.entry(1, false, 600, "50")]);
    assert_eq!(scene.say(&yes), ["0 book live snapshot"]);
    assert_eq!(scene.standing(1), (State::Suspect, Cause::MirrorMismatch));
    assert_eq!(scene.say(&no), ["1 book live snapshot"], "told late, but told");
    assert_eq!(scene.states(), [State::Live; 2]);
    // And now it is not told.
    let yes = scene.tick().market.change_one(0, true, 400, "60");
    scene.say(&yes);
    let records = scene.wait(Config::default().batch_grace);
    assert_eq!(records[0], "1 state suspect mirror_mismatch");
    let records = scene.wait(Config::default().suspect_grace);
    assert_eq!(records, ["1 state stale mirror_mismatch"]);
    assert_eq!(scene.evidence(1, Evidence::MirrorMismatch), 1);
}

/// Both books agree with the venue's best prices, but the size at the best bid of one is not
/// the one at the best ask of the other.
fn torn(policy: HashCheck) -> Scene {
    let mut scene = Scene::live(policy);
    scene.change(true, 395, "77");
    scene.tick();
    scene.market.set(0, true, 399, "50");
    let yes = scene.market.entry(0, true, 399, "50");
    let no = scene.market.entry(1, false, 601, "51");
    let frame = scene.market.changes(&[yes, no]);
    scene.say(&frame);
    assert_eq!(scene.standing(0), (State::Suspect, Cause::MirrorMismatch));
    scene
}

#[test]
fn torn_outcomes_are_convicted_when_the_grace_is_over() {
    let mut scene = torn(HashCheck::Off);
    let records = scene.wait(Config::default().batch_grace);
    assert!(records.contains(&"0 state suspect mirror_mismatch".to_owned()), "{records:?}");
    assert!(records.contains(&"1 state suspect mirror_mismatch".to_owned()), "{records:?}");
}

#[test]
fn a_busy_market_does_not_prolong_the_grace_of_torn_outcomes() {
    let mut scene = torn(HashCheck::Off);
    let mut written = 0;
    for i in 0..50 {
        written += scene.wait(100 * MS).len();
        written += scene.change(true, 300, &format!("{}", 1 + i)).len();
        assert!(scene.states().iter().all(|&s| s != State::Live), "after {i} changes");
    }
    assert!(written > 0, "five seconds inside one batch, and nobody was told");
}

#[test]
fn no_record_of_an_open_batch_says_live() {
    let mut scene = Scene::live(HashCheck::Off);
    let [first, second] = split_batch(&mut scene);
    scene.say(&first);
    let trade = scene.market.trade(0, "0.4", "3", "BUY");
    scene.ts += MS;
    scene.engine.ingest(0, trade.as_bytes(), scene.ts);
    for update in drain(&mut scene.engine).0 {
        // The touch in the record is still that from before the batch.
        assert_eq!(update.bid, 399_000_000);
    }
    scene.say(&second);
    assert_eq!(scene.states(), [State::Live; 2]);
}

/// A book of an outcome that the venue never had, with a fresh time and a hash that fits it.
fn ghost(scene: &Scene, outcome: usize) -> Market {
    let mut ghost = scene.market.clone();
    for buy in [true, false] {
        ghost.books[outcome].side(buy).clear();
    }
    ghost.set_one(outcome, true, 10, "1000");
    ghost.set_one(outcome, false, 990, "1000");
    ghost
}

#[test]
fn a_whole_book_that_its_sibling_denies_takes_both_out_of_live() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        scene.change(true, 395, "77");
        scene.tick();
        let frame = ghost(&scene, 0).book(0);
        assert_eq!(scene.say(&frame), [""; 0], "{policy:?}");
        assert_eq!(scene.states(), [State::Suspect; 2], "either may be the wrong one");
        scene.wait(Config::default().batch_grace);
        assert_eq!(scene.standing(0), (State::Suspect, Cause::MirrorMismatch));
        scene.wait(Config::default().suspect_grace);
        assert_eq!(scene.states(), [State::Stale; 2]);
    }
}

#[test]
fn a_fetched_book_that_its_live_sibling_denies_is_not_believed_again_and_again() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.change(true, 395, "77");
    for _ in 0..3 {
        scene.engine.resync_asked(0, scene.ts).unwrap();
        scene.records();
        scene.tick();
        let answer = ghost(&scene, 0).rest(0);
        scene.answer(&answer);
        assert_eq!(scene.standing(0), (State::Suspect, Cause::MirrorMismatch));
        assert_ne!(scene.states()[1], State::Live);
        scene.wait(Config::default().batch_grace + Config::default().suspect_grace);
    }
    for outcome in [0, 1] {
        scene.engine.resync_asked(scene.ids[outcome], scene.ts).unwrap();
    }
    scene.tick();
    for outcome in [0, 1] {
        let answer = scene.market.rest(outcome);
        scene.answer(&answer);
    }
    assert_eq!(scene.states(), [State::Live; 2], "they agree");
    assert!(scene.is_true(0) && scene.is_true(1));
}

#[test]
fn whole_books_of_both_outcomes_one_after_the_other_are_no_contradiction() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.change(true, 395, "77");
    scene.tick();
    scene.market.set(0, true, 399, "50");
    let (yes, no) = (scene.market.book(0), scene.market.book(1));
    scene.say(&yes);
    let records = scene.say(&no);
    assert_eq!(scene.states(), [State::Live; 2]);
    assert!(records.contains(&"0 book live snapshot".to_owned()), "{records:?}");
    assert!(records.contains(&"1 book live snapshot".to_owned()), "{records:?}");
    assert!(scene.is_true(0) && scene.is_true(1));
}

#[test]
fn what_siblings_said_of_each_other_ends_with_the_grid() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.change(true, 395, "77");
    scene.tick();
    let frame = ghost(&scene, 0).book(0);
    scene.say(&frame);
    assert_eq!(scene.states(), [State::Suspect; 2]);
    for outcome in [0, 1] {
        let frame = scene.market.tick(outcome, "0.001", "0.01");
        scene.say(&frame);
        assert_eq!(scene.standing(outcome), (State::Stale, Cause::TickChange));
    }
    scene.market.profile.tick_size = "0.01".into();
    for outcome in [0, 1] {
        scene.engine.resync_asked(scene.ids[outcome], scene.ts).unwrap();
        scene.tick();
        let answer = scene.market.rest(outcome);
        scene.answer(&answer);
        assert_eq!(scene.standing(outcome), (State::Live, Cause::Resync), "{outcome}");
    }
}
