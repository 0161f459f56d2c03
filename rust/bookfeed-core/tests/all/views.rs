//! Books read in other terms, and books known in part, against the obvious implementations.
//!
//! The other side of a contract is compared with a book that is copied level by level and
//! mirrored. A book that is known in part is compared with the whole truth: an answer that is
//! not `truncated` is the same whatever lies beyond, and one that is would change.

use bookfeed_core::book::Book;
use bookfeed_core::event::{Aggressor, Level, Side};
use bookfeed_core::fixed::{PRICE_ONE, Price, Qty};
use bookfeed_core::metrics::{Depth, Imbalance, Levels, Quote, Sweep, Terms, View, imbalance};
use bookfeed_core::trades::{Print, TradeTape, TradeWindow};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

const SIDES: [Side; 2] = [Side::Bid, Side::Ask];

/// Both sides, and where knowledge of each ends.
#[derive(Clone, Debug)]
struct Plain {
    bids: Vec<Level>,
    asks: Vec<Level>,
    bids_known_to: Option<Price>,
    asks_known_to: Option<Price>,
}

impl Plain {
    fn book(&self) -> Book {
        let mut book = Book::default();
        book.bids.load(&self.bids).unwrap();
        book.asks.load(&self.asks).unwrap();
        book.rare.bids_known_to = self.bids_known_to.unwrap_or(book.rare.bids_known_to);
        book.rare.asks_known_to = self.asks_known_to.unwrap_or(book.rare.asks_known_to);
        book
    }

    /// The other side of a contract that pays `payout`: each order written down anew.
    fn mirrored(&self, payout: Price) -> Self {
        let turn = |levels: &[Level]| {
            levels.iter().map(|level| Level::new(payout - level.price, level.qty)).collect()
        };
        Self {
            bids: turn(&self.asks),
            asks: turn(&self.bids),
            bids_known_to: self.asks_known_to.map(|price| payout - price),
            asks_known_to: self.bids_known_to.map(|price| payout - price),
        }
    }
}

/// What a contract pays, and sizes of its orders: small numbers, and such as venues print.
fn scales() -> impl Strategy<Value = (Price, Qty)> {
    prop_oneof![Just((24, 9)), Just((PRICE_ONE, 50_000_000_000_000)), Just((100 * PRICE_ONE, 1 << 50))]
}

/// Levels at prices between nothing and the payout, split into two sides, crossed at times.
fn any_book() -> impl Strategy<Value = (Price, Plain)> {
    scales().prop_flat_map(|(payout, qty)| {
        let levels = prop::collection::btree_map(1..payout, 1..=qty, 0..=16);
        let end = || prop::option::of(1..payout);
        (levels, any::<Index>(), 0..8usize, end(), end()).prop_map(move |(levels, at, odds, b, a)| {
            let (bids, asks) = split(&levels, at, odds == 0);
            (payout, Plain { bids, asks, bids_known_to: b, asks_known_to: a })
        })
    })
}

fn split(levels: &BTreeMap<Price, Qty>, at: Index, crossed: bool) -> (Vec<Level>, Vec<Level>) {
    let levels: Vec<_> = levels.iter().map(|(&price, &qty)| Level::new(price, qty)).collect();
    let (low, high) = levels.split_at(at.index(levels.len() + 1));
    let (bids, asks) = if crossed { (high, low) } else { (low, high) };
    (bids.to_vec(), asks.to_vec())
}

/// What a reader may ask, in one value.
#[derive(Debug, PartialEq)]
struct Answers {
    touch: Option<Quote>,
    sides: Vec<SideAnswers>,
    imbalances: Vec<Option<(i128, i128, bool)>>,
}

#[derive(Debug, PartialEq)]
struct SideAnswers {
    side: Side,
    best: Option<(Price, Qty)>,
    known_end: Option<Price>,
    levels: Vec<(Price, Qty)>,
    sweeps: Vec<Option<Sweep>>,
    depths: Vec<Depth>,
}

fn parts(imbalance: Imbalance) -> (i128, i128, bool) {
    (imbalance.ratio.num(), imbalance.ratio.den(), imbalance.truncated)
}

fn answers(view: View<'_>, amounts: &[Qty], band_ppm: u32) -> Answers {
    let touch = view.touch();
    let side = |side: Side| {
        let levels = view.levels(side);
        assert_eq!(view.best(side), levels.best());
        assert_eq!(view.best_price(side), levels.best().map(|best| best.0));
        let by_qty = amounts.iter().map(|&amount| levels.sweep_qty(amount));
        let by_money = amounts.iter().map(|&amount| levels.sweep_notional(i128::from(amount) * 7));
        SideAnswers {
            side: levels.side(),
            best: levels.best(),
            known_end: levels.known_end(),
            levels: levels.best_first().collect(),
            sweeps: by_qty.chain(by_money).collect(),
            depths: (0..18)
                .map(|count| levels.depth(count))
                .chain(touch.map(|touch| levels.depth_within(&touch, band_ppm)))
                .collect(),
        }
    };
    let [bids, asks] = SIDES.map(|side| view.levels(side));
    Answers {
        touch,
        sides: SIDES.map(side).into(),
        imbalances: (0..18).map(|count| imbalance(bids, asks, count).map(parts)).collect(),
    }
}

fn prints() -> impl Strategy<Value = (Price, Vec<Print>)> {
    scales().prop_flat_map(|(payout, qty)| {
        let aggressor = prop::option::of(prop_oneof![Just(Aggressor::Buy), Just(Aggressor::Sell)]);
        let print =
            (1..payout, 1..=qty, aggressor, 0..100i64).prop_map(|(price, qty, aggressor, ts_recv)| {
                Print { price, qty, aggressor, ts_event: None, ts_recv }
            });
        (Just(payout), prop::collection::vec(print, 0..20))
    })
}

fn window(prints: &[Print]) -> TradeWindow {
    let mut tape = TradeTape::default();
    assert!(prints.iter().all(|&print| tape.push(print)));
    tape.window(100, 90)
}

/// A book, amounts to sweep it for, and a band around its touch in millionths.
type Asked = ((Price, Plain), [Qty; 3], u32);

fn asked() -> impl Strategy<Value = Asked> {
    let amounts = (1..60i64, 1..i64::MAX, 0..63u32)
        .prop_map(|(small, large, shift)| [small, large >> shift, large]);
    (any_book(), amounts, prop_oneof![0..2_000_000u32, any::<u32>()])
}

fn mirrors(((payout, plain), amounts, band_ppm): Asked) -> Result<(), TestCaseError> {
    let of = |book: &Book, terms| answers(View::new(book, terms), &amounts, band_ppm);
    let (own, mirrored) = (plain.book(), plain.mirrored(payout).book());
    prop_assert_eq!(of(&own, Terms::turned(payout)), of(&mirrored, Terms::OWN));
    prop_assert_eq!(of(&mirrored, Terms::turned(payout)), of(&own, Terms::OWN));
    Ok(())
}

#[test]
#[ignore = "long: a hundred thousand books"]
fn the_other_side_of_many_books() {
    let cases =
        ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(cases).run(&asked(), mirrors).unwrap();
}

proptest! {
    #[test]
    fn the_other_side_is_the_mirrored_book(asked in asked()) {
        mirrors(asked)?;
    }

    #[test]
    fn trades_of_the_other_side_are_the_mirrored_trades((payout, prints) in prints()) {
        let mirror = |print: &Print| Print {
            price: payout - print.price,
            aggressor: print.aggressor.map(|aggressor| match aggressor {
                Aggressor::Buy => Aggressor::Sell,
                Aggressor::Sell => Aggressor::Buy,
            }),
            ..*print
        };
        let mirrored: Vec<_> = prints.iter().map(mirror).collect();
        let terms = Terms::turned(payout);
        prop_assert_eq!(window(&prints).in_terms(terms), window(&mirrored));
        prop_assert_eq!(window(&prints).in_terms(Terms::OWN), window(&prints));
        for (own, other) in prints.iter().zip(&mirrored) {
            prop_assert_eq!(terms.price(own.price), other.price);
            prop_assert_eq!(own.aggressor.map(|a| terms.aggressor(a)), other.aggressor);
        }
    }
}

/// One side, worst level first: all of it, what a reader has, and where his knowledge ends.
#[derive(Clone, Debug)]
struct Partial {
    side: Side,
    truth: Vec<Level>,
    held: Vec<Level>,
    end: Price,
}

fn any_partial() -> impl Strategy<Value = Partial> {
    let entry = (1..40i64, 1..9i64, any::<bool>());
    let side = prop_oneof![Just(Side::Bid), Just(Side::Ask)];
    (side, prop::collection::vec(entry, 0..14), 1..40i64).prop_map(|(side, entries, end)| {
        let by_price: BTreeMap<_, _> = entries
            .into_iter()
            .map(|(price, qty, seen)| (price, (Level::new(price, qty), seen)))
            .collect();
        let mut all: Vec<_> = by_price.into_values().collect();
        if side == Side::Ask {
            all.reverse();
        }
        let known = |price| if side == Side::Bid { price >= end } else { price <= end };
        let held = all.iter().filter(|(level, seen)| known(level.price) || *seen);
        Partial {
            side,
            held: held.map(|(level, _)| *level).collect(),
            truth: all.iter().map(|(level, _)| *level).collect(),
            end,
        }
    })
}

impl Partial {
    fn held(&self) -> Levels<'_> {
        Levels::new(self.side, &self.held).known_to(Some(self.end))
    }

    /// Price of the best level that may be there without the reader's knowing.
    fn first_unknown(&self) -> Price {
        if self.side == Side::Bid { self.end - 1 } else { self.end + 1 }
    }

    /// What the reader knows in full.
    fn known(&self) -> Vec<Level> {
        let beyond = |price| if self.side == Side::Bid { price < self.end } else { price > self.end };
        self.held.iter().copied().filter(|level| !beyond(level.price)).collect()
    }

    /// Another truth that would look the same: one level more, the first that is not known.
    fn elsewise(&self) -> Vec<Level> {
        [vec![Level::new(self.first_unknown(), 1)], self.known()].concat()
    }
}

/// Holds `ask` to what `truncated` promises. `bare` takes the flag off an answer.
fn check<A: PartialEq + std::fmt::Debug>(
    partial: &Partial,
    ask: impl Fn(Levels<'_>) -> A,
    bare: impl Fn(A) -> (A, bool),
) {
    let whole = |levels: &[Level]| bare(ask(Levels::new(partial.side, levels)));
    let (answer, truncated) = bare(ask(partial.held()));
    assert_eq!((&answer, false), (&whole(&partial.known()).0, whole(&partial.known()).1), "{partial:?}");
    if truncated {
        assert_ne!(answer, whole(&partial.elsewise()).0, "nothing was cut off: {partial:?}");
    } else {
        assert_eq!(answer, whole(&partial.truth).0, "{partial:?}");
    }
}

fn bare_sweep(sweep: Option<Sweep>) -> (Option<Sweep>, bool) {
    (sweep.map(|s| Sweep { truncated: false, ..s }), sweep.is_some_and(|s| s.truncated))
}

fn bare_depth(depth: Depth) -> (Depth, bool) {
    (Depth { truncated: false, ..depth }, depth.truncated)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_answer_counts_what_is_known_and_says_when_that_is_not_all(
        partial in any_partial(),
        amount in 0..120i64,
        levels in 0..16usize,
        (bid, width) in (0..40i64, 0..8i64),
        band_ppm in 0..2_000_000u32,
    ) {
        let nothing_known = partial.known().is_empty();
        if !nothing_known {
            check(&partial, |side| side.sweep_qty(amount), bare_sweep);
            check(&partial, |side| side.sweep_notional(i128::from(amount) * 10), bare_sweep);
        } else {
            prop_assert_eq!(partial.held().sweep_qty(amount), None);
            prop_assert_eq!(partial.held().sweep_notional(i128::from(amount)), None);
        }
        check(&partial, |side| side.depth(levels), bare_depth);
        let touch = Quote::new(Some((bid, 1)), Some((bid + width, 1))).unwrap();
        check(&partial, |side| side.depth_within(&touch, band_ppm), bare_depth);
    }

    #[test]
    fn an_imbalance_says_when_a_side_is_not_known_so_deep(
        (_, plain) in any_book(),
        count in 1..18usize,
    ) {
        let book = plain.book();
        let known = |side: Side| {
            let end = book.depth_known(side);
            let beyond = |price| end.is_some_and(|end| match side {
                Side::Bid => price < end,
                Side::Ask => price > end,
            });
            let levels = View::new(&book, Terms::OWN).levels(side);
            levels.best_first().filter(|level| !beyond(level.0)).collect::<Vec<_>>()
        };
        let sum = |side| known(side).iter().take(count).map(|level| i128::from(level.1)).sum::<i128>();
        let short = |side| book.depth_known(side).is_some() && known(side).len() < count;
        let [bids, asks] = SIDES.map(|side| View::new(&book, Terms::OWN).levels(side));
        let got = imbalance(bids, asks, count).map(parts);
        let (bid, ask) = (sum(Side::Bid), sum(Side::Ask));
        let quoted = View::new(&book, Terms::OWN).touch().is_some() && bid + ask > 0;
        let expected = quoted.then(|| (bid - ask, bid + ask, SIDES.into_iter().any(short)));
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn the_end_of_knowledge_is_not_the_end_of_the_book() {
    let levels = [Level::new(520, 4), Level::new(510, 3), Level::new(500, 2)];
    let whole = Levels::new(Side::Ask, &levels);
    let window = whole.known_to(Some(520));
    let swept =
        |side: Levels<'_>, qty| side.sweep_qty(qty).map(|s| (s.filled_qty, s.complete, s.truncated));
    assert_eq!(swept(whole, 9), Some((9, true, false)));
    assert_eq!(swept(window, 9), Some((9, true, false)));
    assert_eq!(swept(whole, 10), Some((9, false, false)), "there is no more");
    assert_eq!(swept(window, 10), Some((9, false, true)), "there may be more");
    let near = whole.known_to(Some(505));
    assert_eq!(swept(near, 3), Some((2, false, true)), "a level that is held, but not known to be next");
    assert_eq!(near.best_first().len(), 3, "it can be looked at all the same");
    assert_eq!((near.depth(1).truncated, near.depth(2).truncated), (false, true));
    let far = whole.known_to(Some(499));
    assert_eq!((swept(far, 1), far.depth(1).levels, far.depth(1).truncated), (None, 0, true));
}
