//! The index of five spot venues at full depth, once a tick of 200 ms, and what a market on it is
//! worth.

use crate::clock::{Stage, stage, timed};
use crate::support::Rng;
use bookfeed_core::book::side::Ladder;
use bookfeed_core::event::Level;
use bookfeed_core::fairvalue::{Doubt, Payoff, Tails, Volatility, fair_value};
use bookfeed_core::fixed::{PRICE_ONE, QTY_ONE};
use bookfeed_core::index::{Constituent, Params, SpotIndex};
use bookfeed_core::settlement::{Measure, Rule, Sampling, Tie, VALUE_ONE, Window};
use bookfeed_core::time::SECOND;
use std::hint::black_box;

/// Levels of a side: of the deepest venue as many as were recorded of one, a dollar apart, so that
/// 3,250 are within 5 % and 325 within half a percent.
const DEPTHS: [i64; 5] = [23_000, 6_000, 3_000, 1_000, 50];
const MID: i64 = 65_000;
const TICKS: usize = 50;
const MARKETS: usize = 20_000;

struct Venue {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// Both sides have the same sizes at the same distances, so the index is the mid, whatever they
/// are.
fn venue(depth: i64, rng: &mut Rng) -> Venue {
    let (mut bids, mut asks) = (Vec::new(), Vec::new());
    for away in (1..=depth).rev() {
        let qty = QTY_ONE / 1_000 * (1 + i64::try_from(rng.below(3_000)).unwrap());
        bids.push(Level::new((MID - away) * PRICE_ONE, qty));
        asks.push(Level::new((MID + away) * PRICE_ONE, qty));
    }
    Venue { bids, asks }
}

fn index_stage() -> Stage<'static> {
    let mut rng = Rng(7);
    let venues: Vec<_> = DEPTHS.iter().map(|&depth| venue(depth, &mut rng)).collect();
    let mut index = SpotIndex::new(Params::BTC);
    stage("reference: an index of five venues at full depth", Some(300_000.0), move || {
        let seen: Vec<_> = venues
            .iter()
            .map(|v| Constituent {
                bids: Ladder::of(&v.bids),
                asks: Ladder::of(&v.asks),
                retrieved: 0,
                believed: true,
            })
            .collect();
        assert_eq!(index.tick(0, &seen).map(|value| value.value), Some(MID * PRICE_ONE));
        timed(TICKS, || {
            for _ in 0..TICKS {
                black_box(index.tick(0, black_box(&seen)));
            }
        })
    })
}

fn market_stage(name: &str, tails: Tails) -> Stage<'static> {
    let mean = Measure::Mean(Sampling::MINUTE);
    let rule = Rule { opening: mean, closing: mean, tie: Tie::Yes };
    let (start, end) = (1_000_000 * SECOND, 1_000_900 * SECOND);
    let mut window = Window::new(start, end, rule).unwrap();
    let mut volatility = Volatility::new(60 * SECOND, SECOND).unwrap();
    for second in -200..870 {
        let value = (84_000 + i128::from(second % 7)) * VALUE_ONE;
        window.tick(start + second * SECOND, value);
        volatility.tick(start + second * SECOND, value);
    }
    let now = start + 870 * SECOND;
    stage(name, Some(1_000.0), move || {
        let price = |strike: i128| {
            let ahead = window.ahead().unwrap();
            let payoff = Payoff::at_least(strike * VALUE_ONE);
            fair_value(payoff, &ahead, &volatility, tails, Doubt::USUAL, now).unwrap().price
        };
        assert!(price(83_990) > 900_000_000 && price(84_010) < 100_000_000);
        timed(MARKETS, || {
            for market in 0..MARKETS {
                black_box(price(83_990 + black_box(market % 20) as i128));
            }
        })
    })
}

/// The stages.
pub fn stages() -> Vec<Stage<'static>> {
    let fat = Tails::new(Some(4), 1.0).unwrap();
    vec![
        index_stage(),
        market_stage("reference: a fair value, normal tails", Tails::NORMAL),
        market_stage("reference: a fair value, fat tails", fat),
    ]
}
