//! A venue that only says when: the client does what [`Timestamps`] says. As long as the line
//! loses nothing, its book is the truth; a message that comes late is never applied.

use crate::support::Rng;
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::sequence::timestamps::{Seed, Timestamps, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Book = BTreeMap<u64, u64>;

#[derive(Clone, Debug)]
struct Message {
    ts: i64,
    sizes: Book,
}

/// A venue: its time, its book, and the book it had at each time.
struct World {
    rng: Rng,
    ts: i64,
    book: Book,
    history: BTreeMap<i64, Book>,
}

impl World {
    /// Some changes. Time moves on by itself: what a venue calls by one time is one message.
    fn message(&mut self) -> Message {
        self.ts += 1 + i64::try_from(self.rng.below(3)).unwrap();
        let mut sizes = Book::new();
        for _ in 0..=self.rng.below(3) {
            sizes.insert(self.rng.below(9) as u64, self.rng.below(4) as u64);
        }
        apply(&mut self.book, &sizes);
        self.history.insert(self.ts, self.book.clone());
        Message { ts: self.ts, sizes }
    }
}

fn apply(book: &mut Book, sizes: &Book) {
    book.extend(sizes);
    book.retain(|_, size| *size > 0);
}

struct Client {
    times: Timestamps,
    book: Book,
    kept: Vec<Message>,
    late: usize,
}

impl Client {
    fn take(&mut self, message: Message) {
        match self.times.take(message.ts, message.sizes.len()) {
            Verdict::Keep => self.kept.push(message),
            Verdict::KeepAlone | Verdict::Unplaced => self.kept = vec![message],
            Verdict::Newer | Verdict::Same => apply(&mut self.book, &message.sizes),
            Verdict::Older { newest } => {
                assert!(message.ts < newest);
                self.late += 1;
            }
            Verdict::Contained => {}
        }
    }

    fn seed(&mut self, ts: i64, book: &Book) -> bool {
        let fits = self.times.seed(ts) == Seed::Fits;
        if fits {
            self.book.clone_from(book);
            std::mem::take(&mut self.kept).into_iter().for_each(|m| self.take(m));
        }
        fits
    }
}

/// Plays a sound line, on which a message may come again, at once or late.
fn play(seed: u64, repeats: usize, late: usize) -> (usize, usize) {
    let mut world = World { rng: Rng(seed), ts: 1_000, book: Book::new(), history: BTreeMap::new() };
    let mut client = Client { times: Timestamps::new(), book: Book::new(), kept: Vec::new(), late: 0 };
    let mut rng = Rng(!seed);
    let (mut asked, mut sent, mut compared) = (None, Vec::new(), 0);
    for _ in 0..300 {
        let message = world.message();
        sent.push(message.clone());
        client.take(message.clone());
        if repeats > 0 && rng.once_in(repeats) {
            client.take(message);
        }
        if late > 0 && rng.once_in(late) && client.times.caught_up() {
            client.take(rng.pick(&sent).clone());
        }
        match asked {
            Some(ts) if rng.once_in(3) => {
                client.seed(ts, &world.history[&ts]);
                asked = None;
            }
            None if !client.times.caught_up() || rng.once_in(15) => asked = Some(world.ts),
            None if rng.once_in(25) => client.times.distrust(),
            _ => {}
        }
        if client.times.caught_up() {
            compared += 1;
            assert_eq!(client.book, world.book, "seed {seed}");
        }
    }
    (compared, client.late)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_a_line_that_loses_nothing_the_book_is_the_truth(
        seed: u64,
        repeats in 0..6usize,
        late in 0..20usize,
    ) {
        let (compared, _) = play(seed, repeats, late);
        prop_assert!(compared > 60, "{}", compared);
    }

    #[test]
    fn any_times_are_taken(times: Vec<(i64, u8)>) {
        let mut machine = Timestamps::new();
        for (ts, what) in times {
            let ts = if what % 5 == 0 { ABSENT } else { ts };
            match what % 7 {
                0 => drop(machine.seed(ts)),
                1 => machine.begin(ts),
                2 => machine.distrust(),
                _ => drop(machine.take(ts, usize::from(what))),
            }
        }
    }
}

#[test]
fn late_messages_are_met() {
    let late: usize = (0..20).map(|seed| play(seed, 5, 4).1).sum();
    assert!(late > 200, "{late}");
}
