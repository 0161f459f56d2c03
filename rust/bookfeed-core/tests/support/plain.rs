//! The venue's messages read as plainly as can be, by another JSON reader into maps: the
//! oracle of the mutation tests and of the fuzz target.

use super::records::levels;
use super::venue::{Truth, price_text};
use bookfeed_core::engine::Engine;
use serde_json::Value;
use std::collections::BTreeMap;

/// Price and size in shortest form, by price in units of 1e-9.
type Side = BTreeMap<u128, u128>;

/// A book as a plain reading of its messages leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    sides: [Side; 2],
}

/// A decimal in units of 10^-`places`, read by hand; `None` if it is not plain or not exact.
fn decimal(value: &Value, places: usize) -> Option<u128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if !plain(whole) || !plain(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

impl Model {
    /// The true book.
    pub fn of(truth: &Truth) -> Self {
        let side = |levels: &BTreeMap<u32, String>| {
            let read = |text: &str, places| decimal(&Value::String(text.into()), places).unwrap();
            levels.iter().map(|(&p, size)| (read(&price_text(p), 9), read(size, 8))).collect()
        };
        Self { sides: [side(&truth.bids), side(&truth.asks)] }
    }

    fn set(&mut self, entry: &Value) -> Option<()> {
        let (price, size) = (decimal(&entry["price"], 9)?, decimal(&entry["size"], 8)?);
        let side = match entry["side"].as_str()?.to_ascii_uppercase().as_str() {
            "BUY" => 0,
            "SELL" => 1,
            _ => return None,
        };
        if size == 0 {
            self.sides[side].remove(&price);
        } else {
            self.sides[side].insert(price, size);
        }
        Some(())
    }

    fn replace(&mut self, message: &Value) -> Option<()> {
        for (side, name) in self.sides.iter_mut().zip(["bids", "asks"]) {
            side.clear();
            for level in message[name].as_array()? {
                let (price, size) = (decimal(&level["price"], 9)?, decimal(&level["size"], 8)?);
                if size > 0 {
                    side.insert(price, size);
                }
            }
        }
        Some(())
    }

    /// The book the engine holds.
    pub fn of_engine(engine: &Engine, id: u32) -> Self {
        let (bids, asks) = levels(engine, id);
        let side = |levels: Vec<(String, String)>| {
            let read = |text, places| decimal(&Value::String(text), places).unwrap();
            levels.into_iter().map(|(p, q)| (read(p, 9), read(q, 8))).collect()
        };
        Self { sides: [side(bids), side(asks)] }
    }
}

/// Applies a frame to the models as plainly as can be. A model is taken away where the frame
/// cannot be read, and where it cannot be told whom the unreadable is about, both are.
pub fn apply(models: &mut [Option<Model>; 2], assets: &[String; 2], frame: &Value) {
    let messages = frame.as_array().map_or_else(|| std::slice::from_ref(frame), Vec::as_slice);
    for message in messages {
        let of = |entry: &Value| assets.iter().position(|a| entry["asset_id"].as_str() == Some(a));
        let close = |models: &mut [Option<Model>; 2], named: &[Option<usize>]| {
            let unsure = named.is_empty() || named.contains(&None);
            for (i, model) in models.iter_mut().enumerate() {
                if unsure || named.contains(&Some(i)) {
                    *model = None;
                }
            }
        };
        match &message["event_type"] {
            Value::String(kind) if kind == "price_change" => {
                // Today's layout, and the two of older recordings, which name one asset.
                let today = message.get("price_changes").is_some();
                let list = message.get("price_changes").or(message.get("changes"));
                let entries = list.map_or(std::slice::from_ref(message), |list| {
                    list.as_array().map_or(&[][..], Vec::as_slice)
                });
                let about = |entry| if today { entry } else { message };
                let named: Vec<_> = entries.iter().map(|entry| of(about(entry))).collect();
                let mut trial = models.clone();
                let readable = list.is_none_or(Value::is_array)
                    && entries.iter().zip(&named).all(|(entry, outcome)| {
                        let mut nobody = Some(Model::default());
                        let model = outcome.map_or(&mut nobody, |i| &mut trial[i]);
                        let set = model.as_mut().is_none_or(|m| m.set(entry).is_some());
                        about(entry)["asset_id"].is_string() && set
                    });
                if readable {
                    *models = trial;
                } else if today {
                    close(models, &named);
                } else {
                    close(models, &[of(message)]);
                }
            }
            Value::String(kind) if kind == "book" => {
                let outcome = of(message);
                let mut model = Model::default();
                let readable = message["asset_id"].is_string() && model.replace(message).is_some();
                match outcome {
                    Some(i) if readable => models[i] = Some(model),
                    None if readable => {}
                    named => close(models, &[named]),
                }
            }
            Value::Null if !message.is_object() => close(models, &[]),
            Value::Null => {
                let levels = ["bids", "asks", "price_changes"].iter().any(|n| message.get(n).is_some());
                if levels {
                    // About whatever it names, at the top or in its entries.
                    let entries = message["price_changes"].as_array().map_or(&[][..], Vec::as_slice);
                    let top = message.get("asset_id").is_some().then_some(message);
                    let named: Vec<_> = top.into_iter().chain(entries).map(of).collect();
                    close(models, &named);
                }
            }
            _ => {}
        }
    }
}

/// Whether a frame that is no JSON may have been left alone: it says once that it is a broadcast,
/// carries nothing of a book, and no word of it is the name of an outcome or of their market.
#[must_use]
pub fn is_broadcast_of_others(bytes: &[u8], ours: &[&str]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut kinds = text.split("\"event_type\"").skip(1).filter_map(|rest| {
        let value = rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
        Some(["\"new_market\"", "\"market_resolved\""].iter().any(|kind| value.starts_with(kind)))
    });
    let broadcast = kinds.next() == Some(true) && kinds.next().is_none();
    let of_a_book = ["asset_id", "bids", "asks", "price_changes"]
        .iter()
        .any(|key| text.contains(&format!("\"{key}\":")));
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    broadcast && !of_a_book && !words.any(|word| ours.contains(&word))
}

/// Whether a frame is no more than a few printable words, blank or in quotes: a remark of the venue
/// that says nothing of any book.
#[must_use]
pub fn is_remark(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let text = text.trim();
    let quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    let said = if quoted { &text[1..text.len() - 1] } else { text };
    let structure = |c: char| c.is_control() || "{}[]\"".contains(c);
    (1..=64).contains(&bytes.len()) && !said.contains(structure)
}
