//! Rules, their gates and the life of what they find: spread with hysteresis, complement
//! against a search over all sizes, every refusal reason, open, update and close once each.

mod complement;
mod desk;

use crate::support::venue::{MS, policy};
use bookfeed_core::book::integrity::State;
use bookfeed_core::engine::{Config, Engine, EngineError, HashCheck};
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::{CloseReason, Phase, Refusal};
use desk::{Desk, params};

const SECOND: i64 = 1_000 * MS;

#[test]
fn rules_say_what_is_wrong_with_their_parameters() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case] = &[
        ("spead", &[], "no rule \"spead\"; there are spread, complement"),
        ("spread", &[], "open is required"),
        ("spread", &[("open", "x")], "open must be a plain decimal"),
        ("spread", &[("open", "-0.1")], "open must be a plain decimal"),
        ("spread", &[("open", "1e-2")], "open must be a plain decimal"),
        ("spread", &[("open", "0.1"), ("mode", "percent")], "mode must be one of absolute, bps"),
        ("spread", &[("open", "0.1"), ("when", "never")], "when must be one of wide, tight"),
        ("spread", &[("open", "0.1"), ("close", "0.2")], "close must be at most open"),
        (
            "spread",
            &[("open", "0.2"), ("close", "0.1"), ("when", "tight")],
            "close must be at least open",
        ),
        ("spread", &[("open", "20001"), ("mode", "bps")], "at most 20000 basis points"),
        ("spread", &[("open", "0.1"), ("opne", "0.2")], "no parameter \"opne\""),
        ("spread", &[("open", "0.1"), ("max_age_ms", "soon")], "max_age_ms must be a plain decimal"),
        ("complement", &[("min_edge", "1%")], "min_edge must be a plain decimal"),
        ("complement", &[("min_qty", "all")], "min_qty must be a plain decimal"),
        ("complement", &[("open", "0.1")], "no parameter \"open\"; there are min_edge, max_age_ms"),
    ];
    let mut engine = Engine::new(Config::default());
    for (rule, given, expected) in cases {
        let error = engine.add_rule(rule, &params(given)).unwrap_err().to_string();
        assert!(error.contains(expected), "{given:?}: {error}");
    }
    assert_eq!(engine.add_rule("spread", &params(&[("open", "0.1")])), Ok(0));
    assert_eq!(engine.add_rule("complement", &params(&[])), Ok(1));
}

#[test]
fn a_wide_spread_opens_and_closes_with_hysteresis() {
    let mut desk = Desk::one(&[("open", "0.05"), ("close", "0.03")]);
    assert_eq!(desk.touch("0.40", "10", "0.449", "7"), [""; 0]);
    let open = desk.signals("0.40", "10", "0.45", "7");
    assert_eq!(open.len(), 1);
    let signal = &open[0];
    assert_eq!((signal.phase, signal.reason, signal.direction), (Phase::Open, CloseReason::None, 0));
    assert_eq!(
        (signal.value, signal.gross_edge, signal.net_edge, signal.fee),
        (50_000_000, 50_000_000, 50_000_000, 0)
    );
    assert_eq!((signal.qty, signal.qty_open), (700_000_000, 700_000_000));
    assert_eq!(signal.capital, 2_800_000_000, "seven shares at the bid");
    let legs: Vec<_> =
        signal.legs.iter().map(|l| (l.sell, l.avg_price, l.worst_price, l.state)).collect();
    assert_eq!(
        legs,
        [(false, 400_000_000, 400_000_000, State::Live), (true, 450_000_000, 450_000_000, State::Live)]
    );
    assert_eq!(desk.touch("0.41", "10", "0.45", "7"), ["update"]);
    assert_eq!(desk.touch("0.41", "10", "0.441", "7"), ["update"]);
    assert_eq!(desk.touch("0.42", "10", "0.45", "7"), ["update"], "0.03 is still as wide as asked");
    assert_eq!(desk.touch("0.42", "10", "0.449", "7"), ["close edge"]);
    assert_eq!(desk.touch("0.42", "10", "0.465", "7"), [""; 0], "0.045 opens nothing");
    assert_eq!(desk.touch("0.42", "10", "0.48", "7"), ["open"]);
}

#[test]
fn the_life_of_a_signal_is_told_once_each() {
    let mut desk = Desk::one(&[("open", "0.05")]);
    let opened = desk.signals("0.40", "10", "0.45", "7").remove(0);
    let opened_at = desk.ts;
    let wider = desk.signals("0.38", "10", "0.45", "9").remove(0);
    assert_eq!(desk.signals("0.38", "10", "0.45", "9"), [], "nothing changed, nothing told");
    assert_eq!(desk.deeper(), [""; 0], "what lies deeper does not concern a spread");
    let narrower = desk.signals("0.39", "10", "0.45", "9").remove(0);
    let closed = desk.signals("0.44", "10", "0.45", "9").remove(0);
    assert!([&wider, &narrower, &closed].iter().all(|s| s.id == opened.id && s.ts_open == opened_at));
    assert_eq!(
        (wider.phase, narrower.phase, closed.phase),
        (Phase::Update, Phase::Update, Phase::Close)
    );
    assert_eq!((wider.qty_open, wider.qty), (700_000_000, 900_000_000));
    assert_eq!([wider.peak_edge, narrower.peak_edge, closed.peak_edge], [70_000_000; 3]);
    assert_eq!(closed.value, 60_000_000, "a close tells the opportunity as it last stood");
    assert_eq!(closed.ts_recv - closed.ts_open, desk.ts - opened_at);
    let again = desk.signals("0.40", "10", "0.45", "7").remove(0);
    assert_eq!((again.phase, again.id), (Phase::Open, opened.id + 1));
}

#[test]
fn basis_points_are_exact() {
    // 0.40 to 0.42: 0.02 over a mid of 0.41 is 487.804878… basis points.
    for (open, opens) in [("487.8048", true), ("487.8049", false), ("488", false), ("487", true)] {
        let mut desk = Desk::one(&[("mode", "bps"), ("open", open)]);
        assert_eq!(desk.touch("0.40", "1", "0.42", "1") == ["open"], opens, "{open}");
    }
    let mut desk = Desk::one(&[("mode", "bps"), ("open", "100")]);
    // Exactly 100: 0.00995 over 0.995 would be off the grid; 0.198 to 0.202 is 200.
    assert_eq!(desk.touch("0.198", "1", "0.202", "1"), ["open"]);
    assert_eq!(desk.touch("0.199", "1", "0.201", "1"), ["update"], "exactly 100 is enough");
    assert_eq!(desk.touch("0.1991", "1", "0.201", "1"), ["close edge"]);
}

#[test]
fn a_tight_spread_is_the_other_way_round() {
    let mut desk = Desk::one(&[("when", "tight"), ("open", "0.01"), ("close", "0.02")]);
    assert_eq!(desk.touch("0.40", "1", "0.411", "1"), [""; 0]);
    assert_eq!(desk.touch("0.40", "1", "0.41", "1"), ["open"]);
    assert_eq!(desk.touch("0.40", "1", "0.42", "1"), ["update"]);
    assert_eq!(desk.touch("0.40", "1", "0.421", "1"), ["close edge"]);
    assert_eq!(desk.touch("0.42", "1", "0.42", "1"), [""; 0], "a locked book is no opportunity");
    assert_eq!(desk.refused(Refusal::Crossed), 1);
}

#[test]
fn a_book_of_one_side_has_no_spread() {
    let mut desk = Desk::one(&[("open", "0.05")]);
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), ["open"]);
    assert_eq!(desk.one_sided("0.40", "1"), ["close edge"]);
}

#[test]
fn a_book_that_is_not_live_closes_and_refuses() {
    let mut desk = Desk::one(&[("open", "0.05")]);
    desk.touch("0.40", "1", "0.45", "1");
    desk.engine.disconnected(0, desk.ts);
    assert_eq!(desk.lives(), ["close not_live"]);
    desk.engine.connected(0, Venue::POLYMARKET, "", desk.ts).unwrap();
    assert_eq!(desk.lives(), [""; 0]);
    assert_eq!(desk.touch("0.44", "1", "0.45", "1"), [""; 0], "never at the prices of before");
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), ["open"]);
}

#[test]
fn a_rule_that_is_removed_closes_and_is_asked_no_more() {
    let mut desk = Desk::one(&[("open", "0.05")]);
    desk.engine.add_rule("spread", &params(&[("open", "0.04")])).unwrap();
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), ["open", "open"]);
    desk.engine.remove_rule(0, desk.ts).unwrap();
    assert_eq!(desk.lives(), ["close removed"]);
    assert_eq!(desk.touch("0.41", "1", "0.45", "1"), ["update"], "of the other rule");
    assert_eq!(desk.engine.remove_rule(0, desk.ts), Err(EngineError::NoRule(0)));
    assert_eq!(desk.engine.remove_rule(2, desk.ts), Err(EngineError::NoRule(2)));
    let number = desk.engine.add_rule("spread", &params(&[("open", "0.05")])).unwrap();
    assert_eq!((number, desk.touch("0.40", "1", "0.45", "1").len()), (2, 2));
    // A book that stands already is news to a new rule.
    desk.engine.add_rule("spread", &params(&[("open", "0.05")])).unwrap();
    assert_eq!(desk.deeper(), ["open"]);
    // What comes is watched by those that are left.
    desk.subscribe("1", "m1", "0");
    let ids: Vec<_> =
        desk.book_of(1, &[("0.40", "1")], &[("0.47", "1")]).iter().map(|s| s.rule_id).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn a_leg_that_is_let_go_of_is_no_leg_of_what_takes_its_place() {
    let mut desk = Desk::with(policy(HashCheck::Off), 2);
    desk.engine.add_rule("spread", &params(&[("open", "0.05")])).unwrap();
    let legs = [("a", "polymarket 0 yes"), ("b", "polymarket 1 yes")];
    desk.engine.add_rule("box", &params(&legs)).unwrap();
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), ["open"]);
    desk.engine.unsubscribe(0, desk.ts).unwrap();
    assert_eq!(desk.lives(), ["close not_live"]);
    desk.engine.forget(0).unwrap();
    desk.subscribe("2", "m2", "0");
    desk.symbols.swap(0, 2);
    let refused = desk.engine.refusals();
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), ["open"], "at once: it did not cool down");
    desk.book_of(1, &[("0.30", "1")], &[("0.31", "1")]);
    assert_eq!(desk.engine.refusals(), refused, "no box is asked");
}

#[test]
fn evidence_that_grows_old_closes() {
    let mut desk = Desk::one(&[("open", "0.05"), ("max_age_ms", "500")]);
    desk.touch("0.40", "1", "0.45", "1");
    assert_eq!(desk.wait(500 * MS), [""; 0]);
    assert_eq!(desk.wait(1), ["close age"]);
    assert_eq!(desk.refused(Refusal::Age), 1);
    assert_eq!(desk.touch("0.39", "1", "0.45", "1"), ["open"]);
}

#[test]
fn a_size_below_the_minimum_refuses_and_closes() {
    let mut desk = Desk::one(&[("open", "0.05"), ("min_qty", "5")]);
    assert_eq!(desk.touch("0.40", "4.99", "0.45", "9"), [""; 0]);
    assert_eq!(desk.refused(Refusal::MinQty), 1);
    assert_eq!(desk.touch("0.40", "5", "0.45", "9"), ["open"]);
    assert_eq!(desk.touch("0.40", "5", "0.45", "4"), ["close min_qty"]);
}

#[test]
fn an_opportunity_must_last_its_hold() {
    let mut desk = Desk::one(&[("open", "0.05"), ("min_hold_ms", "100")]);
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), [""; 0]);
    assert_eq!(desk.refused(Refusal::Hold), 1);
    assert_eq!(desk.wait(99 * MS), [""; 0]);
    assert_eq!(desk.wait(MS), ["open"], "by time alone");
    desk.touch("0.44", "1", "0.45", "1");
    // Gone in between: the hold begins again.
    desk.touch("0.40", "1", "0.45", "1");
    assert_eq!(desk.wait(90 * MS), [""; 0]);
    desk.touch("0.44", "1", "0.45", "1");
    desk.touch("0.40", "1", "0.45", "1");
    assert_eq!(desk.wait(90 * MS), [""; 0]);
    assert_eq!(desk.wait(10 * MS), ["open"]);
}

#[test]
fn a_closed_opportunity_cools_down() {
    let mut desk = Desk::one(&[("open", "0.05"), ("cooldown_ms", "100")]);
    desk.touch("0.40", "1", "0.45", "1");
    assert_eq!(desk.touch("0.44", "1", "0.45", "1"), ["close edge"]);
    assert_eq!(desk.touch("0.40", "1", "0.45", "1"), [""; 0]);
    assert_eq!(desk.refused(Refusal::Cooldown), 1);
    assert_eq!(desk.wait(97 * MS), [""; 0]);
    assert_eq!(desk.wait(5 * MS), ["open"], "when it is over, without waiting for a change");
}

#[test]
fn an_open_batch_gives_no_signal() {
    let mut desk = Desk::one(&[("open", "0.05")]);
    desk.touch("0.44", "1", "0.45", "1");
    // The bid is gone; the venue's own best says that there is more to come.
    assert_eq!(desk.changed("0.44", "0", "BUY", "0.43", "0.45"), [""; 0]);
    assert_eq!(desk.wait(SECOND / 10), [""; 0]);
    assert_eq!(desk.engine.book(0).unwrap().shown_state(), State::Suspect);
    assert_eq!(desk.changed("0.46", "5", "SELL", "0.43", "0.45"), [""; 0]);
    assert_eq!(desk.wait(SECOND / 2), [""; 0]);
    assert!(desk.refused(Refusal::NotLive) > 0, "the spread is wide, the book is suspect");
}

#[test]
fn every_rule_watches_every_instrument() {
    let mut desk = Desk::with(policy(HashCheck::Off), 3);
    desk.engine.add_rule("spread", &params(&[("open", "0.05")])).unwrap();
    desk.engine.add_rule("spread", &params(&[("open", "0.10")])).unwrap();
    for id in 0..3 {
        let signals = desk.book_of(id, &[("0.40", "1")], &[("0.51", "1")]);
        let seen: Vec<_> = signals.iter().map(|s| (s.rule_id, s.legs[0].instrument)).collect();
        assert_eq!(seen, [(0, id), (1, id)]);
        assert_eq!(signals[0].legs.len(), 2);
    }
    desk.subscribe("99", "m9", "0");
    assert_eq!(desk.book_of(3, &[("0.40", "1")], &[("0.51", "1")]).len(), 2, "and new ones");
}
