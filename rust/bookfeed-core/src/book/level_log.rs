//! The levels that a message changes, and what they held before it. A book keeps such a log only
//! while somebody asked for its changes, and only for the time of one message.

use super::Book;
use super::side::{BookSide, Ladder};
use crate::event::Side;
use crate::fixed::{Price, Qty};

/// A level that was set, and its size before.
#[derive(Clone, Copy, Debug)]
struct Noted {
    side: Side,
    price: Price,
    /// Size before, 0 if there was no such level.
    qty: Qty,
    /// Which of the log's entries it was: of several about one level the first counts.
    place: u32,
}

impl Noted {
    /// Bids before asks, the best of each first, and of one level what was noted first.
    fn order(&self) -> (bool, Price, u32) {
        match self.side {
            Side::Bid => (false, self.price.saturating_neg(), self.place),
            Side::Ask => (true, self.price, self.place),
        }
    }
}

/// A level whose size is another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// Which side.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// Size before, 0 if there was no such level.
    pub old_qty: Qty,
    /// Size now, 0 if there is no such level.
    pub new_qty: Qty,
}

/// Levels that a new log has room for: more than any message but a whole book changes.
const ROOM: usize = 256;

/// What one message did to the levels of one book. It keeps its memory.
#[derive(Clone, Debug)]
pub struct LevelLog {
    noted: Vec<Noted>,
    /// Whether a whole book replaced the one before.
    pub(crate) whole: bool,
}

impl Default for LevelLog {
    fn default() -> Self {
        Self { noted: Vec::with_capacity(ROOM), whole: false }
    }
}

impl LevelLog {
    fn note(&mut self, side: Side, price: Price, qty: Qty) {
        let place = u32::try_from(self.noted.len()).unwrap_or(u32::MAX);
        self.noted.push(Noted { side, price, qty, place });
    }

    /// Notes a level of `levels` that is about to be set.
    pub(super) fn before_set(&mut self, side: Side, levels: &BookSide, price: Price) {
        self.note(side, price, levels.qty_at(price));
    }

    /// Notes every level, of which some or all are about to go.
    pub(super) fn before_loss(&mut self, side: Side, levels: &BookSide) {
        levels.best_first().for_each(|(price, qty)| self.note(side, price, qty));
    }

    /// Notes the levels that came with a whole book, behind those that were there before it.
    pub(super) fn after_load(&mut self, side: Side, levels: Ladder<'_>) {
        levels.best_first().for_each(|level| self.note(side, level.price, 0));
    }

    /// Hands over what changed, bids before asks and the best first, and forgets it.
    pub(crate) fn settle(&mut self, book: &Book, mut changed: impl FnMut(LevelChange)) {
        self.noted.sort_unstable_by_key(Noted::order);
        for same in self.noted.chunk_by(|a, b| (a.side, a.price) == (b.side, b.price)) {
            let Noted { side, price, qty: old_qty, .. } = same[0];
            let new_qty = book.qty_at(side, price);
            if old_qty != new_qty {
                changed(LevelChange { side, price, old_qty, new_qty });
            }
        }
        self.noted.clear();
        self.whole = false;
    }
}
