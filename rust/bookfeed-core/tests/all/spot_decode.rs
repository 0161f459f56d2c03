//! Frames of spot venues to messages: vectors for every message type, any spelling of a
//! frame means the same, a broken frame never passes for a whole one.

mod describe;
mod mutants;
mod oracle;
mod spelling;
mod vectors;
