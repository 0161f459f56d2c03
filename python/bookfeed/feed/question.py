"""Which listed markets a fair value can be computed of: windows about a price of which it is known
how it decides, and from which stream or index it comes.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from bookfeed.catalogue import part
from bookfeed.catalogue.listing import Listing
from bookfeed.rules.terms import Measure

_STREAM: Final = re.compile(r"https?://data\.chain\.link/streams/([a-z0-9]+)-([a-z]+)\b.*")
_INDEXED: Final = re.compile(r"KX(BTC|ETH|SOL|XRP)")
_ROUNDED_E18: Final = {"BTC": 10**16}
"""To what contracts on an index round its mean, as far as that is stated; by asset."""
_FINEST_E18: Final = 10**9
"""The least difference of two values that an index can have, and that a bound can be told with."""
_COINS: Final = "AAVE|ADA|BCH|BNB|DOGE|DOT|HBAR|HYPE|LINK|LTC|NEAR|SHIB|SUI|VVV|WLD|XLM|ZEC"
_PASSED_ON: Final = re.compile(rf"KX({_COINS})(?:15M|D)?(?:-.*)?")
INDEX: Final = "index:"
"""What the name of a reference begins with that is an index of spot books."""
VENUE: Final = "venue:"
"""The same of an index that a venue passes on to those who follow it there."""


@dataclass(frozen=True, slots=True)
class Question:
    """A market about a price, as far as its listing says it."""

    key: tuple[str, str]
    """Its venue, and the venue's id of it."""
    symbol: str
    """Of the book of its first outcome."""
    title: str
    start_ts: int
    end_ts: int
    """Of its window, Unix nanoseconds."""
    measured: "Measured"
    """How the value at its end is had, and that at its start."""
    reference: str
    """``"btcusd"``, a price that a relay tells, ``"index:BTC"``, ``"venue:DOGEUSD_RTI"``, or who
    trades which pair, of whose trades a candle is made.
    """
    own: bool
    """Whether it is compared with what the window begins at, where no strike is told."""
    tie: Literal["yes", "half"] = "yes"
    """What it means that both are equal."""
    after_ns: int = 0
    """How long after the ends of its window the values are read that decide."""
    candle: bool = False
    """Whether a candle decides it."""

    @property
    def mean_name(self) -> str | None:
        """What the means are called that a relay tells of its reference, and that decide."""
        kind, told = self.measured.kind, ":" not in self.reference
        return mean_of(self.reference, self.measured.samples) if kind == "mean" and told else None


class Measured(NamedTuple):
    """How the value at a boundary of a window is had; samples and endpoints are of means alone."""

    kind: Measure
    samples: int = 60
    endpoints: Literal["start", "end"] = "start"
    opening: Measure | None = None
    """How the value at its start is had, if that is another way."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which values, in 1e-18, the answer is yes: at least one, and below the other.

    They are those of the price itself, unrounded, and need not be the strikes as they are stated.
    """

    at_least_e18: int | None
    below_e18: int | None


def question_of(listing: Listing) -> Question | str:
    """The question of a market, or why there is none, in words."""
    start_ts, end_ts = strike_ts(listing), listing.close_ts
    if start_ts is None or end_ts is None or end_ts <= start_ts:
        return "it is no window"
    if not listing.outcomes or not listing.outcomes[0].symbol:
        return "it has no book"
    measured = _measured(listing)
    if measured is None:
        return "its listing does not say what decides it"
    asked = Question(
        key=(listing.venue, listing.market or listing.slug),
        symbol=listing.outcomes[0].symbol,
        title=listing.called,
        start_ts=start_ts,
        end_ts=end_ts,
        measured=measured,
        reference=_reference(listing) or "",
        own=listing.start_ts is not None,
    )
    if listing.regime.kind == "candle":
        return _of_candle(asked, listing)
    return asked if asked.reference else _why_none(listing)


def _of_candle(asked: Question, listing: Listing) -> Question | str:
    """The question of a market that a candle decides."""
    candle = part(listing.venue, "candles").candle_of(listing, asked.start_ts, asked.end_ts)
    if isinstance(candle, str):
        return candle
    return replace(
        asked,
        measured=Measured("last", opening="first" if candle.own else "last"),
        reference=candle.reference,
        tie=candle.tie,
        after_ns=candle.after_ns,
        candle=True,
    )


def mean_of(reference: str, seconds: int) -> str:
    """What the means of a price are called, as a relay tells them beside it."""
    return f"{reference} mean {seconds}"


def strike_ts(listing: Listing) -> int | None:
    """When the strike of a window is made: at its start; ``None`` for what is no window."""
    if listing.start_ts is not None:
        return listing.start_ts
    rolls = part(listing.venue, "series").grammar(listing.series) is not None
    return listing.open_ts if rolls else None


def bounds_of(listing: Listing) -> Bounds | None:
    """What the price is compared with, as far as it is told; ``None`` while it is not.

    Where the venue rounds it half up first, what reaches a strike begins half a unit below that,
    and what is above it half a unit beyond.
    """
    strike = listing.strike
    if strike is None or (strike.floor is None and strike.cap is None):
        return None
    floor, cap = _e18(strike.floor), _e18(strike.cap)
    unit = _rounded_to_e18(listing)
    # Without rounding the least value above a strike is the next one that a price can have.
    with_it, beyond = (-(unit // 2), unit // 2) if unit else (0, _FINEST_E18)
    return Bounds(
        None if floor is None else floor + (beyond if strike.kind == "greater" else with_it),
        None if cap is None else cap + (with_it if strike.kind == "less" else beyond),
    )


def _rounded_to_e18(listing: Listing) -> int:
    """To what the venue rounds the price before it compares it; 0 if it is not known to."""
    indexed = _INDEXED.match(listing.event or listing.slug)
    stream = _STREAM.fullmatch(listing.regime.source)
    return 0 if indexed is None or stream is not None else _ROUNDED_E18.get(indexed[1], 0)


def answer_of(listing: Listing) -> bool | None:
    """Whether its first outcome came true; ``None`` while nobody says, and if it is shared out."""
    payout = listing.outcomes[0].payout if listing.outcomes else None
    if payout is not None and payout in (0, 1):
        return payout == 1
    if payout is None and listing.result in ("yes", "no"):
        return listing.result == "yes"
    return None


def _e18(value: Decimal | None) -> int | None:
    return None if value is None else int(value.scaleb(18))


def _measured(listing: Listing) -> Measured | None:
    """Chainlink's mean has a sample at its end, an index' one has none (docs/index.md)."""
    regime = listing.regime
    if regime.kind == "mean" and regime.seconds:
        last = _STREAM.fullmatch(regime.source) is not None
        return Measured("mean", regime.seconds, "end" if last else "start")
    if regime.kind == "price":
        return Measured("tick")
    return Measured("last") if regime.kind == "candle" else None


def _reference(listing: Listing) -> str | None:
    stream = _STREAM.fullmatch(listing.regime.source)
    if stream is not None:
        return stream[1] + stream[2]
    name = listing.event or listing.slug
    indexed, passed_on = _INDEXED.match(name), _PASSED_ON.fullmatch(name)
    if indexed is not None:
        return INDEX + indexed[1]
    if passed_on is not None:
        return f"{VENUE}{passed_on[1]}USD_RTI"
    return None


def _why_none(listing: Listing) -> str:
    source = listing.regime.source or "which it does not name"
    return f"its reference is none that is computed here: {source}"
