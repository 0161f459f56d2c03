//! Numbered streams: what a number proves, what a missing one costs and whom, replies that take
//! numbers, books that overlap, another channel's word on the touch, news of markets; and seeded
//! streams with faults, in which no live book is ever wrong.

mod asked;
mod books;
mod campaign;
mod markets;
mod replies;
mod sequence;
mod witness;
