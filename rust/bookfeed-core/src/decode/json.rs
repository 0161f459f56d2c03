//! A strict JSON cursor over borrowed bytes: RFC 8259, no allocation, no tree.
//!
//! The venue decoders walk frames with it. Everything is checked, also what is skipped:
//! escapes, control characters, number grammar, nesting, UTF-8 and what follows the document.
//! Surrogates may stand alone, as the grammar has it: a title that is cut inside an emoji is no
//! reason to give a frame up. A frame it accepts is a JSON text; any other is an error with a
//! byte offset.

use super::digits::{decimal_until, leading_number, quoted_pairs};
use super::quoted::{quoted_below_one, quoted_hundredths, quoted_level, quoted_ten_thousandths};
use super::window::Window;
use crate::event::Level;
use crate::fixed::{Decimal, PRICE_DECIMALS, Price, Qty, quoted_unsigned};
use crate::span::{Kind, Value, hex4};
use crate::time::{Nanos, parse_millis};
use std::fmt;
use wide::{CmpEq, CmpLt, i8x16};

/// Deepest nesting accepted. Venue messages nest four deep.
pub const MAX_DEPTH: usize = 1024;

/// Why bytes are not a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The text ends in the middle of a value.
    Truncated,
    /// A byte that the grammar does not allow here.
    Unexpected,
    /// A raw control character inside a string.
    Control,
    /// A bad escape.
    Escape,
    /// Not UTF-8.
    Utf8,
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// Something follows the document.
    Trailing,
    /// Longer than 4 GiB.
    Length,
}

/// A refused text and the byte offset where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Byte offset in the text.
    pub offset: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            JsonErrorKind::Truncated => "text ends inside a value",
            JsonErrorKind::Unexpected => "unexpected byte",
            JsonErrorKind::Control => "control character inside a string",
            JsonErrorKind::Escape => "bad escape",
            JsonErrorKind::Utf8 => "not UTF-8",
            JsonErrorKind::Depth => "nested too deeply",
            JsonErrorKind::Trailing => "data after the document",
            JsonErrorKind::Length => "text too long",
        };
        write!(f, "invalid JSON: {what} at byte {}", self.offset)
    }
}

impl std::error::Error for JsonError {}

type Result<T> = std::result::Result<T, JsonError>;

/// Bit i is set where byte i of the chunk ends the fast run inside a string: a quote, a
/// backslash, a control character or a non-ASCII byte.
#[inline(always)]
fn special_mask(chunk: &[u8; 16]) -> u32 {
    special_lanes(chunk).move_mask().cast_unsigned()
}

/// The same, a lane of ones for each of them.
#[inline(always)]
pub(super) fn special_lanes(chunk: &[u8; 16]) -> i8x16 {
    // Compared as signed bytes, "less than space" covers control characters and all bytes
    // above 0x7f.
    let bytes: i8x16 = bytemuck::cast(*chunk);
    let quote = bytes.cmp_eq(i8x16::splat(0x22));
    let slash = bytes.cmp_eq(i8x16::splat(0x5c));
    let other = bytes.cmp_lt(i8x16::splat(0x20));
    quote | slash | other
}

/// A position inside a JSON text.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// Whether a non-ASCII byte was met inside a string; UTF-8 is then checked at the end.
    non_ascii: bool,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    ///
    /// # Errors
    /// [`JsonErrorKind::Length`] if offsets would not fit 32 bits.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(JsonError { kind: JsonErrorKind::Length, offset: 0 });
        }
        Ok(Self { bytes, pos: 0, non_ascii: false })
    }

    /// The byte offset the cursor stands at.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> usize {
        self.pos
    }

    /// The text the cursor walks.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[cold]
    #[inline(never)]
    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { kind, offset: self.pos.min(self.bytes.len()) }
    }

    #[cold]
    #[inline(never)]
    fn unexpected(&self) -> JsonError {
        let kind = if self.pos >= self.bytes.len() {
            JsonErrorKind::Truncated
        } else {
            JsonErrorKind::Unexpected
        };
        self.error(kind)
    }

    /// Skips white space and returns the next byte without taking it; 0 at the end.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> u8 {
        loop {
            match self.bytes.get(self.pos) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Takes `byte`, after white space, or fails.
    ///
    /// # Errors
    /// If another byte, or the end, comes next.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() == byte {
            self.pos += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    /// Takes `byte` if it comes next, after white space.
    #[inline(always)]
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.pos += usize::from(found);
        found
    }

    /// Takes `literal` if it stands exactly here, white space included.
    #[inline(always)]
    pub(crate) fn take_literal(&mut self, literal: &[u8]) -> bool {
        let found = self.bytes.get(self.pos..self.pos + literal.len()) == Some(literal);
        if found {
            self.pos += literal.len();
        }
        found
    }

    /// Takes a plain decimal and the quote behind it, if that is exactly what stands here.
    #[inline(always)]
    pub(crate) fn take_quoted_decimal<const SCALE: u32>(&mut self) -> Option<Decimal> {
        let (decimal, taken) = quoted_unsigned::<SCALE>(self.bytes.get(self.pos..)?)?;
        self.pos += taken;
        Some(decimal)
    }

    /// Takes a price and the quote behind it, quickly if it is below one and of a few places.
    #[inline(always)]
    pub(crate) fn take_quoted_price(&mut self) -> Option<Decimal> {
        if let Some((price, taken)) = quoted_below_one(self.bytes.get(self.pos..)?.first_chunk()?) {
            self.pos += taken;
            return Some(price);
        }
        self.take_other_price()
    }

    #[inline(never)]
    fn take_other_price(&mut self) -> Option<Decimal> {
        self.take_quoted_decimal::<PRICE_DECIMALS>()
    }

    /// Takes a price below one with four decimals, and the quote behind it.
    #[inline(always)]
    pub(crate) fn take_price_of_four(&mut self) -> Option<Price> {
        let ten_thousandths = quoted_ten_thousandths(self.bytes.get(self.pos..)?)?;
        self.pos += 7;
        Some(i64::from(ten_thousandths) * 100_000)
    }

    /// Takes a size with two decimals, and the quote behind it.
    #[inline(always)]
    pub(crate) fn take_qty_of_two(&mut self) -> Option<Qty> {
        let (hundredths, taken) = quoted_hundredths(self.bytes.get(self.pos..)?)?;
        self.pos += taken;
        Some(hundredths.cast_signed() * 1_000_000)
    }

    /// Takes a plain decimal and the byte `END` behind it, quickly if it has many digits; not all
    /// plain decimals are taken.
    #[inline(always)]
    pub(crate) fn take_decimal_until<const SCALE: u32, const END: u8>(&mut self) -> Option<Decimal> {
        let (decimal, taken) = decimal_until::<SCALE, END>(self.bytes.get(self.pos..)?)?;
        self.pos += taken;
        Some(decimal)
    }

    /// Takes pairs of a price and a size, `["61685.99000000","1.25869000"]`, up to the end of their
    /// array, and hands each to `push`; not all plain decimals are taken.
    #[inline(always)]
    pub(crate) fn take_quoted_pairs(&mut self, push: impl FnMut(Decimal, Decimal)) -> Option<()> {
        self.pos += quoted_pairs(self.bytes.get(self.pos..)?, push)?;
        Some(())
    }

    /// Takes levels of a price below one, `{"price":"0.441","size":"1250.75"},`, each with the comma
    /// behind it, as long as they come, and hands each to `push`. The last one of an array is left, and
    /// so is what is not spelled so.
    #[inline(always)]
    pub(crate) fn take_quoted_levels(&mut self, mut push: impl FnMut(Level)) {
        let rest = |at: usize| self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        let mut at = self.pos;
        while let Some((level, taken)) = rest(at).and_then(quoted_level) {
            push(level);
            at = at.wrapping_add(taken);
        }
        self.pos = at;
    }

    /// Takes a number, if digits are what stands here: no sign, at most eighteen, no zero in
    /// front of others. Whatever follows them is left.
    #[inline(always)]
    pub(crate) fn take_unsigned(&mut self) -> Option<u64> {
        let digits = self.bytes.get(self.pos..)?;
        if let Some((number, length)) = leading_number(digits) {
            self.pos += length;
            return Some(number);
        }
        self.take_long_unsigned()
    }

    #[inline(never)]
    fn take_long_unsigned(&mut self) -> Option<u64> {
        let digits = self.bytes.get(self.pos..)?;
        let (mut number, mut length) = (0, 0);
        while let Some(digit) = digits.get(length).map(|b| b.wrapping_sub(b'0')).filter(|&d| d < 10) {
            number = number * 10 + u64::from(digit);
            length += 1;
            if length > 18 {
                return None;
            }
        }
        if length == 0 || (length > 1 && digits[0] == b'0') {
            return None;
        }
        self.pos += length;
        Some(number)
    }

    /// Takes milliseconds of thirteen digits, as today's have, in nanoseconds.
    #[inline(always)]
    pub(crate) fn take_millis(&mut self) -> Option<Nanos> {
        let digits: &[u8; 13] = self.bytes.get(self.pos..)?.first_chunk()?;
        let ts = parse_millis(digits).filter(|_| digits[0] != b'0')?;
        self.pos += digits.len();
        Some(ts)
    }

    /// Takes the rest of a string and its quote, if it is `N` bytes of ASCII without escapes.
    #[inline(always)]
    pub(crate) fn take_quoted_exactly<const N: usize>(&mut self) -> Option<Value> {
        const { assert!(N >= 16) }
        let begin = self.pos;
        let rest = self.bytes.get(begin..)?;
        let text: &[u8; N] = rest.first_chunk()?;
        let (chunks, _) = text.as_chunks::<16>();
        let mut special = special_lanes(text.last_chunk()?);
        for chunk in chunks {
            special |= special_lanes(chunk);
        }
        if special.move_mask() != 0 || rest.get(N) != Some(&b'"') {
            return None;
        }
        self.pos = begin + N + 1;
        Some(self.value(begin, begin + N, Kind::Text))
    }

    /// A text without escapes between two byte offsets.
    #[inline(always)]
    pub(crate) fn text_at(&self, start: usize, end: usize) -> Value {
        self.value(start, end, Kind::Text)
    }

    /// The text between a byte offset and the quote that was taken last.
    #[inline(always)]
    pub(crate) fn taken_since(&self, begin: usize) -> Value {
        self.value(begin, self.pos - 1, Kind::Text)
    }

    /// Takes the rest of a string and its quote, if it has no escapes.
    #[inline(always)]
    pub(crate) fn take_text(&mut self) -> Option<Value> {
        self.rest_of_string().ok().filter(|text| text.kind == Kind::Text)
    }

    /// The bytes from here on, as many as the window holds.
    #[inline(always)]
    pub(crate) fn window<const N: usize>(&self) -> Option<Window<'a, N>> {
        Window::new(self.bytes.get(self.pos..)?)
    }

    /// Goes on behind a text that is known to stand here.
    #[inline(always)]
    pub(crate) fn skip_known(&mut self, length: usize) {
        self.pos += length;
    }

    /// Goes back to a byte offset the cursor has been at.
    #[inline]
    pub(crate) fn rewind(&mut self, offset: usize) {
        self.pos = offset;
    }

    /// After a member or element: `true` if another follows, `false` if `close` ended it.
    ///
    /// # Errors
    /// If neither a comma nor `close` comes next.
    #[inline(always)]
    pub fn more(&mut self, close: u8) -> Result<bool> {
        let byte = self.peek();
        if byte == b',' {
            self.pos += 1;
            return Ok(true);
        }
        if byte == close {
            self.pos += 1;
            return Ok(false);
        }
        Err(self.unexpected())
    }

    /// Reads a member name and its colon.
    ///
    /// # Errors
    /// If no string, or no colon behind it, comes next.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Value> {
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // `new` made sure that offsets fit 32 bits
    fn value(&self, start: usize, end: usize, kind: Kind) -> Value {
        Value { start: start as u32, end: end as u32, kind }
    }

    /// Reads a string.
    ///
    /// # Errors
    /// If no well-formed string comes next.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Value> {
        self.expect(b'"')?;
        self.rest_of_string()
    }

    /// Reads a string whose opening quote was taken.
    ///
    /// # Errors
    /// As [`Self::string`].
    #[inline(always)]
    pub(crate) fn rest_of_string(&mut self) -> Result<Value> {
        let start = self.pos;
        loop {
            let mask = self.special_ahead();
            if mask == 0 {
                self.pos += 16;
                if self.pos < self.bytes.len() {
                    continue;
                }
                break;
            }
            let end = self.pos + mask.trailing_zeros() as usize;
            if self.bytes.get(end) == Some(&b'"') {
                self.pos = end + 1;
                return Ok(self.value(start, end, Kind::Text));
            }
            self.pos = end;
            break;
        }
        self.string_slowly(start)
    }

    /// [`special_mask`] of the next sixteen bytes, or of as many as are left.
    #[inline(always)]
    fn special_ahead(&self) -> u32 {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        if let Some(chunk) = rest.first_chunk::<16>() {
            return special_mask(chunk);
        }
        // Near the end: look at the last sixteen bytes and drop those already passed.
        match self.bytes.last_chunk::<16>() {
            Some(chunk) => special_mask(chunk) >> (16 - rest.len()),
            None => 1,
        }
    }

    /// The rest of a string, byte by byte: escapes, non-ASCII text, and the end of the frame.
    #[inline(never)]
    fn string_slowly(&mut self, start: usize) -> Result<Value> {
        let mut kind = Kind::Text;
        loop {
            match self.bytes.get(self.pos) {
                None => return Err(self.error(JsonErrorKind::Truncated)),
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.error(JsonErrorKind::Control)),
                Some(&byte) => {
                    self.non_ascii |= byte >= 0x80;
                    self.pos += 1;
                }
            }
        }
        let end = self.pos;
        self.pos += 1;
        Ok(self.value(start, end, kind))
    }

    fn escape(&mut self) -> Result<()> {
        match self.bytes.get(self.pos + 1) {
            None => Err(self.error(JsonErrorKind::Truncated)),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.pos += 2;
                Ok(())
            }
            Some(b'u') => self.unicode_escape(),
            Some(_) => Err(self.error(JsonErrorKind::Escape)),
        }
    }

    /// Four hexadecimal digits. The grammar allows surrogates without their half; they stand for
    /// no character, and so for no text that anybody is looking for.
    fn unicode_escape(&mut self) -> Result<()> {
        hex4(self.bytes, self.pos + 2).ok_or(self.error(JsonErrorKind::Escape))?;
        self.pos += 6;
        Ok(())
    }

    /// Reads a number.
    ///
    /// # Errors
    /// If it breaks the number grammar.
    pub fn number(&mut self) -> Result<Value> {
        self.peek();
        let start = self.pos;
        self.pos += usize::from(self.bytes.get(self.pos) == Some(&b'-'));
        match self.bytes.get(self.pos) {
            Some(b'0') => self.pos += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected()),
        }
        if self.bytes.get(self.pos) == Some(&b'.') {
            self.pos += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.pos) {
            self.pos += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.pos) {
                self.pos += 1;
            }
            self.some_digits()?;
        }
        Ok(self.value(start, self.pos, Kind::Number))
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.bytes.get(self.pos) {
            self.pos += 1;
        }
    }

    fn some_digits(&mut self) -> Result<()> {
        let start = self.pos;
        self.digits();
        if self.pos == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn literal(&mut self, text: &[u8], kind: Kind) -> Result<Value> {
        let start = self.pos;
        if self.take_literal(text) {
            return Ok(self.value(start, self.pos, kind));
        }
        Err(self.unexpected())
    }

    /// Reads any scalar; an array or object is skipped, checked, and returned as its text.
    ///
    /// # Errors
    /// If no well-formed value comes next.
    #[inline(always)]
    pub fn scalar(&mut self) -> Result<Value> {
        if self.peek() == b'"' { self.string() } else { self.scalar_slowly() }
    }

    #[inline(never)]
    fn scalar_slowly(&mut self) -> Result<Value> {
        match self.peek() {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b'n' => self.literal(b"null", Kind::Null),
            b't' => self.literal(b"true", Kind::Other),
            b'f' => self.literal(b"false", Kind::Other),
            b'{' | b'[' => {
                let start = self.pos;
                self.skip_container()?;
                Ok(self.value(start, self.pos, Kind::Other))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Skips a whole value, checking it all the same.
    ///
    /// # Errors
    /// If no well-formed value comes next.
    pub fn skip(&mut self) -> Result<()> {
        self.scalar_slowly().map(|_| ())
    }

    /// Skips an array or object without recursion: a bit a level says which of the two.
    fn skip_container(&mut self) -> Result<()> {
        let mut is_object = [0u64; MAX_DEPTH / 64];
        let mut depth = 0usize;
        loop {
            // Descend to the next scalar, or to an empty container.
            let opened = self.peek();
            if opened == b'{' || opened == b'[' {
                if depth == MAX_DEPTH {
                    return Err(self.error(JsonErrorKind::Depth));
                }
                self.pos += 1;
                let bit = 1u64 << (depth % 64);
                let word = &mut is_object[depth / 64];
                *word = if opened == b'{' { *word | bit } else { *word & !bit };
                depth += 1;
                if !self.take(if opened == b'{' { b'}' } else { b']' }) {
                    if opened == b'{' {
                        self.key()?;
                    }
                    continue;
                }
                depth -= 1;
            } else {
                self.scalar_slowly()?;
            }
            // Ascend past everything that ends here.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = is_object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1;
                if self.more(if object { b'}' } else { b']' })? {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                depth -= 1;
            }
        }
    }

    /// Ends the text: only white space may follow, and all of it must be UTF-8.
    ///
    /// # Errors
    /// [`JsonErrorKind::Trailing`] or [`JsonErrorKind::Utf8`].
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.peek();
        if self.pos != self.bytes.len() {
            return Err(self.error(JsonErrorKind::Trailing));
        }
        if self.non_ascii {
            std::str::from_utf8(self.bytes)
                .map_err(|e| JsonError { kind: JsonErrorKind::Utf8, offset: e.valid_up_to() })?;
        }
        Ok(())
    }
}

/// Checks that `bytes` is one JSON text, by the same path that skips members in frames.
///
/// # Errors
/// [`JsonError`] with the byte offset.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut cursor = Cursor::new(bytes)?;
    cursor.skip()?;
    cursor.finish()
}
