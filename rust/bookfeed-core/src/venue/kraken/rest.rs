//! A book by REST (`/0/public/Depth`), to hold against one of the stream. It has neither a number nor
//! a time: of each level it says in which second it was last set, and the newest of these is all that
//! is known of when the book is. It does not name its pair as the stream does.

use super::{Decoder, REST_BOOK};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{self, LevelArray, NoLevel, Wrong, Zero};
use crate::event::{Body, Levels, Place, ProofClaim, Side, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::span::Value;
use crate::time::{Nanos, SECOND};

/// Seconds from which on a time in nanoseconds would not fit.
const SECONDS_END: u64 = (Nanos::MAX / SECOND).unsigned_abs();

/// What stands in an answer.
#[derive(Default)]
struct Answer {
    /// Books in it; one was asked for.
    books: usize,
    sides: [Option<LevelArray>; 2],
    /// The newest second in which a level was set.
    newest: u64,
}

impl Decoder<'_> {
    /// An answer about the instrument that the asker stated.
    #[inline(never)]
    pub(super) fn rest(&mut self, cursor: &mut Cursor, about: InstrumentId) -> Result<(), JsonError> {
        let mut answer = Answer::default();
        if cursor.peek() == b'{' {
            read::members(cursor, |name, cursor| match name {
                b"result" if cursor.peek() == b'{' => {
                    read::members(cursor, |_, cursor| self.rest_book(cursor, &mut answer))
                }
                _ => cursor.skip(),
            })?;
        } else {
            cursor.skip()?;
        }
        cursor.finish()?;
        self.0.frame.kinds.push(REST_BOOK);
        let (ts_event, body) = match whole(&answer, about) {
            Ok(told) => told,
            // What REST answers says nothing against the books of the stream.
            Err(what) => (ABSENT, self.0.broken_notice(Wrong { offset: 0, what })),
        };
        self.0.push(Place::NONE, Value::default(), ts_event, body);
        Ok(())
    }

    fn rest_book(&mut self, cursor: &mut Cursor, answer: &mut Answer) -> Result<(), JsonError> {
        answer.books += 1;
        if cursor.peek() != b'{' {
            return cursor.skip();
        }
        read::members(cursor, |name, cursor| {
            let (at, side) = match name {
                b"bids" => (0, Side::Bid),
                b"asks" => (1, Side::Ask),
                _ => return cursor.skip(),
            };
            answer.sides[at] = Some(self.rest_levels(cursor, side, &mut answer.newest)?);
            Ok(())
        })
    }

    /// Levels, `["price","size",second]` each.
    fn rest_levels(
        &mut self,
        cursor: &mut Cursor,
        side: Side,
        newest: &mut u64,
    ) -> Result<LevelArray, JsonError> {
        self.0.levels(cursor, (side, Zero::Skipped), |reader, cursor| {
            if cursor.peek() != b'[' {
                cursor.skip()?;
                return Ok(Err(NoLevel::Wrong("level is not an array")));
            }
            let mut values = [Value::default(); 3];
            let mut count = 0;
            read::elements(cursor, |cursor| {
                match values.get_mut(count) {
                    Some(value) => *value = cursor.scalar()?,
                    None => cursor.skip()?,
                }
                count += 1;
                Ok(())
            })?;
            let [price, size, second] = values;
            *newest = (*newest).max(reader.integer(second).unwrap_or(0));
            Ok(reader.level(price, size))
        })
    }
}

/// The book of an answer, and of when it is.
fn whole(answer: &Answer, about: InstrumentId) -> Result<(Nanos, Body), &'static str> {
    let [Some(bids), Some(asks)] = &answer.sides else { return Err("answer without both sides") };
    if answer.books != 1 {
        return Err("an answer with more than one book");
    }
    if about == UNKNOWN {
        return Err("a book that does not say whose it is: state the instrument");
    }
    if let Some(wrong) = bids.wrong.or(asks.wrong) {
        return Err(wrong.what);
    }
    let ts_event = match answer.newest {
        second if second > 0 && second < SECONDS_END => {
            Nanos::try_from(second).map_or(ABSENT, |second| second * SECOND)
        }
        _ => ABSENT,
    };
    let (symbol, claim, asks_cut) = (Value::default(), ProofClaim::None, asks.cut);
    let (bids, asks) = (bids.range.clone(), asks.range.clone());
    let levels = Levels { instrument: about, symbol, bids, asks, claim, asks_cut };
    Ok((ts_event, Body::Snapshot(Snapshot { requested: true, ..levels.into() })))
}
