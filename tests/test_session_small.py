"""Small things that strangers' servers do: two goodbyes, and promises nobody asked for."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from picows import version
from raw_server import raw_serving
from session_server import MARKET, Server, raw_frame
from waiting import PATIENCE_S, until

from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live import listener
from bookfeed.recordings.writer import JournalWriter

QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05, advance_s=0.02)
CLOSE = 0x8


@pytest.mark.parametrize(
    ("goodbye", "answer"),
    [(b"\x03\xe9bye", 1001), (b"\x0f\xa0", 4000), (b"", 1000)],
)
@pytest.mark.parametrize("behind", [raw_frame(CLOSE, b"\x03\xe8"), raw_frame(0x3, b"x")])
async def test_what_stands_behind_a_goodbye_is_not_read(
    server: Server, goodbye: bytes, answer: int, behind: bytes
) -> None:
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.raw(raw_frame(CLOSE, goodbye) + behind)
        await server.until(lambda: peer.close_code is not None)
        assert peer.close_code == answer
        await server.until(lambda: feed.counters()["reconnects"] == 1)
        counters = feed.counters()
        assert counters["protocol_violations"] == counters["listener_errors"] == 0
        assert feed.status().connections[0].cause == ""


@pytest.mark.parametrize(
    "promised",
    [b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"sec-websocket-protocol: chat\r\n"],
)
async def test_what_was_not_offered_is_not_taken(promised: bytes) -> None:
    with raw_serving() as server:
        server.promised = promised
        async with Feed([MARKET], url=server.url, options=QUICK) as feed:
            await until(lambda: feed.counters()["connect_failures"] == 1)
            await feed.wait_live(PATIENCE_S)
            assert feed.counters()["connects"] == 1


def test_another_minor_version_of_picows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that it refuses are learned from its log: no version takes that over unseen."""
    assert version.__version__.startswith(f"{listener.PICOWS_VERSION}.")
    monkeypatch.setattr(version, "__version__", "2.4.0")
    monkeypatch.delitem(sys.modules, listener.__name__)
    with pytest.raises(ImportError, match=r"needs picows 2\.3, not 2\.4\.0: pip install"):
        importlib.import_module(listener.__name__)


async def test_records_wait_no_longer_than_their_interval(server: Server, tmp_path: Path) -> None:
    """Whatever the pulse of the feed: here it never beats."""
    options = replace(QUICK, advance_s=3600.0)
    with JournalWriter(tmp_path, flush_interval_s=0.02) as writer:
        async with Feed([MARKET], url=server.url, options=options, recorder=writer) as feed:
            await feed.wait_live(PATIENCE_S)
            await until(lambda: writer.status().records_written >= 3)
            (await server.peer(0)).text(b"PONG")
            appended = writer.status().records_appended + 1
            await until(lambda: writer.status().records_written >= appended)


def test_numpy_is_there_when_a_feed_is_open() -> None:
    """The loop would stand still if the first batch had to load it."""
    program = (
        "import asyncio, sys\n"
        "from bookfeed import Feed, Market, Outcome\n"
        "async def main():\n"
        "    market = Market('0x1', (Outcome('Yes', '1'), Outcome('No', '2')))\n"
        "    async with Feed([market], url='ws://127.0.0.1:9/'):\n"
        "        assert 'numpy' in sys.modules\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
