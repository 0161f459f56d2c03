"""What a venue says besides market data: PONGs of any look, words, nothing, and far too much."""

import random
from dataclasses import replace

import orjson
import pytest
from session_server import (
    MARKET,
    NO,
    YES,
    Peer,
    Server,
    book_frame,
    book_message,
    raw_frame,
)
from waiting import PATIENCE_S, PatientClock

from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.live.connection import (
    Close,
    ConnectionLogic,
    ConnectionPolicy,
    Data,
    Opened,
    Start,
    Tick,
)
from bookfeed.live.pacing import Stagger
from bookfeed.records import Update
from bookfeed.venues.polymarket import polymarket

pytestmark = pytest.mark.usefixtures("logs_held_nothing_back")

QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05, advance_s=0.02)
BIG = 4_000_000
REMARKS = (
    b"PONG\n", b" pong ", b'"PONG"', b'{"type":"PONG"}', b" ", b"\n\t", b"HELLO", b"null", b"42",
    b"SLOW DOWN: too many", "so sad \N{SLIGHTLY FROWNING FACE}".encode(), b'"bye"', b"[]",
)  # fmt: skip
# Pieces of market data, or what may be one; and what is no text that anybody speaks.
PIECES = (
    b'"asset_id":"1"', b'0.5","size":"3"}', b"{", b"[", b"}", b"[1]", b'{"a":1', b"\x01\x02",
    b"HELLO " * 20,
)  # fmt: skip


@pytest.mark.parametrize("text", REMARKS)
async def test_a_remark_is_counted_and_takes_out_nobody(server: Server, text: bytes) -> None:
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(text)
        (await server.peer(0)).text(book_frame(YES, "0.41"))
        await server.until(lambda: feed.book(YES).bid == 0.41)
        counters = feed.counters()
        assert (feed.book(YES).epoch, feed.book(NO).epoch) == (1, 1)
        assert counters["decode_errors"] == 0
        assert (counters["pongs"], counters["reconnects"]) == (b"PONG" in text.upper(), 0)


@pytest.mark.parametrize("text", PIECES)
async def test_what_may_be_market_data_takes_the_connection_out(
    server: Server, text: bytes
) -> None:
    lost: list[Update] = []

    def keep(update: Update) -> None:
        if update.kind == "state" and update.state == "stale":
            lost.append(update)

    async with Feed([MARKET], url=server.url, options=QUICK, on_update=keep) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(text)
        await server.until(lambda: len(lost) >= 2)
        assert {(u.symbol, u.cause) for u in lost[:2]} == {(YES, "malformed"), (NO, "malformed")}


@pytest.mark.parametrize("answer", [None, b"PONG\n", b'{"type":"PONG"}', b"pong", b"HERE"])
@pytest.mark.parametrize("data", [True, False])
async def test_no_answer_ends_a_connection_on_which_anything_comes(
    server: Server, answer: bytes | None, data: bool
) -> None:
    """Data is a better proof than a PONG, and a PONG is one however it looks."""
    server.answers_ping = False
    clock = PatientClock()
    venue = replace(polymarket(ping_interval_s=0.1), pong_timeout_s=0.4)
    endpoints = {"polymarket": Endpoint(venue, server.url)}
    async with Feed([MARKET], endpoints=endpoints, options=QUICK, clock=clock) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        for step in range(30):
            if data:
                peer.text(book_frame(YES, f"0.{10 + step}"))
            if answer is not None:
                peer.text(answer)
            await clock.passed(0.05)
        alive = data or answer is not None
        assert (feed.counters()["disconnects"] == 0) == alive
        assert feed.counters()["pings"] > 1


def quiet_logic() -> tuple[ConnectionLogic, int]:
    """A connection that sends PINGs, open at the time returned."""
    policy = ConnectionPolicy(ping_text="PING", silence_ns=0)
    logic = ConnectionLogic(policy, lambda: (), rng=random.Random(1), stagger=Stagger(0))
    logic.handle(1, Start())
    logic.handle(1, Opened())
    return logic, policy.pong_timeout_ns


def test_both_must_be_missing_for_the_whole_time() -> None:
    logic, timeout_ns = quiet_logic()
    logic.handle(timeout_ns, Data())
    for now_ns in (timeout_ns + 1, 2 * timeout_ns - 1):
        assert not any(isinstance(a, Close) for a in logic.handle(now_ns, Tick()))
    closes = [a for a in logic.handle(2 * timeout_ns, Tick()) if isinstance(a, Close)]
    assert [close.reason for close in closes] == ["no answer to ping"]


def big_books(peer: Peer, symbols: list[str]) -> None:
    """One array with every book, and padding that makes it as big as a fine grid does."""
    books = [book_message(symbol) for symbol in symbols]
    books[0]["padding"] = "x" * BIG
    peer.text(orjson.dumps(books))


@pytest.mark.parametrize("fragments", [False, True])
async def test_a_frame_over_the_limit_names_the_limit(
    server: Server, caplog: pytest.LogCaptureFixture, fragments: bool
) -> None:
    def send(peer: Peer, symbols: list[str]) -> None:
        if not fragments:
            return big_books(peer, symbols)
        peer.raw(raw_frame(0x1, b"[" * (BIG // 2), fin=False) + raw_frame(0x0, b"[" * (BIG // 2)))
        return None

    server.on_subscribe = send
    options = replace(QUICK, frame_bytes_max=BIG - 1)
    async with Feed([MARKET], url=server.url, options=options) as feed:
        await server.until(lambda: feed.counters()["protocol_violations"])
        await server.until(lambda: feed.status().connections[0].cause)
        said = feed.status().connections[0].cause
        for word in ("1009", str(BIG - 1), "frame_bytes_max"):
            assert word in said
            assert word in caplog.text


async def test_the_default_takes_what_a_fine_grid_brings(server: Server) -> None:
    def send(peer: Peer, symbols: list[str]) -> None:
        books = [book_message(symbol) for symbol in symbols]
        books[0]["padding"] = "x" * (20 * 1024 * 1024)
        peer.text(orjson.dumps(books))

    server.on_subscribe = send
    async with Feed([MARKET], url=server.url) as feed:
        await feed.wait_live(PATIENCE_S)
        assert feed.counters()["protocol_violations"] == 0
