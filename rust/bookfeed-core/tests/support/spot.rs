//! Spot venues as they print: true books in maps from ticks to printed sizes, and the frames
//! Binance, Kraken, Coinbase, Bitstamp and Gemini would send of them. Nothing here goes through the
//! code under test.

use super::Rng;
use super::checksum::{Printed, by_the_rule};
use std::collections::BTreeMap;

/// 2026-09-21, in milliseconds.
pub const MS: u64 = 1_790_000_000_000;

/// Sizes as printed, by the price in hundredths.
pub type Side = BTreeMap<i64, String>;

/// A venue's true book of one symbol.
#[derive(Clone, Debug)]
pub struct Venue {
    pub symbol: String,
    pub rng: Rng,
    /// Bids and asks.
    pub sides: [Side; 2],
    /// Newest update.
    pub id: u64,
    pub ms: u64,
}

/// What a message changed: prices and sizes of each side, in no order of time.
pub type Changes = [Side; 2];

impl Venue {
    /// A book of so many levels a side around 61,686.
    pub fn new(symbol: &str, seed: u64, depth: i64) -> Self {
        let mut rng = Rng(seed);
        let mut side = |first: i64, step: i64| {
            (0..depth).map(|i| (first + i * step, size(&mut rng))).collect::<Side>()
        };
        let sides = [side(6_168_599, -7), side(6_168_600, 7)];
        Self { symbol: symbol.to_owned(), rng, sides, id: 50_093_421_584, ms: MS }
    }

    /// Changes some levels: most near the touch, some sizes to zero. Books never cross.
    pub fn change(&mut self, levels: usize) -> Changes {
        let mut changes = [Side::new(), Side::new()];
        let updates = 1 + self.rng.below(levels + 1) as u64;
        for _ in 0..levels {
            let at = self.rng.below(2);
            let deep = if self.rng.once_in(4) { self.rng.below(600) } else { self.rng.below(60) };
            let away = i64::try_from(deep).unwrap();
            let price = if at == 0 { 6_168_599 - away } else { 6_168_600 + away };
            let gone = self.rng.once_in(3);
            let size = if gone { "0.00000000".to_owned() } else { size(&mut self.rng) };
            if gone {
                self.sides[at].remove(&price);
            } else {
                self.sides[at].insert(price, size.clone());
            }
            changes[at].insert(price, size);
        }
        self.id += updates;
        self.ms += 100;
        changes
    }

    /// Each side as printed, the best first.
    pub fn printed(&self, decimals: usize) -> [Vec<Printed>; 2] {
        let line = |(price, size): (&i64, &String)| (price_text(*price, decimals), size.clone());
        [self.sides[0].iter().rev().map(line).collect(), self.sides[1].iter().map(line).collect()]
    }

    /// A difference of Binance's, wrapped by the name of its stream; `first` is its first update.
    pub fn depth_update(&self, first: u64, changes: &Changes) -> String {
        let stream = format!("{}@depth@100ms", self.symbol.to_lowercase());
        let (symbol, last) = (&self.symbol, self.id);
        let (bids, asks) = (pairs(changes[0].iter().rev()), pairs(changes[1].iter()));
        format!(
            r#"{{"stream":"{stream}","data":{{"e":"depthUpdate","E":{},"s":"{symbol}","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}}}"#,
            self.ms
        )
    }

    /// Binance's best prices.
    pub fn book_ticker(&self) -> String {
        let best = |line: Option<(&i64, &String)>| {
            let (price, size) = line.unwrap();
            (price_text(*price, 8), size.clone())
        };
        let (bid, ask) = (best(self.sides[0].last_key_value()), best(self.sides[1].first_key_value()));
        format!(
            r#"{{"stream":"{}@bookTicker","data":{{"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}}}"#,
            self.symbol.to_lowercase(),
            self.id,
            self.symbol,
            bid.0,
            bid.1,
            ask.0,
            ask.1
        )
    }

    /// A whole book of Binance's, as REST answers it.
    pub fn rest_book(&self) -> String {
        let (bids, asks) = (pairs(self.sides[0].iter().rev()), pairs(self.sides[1].iter()));
        format!(r#"{{"lastUpdateId":{},"bids":[{bids}],"asks":[{asks}]}}"#, self.id)
    }

    /// A message about Kraken's book: the levels given, and the checksum of the book as it is.
    pub fn kraken_book(&self, kind: &str, levels: &Changes) -> String {
        let [bids, asks] = self.printed(2);
        let (sum, symbol) = (by_the_rule(&bids, &asks), &self.symbol);
        let list = |side: &mut dyn Iterator<Item = (&i64, &String)>| {
            let level = |(price, size): (&i64, &String)| {
                format!(r#"{{"price":{},"qty":{size}}}"#, price_text(*price, 2))
            };
            side.map(level).collect::<Vec<_>>().join(",")
        };
        let (bids, asks) = (list(&mut levels[0].iter().rev()), list(&mut levels[1].iter()));
        let micros = 1_000 * (self.ms % 1_000);
        format!(
            r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":[{bids}],"asks":[{asks}],"checksum":{sum},"timestamp":"2026-09-21T14:13:20.{micros:06}Z"}}]}}"#
        )
    }

    /// A message of one of Bitstamp's channels of books: the levels given.
    pub fn bitstamp_book(&self, channel: &str, levels: &Changes) -> String {
        let book = self.bitstamp_levels(levels);
        format!(r#"{{"data":{book},"channel":"{channel}_{}","event":"data"}}"#, self.symbol)
    }

    /// A whole book of Bitstamp's, as REST answers it.
    pub fn bitstamp_rest(&self) -> String {
        self.bitstamp_levels(&self.sides.clone())
    }

    fn bitstamp_levels(&self, levels: &Changes) -> String {
        let (bids, asks) = (pairs(levels[0].iter().rev()), pairs(levels[1].iter()));
        let (seconds, micros) = (self.ms / 1_000, self.ms * 1_000);
        format!(
            r#"{{"timestamp":"{seconds}","microtimestamp":"{micros}","bids":[{bids}],"asks":[{asks}]}}"#
        )
    }

    /// A message of Gemini's about the updates from `first` on: the levels given.
    pub fn gemini_depth(&self, first: u64, levels: &Changes) -> String {
        let (bids, asks) = (pairs(levels[0].iter().rev()), pairs(levels[1].iter()));
        let (nanos, symbol, last) = (self.ms * 1_000_000, &self.symbol, self.id);
        format!(
            r#"{{"e":"depthUpdate","E":{nanos},"s":"{symbol}","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}"#
        )
    }

    /// Gemini's best prices, which count in numbers of their own.
    pub fn gemini_ticker(&self) -> String {
        let best = |line: Option<(&i64, &String)>| {
            let (price, size) = line.unwrap();
            (price_text(*price, 2), size.clone())
        };
        let (bid, ask) = (best(self.sides[0].last_key_value()), best(self.sides[1].first_key_value()));
        format!(
            r#"{{"u":{},"E":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
            self.ms,
            self.ms * 1_000_000,
            self.symbol,
            bid.0,
            bid.1,
            ask.0,
            ask.1
        )
    }

    /// A message about Gemini's book as version 2 has it.
    pub fn gemini_l2(&self, levels: &Changes, more: &str) -> String {
        let side = |name: &'static str, side: &Side| {
            let level = |(price, size): (&i64, &String)| {
                format!(r#"["{name}","{}","{size}"]"#, price_text(*price, 2))
            };
            side.iter().map(level).collect::<Vec<_>>()
        };
        let changes = [side("buy", &levels[0]), side("sell", &levels[1])].concat().join(",");
        format!(r#"{{"changes":[{changes}],"symbol":"{}","type":"l2_updates"{more}}}"#, self.symbol)
    }

    /// A whole book of Crypto.com's, its best `depth` levels.
    pub fn cryptocom_book(&self, depth: usize) -> String {
        let bids = pairs_and(self.sides[0].iter().rev().take(depth));
        let asks = pairs_and(self.sides[1].iter().take(depth));
        self.cryptocom_news("book", &format!(r#""asks":[{asks}],"bids":[{bids}]"#), "")
    }

    /// A change of Crypto.com's book since update `before`: the levels given.
    pub fn cryptocom_update(&self, before: u64, levels: &Changes) -> String {
        let (bids, asks) = (pairs_and(levels[0].iter().rev()), pairs_and(levels[1].iter()));
        let change = format!(r#""update":{{"asks":[{asks}],"bids":[{bids}]}}"#);
        self.cryptocom_news("book.update", &change, &format!(r#","pu":{before}"#))
    }

    /// What it is the sum of, nobody knows; not every message has one.
    fn cryptocom_news(&self, channel: &str, levels: &str, before: &str) -> String {
        let (symbol, ms, id) = (&self.symbol, self.ms, self.id);
        let sum = ["", r#","cs":590576900"#, r#","cs":-1183713967"#][(id % 3) as usize];
        format!(
            r#"{{"id":-1,"method":"subscribe","code":0,"result":{{"instrument_name":"{symbol}","subscription":"book.{symbol}.50","channel":"{channel}","depth":50,"data":[{{{levels},"t":{ms},"tt":{ms},"u":{id}{before}{sum}}}]}}}}"#
        )
    }

    /// Coinbase Exchange: a whole book.
    pub fn exchange_book(&self) -> String {
        let [bids, asks] = &self.sides;
        let (symbol, bids, asks) = (&self.symbol, pairs(bids.iter().rev()), pairs(asks.iter()));
        format!(
            r#"{{"type":"snapshot","product_id":"{symbol}","bids":[{bids}],"asks":[{asks}],"time":"2026-09-21T14:13:20.000000Z"}}"#
        )
    }

    /// Coinbase Exchange: new sizes of levels.
    pub fn exchange_update(&self, levels: &Changes) -> String {
        let level = |side: &str, price: i64, size: &str| {
            format!(r#"["{side}","{}","{size}"]"#, price_text(price, 2))
        };
        let bids = levels[0].iter().map(|(price, size)| level("buy", *price, size));
        let asks = levels[1].iter().map(|(price, size)| level("sell", *price, size));
        let (symbol, changes) = (&self.symbol, bids.chain(asks).collect::<Vec<_>>().join(","));
        format!(
            r#"{{"type":"l2update","product_id":"{symbol}","time":"2026-09-21T14:13:20.050000Z","changes":[{changes}]}}"#
        )
    }

    /// A message about Coinbase's book, the `number`th of its connection: the levels given.
    pub fn coinbase_book(&self, kind: &str, number: u64, levels: &Changes) -> String {
        let (micros, symbol) = (1_000 * (self.ms % 1_000), &self.symbol);
        let time = format!("2026-09-21T14:13:20.{micros:06}Z");
        let level = |side: &str, price: i64, size: &str| {
            let price = price_text(price, 2);
            format!(
                r#"{{"side":"{side}","event_time":"{time}","price_level":"{price}","new_quantity":"{size}"}}"#
            )
        };
        let bids = levels[0].iter().rev().map(|(price, size)| level("bid", *price, size));
        let asks = levels[1].iter().map(|(price, size)| level("offer", *price, size));
        let updates = bids.chain(asks).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"channel":"l2_data","timestamp":"2026-09-21T14:13:20.{micros:06}789Z","sequence_num":{number},"events":[{{"type":"{kind}","product_id":"{symbol}","updates":[{updates}]}}]}}"#
        )
    }
}

fn size(rng: &mut Rng) -> String {
    format!("{}.{:05}000", rng.below(20), 1 + rng.below(99_999))
}

/// A price in hundredths, with so many decimals.
pub fn price_text(hundredths: i64, decimals: usize) -> String {
    let zeros = "0".repeat(decimals - 2);
    format!("{}.{:02}{zeros}", hundredths / 100, hundredths % 100)
}

/// Levels that say how many orders they are made of.
fn pairs_and<'a>(levels: impl Iterator<Item = (&'a i64, &'a String)>) -> String {
    let level =
        |(price, size): (&i64, &String)| format!(r#"["{}","{size}","1"]"#, price_text(*price, 2));
    levels.map(level).collect::<Vec<_>>().join(",")
}

fn pairs<'a>(levels: impl Iterator<Item = (&'a i64, &'a String)>) -> String {
    let pair = |(price, size): (&i64, &String)| format!(r#"["{}","{size}"]"#, price_text(*price, 8));
    levels.map(pair).collect::<Vec<_>>().join(",")
}
