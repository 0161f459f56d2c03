//! Numbers: in order, missing, told twice; whom they concern, and what mends a book.

use crate::support::kalshi::{BOOKS, Floor, Kalshi, TRADES, listing};
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::Config;
use bookfeed_core::instrument::{UNKNOWN, Venue};
use bookfeed_core::sequence::stream::Gap;

const SECOND: i64 = 1_000 * MS;

#[test]
fn messages_in_order_change_levels_and_no_state() {
    let mut floor = Floor::live(3);
    let before = floor.engine.counters().transitions;
    assert_eq!(floor.delta(0, true, 4_410, 5_425), ["0 book live snapshot"]);
    assert_eq!(floor.delta(1, false, 5_300, -1_000), ["1 book live snapshot"]);
    assert_eq!(floor.delta(0, true, 4_410, -5_425), ["0 book live snapshot"]);
    assert!((0..3).all(|m| floor.is_true(m)));
    assert_eq!(floor.evidence(0, Evidence::InSequence), 2);
    let counters = floor.engine.counters();
    assert_eq!((counters.transitions, counters.gaps, counters.regressions), (before, 0, 0));
    assert_eq!(floor.engine.gaps().count(), 0);
}

#[test]
fn a_change_of_nothing_is_in_order_and_changes_nothing() {
    let mut floor = Floor::live(1);
    assert_eq!(floor.delta(0, true, 4_400, 0), [""; 0]);
    assert_eq!(floor.delta(0, true, 1_234, 0), [""; 0], "nor does it make a level");
    assert_eq!((floor.evidence(0, Evidence::InSequence), floor.is_true(0)), (2, true));
    floor.delta(0, true, 4_400, 100);
    assert!(floor.is_true(0) && floor.states() == [State::Live]);
}

#[test]
fn a_hole_makes_every_book_of_its_stream_stale_in_that_message() {
    for missing in [1, 10, 1_000_000] {
        let mut floor = Floor::live(3);
        let last = floor.venue.seqs[&BOOKS];
        *floor.venue.seqs.get_mut(&BOOKS).unwrap() += missing;
        floor.venue.ms += 1;
        let frame = floor.venue.delta(1, true, 4_400, 100);
        let (expected, got) = (last + 1, last + 1 + missing);
        let updates = floor.updates(&frame);
        let written: Vec<_> = updates.iter().map(|u| (u.short(), u.price, u.qty)).collect();
        let numbers = (i64::try_from(expected).unwrap(), i64::try_from(got).unwrap());
        assert_eq!(written, vec![("state stale gap".to_owned(), numbers.0, numbers.1); 3]);
        for id in &floor.ids {
            assert_eq!(floor.engine.book(*id).unwrap().rare.gap, Some((expected, got)));
        }
        let gap = Gap { conn: 0, sid: BOOKS, expected, got, ts: floor.ts };
        assert_eq!(floor.engine.gaps().copied().collect::<Vec<_>>(), [gap]);
        assert_eq!(floor.engine.counters().gaps, 1);
        assert_eq!(floor.evidence(2, Evidence::Gap), 1);
        // The stream goes on from there: one hole is one hole.
        assert_eq!(floor.delta(0, true, 4_400, 100), [""; 0]);
        assert_eq!(floor.engine.counters().gaps, 1);
        assert_eq!(floor.evidence(0, Evidence::BeforeSnapshot), 1);
    }
}

#[test]
fn a_hole_is_about_its_own_stream_and_connection() {
    let mut floor = Floor::live(2);
    let mut other = Kalshi::new(4, true);
    other.markets.drain(..2);
    floor.engine.connected(7, Venue::KALSHI, "use_yes_price", T0).unwrap();
    for (i, market) in other.markets.iter().enumerate() {
        let id = floor.engine.subscribe(Venue::KALSHI, &market.ticker, 7, &listing("E"), T0).unwrap();
        let frame = other.clone().snapshot_at(i, u64::try_from(i + 1).unwrap());
        floor.engine.ingest(7, frame.as_bytes(), floor.ts);
        floor.ids.push(id);
    }
    assert_eq!(floor.states(), [State::Live; 4]);
    // On the other connection the same sid is another stream, and this is its third number.
    let sid = format!(r#""sid":{BOOKS},"seq":"#);
    let unknown = |seq| format!(r#"{{"type":"ok",{sid}{seq},"msg":{{}}}}"#);
    floor.engine.ingest(7, unknown(3).as_bytes(), floor.ts);
    assert_eq!(floor.engine.counters().gaps, 0);
    floor.engine.ingest(7, unknown(9).as_bytes(), floor.ts);
    assert_eq!(floor.states(), [State::Live, State::Live, State::Stale, State::Stale]);
    // A hole among trades is counted, and no book rests on it.
    let trade = floor.venue.trade(0, 4_500, 100);
    floor.say(&trade);
    floor.venue.seq(TRADES);
    let trade = floor.venue.trade(0, 4_500, 100);
    assert_eq!(floor.say(&trade), ["0 trade live snapshot"]);
    assert_eq!((floor.engine.counters().gaps, floor.standing(0).0), (2, State::Live));
    assert_eq!(floor.engine.gaps().last().unwrap().sid, TRADES);
}

#[test]
fn a_snapshot_mends_its_own_book_only_in_a_new_epoch() {
    let mut floor = Floor::live(2);
    floor.venue.seq(BOOKS);
    floor.delta(0, true, 4_400, 100);
    assert_eq!(floor.states(), [State::Stale; 2]);
    assert_eq!(floor.snapshot(1), ["1 state live snapshot", "1 book live snapshot"]);
    assert_eq!(
        (floor.states(), floor.epoch(0), floor.epoch(1)),
        (vec![State::Stale, State::Live], 1, 2)
    );
    assert_eq!(floor.engine.book(floor.ids[1]).unwrap().rare.gap, None);
    assert!(floor.engine.book(floor.ids[0]).unwrap().rare.gap.is_some());
    floor.delta(1, true, 4_400, 100);
    floor.snapshot(0);
    assert!(floor.is_true(0) && floor.is_true(1) && floor.states() == [State::Live; 2]);
}

#[test]
fn a_snapshot_behind_a_hole_is_live_and_its_neighbours_are_not() {
    let mut floor = Floor::live(2);
    floor.venue.seq(BOOKS);
    floor.venue.change(0, true, 4_400, 77);
    let records = floor.snapshot(0);
    assert_eq!(
        records,
        ["0 state stale gap", "1 state stale gap", "0 state live snapshot", "0 book live snapshot"]
    );
    assert!(floor.is_true(0));
}

#[test]
fn what_comes_again_is_never_applied_and_ends_belief() {
    let mut floor = Floor::live(2);
    floor.venue.ms += 1;
    let first = floor.venue.delta(0, true, 4_400, 100);
    floor.say(&first);
    let second = floor.venue.delta(1, true, 4_400, 100);
    floor.say(&second);
    for again in [&second, &first] {
        let mut floor = Floor::live(2);
        floor.say(&first);
        floor.say(&second);
        assert_eq!(floor.say(again), ["0 state stale out_of_order", "1 state stale out_of_order"]);
        assert_eq!((floor.engine.counters().regressions, floor.engine.counters().gaps), (1, 0));
        assert_eq!(floor.evidence(0, Evidence::OutOfOrder), 1);
        floor.venue = Kalshi::new(2, true);
        floor.venue.seqs.insert(BOOKS, 4);
        floor.venue.change(0, true, 4_400, 100);
        floor.venue.change(1, true, 4_400, 100);
        assert!(floor.is_true(0) && floor.is_true(1), "as it was, though nobody may believe it");
        // The numbers go on from the newest one.
        floor.snapshot(0);
        floor.snapshot(1);
        assert_eq!((floor.states(), floor.engine.counters().gaps), (vec![State::Live; 2], 0));
    }
}

#[test]
fn a_requested_snapshot_may_stand_at_the_newest_number_and_no_other() {
    let mut floor = Floor::live(2);
    floor.delta(0, true, 4_400, 100);
    floor.engine.invalidate(0, Cause::Transport, floor.ts);
    floor.engine.resync_begin(0, floor.ts).unwrap();
    crate::support::records::drain(&mut floor.engine);
    let last = floor.venue.seqs[&BOOKS];
    let plain = floor.venue.snapshot_at(0, last);
    let requested = plain.replacen('{', r#"{"id":9,"#, 1);
    // Without a command's number it is a message told twice.
    let unasked = plain.replacen('{', r#"{"id":0,"#, 1);
    for refused in [&plain, &unasked] {
        assert_eq!(floor.say(refused), [""; 0]);
        assert_eq!(floor.standing(0), (State::Syncing, Cause::Resync));
    }
    assert_eq!(floor.engine.counters().regressions, 2);
    assert_eq!(floor.say(&requested), ["0 state live resync", "0 book live resync"]);
    assert!(floor.is_true(0));
    let earlier = floor.venue.snapshot_at(1, last - 1).replacen('{', r#"{"id":9,"#, 1);
    assert_eq!(floor.say(&earlier), ["0 state stale out_of_order"]);
    // The next number follows the newest one, whatever was answered in between.
    floor.snapshot(0);
    floor.delta(0, true, 4_400, 1);
    assert!(floor.is_true(0) && floor.engine.counters().gaps == 0);
}

#[test]
fn changes_before_a_snapshot_are_counted_and_their_numbers_taken() {
    let mut floor = Floor::silent(Config::default(), 2, true);
    for _ in 0..3 {
        assert_eq!(floor.delta(0, true, 4_400, 100), [""; 0]);
    }
    assert_eq!(floor.evidence(0, Evidence::BeforeSnapshot), 3);
    assert_eq!(floor.standing(0), (State::Syncing, Cause::Subscribed));
    assert_eq!(floor.snapshot(0), ["0 state live snapshot", "0 book live snapshot"]);
    assert_eq!((floor.engine.counters().gaps, floor.is_true(0)), (0, true));
}

#[test]
fn a_change_on_another_subscription_ends_belief_in_its_book() {
    let mut floor = Floor::live(2);
    let frame = floor.venue.delta(0, true, 4_400, 100);
    let elsewhere = frame.replace(&format!(r#""sid":{BOOKS}"#), r#""sid":9"#);
    assert_eq!(floor.say(&elsewhere), ["0 state stale malformed"]);
    assert_eq!(floor.standing(1).0, State::Live);
    assert!(floor.engine.last_error().unwrap().to_string().contains("another subscription"));
    // Its own stream lacks that number.
    assert_eq!(floor.delta(1, true, 4_400, 100), ["1 state stale gap"]);
}

#[test]
fn what_another_connection_says_is_not_about_the_book() {
    let mut floor = Floor::live(2);
    floor.engine.connected(1, Venue::KALSHI, "use_yes_price", floor.ts).unwrap();
    let before = floor.venue.markets[0].clone();
    let mut stray = floor.venue.clone();
    stray.change(0, true, 4_400, 999);
    // Left behind by a move: changes and whole books of the old connection.
    for frame in [stray.delta_text(0, true, 4_400, 5), stray.snapshot_at(0, 7)] {
        floor.engine.ingest(1, frame.as_bytes(), floor.ts);
        assert_eq!((floor.states(), floor.is_true(0)), (vec![State::Live; 2], true), "{frame}");
    }
    assert_eq!(floor.engine.counters().unknown_instruments, 2);
    assert_eq!(floor.venue.markets[0].levels(false), before.levels(false));
    // And a hole of its own stream is still the book's.
    floor.venue.seq(BOOKS);
    floor.delta(1, true, 4_400, 100);
    assert_eq!(floor.states(), [State::Stale; 2]);
}

#[test]
fn a_new_connection_begins_new_streams() {
    let mut floor = Floor::live(1);
    floor.delta(0, true, 4_400, 100);
    floor.engine.disconnected(0, floor.ts);
    assert_eq!(floor.standing(0), (State::Stale, Cause::Disconnected));
    assert_eq!(floor.engine.sid(0, "orderbook_delta"), None, "nothing is subscribed any more");
    floor.engine.connected(0, Venue::KALSHI, "use_yes_price", floor.ts).unwrap();
    assert_eq!(floor.standing(0), (State::Syncing, Cause::Subscribed));
    floor.venue.seqs.clear();
    crate::support::records::drain(&mut floor.engine);
    assert_eq!(floor.snapshot(0), ["0 state live snapshot", "0 book live snapshot"]);
    let counters = floor.engine.counters();
    assert_eq!((counters.gaps, counters.regressions, floor.epoch(0)), (0, 0, 2));
}

#[test]
fn a_fetch_waits_for_the_whole_book_in_the_stream() {
    let mut floor = Floor::live(2);
    floor.venue.seq(BOOKS);
    floor.delta(0, true, 4_400, 100);
    floor.engine.resync_begin(0, floor.ts).unwrap();
    crate::support::records::drain(&mut floor.engine);
    assert_eq!(floor.standing(0), (State::Syncing, Cause::Resync));
    assert_eq!(floor.engine.book(0).unwrap().rare.gap, None);
    assert_eq!(floor.delta(0, true, 4_400, 100), [""; 0], "discarded: the whole book contains it");
    assert!(floor.engine.book(0).unwrap().rare.awaited.is_none());
    let frame = floor.venue.requested(0, 12);
    assert_eq!(floor.say(&frame), ["0 state live resync", "0 book live resync"]);
    assert!(floor.is_true(0));
    assert_eq!(floor.standing(1), (State::Stale, Cause::Gap), "which was not asked for");
    // A REST answer has no place among the numbers: it never makes a book live.
    floor.engine.resync_begin(1, floor.ts).unwrap();
    let ticker = &floor.venue.markets[1].ticker;
    let body = format!(
        r#"{{"orderbooks":[{{"ticker":"{ticker}","orderbook_fp":{{"yes_dollars":[],"no_dollars":[]}}}}]}}"#
    );
    floor.engine.ingest_rest(0, body.as_bytes(), UNKNOWN, None, floor.ts);
    assert_eq!(floor.standing(1), (State::Syncing, Cause::Resync));
    assert_eq!(floor.engine.counters().rest_rejected, 1);
}

#[test]
fn a_message_about_one_market_vouches_for_all_of_its_stream() {
    let mut floor = Floor::live(2);
    let vouched_at = floor.ts;
    floor.ts += 20 * SECOND;
    floor.delta(0, true, 4_400, 100);
    assert_eq!(floor.engine.ts_evidence(floor.ids[1]), floor.ts);
    assert_eq!(floor.engine.book(1).unwrap().ts_evidence, vouched_at, "its own is older");
    // A reply in order is evidence as well, a message without a number is not.
    let reply = floor.venue.reply(BOOKS, "ok", r#","msg":{}"#);
    floor.say(&reply);
    let vouched = floor.ts;
    let ticker = floor.venue.ticker(1);
    floor.say(&ticker);
    assert_eq!(floor.engine.ts_evidence(floor.ids[1]), vouched);
    // Nor is one told twice, or of another stream.
    let trade = floor.venue.trade(1, 4_500, 100);
    floor.say(&trade);
    assert_eq!(floor.engine.ts_evidence(floor.ids[1]), vouched);
    // The silence of the connection is counted from its newest data, and is that of all.
    assert_eq!(floor.wait(29 * SECOND), [""; 0]);
    assert_eq!(floor.wait(2 * SECOND), ["0 state stale silence", "1 state stale silence"]);
}

#[test]
fn books_whose_stream_is_frozen_are_silenced_while_other_channels_go_on() {
    let mut floor = Floor::live(2);
    let vouched_at = floor.ts;
    for _ in 0..29 {
        floor.ts += SECOND;
        let (trade, ticker) = (floor.venue.trade(0, 4_500, 100), floor.venue.ticker(0));
        floor.say(&trade);
        floor.say(&ticker);
        floor.wait(0);
    }
    assert_eq!(floor.states(), [State::Live; 2]);
    let left = vouched_at + 30 * SECOND - floor.ts;
    assert_eq!(floor.wait(left), ["0 state stale silence", "1 state stale silence"]);
}

#[test]
fn a_rest_book_beside_the_stream_may_agree_and_never_convicts() {
    let mut floor = Floor::live(1);
    let body = |floor: &Floor, size: &str| {
        let ticker = &floor.venue.markets[0].ticker;
        let sides = r#""yes_dollars":[["0.4200","0.50"],["0.4300","2500.00"],["0.4400","SIZE"]],"no_dollars":[["0.5200","0.07"],["0.5300","10.00"],["0.5400","250.00"]]"#;
        let sides = sides.replace("SIZE", size);
        format!(r#"{{"orderbooks":[{{"ticker":"{ticker}","orderbook_fp":{{{sides}}}}}]}}"#)
    };
    for (size, kind) in [("13.37", Evidence::RestMatch), ("13.38", Evidence::RestMismatch)] {
        floor.ts += 10 * SECOND;
        let proved = floor.engine.ts_evidence(0);
        floor.engine.ingest_rest(0, body(&floor, size).as_bytes(), UNKNOWN, None, floor.ts);
        assert_eq!((floor.evidence(0, kind), floor.states()), (1, vec![State::Live]), "{size}");
        let expected = if size == "13.37" { floor.ts } else { proved };
        assert_eq!(floor.engine.ts_evidence(0), expected, "agreement is evidence, the other is none");
        assert!(floor.is_true(0));
    }
    let counters = floor.engine.counters();
    assert_eq!((counters.rest_accepted, counters.rest_rejected), (1, 1));
}

#[test]
fn holes_are_kept_up_to_a_bound_and_counted_beyond() {
    let mut floor = Floor::live(1);
    for _ in 0..300 {
        floor.venue.seq(BOOKS);
        floor.delta(0, true, 4_400, 100);
    }
    assert_eq!((floor.engine.gaps().count(), floor.engine.counters().gaps), (256, 300));
    let newest = floor.engine.gaps().last().unwrap();
    assert_eq!(newest.got, floor.venue.seqs[&BOOKS]);
}

#[test]
fn a_snapshot_in_order_that_differs_convicts_the_stream() {
    let mut floor = Floor::live(3);
    // It may repeat what is known as often as it likes.
    floor.delta(0, true, 4_400, 100);
    let same = floor.venue.requested(0, 7);
    assert_eq!(floor.say(&same), ["0 book live snapshot"]);
    assert_eq!(floor.evidence(0, Evidence::SnapshotMatch), 1);
    // A change is kept back, and its number with it.
    floor.venue.change(1, true, 4_400, 100);
    assert_eq!(floor.states(), [State::Live; 3]);
    let probe = floor.venue.requested(1, 8);
    let expected = [0, 1, 2].map(|id| format!("{id} state stale withheld"));
    assert_eq!(floor.say(&probe), expected);
    assert_eq!(floor.evidence(1, Evidence::SnapshotMismatch), 1);
    assert_eq!(floor.engine.counters().gaps, 0, "no number was missing");
    // More whole books would be true for a moment only; changes show that it goes on.
    let answer = floor.venue.requested(0, 9);
    assert_eq!(floor.say(&answer), [""; 0]);
    assert_eq!(floor.delta(2, true, 4_400, 100), [""; 0]);
    for market in 0..3 {
        floor.snapshot(market);
        assert!(floor.is_true(market) && floor.standing(market).0 == State::Live);
    }
}

#[test]
fn a_snapshot_that_contradicts_itself_convicts_its_own_book_only() {
    let mut floor = Floor::live(2);
    let twice = r#"[["0.4200","0.50"],["0.4200","2500.00"]]"#;
    let seq = floor.venue.seq(BOOKS);
    let ticker = &floor.venue.markets[0].ticker;
    let msg = format!(r#"{{"market_ticker":"{ticker}","yes_dollars_fp":{twice}}}"#);
    let frame = format!(r#"{{"type":"orderbook_snapshot","sid":{BOOKS},"seq":{seq},"msg":{msg}}}"#);
    assert_eq!(floor.say(&frame), ["0 state stale malformed"]);
    assert_eq!(floor.standing(1).0, State::Live);
}

#[test]
fn numbers_that_begin_anew_unannounced_are_believed_once_something_later_follows() {
    let mut floor = Floor::live(2);
    for _ in 0..10 {
        floor.delta(0, true, 4_400, 100);
    }
    // A recording that goes on with another connection and does not say so.
    floor.venue.seqs.insert(BOOKS, 0);
    floor.venue.change(0, true, 4_400, 700);
    assert_eq!(floor.snapshot(0), ["0 state stale out_of_order", "1 state stale out_of_order"]);
    assert_eq!(floor.snapshot(1), [""; 0], "as copies of what was told would be");
    let records = floor.delta(1, true, 4_400, 100);
    let expected = [
        "0 state live snapshot",
        "0 book live snapshot",
        "1 state live snapshot",
        "1 book live snapshot",
        "1 book live snapshot",
    ];
    assert_eq!(records, expected);
    assert!(floor.is_true(0) && floor.is_true(1));
    floor.delta(0, true, 4_400, 100);
    assert!(floor.is_true(0) && floor.engine.counters().gaps == 0);
}

#[test]
fn copies_of_what_was_told_are_no_new_beginning() {
    let mut floor = Floor::silent(Config::default(), 2, true);
    let mut told = Vec::new();
    for market in 0..2 {
        told.push(floor.venue.snapshot(market));
    }
    floor.venue.ms += 1;
    told.push(floor.venue.delta(0, true, 4_400, 100));
    floor.venue.ms += 1;
    told.push(floor.venue.delta(1, true, 4_400, 100));
    for frame in &told {
        floor.say(frame);
    }
    assert_eq!(floor.states(), [State::Live; 2]);
    for frame in &told {
        floor.say(frame);
        assert_eq!(floor.states(), [State::Stale; 2]);
    }
    // The old count goes on, and the copies are forgotten.
    floor.delta(0, true, 4_400, 100);
    assert_eq!(floor.states(), [State::Stale; 2]);
    floor.snapshot(0);
    floor.snapshot(1);
    assert!(floor.is_true(0) && floor.is_true(1) && floor.states() == [State::Live; 2]);
}

#[test]
fn a_run_that_is_interrupted_is_no_new_beginning() {
    let mut floor = Floor::live(1);
    for _ in 0..10 {
        floor.delta(0, true, 4_400, 100);
    }
    let last = floor.venue.seqs[&BOOKS];
    floor.venue.seqs.insert(BOOKS, 0);
    floor.snapshot(0);
    floor.venue.seqs.insert(BOOKS, last);
    floor.delta(0, true, 4_400, 100); // the old count went on
    floor.venue.seqs.insert(BOOKS, 1);
    assert_eq!(floor.delta(0, true, 4_400, 100), [""; 0]);
    assert_eq!(floor.standing(0).0, State::Stale);
}
