//! What a bundle comes to, by trying every quarter of a share, in integers of unbounded size
//! and with fees by the letter of their rules.

use crate::support::fee_rules::{Plain, half_up, model, ten};
use bookfeed_core::fees::Rounding;
use bookfeed_core::fixed::PRICE_ONE;
use num_bigint::BigInt;

/// A quarter of a share: every size here is a multiple of it.
pub const QUARTER: i64 = 25_000_000;
const SHARE: i64 = 100_000_000;
pub const DIRECT: Rounding = Rounding::Direct;

/// Price and size of each level, the best first.
pub type Side = Vec<(i64, i64)>;

/// The fees of a market, as text and as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Multiplier in 1e-9, what makers pay of 0.0001 parts of it, rounding.
    Kalshi(i64, i64, Rounding),
    /// Rate in 1e-9.
    Polymarket(i64),
}

impl Schedule {
    /// What one more share costs, half up.
    fn marginal(self, maker: bool, price: i64) -> BigInt {
        match self {
            Self::Kalshi(..) => half_up(model(&self.rate(maker), 13, 1, SHARE, price), 9),
            Self::Polymarket(_) if maker => BigInt::from(0),
            Self::Polymarket(rate) => half_up(model(&BigInt::from(rate), 9, 1, SHARE, price), 9),
        }
    }

    fn rate(self, maker: bool) -> BigInt {
        match self {
            Self::Kalshi(multiplier, makers, _) => {
                BigInt::from(multiplier) * if maker { makers } else { 700 }
            }
            Self::Polymarket(rate) => BigInt::from(rate),
        }
    }

    /// The fee of an order with these fills.
    pub fn order(self, maker: bool, sell: bool, fills: &[(i64, i64)]) -> i64 {
        let mut total = BigInt::from(0);
        let mut plain = Plain::default();
        for &(price, qty) in fills {
            match self {
                Self::Kalshi(_, _, rounding) => {
                    plain.fill(rounding, &self.rate(maker), sell, qty, price);
                    total = plain.usd();
                }
                Self::Polymarket(_) if maker => {}
                Self::Polymarket(_) => {
                    total += half_up(model(&self.rate(false), 9, 1, qty, price), 5) * ten(4);
                }
            }
        }
        i64::try_from(total).unwrap()
    }
}

/// A leg: what it is taken from, where it would rest, and its fees.
#[derive(Clone, Debug)]
pub struct Leg {
    pub taken: Side,
    pub resting: Option<i64>,
    pub fees: Schedule,
}

/// What a leg of an answer is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegAnswer {
    pub avg_price: i64,
    pub worst_price: i64,
    pub fee: i64,
    pub maker_fee: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub value: i64,
    pub qty: i64,
    pub gross_edge: i64,
    pub net_edge: i64,
    pub fee: i64,
    pub capital: i64,
    pub maker_edge: Option<i64>,
    pub legs: Vec<LegAnswer>,
    /// Whether the walk went on after this size, and rounding ended it here.
    pub cut: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Quiet,
    Fees,
    MinQty,
    Found(Answer),
}

#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub sell: bool,
    pub payout: i64,
    pub min_edge: i64,
    pub min_qty: i64,
    pub max_qty: i64,
}

impl Question {
    /// `V − Σ`, or the other way round for what is sold.
    fn gross(self, sum: &BigInt, units: i64) -> BigInt {
        let payout = BigInt::from(self.payout) * units;
        if self.sell { sum - payout } else { payout - sum }
    }

    /// How many quarters the marginal edge allows, and where levels end on the way.
    fn walk(self, legs: &[Leg]) -> (usize, Vec<usize>) {
        let quarters: Vec<Vec<i64>> = legs
            .iter()
            .map(|leg| {
                let of_level =
                    |&(price, qty): &(i64, i64)| vec![price; usize::try_from(qty / QUARTER).unwrap()];
                leg.taken.iter().flat_map(of_level).collect()
            })
            .collect();
        let (mut taken, mut ends) = (0, Vec::new());
        while i64::try_from(taken).unwrap() * QUARTER < self.max_qty
            && quarters.iter().all(|q| taken < q.len())
        {
            let prices: Vec<i64> = quarters.iter().map(|q| q[taken]).collect();
            let sum = prices.iter().sum::<i64>();
            let fees: BigInt = legs.iter().zip(&prices).map(|(l, &p)| l.fees.marginal(false, p)).sum();
            if self.gross(&BigInt::from(sum), 1) - fees < BigInt::from(self.min_edge) {
                break;
            }
            taken += 1;
            if quarters.iter().any(|q| q.get(taken) != Some(&q[taken - 1])) {
                ends.push(taken);
            }
        }
        ends.push(taken);
        ends.dedup();
        (taken, ends)
    }

    /// What a size comes to.
    fn answer(self, legs: &[Leg], qty: i64) -> Answer {
        let (mut notional, mut fee, mut answers) = (BigInt::from(0), 0, Vec::new());
        for leg in legs {
            let (mut left, mut fills) = (qty, Vec::new());
            for &(price, there) in &leg.taken {
                if left > 0 {
                    fills.push((price, there.min(left)));
                    left -= there.min(left);
                }
            }
            let paid: BigInt = fills.iter().map(|&(p, q)| BigInt::from(p) * q).sum();
            let leg_fee = leg.fees.order(false, self.sell, &fills);
            answers.push(LegAnswer {
                avg_price: i64::try_from(&paid / qty).unwrap(),
                worst_price: fills.last().unwrap().0,
                fee: leg_fee,
                maker_fee: leg.resting.map(|at| leg.fees.order(true, self.sell, &[(at, qty)])),
            });
            notional += paid;
            fee += leg_fee;
        }
        let gross = self.gross(&notional, qty);
        let net = &gross - BigInt::from(fee) * SHARE;
        let cost = if self.sell { BigInt::from(self.payout) * qty } else { notional };
        let touch: i64 = legs.iter().map(|l| l.taken[0].0).sum();
        let resting: Option<i64> = legs.iter().map(|l| l.resting).sum();
        let maker_edge = resting.map(|sum| {
            let at = |l: &Leg| l.fees.marginal(true, l.resting.unwrap());
            let fees: BigInt = legs.iter().map(at).sum();
            i64::try_from(self.gross(&BigInt::from(sum), 1) - fees).unwrap()
        });
        Answer {
            value: i64::try_from(self.gross(&BigInt::from(touch), 1)).unwrap(),
            qty,
            gross_edge: i64::try_from(gross / qty).unwrap(),
            net_edge: i64::try_from(net / qty).unwrap(),
            fee,
            capital: i64::try_from(cost / SHARE).unwrap() + fee,
            maker_edge,
            legs: answers,
            cut: false,
        }
    }

    pub fn ask(self, legs: &[Leg]) -> Outcome {
        if legs.iter().any(|leg| leg.taken.is_empty()) {
            return Outcome::Quiet;
        }
        let touch: i64 = legs.iter().map(|l| l.taken[0].0).sum();
        if self.gross(&BigInt::from(touch), 1) < BigInt::from(self.min_edge) {
            return Outcome::Quiet;
        }
        let (whole, ends) = self.walk(legs);
        for &end in ends.iter().rev().filter(|&&end| end > 0) {
            let qty = i64::try_from(end).unwrap() * QUARTER;
            let answer = self.answer(legs, qty);
            if answer.net_edge >= self.min_edge {
                let answer = Answer { cut: end < whole, ..answer };
                return if qty < self.min_qty { Outcome::MinQty } else { Outcome::Found(answer) };
            }
        }
        Outcome::Fees
    }
}

/// The same side in terms of the other outcome.
pub fn turned(side: &Side) -> Side {
    side.iter().map(|&(price, qty)| (PRICE_ONE - price, qty)).collect()
}
