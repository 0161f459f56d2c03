//! Spot venues in the engine: differences stitched to whole books that were asked for, touches
//! compared where they say they stand, windows in which a book is known, checksums in every
//! message. Each way to lose a book, and each book that is refused; the oracle is a venue that
//! keeps its books in maps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "spot/behind.rs"]
mod behind;
#[path = "spot/binance.rs"]
mod binance;
#[path = "spot/bitstamp.rs"]
mod bitstamp;
#[path = "spot/coinbase.rs"]
mod coinbase;
#[path = "spot/cryptocom.rs"]
mod cryptocom;
#[path = "spot/desk.rs"]
mod desk;
#[path = "spot/gemini.rs"]
mod gemini;
#[path = "spot/kraken.rs"]
mod kraken;
#[path = "spot/polled.rs"]
mod polled;
#[path = "spot/probes.rs"]
mod probes;
#[path = "spot/second.rs"]
mod second;
#[path = "spot/witnesses.rs"]
mod witnesses;
