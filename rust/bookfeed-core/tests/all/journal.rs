//! The journal format against its promises: what is written is read, what is cut or flipped is
//! noticed, costs at most its own block, and nothing makes the reader panic.

use bookfeed_core::journal::{
    BLOCK_HEADER_LEN, BLOCK_MAGIC, BLOCK_RAW_LEN, Damage, EXPANSION_MAX, FILE_HEADER_LEN, FILE_MAGIC,
    JournalError, METADATA_LEN_MAX, Missing, PAYLOAD_LEN_MAX, Packer, RAW_LEN_MAX, ReadOptions, Reader,
    Record, Report, Sealer,
};
use proptest::prelude::*;

const STRICT: ReadOptions = ReadOptions { recover: false, after: None };
const RECOVER: ReadOptions = ReadOptions { recover: true, after: None };

#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    kind: u8,
    ts: i64,
    conn: u32,
    epoch: u32,
    payload: Vec<u8>,
}

impl Owned {
    fn record(&self) -> Record<'_> {
        let Self { kind, ts, conn, epoch, ref payload } = *self;
        Record { kind, ts, conn, epoch, payload }
    }
}

/// A segment, and where each of its blocks ends with how many records so far.
struct Segment {
    bytes: Vec<u8>,
    header_len: usize,
    ends: Vec<(usize, usize)>,
}

/// Packs `records`, closing a block after every `per_block` of them (or when it is full).
fn segment(records: &[Owned], per_block: usize) -> Segment {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(3));
    let mut bytes = sealer.header(br#"{"recording":"a1b2"}"#).unwrap();
    let header_len = bytes.len();
    let (mut ends, mut count) = (Vec::new(), 0);
    for chunk in records.chunks(per_block) {
        for owned in chunk {
            packer.append(&owned.record()).unwrap();
        }
        while let Some(raw) = packer.take(true) {
            let block = sealer.seal(&raw).unwrap();
            count += u32::from_le_bytes(block[32..36].try_into().unwrap()) as usize;
            bytes.extend_from_slice(&block);
            ends.push((bytes.len(), count));
        }
    }
    assert_eq!(packer.pending(), 0);
    Segment { bytes, header_len, ends }
}

fn read(bytes: &[u8], options: ReadOptions) -> Result<(Vec<Owned>, Report), JournalError> {
    let early = Reader::new(bytes, options)?.report();
    let (records, report) = read_once(bytes, options)?;
    assert_eq!(report, early, "a report must not depend on how far one has read");
    Ok((records, report))
}

fn read_once(bytes: &[u8], options: ReadOptions) -> Result<(Vec<Owned>, Report), JournalError> {
    let mut reader = Reader::new(bytes, options)?;
    let mut records = Vec::new();
    while let Some(Record { kind, ts, conn, epoch, payload }) = reader.next_record() {
        records.push(Owned { kind, ts, conn, epoch, payload: payload.to_vec() });
    }
    let report = reader.report();
    assert_eq!(report.records, records.len() as u64);
    Ok((records, report))
}

/// A small xorshift generator, so that every run sees the same bytes.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Records of barely compressible payload, so that file sizes are predictable.
fn noisy_records(count: u32, payload_len: usize) -> Vec<Owned> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let record = |i: u32| Owned {
        kind: 1,
        ts: 1_790_658_661_234_000_000 + i64::from(i) * 1_000_003,
        conn: i % 3,
        epoch: i / 7,
        payload: noise.bytes(payload_len),
    };
    (0..count).map(record).collect()
}

fn any_record() -> impl Strategy<Value = Owned> {
    let ts = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 0..2_000_000_000_i64];
    let payload = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => (0..200_000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    (any::<u8>(), ts, any::<u32>(), any::<u32>(), payload)
        .prop_map(|(kind, ts, conn, epoch, payload)| Owned { kind, ts, conn, epoch, payload })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        records in proptest::collection::vec(any_record(), 0..60),
        per_block in 1..20_usize,
    ) {
        let segment = segment(&records, per_block);
        let (got, report) = read(&segment.bytes, STRICT).unwrap();
        prop_assert_eq!(got, records);
        prop_assert!(report.clean());
        prop_assert_eq!(report.valid_bytes, report.total_bytes);
        prop_assert_eq!(report.blocks, segment.ends.len() as u64);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        with_magics in any::<bool>(),
    ) {
        let mut bytes = segment(&noisy_records(6, 40), 2).bytes;
        bytes.extend_from_slice(&noise);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if with_magics && at + 4 <= bytes.len() {
                bytes[at..at + 4].copy_from_slice(&BLOCK_MAGIC);
            }
        }
        for options in [STRICT, RECOVER, ReadOptions { recover: true, after: Some(u64::MAX) }] {
            let _ = read(&bytes, options);
            let _ = read(&noise, options);
        }
    }
}

#[test]
fn blocks_close_at_64_kib_and_a_larger_record_has_its_own() {
    let mut packer = Packer::default();
    let small = Owned { kind: 1, ts: 5, conn: 0, epoch: 0, payload: vec![7; 1000] };
    let large = Owned { payload: vec![9; BLOCK_RAW_LEN * 2], ..small.clone() };
    for owned in [&small, &large, &small] {
        packer.append(&owned.record()).unwrap();
    }
    assert!(packer.take(false).is_some() && packer.take(false).is_some());
    assert!(packer.take(false).is_none(), "the open block is not taken unless asked for");
    assert!(packer.take(true).is_some() && packer.take(true).is_none());

    let records = vec![small; 500];
    let segment = segment(&records, 500);
    assert_eq!(segment.ends.len(), 8, "65 records of 1,008 bytes fit into 64 KiB");
    let (got, report) = read(&segment.bytes, STRICT).unwrap();
    assert!(got == records && report.clean());
}

#[test]
fn incompressible_blocks_are_stored_plain() {
    let records = noisy_records(3, 5000);
    let segment = segment(&records, 1);
    assert_eq!(segment.bytes[segment.header_len + 4], 0);
    assert_eq!(read(&segment.bytes, STRICT).unwrap().0, records);
}

#[test]
fn limits_are_errors_that_change_nothing() {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(3));
    let payload = vec![0; PAYLOAD_LEN_MAX + 1];
    let record = Record { kind: 1, ts: 0, conn: 0, epoch: 0, payload: &payload };
    assert_eq!(packer.append(&record), Err(JournalError::PayloadTooLong(PAYLOAD_LEN_MAX + 1)));
    assert_eq!(packer.pending(), 0);

    let largest = Record { payload: &payload[1..], ts: i64::MIN, conn: u32::MAX, ..record };
    packer.append(&largest).unwrap();
    let raw = packer.take(false).unwrap();
    assert_eq!(sealer.seal(&raw), Err(JournalError::NoHeader));
    assert_eq!(
        sealer.header(&vec![b' '; METADATA_LEN_MAX + 1]),
        Err(JournalError::MetadataTooLong(METADATA_LEN_MAX + 1))
    );
    let mut bytes = sealer.header(b"{}").unwrap();
    bytes.extend(sealer.seal(&raw).unwrap());
    let (records, report) = read(&bytes, STRICT).unwrap();
    assert!(report.clean() && records[0].payload.len() == PAYLOAD_LEN_MAX);
}

#[test]
fn cut_at_every_offset_the_longest_valid_prefix_is_read() {
    let records = noisy_records(120, 320);
    let segment = segment(&records, 4);
    assert!((39_000..45_000).contains(&segment.bytes.len()), "{}", segment.bytes.len());
    for cut in 0..=segment.bytes.len() {
        let whole = segment.ends.iter().take_while(|(end, _)| *end <= cut).last();
        let (valid, count) = match whole {
            Some(&(end, count)) => (end, count),
            None if cut >= segment.header_len => (segment.header_len, 0),
            None => (0, 0),
        };
        let (got, report) = read_once(&segment.bytes[..cut], STRICT).unwrap();
        assert_eq!(got, records[..count], "cut at {cut}");
        assert_eq!((report.valid_bytes, report.total_bytes), (valid, cut));
        let at_boundary = cut == valid && cut > 0;
        assert_eq!(report.clean(), at_boundary, "cut at {cut}");
        if !at_boundary {
            let damage = if valid == 0 { Damage::HeaderTruncated } else { Damage::BlockTruncated };
            assert_eq!(report.missing, [Missing { offset: valid, bytes: cut - valid, damage }]);
        }
    }
}

/// Flips one bit and checks: noticed, at most the block hit is lost, its neighbours intact.
fn check_flip(segment: &Segment, records: &[Owned], bytes: &mut [u8], at: usize, bit: usize) {
    bytes[at] ^= 1 << bit;
    let (strict, report) = read(bytes, STRICT).unwrap();
    let (recovered, holes) = read(bytes, RECOVER).unwrap();
    bytes[at] ^= 1 << bit;

    assert!(!report.clean() && !holes.clean(), "bit {bit} of byte {at} went unnoticed");
    let hit = segment.ends.iter().position(|(end, _)| at < *end).unwrap();
    let start = if hit == 0 { segment.header_len } else { segment.ends[hit - 1].0 };
    if at < segment.header_len {
        assert!(strict.is_empty());
        assert_eq!(recovered, records, "a damaged file header costs no record");
        assert_eq!((holes.missing[0].offset, holes.missing[0].bytes), (0, segment.header_len));
        return;
    }
    let first = if hit == 0 { 0 } else { segment.ends[hit - 1].1 };
    let (end, last) = segment.ends[hit];
    assert_eq!(strict, records[..first]);
    assert_eq!(report.valid_bytes, start);
    assert_eq!(report.records_behind, (records.len() - last) as u64);
    assert_eq!(recovered, [&records[..first], &records[last..]].concat());
    let hole = holes.missing[0];
    assert_eq!((hole.offset, hole.bytes), (start, end - start), "bit {bit} of byte {at}");
    if hit > 0 && hit + 1 < segment.ends.len() {
        let absent = Damage::Absent { first: hit as u64, last: hit as u64 };
        assert_eq!(holes.missing[1], Missing { offset: end, bytes: 0, damage: absent });
    }
}

#[test]
fn every_bit_of_every_header_is_guarded() {
    let records = noisy_records(15, 200);
    let segment = segment(&records, 5);
    let mut bytes = segment.bytes.clone();
    let mut starts = vec![(0, segment.header_len)];
    let mut start = segment.header_len;
    for &(end, _) in &segment.ends {
        starts.push((start, BLOCK_HEADER_LEN));
        start = end;
    }
    for (start, len) in starts {
        for at in start..start + len {
            for bit in 0..8 {
                check_flip(&segment, &records, &mut bytes, at, bit);
            }
        }
    }
}

#[test]
fn random_bit_flips_cost_at_most_one_block() {
    let records: Vec<Owned> = (0..400)
        .map(|i| Owned {
            kind: 1,
            ts: 1_790_658_661_234_000_000 + i,
            conn: 0,
            epoch: 1,
            payload: format!(r#"{{"price":"0.{i}","size":"{}"}}"#, i * 37).into_bytes(),
        })
        .collect();
    let segment = segment(&records, 40);
    let mut bytes = segment.bytes.clone();
    let mut noise = Noise(42);
    for _ in 0..3000 {
        let (at, bit) = (noise.below(bytes.len()), noise.below(8));
        check_flip(&segment, &records, &mut bytes, at, bit);
    }
}

#[test]
fn overwritten_stretches_lose_only_the_blocks_they_touch() {
    let records = noisy_records(90, 150);
    let segment = segment(&records, 3);
    let mut noise = Noise(7);
    for round in 0..300 {
        let mut bytes = segment.bytes.clone();
        let start = segment.header_len + noise.below(bytes.len() - segment.header_len);
        let end = bytes.len().min(start + 1 + noise.below(4096));
        for byte in &mut bytes[start..end] {
            *byte = if round % 2 == 0 { 0 } else { !*byte };
        }
        let mut expected = Vec::new();
        let (mut from, mut first) = (segment.header_len, 0);
        for &(to, last) in &segment.ends {
            if bytes[from..to] == segment.bytes[from..to] {
                expected.extend_from_slice(&records[first..last]);
            }
            (from, first) = (to, last);
        }
        assert_eq!(read(&bytes, RECOVER).unwrap().0, expected, "{start}..{end}");
        assert!(expected.starts_with(&read(&bytes, STRICT).unwrap().0));
    }
}

#[test]
fn removed_repeated_and_foreign_blocks_are_named() {
    let records = noisy_records(12, 100);
    let segment = segment(&records, 3);
    let block = |i: usize| {
        let start = if i == 0 { segment.header_len } else { segment.ends[i - 1].0 };
        &segment.bytes[start..segment.ends[i].0]
    };
    let header = &segment.bytes[..segment.header_len];

    let removed = [header, block(0), block(3)].concat();
    let (strict, report) = read(&removed, STRICT).unwrap();
    assert_eq!((strict, report.records_behind), (records[..3].to_vec(), 3));
    assert_eq!(report.missing[0].damage, Damage::Absent { first: 1, last: 2 });
    assert_eq!(read(&removed, RECOVER).unwrap().0, [&records[..3], &records[9..]].concat());

    let repeated = [header, block(0), block(1), block(0), block(2), block(3)].concat();
    let (got, report) = read(&repeated, RECOVER).unwrap();
    assert_eq!(got, records);
    assert_eq!(report.missing.len(), 1);
    assert_eq!(report.missing[0].damage, Damage::Repeated { seq: 0 });

    let mut other = Sealer::new(3);
    let mut packer = Packer::default();
    other.header(b"another recording").unwrap();
    packer.append(&records[0].record()).unwrap();
    let foreign = other.seal(&packer.take(true).unwrap()).unwrap();
    let mixed = [header, &foreign, block(0)].concat();
    let (got, report) = read(&mixed, RECOVER).unwrap();
    assert_eq!(got, records[..3]);
    assert_eq!(report.missing[0].damage, Damage::ForeignBlock);
}

#[test]
fn a_later_segment_continues_the_numbering_and_known_blocks_are_skipped() {
    let records = noisy_records(12, 100);
    let segment = segment(&records, 3);
    let header = &segment.bytes[..segment.header_len];
    let from = |i: usize| [header, &segment.bytes[segment.ends[i - 1].0..]].concat();

    let options = ReadOptions { recover: false, after: Some(2) };
    let (got, report) = read(&from(2), options).unwrap();
    assert!(report.clean());
    assert_eq!(got, records[9..], "block 2 was in the earlier segment");
    assert_eq!((report.blocks_skipped, report.seq_first, report.seq_last), (1, Some(2), Some(3)));

    let (got, report) = read(&from(3), ReadOptions { recover: false, after: Some(1) }).unwrap();
    assert!(got.is_empty());
    assert_eq!(report.missing[0].damage, Damage::Absent { first: 2, last: 2 });
}

fn reseal(block: &mut [u8]) {
    let crc = crc32fast::hash(&block[..44]);
    block[44..48].copy_from_slice(&crc.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[..48]);
    hasher.update(&block[BLOCK_HEADER_LEN..]);
    let crc = hasher.finalize();
    block[48..52].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn crafted_blocks_with_valid_checksums_are_refused() {
    let records: Vec<Owned> =
        noisy_records(4, 10).into_iter().map(|r| Owned { payload: vec![0; 500], ..r }).collect();
    let segment = segment(&records, 4);
    let start = segment.header_len;
    let set = |at: usize, field: &[u8]| {
        let mut bytes = segment.bytes.clone();
        bytes[start + at..start + at + field.len()].copy_from_slice(field);
        reseal(&mut bytes[start..]);
        read(&bytes, STRICT).unwrap()
    };
    let raw_len = u32::from_le_bytes(segment.bytes[start + 36..start + 40].try_into().unwrap());
    let cases: [(usize, &[u8], Damage); 11] = [
        (4, &2u16.to_le_bytes(), Damage::BlockHeader),
        (6, &1u16.to_le_bytes(), Damage::BlockHeader),
        (32, &0u32.to_le_bytes(), Damage::BlockHeader),
        (36, &u32::MAX.to_le_bytes(), Damage::BlockHeader),
        (40, &u32::MAX.to_le_bytes(), Damage::BlockHeader),
        (40, &raw_len.to_le_bytes(), Damage::BlockTruncated),
        (32, &3u32.to_le_bytes(), Damage::Content),
        (32, &u32::MAX.to_le_bytes(), Damage::Content),
        (36, &(raw_len - 1).to_le_bytes(), Damage::Content),
        (36, &(raw_len + 1).to_le_bytes(), Damage::Content),
        (BLOCK_HEADER_LEN, &[0xff; 4], Damage::Content),
    ];
    for (at, field, damage) in cases {
        let (got, report) = set(at, field);
        assert!(got.is_empty(), "{at} {field:?}");
        assert_eq!(report.missing[0].damage, damage, "{at} {field:?}");
    }
}

/// A stored block around `raw`, with valid checksums.
fn stored_block(header: &[u8], seq: u64, records: u32, raw: &[u8]) -> Vec<u8> {
    let len = u32::try_from(raw.len()).unwrap().to_le_bytes();
    let mut block = BLOCK_MAGIC.to_vec();
    block.extend([0; 4]);
    block.extend_from_slice(&header[16..24]);
    block.extend(seq.to_le_bytes());
    block.extend(0i64.to_le_bytes());
    block.extend(records.to_le_bytes());
    block.extend(len);
    block.extend(len);
    block.extend([0; 8]);
    block.extend_from_slice(raw);
    reseal(&mut block);
    block
}

#[test]
fn malformed_records_are_refused_whole() {
    let header = Sealer::new(3).header(b"{}").unwrap();
    let cases: [(&[u8], &str); 8] = [
        (&[1, 0, 0, 0], "cut short"),
        (&[1, 0, 0, 0, 1], "payload missing"),
        (&[1, 0, 0, 0, 0, 9], "bytes left over"),
        (&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x10, 0, 0], "connection beyond 32 bits"),
        (&[1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x10, 0], "epoch beyond 32 bits"),
        (&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 0, 0, 0], "ts beyond 64 bits"),
        (&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0], "ts of 11 bytes"),
        (&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "huge length"),
    ];
    for (raw, what) in cases {
        let bytes = [&header[..], &stored_block(&header, 0, 1, raw)].concat();
        let (got, report) = read(&bytes, RECOVER).unwrap();
        assert!(got.is_empty(), "{what}");
        assert_eq!(report.missing[0].damage, Damage::Content, "{what}");
    }
    let good = [&header[..], &stored_block(&header, u64::MAX, 1, &[1, 0, 0, 0, 0])].concat();
    assert_eq!(read(&good, STRICT).unwrap().0.len(), 1);
}

#[test]
fn blocks_nested_to_make_the_search_quadratic_are_given_up() {
    // 40,000 block headers, each claiming all that follows, all with a wrong checksum.
    let header = Sealer::new(3).header(b"{}").unwrap();
    let mut bytes = header.clone();
    let total = header.len() + 40_000 * BLOCK_HEADER_LEN;
    while bytes.len() < total {
        let left = total - bytes.len() - BLOCK_HEADER_LEN;
        let len = u32::try_from(left).unwrap().to_le_bytes();
        let mut block = stored_block(&header, 0, 1, &[]);
        block[36..40].copy_from_slice(&len);
        block[40..44].copy_from_slice(&len);
        reseal(&mut block);
        bytes.extend(block);
    }
    let (got, report) = read(&bytes, RECOVER).unwrap();
    assert!(got.is_empty());
    assert_eq!(report.missing.last().unwrap().damage, Damage::SearchLimit);
}

#[test]
fn only_the_end_mark_says_that_a_recording_ended() {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(3));
    assert_eq!(sealer.end(), Err(JournalError::NoHeader));
    let mut bytes = sealer.header(b"{}").unwrap();
    packer.append(&Record { kind: 1, ts: 0, conn: 0, epoch: 0, payload: b"x" }).unwrap();
    bytes.extend(sealer.seal(&packer.take(true).unwrap()).unwrap());
    let cut = bytes.clone();
    bytes.extend(sealer.end().unwrap());
    let (records, report) = read(&bytes, STRICT).unwrap();
    assert_eq!((records.len(), report.blocks, report.ended), (1, 1, Some(true)));
    assert!(report.clean() && report.valid_bytes == bytes.len());
    let (records, report) = read(&cut, STRICT).unwrap();
    assert_eq!((records.len(), report.clean(), report.ended), (1, true, Some(false)));
    // The first version of the format had no such mark.
    let mut old = cut;
    old[8] = 1;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&old[..24]);
    hasher.update(&old[FILE_HEADER_LEN..FILE_HEADER_LEN + 2]);
    let crc = hasher.finalize();
    old[24..28].copy_from_slice(&crc.to_le_bytes());
    let (records, report) = read(&old, STRICT).unwrap();
    assert_eq!((records.len(), report.ended), (1, None));
}

#[test]
fn a_file_unpacks_to_so_much_and_no_more() {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(3));
    let mut bytes = sealer.header(b"{}").unwrap();
    let payload = vec![0; PAYLOAD_LEN_MAX / 4];
    for _ in 0..12 {
        packer.append(&Record { kind: 1, ts: 0, conn: 0, epoch: 0, payload: &payload }).unwrap();
        while let Some(raw) = packer.take(true) {
            bytes.extend(sealer.seal(&raw).unwrap());
        }
    }
    let mut reader = Reader::new(&bytes[..], RECOVER).unwrap();
    let mut unpacked = 0;
    while let Some(record) = reader.next_record() {
        unpacked += record.payload.len();
    }
    assert!(unpacked > 0 && unpacked <= RAW_LEN_MAX + EXPANSION_MAX * bytes.len());
    assert!(reader.report().missing.iter().all(|hole| hole.damage == Damage::Expansion));
    assert!(!reader.report().clean());
}

#[test]
fn other_files_and_other_versions_are_errors() {
    for foreign in [&b"{\"capture\": 1}\n"[..], &[0; 5000], b"x"] {
        assert_eq!(read(foreign, STRICT), Err(JournalError::NotAJournal));
        assert_eq!(read(foreign, RECOVER), Err(JournalError::NotAJournal));
    }
    let mut bytes = Sealer::new(3).header(b"{}").unwrap();
    for (at, version, flags) in [(8, 3, 0), (10, 1, 2)] {
        bytes[8..12].copy_from_slice(&[1, 0, 0, 0]);
        bytes[at] = if at == 8 { 3 } else { 2 };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[..24]);
        hasher.update(&bytes[FILE_HEADER_LEN..]);
        let crc = hasher.finalize();
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read(&bytes, STRICT), Err(JournalError::Unsupported { version, flags }));
    }
    let mut long = FILE_MAGIC.to_vec();
    long.extend([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    long.extend([0; 64]);
    assert_eq!(read(&long, STRICT).unwrap().1.missing[0].damage, Damage::Header);
}

#[test]
fn the_layout_is_pinned() {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(3));
    let record = Record { kind: 1, ts: 1_000, conn: 2, epoch: 300, payload: b"ab" };
    packer.append(&record).unwrap();
    packer.append(&Record { kind: 5, ts: 999, conn: 0, epoch: 0, payload: b"" }).unwrap();
    let mut bytes = sealer.header(b"{}").unwrap();
    bytes.extend(sealer.seal(&packer.take(true).unwrap()).unwrap());
    let expected = concat!(
        "8942464a0d0a1a0a",
        "0200",
        "0000",
        "02000000",
        "44136fa355b3678a",
        "70b24ed9",
        "7b7d",
        "f5424bb1",
        "0000",
        "0000",
        "44136fa355b3678a",
        "0000000000000000",
        "e803000000000000",
        "02000000",
        "0d000000",
        "0d000000",
        "72993027",
        "4855038b",
        "01",
        "00",
        "02",
        "ac02",
        "02",
        "6162",
        "05",
        "01",
        "00",
        "00",
        "00",
    );
    let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(hex, expected);
}
