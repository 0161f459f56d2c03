//! Rules as they are written: what is wrong is named, with what is allowed; what is right makes
//! the bundles it should.

use super::pit::{Pit, params};
use bookfeed_core::engine::Config;
use bookfeed_core::instrument::Venue;

#[test]
fn rules_say_what_is_wrong_with_their_parameters() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case] = &[
        ("bocks", &[], "there are spread, complement, box, basket, ladder"),
        ("box", &[("b", "kalshi X yes")], "rule box: a is required"),
        ("box", &[("a", "kalshi X yes")], "rule box: b is required"),
        (
            "box",
            &[("a", "kalshi X"), ("b", "kalshi Y yes")],
            "a must be a leg: venue, symbol, and yes or no, such as \"venue SYMBOL yes\", not \"kalshi X\"",
        ),
        ("box", &[("a", "kalshi X maybe"), ("b", "kalshi Y yes")], "a must be a leg"),
        ("box", &[("a", "kalchi X yes"), ("b", "kalshi Y yes")], "a must be a leg"),
        ("box", &[("a", "kalshi X yes yes"), ("b", "kalshi Y yes")], "a must be a leg"),
        ("box", &[("a", "kalshi X yes"), ("b", "kalshi X no")], "must be different instruments"),
        ("box", &[("a", "kalshi X yes; kalshi Z yes"), ("b", "kalshi Y no")], "must hold one leg each"),
        ("box", &[("a", ""), ("b", "kalshi Y no")], "a must be 1 to 128 legs"),
        (
            "box",
            &[("a", "kalshi X yes"), ("b", "kalshi Y yes"), ("polarity_check", "no")],
            "polarity_check must be one of on, off, not \"no\"",
        ),
        (
            "box",
            &[("a", "kalshi X yes"), ("b", "kalshi Y yes"), ("max_lag_ms", "-1")],
            "max_lag_ms must be a plain decimal",
        ),
        (
            "box",
            &[("a", "kalshi X yes"), ("b", "kalshi Y yes"), ("legs", "")],
            "no parameter \"legs\"; there are a, b, polarity_check, min_edge, max_qty",
        ),
        (
            "strike_gap",
            &[("a", "kalshi X yes"), ("b", "kalshi Y yes"), ("a_strike", "1"), ("b_strike", "2")],
            "rule strike_gap: reference_sd is required",
        ),
        (
            "strike_gap",
            &[("a", "kalshi X yes"), ("b", "kalshi Y yes"), ("a_strike", "up")],
            "rule strike_gap: a_strike must be a plain decimal",
        ),
        ("fair_value", &[("max_reference_age_ms", "old")], "max_reference_age_ms must be a plain"),
        ("fair_value", &[("max_skew", "1")], "no parameter \"max_skew\"; there are min_edge, max_qty"),
        ("basket", &[], "legs is required"),
        ("basket", &[("legs", "kalshi X yes")], "legs must be 2 to 128 legs separated by semicolons"),
        (
            "basket",
            &[("legs", "kalshi X yes; kalshi X no")],
            "legs must be legs of different instruments",
        ),
        (
            "basket",
            &[("legs", "kalshi X yes; kalshi Y no"), ("exhaustive", "yes")],
            "exhaustive must be one of false, true",
        ),
        (
            "basket",
            &[("legs", "kalshi X yes; kalshi Y no"), ("augmented", "1")],
            "augmented must be one of false, true",
        ),
        (
            "basket",
            &[("legs", "kalshi X yes; kalshi Y no"), ("max_qty", "all")],
            "max_qty must be a plain decimal",
        ),
        (
            "ladder",
            &[("legs", "kalshi X yes; kalshi Y no"), ("exhaustive", "true")],
            "no parameter \"exhaustive\"; there are legs, min_edge",
        ),
        (
            "ladder",
            &[("legs", "kalshi X yes; kalshi Y yes"), ("min_time_to_close_ms", "soon")],
            "min_time_to_close_ms must be a plain decimal",
        ),
    ];
    let mut pit = Pit::new(Config::default());
    for (rule, given, expected) in cases {
        let error = pit.engine.add_rule(rule, &params(given)).unwrap_err().to_string();
        assert!(error.contains(expected), "{given:?}: {error}");
    }
    let many: Vec<_> = (0..129).map(|i| format!("kalshi X{i} yes")).collect();
    let error = pit.engine.add_rule("ladder", &params(&[("legs", &many.join(";"))])).unwrap_err();
    assert!(error.to_string().contains("2 to 128 legs"), "{error}");
    assert!(pit.engine.add_rule("ladder", &params(&[("legs", &many[..128].join(";"))])).is_ok());
}

/// Instruments and views of every signal, in order.
fn bundles(pit: &Pit) -> Vec<Vec<(u32, bool)>> {
    let of = |s: &crate::support::records::Signal| {
        s.legs.iter().map(|l| (l.instrument, l.complement)).collect()
    };
    pit.signals.iter().map(of).collect()
}

/// Books in which every leg is nearly free, own and opposite, one touch a venue allows.
fn cheap(pit: &mut Pit) {
    for n in 0..pit.places.len() {
        pit.touch(n, 10, 5, 20, 5);
    }
}

/// Every bundle of these legs pays: books with a bid at 0.98 cost 0.02 bought as NO, and YES of
/// the first is bought at 0.02 where its book is as low.
#[test]
fn subjects_are_watched_once_and_in_their_order_whenever_instruments_come() {
    for late in [false, true] {
        let listed = super::pit::Listed { schedule: Some(super::pit::FREE), ..Default::default() };
        let mut pit = Pit::free(Config::default(), &[Venue::KALSHI; 2]);
        let add = |pit: &mut Pit| {
            let third = "kalshi KXTEST-26OCT0117-T2 yes";
            let legs = format!("{}; {}; {third}", pit.leg(0, false), pit.leg(1, false));
            pit.rule("ladder", &[("legs", &legs)]);
            pit.rule("basket", &[("legs", &legs), ("exhaustive", "true")]);
        };
        if late {
            add(&mut pit);
            pit.list(Venue::KALSHI, listed);
        } else {
            pit.list(Venue::KALSHI, listed);
            add(&mut pit);
        }
        let (yes, no) = (false, true);
        pit.touch(0, 10, 5, 20, 5);
        assert_eq!(bundles(&pit), [[(0, yes); 0]; 0]);
        pit.touch(1, 970, 5, 980, 5);
        assert_eq!(bundles(&pit), [[(0, yes), (1, no)]], "a pair needs no third leg");
        pit.touch(2, 970, 5, 980, 5);
        let (pair, none) = ([(0, yes), (2, no)].to_vec(), [(0, no), (1, no), (2, no)].to_vec());
        assert_eq!(bundles(&pit)[1..], [pair, none], "in the order of rules, and once each");
        // The set of YES costs 0.06 of a dollar; nothing else pays any more.
        pit.signals.clear();
        pit.touch(1, 10, 5, 20, 5);
        pit.touch(2, 10, 5, 20, 5);
        let lives: Vec<_> = pit.signals.iter().map(|s| s.short()).collect();
        let close = "close edge";
        assert_eq!(lives, [close, "open", close, close, close, "open"]);
        assert_eq!(bundles(&pit)[1], [(1, yes), (2, no)], "for as long as the third was dear");
        assert_eq!(bundles(&pit)[5], [(0, yes), (1, yes), (2, yes)]);
    }
}

#[test]
fn a_rule_waits_until_all_of_its_instruments_are_there() {
    let mut pit = Pit::free(Config::default(), &[Venue::KALSHI]);
    pit.rule(
        "box",
        &[
            ("a", "kalshi KXTEST-26OCT0117-T0 yes"),
            ("b", "polymarket P1 yes"),
            ("max_lag_ms", "0"),
            ("polarity_check", "off"),
        ],
    );
    cheap(&mut pit);
    assert_eq!(pit.signals, []);
    let listed = super::pit::Listed { schedule: Some(super::pit::FREE), ..Default::default() };
    pit.list(Venue::POLYMARKET, listed);
    assert_eq!(pit.touch(1, 900, 5, 910, 5), ["open"], "0.02 here and 0.1 there");
    assert_eq!(bundles(&pit), [[(0, false), (1, true)]]);
}
