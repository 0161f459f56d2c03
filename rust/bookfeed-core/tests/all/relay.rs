//! Frames of relays to points and events: vectors for every message type, a broken frame never
//! passes for a whole one, no point is told twice.

mod describe;
mod oracle;
mod streams;
mod vectors;
