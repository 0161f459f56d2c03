//! A piece of a frame that is longer than what is read from it: nothing that is read needs a look at
//! where the frame ends.

use super::json::special_lanes;
use super::quoted::{quoted_below_one, quoted_size};
use crate::fixed::{Decimal, PRICE_DECIMALS, QTY_DECIMALS, quoted_unsigned};
use crate::span::{Kind, Value};

/// Places that may be read from; what is read must fit behind the last of them.
const REACH: usize = 64;

/// `N` bytes of a frame, and a place among the first of them.
#[derive(Debug)]
pub(crate) struct Window<'a, const N: usize> {
    bytes: &'a [u8; N],
    at: usize,
}

impl<'a, const N: usize> Window<'a, N> {
    /// The next bytes of a frame, if there are enough.
    #[inline(always)]
    pub(crate) fn new(rest: &'a [u8]) -> Option<Self> {
        Some(Self { bytes: rest.first_chunk()?, at: 0 })
    }

    /// How many bytes were taken; `None` if some of them were read from beyond the reach, where
    /// something else stood.
    #[inline(always)]
    pub(crate) fn taken(&self, last: usize) -> Option<usize> {
        (self.at.wrapping_sub(last) < REACH).then_some(self.at)
    }

    /// The bytes that stand here. Beyond the reach they are others: whoever reads them finds out from
    /// [`Self::taken`].
    #[inline(always)]
    fn here<const M: usize>(&self) -> Option<&'a [u8; M]> {
        const { assert!(REACH - 1 + M <= N) }
        self.bytes.get(self.at & (REACH - 1)..)?.first_chunk()
    }

    /// Takes a text that stands here, in one of two spellings.
    #[inline(always)]
    pub(crate) fn member<const M: usize, const S: usize>(
        &mut self,
        tight: &[u8; M],
        spaced: &[u8; S],
    ) -> Option<()> {
        if self.literal(tight) || self.literal(spaced) { Some(()) } else { None }
    }

    /// Takes a text if it stands here.
    #[inline(always)]
    pub(crate) fn literal<const M: usize>(&mut self, text: &[u8; M]) -> bool {
        let found = self.here::<M>() == Some(text);
        self.at = self.at.wrapping_add(if found { M } else { 0 });
        found
    }

    /// Takes a price and the quote behind it.
    #[inline(always)]
    pub(crate) fn price(&mut self) -> Option<Decimal> {
        let (price, taken) = match quoted_below_one(self.here()?) {
            Some(read) => read,
            None => other_decimal::<PRICE_DECIMALS>(self.here()?)?,
        };
        self.at = self.at.wrapping_add(taken);
        Some(price)
    }

    /// Takes a size and the quote behind it.
    #[inline(always)]
    pub(crate) fn size(&mut self) -> Option<Decimal> {
        let (size, taken) = match quoted_size(self.here()?) {
            Some(read) => read,
            None => other_decimal::<QTY_DECIMALS>(self.here()?)?,
        };
        self.at = self.at.wrapping_add(taken);
        Some(size)
    }

    /// Takes a hash of forty characters and the quote behind it; `begin` is where the window begins.
    #[inline(always)]
    pub(crate) fn hash(&mut self, begin: usize) -> Option<Value> {
        let text: &[u8; 41] = self.here()?;
        let [first @ .., quote] = text;
        let special = special_lanes(first.first_chunk()?)
            | special_lanes(first.get(16..)?.first_chunk()?)
            | special_lanes(first.last_chunk()?);
        if special.move_mask() != 0 || *quote != b'"' {
            return None;
        }
        let start = begin.wrapping_add(self.at);
        self.at = self.at.wrapping_add(text.len());
        // Offsets fit 32 bits: a longer frame is refused before it is read.
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(start.wrapping_add(40)).ok()?);
        Some(Value { start, end, kind: Kind::Text })
    }
}

#[inline(never)]
fn other_decimal<const SCALE: u32>(text: &[u8; 24]) -> Option<(Decimal, usize)> {
    quoted_unsigned::<SCALE>(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8; 128] = b"\"price\":\"0.441\", \"size\":\"12.5\",\"hash\":\"\
0123456789012345678901234567890123456789\",\"x\":\"0.25\"                                     ";

    #[test]
    fn it_takes_what_stands_there() {
        let mut window: Window<'_, 128> = Window::new(TEXT).unwrap();
        assert!(!window.literal(b"\"size"));
        assert!(window.literal(b"\"price\":\""));
        assert_eq!(window.price().unwrap().value, 441_000_000);
        assert_eq!(window.member(b",\"size\":\"", b", \"size\":\""), Some(()));
        assert_eq!(window.size().unwrap().value, 1_250_000_000);
        assert_eq!(window.member(b",\"side\":\"", b", \"side\":\""), None);
        assert!(window.literal(b",\"hash\":\""));
        let before = window.at;
        assert_eq!(window.taken(0), Some(before));
        let hash = window.hash(1_000).unwrap();
        assert_eq!((hash.start, hash.end), (1_000 + u32::try_from(before).unwrap(), hash.start + 40));
        assert_eq!((window.taken(41), window.taken(0)), (Some(before + 41), None));
        assert!(Window::<'_, 129>::new(TEXT).is_none());
    }

    #[test]
    fn what_stands_beyond_the_reach_is_not_taken_for_what_stands_here() {
        let mut text = *TEXT;
        text[..9].copy_from_slice(b"0.125\",\"a");
        let mut window: Window<'_, 128> = Window::new(&text).unwrap();
        window.at = REACH;
        assert_eq!(window.price().unwrap().value, 125_000_000, "of the wrong place");
        assert_eq!(window.taken(6), None);
    }
}
