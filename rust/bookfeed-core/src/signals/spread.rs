//! Spread rule: a book's spread is at or beyond a threshold, in price units or basis points
//! of the mid, with hysteresis. `wide` is what a maker looks for, `tight` what a taker does.

use super::kept::{Reach, Walked};
use super::{
    Assessment, Direction, Found, Gates, Leg, LegRef, ParamReader, Params, Refusal, Rule, RuleError,
    RuleKind, Subject, View,
};
use crate::book::Touch;
use crate::fixed::{ABSENT, PRICE_ONE, Price, QTY_ONE};
use crate::instrument::{InstrumentId, Instruments};

/// Basis points are kept in ten-thousandths.
const BPS_SCALE: u32 = 4;

/// The rule and its thresholds.
#[derive(Debug)]
pub struct SpreadRule {
    bps: bool,
    wide: bool,
    /// Opens at this spread or beyond: price units, or basis points of [`BPS_SCALE`].
    open: i64,
    /// Closes when the spread falls short of this one.
    close: i64,
    gates: Gates,
}

impl SpreadRule {
    /// The rule from its parameters: `mode` (`absolute` or `bps`), `when` (`wide` or
    /// `tight`), `open`, `close` (default: same as `open`), and the common gates.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed.
    pub fn new(params: &Params) -> Result<Self, RuleError> {
        let mut reader = ParamReader::new("spread", params);
        let bps = reader.word("mode", &["absolute", "bps"])? == "bps";
        let wide = reader.word("when", &["wide", "tight"])? == "wide";
        let (open, close) = if bps {
            let open = reader.decimal::<BPS_SCALE>("open", None)?;
            (open, reader.decimal::<BPS_SCALE>("close", Some(open))?)
        } else {
            let open = reader.decimal::<9>("open", None)?;
            (open, reader.decimal::<9>("close", Some(open))?)
        };
        let gates = reader.gates(false, 0)?;
        reader.finish()?;
        if (wide && close > open) || (!wide && close < open) {
            let order = if wide { "at most" } else { "at least" };
            return Err(RuleError(format!(
                "rule spread: close must be {order} open, or it never stays open"
            )));
        }
        if open > 20_000 * 10_i64.pow(BPS_SCALE) && bps {
            return Err(RuleError("rule spread: open must be at most 20000 basis points".into()));
        }
        Ok(Self { bps, wide, open, close, gates })
    }

    /// Whether the spread is at `threshold` or beyond.
    #[inline]
    fn beyond(&self, touch: &Touch, threshold: i64) -> bool {
        let Some((bid, ask)) = touch.both() else { return false };
        let spread = ask - bid;
        // Basis points of the mid, multiplied out: 1e4 (a - b) / ((a + b) / 2) against t / 1e4.
        let (left, right) = if self.bps {
            (2 * 10_000 * 10_000 * i128::from(spread), i128::from(threshold) * i128::from(ask + bid))
        } else {
            (i128::from(spread), i128::from(threshold))
        };
        if self.wide { left >= right } else { left <= right }
    }

    fn touch(subject: &Subject, view: &View) -> Touch {
        let book = subject.legs.first().and_then(|leg| view.books.get(leg.instrument as usize));
        book.map_or(Touch::EMPTY, |book| book.touch)
    }
}

impl Rule for SpreadRule {
    fn kind(&self) -> RuleKind {
        RuleKind::Spread
    }

    fn gates(&self) -> &Gates {
        &self.gates
    }

    fn subjects(&self, added: InstrumentId, _: &Instruments) -> Vec<Subject> {
        let legs = Box::new([LegRef::own(added)]);
        vec![Subject { legs, direction: Direction::None, payout: 0 }]
    }

    fn quiet(&self, subject: &Subject, view: &View) -> bool {
        !self.beyond(&Self::touch(subject, view), self.open)
    }

    fn quiet_when_open(&self, subject: &Subject, view: &View) -> bool {
        !self.beyond(&Self::touch(subject, view), self.close)
    }

    fn assess(&self, subject: &Subject, view: &View, walked: &mut Walked) -> Assessment {
        let [leg] = *subject.legs else { return Assessment::Quiet };
        let touch = Self::touch(subject, view);
        let Some((bid, ask)) = touch.both() else { return Assessment::Quiet };
        if bid >= ask {
            return Assessment::Refused(Refusal::Crossed);
        }
        let qty = touch.bid_qty.min(touch.ask_qty);
        if qty < self.gates.min_qty {
            return Assessment::Refused(Refusal::MinQty);
        }
        let spread: Price = ask - bid;
        // A maker at the touch pays no fee and ties up the bid's price.
        let capital = i64::try_from(i128::from(bid) * i128::from(qty) / i128::from(QTY_ONE));
        walked.reach.push(Reach::Best(0));
        walked.legs.clear();
        walked.legs.extend([(false, bid), (true, ask)].map(|(sell, price)| Leg {
            leg,
            sell,
            avg_price: price,
            worst_price: price,
            qty,
            fee: 0,
            maker_fee: ABSENT,
        }));
        Assessment::Found(Found {
            value: spread,
            qty,
            gross_edge: spread,
            net_edge: spread,
            maker_edge: ABSENT,
            fee: 0,
            capital: capital.unwrap_or(PRICE_ONE),
            direction: Direction::None,
            payout: subject.payout,
            chances: None,
        })
    }
}
