//! Order books with a warranty: every book says whether it may be believed, and why.
//!
//! ```text
//! bytes ─▶ decode ─▶ events ─▶ book + integrity ─▶ metrics, signals ─▶ fixed-width records
//! ```
//!
//! [`engine::Engine`] is the one door: frames of venue connections and control events go in,
//! [`update`] records come out. Units: prices `i64` of 1e-9, quantities `i64` of 1e-8, times
//! Unix nanoseconds. No float enters a book, a fee or a comparison: an index and fair values are
//! rounded before they are compared.
//!
//! What this crate does not do: it opens no socket and no file, reads no clock, starts no
//! thread and knows no URL. The same input gives the same records, bit for bit.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods))]
#![cfg_attr(not(test), deny(clippy::disallowed_macros, clippy::float_arithmetic))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// In the order in which data flows; no module uses one that comes after it.

pub mod fixed;
pub mod names;
pub mod span;
pub mod time;

pub mod fees;
pub mod trading;

pub mod instrument;
pub(crate) mod openings;

pub mod event;

pub mod decode;
pub mod venue;

pub mod sequence;

pub mod book;

pub mod metrics;
pub mod trades;

pub mod consolidated;
pub mod index;
pub mod settlement;

pub mod fairvalue;

pub mod signals;

pub mod update;

pub mod latency;

pub mod engine;
pub mod level_rows;

pub mod journal;
