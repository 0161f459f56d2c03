//! Rules of several legs: asked when a touch moved, and walked through depth.

use crate::clock::{Stage, stage, timed};
use crate::support::venue::{MS, T0};
use bookfeed_core::book::Book;
use bookfeed_core::book::integrity::State;
use bookfeed_core::decode::Mode;
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fees::{Fees, Role, Rounding};
use bookfeed_core::instrument::{Instrument, Instruments, Venue};
use bookfeed_core::sequence::stream::{Connection, Streams};
use bookfeed_core::signals::kept::Walked;
use bookfeed_core::signals::life::{Moves, Signals};
use bookfeed_core::signals::steps::Steps;
use bookfeed_core::signals::{Assessment, Direction, Found, Params, Phase, Subject, View, build};
use bookfeed_core::time::Nanos;
use std::hint::black_box;

const TIMES: usize = 2_000;
const PRICE_ONE: i64 = 1_000_000_000;
const QTY_ONE: i64 = 100_000_000;

/// Books that are to earn a pair its trust are this far apart: each is a reading that counts.
const READING_EVERY: Nanos = 1_000 * MS;

/// Everything a rule may look at but the books: instruments called 0, 1, 2 and so on.
struct Floor {
    venues: Vec<Venue>,
    instruments: Instruments,
    streams: Streams,
    connections: [Option<Connection>; 2],
}

fn fees_of(venue: Venue) -> Fees {
    if venue == Venue::POLYMARKET {
        return Fees::polymarket("0.07", 1).unwrap();
    }
    Fees::kalshi("quadratic", "1", Rounding::NonDirect).unwrap()
}

impl Floor {
    fn new(venues: &[Venue]) -> Self {
        let (mut instruments, mut streams) = (Instruments::default(), Streams::default());
        for (i, &venue) in venues.iter().enumerate() {
            let (fees, conn) = (Some(fees_of(venue)), u32::from(venue == Venue::POLYMARKET));
            instruments.add(Instrument { fees, ..Instrument::new(venue, &i.to_string(), conn) });
        }
        let id = streams.open("orderbook_delta");
        assert_eq!(id, 0);
        let stream = streams.at_mut(id).unwrap();
        (stream.ts_evidence, stream.ts_event, stream.behind) = (T0, T0, 0);
        let connections = [Venue::KALSHI, Venue::POLYMARKET].map(|venue| {
            let mut connection = Connection::new(venue, Mode::default(), T0);
            (connection.clock.newest, connection.clock.delay, connection.behind) = (T0, 0, 0);
            Some(connection)
        });
        Self { venues: venues.to_vec(), instruments, streams, connections }
    }

    fn view<'a>(&'a self, books: &'a [Book]) -> View<'a> {
        let Self { instruments, streams, connections, .. } = self;
        View { books, instruments, streams, connections, own: &[], worths: &[] }
    }

    /// Every instrument as a leg that pays when what it names happens.
    fn legs(&self) -> Vec<String> {
        let leg = |(i, venue): (usize, &Venue)| format!("{} {i} yes", venue.name());
        self.venues.iter().enumerate().map(leg).collect()
    }

    fn params(&self, rule: &str) -> Params {
        let legs = self.legs();
        let given = match (rule, &legs[..]) {
            ("box", [a, b]) => vec![("a", a.clone()), ("b", b.clone())],
            ("complement", _) => vec![],
            _ => vec![("legs", legs.join(";"))],
        };
        let named = given.into_iter().map(|(key, value)| (key.to_owned(), value));
        let mut params: Params = named.collect();
        params.insert("min_edge".to_owned(), "0.001".to_owned());
        // Nothing is told here that could confirm anything.
        params.insert("confirm".to_owned(), "off".to_owned());
        params
    }

    /// A live book of instrument `i` from levels of (thousandths, hundredths), the best first.
    fn book(&self, i: usize, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Book {
        let mut book = Book::default();
        (book.state, book.ts_evidence) = (State::Live, T0);
        for (side, levels) in [(Side::Bid, bids), (Side::Ask, asks)] {
            for &(price, qty) in levels {
                book.set(side, Level::new(price * 1_000_000, qty * 1_000_000));
            }
        }
        book.touch = book.current_touch();
        book.verified_version = book.version;
        if self.venues[i] == Venue::KALSHI {
            book.stream = 0;
        }
        book
    }

    /// A book of twenty levels a side around `mid`, two hundredths apart, one contract more at
    /// each level.
    fn around(&self, i: usize, mid: i64, qty: i64) -> Book {
        let side = |step: i64| (0..20).map(|n| (mid + step * (10 + n), qty + 100 * n)).collect();
        let (bids, asks): (Vec<_>, Vec<_>) = (side(-1), side(1));
        self.book(i, &bids, &asks)
    }
}

/// What a bundle that is bought must come to at a size, computed leg by leg.
fn expected(floor: &Floor, books: &[Book], subject: &Subject, qty: i64) -> (i64, i64, i64) {
    assert_eq!(subject.direction, Direction::Buy);
    let (mut notional, mut fee) = (0i128, 0);
    for leg in &subject.legs {
        let (i, book) = (leg.instrument as usize, &books[leg.instrument as usize]);
        let levels: Vec<_> = match leg.complement {
            false => book.asks.best_first().collect(),
            true => book.bids.best_first().map(|(price, qty)| (PRICE_ONE - price, qty)).collect(),
        };
        let (mut order, mut left) = (fees_of(floor.venues[i]).order(Role::Taker, false), qty);
        for (price, size) in levels {
            let taken = size.min(left);
            if taken > 0 {
                order.fill(taken, price).unwrap();
            }
            notional += i128::from(price) * i128::from(taken);
            left -= taken;
        }
        assert_eq!(left, 0);
        fee += order.total().unwrap();
    }
    let gross = i128::from(subject.payout) * i128::from(qty) - notional;
    let a_unit = |total: i128| i64::try_from(total / i128::from(qty)).unwrap();
    (a_unit(gross), a_unit(gross - i128::from(fee) * i128::from(QTY_ONE)), fee)
}

/// A rule that `books[1]` gives nothing to and `books[0]` neither, asked in turns after the
/// touch of `moved` changed; `opening` is a book of `moved` on which it finds something.
fn quiet(
    name: &str,
    target: Option<f64>,
    rule: &str,
    floor: Floor,
    (moved, mids, opening): (usize, &[i64], i64),
) -> Stage<'static> {
    let books = |mid: i64| -> Vec<Book> {
        let mid_of = |i: usize| if i == moved { mid } else { mids[i] };
        (0..mids.len()).map(|i| floor.around(i, mid_of(i), 10_000)).collect()
    };
    let (one, other, open) = (books(mids[moved]), books(mids[moved] - 1), books(opening));
    let mut signals = Signals::default();
    signals.add_rule(build(rule, &floor.params(rule)).unwrap(), &floor.instruments);
    let (id, mut steps) = (u32::try_from(moved).unwrap(), Steps::default());
    // The first ones are for the pair to be seen to agree.
    let mut now = T0;
    for books in [&one, &other, &one, &other, &open, &other] {
        now += READING_EVERY;
        signals.evaluate(id, Moves::Own, &floor.view(books), now, &mut steps);
    }
    let opened = steps.list.iter().filter(|step| step.phase == Phase::Open).count();
    let closed = steps.list.iter().filter(|step| step.phase == Phase::Close).count();
    let refused = signals.refusals();
    assert!(opened > 0 && opened == closed, "{name}: {opened} opened, {refused:?}");
    steps.clear();
    stage(name, target, move || {
        let time = timed(2 * TIMES, || {
            for _ in 0..TIMES {
                for books in [&one, &other] {
                    let view = floor.view(black_box(books));
                    signals.evaluate(id, Moves::Own, &view, now, &mut steps);
                }
            }
        });
        assert!(steps.list.is_empty() && signals.refusals() == refused);
        time
    })
}

/// A box that is open one way, one level deep, and updated each time.
fn box_updated(name: &str, target: Option<f64>) -> Stage<'static> {
    let floor = Floor::new(&[Venue::KALSHI, Venue::POLYMARKET]);
    let deep = |i, mid: i64, qty| {
        let (bid, ask) = ((mid - 10, qty), (mid + 10, qty));
        floor.book(i, &[bid, (mid - 60, 10_000)], &[ask, (mid + 60, 10_000)])
    };
    // YES at 0.41 and NO at 0.53: 0.06 before fees of two quadratic formulas.
    let (one, other) =
        ([deep(0, 400, 5_000), deep(1, 480, 7_000)], [deep(0, 400, 4_000), deep(1, 480, 7_000)]);
    let mut signals = Signals::default();
    signals.add_rule(build("box", &floor.params("box")).unwrap(), &floor.instruments);
    let mut steps = Steps::default();
    let agreeing = [200, 210, 220].map(|mid| [0, 1].map(|i| floor.around(i, mid, 100)));
    let mut now = T0;
    for books in agreeing.iter().chain([&one, &other]) {
        now += READING_EVERY;
        signals.evaluate(0, Moves::Own, &floor.view(books), now, &mut steps);
    }
    assert_eq!(steps.list.iter().map(|s| s.phase).collect::<Vec<_>>(), [Phase::Open, Phase::Update]);
    let rule = build("box", &floor.params("box")).unwrap();
    let subjects = rule.subjects(1, &floor.instruments);
    for (step, books) in steps.list.iter().zip([&one, &other]) {
        check(&floor, books, &subjects[0], &step.found, books[0].touch.ask_qty);
    }
    stage(name, target, move || {
        timed(2 * TIMES, || {
            for _ in 0..TIMES {
                for books in [&one, &other] {
                    steps.clear();
                    let view = floor.view(black_box(books));
                    signals.evaluate(0, Moves::Own, &view, now, &mut steps);
                    assert_eq!(steps.list.len(), 1);
                }
            }
        })
    })
}

fn check(floor: &Floor, books: &[Book], subject: &Subject, found: &Found, qty: i64) {
    assert_eq!(found.qty, qty);
    let (gross, net, fee) = expected(floor, books, subject, qty);
    assert_eq!((found.gross_edge, found.net_edge, found.fee), (gross, net, fee));
}

/// A bundle of `rule` walked to the end of its ladders; `depth` levels on each, their ends
/// staggered, so that every level of every leg is a step.
fn walk(name: &str, target: Option<f64>, rule: &str, floor: Floor, depth: i64) -> Stage<'static> {
    let legs = i64::try_from(floor.venues.len()).unwrap();
    let rule = build(rule, &floor.params(rule)).unwrap();
    let subject = rule.subjects(u32::try_from(legs - 1).unwrap(), &floor.instruments).remove(0);
    let books: Vec<Book> = (0..legs)
        .map(|i| {
            let best = 10_000 * (i + 1) / legs;
            let qty = |n: i64| if n == 0 { best } else { 10_000 };
            let bids: Vec<_> = (0..depth).map(|n| (800 - n, qty(n))).collect();
            let asks: Vec<_> = (0..depth).map(|n| (200 + n, qty(n))).collect();
            // Only one side of each is walked; the other stays out of its way.
            let own = !subject.legs[usize::try_from(i).unwrap()].complement;
            let i = usize::try_from(i).unwrap();
            if own { floor.book(i, &[(1, 100)], &asks) } else { floor.book(i, &bids, &[(999, 100)]) }
        })
        .collect();
    let all = (10_000 / legs + 10_000 * (depth - 1)) * 1_000_000;
    stage(name, target, move || {
        let (view, mut walked) = (floor.view(&books), Walked::default());
        let Assessment::Found(found) = rule.assess(&subject, &view, &mut walked) else {
            panic!("nothing found")
        };
        check(&floor, &books, &subject, &found, all);
        timed(TIMES, || {
            for _ in 0..TIMES {
                black_box(rule.assess(black_box(&subject), &view, &mut walked));
            }
        })
    })
}

/// All stages of this file.
pub fn stages() -> Vec<Stage<'static>> {
    let across = || Floor::new(&[Venue::KALSHI, Venue::POLYMARKET]);
    let strikes: Vec<i64> = (0..16).map(|i| 880 - 50 * i).collect();
    vec![
        quiet("rules: a box asked, touch moved", Some(300.0), "box", across(), (0, &[400, 400], 490)),
        box_updated("rules: a box asked and updated", Some(300.0)),
        quiet(
            "rules: a basket of 8 asked, touch moved",
            None,
            "basket",
            Floor::new(&[Venue::KALSHI; 8]),
            (3, &[110; 8], 500),
        ),
        quiet(
            "rules: a ladder of 16 asked, touch moved",
            None,
            "ladder",
            Floor::new(&[Venue::KALSHI; 16]),
            (7, &strikes, strikes[7] + 200),
        ),
        walk("rules: a box walked, 50 levels, both venues", Some(2_000.0), "box", across(), 50),
        walk(
            "rules: a box walked, 50 levels, Kalshi",
            Some(2_000.0),
            "box",
            Floor::new(&[Venue::KALSHI, Venue::KALSHI]),
            50,
        ),
        walk(
            "rules: a basket of 8 walked, 10 levels",
            None,
            "basket",
            Floor::new(&[Venue::KALSHI; 8]),
            10,
        ),
        complement_walk("Polymarket", Fees::polymarket("0.07", 1).unwrap()),
        complement_walk("Kalshi", fees_of(Venue::KALSHI)),
    ]
}

fn complement_walk(venue: &str, fees: Fees) -> Stage<'static> {
    let mut floor = Floor::new(&[]);
    for symbol in ["yes", "no"] {
        let (market, fees) = (Some("m".into()), Some(fees));
        let about = Instrument { market, fees, ..Instrument::new(Venue::POLYMARKET, symbol, 0) };
        floor.instruments.add(about);
        floor.venues.push(Venue::POLYMARKET);
    }
    let asks: Vec<_> = (0..50).map(|i| (300 + i, 10_000)).collect();
    let books = [0, 1].map(|i| floor.book(i, &[(1, 100)], &asks));
    let rule = build("complement", &floor.params("complement")).unwrap();
    let subjects = rule.subjects(1, &floor.instruments);
    let name = format!("rules: complement walked, 50 levels, {venue} fees");
    stage(&name, None, move || {
        let (view, mut walked) = (floor.view(&books), Walked::default());
        let Assessment::Found(found) = rule.assess(&subjects[0], &view, &mut walked) else {
            panic!("nothing found")
        };
        assert_eq!(found.qty, 50 * 10_000 * 1_000_000);
        timed(TIMES, || {
            for _ in 0..TIMES {
                black_box(rule.assess(black_box(&subjects[0]), &view, &mut walked));
            }
        })
    })
}
