//! An engine on two venues, books set whole, and rules written out as in a configuration.

use super::oracle::{Schedule, Side};
use crate::support::kalshi::{BOOKS, Kalshi};
use crate::support::records::{Signal, drain};
use crate::support::venue::{MS, T0};
use bookfeed_core::engine::{Config, Engine, Listing};
use bookfeed_core::fixed::format_decimal;
use bookfeed_core::instrument::Hours;
use bookfeed_core::instrument::Venue;
use bookfeed_core::signals::{Params, Refusal};

pub fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A book as it is: bids and asks, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    pub bids: Side,
    pub asks: Side,
}

/// Prices in thousandths and sizes in whole shares.
pub fn sides(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Sides {
    let side =
        |levels: &[(i64, i64)]| levels.iter().map(|&(p, q)| (p * 1_000_000, q * 100_000_000)).collect();
    Sides { bids: side(bids), asks: side(asks) }
}

/// One instrument of either venue.
#[derive(Clone, Debug)]
pub struct Place {
    pub venue: Venue,
    /// Which market of its venue.
    pub n: usize,
    pub id: u32,
}

pub struct Pit {
    pub engine: Engine,
    pub kalshi: Kalshi,
    pub ts: i64,
    pub places: Vec<Place>,
    pub signals: Vec<Signal>,
}

/// Everything a test may want of a market.
#[derive(Clone, Copy, Default)]
pub struct Listed<'a> {
    pub schedule: Option<Schedule>,
    /// Fees as a listing states them, instead of a schedule.
    pub fee: Option<&'a str>,
    pub hours: Hours,
}

/// A schedule as a listing states it.
fn fee(venue: Venue, schedule: Option<Schedule>) -> Option<String> {
    Some(match schedule? {
        Schedule::Polymarket(nano) => format!("polymarket:{};1", format_decimal(nano, 9)),
        Schedule::Kalshi(nano, makers, rule) if venue == Venue::KALSHI => {
            let fee_type = match makers {
                0 => "quadratic",
                175 => "quadratic_with_maker_fees",
                _ => "quadratic_with_combo_maker_fees",
            };
            // Told apart from an override, of which there is none.
            format!("kalshi:{fee_type};{};{}|;", format_decimal(nano, 9), rule.name())
        }
        Schedule::Kalshi(..) => "polymarket:0;1".to_owned(),
    })
}

pub const FREE: Schedule = Schedule::Kalshi(0, 0, super::oracle::DIRECT);

impl Pit {
    pub fn new(config: Config) -> Self {
        let mut engine = Engine::new(config);
        engine.connected(0, Venue::KALSHI, "use_yes_price", T0).unwrap();
        engine.connected(1, Venue::POLYMARKET, "", T0).unwrap();
        Self { engine, kalshi: Kalshi::new(0, true), ts: T0, places: Vec::new(), signals: Vec::new() }
    }

    /// Markets without fees, by venue.
    pub fn free(config: Config, venues: &[Venue]) -> Self {
        let mut pit = Self::new(config);
        for &venue in venues {
            pit.list(venue, Listed { schedule: Some(FREE), ..Listed::default() });
        }
        pit
    }

    /// Subscribes one more market.
    pub fn list(&mut self, venue: Venue, listed: Listed) -> usize {
        let n = self.places.len();
        let fee = listed.fee.map_or_else(|| fee(venue, listed.schedule), |text| Some(text.to_owned()));
        let listing =
            Listing { event: Some("E"), hours: listed.hours, fee: fee.as_deref(), ..Listing::default() };
        let conn = u32::from(venue == Venue::POLYMARKET);
        if venue == Venue::KALSHI {
            self.kalshi.markets.push(crate::support::kalshi::Market::new(n));
        }
        let place = Place {
            venue,
            n: if venue == Venue::KALSHI { self.kalshi.markets.len() - 1 } else { n },
            id: u32::try_from(n).unwrap(),
        };
        self.places.push(place);
        let symbol = self.symbol(n);
        let id = self.engine.subscribe(venue, &symbol, conn, &listing, self.ts).unwrap();
        assert_eq!(id, self.places[n].id);
        n
    }

    pub fn symbol(&self, n: usize) -> String {
        match self.places[n] {
            Place { venue: Venue::KALSHI, n, .. } => self.kalshi.markets[n].ticker.clone(),
            Place { n, .. } => format!("P{n}"),
        }
    }

    /// A leg as it is written in a rule.
    pub fn leg(&self, n: usize, complement: bool) -> String {
        let side = if complement { "no" } else { "yes" };
        format!("{} {} {side}", self.places[n].venue.name(), self.symbol(n))
    }

    /// Several, separated as they are in a rule.
    pub fn legs(&self, legs: &[(usize, bool)]) -> String {
        legs.iter().map(|&(n, no)| self.leg(n, no)).collect::<Vec<_>>().join("; ")
    }

    /// Adds a rule that opens without being confirmed, unless it is said otherwise.
    pub fn rule(&mut self, kind: &str, pairs: &[(&str, &str)]) -> u32 {
        let mut params = params(pairs);
        if kind != "spread" {
            params.entry("confirm".to_owned()).or_insert_with(|| "off".to_owned());
        }
        self.engine.add_rule(kind, &params).unwrap()
    }

    /// A box of the first two markets, YES of both.
    pub fn boxed(venues: [Venue; 2], more: &[(&str, &str)]) -> Self {
        let mut pit = Self::free(Config::default(), &venues);
        pit.add_box(more);
        pit
    }

    pub fn add_box(&mut self, more: &[(&str, &str)]) -> u32 {
        let (a, b) = (self.leg(0, false), self.leg(1, false));
        let mut all = vec![("a", a.as_str()), ("b", b.as_str())];
        all.extend_from_slice(more);
        self.rule("box", &all)
    }

    /// What was said since the last time.
    pub fn take(&mut self) -> Vec<Signal> {
        let signals = drain(&mut self.engine).1;
        self.signals.extend(signals.clone());
        signals
    }

    pub fn say(&mut self, conn: u32, frame: &str) -> Vec<Signal> {
        self.ts += MS;
        self.engine.ingest(conn, frame.as_bytes(), self.ts);
        self.take()
    }

    /// The venue's clocks: Kalshi's, which Polymarket's frames are stamped with as well.
    pub fn clock(&mut self, ms: u64) {
        self.kalshi.ms += ms;
    }

    /// The frame that sets a book whole.
    pub fn frame(&mut self, n: usize, book: &Sides) -> (u32, String) {
        let place = self.places[n].clone();
        if place.venue == Venue::KALSHI {
            let market = &mut self.kalshi.markets[place.n];
            let level = |&(price, qty): &(i64, i64)| {
                (u32::try_from(price / 100_000).unwrap(), u64::try_from(qty / 1_000_000).unwrap())
            };
            market.yes = book.bids.iter().map(level).collect();
            market.no = book.asks.iter().map(level).map(|(p, q)| (10_000 - p, q)).collect();
            let frame = self.kalshi.snapshot(place.n);
            let sent = format!(r#","sending_ts_ms":{}}}"#, self.kalshi.ms);
            return (0, format!("{}{sent}", &frame[..frame.len() - 1]));
        }
        self.clock(1);
        let levels = |side: &Side| {
            let all: Vec<_> = side
                .iter()
                .map(|&(p, q)| {
                    let (price, size) = (format_decimal(p, 9), format_decimal(q, 8));
                    format!(r#"{{"price":"{price}","size":"{size}"}}"#)
                })
                .collect();
            all.join(",")
        };
        let frame = format!(
            r#"{{"event_type":"book","asset_id":"P{}","market":"m{0}","timestamp":"{}","hash":"","bids":[{}],"asks":[{}]}}"#,
            place.n,
            self.kalshi.ms,
            levels(&book.bids),
            levels(&book.asks),
        );
        (1, frame)
    }

    /// A whole book.
    pub fn book(&mut self, n: usize, book: &Sides) -> Vec<Signal> {
        let (conn, frame) = self.frame(n, book);
        self.say(conn, &frame)
    }

    /// A whole book of one level a side, prices in thousandths; what it brought in short.
    pub fn touch(&mut self, n: usize, bid: i64, bid_qty: i64, ask: i64, ask_qty: i64) -> Vec<String> {
        let book = sides(&[(bid, bid_qty)], &[(ask, ask_qty)]);
        self.book(n, &book).iter().map(Signal::short).collect()
    }

    /// A change of nothing on Kalshi's stream, at the venue's time.
    pub fn beat(&mut self, n: usize) -> Vec<String> {
        let place = self.places[n].clone();
        let frame = self.kalshi.delta(place.n, true, 1, 0);
        assert!(self.kalshi.seqs[&BOOKS] > 0);
        self.say(0, &frame).iter().map(Signal::short).collect()
    }

    pub fn wait(&mut self, time: i64) -> Vec<String> {
        self.ts += time;
        self.engine.advance(self.ts);
        self.take().iter().map(Signal::short).collect()
    }

    pub fn refused(&self, reason: Refusal) -> u64 {
        self.engine.refusals()[reason as usize]
    }

    /// The reasons counted so far.
    pub fn reasons(&self) -> Vec<(&'static str, u64)> {
        Refusal::NAMES.iter().copied().zip(self.engine.refusals()).filter(|r| r.1 > 0).collect()
    }
}
