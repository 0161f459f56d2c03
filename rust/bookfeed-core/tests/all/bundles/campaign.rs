//! Seeded streams of two venues, and after each frame the whole question put anew: an
//! opportunity is open if and only if gates and walk, asked naively of the books as they stand,
//! would have it.

use super::oracle::{DIRECT, Leg, Outcome, QUARTER, Question, Schedule, Side, turned};
use super::pit::{Listed, Pit, Sides};
use crate::support::Rng;
use crate::support::kalshi::{BOOKS, NEWS};
use crate::support::venue::MS;
use bookfeed_core::engine::Config;
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument::MarketStatus;
use bookfeed_core::instrument::Venue;
use std::collections::{BTreeMap, BTreeSet};

const CENT: i64 = 10_000_000;
const MAX_AGE: i64 = 2_000 * MS;
const MAX_SKEW: i64 = 500 * MS;
const MAX_LAG: i64 = 300 * MS;
/// Instruments and views: what tells bundles of a rule apart.
type Key = (usize, Vec<(u32, bool)>);

struct Rule {
    subjects: Vec<(Vec<(usize, bool)>, i64)>,
    max_lag: i64,
    confirm: bool,
}

struct Run {
    rng: Rng,
    pit: Pit,
    rules: Vec<Rule>,
    open: BTreeSet<Key>,
    /// Whether Kalshi was heard of behind Polymarket, and ahead of it, since what is not open yet
    /// was first found.
    found: BTreeMap<Key, [bool; 2]>,
    seen: usize,
    /// Multiplier of the event's fees at Kalshi.
    multiplier: i64,
    /// Newest venue times heard on the stream of books, and from Polymarket.
    heard: [Option<u64>; 2],
    /// Receive time less venue time of the messages that stated those first.
    behind: [i64; 2],
    /// What rests of the user's own in each book: bids and asks.
    own: [[Side; 2]; 4],
    counts: BTreeMap<&'static str, u64>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut pit = Pit::new(Config { silence: 0, ..Config::default() });
        let kalshi = Some(Schedule::Kalshi(PRICE_ONE, 0, DIRECT));
        for _ in 0..3 {
            pit.list(Venue::KALSHI, Listed { schedule: kalshi, ..Listed::default() });
        }
        pit.list(
            Venue::POLYMARKET,
            Listed { schedule: Some(Schedule::Polymarket(40_000_000)), ..Listed::default() },
        );
        let gates = [("max_age_ms", "2000"), ("max_skew_ms", "500"), ("min_edge", "0.002")];
        let (a, b) = (pit.leg(0, false), pit.leg(3, true));
        let across = [
            ("a", a.as_str()),
            ("b", &b),
            ("max_lag_ms", "300"),
            ("polarity_check", "off"),
            ("confirm", "on"),
        ];
        pit.rule("box", &[&across[..], &gates[..]].concat());
        let ladder = pit.legs(&[(0, false), (1, false), (2, false)]);
        pit.rule("ladder", &[&[("legs", ladder.as_str())], &gates[..]].concat());
        let basket = pit.legs(&[(1, false), (2, true), (3, false)]);
        pit.rule(
            "basket",
            &[&[("legs", basket.as_str()), ("exhaustive", "true"), ("max_lag_ms", "0")], &gates[..]]
                .concat(),
        );
        let (yes, no) = (false, true);
        let pair = |a, b| (vec![a, b], PRICE_ONE);
        let rules = vec![
            Rule {
                subjects: vec![pair((0, yes), (3, yes)), pair((0, no), (3, no))],
                max_lag: MAX_LAG,
                confirm: true,
            },
            Rule {
                subjects: [(0, 1), (0, 2), (1, 2)].map(|(l, h)| pair((l, yes), (h, no))).into(),
                max_lag: 0,
                confirm: false,
            },
            Rule {
                subjects: vec![
                    (vec![(1, no), (2, yes), (3, no)], 2 * PRICE_ONE),
                    (vec![(1, yes), (2, no), (3, yes)], PRICE_ONE),
                ],
                max_lag: 0,
                confirm: false,
            },
        ];
        Self {
            rng: Rng(seed),
            pit,
            rules,
            open: BTreeSet::new(),
            found: BTreeMap::new(),
            seen: 0,
            multiplier: PRICE_ONE,
            heard: [None; 2],
            behind: [0; 2],
            own: Default::default(),
            counts: BTreeMap::new(),
        }
    }

    /// A message came, just now, that states this venue time.
    fn hear(&mut self, venue: usize, ms: u64) {
        if self.heard[venue] < Some(ms) {
            self.heard[venue] = Some(ms);
            self.behind[venue] = self.pit.ts - i64::try_from(ms).unwrap() * MS;
        }
    }

    fn size(&mut self) -> i64 {
        QUARTER * i64::try_from(1 + self.rng.below(20)).unwrap()
    }

    /// A book around a third, or two thirds where the rules take the opposite.
    fn random_book(&mut self, n: usize) -> Sides {
        let around = if n == 2 || (n == 3 && self.rng.once_in(2)) { 50 } else { 34 };
        let mid = CENT * (around + i64::try_from(self.rng.below(16)).unwrap() - 8);
        let mut side = |worse: i64| -> Side {
            (1..=1 + i64::try_from(self.rng.below(3)).unwrap())
                .map(|i| (mid + worse * i * CENT / 2, self.size()))
                .collect()
        };
        Sides { bids: side(-1), asks: side(1) }
    }

    fn step(&mut self) {
        self.pit.ts += MS * i64::try_from(self.rng.below(60)).unwrap();
        if self.rng.once_in(30) {
            self.pit.ts += *self.rng.pick(&[700 * MS, 2_100 * MS]);
        }
        // The venue's clock goes with receive time, and Kalshi's messages may be late.
        let now = u64::try_from(self.pit.ts / MS).unwrap();
        self.pit.kalshi.ms = now;
        let late = if self.rng.once_in(3) { u64::try_from(self.rng.below(800)).unwrap() } else { 0 };
        match self.rng.below(20) {
            0..=5 => {
                let n = self.rng.below(3);
                let book = self.random_book(n);
                self.pit.book(n, &book);
            }
            6..=9 => {
                let book = self.random_book(3);
                self.pit.book(3, &book);
                self.hear(1, self.pit.kalshi.ms);
            }
            10..=14 => {
                self.pit.kalshi.ms = now - late;
                let n = self.rng.below(3);
                self.pit.beat(n);
                self.hear(0, now - late);
            }
            15 => self.overlap(now),
            16 => {
                let word = self.rng.word(&["activated", "activated", "activated", "deactivated"]);
                let n = self.rng.below(3);
                let frame = self.pit.kalshi.lifecycle(n, word, "");
                self.pit.say(0, &frame);
            }
            17 => {
                self.multiplier = *self.rng.pick(&[PRICE_ONE, PRICE_ONE, PRICE_ONE / 2, 0]);
                let seq = self.pit.kalshi.seq(NEWS);
                let frame = format!(
                    r#"{{"type":"event_fee_update","sid":{NEWS},"seq":{seq},"msg":{{"event_ticker":"E","fee_type_override":null,"fee_multiplier_override":{}}}}}"#,
                    bookfeed_core::fixed::format_decimal(self.multiplier, 9)
                );
                self.pit.say(0, &frame);
            }
            18 if self.rng.once_in(4) => {
                self.pit.kalshi.seq(BOOKS);
                self.pit.beat(0);
                self.hear(0, now);
            }
            19 => self.rest(),
            _ => {
                self.pit.wait(MS);
            }
        }
        self.pit.wait(0);
    }

    /// A bid of a dollar's neighbour: the book overlaps, and may come apart in the next frame.
    fn overlap(&mut self, now: u64) {
        let n = self.rng.below(3);
        let frame = self.pit.kalshi.delta(n, true, 9_000, 25);
        self.pit.say(0, &frame);
        self.hear(0, now);
        self.pit.wait(0);
        self.compare();
        if self.rng.once_in(2) {
            let frame = self.pit.kalshi.delta(n, true, 9_000, -25);
            self.pit.say(0, &frame);
        }
    }

    /// The user's own orders rest in a book, at its levels and elsewhere, or no more.
    fn rest(&mut self) {
        let n = self.rng.below(4);
        let id = u32::try_from(n).unwrap();
        let book = self.pit.engine.book(id).unwrap();
        let levels: [Side; 2] = [book.bids.best_first().collect(), book.asks.best_first().collect()];
        let most = *self.rng.pick(&[0, 1, 20]);
        for (own, levels) in self.own[n].iter_mut().zip(levels) {
            own.clear();
            for (price, qty) in levels.into_iter().chain([(CENT, QUARTER)]) {
                let size = QUARTER * i64::try_from(self.rng.below(1 + most)).unwrap();
                let size = if self.rng.once_in(3) { qty.min(size * 40) } else { size };
                if size > 0 && own.iter().all(|&(at, _)| at != price) {
                    own.push((price, size));
                }
            }
        }
        let [bids, asks] = &self.own[n];
        self.pit.engine.own_resting(id, bids, asks, self.pit.ts).unwrap();
    }

    /// What a leg finds; without the user's own orders, if it is asked `net` of them.
    fn leg(&self, n: usize, no: bool, net: bool) -> Leg {
        let book = self.pit.engine.book(u32::try_from(n).unwrap()).unwrap();
        let others = |levels: Side, own: &Side| -> Side {
            let own = |price| own.iter().filter(|l| net && l.0 == price).map(|l| l.1).sum::<i64>();
            let left = levels.into_iter().map(|(price, qty)| (price, qty - own(price)));
            left.filter(|&(_, qty)| qty > 0).collect()
        };
        let [own_bids, own_asks] = &self.own[n];
        let bids = others(book.bids.best_first().collect(), own_bids);
        let asks = others(book.asks.best_first().collect(), own_asks);
        let fees = match n {
            3 => Schedule::Polymarket(40_000_000),
            _ => Schedule::Kalshi(self.multiplier, 0, DIRECT),
        };
        Leg { taken: if no { turned(&bids) } else { asks }, resting: None, fees }
    }

    /// The naive question.
    fn shut(&self, rule: &Rule, legs: &[(usize, bool)], payout: i64) -> Option<&'static str> {
        let (engine, now) = (&self.pit.engine, self.pit.ts);
        let ids: Vec<u32> = legs.iter().map(|l| u32::try_from(l.0).unwrap()).collect();
        if ids.iter().any(|&id| !engine.book(id).unwrap().believable()) {
            return Some("not_live");
        }
        if ids.iter().any(|&id| engine.instruments().at(id).unwrap().status(now) != MarketStatus::Open) {
            return Some("status");
        }
        let proved: Vec<_> = ids.iter().map(|&id| engine.ts_evidence(id)).collect();
        let span = |times: &[i64]| times.iter().max().unwrap() - times.iter().min().unwrap();
        if proved.iter().any(|ts| now - ts > MAX_AGE) {
            return Some("age");
        }
        if span(&proved) > MAX_SKEW {
            return Some("skew");
        }
        if rule.max_lag > 0 {
            let [a, b] = self.behind;
            if self.heard.contains(&None) || (a - b).abs() > rule.max_lag {
                return Some("lag");
            }
        }
        let [whole, net] = [false, true]
            .map(|net| legs.iter().map(|&(n, no)| self.leg(n, no, net)).collect::<Vec<_>>());
        let question =
            Question { sell: false, payout, min_edge: 2_000_000, min_qty: 1, max_qty: i64::MAX };
        match question.ask(&whole) {
            Outcome::Found(_) => match question.ask(&net) {
                Outcome::Found(_) => None,
                _ => Some("own"),
            },
            Outcome::Quiet => Some("quiet"),
            _ => Some("fees"),
        }
    }

    fn compare(&mut self) {
        for signal in &self.pit.signals[self.seen..] {
            let legs = signal.legs.iter().map(|l| (l.instrument, l.complement)).collect();
            let key = (usize::try_from(signal.rule_id).unwrap(), legs);
            match signal.phase.name() {
                "open" => assert!(self.open.insert(key), "{signal:?}"),
                "close" => assert!(self.open.remove(&key), "{signal:?}"),
                _ => assert!(self.open.contains(&key), "{signal:?}"),
            }
        }
        self.seen = self.pit.signals.len();
        for (rule_id, rule) in self.rules.iter().enumerate() {
            for (legs, payout) in &rule.subjects {
                let named = legs.iter().map(|&(n, no)| (u32::try_from(n).unwrap(), no)).collect();
                let key = (rule_id, named);
                let open = self.open.contains(&key);
                let mut shut = self.shut(rule, legs, *payout);
                if shut.is_some() {
                    self.found.remove(&key);
                } else if rule.confirm && !open {
                    let order = self.found.entry(key).or_default();
                    order[0] |= self.heard[0] < self.heard[1];
                    order[1] |= self.heard[0] > self.heard[1];
                    shut = (*order != [true; 2]).then_some("unconfirmed");
                }
                assert_eq!(open, shut.is_none(), "rule {rule_id} {legs:?} {shut:?}");
                *self.counts.entry(shut.unwrap_or("open")).or_default() += 1;
            }
        }
    }
}

#[test]
fn what_is_open_is_what_a_naive_question_finds_at_every_moment() {
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..60 {
        let mut run = Run::new(seed);
        for n in 0..4 {
            let book = run.random_book(n);
            run.pit.book(n, &book);
        }
        run.hear(1, run.pit.kalshi.ms);
        for _ in 0..250 {
            run.step();
            run.compare();
        }
        run.counts.into_iter().for_each(|(why, n)| *all.entry(why).or_default() += n);
    }
    for why in
        ["open", "quiet", "not_live", "status", "age", "skew", "lag", "fees", "unconfirmed", "own"]
    {
        assert!(all.get(why).copied().unwrap_or(0) > 100, "{why} in {all:?}");
    }
}
