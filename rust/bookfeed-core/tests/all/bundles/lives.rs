//! Lives of bundles: when they are asked about, why they close, what waits and for what, and
//! trust in a pair's polarity.

use super::oracle::{DIRECT, Schedule};
use super::pit::{FREE, Listed, Pit};
use crate::support::kalshi::NEWS;
use crate::support::records::Signal;
use crate::support::venue::{MS, T0};
use bookfeed_core::engine::{Config, Listing};
use bookfeed_core::instrument::Hours;
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::Refusal;

const SECOND: i64 = 1_000 * MS;
const ANY: (&str, &str) = ("polarity_check", "off");

/// A box that pays 0.1, and what its second book brought.
fn paying(venues: [Venue; 2], more: &[(&str, &str)]) -> (Pit, Vec<String>) {
    let mut pit = Pit::boxed(venues, more);
    pit.touch(0, 440, 5, 450, 5);
    let lives = pit.touch(1, 550, 5, 560, 5);
    (pit, lives)
}

fn open(venues: [Venue; 2], more: &[(&str, &str)]) -> Pit {
    let (pit, lives) = paying(venues, &[&[ANY], more].concat());
    assert_eq!(lives, ["open"]);
    pit
}

fn lifecycle(pit: &mut Pit, n: usize, kind: &str, members: &str) -> Vec<String> {
    let frame = pit.kalshi.lifecycle(pit.places[n].n, kind, members);
    pit.say(0, &frame).iter().map(Signal::short).collect()
}

fn fees_of_event(pit: &mut Pit, multiplier: &str) -> Vec<String> {
    let seq = pit.kalshi.seq(NEWS);
    let frame = format!(
        r#"{{"type":"event_fee_update","sid":{NEWS},"seq":{seq},"msg":{{"event_ticker":"E","fee_type_override":null,"fee_multiplier_override":{multiplier}}}}}"#
    );
    pit.say(0, &frame).iter().map(Signal::short).collect()
}

#[test]
fn it_opens_changes_and_closes_once_each() {
    let mut pit = open([Venue::KALSHI; 2], &[]);
    let opened = pit.signals[0].clone();
    assert_eq!((opened.value, opened.qty, opened.capital), (100_000_000, 500_000_000, 4_500_000_000));
    assert_eq!(opened.maker_edge, 120_000_000, "0.44 and 0.44 if both legs rest");
    assert_eq!(pit.touch(1, 550, 5, 560, 5), [""; 0], "the same book again");
    assert_eq!(pit.beat(0), [""; 0]);
    assert_eq!(pit.wait(MS), [""; 0]);
    assert_eq!(pit.touch(1, 560, 5, 570, 5), ["update"]);
    assert_eq!(pit.touch(1, 550, 5, 570, 7), ["update"], "what rests has changed");
    assert_eq!(pit.touch(1, 550, 7, 570, 7), [""; 0], "as much as before can be had");
    assert_eq!(pit.touch(1, 450, 7, 460, 7), ["close edge"]);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"]);
    let ids: Vec<_> = pit.signals.iter().map(|s| s.id).collect();
    assert_eq!(ids, [opened.id, opened.id, opened.id, opened.id, opened.id + 1]);
    assert_eq!(pit.signals[3].peak_edge, 110_000_000);
    assert_eq!(pit.reasons(), []);
}

#[test]
fn a_changed_depth_is_noticed_while_the_touch_stands() {
    let mut pit = open([Venue::KALSHI; 2], &[("max_qty", "20")]);
    let frame = pit.kalshi.delta(0, false, 5_490, 1_000);
    assert_eq!(pit.say(0, &frame), [], "the other leg has no more");
    let frame = pit.kalshi.delta(1, true, 5_490, 1_000);
    let update = pit.say(0, &frame).remove(0);
    assert_eq!((update.short().as_str(), update.qty), ("update", 1_500_000_000));
    assert_eq!([update.legs[0].worst_price, update.legs[1].worst_price], [451_000_000, 451_000_000]);
}

#[test]
fn both_directions_are_watched_each_by_itself() {
    let mut pit = open([Venue::KALSHI; 2], &[]);
    assert_eq!(pit.touch(1, 340, 5, 350, 5), ["close edge", "open"], "now the other way round");
    let views = |s: &Signal| s.legs.iter().map(|l| l.complement).collect::<Vec<_>>();
    assert_eq!((views(&pit.signals[0]), views(&pit.signals[2])), (vec![false, true], vec![true, false]));
}

#[test]
fn news_of_a_market_in_a_place_that_is_used_again_closes_what_is_open_of_it() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[("polarity_check", "off"), ANY]);
    let (id, symbol) = (pit.places[1].id, pit.symbol(1));
    pit.engine.unsubscribe(id, pit.ts).unwrap();
    pit.engine.forget(id).unwrap();
    let listing = Listing { fee: Some("kalshi:quadratic;0;direct"), ..Listing::default() };
    let anew = pit.engine.subscribe(Venue::KALSHI, &symbol, 0, &listing, pit.ts).unwrap();
    assert_eq!(anew, id, "its place is used again");
    pit.touch(0, 440, 5, 450, 5);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"]);
    assert_eq!(lifecycle(&mut pit, 1, "deactivated", ""), ["close status"]);
    assert_eq!(lifecycle(&mut pit, 1, "activated", ""), ["open"]);
}

#[test]
fn it_closes_for_whatever_shuts_first() {
    // A book lost.
    let mut pit = open([Venue::KALSHI, Venue::POLYMARKET], &[("max_lag_ms", "0")]);
    pit.engine.disconnected(1, pit.ts);
    assert_eq!(pit.wait(0), ["close not_live"]);
    // A book inside a match that is told in parts, at the next look.
    let mut pit = open([Venue::KALSHI; 2], &[]);
    let frame = pit.kalshi.delta(0, true, 5_000, 100);
    assert_eq!(pit.say(0, &frame), []);
    assert_eq!(pit.wait(MS), ["close not_live"]);
    // A pause, and hours.
    let mut pit = open([Venue::KALSHI; 2], &[]);
    assert_eq!(lifecycle(&mut pit, 1, "deactivated", ""), ["close status"]);
    let mut pit = open([Venue::KALSHI; 2], &[("min_time_to_close_ms", "60000")]);
    let close = |s: i64| format!(r#","close_ts":{}"#, T0 / SECOND + s);
    assert_eq!(lifecycle(&mut pit, 0, "close_date_updated", &close(120)), [""; 0]);
    assert_eq!(lifecycle(&mut pit, 0, "close_date_updated", &close(59)), ["close closing"]);
    let mut pit = open([Venue::KALSHI; 2], &[]);
    assert_eq!(lifecycle(&mut pit, 0, "close_date_updated", &close(0)), ["close status"]);
    // Evidence that ages, alone or on one leg.
    let mut pit = open([Venue::KALSHI; 2], &[("max_age_ms", "1000")]);
    assert_eq!(pit.wait(SECOND), [""; 0]);
    assert_eq!(pit.wait(1), ["close age"]);
    let mut pit =
        open([Venue::KALSHI, Venue::POLYMARKET], &[("max_lag_ms", "0"), ("max_skew_ms", "10")]);
    pit.ts += 10 * MS;
    assert_eq!(pit.touch(0, 440, 5, 449, 5), ["close skew"]);
    // A size, and fees.
    let mut pit = open([Venue::KALSHI; 2], &[("min_qty", "3")]);
    assert_eq!(pit.touch(1, 550, 2, 560, 5), ["close min_qty"]);
    let mut pit = open([Venue::KALSHI; 2], &[("min_edge", "0.09")]);
    assert_eq!(fees_of_event(&mut pit, "1"), ["close edge"]);
    assert_eq!(pit.reasons(), [("fees", 2)], "for the news of either market");
    assert_eq!(fees_of_event(&mut pit, "null"), ["open"]);
    // What has no word of its own.
    let mut pit = open([Venue::POLYMARKET; 2], &[]);
    assert_eq!(pit.touch(1, 560, 5, 560, 5), ["close refused"]);
    assert_eq!(pit.reasons(), [("crossed", 1)]);
}

#[test]
fn a_box_waits_until_both_venues_have_been_heard_of_at_one_time() {
    let (mut pit, lives) = paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY, ("max_lag_ms", "100")]);
    assert_eq!((lives, pit.reasons()), (vec![], vec![("lag", 1)]), "whole books have no time");
    // Kalshi is late, by another of its markets; waiting is one refusal.
    pit.kalshi.ms -= 150;
    let schedule = Some(FREE);
    let other = pit.list(Venue::KALSHI, Listed { schedule, ..Listed::default() });
    pit.touch(other, 100, 1, 900, 1);
    for _ in 0..5 {
        assert_eq!(pit.beat(other), [""; 0]);
    }
    assert_eq!(pit.reasons(), [("lag", 1)]);
    pit.kalshi.ms += 100;
    assert_eq!(pit.beat(other), [""; 0], "what waits is asked before a frame is looked at");
    assert_eq!(pit.beat(other), ["open"]);
    // A millisecond passes with each of nine frames, and one lies between those compared.
    assert_eq!(pit.signals[0].lag_ns, 57 * MS);
    // The other comes sooner: the lag is seen when the leg moves, or in time.
    pit.kalshi.ms += 200;
    let (conn, frame) = pit.frame(1, &super::pit::sides(&[(550, 5)], &[(561, 5)]));
    assert_eq!(pit.say(conn, &frame)[0].short(), "close lag");
    assert_eq!(pit.reasons(), [("lag", 2)]);
}

#[test]
fn venues_may_be_a_second_apart_unless_it_is_said_otherwise() {
    let (mut pit, lives) = paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY]);
    assert_eq!((lives, pit.reasons()), (vec![], vec![("lag", 1)]));
    pit.kalshi.ms -= 1_001;
    pit.beat(0);
    assert_eq!(pit.wait(MS), [""; 0]);
    pit.clock(4);
    pit.beat(0);
    assert_eq!(pit.wait(0), ["open"]);
    assert_eq!(pit.signals[0].lag_ns, SECOND);
    let (_, lives) = paying([Venue::KALSHI; 2], &[ANY]);
    assert_eq!(lives, ["open"], "one venue's legs need no time");
}

/// What both venues deliver in time is known, however seldom they have anything to say.
#[test]
fn a_quiet_leg_is_no_late_one() {
    let (mut pit, _) = paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY, ("confirm", "on")]);
    let later = |pit: &mut Pit, s: u32| {
        pit.ts += i64::from(s) * SECOND;
        pit.clock(1_000 * u64::from(s));
    };
    later(&mut pit, 8);
    pit.beat(0);
    assert_eq!(pit.wait(0), [""; 0]);
    assert_eq!(pit.reasons(), [("lag", 1), ("unconfirmed", 1)], "no time was stated before");
    later(&mut pit, 9);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"]);
    assert!(pit.signals[0].skew_ns > 9 * SECOND && pit.signals[0].lag_ns < 10 * MS);
    later(&mut pit, 12);
    assert_eq!(pit.wait(0), [""; 0], "both are quiet");
    pit.beat(0);
    assert_eq!(pit.wait(0), [""; 0], "and one of them speaks");
    pit.ts += 1_100 * MS;
    assert_eq!(pit.touch(1, 550, 5, 561, 5), ["close lag"], "this one was long under way");
}

#[test]
fn what_waits_for_time_or_other_messages_is_asked_again_by_itself() {
    let near = Hours { open: Some(T0 + SECOND), close: None };
    let mut pit = Pit::new(Config::default());
    pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), hours: near, ..Listed::default() });
    pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    pit.add_box(&[ANY]);
    pit.touch(0, 440, 5, 450, 5);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), [""; 0]);
    pit.wait(T0 + SECOND - 1 - pit.ts);
    assert_eq!(pit.reasons(), [("status", 1)]);
    assert_eq!(pit.wait(1), ["open"], "a market opens without a word");

    // A pause that ends, at the news itself.
    assert_eq!(lifecycle(&mut pit, 0, "deactivated", ""), ["close status"]);
    assert_eq!(lifecycle(&mut pit, 0, "activated", ""), ["open"]);

    // Evidence that comes again on the stream, for a market that is not even a leg.
    let (mut pit, _) =
        paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY, ("max_lag_ms", "0"), ("max_age_ms", "100")]);
    let other = pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    assert_eq!(pit.wait(101 * MS), ["close age"]);
    assert_eq!(pit.touch(1, 550, 5, 562, 5), [""; 0]);
    assert_eq!(pit.reasons(), [("age", 2)]);
    pit.touch(other, 100, 1, 900, 1);
    assert_eq!(pit.wait(0), ["open"]);

    // Likewise for legs whose evidence was too far apart.
    let (mut pit, _) =
        paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY, ("max_lag_ms", "0"), ("max_skew_ms", "50")]);
    let other = pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    pit.ts += 100 * MS;
    assert_eq!(pit.touch(1, 550, 5, 562, 5), ["close skew"]);
    pit.touch(other, 100, 1, 900, 1);
    assert_eq!((pit.wait(0), pit.reasons()), (vec!["open".to_owned()], vec![("skew", 1)]));
}

#[test]
fn a_hold_that_is_over_opens_before_the_next_frame_is_looked_at() {
    let (mut pit, lives) = paying([Venue::KALSHI; 2], &[ANY, ("min_hold_ms", "10")]);
    assert_eq!(lives, [""; 0]);
    pit.ts += 9 * MS;
    assert_eq!(pit.touch(1, 450, 5, 460, 5), ["open", "close edge"]);
    assert_eq!(pit.signals[0].ts_recv, pit.ts);
    assert_eq!(pit.reasons(), [("hold", 1)]);
}

#[test]
fn a_failure_in_between_begins_the_hold_anew() {
    let (mut pit, _) = paying([Venue::KALSHI; 2], &[ANY, ("min_hold_ms", "10"), ("min_qty", "3")]);
    pit.ts += 4 * MS;
    pit.touch(1, 550, 2, 560, 5);
    pit.touch(1, 550, 5, 560, 5);
    let again = pit.ts;
    assert_eq!(pit.wait(again + 10 * MS - 1 - pit.ts), [""; 0]);
    assert_eq!(pit.wait(1), ["open"]);
    assert_eq!(pit.reasons(), [("min_qty", 1), ("hold", 2)]);
}

/// While one thing is waited for, another may be what is waited for next.
#[test]
fn what_waits_for_messages_does_not_wait_for_an_earlier_hold() {
    let rule = [ANY, ("min_hold_ms", "10000"), ("max_skew_ms", "50"), ("max_lag_ms", "0")];
    let (mut pit, _) = paying([Venue::KALSHI, Venue::POLYMARKET], &rule);
    let other = pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    pit.ts += 100 * MS;
    pit.touch(1, 550, 5, 562, 5);
    assert_eq!(pit.reasons(), [("skew", 1), ("hold", 1)]);
    pit.touch(other, 100, 1, 900, 1);
    pit.wait(0);
    let begun = pit.ts;
    assert_eq!(pit.reasons(), [("skew", 1), ("hold", 2)], "asked as soon as it could be lifted");
    // Both streams speak until the hold is over.
    for _ in 0..2 {
        pit.ts += 4_990 * MS;
        pit.clock(4_990);
        pit.beat(other);
        pit.touch(1, 550, 5, 562, 5);
    }
    assert_eq!(pit.wait(begun + 10_000 * MS - 1 - pit.ts), [""; 0]);
    assert_eq!(pit.wait(1), ["open"]);
}

#[test]
fn nothing_is_asked_where_nothing_changed() {
    let (mut pit, _) = paying([Venue::KALSHI; 2], &[ANY, ("min_qty", "6")]);
    let other = pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    for _ in 0..3 {
        pit.touch(other, 100, 1, 900, 1);
        pit.beat(0);
        let ticker = pit.kalshi.ticker(0);
        pit.say(0, &ticker);
        pit.wait(MS);
    }
    assert_eq!(pit.reasons(), [("min_qty", 1)]);
    // What did change is asked about, and counted, anew.
    pit.touch(1, 551, 5, 560, 5);
    assert_eq!(pit.reasons(), [("min_qty", 2)]);
}

/// So much later that another reading of polarity counts; leg 0 is heard of meanwhile.
fn later(pit: &mut Pit) {
    assert_eq!(pit.wait(100 * MS), [""; 0]);
    pit.beat(0);
}

#[test]
fn a_pair_has_to_agree_before_it_is_spoken_of() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[]);
    // Opposites: their prices add up to one, and 0.2 and 1 − 0.8 would be a gift.
    pit.touch(0, 190, 5, 200, 5);
    // Whole books of Kalshi's state no time, and prices are compared at known times only.
    pit.touch(1, 799, 5, 809, 5);
    pit.beat(0);
    for i in 0..12 {
        later(&mut pit);
        assert_eq!(pit.touch(1, 800 + i, 5, 810 + i, 5), [""; 0]);
    }
    assert_eq!((pit.reasons(), pit.signals.len()), (vec![("polarity", 13)], 0));
    // Each clear reading makes up for 4 of the 32 that speak against the pair; 8 are trust.
    for i in 0..9 {
        later(&mut pit);
        assert_eq!(pit.touch(1, 210 + i, 5, 220 + i, 5), [""; 0], "{i}");
    }
    later(&mut pit);
    assert_eq!(pit.touch(1, 219, 5, 229, 5), ["open"]);
    later(&mut pit);
    // And trust can be lost, by two readings from here.
    assert_eq!(pit.touch(1, 800, 5, 810, 5), ["close polarity"]);
}

#[test]
fn only_a_touch_that_moved_is_a_reading() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[]);
    pit.touch(0, 190, 5, 200, 5);
    assert_eq!(pit.touch(1, 210, 5, 220, 5), [""; 0], "4 of 8");
    for _ in 0..5 {
        // Depth, the same book told again, other sizes at the same touch, and time.
        let frame = pit.kalshi.delta(1, true, 100, 100);
        pit.say(0, &frame);
        pit.touch(1, 210, 5, 220, 5);
        pit.touch(1, 210, 6, 220, 6);
        pit.wait(MS);
    }
    assert_eq!(pit.signals, []);
    later(&mut pit);
    assert_eq!(pit.touch(1, 211, 5, 220, 5), ["open"]);
}

#[test]
fn a_backlog_told_at_once_is_one_reading() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[]);
    pit.touch(0, 190, 5, 200, 5);
    pit.touch(1, 210, 5, 220, 5);
    pit.beat(0);
    for i in 1..40 {
        assert_eq!(pit.touch(1, 210 + i, 5, 220 + i, 5), [""; 0], "{i}");
    }
    later(&mut pit);
    assert_eq!(pit.touch(1, 240, 5, 250, 5), ["open"]);
}

#[test]
fn close_to_one_half_nothing_can_be_told() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[]);
    pit.touch(0, 470, 5, 480, 5);
    for i in 0..40 {
        assert_eq!(pit.touch(1, 500 + i, 5, 510 + i, 5), [""; 0]);
    }
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[("polarity_check", "off")]);
    pit.touch(0, 470, 5, 480, 5);
    assert_eq!(pit.touch(1, 500, 5, 510, 5), ["open"]);
}

#[test]
fn an_opportunity_is_confirmed_when_each_book_was_ahead_of_the_other() {
    let (mut pit, lives) =
        paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY, ("confirm", "on"), ("max_lag_ms", "0")]);
    let other = pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    let stranger = pit.list(Venue::POLYMARKET, Listed { schedule: Some(FREE), ..Listed::default() });
    assert_eq!((lives, pit.reasons()), (vec![], vec![("unconfirmed", 1)]));
    // Kalshi at the very time of the finding: equal times decide nothing.
    pit.touch(other, 100, 1, 900, 1);
    pit.beat(other);
    assert_eq!(pit.wait(MS), [""; 0]);
    // Polymarket, of another book: its frames have no numbers.
    pit.touch(stranger, 100, 1, 900, 1);
    assert_eq!(pit.wait(MS), [""; 0]);
    // The book itself, later: it is ahead now; Kalshi's stream is still where it was.
    assert_eq!(pit.touch(1, 550, 5, 560, 5), [""; 0]);
    assert_eq!(pit.reasons().len(), 1);
    let refused = pit.refused(Refusal::Unconfirmed);
    // Kalshi at the same time, and then later, by a message about another market: as it overtook,
    // both stood so at one time.
    assert_eq!(pit.beat(other), [""; 0]);
    assert_eq!(pit.wait(0), [""; 0]);
    pit.clock(1);
    assert_eq!(pit.beat(other), [""; 0]);
    assert_eq!(pit.wait(0), ["open"]);
    assert_eq!(pit.refused(Refusal::Unconfirmed), refused, "waiting is not refused again");
}

/// What was held up on the way comes at once, and is all older than what the other venue said.
#[test]
fn a_burst_that_catches_up_confirms_nothing_before_it_has_overtaken() {
    let (mut pit, _) =
        paying([Venue::KALSHI, Venue::POLYMARKET], &[ANY, ("confirm", "on"), ("max_lag_ms", "0")]);
    let other = pit.list(Venue::KALSHI, Listed { schedule: Some(FREE), ..Listed::default() });
    pit.touch(other, 100, 1, 900, 1);
    pit.clock(1_000);
    pit.beat(other);
    assert_eq!(pit.wait(0), [""; 0], "Kalshi is a second ahead");
    let kalshi_ms = pit.kalshi.ms;
    for late in [900, 500, 100, 1] {
        pit.kalshi.ms = kalshi_ms - late - 1;
        assert_eq!(pit.touch(1, 550, 5, 560, 5), [""; 0], "{late}");
        assert_eq!(pit.wait(0), [""; 0], "{late}");
    }
    pit.kalshi.ms = kalshi_ms;
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"], "it is ahead, and it was behind");
}

#[test]
fn a_failure_asks_for_a_new_confirmation_and_holds_run_meanwhile() {
    let rule = [ANY, ("confirm", "on"), ("min_hold_ms", "10"), ("min_qty", "3")];
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &rule);
    pit.touch(0, 440, 5, 450, 5);
    pit.beat(0);
    pit.touch(1, 550, 5, 560, 5);
    pit.beat(0);
    assert_eq!(pit.wait(10 * MS), [""; 0], "no time was stated but that of the finding");
    pit.clock(1);
    assert_eq!(pit.beat(0), [""; 0]);
    assert_eq!(pit.wait(0), ["open"], "held from the first finding, not from its confirmation");
    pit.touch(1, 550, 2, 560, 5);
    pit.touch(1, 550, 5, 560, 5);
    assert_eq!(pit.wait(20 * MS), [""; 0]);
    assert_eq!(pit.reasons(), [("min_qty", 1), ("unconfirmed", 2)]);
    pit.clock(1);
    pit.beat(1);
    assert_eq!(pit.wait(0), ["open"]);
}

#[test]
fn fees_that_are_overridden_change_what_is_open() {
    let mut pit = Pit::new(Config::default());
    let schedule = Some(Schedule::Kalshi(500_000_000, 0, DIRECT));
    for _ in 0..2 {
        pit.list(Venue::KALSHI, Listed { schedule, ..Listed::default() });
    }
    pit.add_box(&[ANY]);
    pit.touch(0, 440, 5, 450, 5);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"]);
    assert_eq!(fees_of_event(&mut pit, "0"), ["update"], "asked when both have their new fees");
    let edges: Vec<_> = pit.signals.iter().map(|s| s.net_edge).collect();
    // 0.07 · ½ · 0.45 · 0.55 is 0.0086625 a contract: with five of them 0.0434 a leg.
    assert_eq!(edges, [82_640_000, 100_000_000]);
}
