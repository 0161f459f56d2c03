//! What a line is refused, what it may not be asked, and what a book says of its lines.

use super::venues::spot_levels;
use crate::support::kalshi::{BOOKS, Floor, Kalshi};
use crate::support::records::{levels, shown};
use crate::support::spot::Venue as Spot;
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::{Config, Engine, EngineError, Listing};
use bookfeed_core::instrument::Venue;

/// Two markets, live on line 0; line 1 is open beside it, and has told the books as they are.
fn two_lines() -> (Floor, Kalshi) {
    let mut floor = Floor::live(2);
    floor.engine.add_line(1, 0, floor.ts).unwrap();
    floor.engine.connected(1, Venue::KALSHI, "use_yes_price", floor.ts).unwrap();
    let mut other = Kalshi::new(2, true);
    on(&mut floor, 1, &Kalshi::subscribed("orderbook_delta", BOOKS));
    for market in 0..2 {
        let frame = other.snapshot(market);
        on(&mut floor, 1, &frame);
    }
    assert_eq!(floor.states(), [State::Live; 2]);
    (floor, other)
}

fn on(floor: &mut Floor, conn: u32, frame: &str) {
    floor.ts += MS;
    floor.engine.ingest(conn, frame.as_bytes(), floor.ts);
}

#[test]
fn a_line_is_of_two_connections_of_one_venue() {
    let mut floor = Floor::live(1);
    let refused = |floor: &mut Floor, conn, beside| {
        matches!(floor.engine.add_line(conn, beside, T0), Err(EngineError::Line(..)))
    };
    assert!(refused(&mut floor, 1, 9), "there is none beside which it could be");
    assert!(refused(&mut floor, 0, 0));
    floor.engine.connected(5, Venue::USER, "", T0).unwrap();
    assert!(refused(&mut floor, 6, 5), "quotes hold for as long as they say");
    floor.engine.connected(2, Venue::KALSHI, "", T0).unwrap();
    floor.engine.subscribe(Venue::KALSHI, "OTHER", 2, &Default::default(), T0).unwrap();
    assert!(refused(&mut floor, 2, 0), "it has books");
    floor.engine.add_line(1, 0, T0).unwrap();
    assert!(refused(&mut floor, 3, 0) && refused(&mut floor, 3, 1) && refused(&mut floor, 1, 2));
    let error = floor.engine.add_line(3, 0, T0).unwrap_err().to_string();
    assert!(error.contains("connection 3 cannot be a second line"), "{error}");
}

#[test]
fn a_book_says_which_line_told_it_last() {
    let (mut floor, mut other) = two_lines();
    assert!(floor.engine.line_in_step(1, 0) && floor.engine.line_in_step(0, 0));
    floor.venue.ms += 1;
    other.ms = floor.venue.ms;
    let [ours, theirs] = [&mut floor.venue, &mut other].map(|v| v.delta(0, true, 4_410, 100));
    on(&mut floor, 1, &theirs);
    assert_eq!((floor.engine.told_by(0), floor.is_true(0)), (Some(1), true));
    on(&mut floor, 0, &ours);
    assert!(floor.is_true(0), "the copy is not added again");
    let tallies: Vec<_> =
        floor.engine.line_tallies().map(|(conn, t)| (conn, t.first, t.later)).collect();
    assert_eq!(tallies, [(0, 0, 1), (1, 1, 0)]);
}

#[test]
fn a_lost_connection_costs_no_book_that_the_other_line_carries() {
    let (mut floor, mut other) = two_lines();
    floor.engine.disconnected(0, floor.ts);
    assert_eq!((floor.states(), floor.engine.counters().transitions), (vec![State::Live; 2], 4));
    other.ms += 1;
    let frame = other.delta(1, true, 4_410, 100);
    on(&mut floor, 1, &frame);
    floor.venue = other;
    assert!(floor.is_true(0) && floor.is_true(1));
    floor.engine.disconnected(1, floor.ts);
    assert_eq!(floor.standing(0), (State::Stale, Cause::Disconnected));
}

#[test]
fn the_end_of_a_line_costs_no_book_that_the_other_carries() {
    let (mut floor, _) = two_lines();
    floor.engine.end_line(0, floor.ts);
    assert_eq!(floor.states(), [State::Live; 2]);
    let carried: Vec<_> = floor.engine.instruments().iter().map(|(_, about)| about.conn).collect();
    assert_eq!(carried, [1, 1]);
    assert_eq!(floor.engine.told_by(0), None);
    floor.engine.disconnected(0, floor.ts);
    assert_eq!(floor.states(), [State::Live; 2]);
}

#[test]
fn a_line_that_is_not_in_step_carries_nothing() {
    let mut floor = Floor::live(1);
    floor.engine.add_line(1, 0, floor.ts).unwrap();
    floor.engine.connected(1, Venue::KALSHI, "use_yes_price", floor.ts).unwrap();
    assert!(!floor.engine.line_in_step(1, 0));
    floor.engine.disconnected(0, floor.ts);
    assert_eq!(floor.standing(0), (State::Stale, Cause::Disconnected));
}

#[test]
fn a_line_that_is_ahead_for_too_long_leaves_neither_believed() {
    let (mut floor, mut other) = two_lines();
    // Line 0 loses a message, and line 1, which carries the books from there, tells nothing more.
    floor.venue.ms += 1;
    let _ = floor.venue.delta(0, true, 4_410, 100);
    let frame = floor.venue.delta(0, true, 4_420, 100);
    on(&mut floor, 0, &frame);
    assert_eq!(floor.states(), [State::Live; 2]);
    assert!(!floor.engine.line_in_step(0, 0) && floor.engine.line_in_step(1, 0));
    floor.ts += 2_000 * MS;
    floor.engine.advance(floor.ts);
    assert_eq!(floor.states(), [State::Live; 2]);
    floor.ts += 1_100 * MS;
    floor.engine.advance(floor.ts);
    assert_eq!(floor.standing(0), (State::Stale, Cause::Line));
    assert_eq!(floor.standing(1), (State::Live, Cause::Snapshot));
    let frame = other.snapshot(0);
    on(&mut floor, 1, &frame);
    assert_eq!(floor.standing(0).0, State::Live);
}

/// A Binance book, live on line 0, and line 1 open beside it, on which nothing came yet.
fn silent_line() -> (Engine, Spot, u32) {
    let config = Config { max_delay: 0, silence: 0, ..Config::default() };
    let (mut engine, mut venue) = (Engine::new(config), Spot::new("XBT/USD", 1, 40));
    engine.connected(0, Venue::BINANCE, "", T0).unwrap();
    let id = engine.subscribe(Venue::BINANCE, &venue.symbol, 0, &Listing::default(), T0).unwrap();
    engine.ingest_rest(0, venue.rest_book().as_bytes(), id, None, T0 + MS);
    tell(&mut engine, &mut venue, &[0]);
    engine.add_line(1, 0, T0 + 3 * MS).unwrap();
    assert!(!engine.line_in_step(1, id), "it is not open");
    engine.connected(1, Venue::BINANCE, "", T0 + 3 * MS).unwrap();
    assert_eq!(shown(&engine, id).0, State::Live);
    (engine, venue, id)
}

/// One more update, on some lines.
fn tell(engine: &mut Engine, venue: &mut Spot, conns: &[u32]) {
    let (first, price) = (venue.id + 1, *venue.sides[0].keys().next_back().unwrap());
    venue.id += 1;
    let size = format!("{}.00000000", venue.id % 90 + 1);
    venue.sides[0].insert(price, size.clone());
    let frame = venue.depth_update(first, &[[(price, size)].into(), [].into()]);
    for &conn in conns {
        engine.ingest(conn, frame.as_bytes(), T0 + 4 * MS);
    }
}

#[test]
fn a_book_of_numbers_of_which_nobody_says_anything_goes_on_on_the_other_line() {
    let (mut engine, mut venue, id) = silent_line();
    assert!(engine.line_in_step(1, id), "the number of the next update shows what was missed");
    engine.disconnected(0, T0 + 3 * MS);
    assert_eq!(shown(&engine, id).0, State::Live);
    tell(&mut engine, &mut venue, &[1]);
    assert_eq!(shown(&engine, id).0, State::Live);
    assert_eq!((engine.told_by(id), levels(&engine, id)), (Some(1), spot_levels(&venue)));
}

#[test]
fn what_was_missed_before_a_line_carried_a_silent_book_shows_with_its_first_number() {
    let (mut engine, mut venue, id) = silent_line();
    engine.disconnected(0, T0 + 3 * MS);
    tell(&mut engine, &mut venue, &[]);
    tell(&mut engine, &mut venue, &[1]);
    assert_eq!(shown(&engine, id), (State::Stale, Cause::Gap));
}

#[test]
fn a_line_that_did_not_tell_what_the_other_told_carries_nothing_on() {
    let (mut engine, mut venue, id) = silent_line();
    tell(&mut engine, &mut venue, &[0]);
    assert!(!engine.line_in_step(1, id));
    engine.disconnected(0, T0 + 5 * MS);
    assert_eq!(shown(&engine, id), (State::Stale, Cause::Disconnected));
}
