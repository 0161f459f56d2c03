//! Boxes, baskets, ladders, complements and contracts on a reference: the walk against a search over every quarter of a
//! share, gates in their order, lives, and the paper ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "bundles/campaign.rs"]
mod campaign;
#[path = "bundles/gates.rs"]
mod gates;
#[path = "bundles/lives.rs"]
mod lives;
#[path = "bundles/oracle.rs"]
mod oracle;
#[path = "bundles/own.rs"]
mod own;
#[path = "bundles/paper.rs"]
mod paper;
#[path = "bundles/params.rs"]
mod params;
#[path = "bundles/pit.rs"]
mod pit;
#[path = "bundles/walk.rs"]
mod walk;
#[path = "bundles/worth.rs"]
mod worth;
