"""``bookfeed.replay``: a recording of any kind with the listeners of a feed."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from session_server import MARKET, YES, book_frame, book_message, serving
from test_feed_sim import markets_of
from test_feed_status import QUICK
from waiting import PATIENCE_S, PatientClock, until

import bookfeed
from bookfeed.cli import main
from bookfeed.errors import RecordingError
from bookfeed.recordings.capture import Capture
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.writer import JournalWriter
from bookfeed.rules.rule import Rule
from bookfeed.sim.polymarket import SimConfig
from bookfeed.sim.polymarket import serve as serve_polymarket

S = 1_000_000_000
TINY = Path(__file__).parent / "data" / "tiny.ndjson"


def capture(path: Path, times_ns: list[int]) -> Path:
    lines: list[dict[str, Any]] = [{"capture": 1, "venue": "polymarket"}]
    for n, ts in enumerate(times_ns):
        frame = orjson.dumps(book_message(YES, f"0.{300 + n}", ts_ms=ts // 1_000_000)).decode()
        lines.append({"ts_recv": ts, "conn": "a", "frame": frame})
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return path


async def recorded(directory: Path) -> tuple[list[Any], list[Any], str]:
    """What a live feed handed over, and the digest of its engine."""
    updates: list[Any] = []
    signals: list[Any] = []
    engine = bookfeed.Engine(digest=True)
    rule = Rule("spread", {"mode": "bps", "open": "20", "close": "10"}, name="wide")
    async with serving() as server:
        feed = bookfeed.Feed(
            [MARKET],
            url=server.url,
            rules=[rule],
            engine=engine,
            options=QUICK,
            clock=PatientClock(),
            on_update=updates.append,
            on_signal=signals.append,
            recorder=JournalWriter(directory),
        )
        async with feed:
            await feed.wait_live(PATIENCE_S)
            peer = await server.peer(0)
            for n in range(20):
                peer.text(book_frame(YES, f"0.{400 + n}"))
            await server.until(lambda: feed.book(YES).bid == 0.419)
            peer.abort()
            await server.recovered(feed, YES)
    return updates, signals, engine.digest()


async def test_listeners_get_what_they_got_live(tmp_path: Path) -> None:
    updates, signals, digest = await recorded(tmp_path)
    again: list[Any] = []
    seen = bookfeed.replay(tmp_path, engine=bookfeed.Engine(digest=True), on_signal=again.append)
    assert list(seen) == updates
    assert again == signals
    assert signals[0].name == "wide"
    assert seen.engine.digest() == digest
    assert seen.problems == []
    assert seen.run() == seen.progress
    assert seen.progress.frames == 22
    assert seen.counters()["callback_errors"] == 0
    assert seen.book(YES).state == "stale"
    assert seen.names[seen.book(YES).instrument].title == "Will it?"
    assert [rule.name for rule in seen.rules.values()] == ["wide"]


async def test_a_listener_sees_the_books_of_its_moment(tmp_path: Path) -> None:
    await recorded(tmp_path)
    seen = bookfeed.replay(tmp_path)
    ahead = []

    def look(update: Any) -> None:
        if update.kind == "book" and seen.engine.book(update.instrument).bid != update.bid:
            ahead.append(update)

    seen.on_update(look)
    for update in seen:
        look(update)
    assert ahead == []


async def test_filters_keep_the_time_of_the_recording(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", [(1000 + n) * S // 10 for n in range(100)])
    few: list[Any] = []
    seen = bookfeed.replay(path)
    seen.on_update(few.append, symbols=[YES], max_rate=1.0)
    seen.run()
    books = [update.bid for update in few if update.kind == "book"]
    assert 10 <= len(books) <= 12
    # What was held back last is not lost.
    assert books[-1] == 0.399


def test_a_capture_and_the_journal_made_of_it_give_the_same(tmp_path: Path) -> None:
    journal = tmp_path / "tiny.bfj"
    # In a process of its own: the command line has logging of its own.
    subprocess.run([sys.executable, "-m", "bookfeed", "import", TINY, journal, "-q"], check=True)
    updates = list(bookfeed.replay(TINY))
    assert len(updates) > 10
    assert {update.symbol for update in updates} != {""}
    assert list(bookfeed.replay(journal)) == updates
    assert list(bookfeed.replay(str(journal))) == updates


def test_an_engine_that_follows_nothing_is_no_silent_nothing() -> None:
    seen = bookfeed.replay(TINY, engine=bookfeed.Engine())
    with pytest.raises(RecordingError, match=r"leave out `engine`, or give .*auto_subscribe=True"):
        seen.run()
    with pytest.raises(RecordingError, match=r"subscribed: give engine=Engine\(auto_subscribe="):
        bookfeed.replay(list(Capture(TINY))).run()


def test_recordings_that_were_opened_before_are_followed_as_by_their_paths(tmp_path: Path) -> None:
    journal = tmp_path / "tiny.bfj"
    assert main(["import", str(TINY), str(journal), "-q"]) == 0
    updates = list(bookfeed.replay(TINY))
    assert list(bookfeed.replay(Capture(TINY))) == updates
    assert list(bookfeed.replay(Journal(journal))) == updates


def test_time_passes_in_a_capture_as_it_would_live(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", [1000 * S + S // 2, 1001 * S, 1004 * S + 1])
    calls: list[tuple[int, Any, int]] = []

    def look(ts: int) -> None:
        calls.append((ts // S, seen.book(YES).bid, seen.counters()["frames"]))

    seen = bookfeed.replay(path, every=[(1, look)])
    seen.run()
    assert calls == [(1001, 0.3, 1), (1002, 0.301, 2), (1003, 0.301, 2), (1004, 0.301, 2)]


def test_a_hole_of_days_in_a_capture_is_not_filled_with_calls(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", [1000 * S, 1000 * S + 400 * 24 * 3600 * S])
    calls: list[int] = []
    bookfeed.replay(path, every=[(0.001, calls.append)]).run()
    assert calls == [1000 * S + 400 * 24 * 3600 * S]


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.records = b""

    def open(self, _names: bookfeed.Names) -> None:
        self.calls.append("open")

    def write(self, batch: bookfeed.Batch) -> None:
        self.records += batch.update_bytes

    def close(self) -> None:
        self.calls.append("close")


def test_sinks_get_everything_and_are_closed() -> None:
    sink, batches = Kept(), list[bytes]()
    seen = bookfeed.replay(
        TINY,
        sinks=[(sink, bookfeed.SinkOptions(queue_max=8))],
        on_batch=lambda batch: batches.append(batch.update_bytes),
    )
    seen.run()
    assert sink.records == b"".join(batches)
    assert len(sink.records) > 8 * bookfeed.UPDATE_DTYPE.itemsize
    assert sink.calls == ["open", "close"]
    assert seen.counters()["sink_kept_dropped"] == 0


def test_sinks_are_closed_when_a_replay_is_left() -> None:
    sink = Kept()
    seen = bookfeed.replay(TINY, sinks=[sink])
    assert next(iter(seen)).symbol
    seen.close()
    assert sink.calls == ["open", "close"]
    assert list(seen) == []


async def test_a_bad_record_is_counted_and_told(tmp_path: Path) -> None:
    records = [(Kind.SUBSCRIBE, 1, 0, 0, b"nonsense"), (Kind.ADVANCE, 2, 0, 0, b"")]
    seen = bookfeed.replay(records)
    assert seen.run().refused == 1
    assert "1 records could not be applied" in seen.problems[0]


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no journal and no capture"):
        bookfeed.replay(tmp_path / "nothing")


async def test_a_simulated_session_replays_alike(tmp_path: Path) -> None:
    """Whatever happens in a session of some length: the same updates, and the same instants."""
    server = await serve_polymarket(SimConfig(markets=3, rate=500))
    updates: list[Any] = []
    calls: list[int] = []
    feed = bookfeed.Feed(
        markets_of(server),
        url=server.url,
        rest_url=server.rest_url,
        options=QUICK,
        on_update=updates.append,
        recorder=JournalWriter(tmp_path),
    )
    feed.every(0.025, calls.append)
    try:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            feed.resync(feed.books()[0].instrument)
            await until(lambda: feed.counters()["frames"] > 400 and len(calls) > 10)
    finally:
        await server.close()
    again: list[int] = []
    seen = bookfeed.replay(tmp_path, every=[(0.025, again.append)])
    assert list(seen) == updates
    assert again == calls


def test_async_listeners_are_done_before_the_next_record(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", [(1000 + n) * S // 10 for n in range(50)])
    seen = bookfeed.replay(path)
    order: list[tuple[str, int]] = []

    @seen.on_update
    async def slow(update: Any) -> None:
        await asyncio.sleep(0)
        order.append(("async", update.seq))

    @seen.on_update
    async def bad(update: Any) -> None:
        raise RuntimeError(update.seq)

    seen.on_update(lambda update: order.append(("plain", update.seq)))
    instants: list[int] = []

    @seen.every(1)
    async def second(ts_ns: int) -> None:
        instants.append(ts_ns)

    numbers = [update.seq for update in seen]
    assert order == [(how, seq) for seq in numbers for how in ("async", "plain")]
    assert len(instants) == second.calls >= 4
    assert bad.errors == bad.calls == len(numbers) == seen.counters()["callback_errors"]
    assert slow.dropped == 0


async def test_async_listeners_of_a_replay_in_a_thread_lose_nothing(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.ndjson", [(1000 + n) * S // 10 for n in range(50)])
    seen = bookfeed.replay(path)
    heard: list[int] = []

    @seen.on_update
    async def slow(update: Any) -> None:
        await asyncio.sleep(0)
        heard.append(update.seq)

    await asyncio.to_thread(seen.run)
    assert len(heard) == slow.calls > 50 and slow.dropped == 0


def test_what_ends_the_process_ends_a_replay(tmp_path: Path) -> None:
    def stop(update: Any) -> None:
        raise KeyboardInterrupt

    path = capture(tmp_path / "a.ndjson", [S, 2 * S])
    with pytest.raises(KeyboardInterrupt):
        bookfeed.replay(path, on_update=stop).run()
