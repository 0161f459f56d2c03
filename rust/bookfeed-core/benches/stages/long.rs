//! Sides of very many levels: changes anywhere in one of 30,000, and a whole book of 5 MB.

use crate::clock::{Stage, stage, timed};
use crate::support::Rng;
use crate::support::spot::Venue as Simulated;
use bookfeed_core::book::side::BookSide;
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::event::{Body, Frame, Level, Side};
use bookfeed_core::fixed::Price;
use bookfeed_core::instrument::{Instrument, Instruments, UNKNOWN, Venue};
use std::collections::BTreeMap;
use std::hint::black_box;

/// Levels of the side.
const LEVELS: i64 = 30_000;
/// Changes of a round.
const CHANGES: usize = 100_000;
/// Levels a side of the whole book: as many as Coinbase was seen to have.
const WHOLE: i64 = 27_238;

/// Changes of levels `away` steps from the touch: of three, one comes or goes, so that their number
/// stays what it is.
fn changes(away: impl Fn(&mut Rng) -> usize) -> Vec<Level> {
    let mut rng = Rng(11);
    let mut held: BTreeMap<Price, bool> = BTreeMap::new();
    (1..=CHANGES)
        .map(|n| {
            let price = -i64::try_from(away(&mut rng)).unwrap();
            let there = held.entry(price).or_insert(price % 2 == 0);
            *there = if n % 3 == 0 { !*there } else { *there };
            Level::new(price, if *there { i64::try_from(n).unwrap() } else { 0 })
        })
        .collect()
}

/// The side before any of them: every other price has a level.
fn side() -> BookSide {
    let levels: Vec<_> = (1 - LEVELS..=0).map(|at| Level::new(2 * at, 1)).collect();
    let mut side = BookSide::new(Side::Bid);
    side.load(&levels).unwrap();
    side
}

fn updates(name: &str, away: impl Fn(&mut Rng) -> usize) -> Stage<'static> {
    let updates = changes(away);
    let mut expected: BTreeMap<Price, i64> = side().best_first().collect();
    let mut bids = side();
    for update in &updates {
        bids.set(*update);
        match update.qty {
            0 => expected.remove(&update.price),
            qty => expected.insert(update.price, qty),
        };
    }
    assert!(bids.best_first().eq(expected.iter().rev().map(|(&p, &q)| (p, q))));
    stage(name, Some(200.0), move || {
        timed(updates.len(), || {
            for &update in &updates {
                black_box(bids.set(black_box(update)));
            }
        })
    })
}

/// From the bytes of a frame to a book.
fn whole_book() -> Stage<'static> {
    let mut known = Instruments::default();
    known.add(Instrument::new(Venue::COINBASE, "BTC-USD", 0));
    let simulated = Simulated::new("BTC-USD", 5, WHOLE);
    let text = simulated.coinbase_book("snapshot", 0, &simulated.sides);
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let (mut bids, mut asks) = (BookSide::new(Side::Bid), BookSide::new(Side::Ask));
    let mut load = move || {
        let (bytes, source) = (text.as_bytes(), Source::Stream);
        let payload = Payload { bytes, source, mode: Mode::default(), about: UNKNOWN, fast: true };
        (Venue::COINBASE.row().decode)(&payload, &known, &mut frame, &mut tally).unwrap();
        let Body::Snapshot(whole) = &frame.messages[0].body else { panic!("a whole book") };
        bids.load(&frame.levels[whole.bids.clone()]).unwrap();
        asks.load(&frame.levels[whole.asks.clone()]).unwrap();
        (bids.len(), asks.len(), text.len())
    };
    let (bids, asks, bytes) = load();
    assert_eq!([bids, asks].map(i64::try_from), [Ok(WHOLE), Ok(WHOLE)]);
    assert!(bytes > 5_000_000, "{bytes}");
    stage("long: a whole book of 5 MB, decoded and loaded", Some(30e6), move || {
        timed(1, || {
            black_box(load());
        })
    })
}

/// All stages of this file.
pub fn stages() -> [Stage<'static>; 3] {
    let span = usize::try_from(2 * LEVELS).unwrap();
    // A sorted vector would move 1,928 levels on average, as it would have in a recording.
    let mostly_near = |rng: &mut Rng| {
        let reach = if rng.once_in(7) { span } else { 600 };
        rng.below(reach)
    };
    [
        updates("long: update anywhere in 30,000 levels", |rng| rng.below(span)),
        updates("long: update of 30,000 levels, mostly near the touch", mostly_near),
        whole_book(),
    ]
}
