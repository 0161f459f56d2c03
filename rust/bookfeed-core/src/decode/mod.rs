//! Bytes to events: what the decoders of all venues share. The decoders themselves stand with
//! their venues, in [`crate::venue`].

pub(crate) mod broken;
mod digits;
pub mod json;
mod quoted;
pub mod read;
pub(crate) mod sided;
pub mod stamp;
pub(crate) mod window;

pub use broken::ReadBroken;

use crate::event::Frame;
use crate::instrument::{InstrumentId, Instruments};
use json::JsonError;
use std::collections::BTreeMap;

/// Where a payload came from: the stream, or a REST answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A WebSocket frame.
    Stream,
    /// A REST body.
    Rest,
}

/// What the meaning of a connection's messages depends on besides their text: how it was
/// subscribed, as the number of one of the modes that the venue's row lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode(pub u8);

/// Bytes to decode, and what is known of them besides.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they came from.
    pub source: Source,
    /// How their connection was subscribed.
    pub mode: Mode,
    /// The instrument they are about, where whoever asked for them knows it and the bytes do
    /// not say so; else `UNKNOWN`.
    pub about: InstrumentId,
    /// Whether what is spelled as the venue spells it is read the fast way. What is read is the
    /// same either way.
    pub fast: bool,
}

/// A venue's decoder: reads one payload into `frame`, and counts message types in `tally`.
///
/// It gives a [`JsonError`] if the payload is neither a text the venue sends nor JSON; then
/// `frame` must not be applied. What is wrong with a well-formed message is in its body instead.
pub type Decode = fn(&Payload, &Instruments, &mut Frame, &mut Tally) -> Result<(), JsonError>;

/// Most bytes of a remark.
const REMARK_BYTES_MAX: usize = 64;

/// What a bare text says, trimmed, if it is no more than words (or blank): one printable line
/// without a bracket, a brace or a quote inside, so that it cannot be market data, nor a piece of
/// it. Of a frame without a byte nobody knows what it was.
#[cold]
pub(crate) fn remark(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?.trim();
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let words = |c: char| !c.is_control() && !matches!(c, '{' | '}' | '[' | ']' | '"');
    let size = 1..=REMARK_BYTES_MAX;
    (size.contains(&bytes.len()) && inner.chars().all(words)).then_some(inner)
}

/// Most names of unknown message types that are kept apart.
const UNKNOWN_NAMES: usize = 32;

/// Messages counted by type. Unknown types are counted by name, up to a bound.
#[derive(Debug, Default)]
pub struct Tally {
    known: [u64; 32],
    unknown: BTreeMap<Box<str>, u64>,
    unknown_rest: u64,
}

impl Tally {
    /// Counts the messages of a frame that proved whole.
    #[inline]
    pub(crate) fn count(&mut self, kinds: &[u8]) {
        for &kind in kinds {
            if let Some(n) = self.known.get_mut(usize::from(kind)) {
                *n += 1;
            }
        }
    }

    /// Counts a message of a type that the decoder does not know.
    #[cold]
    pub(crate) fn count_unknown(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name.get(..64).unwrap_or(name));
        if let Some(n) = self.unknown.get_mut(&*name) {
            *n += 1;
        } else if self.unknown.len() < UNKNOWN_NAMES {
            self.unknown.insert(Box::from(&*name), 1);
        } else {
            self.unknown_rest += 1;
        }
    }

    /// Counts a bare text that says nothing of any book.
    #[cold]
    pub(crate) fn count_remark(&mut self, text: &str) {
        self.count_unknown(if text.is_empty() { b"blank" } else { text.as_bytes() });
    }

    /// Counts by message type, which the decoder numbers as `names` lists them; types never met
    /// are left out.
    #[must_use]
    pub fn by_name(&self, names: &[&str]) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = names
            .iter()
            .zip(self.known)
            .filter(|&(_, n)| n > 0)
            .map(|(name, n)| ((*name).to_owned(), n))
            .collect();
        for (name, n) in &self.unknown {
            counts.insert(format!("unknown:{name}"), *n);
        }
        if self.unknown_rest > 0 {
            counts.insert("unknown".to_owned(), self.unknown_rest);
        }
        counts
    }

    /// Messages of a type the decoder does not know.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.values().sum::<u64>() + self.unknown_rest
    }
}
