//! SHA-1 of a text that comes in pieces, or goes on in several ways.

use sha1::block_api::compress;

/// Bytes of a block.
const BLOCK: usize = 64;
/// Where the length stands in the last block.
const LENGTH_AT: usize = BLOCK - 8;
/// The state before the first block.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The digest of a text that may go on.
#[derive(Clone, Debug)]
pub struct Digest {
    /// After all whole blocks.
    state: [u32; 5],
    /// Bytes so far.
    length: u64,
    /// The block that is not whole yet.
    tail: [u8; BLOCK],
}

impl Digest {
    /// The digest of nothing so far.
    #[must_use]
    pub(super) const fn new() -> Self {
        Self { state: START, length: 0, tail: [0; BLOCK] }
    }

    /// Follows a text from its beginning as it grows: takes in the whole blocks that are new.
    #[inline(always)]
    pub(super) fn follow(&mut self, text: &[u8]) {
        let before = usize::try_from(self.length).unwrap_or(usize::MAX);
        for block in text.get(before..).unwrap_or_default().as_chunks().0 {
            compress(&mut self.state, std::slice::from_ref(block));
            self.length += BLOCK as u64;
        }
    }

    /// Takes in what is left of a text that was followed.
    pub(super) fn end(&mut self, text: &[u8]) {
        self.follow(text);
        let rest = text.as_chunks::<BLOCK>().1;
        self.tail[..rest.len()].copy_from_slice(rest);
        self.length += rest.len() as u64;
    }

    /// Bytes of the block that is not whole yet.
    fn used(&self) -> usize {
        usize::try_from(self.length % BLOCK as u64).unwrap_or_default()
    }

    /// Goes on with more text.
    pub(super) fn update(&mut self, text: &[u8]) {
        let used = self.used();
        self.length += text.len() as u64;
        let Some((fills, rest)) = text.split_at_checked(BLOCK - used) else {
            return self.tail[used..used + text.len()].copy_from_slice(text);
        };
        self.tail[used..].copy_from_slice(fills);
        compress(&mut self.state, &[self.tail]);
        let (blocks, rest) = rest.as_chunks();
        compress(&mut self.state, blocks);
        self.tail[..rest.len()].copy_from_slice(rest);
    }

    /// The digest of the text as it is.
    #[must_use]
    pub(super) fn finish(mut self) -> [u8; 20] {
        let (bits, used) = (8 * self.length, self.used());
        // A single one, zeros, and the length.
        self.tail[used] = 0x80;
        self.tail[used + 1..].fill(0);
        if used >= LENGTH_AT {
            compress(&mut self.state, &[self.tail]);
            self.tail.fill(0);
        }
        self.tail[LENGTH_AT..].copy_from_slice(&bits.to_be_bytes());
        compress(&mut self.state, &[self.tail]);
        let mut digest = [0; 20];
        for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;
    use sha1::{Digest as _, Sha1};

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
    }

    fn plain(text: &[u8]) -> [u8; 20] {
        Sha1::digest(text).into()
    }

    #[test]
    fn texts_of_every_length_in_pieces_of_every_length() {
        for length in 0..200 {
            let text = text(length);
            for cut in 0..=length {
                let mut digest = Digest::new();
                digest.update(&text[..cut]);
                digest.update(&text[cut..]);
                let mut followed = Digest::new();
                followed.follow(&text[..cut / 2]);
                followed.follow(&text[..cut]);
                followed.end(&text);
                assert_eq!(followed.finish(), plain(&text), "{length}, followed to {cut}");
                assert_eq!(digest.finish(), plain(&text), "{length}, cut at {cut}");
            }
        }
    }
}
