//! What any bytes may be decoded to: the same by the short cut and by the general way, and levels
//! only where a plain reading of them, by another JSON reader, finds those very levels.

use super::describe::{From, instruments, say};
use crate::support::surrogates::paired;
use crate::support::texts::quote_numbers;
use bookfeed_core::instrument::{Instruments, Venue};
use serde_json::{Value, json};

/// The venues whose decoders are tested here.
pub const SPOT: [Venue; 6] =
    [Venue::BINANCE, Venue::KRAKEN, Venue::COINBASE, Venue::BITSTAMP, Venue::GEMINI, Venue::CRYPTOCOM];

/// The symbols that are known, the first in every frame made here.
pub fn symbols(venue: Venue) -> [&'static str; 2] {
    match venue {
        Venue::BINANCE => ["BTCUSDT", "ETHUSDT"],
        Venue::KRAKEN => ["BTC/USD", "ETH/USD"],
        Venue::BITSTAMP | Venue::GEMINI => ["btcusd", "ethusd"],
        Venue::CRYPTOCOM => ["BTC_USD", "ETH_USD"],
        _ => ["BTC-USD", "ETH-USD"],
    }
}

pub fn known(venue: Venue) -> Instruments {
    instruments(venue, &symbols(venue))
}

/// The way round the short cut: the same text with a blank behind its first brace.
pub fn at_length(frame: &[u8]) -> Vec<u8> {
    let Some(brace) = frame.iter().position(|&b| b == b'{') else { return frame.to_vec() };
    [&frame[..=brace], b" ", &frame[brace + 1..]].concat()
}

/// A plain decimal that fits, without the zeros that say nothing; `None` for anything else.
pub fn plain_decimal(value: &Value, decimals: usize) -> Option<String> {
    let text = value.as_str()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let pointed = !text.contains('.') || !fraction.is_empty();
    let superfluous = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || !digits(fraction) || !pointed || superfluous || text.is_empty() {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    (fraction.len() <= decimals).then(|| match fraction {
        "" if whole.is_empty() => "0".to_owned(),
        "" => whole.to_owned(),
        _ => format!("{}.{fraction}", if whole.is_empty() { "0" } else { whole }),
    })
}

fn too_high(price: &str) -> bool {
    let whole = price.split('.').next().unwrap();
    whole.len() > 10 || (whole.len() == 10 && whole > "9223372036")
}

/// The sides of a message that says which levels changed, by a plain reading.
fn plain_levels(venue: Venue, entry: &Value) -> Option<Value> {
    let side = |name: &str| -> Option<Value> {
        let array = match &entry[name] {
            Value::Array(levels) => levels.clone(),
            Value::Null if venue == Venue::KRAKEN => Vec::new(),
            _ => return None,
        };
        let level = |level: &Value| {
            let (price, size) = match venue {
                Venue::BINANCE | Venue::BITSTAMP | Venue::GEMINI | Venue::CRYPTOCOM => {
                    (level.get(0)?, level.get(1)?)
                }
                _ => (level.get("price")?, level.get("qty")?),
            };
            Some([plain_decimal(price, 9).filter(|p| p != "0")?, plain_decimal(size, 8)?])
        };
        let levels: Option<Vec<_>> = array.iter().map(level).collect();
        // Nobody will ever pay what is asked for beyond the highest price.
        let sells = name.starts_with('a');
        let held = levels?.into_iter().filter(|[price, _]| !sells || !too_high(price));
        Some(held.collect::<Vec<_>>().into())
    };
    let short = matches!(venue, Venue::BINANCE | Venue::GEMINI);
    let names = if short { ["b", "a"] } else { ["bids", "asks"] };
    Some(json!([side(names[0])?, side(names[1])?]))
}

/// The sides of an event of Coinbase's, which stand in one array.
fn plain_updates(event: &Value) -> Option<Value> {
    let mut sides = [Vec::new(), Vec::new()];
    for update in event["updates"].as_array()? {
        let at = ["bid", "offer"].iter().position(|side| update["side"] == *side)?;
        let price = plain_decimal(&update["price_level"], 9).filter(|p| p != "0")?;
        let size = plain_decimal(&update["new_quantity"], 8)?;
        if at == 0 || !too_high(&price) {
            sides[at].push(json!([price, size]));
        }
    }
    Some(json!(sides))
}

/// The changes of levels that a frame of Coinbase's states completely.
fn plain_coinbase(frame: &Value) -> Vec<Value> {
    let number = frame["sequence_num"].as_str().and_then(|text| text.parse::<u64>().ok());
    let events = frame["events"].as_array().filter(|_| frame["channel"] == "l2_data");
    let said = events.into_iter().flatten().filter_map(|event| {
        let complete = event["type"] == "update" && event["product_id"].is_string();
        let sides = plain_updates(event).filter(|_| complete)?;
        Some(json!({"symbol": event["product_id"], "number": number?.checked_add(1)?, "sides": sides}))
    });
    said.collect()
}

/// The changes of levels that a frame of Bitstamp's states completely.
fn plain_bitstamp(frame: &Value) -> Option<Value> {
    let pair = frame["channel"].as_str()?.strip_prefix("diff_order_book_").filter(|p| !p.is_empty())?;
    let micros = frame["data"]["microtimestamp"].as_str()?.parse::<u64>().ok()?;
    let fits = (1..=9_223_372_036_854_774).contains(&micros) && frame["event"] == "data";
    let sides = plain_levels(Venue::BITSTAMP, &frame["data"]).filter(|_| fits)?;
    Some(json!({"symbol": pair, "place": [micros, micros], "sides": sides}))
}

/// The changes of levels that a frame of Crypto.com's states completely.
fn plain_cryptocom(frame: &Value) -> Vec<Value> {
    let news = &frame["result"];
    let done = frame.get("code").is_none_or(|code| code.is_null() || plain_number(code) == Some(0));
    let update = done && news["channel"] == "book.update";
    let symbol = news["instrument_name"].as_str().filter(|name| update && !name.is_empty());
    let entries = symbol.and(news["data"].as_array()).into_iter().flatten();
    let said = entries.filter_map(|entry| {
        let fits = |id: &Value| plain_number(id).filter(|&id| id > 0 && id < u64::MAX);
        let (before, last) = (fits(&entry["pu"])?, fits(&entry["u"])?);
        let update = Some(&entry["update"]).filter(|update| update.is_object() && before <= last)?;
        let sides = plain_levels(Venue::CRYPTOCOM, update)?;
        let nothing = sides.as_array()?.iter().all(|side| side.as_array().is_some_and(Vec::is_empty));
        let own = before < last || nothing;
        own.then(|| json!({"symbol": symbol, "place": [before + 1, last], "sides": sides}))
    });
    said.collect()
}

/// A whole number that stands as text or as a number.
fn plain_number(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    let digits =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    digits.then(|| text.parse().ok())?
}

/// The changes of levels that a frame of Gemini's version 2 states completely.
fn plain_version_2(frame: &Value) -> Option<Value> {
    let comes_with = |name: &str| frame.get(name).is_some_and(|with| !with.is_null());
    let change = frame["type"] == "l2_updates" && !comes_with("trades") && !comes_with("auction_events");
    let symbol = named(frame).filter(|_| change && frame["e"].as_str().is_none())?;
    Some(json!({"symbol": symbol, "place": null, "sides": plain_changes(frame)?}))
}

/// The changes of levels that a frame of Coinbase Exchange states completely.
fn plain_exchange(frame: &Value) -> Option<Value> {
    let product = &frame["product_id"];
    let fits = frame["type"] == "l2update" && product.is_string();
    let sides = plain_changes(frame).filter(|_| fits)?;
    Some(json!({"symbol": product, "number": null, "sides": sides}))
}

/// The sides of changes that stand in one array, each with its side.
fn plain_changes(frame: &Value) -> Option<Value> {
    let mut sides = [Vec::new(), Vec::new()];
    for level in frame["changes"].as_array()? {
        let at =
            ["buy", "sell"].iter().position(|side| level.get(0).is_some_and(|told| told == side))?;
        let price = plain_decimal(level.get(1)?, 9).filter(|p| p != "0")?;
        let size = plain_decimal(level.get(2)?, 8)?;
        if at == 0 || !too_high(&price) {
            sides[at].push(json!([price, size]));
        }
    }
    Some(json!(sides))
}

/// The symbol that a frame of Gemini's names, by either of its names.
fn named(frame: &Value) -> Option<&Value> {
    [&frame["s"], &frame["symbol"]].into_iter().find(|name| name.is_string())
}

/// All changes of levels that a frame states completely.
fn plain(venue: Venue, from: From, frame: &Value) -> Vec<Value> {
    let number = |v: &Value| v.as_str()?.parse::<u64>().ok();
    if venue == Venue::COINBASE && matches!(from, From::Second) {
        return plain_exchange(frame).into_iter().collect();
    }
    if venue == Venue::COINBASE {
        return plain_coinbase(frame);
    }
    if venue == Venue::BITSTAMP {
        return plain_bitstamp(frame).into_iter().collect();
    }
    if venue == Venue::CRYPTOCOM {
        return plain_cryptocom(frame);
    }
    if matches!(venue, Venue::BINANCE | Venue::GEMINI) {
        let wrapped = venue == Venue::BINANCE && frame["data"].is_object();
        let message = if wrapped { &frame["data"] } else { frame };
        let place = number(&message["U"]).zip(number(&message["u"]));
        let symbol = if venue == Venue::GEMINI { named(frame) } else { Some(&message["s"]) };
        let symbol = symbol.filter(|name| name.is_string());
        let sides = plain_levels(venue, message).filter(|_| message["e"] == "depthUpdate");
        let said = sides.zip(place).zip(symbol).map(|((sides, (first, last)), symbol)| {
            json!({"symbol": symbol, "place": [first, last], "sides": sides})
        });
        let version_2 = plain_version_2(frame).filter(|_| venue == Venue::GEMINI);
        return said.into_iter().chain(version_2).collect();
    }
    let update = frame["channel"] == "book" && frame["type"] == "update";
    let entries = frame["data"].as_array().filter(|_| update);
    let said = entries.into_iter().flatten().filter_map(|entry| {
        let checksum = number(&entry["checksum"]).filter(|&n| u32::try_from(n).is_ok())?;
        let sides = plain_levels(venue, entry).filter(|_| entry["symbol"].is_string())?;
        Some(json!({"symbol": entry["symbol"], "checksum": checksum, "sides": sides}))
    });
    said.collect()
}

/// The same of what the decoder made of it.
fn decoded(venue: Venue, message: &Value) -> Value {
    let levels = &message["body"]["levels"];
    let side = |name: &str, decimals: [usize; 2]| -> Value {
        let level = |pair: &Value| {
            json!([plain_decimal(&pair[0], decimals[0]), plain_decimal(&pair[1], decimals[1])])
        };
        levels[name].as_array().unwrap().iter().map(level).collect()
    };
    let sides = json!([side("bids", [9, 8]), side("asks", [9, 8])]);
    if matches!(venue, Venue::BINANCE | Venue::BITSTAMP | Venue::GEMINI | Venue::CRYPTOCOM) {
        return json!({"symbol": levels["symbol"], "place": message["place"], "sides": sides});
    }
    if venue == Venue::COINBASE {
        return json!({"symbol": levels["symbol"], "number": message["place"][1], "sides": sides});
    }
    json!({"symbol": levels["symbol"], "checksum": levels["checksum"], "sides": sides})
}

/// Decodes any bytes by both ways, and by another JSON reader; `true` if they change levels, and
/// then a plain reading finds the same changes in them, and no others.
pub fn check(venue: Venue, from: From, bytes: &[u8]) -> bool {
    let known = known(venue);
    let text = || String::from_utf8_lossy(bytes).into_owned();
    let said = say(venue, from, bytes, &known);
    let long = say(venue, from, &at_length(bytes), &known);
    assert_eq!(said.as_ref().ok(), long.as_ref().ok(), "{}", text());
    let value = match (&said, serde_json::from_slice::<Value>(&paired(bytes))) {
        (Err(_), Err(_)) => return false,
        // The other reader has limits that JSON has not.
        (Ok(_), Err(e)) if beyond(&e.to_string()) => return false,
        (Ok(_), Ok(value)) => value,
        (_, parsed) => panic!("{said:?}, {parsed:?}: {}", text()),
    };
    // Digits that say nothing to a number say something here.
    let quoted = std::str::from_utf8(bytes).map(quote_numbers).unwrap();
    let value = serde_json::from_str(&quoted).unwrap_or(value);
    let (_, messages) = said.unwrap_or_default();
    let changes = messages.iter().filter(|m| m["body"].get("levels").is_some());
    let found: Vec<_> = changes.map(|m| decoded(venue, m)).collect();
    let plain = plain(venue, from, &value);
    assert!(found.iter().all(|change| plain.contains(change)), "{found:?}, {plain:?}: {}", text());
    !found.is_empty()
}

fn beyond(error: &str) -> bool {
    error.contains("out of range") || error.contains("recursion")
}
