"""Polymarket's fees: rate, exponent, how fills are rounded. The same at ``p`` and at ``1 - p``."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.fees import Fills
from bookfeed.audit.numbers import PRICE_PLACES, exactly, floor, half_up, plain

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class PolymarketFees:
    """``qty * rate * (p * (1 - p)) ** exponent``, takers only, five decimals for each fill."""

    rate: Decimal
    exponent: int
    floored: bool = False
    """Whether the fee of a fill is rounded down, and not half up."""
    computable: bool = True

    def _model(self, price: Decimal, qty: Decimal) -> Decimal:
        return qty * self.rate * (price * (1 - price)) ** self.exponent

    @exactly
    def marginal(self, price: Decimal, *, maker: bool) -> Decimal:
        """See ``Fees``."""
        return _ZERO if maker else half_up(self._model(price, Decimal(1)), PRICE_PLACES)

    @exactly
    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Decimal:
        """See ``Fees``."""
        if maker:
            return _ZERO
        rounded = floor if self.floored else half_up
        return sum((rounded(self._model(price, qty), 5) for price, qty in fills), _ZERO)


def parse(terms: str) -> PolymarketFees:
    """``0.07;1`` or ``0.07;1;floor``; the exponent is 1 if it is left out."""
    rate, _, rest = terms.partition(";")
    exponent, _, rounding = rest.partition(";")
    return PolymarketFees(plain(rate, 9), int(exponent or 1), rounding == "floor")


def old_text(options: Mapping[str, Any]) -> str | None:
    """From ``fee_rate`` and ``fee_exponent``."""
    if options.get("fee_rate") is None:
        return None
    exponent = options.get("fee_exponent")
    return f"{options['fee_rate']};{1 if exponent is None else exponent}"
