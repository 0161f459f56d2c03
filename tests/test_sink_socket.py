"""The socket over which other processes follow a feed: what they hear, and what they cost it."""

import asyncio
import contextlib
import os
import random
import socket
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_server import MARKET, NO, YES, Server, book_frame
from sink_records import Records
from waiting import PATIENCE_S, until

from bookfeed import Batch, Feed, Names, Rule, SessionError, records
from bookfeed.feed.outside import Outside
from bookfeed.records.update import touch_record
from bookfeed.sinks import SocketSink, remote, wire
from bookfeed.sinks import socket as socket_sink
from bookfeed.sinks.remote import RemoteFeed


class Follower:
    """What one reader knows of each book, and whether it was ever shown what was over."""

    def __init__(self, path: Path) -> None:
        self.newest: dict[int, records.Update] = {}
        self.states: list[tuple[int, str]] = []
        self.signals: dict[int, records.Signal] = {}
        self.pieces: dict[str, Any] = {}
        self.begun = self.lost = 0
        self.remote = RemoteFeed(
            str(path),
            on_batch=self.take,
            on_piece=lambda piece: self.pieces.update({piece["part"]: piece}),
            on_begin=self.begin,
            on_lost=self.lose,
        )

    def begin(self) -> None:
        self.begun += 1

    def lose(self) -> None:
        self.lost += 1

    def take(self, batch: Batch) -> None:
        for update in records.updates(batch, self.remote.names):
            self.newest[update.instrument] = update
            self.states.append((update.instrument, update.state))
        for signal in records.signals(batch, self.remote.names):
            self.signals[signal.id] = signal

    def symbol(self, symbol: str) -> records.Update | None:
        return next((one for one in self.newest.values() if one.symbol == symbol), None)


@asynccontextmanager
async def following(path: Path) -> AsyncIterator[Follower]:
    """A reader for as long as the block lasts."""
    follower = Follower(path)
    task = asyncio.create_task(follower.remote.run())
    try:
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def kind_of(path: Path) -> str:
    if not path.exists():
        return "nothing"
    if path.is_socket():
        return f"socket {stat.S_IMODE(path.stat().st_mode):o}"
    return f"file: {path.read_text()}"


def put(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.sock"


async def test_a_reader_knows_what_the_feed_knows(server: Server, path: Path) -> None:
    async with Feed([MARKET], url=server.url, sinks=[SocketSink(path)]) as feed:
        await feed.wait_live(PATIENCE_S)
        async with following(path) as early, following(path) as late:
            await until(lambda: early.remote.heard and late.remote.heard)
            (await server.peer(0)).text(book_frame(YES, "0.45"))
            for reader in (early, late):
                await until(lambda: (one := reader.symbol(YES)) and one.bid == 0.45)  # noqa: B023
                for symbol in (YES, NO):
                    told, view = reader.symbol(symbol), feed.book(symbol)
                    assert told is not None
                    assert (told.bid_e9, told.ask_e9, told.bid_qty_e8, told.epoch) == (
                        view.bid_e9, view.ask_e9, view.bid_qty_e8, view.epoch,
                    )  # fmt: skip
                    assert (told.state, told.cause) == (view.state, view.cause)
                name = reader.remote.names[feed.book(YES).instrument]
                assert (name.market, name.outcome, name.title) == ("0xabc", "Yes", "Will it?")
            book = await early.remote.book(feed.book(YES).instrument, 5)
            assert book is not None
            assert (book["bid"], book["asks"]) == ("0.45", [["0.6", "10"]]) and len(book) > 10
            assert (book["state"], book["market"], book["outcome"]) == ("live", "0xabc", "Yes")
            assert await early.remote.book(4_000, 5) is None
            await until(lambda: "connections" in early.pieces)
            assert early.pieces["feed"]["counters"]["frames"] > 0
            assert early.pieces["connection"]["state"] == "connected"


async def test_a_reader_that_comes_late_knows_the_signals_that_are_open(
    server: Server, path: Path
) -> None:
    """With their legs, as they were told last; one that has closed is not among them."""
    wide = Rule("spread", {"mode": "bps", "open": "20"})
    async with Feed([MARKET], url=server.url, rules=[wide], sinks=[SocketSink(path)]) as feed:
        told: dict[int, records.Signal] = {}
        feed.on_signal(lambda one: told.update({one.id: one}))
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45"))
        # Told of the new bid, and the sink has it a moment later than whoever is in the feed.
        await until(lambda: any(one.phase == "update" for one in told.values()))
        await until(lambda: len(told) == 2 and not feed.sink_status()[0].queued)
        async with following(path) as reader:
            await until(lambda: reader.remote.heard and reader.remote.complete)
            assert reader.signals == told
            assert [leg.symbol for one in reader.signals.values() for leg in one.legs] == [
                leg.symbol for one in told.values() for leg in one.legs
            ]
        closed = feed.book(YES).instrument
        (await server.peer(0)).text(book_frame(YES, "0.599", "0.60"))
        await until(lambda: any(one.phase == "close" for one in told.values()))
        await until(lambda: not feed.sink_status()[0].queued)
        async with following(path) as reader:
            await until(lambda: reader.remote.heard and reader.remote.complete)
            assert reader.signals
            assert all(leg.instrument != closed for s in reader.signals.values() for leg in s.legs)


async def test_a_book_that_is_lost_is_told_at_once_and_the_end_of_a_feed_too(
    server: Server, path: Path
) -> None:
    feed = Feed([MARKET], url=server.url, sinks=[SocketSink(path)])
    async with following(path) as reader:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            await until(lambda: reader.remote.heard)
            (await server.peer(0)).abort()
            await until(lambda: (one := reader.symbol(YES)) and one.state != "live")
            await feed.wait_live(PATIENCE_S)
            await until(lambda: (one := reader.symbol(YES)) and one.state == "live")
        await until(lambda: reader.lost)
        assert not reader.remote.heard
        told = reader.symbol(YES)
        assert told is not None and told.state == "stale", "its last words were heard"
        with pytest.raises(SessionError, match="no feed is attached"):
            await reader.remote.book(0, 1)
        async with Feed([MARKET], url=server.url, sinks=[SocketSink(path)]):
            await until(lambda: reader.begun == 2 and reader.remote.heard)


async def test_a_feed_that_says_nothing_is_not_believed(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "SILENT_S", 0.3)
    stands = asyncio.Event()
    stands.set()
    pieces = Outside.pieces

    def silent(self: Outside, *, whole: bool) -> Any:
        return pieces(self, whole=whole) if stands.is_set() else ()

    monkeypatch.setattr(Outside, "pieces", silent)
    monkeypatch.setattr(socket_sink, "EVERY_S", 0.05)
    feed = Feed([MARKET], url=server.url, sinks=[SocketSink(path)])
    async with feed, following(path) as reader:
        await until(lambda: reader.remote.heard)
        stands.clear()
        await until(lambda: not reader.remote.heard)
        stands.set()
        await until(lambda: reader.remote.heard)


async def test_a_reader_that_reads_nothing_costs_nobody_anything(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_sink, "STALLED_S", 2.0)
    monkeypatch.setattr(socket_sink, "EVERY_S", 0.05)
    monkeypatch.setattr(socket_sink, "_BUFFER_BYTES_MAX", 4_096)
    sink = SocketSink(path)
    made = Records(instruments=3)
    await sink.open(names=Names())
    stalled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    stalled.connect(str(path))
    async with following(path) as healthy:
        await until(lambda: healthy.remote.complete and sink.readers == 2)
        for _ in range(1_000):
            await sink.write(made.books(0, 1, 2))
            await asyncio.sleep(0)
        last = made.books(0, 1, 2)
        await sink.write(last)
        await until(lambda: len(healthy.newest) == 3)
        await until(lambda: {u.seq for u in healthy.newest.values()} == set(last.updates["seq"]))
        await until(lambda: sink.readers == 1)
        assert healthy.remote.dropped == 0
    stalled.close()
    await sink.close()
    assert kind_of(path) == "nothing"


async def test_a_reader_that_was_behind_has_the_newest_of_each_book_and_is_told_what_it_missed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_sink, "_BUFFER_BYTES_MAX", 4_096)
    monkeypatch.setattr(socket_sink, "_WAITING_MAX", 100)
    sink, made = SocketSink(path), Records(instruments=3)
    await sink.open(names=Names())
    reading, writing = await asyncio.open_unix_connection(str(path))
    await until(lambda: sink.readers)
    for _ in range(20_000):
        await sink.write(made.books(0, 1, 2))
    last = made.books(0, 1, 2)
    await sink.write(last)
    frames, left = wire.Frames(), wire.Left(0, 0)
    newest: dict[int, int] = {}
    while newest.keys() != {0, 1, 2} or set(newest.values()) != set(last.updates["seq"]):
        for kind, body in frames.feed(await reading.read(65_536)):
            if kind == wire.BATCH:
                batch, left = wire.batch_of(body)
                for row in batch.updates:
                    assert row["seq"] > newest.get(int(row["instrument"]), 0), "in order"
                    newest[int(row["instrument"])] = int(row["seq"])
    assert left.conflated > 10_000
    writing.close()
    await sink.close()


def test_updates_that_were_on_their_way_do_not_bring_back_what_is_over() -> None:
    taken: list[tuple[int, int]] = []

    def take(batch: Batch) -> None:
        taken.extend((int(row["instrument"]), int(row["ts_recv_ns"])) for row in batch.updates)

    def updates(*content: tuple[int, int]) -> Batch:
        rows = Records().books(*(instrument for instrument, _ in content)).updates.copy()
        rows["ts_recv_ns"] = [ts for _, ts in content]
        return Batch(rows.tobytes())

    async def play() -> None:
        reader = RemoteFeed("/nowhere", on_batch=take)
        for kind, body in (
            (wire.TOUCHES, updates((0, 100), (2, 120)).update_bytes),
            (wire.BATCH, wire.batch_frame(updates((0, 99), (1, 50), (2, 119), (2, 121)),
                                          wire.Left(0, 0))[wire.HEAD.size :]),
            (wire.TOUCHES, b""),
            (wire.BATCH, wire.batch_frame(updates((0, 100), (1_500, 60)),
                                          wire.Left(0, 0))[wire.HEAD.size :]),
        ):  # fmt: skip
            reader._take(kind, body)  # noqa: SLF001

    asyncio.run(play())
    assert taken == [(0, 100), (2, 120), (1, 50), (2, 121), (0, 100), (1_500, 60)]


async def test_a_touch_is_the_book_update_that_would_say_the_same(server: Server) -> None:
    async with Feed([MARKET], url=server.url) as feed:
        seen: list[records.Update] = []
        feed.on_update(seen.append)
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45"))
        await until(lambda: seen and seen[-1].bid == 0.45)
        real, view = seen[-1], feed.book(seen[-1].instrument)
        made = records.Update.from_bytes(touch_record(view, real.ts_recv, real.conn), 0, feed.names)
        for name in ("ts_recv", "ts_event", "ts_evidence", "bid_e9", "bid_qty_e8", "ask_e9"):
            assert getattr(made, name) == getattr(real, name), name
        for name in ("ask_qty_e8", "instrument", "epoch", "conn", "kind", "state", "cause"):
            assert getattr(made, name) == getattr(real, name), name
        assert (made.price_e9, made.seq, made.symbol) == (None, 0, YES)


async def test_who_may_listen_where(server: Server, path: Path) -> None:
    first = Feed([MARKET], url=server.url, sinks=[SocketSink(path)])
    async with first:
        assert kind_of(path) == "socket 600"
        second = Feed([MARKET], url=server.url, sinks=[SocketSink(path)])
        with pytest.raises(SessionError, match="another feed listens at"):
            await second.open()
    # What a feed leaves behind that was killed.
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with Feed([MARKET], url=server.url, sinks=[SocketSink(path)]):
        assert kind_of(path) == "socket 600"
    put(path, "mine")
    with pytest.raises(SessionError, match="is no socket"):
        await Feed([MARKET], url=server.url, sinks=[SocketSink(path)]).open()
    assert kind_of(path) == "file: mine"
    with pytest.raises(SessionError, match="at most 100 bytes"):
        await Feed([MARKET], url=server.url, sinks=[SocketSink("/tmp/" + "x" * 100)]).open()


async def test_no_more_readers_than_there_may_be_and_no_questions_without_end(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_sink, "READERS_MAX", 1)
    monkeypatch.setattr(socket_sink, "QUESTIONS_A_SECOND", 5)
    monkeypatch.setattr(remote, "ANSWER_TIMEOUT_S", 0.2)
    sink = SocketSink(path)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        async with following(path) as reader:
            await until(lambda: reader.remote.heard)
            more, writing = await asyncio.open_unix_connection(str(path))
            assert await more.read() == b""
            writing.close()
            asked = await asyncio.gather(
                *(reader.remote.book(0, 1) for _ in range(20)), return_exceptions=True
            )
            refused = [one for one in asked if isinstance(one, SessionError)]
            assert 0 < len(refused) < 20 and "did not answer" in str(refused[0])
            assert reader.remote.attached and sink.readers == 1


async def test_a_reader_that_talks_nonsense_is_cut(server: Server, path: Path) -> None:
    sink = SocketSink(path)
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        for nonsense in (b"\xff" * 64, wire.framed(wire.QUESTION, b"x"), b"GET / HTTP/1.1\r\n\r\n"):
            reading, writing = await asyncio.open_unix_connection(str(path))
            writing.write(nonsense)
            with contextlib.suppress(ConnectionError):
                while await reading.read(65_536):
                    pass
            writing.close()
            await until(lambda: not sink.readers)
        await feed.wait_live(PATIENCE_S)


async def test_a_feed_of_another_version_is_not_read(path: Path) -> None:
    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = wire.hello("9.9.9", "", 1) | {"records": [1, 2, 3, 4]}
        writer.write(wire.json_frame(wire.HELLO, said))
        writer.close()

    server = await asyncio.start_unix_server(accept, str(path))
    with pytest.raises(wire.WireError, match=r"bookfeed 9\.9\.9.*the same version on both sides"):
        await Follower(path).remote.run()
    server.close()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", range(200))
def test_frames_come_whole_however_they_are_cut(seed: int) -> None:
    rng = random.Random(seed)
    kinds = [rng.choice(b"NTBPA") for _ in range(rng.randrange(8))]
    said = [(kind, rng.randbytes(rng.choice([0, 1, 39, 40]))) for kind in kinds]
    stream = b"".join(wire.framed(kind, body) for kind, body in said)
    frames = wire.Frames(body_bytes_max=40)
    heard: list[tuple[int, bytes]] = []
    while stream:
        cut = rng.randint(1, min(len(stream), rng.choice([1, 4, 5, 6, 200])))
        heard += frames.feed(stream[:cut])
        stream = stream[cut:]
    assert heard == said


def test_a_frame_that_is_too_long_is_refused_before_it_is_there() -> None:
    frames = wire.Frames(body_bytes_max=40)
    with pytest.raises(wire.WireError, match="41 bytes; at most 40"):
        list(frames.feed(wire.HEAD.pack(41, wire.BATCH)))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 80))
def test_a_batch_comes_as_it_was_or_not_at_all(seed: int, cut: int) -> None:
    made = Records(seed)
    batch = made.batch([(made.rng.choice([0, 1, -1]), made.rng.randrange(3)) for _ in range(5)])
    body = wire.batch_frame(batch, wire.Left(3, 4))[wire.HEAD.size :]
    back, left = wire.batch_of(body)
    assert left == (3, 4)
    for name in ("update_bytes", "signal_bytes", "leg_bytes", "level_bytes"):
        assert getattr(back, name) == getattr(batch, name)
    if cut:
        with pytest.raises(wire.WireError):
            wire.batch_of(body[:-cut])


async def test_a_configuration_can_have_it(path: Path, server: Server) -> None:
    text = f"""
[[sink]]
kind = "socket"
path = "{path}"
[polymarket]
ws_url = "{server.url}"
[[market]]
venue = "polymarket"
market = "0xabc"
[[market.outcomes]]
name = "Yes"
asset = "{YES}"
[[market.outcomes]]
name = "No"
asset = "{NO}"
"""
    file = path.with_suffix(".toml")
    file.write_text(text)
    async with Feed.from_config(file), following(path) as reader:
        await until(lambda: (one := reader.symbol(YES)) and one.state == "live")


def test_where_it_is_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_sink.default_path() == str(tmp_path / "bookfeed.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    path = Path(socket_sink.default_path())
    assert path == tmp_path / f"bookfeed-{os.getuid()}" / "feed.sock"

    async def play() -> None:
        sink = SocketSink()
        await sink.open(Names())
        await sink.close()

    asyncio.run(play())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write there"):
        asyncio.run(play())
