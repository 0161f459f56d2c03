//! How a venue proves its books: what it says of one, compared with the book as it stands here.
//! One file a kind of proof, and one door to them, [`check`].

pub mod book_hash;
pub mod crc32;
pub mod digest;
pub mod hash_memory;
pub mod printed;

use super::Book;
use crate::instrument::Venue;
use crate::time::{MILLISECOND, Nanos};
use crate::venue::{self, Continuity};
use book_hash::{HexHash, Prefix, Profile};

/// By how many milliseconds a hash of the oldest form may be older than its message.
const LAG_MAX_MS: u8 = 15;

/// What a venue says that a book comes to.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// Nothing.
    None,
    /// A hash of the whole book, and what else it covers.
    Hash(HashClaim<'a>),
    /// A checksum of its best levels.
    Checksum(u32),
}

/// A hash of a whole book, with the names and the time that it covers as well.
#[derive(Clone, Copy, Debug)]
pub struct HashClaim<'a> {
    /// The hash.
    pub hash: HexHash,
    /// The venue's name of the market.
    pub market: &'a [u8],
    /// The venue's string for the instrument.
    pub symbol: &'a [u8],
    /// Venue time of the message that gave it.
    pub ts_event: Nanos,
}

/// What came of comparing a venue's claim with the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The venue's book is ours.
    Match,
    /// It is another.
    Mismatch,
    /// Nothing was claimed, or it is not known what the claim covers.
    Unknown,
}

impl HashClaim<'_> {
    /// What is hashed.
    fn hashed<'a>(&'a self, book: &'a Book) -> printed::Book<'a> {
        let (bids, asks) = (&book.bids, &book.asks);
        printed::Book { market: self.market, asset: self.symbol, ts_event: self.ts_event, bids, asks }
    }

    /// The part of the hashed text that the book and the claim make, digested; `text` is where it
    /// is printed.
    #[must_use]
    pub fn prefix(&self, book: &Book, text: &mut Vec<u8>) -> Prefix {
        Prefix::new(&self.hashed(book), self.hash, text)
    }

    /// Likewise, along with that of another book and claim: two take little longer than one.
    #[must_use]
    pub fn both_prefixes(
        &self,
        book: &Book,
        (other, of_other): (&Self, &Book),
        text: &mut Vec<u8>,
    ) -> [Prefix; 2] {
        let books = [&self.hashed(book), &other.hashed(of_other)];
        Prefix::of_both(books, [self.hash, other.hash], text)
    }

    /// Hashes of the oldest form were made up to some milliseconds before the message was: says
    /// how many, if that explains this one. The lag that explained the last one is tried first.
    pub(crate) fn lag(&self, book: &Book, likely_ms: u8, text: &mut Vec<u8>) -> Option<u8> {
        let profile = Profile::six();
        let others = (0..=LAG_MAX_MS).filter(|&ms| ms != likely_ms);
        std::iter::once(likely_ms).chain(others).find(|&ms| {
            let ts_event = self.ts_event.saturating_sub(i64::from(ms) * MILLISECOND);
            Self { ts_event, ..*self }.prefix(book, text).matches(&profile, b"")
        })
    }
}

/// Whether all that the venue gives to prove its books vouches for a live one exactly as it stands:
/// its hash or checksum, or the numbers of its messages. An owner's word stands by itself.
#[inline]
#[must_use]
pub fn vouched_by_venue(book: &Book, venue: Venue) -> bool {
    let row = venue.row();
    match row.proof {
        venue::Proof::BookHash | venue::Proof::Crc32 => book.verified(),
        // A missing number takes a book out of `live` before anybody can read it.
        venue::Proof::None => {
            matches!(row.continuity, Continuity::Stream | Continuity::UpdateIds | Continuity::Expiry)
        }
    }
}

/// Compares what the venue claims with the book as it stands. `text` is where a book is printed.
#[inline]
pub fn check(book: &mut Book, claim: &Claim, text: &mut Vec<u8>) -> Proved {
    match claim {
        Claim::None => Proved::Unknown,
        Claim::Checksum(claimed) => {
            crc32::check(&book.bids, &book.asks, *claimed, &mut book.rare.checksums)
        }
        Claim::Hash(claim) => {
            if !book.rare.hashes.oldest() {
                return compare(book, &claim.prefix(book, text));
            }
            let lag_ms = claim.lag(book, book.rare.hashes.lag_ms, text);
            book.rare.hashes.lag_ms = lag_ms.unwrap_or_default();
            if lag_ms.is_some() { Proved::Match } else { Proved::Mismatch }
        }
    }
}

/// Compares a hash with a book of which `prefix` is the digest.
#[must_use]
pub(crate) fn compare(book: &Book, prefix: &Prefix) -> Proved {
    let known = &book.rare.hashes;
    let Some(profile) = &known.profile else { return Proved::Unknown };
    let traded = [&known.last_trade_price, &known.earlier_trade_price];
    let matches = traded.iter().any(|price| prefix.matches(profile, price));
    if matches { Proved::Match } else { Proved::Mismatch }
}
