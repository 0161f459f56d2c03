//! The paper ledger: what of each signal would have been captured, had an order for it arrived
//! a latency later, and what was already gone. It moves nothing and no book.

use super::bundle;
use super::steps::{Step, Steps};
use super::{Leg, Phase, RuleKind, View};
use crate::fees::{Role, Usd};
use crate::fixed::{Price, QTY_ONE, Qty};
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::time::Nanos;
use std::collections::VecDeque;

/// Fills kept for whoever asks; the totals go on counting.
const FILLS_KEPT: usize = 4_096;

/// An order on its way.
#[derive(Debug)]
struct Pending {
    due: Nanos,
    signal: u64,
    rule: RuleKind,
    rule_id: u32,
    qty: Qty,
    net_claimed: Usd,
    payout: Price,
    legs: Vec<Leg>,
}

/// What became of one signal on paper. Quantities 1e-8, money 1e-9 dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperFill {
    /// The signal's id.
    pub signal: u64,
    /// Its rule.
    pub rule: RuleKind,
    /// The rule's number.
    pub rule_id: u32,
    /// When the order arrived.
    pub ts: Nanos,
    /// Size the signal stated.
    pub qty: Qty,
    /// Size that every leg got.
    pub captured: Qty,
    /// The most that one leg got beyond that.
    pub unhedged: Qty,
    /// Net money the signal stated.
    pub net_claimed: Usd,
    /// Net money of what was captured, at the fees of what was filled.
    pub net_captured: Usd,
}

/// Sums over all fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaperTotals {
    /// Orders that have arrived.
    pub signals: u64,
    /// Those captured whole.
    pub whole: u64,
    /// Those captured in part.
    pub partial: u64,
    /// Those of which nothing was left.
    pub gone: u64,
    /// Those of which one leg was filled further than another.
    pub unhedged: u64,
    /// Net money stated by the signals.
    pub net_claimed: Usd,
    /// Net money captured.
    pub net_captured: Usd,
}

/// Orders on their way, and what became of the others.
#[derive(Debug)]
pub struct Ledger {
    latency: Nanos,
    pending: VecDeque<Pending>,
    fills: VecDeque<PaperFill>,
    totals: PaperTotals,
}

impl Ledger {
    /// A ledger whose orders take `latency` to arrive.
    #[must_use]
    pub fn new(latency: Nanos) -> Self {
        let (pending, fills) = (VecDeque::new(), VecDeque::new());
        Self { latency, pending, fills, totals: PaperTotals::default() }
    }

    /// How long its orders take to arrive.
    #[must_use]
    pub const fn latency(&self) -> Nanos {
        self.latency
    }

    /// Sends orders for the signals among `steps` that opened.
    pub fn send(&mut self, steps: &Steps, now: Nanos) {
        let opened = |s: &&Step| s.phase == Phase::Open && s.rule != RuleKind::Spread;
        for step in steps.list.iter().filter(opened) {
            let net = i128::from(step.found.net_edge) * i128::from(step.found.qty);
            self.pending.push_back(Pending {
                due: now.saturating_add(self.latency),
                signal: step.id,
                rule: step.rule,
                rule_id: step.rule_id,
                qty: step.found.qty,
                net_claimed: dollars(net),
                payout: step.found.payout,
                legs: steps.legs_of(step).to_vec(),
            });
        }
    }

    /// Whether an order has arrived by now.
    #[inline]
    #[must_use]
    pub(crate) fn due(&self, now: Nanos) -> bool {
        self.pending.front().is_some_and(|order| order.due <= now)
    }

    /// Fills the orders that have arrived against the books as they are.
    pub(crate) fn settle(&mut self, view: &View, now: Nanos) {
        while self.due(now)
            && let Some(order) = self.pending.pop_front()
        {
            let fill = fill(&order, view);
            let totals = &mut self.totals;
            totals.signals += 1;
            totals.whole += u64::from(fill.captured == fill.qty);
            totals.partial += u64::from(fill.captured > 0 && fill.captured < fill.qty);
            totals.gone += u64::from(fill.captured == 0);
            totals.unhedged += u64::from(fill.unhedged > 0);
            totals.net_claimed = totals.net_claimed.saturating_add(fill.net_claimed);
            totals.net_captured = totals.net_captured.saturating_add(fill.net_captured);
            if self.fills.len() == FILLS_KEPT {
                self.fills.pop_front();
            }
            self.fills.push_back(fill);
        }
    }

    /// A book is gone, and its id may become another's: orders on it find nothing.
    pub(crate) fn forget(&mut self, id: InstrumentId) {
        for leg in self.pending.iter_mut().flat_map(|order| &mut order.legs) {
            if leg.leg.instrument == id {
                leg.leg.instrument = UNKNOWN;
            }
        }
    }

    /// Sums over all orders that have arrived.
    #[must_use]
    pub fn totals(&self) -> &PaperTotals {
        &self.totals
    }

    /// Orders that have not arrived yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The newest fills, oldest first.
    pub fn fills(&self) -> impl Iterator<Item = &PaperFill> {
        self.fills.iter()
    }
}

fn fill(order: &Pending, view: &View) -> PaperFill {
    let got: Vec<Qty> = order.legs.iter().map(|leg| available(leg, view).min(order.qty)).collect();
    let captured = got.iter().copied().min().unwrap_or(0);
    let most = got.iter().copied().max().unwrap_or(0);
    PaperFill {
        signal: order.signal,
        rule: order.rule,
        rule_id: order.rule_id,
        ts: order.due,
        qty: order.qty,
        captured,
        unhedged: most - captured,
        net_claimed: order.net_claimed,
        net_captured: if captured > 0 { net(order, captured, view).unwrap_or(0) } else { 0 },
    }
}

/// What a leg's book offers at the signal's worst price or better.
fn available(leg: &Leg, view: &View) -> Qty {
    let Some((book, _)) = view.at(leg.leg.instrument) else { return 0 };
    if !book.readable() {
        return 0;
    }
    bundle::levels_of(leg.leg, book, view, leg.sell)
        .take_while(
            |&(price, _)| {
                if leg.sell { price >= leg.worst_price } else { price <= leg.worst_price }
            },
        )
        .fold(0, |sum: Qty, (_, qty)| sum.saturating_add(qty))
}

fn net(order: &Pending, qty: Qty, view: &View) -> Option<Usd> {
    let mut net = 0i128;
    for leg in &order.legs {
        let (book, about) = view.at(leg.leg.instrument)?;
        let mut fees = about.fees?.order(Role::Taker, leg.sell);
        let mut left = qty;
        for (price, there) in bundle::levels_of(leg.leg, book, view, leg.sell) {
            let here = there.min(left);
            if here == 0 {
                break;
            }
            fees.fill(here, price)?;
            let notional = i128::from(price) * i128::from(here);
            net += if leg.sell { notional } else { -notional };
            left -= here;
        }
        net -= i128::from(fees.total()?) * i128::from(QTY_ONE);
    }
    let payout = i128::from(order.payout) * i128::from(qty);
    let sold = order.legs.first().is_some_and(|leg| leg.sell);
    Some(dollars(if sold { net - payout } else { net + payout }))
}

/// Dollars of 1e-9 from 1e-17, cut off towards zero. What does not fit is the most that does, as
/// in the sums of the ledger.
fn dollars(amount: i128) -> Usd {
    let most = if amount < 0 { -Usd::MAX } else { Usd::MAX };
    Usd::try_from(amount / i128::from(QTY_ONE)).unwrap_or(most)
}
