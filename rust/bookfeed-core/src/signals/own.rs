//! What of the user's own rests in a book. Rules walk a book less that: nobody trades with himself.

use super::{Direction, LegRef, Subject, View};
use crate::event::Level;
use crate::fixed::{Price, Qty};
use std::fmt;

/// Most levels of one's own on a side of a book.
pub const OWN_LEVELS_MAX: usize = 10_000;

/// The user's own resting sizes in one book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnLevels {
    bids: Box<[(Price, Qty)]>,
    asks: Box<[(Price, Qty)]>,
}

/// Why levels cannot be one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnError {
    /// A price below zero, or a size that is none.
    Level(Price, Qty),
    /// A price that is there twice.
    Twice(Price),
    /// More levels than [`OWN_LEVELS_MAX`].
    Many(usize),
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(price, qty) => {
                write!(f, "own level ({price}, {qty}): give a price from 0 and a size above 0")
            }
            Self::Twice(price) => {
                write!(f, "own levels have the price {price} twice; give the sum of both sizes")
            }
            Self::Many(count) => {
                write!(f, "{count} own levels on one side; at most {OWN_LEVELS_MAX} are allowed")
            }
        }
    }
}

impl OwnLevels {
    /// Price and size of each level of both sides, in any order.
    ///
    /// # Errors
    /// [`OwnError`].
    pub fn new(bids: &[(Price, Qty)], asks: &[(Price, Qty)]) -> Result<Self, OwnError> {
        Ok(Self { bids: by_price(bids)?, asks: by_price(asks)? })
    }

    /// Whether nothing rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bids.is_empty() && self.asks.is_empty()
    }
}

/// The levels of a side by their prices.
fn by_price(levels: &[(Price, Qty)]) -> Result<Box<[(Price, Qty)]>, OwnError> {
    if levels.len() > OWN_LEVELS_MAX {
        return Err(OwnError::Many(levels.len()));
    }
    if let Some(&(price, qty)) = levels.iter().find(|&&(price, qty)| price < 0 || qty <= 0) {
        return Err(OwnError::Level(price, qty));
    }
    let mut sorted: Box<[(Price, Qty)]> = levels.into();
    sorted.sort_unstable_by_key(|&(price, _)| price);
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(OwnError::Twice(pair[0].0)),
        None => Ok(sorted),
    }
}

/// What of a level is not the user's own, whose levels on that side are `own`.
#[inline]
pub(super) fn others(level: &Level, own: &[(Price, Qty)]) -> Qty {
    if own.is_empty() { level.qty } else { less(level, own) }
}

#[cold]
fn less(level: &Level, own: &[(Price, Qty)]) -> Qty {
    match own.binary_search_by_key(&level.price, |&(price, _)| price) {
        // The book may not show yet what rests, or may show it no more.
        Ok(at) => (level.qty - own[at].1).max(0),
        Err(_) => level.qty,
    }
}

impl LegRef {
    /// What rests of the user's own where the leg takes from.
    #[inline]
    pub(super) fn own_taken<'a>(self, view: &View<'a>, sell: bool) -> &'a [(Price, Qty)] {
        match view.own.get(self.instrument as usize) {
            Some(own) if self.complement == sell => &own.asks,
            Some(own) => &own.bids,
            None => &[],
        }
    }
}

/// Whether the user has orders of his own where a bundle would be taken from.
pub(super) fn meets_own(subject: &Subject, view: &View) -> bool {
    let sell = subject.direction == Direction::Sell;
    !view.own.is_empty() && subject.legs.iter().any(|leg| !leg.own_taken(view, sell).is_empty())
}
