//! The text that a hash of the whole book covers, up to its `asks`, digested as it is printed.
//!
//! The rounds of a digest wait for each other, and nothing waits for them: so the processor prints
//! the next levels meanwhile, and makes the rounds of another book's digest. What is digested was
//! printed some levels before, for bytes that have just been stored are slow to load.

use super::digest::Digest;
use crate::book::side::{BookSide, Runs};
use crate::event::Level;
use crate::fixed::{
    DIGITS_MAX, PRICE_DECIMALS, QTY_DECIMALS, digits_of, put_hundredths, put_usual, thousandths,
    write_decimal,
};
use crate::time::{MILLISECOND, Nanos};
use std::slice::Iter;

/// The book a hash is claimed for.
#[derive(Clone, Copy, Debug)]
pub struct Book<'a> {
    /// The venue's name of the market.
    pub market: &'a [u8],
    /// The venue's name of the asset.
    pub asset: &'a [u8],
    /// The message's own time.
    pub ts_event: Nanos,
    /// Bids, as they stand after the message.
    pub bids: &'a BookSide,
    /// Asks, likewise.
    pub asks: &'a BookSide,
}

const ASKS: &[u8] = b",\"asks\":[";
/// Room for all besides names and levels.
const HEAD_ROOM: usize = 160;
/// Room for a level, whatever its numbers.
const ROOM: usize = 128;
/// Levels that are printed at once: about a block of text.
const LEVELS: usize = 2;
/// Bytes that wait before they are digested. They hold a comma that may have to go.
const WAITING: usize = 128;

/// A book on its way through print and digest.
struct Printer<'a> {
    text: &'a mut [u8],
    /// Bytes that are printed.
    end: usize,
    /// Of the beginning of it.
    digest: Digest,
    /// Levels of this side that are not printed yet, as far as they lie together.
    levels: Iter<'a, Level>,
    /// The others of this side.
    others: Runs<'a>,
    /// The other side, until it is this one's turn.
    asks: Option<Runs<'a>>,
}

impl Book<'_> {
    /// Bytes that its text takes at most.
    fn room(&self) -> usize {
        let levels = self.bids.len() + self.asks.len();
        HEAD_ROOM + self.market.len() + self.asset.len() + ROOM * levels
    }

    /// The digest of its text. `text` is scratch memory.
    #[must_use]
    pub fn digest(&self, text: &mut Vec<u8>) -> Digest {
        let mut printer = Printer::new(self, room_in(text, self.room()));
        while printer.step() {}
        printer.finish()
    }

    /// The digests of this book's text and of another's, which take little longer than one.
    #[must_use]
    pub fn digest_with(&self, other: &Self, text: &mut Vec<u8>) -> [Digest; 2] {
        let (one, two) = room_in(text, self.room() + other.room()).split_at_mut(self.room());
        let (mut one, mut two) = (Printer::new(self, one), Printer::new(other, two));
        while one.step() & two.step() {}
        [one, two].map(|mut printer| {
            while printer.step() {}
            printer.finish()
        })
    }
}

/// So many bytes of scratch memory; what is in them is of no use.
fn room_in(text: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if text.len() < bytes {
        text.resize(bytes, 0);
    }
    &mut text[..bytes]
}

impl<'a> Printer<'a> {
    fn new(book: &Book<'a>, text: &'a mut [u8]) -> Self {
        let (others, asks) = (book.bids.levels().runs(), Some(book.asks.levels().runs()));
        let mut new = Self { text, end: 0, digest: Digest::new(), levels: [].iter(), others, asks };
        new.next_run();
        let mut digits = [0; DIGITS_MAX];
        let ms = digits_of(u64::try_from(book.ts_event / MILLISECOND).unwrap_or(0), &mut digits);
        for part in [
            b"{\"market\":\"",
            book.market,
            b"\",\"asset_id\":\"",
            book.asset,
            b"\",\"timestamp\":\"",
            ms,
            b"\",\"hash\":\"\",\"bids\":[",
        ] {
            new.put(part);
        }
        new
    }

    fn put(&mut self, part: &[u8]) {
        self.text[self.end..][..part.len()].copy_from_slice(part);
        self.end += part.len();
    }

    /// Prints the next levels, and digests what has waited. Says whether there is more to print.
    #[inline(always)]
    fn step(&mut self) -> bool {
        for _ in 0..LEVELS {
            let Some(level) = self.levels.next() else { break };
            let room = self.text.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut);
            match room.and_then(|room| print_usual(room, level)) {
                Some(length) => self.end += length,
                None => self.print_unusual(level),
            }
        }
        let more = !self.levels.as_slice().is_empty() || self.next_run() || self.next_side();
        self.digest.follow(&self.text[..self.end.saturating_sub(WAITING)]);
        more
    }

    fn next_run(&mut self) -> bool {
        let Some(run) = self.others.find(|run| !run.is_empty()) else { return false };
        self.levels = run.iter();
        true
    }

    fn next_side(&mut self) -> bool {
        let Some(asks) = self.asks.take() else { return false };
        self.close();
        self.put(ASKS);
        self.others = asks;
        self.next_run();
        true
    }

    /// Ends a side. There is a comma behind each level.
    fn close(&mut self) {
        self.end -= usize::from(self.text[self.end - 1] == b',');
        self.put(b"]");
    }

    fn finish(mut self) -> Digest {
        self.close();
        self.digest.end(&self.text[..self.end]);
        self.digest
    }

    /// Prints a level of any form.
    #[cold]
    fn print_unusual(&mut self, level: &Level) {
        let room = self.text.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut);
        if let Some(length) = room.and_then(|room| print_less_usual(room, level)) {
            self.end += length;
            return;
        }
        let mut line = b"{\"price\":\"".to_vec();
        write_decimal(&mut line, level.price, PRICE_DECIMALS, level.forms.0);
        line.extend_from_slice(b"\",\"size\":\"");
        write_decimal(&mut line, level.qty, QTY_DECIMALS, level.forms.1);
        line.extend_from_slice(b"\"},");
        self.put(&line);
    }
}

/// Prints `{"price":"0.3","size":"5005"},`, and says how many bytes that takes; `None` for numbers
/// that are printed in an unusual form.
#[inline(always)]
fn print_usual(room: &mut [u8; ROOM], level: &Level) -> Option<usize> {
    let mut at = put(room, 0, b"{\"price\":\"0.")?;
    let (text, digits) = thousandths(level.price, level.forms.0)?;
    put(room, at, &text)?;
    at = put(room, at + digits, b"\",\"size\":\"")?;
    at += put_hundredths(room.get_mut(at..)?.first_chunk_mut()?, level.qty, level.forms.1)?;
    put(room, at, b"\"}, ").map(|end| end - 1)
}

/// Likewise in less usual forms.
#[inline(never)]
fn print_less_usual(room: &mut [u8; ROOM], level: &Level) -> Option<usize> {
    let mut at = put(room, 0, b"{\"price\":\"")?;
    let out = room.get_mut(at..)?.first_chunk_mut()?;
    at += put_usual::<PRICE_DECIMALS>(out, level.price, level.forms.0)?;
    at = put(room, at, b"\",\"size\":\"")?;
    let out = room.get_mut(at..)?.first_chunk_mut()?;
    at += put_usual::<QTY_DECIMALS>(out, level.qty, level.forms.1)?;
    put(room, at, b"\"},")
}

/// Puts a text of fixed length where it belongs, and says where it ends.
#[inline(always)]
fn put<const N: usize>(room: &mut [u8; ROOM], at: usize, text: &[u8; N]) -> Option<usize> {
    *room.get_mut(at..)?.first_chunk_mut()? = *text;
    Some(at + N)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;
    use crate::fixed::{Form, parse_price, parse_qty};
    use sha1::{Digest as _, Sha1};

    /// Levels as a venue might print them: usual ones, and of every odd form.
    fn side(side: Side, count: usize) -> (BookSide, Vec<(String, String)>) {
        let prices = ["0.{}", "0.{}0", ".{}", "{}", "{}.000000001", "0.{}00000000000000000000"];
        let sizes = ["{}", "{}.5", "{}.25", "{}.00", "{}.12345678", "9{}00000", "{}.2500000000000000"];
        let mut printed: Vec<(String, String)> = (0..count)
            .map(|i| {
                let number = (101 + i).to_string();
                let of = |forms: &[&str]| forms[i % 11 % forms.len()].replace("{}", &number);
                (of(&prices), of(&sizes))
            })
            .collect();
        let value = |text: &str| parse_price(text.as_bytes()).unwrap();
        printed.sort_by_key(|(price, _)| value(price).value);
        printed.dedup_by_key(|(price, _)| value(price).value);
        if side == Side::Ask {
            printed.reverse();
        }
        let mut levels = BookSide::new(side);
        for (price, size) in &printed {
            let (price, size) = (value(price), parse_qty(size.as_bytes()).unwrap());
            let forms = (price.form, size.form);
            levels.set(Level { price: price.value, qty: size.value, forms });
        }
        (levels, printed)
    }

    fn line(levels: &[(String, String)]) -> String {
        let all = levels.iter().map(|(p, s)| format!(r#"{{"price":"{p}","size":"{s}"}}"#));
        all.collect::<Vec<_>>().join(",")
    }

    #[test]
    fn the_digest_is_that_of_the_text_however_long_alone_and_with_another() {
        let mut text = Vec::new();
        let mut before: Option<(usize, usize, [u8; 20])> = None;
        for (bids, asks) in
            [(0, 0), (0, 1), (1, 0), (2, 3), (97, 97), (400, 7), (33, 250), (5, 4), (4_500, 9)]
        {
            let digest = |text: &mut Vec<u8>, bids, asks, with: Option<(usize, usize)>| {
                let ((b, printed_b), (a, printed_a)) = (side(Side::Bid, bids), side(Side::Ask, asks));
                let book = Book { market: b"0xab", asset: b"123", ts_event: 0, bids: &b, asks: &a };
                let strict = format!(
                    r#"{{"market":"0xab","asset_id":"123","timestamp":"0","hash":"","bids":[{}],"asks":[{}]"#,
                    line(&printed_b),
                    line(&printed_a)
                );
                let strict: [u8; 20] = Sha1::digest(strict).into();
                assert_eq!(book.digest(text).finish(), strict, "{bids} bids, {asks} asks");
                if let Some((bids, asks)) = with {
                    let (b, a) = (side(Side::Bid, bids).0, side(Side::Ask, asks).0);
                    let other = Book { bids: &b, asks: &a, ..book };
                    let [one, two] = book.digest_with(&other, text).map(Digest::finish);
                    assert_eq!((one, Some(two)), (strict, before.map(|(.., digest)| digest)));
                }
                strict
            };
            let strict = digest(&mut text, bids, asks, before.map(|(bids, asks, _)| (bids, asks)));
            before = Some((bids, asks, strict));
        }
    }

    #[test]
    fn a_level_takes_no_more_than_its_room() {
        let form = Form::with_fraction(31);
        let level = Level { price: i64::MIN, qty: i64::MIN, forms: (form, form) };
        let mut text = [0; ROOM];
        let (none, others) = ([].iter(), BookSide::new(Side::Bid));
        let others = others.levels().runs();
        let digest = Digest::new();
        let mut printer = Printer { text: &mut text, end: 0, digest, levels: none, others, asks: None };
        printer.print_unusual(&level);
        assert!(printer.end > 100);
    }
}
