//! A checksum over the best levels of both sides as printed: CRC-32 of the ten best
//! asks, the best first, then of the ten best bids, the best first; each level is its price and
//! its size, each without the point and without zeros in front. Zeros behind count, so the form
//! in which a number was printed matters.
//!
//! Little changes from one message to the next. [`Crc32Memory`] keeps the text of each side, and
//! only levels that are new there are printed.

use super::Proved;
use crate::book::side::BookSide;
use crate::event::Level;
use crate::fixed::{Form, POW10, PRICE_DECIMALS, QTY_DECIMALS, write_digits};
use std::ops::Range;

/// Levels of a side that the checksum covers.
pub const DEPTH: usize = 10;

/// What was printed for the last check of one book. An empty one serves any book as well.
#[derive(Clone, Debug, Default)]
pub struct Crc32Memory {
    asks: Printed,
    bids: Printed,
    /// CRC of the asks' text.
    crc_of_asks: u32,
    /// CRC of both texts.
    crc: u32,
}

/// Compares `claim` with the checksum of a book.
#[inline]
#[must_use]
pub fn check(bids: &BookSide, asks: &BookSide, claim: u32, memory: &mut Crc32Memory) -> Proved {
    if memory.checksum(bids, asks) == claim { Proved::Match } else { Proved::Mismatch }
}

impl Crc32Memory {
    /// The checksum of a book.
    #[inline]
    #[must_use]
    pub fn checksum(&mut self, bids: &BookSide, asks: &BookSide) -> u32 {
        let (new_asks, new_bids) = (self.asks.follow(asks), self.bids.follow(bids));
        if new_asks {
            self.crc_of_asks = crc32(0, &self.asks.text);
        }
        if new_asks || new_bids {
            self.crc = crc32(self.crc_of_asks, &self.bids.text);
        }
        self.crc
    }
}

/// The CRC of all text up to the end of `text`, if that of what comes before it is `before`.
fn crc32(before: u32, text: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(text);
    hasher.finalize()
}

/// The best levels of a side, the best first, and their text.
#[derive(Clone, Debug, Default)]
struct Printed {
    lines: Lines,
    text: Vec<u8>,
    /// Where the next text is put together.
    spare: Vec<u8>,
}

/// Some levels, and where the text of each ends.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    levels: [Level; DEPTH],
    ends: [usize; DEPTH],
    count: usize,
}

impl Lines {
    fn levels(&self) -> &[Level] {
        &self.levels[..self.count]
    }

    /// Where the text of a level begins.
    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] }
    }

    fn push(&mut self, level: Level, end: usize) {
        (self.levels[self.count], self.ends[self.count]) = (level, end);
        self.count += 1;
    }
}

impl Printed {
    /// Makes the text that of the side's best levels. Returns whether it had to change.
    #[inline]
    fn follow(&mut self, side: &BookSide) -> bool {
        let best = side.nearest::<DEPTH>();
        if best.iter().rev().eq(self.lines.levels()) {
            return false;
        }
        self.print(best);
        true
    }

    /// Puts the text together anew: levels that stay keep their order, so what is printed of
    /// them is taken over in runs.
    fn print(&mut self, best: &[Level]) {
        let old = self.lines;
        self.lines.count = 0;
        self.spare.clear();
        let mut run = 0..0;
        for level in best.iter().rev() {
            let stays = old.levels()[run.end..].iter().position(|known| known == level);
            if stays != Some(0) {
                self.take_over(&old, run.clone());
                run.start = run.end + stays.unwrap_or(0);
                run.end = run.start;
            }
            if stays.is_some() {
                run.end += 1;
                let end = self.spare.len() + old.ends[run.end - 1] - old.start(run.start);
                self.lines.push(*level, end);
            } else {
                write_token::<PRICE_DECIMALS>(&mut self.spare, level.price, level.forms.0);
                write_token::<QTY_DECIMALS>(&mut self.spare, level.qty, level.forms.1);
                self.lines.push(*level, self.spare.len());
            }
        }
        self.take_over(&old, run);
        std::mem::swap(&mut self.text, &mut self.spare);
    }

    /// Appends the old text of some levels to the new one.
    fn take_over(&mut self, old: &Lines, run: Range<usize>) {
        if !run.is_empty() {
            let text = &self.text[old.start(run.start)..old.ends[run.end - 1]];
            self.spare.extend_from_slice(text);
        }
    }
}

/// Appends the digits of a number as printed, without its point and the zeros in front.
fn write_token<const SCALE: u32>(out: &mut Vec<u8>, value: i64, form: Form) {
    let value = value.unsigned_abs();
    if value == 0 {
        return;
    }
    let printed = form.fraction_digits();
    if printed >= SCALE {
        write_digits(out, value);
        return out.resize(out.len() + (printed - SCALE) as usize, b'0');
    }
    // A form with fewer digits than the value has, which no venue's text makes, is widened.
    let mut dropped = SCALE - printed;
    while !value.is_multiple_of(POW10[dropped as usize]) {
        dropped -= 1;
    }
    write_digits(out, value / POW10[dropped as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{parse_price, parse_qty};

    fn token(text: &str) -> String {
        let mut out = Vec::new();
        let number = parse_price(text.as_bytes()).unwrap();
        write_token::<PRICE_DECIMALS>(&mut out, number.value, number.form);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tokens_are_the_digits_as_printed() {
        for (text, digits) in [
            ("45285.2", "452852"),
            ("45281.0", "452810"),
            ("0.05005", "5005"),
            ("0.10000000", "10000000"),
            (".5", "5"),
            ("7", "7"),
            ("700", "700"),
            ("0.000022900", "22900"),
            ("0.0000000010000", "10000"),
            ("1.00000000000", "100000000000"),
            ("9223372036.854775807", "9223372036854775807"),
        ] {
            assert_eq!(token(text), digits, "{text}");
        }
    }

    #[test]
    fn a_form_too_short_for_its_value_is_widened() {
        let mut out = Vec::new();
        write_token::<QTY_DECIMALS>(&mut out, 150_000_000, Form::with_fraction(0));
        assert_eq!(out, b"15");
        let qty = parse_qty(b"0.5").unwrap();
        write_token::<QTY_DECIMALS>(&mut out, qty.value, Form::with_fraction(31));
        assert_eq!(out.len(), 2 + 31);
    }
}
