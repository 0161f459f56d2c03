//! Kalshi's fees: a quadratic model, and what the venue does to make balances come out even.
//!
//! The model of a fill is `M · k · 0.07 · C · P · (1 − P)` dollars for `C` contracts at price
//! `P`, with the series' or event's multiplier `M`; `k` is 1 for takers and for makers as the
//! fee type says. Today each fill is charged the model, rounded up, and whatever brings the
//! account's balance down to a whole unit; an order gets the latter back in whole units.

use super::exact::{self, Formula, Round, WEIGHT_DECIMALS};
use super::{Fees, Role, Terms, Usd};
use crate::fixed::{PRICE_DECIMALS, Price, Qty, format_decimal, parse_price};
use crate::names::named_codes;

named_codes! {
    /// How the venue rounds: which rule is in force, and for whom.
    Rounding {
        /// Today's rule for direct members: fees of 1e-6 dollars, balances of 1e-4.
        Direct = "direct",
        /// Today's rule for accounts held through a broker: fees of 1e-6 dollars, balances of
        /// 0.01. The dearer one, and so the one to assume where it is not known.
        NonDirect = "non_direct",
        /// The rule of March to about August 2026: fees of 1e-4 dollars, balances of 0.01.
        Intermediate = "intermediate",
        /// The rule until March 2026: the models of an order's fills together, rounded up to
        /// the next cent; balances are not looked at.
        Legacy = "legacy",
    }
}

/// `k · 0.07` of takers, in units of 1e-4; every fee type has it.
const TAKER_RATE: u64 = 700;
/// Decimals of a rate of 1e-4 times a multiplier of 1e-9.
const RATE_DECIMALS: u32 = 4 + PRICE_DECIMALS;
/// Decimals of a millionth of a dollar.
const MICRO_DECIMALS: u32 = 6;
/// Decimals of `C · P · (1 − P)` on the venue's own grid: hundredths of contracts, prices of 1e-4.
const SHORT_DECIMALS: u32 = 10;
/// What a millionth of a dollar is in units of 1e-17, the unit of price times quantity.
const MICRO: i64 = 100_000_000_000;
/// A hundredth of a cent and a cent, in millionths of a dollar.
const CENTICENT: i64 = 100;
const CENT: i64 = 10_000;
/// A cent, in units of 1e-9.
const CENT_USD: Usd = 10_000_000;

/// `k · 0.07` of makers in units of 1e-4, for the fee types this engine knows.
fn maker_rate(fee_type: &str) -> Option<u64> {
    match fee_type {
        "quadratic" => Some(0),
        "quadratic_with_maker_fees" => Some(175),
        "quadratic_with_combo_maker_fees" => Some(350),
        _ => None,
    }
}

/// Terms are `type;multiplier;rounding`: type and multiplier as the series prints them, and the
/// name of the rounding rule. An event may replace the first two for a time: an override that
/// stands already follows as `|type;multiplier`, where an empty part is as the series has it.
pub(crate) const TERMS: Terms =
    Terms { parse, changed, rebased, unstated: None, tells_override: |terms| apart(terms).1.is_some() };

fn parse(terms: &str) -> Result<Fees, String> {
    let (base, overrides) = apart(terms);
    let (fee_type, multiplier, rounding) = split(base)
        .ok_or_else(|| format!("{base:?} must be type;multiplier;rounding, or that|type;multiplier"))?;
    let rule = Rounding::by_name(rounding).ok_or_else(|| {
        let names = Rounding::NAMES.join(", ");
        format!("cannot be rounded by {rounding:?}; there are {names}")
    })?;
    let known = |fee_type: &str, multiplier: &str| {
        let wanted = "must be a plain decimal such as 0.5";
        Fees::kalshi(fee_type, multiplier, rule)
            .ok_or_else(|| format!("multiplier {wanted}, not {multiplier:?}"))
    };
    let listed = known(fee_type, multiplier)?;
    match overrides {
        Some((kind, factor)) => {
            fn or<'a>(text: &'a str, base: &'a str) -> &'a str {
                if text.is_empty() { base } else { text }
            }
            known(or(kind, fee_type), or(factor, multiplier))
        }
        None => Ok(listed),
    }
}

fn changed(terms: &str, fee_type: Option<&str>, multiplier: Option<i64>) -> Fees {
    let fees = split(apart(terms).0).and_then(|(listed, factor, rounding)| {
        let multiplier = multiplier.map(|m| format_decimal(m, PRICE_DECIMALS));
        let factor = multiplier.as_deref().unwrap_or(factor);
        Fees::kalshi(fee_type.unwrap_or(listed), factor, Rounding::by_name(rounding)?)
    });
    fees.unwrap_or(Fees::Unsupported)
}

fn rebased(terms: &str, fee_type: &str, multiplier: i64) -> String {
    let base = apart(terms).0;
    let rounding = split(base).map_or("", |(_, _, rounding)| rounding);
    format!("{fee_type};{};{rounding}", format_decimal(multiplier, PRICE_DECIMALS))
}

/// What the series has, and the override beside it, if one is told.
fn apart(terms: &str) -> (&str, Option<(&str, &str)>) {
    let told = terms.rsplit_once('|').and_then(|(base, rest)| {
        split(base)?;
        Some((base, rest.rsplit_once(';')?))
    });
    told.map_or((terms, None), |(base, overrides)| (base, Some(overrides)))
}

/// Split from the end: the type is the venue's text, and may be any.
fn split(terms: &str) -> Option<(&str, &str, &str)> {
    let (rest, rounding) = terms.rsplit_once(';')?;
    let (fee_type, multiplier) = rest.rsplit_once(';')?;
    Some((fee_type, multiplier, rounding))
}

/// A market's fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KalshiFees {
    taker: Formula,
    maker: Formula,
    rounding: Rounding,
}

/// What a market's fee type and multiplier come to.
pub(super) enum Listed {
    Known(KalshiFees),
    UnknownType,
    BadMultiplier,
}

impl KalshiFees {
    pub(super) fn listed(fee_type: &str, multiplier: &str, rounding: Rounding) -> Listed {
        let Some(maker) = maker_rate(fee_type) else { return Listed::UnknownType };
        let formula = |rate: u64| {
            let multiplier = parse_price(multiplier.as_bytes()).ok()?.value;
            let digits = u64::try_from(multiplier).ok()?.checked_mul(rate)?;
            Some(Formula::new(digits, RATE_DECIMALS, 1))
        };
        match (formula(TAKER_RATE), formula(maker)) {
            (Some(taker), Some(maker)) => Listed::Known(Self { taker, maker, rounding }),
            _ => Listed::BadMultiplier,
        }
    }

    #[inline]
    fn formula(&self, role: Role) -> Formula {
        if role == Role::Taker { self.taker } else { self.maker }
    }

    #[inline]
    pub(super) fn marginal(&self, role: Role, price: Price) -> Option<Price> {
        self.formula(role).one(price, PRICE_DECIMALS, Round::HalfUp)
    }

    pub(super) fn order(&self, role: Role, sell: bool) -> Tally {
        let formula = self.formula(role);
        match self.rounding {
            Rounding::Legacy => Tally::Whole(Whole { formula, short: 0, odd: 0 }),
            rounding => Tally::Balanced(Balanced {
                formula,
                rounding,
                sell,
                paid: Dollars::default(),
                owed: Dollars::default(),
            }),
        }
    }
}

/// What the fills of an order have come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tally {
    Balanced(Balanced),
    Whole(Whole),
}

impl Tally {
    /// Takes in a fill and says what the whole order has paid.
    #[inline]
    pub(super) fn fill(&mut self, qty: Qty, price: Price) -> Option<Usd> {
        match self {
            Self::Balanced(order) => order.fill(qty, price),
            Self::Whole(order) => order.fill(qty, price),
        }
    }
}

/// Dollars exactly: whole millionths, downwards, and the rest in units of 1e-17. On the
/// venue's own grid (prices of 1e-4, hundredths of contracts) the rest is always zero.
#[derive(Clone, Copy, Debug, Default)]
struct Dollars {
    micros: i64,
    rest: i64,
}

impl Dollars {
    #[inline]
    fn plus(self, other: Self) -> Option<Self> {
        let rest = self.rest + other.rest;
        let carry = i64::from(rest >= MICRO);
        let micros = self.micros.checked_add(other.micros)?.checked_add(carry)?;
        Some(Self { micros, rest: rest - carry * MICRO })
    }

    #[inline]
    fn minus_micros(self, micros: i64) -> Option<Self> {
        Some(Self { micros: self.micros.checked_sub(micros)?, ..self })
    }

    /// In units of 1e-9, rounded up.
    #[inline]
    fn usd(self) -> Option<Usd> {
        const NANO: i64 = 100_000_000;
        let nanos = self.micros.checked_mul(1_000)?;
        // Nearly always so, and quicker than a division.
        if self.rest == 0 {
            return Some(nanos);
        }
        nanos.checked_add((self.rest + NANO - 1) / NANO)
    }

    /// What the account gets for a fill before fees: less than nothing for a buyer.
    #[inline]
    fn revenue(sell: bool, qty: Qty, price: Price) -> Option<Self> {
        let notional = i128::from(price) * i128::from(qty);
        let signed = if sell { notional } else { -notional };
        let micros = i64::try_from(signed.div_euclid(MICRO.into())).ok()?;
        let rest = i64::try_from(signed.rem_euclid(MICRO.into())).ok()?;
        Some(Self { micros, rest })
    }
}

/// An order under the rules that keep balances in whole units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balanced {
    formula: Formula,
    rounding: Rounding,
    sell: bool,
    paid: Dollars,
    /// Charged for even balances and not refunded yet.
    owed: Dollars,
}

impl Balanced {
    #[inline]
    fn fill(&mut self, qty: Qty, price: Price) -> Option<Usd> {
        let (fee, after) = match self.short(qty, price) {
            Some(short) => short,
            None => self.any(qty, price)?,
        };
        let (paid, owed) = if self.rounding == Rounding::Direct {
            self.settled::<CENTICENT>(fee, after)?
        } else {
            self.settled::<CENT>(fee, after)?
        };
        (self.paid, self.owed) = (paid, owed);
        paid.usd()
    }

    /// The model rounded up, in millionths, and what the fill leaves to the account before
    /// its balance is brought down to a whole unit; on the venue's own grid, in one word.
    #[inline]
    fn short(&self, qty: Qty, price: Price) -> Option<(i64, Dollars)> {
        let ((price, rest), qty) = (exact::short_price(price)?, exact::hundredths(qty)?);
        let weight = (price * rest).checked_mul(qty)?;
        let fee = self.trade_fee(|to| self.formula.short(weight, SHORT_DECIMALS, to, Round::Up))?;
        // At most 1e4 times 1e13.
        let notional = i64::try_from(price * qty).ok()?;
        let revenue = if self.sell { notional } else { -notional };
        Some((fee, Dollars { micros: revenue.checked_sub(fee)?, rest: 0 }))
    }

    /// As [`Self::short`], for any numbers.
    #[inline(never)]
    fn any(&self, qty: Qty, price: Price) -> Option<(i64, Dollars)> {
        let fee = self.trade_fee(|to| self.formula.fee(qty, price, to, Round::Up))?;
        Some((fee, Dollars::revenue(self.sell, qty, price)?.minus_micros(fee)?))
    }

    /// Millionths, from the model rounded up to as many decimals as it is asked for.
    #[inline]
    fn trade_fee(&self, rounded: impl Fn(u32) -> Option<i64>) -> Option<i64> {
        if self.rounding == Rounding::Intermediate {
            return rounded(4)?.checked_mul(CENTICENT);
        }
        rounded(MICRO_DECIMALS)
    }

    /// Paid and owed after a fill that leaves `after` to the account before its balance is
    /// brought down to a whole `UNIT` of millionths.
    #[inline]
    fn settled<const UNIT: i64>(&self, fee: i64, after: Dollars) -> Option<(Dollars, Dollars)> {
        let rounding = Dollars { micros: after.micros.rem_euclid(UNIT), rest: after.rest };
        let owed = self.owed.plus(rounding)?;
        let charged = Dollars { micros: fee.checked_add(rounding.micros)?, rest: rounding.rest };
        // No fill is refunded more than it is charged; the order stays owed the rest.
        let refund = owed.micros.min(charged.micros) / UNIT * UNIT;
        let paid = self.paid.plus(charged.minus_micros(refund)?)?;
        Some((paid, owed.minus_micros(refund)?))
    }
}

/// An order under the rule that rounds it as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    formula: Formula,
    /// `Σ C · P · (1 − P)` of the fills on the venue's own grid, in units of 1e-10.
    short: u64,
    /// The same of all others, and of what one word does not hold, in units of 1e-26.
    odd: u128,
}

impl Whole {
    #[inline]
    fn fill(&mut self, qty: Qty, price: Price) -> Option<Usd> {
        let short = exact::short_price(price)
            .zip(exact::hundredths(qty))
            .and_then(|((price, rest), qty)| self.short.checked_add((price * rest).checked_mul(qty)?));
        match short {
            Some(short) => self.short = short,
            None => self.odd = self.odd.checked_add(exact::weight(qty, price)?)?,
        }
        self.cents()?.checked_mul(CENT_USD)
    }

    #[inline]
    fn cents(&self) -> Option<i64> {
        if self.odd == 0
            && let Some(cents) = self.formula.short(self.short, SHORT_DECIMALS, 2, Round::Up)
        {
            return Some(cents);
        }
        let raise = 10u128.pow(WEIGHT_DECIMALS - SHORT_DECIMALS);
        let weight = u128::from(self.short).checked_mul(raise)?.checked_add(self.odd)?;
        self.formula.any(weight, WEIGHT_DECIMALS, 2, Round::Up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_be_any_text() {
        let direct = Fees::kalshi("quadratic", "0.5", Rounding::Direct).unwrap();
        assert_eq!(parse("quadratic;0.5;direct"), Ok(direct));
        for unknown in [";1;direct", "a;b;1;direct", "quadratic;1;0.5;direct"] {
            assert_eq!(parse(unknown), Ok(Fees::Unsupported), "{unknown}");
        }
        assert!(parse("quadratic;1").is_err() && parse("quadratic;1;up").is_err());
    }
}
