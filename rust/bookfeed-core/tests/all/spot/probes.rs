//! Whole books by REST beside running ones: known deeper before the price has left what is known,
//! and held against the venue's where nothing else shows that a change is missing. The oracle keeps
//! the true book in maps; answers are cut off, late, early, old and wrong.

use super::desk::{Desk, apply, small};
use crate::support::Rng;
use crate::support::spot::Venue;
use crate::support::venue::MS;
use bookfeed_core::book::integrity::{Cause, Evidence, State};
use bookfeed_core::event::Side;
use bookfeed_core::fixed::PRICE_ONE;
use bookfeed_core::instrument;

const GONE: &str = "0.00000000";
const CENT: i64 = PRICE_ONE / 100;
const DEPTH: usize = 10;

/// The best levels of the true book.
fn cut(venue: &Venue, depth: usize) -> Venue {
    let mut short = venue.clone();
    short.sides[0] = venue.sides[0].iter().rev().take(depth).map(|(p, s)| (*p, s.clone())).collect();
    short.sides[1] = venue.sides[1].iter().take(depth).map(|(p, s)| (*p, s.clone())).collect();
    short
}

/// The true book changes, and Binance says so.
fn difference(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let first = desk.venue.id + 1;
    let changes = apply(&mut desk.venue, entries);
    desk.venue.depth_update(first, &changes)
}

/// Time passes as a session lets it.
fn wait(desk: &mut Desk, ms: i64) {
    for _ in 0..ms / 100 {
        desk.ts += 100 * MS;
        desk.engine.advance(desk.ts);
    }
}

/// A live book of Binance's of 40 levels a side, of which the best ten were told.
fn live() -> Desk {
    let mut desk = Desk::new(instrument::Venue::BINANCE, small("BTCUSDT", 40), 5_000);
    let frame = difference(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    let body = cut(&desk.venue, DEPTH).rest_book();
    desk.answer(&body);
    assert!(desk.live());
    wait(&mut desk, 300);
    assert_eq!(desk.engine.probes(0), [0; 0]);
    desk
}

/// The price falls by so many levels.
fn fall(desk: &mut Desk, levels: i64) {
    for _ in 0..levels {
        let best = *desk.venue.sides[0].last_key_value().unwrap().0;
        let frame = difference(desk, &[(true, best, GONE)]);
        desk.hear(&frame);
    }
    wait(desk, 300);
}

fn known_to(desk: &Desk, side: Side) -> i64 {
    desk.engine.book(desk.id).unwrap().depth_known(side).unwrap() / CENT
}

/// Whether every level is true, as far as the book is known.
fn is_true_within(desk: &Desk) -> bool {
    let (bid, ask) = (known_to(desk, Side::Bid), known_to(desk, Side::Ask));
    let book = desk.engine.book(desk.id).unwrap();
    let ours = |side: Side| {
        let levels: Vec<_> = match side {
            Side::Bid => book.bids.best_first().collect(),
            Side::Ask => book.asks.best_first().collect(),
        };
        let cents = levels.into_iter().map(|(price, _)| price / CENT);
        cents.filter(|price| bid <= *price && *price <= ask).collect::<Vec<_>>()
    };
    let bids: Vec<_> = desk.venue.sides[0].keys().rev().copied().filter(|p| *p >= bid).collect();
    let asks: Vec<_> = desk.venue.sides[1].keys().copied().filter(|p| *p <= ask).collect();
    ours(Side::Bid) == bids && ours(Side::Ask) == asks
}

#[test]
fn a_price_that_walks_is_followed_and_the_book_never_leaves_live() {
    let mut desk = live();
    for _ in 0..5 {
        fall(&mut desk, 5);
        assert_eq!(desk.engine.probes(0), [desk.id], "half is used up: {}", desk.text());
        let body = cut(&desk.venue, DEPTH).rest_book();
        desk.answer(&body);
        assert!(desk.live() && is_true_within(&desk), "{}", desk.text());
        let best = *desk.venue.sides[0].last_key_value().unwrap().0;
        assert_eq!(known_to(&desk, Side::Bid), best - 9);
        assert_eq!(desk.engine.probes(0), [0; 0]);
    }
    assert_eq!(known_to(&desk, Side::Ask), 10_109, "of the other side nothing more was told");
    assert_eq!((desk.evidence(Evidence::RestMatch), desk.evidence(Evidence::RestMismatch)), (5, 0));
}

#[test]
fn a_price_that_comes_back_needs_no_answer() {
    let mut desk = live();
    fall(&mut desk, 5);
    let frame = difference(&mut desk, &[(true, 10_000, "1.00000000")]);
    desk.hear(&frame);
    wait(&mut desk, 300);
    assert_eq!(desk.engine.probes(0), [0; 0]);
}

#[test]
fn an_answer_ahead_of_the_stream_is_waited_for_and_an_old_one_says_nothing() {
    let mut desk = live();
    let old = cut(&desk.venue, 40).rest_book();
    fall(&mut desk, 5);
    desk.answer(&old);
    assert_eq!((desk.engine.probes(0), known_to(&desk, Side::Bid)), (vec![desk.id], 9_991));
    let frames = [(true, 9_996, "9.00000000"), (true, 9_995, "8.00000000")]
        .map(|entry| difference(&mut desk, &[entry]));
    let body = cut(&desk.venue, DEPTH).rest_book();
    desk.answer(&body);
    assert_eq!(desk.engine.probes(0), [0; 0]);
    desk.hear(&frames[0]);
    assert_eq!(known_to(&desk, Side::Bid), 9_991);
    desk.hear(&frames[1]);
    assert!(desk.live() && is_true_within(&desk), "{}", desk.text());
    assert!(known_to(&desk, Side::Bid) < 9_991);
}

#[test]
fn the_very_message_with_which_the_price_leaves_may_bring_what_lies_there() {
    let mut desk = live();
    fall(&mut desk, 6);
    let gone: Vec<_> = (9_991..=9_994).map(|price| (true, price, GONE)).collect();
    let frame = difference(&mut desk, &gone);
    let body = cut(&desk.venue, DEPTH).rest_book();
    desk.answer(&body);
    assert_eq!(desk.hear(&frame), ["book live snapshot"]);
    assert!(desk.live() && is_true_within(&desk), "{}", desk.text());
}

#[test]
fn an_answer_that_differs_at_the_same_update_costs_the_book_its_state() {
    let mut desk = live();
    fall(&mut desk, 5);
    let mut other = cut(&desk.venue, DEPTH);
    other.sides[0].insert(9_993, "77.00000000".to_owned());
    assert_eq!(desk.answer(&other.rest_book()), ["state stale withheld"]);
    assert_eq!(desk.evidence(Evidence::RestMismatch), 1);
    let frame = difference(&mut desk, &[(true, 9_990, "3.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.rest_book();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true());
}

#[test]
fn an_answer_that_contradicts_itself_or_is_cut_shorter_changes_nothing() {
    let mut desk = live();
    fall(&mut desk, 5);
    let twice = desk.venue.rest_book().replacen("],[", r#"],["99.95000000","9.0"],["#, 1);
    desk.answer(&twice);
    assert!(desk.live() && is_true_within(&desk));
    let body = cut(&desk.venue, 2).rest_book();
    desk.answer(&body);
    assert!(desk.live() && is_true_within(&desk));
    assert_eq!(known_to(&desk, Side::Bid), 9_991);
}

/// What the stream says and what REST answers cross each other in every way: the book is live all the
/// time, and right as far as it is known.
#[test]
fn however_answers_and_messages_cross_the_book_is_right_as_far_as_it_is_known() {
    let (mut deeper, mut lost) = (0, 0);
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut desk = live();
        let mut under_way: Vec<String> = Vec::new();
        let mut unheard: Vec<String> = Vec::new();
        let mut low = known_to(&desk, Side::Bid);
        for _ in 0..200 {
            desk.venue.ms = (desk.ts / MS).unsigned_abs();
            let best = *desk.venue.sides[0].last_key_value().unwrap().0;
            let at = best - i64::try_from(rng.below(5)).unwrap();
            let size = format!("{}.50000000", 1 + rng.below(9));
            let gone = rng.once_in(3) && desk.venue.sides[0].len() > 15;
            let size = if gone { GONE } else { &size };
            unheard.push(difference(&mut desk, &[(true, at, size)]));
            if !desk.engine.probes(0).is_empty() && rng.once_in(2) {
                under_way.push(cut(&desk.venue, DEPTH).rest_book());
            }
            if rng.once_in(2) && !under_way.is_empty() {
                let body = under_way.remove(0);
                desk.answer(&body);
            }
            if rng.once_in(3) || unheard.len() > 6 {
                unheard.drain(..).for_each(|frame| drop(desk.hear(&frame)));
            }
            wait(&mut desk, 200);
            if !desk.live() {
                assert_eq!(desk.standing(), (State::Stale, Cause::Window), "seed {seed}");
                break;
            }
            let end = known_to(&desk, Side::Bid);
            assert!(end <= low, "what is known is not forgotten");
            deeper += usize::from(end < low);
            low = end;
        }
        unheard.drain(..).for_each(|frame| drop(desk.hear(&frame)));
        lost += usize::from(!desk.live());
        assert!(!desk.live() || is_true_within(&desk), "seed {seed}: {}", desk.text());
        assert_eq!(desk.evidence(Evidence::RestMismatch), 0);
    }
    assert!(deeper > 300 && lost < 30, "deeper {deeper} times, {lost} lost");
}

// Bitstamp: nothing shows that a change behind the best levels was lost.

/// The true book of Bitstamp's changes, and a message says so.
fn diff(desk: &mut Desk, entries: &[(bool, i64, &str)]) -> String {
    let changes = apply(&mut desk.venue, entries);
    desk.ts += 100 * MS;
    desk.venue.bitstamp_book("diff_order_book", &changes)
}

fn bitstamp() -> Desk {
    let mut desk = Desk::new(instrument::Venue::BITSTAMP, small("btcusd", 10), 0);
    let frame = diff(&mut desk, &[(true, 10_000, "3.00000000")]);
    desk.hear(&frame);
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    let frame = diff(&mut desk, &[(false, 10_100, "4.00000000")]);
    desk.hear(&frame);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
    desk
}

/// A minute in which a change comes every so often.
fn minute(desk: &mut Desk) {
    for second in 0..61_i64 {
        let size = format!("{}.25000000", 1 + second % 7);
        let frame = diff(desk, &[(true, 9_999, &size)]);
        desk.hear(&frame);
        for _ in 0..9 {
            desk.ts += 100 * MS;
            desk.venue.ms += 100;
            desk.engine.advance(desk.ts);
        }
    }
}

#[test]
fn a_change_that_was_lost_behind_the_best_levels_is_found_within_a_minute() {
    let mut desk = bitstamp();
    drop(diff(&mut desk, &[(true, 9_992, "6.00000000")]));
    minute(&mut desk);
    assert_eq!((desk.live(), desk.engine.probes(0)), (true, vec![desk.id]));
    let body = desk.venue.bitstamp_rest();
    assert_eq!(desk.answer(&body), [""; 0], "of this time there may be more");
    let frame = diff(&mut desk, &[(true, 10_000, "5.00000000")]);
    assert_eq!(desk.hear(&frame), ["state stale withheld"]);
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    assert!(desk.live() && desk.is_true(), "{}", desk.text());
}

#[test]
fn a_book_that_is_the_venues_is_vouched_for_every_minute() {
    let mut desk = bitstamp();
    for minutes in 1..4 {
        minute(&mut desk);
        assert_eq!(desk.engine.probes(0), [desk.id]);
        let body = desk.venue.bitstamp_rest();
        let late = diff(&mut desk, &[(true, 10_000, "5.00000000")]);
        desk.answer(&body);
        desk.hear(&late);
        assert!(desk.live() && desk.is_true(), "{}", desk.text());
        assert_eq!(desk.evidence(Evidence::RestMatch), minutes);
    }
}

/// A book that is spoken of ten times a second, and then no more.
fn silent() -> Desk {
    let mut desk = bitstamp();
    for second in 0..60_i64 {
        let frame = diff(&mut desk, &[(true, 9_999, &format!("{}.25000000", 1 + second % 7))]);
        desk.hear(&frame);
        desk.engine.advance(desk.ts);
    }
    wait(&mut desk, 4_000);
    desk.venue.ms += 4_000;
    assert_eq!(desk.engine.suspects(0), [desk.id]);
    desk
}

#[test]
fn a_later_book_that_is_the_same_vouches_for_an_odd_silence() {
    let mut desk = silent();
    let body = desk.venue.bitstamp_rest();
    desk.answer(&body);
    wait(&mut desk, 1_000);
    assert_eq!((desk.evidence(Evidence::RestMatch), desk.engine.suspects(0)), (1, vec![]));
    assert!(desk.live());
}

#[test]
fn a_later_book_that_differs_convicts_a_stream_that_stays_silent() {
    for goes_on in [true, false] {
        let mut desk = silent();
        let frame = diff(&mut desk, &[(true, 10_000, "9.00000000")]);
        let body = desk.venue.bitstamp_rest();
        desk.answer(&body);
        if goes_on {
            desk.hear(&frame);
        }
        wait(&mut desk, 4_000);
        let expected = if goes_on { State::Live } else { State::Stale };
        assert_eq!(desk.standing().0, expected, "goes on: {goes_on}");
        assert!(goes_on || desk.standing().1 == Cause::Withheld);
    }
}
