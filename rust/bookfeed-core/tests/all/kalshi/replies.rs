//! Replies: which take numbers, what they tell of subscriptions, and how one ends.

use crate::support::kalshi::{BOOKS, Floor, Kalshi, TRADES};
use crate::support::records::drain;
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::event::ReplyKind;
use bookfeed_core::instrument::Venue;

#[test]
fn replies_on_a_subscription_take_its_numbers() {
    let mut floor = Floor::live(2);
    let error = r#","msg":{"code":26,"msg":"Subscription market limit exceeded"}"#;
    for (kind, msg) in [("ok", r#","msg":{"market_tickers":["A"]}"#), ("ok", ""), ("error", error)] {
        let frame = floor.venue.reply(BOOKS, kind, msg);
        assert_eq!(floor.say(&frame), [""; 0], "{frame}");
        assert_eq!(floor.delta(0, true, 4_400, 100), ["0 book live snapshot"]);
    }
    let counters = floor.engine.counters();
    assert_eq!((counters.gaps, counters.regressions, floor.is_true(0)), (0, 0, true));
    // One that is missing is a hole like any other.
    floor.venue.reply(BOOKS, "ok", "");
    assert_eq!(floor.delta(0, true, 4_400, 100).len(), 2);
    assert_eq!(floor.states(), [State::Stale; 2]);
}

#[test]
fn messages_without_numbers_take_none() {
    let mut floor = Floor::live(1);
    let list = format!(
        r#"{{"id":6,"type":"ok","msg":[{{"channel":"orderbook_delta","sid":{BOOKS}}},{{"channel":"ticker","sid":3}}]}}"#
    );
    let ticker = floor.venue.ticker(0);
    for frame in [Kalshi::subscribed("orderbook_delta", BOOKS), ticker, list] {
        assert_eq!(floor.say(&frame), [""; 0], "{frame}");
        assert_eq!(floor.delta(0, true, 4_400, 100), ["0 book live snapshot"]);
    }
    assert_eq!(floor.engine.counters().gaps, 0);
    assert_eq!(floor.engine.sid(0, "ticker"), Some(3), "a list tells of every subscription");
}

#[test]
fn notices_say_what_a_reply_said_and_are_taken_once() {
    let mut floor = Floor::live(1);
    let error = r#","msg":{"code":27,"msg":"Too many requests"}"#;
    let reply = floor.venue.reply(BOOKS, "error", error);
    floor.say(&Kalshi::subscribed("trade", TRADES));
    floor.say(&reply);
    assert_eq!(floor.engine.notices_pending(0), 2);
    let notices = floor.engine.take_notices(0);
    let said: Vec<_> = notices
        .iter()
        .map(|n| (n.kind, n.id, n.sid, n.code, n.channel.as_str(), n.text.as_str(), n.conn))
        .collect();
    assert_eq!(
        said,
        [
            (ReplyKind::Subscribed, 1, TRADES, 0, "trade", "", 0),
            (ReplyKind::Error, 3, BOOKS, 27, "", "Too many requests", 0),
        ]
    );
    assert_eq!(notices[1].ts, floor.ts);
    assert_eq!((floor.engine.notices_pending(0), floor.engine.take_notices(0)), (0, vec![]));
    assert_eq!(floor.states(), [State::Live], "an error that is not the end of it");
}

#[test]
fn notices_that_nobody_takes_are_dropped_and_counted() {
    let mut floor = Floor::live(1);
    for id in 0..1_100 {
        let frame =
            format!(r#"{{"id":{id},"type":"error","msg":{{"code":5,"msg":"Unknown command"}}}}"#);
        floor.say(&frame);
    }
    assert_eq!((floor.engine.notices_pending(0), floor.engine.counters().notices_dropped), (1_024, 76));
    let notices = floor.engine.take_notices(0);
    assert_eq!((notices[0].id, notices[1_023].id), (76, 1_099));
    assert_eq!(floor.states(), [State::Live]);
}

#[test]
fn a_subscription_that_ends_takes_its_books_along() {
    let ends: [(&str, &str); 6] = [
        ("error", r#","msg":{"code":29,"msg":"An end nobody has heard of"}"#),
        ("error", r#","msg":{"code":"soon","msg":"Channel error"}"#),
        ("error", ""),
        ("error", r#","msg":{"code":10,"msg":"Channel error"}"#),
        ("error", r#","msg":{"code":25,"msg":"Subscription buffer overflow"}"#),
        ("unsubscribed", ""),
    ];
    for (kind, msg) in ends {
        let mut floor = Floor::live(2);
        floor.say(&Kalshi::subscribed("trade", TRADES));
        assert_eq!(floor.engine.sid(0, "orderbook_delta"), Some(BOOKS));
        let frame = floor.venue.reply(BOOKS, kind, msg);
        assert_eq!(floor.say(&frame), ["0 state stale channel", "1 state stale channel"], "{frame}");
        assert_eq!(floor.engine.sid(0, "orderbook_delta"), None);
        assert_eq!(floor.engine.sid(0, "trade"), Some(TRADES), "the others go on");
        // Under a new number the venue begins to count anew.
        floor.say(&Kalshi::subscribed("orderbook_delta", 8));
        assert_eq!(floor.engine.sid(0, "orderbook_delta"), Some(8));
        let frame = floor.venue.snapshot_at(0, 1).replace(&format!(r#""sid":{BOOKS}"#), r#""sid":8"#);
        assert_eq!(floor.say(&frame), ["0 state live snapshot", "0 book live snapshot"]);
        assert_eq!(floor.engine.counters().gaps, 0);
    }
}

#[test]
fn what_is_still_on_its_way_after_the_end_revives_nothing() {
    let mut floor = Floor::live(1);
    let frame = floor.venue.reply(BOOKS, "unsubscribed", "");
    floor.say(&frame);
    assert_eq!(floor.snapshot(0), [""; 0], "a whole book of a dead subscription");
    assert_eq!(floor.delta(0, true, 4_400, 100), [""; 0]);
    assert_eq!(floor.standing(0), (State::Stale, Cause::Channel));
    // The same number may be given out again, and then its counter begins again.
    floor.say(&Kalshi::subscribed("orderbook_delta", BOOKS));
    assert_eq!(floor.engine.sid(0, "orderbook_delta"), Some(BOOKS));
    floor.venue.seqs.clear();
    assert_eq!(floor.snapshot(0), ["0 state live snapshot", "0 book live snapshot"]);
    floor.delta(0, true, 4_400, 100);
    let counters = floor.engine.counters();
    assert_eq!((counters.gaps, counters.regressions, floor.is_true(0)), (0, 0, true));
}

#[test]
fn the_end_of_another_subscription_concerns_no_book() {
    let mut floor = Floor::live(2);
    floor.say(&Kalshi::subscribed("trade", TRADES));
    let trade = floor.venue.trade(0, 4_500, 100);
    floor.say(&trade);
    let frame = floor.venue.reply(TRADES, "unsubscribed", "");
    assert_eq!(floor.say(&frame), [""; 0]);
    assert_eq!((floor.states(), floor.engine.sid(0, "trade")), (vec![State::Live; 2], None));
}

/// A terminal error that does not say which subscription it ends may end any.
#[test]
fn the_end_of_nobody_knows_which_subscription_is_that_of_all_books() {
    let mut floor = Floor::live(2);
    let frame = r#"{"type":"error","msg":{"code":25,"msg":"Subscription buffer overflow"}}"#;
    let told = floor.say(frame);
    assert_eq!(told[4..], ["0 state stale channel", "1 state stale channel"]);
    let news = |told: &String| told.contains("trading") || told.contains("fees");
    assert!(told[..4].iter().all(news), "it may have been that of news, too");
    let mut floor = Floor::live(2);
    let frame = r#"{"id":4,"type":"error","msg":{"code":8,"msg":"Unknown channel name"}}"#;
    let told = floor.say(frame);
    assert!(told.iter().all(news), "but a command may fail without harm to books: {told:?}");
    assert_eq!(floor.states(), [State::Live; 2]);
}

#[test]
fn subscriptions_are_learned_from_replies_and_forgotten_with_the_connection() {
    let mut floor = Floor::live(1);
    assert_eq!(floor.engine.sid(0, "orderbook_delta"), Some(BOOKS));
    assert_eq!((floor.engine.sid(0, "ticker"), floor.engine.sid(4, "ticker")), (None, None));
    // Subscribing to a channel again is answered by an `ok` of the same subscription.
    let reply = floor.venue.reply(BOOKS, "ok", "");
    floor.say(&reply);
    assert_eq!(floor.engine.sid(0, "orderbook_delta"), Some(BOOKS));
    floor.engine.connected(0, Venue::KALSHI, "use_yes_price", floor.ts).unwrap();
    drain(&mut floor.engine);
    assert_eq!(floor.engine.sid(0, "orderbook_delta"), None);
    assert_eq!(floor.standing(0), (State::Syncing, Cause::Subscribed));
}
