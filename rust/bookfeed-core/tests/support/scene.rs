//! One market on one connection, told frame by frame.

use super::records::{Signal, drain, levels, shown, true_levels};
use super::venue::{Market, T0, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, Engine, HashCheck};
use bookfeed_core::instrument::UNKNOWN;
use bookfeed_core::time::Nanos;

/// A millisecond.
const MS: Nanos = 1_000_000;

/// An engine that follows one market, and the market as it truly is.
pub struct Scene {
    pub engine: Engine,
    pub market: Market,
    pub ids: [u32; 2],
    pub ts: Nanos,
    pub signals: Vec<Signal>,
}

impl Scene {
    /// Subscribed, and nothing heard yet.
    pub fn silent(config: Config) -> Self {
        let (mut engine, market) = (Engine::new(config), Market::new(1, 20));
        let ids = market.subscribe(&mut engine, 0, T0);
        drain(&mut engine);
        Self { engine, market, ids, ts: T0, signals: Vec::new() }
    }

    /// Both books live, by the snapshots of the venue.
    pub fn live(hash_check: HashCheck) -> Self {
        Self::live_with(policy(hash_check))
    }

    pub fn live_with(config: Config) -> Self {
        let mut scene = Self::silent(config);
        let frame = scene.market.books_frame();
        scene.say(&frame);
        assert_eq!(scene.states(), [State::Live; 2]);
        scene
    }

    /// The records waiting, as `outcome kind state cause`.
    pub fn records(&mut self) -> Vec<String> {
        let (updates, signals) = drain(&mut self.engine);
        self.signals.extend(signals);
        updates.iter().map(|u| format!("{} {}", u.instrument, u.short())).collect()
    }

    /// A frame, one millisecond after what was before.
    pub fn say(&mut self, frame: &str) -> Vec<String> {
        self.ts += MS;
        self.engine.ingest(0, frame.as_bytes(), self.ts);
        self.records()
    }

    /// A REST answer, likewise.
    pub fn answer(&mut self, body: &str) -> Vec<String> {
        self.ts += MS;
        self.engine.ingest_rest(0, body.as_bytes(), UNKNOWN, None, self.ts);
        self.records()
    }

    /// Time in which nothing comes.
    pub fn wait(&mut self, time: Nanos) -> Vec<String> {
        self.ts += time;
        self.engine.advance(self.ts);
        self.records()
    }

    /// The venue's clock moves on.
    pub fn tick(&mut self) -> &mut Self {
        self.market.ms += 1;
        self
    }

    /// A later message that changes a level of both books.
    pub fn change(&mut self, buy: bool, price: u32, size: &str) -> Vec<String> {
        self.tick();
        let frame = self.market.change(0, buy, price, size);
        self.say(&frame)
    }

    /// A later message that the engine never gets.
    pub fn lose_change(&mut self, buy: bool, price: u32, size: &str) {
        self.tick();
        self.market.set(0, buy, price, size);
    }

    pub fn states(&self) -> [State; 2] {
        self.ids.map(|id| shown(&self.engine, id).0)
    }

    pub fn standing(&self, outcome: usize) -> (State, Cause) {
        shown(&self.engine, self.ids[outcome])
    }

    pub fn epoch(&self, outcome: usize) -> u32 {
        self.engine.book(self.ids[outcome]).unwrap().epoch
    }

    pub fn evidence(&self, outcome: usize, kind: Evidence) -> u64 {
        self.engine.book(self.ids[outcome]).unwrap().evidence.of(kind)
    }

    /// Whether an outcome's book equals the true one.
    pub fn is_true(&self, outcome: usize) -> bool {
        levels(&self.engine, self.ids[outcome]) == true_levels(&self.market.books[outcome])
    }
}
