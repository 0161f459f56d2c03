//! Kalshi as a test needs it: true books as maps of integers, and the frames it prints about
//! them. Prices are ten-thousandths of a dollar, sizes hundredths of a contract.

use super::records::{Levels, Signal, Update, drain, levels, shown};
use super::venue::{MS, T0};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::instrument::Venue;
use bookfeed_core::time::Nanos;
use std::collections::BTreeMap;

/// Subscriptions of the connection, by channel.
pub const BOOKS: u32 = 1;
pub const TRADES: u32 = 2;
pub const TICKERS: u32 = 3;
pub const NEWS: u32 = 5;

/// Resting bids of one outcome: price to size.
pub type Bids = BTreeMap<u32, u64>;

/// A market as it truly is: bids for YES and bids for NO, each at its own price.
#[derive(Clone, Debug)]
pub struct Market {
    pub ticker: String,
    pub id: String,
    pub yes: Bids,
    pub no: Bids,
}

/// `units` of 10^-`places` in shortest form.
fn shortest(units: u64, places: usize) -> String {
    let digits = format!("{units:0width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// A price as the venue prints it.
pub fn dollars(price: u32) -> String {
    format!("{}.{:04}", price / 10_000, price % 10_000)
}

/// A size as the venue prints it.
pub fn contracts(size: i64) -> String {
    let sign = if size < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", size.abs() / 100, size.abs() % 100)
}

impl Market {
    pub fn new(n: usize) -> Self {
        let at = |best: u32, sizes: [u64; 3]| (0..3).map(|i| best - 100 * i).zip(sizes).collect();
        Self {
            ticker: format!("KXTEST-26OCT0117-T{n}"),
            id: format!("5b1c1a36-0f0e-4a55-9d0e-{n:012x}"),
            yes: at(4_400, [1_337, 250_000, 50]),
            no: at(5_400, [25_000, 1_000, 7]),
        }
    }

    /// The books of YES and of NO, the best first.
    pub fn levels(&self, no: bool) -> (Levels, Levels) {
        let text = |price, size| (shortest(u64::from(price), 4), shortest(size, 2));
        let (own, other) = if no { (&self.no, &self.yes) } else { (&self.yes, &self.no) };
        (
            own.iter().rev().map(|(&p, &q)| text(p, q)).collect(),
            other.iter().rev().map(|(&p, &q)| text(10_000 - p, q)).collect(),
        )
    }

    /// Whether bids for both outcomes add up to a dollar or more.
    pub fn overlaps(&self) -> bool {
        let best = |bids: &Bids| bids.keys().next_back().copied();
        best(&self.yes).zip(best(&self.no)).is_some_and(|(yes, no)| yes + no >= 10_000)
    }

    /// Best bid and ask of YES as the ticker channel prints them: `0` and `1` for none.
    pub fn touch(&self) -> (String, String) {
        let best = |bids: &Bids| bids.keys().next_back().copied().unwrap_or(0);
        (dollars(best(&self.yes)), dollars(10_000 - best(&self.no)))
    }
}

/// The venue's end of one connection.
#[derive(Clone, Debug)]
pub struct Kalshi {
    pub markets: Vec<Market>,
    /// Whether NO bids are printed at the price of YES.
    pub yes_prices: bool,
    /// Number of the newest message, by subscription.
    pub seqs: BTreeMap<u32, u64>,
    /// Venue time in milliseconds.
    pub ms: u64,
}

impl Kalshi {
    pub fn new(markets: usize, yes_prices: bool) -> Self {
        let markets = (0..markets).map(Market::new).collect();
        Self { markets, yes_prices, seqs: BTreeMap::new(), ms: 1_790_000_000_000 }
    }

    /// `,"seq":` and the next number of a subscription.
    pub fn seq(&mut self, sid: u32) -> u64 {
        let seq = self.seqs.entry(sid).or_default();
        *seq += 1;
        *seq
    }

    fn no_price(&self, price: u32) -> String {
        dollars(if self.yes_prices { 10_000 - price } else { price })
    }

    /// The whole book of a market as `msg`.
    fn whole(&self, market: usize) -> String {
        let Market { ticker, id, yes, no } = &self.markets[market];
        let side = |name: &str, levels: Vec<String>| {
            // An empty side is left out.
            if levels.is_empty() {
                String::new()
            } else {
                format!(r#","{name}":[{}]"#, levels.join(","))
            }
        };
        let level = |price: String, size: u64| {
            format!(r#"["{price}","{}"]"#, contracts(i64::try_from(size).unwrap()))
        };
        let yes = yes.iter().map(|(&p, &q)| level(dollars(p), q)).collect();
        let no = no.iter().map(|(&p, &q)| level(self.no_price(p), q)).collect();
        format!(
            r#"{{"market_ticker":"{ticker}","market_id":"{id}"{}{}}}"#,
            side("yes_dollars_fp", yes),
            side("no_dollars_fp", no),
        )
    }

    /// A whole book in the stream.
    pub fn snapshot(&mut self, market: usize) -> String {
        let seq = self.seq(BOOKS);
        self.snapshot_at(market, seq)
    }

    /// A whole book at a given number.
    pub fn snapshot_at(&self, market: usize, seq: u64) -> String {
        let whole = self.whole(market);
        format!(r#"{{"type":"orderbook_snapshot","sid":{BOOKS},"seq":{seq},"msg":{whole}}}"#)
    }

    /// A whole book that answers the command `id`.
    pub fn requested(&mut self, market: usize, id: u64) -> String {
        let frame = self.snapshot(market);
        frame.replacen('{', &format!(r#"{{"id":{id},"#), 1)
    }

    /// Adds to a level, or takes from it, and prints the message.
    pub fn delta(&mut self, market: usize, yes: bool, price: u32, change: i64) -> String {
        self.change(market, yes, price, change);
        self.seq(BOOKS);
        self.delta_text(market, yes, price, change)
    }

    /// Changes the true book and says nothing.
    pub fn change(&mut self, market: usize, yes: bool, price: u32, change: i64) {
        let market = &mut self.markets[market];
        let side = if yes { &mut market.yes } else { &mut market.no };
        let size = side.entry(price).or_default();
        *size = size.checked_add_signed(change).unwrap();
        if *size == 0 {
            side.remove(&price);
        }
    }

    /// The message about a change, at the newest number.
    pub fn delta_text(&self, market: usize, yes: bool, price: u32, change: i64) -> String {
        let Market { ticker, id, .. } = &self.markets[market];
        let (side, price) = if yes { ("yes", dollars(price)) } else { ("no", self.no_price(price)) };
        format!(
            r#"{{"type":"orderbook_delta","sid":{BOOKS},"seq":{},"msg":{{"market_ticker":"{ticker}","market_id":"{id}","price_dollars":"{price}","delta_fp":"{}","side":"{side}","ts_ms":{}}}}}"#,
            self.seqs[&BOOKS],
            contracts(change),
            self.ms,
        )
    }

    /// A trade of YES.
    pub fn trade(&mut self, market: usize, price: u32, size: i64) -> String {
        let seq = self.seq(TRADES);
        format!(
            r#"{{"type":"trade","sid":{TRADES},"seq":{seq},"msg":{{"trade_id":"d91bc706-{seq}","market_ticker":"{}","yes_price_dollars":"{}","no_price_dollars":"{}","count_fp":"{}","taker_side":"yes","taker_outcome_side":"yes","taker_book_side":"bid","is_block_trade":false,"ts":1,"ts_ms":{}}}}}"#,
            self.markets[market].ticker,
            dollars(price),
            dollars(10_000 - price),
            contracts(size),
            self.ms,
        )
    }

    /// The venue's touch, on its channel without numbers.
    pub fn ticker(&self, market: usize) -> String {
        let (bid, ask) = self.markets[market].touch();
        self.ticker_of(market, &bid, &ask)
    }

    pub fn ticker_of(&self, market: usize, bid: &str, ask: &str) -> String {
        let Market { ticker, id, .. } = &self.markets[market];
        format!(
            r#"{{"type":"ticker","sid":{TICKERS},"msg":{{"market_id":"{id}","market_ticker":"{ticker}","price_dollars":"0.4500","yes_bid_dollars":"{bid}","yes_ask_dollars":"{ask}","ts_ms":{}}}}}"#,
            self.ms
        )
    }

    /// News of a market: `members` of `msg` besides its ticker.
    pub fn lifecycle(&mut self, market: usize, event_type: &str, members: &str) -> String {
        let (seq, ticker) = (self.seq(NEWS), &self.markets[market].ticker);
        format!(
            r#"{{"type":"market_lifecycle_v2","sid":{NEWS},"seq":{seq},"msg":{{"event_type":"{event_type}","market_ticker":"{ticker}"{members}}}}}"#
        )
    }

    /// A reply on a subscription, with a number of it.
    pub fn reply(&mut self, sid: u32, kind: &str, msg: &str) -> String {
        let seq = self.seq(sid);
        format!(r#"{{"id":3,"type":"{kind}","sid":{sid},"seq":{seq}{msg}}}"#)
    }

    pub fn subscribed(channel: &str, sid: u32) -> String {
        format!(r#"{{"id":1,"type":"subscribed","msg":{{"channel":"{channel}","sid":{sid}}}}}"#)
    }
}

/// An engine on one connection to the venue.
pub struct Floor {
    pub engine: Engine,
    pub venue: Kalshi,
    pub ids: Vec<u32>,
    pub ts: Nanos,
    pub signals: Vec<Signal>,
}

/// Everything a listing may say of fees.
pub fn listing(event: &str) -> Listing<'_> {
    Listing { event: Some(event), fee: Some("kalshi:quadratic;1;non_direct"), ..Listing::default() }
}

impl Floor {
    /// Subscribed, and nothing heard yet.
    pub fn silent(config: Config, markets: usize, yes_prices: bool) -> Self {
        let (mut engine, venue) = (Engine::new(config), Kalshi::new(markets, yes_prices));
        engine.connected(0, Venue::KALSHI, if yes_prices { "use_yes_price" } else { "" }, T0).unwrap();
        let subscribe = |m: &Market| {
            engine.subscribe(Venue::KALSHI, &m.ticker, 0, &listing("KXTEST-26OCT0117"), T0).unwrap()
        };
        let ids = venue.markets.iter().map(subscribe).collect();
        drain(&mut engine);
        Self { engine, venue, ids, ts: T0, signals: Vec::new() }
    }

    /// Every book live, by the snapshots of the venue.
    pub fn live(markets: usize) -> Self {
        Self::live_with(Config::default(), markets, true)
    }

    pub fn live_with(config: Config, markets: usize, yes_prices: bool) -> Self {
        let mut floor = Self::silent(config, markets, yes_prices);
        floor.say(&Kalshi::subscribed("orderbook_delta", BOOKS));
        for market in 0..markets {
            let frame = floor.venue.snapshot(market);
            floor.say(&frame);
        }
        assert_eq!(floor.states(), vec![State::Live; markets]);
        floor.engine.take_notices(0);
        floor
    }

    /// A frame, one millisecond after what was before.
    pub fn updates(&mut self, frame: &str) -> Vec<Update> {
        self.ts += MS;
        self.engine.ingest(0, frame.as_bytes(), self.ts);
        let (updates, signals) = drain(&mut self.engine);
        self.signals.extend(signals);
        updates
    }

    /// Likewise, the records as `instrument kind state cause`.
    pub fn say(&mut self, frame: &str) -> Vec<String> {
        self.updates(frame).iter().map(|u| format!("{} {}", u.instrument, u.short())).collect()
    }

    /// A change that is told.
    pub fn delta(&mut self, market: usize, yes: bool, price: u32, change: i64) -> Vec<String> {
        self.venue.ms += 1;
        let frame = self.venue.delta(market, yes, price, change);
        self.say(&frame)
    }

    pub fn snapshot(&mut self, market: usize) -> Vec<String> {
        let frame = self.venue.snapshot(market);
        self.say(&frame)
    }

    /// Time in which nothing comes.
    pub fn wait(&mut self, time: Nanos) -> Vec<String> {
        self.ts += time;
        self.engine.advance(self.ts);
        let (updates, signals) = drain(&mut self.engine);
        self.signals.extend(signals);
        updates.iter().map(|u| format!("{} {}", u.instrument, u.short())).collect()
    }

    pub fn states(&self) -> Vec<State> {
        self.ids.iter().map(|&id| shown(&self.engine, id).0).collect()
    }

    pub fn standing(&self, market: usize) -> (State, Cause) {
        shown(&self.engine, self.ids[market])
    }

    pub fn evidence(&self, market: usize, kind: Evidence) -> u64 {
        self.engine.book(self.ids[market]).unwrap().evidence.of(kind)
    }

    pub fn epoch(&self, market: usize) -> u32 {
        self.engine.book(self.ids[market]).unwrap().epoch
    }

    /// Whether a market's book equals the true one.
    pub fn is_true(&self, market: usize) -> bool {
        levels(&self.engine, self.ids[market]) == self.venue.markets[market].levels(false)
    }
}
