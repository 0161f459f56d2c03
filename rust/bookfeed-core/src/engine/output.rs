//! Records waiting to be taken, and the digest over all of them.

use crate::signals::Leg;
use crate::signals::steps::Step;
use crate::time::Nanos;
use crate::update::{
    IndexRecord, LEG_SIZE, LegStanding, LevelRecord, SIGNAL_SIZE, Update, write_leg, write_signal,
};
use sha2::{Digest, Sha256};

/// Record buffers. They keep their memory when they are cleared.
#[derive(Debug)]
pub struct Output {
    updates: Vec<u8>,
    signals: Vec<u8>,
    legs: Vec<u8>,
    levels: Vec<u8>,
    indices: Vec<u8>,
    pending: usize,
    seq: u64,
    /// Which message and book the newest level changes are of: a count of its own, so that the
    /// other records are the same whether somebody asked for these or not.
    level_seq: u64,
    ts_first: Nanos,
    update_count: u64,
    signal_count: u64,
    index_count: u64,
    digests: Option<[Sha256; 4]>,
}

impl Output {
    pub(super) fn new(digest: bool) -> Self {
        Self {
            updates: Vec::new(),
            signals: Vec::new(),
            legs: Vec::new(),
            levels: Vec::new(),
            indices: Vec::new(),
            pending: 0,
            seq: 0,
            level_seq: 0,
            ts_first: 0,
            update_count: 0,
            signal_count: 0,
            index_count: 0,
            digests: digest.then(Default::default),
        }
    }

    /// Number of records waiting: updates, signals, level changes and values of indices.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Receive time of the oldest record waiting.
    #[must_use]
    pub fn ts_first(&self) -> Option<Nanos> {
        (self.pending > 0).then_some(self.ts_first)
    }

    /// Updates and signals ever written.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.update_count, self.signal_count)
    }

    /// Update records waiting.
    #[must_use]
    pub fn updates(&self) -> &[u8] {
        &self.updates
    }

    /// Signal records waiting.
    #[must_use]
    pub fn signals(&self) -> &[u8] {
        &self.signals
    }

    /// Leg records of the signals waiting.
    #[must_use]
    pub fn legs(&self) -> &[u8] {
        &self.legs
    }

    /// Level change records waiting.
    #[must_use]
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// Records of indices waiting.
    #[must_use]
    pub fn indices(&self) -> &[u8] {
        &self.indices
    }

    #[inline(always)]
    pub(super) fn push_update(&mut self, update: &Update) {
        if self.pending == 0 {
            self.ts_first = update.ts_recv;
        }
        update.write(self.seq, &mut self.updates);
        self.seq += 1;
        self.pending += 1;
        self.update_count += 1;
    }

    pub(super) fn push_signal<'a>(
        &mut self,
        step: &Step,
        legs: impl Iterator<Item = (&'a Leg, LegStanding)>,
        ts_recv: Nanos,
    ) {
        if self.pending == 0 {
            self.ts_first = ts_recv;
        }
        let start = u32::try_from(self.legs.len() / LEG_SIZE).unwrap_or(u32::MAX);
        write_signal(step, ts_recv, self.seq, start, &mut self.signals);
        for (leg, standing) in legs {
            write_leg(leg, &standing, &mut self.legs);
        }
        self.seq += 1;
        self.pending += 1;
        self.signal_count += 1;
    }

    /// Adds a level change, `first` if the one before it was of another message or book.
    pub(super) fn push_level(&mut self, record: &LevelRecord, first: bool) {
        if self.pending == 0 {
            self.ts_first = record.ts_recv;
        }
        self.level_seq += u64::from(first);
        record.write(self.level_seq, &mut self.levels);
        self.pending += 1;
    }

    pub(super) fn push_index(&mut self, record: &IndexRecord) {
        if self.pending == 0 {
            self.ts_first = record.ts_recv;
        }
        // A count of its own, as of level changes.
        record.write(self.index_count, &mut self.indices);
        self.pending += 1;
        self.index_count += 1;
    }

    /// Forgets the records that were waiting, after adding them to the digest.
    pub fn clear(&mut self) {
        if let Some([updates, signals, legs, indices]) = &mut self.digests {
            updates.update(&self.updates);
            indices.update(&self.indices);
            legs.update(&self.legs);
            for signal in self.signals.chunks_exact(SIGNAL_SIZE) {
                // Where a signal's legs lie depends on when records were taken, not on what
                // happened, so it stays out of the digest.
                signals.update(&signal[..108]);
                signals.update(&signal[112..]);
            }
        }
        self.updates.clear();
        self.signals.clear();
        self.legs.clear();
        self.levels.clear();
        self.indices.clear();
        self.pending = 0;
    }

    /// SHA-256 over all records ever taken but level changes, in hexadecimal: the same for every run, however
    /// the input was cut into pieces. `None` unless the engine was built to keep it.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        let parts = self.digests.as_ref()?;
        let mut whole = Sha256::new();
        // Without an index it is what it is without any index there could be.
        let told = if self.index_count > 0 { 4 } else { 3 };
        for part in &parts[..told] {
            whole.update(part.clone().finalize());
        }
        Some(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
