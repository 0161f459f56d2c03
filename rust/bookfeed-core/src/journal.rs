//! The recording format: records packed into checksummed, compressed blocks. Pure bytes.
//!
//! ```text
//! append ─▶ Packer (raw blocks, at most 64 KiB) ─▶ Sealer (zstd, CRC) ─▶ bytes for a file
//! bytes of a file ─▶ Reader ─▶ records of the longest valid prefix, and what is missing
//! ```
//!
//! `docs/journal.md` gives the layout byte by byte. Two choices carry the crash contract:
//! block numbers run on across the segment files of one recording, so a block may be written
//! again into a later segment and is still read once; and every block carries the id of its
//! recording (`stream`), so that bytes left over from another file are never taken for ours. The
//! last block is an end mark, so that a file cut between two blocks does not read as whole.
//!
//! The reader accepts any input: it never panics, allocates at most [`RAW_LEN_MAX`] for a
//! block whatever a header declares, and does a bounded amount of work per byte.

mod damage;
mod layout;
mod read;
mod write;

use std::fmt;
use std::ops::RangeInclusive;

pub use damage::Damage;
pub use read::{Missing, ReadOptions, Reader, Report};
pub use write::{Packer, RawBlock, Sealer};

/// First bytes of a segment file; the line ends reveal a transfer in text mode.
pub const FILE_MAGIC: [u8; 8] = *b"\x89BFJ\r\n\x1a\n";
/// First bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"\xf5BK\xb1";
/// Format version written.
pub(crate) const VERSION: u16 = 2;
/// Format versions read.
pub(crate) const VERSIONS: RangeInclusive<u16> = 1..=VERSION;
/// From this version on a recording that was ended says so.
pub(crate) const VERSION_WITH_END: u16 = 2;
/// Bytes of a file header before its metadata.
pub const FILE_HEADER_LEN: usize = 28;
/// Bytes of a block header.
pub const BLOCK_HEADER_LEN: usize = 52;
/// Uncompressed size at which a block closes; only a single larger record exceeds it.
pub const BLOCK_RAW_LEN: usize = 64 * 1024;
/// Largest uncompressed block a reader accepts.
pub const RAW_LEN_MAX: usize = 32 * 1024 * 1024;
/// How many times its own size (and one block more) a file may unpack to.
///
/// Recordings of feeds unpack to 5 to 10 times their size; a crafted file, to ten thousand times.
pub const EXPANSION_MAX: usize = 64;
/// Largest payload of one record.
pub const PAYLOAD_LEN_MAX: usize = RAW_LEN_MAX - RECORD_OVERHEAD_MAX;
/// Largest metadata of a file header.
pub const METADATA_LEN_MAX: usize = 1024 * 1024;

/// Kind byte and four varints: 1 + 10 (ts) + 5 (conn) + 5 (epoch) + 5 (length).
const RECORD_OVERHEAD_MAX: usize = 26;

/// One journal record. `kind` is left to the caller (unknown kinds pass through).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the record is; see `docs/journal.md`.
    pub kind: u8,
    /// Receive time, Unix ns.
    pub ts: i64,
    /// Connection id.
    pub conn: u32,
    /// Connection epoch: which attempt of that connection.
    pub epoch: u32,
    /// The bytes recorded.
    pub payload: &'a [u8],
}

/// Why a journal could not be written or opened at all. Damage inside one is no error: see [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// The payload exceeds [`PAYLOAD_LEN_MAX`].
    PayloadTooLong(usize),
    /// The metadata exceeds [`METADATA_LEN_MAX`].
    MetadataTooLong(usize),
    /// A block was asked for before the header that names its recording.
    NoHeader,
    /// The bytes hold neither a journal's header nor any of its blocks.
    NotAJournal,
    /// A whole header of a format this version cannot read.
    Unsupported {
        /// Format version found.
        version: u16,
        /// Header flags found; none are defined.
        flags: u16,
    },
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadTooLong(len) => {
                write!(f, "payload of {len} bytes is longer than {PAYLOAD_LEN_MAX}")
            }
            Self::MetadataTooLong(len) => {
                write!(f, "metadata of {len} bytes is longer than {METADATA_LEN_MAX}")
            }
            Self::NoHeader => f.write_str("write the file header before the first block"),
            Self::NotAJournal => f.write_str("not a journal: no header and no block found"),
            Self::Unsupported { version, flags } => write!(
                f,
                "journal format {version} (flags {flags:#x}) is not readable by this version, which reads 1 to {VERSION}"
            ),
        }
    }
}

impl std::error::Error for JournalError {}
