//! A plain client in Rust, as a bot's author would assemble it: tungstenite reads frames, serde reads
//! JSON into borrowed structs, an ordered map keeps each side. `bookfeed-bench-peers URL FRAMES`
//! receives so many frames and prints a line of JSON: times, and the answers to be compared.
//!
//! As every row it reads, after each frame, the touch of each asset the frame changed, and adds best
//! bid times best ask, each in 1e-4 USD. It checks nothing and has no rules.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;
use tungstenite::Message as Frame;

#[derive(Deserialize)]
struct Level<'a> {
    price: &'a str,
    size: &'a str,
}

#[derive(Deserialize)]
struct Change<'a> {
    asset_id: &'a str,
    price: &'a str,
    size: &'a str,
    side: &'a str,
}

/// Every kind of message in one: quicker than serde's tagged enums, which read twice.
#[derive(Deserialize)]
struct Message<'a> {
    event_type: &'a str,
    #[serde(default, borrow)]
    asset_id: Option<&'a str>,
    #[serde(default, borrow)]
    bids: Vec<Level<'a>>,
    #[serde(default, borrow)]
    asks: Vec<Level<'a>>,
    #[serde(default, borrow)]
    price_changes: Vec<Change<'a>>,
}

/// Price in 1e-9 USD to size in 1e-8 shares.
#[derive(Default)]
struct Book {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

/// A decimal of at most `places` places as an integer of that scale.
fn scaled(text: &str, places: usize) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.bytes().chain(std::iter::repeat(b'0')).take(places);
    whole.bytes().chain(part).fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
}

impl Book {
    fn set(side: &mut BTreeMap<i64, i64>, price: &str, size: &str) {
        let (price, size) = (scaled(price, 9), scaled(size, 8));
        if size == 0 {
            side.remove(&price);
        } else {
            side.insert(price, size);
        }
    }

    fn replace(side: &mut BTreeMap<i64, i64>, levels: &[Level]) {
        side.clear();
        levels.iter().for_each(|level| Self::set(side, level.price, level.size));
    }

    /// Best bid times best ask, each in 1e-4 USD.
    fn touch_product(&self) -> i64 {
        let bid = self.bids.last_key_value().expect("a bid").0 / 100_000;
        let ask = self.asks.first_key_value().expect("an ask").0 / 100_000;
        bid * ask
    }
}

#[derive(Default)]
struct Books {
    books: HashMap<String, Book>,
    touch_sum: i64,
}

impl Books {
    fn book(&mut self, asset: &str) -> &mut Book {
        if !self.books.contains_key(asset) {
            self.books.insert(asset.to_owned(), Book::default());
        }
        self.books.get_mut(asset).expect("it was put there")
    }

    fn feed(&mut self, text: &str) {
        if text.starts_with('[') {
            let messages: Vec<Message> = serde_json::from_str(text).expect("messages");
            messages.iter().for_each(|message| self.apply(message));
        } else {
            self.apply(&serde_json::from_str(text).expect("a message"));
        }
    }

    fn apply(&mut self, message: &Message) {
        match message.event_type {
            "book" => {
                let book = self.book(message.asset_id.expect("an asset"));
                Book::replace(&mut book.bids, &message.bids);
                Book::replace(&mut book.asks, &message.asks);
                let product = book.touch_product();
                self.touch_sum += product;
            }
            "price_change" => {
                for change in &message.price_changes {
                    let book = self.book(change.asset_id);
                    let side = if change.side == "BUY" { &mut book.bids } else { &mut book.asks };
                    Book::set(side, change.price, change.size);
                }
                for change in &message.price_changes {
                    let product = self.book(change.asset_id).touch_product();
                    self.touch_sum += product;
                }
            }
            _ => {}
        }
    }

    /// One line a level, `<asset id> <B|A> <price> <size>`: assets by name, prices ascending.
    fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        let ordered: BTreeMap<_, _> = self.books.iter().collect();
        for (asset, book) in ordered {
            for (letter, side) in [('B', &book.bids), ('A', &book.asks)] {
                for (price, size) in side {
                    digest.update(format!("{asset} {letter} {price} {size}\n"));
                }
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// CPU time of this thread, and how long it waited for its core, ns; 0 where the system does not say.
fn thread_ns() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, frames] = &arguments[..] else { panic!("URL FRAMES") };
    let frames: usize = frames.parse().expect("a number of frames");
    let (mut socket, _) = tungstenite::connect(url).expect("a connection");
    let mut books = Books::default();
    let mut began: Option<(Instant, [u64; 2])> = None;
    let mut count = 0;
    while count < frames {
        let Frame::Text(text) = socket.read().expect("a frame") else { continue };
        began.get_or_insert_with(|| (Instant::now(), thread_ns()));
        books.feed(&text);
        count += 1;
    }
    let (at, before) = began.expect("a frame");
    let (wall, after) = (at.elapsed().as_nanos(), thread_ns());
    let (cpu, waited) = (after[0] - before[0], after[1] - before[1]);
    println!(
        r#"{{"wall_ns":{wall},"cpu_ns":{cpu},"waited_ns":{waited},"touch_sum_e8":{},"books_sha256":"{}"}}"#,
        books.touch_sum,
        books.sha256()
    );
}
