//! Once warm, frames cost no allocation: counted by the allocator itself, for the messages
//! that make up nearly all of the stream, under every hash policy, with and without rules.
//!
//! Not covered, because they allocate by design: an opportunity that opens or changes, a
//! search for a last trade price that no print has told, the first trades of an instrument
//! (whose tape grows to its bound), and anything malformed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bookfeed_core::book::Book;
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::event::{Frame, Level, Side};
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument::{Instrument, Instruments, UNKNOWN, Venue};
use bookfeed_core::metrics::{Terms, View, imbalance};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use support::Rng;
use support::kalshi::{self, Kalshi};
use support::quotes::quote;
use support::records::drain;
use support::venue::{Market, T0, policy};

/// Counts what the thread under test asks for, and passes everything on.
struct Counting;

thread_local! {
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

fn note() {
    let _ = COUNT.try_with(|count| count.set(count.get().map(|n| n + 1)));
}

// SAFETY: every call goes to the system allocator unchanged; counting touches a thread-local
// cell without a destructor and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc`, which is handed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from `System` through `alloc` or `realloc` above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as for `dealloc`; the new size is the caller's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce()) -> u64 {
    COUNT.set(Some(0));
    work();
    COUNT.replace(None).unwrap()
}

/// A stream of one market. It begins with a book deeper than any that follows.
fn stream(seed: u64, length: usize, trades: bool) -> (Market, Vec<String>) {
    let mut rng = Rng(seed);
    let mut market = Market::new(1, 8);
    let mut frames = vec![Market::new(1, 390).books_frame()];
    market.ms += 1;
    frames.push(market.books_frame());
    while frames.len() < length {
        market.ms += 1;
        frames.push(match rng.below(100) {
            0..=1 => market.book(rng.below(2)),
            2..=4 => market.touch(rng.below(2)),
            5..=9 if trades => market.trade(0, rng.word(&["0.4", "0.41"]), "5", "BUY"),
            _ => market.random_change(&mut rng),
        });
    }
    (market, frames)
}

fn engine(market: &Market, config: Config, rules: bool) -> Engine {
    let mut engine = Engine::new(config);
    market.subscribe(&mut engine, 0, T0);
    if rules {
        let params = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        engine.add_rule("spread", &params("open", "0.9")).unwrap();
        engine.add_rule("complement", &params("min_edge", "0.001")).unwrap();
    }
    engine
}

fn play(engine: &mut Engine, frames: &[String], from: i64) {
    for (frame, i) in frames.iter().zip(from..) {
        engine.ingest(0, frame.as_bytes(), T0 + i * 1_000_000);
        if i % 7 == 0 {
            engine.output().clear();
        }
        if i % 250 == 0 {
            engine.advance(T0 + i * 1_000_000);
        }
    }
    engine.output().clear();
}

fn no_allocation(config: Config, rules: bool, trades: bool, frames: usize) {
    let (market, frames) = stream(11, frames, trades);
    no_allocation_in(engine(&market, config, rules), config, &frames);
}

fn no_allocation_in(mut engine: Engine, config: Config, frames: &[String]) {
    let (warm, measured) = frames.split_at(frames.len() / 21);
    play(&mut engine, warm, 1);
    let from = i64::try_from(warm.len() + 1).unwrap();
    let count = counted(|| play(&mut engine, measured, from));
    let allocations = format!("{count} allocations in {} frames, {config:?}", measured.len());
    assert!(engine.book(0).unwrap().believable(), "{allocations}");
    assert_eq!(engine.counters().decode_errors, 0);
    assert_eq!(count, 0, "{allocations}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| drop(black_box(Box::new([0u8; 10])))), 1);
    assert!(counted(|| drop(black_box(vec![String::from("a"), String::from("b")]))) >= 3);
    assert_eq!(counted(|| drop(Vec::<u8>::new())), 0);
}

#[test]
fn without_hashes() {
    no_allocation(policy(HashCheck::Off), false, false, 105_000);
}

#[test]
fn with_hashes_sampled() {
    no_allocation(policy(HashCheck::Sampled), false, false, 105_000);
}

#[test]
fn with_every_hash() {
    no_allocation(policy(HashCheck::Always), false, false, 105_000);
}

#[test]
fn with_rules_that_find_nothing() {
    no_allocation(policy(HashCheck::Off), true, false, 21_000);
    no_allocation(policy(HashCheck::Sampled), true, false, 21_000);
}

#[test]
fn with_silence_watched_and_records_digested() {
    let config = Config { digest: true, ..Config::default() };
    no_allocation(config, true, false, 21_000);
}

#[test]
fn with_level_changes() {
    let (market, frames) = stream(16, 21_000, false);
    let config = policy(HashCheck::Off);
    let mut watched = engine(&market, config, true);
    watched.watch_levels(true);
    no_allocation_in(watched, config, &frames);
}

#[test]
fn with_trades_once_the_tape_is_full() {
    // 5 trades in 100 frames a millisecond apart: 15,000 within the window of the tape, which
    // keeps 4,096 of them.
    let (market, frames) = stream(12, 110_000, true);
    let mut engine = engine(&market, policy(HashCheck::Off), false);
    let (warm, measured) = frames.split_at(90_000);
    play(&mut engine, warm, 1);
    let count = counted(|| play(&mut engine, measured, 90_001));
    assert_eq!(count, 0);
    assert!(engine.counters().trades > 4_500);
}

#[test]
fn with_every_member_a_book_may_have() {
    let (market, frames) = stream(13, 5_000, false);
    let frames: Vec<String> = frames
        .iter()
        .map(|f| {
            let more = r#""tick_size":"0.001","min_order_size":"5","neg_risk":false"#;
            f.replace(r#""tick_size":"0.001""#, more)
        })
        .collect();
    let mut engine = engine(&market, policy(HashCheck::Always), false);
    let (warm, measured) = frames.split_at(1_000);
    play(&mut engine, warm, 1);
    let count = counted(|| play(&mut engine, measured, 1_001));
    let books = measured.iter().filter(|f| f.contains("min_order_size")).count();
    assert_eq!(count, 0, "in {books} books that state the smallest order");
}

#[test]
fn memory_of_a_batch_is_kept_when_records_are_taken() {
    let (market, frames) = stream(14, 10_000, false);
    let mut engine = engine(&market, policy(HashCheck::Off), false);
    play(&mut engine, &frames[..5_000], 1);
    for frame in &frames[5_000..5_100] {
        engine.ingest(0, frame.as_bytes(), T0 + 5_000_000_000_000);
    }
    drain(&mut engine);
    let count = counted(|| {
        for frame in &frames[5_100..5_190] {
            engine.ingest(0, frame.as_bytes(), T0 + 5_000_000_000_001);
        }
        engine.output().clear();
    });
    assert_eq!(count, 0);
}

/// Every vector of Kalshi's, whole or broken, but for member names with escapes.
#[test]
fn kalshi_frames_of_every_type() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/kalshi");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let whole = paths.filter(|path| !path.ends_with("delta_escaped.json"));
    let frames: Vec<(Source, String)> = whole
        .map(|path| {
            let v: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let source = if v["source"] == "rest" { Source::Rest } else { Source::Stream };
            (source, v["frame"].as_str().unwrap().to_owned())
        })
        .collect();
    let mut known = Instruments::default();
    known.add(Instrument::new(Venue::KALSHI, "KXBTC15M-26OCT011715-15", 0));
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let mut decode_all = || {
        let frames = frames.iter().map(|(source, text)| {
            let (source, mode) = (*source, Mode::default());
            let payload = Payload { bytes: text.as_bytes(), source, mode, about: UNKNOWN, fast: true };
            (Venue::KALSHI.row().decode)(&payload, &known, &mut frame, &mut tally)
        });
        frames.filter(Result::is_ok).count()
    };
    assert!(decode_all() > 150);
    assert_eq!(counted(|| assert!(decode_all() > 150)), 0);
}

/// Numbered frames about two markets of one stream: changes, replies that take numbers aside
/// (they are kept for whoever collects them), the ticker as a witness, trades.
fn numbered(seed: u64, length: usize, yes_prices: bool) -> (Kalshi, Vec<String>) {
    let (mut rng, mut venue) = (Rng(seed), Kalshi::new(2, yes_prices));
    let whole = venue.clone();
    let mut frames: Vec<_> = (0..2).map(|market| venue.snapshot(market)).collect();
    while frames.len() < length {
        venue.ms += 1;
        let (market, yes) = (rng.below(2), rng.once_in(2));
        let price = if yes { 4_400 } else { 5_400 } - 10 * u32::try_from(rng.below(30)).unwrap();
        let side = &venue.markets[market];
        let there = if yes { &side.yes } else { &side.no }.get(&price).copied().unwrap_or(0);
        let change = if there > 0 { -i64::try_from(there).unwrap() } else { 500 };
        frames.push(match rng.below(40) {
            0 => venue.ticker(market),
            1 => venue.snapshot(market),
            _ => venue.delta(market, yes, price, change),
        });
    }
    (whole, frames)
}

/// Rules whose pairs are looked at in full with every change and find that fees eat them: in
/// the books of [`numbered`] YES of either market costs 0.46 or more, which leaves 0.08 for a
/// pair, and 0.045 after fees.
fn pairs(engine: &mut Engine, venue: &Kalshi) {
    let [a, b] = &venue.markets[..] else { panic!("two markets") };
    let (a, b) = (format!("kalshi {} yes", a.ticker), format!("kalshi {} no", b.ticker));
    let rule =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    engine
        .add_rule("box", &rule(&[("a", &a), ("b", &b), ("polarity_check", "off"), ("min_edge", "0.05")]))
        .unwrap();
    let legs = format!("{a}; {b}");
    engine.add_rule("ladder", &rule(&[("legs", &legs), ("min_edge", "0.05")])).unwrap();
    engine.add_rule("basket", &rule(&[("legs", &legs), ("exhaustive", "true")])).unwrap();
}

fn no_allocation_numbered(yes_prices: bool, rules: bool, levels: bool, config: Config) -> Engine {
    let (venue, frames) = numbered(15, 42_000, yes_prices);
    let mut engine = Engine::new(config);
    engine.connected(0, Venue::KALSHI, if yes_prices { "use_yes_price" } else { "" }, T0).unwrap();
    for market in &venue.markets {
        engine.subscribe(Venue::KALSHI, &market.ticker, 0, &kalshi::listing("E"), T0).unwrap();
    }
    if rules {
        pairs(&mut engine, &venue);
    }
    engine.watch_levels(levels);
    let (warm, measured) = frames.split_at(2_000);
    play(&mut engine, warm, 1);
    let count = counted(|| play(&mut engine, measured, 2_001));
    let counters = engine.counters();
    assert_eq!((counters.decode_errors, counters.malformed, counters.gaps), (0, 0, 0));
    assert!(engine.book(0).unwrap().believable() && engine.book(1).unwrap().believable());
    assert_eq!(count, 0, "{config:?}, rules {rules}");
    engine
}

#[test]
fn with_numbered_streams() {
    for yes_prices in [false, true] {
        no_allocation_numbered(yes_prices, false, false, Config::default());
        no_allocation_numbered(yes_prices, false, true, Config::default());
    }
}

#[test]
fn with_a_users_quotes() {
    let mut engine = Engine::new(Config::default());
    engine.connected(0, Venue::USER, "", T0).unwrap();
    engine.subscribe(Venue::USER, "mine", 0, &Listing::default(), T0).unwrap();
    let sizes = (1..3_000).map(|n| format!("{n}.5"));
    // Each holds for half as long as it takes until the next one comes.
    let frame = |size: String| quote("mine", Some(("0.48", &size)), Some(("0.5", "7")), 500_000);
    let frames: Vec<_> = sizes.map(frame).collect();
    let (warm, measured) = frames.split_at(100);
    play(&mut engine, warm, 1);
    assert_eq!(counted(|| play(&mut engine, measured, 101)), 0);
    assert!(engine.counters().transitions > 5_000 && engine.counters().malformed == 0);
}

#[test]
fn with_pairs_that_are_walked_and_refused() {
    let config = Config { digest: true, paper_latency: Some(1), ..Config::default() };
    let mut engine = no_allocation_numbered(true, true, false, config);
    let refused = engine.refusals().iter().sum::<u64>();
    assert!(refused > 10_000, "the pairs are looked at: {refused}");
    assert_eq!(engine.output().totals().1, 0, "and nothing is found");
}

#[test]
fn either_side_of_a_contract_is_read_without_a_copy() {
    let mut book = Book::default();
    for cents in 1..50 {
        book.set(Side::Bid, Level::new(cents * PRICE_ONE / 100, 500));
        book.set(Side::Ask, Level::new((50 + cents) * PRICE_ONE / 100, 500));
    }
    for terms in [Terms::OWN, Terms::turned(PRICE_ONE)] {
        let count = counted(|| {
            let view = View::new(&book, terms);
            let [bids, asks] = [Side::Bid, Side::Ask].map(|side| view.levels(side));
            let touch = view.touch().unwrap();
            black_box((touch.mid_f64(), imbalance(bids, asks, 5), asks.sweep_qty(1_700)));
            black_box((bids.sweep_notional(1 << 40), asks.depth(9), bids.depth_within(&touch, 90_000)));
            black_box(asks.best_first().map(|(price, _)| price).sum::<i64>());
        });
        assert_eq!(count, 0, "{terms:?}");
    }
}
