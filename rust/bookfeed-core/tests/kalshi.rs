//! Numbered streams: what a number proves, what a missing one costs and whom, replies that take
//! numbers, books that overlap, another channel's word on the touch, news of markets; and seeded
//! streams with faults, in which no live book is ever wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "kalshi/asked.rs"]
mod asked;
#[path = "kalshi/books.rs"]
mod books;
#[path = "kalshi/campaign.rs"]
mod campaign;
#[path = "kalshi/markets.rs"]
mod markets;
#[path = "kalshi/replies.rs"]
mod replies;
#[path = "kalshi/sequence.rs"]
mod sequence;
#[path = "kalshi/witness.rs"]
mod witness;
