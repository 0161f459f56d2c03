//! What a contract is worth by its reference against what it costs: after each change of a book and
//! each tick the whole question is put anew, by the oracle's walk and the gates in words.

use super::oracle::{Answer, DIRECT, Leg, Outcome, QUARTER, Question, Schedule, Side, turned};
use super::pit::{Listed, Pit, Sides, params};
use crate::support::Rng;
use crate::support::records::Signal;
use crate::support::venue::MS;
use bookfeed_core::engine::Config;
use bookfeed_core::fixed::{ABSENT, PRICE_ONE};
use bookfeed_core::instrument::Venue;
use bookfeed_core::settlement::{VALUE_ONE, Value};
use bookfeed_core::signals::Refusal;
use bookfeed_core::time::SECOND;
use std::collections::BTreeMap;

const CENT: i64 = 10_000_000;
const VENUES: [Venue; 2] = [Venue::KALSHI, Venue::POLYMARKET];
const EDGE: i64 = 5_000_000;
const REFERENCE_AGE: i64 = 900 * MS;

fn schedule(venue: Venue) -> Schedule {
    if venue == Venue::KALSHI {
        Schedule::Kalshi(PRICE_ONE, 0, DIRECT)
    } else {
        Schedule::Polymarket(40_000_000)
    }
}

/// Terms on `told btc` from a strike on.
fn terms(pit: &mut Pit, n: usize, strike: &str) {
    let end = (pit.ts + 600 * SECOND).to_string();
    let all = [
        ("reference", "told btc"),
        ("end_ts", &end),
        ("at_least", strike),
        ("step_ms", "1000"),
        ("half_life_ms", "4000"),
    ];
    let (id, ts) = (pit.places[n].id, pit.ts);
    pit.engine.add_terms(id, &params(&all), ts).unwrap();
}

/// Time passes here and at the venues, and the reference ticks.
fn tick(pit: &mut Pit, value: Value, after_ms: i64) -> Vec<Signal> {
    pit.ts += after_ms * MS;
    pit.clock(after_ms.unsigned_abs());
    let ts = pit.ts;
    pit.engine.tell_reference("btc", ts, value, ts);
    pit.take()
}

/// Time passes without anything.
fn wait(pit: &mut Pit, ms: u64) -> Vec<String> {
    pit.clock(ms);
    pit.wait(i64::try_from(ms).unwrap() * MS)
}

struct Run {
    rng: Rng,
    pit: Pit,
    books: [Sides; 2],
    value: Value,
    ticked: i64,
    /// What is open: market and whether its other side is bought.
    open: BTreeMap<(usize, bool), Signal>,
    counts: BTreeMap<&'static str, u32>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut pit = Pit::new(Config { silence: 0, ..Config::default() });
        for venue in VENUES {
            pit.list(venue, Listed { schedule: Some(schedule(venue)), ..Listed::default() });
        }
        let gates = [("min_edge", "0.005"), ("max_reference_age_ms", "900"), ("max_age_ms", "100000")];
        pit.rule("fair_value", &gates);
        terms(&mut pit, 0, "84000");
        terms(&mut pit, 1, "84003.5");
        let books = [Sides::default(), Sides::default()];
        let (open, counts) = (BTreeMap::new(), BTreeMap::new());
        Self { rng: Rng(seed), pit, books, value: 84_000 * VALUE_ONE, ticked: 0, open, counts }
    }

    fn side(&mut self, best: i64, worse: i64) -> Side {
        let (mut price, mut side) = (best, Side::new());
        for _ in 0..1 + self.rng.below(4) {
            if price <= 0 || price >= PRICE_ONE {
                break;
            }
            side.push((price, QUARTER * i64::try_from(1 + self.rng.below(20)).unwrap()));
            price += worse * i64::try_from(1 + self.rng.below(3)).unwrap() * CENT;
        }
        side
    }

    fn step(&mut self) {
        let signals = match self.rng.below(10) {
            0..4 => {
                let n = self.rng.below(2);
                let mid = CENT * i64::try_from(15 + self.rng.below(70)).unwrap();
                let book = Sides { bids: self.side(mid - CENT, -1), asks: self.side(mid + CENT, 1) };
                self.books[n] = book.clone();
                self.pit.book(n, &book)
            }
            4..9 => {
                self.value +=
                    i128::try_from(self.rng.below(2_001)).unwrap() * (VALUE_ONE / 1_000) - VALUE_ONE;
                let told = tick(&mut self.pit, self.value, 300);
                self.ticked = self.pit.ts;
                told
            }
            _ => {
                let before = self.pit.signals.len();
                wait(&mut self.pit, 1_000);
                self.pit.signals[before..].to_vec()
            }
        };
        for signal in signals {
            let leg = &signal.legs[0];
            let key = (leg.instrument as usize, leg.complement);
            *self.counts.entry(signal.phase.name()).or_default() += 1;
            if signal.phase.name() == "close" {
                assert!(self.open.remove(&key).is_some());
            } else {
                self.open.insert(key, signal);
            }
        }
        self.judge();
    }

    /// What is open is what a naive question finds, and says the same.
    fn judge(&mut self) {
        for n in 0..2 {
            for other in [false, true] {
                let (answer, shown) = (self.naive(n, other), self.open.get(&(n, other)));
                match (answer, shown) {
                    (None, None) => {}
                    (Some((answer, worth)), Some(signal)) => same(&answer, signal, worth),
                    (answer, shown) => panic!("{n} {other}: {answer:?} here, {shown:?} there"),
                }
            }
        }
    }

    fn naive(&self, n: usize, other: bool) -> Option<(Answer, i64)> {
        let fair = self.pit.engine.fair_value(self.pit.places[n].id)?;
        let book = &self.books[n];
        let stale = self.pit.ts - self.ticked > REFERENCE_AGE;
        if stale || book.bids.is_empty() || book.asks.is_empty() {
            return None;
        }
        let worth = if other { PRICE_ONE - fair.high } else { fair.low };
        let (taken, rest) = if other {
            (turned(&book.bids), PRICE_ONE - book.asks[0].0)
        } else {
            (book.asks.clone(), book.bids[0].0)
        };
        let leg = Leg { taken, resting: Some(rest), fees: schedule(VENUES[n]) };
        let question =
            Question { sell: false, payout: worth, min_edge: EDGE, min_qty: 1, max_qty: i64::MAX };
        match question.ask(&[leg]) {
            Outcome::Found(answer) => Some((answer, worth)),
            _ => None,
        }
    }
}

fn same(answer: &Answer, signal: &Signal, worth: i64) {
    assert_eq!(
        (signal.value, signal.qty, signal.gross_edge, signal.net_edge, signal.fee, signal.capital),
        (answer.value, answer.qty, answer.gross_edge, answer.net_edge, answer.fee, answer.capital)
    );
    assert_eq!(signal.maker_edge, answer.maker_edge.unwrap_or(ABSENT));
    assert!((answer.gross_edge + answer.legs[0].avg_price - worth).abs() <= 1);
}

#[test]
fn what_is_open_is_what_costs_less_than_it_is_worth() {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..12 {
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
        for (phase, count) in run.counts {
            *counts.entry(phase).or_default() += count;
        }
    }
    assert!(["open", "update", "close"].iter().all(|phase| counts[phase] > 100), "{counts:?}");
}

/// A market, and its reference told until its volatility is known.
fn stand() -> Pit {
    let mut pit = Pit::free(Config::default(), &[Venue::KALSHI]);
    pit.rule("fair_value", &[("min_edge", "0.01")]);
    pit.touch(0, 300, 5, 320, 5);
    terms(&mut pit, 0, "84000");
    for second in 0..20 {
        let told = tick(&mut pit, (84_000 + second % 2) * VALUE_ONE, 1_000);
        assert!(told.is_empty() || second > 3, "{told:?}");
    }
    pit
}

#[test]
fn without_its_reference_nothing_is_said() {
    let mut pit = stand();
    let opened = pit.signals.iter().filter(|s| s.phase.name() == "open").count();
    assert_eq!(opened, 1, "a half for a third: {:?}", pit.signals);
    // What is told was relayed, each second and some two seconds late.
    assert_eq!(wait(&mut pit, 4_900), [""; 0]);
    assert_eq!(wait(&mut pit, 200), ["close refused"], "the reference is silent");
    assert_eq!(pit.touch(0, 300, 5, 310, 5), [""; 0]);
    assert_eq!(pit.refused(Refusal::Reference), 2);
    let told = tick(&mut pit, 84_001 * VALUE_ONE, 1);
    assert_eq!(told.iter().map(Signal::short).collect::<Vec<_>>(), ["open"]);
    // Other terms are not known to be worth anything yet.
    terms(&mut pit, 0, "83000");
    assert_eq!(wait(&mut pit, 1), ["close refused"]);
}

#[test]
fn a_book_that_may_not_be_believed_is_no_bargain() {
    let mut pit = stand();
    pit.engine.invalidate(0, bookfeed_core::book::integrity::Cause::Transport, pit.ts + 1);
    assert_eq!(wait(&mut pit, 1), ["close not_live"]);
    let told = tick(&mut pit, 84_001 * VALUE_ONE, 1);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_book_that_does_not_answer_is_late_until_it_has_come_half_way() {
    let mut pit = Pit::free(Config::default(), &[Venue::KALSHI]);
    pit.rule("delay", &[("min_edge", "0.01"), ("min_wait_ms", "400")]);
    terms(&mut pit, 0, "84000");
    for second in 0..20 {
        pit.touch(0, 470 + second % 2 * 10, 5, 500 + second % 2 * 10, 5);
        assert!(tick(&mut pit, (84_000 + Value::from(second % 2)) * VALUE_ONE, 1_000).is_empty());
    }
    let answers = |pit: &Pit| pit.engine.answers(0).unwrap();
    let (before, value) = (answers(&pit), 84_040 * VALUE_ONE);
    assert_eq!((before.moves, before.half_life, before.waiting), (0, None, None));
    assert!(tick(&mut pit, value, 200).is_empty(), "it may answer yet");
    let seen = answers(&pit);
    assert_eq!((seen.moves, seen.waiting.unwrap().waited), (1, 0));
    let fair = pit.engine.fair_value(0).unwrap().price;
    assert!(fair > 600_000_000, "{fair}");
    assert!(tick(&mut pit, value, 200).is_empty());
    let late: Vec<_> = tick(&mut pit, value, 200).iter().map(Signal::short).collect();
    assert_eq!(late, ["open"]);
    assert_eq!(pit.signals.last().unwrap().legs[0].avg_price, 510_000_000, "YES is worth more");
    // A little of the way is no answer, and half of it is, though there is an edge yet.
    assert!(pit.touch(0, 490, 5, 510, 7).iter().all(|step| step == "update"));
    let halfway = (495 + fair / 1_000_000) / 2 + 1;
    assert_eq!(pit.touch(0, halfway, 5, halfway + 10, 5), ["close edge"]);
    assert_eq!(answers(&pit).half_life, None, "it is seen when the reference ticks next");
    assert!(tick(&mut pit, value, 200).is_empty());
    let after = answers(&pit);
    assert_eq!((after.moves, after.half_life, after.waiting), (1, Some(602 * MS), None));
}

/// A box with a gap of strikes pays less, by the chance that both lose, and only the way that pays.
#[test]
fn a_gap_between_strikes_is_charged_with_the_chance_that_both_lose() {
    let mut pit = Pit::free(Config::default(), &VENUES);
    let (a, b) = (pit.leg(0, false), pit.leg(1, false));
    let usual = [
        ("a", a.as_str()),
        ("b", &b),
        ("polarity_check", "off"),
        ("max_lag_ms", "0"),
        ("a_strike", "84000"),
    ];
    let add = |pit: &mut Pit, more: &[(&str, &str)]| {
        pit.rule("strike_gap", &[&usual[..], more].concat());
    };
    // Never both: one reference, and the strike that is bought is the lower.
    add(&mut pit, &[("b_strike", "84010"), ("reference_sd", "0")]);
    // A deviation of 10 apart: 0.158655 for the normal shape, rounded up to a millionth.
    add(&mut pit, &[("b_strike", "84010"), ("reference_sd", "10"), ("freedom", "0")]);
    // The same with a closing value that moves by 100: 0.0833155 · 10 · 0.39894 / 100 = 0.003324.
    let near = [("b_strike", "84010"), ("reference_sd", "10"), ("freedom", "0"), ("closing_sd", "100")];
    add(&mut pit, &near);
    pit.touch(0, 390, 5, 400, 5);
    pit.touch(1, 600, 5, 610, 5);
    let worth = |signal: &Signal| {
        let paid: i64 = signal.legs.iter().map(|leg| leg.avg_price).sum();
        (signal.rule_id, signal.legs[0].complement, signal.gross_edge + paid)
    };
    let told: Vec<_> = pit.signals.iter().map(worth).collect();
    assert_eq!(told, [(0, false, PRICE_ONE), (1, false, 841_344_000), (2, false, 996_676_000)]);
    let chances = |signal: &Signal| (signal.rule_id, signal.both_lose_ppm, signal.both_win_ppm);
    let said: Vec<_> = pit.signals.iter().map(chances).collect();
    assert_eq!(said, [(0, 0, 1_000_000), (1, 158_656, 841_345), (2, 3_324, 43_219)]);
    // The other way both lose between the strikes: by one reference it is not even watched.
    pit.signals.clear();
    pit.touch(0, 960, 5, 970, 5);
    pit.touch(1, 10, 5, 20, 5);
    let mut told: Vec<_> = pit.signals.iter().filter(|s| s.phase.name() == "open").map(worth).collect();
    told.sort_unstable();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], (1, true, PRICE_ONE - 841_345_000));
    // At most the density of the closing value times what both references leave open.
    assert_eq!(told[1], (2, true, PRICE_ONE - 43_219_000));
    let turned = |signal: &&Signal| signal.legs[0].complement && signal.phase.name() == "open";
    let mut said: Vec<_> = pit.signals.iter().filter(turned).map(chances).collect();
    said.sort_unstable();
    assert_eq!(said, [(1, 841_345, 158_656), (2, 43_219, 3_324)], "what the others lose, they win");
}
