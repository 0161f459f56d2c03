//! Two lines for the same books: whatever comes first counts, once, and only what both lose is lost.
//!
//! Each venue tells the same story on two connections that lag, lose, swap, fall silent or end. At
//! every message a live book has to be the true one of some moment, and never of an earlier moment
//! than before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "lines/rules.rs"]
mod rules;
#[path = "lines/stories.rs"]
mod stories;
#[path = "lines/venues.rs"]
mod venues;
