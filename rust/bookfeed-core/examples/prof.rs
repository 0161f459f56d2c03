use bookfeed_core::decode::{self, Source, Tally, Venue};
use bookfeed_core::engine::{Config, Engine, HashCheck, Listing};
use bookfeed_core::event::Frame;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let data = std::fs::read(&a[1]).unwrap();
    let stage = a[2].as_str();
    let limit: usize = a.get(3).map_or(usize::MAX, |s| s.parse().unwrap());
    let mut frames: Vec<&[u8]> = Vec::new();
    let mut i = 0;
    while i < data.len() && frames.len() < limit {
        let n = u32::from_le_bytes(data[i..i + 4].try_into().unwrap()) as usize;
        frames.push(&data[i + 4..i + 4 + n]);
        i += 4 + n;
    }
    let mut best = f64::MAX;
    let reps = a.get(4).map_or(5, |s| s.parse().unwrap());
    for _ in 0..reps {
        let mut e = Engine::new(Config {
            hash_check: match stage {
                "always" => HashCheck::Always,
                "sampled" => HashCheck::Sampled,
                _ => HashCheck::Off,
            },
            silence: 0,
            ..Config::default()
        });
        // subscribe from first 100 frames
        for f in &frames[..100] {
            let v: serde_json::Value = serde_json::from_slice(f).unwrap();
            for o in v.as_array().unwrap() {
                let l = Listing {
                    market: o["market"].as_str(),
                    fee_rate: Some("0.07"),
                    min_order_size: Some("5"),
                    neg_risk: Some(false),
                    ..Listing::default()
                };
                e.subscribe(Venue::Polymarket, o["asset_id"].as_str().unwrap(), 0, &l, 1).unwrap();
            }
        }
        let p = |k: &[(&str, &str)]| k.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        e.add_rule("spread", &p(&[("mode", "bps"), ("open", "20000")])).unwrap();
        e.add_rule("complement", &p(&[("min_edge", "0.001")])).unwrap();
        let mut ts = 1_790_000_000_000_000_000i64;
        let mut frame = Frame::default();
        let mut tally = Tally::default();
        let t = std::time::Instant::now();
        let mut n = 0usize;
        for f in &frames {
            ts += 1_000_000;
            if stage == "decode" {
                decode::decode(
                    Venue::Polymarket,
                    Source::Stream,
                    f,
                    e.instruments(),
                    &mut frame,
                    &mut tally,
                )
                .unwrap();
                n += frame.changes.len();
            } else if stage == "json" {
                decode::json::check(f).unwrap();
            } else {
                n += e.ingest(0, f, ts);
                if n & 63 == 0 {}
                e.output().clear();
            }
        }
        best = best.min(t.elapsed().as_nanos() as f64 / frames.len() as f64);
        std::hint::black_box(n);
    }
    println!("{stage}: {best:.1} ns/frame");
}
