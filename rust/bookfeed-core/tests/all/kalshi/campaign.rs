//! Seeded streams with faults: whatever is lost, repeated, swapped or broken, a book that is
//! called live after a frame is the true one as of the newest number that arrived.

use crate::support::Rng;
use crate::support::kalshi::{BOOKS, Floor, Kalshi, Market, TRADES};
use crate::support::records::{Update, drain, levels};
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::engine::Config;
use bookfeed_core::update::UpdateKind;

const MARKETS: usize = 4;

/// A frame, its number in the stream of books (0 on others), and the truth as of then.
#[derive(Clone)]
struct Sent {
    frame: String,
    seq: u64,
    truth: Vec<Market>,
}

/// What records alone tell a reader: the last state of each book.
struct Reader {
    states: [State; MARKETS],
    epochs: [u32; MARKETS],
}

impl Reader {
    fn read(&mut self, update: &Update) {
        let i = update.instrument as usize;
        if update.kind == UpdateKind::State {
            self.states[i] = update.state;
            assert!(update.epoch >= self.epochs[i], "epochs never go back");
            self.epochs[i] = update.epoch;
        } else {
            assert_eq!((self.states[i], self.epochs[i]), (update.state, update.epoch), "{update:?}");
        }
    }
}

#[derive(Default)]
struct Outcome {
    live: u64,
    not_live: u64,
    causes: std::collections::BTreeSet<&'static str>,
    transitions: u64,
}

struct Run {
    rng: Rng,
    floor: Floor,
    reader: Reader,
    /// Newest number of the stream of books that arrived, and the truth as of then.
    arrived: (u64, Vec<Market>),
    /// Second halves of matches that are still to be told: market, outcome, price, change.
    owed: Vec<(usize, bool, u32, i64)>,
    outcome: Outcome,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let floor = Floor::live_with(Config::default(), MARKETS, rng.once_in(2));
        let arrived = (floor.venue.seqs[&BOOKS], floor.venue.markets.clone());
        let reader = Reader { states: [State::Live; MARKETS], epochs: [1; MARKETS] };
        Self { rng, floor, reader, arrived, owed: Vec::new(), outcome: Outcome::default() }
    }

    fn sent(&self, frame: String) -> Sent {
        let of_books = frame.contains(&format!(r#""sid":{BOOKS},"seq""#));
        let seq = if of_books { self.floor.venue.seqs[&BOOKS] } else { 0 };
        Sent { frame, seq, truth: self.floor.venue.markets.clone() }
    }

    /// What the venue says next.
    fn next(&mut self) -> Sent {
        self.floor.venue.ms += u64::try_from(self.rng.below(3)).unwrap();
        if !self.owed.is_empty() && self.rng.once_in(2) {
            let (market, yes, price, change) = self.owed.remove(0);
            let frame = self.floor.venue.delta(market, yes, price, change);
            return self.sent(frame);
        }
        let market = self.rng.below(MARKETS);
        let venue = &mut self.floor.venue;
        let frame = match self.rng.below(100) {
            0..=3 => venue.trade(market, 4_500, 100),
            4..=8 => venue.ticker(market),
            9..=11 => venue.reply(BOOKS, "ok", r#","msg":{"market_tickers":["A","B"]}"#),
            12 => venue.reply(BOOKS, "error", r#","msg":{"code":27,"msg":"Too many requests"}"#),
            13 => Kalshi::subscribed("orderbook_delta", BOOKS),
            14..=17 if !venue.markets[market].overlaps() => venue.requested(market, 40),
            18..=25 if self.owed.is_empty() => self.begin_match(market),
            _ => self.delta(market),
        };
        self.sent(frame)
    }

    /// A bid that takes what rests on the other side; what it took is told later.
    fn begin_match(&mut self, market: usize) -> String {
        let yes = self.rng.once_in(2);
        let other = &self.floor.venue.markets[market];
        let best = if yes { &other.no } else { &other.yes }.iter().next_back();
        let Some((&price, &size)) = best else { return self.delta(market) };
        let at = 10_000 - price + 10;
        let mine = if yes { &other.yes } else { &other.no };
        if mine.contains_key(&at) {
            return self.delta(market);
        }
        self.owed.push((market, !yes, price, -i64::try_from(size).unwrap()));
        self.owed.push((market, yes, at, -100));
        self.floor.venue.delta(market, yes, at, 100)
    }

    fn delta(&mut self, market: usize) -> String {
        let yes = self.rng.once_in(2);
        let top = if yes { 4_400 } else { 5_400 };
        let price = top - 10 * u32::try_from(self.rng.below(80)).unwrap();
        let side = &self.floor.venue.markets[market];
        let there = if yes { &side.yes } else { &side.no }.get(&price).copied().unwrap_or(0);
        let there = i64::try_from(there).unwrap();
        // What a match still owes must stay to be taken.
        let owed = self.owed.iter().any(|&(m, y, p, _)| (m, y, p) == (market, yes, price));
        let change = match self.rng.below(4) {
            0 if there > 0 && !owed => -there,
            1 if there > 1 && !owed => {
                -(1 + i64::try_from(self.rng.below(9_999)).unwrap() % (there - 1))
            }
            2 => 0,
            _ => 1 + i64::try_from(self.rng.below(100_000)).unwrap(),
        };
        self.floor.venue.delta(market, yes, price, if owed { 0 } else { change })
    }

    /// Lets a frame arrive, and looks at every book.
    fn arrive(&mut self, sent: &Sent, whole: bool) {
        self.floor.ts += MS * i64::try_from(1 + self.rng.below(8)).unwrap();
        self.floor.engine.ingest(0, sent.frame.as_bytes(), self.floor.ts);
        if whole && sent.seq > self.arrived.0 {
            self.arrived = (sent.seq, sent.truth.clone());
        }
        self.look(&sent.frame);
    }

    fn look(&mut self, frame: &str) {
        drain(&mut self.floor.engine).0.iter().for_each(|u| self.reader.read(u));
        for (i, &id) in self.floor.ids.iter().enumerate() {
            let book = self.floor.engine.book(id).unwrap();
            assert_eq!(self.reader.states[i], book.state);
            if book.state == State::Live {
                self.outcome.live += 1;
                let truth = &self.arrived.1[i];
                assert_eq!(levels(&self.floor.engine, id), truth.levels(false), "{frame}");
                assert!(!(book.believable() && truth.overlaps()), "{frame}");
            } else {
                self.outcome.not_live += 1;
                self.outcome.causes.insert(book.cause.name());
            }
        }
    }

    /// Asks for the books that may not be believed.
    fn mend(&mut self) {
        for market in 0..MARKETS {
            let id = self.floor.ids[market];
            if self.floor.engine.book(id).unwrap().state == State::Live
                || self.floor.venue.markets[market].overlaps()
            {
                continue;
            }
            self.floor.engine.resync_begin(id, self.floor.ts).unwrap();
            let last = self.floor.venue.seqs[&BOOKS];
            let frame = if self.arrived.0 == last && self.rng.once_in(4) {
                // Answered at the newest number, without one of its own. Had the message of
                // that number been lost, nobody could tell: so it was not.
                self.floor.venue.snapshot_at(market, last).replacen('{', r#"{"id":40,"#, 1)
            } else {
                self.floor.venue.requested(market, 40)
            };
            let sent = self.sent(frame);
            if self.rng.once_in(9) {
                // Nothing came of it; where it had a number of its own, that is missing.
                self.look("nothing");
            } else {
                self.arrive(&sent, true);
            }
        }
    }

    /// A frame that was tampered with; `true` if its number can still be read.
    fn tamper(&mut self, sent: &Sent) -> (Sent, bool) {
        let mut bad = sent.clone();
        let tickers: Vec<_> = self.floor.venue.markets.iter().map(|m| m.ticker.clone()).collect();
        let named = tickers.iter().find(|t| sent.frame.contains(&format!("\"{t}\"")));
        let other = tickers[self.rng.below(MARKETS)].clone();
        let replace = |frame: &str, ticker: Option<&String>, by: &str| {
            ticker.map_or(frame.to_owned(), |t| frame.replace(&format!("\"{t}\""), by))
        };
        match self.rng.below(8) {
            0 => {
                bad.frame.truncate(self.rng.below(sent.frame.len()));
                return (bad, false);
            }
            1 => {
                let at = self.rng.below(sent.frame.len());
                bad.frame.replace_range(at..=at, "\u{1}");
                return (bad, false);
            }
            2 => bad.frame = sent.frame.replace(r#""type":"orderbook"#, r#""type":"orderhook"#),
            3 => {
                bad.frame = sent.frame.replace(&format!(r#""sid":{BOOKS},"#), r#""sid":11,"#);
                return (bad, false);
            }
            4 => bad.frame = replace(&sent.frame, named, r#""KXDAMAGED""#),
            5 => bad.frame = replace(&sent.frame, named, &format!("\"{other}\"")),
            6 => bad.frame = sent.frame.replace(r#""side":"#, r#""sode":"#),
            _ => bad.frame = sent.frame.replace(r#""delta_fp":""#, r#""delta_fp":"-9999999"#),
        }
        (bad, true)
    }

    /// What becomes of one frame on a line with faults.
    fn suffer(&mut self, sent: Sent, past: &[Sent]) {
        match self.rng.below(6) {
            0 => {}
            1 => {
                self.arrive(&sent, true);
                self.arrive(&sent, true);
            }
            2 => {
                let later = self.next();
                self.arrive(&later, true);
                self.arrive(&sent, true);
            }
            3 => {
                let old = past[self.rng.below(past.len())].clone();
                self.arrive(&sent, true);
                self.arrive(&old, true);
            }
            _ => {
                let (bad, whole) = self.tamper(&sent);
                let harmless = bad.frame == sent.frame;
                self.arrive(&bad, whole || harmless);
            }
        }
    }
}

/// One seed; `fault_every` of 0 is a clean run.
fn run(seed: u64, fault_every: usize) -> Outcome {
    let mut run = Run::new(seed);
    let begun = run.floor.engine.counters().transitions;
    let mut past = Vec::new();
    for step in 0..500 {
        let sent = run.next();
        past.push(sent.clone());
        if fault_every > 0 && run.rng.once_in(fault_every) {
            run.suffer(sent, &past);
        } else {
            run.arrive(&sent, true);
        }
        if fault_every > 0 && run.rng.once_in(6) {
            run.mend();
        }
        if step % 20 == 0 {
            run.floor.ts += 20 * MS;
            run.floor.engine.advance(run.floor.ts);
            run.look("time");
        }
        if run.rng.once_in(150) {
            run.floor.engine.take_notices(0);
        }
    }
    run.outcome.transitions = run.floor.engine.counters().transitions - begun;
    run.outcome
}

#[test]
fn faults_of_all_kinds_never_make_a_live_book_wrong() {
    let mut all = Outcome::default();
    for seed in 0..120 {
        let outcome = run(seed, 10);
        all.live += outcome.live;
        all.not_live += outcome.not_live;
        all.causes.extend(outcome.causes);
    }
    assert!(all.live > 50_000 && all.not_live > 20_000, "{} {}", all.live, all.not_live);
    for cause in [Cause::Gap, Cause::OutOfOrder, Cause::Malformed, Cause::Underflow, Cause::Resync] {
        assert!(all.causes.contains(cause.name()), "{} in {:?}", cause.name(), all.causes);
    }
}

#[test]
fn a_clean_stream_changes_no_state() {
    for seed in 1_000..1_040 {
        let outcome = run(seed, 0);
        assert_eq!((outcome.transitions, outcome.not_live), (0, 0), "seed {seed}");
    }
}

/// A lost trade is no lost change.
#[test]
fn holes_among_trades_harm_no_book() {
    let mut run = Run::new(5);
    for _ in 0..50 {
        run.floor.venue.seq(TRADES);
        let frame = run.floor.venue.trade(0, 4_500, 100);
        let sent = run.sent(frame);
        run.arrive(&sent, true);
        let sent = run.next();
        run.arrive(&sent, true);
    }
    assert_eq!(
        (run.outcome.not_live, run.floor.engine.counters().gaps),
        (0, 49),
        "the first number is what it is"
    );
}
