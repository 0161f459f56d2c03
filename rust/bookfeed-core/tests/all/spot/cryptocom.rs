//! Crypto.com: a chain of numbered changes behind a whole book, in a window of so many levels; each
//! says which one it follows, and now and then that nothing happened.

use super::desk::{Desk, apply, small};
use crate::support::records::shorts;
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::Listing;
use bookfeed_core::instrument;

const GONE: &str = "0.00000000";
const VENUE: instrument::Venue = instrument::Venue::CRYPTOCOM;
const DEPTH: u32 = 10;

/// The true book changes, and a message says so.
fn change(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let before = desk.venue.id;
    let changes = apply(&mut desk.venue, entries);
    desk.ts += 100 * MS;
    desk.venue.cryptocom_update(before, &changes)
}

fn whole(desk: &Desk) -> String {
    desk.venue.cryptocom_book(DEPTH as usize)
}

/// A book of eight levels a side, of which ten would be told, and of one change since.
fn live() -> Desk {
    let mut desk = Desk::new(VENUE, small("BTC_USD", 8), DEPTH);
    let frame = whole(&desk);
    assert_eq!(desk.hear(&frame), ["state live snapshot", "book live snapshot"]);
    let frame = change(&mut desk, &[(true, 9_999, "4.00000000"), (false, 10_100, GONE)]);
    assert_eq!(desk.hear(&frame), ["book live snapshot"]);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    desk
}

/// A sign of life: nothing happened since the last change.
fn alive(desk: &mut Desk) -> String {
    desk.ts += 5_000 * MS;
    desk.venue.ms += 5_000;
    desk.venue.cryptocom_update(desk.venue.id, &Default::default())
}

#[test]
fn changes_follow_the_whole_book_by_number() {
    let mut desk = live();
    assert_eq!(desk.stands_at(), Some(desk.venue.id));
    assert_eq!(desk.evidence(Evidence::InSequence), 1);
    let frame = change(&mut desk, &[(true, 10_000, GONE)]);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_change_before_the_whole_book_is_not_taken() {
    let mut desk = Desk::new(VENUE, small("BTC_USD", 8), DEPTH);
    let frame = change(&mut desk, &[(true, 9_999, "4.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.standing(), (State::Syncing, Cause::Subscribed));
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_missing_change_loses_the_book_until_a_whole_one_comes() {
    let mut desk = live();
    change(&mut desk, &[(true, 9_999, "5.00000000")]);
    let frame = change(&mut desk, &[(true, 9_998, "6.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale gap"]);
    let frame = change(&mut desk, &[(true, 9_998, "7.00000000")]);
    assert_eq!(desk.hear(&frame), [""; 0]);
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    let frame = change(&mut desk, &[(true, 9_998, "8.00000000")]);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn a_change_that_follows_an_earlier_place_is_a_gap_as_well() {
    let mut desk = live();
    let before = desk.venue.id - 1;
    let changes = apply(&mut desk.venue, &[(true, 9_999, "5.00000000")]);
    let frame = desk.venue.cryptocom_update(before, &changes);
    assert_eq!(desk.hear(&frame), ["state stale gap"]);
}

#[test]
fn copies_say_nothing_and_older_numbers_lose_the_book() {
    let mut desk = live();
    let first = change(&mut desk, &[(true, 9_999, "5.00000000")]);
    desk.hear(&first);
    assert_eq!(desk.hear(&first), [""; 0]);
    assert!(desk.live() && desk.is_true());
    let second = change(&mut desk, &[(true, 9_999, "6.00000000")]);
    desk.hear(&second);
    assert_eq!(desk.hear(&first), ["state stale out_of_order"]);
}

#[test]
fn a_sign_of_life_vouches_for_the_book_it_names_the_place_of() {
    let mut desk = live();
    let frame = alive(&mut desk);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.evidence(Evidence::InSequence), 2);
    assert!(desk.live() && desk.is_true());
    change(&mut desk, &[(true, 9_999, "5.00000000")]);
    let frame = alive(&mut desk);
    assert_eq!(desk.hear(&frame), ["state stale gap"], "it shows that a change is missing");
}

#[test]
fn a_book_that_is_silent_is_not_believed_whatever_its_neighbours_say() {
    let mut desk = live();
    let mut other = small("ETH_USD", 8);
    let (ts, listing) = (desk.ts, Listing { depth: Some(DEPTH), ..Listing::default() });
    desk.engine.subscribe(VENUE, "ETH_USD", 0, &listing, ts).unwrap();
    desk.hear(&other.cryptocom_book(DEPTH as usize));
    for _ in 0..5 {
        desk.ts += 5_000 * MS;
        other.ms += 5_000;
        desk.hear(&other.cryptocom_update(other.id, &Default::default()));
        desk.engine.advance(desk.ts);
        assert!(desk.live(), "{:?}", desk.standing());
    }
    desk.ts += 5_001 * MS;
    other.ms += 5_001;
    desk.hear(&other.cryptocom_update(other.id, &Default::default()));
    desk.engine.advance(desk.ts);
    assert_eq!(desk.standing(), (State::Stale, Cause::Silence));
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_older_whole_book_replaces_none_and_brings_none_back() {
    let mut desk = live();
    let old = whole(&desk);
    let frame = change(&mut desk, &[(true, 10_000, GONE)]);
    desk.hear(&frame);
    assert_eq!(desk.hear(&old), [""; 0]);
    assert!(desk.live() && desk.is_true());
    change(&mut desk, &[(true, 9_999, "5.00000000")]);
    let frame = change(&mut desk, &[(true, 9_998, "6.00000000")]);
    desk.hear(&frame);
    desk.hear(&old);
    assert_eq!(desk.standing(), (State::Stale, Cause::Gap));
    assert_eq!(desk.evidence(Evidence::OutOfOrder), 2);
}

#[test]
fn the_whole_book_once_more_must_be_the_same() {
    let mut desk = live();
    let frame = whole(&desk);
    assert_eq!(desk.hear(&frame), [""; 0]);
    assert_eq!(desk.evidence(Evidence::SnapshotMatch), 1);
    let mut other = desk.venue.clone();
    apply(&mut other, &[(true, 9_999, "9.00000000")]);
    other.id = desk.venue.id;
    assert_eq!(desk.hear(&other.cryptocom_book(10)), ["state stale withheld"]);
}

#[test]
fn what_falls_out_of_the_window_is_forgotten() {
    let mut desk = live();
    let better = [10_001, 10_002, 10_003].map(|price| (true, price, "3.00000000"));
    let frame = change(&mut desk, &better);
    desk.hear(&frame);
    assert!(desk.live() && desk.has(&desk.venue.sides, DEPTH as usize), "{}", desk.text());
    assert_eq!(desk.engine.book(desk.id).unwrap().bids.len(), DEPTH as usize);
}

#[test]
fn another_connection_begins_anew() {
    let mut desk = live();
    desk.ts += 1_000 * MS;
    desk.engine.disconnected(0, desk.ts);
    desk.engine.connected(0, VENUE, "", desk.ts).unwrap();
    shorts(&mut desk.engine);
    // The venue's numbers began anew, too.
    desk.venue.id = 5;
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
}

#[test]
fn a_message_that_cannot_be_read_takes_its_book_out() {
    let mut desk = live();
    let frame = change(&mut desk, &[(true, 9_999, "5.00000000")]);
    assert_eq!(desk.hear(&frame.replace("5.00000000", "5.0000000x")), ["state stale malformed"]);
    let frame = whole(&desk);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn the_venue_asks_whether_anybody_is_there() {
    let mut desk = live();
    desk.hear(r#"{"id":1587523073344,"method":"public/heartbeat","code":0}"#);
    let notices = desk.engine.take_notices(0);
    let said: Vec<_> = notices.iter().map(|notice| (notice.kind.name(), notice.id)).collect();
    assert_eq!(said, [("asks", 1_587_523_073_344)]);
    assert!(desk.live() && desk.is_true());
}
