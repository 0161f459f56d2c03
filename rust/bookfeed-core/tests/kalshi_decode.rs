//! Kalshi's frames to messages: vectors for every message type and number format, any spelling
//! of a frame means the same, a broken frame never passes for a whole one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "kalshi_decode/describe.rs"]
mod describe;
#[path = "kalshi_decode/mutants.rs"]
mod mutants;
#[path = "kalshi_decode/oracle.rs"]
mod oracle;
#[path = "kalshi_decode/spelling.rs"]
mod spelling;
#[path = "kalshi_decode/vectors.rs"]
mod vectors;
