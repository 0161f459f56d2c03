//! Frames of relays to points and events: vectors for every message type, a broken frame never
//! passes for a whole one, no point is told twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "relay/describe.rs"]
mod describe;
#[path = "relay/oracle.rs"]
mod oracle;
#[path = "relay/streams.rs"]
mod streams;
#[path = "relay/vectors.rs"]
mod vectors;
