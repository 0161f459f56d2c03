//! Decoded messages of spot venues as plain JSON, the notation of the vectors: symbols for
//! instruments, decimals as the venue prints them, texts for places in the frame.

use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::event::{Aggressor, Body, Claim, Frame, Level, Message, ProofClaim, TouchClaim};
use bookfeed_core::fixed::{ABSENT, Form, PRICE_DECIMALS, QTY_DECIMALS, format_decimal, write_decimal};
use bookfeed_core::instrument::{Instrument, InstrumentId, Instruments, UNKNOWN, Venue};
use bookfeed_core::span::Value as Span;
use bookfeed_core::venue::SECOND;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a frame says: messages by type, and each message.
pub type Said = (BTreeMap<String, u64>, Vec<Value>);

/// Instruments by symbol.
pub fn instruments(venue: Venue, symbols: &[&str]) -> Instruments {
    let mut all = Instruments::default();
    for symbol in symbols {
        all.add(Instrument::new(venue, symbol, 0));
    }
    all
}

/// Where a payload comes from; a REST body may be of an instrument that its asker states.
#[derive(Clone, Copy)]
pub enum From<'a> {
    Stream,
    /// The stream of a second source.
    Second,
    Rest(Option<&'a str>),
}

/// Decodes a payload and describes it; the error is that of the decoder as text.
pub fn say(venue: Venue, from: From, bytes: &[u8], known: &Instruments) -> Result<Said, String> {
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let (source, about) = match from {
        From::Stream | From::Second => (Source::Stream, UNKNOWN),
        From::Rest(about) => {
            let find = |symbol: &str| known.find(venue, symbol.as_bytes());
            (Source::Rest, about.and_then(find).unwrap_or(UNKNOWN))
        }
    };
    let mode = match from {
        From::Second => venue.mode(SECOND).unwrap(),
        _ => Mode::default(),
    };
    let payload = Payload { bytes, source, mode, about, fast: true };
    (venue.row().decode)(&payload, known, &mut frame, &mut tally).map_err(|e| e.to_string())?;
    let about = About { venue, bytes, known, frame: &frame };
    let messages = frame.messages.iter().map(|m| about.message(m)).collect();
    Ok((tally.by_name(venue.row().messages), messages))
}

struct About<'a> {
    venue: Venue,
    bytes: &'a [u8],
    known: &'a Instruments,
    frame: &'a Frame,
}

fn printed(value: i64, scale: u32, form: Form) -> String {
    let mut out = Vec::new();
    write_decimal(&mut out, value, scale, form);
    String::from_utf8(out).unwrap()
}

/// Levels as they were printed: every digit counts.
fn levels(levels: &[Level]) -> Vec<[String; 2]> {
    let price = |l: &Level| printed(l.price, PRICE_DECIMALS, l.forms.0);
    levels.iter().map(|l| [price(l), printed(l.qty, QTY_DECIMALS, l.forms.1)]).collect()
}

fn claim(claim: Claim) -> String {
    match claim {
        Claim::SILENT => "silent".into(),
        Claim::EMPTY => "empty".into(),
        other => {
            let named = format!("{other:?}").replace(|c: char| !c.is_ascii_digit(), "");
            format_decimal(named.parse().unwrap(), PRICE_DECIMALS)
        }
    }
}

fn checksum(claim: ProofClaim) -> Value {
    match claim {
        ProofClaim::None => Value::Null,
        ProofClaim::Checksum(sum) => json!(sum),
        other @ ProofClaim::Digest(_) => panic!("no spot venue gives {other:?}"),
    }
}

impl About<'_> {
    fn message(&self, m: &Message) -> Value {
        let ts = (m.ts_event != ABSENT).then(|| m.ts_event.to_string());
        // The parts of a frame of Coinbase's share its number: those behind the first begin at 0.
        let numbered = self.venue == Venue::COINBASE && m.place.seq != 0;
        assert_eq!(m.place.sid, u32::from(numbered));
        let place = (m.place.seq != 0).then_some([m.place.first, m.place.seq]);
        json!({"place": place, "ts_event": ts, "body": self.body(&m.body)})
    }

    fn text(&self, span: Span) -> Option<String> {
        let text = String::from_utf8_lossy(span.text(self.bytes, &mut Vec::new())).into_owned();
        (!span.is_absent()).then_some(text)
    }

    fn symbol(&self, id: InstrumentId) -> Option<&str> {
        self.known.at(id).map(|i| &*i.symbol)
    }

    fn body(&self, body: &Body) -> Value {
        match body {
            Body::Nothing => json!("nothing"),
            Body::Unknown => json!("unknown"),
            Body::Levels(l) => json!({"levels": {
                "instrument": self.symbol(l.instrument), "symbol": self.text(l.symbol),
                "bids": levels(&self.frame.levels[l.bids.clone()]),
                "asks": levels(&self.frame.levels[l.asks.clone()]),
                "checksum": checksum(l.claim),
            }}),
            Body::Snapshot(s) => json!({"snapshot": {
                "instrument": self.symbol(s.instrument), "symbol": self.text(s.symbol),
                "requested": s.requested, "checksum": checksum(s.claim),
                "bids": levels(&self.frame.levels[s.bids.clone()]),
                "asks": levels(&self.frame.levels[s.asks.clone()]),
            }}),
            Body::Touch(touch) => self.touch(touch),
            Body::Trade(t) => json!({"trade": {
                "instrument": self.symbol(t.instrument),
                "price": format_decimal(t.price, PRICE_DECIMALS), "qty": format_decimal(t.qty, QTY_DECIMALS),
                "aggressor": t.aggressor.map(|a| if a == Aggressor::Buy { "buy" } else { "sell" }),
                "id": self.text(t.id), "off_book": t.off_book,
            }}),
            Body::Reply(r) => {
                let kind = r.kind.name();
                let (channel, text) = (self.text(r.channel), self.text(r.text));
                let ends = r.ends.then(|| self.symbol(r.instrument).unwrap());
                json!({"reply": {
                    "kind": kind, "id": r.id, "code": r.code, "channel": channel, "text": text,
                    "ends": ends,
                }})
            }
            Body::Subscribed(range) => {
                let named = &self.frame.named[range.clone()];
                json!({"subscribed": named.iter().map(|&id| self.symbol(id)).collect::<Vec<_>>()})
            }
            Body::Malformed(m) => {
                let named = &self.frame.named[m.named.clone()];
                let named: Vec<_> = named.iter().map(|&id| self.symbol(id)).collect();
                let whole = m.whole_connection;
                assert!(m.offset <= self.bytes.len());
                json!({"malformed": {"named": named, "whole_connection": whole, "what": m.what}})
            }
            other => panic!("no message of a spot venue is {other:?}"),
        }
    }

    fn touch(&self, touch: &TouchClaim) -> Value {
        let size = |qty: i64| (qty != ABSENT).then(|| format_decimal(qty, QTY_DECIMALS));
        json!({"touch": {
            "instrument": self.symbol(touch.instrument),
            "bid": claim(touch.bid), "bid_qty": size(touch.bid_qty),
            "ask": claim(touch.ask), "ask_qty": size(touch.ask_qty),
        }})
    }
}
