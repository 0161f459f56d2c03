//! Seeded scripts: two engines, one with the fast ways and one without, hear the same.

use super::support::Rng;
use super::support::script::Run;

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

/// The same for longer, for the nightly tier.
#[test]
#[ignore = "long: a thousand scripts"]
fn of_a_thousand_scripts() {
    for seed in 1_000..2_000 {
        run(seed, 400);
    }
}
