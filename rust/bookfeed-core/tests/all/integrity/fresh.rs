//! Silence that is odd: by each book's own rhythm, and beside what its connection goes on saying.

use super::SECOND;
use crate::support::scene::Scene;
use crate::support::venue::{MS, Market, T0, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, HashCheck};
use bookfeed_core::sequence::rhythm::Freshness;

/// Time goes on by `time` in the steps of a feed's timer.
fn pass(scene: &mut Scene, time: i64) -> Vec<String> {
    let end = scene.ts + time;
    let mut records = Vec::new();
    while scene.ts < end {
        records.extend(scene.wait((end - scene.ts).min(100 * MS)));
    }
    records
}

/// Both outcomes speak every half second for twenty seconds.
fn busy(config: Config) -> Scene {
    let mut scene = Scene::live_with(config);
    for i in 0..40 {
        pass(&mut scene, 499 * MS);
        scene.market.ms = u64::try_from(scene.ts / MS).unwrap();
        scene.change(true, 350, &format!("{}", i + 1));
    }
    assert_eq!(fresh(&scene), [Freshness::Fresh; 3]);
    scene
}

/// What is thought of both books, and of their connection.
fn fresh(scene: &Scene) -> [Freshness; 3] {
    let [a, b] = scene.ids.map(|id| scene.engine.freshness(id));
    [a, b, scene.engine.connection_freshness(0)]
}

#[test]
fn ten_usual_gaps_without_a_word_are_odd_and_no_state_changes_for_it() {
    let mut scene = busy(policy(HashCheck::Off));
    assert_eq!(pass(&mut scene, 4_500 * MS), [""; 0]);
    assert_eq!(fresh(&scene), [Freshness::Fresh; 3]);
    assert_eq!(pass(&mut scene, SECOND), [""; 0]);
    assert_eq!(fresh(&scene), [Freshness::Suspect; 3]);
    assert_eq!(scene.engine.suspects(0), scene.ids);
    assert_eq!(scene.states(), [State::Live; 2]);
    scene.change(true, 350, "77");
    pass(&mut scene, 200 * MS);
    assert_eq!(fresh(&scene), [Freshness::Fresh; 3]);
    assert_eq!(scene.engine.suspects(0), [0; 0]);
}

#[test]
fn a_witness_that_agrees_makes_a_silence_quiet_for_twice_the_time() {
    let mut scene = busy(policy(HashCheck::Off));
    pass(&mut scene, 6 * SECOND);
    let body = scene.market.rest(0);
    assert_eq!(scene.answer(&body), [""; 0]);
    assert_eq!(scene.evidence(0, Evidence::RestMatch), 1);
    pass(&mut scene, 200 * MS);
    assert_eq!(fresh(&scene), [Freshness::Quiet, Freshness::Suspect, Freshness::Quiet]);
    assert_eq!(scene.engine.suspects(0), [1]);
    pass(&mut scene, 9 * SECOND);
    assert_eq!(scene.engine.suspects(0), [1]);
    pass(&mut scene, 2 * SECOND);
    assert_eq!(scene.engine.freshness(0), Freshness::Suspect);
    scene.answer(&body);
    pass(&mut scene, 12 * SECOND);
    assert_eq!(scene.engine.freshness(0), Freshness::Quiet);
}

#[test]
fn a_witness_that_knows_more_finds_it_frozen_until_it_is_whole_again() {
    let mut scene = busy(policy(HashCheck::Off));
    pass(&mut scene, 6 * SECOND);
    scene.market.ms = u64::try_from(scene.ts / MS).unwrap();
    scene.market.set(0, true, 351, "5");
    let body = scene.market.rest(0);
    scene.answer(&body);
    let records = pass(&mut scene, 2 * SECOND);
    assert!(records.contains(&"0 state stale withheld".to_owned()), "{records:?}");
    assert_eq!(fresh(&scene)[0], Freshness::Frozen);
    assert_eq!(fresh(&scene)[2], Freshness::Frozen);
    scene.engine.resync_begin(0, scene.ts).unwrap();
    pass(&mut scene, SECOND);
    assert_eq!(fresh(&scene)[0], Freshness::Frozen, "until it is whole again");
    scene.answer(&body);
    pass(&mut scene, SECOND);
    assert_eq!(scene.standing(0), (State::Live, Cause::Resync));
    assert_eq!(fresh(&scene)[0], Freshness::Fresh);
}

#[test]
fn siblings_that_go_on_leave_the_connection_fresh_and_one_market_suspect() {
    let mut scene = busy(policy(HashCheck::Off));
    let mut other = Market::new(2, 20);
    other.subscribe(&mut scene.engine, 0, scene.ts);
    other.ms = scene.market.ms;
    scene.say(&other.books_frame());
    for i in 0..20 {
        pass(&mut scene, 299 * MS);
        other.ms += 300;
        let frame = other.change(0, true, 350, &format!("{}", i + 1));
        scene.say(&frame);
    }
    assert_eq!(fresh(&scene), [Freshness::Suspect, Freshness::Suspect, Freshness::Fresh]);
    assert_eq!(scene.engine.suspects(0), scene.ids);
}

#[test]
fn a_market_that_never_says_much_is_quiet() {
    let mut scene = Scene::live_with(policy(HashCheck::Off));
    for i in 0..30 {
        pass(&mut scene, 30 * SECOND);
        assert_eq!(fresh(&scene)[0], Freshness::Quiet);
        scene.market.ms += 30_000;
        scene.change(true, 350, &format!("{}", i + 1));
    }
    pass(&mut scene, 900 * SECOND);
    assert_eq!(fresh(&scene), [Freshness::Quiet; 3]);
    assert_eq!(scene.engine.suspects(0), [0; 0]);
}

#[test]
fn a_first_word_that_does_not_come_is_odd_and_a_lost_connection_is_not() {
    let mut scene = Scene::silent(policy(HashCheck::Off));
    pass(&mut scene, 4 * SECOND);
    assert_eq!(fresh(&scene)[0], Freshness::None);
    pass(&mut scene, 2 * SECOND);
    assert_eq!(fresh(&scene)[0], Freshness::Suspect);
    assert_eq!(scene.engine.suspects(0), [0; 0], "there is no book to compare");
    scene.engine.disconnected(0, scene.ts);
    pass(&mut scene, SECOND);
    assert_eq!(fresh(&scene), [Freshness::None; 3]);
}

#[test]
fn nobody_is_looked_at_where_that_is_switched_off() {
    let mut scene = Scene::live_with(Config { odd_silence: 0, ..policy(HashCheck::Off) });
    pass(&mut scene, 60 * SECOND);
    assert_eq!(fresh(&scene), [Freshness::None; 3]);
    assert!(scene.ts > T0);
}

// Witnesses, and how far they are trusted.

/// A busy market that has fallen silent, and REST as it is at the venue now, one level further.
fn silent() -> (Scene, String) {
    let mut scene = busy(policy(HashCheck::Off));
    pass(&mut scene, 6 * SECOND);
    scene.market.ms = u64::try_from(scene.ts / MS).unwrap();
    let old = scene.market.rest(0);
    scene.market.set(0, true, 351, "5");
    (scene, old)
}

/// The same answer at another venue time.
fn stamped(scene: &Scene, body: &str, ms: i64) -> String {
    let now = scene.market.ms;
    body.replace(&now.to_string(), &(i64::try_from(now).unwrap() + ms).to_string())
}

fn answers(scene: &Scene) -> [u64; 5] {
    scene.engine.rest_answers(Some(0))
}

#[test]
fn a_witness_that_was_often_old_must_differ_twice() {
    let (mut scene, old) = silent();
    for _ in 0..3 {
        let body = stamped(&scene, &old, -60_000);
        scene.answer(&body);
    }
    assert_eq!(answers(&scene), [0, 0, 3, 0, 0]);
    let body = scene.market.rest(0);
    scene.answer(&body);
    assert_eq!(pass(&mut scene, 3 * SECOND), [""; 0]);
    assert!(scene.engine.suspects(0).contains(&0), "it is asked again");
    scene.answer(&body);
    let records = pass(&mut scene, 2 * SECOND);
    assert!(records.contains(&"0 state stale withheld".to_owned()), "{records:?}");
    assert_eq!(answers(&scene), [0, 2, 3, 0, 0]);
}

#[test]
fn what_the_stream_says_meanwhile_clears_the_book_and_refutes_the_witness() {
    let (mut scene, _) = silent();
    let body = scene.market.rest(0);
    scene.answer(&body);
    scene.change(true, 351, "5");
    pass(&mut scene, 3 * SECOND);
    assert_eq!(scene.states(), [State::Live; 2]);
    assert_eq!(answers(&scene), [0, 1, 0, 0, 1]);
}

#[test]
fn a_ghost_costs_nothing_until_it_came_three_times() {
    let (mut scene, _) = silent();
    let head = scene.market.rest(0);
    let cut = head.find(r#""bids""#).unwrap();
    let ghost = format!(
        r#"{}"bids":[{{"price":"0.01","size":"5"}}],"asks":[{{"price":"0.99","size":"5"}}]}}"#,
        &head[..cut]
    );
    for n in 1..=2 {
        assert_eq!(scene.answer(&ghost), [""; 0]);
        assert_eq!(pass(&mut scene, 3 * SECOND), [""; 0]);
        assert_eq!(answers(&scene), [0, 0, 0, n, 0]);
    }
    // A word of the stream in between begins the count anew.
    scene.change(true, 352, "5");
    pass(&mut scene, 6 * SECOND);
    let now = scene.market.ms.to_string();
    let ghost = ghost.replace(&(scene.market.ms - 1).to_string(), &now);
    for n in 3..=4 {
        scene.answer(&ghost);
        assert_eq!(pass(&mut scene, 3 * SECOND), [""; 0]);
        assert_eq!(answers(&scene), [0, 0, 0, n, 0]);
    }
    scene.answer(&ghost);
    let records = pass(&mut scene, 2 * SECOND);
    assert!(records.contains(&"0 state stale withheld".to_owned()), "{records:?}");
}
