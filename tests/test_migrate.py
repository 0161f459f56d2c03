"""Pages for those who come from elsewhere: the programs before and after really follow a book.

Each program is a ``main`` that prints what it sees for as long as it runs. Ours is given feeds of
simulated venues; theirs runs where the package is installed and needs no network.
"""

import asyncio
import inspect
import io
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from test_binance_live import endpoint_of as binance_endpoint
from test_feed_sim import markets_of
from test_kraken_live import endpoint_of as kraken_endpoint
from test_pages import blocks
from waiting import until

from bookfeed import Endpoint, Feed, Market
from bookfeed.sim import binance, kraken, polymarket, polymarket_kalshi
from bookfeed.sim.polymarket_kalshi.demo import take_keys
from bookfeed.venues import kalshi
from bookfeed.venues.polymarket import polymarket as polymarket_venue

PAGES: Final = sorted((Path(__file__).parents[1] / "docs" / "migrate").glob("*.md"))
PROGRAMS: Final = [
    pytest.param(body, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (body, why) in enumerate(blocks(page))
    if why is None
]
LINES: Final = 20
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")


class Venues(NamedTuple):
    """All simulated venues: where they are, and what is there to follow."""

    endpoints: dict[str, Endpoint]
    url: str
    market: Market
    ticker: str


@pytest.fixture
async def venues() -> AsyncIterator[Venues]:
    async with AsyncExitStack() as stack:
        here = await polymarket.serve(polymarket.SimConfig(markets=1))
        stack.push_async_callback(here.close)
        both = await polymarket_kalshi.serve(polymarket_kalshi.PairedConfig(markets=1))
        stack.push_async_callback(both.close)
        bid = await binance.serve(binance.BinanceSimConfig(markets=1))
        stack.push_async_callback(bid.close)
        ask = await kraken.serve(kraken.KrakenSimConfig(markets=1))
        stack.push_async_callback(ask.close)
        keys = take_keys(polymarket_kalshi.ready(both))
        signing = kalshi.credentials(environ=keys["kalshi"])
        yield Venues(
            {
                "polymarket": Endpoint(polymarket_venue(), here.url),
                "kalshi": Endpoint(kalshi.kalshi(credentials=signing), both.kalshi.url),
                "binance": binance_endpoint(bid),
                "kraken": kraken_endpoint(ask),
            },
            here.url,
            markets_of(here)[0],
            both.kalshi.venue.markets[0].spec.ticker,
        )


def test_each_page_shows_a_program_before_and_after() -> None:
    assert {page.stem for page in PAGES} == {"ccxt", "cryptofeed", "pykalshi", "websockets"}
    for page in PAGES:
        (_, before), (body, after) = blocks(page)
        assert after is None and "from bookfeed import" in body
        # What cannot be run is what is not ours.
        assert before is None or page.stem in before


@pytest.mark.parametrize("body", PROGRAMS)
async def test_a_program_follows_a_book(body: str, venues: Venues) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(body, "page", "exec"), names)
    names |= {"URL": venues.url, "Feed": partial(Feed, endpoints=venues.endpoints)}
    known = {"assets": list(venues.market.symbols), **venues._asdict()}
    wanted = inspect.signature(names["main"]).parameters
    printed = io.StringIO()
    with redirect_stdout(printed):
        program = asyncio.create_task(names["main"](*(known[name] for name in wanted)))
        await until(lambda: program.done() or printed.getvalue().count("\n") >= LINES)
        assert not program.done() or program.result()
        program.cancel()
        with suppress(asyncio.CancelledError):
            await program
    touches = list(prices(printed.getvalue()))
    assert touches and all(bid < ask for bid, ask in touches)


def prices(printed: str) -> Iterator[tuple[float, float]]:
    """The bid and ask of each line that has them; a book that is not live yet has none."""
    for line in printed.splitlines():
        found = [float(number) for number in NUMBER.findall(line.partition("Fill")[0])]
        if len(found) >= 2:
            yield found[0], found[1]
