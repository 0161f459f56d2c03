//! The paper ledger: what an order that arrives a latency later still finds.

use super::oracle::{DIRECT, Schedule};
use super::pit::{FREE, Listed, Pit, sides};
use crate::support::Rng;
use crate::support::venue::MS;
use bookfeed_core::engine::Config;
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::paper::{Ledger, PaperFill, PaperTotals};

const LATENCY: i64 = 250 * MS;

/// A box of two levels each, open: 5 at 0.45 and 5 at 0.46 on either leg, for edges of 0.1
/// and 0.08.
fn opened(schedule: Schedule) -> Pit {
    let mut pit = Pit::new(Config { paper_latency: Some(LATENCY), ..Config::default() });
    for _ in 0..2 {
        pit.list(Venue::KALSHI, Listed { schedule: Some(schedule), ..Listed::default() });
    }
    pit.add_box(&[("polarity_check", "off")]);
    pit.book(0, &sides(&[(440, 5)], &[(450, 5), (460, 5)]));
    let open = pit.book(1, &sides(&[(550, 5), (540, 5)], &[(560, 5)])).remove(0);
    assert_eq!((open.short().as_str(), open.qty), ("open", 1_000_000_000));
    pit
}

fn fills(pit: &Pit) -> Vec<PaperFill> {
    pit.engine.paper().unwrap().fills().cloned().collect()
}

fn totals(pit: &Pit) -> PaperTotals {
    *pit.engine.paper().unwrap().totals()
}

/// Lets the order arrive: captured and unhedged shares, and net money in millidollars.
fn arrived(pit: &mut Pit) -> (i64, i64, i64) {
    assert_eq!(pit.engine.paper().unwrap().pending(), 1);
    pit.ts += LATENCY;
    pit.engine.advance(pit.ts);
    let [fill] = &fills(pit)[..] else { panic!("one order") };
    assert_eq!((fill.signal, fill.qty, fill.net_claimed), (1, 1_000_000_000, 900_000_000));
    assert_eq!(pit.engine.paper().unwrap().pending(), 0);
    (fill.captured / 100_000_000, fill.unhedged / 100_000_000, fill.net_captured / 1_000_000)
}

#[test]
fn what_is_still_there_is_captured_whole() {
    let mut pit = opened(FREE);
    assert_eq!(arrived(&mut pit), (10, 0, 900));
    let expected = PaperTotals {
        signals: 1,
        whole: 1,
        net_claimed: 900_000_000,
        net_captured: 900_000_000,
        ..PaperTotals::default()
    };
    assert_eq!(totals(&pit), expected);
}

#[test]
fn what_is_left_of_both_legs_is_captured_in_part() {
    let mut pit = opened(FREE);
    // Five at 0.46 are left on each: 0.08 each.
    pit.book(0, &sides(&[(440, 5)], &[(460, 5), (470, 9)]));
    pit.book(1, &sides(&[(540, 5), (530, 9)], &[(560, 5)]));
    assert_eq!(arrived(&mut pit), (5, 0, 400), "nothing beyond the worst price of the signal");
    let all = totals(&pit);
    assert_eq!((all.whole, all.partial, all.gone, all.unhedged), (0, 1, 0, 0));
}

#[test]
fn a_leg_that_gets_more_than_another_is_unhedged() {
    let mut pit = opened(FREE);
    pit.book(1, &sides(&[(545, 3)], &[(560, 5)]));
    // Three: 0.45 and 0.455 leave 0.095.
    assert_eq!(arrived(&mut pit), (3, 7, 285));
    let all = totals(&pit);
    assert_eq!((all.partial, all.unhedged), (1, 1));
}

#[test]
fn what_is_gone_is_gone_and_the_other_leg_hangs() {
    let mut pit = opened(FREE);
    pit.book(1, &sides(&[(530, 100)], &[(560, 5)]));
    assert_eq!(arrived(&mut pit), (0, 10, 0));
    let all = totals(&pit);
    assert_eq!((all.whole, all.partial, all.gone, all.unhedged), (0, 0, 1, 1));
    let mut pit = opened(FREE);
    pit.book(0, &sides(&[(440, 5)], &[(470, 5)]));
    pit.book(1, &sides(&[], &[(560, 5)]));
    assert_eq!(arrived(&mut pit), (0, 0, 0));
    assert_eq!((totals(&pit).gone, totals(&pit).unhedged), (1, 0));
}

#[test]
fn a_book_that_may_not_be_believed_gives_nothing() {
    let mut pit = opened(FREE);
    pit.kalshi.seq(crate::support::kalshi::BOOKS);
    pit.beat(0);
    assert_eq!(arrived(&mut pit), (0, 0, 0), "both are on the stream with the hole");
    // One alone: inside a match that is told in parts.
    let mut pit = opened(FREE);
    pit.ts += LATENCY - 50 * MS;
    let frame = pit.kalshi.delta(0, true, 5_000, 100);
    pit.say(0, &frame);
    pit.ts -= LATENCY - 49 * MS;
    assert_eq!(arrived(&mut pit), (0, 10, 0));
}

#[test]
fn fees_are_those_of_what_was_filled() {
    let mut pit = opened(Schedule::Kalshi(1_000_000_000, 0, DIRECT));
    let claimed = pit.signals[0].net_edge * 10;
    pit.book(1, &sides(&[(550, 1)], &[(560, 5)]));
    pit.ts += LATENCY;
    pit.engine.advance(pit.ts);
    let fill = fills(&pit).remove(0);
    assert_eq!(fill.net_claimed, claimed);
    // One of each at 0.45: 0.017325, of which balances make 0.0174 a leg.
    assert_eq!((fill.captured, fill.net_captured), (100_000_000, 100_000_000 - 2 * 17_400_000));
}

#[test]
fn an_order_arrives_before_the_frame_that_changes_the_book() {
    for (early, captured) in [(0, 10), (1, 0)] {
        let mut pit = opened(FREE);
        let sent = pit.ts;
        // The frame comes exactly when the order does, or a moment before.
        pit.ts = sent + LATENCY - early - MS;
        pit.book(1, &sides(&[(100, 5)], &[(560, 5)]));
        pit.wait(early);
        let fill = fills(&pit).remove(0);
        assert_eq!((fill.captured / 100_000_000, fill.ts), (captured, sent + LATENCY), "{early}");
    }
}

#[test]
fn only_what_opens_is_sent_and_spreads_are_no_orders() {
    let mut pit = opened(FREE);
    pit.rule("spread", &[("open", "0.001")]);
    pit.book(1, &sides(&[(550, 5), (540, 6)], &[(561, 5)]));
    assert!(pit.signals.len() > 1, "an update, and a spread");
    assert_eq!(pit.engine.paper().unwrap().pending(), 1);
    let mut pit = Pit::boxed([Venue::KALSHI, Venue::POLYMARKET], &[]);
    pit.touch(0, 440, 5, 450, 5);
    assert!(pit.engine.paper().is_none(), "unless one is kept");
}

#[test]
fn several_ledgers_are_each_what_it_would_be_alone() {
    let run = |latencies: &[i64]| {
        let mut rng = Rng(4);
        let config = Config { paper_latency: latencies.first().copied(), ..Config::default() };
        let mut pit = Pit::free(config, &[Venue::KALSHI, Venue::POLYMARKET]);
        latencies.iter().skip(1).for_each(|&latency| pit.engine.keep_paper(latency));
        pit.add_box(&[("polarity_check", "off"), ("max_lag_ms", "0")]);
        for _ in 0..400 {
            let (n, mid) = (rng.below(2), 400 + i64::try_from(rng.below(60)).unwrap());
            pit.touch(n, mid - 5, 3, mid + 5, 1 + i64::try_from(rng.below(9)).unwrap());
        }
        pit.wait(2_000 * MS);
        let told = |ledger: &Ledger| (ledger.latency(), *ledger.totals());
        pit.engine.papers().iter().map(told).collect::<Vec<_>>()
    };
    let lags = [250 * MS, MS, 7 * MS];
    let together = run(&lags);
    let alone: Vec<_> = lags.iter().flat_map(|&lag| run(&[lag])).collect();
    assert_eq!(together, alone);
    assert_ne!(together[1].1, together[2].1);
    assert!(together.iter().all(|(_, all)| all.signals == together[0].1.signals && all.signals > 10));
}

#[test]
fn the_same_frames_make_the_same_ledger() {
    let run = |seed| {
        let mut rng = Rng(seed);
        let config = Config { paper_latency: Some(7 * MS), digest: true, ..Config::default() };
        let mut pit = Pit::free(config, &[Venue::KALSHI, Venue::POLYMARKET, Venue::KALSHI]);
        pit.add_box(&[("polarity_check", "off"), ("max_lag_ms", "0")]);
        let legs = pit.legs(&[(0, false), (1, false), (2, false)]);
        pit.rule("ladder", &[("legs", &legs), ("max_lag_ms", "0")]);
        for _ in 0..600 {
            let (n, mid) = (rng.below(3), 400 + i64::try_from(rng.below(60)).unwrap());
            let (a, b) = (1 + rng.below(9), 1 + rng.below(9));
            pit.touch(n, mid - 5, i64::try_from(a).unwrap(), mid + 5, i64::try_from(b).unwrap());
        }
        pit.wait(20 * MS);
        let signals = pit.signals.iter().filter(|s| s.short() == "open").count();
        let digest = pit.engine.output().digest();
        (signals, totals(&pit), fills(&pit), digest)
    };
    let (signals, all, fills, digest) = run(1);
    assert_eq!((signals, all, fills.clone(), digest), run(1));
    assert_eq!(u64::try_from(signals).unwrap(), all.signals, "every one that opened has arrived");
    assert_eq!(all.signals, all.whole + all.partial + all.gone);
    let sum = |of: fn(&PaperFill) -> i64| fills.iter().map(of).sum::<i64>();
    assert_eq!((sum(|f| f.net_claimed), sum(|f| f.net_captured)), (all.net_claimed, all.net_captured));
    assert!(all.whole > 10 && all.partial > 10 && all.gone > 10 && all.unhedged > 10, "{all:?}");
    assert_ne!(run(2).2, fills);
}
