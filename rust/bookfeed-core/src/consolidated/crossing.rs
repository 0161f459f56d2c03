//! Where venues cross each other: what could be bought at one and sold at another for more.

use super::{Entry, Part, merged};
use crate::event::Side;
use crate::fixed::Price;
use crate::metrics::Notional;

/// How far the venues' books overlap, before fees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crossing {
    /// Size that bids above asks would match, 1e-8.
    pub qty: i128,
    /// What that would gain, 1e-17.
    pub gain: Notional,
    /// The last bid and the last ask matched, 1e-9.
    pub last: Option<(Price, Price)>,
    /// Size sold to each venue and size bought there, by its place, 1e-8.
    pub sizes: Vec<(i128, i128)>,
    /// Whether more may cross behind what is known of a book.
    pub truncated: bool,
}

impl Crossing {
    /// Matches bids with asks as long as the bid is above the ask. An equal one is no gain.
    #[must_use]
    pub fn of(parts: &[Part<'_>]) -> Self {
        let mut found = Self { sizes: vec![(0, 0); parts.len()], ..Self::default() };
        let (all_bids, all_asks) = (merged(parts, Side::Bid), merged(parts, Side::Ask));
        let ends = (all_bids.known_end(), all_asks.known_end());
        let (mut bids, mut asks) = (all_bids.known(), all_asks.known());
        let (mut bid, mut ask) = (bids.next(), asks.next());
        while let (Some(b), Some(a)) = (&mut bid, &mut ask) {
            if b.price <= a.price {
                return found;
            }
            found.match_both(b, a);
            if b.qty == 0 {
                bid = bids.next();
            }
            if a.qty == 0 {
                ask = asks.next();
            }
        }
        // One side is used up: there may be more of it, if it is not known in whole.
        let more = |left: Option<Entry>, end: Option<Price>| left.is_none() && end.is_some();
        found.truncated = more(bid, ends.0) || more(ask, ends.1);
        found
    }

    fn match_both(&mut self, bid: &mut Entry, ask: &mut Entry) {
        let qty = bid.qty.min(ask.qty);
        let gain = Notional::from(bid.price) - Notional::from(ask.price);
        self.qty += i128::from(qty);
        self.gain = self.gain.saturating_add(gain * Notional::from(qty));
        self.last = Some((bid.price, ask.price));
        self.sizes[bid.place].0 += i128::from(qty);
        self.sizes[ask.place].1 += i128::from(qty);
        bid.qty -= qty;
        ask.qty -= qty;
    }
}
