//! Complement rule: both outcomes of a binary market together cost less than one to buy, or
//! bring more than one when sold, net of that market's fees, walked through both ladders to
//! the size where the marginal net edge falls to the threshold.
//!
//! The two books of a market mirror each other, so this hardly ever happens in truth: seen,
//! it is a torn book first and an opportunity second. It is refused unless the books mirror
//! each other at their touches or the venue's own hashes vouch for both.

use super::fees::{Fees, Order, Role, Usd};
use super::{
    Assessment, Direction, Found, Gates, Leg, MAX_LEGS, ParamReader, Params, Refusal, Rule, RuleError,
    RuleKind, Subject, View,
};
use crate::book::Book;
use crate::book::ladder::Ladder;
use crate::event::Level;
use crate::fixed::{PRICE_ONE, Price, QTY_ONE, Qty};
use crate::instrument::{InstrumentId, Instruments};

/// The rule and its threshold.
#[derive(Debug)]
pub struct ComplementRule {
    /// Smallest marginal net edge per pair of shares.
    min_edge: Price,
    gates: Gates,
}

/// What walking one leg has taken so far.
#[derive(Clone, Copy, Default)]
struct Taken {
    qty: Qty,
    /// Price times quantity, 1e-17.
    notional: i128,
    fee: Usd,
    worst: Price,
}

/// One leg being walked: the level in hand and what is left of it.
struct Walk<'a> {
    /// Levels behind the one in hand, the next best last.
    levels: &'a [Level],
    price: Price,
    left: Qty,
    fees: Fees,
    order: Order,
    taken: Taken,
    /// Taken from the level in hand; its fee is added when the level is left.
    here: Qty,
}

impl<'a> Walk<'a> {
    fn new(direction: Direction, book: &'a Book, fees: Fees) -> Option<Self> {
        let ladder = ComplementRule::ladder(direction, book);
        let (best, levels) = ladder.levels().split_last()?;
        let taken = Taken::default();
        let order = fees.order(Role::Taker, direction == Direction::Sell);
        Some(Self { levels, price: best.price, left: best.qty, fees, order, taken, here: 0 })
    }

    fn marginal(&self) -> Option<Price> {
        self.fees.marginal(Role::Taker, self.price)
    }

    fn take(&mut self, qty: Qty) {
        self.left -= qty;
        self.here += qty;
        self.taken.qty += qty;
        self.taken.notional += i128::from(self.price) * i128::from(qty);
        self.taken.worst = self.price;
    }

    /// Settles the fee of the level in hand: each level is one fill, rounded by itself.
    fn settle(&mut self) -> Option<()> {
        if self.here > 0 {
            self.taken.fee = self.taken.fee.checked_add(self.order.fill(self.here, self.price)?)?;
            self.here = 0;
        }
        Some(())
    }

    /// Moves on if the level in hand is used up; `Some(false)` when the ladder ends.
    fn advance(&mut self) -> Option<bool> {
        if self.left > 0 {
            return Some(true);
        }
        self.settle()?;
        match self.levels.split_last() {
            Some((next, levels)) => {
                (self.levels, self.price, self.left) = (levels, next.price, next.qty);
                Some(true)
            }
            None => Some(false),
        }
    }
}

/// Dollars of 1e-9 from a notional of 1e-17, rounded towards zero.
fn usd(notional: i128) -> Option<Usd> {
    i64::try_from(notional / i128::from(QTY_ONE)).ok()
}

impl ComplementRule {
    /// The rule from its parameters: `min_edge` (price units), and the common gates.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn new(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("complement", params);
        let min_edge = reader.decimal::<9>("min_edge", Some(1))?;
        let gates = reader.gates()?;
        reader.finish()?;
        Ok(Self { min_edge: min_edge.max(1), gates })
    }

    /// Edge of one pair of shares at these prices, before fees.
    #[inline]
    fn gross(direction: Direction, a: Price, b: Price) -> Price {
        if direction == Direction::Buy { PRICE_ONE - a - b } else { a + b - PRICE_ONE }
    }

    #[inline]
    fn ladder(direction: Direction, book: &Book) -> &Ladder {
        if direction == Direction::Buy { &book.asks } else { &book.bids }
    }

    /// Gross edge at the touch, if both books have one.
    #[inline]
    fn touch_edge(subject: &Subject, view: &View) -> Option<Price> {
        let [a, b] = subject.instruments;
        let (a, b) = (&view.books.get(a as usize)?.touch, &view.books.get(b as usize)?.touch);
        let (a, b) = if subject.direction == Direction::Buy { (a.ask, b.ask) } else { (a.bid, b.bid) };
        (a > 0 && b > 0).then(|| Self::gross(subject.direction, a, b))
    }

    /// Walks both ladders together while the marginal net edge holds.
    fn walk(&self, direction: Direction, a: &mut Walk, b: &mut Walk) -> Option<()> {
        loop {
            let fees = a.marginal()? + b.marginal()?;
            if Self::gross(direction, a.price, b.price) - fees < self.min_edge {
                break;
            }
            let qty = a.left.min(b.left);
            a.take(qty);
            b.take(qty);
            if !(a.advance()? && b.advance()?) {
                break;
            }
        }
        a.settle()?;
        b.settle()
    }

    fn found(&self, subject: &Subject, value: Price, legs: [Taken; MAX_LEGS]) -> Option<Found> {
        let qty = legs[0].qty;
        let direction = subject.direction;
        let paid = legs[0].notional + legs[1].notional;
        let pair = i128::from(PRICE_ONE) * i128::from(qty);
        let gross = if direction == Direction::Buy { pair - paid } else { paid - pair };
        let fee = legs[0].fee.checked_add(legs[1].fee)?;
        let net = gross - i128::from(fee) * i128::from(QTY_ONE);
        let per_share = |total: i128| i64::try_from(total / i128::from(qty)).ok();
        let leg = |i: usize| {
            Some(Leg {
                instrument: subject.instruments[i],
                sell: direction == Direction::Sell,
                avg_price: per_share(legs[i].notional)?,
                worst_price: legs[i].worst,
                qty,
                fee: legs[i].fee,
            })
        };
        // Buying pays for both legs; selling needs a pair minted at one each.
        let capital = if direction == Direction::Buy { paid } else { pair };
        Some(Found {
            value,
            qty,
            gross_edge: per_share(gross)?,
            net_edge: per_share(net)?,
            fee,
            capital: usd(capital)?.checked_add(fee)?,
            direction,
            legs: [leg(0)?, leg(1)?],
            leg_count: 2,
        })
    }
}

/// Whether two books of a market mirror each other at their touches.
#[must_use]
pub fn mirrored(a: &Book, b: &Book) -> bool {
    let flip = |best: Option<(Price, Qty)>| best.map(|(price, qty)| (PRICE_ONE - price, qty));
    a.bids.best() == flip(b.asks.best()) && a.asks.best() == flip(b.bids.best())
}

impl Rule for ComplementRule {
    fn kind(&self) -> RuleKind {
        RuleKind::Complement
    }

    fn gates(&self) -> &Gates {
        &self.gates
    }

    fn subjects(&self, added: InstrumentId, instruments: &Instruments) -> Vec<Subject> {
        let Some(sibling) = instruments.at(added).and_then(|i| i.sibling) else { return Vec::new() };
        let pair = [sibling.min(added), sibling.max(added)];
        let subject = |direction| Subject { instruments: pair, count: 2, direction };
        vec![subject(Direction::Buy), subject(Direction::Sell)]
    }

    fn rests_on_hash(&self) -> bool {
        true
    }

    fn quiet(&self, subject: &Subject, view: &View) -> bool {
        Self::touch_edge(subject, view).is_none_or(|edge| edge < self.min_edge)
    }

    fn assess(&self, subject: &Subject, view: &View) -> Assessment {
        let [a, b] = subject.instruments;
        let (Some((book_a, about_a)), Some((book_b, about_b))) = (view.at(a), view.at(b)) else {
            return Assessment::Quiet;
        };
        let Some(value) = Self::touch_edge(subject, view) else { return Assessment::Quiet };
        if book_a.crossed() || book_b.crossed() {
            return Assessment::Refused(Refusal::Crossed);
        }
        let vouched = book_a.verified() && book_b.verified();
        if !vouched && !mirrored(book_a, book_b) {
            let hashed = book_a.hash.profile.is_some() && book_b.hash.profile.is_some();
            return Assessment::Refused(if hashed { Refusal::Hash } else { Refusal::Torn });
        }
        let known = |fees: Option<Fees>| fees.filter(Fees::supported);
        let (Some(fees_a), Some(fees_b)) = (known(about_a.fees), known(about_b.fees)) else {
            return Assessment::Refused(Refusal::FeeUnknown);
        };
        let direction = subject.direction;
        let (Some(mut walk_a), Some(mut walk_b)) =
            (Walk::new(direction, book_a, fees_a), Walk::new(direction, book_b, fees_b))
        else {
            return Assessment::Quiet;
        };
        if self.walk(direction, &mut walk_a, &mut walk_b).is_none() {
            return Assessment::Refused(Refusal::Overflow);
        }
        let legs = [walk_a.taken, walk_b.taken];
        if legs[0].qty == 0 {
            return Assessment::Refused(Refusal::Fees);
        }
        if legs[0].qty < self.gates.min_qty {
            return Assessment::Refused(Refusal::MinQty);
        }
        match self.found(subject, value, legs) {
            // Rounding fees level by level can cost more than the marginal edge promised.
            Some(found) if found.net_edge < self.min_edge => Assessment::Refused(Refusal::Fees),
            Some(found) => Assessment::Found(found),
            None => Assessment::Refused(Refusal::Overflow),
        }
    }
}
