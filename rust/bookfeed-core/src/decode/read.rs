//! Reading what the cursor has found: members and elements in any order, decimals that stand as
//! strings or numbers, and what to say of a message that is valid JSON and still wrong.

use super::json::{Cursor, JsonError};
use crate::fixed::{Decimal, DecimalError, PRICE_ONE, Price};
use crate::span::{Kind, Value};

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

/// Whether a member is there: `null` is as good as none, the empty string is not.
#[inline]
pub fn given(value: Value) -> bool {
    !matches!(value.kind, Kind::Missing | Kind::Null)
}

/// Whether a member is a string with something in it.
#[inline]
pub fn is_text(value: Value) -> bool {
    matches!(value.kind, Kind::Text | Kind::Escaped) && !value.is_absent()
}

/// Whether a price can be that of a probability: strictly between 0 and 1.
#[inline]
#[must_use]
pub fn is_probability(price: Price) -> bool {
    price > 0 && price < PRICE_ONE
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
