//! Parts by themselves: a level, a hash, fees, the journal.

use crate::clock::{Stage, stage, timed};
use crate::support;
use crate::support::Rng;
use crate::support::venue::{MS, Market, Truth, price_text};
use bookfeed_core::book::proof::book_hash::{FieldSet, Prefix, Profile, hex_hash};
use bookfeed_core::book::proof::printed;
use bookfeed_core::book::side::BookSide;
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fees::{Fees, Role, Rounding};
use bookfeed_core::fixed::{parse_price, parse_qty};
use bookfeed_core::journal::{Packer, ReadOptions, Reader, Record, Sealer};
use sha1::{Digest as _, Sha1};
use std::hint::black_box;

fn ladder(side: Side, truth: &support::venue::Side) -> BookSide {
    let mut ladder = BookSide::new(side);
    for (&price, size) in truth {
        let (price, qty) = (parse_price(price_text(price).as_bytes()), parse_qty(size.as_bytes()));
        let (price, qty) = (price.unwrap(), qty.unwrap());
        ladder.set(Level { price: price.value, qty: qty.value, forms: (price.form, qty.form) });
    }
    ladder
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
    stage("parts: update of an existing level", Some(35.0), move || {
        timed(updates.len(), || {
            for &update in &updates {
                black_box(bids.set(black_box(update)));
            }
        })
    })
}

/// A hash of a book, one of two whose digests are made together, and what SHA-1 alone takes, which no
/// check can be quicker than by itself.
fn hash_checks(depth: u32) -> [Stage<'static>; 3] {
    let market = Market::new(0, depth);
    let truth: Truth = market.books[0].clone();
    let (bids, asks) = (ladder(Side::Bid, &truth.bids), ladder(Side::Ask, &truth.asks));
    let claimed = hex_hash(market.hash(0).as_bytes()).unwrap();
    let printed = &market.profile;
    let profile = Profile {
        fields: FieldSet::Ten,
        min_order_size: printed.min_order_size.as_str().into(),
        tick_size: printed.tick_size.as_str().into(),
        neg_risk: printed.neg_risk,
    };
    let hashed = market.books[0].hashed(&market.market, &market.assets[0], market.ms, &market.profile);
    let mut text = Vec::new();
    let mut check = move |together: bool| {
        let book = printed::Book {
            market: market.market.as_bytes(),
            asset: market.assets[0].as_bytes(),
            ts_event: i64::try_from(market.ms).unwrap() * MS,
            bids: &bids,
            asks: &asks,
        };
        let matches = |prefix: Prefix| prefix.matches(&profile, truth.last_trade_price.as_bytes());
        if together {
            Prefix::of_both([&book, &book], [claimed, claimed], &mut text).into_iter().all(matches)
        } else {
            matches(Prefix::new(&book, claimed, &mut text))
        }
    };
    assert!(check(false) && check(true));
    let mut alone = check.clone();
    let name = format!("parts: hash of a book of {depth} levels a side");
    [
        stage(&name, None, move || timed(1_000, || (0..1_000).for_each(|_| assert!(alone(false))))),
        stage(&format!("{name}, SHA-1 of its text alone"), None, move || {
            timed(1_000, || {
                (0..1_000).for_each(|_| {
                    black_box(Sha1::digest(black_box(&hashed)));
                });
            })
        }),
        stage(&format!("{name}, digested with another"), Some(3_400.0), move || {
            timed(1_000, || (0..500).for_each(|_| assert!(check(true))))
        }),
    ]
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
        stage(&format!("parts: fee of one more share, {name}"), None, move || {
            timed(100_000, || (0..100).for_each(|_| marginal()))
        }),
        stage(&format!("parts: fee of a fill, {name}"), None, move || {
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

fn journal(frames: &[String]) -> [Stage<'static>; 2] {
    let frames: &'static [String] = Box::leak(frames.to_vec().into_boxed_slice());
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
    [
        stage("parts: journal, a frame written", None, encode),
        stage("parts: journal, a frame read", None, decode),
    ]
}

/// All stages of this file.
pub fn stages(frames: &[String]) -> Vec<Stage<'static>> {
    let mut all = vec![update_in_place()];
    all.extend(hash_checks(97));
    all.extend(all_fees());
    all.extend(journal(frames));
    all
}
