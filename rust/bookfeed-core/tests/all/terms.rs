//! What the engine says contracts on a reference are worth: held, tick by tick, against windows and
//! volatilities that are fed by hand. What those say of ticks, `fairvalue.rs` holds.

use crate::support::Rng;
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::fairvalue::{Doubt, FairValue, Payoff, Tails, Volatility, fair_value};
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument::{InstrumentId, Venue};
use bookfeed_core::settlement::{
    Endpoints, Measure, Outcome, Reading, Rule, Sampling, Tie, VALUE_ONE, Value, Window,
};
use bookfeed_core::signals::Params;
use bookfeed_core::time::SECOND;

const START: i64 = 1_790_000_100 * SECOND;
const END: i64 = START + 900 * SECOND;
const SPOT: Value = 84_000 * VALUE_ONE;

fn params(all: &[(&str, &str)]) -> Params {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Terms of a window on `told btc`, and more.
fn terms(more: &[(&str, &str)]) -> Params {
    let (start, end) = (START.to_string(), END.to_string());
    let usual = [("reference", "told btc"), ("start_ts", &start), ("end_ts", &end)];
    let mut all = params(&usual);
    all.extend(params(more));
    all
}

fn engine(books: usize) -> (Engine, Vec<InstrumentId>) {
    let mut engine = Engine::new(Config { digest: true, ..Config::default() });
    engine.connected(0, Venue::POLYMARKET, "", 1).unwrap();
    let listing = Listing::default();
    let ids = (0..books)
        .map(|n| engine.subscribe(Venue::POLYMARKET, &format!("up{n}"), 0, &listing, 1).unwrap());
    let ids = ids.collect();
    (engine, ids)
}

/// A walk of a reference: a tick in most seconds, some of them between, some late.
fn walk(rng: &mut Rng, seconds: i64) -> Vec<(i64, Value)> {
    let (mut at, mut value, mut ticks) = (START - 400 * SECOND, SPOT, Vec::new());
    while at < START - 400 * SECOND + seconds * SECOND {
        value += i128::try_from(rng.below(2_001)).unwrap() * (VALUE_ONE / 100) - 10 * VALUE_ONE;
        let between = if rng.once_in(6) { 200_000_000 } else { SECOND };
        at += if rng.once_in(40) { between * 3 } else { between };
        let told = if rng.once_in(30) { at - 5 * SECOND } else { at };
        ticks.push((told, value));
    }
    ticks
}

/// One contract by hand: a window, a volatility, and when it pays.
struct ByHand {
    window: Window,
    volatility: Volatility,
    payoff: Option<Payoff>,
    tails: Tails,
    doubt: Doubt,
}

impl ByHand {
    fn tick(&mut self, at: i64, value: Value) -> Option<FairValue> {
        self.window.tick(at, value);
        self.volatility.tick(at, value);
        let payoff = self.payoff.or_else(|| Some(Payoff::at_least(self.window.strike()?)))?;
        fair_value(payoff, &self.window.ahead()?, &self.volatility, self.tails, self.doubt, at)
    }
}

/// Terms as they are written, and the same by hand.
fn contracts() -> Vec<(Params, ByHand)> {
    let minute = Measure::Mean(Sampling::MINUTE);
    let by_end = Measure::Mean(Sampling { endpoints: Endpoints::End, ..Sampling::MINUTE });
    let short = Measure::Mean(Sampling { samples: 10, step: 2 * SECOND, endpoints: Endpoints::Start });
    let hand = |opening, closing, payoff, half_life: i64, step: i64, tails, doubt| ByHand {
        window: Window::new(START, END, Rule { opening, closing, tie: Tie::Yes }).unwrap(),
        volatility: Volatility::new(half_life * SECOND, step * SECOND).unwrap(),
        payoff,
        tails,
        doubt,
    };
    let (four, usual) = (Tails::new(Some(4), 1.0).unwrap(), Doubt::USUAL);
    let above = Some(Payoff::at_least(SPOT + 20 * VALUE_ONE));
    let range = Some(Payoff::between(SPOT - 30 * VALUE_ONE, SPOT + VALUE_ONE / 2));
    let wide = Doubt { reference: 3 * VALUE_ONE / 2, volatility: 0.5 };
    let fat = Tails::new(Some(7), 1.25).unwrap();
    vec![
        (terms(&[]), hand(minute, minute, None, 300, 10, four, usual)),
        (terms(&[("endpoints", "end")]), hand(by_end, by_end, None, 300, 10, four, usual)),
        (
            terms(&[("at_least", "84020"), ("freedom", "0")]),
            hand(Measure::Tick, minute, above, 300, 10, Tails::NORMAL, usual),
        ),
        (
            terms(&[
                ("at_least", "83970"),
                ("below", "84000.5"),
                ("samples", "10"),
                ("sample_step_ms", "2000"),
                ("half_life_ms", "120000"),
                ("step_ms", "1000"),
                ("freedom", "7"),
                ("scale", "1.25"),
                ("reference_doubt", "1.5"),
                ("volatility_doubt", "0.5"),
            ]),
            hand(Measure::Tick, short, range, 120, 1, fat, wide),
        ),
        (
            terms(&[("opening", "tick"), ("closing", "last"), ("step_ms", "1000")]),
            hand(Measure::Tick, Measure::Last, None, 300, 1, four, usual),
        ),
        (
            terms(&[("opening", "first"), ("closing", "tick"), ("half_life_ms", "60000")]),
            hand(Measure::First, Measure::Tick, None, 60, 10, four, usual),
        ),
    ]
}

#[test]
fn every_contract_is_worth_what_its_window_and_the_volatility_say() {
    let mut values = 0;
    for seed in 0..6 {
        let mut contracts = contracts();
        let (mut engine, ids) = engine(contracts.len());
        for (id, (terms, _)) in ids.iter().zip(&contracts) {
            engine.add_terms(*id, terms, START - 500 * SECOND).unwrap();
        }
        for (at, value) in walk(&mut Rng(seed), 1_400) {
            engine.tell_reference("btc", at, value, at);
            engine.tell_reference("eth", at, value / 40, at);
            for (id, (_, hand)) in ids.iter().zip(&mut contracts) {
                let (got, wanted) = (engine.fair_value(*id), hand.tick(at, value));
                assert_eq!(got, wanted, "seed {seed} at {at}");
                let standing = engine.window(*id).unwrap();
                assert_eq!(standing.closing, hand.window.closing());
                assert_eq!(standing.needed, hand.window.needed());
                assert_eq!(standing.outcome, hand.window.outcome());
                values += u32::from(got.is_some());
            }
        }
    }
    assert!(values > 10_000, "only {values} values");
}

#[test]
fn a_contract_that_comes_later_knows_what_was_told_lately() {
    let (mut engine, ids) = engine(3);
    let usual = terms(&[("at_least", "84000"), ("half_life_ms", "100000")]);
    let slower = terms(&[("at_least", "84000"), ("half_life_ms", "120000")]);
    engine.add_terms(ids[0], &usual, START - 500 * SECOND).unwrap();
    let ticks = walk(&mut Rng(7), 800);
    for &(at, value) in &ticks {
        engine.tell_reference("btc", at, value, at);
    }
    // Its opening is of long ago, and the volatility was measured all the time.
    let later = START + 400 * SECOND;
    engine.add_terms(ids[1], &usual, later).unwrap();
    engine.add_terms(ids[2], &slower, later).unwrap();
    assert_eq!(engine.fair_value(ids[1]), None, "the reference has not ticked since");
    engine.tell_reference("btc", later + SECOND, SPOT, later + SECOND);
    assert_eq!(engine.window(ids[0]), engine.window(ids[1]));
    assert!(matches!(engine.window(ids[1]).unwrap().opening, Reading::Known(_) | Reading::Missing(_)));
    let [first, second, third] = [0, 1, 2].map(|n| engine.fair_value(ids[n]).unwrap());
    assert_eq!(first, second);
    assert_eq!((first.expected, first.at), (third.expected, third.at));
}

#[test]
fn a_strike_that_is_told_overrules_what_was_read() {
    let (mut engine, ids) = engine(2);
    let usual = ("half_life_ms", "60000");
    engine.add_terms(ids[0], &terms(&[usual]), 1).unwrap();
    engine.add_terms(ids[1], &terms(&[usual, ("strike", "83000")]), 1).unwrap();
    for second in 0..500 {
        let value = SPOT + Value::from(second % 7) * VALUE_ONE;
        engine.tell_reference("btc", START + second * SECOND, value, START + second * SECOND);
    }
    // What makes no sense is left out.
    engine.tell_reference("btc", START + 500 * SECOND, Value::MAX, START + 500 * SECOND);
    engine.tell_reference("btc", -1, Value::MIN, START + 500 * SECOND);
    // The window's own beginning was not heard.
    assert!(matches!(engine.window(ids[0]).unwrap().opening, Reading::Missing(_)));
    assert_eq!(engine.fair_value(ids[0]), None);
    engine.tell_strike(ids[0], 83_000 * VALUE_ONE, START + 500 * SECOND).unwrap();
    engine.tell_reference("btc", START + 500 * SECOND, SPOT, START + 500 * SECOND);
    let fair = engine.fair_value(ids[0]).unwrap();
    assert_eq!(engine.fair_value(ids[1]), Some(fair));
    assert!(fair.low <= fair.price && fair.price <= fair.high && fair.high <= PRICE_ONE);
    assert_eq!((fair.at, fair.reference_age), (START + 500 * SECOND, 0));
    let refused = engine.tell_strike(ids[0], 0, START + 501 * SECOND).unwrap_err();
    assert!(refused.0.contains("a strike must be positive"), "{refused}");
}

#[test]
fn an_instrument_that_is_gone_has_no_terms() {
    let (mut engine, ids) = engine(2);
    let all = [("at_least", "84000"), ("step_ms", "1000"), ("half_life_ms", "2000")];
    engine.add_terms(ids[0], &terms(&all), 1).unwrap();
    engine.add_terms(ids[1], &terms(&all), 1).unwrap();
    for second in 0..20 {
        engine.tell_reference("btc", START + second * SECOND, SPOT + Value::from(second), 2);
    }
    assert!(engine.fair_value(ids[0]).is_some());
    assert_eq!(engine.window(ids[0]).unwrap().outcome, Outcome::Open);
    engine.unsubscribe(ids[0], 3).unwrap();
    engine.forget(ids[0]).unwrap();
    assert_eq!((engine.fair_value(ids[0]), engine.window(ids[0])), (None, None));
    engine.tell_reference("btc", START + 21 * SECOND, SPOT, 5);
    assert_eq!(engine.fair_value(ids[0]), None);
    assert_eq!(engine.fair_value(ids[1]).unwrap().at, START + 21 * SECOND);
    assert!(engine.add_terms(ids[0], &terms(&all), 6).is_err());
    assert!(engine.tell_strike(ids[0], SPOT, 6).is_err());
}

#[test]
fn bad_terms_say_what_is_allowed() {
    let (mut engine, ids) = engine(1);
    for (more, complaint) in [
        (("reference", "btc"), "terms: reference must be index, venue, told or trades and a name"),
        (("reference", "index "), "terms: reference must be index, venue, told or trades and a name"),
        (("end_ts", "1790000100000000000"), "terms: a window must end after it starts"),
        (("end_ts", "soon"), "terms: end_ts must be Unix nanoseconds"),
        (("samples", "0"), "terms: a mean needs 1 to 3,600 samples"),
        (("endpoints", "both"), "terms: endpoints must be one of start, end"),
        (("opening", "mode"), "terms: opening must be one of mean, tick, first, last"),
        (("tie", "no"), "terms: tie must be one of yes, half"),
        (("strike", "0"), "terms: a strike must be positive"),
        (("strike", "-1"), "terms: strike must be a plain decimal such as \"84000.01\""),
        (("freedom", "2"), "terms: degrees of freedom must be 3 to 100"),
        (("scale", "0"), "terms: the scale must be above 0"),
        (("scale", "101"), "terms: scale must be at most 100"),
        (("step_ms", "300000"), "terms: the half-life must be longer than the least step"),
        (("venue", "x"), "terms: no parameter \"venue\"; there are reference, decided_by"),
    ] {
        let error = engine.add_terms(ids[0], &terms(&[more]), 1).unwrap_err();
        assert!(error.0.contains(complaint), "{more:?}: {error}");
    }
    let range = [("at_least", "2"), ("below", "2")];
    let error = engine.add_terms(ids[0], &terms(&range), 1).unwrap_err();
    assert!(error.0.contains("below must be above at_least"), "{error}");
    let error = engine.add_terms(ids[0], &params(&[("reference", "told x")]), 1).unwrap_err();
    assert_eq!(error.0, "terms: end_ts is required");
    assert_eq!(engine.window(ids[0]), None);
    for number in 0..64 {
        let name = format!("told r{number}");
        engine.add_terms(ids[0], &terms(&[("reference", &name)]), 1).unwrap();
    }
    let error = engine.add_terms(ids[0], &terms(&[]), 1).unwrap_err();
    assert!(error.0.contains("at most 64 references"), "{error}");
    assert!(engine.window(ids[0]).is_some(), "what was said before stays");
}
