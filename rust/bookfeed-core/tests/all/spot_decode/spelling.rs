//! One frame, spelled in any way JSON allows. The venues' own spelling of a change takes a short
//! cut through the decoder; a blank behind the first brace forbids it, so both ways are compared
//! on the very same members.

use super::describe::{From, Said, say};
use super::oracle::{SPOT, at_length, known, symbols};
use super::vectors::Vector;
use crate::support::Rng;
use crate::support::spot::Venue as Simulated;
use crate::support::texts::{quote_numbers, respell};
use bookfeed_core::instrument::{Instruments, Venue};
use proptest::prelude::*;
use serde_json::Value;

fn both(venue: Venue, frame: &[u8], known: &Instruments) -> Result<Said, String> {
    let short = say(venue, From::Stream, frame, known);
    let long = say(venue, From::Stream, &at_length(frame), known);
    let text = String::from_utf8_lossy(frame);
    match (&short, &long) {
        (Ok(short), Ok(long)) => assert_eq!(short, long, "{text}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{short:?} but {long:?}: {text}"),
    }
    short
}

/// A change in the venue's own spelling, of a few levels or many.
pub fn change(venue: Venue, rng: &mut Rng) -> String {
    let mut simulated = Simulated::new(symbols(venue)[0], rng.next(), 12);
    let first = simulated.id + 1;
    let most = if rng.once_in(9) { 90 } else { 4 };
    let levels = simulated.change(1 + rng.below(most));
    match venue {
        Venue::KRAKEN => return simulated.kraken_book("update", &levels),
        Venue::COINBASE => return simulated.coinbase_book("update", 500, &levels),
        Venue::BITSTAMP => return simulated.bitstamp_book("diff_order_book", &levels),
        Venue::GEMINI if rng.once_in(4) => return simulated.gemini_l2(&levels, ""),
        Venue::GEMINI => return simulated.gemini_depth(first, &levels),
        Venue::CRYPTOCOM => return simulated.cryptocom_update(first - 1, &levels),
        _ => {}
    }
    let wrapped = simulated.depth_update(first, &levels);
    if rng.once_in(2) {
        return wrapped;
    }
    let bare = wrapped.find(r#"{"e""#).unwrap();
    wrapped[bare..wrapped.len() - 1].to_owned()
}

/// The same of the venue's second source.
pub fn second_change(venue: Venue, rng: &mut Rng) -> String {
    let symbol = if venue == Venue::GEMINI { "BTCUSD" } else { symbols(venue)[0] };
    let mut simulated = Simulated::new(symbol, rng.next(), 12);
    let levels = simulated.change(1 + rng.below(4));
    match venue {
        Venue::GEMINI => simulated.gemini_l2(&levels, ""),
        _ => simulated.exchange_update(&levels),
    }
}

const BINANCE: [(&str, &str); 40] = [
    (r#"{"stream":"#, r#"{"stream":null,"stream":"#),
    (r#""stream":"btc"#, r#""stream":"\u0062tc"#),
    (r#""stream":"btc"#, r#""stream":"b\"tc"#),
    (r#","data":{"#, r#", "data":{"#),
    (r#","data":{"#, r#","data":[],"data":{"#),
    ("]}}", r#"]},"data":7}"#),
    (r#""e":"depthUpdate""#, r#""e":"depthupdate""#),
    (r#""e":"depthUpdate","#, ""),
    (r#""E":17"#, r#""E":"17"#),
    (r#""E":17"#, r#""E":-17"#),
    (r#""E":17"#, r#""E":017"#),
    (r#""E":1790000000100,"#, r#""E":1790000000100123,"#),
    (r#""E":1790000000100,"#, r#""E":179000000010012345678,"#),
    (r#""E":1790000000100,"#, ""),
    (r#""s":"BTCUSDT""#, r#""s":"ETHUSDT""#),
    (r#""s":"BTCUSDT""#, r#""s":"btcusdt""#),
    (r#""s":"BTCUSDT""#, r#""s":"BTC\u0055SDT""#),
    (r#""s":"BTCUSDT""#, r#""s":"""#),
    (r#""s":"BTCUSDT""#, r#""s":null"#),
    (r#""s":"BTCUSDT","#, ""),
    (r#""U":"#, r#""U":0,"U":"#),
    (r#""U":500"#, r#""U":900"#),
    (r#""U":500"#, r#""U":0"#),
    (r#""U":500"#, r#""U":"500"#),
    (r#""u":"#, r#""u":null,"u":"#),
    (r#""u":"#, r#""u":1.0,"x":"#),
    (r#""b":["#, r#""b": ["#),
    (r#""b":["#, r#""b":[],"b":["#),
    (r#""b":["#, r#""b":[[]],"b":["#),
    (r#""b":["#, r#""b":[7,"#),
    (r#""b":["#, r#""b":[["1","2","3"],"#),
    (r#""a":["#, r#""a":null,"z":["#),
    (r#""a":["#, r#""a":{},"a":["#),
    (r#"[["616"#, r#"[["0616"#),
    (r#"[["616"#, r#"[[616"#),
    (r#"[["61685"#, r#"[["0"#),
    (r#"000000","#, r#"000000" ,"#),
    (r#"000000","#, r#"00000a","#),
    (r#"000"]"#, r#"000000000"]"#),
    (r#"000"]"#, r#"000","x"]"#),
];

const KRAKEN: [(&str, &str); 36] = [
    (r#"{"channel":"#, r#"{ "channel":"#),
    (r#""channel":"book""#, r#""channel":"boo""#),
    (r#""channel":"book","#, ""),
    (r#""type":"update""#, r#""type":"snapshot""#),
    (r#""type":"update""#, r#""type":"upd\u0061te""#),
    (r#""type":"update","#, ""),
    (r#""data":["#, r#""data":[5,"#),
    (r#""data":["#, r#""data":{"x":["#),
    (r#""data":["#, r#""data":[],"data":["#),
    (r#"{"symbol":"#, r#"{},{"symbol":"#),
    (r#""symbol":"BTC/USD""#, r#""symbol":"ETH/USD""#),
    (r#""symbol":"BTC/USD""#, r#""symbol":"XBT/USD""#),
    (r#""symbol":"BTC/USD""#, r#""symbol":"BTC\/USD""#),
    (r#""symbol":"BTC/USD","#, ""),
    (r#""bids":["#, r#""bids": ["#),
    (r#""bids":["#, r#""bids":[{},"#),
    (r#""bids":["#, r#""bids":[[1,2],"#),
    (r#""bids":["#, r#""bids":null,"x":["#),
    (r#""asks":["#, r#""asks":[{"qty":1,"price":2},"#),
    (r#""asks":["#, r#""asks":[{"price":1.5,"qty":0},"#),
    (r#""asks":["#, r#""asks":[{"price":1.5,"qty":0.0,"id":[]},"#),
    (r#""asks":["#, r#""sask":["#),
    (r#""price":6"#, r#""price":06"#),
    (r#""price":6"#, r#""price":"6"#),
    (r#""price":6"#, r#""price":-6"#),
    (r#""price":6"#, r#""price":123456789"#),
    (r#""qty":"#, r#""qty": "#),
    (r#""qty":"#, r#""qty":0.123456789e"#),
    (r#"000}"#, r#"000 }"#),
    (r#"000}"#, r#"000000000000000}"#),
    (r#""checksum":"#, r#""checksum":9"#),
    (r#""checksum":"#, r#""checksum":null,"c":"#),
    (r#""timestamp":"2026"#, r#""timestamp":"1026"#),
    (r#""timestamp":"2026"#, r#""timestamp":null,"t":"2026"#),
    (
        r#"Z"}"#,
        r#"Z"},{"symbol":"ETH/USD","bids":[],"asks":[],"checksum":0,"timestamp":"2026-09-21T14:13:20Z"}"#,
    ),
    (r#"Z"}"#, r#"Z","more":{}}"#),
];

const COINBASE: [(&str, &str); 38] = [
    (r#"{"channel":"#, r#"{"channel":null,"channel":"#),
    (r#""channel":"l2_data""#, r#""channel":"l3_data""#),
    (r#""channel":"l2_data""#, r#""channel":"l2\u005fdata""#),
    (r#""channel":"l2_data","#, ""),
    (r#""timestamp":"2026"#, r#""timestamp":"1026"#),
    (r#""timestamp":"2026"#, r#""timestamp":null,"t":"2026"#),
    (r#""timestamp":"2026"#, r#""timestamp":"0001"#),
    (r#""sequence_num":500"#, r#""sequence_num":0"#),
    (r#""sequence_num":500"#, r#""sequence_num":"500""#),
    (r#""sequence_num":500"#, r#""sequence_num":0500"#),
    (r#""sequence_num":500"#, r#""sequence_num":9223372036854775807"#),
    (r#""sequence_num":500"#, r#""sequence_num":18446744073709551615"#),
    (r#""sequence_num":500"#, r#""sequence_num":5e2"#),
    (r#""sequence_num":500,"#, ""),
    (r#""events":["#, r#""events":[7,"#),
    (r#""events":["#, r#""events":[{},"#),
    (r#""events":["#, r#""events":[],"events":["#),
    (r#""type":"update""#, r#""type":"snapshot""#),
    (r#""type":"update""#, r#""type":"upd\u0061te""#),
    (r#""type":"update","#, ""),
    (r#""product_id":"BTC-USD""#, r#""product_id":"ETH-USD""#),
    (r#""product_id":"BTC-USD""#, r#""product_id":"BTC-EUR""#),
    (r#""product_id":"BTC-USD""#, r#""product_id":"""#),
    (r#""updates":["#, r#""updates":null,"x":["#),
    (r#""updates":["#, r#""updates":[[],"#),
    (
        r#""updates":["#,
        r#""updates":[{"side":"bid","event_time":"","price_level":"1","new_quantity":"0"},"#,
    ),
    (r#""updates":["#, r#""updates":[{"new_quantity":"1","price_level":"2","side":"offer"},"#),
    (r#""side":"bid""#, r#""side":"buy""#),
    (r#""side":"offer""#, r#""side":"bid""#),
    (r#""event_time":"2026"#, r#""event_time":"2025"#),
    (r#""event_time":"2026"#, r#""event_time":"0001"#),
    (r#""price_level":"6"#, r#""price_level":"06"#),
    (r#""price_level":"6"#, r#""price_level":"-6"#),
    (r#""price_level":"6"#, r#""price_level":"123456789"#),
    (r#""new_quantity":"#, r#""new_quantity": "#),
    (r#""new_quantity":""#, r#""new_quantity":"0.123456789"#),
    (r#"000"}"#, r#"000000000"}"#),
    (r#"}]}]}"#, r#"}]},{"type":"update","product_id":"ETH-USD","updates":[]}]}"#),
];

const BITSTAMP: [(&str, &str); 31] = [
    (r#"{"data":{"#, r#"{"data":null,"data":{"#),
    (r#"{"data":{"#, r#"{"data": {"#),
    (r#"},"channel""#, r#"},"data":[],"channel""#),
    (r#""timestamp":"17"#, r#""timestamp":"9"#),
    (r#""microtimestamp":"17"#, r#""microtimestamp":"0"#),
    (r#""microtimestamp":"17"#, r#""microtimestamp":"-17"#),
    (r#""microtimestamp":"17"#, r#""microtimestamp":"9917"#),
    (r#""microtimestamp":"17"#, r#""microtimestamp":null,"m":"17"#),
    (r#""microtimestamp""#, r#""microtimestamq""#),
    (r#""bids":["#, r#""bids":[],"bids":["#),
    (r#""bids":["#, r#""bids":null,"x":["#),
    (r#""bids":["#, r#""bids":[[]],"bids":["#),
    (r#""bids":["#, r#""bids":[7,"#),
    (r#""bids":["#, r#""bids":[["1","2","3"],"#),
    (r#""asks":["#, r#""asks": ["#),
    (r#""asks":["#, r#""asks":{},"asks":["#),
    (r#""asks":["#, r#""sask":["#),
    (r#"[["616"#, r#"[["0616"#),
    (r#"[["616"#, r#"[[616"#),
    (r#"000"]"#, r#"000000000"]"#),
    (r#"000"]"#, r#"000","x"]"#),
    (r#""channel":"diff_order_book_btcusd""#, r#""channel":"diff_order_book_ethusd""#),
    (r#""channel":"diff_order_book_btcusd""#, r#""channel":"diff_order_book_btceur""#),
    (r#""channel":"diff_order_book_btcusd""#, r#""channel":"diff_order_book_""#),
    (r#""channel":"diff_order_book_btcusd""#, r#""channel":"diff_order_boo""#),
    (r#""channel":"diff_order"#, r#""channel":"\u0064iff_order"#),
    (r#""channel":"diff_order"#, r#""channel":"order"#),
    (r#"_btcusd""#, r#"_b\u0074cusd""#),
    (r#""event":"data""#, r#""event":"dat""#),
    (r#""event":"data""#, r#""event":"d\u0061ta""#),
    (r#","event":"data""#, ""),
];

const GEMINI: [(&str, &str); 36] = [
    (r#""e":"depthUpdate""#, r#""e":"depthupdate""#),
    (r#""e":"depthUpdate""#, r#""e":"depth\u0055pdate""#),
    (r#""e":"depthUpdate""#, r#""e":"bookTicker""#),
    (r#""e":"depthUpdate","#, ""),
    (r#""e":"depthUpdate","#, r#""e":7,"#),
    (r#""E":17"#, r#""E":"17"#),
    (r#""E":17"#, r#""E":-17"#),
    (r#""E":17"#, r#""E":9917"#),
    (r#""E":17"#, r#""E":017"#),
    (r#""s":"btcusd""#, r#""s":"ethusd""#),
    (r#""s":"btcusd""#, r#""s":"BTCUSD""#),
    (r#""s":"btcusd""#, r#""s":"btc\u0075sd""#),
    (r#""s":"btcusd""#, r#""s":"""#),
    (r#""s":"btcusd""#, r#""s":null"#),
    (r#""s":"btcusd","#, ""),
    (r#""U":"#, r#""U":0,"U":"#),
    (r#""U":500"#, r#""U":900"#),
    (r#""U":500"#, r#""U":0"#),
    (r#""U":500"#, r#""U":"500"#),
    (r#""u":"#, r#""u":null,"u":"#),
    (r#""u":"#, r#""u":1.0,"x":"#),
    (r#""b":["#, r#""b": ["#),
    (r#""b":["#, r#""b":[[]],"b":["#),
    (r#""b":["#, r#""b":[7,"#),
    (r#""a":["#, r#""a":null,"z":["#),
    (r#""a":["#, r#""a":{},"a":["#),
    (r#"[["616"#, r#"[["0616"#),
    (r#"000"]"#, r#"000000000"]"#),
    (r#"000"]"#, r#"000","x"]"#),
    (r#""type":"l2_updates""#, r#""type":"l2_update""#),
    (r#""type":"l2_updates""#, r#""type":"l2_updates","auction_events":[]"#),
    (r#""type":"l2_updates""#, r#""type":"l2_updates","trades":null"#),
    (r#""changes":["#, r#""changes":[[],"#),
    (r#""changes":["#, r#""changes":[["buy","1.5","2"],"#),
    (r#"["sell","#, r#"["offer","#),
    (r#""symbol":"btcusd","#, ""),
];

const CRYPTOCOM: [(&str, &str); 53] = [
    (r#""id":-1"#, r#""id":7"#),
    (r#""code":0"#, r#""code":"0""#),
    (r#""code":0"#, r#""code":40003"#),
    (r#""code":0,"#, ""),
    (r#""method":"subscribe""#, r#""method":"public/heartbeat""#),
    (r#""method":"subscribe","#, ""),
    (r#""result":{"#, r#""result":null,"result":{"#),
    (r#""result":{"#, r#""result":[],"r":{"#),
    (r#""instrument_name":"BTC_USD""#, r#""instrument_name":"ETH_USD""#),
    (r#""instrument_name":"BTC_USD""#, r#""instrument_name":"BTC-USD""#),
    (r#""instrument_name":"BTC_USD""#, r#""instrument_name":"BTC_USD""#),
    (r#""instrument_name":"BTC_USD""#, r#""instrument_name":"""#),
    (r#""instrument_name":"BTC_USD","#, ""),
    (r#""channel":"book.update""#, r#""channel":"book""#),
    (r#""channel":"book.update""#, r#""channel":"book.updat""#),
    (r#""channel":"book.update""#, r#""channel":"look.update""#),
    (r#""channel":"book.update""#, r#""channel":"book.update""#),
    (r#""channel":"book.update","#, ""),
    (r#""data":["#, r#""data":[7,"#),
    (r#""data":["#, r#""data":[{},"#),
    (r#""data":["#, r#""data":[],"data":["#),
    (r#""data":["#, r#""dat":["#),
    (r#""update":{"#, r#""update":{},"update":{"#),
    (r#""update":{"#, r#""update":[],"up":{"#),
    (r#""update":{"asks":["#, r#""update":{"asks":null,"x":["#),
    (r#""update":{"asks":["#, r#""update":{"x":["#),
    (r#""update":{"asks":["#, r#""update":{"asks":[[]],"asks":["#),
    (r#""update":{"asks":["#, r#""update":{"asks":[7,"#),
    (r#""bids":["#, r#""bids":{},"a":["#),
    (r#"[["616"#, r#"[["0616"#),
    (r#"[["616"#, r#"[[616"#),
    (r#"000","1"]"#, r#"000000000","1"]"#),
    (r#"000","1"]"#, r#"000"]"#),
    (r#""u":"#, r#""u":0,"v":"#),
    (r#""u":"#, r#""u":1.5,"u":"#),
    (r#""pu":"#, r#""pu":9"#),
    (r#""pu":"#, r#""p_u":"#),
    (r#""t":17"#, r#""t":"17"#),
    (r#""t":17"#, r#""t":0,"x":17"#),
    (r#""t":17"#, r#""t":-17"#),
    (r#""tt":17"#, r#""tt":null,"x":17"#),
    (r#""tt":17"#, r#""tt":1.7"#),
    (r#""depth":50"#, r#""depth":"50""#),
    (r#""subscription":"book"#, r#""subscription":"trade"#),
    (r#""subscription":"book"#, r#""subscription":"\u0062ook"#),
    (r#""cs":5"#, r#""cs":0.5"#),
    (r#""cs":-"#, r#""cs":--"#),
    (r#""cs":"#, r#""cs":null,"cs":"#),
    (r#","1"]"#, r#","1","x"]"#),
    (r#","1"]"#, r#",1]"#),
    (r#","1"]"#, r#","-1"]"#),
    (r#","1"]"#, r#","01"]"#),
    ("}]}}", "}],\"x\":{}}}"),
];

fn edits(venue: Venue) -> &'static [(&'static str, &'static str)] {
    match venue {
        Venue::BINANCE => &BINANCE,
        Venue::KRAKEN => &KRAKEN,
        Venue::BITSTAMP => &BITSTAMP,
        Venue::GEMINI => &GEMINI,
        Venue::CRYPTOCOM => &CRYPTOCOM,
        _ => &COINBASE,
    }
}

#[test]
fn the_short_cut_reads_what_the_general_way_reads() {
    for venue in SPOT {
        let (mut rng, known) = (Rng(1), known(venue));
        for round in 0..6_000 {
            let mut frame = change(venue, &mut rng);
            for _ in 0..round % 3 {
                let (from, to) = *rng.pick(edits(venue));
                frame = frame.replacen(from, to, 1);
            }
            both(venue, frame.as_bytes(), &known).ok();
        }
    }
}

#[test]
fn every_edit_alone_is_read_alike() {
    for venue in SPOT {
        let mut rng = Rng(7);
        for (from, to) in edits(venue) {
            let met = (0..200).filter(|_| {
                let frame = change(venue, &mut rng);
                both(venue, frame.replacen(from, to, 1).as_bytes(), &known(venue)).ok();
                frame.contains(from)
            });
            assert!(met.count() > 0, "{from} is never met");
        }
    }
}

#[test]
fn untouched_changes_are_changes() {
    for venue in SPOT {
        let (mut rng, known) = (Rng(2), known(venue));
        for _ in 0..500 {
            let frame = change(venue, &mut rng);
            let (_, messages) = both(venue, frame.as_bytes(), &known).unwrap();
            assert_eq!(messages[0]["body"]["levels"]["instrument"], symbols(venue)[0], "{frame}");
        }
    }
}

#[test]
fn a_blank_anywhere_between_changes_nothing() {
    for venue in SPOT {
        let (mut rng, known) = (Rng(3), known(venue));
        let frame = change(venue, &mut rng);
        let plain = both(venue, frame.as_bytes(), &known).unwrap();
        let mut inside = false;
        for (at, symbol) in frame.char_indices() {
            inside ^= symbol == '"';
            if inside || !"{}[]:,".contains(symbol) {
                continue;
            }
            let spaced = format!("{} {}", &frame[..=at], &frame[at + 1..]);
            assert_eq!(both(venue, spaced.as_bytes(), &known).unwrap(), plain, "{spaced}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_blanks_and_escapes_mean_the_same(seed: u64, blanks: bool, escapes: bool) {
        let mut rng = Rng(seed);
        for v in Vector::of_spot() {
            // Of a member that comes twice the other reader keeps one.
            let quoted = quote_numbers(v.frame());
            let Ok(value) = serde_json::from_str::<Value>(&quoted) else { continue };
            if v.json["numbers_only"] == true {
                continue;
            }
            let mut other = String::new();
            respell(&value, [blanks, escapes], &mut rng, &mut other);
            let known = v.known();
            let text = |text: &str| say(v.venue, v.from(), text.as_bytes(), &known);
            prop_assert_eq!(text(v.frame()), text(&other), "{}: {}", v.name, other);
        }
    }
}
