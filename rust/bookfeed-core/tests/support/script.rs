//! What a venue tells in the steps of a script, and what becomes of it on the way: frames lost,
//! repeated, overtaken, broken, spelled in another way. Told to twins, which must agree throughout.

use super::Rng;
use super::kalshi::{BOOKS, Kalshi, listing};
use super::spot;
use super::texts::{mutate, respell};
use super::twins::{Twins, read_alike};
use super::venue::{Market, T0, policy};
use bookfeed_core::book::integrity::Cause;
use bookfeed_core::engine::{Config, HashCheck, Listing};
use bookfeed_core::instrument::{UNKNOWN, Venue};

/// A step: what happens, how it is spelled, and two numbers for whatever has to be chosen.
pub type Step = [u8; 4];

/// Small edits of the kind that a fast way could misread.
const EDITS: [(&str, &str); 24] = [
    (r#""0."#, r#""00."#),
    (r#""0."#, r#"".""#),
    (r#""0."#, r#""1."#),
    (r#""0."#, r#"" 0."#),
    (r#""0."#, r#""-0."#),
    (r#""0."#, r#""0.0000000000"#),
    (r#""size":""#, r#""size":"0"#),
    (r#""size":""#, r#""size":"99999999999"#),
    (r#""size":"#, r#""size":"1","size":"#),
    (r#""side":"BUY""#, r#""side":"buy""#),
    (r#""side":"#, r#""side":"","side":"#),
    (r#""hash":""#, r#""hash":"f"#),
    (r#""best_bid":"0"#, r#""best_bid":"0.9"#),
    (r#""best_bid":"#, r#""best_bid":null,"b":"#),
    (r#""timestamp":"1"#, r#""timestamp":"01"#),
    (r#""timestamp":"1"#, r#""timestamp":"9"#),
    (r#""event_type""#, r#""id":"1","event_type""#),
    (r#""market":"0x"#, r#""market":"0X0"#),
    (r#""asset_id":"1"#, r#""asset_id":"2"#),
    (r#""seq":"#, r#""seq":0"#),
    (r#""ts_ms":"#, r#""ts_ms":1"#),
    (r#""price_dollars":"0."#, r#""price_dollars":"0.000"#),
    (r#""U":"#, r#""U":9"#),
    (r#""}"#, r#"\u00e9"}"#),
];

/// Who tells.
enum Teller {
    Polymarket(Box<Market>),
    Kalshi(Box<Kalshi>),
    Spot(Venue, Box<spot::Venue>),
}

/// A run of a script.
pub struct Run {
    pub twins: Twins,
    teller: Teller,
    /// The last frames that were told.
    past: Vec<Vec<u8>>,
}

impl Run {
    /// Books that wait for their first whole ones: `kind` says whose, and with which settings.
    pub fn new(kind: u8) -> Self {
        let hashes = [HashCheck::Off, HashCheck::Sampled, HashCheck::Always];
        let config = policy(hashes[usize::from(kind / 4) % 3]);
        let config = Config { max_delay: if kind & 64 == 0 { 0 } else { 50_000_000 }, ..config };
        let mut twins = Twins::new(config);
        let teller = match kind % 4 {
            0 => polymarket(&mut twins),
            1 => kalshi(&mut twins, kind & 32 != 0),
            2 => spot_venue(&mut twins, Venue::BINANCE),
            _ => spot_venue(&mut twins, Venue::KRAKEN),
        };
        for (rule, key, value) in [("spread", "open", "0.003"), ("complement", "min_edge", "0.001")] {
            let params = [(key.to_owned(), value.to_owned())].into();
            twins.both(|engine| engine.add_rule(rule, &params).map_err(|e| e.to_string()).is_ok());
        }
        twins.both(|engine| engine.watch_levels(kind & 128 != 0));
        Self { twins, teller, past: Vec::new() }
    }

    /// One step of the script.
    pub fn step(&mut self, [what, how, a, b]: Step) {
        let mut rng = Rng(u64::from(a) << 8 | u64::from(b));
        self.twins.ts += i64::from(what >> 4) * 1_000_000;
        let frame = self.tell(what & 15, &mut rng);
        match how % 16 {
            // Lost on the way, or held back.
            0 => self.past.push(frame),
            1 => {
                self.hear(frame.clone());
                self.hear(frame);
            }
            2 => {
                let old = if self.past.is_empty() { frame } else { rng.pick(&self.past).clone() };
                self.hear(old);
            }
            3 if !frame.is_empty() => self.hear(mutate(&mut rng, &frame)),
            4 => {
                let (from, to) = *rng.pick(&EDITS);
                self.hear(String::from_utf8_lossy(&frame).replacen(from, to, 1).into_bytes());
            }
            5 => self.hear(String::from_utf8_lossy(&frame).replace(r#","#, ", ").into_bytes()),
            6 => self.hear(respelled(&frame, &mut rng)),
            7 => self.happen(a, b),
            _ => self.hear(frame),
        }
    }

    /// A frame comes. What it says must be the same, and what comes of it.
    pub fn hear(&mut self, frame: Vec<u8>) {
        let before = self.past.last().map_or(&[][..], Vec::as_slice);
        read_alike(self.venue(), before, &frame, self.twins.fast.instruments());
        self.twins.hear(&frame);
        self.past.push(frame);
        if self.past.len() > 8 {
            self.past.remove(0);
        }
    }

    /// What the venue says next.
    fn tell(&mut self, what: u8, rng: &mut Rng) -> Vec<u8> {
        let frame = match &mut self.teller {
            Teller::Polymarket(market) => tell_polymarket(market, what, rng),
            Teller::Kalshi(venue) => tell_kalshi(venue, what, rng),
            Teller::Spot(name, venue) => tell_spot(*name, venue, what, rng),
        };
        frame.into_bytes()
    }

    /// What is no frame: time, a lost connection, an answer to a request.
    fn happen(&mut self, a: u8, b: u8) {
        let ts = self.twins.ts;
        match a % 4 {
            0 => self.twins.ts += i64::from(b) * 10_000_000,
            1 => {
                let (venue, mode) = (self.venue(), self.mode());
                self.twins
                    .both(|engine| {
                        engine.disconnected(0, ts);
                        engine.connected(0, venue, mode, ts)
                    })
                    .unwrap();
            }
            2 => self.twins.both(|engine| engine.invalidate(0, Cause::Transport, ts)),
            _ => self.answer(b),
        }
        let ts = self.twins.ts;
        self.twins.both(|engine| engine.advance(ts));
        self.twins.compare("what is no frame");
    }

    fn venue(&self) -> Venue {
        match &self.teller {
            Teller::Polymarket(_) => Venue::POLYMARKET,
            Teller::Kalshi(_) => Venue::KALSHI,
            Teller::Spot(name, _) => *name,
        }
    }

    fn mode(&self) -> &'static str {
        match &self.teller {
            Teller::Kalshi(venue) if venue.yes_prices => "use_yes_price",
            _ => "",
        }
    }

    /// A whole book that was asked for.
    fn answer(&mut self, b: u8) {
        let (ts, id) = (self.twins.ts, u32::from(b & 1));
        let (about, body) = match &self.teller {
            Teller::Polymarket(market) => (UNKNOWN, market.rest(id as usize)),
            Teller::Spot(Venue::BINANCE, venue) => (0, venue.rest_book()),
            Teller::Kalshi(_) | Teller::Spot(..) => return,
        };
        let asked = if about == UNKNOWN { id } else { about };
        self.twins
            .both(|engine| {
                let begun = engine.resync_begin(asked, ts);
                engine.ingest_rest(0, body.as_bytes(), about, None, ts);
                begun
            })
            .unwrap();
    }
}

fn polymarket(twins: &mut Twins) -> Teller {
    let market = Market::new(1, 12);
    twins.both(|engine| market.subscribe(engine, 0, T0));
    twins.hear(market.books_frame().as_bytes());
    Teller::Polymarket(Box::new(market))
}

fn kalshi(twins: &mut Twins, yes_prices: bool) -> Teller {
    let mut venue = Kalshi::new(2, yes_prices);
    let mode = if yes_prices { "use_yes_price" } else { "" };
    twins.both(|engine| engine.connected(0, Venue::KALSHI, mode, T0)).unwrap();
    for market in &venue.markets {
        let listing = listing("KXTEST-26OCT0117");
        twins.both(|engine| engine.subscribe(Venue::KALSHI, &market.ticker, 0, &listing, T0)).unwrap();
    }
    twins.hear(Kalshi::subscribed("orderbook_delta", BOOKS).as_bytes());
    for market in 0..2 {
        twins.hear(venue.snapshot(market).as_bytes());
    }
    Teller::Kalshi(Box::new(venue))
}

fn spot_venue(twins: &mut Twins, name: Venue) -> Teller {
    let (symbol, depth) = if name == Venue::BINANCE { ("BTCUSDT", None) } else { ("BTC/USD", Some(25)) };
    let venue = spot::Venue::new(symbol, 5, 25);
    let listing = Listing { depth, ..Listing::default() };
    twins.both(|engine| engine.connected(0, name, "", T0)).unwrap();
    twins.both(|engine| engine.subscribe(name, symbol, 0, &listing, T0)).unwrap();
    if name == Venue::BINANCE {
        let body = venue.rest_book();
        twins.both(|engine| engine.ingest_rest(0, body.as_bytes(), 0, None, T0));
    } else {
        twins.hear(venue.kraken_book("snapshot", &venue.sides.clone()).as_bytes());
    }
    Teller::Spot(name, Box::new(venue))
}

fn tell_polymarket(market: &mut Market, what: u8, rng: &mut Rng) -> String {
    market.ms += u64::from(what & 1);
    match what {
        0 => market.traded_book(rng.below(2)),
        1 => market.books_frame(),
        2 | 3 => market.trade(rng.below(2), "0.4", "31.250001", rng.word(&["BUY", "SELL"])),
        4 => market.touch(rng.below(2)),
        5 => market.touch_of(rng.below(2), rng.word(&["0", "0.4"]), rng.word(&["1", "0", "0.401"])),
        6 => market.tick(rng.below(2), "0.001", rng.word(&["0.001", "0.01"])),
        7 => market.change_one(rng.below(2), true, 300, rng.word(&["5.0", "0", ".5", "12"])),
        8 => format!("[{},{}]", market.touch(0), market.random_change(rng)),
        _ => market.random_change(rng),
    }
}

fn tell_kalshi(venue: &mut Kalshi, what: u8, rng: &mut Rng) -> String {
    venue.ms += u64::from(what & 1);
    let market = rng.below(2);
    match what {
        0 => venue.snapshot(market),
        1 | 2 => venue.trade(market, 4_400 + u32::from(what), 100 + i64::from(what)),
        3 => venue.ticker(market),
        4 => venue.lifecycle(market, rng.word(&["deactivated", "activated", "created"]), ""),
        5 => venue.reply(BOOKS, "ok", r#","msg":{"market_tickers":["A","B"]}"#),
        _ => {
            let yes = rng.once_in(2);
            let price = if yes { 4_400 } else { 5_400 } - 10 * u32::try_from(rng.below(60)).unwrap();
            let side = &venue.markets[market];
            let there = if yes { &side.yes } else { &side.no }.get(&price).copied().unwrap_or(0);
            let more = i64::try_from(rng.below(100_000)).unwrap();
            let change = if rng.once_in(3) { -i64::try_from(there).unwrap() } else { more };
            venue.delta(market, yes, price, change)
        }
    }
}

fn tell_spot(name: Venue, venue: &mut spot::Venue, what: u8, rng: &mut Rng) -> String {
    match (what, name) {
        (0, Venue::KRAKEN) => venue.kraken_book("snapshot", &venue.sides.clone()),
        (0 | 1, Venue::BINANCE) if venue.sides.iter().all(|side| !side.is_empty()) => {
            venue.book_ticker()
        }
        _ => {
            let (first, levels) = (venue.id + 1, 1 + rng.below(9));
            let changes = venue.change(levels);
            if name == Venue::KRAKEN {
                venue.kraken_book("update", &changes)
            } else {
                venue.depth_update(first, &changes)
            }
        }
    }
}

/// The same members in any order, with blanks and escapes.
fn respelled(frame: &[u8], rng: &mut Rng) -> Vec<u8> {
    let Ok(value) = serde_json::from_slice(frame) else { return frame.to_vec() };
    let mut text = String::new();
    respell(&value, [rng.once_in(2), rng.once_in(2)], rng, &mut text);
    text.into_bytes()
}
