"""Opening and closing a feed again and again leaves nothing behind."""

import asyncio
import gc
import os
import threading
from pathlib import Path

import pytest
from session_server import MARKET, YES, serving
from test_session_rest import QUICK, resting
from waiting import PATIENCE_S, until

from bookfeed.feed.feed import Feed
from bookfeed.recordings.writer import JournalWriter

# A thousand by hand: BOOKFEED_CYCLES=1000.
CYCLES = int(os.environ.get("BOOKFEED_CYCLES", "40"))
_DESCRIPTORS = Path("/proc/self/fd")


def descriptors() -> int:
    return len(list(_DESCRIPTORS.iterdir()))


def threads() -> int:
    """Those that are alive, but for the loop's own, which look names up and stay for the next."""
    return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())


@pytest.mark.skipif(not _DESCRIPTORS.is_dir(), reason="needs /proc")
async def test_no_task_no_descriptor_and_no_thread_is_left(tmp_path: Path) -> None:
    async with serving() as server, resting() as rest:

        async def cycle(number: int) -> None:
            feed = Feed(
                [MARKET],
                url=server.url,
                rest_url=rest.url,
                options=QUICK,
                recorder=JournalWriter(tmp_path / str(number % 8), prefix=f"cycle{number}"),
                on_status=statuses.append,
            )
            await feed.open()
            stream = feed.updates()
            if number % 4:
                await feed.wait_live(PATIENCE_S)
                await anext(stream)
            if number % 3 == 0:
                feed.resync(YES)
            await feed.close()
            server.peers.clear()
            server.requests.clear()

        statuses: list[object] = []
        tasks = len(asyncio.all_tasks())
        # The first one imports, and opens what stays open.
        await cycle(0)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        before = descriptors(), threads()
        for number in range(1, CYCLES):
            await cycle(number)
        gc.collect()
        await until(lambda: descriptors() <= before[0] and threads() <= before[1])
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert len(statuses) >= 2 * CYCLES
