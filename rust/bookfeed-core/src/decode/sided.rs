//! Levels of both sides in one array, `["buy","84000.00","0.5"]` each: new sizes of some, or all there
//! are.

use super::json::{Cursor, JsonError};
use super::read::{NoLevel, Reader, Wrong, elements, inside};
use crate::event::{Level, Side};
use crate::span::Value;
use std::ops::Range;

/// Where levels were put among those of the frame.
pub(crate) struct Sided {
    pub(crate) bids: Range<usize>,
    pub(crate) asks: Range<usize>,
    /// Whether asks were left out because their prices are too high to be held.
    pub(crate) asks_cut: bool,
}

impl Reader<'_> {
    /// Reads such an array, which was taken for a value; of a `whole` book a size of 0 says nothing.
    ///
    /// # Errors
    /// If what stands there is not JSON; inside, what is wrong with it otherwise.
    pub(crate) fn sided(
        &mut self,
        array: Value,
        whole: bool,
    ) -> Result<Result<Sided, Wrong>, JsonError> {
        let bytes = self.bytes;
        let is_array = array.raw(bytes).first() == Some(&b'[');
        let Some(mut cursor) = inside(bytes, array).filter(|_| is_array) else {
            return Ok(Err(Wrong::at(array, "changes are not an array")));
        };
        let start = self.frame.levels.len();
        let (mut asks, mut asks_cut, mut wrong) = (Vec::new(), false, None);
        elements(&mut cursor, |cursor| {
            cursor.peek();
            let offset = cursor.offset();
            let what = match self.sided_level(cursor)? {
                Ok((_, level)) if whole && level.qty == 0 => return Ok(()),
                Ok((Side::Bid, level)) => {
                    self.frame.levels.push(level);
                    return Ok(());
                }
                Ok((Side::Ask, level)) => {
                    asks.push(level);
                    return Ok(());
                }
                Err((Some(Side::Ask), NoLevel::TooHigh)) => {
                    asks_cut = true;
                    return Ok(());
                }
                Err((_, NoLevel::TooHigh)) => "price is too high",
                Err((_, NoLevel::Wrong(what))) => what,
            };
            wrong = wrong.or(Some(Wrong { offset, what }));
            Ok(())
        })?;
        let levels: &mut Vec<Level> = &mut self.frame.levels;
        let middle = levels.len();
        levels.append(&mut asks);
        let (bids, asks) = (start..middle, middle..levels.len());
        Ok(wrong.map_or(Ok(Sided { bids, asks, asks_cut }), Err))
    }

    /// One of them.
    #[allow(clippy::type_complexity)] // a level of a side, or why there is none
    fn sided_level(
        &mut self,
        cursor: &mut Cursor,
    ) -> Result<Result<(Side, Level), (Option<Side>, NoLevel)>, JsonError> {
        if cursor.peek() != b'[' {
            cursor.skip()?;
            return Ok(Err((None, NoLevel::Wrong("level is not an array"))));
        }
        let (mut values, mut count) = ([Value::default(); 3], 0);
        elements(cursor, |cursor| {
            match values.get_mut(count) {
                Some(value) => *value = cursor.scalar()?,
                None => cursor.skip()?,
            }
            count += 1;
            Ok(())
        })?;
        let side = match self.text(values[0]) {
            b"buy" => Side::Bid,
            b"sell" => Side::Ask,
            _ => return Ok(Err((None, NoLevel::Wrong("level of no side")))),
        };
        let level = self.level(values[1], values[2]);
        Ok(level.map(|level| (side, level)).map_err(|no| (Some(side), no)))
    }
}
