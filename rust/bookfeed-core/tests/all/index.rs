//! The index against what was worked out by hand, switch by switch. Random books are compared
//! with an independent reading in `tests/test_index.py`.

use bookfeed_core::book::side::Ladder;
use bookfeed_core::event::Level;
use bookfeed_core::fixed::QTY_ONE;
use bookfeed_core::index::{
    Constituent, Crossed, IndexValue, Median, Order, Params, Sample, Spacing, SpotIndex, Standing,
    half_up,
};
use bookfeed_core::time::SECOND;

/// A venue's two sides, in tenths of a unit of price and whole units of size.
#[derive(Clone, Default)]
struct Book {
    bids: Vec<Level>,
    asks: Vec<Level>,
    retrieved: i64,
    doubted: bool,
}

fn levels(best_first: &[(i64, i64)]) -> Vec<Level> {
    best_first.iter().rev().map(|&(p, q)| Level::new(p * 100_000_000, q * QTY_ONE)).collect()
}

fn book(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Book {
    Book { bids: levels(bids), asks: levels(asks), ..Book::default() }
}

/// A book around a mid, in tenths.
fn around(mid: i64) -> Book {
    book(&[(mid - 1, 5)], &[(mid + 1, 5)])
}

fn seen(books: &[Book]) -> Vec<Constituent<'_>> {
    let one = |book: &'_ Book| (book.retrieved, !book.doubted);
    books
        .iter()
        .map(|book| {
            let (retrieved, believed) = one(book);
            Constituent {
                bids: Ladder::of(&book.bids),
                asks: Ladder::of(&book.asks),
                retrieved,
                believed,
            }
        })
        .collect()
}

fn value(params: Params, books: &[Book]) -> Option<IndexValue> {
    SpotIndex::new(params).tick(SECOND, &seen(books))
}

fn standings(index: &mut SpotIndex, at: i64, books: &[Book]) -> Vec<usize> {
    index.tick(at, &seen(books));
    index.standings().iter().map(|standing| standing.code()).collect()
}

/// The worked example of the protocol page.
fn example() -> Book {
    book(&[(999, 2), (998, 1), (995, 3), (992, 4)], &[(1001, 1), (1002, 2), (1004, 2), (1009, 5)])
}

const BY_ONE: Params = Params { spacing: Spacing::Every(QTY_ONE), ..Params::BTC };

#[test]
fn the_worked_example() {
    let got = value(BY_ONE, &[example()]).unwrap();
    assert_eq!(half_up(got.value, 6), 100_007_786_000, "{got:?}");
    assert_eq!((got.published, got.utilised_depth), (100_010_000_000, 5 * QTY_ONE));
    assert_eq!(got.cap, 957_106_781);
    assert_eq!((got.bid, got.ask, got.crossed, got.included), (99_900_000_000, 100_100_000_000, 0, 1));
}

#[test]
fn levels_of_several_venues_are_one_curve() {
    let (mut one, mut two) = (example(), example());
    one.bids.retain(|level| level.price % 200_000_000 != 0);
    two.bids.retain(|level| level.price % 200_000_000 == 0);
    one.asks.truncate(2);
    two.asks.drain(..2);
    let split = value(BY_ONE, &[one, two]).unwrap();
    let whole = value(BY_ONE, &[example()]).unwrap();
    assert_eq!(IndexValue { included: 1, ..split }, whole);
}

#[test]
fn the_integral_is_the_limit_of_ever_finer_steps() {
    let integral = value(Params::BTC, &[example()]).unwrap();
    let finest = Params { spacing: Spacing::Every(100), ..Params::BTC };
    let fine = value(finest, &[example()]).unwrap();
    assert!((integral.value - fine.value).abs() < 1_000, "{integral:?} {fine:?}");
    assert_eq!(integral.utilised_depth, 5 * QTY_ONE);
    let hundredth = value(Params { spacing: Spacing::Hundredth, ..Params::BTC }, &[example()]).unwrap();
    let same = Params { spacing: Spacing::Every(QTY_ONE / 20), ..Params::BTC };
    assert_eq!(hundredth, value(same, &[example()]).unwrap());
}

#[test]
fn a_book_that_is_not_tight_at_all_has_the_mid_of_its_first_point() {
    let wide = book(&[(980, 1), (970, 9)], &[(1020, 1), (1040, 9)]);
    let got = value(BY_ONE, std::slice::from_ref(&wide)).unwrap();
    assert_eq!((got.value, got.utilised_depth), (100_000_000_000, QTY_ONE));
    // The first point is deeper than the first levels, and then deeper than the book.
    let by_five = Params { spacing: Spacing::Every(5 * QTY_ONE), ..Params::BTC };
    assert_eq!(value(by_five, std::slice::from_ref(&wide)).unwrap().value, 100_500_000_000);
    let by_fifty = Params { spacing: Spacing::Every(50 * QTY_ONE), ..Params::BTC };
    assert_eq!(value(by_fifty, std::slice::from_ref(&wide)).unwrap().value, 100_000_000_000);
    let integral = value(Params::BTC, &[wide]).unwrap();
    assert_eq!((integral.value, integral.utilised_depth), (100_000_000_000, 0));
}

#[test]
fn large_orders_are_cut_and_what_an_order_is_can_be_chosen() {
    let many = |large: i64| {
        let mut bids: Vec<_> = (0..60).map(|i| (1000 - i / 20, 1)).collect();
        bids.dedup_by_key(|level| level.0);
        bids[0].1 = large;
        book(&bids, &[(1001, 2), (1002, 2), (1003, 2)])
    };
    let capped = value(BY_ONE, &[many(1_000_000)]).unwrap();
    assert!(capped.cap < 4_000_000 * QTY_ONE && capped.cap > QTY_ONE);
    // Three levels of one price are one order of three times the size.
    let same: Vec<_> = (0..3).map(|_| book(&[(999, 2), (998, 2)], &[(1001, 2), (1002, 2)])).collect();
    let by_level = value(BY_ONE, &same).unwrap();
    let by_price = value(Params { order: Order::Price, ..BY_ONE }, &same).unwrap();
    assert_eq!((by_level.cap, by_price.cap), (2 * QTY_ONE, 6 * QTY_ONE));
}

#[test]
fn the_sample_of_the_cap_is_filled_up_or_cut_off() {
    // Of each side two orders are within 5 %, the third is far off and large.
    let far = book(&[(1000, 1), (960, 1), (900, 50)], &[(1001, 1), (1050, 1), (1100, 50)]);
    let cap = |sample| value(Params { sample, ..BY_ONE }, std::slice::from_ref(&far)).unwrap().cap;
    assert_eq!(cap(Sample::AtLeast(2)), QTY_ONE);
    assert!(cap(Sample::AtLeast(3)) > QTY_ONE);
    assert_eq!(cap(Sample::AtLeast(3)), cap(Sample::AtLeast(50)));
    assert_eq!(cap(Sample::AtMost(50)), QTY_ONE);
    let by_price = |sample| {
        value(Params { sample, order: Order::Price, ..BY_ONE }, std::slice::from_ref(&far)).unwrap().cap
    };
    assert_eq!(by_price(Sample::AtLeast(2)), QTY_ONE);
    assert_eq!(by_price(Sample::AtLeast(3)), cap(Sample::AtLeast(3)));
}

#[test]
fn venues_that_cross_each_other_are_kept_or_matched() {
    let low = book(&[(990, 2), (989, 2)], &[(992, 3), (1003, 9)]);
    let high = book(&[(1000, 2), (999, 4)], &[(1002, 2), (1004, 9)]);
    let kept = value(BY_ONE, &[low.clone(), high.clone()]).unwrap();
    assert_eq!((kept.bid, kept.ask, kept.crossed), (100_000_000_000, 99_200_000_000, 3 * QTY_ONE));
    let matched = value(Params { crossed: Crossed::Matched, ..BY_ONE }, &[low, high]).unwrap();
    // What is left: bids 999 x 3, 990 x 2, 989 x 2 against asks 1002 x 2, 1003 x 9, 1004 x 9.
    let left = book(&[(999, 3), (990, 2), (989, 2)], &[(1002, 2), (1003, 9), (1004, 9)]);
    assert_eq!(matched.value, value(BY_ONE, &[left]).unwrap().value);
}

#[test]
fn a_constituent_is_out_for_its_reason_and_in_the_published_order() {
    let mut index = SpotIndex::new(Params::BTC);
    let mut books = vec![around(1000), around(1001), around(1002), around(1000)];
    assert_eq!(standings(&mut index, SECOND, &books), [0, 0, 0, 0]);
    books[0].retrieved = -9 * SECOND;
    books[1].doubted = true;
    books[2].asks = levels(&[(1001, 1)]);
    books[2].bids = levels(&[(1001, 1)]);
    assert_eq!(standings(&mut index, SECOND, &books), [1, 2, 2, 0]);
    books[0].retrieved += 1;
    assert_eq!(standings(&mut index, SECOND, &books)[0], 0, "just within 10 s");
    books[3].asks.clear();
    books[0].bids = vec![Level::new(0, QTY_ONE)];
    assert_eq!(standings(&mut index, SECOND, &books), [2; 4]);
    assert_eq!(index.tick(SECOND, &seen(&books)), None, "nothing is carried forward");
}

#[test]
fn single_entries_that_are_wrong_are_dropped_but_not_before_the_book_is_judged() {
    let mut spoilt = example();
    spoilt.bids.insert(2, Level::new(99_600_000_000, 0));
    spoilt.asks.insert(0, Level::new(200_000_000_000, -5));
    assert_eq!(value(BY_ONE, &[spoilt.clone()]), value(BY_ONE, &[example()]));
    // An entry of no size that crosses is part of what the venue said.
    spoilt.bids.push(Level::new(101_000_000_000, 0));
    assert_eq!(value(BY_ONE, &[spoilt]), None);
}

#[test]
fn an_exclusion_sticks_until_the_mid_is_back_within_half() {
    let mut index = SpotIndex::new(Params::BTC);
    let with = |mid| vec![around(1000), around(1000), around(mid)];
    assert_eq!(standings(&mut index, 0, &with(1050)), [0, 0, 0], "exactly 5 % is not more");
    assert_eq!(standings(&mut index, 0, &with(1051)), [0, 0, 3]);
    assert_eq!(standings(&mut index, 0, &with(1026)), [0, 0, 3]);
    assert_eq!(standings(&mut index, 0, &with(1025)), [0, 0, 3], "exactly half is not less");
    let mut late = with(1000);
    late[2].retrieved = -10 * SECOND;
    assert_eq!(standings(&mut index, 0, &late), [0, 0, 1]);
    assert_eq!(standings(&mut index, 0, &with(1030)), [0, 0, 3], "it outlasts a delay");
    assert_eq!(standings(&mut index, 0, &with(1024)), [0, 0, 0]);
    assert_eq!(index.standings()[2], Standing::Included);
}

#[test]
fn what_a_mid_is_compared_with_can_be_chosen() {
    // One is excluded already. Of the three others the median is 1000, of all four 1025.
    let before = vec![around(1000), around(1000), around(1050), around(1200)];
    let now = vec![around(1000), around(1000), around(1052), around(1200)];
    for (median, wanted) in [(Median::Valid, [0, 0, 3, 3]), (Median::All, [0, 0, 0, 3])] {
        let mut index = SpotIndex::new(Params { median, ..Params::BTC });
        standings(&mut index, 0, &before);
        assert_eq!(standings(&mut index, 0, &now), wanted, "{median:?}");
    }
    // Two that contradict each other are both out, and come back together.
    let mut index = SpotIndex::new(Params::BTC);
    assert_eq!(standings(&mut index, 0, &[around(1000), around(1200)]), [3, 3]);
    assert_eq!(standings(&mut index, 0, &[around(1000), around(1001)]), [0, 0]);
}

#[test]
fn parameters_of_assets_and_rounding() {
    let spreads = ["BTC", "ETH", "SOL", "XRP"].map(|name| Params::of_asset(name).unwrap());
    assert_eq!(spreads.map(|(p, _)| p.half_spread_ppm), [5_000, 10_000, 10_000, 10_000]);
    assert_eq!(spreads.map(|(_, step)| step / QTY_ONE), [1, 25, 100, 10_000]);
    assert_eq!(Params::of_asset("DOGE"), None);
    assert_eq!(half_up(84_000_005_000_000, 2), 84_000_010_000_000);
    assert_eq!(half_up(84_000_004_999_999, 2), 84_000_000_000_000);
    assert_eq!(half_up(7, 9), 7);
    assert_eq!(half_up(7, 30), 7);
}
