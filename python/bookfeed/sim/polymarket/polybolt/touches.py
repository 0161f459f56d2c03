"""The channel of touches: which tokens there are, what is told of them, and what goes wrong there.

A token is told of when it is subscribed, as it is then, and at each change after that: best bid and
ask as printed, the book's hash, and the time of the change. Without a venue behind it, a token has
made-up prices, one a second.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.polymarket.ladder import PRICE_TEXT
from bookfeed.sim.polymarket.venue import SimVenue

TouchFault = Literal["stale", "stuck", "ghost", "lie", "silent", "gap"]
"""
stale   at each change, what is told is as it was when the fault began, its time as well
stuck   the same under the time of now, whether anything changes or not
ghost   0.01 and 0.99, likewise
lie     prices that are not there, likewise
silent  nothing is told
gap     every other frame is left out without a word, and its number is used up
"""


class Touch(NamedTuple):
    """What is told of a token."""

    market: str
    bid: str
    ask: str
    hash: str
    at_ms: int


REPEATED_MS: Final = 250
"""How often is told again what is not so."""

_REPEATING: Final = ("stuck", "ghost", "lie")

Source = Callable[[str], Touch | None]
"""The touch of a token as it is now; ``None`` where nothing is known of it."""


def of_venue(venue: SimVenue) -> Source:
    """The touches of a simulated venue's books."""

    def source(token: str) -> Touch | None:
        market, asset = venue.market_of(token), venue.assets.get(token)
        if market is None or asset is None or not market.active:
            return None
        bid, ask = venue.touch(token)
        return Touch(market.spec.condition_id, bid, ask, asset.hash, asset.ts_ms)

    return source


def made_up(seed: int, now_ms: Callable[[], int]) -> Source:
    """Touches of any token at all."""

    def source(token: str) -> Touch:
        second = now_ms() // 1_000
        bid = seeded(f"relay touch {token}", seed, second).randrange(1, 98)
        return Touch("0xab", f"0.{bid:02}", f"0.{bid + 1:02}", "3f", second * 1_000)

    return source


@dataclass(slots=True)
class Touches:
    """The tokens of one connection; times in Unix milliseconds, ``spells`` since it opened."""

    source: Source
    spells: tuple[tuple[int, int, TouchFault], ...] = ()
    told: dict[str, tuple[Touch | None, int]] = field(default_factory=dict)
    """What was true when a token was told of last, and when that was."""
    held: dict[str, Touch | None] = field(default_factory=dict)
    """What was true when a fault began."""
    left_out: int = 0

    def fault(self, since_ms: int) -> TouchFault | None:
        """What is wrong at a time since the connection opened."""
        return next((kind for start, end, kind in self.spells if start <= since_ms < end), None)

    def begin(self, token: str, since_ms: int, now_ms: int) -> dict[str, Any] | list[Any]:
        """The first word on a token; an empty list where nothing is known of it."""
        touch = self._said(token, since_ms, now_ms) or self.source(token)
        self.told[token] = (self.source(token), now_ms)
        return [] if touch is None else _payload(token, touch)

    def news(self, since_ms: int, now_ms: int) -> list[tuple[dict[str, Any], bool]]:
        """What is to be told now, each with whether it is left out."""
        fault, frames = self.fault(since_ms), []
        if fault not in ("stale", "stuck"):
            self.held.clear()
        for token, (before, told_ms) in self.told.items():
            true, touch = self.source(token), self._said(token, since_ms, now_ms)
            repeats = fault in _REPEATING and now_ms - told_ms >= REPEATED_MS
            if touch is None or (true == before and not repeats):
                continue
            self.told[token] = (true, now_ms)
            self.left_out += fault == "gap"
            frames.append((_payload(token, touch), fault == "gap" and self.left_out % 2 == 1))
        return frames

    def _said(self, token: str, since_ms: int, now_ms: int) -> Touch | None:
        true, fault = self.source(token), self.fault(since_ms)
        if true is None or fault is None or fault == "gap":
            return true
        if fault == "silent":
            return None
        if fault in ("stale", "stuck"):
            held = self.held.setdefault(token, true)
            return held if held is None or fault == "stale" else held._replace(at_ms=now_ms)
        prices = ("0.01", "0.99") if fault == "ghost" else _LIE if true.bid != _LIE[0] else _OTHER
        return Touch(true.market, *prices, "0" * 40, now_ms)


# Prices that no book has at the same time.
_LIE: Final = (PRICE_TEXT[3_100], PRICE_TEXT[3_200])
_OTHER: Final = (PRICE_TEXT[6_700], PRICE_TEXT[6_800])


def _payload(token: str, touch: Touch) -> dict[str, Any]:
    return {
        "market": touch.market, "asset_id": token, "best_bid": touch.bid, "best_ask": touch.ask,
        "hash": touch.hash, "timestamp": touch.at_ms,
    }  # fmt: skip
