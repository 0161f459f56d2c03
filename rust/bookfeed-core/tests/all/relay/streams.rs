//! Many frames: numbers, backfills that overlap, connections that come and go.

use super::describe::{T_RECV, connected, take};
use super::oracle;
use crate::support::Rng;
use bookfeed_core::venue::relay::{Relay, Relays};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const T: i64 = 1_790_877_000_000;

fn update(second: i64, cents: i64) -> String {
    let exact = format!("{}0000000000000000", cents);
    let value = format!("{}.{:02}", cents / 100, cents % 100);
    format!(
        r#"{{"topic":"crypto_prices_chainlink","type":"update","timestamp":{},"payload":{{"symbol":"btc/usd","timestamp":{},"value":{value},"full_accuracy_value":"{exact}"}}}}"#,
        T + second * 1_000 + 300,
        T + second * 1_000
    )
}

fn backfill(seconds: impl Iterator<Item = i64>, mut price: impl FnMut(i64) -> i64) -> String {
    let points: Vec<_> = seconds
        .map(|s| {
            let cents = price(s);
            let value = format!("{}.{:02}", cents / 100, cents % 100);
            format!(r#"{{"timestamp":{},"value":{value}}}"#, T + s * 1_000)
        })
        .collect();
    format!(
        r#"{{"topic":"crypto_prices","type":"subscribe","timestamp":{T},"payload":{{"symbol":"btc/usd","data":[{}]}}}}"#,
        points.join(",")
    )
}

#[test]
fn two_values_of_one_time_are_each_told_once() {
    let mut next = 0..;
    let frame = backfill([5, 5, 6].into_iter(), |_| 7_000_000 + next.next().unwrap());
    oracle::check(Relay::Rtds, frame.as_bytes());
    let mut relays = connected(Relay::Rtds);
    relays.ingest(0, frame.as_bytes(), T_RECV);
    let flags = |point: &Value| point["flags"].to_string().contains("revised");
    let revised: Vec<bool> = take(&mut relays).0.iter().map(flags).collect();
    assert_eq!(revised, [false, true, false]);
    relays.ingest(0, frame.as_bytes(), T_RECV + 1);
    assert!(take(&mut relays).0.is_empty());
}

#[test]
fn lost_doubled_and_backfilled_points_are_each_told_once() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let price = |s: i64| 7_000_000 + s * 37 % 501;
        let mut relays = connected(Relay::Rtds);
        let mut told: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        let mut heard = std::collections::BTreeSet::new();
        for second in 0..300 {
            if rng.once_in(40) {
                // Another subscription, perhaps of another connection: the last minute again.
                if rng.once_in(2) {
                    relays.disconnected(0);
                    relays.connected(0, Relay::Rtds);
                }
                let past = (second - 59).max(0)..second;
                heard.extend(past.clone());
                relays.ingest(0, backfill(past, price).as_bytes(), T_RECV);
            }
            for _ in 0..rng.below(3) {
                heard.insert(second);
                relays.ingest(0, update(second, price(second)).as_bytes(), T_RECV);
            }
            for point in take(&mut relays).0 {
                let at = (point["ts_ms"].as_i64().unwrap() - T) / 1_000;
                let exact = format!("{}0000000000000000", price(at));
                assert_eq!(point["value"], exact, "seed {seed}");
                assert_eq!(point["topic"], "crypto_prices_chainlink");
                told.entry(at).or_default().push(point);
            }
        }
        assert!(told.keys().eq(heard.iter()), "seed {seed}");
        for (at, points) in told {
            // Once, or a double first and what it stands for later.
            let doubles: Vec<_> =
                points.iter().map(|p| p["flags"] == json!(["backfill", "double"])).collect();
            assert!(
                doubles == [true] || doubles == [false] || doubles == [true, false],
                "{at}: {points:?}"
            );
        }
    }
}

fn numbered(channel: &str, seq: u64, more: &str) -> String {
    format!(
        r#"{{"v":1,"channel":"{channel}","seq":{seq},"ts":{T}{more},"payload":{{"symbol":"btcusd","value":1,"timestamp":{},"source":"pyth","window_seconds":60}}}}"#,
        T + i64::try_from(seq).unwrap()
    )
}

fn losses(relays: &mut Relays) -> Vec<(String, String, Value)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let events = take(relays).1;
    events.iter().map(|e| (text(e, "topic"), text(e, "type"), e["fields"]["missing"].clone())).collect()
}

#[test]
fn a_number_that_is_missing_shows_on_its_topic_alone() {
    let mut relays = connected(Relay::Polybolt);
    for (channel, seq) in [("price.crypto", 1), ("price.crypto.twap", 1), ("price.crypto", 2)] {
        relays.ingest(0, numbered(channel, seq, "").as_bytes(), T_RECV);
    }
    assert_eq!(losses(&mut relays), []);
    relays.ingest(0, numbered("price.crypto", 5, "").as_bytes(), T_RECV);
    let loss = |how: &str, missing: u64| ("price.crypto".to_owned(), how.to_owned(), json!(missing));
    assert_eq!(losses(&mut relays), [loss("gap", 2)]);
    relays.ingest(0, numbered("price.crypto", 5, "").as_bytes(), T_RECV);
    assert_eq!(losses(&mut relays), [loss("regression", 0)]);
    relays.ingest(0, numbered("price.crypto", 6, r#","dropped":9"#).as_bytes(), T_RECV);
    assert_eq!(losses(&mut relays), [loss("dropped", 0)]);
    relays.ingest(0, numbered("price.crypto.twap", 2, "").as_bytes(), T_RECV);
    assert_eq!(losses(&mut relays), []);
    assert_eq!(relays.counters().lost, 2 + 9);
    // A number of a frame that is wrong otherwise is used up all the same.
    relays.ingest(0, br#"{"channel":"price.crypto","seq":7,"payload":{"symbol":""}}"#, T_RECV);
    assert_eq!(losses(&mut relays), [("price.crypto".into(), "unread".into(), Value::Null)]);
    relays.ingest(0, numbered("price.crypto", 8, "").as_bytes(), T_RECV);
    assert_eq!(losses(&mut relays), []);
    // On a new connection they begin anew.
    relays.disconnected(0);
    relays.ingest(0, numbered("price.crypto", 9, "").as_bytes(), T_RECV);
    relays.connected(0, Relay::Polybolt);
    relays.ingest(0, numbered("price.crypto", 1, "").as_bytes(), T_RECV);
    assert_eq!(losses(&mut relays), []);
    assert_eq!((relays.counters().late_frames, relays.counters().unannounced_frames), (1, 0));
    relays.ingest(7, b"{}", T_RECV);
    assert_eq!(relays.counters().unannounced_frames, 1);
}

#[test]
fn a_status_alone_is_told_though_the_price_is_that_of_before() {
    let mut relays = connected(Relay::Polybolt);
    let told = |relays: &mut Relays, seq: u64, more: &str| {
        let frame = format!(
            r#"{{"v":1,"channel":"price.equity","seq":{seq},"ts":{T},"payload":{{"symbol":"aapl","value":1.5,"full_accuracy_value":"1.5","timestamp":{T}{more}}}}}"#
        );
        relays.ingest(0, frame.as_bytes(), T_RECV);
        take(relays).0.len()
    };
    assert_eq!(told(&mut relays, 1, r#","market_status":"open""#), 1);
    assert_eq!(told(&mut relays, 2, r#","market_status":"open""#), 0);
    let closed = r#","market_status":"closed","is_carried_forward":true"#;
    assert_eq!(told(&mut relays, 3, closed), 1);
    assert_eq!(told(&mut relays, 4, closed), 0);
}

#[test]
fn what_was_told_already_shows_that_its_stream_lives() {
    let mut relays = connected(Relay::Rtds);
    relays.connected(1, Relay::Rtds);
    let heard = |relays: &mut Relays| std::mem::take(relays.output()).heard.into_iter().collect();
    relays.ingest(0, backfill(0..5, |s| s).as_bytes(), T_RECV);
    let none: Vec<(u32, u8, u32)> = heard(&mut relays);
    assert_eq!(none, []);
    for conn in [0, 1, 1] {
        relays.ingest(conn, update(5, 7_000_000).as_bytes(), T_RECV);
    }
    assert_eq!(relays.counters().duplicates, 2);
    let both: Vec<_> = heard(&mut relays);
    assert_eq!(both, [(0, 1, 0), (1, 1, 0)]);
}

#[test]
fn words_and_empty_frames_say_nothing() {
    for relay in [Relay::Rtds, Relay::Polybolt] {
        let mut relays = connected(relay);
        for text in ["", "PONG", "pong", "\"pong\"", " "] {
            assert_eq!(relays.ingest(0, text.as_bytes(), T_RECV), 0, "{text}");
        }
        assert_eq!(relays.counters().decode_errors, 0);
    }
}
