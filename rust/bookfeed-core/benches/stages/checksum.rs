//! A checksum of ten levels a side after each message of a busy book, as Kraken asks for it.

use crate::clock::{Stage, stage, timed};
use crate::support::Rng;
use crate::support::checksum::{Printed, by_the_rule};
use bookfeed_core::book::proof::Proved;
use bookfeed_core::book::proof::crc32::{Crc32Memory, check};
use bookfeed_core::book::side::BookSide;
use bookfeed_core::event::{Level, Side};
use bookfeed_core::fixed::{parse_price, parse_qty};
use std::collections::BTreeMap;
use std::hint::black_box;

/// Levels of each side when the book is full.
const DEPTH: usize = 100;
/// Messages of a round.
const MESSAGES: usize = 20_000;

/// One change of a level, as an index into its side, the best first.
struct Change {
    side: Side,
    level: Level,
}

/// A book as text: prices in tenths, by which levels are sorted, and printed sizes.
#[derive(Default)]
struct Plain {
    sides: [BTreeMap<i64, String>; 2],
}

impl Plain {
    fn printed(&self, side: usize) -> Vec<Printed> {
        let line = |(tenths, size): (&i64, &String)| (price_text(*tenths), size.clone());
        let levels = self.sides[side].iter();
        if side == 0 { levels.rev().map(line).collect() } else { levels.map(line).collect() }
    }

    fn checksum(&self) -> u32 {
        by_the_rule(&self.printed(0), &self.printed(1))
    }
}

fn price_text(tenths: i64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Where a change falls: three in four within the ten best levels, as in recordings of deep
/// books; of all, a fifth remove a level and a fifth add one.
fn next(rng: &mut Rng, plain: &mut Plain) -> Change {
    let at = rng.below(2);
    let levels = &mut plain.sides[at];
    let deep = if rng.once_in(4) { rng.below(DEPTH - 10) } else { rng.below(10) };
    let deep = deep.min(levels.len() - 1);
    let nth = if at == 0 { levels.len() - 1 - deep } else { deep };
    let tenths = *levels.keys().nth(nth).unwrap();
    let inwards = if at == 0 { 1 } else { -1 };
    let (tenths, size) = match rng.below(5) {
        0 if levels.len() > DEPTH - 5 => (tenths, "0.00000000".to_owned()),
        1 if levels.len() < DEPTH + 5 => (tenths + inwards, size_text(rng)),
        _ => (tenths, size_text(rng)),
    };
    if size == "0.00000000" {
        levels.remove(&tenths);
    } else {
        levels.insert(tenths, size.clone());
    }
    let (price, qty) = (parse_price(price_text(tenths).as_bytes()), parse_qty(size.as_bytes()));
    let (price, qty) = (price.unwrap(), qty.unwrap());
    let level = Level { price: price.value, qty: qty.value, forms: (price.form, qty.form) };
    Change { side: if at == 0 { Side::Bid } else { Side::Ask }, level }
}

fn size_text(rng: &mut Rng) -> String {
    format!("{}.{:08}", rng.below(3), 1 + rng.below(99_999_999))
}

/// The book, and its messages: a change or two, and the checksum the venue would send.
fn corpus() -> (Vec<Change>, Vec<(Vec<Change>, u32)>) {
    let (mut rng, mut plain) = (Rng(11), Plain::default());
    let mut begin = Vec::new();
    for deep in 0..DEPTH {
        for (at, side) in [Side::Bid, Side::Ask].into_iter().enumerate() {
            let away = 3 * i64::try_from(deep).unwrap();
            let tenths = if at == 0 { 452_835 - away } else { 452_852 + away };
            let size = size_text(&mut rng);
            let (price, qty) = (parse_price(price_text(tenths).as_bytes()), parse_qty(size.as_bytes()));
            let (price, qty) = (price.unwrap(), qty.unwrap());
            let level = Level { price: price.value, qty: qty.value, forms: (price.form, qty.form) };
            begin.push(Change { side, level });
            plain.sides[at].insert(tenths, size);
        }
    }
    let messages = (0..MESSAGES)
        .map(|_| {
            let changes = (0..=rng.below(2)).map(|_| next(&mut rng, &mut plain)).collect();
            (changes, plain.checksum())
        })
        .collect();
    (begin, messages)
}

fn apply(ladders: &mut [BookSide; 2], changes: &[Change]) {
    for change in changes {
        ladders[usize::from(change.side == Side::Ask)].set(change.level);
    }
}

/// Plays all messages. Returns how many checksums agree.
fn play(begin: &[Change], messages: &[(Vec<Change>, u32)], checked: bool) -> usize {
    let mut ladders = [BookSide::new(Side::Bid), BookSide::new(Side::Ask)];
    let mut memory = Crc32Memory::default();
    apply(&mut ladders, begin);
    let mut agree = 0;
    for (changes, claim) in messages {
        apply(&mut ladders, changes);
        let [bids, asks] = &ladders;
        agree += usize::from(!checked || check(bids, asks, *claim, &mut memory) == Proved::Match);
    }
    agree
}

/// The same messages with and without the check: the difference is what it costs.
pub fn stages() -> [Stage<'static>; 2] {
    let (begin, messages): (&'static [Change], &'static [(Vec<Change>, u32)]) = {
        let (begin, messages) = corpus();
        (Box::leak(begin.into_boxed_slice()), Box::leak(messages.into_boxed_slice()))
    };
    assert_eq!(play(begin, messages, true), MESSAGES);
    let round = move |checked| {
        timed(MESSAGES, || {
            black_box(play(black_box(begin), messages, checked));
        })
    };
    [
        stage("parts: a message of one or two levels, not checked", None, move || round(false)),
        stage("parts: the same, with the checksum of ten levels a side", Some(250.0), move || {
            round(true)
        }),
    ]
}
