//! Continuity of each kind, played against a venue whose truth is known at every number.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "sequence/timestamps.rs"]
mod timestamps;
#[path = "sequence/update_ids.rs"]
mod update_ids;
