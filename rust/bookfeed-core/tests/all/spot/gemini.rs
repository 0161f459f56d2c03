//! Gemini: numbered changes behind a whole book that comes first on a connection and looks like any
//! of them, best prices that are placed by time, and version 2 without numbers.

use super::desk::{Desk, apply, small};
use crate::support::records::shorts;
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::Listing;
use bookfeed_core::instrument;

const GONE: &str = "0.00000000";
const VENUE: instrument::Venue = instrument::Venue::GEMINI;

fn desk() -> Desk {
    Desk::new(VENUE, small("btcusd", 10), 0)
}

/// The message with which a connection begins a book.
fn whole(desk: &Desk) -> String {
    desk.venue.gemini_depth(desk.venue.id, &desk.venue.sides)
}

/// The true book changes, and a message says so.
fn change(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let changes = apply(&mut desk.venue, entries);
    desk.ts += 100 * MS;
    desk.venue.gemini_depth(desk.venue.id, &changes)
}

/// A book of ten levels a side that was told whole, and of one change since.
fn live() -> Desk {
    let mut desk = desk();
    let frame = whole(&desk);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
    let frame = change(&mut desk, &[(true, 9_999, "4.00000000"), (false, 10_100, GONE)]);
    assert_eq!(desk.hear(&frame), ["book live snapshot"]);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    desk
}

/// The connection is lost, and another one begins.
fn again(desk: &mut Desk) {
    desk.ts += 1_000 * MS;
    desk.engine.disconnected(0, desk.ts);
    desk.engine.connected(0, VENUE, "", desk.ts).unwrap();
    shorts(&mut desk.engine);
}

#[test]
fn the_first_message_is_the_whole_book_and_the_others_follow_by_number() {
    let mut desk = live();
    assert_eq!(desk.stands_at(), Some(desk.venue.id));
    assert_eq!(desk.evidence(Evidence::InSequence), 1);
    let frame = change(&mut desk, &[(true, 10_000, GONE)]);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn on_another_connection_the_first_message_replaces_what_was_there() {
    let mut desk = live();
    change(&mut desk, &[(true, 9_999, GONE), (false, 10_104, "9.00000000")]);
    again(&mut desk);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
}

#[test]
fn a_missing_number_loses_the_book_until_another_connection_begins_it_anew() {
    let mut desk = live();
    change(&mut desk, &[(true, 9_999, "5.00000000")]);
    let frame = change(&mut desk, &[(true, 9_998, "6.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale gap"]);
    for round in 0..5 {
        let frame = change(&mut desk, &[(true, 9_990 + round, "1.25000000")]);
        assert_eq!(desk.hear(&frame), [""; 0], "no change is a beginning");
    }
    let frame = whole(&desk);
    desk.hear(&frame);
    assert_eq!(desk.standing(), (State::Stale, Cause::Gap), "nor a whole book that nothing marks");
    again(&mut desk);
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn copies_say_nothing_and_older_numbers_lose_the_book() {
    let mut desk = live();
    let first = change(&mut desk, &[(true, 9_999, "5.00000000")]);
    desk.hear(&first);
    desk.hear(&first);
    assert!(desk.live() && desk.is_true());
    let second = change(&mut desk, &[(true, 9_999, "6.00000000")]);
    desk.hear(&second);
    assert_eq!(desk.hear(&first), ["state stale out_of_order"]);
}

#[test]
fn a_whole_book_that_a_change_overtook_shows_that_the_change_was_no_beginning() {
    let mut desk = desk();
    change(&mut desk, &[(true, 9_999, "4.00000000")]);
    let frame = change(&mut desk, &[(true, 9_999, "5.00000000"), (false, 10_104, "9.00000000")]);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"], "it looks like one");
    let frame = whole(&desk);
    assert_eq!(desk.hear(&frame), ["state stale out_of_order"], "of its very number");
    again(&mut desk);
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_change_is_no_beginning() {
    let mut desk = desk();
    let frame = change(&mut desk, &[(true, 9_999, GONE), (false, 10_104, "9.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale malformed"], "it removes a level");
    let frame = whole(&desk);
    desk.hear(&frame);
    assert_eq!(desk.standing(), (State::Stale, Cause::Malformed));
}

#[test]
fn without_a_side_no_book_begins_and_none_after_that() {
    for bids in [true, false] {
        let mut desk = desk();
        let frame = change(&mut desk, &[(bids, if bids { 9_999 } else { 10_100 }, "4.00000000")]);
        assert_eq!(desk.hear(&frame), [""; 0]);
        let frame = whole(&desk);
        assert_eq!(desk.hear(&frame), [""; 0]);
        assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
        again(&mut desk);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true());
    }
}

#[test]
fn a_symbol_that_comes_back_to_its_connection_does_not_begin_there() {
    let mut desk = live();
    desk.engine.unsubscribe(desk.id, desk.ts).unwrap();
    let (ts, listing) = (desk.ts, Listing::default());
    assert_eq!(desk.engine.subscribe(VENUE, "btcusd", 0, &listing, ts).unwrap(), desk.id);
    shorts(&mut desk.engine);
    let frame = change(&mut desk, &[(true, 9_999, "5.00000000"), (false, 10_104, "9.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    again(&mut desk);
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn what_an_open_connection_said_before_it_was_recorded_is_no_beginning() {
    let mut engine = bookfeed_core::engine::Engine::new(Default::default());
    let venue = small("btcusd", 10);
    let ts = crate::support::venue::T0;
    let id = engine.subscribe(VENUE, "btcusd", 0, &Listing::default(), ts).unwrap();
    engine.ingest(0, venue.gemini_depth(venue.id, &venue.sides).as_bytes(), ts + MS);
    assert_eq!(engine.book(id).unwrap().state, State::Syncing, "nobody saw it open");
}

#[test]
fn best_prices_that_agree_are_evidence() {
    let mut desk = live();
    let frame = desk.venue.gemini_ticker();
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.evidence(Evidence::TouchMatch), 1);
    assert_eq!(desk.engine.ts_evidence(desk.id), desk.ts);
}

#[test]
fn a_book_that_began_with_a_part_is_found_by_its_best_prices() {
    let mut desk = desk();
    let part = change(&mut desk, &[(true, 9_995, "4.00000000"), (false, 10_104, "9.00000000")]);
    assert_eq!(desk.hear(&part), ["state live snapshot", "book live snapshot"]);
    for round in 0..4 {
        assert!(desk.live(), "{round}");
        let size = format!("{round}.50000000");
        let frame = change(&mut desk, &[(false, 10_109, &size)]);
        desk.hear(&frame);
        let frame = desk.venue.gemini_ticker();
        desk.hear(&frame);
    }
    assert_eq!(desk.standing(), (State::Stale, Cause::BboMismatch));
    assert_eq!(desk.evidence(Evidence::TouchMismatch), 1);
}

#[test]
fn a_stream_of_changes_that_is_silent_while_the_touch_moves_loses_its_book() {
    let mut desk = live();
    change(&mut desk, &[(true, 10_000, GONE)]);
    for _ in 0..19 {
        desk.ts += 100 * MS;
        let frame = desk.venue.gemini_ticker();
        assert_eq!(desk.hear(&frame), [""; 0]);
    }
    desk.ts += 200 * MS;
    let frame = desk.venue.gemini_ticker();
    assert_eq!(desk.hear(&frame), ["state stale bbo_mismatch"]);
}

#[test]
fn best_prices_that_are_ahead_of_the_changes_are_met_by_them() {
    let mut desk = live();
    for round in 0..40_u64 {
        let mut ahead = desk.venue.clone();
        for step in 0..3 {
            let size = format!("{}.75000000", 1 + step + round);
            apply(&mut ahead, &[(true, 10_001, &size)]);
            ahead.ms = desk.venue.ms + 20 * (1 + step);
            let frame = ahead.gemini_ticker();
            desk.hear(&frame);
        }
        let size = format!("{}.75000000", 3 + round);
        let frame = change(&mut desk, &[(true, 10_001, &size)]);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true(), "{round}");
        assert!(desk.evidence(Evidence::TouchMatch) > round);
    }
}

#[test]
fn best_prices_from_before_a_clock_ran_back_are_of_no_time() {
    let mut desk = live();
    let frame = desk.venue.gemini_ticker();
    desk.hear(&frame);
    desk.venue.ms -= 2_000;
    let frame = change(&mut desk, &[(true, 10_000, GONE)]);
    desk.hear(&frame);
    for round in 0..40 {
        let size = format!("{round}.50000000");
        let frame = change(&mut desk, &[(false, 10_103, &size)]);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true(), "{round}: {}", desk.text());
    }
    for _ in 0..3 {
        assert!(desk.live());
        apply(&mut desk.venue, &[(true, 9_999, "9.00000000")]);
        desk.venue.id -= 1;
        let frame = desk.venue.gemini_ticker();
        desk.hear(&frame);
        let frame = change(&mut desk, &[(false, 10_103, "1.00000000")]);
        desk.hear(&frame);
    }
    assert_eq!(desk.standing(), (State::Stale, Cause::BboMismatch), "those of its own time count");
}

#[test]
fn best_prices_of_a_moment_cost_no_book() {
    let mut desk = live();
    for round in 0..40 {
        let mut moment = desk.venue.clone();
        moment.ms += 50;
        apply(&mut moment, &[(true, 10_001 + round % 9, "9.90000000")]);
        moment.ms -= 100;
        let frame = moment.gemini_ticker();
        desk.hear(&frame);
        let size = format!("{round}.50000000");
        let frame = change(&mut desk, &[(false, 10_103, &size)]);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true(), "{round}");
    }
}

#[test]
fn best_prices_without_a_time_or_that_cannot_be_read_say_nothing() {
    let mut desk = live();
    change(&mut desk, &[(true, 10_000, GONE)]);
    let frame = desk.venue.gemini_ticker();
    for (from, to) in [("\"E\":17", "\"X\":17"), ("\"E\":17", "\"E\":99917"), ("\"b\":\"", "\"b\":\"x")]
    {
        for _ in 0..30 {
            desk.ts += 100 * MS;
            desk.hear(&frame.replace(from, to));
        }
        assert!(desk.live(), "{to}");
    }
}

#[test]
fn a_damaged_change_is_one() {
    let frame = change(&mut live(), &[(true, 9_999, "4.00000000")]);
    for (from, to) in [
        ("\"e\":\"depthUpdate\"", "\"e\":\"depthUpdatf\""),
        ("\"e\":\"depthUpdate\",", ""),
        ("\"U\":", "\"V\":"),
        ("\"b\":[", "\"c\":["),
        ("[[\"99.99", "[[\"x99.99"),
        ("\"s\":", "\"t\":"),
        ("]}", "]"),
    ] {
        assert!(frame.contains(from), "{from} in {frame}");
        let mut desk = live();
        desk.ts += 100 * MS;
        assert_eq!(desk.hear(&frame.replacen(from, to, 1)), ["state stale malformed"], "{to}");
    }
}

#[test]
fn no_line_stands_beside_another() {
    let mut desk = live();
    let refused = desk.engine.add_line(1, 0, desk.ts).unwrap_err();
    assert!(refused.to_string().contains("told apart"), "{refused}");
}

#[test]
fn no_book_comes_by_rest() {
    let mut desk = live();
    assert_eq!(desk.answer(r#"{"bids":[],"asks":[]}"#), [""; 0]);
    assert!(desk.live() && desk.is_true());
}

// Version 2.

/// A book of version 2, told whole.
fn live_2() -> Desk {
    let mut desk = desk();
    let frame = desk.venue.gemini_l2(&desk.venue.sides, r#","trades":[],"auction_events":[]"#);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    desk
}

#[test]
fn version_2_begins_with_what_comes_with_trades_and_changes_without_proof() {
    let mut desk = live_2();
    let proved = desk.engine.ts_evidence(desk.id);
    let changes = apply(&mut desk.venue, &[(true, 9_999, GONE), (false, 10_100, "3.00000000")]);
    let frame = desk.venue.gemini_l2(&changes, "");
    assert_eq!(desk.hear(&frame), ["book live snapshot"]);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    assert_eq!((desk.evidence(Evidence::InSequence), desk.stands_at()), (0, None));
    assert_eq!(desk.engine.ts_evidence(desk.id), proved, "nothing vouches for it");
}

#[test]
fn version_2_takes_no_change_before_the_whole_book_and_none_for_it() {
    let mut desk = desk();
    let changes = apply(&mut desk.venue, &[(true, 9_999, "3.00000000"), (false, 10_100, "4.00000000")]);
    let frame = desk.venue.gemini_l2(&changes, "");
    assert_eq!(desk.hear(&frame), [""; 0]);
    let empty = desk.venue.gemini_l2(&Default::default(), r#","trades":[]"#);
    assert_eq!(desk.hear(&empty), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    // Whether a whole book that comes behind a change has it in it, nothing tells.
    let whole = desk.venue.gemini_l2(&desk.venue.sides, r#","trades":[]"#);
    assert_eq!(desk.hear(&whole), ["state stale out_of_order"]);
    again(&mut desk);
    desk.hear(&whole);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn version_2_begins_once_a_connection() {
    let mut desk = live_2();
    let told_whole = r#","trades":[]"#;
    let first = desk.venue.gemini_l2(&desk.venue.sides, told_whole);
    assert_eq!(desk.hear(&first), [""; 0]);
    assert_eq!(desk.evidence(Evidence::SnapshotMatch), 1, "a copy at once is the same book");
    let changes = apply(&mut desk.venue, &[(true, 9_999, "3.00000000")]);
    let frame = desk.venue.gemini_l2(&changes, "");
    desk.hear(&frame);
    assert_eq!(desk.hear(&first), ["state stale out_of_order"], "later it is an old one");
    assert_eq!(desk.hear(&first), [""; 0]);
    again(&mut desk);
    let frame = desk.venue.gemini_l2(&desk.venue.sides, told_whole);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn version_2_is_judged_by_what_cannot_be() {
    let mut desk = live_2();
    let crossed = apply(&mut desk.venue, &[(true, 10_200, "3.00000000")]);
    let frame = desk.venue.gemini_l2(&crossed, "");
    desk.hear(&frame);
    desk.ts += 2_000 * MS;
    desk.engine.advance(desk.ts);
    assert_eq!(desk.standing(), (State::Suspect, Cause::Crossed));
}

#[test]
fn the_two_do_not_mix() {
    let mut desk = live();
    let changes = apply(&mut desk.venue, &[(true, 9_999, "3.00000000")]);
    let frame = desk.venue.gemini_l2(&changes, "");
    assert_eq!(desk.hear(&frame), ["state stale malformed"]);
    let mut desk = live_2();
    let frame = change(&mut desk, &[(true, 9_999, "3.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale malformed"]);
}
