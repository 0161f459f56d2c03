//! Order without numbers: the newest changes and trades are remembered, to recognise one that
//! comes again.

use crate::event::Level;
use crate::fixed::{Price, Qty};
use crate::time::Nanos;
use wide::{CmpEq, i8x16};

/// How many changes of a book are remembered.
const RECENT: usize = 16;
/// How many trades of an instrument are remembered: a venue that repeats one does so at once, but
/// one order may be filled by a hundred others.
const RECENT_TRADES: usize = 256;
/// How many of them are looked through at once.
const TAGS: usize = 16;

/// Fingerprints of the newest changes of one book.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Recent {
    at: usize,
    prints: [u64; RECENT],
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

/// A trade that was told, and how often.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    fingerprint: u64,
    /// How many trades that are equal to it there are.
    trades: u16,
    /// How many of them the present connection has told.
    here: u16,
    /// The moment at which it told the last.
    moment: u32,
}

/// A byte by which fingerprints are told apart.
#[inline]
#[allow(clippy::cast_possible_truncation)] // the topmost byte is all that is left
const fn tag(fingerprint: u64) -> i8 {
    (fingerprint >> 56) as i8
}

/// The newest trades of one instrument, to recognise one that is told again. It takes no memory
/// before the first, and no more than there are.
///
/// Fills of one transaction may be equal in all that is told of them. A connection tells them before
/// anything newer than they are, and its n-th is the n-th of any other connection. One that it tells
/// again after that is a copy.
#[derive(Clone, Debug, Default)]
pub struct RecentTrades {
    told: Vec<Told>,
    /// A byte of each fingerprint, sixteen side by side: most trades are new, and nothing else need be
    /// looked at to see it.
    tags: Vec<[i8; TAGS]>,
    at: usize,
    /// What was newest so far, and how often something newer came.
    newest: [Nanos; 2],
    moments: u32,
}

impl RecentTrades {
    /// Remembers a trade; whether it is a new one. `newest` is its time, or
    /// that of its book if that is newer, by two clocks; `None` where each trade has its own id.
    pub fn take(&mut self, fingerprint: u64, newest: Option<[Nanos; 2]>) -> bool {
        for (known, ts) in self.newest.iter_mut().zip(newest.into_iter().flatten()) {
            if ts > *known {
                *known = ts;
                self.moments = self.moments.wrapping_add(1);
            }
        }
        let moment = self.moments;
        if let Some(told) = self.find(fingerprint) {
            let later = told.here > 0 && told.moment != moment;
            if newest.is_none() || later {
                return false;
            }
            (told.here, told.moment) = (told.here.saturating_add(1), moment);
            let new = told.here > told.trades;
            told.trades = told.trades.max(told.here);
            return new;
        }
        self.remember(Told { fingerprint, trades: 1, here: 1, moment });
        true
    }

    fn find(&mut self, fingerprint: u64) -> Option<&mut Told> {
        let wanted = i8x16::splat(tag(fingerprint));
        let same = |at: usize| self.told.get(at).is_some_and(|told| told.fingerprint == fingerprint);
        for (begin, &tags) in (0..).step_by(TAGS).zip(&self.tags) {
            let tags: i8x16 = bytemuck::cast(tags);
            let mut alike = tags.cmp_eq(wanted).move_mask();
            while alike != 0 {
                let at = begin + alike.trailing_zeros() as usize;
                if same(at) {
                    return self.told.get_mut(at);
                }
                alike &= alike - 1;
            }
        }
        None
    }

    /// Remembers another one, in place of the oldest if there are as many as are kept.
    fn remember(&mut self, told: Told) {
        let at = self.at % RECENT_TRADES;
        if at == self.told.len() {
            self.told.push(told);
        } else {
            self.told[at] = told;
        }
        if at == self.tags.len() * TAGS {
            self.tags.push([0; TAGS]);
        }
        self.tags[at / TAGS][at % TAGS] = tag(told.fingerprint);
        self.at = self.at.wrapping_add(1);
    }

    /// Another connection begins, which has told none of them.
    pub(crate) fn count_anew(&mut self) {
        for told in &mut self.told {
            told.here = 0;
        }
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

/// A number that two messages share only if they are the same one: venue time, checksum, and the
/// levels of both sides.
#[inline]
#[must_use]
pub(crate) fn levels_fingerprint(ts_event: Nanos, sum: u32, sides: [&[Level]; 2]) -> u64 {
    let mut h = mix(ts_event.cast_unsigned(), u64::from(sum));
    for side in sides {
        h = mix(h, side.len() as u64);
        for level in side {
            h = mix(mix(h, level.price.cast_unsigned()), level.qty.cast_unsigned());
        }
    }
    h | 1
}

#[inline]
pub(crate) fn mix(h: u64, v: u64) -> u64 {
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
        assert!((1..=300).all(|print| trades.take(print, None)));
        assert!((45..=300).all(|print| !trades.take(print, None)));
        assert!(trades.take(44, None));
        trades.count_anew();
        assert!(!trades.take(300, None), "its id is its own on any connection");
    }

    #[test]
    fn equal_fills_are_counted_by_connection() {
        let mut trades = RecentTrades::default();
        let mut take = |connection: &[bool]| {
            for &new in connection {
                assert_eq!(trades.take(7, Some([1, 0])), new, "{connection:?}");
            }
            trades.count_anew();
        };
        take(&[true, true]);
        take(&[false, false]);
        take(&[false, false, true]);
        take(&[false]);
    }

    #[test]
    fn an_equal_fill_behind_something_newer_is_a_copy() {
        let mut trades = RecentTrades::default();
        assert!(trades.take(7, Some([1, 0])));
        assert!(!trades.take(7, Some([2, 0])), "the book went on");
        assert!(trades.take(8, Some([3, 0])));
        assert!(!trades.take(7, Some([2, 0])), "another trade came between");
        trades.count_anew();
        assert!(!trades.take(7, Some([4, 0])));
        assert!(trades.take(7, Some([4, 0])), "this connection tells it a second time at once");
    }
}
