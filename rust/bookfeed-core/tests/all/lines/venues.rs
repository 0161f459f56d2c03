//! One story for each venue, as it prints it on two connections.

use super::stories::PACE;
use crate::support::Rng;
use crate::support::kalshi::{self, BOOKS, Kalshi};
use crate::support::records::{Levels, true_levels};
use crate::support::spot::{Changes, Venue as Spot};
use crate::support::venue::{MS, Market, T0, policy};
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::fixed::{PRICE_DECIMALS, QTY_DECIMALS, format_decimal, parse_price, parse_qty};
use bookfeed_core::instrument::Venue;

/// What two connections tell of one book, message by message: the second begins with a whole book of
/// a later moment.
pub struct Story {
    pub venue: &'static str,
    pub engine: Engine,
    pub id: u32,
    /// What each line tells; nothing before it begins.
    pub frames: [Vec<Option<String>>; 2],
    /// The book after each message.
    pub truths: Vec<(Levels, Levels)>,
    /// An answer by REST, and when it comes.
    pub rest: Option<(i64, String)>,
}

/// A story by its seed, how many messages it has, and with which the second line begins.
pub type Teller = fn(u64, usize, usize) -> Story;

pub const TELLERS: [(&str, Teller); 5] = [
    ("polymarket", polymarket),
    ("kalshi", kalshi),
    ("binance", binance),
    ("kraken", kraken),
    ("coinbase", coinbase),
];

/// An engine on two lines, without books.
fn engine(venue: Venue, mode: &str, config: Config) -> Engine {
    let mut engine = Engine::new(config);
    engine.connected(0, venue, mode, T0).unwrap();
    engine.add_line(1, 0, T0).unwrap();
    engine.connected(1, venue, mode, T0).unwrap();
    engine
}

fn ms(message: usize) -> u64 {
    u64::try_from(i64::try_from(message).unwrap() * PACE / MS).unwrap()
}

fn polymarket(seed: u64, messages: usize, joins: usize) -> Story {
    let (mut rng, mut market) = (Rng(seed), Market::new(1, 20));
    let mut engine = engine(Venue::POLYMARKET, "", Config { silence: 0, ..policy(HashCheck::Always) });
    let [id, _] = market.subscribe(&mut engine, 0, T0);
    let ms0 = market.ms;
    let mut story = Story {
        venue: "polymarket",
        engine,
        id,
        frames: [vec![Some(market.books_frame())], vec![None; joins]],
        truths: vec![true_levels(&market.books[0])],
        rest: None,
    };
    for message in 1..=messages {
        market.ms = ms0 + ms(message) - rng.next() % 3;
        let frame = market.random_change(&mut rng);
        if message == joins {
            story.frames[1].push(Some(market.books_frame()));
        } else if message > joins {
            story.frames[1].push(Some(frame.clone()));
        }
        story.frames[0].push(Some(frame));
        story.truths.push(true_levels(&market.books[0]));
    }
    story
}

fn kalshi(seed: u64, messages: usize, joins: usize) -> Story {
    let mut rng = Rng(seed);
    let (mut one, mut other) = (Kalshi::new(1, true), Kalshi::new(1, true));
    let mut engine = engine(Venue::KALSHI, "use_yes_price", Config::default());
    let listing = kalshi::listing("E");
    let id = engine.subscribe(Venue::KALSHI, &one.markets[0].ticker, 0, &listing, T0).unwrap();
    let begins = |venue: &mut Kalshi| {
        Some(format!("{}\n{}", Kalshi::subscribed("orderbook_delta", BOOKS), venue.snapshot(0)))
    };
    let mut story = Story {
        venue: "kalshi",
        engine,
        id,
        frames: [vec![begins(&mut one)], vec![None; joins]],
        truths: vec![one.markets[0].levels(false)],
        rest: None,
    };
    let ms0 = one.ms;
    for message in 1..=messages {
        let yes = rng.once_in(2);
        let price = 4_000 + 100 * u32::try_from(rng.below(5)).unwrap();
        let side = if yes { &one.markets[0].yes } else { &one.markets[0].no };
        let there = i64::try_from(side.get(&price).copied().unwrap_or(0)).unwrap();
        let change = if there > 0 && rng.once_in(2) { -there } else { 100 };
        // Several changes of one millisecond are usual.
        one.ms = ms0 + ms(message / 2 * 2);
        other.ms = one.ms;
        let told = one.delta(0, yes, price, change);
        if message < joins {
            other.change(0, yes, price, change);
        } else if message == joins {
            other.change(0, yes, price, change);
            let whole = begins(&mut other);
            story.frames[1].push(whole);
        } else {
            story.frames[1].push(Some(other.delta(0, yes, price, change)));
        }
        story.frames[0].push(Some(told));
        story.truths.push(one.markets[0].levels(false));
    }
    story
}

pub fn spot_levels(venue: &Spot) -> (Levels, Levels) {
    let [bids, asks] = venue.printed(2).map(|side| {
        let short = |(price, size): &(String, String)| {
            let price = parse_price(price.as_bytes()).unwrap().value;
            let qty = parse_qty(size.as_bytes()).unwrap().value;
            (format_decimal(price, PRICE_DECIMALS), format_decimal(qty, QTY_DECIMALS))
        };
        side.iter().map(short).collect::<Levels>()
    });
    (bids, asks)
}

/// What a venue prints: the venue, number of the message on its line, kind, changes, first update.
type Print = fn(&Spot, u64, &str, &Changes, u64) -> String;

/// Sizes of some of the best levels, which every checksum is about.
fn change(truth: &mut Spot) -> Changes {
    let at = truth.rng.below(2);
    let mut changes = Changes::default();
    for _ in 0..=truth.rng.below(2) {
        let away = truth.rng.below(8);
        let mut prices: Vec<_> = truth.sides[at].keys().copied().collect();
        if at == 0 {
            prices.reverse();
        }
        let size = format!("{}.{:05}000", truth.rng.below(20), 1 + truth.rng.below(99_999));
        truth.sides[at].insert(prices[away], size.clone());
        changes[at].insert(prices[away], size);
    }
    truth.id += 1 + truth.rng.below(4) as u64;
    changes
}

fn spot(venue: Venue, seed: u64, messages: usize, joins: usize, print: Print) -> Story {
    let config = Config { max_delay: 0, ..Config::default() };
    let (mut engine, mut truth) = (engine(venue, "", config), Spot::new("XBT/USD", seed, 40));
    let listing = Listing { depth: Some(1_000), ..Listing::default() };
    let id = engine.subscribe(venue, &truth.symbol, 0, &listing, T0).unwrap();
    let first = print(&truth, 0, "snapshot", &truth.sides, truth.id);
    let mut story = Story {
        venue: venue.name(),
        engine,
        id,
        frames: [vec![Some(first)], vec![None; joins]],
        truths: vec![spot_levels(&truth)],
        rest: None,
    };
    let ms0 = truth.ms;
    for message in 1..=messages {
        let from = truth.id + 1;
        let changes = change(&mut truth);
        // The venues print milliseconds within one second.
        truth.ms = ms0 + 4 * message as u64;
        let number = |begins: usize| (message - begins) as u64;
        story.frames[0].push(Some(print(&truth, number(0), "update", &changes, from)));
        if message == joins {
            story.frames[1].push(Some(print(&truth, 0, "snapshot", &truth.sides, truth.id)));
        } else if message > joins {
            let frame = print(&truth, number(joins), "update", &changes, from);
            story.frames[1].push(Some(frame));
        }
        story.truths.push(spot_levels(&truth));
    }
    story
}

fn binance(seed: u64, messages: usize, joins: usize) -> Story {
    let print: Print = |venue, _, kind, changes, first| match kind {
        // Whole books come by REST alone.
        "snapshot" => r#"{"result":null,"id":1}"#.to_owned(),
        _ => venue.depth_update(first, changes),
    };
    let body = Spot::new("XBT/USD", seed, 40).rest_book();
    let mut story = spot(Venue::BINANCE, seed, messages, joins, print);
    story.rest = Some((T0, body));
    story
}

fn kraken(seed: u64, messages: usize, joins: usize) -> Story {
    spot(Venue::KRAKEN, seed, messages, joins, |venue, _, kind, changes, _| {
        venue.kraken_book(kind, changes)
    })
}

fn coinbase(seed: u64, messages: usize, joins: usize) -> Story {
    spot(Venue::COINBASE, seed, messages, joins, |venue, number, kind, changes, _| {
        venue.coinbase_book(kind, number, changes)
    })
}
