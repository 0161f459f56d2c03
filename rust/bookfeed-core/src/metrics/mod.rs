//! Questions asked of a book: touch, spread, mid, imbalance, sweeps, depth.
//!
//! Pure functions over borrowed arrays; nothing is stored and nothing is rounded. A question
//! whose answer is not a whole number of units is answered by a [`Ratio`]; methods named
//! `*_f64` turn an exact answer into the double nearest to it, for people and for numpy.
//!
//! | quantity | unit | type |
//! |---|---|---|
//! | price | 1e-9 | `i64`, not negative |
//! | quantity | 1e-8 | `i64`, positive in a book |
//! | notional (price times quantity) | 1e-17 | `i128` |
//!
//! Absent is `None`. A question about both sides has no answer while one of them is empty or
//! the book is crossed (best bid above best ask), and [`NoQuote`] says which; a locked book
//! (best bid equal to best ask) is a valid quote with a spread of zero.
//!
//! Where a venue tells only so much of a side, knowledge of it ends at a price
//! ([`Levels::known_end`]). Answers count the levels up to there, and one that would need
//! more says `truncated`: what lies beyond is unknown, not absent.
//!
//! ```
//! use bookfeed_core::event::{Level, Side};
//! use bookfeed_core::metrics::{Levels, Quote};
//!
//! let bids = [Level::new(430_000_000, 900), Level::new(440_000_000, 500)];
//! let asks = [Level::new(470_000_000, 700), Level::new(460_000_000, 300)];
//! let (bids, asks) = (Levels::new(Side::Bid, &bids), Levels::new(Side::Ask, &asks));
//! let touch = Quote::new(bids.best(), asks.best()).unwrap();
//! assert_eq!(touch.spread(), 20_000_000);
//! assert_eq!(touch.mid_f64(), 0.45);
//! let fill = asks.sweep_qty(400).unwrap();
//! assert_eq!((fill.worst_price, fill.avg_price_f64()), (470_000_000, 0.4625));
//! ```

#![allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "floats for presentation: nothing reads them back"
)]

mod levels;
mod quote;
mod ratio;
mod view;
mod walk;

pub use levels::Levels;
pub use quote::{NoQuote, Quote};
pub use ratio::{Ratio, notional_f64, price_f64, qty_f64};
pub use view::{Terms, View};
pub use walk::{Depth, Imbalance, Requested, Sweep, imbalance};

use crate::fixed::{PRICE_ONE, QTY_ONE};

/// Money in units of 1e-17: a price (1e-9) times a quantity (1e-8).
pub type Notional = i128;

/// One whole unit of money as a [`Notional`].
pub(crate) const NOTIONAL_ONE: Notional = PRICE_ONE as Notional * QTY_ONE as Notional;
/// Basis points in a whole.
const BPS: i128 = 10_000;
