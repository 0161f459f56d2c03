//! Blocks to records: the longest valid prefix, and an account of everything else.

use std::ops::Range;

use zstd::bulk::Decompressor;

use super::damage::Damage;
use super::layout::{BlockHeader, CODEC_STORED, FileHeader, unzigzag, varint};
use super::{
    BLOCK_MAGIC, EXPANSION_MAX, FILE_MAGIC, JournalError, RAW_LEN_MAX, Record, VERSION_WITH_END,
    VERSIONS,
};

/// A stretch of the file whose records are lost (`bytes` is 0 where whole blocks are absent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Byte offset in the file.
    pub offset: usize,
    /// Length in bytes.
    pub bytes: usize,
    /// Why.
    pub damage: Damage,
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records handed out.
    pub records: u64,
    /// Blocks they came from.
    pub blocks: u64,
    /// Bytes of header and of those blocks; without recovery, the length of the valid prefix.
    pub valid_bytes: usize,
    /// Bytes given.
    pub total_bytes: usize,
    /// Records in valid blocks behind the first damage, which only recovery hands out.
    pub records_behind: u64,
    /// Blocks skipped because an earlier segment had them.
    pub blocks_skipped: u64,
    /// Number of the first block handed out or skipped.
    pub seq_first: Option<u64>,
    /// Number of the last block handed out or skipped.
    pub seq_last: Option<u64>,
    /// Whether the recording ends here, by its end mark; `None` if the format has none.
    pub ended: Option<bool>,
    /// Damaged stretches in file order.
    pub missing: Vec<Missing>,
}

impl Report {
    /// Whether every byte was accounted for.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.missing.is_empty()
    }
}

/// How to read a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Hand out the valid blocks behind damage too; otherwise stop at the first damage.
    pub recover: bool,
    /// Skip blocks up to this number, which an earlier segment of the recording already had.
    pub after: Option<u64>,
}

/// Reads a segment held in memory.
pub struct Reader<D> {
    data: D,
    options: ReadOptions,
    metadata: Range<usize>,
    /// `None` until known: the header was damaged and no block has been seen yet.
    stream: Option<u64>,
    offset: usize,
    /// Bytes the search behind damage may still check.
    search_budget: usize,
    /// Bytes the blocks to come may unpack to.
    unpack_budget: usize,
    /// Set at the first damage unless recovering: from there on only count.
    stopped: bool,
    /// Number of the last valid block of this segment.
    seq_seen: Option<u64>,
    decompressor: Option<Decompressor<'static>>,
    raw: Vec<u8>,
    cursor: Cursor,
    report: Report,
}

impl<D: AsRef<[u8]>> Reader<D> {
    /// Opens a segment. A damaged or cut header is no error but damage, if there is any block.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`], [`JournalError::Unsupported`].
    pub fn new(data: D, options: ReadOptions) -> Result<Self, JournalError> {
        let total = data.as_ref().len();
        let header = FileHeader::parse(data.as_ref());
        let mut reader = Self {
            data,
            options,
            metadata: 0..0,
            stream: None,
            offset: 0,
            // A few times the file's own length, so that only crafted input can run out.
            search_budget: total.saturating_mul(8).saturating_add(2 * RAW_LEN_MAX),
            unpack_budget: total.saturating_mul(EXPANSION_MAX).saturating_add(RAW_LEN_MAX),
            stopped: false,
            seq_seen: None,
            decompressor: Decompressor::new().ok(),
            raw: Vec::new(),
            cursor: Cursor::default(),
            report: Report { total_bytes: total, ..Report::default() },
        };
        match header {
            Ok(FileHeader { version, flags, .. }) if !VERSIONS.contains(&version) || flags != 0 => {
                return Err(JournalError::Unsupported { version, flags });
            }
            Ok(header) => {
                reader.report.ended = (header.version >= VERSION_WITH_END).then_some(false);
                reader.stream = Some(header.stream);
                reader.offset = header.metadata.end;
                reader.report.valid_bytes = header.metadata.end;
                reader.metadata = header.metadata;
            }
            Err(damage) => {
                let foreign =
                    !reader.data.as_ref().starts_with(&FILE_MAGIC) && damage != Damage::HeaderTruncated;
                reader.skip_damage(0, 0, damage);
                if foreign && reader.offset >= total {
                    return Err(JournalError::NotAJournal);
                }
            }
        }
        Ok(reader)
    }

    /// The file header's metadata; empty if the header is damaged.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        self.data.as_ref().get(self.metadata.clone()).unwrap_or_default()
    }

    /// The recording's id, if a valid header or block was seen.
    #[must_use]
    pub fn stream(&self) -> Option<u64> {
        self.stream
    }

    /// Whether the next record is already unpacked.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.cursor.left > 0
    }

    /// Unpacks the next block if the current one is used up; `false` at the end.
    ///
    /// Only this call is slow (decompression, and the search behind damage).
    pub fn load(&mut self) -> bool {
        while self.cursor.left == 0 {
            if self.offset >= self.report.total_bytes {
                return false;
            }
            let at = self.offset;
            if let Err(damage) = self.read_block(at) {
                self.skip_damage(at, at + 1, damage);
            }
        }
        true
    }

    /// The next record, in the order written.
    pub fn next_record(&mut self) -> Option<Record<'_>> {
        if !self.load() {
            return None;
        }
        self.cursor.next(&self.raw)
    }

    /// What the whole segment holds and what is missing, wherever iteration stands.
    ///
    /// Costs nothing once the records have been read to their end, a full pass before that.
    #[must_use]
    pub fn report(&self) -> Report {
        if self.offset < self.report.total_bytes
            && let Ok(mut pass) = Reader::new(self.data.as_ref(), self.options)
        {
            while pass.load() {
                pass.cursor.left = 0;
            }
            return pass.report;
        }
        self.report.clone()
    }

    fn read_block(&mut self, at: usize) -> Result<(), Damage> {
        let block = BlockHeader::check(self.data.as_ref(), at, self.stream)?;
        if self.seq_seen.is_some_and(|seen| block.seq <= seen) {
            return Err(Damage::Repeated { seq: block.seq });
        }
        let gap = self.seq_seen.max(self.options.after).and_then(|previous| {
            let (first, last) = (previous.checked_add(1)?, block.seq.checked_sub(1)?);
            (first <= last).then_some(Damage::Absent { first, last })
        });
        let skipped = self.options.after.is_some_and(|after| block.seq <= after);
        let stops = self.stopped || (gap.is_some() && !self.options.recover);
        if !skipped && !stops {
            self.unpack(&block)?;
        }
        if let Some(damage) = gap {
            self.add_missing(Missing { offset: at, bytes: 0, damage });
        }
        self.stream = Some(block.stream);
        self.seq_seen = Some(block.seq);
        self.offset = block.payload.end;
        self.count(&block, block.payload.end - at, skipped);
        if block.ends() && !self.stopped {
            self.report.ended = Some(true);
        }
        Ok(())
    }

    fn count(&mut self, block: &BlockHeader, len: usize, skipped: bool) {
        if self.stopped {
            self.report.records_behind += u64::from(block.records);
            return;
        }
        self.report.seq_first.get_or_insert(block.seq);
        self.report.seq_last = Some(block.seq);
        self.report.valid_bytes += len;
        if skipped {
            self.report.blocks_skipped += 1;
        } else if !block.ends() {
            self.report.blocks += 1;
            self.report.records += u64::from(block.records);
        }
    }

    fn unpack(&mut self, block: &BlockHeader) -> Result<(), Damage> {
        self.unpack_budget = self.unpack_budget.checked_sub(block.raw_len).ok_or(Damage::Expansion)?;
        let payload = self.data.as_ref().get(block.payload.clone()).ok_or(Damage::Content)?;
        self.raw.clear();
        if block.codec == CODEC_STORED {
            self.raw.extend_from_slice(payload);
        } else {
            self.raw.reserve(block.raw_len);
            let unpacked = match &mut self.decompressor {
                Some(zstd) => zstd.decompress_to_buffer(payload, &mut self.raw).is_ok(),
                None => false,
            };
            if !unpacked {
                return Err(self.content_damage(block));
            }
        }
        let cursor = Cursor { at: 0, ts: block.ts_first, left: block.records };
        let mut check = cursor.clone();
        while check.next(&self.raw).is_some() {}
        if self.raw.len() != block.raw_len || check.left != 0 || check.at != self.raw.len() {
            return Err(self.content_damage(block));
        }
        self.cursor = cursor;
        Ok(())
    }

    /// Unpacking in vain is work too, and an input may hold many such blocks in one another.
    fn content_damage(&mut self, block: &BlockHeader) -> Damage {
        self.search_budget = self.search_budget.saturating_sub(block.raw_len);
        Damage::Content
    }

    /// Notes what is lost from `at` on, and moves to the next valid block (or the end).
    fn skip_damage(&mut self, at: usize, from: usize, damage: Damage) {
        let next = self.find_block(from).unwrap_or(self.report.total_bytes);
        self.add_missing(Missing { offset: at, bytes: next - at, damage });
        if self.search_budget == 0 {
            self.add_missing(Missing { offset: next, bytes: 0, damage: Damage::SearchLimit });
        }
        self.offset = next;
    }

    fn add_missing(&mut self, missing: Missing) {
        self.stopped |= !self.options.recover;
        self.report.missing.push(missing);
    }

    /// Offset of the first whole block at or after `from`, as far as the budget reaches.
    fn find_block(&mut self, from: usize) -> Option<usize> {
        let data = self.data.as_ref();
        let mut at = from;
        while self.search_budget > 0 {
            at += data.get(at..)?.iter().position(|&byte| byte == BLOCK_MAGIC[0])?;
            if let Ok(block) = BlockHeader::parse(data, at, self.stream) {
                if block.verify(data, at).is_ok() {
                    return Some(at);
                }
                self.search_budget = self.search_budget.saturating_sub(block.payload.len());
            }
            at += 1;
        }
        None
    }
}

/// Where the reader stands in an unpacked block.
#[derive(Clone, Debug, Default)]
struct Cursor {
    at: usize,
    ts: i64,
    left: u32,
}

impl Cursor {
    /// `None` at the end of the block, or where it does not hold a record.
    fn next<'raw>(&mut self, raw: &'raw [u8]) -> Option<Record<'raw>> {
        let left = self.left.checked_sub(1)?;
        let mut at = self.at;
        let kind = *raw.get(at)?;
        at += 1;
        let ts = self.ts.wrapping_add(unzigzag(varint(raw, &mut at)?));
        let conn = u32::try_from(varint(raw, &mut at)?).ok()?;
        let epoch = u32::try_from(varint(raw, &mut at)?).ok()?;
        let len = usize::try_from(varint(raw, &mut at)?).ok()?;
        let payload = raw.get(at..at.checked_add(len)?)?;
        *self = Self { at: at + len, ts, left };
        Some(Record { kind, ts, conn, epoch, payload })
    }
}
