"""Markets that say nothing for longer than a connection may be silent stay live, on any venue, as
long as a witness can be asked about each of them in time, at the pace that its venue allows.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from lengths import TIMES
from waiting import PATIENCE_S

from bookfeed.feed.feed import Feed
from bookfeed.records import Update
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import FEW, LISTED
from bookfeed.sim.entry import Options
from bookfeed.venues import Endpoint
from bookfeed.venues.binance import BinanceSection

SECONDS = float(os.environ.get("BOOKFEED_SILENT_S", "40" if TIMES == 1 else "75"))
"""Longer than a connection may be silent; in the long form twice as long, and more."""
PAIRS = min(30, 10 * TIMES)
# An address may ask Kraken about one pair a second, Gemini about 100 a minute; half of what that is
# enough for where nothing else is done, as tests run beside each other.
PAIRS_OF = {"kraken": 10, "gemini": min(15, PAIRS)}
# As long as books begin.
RATE = 150.0


def stood_still(turn: Callable[[int, int, float], int], since: int, now: int, left: float) -> int:
    """What was done is told when it is due, and nothing more is done."""
    turn(since, now, 0.0)
    return int(left)


@pytest.mark.slow
async def test_many_silent_books_stay_live_at_every_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    stale: Counter[str] = Counter()
    begun = False

    def on_update(update: Update) -> None:
        if begun and update.kind == "state" and update.state != "live":
            venue = feed.engine.book(update.instrument).venue
            stale[f"{venue} {update.state} {update.cause}"] += 1

    async with AsyncExitStack() as stack:
        followed: list[Any] = []
        endpoints: dict[str, Endpoint] = {}
        servers: list[Any] = []
        for venue in sorted(FEW):
            sim = import_module(f"bookfeed.sim.{venue}")
            server = await sim.serve(
                sim.configured(Options(markets=PAIRS_OF.get(venue, PAIRS), rate=RATE, seed=5))
            )
            servers.append(server)
            stack.push_async_callback(server.close)
            markets, endpoints[venue] = LISTED(venue, sim.ready(server))
            followed += markets
            if venue == "binance":  # as deep as lets forty books begin within the test
                section = BinanceSection(ws_url=server.url, rest_url=server.rest_url, depth=1_000)
                endpoints[venue] = section.endpoint("test")
        feed = Feed(followed, endpoints=endpoints, on_update=on_update)
        await stack.enter_async_context(feed)
        await feed.wait_live(PATIENCE_S)
        for server in servers:
            # From now on no market does anything.
            monkeypatch.setattr(server, "turn", partial(stood_still, server.turn))
        begun = True
        await asyncio.sleep(SECONDS)
        begun = False
        live = Counter(row.venue for row in feed.status().books if row.state == "live")
        vouched = feed.counters()["rest_agreed"]
    assert stale == {}
    assert all(live[venue] >= PAIRS_OF.get(venue, PAIRS) for venue in FEW), live
    assert vouched > 0
