"""Windows of two rolling series beside other markets of a simulated Polymarket, listed by Gamma.

They are of five minutes, and their clock is ahead of others: the first ones end a minute after
``Windows`` was made, so that somebody who looks sees it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bookfeed.sim.polymarket import SimServer
from bookfeed.sim.polymarket.data_api import DataApi
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, window
from bookfeed.sim.polymarket.market import Market
from bookfeed.sim.polymarket_kalshi.schedule import COINS, price

_COINS: Final = tuple(COINS)
_MINUTES: Final = 5
_LENGTH_S: Final = 60 * _MINUTES
_FIRST_ENDS_AFTER_S: Final = 60
# A price to beat is told so long after a window began, and a result so long after it ended.
_STRIKE_AFTER_S: Final = 25
_SETTLED_AFTER_S: Final = 3
_HOST: Final = "127.0.0.1"


class Windows:
    """Window after window of each series, in the ``markets`` of a venue that are for them."""

    def __init__(self, server: SimServer, markets: Sequence[Market], seed: int) -> None:
        now_s = int(time.time())
        self.ahead_s: Final = (-_FIRST_ENDS_AFTER_S - now_s) % _LENGTH_S
        """How far the clock of windows is ahead, seconds."""
        self.series: Final = tuple(f"{coin}-updown-{_MINUTES}m" for coin in _COINS)
        """The venue's names of the series."""
        self.gamma: Final = Gamma([])
        specs = {market.spec.condition_id: market.spec for market in markets}
        self.data: Final = DataApi(server.trades, specs)
        self._server: Final = server
        self._seed: Final = seed
        self._task: asyncio.Task[None] | None = None
        # By that clock, when what happens.
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        first_s = (now_s + self.ahead_s) // _LENGTH_S * _LENGTH_S
        for at, market in enumerate(markets):
            number, coin = divmod(at, len(_COINS))
            self._schedule(market, _COINS[coin], first_s + number * _LENGTH_S)

    def _schedule(self, market: Market, coin: str, start_s: int) -> None:
        """A window, and what happens to it."""
        end_s = start_s + _LENGTH_S
        event = window(market.spec, coin, _MINUTES, start_s)
        self.gamma.events.append(event)
        first, last = (price(self._seed, "polymarket", coin, at_s) for at_s in (start_s, end_s))
        told: dict[str, Any] = {"eventMetadata": {"priceToBeat": first}}
        self._at(start_s + _STRIKE_AFTER_S, lambda: event.update(told))
        settled_s = end_s + _SETTLED_AFTER_S

        def settle() -> None:
            winner = 0 if last >= first else 1
            self._server.resolve(market, winner)
            event["eventMetadata"]["finalPrice"] = last
            close(event, winner, settled_s - self.ahead_s)
            paid = [1_000_000 if at == winner else 0 for at in range(2)]
            self.data.resolve(market.spec.condition_id, paid, event["closedTime"])

        self._at(settled_s, settle)

    def _at(self, at_s: int, act: Callable[[], None]) -> None:
        self._due.append((at_s, len(self._due), act))

    async def start(self) -> None:
        """Lists them, and their trades; ``OSError`` if no port can be had."""
        for rest in (self.gamma, self.data):
            await rest.start(_HOST, 0, None)
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        for at_s, _, act in sorted(self._due, key=lambda one: one[:2]):
            await asyncio.sleep(max(0.0, at_s - self.ahead_s - time.time()))
            act()

    async def close(self) -> None:
        """Nothing ends any more, and nothing is listed."""
        if self._task is not None:
            self._task.cancel()
        for rest in (self.gamma, self.data):
            await rest.close()
