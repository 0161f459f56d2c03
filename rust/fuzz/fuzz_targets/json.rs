//! Any bytes as a JSON text, and as a member that a message does not need: accepted by the
//! one exactly if accepted by the other, the documented differences excepted.
#![no_main]

#[path = "../../bookfeed-core/tests/support/surrogates.rs"]
mod surrogates;

use bookfeed_core::decode::json::check;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use surrogates::paired;

fn agree(data: &[u8]) -> bool {
    let ours = check(data);
    if let Err(error) = &ours {
        assert!(error.offset <= data.len());
    }
    match serde_json::from_slice::<Value>(&paired(data)) {
        Ok(_) => assert_eq!(ours, Ok(())),
        Err(error) => {
            let text = error.to_string();
            // Numbers beyond a double are grammar, and so are surrogates without their half;
            // nesting is bounded at another depth.
            let differs = text.contains("out of range") || text.contains("recursion limit");
            assert!(differs || ours.is_err(), "{text}");
        }
    }
    ours.is_ok()
}

fuzz_target!(|data: &[u8]| {
    agree(data);
    agree(&[b"{\"skipped\":", data, b",\"a\":1}"].concat());
    agree(&[b"[\"", data, b"\"]"].concat());
});
