"""Both simulated venues and what they list, served in a thread while commands run in this one."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from bookfeed.sim.kalshi import KalshiSimConfig
from bookfeed.sim.kalshi import serve as serve_kalshi
from bookfeed.sim.polymarket import SimConfig, serve
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, listed, window
from bookfeed.sim.polymarket_kalshi import listed as listed_server

QUARTER_S = 900

T = TypeVar("T")


class Venues(NamedTuple):
    """Where they are; ``urls`` are arguments of commands."""

    gamma: Gamma
    urls: tuple[str, ...]
    tickers: tuple[str, ...]
    ws_url: str


@contextmanager
def listing_venues() -> Iterator[Venues]:
    """Polymarket lists four open markets, a window of a series among them, and a closed one."""

    async def start() -> tuple[list[Any], Venues]:
        books = await serve(SimConfig(markets=5, seed=3))
        kalshi = await serve_kalshi(KalshiSimConfig(seed=9))
        now_s = int(time.time())
        events = listed(books.venue, now_s * 1_000)
        spec = books.venue.markets[4].spec
        events[4] = window(spec, "btc", 15, now_s // QUARTER_S * QUARTER_S)
        close(events[3], 0, now_s)
        gamma = Gamma(events)
        await gamma.start("127.0.0.1", 0, None)
        urls = (
            f"--url=polymarket.listings={gamma.url}",
            f"--url=polymarket.books={books.rest_url}",
            f"--url=kalshi.listings={kalshi.rest_url}",
        )
        tickers = tuple(market.spec.ticker for market in kalshi.venue.markets)
        return [gamma, books, kalshi], Venues(gamma, urls, tickers, books.url)

    with _in_a_thread(start) as (_, found):
        yield found


@contextmanager
def listed_world() -> Iterator[tuple[str, ...]]:
    """All that ``--sim`` serves; yields where it is, as arguments of commands."""

    async def start() -> tuple[list[Any], tuple[str, ...]]:
        server = await listed_server.serve(listed_server.ListedConfig())
        lookup = listed_server.ready(server)["lookup"]
        return [server], tuple(f"--url={name}={url}" for name, url in lookup.items())

    with _in_a_thread(start) as (_, found):
        yield found


@contextmanager
def _in_a_thread(
    start: Callable[[], Coroutine[Any, Any, tuple[list[Any], T]]],
) -> Iterator[tuple[list[Any], T]]:
    """What ``start`` starts, in a loop of a thread of its own, until the context ends."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    servers, found = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield servers, found
    for server in servers:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
