//! Frames through an engine, ten thousand a second, which is what sampled hash checks are paced by.

use crate::support::venue::MS;
use bookfeed_core::engine::Engine;
use bookfeed_core::time::Nanos;

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
