//! Bytes to events: one file per venue, all of them on one strict JSON cursor.

pub mod json;
pub mod kalshi;
pub mod polymarket;
pub mod polymarket_hash;

use crate::event::Frame;
use crate::instrument::Instruments;
use json::JsonError;
use std::collections::BTreeMap;

/// The venues whose messages can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Venue {
    /// Polymarket, the CLOB market channel.
    Polymarket,
    /// Kalshi, the WebSocket of version 2.
    Kalshi,
}

impl Venue {
    /// Every venue, in order of code.
    pub const ALL: [Self; 2] = [Self::Polymarket, Self::Kalshi];

    /// The venue's name in configuration, records and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polymarket => "polymarket",
            Self::Kalshi => "kalshi",
        }
    }

    /// The venue called `name`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }

    /// Whether its messages are numbered, so that a whole book in the stream needs no stitching.
    #[must_use]
    pub const fn numbers_messages(self) -> bool {
        matches!(self, Self::Kalshi)
    }

    /// Names of the message types the venue's decoder knows, in order of their counters.
    #[must_use]
    pub const fn message_names(self) -> &'static [&'static str] {
        match self {
            Self::Polymarket => &polymarket::MESSAGE_NAMES,
            Self::Kalshi => &kalshi::MESSAGE_NAMES,
        }
    }
}

/// Where a payload came from: the stream, or a REST answer with the same shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A WebSocket frame.
    Stream,
    /// A REST body.
    Rest,
}

/// What the meaning of a connection's messages depends on besides their text: chosen when it
/// subscribed, and recorded with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Kalshi: whether prices of the `no` side are stated as YES prices (`use_yes_price`).
    pub yes_prices: bool,
}

/// Decodes one payload of `venue` into `frame`, counting message types in `tally`.
///
/// # Errors
/// [`JsonError`] if the payload is neither a text the venue sends nor JSON; then `frame`
/// must not be applied. What is wrong with a well-formed message is in its body instead.
#[inline]
pub fn decode(
    venue: Venue,
    dialect: Dialect,
    source: Source,
    payload: &[u8],
    instruments: &Instruments,
    frame: &mut Frame,
    tally: &mut Tally,
) -> Result<(), JsonError> {
    match venue {
        Venue::Polymarket => polymarket::decode(source, payload, instruments, frame, tally),
        Venue::Kalshi => kalshi::decode(dialect, source, payload, instruments, frame, tally),
    }
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
    #[inline]
    fn count(&mut self, kinds: &[u8]) {
        for &kind in kinds {
            if let Some(n) = self.known.get_mut(usize::from(kind)) {
                *n += 1;
            }
        }
    }

    #[cold]
    fn count_unknown(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name.get(..64).unwrap_or(name));
        if let Some(n) = self.unknown.get_mut(&*name) {
            *n += 1;
        } else if self.unknown.len() < UNKNOWN_NAMES {
            self.unknown.insert(Box::from(&*name), 1);
        } else {
            self.unknown_rest += 1;
        }
    }

    /// Counts by message type; types never met are left out.
    #[must_use]
    pub fn by_name(&self, venue: Venue) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = venue
            .message_names()
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
