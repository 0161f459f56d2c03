//! The ticker channel as a witness: its messages are not ordered with the book's, so what it
//! says of the touch may be ahead of the book, or behind.

use crate::support::kalshi::Floor;
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::Config;

const GRACE: i64 = 2_000 * MS;

/// One live book that has a time of its own.
fn floor() -> Floor {
    let mut floor = Floor::live_with(Config { silence: 0, ..Config::default() }, 1, true);
    floor.delta(0, true, 4_400, 100);
    floor
}

#[test]
fn a_ticker_that_agrees_is_counted_and_no_more() {
    let mut floor = floor();
    floor.venue.ms += 5;
    let ticker = floor.venue.ticker(0);
    assert_eq!(floor.say(&ticker), [""; 0]);
    assert_eq!(floor.evidence(0, Evidence::TouchMatch), 1);
    assert_eq!(floor.wait(2 * GRACE), [""; 0]);
}

#[test]
fn empty_sides_are_stated_as_zero_and_one() {
    let mut floor = floor();
    floor.venue.markets[0].yes.clear();
    floor.venue.markets[0].no.clear();
    floor.snapshot(0);
    let ticker = floor.venue.ticker_of(0, "0.0000", "1.0000");
    floor.say(&ticker);
    assert_eq!(floor.evidence(0, Evidence::TouchMatch), 1);
}

#[test]
fn a_book_may_come_to_what_the_ticker_said_before() {
    let mut floor = floor();
    // The venue's touch is at 0.45 already; the change is told later, at its own time.
    floor.venue.ms += 5;
    let ahead = floor.venue.ticker_of(0, "0.4500", "0.4600");
    assert_eq!(floor.say(&ahead), [""; 0]);
    assert_eq!(floor.wait(GRACE / 2), [""; 0]);
    floor.venue.ms -= 1;
    assert_eq!(floor.delta(0, true, 4_500, 100), ["0 book live snapshot"]);
    assert_eq!(floor.evidence(0, Evidence::TouchMatch), 1);
    floor.delta(0, true, 4_500, -100);
    assert_eq!(floor.wait(2 * GRACE), [""; 0], "once is enough");
}

#[test]
fn a_book_that_never_comes_to_it_is_suspect_then_stale() {
    let mut floor = floor();
    floor.venue.ms += 5;
    let ahead = floor.venue.ticker_of(0, "0.4500", "0.4600");
    floor.say(&ahead);
    floor.delta(0, true, 4_300, 100);
    // A later ticker that is not met either does not prolong the time.
    floor.wait(GRACE / 2);
    floor.venue.ms += 5;
    let later = floor.venue.ticker_of(0, "0.4510", "0.4600");
    floor.say(&later);
    assert_eq!(floor.wait(GRACE / 2 - 3 * MS), [""; 0]);
    assert_eq!(floor.wait(MS), ["0 state suspect bbo_mismatch"]);
    assert_eq!(floor.evidence(0, Evidence::TouchMismatch), 1);
    assert_eq!(floor.wait(1_000 * MS), ["0 state stale bbo_mismatch"]);
    floor.snapshot(0);
    assert_eq!(floor.wait(2 * GRACE), [""; 0], "a whole book owes the ticker nothing");
}

#[test]
fn a_whole_book_settles_what_a_ticker_said_of_the_one_before() {
    let mut floor = floor();
    floor.venue.ms += 5;
    let ahead = floor.venue.ticker_of(0, "0.4500", "0.4600");
    floor.say(&ahead);
    floor.snapshot(0);
    assert_eq!((floor.wait(2 * GRACE), floor.states()), (vec![], vec![State::Live]));
}

#[test]
fn a_ticker_behind_the_book_is_history() {
    let mut floor = floor();
    floor.delta(0, true, 4_500, 100);
    floor.venue.ms -= 1;
    let behind = floor.venue.ticker_of(0, "0.4400", "0.4600");
    floor.say(&behind);
    floor.venue.ms += 1;
    let same_time = floor.venue.ticker_of(0, "0.4400", "0.4600");
    floor.say(&same_time);
    assert_eq!((floor.wait(2 * GRACE), floor.states()), (vec![], vec![State::Live]));
}

#[test]
fn a_later_word_that_agrees_settles_the_earlier_one() {
    let mut floor = floor();
    floor.venue.ms += 5;
    let passing = floor.venue.ticker_of(0, "0.4500", "0.4600");
    floor.say(&passing);
    floor.venue.ms += 5;
    let ticker = floor.venue.ticker(0);
    floor.say(&ticker);
    assert_eq!((floor.wait(2 * GRACE), floor.states()), (vec![], vec![State::Live]));
}

#[test]
fn a_ticker_that_is_never_right_is_not_trusted_for_long() {
    let mut floor = floor();
    let wrong = |floor: &mut Floor| {
        floor.snapshot(0);
        floor.venue.ms += 5;
        let ticker = floor.venue.ticker_of(0, "0.1000", "0.9000");
        floor.say(&ticker);
        floor.wait(GRACE);
        floor.standing(0)
    };
    for strike in 0..3 {
        assert_eq!(wrong(&mut floor), (State::Suspect, Cause::BboMismatch), "{strike}");
    }
    for _ in 0..3 {
        assert_eq!(wrong(&mut floor).0, State::Live, "after three strikes nobody listens");
    }
    // Until it agrees once.
    let ticker = floor.venue.ticker(0);
    floor.say(&ticker);
    assert_eq!(wrong(&mut floor).0, State::Suspect);
}

#[test]
fn nobody_asks_a_witness_about_a_book_that_is_not_live() {
    let mut floor = Floor::silent(Config { silence: 0, ..Config::default() }, 1, true);
    let ticker = floor.venue.ticker_of(0, "0.1000", "0.9000");
    floor.say(&ticker);
    floor.snapshot(0);
    assert_eq!((floor.wait(2 * GRACE), floor.states()), (vec![], vec![State::Live]));
    assert_eq!(floor.evidence(0, Evidence::TouchMatch), 0);
}
