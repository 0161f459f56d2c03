//! What is said of an instrument when it is subscribed, and what of that holds for one that is known.

use super::config::{EngineError, Listing};
use super::world::World;
use crate::fees::Fees;
use crate::fixed::{Decimal, Qty, parse_price, parse_unsigned};
use crate::instrument::{Instrument, Venue};

/// What of a listing has to be read before it can be used.
pub(super) struct Listed {
    pub(super) tick_size: Option<Decimal>,
    pub(super) min_qty: Qty,
    pub(super) fees: Option<Fees>,
    pub(super) fee_terms: Option<Box<str>>,
    pub(super) fee_base_known: bool,
    pub(super) neg_risk: Option<bool>,
}

impl Listed {
    pub(super) fn check(venue: Venue, listing: &Listing) -> Result<Self, EngineError> {
        let decimal = |what, text: Option<&str>| {
            let wrong = |t: &str| EngineError::Decimal(what, t.to_owned());
            text.map(|t| parse_price(t.as_bytes()).map_err(|_| wrong(t))).transpose()
        };
        let tick_size = decimal("tick_size", listing.tick_size)?;
        let min_order_size = listing.min_order_size.unwrap_or("0");
        let min_qty = parse_unsigned::<8>(min_order_size.as_bytes())
            .map_err(|_| EngineError::Decimal("min_order_size", min_order_size.to_owned()))?
            .value;
        let (mut fees, mut fee_terms, mut fee_base_known) = (None, None, false);
        if let Some(text) = listing.fee {
            let terms = fee_terms_of(venue, text)?;
            fees = Some((venue.row().fees.parse)(terms).map_err(EngineError::Fees)?);
            fee_base_known = (venue.row().fees.tells_override)(terms);
            fee_terms = Some(terms.into());
        }
        let neg_risk = match listing.hints {
            None | Some("") => None,
            Some("neg_risk=true") => Some(true),
            Some("neg_risk=false") => Some(false),
            Some(other) => return Err(EngineError::Hint(other.to_owned())),
        };
        Ok(Self { tick_size, min_qty, fees, fee_terms, fee_base_known, neg_risk })
    }
}

/// Fees without the name of their venue, which has to be that of the market.
fn fee_terms_of(venue: Venue, text: &str) -> Result<&str, EngineError> {
    let terms = text.strip_prefix(venue.name()).and_then(|rest| rest.strip_prefix(':'));
    terms.ok_or_else(|| EngineError::Fees(format!("must begin with \"{venue:?}:\", not {text:?}")))
}

/// A new instrument, as it is listed.
pub(super) fn list(
    venue: Venue,
    symbol: &str,
    conn: u32,
    listing: &Listing,
    listed: Listed,
) -> Instrument {
    let stranger = World::stranger(venue, symbol, conn);
    Instrument {
        // A pair of currencies is no contract.
        payout: stranger.payout.filter(|_| listing.base.is_none()),
        market: listing.market.map(|market| spelled(venue, market)),
        event: listing.event.map(Into::into),
        hours: listing.hours,
        listed: (listing.hours, listed.fee_terms.clone()),
        outcome: listing.outcome.map(Into::into),
        tick_size: listed.tick_size,
        min_order_size: listing.min_order_size.map(Into::into),
        min_qty: listed.min_qty,
        base: listing.base.map(Into::into),
        quote: listing.quote.map(Into::into),
        fees: listed.fees.or(stranger.fees),
        fee_terms: listed.fee_terms,
        fee_base_known: listed.fee_base_known,
        ..stranger
    }
}

/// What is said anew of an instrument that is known. If it is `followed` meanwhile, what its news
/// said since it was listed is newer than the same listing again.
pub(super) fn relist(instrument: &mut Instrument, listing: &Listing, listed: Listed, followed: bool) {
    instrument.tick_size = listed.tick_size.or(instrument.tick_size);
    let terms = listed.fee_terms.clone().or_else(|| instrument.listed.1.clone());
    let said = std::mem::replace(&mut instrument.listed, (listing.hours, terms));
    if listed.fees.is_some() && !(followed && said.1 == instrument.listed.1) {
        (instrument.fees, instrument.fee_terms) = (listed.fees, listed.fee_terms);
        instrument.fee_base_known = listed.fee_base_known;
        (instrument.fees_before, instrument.unheard.fees) = (None, false);
    }
    if !(followed && said.0 == listing.hours) {
        instrument.hours = listing.hours;
    }
    instrument.result = None;
    if listing.event.is_some() {
        instrument.event = listing.event.map(Into::into);
    }
}

/// A market's id as its venue writes it.
fn spelled(venue: Venue, market: &str) -> Box<str> {
    if venue.row().lower_case { market.to_ascii_lowercase().into() } else { market.into() }
}
