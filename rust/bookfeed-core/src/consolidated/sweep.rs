//! What taking a size from all venues at once would execute, and how much of it where. Before fees.

use super::{Entry, Part, merged};
use crate::event::Side;
use crate::fixed::{Price, Qty};
use crate::metrics::{Notional, Sweep};

/// A sweep of one side of all venues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Across {
    /// The whole of it: its levels count one for each venue.
    pub whole: Sweep,
    /// What each venue does of it, of those that do anything, in the order of their places.
    pub shares: Vec<Share>,
}

/// What one venue does of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Place of the venue.
    pub place: usize,
    /// Quantity executed there, 1e-8.
    pub qty: Qty,
    /// Money paid or raised there, 1e-17.
    pub notional: Notional,
    /// Price of the best level there, 1e-9.
    pub best_price: Price,
    /// Price of the last level touched there, 1e-9.
    pub worst_price: Price,
    /// Levels touched there, the last one perhaps in part.
    pub levels: u32,
}

/// What taking `qty` (1e-8) from one side of all venues would execute, the best price first.
///
/// `None` where that is nothing: no levels that are known, or `qty` not positive.
#[must_use]
pub fn sweep_qty(parts: &[Part<'_>], side: Side, qty: Qty) -> Option<Across> {
    let all = merged(parts, side);
    let cut_off = all.known_end().is_some();
    let levels = all.known().map(|entry| (entry.price, entry.qty));
    Some(shared(parts, Sweep::of_qty(side, levels, qty, cut_off)?))
}

/// What spending (or, on bids, raising) `notional` (1e-17) across venues would execute, rounded as
/// that of one venue is.
#[must_use]
pub fn sweep_notional(parts: &[Part<'_>], side: Side, notional: Notional) -> Option<Across> {
    let all = merged(parts, side);
    let cut_off = all.known_end().is_some();
    let levels = all.known().map(|entry| (entry.price, entry.qty));
    Some(shared(parts, Sweep::of_notional(side, levels, notional, cut_off)?))
}

/// Says how much of a sweep is where: all of each level, and what is left of the last.
fn shared(parts: &[Part<'_>], whole: Sweep) -> Across {
    let mut shares: Vec<Option<Share>> = vec![None; parts.len()];
    let mut left = whole.filled_qty;
    for Entry { price, qty, place } in merged(parts, whole.side).known() {
        let here = qty.min(left);
        if here == 0 {
            break;
        }
        left -= here;
        let none =
            Share { place, qty: 0, notional: 0, best_price: price, worst_price: price, levels: 0 };
        let share = shares[place].get_or_insert(none);
        share.qty += here;
        share.notional += Notional::from(price) * Notional::from(here);
        share.worst_price = price;
        share.levels += 1;
    }
    Across { whole, shares: shares.into_iter().flatten().collect() }
}
