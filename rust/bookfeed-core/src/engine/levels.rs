//! Level changes, for whoever asked for them: what each message did to the levels of each book.
//! They are a view of what happened. No other record knows of them, and none is another for them.

use super::output::Output;
use crate::book::Book;
use crate::book::level_log::LevelLog;
use crate::instrument::InstrumentId;
use crate::time::Nanos;
use crate::update::{FLAG_WHOLE, LevelRecord};

/// The books that the message in hand changes, and logs to lend to them. All of it keeps its
/// memory.
#[derive(Debug, Default)]
pub(super) struct LevelWatch {
    /// Whether somebody asked.
    pub(super) on: bool,
    changing: Vec<InstrumentId>,
    #[allow(clippy::vec_box, reason = "a book takes the box: it holds no more than a pointer")]
    spare: Vec<Box<LevelLog>>,
}

impl LevelWatch {
    /// Lends a log to a book, unless it has one already.
    #[cold]
    pub(super) fn begin(&mut self, id: InstrumentId, book: &mut Book) {
        if book.level_log.is_none() {
            book.level_log = Some(self.spare.pop().unwrap_or_default());
            self.changing.push(id);
        }
    }

    /// Writes what the message in hand did to the levels of its books, as they stand at its end.
    #[inline]
    pub(super) fn publish(&mut self, books: &mut [Book], output: &mut Output, ts_recv: Nanos) {
        if !self.changing.is_empty() {
            self.write(books, output, ts_recv);
        }
    }

    #[cold]
    fn write(&mut self, books: &mut [Book], output: &mut Output, ts_recv: Nanos) {
        for id in self.changing.drain(..) {
            let book = &mut books[id as usize];
            let Some(mut log) = book.level_log.take() else { continue };
            let (state, cause) = (book.shown_state(), book.shown_cause());
            let flags = if log.whole { FLAG_WHOLE } else { 0 };
            let (instrument, mut first) = (book.number, true);
            log.settle(book, |change| {
                let record = LevelRecord { ts_recv, change, instrument, state, cause, flags };
                output.push_level(&record, std::mem::take(&mut first));
            });
            self.spare.push(log);
        }
    }
}
