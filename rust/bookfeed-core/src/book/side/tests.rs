//! One side of a book, by examples.

use super::*;

fn level(price: Price, qty: Qty) -> Level {
    Level { price, qty, ..Level::default() }
}

fn levels(side: &BookSide) -> Vec<(Price, Qty)> {
    side.best_first().collect()
}

#[test]
fn keeps_the_best_level_last() {
    let mut bids = BookSide::new(Side::Bid);
    let mut asks = BookSide::new(Side::Ask);
    for price in [5, 1, 9, 3, 7, 2, 8] {
        assert!(bids.set(level(price, price * 10)));
        assert!(asks.set(level(price, price * 10)));
    }
    assert_eq!(bids.best(), Some((9, 90)));
    assert_eq!(asks.best(), Some((1, 10)));
    assert!(bids.set(level(9, 0)));
    assert!(!bids.set(level(9, 0)));
    assert!(!bids.set(level(8, 80)));
    assert!(bids.set(level(8, 81)));
    assert_eq!(levels(&bids), [(8, 81), (7, 70), (5, 50), (3, 30), (2, 20), (1, 10)]);
    assert_eq!(levels(&asks)[..3], [(1, 10), (2, 20), (3, 30)]);
}

#[test]
fn adds_exactly_and_never_below_zero() {
    let mut bids = BookSide::new(Side::Bid);
    assert_eq!(bids.add(5, 10), Ok(true));
    assert_eq!(bids.add(7, 3), Ok(true));
    assert_eq!(bids.add(5, -4), Ok(true));
    assert_eq!(bids.add(5, 0), Ok(false));
    assert_eq!(bids.add(6, 0), Ok(false), "nothing is not a level");
    assert_eq!(bids.add(5, -7), Err(Underflow));
    assert_eq!(bids.add(4, -1), Err(Underflow), "from a level that is not there");
    assert_eq!(bids.add(5, Qty::MAX), Err(Underflow), "nor beyond what fits");
    assert_eq!(levels(&bids), [(7, 3), (5, 6)]);
    assert_eq!(bids.add(7, -3), Ok(true));
    assert_eq!(levels(&bids), [(5, 6)]);
}

#[test]
fn keeps_the_best_of_a_window() {
    let mut asks = BookSide::new(Side::Ask);
    for price in [4, 2, 3, 1] {
        asks.set(level(price, 1));
    }
    asks.truncate(4);
    assert_eq!((asks.len(), asks.worst_price()), (4, Some(4)));
    asks.truncate(2);
    assert_eq!(levels(&asks), [(1, 1), (2, 1)]);
    asks.truncate(0);
    assert_eq!((asks.len(), asks.worst_price()), (0, None));
}

#[test]
fn what_does_not_add_up_is_found_and_stays_found() {
    let loaded = || {
        let mut bids = BookSide::new(Side::Bid);
        bids.load(&[level(1, 5), level(3, 6), level(2, 7)]).unwrap();
        assert!(bids.audit());
        bids
    };
    let mut bids = loaded();
    bids.damage();
    for _ in 0..AUDIT_AFTER {
        assert!(!bids.audit_due());
        bids.set(level(3, 8));
    }
    assert!(bids.audit_due() && !bids.audit() && bids.audit_due());
    let mut bids = loaded();
    bids.damage();
    bids.load(&[level(1, 5)]).unwrap();
    assert!(bids.audit_due() && !bids.audit(), "a snapshot hides nothing");
    let mut bids = loaded();
    bids.levels.swap(0, 1);
    assert!(!bids.audit(), "the sum alone says nothing about order");
}

#[test]
fn loads_sorted_and_unsorted_snapshots() {
    let mut asks = BookSide::new(Side::Ask);
    let sorted = [level(9, 1), level(5, 2), level(4, 3)];
    asks.load(&sorted).unwrap();
    let expected = levels(&asks);
    asks.load(&[sorted[2], sorted[0], sorted[1]]).unwrap();
    assert_eq!(levels(&asks), expected);
    assert_eq!(asks.load(&[sorted[0], sorted[1], sorted[0]]), Err(DuplicateLevel(9)));
    assert!(asks.is_empty());
}
