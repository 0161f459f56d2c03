//! What any bytes may come to at most, by a plain reading with another JSON reader.

use super::describe::{T_RECV, connected, field, value};
use crate::support::plain::is_remark;
use crate::support::surrogates::paired;
use bookfeed_core::venue::relay::Relay;
use bookfeed_core::venue::relay::forms::Kind;
use bookfeed_core::venue::relay::record::{FieldValue, Output, POINT_SIZE};
use bookfeed_core::venue::relay::topics::Topic;
use serde_json::Value;

/// Feeds `frame` twice; panics if anything comes of it that is not there, or comes twice.
pub fn check(relay: Relay, frame: &[u8]) {
    let mut relays = connected(relay);
    relays.ingest(0, frame, T_RECV);
    let Output { points, events, .. } = std::mem::take(relays.output());
    let told = events.iter().filter(|event| event.kind != Kind::Lost).count();
    let parsed = serde_json::from_slice::<Value>(&paired(frame));
    let Ok(document) = parsed else {
        // Numbers beyond its reach and depth are that reader's own limits.
        let said = parsed.unwrap_err().to_string();
        if said.contains("out of range") || said.contains("recursion") {
            return;
        }
        assert_eq!((points.len(), told), (0, 0), "something comes of what is no JSON");
        let quiet = frame.is_empty() || is_remark(frame);
        assert_eq!(events.is_empty(), quiet, "what cannot be read is told");
        return;
    };
    for point in points.chunks_exact(POINT_SIZE) {
        check_point(&document, point, relays.symbol(u32::try_from(field(point, "symbol")).unwrap()));
    }
    for event in &events {
        for field in &event.fields {
            if let FieldValue::Text(text) = field {
                let printed = document.to_string();
                let quoted = Value::from(text.as_ref()).to_string();
                let found = printed.contains(&quoted[1..quoted.len() - 1]);
                assert!(found || text.parse::<f64>().is_ok(), "{text} is nowhere in {printed}");
            }
        }
    }
    relays.ingest(0, frame, T_RECV + 1);
    assert!(relays.output().points.is_empty(), "a point is told twice");
}

fn check_point(document: &Value, point: &[u8], symbol: Option<&str>) {
    let payload = &document["payload"];
    let stated = payload["symbol"].as_str().unwrap().to_ascii_lowercase();
    assert_eq!(Some(stated.as_str()), symbol);
    let millis = field(point, "ts_event_ns") / 1_000_000;
    let alone = std::slice::from_ref(payload);
    let all = payload["data"].as_array().map_or(alone, Vec::as_slice);
    let number = |value: &Value| match value {
        Value::String(text) => text.parse::<f64>().ok(),
        other => other.as_f64(),
    };
    #[allow(clippy::cast_precision_loss)] // compared as closely as doubles allow
    let told = value(point) as f64 / 1e18;
    let near = |stated: f64| (told - stated).abs() <= stated.abs() * 2e-6 + 2e-12;
    let scaled = |each: &Value| {
        let exact = number(&each["full_accuracy_value"]);
        exact.is_some_and(|exact| near(exact) || near(exact / 1e18))
    };
    let found = all.iter().any(|each| {
        #[allow(clippy::cast_precision_loss)]
        let at = number(&each["timestamp"]).is_some_and(|ts| ts == millis as f64);
        at && number(&each["value"]).map_or_else(|| scaled(each), near)
    });
    assert!(found, "{told} at {millis} is not in {payload}");
    assert!(usize::try_from(field(point, "topic")).unwrap() < Topic::ALL.len());
}
