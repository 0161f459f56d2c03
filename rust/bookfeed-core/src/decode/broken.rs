//! Frames that are no JSON, read as far as that goes: was one a broadcast that concerns nobody
//! here? Venues tell everybody of markets they open and close, and a title that is not printed as
//! it should be is no reason to give up books it says nothing of. Whatever is not certain leaves
//! the frame what it was: about any book of its connection.

use super::Payload;
use super::json::{self, Cursor, JsonErrorKind};
use crate::event::{Body, Message, Place};
use crate::fixed::ABSENT;
use crate::instrument::{Instruments, Venue};
use crate::span::{Kind, Value};
use std::collections::HashSet;

/// What a venue reads in a frame that is no JSON: the message it was, if it was a broadcast about
/// nobody who is subscribed; else `None`.
pub type ReadBroken = fn(&Payload, &Instruments) -> Option<Message>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One object that is broken somewhere inside.
#[derive(Debug)]
pub(crate) struct Broken<'a> {
    bytes: &'a [u8],
}

impl<'a> Broken<'a> {
    /// The frame, if it is one object, as far as it goes: what follows an object, or is one of
    /// many, may be a message of its own.
    pub(crate) fn object(bytes: &'a [u8]) -> Option<Self> {
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let error = json::check(text).err().map(|error| error.kind);
        let one = !matches!(error, Some(JsonErrorKind::Trailing | JsonErrorKind::Length));
        (one && text.trim_ascii_start().first() == Some(&b'{')).then_some(Self { bytes })
    }

    /// The value of the member called `name`, if that stands in the frame once and what follows
    /// it can be read.
    pub(crate) fn member(&self, name: &str) -> Option<Value> {
        let mut found = self.keys(name);
        let (value, other) = (found.next()?, found.next());
        let mut cursor = Cursor::new(self.bytes).ok().filter(|_| other.is_none())?;
        cursor.rewind(value);
        cursor.scalar().ok()
    }

    /// The text of such a member, if it has one without escapes: letters, digits and what joins
    /// them in names.
    pub(crate) fn name(&self, name: &str) -> Option<&'a [u8]> {
        let text = self.member(name).filter(|value| value.kind == Kind::Text)?.raw(self.bytes);
        (!text.is_empty() && text.iter().all(|&b| of_a_name(b))).then_some(text)
    }

    /// Whether any of these names of members stands in it.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.keys(name).next().is_some())
    }

    /// Whether it names an instrument that is subscribed, or its market, anywhere in it: escapes
    /// resolved or as they stand, in capitals or not.
    pub(crate) fn names_any(&self, venue: Venue, instruments: &Instruments) -> bool {
        let (all, mut scratch) = (u32::try_from(self.bytes.len()).unwrap_or(u32::MAX), Vec::new());
        let resolved = Value { start: 0, end: all, kind: Kind::Escaped }.text(self.bytes, &mut scratch);
        let mut said = HashSet::new();
        for text in [self.bytes, resolved] {
            // A name may stand in a longer word, as in an address of the web.
            said.extend(text.split(|&b| !of_a_name(b)).map(<[u8]>::to_ascii_lowercase));
            said.extend(text.split(|b| !b.is_ascii_alphanumeric()).map(<[u8]>::to_ascii_lowercase));
        }
        instruments.iter().filter(|(_, i)| i.venue == venue).any(|(_, i)| {
            let names = [Some(&i.symbol), i.market.as_ref(), i.market_id.as_ref()];
            names.into_iter().flatten().any(|name| said.contains(&name.as_bytes().to_ascii_lowercase()))
        })
    }

    /// Where the values of members of this name begin.
    fn keys(&self, name: &str) -> impl Iterator<Item = usize> {
        let key = format!("\"{name}\"");
        let ends =
            move |(at, window): (usize, &[u8])| (window == key.as_bytes()).then_some(at + key.len());
        let value = |end: usize| {
            let rest = self.bytes.get(end..)?;
            let gap = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            (rest.get(gap) == Some(&b':')).then_some(end + gap + 1)
        };
        self.bytes.windows(name.len() + 2).enumerate().filter_map(ends).filter_map(value)
    }
}

/// Whether a byte can stand in a name: an asset, a market, a ticker, a pair.
fn of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte)
}

/// A message that was read in a broken frame: nothing is known of it but that it was there.
pub(crate) fn heard(place: Place, body: Body) -> Message {
    Message { ts_event: ABSENT, market: Value::default(), place, body }
}
