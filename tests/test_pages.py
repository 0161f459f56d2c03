"""Every block of Python in the pages runs, in order, against simulated venues.

A page starts from nothing, or from what ``PREPARED`` has for it: the names that its text has
introduced. A block that cannot be run here says why, in a comment before it:
``<!-- not run: it signs in to Kalshi -->``. Blocks may await, as in a notebook.
"""

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
from recorded_tables import RECORDED, journal
from test_feed_sim import markets_of
from waiting import PATIENCE_S

import bookfeed
from bookfeed import Feed
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.writer import JournalWriter
from bookfeed.sim import binance as binance_sim
from bookfeed.sim import kalshi as kalshi_sim
from bookfeed.sim import kraken as kraken_sim
from bookfeed.sim import polymarket as polymarket_sim
from bookfeed.sim import polymarket_kalshi as paired_sim
from bookfeed.sim.kalshi import stream as kalshi_stream
from bookfeed.sim.kraken import stream as kraken_stream
from bookfeed.sim.polymarket import faults
from bookfeed.sim.polymarket_kalshi import twovenue

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benches").glob("*.md")]
)

BLOCK: Final = re.compile(
    r"^(?:<!-- not run: (?P<why>.+?) -->\n)?```python\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL
)

# Pages whose blocks are run in another way, and by which test.
ELSEWHERE: Final = {
    "README.md": "test_docs.py::test_the_readme_shows_the_example_as_it_is",
    **dict.fromkeys(
        (f"docs/migrate/{name}.md" for name in ("ccxt", "cryptofeed", "pykalshi", "websockets")),
        "test_migrate.py",
    ),
    "docs/faces.md": "test_faces.py",
    "docs/sinks.md": "test_sinks_feed.py",
    "docs/tutorials/bot.md": "test_tutorials.py",
    "docs/tutorials/researcher.md": "test_tutorials.py",
    "docs/tutorials/trader.md": "test_tutorials.py",
}

Prepared = Callable[[], AbstractAsyncContextManager["Names"]]


class Names(dict[str, Any]):
    """The names of a page: those that blocks bind, and those that its text takes as given.

    What is given is made when it is first used, from the names that are there by then.
    """

    def __init__(self, given: Mapping[str, Callable[["Names"], Any]] | None = None) -> None:
        super().__init__(__name__="page")
        self.given: Final = dict(given or {})

    def __missing__(self, name: str) -> Any:
        self[name] = self.given[name](self)
        return self[name]

    def take(self, *modules: Any) -> "Names":
        """Adds everything public of some modules."""
        for module in modules:
            self.update({n: getattr(module, n) for n in dir(module) if not n.startswith("_")})
        return self


def relative(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[tuple[str, str | None]]:
    """The blocks of Python of a page, each with the reason why it is not run, if there is one."""
    return [(match["body"], match["why"]) for match in BLOCK.finditer(page.read_text())]


# What a page takes as given.


@asynccontextmanager
async def nothing() -> AsyncIterator[Names]:
    yield Names()


@asynccontextmanager
async def simulators() -> AsyncIterator[Names]:
    """``serve`` of whichever simulator the block's configuration is for."""

    async def serve(config: Any) -> Any:
        servers = (polymarket_sim, kalshi_sim, binance_sim, kraken_sim, paired_sim)
        module = sys.modules[type(config).__module__]
        served = next(s for s in servers if module.__name__.startswith(f"{s.__name__}."))
        running.append(await served.serve(config))
        return running[-1]

    running: list[Any] = []
    names = Names(
        {
            "asset_id": lambda n: n["server"].markets[0].asset_ids[0],
            "bids": lambda n: n["server"].truth(n["asset_id"]).bids,
            "asks": lambda n: n["server"].truth(n["asset_id"]).asks,
            "ticker": lambda n: n["server"].venue.markets[0].spec.ticker,
            "event_ticker": lambda n: n["server"].venue.markets[0].spec.event_ticker,
            "fees": lambda _: lambda venue, price, qty, multiplier: Decimal(0),
            "ts_ns": lambda n: n["item"].ts_ns,
            "symbol": lambda _: "BTCUSDT",
            "version": lambda n: n["server"].truth.version(n["symbol"]),
        }
    ).take(
        polymarket_sim, faults, kalshi_sim, kalshi_stream, twovenue, paired_sim, binance_sim,
        kraken_sim, kraken_stream,
    )  # fmt: skip
    names["serve"] = serve
    try:
        yield names
    finally:
        for server in running:
            await server.close()


@asynccontextmanager
async def recordings() -> AsyncIterator[Names]:
    """A recording in the folder ``recordings``, and a frame that goes into another."""
    ts, payload = 1_790_000_000_000_000_000, b'{"event_type":"new_market"}'
    with JournalWriter("recordings") as writer:
        writer.append(Kind.FRAME, ts, 0, 0, payload)
    names = Names()
    names.update(ts=ts, conn=0, epoch=0, payload=payload)
    with patch.object(sys, "argv", ["page", *_segments()]):
        yield names


def _segments() -> list[str]:
    return sorted(map(str, Path("recordings").iterdir()))


@asynccontextmanager
async def a_feed() -> AsyncIterator[Names]:
    server = await polymarket_sim.serve(polymarket_sim.SimConfig(markets=1))
    async with Feed(markets_of(server), url=server.url) as feed:
        names = Names()
        names.update(feed=feed, engine=feed.engine, bookfeed=bookfeed)
        yield names
    await server.close()


@asynccontextmanager
async def a_recording() -> AsyncIterator[Names]:
    """A recording of a simulated venue, in ``rec``."""
    journal(Path("rec"), *RECORDED["kalshi"](3))
    yield Names()


PREPARED: Final[dict[str, Prepared]] = {
    "docs/frames.md": a_recording,
    "docs/journal.md": recordings,
    "docs/simulator.md": simulators,
    "docs/records.md": a_feed,
    "docs/troubleshooting.md": a_feed,
}


async def run(body: str, names: Names, where: str) -> None:
    """Runs a block under ``names``; it may await."""
    code = compile(body, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result


@pytest.mark.parametrize("page", PAGES, ids=relative)
async def test_every_block_runs_or_says_why_not(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = relative(page)
    if name in ELSEWHERE:
        pytest.skip(f"run by {ELSEWHERE[name]}")
    async with asyncio.timeout(PATIENCE_S), PREPARED.get(name, nothing)() as names:
        for number, (body, why) in enumerate(blocks(page), 1):
            if why is None:
                await run(body, names, f"{name}, block {number}")


def test_what_is_prepared_is_for_a_page_that_is_there() -> None:
    names = {relative(page) for page in PAGES}
    assert set(PREPARED) <= names and set(ELSEWHERE) <= names
