//! Nearly all tests of the crate as one program, linked once: a file for each subject. Programs of
//! their own are `allocations`, which counts them for a whole process, and `captures`, which runs
//! without the usual harness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod book;
mod bundles;
mod checksum;
mod consolidated;
mod decode;
mod estimates;
mod fairvalue;
mod fees;
mod index;
mod integrity;
mod journal;
mod json;
mod kalshi;
mod kalshi_decode;
mod levels;
mod lines;
mod metrics;
mod modules;
mod poll;
mod relay;
mod sequence;
mod sides;
mod signals;
mod spot;
mod spot_decode;
mod terms;
mod twins;
mod user;
mod views;
