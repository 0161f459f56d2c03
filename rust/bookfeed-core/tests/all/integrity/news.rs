//! News of a market: it is over, or its grid changed. What cannot be read costs the books of that
//! market, what was told before costs nothing, and what is told to everybody hurts nobody else.

use crate::support::scene::Scene;
use crate::support::venue::{Market, policy};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::instrument::Venue;

const ONE: i64 = 1_000_000_000;
const RESOLVED: (State, Cause) = (State::Stale, Cause::Resolved);
const MALFORMED: (State, Cause) = (State::Stale, Cause::Malformed);

/// The end of a market, where `members` say which and who won.
fn end(members: &str, ms: u64) -> String {
    format!(r#"{{"event_type":"market_resolved","id":"1",{members},"timestamp":"{ms}","tags":[]}}"#)
}

/// Payouts written, by outcome.
fn payouts(scene: &mut Scene, frame: &str) -> Vec<(u32, i64)> {
    scene.ts += 1_000_000;
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    let (updates, _) = crate::support::records::drain(&mut scene.engine);
    updates
        .iter()
        .filter(|u| u.short().starts_with("resolved"))
        .map(|u| (u.instrument, u.price))
        .collect()
}

#[test]
fn the_end_of_a_market_is_known_by_whatever_names_it() {
    let Market { market, assets: [yes, no], .. } = Scene::live(HashCheck::Off).market;
    let of_market = format!(r#""market":"{market}""#);
    let spellings = [
        of_market.clone(),
        format!(r#""condition_id":"{market}""#),
        format!(r#"{of_market},"assets_ids":"[\"{yes}\",\"{no}\"]""#),
        format!(r#"{of_market},"asset_ids":["{yes}","{no}"]"#),
        format!(r#"{of_market},"assets_ids":[{yes},"{no}"]"#),
        format!(r#"{of_market},"assets_ids":[{{}},null]"#),
        format!(r#"{of_market},"assets_ids":7"#),
        format!(r#""clob_token_ids":["{yes}","{no}"]"#),
        format!(r#""assets_ids":["{no}","{yes}"]"#),
    ];
    for names in spellings {
        let mut scene = Scene::live(HashCheck::Off);
        let frame = end(&format!(r#"{names},"winning_asset_id":"{no}""#), scene.market.ms);
        let mut told = payouts(&mut scene, &frame);
        told.sort_unstable();
        assert_eq!(told, [(0, 0), (1, ONE)], "{names}");
        assert_eq!([scene.standing(0), scene.standing(1)], [RESOLVED; 2], "{names}");
        assert_eq!(scene.say(&frame), [""; 0], "told again, it is no news");
    }
}

#[test]
fn a_loser_that_is_followed_alone_pays_nothing() {
    let market = Scene::live(HashCheck::Off).market;
    let follow = |winner: &str, list: bool| {
        let mut engine = Engine::new(policy(HashCheck::Off));
        let listing = Listing { market: Some(&market.market), ..Listing::default() };
        engine.subscribe(Venue::POLYMARKET, &market.assets[0], 0, &listing, 1).unwrap();
        engine.ingest(0, market.books_frame().as_bytes(), 2);
        crate::support::records::drain(&mut engine);
        let ids = format!(r#","assets_ids":["{}","{}"]"#, market.assets[0], market.assets[1]);
        let ids = if list { &*ids } else { "" };
        let members = format!(r#""market":"{}"{ids},"winning_asset_id":{winner}"#, market.market);
        engine.ingest(0, end(&members, market.ms).as_bytes(), 3);
        let (updates, _) = crate::support::records::drain(&mut engine);
        let paid = updates.iter().find(|u| u.short().starts_with("resolved")).map(|u| u.price);
        let book = engine.book(0).unwrap();
        (paid, (book.state, book.cause))
    };
    let other = format!(r#""{}""#, market.assets[1]);
    for list in [true, false] {
        assert_eq!(follow(&other, list), (Some(0), RESOLVED));
        assert_eq!(follow(r#""""#, list), (Some(ABSENT), RESOLVED), "the outcomes share");
        assert_eq!(follow("null", list), (Some(ABSENT), RESOLVED));
        for unreadable in ["true", "[1]", r#""Yes""#] {
            assert_eq!(follow(unreadable, list), (None, MALFORMED), "{unreadable}");
        }
    }
    assert_eq!(follow(r#""123""#, true), (None, MALFORMED), "of neither outcome that is listed");
}

#[test]
fn a_result_that_changes_is_told_and_one_that_says_less_is_not() {
    let mut scene = Scene::live(HashCheck::Off);
    let first = scene.market.resolved(0);
    assert_eq!(payouts(&mut scene, &first), [(0, ONE), (1, 0)]);
    let vague = end(&format!(r#""market":"{}""#, scene.market.market), scene.market.ms);
    assert_eq!(payouts(&mut scene, &vague), []);
    let second = scene.market.resolved(1);
    assert_eq!(payouts(&mut scene, &second), [(0, 0), (1, ONE)]);
}

#[test]
fn what_is_told_to_everybody_hurts_nobody_it_does_not_name() {
    let foreign = [
        r#"{"event_type":"new_market","market":"0xcd","question":"cut \ud83c","assets_ids":["9","8"]}"#,
        r#"{"event_type":"new_market","question":"\udfc8 tail","assets_ids":{},"market":7}"#,
        r#"{"event_type":"market_resolved","market":"0xcd","assets_ids":["9","8"],"winning_asset_id":"9"}"#,
        r#"{"event_type":"market_resolved","market":"0xcd","assets_ids":7,"winning_asset_id":[]}"#,
        r#"{"event_type":"market_resolved","winning_asset_id":true}"#,
        r#"[{"event_type":"market_resolved","winning_asset_id":"\ud800"}]"#,
    ];
    let mut scene = Scene::live(HashCheck::Off);
    for frame in foreign {
        assert_eq!(scene.say(frame), [""; 0], "{frame}");
        assert_eq!(scene.states(), [State::Live; 2], "{frame}");
    }
    let counters = scene.engine.counters();
    assert_eq!((counters.decode_errors, counters.malformed), (0, 3), "counted all the same");
}

#[test]
fn a_change_of_the_grid_that_is_old_or_was_told_does_nothing() {
    let mut scene = Scene::live(HashCheck::Off);
    let old = scene.market.tick(0, "0.001", "0.01");
    scene.market.ms += 1_000;
    let whole = scene.market.books_frame();
    scene.say(&whole);
    assert_eq!(scene.say(&old), [""; 0], "the book is newer");
    let tick = |scene: &Scene| scene.engine.instruments().at(0).unwrap().tick_size.map(|t| t.value);
    assert_ne!(tick(&scene), Some(ONE / 100));
    scene.market.ms += 1;
    let new = scene.market.tick(0, "0.001", "0.01");
    assert_eq!(scene.say(&new), ["0 tick_size live snapshot", "0 state stale tick_change"]);
    scene.market.ms += 1;
    let whole = scene.market.books_frame();
    scene.say(&whole);
    assert_eq!(scene.standing(0).0, State::Live);
    for _ in 0..2 {
        assert_eq!(scene.say(&new), [""; 0], "told again");
    }
    assert_eq!(scene.standing(0).0, State::Live);
}
