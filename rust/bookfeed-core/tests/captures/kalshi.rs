//! Kalshi in formats old and new: cents say what they would say in dollars.

use super::kalshi_describe::{Said, say};
use super::{Missing, lines};
use bookfeed_core::decode::Source;
use bookfeed_core::instrument::Instruments;
use serde_json::{Map, Value};

fn said(frame: &str) -> Said {
    let said = say(false, Source::Stream, frame.as_bytes(), &Instruments::default()).unwrap();
    let malformed = said.1.iter().any(|m| m["body"].get("malformed").is_some());
    assert!(!malformed, "{frame}");
    said
}

fn dollars(cents: &Value) -> Value {
    let cents = cents.as_u64().unwrap();
    format!("{}.{:02}00", cents / 100, cents % 100).into()
}

fn contracts(count: &Value) -> Value {
    format!("{}.00", count.as_i64().unwrap()).into()
}

/// The members of `msg` renamed and rewritten as today's format has them.
fn todays(message: &Map<String, Value>) -> Map<String, Value> {
    let mut today = Map::new();
    for (name, value) in message {
        let (name, value) = match name.as_str() {
            "price" | "yes_price" | "no_price" | "yes_bid" | "yes_ask" => {
                (format!("{name}_dollars"), dollars(value))
            }
            "delta" | "count" => (format!("{name}_fp"), contracts(value)),
            "yes" | "no" => {
                let levels = value.as_array().unwrap().iter();
                let levels = levels.map(|l| Value::from(vec![dollars(&l[0]), contracts(&l[1])]));
                (format!("{name}_dollars_fp"), levels.collect())
            }
            _ => (name.clone(), value.clone()),
        };
        today.entry(name).or_insert(value);
    }
    today
}

fn with_message(frame: &Value, message: Map<String, Value>) -> String {
    let mut frame = frame.clone();
    frame["msg"] = Value::Object(message);
    frame.to_string()
}

pub fn frames_of_today_are_all_understood() -> Result<(), Missing> {
    let lines = lines("kalshi/gold15m-26AUG101800-00.ndjson.gz")?;
    let mut frames = 0;
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        let Some(frame) = line["frame"].as_str() else { continue };
        let (counts, messages) = said(frame);
        assert!(counts.keys().all(|name| !name.starts_with("un")), "{frame}");
        assert_eq!(messages.len(), 1, "{frame}");
        frames += 1;
    }
    assert!(frames > 10_000, "{frames}");
    Ok(())
}

pub fn frames_in_cents_say_what_they_would_say_in_dollars() -> Result<(), Missing> {
    let lines = lines("kalshi/cents-format-2023.jsonl.gz")?;
    assert!(lines.len() > 1_000);
    for line in &lines {
        let frame: Value = serde_json::from_str(line).unwrap();
        let today = with_message(&frame, todays(frame["msg"].as_object().unwrap()));
        assert_eq!(said(line), said(&today), "{line}");
    }
    Ok(())
}

pub fn frames_in_two_formats_say_the_same_with_either_half() -> Result<(), Missing> {
    for name in ["trade", "ticker"] {
        let name = format!("kalshi/samples/dual-format-{name}.jsonl");
        let lines = lines(&name)?;
        assert!(!lines.is_empty());
        for line in &lines {
            let frame: Value = serde_json::from_str(line).unwrap();
            let half = |dollars: bool| {
                let mut message = frame["msg"].as_object().unwrap().clone();
                let cents = ["price", "yes_price", "no_price", "count", "yes_bid", "yes_ask"];
                message.retain(|name, _| match cents.contains(&name.as_str()) {
                    true => !dollars,
                    false => dollars || !(name.ends_with("_dollars") || name.ends_with("_fp")),
                });
                with_message(&frame, message)
            };
            assert_eq!(said(line), said(&half(true)), "{line}");
            assert_eq!(said(line), said(&half(false)), "{line}");
        }
    }
    Ok(())
}
