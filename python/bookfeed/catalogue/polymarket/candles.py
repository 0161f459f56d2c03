"""Which candle decides a market, as its listing states it, and when its prices are read.

A candle that is named by a time begins there. So an hour is decided by the first and the last trade
of its own candle, and what lasts from noon to noon by the last trade of the minute that begins at
each noon: the values of 2026-09-28 12:00 in New York, 83370 as an hour opened and 83375.57 as a day
closed, are those of one minute's two ends.
"""

import re
from typing import Final, Literal, NamedTuple

from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S

_SPOT: Final = re.compile(
    r"https?://(?:www\.)?binance\.com/(?:[a-z]{2}(?:-[A-Za-z]{2})?/)?trade/([A-Z0-9]+)_([A-Z]+)\b.*"
)
_FUTURES: Final = re.compile(r"https?://(?:www\.)?binance\.com/\S*\bfutures/.*")
_LENGTH: Final = re.compile(r"\b1[- ]?(m|minute|h|hour)\b[^.]{0,20}?[\s\"']candle", re.IGNORECASE)
_SHARED: Final = re.compile(r"\b50\s?[-\u2013/]\s?50\b")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600


class Candle(NamedTuple):
    """A candle of Binance's spot trades that decides a market."""

    reference: str
    """Whose trades it is made of, and of what: ``"binance:btcusdt"``."""
    own: bool
    """Whether it is as long as the window, which then begins with its first trade. If not, the last
    trades of two candles are compared.
    """
    after_ns: int
    """How long after its ends the window is read."""
    tie: Literal["yes", "half"]
    """What equal values mean."""


def candle_of(listing: Listing, start_ts: int, end_ts: int) -> Candle | str:
    """The candle of a window, or why there is none that can be followed, in words."""
    source = listing.regime.source
    if _FUTURES.fullmatch(source):
        return "it settles on a candle of Binance's futures, of which nothing is told here"
    found = _SPOT.fullmatch(source)
    if found is None:
        return f"it settles on a candle of {source or 'somebody'}, of which nothing is told here"
    lengths = {_seconds(one) for one in _LENGTH.findall(listing.rules)}
    if len(lengths) != 1:
        return "its listing does not say of which candle it is decided by"
    (length_s,) = lengths
    lasts_ns, own = end_ts - start_ts, length_s == _HOUR_S
    if own != (lasts_ns == _HOUR_S * NS_PER_S):
        return "its window and its candle do not fit each other"
    reference = f"binance:{found[1]}{found[2]}".lower()
    tie: Literal["yes", "half"] = "half" if _SHARED.search(listing.rules) else "yes"
    return Candle(reference, own, 0 if own else length_s * NS_PER_S, tie)


def _seconds(word: str) -> int:
    return _MINUTE_S if word.lower().startswith("m") else _HOUR_S
