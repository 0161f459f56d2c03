//! Bundles: legs bought, or sold, together, one unit of each at a time, that pay at least so
//! much whatever happens. Their ladders are walked together to the size where the marginal net
//! edge falls to the threshold; every level is looked at once.

use super::kept::{Reach, Walked};
use super::own::{meets_own, others};
use super::{Assessment, Direction, Found, Leg, LegRef, Refusal, Subject, View};
use crate::book::side::Ladder;
use crate::book::{Book, Touch};
use crate::fees::{Fees, Order, Role};
use crate::fixed::{ABSENT, PRICE_ONE, Price, QTY_ONE, Qty};

/// What a bundle must leave, and how much of it is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Smallest marginal net edge a unit.
    pub min_edge: Price,
    /// Smallest size.
    pub min_qty: Qty,
    /// Largest size.
    pub max_qty: Qty,
}

/// One leg being walked: the ladder it takes from, and the level in hand.
#[derive(Clone, Copy)]
struct Walk<'a> {
    leg: LegRef,
    fees: Fees,
    /// Levels not used up, the one in hand last.
    levels: Ladder<'a>,
    /// What of them is not to be taken, being the user's own.
    own: &'a [(Price, Qty)],
    price: Price,
    left: Qty,
    /// What the leg costs, or brings, for one unit at the level in hand: signed price and fee.
    unit: Price,
}

/// What taking a size from one leg comes to.
#[derive(Clone, Copy)]
struct Taken {
    /// Price times quantity, 1e-17.
    notional: i128,
    worst: Price,
    fee: i64,
}

/// The sizes that all legs can be traded in.
#[derive(Clone, Copy)]
struct Sizes {
    /// Smallest size.
    min: Qty,
    /// What a size is a whole multiple of. Steps are powers of ten: the largest is a multiple of
    /// all others.
    step: Qty,
}

impl Sizes {
    fn of(subject: &Subject, view: &View, limits: &Limits) -> Self {
        let legs = subject.instruments().filter_map(|id| view.instruments.at(id));
        legs.fold(Self { min: limits.min_qty, step: 1 }, |all, about| Self {
            min: all.min.max(about.min_qty),
            step: all.step.max(about.venue.row().qty_step),
        })
    }

    /// The part of a size that is no whole step.
    #[inline]
    const fn rest(self, qty: Qty) -> Qty {
        qty % self.step
    }
}

/// Legs of most bundles; those of larger ones are kept on the heap while they are walked.
const FEW: usize = 4;

impl LegRef {
    /// Best price at which the leg can be taken, [`ABSENT`] if it cannot.
    #[inline]
    #[must_use]
    pub(crate) fn taking(self, touch: &Touch, sell: bool) -> Price {
        if self.complement == sell { self.turned(touch.ask) } else { self.turned(touch.bid) }
    }

    /// Best price at which others rest on the leg's own side, [`ABSENT`] if nobody does.
    #[inline]
    fn resting(self, touch: &Touch, sell: bool) -> Price {
        self.taking(touch, !sell)
    }

    /// A price of the book in the leg's own terms.
    #[inline]
    fn turned(self, price: Price) -> Price {
        if self.complement && price != ABSENT { PRICE_ONE - price } else { price }
    }

    /// The levels the leg takes from.
    #[inline]
    pub(super) fn levels_taken(self, book: &Book, sell: bool) -> Ladder<'_> {
        if self.complement == sell { book.asks.levels() } else { book.bids.levels() }
    }
}

/// Price and size of each level a leg can take from, in the leg's terms, the best first: without
/// what is the user's own.
pub(crate) fn levels_of<'a>(
    leg: LegRef,
    book: &'a Book,
    view: &View<'a>,
    sell: bool,
) -> impl Iterator<Item = (Price, Qty)> {
    let own = leg.own_taken(view, sell);
    let levels = leg.levels_taken(book, sell).best_first();
    levels.map(move |level| (leg.turned(level.price), others(level, own))).filter(|&(_, qty)| qty > 0)
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(leg: LegRef, sell: bool, net: bool, view: &View<'a>) -> Result<Option<Self>, Refusal> {
        let Some((book, about)) = view.at(leg.instrument) else { return Ok(None) };
        let fees = about.fees.ok_or(Refusal::FeeUnknown)?;
        let levels = leg.levels_taken(book, sell);
        let own = if net { leg.own_taken(view, sell) } else { &[] };
        let mut walk = Self { leg, fees, levels, own, price: 0, left: 0, unit: 0 };
        let found = walk.take_up(sell).ok_or(Refusal::Overflow)?;
        Ok(found.then_some(walk))
    }

    /// Takes the last level in hand that is not all the user's own; `Some(false)` if there is none.
    #[inline]
    fn take_up(&mut self, sell: bool) -> Option<bool> {
        while let Some(level) = self.levels.best() {
            self.left = others(level, self.own);
            if self.left > 0 {
                self.price = self.leg.turned(level.price);
                let fee = self.fees.marginal(Role::Taker, self.price)?;
                self.unit = if sell { self.price - fee } else { -self.price - fee };
                return Some(true);
            }
            self.levels.pop_best();
        }
        Some(false)
    }

    /// Goes on to the next level; `Some(false)` if there is none.
    #[inline]
    fn advance(&mut self, sell: bool) -> Option<bool> {
        self.levels.pop_best()?;
        self.take_up(sell)
    }

    /// What `qty` of the leg comes to, level by level from the touch on.
    fn settle(&self, all: Ladder<'_>, qty: Qty, sell: bool) -> Option<Taken> {
        let mut order = self.fees.order(Role::Taker, sell);
        let mut taken = Taken { notional: 0, worst: ABSENT, fee: 0 };
        let mut left = qty;
        for level in all.best_first() {
            if left == 0 {
                break;
            }
            let (price, here) = (self.leg.turned(level.price), others(level, self.own).min(left));
            if here == 0 {
                continue;
            }
            order.fill(here, price)?;
            taken.notional += i128::from(price) * i128::from(here);
            taken.worst = price;
            left -= here;
        }
        taken.fee = order.total()?;
        Some(taken)
    }
}

/// Gross edge of a unit at the touch, if every leg can be taken.
#[inline]
#[must_use]
pub(crate) fn touch_edge(subject: &Subject, view: &View) -> Option<Price> {
    let sell = subject.direction == Direction::Sell;
    let mut sum = 0;
    for leg in &subject.legs {
        let price = leg.taking(&view.books.get(leg.instrument as usize)?.touch, sell);
        if price == ABSENT {
            return None;
        }
        sum += price;
    }
    Some(if sell { sum - subject.payout } else { subject.payout - sum })
}

/// Whether a leg's book is crossed or locked.
#[must_use]
pub fn overlaps(subject: &Subject, view: &View) -> bool {
    subject.legs.iter().any(|l| view.books.get(l.instrument as usize).is_none_or(Book::overlaps))
}

/// Whether the fees of all legs can be computed. A type that nobody knows comes before fees that
/// are not known, whatever the order of the legs.
#[inline]
fn check_fees(subject: &Subject, view: &View) -> Result<(), Refusal> {
    let mut answer = Ok(());
    for id in subject.instruments() {
        match view.instruments.at(id).map(|about| &about.fees) {
            Some(Some(Fees::Unsupported)) => return Err(Refusal::FeeType),
            Some(Some(_)) => {}
            Some(None) | None => answer = Err(Refusal::FeeUnknown),
        }
    }
    answer
}

/// Walks a bundle's ladders and says what there is; the legs are left in `walked`. What the books give
/// as they are has to be there without the user's own orders, too, and is what is there then.
#[must_use]
pub fn assess(subject: &Subject, view: &View, limits: &Limits, walked: &mut Walked) -> Assessment {
    let whole = answer(subject, view, limits, false, walked);
    if !(matches!(whole, Assessment::Found(_)) && meets_own(subject, view)) {
        return whole;
    }
    match answer(subject, view, limits, true, walked) {
        Assessment::Found(found) => Assessment::Found(found),
        Assessment::Quiet | Assessment::Refused(_) => Assessment::Refused(Refusal::Own),
    }
}

/// The answer by the books as they are, or `net` of what is the user's own.
fn answer(
    subject: &Subject,
    view: &View,
    limits: &Limits,
    net: bool,
    walked: &mut Walked,
) -> Assessment {
    match Bundle::new(subject, view, limits, net) {
        Ok(Some(bundle)) => match bundle.assess(walked) {
            Ok(found) => Assessment::Found(found),
            Err(refusal) => Assessment::Refused(refusal),
        },
        Ok(None) => Assessment::Quiet,
        Err(refusal) => Assessment::Refused(refusal),
    }
}

struct Bundle<'a> {
    subject: &'a Subject,
    view: &'a View<'a>,
    limits: &'a Limits,
    sizes: Sizes,
    sell: bool,
    few: [Option<Walk<'a>>; FEW],
    many: Vec<Option<Walk<'a>>>,
    value: Price,
}

impl<'a> Bundle<'a> {
    fn new(
        subject: &'a Subject,
        view: &'a View<'a>,
        limits: &'a Limits,
        net: bool,
    ) -> Result<Option<Self>, Refusal> {
        let Some(value) = touch_edge(subject, view) else { return Ok(None) };
        let sell = subject.direction == Direction::Sell;
        let (sizes, few, many) = (Sizes::of(subject, view, limits), [None; FEW], Vec::new());
        let mut bundle = Self { subject, view, limits, sizes, sell, few, many, value };
        if subject.legs.len() > FEW {
            bundle.many.resize(subject.legs.len(), None);
        }
        check_fees(subject, view)?;
        for (slot, &leg) in bundle.slots().iter_mut().zip(&subject.legs) {
            match Walk::new(leg, sell, net, view)? {
                Some(walk) => *slot = Some(walk),
                None => return Ok(None),
            }
        }
        if net {
            let sum: Price = bundle.walks().map(|walk| walk.price).sum();
            bundle.value = if sell { sum - subject.payout } else { subject.payout - sum };
        }
        Ok(Some(bundle))
    }

    #[inline]
    fn slots(&mut self) -> &mut [Option<Walk<'a>>] {
        if self.many.is_empty() { &mut self.few[..self.subject.legs.len()] } else { &mut self.many }
    }

    #[inline]
    fn walks(&self) -> impl Iterator<Item = &Walk<'a>> {
        let slots = if self.many.is_empty() { &self.few[..self.subject.legs.len()] } else { &self.many };
        slots.iter().flatten()
    }

    fn assess(mut self, walked: &mut Walked) -> Result<Found, Refusal> {
        let begun = (self.few, self.many.clone());
        let qty = self.walk(|_, _, _| Some(())).ok_or(Refusal::Overflow)?;
        self.reach(&mut walked.reach);
        let legs = &mut walked.legs;
        if qty == 0 {
            return Err(Refusal::Fees);
        }
        let qty = qty - self.sizes.rest(qty);
        if qty == 0 {
            return Err(Refusal::MinQty);
        }
        let found = self.found(qty, legs).ok_or(Refusal::Overflow)?;
        if found.net_edge >= self.limits.min_edge {
            return self.big_enough(found);
        }
        // Rounding fees fill by fill can cost more than the marginal edge promised.
        (self.few, self.many) = begun;
        match self.longest_that_pays().ok_or(Refusal::Overflow)? {
            0 => Err(Refusal::Fees),
            qty => {
                let found = self.found(qty, legs).ok_or(Refusal::Overflow)?;
                self.big_enough(found)
            }
        }
    }

    fn big_enough(&self, found: Found) -> Result<Found, Refusal> {
        if found.qty < self.sizes.min { Err(Refusal::MinQty) } else { Ok(found) }
    }

    /// Notes how much of its ladder each leg has looked at: the level in hand is the last of it.
    fn reach(&self, reach: &mut Vec<Reach>) {
        reach.clear();
        reach.extend(self.walks().filter_map(|walk| {
            let (book, _) = self.view.at(walk.leg.instrument)?;
            let all = walk.leg.levels_taken(book, self.sell).len();
            let used_up = walk.levels.is_empty();
            Some(if used_up { Reach::All } else { Reach::Best(all - walk.levels.len() + 1) })
        }));
    }

    /// Walks all ladders while the marginal edge holds, and gives the size. `step` is told of
    /// each quantity before it is taken, with the size so far and the legs as they are.
    #[inline]
    fn walk(
        &mut self,
        mut step: impl FnMut(&[Option<Walk<'a>>], Qty, Qty) -> Option<()>,
    ) -> Option<Qty> {
        let (sell, limits) = (self.sell, *self.limits);
        let payout = if sell { -self.subject.payout } else { self.subject.payout };
        let slots = self.slots();
        let mut taken: Qty = 0;
        let (mut edge, mut qty) = (payout, limits.max_qty);
        for walk in slots.iter().flatten() {
            edge += walk.unit;
            qty = qty.min(walk.left);
        }
        while edge >= limits.min_edge && qty > 0 {
            step(slots, taken, qty)?;
            taken += qty;
            let used = qty;
            (edge, qty) = (payout, limits.max_qty - taken);
            for walk in slots.iter_mut().flatten() {
                walk.left -= used;
                if walk.left == 0 && !walk.advance(sell)? {
                    return Some(taken);
                }
                edge += walk.unit;
                qty = qty.min(walk.left);
            }
        }
        Some(taken)
    }

    /// The longest beginning of the walk, as far as it can be traded, whose net edge is enough.
    #[cold]
    fn longest_that_pays(&mut self) -> Option<Qty> {
        let (sell, min_edge, payout) = (self.sell, self.limits.min_edge, self.subject.payout);
        let sizes = self.sizes;
        // For each leg: the order up to the level in hand, and what was taken from that level.
        let mut orders: Vec<(Order, Qty, Price)> =
            self.walks().map(|w| (w.fees.order(Role::Taker, sell), 0, w.price)).collect();
        let (mut longest, mut notional) = (0, 0i128);
        self.walk(|slots, before, qty| {
            let (mut fees, mut paid) = (0i64, notional);
            // What cannot be traded is left of the last level. Where that is all that was taken in
            // this step, the step before came to the same.
            let rest = sizes.rest(before + qty).min(qty);
            for (walk, (order, here, price)) in slots.iter().flatten().zip(&mut orders) {
                if walk.price != *price {
                    order.fill(*here, *price)?;
                    (*here, *price) = (0, walk.price);
                }
                *here += qty;
                notional += i128::from(walk.price) * i128::from(qty);
                paid += i128::from(walk.price) * i128::from(qty - rest);
                let mut so_far = *order;
                if *here > rest {
                    so_far.fill(*here - rest, *price)?;
                }
                fees = fees.checked_add(so_far.total()?)?;
            }
            let size = before + qty - rest;
            if rest < qty && per_unit(net(sell, payout, size, paid, fees), size)? >= min_edge {
                longest = size;
            }
            Some(())
        })?;
        Some(longest)
    }

    fn found(&self, qty: Qty, legs: &mut Vec<Leg>) -> Option<Found> {
        let (mut notional, mut fee) = (0i128, 0i64);
        legs.clear();
        for walk in self.walks() {
            let (book, _) = self.view.at(walk.leg.instrument)?;
            let taken = walk.settle(walk.leg.levels_taken(book, self.sell), qty, self.sell)?;
            notional += taken.notional;
            fee = fee.checked_add(taken.fee)?;
            legs.push(Leg {
                leg: walk.leg,
                sell: self.sell,
                avg_price: per_unit(taken.notional, qty)?,
                worst_price: taken.worst,
                qty,
                fee: taken.fee,
                maker_fee: self.maker_fee(walk, book, qty),
            });
        }
        let payout = self.subject.payout;
        let paid = if self.sell { i128::from(payout) * i128::from(qty) } else { notional };
        Some(Found {
            value: self.value,
            qty,
            gross_edge: per_unit(net(self.sell, payout, qty, notional, 0), qty)?,
            net_edge: per_unit(net(self.sell, payout, qty, notional, fee), qty)?,
            maker_edge: self.maker_edge().unwrap_or(ABSENT),
            fee,
            capital: i64::try_from(paid / i128::from(QTY_ONE)).ok()?.checked_add(fee)?,
            direction: self.subject.direction,
            payout,
            chances: None,
        })
    }

    /// What a unit leaves if every leg rests at the best price of its own side.
    fn maker_edge(&self) -> Option<Price> {
        let mut edge = if self.sell { -self.subject.payout } else { self.subject.payout };
        for walk in self.walks() {
            let (book, _) = self.view.at(walk.leg.instrument)?;
            let price = walk.leg.resting(&book.touch, self.sell);
            if price == ABSENT {
                return None;
            }
            edge += if self.sell { price } else { -price };
            edge -= walk.fees.marginal(Role::Maker, price)?;
        }
        Some(edge)
    }

    fn maker_fee(&self, walk: &Walk, book: &Book, qty: Qty) -> i64 {
        let price = walk.leg.resting(&book.touch, self.sell);
        let mut order = walk.fees.order(Role::Maker, self.sell);
        if price == ABSENT { ABSENT } else { order.fill(qty, price).unwrap_or(ABSENT) }
    }
}

/// What is left of a size, 1e-17 dollars.
#[inline]
fn net(sell: bool, payout: Price, qty: Qty, notional: i128, fee: i64) -> i128 {
    let paid_out = i128::from(payout) * i128::from(qty);
    let gross = if sell { notional - paid_out } else { paid_out - notional };
    gross - i128::from(fee) * i128::from(QTY_ONE)
}

/// A total a unit, cut off towards zero.
#[inline]
fn per_unit(total: i128, qty: Qty) -> Option<Price> {
    // Nearly always a word holds both, and words divide many times faster.
    match i64::try_from(total) {
        Ok(total) => Some(total / qty),
        Err(_) => i64::try_from(total / i128::from(qty)).ok(),
    }
}
