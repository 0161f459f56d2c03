//! News of markets: trades, the venue's touch, tick sizes, results; and news that came broken.

use super::Decoder;
use super::fields::{Entry, PolymarketFields};
use crate::decode::Payload;
use crate::decode::broken::{Broken, heard};
use crate::decode::json::Cursor;
use crate::decode::read::{Wrong, elements, is_probability, is_text};
use crate::event::{Aggressor, Body, Message, Place, TouchClaim, Trade, Winner};
use crate::fixed::{PRICE_ONE, parse_price};
use crate::instrument::{Instruments, UNKNOWN, Venue};
use crate::span::{Kind, Value};

/// Members of messages about books, which no broadcast has.
const OF_A_BOOK: [&str; 5] = ["asset_id", "bids", "asks", "price_changes", "changes"];

/// A broken broadcast about nobody who is subscribed; see [`crate::decode::ReadBroken`].
#[cold]
pub fn read_broken(payload: &Payload, instruments: &Instruments) -> Option<Message> {
    let broken = Broken::object(payload.bytes)?;
    let of_others = match broken.name("event_type")? {
        // It changes no book, whosever it is: the names that are cut off do not matter.
        b"new_market" => true,
        b"market_resolved" => tells_whose(payload.bytes, &broken),
        _ => false,
    };
    let known = broken.has_any(&OF_A_BOOK) || broken.names_any(Venue::POLYMARKET, instruments);
    (of_others && !known).then(|| heard(Place::NONE, Body::Nothing))
}

/// Whether the market that is over, and all its assets, can be read.
fn tells_whose(bytes: &[u8], broken: &Broken) -> bool {
    let market = broken.name("market").or_else(|| broken.name("condition_id"));
    let listed = ["assets_ids", "asset_ids", "clob_token_ids"].iter().find_map(|n| broken.member(n));
    let listed = asset_list(bytes, listed.unwrap_or_default());
    let digits = |asset: &Vec<u8>| !asset.is_empty() && asset.iter().all(u8::is_ascii_digit);
    let assets = !listed.broken && !listed.assets.is_empty() && listed.assets.iter().all(digits);
    market.is_some() && assets
}

impl Decoder<'_> {
    /// A trade. One that cannot be read takes no book with it: it changes none.
    pub(super) fn trade(&mut self, f: &PolymarketFields) -> Body {
        if !is_text(f.asset_id) {
            return self.broken_trade(f.asset_id, "trade without an asset_id");
        }
        let entry = Entry { price: f.price, size: f.size, ..Entry::default() };
        let level = match self.price_and_size(&entry) {
            Ok(level) => level,
            Err(what) => return self.broken_trade(f.price, what),
        };
        let side = f.side.text(self.bytes, &mut self.frame.scratch);
        let aggressor = if side.eq_ignore_ascii_case(b"BUY") {
            Some(Aggressor::Buy)
        } else if side.eq_ignore_ascii_case(b"SELL") {
            Some(Aggressor::Sell)
        } else {
            None
        };
        Body::Trade(Trade {
            instrument: self.instrument(f.asset_id),
            price: level.price,
            qty: level.qty,
            aggressor,
            price_text: f.price,
            id: f.transaction_hash,
            id_shared: true,
            off_book: false,
        })
    }

    #[cold]
    fn broken_trade(&mut self, at: Value, what: &'static str) -> Body {
        self.frame.malformed(None, false, at.start as usize, what)
    }

    pub(super) fn tick_size_change(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let wrong = Wrong { offset: f.new_tick_size.start as usize, what: "tick size is not a price" };
        let old = self.decimal(f.old_tick_size, parse_price).unwrap_or_default();
        let new = self
            .decimal(f.new_tick_size, parse_price)
            .filter(|t| is_probability(t.value))
            .ok_or(wrong)?;
        Ok(Body::TickSize(self.instrument(f.asset_id), old, new))
    }

    pub(super) fn touch(&mut self, f: &PolymarketFields) -> Result<Body, Wrong> {
        let wrong = |value: Value, what| Wrong { offset: value.start as usize, what };
        let bid = self.claim(f.best_bid, 0).ok_or(wrong(f.best_bid, "best_bid is not a price"))?;
        let ask =
            self.claim(f.best_ask, PRICE_ONE).ok_or(wrong(f.best_ask, "best_ask is not a price"))?;
        Ok(Body::Touch(TouchClaim::prices(self.instrument(f.asset_id), bid, ask)))
    }

    /// The end of a market. It is told to everybody, so what names nothing that is subscribed hurts
    /// nobody; what names something and cannot be read takes it out of `live`.
    #[cold]
    pub(super) fn resolved(&mut self, f: &PolymarketFields, ts_event: i64) {
        let market = if is_text(f.market) { f.market } else { f.condition_id };
        let start = self.frame.named.len();
        let listed = asset_list(self.bytes, f.assets_ids);
        let name = String::from_utf8_lossy(market.raw(self.bytes)).into_owned();
        let mut named: Vec<_> = self.instruments.of_market(Venue::POLYMARKET, &name).to_vec();
        for asset in &listed.assets {
            let id = self.instruments.find(Venue::POLYMARKET, asset).unwrap_or(UNKNOWN);
            if id != UNKNOWN && !named.contains(&id) {
                named.push(id);
            }
        }
        self.frame.named.extend(named);
        let winner = self.winner(f, &listed).and_then(|winner| match winner {
            Winner::One(id) if !self.frame.named[start..].contains(&id) => {
                Err(Wrong::at(f.winning_asset_id, "the winner is of another market"))
            }
            winner => Ok(winner),
        });
        let body = match winner {
            Ok(winner) => Body::Resolved(start..self.frame.named.len(), winner),
            Err(wrong) => {
                let books = self.frame.named.split_off(start);
                self.frame.malformed(books, false, wrong.offset, wrong.what)
            }
        };
        self.frame.messages.push(Message { ts_event, market, place: Place::NONE, body });
    }

    /// Who won: an asset that the message itself lists, where it lists any.
    fn winner(&mut self, f: &PolymarketFields, listed: &AssetList) -> Result<Winner, Wrong> {
        let winner = f.winning_asset_id;
        if winner.is_absent() {
            return Ok(Winner::Unsaid);
        }
        if !matches!(winner.kind, Kind::Text | Kind::Escaped | Kind::Number) {
            return Err(Wrong::at(winner, "winning_asset_id is not an asset"));
        }
        let text = winner.text(self.bytes, &mut self.frame.scratch).to_vec();
        if let Some(id) = self.instruments.find(Venue::POLYMARKET, &text) {
            return Ok(Winner::One(id));
        }
        let plausible = if listed.assets.is_empty() || listed.broken {
            text.iter().all(u8::is_ascii_digit)
        } else {
            listed.assets.contains(&text)
        };
        if plausible { Ok(Winner::Other) } else { Err(Wrong::at(winner, "nobody knows who won")) }
    }
}

/// The assets that a message lists.
#[derive(Default)]
struct AssetList {
    assets: Vec<Vec<u8>>,
    /// Whether it holds anything else.
    broken: bool,
}

/// Assets in an array, or in a text that is one; ids are strings, or numbers.
#[cold]
fn asset_list(bytes: &[u8], value: Value) -> AssetList {
    let mut list = AssetList::default();
    let mut scratch = Vec::new();
    let text = match value.kind {
        Kind::Text | Kind::Escaped | Kind::Other => value.text(bytes, &mut scratch).to_vec(),
        Kind::Missing | Kind::Null | Kind::Number => return list,
    };
    let read = Cursor::new(&text).and_then(|mut cursor| {
        elements(&mut cursor, |cursor| {
            let element = cursor.scalar()?;
            if matches!(element.kind, Kind::Text | Kind::Escaped | Kind::Number) {
                list.assets.push(element.text(&text, &mut Vec::new()).to_vec());
            } else {
                list.broken = true;
            }
            Ok(())
        })
    });
    list.broken |= read.is_err();
    list
}
