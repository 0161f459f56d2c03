//! Bitstamp: changes with times and without numbers, put on a whole book that has a time too, and
//! best levels on a channel of their own that the book is held against.

use super::desk::{Desk, apply, small};
use crate::support::spot::{Changes, Venue};
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::instrument;

const GONE: &str = "0.00000000";
const DIFF: &str = "diff_order_book";
const TOP: &str = "order_book";

fn desk() -> Desk {
    Desk::new(instrument::Venue::BITSTAMP, small("btcusd", 10), 0)
}

/// The true book changes, and a message says so.
fn diff(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let changes = apply(&mut desk.venue, entries);
    desk.ts += 100 * MS;
    desk.venue.bitstamp_book(DIFF, &changes)
}

/// The best levels of a book.
fn top(venue: &Venue, depth: usize) -> String {
    let bids = venue.sides[0].iter().rev().take(depth).map(|(p, s)| (*p, s.clone())).collect();
    let asks = venue.sides[1].iter().take(depth).map(|(p, s)| (*p, s.clone())).collect();
    let best: Changes = [bids, asks];
    venue.bitstamp_book(TOP, &best)
}

/// A book of ten levels a side that was stitched and has been told twice of changes.
fn live() -> Desk {
    let mut desk = desk();
    let frame = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), ["state live snapshot", "book live snapshot"]);
    let frame = diff(&mut desk, &[(false, 10_100, "4.00000000")]);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    desk
}

#[test]
fn a_whole_book_is_stitched_to_the_changes_by_time() {
    let mut desk = desk();
    let first = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&first);
    let second = diff(&mut desk, &[(true, 9_999, "4.00000000")]);
    desk.hear(&second);
    let body = desk.venue.bitstamp_rest();
    let third = diff(&mut desk, &[(true, 9_999, GONE), (false, 10_100, "7.00000000")]);
    desk.hear(&third);
    assert_eq!(desk.answer(&body), ["state live snapshot", "book live snapshot"]);
    assert!(desk.is_true(), "{}", desk.text());
    assert_eq!(desk.stands_at(), Some(desk.venue.ms * 1_000));
    assert_eq!(desk.evidence(Evidence::InSequence), 0, "nothing numbers them");
}

#[test]
fn a_whole_book_from_before_the_stream_is_no_basis() {
    let mut desk = desk();
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), ["state stale resync"], "nothing was heard");
    let frame = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    assert_eq!(desk.answer(&body), [""; 0]);
    assert_eq!(desk.standing(), (State::Stale, Cause::Resync));
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_whole_book_ahead_of_the_stream_waits_for_it() {
    let mut desk = desk();
    let frame = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    let late = diff(&mut desk, &[(true, 9_999, "4.00000000")]);
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    assert_eq!(desk.hear(&late), ["state live snapshot", "book live snapshot"]);
    assert!(desk.is_true());
}

#[test]
fn an_older_change_loses_the_book() {
    let mut desk = live();
    let older = diff(&mut desk, &[(true, 9_999, "4.00000000")]);
    let newer = diff(&mut desk, &[(true, 9_999, "5.00000000")]);
    desk.hear(&newer);
    assert_eq!(desk.hear(&older), ["state stale out_of_order"]);
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), ["state live snapshot", "book live snapshot"]);
    assert!(desk.is_true());
}

#[test]
fn a_change_that_cannot_be_read_is_missing_from_what_is_kept() {
    let mut desk = desk();
    let frame = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.bitstamp_rest();
    let broken = diff(&mut desk, &[(true, 9_999, "4.00000000")]);
    assert_eq!(desk.hear(&broken[..broken.len() - 9]), ["state stale malformed"]);
    let frame = diff(&mut desk, &[(true, 9_998, "5.00000000")]);
    desk.hear(&frame);
    assert_eq!(desk.answer(&body), ["state stale resync"], "it is from before what was lost");
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn the_same_change_again_is_harmless() {
    let mut desk = live();
    let frame = diff(&mut desk, &[(true, 9_999, "4.00000000"), (false, 10_100, GONE)]);
    desk.hear(&frame);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_time_that_no_delivery_explains_is_none() {
    let mut desk = live();
    let frame = diff(&mut desk, &[(true, 9_999, "4.00000000")]);
    let stated = format!("\"{}\"", desk.venue.ms * 1_000);
    let ahead = format!("\"{}\"", (desk.venue.ms + 5_000) * 1_000);
    assert_eq!(desk.hear(&frame.replace(&stated, &ahead)), ["state stale malformed"]);
    let frame = diff(&mut desk, &[(true, 9_998, "4.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true(), "what follows is not in the past of it");
}

#[test]
fn a_clock_that_is_set_back_begins_anew() {
    let mut desk = live();
    desk.venue.ms -= 3_600_000;
    let frame = diff(&mut desk, &[(true, 9_999, "4.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale out_of_order"]);
    for round in 0..40 {
        let size = format!("{round}.50000000");
        let frame = diff(&mut desk, &[(false, 10_103, &size)]);
        desk.hear(&frame);
        let body = desk.venue.bitstamp_rest();
        desk.answer(&body);
    }
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
}

/// The next change comes with a time that is two seconds back.
fn slip(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> Vec<String> {
    let frame = diff(desk, entries);
    let [stated, back] = [0, 2_000].map(|ms| format!("\"{}\"", (desk.venue.ms - ms) * 1_000));
    assert!(frame.contains(&stated), "{frame}");
    desk.hear(&frame.replace(&stated, &back))
}

/// A book that was lost to times set back, and for which an answer came while they lasted.
fn slipped() -> Desk {
    let mut desk = live();
    assert_eq!(slip(&mut desk, &[(true, 9_999, "4.00000000")]), ["state stale out_of_order"]);
    assert_eq!(slip(&mut desk, &[(true, 9_998, "5.00000000")]), [""; 0]);
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), [""; 0]);
    assert_eq!(slip(&mut desk, &[(true, 9_997, "6.00000000")]), [""; 0], "of after the answer");
    desk
}

#[test]
fn a_change_whose_time_was_set_back_is_not_taken_for_a_part_of_the_answer() {
    let mut desk = slipped();
    let frame = diff(&mut desk, &[(false, 10_101, "7.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale withheld"], "99.97 is not in it");
    let frame = diff(&mut desk, &[(false, 10_101, "8.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), ["state live snapshot", "book live snapshot"]);
    assert!(desk.is_true(), "{}", desk.text());
}

#[test]
fn what_is_told_anew_needs_not_be_in_the_answer() {
    let mut desk = slipped();
    let frame = diff(&mut desk, &[(true, 9_997, "7.00000000")]);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
    assert!(desk.is_true(), "{}", desk.text());
}

#[test]
fn a_stream_that_comes_to_an_answer_without_what_it_told_waits_for_the_next_change() {
    for (again, then) in [(true, "state live snapshot"), (false, "state stale withheld")] {
        let mut desk = desk();
        let frame = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
        let mut moment = desk.venue.clone();
        apply(&mut moment, &[(true, 10_000, "9.00000000")]);
        moment.ms = desk.venue.ms;
        desk.hear(&frame);
        assert_eq!(desk.answer(&moment.bitstamp_rest()), [""; 0]);
        let next = (true, if again { 10_000 } else { 9_999 }, "9.00000000");
        let frame = diff(&mut desk, &[next]);
        assert_eq!(desk.hear(&frame).first().map(String::as_str), Some(then));
        assert_eq!((desk.live(), desk.is_true()), (again, again), "{}", desk.text());
    }
}

#[test]
fn best_levels_that_agree_are_evidence() {
    let mut desk = live();
    let frame = top(&desk.venue, 5);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.evidence(Evidence::SnapshotMatch), 1);
    assert_eq!(desk.engine.ts_evidence(desk.id), desk.ts);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_change_that_was_lost_shows_in_the_best_levels() {
    let mut desk = live();
    diff(&mut desk, &[(true, 9_998, "4.00000000")]);
    for round in 0..3 {
        assert!(desk.live(), "{round}");
        let size = format!("{round}.50000000");
        let frame = diff(&mut desk, &[(false, 10_103, &size)]);
        desk.hear(&frame);
        let frame = top(&desk.venue, 5);
        desk.hear(&frame);
    }
    assert_eq!(desk.standing(), (State::Stale, Cause::Withheld));
    assert_eq!(desk.evidence(Evidence::SnapshotMismatch), 1);
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn orders_of_a_moment_cost_no_book() {
    let mut desk = live();
    for round in 0..40 {
        let mut moment = desk.venue.clone();
        moment.ms += 50;
        apply(&mut moment, &[(true, 9_991 + round % 9, "9.90000000")]);
        moment.ms -= 100;
        let frame = top(&moment, 10);
        desk.hear(&frame);
        let size = format!("{round}.50000000");
        let frame = diff(&mut desk, &[(false, 10_103, &size)]);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true(), "{round}");
    }
    assert!(desk.evidence(Evidence::BatchSettled) > 30);
}

#[test]
fn a_stream_that_is_silent_while_the_market_moves_loses_its_book() {
    let mut desk = live();
    diff(&mut desk, &[(true, 9_998, "4.00000000")]);
    for _ in 0..19 {
        desk.ts += 100 * MS;
        let frame = top(&desk.venue, 5);
        assert_eq!(desk.hear(&frame), [""; 0]);
    }
    desk.ts += 200 * MS;
    let frame = top(&desk.venue, 5);
    assert_eq!(desk.hear(&frame), ["state stale withheld"]);
}

#[test]
fn best_levels_that_cannot_be_read_say_nothing() {
    let mut desk = live();
    let frame = top(&desk.venue, 5);
    for (from, to) in [("\"asks\"", "\"sask\""), ("\"microtimestamp\"", "\"micro\""), ("[[\"", "[[\"x")]
    {
        desk.hear(&frame.replace(from, to));
        assert!(desk.live() && desk.is_true(), "{to}");
    }
}

#[test]
fn what_may_be_a_damaged_change_is_one() {
    let frame = diff(&mut live(), &[(true, 9_999, "4.00000000")]);
    let damaged = [
        ("\"data\":{", "\"dat\":{"),
        ("\"microtimestamp\"", "\"microtimestam\""),
        ("\"bids\"", "\"bid\""),
        ("[[\"99.99", "[[\"x99.99"),
        ("diff_order_book_btcusd", "diff_order_bookbtcusd"),
        ("\"channel\"", "\"channem\""),
        ("\"event\":\"data\"", "\"event\":\"dat\""),
        ("\"event\":\"data\"", "\"evens\":\"data\""),
        ("\"}", "\""),
    ];
    for (from, to) in damaged {
        assert!(frame.contains(from), "{from} in {frame}");
        let mut desk = live();
        desk.ts += 100 * MS;
        assert_eq!(desk.hear(&frame.replace(from, to)), ["state stale malformed"], "{to}");
    }
}

#[test]
fn the_end_of_a_subscription_is_the_end_of_its_book() {
    let ended = |channel: &str| {
        format!(r#"{{"event":"bts:unsubscription_succeeded","channel":"{channel}","data":{{}}}}"#)
    };
    let mut desk = live();
    assert_eq!(desk.hear(&ended("live_trades_btcusd")), [""; 0]);
    assert_eq!(desk.hear(&ended("diff_order_book_ethusd")), [""; 0]);
    assert_eq!(desk.hear(&ended("diff_order_book_btcusd")), ["state stale channel"]);
}
