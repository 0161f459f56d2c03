//! Hashes of changes that stop being those of books for all markets of a connection, without REST.

use crate::support::records::{drain, levels, shown, true_levels};
use crate::support::venue::{MS, Market, T0, policy};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::{Engine, HashCheck};
use bookfeed_core::instrument::Venue;
use bookfeed_core::time::Nanos;
use std::ops::Range;

const SECOND: Nanos = 1_000 * MS;

/// Markets on one connection, which brings whole books whenever it is opened and at no other time.
struct Crowd {
    engine: Engine,
    markets: Vec<Market>,
    ids: Vec<[u32; 2]>,
    ts: Nanos,
    /// State records, as `id state cause`.
    said: Vec<String>,
}

impl Crowd {
    fn new(hash_check: HashCheck, markets: usize) -> Self {
        let mut engine = Engine::new(policy(hash_check));
        let markets: Vec<_> = (1..=markets).map(|n| Market::new(n, 20)).collect();
        let ids = markets.iter().map(|market| market.subscribe(&mut engine, 0, T0)).collect();
        let mut crowd = Self { engine, markets, ids, ts: T0, said: Vec::new() };
        crowd.tell_whole_books();
        crowd
    }

    fn say(&mut self, frame: &str) {
        self.ts += MS;
        self.engine.ingest(0, frame.as_bytes(), self.ts);
        self.note();
    }

    fn note(&mut self) {
        for record in drain(&mut self.engine).0 {
            if record.short().starts_with("state ") {
                self.said.push(format!("{} {}", record.instrument, record.short()));
            }
        }
    }

    fn wait(&mut self, time: Nanos) {
        self.ts += time;
        self.engine.advance(self.ts);
        self.note();
    }

    fn tell_whole_books(&mut self) {
        for n in 0..self.markets.len() {
            self.markets[n].ms += 1;
            let frame = self.markets[n].books_frame();
            self.say(&frame);
        }
    }

    fn reconnect(&mut self) {
        self.engine.disconnected(0, self.ts);
        self.engine.connected(0, Venue::POLYMARKET, "", self.ts).unwrap();
        self.note();
        self.tell_whole_books();
    }

    /// A change of each of `markets` every 50 ms for `time`. The hashes of `foreign` ones are not
    /// those of books.
    fn changes(&mut self, time: Nanos, markets: Range<usize>, foreign: &Range<usize>) {
        let end = self.ts + time;
        while self.ts < end {
            for n in markets.clone() {
                let size = format!("{}", 1 + self.ts / MS % 997);
                self.markets[n].ms += 1;
                let mut frame = self.markets[n].change(0, true, 350, &size);
                for outcome in [0, 1].into_iter().filter(|_| foreign.contains(&n)) {
                    let hash = self.markets[n].hash(outcome);
                    frame = frame.replace(&hash, &hash.chars().rev().collect::<String>());
                }
                self.say(&frame);
            }
            self.wait(50 * MS);
        }
    }

    /// A change of every market that never comes, deep in the book: no best price tells.
    fn lose_changes(&mut self, size: &str) {
        for market in &mut self.markets {
            market.ms += 1;
            market.set(0, true, 340, size);
        }
    }

    fn standings(&self) -> Vec<(State, Cause)> {
        self.ids.iter().flatten().map(|&id| shown(&self.engine, id)).collect()
    }

    fn all_true(&self) -> bool {
        let is_true = |(ids, market): (&[u32; 2], &Market)| {
            [0, 1].iter().all(|&i| levels(&self.engine, ids[i]) == true_levels(&market.books[i]))
        };
        self.ids.iter().zip(&self.markets).all(is_true)
    }
}

#[test]
fn foreign_hashes_of_all_changes_cost_one_reconnect_and_then_are_quiet() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut crowd = Crowd::new(policy, 4);
        crowd.changes(10 * SECOND, 0..4, &(0..0));
        crowd.changes(5 * SECOND, 0..4, &(0..4));
        assert_eq!(crowd.standings(), [(State::Stale, Cause::HashMismatch); 8], "{policy:?}");
        crowd.reconnect();
        crowd.changes(5 * SECOND, 0..4, &(0..4));
        assert_eq!(crowd.standings(), [(State::Live, Cause::UntrustedHash); 8], "{policy:?}");
        assert!(crowd.all_true());
        crowd.said.clear();
        crowd.changes(60 * SECOND, 0..4, &(0..4));
        assert_eq!(crowd.said, [""; 0], "{policy:?}");
        // Another connection brings nothing that would be held against a book.
        crowd.reconnect();
        crowd.changes(5 * SECOND, 0..4, &(0..4));
        assert_eq!(crowd.standings(), [(State::Live, Cause::UntrustedHash); 8], "{policy:?}");
    }
}

#[test]
fn holes_in_all_books_do_not_pass_as_hashes_that_are_not_trusted() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut crowd = Crowd::new(policy, 6);
        for hole in 0..6 {
            crowd.changes(5 * SECOND, 0..6, &(0..0));
            crowd.lose_changes(&format!("{}", 1_000 + hole));
            crowd.changes(5 * SECOND, 0..6, &(0..0));
            assert_eq!(
                crowd.standings(),
                [(State::Stale, Cause::HashMismatch); 12],
                "{policy:?} {hole}"
            );
            crowd.reconnect();
        }
        assert!(!crowd.said.iter().any(|said| said.contains("untrusted")), "{:?}", crowd.said);
    }
}

#[test]
fn one_market_whose_hashes_match_keeps_the_trust_of_its_connection() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut crowd = Crowd::new(policy, 6);
        for _ in 0..3 {
            crowd.changes(5 * SECOND, 0..6, &(1..6));
            let standings = crowd.standings();
            assert_eq!(standings[..2], [(State::Live, Cause::Snapshot); 2], "{policy:?}");
            assert_eq!(standings[2..], [(State::Stale, Cause::HashMismatch); 10], "{policy:?}");
            crowd.reconnect();
        }
        // Each book has to earn it for itself.
        crowd.changes(5 * SECOND, 0..6, &(1..6));
        let standings = crowd.standings();
        assert_eq!(standings[..2], [(State::Live, Cause::Snapshot); 2], "{policy:?}");
        assert_eq!(standings[2..], [(State::Live, Cause::UntrustedHash); 10], "{policy:?}");
        assert!(crowd.all_true());
    }
}

/// Either before the connection was opened anew, or since: where hashes are sampled, it may not have
/// been looked at by the time the others are struck again.
#[test]
fn one_match_between_strikes_keeps_trust() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        for (before, since) in [(0..5, 1..5), (1..5, 0..5)] {
            let mut crowd = Crowd::new(policy, 5);
            crowd.changes(5 * SECOND, before, &(1..5));
            crowd.reconnect();
            crowd.changes(5 * SECOND, since.clone(), &(1..5));
            let standings = crowd.standings();
            assert_eq!(standings[..2], [(State::Live, Cause::Snapshot); 2], "{policy:?} {since:?}");
            assert_eq!(standings[2..], [(State::Stale, Cause::HashMismatch); 8], "{policy:?} {since:?}");
        }
    }
}

/// When trust ends, a book is not believed again that was not told anew since its first mismatch.
#[test]
fn a_hole_found_while_trust_ends_is_still_a_hole() {
    for policy in [HashCheck::Sampled, HashCheck::Always] {
        let mut crowd = Crowd::new(policy, 5);
        crowd.changes(5 * SECOND, 0..4, &(0..4));
        crowd.reconnect();
        // The fifth market loses a level, and its hashes are right: they are struck for the first time.
        crowd.markets[4].ms += 1;
        crowd.markets[4].set(0, true, 340, "1234");
        crowd.changes(15 * SECOND, 0..5, &(0..4)); // a lone mismatch is given up late
        let standings = crowd.standings();
        assert_eq!(standings[..8], [(State::Live, Cause::UntrustedHash); 8], "{policy:?}");
        assert_eq!(standings[8..], [(State::Stale, Cause::HashMismatch); 2], "{policy:?}");
    }
}

/// A suspect book is believed again when its hashes lose their trust, unless best prices deny it too.
#[test]
fn a_book_that_best_prices_deny_too_is_not_believed_again() {
    let mut crowd = Crowd::new(HashCheck::Always, 4);
    crowd.changes(5 * SECOND, 0..4, &(0..4));
    crowd.reconnect();
    // The first market is struck again, and its touch is denied, before the others are.
    crowd.changes(MS, 0..1, &(0..1));
    crowd.wait(300 * MS);
    let market = &mut crowd.markets[0];
    market.ms += 1;
    let frame =
        market.change(0, true, 350, "7").replace(r#""best_bid":"0.399""#, r#""best_bid":"0.398""#);
    crowd.say(&frame.replace(r#""hash":""#, r#""hash":"0"#));
    crowd.wait(300 * MS);
    crowd.changes(500 * MS, 1..4, &(1..4));
    assert_eq!(crowd.standings()[2..], [(State::Live, Cause::UntrustedHash); 6]);
    crowd.changes(5 * SECOND, 0..4, &(0..4));
    assert_eq!(crowd.standings()[0], (State::Stale, Cause::HashMismatch));
}
