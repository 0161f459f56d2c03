//! Coinbase: one count for all messages of a connection, whole books with their subscription, and
//! lists of what is subscribed.

use super::desk::{Desk, apply, small};
use crate::support::records::shorts;
use crate::support::spot::{Changes, Venue};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::Listing;
use bookfeed_core::event::Side;
use bookfeed_core::instrument;
use bookfeed_core::time::SECOND;

const GONE: &str = "0";

/// A book of ten levels a side whose whole book was told at number 0.
fn live() -> Desk {
    let mut desk = Desk::new(instrument::Venue::COINBASE, small("BTC-USD", 10), 0);
    let frame = whole(&desk.venue, 0);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
    desk
}

fn whole(venue: &Venue, number: u64) -> String {
    venue.coinbase_book("snapshot", number, &venue.sides.clone())
}

/// The true book changes, and a message says so.
fn update(desk: &mut Desk, number: u64, entries: &[(bool, i64, &str)]) -> String {
    let changes = apply(&mut desk.venue, entries);
    desk.venue.coinbase_book("update", number, &changes)
}

fn beat(number: u64) -> String {
    format!(
        r#"{{"channel":"heartbeats","timestamp":"2026-09-21T14:13:21.5Z","sequence_num":{number},"events":[{{"current_time":"","heartbeat_counter":7}}]}}"#
    )
}

fn list(number: u64, books: &str) -> String {
    format!(
        r#"{{"channel":"subscriptions","timestamp":"2026-09-21T14:13:21Z","sequence_num":{number},"events":[{{"subscriptions":{{{books}"market_trades":["BTC-USD"]}}}}]}}"#
    )
}

#[test]
fn numbers_in_order_prove_the_book() {
    let mut desk = live();
    for number in (1..60).step_by(2) {
        let size = format!("{number}.25");
        let frame = update(&mut desk, number, &[(number % 4 == 1, 10_050, &size)]);
        desk.hear(&frame);
        let frame = update(&mut desk, number + 1, &[(number % 4 == 1, 10_050, GONE)]);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true(), "{}", desk.text());
    }
    assert_eq!(desk.evidence(Evidence::InSequence), 60);
}

#[test]
fn an_update_before_any_whole_book_is_no_book() {
    let mut desk = Desk::new(instrument::Venue::COINBASE, small("BTC-USD", 10), 0);
    let frame = update(&mut desk, 0, &[(true, 10_000, "3")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    assert_eq!(desk.evidence(Evidence::BeforeSnapshot), 1);
}

#[test]
fn whatever_is_missing_may_have_been_a_change() {
    for hole in [update as fn(&mut Desk, u64, &[(bool, i64, &str)]) -> String, |_, n, _| beat(n)] {
        let mut desk = live();
        let frame = hole(&mut desk, 2, &[(true, 10_000, "3")]);
        assert_eq!(desk.hear(&frame), ["state stale gap"], "{frame}");
        let frame = update(&mut desk, 3, &[(true, 10_000, "4")]);
        assert_eq!(desk.hear(&frame), [""; 0], "order later proves nothing of a lost book");
        let frame = whole(&desk.venue, 4);
        assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
        assert!(desk.is_true());
    }
}

#[test]
fn a_copy_is_discarded_and_counted() {
    let mut desk = live();
    let frames = [1, 2].map(|number| {
        let frame = update(&mut desk, number, &[(true, 10_000, &format!("{number}.5"))]);
        desk.hear(&frame);
        frame
    });
    desk.hear(&beat(3));
    for frame in [&frames[1], &frames[0], &beat(3)] {
        assert_eq!(desk.hear(frame), [""; 0], "{frame}");
        assert!(desk.live() && desk.is_true(), "{}", desk.text());
    }
    assert_eq!((desk.evidence(Evidence::Duplicate), desk.engine.counters().regressions), (2, 3));
    let frame = update(&mut desk, 4, &[(true, 10_000, "4")]);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "the stream goes on behind them");
}

#[test]
fn numbers_that_may_have_begun_anew_end_the_book() {
    let later = |frame: &str| frame.replace("14:13:20.", "14:13:21.");
    let mut desk = live();
    let frame = update(&mut desk, 1, &[(true, 10_000, "3")]);
    desk.hear(&frame);
    desk.ts += SECOND;
    assert_eq!(desk.hear(&later(&frame)), ["state stale out_of_order"], "later: no copy");
    for frame in [whole(&live().venue, 0), list(0, r#""level2":["BTC-USD"],"#)] {
        let mut desk = live();
        assert_eq!(desk.hear(&frame), ["state stale out_of_order"], "{frame}");
    }
    let mut desk = live();
    let frame = update(&mut desk, 1, &[(true, 10_000, "3")]);
    desk.hear(&frame);
    for _ in 0..8 {
        assert_eq!(desk.hear(&frame), [""; 0]);
    }
    assert_eq!(desk.hear(&frame), ["state stale out_of_order"], "nothing that is due comes");
}

#[test]
fn a_count_that_is_set_back_is_no_run_of_copies() {
    let stamped = |frame: String, micros: u64| {
        let at = frame.find("\"timestamp\":\"").unwrap() + 13;
        let end = at + frame[at..].find('"').unwrap();
        format!("{}2026-09-21T14:13:20.{micros:06}789Z{}", &frame[..at], &frame[end..])
    };
    for number in [0, 1] {
        let mut desk = live();
        for next in 1..4 {
            let frame = update(&mut desk, next, &[(true, 10_000, &format!("{next}.5"))]);
            desk.hear(&frame);
        }
        // A sign of life is of when it was sent, a change of when it happened: here before that.
        desk.hear(&stamped(beat(4), 900_000));
        let frame = update(&mut desk, number, &[(true, 10_000, "9.5")]);
        assert_eq!(desk.hear(&stamped(frame, 900_001)), ["state stale out_of_order"]);
    }
}

#[test]
fn a_hole_costs_every_book_of_the_connection() {
    let mut desk = live();
    let (id, other) = (desk.id, small("ETH-USD", 10));
    let listing = Listing::default();
    let ts = desk.ts;
    let second = desk.engine.subscribe(instrument::Venue::COINBASE, "ETH-USD", 0, &listing, ts).unwrap();
    shorts(&mut desk.engine);
    desk.hear(&whole(&other, 1));
    assert_eq!(desk.engine.book(second).unwrap().state, State::Live);
    desk.hear(&beat(3));
    for id in [id, second] {
        let book = desk.engine.book(id).unwrap();
        assert_eq!((book.state, book.cause), (State::Stale, Cause::Gap));
    }
}

#[test]
fn signs_of_life_vouch_for_a_quiet_book() {
    let mut desk = live();
    let before = desk.ts;
    desk.hear(&beat(1));
    desk.hear(&beat(2));
    assert!(desk.live() && desk.is_true());
    assert!(desk.engine.ts_evidence(desk.id) > before, "the stream speaks for it");
}

#[test]
fn parts_of_one_message_share_its_number() {
    let mut desk = live();
    let frame = update(&mut desk, 1, &[(true, 10_000, "3")]);
    let again = update(&mut desk, 1, &[(false, 10_100, "4")]);
    let event = &again[again.find("{\"type\"").unwrap()..again.len() - 2];
    let both = format!("{},{event}]}}", &frame[..frame.len() - 2]);
    desk.hear(&both);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    // A part of a message that came before is as old as its first part.
    desk.hear(&beat(2));
    assert_eq!(desk.hear(&both), [""; 0]);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
}

#[test]
fn a_list_without_the_book_ends_it() {
    let mut desk = live();
    assert_eq!(desk.hear(&list(1, r#""level2":["ETH-USD","BTC-USD"],"#)), [""; 0]);
    assert!(desk.live());
    assert_eq!(desk.hear(&list(2, r#""level2":["ETH-USD"],"#)), ["state stale channel"]);
    let mut desk = live();
    assert_eq!(desk.hear(&list(1, "")), ["state stale channel"], "no book at all");
    let mut desk = live();
    assert_eq!(desk.hear(&list(1, r#""level2":7,"#)), [""; 0], "no list");
    assert!(desk.live());
}

#[test]
fn a_list_ends_no_book_that_waits() {
    let mut desk = Desk::new(instrument::Venue::COINBASE, small("BTC-USD", 10), 0);
    assert_eq!(desk.hear(&list(0, "")), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
}

#[test]
fn what_may_be_a_damaged_change_is_one() {
    let frame = update(&mut live(), 1, &[(true, 10_000, "3")]);
    let damaged = [
        ("l2_data", "l3_data"),
        ("\"channel\"", "\"channem\""),
        ("BTC-USD", "BTC-USE"),
        ("\"product_id\"", "\"product_ie\""),
        ("\"update\"", "\"updatf\""),
        ("\"updates\"", "\"updatet\""),
        ("\"events\"", "\"eventt\""),
        ("\"sequence_num\"", "\"sequence_nun\""),
        ("\"side\"", "\"sidf\""),
        ("\"bid\"", "\"bie\""),
        ("\"new_quantity\"", "\"new_quantitx\""),
        ("}]}]}", "}]}]"),
    ];
    for (from, to) in damaged {
        assert_eq!(live().hear(&frame.replace(from, to)), ["state stale malformed"], "{to}");
    }
}

#[test]
fn a_whole_book_may_come_at_any_time() {
    let mut desk = live();
    let changes: Changes = apply(&mut desk.venue, &[(true, 9_000, "1"), (false, 10_100, GONE)]);
    assert_eq!(changes[0].len(), 1);
    let frame = whole(&desk.venue, 1);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_ask_beyond_every_price_ends_what_is_known_of_its_side() {
    let mut desk = Desk::new(instrument::Venue::COINBASE, small("BTC-USD", 3), 0);
    let far = r#"{"side":"offer","event_time":"2026-09-21T14:13:20Z","price_level":"9999999997","new_quantity":"1"}]}]}"#;
    let frame = whole(&desk.venue, 0);
    desk.hear(&format!("{},{far}", &frame[..frame.len() - 4]));
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    let book = desk.engine.book(desk.id).unwrap();
    assert!(book.depth_known(Side::Ask).is_some() && book.depth_known(Side::Bid).is_none());
}
