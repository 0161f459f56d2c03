"""A market that settles on a price, on a feed: as it is listed, its terms, and its reference."""

import time
from decimal import Decimal
from typing import Any, Final

from session_server import NO, YES

from bookfeed import SettlementTerms
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike

S: Final = 10**9
E18: Final = 10**18
STRIKE: Final = 84_000
MINUTES: Final = 10
"""So long ago it began, and so long it goes on."""


class Settled:
    """The market ``0xabc`` of the tests' venue; ``feed`` is open."""

    def __init__(self, feed: Any) -> None:
        self.feed = feed
        now = time.time_ns()
        self.open_ts, self.close_ts = now - MINUTES * 60 * S, now + MINUTES * 60 * S
        feed.know(
            Listing(
                venue="polymarket", market="0xabc", slug="btc-up", title="Bitcoin above 84,000?",
                status="open", strike=Strike("greater", Decimal(STRIKE), None),
                open_ts=self.open_ts, close_ts=self.close_ts,
                outcomes=(ListedOutcome("Yes", YES), ListedOutcome("No", NO)),
            )
        )  # fmt: skip
        params = {"step_ms": 1_000, "half_life_ms": 2_000}
        terms = SettlementTerms(
            "told btc", self.close_ts, self.open_ts, at_least=str(STRIKE), params=params
        )
        feed.add_terms(YES, terms)
        for second in range(-30, 0):
            self.tick(STRIKE + 50 + second % 3, now + second * S)

    def tick(self, price: int, ts: int | None = None) -> None:
        """The reference tells a price."""
        self.feed.tell_reference("btc", time.time_ns() if ts is None else ts, price * E18)
