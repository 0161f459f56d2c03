//! Best prices by REST, `{"<asset>":{"BUY":"0.45","SELL":"0.46"},…}`: what is said of a book besides
//! the book. `BUY` is the best bid, `SELL` the best ask.

use super::{Decoder, REST_PRICES};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, members};
use crate::event::{Body, Claim, Message, Place, TouchClaim};
use crate::fixed::{ABSENT, PRICE_ONE};
use crate::span::Value;

impl Decoder<'_> {
    /// Whether the first member of an object is called like an asset. The cursor stays where it is.
    pub(super) fn holds_prices(&self, cursor: &mut Cursor) -> Result<bool, JsonError> {
        let begin = cursor.offset();
        cursor.expect(b'{')?;
        let digits = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_digit);
        let found = cursor.peek() == b'"' && digits(cursor.key()?.raw(self.bytes));
        cursor.rewind(begin);
        Ok(found)
    }

    /// The touches that an answer states, each a message of its own.
    pub(super) fn prices(&mut self, cursor: &mut Cursor) -> Result<(), JsonError> {
        cursor.expect(b'{')?;
        loop {
            let asset = cursor.key()?;
            self.frame.kinds.push(REST_PRICES);
            let touch = self.touch_of(asset, cursor)?;
            let wrong = Wrong { offset: asset.start as usize, what: "best prices are none" };
            match touch {
                Some(touch) => self.frame.messages.push(Message {
                    ts_event: ABSENT,
                    market: Value::default(),
                    place: Place::NONE,
                    body: Body::Touch(touch),
                }),
                None => self.malformed(ABSENT, Value::default(), wrong, &[]),
            }
            if !cursor.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// The touch of one asset; `None` if it is not stated as one.
    fn touch_of(&mut self, asset: Value, cursor: &mut Cursor) -> Result<Option<TouchClaim>, JsonError> {
        if cursor.peek() != b'{' {
            cursor.skip()?;
            return Ok(None);
        }
        let (mut buy, mut sell) = (Value::default(), Value::default());
        members(cursor, |name, cursor| {
            match name {
                b"BUY" => buy = cursor.scalar()?,
                b"SELL" => sell = cursor.scalar()?,
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        if buy.is_absent() && sell.is_absent() {
            return Ok(None);
        }
        // A side without orders has no price to be stated.
        let side = |claim: Claim| if claim.given() { claim } else { Claim::EMPTY };
        let (bid, ask) = (self.claim(buy, 0).map(side), self.claim(sell, PRICE_ONE).map(side));
        let instrument = self.instrument(asset);
        Ok(bid.zip(ask).map(|(bid, ask)| TouchClaim::prices(instrument, bid, ask)))
    }
}
