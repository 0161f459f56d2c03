//! Frames through an engine, ten thousand a second, which is what sampled hash checks are paced by.

use crate::support::venue::MS;
use bookfeed_core::engine::Engine;
use bookfeed_core::time::Nanos;
use std::time::{Duration, Instant};

/// Frames that are copied at a time, as one read of a socket brings them.
const BLOCK: usize = 64;

/// Ingests every frame and drops the records now and then, as a reader would; `ts` is the receive
/// time of the frame before the first, and of the last one afterwards.
pub fn play(engine: &mut Engine, frames: &[String], ts: &mut Nanos) {
    for (i, frame) in frames.iter().enumerate() {
        *ts += MS / 10;
        engine.ingest(0, frame.as_bytes(), *ts);
        if i % 16 == 15 {
            engine.output().clear();
        }
    }
    engine.output().clear();
}

/// As [`play`], with frames that were copied just before, as a socket leaves them: a corpus of many
/// megabytes is in no cache. Nanoseconds a frame, copying apart.
pub fn play_fresh(engine: &mut Engine, frames: &[String], ts: &mut Nanos) -> f64 {
    let (mut taken, mut received) = (Duration::ZERO, Vec::new());
    for block in frames.chunks(BLOCK) {
        received.clear();
        block.iter().for_each(|frame| received.extend_from_slice(frame.as_bytes()));
        let begun = Instant::now();
        let mut rest = &received[..];
        for frame in block {
            let (bytes, others) = rest.split_at(frame.len());
            *ts += MS / 10;
            engine.ingest(0, bytes, *ts);
            rest = others;
        }
        engine.output().clear();
        taken += begun.elapsed();
    }
    taken.as_secs_f64() * 1e9 / f64::from(u32::try_from(frames.len()).unwrap())
}
