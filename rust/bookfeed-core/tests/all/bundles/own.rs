//! Rules take nothing of the user's own: what they find is what they would find if it were not in
//! the books, as long as there is something in them as they are.

use super::oracle::{DIRECT, QUARTER, Schedule, Side};
use super::pit::{Listed, Pit, Sides, sides};
use crate::support::Rng;
use crate::support::records::Signal;
use bookfeed_core::engine::{Config, EngineError};
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::Refusal;
use bookfeed_core::signals::own::{OWN_LEVELS_MAX, OwnError};

const CENT: i64 = 10_000_000;
const SHARE: i64 = 100_000_000;

/// A box of two markets with fees.
fn pit() -> Pit {
    let mut pit = Pit::new(Config::default());
    let kalshi = Some(Schedule::Kalshi(PRICE_ONE, 0, DIRECT));
    pit.list(Venue::KALSHI, Listed { schedule: kalshi, ..Listed::default() });
    let polymarket = Some(Schedule::Polymarket(40_000_000));
    pit.list(Venue::POLYMARKET, Listed { schedule: polymarket, ..Listed::default() });
    pit.add_box(&[("polarity_check", "off"), ("max_lag_ms", "0"), ("min_edge", "0.002")]);
    pit
}

fn rest(pit: &mut Pit, n: usize, own: &Sides) -> Vec<String> {
    let id = pit.places[n].id;
    pit.engine.own_resting(id, &own.bids, &own.asks, pit.ts).unwrap();
    pit.wait(0)
}

/// What a signal says of what is taken; what would rest is of the books as they are.
fn taken(signal: &Signal) -> impl PartialEq + std::fmt::Debug + use<> {
    let legs: Vec<_> =
        signal.legs.iter().map(|l| (l.complement, l.avg_price, l.worst_price, l.qty, l.fee)).collect();
    let (gross, net) = (signal.gross_edge, signal.net_edge);
    (signal.value, signal.qty, gross, net, signal.fee, signal.capital, legs)
}

/// What is open, in the order of the directions.
fn open(pit: &Pit) -> Vec<&Signal> {
    let mut last: Vec<&Signal> = Vec::new();
    for signal in &pit.signals {
        last.retain(|known| known.id != signal.id);
        last.push(signal);
    }
    last.retain(|signal| signal.phase.name() != "close");
    last.sort_by_key(|signal| signal.legs[0].complement);
    last
}

fn side(rng: &mut Rng, best: i64, worse: i64) -> Side {
    let size = |rng: &mut Rng| QUARTER * i64::try_from(1 + rng.below(20)).unwrap();
    (0..1 + i64::try_from(rng.below(4)).unwrap()).map(|i| (best + worse * i * CENT, size(rng))).collect()
}

/// A part of each level, all of it, more, or nothing.
fn part(rng: &mut Rng, of: &Side) -> Side {
    let half = |rng: &mut Rng, qty: i64| qty / QUARTER / 2 * QUARTER * *rng.pick(&[0, 0, 1, 2, 4]);
    let own = of.iter().map(|&(price, qty)| (price, half(rng, qty)));
    own.filter(|&(_, qty)| qty > 0).collect()
}

fn without(of: &Side, own: &Side) -> Side {
    let at = |price| own.iter().find(|l| l.0 == price).map_or(0, |l| l.1);
    let left = of.iter().map(|&(price, qty)| (price, qty - at(price)));
    left.filter(|&(_, qty)| qty > 0).collect()
}

#[test]
fn what_is_found_is_what_the_books_hold_without_the_users_own() {
    let mut counts = [0; 3];
    for seed in 0..400 {
        let rng = &mut Rng(seed);
        let mids = [44, 44 + i64::try_from(rng.below(20)).unwrap()];
        let books = mids.map(|mid| Sides {
            bids: side(rng, (mid - 1) * CENT, -1),
            asks: side(rng, (mid + 1) * CENT, 1),
        });
        let own =
            [0, 1].map(|n| Sides { bids: part(rng, &books[n].bids), asks: part(rng, &books[n].asks) });
        let net = [0, 1].map(|n| Sides {
            bids: without(&books[n].bids, &own[n].bids),
            asks: without(&books[n].asks, &own[n].asks),
        });
        // Told before the books come, and while what is in them is open.
        let [mut before, mut after, mut whole, mut bare] = [(); 4].map(|()| pit());
        for n in 0..2 {
            rest(&mut before, n, &own[n]);
            for (pit, book) in [
                (&mut before, &books[n]),
                (&mut after, &books[n]),
                (&mut whole, &books[n]),
                (&mut bare, &net[n]),
            ] {
                pit.book(n, book);
            }
        }
        for (n, own) in own.iter().enumerate() {
            rest(&mut after, n, own);
        }
        let (whole, bare) = (open(&whole), open(&bare));
        let found: Vec<_> = bare.iter().map(|signal| taken(signal)).collect();
        for pit in [&before, &after] {
            let got: Vec<_> = open(pit).into_iter().map(taken).collect();
            assert_eq!(got, found, "seed {seed}");
        }
        let refused = before.refused(Refusal::Own) > 0 && after.refused(Refusal::Own) > 0;
        assert_eq!(refused, whole.len() > bare.len(), "seed {seed}");
        assert!(bare.len() <= whole.len(), "seed {seed}");
        let same = whole.iter().map(|s| taken(s)).collect::<Vec<_>>() == found;
        let kind = if whole.len() > bare.len() { 0 } else { 1 + usize::from(same) };
        counts[kind] += usize::from(!whole.is_empty());
    }
    assert!(counts.iter().all(|&n| n > 20), "refused, smaller, as they are: {counts:?}");
}

#[test]
fn it_is_asked_about_at_once_and_opens_when_others_are_enough() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[("polarity_check", "off")]);
    pit.touch(0, 440, 5, 450, 5);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"]);
    // Orders elsewhere change nothing; some at the touch leave less; all of it, nothing.
    assert_eq!(rest(&mut pit, 0, &sides(&[(440, 5)], &[(460, 5)])), [""; 0]);
    assert_eq!(rest(&mut pit, 0, &sides(&[], &[(450, 2)])), ["update"]);
    assert_eq!(pit.signals.last().unwrap().qty, 3 * SHARE);
    assert_eq!(rest(&mut pit, 0, &sides(&[], &[(450, 5)])), ["close refused"]);
    assert_eq!(pit.reasons(), [("own", 1)]);
    assert_eq!(pit.touch(0, 440, 5, 450, 6), ["open"], "one of them is another's");
    assert_eq!(pit.signals.last().unwrap().qty, SHARE);
    assert_eq!(rest(&mut pit, 0, &Sides::default()), ["update"]);
    assert_eq!(pit.signals.last().unwrap().qty, 5 * SHARE);
}

#[test]
fn an_instrument_that_is_let_go_takes_its_orders_with_it() {
    let mut pit = Pit::boxed([Venue::KALSHI; 2], &[("polarity_check", "off")]);
    rest(&mut pit, 1, &sides(&[(550, 5)], &[]));
    pit.touch(0, 440, 5, 450, 5);
    assert_eq!(pit.touch(1, 550, 5, 560, 5), [""; 0]);
    let (id, symbol) = (pit.places[1].id, pit.symbol(1));
    pit.engine.unsubscribe(id, pit.ts).unwrap();
    pit.engine.forget(id).unwrap();
    let listing =
        bookfeed_core::engine::Listing { fee: Some("kalshi:quadratic;0;direct"), ..Default::default() };
    let anew = pit.engine.subscribe(Venue::KALSHI, &symbol, 0, &listing, pit.ts).unwrap();
    assert_eq!(anew, id, "its place is used again");
    assert_eq!(pit.touch(1, 550, 5, 560, 5), ["open"]);
}

#[test]
fn levels_that_are_none_are_refused_and_change_nothing() {
    let mut pit = Pit::free(Config::default(), &[Venue::KALSHI]);
    let mut tell = |id, bids: &[(i64, i64)]| pit.engine.own_resting(id, bids, &[], 1).err();
    assert_eq!(tell(0, &[(0, 1), (PRICE_ONE, i64::MAX)]), None);
    assert_eq!(tell(0, &[(-1, 1)]), Some(EngineError::Own(OwnError::Level(-1, 1))));
    assert_eq!(tell(0, &[(1, 0)]), Some(EngineError::Own(OwnError::Level(1, 0))));
    assert_eq!(tell(0, &[(2, 1), (1, 1), (2, 3)]), Some(EngineError::Own(OwnError::Twice(2))));
    let many: Vec<_> = (0..=i64::try_from(OWN_LEVELS_MAX).unwrap()).map(|at| (at, 1)).collect();
    assert_eq!(tell(0, &many), Some(EngineError::Own(OwnError::Many(OWN_LEVELS_MAX + 1))));
    assert_eq!(tell(1, &[]), Some(EngineError::NoInstrument(1)));
    let told = OwnError::Twice(2).to_string();
    assert!(told.contains("give the sum"), "{told}");
}
