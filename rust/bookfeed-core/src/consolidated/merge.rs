//! One side of all venues: their levels in one order, the best first.

use super::Part;
use crate::event::Side;
use crate::fixed::{Price, Qty};
use crate::metrics::Levels;

/// A level, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its price, 1e-9.
    pub price: Price,
    /// Its size, 1e-8.
    pub qty: Qty,
    /// Place of its venue.
    pub place: usize,
}

/// All that venues have at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The price, 1e-9.
    pub price: Price,
    /// Size of all, 1e-8.
    pub qty: i128,
    /// Places of venues, and the size of each, 1e-8.
    pub sizes: Vec<(usize, Qty)>,
}

/// What is left of one venue's side.
#[derive(Clone, Copy, Debug)]
struct Rest<'a> {
    head: (Price, Qty),
    behind: Levels<'a>,
    place: usize,
}

impl<'a> Rest<'a> {
    fn new(mut behind: Levels<'a>, place: usize) -> Option<Self> {
        let head = behind.pop_best()?;
        Some(Self { head, behind, place })
    }
}

/// A side of all venues: an iterator over levels, the best price first, and of one price in the order
/// of the venues.
#[derive(Clone, Debug)]
pub struct Merged<'a> {
    side: Side,
    rests: Vec<Rest<'a>>,
    known_end: Option<Price>,
}

/// A side of some venues.
#[must_use]
pub fn merged<'a>(parts: &[Part<'a>], side: Side) -> Merged<'a> {
    let levels = || parts.iter().map(|part| part.levels(side));
    let ends = levels().filter_map(Levels::known_end);
    // The nearest end: behind it, levels of that venue may be missing.
    let known_end = match side {
        Side::Bid => ends.max(),
        Side::Ask => ends.min(),
    };
    let rests = levels().enumerate().filter_map(|(place, levels)| Rest::new(levels, place)).collect();
    Merged { side, rests, known_end }
}

impl<'a> Merged<'a> {
    /// Which side it is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Price up to which every venue is known, `None` if all of them are known in whole.
    #[must_use]
    pub const fn known_end(&self) -> Option<Price> {
        self.known_end
    }

    /// The levels that no unknown one can precede.
    pub fn known(self) -> impl Iterator<Item = Entry> + use<'a> {
        let (side, end) = (self.side, self.known_end);
        self.take_while(move |entry| end.is_none_or(|end| !is_worse(side, entry.price, end)))
    }

    /// The levels, those of one price together.
    pub fn steps(self) -> impl Iterator<Item = Step> + use<'a> {
        let mut entries = self.peekable();
        std::iter::from_fn(move || {
            let Entry { price, qty, place } = entries.next()?;
            let mut step = Step { price, qty: i128::from(qty), sizes: vec![(place, qty)] };
            while let Some(more) = entries.next_if(|entry| entry.price == price) {
                step.qty += i128::from(more.qty);
                step.sizes.push((more.place, more.qty));
            }
            Some(step)
        })
    }
}

/// Whether price `a` is worse than `b`.
const fn is_worse(side: Side, a: Price, b: Price) -> bool {
    match side {
        Side::Bid => a < b,
        Side::Ask => a > b,
    }
}

impl Iterator for Merged<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        // There are as many as venues: a heap of them would cost more than it saves.
        let mut best = 0;
        for at in 1..self.rests.len() {
            if is_worse(self.side, self.rests[best].head.0, self.rests[at].head.0) {
                best = at;
            }
        }
        let rest = self.rests.get_mut(best)?;
        let (place, (price, qty)) = (rest.place, rest.head);
        match rest.behind.pop_best() {
            Some(head) => rest.head = head,
            None => {
                self.rests.remove(best);
            }
        }
        Some(Entry { price, qty, place })
    }
}
