//! One side of a book walked from its best level on: sweeps, depth, imbalance.
//!
//! A walk counts what is known, and no more. One that would go on where knowledge ends is
//! `truncated`: only that tells it from a walk to the end of the book.

use super::{BPS, Levels, Notional, Quote, Ratio, notional_f64, qty_f64};
use crate::event::Side;
use crate::fees::{Fees, Role, Usd};
use crate::fixed::{PRICE_ONE, Price, Qty};

/// The whole in units of [`Levels::depth_within`]'s band.
const PPM: i128 = 1_000_000;

impl Levels<'_> {
    /// What taking `qty` from this side would execute, best level first.
    ///
    /// `None` when nothing would be: no levels that are known, or `qty` not positive.
    ///
    /// Exact for every input: quantities taken add up to at most `qty < 2^63` at prices
    /// below `2^63`, so the notional stays below `2^126`.
    #[must_use]
    pub fn sweep_qty(self, qty: Qty) -> Option<Sweep> {
        Sweep::of_qty(self.side(), self.known().best_first(), qty, self.is_cut_off())
    }

    /// What spending (or, on bids, raising) `notional` would execute, best level first.
    ///
    /// The last level is filled in part, its quantity rounded **down** to 1e-8: the sweep
    /// never exceeds `notional`, and the remainder of a complete one is worth less than 1e-8
    /// at the level where it stopped. `None` when nothing would be executed: no levels that are
    /// known, or `notional` does not pay for 1e-8 at the best price.
    ///
    /// No overflow: the notional stays at or below the one asked for, and a level that would
    /// carry the quantity past `i64::MAX` (9.2e10 whole units) ends the sweep, incomplete.
    #[must_use]
    pub fn sweep_notional(self, notional: Notional) -> Option<Sweep> {
        Sweep::of_notional(self.side(), self.known().best_first(), notional, self.is_cut_off())
    }

    /// What the venue charges a taker for a sweep of this side: its fills are those of one order.
    ///
    /// `None` if the fees cannot be computed, or `sweep` is of another book: the levels that are
    /// known do not hold it.
    #[must_use]
    pub fn taker_fee(self, sweep: &Sweep, fees: &Fees) -> Option<Usd> {
        let mut order = fees.order(Role::Taker, sweep.side == Side::Bid);
        let mut left = sweep.filled_qty;
        for (price, size) in self.known().best_first() {
            let here = size.min(left);
            if here == 0 {
                break;
            }
            order.fill(here, price)?;
            left -= here;
        }
        order.total().filter(|_| left == 0)
    }

    /// Cumulative size of the best `levels` levels, or of all that are known if those are fewer.
    #[inline]
    #[must_use]
    pub fn depth(self, levels: usize) -> Depth {
        let known = self.known();
        known.total(levels.min(known.len()), self.is_cut_off() && known.len() < levels)
    }

    /// Cumulative size of the levels within `band_ppm` millionths of the mid, on this side of
    /// it: bids at `mid * (1 - band)` or above, asks at `mid * (1 + band)` or below, both
    /// inclusive and compared exactly. A basis point is 100 millionths.
    #[inline]
    #[must_use]
    pub fn depth_within(self, touch: &Quote, band_ppm: u32) -> Depth {
        // At most 2^64 * 2^33: far inside 128 bits.
        let (twice_mid, band) = (touch.twice_mid(), i128::from(band_ppm));
        let edge = match self.side() {
            Side::Bid => -(twice_mid * (band - PPM)).div_euclid(2 * PPM),
            Side::Ask => (twice_mid * (PPM + band)).div_euclid(2 * PPM),
        };
        let edge = Price::try_from(edge.max(0)).unwrap_or(Price::MAX);
        let known = self.known();
        let outside = known.count_worse(edge);
        // What is not known begins one unit behind the end: does the band reach further than it?
        let cut_off = self.known_end().is_some_and(|end| match self.side() {
            Side::Bid => edge < end,
            Side::Ask => edge > end,
        });
        known.total(known.len() - outside, cut_off)
    }

    /// Sums over the best `count` levels. Should the notional leave 128 bits (1.7e21 whole
    /// units of money), the levels from there on are left out and `truncated` says so.
    #[inline]
    fn total(self, count: usize, cut_off: bool) -> Depth {
        let mut depth = Depth { qty: 0, notional: 0, levels: 0, truncated: cut_off };
        for (price, qty) in self.best_first().take(count) {
            let cost = Notional::from(price) * Notional::from(qty);
            let Some(notional) = depth.notional.checked_add(cost) else {
                depth.truncated = true;
                break;
            };
            depth.notional = notional;
            depth.qty += i128::from(qty);
            depth.levels += 1;
        }
        depth
    }
}

/// Bid size less ask size over their sum, on the best `levels` levels of each side: -1 to 1.
///
/// A side with fewer levels counts those that are known. `None` when a side is empty, the book is
/// crossed, or `levels` is zero.
#[inline]
#[must_use]
pub fn imbalance(bids: Levels<'_>, asks: Levels<'_>, levels: usize) -> Option<Imbalance> {
    Quote::new(bids.best(), asks.best()).ok()?;
    // No overflow: memory ends long before 2^63 levels of less than 2^63 each.
    let (bids, asks) = (bids.known(), asks.known());
    let (bid, ask) = (bids.qty_of_best(levels), asks.qty_of_best(levels));
    let ratio = Ratio::new(bid - ask, bid + ask)?;
    let truncated = [bids, asks].iter().any(|known| known.is_cut_off() && known.len() < levels);
    Some(Imbalance { ratio, truncated })
}

/// How much heavier one side of a book is than the other.
#[derive(Clone, Copy, Debug)]
pub struct Imbalance {
    /// Bid size less ask size over their sum, -1 to 1.
    pub ratio: Ratio,
    /// Whether levels that belong here are not known, on one side at least.
    pub truncated: bool,
}

/// What a sweep was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// A quantity, 1e-8.
    Qty(Qty),
    /// An amount of money, 1e-17.
    Notional(Notional),
}

/// What sweeping one side of a book would execute; at least 1e-8 on at least one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The side that is swept: a buyer sweeps asks, a seller bids.
    pub side: Side,
    /// What was asked for.
    pub requested: Requested,
    /// Quantity executed, 1e-8.
    pub filled_qty: Qty,
    /// Money paid or raised, 1e-17.
    pub notional: Notional,
    /// Price of the best level, where the sweep begins, 1e-9.
    pub best_price: Price,
    /// Price of the last level touched, 1e-9.
    pub worst_price: Price,
    /// Levels touched, the last one perhaps in part.
    pub levels: u32,
    /// Whether the book holds enough for all that was requested.
    pub complete: bool,
    /// Whether the sweep ended where knowledge of the book ends, and not where the book does.
    pub truncated: bool,
}

impl Sweep {
    /// A sweep of levels that are known, the best first; [`Levels::sweep_qty`] says more.
    pub(crate) fn of_qty(
        side: Side,
        levels: impl Iterator<Item = (Price, Qty)>,
        qty: Qty,
        is_cut_off: bool,
    ) -> Option<Self> {
        let mut known = levels.peekable();
        let &(best_price, _) = known.peek()?;
        if qty <= 0 {
            return None;
        }
        let mut left = qty;
        let mut notional: Notional = 0;
        let mut worst_price = best_price;
        let mut levels = 0;
        for (price, size) in known {
            levels += 1;
            worst_price = price;
            if size >= left {
                notional += Notional::from(price) * Notional::from(left);
                left = 0;
                break;
            }
            notional += Notional::from(price) * Notional::from(size);
            left -= size;
        }
        Some(Self {
            side,
            requested: Requested::Qty(qty),
            filled_qty: qty - left,
            notional,
            best_price,
            worst_price,
            levels,
            complete: left == 0,
            truncated: left > 0 && is_cut_off,
        })
    }

    /// The same for an amount of money; [`Levels::sweep_notional`] says more.
    pub(crate) fn of_notional(
        side: Side,
        levels: impl Iterator<Item = (Price, Qty)>,
        notional: Notional,
        is_cut_off: bool,
    ) -> Option<Self> {
        let mut known = levels.peekable();
        let &(best_price, _) = known.peek()?;
        if notional <= 0 {
            return None;
        }
        let mut left = notional;
        let mut filled_qty: Qty = 0;
        let mut worst_price = best_price;
        let mut levels = 0;
        // The level that stops it, and its price if that is for want of money.
        let mut stop = None;
        for (price, size) in known {
            let cost = Notional::from(price) * Notional::from(size);
            if cost > left {
                stop = Some(Some(price));
                break;
            }
            let Some(filled) = filled_qty.checked_add(size) else {
                stop = Some(None);
                break;
            };
            filled_qty = filled;
            left -= cost;
            worst_price = price;
            levels += 1;
        }
        let mut complete = left == 0;
        let truncated = !complete && stop.is_none() && is_cut_off;
        if let Some(Some(price)) = stop {
            // Less than the level's size, and its price is positive: it costs something.
            let affordable = Qty::try_from(left / Notional::from(price)).ok();
            if let Some(taken) = affordable.filter(|&taken| taken <= Qty::MAX - filled_qty) {
                complete = true;
                filled_qty += taken;
                left -= Notional::from(price) * Notional::from(taken);
                levels += u32::from(taken > 0);
                worst_price = if taken > 0 { price } else { worst_price };
            }
        }
        (filled_qty > 0).then_some(Self {
            side,
            requested: Requested::Notional(notional),
            filled_qty,
            notional: notional - left,
            best_price,
            worst_price,
            levels,
            complete,
            truncated,
        })
    }

    /// Average price (VWAP) of what is executed, 1e-9.
    #[inline]
    #[must_use]
    pub fn avg_price(&self) -> Option<Ratio> {
        Ratio::new(self.notional, i128::from(self.filled_qty))
    }

    /// Average price in whole price units.
    #[must_use]
    pub fn avg_price_f64(&self) -> f64 {
        let den = i128::from(self.filled_qty) * i128::from(PRICE_ONE);
        Ratio { num: self.notional, den }.value_f64()
    }

    /// Quantity executed in whole units.
    #[must_use]
    pub fn qty_f64(&self) -> f64 {
        qty_f64(i128::from(self.filled_qty))
    }

    /// Money paid or raised in whole units.
    #[must_use]
    pub fn notional_f64(&self) -> f64 {
        notional_f64(self.notional)
    }

    /// How much worse than the mid the average price is, in basis points of the mid; negative
    /// would be better. `None` if the mid is zero, or if the notional, or the same quantity
    /// at the mid, passes 8e16 whole units of money.
    #[must_use]
    pub fn slippage_vs_mid_bps(&self, touch: &Quote) -> Option<Ratio> {
        self.slippage_bps(touch.twice_mid(), 2)
    }

    /// How much worse than this side's best price the average price is, in basis points of
    /// that price; never negative. `None` if that price is zero, or if the notional, or the
    /// same quantity at that price, passes 1.7e17 whole units of money.
    #[must_use]
    pub fn slippage_vs_touch_bps(&self) -> Option<Ratio> {
        self.slippage_bps(i128::from(self.best_price), 1)
    }

    /// Slippage against the price `reference / parts`.
    fn slippage_bps(&self, reference: i128, parts: i128) -> Option<Ratio> {
        let fair = i128::from(self.filled_qty).checked_mul(reference)?;
        let actual = self.notional.checked_mul(parts)?;
        let worse = match self.side {
            Side::Ask => actual.checked_sub(fair)?,
            Side::Bid => fair.checked_sub(actual)?,
        };
        Ratio::new(worse.checked_mul(BPS)?, fair)
    }
}

/// Cumulative size of the best levels of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Quantity, 1e-8.
    pub qty: i128,
    /// Price times quantity, 1e-17.
    pub notional: Notional,
    /// Levels counted.
    pub levels: u32,
    /// Whether levels that belong here may be missing: knowledge of the book ends before them,
    /// or their notional leaves 128 bits.
    pub truncated: bool,
}

impl Depth {
    /// Quantity in whole units.
    #[must_use]
    pub fn qty_f64(&self) -> f64 {
        qty_f64(self.qty)
    }

    /// Price times quantity in whole units of money.
    #[must_use]
    pub fn notional_f64(&self) -> f64 {
        notional_f64(self.notional)
    }
}
