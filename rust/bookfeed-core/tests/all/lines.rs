//! Two lines for the same books: whatever comes first counts, once, and only what both lose is lost.
//!
//! Each venue tells the same story on two connections that lag, lose, swap, fall silent or end. At
//! every message a live book has to be the true one of some moment, and never of an earlier moment
//! than before.

mod rules;
mod stories;
mod venues;
