//! The touch: both best levels of a book, and what follows from them alone.

use super::ratio::nearest_f64;
use super::{BPS, Ratio, price_f64};
use crate::fixed::{PRICE_ONE, Price, Qty};

/// Why a book has no touch to speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQuote {
    /// Neither side has a level.
    Empty,
    /// There are asks but no bids.
    NoBid,
    /// There are bids but no asks.
    NoAsk,
    /// The best bid is above the best ask.
    Crossed,
}

/// Both best levels of a book that is not crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    bid: (Price, Qty),
    ask: (Price, Qty),
}

impl Quote {
    /// The touch, from price and quantity of the best level of each side.
    ///
    /// # Errors
    /// [`NoQuote`] when a side is empty or the best bid is above the best ask.
    #[inline]
    pub const fn new(bid: Option<(Price, Qty)>, ask: Option<(Price, Qty)>) -> Result<Self, NoQuote> {
        match (bid, ask) {
            (Some(bid), Some(ask)) if bid.0 <= ask.0 => Ok(Self { bid, ask }),
            (Some(_), Some(_)) => Err(NoQuote::Crossed),
            (None, Some(_)) => Err(NoQuote::NoBid),
            (Some(_), None) => Err(NoQuote::NoAsk),
            (None, None) => Err(NoQuote::Empty),
        }
    }

    /// Price and quantity of the best bid.
    #[inline]
    #[must_use]
    pub const fn bid(&self) -> (Price, Qty) {
        self.bid
    }

    /// Price and quantity of the best ask.
    #[inline]
    #[must_use]
    pub const fn ask(&self) -> (Price, Qty) {
        self.ask
    }

    /// Best ask less best bid, 1e-9; zero when the book is locked, never negative.
    #[inline]
    #[must_use]
    pub const fn spread(&self) -> Price {
        // Cannot saturate: prices are not negative.
        self.ask.0.saturating_sub(self.bid.0)
    }

    /// [`Self::spread`] in whole price units.
    #[inline]
    #[must_use]
    pub fn spread_f64(&self) -> f64 {
        price_f64(i128::from(self.spread()))
    }

    /// Spread over mid, in basis points; `None` if the mid is zero.
    #[inline]
    #[must_use]
    pub fn spread_bps(&self) -> Option<Ratio> {
        Ratio::new(2 * BPS * i128::from(self.spread()), self.twice_mid())
    }

    /// Best bid plus best ask, 1e-9: exactly twice the mid.
    #[inline]
    #[must_use]
    pub fn twice_mid(&self) -> i128 {
        i128::from(self.bid.0) + i128::from(self.ask.0)
    }

    /// The mid in whole price units.
    #[inline]
    #[must_use]
    pub fn mid_f64(&self) -> f64 {
        nearest_f64(self.twice_mid(), 2 * PRICE_ONE)
    }

    /// Mid with each price weighted by the size on the *other* side, 1e-9: a large bid pulls
    /// it towards the ask. (Often called micro-price, which strictly is a calibrated model.)
    #[inline]
    #[must_use]
    pub fn weighted_mid(&self) -> Option<Ratio> {
        // At most twice (2^63 - 1)^2, just below 2^127.
        let num = i128::from(self.ask.0) * i128::from(self.bid.1)
            + i128::from(self.bid.0) * i128::from(self.ask.1);
        Ratio::new(num, i128::from(self.bid.1) + i128::from(self.ask.1))
    }

    /// [`Self::weighted_mid`] in whole price units.
    #[inline]
    #[must_use]
    pub fn weighted_mid_f64(&self) -> Option<f64> {
        let Ratio { num, den } = self.weighted_mid()?;
        Some(Ratio { num, den: den * i128::from(PRICE_ONE) }.value_f64())
    }

    /// Bid size's share of the size at the touch, 0 to 1; `(imbalance + 1) / 2`.
    #[inline]
    #[must_use]
    pub fn bid_share(&self) -> Option<Ratio> {
        let bid = i128::from(self.bid.1);
        Ratio::new(bid, bid + i128::from(self.ask.1))
    }
}
