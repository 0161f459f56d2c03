//! A market of a venue as it truly is, and the frames the venue prints about it.

use super::Rng;
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue as Kind;
use bookfeed_core::time::Nanos;
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Receive time of the first frame of a test.
pub const T0: Nanos = 1_790_000_000_000_000_000;
pub const MS: Nanos = 1_000_000;
/// Venue time of the first frame, in milliseconds.
pub const MS0: u64 = 1_790_000_000_000;

/// A full-length outcome id: 78 digits.
pub fn symbol(n: usize) -> String {
    format!("1157920892373161954235709850086879078532699846656405640394575840079131{n:08}")
}

/// A full-length market id: `0x` and 64 hexadecimal digits.
pub fn market(n: usize) -> String {
    format!("0x{:064x}", n as u128 + (0xabcd_u128 << 100))
}

/// A price of `ticks` thousandths, in its shortest form.
pub fn price_text(thousandths: u32) -> String {
    let digits = format!("{thousandths:03}");
    format!("0.{}", digits.trim_end_matches('0'))
}

/// Which members a hash covers, and the members the stream does not tell.
#[derive(Clone, Debug)]
pub struct HashProfile {
    pub fields: u8,
    pub min_order_size: String,
    pub tick_size: String,
    pub neg_risk: bool,
}

impl Default for HashProfile {
    fn default() -> Self {
        Self { fields: 10, min_order_size: "5".into(), tick_size: "0.001".into(), neg_risk: false }
    }
}

/// Price in thousandths to printed size.
pub type Side = BTreeMap<u32, String>;

/// A book as it truly is.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub bids: Side,
    pub asks: Side,
    pub last_trade_price: String,
}

fn levels(side: impl Iterator<Item = (u32, String)>) -> String {
    let mut text = String::new();
    for (price, size) in side {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, r#"{comma}{{"price":"{}","size":"{size}"}}"#, price_text(price)).unwrap();
    }
    text
}

impl Truth {
    pub fn side(&mut self, buy: bool) -> &mut Side {
        if buy { &mut self.bids } else { &mut self.asks }
    }

    /// Best bid and ask as the venue prints them: `0` and `1` where there is none.
    pub fn claims(&self) -> (String, String) {
        let bid = self.bids.keys().next_back().map_or("0".into(), |&p| price_text(p));
        let ask = self.asks.keys().next().map_or("1".into(), |&p| price_text(p));
        (bid, ask)
    }

    /// Both sides as the venue prints them, the best last.
    pub fn sides(&self) -> (String, String) {
        let all = |s: &Side| s.clone();
        (levels(all(&self.bids).into_iter()), levels(all(&self.asks).into_iter().rev()))
    }

    /// The text that is hashed.
    pub fn hashed(&self, market: &str, asset: &str, ms: u64, profile: &HashProfile) -> String {
        let (bids, asks) = self.sides();
        let mut text = format!(
            r#"{{"market":"{market}","asset_id":"{asset}","timestamp":"{ms}","hash":"","bids":[{bids}],"asks":[{asks}]"#
        );
        if profile.fields >= 9 {
            let HashProfile { min_order_size, tick_size, neg_risk, .. } = profile;
            write!(
                text,
                r#","min_order_size":"{min_order_size}","tick_size":"{tick_size}","neg_risk":{neg_risk}"#
            )
            .unwrap();
        }
        if profile.fields >= 10 {
            write!(text, r#","last_trade_price":"{}""#, self.last_trade_price).unwrap();
        }
        text.push('}');
        text
    }

    pub fn hash(&self, market: &str, asset: &str, ms: u64, profile: &HashProfile) -> String {
        let text = self.hashed(market, asset, ms, profile);
        Sha1::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// A binary market: two outcomes whose books mirror each other, as they truly are.
#[derive(Clone, Debug)]
pub struct Market {
    pub market: String,
    pub assets: [String; 2],
    pub books: [Truth; 2],
    pub profile: HashProfile,
    pub ms: u64,
}

impl Market {
    /// Market number `n` with `depth` levels a side, one thousandth apart, mid at 0.4.
    pub fn new(n: usize, depth: u32) -> Self {
        let mut books = [Truth::default(), Truth::default()];
        for i in 0..depth {
            let size = format!("{}.{}", 10 + i, 1 + i % 9);
            books[0].bids.insert(399 - i, size.clone());
            books[1].asks.insert(601 + i, size.clone());
            books[0].asks.insert(401 + i, size.clone());
            books[1].bids.insert(599 - i, size);
        }
        for book in &mut books {
            book.last_trade_price = "0.5".into();
        }
        Self {
            market: market(n),
            assets: [symbol(2 * n), symbol(2 * n + 1)],
            books,
            profile: HashProfile::default(),
            ms: MS0,
        }
    }

    /// Sets a level of an outcome and its mirror image on the other; size `0` removes it.
    pub fn set(&mut self, outcome: usize, buy: bool, price: u32, size: &str) {
        for (outcome, buy, price) in [(outcome, buy, price), (1 - outcome, !buy, 1000 - price)] {
            self.set_one(outcome, buy, price, size);
        }
    }

    /// As [`Self::set`], without the mirror image.
    pub fn set_one(&mut self, outcome: usize, buy: bool, price: u32, size: &str) {
        let side = self.books[outcome].side(buy);
        if size == "0" {
            side.remove(&price);
        } else {
            side.insert(price, size.into());
        }
    }

    pub fn hash(&self, outcome: usize) -> String {
        self.books[outcome].hash(&self.market, &self.assets[outcome], self.ms, &self.profile)
    }

    /// A `book` message about an outcome as it stands.
    pub fn book(&self, outcome: usize) -> String {
        let (bids, asks) = self.books[outcome].sides();
        let Self { market, assets, ms, profile, .. } = self;
        format!(
            r#"{{"market":"{market}","asset_id":"{}","timestamp":"{ms}","hash":"{}","bids":[{bids}],"asks":[{asks}],"tick_size":"{}","event_type":"book","last_trade_price":"{}"}}"#,
            assets[outcome],
            self.hash(outcome),
            profile.tick_size,
            self.books[outcome].last_trade_price,
        )
    }

    /// Likewise as trades bring it: without what does not change, in another order.
    pub fn traded_book(&self, outcome: usize) -> String {
        let (bids, asks) = self.books[outcome].sides();
        let Self { market, assets, ms, .. } = self;
        format!(
            r#"{{"market":"{market}","asset_id":"{}","bids":[{bids}],"asks":[{asks}],"hash":"{}","timestamp":"{ms}","event_type":"book"}}"#,
            assets[outcome],
            self.hash(outcome),
        )
    }

    /// Both `book` messages in one frame.
    pub fn books_frame(&self) -> String {
        format!("[{},{}]", self.book(0), self.book(1))
    }

    /// A REST book.
    pub fn rest(&self, outcome: usize) -> String {
        self.book(outcome).replace(r#","event_type":"book""#, "")
    }

    /// One entry of `price_changes`, with the evidence of the outcome as it stands.
    pub fn entry(&self, outcome: usize, buy: bool, price: u32, size: &str) -> String {
        let (bid, ask) = self.books[outcome].claims();
        let side = if buy { "BUY" } else { "SELL" };
        format!(
            r#"{{"asset_id":"{}","price":"{}","size":"{size}","side":"{side}","hash":"{}","best_bid":"{bid}","best_ask":"{ask}"}}"#,
            self.assets[outcome],
            price_text(price),
            self.hash(outcome),
        )
    }

    /// A `price_change` message of given entries.
    pub fn changes(&self, entries: &[String]) -> String {
        format!(
            r#"{{"market":"{}","price_changes":[{}],"timestamp":"{}","event_type":"price_change"}}"#,
            self.market,
            entries.join(","),
            self.ms,
        )
    }

    /// Sets a level and its mirror image, and prints the message about both.
    pub fn change(&mut self, outcome: usize, buy: bool, price: u32, size: &str) -> String {
        self.set(outcome, buy, price, size);
        self.changes(&[
            self.entry(outcome, buy, price, size),
            self.entry(1 - outcome, !buy, 1000 - price, size),
        ])
    }

    /// Sets a level of one outcome only, and prints the message about it.
    pub fn change_one(&mut self, outcome: usize, buy: bool, price: u32, size: &str) -> String {
        self.set_one(outcome, buy, price, size);
        self.changes(&[self.entry(outcome, buy, price, size)])
    }

    /// A trade print of an outcome; the hashes contain its price from then on.
    pub fn trade(&mut self, outcome: usize, price: &str, size: &str, side: &str) -> String {
        self.books[outcome].last_trade_price = price.into();
        format!(
            r#"{{"market":"{}","asset_id":"{}","price":"{price}","size":"{size}","fee_rate_bps":"0","side":"{side}","timestamp":"{}","event_type":"last_trade_price","transaction_hash":"0x{:064x}"}}"#,
            self.market, self.assets[outcome], self.ms, self.ms,
        )
    }

    /// A `best_bid_ask` message about an outcome as it stands.
    pub fn touch(&self, outcome: usize) -> String {
        let (bid, ask) = self.books[outcome].claims();
        self.touch_of(outcome, &bid, &ask)
    }

    pub fn touch_of(&self, outcome: usize, bid: &str, ask: &str) -> String {
        format!(
            r#"{{"market":"{}","asset_id":"{}","best_bid":"{bid}","best_ask":"{ask}","spread":"0.002","timestamp":"{}","event_type":"best_bid_ask"}}"#,
            self.market, self.assets[outcome], self.ms,
        )
    }

    pub fn tick(&self, outcome: usize, old: &str, new: &str) -> String {
        format!(
            r#"{{"event_type":"tick_size_change","market":"{}","asset_id":"{}","old_tick_size":"{old}","new_tick_size":"{new}","timestamp":"{}"}}"#,
            self.market, self.assets[outcome], self.ms,
        )
    }

    pub fn resolved(&self, winner: usize) -> String {
        format!(
            r#"{{"event_type":"market_resolved","id":"1","market":"{}","assets_ids":["{}","{}"],"winning_asset_id":"{}","winning_outcome":"Yes","timestamp":"{}"}}"#,
            self.market, self.assets[0], self.assets[1], self.assets[winner], self.ms,
        )
    }

    /// A random mirrored change near the touch that leaves the book uncrossed.
    pub fn random_change(&mut self, rng: &mut Rng) -> String {
        self.ms += rng.next() % 3;
        let buy = rng.once_in(2);
        let best = if buy {
            self.books[0].asks.keys().next().map_or(1000, |&p| p) - 1
        } else {
            self.books[0].bids.keys().next_back().map_or(0, |&p| p) + 1
        };
        let deeper = u32::try_from(rng.below(30)).unwrap();
        let price = if buy { best.saturating_sub(deeper).max(1) } else { (best + deeper).min(999) };
        let known = self.books[0].side(buy).contains_key(&price);
        let size = if known && rng.once_in(2) {
            "0".to_owned()
        } else {
            format!("{}.{}", 1 + rng.below(900), 1 + rng.below(9))
        };
        self.change(0, buy, price, &size)
    }

    /// Subscribes both outcomes on a connection.
    pub fn subscribe(&self, engine: &mut Engine, conn: u32, ts: Nanos) -> [u32; 2] {
        [0, 1].map(|outcome| {
            let listing = Listing {
                market: Some(&self.market),
                min_order_size: Some(&self.profile.min_order_size),
                hints: Some(if self.profile.neg_risk { "neg_risk=true" } else { "neg_risk=false" }),
                fee: Some("polymarket:0;1"),
                ..Listing::default()
            };
            engine.subscribe(Kind::POLYMARKET, &self.assets[outcome], conn, &listing, ts).unwrap()
        })
    }
}

/// A configuration with a hash policy, and no watch over silence; nor over delay, since the venue's
/// clock of these tests moves by messages, whatever time passes.
pub fn policy(hash_check: HashCheck) -> Config {
    Config { hash_check, silence: 0, max_delay: 0, ..Config::default() }
}
