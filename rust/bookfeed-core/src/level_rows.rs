//! The best levels of books as rows of whole numbers, for tables: a row is how a book stands, and
//! there is one wherever that differs from the row before it of the same book.

use crate::book::Book;
use crate::book::side::BookSide;
use crate::engine::Engine;
use crate::event::Side;
use crate::fixed::{ABSENT, Price};
use crate::time::Nanos;
use crate::update::{UPDATE_SIZE, instrument_of};
use std::collections::BTreeMap;

/// Numbers of a row before its levels: time, instrument, epoch, state, cause.
pub const HEAD: usize = 5;
/// Numbers of a level of both sides: price and size of the bid, price and size of the ask.
pub const LEVEL: usize = 4;

/// Rows that have come together. It is told which books updates are about, and looks at these.
#[derive(Debug)]
pub struct LevelRows {
    depth: usize,
    rows: Vec<i64>,
    /// The last row of each book, without its time.
    seen: BTreeMap<u32, Box<[i64]>>,
    /// Books that were told of since they were last looked at.
    moved: Vec<u32>,
    /// Bytes of the updates which wait in the engine that were noted.
    noted: usize,
}

impl LevelRows {
    /// Rows with so many levels a side.
    #[must_use]
    pub fn new(depth: usize) -> Self {
        Self { depth, rows: Vec::new(), seen: BTreeMap::new(), moved: Vec::new(), noted: 0 }
    }

    /// Numbers in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        HEAD + LEVEL * self.depth
    }

    /// The rows, one after the other; what is absent is `ABSENT`.
    #[must_use]
    pub fn rows(&self) -> &[i64] {
        &self.rows
    }

    /// Forgets the rows, and not what books were like in them.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Notes which books packed updates are about.
    pub fn note(&mut self, updates: &[u8]) {
        self.moved.extend(updates.chunks_exact(UPDATE_SIZE).map(instrument_of));
    }

    /// The same of those that wait in an engine, which were not noted yet.
    pub fn note_waiting(&mut self, engine: &mut Engine) {
        let updates = engine.output().updates();
        self.note(updates.get(self.noted..).unwrap_or_default());
        self.noted = updates.len();
    }

    /// What waited in the engine was handed over.
    pub fn drained(&mut self) {
        self.noted = 0;
    }

    /// A row for each book that was told of and is not as in its last row. A book that is gone has
    /// none.
    pub fn look(&mut self, engine: &Engine, ts: Nanos) {
        self.moved.sort_unstable();
        self.moved.dedup();
        let mut moved = std::mem::take(&mut self.moved);
        for &number in &moved {
            let id = engine.instruments().numbered(number);
            match id.and_then(|id| engine.book(id)) {
                Some(book) => self.row(ts, book),
                None => _ = self.seen.remove(&number),
            }
        }
        moved.clear();
        self.moved = moved;
    }

    fn row(&mut self, ts: Nanos, book: &Book) {
        let begin = self.rows.len();
        let (state, cause) = (book.shown_state() as i64, book.shown_cause() as i64);
        self.rows.extend([ts, i64::from(book.number), i64::from(book.epoch), state, cause]);
        self.rows.resize(begin + self.width(), ABSENT);
        let (_, levels) = self.rows.split_at_mut(begin + HEAD);
        for (at, side) in [Side::Bid, Side::Ask].into_iter().enumerate() {
            let known = known_levels(book, side);
            for (row, (price, qty)) in levels.chunks_exact_mut(LEVEL).zip(known) {
                row[2 * at..2 * at + 2].copy_from_slice(&[price, qty]);
            }
        }
        let told = &self.rows[begin + 1..];
        match self.seen.get_mut(&book.number) {
            Some(before) if **before == *told => self.rows.truncate(begin),
            Some(before) => before.copy_from_slice(told),
            None => _ = self.seen.insert(book.number, told.into()),
        }
    }
}

/// The best levels of a side as far as the book is known: what is listed beyond is there because
/// it changed, and others beside it may be missing.
fn known_levels(book: &Book, side: Side) -> impl Iterator<Item = (Price, i64)> {
    let end = book.depth_known(side);
    let levels: &BookSide = if side == Side::Bid { &book.bids } else { &book.asks };
    levels.best_first().take_while(move |&(price, _)| match side {
        Side::Bid => end.is_none_or(|end| price >= end),
        Side::Ask => end.is_none_or(|end| price <= end),
    })
}
