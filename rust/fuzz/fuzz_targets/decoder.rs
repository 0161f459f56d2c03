//! Any bytes as a frame of a live market: what another JSON reader refuses changes no level
//! and closes both books, unless it was a broadcast about others; what both accept leaves a believed book as a plain reading does. And
//! as a frame of Kalshi's, and an answer of its REST interface: the short cut and the general way
//! agree, and a delta is what a plain reading finds. And as a user's quote: a book is live if a
//! plain reading finds one, and is what it finds.
#![no_main]

#[path = "../../bookfeed-core/tests/all/kalshi_decode/describe.rs"]
mod describe;
#[path = "../../bookfeed-core/tests/all/kalshi_decode/oracle.rs"]
mod oracle;
#[path = "../../bookfeed-core/tests/support/mod.rs"]
mod support;

use bookfeed_core::book::integrity::State;
use bookfeed_core::decode::Source;
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue as Name;
use bookfeed_core::venue::polymarket::MESSAGE_NAMES;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;
use support::plain::{Model, apply, is_broadcast_of_others, is_remark};
use support::quotes::plain as plain_quote;
use support::surrogates::paired;
use support::venue::{Market, T0, policy};

/// The market, the frame that makes its books live, and those books.
static MARKET: LazyLock<(Market, String, [Option<Model>; 2])> = LazyLock::new(|| {
    let market = Market::new(1, 20);
    let (frame, models) = (market.books_frame(), [0, 1].map(|i| Some(Model::of(&market.books[i]))));
    (market, frame, models)
});

fuzz_target!(|data: &[u8]| {
    oracle::check(data);
    let _ = describe::say(true, Source::Rest, data, &oracle::known());
    polymarket(data);
    user(data);
});

fn user(data: &[u8]) {
    let mut engine = Engine::new(policy(HashCheck::Off));
    let id = engine.subscribe(Name::USER, "mine", 0, &Listing::default(), T0).unwrap();
    engine.ingest(0, data, T0 + 1);
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let book = engine.book(id).unwrap();
    let believed = book.state == State::Live;
    let read = plain_quote(&value).filter(|(symbol, ..)| symbol == "mine");
    let Some((_, bid, ask, _)) = read else { return assert!(!believed) };
    assert_eq!((book.bids.best(), book.asks.best()), (bid, ask));
    assert_eq!(believed, bid.zip(ask).is_none_or(|(bid, ask)| bid.0 < ask.0));
}

fn polymarket(data: &[u8]) {
    let (market, snapshot, before) = &*MARKET;
    let mut engine = Engine::new(policy(HashCheck::Off));
    let ids = market.subscribe(&mut engine, 0, T0);
    engine.ingest(0, snapshot.as_bytes(), T0 + 1);
    engine.ingest(0, data, T0 + 2);
    let found = ids.map(|id| Some(Model::of_engine(&engine, id)));
    if is_remark(data) {
        assert!(ids.iter().all(|&id| engine.book(id).unwrap().state == State::Live));
        return assert_eq!(&found, before);
    }
    match serde_json::from_slice::<Value>(&paired(data)) {
        Ok(value) => {
            let mut models = before.clone();
            apply(&mut models, &market.assets, &value);
            for (i, id) in ids.into_iter().enumerate() {
                if engine.book(id).unwrap().believable() {
                    assert_eq!(found[i], models[i]);
                }
            }
        }
        Err(error) => {
            let text = data.trim_ascii();
            let bare = MESSAGE_NAMES.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(text));
            let limits = error.to_string();
            if !bare && !limits.contains("out of range") && !limits.contains("recursion") {
                let ours = [&market.market, &market.assets[0], &market.assets[1]].map(String::as_str);
                let all = |state| ids.iter().all(|&id| engine.book(id).unwrap().state == state);
                let left = is_broadcast_of_others(data, &ours) && all(State::Live);
                assert!(left || all(State::Stale));
                assert_eq!(&found, before);
            }
        }
    }
}
