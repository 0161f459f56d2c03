"""By which price a market is decided, as its listing states it: a mean, a candle, a single price.

Names of series say nothing of it: the same name has meant three regimes in one month. What the
fields of a listing and its rules do not say is unknown.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["mean", "candle", "price", "unknown"]
"""
mean     the mean of a price over some seconds, which end at the time
candle   the close of a candle
price    the price at the time
unknown  not stated, or stated in two ways
"""

Stated = tuple[Kind, int | None]
"""A kind, and of a mean how many seconds."""

_NUMBERS: Final = {"thirty": 30, "sixty": 60}
_MEAN: Final = re.compile(r"\b(?:average|mean)\b[^.]{0,80}?\b(60|30|sixty|thirty)\b", re.IGNORECASE)
_CANDLE: Final = re.compile(r"\b1[- ]?(?:m|minute|h|hour)\b[^.]{0,20}?[\s\"']candle", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Regime:
    """What decides a market."""

    kind: Kind = "unknown"
    seconds: int | None = None
    """Of how many seconds a mean is."""
    source: str = ""
    """Who publishes the price, as the listing has it; empty if it does not say."""

    @classmethod
    def of(cls, source: str, *stated: Stated | None) -> "Regime":
        """What several places of a listing state; if they contradict each other, unknown."""
        found = set(stated) - {None}
        if len(found) != 1:
            return cls(source=source)
        ((kind, seconds),) = (one for one in found if one is not None)
        return cls(kind, seconds, source)

    def __str__(self) -> str:
        words = {
            "mean": f"mean of {self.seconds} s",
            "candle": "close of a candle",
            "price": "price at that time",
            "unknown": "regime not stated",
        }
        return f"{words[self.kind]}, {self.source}" if self.source else words[self.kind]


NOT_STATED: Final = Regime()


def in_rules(rules: str) -> Stated | None:
    """What rules say of it, in the words that venues use; ``None`` if nothing is found."""
    if _CANDLE.search(rules):
        return "candle", None
    found = _MEAN.search(rules)
    if found is None:
        return None
    return "mean", _NUMBERS.get(found[1].lower()) or int(found[1])
