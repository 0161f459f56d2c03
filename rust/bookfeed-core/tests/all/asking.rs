//! What is refused is asked about again when something changed for it, and not otherwise. An engine
//! that does so and one that asks at every frame write the same records and count the same refusals:
//! every kind of rule, venues that run late, books that are lost, times of every length.

use crate::support::Rng;
use crate::support::kalshi::{BOOKS, Kalshi, NEWS, TRADES};
use crate::support::texts::mutate;
use crate::support::twins::Twins;
use crate::support::venue::{MS, MS0, Market, T0, policy};
use bookfeed_core::book::integrity::Cause;
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::instrument::{Hours, UNKNOWN, Venue};
use bookfeed_core::signals::{Params, Refusal};
use bookfeed_core::time::{Nanos, SECOND};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A step: what happens, on which connection, and two numbers for whatever has to be chosen.
type Step = [u8; 4];

/// Connections: Kalshi, Polymarket, Kalshi again.
const POLYMARKET: u32 = 1;
/// How many rules there are, of every kind.
const RULES: i64 = 11;
/// What each run is to be refused for.
const REASONS: [Refusal; 13] = [
    Refusal::NotLive,
    Refusal::Status,
    Refusal::Closing,
    Refusal::Age,
    Refusal::Skew,
    Refusal::Lag,
    Refusal::FeeUnknown,
    Refusal::Hold,
    Refusal::Cooldown,
    Refusal::Polarity,
    Refusal::Unconfirmed,
    Refusal::Unproven,
    Refusal::Own,
];
const WEEK: Nanos = 7 * 86_400 * SECOND;
/// Kalshi pauses at this time of a week that begins on a Thursday, in summer.
const PAUSE: Nanos = 7 * 3_600 * SECOND;

/// Venues of two kinds on three connections, and the engines that hear them.
struct Run {
    twins: Twins,
    kalshi: [Kalshi; 2],
    market: Market,
    /// The last frames on each connection.
    past: [Vec<Vec<u8>>; 3],
    rng: Rng,
}

fn params(given: &[(&str, &str)]) -> Params {
    given.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The Kalshi connection that a number stands for, and which of the two it is.
fn kalshi_conn(at: usize) -> u32 {
    [0, 2][at]
}

impl Run {
    fn new(kind: u8) -> Self {
        let hashes = [HashCheck::Off, HashCheck::Sampled][usize::from(kind & 1)];
        let config = Config { silence: 20 * SECOND, unheard: 3 * SECOND, ..policy(hashes) };
        let config = if kind & 2 == 0 { config } else { Config { max_delay: 2 * SECOND, ..config } };
        let mut twins = Twins::of(config, Config { ask_always: true, ..config });
        // A third of the runs come to the pause of a Thursday.
        let late = if kind.is_multiple_of(3) { PAUSE - 3 * SECOND - T0.rem_euclid(WEEK) } else { 0 };
        twins.ts = T0 + late.rem_euclid(WEEK);
        let ms = MS0 + u64::try_from((twins.ts - T0) / MS).unwrap();
        let mut kalshi = [Kalshi::new(3, true), Kalshi::new(1, true)];
        kalshi[1].markets[0].ticker = "KXELSE-26OCT0117-T0".to_owned();
        let market = Market { ms, ..Market::new(0, 12) };
        kalshi.iter_mut().for_each(|venue| venue.ms = ms);
        let (past, rng) = (Default::default(), Rng(u64::from(kind)));
        let mut run = Self { twins, kalshi, market, past, rng };
        run.subscribe();
        run.add_rules();
        run
    }

    fn subscribe(&mut self) {
        let ts = self.twins.ts;
        let hours = [
            Hours::default(),
            Hours { open: Some(ts + 2 * SECOND), close: None },
            Hours { open: None, close: Some(ts + 40 * SECOND) },
        ];
        for (at, venue) in self.kalshi.iter().enumerate() {
            let conn = kalshi_conn(at);
            let up = |e: &mut Engine| {
                e.connected(conn, Venue::KALSHI, "use_yes_price", ts).unwrap();
            };
            self.twins.both(up);
            for (market, hours) in venue.markets.iter().zip(hours) {
                let fee = Some("kalshi:quadratic;0.2;direct");
                let listing = Listing { event: Some("E"), fee, hours, ..Listing::default() };
                let add = |e: &mut Engine| {
                    e.subscribe(Venue::KALSHI, &market.ticker, conn, &listing, ts).unwrap()
                };
                self.twins.both(add);
            }
        }
        let market = self.market.clone();
        self.twins.both(|engine| market.subscribe(engine, POLYMARKET, ts));
        for at in 0..2 {
            for (channel, sid) in [("orderbook_delta", BOOKS), ("market_lifecycle_v2", NEWS)] {
                self.hear(kalshi_conn(at), Kalshi::subscribed(channel, sid).into_bytes());
            }
        }
    }

    fn add_rules(&mut self) {
        let leg = |at: usize, n: usize| format!("kalshi {} yes", self.kalshi[at].markets[n].ticker);
        let (low, middle, high, other) = (leg(0, 0), leg(0, 1), leg(0, 2), leg(1, 0));
        let yes = format!("polymarket {} yes", self.market.assets[0]);
        let ladder = [yes.clone(), middle.clone(), low.clone()].join("; ");
        let basket = [low.as_str(), &middle, &yes].join("; ");
        let box_of = |a: &str, b: &str, more: &[(&str, &str)]| {
            ("box", params(&[&[("a", a), ("b", b)], more].concat()))
        };
        let quick = [("max_age_ms", "700"), ("max_skew_ms", "300"), ("polarity_check", "off")];
        let rules = [
            ("spread", params(&[("open", "0.0203")])),
            (
                "spread",
                params(&[("mode", "bps"), ("open", "55"), ("min_hold_ms", "30"), ("cooldown_ms", "80")]),
            ),
            ("complement", params(&[("min_edge", "0.001"), ("max_skew_ms", "50")])),
            box_of(&low, &yes, &[]),
            box_of(&low, &yes, &[&quick[..], &[("max_lag_ms", "60")]].concat()),
            box_of(&middle, &yes, &[("proof", "venue"), ("polarity_check", "off"), ("max_lag_ms", "0")]),
            box_of(
                &low,
                &other,
                &[("polarity_check", "off"), ("max_lag_ms", "2000"), ("min_hold_ms", "20")],
            ),
            box_of(&high, &yes, &[("min_time_to_close_ms", "30000"), ("polarity_check", "off")]),
            ("ladder", params(&[("legs", &ladder), ("confirm", "on"), ("max_age_ms", "5000")])),
            ("basket", params(&[("legs", &basket), ("exhaustive", "true"), ("max_skew_ms", "200")])),
            ("basket", params(&[("legs", &basket), ("min_qty", "30"), ("max_lag_ms", "100")])),
        ];
        for (kind, params) in rules {
            self.twins.both(|engine| engine.add_rule(kind, &params).unwrap());
        }
    }

    fn hear(&mut self, conn: u32, frame: Vec<u8>) {
        self.twins.hear_on(conn, &frame);
        let past = &mut self.past[conn as usize];
        past.push(frame);
        if past.len() > 6 {
            past.remove(0);
        }
    }

    /// Time goes on, as a rule by some milliseconds.
    fn pass_time(&mut self, how: u8, a: u8) {
        let ms = match how {
            0..=199 => i64::from(how % 8),
            200..=249 => i64::from(a) * 3,
            250..=252 => 1_100 + 10 * i64::from(a),
            253 | 254 => 25_000,
            _ => -i64::from(a),
        };
        self.twins.ts += ms * MS;
    }

    fn step(&mut self, [what, how, a, b]: Step) {
        self.rng = Rng(self.rng.0 ^ u64::from_le_bytes([what, how, a, b, 0, 0, 0, 0]));
        self.pass_time(how, a);
        if what >= 248 {
            return self.happen(a, b);
        }
        let now = u64::try_from(self.twins.ts / MS).unwrap();
        // Each connection may be late by a while of its own.
        let late = [0, 0, 0, 40, 90, 250, 1_500][usize::from(a) % 7];
        let conn = u32::from(what) % 3;
        let frame = match conn {
            POLYMARKET => {
                self.market.ms = self.market.ms.max(now - late);
                self.tell_polymarket(what / 3)
            }
            conn => {
                let at = usize::from(conn == 2);
                self.kalshi[at].ms = self.kalshi[at].ms.max(now - late);
                self.tell_kalshi(at, what / 3)
            }
        };
        let frame = frame.into_bytes();
        match b {
            0 => self.past[conn as usize].push(frame),
            1 => {
                self.hear(conn, frame.clone());
                self.hear(conn, frame);
            }
            2 | 3 => {
                let old = self.past[conn as usize].first().cloned().unwrap_or(frame);
                self.hear(conn, old);
            }
            4 => {
                let mutant = mutate(&mut self.rng, &frame);
                self.hear(conn, mutant);
            }
            _ => self.hear(conn, frame),
        }
    }

    fn tell_polymarket(&mut self, what: u8) -> String {
        let (rng, market) = (&mut self.rng, &mut self.market);
        match what {
            0..=3 => market.books_frame(),
            4..=6 => market.touch(rng.below(2)),
            7..=9 => market.trade(rng.below(2), "0.4", "31.25", "BUY"),
            10..=12 => trade_apart(market),
            13..=40 => {
                // The touch goes to and fro between where the boxes open and where they do not.
                let (bid, ask) = [(399, 401), (430, 450), (452, 462), (399, 470)][rng.below(4)];
                let book = &market.books[0];
                let best = (*book.bids.keys().next_back().unwrap(), *book.asks.keys().next().unwrap());
                let (buy, old, new) = if rng.once_in(2) {
                    (true, best.0, if bid < best.1 { bid } else { best.0 })
                } else {
                    (false, best.1, if ask > best.0 { ask } else { best.1 })
                };
                if new == old || book.bids.len() < 3 || book.asks.len() < 3 || rng.once_in(3) {
                    market.change(0, buy, new, "75.5")
                } else {
                    market.change(0, buy, old, "0")
                }
            }
            _ => market.random_change(rng),
        }
    }

    fn tell_kalshi(&mut self, at: usize, what: u8) -> String {
        let (rng, venue) = (&mut self.rng, &mut self.kalshi[at]);
        let market = rng.below(venue.markets.len());
        match what {
            0..=7 => venue.snapshot(market),
            8..=10 => venue.trade(market, 4_400, 100),
            11..=13 => venue.ticker(market),
            14..=16 => {
                let word = rng.word(&["deactivated", "activated", "activated", "created"]);
                venue.lifecycle(market, word, "")
            }
            17 => {
                let seq = venue.seq(NEWS);
                let more = rng.word(&["1", "0.5", "0", "0.2"]);
                format!(
                    r#"{{"type":"event_fee_update","sid":{NEWS},"seq":{seq},"msg":{{"event_ticker":"E","fee_type_override":null,"fee_multiplier_override":{more}}}}}"#
                )
            }
            18 => venue.reply(*rng.pick(&[BOOKS, TRADES]), "ok", r#","msg":{"market_tickers":["A"]}"#),
            19..=28 => venue.delta(market, true, 1, 1),
            _ => {
                let yes = rng.once_in(2);
                let side = &venue.markets[market];
                let (own, other) = if yes { (&side.yes, &side.no) } else { (&side.no, &side.yes) };
                let top =
                    |bids: &crate::support::kalshi::Bids| bids.last_key_value().map_or(0, |(&p, _)| p);
                let (best, free) = (top(own), 10_000 - top(other));
                let takes = own.len() > 3 && rng.once_in(2);
                if takes {
                    let change = -i64::try_from(own[&best]).unwrap();
                    venue.delta(market, yes, best, change)
                } else {
                    let price =
                        if yes { 3_900 } else { 5_000 } + 100 * u32::try_from(rng.below(14)).unwrap();
                    let price = if price < free { price } else { best.max(1) };
                    venue.delta(market, yes, price, 100 * i64::try_from(1 + rng.below(90)).unwrap())
                }
            }
        }
    }

    /// What is no frame.
    fn happen(&mut self, a: u8, b: u8) {
        let (ts, conn) = (self.twins.ts, u32::from(b % 3));
        match a % 6 {
            0 => {}
            1 => self.rest(b),
            2 => self.reconnect(conn),
            3 => self.twins.both(|engine| engine.invalidate(conn, Cause::Transport, ts)),
            4 => {
                let id = u32::from(b % 6);
                self.twins.both(|engine| engine.resync_asked(id, ts).unwrap());
            }
            _ => {
                let (id, body) = (4 + u32::from(b & 1), self.market.rest(usize::from(b & 1)));
                self.twins.both(|engine| {
                    engine.resync_begin(id, ts).unwrap();
                    engine.ingest_rest(POLYMARKET, body.as_bytes(), UNKNOWN, None, ts)
                });
            }
        }
        if b & 128 == 0 {
            self.twins.both(|engine| engine.advance(ts));
        }
        self.twins.compare("what is no frame");
    }

    /// The user's own orders rest at the touch of a book, alone or among others, or no more.
    fn rest(&mut self, b: u8) {
        let (ts, id) = (self.twins.ts, u32::from(b % 6));
        let share = [0, 1, 2, 2, 4][usize::from(b) % 5];
        let book = self.twins.fast.book(id).unwrap();
        let own = |best: Option<(i64, i64)>| best.map(|(price, qty)| (price, (qty / 2 * share).max(1)));
        let (bid, ask) = (own(book.bids.best()), own(book.asks.best()));
        let told =
            |level: Option<(i64, i64)>| level.filter(|_| share > 0).into_iter().collect::<Vec<_>>();
        let (bids, asks) = (told(bid), told(ask));
        self.twins.both(|engine| engine.own_resting(id, &bids, &asks, ts).unwrap());
    }

    fn reconnect(&mut self, conn: u32) {
        let ts = self.twins.ts;
        let (venue, mode) = match conn {
            POLYMARKET => (Venue::POLYMARKET, ""),
            _ => (Venue::KALSHI, "use_yes_price"),
        };
        self.twins.both(|engine| {
            engine.disconnected(conn, ts);
            engine.connected(conn, venue, mode, ts).unwrap();
        });
        if conn != POLYMARKET {
            self.kalshi[usize::from(conn == 2)].seqs.clear();
        }
    }
}

/// Whole books of two outcomes that trade apart, or of the mirror images that they were.
fn trade_apart(market: &mut Market) -> String {
    let [own, other] = &mut market.books;
    if other.asks.remove(&590).is_none() {
        other.bids.retain(|&price, _| price < 585);
        other.asks.insert(590, "50".to_owned());
    } else {
        let turned = |side: &crate::support::venue::Side| {
            side.iter().map(|(p, q)| (1_000 - p, q.clone())).collect()
        };
        (other.bids, other.asks) = (turned(&own.asks), turned(&own.bids));
    }
    market.books_frame()
}

/// Plays a script.
fn play(kind: u8, steps: &[Step]) -> Run {
    let mut run = Run::new(kind);
    for at in 0..4 {
        let (conn, frame) = match at {
            3 => (POLYMARKET, run.market.books_frame()),
            n => (0, run.kalshi[0].snapshot(n)),
        };
        run.hear(conn, frame.into_bytes());
    }
    let frame = run.kalshi[1].snapshot(0).into_bytes();
    run.hear(2, frame);
    steps.iter().for_each(|&step| run.step(step));
    run.twins.compare_all("the script");
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_depends_on_how_often_rules_are_asked(
        kind: u8,
        steps in prop::collection::vec(any::<Step>(), 1..150),
    ) {
        play(kind, &steps);
    }
}

/// Seeded scripts, so that what they come to can be counted: every kind of rule opens, every gate
/// refuses.
fn campaign(seeds: std::ops::Range<u64>, length: usize) {
    let (mut refused, mut opened) = ([0u64; Refusal::NAMES.len()], BTreeSet::new());
    for seed in seeds {
        let mut rng = Rng(seed);
        let steps: Vec<Step> = (0..length)
            .map(|_| {
                let [what, how, a, b, ..] = rng.next().to_le_bytes();
                [what, how, a, b]
            })
            .collect();
        let run = play(rng.next().to_le_bytes()[0], &steps);
        for (sum, n) in refused.iter_mut().zip(run.twins.fast.refusals()) {
            *sum += n;
        }
        opened.extend(run.twins.opened);
    }
    let counted: Vec<_> = Refusal::NAMES.iter().zip(refused).collect();
    assert!((0..RULES).all(|rule| opened.contains(&rule)), "{opened:?}");
    for reason in REASONS {
        assert!(refused[reason as usize] > 20, "{} in {counted:?}", reason.name());
    }
}

#[test]
fn every_rule_opens_and_every_gate_refuses() {
    campaign(0..100, 400);
}
