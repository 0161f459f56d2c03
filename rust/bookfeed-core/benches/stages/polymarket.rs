//! Polymarket: a frame decoded, a frame through the whole engine, whole books.

use crate::clock::{Stage, stage, timed};
use crate::play::{play, play_fresh};
use crate::support::Rng;
use crate::support::records::{drain, levels, true_levels};
use crate::support::venue::{Market, T0, policy};
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::engine::{Engine, HashCheck};
use bookfeed_core::event::Frame;
use bookfeed_core::instrument::{UNKNOWN, Venue};
use std::hint::black_box;

pub const MARKETS: usize = 100;

/// Frames of many markets, and the markets as they are afterwards.
pub struct Corpus {
    begin: Vec<Market>,
    end: Vec<Market>,
    snapshots: Vec<String>,
    pub frames: Vec<String>,
}

impl Corpus {
    /// 2 % `book`, 90 % `price_change` with two mirrored entries, 5 % trades, 3 % touches.
    pub fn new(frames: usize) -> Self {
        let mut rng = Rng(20_260_101);
        let begin: Vec<_> = (0..MARKETS).map(|n| Market::new(n, 40)).collect();
        let mut end = begin.clone();
        let snapshots = begin.iter().map(Market::books_frame).collect();
        let frame = |_| {
            let market = &mut end[rng.below(MARKETS)];
            market.ms += 1;
            match rng.below(100) {
                0..=1 => market.traded_book(rng.below(2)),
                2..=6 => market.trade(rng.below(2), "0.5", "12.5", "BUY"),
                7..=9 => market.touch(rng.below(2)),
                _ => market.random_change(&mut rng),
            }
        };
        let frames = (0..frames).map(frame).collect();
        Self { begin, end, snapshots, frames }
    }

    fn mean_len(&self) -> usize {
        self.frames.iter().map(String::len).sum::<usize>() / self.frames.len()
    }

    /// An engine that knows the markets and their first books; `rules`: one of each outcome and
    /// one of each market.
    pub fn engine(&self, hash_check: HashCheck, rules: bool) -> Engine {
        let mut engine = Engine::new(policy(hash_check));
        for market in &self.begin {
            market.subscribe(&mut engine, 0, T0);
        }
        if rules {
            for (rule, key, value) in [("spread", "open", "0.5"), ("complement", "min_edge", "0.001")] {
                engine.add_rule(rule, &[(key.to_owned(), value.to_owned())].into()).unwrap();
            }
        }
        for frame in &self.snapshots {
            engine.ingest(0, frame.as_bytes(), T0);
        }
        drain(&mut engine);
        engine
    }

    fn play(&self, engine: &mut Engine) {
        let mut ts = T0;
        play(engine, &self.frames, &mut ts);
    }

    fn check(&self, engine: &Engine) {
        for (n, market) in self.end.iter().enumerate() {
            for (outcome, truth) in market.books.iter().enumerate() {
                let id = u32::try_from(2 * n + outcome).unwrap();
                assert!(engine.book(id).unwrap().believable());
                assert_eq!(levels(engine, id), true_levels(truth), "market {n}");
            }
        }
        assert_eq!((engine.counters().decode_errors, engine.counters().malformed), (0, 0));
    }
}

fn decode_only(corpus: &Corpus) -> Stage<'_> {
    let engine = corpus.engine(HashCheck::Off, false);
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let mut all = move || {
        let mut changes = 0;
        for bytes in &corpus.frames {
            let (bytes, source, mode) = (bytes.as_bytes(), Source::Stream, Mode::default());
            let payload = Payload { bytes, source, mode, about: UNKNOWN, fast: true };
            (Venue::POLYMARKET.row().decode)(&payload, engine.instruments(), &mut frame, &mut tally)
                .unwrap();
            changes += frame.changes.len();
        }
        black_box(changes)
    };
    assert!(all() > corpus.frames.len());
    stage("polymarket: a frame decoded", None, move || {
        timed(corpus.frames.len(), || {
            all();
        })
    })
}

fn ingest(corpus: &Corpus, name: &str, hash_check: HashCheck, target: Option<f64>) -> Stage<'static> {
    // The corpus lives as long as the program.
    let corpus: &'static Corpus = Box::leak(Box::new(Corpus {
        begin: corpus.begin.clone(),
        end: corpus.end.clone(),
        snapshots: corpus.snapshots.clone(),
        frames: corpus.frames.clone(),
    }));
    let mut engine = corpus.engine(hash_check, true);
    corpus.play(&mut engine);
    corpus.check(&engine);
    stage(name, target, move || {
        let mut engine = corpus.engine(hash_check, true);
        timed(corpus.frames.len(), || corpus.play(&mut engine))
    })
}

fn ingest_fresh(corpus: &Corpus) -> Stage<'_> {
    stage("polymarket: ingest, rules on, hashes off, frames fresh", None, || {
        let mut engine = corpus.engine(HashCheck::Off, true);
        let time = play_fresh(&mut engine, &corpus.frames, &mut T0.clone());
        corpus.check(&engine);
        time
    })
}

fn whole_books(depth: u32, target: Option<f64>) -> Stage<'static> {
    let mut market = Market::new(0, depth);
    let mut engine = Engine::new(policy(HashCheck::Off));
    market.subscribe(&mut engine, 0, T0);
    let frames: Vec<_> = (0..2_000)
        .map(|i| {
            market.ms += 1;
            market.set(0, true, 399 - i % depth, &format!("{}.5", 1 + i));
            market.book(0)
        })
        .collect();
    let mut play = move || {
        for frame in &frames {
            engine.ingest(0, frame.as_bytes(), T0);
            engine.output().clear();
        }
        levels(&engine, 0)
    };
    assert_eq!(play(), true_levels(&market.books[0]));
    // Later rounds tell older books; the venue's clock is put on so that they are news again.
    let mut base = market.ms;
    let name = format!("polymarket: book of {depth} levels a side, decoded and applied");
    stage(&name, target, move || {
        let mut engine = Engine::new(policy(HashCheck::Off));
        market.subscribe(&mut engine, 0, T0);
        let frames: Vec<_> = (0..2_000)
            .map(|i| {
                base += 1;
                market.ms = base;
                market.set(0, true, 399 - i % depth, &format!("{}.5", 1 + i));
                market.book(0)
            })
            .collect();
        timed(frames.len(), || {
            for frame in &frames {
                engine.ingest(0, frame.as_bytes(), T0);
                engine.output().clear();
            }
        })
    })
}

/// All stages of this file.
pub fn stages(corpus: &Corpus) -> Vec<Stage<'_>> {
    println!(
        "Polymarket: {} frames of {} bytes, {} assets",
        corpus.frames.len(),
        corpus.mean_len(),
        2 * MARKETS
    );
    vec![
        decode_only(corpus),
        ingest(corpus, "polymarket: ingest, rules on, hashes off", HashCheck::Off, Some(300.0)),
        ingest_fresh(corpus),
        ingest(corpus, "polymarket: ingest, rules on, hashes sampled", HashCheck::Sampled, None),
        ingest(corpus, "polymarket: ingest, rules on, every hash", HashCheck::Always, None),
        whole_books(1, None),
        whole_books(16, None),
        whole_books(64, Some(3_000.0)),
    ]
}
