//! What each stage costs, in nanoseconds, on a seeded corpus: `cargo bench --bench stages`.
//!
//! Every answer is compared with the truth before it is timed. All stages take turns in each
//! round, so that a machine that slows down slows all of them; the table shows the fastest
//! round and the median one. `STAGES_FRAMES` and `STAGES_ROUNDS` change the size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use bookfeed_core::book::Book;
use bookfeed_core::book::ladder::Ladder;
use bookfeed_core::decode::polymarket_hash::{self, FieldSet, Prefix, Profile, hex_hash};
use bookfeed_core::decode::{self, Source, Tally, Venue};
use bookfeed_core::engine::{Engine, HashCheck};
use bookfeed_core::event::{Frame, Level, Side};
use bookfeed_core::fixed::{parse_price, parse_qty};
use bookfeed_core::instrument::{Instrument, Instruments};
use bookfeed_core::journal::{Packer, ReadOptions, Reader, Record, Sealer};
use bookfeed_core::signals::fees::{Fees, Role, Rounding};
use bookfeed_core::signals::{Assessment, Rule, Subject, View, build};
use bookfeed_core::stream::Streams;
use std::hint::black_box;
use std::time::Instant;
use support::Rng;
use support::records::{drain, levels, true_levels};
use support::venue::{MS, Market, T0, Truth, policy, price_text};

const MARKETS: usize = 100;

/// Frames of many markets, and the markets as they are afterwards.
struct Corpus {
    begin: Vec<Market>,
    end: Vec<Market>,
    snapshots: Vec<String>,
    frames: Vec<String>,
}

impl Corpus {
    /// 2 % `book`, 90 % `price_change` with two mirrored entries, 5 % trades, 3 % touches.
    fn new(frames: usize) -> Self {
        let mut rng = Rng(20_260_101);
        let begin: Vec<_> = (0..MARKETS).map(|n| Market::new(n, 40)).collect();
        let mut end = begin.clone();
        let snapshots = begin.iter().map(Market::books_frame).collect();
        let frame = |_| {
            let market = &mut end[rng.below(MARKETS)];
            market.ms += 1;
            match rng.below(100) {
                0..=1 => market.book(rng.below(2)),
                2..=6 => market.trade(rng.below(2), "0.5", "12.5", "BUY"),
                7..=9 => market.touch(rng.below(2)),
                _ => market.random_change(&mut rng),
            }
        };
        let frames = (0..frames).map(frame).collect();
        Self { begin, end, snapshots, frames }
    }

    fn mean_len(&self) -> usize {
        self.frames.iter().map(String::len).sum::<usize>() / self.frames.len()
    }

    fn engine(&self, hash_check: HashCheck, rules: bool) -> Engine {
        let mut engine = Engine::new(policy(hash_check));
        for market in &self.begin {
            market.subscribe(&mut engine, 0, T0);
        }
        if rules {
            for (rule, key, value) in [("spread", "open", "0.5"), ("complement", "min_edge", "0.001")] {
                engine.add_rule(rule, &[(key.to_owned(), value.to_owned())].into()).unwrap();
            }
        }
        for frame in &self.snapshots {
            engine.ingest(0, frame.as_bytes(), T0);
        }
        drain(&mut engine);
        engine
    }

    /// Ten thousand frames a second, which is what sampled hash checks are paced by.
    fn play(&self, engine: &mut Engine) {
        let mut ts = T0;
        for (i, frame) in self.frames.iter().enumerate() {
            ts += MS / 10;
            engine.ingest(0, frame.as_bytes(), ts);
            if i % 16 == 15 {
                engine.output().clear();
            }
        }
        engine.output().clear();
    }

    fn check(&self, engine: &Engine) {
        for (n, market) in self.end.iter().enumerate() {
            for (outcome, truth) in market.books.iter().enumerate() {
                let id = u32::try_from(2 * n + outcome).unwrap();
                assert!(engine.book(id).unwrap().believable());
                assert_eq!(levels(engine, id), true_levels(truth), "market {n}");
            }
        }
        assert_eq!((engine.counters().decode_errors, engine.counters().malformed), (0, 0));
    }
}

/// A stage: what it is, the target if there is one, and how to time a round, in nanoseconds
/// for each unit of work.
struct Stage<'a> {
    name: String,
    target: Option<f64>,
    round: Box<dyn FnMut() -> f64 + 'a>,
    times: Vec<f64>,
}

fn stage<'a>(name: &str, target: Option<f64>, round: impl FnMut() -> f64 + 'a) -> Stage<'a> {
    Stage { name: name.into(), target, round: Box::new(round), times: Vec::new() }
}

fn timed(units: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(units).unwrap())
}

fn ladder(side: Side, truth: &support::venue::Side) -> Ladder {
    let mut ladder = Ladder::new(side);
    for (&price, size) in truth {
        let (price, qty) = (parse_price(price_text(price).as_bytes()), parse_qty(size.as_bytes()));
        let (price, qty) = (price.unwrap(), qty.unwrap());
        ladder.set(Level { price: price.value, qty: qty.value, forms: (price.form, qty.form) });
    }
    ladder
}

fn decode_only(corpus: &Corpus) -> Stage<'_> {
    let engine = corpus.engine(HashCheck::Off, false);
    let (mut frame, mut tally) = (Frame::default(), Tally::default());
    let mut all = move || {
        let mut changes = 0;
        for bytes in &corpus.frames {
            let (all, payload) = (engine.instruments(), bytes.as_bytes());
            decode::decode(
                Venue::Polymarket,
                decode::Dialect::default(),
                Source::Stream,
                payload,
                all,
                &mut frame,
                &mut tally,
            )
            .unwrap();
            changes += frame.changes.len();
        }
        black_box(changes)
    };
    assert!(all() > corpus.frames.len());
    stage("decode a frame", None, move || {
        timed(corpus.frames.len(), || {
            all();
        })
    })
}

fn ingest(corpus: &Corpus, name: &str, hash_check: HashCheck, target: Option<f64>) -> Stage<'static> {
    // The corpus lives as long as the program.
    let corpus: &'static Corpus = Box::leak(Box::new(Corpus {
        begin: corpus.begin.clone(),
        end: corpus.end.clone(),
        snapshots: corpus.snapshots.clone(),
        frames: corpus.frames.clone(),
    }));
    let mut engine = corpus.engine(hash_check, true);
    corpus.play(&mut engine);
    corpus.check(&engine);
    stage(name, target, move || {
        let mut engine = corpus.engine(hash_check, true);
        timed(corpus.frames.len(), || corpus.play(&mut engine))
    })
}

fn whole_books(depth: u32, target: Option<f64>) -> Stage<'static> {
    let mut market = Market::new(0, depth);
    let mut engine = Engine::new(policy(HashCheck::Off));
    market.subscribe(&mut engine, 0, T0);
    let frames: Vec<_> = (0..2_000)
        .map(|i| {
            market.ms += 1;
            market.set(0, true, 399 - i % depth, &format!("{}.5", 1 + i));
            market.book(0)
        })
        .collect();
    let mut play = move || {
        for frame in &frames {
            engine.ingest(0, frame.as_bytes(), T0);
            engine.output().clear();
        }
        levels(&engine, 0)
    };
    assert_eq!(play(), true_levels(&market.books[0]));
    // Later rounds tell older books; the venue's clock is put on so that they are news again.
    let mut base = market.ms;
    let name = format!("book of {depth} levels a side, decoded and applied");
    stage(&name, target, move || {
        let mut engine = Engine::new(policy(HashCheck::Off));
        market.subscribe(&mut engine, 0, T0);
        let frames: Vec<_> = (0..2_000)
            .map(|i| {
                base += 1;
                market.ms = base;
                market.set(0, true, 399 - i % depth, &format!("{}.5", 1 + i));
                market.book(0)
            })
            .collect();
        timed(frames.len(), || {
            for frame in &frames {
                engine.ingest(0, frame.as_bytes(), T0);
                engine.output().clear();
            }
        })
    })
}

fn update_in_place() -> Stage<'static> {
    let market = Market::new(0, 64);
    let mut bids = ladder(Side::Bid, &market.books[0].bids);
    let mut rng = Rng(7);
    let updates: Vec<_> = (0..100_000)
        .map(|i| {
            // Near the touch mostly, as in the captures.
            let deep = if rng.once_in(4) { rng.below(64) } else { rng.below(6) };
            let price = 399 - i64::try_from(deep).unwrap();
            Level::new(price * 1_000_000, 1 + i64::from(i))
        })
        .collect();
    let before = bids.len();
    for &update in &updates {
        bids.set(update);
    }
    assert_eq!(bids.len(), before);
    stage("update of an existing level", Some(35.0), move || {
        timed(updates.len(), || {
            for &update in &updates {
                black_box(bids.set(black_box(update)));
            }
        })
    })
}

fn hash_check(depth: u32) -> Stage<'static> {
    let market = Market::new(0, depth);
    let truth: Truth = market.books[0].clone();
    let (bids, asks) = (ladder(Side::Bid, &truth.bids), ladder(Side::Ask, &truth.asks));
    let claimed = hex_hash(market.hash(0).as_bytes()).unwrap();
    let told = &market.profile;
    let profile = Profile {
        fields: FieldSet::Ten,
        min_order_size: told.min_order_size.as_str().into(),
        tick_size: told.tick_size.as_str().into(),
        neg_risk: told.neg_risk,
    };
    let mut text = Vec::new();
    let mut check = move || {
        let book = polymarket_hash::Book {
            market: market.market.as_bytes(),
            asset: market.assets[0].as_bytes(),
            ts_event: i64::try_from(market.ms).unwrap() * MS,
            bids: &bids,
            asks: &asks,
        };
        Prefix::new(&book, claimed, &mut text).matches(&profile, truth.last_trade_price.as_bytes())
    };
    assert!(check());
    stage(&format!("hash of a book of {depth} levels a side"), None, move || {
        timed(1_000, || (0..1_000).for_each(|_| assert!(check())))
    })
}

fn complement_walk(depth: i64, venue: &str, fees: Fees) -> Stage<'static> {
    let mut instruments = Instruments::default();
    for symbol in ["yes", "no"] {
        let (market, fees) = (Some("m".into()), Some(fees));
        instruments.add(Instrument { market, fees, ..Instrument::new(Venue::Polymarket, symbol, 0) });
    }
    let book = || {
        let mut book = Book::default();
        for i in 0..depth {
            book.set(Side::Ask, Level::new(300_000_000 + i * 1_000_000, 10_000_000_000));
        }
        book.set(Side::Bid, Level::new(1_000_000, 100));
        book.touch = book.current_touch();
        book.verified_version = book.version;
        book
    };
    let books = [book(), book()];
    let rule: Box<dyn Rule> =
        build("complement", &[("min_edge".to_owned(), "0.001".to_owned())].into()).unwrap();
    let subjects: Vec<Subject> = rule.subjects(1, &instruments);
    let all = depth * 10_000_000_000;
    let name = format!("complement walked over {depth} levels, {venue} fees");
    stage(&name, None, move || {
        let (streams, connections) = (Streams::default(), []);
        let view = View {
            books: &books,
            instruments: &instruments,
            streams: &streams,
            connections: &connections,
        };
        let mut legs = Vec::new();
        let Assessment::Found(found) = rule.assess(&subjects[0], &view, &mut legs) else {
            panic!("nothing found")
        };
        assert_eq!(found.qty, all);
        timed(2_000, || {
            for _ in 0..2_000 {
                black_box(rule.assess(black_box(&subjects[0]), &view, &mut legs));
            }
        })
    })
}

/// A thousand levels of shares in millionths at Polymarket or hundredths at Kalshi: one more
/// share at each, and orders that sweep fifty.
fn fees(name: &str, fees: Fees, unit: i64) -> [Stage<'static>; 2] {
    let mut rng = Rng(5);
    let mut below = |n| i64::try_from(rng.below(n)).unwrap();
    let levels: Vec<Level> = (0..1_000)
        .map(|_| Level::new((1 + below(9_999)) * 100_000, (1 + below(1_000_000)) * unit))
        .collect();
    let orders: Vec<Vec<Level>> = levels.chunks(50).map(<[Level]>::to_vec).collect();
    let total = move || {
        orders.iter().fold(0, |sum, levels| {
            let mut order = black_box(fees).order(Role::Taker, false);
            let fills = levels.iter().map(|l| order.fill(l.qty, l.price).unwrap()).sum::<i64>();
            assert_eq!(order.total(), Some(fills));
            sum + fills
        })
    };
    let models =
        levels.iter().map(|l| i128::from(l.price * (1_000_000_000 - l.price)) * i128::from(l.qty));
    // All rules here are seven percent, and no rounding costs more than a cent a fill.
    let model = i64::try_from(models.sum::<i128>() * 7 / 10i128.pow(19)).unwrap();
    assert!((total() - model).abs() <= 1_000 * 10_000_000);
    let marginal = move || {
        for level in &levels {
            black_box(black_box(fees).marginal(Role::Taker, level.price));
        }
    };
    [
        stage(&format!("fee of one more share, {name}"), None, move || {
            timed(100_000, || (0..100).for_each(|_| marginal()))
        }),
        stage(&format!("fee of a fill, {name}"), None, move || {
            timed(100_000, || {
                (0..100).for_each(|_| {
                    black_box(total());
                })
            })
        }),
    ]
}

fn all_fees() -> Vec<Stage<'static>> {
    let polymarket = fees("Polymarket", Fees::polymarket("0.07", 1).unwrap(), 100);
    let kalshi = |rounding: Rounding| {
        let listed = Fees::kalshi("quadratic", "1", rounding).unwrap();
        fees(&format!("Kalshi {}", rounding.name()), listed, 1_000_000)
    };
    polymarket.into_iter().chain(Rounding::ALL.iter().copied().flat_map(kalshi)).collect()
}

fn journal(corpus: &Corpus) -> [Stage<'static>; 2] {
    let frames: &'static [String] = Box::leak(corpus.frames.clone().into_boxed_slice());
    let write = || {
        let (mut packer, mut sealer) = (Packer::default(), Sealer::new(1));
        let mut bytes = sealer.header(b"{}").unwrap();
        for (payload, ts) in frames.iter().zip(0..) {
            let record = Record { kind: 1, ts, conn: 0, epoch: 1, payload: payload.as_bytes() };
            packer.append(&record).unwrap();
            while let Some(raw) = packer.take(false) {
                bytes.extend_from_slice(&sealer.seal(&raw).unwrap());
            }
        }
        while let Some(raw) = packer.take(true) {
            bytes.extend_from_slice(&sealer.seal(&raw).unwrap());
        }
        bytes
    };
    let bytes = write();
    let read = move || {
        let mut reader = Reader::new(&bytes[..], ReadOptions::default()).unwrap();
        let mut count = 0;
        while let Some(record) = reader.next_record() {
            count += usize::from(record.payload.len() == frames[count].len());
        }
        count
    };
    assert_eq!(read(), frames.len());
    let encode = move || timed(frames.len(), || drop(black_box(write())));
    let decode = move || {
        timed(frames.len(), || {
            black_box(read());
        })
    };
    [stage("journal: a frame written", None, encode), stage("journal: a frame read", None, decode)]
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    // `cargo test --benches` runs this too: a few frames then, to check the answers.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let frames = setting("STAGES_FRAMES", if quick { 400 } else { 40_000 });
    let rounds = setting("STAGES_ROUNDS", if quick { 1 } else { 9 });
    let corpus = Corpus::new(frames);
    println!("{frames} frames of {} bytes, {} assets, {rounds} rounds", corpus.mean_len(), 2 * MARKETS);
    let mut stages = vec![
        decode_only(&corpus),
        ingest(&corpus, "ingest, rules on, hashes off", HashCheck::Off, Some(352.0)),
        ingest(&corpus, "ingest, rules on, hashes sampled", HashCheck::Sampled, None),
        ingest(&corpus, "ingest, rules on, every hash", HashCheck::Always, None),
        whole_books(1, None),
        whole_books(16, None),
        whole_books(64, Some(3_000.0)),
        update_in_place(),
        hash_check(97),
        complement_walk(50, "Polymarket", Fees::polymarket("0.07", 1).unwrap()),
        complement_walk(50, "Kalshi", Fees::kalshi("quadratic", "1", Rounding::NonDirect).unwrap()),
    ];
    stages.extend(all_fees());
    stages.extend(journal(&corpus));
    for _ in 0..rounds {
        for stage in &mut stages {
            let time = (stage.round)();
            stage.times.push(time);
        }
    }
    println!("{:<48} {:>10} {:>10} {:>9}", "ns for each", "min", "median", "target");
    for stage in &mut stages {
        stage.times.sort_by(f64::total_cmp);
        let (min, median) = (stage.times[0], stage.times[stage.times.len() / 2]);
        let target = stage.target.map_or(String::new(), |t| format!("{t:.0}"));
        let verdict = stage.target.map_or("", |t| if median <= t { "pass" } else { "miss" });
        println!("{:<48} {min:>10.1} {median:>10.1} {target:>9} {verdict}", stage.name);
    }
}
