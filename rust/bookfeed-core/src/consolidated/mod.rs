//! One book out of several venues' books of the same thing: best prices with sizes and venues, one
//! ladder, what a size would execute across venues, where venues cross each other, and how far and
//! how early each of them is.
//!
//! Pure functions over borrowed sides ([`Levels`]), in exact integers. Whoever calls hands over only
//! books that may be believed. A venue is known by its place among them.
//!
//! Where a venue tells only so much of a side, the side of all venues is known no further: levels
//! behind that price may be missing. What would need them is `truncated`.
//!
//! ```
//! use bookfeed_core::consolidated::{Part, merged};
//! use bookfeed_core::event::{Level, Side};
//! use bookfeed_core::metrics::Levels;
//!
//! let here = [Level::new(99_000_000_000, 200), Level::new(100_000_000_000, 300)];
//! let there = [Level::new(100_000_000_000, 500)];
//! let part = |bids| Part { bids, asks: Levels::new(Side::Ask, &[]) };
//! let parts = [&here[..], &there[..]].map(|bids| part(Levels::new(Side::Bid, bids)));
//! let steps: Vec<_> = merged(&parts, Side::Bid).steps().collect();
//! assert_eq!((steps[0].price, steps[0].qty), (100_000_000_000, 800));
//! assert_eq!(steps[0].sizes, [(0, 300), (1, 500)]);
//! assert_eq!(steps[1].sizes, [(0, 200)]);
//! ```

mod basis;
mod crossing;
mod lead;
mod merge;
mod sweep;

use crate::event::Side;
use crate::metrics::Levels;
pub use basis::Basis;
pub use crossing::Crossing;
pub use lead::{Lead, LeadLag, LeadParams};
pub use merge::{Entry, Merged, Step, merged};
pub use sweep::{Across, Share, sweep_notional, sweep_qty};

/// A venue's book.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its bids.
    pub bids: Levels<'a>,
    /// Its asks.
    pub asks: Levels<'a>,
}

impl<'a> Part<'a> {
    /// One of its sides.
    #[must_use]
    pub const fn levels(&self, side: Side) -> Levels<'a> {
        match side {
            Side::Bid => self.bids,
            Side::Ask => self.asks,
        }
    }

    /// Twice its mid, 1e-9; `None` without both sides.
    #[must_use]
    pub fn twice_mid(&self) -> Option<i128> {
        let (bid, ask) = (self.bids.best()?, self.asks.best()?);
        Some(i128::from(bid.0) + i128::from(ask.0))
    }
}
