//! Order without numbers: the newest changes are remembered, to recognise one that comes again.

use crate::fixed::{Price, Qty};
use crate::time::Nanos;

/// How many are remembered.
const RECENT: usize = 16;

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

/// A number that two changes share only if they are the same change of the same message: venue
/// time, digest, side (1 or 2), price and size.
#[inline]
#[must_use]
pub(crate) fn fingerprint(ts_event: Nanos, digest: &[u8], side: u64, price: Price, qty: Qty) -> u64 {
    let word = |at: usize| {
        digest.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |c: &[u8; 8]| u64::from_le_bytes(*c))
    };
    let mix = |h: u64, v: u64| (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut h = mix(ts_event.cast_unsigned(), word(0) ^ word(32).rotate_left(32));
    h = mix(h, price.cast_unsigned());
    h = mix(h, qty.cast_unsigned() ^ side);
    h | 1
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
}
