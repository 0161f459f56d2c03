"""The auditor's own fee arithmetic, in fractions.

An order is a list of fills ``(price, qty)``; prices are what is paid or received a unit, so the
NO of a contract at 0.30 has the price 0.30. Both venues charge the same at ``p`` and ``1 - p``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Protocol

from bookfeed.audit.numbers import PRICE_UNITS, ceiling, floor, half_up, plain

Fills = Sequence[tuple[Decimal, Decimal]]

_KALSHI_RATE: Final = Fraction(7, 100)
_MAKER_SHARE: Final = {
    "quadratic": Fraction(0),
    "quadratic_with_maker_fees": Fraction(1, 4),
    "quadratic_with_combo_maker_fees": Fraction(1, 2),
}
_MICRO: Final = 10**6


class Fees(Protocol):
    """What a market charges. Amounts in dollars."""

    @property
    def computable(self) -> bool:
        """Whether the fee type is one that is known here."""

    def marginal(self, price: Decimal, *, maker: bool) -> Fraction:
        """Fee of one more unit at ``price`` before rounding, rounded half up to 1e-9."""

    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Fraction:
        """Fee of one order with these fills."""


def _spread_of(price: Decimal) -> Fraction:
    return Fraction(price) * (1 - Fraction(price))


@dataclass(frozen=True, slots=True)
class PolymarketFees:
    """``qty * rate * (p * (1 - p)) ** exponent``, takers only, five decimals for each fill."""

    rate: Decimal
    exponent: int
    computable: bool = True

    def _model(self, price: Decimal, qty: Fraction) -> Fraction:
        return qty * Fraction(self.rate) * _spread_of(price) ** self.exponent

    def marginal(self, price: Decimal, *, maker: bool) -> Fraction:
        """See ``Fees``."""
        return Fraction(0) if maker else half_up(self._model(price, Fraction(1)), PRICE_UNITS)

    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Fraction:
        """See ``Fees``."""
        if maker:
            return Fraction(0)
        each = (half_up(self._model(price, Fraction(qty)), 10**5) for price, qty in fills)
        return sum(each, Fraction(0))


@dataclass(frozen=True, slots=True)
class KalshiFees:
    """``multiplier * 0.07 * qty * p * (1 - p)``, and what rounding makes of it.

    Series and event give type and multiplier; an override of the event wins until it is cleared.
    """

    kind: str
    multiplier: Decimal
    rounding: str = "non_direct"
    kind_override: str | None = None
    multiplier_override: Decimal | None = None

    @property
    def computable(self) -> bool:
        """See ``Fees``."""
        return (self.kind_override or self.kind) in _MAKER_SHARE

    def _model(self, price: Decimal, qty: Fraction, *, maker: bool) -> Fraction:
        multiplier = self.multiplier_override
        if multiplier is None:
            multiplier = self.multiplier
        share = _MAKER_SHARE[self.kind_override or self.kind] if maker else Fraction(1)
        return Fraction(multiplier) * share * _KALSHI_RATE * qty * _spread_of(price)

    def marginal(self, price: Decimal, *, maker: bool) -> Fraction:
        """See ``Fees``."""
        return half_up(self._model(price, Fraction(1), maker=maker), PRICE_UNITS)

    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Fraction:
        """See ``Fees``."""
        models = [self._model(price, Fraction(qty), maker=maker) for price, qty in fills]
        if self.rounding == "legacy":
            return ceiling(sum(models, Fraction(0)), 100)
        fine = 10**4 if self.rounding == "intermediate" else _MICRO
        precision = 10**4 if self.rounding == "direct" else 100
        total = saved = Fraction(0)
        for (price, qty), model in zip(fills, models, strict=True):
            revenue = Fraction(price) * Fraction(qty) * (1 if sell else -1)
            fee = ceiling(model, fine)
            rounded_off = revenue - fee - floor(revenue - fee, precision)
            fee += rounded_off
            saved += rounded_off
            refund = floor(min(saved, fee), precision)
            saved -= refund
            total += fee - refund
        return total


def listed_fees(venue: str, options: dict[str, Any]) -> Fees | None:
    """The fees a SUBSCRIBE record states; ``None`` if it states none."""
    if venue == "kalshi":
        if options.get("fee_type") is None:
            return None
        multiplier = options.get("fee_multiplier")
        return KalshiFees(
            str(options["fee_type"]),
            plain("1" if multiplier is None else str(multiplier), 9),
            options.get("fee_rounding") or "non_direct",
        )
    if options.get("fee_rate") is None:
        return None
    exponent = options.get("fee_exponent")
    return PolymarketFees(plain(options["fee_rate"], 9), 1 if exponent is None else int(exponent))
