//! What the second stage hands to the third: the books that a message changed, how it changed
//! each, and what it brought to judge them by.

use crate::book::integrity::Testimony;
use crate::event::ProofClaim;
use crate::instrument::InstrumentId;
use crate::sequence::stream::StreamId;
use crate::time::Nanos;

/// A book changed by the message in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    pub(super) id: InstrumentId,
    pub(super) how: How,
}

/// How a message changed a book, and with that what it is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// Levels were set that carry evidence; `last` is the last of them in the frame. They are
    /// `repeated` if the same was told before, within a time that is not believed.
    Changed { last: usize, out_of_order: bool, repeated: bool },
    /// Levels changed in the order of numbers.
    InSequence,
    /// Levels changed in the order of times, which proves nothing.
    Timed,
    /// Levels were set, or `whole` if all of them were, and the message says what the book comes
    /// to (`Applied::claim`).
    Claimed { whole: bool },
    /// The book is whole and its numbers follow; `resumes` if it is believed from here on.
    Joined { resumes: bool },
    /// A whole book replaced it, with what had overtaken it put on it (`Applied::testimony`). It is
    /// `disputed` if one of the very same time had another touch.
    Whole { disputed: bool },
    /// A whole book replaced it, at its place in this numbered stream.
    Placed(StreamId),
    /// A whole book by REST replaced it, with what the stream said since put on it
    /// (`Applied::testimony`).
    Fetched,
    /// A whole book that was asked for at this time, and that nothing streams, replaced it.
    Polled(Nanos),
}

/// The books that the message in hand changed, and what it brought to judge them by. The buffer
/// keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) touched: Vec<Touched>,
    /// What the book has come to, if the message says so.
    pub(super) claim: ProofClaim,
    /// What a whole book with changes put on it is judged by; `None` if there were none.
    pub(super) testimony: Option<Testimony>,
}

impl Applied {
    /// Notes that the message changed a book.
    #[inline]
    pub(super) fn touch(&mut self, id: InstrumentId, how: How) {
        self.touched.push(Touched { id, how });
    }

    /// The books that the message changed.
    #[inline]
    pub(super) fn books(&self) -> impl ExactSizeIterator<Item = InstrumentId> + Clone {
        self.touched.iter().map(|one| one.id)
    }
}
