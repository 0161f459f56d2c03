"""The auditor's own fee arithmetic, in exact decimals: one file a venue, found by its name.

An order is a list of fills ``(price, qty)``; prices are what is paid or received a unit, so the
NO of a contract at 0.30 has the price 0.30.

A market's fees are stated in one text, ``venue:`` and what the venue's file makes of the rest.
A file ``<venue>.py`` here has ``parse(text)``, and ``old_text(options)``, the same text from the
keys that older journals state fees in (``None`` if they state none). Where markets have fees that
need not be stated, it has ``UNSTATED``, their terms.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, Protocol

Fills = Sequence[tuple[Decimal, Decimal]]

VENUES: Final = frozenset(module.name for module in iter_modules(__path__))


class Fees(Protocol):
    """What a market charges. Amounts in dollars."""

    @property
    def computable(self) -> bool:
        """Whether the fee type is one that is known here."""

    def marginal(self, price: Decimal, *, maker: bool) -> Decimal:
        """Fee of one more unit at ``price`` before rounding, rounded half up to 1e-9."""

    def order(self, fills: Fills, *, sell: bool, maker: bool) -> Decimal:
        """Fee of one order with these fills."""


def parse(text: str) -> Fees:
    """The fees that ``venue:terms`` states; ``ValueError`` if it is not that."""
    venue, colon, terms = text.partition(":")
    if not colon or venue not in VENUES:
        raise ValueError(f"{text!r} states no fees that are known here")
    fees: Fees = import_module(f"{__name__}.{venue}").parse(terms)
    return fees


def unstated(venue: str) -> Fees | None:
    """The fees of markets of ``venue`` that are listed without; ``None`` if they are not known."""
    module = import_module(f"{__name__}.{venue}") if venue in VENUES else None
    terms = getattr(module, "UNSTATED", None)
    return None if terms is None else parse(f"{venue}:{terms}")


def stated(venue: str, options: Mapping[str, Any]) -> str | None:
    """The fees a SUBSCRIBE record states, in today's key or in older ones: text for ``parse``."""
    text: str | None = options.get("fee")
    if text is None and venue in VENUES:
        terms = import_module(f"{__name__}.{venue}").old_text(options)
        text = None if terms is None else f"{venue}:{terms}"
    return text
