"""A process to which the system gives little: descriptors, threads or memory.

``python tests/scarce.py descriptors|threads|memory DIRECTORY [URL]`` takes what there is away from
itself and prints what becomes of a feed, of a recording, or of books; ``test_scarce.py`` reads it.
"""

import asyncio
import os
import resource
import sys
from itertools import count
from pathlib import Path
from typing import Final

import orjson
from session_server import MARKET, YES
from waiting import PATIENCE_S

from bookfeed import CatalogueError, Engine, JournalError, JournalWriter, SessionError
from bookfeed.catalogue.store import Store
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live.lookup import look_up
from bookfeed.recordings.kinds import Kind
from bookfeed.sinks.ndjson import NdjsonSink

DESCRIPTORS: Final = 64
THREADLESS_BYTES: Final = 4 << 20
"""Less than the stack of a thread."""
ROOM_BYTES: Final = 48 << 20
LEVELS: Final = 400
TS: Final = 1_790_000_000_000_000_000


def frame(number: int) -> bytes:
    """The book of an asset of that number: ``LEVELS`` levels a side."""
    sides = {
        name: [{"price": f"{at / 10_000:.4f}", "size": f"{number + at}"} for at in prices]
        for name, prices in (("bids", range(1, LEVELS + 1)), ("asks", range(5_000, 5_000 + LEVELS)))
    }
    about = {"event_type": "book", "market": f"0x{number:x}", "asset_id": f"{number}", "hash": ""}
    return orjson.dumps({**about, "timestamp": str(TS // 1_000_000 + number), **sides})


def limit_memory(more: int) -> None:
    """Lets this process have ``more`` bytes of address space, and no others."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def take_all() -> list[int]:
    """Every descriptor that is left."""
    taken: list[int] = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return taken


async def descriptors(directory: str, url: str) -> None:
    """A connection is lost while there is no descriptor for another one."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    options = SessionOptions(backoff_min_s=0.02, backoff_max_s=0.1)
    with JournalWriter(directory) as writer:
        async with Feed([MARKET], url=url, options=options, recorder=writer) as feed:
            await feed.wait_live(PATIENCE_S)
            taken = take_all()
            print("full", flush=True)
            while "Too many open files" not in feed.status().connections[0].cause:
                taken += take_all()  # those that are given back
                await asyncio.sleep(0)
            print("live" if feed.book(YES).live else "not live", flush=True)
            for descriptor in taken:
                os.close(descriptor)
            await feed.wait_live(PATIENCE_S)
            print("live again", flush=True)


async def threads(directory: str) -> None:
    """Nothing that needs a thread gets one."""
    store = Store(Path(directory) / "catalogue.db")
    feed = Feed([MARKET], url="ws://127.0.0.1:1/ws", sinks=[NdjsonSink(f"{directory}/updates")])
    limit_memory(THREADLESS_BYTES)
    for attempt in (_record(directory), _look_up(), _ask(store), _open(feed)):
        try:
            await attempt
        except (JournalError, OSError, CatalogueError, SessionError) as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        else:
            print("there was a thread", flush=True)


async def _record(directory: str) -> None:
    JournalWriter(Path(directory) / "recording")


async def _look_up() -> None:
    await look_up("venue.test", 1)


async def _ask(store: Store) -> None:
    await store.named("polymarket", "x")


async def _open(feed: Feed) -> None:
    async with feed:
        pass


def memory(directory: str) -> int:
    """Books are told until there is no memory for another."""
    engine = Engine(hash_check="off", silence_s=0.0)
    spare = bytearray(8 << 20)
    limit_memory(ROOM_BYTES)
    with JournalWriter(directory, sync_interval_s=0.0) as writer:
        try:
            for number in count(1):
                engine.subscribe("polymarket", f"{number}", 0, ts=TS)
                payload = frame(number)
                writer.append(Kind.FRAME, TS + number, 0, 1, payload)
                engine.ingest(0, payload, TS + number)
                engine.drain()
                if number % 50 == 0 and writer.sync():
                    print(f"synced {number}", flush=True)
        except MemoryError:
            del spare
            print("no memory", flush=True)
    wrong = 0
    for book in engine.books():
        wanted = [[at * 100_000, (int(book.symbol) + at) * 100_000_000] for at in (LEVELS,)]
        wrong += book.live and book.levels_exact("bid").tolist()[:1] != wanted
    print(f"wrong {wrong}", flush=True)
    return 1


def main() -> int:
    what, directory, *rest = sys.argv[1:]
    if what == "memory":
        return memory(directory)
    asyncio.run(descriptors(directory, *rest) if what == "descriptors" else threads(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
