"""Kalshi's fees: ``type;multiplier;rounding``. The same at ``p`` and at ``1 - p``."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.fees import Fills
from bookfeed.audit.numbers import PRICE_PLACES, ceiling, exactly, floor, half_up, plain

_ZERO: Final = Decimal(0)
_RATE: Final = Decimal("0.07")
_MAKER_SHARE: Final = {
    "quadratic": Decimal(0),
    "quadratic_with_maker_fees": Decimal("0.25"),
    "quadratic_with_combo_maker_fees": Decimal("0.5"),
}
# Decimals that the fee of a fill is rounded up to, and those of the balances.
_ROUNDINGS: Final = {"direct": (6, 4), "non_direct": (6, 2), "intermediate": (4, 2)}
_ROUNDING: Final = "non_direct"


@dataclass(frozen=True, slots=True)
class KalshiFees:
    """``multiplier * 0.07 * qty * p * (1 - p)``, and what rounding makes of it.

    Series and event give type and multiplier; an override of the event wins until it is cleared.
    """

    kind: str
    multiplier: Decimal | None
    """``None`` if what was stated is no number, as may be where the type is not known either."""
    rounding: str = _ROUNDING
    kind_override: str | None = None
    multiplier_override: Decimal | None = None
    base_known: bool = False
    """Whether type and multiplier are known to be the series', not an override's."""

    @property
    def computable(self) -> bool:
        """See ``Fees``."""
        return (self.kind_override or self.kind) in _MAKER_SHARE and self._factor is not None

    @property
    def _factor(self) -> Decimal | None:
        return self.multiplier if self.multiplier_override is None else self.multiplier_override

    def _model(self, price: Decimal, qty: Decimal, *, maker: bool) -> Decimal:
        multiplier = self._factor
        assert multiplier is not None, "fees that cannot be computed were asked for"
        share = _MAKER_SHARE[self.kind_override or self.kind] if maker else 1
        return multiplier * share * _RATE * qty * price * (1 - price)

    @exactly
    def marginal(self, price: Decimal, *, maker: bool) -> Decimal:
        """See ``Fees``."""
        return half_up(self._model(price, Decimal(1), maker=maker), PRICE_PLACES)

    @exactly
    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Decimal:
        """See ``Fees``."""
        models = [self._model(price, qty, maker=maker) for price, qty in fills]
        if self.rounding == "legacy":
            return ceiling(sum(models, _ZERO), 2)
        fine, coarse = _ROUNDINGS[self.rounding]
        total = saved = _ZERO
        for (price, qty), model in zip(fills, models, strict=True):
            revenue = price * qty if sell else -price * qty
            fee = ceiling(model, fine)
            rounded_off = revenue - fee - floor(revenue - fee, coarse)
            fee += rounded_off
            saved += rounded_off
            # What was charged beyond the fee comes back in whole units, as far as there is a fee.
            refund = floor(min(saved, fee), coarse)
            saved -= refund
            total += fee - refund
        return total


def parse(terms: str) -> KalshiFees:
    """``quadratic;1;non_direct``; a multiplier or rounding that is left out is as written here.

    An override that stands already follows as ``|type;multiplier``.
    """
    # From the end: the type is the venue's text, and may be any.
    base, told, override = terms.rpartition("|")
    if ";" not in override or not told:
        base, told, override = terms, "", ""
    kind, multiplier, rounding = [*base.rsplit(";", 2), "", ""][:3]
    other, _, factor = override.rpartition(";")
    return KalshiFees(
        kind,
        _number(multiplier or "1"),
        rounding or _ROUNDING,
        kind_override=other or None,
        multiplier_override=_number(factor),
        base_known=bool(told),
    )


def _number(text: str) -> Decimal | None:
    try:
        return plain(text, 9)
    except ValueError:
        return None


def old_text(options: Mapping[str, Any]) -> str | None:
    """From ``fee_type``, ``fee_multiplier`` and ``fee_rounding``."""
    if options.get("fee_type") is None:
        return None
    multiplier = options.get("fee_multiplier")
    rounding = options.get("fee_rounding") or _ROUNDING
    return f"{options['fee_type']};{1 if multiplier is None else multiplier};{rounding}"
