//! How a venue proves its books: what it says of one, compared with the book as it stands here.
//! One file a kind of proof.

pub mod book_hash;
pub mod crc32;

/// What came of comparing a venue's claim with the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The venue's book is ours.
    Match,
    /// It is another.
    Mismatch,
}
