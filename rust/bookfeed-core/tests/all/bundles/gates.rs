//! Every gate, in the order in which they are asked: whatever else is wrong, the first one that
//! shuts is the one that is counted.

use super::oracle::{DIRECT, Schedule};
use super::pit::{Listed, Pit, sides};
use crate::support::records::Signal;
use bookfeed_core::engine::Config;
use bookfeed_core::instrument::Hours;
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::Refusal;

/// Fees of a type that is not known.
const FLAT: &str = "kalshi:flat;1;non_direct";
const HOUR: i64 = 3_600_000_000_000;
const T0: i64 = crate::support::venue::T0;
const MS: i64 = crate::support::venue::MS;

/// Refused for everything from this gate on, what is counted? Kalshi's book first, then
/// Polymarket's, which completes the bundle.
fn counted(kind: &str, order: &[Refusal], from: usize) -> (Vec<(&'static str, u64)>, Vec<String>) {
    let shut = |gate| order[from..].contains(&gate);
    let word = |gate, shut_text: &'static str, open_text: &'static str| {
        if shut(gate) { shut_text } else { open_text }
    };
    let mut pit = Pit::new(Config::default());
    let schedule = Some(Schedule::Kalshi(1_000_000_000, 0, DIRECT));
    let open = shut(Refusal::Status).then_some(T0 + HOUR);
    let hours = Hours { open, close: Some(T0 + 2 * HOUR) };
    let fee = shut(Refusal::FeeType).then_some(FLAT);
    pit.list(Venue::KALSHI, Listed { schedule, fee, hours });
    let known = !shut(Refusal::FeeUnknown);
    let schedule = known.then_some(Schedule::Polymarket(70_000_000));
    pit.list(Venue::POLYMARKET, Listed { schedule, ..Listed::default() });
    let mut rule = vec![
        ("min_time_to_close_ms", word(Refusal::Closing, "7200001", "0")),
        ("max_age_ms", word(Refusal::Age, "0", "30000")),
        ("proof", word(Refusal::Unproven, "venue", "off")),
        ("max_skew_ms", word(Refusal::Skew, "0", "2000")),
        ("max_lag_ms", word(Refusal::Lag, "0.5", "0")),
        ("min_edge", word(Refusal::Fees, "0.1", "0.01")),
        ("min_qty", word(Refusal::MinQty, "6", "1")),
        ("confirm", word(Refusal::Unconfirmed, "on", "off")),
        ("min_hold_ms", word(Refusal::Hold, "1000", "0")),
    ];
    let (a, b) = (pit.leg(0, false), pit.leg(1, false));
    let legs = pit.legs(&[(0, true), (1, false)]);
    if kind == "box" {
        rule.extend([("a", a.as_str()), ("b", &b)]);
        rule.push(("polarity_check", word(Refusal::Polarity, "on", "off")));
    } else {
        rule.extend([("legs", legs.as_str())]);
        rule.push(("augmented", word(Refusal::Augmented, "true", "false")));
    }
    pit.rule(kind, &rule);
    // YES of the first at 0.45 and NO of the second at 0.45; as opposites they would fit.
    pit.touch(0, 440, 5, 450, 5);
    pit.beat(0);
    if shut(Refusal::NotLive) {
        let frame = pit.kalshi.delta(0, true, 5_000, 100);
        pit.say(0, &frame);
    }
    if shut(Refusal::Lag) {
        pit.ts += MS;
    }
    let ask = if shut(Refusal::Crossed) { 550 } else { 560 };
    let lives = pit.book(1, &sides(&[(550, 5)], &[(ask, 5)])).iter().map(Signal::short).collect();
    (pit.reasons(), lives)
}

fn in_order(kind: &str, order: &[Refusal]) {
    for (i, gate) in order.iter().enumerate() {
        assert_eq!(counted(kind, order, i), (vec![(gate.name(), 1)], vec![]), "{kind}");
    }
    assert_eq!(counted(kind, order, order.len()), (vec![], vec!["open".to_owned()]));
}

#[test]
fn gates_are_asked_in_their_order() {
    use Refusal::{Age, Augmented, Closing, Crossed, FeeType, FeeUnknown, Fees, Hold, Lag, MinQty};
    use Refusal::{NotLive, Polarity, Skew, Status, Unconfirmed, Unproven};
    let first = [NotLive, Status, Closing, Age, Unproven, Skew, Lag];
    let last = [Crossed, FeeType, FeeUnknown, Fees, MinQty, Unconfirmed, Hold];
    in_order("box", &[&first[..], &[Polarity], &last[..]].concat());
    in_order("basket", &[&first[..], &[Augmented], &last[..]].concat());
}

#[test]
fn an_unknown_type_of_fees_is_told_before_missing_fees_in_any_order_of_the_legs() {
    let (missing, flat) = (Listed::default(), Listed { fee: Some(FLAT), ..Listed::default() });
    for listed in [[missing, flat], [flat, missing]] {
        let mut pit = Pit::new(Config::default());
        for listed in listed {
            pit.list(Venue::KALSHI, listed);
        }
        let (a, b) = (pit.leg(0, false), pit.leg(1, false));
        pit.rule("box", &[("a", &a), ("b", &b), ("polarity_check", "off"), ("confirm", "off")]);
        pit.touch(0, 440, 5, 450, 5);
        pit.touch(1, 550, 5, 560, 5);
        assert_eq!(pit.reasons(), vec![("fee_type", 1)]);
    }
}

#[test]
fn all_questions_about_the_first_leg_come_before_the_second() {
    // The first leg's market closes soon, the second's is not open.
    let mut pit = Pit::new(Config::default());
    let schedule = Some(super::pit::FREE);
    let hours = |open, close| Hours { open, close };
    let soon = hours(None, Some(T0 + HOUR));
    let later = hours(Some(T0 + HOUR), None);
    pit.list(Venue::KALSHI, Listed { schedule, hours: soon, ..Listed::default() });
    pit.list(Venue::KALSHI, Listed { schedule, hours: later, ..Listed::default() });
    pit.add_box(&[("min_time_to_close_ms", "3600000"), ("polarity_check", "off")]);
    pit.touch(0, 440, 5, 450, 5);
    pit.touch(1, 550, 5, 560, 5);
    assert_eq!(pit.reasons(), [("closing", 1)]);
}

#[test]
fn a_cooldown_is_asked_about_after_the_hold() {
    let mut pit = Pit::boxed(
        [Venue::KALSHI; 2],
        &[("min_hold_ms", "10"), ("cooldown_ms", "1000"), ("polarity_check", "off")],
    );
    pit.touch(0, 440, 5, 450, 5);
    pit.touch(1, 550, 5, 560, 5);
    assert_eq!(pit.reasons(), [("hold", 1)]);
    assert_eq!(pit.wait(10_000_000), ["open"]);
    assert_eq!(pit.touch(1, 440, 5, 450, 5), ["close edge"]);
    pit.touch(1, 550, 5, 560, 5);
    assert_eq!(pit.reasons(), [("hold", 2)]);
    assert_eq!(pit.wait(10_000_000), [""; 0]);
    assert_eq!(pit.reasons(), [("hold", 2), ("cooldown", 1)]);
    pit.wait(100_000_000);
    assert_eq!(pit.reasons(), [("hold", 2), ("cooldown", 1)], "waiting is not counted again");
    assert_eq!(pit.wait(900_000_000), ["open"]);
}

#[test]
fn numbers_that_do_not_fit_refuse() {
    // Ten million shares cost a known sum; ninety thousand million are too much to say in words.
    for (shares, reasons) in [(10_000_000, vec![]), (90_000_000_000, vec![("overflow", 1)])] {
        let mut pit = Pit::boxed([Venue::POLYMARKET; 2], &[("polarity_check", "off")]);
        pit.touch(0, 440, 5, 450, shares);
        pit.touch(1, 550, shares, 560, 5);
        assert_eq!((pit.signals.len(), pit.reasons()), (usize::from(reasons.is_empty()), reasons));
    }
}

#[test]
fn refusals_are_counted_by_rule() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[("min_qty", "6"), ("polarity_check", "off")]);
    pit.add_box(&[]);
    pit.touch(0, 440, 5, 450, 5);
    pit.touch(1, 550, 5, 560, 5);
    let of = |rule| {
        pit.engine
            .refusals_of(rule)
            .map(|all| (all[Refusal::MinQty as usize], all[Refusal::Polarity as usize]))
    };
    assert_eq!((of(0), of(1), of(2)), (Some((1, 0)), Some((0, 1)), None));
    assert_eq!(pit.reasons(), [("min_qty", 1), ("polarity", 1)]);
}

/// A change far from the touch on Polymarket's connection, at the venue's time.
fn polymarket_beat(pit: &mut Pit) -> Vec<String> {
    let change = r#"{"asset_id":"P0","price":"0.1","size":"1","side":"BUY","hash":"","best_bid":"0.44","best_ask":"0.45"}"#;
    let frame = format!(
        r#"{{"event_type":"price_change","market":"m0","timestamp":"{}","price_changes":[{change}]}}"#,
        pit.kalshi.ms
    );
    pit.say(1, &frame).iter().map(Signal::short).collect()
}

#[test]
fn what_may_be_of_long_ago_is_not_signalled() {
    // A whole book of Kalshi that does not say when it was sent, and one of Polymarket whose stamp
    // may be that of its last change: either may have been under way for twenty seconds.
    for venue in [Venue::KALSHI, Venue::POLYMARKET] {
        for late in [0, 20_000] {
            let mut pit = Pit::free(Config::default(), &[venue]);
            pit.rule("spread", &[("open", "0.01")]);
            pit.kalshi.ms -= 20_000;
            let (conn, frame) = pit.frame(0, &sides(&[(440, 5)], &[(450, 5)]));
            let frame = match frame.split_once(r#","sending_ts_ms""#) {
                Some((unsaid, _)) => format!("{unsaid}}}"),
                None => frame,
            };
            assert!(pit.say(conn, &frame).is_empty(), "{}", venue.name());
            assert_eq!(pit.wait(100 * MS), [""; 0]);
            assert_eq!(pit.reasons(), [("lag", 1)]);
            pit.kalshi.ms += 20_000 - late;
            let mut told = match venue {
                Venue::KALSHI => pit.beat(0),
                _ => polymarket_beat(&mut pit),
            };
            told.extend(pit.wait(100 * MS));
            assert_eq!(told, vec!["open"; usize::from(late == 0)], "{} {late}", venue.name());
        }
    }
}
