//! What any bytes may be decoded to: the same by the short cut and by the general way, and a
//! delta only where a plain reading of them, by another JSON reader, finds that very change.

use super::describe::{instruments, say};
use crate::support::surrogates::paired;
use bookfeed_core::decode::Source;
use bookfeed_core::instrument::Instruments;
use serde_json::{Value, json};

pub const TICKER: &str = "KXBTC15M-26OCT011715-15";
pub const MARKET_ID: &str = "5b1c1a36-0f0e-4a55-9d0e-0f3b7c1d2e3f";

pub fn known() -> Instruments {
    instruments(&[("KXSOLD-26OCT0117-T199.9999", None), (TICKER, Some(MARKET_ID))])
}

/// The way round the short cut: the same text with a blank behind its first brace.
pub fn at_length(frame: &[u8]) -> Vec<u8> {
    let Some(brace) = frame.iter().position(|&b| b == b'{') else { return frame.to_vec() };
    [&frame[..=brace], b" ", &frame[brace + 1..]].concat()
}

/// The change a frame states, read plainly; `None` if it states none completely.
fn plain(frame: &Value) -> Option<Value> {
    let message = &frame["msg"];
    let number = |v: &Value| v.as_u64().or_else(|| v.as_str()?.parse().ok()).filter(|&n| n > 0);
    let place = [number(&frame["sid"])?, number(&frame["seq"])?];
    let side = match message["side"].as_str()? {
        "yes" => "bid",
        "no" => "ask",
        _ => return None,
    };
    let text = |v: &Value| v.as_str().map(str::to_owned).or_else(|| Some(v.as_number()?.to_string()));
    let there = |name: &str| !message[name].is_null();
    let price = if there("price_dollars") {
        ticks(&text(&message["price_dollars"])?, 9)?
    } else {
        ticks(&text(&message["price"])?, 0)? * 10_000_000
    };
    if there("delta_fp") && !there("price_dollars") {
        return None;
    }
    let size = if there("delta_fp") { &message["delta_fp"] } else { &message["delta"] };
    let size = ticks(&text(size)?, 8)?;
    let ticker = message["market_ticker"].as_str()?;
    let price = if side == "bid" { price } else { 1_000_000_000 - price };
    (frame["type"] == "orderbook_delta" && (1..1_000_000_000).contains(&price)).then(|| {
        let instrument = (ticker == TICKER).then_some(ticker);
        json!({"place": place, "instrument": instrument, "side": side,
            "price": price.to_string(), "qty": size.to_string()})
    })
}

/// A decimal in units of 10^-`scale`.
fn ticks(text: &str, scale: usize) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{:0<scale$}", fraction.trim_end_matches('0'));
    let plain = all.bytes().all(|b| b.is_ascii_digit()) && fraction.len() < 32;
    let number = all.parse::<i128>().ok().filter(|_| plain)?;
    (all.len() == whole.len() + scale).then_some(sign * number)
}

/// The same of what the decoder made of it.
fn decoded(message: &Value) -> Value {
    let d = &message["body"]["delta"];
    let number = |name: &str, scale| ticks(d[name].as_str().unwrap(), scale).unwrap().to_string();
    json!({"place": message["place"], "instrument": d["instrument"], "side": d["side"],
        "price": number("price", 9), "qty": number("qty", 8)})
}

/// Decodes any bytes by both ways, and by another JSON reader; `true` if they are a delta, and
/// then a plain reading finds the same in them.
pub fn check(bytes: &[u8]) -> bool {
    let known = known();
    let text = || String::from_utf8_lossy(bytes).into_owned();
    let said = say(false, Source::Stream, bytes, &known);
    let long = say(false, Source::Stream, &at_length(bytes), &known);
    assert_eq!(said.as_ref().ok(), long.as_ref().ok(), "{}", text());
    let value = match (&said, serde_json::from_slice::<Value>(&paired(bytes))) {
        (Err(_), Err(_)) => return false,
        // The other reader has limits that JSON has not.
        (Ok(_), Err(e)) if beyond(&e.to_string()) => return false,
        (Ok(_), Ok(value)) => value,
        (_, parsed) => panic!("{said:?}, {parsed:?}: {}", text()),
    };
    let (_, messages) = said.unwrap_or_default();
    let Some(first) = messages.iter().find(|m| m["body"].get("delta").is_some()) else { return false };
    assert_eq!(plain(&value), Some(decoded(first)), "{}", text());
    true
}

fn beyond(error: &str) -> bool {
    error.contains("out of range") || error.contains("recursion")
}
