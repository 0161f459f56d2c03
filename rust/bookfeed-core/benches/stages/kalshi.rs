//! Kalshi: a delta decoded, applied, and through the whole engine, with rules and without.

use crate::clock::{Stage, stage, timed};
use crate::kalshi_venue::{Change, MARKETS, Mix, Venue, ticker};
use crate::play::{play, play_fresh};
use crate::support::venue::{MS0, Market, T0, policy};
use bookfeed_core::book::Book;
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::event::{Body, Delta, Frame, Level, Side};
use bookfeed_core::instrument::{UNKNOWN, Venue as Kind};
use bookfeed_core::signals::{Params, Refusal};
use std::hint::black_box;

/// Pairs that wait for a venue which lags behind; the stage is named after them.
const WAITING: usize = 10;

/// Ends the name of a stage whose frames were copied just before.
const FRESH: &str = ", frames fresh";

/// What an engine watches besides the books that change.
#[derive(Clone, Copy)]
pub enum Watch {
    /// No rules.
    Nothing,
    /// A spread rule on every book.
    Spread,
    /// A box of every market with a Polymarket one.
    Boxes,
    /// So many more instruments, two and two; `paired` by boxes or just there.
    Elsewhere { pairs: usize, paired: bool },
    /// Boxes on other markets that would open, if the other venue did not lag.
    Waiting,
}

fn params(given: &[(&str, &str)]) -> Params {
    given.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The Polymarket market beside market `n`, its touch at `bid` and two ticks above.
fn partner(n: usize, bid: u32) -> Market {
    let mut market = Market::new(n, 1);
    for (buy, old, new) in [(true, 399, bid), (false, 401, bid + 2)] {
        market.set(0, buy, old, "0");
        market.set(0, buy, new, "100");
    }
    market
}

/// Tells its book at venue time `ms`.
fn tell(engine: &mut Engine, mut market: Market, ms: u64) {
    market.ms = ms;
    market.subscribe(engine, 1, T0);
    engine.ingest(1, market.books_frame().as_bytes(), T0);
}

fn pair(engine: &mut Engine, ticker: &str, asset: &str) {
    let (a, b) = (format!("kalshi {ticker} yes"), format!("polymarket {asset} yes"));
    engine.add_rule("box", &params(&[("a", &a), ("b", &b)])).unwrap();
}

fn subscribe(engine: &mut Engine, venue: Kind, symbol: &str) {
    let other = venue == Kind::POLYMARKET;
    let fee = if other { "polymarket:0.07;1" } else { "kalshi:quadratic;1;non_direct" };
    let listing = Listing { fee: Some(fee), ..Listing::default() };
    engine.subscribe(venue, symbol, u32::from(other), &listing, T0).unwrap();
}

/// A book of its own subscription for a market nothing else is said of.
fn lone_book(engine: &mut Engine, n: usize) {
    let (name, sid) = (ticker(MARKETS + n), 100 + n);
    subscribe(engine, Kind::KALSHI, &name);
    let book = format!(
        r#"{{"type":"orderbook_snapshot","sid":{sid},"seq":1,"msg":{{"market_ticker":"{name}","market_id":"5b1c1a36-0f0e-4a55-9d0e-{n:012}","yes_dollars_fp":[["0.3990","50.00"]],"no_dollars_fp":[["0.5990","50.00"]]}}}}"#
    );
    engine.ingest(0, book.as_bytes(), T0);
}

impl Watch {
    /// Adds the rules, and the instruments they need besides.
    pub fn set_up(self, engine: &mut Engine) {
        match self {
            Self::Nothing => {}
            Self::Spread => {
                engine.add_rule("spread", &params(&[("open", "0.5")])).unwrap();
            }
            Self::Boxes => {
                for n in 0..MARKETS {
                    let market = partner(n, 399);
                    pair(engine, &ticker(n), &market.assets[0]);
                    tell(engine, market, MS0);
                }
            }
            Self::Elsewhere { pairs, paired } => {
                for n in 0..pairs {
                    let (name, asset) = (ticker(MARKETS + n), format!("{n:077}"));
                    if paired {
                        pair(engine, &name, &asset);
                    }
                    subscribe(engine, Kind::KALSHI, &name);
                    subscribe(engine, Kind::POLYMARKET, &asset);
                }
            }
            Self::Waiting => {
                for n in 0..WAITING {
                    let market = partner(n, 450);
                    pair(engine, &ticker(MARKETS + n), &market.assets[0]);
                    lone_book(engine, n);
                    tell(engine, market, MS0 - 5_000);
                }
            }
        }
        engine.output().clear();
    }

    /// Whether the rules did what the stage is named after.
    fn check(self, engine: &mut Engine) {
        let refused: u64 = engine.refusals().iter().sum();
        assert_eq!(engine.output().totals().1, 0, "no signal is to open");
        match self {
            Self::Waiting => assert!(engine.refusals()[Refusal::Lag as usize] >= WAITING as u64),
            _ => assert_eq!(refused, 0),
        }
    }
}

fn best_first(book: &Book) -> [Vec<(i64, i64)>; 2] {
    [&book.bids, &book.asks].map(|side| side.best_first().collect())
}

fn check(engine: &Engine, venue: &Venue) {
    for n in 0..MARKETS {
        let book = engine.book(u32::try_from(n).unwrap()).unwrap();
        assert!(book.believable());
        assert_eq!(best_first(book), venue.levels(n), "market {n}");
    }
    let counters = engine.counters();
    assert_eq!((counters.decode_errors, counters.malformed, counters.unknown_instruments), (0, 0, 0));
    assert_eq!((counters.gaps, counters.regressions, counters.underflows), (0, 0, 0));
}

/// The decoder alone, knowing the markets as an engine does after their snapshots.
struct Decoder {
    engine: Engine,
    frame: Frame,
    tally: Tally,
}

impl Decoder {
    fn new() -> Self {
        let mut engine = Engine::new(policy(HashCheck::Off));
        Venue::new().begin(&mut engine);
        Self { engine, frame: Frame::default(), tally: Tally::default() }
    }

    fn delta(&mut self, text: &str) -> &Delta {
        let (all, frame, tally) = (self.engine.instruments(), &mut self.frame, &mut self.tally);
        let (bytes, source, mode) = (text.as_bytes(), Source::Stream, Mode::default());
        let payload = Payload { bytes, source, mode, about: UNKNOWN, fast: true };
        (Kind::KALSHI.row().decode)(&payload, all, frame, tally).unwrap();
        match &frame.messages[0].body {
            Body::Delta(delta) => delta,
            body => panic!("{body:?} in {text}"),
        }
    }

    /// Every change of the frames, put into books of nothing but ladders.
    fn apply(&mut self, deltas: &[(String, Change)], books: &mut [Book]) {
        for (text, _) in deltas {
            let delta = self.delta(text);
            books[delta.instrument as usize].add(delta.side, delta.price, delta.qty).unwrap();
        }
    }
}

/// Books that hold what the venue holds now.
fn ladders(venue: &Venue) -> Vec<Book> {
    let book = |n| {
        let mut book = Book::default();
        for (side, levels) in [Side::Bid, Side::Ask].into_iter().zip(venue.levels(n)) {
            levels.iter().for_each(|&(price, qty)| book.set(side, Level::new(price, qty)));
        }
        book
    };
    (0..MARKETS).map(book).collect()
}

fn decoding(frames: usize) -> [Stage<'static>; 2] {
    let mut decoder = Decoder::new();
    let mut begin = Venue::new();
    begin.begin(&mut Engine::new(policy(HashCheck::Off)));
    let mut venue = begin.clone();
    let sent = (0..frames).map(|_| venue.frame(Mix::All));
    let deltas: Vec<(String, Change)> = sent.filter_map(|(text, c)| Some((text, c?))).collect();
    for (text, change) in &deltas {
        let delta = decoder.delta(text);
        assert_eq!((delta.instrument, delta.side, delta.price, delta.qty), *change);
    }
    let mut end = ladders(&begin);
    decoder.apply(&deltas, &mut end);
    for (n, book) in end.iter().enumerate() {
        assert_eq!(best_first(book), venue.levels(n), "market {n}");
    }
    let (mut applier, also_deltas) = (Decoder::new(), deltas.clone());
    [
        stage("kalshi: a delta decoded", None, move || {
            timed(deltas.len(), || {
                for (text, _) in &deltas {
                    black_box(decoder.delta(text));
                }
            })
        }),
        stage("kalshi: a delta decoded and applied", None, move || {
            let mut books = ladders(&begin);
            timed(also_deltas.len(), || applier.apply(&also_deltas, &mut books))
        }),
    ]
}

/// Frames through the engine, round after round; the books are compared after each.
fn ingest(frames: usize, mix: Mix, watch: Watch, name: &str) -> Stage<'static> {
    let fresh = name.ends_with(FRESH);
    let target = (matches!(watch, Watch::Spread) && !fresh).then_some(150.0);
    let (mut engine, mut venue) = (Engine::new(policy(HashCheck::Off)), Venue::new());
    venue.begin(&mut engine);
    watch.set_up(&mut engine);
    let mut ts = T0;
    let mut round = move || {
        let sent: Vec<_> = (0..frames).map(|_| venue.frame(mix).0).collect();
        let time = match fresh {
            true => play_fresh(&mut engine, &sent, &mut ts),
            false => timed(frames, || play(&mut engine, &sent, &mut ts)),
        };
        check(&engine, &venue);
        watch.check(&mut engine);
        time
    };
    round();
    stage(name, target, round)
}

/// The stages of this file that are wanted.
pub fn stages(frames: usize, pairs: usize, wanted: impl Fn(&str) -> bool) -> Vec<Stage<'static>> {
    let mut venue = Venue::new();
    let bytes: usize = (0..frames).map(|_| venue.frame(Mix::All).0.len()).sum();
    println!(
        "Kalshi: {frames} frames of {} bytes, {MARKETS} markets, {pairs} pairs elsewhere",
        bytes / frames
    );
    let elsewhere = |paired| Watch::Elsewhere { pairs, paired };
    let mut all = Vec::from(decoding(frames));
    let engines = [
        (Mix::All, Watch::Nothing, "no rules"),
        (Mix::All, Watch::Spread, "a spread rule"),
        (Mix::All, Watch::Spread, "a spread rule, frames fresh"),
        (Mix::Deep, Watch::Nothing, "touch unmoved, no rules"),
        (Mix::Deep, Watch::Boxes, "touch unmoved, a box on each market"),
        (Mix::Touch, Watch::Nothing, "touch moved, no rules"),
        (Mix::Touch, Watch::Boxes, "touch moved, a box on each market"),
        (Mix::All, elsewhere(false), "instruments elsewhere"),
        (Mix::All, elsewhere(true), "pairs elsewhere"),
        (Mix::All, Watch::Waiting, "10 pairs that wait for a venue which lags"),
    ];
    for (mix, watch, name) in engines {
        let name = format!("kalshi: ingest, {name}");
        if wanted(&name) {
            all.push(ingest(frames, mix, watch, &name));
        }
    }
    all
}
