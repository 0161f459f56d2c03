//! Seeded scripts: two engines, one with the fast ways and one without, hear the same.

use crate::support::Rng;
use crate::support::script::Run;

fn run(seed: u64, steps: usize) -> u64 {
    let mut rng = Rng(seed);
    let mut run = Run::new(rng.next().to_le_bytes()[0]);
    for _ in 0..steps {
        let [what, how, a, b, ..] = rng.next().to_le_bytes();
        run.step([what, how, a, b]);
    }
    run.twins.compare_all(&format!("seed {seed}"));
    run.twins.fast.output().totals().0
}

#[test]
fn records_do_not_depend_on_the_fast_ways() {
    let records: u64 = (0..200).map(|seed| run(seed, 60)).sum();
    assert!(records > 3_000, "{records}");
}

/// A book is one thing at every message, not just at the end: also when its levels are added up.
#[test]
fn books_are_alike_after_each_message() {
    for kind in [0, 1, 2, 3] {
        let (mut rng, mut run) = (Rng(7), Run::new(kind));
        for _ in 0..600 {
            let [a, b, ..] = rng.next().to_le_bytes();
            run.step([0xaf, 15, a, b]);
            run.twins.compare_all("a frame that was not touched");
        }
    }
}

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a thousand scripts"]
fn of_a_thousand_scripts() {
    for seed in 1_000..2_000 {
        run(seed, 400);
    }
}
