//! An engine with rules, and books told by price and size.

use crate::support::records::{Signal, drain};
use crate::support::venue::{MS, T0, policy};
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::{Params, Refusal};

pub fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Levels as printed, in any order.
pub type Printed<'a> = &'a [(&'a str, &'a str)];

pub struct Desk {
    pub engine: Engine,
    pub ts: i64,
    pub ms: u64,
    pub symbols: Vec<String>,
}

fn levels(levels: Printed) -> String {
    let all: Vec<_> =
        levels.iter().map(|(price, size)| format!(r#"{{"price":"{price}","size":"{size}"}}"#)).collect();
    all.join(",")
}

impl Desk {
    /// Instruments without siblings.
    pub fn with(config: Config, instruments: usize) -> Self {
        let mut desk =
            Self { engine: Engine::new(config), ts: T0, ms: 1_790_000_000_000, symbols: Vec::new() };
        for i in 0..instruments {
            desk.subscribe(&format!("{i}"), &format!("m{i}"), "0");
        }
        desk
    }

    /// One instrument, watched by a spread rule.
    pub fn one(rule: &[(&str, &str)]) -> Self {
        let mut desk = Self::with(policy(HashCheck::Off), 1);
        desk.engine.add_rule("spread", &params(rule)).unwrap();
        desk
    }

    pub fn subscribe(&mut self, symbol: &str, market: &str, fee_rate: &str) {
        let fee = (!fee_rate.is_empty()).then(|| format!("polymarket:{fee_rate};1"));
        let listing = Listing { market: Some(market), fee: fee.as_deref(), ..Listing::default() };
        self.engine.subscribe(Venue::POLYMARKET, symbol, 0, &listing, self.ts).unwrap();
        self.symbols.push(symbol.to_owned());
        drain(&mut self.engine);
    }

    pub fn say(&mut self, frame: &str) -> Vec<Signal> {
        self.ts += MS;
        self.engine.ingest(0, frame.as_bytes(), self.ts);
        drain(&mut self.engine).1
    }

    pub fn book_text(&mut self, id: u32, bids: Printed, asks: Printed) -> String {
        self.ms += 1;
        format!(
            r#"{{"event_type":"book","asset_id":"{}","market":"m","timestamp":"{}","hash":"","bids":[{}],"asks":[{}]}}"#,
            self.symbols[id as usize],
            self.ms,
            levels(bids),
            levels(asks),
        )
    }

    /// A whole book.
    pub fn book_of(&mut self, id: u32, bids: Printed, asks: Printed) -> Vec<Signal> {
        let frame = self.book_text(id, bids, asks);
        self.say(&frame)
    }

    /// A whole book of the first instrument with a deep level a side.
    pub fn signals(&mut self, bid: &str, bid_qty: &str, ask: &str, ask_qty: &str) -> Vec<Signal> {
        self.book_of(0, &[("0.01", "99"), (bid, bid_qty)], &[("0.99", "99"), (ask, ask_qty)])
    }

    /// The same, and what it brought in short.
    pub fn touch(&mut self, bid: &str, bid_qty: &str, ask: &str, ask_qty: &str) -> Vec<String> {
        self.signals(bid, bid_qty, ask, ask_qty).iter().map(Signal::short).collect()
    }

    pub fn one_sided(&mut self, bid: &str, bid_qty: &str) -> Vec<String> {
        self.book_of(0, &[(bid, bid_qty)], &[]).iter().map(Signal::short).collect()
    }

    /// A change of the first instrument.
    pub fn changed(&mut self, price: &str, size: &str, side: &str, bid: &str, ask: &str) -> Vec<String> {
        self.ms += 1;
        let frame = format!(
            r#"{{"event_type":"price_change","market":"m","timestamp":"{}","price_changes":[{{"asset_id":"{}","price":"{price}","size":"{size}","side":"{side}","best_bid":"{bid}","best_ask":"{ask}"}}]}}"#,
            self.ms, self.symbols[0],
        );
        self.say(&frame).iter().map(Signal::short).collect()
    }

    /// A change far from the touch.
    pub fn deeper(&mut self) -> Vec<String> {
        self.changed("0.02", "5", "BUY", "", "")
    }

    pub fn wait(&mut self, time: i64) -> Vec<String> {
        self.ts += time;
        self.engine.advance(self.ts);
        self.lives()
    }

    pub fn lives(&mut self) -> Vec<String> {
        drain(&mut self.engine).1.iter().map(Signal::short).collect()
    }

    pub fn refused(&self, reason: Refusal) -> u64 {
        self.engine.refusals()[reason as usize]
    }
}
