//! How the levels of a book change, and where its knowledge of them ends. Nothing else changes
//! them, so that nobody who asked for level changes misses one.

use super::Book;
use super::side::{BookSide, DuplicateLevel, Underflow};
use crate::event::{Level, Side};
use crate::fixed::{ABSENT, Price, Qty};

impl Book {
    /// Sets a level on the side it belongs to.
    #[inline(always)]
    pub fn set(&mut self, side: Side, level: Level) {
        if self.level_log.is_some() {
            self.log_level(side, level.price);
        }
        let changed = match side {
            Side::Bid => self.bids.set(level),
            Side::Ask => self.asks.set(level),
        };
        self.version += 1;
        self.unpublished |= changed;
    }

    /// Sets the levels of one message.
    #[inline]
    pub fn set_all(&mut self, bids: &[Level], asks: &[Level]) {
        if self.level_log.is_some() {
            bids.iter().for_each(|level| self.log_level(Side::Bid, level.price));
            asks.iter().for_each(|level| self.log_level(Side::Ask, level.price));
        }
        let changed = self.bids.apply(bids) | self.asks.apply(asks);
        self.version += 1;
        self.unpublished |= changed;
    }

    /// Adds to a level's size, or takes from it.
    ///
    /// # Errors
    /// [`Underflow`]; the book is then as it was.
    #[inline]
    pub fn add(&mut self, side: Side, price: Price, qty: Qty) -> Result<(), Underflow> {
        if self.level_log.is_some() {
            self.log_level(side, price);
        }
        let changed = match side {
            Side::Bid => self.bids.add(price, qty),
            Side::Ask => self.asks.add(price, qty),
        }?;
        self.version += 1;
        self.unpublished |= changed;
        Ok(())
    }

    /// Replaces everything by the levels of a snapshot, in whatever order they come.
    ///
    /// # Errors
    /// [`DuplicateLevel`]; a side that lists a price twice is then empty.
    pub fn load(&mut self, bids: &[Level], asks: &[Level]) -> Result<(), DuplicateLevel> {
        self.log_loss();
        let loaded = [self.bids.load(bids), self.asks.load(asks)];
        if let Some(log) = &mut self.level_log {
            log.after_load(Side::Bid, self.bids.levels());
            log.after_load(Side::Ask, self.asks.levels());
            log.whole = true;
        }
        self.version += 1;
        self.unpublished = true;
        loaded[0].and(loaded[1])
    }

    /// Whether its levels should be added up ([`Self::audit`]).
    #[inline]
    pub(crate) const fn audit_due(&self) -> bool {
        self.bids.audit_due() || self.asks.audit_due()
    }

    /// Adds up the levels of the sides whose turn it is: whether they are what changes made of them.
    pub(crate) fn audit(&mut self) -> bool {
        [&mut self.bids, &mut self.asks].into_iter().all(|side| !side.audit_due() || side.audit())
    }

    /// Removes every level, and the memory they took.
    pub(crate) fn clear(&mut self) {
        self.log_loss();
        (self.bids, self.asks) = (BookSide::new(Side::Bid), BookSide::new(Side::Ask));
    }

    /// Notes what a level holds that is about to be set.
    #[cold]
    fn log_level(&mut self, side: Side, price: Price) {
        let Self { level_log: Some(log), bids, asks, .. } = self else { return };
        log.before_set(side, if side == Side::Bid { bids } else { asks }, price);
    }

    /// Notes every level, before some or all of them go.
    fn log_loss(&mut self) {
        if let Some(log) = &mut self.level_log {
            log.before_loss(Side::Bid, &self.bids);
            log.before_loss(Side::Ask, &self.asks);
        }
    }

    /// Drops what lies behind the venue's window, where it keeps one: it does not say when such
    /// levels change, nor that they are there.
    pub(crate) fn fit_window(&mut self) {
        let depth = self.rare.depth;
        if depth > 0 && self.bids.len().max(self.asks.len()) > depth {
            self.log_loss();
            self.bids.truncate(depth);
            self.asks.truncate(depth);
        }
        self.note_window();
    }

    /// Where knowledge ends: at the last level of a side that has as many as the venue sends, or of
    /// which something was left out; else nowhere.
    pub(crate) fn note_window(&mut self) {
        let Self { bids, asks, rare, .. } = self;
        let end = |side: &BookSide, cut: bool| {
            let full = rare.depth > 0 && side.len() >= rare.depth;
            side.worst_price().filter(|_| full || cut).unwrap_or(ABSENT)
        };
        (rare.bids_known_to, rare.asks_known_to) = (end(bids, false), end(asks, rare.asks_cut));
    }

    /// Where knowledge ends in a whole book that is cut off somewhere, and does not say whether it
    /// is: at its last levels. What lies behind them is said only when it changes.
    pub(crate) fn note_end(&mut self) {
        let end = |side: &BookSide| side.worst_price().unwrap_or(ABSENT);
        (self.rare.bids_known_to, self.rare.asks_known_to) = (end(&self.bids), end(&self.asks));
        self.note_reach();
    }
}
