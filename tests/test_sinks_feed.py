"""Sinks on a live feed, from Python and from a configuration, and the page that tells of them."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pages
import pytest
from session_server import MARKET, NO, YES, Server, book_frame
from waiting import PATIENCE_S, until

from bookfeed import Batch, Feed, Names, SessionError, SinkOptions, records
from bookfeed.records.objects import book_object
from bookfeed.sinks import Books, Given

ROOT = Path(__file__).parents[1]


class Keeping:
    """Keeps every update as an object."""

    def __init__(self) -> None:
        self.kept: list[records.Update] = []
        self.known: list[str] = []

    def open(self, names: Names) -> None:
        self.names = names
        self.known = [name.symbol for name in names.values()]

    def write(self, batch: Batch) -> None:
        self.kept += records.updates(batch, self.names)

    def close(self) -> None:
        pass


class Stalling(Keeping):
    """Never comes back."""

    stalls = False

    def write(self, batch: Batch) -> None:
        self.stalls = True
        time.sleep(3_600)


class Raising(Keeping):
    """Raises each time."""

    def write(self, batch: Batch) -> None:
        raise RuntimeError("mine")


async def test_a_sink_has_every_record_of_the_feed(server: Server) -> None:
    sink = Keeping()
    seen: list[records.Update] = []
    async with Feed([MARKET], url=server.url, sinks=[sink], on_update=seen.append) as feed:
        assert sink.known == [YES, NO], "it knows the markets before the first record"
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45"))
        await until(lambda: sink.kept and sink.kept[-1].bid == 0.45)
        assert feed.counters()["sink_keeping_written"] == len(sink.kept)
    # Those of the end as well: every book is stale then.
    assert sink.kept == seen
    assert sink.kept[-1].cause == "disconnected"
    (status,) = feed.sink_status()
    assert (status.state, status.written, status.queued) == ("closed", len(seen), 0)


async def test_sinks_that_stall_or_raise_change_nothing(server: Server) -> None:
    healthy, stalling = Keeping(), Stalling()
    sinks: list[Given] = [
        healthy,
        (stalling, SinkOptions(queue_max=20, close_timeout_s=0.1)),
        Raising(),
    ]
    async with Feed([MARKET], url=server.url, sinks=sinks) as feed:
        await feed.wait_live(PATIENCE_S)
        await until(lambda: stalling.stalls)
        peer = await server.peer(0)
        for n in range(500):
            peer.text(book_frame(YES, f"0.{100 + n % 300}", "0.9"))
        peer.text(book_frame(YES, "0.123", "0.9"))
        await until(lambda: healthy.kept and healthy.kept[-1].bid == 0.123)
        assert feed.book(YES).bid == 0.123
        received = feed.counters()["sink_stalling_received"]
        assert received == feed.counters()["sink_raising_received"] > 500
        assert feed.counters()["sink_stalling_conflated"] > 300
        await until(lambda: feed.counters()["sink_raising_errors"] > 0)
        assert feed.counters()["callback_errors"] == 0
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 30
    for status in feed.sink_status():
        assert status.received == status.written + status.dropped + status.conflated
    assert [s.state for s in feed.sink_status()] == ["closed", "abandoned", "closed"]


async def test_a_sink_that_cannot_be_opened_ends_opening(server: Server) -> None:
    class Refusing(Keeping):
        def open(self, names: Names) -> None:
            raise PermissionError("wrong password")

    first = Keeping()
    feed = Feed([MARKET], url=server.url, sinks=[first, Refusing()])
    with pytest.raises(SessionError, match="sink refusing cannot be opened"):
        await feed.open()
    assert [status.state for status in feed.sink_status()] == ["closed", "closed"]
    assert not server.peers
    await asyncio.sleep(0)


class Looking(Keeping):
    """Reads the books that records tell of, and counts beats; fails with the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []
        self.beats = 0

    def read_books(self, books: Books) -> None:
        self.books = books

    def write(self, batch: Batch) -> None:
        super().write(batch)
        for instrument in batch.updates["instrument"].tolist():
            book = self.books(instrument)
            assert book is not None and book.frozen
            self.seen.append(book_object(book, self.names[instrument], 2))

    def beat(self) -> None:
        self.beats += 1
        if self.beats == 1:
            raise RuntimeError("once")


async def test_a_sink_reads_books_and_is_called_without_records(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookfeed.sinks.sink_set.BEAT_S", 0.01)
    sink = Looking()
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45", "0.47"))
        await until(lambda: sink.seen and sink.seen[-1]["bid"] == "0.45")
        told = sink.seen[-1]
        assert told["bids"] == [["0.45", told["bid_qty"]]]
        assert (told["symbol"], told["state"], told["ask"]) == (YES, "live", "0.47")
        await until(lambda: sink.beats > 2)
        assert feed.sink_status()[0].state == "running"
        assert feed.sink_status()[0].errors == 1
        assert sink.books(99) is None
    told = sink.seen[-1]
    assert (told["state"], told["cause"]) == ("stale", "disconnected")
    assert (told["bid"], told["ask_qty"], told["bids"], told["asks"]) == (None, None, [], [])
    beats = sink.beats
    await asyncio.sleep(0.05)
    assert sink.beats == beats, "no beat comes to a sink that is closed"


def test_the_page_about_sinks_can_be_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert pages.Reader(tmp_path / "folder", tmp_path).follow(ROOT / "docs" / "sinks.md") == 1


async def test_a_feed_that_is_closed_while_its_sinks_open_does_not_open(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    spinners: list[int] = []
    monkeypatch.setattr("bookfeed.feed.feed.Spinner", lambda: spinners.append(1))

    class Patient(Keeping):
        def __init__(self) -> None:
            super().__init__()
            self.names = Names()
            self.may_open = threading.Event()

        def open(self, names: Names) -> None:
            self.may_open.wait(PATIENCE_S)

    sink = Patient()
    feed = Feed([MARKET], url=server.url, sinks=[sink], busy_poll=True)
    opening = asyncio.create_task(feed.open())
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(feed.close())
    await asyncio.sleep(0)
    sink.may_open.set()
    with pytest.raises(SessionError, match="closed"):
        await opening
    await closing
    assert not feed.status().running
    assert not spinners and not server.peers
