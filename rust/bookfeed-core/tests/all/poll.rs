//! Books kept by polling: what an answer may replace, how old it may be, and who has the last word.

use crate::support::kalshi::{BOOKS, Floor, Kalshi, Market as Ticker, contracts, dollars};
use crate::support::records::{drain, levels, shown, true_levels};
use crate::support::venue::{MS, Market, T0, policy};
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::engine::{Config, Engine, HashCheck};
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::instrument::{UNKNOWN, Venue};
use bookfeed_core::signals::{Params, RuleError};

const SECOND: i64 = 1_000_000_000;

/// One Polymarket market that nothing streams.
struct Desk {
    engine: Engine,
    market: Market,
    ts: i64,
}

impl Desk {
    fn new(config: Config) -> Self {
        let (mut engine, market) = (Engine::new(config), Market::new(1, 20));
        market.subscribe(&mut engine, 0, T0);
        drain(&mut engine);
        Self { engine, market, ts: T0 }
    }

    /// An answer that was asked for `ago` before it comes; the records as `outcome kind state cause`.
    fn poll_after(&mut self, body: &str, ago: i64) -> Vec<String> {
        self.ts += 10 * MS;
        self.engine.ingest_poll(0, body.as_bytes(), UNKNOWN, self.ts - ago, self.ts);
        self.records()
    }

    fn poll(&mut self, body: &str) -> Vec<String> {
        self.poll_after(body, 5 * MS)
    }

    fn books(&self) -> String {
        format!("[{},{}]", self.market.rest(0), self.market.rest(1))
    }

    fn records(&mut self) -> Vec<String> {
        let (updates, _) = drain(&mut self.engine);
        updates.iter().map(|u| format!("{} {}", u.instrument, u.short())).collect()
    }

    fn wait(&mut self, time: i64) -> Vec<String> {
        self.ts += time;
        self.engine.advance(self.ts);
        self.records()
    }

    fn standing(&self, id: u32) -> (State, Cause) {
        shown(&self.engine, id)
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|id| self.standing(id).0)
    }

    fn is_true(&self, outcome: usize) -> bool {
        levels(&self.engine, u32::try_from(outcome).unwrap()) == true_levels(&self.market.books[outcome])
    }

    fn stream(&mut self) {
        self.ts += MS;
        self.engine.connected(0, Venue::POLYMARKET, "", self.ts).unwrap();
        let frame = self.market.books_frame();
        self.ts += MS;
        self.engine.ingest(0, frame.as_bytes(), self.ts);
        drain(&mut self.engine);
        assert_eq!(self.states(), [State::Live; 2]);
    }

    fn cut(&mut self) {
        self.ts += MS;
        self.engine.disconnected(0, self.ts);
        drain(&mut self.engine);
    }
}

fn desk() -> Desk {
    Desk::new(policy(HashCheck::Sampled))
}

#[test]
fn an_answer_makes_a_book_live_poll_and_never_live() {
    for check in [HashCheck::Off, HashCheck::Sampled, HashCheck::Always] {
        let mut desk = Desk::new(policy(check));
        let body = desk.books();
        let told = desk.poll(&body);
        let expected = ["0 state live_poll polled", "0 book live_poll polled"];
        assert_eq!(told[..2], expected, "{check:?}");
        assert_eq!(desk.states(), [State::LivePoll; 2]);
        assert!(desk.is_true(0) && desk.is_true(1));
        let book = desk.engine.book(0).unwrap();
        assert!(!book.believable() && book.readable() && book.epoch == 1);
        assert_eq!(desk.engine.ts_evidence(0), desk.ts - 5 * MS, "as old as the question");
        // The next one is the same run, and says only what it is by now.
        desk.market.ms += 1;
        desk.market.set(0, true, 380, "77");
        let body = desk.books();
        assert_eq!(desk.poll(&body), ["0 book live_poll polled", "1 book live_poll polled"]);
        assert!(desk.is_true(0) && desk.engine.book(0).unwrap().epoch == 1);
    }
}

#[test]
fn it_holds_for_its_age_and_no_longer() {
    let mut desk = desk();
    let body = desk.books();
    desk.poll_after(&body, SECOND);
    assert_eq!(desk.wait(9 * SECOND - MS), [""; 0]);
    assert_eq!(desk.wait(MS), ["0 state stale expired", "1 state stale expired"]);
    assert_eq!(desk.engine.book(0).unwrap().touch.bid, ABSENT);
    let body = desk.books();
    desk.poll(&body);
    assert_eq!(desk.states(), [State::LivePoll; 2]);
    assert_eq!(desk.engine.book(0).unwrap().epoch, 2);
    // What a cache kept for longer than that is of no use.
    desk.wait(10 * SECOND);
    let body = desk.books();
    assert_eq!(desk.poll_after(&body, 10 * SECOND), [""; 0]);
}

#[test]
fn a_stream_ends_polling_with_its_first_word() {
    let mut desk = desk();
    let body = desk.books();
    desk.poll(&body);
    desk.ts += MS;
    desk.engine.connected(0, Venue::POLYMARKET, "", desk.ts).unwrap();
    assert_eq!(desk.records(), ["0 state syncing subscribed", "1 state syncing subscribed"]);
    // An answer that was under way comes too late.
    let rejected = desk.engine.counters().rest_rejected;
    assert_eq!(desk.poll(&body), [""; 0]);
    assert_eq!(desk.states(), [State::Syncing; 2]);
    let frame = desk.market.books_frame();
    desk.ts += MS;
    desk.engine.ingest(0, frame.as_bytes(), desk.ts);
    assert_eq!(desk.states(), [State::Live; 2]);
    assert_eq!(desk.poll(&body).len(), 4, "what the stream said");
    assert_eq!(desk.states(), [State::Live; 2]);
    assert_eq!(desk.engine.counters().rest_rejected, rejected + 4);
    // Nor does it end when the polled book would have.
    desk.wait(20 * SECOND);
    assert_eq!(desk.states(), [State::Live; 2]);
}

#[test]
fn what_was_asked_before_the_stream_was_lost_replaces_nothing() {
    let mut desk = desk();
    desk.stream();
    let body = desk.books();
    desk.cut();
    assert_eq!(desk.poll_after(&body, 100 * MS), [""; 0]);
    assert_eq!(desk.standing(0), (State::Stale, Cause::Disconnected));
    assert_eq!(desk.engine.book(0).unwrap().evidence.of(Evidence::OutOfOrder), 1);
    desk.poll(&body);
    assert_eq!(desk.states(), [State::LivePoll; 2]);
}

#[test]
fn answers_that_overtake_each_other_never_turn_a_book_back() {
    let mut desk = desk();
    let old = desk.books();
    desk.market.ms += 50;
    desk.market.set(0, true, 380, "77");
    let new = desk.books();
    desk.poll(&new);
    // By the venue's own time, whenever it was asked for; and by when it was asked for.
    assert_eq!(desk.poll(&old), [""; 0]);
    assert_eq!(desk.poll_after(&new, 60 * MS), [""; 0]);
    assert!(desk.is_true(0) && desk.states() == [State::LivePoll; 2]);
}

#[test]
fn what_is_no_book_is_not_an_empty_one() {
    let mut desk = desk();
    let body = desk.books();
    desk.poll(&body);
    let whole = desk.market.rest(0);
    let cut = &whole[..whole.len() / 2];
    let pages = ["<!DOCTYPE html><html><body>busy</body></html>", "", "{}", "[]", "null", cut];
    for page in pages {
        assert_eq!(desk.poll(page), [""; 0], "{page:?}");
        assert!(desk.is_true(0) && desk.states() == [State::LivePoll; 2], "{page:?}");
    }
    let (id, no_sides) = (&desk.market.assets[0], r#""timestamp":"1","hash":"""#);
    let broken = format!(r#"[{{"asset_id":"{id}","bids":[],{no_sides}}},{}]"#, desk.market.rest(1));
    assert_eq!(desk.poll(&broken), ["1 book live_poll polled"], "its neighbour is not harmed");
}

#[test]
fn a_book_that_denies_its_hash_or_crosses_is_stale() {
    let mut desk = Desk::new(policy(HashCheck::Always));
    let body = desk.books();
    desk.poll(&body);
    desk.market.ms += 1;
    let honest = desk.market.rest(0);
    let size = honest.find(r#""size":""#).unwrap() + 8;
    let forged = format!("{}9{}", &honest[..size], &honest[size..]);
    let told = desk.poll(&forged);
    assert_eq!(told, ["0 state stale hash_mismatch"]);
    assert_eq!(desk.states(), [State::Stale, State::LivePoll]);
}

/// A book of nothing but the two ends, as the venue now and then answers.
fn ghost(desk: &Desk) -> String {
    let (id, ms) = (&desk.market.assets[0], desk.market.ms);
    format!(
        r#"[{{"market":"0x0","asset_id":"{id}","timestamp":"{ms}","hash":"","bids":[{{"price":"0.01","size":"5"}}],"asks":[{{"price":"0.99","size":"5"}}],"min_order_size":"5","tick_size":"0.001","neg_risk":false,"last_trade_price":"0.5"}}]"#
    )
}

fn prices(desk: &Desk, bid: &str, ask: &str) -> String {
    format!(r#"{{"{}":{{"BUY":"{bid}","SELL":"{ask}"}}}}"#, desk.market.assets[0])
}

#[test]
fn a_ghost_needs_a_witness() {
    let mut desk = Desk::new(policy(HashCheck::Off));
    let body = desk.books();
    desk.poll(&body);
    desk.market.ms += 1;
    let ghost = ghost(&desk);
    assert_eq!(desk.poll(&ghost), [""; 0]);
    assert!(desk.is_true(0));
    assert_eq!(desk.engine.poll_doubts(0), [0]);
    // The touch alone says otherwise.
    let touch = prices(&desk, "0.4", "0.401");
    assert_eq!(desk.poll(&touch), [""; 0]);
    assert_eq!(desk.poll(&ghost), [""; 0]);
    assert_eq!(desk.engine.book(0).unwrap().evidence.of(Evidence::RestMismatch), 1);
}

#[test]
fn a_market_that_is_like_that_is_believed_with_a_witness_once() {
    for (bid, ask) in [("0.01", "0.99"), ("0", "1"), ("0.002", "0.999")] {
        let mut desk = Desk::new(policy(HashCheck::Off));
        let ghost = ghost(&desk);
        desk.poll(&ghost);
        assert_eq!(desk.standing(0), (State::Syncing, Cause::Subscribed));
        let touch = prices(&desk, bid, ask);
        desk.poll(&touch);
        let told = desk.poll(&ghost);
        assert_eq!(told.last().unwrap(), "0 book live_poll polled", "{bid} {ask}");
        assert_eq!(desk.engine.poll_doubts(0), [0; 0]);
        for _ in 0..3 {
            desk.wait(9 * SECOND);
            assert_eq!(desk.poll(&ghost), ["0 book live_poll polled"]);
        }
    }
}

#[test]
fn a_witness_of_long_ago_is_none() {
    let mut desk = Desk::new(policy(HashCheck::Off));
    let touch = prices(&desk, "0.01", "0.99");
    desk.poll(&touch);
    desk.wait(20 * SECOND);
    let ghost = ghost(&desk);
    assert_eq!(desk.poll(&ghost), [""; 0]);
    assert_eq!(desk.engine.poll_doubts(0), [0]);
}

#[test]
fn words_that_are_no_prices_are_counted() {
    let mut desk = desk();
    let (id, odd) = (desk.market.assets[0].clone(), prices(&desk, "x", "0.5"));
    for body in [format!(r#"{{"{id}":7}}"#), format!(r#"{{"{id}":{{}}}}"#), odd] {
        let rejected = desk.engine.counters().rest_rejected;
        desk.poll(&body);
        assert_eq!(desk.engine.counters().rest_rejected, rejected + 1, "{body}");
    }
    desk.poll(r#"{"77":{"BUY":"0.4"}}"#);
    assert_eq!(desk.engine.counters().unknown_instruments, 1);
}

// Kalshi: no time, no number, no digest; both sides are always there.

fn answer(markets: &[Ticker]) -> String {
    let side = |bids: &crate::support::kalshi::Bids| {
        let level = |(&price, &size): (&u32, &u64)| {
            format!(r#"["{}","{}"]"#, dollars(price), contracts(i64::try_from(size).unwrap()))
        };
        bids.iter().map(level).collect::<Vec<_>>().join(",")
    };
    let book = |market: &Ticker| {
        let (yes, no) = (side(&market.yes), side(&market.no));
        let sides = format!(r#"{{"yes_dollars":[{yes}],"no_dollars":[{no}]}}"#);
        format!(r#"{{"ticker":"{}","orderbook_fp":{sides}}}"#, market.ticker)
    };
    format!(r#"{{"orderbooks":[{}]}}"#, markets.iter().map(book).collect::<Vec<_>>().join(","))
}

fn poll(floor: &mut Floor, body: &str) {
    floor.ts += 10 * MS;
    let asked = floor.ts - 5 * MS;
    floor.engine.ingest_poll(0, body.as_bytes(), UNKNOWN, asked, floor.ts);
}

#[test]
fn kalshis_books_are_polled_without_a_connection_and_streamed_with_one() {
    for yes_prices in [false, true] {
        let mut floor = Floor::silent(Config::default(), 2, yes_prices);
        floor.engine.disconnected(0, floor.ts);
        let body = answer(&floor.venue.markets);
        poll(&mut floor, &body);
        assert_eq!(floor.states(), [State::LivePoll; 2]);
        assert!(floor.is_true(0) && floor.is_true(1), "NO is at its own price, whatever the mode");
        let mode = if yes_prices { "use_yes_price" } else { "" };
        floor.ts += MS;
        floor.engine.connected(0, Venue::KALSHI, mode, floor.ts).unwrap();
        assert_eq!(floor.states(), [State::Syncing; 2]);
        floor.say(&Kalshi::subscribed("orderbook_delta", BOOKS));
        floor.snapshot(0);
        poll(&mut floor, &body);
        assert_eq!(floor.states(), [State::Live, State::Syncing]);
        floor.snapshot(1);
        floor.delta(0, true, 4_400, 100);
        assert!(floor.is_true(0) && floor.states() == [State::Live; 2]);
    }
}

#[test]
fn an_empty_book_is_one_where_both_sides_say_so() {
    let mut floor = Floor::silent(Config::default(), 1, false);
    floor.engine.disconnected(0, floor.ts);
    let ticker = floor.venue.markets[0].ticker.clone();
    let body =
        |sides: &str| format!(r#"{{"orderbooks":[{{"ticker":"{ticker}","orderbook_fp":{sides}}}]}}"#);
    for sides in [r"{}", r#"{"yes_dollars":[]}"#, r#"{"yes_dollars":null,"no_dollars":[]}"#] {
        poll(&mut floor, &body(sides));
        assert_eq!(floor.states(), [State::Stale], "{sides}");
    }
    poll(&mut floor, &body(r#"{"yes_dollars":[],"no_dollars":[]}"#));
    assert_eq!(floor.states(), [State::LivePoll]);
}

// Rules.

fn rule(engine: &mut Engine, more: &[(&str, &str)]) -> Result<u32, RuleError> {
    let usual = [("mode", "absolute"), ("when", "wide"), ("open", "0.0001")];
    let texts = usual.iter().chain(more).map(|&(k, v)| (k.to_owned(), v.to_owned()));
    engine.add_rule("spread", &texts.collect::<Params>())
}

#[test]
fn no_rule_signals_on_it_unless_it_asks_to() {
    for allow in [None, Some("off"), Some("on")] {
        let mut desk = desk();
        let more: Vec<_> = allow.map(|word| ("allow_poll", word)).into_iter().collect();
        rule(&mut desk.engine, &more).unwrap();
        let body = desk.books();
        desk.ts += 10 * MS;
        desk.engine.ingest_poll(0, body.as_bytes(), UNKNOWN, desk.ts - MS, desk.ts);
        let (_, signals) = drain(&mut desk.engine);
        assert_eq!(signals.len(), if allow == Some("on") { 2 } else { 0 }, "{allow:?}");
        assert!(signals.iter().all(|s| s.legs[0].state == State::LivePoll));
        // With the connection, polling ends, and what rests on it.
        desk.ts += MS;
        desk.engine.connected(0, Venue::POLYMARKET, "", desk.ts).unwrap();
        let (_, closed) = drain(&mut desk.engine);
        assert_eq!(closed.len(), signals.len());
    }
    let error = rule(&mut desk().engine, &[("allow_poll", "yes")]).unwrap_err();
    assert!(error.0.contains("allow_poll must be one of off, on"), "{}", error.0);
}
