"""bookfeed: its engine alone, with the settings of a feed, without the feed's recovery."""

from importlib.metadata import version as version_of
from typing import Literal

from benches.versus.judge import Case, Levels
from bookfeed import Engine

NAME = "bookfeed"
_TIMER_NS = 100_000_000
_BATCH_NS = 350_000_000
"""How long a book may be ``suspect`` within a batch, and a step of the timer."""


def version() -> str:
    """Its version."""
    return version_of("bookfeed")


class Client:
    """An engine that is told the time as a feed's is."""

    def __init__(self, case: Case, hash_check: Literal["sampled", "always"] = "sampled") -> None:
        self._venue = case.venue
        begun_ns = int(case.steps[0]["ts_ns"])
        self._engine = Engine(hash_check=hash_check)
        self._instruments = [self._subscribe(case, symbol, begun_ns) for symbol in case.symbols]
        self._book = self._engine.book(self._instruments[0])
        self._was_live = False
        self._now_ns = self._live_ns = self._timer_ns = begun_ns

    def _subscribe(self, case: Case, symbol: str, ts_ns: int) -> int:
        market = case.market.get("condition_id")
        depth = 10 if case.venue == "kraken" else None
        return self._engine.subscribe(case.venue, symbol, 0, ts_ns, market=market, depth=depth)

    def connected(self, ts_ns: int) -> None:
        """A connection begins."""
        self._engine.connected(0, self._venue, ts_ns)
        self._was_live = False

    def disconnected(self, ts_ns: int) -> None:
        """It ends."""
        self._engine.disconnected(0, ts_ns)
        self._was_live = False

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame, and the time until then."""
        while self._timer_ns + _TIMER_NS <= ts_ns:
            self._timer_ns += _TIMER_NS
            self._engine.advance(self._timer_ns)
        self._engine.ingest(0, payload, ts_ns)
        self._engine.drain()
        if self._book.live:
            self._was_live, self._live_ns = True, ts_ns
        self._now_ns = ts_ns

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """A whole book by REST."""
        self._engine.resync_begin(self._instruments[0], ts_ns)
        self._engine.ingest_rest(0, payload, ts_ns, instrument=self._instruments[0])

    def book(self) -> tuple[Levels, Levels] | None:
        """What it shows."""
        if not self._book.live:
            return None
        bids, asks = (
            [(int(price), int(qty)) for price, qty in self._book.levels_exact(side)]
            for side in ("bid", "ask")
        )
        return bids, asks

    def said(self) -> str:
        """That it is not live on this connection any more, but for moments within a batch, in which
        no book is shown either."""
        state, cause = self._book.state, self._book.cause
        suspect = state == "suspect" and self._now_ns - self._live_ns > _BATCH_NS
        lost = self._was_live and (state == "stale" or suspect)
        return f"{state} ({cause})" if lost else ""


VENUES = ("polymarket", "kalshi", "binance", "kraken", "coinbase", "bitstamp")
CLIENTS = dict.fromkeys(VENUES, Client)
