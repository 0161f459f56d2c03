//! Level changes, of streams with faults of every kind: whoever applies them to a copy has the
//! book after every call, whatever its state, and nothing else changes because somebody looks.

use crate::support::Rng;
use crate::support::kalshi::{BOOKS, Floor, Kalshi};
use crate::support::level_copies::LevelCopies;
use crate::support::records::field;
use crate::support::scene::Scene;
use crate::support::spot;
use crate::support::venue::{MS, T0, policy};
use bookfeed_core::book::integrity::Cause;
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::instrument::Venue;
use bookfeed_core::update::{LEVEL_FIELDS, LEVEL_SIZE};
use std::collections::BTreeSet;

/// Two engines that are given the same, one of them watched, and copies of its books.
struct Pair {
    watched: Engine,
    plain: Engine,
    copies: LevelCopies,
    venue: Venue,
    ids: Vec<u32>,
    ts: i64,
    rng: Rng,
    held: Vec<String>,
}

impl Pair {
    fn new(venue: Venue, symbols: &[String], depth: Option<u32>, seed: u64, mode: &str) -> Self {
        let config = Config { digest: true, ..policy(HashCheck::Always) };
        let mut engines = [Engine::new(config), Engine::new(config)];
        let mut ids = Vec::new();
        for engine in &mut engines {
            engine.connected(0, venue, mode, T0).unwrap();
            let listing = Listing { depth, market: Some("m"), ..Listing::default() };
            let subscribe = |symbol: &String| engine.subscribe(venue, symbol, 0, &listing, T0).unwrap();
            ids = symbols.iter().map(subscribe).collect();
        }
        let [mut watched, plain] = engines;
        watched.watch_levels(true);
        let (copies, rng) = (LevelCopies::default(), Rng(seed));
        Self { watched, plain, copies, venue, ids, ts: T0, rng, held: Vec::new() }
    }

    /// The same for both, then a look at the copies.
    fn both(&mut self, call: impl Fn(&mut Engine, i64)) {
        self.ts += MS * i64::try_from(1 + self.rng.below(9)).unwrap();
        call(&mut self.watched, self.ts);
        call(&mut self.plain, self.ts);
        let changes = self.copies.changes;
        self.copies.take(&mut self.watched);
        assert!(self.copies.changes == changes || self.copies.ts == self.ts);
        assert!(self.plain.output().levels().is_empty());
        self.watched.output().clear();
        self.plain.output().clear();
    }

    fn hear(&mut self, frame: &[u8]) {
        self.both(|engine, ts| _ = engine.ingest(0, frame, ts));
    }

    /// A frame comes, or not, or late, or twice, or broken.
    fn hear_with_faults(&mut self, frame: String) {
        match self.rng.below(40) {
            0 => {}
            1 => self.held.push(frame),
            2 => (0..2).for_each(|_| self.hear(frame.as_bytes())),
            3 => self.hear(&frame.as_bytes()[..self.rng.clone().below(frame.len())]),
            4 => {
                let mut bytes = frame.into_bytes();
                let at = self.rng.below(bytes.len());
                bytes[at] = *self.rng.pick(b"0123456789\"}],");
                self.hear(&bytes);
            }
            _ => self.hear(frame.as_bytes()),
        }
        if self.rng.once_in(20)
            && let Some(late) = self.held.pop()
        {
            self.hear(late.as_bytes());
        }
    }

    /// Something that is no frame of the stream. `whole` begins the book anew by REST or stream.
    fn meddle(&mut self, whole: impl Fn(&mut Self, usize)) {
        let (venue, at) = (self.venue, self.rng.below(self.ids.len()));
        let id = self.ids[at];
        match self.rng.below(12) {
            0 => {
                self.both(|engine, ts| engine.disconnected(0, ts));
                self.both(|engine, ts| engine.connected(0, venue, "", ts).unwrap());
            }
            1 => self.both(|engine, ts| engine.invalidate(0, Cause::Transport, ts)),
            2 => self.both(|engine, ts| {
                engine.advance(ts + 700 * MS);
            }),
            3 => {
                let symbol = self.watched.instruments().at(id).unwrap().symbol.to_string();
                let (depth, listing) = (self.watched.book(id).unwrap().rare.depth, Listing::default());
                let depth = u32::try_from(depth).ok().filter(|&depth| depth > 0);
                self.both(|engine, ts| engine.unsubscribe(id, ts).unwrap());
                self.both(|engine, ts| {
                    let listing = Listing { depth, ..listing };
                    engine.subscribe(venue, &symbol, 0, &listing, ts).unwrap();
                });
            }
            4..=7 => {
                self.both(|engine, ts| engine.resync_begin(id, ts).unwrap());
                whole(self, at);
            }
            _ => whole(self, at),
        }
    }

    /// The end of a run: a failure in the engine. Both wrote the same all the time.
    fn end(mut self) -> LevelCopies {
        self.both(|engine, ts| engine.poison(ts));
        assert_eq!(self.watched.output().digest(), self.plain.output().digest());
        self.copies
    }
}

/// What the runs over one venue came to.
#[derive(Default)]
struct Seen {
    changes: u64,
    whole: u64,
    states: BTreeSet<&'static str>,
}

impl Seen {
    fn add(&mut self, copies: LevelCopies) {
        self.changes += copies.changes;
        self.whole += copies.whole;
        self.states.extend(copies.states);
    }

    fn enough(&self, states: &[&str]) {
        let (whole, single) = (self.whole, self.changes - self.whole);
        assert!(whole > 1_000 && single > 2_000, "{whole} of whole books, {single} others");
        assert!(states.iter().all(|state| self.states.contains(state)), "{:?}", self.states);
    }
}

#[test]
fn copies_of_polymarkets_books_are_the_books() {
    let mut seen = Seen::default();
    for seed in 0..12 {
        let mut market = crate::support::venue::Market::new(1, 20);
        let mut pair = Pair::new(Venue::POLYMARKET, &market.assets, None, seed, "");
        let mut rng = Rng(seed + 1_000);
        for step in 0..400 {
            if step == 0 || rng.once_in(40) {
                market.ms += 1;
                pair.hear(market.books_frame().as_bytes());
            }
            pair.hear_with_faults(market.random_change(&mut rng));
            if rng.once_in(15) {
                let later = market.ms + 1;
                market.ms = if rng.once_in(4) { market.ms } else { later };
                let bodies = [market.rest(0), market.rest(1)];
                pair.meddle(|pair, at| {
                    let body = bodies[at].as_bytes();
                    pair.both(|engine, ts| {
                        engine.ingest_rest(0, body, bookfeed_core::instrument::UNKNOWN, None, ts);
                    });
                });
            }
        }
        seen.add(pair.end());
    }
    seen.enough(&["live", "suspect", "stale"]);
}

#[test]
fn copies_of_kalshis_books_are_the_books() {
    let mut seen = Seen::default();
    for seed in 0..12 {
        let mut venue = Kalshi::new(3, false);
        let symbols: Vec<_> = venue.markets.iter().map(|market| market.ticker.clone()).collect();
        let mut pair = Pair::new(Venue::KALSHI, &symbols, None, seed, "");
        pair.hear(Kalshi::subscribed("orderbook_delta", BOOKS).as_bytes());
        let mut rng = Rng(seed + 2_000);
        for step in 0..500 {
            let market = rng.below(3);
            venue.ms += 1;
            if step < 3 || rng.once_in(12) {
                pair.hear(venue.snapshot(step % 3).as_bytes());
                continue;
            }
            let yes = rng.once_in(2);
            let price = 1_000 + 10 * u32::try_from(rng.below(300)).unwrap();
            let truth = &venue.markets[market];
            let there = if yes { &truth.yes } else { &truth.no }.get(&price).copied().unwrap_or(0);
            let take = there > 0 && rng.once_in(2);
            let change = if take { -i64::try_from(there).unwrap() } else { 700 };
            pair.hear_with_faults(venue.delta(market, yes, price, change));
            if rng.once_in(30) {
                let snapshots: Vec<_> = (0..3).map(|n| venue.snapshot(n)).collect();
                pair.meddle(|pair, at| pair.hear(snapshots[at].as_bytes()));
            }
        }
        seen.add(pair.end());
    }
    seen.enough(&["live", "stale"]);
}

#[test]
fn copies_of_binances_books_are_the_books() {
    let mut seen = Seen::default();
    for seed in 0..8 {
        let mut venue = spot::Venue::new("BTCUSDT", seed, 60);
        let symbols = [venue.symbol.clone()];
        let mut pair = Pair::new(Venue::BINANCE, &symbols, None, seed, "");
        let mut rng = Rng(seed + 3_000);
        for step in 0..300 {
            let first = venue.id + 1;
            let changes = venue.change(8);
            pair.hear_with_faults(venue.depth_update(first, &changes));
            if step == 2 || rng.once_in(12) {
                let (body, id) = (venue.rest_book(), pair.ids[0]);
                let answer = |pair: &mut Pair, _: usize| {
                    pair.both(|engine, ts| _ = engine.ingest_rest(0, body.as_bytes(), id, None, ts));
                };
                if step == 2 { answer(&mut pair, 0) } else { pair.meddle(answer) }
            }
        }
        seen.add(pair.end());
    }
    seen.enough(&["live", "syncing", "stale"]);
}

#[test]
fn copies_of_krakens_books_are_the_books() {
    let mut seen = Seen::default();
    for seed in 0..50 {
        let mut venue = spot::Venue::new("BTC/USD", seed, 15);
        let symbols = [venue.symbol.clone()];
        let mut pair = Pair::new(Venue::KRAKEN, &symbols, Some(10), seed, "");
        let mut rng = Rng(seed + 4_000);
        for step in 0..300 {
            if step > 0 {
                let changes = venue.change(4);
                pair.hear_with_faults(venue.kraken_book("update", &changes));
            }
            if step == 0 || rng.once_in(12) {
                let [bids, asks] = venue.sides.clone();
                let levels =
                    [bids.into_iter().rev().take(10).collect(), asks.into_iter().take(10).collect()];
                let frame = venue.kraken_book("snapshot", &levels);
                let whole = |pair: &mut Pair, _: usize| pair.hear(frame.as_bytes());
                if rng.once_in(3) { pair.meddle(whole) } else { whole(&mut pair, 0) }
            }
        }
        seen.add(pair.end());
    }
    seen.enough(&["live", "stale"]);
}

#[test]
fn changes_of_one_message_have_one_number_and_the_best_first() {
    let mut scene = Scene::silent(policy(HashCheck::Off));
    scene.engine.watch_levels(true);
    let frame = scene.market.books_frame();
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    let written = |scene: &mut Scene| {
        let long = |record: &[u8], name| field(&LEVEL_FIELDS, record, name);
        let records = scene.engine.output().levels().chunks_exact(LEVEL_SIZE);
        let read = |r| (long(r, "seq"), long(r, "side"), long(r, "price_e9"), long(r, "new_qty_e8"));
        records.map(read).collect::<Vec<_>>()
    };
    let mut wanted = Vec::new();
    for (seq, &id) in (1..).zip(&scene.ids) {
        let book = scene.engine.book(id).unwrap();
        wanted.extend(book.bids.best_first().map(|(price, qty)| (seq, 0, price, qty)));
        wanted.extend(book.asks.best_first().map(|(price, qty)| (seq, 1, price, qty)));
    }
    assert!(wanted.len() > 40);
    assert_eq!(written(&mut scene), wanted);
    let pending = scene.engine.output().pending();
    assert_eq!(pending, wanted.len() + scene.records().len(), "they count as records that wait");
    // A whole book that says nothing new is no change, and a change is one of both outcomes.
    scene.tick();
    let frame = scene.market.books_frame();
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    assert_eq!(written(&mut scene), []);
    scene.tick();
    let frame = scene.market.change(0, true, 301, "5");
    scene.engine.ingest(0, frame.as_bytes(), scene.ts);
    assert_eq!(written(&mut scene).iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [(3, 0), (4, 1)]);
}

#[test]
fn what_is_there_is_no_change_and_nothing_is_written_unasked() {
    let mut scene = Scene::live(HashCheck::Off);
    scene.engine.watch_levels(true);
    assert!(scene.engine.output().levels().is_empty());
    scene.engine.watch_levels(false);
    let frame = scene.tick().market.change(0, true, 301, "5");
    scene.engine.ingest(0, frame.as_bytes(), scene.ts + MS);
    assert!(scene.engine.output().pending() > 0 && scene.engine.output().levels().is_empty());
}

#[test]
fn giving_a_book_up_takes_every_level_of_it() {
    let mut floor = Floor::live(1);
    floor.engine.watch_levels(true);
    let book = floor.engine.book(floor.ids[0]).unwrap();
    let held = book.bids.len() + book.asks.len();
    floor.engine.unsubscribe(floor.ids[0], floor.ts).unwrap();
    assert!(held > 0);
    assert_eq!(floor.engine.output().levels().len(), held * LEVEL_SIZE);
}
