//! What the tests of the core share: seeded numbers, venues that keep true books of their own
//! and print the frames Polymarket and Kalshi would send, fees by the letter of their rules,
//! and a reader of the engine's records.
//!
//! The venues' books are maps from printed prices to printed sizes, hashes come from text
//! they print by themselves: nothing here goes through the code under test.
#![allow(dead_code)] // every test file uses its own part

pub mod checksum;
pub mod fee_rules;
pub mod kalshi;
pub mod level_copies;
pub mod plain;
pub mod quotes;
pub mod records;
pub mod scene;
pub mod script;
pub mod spot;
pub mod surrogates;
pub mod texts;
pub mod twins;
pub mod venue;

/// SplitMix64: small, seeded, the same on every platform.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    /// Once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub fn word<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
    }
}
