//! Second sources: another interface of a venue that tells the same books. It changes no book, costs
//! none while it may be wrong itself, and ends one that it still contradicts when it began anew.

use super::desk::{Desk, apply, small};
use crate::support::Rng;
use crate::support::records::shorts;
use crate::support::spot::Venue;
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::SecondStanding;
use bookfeed_core::instrument;
use bookfeed_core::time::SECOND;

const GONE: &str = "0";
const SECOND_CONN: u32 = 1;
const BEAT: &str = r#"{"type":"heartbeat","sequence":1,"product_id":"BTC-USD","last_trade_id":1,"time":"2026-09-21T14:13:20.500000Z"}"#;
const COINBASE: instrument::Venue = instrument::Venue::COINBASE;
const GEMINI: instrument::Venue = instrument::Venue::GEMINI;

/// A book of Coinbase, and the second source of it; each is told apart from the other.
struct Pair {
    desk: Desk,
    number: u64,
    /// How old it is what the second source tells.
    late: i64,
}

impl Pair {
    /// Both have the whole book.
    fn new() -> Self {
        let desk = Desk::new(COINBASE, small("BTC-USD", 10), 0);
        let mut pair = Self { desk, number: 0, late: 0 };
        pair.first("snapshot", None);
        pair.begin();
        assert!(pair.desk.live());
        pair
    }

    /// The first interface tells changes, or the whole book.
    fn first(&mut self, kind: &str, entries: Option<&[(bool, i64, &str)]>) -> Vec<String> {
        let told = match entries {
            Some(entries) => apply(&mut self.desk.venue, entries),
            None => self.desk.venue.sides.clone(),
        };
        let frame = self.desk.venue.coinbase_book(kind, self.number, &told);
        let frame = self.timed(&frame, 0);
        self.number += 1;
        self.desk.hear(&frame)
    }

    /// A frame whose time goes on as the hours of this test do.
    fn timed(&self, frame: &str, late: i64) -> String {
        let passed = (self.desk.ts - T0 - late) / SECOND + 20;
        let now = format!("14:{:02}:{:02}.", 13 + passed / 60, passed % 60);
        frame.replace("14:13:20.", &now)
    }

    /// A frame of the second source, a tenth of a second later.
    fn second(&mut self, frame: &str) -> Vec<String> {
        self.desk.ts += 100 * MS;
        let frame = self.timed(frame, self.late);
        self.desk.engine.ingest(SECOND_CONN, frame.as_bytes(), self.desk.ts);
        shorts(&mut self.desk.engine)
    }

    /// The second source begins (anew), with a whole book: the true one.
    fn begin(&mut self) -> Vec<String> {
        let venue = self.desk.venue.exchange_book();
        self.begin_with(&venue)
    }

    fn begin_with(&mut self, whole: &str) -> Vec<String> {
        self.desk.engine.connected(SECOND_CONN, COINBASE, "second", self.desk.ts).unwrap();
        self.second(whole)
    }

    /// Both say that they are there, for so many seconds.
    fn beats(&mut self, seconds: i64) -> Vec<String> {
        let mut came = Vec::new();
        for _ in 0..seconds {
            let number = self.number;
            self.number += 1;
            came.extend(
                self.desk
                    .hear(&format!(r#"{{"channel":"heartbeats","sequence_num":{number},"events":[]}}"#)),
            );
            came.extend((0..10).flat_map(|_| self.second(BEAT)));
        }
        came
    }

    fn standing(&self) -> SecondStanding {
        let mut all = self.desk.engine.second_sources();
        all.next().unwrap().1
    }
}

#[test]
fn a_second_source_that_agrees_is_evidence_and_changes_nothing() {
    let mut pair = Pair::new();
    let mut rng = Rng(3);
    for _ in 0..300 {
        let (bid, size) = (rng.below(2) == 0, format!("{}.5", 1 + rng.below(9)));
        let price = if bid { 10_000 - i64::try_from(rng.below(9)).unwrap() } else { 10_100 };
        let entries = [(bid, price, size.as_str())];
        pair.first("update", Some(&entries));
        let told = super::desk::changes(&entries);
        let frame = pair.desk.venue.exchange_update(&told);
        assert_eq!(pair.second(&frame), [""; 0]);
        assert!(pair.desk.live() && pair.desk.is_true());
    }
    let SecondStanding { conn, whole, wanted, tally } = pair.standing();
    assert_eq!((conn, whole, wanted), (SECOND_CONN, true, false));
    assert!(tally.agreed > 200 && tally.differed == 0, "{tally:?}");
    assert_eq!(pair.desk.evidence(Evidence::SnapshotMatch), tally.agreed);
}

#[test]
fn what_is_ahead_by_moments_is_no_difference() {
    let mut pair = Pair::new();
    for round in 0..200 {
        let size = format!("{}.5", 1 + round % 7);
        let entries = [(round % 2 == 0, 10_000 + 100 * (1 - (round + 1) % 2), size.as_str())];
        // The second source is ahead, then behind.
        let told = super::desk::changes(&entries);
        let frame = pair.desk.venue.exchange_update(&told);
        if round % 3 == 0 {
            pair.second(&frame);
            pair.first("update", Some(&entries));
        } else {
            pair.first("update", Some(&entries));
            pair.second(BEAT);
            pair.second(&frame);
        }
        assert!(pair.desk.live());
    }
    let tally = pair.standing().tally;
    assert_eq!((tally.differed, tally.convicted), (0, 0), "{tally:?}");
    assert!(tally.settled > 0, "{tally:?}");
}

#[test]
fn a_book_that_its_venue_holds_back_is_lost_once_a_fresh_one_says_the_same() {
    for (bid, price, size) in [(true, 10_000, "7.5"), (false, 10_150, "1"), (true, 9_995, GONE)] {
        let mut pair = Pair::new();
        // The first interface never says so.
        let told = apply(&mut pair.desk.venue, &[(bid, price, size)]);
        let frame = pair.desk.venue.exchange_update(&told);
        pair.second(&frame);
        assert_eq!(pair.beats(1), [""; 0], "there is time to come to it");
        assert_eq!(pair.beats(3), [""; 0], "which of the two is wrong is not known");
        let standing = pair.standing();
        assert!(standing.wanted && !standing.whole && standing.tally.differed == 1, "{standing:?}");
        assert!(pair.desk.live());
        pair.begin();
        let came = pair.beats(3);
        assert_eq!(came, ["state stale withheld"]);
        assert_eq!(pair.standing().tally.convicted, 1);
        assert_eq!(pair.desk.evidence(Evidence::SnapshotMismatch), 1);
        // The book comes anew, and is the same as the second source has it.
        pair.first("snapshot", None);
        pair.beats(1);
        pair.second(&frame);
        assert!(pair.desk.live() && pair.desk.is_true());
        pair.beats(20);
        pair.second(&frame);
        assert!(pair.desk.live() && pair.standing().tally.convicted == 1);
    }
}

#[test]
fn a_second_source_that_was_right_is_believed_however_often() {
    let mut pair = Pair::new();
    for round in 0..6 {
        // The first interface keeps back whatever follows its whole book, which is true.
        let size = format!("{}.25", 1 + round);
        let told = apply(&mut pair.desk.venue, &[(true, 10_000, size.as_str())]);
        let frame = pair.desk.venue.exchange_update(&told);
        pair.second(&frame);
        pair.beats(4);
        pair.begin();
        assert_eq!(pair.beats(4), ["state stale withheld"], "round {round}");
        pair.first("snapshot", None);
        // Before it has told of a change it has seen that ours is the same.
        pair.second(BEAT);
        assert!(pair.desk.live() && pair.desk.is_true());
    }
    let tally = pair.standing().tally;
    assert_eq!((tally.convicted, tally.disbelieved), (6, 0), "{tally:?}");
}

#[test]
fn a_frozen_first_interface_is_found_while_the_market_moves() {
    let mut pair = Pair::new();
    let mut states = Vec::new();
    for round in 0..80_i64 {
        let size = format!("{}.25", 1 + round % 9);
        let entries = [(round % 2 == 0, if round % 2 == 0 { 10_000 } else { 10_100 }, size.as_str())];
        let told = apply(&mut pair.desk.venue, &entries);
        let frame = pair.desk.venue.exchange_update(&told);
        states.extend(pair.second(&frame));
        if pair.standing().wanted {
            states.extend(pair.begin());
        }
    }
    assert_eq!(states, ["state stale withheld"]);
}

#[test]
fn what_the_second_source_lost_itself_costs_no_book() {
    let mut pair = Pair::new();
    for round in 1..=4 {
        // It never hears of this.
        let size = format!("{round}.75");
        pair.first("update", Some(&[(true, 10_000, &size)]));
        assert_eq!(pair.beats(4), [""; 0]);
        let standing = pair.standing();
        assert!(standing.wanted && standing.tally.differed == round, "{standing:?}");
        pair.begin();
        assert_eq!(pair.standing().tally.refuted, round);
    }
    assert!(pair.desk.live() && pair.standing().tally.convicted == 0);
}

#[test]
fn a_second_source_that_is_late_says_nothing_against_a_newer_book() {
    let mut pair = Pair::new();
    pair.late = 6 * SECOND;
    let mut untold = std::collections::VecDeque::new();
    for round in 0..30 {
        // Ours stays as it is for longer than the two may differ, and it has what was before.
        let size = format!("{}.75", 1 + round % 9);
        let entries = [(true, 10_000, size.as_str())];
        pair.first("update", Some(&entries));
        let told = pair.desk.venue.exchange_update(&super::desk::changes(&entries));
        untold.push_back(told);
        if untold.len() > 2 {
            let told = untold.pop_front().unwrap();
            assert_eq!(pair.second(&told), [""; 0]);
        }
        assert_eq!(pair.beats(3), [""; 0], "round {round}");
    }
    let tally = pair.standing().tally;
    assert!(tally.settled > 10 && tally.differed == 0, "{tally:?}");
}

#[test]
fn what_is_late_is_evidence_of_the_time_that_it_is_of() {
    for late in [0, 3 * SECOND] {
        let mut desk = Desk::new(GEMINI, small("btcusd", 10), 0);
        let whole = desk.venue.gemini_depth(desk.venue.id, &desk.venue.sides.clone());
        desk.hear(&whole);
        desk.ts += 4 * SECOND;
        desk.engine.connected(SECOND_CONN, GEMINI, "second", desk.ts).unwrap();
        let beat = format!(r#"{{"type":"heartbeat","timestamp":{}}}"#, (desk.ts - late) / MS);
        let same = small("BTCUSD", 10).gemini_l2(&small("BTCUSD", 10).sides, r#","trades":[]"#);
        for frame in [beat, same] {
            desk.engine.ingest(SECOND_CONN, frame.as_bytes(), desk.ts);
        }
        let tally = desk.engine.second_sources().next().unwrap().1.tally;
        assert_eq!(
            (tally.agreed, desk.engine.book(0).unwrap().ts_evidence),
            (1, desk.ts - late),
            "{late}"
        );
    }
}

#[test]
fn a_second_source_that_lies_is_believed_three_times() {
    let mut pair = Pair::new();
    let mut liar = small("BTC-USD", 10);
    liar.sides[0].insert(10_000, "9.9".to_owned());
    let lie = liar.exchange_book();
    for round in 0..8 {
        pair.begin_with(&lie);
        pair.beats(4);
        pair.begin_with(&lie);
        let came = pair.beats(4);
        let lost = came.iter().any(|record| record == "state stale withheld");
        assert_eq!(lost, round < 3, "round {round}: {came:?}");
        if lost {
            pair.first("snapshot", None);
        }
        assert!(pair.desk.live());
    }
    let tally = pair.standing().tally;
    assert!(tally.convicted == 3 && tally.disbelieved > 0, "{tally:?}");
    // Once it agrees, it is heard again.
    pair.begin();
    pair.begin_with(&lie);
    pair.beats(4);
    pair.begin_with(&lie);
    assert_eq!(pair.beats(4), ["state stale withheld"]);
}

#[test]
fn whatever_comes_on_it_costs_no_book() {
    let frames = [
        "",
        "{",
        "[]",
        "7",
        r#"{"type":"l2update","product_id":"BTC-USD","changes":[["buy","1e5","1"]]}"#,
        r#"{"type":"l2update","product_id":"BTC-USD","changes":7}"#,
        r#"{"type":"l2update","product_id":"ETH-USD","changes":[["buy","1","1"]]}"#,
        r#"{"type":"l2update","changes":[["buy","1","1"]]}"#,
        r#"{"type":"snapshot","product_id":"BTC-USD","bids":[["1","1"],["1","2"]],"asks":[]}"#,
        r#"{"type":"snapshot","product_id":"BTC-USD"}"#,
        r#"{"type":"error","message":"no","reason":"none"}"#,
        r#"{"type":"something_new"}"#,
        r#"{"channel":"l2_data","timestamp":"2026-09-21T14:13:20Z","sequence_num":77,"events":[]}"#,
        "\u{0}\u{1}\u{2}",
    ];
    for frame in frames {
        let mut pair = Pair::new();
        assert_eq!(pair.second(frame), [""; 0], "{frame}");
        assert_eq!(pair.beats(4), [""; 0], "{frame}");
        assert!(pair.desk.live() && pair.desk.is_true(), "{frame}");
        let standing = pair.standing();
        assert!(standing.whole != standing.wanted, "it begins anew where it lost something: {frame}");
        pair.desk.engine.disconnected(SECOND_CONN, pair.desk.ts);
        assert!(pair.desk.live(), "{frame}");
        assert!(!pair.standing().whole);
    }
}

#[test]
fn gemini_s_second_interface_has_symbols_of_its_own() {
    let mut desk = Desk::new(GEMINI, small("btcusd", 10), 0);
    let whole = desk.venue.gemini_depth(desk.venue.id, &desk.venue.sides.clone());
    desk.hear(&whole);
    assert!(desk.live());
    let mut other: Venue = small("BTCUSD", 10);
    other.sides[1].insert(10_100, "4.25".to_owned());
    let mut states = Vec::new();
    for _ in 0..2 {
        desk.engine.connected(SECOND_CONN, GEMINI, "second", desk.ts).unwrap();
        let frame = other.gemini_l2(&other.sides.clone(), r#","trades":[],"auction_events":[]"#);
        for round in 0..41 {
            desk.ts += 100 * MS;
            let beat = format!(r#"{{"type":"heartbeat","timestamp":{}}}"#, desk.ts / MS);
            let frame = if round == 0 { &frame } else { &beat };
            desk.engine.ingest(SECOND_CONN, frame.as_bytes(), desk.ts);
            states.extend(shorts(&mut desk.engine));
        }
    }
    assert_eq!(states, ["state stale withheld"]);
    assert_eq!(desk.standing(), (State::Stale, Cause::Withheld));
}

#[test]
fn a_second_source_may_not_be_of_a_venue_that_has_none() {
    let mut desk = Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 10), 10);
    assert!(desk.engine.connected(1, instrument::Venue::KRAKEN, "second", desk.ts).is_err());
    assert!(COINBASE.has_second() && GEMINI.has_second());
    assert!(!instrument::Venue::KRAKEN.has_second());
    desk.ts += SECOND;
}

#[test]
fn a_second_source_whose_beginning_is_missing_is_to_begin_anew() {
    let mut pair = Pair::new();
    pair.desk.engine.connected(SECOND_CONN, COINBASE, "second", pair.desk.ts).unwrap();
    assert!(!pair.standing().wanted && !pair.standing().whole);
    let frame = pair.desk.venue.exchange_update(&super::desk::changes(&[(true, 10_000, "2")]));
    assert_eq!(pair.second(&frame), [""; 0]);
    assert!(pair.standing().wanted && !pair.standing().whole);
    pair.begin();
    assert!(!pair.standing().wanted && pair.standing().whole);
}
