//! Hashes: learning what they contain, soft convictions, late prints, sampling, distrust.

use super::support::scene::Scene;
use super::support::venue::{HashProfile, MS, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, HashCheck};
use bookfeed_core::time::Nanos;

const SECOND: Nanos = 1_000 * MS;

/// The next change of both books, with hashes that are wrong.
fn wrong_change(scene: &mut Scene, price: u32, size: &str) -> String {
    let frame = scene.tick().market.change(0, true, price, size);
    let hashes = [0, 1].map(|outcome| scene.market.hash(outcome));
    frame.replace(&hashes[0], &"0".repeat(40)).replace(&hashes[1], &"1".repeat(40))
}

fn wrong_books(scene: &mut Scene) -> String {
    let frame = scene.tick().market.books_frame();
    let hashes = [0, 1].map(|outcome| scene.market.hash(outcome));
    let tag = format!("{:08}", scene.market.ms % 100_000_000);
    let made_up = [tag.repeat(5), tag.chars().rev().collect::<String>().repeat(5)];
    frame.replace(&hashes[0], &made_up[0]).replace(&hashes[1], &made_up[1])
}

#[test]
fn the_field_set_and_the_untold_members_are_learned() {
    for fields in [6, 9, 10] {
        for (min_order_size, neg_risk) in [("5", false), ("15", true), ("1", false)] {
            for hinted in [true, false] {
                let config = policy(HashCheck::Always);
                let mut scene = Scene::silent(config);
                let profile = HashProfile {
                    fields,
                    min_order_size: min_order_size.into(),
                    neg_risk,
                    ..HashProfile::default()
                };
                scene.market.profile = profile;
                if !hinted {
                    scene.engine = bookfeed_core::engine::Engine::new(config);
                    scene.market.profile.min_order_size = min_order_size.into();
                    for asset in &scene.market.assets {
                        let listing = bookfeed_core::engine::Listing {
                            market: Some(&scene.market.market),
                            ..Default::default()
                        };
                        let venue = bookfeed_core::instrument::Venue::POLYMARKET;
                        scene.engine.subscribe(venue, asset, 0, &listing, scene.ts).unwrap();
                    }
                    scene.records();
                } else if (min_order_size, neg_risk) != ("5", false) {
                    continue; // told at subscribe, and told wrong, is another test
                }
                let frame = scene.market.books_frame();
                scene.say(&frame);
                scene.change(true, 395, "77.50");
                for outcome in [0, 1] {
                    let case = format!("{fields} fields, {min_order_size} {neg_risk} {hinted}");
                    assert_eq!(scene.evidence(outcome, Evidence::HashBookMatch), 1, "{case}");
                    assert_eq!(scene.evidence(outcome, Evidence::HashChangeMatch), 1, "{case}");
                }
            }
        }
    }
}

#[test]
fn hashes_that_cannot_be_learned_are_no_evidence_either_way() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::silent(super::policy(policy));
        let frame = wrong_books(&mut scene);
        assert_eq!(scene.say(&frame).len(), 4);
        assert_eq!(scene.states(), [State::Live; 2]);
        assert_eq!(scene.evidence(0, Evidence::HashUnknown), 1);
        for i in 0..20 {
            let frame = wrong_change(&mut scene, 300, &format!("{}", 1 + i));
            assert_eq!(scene.say(&frame).len(), 2);
            assert_eq!(scene.wait(SECOND), [""; 0]);
        }
        assert_eq!(scene.evidence(0, Evidence::HashChangeMismatch), 0);
    }
}

#[test]
fn a_lone_mismatch_is_doubted_then_suspected_and_only_much_later_given_up() {
    let mut scene = Scene::live(HashCheck::Always);
    let frame = wrong_change(&mut scene, 395, "77");
    assert_eq!(scene.say(&frame), [""; 0]);
    assert_eq!(scene.standing(0), (State::Suspect, Cause::HashMismatch));
    let config = Config::default();
    let records = scene.wait(config.batch_grace);
    assert_eq!(records[0], "0 state suspect hash_mismatch");
    assert_eq!(scene.evidence(0, Evidence::HashChangeMismatch), 1);
    assert_eq!(scene.wait(config.suspect_grace * 9), [""; 0]);
    let records = scene.wait(config.suspect_grace * 2);
    assert_eq!(records, ["0 state stale hash_mismatch", "1 state stale hash_mismatch"]);
}

#[test]
fn a_change_that_changes_nothing_here_can_deny_a_book_all_the_same() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        scene.change(true, 380, "77");
        scene.wait(SECOND);
        assert_eq!(scene.states(), [State::Live; 2]);
        // A frame is lost; the next one sets a level to what our damaged book already holds.
        scene.tick().market.change(0, true, 370, "3");
        assert_eq!(scene.change(true, 380, "77"), [""; 0]);
        let config = Config::default();
        let mut records = scene.wait(config.hash_interval);
        records.extend(scene.wait(config.batch_grace));
        assert_eq!(records[0], "0 state suspect hash_mismatch", "{policy:?}");
    }
}

#[test]
fn a_matching_hash_brings_a_suspect_book_back_in_the_same_epoch() {
    let mut scene = Scene::live(HashCheck::Always);
    let frame = wrong_change(&mut scene, 395, "77");
    scene.say(&frame);
    scene.wait(Config::default().batch_grace);
    let records = scene.change(true, 394, "5");
    assert_eq!(records[0], "0 state live evidence");
    assert_eq!((scene.states(), scene.epoch(0)), ([State::Live; 2], 1));
}

#[test]
fn a_second_mismatch_shortens_the_wait() {
    let mut scene = Scene::live(HashCheck::Always);
    for size in ["77", "78"] {
        let frame = wrong_change(&mut scene, 395, size);
        scene.say(&frame);
        scene.wait(Config::default().batch_grace);
    }
    let records = scene.wait(Config::default().suspect_grace + SECOND / 2);
    assert!(records.contains(&"0 state stale hash_mismatch".to_owned()), "{records:?}");
}

#[test]
fn a_trade_whose_print_is_late_explains_a_hash() {
    // On the grid of prices, it is recovered from the hash itself.
    let mut scene = Scene::live(HashCheck::Always);
    scene.market.books[0].last_trade_price = "0.4".into();
    scene.market.books[1].last_trade_price = "0.6".into();
    assert_eq!(scene.change(true, 395, "77").len(), 2);
    assert_eq!(scene.states(), [State::Live; 2]);
    assert!(scene.engine.counters().hash_searches > 0);
    // Off the grid, the print explains it.
    scene.market.books[0].last_trade_price = "0.40025".into();
    let records = scene.change(true, 396, "7");
    assert_eq!(records, ["1 book live evidence"].map(|r| r.replace("evidence", "snapshot")));
    assert_eq!(scene.standing(0), (State::Suspect, Cause::HashMismatch));
    let print = scene.market.clone().trade(0, "0.40025", "3", "BUY");
    let records = scene.say(&print);
    assert_eq!(records.last().unwrap(), "0 book live snapshot");
    assert_eq!((scene.states(), scene.evidence(0, Evidence::BatchSettled)), ([State::Live; 2], 1));
    // And if the doubt had been convicted by then.
    scene.market.books[0].last_trade_price = "0.40035".into();
    scene.change(true, 396, "8");
    assert_eq!(scene.wait(Config::default().batch_grace)[0], "0 state suspect hash_mismatch");
    let print = scene.market.clone().trade(0, "0.40035", "3", "BUY");
    let records = scene.say(&print);
    assert!(records.contains(&"0 state live evidence".to_owned()), "{records:?}");
}

#[test]
fn the_print_before_the_newest_still_explains_a_hash() {
    let mut scene = Scene::live(HashCheck::Always);
    let print = scene.tick().market.clone().trade(0, "0.40025", "3", "BUY");
    scene.say(&print);
    // This change was hashed before the trade.
    assert_eq!(scene.change(true, 395, "77").len(), 2);
    assert_eq!(scene.states(), [State::Live; 2]);
}

#[test]
fn searches_for_late_prints_have_a_budget() {
    let mut scene = Scene::live(HashCheck::Always);
    for i in 0..2_000 {
        let frame = wrong_change(&mut scene, 300, &format!("{}", 1 + i));
        scene.ts -= MS; // all within one millisecond
        scene.say(&frame);
    }
    assert!(scene.engine.counters().hash_searches < 150, "{:?}", scene.engine.counters());
}

#[test]
fn with_sampling_a_lost_size_is_found_within_the_interval() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.lose_change(true, 350, "1234"); // deep in the book: no best price tells
    let records = scene.change(true, 395, "77");
    assert_eq!(records.len(), 2, "believed for now: {records:?}");
    assert!(!scene.is_true(0));
    let interval = Config::default().hash_interval;
    assert_eq!(scene.wait(interval - 1), [""; 0]);
    scene.wait(1);
    assert_eq!(scene.states(), [State::Suspect; 2]);
    assert_eq!(scene.standing(0).1, Cause::HashMismatch);
    let records = scene.wait(Config::default().batch_grace);
    assert!(records[0].ends_with("state suspect hash_mismatch"), "{records:?}");
}

#[test]
fn with_sampling_frames_alone_find_a_lost_size_too() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.lose_change(true, 350, "1234");
    let interval = Config::default().hash_interval;
    let start = scene.ts;
    for i in 0..300 {
        scene.change(true, 395, &format!("{}", 1 + i));
        if scene.states() == [State::Suspect; 2] {
            break;
        }
    }
    assert!(scene.ts - start <= interval + 3 * MS, "after {} ms", (scene.ts - start) / MS);
}

#[test]
fn with_sampling_a_true_book_is_vouched_for_and_never_doubted() {
    let mut scene = Scene::live(HashCheck::Sampled);
    for i in 0..200 {
        assert_eq!(scene.change(true, 350 + i % 40, &format!("{}", 1 + i)).len(), 2);
        scene.wait(100 * MS);
        assert_eq!(scene.states(), [State::Live; 2]);
    }
    assert!(scene.evidence(0, Evidence::HashChangeMatch) >= 60);
    assert_eq!(scene.evidence(0, Evidence::HashChangeMismatch), 0);
    assert_eq!(scene.engine.counters().transitions, 4);
}

#[test]
fn without_hashes_nothing_is_hashed() {
    let mut scene = Scene::live(HashCheck::Off);
    for i in 0..100 {
        let frame = wrong_change(&mut scene, 350, &format!("{}", 1 + i));
        assert_eq!(scene.say(&frame).len(), 2);
        scene.wait(SECOND);
    }
    assert_eq!(scene.engine.counters().hashes_checked, 0);
}

/// A venue that changed its hashes overnight: they never match again, snapshots included. A
/// session that fetches a book each time one goes stale must not be kept busy by that.
#[test]
fn hashes_that_disagree_with_everything_cause_no_storm_of_fetches() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let mut stale = 0;
        for second in 0..3_600u32 {
            let mut records = if second % 7 == 0 {
                let frame = wrong_books(&mut scene);
                scene.say(&frame)
            } else {
                let frame = wrong_change(&mut scene, 300 + second % 90, &format!("{}", 1 + second));
                scene.say(&frame)
            };
            records.extend(scene.wait(SECOND));
            for record in records.iter().filter(|r| r.starts_with("0 state stale")) {
                assert!(record.ends_with("hash_mismatch"), "{record}");
                stale += 1;
                scene.engine.resync_begin(0, scene.ts).unwrap();
                let body = scene.market.rest(0).replace(&scene.market.hash(0), &"2".repeat(40));
                scene.answer(&body);
            }
        }
        assert!(stale <= 6, "{policy:?}: {stale} fetches in an hour");
        assert_eq!(scene.standing(0), (State::Suspect, Cause::UntrustedHash), "{policy:?}");
        // They match again: believed again.
        let frame = scene.tick().market.books_frame();
        scene.say(&frame);
        assert_eq!(scene.states(), [State::Live; 2], "{policy:?}");
    }
}
