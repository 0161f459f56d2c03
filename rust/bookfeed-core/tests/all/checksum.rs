//! The checksum of Kraken's books: the venue's published examples, and a book that changes in
//! every way, followed by a memory that must never be wrong, against the rule read literally.

use crate::support::Rng;
use crate::support::checksum::{Printed, by_the_rule};
use bookfeed_core::book::proof::Proved;
use bookfeed_core::book::proof::crc32::{Crc32Memory, check};
use bookfeed_core::book::side::BookSide;
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fixed::{parse_price, parse_qty};
use proptest::prelude::*;

fn level(price: &str, size: &str) -> Level {
    let (price, qty) = (parse_price(price.as_bytes()).unwrap(), parse_qty(size.as_bytes()).unwrap());
    Level { price: price.value, qty: qty.value, forms: (price.form, qty.form) }
}

fn ladder(side: Side, levels: &[Printed]) -> BookSide {
    let mut ladder = BookSide::new(side);
    for (price, size) in levels {
        ladder.set(level(price, size));
    }
    ladder
}

fn pairs(levels: &[(&str, &str)]) -> Vec<Printed> {
    levels.iter().map(|(price, size)| ((*price).to_owned(), (*size).to_owned())).collect()
}

/// Both sides of a published example, the best first.
fn confirm(bids: &[(&str, &str)], asks: &[(&str, &str)], published: u32) {
    let (bids, asks) = (pairs(bids), pairs(asks));
    assert_eq!(by_the_rule(&bids, &asks), published);
    let (bids, asks) = (ladder(Side::Bid, &bids), ladder(Side::Ask, &asks));
    let mut memory = Crc32Memory::default();
    for _ in 0..2 {
        assert_eq!(check(&bids, &asks, published, &mut memory), Proved::Match);
        assert_eq!(check(&bids, &asks, published ^ 1, &mut memory), Proved::Mismatch);
    }
}

#[test]
fn the_example_of_version_2() {
    let asks = [
        ("45285.2", "0.00100000"),
        ("45286.4", "1.54571953"),
        ("45286.6", "1.54571109"),
        ("45289.6", "1.54560911"),
        ("45290.2", "0.15890660"),
        ("45291.8", "1.54553491"),
        ("45294.7", "0.04454749"),
        ("45296.1", "0.35380000"),
        ("45297.5", "0.09945542"),
        ("45299.5", "0.18772827"),
    ];
    let bids = [
        ("45283.5", "0.10000000"),
        ("45283.4", "1.54582015"),
        ("45282.1", "0.10000000"),
        ("45281.0", "0.10000000"),
        ("45280.3", "1.54592586"),
        ("45279.0", "0.07990000"),
        ("45277.6", "0.03310103"),
        ("45277.5", "0.30000000"),
        ("45277.3", "1.54602737"),
        ("45276.6", "0.15445238"),
    ];
    confirm(&bids, &asks, 3_310_070_434);
}

#[test]
fn the_example_of_version_1() {
    let prices = |list: &[&'static str]| list.iter().map(|p| (*p, "0.00000500")).collect::<Vec<_>>();
    let asks = prices(&[
        "0.05005", "0.05010", "0.05015", "0.05020", "0.05025", "0.05030", "0.05035", "0.05040",
        "0.05045", "0.05050",
    ]);
    let bids = prices(&[
        "0.05000", "0.04995", "0.04990", "0.04980", "0.04975", "0.04970", "0.04965", "0.04960",
        "0.04955", "0.04950",
    ]);
    confirm(&bids, &asks, 974_947_235);
}

#[test]
fn zeros_behind_a_number_count() {
    let [long, short] = ["0.50", "0.5"].map(|size| ladder(Side::Bid, &pairs(&[("7.0", size)])));
    let asks = BookSide::new(Side::Ask);
    let mut memory = Crc32Memory::default();
    let sums = [&long, &short, &long].map(|bids| memory.checksum(bids, &asks));
    assert_ne!(sums[0], sums[1], "the same size, printed in another form");
    assert_eq!(sums[0], sums[2]);
}

#[test]
fn a_book_without_levels_has_the_checksum_of_no_text() {
    let (bids, asks) = (BookSide::new(Side::Bid), BookSide::new(Side::Ask));
    assert_eq!(check(&bids, &asks, 0, &mut Crc32Memory::default()), Proved::Match);
}

/// Prices of a grid, with and without digits of no weight; sizes of any length.
fn price(rng: &mut Rng, side: Side) -> String {
    let step = rng.below(40);
    let cents = if side == Side::Bid { 5_000 - step } else { 5_001 + step };
    let zeros = if rng.once_in(9) { "000" } else { "" };
    format!("{}.{:02}{zeros}", cents / 100, cents % 100)
}

fn size(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 | 1 => "0".to_owned(),
        2 => format!("{}", 1 + rng.below(3)),
        3 => format!("0.{:08}", 1 + rng.below(99_999_999)),
        4 => format!("{}.0000000000", 1 + rng.below(1_000)),
        _ => format!("{}.{:08}", rng.below(70_000), 1 + rng.below(99_999_999)),
    }
}

/// Each side as plain text, the best first.
struct Plain {
    sides: [Vec<Printed>; 2],
}

impl Plain {
    fn set(&mut self, side: Side, price: &str, size: &str) {
        let key = |text: &str| parse_price(text.as_bytes()).unwrap().value;
        let levels = &mut self.sides[usize::from(side == Side::Ask)];
        levels.retain(|(known, _)| key(known) != key(price));
        if !size.bytes().all(|b| b == b'0') {
            levels.push((price.to_owned(), size.to_owned()));
        }
        levels.sort_by_key(|(price, _)| if side == Side::Bid { -key(price) } else { key(price) });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_memory_that_follows_a_book_is_never_wrong(seed: u64, changes in 1..6usize) {
        let mut rng = Rng(seed);
        let mut plain = Plain { sides: [Vec::new(), Vec::new()] };
        let mut ladders = [BookSide::new(Side::Bid), BookSide::new(Side::Ask)];
        let mut memory = Crc32Memory::default();
        for _ in 0..200 {
            for _ in 0..rng.below(changes + 1) {
                let side = if rng.once_in(2) { Side::Bid } else { Side::Ask };
                let (price, size) = (price(&mut rng, side), size(&mut rng));
                plain.set(side, &price, &size);
                ladders[usize::from(side == Side::Ask)].set(level(&price, &size));
            }
            if rng.once_in(50) {
                ladders.iter_mut().for_each(BookSide::clear);
                plain.sides = [Vec::new(), Vec::new()];
            }
            let wanted = by_the_rule(&plain.sides[0], &plain.sides[1]);
            prop_assert_eq!(memory.checksum(&ladders[0], &ladders[1]), wanted);
            let anew = Crc32Memory::default().checksum(&ladders[0], &ladders[1]);
            prop_assert_eq!(anew, wanted);
        }
    }
}
