//! Frames of spot venues to events: differences of about 1.9 kB as Binance sends them, small ones
//! as Kraken and Crypto.com do.

use crate::clock::{Stage, stage, timed};
use crate::support::Rng;
use crate::support::spot::Venue as Simulated;
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::event::{Body, Frame};
use bookfeed_core::instrument::{Instrument, Instruments, UNKNOWN, Venue};
use std::hint::black_box;

/// Frames of a round.
const FRAMES: usize = 4_000;

struct Corpus {
    venue: Venue,
    known: Instruments,
    frames: Vec<String>,
    /// How many levels all frames hold.
    levels: usize,
}

impl Corpus {
    fn new(venue: Venue, symbol: &str, depth: impl Fn(&mut Rng) -> usize) -> &'static Self {
        let mut known = Instruments::default();
        known.add(Instrument::new(venue, symbol, 0));
        let mut simulated = Simulated::new(symbol, 5, 400);
        let mut rng = Rng(6);
        let (mut frames, mut levels) = (Vec::new(), 0);
        for _ in 0..FRAMES {
            let first = simulated.id + 1;
            let changes = simulated.change(depth(&mut rng));
            levels += changes[0].len() + changes[1].len();
            frames.push(match venue {
                Venue::BINANCE => simulated.depth_update(first, &changes),
                Venue::CRYPTOCOM => simulated.cryptocom_update(first - 1, &changes),
                _ => simulated.kraken_book("update", &changes),
            });
        }
        Box::leak(Box::new(Self { venue, known, frames, levels }))
    }

    /// Decodes all frames. Returns how many levels they hold.
    fn decode(&self, frame: &mut Frame, tally: &mut Tally) -> usize {
        let mut levels = 0;
        for text in &self.frames {
            let (bytes, source) = (text.as_bytes(), Source::Stream);
            let payload = Payload { bytes, source, mode: Mode::default(), about: UNKNOWN, fast: true };
            (self.venue.row().decode)(&payload, &self.known, frame, tally).unwrap();
            if let Body::Levels(found) = &frame.messages[0].body {
                levels += found.bids.len() + found.asks.len();
            }
        }
        levels
    }

    fn stage(&'static self, name: &str, target: Option<f64>) -> Stage<'static> {
        let (mut frame, mut tally) = (Frame::default(), Tally::default());
        assert_eq!(self.decode(&mut frame, &mut tally), self.levels);
        let bytes: usize = self.frames.iter().map(String::len).sum();
        let name = format!("spot: {name} of {} B", bytes / FRAMES);
        stage(&name, target, move || {
            timed(FRAMES, || {
                black_box(self.decode(&mut frame, &mut tally));
            })
        })
    }
}

/// All stages of this file.
pub fn stages() -> [Stage<'static>; 3] {
    let binance = Corpus::new(Venue::BINANCE, "BTCUSDT", |rng| 20 + rng.below(90));
    let kraken = Corpus::new(Venue::KRAKEN, "BTC/USD", |rng| 1 + rng.below(3));
    let cryptocom = Corpus::new(Venue::CRYPTOCOM, "BTC_USD", |rng| 1 + rng.below(3));
    [
        binance.stage("decode a depthUpdate", None),
        kraken.stage("decode a book update", None),
        cryptocom.stage("decode a book.update", None),
    ]
}
