//! The book against a naive oracle: maps from price to printed size, changed by the same
//! stream. Everything goes through the engine's one door, as frames.

use crate::support::Rng;
use crate::support::records::{Levels, levels};
use crate::support::venue::{T0, policy};
use bookfeed_core::book::integrity::State;
use bookfeed_core::book::side::BookSide;
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fixed::{ABSENT, format_decimal, parse_price};
use bookfeed_core::instrument::Venue;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Levels by price in units of 1e-4, sizes as printed.
#[derive(Clone, Debug, Default)]
struct Oracle {
    bids: BTreeMap<u32, String>,
    asks: BTreeMap<u32, String>,
}

fn price_text(price: u32, rng: &mut Rng) -> String {
    let digits = format!("{price:04}");
    let shortest = digits.trim_end_matches('0').len();
    let shown = shortest + rng.below(5 - shortest.min(4));
    let whole = if rng.once_in(10) { "" } else { "0" };
    format!("{whole}.{}", &digits[..shown.clamp(1, 4)])
}

fn size_text(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => format!("{}", 1 + rng.below(100_000)),
        1 => format!("{}.{:06}", rng.below(1_000), 1 + rng.below(999_999)),
        2 => format!("{}.{}0", rng.below(1_000), 1 + rng.below(9)),
        3 => format!(".{:02}", 1 + rng.below(99)),
        4 => "0.00000001".into(),
        _ => format!("{}.{:02}", 1 + rng.below(90_000_000), rng.below(100)),
    }
}

/// A printed size without anything superfluous.
fn shortest(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (whole, fraction) = (if whole.is_empty() { "0" } else { whole }, fraction.trim_end_matches('0'));
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

impl Oracle {
    fn side(&mut self, bid: bool) -> &mut BTreeMap<u32, String> {
        if bid { &mut self.bids } else { &mut self.asks }
    }

    fn random_price(rng: &mut Rng, bid: bool) -> u32 {
        let width = if rng.once_in(5) { 4_900 } else { 60 };
        let near = u32::try_from(rng.below(width)).unwrap();
        if bid { 4_950 - near } else { 5_050 + near }
    }

    fn levels(&self) -> (Levels, Levels) {
        let text = |(price, size): (&u32, &String)| {
            (format_decimal(i64::from(*price) * 100_000, 9), shortest(size))
        };
        (self.bids.iter().rev().map(text).collect(), self.asks.iter().map(text).collect())
    }
}

fn entry(price: &str, size: &str) -> String {
    format!(r#"{{"price":"{price}","size":"{size}"}}"#)
}

/// One instrument, told by frames, beside its oracle.
struct Pair {
    engine: Engine,
    oracle: Oracle,
    rng: Rng,
    ms: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut engine = Engine::new(policy(HashCheck::Off));
        engine.subscribe(Venue::POLYMARKET, "4711", 0, &Listing::default(), T0).unwrap();
        Self { engine, oracle: Oracle::default(), rng: Rng(seed), ms: 1_790_000_000_000 }
    }

    fn snapshot(&mut self, shuffled: bool) {
        let rng = &mut self.rng;
        self.oracle = Oracle::default();
        let count = rng.below(80);
        for _ in 0..count {
            let bid = rng.once_in(2);
            let (price, size) = (Oracle::random_price(rng, bid), size_text(rng));
            self.oracle.side(bid).insert(price, size);
        }
        let mut print = |side: &BTreeMap<u32, String>, descending: bool| {
            let mut all: Vec<_> =
                side.iter().map(|(&p, size)| entry(&price_text(p, rng), size)).collect();
            if descending {
                all.reverse();
            }
            if shuffled {
                all.push(entry("0.0001", "0")); // a level of no size is none
                rng.shuffle(&mut all);
            }
            all.join(",")
        };
        let (bids, asks) = (print(&self.oracle.bids, false), print(&self.oracle.asks, true));
        self.ms += 1;
        let frame = format!(
            r#"{{"event_type":"book","asset_id":"4711","market":"0x1","timestamp":"{}","hash":"","bids":[{bids}],"asks":[{asks}]}}"#,
            self.ms
        );
        self.tell(&frame);
    }

    /// A message of some changes; the evidence is given now and then, and right.
    fn changes(&mut self) -> usize {
        let rng = &mut self.rng;
        let count = 1 + rng.below(4);
        let mut entries = Vec::new();
        for _ in 0..count {
            let bid = rng.once_in(2);
            let known = self.oracle.side(bid).len();
            let remove = known > 0 && rng.once_in(3);
            let price = if remove || (known > 0 && rng.once_in(3)) {
                *self.oracle.side(bid).keys().nth(rng.below(known)).unwrap()
            } else {
                Oracle::random_price(rng, bid)
            };
            let size = if remove || rng.once_in(12) { "0".to_owned() } else { size_text(rng) };
            if size == "0" {
                self.oracle.side(bid).remove(&price);
            } else {
                self.oracle.side(bid).insert(price, size.clone());
            }
            let side = if bid { "BUY" } else { "SELL" };
            let price = price_text(price, rng);
            entries.push(format!(
                r#"{{"asset_id":"4711","price":"{price}","size":"{size}","side":"{side}""#
            ));
        }
        let best = |price: Option<&u32>, none: &str| {
            price.map_or(none.to_owned(), |&p| format_decimal(i64::from(p) * 100_000, 9))
        };
        let bid = best(self.oracle.bids.keys().next_back(), "0");
        let ask = best(self.oracle.asks.keys().next(), "1");
        let evidence = match rng.below(3) {
            0 => String::new(),
            1 => r#","best_bid":"","best_ask":"""#.to_owned(),
            _ => format!(r#","best_bid":"{bid}","best_ask":"{ask}""#),
        };
        for entry in &mut entries {
            entry.push_str(&evidence);
            entry.push('}');
        }
        self.ms += 1;
        let frame = format!(
            r#"{{"event_type":"price_change","market":"0x1","timestamp":"{}","price_changes":[{}]}}"#,
            self.ms,
            entries.join(",")
        );
        self.tell(&frame);
        count
    }

    fn tell(&mut self, frame: &str) {
        let ts = T0 + i64::try_from(self.ms).unwrap();
        self.engine.ingest(0, frame.as_bytes(), ts);
        self.engine.output().clear();
    }

    fn check(&self) {
        let book = self.engine.book(0).unwrap();
        assert_eq!((book.shown_state(), book.epoch), (State::Live, 1));
        assert_eq!(levels(&self.engine, 0), self.oracle.levels());
        self.check_touch();
    }

    fn check_touch(&self) {
        let touch = self.engine.book(0).unwrap().touch;
        let price = |p: Option<&u32>| p.map_or(ABSENT, |&p| i64::from(p) * 100_000);
        assert_eq!(touch.bid, price(self.oracle.bids.keys().next_back()));
        assert_eq!(touch.ask, price(self.oracle.asks.keys().next()));
        assert_eq!(self.engine.book(0).unwrap().current_touch(), touch);
    }
}

/// One of all the ways in which a side changes; how many levels that were.
fn change_somehow(ladder: &mut BookSide, rng: &mut Rng) -> u64 {
    let price = |rng: &mut Rng| i64::try_from(rng.below(300)).unwrap();
    // Sizes up to the largest ones, whose sum does not fit, and zero.
    let qty = |rng: &mut Rng| match rng.below(4) {
        0 => 0,
        1 => i64::MAX - price(rng),
        _ => 1 + price(rng),
    };
    match rng.below(20) {
        0 => {
            let levels: Vec<_> =
                (0..rng.below(80)).map(|_| Level::new(price(rng), 1 + qty(rng) / 2)).collect();
            // The same price twice leaves the side empty, which adds up, too.
            let _ = ladder.load(&levels);
            levels.len() as u64
        }
        1 => {
            ladder.truncate(rng.below(200));
            1
        }
        2 if rng.once_in(20) => {
            ladder.clear();
            1
        }
        2..=7 => {
            let levels: Vec<_> = (0..rng.below(90)).map(|_| Level::new(price(rng), qty(rng))).collect();
            ladder.apply(&levels);
            levels.len() as u64
        }
        8..=13 => {
            let less = rng.once_in(2);
            let change = if less { -(1 + price(rng)) } else { qty(rng) };
            // More than is there is refused, and changes nothing.
            let _ = ladder.add(price(rng), change);
            1
        }
        _ => {
            ladder.set(Level::new(price(rng), qty(rng)));
            1
        }
    }
}

/// For the nightly tier: nothing of the above goes astray in 10^8 changes.
#[test]
#[ignore = "long: a hundred million changes"]
fn a_hundred_million_changes_add_up() {
    let mut ladders = [BookSide::new(Side::Bid), BookSide::new(Side::Ask)];
    let (mut rng, mut changes) = (Rng(9), 0);
    while changes < 100_000_000 {
        for ladder in &mut ladders {
            changes += change_somehow(ladder, &mut rng);
            assert!(!ladder.audit_due() || ladder.audit());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_book_equals_a_map_after_any_stream(seed: u64, steps in 1..60usize, shuffled: bool) {
        let mut pair = Pair::new(seed);
        pair.snapshot(shuffled);
        pair.check();
        for _ in 0..steps {
            if pair.rng.once_in(20) {
                pair.snapshot(shuffled);
            } else {
                pair.changes();
            }
            pair.check();
        }
    }

    #[test]
    fn levels_set_together_equal_levels_set_one_by_one(
        messages in prop::collection::vec(
            prop::collection::vec((0..400i64, 0..4i64, 0..3usize), 0..200),
            1..12,
        ),
        spread in 1..40i64,
        unsorted: bool,
        ask: bool,
    ) {
        let side = if ask { Side::Ask } else { Side::Bid };
        let (mut together, mut single) = (BookSide::new(side), BookSide::new(side));
        for (n, message) in messages.into_iter().enumerate() {
            let mut levels: Vec<_> = message
                .into_iter()
                .map(|(price, qty, digits)| {
                    let form = parse_price(["1", "1.0", "1.00"][digits].as_bytes()).unwrap().form;
                    // Some messages reach far, others change the same few levels again.
                    let price = if n % 2 == 0 { price } else { price / spread };
                    Level { price, qty, forms: (form, form) }
                })
                .collect();
            if !unsorted {
                levels.sort_by_key(|l| if ask { l.price } else { -l.price });
            }
            let changed = levels.iter().fold(false, |changed, &level| changed | single.set(level));
            prop_assert_eq!(together.apply(&levels), changed);
            prop_assert_eq!(together.levels(), single.levels());
            prop_assert!(together.audit() && single.audit());
        }
    }

    #[test]
    fn a_ladder_equals_a_map_after_any_order_of_sets(
        ops in prop::collection::vec((0..40i64, 0..3i64), 0..120),
        ask: bool,
    ) {
        let mut ladder = BookSide::new(if ask { Side::Ask } else { Side::Bid });
        let mut map = BTreeMap::new();
        for (price, qty) in ops {
            let before = map.get(&price).copied().unwrap_or(0);
            prop_assert_eq!(ladder.set(Level::new(price, qty)), before != qty);
            if qty == 0 {
                map.remove(&price);
            } else {
                map.insert(price, qty);
            }
            let mut expected: Vec<_> = map.iter().map(|(&p, &q)| (p, q)).collect();
            if !ask {
                expected.reverse();
            }
            prop_assert_eq!(ladder.best_first().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn whatever_changes_a_side_it_adds_up(seed: u64, ask: bool, steps in 1..400u64) {
        let side = if ask { Side::Ask } else { Side::Bid };
        let mut ladder = BookSide::new(side);
        let mut rng = Rng(seed);
        for _ in 0..steps {
            change_somehow(&mut ladder, &mut rng);
            prop_assert!(ladder.audit());
        }
    }

    #[test]
    fn a_snapshot_may_come_in_any_order(
        prices in prop::collection::hash_set(1..999i64, 0..60),
        ask: bool,
        again in prop::option::of(0..60usize),
    ) {
        let side = if ask { Side::Ask } else { Side::Bid };
        let mut snapshot: Vec<_> = prices.iter().map(|&p| Level::new(p, p + 1)).collect();
        let mut ladder = BookSide::new(side);
        prop_assert_eq!(ladder.load(&snapshot), Ok(()));
        let mut expected: Vec<_> = prices.iter().map(|&p| (p, p + 1)).collect();
        expected.sort_unstable();
        if !ask {
            expected.reverse();
        }
        prop_assert_eq!(ladder.best_first().collect::<Vec<_>>(), expected);
        if let Some(twice) = again.and_then(|i| snapshot.get(i).copied()) {
            snapshot.push(twice);
            prop_assert!(ladder.load(&snapshot).is_err());
            prop_assert!(ladder.is_empty());
        }
    }
}

/// Seeded streams of 10^5 level operations: the touch after every message, the whole book
/// now and then.
#[test]
fn long_streams_keep_the_book_equal_to_a_map() {
    for seed in [1, 2, 3] {
        let mut pair = Pair::new(seed);
        pair.snapshot(true);
        let mut operations = 0;
        let mut messages = 0;
        while operations < 100_000 {
            operations += pair.changes();
            messages += 1;
            pair.check_touch();
            if messages % 97 == 0 {
                pair.check();
            }
            if pair.rng.once_in(2_000) {
                let shuffled = pair.rng.once_in(2);
                pair.snapshot(shuffled);
                pair.check();
            }
        }
        pair.check();
    }
}

/// The same for longer, for the nightly tier: 10^7 operations.
#[test]
#[ignore = "long: ten million operations"]
fn very_long_streams() {
    let mut pair = Pair::new(77);
    pair.snapshot(true);
    let mut operations = 0;
    let mut messages = 0;
    while operations < 10_000_000 {
        operations += pair.changes();
        messages += 1;
        pair.check_touch();
        if messages % 1_000 == 0 {
            pair.check();
        }
    }
}

#[test]
fn a_deep_book_is_searched_at_every_depth() {
    let mut pair = Pair::new(5);
    pair.snapshot(false);
    let tell = |pair: &mut Pair, price: u32, size: &str, bid: bool| {
        pair.ms += 1;
        let side = if bid { "BUY" } else { "SELL" };
        let text = format_decimal(i64::from(price) * 100_000, 9);
        let frame = format!(
            r#"{{"event_type":"price_change","market":"0x1","timestamp":"{}","price_changes":[{{"asset_id":"4711","price":"{text}","size":"{size}","side":"{side}"}}]}}"#,
            pair.ms
        );
        if size == "0" {
            pair.oracle.side(bid).remove(&price);
        } else {
            pair.oracle.side(bid).insert(price, size.to_owned());
        }
        pair.tell(&frame);
    };
    // Every price of the finest grid, in an order that inserts at both ends and between.
    for step in 0..1_000u32 {
        let price = 1 + step * 619 % 4_999;
        tell(&mut pair, price, "7", true);
        tell(&mut pair, 10_000 - price, "8", false);
    }
    pair.check();
    for step in 0..1_000u32 {
        let price = 1 + step * 619 % 4_999;
        tell(&mut pair, price, if step % 2 == 0 { "0" } else { "9.5" }, true);
    }
    pair.check();
}
