//! Books of several venues as one: against lists that are sorted, and where a venue is not known in
//! whole. Sizes and money across venues are held to a slow reading in Python's tests, too.

use bookfeed_core::consolidated::{Crossing, Entry, LeadLag, LeadParams, Part, merged, sweep_qty};
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fixed::{Price, Qty};
use bookfeed_core::metrics::{Levels, Terms};
use bookfeed_core::time::SECOND;
use proptest::prelude::*;
use std::cmp::Reverse;

type Sizes = Vec<(Price, Qty)>;

fn ladder(side: Side, sizes: &[(Price, Qty)]) -> Vec<Level> {
    let mut levels: Vec<_> = sizes.iter().map(|&(price, qty)| Level::new(price, qty)).collect();
    levels.sort_by_key(|level| if side == Side::Bid { level.price } else { -level.price });
    levels.dedup_by_key(|level| level.price);
    levels
}

fn sizes() -> impl Strategy<Value = Sizes> {
    prop::collection::vec((1..60i64, 1..9i64), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_ladder_has_all_levels_in_order(
        venues in prop::collection::vec(sizes(), 0..5),
        end in prop::option::of((0..5usize, 1..60i64)),
        ask: bool,
    ) {
        let side = if ask { Side::Ask } else { Side::Bid };
        let held: Vec<_> = venues.iter().map(|sizes| ladder(side, sizes)).collect();
        let none = Levels::new(if ask { Side::Bid } else { Side::Ask }, &[]);
        let parts: Vec<_> = held.iter().enumerate().map(|(place, levels)| {
            let known_to = end.filter(|&(of, _)| of == place).map(|(_, price)| price);
            let levels = Levels::new(side, levels).known_to(known_to);
            if ask { Part { bids: none, asks: levels } } else { Part { bids: levels, asks: none } }
        }).collect();
        let mut expected: Vec<_> = held.iter().enumerate().flat_map(|(place, levels)| {
            levels.iter().map(move |level| Entry { price: level.price, qty: level.qty, place })
        }).collect();
        // The sort is stable: of one price, venues stay in their order.
        if ask {
            expected.sort_by_key(|entry| entry.price);
        } else {
            expected.sort_by_key(|entry| Reverse(entry.price));
        }
        let all: Vec<_> = merged(&parts, side).collect();
        prop_assert_eq!(&all, &expected);
        let end = end.filter(|&(of, _)| of < parts.len()).map(|(_, price)| price);
        let inside = |entry: &Entry| end.is_none_or(|end| if ask { entry.price <= end } else { entry.price >= end });
        let known: Vec<_> = expected.iter().copied().filter(inside).collect();
        prop_assert_eq!(&merged(&parts, side).known().collect::<Vec<_>>(), &known);
        let there: Qty = known.iter().map(|entry| entry.qty).sum();
        let swept = sweep_qty(&parts, side, there + 1);
        prop_assert_eq!(swept.is_some(), there > 0);
        if let Some(swept) = swept {
            prop_assert_eq!((swept.whole.filled_qty, swept.whole.complete), (there, false));
            prop_assert_eq!(swept.whole.truncated, end.is_some());
            let shares: Qty = swept.shares.iter().map(|share| share.qty).sum();
            prop_assert_eq!(shares, there);
        }
    }
}

#[test]
fn what_may_cross_behind_what_is_known_is_said() {
    let (bids, asks) = (ladder(Side::Bid, &[(50, 4), (49, 4)]), ladder(Side::Ask, &[(45, 3), (46, 3)]));
    let none = (Levels::new(Side::Bid, &[]), Levels::new(Side::Ask, &[]));
    let of = |ask_end: Option<Price>| {
        let buyer = Part { bids: Levels::new(Side::Bid, &bids), asks: none.1 };
        let seller = Part { bids: none.0, asks: Levels::new(Side::Ask, &asks).known_to(ask_end) };
        Crossing::of(&[buyer, seller])
    };
    let whole = of(None);
    assert_eq!(
        (whole.qty, whole.gain, whole.last, whole.truncated),
        (6, 3 * 5 + 4 + 2 * 3, Some((49, 46)), false)
    );
    assert_eq!(whole.sizes, [(6, 0), (0, 6)]);
    let cut = of(Some(45));
    assert_eq!((cut.qty, cut.gain, cut.last, cut.truncated), (3, 15, Some((50, 45)), true));
    assert_eq!(Crossing::of(&[]), Crossing::default());
}

/// The other side of a contract, in its own terms, beside one that is as it is.
#[test]
fn terms_are_those_of_each_book() {
    let book = bookfeed_core::book::Book::default();
    let turned = bookfeed_core::metrics::View::new(&book, Terms::turned(1_000_000_000));
    let part = Part { bids: turned.levels(Side::Bid), asks: turned.levels(Side::Ask) };
    assert_eq!((part.twice_mid(), merged(&[part], Side::Bid).next()), (None, None));
}

#[test]
fn nothing_that_is_told_of_mids_breaks_a_lead() {
    let params = LeadParams { looks: 60, moves_min: 5, ..LeadParams::USUAL };
    let mut leads = LeadLag::new(2, params);
    let extremes = [i128::from(Price::MAX) * 2, 0, i128::from(Price::MIN) * 2];
    for n in 0..200 {
        let mid = extremes[usize::try_from(n).unwrap() % 3];
        leads.look(n * SECOND / 10, &[Some(mid), Some(mid)]);
    }
    let lead = leads.lead(0).unwrap();
    assert_eq!((lead.lead, lead.correlation_ppm, lead.moves), (0, 1_000_000, 59));
    // A clock that was set back is no look, and one that was set on forgets all before it.
    leads.look(0, &[Some(1), Some(2)]);
    assert_eq!(leads.lead(0), Some(lead));
    leads.look(i64::MAX, &[Some(1), Some(2)]);
    assert_eq!((leads.lead(0), leads.lead(7)), (None, None));
}
