//! Windows and fair values against the vectors of the protocol page, and against what a walk does
//! that is followed sample by sample.
#![allow(clippy::cast_possible_truncation, reason = "values made of floats")]

use bookfeed_core::book::Touch;
use bookfeed_core::fairvalue::{
    Answering, BadHalfLife, Doubt, Moves, Outlook, Payoff, Tails, Volatility, fair_value, ladder,
};
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::settlement::{
    BadWindow, Endpoints, Mean, Measure, Outcome, Reading, Rule, Sampling, Tick, Tie, VALUE_ONE, Value,
    Window,
};
use bookfeed_core::time::SECOND;

const ONE: Value = VALUE_ONE;
const END: i64 = 1_000_000 * SECOND;
const BY_END: Sampling = Sampling { endpoints: Endpoints::End, ..Sampling::MINUTE };
const MEANS: Rule =
    Rule { opening: Measure::Mean(BY_END), closing: Measure::Mean(BY_END), tie: Tie::Yes };

fn mean(sampling: Sampling) -> Mean {
    Mean::new(END, sampling).unwrap()
}

/// Seconds of variance left, `tau` seconds before the end of a mean that has heard every tick.
fn variance(tau: i64) -> f64 {
    let mut mean = mean(BY_END);
    for second in (tau..=tau + 400).rev() {
        mean.tick(END - second * SECOND, 84_000 * ONE);
    }
    mean.ahead().unwrap().variance_s
}

#[test]
fn variances_of_a_minutes_mean() {
    let wanted = [
        (300, 260.502_777_777_777_8),
        (120, 80.502_777_777_777_78),
        (60, 20.502_777_777_777_776),
        (45, 8.720_833_333_333_333),
        (30, 2.626_388_888_888_889),
        (15, 0.344_444_444_444_444_44),
        (10, 0.106_944_444_444_444_44),
        (5, 0.015_277_777_777_777_777),
        (0, 0.0),
    ];
    for (tau, wanted) in wanted {
        assert!((variance(tau) - wanted).abs() < 1e-12, "{tau} s: {}", variance(tau));
    }
}

/// (spot, strike, seconds left, dollars a root second, mean of what is banked) and what follows.
#[test]
fn worked_examples() {
    let examples = [
        (84_050, 84_000, 120, 6.0, None, 84_050.0, 53.834_004_123_787_786, 0.823_498_702_613_413_3),
        (
            84_050,
            84_000,
            30,
            6.0,
            Some(83_980),
            84_015.0,
            9.723_682_430_026_189,
            0.938_539_160_491_240_2,
        ),
        (
            83_990,
            84_000,
            10,
            6.0,
            Some(84_001),
            83_999.166_666_666_67,
            1.962_141_687_034_857_8,
            0.335_525_507_275_436_84,
        ),
    ];
    for (spot, strike, tau, sigma, banked, expected, sd, p) in examples {
        let mut mean = mean(BY_END);
        if let Some(banked) = banked {
            // The newest of those that are banked is the spot; the others make up for it.
            let count = i128::from(60 - tau);
            let rest = (banked * count - spot) * ONE;
            for second in tau + 1..60 {
                mean.tick(END - second * SECOND, rest / (count - 1));
            }
            let over = rest - rest / (count - 1) * (count - 1);
            assert!(over.abs() < count, "what is lost to whole units");
        }
        mean.tick(END - tau * SECOND, spot * ONE);
        let ahead = mean.ahead().unwrap();
        let outlook = Outlook { expected: ahead.expected, sd: sigma * ahead.variance_s.sqrt() };
        assert!((ahead.expected as f64 / 1e18 - expected).abs() < 1e-9, "{ahead:?}");
        assert!((outlook.sd - sd).abs() < 1e-10, "{}", outlook.sd);
        let got = Payoff::at_least(strike * ONE).probability(outlook, Tails::NORMAL);
        assert!((got as f64 / 1e9 - p).abs() < 1.0e-9, "{got}");
    }
}

/// The variance of a sum of samples of a walk of which some ticks are known, from the covariances
/// alone: conditioning on one known tick after another.
fn conditioned(samples: &[f64], known: &[f64], from: f64) -> f64 {
    let mut times: Vec<f64> = known.iter().chain(samples).map(|t| t - from).collect();
    let n = times.len();
    times.iter_mut().for_each(|t| *t = t.max(0.0));
    let mut covariance: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| times[i].min(times[j])).collect()).collect();
    for k in 0..known.len() {
        let pivot = covariance[k][k];
        if pivot <= 1e-12 {
            continue;
        }
        let pivots = covariance[k].clone();
        for row in &mut covariance {
            let factor = row[k] / pivot;
            row.iter_mut().zip(&pivots).for_each(|(entry, of_pivot)| *entry -= factor * of_pivot);
        }
    }
    (known.len()..n)
        .flat_map(|i| (known.len()..n).map(move |j| (i, j)))
        .map(|(i, j)| covariance[i][j])
        .sum()
}

#[test]
fn missing_samples_are_bridged_as_a_walk_would_go() {
    // Of the samples at 1 to 10 s, some are heard; a tick before the first is known, and the last
    // tick may lie between two samples.
    let sampling = Sampling { samples: 10, step: SECOND, endpoints: Endpoints::End };
    for heard in [vec![-2.5, 1.0, 2.0, 5.0, 6.0], vec![-1.0, 4.0, 7.5], vec![0.0, 10.0], vec![-3.0, 9.5]]
    {
        let mut mean = Mean::new(10 * SECOND + END, sampling).unwrap();
        for &at in &heard {
            mean.tick(END + (at * 1e9) as i64, (at * 10.0) as i128 * ONE);
        }
        let samples: Vec<f64> = (1..=10).map(f64::from).filter(|t| !heard.contains(t)).collect();
        let wanted = conditioned(&samples, &heard, heard[0]) / 100.0;
        let ahead = mean.ahead().unwrap();
        assert!((ahead.variance_s - wanted).abs() < 1e-9, "{heard:?}: {} {wanted}", ahead.variance_s);
        assert_eq!(mean.banked() as usize, 10 - samples.len());
        // The ticks lie on a line until the newest, and are expected to stay there.
        let newest = heard[heard.len() - 1];
        let line: f64 = (1..=10).map(|t| f64::from(t).min(newest) * 10.0).sum::<f64>() / 10.0;
        assert!((ahead.expected as f64 / 1e18 - line).abs() < 1e-9, "{heard:?}: {}", ahead.expected);
    }
}

#[test]
fn a_mean_whose_beginning_was_not_heard_is_reckoned_backwards() {
    let sampling = Sampling { samples: 10, step: SECOND, endpoints: Endpoints::End };
    let mut mean = Mean::new(10 * SECOND + END, sampling).unwrap();
    mean.tick(END + 4 * SECOND, 7 * ONE);
    let ahead = mean.ahead().unwrap();
    assert_eq!((ahead.expected, mean.banked(), mean.missing(), mean.left()), (7 * ONE, 1, 3, 6));
    // Three samples back, six ahead: each a walk that begins here.
    let both = 14.0 + 91.0;
    assert!((ahead.variance_s - both / 100.0).abs() < 1e-12);
}

#[test]
fn late_and_repeated_ticks_count_once_and_in_their_place() {
    let mut mean = mean(Sampling::MINUTE);
    for second in [1, 60, 30, 30, 2] {
        mean.tick(END - second * SECOND, Value::from(second) * ONE);
    }
    mean.tick(END - 30 * SECOND, 31 * ONE);
    mean.tick(END - 29 * SECOND - 1, 99 * ONE);
    assert_eq!((mean.banked(), mean.missing(), mean.left(), mean.differing()), (4, 56, 0, 1));
    assert_eq!((mean.sum(), mean.value()), (93 * ONE, None));
    mean.tick(END, 5 * ONE);
    assert_eq!(mean.banked(), 4, "the end has no sample");
    assert_eq!(mean.ahead().unwrap().newest.at, END);
}

#[test]
fn what_the_rest_must_average() {
    let mut mean = mean(BY_END);
    assert_eq!(mean.needed(84_000 * ONE), Some(84_000 * ONE));
    for second in (20..60).rev() {
        mean.tick(END - second * SECOND, 84_010 * ONE);
    }
    assert_eq!((mean.banked(), mean.left()), (40, 20));
    assert_eq!(mean.needed(84_000 * ONE), Some(83_980 * ONE));
    // Not a whole number: just enough, and one unit less is not.
    let strike = 84_000 * ONE + 1;
    let needed = mean.needed(strike).unwrap();
    for (rest, reaches) in [(needed, true), (needed - 1, false)] {
        let mut told = mean.clone();
        (0..20).rev().for_each(|second| told.tick(END - second * SECOND, rest));
        assert_eq!(told.reaches(strike), Some(reaches));
        assert_eq!(told.needed(strike), None);
    }
}

#[test]
fn windows_are_decided_by_their_own_rule() {
    let rule = |opening, closing, tie| Rule { opening, closing, tie };
    let ticks = rule(Measure::Tick, Measure::Tick, Tie::Yes);
    let candle = rule(Measure::First, Measure::Last, Tie::Yes);
    let noon = rule(Measure::Last, Measure::Last, Tie::Half);
    let decided = |rule, told: &[(i64, i128)]| {
        let mut window = Window::new(100 * SECOND, 200 * SECOND, rule).unwrap();
        told.iter().for_each(|&(at, value)| window.tick(at * SECOND, value * ONE));
        (window.opening(), window.closing(), window.outcome())
    };
    let known = |value: i128| Reading::Known(value * ONE);
    assert_eq!(decided(ticks, &[]), (Reading::Open, Reading::Open, Outcome::Open));
    assert_eq!(decided(ticks, &[(100, 5), (200, 5)]), (known(5), known(5), Outcome::Yes));
    assert_eq!(decided(ticks, &[(200, 4), (100, 5)]), (known(5), known(4), Outcome::No));
    assert_eq!(decided(ticks, &[(100, 5), (199, 9)]), (known(5), Reading::Open, Outcome::Open));
    assert_eq!(decided(ticks, &[(100, 5), (201, 9)]), (known(5), Reading::Missing(1), Outcome::Unknown));
    assert_eq!(decided(ticks, &[(99, 5), (101, 5), (200, 9)]).2, Outcome::Unknown);
    assert_eq!(
        decided(candle, &[(99, 1), (101, 5), (199, 6)]),
        (known(5), Reading::Open, Outcome::Open)
    );
    assert_eq!(decided(candle, &[(99, 1), (101, 5), (199, 6), (200, 1)]).2, Outcome::Yes);
    assert_eq!(decided(noon, &[(99, 5), (199, 5), (200, 9)]), (known(5), known(5), Outcome::Half));
    assert_eq!(decided(noon, &[(99, 5), (199, 6), (200, 1)]).2, Outcome::Yes);
}

#[test]
fn a_candle_is_known_only_where_nothing_was_lost_around_its_ends() {
    let candle = Rule { opening: Measure::First, closing: Measure::Last, tie: Tie::Yes };
    // Seconds, and where ticks were lost: before the one that is told next.
    let opening = |told: &[(i64, bool)]| {
        let mut window = Window::new(100 * SECOND, 200 * SECOND, candle).unwrap();
        for &(at, lost) in told {
            if lost {
                window.lose();
            }
            window.tick(at * SECOND, i128::from(at) * ONE);
        }
        window.opening()
    };
    let (known, missing) = (Reading::Known(101 * ONE), Reading::Missing(1));
    assert_eq!(opening(&[(98, true), (101, false)]), known);
    assert_eq!(opening(&[(98, false), (101, true)]), missing);
    assert_eq!(opening(&[(98, false), (101, false), (102, true)]), known);
    assert_eq!(opening(&[(101, true)]), missing, "nothing was heard before it");
    // One of those that were lost comes late: that it was the only one nobody says.
    assert_eq!(opening(&[(98, false), (101, true), (99, false), (102, false)]), missing);
    assert_eq!(opening(&[(98, true), (99, true), (101, false)]), known);
}

#[test]
fn a_window_of_means_is_compared_without_rounding() {
    let mut window = Window::new(END - 900 * SECOND, END, MEANS).unwrap();
    window.tell_strike(84_000 * ONE + 1).unwrap();
    for second in (0..60).rev() {
        window.tick(END - second * SECOND, 84_000 * ONE + i128::from(second > 0));
    }
    // Rounded down, the mean is the strike less one unit; it is 59 sixtieths of a unit short.
    assert_eq!((window.closing(), window.outcome()), (Reading::Known(84_000 * ONE), Outcome::No));
    assert_eq!(window.strike(), Some(84_000 * ONE + 1));
    assert_eq!(window.needed(), None);
    assert_eq!(window.opening(), Reading::Missing(60), "ticks came after it, none in it");
}

#[test]
fn windows_that_make_no_sense_are_refused() {
    assert_eq!(Window::new(5, 5, MEANS).unwrap_err(), BadWindow::Times);
    assert_eq!(Window::new(SECOND, 900 * SECOND, MEANS).unwrap_err(), BadWindow::Sampling);
    for sampling in [
        Sampling { samples: 0, ..BY_END },
        Sampling { samples: 3_601, ..BY_END },
        Sampling { step: 0, ..BY_END },
    ] {
        let rule = Rule { closing: Measure::Mean(sampling), ..MEANS };
        assert_eq!(Window::new(END, 2 * END, rule).unwrap_err(), BadWindow::Sampling);
    }
    let mut window = Window::new(END, 2 * END, MEANS).unwrap();
    assert_eq!(window.tell_strike(0), Err(BadWindow::Strike));
    assert_eq!(window.tell_strike(i128::MAX), Err(BadWindow::Strike));
    // Nor does a tick beyond all sense do harm.
    for (at, value) in [(i64::MAX, i128::MAX), (i64::MIN, i128::MIN), (i64::MAX, 1), (i64::MIN, 1)] {
        window.tick(at, value);
        let _ = (window.ahead(), window.needed(), window.outcome());
    }
}

#[test]
fn a_boundary_whose_tick_is_missing_is_expected_between_its_neighbours() {
    let rule = Rule { opening: Measure::Tick, closing: Measure::Tick, tie: Tie::Yes };
    let mut window = Window::new(SECOND, END, rule).unwrap();
    assert_eq!(window.ahead(), None);
    window.tick(END - 4 * SECOND, 10 * ONE);
    let before = window.ahead().unwrap();
    assert_eq!((before.expected, before.variance_s), (10 * ONE, 4.0));
    window.tick(END + SECOND, 20 * ONE);
    let between = window.ahead().unwrap();
    assert_eq!((between.expected, between.variance_s), (18 * ONE, 4.0 * 1.0 / 5.0));
}

#[test]
fn volatility_over_unequal_times() {
    assert_eq!(Volatility::new(SECOND, SECOND).unwrap_err(), BadHalfLife);
    assert_eq!(Volatility::new(SECOND, 0).unwrap_err(), BadHalfLife);
    let mut volatility = Volatility::new(30 * SECOND, SECOND).unwrap();
    assert_eq!((volatility.sigma(), volatility.relative_error()), (None, 1.0));
    // Steps of unequal sizes over unequal times, and what each of them must weigh.
    let (mut at, mut value, mut moves) = (0.0_f64, 84_000.0_f64, Vec::new());
    for (step, gap) in [1.0, 9.0, 1.0, 1.0, 4.0].iter().cycle().take(60).enumerate() {
        let before = value;
        value = 84_000.0 + (step * step % 17) as f64;
        at += gap;
        moves.push((at, *gap, (value / before).ln().powi(2) / gap));
        volatility.tick((at * 1e9) as i64, (value * 1e18) as i128);
        // Noise between two steps is not looked at.
        volatility.tick((at * 1e9) as i64 + 1, 90_000 * ONE);
    }
    moves.remove(0);
    let decay = 30.0 / std::f64::consts::LN_2;
    let weight =
        |&(then, gap, _): &(f64, f64, f64)| (-(at - then) / decay).exp() * (1.0 - (-gap / decay).exp());
    let weights: f64 = moves.iter().map(weight).sum();
    let wanted = moves.iter().map(|one| weight(one) * one.2).sum::<f64>() / weights;
    let squares: f64 = moves.iter().map(|one| weight(one).powi(2)).sum();
    let variance = volatility.variance().unwrap();
    assert!((variance / wanted - 1.0).abs() < 1e-9, "{variance} {wanted}");
    assert!((volatility.sigma().unwrap() / (value * wanted.sqrt()) - 1.0).abs() < 1e-9);
    let error = (squares / 2.0).sqrt() / weights;
    assert!((volatility.relative_error() / error - 1.0).abs() < 1e-9);
    assert_eq!(volatility.newest(), Some((at * 1e9) as i64));
}

#[test]
fn a_few_moves_are_enough_and_their_interval_says_how_few() {
    let mut volatility = Volatility::new(300 * SECOND, 10 * SECOND).unwrap();
    let payoff = Payoff::at_least(84_000 * ONE);
    let (start, mut widths) = (END - 900 * SECOND, Vec::new());
    let mut window = Window::new(start, END, MEANS).unwrap();
    for second in (0..=700).step_by(10) {
        let value = (84_010 + Value::from(second / 10 % 2) * 6) * ONE;
        let at = start + second * SECOND;
        window.tick(at, value);
        volatility.tick(at, value);
        let ahead = window.ahead().unwrap();
        let of = |doubt| fair_value(payoff, &ahead, &volatility, Tails::NORMAL, doubt, at);
        let Some(fair) = of(Doubt::USUAL) else {
            assert!(second < 220, "{second}");
            continue;
        };
        assert!(second >= 200, "after {second} s");
        // As wide as by the deviations that are twice their own error off, either way.
        let off = 2.0 * volatility.relative_error();
        let sd = fair.sd as f64 / 1e18;
        let by = |sd| payoff.probability(Outlook { expected: ahead.expected, sd }, Tails::NORMAL);
        let wanted = (by(sd / (1.0 - off)), by(sd / (1.0 + off)));
        assert!((fair.low - wanted.0).abs() <= 1 && (fair.high - wanted.1).abs() <= 1, "{fair:?}");
        widths.push(off);
    }
    assert!(widths.is_sorted_by(|a, b| a > b) && widths[0] > 0.3, "{widths:?}");
    // However great the doubt is, there is an interval.
    let ahead = window.ahead().unwrap();
    let doubt = Doubt { reference: 0, volatility: 100.0 };
    let now = start + 700 * SECOND;
    let fair = fair_value(payoff, &ahead, &volatility, Tails::NORMAL, doubt, now).unwrap();
    assert!(fair.low <= fair.price && fair.low < 520_000_000 && fair.high > 900_000_000, "{fair:?}");
}

#[test]
fn from_one_make_of_a_reference_to_another_is_no_move() {
    let mut one = Volatility::new(30 * SECOND, SECOND).unwrap();
    let mut other = one.clone();
    for second in 0..200 {
        // A venue 20 dollars apart leaves each tenth second and is there again in the next.
        let of = if second % 10 == 9 { 0b01 } else { 0b11 };
        let value = 84_000 + Value::from(second % 2) * 3;
        one.tick_of(second * SECOND, (value - if of == 1 { 10 } else { 0 }) * ONE, of);
        other.tick(second * SECOND, value * ONE);
    }
    let (one, other) = (one.sigma().unwrap(), other.sigma().unwrap());
    assert!((one / other - 1.0).abs() < 1e-3, "{one}, {other}");
}

#[test]
fn volatility_of_equal_steps_is_exactly_theirs() {
    for gap in [1, 7] {
        let mut volatility = Volatility::new(30 * SECOND, SECOND).unwrap();
        let mut value = 84_000.0_f64;
        for step in 0..200 {
            volatility.tick(step * gap * SECOND, (value * 1e18) as i128);
            value *= if step % 2 == 0 { 1.0001 } else { 1.0 / 1.0001 };
        }
        let wanted = 1.0001_f64.ln().powi(2) / gap as f64;
        assert!((volatility.variance().unwrap() / wanted - 1.0).abs() < 1e-9);
    }
}

#[test]
fn payoffs_add_up_and_tails_of_a_range_keep_their_digits() {
    let outlook = Outlook { expected: 84_000 * ONE, sd: 25.0 };
    for tails in [Tails::NORMAL, Tails::new(Some(4), 1.2).unwrap()] {
        let strikes: Vec<Value> = (-8..=8).map(|i| (84_000 + 20 * i) * ONE).collect();
        let mut above = Vec::new();
        ladder(&strikes, outlook, tails, &mut above);
        assert!(above.is_sorted_by(|a, b| a >= b));
        let p = |payoff: Payoff| payoff.probability(outlook, tails);
        for pair in strikes.windows(2) {
            let (low, high) = (pair[0], pair[1]);
            let between = p(Payoff::between(low, high));
            let sum = p(Payoff::below(low)) + between + p(Payoff::at_least(high));
            assert!((sum - PRICE_ONE).abs() <= 2, "{sum}");
            assert!(between > 0);
        }
        assert_eq!(p(Payoff::at_least(84_000 * ONE)), PRICE_ONE / 2);
    }
    let settled = Outlook { expected: 84_000 * ONE, sd: 0.0 };
    let paid = |payoff: Payoff| payoff.probability(settled, Tails::NORMAL);
    assert_eq!(paid(Payoff::at_least(84_000 * ONE)), PRICE_ONE, "a tie is yes");
    assert_eq!(paid(Payoff::at_least(84_000 * ONE + 1)), 0);
    assert_eq!(paid(Payoff::below(84_000 * ONE)), 0);
    assert_eq!(paid(Payoff { half_on_tie: true, ..Payoff::at_least(84_000 * ONE) }), PRICE_ONE / 2);
}

#[test]
fn a_fair_value_says_what_it_rests_on_and_how_far_off_it_may_be() {
    let mut window = Window::new(END - 900 * SECOND, END, MEANS).unwrap();
    let mut volatility = Volatility::new(30 * SECOND, SECOND).unwrap();
    for second in (120..400).rev() {
        let value = (84_050 + if second % 2 == 0 { 0 } else { 6 }) * ONE;
        window.tick(END - second * SECOND, value);
        volatility.tick(END - second * SECOND, value);
    }
    let now = END - 119 * SECOND;
    let of = |payoff, doubt| {
        let ahead = window.ahead().unwrap();
        fair_value(payoff, &ahead, &volatility, Tails::NORMAL, doubt, now).unwrap()
    };
    let up = of(Payoff::at_least(84_000 * ONE), Doubt::USUAL);
    assert!((up.price - 823_498_703).abs() < 1_000_000, "{up:?}");
    assert_eq!((up.reference_age, up.volatility_age), (SECOND, SECOND));
    assert!(up.low < up.price && up.price < up.high);
    let none = Doubt { reference: 0, volatility: 0.0 };
    let certain = of(Payoff::at_least(84_000 * ONE), none);
    assert_eq!((certain.low, certain.high), (up.price, up.price));
    let wider = of(Payoff::at_least(84_000 * ONE), Doubt { reference: 20 * ONE, ..Doubt::USUAL });
    assert!(wider.low < up.low && wider.high > up.high);
    // A range that the reference may lie in the middle of, although it is not expected to.
    let range = Payoff::between(84_060 * ONE, 84_080 * ONE);
    let beside = of(range, Doubt { reference: 40 * ONE, volatility: 0.0 });
    let middle = Outlook { expected: 84_070 * ONE, sd: beside.sd as f64 / 1e18 };
    assert_eq!(beside.high, range.probability(middle, Tails::NORMAL));
    let cold = Volatility::new(30 * SECOND, SECOND).unwrap();
    let ahead = window.ahead().unwrap();
    assert_eq!(fair_value(range, &ahead, &cold, Tails::NORMAL, none, now), None);
}

#[test]
fn a_settled_value_is_as_doubtful_as_its_reference() {
    let mut window = Window::new(END - 900 * SECOND, END, MEANS).unwrap();
    for second in (0..=120).rev() {
        window.tick(END - second * SECOND, 84_003 * ONE);
    }
    let ahead = window.ahead().unwrap();
    assert!(ahead.variance_s <= 0.0, "{ahead:?}");
    let cold = Volatility::new(30 * SECOND, SECOND).unwrap();
    let of = |payoff, reference| {
        let doubt = Doubt { reference, volatility: 2.0 };
        let fair = fair_value(payoff, &ahead, &cold, Tails::NORMAL, doubt, END + SECOND).unwrap();
        (fair.price, fair.low, fair.high)
    };
    let up = Payoff::at_least(84_000 * ONE);
    assert_eq!(of(up, 0), (PRICE_ONE, PRICE_ONE, PRICE_ONE));
    assert_eq!(of(up, 2 * ONE), (PRICE_ONE, PRICE_ONE, PRICE_ONE), "too little to matter");
    assert_eq!(of(up, 4 * ONE), (PRICE_ONE, 0, PRICE_ONE));
    // A range between what may be, which either end of the doubt is beyond.
    let range = Payoff::between(84_004 * ONE, 84_005 * ONE);
    assert_eq!(of(range, 10 * ONE), (0, 0, PRICE_ONE));
}

/// What happened to a book and its reference: time, whether a move was seen, fair value, mid; in
/// whole steps, so that nothing is rounded.
type Seen = (i64, bool, Option<i64>, Option<i64>);

/// The move that is waited for after all of that, and how long each answer took: by going through
/// all of it again from the newest beginning of a move on.
fn waited_by_hand(seen: &[Seen]) -> (Option<(i64, i64)>, Vec<i64>) {
    let (mut took, mut at) = (Vec::new(), 0);
    while at < seen.len() {
        let (since, moved, fair, mid) = seen[at];
        at += 1;
        let (true, Some(fair), Some(mid)) = (moved, fair, mid) else { continue };
        let sign = (fair - mid).signum();
        if sign == 0 {
            continue;
        }
        let mut over = false;
        while at < seen.len() && !over {
            let (now, _, fair_now, mid_now) = seen[at];
            let answered = mid_now.is_some_and(|now| 2 * (now - mid) * sign >= (fair - mid) * sign);
            over = match (fair_now, mid_now) {
                (Some(_), Some(_)) if answered => {
                    took.push(now - since);
                    true
                }
                (Some(fair), Some(mid)) => (fair - mid).signum() != sign || now - since > 60 * SECOND,
                _ => true,
            };
            at += 1;
        }
        if !over {
            return (Some((since, seen.last().unwrap().0 - since)), took);
        }
    }
    (None, took)
}

#[test]
fn answers_are_waited_for_as_by_hand() {
    let mut all = 0;
    for seed in 0..60_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut below = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % n).unwrap()
        };
        let (mut answering, mut seen, mut at) = (Answering::default(), Vec::new(), 0);
        for _ in 0..300 {
            at += [SECOND / 5, SECOND, 25 * SECOND][usize::try_from(below(3)).unwrap()];
            let fair = (below(15) > 0).then(|| 400 + 2 * below(100));
            let mid = (below(15) > 0).then(|| 400 + 2 * below(100));
            let moved = below(4) == 0;
            seen.push((at, moved, fair, mid));
            let million = 1_000_000;
            let touch = mid.map(|mid| Touch {
                bid: (mid - 1) * million,
                bid_qty: 1,
                ask: (mid + 1) * million,
                ask_qty: 1,
            });
            answering.tick(at, |_| moved, fair.map(|fair| fair * million), touch.as_ref());
            let (waiting, took) = waited_by_hand(&seen);
            assert_eq!(answering.waiting().map(|w| (w.since, w.waited)), waiting, "seed {seed} at {at}");
            let mut newest: Vec<_> = took.iter().rev().take(64).copied().collect();
            newest.sort_unstable();
            assert_eq!(answering.half_life(), newest.get(newest.len() / 2).copied());
            all = all.max(took.len());
        }
    }
    assert!(all > 20, "at most {all} answers");
}

#[test]
fn a_reference_has_moved_by_so_many_deviations() {
    let mut volatility = Volatility::new(20 * SECOND, SECOND).unwrap();
    let moves = Moves::of_ppm(2 * SECOND, 3_000_000);
    let tick = |at: i64, value: i128| Tick { at: at * SECOND, value: value * ONE };
    assert_eq!(moves.between(tick(0, 100), tick(4, 200), &volatility), None, "nothing is known yet");
    for second in 0..200 {
        volatility.tick(second * SECOND, (100_000 + Value::from(second % 2) * 10) * ONE);
    }
    // Ten a second; of four seconds three deviations are sixty.
    let sigma = volatility.sigma().unwrap();
    assert!((sigma - 10.0).abs() < 0.01, "{sigma}");
    let between = |to| moves.between(tick(0, 100_000), tick(4, to), &volatility);
    assert_eq!((between(100_061), between(99_939)), (Some(true), Some(false)));
    assert_eq!((between(100_059), between(100_000)), (None, None));
    let still = Moves::of_ppm(2 * SECOND, 0);
    assert_eq!(still.between(tick(0, 5), tick(4, 5), &volatility), None);
}
