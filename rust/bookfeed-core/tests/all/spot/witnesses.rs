//! Books that their streams prove, and what REST says of one that is silent. Of Kraken's and Coinbase's
//! it states of when they are, and no more; of Gemini's not even that. It vouches for a silence, or
//! convicts one; nothing else. A silence that is not odd is vouched for before it takes a book out.

use super::desk::{Desk, apply, small};
use crate::support::spot::{Changes, Venue, price_text};
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::instrument;
use bookfeed_core::sequence::rhythm::Freshness;

/// One of the two venues.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Which {
    Kraken,
    Coinbase,
}

const BOTH: [Which; 2] = [Which::Kraken, Which::Coinbase];
/// The second in which the venues' clocks begin here.
const SECOND: u64 = crate::support::spot::MS / 1_000;

impl Which {
    fn desk(self) -> Desk {
        let mut desk = match self {
            Self::Kraken => Desk::new(instrument::Venue::KRAKEN, small("BTC/USD", 10), 10),
            Self::Coinbase => Desk::new(instrument::Venue::COINBASE, small("BTC-USD", 10), 0),
        };
        let whole = desk.venue.sides.clone();
        let frame = self.frame(&desk.venue, "snapshot", &whole);
        desk.hear(&frame);
        assert!(desk.live(), "{}", desk.text());
        desk
    }

    /// A message of a book, with the time that it is by now.
    fn frame(self, venue: &Venue, kind: &str, levels: &Changes) -> String {
        let number = venue.id - small("ANY", 0).id;
        let frame = match self {
            Self::Kraken => venue.kraken_book(kind, levels),
            Self::Coinbase => venue.coinbase_book(kind, number, levels),
        };
        let now = format!("14:13:{:02}.", 20 + venue.ms / 1_000 - SECOND);
        frame.replace("14:13:20.", &now)
    }

    /// The best levels of a book as REST tells them, as of so many seconds after the beginning.
    fn answer(self, venue: &Venue, depth: usize, at_s: u64) -> String {
        let texts = |line: (&i64, &String)| (price_text(*line.0, 2), line.1.clone());
        let bids: Vec<_> = venue.sides[0].iter().rev().take(depth).map(texts).collect();
        let asks: Vec<_> = venue.sides[1].iter().take(depth).map(texts).collect();
        let list = |levels: &[(String, String)]| {
            let level = |(price, size): &(String, String)| match self {
                Self::Kraken => format!(r#"["{price}","{size}",{}]"#, SECOND + at_s),
                Self::Coinbase => format!(r#"{{"price":"{price}","size":"{size}"}}"#),
            };
            levels.iter().map(level).collect::<Vec<_>>().join(",")
        };
        let sides = format!(r#""asks":[{}],"bids":[{}]"#, list(&asks), list(&bids));
        match self {
            Self::Kraken => format!(r#"{{"error":[],"result":{{"XXBTZUSD":{{{sides}}}}}}}"#),
            Self::Coinbase => format!(
                r#"{{"pricebook":{{"product_id":"BTC-USD",{sides},"time":"2026-09-21T14:13:{:02}.5Z"}},"last":""}}"#,
                20 + at_s
            ),
        }
    }

    /// The true book changes, and the stream says so.
    fn change(self, desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
        let changes = apply(&mut desk.venue, entries);
        self.frame(&desk.venue, "update", &changes)
    }

    /// A live book that is spoken of ten times a second for six seconds, and then no more.
    fn silent(self) -> Desk {
        let mut desk = self.desk();
        for n in 0..60 {
            desk.ts += 99 * MS;
            let frame = self.change(&mut desk, &[(true, 9_999, &format!("{}.25000000", 1 + n % 7))]);
            desk.hear(&frame);
            desk.engine.advance(desk.ts);
        }
        wait(&mut desk, 4_000);
        desk.venue.ms += 4_000;
        assert!(desk.live(), "{}", desk.text());
        assert_eq!(desk.engine.suspects(0), [desk.id], "{self:?}");
        desk
    }
}

fn wait(desk: &mut Desk, ms: i64) {
    for _ in 0..ms / 100 {
        desk.ts += 100 * MS;
        desk.engine.advance(desk.ts);
    }
}

/// What REST said of books of the connection: agreed, differed, older, ghosts, refuted.
fn said(desk: &Desk) -> [u64; 5] {
    desk.engine.rest_answers(Some(0))
}

#[test]
fn a_book_that_is_the_same_vouches_for_an_odd_silence() {
    for which in BOTH {
        for depth in [3, 10] {
            let mut desk = which.silent();
            let body = which.answer(&desk.venue, depth, 10);
            assert_eq!(desk.answer(&body), [""; 0]);
            assert_eq!(desk.evidence(Evidence::RestMatch), 1, "{which:?}");
            wait(&mut desk, 1_000);
            assert_eq!((desk.engine.suspects(0), desk.live()), (vec![], true));
            assert_eq!(desk.engine.freshness(desk.id), Freshness::Quiet);
        }
    }
}

#[test]
fn a_later_book_that_differs_convicts_a_stream_that_stays_silent() {
    for which in BOTH {
        for goes_on in [true, false] {
            let mut desk = which.silent();
            let frame = which.change(&mut desk, &[(true, 10_000, "9.00000000")]);
            let body = which.answer(&desk.venue, 10, 10);
            desk.answer(&body);
            assert_eq!(desk.engine.book(desk.id).unwrap().shown_state(), State::Suspect);
            if goes_on {
                desk.hear(&frame);
            }
            wait(&mut desk, 5_000);
            let standing = desk.standing();
            if goes_on {
                assert!(desk.live() && desk.is_true(), "{which:?}: {}", desk.text());
                assert_eq!(said(&desk), [0, 1, 0, 0, 1], "it was ahead by a moment");
            } else {
                assert_eq!(standing, (State::Stale, Cause::Withheld), "{which:?}");
                assert_eq!(desk.engine.freshness(desk.id), Freshness::Frozen);
            }
        }
    }
}

#[test]
fn an_older_book_says_nothing_and_is_counted() {
    for which in BOTH {
        let mut desk = which.silent();
        which.change(&mut desk, &[(true, 10_000, "9.00000000")]);
        let body = which.answer(&desk.venue, 10, 2);
        assert_eq!(desk.answer(&body), [""; 0]);
        wait(&mut desk, 3_000);
        assert!(desk.live());
        assert_eq!(said(&desk), [0, 0, 1, 0, 0], "{which:?}");
        assert_eq!(desk.engine.suspects(0), [desk.id], "and somebody is still to be asked");
    }
}

#[test]
fn beside_a_stream_that_speaks_a_book_that_differs_says_nothing() {
    for which in BOTH {
        let mut desk = which.desk();
        which.change(&mut desk, &[(true, 10_000, "9.00000000")]);
        let body = which.answer(&desk.venue, 10, 0);
        assert_eq!(desk.answer(&body), [""; 0]);
        wait(&mut desk, 3_000);
        assert!(desk.live());
        assert_eq!((said(&desk), desk.engine.counters().rest_rejected), ([0; 5], 1));
    }
}

#[test]
fn an_answer_that_is_no_book_or_anothers_costs_nothing() {
    for which in BOTH {
        let mut desk = which.silent();
        let fitting = which.answer(&desk.venue, 10, 10);
        let broken = [
            fitting.replacen("bids", "odds", 1),
            fitting.replacen("1.50000000", "1e5", 1),
            fitting.replacen("BTC-USD", "ETH-USD", 1).replacen(r#""X"#, r#""ETH":{},"X"#, 1),
            r#"{"error":["EService:Unavailable"]}"#.to_owned(),
            "[]".to_owned(),
            "17".to_owned(),
        ];
        for (n, body) in broken.iter().enumerate() {
            desk.answer(body);
            assert!(desk.live(), "{which:?}: {body}");
            assert_eq!(desk.engine.counters().rest_rejected, 1 + n as u64, "{which:?}: {body}");
        }
        assert_eq!(said(&desk), [0; 5]);
        let id = instrument::UNKNOWN;
        desk.engine.ingest_rest(0, fitting.as_bytes(), id, None, desk.ts);
        let named = which == Which::Coinbase;
        assert_eq!(said(&desk), [u64::from(named), 0, 0, 0, 0], "only one of them names its product");
    }
}

// Gemini, whose answers state nothing of themselves.

/// A live book of one of its interfaces that is spoken of ten times a second for six seconds, and then
/// no more; `quiet` is one of which the last change is as long ago, and which never said more.
fn undated(version_2: bool, quiet: bool) -> Desk {
    let mut desk = Desk::new(instrument::Venue::GEMINI, small("btcusd", 10), 0);
    let whole = desk.venue.sides.clone();
    let frame = gemini(&desk.venue, &whole, version_2, true);
    desk.hear(&frame);
    for n in 0..if quiet { 1 } else { 60 } {
        desk.ts += 99 * MS;
        let frame =
            gemini_change(&mut desk, (true, 9_999, &format!("{}.25000000", 1 + n % 7)), version_2);
        desk.hear(&frame);
        desk.engine.advance(desk.ts);
    }
    wait(&mut desk, 4_000);
    desk.venue.ms += 4_000;
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    desk
}

fn gemini(venue: &Venue, levels: &Changes, version_2: bool, whole: bool) -> String {
    match (version_2, whole) {
        (false, _) => venue.gemini_depth(venue.id, levels),
        (true, true) => venue.gemini_l2(levels, r#","trades":[],"auction_events":[]"#),
        (true, false) => venue.gemini_l2(levels, ""),
    }
}

/// The true book changes, and the stream says so.
fn gemini_change(desk: &mut Desk, entry: (bool, i64, &str), version_2: bool) -> String {
    let changes = apply(&mut desk.venue, &[entry]);
    gemini(&desk.venue, &changes, version_2, false)
}

/// The best levels of a book as its REST tells them.
fn gemini_answer(venue: &Venue, depth: usize) -> String {
    let level = |(price, size): (&i64, &String)| {
        format!(r#"{{"price":"{}","amount":"{size}","timestamp":"17"}}"#, price_text(*price, 2))
    };
    let bids: Vec<_> = venue.sides[0].iter().rev().take(depth).map(level).collect();
    let asks: Vec<_> = venue.sides[1].iter().take(depth).map(level).collect();
    format!(r#"{{"bids":[{}],"asks":[{}]}}"#, bids.join(","), asks.join(","))
}

#[test]
fn without_a_time_the_same_levels_vouch_for_a_silence() {
    for version_2 in [false, true] {
        for depth in [3, 10] {
            let mut desk = undated(version_2, false);
            assert_eq!(desk.engine.suspects(0), [desk.id]);
            let body = gemini_answer(&desk.venue, depth);
            assert_eq!(desk.answer(&body), [""; 0]);
            assert_eq!(desk.evidence(Evidence::RestMatch), 1);
            wait(&mut desk, 1_000);
            assert_eq!((desk.engine.suspects(0), desk.live()), (vec![], true));
            assert_eq!(desk.engine.freshness(desk.id), Freshness::Quiet);
        }
    }
}

#[test]
fn without_a_time_three_answers_that_differ_convict_an_odd_silence() {
    for (version_2, spoke_after) in [false, true].into_iter().flat_map(|v| (0..4).map(move |n| (v, n))) {
        let mut desk = undated(version_2, false);
        // The first is of before: it differs, and says nothing of what the stream keeps back.
        let older = gemini_answer(&small("btcusd", 10), 10);
        let frame = gemini_change(&mut desk, (true, 10_000, "9.00000000"), version_2);
        let newer = gemini_answer(&desk.venue, 10);
        for (n, body) in [&older, &newer, &newer].into_iter().enumerate() {
            if n == spoke_after {
                desk.hear(&frame);
            }
            assert!(desk.live(), "{n} answers are too few");
            desk.answer(body);
            wait(&mut desk, 1_000);
            if n < spoke_after.min(2) {
                assert_eq!(desk.engine.suspects(0), [desk.id], "and it is asked again");
            }
        }
        if spoke_after == 3 {
            wait(&mut desk, 3_000);
            assert_eq!(desk.standing(), (State::Stale, Cause::Withheld));
            assert_eq!(desk.engine.freshness(desk.id), Freshness::Frozen);
        } else {
            wait(&mut desk, 5_000);
            assert!(desk.live() && desk.is_true(), "{version_2} {spoke_after}: {}", desk.text());
        }
    }
}

#[test]
fn without_a_time_a_stream_that_speaks_is_not_contradicted() {
    for version_2 in [false, true] {
        let mut desk = undated(version_2, true);
        let older = gemini_answer(&small("btcusd", 10), 10);
        for n in 1..=5 {
            assert_eq!(desk.answer(&older), [""; 0]);
            wait(&mut desk, 500);
            assert!(desk.live());
            assert_eq!((said(&desk), desk.engine.counters().rest_rejected), ([0; 5], n));
        }
    }
}

#[test]
fn an_answer_without_levels_vouches_for_nothing() {
    let mut desk = undated(false, false);
    for body in [r#"{"bids":[],"asks":[]}"#, r#"{"result":"error"}"#, "[]", "17"] {
        desk.answer(body);
        assert!(desk.live());
        assert_eq!((said(&desk), desk.evidence(Evidence::RestMatch)), ([0; 5], 0), "{body}");
    }
    assert_eq!(desk.engine.suspects(0), [desk.id]);
}

// Silences that no rhythm calls odd.

/// What a true answer is.
type Answers = fn(&Desk) -> String;

/// Quiet books that REST is asked about, and a true answer. Kraken's last change was the end of a
/// level, which its answer has no time of.
fn quiet() -> Vec<(Desk, Answers)> {
    let mut kraken = Which::Kraken.desk();
    kraken.venue.ms += 4_000;
    let frame = Which::Kraken.change(&mut kraken, &[(true, 10_000, "0.00000000")]);
    kraken.hear(&frame);
    assert!(kraken.live() && kraken.is_true(), "{}", kraken.text());
    vec![
        (undated(false, true), |desk| gemini_answer(&desk.venue, 10)),
        (undated(true, true), |desk| gemini_answer(&desk.venue, 10)),
        (kraken, |desk| Which::Kraken.answer(&desk.venue, 10, 1)),
    ]
}

#[test]
fn a_book_of_a_quiet_market_is_asked_about_before_silence_takes_it_out() {
    for (mut desk, answer) in quiet() {
        for round in 0..10 {
            let mut waited = 0;
            while desk.engine.suspects(0).is_empty() {
                wait(&mut desk, 100);
                waited += 100;
                assert!(waited < 30_000 && desk.live(), "round {round}: {}", desk.text());
            }
            assert!(round == 0 || waited > 20_000, "round {round}: asked after {waited} ms");
            assert_eq!(desk.engine.suspects(0), [desk.id]);
            let body = answer(&desk);
            assert_eq!(desk.answer(&body), [""; 0]);
            wait(&mut desk, 300);
            assert_eq!((desk.engine.suspects(0), desk.live()), (vec![], true));
        }
    }
}

#[test]
fn a_quiet_book_that_nobody_vouches_for_is_stale_in_time() {
    for (mut desk, answer) in quiet() {
        let body = answer(&desk);
        wait(&mut desk, 24_000);
        // The venue knows of a change, which is no proof: the stream may be on its way.
        let other = body.replacen("1.50000000", "9.00000000", 1).replacen("1.25000000", "9.00000000", 1);
        assert_ne!(other, body);
        desk.answer(&other);
        assert!(desk.live());
        wait(&mut desk, 7_000);
        assert_eq!(desk.standing(), (State::Stale, Cause::Silence));
    }
}
