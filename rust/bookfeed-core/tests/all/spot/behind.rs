//! Delay that grows: of one book alone, whose messages wait where those of its siblings do not, or of
//! all of a connection. Neither costs a book its state; the book, or the connection, is suspect.

use super::desk::small;
use crate::support::spot::Venue;
use crate::support::venue::{MS, T0};
use bookfeed_core::book::integrity::State;
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::instrument;
use bookfeed_core::sequence::rhythm::Freshness;
use proptest::prelude::*;

const SYMBOLS: [&str; 3] = ["btcusd", "ethusd", "solusd"];
/// How long delays are as ever, in ms.
const CALM: i64 = 8_000;
/// How long after that growth is looked for.
const WATCHED: i64 = 30_000;

/// Messages of three books on one connection, every `gap` ms each, as they come.
struct World {
    engine: Engine,
    venues: [Venue; 3],
    /// By book, when its next message is sent, and when its last one came, in ms since the beginning.
    next: [i64; 3],
    came: [i64; 3],
    gap: i64,
}

impl World {
    fn new(gap: i64) -> Self {
        let mut engine = Engine::new(Config { max_delay: 0, ..Config::default() });
        engine.connected(0, instrument::Venue::GEMINI, "", T0).unwrap();
        let venues = SYMBOLS.map(|symbol| small(symbol, 10));
        for venue in &venues {
            let listing = Listing::default();
            engine.subscribe(instrument::Venue::GEMINI, &venue.symbol, 0, &listing, T0).unwrap();
        }
        let mut world = Self { engine, venues, next: [0, 3, 7], came: [0; 3], gap };
        for id in 0..3 {
            let whole = world.venues[id].sides.clone();
            let frame = world.venues[id].gemini_depth(world.venues[id].id, &whole);
            world.engine.ingest(0, frame.as_bytes(), T0 + MS);
        }
        world
    }

    /// One message more, of the book whose message comes first, `late(book, sent)` ms after it was
    /// sent; time passes until then. When it comes.
    fn step(&mut self, late: &mut impl FnMut(usize, i64) -> i64, passed: &mut i64) -> i64 {
        let comes = |world: &Self, id: usize, late: i64| (world.next[id] + late).max(world.came[id]);
        let lates = [0, 1, 2].map(|id| late(id, self.next[id]));
        let id = (0..3).min_by_key(|&id| comes(self, id, lates[id])).unwrap();
        let (sent, at) = (self.next[id], comes(self, id, lates[id]));
        while *passed + 100 <= at {
            *passed += 100;
            self.engine.advance(T0 + *passed * MS);
        }
        let venue = &mut self.venues[id];
        venue.id += 1;
        venue.ms = u64::try_from(T0 / MS + sent).unwrap();
        let mut levels = venue.sides.clone();
        levels[0].retain(|price, _| *price == 9_999);
        levels[1].clear();
        levels[0].insert(9_999, format!("{}.5", 1 + sent % 9));
        let frame = venue.gemini_depth(venue.id, &levels);
        self.engine.ingest(0, frame.as_bytes(), T0 + at * MS);
        (self.next[id], self.came[id]) = (sent + self.gap, at);
        at
    }

    fn behind(&self) -> [bool; 3] {
        [0, 1, 2].map(|id| self.engine.falls_behind(id))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// One that falls behind by a tenth of the time or more is found within 20 s, and no other.
    #[test]
    fn a_book_that_falls_behind_is_found_and_no_other(
        who in 0..3_usize, base in 0..400_i64, percent in 10..90_i64, gap in 20..300_i64,
        jitter in prop::collection::vec(0..30_i64, 64),
    ) {
        let (mut world, mut passed, mut n, mut found) = (World::new(gap), 0, 0, None);
        let mut late = |id: usize, sent: i64| {
            n = (n + 1) % 64;
            let lag = if id == who { (sent - CALM).max(0) * percent / 100 } else { 0 };
            base + jitter[n] + lag
        };
        while passed < CALM + WATCHED {
            let at = world.step(&mut late, &mut passed);
            let behind = world.behind();
            prop_assert!(!world.engine.delay_grows(0), "the connection is as prompt as ever");
            for (id, is_behind) in behind.into_iter().enumerate() {
                prop_assert!(!is_behind || id == who, "{id} and not {who} at {at}");
                prop_assert_eq!(world.engine.book(u32::try_from(id).unwrap()).unwrap().state, State::Live);
            }
            if behind[who] && found.is_none() {
                found = Some(at);
                let id = u32::try_from(who).unwrap();
                prop_assert_eq!(world.engine.freshness(id), Freshness::Suspect);
            }
        }
        prop_assert!(found.is_some_and(|at| (CALM..CALM + 20_000).contains(&at)), "{found:?}");
    }

    /// Where nothing grows, nobody is found: jitter, clocks that run apart, a burst that is worked off.
    #[test]
    fn what_does_not_grow_is_not_found(
        who in 0..3_usize, base in 0..400_i64, step in 0..4_000_i64, apart in -500..500_i64,
        gap in 20..300_i64, jitter in prop::collection::vec(0..30_i64, 64),
    ) {
        let (mut world, mut passed, mut n) = (World::new(gap), 0, 0);
        let mut late = |id: usize, sent: i64| {
            n = (n + 1) % 64;
            let burst = (step - (sent - CALM)).clamp(0, step);
            let burst = if id == who && sent > CALM { burst } else { 0 };
            base + jitter[n] + sent * apart / 1_000_000 + burst
        };
        while passed < CALM + WATCHED {
            world.step(&mut late, &mut passed);
            prop_assert_eq!(world.behind(), [false; 3]);
        }
    }

    /// Where all wait in one queue, the connection is found, and it is said of none of its books.
    #[test]
    fn a_connection_that_falls_behind_says_so_for_its_books(
        base in 0..400_i64, percent in 10..90_i64, gap in 20..300_i64,
    ) {
        let (mut world, mut passed, mut found) = (World::new(gap), 0, false);
        let mut late = |_, sent: i64| base + (sent - CALM).max(0) * percent / 100;
        while passed < CALM + WATCHED {
            world.step(&mut late, &mut passed);
            if world.engine.delay_grows(0) {
                found = true;
                prop_assert_eq!(world.behind(), [false; 3]);
                prop_assert_eq!(world.engine.connection_freshness(0), Freshness::Suspect);
            }
        }
        prop_assert!(found);
    }
}
