"""A crowd at the server: thousands of WebSocket clients, some that read nothing, some that are slow
to say what they want, and what that costs the others and the feed.

Every part is a process of its own: a simulated venue, a feed, ``bookfeed serve``, two of clients.
As a program it plays one of ``full`` (10,000 clients), ``stalled`` (1,000, a tenth of whom read
nothing), ``flood`` and ``loris``, prints its figures as a JSON line, and exits with 1 if
``problems`` finds any.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookfeed.scorecard.campaigns import polymarket_crowd_clients, polymarket_crowd_feed

CLIENT_PROCESSES: Final = 2
MARKETS: Final = 100
MANY_MARKETS: Final = 200
"""Where nobody hears of all: so that the feed has much to do."""
RATE: Final = 2
"""Frames a second for each market, each of both of its books."""
CONNECT_S_MAX: Final = 10.0
IDLE_BYTES_MAX: Final = 32 * 1024
TOLD_MS_MAX: Final = 250.0
SLOWER_MAX: Final = 1.2
STALLED_BYTES_MAX: Final = 1 << 20
CUT_S_MAX: Final = 5.0
FILLED_S: Final = 3.0
"""How long it takes until what the system keeps for a client that reads nothing is full."""
TIMER_MS: Final = 20.0
"""What a figure of that size may differ by from one look to the next."""
SLACK_S: Final = 1.0
"""What a timer of the server may be late on a machine that has other things to do."""
MEASURED_S: Final = 10.0
SLICES: Final = 5
"""Into so many the measured time is cut: what else the machine does is not the server's doing."""
SETTLE_S: Final = 6.0
"""How long what all have asked for at once may take."""
_LINE_MAX: Final = 1 << 26

Figures = dict[str, Any]


class Part:
    """A process that obeys lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process: Final = process
        self.pid: Final = process.pid

    async def told(self) -> Figures:
        """What it says next; ``RuntimeError`` if it has ended."""
        found: Figures = json.loads(await self.line())
        return found

    async def line(self) -> str:
        """The same as it is."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a part of the crowd has ended by itself")
        return line.decode().strip()

    def tell(self, said: object) -> None:
        """One line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")

    async def do(self, what: str, **said: object) -> Figures:
        """An order, and what came of it."""
        self.tell({"do": what, **said})
        return await self.told()

    def resident_bytes(self) -> int:
        """Its resident set (Linux)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * 4096


@asynccontextmanager
async def part(*command: str) -> AsyncIterator[Part]:
    """A Python program that ends when its input does, or is ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_MAX,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        yield Part(process)
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass(frozen=True)
class Stage:
    """Everything that plays, but for clients."""

    feed: Part
    server: Part
    port: int
    symbol: str
    """One book, of which a venue tells twice a second."""

    async def clients(self) -> int:
        """How many clients the server counts."""
        reading, writing = await asyncio.open_connection("127.0.0.1", self.port)
        writing.write(f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
        told = (await reading.read()).decode()
        writing.close()
        (count,) = re.findall(r"^bookfeed_server_clients (\d+)", told, re.MULTILINE)
        return int(count)

    async def took(self) -> Figures:
        """How long records took in the feed since the last question."""
        self.feed.tell({})
        return await self.feed.told()

    async def p99_ns(self, seconds: float) -> int:
        """The same for so long: the p99, the middle one of some slices."""
        await self.took()
        slices: list[int] = []
        for _ in range(SLICES):
            await asyncio.sleep(seconds / SLICES)
            slices.append((await self.took())["p99_ns"])
        return sorted(slices)[SLICES // 2]


@asynccontextmanager
async def stage(*options: str, markets: int = MARKETS, rate: int = RATE) -> AsyncIterator[Stage]:
    """A venue with so many markets, a feed, and a server with these options.

    Of each market ``rate`` frames a second come.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="bookfeed-crowd-"))
        path, config = f"{directory}/feed.sock", Path(directory) / "feed.toml"
        config.write_text(f'[[sink]]\nkind = "socket"\npath = "{path}"\n')
        simulated = ("bookfeed", "sim", "--venue", "polymarket", "--exit-with-parent",
                     "--markets", str(markets), "--rate", str(rate * markets))  # fmt: skip
        venue = await stack.enter_async_context(part(*simulated))
        listed = await venue.told()
        feed = await stack.enter_async_context(part(polymarket_crowd_feed.__name__, str(config)))
        feed.tell(listed)
        await feed.told()
        server = await stack.enter_async_context(
            part("bookfeed", "serve", path, "--port", "0", *options)
        )
        port = int((await server.line()).rstrip("/").rpartition(":")[2])
        symbol = listed["markets"][0]["outcomes"][0]["asset"]
        yield Stage(feed, server, port, symbol)


class Clients:
    """Processes of clients, told alike."""

    def __init__(self, parts: Sequence[Part], port: int) -> None:
        self._parts: Final = parts
        self._port: Final = port

    async def do(self, what: str, **said: object) -> list[Figures]:
        """An order to all of them, and what came of it."""
        return await asyncio.gather(*(one.do(what, port=self._port, **said) for one in self._parts))

    async def connect(self, count: int) -> tuple[int, float]:
        """So many more; how many are open, and after how many seconds."""
        share = count // len(self._parts)
        done = await self.do("connect", count=share)
        return sum(one["open"] for one in done), max(one["seconds"] for one in done)

    async def subscribe(self, **wanted: object) -> None:
        """All of them."""
        await self.do("say", text=json.dumps({"op": "subscribe", **wanted}))

    async def measured(self, seconds: float) -> Figures:
        """What messages came: how old they were, and how long after the first client had them.

        The time is cut into slices, of whose figures the middle one is told.
        """
        slices = [await self._slice(seconds / SLICES) for _ in range(SLICES)]
        return {
            "texts": sum(len(age) for age, _ in slices),
            "age_ms": _middle([_spread(age) for age, _ in slices]),
            "after_first_ms": _middle([_spread(after) for _, after in slices]),
        }

    async def _slice(self, seconds: float) -> tuple[list[int], list[int]]:
        done = await self.do("measure", seconds=seconds)
        came_ns: dict[int, list[int]] = {}
        for newest, times in (one for each in done for one in each["came_ns"]):
            came_ns.setdefault(newest, []).extend(times)
        if not came_ns:
            raise RuntimeError("no client was told anything")
        age = [time - newest for newest, times in came_ns.items() for time in times]
        after = [time - min(times) for times in came_ns.values() for time in times]
        return age, after

    async def looked(self) -> dict[str, int]:
        """Who is still there."""
        found = await self.do("look")
        return {name: sum(one[name] for one in found) for name in found[0]}


def _spread(values_ns: list[int]) -> dict[str, float]:
    values_ns.sort()
    ranks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    last = len(values_ns) - 1
    return {name: round(values_ns[int(last * rank)] / 1e6, 1) for name, rank in ranks.items()}


def _middle(slices: list[dict[str, float]]) -> dict[str, float]:
    return {name: sorted(one[name] for one in slices)[len(slices) // 2] for name in slices[0]}


@asynccontextmanager
async def clients(port: int) -> AsyncIterator[Clients]:
    """Nobody yet, in processes that can have many."""
    async with AsyncExitStack() as stack:
        parts = [
            await stack.enter_async_context(part(polymarket_crowd_clients.__name__))
            for _ in range(CLIENT_PROCESSES)
        ]
        for one in parts:
            await one.told()
        yield Clients(parts, port)


async def full(count: int, seconds: float) -> Figures:
    """So many clients: how soon they are in, what each costs, how soon each hears of a change."""
    async with stage(markets=MANY_MARKETS) as there, clients(there.port) as crowd:
        await asyncio.sleep(1)
        alone = await there.p99_ns(seconds)
        before = there.server.resident_bytes()
        opened, connect_s = await crowd.connect(count)
        idle_bytes = (there.server.resident_bytes() - before) / max(opened, 1)
        await crowd.subscribe(channel="books", symbol=there.symbol)
        await asyncio.sleep(SETTLE_S)
        told, beside = await asyncio.gather(crowd.measured(seconds), there.p99_ns(seconds))
        return {
            "asked": count,
            "open": opened,
            "connect_s": connect_s,
            "idle_bytes": idle_bytes,
            "told": told,
            "ingest_ns": [alone, beside],
            "resident_mib": there.server.resident_bytes() / 2**20,
            "left": await crowd.looked(),
        }


async def stalled(count: int, seconds: float) -> Figures:
    """A tenth of them reads nothing any more: what the others notice, what it costs, how long."""
    async with stage() as there, clients(there.port) as crowd:
        opened, _ = await crowd.connect(count)
        await crowd.subscribe(channel="books", venue="polymarket")
        await asyncio.sleep(SETTLE_S)
        before = await crowd.measured(seconds)
        resident = there.server.resident_bytes()
        quiet = count // 10
        await crowd.do("stall", count=quiet // CLIENT_PROCESSES)
        cutting = asyncio.create_task(_cut(there, opened - quiet))
        beside = await crowd.measured(seconds)
        grown = there.server.resident_bytes() - resident
        return {
            "open": opened,
            "stalled": quiet,
            "told": [before, beside],
            "grown_bytes": grown / quiet,
            "cut_s": await cutting,
            "left": await crowd.looked(),
        }


async def _cut(there: Stage, remaining: int) -> float | None:
    """How long until the server has no more clients than these; ``None`` if it keeps some."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    while loop.time() - begun_s < 3 * CUT_S_MAX:
        if await there.clients() <= remaining:
            return loop.time() - begun_s
        await asyncio.sleep(0.1)
    return None


async def flood(count: int, seconds: float) -> Figures:
    """A tenth more send as fast as they can: how soon they are closed, what the others notice."""
    async with stage() as there, clients(there.port) as crowd, clients(there.port) as loud:
        opened, _ = await crowd.connect(count)
        await crowd.subscribe(channel="books", venue="polymarket")
        await asyncio.sleep(SETTLE_S)
        before = await crowd.measured(seconds)
        await loud.connect(count // 10)
        share = count // 10 // CLIENT_PROCESSES
        flooding = asyncio.create_task(loud.do("flood", count=share, seconds=seconds))
        beside = await crowd.measured(seconds)
        done = await flooding
        return {
            "open": opened,
            "told": [before, beside],
            "flooding": share * CLIENT_PROCESSES,
            "cut_s": [seconds for one in done for seconds in one["lost_s"]],
            "codes": sorted({code for one in done for code in one["codes"]}),
            "left": await crowd.looked(),
        }


async def loris(count: int, seconds: float) -> Figures:
    """So many say a byte a second, beside others who are in; and one more than there may be."""
    healthy = max(count // 5, CLIENT_PROCESSES)
    bound = str(healthy + count)
    async with stage("--clients", bound) as there, clients(there.port) as crowd:
        opened, _ = await crowd.connect(healthy)
        await crowd.subscribe(channel="books", symbol=there.symbol)
        await asyncio.sleep(1)
        resident = there.server.resident_bytes()
        async with clients(there.port) as slow:
            dripping = asyncio.create_task(slow.do("loris", count=count // CLIENT_PROCESSES))
            await asyncio.sleep(1)
            beyond = await crowd.do("beyond")
            told = await crowd.measured(seconds)
            cut = [one for each in await dripping for one in each["cut_s"]]
        return {
            "slow": count,
            "open": opened,
            "beyond": [one["answer"] for one in beyond],
            "cut_s": [min(cut), max(cut)],
            "told": told,
            "grown_bytes": (there.server.resident_bytes() - resident) / count,
            "left": await crowd.looked(),
        }


def problems(play: str, figures: Figures) -> list[str]:
    """What is not as it should be."""
    wrong = dict(_WRONG[play](figures))
    return [f"{what}: {said}" for what, (is_wrong, said) in wrong.items() if is_wrong]


Checks = Iterator[tuple[str, tuple[bool, object]]]


def _full_wrong(figures: Figures) -> Checks:
    asked, left = figures["asked"], figures["left"]["open"]
    yield "clients that are in", (not figures["open"] == left == asked, f"{left} of {asked}")
    yield "seconds until all are in", (figures["connect_s"] > CONNECT_S_MAX, figures["connect_s"])
    yield "bytes an idle client", (figures["idle_bytes"] > IDLE_BYTES_MAX, figures["idle_bytes"])
    last_ms = figures["told"]["after_first_ms"]["p99"]
    yield "ms from the first client to the last", (last_ms > TOLD_MS_MAX, last_ms)
    alone, beside = figures["ingest_ns"]
    yield "ns a record takes in the feed", (beside > SLOWER_MAX * alone, f"{alone}, then {beside}")


def _beside_wrong(figures: Figures) -> Checks:
    before, beside = (one["age_ms"]["p99"] for one in figures["told"])
    slower = beside > max(SLOWER_MAX * before, before + TIMER_MS)
    yield "ms until others are told", (slower, f"{before}, then {beside}")
    yield "others that were cut", (figures["left"]["healthy_lost"] > 0, figures["left"])


def _stalled_wrong(figures: Figures) -> Checks:
    yield from _beside_wrong(figures)
    grown, cut_s = figures["grown_bytes"], figures["cut_s"]
    yield "bytes a stalled client", (grown > STALLED_BYTES_MAX, grown)
    late = cut_s is None or cut_s > FILLED_S + CUT_S_MAX + SLACK_S
    yield "seconds until they are cut", (late, cut_s)


def _flood_wrong(figures: Figures) -> Checks:
    yield from _beside_wrong(figures)
    cut = figures["cut_s"]
    late = len(cut) != figures["flooding"] or max(cut) > CUT_S_MAX
    yield "clients that are closed in time", (late, f"{len(cut)} of {figures['flooding']}")
    yield "the code they are closed with", (figures["codes"] != [1008], figures["codes"])


def _loris_wrong(figures: Figures) -> Checks:
    first, last = figures["cut_s"]
    yield "seconds until they are cut", (last > CUT_S_MAX + SLACK_S, f"{first} to {last}")
    refused = all(" 503 " in one for one in figures["beyond"])
    yield "who is one too many", (not refused, figures["beyond"])
    grown = figures["grown_bytes"]
    yield "bytes a slow client", (grown > IDLE_BYTES_MAX, grown)
    yield "others that were cut", (figures["left"]["healthy_lost"] > 0, figures["left"])


PLAYS: Final[Mapping[str, Callable[[int, float], Coroutine[Any, Any, Figures]]]] = {
    "full": full,
    "stalled": stalled,
    "flood": flood,
    "loris": loris,
}
_WRONG: Final[Mapping[str, Callable[[Figures], Checks]]] = {
    "full": _full_wrong,
    "stalled": _stalled_wrong,
    "flood": _flood_wrong,
    "loris": _loris_wrong,
}


def played(play: str, count: int, seconds: float = MEASURED_S) -> tuple[Figures, list[str]]:
    """The figures of one play, and what of them is not as it should be."""
    figures = asyncio.run(PLAYS[play](count, seconds))
    return figures, problems(play, figures)


CROWD: Final = played
"""What the scorecard plays."""


def main(argv: Sequence[str] | None = None) -> int:
    """The figures of one play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("play", choices=PLAYS)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=MEASURED_S)
    options = parser.parse_args(argv)
    figures, wrong = played(options.play, options.clients, options.seconds)
    print(json.dumps(figures | {"problems": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
