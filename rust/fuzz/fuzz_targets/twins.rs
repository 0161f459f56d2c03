//! Any script of what a venue tells and what becomes of it on the way, and behind it any bytes as a
//! frame: an engine with the fast ways and one without them agree, record for record.
#![no_main]

#[path = "../../bookfeed-core/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use support::script::Run;

fuzz_target!(|data: &[u8]| {
    let [kind, steps, rest @ ..] = data else { return };
    let mut run = Run::new(*kind);
    let (script, frame) = rest.split_at(rest.len().min(4 * usize::from(steps % 64)));
    script.as_chunks::<4>().0.iter().for_each(|&step| run.step(step));
    run.hear(frame.to_vec());
    run.twins.compare_all("the script");
});
