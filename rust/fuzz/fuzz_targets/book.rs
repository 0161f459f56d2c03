//! Any sequence of sets, signed changes and snapshots on both sides of a book, against maps.
#![no_main]

use bookfeed_core::book::Book;
use bookfeed_core::event::{Level, Side};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};

fuzz_target!(|data: &[u8]| {
    let mut book = Book::default();
    let mut maps = [BTreeMap::new(), BTreeMap::new()];
    let mut chunks = data.chunks_exact(4);
    while let Some(&[op, a, b, qty]) = chunks.next().map(|c| c.first_chunk::<4>().unwrap()) {
        let side = if op & 1 == 0 { Side::Bid } else { Side::Ask };
        let map = &mut maps[usize::from(op & 1)];
        let price = 1 + i64::from(u16::from_le_bytes([a, b]) % 2_000);
        if op < 100 {
            let change = i64::from(qty) - 128;
            let sum = map.get(&price).unwrap_or(&0) + change;
            assert_eq!(book.add(side, price, change).is_ok(), sum >= 0);
            match sum {
                0 => drop(map.remove(&price)),
                1.. => drop(map.insert(price, sum)),
                _ => {}
            }
        } else if op < 240 {
            book.set(side, Level::new(price, i64::from(qty)));
            if qty == 0 {
                map.remove(&price);
            } else {
                map.insert(price, i64::from(qty));
            }
        } else {
            // A snapshot of as many levels as there are bytes for, in any order.
            let levels: Vec<_> = chunks
                .by_ref()
                .take(usize::from(qty % 32))
                .map(|c| {
                    Level::new(1 + i64::from(c[1]) + 256 * i64::from(c[2] % 8), 1 + i64::from(c[3]))
                })
                .collect();
            let distinct: BTreeSet<_> = levels.iter().map(|l| l.price).collect();
            let ladder = if op & 1 == 0 { &mut book.bids } else { &mut book.asks };
            map.clear();
            if distinct.len() == levels.len() {
                assert_eq!(ladder.load(&levels), Ok(()));
                map.extend(levels.iter().map(|l| (l.price, l.qty)));
            } else {
                assert!(ladder.load(&levels).is_err());
            }
        }
        let touch = book.current_touch();
        let best = (maps[0].last_key_value(), maps[1].first_key_value());
        assert_eq!((touch.bid, touch.bid_qty), best.0.map_or((i64::MIN, i64::MIN), |(&p, &q)| (p, q)));
        assert_eq!((touch.ask, touch.ask_qty), best.1.map_or((i64::MIN, i64::MIN), |(&p, &q)| (p, q)));
    }
    let bids: Vec<_> = maps[0].iter().rev().map(|(&p, &q)| (p, q)).collect();
    let asks: Vec<_> = maps[1].iter().map(|(&p, &q)| (p, q)).collect();
    assert_eq!(book.bids.best_first().collect::<Vec<_>>(), bids);
    assert_eq!(book.asks.best_first().collect::<Vec<_>>(), asks);
});
