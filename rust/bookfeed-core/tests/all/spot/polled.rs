//! Binance: books that are polled while their stream is silent, and how the two meet again.

use super::desk::{Desk, apply, small};
use crate::support::records::shorts;
use crate::support::spot::Venue;
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument;

const SECOND: i64 = 1_000 * MS;

/// A live book of ten levels a side whose stream then says nothing until it is stale.
fn silent() -> Desk {
    let mut desk = Desk::new(instrument::Venue::BINANCE, small("BTCUSDT", 10), 5_000);
    let frame = turn(&mut desk);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    let frame = turn(&mut desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
    assert_eq!(wait(&mut desk, 31 * SECOND), ["state stale silence"]);
    desk
}

/// The venue changes its book; the frame that its stream says, or keeps to itself.
fn turn(desk: &mut Desk) -> String {
    let first = desk.venue.id + 1;
    let size = format!("{}.00000000", first % 7 + 1);
    let changes = apply(&mut desk.venue, &[(true, 10_000, &size), (false, 10_100, &size)]);
    desk.venue.depth_update(first, &changes)
}

fn wait(desk: &mut Desk, time: i64) -> Vec<String> {
    desk.ts += time;
    desk.venue.ms += u64::try_from(time / MS).unwrap();
    desk.engine.advance(desk.ts);
    shorts(&mut desk.engine)
}

/// The answer to a poll comes, five milliseconds after it was asked for.
fn poll(desk: &mut Desk, body: &str) -> Vec<String> {
    desk.ts += 5 * MS;
    let asked = desk.ts - 5 * MS;
    desk.engine.ingest_poll(0, body.as_bytes(), desk.id, asked, desk.ts);
    shorts(&mut desk.engine)
}

fn polled(desk: &mut Desk) {
    turn(desk);
    let body = desk.venue.rest_book();
    poll(desk, &body);
    assert_eq!(desk.standing(), (State::LivePoll, Cause::Polled), "{}", desk.text());
    assert!(desk.is_true());
}

fn unstreamed(desk: &Desk) -> bool {
    desk.engine.unstreamed(0, desk.ts) == [desk.id]
}

#[test]
fn a_book_is_polled_while_its_stream_is_silent_and_live_when_that_has_come_to_it() {
    let mut desk = silent();
    assert!(unstreamed(&desk));
    polled(&mut desk);
    let book = desk.engine.book(desk.id).unwrap();
    assert!(!book.believable() && book.readable());
    for _ in 0..3 {
        wait(&mut desk, SECOND);
        polled(&mut desk);
    }
    // The stream tells what it had held back, the last of which the book does not hold yet.
    desk.venue.id -= 1;
    let (held, newest) = (turn(&mut desk), turn(&mut desk));
    assert_eq!(desk.hear(&held), ["state live snapshot", "book live snapshot"]);
    assert_eq!(desk.hear(&newest), ["book live snapshot"]);
    assert!(desk.live() && desk.is_true() && !unstreamed(&desk));
    assert_eq!(wait(&mut desk, 11 * SECOND), [""; 0], "it is its stream's, and not too old");
}

#[test]
fn a_stream_that_speaks_has_the_last_word() {
    let mut desk = Desk::new(instrument::Venue::BINANCE, small("BTCUSDT", 10), 5_000);
    let body = desk.venue.rest_book();
    assert!(!unstreamed(&desk), "it has just been subscribed");
    assert_eq!(poll(&mut desk, &body), [""; 0]);
    wait(&mut desk, 5 * SECOND - 5 * MS);
    assert!(unstreamed(&desk));
    assert_eq!(poll(&mut desk, &body)[0], "state live_poll polled");
    // A message that the answer holds already: the stream comes, and is no further yet.
    let mut behind = Venue::new("BTCUSDT", 5, 0);
    behind.id = desk.venue.id - 2;
    let changes = apply(&mut behind, &[(true, 9_000, "1.00000000")]);
    let late = behind.depth_update(behind.id, &changes);
    assert_eq!(desk.hear(&late), [""; 0]);
    assert!(!unstreamed(&desk));
    turn(&mut desk);
    let newer = desk.venue.rest_book();
    assert_eq!(poll(&mut desk, &newer), [""; 0], "it would run away from its stream");
    assert_eq!(desk.standing().0, State::LivePoll);
}

#[test]
fn what_is_missing_between_an_answer_and_its_stream_shows() {
    let mut desk = silent();
    polled(&mut desk);
    turn(&mut desk);
    let after_a_hole = turn(&mut desk);
    assert_eq!(desk.hear(&after_a_hole), ["state stale gap"]);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_answer_from_before_is_refused() {
    let mut desk = silent();
    let old = desk.venue.rest_book();
    polled(&mut desk);
    assert_eq!(poll(&mut desk, &old), [""; 0], "a copy that lags");
    assert!(desk.is_true());
    assert_eq!(desk.answer(&old), [""; 0], "nor was a fetch begun");
    assert!(desk.is_true());
    let unplaced = desk.venue.rest_book().replace("lastUpdateId", "last");
    assert_eq!(poll(&mut desk, &unplaced), [""; 0]);
    // A stream that was further than the answer has said what this lacks.
    let mut desk = Desk::new(instrument::Venue::BINANCE, small("BTCUSDT", 10), 5_000);
    let old = desk.venue.rest_book();
    turn(&mut desk);
    let frame = turn(&mut desk);
    desk.hear(&frame);
    wait(&mut desk, 6 * SECOND);
    assert!(unstreamed(&desk));
    assert_eq!(poll(&mut desk, &old), [""; 0]);
}

#[test]
fn a_book_that_a_poll_began_is_wanted_deeper() {
    let mut desk = silent();
    let whole = small("BTCUSDT", 30);
    polled(&mut desk);
    let frame = turn(&mut desk);
    desk.hear(&frame);
    assert!(desk.live());
    wait(&mut desk, SECOND);
    assert_eq!(desk.engine.probes(0), [desk.id]);
    // The venue tells more levels to who asks for more.
    for (mine, theirs) in desk.venue.sides.iter_mut().zip(whole.sides) {
        for (price, size) in theirs {
            mine.entry(price).or_insert(size);
        }
    }
    let body = desk.venue.rest_book();
    desk.answer(&body);
    let frame = turn(&mut desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    wait(&mut desk, SECOND);
    assert!(desk.engine.probes(0).is_empty(), "once");
    let known = desk.engine.book(desk.id).unwrap().bids.best_first().last().unwrap().0;
    assert_eq!(known, 99_710 * PRICE_ONE / 1_000);
}

#[test]
fn it_ends_with_its_age_and_with_its_connection() {
    let mut desk = silent();
    polled(&mut desk);
    assert_eq!(wait(&mut desk, 10 * SECOND), ["state stale expired"]);
    polled(&mut desk);
    desk.engine.disconnected(0, desk.ts);
    assert_eq!(shorts(&mut desk.engine), ["state stale disconnected"]);
    assert!(!unstreamed(&desk), "nothing is open");
    desk.engine.connected(0, instrument::Venue::BINANCE, "", desk.ts).unwrap();
    let frame = turn(&mut desk);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn books_that_begin_on_their_stream_are_not_polled_beside_it() {
    let mut desk = Desk::new(instrument::Venue::GEMINI, small("btcusd", 10), 5_000);
    wait(&mut desk, 60 * SECOND);
    assert!(desk.engine.unstreamed(0, desk.ts).is_empty());
}
