//! Writes the seed corpora: `seeds DIRECTORY` makes `DIRECTORY/<target>/seed-*` for each target.

#[path = "../../../bookfeed-core/tests/support/mod.rs"]
mod support;

use bookfeed_core::journal::{Packer, Record, Sealer};
use std::path::Path;
use support::Rng;
use support::kalshi::Kalshi;
use support::quotes::quote;
use support::spot;
use support::venue::Market;

/// Frames about the very market that the decoder target follows.
fn frames() -> Vec<Vec<u8>> {
    let mut rng = Rng(1);
    let mut market = Market::new(1, 20);
    market.ms += 1;
    let mut frames = vec![
        market.book(0),
        market.change(0, true, 395, "77.5"),
        market.change_one(1, false, 650, "0"),
        market.trade(0, "0.4", "31.250001", "SELL"),
        market.touch(1),
        market.tick(0, "0.001", "0.01"),
        market.resolved(0),
        "PONG".into(),
        "[]".into(),
        format!("[{},{}]", market.touch(0), market.change(0, false, 444, "1")),
    ];
    frames.extend((0..4).map(|_| market.random_change(&mut rng)));
    let entry = r#"{"price":"0.3","size":"5","side":"BUY"}"#;
    let legacy = format!(
        r#"{{"event_type":"price_change","asset_id":"{}","market":"m","timestamp":"{}","changes":[{entry}]}}"#,
        market.assets[0], market.ms
    );
    frames.push(legacy.clone());
    frames.push(
        legacy.replace(&format!(r#""changes":[{entry}]"#), r#""price":".48","size":"5","side":"SELL""#),
    );
    frames.into_iter().map(String::into_bytes).collect()
}

/// Frames of a venue: those of its vectors.
fn vectors(venue: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = format!("{}/../../tests/data/{venue}", env!("CARGO_MANIFEST_DIR"));
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let vector: serde_json::Value = serde_json::from_slice(&std::fs::read(entry?.path())?)?;
        frames.push(vector["frame"].as_str().expect("a vector has a frame").into());
    }
    frames.sort();
    Ok(frames)
}

/// Frames about the books that a script of Kalshi follows.
fn kalshi() -> Vec<Vec<u8>> {
    let mut venue = Kalshi::new(2, false);
    let frames = [
        venue.snapshot(0),
        venue.delta(0, true, 4_300, 100),
        venue.delta(0, false, 5_400, -25_000),
        venue.trade(1, 4_400, 150),
        venue.ticker(1),
    ];
    frames.map(String::into_bytes).into()
}

/// Likewise of Binance.
fn binance() -> Vec<Vec<u8>> {
    let mut venue = spot::Venue::new("BTCUSDT", 5, 25);
    let (ticker, first) = (venue.book_ticker(), venue.id + 1);
    let changes = venue.change(6);
    [ticker, venue.depth_update(first, &changes)].map(String::into_bytes).into()
}

/// Likewise of Kraken.
fn kraken() -> Vec<Vec<u8>> {
    let mut venue = spot::Venue::new("BTC/USD", 5, 25);
    let changes = venue.change(6);
    vec![venue.kraken_book("update", &changes).into_bytes()]
}

/// Quotes of the symbol that the decoder target follows.
fn quotes() -> Vec<Vec<u8>> {
    let (bid, ask) = (Some(("0.48", "100")), Some((".52", "0.00000001")));
    let sides = [(bid, ask), (bid, None), (None, ask), (None, None), (ask, bid)];
    let all = sides.map(|(bid, ask)| quote("mine", bid, ask, 5_000_000_000).into_bytes());
    all.into()
}

fn journal() -> Vec<u8> {
    let (mut packer, mut sealer) = (Packer::default(), Sealer::new(3));
    let mut bytes = sealer.header(b"{}").expect("a short header");
    for (ts, payload) in (0..).zip(frames()) {
        let record = Record { kind: 1, ts, conn: 0, epoch: 1, payload: &payload };
        packer.append(&record).expect("a short record");
        while let Some(raw) = packer.take(ts % 4 == 3) {
            bytes.extend_from_slice(&sealer.seal(&raw).expect("a short block"));
        }
    }
    bytes
}

fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1).expect("usage: seeds DIRECTORY");
    let text = |all: &[&str]| all.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>();
    let json =
        ["null", "-0.5e+10", r#"{"a":[1,"\ud83d\ude00",{"b":null}]}"#, "[[[[]]]]", "\"caf\u{e9}\\n\""];
    let numbers =
        ["0", "0.48", ".48", "0.480", "31.250001", "1790000000123", "9223372036.854775807", "-1"];
    let mut rng = Rng(2);
    let mut noise =
        |length: usize| (0..length).map(|_| rng.next().to_le_bytes()[0]).collect::<Vec<u8>>();
    let script = |kind: u8, steps: u8, rest: &[u8]| [&[kind, steps], rest].concat();
    let mut scripts: Vec<_> = (0..16).map(|kind| script(kind * 17, 63, &noise(252))).collect();
    for (kind, frames) in (0..).zip([frames(), kalshi(), binance(), kraken()]) {
        scripts.extend(frames.iter().map(|frame| script(kind, 0, frame)));
    }
    let corpora: [(&str, Vec<Vec<u8>>); 9] = [
        ("decoder", [frames(), vectors("kalshi")?, quotes()].concat()),
        (
            "spot",
            ["binance", "kraken", "coinbase", "bitstamp", "gemini", "cryptocom"]
                .map(vectors)
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?
                .concat(),
        ),
        ("relay", vectors("relay")?),
        ("json", text(&json)),
        ("number", text(&numbers)),
        ("book", vec![noise(64), noise(400)]),
        ("engine", vec![noise(20), noise(200)]),
        ("journal", vec![journal(), noise(300)]),
        ("twins", scripts),
    ];
    for (target, seeds) in corpora {
        let folder = Path::new(&directory).join(target);
        std::fs::create_dir_all(&folder)?;
        for (i, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:02}")), seed)?;
        }
    }
    Ok(())
}
