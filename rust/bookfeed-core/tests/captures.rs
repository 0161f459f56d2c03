//! Recordings of others, where they are at hand: in `../shared/captures`, or where
//! `BOOKFEED_CAPTURES` says. Nothing of them is in the repository. A test whose recording is not
//! there says so and is skipped, for which the usual harness has no word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "captures/kalshi.rs"]
mod kalshi;
#[allow(dead_code)] // what only the vectors need
#[path = "all/kalshi_decode/describe.rs"]
mod kalshi_describe;
#[path = "captures/spot.rs"]
mod spot;
#[allow(dead_code)] // what only the vectors need
#[path = "all/spot_decode/describe.rs"]
mod spot_describe;
mod support;

use std::path::PathBuf;
use std::process::Command;

/// A recording that is not at hand.
pub struct Missing(PathBuf);

/// The lines of a recording, unpacked.
pub fn lines(name: &str) -> Result<Vec<String>, Missing> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    let folder = std::env::var_os("BOOKFEED_CAPTURES").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        return Err(Missing(path));
    }
    let unpacked = if name.ends_with(".gz") {
        Command::new("gzip").arg("-dc").arg(&path).output().unwrap().stdout
    } else {
        std::fs::read(&path).unwrap()
    };
    Ok(String::from_utf8(unpacked).unwrap().lines().map(str::to_owned).collect())
}

/// Runs the tests that are named; one that fails panics, and ends the run.
macro_rules! run {
    ($($test:path),* $(,)?) => {
        $(match $test() {
            Ok(()) => println!("test {} ... ok", stringify!($test)),
            Err(Missing(path)) => {
                println!("test {} ... skipped: no {}", stringify!($test), path.display());
            }
        })*
    };
}

fn main() {
    run!(
        kalshi::frames_of_today_are_all_understood,
        kalshi::frames_in_cents_say_what_they_would_say_in_dollars,
        kalshi::frames_in_two_formats_say_the_same_with_either_half,
        spot::recorded_frames_of_binance_are_all_understood,
        spot::recorded_frames_of_kraken_are_all_understood_and_every_checksum_holds,
    );
}
