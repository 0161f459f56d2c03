//! One side of all included books, best price first, as if it were one book's.

use super::{Constituent, Order};
use crate::book::side::Ladder;
use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};
use std::cmp::Ordering;

/// The entries of one venue's side that are no errors of single entries, the best first.
pub(super) fn sound(levels: Ladder<'_>) -> impl Iterator<Item = (Price, Qty)> {
    levels.best_first().filter(|level| is_sound(level)).map(|l| (l.price, l.qty))
}

const fn is_sound(level: &Level) -> bool {
    level.price > 0 && level.qty > 0
}

/// Takes the best entry off that is no error, and those before it.
#[inline]
fn pop_sound<'a>(levels: &mut Ladder<'a>) -> Option<&'a Level> {
    loop {
        let level = levels.pop_best()?;
        if is_sound(level) {
            return Some(level);
        }
    }
}

/// What is left of one venue's side.
#[derive(Clone, Debug)]
struct Rest<'a> {
    /// The best one, which is sound.
    head: &'a Level,
    behind: Ladder<'a>,
}

impl<'a> Rest<'a> {
    fn new(mut behind: Ladder<'a>) -> Option<Self> {
        let head = pop_sound(&mut behind)?;
        Some(Self { head, behind })
    }
}

/// A side of all venues: an iterator over prices and sizes, the best price first, and of one
/// price in the order of the constituents.
#[derive(Clone, Debug)]
pub(super) struct Merged<'a> {
    side: Side,
    rests: Vec<Rest<'a>>,
    /// Whose head is next, and the place and price of the head after which another's is.
    current: usize,
    rival: Option<(Price, usize)>,
    cap: Qty,
    order: Order,
}

/// Both sides of some books.
pub(super) fn both<'a, 'b: 'a>(
    books: impl Iterator<Item = &'a Constituent<'b>> + Clone,
) -> (Merged<'b>, Merged<'b>) {
    let bids = books.clone().filter_map(|book| Rest::new(book.bids)).collect();
    let asks = books.filter_map(|book| Rest::new(book.asks)).collect();
    (Merged::new(Side::Bid, bids), Merged::new(Side::Ask, asks))
}

impl<'a> Merged<'a> {
    fn new(side: Side, rests: Vec<Rest<'a>>) -> Self {
        let mut merged =
            Self { side, rests, current: 0, rival: None, cap: Qty::MAX, order: Order::Level };
        merged.choose();
        merged
    }

    /// The same entries, none of which is larger than `cap`.
    pub(super) fn capped(self, cap: Qty, order: Order) -> Self {
        Self { cap, order, ..self }
    }

    /// Best price.
    pub(super) fn best(&self) -> Option<Price> {
        self.rests.get(self.current).map(|rest| rest.head.price)
    }

    /// The best level of each venue, and those behind it.
    pub(super) fn venues(&self) -> impl Iterator<Item = (&'a Level, Ladder<'a>)> + '_ {
        self.rests.iter().map(|rest| (rest.head, rest.behind))
    }

    /// Which side it is.
    pub(super) const fn side(&self) -> Side {
        self.side
    }

    /// Which of two prices is better on this side: `Less` comes first.
    fn compare(&self, a: Price, b: Price) -> Ordering {
        match self.side {
            Side::Bid => b.cmp(&a),
            Side::Ask => a.cmp(&b),
        }
    }

    /// Finds whose head is next, and whose after that.
    fn choose(&mut self) {
        let mut first: Option<(Price, usize)> = None;
        let mut second = None;
        for (place, rest) in self.rests.iter().enumerate() {
            let head = (rest.head.price, place);
            let better = |than: Option<(Price, usize)>| {
                than.is_none_or(|than| self.compare(head.0, than.0).is_lt())
            };
            if better(first) {
                second = first;
                first = Some(head);
            } else if better(second) {
                second = Some(head);
            }
        }
        self.current = first.map_or(0, |(_, place)| place);
        self.rival = second;
    }

    /// The next entry of a venue.
    #[inline]
    fn entry(&mut self) -> Option<(Price, Qty)> {
        let rest = self.rests.get_mut(self.current)?;
        let level = rest.head;
        let (price, qty) = (level.price, level.qty);
        match pop_sound(&mut rest.behind) {
            Some(head) => {
                rest.head = head;
                let next = head.price;
                // Most levels in a row are one venue's: only a change of venue is looked for.
                let stays = |(rival, place): (Price, usize)| {
                    self.compare(next, rival).then(self.current.cmp(&place)).is_lt()
                };
                if self.rival.is_some_and(|rival| !stays(rival)) {
                    self.choose();
                }
            }
            None => {
                self.rests.remove(self.current);
                self.choose();
            }
        }
        Some((price, qty))
    }
}

impl Iterator for Merged<'_> {
    type Item = (Price, Qty);

    #[inline]
    fn next(&mut self) -> Option<(Price, Qty)> {
        let (price, mut qty) = self.entry()?;
        if self.order == Order::Price {
            while self.best() == Some(price) {
                // More than 64 bits hold is more than any cap leaves.
                qty = qty.saturating_add(self.entry().map_or(0, |(_, more)| more));
            }
        }
        Some((price, qty.min(self.cap)))
    }
}
