//! What can be wrong with a journal, and how it is said.

use std::fmt;

use super::EXPANSION_MAX;

/// What is wrong with a stretch of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file ends inside its header.
    HeaderTruncated,
    /// The file header's checksum does not match.
    Header,
    /// The file ends inside a block.
    BlockTruncated,
    /// There is no block where one should begin.
    NoBlock,
    /// The block header's checksum does not match, or its lengths are not allowed.
    BlockHeader,
    /// A whole block that belongs to another recording.
    ForeignBlock,
    /// The block's checksum does not match.
    Checksum,
    /// Checksum right, content not: the payload does not unpack to the records declared.
    Content,
    /// A block number that was there before.
    Repeated {
        /// The block number.
        seq: u64,
    },
    /// Blocks that were written and are not here.
    Absent {
        /// First missing block number.
        first: u64,
        /// Last missing block number.
        last: u64,
    },
    /// The search for further blocks was given up; only crafted input takes that long.
    SearchLimit,
    /// The blocks unpack to more than [`EXPANSION_MAX`] times the file; only crafted input does.
    Expansion,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderTruncated => f.write_str("file header cut short"),
            Self::Header => f.write_str("file header damaged"),
            Self::BlockTruncated => f.write_str("block cut short"),
            Self::NoBlock => f.write_str("no block here"),
            Self::BlockHeader => f.write_str("block header damaged"),
            Self::ForeignBlock => f.write_str("block of another recording"),
            Self::Checksum => f.write_str("block checksum does not match"),
            Self::Content => f.write_str("block content does not unpack"),
            Self::Repeated { seq } => write!(f, "block {seq} repeated"),
            Self::Absent { first, last } => write!(f, "blocks {first} to {last} absent"),
            Self::SearchLimit => f.write_str("search for further blocks given up"),
            Self::Expansion => write!(f, "unpacks to more than {EXPANSION_MAX} times its size"),
        }
    }
}
