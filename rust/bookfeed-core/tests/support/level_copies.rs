//! Whoever applies level changes to his copy has the book: maps, filled by nothing else.

use super::records::{code, field};
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::Engine;
use bookfeed_core::update::{FLAG_WHOLE, LEVEL_FIELDS, LEVEL_SIZE};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes by price, of one side.
type Side = BTreeMap<i64, i64>;

/// Copies of every book of an engine, and what was seen while they were kept.
#[derive(Default)]
pub struct LevelCopies {
    sides: BTreeMap<u32, [Side; 2]>,
    /// Number of the newest message and book that changed a level.
    seq: i64,
    /// Receive time of the newest change.
    pub ts: i64,
    /// Changes seen, and those that were part of a whole book.
    pub changes: u64,
    pub whole: u64,
    /// States in which levels changed.
    pub states: BTreeSet<&'static str>,
}

impl LevelCopies {
    /// Applies the changes waiting, each of which must be one, then compares every copy with its
    /// book, whatever the book's state. The records are left for whoever takes them next.
    pub fn take(&mut self, engine: &mut Engine) {
        let records: Vec<_> = engine.output().levels().chunks_exact(LEVEL_SIZE).map(Vec::from).collect();
        let mut set = BTreeSet::new();
        let mut of = None;
        for record in &records {
            let long = |name| field(&LEVEL_FIELDS, record, name);
            let small = |name| code(&LEVEL_FIELDS, record, name);
            let (instrument, side) = (u32::try_from(long("instrument")).unwrap(), small("side"));
            if long("seq") == self.seq {
                assert_eq!(of, Some(instrument), "one number for one message and book");
            } else {
                assert_eq!(long("seq"), self.seq + 1, "numbers have no holes");
                (self.seq, of) = (long("seq"), Some(instrument));
                set.clear();
            }
            let (price, old, new) = (long("price_e9"), long("old_qty_e8"), long("new_qty_e8"));
            assert!(set.insert((side, price)), "a level changes once a message");
            assert!(old != new && old >= 0 && new >= 0, "{old} {new}");
            assert!(long("ts_recv_ns") >= self.ts, "time does not go back");
            self.ts = long("ts_recv_ns");
            let levels = &mut self.sides.entry(instrument).or_default()[side];
            let before = if new == 0 { levels.remove(&price) } else { levels.insert(price, new) };
            assert_eq!(before.unwrap_or(0), old, "instrument {instrument}, {price}");
            self.changes += 1;
            self.whole += u64::from(small("flags") == usize::from(FLAG_WHOLE));
            self.states.insert(State::ALL[small("state")].name());
            assert!(small("cause") < Cause::ALL.len());
        }
        self.compare(engine);
    }

    fn compare(&mut self, engine: &Engine) {
        for id in 0..u32::try_from(engine.instruments().len()).unwrap() {
            let book = engine.book(id).unwrap();
            let sides: [Side; 2] = [book.bids.best_first().collect(), book.asks.best_first().collect()];
            let copy = self.sides.entry(id).or_default();
            assert_eq!(copy, &sides, "instrument {id}, {:?} {:?}", book.state, book.cause);
        }
    }
}
