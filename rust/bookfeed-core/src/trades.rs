//! The trade tape of one instrument: its last trade, and exact sums over rolling windows.
//!
//! The tape keeps *running totals* at each recent trade instead of the trades themselves, so
//! that a window of any length is two binary searches and a subtraction, whatever the number
//! of trades in it. Time is receive time; a window of length `w` at `now` is every trade with
//! `now - w < t <= now`. The tape expects each trade once: duplicates are the caller's to
//! drop.
//!
//! Memory is bounded: nothing before the first trade, then a ring that grows only while it is
//! full of trades younger than [`TapeLimits::window_ns_max`], up to
//! [`TapeLimits::trades_max`]. A window that reaches back to trades already forgotten says so
//! in [`TradeWindow::truncated`] instead of passing a partial sum off as a whole one.

#![allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "floats for presentation: nothing reads them back"
)]

use crate::event::Aggressor;
use crate::fixed::{PRICE_ONE, Price, Qty};
use crate::metrics::{Notional, Ratio, Terms, qty_f64};
use crate::time::{Nanos, SECOND};
use std::collections::VecDeque;

/// Size of the ring at the first trade: enough for most instruments, 4 KiB.
const FIRST_CAPACITY: usize = 64;

/// A trade, as printed by the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// Price, 1e-9.
    pub price: Price,
    /// Quantity, 1e-8.
    pub qty: Qty,
    /// Who crossed the spread, if the venue says so.
    pub aggressor: Option<Aggressor>,
    /// The venue's time, if it gives one.
    pub ts_event: Option<Nanos>,
    /// When we received it.
    pub ts_recv: Nanos,
}

/// How much a [`TradeTape`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeLimits {
    /// Trades older than this, seen from the newest, need not be kept.
    pub window_ns_max: Nanos,
    /// Most trades kept.
    pub trades_max: usize,
}

impl Default for TapeLimits {
    fn default() -> Self {
        Self { window_ns_max: 300 * SECOND, trades_max: 4096 }
    }
}

/// Sums over trades. Running totals wrap, so that they can go on for ever: the difference
/// of two of them is exact as long as that difference itself fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    notional: Notional,
    volume: i128,
    flow: i128,
}

impl Totals {
    fn plus(self, other: Self) -> Self {
        Self {
            notional: self.notional.wrapping_add(other.notional),
            volume: self.volume.wrapping_add(other.volume),
            flow: self.flow.wrapping_add(other.flow),
        }
    }

    fn since(self, start: Self) -> Self {
        Self {
            notional: self.notional.wrapping_sub(start.notional),
            volume: self.volume.wrapping_sub(start.volume),
            flow: self.flow.wrapping_sub(start.flow),
        }
    }
}

/// The running totals as they were after one trade.
#[derive(Clone, Copy, Debug)]
struct Mark {
    ts: Nanos,
    totals: Totals,
}

/// Last trade and rolling sums of one instrument, in bounded memory.
#[derive(Clone, Debug)]
pub struct TradeTape {
    limits: TapeLimits,
    last: Option<Print>,
    /// Times never decrease from front to back.
    ring: VecDeque<Mark>,
    /// The newest trade that the ring has forgotten: totals in the ring count from there.
    forgotten: Option<Mark>,
}

impl Default for TradeTape {
    fn default() -> Self {
        Self::new(TapeLimits::default())
    }
}

impl TradeTape {
    /// An empty tape; takes no memory beyond itself until the first trade.
    #[must_use]
    pub const fn new(limits: TapeLimits) -> Self {
        Self { limits, last: None, ring: VecDeque::new(), forgotten: None }
    }

    /// Adds a trade, in the order received. Returns whether it was recorded: a quantity that
    /// is not positive is no trade.
    ///
    /// Should receive time step backwards, the trade counts at the newest time already on
    /// the tape, so that the order of arrival stays the order of time.
    pub fn push(&mut self, print: Print) -> bool {
        if print.qty <= 0 {
            return false;
        }
        self.last = Some(print);
        let newest = self.ring.back();
        let ts = newest.map_or(print.ts_recv, |mark| mark.ts.max(print.ts_recv));
        let trade = trade_totals(&print);
        self.make_room(ts, trade.notional);
        self.ring.push_back(Mark { ts, totals: self.running().plus(trade) });
        true
    }

    /// The newest trade.
    #[inline]
    #[must_use]
    pub const fn last(&self) -> Option<&Print> {
        self.last.as_ref()
    }

    /// Trades received in `(now - window_ns, now]`.
    ///
    /// Windows longer than [`TapeLimits::window_ns_max`], and a `now` in the past, are
    /// answered too; [`TradeWindow::truncated`] tells whether the tape still covered them.
    #[must_use]
    pub fn window(&self, now: Nanos, window_ns: Nanos) -> TradeWindow {
        let after = now.saturating_sub(window_ns.max(0));
        let end = self.ring.partition_point(|mark| mark.ts <= now);
        let start = self.ring.partition_point(|mark| mark.ts <= after).min(end);
        let sums = self.totals_before(end).since(self.totals_before(start));
        TradeWindow {
            count: end - start,
            volume: sums.volume,
            notional: sums.notional,
            signed_flow: sums.flow,
            truncated: self.forgotten.is_some_and(|mark| mark.ts > after),
        }
    }

    /// Forgets everything but the memory it lies in, as for a new run of the feed.
    pub fn clear(&mut self) {
        self.last = None;
        self.ring.clear();
        self.forgotten = None;
    }

    /// Running totals before the ring's trade number `index`.
    fn totals_before(&self, index: usize) -> Totals {
        match index.checked_sub(1).and_then(|before| self.ring.get(before)) {
            Some(mark) => mark.totals,
            None => self.forgotten.map_or(Totals::default(), |mark| mark.totals),
        }
    }

    fn running(&self) -> Totals {
        self.totals_before(self.ring.len())
    }

    /// Makes room for a trade at `ts`: forgets what is too old first, then grows, then
    /// forgets the oldest. Also keeps the sum over the whole ring within 128 bits, which
    /// makes every window exact; only absurd sizes (beyond 1e21 units of money) get there.
    fn make_room(&mut self, ts: Nanos, notional: Notional) {
        if self.ring.len() == self.ring.capacity() || self.ring.len() >= self.limits.trades_max {
            let horizon = ts.saturating_sub(self.limits.window_ns_max);
            while self.ring.front().is_some_and(|mark| mark.ts <= horizon) {
                self.forget_oldest();
            }
            self.grow();
        }
        while self.ring.len() >= self.limits.trades_max.max(1) {
            self.forget_oldest();
        }
        while !self.ring.is_empty() && self.ring_notional().checked_add(notional).is_none() {
            self.forget_oldest();
        }
    }

    fn grow(&mut self) {
        let (len, most) = (self.ring.len(), self.limits.trades_max.max(1));
        if len == self.ring.capacity() && len < most {
            self.ring.reserve_exact(len.max(FIRST_CAPACITY).min(most - len));
        }
    }

    fn ring_notional(&self) -> Notional {
        self.running().since(self.totals_before(0)).notional
    }

    fn forget_oldest(&mut self) {
        self.forgotten = self.ring.pop_front().or(self.forgotten);
    }
}

fn trade_totals(print: &Print) -> Totals {
    let qty = i128::from(print.qty);
    let flow = match print.aggressor {
        Some(Aggressor::Buy) => qty,
        Some(Aggressor::Sell) => -qty,
        None => 0,
    };
    Totals { notional: Notional::from(print.price) * qty, volume: qty, flow }
}

/// Exact sums over the trades of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeWindow {
    /// Number of trades.
    pub count: usize,
    /// Quantity traded, 1e-8.
    pub volume: i128,
    /// Price times quantity, 1e-17.
    pub notional: Notional,
    /// Quantity bought less quantity sold by aggressors, 1e-8; a trade whose aggressor is
    /// unknown adds to the volume only.
    pub signed_flow: i128,
    /// Whether trades of the window are missing, because the tape had to forget them.
    pub truncated: bool,
}

impl TradeWindow {
    /// The same trades in other terms: what one side of a contract sold at a price, the other
    /// bought at what that price leaves of the payout.
    #[must_use]
    pub fn in_terms(self, terms: Terms) -> Self {
        let Some(payout) = terms.payout() else { return self };
        // No overflow: at a payout of one it would take 2^34 trades of 2^63 each.
        let notional = Notional::from(payout) * self.volume - self.notional;
        Self { notional, signed_flow: -self.signed_flow, ..self }
    }

    /// Volume-weighted average price, 1e-9; `None` without volume.
    #[must_use]
    pub const fn vwap(&self) -> Option<Ratio> {
        Ratio::new(self.notional, self.volume)
    }

    /// Volume-weighted average price in whole price units; `None` without volume.
    #[must_use]
    pub fn vwap_f64(&self) -> Option<f64> {
        // No overflow: it would take 2^34 trades of 2^63 each, a ring of a tebibyte.
        Ratio::new(self.notional, self.volume * i128::from(PRICE_ONE)).map(Ratio::value_f64)
    }

    /// Signed flow over volume, -1 (all sold) to 1 (all bought); `None` without volume.
    #[must_use]
    pub const fn trade_imbalance(&self) -> Option<Ratio> {
        Ratio::new(self.signed_flow, self.volume)
    }

    /// Quantity traded in whole units.
    #[must_use]
    pub fn volume_f64(&self) -> f64 {
        qty_f64(self.volume)
    }

    /// Signed flow in whole units.
    #[must_use]
    pub fn signed_flow_f64(&self) -> f64 {
        qty_f64(self.signed_flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::QTY_ONE;

    fn print(ts_recv: Nanos, price: Price, qty: Qty, aggressor: Option<Aggressor>) -> Print {
        Print { price, qty, aggressor, ts_event: None, ts_recv }
    }

    fn tape(trades_max: usize, times: impl IntoIterator<Item = Nanos>) -> TradeTape {
        let mut tape = TradeTape::new(TapeLimits { window_ns_max: 1_000, trades_max });
        for ts in times {
            assert!(tape.push(print(ts, PRICE_ONE, QTY_ONE, None)));
        }
        tape
    }

    #[test]
    fn costs_nothing_until_the_first_trade() {
        let mut tape = TradeTape::default();
        assert_eq!(tape.ring.capacity(), 0);
        assert!(!tape.push(print(1, PRICE_ONE, 0, None)));
        assert_eq!((tape.ring.capacity(), tape.last()), (0, None));
        let window = tape.window(0, i64::MAX);
        assert_eq!((window.count, window.vwap_f64(), window.truncated), (0, None, false));
        assert!(window.vwap().is_none() && window.trade_imbalance().is_none());
    }

    #[test]
    fn a_window_is_open_in_the_past_and_closed_now() {
        let tape = tape(8, [10, 20, 20, 30]);
        for (now, window_ns, count) in
            [(30, 10, 1), (30, 11, 3), (30, 0, 0), (29, 19, 2), (29, 20, 3), (9, 100, 0), (30, -5, 0)]
        {
            assert_eq!(tape.window(now, window_ns).count, count, "({now} - {window_ns}, {now}]");
        }
    }

    #[test]
    fn sums_and_signs() {
        let mut tape = TradeTape::default();
        tape.push(print(1, 400_000_000, 3 * QTY_ONE, Some(Aggressor::Buy)));
        tape.push(print(2, 500_000_000, QTY_ONE, Some(Aggressor::Sell)));
        tape.push(print(3, 900_000_000, QTY_ONE, None));
        let window = tape.window(3, SECOND);
        assert_eq!((window.volume_f64(), window.signed_flow_f64()), (5.0, 2.0));
        assert_eq!(window.vwap_f64(), Some(0.52));
        assert_eq!(window.trade_imbalance().map(Ratio::value_f64), Some(0.4));
        assert_eq!(tape.last().map(|last| last.price), Some(900_000_000));
        tape.clear();
        assert_eq!((tape.last(), tape.window(3, SECOND).count), (None, 0));
    }

    #[test]
    fn says_when_it_has_forgotten() {
        let tape = tape(4, [10, 20, 30, 40, 50]);
        let whole = tape.window(50, 40);
        assert_eq!((whole.count, whole.truncated), (4, false));
        let cut = tape.window(50, 41);
        assert_eq!((cut.count, cut.truncated), (4, true));
    }

    #[test]
    fn grows_only_with_trades_young_enough_to_matter() {
        let slow = tape(4096, (0..10_000).map(|i| i * 100));
        assert!(slow.ring.capacity() < 2 * FIRST_CAPACITY);
        assert!(!slow.window(999_900, 1_000).truncated);
        let fast = tape(4096, 0..10_000);
        assert!(fast.ring.capacity() >= 1_000 && fast.ring.capacity() < 4096);
        assert_eq!(fast.window(9_999, 1_000).count, 1_000);
        let crowded = tape(100, 0..10_000);
        assert_eq!((crowded.ring.capacity(), crowded.ring.len()), (100, 100));
    }

    #[test]
    fn time_that_steps_back_keeps_the_order_of_arrival() {
        let tape = tape(8, [100, 40, 120]);
        assert_eq!(tape.window(100, 10).count, 2);
        assert_eq!(tape.window(120, 20).count, 1);
        let recv = [100, 40].map(|ts| tape.window(ts, 1).count);
        assert_eq!(recv, [2, 0]);
    }

    #[test]
    fn absurd_sizes_are_exact_or_forgotten() {
        let mut tape = TradeTape::default();
        for ts in 1..=4 {
            assert!(tape.push(print(ts, i64::MAX, i64::MAX, Some(Aggressor::Sell))));
        }
        let square = i128::from(i64::MAX) * i128::from(i64::MAX);
        let window = tape.window(4, 3);
        assert_eq!((window.count, window.notional, window.truncated), (2, 2 * square, true));
        assert_eq!(window.signed_flow, -2 * i128::from(i64::MAX));
        assert_eq!(window.vwap_f64(), Some(9_223_372_036.854_776));
    }
}
