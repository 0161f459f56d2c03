//! One book of one simulated venue, and an engine that follows it.

use crate::support::records::{levels, shorts};
use crate::support::spot::{Changes, Side, Venue};
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::fixed::{PRICE_DECIMALS, QTY_DECIMALS, parse_price, parse_qty};
use bookfeed_core::instrument;

/// What the engine is told of `venue`, and when.
pub struct Desk {
    pub engine: Engine,
    pub venue: Venue,
    pub id: u32,
    pub ts: i64,
}

impl Desk {
    /// Subscribed on connection 0, to `depth` levels a side.
    pub fn new(venue: instrument::Venue, truth: Venue, depth: u32) -> Self {
        let mut engine = Engine::new(Config::default());
        engine.connected(0, venue, "", T0).unwrap();
        let listing = Listing { depth: Some(depth), ..Listing::default() };
        let id = engine.subscribe(venue, &truth.symbol, 0, &listing, T0).unwrap();
        shorts(&mut engine);
        Self { engine, venue: truth, id, ts: T0 }
    }

    /// A frame comes; what the engine wrote of it.
    pub fn hear(&mut self, frame: &str) -> Vec<String> {
        self.ts += MS;
        self.engine.ingest(0, frame.as_bytes(), self.ts);
        shorts(&mut self.engine)
    }

    /// A book that was asked for comes; what the engine wrote of it.
    pub fn answer(&mut self, body: &str) -> Vec<String> {
        self.ts += MS;
        self.engine.ingest_rest(0, body.as_bytes(), self.id, None, self.ts);
        shorts(&mut self.engine)
    }

    pub fn standing(&self) -> (State, Cause) {
        let book = self.engine.book(self.id).unwrap();
        (book.state, book.cause)
    }

    pub fn live(&self) -> bool {
        self.standing().0 == State::Live
    }

    pub fn evidence(&self, kind: Evidence) -> u64 {
        self.engine.book(self.id).unwrap().evidence.of(kind)
    }

    /// Number of the update at which the book stands.
    pub fn stands_at(&self) -> Option<u64> {
        self.engine.book(self.id).unwrap().rare.stitch.book_id()
    }

    /// Whether the best `depth` levels a side are exactly those.
    pub fn has(&self, sides: &[Side; 2], depth: usize) -> bool {
        let mut truth = Venue::new("ANY", 0, 0);
        truth.sides = sides.clone();
        let truth = truth.printed(2).map(|side| {
            let value = |(price, size): &(String, String)| {
                let price = parse_price(price.as_bytes()).unwrap().value;
                (price, parse_qty(size.as_bytes()).unwrap().value)
            };
            side.iter().take(depth).map(value).collect::<Vec<_>>()
        });
        let book = self.engine.book(self.id).unwrap();
        let ours = [book.bids.best_first().collect::<Vec<_>>(), book.asks.best_first().collect()];
        ours == truth
    }

    /// Whether the book is the venue's, whole.
    pub fn is_true(&self) -> bool {
        self.has(&self.venue.sides, usize::MAX)
    }

    /// The book as text, for messages of tests that fail.
    pub fn text(&self) -> String {
        format!("{:?} {:?} {:?}", self.standing(), self.stands_at(), levels(&self.engine, self.id))
    }
}

/// Levels as a venue changes them: `true` for bids, the price in hundredths, the size.
pub fn changes(entries: &[(bool, i64, &str)]) -> Changes {
    let mut changes = [Side::new(), Side::new()];
    for (bid, price, size) in entries {
        changes[usize::from(!bid)].insert(*price, (*size).to_owned());
    }
    changes
}

/// A true book of so few levels that each is known by name: bids 100.00 down, asks 101.00 up.
pub fn small(symbol: &str, depth: i64) -> Venue {
    let mut venue = Venue::new(symbol, 5, 0);
    for away in 0..depth {
        venue.sides[0].insert(10_000 - away, "1.50000000".to_owned());
        venue.sides[1].insert(10_100 + away, "2.50000000".to_owned());
    }
    venue
}

/// Changes the true book as told; the changes.
pub fn apply(venue: &mut Venue, entries: &[(bool, i64, &str)]) -> Changes {
    for (bid, price, size) in entries {
        let side = &mut venue.sides[usize::from(!bid)];
        if size.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            side.remove(price);
        } else {
            side.insert(*price, (*size).to_owned());
        }
    }
    venue.id += 1;
    venue.ms += 100;
    changes(entries)
}

const _: () = assert!(PRICE_DECIMALS == 9 && QTY_DECIMALS == 8);
