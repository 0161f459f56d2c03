//! A stage, and how it is timed.

use std::time::Instant;

/// A stage: what it is, the target if there is one, and how to time a round, in nanoseconds
/// for each unit of work.
pub struct Stage<'a> {
    pub name: String,
    pub target: Option<f64>,
    pub round: Box<dyn FnMut() -> f64 + 'a>,
    pub times: Vec<f64>,
}

/// A stage that has not run yet.
pub fn stage<'a>(name: &str, target: Option<f64>, round: impl FnMut() -> f64 + 'a) -> Stage<'a> {
    Stage { name: name.into(), target, round: Box::new(round), times: Vec::new() }
}

/// Nanoseconds a unit of `work`.
pub fn timed(units: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(units).unwrap())
}
