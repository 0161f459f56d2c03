//! Reading what the cursor has found: members and elements in any order, decimals that stand as
//! strings or numbers, and what to say of a message that is valid JSON and still wrong.

use super::json::{Cursor, JsonError};
use crate::event::{Body, Frame, Level, Message, Place, Side};
use crate::fixed::{
    ABSENT, Decimal, DecimalError, PRICE_ONE, Price, parse_price, parse_qty, parse_unsigned,
};
use crate::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};
use crate::time::Nanos;
use std::ops::Range;

/// What is wrong with a well-formed message, and where.
#[derive(Clone, Copy, Debug)]
pub struct Wrong {
    /// Byte offset in the frame.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Wrong {
    /// At, or in, a value.
    #[must_use]
    pub fn at(value: Value, what: &'static str) -> Self {
        Self { offset: value.start as usize, what }
    }

    /// Likewise; what is missing has no place, and is looked for where its part of the frame begins.
    #[must_use]
    pub const fn or_at(self, offset: usize) -> Self {
        if self.offset == 0 { Self { offset, ..self } } else { self }
    }
}

/// A decimal that stands in `bytes` as a string or a number; `None` if it is neither, or refused.
#[inline]
pub fn decimal(
    bytes: &[u8],
    value: Value,
    scratch: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Result<Decimal, DecimalError>,
) -> Option<Decimal> {
    match value.kind {
        Kind::Text | Kind::Number | Kind::Escaped => parse(value.text(bytes, scratch)).ok(),
        Kind::Missing | Kind::Null | Kind::Other => None,
    }
}

/// A whole number that is not negative, as a string or a number.
#[inline]
pub(crate) fn integer(bytes: &[u8], value: Value, scratch: &mut Vec<u8>) -> Option<u64> {
    let number = decimal(bytes, value, scratch, parse_unsigned::<0>)?;
    let whole = number.form.fraction_digits() == 0;
    u64::try_from(number.value).ok().filter(|_| whole)
}

/// `true` or `false`; `None` for anything else.
#[inline]
pub(crate) fn boolean(bytes: &[u8], value: Value) -> Option<bool> {
    match (value.kind, value.raw(bytes)) {
        (Kind::Other, b"true") => Some(true),
        (Kind::Other, b"false") => Some(false),
        _ => None,
    }
}

/// The text of a string; empty for anything else.
#[inline]
pub fn text<'a>(bytes: &'a [u8], value: Value, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if is_text(value) { value.text(bytes, scratch) } else { b"" }
}

/// Whether a member is there: `null` is as good as none, the empty string is not.
#[inline]
pub fn given(value: Value) -> bool {
    !matches!(value.kind, Kind::Missing | Kind::Null)
}

/// Whether a member is a string with something in it.
#[inline]
pub(crate) fn is_text(value: Value) -> bool {
    matches!(value.kind, Kind::Text | Kind::Escaped) && !value.is_absent()
}

/// Whether a price can be that of a probability: strictly between 0 and 1.
#[inline]
#[must_use]
pub(crate) fn is_probability(price: Price) -> bool {
    price > 0 && price < PRICE_ONE
}

/// An array of levels that was read where it stood: what it added to the frame's levels, and the
/// first thing wrong with it.
#[derive(Clone, Debug, Default)]
pub struct LevelArray {
    /// Its levels.
    pub range: Range<usize>,
    /// What is wrong.
    pub wrong: Option<Wrong>,
    /// Whether levels were left out because their prices are too high to be held.
    pub cut: bool,
}

/// What a size of zero means in an array of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// The level is to be removed.
    Removes,
    /// Nothing: the array is a whole side, and there is no such level.
    Skipped,
}

/// Why there is no level to be had of a price and a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLevel {
    /// The price is a plain decimal, but higher than any price here. Sellers ask such prices, in
    /// books of thin markets: they are behind every other, and nobody will ever pay them.
    TooHigh,
    /// What is wrong.
    Wrong(&'static str),
}

/// One payload of a venue, and what reading it needs.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The payload.
    pub bytes: &'a [u8],
    /// Whose it is.
    pub venue: Venue,
    /// The symbols that are known.
    pub instruments: &'a Instruments,
    /// What it says.
    pub frame: &'a mut Frame,
    /// As in [`crate::decode::Payload`].
    pub fast: bool,
}

impl Reader<'_> {
    /// The instrument of a symbol, or `UNKNOWN`: symbols are never guessed at.
    #[inline]
    pub fn instrument(&mut self, symbol: Value) -> InstrumentId {
        let symbol = text(self.bytes, symbol, &mut self.frame.scratch);
        self.instruments.find(self.venue, symbol).unwrap_or(UNKNOWN)
    }

    /// The text of a string; empty for anything else.
    #[inline]
    pub fn text(&mut self, value: Value) -> &[u8] {
        text(self.bytes, value, &mut self.frame.scratch)
    }

    /// A whole number that is not negative.
    #[inline]
    pub(crate) fn integer(&mut self, value: Value) -> Option<u64> {
        integer(self.bytes, value, &mut self.frame.scratch)
    }

    /// Price and size: a price above zero, and a size that may be zero.
    ///
    /// # Errors
    /// [`NoLevel`].
    #[inline]
    pub fn level(&mut self, price: Value, size: Value) -> Result<Level, NoLevel> {
        let (bytes, scratch) = (self.bytes, &mut self.frame.scratch);
        let qty = decimal(bytes, size, scratch, parse_qty);
        let qty = qty.ok_or(NoLevel::Wrong("size is missing or not a decimal that fits"))?;
        let read = decimal(bytes, price, scratch, parse_price).filter(|p| p.value > 0);
        match read {
            Some(read) => Ok(Level { price: read.value, qty: qty.value, forms: (read.form, qty.form) }),
            None if given(price) && too_high(price.text(bytes, scratch)) => Err(NoLevel::TooHigh),
            None => Err(NoLevel::Wrong("price is missing, zero or not a decimal that fits")),
        }
    }

    /// Price and size of a trade, under the same terms.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn traded(&mut self, price: Value, size: Value) -> Result<Level, Wrong> {
        self.level(price, size).map_err(|no| match no {
            NoLevel::TooHigh => Wrong::at(price, "price is too high"),
            NoLevel::Wrong(what) => Wrong::at(price, what),
        })
    }

    /// Reads the array of levels of a side that stands here into the frame; `level` reads one.
    /// Anything but an array is skipped, and wrong. Of a side that sells, prices too high to be
    /// held are left out.
    ///
    /// # Errors
    /// If what stands here is not JSON.
    pub fn levels<'b>(
        &mut self,
        cursor: &mut Cursor<'b>,
        (side, zero): (Side, Zero),
        mut level: impl FnMut(&mut Self, &mut Cursor<'b>) -> Result<Result<Level, NoLevel>, JsonError>,
    ) -> Result<LevelArray, JsonError> {
        let (start, mut wrong, mut cut) = (self.frame.levels.len(), None, false);
        if cursor.peek() == b'[' {
            elements(cursor, |cursor| {
                cursor.peek();
                let offset = cursor.offset();
                let what = match level(self, cursor)? {
                    Ok(level) if level.qty == 0 && zero == Zero::Skipped => return Ok(()),
                    Ok(level) => {
                        self.frame.levels.push(level);
                        return Ok(());
                    }
                    Err(NoLevel::TooHigh) if side == Side::Ask => {
                        cut = true;
                        return Ok(());
                    }
                    Err(NoLevel::TooHigh) => "price is too high",
                    Err(NoLevel::Wrong(what)) => what,
                };
                wrong = wrong.or(Some(Wrong { offset, what }));
                Ok(())
            })?;
        } else {
            wrong = Some(Wrong { offset: cursor.offset(), what: "levels are not an array" });
            cursor.skip()?;
        }
        Ok(LevelArray { range: start..self.frame.levels.len(), wrong, cut })
    }

    /// As [`Self::levels`], of levels that are arrays, `["price","size"]` each; what follows the two
    /// is ignored.
    ///
    /// # Errors
    /// If what stands here is not JSON.
    pub(crate) fn pairs(
        &mut self,
        cursor: &mut Cursor,
        terms: (Side, Zero),
    ) -> Result<LevelArray, JsonError> {
        self.levels(cursor, terms, |reader, cursor| {
            if cursor.peek() != b'[' {
                cursor.skip()?;
                return Ok(Err(NoLevel::Wrong("level is not an array")));
            }
            let mut values = [Value::default(); 2];
            let mut count = 0;
            elements(cursor, |cursor| {
                match values.get_mut(count) {
                    Some(value) => *value = cursor.scalar()?,
                    None => cursor.skip()?,
                }
                count += 1;
                Ok(())
            })?;
            Ok(reader.level(values[0], values[1]))
        })
    }

    /// As [`Self::levels`], of levels that are objects, `{"price":…,"size":…}` each, where the member
    /// of the size is called `size`; others are ignored.
    ///
    /// # Errors
    /// If what stands here is not JSON.
    pub(crate) fn objects(
        &mut self,
        cursor: &mut Cursor,
        terms: (Side, Zero),
        size: &[u8],
    ) -> Result<LevelArray, JsonError> {
        self.levels(cursor, terms, |reader, cursor| {
            if cursor.peek() != b'{' {
                cursor.skip()?;
                return Ok(Err(NoLevel::Wrong("level is not an object")));
            }
            let (mut price, mut qty) = (Value::default(), Value::default());
            members(cursor, |name, cursor| {
                match name {
                    b"price" => price = cursor.scalar()?,
                    _ if name == size => qty = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?;
            Ok(reader.level(price, qty))
        })
    }

    /// Adds a message.
    #[inline]
    pub fn push(&mut self, place: Place, market: Value, ts_event: Nanos, body: Body) {
        self.frame.messages.push(Message { ts_event, market, place, body });
    }

    /// A message that cannot be trusted, about the book of `symbol`, or else about any of the
    /// connection.
    #[cold]
    pub(crate) fn broken_book(&mut self, symbol: Value, wrong: Wrong) -> Body {
        let book = self.instrument(symbol);
        self.broken_book_of(book, wrong)
    }

    /// The same of a book that is known already.
    #[cold]
    pub(crate) fn broken_book_of(&mut self, book: InstrumentId, wrong: Wrong) -> Body {
        let book = Some(book).filter(|&id| id != UNKNOWN);
        self.frame.malformed(book, book.is_none(), wrong.offset, wrong.what)
    }

    /// A frame that is no object: none of the connection's books can be trusted.
    #[cold]
    pub(crate) fn no_object(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        let wrong = Wrong { offset: cursor.offset(), what: "frame is not an object" };
        cursor.skip()?;
        cursor.finish()?;
        let body = self.broken_book(Value::default(), wrong);
        self.push(Place::NONE, Value::default(), ABSENT, body);
        Ok(())
    }

    /// A message that cannot be trusted, and takes no book with it.
    #[cold]
    pub(crate) fn broken_notice(&mut self, wrong: Wrong) -> Body {
        self.frame.malformed(None, false, wrong.offset, wrong.what)
    }

    /// An answer by REST of a venue whose whole books come in the stream: none is asked for.
    #[cold]
    pub(crate) fn no_rest(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        cursor.skip()?;
        cursor.finish()?;
        let wrong = Wrong { offset: 0, what: "no book of this venue comes by REST" };
        let body = self.broken_notice(wrong);
        self.push(Place::NONE, Value::default(), ABSENT, body);
        Ok(())
    }

    /// Levels, `["price","size"]` each, up to the end of their array, whose beginning was taken; in
    /// the spelling that has nothing superfluous, and without a flaw. `None` leaves anything else to
    /// `pairs`.
    #[inline(always)]
    pub fn plain_side(&mut self, cursor: &mut Cursor) -> Option<Range<usize>> {
        let levels = &mut self.frame.levels;
        let start = levels.len();
        if cursor.take_literal(b"]") {
            return Some(start..start);
        }
        let mut worthless = false;
        cursor.take_quoted_pairs(
            #[inline(always)]
            |price, size| {
                worthless |= price.value == 0;
                levels.push(Level {
                    price: price.value,
                    qty: size.value,
                    forms: (price.form, size.form),
                });
            },
        )?;
        (!worthless).then_some(start..levels.len())
    }
}

/// Whether a text is a plain decimal above the highest price.
#[cold]
fn too_high(text: &[u8]) -> bool {
    /// The whole part of the highest price.
    const HIGHEST: &[u8] = b"9223372036";
    let point = text.iter().position(|&b| b == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    let plain = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let whole_and_fraction = plain(whole) && whole[0] != b'0' && fraction.get(1..).is_none_or(plain);
    whole_and_fraction && (whole.len(), whole) > (HIGHEST.len(), HIGHEST)
}

/// Takes `literal` if it stands exactly here.
#[inline(always)]
pub fn take(cursor: &mut Cursor, literal: &[u8]) -> Option<()> {
    cursor.take_literal(literal).then_some(())
}

/// A cursor in front of a value that was checked when it was skipped.
pub fn inside(bytes: &[u8], value: Value) -> Option<Cursor<'_>> {
    let mut cursor = Cursor::new(bytes.get(..value.end as usize)?).ok()?;
    cursor.rewind(value.start as usize);
    Some(cursor)
}

/// Walks the object that stands here; `member` takes each value, by its name.
#[inline(always)]
pub fn members<'a>(
    cursor: &mut Cursor<'a>,
    mut member: impl FnMut(&[u8], &mut Cursor<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let bytes = cursor.bytes();
    cursor.expect(b'{')?;
    if cursor.take(b'}') {
        return Ok(());
    }
    loop {
        let key = cursor.key()?;
        let mut scratch = Vec::new();
        member(key.text(bytes, &mut scratch), cursor)?;
        if !cursor.more(b'}')? {
            return Ok(());
        }
    }
}

/// Walks the array that stands here; `element` takes each value.
#[inline(always)]
pub fn elements<'a>(
    cursor: &mut Cursor<'a>,
    mut element: impl FnMut(&mut Cursor<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    cursor.expect(b'[')?;
    if cursor.take(b']') {
        return Ok(());
    }
    loop {
        element(cursor)?;
        if !cursor.more(b']')? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::too_high;

    #[test]
    fn only_plain_decimals_are_too_high() {
        for text in ["9999999997.00000", "9223372037", "12345678901234567890123456789012345678901.5"] {
            assert!(too_high(text.as_bytes()), "{text}");
        }
        for text in [
            "9223372036",
            "9223372036.9",
            "9999999997.",
            ".5",
            "",
            "09999999997",
            "-9999999997",
            "9999999997e1",
        ] {
            assert!(!too_high(text.as_bytes()), "{text}");
        }
    }
}
