//! Any bytes as a frame of each spot venue, and as an answer to a request: the short cut and the
//! general way agree, and levels come out only where a plain reading finds them.
#![no_main]

#[path = "../../bookfeed-core/tests/all/spot_decode/describe.rs"]
mod describe;
#[path = "../../bookfeed-core/tests/all/spot_decode/oracle.rs"]
mod oracle;
#[path = "../../bookfeed-core/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for venue in oracle::SPOT {
        oracle::check(venue, describe::From::Stream, data);
        if venue.has_second() {
            oracle::check(venue, describe::From::Second, data);
        }
        let asked = describe::From::Rest(Some(oracle::symbols(venue)[0]));
        let _ = describe::say(venue, asked, data, &oracle::known(venue));
    }
});
