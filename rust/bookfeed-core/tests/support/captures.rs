//! Recordings of others, where they are at hand: in `../shared/captures`, or where
//! `BOOKFEED_CAPTURES` says. Nothing of them is in the repository.

use std::path::PathBuf;
use std::process::Command;

/// The lines of a recording, unpacked; `None`, with a word why, where it is not at hand.
pub fn lines(name: &str) -> Option<Vec<String>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    let folder = std::env::var_os("BOOKFEED_CAPTURES").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    let unpacked = if name.ends_with(".gz") {
        Command::new("gzip").arg("-dc").arg(&path).output().unwrap().stdout
    } else {
        std::fs::read(&path).unwrap()
    };
    Some(String::from_utf8(unpacked).unwrap().lines().map(str::to_owned).collect())
}
