//! Any bytes as a frame of a relay: nothing comes of it that a plain reading does not find, and no
//! point comes of it twice.
#![no_main]

#[path = "../../bookfeed-core/tests/all/relay/describe.rs"]
#[allow(dead_code)] // what only the vectors need
mod describe;
#[path = "../../bookfeed-core/tests/all/relay/oracle.rs"]
mod oracle;
#[path = "../../bookfeed-core/tests/support/mod.rs"]
mod support;

use bookfeed_core::venue::relay::Relay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for &relay in Relay::ALL {
        oracle::check(relay, data);
    }
});
