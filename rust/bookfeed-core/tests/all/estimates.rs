//! Indices that the engine estimates: at which times, from which books, and what is told of them.
//! Each value is held against the index of the books that a twin of the engine, which is fed alike,
//! has at that time; what an index is of books, `index.rs` says.

use crate::support::Rng;
use crate::support::records::field;
use crate::support::spot::{Side, Venue as Truth};
use crate::support::venue::{MS, Market};
use bookfeed_core::book::integrity::Cause;
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::fairvalue::{Doubt, FairValue, Payoff, Tails, Volatility, fair_value};
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::index::{Constituent, Params as Method, SpotIndex, Standing};
use bookfeed_core::instrument::{InstrumentId, Venue};
use bookfeed_core::settlement::{Measure, Rule, Sampling, Tie, VALUE_ONE, Window};
use bookfeed_core::signals::Params;
use bookfeed_core::time::SECOND;
use bookfeed_core::update::{INDEX_FIELDS, INDEX_SIZE};

const TICK: i64 = 200 * MS;
const START: i64 = 1_790_000_000 * SECOND + 70 * MS;
const SYMBOLS: [&str; 2] = ["BTC-USD", "btcusd"];

fn params(more: &[(&str, &str)]) -> Params {
    let usual = [("asset", "BTC"), ("constituents", "coinbase BTC-USD; bitstamp btcusd")];
    usual.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// What a record says, by name of its field.
struct Told(Vec<u8>);

impl Told {
    fn of(&self, name: &str) -> i64 {
        field(&INDEX_FIELDS, &self.0, name)
    }
}

fn told(engine: &mut Engine) -> Vec<Told> {
    let output = engine.output();
    let all = output.indices().chunks_exact(INDEX_SIZE).map(|record| Told(record.to_vec())).collect();
    output.clear();
    all
}

/// Two venues, an engine that follows them with an index, and one that does so without.
struct Stand {
    engine: Engine,
    twin: Engine,
    truths: [Truth; 2],
    number: u64,
    ts: i64,
    /// Whether the second venue says nothing.
    out: bool,
    /// How much more it stands at, in cents.
    apart: i64,
}

fn book(seed: u64, symbol: &str) -> Truth {
    let mut truth = Truth::new(symbol, seed, 0);
    let mut rng = Rng(seed);
    for away in 0..40 {
        let mut size = || format!("{}.{:08}", rng.below(3), 1 + rng.below(99_999_999));
        truth.sides[0].insert(8_400_000 - 90 * away, size());
        truth.sides[1].insert(8_400_100 + 90 * away, size());
    }
    truth
}

impl Stand {
    fn new(seed: u64) -> Self {
        Self::apart(seed, 0)
    }

    fn apart(seed: u64, apart: i64) -> Self {
        let engines = [(); 2].map(|()| {
            // What Coinbase stamps here is all of one second.
            let config = Config { digest: true, max_delay: 0, ..Config::default() };
            let mut engine = Engine::new(config);
            for (conn, venue) in [(0, Venue::COINBASE), (1, Venue::BITSTAMP)] {
                engine.connected(conn, venue, "", START).unwrap();
                let symbol = SYMBOLS[conn as usize];
                engine.subscribe(venue, symbol, conn, &Listing::default(), START).unwrap();
            }
            engine
        });
        let [engine, twin] = engines;
        let mut truths = [book(seed, SYMBOLS[0]), book(seed + 1_000, SYMBOLS[1])];
        for side in &mut truths[1].sides {
            *side = side.iter().map(|(price, size)| (price + apart, size.clone())).collect();
        }
        let mut stand = Self { engine, twin, truths, number: 0, ts: START, out: false, apart };
        let whole = stand.truths[0].coinbase_book("snapshot", 0, &stand.truths[0].sides.clone());
        stand.hear(0, &whole, START + MS);
        stand.put_on_bitstamp();
        stand
    }

    /// Bitstamp's book: changes before it, the book by REST, a change behind it.
    fn put_on_bitstamp(&mut self) {
        let ts = self.ts;
        for step in 1..=3 {
            self.change(1, ts + step * MS);
            if step == 2 {
                let body = self.truths[1].bitstamp_rest();
                for engine in [&mut self.engine, &mut self.twin] {
                    let id = engine.instruments().find(Venue::BITSTAMP, b"btcusd").unwrap();
                    engine.resync_begin(id, ts + step * MS).unwrap();
                    engine.ingest_rest(1, body.as_bytes(), id, None, ts + step * MS);
                }
            }
        }
    }

    fn hear(&mut self, conn: u32, frame: &str, ts: i64) {
        self.ts = ts;
        self.engine.ingest(conn, frame.as_bytes(), ts);
        self.twin.ingest(conn, frame.as_bytes(), ts);
    }

    /// A venue's book changes near its touch, and a frame of `ts` says so.
    fn change(&mut self, venue: usize, ts: i64) {
        let truth = &mut self.truths[venue];
        let mut changes = [Side::new(), Side::new()];
        let at = truth.rng.below(2);
        let away = 90 * i64::try_from(truth.rng.below(6)).unwrap();
        let price = if at == 0 { 8_400_000 - away } else { 8_400_100 + away };
        let price = price + if venue == 1 { self.apart } else { 0 };
        let size = format!("{}.{:08}", truth.rng.below(2), 1 + truth.rng.below(99_999_999));
        truth.sides[at].insert(price, size.clone());
        changes[at].insert(price, size);
        truth.id += 1;
        truth.ms = u64::try_from(ts / MS).unwrap();
        let frame = if venue == 0 {
            self.number += 1;
            self.truths[0].coinbase_book("update", self.number, &changes)
        } else {
            self.truths[1].bitstamp_book("diff_order_book", &changes)
        };
        self.hear(u32::try_from(venue).unwrap(), &frame, ts);
    }

    /// Bitstamp tells its best levels, which say that its book is right.
    fn confirm(&mut self) {
        let whole = self.truths[1].sides.clone();
        let frame = self.truths[1].bitstamp_book("order_book", &whole);
        self.hear(1, &frame, self.ts);
    }

    /// The index of the twin's books at a time.
    fn by_hand(&self, index: &mut SpotIndex, at: i64) -> Option<i64> {
        let books: Vec<_> = [(Venue::COINBASE, SYMBOLS[0]), (Venue::BITSTAMP, SYMBOLS[1])]
            .map(|(venue, symbol)| {
                let id = self.twin.instruments().find(venue, symbol.as_bytes()).unwrap();
                let book = self.twin.book(id).unwrap();
                let retrieved = self.twin.ts_evidence(id);
                let (bids, asks) = (book.bids.levels(), book.asks.levels());
                Constituent { bids, asks, retrieved, believed: book.believable() }
            })
            .into();
        index.tick(at, &books).map(|value| value.value)
    }
}

#[test]
fn a_value_at_every_effective_time_from_what_came_before_it() {
    for seed in 0..8 {
        let mut stand = Stand::new(seed);
        let number = stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
        assert_eq!(number, 0);
        let (mut rng, mut index) = (Rng(seed), SpotIndex::new(Method::BTC));
        let mut next = (stand.ts / TICK + 1) * TICK;
        let mut values = 0;
        for _ in 0..400 {
            let step = [MS, 20 * MS, 199 * MS, 200 * MS, 450 * MS][rng.below(5)];
            // Often just at an effective time: what comes then is not in it.
            let ts = if rng.once_in(4) { next } else { stand.ts + step };
            let mut wanted = Vec::new();
            while next <= ts {
                wanted.push((next, stand.by_hand(&mut index, next)));
                next += TICK;
            }
            if rng.once_in(10) {
                stand.ts = ts;
                stand.engine.advance(ts);
                stand.twin.advance(ts);
            } else {
                stand.change(rng.below(2), ts);
            }
            let got = told(&mut stand.engine);
            let read: Vec<_> = got.iter().map(|told| (told.of("ts_ns"), told.of("value_e9"))).collect();
            let wanted: Vec<_> = wanted.into_iter().map(|(at, v)| (at, v.unwrap_or(ABSENT))).collect();
            assert_eq!(read, wanted, "seed {seed} at {ts}");
            assert!(got.iter().all(|told| told.of("ts_recv_ns") == ts));
            values += wanted.iter().filter(|(_, value)| *value != ABSENT).count();
        }
        assert!(values > 200, "seed {seed}: only {values} values");
        let newest = stand.engine.estimates()[0].newest().unwrap();
        assert_eq!(newest.0 + TICK, next);
        assert_eq!(stand.engine.next_estimate(), Some(next));
    }
}

#[test]
fn a_contract_on_an_index_is_worth_anew_at_every_value() {
    let mut stand = Stand::new(11);
    stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
    stand.engine.add_index("slow", &params(&[("tick_ms", "1000")]), stand.ts).unwrap();
    stand.engine.connected(2, Venue::POLYMARKET, "", stand.ts).unwrap();
    let mut contract = |name: &str, reference: &str| {
        let (listing, end) = (Listing::default(), (START + 900 * SECOND).to_string());
        let id = stand.engine.subscribe(Venue::POLYMARKET, name, 2, &listing, stand.ts).unwrap();
        let all = [("reference", reference), ("end_ts", &end), ("at_least", "84000")];
        let usual = [("half_life_ms", "2000"), ("step_ms", "1000")];
        let all = all.iter().chain(&usual).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        stand.engine.add_terms(id, &all.collect(), stand.ts).unwrap();
        id
    };
    let (up, slow) = (contract("up", "index btc"), contract("slow", "index slow"));
    let rule = Rule { opening: Measure::Tick, closing: Measure::Mean(Sampling::MINUTE), tie: Tie::Yes };
    let mut window = Window::new(START, START + 900 * SECOND, rule).unwrap();
    let mut volatility = Volatility::new(2 * SECOND, SECOND).unwrap();
    let mut worth = 0;
    for step in 0..1_500 {
        stand.change(step % 2, stand.ts + 37 * MS);
        for tick in told(&mut stand.engine).into_iter().filter(|told| told.of("index") == 0) {
            let (at, value) = (tick.of("ts_ns"), i128::from(tick.of("value_e9")) * 1_000_000_000);
            assert_ne!(tick.of("value_e9"), ABSENT);
            let standings = tick.of("standings");
            let of = (0..2).filter(|place| standings >> (2 * place) & 3 == 0);
            window.tick(at, value);
            volatility.tick_of(at, value, of.map(|place| 1 << place).sum());
            let payoff = Payoff::at_least(84_000 * VALUE_ONE);
            let tails = Tails::new(Some(4), 1.0).unwrap();
            let ahead = window.ahead().unwrap();
            let wanted = fair_value(payoff, &ahead, &volatility, tails, Doubt::USUAL, at);
            let got = stand.engine.fair_value(up);
            // What the value was made of it cannot say by itself.
            let wanted = wanted.map(|fair| FairValue { made: got.unwrap().made, ..fair });
            assert_eq!(got, wanted, "at {at}");
            worth += u32::from(got.is_some());
        }
    }
    assert!(worth > 100, "only {worth} values");
    assert_eq!(stand.engine.fair_value(slow).unwrap().at % SECOND, 0);
    assert_eq!(stand.engine.window(up).unwrap().closing, window.closing());
}

/// A contract on the index, by how much that moves in seconds, with a live book of its own.
fn contract(stand: &mut Stand) -> InstrumentId {
    let market = Market::new(1, 4);
    let (listing, end) = (Listing::default(), (stand.ts + 900 * SECOND).to_string());
    stand.engine.connected(2, Venue::POLYMARKET, "", stand.ts).unwrap();
    let asset = &market.assets[0];
    let id = stand.engine.subscribe(Venue::POLYMARKET, asset, 2, &listing, stand.ts).unwrap();
    stand.engine.ingest(2, market.book(0).as_bytes(), stand.ts);
    assert!(stand.engine.book(id).unwrap().believable());
    let all = [
        ("reference", "index btc"),
        ("end_ts", &end),
        ("at_least", "84010"),
        ("half_life_ms", "4000"),
        ("step_ms", "1000"),
        ("move_sigmas", "8"),
    ];
    let all = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
    stand.engine.add_terms(id, &all.into(), stand.ts).unwrap();
    id
}

#[test]
fn a_venue_that_leaves_an_index_or_comes_back_is_no_move_of_it() {
    // Two venues 20 dollars apart whose books hardly change.
    let mut stand = Stand::apart(17, 2_000);
    stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
    let id = contract(&mut stand);
    let play = |stand: &mut Stand, seconds: usize| {
        let mut values = Vec::new();
        for step in 0..seconds * 10 {
            stand.change(if stand.out { 0 } else { step % 2 }, stand.ts + 100 * MS);
            if !stand.out && step % 2 == 1 {
                stand.confirm();
            }
            values.extend(told(&mut stand.engine).iter().map(|one| one.of("value_e9")));
        }
        *values.last().unwrap()
    };
    let before = play(&mut stand, 30);
    let quiet = stand.engine.fair_value(id).unwrap();
    assert_eq!(quiet.made.of, 0b11);
    let moves = stand.engine.answers(id).unwrap().moves;
    for _ in 0..3 {
        for engine in [&mut stand.engine, &mut stand.twin] {
            let gone = engine.instruments().find(Venue::BITSTAMP, b"btcusd").unwrap();
            engine.invalidate(gone, Cause::Transport, stand.ts + 1);
        }
        stand.out = true;
        let alone = play(&mut stand, 3);
        assert!(before - alone > 5_000_000_000, "it stands elsewhere: {before}, {alone}");
        assert_eq!(stand.engine.fair_value(id).unwrap().made.of, 0b01);
        stand.out = false;
        stand.put_on_bitstamp();
        let back = play(&mut stand, 3);
        assert!(back - alone > 5_000_000_000, "and comes back: {alone}, {back}");
    }
    assert_eq!(stand.engine.answers(id).unwrap().moves, moves, "nothing was traded");
    let after = stand.engine.fair_value(id).unwrap();
    assert!(after.sd < 2 * quiet.sd, "{after:?}, {quiet:?}");
}

#[test]
fn a_value_is_as_old_as_the_oldest_book_that_it_was_made_of() {
    let mut stand = Stand::new(23);
    stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
    let id = contract(&mut stand);
    for _ in 0..400 {
        stand.change(0, stand.ts + 30 * MS);
        stand.change(1, stand.ts + 30 * MS);
        stand.confirm();
    }
    let both = stand.engine.fair_value(id).unwrap();
    assert_eq!((both.made.of, both.reference_age), (0b11, 0));
    assert!(both.made.age < 100 * MS, "{both:?}");
    let heard = stand.ts;
    for _ in 0..90 {
        stand.change(0, stand.ts + 100 * MS);
    }
    let quiet = stand.engine.fair_value(id).unwrap();
    assert_eq!((quiet.made.of, quiet.made.age), (0b11, quiet.at - heard), "nobody heard of one");
    assert_eq!(quiet.input_age(quiet.at + SECOND), quiet.at + SECOND - heard);
    // Ten seconds silent, it is in the index no more.
    for _ in 0..20 {
        stand.change(0, stand.ts + 100 * MS);
    }
    let alone = stand.engine.fair_value(id).unwrap();
    assert_eq!(alone.made.of, 0b01);
    assert!(alone.made.age < 200 * MS, "{alone:?}");
}

#[test]
fn books_and_their_records_are_the_same_with_an_index_and_without() {
    let mut stand = Stand::new(3);
    stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
    for step in 0..300 {
        let ts = stand.ts + 7 * MS;
        stand.change(usize::from(step % 3 == 0), ts);
        assert_eq!(stand.engine.output().updates(), stand.twin.output().updates());
    }
    assert!(stand.twin.output().indices().is_empty());
    stand.engine.output().clear();
    stand.twin.output().clear();
    // The digest is of values, too.
    assert_ne!(stand.engine.output().digest(), stand.twin.output().digest());
}

#[test]
fn who_is_out_is_told_and_why() {
    let mut stand = Stand::new(5);
    stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
    let standings = |stand: &mut Stand, ts: i64| {
        stand.ts = ts;
        stand.engine.advance(ts);
        let newest = told(&mut stand.engine).pop().unwrap();
        assert_eq!(newest.of("constituents"), 2);
        let coded = usize::try_from(newest.of("standings")).unwrap();
        let one = |shift: usize| Standing::NAMES[coded >> shift & 3];
        (one(0), one(2), newest.of("included"))
    };
    let ts = stand.ts;
    assert_eq!(standings(&mut stand, ts + TICK), ("included", "included", 2));
    stand.engine.invalidate(0, Cause::Transport, ts + TICK + 1);
    assert_eq!(standings(&mut stand, ts + 2 * TICK), ("erroneous", "included", 1));
    // Nobody is heard of any more: no value, and nothing carried forward.
    assert_eq!(standings(&mut stand, ts + 60 * SECOND), ("delayed", "delayed", 0));
}

#[test]
fn a_long_silence_is_not_told_time_by_time() {
    let mut stand = Stand::new(6);
    stand.engine.add_index("btc", &params(&[]), stand.ts).unwrap();
    let day = stand.ts + 86_400 * SECOND;
    stand.engine.advance(day);
    let got = told(&mut stand.engine);
    assert!((50..=53).contains(&got.len()), "{} records", got.len());
    assert_eq!(got.last().unwrap().of("ts_ns"), day / TICK * TICK);
    assert_eq!(got.last().unwrap().of("value_e9"), ABSENT);
    let one_before = got[got.len() - 2].of("ts_ns");
    assert!(one_before <= stand.ts + 11 * SECOND);
}

#[test]
fn a_constituent_that_is_not_followed_is_delayed_and_may_come_later() {
    let mut stand = Stand::new(7);
    let three = "coinbase BTC-USD; bitstamp btcusd; kraken BTC/USD";
    stand.engine.add_index("btc", &params(&[("constituents", three)]), stand.ts).unwrap();
    stand.engine.advance(stand.ts + TICK);
    let newest = told(&mut stand.engine).pop().unwrap();
    assert_eq!((newest.of("standings"), newest.of("included")), (0b01_00_00, 2));
    let mut kraken = book(9, "BTC/USD");
    let ts = stand.ts + TICK + MS;
    stand.engine.connected(2, Venue::KRAKEN, "", ts).unwrap();
    let listing = Listing { depth: Some(100), ..Listing::default() };
    stand.engine.subscribe(Venue::KRAKEN, "BTC/USD", 2, &listing, ts).unwrap();
    kraken.ms = u64::try_from(ts / MS).unwrap();
    let frame = kraken.kraken_book("snapshot", &kraken.sides.clone());
    stand.engine.ingest(2, frame.as_bytes(), ts + MS);
    stand.engine.advance(ts + TICK);
    let newest = told(&mut stand.engine).pop().unwrap();
    assert_eq!((newest.of("standings"), newest.of("included")), (0, 3));
}

#[test]
fn bad_parameters_say_what_is_allowed() {
    let mut engine = Engine::new(Config::default());
    for (more, complaint) in [
        (("asset", "DOGE"), "index btc: asset must be BTC, ETH, SOL or XRP, not \"DOGE\""),
        (("constituents", "binance BTCUSDT"), "index btc: constituents: binance is never one"),
        (("constituents", "polymarket 123"), "index btc: constituents: polymarket is never one"),
        (("constituents", "kraken BTC/USDT"), "BTC/USDT is not BTC in dollars"),
        (("constituents", "kraken ETH/USD"), "ETH/USD is not BTC in dollars"),
        (("constituents", "kraken"), "index btc: constituents must be a venue and its symbol"),
        (("constituents", "krakem BTC/USD"), "not \"krakem BTC/USD\""),
        (("constituents", " ; "), "index btc: constituents must be 1 to 16 books"),
        (("constituents", "kraken BTC/USD; kraken btcusd"), "kraken is there twice"),
        (("tick_ms", "300"), "index btc: tick_ms must be 50 or more"),
        (("tick_ms", "20"), "index btc: tick_ms must be 50 or more"),
        (("lag_max_ms", "0"), "index btc: lag_max_ms must be above 0 and at most 60000"),
        (("lag_max_ms", "60001"), "index btc: lag_max_ms must be above 0 and at most 60000"),
        (("spacing", "0"), "index btc: spacing must be integral, published, hundredth or a size"),
        (("sample", "at_most 0"), "index btc: sample must be at_least or at_most and a number"),
        (("sample", "fifty"), "index btc: sample must be at_least or at_most and a number"),
        (("order", "venue"), "index btc: order must be one of level, price"),
        (("crossed", "x"), "index btc: crossed must be one of kept, matched"),
        (("median", "x"), "index btc: median must be one of valid, all"),
        (("half_spread_ppm", "4294967296"), "index btc: half_spread_ppm must be below"),
        (("half_spread_ppm", "0.5"), "index btc: half_spread_ppm must be a plain decimal"),
        (("venues", "x"), "index btc: no parameter \"venues\"; there are asset, constituents"),
    ] {
        let error = engine.add_index("btc", &params(&[more]), START).unwrap_err();
        assert!(error.0.contains(complaint), "{more:?}: {error}");
    }
    assert_eq!(engine.next_estimate(), None);
    let none = Params::new();
    assert_eq!(engine.add_index("x", &none, START).unwrap_err().0, "index x: asset is required");
    assert_eq!(engine.add_index("btc", &params(&[]), START), Ok(0));
    let again = engine.add_index("btc", &params(&[]), START).unwrap_err();
    assert!(again.0.contains("already"), "{again}");
    assert!(engine.add_index("", &params(&[]), START).is_err());
    for number in 1..64 {
        assert_eq!(engine.add_index(&format!("i{number}"), &params(&[]), START), Ok(number));
    }
    assert!(engine.add_index("more", &params(&[]), START).is_err());
}
