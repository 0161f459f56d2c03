//! Decoded messages of Kalshi as plain JSON, the notation of the vectors: symbols for
//! instruments, decimals for numbers, texts for places in the frame.

use bookfeed_core::decode::{Payload, Source, Tally};
use bookfeed_core::event::{Aggressor, Body, Claim, Frame, Level, Message, Own, Side, Trading, Whose};
use bookfeed_core::fixed::{ABSENT, PRICE_DECIMALS, QTY_DECIMALS, format_decimal};
use bookfeed_core::instrument::{Instrument, InstrumentId, Instruments, UNKNOWN, Venue};
use bookfeed_core::span::Value as Span;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a frame says: messages by type, and each message.
pub type Said = (BTreeMap<String, u64>, Vec<Value>);

/// Instruments by symbol and, if it is known, market id.
pub fn instruments(known: &[(&str, Option<&str>)]) -> Instruments {
    let mut all = Instruments::default();
    for (symbol, market_id) in known {
        let market_id = market_id.map(Into::into);
        all.add(Instrument { market_id, ..Instrument::new(Venue::KALSHI, symbol, 0) });
    }
    all
}

/// Decodes a frame and describes it; the error is that of the decoder as text.
pub fn say(
    yes_prices: bool,
    source: Source,
    payload: &[u8],
    known: &Instruments,
) -> Result<Said, String> {
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let mode = Venue::KALSHI.mode(if yes_prices { "use_yes_price" } else { "" }).unwrap();
    let bytes = Payload { bytes: payload, source, mode, about: UNKNOWN, fast: true };
    (Venue::KALSHI.row().decode)(&bytes, known, &mut frame, &mut tally).map_err(|e| e.to_string())?;
    let about = About { payload, known, frame: &frame };
    let messages = frame.messages.iter().map(|m| about.message(m)).collect();
    Ok((tally.by_name(Venue::KALSHI.row().messages), messages))
}

struct About<'a> {
    payload: &'a [u8],
    known: &'a Instruments,
    frame: &'a Frame,
}

fn price(price: i64) -> String {
    format_decimal(price, PRICE_DECIMALS)
}

fn qty(qty: i64) -> String {
    format_decimal(qty, QTY_DECIMALS)
}

fn levels(levels: &[Level]) -> Vec<[String; 2]> {
    levels.iter().map(|l| [price(l.price), qty(l.qty)]).collect()
}

fn claim(claim: Claim) -> String {
    match claim {
        Claim::SILENT => "silent".into(),
        Claim::EMPTY => "empty".into(),
        other => {
            let named = format!("{other:?}").replace(|c: char| !c.is_ascii_digit() && c != '-', "");
            price(named.parse().unwrap())
        }
    }
}

impl About<'_> {
    fn message(&self, m: &Message) -> Value {
        let ts = (m.ts_event != ABSENT).then(|| m.ts_event.to_string());
        json!({"place": [m.place.sid, m.place.seq], "ts_event": ts, "body": self.body(&m.body)})
    }

    fn text(&self, span: Span) -> Option<String> {
        let text = String::from_utf8_lossy(span.text(self.payload, &mut Vec::new())).into_owned();
        (!span.is_absent()).then_some(text)
    }

    fn symbol(&self, id: InstrumentId) -> Option<&str> {
        self.known.at(id).map(|i| &*i.symbol)
    }

    fn body(&self, body: &Body) -> Value {
        match body {
            Body::Nothing | Body::News => json!("nothing"),
            Body::Unknown => json!("unknown"),
            Body::Snapshot(s) => json!({"snapshot": {
                "instrument": self.symbol(s.instrument), "symbol": self.text(s.symbol),
                "market_id": self.text(s.market_id), "requested": s.requested,
                "bids": levels(&self.frame.levels[s.bids.clone()]),
                "asks": levels(&self.frame.levels[s.asks.clone()]),
            }}),
            Body::Delta(d) => {
                let side = if d.side == Side::Bid { "bid" } else { "ask" };
                let (price, qty) = (price(d.price), qty(d.qty));
                let instrument = self.symbol(d.instrument);
                json!({"delta": {"instrument": instrument, "side": side, "price": price, "qty": qty}})
            }
            Body::Trade(t) => json!({"trade": {
                "instrument": self.symbol(t.instrument), "price": price(t.price), "qty": qty(t.qty),
                "aggressor": t.aggressor.map(|a| if a == Aggressor::Buy { "buy" } else { "sell" }),
                "transaction": self.text(t.id), "off_book": t.off_book,
            }}),
            Body::Witness(id, bid, ask) => {
                let (bid, ask) = (claim(*bid), claim(*ask));
                json!({"witness": {"instrument": self.symbol(*id), "bid": bid, "ask": ask}})
            }
            Body::Malformed(m) => {
                let named = &self.frame.named[m.named.clone()];
                let named: Vec<_> = named.iter().map(|&id| self.symbol(id)).collect();
                let whole = m.whole_connection;
                assert!(m.offset <= self.payload.len());
                json!({"malformed": {"named": named, "whole_connection": whole, "what": m.what}})
            }
            other => self.rarer(other),
        }
    }

    fn rarer(&self, body: &Body) -> Value {
        match body {
            Body::Trading(id, trading) => {
                let instrument = self.symbol(*id);
                let (what, value) = match trading {
                    Trading::Paused => ("paused", None),
                    Trading::Resumed => ("resumed", None),
                    Trading::ClosesAt(ts) => ("closes_at", Some(ts.to_string())),
                    Trading::Determined(ABSENT) => ("determined", None),
                    Trading::Determined(pays) => ("determined", Some(price(*pays))),
                };
                match value {
                    None => json!({"trading": {"instrument": instrument, "what": what}}),
                    Some(value) => {
                        json!({"trading": {"instrument": instrument, "what": what, "value": value}})
                    }
                }
            }
            Body::Fees(f) => json!({"fees": {
                "event": self.text(f.event), "fee_type": self.text(f.kind),
                "multiplier": f.multiplier.map(price),
            }}),
            Body::Unclear(u) => {
                assert!(u.offset <= self.payload.len());
                match u.whose {
                    Whose::Market(id) => json!({"unclear": {"market": self.symbol(id), "what": u.what}}),
                    Whose::Event(event) => {
                        json!({"unclear": {"event": self.text(event), "what": u.what}})
                    }
                    Whose::Any => json!({"unclear": {"what": u.what}}),
                }
            }
            Body::Reply(r) => {
                let kind = r.kind.name();
                let (channel, text) = (self.text(r.channel), self.text(r.text));
                json!({"reply": {
                    "kind": kind, "id": r.id, "code": r.code, "channel": channel, "text": text,
                }})
            }
            Body::Index(i) => json!({"index": {
                "index": self.text(i.index), "value": price(i.value),
                "mean_60s": i.mean_60s.map(price),
                "closing_mean": i.closing_mean.map(|(mean, n)| json!([price(mean), n])),
            }}),
            Body::Own(own) => self.own(own),
            Body::Listed(l) => json!({"listed": {
                "instrument": self.symbol(l.instrument), "stands": format!("{:?}", l.stands),
                "opens": l.opens.map(|ts| ts.to_string()), "closes": l.closes.to_string(),
                "event": self.text(l.event), "shard": l.shard,
            }}),
            Body::ListedFees(f) => json!({"listed_fees": {
                "event": self.text(f.event), "series": self.text(f.series),
                "fee_type": self.text(f.kind), "multiplier": f.multiplier.map(price),
            }}),
            Body::Exchange(trading, shards) => {
                json!({"exchange": {"trading": trading, "shards": self.frame.shards[shards.clone()]}})
            }
            Body::Closures(range) => {
                let closures = self.frame.closures[range.clone()].iter();
                let closures: Vec<_> =
                    closures.map(|c| [c.start.to_string(), c.end.to_string()]).collect();
                json!({"closures": closures})
            }
            other => panic!("no message of Kalshi's is {other:?}"),
        }
    }

    fn own(&self, own: &Own) -> Value {
        match *own {
            Own::Fill(id, at, size, fee, took) => json!({"own": {
                "what": "fill", "instrument": self.symbol(id), "price": price(at),
                "qty": qty(size), "fee": price(fee), "took": took,
            }}),
            Own::Order(id, at, size) => json!({"own": {
                "what": "order", "instrument": self.symbol(id), "price": price(at), "qty": qty(size),
            }}),
            Own::Position(id, size) => json!({"own": {
                "what": "position", "instrument": self.symbol(id), "qty": qty(size),
            }}),
        }
    }
}
