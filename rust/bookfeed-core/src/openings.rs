//! How frames begin: a text that was read once says the same when it comes again, byte for byte. A
//! decoder that knows the beginning of a frame finds its instrument without reading it.

use crate::instrument::{InstrumentId, Instruments};

/// Most beginnings that are kept.
const KEPT_MAX: usize = 1 << 17;

/// Beginnings of frames, each in the place that its key gives it, or in the one beside it: a third one
/// takes a place over. What is not found here is read.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    places: Vec<Opening>,
}

#[derive(Clone, Debug, Default)]
struct Opening {
    /// The text; empty where nothing is kept.
    text: Vec<u8>,
    id: InstrumentId,
    /// The number of the instrument it names: ids are given out again.
    number: u32,
}

impl Opening {
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        !self.text.is_empty() && text.get(..self.text.len()) == Some(&self.text[..])
    }
}

impl Openings {
    /// The instrument that the beginning of `text` names, and how long that beginning is, if it is
    /// kept under `key`.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        key: u64,
        text: &[u8],
        instruments: &Instruments,
    ) -> Option<(InstrumentId, usize)> {
        let at = place(key, self.places.len())?;
        let opening = match self.places.get(at)? {
            first if first.begins(text) => first,
            _ => self.places.get(at ^ 1).filter(|beside| beside.begins(text))?,
        };
        let (id, length) = (opening.id, opening.text.len());
        (instruments.at(id)?.number == opening.number).then_some((id, length))
    }

    /// Keeps the beginning of a frame, which names an instrument and nothing else.
    #[cold]
    #[inline(never)]
    pub(crate) fn keep(&mut self, key: u64, text: &[u8], id: InstrumentId, instruments: &Instruments) {
        let wanted = (instruments.len() * 2).next_power_of_two().min(KEPT_MAX);
        if self.places.len() < wanted {
            self.places = vec![Opening::default(); wanted];
        }
        let Some(at) = place(key, self.places.len()) else { return };
        let beside = self.places.get(at ^ 1).is_some_and(|beside| beside.text.is_empty());
        let taken = self.places.get(at).is_some_and(|first| !first.text.is_empty());
        let at = self.places.get_mut(if taken && beside { at ^ 1 } else { at });
        // Text of other bytes than these is checked where it ends.
        if let (Some(opening), Some(about), true) = (at, instruments.at(id), text.is_ascii()) {
            (opening.id, opening.number) = (id, about.number);
            opening.text.clear();
            opening.text.extend_from_slice(text);
        }
    }
}

/// A number made of the words that stand at these places in a text; `None` if it is shorter.
#[inline(always)]
pub(crate) fn key<const N: usize>(text: &[u8], places: [usize; N]) -> Option<u64> {
    let mut key = 0u64;
    for at in places {
        let word = u64::from_le_bytes(*text.get(at..)?.first_chunk()?);
        key = (key.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Some(key)
}

/// The place of a key among so many, a power of two.
#[inline(always)]
fn place(key: u64, places: usize) -> Option<usize> {
    let mask = places.checked_sub(1)?;
    #[allow(clippy::cast_possible_truncation)] // any bits will do, and the upper ones are mixed best
    let upper = (key >> 32) as usize;
    Some(upper & mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Instrument, Venue};

    fn instruments(symbols: &[&str]) -> Instruments {
        let mut all = Instruments::default();
        for symbol in symbols {
            all.add(Instrument::new(Venue(0), symbol, 0)).unwrap();
        }
        all
    }

    #[test]
    fn the_same_beginning_names_the_same_instrument() {
        let all = instruments(&["A", "B"]);
        let mut openings = Openings::default();
        assert_eq!(openings.find(7, b"about A: 1", &all), None);
        openings.keep(7, b"about A", 0, &all);
        assert_eq!(openings.find(7, b"about A: 1", &all), Some((0, 7)));
        assert_eq!(openings.find(7, b"about B: 1", &all), None);
        assert_eq!(openings.find(7, b"about", &all), None, "it is cut off");
        assert_eq!(openings.find(7, b"", &all), None);
        openings.keep(7, b"about B", 1, &all);
        assert_eq!(openings.find(7, b"about B: 1", &all), Some((1, 7)));
        assert_eq!(openings.find(7, b"about A: 1", &all), Some((0, 7)), "there is room for two");
        openings.keep(7, b"on B", 1, &all);
        assert_eq!(openings.find(7, b"on B: 1", &all), Some((1, 4)));
        assert_eq!(openings.find(7, b"about A: 1", &all), None, "a third one took its place");
        openings.keep(7, "about \u{e9}".as_bytes(), 0, &all);
        assert_eq!(openings.find(7, "about \u{e9}".as_bytes(), &all), None);
    }

    #[test]
    fn an_id_that_is_given_out_again_is_not_found_by_what_named_the_one_before() {
        let mut all = instruments(&["A"]);
        let mut openings = Openings::default();
        openings.keep(7, b"about A", 0, &all);
        all.remove(0);
        assert_eq!(openings.find(7, b"about A: 1", &all), None);
        assert_eq!(all.add(Instrument::new(Venue(0), "B", 0)), Some(0));
        assert_eq!(openings.find(7, b"about A: 1", &all), None);
    }

    #[test]
    fn there_is_room_for_all_instruments() {
        let symbols: Vec<String> = (0..100u32).map(|n| n.to_string()).collect();
        let all = instruments(&symbols.iter().map(String::as_str).collect::<Vec<_>>());
        let mut openings = Openings::default();
        for (id, symbol) in (0..).zip(&symbols) {
            let text = format!("{symbol:0>16}");
            let key = key(text.as_bytes(), [0, 8]).unwrap();
            openings.keep(key, text.as_bytes(), id, &all);
            assert_eq!(openings.find(key, text.as_bytes(), &all), Some((id, 16)));
        }
        assert_eq!(openings.places.len(), 256);
        assert_eq!(key(b"short", [0]), None);
    }
}
