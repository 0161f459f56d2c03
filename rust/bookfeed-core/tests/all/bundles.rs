//! Boxes, baskets, ladders, complements and contracts on a reference: the walk against a search over every quarter of a
//! share, gates in their order, lives, and the paper ledger.

mod campaign;
mod gates;
mod lives;
mod oracle;
mod own;
mod paper;
mod params;
mod pit;
mod walk;
mod worth;
