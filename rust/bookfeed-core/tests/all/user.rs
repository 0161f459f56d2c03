//! A user's own quotes: whole books that are believed for as long as their owner said, whatever
//! else is heard, and not one nanosecond longer; and legs of rules as any other.

use crate::support::kalshi::Floor;
use crate::support::quotes::{Printed, plain, quote};
use crate::support::records::{Signal, drain, shorts, shown};
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::{Config, Engine, EngineError, Listing};
use bookfeed_core::instrument::{UNKNOWN, Venue};
use bookfeed_core::signals::{Params, Refusal};
use bookfeed_core::time::SECOND;
use proptest::prelude::*;

const BID: Printed = Some(("0.48", "100"));
const ASK: Printed = Some(("0.52", "50"));

/// Two quotes on one connection.
fn engine() -> Engine {
    let mut engine = Engine::new(Config::default());
    engine.connected(3, Venue::USER, "", T0).unwrap();
    for symbol in ["mine", "other"] {
        engine.subscribe(Venue::USER, symbol, 3, &Listing::default(), T0).unwrap();
    }
    shorts(&mut engine);
    engine
}

fn push(engine: &mut Engine, frame: &str, ts: i64) -> Vec<String> {
    engine.ingest(3, frame.as_bytes(), ts);
    shorts(engine)
}

/// An engine in which both quotes are live.
fn live(max_age: i64) -> Engine {
    let mut engine = engine();
    for symbol in ["mine", "other"] {
        let written = push(&mut engine, &quote(symbol, BID, ASK, max_age), T0);
        assert_eq!(written, ["state live snapshot", "book live snapshot"]);
    }
    engine
}

fn levels(engine: &Engine, id: u32) -> [Vec<(i64, i64)>; 2] {
    let book = engine.book(id).unwrap();
    [book.bids.best_first().collect(), book.asks.best_first().collect()]
}

#[test]
fn a_quote_is_the_whole_book() {
    let mut engine = live(SECOND);
    assert_eq!(levels(&engine, 0), [[(480_000_000, 10_000_000_000)], [(520_000_000, 5_000_000_000)]]);
    push(&mut engine, &quote("mine", Some(("0.5", "1")), None, SECOND), T0 + 1);
    assert_eq!(levels(&engine, 0), [vec![(500_000_000, 100_000_000)], vec![]]);
    push(&mut engine, &quote("mine", None, None, SECOND), T0 + 2);
    assert_eq!(levels(&engine, 0), [vec![], vec![]]);
    assert_eq!(shown(&engine, 0), (State::Live, Cause::Snapshot));
    assert_eq!(levels(&engine, 1)[0].len(), 1, "each symbol is its own");
}

#[test]
fn it_is_believed_until_its_time_is_over_and_not_beyond() {
    let mut engine = live(SECOND);
    engine.advance(T0 + SECOND - 1);
    assert_eq!(shorts(&mut engine), [""; 0]);
    engine.advance(T0 + SECOND);
    assert_eq!(shorts(&mut engine), ["state stale expired"; 2]);
    let written = push(&mut engine, &quote("mine", BID, None, 5), T0 + SECOND + 1);
    assert_eq!(written, ["state live snapshot", "book live snapshot"]);
    // The very frame at which it is over finds it stale, and makes it live again.
    let written = push(&mut engine, &quote("mine", BID, ASK, 5), T0 + SECOND + 6);
    let again = ["state stale expired", "state live snapshot", "book live snapshot"];
    assert_eq!(written, again);
}

#[test]
fn a_new_quote_renews_it_and_may_shorten_it() {
    let mut engine = live(SECOND);
    push(&mut engine, &quote("mine", BID, ASK, 10 * SECOND), T0 + 1);
    push(&mut engine, &quote("other", BID, ASK, 10), T0 + 1);
    engine.advance(T0 + 11);
    assert_eq!(shorts(&mut engine), ["state stale expired"]);
    assert_eq!((shown(&engine, 0).0, shown(&engine, 1).0), (State::Live, State::Stale));
    engine.advance(T0 + 9 * SECOND);
    assert_eq!(shorts(&mut engine), [""; 0]);
    engine.advance(T0 + 10 * SECOND + 1);
    assert_eq!(shorts(&mut engine), ["state stale expired"]);
}

#[test]
fn no_other_traffic_renews_it_and_silence_does_not_end_it() {
    let mut engine = live(100 * SECOND);
    for second in 1..100 {
        push(&mut engine, &quote("other", BID, ASK, 1_000 * SECOND), T0 + second * SECOND);
        engine.advance(T0 + second * SECOND);
        assert_eq!(shown(&engine, 0).0, State::Live, "{second}");
    }
    assert_eq!(
        push(&mut engine, &quote("other", BID, ASK, 1), T0 + 100 * SECOND)[0],
        "state stale expired"
    );
    let mut quiet = live(10_000 * SECOND);
    quiet.advance(T0 + 9_999 * SECOND);
    assert_eq!(shorts(&mut quiet), [""; 0]);
}

/// Every call that has a time sees no book whose time is over.
#[test]
fn whatever_is_called_first_finds_it_stale() {
    type Call = fn(&mut Engine, i64);
    let calls: [Call; 8] = [
        |engine, ts| _ = engine.ingest(0, b"{}", ts),
        |engine, ts| _ = engine.ingest_rest(0, b"{}", UNKNOWN, None, ts),
        |engine, ts| _ = engine.advance(ts),
        |engine, ts| engine.subscribe(Venue::KRAKEN, "X", 0, &Listing::default(), ts).map(drop).unwrap(),
        |engine, ts| engine.unsubscribe(2, ts).unwrap(),
        |engine, ts| engine.connected(0, Venue::KRAKEN, "", ts).unwrap(),
        |engine, ts| engine.disconnected(0, ts),
        |engine, ts| engine.resync_begin(2, ts).unwrap(),
    ];
    for (n, call) in calls.into_iter().enumerate() {
        let mut engine = live(SECOND);
        engine.subscribe(Venue::KRAKEN, "BTC/USD", 0, &Listing::default(), T0).unwrap();
        shorts(&mut engine);
        call(&mut engine, T0 + SECOND - 1);
        assert_eq!(shown(&engine, 0), (State::Live, Cause::Snapshot), "call {n}");
        call(&mut engine, T0 + SECOND);
        assert_eq!(shown(&engine, 0), (State::Stale, Cause::Expired), "call {n}");
    }
}

#[test]
fn prices_that_overlap_are_not_believed() {
    for ask in ["0.47", "0.48"] {
        let mut engine = live(SECOND);
        let written = push(&mut engine, &quote("mine", BID, Some((ask, "1")), SECOND), T0 + 1);
        assert_eq!(written, ["state suspect crossed", "book suspect crossed"]);
        assert_eq!(
            push(&mut engine, &quote("mine", BID, ASK, SECOND), T0 + 2)[0],
            "state live snapshot"
        );
    }
}

#[test]
fn a_malformed_quote_takes_its_own_book_and_no_other() {
    let good = quote("mine", BID, ASK, SECOND);
    let bad = [
        good.replace(r#""bid":["0.48","100"],"#, ""),
        good.replace(r#","max_age_ns":1000000000"#, ""),
        good.replace("1000000000", "0"),
        good.replace("1000000000", "-5"),
        good.replace("1000000000", "1.5"),
        good.replace("1000000000", "1000000000000000001"),
        good.replace("1000000000", "\"1000000000\""),
        good.replace(r#"["0.48","100"]"#, r#"["0.48"]"#),
        good.replace(r#"["0.48","100"]"#, r#"["0.48","100","1"]"#),
        good.replace(r#"["0.48","100"]"#, "[0.48,100]"),
        good.replace(r#"["0.48","100"]"#, r#""0.48""#),
        good.replace(r#"["0.48","100"]"#, r#""[\"0.48\",\"100\"]""#),
        good.replace(r#"["0.48","100"]"#, r#"{"price":"0.48"}"#),
        good.replace("0.48", "4.8e-1"),
        good.replace("0.48", "-0.48"),
        good.replace("0.48", "0"),
        good.replace("0.52", "1"),
        good.replace("0.52", "99999999999"),
        good.replace(r#""100""#, r#""0""#),
        good.replace(r#""100""#, r#""NaN""#),
    ];
    for frame in bad {
        assert_ne!(frame, good);
        let mut engine = live(SECOND);
        assert_eq!(push(&mut engine, &frame, T0 + 1), ["state stale malformed"], "{frame}");
        assert_eq!((shown(&engine, 1).0, engine.counters().malformed), (State::Live, 1), "{frame}");
        // What it held until is no matter any more.
        engine.advance(T0 + SECOND);
        assert_eq!(shorts(&mut engine), ["state stale expired"], "of its neighbour: {frame}");
        assert_eq!(shown(&engine, 0), (State::Stale, Cause::Malformed), "{frame}");
        assert_eq!(push(&mut engine, &good, T0 + SECOND)[0], "state live snapshot");
    }
}

#[test]
fn what_names_no_book_may_be_about_any() {
    for frame in
        ["[]", "7", "\"quote\"", "{}", r#"{"symbol":"","bid":null}"#, r#"{"symbol":7}"#, "{", ""]
    {
        let mut engine = live(SECOND);
        assert_eq!(push(&mut engine, frame, T0 + 1), ["state stale malformed"; 2], "{frame}");
    }
    let mut engine = live(SECOND);
    assert_eq!(push(&mut engine, &quote("strange", BID, ASK, SECOND), T0 + 1), [""; 0]);
    assert_eq!(engine.counters().unknown_instruments, 1);
}

#[test]
fn a_connection_that_is_lost_takes_quotes_with_it() {
    let mut engine = live(SECOND);
    engine.disconnected(3, T0 + 1);
    assert_eq!(shorts(&mut engine), ["state stale disconnected"; 2]);
    engine.connected(3, Venue::USER, "", T0 + 2).unwrap();
    assert_eq!(shorts(&mut engine), ["state syncing subscribed"; 2]);
    engine.ingest_rest(3, quote("mine", BID, ASK, SECOND).as_bytes(), 0, None, T0 + 3);
    assert_eq!((shown(&engine, 0).0, engine.counters().rest_rejected), (State::Syncing, 1));
    let written = push(&mut engine, &quote("mine", BID, ASK, SECOND), T0 + 4);
    assert_eq!(written, ["state live snapshot", "book live snapshot"]);
}

#[test]
fn a_pair_of_currencies_is_quoted_at_any_price_and_pays_nothing() {
    let mut engine = engine();
    let listing = Listing { base: Some("BTC"), quote: Some("USD"), ..Listing::default() };
    let id = engine.subscribe(Venue::USER, "BTC/USD", 3, &listing, T0).unwrap();
    shorts(&mut engine);
    let frame = quote("BTC/USD", Some(("61000.5", "2")), Some(("61001", "3")), SECOND);
    assert_eq!(push(&mut engine, &frame, T0 + 1)[0], "state live snapshot");
    let payouts = [0, id].map(|id| engine.instruments().at(id).unwrap().payout);
    assert_eq!(payouts, [Some(1_000_000_000), None]);
}

#[test]
fn fees_are_none_unless_they_are_stated() {
    let mut engine = engine();
    let stated = Listing { fee: Some("user:0.015"), ..Listing::default() };
    let id = engine.subscribe(Venue::USER, "dear", 3, &stated, T0).unwrap();
    engine.subscribe(Venue::USER, "dear", 3, &Listing::default(), T0).unwrap();
    let fees = [0, id].map(|id| engine.instruments().at(id).unwrap().fees.unwrap());
    use bookfeed_core::fees::Role;
    let fee = |n: usize, qty| fees[n].order(Role::Taker, false).fill(qty, 400_000_000);
    assert_eq!((fee(0, 700_000_000), fee(1, 700_000_000)), (Some(0), Some(105_000_000)));
    assert_eq!(fee(1, 1), Some(1), "rounded up");
    assert_eq!(fees.map(|fees| fees.marginal(Role::Maker, 1)), [Some(0), Some(15_000_000)]);
    let wrong = Listing { fee: Some("user:1;2"), ..Listing::default() };
    let refused = engine.subscribe(Venue::USER, "dear", 3, &wrong, T0);
    assert!(matches!(refused, Err(EngineError::Fees(why)) if why.contains("dollars a share")));
}

// Legs of rules.

/// A Kalshi market with an ask of 0.46 and a bid of 0.44, and a quote of the same event.
fn box_on_a_quote(more: &[(&str, &str)]) -> Floor {
    let mut floor = Floor::live(1);
    floor.engine.connected(3, Venue::USER, "", floor.ts).unwrap();
    floor.engine.subscribe(Venue::USER, "mine", 3, &Listing::default(), floor.ts).unwrap();
    let a = format!("kalshi {} yes", floor.venue.markets[0].ticker);
    let rule = [("a", a.as_str()), ("b", "user mine yes"), ("polarity_check", "off")];
    let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let params: Params = rule.iter().chain(more).map(text).collect();
    floor.engine.add_rule("box", &params).unwrap();
    // A first message with a venue time.
    assert_eq!(beat(&mut floor), [""; 0]);
    floor
}

fn said(floor: &mut Floor, frame: &str) -> Vec<String> {
    floor.ts += MS;
    floor.engine.ingest(3, frame.as_bytes(), floor.ts);
    drain(&mut floor.engine).1.iter().map(Signal::short).collect()
}

fn beat(floor: &mut Floor) -> Vec<String> {
    floor.ts += MS;
    floor.venue.ms += 1;
    let frame = floor.venue.delta(0, true, 1_000, 100);
    floor.engine.ingest(0, frame.as_bytes(), floor.ts);
    drain(&mut floor.engine).1.iter().map(Signal::short).collect()
}

#[test]
fn a_quote_is_a_leg_as_long_as_it_holds() {
    let mut floor = box_on_a_quote(&[]);
    let dear = quote("mine", Some(("0.70", "10")), Some(("0.72", "10")), 20 * SECOND);
    assert_eq!(said(&mut floor, &dear), [""; 0]);
    let refused = floor.engine.refusals()[Refusal::Unconfirmed as usize];
    assert!(refused > 0, "the other book may have been behind");
    assert_eq!(beat(&mut floor), ["open"]);
    // It grows old without being too far from what is new, as any other leg would be.
    floor.ts += 19 * SECOND;
    floor.venue.ms += 19_000;
    assert_eq!(beat(&mut floor), [""; 0]);
    floor.ts += SECOND;
    floor.engine.advance(floor.ts);
    let (updates, signals) = drain(&mut floor.engine);
    assert_eq!(updates[0].short(), "state stale expired");
    assert_eq!(signals.iter().map(Signal::short).collect::<Vec<_>>(), ["close not_live"]);
    assert_eq!(beat(&mut floor), [""; 0]);
}

#[test]
fn its_age_is_that_of_the_quote() {
    let mut floor = box_on_a_quote(&[("max_age_ms", "5000")]);
    let dear = quote("mine", Some(("0.70", "10")), Some(("0.72", "10")), 3_600 * SECOND);
    said(&mut floor, &dear);
    assert_eq!(beat(&mut floor), ["open"]);
    floor.ts += 5 * SECOND;
    assert_eq!(beat(&mut floor), ["close age"]);
    said(&mut floor, &dear);
    assert_eq!(beat(&mut floor), ["open"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is pushed and whenever somebody looks: live if and only if the newest quote was a
    /// good one whose time is not over.
    #[test]
    fn live_is_what_a_plain_reading_says(
        steps in prop::collection::vec((0u8..8, 1i64..40, 1i64..60, 1i64..60, 1i64..50), 1..40)
    ) {
        let mut engine = engine();
        let (mut ts, mut good_until, mut held) = (T0, None, [None, None]);
        for (kind, bid, ask, age, passed) in steps {
            ts += passed;
            let (bid, ask) = (format!("0.{bid:02}"), format!("0.{ask:02}"));
            let [b, a] = [Some((bid.as_str(), "3")), Some((ask.as_str(), "4"))];
            let mut frame = match kind {
                0 => quote("mine", b, None, age),
                1 => quote("mine", None, a, age),
                2 => quote("mine", None, None, age),
                _ => quote("mine", b, a, age),
            };
            if kind == 6 {
                frame = frame.replacen(":[", ":[1,", 1);
            }
            if kind == 7 {
                engine.advance(ts);
            } else {
                engine.ingest(3, frame.as_bytes(), ts);
                let (_, bid, ask, age) = plain(&serde_json::from_str(&frame).unwrap())
                    .map_or((String::new(), None, None, 0), |quote| quote);
                let crossed = bid.zip(ask).is_some_and(|(b, a)| b.0 >= a.0);
                good_until = (age > 0 && !crossed).then_some(ts + age);
                if age > 0 {
                    held = [bid, ask];
                }
            }
            let live = good_until.is_some_and(|until| ts < until);
            prop_assert_eq!(shown(&engine, 0).0 == State::Live, live, "{}", frame);
            let [bids, asks] = levels(&engine, 0);
            prop_assert_eq!([bids.first().copied(), asks.first().copied()], held);
            prop_assert!(bids.len() < 2 && asks.len() < 2);
        }
    }
}
