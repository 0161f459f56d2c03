//! The commonest message, in the venue's own order and spelling, in one pass.

use super::{Decoder, UPDATE};
use crate::decode::json::Cursor;
use crate::decode::read::take;
use crate::decode::stamp;
use crate::event::{Body, Level, Levels, Message, Place, ProofClaim};
use crate::fixed::{PRICE_DECIMALS, QTY_DECIMALS};
use std::ops::Range;

impl Decoder<'_> {
    /// A change of a known book, or a change of nothing, complete and without a flaw; `None` leaves
    /// anything else to the general way, which must read the same out of it. What was added to the
    /// frame by then is of no use.
    #[inline]
    pub(super) fn plain_update(&mut self, cursor: &mut Cursor) -> Option<()> {
        take(
            cursor,
            b"{\"id\":-1,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":\"",
        )?;
        let symbol = cursor.take_text()?;
        let instrument = self.0.instruments.find(self.0.venue, symbol.raw(self.0.bytes))?;
        take(cursor, b",\"subscription\":\"")?;
        cursor.take_text()?;
        take(cursor, b",\"channel\":\"book.update\",\"depth\":")?;
        cursor.take_unsigned()?;
        take(cursor, b",\"data\":[{\"update\":{\"asks\":[")?;
        let asks = self.plain_side(cursor)?;
        take(cursor, b",\"bids\":[")?;
        let bids = self.plain_side(cursor)?;
        take(cursor, b"},\"t\":")?;
        let ts_event = stamp::millis_or_micros(cursor.take_unsigned().filter(|&sent| sent > 0)?)?;
        take(cursor, b",\"tt\":")?;
        cursor.take_unsigned()?;
        take(cursor, b",\"u\":")?;
        let stands_at = cursor.take_unsigned()?;
        take(cursor, b",\"pu\":")?;
        let stood_at = cursor.take_unsigned()?;
        let nothing = bids.is_empty() && asks.is_empty();
        if stood_at == 0 || stood_at > stands_at || (stood_at == stands_at && !nothing) {
            return None;
        }
        if cursor.take_literal(b",\"cs\":") {
            cursor.take_literal(b"-");
            cursor.take_unsigned()?;
        }
        take(cursor, b"}]}}")?;
        let (claim, asks_cut) = (ProofClaim::None, false);
        let body = Body::Levels(Levels { instrument, symbol, bids, asks, claim, asks_cut });
        let place = Place::run(stood_at + 1, stands_at);
        self.0.frame.kinds.push(UPDATE);
        self.0.frame.messages.push(Message { ts_event, market: symbol, place, body });
        Some(())
    }

    /// Levels up to the end of their array, whose beginning was taken.
    #[inline(always)]
    fn plain_side(&mut self, cursor: &mut Cursor) -> Option<Range<usize>> {
        let levels = &mut self.0.frame.levels;
        let start = levels.len();
        if cursor.take_literal(b"]") {
            return Some(start..start);
        }
        loop {
            take(cursor, b"[\"")?;
            let price = cursor.take_quoted_decimal::<PRICE_DECIMALS>().filter(|p| p.value > 0)?;
            take(cursor, b",\"")?;
            let size = cursor.take_quoted_decimal::<QTY_DECIMALS>()?;
            take(cursor, b",\"")?;
            cursor.take_unsigned()?;
            let forms = (price.form, size.form);
            levels.push(Level { price: price.value, qty: size.value, forms });
            if cursor.take_literal(b"\"]]") {
                return Some(start..levels.len());
            }
            take(cursor, b"\"],")?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::read::Reader;
    use crate::event::Frame;
    use crate::instrument::{Instrument, Instruments, Venue};

    const BEGINS: &str = r#"{"id":-1,"method":"subscribe","code":0,"result":{"instrument_name":"BTC_USD","subscription":"book.BTC_USD.50","channel":"book.update","depth":50,"data":[{"update":"#;

    /// How many messages are read of a change, its levels and what follows them.
    fn read(levels: &str, rest: &str) -> Option<usize> {
        let mut instruments = Instruments::default();
        instruments.add(Instrument::new(Venue::CRYPTOCOM, "BTC_USD", 0));
        let (text, mut frame) = (format!("{BEGINS}{levels},{rest}"), Frame::default());
        let bytes = text.as_bytes();
        let (instruments, frame) = (&instruments, &mut frame);
        let reader = Reader { bytes, venue: Venue::CRYPTOCOM, instruments, frame, fast: true };
        let mut decoder = Decoder(reader);
        let mut cursor = Cursor::new(bytes).unwrap();
        decoder.plain_update(&mut cursor)?;
        cursor.finish().unwrap();
        Some(decoder.0.frame.messages.len())
    }

    #[test]
    fn it_takes_what_the_venue_sends() {
        let rest = r#""t":1790114273659,"tt":1790114273655,"u":375554807336512,"pu":375554807297984"#;
        for sum in ["", r#","cs":1522984915"#, r#","cs":-1183713967"#] {
            let levels = r#"{"asks":[["2750.20","0","0"],["2753.11","0.2616","1"]],"bids":[]}"#;
            assert_eq!(read(levels, &format!("{rest}{sum}}}]}}}}")), Some(1), "{sum}");
        }
        let nothing = r#"{"asks":[],"bids":[]}"#;
        assert_eq!(read(nothing, r#""t":1790114273659,"tt":1,"u":7,"pu":7}]}}"#), Some(1));
    }

    #[test]
    fn it_leaves_what_may_be_wrong() {
        let one = r#"{"asks":[["2750.20","0","0"]],"bids":[]}"#;
        for (before, last) in [(7, 7), (8, 7), (0, 7)] {
            let rest = format!(r#""t":1790114273659,"tt":1,"u":{last},"pu":{before}}}]}}}}"#);
            assert_eq!(read(one, &rest), None, "{before} to {last}");
        }
        let rest = r#""t":1790114273659,"tt":1,"u":8,"pu":7}]}}"#;
        assert_eq!(read(one, rest), Some(1));
        assert_eq!(read(&one.replace("2750.20", "0.00"), rest), None);
    }
}
