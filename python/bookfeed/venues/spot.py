"""What spot venues have in common: a market is a pair of currencies, and one book.

A pair is written ``BASE-QUOTE`` everywhere (``BTC-USDT``); how a venue spells it is that venue's
business, at its edge. Currencies are never equated: USDT is not USD.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from bookfeed.market import Market, Outcome
from bookfeed.schema import Text

_PAIR: Final = r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}"

Pair = Annotated[str, Text(_PAIR, 'a pair of currencies such as "BTC-USDT"')]
PairInUsd = Annotated[str, Text(_PAIR, 'a pair of currencies such as "BTC-USD"')]
"""The same where the usual quote is US dollars."""


def hints(example: str) -> Mapping[str, str]:
    """What to write instead of keys that other venues have, with a pair of the venue's own."""
    return {
        "symbols pairs": "each pair is a [[market]] of its own, with its symbol",
        "ticker market pair slug id base quote": f'a market is named by symbol = "{example}"',
    }


HINTS: Final = hints("BTC-USDT")
HINTS_IN_USD: Final = hints("BTC-USD")

# What the one book of a pair is called where markets of other venues have outcomes.
OUTCOME: Final = "spot"


def spot_market(
    venue: str, pair: str, joint: str, *, name: str = "", lower: bool = False
) -> Market:
    """The market of a pair, whose symbol the venue spells with ``joint`` between the currencies,
    and in lower case if it says so.
    """
    base, _, quote = pair.partition("-")
    symbol = f"{base}{joint}{quote}"
    return Market(
        market=pair,
        outcomes=(Outcome(OUTCOME, symbol.lower() if lower else symbol),),
        name=name,
        venue=venue,
        base=base,
        quote=quote,
    )
