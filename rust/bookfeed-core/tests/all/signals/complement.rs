//! The complement rule against a search over all sizes, and what it refuses.

use super::desk::params;
use crate::support::Rng;
use crate::support::records::Signal;
use crate::support::venue::{Market, T0, policy};
use bookfeed_core::book::Book;
use bookfeed_core::engine::{Engine, HashCheck, Listing};
use bookfeed_core::event::{Level, Side as LevelSide};
use bookfeed_core::fees::{Fees, Role, Rounding};
use bookfeed_core::fixed::format_decimal;
use bookfeed_core::instrument::Venue;
use bookfeed_core::instrument::{Instrument, Instruments};
use bookfeed_core::sequence::stream::Streams;
use bookfeed_core::signals::kept::Walked;
use bookfeed_core::signals::{Assessment, Phase, Refusal, View, build};

const ONE: i64 = 1_000_000_000;
const SHARE: i64 = 100_000_000;
/// In shares; the market of the tests states the same.
const SMALLEST_ORDER: i64 = 5;

/// Prices in thousandths with whole shares, the best first.
type Side = Vec<(u32, i64)>;

/// Two books whose touches do not mirror each other, but which the venue's hashes vouch for.
fn market(first: [&Side; 2], second: [&Side; 2]) -> Market {
    let mut market = Market::new(1, 0);
    for (book, [bids, asks]) in market.books.iter_mut().zip([first, second]) {
        book.bids = bids.iter().map(|&(p, q)| (p, q.to_string())).collect();
        book.asks = asks.iter().map(|&(p, q)| (p, q.to_string())).collect();
    }
    market
}

fn engine(market: &Market, fees: Option<(&str, u32)>, rule: &[(&str, &str)]) -> Engine {
    let mut engine = Engine::new(policy(HashCheck::Always));
    let fee = fees.map(|(rate, exponent)| format!("polymarket:{rate};{exponent}"));
    for asset in &market.assets {
        let listing = Listing {
            market: Some(&market.market),
            min_order_size: Some(&SMALLEST_ORDER.to_string()),
            hints: Some("neg_risk=false"),
            fee: fee.as_deref(),
            ..Listing::default()
        };
        engine.subscribe(Venue::POLYMARKET, asset, 0, &listing, T0).unwrap();
    }
    engine.add_rule("complement", &params(rule)).unwrap();
    engine
}

fn signals(engine: &mut Engine, market: &Market) -> Vec<Signal> {
    engine.ingest(0, market.books_frame().as_bytes(), T0 + 1);
    crate::support::records::drain(engine).1
}

/// The largest size whose last share still earns the edge, by trying every share.
fn brute(buy: bool, a: &Side, b: &Side, fees: Fees, min_edge: i64) -> (i64, i64, i64) {
    let flat = |side: &Side| -> Vec<i64> {
        side.iter()
            .flat_map(|&(p, q)| vec![i64::from(p) * 1_000_000; usize::try_from(q).unwrap()])
            .collect()
    };
    let (a, b) = (flat(a), flat(b));
    let mut taken = 0;
    for (&pa, &pb) in a.iter().zip(&b) {
        let gross = if buy { ONE - pa - pb } else { pa + pb - ONE };
        let fee = fees.marginal(Role::Taker, pa).unwrap() + fees.marginal(Role::Taker, pb).unwrap();
        if gross - fee < min_edge {
            break;
        }
        taken += 1;
    }
    let count = |prices: &[i64]| {
        let mut fee = 0;
        let mut paid = 0;
        let mut levels: Vec<(i64, i64)> = Vec::new();
        for &p in prices {
            paid += p;
            match levels.last_mut() {
                Some((last, n)) if *last == p => *n += 1,
                _ => levels.push((p, 1)),
            }
        }
        let mut order = fees.order(Role::Taker, !buy);
        for (p, n) in levels {
            fee += order.fill(n * SHARE, p).unwrap();
        }
        (paid, fee)
    };
    let ((paid_a, fee_a), (paid_b, fee_b)) = (count(&a[..taken]), count(&b[..taken]));
    (i64::try_from(taken).unwrap(), paid_a + paid_b, fee_a + fee_b)
}

fn random_side(rng: &mut Rng, best: u32, worse: i32) -> Side {
    let mut price = i32::try_from(best).unwrap();
    let mut side = Side::new();
    for _ in 0..1 + rng.below(6) {
        side.push((u32::try_from(price).unwrap(), i64::try_from(1 + rng.below(12)).unwrap()));
        price += worse * i32::try_from(1 + rng.below(6)).unwrap();
    }
    side
}

#[test]
fn sizes_fees_and_edges_equal_a_search_over_every_share() {
    let schedules = [("0", 1), ("0.07", 1), ("0.04", 1), ("0.25", 2), ("0.0175", 1)];
    let mut found = [0; 2];
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let buy = rng.once_in(2);
        let (rate, exponent) = *rng.pick(&schedules);
        let fees = Fees::polymarket(rate, exponent).unwrap();
        let a = 300 + u32::try_from(rng.below(200)).unwrap();
        let edge = u32::try_from(rng.below(80)).unwrap();
        let min_edge = i64::try_from(1 + rng.below(20)).unwrap() * 1_000_000;
        // The other side of each book is out of the way.
        let (market, side_a, side_b) = if buy {
            let (sa, sb) = (random_side(&mut rng, a, 1), random_side(&mut rng, 1_000 - a - edge, 1));
            (market([&vec![(1, 9)], &sa], [&vec![(2, 9)], &sb]), sa, sb)
        } else {
            let (sa, sb) = (random_side(&mut rng, a, -1), random_side(&mut rng, 1_000 - a + edge, -1));
            (market([&sa, &vec![(999, 9)]], [&sb, &vec![(998, 9)]]), sa, sb)
        };
        let min_edge_text = format_decimal(min_edge, 9);
        let mut engine = engine(&market, Some((rate, exponent)), &[("min_edge", &min_edge_text)]);
        let signals = signals(&mut engine, &market);
        let (qty, paid, fee) = brute(buy, &side_a, &side_b, fees, min_edge);
        let gross = if buy { qty * ONE - paid } else { paid - qty * ONE };
        let net_edge = if qty > 0 { (gross - fee).div_euclid(qty) } else { 0 };
        if qty < SMALLEST_ORDER || net_edge < min_edge {
            assert_eq!(signals, [], "seed {seed}");
            continue;
        }
        found[usize::from(buy)] += 1;
        let [signal] = &signals[..] else { panic!("seed {seed}: {signals:?}") };
        assert_eq!(
            (signal.phase, signal.direction),
            (Phase::Open, if buy { 1 } else { 2 }),
            "seed {seed}"
        );
        assert_eq!((signal.qty, signal.fee), (qty * SHARE, fee), "seed {seed}");
        assert_eq!(signal.gross_edge, gross / qty, "seed {seed}");
        assert!((signal.net_edge - net_edge).abs() <= 1, "seed {seed}");
        let touch = i64::from(edge) * 1_000_000;
        assert_eq!(signal.value, touch, "seed {seed}");
        let capital = if buy { paid } else { qty * ONE };
        assert_eq!(signal.capital, capital + fee, "seed {seed}");
        let legs: Vec<_> = signal.legs.iter().map(|l| (l.instrument, l.sell, l.qty)).collect();
        assert_eq!(legs, [(0, !buy, qty * SHARE), (1, !buy, qty * SHARE)], "seed {seed}");
        assert_eq!(signal.legs[0].fee + signal.legs[1].fee, fee);
    }
    assert!(found[0] > 60 && found[1] > 60, "{found:?}");
}

fn refusal(engine: &Engine, reason: Refusal) -> u64 {
    engine.refusals()[reason as usize]
}

fn cheap() -> Market {
    market([&vec![(100, 9)], &vec![(400, 10)]], [&vec![(200, 9)], &vec![(550, 8)]])
}

#[test]
fn unknown_fees_are_never_zero() {
    let market = cheap();
    let mut engine = engine(&market, None, &[]);
    assert_eq!(signals(&mut engine, &market), []);
    assert_eq!(refusal(&engine, Refusal::FeeUnknown), 1);
}

#[test]
fn fees_of_a_type_nobody_knows_are_never_zero() {
    let books = [(); 2].map(|()| {
        let mut book = Book::default();
        book.set(LevelSide::Ask, Level::new(400_000_000, SHARE));
        book.set(LevelSide::Bid, Level::new(1_000_000, SHARE));
        book.touch = book.current_touch();
        book.verified_version = book.version;
        book
    });
    let assessed = |fees| {
        let mut instruments = Instruments::default();
        for symbol in ["yes", "no"] {
            let market = Some("m".into());
            instruments.add(Instrument {
                market,
                fees,
                ..Instrument::new(Venue::POLYMARKET, symbol, 0)
            });
        }
        let rule = build("complement", &params(&[])).unwrap();
        let subject = rule.subjects(1, &instruments).swap_remove(0);
        let view = View {
            books: &books,
            instruments: &instruments,
            streams: &Streams::default(),
            connections: &[],
            own: &[],
            worths: &[],
        };
        rule.assess(&subject, &view, &mut Walked::default())
    };
    assert_eq!(assessed(Some(Fees::Unsupported)), Assessment::Refused(Refusal::FeeType));
    assert_eq!(assessed(None), Assessment::Refused(Refusal::FeeUnknown));
    // 0.8 for a pair, and twice 0.0168 (rounded up to cents with the price) of fees.
    let fees = Fees::kalshi("quadratic", "1", Rounding::NonDirect);
    let Assessment::Found(found) = assessed(fees) else { panic!("nothing found") };
    assert_eq!((found.fee, found.net_edge), (40_000_000, 160_000_000));
}

#[test]
fn fees_that_eat_the_edge_refuse() {
    let market = cheap();
    let mut engine = engine(&market, Some(("1", 1)), &[]);
    assert_eq!(signals(&mut engine, &market), []);
    assert_eq!(refusal(&engine, Refusal::Fees), 1);
}

#[test]
fn too_small_a_size_refuses() {
    let market = cheap();
    let mut engine = engine(&market, Some(("0", 1)), &[("min_qty", "8.1")]);
    assert_eq!(signals(&mut engine, &market), []);
    assert_eq!(refusal(&engine, Refusal::MinQty), 1);
}

#[test]
fn fees_that_cannot_be_computed_exactly_refuse() {
    let mut market = cheap();
    market.books[0].asks = [(401, "987654321.12345679".to_owned())].into();
    market.books[1].asks = [(551, "987654321.12345679".to_owned())].into();
    let mut engine = engine(&market, Some(("0.123456789", 4)), &[]);
    assert_eq!(signals(&mut engine, &market), []);
    assert_eq!(refusal(&engine, Refusal::Overflow), 1);
}

#[test]
fn torn_books_refuse_unless_hashes_vouch_for_both() {
    let market = cheap();
    let mut wrong = market.clone();
    wrong.books[1].bids.insert(201, "1".into());
    let frame = market.books_frame().replace(&market.hash(1), &wrong.hash(1));
    let mut engine = engine(&market, Some(("0", 1)), &[]);
    engine.ingest(0, frame.as_bytes(), T0 + 1);
    assert_eq!(crate::support::records::drain(&mut engine).1, []);
    assert_eq!(refusal(&engine, Refusal::Torn), 1);
    let mut engine = self::engine(&market, Some(("0", 1)), &[]);
    assert_eq!(signals(&mut engine, &market).len(), 1);
}

#[test]
fn a_crossed_book_refuses_even_if_its_hash_matches() {
    let market = market([&vec![(410, 9)], &vec![(400, 10)]], [&vec![(200, 9)], &vec![(550, 8)]]);
    let mut engine = engine(&market, Some(("0", 1)), &[]);
    assert_eq!(signals(&mut engine, &market), []);
    assert_eq!(refusal(&engine, Refusal::Crossed), 1);
}

#[test]
fn legs_heard_of_far_apart_in_time_refuse() {
    let mut market = cheap();
    let mut engine = engine(&market, Some(("0", 1)), &[("max_skew_ms", "100")]);
    engine.ingest(0, market.book(0).as_bytes(), T0);
    market.ms += 1;
    engine.ingest(0, market.book(1).as_bytes(), T0 + 100_000_001);
    assert_eq!(crate::support::records::drain(&mut engine).1, []);
    assert_eq!(refusal(&engine, Refusal::Skew), 1);
    market.ms += 1;
    engine.ingest(0, market.book(0).as_bytes(), T0 + 200_000_001);
    let signals = crate::support::records::drain(&mut engine).1;
    assert_eq!((signals.len(), signals[0].skew_ns), (1, 100_000_000));
}

/// A message that moves both books is one message: rules are asked when all of it is in.
#[test]
fn books_that_mirror_each_other_are_never_even_refused() {
    for policy in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut engine = Engine::new(super::policy(policy));
        let mut market = Market::new(1, 20);
        market.subscribe(&mut engine, 0, T0);
        engine.add_rule("complement", &params(&[("min_edge", "0.001")])).unwrap();
        engine.ingest(0, market.books_frame().as_bytes(), T0 + 1);
        let mut rng = Rng(3);
        for i in 0..500 {
            let frame = if rng.once_in(10) {
                market.ms += 1;
                market.books_frame()
            } else {
                market.random_change(&mut rng)
            };
            engine.ingest(0, frame.as_bytes(), T0 + 2 + i);
        }
        assert!(engine.output().signals().is_empty());
        assert_eq!(engine.refusals(), [0; Refusal::NAMES.len()], "{policy:?}");
    }
}

/// Both books move at once and the edge stays: the opportunity stays open.
#[test]
fn a_move_of_both_books_does_not_close_and_open_again() {
    let mut market = cheap();
    let mut engine = engine(&market, Some(("0", 1)), &[("min_edge", "0.04")]);
    assert_eq!(signals(&mut engine, &market).len(), 1);
    market.ms += 1;
    market.books[0].asks = [(500, "10".to_owned())].into();
    market.books[1].asks = [(450, "8".to_owned())].into();
    let frame = market.changes(&[
        market.entry(0, false, 400, "0"),
        market.entry(0, false, 500, "10"),
        market.entry(1, false, 550, "0"),
        market.entry(1, false, 450, "8"),
    ]);
    engine.ingest(0, frame.as_bytes(), T0 + 2);
    let signals = crate::support::records::drain(&mut engine).1;
    let lives: Vec<_> = signals.iter().map(Signal::short).collect();
    assert_eq!(lives, ["update"]);
}
