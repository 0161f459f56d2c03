//! Where the bytes of the headers are, and the integers inside a block.

use std::ops::Range;

use super::damage::Damage;
use super::{BLOCK_HEADER_LEN, BLOCK_MAGIC, FILE_HEADER_LEN, FILE_MAGIC, METADATA_LEN_MAX, RAW_LEN_MAX};

/// Payload as it is.
pub(super) const CODEC_STORED: u16 = 0;
/// Payload is one zstd frame.
pub(super) const CODEC_ZSTD: u16 = 1;

/// A block of records.
pub(super) const ROLE_RECORDS: u16 = 0;
/// The last block of a recording: it says that nothing is to follow, and holds no record.
pub(super) const ROLE_END: u16 = 1;

pub(super) struct FileHeader {
    pub(super) version: u16,
    pub(super) flags: u16,
    pub(super) stream: u64,
    pub(super) metadata: Range<usize>,
}

impl FileHeader {
    /// Reads the header whatever its version: this layout and checksum hold for every version.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Damage> {
        let magic = data.get(..FILE_MAGIC.len()).unwrap_or(data);
        if !FILE_MAGIC.starts_with(magic) {
            return Err(Damage::Header);
        }
        let mut reader = HeaderReader { data, at: FILE_MAGIC.len() };
        let mut read =
            || Some((reader.u16()?, reader.u16()?, reader.u32()?, reader.u64()?, reader.u32()?));
        let (version, flags, len, stream, crc) = read().ok_or(Damage::HeaderTruncated)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > METADATA_LEN_MAX {
            return Err(Damage::Header);
        }
        let metadata = FILE_HEADER_LEN..FILE_HEADER_LEN + len;
        let text = data.get(metadata.clone()).ok_or(Damage::HeaderTruncated)?;
        let fixed = data.get(..FILE_HEADER_LEN - 4).ok_or(Damage::HeaderTruncated)?;
        if crc32(&[fixed, text]) != crc {
            return Err(Damage::Header);
        }
        Ok(Self { version, flags, stream, metadata })
    }
}

pub(super) struct BlockHeader {
    pub(super) codec: u16,
    role: u16,
    pub(super) stream: u64,
    pub(super) seq: u64,
    pub(super) ts_first: i64,
    pub(super) records: u32,
    pub(super) raw_len: usize,
    pub(super) crc: u32,
    pub(super) payload: Range<usize>,
}

impl BlockHeader {
    /// Whether this is the end mark.
    pub(super) fn ends(&self) -> bool {
        self.role == ROLE_END
    }

    /// Reads and verifies the whole block at `at`, short of unpacking it.
    pub(super) fn check(data: &[u8], at: usize, stream: Option<u64>) -> Result<Self, Damage> {
        let block = Self::parse(data, at, stream)?;
        block.verify(data, at)?;
        Ok(block)
    }

    pub(super) fn parse(data: &[u8], at: usize, stream: Option<u64>) -> Result<Self, Damage> {
        let rest = data.get(at..).unwrap_or_default();
        let magic = rest.get(..BLOCK_MAGIC.len()).unwrap_or(rest);
        if !BLOCK_MAGIC.starts_with(magic) {
            return Err(Damage::NoBlock);
        }
        let fixed = rest.get(..BLOCK_HEADER_LEN - 8).ok_or(Damage::BlockTruncated)?;
        let mut reader = HeaderReader { data: rest, at: BLOCK_MAGIC.len() };
        let mut read = || {
            let (codec, role) = (reader.u16()?, reader.u16()?);
            let (stream, seq, ts_first) = (reader.u64()?, reader.u64()?, reader.i64()?);
            let (records, raw_len, len) = (reader.u32()?, reader.len()?, reader.len()?);
            let (header_crc, crc) = (reader.u32()?, reader.u32()?);
            let start = at + BLOCK_HEADER_LEN;
            let payload = start..start.checked_add(len)?;
            let block = Self { codec, role, stream, seq, ts_first, records, raw_len, crc, payload };
            Some((block, header_crc))
        };
        let (block, header_crc) = read().ok_or(Damage::BlockTruncated)?;
        // A payload is never longer than what it unpacks to: such blocks are stored plain.
        let lengths_ok = block.raw_len <= RAW_LEN_MAX && block.payload.len() <= block.raw_len;
        if crc32(&[fixed]) != header_crc || !lengths_ok {
            return Err(Damage::BlockHeader);
        }
        let fits_role = match block.role {
            ROLE_RECORDS => block.records > 0,
            ROLE_END => block.records == 0 && block.raw_len == 0,
            _ => false,
        };
        if block.codec > CODEC_ZSTD || !fits_role {
            return Err(Damage::BlockHeader);
        }
        if stream.is_some_and(|stream| stream != block.stream) {
            return Err(Damage::ForeignBlock);
        }
        Ok(block)
    }

    pub(super) fn verify(&self, data: &[u8], at: usize) -> Result<(), Damage> {
        let payload = data.get(self.payload.clone()).ok_or(Damage::BlockTruncated)?;
        let header = data.get(at..at + BLOCK_HEADER_LEN - 4).ok_or(Damage::BlockTruncated)?;
        if crc32(&[header, payload]) == self.crc { Ok(()) } else { Err(Damage::Checksum) }
    }
}

/// Little-endian fields read one after the other.
struct HeaderReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl HeaderReader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.data.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn len(&mut self) -> Option<usize> {
        self.u32().and_then(|len| usize::try_from(len).ok())
    }
}

pub(super) fn crc32(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Seven bits a byte, low first; `None` past the end, past 64 bits.
pub(super) fn varint(data: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *data.get(*at)?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
