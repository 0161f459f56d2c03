//! Hashes: learning what they contain, soft convictions, late prints, sampling, distrust.

use crate::support::scene::Scene;
use crate::support::venue::{HashProfile, MS, Market, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue;
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
                    scene.engine = Engine::new(config);
                    scene.market.profile.min_order_size = min_order_size.into();
                    for asset in &scene.market.assets {
                        let listing =
                            Listing { market: Some(&scene.market.market), ..Default::default() };
                        let venue = Venue::POLYMARKET;
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

/// What a stream says of hashes that nobody stated anything about.
fn unstated(hash_check: HashCheck) -> Scene {
    let mut scene = Scene::silent(super::policy(hash_check));
    scene.engine = Engine::new(super::policy(hash_check));
    for (outcome, asset) in scene.market.assets.iter().enumerate() {
        let listing = Listing { market: Some(&scene.market.market), ..Listing::default() };
        let id = scene.engine.subscribe(Venue::POLYMARKET, asset, 0, &listing, scene.ts).unwrap();
        assert_eq!(id, scene.ids[outcome]);
    }
    scene.records();
    scene
}

#[test]
fn hashes_of_unknown_content_are_no_evidence_and_the_book_says_so() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = unstated(policy);
        let frame = wrong_books(&mut scene);
        assert_eq!(scene.say(&frame).len(), 4);
        assert_eq!(scene.evidence(0, Evidence::HashUnknown), 1);
        let mut said = Vec::new();
        for i in 0..20 {
            let frame = wrong_change(&mut scene, 300, &format!("{}", 1 + i));
            said.extend(scene.say(&frame));
            said.extend(scene.wait(SECOND));
            assert_eq!(scene.states(), [State::Live; 2]);
        }
        said.retain(|record| record.contains(" state "));
        assert_eq!(said, ["0 state live untrusted_hash", "1 state live untrusted_hash"], "{policy:?}");
        assert_eq!(scene.evidence(0, Evidence::HashChangeMismatch), 0);
        assert_eq!(scene.epoch(0), 1);
        // One that is explained is learned from, however late it comes.
        scene.wait(100 * SECOND);
        let mut records = scene.change(true, 395, "77");
        records.extend(scene.wait(SECOND));
        assert!(records.contains(&"0 state live evidence".to_owned()), "{policy:?}: {records:?}");
        assert!(scene.engine.book(scene.ids[0]).unwrap().verified());
    }
}

/// The first book lacks a level; its own hash, and all that follow, are of the whole one.
#[test]
fn a_first_book_that_was_damaged_does_not_stay_live() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        for facts in [true, false] {
            let mut scene = if facts { Scene::silent(super::policy(policy)) } else { unstated(policy) };
            let level = r#"{"price":"0.38","size":"29.2"},"#;
            let whole = scene.market.book(0);
            assert!(whole.contains(level));
            // The other outcome's book came whole, and says what hashes contain.
            let frame = format!("[{},{}]", whole.replace(level, ""), scene.market.book(1));
            scene.say(&frame);
            assert_eq!(scene.states(), [State::Live; 2]);
            let start = scene.ts;
            for i in 0..20 {
                scene.change(true, 395, &format!("{}", 1 + i));
                scene.wait(Config::default().hash_interval);
                if scene.states()[0] != State::Live {
                    break;
                }
            }
            assert_eq!(scene.standing(0), (State::Suspect, Cause::HashMismatch));
            assert!(scene.ts - start < 2 * SECOND, "{policy:?} {facts}");
            assert_eq!(scene.states()[1], State::Live);
            for i in 0..5 {
                scene.change(true, 395, &format!("{}", 50 + i));
                scene.wait(SECOND / 2);
            }
            assert_eq!(scene.standing(0), (State::Stale, Cause::HashMismatch));
            scene.engine.resync_begin(0, scene.ts).unwrap();
            let body = scene.market.rest(0);
            assert_eq!(scene.answer(&body)[1], "0 state live resync");
            assert!(scene.is_true(0));
            scene.change(true, 395, "70");
            scene.wait(SECOND);
            assert!(scene.engine.book(scene.ids[0]).unwrap().verified());
        }
    }
}

#[test]
fn hashes_are_learned_whatever_print_came_first() {
    for facts in [true, false] {
        for (outcome, print) in [(0, "0.63"), (0, "0.630"), (1, "0.37"), (0, "0.625"), (1, ".4")] {
            let mut scene = if facts {
                Scene::silent(super::policy(HashCheck::Always))
            } else {
                unstated(HashCheck::Always)
            };
            let print = scene.market.clone().trade(outcome, print, "3", "BUY");
            scene.say(&print);
            for book in &mut scene.market.books {
                book.last_trade_price = "0.630".into();
            }
            // As after a trade, the books do not say what the last one was.
            let told = r#","last_trade_price":"0.630""#;
            let frame = scene.tick().market.books_frame().replace(told, "");
            scene.say(&frame);
            for outcome in [0, 1] {
                let matches = scene.evidence(outcome, Evidence::HashBookMatch);
                assert_eq!(matches, 1, "{facts} {print} {outcome}");
            }
        }
    }
}

#[test]
fn facts_that_were_stated_wrongly_do_not_keep_hashes_from_being_learned() {
    let mut scene = Scene::silent(super::policy(HashCheck::Always));
    scene.market.profile.min_order_size = "15".into();
    scene.market.profile.neg_risk = true;
    let frame = scene.market.books_frame();
    scene.say(&frame);
    assert_eq!(scene.evidence(0, Evidence::HashBookMatch), 1);
    assert_eq!(scene.states(), [State::Live; 2]);
}

#[test]
fn the_oldest_hashes_are_older_than_their_messages() {
    let mut scene = Scene::silent(super::policy(HashCheck::Always));
    scene.market.profile.fields = 6;
    let frame = scene.market.books_frame();
    scene.say(&frame);
    for lag in [0, 8, 15, 15, 3] {
        scene.market.ms += 100;
        scene.market.set_one(0, true, 395, &format!("{}", 70 + lag));
        scene.market.ms -= lag;
        let hash = scene.market.hash(0);
        scene.market.ms += lag;
        let Market { market, assets, ms, .. } = &scene.market;
        let frame = format!(
            r#"{{"event_type":"price_change","market":"{market}","asset_id":"{}","hash":"{hash}","timestamp":"{ms}","changes":[{{"price":"0.395","size":"{}","side":"BUY"}}]}}"#,
            assets[0],
            70 + lag,
        );
        scene.say(&frame);
        assert_eq!(scene.states()[0], State::Live, "{lag}");
        assert!(scene.engine.book(scene.ids[0]).unwrap().verified(), "{lag}");
    }
    // A hash that is older still is another book's.
    assert_eq!(scene.evidence(0, Evidence::HashChangeMatch), 5);
    scene.market.ms += 100;
    scene.market.set_one(0, true, 395, "7");
    scene.market.ms -= 16;
    let hash = scene.market.hash(0);
    scene.market.ms += 16;
    let right = scene.market.hash(0);
    let frame = scene.market.change_one(0, true, 395, "7").replace(&right, &hash);
    scene.say(&frame);
    assert_eq!(scene.standing(0), (State::Suspect, Cause::HashMismatch));
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

/// Digests of both outcomes are made together; each is that of its own book.
#[test]
fn of_two_outcomes_checked_together_the_wrong_one_alone_is_doubted() {
    for wrong in [0, 1] {
        let mut scene = Scene::live(HashCheck::Sampled);
        scene.market.set_one(wrong, true, 340, "77");
        scene.change(true, 395, "12");
        scene.wait(300 * MS);
        scene.wait(300 * MS);
        let mut states = [State::Live; 2];
        states[wrong] = State::Suspect;
        assert_eq!(scene.states(), states);
        assert_eq!(scene.evidence(wrong, Evidence::HashChangeMatch), 0);
        assert_eq!(scene.evidence(1 - wrong, Evidence::HashChangeMatch), 1);
        assert_eq!(scene.evidence(1 - wrong, Evidence::HashChangeMismatch), 0);
    }
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

/// Lets `seconds` pass in which a change comes every second, with whole books in between as
/// `frame` makes them, and mends the first book by REST, whose hash `rest` makes. Says how often
/// the book had to be fetched.
fn outage_of_hashes(
    scene: &mut Scene,
    seconds: u32,
    mut frame: impl FnMut(&mut Scene, u32) -> String,
    rest: impl Fn(&Scene) -> String,
) -> u32 {
    let mut fetched = 0;
    for second in 0..seconds {
        let frame = frame(scene, second);
        let mut records = scene.say(&frame);
        records.extend(scene.wait(SECOND));
        for record in records.iter().filter(|r| r.starts_with("0 state stale")) {
            assert!(record.ends_with("hash_mismatch"), "{record}");
            fetched += 1;
            scene.engine.resync_begin(0, scene.ts).unwrap();
            let body = rest(scene);
            scene.answer(&body);
        }
    }
    fetched
}

/// A venue that changed its hashes overnight: they never match again, whole books included. A
/// session that fetches a book each time one goes stale must not be kept busy by that.
#[test]
fn hashes_that_disagree_with_everything_cause_no_storm_of_fetches() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let frame = |scene: &mut Scene, second: u32| match second % 7 {
            0 => wrong_books(scene),
            _ => wrong_change(scene, 300 + second % 90, &format!("{}", 1 + second)),
        };
        let rest = |scene: &Scene| scene.market.rest(0).replace(&scene.market.hash(0), &"2".repeat(40));
        let fetched = outage_of_hashes(&mut scene, 3_600, frame, rest);
        assert!(fetched <= 6, "{policy:?}: {fetched} fetches in an hour");
        assert_eq!(scene.standing(0), (State::Live, Cause::UntrustedHash), "{policy:?}");
        assert!(!scene.engine.book(scene.ids[0]).unwrap().verified());
        assert!(scene.is_true(0));
    }
}

/// Hashes of changes that are no book hashes any more, while those of whole books go on matching.
#[test]
fn matching_whole_books_do_not_forgive_the_hashes_of_changes() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let frame = |scene: &mut Scene, second: u32| match second % 7 {
            6 => scene.tick().market.books_frame(),
            _ => wrong_change(scene, 300 + second % 90, &format!("{}", 1 + second)),
        };
        let rest = |scene: &Scene| scene.market.rest(0);
        let fetched = outage_of_hashes(&mut scene, 120, frame, rest);
        assert!(fetched <= 4, "{policy:?}: {fetched}");
        assert_eq!(scene.standing(0), (State::Live, Cause::UntrustedHash), "{policy:?}");
        assert!(scene.is_true(0));
        // Quiet from then on.
        let transitions = scene.engine.counters().transitions;
        assert_eq!(outage_of_hashes(&mut scene, 600, frame, rest), 0);
        assert_eq!(scene.engine.counters().transitions, transitions, "{policy:?}");
        // Best prices are still held against the book.
        let frame = wrong_change(&mut scene, 350, "7");
        let frame = frame.replace(r#""best_bid":"0.399""#, r#""best_bid":"0.398""#);
        scene.say(&frame);
        assert_eq!(scene.wait(SECOND)[0], "0 state suspect bbo_mismatch");
    }
}

#[test]
fn hashes_that_match_again_are_trusted_again() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        let frame = |scene: &mut Scene, second: u32| match second % 7 {
            6 => scene.tick().market.books_frame(),
            _ => wrong_change(scene, 300 + second % 90, &format!("{}", 1 + second)),
        };
        outage_of_hashes(&mut scene, 120, frame, |scene| scene.market.rest(0));
        assert_eq!(scene.standing(0), (State::Live, Cause::UntrustedHash));
        let mut records = Vec::new();
        for i in 0..4 {
            assert_eq!(scene.standing(0).1, Cause::UntrustedHash, "{policy:?} {i}");
            scene.change(true, 350, &format!("{}", 1 + i));
            // A match vouches for the book at once, trusted or not.
            records = scene.wait(SECOND);
            assert!(scene.engine.book(scene.ids[0]).unwrap().verified(), "{policy:?} {i}");
        }
        assert_eq!(scene.standing(0), (State::Live, Cause::Evidence), "{policy:?}: {records:?}");
        // And a mismatch speaks against the book again.
        let frame = wrong_change(&mut scene, 300, "5");
        scene.say(&frame);
        scene.wait(Config::default().hash_interval);
        assert_eq!(scene.standing(0), (State::Suspect, Cause::HashMismatch), "{policy:?}");
    }
}
