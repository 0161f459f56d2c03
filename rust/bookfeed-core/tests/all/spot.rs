//! Spot venues in the engine: differences stitched to whole books that were asked for, touches
//! compared where they say they stand, windows in which a book is known, checksums in every
//! message. Each way to lose a book, and each book that is refused; the oracle is a venue that
//! keeps its books in maps.

mod behind;
mod binance;
mod bitstamp;
mod coinbase;
mod cryptocom;
mod desk;
mod gemini;
mod kraken;
mod polled;
mod probes;
mod second;
mod witnesses;
