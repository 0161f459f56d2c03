"""Fees of a user's own quotes: ``0.01`` is so many dollars a share, whoever takes; none stated are
none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.fees import Fills
from bookfeed.audit.numbers import USD_PLACES, ceiling, exactly, plain

UNSTATED: Final = "0"

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class UserFees:
    """``qty * a_share``, rounded up to 1e-9 dollars for each fill."""

    a_share: Decimal
    computable: bool = True

    def marginal(self, price: Decimal, *, maker: bool) -> Decimal:
        """See ``Fees``."""
        del price, maker
        return self.a_share

    @exactly
    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Decimal:
        """See ``Fees``."""
        del sell, maker
        return sum((ceiling(qty * self.a_share, USD_PLACES) for _, qty in fills), _ZERO)


def parse(terms: str) -> UserFees:
    """``0.01``, dollars a share."""
    return UserFees(plain(terms, 9))


def old_text(options: Mapping[str, Any]) -> None:
    """There are no older keys."""
    del options
