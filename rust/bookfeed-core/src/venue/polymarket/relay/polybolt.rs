//! The socket that succeeds the first one for prices: numbered frames, and answers to commands.

use super::forms::{Kind, text};
use super::reader::Reader;
use super::record::{FieldValue, Told, event};
use super::symbols::Symbols;
use super::topics::Topic;
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, given, integer, members};
use crate::fixed::ABSENT;
use crate::span::Value;
use crate::time::Nanos;

/// The members of a frame.
#[derive(Default)]
struct Envelope {
    op: Value,
    channel: Value,
    seq: Value,
    ts: Value,
    snapshot: Value,
    dropped: Value,
    payload: Value,
    rid: Value,
    provider: Value,
    code: Value,
    message: Value,
}

/// Reads a frame.
///
/// # Errors
/// [`JsonError`] if it is not JSON; the other result is what is wrong with a well-formed one.
pub(super) fn decode(
    bytes: &[u8],
    ts_recv: Nanos,
    symbols: &mut Symbols,
    told: &mut Told,
) -> Result<Result<(), Wrong>, JsonError> {
    let mut cursor = Cursor::new(bytes)?;
    let mut found = Envelope::default();
    cursor.peek();
    let offset = cursor.offset();
    let object = cursor.peek() == b'{';
    if object {
        members(&mut cursor, |name, cursor| {
            let slot = match name {
                b"op" => &mut found.op,
                b"channel" => &mut found.channel,
                b"seq" => &mut found.seq,
                b"ts" => &mut found.ts,
                b"snapshot" => &mut found.snapshot,
                b"dropped" => &mut found.dropped,
                b"payload" => &mut found.payload,
                b"rid" => &mut found.rid,
                b"provider" => &mut found.provider,
                b"code" => &mut found.code,
                b"message" => &mut found.message,
                _ => return cursor.skip(),
            };
            *slot = cursor.scalar()?;
            Ok(())
        })?;
    } else {
        cursor.skip()?;
    }
    cursor.finish()?;
    if !object {
        return Ok(Err(Wrong { offset, what: "frame is not an object" }));
    }
    let mut reader = Reader { bytes, ts_recv, ts_sent: ABSENT, symbols, told };
    Ok(if given(found.op) { reader.answer(&found) } else { reader.numbered(&found) })
}

impl Reader<'_> {
    fn answer(&mut self, found: &Envelope) -> Result<(), Wrong> {
        let (op, channel) = (self.text(found.op), self.text(found.channel));
        let printed = |value: Value| match text(self.bytes, value) {
            Some(text) if given(value) => FieldValue::Text(text),
            _ => FieldValue::Absent,
        };
        let (kind, fields) = match op.as_ref() {
            "subscribed" | "unsubscribed" | "authed" | "pong" => {
                (Kind::Acknowledged, vec![printed(found.rid), printed(found.provider)])
            }
            "error" => {
                let said = printed(found.message);
                (Kind::Refused, vec![printed(found.code), printed(found.rid), said])
            }
            _ => {
                self.told.unknown = true;
                return Ok(());
            }
        };
        let mut made = event(kind, &channel, &op, ABSENT);
        made.fields = fields;
        self.told.events.push(made);
        Ok(())
    }

    fn numbered(&mut self, found: &Envelope) -> Result<(), Wrong> {
        let name = self.text(found.channel);
        let Some(topic) = Topic::by_name(&name).filter(|_| name.starts_with("price.")) else {
            self.told.unknown = true;
            return Ok(());
        };
        let number = |value: Value| integer(self.bytes, value, &mut Vec::new());
        // Before anything of the payload is looked at: a number is used up whatever it carries.
        let seq = number(found.seq).ok_or(Wrong::at(found.seq, "frame without its number"))?;
        self.told.seq = Some((topic, seq));
        if given(found.dropped) {
            let wrong = Wrong::at(found.dropped, "dropped is no whole number");
            self.told.dropped = number(found.dropped).ok_or(wrong)?;
        }
        self.ts_sent = self.millis(found.ts)?;
        if topic != Topic::PriceTouch {
            return self.prices(topic, found.payload);
        }
        let snapshot = found.snapshot.raw(self.bytes) == b"true";
        if snapshot && found.payload.raw(self.bytes).first() == Some(&b'[') {
            return Ok(()); // A token of which nothing is known yet.
        }
        let of_type = if snapshot { "snapshot" } else { "update" };
        let ts_event = self.time_in(found.payload, b"timestamp")?;
        self.event(Kind::Touch, (&name, of_type), found.payload, ts_event)
    }
}
