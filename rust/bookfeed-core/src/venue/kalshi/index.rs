//! Values of reference indices.

use super::fields::KalshiFields;
use super::{CF_VALUE, Decoder, Understood};
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{Wrong, decimal, given, inside, is_text, members};
use crate::event::{Body, IndexValue};
use crate::fixed::{ABSENT, Price, parse_price};
use crate::span::Value;
use crate::time::{Nanos, parse_millis};

impl Decoder<'_> {
    /// An index value; the time is that of its source.
    pub(super) fn index(&mut self, f: &KalshiFields, kind: u8) -> Understood {
        match self.index_value(f, kind) {
            Ok((ts_event, value)) => (ts_event, Ok(Body::Index(value))),
            Err(wrong) => (ABSENT, Err(wrong)),
        }
    }

    fn index_value(&mut self, f: &KalshiFields, kind: u8) -> Result<(Nanos, IndexValue), Wrong> {
        let f = &f.index;
        let index = if is_text(f.index_id) { f.index_id } else { f.underlying_ticker };
        if !is_text(index) {
            return Err(Wrong::at(index, "index value without a name"));
        }
        let (ts_event, value) = if kind == CF_VALUE {
            self.quoted(f.data).ok_or(Wrong::at(f.data, "data holds no time and value"))?
        } else {
            let ts = self.millis(f.source_ts_ms).ok_or(Wrong::at(f.source_ts_ms, "no source time"))?;
            let wrong = Wrong::at(f.value_usd, "value_usd is not a decimal");
            (ts, self.decimal(f.value_usd, parse_price).ok_or(wrong)?.value)
        };
        let mean_60s = self.mean(f.avg_60s)?.map(|(value, _)| value);
        let closing_mean = match self.mean(f.closing)? {
            Some((value, Some(count))) => Some((value, count)),
            Some(_) => return Err(Wrong::at(f.closing, "mean without its window_size")),
            None => None,
        };
        Ok((ts_event, IndexValue { index, value, mean_60s, closing_mean }))
    }

    /// Time and value out of the source's own message, a JSON text that stands in a string.
    fn quoted(&mut self, data: Value) -> Option<(Nanos, Price)> {
        if !is_text(data) {
            return None;
        }
        let mut scratch = std::mem::take(&mut self.frame.scratch);
        let read = source_message(data.text(self.bytes, &mut scratch));
        self.frame.scratch = scratch;
        read.ok()?
    }

    /// A mean and how many values it is of; `None` if it is not given.
    fn mean(&mut self, object: Value) -> Result<Option<(Price, Option<u32>)>, Wrong> {
        if !given(object) {
            return Ok(None);
        }
        let (mut value, mut size) = (Value::default(), Value::default());
        let walked = inside(self.bytes, object).and_then(|mut cursor| {
            let members = members(&mut cursor, |name, cursor| {
                match name {
                    b"value" => value = cursor.scalar()?,
                    b"window_size" => size = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            });
            members.ok()
        });
        let wrong = Wrong::at(object, "mean is not a decimal");
        let read = walked.and_then(|()| self.decimal(value, parse_price)).ok_or(wrong)?;
        let count = self.integer(size).and_then(|n| u32::try_from(n).ok());
        Ok(Some((read.value, count)))
    }
}

fn source_message(text: &[u8]) -> Result<Option<(Nanos, Price)>, JsonError> {
    let mut cursor = Cursor::new(text)?;
    let (mut time, mut value) = (Value::default(), Value::default());
    members(&mut cursor, |name, cursor| {
        match name {
            b"time" => time = cursor.scalar()?,
            b"value" => value = cursor.scalar()?,
            _ => cursor.skip()?,
        }
        Ok(())
    })?;
    cursor.finish()?;
    let mut scratch = Vec::new();
    let value = decimal(text, value, &mut scratch, parse_price);
    let time = parse_millis(time.text(text, &mut scratch));
    Ok(time.zip(value.map(|v| v.value)))
}
