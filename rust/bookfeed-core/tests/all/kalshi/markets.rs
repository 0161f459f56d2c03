//! News of markets: pauses, closing times, results, fees; trades; indices.

use crate::support::kalshi::{Floor, NEWS, listing};
use crate::support::records::drain;
use crate::support::venue::T0;
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::Listing;
use bookfeed_core::fees::{Fees, Rounding};
use bookfeed_core::instrument::Venue;
use bookfeed_core::instrument::{Hours, MarketStatus};

const SECOND: i64 = 1_000_000_000;

fn status(floor: &Floor, market: usize) -> MarketStatus {
    floor.engine.instruments().at(floor.ids[market]).unwrap().status(floor.ts)
}

#[test]
fn a_pause_leaves_the_book_and_stops_the_trading() {
    let mut floor = Floor::live(2);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
    let frame = floor.venue.lifecycle(0, "deactivated", r#","is_deactivated":true"#);
    assert_eq!(floor.say(&frame), ["0 trading live snapshot"]);
    assert_eq!((status(&floor, 0), status(&floor, 1)), (MarketStatus::Paused, MarketStatus::Open));
    assert_eq!(floor.states(), [State::Live; 2]);
    floor.delta(0, true, 4_400, 100);
    assert!(floor.is_true(0));
    let frame = floor.venue.lifecycle(0, "activated", r#","is_deactivated":false"#);
    assert_eq!(floor.say(&frame), ["0 trading live snapshot"]);
    assert_eq!(status(&floor, 0), MarketStatus::Open);
}

#[test]
fn hours_are_those_of_the_listing_until_news_moves_them() {
    let mut floor = Floor::live(1);
    let hours = Hours { open: Some(T0 + 10 * SECOND), close: Some(T0 + 20 * SECOND) };
    let ticker = floor.venue.markets[0].ticker.clone();
    let listed = Listing { hours, ..listing("E") };
    floor.engine.subscribe(Venue::KALSHI, &ticker, 0, &listed, floor.ts).unwrap();
    let at = |floor: &Floor, s: i64| floor.engine.instruments().at(0).unwrap().status(T0 + s * SECOND);
    let seen: Vec<_> = [9, 10, 19, 20].map(|s| at(&floor, s).name()).to_vec();
    assert_eq!(seen, ["before_open", "open", "open", "closed"]);
    let close = T0 / SECOND + 15;
    let frame = floor.venue.lifecycle(0, "close_date_updated", &format!(r#","close_ts":{close}"#));
    drain(&mut floor.engine);
    assert_eq!(floor.say(&frame), ["0 trading syncing subscribed"]);
    assert_eq!((at(&floor, 14), at(&floor, 15)), (MarketStatus::Open, MarketStatus::Closed));
}

#[test]
fn a_market_that_is_decided_is_over() {
    let results = [
        (r#","result":"yes""#, 1_000_000_000),
        (r#","result":"no""#, 0),
        (r#","result":"scalar","settlement_value":"0.4200""#, 420_000_000),
    ];
    for (members, pays) in results {
        let mut floor = Floor::live(2);
        let frame = floor.venue.lifecycle(0, "determined", members);
        let updates = floor.updates(&frame);
        let written: Vec<_> = updates.iter().map(|u| (u.instrument, u.short(), u.price)).collect();
        let absent = i64::MIN;
        assert_eq!(
            written,
            [(0, "resolved live snapshot".into(), pays), (0, "state stale resolved".into(), absent)]
        );
        assert_eq!(floor.standing(1).0, State::Live);
        floor.snapshot(0);
        assert_eq!(floor.standing(0), (State::Stale, Cause::Resolved), "for good");
        assert_eq!(floor.delta(1, true, 4_400, 100), ["1 book live snapshot"]);
    }
}

#[test]
fn fees_of_an_event_are_overridden_and_restored() {
    let mut floor = Floor::live(2);
    for (market, event) in [(0, EVENT), (1, "OTHER")] {
        let ticker = floor.venue.markets[market].ticker.clone();
        let listed = Listing { fee: Some("kalshi:quadratic;1;non_direct|;"), ..listing(event) };
        floor.engine.subscribe(Venue::KALSHI, &ticker, 0, &listed, floor.ts).unwrap();
        floor.snapshot(market);
    }
    let update = |floor: &mut Floor, fee_type: &str, multiplier: &str| {
        let seq = floor.venue.seq(NEWS);
        let frame = format!(
            r#"{{"type":"event_fee_update","sid":{NEWS},"seq":{seq},"msg":{{"event_ticker":"KXTEST-26OCT0117","fee_type_override":{fee_type},"fee_multiplier_override":{multiplier}}}}}"#
        );
        floor.say(&frame)
    };
    let fees = |floor: &Floor, id| floor.engine.instruments().at(id).unwrap().fees;
    let kalshi = |fee_type, multiplier| Fees::kalshi(fee_type, multiplier, Rounding::NonDirect);
    assert_eq!(fees(&floor, 0), kalshi("quadratic", "1"));
    assert_eq!(update(&mut floor, "null", "0.5"), ["0 fees live snapshot"]);
    assert_eq!(fees(&floor, 0), kalshi("quadratic", "0.5"));
    update(&mut floor, r#""quadratic_with_maker_fees""#, "null");
    assert_eq!(fees(&floor, 0), kalshi("quadratic_with_maker_fees", "1"));
    update(&mut floor, r#""flat""#, "1");
    assert_eq!(fees(&floor, 0), Some(Fees::Unsupported), "never free");
    update(&mut floor, "null", "null");
    assert_eq!(fees(&floor, 0), kalshi("quadratic", "1"));
    assert_eq!(fees(&floor, 1), kalshi("quadratic", "1"), "another event's are its own");
    assert_eq!(floor.states()[0], State::Live);
}

const EVENT: &str = "KXTEST-26OCT0117";

fn fees(floor: &Floor, market: usize) -> Option<Fees> {
    floor.engine.instruments().at(floor.ids[market]).unwrap().fees
}

fn statuses(floor: &Floor) -> [MarketStatus; 2] {
    [status(floor, 0), status(floor, 1)]
}

#[test]
fn what_unclear_news_may_be_about_is_unknown_until_the_venue_says_it_again() {
    use MarketStatus::{Open, Unknown};
    let one = [Unknown, Open];
    let unclear = [
        (Some(0), "deactivated", r#","is_deactivated":"true""#, one),
        (Some(0), "activated", r#","is_deactivated":7"#, one),
        (Some(0), "close_date_updated", r#","close_ts":"soon""#, one),
        (Some(0), "close_date_updated", r#","close_ts":1790658674035"#, one),
        (Some(0), "close_date_updated", "", one),
        (Some(0), "halted", r#","is_deactivated":[]"#, one),
        (None, "deactivated", "", [Unknown; 2]),
        (None, "determined", r#","result":"yes""#, [Unknown; 2]),
        (None, "metadata_updated", "", [Open; 2]),
    ];
    for (market, event, members, after) in unclear {
        let mut floor = Floor::live(2);
        let mut frame = floor.venue.lifecycle(0, event, members);
        if market.is_none() {
            let ticker = format!(r#""market_ticker":"{}""#, floor.venue.markets[0].ticker);
            frame = frame.replace(&ticker, r#""market_ticker":null"#);
        }
        floor.say(&frame);
        assert_eq!(statuses(&floor), after, "{event} {members}");
        assert_eq!(floor.states(), [State::Live; 2], "the books are what they were");
        assert_eq!(fees(&floor, 1).is_none(), after[1] == Unknown, "{event}");
        // Said again, in halves: each ends its own doubt.
        let again = floor.venue.lifecycle(0, "activated", r#","is_deactivated":false"#);
        floor.say(&again);
        let close = T0 / SECOND + 3_600;
        let members = format!(r#","close_ts":{close}"#);
        let again = floor.venue.lifecycle(0, "close_date_updated", &members);
        floor.say(&again);
        assert_eq!(status(&floor, 0), Open, "{event} {members}");
    }
}

#[test]
fn a_flag_that_says_paused_counts_whatever_the_news_is_called() {
    for (event, said) in [("deactivated", "false"), ("activated", "true"), ("halted", "true")] {
        let mut floor = Floor::live(1);
        let frame = floor.venue.lifecycle(0, event, &format!(r#","is_deactivated":{said}"#));
        floor.say(&frame);
        assert_eq!(status(&floor, 0), MarketStatus::Paused, "{event} {said}");
    }
}

#[test]
fn unclear_fees_are_unknown_until_they_are_stated_again() {
    let unclear = [
        (EVENT, r#""fee_type_override":"quadratic","fee_multiplier_override":"many""#, [true, false]),
        (EVENT, r#""fee_type_override":"quadratic","fee_multiplier_override":-1"#, [true, false]),
        (EVENT, r#""fee_type_override":7,"fee_multiplier_override":1"#, [true, false]),
        (EVENT, r#""note":1"#, [true, false]),
        ("", r#""fee_type_override":null,"fee_multiplier_override":0.5"#, [true, true]),
        ("FOREIGN", r#""fee_type_override":7"#, [false, false]),
    ];
    for (event, members, lost) in unclear {
        let mut floor = Floor::live(2);
        let ticker = floor.venue.markets[1].ticker.clone();
        floor.engine.subscribe(Venue::KALSHI, &ticker, 0, &listing("OTHER"), floor.ts).unwrap();
        let update = |floor: &mut Floor, event: &str, members: &str| {
            let seq = floor.venue.seq(NEWS);
            floor.say(&format!(
                r#"{{"type":"event_fee_update","sid":{NEWS},"seq":{seq},"msg":{{"event_ticker":"{event}",{members}}}}}"#
            ));
        };
        update(&mut floor, event, members);
        assert_eq!([fees(&floor, 0).is_none(), fees(&floor, 1).is_none()], lost, "{event} {members}");
        update(&mut floor, EVENT, r#""fee_type_override":"quadratic","fee_multiplier_override":0.5"#);
        assert_eq!(fees(&floor, 0), Fees::kalshi("quadratic", "0.5", Rounding::NonDirect));
    }
}

#[test]
fn news_that_were_lost_leave_nothing_known() {
    type Lose = fn(&mut Floor) -> String;
    let lost: [(&str, Lose); 6] = [
        ("a hole", |floor| {
            floor.venue.seq(NEWS);
            floor.venue.lifecycle(0, "metadata_updated", "")
        }),
        ("a number that came before", |floor| {
            let frame = floor.venue.lifecycle(0, "metadata_updated", "");
            floor.say(&frame);
            frame
        }),
        ("error 10 on its number", |floor| {
            let seq = floor.venue.seq(NEWS);
            format!(
                r#"{{"type":"error","sid":{NEWS},"seq":{seq},"msg":{{"code":10,"msg":"Channel error"}}}}"#
            )
        }),
        ("given up", |floor| {
            let seq = floor.venue.seq(NEWS);
            format!(r#"{{"type":"unsubscribed","sid":{NEWS},"seq":{seq}}}"#)
        }),
        ("error 25 without a number", |_| r#"{"type":"error","msg":{"code":25}}"#.to_owned()),
        ("a hole behind a message that is not read", |floor| {
            floor.venue.seq(NEWS);
            let seq = floor.venue.seq(NEWS);
            format!(r#"{{"type":"event_lifecycle","sid":{NEWS},"seq":{seq},"msg":{{}}}}"#)
        }),
    ];
    for (name, lose) in lost {
        let mut floor = Floor::live(2);
        let frame = floor.venue.lifecycle(1, "metadata_updated", "");
        floor.say(&frame);
        assert_eq!(statuses(&floor), [MarketStatus::Open; 2]);
        let frame = lose(&mut floor);
        floor.say(&frame);
        assert_eq!(statuses(&floor), [MarketStatus::Unknown; 2], "{name}");
        assert_eq!([fees(&floor, 0), fees(&floor, 1)], [None; 2], "{name}");
    }
}

#[test]
fn a_refused_subscription_may_be_that_of_news() {
    for code in [8, 9] {
        let refusal =
            format!(r#"{{"id":3,"type":"error","msg":{{"code":{code},"msg":"Unknown channel"}}}}"#);
        let mut floor = Floor::live(1);
        floor.say(&refusal);
        assert_eq!(status(&floor, 0), MarketStatus::Unknown);
        let mut floor = Floor::live(1);
        floor.say(&format!(
            r#"{{"id":3,"type":"subscribed","msg":{{"channel":"market_lifecycle_v2","sid":{NEWS}}}}}"#
        ));
        floor.say(&refusal);
        assert_eq!(status(&floor, 0), MarketStatus::Open, "the news come, so it was another");
    }
}

#[test]
fn a_hole_among_books_or_trades_says_nothing_of_trading() {
    let mut floor = Floor::live(2);
    floor.venue.seq(crate::support::kalshi::TRADES);
    let trade = floor.venue.trade(0, 4_500, 894);
    floor.say(&trade);
    floor.venue.seq(crate::support::kalshi::TRADES);
    let trade = floor.venue.trade(0, 4_600, 894);
    floor.say(&trade);
    assert_eq!(floor.engine.counters().gaps, 1);
    assert_eq!(statuses(&floor), [MarketStatus::Open; 2]);
}

#[test]
fn a_market_that_is_settled_or_decided_in_any_way_is_over() {
    let over = [
        ("settled", r#","settled_ts":1790888600"#),
        ("determined", r#","result":"void""#),
        ("determined", r#","result":"scalar""#),
        ("determined", r#","result":"yes","settlement_value":"x""#),
        ("determined", ""),
    ];
    for (event, members) in over {
        let mut floor = Floor::live(2);
        let frame = floor.venue.lifecycle(0, event, members);
        let paid: Vec<_> = floor.updates(&frame).iter().map(|u| u.price).collect();
        assert_eq!(paid[0], i64::MIN, "{event} {members}: what it pays is not known");
        assert_eq!(floor.standing(0), (State::Stale, Cause::Resolved), "{event} {members}");
        assert_eq!(statuses(&floor), [MarketStatus::Closed, MarketStatus::Open], "{event} {members}");
        let frame = floor.venue.lifecycle(0, "settled", "");
        assert_eq!(floor.say(&frame), [""; 0], "no news");
        assert_eq!(floor.standing(1).0, State::Live);
    }
}

#[test]
fn nothing_trades_in_the_weekly_pause() {
    let floor = Floor::live(1);
    let at = |ts: i64| floor.engine.instruments().at(0).unwrap().status(ts * SECOND).name();
    // Thursday, 26 November 2026, 03:00 to 05:00 in New York.
    let begins = 1_795_680_000;
    let seen = [begins - 1, begins, begins + 7_199, begins + 7_200].map(at);
    assert_eq!(seen, ["open", "paused", "paused", "open"]);
}

#[test]
fn the_base_fee_is_back_when_an_override_of_the_listing_ends() {
    let kalshi = |fee_type, multiplier| Fees::kalshi(fee_type, multiplier, Rounding::Direct);
    let listed = [
        ("quadratic;1;direct|;0.5", kalshi("quadratic", "0.5"), kalshi("quadratic", "1")),
        ("quadratic;2;direct|flat;", Some(Fees::Unsupported), kalshi("quadratic", "2")),
        ("quadratic;1;direct|;", kalshi("quadratic", "1"), kalshi("quadratic", "1")),
        // What was listed may have been the override itself: what it was in place of is not known.
        ("quadratic;0.5;direct", kalshi("quadratic", "0.5"), None),
    ];
    for (terms, before, after) in listed {
        let mut floor = Floor::live(1);
        let (ticker, fee) = (floor.venue.markets[0].ticker.clone(), format!("kalshi:{terms}"));
        let listed = Listing { fee: Some(&fee), ..listing("E") };
        floor.engine.subscribe(Venue::KALSHI, &ticker, 0, &listed, floor.ts).unwrap();
        let fees = |floor: &Floor| floor.engine.instruments().at(0).unwrap().fees;
        let update = |floor: &mut Floor, kind: &str, multiplier: &str| {
            let seq = floor.venue.seq(NEWS);
            floor.say(&format!(
                r#"{{"type":"event_fee_update","sid":{NEWS},"seq":{seq},"msg":{{"event_ticker":"E","fee_type_override":{kind},"fee_multiplier_override":{multiplier}}}}}"#
            ));
            fees(floor)
        };
        assert_eq!(fees(&floor), before, "{terms}");
        for again in ["", ": told again, by another connection"] {
            assert_eq!(update(&mut floor, "null", "null"), after, "{terms}{again}");
        }
        let whole = update(&mut floor, r#""quadratic""#, "0.25");
        assert_eq!(whole, kalshi("quadratic", "0.25"), "known whatever it is in place of");
        assert_eq!(update(&mut floor, "null", "null"), after, "{terms}: it says nothing of the base");
        let part = update(&mut floor, "null", "0.25");
        assert_eq!(part.is_some(), after.is_some(), "{terms}: the rest is the base's");
    }
    for wrong in ["quadratic;1;direct|;x", "quadratic;x;direct|;1", "quadratic|;1"] {
        let fee = format!("kalshi:{wrong}");
        let listed = Listing { fee: Some(&fee), ..listing("E") };
        let mut floor = Floor::live(1);
        assert!(
            floor.engine.subscribe(Venue::KALSHI, "OTHER", 0, &listed, floor.ts).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_market_subscribed_anew_is_of_the_event_it_is_then_said_to_be_of() {
    let mut floor = Floor::live(1);
    let ticker = floor.venue.markets[0].ticker.clone();
    floor.engine.subscribe(Venue::KALSHI, &ticker, 0, &listing("OTHER"), floor.ts).unwrap();
    let event = |floor: &Floor| floor.engine.instruments().at(0).unwrap().event.clone();
    assert_eq!(event(&floor).as_deref(), Some("OTHER"));
    floor.engine.subscribe(Venue::KALSHI, &ticker, 0, &Listing::default(), floor.ts).unwrap();
    assert_eq!(event(&floor).as_deref(), Some("OTHER"), "what is left out stays");
}

#[test]
fn trades_are_told_once_and_off_book_ones_leave_the_tape_alone() {
    let mut floor = Floor::live(1);
    let trade = floor.venue.trade(0, 4_500, 894);
    let updates = floor.updates(&trade);
    assert_eq!((updates[0].price, updates[0].qty), (450_000_000, 894_000_000));
    assert_eq!(floor.say(&trade), [""; 0]);
    assert_eq!((floor.engine.counters().regressions, floor.states()), (1, vec![State::Live]));
    let block =
        floor.venue.trade(0, 4_500, 100).replace(r#"block_trade":false"#, r#"block_trade":true"#);
    let updates = floor.updates(&block);
    assert_eq!(updates[0].flags & 16, 16);
    assert_eq!(
        (floor.engine.counters().trades, floor.engine.trades(0).unwrap().window(floor.ts, SECOND).count),
        (2, 1)
    );
}

#[test]
fn trades_that_differ_in_one_digit_of_their_id_or_in_their_side_are_two() {
    let mut floor = Floor::live(1);
    let of = |floor: &mut Floor, id: &str, side: &str| {
        let trade = floor.venue.trade(0, 4_500, 100);
        let begin = trade.find("d91bc706-").unwrap();
        let end = begin + trade[begin..].find('"').unwrap();
        let trade = trade.replace(&trade[begin..end], id);
        trade.replace(r#"taker_side":"yes","taker_outcome_side":"yes","taker_book_side":"bid""#, side)
    };
    let (buy, sell) = (r#"taker_book_side":"bid""#, r#"taker_book_side":"ask""#);
    let ids = (0..300).map(|n| format!("d91bc706-ee49-470d-82d8-11418bda{n:04x}"));
    for id in ids.chain((0..9).map(|n| format!("{n}91bc706-ee49-470d-82d8-11418bda6fed"))) {
        let frame = of(&mut floor, &id, buy);
        assert_eq!(floor.updates(&frame).len(), 1, "{id}");
        let again = of(&mut floor, &id, buy);
        assert_eq!(floor.updates(&again).len(), 0, "{id}");
        let other = of(&mut floor, &id, sell);
        assert_eq!(floor.updates(&other).len(), 1, "{id}");
    }
    assert_eq!(floor.states(), [State::Live]);
}

#[test]
fn a_trade_that_cannot_be_read_takes_no_book_out() {
    let mut floor = Floor::live(1);
    let trade = floor.venue.trade(0, 4_500, 100);
    for (good, bad) in [
        (r#""count_fp":"1.00""#, r#""count_fp":null"#),
        (r#""count_fp":"1.00""#, r#""count_fp":"-1.00""#),
        (r#""yes_price_dollars":"0.4500""#, r#""yes_price_dollars":"0.0000""#),
        (r#""yes_price_dollars":"0.4500""#, r#""yes_price_dollars":"1.0000""#),
        (r#""market_ticker""#, r#""market""#),
    ] {
        let broken = trade.replace(good, bad);
        assert_ne!(broken, trade, "{good}");
        let seq = format!(r#""seq":{}"#, floor.venue.seq(2));
        let begin = broken.find(r#""seq":"#).unwrap();
        let end = begin + broken[begin..].find(',').unwrap();
        let broken = broken.replace(&broken[begin..end], &seq);
        let before = floor.engine.counters().malformed;
        assert_eq!(floor.say(&broken), [""; 0], "{bad}");
        assert_eq!((floor.engine.counters().malformed, floor.states()), (before + 1, vec![State::Live]));
    }
}

#[test]
fn indices_keep_their_newest_value() {
    let mut floor = Floor::live(1);
    let value = |floor: &mut Floor, name: &str, value: &str, ms: u64, more: &str| {
        let seq = floor.venue.seq(7);
        let data =
            format!(r#"{{\"type\":\"value\",\"id\":\"{name}\",\"time\":{ms},\"value\":\"{value}\"}}"#);
        let frame = format!(
            r#"{{"type":"cfbenchmarks_value","sid":7,"seq":{seq},"msg":{{"index_id":"{name}","data":"{data}"{more}}}}}"#
        );
        floor.say(&frame)
    };
    let ms = 1_790_000_000_000;
    value(&mut floor, "BRTI", "85850.67", ms, "");
    value(&mut floor, "ETHUSD_RTI", "3000.5", ms, "");
    let means = r#","avg_60s_data":{"value":"85849.12000000","window_size":59},"last_60s_windowed_average_15min":{"value":"85849.9","window_size":14}"#;
    value(&mut floor, "BRTI", "85851", ms + 1_000, means);
    let seen: Vec<_> = floor.engine.indices().collect();
    assert_eq!(seen.len(), 2);
    let (name, reading) = seen[0];
    assert_eq!((name, reading.value, reading.ts_recv), ("BRTI", 85_851_000_000_000, floor.ts));
    assert_eq!(reading.ts_event, i64::try_from(ms + 1_000).unwrap() * 1_000_000);
    assert_eq!(reading.mean_60s, Some(85_849_120_000_000));
    assert_eq!(reading.closing_mean, Some((85_849_900_000_000, 14)));
    assert_eq!(floor.states(), [State::Live]);
    // What rests on the index is worth anew.
    let terms = [("reference", "venue BRTI"), ("end_ts", "1790000900000000000"), ("at_least", "85850")];
    let usual = [("step_ms", "500"), ("half_life_ms", "1000")];
    let terms = terms.iter().chain(&usual).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    floor.engine.add_terms(floor.ids[0], &terms.collect(), floor.ts).unwrap();
    for second in 0..8 {
        value(&mut floor, "BRTI", &format!("8585{second}.5"), ms + (second + 2) * 1_000, "");
        value(&mut floor, "ETHUSD_RTI", "3000.5", ms + (second + 2) * 1_000, "");
    }
    let fair = floor.engine.fair_value(floor.ids[0]).unwrap();
    assert_eq!(fair.at, i64::try_from(ms + 9_000).unwrap() * 1_000_000);
    assert_eq!(fair.expected, 85_857_500_000_000_000_000_000);
}

#[test]
fn broken_news_of_a_market_nobody_subscribed_takes_its_number_and_hurts_nobody() {
    let broken = |frame: &str| {
        let cut = frame.len() - 2;
        let member =
            |text: &str| frame.replacen(r#""event_type""#, &format!(r#"{text},"event_type""#), 1);
        vec![
            member("\"title\":\"raw\nnewline\""),
            member("\"title\":\"raw\ttab\""),
            member(r#""title":"\x20""#),
            member(r#""line":NaN"#),
            member(r#""line":05"#),
            format!("\u{feff}{frame}"),
            frame[..cut].to_owned(),
        ]
    };
    for channel in ["market_lifecycle_v2", "multivariate_market_lifecycle"] {
        for form in 0..7 {
            let mut floor = Floor::live(600);
            let frame = floor.venue.lifecycle(0, "determined", r#","result":"yes""#);
            floor.say(&frame.replace(&floor.venue.markets[0].ticker, "KXOTHER-1"));
            let frame = floor.venue.lifecycle(0, "determined", r#","result":"yes""#);
            let frame = frame.replace("market_lifecycle_v2", channel);
            let ours = broken(&frame).swap_remove(form);
            let others = ours.replace(&floor.venue.markets[0].ticker, "KXOTHER-1");
            assert_eq!(floor.say(&others), [""; 0], "{others}");
            assert_eq!(floor.engine.counters().decode_errors, 1, "{others}");
            assert_eq!(floor.states(), vec![State::Live; 600], "{others}");
            // The number was taken: what follows is next.
            let next = floor.venue.lifecycle(1, "created", "");
            floor.say(&next);
            assert_eq!(floor.engine.counters().gaps, 0, "{others}");
            floor.say(&ours);
            assert_eq!(floor.states(), vec![State::Stale; 600], "{ours}");
        }
    }
}

#[test]
fn broken_news_that_does_not_say_whose_it_is_closes_the_books_of_its_connection() {
    let changes: [(&str, &str); 6] = [
        (r#""market_ticker":"KXOTHER-1""#, r#""market_ticker":"KXOTH"#),
        (r#""market_ticker":"KXOTHER-1""#, r#""title":"KXOTHER-1""#),
        (r#""seq":1"#, r#""number":1"#),
        (r#""sid":"#, r#""sid":"","sid":"#),
        ("market_lifecycle_v2", "orderbook_delta"),
        ("KXOTHER-1", "KXOTHER\n-1"),
    ];
    for (from, to) in changes {
        let mut floor = Floor::live(2);
        let frame = floor.venue.lifecycle(0, "determined", r#","result":yes"#);
        let frame = frame.replace(&floor.venue.markets[0].ticker, "KXOTHER-1");
        floor.say(&frame.replacen(from, to, 1));
        assert_eq!(floor.standing(0), (State::Stale, Cause::Malformed), "{from} {to}");
    }
}
