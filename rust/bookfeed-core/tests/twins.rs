//! The fast ways: whatever a frame says, each engine option, each fault, an engine that takes them
//! and one that reads every frame the general way write the same records and count the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "twins/decoded.rs"]
mod decoded;
#[path = "twins/scripts.rs"]
mod scripts;
