//! What was not heard of markets, and what the venue says when it is asked.

use crate::support::kalshi::{BOOKS, Floor, Kalshi, NEWS, listing};
use crate::support::venue::T0;
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::{Config, Engine, Listing, Question};
use bookfeed_core::fees::{Fees, Rounding};
use bookfeed_core::instrument::{Hours, MarketStatus, UNKNOWN, Venue};

const SECOND: i64 = 1_000_000_000;
const EVENT: &str = "KXTEST-26OCT0117";
const SUBSCRIBED: &str =
    r#"{"id":3,"type":"subscribed","msg":{"channel":"market_lifecycle_v2","sid":5}}"#;

fn status(floor: &Floor, market: usize) -> MarketStatus {
    floor.engine.instruments().at(floor.ids[market]).unwrap().status(floor.ts)
}

fn fees(floor: &Floor) -> Option<Fees> {
    floor.engine.instruments().at(floor.ids[0]).unwrap().fees
}

fn answer(floor: &mut Floor, body: &str) {
    floor.ts += 1_000_000;
    floor.engine.ingest_rest(0, body.as_bytes(), UNKNOWN, None, floor.ts);
}

fn listed(floor: &Floor, status: &str, more: &str) -> String {
    let ticker = &floor.venue.markets[0].ticker;
    format!(
        r#"{{"markets":[{{"ticker":"{ticker}","event_ticker":"{EVENT}","status":"{status}","open_time":"2026-01-01T00:00:00Z","close_time":"2030-01-01T00:00:00Z","price_ranges":[{{"start":"0"}}],"exchange_index":2{more}}}],"cursor":""}}"#
    )
}

/// One market whose news come, and have been heard of.
fn floor() -> Floor {
    let mut floor = Floor::live(1);
    floor.say(SUBSCRIBED);
    let frame = floor.venue.lifecycle(0, "activated", r#","is_deactivated":false"#);
    floor.say(&frame);
    floor
}

fn lose(floor: &mut Floor) {
    floor.venue.seq(NEWS);
    let frame = floor.venue.lifecycle(0, "metadata_updated", "");
    floor.say(&frame);
    assert_eq!(status(floor, 0), MarketStatus::Unknown);
}

#[test]
fn an_answer_that_is_newer_than_the_doubt_ends_it() {
    for (said, after) in [
        ("active", MarketStatus::Open),
        ("initialized", MarketStatus::Open),
        ("inactive", MarketStatus::Paused),
        ("closed", MarketStatus::Closed),
        ("disputed", MarketStatus::Closed),
    ] {
        let mut floor = floor();
        lose(&mut floor);
        let body = listed(&floor, said, "");
        answer(&mut floor, &body);
        assert_eq!(status(&floor, 0), MarketStatus::Unknown, "a cache may be older than the loss");
        floor.ts += 20 * SECOND;
        answer(&mut floor, &body);
        assert_eq!(status(&floor, 0), after, "{said}");
        let kinds: Vec<_> = floor.engine.questions(0);
        assert_eq!(kinds, [Question::Event(EVENT)], "fees are another question");
    }
}

#[test]
fn what_was_said_before_the_first_news_is_missed_with_a_connection_that_was_lost() {
    for lost in [false, true] {
        let mut floor = Floor::live(1);
        if lost {
            floor.engine.disconnected(0, floor.ts);
            floor.engine.connected(0, Venue::KALSHI, "use_yes_price", floor.ts).unwrap();
            let books = Kalshi::subscribed("orderbook_delta", BOOKS);
            floor.say(&books);
        }
        assert_eq!(status(&floor, 0), MarketStatus::Open, "no news may come at all");
        floor.say(SUBSCRIBED);
        let then = if lost { MarketStatus::Unknown } else { MarketStatus::Open };
        assert_eq!((status(&floor, 0), fees(&floor).is_none()), (then, lost));
        floor.say(SUBSCRIBED);
        floor.ts += 20 * SECOND;
        let body = listed(&floor, "inactive", "");
        answer(&mut floor, &body);
        assert_eq!(status(&floor, 0), MarketStatus::Paused);
    }
}

#[test]
fn a_market_that_is_over_is_over_whenever_that_is_said() {
    for (more, pays) in [
        (r#","result":"yes","settlement_value_dollars":"1.0000""#, 1_000_000_000),
        (r#","result":"no","settlement_value_dollars":null"#, 0),
        (r#","result":"scalar","settlement_value_dollars":"0.4200""#, 420_000_000),
        (r#","result":"void""#, i64::MIN),
    ] {
        let mut floor = floor();
        lose(&mut floor);
        let body = listed(&floor, "finalized", more);
        answer(&mut floor, &body);
        assert_eq!(floor.standing(0), (State::Stale, Cause::Resolved));
        assert_eq!(floor.engine.instruments().at(0).unwrap().result, Some(pays), "{more}");
        assert_eq!(floor.engine.questions(0), []);
    }
}

#[test]
fn what_cannot_be_read_says_nothing() {
    let mut floor = floor();
    lose(&mut floor);
    floor.ts += 30 * SECOND;
    let good = listed(&floor, "active", "");
    for bad in [
        good.replace("active", "sleeping"),
        good.replace("2030-01-01T00:00:00Z", "soon"),
        good.replace(r#""ticker""#, r#""ticket""#),
        "{}".into(),
        r#"{"markets":[7]}"#.into(),
        r#"{"trading_active":"yes"}"#.into(),
    ] {
        answer(&mut floor, &bad);
        assert_eq!(status(&floor, 0), MarketStatus::Unknown, "{bad}");
        assert_eq!(floor.states(), [State::Live], "{bad}");
    }
    answer(&mut floor, &good);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
}

#[test]
fn a_stale_answer_does_not_undo_what_the_stream_said() {
    let mut floor = floor();
    floor.ts += 60 * SECOND;
    let frame = floor.venue.lifecycle(0, "deactivated", r#","is_deactivated":true"#);
    floor.say(&frame);
    let body = listed(&floor, "active", "");
    answer(&mut floor, &body);
    assert_eq!(status(&floor, 0), MarketStatus::Paused);
    floor.ts += 20 * SECOND;
    answer(&mut floor, &body);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
}

#[test]
fn how_a_market_stands_when_its_news_begin_is_asked_and_worse_is_believed_at_once() {
    let mut floor = Floor::live(1);
    assert_eq!(floor.engine.questions(0), [], "without news an answer holds for no time");
    floor.say(SUBSCRIBED);
    let ticker = floor.venue.markets[0].ticker.clone();
    assert_eq!(floor.engine.questions(0), [Question::Market(&ticker)]);
    let body = listed(&floor, "inactive", "");
    answer(&mut floor, &body);
    assert_eq!(status(&floor, 0), MarketStatus::Paused);
    assert_eq!(floor.engine.questions(0), [Question::Market(&ticker)], "it may be old");
    floor.ts += 20 * SECOND;
    let body = listed(&floor, "active", "");
    answer(&mut floor, &body);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
    assert_eq!(floor.engine.questions(0), []);
}

#[test]
fn a_connection_that_is_lost_takes_the_news_with_it() {
    let mut floor = floor();
    floor.engine.disconnected(0, floor.ts);
    assert_eq!((status(&floor, 0), fees(&floor)), (MarketStatus::Unknown, None));
    floor.ts += 400 * SECOND;
    floor.engine.advance(floor.ts);
    assert_eq!(status(&floor, 0), MarketStatus::Unknown, "nothing is heard yet");
    floor.engine.connected(0, Venue::KALSHI, "", floor.ts).unwrap();
    assert_eq!(floor.engine.questions(0), []);
    floor.say(SUBSCRIBED);
    let ticker = floor.venue.markets[0].ticker.clone();
    assert_eq!(floor.engine.questions(0), [Question::Market(&ticker), Question::Event(EVENT)]);
    floor.ts += 20 * SECOND;
    let body = listed(&floor, "active", "");
    answer(&mut floor, &body);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
}

#[test]
fn the_first_news_of_a_subscription_may_be_lost_as_well() {
    let mut floor = Floor::live(1);
    floor.say(SUBSCRIBED);
    lose(&mut floor);
    let mut floor = Floor::live(1);
    floor.venue.seq(NEWS);
    let frame = floor.venue.lifecycle(0, "metadata_updated", "");
    floor.say(&frame);
    assert_eq!(status(&floor, 0), MarketStatus::Open, "it may have been subscribed long before");
}

#[test]
fn a_connection_without_news_loses_none() {
    let mut floor = Floor::live(1);
    floor.engine.disconnected(0, floor.ts);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
    assert!(fees(&floor).is_some());
}

#[test]
fn where_nobody_can_say_it_counts_as_unchanged_after_a_stated_time() {
    let mut floor = floor();
    let before = fees(&floor);
    lose(&mut floor);
    let lost = floor.ts;
    for (after, open) in [(299, false), (301, true)] {
        floor.ts = lost + after * SECOND;
        floor.engine.advance(floor.ts);
        assert_eq!(status(&floor, 0) == MarketStatus::Open, open, "{after} s");
        assert_eq!(fees(&floor) == before, open, "{after} s");
    }
    floor.engine.disconnected(0, floor.ts);
    floor.engine.connected(0, Venue::KALSHI, "", floor.ts).unwrap();
    floor.ts += 500 * SECOND;
    floor.engine.advance(floor.ts);
    assert_eq!(status(&floor, 0), MarketStatus::Unknown);
    floor.say(SUBSCRIBED);
    floor.ts += 301 * SECOND;
    floor.engine.advance(floor.ts);
    assert_eq!(status(&floor, 0), MarketStatus::Open, "counted from where news come again");
}

#[test]
fn a_refusal_concerns_the_markets_whose_channel_is_not_alive() {
    use MarketStatus::{Open, Unknown};
    let after = |code: u32| {
        let mut engine = Engine::new(Config { silence: 0, ..Config::default() });
        let listed = Listing { market: None, ..listing("E") };
        for symbol in ["KXA-1", "KXMVE-2"] {
            engine.subscribe(Venue::KALSHI, symbol, 0, &listed, T0).unwrap();
        }
        engine.ingest(0, SUBSCRIBED.as_bytes(), T0 + 1);
        let refusal = format!(r#"{{"id":4,"type":"error","msg":{{"code":{code},"msg":"no"}}}}"#);
        engine.ingest(0, refusal.as_bytes(), T0 + 2);
        [0, 1].map(|id| engine.instruments().at(id).unwrap().status(T0 + 3))
    };
    for code in [8, 9, 18, 27, 99] {
        assert_eq!(after(code), [Open, Unknown], "{code}");
    }
    for code in [14, 26] {
        assert_eq!(after(code), [Open, Open], "{code} is about markets, which news do not name");
    }
}

#[test]
fn what_news_said_of_a_market_outlives_its_move_to_another_connection() {
    let listed = Listing {
        fee: Some("kalshi:quadratic;1;non_direct|;"),
        hours: Hours { open: None, close: Some(T0 + 3_600 * SECOND) },
        ..listing(EVENT)
    };
    let mut floor = floor();
    let ticker = floor.venue.markets[0].ticker.clone();
    let subscribe = |floor: &mut Floor, conn: u32, listed: &Listing| {
        floor.engine.subscribe(Venue::KALSHI, &ticker, conn, listed, floor.ts).unwrap()
    };
    let stands = |floor: &Floor| {
        let about = floor.engine.instruments().at(0).unwrap();
        (about.status(floor.ts), about.fees, about.hours.close.map(|close| (close - T0) / SECOND))
    };
    let fees = |multiplier: &str| Fees::kalshi("quadratic", multiplier, Rounding::NonDirect);
    subscribe(&mut floor, 0, &listed);
    let said = [
        format!(r#"{{"event_ticker":"{EVENT}","fee_type_override":null,"fee_multiplier_override":2}}"#),
        format!(
            r#"{{"market_ticker":"{ticker}","event_type":"close_date_updated","close_ts":{}}}"#,
            T0 / SECOND + 600
        ),
    ];
    for (kind, msg) in ["event_fee_update", "market_lifecycle_v2"].iter().zip(said) {
        let seq = floor.venue.seq(NEWS);
        floor.say(&format!(r#"{{"type":"{kind}","sid":{NEWS},"seq":{seq},"msg":{msg}}}"#));
    }
    let heard = (MarketStatus::Open, fees("2"), Some(600));
    assert_eq!(stands(&floor), heard);
    subscribe(&mut floor, 0, &listed);
    assert_eq!(stands(&floor), heard, "the same listing again is older");
    subscribe(&mut floor, 1, &listed);
    let missed = (MarketStatus::Unknown, None, Some(600));
    assert_eq!(stands(&floor), missed, "its news do not come there yet");
    subscribe(&mut floor, 1, &Listing { fee: Some("kalshi:quadratic;3;non_direct|;"), ..listed });
    assert_eq!(stands(&floor), (MarketStatus::Unknown, fees("3"), Some(600)), "another is newer");
    floor.engine.unsubscribe(0, floor.ts).unwrap();
    subscribe(&mut floor, 1, &listed);
    assert_eq!(stands(&floor).1, fees("1"), "nobody heard what was said meanwhile");
    assert_eq!(stands(&floor).2, Some(3_600));
}

#[test]
fn fees_are_had_from_the_event_and_where_need_be_from_its_series() {
    let kalshi = |multiplier| Fees::kalshi("quadratic", multiplier, Rounding::NonDirect);
    let event = |multiplier: &str| {
        format!(
            r#"{{"event":{{"event_ticker":"{EVENT}","series_ticker":"KXTEST","fee_type_override":null,"fee_multiplier_override":{multiplier}}},"markets":[]}}"#
        )
    };
    let series = r#"{"series":{"ticker":"KXTEST","fee_type":"quadratic","fee_multiplier":2}}"#;
    let mut floor = floor();
    lose(&mut floor);
    answer(&mut floor, &event("0.5"));
    assert_eq!(fees(&floor), None, "a cache may be older than the loss");
    floor.ts += 20 * SECOND;
    let body = listed(&floor, "active", "");
    answer(&mut floor, &body);
    answer(&mut floor, &event("null"));
    assert_eq!(fees(&floor), None, "what was listed may have been an override");
    let asked = [Question::Event(EVENT), Question::Series("KXTEST")];
    assert_eq!(floor.engine.questions(0), asked);
    floor.ts += Config::default().unheard;
    floor.engine.advance(floor.ts);
    assert_eq!((fees(&floor), floor.engine.questions(0)), (None, asked.into()), "however long ago");
    answer(&mut floor, series);
    answer(&mut floor, &event("null"));
    assert_eq!((fees(&floor), floor.engine.questions(0)), (kalshi("2"), vec![]));
    lose(&mut floor);
    floor.ts += 20 * SECOND;
    answer(&mut floor, &event("0.5"));
    assert_eq!(fees(&floor), kalshi("0.5"));
}

#[test]
fn the_exchange_may_pause_as_a_whole_or_in_part() {
    let said = |trading: bool, shard: bool| {
        format!(
            r#"{{"exchange_active":true,"trading_active":{trading},"exchange_index_statuses":[{{"exchange_index":0,"exchange_active":true,"trading_active":{trading}}},{{"exchange_index":2,"exchange_active":true,"trading_active":{shard}}}]}}"#
        )
    };
    let mut floor = floor();
    for (trading, shard, open) in [(true, true, true), (true, false, false), (false, true, false)] {
        answer(&mut floor, &said(trading, shard));
        assert_eq!(status(&floor, 0) == MarketStatus::Open, open, "{trading} {shard}: any part");
    }
    answer(&mut floor, &said(true, true));
    floor.ts += 30 * SECOND;
    let ours = listed(&floor, "active", "").replace(r#""exchange_index":2"#, r#""exchange_index":0"#);
    answer(&mut floor, &ours);
    answer(&mut floor, &said(true, false));
    assert_eq!(status(&floor, 0), MarketStatus::Open, "another part is paused");
}

#[test]
fn the_word_of_the_exchange_counts_more_than_its_calendar() {
    let mut floor = floor();
    // Thursday, 26 November 2026, 03:00 in New York.
    floor.ts = 1_795_680_000 * SECOND;
    assert_eq!(status(&floor, 0), MarketStatus::Paused);
    answer(&mut floor, r#"{"exchange_active":true,"trading_active":true}"#);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
    floor.ts += 61 * SECOND;
    assert_eq!(status(&floor, 0), MarketStatus::Paused, "its word is no longer new");
    let config = Config { calendar: false, ..Config::default() };
    let mut engine = Engine::new(config);
    engine.subscribe(Venue::KALSHI, "KXA-1", 0, &listing("E"), T0).unwrap();
    assert_eq!(engine.instruments().at(0).unwrap().status(floor.ts), MarketStatus::Open);
}

#[test]
fn maintenance_that_is_announced_is_a_pause() {
    let mut floor = floor();
    let body = r#"{"schedule":{"standard_hours":[{"monday":[]}],"maintenance_windows":[{"start_datetime":"2026-09-21T14:15:00Z","end_datetime":"2026-09-21T15:15:00.000Z"}]}}"#;
    answer(&mut floor, body);
    let at = |floor: &Floor, s: i64| floor.engine.instruments().at(0).unwrap().status(s * SECOND);
    // 21 September 2026, 14:15.
    let begins = 1_790_000_100;
    let seen = [begins - 1, begins, begins + 3_599, begins + 3_600].map(|s| at(&floor, s).name());
    assert_eq!(seen, ["open", "paused", "paused", "open"]);
    let nothing = r#"{"schedule":{"maintenance_windows":[]}}"#;
    answer(&mut floor, nothing);
    assert_eq!(at(&floor, begins), MarketStatus::Open);

    // Told where it holds already: an open signal must not outlive it.
    floor.ts = begins * SECOND;
    for (said, told) in [(body, 1), (body, 0), (nothing, 1), (nothing, 0)] {
        floor.wait(0);
        answer(&mut floor, said);
        let seen = floor.wait(0).iter().filter(|record| record.starts_with("0 trading")).count();
        assert_eq!(seen, told, "{said}");
    }
}
