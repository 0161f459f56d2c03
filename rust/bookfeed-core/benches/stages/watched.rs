//! What it costs to watch over books: the same frames, a thousand a second of 200 books, with and
//! without what looks at their delay, their rhythm and their silence, and witnesses that answer.

use crate::polymarket::MARKETS;
use crate::support::Rng;
use crate::support::venue::{MS, Market, T0, policy};
use bookfeed_core::engine::{Config, Engine, HashCheck};
use bookfeed_core::instrument::UNKNOWN;

/// One in so many frames is an answer by REST: one a second.
const ANSWERS: usize = 1_000;
/// After so many frames a feed lets time pass: ten times a second.
const BEAT: usize = 100;

/// An engine with the first books of all markets, and frames that bear the time at which they come.
pub fn scene(watched: bool, frames: usize) -> (Engine, Vec<String>) {
    let mut rng = Rng(20_261_130);
    let mut markets: Vec<_> = (0..MARKETS).map(|n| Market::new(n, 40)).collect();
    let plain = Config { odd_silence: 0, ..policy(HashCheck::Off) };
    let hash_check = HashCheck::Off;
    let mut engine =
        Engine::new(if watched { Config { hash_check, ..Config::default() } } else { plain });
    for market in &markets {
        market.subscribe(&mut engine, 0, T0);
        engine.ingest(0, market.books_frame().as_bytes(), T0);
    }
    engine.output().clear();
    let begun = markets[0].ms;
    let frame = |i| {
        let market = &mut markets[rng.below(MARKETS)];
        market.ms = market.ms.max(begun + i as u64 + 1);
        match rng.below(100) {
            _ if answers(i) => market.rest(rng.below(2)),
            0..=6 => market.trade(rng.below(2), "0.5", "12.5", "BUY"),
            7..=9 => market.touch(rng.below(2)),
            _ => market.random_change(&mut rng),
        }
    };
    (engine, (0..frames).map(frame).collect())
}

/// Whether a frame is an answer.
fn answers(i: usize) -> bool {
    i % ANSWERS == ANSWERS - 1
}

/// Ingests the frames and leaves out the answers; time passes with frames alone.
pub fn play_unwatched(engine: &mut Engine, frames: &[String]) {
    play(engine, frames, |_, _, _| ());
}

/// Ingests frames and answers; time passes, and it is asked who is to be looked at, as a feed does.
pub fn play_watched(engine: &mut Engine, frames: &[String]) {
    play(engine, frames, |engine, i, ts| {
        if answers(i) {
            engine.ingest_rest(0, frames[i].as_bytes(), UNKNOWN, None, ts);
        }
        if i % BEAT == BEAT - 1 {
            engine.advance(ts);
            let asked = (engine.suspects(0), engine.probes(0), engine.questions(0).len());
            assert!(asked.0.is_empty(), "{asked:?} at frame {i}");
        }
    });
    let told = engine.rest_answers(None);
    assert_eq!(told[0], (frames.len() / ANSWERS) as u64, "{told:?}");
}

fn play(engine: &mut Engine, frames: &[String], mut beside: impl FnMut(&mut Engine, usize, i64)) {
    let mut ts = T0;
    for (i, frame) in frames.iter().enumerate() {
        ts += MS;
        if !answers(i) {
            engine.ingest(0, frame.as_bytes(), ts);
        }
        beside(engine, i, ts);
        if i % 16 == 15 {
            engine.output().clear();
        }
    }
    for id in engine.instruments().ids() {
        let book = engine.book(id).unwrap();
        let status = (id, book.state, book.cause, book.doubt);
        assert!(book.believable(), "{status:?}");
    }
}
