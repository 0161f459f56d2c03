//! Any bytes as a journal: never a panic, never a record that was not written, and what the
//! report says adds up. The second half of the input becomes records, is written, damaged
//! where the first half says, and read back.
#![no_main]

use bookfeed_core::journal::{Packer, ReadOptions, Reader, Record, Sealer};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8], recover: bool) -> Option<(Vec<Vec<u8>>, bool)> {
    let mut reader = Reader::new(bytes, ReadOptions { recover, after: None }).ok()?;
    let mut payloads = Vec::new();
    while let Some(record) = reader.next_record() {
        payloads.push(record.payload.to_vec());
    }
    let report = reader.report();
    assert_eq!(report.records, payloads.len() as u64);
    assert!(report.valid_bytes <= bytes.len());
    // What has no end mark may be cut off.
    Some((payloads, report.clean() && report.ended == Some(true)))
}

fn write(payloads: &[&[u8]]) -> Vec<u8> {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(1));
    let mut bytes = sealer.header(b"{}").unwrap();
    for (i, payload) in payloads.iter().enumerate() {
        let ts = i64::try_from(i).unwrap();
        packer.append(&Record { kind: 1, ts, conn: 0, epoch: 0, payload }).unwrap();
        if i % 3 == 2 {
            while let Some(raw) = packer.take(true) {
                bytes.extend_from_slice(&sealer.seal(&raw).unwrap());
            }
        }
    }
    while let Some(raw) = packer.take(true) {
        bytes.extend_from_slice(&sealer.seal(&raw).unwrap());
    }
    bytes.extend_from_slice(&sealer.end().unwrap());
    bytes
}

fuzz_target!(|data: &[u8]| {
    for recover in [false, true] {
        read(data, recover);
    }
    let (damage, content) = data.split_at(data.len() / 4);
    let payloads: Vec<&[u8]> = content.chunks(16).collect();
    let whole = write(&payloads);
    let (back, clean) = read(&whole, false).unwrap();
    assert!(clean && back == payloads);
    let mut bytes = whole;
    for &[low, high, flip] in damage.as_chunks::<3>().0 {
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        bytes[at] ^= flip;
    }
    if let Some((prefix, clean)) = read(&bytes, false) {
        assert!(prefix.len() <= payloads.len() && prefix.iter().zip(&payloads).all(|(a, b)| a == b));
        assert!(!clean || prefix == payloads);
    }
    if let Some((rest, _)) = read(&bytes, true) {
        let mut all = payloads.iter();
        assert!(rest.iter().all(|r| all.any(|p| p == r)), "records in order, none made up");
    }
});
