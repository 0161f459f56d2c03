//! What an index that is estimated is made of, read from its parameters.

use super::estimates::CONSTITUENTS_MAX;
use crate::index::{Crossed, Median, Order, Params as Method, Sample, Spacing};
use crate::instrument::Venue;
use crate::signals::{ParamReader, Params, RuleError};
use crate::time::{MILLISECOND, Nanos, SECOND};

/// Distance of effective times, unless it is said otherwise.
const TICK: Nanos = 200 * MILLISECOND;
/// The least distance of effective times.
const TICK_MIN: Nanos = 50 * MILLISECOND;
/// The most that a constituent may be told to lag.
const LAG_MAX: Nanos = 60 * SECOND;
/// What the index is stated in; another currency is another thing.
const CURRENCY: &str = "usd";

/// Books by their venue and its symbol.
pub(super) type Named = Box<[(Venue, Box<str>)]>;

/// An index to be estimated.
pub(super) struct Recipe {
    pub(super) params: Method,
    pub(super) tick: Nanos,
    pub(super) constituents: Named,
}

impl Recipe {
    /// Reads `asset`, `constituents` and the switches of the method.
    pub(super) fn read(name: &str, params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::of(format!("index {name}"), params);
        if name.is_empty() {
            return Err(reader.complaint("an index needs a name"));
        }
        let asset = reader.text("asset")?;
        let (usual, published) = Method::of_asset(asset)
            .ok_or_else(|| reader.wrong("asset", "BTC, ETH, SOL or XRP", asset))?;
        let constituents = constituents(&mut reader, asset)?;
        let tick = tick(&mut reader)?;
        let order = if reader.word("order", &["level", "price"])? == "level" {
            Order::Level
        } else {
            Order::Price
        };
        let matched = reader.word("crossed", &["kept", "matched"])? == "matched";
        let valid = reader.word("median", &["valid", "all"])? == "valid";
        let params = Method {
            spacing: spacing(&mut reader, published)?,
            sample: sample(&mut reader, usual.sample)?,
            order,
            crossed: if matched { Crossed::Matched } else { Crossed::Kept },
            median: if valid { Median::Valid } else { Median::All },
            lag_max: lag_max(&mut reader, usual.lag_max)?,
            half_spread_ppm: ppm(&mut reader, "half_spread_ppm", usual.half_spread_ppm)?,
            erroneous_ppm: ppm(&mut reader, "erroneous_ppm", usual.erroneous_ppm)?,
            ..usual
        };
        reader.finish()?;
        Ok(Self { params, tick, constituents })
    }
}

/// Constituents from a text: `venue symbol`, separated by semicolons.
fn constituents(reader: &mut ParamReader, asset: &str) -> Result<Named, RuleError> {
    const KEY: &str = "constituents";
    let text = reader.text(KEY)?;
    let wanted = "a venue and its symbol for each, such as \"venue BTC-USD; other BTC/USD\"";
    let mut all: Vec<(Venue, Box<str>)> = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let words: Vec<_> = part.split_ascii_whitespace().collect();
        let [venue, symbol] = words[..] else { return Err(reader.wrong(KEY, wanted, part)) };
        let Some(known) = Venue::by_name(venue) else { return Err(reader.wrong(KEY, wanted, part)) };
        if !known.row().constituent {
            return Err(reader.complaint(&format!("{KEY}: {venue} is never one: leave it out")));
        }
        let letters = symbol.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase());
        if !letters.eq(asset.bytes().map(|b| b.to_ascii_lowercase()).chain(CURRENCY.bytes())) {
            let what = format!("{KEY}: {symbol} is not {asset} in dollars: currencies are never mixed");
            return Err(reader.complaint(&what));
        }
        if all.iter().any(|(other, _)| *other == known) {
            return Err(reader.complaint(&format!("{KEY}: {venue} is there twice")));
        }
        all.push((known, symbol.into()));
    }
    if all.is_empty() || all.len() > CONSTITUENTS_MAX {
        return Err(reader.complaint(&format!("{KEY} must be 1 to {CONSTITUENTS_MAX} books")));
    }
    Ok(all.into())
}

/// A distance of effective times that full seconds are among, or that consists of such.
fn tick(reader: &mut ParamReader) -> Result<Nanos, RuleError> {
    let tick = reader.millis("tick_ms", TICK)?;
    let sound = tick >= TICK_MIN && (SECOND % tick == 0 || tick % SECOND == 0);
    let wanted = "50 or more, and a part of a second or full seconds";
    let refused = || reader.complaint(&format!("tick_ms must be {wanted}"));
    if sound { Ok(tick) } else { Err(refused()) }
}

/// An age that is soon reached: of a silence no more effective times are computed one by one.
fn lag_max(reader: &mut ParamReader, usual: Nanos) -> Result<Nanos, RuleError> {
    let lag_max = reader.millis("lag_max_ms", usual)?;
    if lag_max > 0 && lag_max <= LAG_MAX {
        return Ok(lag_max);
    }
    Err(reader.complaint(&format!("lag_max_ms must be above 0 and at most {}", LAG_MAX / MILLISECOND)))
}

fn spacing(reader: &mut ParamReader, published: i64) -> Result<Spacing, RuleError> {
    const KEY: &str = "spacing";
    match reader.take(KEY) {
        None | Some("integral") => Ok(Spacing::Integral),
        Some("published") => Ok(Spacing::Every(published)),
        Some("hundredth") => Ok(Spacing::Hundredth),
        Some(text) => match crate::fixed::parse_unsigned::<8>(text.as_bytes()) {
            Ok(size) if size.value > 0 => Ok(Spacing::Every(size.value)),
            _ => Err(reader.wrong(KEY, "integral, published, hundredth or a size", text)),
        },
    }
}

fn sample(reader: &mut ParamReader, usual: Sample) -> Result<Sample, RuleError> {
    const KEY: &str = "sample";
    let Some(text) = reader.take(KEY) else { return Ok(usual) };
    let counted = text.split_once(' ').and_then(|(kind, count)| Some((kind, count.parse().ok()?)));
    match counted {
        Some(("at_least", count)) => Ok(Sample::AtLeast(count)),
        Some(("at_most", count)) if count > 0 => Ok(Sample::AtMost(count)),
        _ => Err(reader.wrong(KEY, "at_least or at_most and a number, such as \"at_least 50\"", text)),
    }
}

fn ppm(reader: &mut ParamReader, key: &'static str, usual: u32) -> Result<u32, RuleError> {
    let given = reader.decimal::<0>(key, Some(i64::from(usual)))?;
    u32::try_from(given).map_err(|_| reader.complaint(&format!("{key} must be below 2^32")))
}
