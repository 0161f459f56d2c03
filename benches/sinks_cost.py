"""What every kind of sink at once, with real servers, costs the feed; and what each takes.

``python -m benches.sinks_cost`` (``make sinks-cost``) prints two tables. The first is of a feed
alone, and then, in turns, of the same feed with all sinks: lines of JSON on a disk and on one that
is full, SQLite, PostgreSQL, NATS with JetStream, a Redis, another one that has stopped, and a
socket with ``bookfeed serve`` behind it, which has 200 clients, of whom ten read nothing. The venue
is simulated: 200 books with five updates a second each. The feed's process is bound to one core and
everything else to the others (``--free`` binds nothing); what counts is the median of the ratios
of ``--rounds`` pairs. The second table is how many updates a second each sink takes by itself, of
batches as large as come in 5 ms when it is behind.

It needs the servers of ``make services``. It exits with 1 if the feed became more than a tenth
slower, a record is not accounted for, or the memory of a feed grew by more than 32 MiB.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benches.growth import Grown, Size
from bookfeed import UPDATE_DTYPE, UPDATE_KINDS, Batch, Engine, Names
from bookfeed.scorecard.campaigns import polymarket_crowd_feed
from bookfeed.scorecard.campaigns.polymarket_crowd import clients, part
from bookfeed.sinks import NdjsonSink, Sink, SqliteSink
from bookfeed.sinks.base import BookReading
from bookfeed.sinks.nats import NatsSink
from bookfeed.sinks.postgres import PostgresSink
from bookfeed.sinks.redis import RedisSink
from bookfeed.sinks.tables import Choice

MARKETS: Final = 100
RATE: Final = 500
"""Frames a second, of two books each."""
DASHBOARDS: Final = 200
STALLED: Final = 10
CHANNELS: Final = ("books", "signals", "trades", "status", "alerts")
SLOWER_MAX: Final = 1.1
GROWN_MAX: Final = 32 << 20
SETTLE_S: Final = 2.0
TAKEN_S: Final = 2.0
"""So long each sink is given batches."""
BATCH: Final = 10_000
BOOKS: Final = 200
SERVICES: Final = ("redis", "redis", "nats", "postgres")
_ROOT: Final = Path(__file__).parents[1]
_BOOK: Final = UPDATE_KINDS.index("book")


@dataclass(frozen=True)
class Services:
    """Where servers are; ``stopped`` is the process of the second Redis."""

    redis: str
    stalling: str
    nats: str
    postgres: str
    stopped: int


@contextlib.contextmanager
def services() -> Iterator[Services]:
    """Servers of our own, on free ports of this machine."""
    command = [sys.executable, str(_ROOT / "tests" / "services.py"), *SERVICES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = [process.stdout.readline().split() for _ in SERVICES]
        if not all(found):
            raise SystemExit("servers are missing: make services")
        redis, stalling, nats, postgres = (one[1] for one in found)
        stopped = int(found[1][3])
        try:
            yield Services(redis, stalling, nats, postgres, stopped)
        finally:
            os.kill(stopped, signal.SIGCONT)
            process.terminate()
            process.wait()


def configuration(directory: Path, there: Services) -> str:
    """Every kind of sink, and what is wrong with some."""
    tables = [
        f'kind = "ndjson"\npath = "{directory}/records.ndjson"',
        'kind = "ndjson"\nname = "full_disk"\npath = "/dev/full"',
        f'kind = "sqlite"\npath = "{directory}/kept.sqlite"\nprices_s = 1\ntrades = true',
        f'kind = "postgres"\nurl = "{there.postgres}"\nprices_s = 1\ntrades = true',
        f'kind = "nats"\nurl = "{there.nats}"',
        f'kind = "redis"\nurl = "{there.redis}/0"',
        f'kind = "redis"\nname = "stopped"\nurl = "{there.stalling}/0"',
        f'kind = "socket"\npath = "{directory}/feed.sock"',
    ]
    return "".join(f"[[sink]]\n{table}\n" for table in tables)


# What they cost.


def divide() -> int | None:
    """Leave the last core that there is to the feed; whatever is begun from now on has the others.

    Returns its number; ``None`` if there is but one.
    """
    *others, last = sorted(os.sched_getaffinity(0))
    if not others:
        return None
    os.sched_setaffinity(0, others)
    return last


def bind(pid: int, core: int) -> None:
    """Bind a process and its threads to a core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


async def played(config: str, directory: Path, there: Services | None, options: Any) -> Any:
    """One run of a feed; what took how long, and how its sinks were at the end."""
    path = directory / "feed.toml"
    path.write_text(config)
    async with AsyncExitStack() as stack:
        simulated = ("bookfeed", "sim", "--venue", "polymarket", "--exit-with-parent",
                     "--markets", str(MARKETS), "--rate", str(RATE))  # fmt: skip
        venue = await stack.enter_async_context(part(*simulated))
        listed = await venue.told()
        feed = await stack.enter_async_context(part(polymarket_crowd_feed.__name__, str(path)))
        feed.tell(listed)
        await feed.told()
        if there is not None:
            await _watched(stack, directory)
            os.kill(there.stopped, signal.SIGSTOP)
        if options.core is not None:
            bind(feed.pid, options.core)
        await asyncio.sleep(SETTLE_S)
        feed.tell({})
        await feed.told()
        before = feed.resident_bytes()
        await asyncio.sleep(options.seconds)
        feed.tell({})
        figures = await feed.told()
        figures["grown"] = feed.resident_bytes() - before
    if there is not None:
        os.kill(there.stopped, signal.SIGCONT)
    return figures


async def _watched(stack: AsyncExitStack, directory: Path) -> None:
    """A server, and clients that hear of everything."""
    server = await stack.enter_async_context(
        part("bookfeed", "serve", f"{directory}/feed.sock", "--port", "0")
    )
    port = int((await server.line()).rstrip("/").rpartition(":")[2])
    crowd = await stack.enter_async_context(clients(port))
    await crowd.connect(DASHBOARDS)
    for channel in CHANNELS:
        await crowd.subscribe(channel=channel)
    await crowd.do("stall", count=STALLED // 2)


async def costs(there: Services, options: Any) -> list[str]:
    """Prints what was measured; returns what of it is not as it should be."""
    problems: list[str] = []
    ratios: list[float] = []
    print(
        "pair   alone p50, p99   with all sinks p50, p99   ratio of p99   frames each   grown KiB"
    )
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="bookfeed-sinks-") as name:
            directory = Path(name)
            alone = await played("", directory, None, options)
            beside = await played(configuration(directory, there), directory, there, options)
        ratios.append(beside["p99_ns"] / alone["p99_ns"])
        times = [one[p] / 1e3 for one in (alone, beside) for p in ("p50_ns", "p99_ns")]
        print(
            f"{number + 1:>4}   {times[0]:>6.1f}, {times[1]:>6.1f} µs"
            f"   {times[2]:>14.1f}, {times[3]:>6.1f} µs   {ratios[-1]:>12.2f}"
            f"   {alone['counted']:>5}, {beside['counted']:>5}   {beside['grown'] >> 10:>9}",
            flush=True,
        )
        for sink in beside["sinks"]:
            ends = sum(sink[way] for way in ("written", "dropped", "conflated", "queued"))
            if ends != sink["received"]:
                problems.append(
                    f"{sink['name']}: {sink['received']} received, {ends} accounted for"
                )
        if beside["grown"] > GROWN_MAX:
            problems.append(f"the feed grew by {beside['grown'] >> 20} MiB")
    for sink in beside["sinks"]:
        ways = ", ".join(f"{way} {sink[way]}" for way in ("written", "dropped", "conflated"))
        print(f"       {sink['name']:<10} received {sink['received']}: {ways}")
    median = statistics.median(ratios)
    print(f"median of the ratios: {median:.2f}")
    if median > SLOWER_MAX:
        problems.append(f"the feed's p99 is {median:.2f} times what it is alone")
    return problems


# What each takes.


def batches() -> Iterator[Batch]:
    """Updates of so many books, in turn."""
    for number in itertools.count():
        rows = np.zeros(BATCH, UPDATE_DTYPE)
        rows["kind"] = _BOOK
        rows["seq"] = np.arange(number * BATCH, (number + 1) * BATCH) + 1
        rows["instrument"] = np.arange(BATCH) % BOOKS
        rows["ts_recv_ns"] = time.time_ns()
        yield Batch(rows.tobytes())


def filled() -> tuple[Engine, Names]:
    """Live books with twenty levels a side, and what they are called."""
    made = Grown(Size(instruments=BOOKS, changing=BOOKS, depth=20))
    engine, names = made.engine(), Names()
    for market in range(BOOKS // 2):
        for symbol, outcome in zip(made.symbols(market), ("Yes", "No"), strict=True):
            number = engine.instrument("polymarket", symbol)
            assert number is not None
            names.learn(
                number,
                venue="polymarket",
                symbol=symbol,
                market=f"0x{market:064x}",
                outcome=outcome,
                title="Will it be so?",
            )
    return engine, names


def takes(there: Services) -> None:
    """Prints how many updates a second each sink takes."""
    with tempfile.TemporaryDirectory(prefix="bookfeed-sinks-") as name:
        made: dict[str, Sink] = {
            "ndjson": NdjsonSink(f"{name}/records.ndjson"),
            "sqlite, prices each second": SqliteSink(
                f"{name}/kept.sqlite", choice=Choice(prices_s=1)
            ),
            "postgres, prices each second": PostgresSink(
                there.postgres, schema="takes", choice=Choice(prices_s=1)
            ),
            "redis": RedisSink(f"{there.redis}/1"),
            "nats with JetStream": NatsSink(there.nats, prefix="takes"),
            "nats": NatsSink(there.nats, prefix="takes", jetstream=False),
        }
        print(f"given batches of {BATCH} updates of {BOOKS} books   updates a second   books told")
        for called, sink in made.items():
            rate = taken(sink)
            # Of several updates of a book in one batch the newest is told.
            told = f"{rate * BOOKS / BATCH:>13,.0f}" if called.startswith(("redis", "nats")) else ""
            print(f"{called:<46}{rate:>19,.0f}{told}", flush=True)


def taken(sink: Sink) -> float:
    """How many updates a second a plain sink takes."""
    engine, names = filled()
    if isinstance(sink, BookReading):
        sink.read_books(lambda number: engine.book(number).freeze())
    sink.open(names)
    count, begun_s = 0, time.monotonic()
    for batch in batches():
        sink.write(batch)
        count += BATCH
        if (seconds := time.monotonic() - begun_s) >= TAKEN_S:
            break
    sink.close()
    return count / seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.sinks_cost")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run (5)")
    parser.add_argument("--free", action="store_true", help="bind nothing to a core")
    parser.add_argument("--only", choices=("costs", "takes"), help="one of the two tables")
    options = parser.parse_args(argv)
    options.core = None if options.free or options.only == "takes" else divide()
    problems: list[str] = []
    with services() as there:
        if options.only != "takes":
            problems = asyncio.run(costs(there, options))
        if options.only != "costs":
            takes(there)
    for problem in problems:
        print(f"not as it should be: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
