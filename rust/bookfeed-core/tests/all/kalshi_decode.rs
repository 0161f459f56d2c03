//! Kalshi's frames to messages: vectors for every message type and number format, any spelling
//! of a frame means the same, a broken frame never passes for a whole one.

mod describe;
mod mutants;
mod oracle;
mod spelling;
mod vectors;
