//! Binance: differences and the whole books they are stitched to, touches, and what is known.

use super::desk::{Desk, apply, small};
use crate::support::spot::Venue;
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::event::Side;
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument;
use bookfeed_core::sequence::rhythm::Freshness;

const GONE: &str = "0.00000000";

fn desk(venue: Venue) -> Desk {
    Desk::new(instrument::Venue::BINANCE, venue, 5_000)
}

/// The venue's next difference, of so many levels.
fn next(desk: &mut Desk, levels: usize) -> String {
    let first = desk.venue.id + 1;
    let changes = desk.venue.change(levels);
    desk.venue.depth_update(first, &changes)
}

/// The venue's next difference, as told.
fn difference(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let first = desk.venue.id + 1;
    let changes = apply(&mut desk.venue, entries);
    desk.venue.depth_update(first, &changes)
}

/// A live book of 40 levels a side.
fn live(seed: u64) -> Desk {
    let mut desk = desk(Venue::new("BTCUSDT", seed, 40));
    let frame = next(&mut desk, 3);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    assert_eq!(desk.answer(&body), ["state live snapshot", "book live snapshot"]);
    desk
}

/// A live book of five levels a side that are known by name.
fn live_small() -> Desk {
    let mut desk = desk(small("BTCUSDT", 5));
    let frame = difference(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
    desk
}

#[test]
fn differences_alone_are_no_book() {
    let mut desk = desk(Venue::new("BTCUSDT", 1, 40));
    for _ in 0..50 {
        let frame = next(&mut desk, 5);
        assert_eq!(desk.hear(&frame), [""; 0]);
    }
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    assert_eq!(desk.evidence(Evidence::BeforeSnapshot), 50);
}

#[test]
fn what_was_heard_before_and_after_an_answer_is_put_on_it() {
    for asked_after in 0..12 {
        let mut desk = desk(Venue::new("BTCUSDT", 7 + asked_after, 40));
        let mut body = String::new();
        for heard in 0..12 {
            let frame = next(&mut desk, 6);
            desk.hear(&frame);
            if heard == asked_after {
                body = desk.venue.rest_book();
            }
        }
        desk.answer(&body);
        assert!(desk.live() && desk.is_true(), "asked after {asked_after}: {}", desk.text());
        assert_eq!(desk.stands_at(), Some(desk.venue.id));
        let frame = next(&mut desk, 6);
        desk.hear(&frame);
        assert!(desk.live() && desk.is_true());
    }
}

#[test]
fn a_book_ahead_of_its_stream_waits_for_it() {
    let mut desk = desk(Venue::new("BTCUSDT", 2, 40));
    let late: Vec<String> = (0..3).map(|_| next(&mut desk, 4)).collect();
    desk.hear(&late[0]);
    let body = desk.venue.rest_book();
    assert_eq!(desk.answer(&body), [""; 0]);
    desk.hear(&late[1]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    assert_eq!(desk.hear(&late[2]), ["state live snapshot", "book live snapshot"]);
    assert!(desk.is_true());
}

#[test]
fn a_book_older_than_what_is_kept_is_refused_and_costs_nothing() {
    let mut desk = desk(Venue::new("BTCUSDT", 3, 40));
    let old = desk.venue.rest_book();
    next(&mut desk, 4);
    for _ in 0..3 {
        let frame = next(&mut desk, 4);
        desk.hear(&frame);
    }
    let fitting = desk.venue.rest_book();
    for _ in 0..3 {
        let frame = next(&mut desk, 4);
        desk.hear(&frame);
    }
    assert_eq!(desk.answer(&old), ["state stale resync"]);
    assert_eq!(desk.answer(&old), [""; 0], "and once more");
    assert_eq!(desk.engine.counters().rest_rejected, 2);
    desk.answer(&fitting);
    assert!(desk.live() && desk.is_true(), "what was kept is kept: {}", desk.text());
}

#[test]
fn a_book_that_turns_out_too_old_when_the_stream_begins_is_no_hole_in_it() {
    let mut desk = desk(Venue::new("BTCUSDT", 3, 40));
    let old = desk.venue.rest_book();
    assert_eq!(desk.answer(&old), [""; 0]);
    next(&mut desk, 4);
    let frame = next(&mut desk, 4);
    let fitting = desk.venue.rest_book();
    assert_eq!(desk.hear(&frame), ["state stale resync"]);
    assert_eq!(desk.engine.counters().gaps, 0);
    desk.answer(&fitting);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_answer_behind_the_running_book_is_refused() {
    let mut desk = live(4);
    let old = desk.venue.rest_book();
    let frame = next(&mut desk, 4);
    desk.hear(&frame);
    assert_eq!(desk.answer(&old), [""; 0]);
    assert_eq!(desk.engine.counters().rest_rejected, 1);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_running_book_is_its_streams_whatever_an_answer_says() {
    let mut desk = live(4);
    let later = Venue { id: desk.venue.id + 1_000, ..small("BTCUSDT", 3) };
    assert_eq!(desk.answer(&later.rest_book()), [""; 0]);
    let twice = desk.venue.rest_book().replacen("],[", r#"],["61685.99000000","9.0"],["#, 1);
    assert_eq!(desk.answer(&twice), [""; 0]);
    assert_eq!((desk.engine.counters().rest_accepted, desk.engine.counters().rest_rejected), (1, 2));
    assert!(desk.live() && desk.is_true());
    let frame = next(&mut desk, 4);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

/// A book that is spoken of ten times a second, and then no more: its silence is odd.
fn silent() -> Desk {
    let mut desk = live(4);
    for _ in 0..40 {
        desk.ts += 99 * MS;
        let frame = next(&mut desk, 4);
        desk.hear(&frame);
        desk.engine.advance(desk.ts);
    }
    wait(&mut desk, 4_000);
    desk.venue.ms += 4_000;
    assert_eq!(desk.engine.suspects(0), [desk.id]);
    desk
}

fn wait(desk: &mut Desk, ms: i64) {
    for _ in 0..ms / 100 {
        desk.ts += 100 * MS;
        desk.engine.advance(desk.ts);
    }
}

#[test]
fn an_answer_at_the_same_update_vouches_for_an_odd_silence() {
    let mut desk = silent();
    let body = desk.venue.rest_book();
    assert_eq!(desk.answer(&body), [""; 0]);
    wait(&mut desk, 1_000);
    assert_eq!(desk.evidence(Evidence::RestMatch), 1);
    assert_eq!(desk.engine.freshness(desk.id), Freshness::Quiet);
    assert_eq!((desk.engine.suspects(0), desk.live()), (vec![], true));
}

#[test]
fn an_answer_beyond_a_stream_that_goes_on_costs_nothing() {
    let mut desk = silent();
    let frame = next(&mut desk, 4);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    desk.hear(&frame);
    wait(&mut desk, 5_000);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    assert_eq!(desk.evidence(Evidence::RestMismatch), 0);
}

#[test]
fn an_answer_beyond_a_stream_that_stays_silent_shows_that_it_is_frozen() {
    let mut desk = silent();
    next(&mut desk, 4);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert_eq!(desk.engine.book(desk.id).unwrap().shown_state(), State::Suspect);
    wait(&mut desk, 4_000);
    assert_eq!(desk.standing(), (State::Stale, Cause::Withheld));
    assert_eq!(desk.engine.freshness(desk.id), Freshness::Frozen);
    assert_eq!(desk.evidence(Evidence::RestMismatch), 1);
}

#[test]
fn an_answer_that_lies_about_where_it_stands_does_not_stand_in_the_way_of_the_next() {
    let mut desk = desk(Venue::new("BTCUSDT", 3, 40));
    let frame = next(&mut desk, 4);
    desk.hear(&frame);
    let liar = Venue { id: desk.venue.id + 1_000_000, ..small("BTCUSDT", 3) };
    assert_eq!(desk.answer(&liar.rest_book()), [""; 0]);
    let frame = next(&mut desk, 4);
    desk.hear(&frame);
    assert_eq!(desk.standing().0, State::Syncing);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_answer_to_somebody_who_is_not_said_is_refused() {
    let mut desk = live(4);
    let body = desk.venue.rest_book();
    desk.engine.ingest_rest(0, body.as_bytes(), instrument::UNKNOWN, None, desk.ts);
    assert_eq!(desk.engine.counters().rest_rejected, 1);
    assert!(desk.live());
    assert_eq!(desk.answer(r#"{"code":-1003,"msg":"Too many requests."}"#), [""; 0]);
    assert_eq!(desk.engine.counters().rest_rejected, 2);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_hole_loses_the_book_and_the_next_answer_mends_it() {
    let mut desk = live(5);
    next(&mut desk, 3);
    let frame = next(&mut desk, 3);
    assert_eq!(desk.hear(&frame), ["state stale gap"]);
    assert_eq!(desk.engine.counters().gaps, 1);
    let body = desk.venue.rest_book();
    let frame = next(&mut desk, 3);
    desk.hear(&frame);
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn ids_set_back_lose_the_book_and_a_copy_at_once_does_not() {
    let mut desk = live(6);
    let old = next(&mut desk, 3);
    desk.hear(&old);
    assert_eq!(desk.hear(&old), [""; 0]);
    assert!(desk.live() && desk.is_true());
    let frame = next(&mut desk, 3);
    desk.hear(&frame);
    assert_eq!(desk.hear(&old), ["state stale out_of_order"]);
    assert_eq!(desk.engine.counters().regressions, 1);
}

#[test]
fn what_came_before_a_connection_is_nothing_to_the_next_one() {
    let mut desk = desk(Venue::new("BTCUSDT", 8, 40));
    let frame = next(&mut desk, 3);
    desk.hear(&frame);
    // Announced again, without a word that the old one was lost.
    desk.engine.connected(0, instrument::Venue::BINANCE, "", desk.ts).unwrap();
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert_eq!(desk.standing().0, State::Syncing, "nothing was heard on this connection yet");
    let frame = next(&mut desk, 3);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_answer_that_contradicts_itself_is_no_basis_however_often_it_comes() {
    let mut desk = desk(Venue::new("BTCUSDT", 9, 40));
    let twice = |venue: &Venue| venue.rest_book().replacen("],[", r#"],["61685.99000000","9.0"],["#, 1);
    for _ in 0..3 {
        let frame = next(&mut desk, 3);
        desk.hear(&frame);
    }
    let (fitting, wrong) = (desk.venue.rest_book(), twice(&desk.venue));
    assert_ne!(fitting, wrong);
    assert_eq!(desk.answer(&wrong), ["state stale malformed"]);
    assert_eq!(desk.answer(&wrong), [""; 0]);
    let frame = next(&mut desk, 3);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.standing(), (State::Stale, Cause::Malformed));
    desk.answer(&fitting);
    assert!(desk.live() && desk.is_true(), "what was kept is kept: {}", desk.text());
}

#[test]
fn a_touch_is_compared_where_it_stands_and_nowhere_else() {
    let mut desk = live(10);
    let before = desk.venue.book_ticker();
    desk.hear(&before);
    assert_eq!(desk.evidence(Evidence::TouchMatch), 1);
    // Ahead of the book: it waits for the difference that comes to it.
    let frame = next(&mut desk, 8);
    let touch = desk.venue.book_ticker();
    desk.hear(&touch);
    assert_eq!(desk.evidence(Evidence::TouchMatch), 1);
    desk.hear(&frame);
    assert_eq!(desk.evidence(Evidence::TouchMatch), 2);
    // Behind it: history.
    desk.hear(&before);
    // Between two differences: passed by.
    let first = desk.venue.id + 1;
    let mut changes = desk.venue.change(3);
    let within = desk.venue.book_ticker().replacen("\"B\":\"", "\"B\":\"9", 1);
    for (side, more) in changes.iter_mut().zip(desk.venue.change(3)) {
        side.extend(more);
    }
    let frame = desk.venue.depth_update(first, &changes);
    desk.hear(&within);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
    assert_eq!((desk.evidence(Evidence::TouchMatch), desk.evidence(Evidence::TouchMismatch)), (2, 0));
}

#[test]
fn a_touch_that_disagrees_where_the_book_stands_makes_it_suspect() {
    for (from, to) in [("\"B\":\"", "\"B\":\"9"), ("\"A\":\"", "\"A\":\"9"), ("\"b\":\"", "\"b\":\"1")] {
        for ahead in [false, true] {
            let mut desk = live(11);
            let frame = next(&mut desk, 8);
            let wrong = desk.venue.book_ticker().replacen(from, to, 1);
            let [one, two] = if ahead { [&wrong, &frame] } else { [&frame, &wrong] };
            desk.hear(one);
            assert!(desk.live());
            let written = desk.hear(two);
            assert!(
                written.contains(&"state suspect bbo_mismatch".to_owned()),
                "{to} {ahead}: {written:?}"
            );
            desk.engine.advance(desk.ts + 2_000 * MS);
            assert_eq!(desk.standing(), (State::Stale, Cause::BboMismatch));
        }
    }
}

#[test]
fn a_touch_that_came_before_the_first_book_is_kept_for_it() {
    for (from, to) in [("\"B\":\"", "\"B\":\"9"), ("\"b\":\"", "\"b\":\"1")] {
        for after in [0, 1, 2] {
            let mut desk = desk(Venue::new("BTCUSDT", 12, 40));
            let frame = next(&mut desk, 8);
            desk.hear(&frame);
            let book = desk.venue.rest_book();
            for _ in 0..after {
                let frame = next(&mut desk, 8);
                desk.hear(&frame);
            }
            let right = desk.venue.book_ticker();
            let wrong = right.replacen(from, to, 1);
            desk.hear(&wrong);
            assert_eq!(desk.answer(&book), ["state stale bbo_mismatch"], "{to} {after}");
            assert!(!desk.live());
        }
    }
    let mut desk = desk(Venue::new("BTCUSDT", 12, 40));
    let frame = next(&mut desk, 8);
    desk.hear(&frame);
    let (touch, book) = (desk.venue.book_ticker(), desk.venue.rest_book());
    desk.hear(&touch);
    desk.answer(&book);
    let frame = next(&mut desk, 8);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
    assert_eq!((desk.evidence(Evidence::TouchMatch), desk.evidence(Evidence::TouchMismatch)), (1, 0));
}

#[test]
fn a_book_is_known_to_the_last_levels_of_its_answer() {
    let mut desk = live_small();
    let cent = PRICE_ONE / 100;
    let book = desk.engine.book(desk.id).unwrap();
    assert_eq!(book.depth_known(Side::Bid), Some(9_996 * cent));
    assert_eq!(book.depth_known(Side::Ask), Some(10_104 * cent));
    // What is told of levels beyond is kept, and moves no end.
    let frame = difference(&mut desk, &[(true, 9_000, "7.00000000"), (false, 10_104, GONE)]);
    desk.hear(&frame);
    let book = desk.engine.book(desk.id).unwrap();
    assert_eq!(book.depth_known(Side::Bid), Some(9_996 * cent));
    assert_eq!(book.depth_known(Side::Ask), Some(10_104 * cent));
    assert!(desk.live() && desk.is_true());
}

/// All bids of [`live_small`] but those beyond the end of what is known.
const EMPTIED: [(bool, i64, &str); 5] = [
    (true, 10_000, GONE),
    (true, 9_999, GONE),
    (true, 9_998, GONE),
    (true, 9_997, GONE),
    (true, 9_996, GONE),
];

#[test]
fn a_book_whose_price_leaves_what_is_known_is_lost() {
    for beyond in [true, false] {
        let mut desk = live_small();
        if beyond {
            let frame = difference(&mut desk, &[(true, 9_900, "7.00000000")]);
            desk.hear(&frame);
            assert!(desk.live());
        }
        let frame = difference(&mut desk, &EMPTIED[..4]);
        desk.hear(&frame);
        assert!(desk.live(), "one level is left");
        let frame = difference(&mut desk, &EMPTIED[4..]);
        assert_eq!(desk.hear(&frame), ["state stale window"], "with a level beyond: {beyond}");
    }
}

#[test]
fn a_book_whose_price_left_while_it_was_fetched_never_comes_to_life() {
    let mut desk = desk(small("BTCUSDT", 5));
    let frame = difference(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    let frame = difference(&mut desk, &EMPTIED);
    desk.hear(&frame);
    assert_eq!(desk.answer(&body), ["state stale window"]);
    assert_eq!(desk.answer(&body), ["state stale resync"], "it is too old by now");
    let frame = difference(&mut desk, &[(true, 9_900, "7.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.standing().0, State::Stale);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_side_that_was_empty_in_the_answer_is_known_to_be() {
    let mut venue = small("BTCUSDT", 5);
    venue.sides[0].clear();
    let mut desk = desk(venue);
    let frame = difference(&mut desk, &[(false, 10_100, "3.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
    assert_eq!(desk.engine.book(desk.id).unwrap().depth_known(Side::Bid), None);
}

#[test]
fn a_connection_of_another_venue_takes_no_instrument() {
    let mut desk = live_small();
    let venue = instrument::Venue::KRAKEN;
    let listing = bookfeed_core::engine::Listing::default();
    let refused = desk.engine.subscribe(venue, "BTC/USD", 0, &listing, desk.ts).unwrap_err();
    assert_eq!(refused.to_string(), "connection 0 is of binance; subscribe kraken on one of its own");
    assert!(desk.engine.instruments().find(venue, b"BTC/USD").is_none());
    assert!(desk.live(), "nor does it harm the books that are there: {}", desk.text());
}
