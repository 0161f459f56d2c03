//! A user's quotes, as the program that states them prints them, and a plain reading of any text.

use bookfeed_core::fixed::{parse_price, parse_qty};
use serde_json::Value;

/// A side as it is printed: price and size, or none.
pub type Printed<'a> = Option<(&'a str, &'a str)>;

/// Price and size in the engine's units, or none.
pub type Level = Option<(i64, i64)>;

fn side(side: Printed) -> String {
    side.map_or("null".to_owned(), |(price, qty)| format!(r#"["{price}","{qty}"]"#))
}

/// A frame.
pub fn quote(symbol: &str, bid: Printed, ask: Printed, max_age: i64) -> String {
    let (bid, ask) = (side(bid), side(ask));
    format!(r#"{{"symbol":"{symbol}","bid":{bid},"ask":{ask},"max_age_ns":{max_age}}}"#)
}

fn level(side: &Value) -> Option<Level> {
    if side.is_null() {
        return Some(None);
    }
    let [price, qty] = side.as_array()?.as_slice() else { return None };
    let price = parse_price(price.as_str()?.as_bytes()).ok()?.value;
    let qty = parse_qty(qty.as_str()?.as_bytes()).ok()?.value;
    (price > 0 && price < 1_000_000_000 && qty > 0).then_some(Some((price, qty)))
}

/// What any text says as a quote of a contract that pays one, by another reader: symbol, bid, ask
/// and how long it holds; `None` if it is no quote.
pub fn plain(text: &Value) -> Option<(String, Level, Level, i64)> {
    let symbol = text.get("symbol")?.as_str().filter(|symbol| !symbol.is_empty())?;
    let age = text.get("max_age_ns")?.as_i64()?;
    let sides = (level(text.get("bid")?)?, level(text.get("ask")?)?);
    (1..=1_000_000_000_000_000_000).contains(&age).then(|| (symbol.to_owned(), sides.0, sides.1, age))
}
