"""The auditor's own fee arithmetic, in exact decimals.

An order is a list of fills ``(price, qty)``; prices are what is paid or received a unit, so the
NO of a contract at 0.30 has the price 0.30. Both venues charge the same at ``p`` and ``1 - p``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from bookfeed.audit.numbers import PRICE_PLACES, ceiling, exactly, floor, half_up, plain

Fills = Sequence[tuple[Decimal, Decimal]]

_ZERO: Final = Decimal(0)
_KALSHI_RATE: Final = Decimal("0.07")
_MAKER_SHARE: Final = {
    "quadratic": Decimal(0),
    "quadratic_with_maker_fees": Decimal("0.25"),
    "quadratic_with_combo_maker_fees": Decimal("0.5"),
}
# Decimals that the fee of a fill is rounded up to, and those of the balances.
_ROUNDINGS: Final = {"direct": (6, 4), "non_direct": (6, 2), "intermediate": (4, 2)}


class Fees(Protocol):
    """What a market charges. Amounts in dollars."""

    @property
    def computable(self) -> bool:
        """Whether the fee type is one that is known here."""

    def marginal(self, price: Decimal, *, maker: bool) -> Decimal:
        """Fee of one more unit at ``price`` before rounding, rounded half up to 1e-9."""

    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Decimal:
        """Fee of one order with these fills."""


def _spread_of(price: Decimal) -> Decimal:
    return price * (1 - price)


@dataclass(frozen=True, slots=True)
class PolymarketFees:
    """``qty * rate * (p * (1 - p)) ** exponent``, takers only, five decimals for each fill."""

    rate: Decimal
    exponent: int
    computable: bool = True

    def _model(self, price: Decimal, qty: Decimal) -> Decimal:
        return qty * self.rate * _spread_of(price) ** self.exponent

    @exactly
    def marginal(self, price: Decimal, *, maker: bool) -> Decimal:
        """See ``Fees``."""
        return _ZERO if maker else half_up(self._model(price, Decimal(1)), PRICE_PLACES)

    @exactly
    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Decimal:
        """See ``Fees``."""
        if maker:
            return _ZERO
        return sum((half_up(self._model(price, qty), 5) for price, qty in fills), _ZERO)


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

    def _model(self, price: Decimal, qty: Decimal, *, maker: bool) -> Decimal:
        multiplier = self.multiplier_override
        if multiplier is None:
            multiplier = self.multiplier
        share = _MAKER_SHARE[self.kind_override or self.kind] if maker else 1
        return multiplier * share * _KALSHI_RATE * qty * _spread_of(price)

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
