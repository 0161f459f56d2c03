//! Kraken: a checksum in every message, and a window of so many levels a side.

use super::desk::{Desk, apply, small};
use crate::support::spot::{Changes, Venue};
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::event::Side;
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument;

const DEPTH: usize = 10;
const GONE: &str = "0.00000000";

/// The best levels that are subscribed.
fn window(venue: &Venue) -> Changes {
    let [bids, asks] = venue.sides.clone();
    let bids = bids.into_iter().rev().take(DEPTH).collect();
    [bids, asks.into_iter().take(DEPTH).collect()]
}

fn snapshot(venue: &Venue) -> String {
    venue.kraken_book("snapshot", &window(venue))
}

/// A live book of fifteen levels a side, of which ten are told.
fn live() -> Desk {
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 15), 10);
    let frame = snapshot(&desk.venue);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
    desk
}

/// An update as told: the true book changes, and the message says so. Levels that come into the
/// window are told as the venue tells them, by whoever calls.
fn update(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let changes = apply(&mut desk.venue, entries);
    desk.venue.kraken_book("update", &changes)
}

fn is_true(desk: &Desk) -> bool {
    desk.has(&window(&desk.venue), DEPTH)
}

/// The frame with the last digit of its checksum changed.
fn with_another_sum(frame: &str) -> String {
    let end = frame.find(",\"timestamp\"").unwrap();
    let digit = if frame.as_bytes()[end - 1] == b'1' { "2" } else { "1" };
    format!("{}{digit}{}", &frame[..end - 1], &frame[end..])
}

#[test]
fn every_message_is_summed() {
    let mut desk = live();
    for round in 0..40_i64 {
        let size = format!("{}.25000000", 1 + round);
        let frame = update(&mut desk, &[(round % 2 == 0, 10_000 + (round % 2) * 100, &size)]);
        desk.hear(&frame);
        assert!(desk.live() && is_true(&desk), "{}", desk.text());
        assert!(desk.engine.book(desk.id).unwrap().verified());
    }
    assert_eq!(desk.evidence(Evidence::ChecksumMatch), 41);
    assert_eq!(desk.evidence(Evidence::ChecksumMismatch), 0);
}

#[test]
fn an_update_before_any_snapshot_is_no_book() {
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 15), 10);
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    assert_eq!(desk.evidence(Evidence::BeforeSnapshot), 1);
}

#[test]
fn a_sum_that_disagrees_loses_the_book_until_a_whole_one_comes() {
    let mut desk = live();
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    assert_eq!(desk.hear(&with_another_sum(&frame)), ["state stale checksum_mismatch"]);
    let frame = update(&mut desk, &[(true, 10_000, "4.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0], "a right sum later proves nothing of a lost book");
    let wrong = with_another_sum(&snapshot(&desk.venue));
    assert_eq!(desk.hear(&wrong), [""; 0], "nor does a whole one with a wrong sum");
    assert_eq!(desk.standing(), (State::Stale, Cause::ChecksumMismatch));
    let frame = snapshot(&desk.venue);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
}

#[test]
fn a_whole_book_with_a_wrong_sum_is_not_believed() {
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 15), 10);
    let wrong = with_another_sum(&snapshot(&desk.venue));
    assert_eq!(desk.hear(&wrong), ["state stale checksum_mismatch"]);
}

#[test]
fn a_message_that_was_lost_shows_in_the_sum_of_the_next() {
    let mut desk = live();
    update(&mut desk, &[(false, 10_100, "9.00000000")]);
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale checksum_mismatch"]);
}

#[test]
fn a_whole_book_that_was_overtaken_is_no_basis() {
    let mut desk = live();
    desk.engine.connected(0, instrument::Venue::KRAKEN, "", desk.ts).unwrap();
    let overtaken = snapshot(&desk.venue);
    let deep = update(&mut desk, &[(true, 9_991, "8.00000000")]);
    desk.hear(&deep);
    assert!(!desk.hear(&overtaken).contains(&"state live snapshot".to_owned()));
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    // A time that is refused is refused once.
    let frame = snapshot(&desk.venue);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
    desk.engine.connected(0, instrument::Venue::KRAKEN, "", desk.ts).unwrap();
    desk.hear(&deep.replace("2026-09-21", "2062-09-21"));
    let frame = snapshot(&desk.venue);
    desk.hear(&frame);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
}

#[test]
fn of_two_messages_of_one_time_the_first_book_comes_first() {
    let stamp = |frame: &str| frame[frame.find("\"timestamp\"").unwrap()..].to_owned();
    for again in [false, true] {
        let mut desk = live();
        desk.engine.connected(0, instrument::Venue::KRAKEN, "", desk.ts).unwrap();
        let before = snapshot(&desk.venue);
        let behind_the_sum = update(&mut desk, &[(true, 9_990, "8.00000000")]);
        let before = before.replace(&stamp(&before), &stamp(&behind_the_sum));
        if again {
            desk.hear(&before);
            desk.engine.invalidate(0, Cause::Gap, desk.ts);
        }
        desk.hear(&behind_the_sum);
        desk.hear(&before);
        assert_eq!(desk.live(), again, "asked for anew, it stands where the old subscription ended");
        let whole = snapshot(&desk.venue);
        desk.hear(&whole);
        assert!(desk.live());
    }
}

#[test]
fn a_copy_of_a_message_is_the_same_book() {
    let mut desk = live();
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
}

#[test]
fn levels_behind_the_window_are_dropped_and_the_end_is_known() {
    let mut desk = live();
    let cent = PRICE_ONE / 100;
    let ends = |desk: &Desk| {
        let book = desk.engine.book(desk.id).unwrap();
        [Side::Bid, Side::Ask].map(|side| book.depth_known(side).map(|end| end / cent))
    };
    assert_eq!(ends(&desk), [Some(9_991), Some(10_109)]);
    // A better bid pushes the worst one out.
    let frame = update(&mut desk, &[(true, 10_001, "3.00000000")]);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk), "{}", desk.text());
    assert_eq!(ends(&desk), [Some(9_992), Some(10_109)]);
    // It goes, and what was pushed out comes back, told anew.
    let frame = update(&mut desk, &[(true, 10_001, GONE), (true, 9_991, "1.50000000")]);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
    // A level that was never told may be told to be gone, and one behind the window to be there.
    let frame = update(&mut desk, &[(true, 9_970, GONE), (false, 10_111, "2.50000000")]);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
    assert_eq!(ends(&desk), [Some(9_991), Some(10_109)]);
}

#[test]
fn a_book_subscribed_again_is_as_deep_as_is_said_then() {
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 15), 0);
    let whole = snapshot(&desk.venue);
    desk.hear(&whole);
    let end = |desk: &Desk| desk.engine.book(desk.id).unwrap().depth_known(Side::Bid);
    assert_eq!(end(&desk), None);
    for (depth, known) in [(Some(10), true), (None, true), (Some(25), false)] {
        let listing = bookfeed_core::engine::Listing { depth, ..Default::default() };
        desk.engine.subscribe(instrument::Venue::KRAKEN, "BTC/USD", 0, &listing, desk.ts).unwrap();
        desk.hear(&whole);
        assert!(desk.live() && is_true(&desk), "{}", desk.text());
        assert_eq!(end(&desk).is_some(), known, "{depth:?}");
    }
}

#[test]
fn a_whole_book_clears_one_that_was_suspect() {
    let mut desk = live();
    let (older, sides) = (snapshot(&desk.venue), desk.venue.sides.clone());
    // A bid above the best asks, and its sum is right.
    let frame = update(&mut desk, &[(true, 10_105, "1.00000000")]);
    desk.hear(&frame);
    desk.engine.advance(desk.ts + 300 * MS);
    assert_eq!(desk.standing(), (State::Suspect, Cause::Crossed));
    desk.hear(&older);
    assert_eq!(desk.standing(), (State::Suspect, Cause::Crossed), "an older one says nothing of it");
    let crossed = std::mem::replace(&mut desk.venue.sides, sides);
    let whole = snapshot(&desk.venue);
    desk.hear(&whole);
    assert!(desk.live(), "{}", desk.text());
    // One that is itself crossed is not believed, and not given the time of a torn batch either.
    desk.venue.sides = crossed;
    let crossed = snapshot(&desk.venue);
    desk.hear(&crossed);
    assert_eq!(desk.standing(), (State::Suspect, Cause::Crossed));
}

#[test]
fn an_older_whole_book_takes_nothing_back() {
    let mut desk = live();
    let older = snapshot(&desk.venue);
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    assert_eq!(desk.hear(&older), [""; 0]);
    assert_eq!(desk.evidence(Evidence::OutOfOrder), 1);
    assert!(desk.live() && is_true(&desk), "{}", desk.text());
    // One that does not say of when it is has to be the same.
    let undated = |frame: &str| format!("{}}}]}}", &frame[..frame.find(",\"timestamp\"").unwrap()]);
    desk.hear(&undated(&snapshot(&desk.venue)));
    assert!(desk.live() && desk.evidence(Evidence::SnapshotMatch) == 1, "{}", desk.text());
    assert_eq!(desk.hear(&undated(&older)), ["state stale out_of_order"]);
}

#[test]
fn a_copy_whose_sum_fits_once_more_takes_nothing_back() {
    let mut desk = live();
    let first = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&first);
    let second = update(&mut desk, &[(true, 10_000, "4.00000000")]);
    desk.hear(&second);
    assert_eq!(desk.hear(&first), [""; 0]);
    assert_eq!(desk.evidence(Evidence::Duplicate), 1);
    assert!(desk.live() && is_true(&desk), "{}", desk.text());
    // Told anew, the same level is no copy.
    let third = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&third);
    assert!(desk.live() && is_true(&desk), "{}", desk.text());
}

#[test]
fn a_whole_book_of_the_time_of_a_change_that_came_before_it_lacks_that() {
    let mut desk = live();
    let reply = r#"{"method":"unsubscribe","req_id":7,"result":{"channel":"book","symbol":"BTC/USD","depth":10},"success":true}"#;
    desk.hear(reply);
    let whole = snapshot(&desk.venue);
    let ms = desk.venue.ms;
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame.replace(
        &format!("{:06}Z", 1_000 * (desk.venue.ms % 1_000)),
        &format!("{:06}Z", 1_000 * (ms % 1_000)),
    ));
    assert_eq!(desk.hear(&whole), [""; 0]);
    assert_eq!(desk.standing(), (State::Stale, Cause::Channel));
    let whole = snapshot(&desk.venue);
    desk.hear(&whole);
    assert!(desk.live() && is_true(&desk), "{}", desk.text());
}

#[test]
fn a_side_with_fewer_levels_than_the_window_is_known_whole() {
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 4), 10);
    let frame = snapshot(&desk.venue);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
    let book = desk.engine.book(desk.id).unwrap();
    assert_eq!([Side::Bid, Side::Ask].map(|side| book.depth_known(side)), [None, None]);
}

#[test]
fn the_end_of_a_subscription_costs_its_own_book_and_no_other() {
    let mut desk = live();
    let listing = bookfeed_core::engine::Listing::default();
    let other =
        desk.engine.subscribe(instrument::Venue::KRAKEN, "ETH/USD", 0, &listing, desk.ts).unwrap();
    let eth = Venue { symbol: "ETH/USD".to_owned(), ..small("ETH/USD", 5) };
    desk.hear(&eth.kraken_book("snapshot", &eth.sides));
    assert_eq!(desk.engine.book(other).unwrap().state, State::Live);
    let reply = r#"{"method":"unsubscribe","req_id":7,"result":{"channel":"book","symbol":"BTC/USD","depth":10},"success":true}"#;
    assert_eq!(desk.hear(reply), ["state stale channel"]);
    assert_eq!(desk.standing(), (State::Stale, Cause::Channel));
    assert_eq!(desk.engine.book(other).unwrap().state, State::Live);
    let frame = update(&mut desk, &[(true, 10_000, "3.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    desk.venue.ms += 1;
    let frame = snapshot(&desk.venue);
    desk.hear(&frame);
    assert!(desk.live() && is_true(&desk));
}

#[test]
fn asks_too_high_to_be_held_end_what_is_known_of_their_side() {
    // Ten levels are told of the bids, and eleven of the asks, the last of them too high.
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("XBT/CHF", 10), 25);
    let frame = desk.venue.kraken_book("snapshot", &window(&desk.venue));
    let asks = frame.find("\"asks\":[").unwrap();
    let end = asks + frame[asks..].find("}]").unwrap() + 1;
    let high = ",{\"price\":9999999997.00,\"qty\":0.10000000}";
    desk.hear(&format!("{}{high}{}", &frame[..end], &frame[end..]));
    assert!(desk.live(), "{}", desk.text());
    let book = desk.engine.book(desk.id).unwrap();
    assert_eq!(book.depth_known(Side::Bid), None, "ten of twenty-five: the whole side is known");
    assert_eq!(book.depth_known(Side::Ask), book.asks.worst_price());
    // A whole book without such a level ends the doubt.
    desk.hear(&frame);
    assert_eq!(desk.engine.book(desk.id).unwrap().depth_known(Side::Ask), None);
}

#[test]
fn a_broken_notice_to_all_takes_no_book_out() {
    let status = r#"{"channel":"status","type":"update","data":[{"system":"online","version":"2"}]}"#;
    let forms = [
        status.replace("online", "on\nline"),
        status.replace("online", r"\x"),
        status.replace(r#""2""#, "NaN"),
        status[..40].to_owned(),
        r#"{"channel":"heartbeat""#.to_owned(),
    ];
    for frame in forms {
        let mut desk = live();
        assert_eq!(desk.hear(&frame), [""; 0], "{frame}");
        assert!(desk.live() && is_true(&desk), "{frame}");
    }
    let doubtful = [
        status.replace("online", "BTC/USD\n"),
        status.replace(r#""version""#, r#""symbol":NaN,"version""#),
        status[..15].to_owned(),
        format!("{status}{{"),
    ];
    for frame in doubtful {
        assert_eq!(live().hear(&frame), ["state stale malformed"], "{frame}");
    }
}
