//! What a frame of a relay comes to, as JSON.

use bookfeed_core::fixed::ABSENT;
use bookfeed_core::venue::relay::record::{Event, FieldValue, Output, POINT_FIELDS, POINT_SIZE};
use bookfeed_core::venue::relay::topics::{MarketStatus, Origin, Topic};
use bookfeed_core::venue::relay::{Relay, Relays};
use serde_json::{Map, Value, json};

/// Receive time of all frames here.
pub const T_RECV: i64 = 1_790_877_851_300_000_000;

const FLAGS: [&str; 5] = ["backfill", "double", "rounded", "carried", "revised"];

/// Relays with one connection.
pub fn connected(relay: Relay) -> Relays {
    let mut relays = Relays::default();
    relays.connected(0, relay);
    relays
}

/// Takes what waits: points, then events.
pub fn take(relays: &mut Relays) -> (Vec<Value>, Vec<Value>) {
    let Output { points, events, .. } = std::mem::take(relays.output());
    let points = points.chunks_exact(POINT_SIZE).map(|record| point(relays, record)).collect();
    (points, events.iter().map(event).collect())
}

/// A field of a record, by the layout that readers get.
pub fn field(record: &[u8], name: &str) -> i128 {
    let (_, code, at) = POINT_FIELDS.into_iter().find(|f| f.0 == name).unwrap();
    let width: usize = code[2..].parse().unwrap();
    let bytes = &record[at..at + width];
    let signed = code[1..2] == *"i" && bytes[width - 1] > 0x7f;
    let mut wide = if signed { [0xff; 16] } else { [0; 16] };
    wide[..width].copy_from_slice(bytes);
    i128::from_le_bytes(wide)
}

/// The value of a record, 1e-18.
pub fn value(record: &[u8]) -> i128 {
    (field(record, "value_e18_high") << 64) + field(record, "value_e18_low")
}

fn millis(ns: i128) -> Value {
    if ns == i128::from(ABSENT) { Value::Null } else { json!(i64::try_from(ns / 1_000_000).unwrap()) }
}

fn name(names: &[&str], code: i128) -> Value {
    names[usize::try_from(code).unwrap()].into()
}

fn point(relays: &Relays, record: &[u8]) -> Value {
    let f = |name| field(record, name);
    let flags = f("flags");
    let flags: Vec<_> = (0..).zip(FLAGS).filter(|(bit, _)| flags >> bit & 1 == 1).collect();
    json!({
        "ts_ms": millis(f("ts_event_ns")),
        "value": value(record).to_string(),
        "topic": name(Topic::NAMES, f("topic")),
        "symbol": relays.symbol(u32::try_from(f("symbol")).unwrap()),
        "origin": name(Origin::NAMES, f("origin")),
        "window_s": i64::try_from(f("window_s")).unwrap(),
        "flags": flags.into_iter().map(|(_, flag)| flag).collect::<Vec<_>>(),
        "status": name(MarketStatus::NAMES, f("status")),
        "sent_ms": millis(f("ts_sent_ns")),
        "source_ms": millis(f("ts_source_ns")),
    })
}

fn event(event: &Event) -> Value {
    let said = |field: &FieldValue| match field {
        FieldValue::Absent => Value::Null,
        FieldValue::Number(n) => json!(n),
        FieldValue::Truth(yes) => json!(yes),
        FieldValue::Text(text) => json!(text),
        FieldValue::Texts(texts) => json!(texts),
        FieldValue::Levels(levels) => json!(levels),
    };
    let forms = event.kind.fields().iter();
    assert_eq!(forms.len(), event.fields.len(), "{}: a field for each form", event.kind.name());
    let fields: Map<_, _> =
        forms.zip(&event.fields).map(|(form, field)| (form.name.to_owned(), said(field))).collect();
    json!({
        "kind": event.kind.name(),
        "topic": event.topic,
        "type": event.of_type,
        "ts_ms": millis(event.ts_event.into()),
        "sent_ms": millis(event.ts_sent.into()),
        "fields": fields,
    })
}
