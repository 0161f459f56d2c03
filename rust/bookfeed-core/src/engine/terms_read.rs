//! The terms of a contract on a reference, read from its parameters.

use super::terms::Teller;
use crate::fairvalue::{Doubt, Moves, Payoff, Tails, Volatility};
use crate::settlement::{Endpoints, Measure, Rule, Sampling, Tie, Value, Window, price_value};
use crate::signals::{ParamReader, Params, RuleError};
use crate::time::{Nanos, SECOND};

/// After so long a move of the reference counts half for its volatility, unless it is said otherwise.
const HALF_LIFE: Nanos = 300 * SECOND;
/// The least time between ticks that a move is measured over, unless it is said otherwise.
const STEP: Nanos = 10 * SECOND;
/// Within what time a reference moves, unless it is said otherwise.
const MOVE: Nanos = 2 * SECOND;
/// A whole in parts per million.
const WHOLE_PPM: i64 = 1_000_000;

/// When a contract pays.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pays {
    /// If its window closes at its strike or above.
    Up,
    /// If its window closes where this says.
    Fixed(Payoff),
}

/// The terms of a contract.
pub(super) struct Terms {
    pub(super) teller: Teller,
    pub(super) name: Box<str>,
    /// The told reference whose ticks at the ends of the window decide.
    pub(super) decided_by: Option<Box<str>>,
    pub(super) window: Window,
    pub(super) pays: Pays,
    pub(super) tie: Tie,
    pub(super) tails: Tails,
    pub(super) doubt: Doubt,
    pub(super) half_life: Nanos,
    pub(super) step: Nanos,
    pub(super) moves: Moves,
    /// One that has seen nothing yet.
    pub(super) volatility: Volatility,
}

impl Terms {
    /// Reads `reference`, `end_ts` and what else there is to say.
    pub(super) fn read(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::of("terms".to_owned(), params);
        let (teller, name) = reference(&mut reader)?;
        let decided_by = decided_by(&mut reader)?;
        let (window, pays, tie) = window(&mut reader)?;
        let half_life = reader.millis("half_life_ms", HALF_LIFE)?;
        let step = reader.millis("step_ms", STEP)?;
        let volatility =
            Volatility::new(half_life, step).map_err(|e| reader.complaint(&e.to_string()))?;
        let freedom = reader.freedom()?;
        let scale = ppm(&mut reader, "scale", WHOLE_PPM)?;
        let tails = Tails::of_ppm(freedom, scale).map_err(|e| reader.complaint(&e.to_string()))?;
        let reference = price_value(reader.decimal::<9>("reference_doubt", Some(0))?);
        let doubt = Doubt::of_ppm(reference, ppm(&mut reader, "volatility_doubt", 2 * WHOLE_PPM)?);
        let within = reader.millis("move_ms", MOVE)?.max(1);
        let moves = Moves::of_ppm(within, ppm(&mut reader, "move_sigmas", 3 * WHOLE_PPM)?);
        reader.finish()?;
        Ok(Self {
            teller,
            name,
            decided_by,
            window,
            pays,
            tie,
            tails,
            doubt,
            half_life,
            step,
            moves,
            volatility,
        })
    }
}

/// A number in millionths that is not absurd.
fn ppm(reader: &mut ParamReader, key: &'static str, usual: i64) -> Result<u32, RuleError> {
    let given = reader.decimal::<6>(key, Some(usual))?;
    let most = 100 * WHOLE_PPM;
    let refused = || reader.complaint(&format!("{key} must be at most 100"));
    u32::try_from(given).ok().filter(|_| given <= most).ok_or_else(refused)
}

fn reference(reader: &mut ParamReader) -> Result<(Teller, Box<str>), RuleError> {
    const KEY: &str = "reference";
    let text = reader.text(KEY)?;
    match text.split_once(' ') {
        Some(("index", name)) if !name.is_empty() => Ok((Teller::Index, name.into())),
        Some(("venue", name)) if !name.is_empty() => Ok((Teller::Venue, name.into())),
        Some(("told", name)) if !name.is_empty() => Ok((Teller::Told, name.into())),
        Some(("trades", name)) if name.contains(' ') => Ok((Teller::Trades, name.into())),
        _ => {
            let wanted = "index, venue, told or trades and a name, such as \"index btc\"";
            Err(reader.wrong(KEY, wanted, text))
        }
    }
}

fn decided_by(reader: &mut ParamReader) -> Result<Option<Box<str>>, RuleError> {
    const KEY: &str = "decided_by";
    let Some(text) = reader.take(KEY) else { return Ok(None) };
    match text.split_once(' ') {
        Some(("told", name)) if !name.is_empty() => Ok(Some(name.into())),
        _ => Err(reader.wrong(KEY, "told and a name, such as \"told means\"", text)),
    }
}

fn window(reader: &mut ParamReader) -> Result<(Window, Pays, Tie), RuleError> {
    let pays = pays(reader)?;
    let up = matches!(pays, Pays::Up);
    let end = reader.instant("end_ts", None)?;
    // What does not open with a strike has no beginning that matters.
    let start = reader.instant("start_ts", if up { None } else { Some(end.saturating_sub(1)) })?;
    let samples = reader.decimal::<0>("samples", Some(i64::from(Sampling::MINUTE.samples)))?;
    let sampling = Sampling {
        samples: u32::try_from(samples).unwrap_or(u32::MAX),
        step: reader.millis("sample_step_ms", SECOND)?,
        endpoints: match reader.word("endpoints", &["start", "end"])? {
            "end" => Endpoints::End,
            _ => Endpoints::Start,
        },
    };
    let measure = |word| match word {
        "tick" => Measure::Tick,
        "first" => Measure::First,
        "last" => Measure::Last,
        _ => Measure::Mean(sampling),
    };
    let words = &["mean", "tick", "first", "last"];
    let closing = measure(reader.word("closing", words)?);
    let opening = reader.word("opening", words)?;
    // A mean that nobody asks for must not reach back before all time.
    let opening = if up { measure(opening) } else { Measure::Tick };
    let tie = if reader.word("tie", &["yes", "half"])? == "half" { Tie::Half } else { Tie::Yes };
    let rule = Rule { opening, closing, tie };
    let mut window = Window::new(start, end, rule).map_err(|e| reader.complaint(&e.to_string()))?;
    if let Some(strike) = bound(reader, "strike")? {
        window.tell_strike(strike).map_err(|e| reader.complaint(&e.to_string()))?;
    }
    Ok((window, pays, tie))
}

fn pays(reader: &mut ParamReader) -> Result<Pays, RuleError> {
    let (at_least, below) = (bound(reader, "at_least")?, bound(reader, "below")?);
    if let (Some(from), Some(to)) = (at_least, below)
        && from >= to
    {
        return Err(reader.complaint("below must be above at_least, or it never pays"));
    }
    if at_least.is_none() && below.is_none() {
        return Ok(Pays::Up);
    }
    Ok(Pays::Fixed(Payoff { at_least, below, half_on_tie: false }))
}

fn bound(reader: &mut ParamReader, key: &'static str) -> Result<Option<Value>, RuleError> {
    let Some(text) = reader.take(key) else { return Ok(None) };
    let parsed = crate::fixed::parse_unsigned::<9>(text.as_bytes());
    let wanted = "a plain decimal such as \"84000.01\"";
    parsed.map(|price| Some(price_value(price.value))).map_err(|_| reader.wrong(key, wanted, text))
}
