//! A venue that numbers its updates, a line that loses, repeats and delays messages, and a
//! client that does what [`UpdateIds`] says. The venue remembers its book at every number, so a
//! book the client has can be compared with the truth at the number it claims to stand at; and
//! whether a snapshot fits is decided once more by the venue's published rule, read literally.

use crate::support::Rng;
use bookfeed_core::sequence::update_ids::{Seed, UpdateIds, Updates, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Book = BTreeMap<u64, u64>;

/// What a message says: its range, and the sizes at its end of all prices it touched.
#[derive(Clone, Debug)]
struct Message {
    first: u64,
    last: u64,
    sizes: Book,
}

struct World {
    rng: Rng,
    /// Number of the newest update, and the book at each number since `begin`.
    now: u64,
    begin: u64,
    history: Vec<Book>,
    touched: Vec<u64>,
}

impl World {
    fn new(seed: u64, begin: u64) -> Self {
        let rng = Rng(seed);
        Self { rng, now: begin, begin, history: vec![Book::new()], touched: vec![0] }
    }

    fn at(&self, id: u64) -> &Book {
        &self.history[usize::try_from(id - self.begin).unwrap()]
    }

    fn update(&mut self) {
        let mut book = self.history.last().unwrap().clone();
        let price = self.rng.below(9) as u64;
        book.insert(price, self.rng.below(4) as u64);
        book.retain(|_, size| *size > 0);
        self.history.push(book);
        self.touched.push(price);
        self.now += 1;
    }

    /// A message of the updates `first` to now.
    fn message(&self, first: u64) -> Message {
        let prices = &self.touched[usize::try_from(first - self.begin).unwrap()..];
        let size = |price: &u64| self.history.last().unwrap().get(price).copied().unwrap_or(0);
        let sizes = prices.iter().map(|price| (*price, size(price))).collect();
        Message { first, last: self.now, sizes }
    }
}

#[derive(Default)]
struct Client {
    ids: UpdateIds,
    book: Book,
    kept: Vec<Message>,
    newest: Option<u64>,
}

impl Client {
    fn take(&mut self, message: Message) -> Verdict {
        let updates = Updates::new(message.first, message.last).unwrap();
        let verdict = self.ids.take(updates, message.sizes.len());
        assert!(verdict != Verdict::Late || self.newest.is_none(), "the stream had begun");
        self.newest = Some(message.last);
        match verdict {
            Verdict::Keep => self.kept.push(message),
            Verdict::KeepAlone | Verdict::Late | Verdict::Gap { .. } | Verdict::SetBack { .. } => {
                self.kept = vec![message];
            }
            Verdict::Apply => {
                self.book.extend(message.sizes);
                self.book.retain(|_, size| *size > 0);
            }
            Verdict::Contained | Verdict::Again => {}
        }
        verdict
    }

    /// Whether a snapshot fits, by the words of the venue: drop what ends at or before it; the
    /// first that is left begins at the number behind it or before; so does each one after.
    fn fits(&self, id: u64) -> bool {
        let left = self.kept.iter().filter(|m| m.last > id);
        let chain = left.clone().try_fold(id, |at, m| (m.first <= at + 1).then_some(m.last));
        match left.count() {
            0 => self.newest.is_none_or(|newest| newest <= id),
            _ => chain.is_some(),
        }
    }

    fn seed(&mut self, id: u64, book: &Book) -> Seed {
        let wanted = self.fits(id);
        let running = self.ids.book_id();
        let seed = self.ids.seed(id);
        if let Some(at) = running {
            assert_eq!(seed, if id < at { Seed::Behind { book: at } } else { Seed::Fits });
        } else {
            assert_eq!(seed == Seed::Fits, wanted, "{id}: {:?}", self.kept);
        }
        if seed == Seed::Fits {
            self.book.clone_from(book);
            for message in std::mem::take(&mut self.kept) {
                let verdict = self.take(message);
                assert!(matches!(verdict, Verdict::Contained | Verdict::Apply), "{verdict:?}");
            }
        }
        seed
    }
}

/// How often the line harms a message: once in so many times, 0 for never.
#[derive(Clone, Copy, Debug)]
struct Line {
    loses: usize,
    repeats: usize,
    overlaps: usize,
    replays: usize,
}

impl Line {
    const SOUND: Self = Self { loses: 0, repeats: 0, overlaps: 0, replays: 0 };
}

struct Outcome {
    gaps: usize,
    set_back: usize,
    seeded: usize,
    compared: usize,
    caught_up: bool,
}

fn once(rng: &mut Rng, n: usize) -> bool {
    n > 0 && rng.once_in(n)
}

fn play(seed: u64, begin: u64, line: Line, rounds: usize) -> Outcome {
    let (mut world, mut client) = (World::new(seed, begin), Client::default());
    let mut rng = Rng(!seed);
    let mut sent: Vec<Message> = Vec::new();
    let mut asked: Option<u64> = None;
    let mut outcome = Outcome { gaps: 0, set_back: 0, seeded: 0, compared: 0, caught_up: false };
    for _ in 0..rounds {
        let first = world.now + 1;
        (0..=rng.below(3)).for_each(|_| world.update());
        let back = if once(&mut rng, line.overlaps) { rng.below(3) as u64 } else { 0 };
        let message = world.message(first.saturating_sub(back).max(begin + 1));
        sent.push(message.clone());
        let mut arriving = vec![message];
        if once(&mut rng, line.loses) {
            arriving.clear();
        } else if once(&mut rng, line.repeats) {
            arriving.push(arriving[0].clone());
        } else if once(&mut rng, line.replays) {
            arriving.push(rng.pick(&sent).clone());
        }
        for message in arriving {
            match client.take(message) {
                Verdict::Gap { expected, got } => {
                    assert!(expected < got);
                    outcome.gaps += 1;
                }
                Verdict::SetBack { newest, got } => {
                    assert!(got < newest);
                    outcome.set_back += 1;
                }
                _ => {}
            }
        }
        // A snapshot is of some moment after it was asked for, and comes later.
        match asked {
            Some(id) if rng.once_in(3) => {
                if client.seed(id, world.at(id)) == Seed::Fits {
                    outcome.seeded += 1;
                }
                asked = None;
            }
            None if !client.ids.caught_up() || rng.once_in(20) => asked = Some(world.now),
            _ => {}
        }
        if let Some(id) = client.ids.book_id() {
            outcome.compared += 1;
            assert_eq!(&client.book, world.at(id), "seed {seed}, at {id}");
        }
        assert!(client.kept.is_empty() || client.ids.book_id().is_none());
    }
    outcome.caught_up = client.ids.caught_up();
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_book_is_the_truth_at_the_number_it_stands_at(
        seed: u64,
        loses in 0..12usize,
        repeats in 0..6usize,
        overlaps in 0..6usize,
        replays in 0..30usize,
        at_the_end: bool,
    ) {
        let begin = if at_the_end { u64::MAX - 2_000 } else { 0 };
        play(seed, begin, Line { loses, repeats, overlaps, replays }, 300);
    }

    #[test]
    fn a_sound_line_is_never_doubted(seed: u64, repeats in 0..6usize, overlaps in 0..6usize) {
        let outcome = play(seed, 1_000, Line { repeats, overlaps, ..Line::SOUND }, 120);
        prop_assert!(outcome.caught_up);
        prop_assert_eq!((outcome.gaps, outcome.set_back), (0, 0));
        prop_assert!(outcome.seeded > 0 && outcome.compared > 90);
    }

    /// Any numbers in any order: nothing panics, and a book never stands behind its snapshot.
    #[test]
    fn any_numbers_are_taken(numbers: Vec<(u64, u64, u8)>) {
        let mut ids = UpdateIds::new();
        for (a, b, what) in numbers {
            match what % 8 {
                0 => drop(ids.seed(a)),
                1 => ids.begin(a),
                2 => ids.distrust(),
                _ => {
                    let before = ids.book_id();
                    let Some(updates) = Updates::new(a.min(b), a.max(b)) else { continue };
                    ids.take(updates, usize::from(what));
                    prop_assert!(ids.book_id().is_none_or(|id| Some(id) >= before));
                }
            }
        }
    }
}

#[test]
fn losses_are_found_and_mended() {
    let mut totals = [0; 3];
    for seed in 0..40 {
        let line = Line { loses: 9, repeats: 7, overlaps: 5, replays: 40 };
        let outcome = play(seed, 0, line, 400);
        totals[0] += outcome.gaps;
        totals[1] += outcome.set_back;
        totals[2] += outcome.seeded;
    }
    assert!(totals.iter().all(|&n| n > 150), "{totals:?}");
}
