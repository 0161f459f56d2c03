//! Rules whose legs are written out: a box across venues, the same with a gap between strikes, a
//! basket of exclusive outcomes, a ladder of strikes. Each says which bundles there are and what they pay at least; the walk is
//! [`bundle`]'s.

use super::bundle::{self, Limits};
use super::kept::Walked;
use super::{
    Assessment, Chances, Direction, Gates, LegRef, ParamReader, Params, Refusal, Rule, RuleError,
    RuleKind, Subject, View,
};
use crate::fairvalue::{Basis, Tails};
use crate::fixed::{PRICE_ONE, Price, Qty};
use crate::instrument::{InstrumentId, Instruments, Venue};
use crate::settlement::price_value;
use crate::time::SECOND;

/// Most legs of a basket or a ladder.
const LEGS_MAX: usize = 128;

/// A leg as it is written: its instrument may not be subscribed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    venue: Venue,
    symbol: Box<str>,
    complement: bool,
}

impl Named {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (venue, symbol) = (Venue::by_name(words.next()?)?, words.next()?.into());
        let complement = match words.next()? {
            "yes" => false,
            "no" => true,
            _ => return None,
        };
        words.next().is_none().then_some(Self { venue, symbol, complement })
    }

    fn leg(&self, instruments: &Instruments) -> Option<LegRef> {
        let instrument = instruments.find(self.venue, self.symbol.as_bytes())?;
        Some(LegRef { instrument, complement: self.complement })
    }
}

/// Legs from a parameter: `venue symbol yes|no`, separated by semicolons.
fn named(reader: &mut ParamReader, key: &'static str, least: usize) -> Result<Vec<Named>, RuleError> {
    let text = reader.text(key)?.to_owned();
    let wanted = "a leg: venue, symbol, and yes or no, such as \"venue SYMBOL yes\"";
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let legs: Option<Vec<_>> = parts.map(Named::parse).collect();
    let legs = legs.ok_or_else(|| reader.wrong(key, wanted, &text))?;
    if legs.len() < least || legs.len() > LEGS_MAX {
        let wanted = format!("{least} to {LEGS_MAX} legs separated by semicolons");
        return Err(reader.wrong(key, &wanted, &text));
    }
    if let Some(leg) = legs.iter().find(|leg| leg.venue.row().payout.is_none()) {
        let (venue, symbol) = (leg.venue.name(), &leg.symbol);
        return Err(reader.complaint(&format!(
            "{key}: {venue} {symbol} pays nothing out, so it has no opposite; \
             use a contract of a prediction market"
        )));
    }
    for (i, leg) in legs.iter().enumerate() {
        if legs[..i].iter().any(|l| (l.venue, &l.symbol) == (leg.venue, &leg.symbol)) {
            return Err(reader.wrong(key, "legs of different instruments", &text));
        }
    }
    Ok(legs)
}

/// The two legs of a pair, and whether their polarity is checked.
fn pair(reader: &mut ParamReader) -> Result<(Vec<Named>, bool), RuleError> {
    let mut legs = named(reader, "a", 1)?;
    legs.extend(named(reader, "b", 1)?);
    let [a, b] = &legs[..] else {
        return Err(reader.complaint("a and b must hold one leg each"));
    };
    if (a.venue, &a.symbol) == (b.venue, &b.symbol) {
        return Err(reader.complaint("a and b must be different instruments"));
    }
    let checked = reader.word("polarity_check", &["on", "off"])? == "on";
    Ok((legs, checked))
}

/// Which bundles a rule makes of its legs.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// Two contracts on one event, one bought and the other's opposite with it.
    BoxSpread { checked: bool },
    /// The same of contracts with a strike and a reference each: what the bundles pay at least,
    /// on average, since both legs may lose. Where those of the one lose those of the other win.
    StrikeGap { checked: bool, payouts: [Price; 2] },
    /// At most one of the legs happens; if `exhaustive`, one does.
    Basket { exhaustive: bool, augmented: bool },
    /// Each leg is implied by the next: lower strikes first.
    Ladder,
}

/// A rule with its legs.
#[derive(Debug)]
pub struct LegsRule {
    shape: Shape,
    legs: Vec<Named>,
    limits: Limits,
    gates: Gates,
}

impl LegsRule {
    /// A box: `a` and `b`, the legs that pay one when the event happens.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub(crate) fn new_box(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("box", params);
        let (legs, checked) = pair(&mut reader)?;
        Self::finish(reader, Shape::BoxSpread { checked }, legs)
    }

    /// A gap between strikes: `a` and `b` as in a box, that pay from `a_strike` and from `b_strike`
    /// on, by references whose closing values differ by a deviation of `reference_sd`.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub(crate) fn new_strike_gap(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("strike_gap", params);
        let (legs, checked) = pair(&mut reader)?;
        let a_strike = price_value(reader.decimal::<9>("a_strike", None)?);
        let gap = price_value(reader.decimal::<9>("b_strike", None)?) - a_strike;
        let reference_sd = price_value(reader.decimal::<9>("reference_sd", None)?);
        let closing_sd = match reader.decimal::<9>("closing_sd", Some(0))? {
            0 => None,
            sd => Some(price_value(sd)),
        };
        let tails = Tails::new(reader.freedom()?, 1.0).map_err(|e| reader.complaint(&e.to_string()))?;
        let basis = Basis { reference_sd, closing_sd, tails };
        let payouts = [gap, -gap].map(|gap| PRICE_ONE - basis.both_lose(gap));
        Self::finish(reader, Shape::StrikeGap { checked, payouts }, legs)
    }

    /// A basket: `legs` of which at most one pays one; `exhaustive` if one surely does.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub(crate) fn new_basket(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("basket", params);
        let legs = named(&mut reader, "legs", 2)?;
        let exhaustive = reader.word("exhaustive", &["false", "true"])? == "true";
        let augmented = reader.word("augmented", &["false", "true"])? == "true";
        Self::finish(reader, Shape::Basket { exhaustive, augmented }, legs)
    }

    /// A ladder: `legs` that pay one above rising strikes.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub(crate) fn new_ladder(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("ladder", params);
        let legs = named(&mut reader, "legs", 2)?;
        Self::finish(reader, Shape::Ladder, legs)
    }

    fn finish(mut reader: ParamReader, shape: Shape, legs: Vec<Named>) -> Result<Self, RuleError> {
        let one_venue = legs.iter().all(|leg| leg.venue == legs[0].venue);
        let min_edge = reader.decimal::<9>("min_edge", Some(1))?.max(1);
        let max_qty = reader.decimal::<8>("max_qty", Some(Qty::MAX))?;
        let gates = reader.gates(true, if one_venue { 0 } else { SECOND })?;
        reader.finish()?;
        let limits = Limits { min_edge, min_qty: gates.min_qty, max_qty };
        Ok(Self { shape, legs, limits, gates })
    }

    /// How likely the legs of a bundle are to lose together, or to win: what the opposite legs
    /// lose, these win.
    fn chances(&self, subject: &Subject) -> Option<Chances> {
        let Shape::StrikeGap { payouts, .. } = self.shape else { return None };
        let first = subject.legs.first()?.complement == self.legs.first()?.complement;
        let [mine, others] = if first { payouts } else { [payouts[1], payouts[0]] };
        Some(Chances { both_lose: PRICE_ONE - mine, both_win: PRICE_ONE - others })
    }

    fn bundles(&self, legs: &[LegRef]) -> Vec<Subject> {
        match self.shape {
            Shape::BoxSpread { .. } => both_ways(legs, [PRICE_ONE; 2]),
            Shape::StrikeGap { payouts, .. } => both_ways(legs, payouts),
            Shape::Basket { exhaustive, .. } => {
                let all_but_one = i64::try_from(legs.len() - 1).unwrap_or(0) * PRICE_ONE;
                let none: Vec<_> = legs.iter().map(|leg| leg.opposite()).collect();
                let mut all = vec![bundle(none, all_but_one)];
                if exhaustive {
                    all.push(bundle(legs.to_vec(), PRICE_ONE));
                }
                all
            }
            Shape::Ladder => {
                let pairs = (0..legs.len()).flat_map(|low| (low + 1..legs.len()).map(move |h| (low, h)));
                pairs.map(|(low, h)| bundle(vec![legs[low], legs[h].opposite()], PRICE_ONE)).collect()
            }
        }
    }
}

/// Legs that are bought together, one unit of each.
fn bundle(legs: Vec<LegRef>, payout: Price) -> Subject {
    Subject { legs: legs.into(), direction: Direction::Buy, payout }
}

/// One leg of a pair and the opposite of the other, as far as they pay anything.
fn both_ways(legs: &[LegRef], payouts: [Price; 2]) -> Vec<Subject> {
    let ways = [vec![legs[0], legs[1].opposite()], vec![legs[0].opposite(), legs[1]]];
    let paying = ways.into_iter().zip(payouts).filter(|&(_, payout)| payout > 0);
    paying.map(|(legs, payout)| bundle(legs, payout)).collect()
}

impl Rule for LegsRule {
    fn kind(&self) -> RuleKind {
        match self.shape {
            Shape::BoxSpread { .. } => RuleKind::BoxSpread,
            Shape::StrikeGap { .. } => RuleKind::StrikeGap,
            Shape::Basket { .. } => RuleKind::Basket,
            Shape::Ladder => RuleKind::Ladder,
        }
    }

    fn gates(&self) -> &Gates {
        &self.gates
    }

    fn named(&self) -> Option<Vec<(Venue, &str)>> {
        Some(self.legs.iter().map(|leg| (leg.venue, &*leg.symbol)).collect())
    }

    fn subjects(&self, added: InstrumentId, instruments: &Instruments) -> Vec<Subject> {
        let legs: Option<Vec<_>> = self.legs.iter().map(|leg| leg.leg(instruments)).collect();
        match legs {
            Some(legs) if legs.iter().any(|leg| leg.instrument == added) => self.bundles(&legs),
            _ => Vec::new(),
        }
    }

    #[inline]
    fn quiet(&self, subject: &Subject, view: &View) -> bool {
        bundle::touch_edge(subject, view).is_none_or(|edge| edge < self.limits.min_edge)
    }

    fn checks_polarity(&self) -> bool {
        matches!(self.shape, Shape::BoxSpread { checked: true } | Shape::StrikeGap { checked: true, .. })
    }

    fn assess(&self, subject: &Subject, view: &View, walked: &mut Walked) -> Assessment {
        if matches!(self.shape, Shape::Basket { augmented: true, .. }) {
            return Assessment::Refused(Refusal::Augmented);
        }
        if bundle::overlaps(subject, view) {
            return Assessment::Refused(Refusal::Crossed);
        }
        let mut assessment = bundle::assess(subject, view, &self.limits, walked);
        if let Assessment::Found(found) = &mut assessment {
            found.chances = self.chances(subject);
        }
        assessment
    }
}
