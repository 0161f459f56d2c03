//! Records to blocks: packing on the receiving thread, compressing wherever the caller likes.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use super::layout::{CODEC_STORED, CODEC_ZSTD, ROLE_END, ROLE_RECORDS, crc32, put_varint, zigzag};
use super::{
    BLOCK_HEADER_LEN, BLOCK_MAGIC, BLOCK_RAW_LEN, FILE_HEADER_LEN, FILE_MAGIC, JournalError,
    METADATA_LEN_MAX, PAYLOAD_LEN_MAX, RECORD_OVERHEAD_MAX, Record, VERSION,
};

/// A closed block before compression.
#[derive(Debug, Default)]
pub struct RawBlock {
    records: u32,
    ts_first: i64,
    bytes: Vec<u8>,
}

/// Buffers of blocks that are kept to be filled again: fresh memory costs more than what is put
/// there.
const SPARE_MAX: usize = 16;

/// Collects records into raw blocks; cheap enough for the thread that receives frames.
#[derive(Debug, Default)]
pub struct Packer {
    open: RawBlock,
    ts_last: i64,
    closed: VecDeque<RawBlock>,
    closed_len: usize,
    spare: Vec<Vec<u8>>,
}

impl Packer {
    /// Adds one record.
    ///
    /// # Errors
    /// [`JournalError::PayloadTooLong`]; nothing is added then.
    pub fn append(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
        let len = record.payload.len();
        if len > PAYLOAD_LEN_MAX {
            return Err(JournalError::PayloadTooLong(len));
        }
        if self.open.bytes.len() + len + RECORD_OVERHEAD_MAX > BLOCK_RAW_LEN {
            self.close();
        }
        if self.open.records == 0 {
            if let Some(spare) = self.spare.pop() {
                self.open.bytes = spare;
            }
            self.open.bytes.reserve(BLOCK_RAW_LEN.max(len + RECORD_OVERHEAD_MAX));
            self.open.ts_first = record.ts;
            self.ts_last = record.ts;
        }
        let bytes = &mut self.open.bytes;
        bytes.push(record.kind);
        put_varint(bytes, zigzag(record.ts.wrapping_sub(self.ts_last)));
        put_varint(bytes, u64::from(record.conn));
        put_varint(bytes, u64::from(record.epoch));
        put_varint(bytes, len as u64);
        bytes.extend_from_slice(record.payload);
        self.ts_last = record.ts;
        self.open.records += 1;
        if self.open.bytes.len() >= BLOCK_RAW_LEN {
            self.close();
        }
        Ok(())
    }

    /// Uncompressed bytes waiting to be taken.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.closed_len + self.open.bytes.len()
    }

    /// Blocks that are closed and wait to be taken.
    #[must_use]
    pub fn closed(&self) -> usize {
        self.closed.len()
    }

    /// The oldest block: a closed one, else (if `partial`) the open one, if it has records.
    pub fn take(&mut self, partial: bool) -> Option<RawBlock> {
        if self.closed.is_empty() && partial {
            self.close();
        }
        let block = self.closed.pop_front()?;
        self.closed_len -= block.bytes.len();
        Some(block)
    }

    /// Takes the buffer of a block back that was sealed; one of a usual size is filled again.
    pub fn give_back(&mut self, block: RawBlock) {
        let RawBlock { mut bytes, .. } = block;
        if self.spare.len() < SPARE_MAX && bytes.capacity() <= 2 * BLOCK_RAW_LEN {
            bytes.clear();
            self.spare.push(bytes);
        }
    }

    fn close(&mut self) {
        if self.open.records > 0 {
            let block = std::mem::take(&mut self.open);
            self.closed_len += block.bytes.len();
            self.closed.push_back(block);
        }
    }
}

/// Turns raw blocks into the bytes of a segment file, numbering them.
pub struct Sealer {
    compressor: Option<Compressor<'static>>,
    stream: Option<u64>,
    seq: u64,
}

impl Sealer {
    /// A sealer compressing at zstd `level`; where zstd cannot start, blocks are stored plain.
    #[must_use]
    pub fn new(level: i32) -> Self {
        Self { compressor: Compressor::new(level).ok(), stream: None, seq: 0 }
    }

    /// The header of a segment file, carrying `metadata` (by convention a JSON object).
    ///
    /// The first header fixes the recording's id, a digest of its metadata, so that metadata
    /// must hold something unique. Later headers begin further segments of that recording.
    ///
    /// # Errors
    /// [`JournalError::MetadataTooLong`].
    pub fn header(&mut self, metadata: &[u8]) -> Result<Vec<u8>, JournalError> {
        if metadata.len() > METADATA_LEN_MAX {
            return Err(JournalError::MetadataTooLong(metadata.len()));
        }
        let stream = *self.stream.get_or_insert_with(|| stream_id(metadata));
        let mut out = Vec::with_capacity(FILE_HEADER_LEN + metadata.len());
        out.extend_from_slice(&FILE_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        out.extend_from_slice(&len_u32(metadata.len()).to_le_bytes());
        out.extend_from_slice(&stream.to_le_bytes());
        let crc = crc32(&[&out, metadata]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(metadata);
        Ok(out)
    }

    /// The bytes of the next block.
    ///
    /// # Errors
    /// [`JournalError::NoHeader`].
    pub fn seal(&mut self, raw: &RawBlock) -> Result<Vec<u8>, JournalError> {
        let packed = self
            .compressor
            .as_mut()
            .and_then(|compressor| compressor.compress(&raw.bytes).ok())
            .filter(|packed| packed.len() < raw.bytes.len());
        let (codec, payload) = match &packed {
            Some(packed) => (CODEC_ZSTD, packed),
            None => (CODEC_STORED, &raw.bytes),
        };
        self.block(codec, ROLE_RECORDS, raw, payload)
    }

    /// The bytes of the end mark: a recording that has one was ended, and nothing is cut off.
    ///
    /// # Errors
    /// [`JournalError::NoHeader`].
    pub fn end(&mut self) -> Result<Vec<u8>, JournalError> {
        self.block(CODEC_STORED, ROLE_END, &RawBlock::default(), &[])
    }

    fn block(
        &mut self,
        codec: u16,
        role: u16,
        raw: &RawBlock,
        payload: &[u8],
    ) -> Result<Vec<u8>, JournalError> {
        let stream = self.stream.ok_or(JournalError::NoHeader)?;
        let mut out = Vec::with_capacity(BLOCK_HEADER_LEN + payload.len());
        out.extend_from_slice(&BLOCK_MAGIC);
        out.extend_from_slice(&codec.to_le_bytes());
        out.extend_from_slice(&role.to_le_bytes());
        out.extend_from_slice(&stream.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&raw.ts_first.to_le_bytes());
        out.extend_from_slice(&raw.records.to_le_bytes());
        out.extend_from_slice(&len_u32(raw.bytes.len()).to_le_bytes());
        out.extend_from_slice(&len_u32(payload.len()).to_le_bytes());
        let header_crc = crc32(&[&out]);
        out.extend_from_slice(&header_crc.to_le_bytes());
        let crc = crc32(&[&out, payload]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(payload);
        self.seq += 1;
        Ok(out)
    }
}

fn stream_id(metadata: &[u8]) -> u64 {
    Sha256::digest(metadata).iter().take(8).rev().fold(0, |id, &byte| (id << 8) | u64::from(byte))
}

/// Every length written here is bounded far below `u32::MAX` by the limits of the format.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
