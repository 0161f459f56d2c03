//! Markets of Kalshi as they truly are, and the frames the venue sends about them: books and
//! trades on numbered streams, prices on a 0.001 grid, sizes in hundredths of a contract.

use crate::support::Rng;
use crate::support::venue::{MS0, T0};
use bookfeed_core::engine::{Engine, Listing};
use bookfeed_core::event::Side;
use bookfeed_core::instrument::Venue as Kind;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Markets that frames are about.
pub const MARKETS: usize = 200;
/// Subscriptions the books are spread over; the next number is that of the trades.
const BOOK_SIDS: usize = 4;
/// Levels a side at the beginning.
const DEPTH: u32 = 60;
const E9_A_THOUSANDTH: i64 = 1_000_000;
const E8_A_HUNDREDTH: i64 = 1_000_000;
const BEST: [u32; 2] = [399, 599];

/// Which changes a run of frames is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Anywhere in the book, mostly near the touch, and three trades in a hundred.
    All,
    /// Sizes below the touch.
    Deep,
    /// A price above the best bid comes or goes: the touch moves every time.
    Touch,
}

/// A change as the engine must understand it: instrument, side, price, signed size.
pub type Change = (u32, Side, i64, i64);

/// A market: price in thousandths to size in hundredths, of bids for YES and of bids for NO.
#[derive(Clone)]
struct Market {
    ticker: String,
    id: String,
    sides: [BTreeMap<u32, i64>; 2],
}

/// The venue, from the first frame on.
#[derive(Clone)]
pub struct Venue {
    markets: Vec<Market>,
    seqs: [u64; BOOK_SIDS + 1],
    rng: Rng,
    ms: u64,
}

/// Name of market number `n`.
pub fn ticker(n: usize) -> String {
    format!("KXBTCD-26SEP{}-T{}.99", 2100 + n % BOOK_SIDS, 79_749 + 250 * (n / BOOK_SIDS))
}

fn hundredths(size: i64) -> String {
    let sign = if size < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", size.abs() / 100, size.abs() % 100)
}

impl Market {
    fn new(n: usize, rng: &mut Rng) -> Self {
        let id = (rng.next(), rng.next());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            id.0 >> 32,
            id.0 >> 16 & 0xffff,
            id.0 & 0xfff,
            id.1 >> 48 & 0xfff,
            id.1 & 0xffff_ffff_ffff
        );
        let sides = BEST.map(|best| (0..DEPTH).map(|i| (best - i, draw(rng))).collect());
        Self { ticker: ticker(n), id, sides }
    }

    fn snapshot(&self, sid: usize, seq: u64) -> String {
        let levels = |side: &BTreeMap<u32, i64>| {
            let all = side.iter().map(|(p, s)| format!(r#"["0.{p:03}0","{}"]"#, hundredths(*s)));
            all.collect::<Vec<_>>().join(",")
        };
        format!(
            r#"{{"type":"orderbook_snapshot","sid":{sid},"seq":{seq},"msg":{{"market_ticker":"{}","market_id":"{}","yes_dollars_fp":[{}],"no_dollars_fp":[{}]}}}}"#,
            self.ticker,
            self.id,
            levels(&self.sides[0]),
            levels(&self.sides[1]),
        )
    }

    fn best(&self, side: usize) -> u32 {
        *self.sides[side].keys().next_back().unwrap()
    }

    /// A change of one side: price and signed size, neither a crossed nor an empty book after it.
    fn draw_change(&self, mix: Mix, rng: &mut Rng) -> (usize, u32, i64) {
        let side = rng.below(2);
        let levels = &self.sides[side];
        let (best, free) = (self.best(side), 1_000 - self.best(1 - side));
        let below = |depth: usize| *levels.keys().rev().nth(depth).unwrap();
        match mix {
            Mix::Touch if best > BEST[side] => (side, best, -levels[&best]),
            Mix::Touch if free > best + 1 => (side, best + 1, draw(rng)),
            // The other side stands there.
            Mix::Touch => (1 - side, 1_000 - free, -self.sides[1 - side][&(1_000 - free)]),
            Mix::Deep => (side, below(1 + rng.below(8)), draw(rng)),
            Mix::All => {
                let deep = rng.once_in(4);
                let depth = rng.below(if deep { 40 } else { 6 });
                let price = below(depth);
                match rng.below(10) {
                    0..=1 if levels.len() > 50 => (side, price, -levels[&price]),
                    2..=3 if levels[&price] > 1 => (side, price, -(levels[&price] / 2)),
                    4 if free > best + 1 => (side, best + 1, draw(rng)),
                    _ => (side, price.saturating_sub(1).max(1), draw(rng)),
                }
            }
        }
    }
}

/// A size in hundredths: whole contracts mostly.
fn draw(rng: &mut Rng) -> i64 {
    let whole = i64::try_from(1 + rng.below(3_000)).unwrap() * 100;
    if rng.once_in(3) { whole + i64::try_from(rng.below(100)).unwrap() } else { whole }
}

impl Venue {
    /// A venue before its first frame.
    pub fn new() -> Self {
        let mut rng = Rng(20_260_921);
        let markets = (0..MARKETS).map(|n| Market::new(n, &mut rng)).collect();
        Self { markets, seqs: [0; BOOK_SIDS + 1], rng, ms: MS0 }
    }

    fn seq(&mut self, stream: usize) -> u64 {
        self.seqs[stream] += 1;
        self.seqs[stream]
    }

    /// Subscribes every market and tells its book; instruments are numbered as the markets are.
    pub fn begin(&mut self, engine: &mut Engine) {
        engine.connected(0, Kind::KALSHI, "", T0).unwrap();
        let listing = Listing { fee: Some("kalshi:quadratic;1;non_direct"), ..Listing::default() };
        for n in 0..MARKETS {
            let id = engine.subscribe(Kind::KALSHI, &ticker(n), 0, &listing, T0).unwrap();
            assert_eq!(id as usize, n);
        }
        for n in 0..MARKETS {
            let stream = n % BOOK_SIDS;
            let seq = self.seq(stream);
            let frame = self.markets[n].snapshot(stream + 1, seq);
            engine.ingest(0, frame.as_bytes(), T0);
        }
        engine.output().clear();
    }

    /// The next frame, and the change it tells.
    pub fn frame(&mut self, mix: Mix) -> (String, Option<Change>) {
        self.ms += self.rng.next() % 2;
        let n = self.rng.below(MARKETS);
        if mix == Mix::All && self.rng.below(100) < 3 {
            return (self.trade(n), None);
        }
        let (side, price, size) = self.markets[n].draw_change(mix, &mut self.rng);
        let level = self.markets[n].sides[side].entry(price).or_insert(0);
        *level += size;
        if *level == 0 {
            self.markets[n].sides[side].remove(&price);
        }
        let yes_price = if side == 0 { price } else { 1_000 - price };
        let change = (
            u32::try_from(n).unwrap(),
            [Side::Bid, Side::Ask][side],
            i64::from(yes_price) * E9_A_THOUSANDTH,
            size * E8_A_HUNDREDTH,
        );
        (self.delta(n, side, price, size), Some(change))
    }

    fn delta(&mut self, n: usize, side: usize, price: u32, size: i64) -> String {
        let stream = n % BOOK_SIDS;
        let (sid, seq) = (stream + 1, self.seq(stream));
        let Market { ticker, id, .. } = &self.markets[n];
        let (side, size) = (["yes", "no"][side], hundredths(size));
        let mut text = format!(
            r#"{{"type":"orderbook_delta","sid":{sid},"seq":{seq},"msg":{{"market_ticker":"{ticker}","market_id":"{id}","#
        );
        let (second, us) = (self.ms / 1_000 - MS0 / 1_000, self.ms % 1_000 * 1_000 + 457);
        write!(
            text,
            r#""price_dollars":"0.{price:03}0","delta_fp":"{size}","side":"{side}","ts":"2026-09-21T14:{:02}:{:02}.{us:06}Z","ts_ms":{}}}}}"#,
            13 + (second + 20) / 60,
            (second + 20) % 60,
            self.ms,
        )
        .unwrap();
        text
    }

    fn trade(&mut self, n: usize) -> String {
        let (sid, seq) = (BOOK_SIDS + 1, self.seq(BOOK_SIDS));
        let (price, size) = (self.markets[n].best(0), hundredths(draw(&mut self.rng)));
        let (ticker, ms) = (&self.markets[n].ticker, self.ms);
        format!(
            r#"{{"type":"trade","sid":{sid},"seq":{seq},"msg":{{"trade_id":"{}","market_ticker":"{ticker}","yes_price_dollars":"0.{price:03}0","no_price_dollars":"0.{:03}0","count_fp":"{size}","taker_side":"no","taker_outcome_side":"no","taker_book_side":"ask","is_block_trade":false,"ts":{},"ts_ms":{ms}}}}}"#,
            self.markets[n].id,
            1_000 - price,
            ms / 1_000,
        )
    }

    /// Levels of a market's book in YES terms, bids and asks, the best first: 1e-9 and 1e-8.
    pub fn levels(&self, n: usize) -> [Vec<(i64, i64)>; 2] {
        let [yes, no] = &self.markets[n].sides;
        let level = |price: u32, size: i64| (i64::from(price) * E9_A_THOUSANDTH, size * E8_A_HUNDREDTH);
        [
            yes.iter().rev().map(|(&p, &s)| level(p, s)).collect(),
            no.iter().rev().map(|(&p, &s)| level(1_000 - p, s)).collect(),
        ]
    }
}
