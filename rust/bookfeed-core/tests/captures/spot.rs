//! Binance and Kraken: all recorded frames are understood. Kraken's are of version 1 and are
//! respelled here as version 2 has them; every checksum then holds of the decoded book.

use super::spot_describe::{From, instruments, say};
use super::{Missing, lines};
use crate::support::checksum::by_the_rule;
use bookfeed_core::book::proof::Proved;
use bookfeed_core::book::proof::crc32::{Crc32Memory, check};
use bookfeed_core::book::side::BookSide;
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::event::{Body, Frame, Level, ProofClaim, Side};
use bookfeed_core::instrument::{InstrumentId, Instruments, UNKNOWN, Venue};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

pub fn recorded_frames_of_binance_are_all_understood() -> Result<(), Missing> {
    let lines = lines("spot/binance-btcusdt-2024-08-09.gz")?;
    let known = instruments(Venue::BINANCE, &["BTCUSDT"]);
    let (mut counts, mut last) = (BTreeMap::new(), 0);
    for line in &lines {
        let frame = line.split_once(' ').unwrap().1;
        let (kinds, messages) = say(Venue::BINANCE, From::Stream, frame.as_bytes(), &known).unwrap();
        assert_eq!(messages.len(), 1, "{frame}");
        let body = &messages[0]["body"];
        let about = ["levels", "touch", "trade"].into_iter().find_map(|name| body.get(name));
        assert_eq!(about.unwrap()["instrument"], "BTCUSDT", "{frame}");
        for (kind, n) in kinds {
            *counts.entry(kind).or_insert(0) += n;
        }
        if body.get("levels").is_some() {
            let place = messages[0]["place"].as_array().unwrap();
            assert!(last == 0 || place[0] == last + 1, "{frame}");
            last = place[1].as_u64().unwrap();
        }
    }
    let kinds: Vec<_> = counts.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["bookTicker", "depthUpdate", "trade"]);
    assert!(counts.values().sum::<u64>() > 50_000 && counts["depthUpdate"] > 2_000, "{counts:?}");
    Ok(())
}

/// A level of version 1, `[price, size, time, …]`, and one of version 2, digit for digit.
fn levels(body: &Value, name: &str) -> Option<String> {
    let level = |level: &Value| {
        let text = |at: usize| level[at].as_str().unwrap();
        format!(r#"{{"price":{},"qty":{}}}"#, text(0), text(1))
    };
    let all: Vec<_> = body[name].as_array()?.iter().map(level).collect();
    Some(format!("[{}]", all.join(",")))
}

/// The newest time of a body's levels, as version 2 writes it; which second it is of is of no
/// matter here.
fn timestamp(body: &Value) -> String {
    let sides = ["as", "bs", "a", "b"].into_iter().filter_map(|name| body[name].as_array());
    let newest = sides.flatten().map(|l| l[2].as_str().unwrap()).max().unwrap();
    format!("2021-04-17T16:48:52.{}Z", newest.split_once('.').unwrap().1)
}

fn printed(body: &Value, name: &str) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    body[name].as_array().unwrap().iter().map(|l| (text(&l[0]), text(&l[1]))).collect()
}

/// A frame of version 1 about a book, as version 2 has it; `None` for one about something else.
fn book(frame: &Value) -> Option<(String, String)> {
    let parts = frame.as_array()?;
    let (channel, symbol) = (parts[parts.len() - 2].as_str()?, parts.last()?.as_str()?);
    if !channel.starts_with("book-") {
        return None;
    }
    let mut body = parts[1].clone();
    for more in &parts[2..parts.len() - 2] {
        body.as_object_mut()?.extend(more.as_object()?.clone());
    }
    let whole = body.get("as").is_some();
    let kind = if whole { "snapshot" } else { "update" };
    let [bids, asks] = if whole { ["bs", "as"] } else { ["b", "a"] };
    // Version 1 gives a whole book no checksum.
    let checksum = match body["c"].as_str() {
        Some(sum) => sum.to_owned(),
        None => by_the_rule(&printed(&body, bids), &printed(&body, asks)).to_string(),
    };
    let side = |name: &str| levels(&body, name).unwrap_or("[]".to_owned());
    let text = format!(
        r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":{},"asks":{},"checksum":{checksum},"timestamp":"{}"}}]}}"#,
        side(bids),
        side(asks),
        timestamp(&body)
    );
    Some((symbol.to_owned(), text))
}

/// Any other frame of version 1.
fn other(frame: &Value) -> String {
    let Some(parts) = frame.as_array() else {
        return match frame["event"].as_str().unwrap() {
            "heartbeat" => r#"{"channel":"heartbeat"}"#.to_owned(),
            "systemStatus" => {
                json!({"channel": "status", "type": "update", "data": [{"system": frame["status"]}]})
                    .to_string()
            }
            _ => json!({"method": "subscribe", "success": true, "result": {
                "channel": frame["subscription"]["name"], "symbol": frame["pair"]}})
            .to_string(),
        };
    };
    let (channel, symbol) = (&parts[parts.len() - 2], &parts[parts.len() - 1]);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    if channel != "trade" {
        return json!({"channel": "ticker", "type": "update", "data": [{"symbol": symbol}]}).to_string();
    }
    let trade = |t: &Value| {
        let side = if t[3] == "b" { "buy" } else { "sell" };
        format!(
            r#"{{"symbol":{symbol},"side":"{side}","price":{},"qty":{},"trade_id":1}}"#,
            text(&t[0]),
            text(&t[1])
        )
    };
    let trades: Vec<_> = parts[1].as_array().unwrap().iter().map(trade).collect();
    format!(r#"{{"channel":"trade","type":"update","data":[{}]}}"#, trades.join(","))
}

/// A book as the decoder's messages make it, of so many levels a side.
struct Follower {
    bids: BookSide,
    asks: BookSide,
    memory: Crc32Memory,
}

/// Levels a side that were subscribed.
const DEPTH: usize = 1_000;

impl Follower {
    fn new() -> Self {
        let (bids, asks) = (BookSide::new(Side::Bid), BookSide::new(Side::Ask));
        Self { bids, asks, memory: Crc32Memory::default() }
    }

    fn set(&mut self, frame: &Frame, bids: &Range<usize>, asks: &Range<usize>) {
        for (ladder, range) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in &frame.levels[range.clone()] {
                ladder.set(*level);
            }
            while ladder.len() > DEPTH {
                ladder.set(Level::new(ladder.worst_price().unwrap(), 0));
            }
        }
    }

    /// Applies a message. Returns whether the venue's checksum holds of what comes of it.
    fn apply(&mut self, frame: &Frame, body: &Body) -> bool {
        let claim = match body {
            Body::Snapshot(s) => {
                self.bids.clear();
                self.asks.clear();
                self.set(frame, &s.bids, &s.asks);
                s.claim
            }
            Body::Levels(l) => {
                self.set(frame, &l.bids, &l.asks);
                l.claim
            }
            other => panic!("{other:?}"),
        };
        let ProofClaim::Checksum(sum) = claim else { panic!("{claim:?}") };
        check(&self.bids, &self.asks, sum, &mut self.memory) == Proved::Match
    }
}

fn follow(text: &str, known: &Instruments, id: InstrumentId, follower: &mut Follower) -> bool {
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let (bytes, source, mode) = (text.as_bytes(), Source::Stream, Mode::default());
    let payload = Payload { bytes, source, mode, about: UNKNOWN, fast: true };
    (Venue::KRAKEN.row().decode)(&payload, known, &mut frame, &mut tally).unwrap();
    assert_eq!(frame.messages.len(), 1, "{text}");
    let body = &frame.messages[0].body;
    let found = match body {
        Body::Snapshot(s) => s.instrument,
        Body::Levels(l) => l.instrument,
        other => panic!("{other:?}: {text}"),
    };
    assert_eq!(found, id);
    follower.apply(&frame, body)
}

pub fn recorded_frames_of_kraken_are_all_understood_and_every_checksum_holds() -> Result<(), Missing> {
    let lines = lines("spot/kraken-v1-2021-04-17.jsonl.gz")?;
    let frames = lines.iter().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = (line["t"] == "recv").then(|| line["data"].as_str().map(str::to_owned))??;
        Some(serde_json::from_str::<Value>(&text).unwrap())
    });
    let frames: Vec<Value> = frames.collect();
    let symbols: Vec<_> = frames.iter().filter_map(|f| Some(book(f)?.0)).collect();
    let mut names: Vec<_> = symbols.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let known = instruments(Venue::KRAKEN, &names);
    let mut followers: BTreeMap<String, Follower> = BTreeMap::new();
    let (mut books, mut others) = (0, 0);
    for frame in &frames {
        let Some((symbol, text)) = book(frame) else {
            let (kinds, messages) =
                say(Venue::KRAKEN, From::Stream, other(frame).as_bytes(), &known).unwrap();
            assert!(kinds.keys().all(|kind| !kind.starts_with("un")), "{frame}");
            assert!(messages.iter().all(|m| m["body"].get("malformed").is_none()), "{frame}");
            others += 1;
            continue;
        };
        let id = known.find(Venue::KRAKEN, symbol.as_bytes()).unwrap();
        let follower = followers.entry(symbol).or_insert_with(Follower::new);
        assert!(follow(&text, &known, id, follower), "{text}");
        books += 1;
    }
    assert!(books > 2_000 && others > 100, "{books} {others}");
    Ok(())
}
