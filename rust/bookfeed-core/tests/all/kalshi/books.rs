//! Books of numbered streams: both ways of printing prices, both outcomes, sizes that cannot be,
//! orders that overlap, and messages that cannot be trusted.

use crate::support::Rng;
use crate::support::kalshi::{BOOKS, Floor, TRADES};
use crate::support::records::{Levels, drain, levels};
use crate::support::venue::MS;
use bookfeed_core::book::Book;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::Config;
use bookfeed_core::event::Side;
use bookfeed_core::fixed::{PRICE_DECIMALS, PRICE_ONE, QTY_DECIMALS, format_decimal};
use bookfeed_core::metrics::{Terms, View};

const SECOND: i64 = 1_000 * MS;

/// A change that leaves the true book as a book can be.
fn random_delta(floor: &mut Floor, rng: &mut Rng) -> Vec<String> {
    let (yes, market) = (rng.once_in(2), rng.below(floor.ids.len()));
    let top = if yes { 4_400 } else { 5_400 };
    let price = top - 10 * u32::try_from(rng.below(60)).unwrap();
    let side = &floor.venue.markets[market];
    let there = if yes { &side.yes } else { &side.no }.get(&price).copied().unwrap_or(0);
    let change = match rng.below(3) {
        0 if there > 0 => -i64::try_from(there).unwrap(),
        1 if there > 1 => -i64::try_from(1 + rng.below(usize::try_from(there - 1).unwrap())).unwrap(),
        _ => i64::try_from(1 + rng.below(100_000)).unwrap(),
    };
    floor.delta(market, yes, price, change)
}

fn both_ways_of_printing(changes: usize) {
    let mut books = Vec::new();
    for yes_prices in [false, true] {
        let mut rng = Rng(5);
        let mut floor = Floor::live_with(Config::default(), 3, yes_prices);
        for _ in 0..changes {
            random_delta(&mut floor, &mut rng);
            assert!((0..3).all(|m| floor.is_true(m)), "{yes_prices}");
        }
        books.push(floor.ids.iter().map(|&id| levels(&floor.engine, id)).collect::<Vec<_>>());
    }
    assert_eq!(books[0], books[1]);
}

#[test]
fn both_ways_of_printing_prices_make_the_same_book() {
    both_ways_of_printing(400);
}

#[test]
#[ignore = "long: a hundred thousand changes"]
fn both_ways_of_printing_prices_for_long() {
    both_ways_of_printing(100_000);
}

fn sides(book: &Book, terms: Terms) -> (Levels, Levels) {
    let text = |(p, q)| (format_decimal(p, PRICE_DECIMALS), format_decimal(q, QTY_DECIMALS));
    let side = |side| View::new(book, terms).levels(side).best_first().map(text).collect();
    (side(Side::Bid), side(Side::Ask))
}

fn turned_round(changes: usize) {
    let mut rng = Rng(6);
    let mut floor = Floor::live(2);
    for step in 0..changes {
        random_delta(&mut floor, &mut rng);
        if step % 50 == 7 {
            // One side alone, and none.
            let market = &mut floor.venue.markets[1];
            market.no.clear();
            if step % 100 == 7 {
                market.yes.clear();
            }
            floor.snapshot(1);
        }
        for (market, &id) in floor.ids.iter().enumerate() {
            let book = floor.engine.book(id).unwrap();
            let market = &floor.venue.markets[market];
            assert_eq!(sides(book, Terms::turned(PRICE_ONE)), market.levels(true));
            assert_eq!(sides(book, Terms::OWN), market.levels(false));
        }
    }
}

#[test]
fn the_other_outcome_is_the_same_book_turned_round() {
    turned_round(300);
}

#[test]
#[ignore = "long: a hundred thousand changes"]
fn the_other_outcome_turned_round_for_long() {
    turned_round(100_000);
}

#[test]
fn more_taken_than_there_is_ends_belief_and_is_never_cut_short() {
    let there = 1_337;
    for (price, change) in [(4_400, -there - 1), (4_390, -1), (1, -100)] {
        let mut floor = Floor::live(2);
        floor.venue.ms += 1;
        floor.venue.seq(BOOKS);
        let frame = floor.venue.delta_text(0, true, price, change);
        assert_eq!(floor.say(&frame), ["0 state stale underflow"], "{change} at {price}");
        assert_eq!((floor.engine.counters().underflows, floor.evidence(0, Evidence::Underflow)), (1, 1));
        assert!(floor.is_true(0), "as it was before");
        assert_eq!(floor.standing(1).0, State::Live, "the stream is whole");
        assert_eq!(floor.delta(1, true, 4_400, 1), ["1 book live snapshot"]);
    }
    let mut floor = Floor::live(1);
    assert_eq!(floor.delta(0, true, 4_400, -there), ["0 book live snapshot"], "all of it may go");
    assert!(floor.is_true(0));
}

#[test]
fn one_match_may_be_told_in_parts_and_nobody_sees_it_torn() {
    let mut floor = Floor::live(1);
    let before = floor.engine.counters().transitions;
    // A buyer at 0.465 takes all at 0.46: his bid is told first.
    assert_eq!(floor.delta(0, true, 4_650, 5_000), [""; 0]);
    assert_eq!(floor.standing(0), (State::Suspect, Cause::Crossed), "to whoever looks");
    assert_eq!(floor.engine.book(0).unwrap().touch.bid, 440_000_000, "rules see what was");
    assert_eq!(floor.delta(0, true, 4_300, 1), [""; 0], "other parts do not end it");
    assert_eq!(floor.delta(0, false, 5_400, -25_000), ["0 book live snapshot"]);
    assert_eq!(floor.evidence(0, Evidence::BatchSettled), 1);
    assert_eq!(floor.engine.counters().transitions, before, "and no state has changed");
    assert_eq!(floor.engine.book(0).unwrap().touch.bid, 465_000_000);
    assert!(floor.is_true(0));
}

#[test]
fn bids_that_add_up_to_a_dollar_overlap_as_well() {
    let mut floor = Floor::live(1);
    assert_eq!(floor.delta(0, true, 4_600, 100), [""; 0]);
    assert_eq!(floor.standing(0), (State::Suspect, Cause::Crossed));
    assert_eq!(floor.delta(0, true, 4_600, -100), ["0 book live snapshot"]);
}

#[test]
fn orders_that_go_on_overlapping_are_not_believed() {
    let grace = Config::default().batch_grace;
    let mut floor = Floor::live(2);
    floor.delta(0, true, 4_700, 5_000);
    let begun = floor.ts;
    floor.ts += grace / 2;
    assert_eq!(floor.delta(0, true, 4_300, 1), [""; 0], "which does not prolong the grace");
    assert_eq!(floor.wait(begun + grace - 1 - floor.ts), [""; 0]);
    assert_eq!(floor.wait(1), ["0 state suspect crossed", "0 book suspect crossed"]);
    assert_eq!(floor.evidence(0, Evidence::Crossed), 1);
    // That it comes apart again proves nothing: only a whole book does.
    floor.delta(0, true, 4_700, -5_000);
    assert_eq!(floor.standing(0), (State::Suspect, Cause::Crossed));
    assert_eq!(floor.snapshot(0), ["0 state live snapshot", "0 book live snapshot"]);
    assert!(floor.is_true(0));
    floor.delta(0, true, 4_700, 5_000);
    floor.wait(grace);
    assert_eq!(floor.wait(2 * SECOND), ["0 state stale crossed"]);
    assert_eq!(floor.standing(1).0, State::Live);
}

#[test]
fn a_whole_book_that_overlaps_is_never_live() {
    // Crossed, and locked.
    for price in [4_700, 4_600] {
        let mut floor = Floor::silent(Config::default(), 2, true);
        floor.venue.change(0, true, price, 100);
        assert_eq!(floor.snapshot(0), ["0 state suspect crossed", "0 book suspect crossed"]);
        assert_eq!((floor.epoch(0), floor.evidence(0, Evidence::Crossed)), (0, 1));
        floor.snapshot(1);
        floor.venue.change(0, true, price, -100);
        assert_eq!(floor.snapshot(0), ["0 state live snapshot", "0 book live snapshot"]);
        // A live book is replaced by it as well, an open batch or not.
        floor.venue.change(1, true, price, 100);
        assert_eq!(floor.snapshot(1)[0], "1 state suspect crossed");
        assert!(!floor.engine.book(1).unwrap().believable());
        let mut floor = Floor::live(1);
        floor.delta(0, true, price, 100);
        assert_eq!(floor.snapshot(0)[0], "0 state suspect crossed");
    }
}

#[test]
fn a_whole_book_ends_an_open_batch() {
    let mut floor = Floor::live(1);
    floor.delta(0, true, 4_700, 5_000);
    floor.venue.change(0, true, 4_700, -5_000);
    assert_eq!(floor.snapshot(0), ["0 book live snapshot"]);
    assert_eq!(floor.wait(SECOND), [""; 0]);
    assert!(floor.is_true(0) && floor.epoch(0) == 1);
}

#[test]
fn a_whole_book_that_names_a_price_twice_is_refused() {
    let mut floor = Floor::live(2);
    let frame = floor.venue.snapshot(0);
    let twice = frame.replace(r#"["0.4300""#, r#"["0.4400""#);
    assert_ne!(twice, frame);
    assert_eq!(floor.say(&twice), ["0 state stale malformed"]);
    assert_eq!(floor.delta(1, true, 4_400, 100), ["1 book live snapshot"], "its number was taken");
}

#[test]
fn a_type_nobody_knows_on_a_stream_of_books_ends_belief_in_them() {
    let mut floor = Floor::live(2);
    let frame = floor.venue.delta(0, true, 4_400, 100).replace("orderbook_delta", "orderbook_patch");
    assert_eq!(floor.say(&frame), ["0 state stale malformed", "1 state stale malformed"]);
    assert_eq!(floor.engine.messages()["unknown:orderbook_patch"], 1);
    let mut floor = Floor::live(2);
    let frame = floor.venue.trade(0, 4_400, 100).replace(r#""trade","#, r#""print","#);
    assert_eq!(floor.say(&frame), [""; 0], "elsewhere it is only counted");
    let trade = floor.venue.trade(0, 4_500, 100);
    assert_eq!(floor.say(&trade), ["0 trade live snapshot"]);
    assert_eq!((floor.engine.counters().gaps, floor.venue.seqs[&TRADES]), (0, 2));
    let bare = r#"{"type":"heartbeat"}"#;
    assert_eq!((floor.say(bare), floor.states()), (vec![], vec![State::Live; 2]));
}

#[test]
fn a_damaged_ticker_is_found_out_by_the_second_name() {
    let ticker = |floor: &Floor, market: usize| floor.venue.markets[market].ticker.clone();
    for recording in [false, true] {
        let config = Config { auto_subscribe: recording, ..Config::default() };
        let mut floor = Floor::live_with(config, 3, true);
        let frame =
            floor.venue.delta(1, true, 4_400, 100).replace(&ticker(&floor, 1), "KXTEST-26OCT0117-T!");
        assert_eq!(floor.say(&frame), ["1 state stale malformed"]);
        assert_eq!(floor.engine.counters().unknown_instruments, 1);
        // In a whole book likewise; nothing is subscribed in its place.
        let frame = floor.venue.snapshot(2).replace(&ticker(&floor, 2), "KXTEST-26OCT0117-T!");
        assert_eq!(floor.say(&frame), ["2 state stale malformed"]);
        assert_eq!((floor.engine.instruments().len(), floor.standing(0).0), (3, State::Live));
    }
}

/// One name of either market is damaged: nobody can tell whose change it was.
#[test]
fn two_names_of_different_markets_end_belief_in_both() {
    for whole in [false, true] {
        let mut floor = Floor::live(3);
        let frame = if whole { floor.venue.snapshot(0) } else { floor.venue.delta(0, true, 4_400, 100) };
        let (mine, other) = (&floor.venue.markets[0], &floor.venue.markets[1]);
        let frame = frame.replace(&mine.ticker, &other.ticker);
        let mut records = floor.say(&frame);
        records.sort();
        assert_eq!(records, ["0 state stale malformed", "1 state stale malformed"]);
        assert_eq!(floor.standing(2).0, State::Live);
    }
}

#[test]
fn a_market_nobody_subscribed_may_be_anybodys_in_a_live_stream_only() {
    let stranger = |floor: &mut Floor| {
        let market = crate::support::kalshi::Market::new(77);
        floor.venue.markets.push(market);
        floor.venue.markets.len() - 1
    };
    let mut floor = Floor::live(2);
    let other = stranger(&mut floor);
    let frame = floor.venue.delta(other, true, 4_400, 100);
    assert_eq!(floor.say(&frame), ["0 state stale malformed", "1 state stale malformed"]);

    let config = Config { auto_subscribe: true, ..Config::default() };
    let mut floor = Floor::live_with(config, 2, true);
    let other = stranger(&mut floor);
    let frame = floor.venue.delta(other, true, 4_400, 100);
    assert_eq!(floor.say(&frame), [""; 0], "a recording may have begun before its whole book");
    let nameless = floor.venue.delta(other, true, 4_400, 100);
    let nameless = nameless.replace(&format!(r#""market_id":"{}","#, floor.venue.markets[other].id), "");
    floor.say(&nameless);
    assert_eq!(floor.states(), [State::Stale; 2], "without a second name it may be a damaged one");
    floor.ids.push(2);
    let records = floor.snapshot(other);
    assert_eq!(records, ["2 state syncing subscribed", "2 state live snapshot", "2 book live snapshot"]);
    assert!(floor.is_true(other));
    drain(&mut floor.engine);
}

#[test]
fn a_whole_book_nobody_subscribed_is_counted_and_harms_nobody() {
    let mut floor = Floor::live(1);
    floor.venue.markets.push(crate::support::kalshi::Market::new(77));
    let frame = floor.venue.requested(1, 5);
    assert_eq!((floor.say(&frame), floor.engine.counters().unknown_instruments), (vec![], 1));
    assert_eq!((floor.states(), floor.engine.instruments().len()), (vec![State::Live], 1));
}

#[test]
fn broken_frames_end_belief_in_the_connection_and_lose_their_number() {
    let mut floor = Floor::live(2);
    let frame = floor.venue.delta(0, true, 4_400, 100);
    assert_eq!(floor.say(&frame[..frame.len() - 9]).len(), 2);
    assert_eq!(floor.states(), [State::Stale; 2]);
    floor.snapshot(0);
    assert_eq!((floor.engine.counters().gaps, floor.standing(0).0), (1, State::Live));
}
