//! Frames of spot venues to messages: vectors for every message type, any spelling of a
//! frame means the same, a broken frame never passes for a whole one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "spot_decode/describe.rs"]
mod describe;
#[path = "spot_decode/mutants.rs"]
mod mutants;
#[path = "spot_decode/oracle.rs"]
mod oracle;
#[path = "spot_decode/spelling.rs"]
mod spelling;
#[path = "spot_decode/vectors.rs"]
mod vectors;
