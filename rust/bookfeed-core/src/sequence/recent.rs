//! Order without numbers: the newest changes and trades are remembered, to recognise one that
//! comes again.

use crate::fixed::{Price, Qty};
use crate::time::Nanos;

/// How many changes of a book are remembered.
const RECENT: usize = 16;
/// How many trades of an instrument are remembered: a venue that repeats one does so at once, but
/// one order may be filled by a hundred others.
const RECENT_TRADES: usize = 256;

/// Fingerprints of the newest changes of one book.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    prints: [u64; RECENT],
    at: usize,
}

impl Recent {
    /// Whether this very change was applied lately.
    #[inline]
    #[must_use]
    pub fn seen(&self, fingerprint: u64) -> bool {
        self.prints.contains(&fingerprint)
    }

    /// Remembers a change that was applied.
    #[inline]
    pub(crate) fn remember(&mut self, fingerprint: u64) {
        self.prints[self.at % RECENT] = fingerprint;
        self.at = self.at.wrapping_add(1);
    }

    /// Forgets them all: another stream begins.
    pub(crate) fn forget(&mut self) {
        self.prints = [0; RECENT];
    }
}

/// Fingerprints of the newest trades of one instrument. It takes no memory before the first.
#[derive(Clone, Debug, Default)]
pub struct RecentTrades {
    prints: Vec<u64>,
    at: usize,
}

impl RecentTrades {
    /// Remembers a trade; whether it is a new one.
    pub fn take(&mut self, fingerprint: u64) -> bool {
        if self.prints.contains(&fingerprint) {
            return false;
        }
        if self.prints.is_empty() {
            self.prints.resize(RECENT_TRADES, 0);
        }
        self.prints[self.at % RECENT_TRADES] = fingerprint;
        self.at = self.at.wrapping_add(1);
        true
    }

    /// Forgets them all, but keeps the memory: another connection begins.
    pub(crate) fn forget(&mut self) {
        self.prints.fill(0);
    }
}

/// A number that two changes share only if they are the same change of the same message: venue
/// time, digest, side (1 or 2), price and size.
#[inline]
#[must_use]
pub(crate) fn fingerprint(ts_event: Nanos, digest: &[u8], side: u64, price: Price, qty: Qty) -> u64 {
    let word = |at: usize| {
        digest.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |c: &[u8; 8]| u64::from_le_bytes(*c))
    };
    let mut h = mix(ts_event.cast_unsigned(), word(0) ^ word(32).rotate_left(32));
    h = mix(h, price.cast_unsigned());
    h = mix(h, qty.cast_unsigned() ^ side);
    h | 1
}

/// A number that two trades share only if they are the same one: venue time, all of the id, who
/// took (0 if nobody knows, 1 or 2), price and size.
#[must_use]
pub fn trade_fingerprint(ts_event: Nanos, id: &[u8], side: u64, price: Price, qty: Qty) -> u64 {
    let mut h = mix(ts_event.cast_unsigned(), id.len() as u64);
    for part in id.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        h = mix(h, u64::from_le_bytes(word));
    }
    h = mix(h, side);
    h = mix(h, price.cast_unsigned());
    mix(h, qty.cast_unsigned()) | 1
}

#[inline]
fn mix(h: u64, v: u64) -> u64 {
    (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_change_has_the_same_fingerprint() {
        let digest = b"0123456789abcdef0123456789abcdef01234567";
        let print = |ts, side, price, qty| fingerprint(ts, digest, side, price, qty);
        let one = print(1, 1, 2, 3);
        assert_eq!(one, print(1, 1, 2, 3));
        for other in [print(2, 1, 2, 3), print(1, 2, 2, 3), print(1, 1, 3, 3), print(1, 1, 2, 4)] {
            assert_ne!(one, other);
        }
        assert_ne!(one, fingerprint(1, b"76543210", 1, 2, 3));
    }

    #[test]
    fn the_newest_are_remembered() {
        let mut recent = Recent::default();
        for print in 1..=20 {
            recent.remember(print);
        }
        assert!((5..=20).all(|print| recent.seen(print)));
        assert!((1..=4).all(|print| !recent.seen(print)));
        recent.forget();
        assert!(!recent.seen(20));
    }

    #[test]
    fn every_part_of_a_trade_is_in_its_fingerprint() {
        let id = "d91bc706-ee49-470d-82d8-11418bda6fed";
        let one = trade_fingerprint(1, id.as_bytes(), 1, 2, 3);
        assert_eq!(one, trade_fingerprint(1, id.as_bytes(), 1, 2, 3));
        for at in 0..id.len() {
            let mut other = id.as_bytes().to_vec();
            other[at] ^= 1;
            assert_ne!(one, trade_fingerprint(1, &other, 1, 2, 3), "byte {at}");
            assert_ne!(one, trade_fingerprint(1, &id.as_bytes()[..at], 1, 2, 3), "{at} bytes");
        }
        let others = [(2, 1, 2, 3), (1, 2, 2, 3), (1, 0, 2, 3), (1, 1, 3, 3), (1, 1, 2, 4)];
        for (ts, side, price, qty) in others {
            assert_ne!(one, trade_fingerprint(ts, id.as_bytes(), side, price, qty));
        }
    }

    #[test]
    fn the_newest_trades_are_remembered() {
        let mut trades = RecentTrades::default();
        assert!((1..=300).all(|print| trades.take(print)));
        assert!((45..=300).all(|print| !trades.take(print)));
        assert!(trades.take(44));
        trades.forget();
        assert!(trades.take(300));
    }
}
