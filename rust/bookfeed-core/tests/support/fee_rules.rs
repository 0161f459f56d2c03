//! Fees by the letter of the venues' rules, in integers of unbounded size and fill by fill:
//! nothing here goes through the code under test.

use bookfeed_core::fees::Rounding;
use bookfeed_core::fixed::PRICE_ONE;
use num_bigint::BigInt;

pub fn ten(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

pub fn floor(value: &BigInt, unit: &BigInt) -> BigInt {
    let rest = ((value % unit) + unit) % unit;
    (value - rest) / unit
}

pub fn ceil(value: &BigInt, unit: &BigInt) -> BigInt {
    -floor(&-value, unit)
}

/// `rate · C · (p · (1 − p))^exponent` without any rounding, and its decimals.
pub fn model(rate: &BigInt, decimals: u32, exponent: u32, qty: i64, price: i64) -> (BigInt, u32) {
    let curve = BigInt::from(price) * BigInt::from(PRICE_ONE - price);
    (rate * BigInt::from(qty) * curve.pow(exponent), decimals + 8 + 18 * exponent)
}

/// An order at Kalshi as the rules say it, in units of 1e-17 dollars, models in 1e-39.
#[derive(Default)]
pub struct Plain {
    pub models: BigInt,
    pub owed: BigInt,
    pub total: BigInt,
}

impl Plain {
    pub fn fill(&mut self, rounding: Rounding, rate: &BigInt, sell: bool, qty: i64, price: i64) {
        let (model, decimals) = model(rate, 13, 1, qty, price);
        if rounding == Rounding::Legacy {
            self.models += model;
            self.total = ceil(&self.models, &ten(decimals - 2)) * ten(15);
            return;
        }
        let (fee_places, unit) = match rounding {
            Rounding::Direct => (6, ten(17 - 4)),
            Rounding::NonDirect => (6, ten(17 - 2)),
            _ => (4, ten(17 - 2)),
        };
        let trade_fee = ceil(&model, &ten(decimals - fee_places)) * ten(17 - fee_places);
        let notional = BigInt::from(qty) * price;
        let after = if sell { notional } else { -notional } - &trade_fee;
        let rounding_fee = &after - floor(&after, &unit) * &unit;
        self.owed += &rounding_fee;
        let mut net = trade_fee + rounding_fee;
        while self.owed >= unit && net >= unit {
            self.owed -= &unit;
            net -= &unit;
        }
        self.total += net;
    }

    /// In units of 1e-9, rounded up.
    pub fn usd(&self) -> BigInt {
        ceil(&self.total, &ten(8))
    }
}

/// `digits` of that many decimals, half up to `to` of them.
pub fn half_up((digits, decimals): (BigInt, u32), to: u32) -> BigInt {
    let unit = ten(decimals - to);
    floor(&(digits * 2 + &unit), &(unit * 2))
}
