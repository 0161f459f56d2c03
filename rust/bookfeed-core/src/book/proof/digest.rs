//! SHA-1 of texts, where there are two of both at a time: the rounds of one text wait for each
//! other, those of two do not, so that two digests take little longer than one.

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
    /// The digest of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let (blocks, rest) = text.as_chunks();
        let mut state = START;
        compress(&mut state, blocks);
        Self::going_on(state, text.len(), rest)
    }

    /// The digests of two texts.
    #[must_use]
    pub fn of_both(one: &[u8], other: &[u8]) -> [Self; 2] {
        let ((a, a_rest), (b, b_rest)) = (one.as_chunks(), other.as_chunks());
        let mut states = [START; 2];
        for (a, b) in a.iter().zip(b) {
            compress(&mut states[0], std::slice::from_ref(a));
            compress(&mut states[1], std::slice::from_ref(b));
        }
        let both = a.len().min(b.len());
        compress(&mut states[0], &a[both..]);
        compress(&mut states[1], &b[both..]);
        [Self::going_on(states[0], one.len(), a_rest), Self::going_on(states[1], other.len(), b_rest)]
    }

    /// `rest` is less than a block.
    fn going_on(state: [u32; 5], length: usize, rest: &[u8]) -> Self {
        let mut tail = [0; BLOCK];
        tail[..rest.len()].copy_from_slice(rest);
        Self { state, length: length as u64, tail }
    }

    /// Bytes of the block that is not whole yet.
    fn used(&self) -> usize {
        usize::try_from(self.length % BLOCK as u64).unwrap_or_default()
    }

    /// Goes on with more text.
    pub fn update(&mut self, text: &[u8]) {
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
    pub fn finish(mut self) -> [u8; 20] {
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
            assert_eq!(Digest::of(&text).finish(), plain(&text), "{length}");
            for cut in 0..=length {
                let mut digest = Digest::of(&text[..cut]);
                digest.update(&text[cut..]);
                assert_eq!(digest.finish(), plain(&text), "{length}, cut at {cut}");
            }
        }
    }

    #[test]
    fn two_at_a_time_are_each_what_they_are_alone() {
        for (one, other) in [(0, 0), (0, 500), (64, 63), (128, 640), (1_000, 1_001), (6_430, 6_000)] {
            let texts = [text(one), text(other)];
            let both = Digest::of_both(&texts[0], &texts[1]).map(Digest::finish);
            assert_eq!(both, [plain(&texts[0]), plain(&texts[1])], "{one} and {other}");
        }
    }
}
