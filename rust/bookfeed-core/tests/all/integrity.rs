//! The state machine of a book, transition by transition: what is recorded, in which order,
//! with which cause, epoch and evidence; and that nothing is believed in between.

mod batches;
mod campaign;
mod distrust;
mod fresh;
mod hashes;
mod news;
mod relayed;
mod resync;

use crate::support::records::{drain, levels};
use crate::support::scene::Scene;
use crate::support::venue::{MS, T0, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, EvidenceCounts, State};
use bookfeed_core::engine::{Config, EngineError, HashCheck};
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::instrument::Venue;
use bookfeed_core::update::{FLAG_VERIFIED, UpdateKind};

const SECOND: i64 = 1_000 * MS;

#[test]
fn a_snapshot_makes_a_book_live() {
    let mut scene = Scene::silent(policy(HashCheck::Sampled));
    assert_eq!(scene.states(), [State::Syncing; 2]);
    assert_eq!((scene.epoch(0), scene.engine.book(0).unwrap().ts_evidence), (0, ABSENT));
    scene.ts += MS;
    let frame = scene.market.books_frame();
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    let (updates, _) = drain(&mut scene.engine);
    let shorts: Vec<_> = updates.iter().map(|u| (u.instrument, u.short())).collect();
    let (state, book) = ("state live snapshot".to_owned(), "book live snapshot".to_owned());
    assert_eq!(shorts, [(0, state.clone()), (0, book.clone()), (1, state), (1, book)]);
    for update in &updates {
        assert_eq!((update.epoch, update.ts_evidence), (1, scene.ts));
        assert_eq!(update.flags & FLAG_VERIFIED, FLAG_VERIFIED);
    }
    assert_eq!(scene.evidence(0, Evidence::HashBookMatch), 1);
    assert!(scene.is_true(0) && scene.is_true(1));
}

#[test]
fn sequence_numbers_of_records_have_no_holes() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let mut next = None;
    for i in 0..100u32 {
        scene.tick();
        let frame = scene.market.change(0, true, 300 + i % 30, &format!("{}", i % 7 + i));
        scene.ts += MS;
        scene.engine.ingest(0, frame.as_bytes(), scene.ts);
        for update in drain(&mut scene.engine).0 {
            assert!(next.is_none_or(|n| n == update.seq));
            next = Some(update.seq + 1);
        }
    }
    assert!(next.unwrap() > 150);
}

#[test]
fn a_change_before_any_snapshot_is_set_aside() {
    let mut scene = Scene::silent(policy(HashCheck::Sampled));
    assert_eq!(scene.change(true, 395, "77"), [""; 0]);
    assert_eq!(scene.states(), [State::Syncing; 2]);
    assert_eq!(scene.evidence(0, Evidence::BeforeSnapshot), 1);
    assert_eq!(levels(&scene.engine, 0), (vec![], vec![]));
}

#[test]
fn an_agreeing_change_is_one_record_a_book() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut scene = Scene::live(policy);
        assert_eq!(scene.change(true, 395, "77"), ["0 book live snapshot", "1 book live snapshot"]);
        assert!(scene.is_true(0) && scene.is_true(1));
        for outcome in [0, 1] {
            assert_eq!(scene.evidence(outcome, Evidence::BboMatch), 1);
            assert_eq!(scene.evidence(outcome, Evidence::MirrorMatch), 2, "and the first books");
            let checked = u64::from(policy == HashCheck::Always);
            assert_eq!(scene.evidence(outcome, Evidence::HashChangeMatch), checked);
            assert_eq!(scene.epoch(outcome), 1);
        }
        // The size that is there already: evidence, but nothing to publish.
        assert_eq!(scene.change(true, 395, "77.0"), [""; 0]);
        assert_eq!(scene.evidence(0, Evidence::BboMatch), 2);
    }
}

#[test]
fn a_lost_connection_takes_its_books_along() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.engine.disconnected(0, scene.ts);
    assert_eq!(scene.records(), ["0 state stale disconnected", "1 state stale disconnected"]);
    let frame = scene.market.books_frame();
    assert_eq!(scene.say(&frame), [""; 0], "a frame of a lost connection is late");
    assert_eq!(scene.engine.counters().late_frames, 1);
    scene.engine.connected(0, Venue::POLYMARKET, "", scene.ts).unwrap();
    assert_eq!(scene.records(), ["0 state syncing subscribed", "1 state syncing subscribed"]);
    assert_eq!(scene.change(true, 395, "77"), [""; 0], "a delta is no basis");
    scene.tick();
    let frame = scene.market.books_frame();
    assert_eq!(scene.say(&frame).len(), 4);
    assert_eq!((scene.states(), scene.epoch(0), scene.epoch(1)), ([State::Live; 2], 2, 2));
    assert!(scene.is_true(0) && scene.is_true(1));
}

#[test]
fn a_record_that_says_live_never_shows_the_touch_of_an_earlier_run() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.engine.disconnected(0, scene.ts);
    scene.engine.connected(0, Venue::POLYMARKET, "", scene.ts).unwrap();
    scene.records();
    for price in 380..=399 {
        scene.market.set(0, true, price, "0");
    }
    scene.tick().ts += MS;
    let frame = scene.market.books_frame();
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    for update in drain(&mut scene.engine).0 {
        let side = if update.instrument == 0 { update.bid } else { update.ask };
        assert_eq!((update.state, side), (State::Live, ABSENT), "{update:?}");
    }
}

#[test]
fn silence_is_judged_by_data_and_not_by_keepalives() {
    let mut scene = Scene::live_with(Config { max_delay: 0, ..Config::default() });
    for _ in 0..29 {
        assert_eq!(scene.wait(SECOND), [""; 0]);
        assert_eq!(scene.say("PONG"), [""; 0]);
    }
    assert_eq!(scene.states(), [State::Live; 2], "29.03 seconds are not 30");
    assert_eq!(scene.wait(SECOND), ["0 state stale silence", "1 state stale silence"]);
    let mut scene = Scene::live_with(Config { max_delay: 0, ..Config::default() });
    for i in 0..20 {
        assert_eq!(scene.wait(20 * SECOND), [""; 0]);
        assert_eq!(scene.change(true, 300, &format!("{}", 1 + i)).len(), 2);
    }
}

#[test]
fn silence_is_noticed_by_the_next_frame_too() {
    let mut scene = Scene::live_with(Config::default());
    scene.ts += 31 * SECOND;
    assert_eq!(scene.say("PONG"), ["0 state stale silence", "1 state stale silence"]);
}

#[test]
fn a_tick_change_makes_a_book_stale_until_a_snapshot() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.tick();
    let frame = scene.market.tick(0, "0.001", "0.01");
    assert_eq!(scene.say(&frame), ["0 tick_size live snapshot", "0 state stale tick_change"]);
    assert_eq!(scene.states(), [State::Stale, State::Live]);
    scene.tick().market.profile.tick_size = "0.01".into();
    let frame = scene.market.book(0);
    assert_eq!(scene.say(&frame), ["0 state live snapshot", "0 book live snapshot"]);
    assert_eq!((scene.epoch(0), scene.evidence(0, Evidence::HashBookMatch)), (2, 2));
}

#[test]
fn a_tick_change_that_changes_nothing_is_only_told() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let frame = scene.market.tick(0, "0.01", "0.01");
    assert_eq!(scene.say(&frame), ["0 tick_size live snapshot"]);
    // The snapshot before it, which came first, states the new grid already.
    let frame = scene.market.tick(0, "0.01", "0.001");
    assert_eq!(scene.say(&frame), ["0 tick_size live snapshot"]);
    assert_eq!(scene.states(), [State::Live; 2]);
}

#[test]
fn the_end_of_a_market_is_final() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let frame = scene.market.resolved(1);
    scene.ts += MS;
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    let (updates, _) = drain(&mut scene.engine);
    let paid: Vec<_> = updates
        .iter()
        .filter(|u| u.kind == UpdateKind::Resolved)
        .map(|u| (u.instrument, u.price))
        .collect();
    assert_eq!(paid, [(0, 0), (1, 1_000_000_000)]);
    assert_eq!(scene.standing(0), (State::Stale, Cause::Resolved));
    scene.tick();
    for frame in [scene.market.books_frame(), r#"{"event_type":"book"}"#.into(), "{".into()] {
        scene.say(&frame);
        assert_eq!(scene.standing(0), (State::Stale, Cause::Resolved), "{frame}");
    }
    scene.engine.disconnected(0, scene.ts);
    assert_eq!(scene.standing(0), (State::Stale, Cause::Resolved));
}

#[test]
fn what_is_given_up_is_not_believed_again() {
    let unsubscribed = || {
        let mut scene = Scene::live(HashCheck::Sampled);
        scene.engine.unsubscribe(0, scene.ts).unwrap();
        assert_eq!(scene.records(), ["0 state stale unsubscribed"]);
        scene.tick();
        scene
    };
    let mut scene = unsubscribed();
    let frame = scene.market.books_frame();
    scene.say(&frame);
    assert_eq!(scene.states(), [State::Stale, State::Live]);
    // A broken message about it, and then a snapshot.
    let broken = frame.replacen(r#""size":""#, r#""size":"x"#, 1);
    scene.say(&broken);
    scene.say(&frame);
    assert_eq!(scene.states()[0], State::Stale, "by way of a broken message");
    // A fetch that somebody still had under way.
    let mut scene = unsubscribed();
    let _ = scene.engine.resync_begin(0, scene.ts);
    let body = scene.market.rest(0);
    scene.answer(&body);
    assert_eq!(scene.states()[0], State::Stale, "by way of a fetch");
    // Subscribed anew, it starts again.
    let mut scene = unsubscribed();
    let (market, ts) = (scene.market.clone(), scene.ts);
    market.subscribe(&mut scene.engine, 0, ts);
    let frame = scene.market.books_frame();
    scene.say(&frame);
    assert_eq!((scene.states(), scene.epoch(0)), ([State::Live; 2], 2));
}

#[test]
fn what_is_let_go_of_is_another_when_it_comes_again() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let (seen, frame) = (scene.engine.evidence(), scene.market.books_frame());
    assert_eq!(scene.engine.forget(0), Err(EngineError::Subscribed(0)));
    // With a doubt, a check and a deadline that somebody would come back to.
    scene.lose_change(true, 400, "7");
    scene.tick().change(true, 300, "5");
    for id in [0, 1] {
        scene.engine.unsubscribe(id, scene.ts).unwrap();
        scene.engine.forget(id).unwrap();
    }
    assert_eq!(scene.engine.unsubscribe(0, scene.ts), Err(EngineError::NoInstrument(0)));
    scene.records();
    assert_eq!((scene.say(&frame), scene.wait(60 * SECOND)), (vec![], vec![]), "nobody's");
    let count = |all: EvidenceCounts| all.of(Evidence::HashBookMatch);
    assert!(count(scene.engine.evidence()) >= count(seen), "what was counted stays counted");
    let ts = scene.ts;
    scene.market.subscribe(&mut scene.engine, 0, ts);
    assert_eq!(scene.records(), ["2 state syncing subscribed", "3 state syncing subscribed"]);
    scene.market.ms += 61_000;
    let frame = scene.market.books_frame();
    scene.say(&frame);
    assert_eq!((scene.states(), scene.epoch(0)), ([State::Live; 2], 1));
    let numbers: Vec<_> = scene.engine.instruments().iter().map(|(id, i)| (id, i.number)).collect();
    assert_eq!(numbers, [(0, 3), (1, 2)], "places are used again, numbers are not");
}

#[test]
fn a_market_that_is_over_can_be_let_go_of() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let frame = scene.market.resolved(1);
    scene.say(&frame);
    assert_eq!(scene.engine.forget(0), Err(EngineError::Subscribed(0)));
    scene.engine.unsubscribe(0, scene.ts).unwrap();
    assert_eq!(scene.standing(0), (State::Stale, Cause::Resolved));
    assert_eq!(scene.engine.forget(0), Ok(()));
}

#[test]
fn a_poisoned_engine_believes_nothing_any_more() {
    let mut scene = Scene::live(HashCheck::Sampled);
    scene.engine.poison(scene.ts);
    assert_eq!(scene.records(), ["0 state stale poisoned", "1 state stale poisoned"]);
    let frame = scene.market.books_frame();
    assert_eq!((scene.say(&frame), scene.wait(SECOND)), (vec![], vec![]));
    scene.engine.connected(0, Venue::POLYMARKET, "", scene.ts).unwrap();
    scene.say(&frame);
    assert!(scene.states().iter().all(|&s| s != State::Live));
}

#[test]
fn the_caller_may_doubt_a_connection() {
    for cause in [Cause::Transport, Cause::Silence] {
        let mut scene = Scene::live(HashCheck::Sampled);
        scene.engine.invalidate(0, cause, scene.ts);
        assert_eq!([scene.standing(0), scene.standing(1)], [(State::Stale, cause); 2]);
    }
}

#[test]
fn connections_do_not_share_their_faults() {
    let mut scene = Scene::live(HashCheck::Sampled);
    let other = crate::support::venue::Market::new(7, 5);
    let ids = other.subscribe(&mut scene.engine, 3, scene.ts);
    scene.engine.ingest(3, other.books_frame().as_bytes(), scene.ts);
    scene.records();
    scene.engine.ingest(3, b"{\"event_type\":", scene.ts);
    assert_eq!(
        scene.records(),
        ids.map(|id| format!("{id} state stale malformed")),
        "a broken frame is about the connection it came on"
    );
    scene.engine.disconnected(3, scene.ts);
    assert_eq!(scene.states(), [State::Live; 2]);
}

#[test]
fn receive_times_that_step_back_break_nothing() {
    let mut scene = Scene::live_with(Config::default());
    scene.ts = T0 - 3_600 * SECOND;
    assert_eq!(scene.change(true, 395, "77").len(), 2);
    assert_eq!(scene.wait(SECOND), [""; 0]);
    assert_eq!(scene.states(), [State::Live; 2]);
}
