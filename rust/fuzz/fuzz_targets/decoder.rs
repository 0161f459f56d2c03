//! Any bytes as a frame of a live market: what another JSON reader refuses changes no level
//! and closes both books; what both accept leaves a believed book as a plain reading does.
#![no_main]

#[path = "../../bookfeed-core/tests/support/mod.rs"]
mod support;

use bookfeed_core::book::integrity::State;
use bookfeed_core::decode::polymarket::MESSAGE_NAMES;
use bookfeed_core::engine::HashCheck;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use support::plain::{Model, apply};
use support::scene::Scene;

fuzz_target!(|data: &[u8]| {
    let mut scene = Scene::live(HashCheck::Off);
    scene.market.ms += 1;
    let before = [0, 1].map(|i| Some(Model::of(&scene.market.books[i])));
    scene.engine.ingest(0, data, scene.ts + 1);
    let found = [0, 1].map(|i| Some(Model::of_engine(&scene.engine, scene.ids[i])));
    match serde_json::from_slice::<Value>(data) {
        Ok(value) => {
            let mut models = before;
            apply(&mut models, &scene.market.assets, &value);
            for i in [0, 1] {
                if scene.engine.book(scene.ids[i]).unwrap().believable() {
                    assert_eq!(found[i], models[i]);
                }
            }
        }
        Err(error) => {
            let text = data.trim_ascii();
            let bare = MESSAGE_NAMES.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(text));
            let limits = error.to_string();
            if !bare && !limits.contains("out of range") && !limits.contains("recursion") {
                assert_eq!(scene.states(), [State::Stale; 2]);
                assert_eq!(found, before);
            }
        }
    }
});
