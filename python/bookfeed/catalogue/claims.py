"""What a listed market claims, as far as its fields and titles say it: about what, above which
number, by when.

Nothing is concluded from a rules text, which only a person can read; what is not found is ``None``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from bookfeed.catalogue.listing import Listing

Direction = Literal["above", "below", "up"]
"""``up``: not lower at the end of a window than at its beginning."""

# One word for each asset, whichever a title has.
_ASSETS: Final[Mapping[str, str]] = {
    "bitcoin": "btc", "btc": "btc", "ethereum": "eth", "ether": "eth", "eth": "eth",
    "solana": "sol", "sol": "sol", "xrp": "xrp", "ripple": "xrp", "dogecoin": "doge",
    "doge": "doge", "bnb": "bnb", "hype": "hype", "hyperliquid": "hype", "zcash": "zec",
    "zec": "zec", "litecoin": "ltc", "ltc": "ltc", "cardano": "ada", "ada": "ada", "gold": "gold",
    "silver": "silver",
}  # fmt: skip
_DIRECTIONS: Final[Mapping[str, Direction]] = {
    "above": "above", "over": "above", "exceed": "above", "exceeds": "above", "higher": "above",
    "reach": "above", "hit": "above", "below": "below", "under": "below", "lower": "below",
    "up": "up",
}  # fmt: skip
# The venue's words for how a strike counts.
_KINDS: Final[Mapping[str, Direction]] = {
    "greater": "above", "greater_or_equal": "above", "less": "below", "less_or_equal": "below",
}  # fmt: skip
_NOT: Final = frozenset(("not", "no", "never", "fails", "fail", "without", "doesn't", "won't"))
_DEADLINE: Final = frozenset(("by", "before", "until"))
_EMPTY: Final = frozenset(
    (*_NOT, *_DEADLINE, "will", "the", "a", "an", "be", "is", "of", "on", "in", "at", "to", "it",
     "that", "this", "do", "does", "or", "and", "price", "et", "est", "edt", "utc", "who", "what"),
)  # fmt: skip
_MONTHS: Final = frozenset(
    ("january", "february", "march", "april", "may", "june", "july", "august", "september",
     "october", "november", "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
     "sept", "oct", "nov", "dec"),
)  # fmt: skip

_AMOUNT: Final = re.compile(r"\$ ?([0-9][0-9,]*(?:\.[0-9]+)?)(k|m|b)?\b", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_WORD: Final = re.compile("[^\\W_]+(?:['\u2019][^\\W_]+)?")
_NUMBER: Final = re.compile(r"[0-9]+(?:am|pm|st|nd|rd|th)?")
_YEAR: Final = re.compile(r"20[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a market says of the world if its first outcome comes true."""

    listing: Listing
    text: str
    """Its title, and which of its event's markets it is."""
    asset: str | None
    direction: Direction | None
    strike: Decimal | None
    negated: bool
    """Whether it is that something does not happen."""
    deadline: bool
    """Whether it may happen any time until it closes."""
    words: frozenset[str]
    """What it is about: its words without those that all titles have, dates and numbers."""
    names: frozenset[str]
    """Those of its words that begin with a capital letter."""
    years: frozenset[str]
    numbers: frozenset[str]

    @property
    def subject(self) -> str:
        """Its words in one order, to be compared with those of others."""
        return " ".join(sorted(self.words))

    @property
    def is_window(self) -> bool:
        """Whether it compares the end of a window with its beginning."""
        return self.asset is not None and self.direction == "up"

    @property
    def is_strike(self) -> bool:
        """Whether it compares a price with a number."""
        return self.strike is not None and self.direction in ("above", "below")


def claim(listing: Listing) -> Claim:
    """What a listing claims."""
    names = {outcome.name.casefold() for outcome in listing.outcomes}
    subtitle = "" if listing.subtitle.casefold() in names else listing.subtitle
    text = f"{listing.title} {subtitle}".strip()
    words = [word.casefold().replace("\u2019", "'") for word in _WORD.findall(text)]
    asset = next((_ASSETS[word] for word in words if word in _ASSETS), None)
    direction = next((_DIRECTIONS[word] for word in words if word in _DIRECTIONS), None)
    strike = _amount(text)
    if listing.strike is not None and listing.strike.kind in _KINDS and direction != "up":
        direction = _KINDS[listing.strike.kind]
        strike = listing.strike.floor if direction == "above" else listing.strike.cap
    kept = {
        _ASSETS.get(word, word)
        for word in words
        if word not in _EMPTY and word not in _MONTHS and not _NUMBER.fullmatch(word)
    }
    return Claim(
        listing=listing,
        text=text,
        asset=asset,
        direction=direction,
        strike=strike,
        negated=not _NOT.isdisjoint(words),
        deadline=not _DEADLINE.isdisjoint(words),
        words=frozenset(kept - _DIRECTIONS.keys()),
        names=frozenset(word.casefold() for word in _WORD.findall(text) if word[0].isupper()),
        years=frozenset(_YEAR.findall(text)),
        numbers=frozenset(re.findall(r"[0-9]+", text)),
    )


def assets_in(text: str) -> tuple[str, ...]:
    """The assets that a text names, in one word each, such as ``"btc"``."""
    words = (word.casefold() for word in _WORD.findall(text))
    return tuple(dict.fromkeys(_ASSETS[word] for word in words if word in _ASSETS))


def _amount(text: str) -> Decimal | None:
    """The one amount of dollars in a text; ``None`` if there is none, or several."""
    found = {
        Decimal(digits.replace(",", "")) * _UNITS[unit.lower()]
        for digits, unit in _AMOUNT.findall(text)
    }
    return found.pop() if len(found) == 1 else None
