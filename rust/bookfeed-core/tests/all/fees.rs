//! Fees against the venues' published examples, and against the rules written out in
//! integers of unbounded size, fill by fill.

use crate::support::Rng;
use crate::support::fee_rules::{Plain, half_up, model, ten};
use bookfeed_core::fees::{Fees, Role, Rounding, Usd};
use bookfeed_core::fixed::{PRICE_ONE, QTY_ONE, parse_price, parse_qty};
use bookfeed_core::instrument::Venue;
use num_bigint::BigInt;

const TYPES: [(&str, i64); 3] =
    [("quadratic", 0), ("quadratic_with_maker_fees", 175), ("quadratic_with_combo_maker_fees", 350)];

fn price(text: &str) -> i64 {
    parse_price(text.as_bytes()).unwrap().value
}

fn qty(text: &str) -> i64 {
    parse_qty(text.as_bytes()).unwrap().value
}

fn usd(text: &str) -> Option<Usd> {
    Some(price(text))
}

fn kalshi(rounding: Rounding) -> Fees {
    Fees::kalshi("quadratic", "1", rounding).unwrap()
}

/// The fee of a single fill of a buyer who takes.
fn single(fees: Fees, contracts: &str, at: &str) -> Option<Usd> {
    fees.order(Role::Taker, false).fill(qty(contracts), price(at))
}

#[test]
fn kalshi_check_values() {
    // Contracts, price, then the whole fee: direct, not direct, legacy.
    for (contracts, at, direct, non_direct, legacy) in [
        ("1", "0.50", "0.0175", "0.02", "0.02"),
        ("100", "0.50", "1.7500", "1.75", "1.75"),
        ("10", "0.37", "0.1632", "0.17", "0.17"),
        ("250.5", "0.0450", "0.7536", "0.7575", "0.76"),
    ] {
        assert_eq!(single(kalshi(Rounding::Direct), contracts, at), usd(direct), "{contracts} at {at}");
        assert_eq!(single(kalshi(Rounding::NonDirect), contracts, at), usd(non_direct), "{contracts}");
        assert_eq!(single(kalshi(Rounding::Legacy), contracts, at), usd(legacy), "{contracts} at {at}");
    }
    // A model of 0.00363825 on a revenue of −0.055 is a fee of 0.003639; the balance falls by
    // 0.06, so 0.005 of it is fee. For direct members it falls by 0.0587.
    assert_eq!(single(kalshi(Rounding::NonDirect), "1", "0.055"), usd("0.005"));
    assert_eq!(single(kalshi(Rounding::Direct), "1", "0.055"), usd("0.0037"));
    // 0.0037 on 0.055 is 0.0587, and 0.06 in cents.
    assert_eq!(single(kalshi(Rounding::Intermediate), "1", "0.055"), usd("0.005"));
    // 0.1632 on 3.7; 0.7536 on 11.2725 is 12.0261, so 12.03.
    assert_eq!(single(kalshi(Rounding::Intermediate), "10", "0.37"), usd("0.17"));
    assert_eq!(single(kalshi(Rounding::Intermediate), "250.5", "0.0450"), usd("0.7575"));
}

#[test]
fn kalshi_trade_fees_show_where_balances_are_even() {
    // Sold at 0.055: 0.055 − 0.003639 = 0.051361, of which 0.0513 or 0.05 arrive.
    let sold = |rounding| kalshi(rounding).order(Role::Taker, true).fill(QTY_ONE, price("0.055"));
    assert_eq!(sold(Rounding::Direct), usd("0.0037"));
    assert_eq!(sold(Rounding::NonDirect), usd("0.005"));
    assert_eq!(sold(Rounding::Legacy), usd("0.01"));
}

#[test]
fn an_order_is_refunded_in_whole_units_and_no_fill_below_zero() {
    let mut order = kalshi(Rounding::NonDirect).order(Role::Taker, false);
    // Each fill is charged 0.003639 and 0.001361 for an even balance. After eight of them the
    // order is owed 0.010888, but no fill of 0.005 can be refunded a cent.
    for n in 1..=8 {
        assert_eq!(order.fill(QTY_ONE, price("0.055")), usd("0.005"));
        assert_eq!(order.total(), Some(n * 5_000_000));
    }
    // 0.16317 and 0.00683; owed 0.017718, so a cent comes back.
    assert_eq!(order.fill(10 * QTY_ONE, price("0.37")), usd("0.16"));
    // Owed 0.007718 and 0.00683 more: another.
    assert_eq!(order.fill(10 * QTY_ONE, price("0.37")), usd("0.16"));
    assert_eq!(order.fill(10 * QTY_ONE, price("0.37")), usd("0.16"));
    // Owed 0.001378 and 0.00683.
    assert_eq!(order.fill(10 * QTY_ONE, price("0.37")), usd("0.17"));
    assert_eq!(order.total(), usd("0.69"));
}

#[test]
fn legacy_orders_are_rounded_as_a_whole() {
    let mut order = kalshi(Rounding::Legacy).order(Role::Taker, false);
    // 0.0175, 0.035, 0.0525, 0.07: the total in cents grows by 2, 2, 2 and 1.
    for (fee, total) in [("0.02", "0.02"), ("0.02", "0.04"), ("0.02", "0.06"), ("0.01", "0.07")] {
        assert_eq!(order.fill(QTY_ONE, PRICE_ONE / 2), usd(fee));
        assert_eq!(order.total(), usd(total));
    }
}

#[test]
fn kalshi_makers_pay_by_fee_type() {
    for (fee_type, expected) in [("quadratic", "0"), (TYPES[1].0, "0.004375"), (TYPES[2].0, "0.00875")] {
        let fees = Fees::kalshi(fee_type, "1", Rounding::Direct).unwrap();
        assert_eq!(fees.marginal(Role::Maker, PRICE_ONE / 2), usd(expected));
        assert_eq!(fees.marginal(Role::Taker, PRICE_ONE / 2), usd("0.0175"));
        let half = Fees::kalshi(fee_type, "0.50", Rounding::Direct).unwrap();
        assert_eq!(half.marginal(Role::Taker, PRICE_ONE / 2), usd("0.00875"));
    }
    // A maker without fees still pays for an even balance: 0.055 falls to 0.06.
    let maker = kalshi(Rounding::NonDirect).order(Role::Maker, false).fill(QTY_ONE, price("0.055"));
    assert_eq!(maker, usd("0.005"));
}

#[test]
fn a_multiplier_of_zero_is_free_and_an_unknown_type_is_not() {
    for text in ["0", "0.0", "0.000000000"] {
        let free = Fees::kalshi("quadratic", text, Rounding::NonDirect).unwrap();
        assert!(free.supported());
        assert_eq!(free.marginal(Role::Taker, PRICE_ONE / 2), Some(0));
        assert_eq!(single(free, "3", "0.25"), Some(0));
    }
    for fee_type in ["flat", "margin_market_maker_program_fees", "", "Quadratic"] {
        for multiplier in ["0", "1", "x"] {
            let fees = Fees::kalshi(fee_type, multiplier, Rounding::Direct);
            assert_eq!(fees, Some(Fees::Unsupported));
        }
    }
    assert!(!Fees::Unsupported.supported());
    assert_eq!(Fees::Unsupported.marginal(Role::Maker, PRICE_ONE / 2), None);
    let mut order = Fees::Unsupported.order(Role::Maker, false);
    assert_eq!((order.total(), order.fill(0, PRICE_ONE / 2), order.total()), (None, None, None));
    for multiplier in ["", "-1", "1e0", "x", "0.0000000001", "9223372036"] {
        assert_eq!(Fees::kalshi("quadratic", multiplier, Rounding::Direct), None, "{multiplier}");
    }
}

#[test]
fn roundings_have_names() {
    for (name, rounding) in [
        ("direct", Rounding::Direct),
        ("non_direct", Rounding::NonDirect),
        ("intermediate", Rounding::Intermediate),
        ("legacy", Rounding::Legacy),
    ] {
        assert_eq!(Rounding::by_name(name), Some(rounding));
    }
    assert_eq!(Rounding::by_name("Direct"), None);
}

#[test]
fn polymarket_check_values() {
    for (rate, exponent, shares, at, fee) in [
        // 100 · 0.07 · 0.25; 1 · 0.07 · 0.0099 = 0.000693; a hundredth of that.
        ("0.07", 1, "100", "0.5", "1.75"),
        ("0.07", 1, "1", "0.01", "0.00069"),
        ("0.07", 1, "0.01", "0.01", "0.00001"),
        // 10 · 0.25 · 0.0625; half of 1e-5 is rounded up, less than half down.
        ("0.25", 2, "10", "0.5", "0.15625"),
        ("0.04", 1, "0.0005", "0.5", "0.00001"),
        ("0.04", 1, "0.0004", "0.5", "0"),
        ("0.072", 1, "31.250001", "0.0025", "0.00561"),
        ("0", 1, "1", "0.5", "0"),
        ("0.05", 0, "3", "0.2", "0.15"),
    ] {
        let fees = Fees::polymarket(rate, exponent).unwrap();
        assert_eq!(single(fees, shares, at), usd(fee), "{rate} {exponent} {shares} {at}");
        let mut maker = fees.order(Role::Maker, true);
        assert_eq!((maker.fill(qty(shares), price(at)), maker.total()), (Some(0), Some(0)));
        assert_eq!(fees.marginal(Role::Maker, price(at)), Some(0));
    }
    let rounded = |rule: &str| {
        let parse = Venue::POLYMARKET.row().fees.parse;
        parse(&format!("0.04;1{rule}")).map(|fees| single(fees, "0.0019", "0.5"))
    };
    // 0.0019 · 0.04 · 0.25 = 0.000019.
    assert_eq!(
        [";floor", ";half_up", ""].map(rounded),
        ["0.00001", "0.00002", "0.00002"].map(|s| Ok(usd(s)))
    );
    assert!(rounded(";up").is_err() && rounded(";").is_err());
    let crypto = Fees::polymarket("0.07", 1).unwrap();
    assert_eq!(crypto.marginal(Role::Taker, PRICE_ONE / 2), usd("0.0175"));
    // 0.07 · 0.123456789 · 0.876543211 = 0.0075750647…
    assert_eq!(crypto.marginal(Role::Taker, 123_456_789), usd("0.007575065"));
    // Each fill is rounded by itself.
    let mut order = crypto.order(Role::Taker, false);
    assert_eq!(order.fill(QTY_ONE, PRICE_ONE / 100), usd("0.00069"));
    assert_eq!(order.fill(QTY_ONE, PRICE_ONE / 100), usd("0.00069"));
    assert_eq!(order.total(), usd("0.00138"));
}

#[test]
fn what_cannot_be_computed_stays_unknown() {
    assert_eq!(Fees::polymarket("2", 1), None);
    assert_eq!(Fees::polymarket("x", 1), None);
    assert_eq!(Fees::polymarket("0.07", 5), None);
    let odd = Fees::polymarket("0.123456789", 4).unwrap();
    assert_eq!(odd.order(Role::Taker, false).fill(i64::MAX, 123_456_789), None);
    for rounding in Rounding::ALL {
        for sell in [false, true] {
            for (qty, price) in [(-1, 1), (1, -1), (1, PRICE_ONE + 1), (-QTY_ONE, PRICE_ONE / 2)] {
                let mut order = kalshi(*rounding).order(Role::Taker, sell);
                assert!(order.fill(QTY_ONE, PRICE_ONE / 2).is_some());
                assert_eq!((order.fill(qty, price), order.total()), (None, None));
                // One fill that is not known makes the order's total unknown for good.
                assert_eq!((order.fill(QTY_ONE, PRICE_ONE / 2), order.total()), (None, None));
            }
        }
    }
}

/// Numbers as venues print them, on finer grids, and up to the ends of their range.
fn numbers(rng: &mut Rng, sizes: usize) -> (i64, i64) {
    let mut below = |n: i64| i64::try_from(rng.below(usize::try_from(n).unwrap())).unwrap();
    match below(i64::try_from(sizes).unwrap()) {
        0 => (below(100_000) * 1_000_000, below(101) * 10_000_000),
        1 => (below(10_000_000) * 1_000_000, below(10_001) * 100_000),
        2 => (below(1_000) * QTY_ONE, below(1_001) * 1_000_000),
        3 => (below(1_000_000_000_000) * 100, below(10_001) * 100_000),
        // Halves of the millionths that dollars are counted in.
        4 => (below(1_000) * 500_000, below(10_001) * 100_000),
        5 => (below(100_000_000_000_000), below(PRICE_ONE + 1)),
        6 => (below(i64::MAX / 1_000_000) * 1_000_000, below(10_001) * 100_000),
        _ => (below(i64::MAX), below(PRICE_ONE + 1)),
    }
}

struct Listing {
    fees: Fees,
    role: Role,
    /// `M · k · 0.07` in units of 1e-13.
    rate: BigInt,
    rounding: Rounding,
}

fn listing(rng: &mut Rng) -> Listing {
    let (fee_type, maker) = *rng.pick(&TYPES);
    let (multiplier, nano) = *rng.pick(&[
        ("1", PRICE_ONE),
        ("1", PRICE_ONE),
        ("0.5", PRICE_ONE / 2),
        ("0", 0),
        ("2.25", 2_250_000_000),
    ]);
    let rounding = *rng.pick(Rounding::ALL);
    let (role, rate) = *rng.pick(&[(Role::Taker, 700), (Role::Maker, maker)]);
    let fees = Fees::kalshi(fee_type, multiplier, rounding).unwrap();
    Listing { fees, role, rate: BigInt::from(nano) * rate, rounding }
}

#[test]
fn kalshi_orders_equal_the_rules_in_big_integers() {
    let mut rng = Rng(7);
    for case in 0..400_000 {
        let Listing { fees, role, rate, rounding } = listing(&mut rng);
        let sell = rng.once_in(2);
        // Half of all orders stay on the venue's own grid, as all do in truth.
        let sizes = if rng.once_in(2) { 3 } else { 6 };
        let (mut order, mut plain) = (fees.order(role, sell), Plain::default());
        let mut balance = BigInt::from(0);
        for _ in 0..1 + rng.below(8) {
            let (qty, price) = numbers(&mut rng, sizes);
            let before = plain.usd();
            plain.fill(rounding, &rate, sell, qty, price);
            let fee = order.fill(qty, price).map(BigInt::from);
            assert_eq!(fee, Some(plain.usd() - before), "case {case}: {qty} at {price}");
            assert!(fee >= Some(BigInt::from(0)), "case {case}");
            assert_eq!(order.total().map(BigInt::from), Some(plain.usd()), "case {case}");
            let notional = BigInt::from(qty) * price;
            balance += if sell { notional } else { -notional };
        }
        if sizes == 3 {
            // The total is exact, and leaves the account a whole number of units.
            assert_eq!(plain.usd() * ten(8), plain.total, "case {case}");
            let unit = if rounding == Rounding::Direct { ten(13) } else { ten(15) };
            let whole = (balance - &plain.total) % unit == BigInt::from(0);
            assert!(whole || rounding == Rounding::Legacy, "case {case}");
        }
    }
}

#[test]
fn selling_one_outcome_costs_what_buying_the_other_does() {
    let mut rng = Rng(11);
    for _ in 0..100_000 {
        let Listing { fees, role, .. } = listing(&mut rng);
        let (mut sold, mut bought) = (fees.order(role, true), fees.order(role, false));
        for _ in 0..4 {
            let (qty, price) = numbers(&mut rng, 3);
            assert_eq!(sold.fill(qty, price), bought.fill(qty, PRICE_ONE - price));
        }
    }
}

#[test]
fn polymarket_fees_and_marginals_equal_big_integers() {
    let mut rng = Rng(13);
    let mut unknown = 0;
    let rates = ["0", "0.04", "0.05", "0.07", "0.072", "0.25", "0.0175", "1"];
    for case in 0..500_000 {
        let text = rng.word(&rates);
        let (rate, exponent) = (BigInt::from(price(text)), u32::from(!rng.once_in(8)));
        let exponent = if rng.once_in(6) { 2 } else { exponent };
        let fees = Fees::polymarket(text, exponent).unwrap();
        let (qty, at) = numbers(&mut rng, 6);
        let one = half_up(model(&rate, 9, exponent, QTY_ONE, at), 9);
        let fee = half_up(model(&rate, 9, exponent, qty, at), 5) * ten(4);
        let got = (fees.marginal(Role::Taker, at), fees.order(Role::Taker, false).fill(qty, at));
        if exponent == 1 || got.1.is_some() {
            assert_eq!(got.0.map(BigInt::from), Some(one), "case {case}: {text} {exponent} at {at}");
            assert_eq!(got.1.map(BigInt::from), Some(fee), "case {case}: {text} {qty} at {at}");
        } else {
            unknown += 1;
            // Two words are enough for all but odd prices squared.
            assert!(exponent == 2 && at % 100_000 != 0, "case {case}: {text} {qty} at {at}");
        }
    }
    assert!(unknown > 100, "{unknown}");
}

#[test]
fn only_what_does_not_fit_is_unknown() {
    let mut rng = Rng(17);
    let (mut known, mut unknown) = (0, 0);
    for case in 0..500_000 {
        let Listing { fees, role, rate, rounding } = listing(&mut rng);
        let sell = rng.once_in(2);
        let (qty, price) = numbers(&mut rng, 8);
        let mut plain = Plain::default();
        plain.fill(rounding, &rate, sell, qty, price);
        let one = half_up(model(&rate, 13, 1, QTY_ONE, price), 9);
        assert_eq!(fees.marginal(role, price).map(BigInt::from), Some(one), "case {case}");
        if let Some(fee) = fees.order(role, sell).fill(qty, price) {
            known += 1;
            assert_eq!(BigInt::from(fee), plain.usd(), "case {case}: {qty} at {price}");
        } else {
            unknown += 1;
            let (product, _) = model(&rate, 13, 1, qty, price);
            let too_long = product >= BigInt::from(u128::MAX) || plain.usd() > BigInt::from(i64::MAX);
            assert!(too_long, "case {case}: {qty} at {price}");
        }
    }
    assert!(known > 300_000 && unknown > 1_500, "{known} {unknown}");
}
