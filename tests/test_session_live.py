"""A session against a real socket: what it sends, what it survives, what it never believes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest
from picows import WSMsgType
from session_server import (
    MARKET,
    NO,
    YES,
    FailingEngine,
    Peer,
    Server,
    book_frame,
    book_message,
    raw_frame,
)
from waiting import PATIENCE_S, until

from bookfeed._bookfeed import Batch
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.live import handshake
from bookfeed.market import Market, Outcome
from bookfeed.records import Update, updates
from bookfeed.venues import Venue
from bookfeed.venues.polymarket import polymarket

# Reconnecting at once keeps the tests fast; the delays themselves are tested without sockets.
QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05)
# Two seconds where the machine has time.
CLOSES_S_MAX = 10.0


class Log:
    """All updates of a feed, in order."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def __call__(self, update: Update) -> None:
        self.updates.append(update)

    def states(self, symbol: str = YES) -> list[tuple[str, str]]:
        return [
            (u.state, u.cause) for u in self.updates if u.kind == "state" and u.symbol == symbol
        ]


@asynccontextmanager
async def connected(
    server: Server, *, venue: Venue | None = None, **options: object
) -> AsyncIterator[tuple[Feed, Log, Peer]]:
    """A feed whose books are live, its log, and the server's end of its connection."""
    log = Log()
    endpoints = {"polymarket": Endpoint(venue or polymarket(), server.url)}
    feed = Feed([MARKET], endpoints=endpoints, on_update=log, options=QUICK, **options)  # type: ignore[arg-type]
    before = len(server.peers)
    async with feed:
        await feed.wait_live(PATIENCE_S)
        yield feed, log, await server.peer(before)


async def test_one_subscription_then_books_live(server: Server) -> None:
    async with connected(server) as (feed, log, peer):
        assert peer.received == [
            (
                WSMsgType.TEXT,
                orjson.dumps(
                    {
                        "type": "market",
                        "assets_ids": [YES, NO],
                        "initial_dump": True,
                        "custom_feature_enabled": True,
                    }
                ),
            )
        ]
        assert log.states() == [("syncing", "subscribed"), ("live", "snapshot")]
        assert (feed.book(YES).bid, feed.book(NO).ask) == (0.4, 0.6)
    assert peer.close_code == 1000


async def test_pings_are_texts_and_come_after_the_subscription(server: Server) -> None:
    venue = polymarket(ping_interval_s=0.05)
    async with connected(server, venue=venue) as (feed, _, peer):
        await server.until(lambda: feed.counters()["pongs"] > 1)
        assert b"assets_ids" in peer.received[0][1]
        assert set(peer.received[1:]) == {(WSMsgType.TEXT, b"PING")}
        assert feed.counters()["pings"] > 1


async def test_protocol_pings_are_answered(server: Server) -> None:
    async with connected(server) as (feed, _, peer):
        peer.raw(raw_frame(0x9, b"are you there") + raw_frame(0x9, b""))
        await server.until(lambda: len(peer.received) == 3)
        assert peer.received[1:] == [(WSMsgType.PONG, b"are you there"), (WSMsgType.PONG, b"")]
        assert feed.book(YES).live


async def test_what_the_venue_says_in_words_is_counted_and_harmless(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(server) as (feed, _, peer):
        for text in (b"INVALID OPERATION", b"NO NEW ASSETS", b"[]", b"pong", b""):
            peer.text(text)
        peer.text(book_frame(YES, "0.41"))
        await server.until(lambda: feed.book(YES).bid == 0.41)
        counters = feed.counters()
        assert (counters["notices"], counters["pongs"]) == (2, 1)
        assert "INVALID OPERATION" in caplog.text
        assert feed.book(YES).epoch == 1


async def test_records_come_out_when_a_ping_ends_the_read(server: Server) -> None:
    """The last frame of a read is what triggers the drain, whatever kind of frame it is."""
    async with connected(server) as (_, log, peer):
        seen = len(log.updates)
        peer.raw(raw_frame(0x1, book_frame(YES, "0.41")) + raw_frame(0x9, b"x"))
        await server.until(lambda: len(log.updates) > seen)
        assert log.updates[-1].bid == 0.41


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 50, 100, -1])
async def test_fragmented_text_with_pings_between(server: Server, cut: int) -> None:
    async with connected(server) as (feed, log, peer):
        frame = book_frame(YES, "0.33")
        peer.raw(
            raw_frame(0x1, frame[:cut], fin=False)
            + raw_frame(0x9, b"ping")
            + raw_frame(0x0, b"", fin=False)
            + raw_frame(0x0, frame[cut:])
            + raw_frame(0x1, book_frame(NO, "0.44"))
        )
        await server.until(lambda: feed.book(NO).bid == 0.44)
        assert feed.book(YES).bid == 0.33
        assert len(log.states()) == 2
        assert feed.counters()["disconnects"] == 0


async def test_a_stream_cut_at_every_byte_is_the_same_stream(server: Server) -> None:
    async with connected(server) as (feed, _, peer):
        data = b"".join(
            raw_frame(0x1, book_frame(symbol, f"0.{n}")) for n in (11, 12) for symbol in (YES, NO)
        )
        for position in range(0, len(data), 7):
            peer.raw(data[position : position + 7])
            await asyncio.sleep(0)
        await server.until(lambda: feed.book(NO).bid == 0.12)
        assert feed.book(YES).bid == 0.12
        assert feed.book(YES).live


VIOLATIONS = {
    "reserved bit": (raw_frame(0x1, book_frame(YES, "0.9", "0.99"), reserved=4), 1002),
    "reserved bit 3": (raw_frame(0x1, book_frame(YES, "0.9", "0.99"), reserved=1), 1002),
    "reserved bit on ping": (raw_frame(0x9, b"", reserved=2), 1002),
    "binary": (raw_frame(0x2, book_frame(YES, "0.9", "0.99")), 1003),
    "stray continuation": (raw_frame(0x0, book_frame(YES, "0.9", "0.99")), 1002),
    "text inside a message": (
        raw_frame(0x1, b"{", fin=False) + raw_frame(0x1, book_frame(YES, "0.9", "0.99")),
        1002,
    ),
    "invalid UTF-8": (raw_frame(0x1, b'{"event_type":"' + b"x" * 80 + b'\xff"}'), 1007),
    "invalid UTF-8 in a short text": (raw_frame(0x1, b"PONG\xc3"), 1007),
    "invalid UTF-8 over fragments": (
        raw_frame(0x1, b"\xe2\x82", fin=False) + raw_frame(0x0, b"A"),
        1007,
    ),
    "unknown opcode": (raw_frame(0x3, b"x"), 1002),
    "unknown control opcode": (raw_frame(0xB, b""), 1002),
    "fragmented ping": (raw_frame(0x9, b"", fin=False), 1002),
    "large ping": (raw_frame(0x9, b"x" * 126), 1002),
    "masked frame": (b"\x81\x85\0\0\0\0hello", 1002),
    "close of one byte": (raw_frame(0x8, b"\x03"), 1002),
    "close code 1005": (raw_frame(0x8, b"\x03\xed"), 1002),
    "close reason not UTF-8": (raw_frame(0x8, b"\x03\xe8\xff\xff"), 1007),
    "too big": (b"\x81\x7f" + (1 << 40).to_bytes(8), 1009),
    "length with the top bit": (b"\x81\x7f" + (1 << 63).to_bytes(8), 1002),
}


@pytest.mark.parametrize("name", VIOLATIONS)
@pytest.mark.parametrize("position", ["alone", "after a good frame", "before a good frame"])
async def test_violations_cost_the_books_and_the_connection(
    server: Server, name: str, position: str
) -> None:
    data, code = VIOLATIONS[name]
    async with connected(server) as (feed, log, peer):
        if position == "after a good frame":
            data = raw_frame(0x1, book_frame(YES, "0.21")) + data
        elif position == "before a good frame":
            data = data + raw_frame(0x1, book_frame(YES, "0.9", "0.99"))
        peer.raw(data)
        await server.until(lambda: len(log.states()) > 2)
        assert log.states()[2] == ("stale", "transport")
        assert all(u.bid != 0.9 for u in log.updates)
        if position == "after a good frame":
            assert 0.21 in [u.bid for u in log.updates if u.live and u.kind == "book"]
        await server.until(lambda: peer.close_code is not None)
        assert peer.close_code == code
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)
        assert feed.counters()["protocol_violations"] == 1
        assert log.states()[-1] == ("live", "snapshot")


async def _down(server: Server, log: Log) -> None:
    await server.until(lambda: len(log.states()) > 2)


@pytest.mark.parametrize("name", VIOLATIONS)
async def test_nobody_sees_live_books_after_a_violation_in_the_same_read(
    server: Server, name: str
) -> None:
    """Records of the good frame before it come out together with the books' fall: unless work on
    the read has taken 1 ms by then, as it may where others need the processor.
    """
    for _ in range(5):
        batches: list[list[Update]] = []

        def keep(batch: Batch, batches: list[list[Update]] = batches) -> None:
            batches.append(list(updates(batch)))

        async with connected(server, on_batch=keep) as (_feed, log, peer):
            peer.raw(raw_frame(0x1, book_frame(YES, "0.21")) + VIOLATIONS[name][0])
            await _down(server, log)
        (told,) = [batch for batch in batches if any(u.bid == 0.21 and u.live for u in batch)]
        fallen = [u.cause for u in told if u.state == "stale"][:2]
        if fallen:
            break
    assert fallen == ["transport", "transport"]


async def test_a_large_fragmented_message_is_refused_without_being_kept(server: Server) -> None:
    venue = replace(polymarket(), frame_bytes_max=16 << 20)
    async with connected(server, venue=venue) as (feed, log, peer):
        chunk = b"x" * (4 << 20)
        for opcode in (1, 0, 0, 0, 0):
            peer.raw(raw_frame(opcode, chunk, fin=False))
        await server.until(lambda: len(log.states()) > 2)
        await server.until(lambda: peer.close_code is not None)
        assert peer.close_code == 1009
        await feed.wait_live(PATIENCE_S)


@pytest.mark.parametrize("how", ["abort", "fin", 1000, 1001, 1008, 1011, 1012, 1013, None])
async def test_every_end_of_a_connection(server: Server, how: str | int | None) -> None:
    async with connected(server) as (feed, log, peer):
        transport = peer.transport
        assert transport is not None
        if how == "abort":
            peer.abort()
        elif how == "fin":
            transport.disconnect()
        elif how is None:
            peer.raw(raw_frame(0x8, b""))
        else:
            peer.raw(raw_frame(0x8, int(how).to_bytes(2)))
        await server.until(lambda: len(log.states()) > 2)
        assert log.states()[2] == ("stale", "disconnected")
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)
        assert log.states()[3:] == [("syncing", "subscribed"), ("live", "snapshot")]
        assert feed.book(YES).epoch == 2
        assert feed.counters()["connects"] == 2


@pytest.mark.parametrize("end", [(0x8, b"\x03\xe8"), (0x2, b"what makes the client close")])
async def test_frames_after_the_end_are_dropped(server: Server, end: tuple[int, bytes]) -> None:
    """Behind the end in the same read, before the next connection, and beside it."""
    async with connected(server) as (feed, log, peer):
        server.answers_close = False
        late = raw_frame(0x1, book_frame(YES, "0.9", "0.99"))
        peer.raw(raw_frame(*end) + late)
        await server.until(lambda: len(log.states()) > 2)
        peer.raw(late)
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)
        peer.raw(late)
        await server.until(peer.gone.is_set)
        assert all(u.bid != 0.9 for u in log.updates)
        assert feed.counters()["late_frames"] == 0, "the engine, which drops them too, has none"


async def test_a_server_that_never_answers_a_close_is_dropped(server: Server) -> None:
    async with connected(server) as (feed, _, peer):
        server.answers_close = False
        peer.raw(raw_frame(0x2, b"what makes the client close"))
        await server.until(lambda: peer.close_code == 1003)
        await server.until(peer.gone.is_set)
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)


@pytest.mark.parametrize("steps", range(1, 7))
async def test_cancelling_a_close_still_drops_the_socket(server: Server, steps: int) -> None:
    before = asyncio.all_tasks()
    server.answers_close = False
    feed = Feed([MARKET], url=server.url, options=QUICK)
    await feed.__aenter__()
    await feed.wait_live(PATIENCE_S)
    closing = asyncio.ensure_future(feed.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    peer = await server.peer(0)
    await server.until(peer.gone.is_set)
    await server.until(lambda: asyncio.all_tasks() == before)


@pytest.mark.parametrize("error", [RuntimeError("boom"), BaseException("worse")])
async def test_an_exception_in_the_listener_leaves_no_half_applied_stream(
    server: Server, error: BaseException
) -> None:
    engine = FailingEngine()
    async with connected(server, engine=engine) as (feed, log, peer):
        engine.error = error
        # Both are in one read: the second is delivered although the first raised.
        frames = [book_frame(YES, "0.31"), book_frame(YES, "0.9", "0.99")]
        peer.raw(b"".join(raw_frame(0x1, frame) for frame in frames))
        await server.until(lambda: len(log.states()) > 2)
        assert log.states()[2] == ("stale", "transport")
        assert all(u.bid != 0.9 for u in log.updates)
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)
        assert feed.counters()["listener_errors"] == 1
        assert peer.close_code == 1011


async def test_unreachable_and_refusing_servers_are_tried_again(server: Server) -> None:
    server.refuses = True
    log = Log()
    feed = Feed([MARKET], url=server.url, on_update=log, options=QUICK)
    async with feed:
        await server.until(lambda: feed.counters()["connect_failures"] >= 2)
        server.refuses = False
        await feed.wait_live(PATIENCE_S)
        assert log.states() == [("syncing", "subscribed"), ("live", "snapshot")]


async def test_shards_keep_both_outcomes_together(server: Server) -> None:
    markets = [
        Market(f"0x{n}", (Outcome("Yes", f"{n}1"), Outcome("No", f"{n}2"))) for n in range(10, 21)
    ]
    options = SessionOptions(symbols_per_connection=5, connect_stagger_s=0.0)
    async with Feed(markets, url=server.url, options=options) as feed:
        await feed.wait_live(PATIENCE_S)
        assert len(server.peers) == 6
        asked = [orjson.loads(peer.received[0][1])["assets_ids"] for peer in server.peers]
        assert sorted(len(ids) for ids in asked) == [2, 4, 4, 4, 4, 4]
        for ids in asked:
            assert [i[:-1] for i in ids[::2]] == [i[:-1] for i in ids[1::2]]


async def test_one_lost_connection_leaves_the_others_alone(server: Server) -> None:
    other = Market("0xdef", (Outcome("Yes", "771"), Outcome("No", "772")))
    log = Log()
    options = SessionOptions(symbols_per_connection=2, backoff_min_s=0.01, connect_stagger_s=0.0)
    async with Feed([MARKET, other], url=server.url, on_update=log, options=options) as feed:
        await feed.wait_live(PATIENCE_S)
        first = next(p for p in server.peers if YES.encode() in p.received[0][1])
        first.abort()
        await server.until(lambda: len(log.states(YES)) == 5)
        assert log.states("771") == [("syncing", "subscribed"), ("live", "snapshot")]


async def test_a_market_that_never_comes_is_not_silently_absent(server: Server) -> None:
    def only_yes(peer: Peer, symbols: list[str]) -> None:
        peer.text(orjson.dumps([book_message(YES)]))

    server.on_subscribe = only_yes
    options = SessionOptions(snapshot_s=0.1, advance_s=0.02, backoff_min_s=0.01)
    async with Feed([MARKET], url=server.url, options=options) as feed:
        await server.until(lambda: feed.book(YES).live)
        with pytest.raises(TimeoutError, match=NO):
            await feed.wait_live(0.05)
        # Without REST the remedy is a connection of its own, once, and then ever more rarely.
        await server.peer(1)
        await server.until(lambda: feed.book(NO).cause == "absent")
        with pytest.raises(TimeoutError, match=r"no book for 2+; is the id right"):
            await feed.wait_live(0.05)
        await asyncio.sleep(0.5)
        assert len(server.peers) == 2
        assert feed.counters()["reconnects"] == 0
        assert feed.book(YES).epoch == 1


async def test_no_socket_or_task_is_left_behind(server: Server) -> None:
    before = asyncio.all_tasks()
    for _ in range(5):
        async with connected(server):
            pass
    server.answers_close = False
    async with connected(server):
        pass
    await server.until(lambda: asyncio.all_tasks() == before)
    await server.until(lambda: all(peer.gone.is_set() for peer in server.peers))


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may take its time: nothing but closing ends an attempt to connect."""
    monkeypatch.setattr(handshake, "CONNECT_TIMEOUT_S", 3_600.0)
    monkeypatch.setattr(handshake, "HANDSHAKE_TIMEOUT_S", 3_600.0)


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("delay_s", [0.0, 0.0005, 0.002, 0.005, 0.02])
async def test_closing_at_any_moment_is_clean(server: Server, delay_s: float) -> None:
    before = asyncio.all_tasks()
    feed = Feed([MARKET], url=server.url, options=QUICK)
    async with feed:
        await asyncio.sleep(delay_s)
        async with asyncio.timeout(CLOSES_S_MAX):
            await feed.close()
    await server.until(lambda: asyncio.all_tasks() == before)
    await server.until(lambda: all(peer.gone.is_set() for peer in server.peers))


@pytest.mark.usefixtures("endless")
async def test_closing_while_the_server_ignores_the_handshake() -> None:
    accepted: list[asyncio.StreamWriter] = []
    ended = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        while await reader.read(1024):
            pass
        ended.set()
        writer.close()

    mute = await asyncio.start_server(ignore, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    async with mute:
        async with Feed([MARKET], url=f"ws://127.0.0.1:{port}/") as feed:
            await until(lambda: accepted)
            async with asyncio.timeout(CLOSES_S_MAX):
                await feed.close()
        await until(ended.is_set)
