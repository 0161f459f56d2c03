//! A settlement index by its administrator's published method, from the books of its constituents.
//!
//! At each effective time the books are screened, sizes are capped, and the capped books are
//! merged into one. The price of the marginal unit at each size, the mean of both sides, is
//! weighted down exponentially as far as the book is tight. What comes out is an **estimate** of
//! our own: an administrator's index is his alone.
//!
//! ```text
//! books ─▶ screen ─▶ cap ─▶ merge ─▶ how deep it is tight ─▶ weighted mid ─▶ Price
//! ```
//!
//! | step | numbers |
//! |---|---|
//! | screening, order of prices, how deep | exact integers |
//! | size cap | exact sums, one square root, rounded to a [`Qty`] before sizes are compared with it |
//! | weights | floats by one portable libm, rounded to a [`Price`] |
//!
//! Where public sources disagree about the method there is a switch ([`Params`]), and its default
//! says why. Time is an argument. The only state is which constituents are excluded as potentially
//! erroneous, because that sticks.
//!
//! ```
//! use bookfeed_core::book::side::Ladder;
//! use bookfeed_core::event::Level;
//! use bookfeed_core::index::{Constituent, Params, SpotIndex};
//!
//! let bids = [Level::new(99_000_000_000, 500_000_000)];
//! let asks = [Level::new(101_000_000_000, 500_000_000)];
//! let (bids, asks) = (Ladder::of(&bids), Ladder::of(&asks));
//! let only = Constituent { bids, asks, retrieved: 0, believed: true };
//! let mut index = SpotIndex::new(Params { half_spread_ppm: 10_000, ..Params::BTC });
//! let value = index.tick(200_000_000, &[only]).unwrap();
//! assert_eq!((value.value, value.utilised_depth), (100_000_000_000, 500_000_000));
//! ```

#![allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "weights and a square root by one portable libm, rounded before anything is compared"
)]

mod cap;
mod curve;
mod ends;
mod merge;
mod screen;

use crate::book::side::Ladder;
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, Price, QTY_ONE, Qty};
use crate::time::{Nanos, SECOND};
pub use screen::Standing;

/// Parts per million in a whole.
const MILLION: i128 = 1_000_000;

/// A book as the index sees it at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Constituent<'a> {
    /// Bids.
    pub bids: Ladder<'a>,
    /// Asks.
    pub asks: Ladder<'a>,
    /// When the venue last vouched for the book: any frame or heartbeat of its stream, not the
    /// last change. A quiet book is not delayed.
    pub retrieved: Nanos,
    /// Whether the book may be believed. One that may not counts as unreadable.
    pub believed: bool,
}

/// At which sizes the curve is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// At all: the integral over each step of the curve. It needs no spacing, and the formula of
    /// the published "dynamic" one is not known.
    Integral,
    /// At multiples of a size, as published until June 2026.
    Every(Qty),
    /// At hundredths of the depth that is tight: one reading of "dynamic".
    Hundredth,
}

/// Which orders the size cap is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// All within 5 % of the best price, but at least so many of each side if there are as many:
    /// the administrator's notice of 2019.
    AtLeast(usize),
    /// The best so many of each side, within 5 % of the best price: how the equations are read by
    /// others.
    AtMost(usize),
}

/// What counts as one order, whose size is capped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A level of one venue, which is the nearest to an order that aggregated books have.
    Level,
    /// All venues' levels of one price together: stricter.
    Price,
}

/// What happens to bids that are not below the asks of other venues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossed {
    /// They stay; the older published text has no other step.
    Kept,
    /// They are matched with each other and go.
    Matched,
}

/// Of which constituents the median is that each is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Median {
    /// Of those that are not excluded yet ("the other valid constituents").
    Valid,
    /// Of all that passed the other tests.
    All,
}

/// Parameters and switches of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// How old a constituent's retrieval time may not be.
    pub lag_max: Nanos,
    /// How far a mid may be from the median, in parts per million of it. An excluded one comes
    /// back below half of that.
    pub erroneous_ppm: u32,
    /// How wide half the spread may become, in parts per million of the mid: the depth that is
    /// used ends there.
    pub half_spread_ppm: u32,
    /// Decimal places of the published value.
    pub decimals: u32,
    /// Where the curve is read.
    pub spacing: Spacing,
    /// Orders that the cap is computed from.
    pub sample: Sample,
    /// What counts as an order.
    pub order: Order,
    /// What becomes of crossed quantity.
    pub crossed: Crossed,
    /// What a mid is compared with.
    pub median: Median,
}

impl Params {
    /// As published for bitcoin in dollars.
    pub const BTC: Self = Self {
        lag_max: 10 * SECOND,
        erroneous_ppm: 50_000,
        half_spread_ppm: 5_000,
        decimals: 2,
        spacing: Spacing::Integral,
        sample: Sample::AtLeast(50),
        order: Order::Level,
        crossed: Crossed::Kept,
        median: Median::Valid,
    };
    /// As published for ether in dollars.
    pub const ETH: Self = Self { half_spread_ppm: 10_000, ..Self::BTC };
    /// As published for solana in dollars; its decimal places are not, so all are kept.
    pub const SOL: Self = Self { decimals: PRICE_DECIMALS, ..Self::ETH };
    /// As published for XRP in dollars; its decimal places are not, so all are kept.
    pub const XRP: Self = Self { erroneous_ppm: 100_000, ..Self::SOL };

    /// The parameters of an asset (`BTC`, `ETH`, `SOL`, `XRP`) and its size step until June 2026.
    #[must_use]
    pub fn of_asset(name: &str) -> Option<(Self, Qty)> {
        Some(match name {
            "BTC" => (Self::BTC, QTY_ONE),
            "ETH" => (Self::ETH, 25 * QTY_ONE),
            "SOL" => (Self::SOL, 100 * QTY_ONE),
            "XRP" => (Self::XRP, 10_000 * QTY_ONE),
            _ => return None,
        })
    }
}

/// The index at one effective time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexValue {
    /// The value, 1e-9.
    pub value: Price,
    /// The value, rounded half up to the decimal places it is published with, 1e-9.
    pub published: Price,
    /// Size up to which the merged book is tight enough to count.
    pub utilised_depth: Qty,
    /// Size above which an order counts no more.
    pub cap: Qty,
    /// Bids, before the cap, that are not below the best ask, and the asks that are not above the
    /// best bid: whichever is less. Zero unless venues cross each other.
    pub crossed: Qty,
    /// Best bid of the merged book.
    pub bid: Price,
    /// Best ask.
    pub ask: Price,
    /// How many constituents are in it.
    pub included: usize,
}

/// The index, and what it remembers from one effective time to the next.
#[derive(Clone, Debug)]
pub struct SpotIndex {
    params: Params,
    standings: Vec<Standing>,
    mids: Vec<i128>,
    room: cap::Room,
    steps: Vec<curve::Step>,
}

impl SpotIndex {
    /// An index that has excluded nobody yet.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self {
            params,
            standings: Vec::new(),
            mids: Vec::new(),
            room: cap::Room::new(),
            steps: Vec::new(),
        }
    }

    /// Its parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// How each constituent stood at the last effective time, in the order they were given.
    #[must_use]
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The index at the effective time `at`. A constituent is known by its place, which it keeps
    /// from one call to the next.
    ///
    /// `None` is a calculation failure: no book passed the screening. Nothing is carried forward.
    pub fn tick(&mut self, at: Nanos, books: &[Constituent<'_>]) -> Option<IndexValue> {
        screen::screen(&self.params, at, books, &mut self.standings, &mut self.mids);
        let standings = &self.standings;
        let valid = || {
            let stands = |&(place, _): &(usize, _)| standings[place] == Standing::Included;
            books.iter().enumerate().filter(stands).map(|(_, book)| book)
        };
        let included = valid().count();
        let (bids, asks) = merge::both(valid());
        let (bid, ask) = (bids.best()?, asks.best()?);
        let cap = cap::size_cap(&self.params, &bids, &asks, &mut self.room)?;
        let crossed = curve::crossed_qty(bids.clone(), asks.clone());
        let capped = (bids.capped(cap, self.params.order), asks.capped(cap, self.params.order));
        let (value, utilised_depth) = curve::weighted_mid(&self.params, capped, &mut self.steps)?;
        let published = half_up(value, self.params.decimals);
        Some(IndexValue { value, published, utilised_depth, cap, crossed, bid, ask, included })
    }
}

/// A price rounded half up to so many decimal places.
#[must_use]
pub fn half_up(value: Price, decimals: u32) -> Price {
    let unit = PRICE_ONE / 10_i64.pow(decimals.min(PRICE_DECIMALS));
    let over = value.rem_euclid(unit);
    if 2 * over >= unit { value.saturating_add(unit - over) } else { value - over }
}
