"""Kalshi's session against a real socket: handshakes, subscriptions, and how books come back."""

import base64
import email.utils
import io
import logging
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest
from kalshi_server import BOOKS, KalshiPeer, KalshiServer, market, serving_kalshi
from test_session_replay import Tape, outcome
from test_signing import ED25519, pem
from waiting import PATIENCE_S, PatientClock

from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.live import session
from bookfeed.live.recovery.plan import ResyncPolicy
from bookfeed.log import RateLimitedLog
from bookfeed.market import Market
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.venues import Venue
from bookfeed.venues.kalshi import Credentials, kalshi
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.secret import Secret

S = 1_000_000_000
KEY_ID = "CANARY-ec3b-4b5b-b8f9-11dae589608c"
KEY = Credentials(KEY_ID, parse_key(Secret(pem(ED25519)), "test"))
A, B, C, D = "KXA-26OCT01-T1.5", "KXB-26OCT01-T2.5", "KXC-26OCT01-T3.5", "KXD-26OCT01-T4.5"

QUICK = SessionOptions(
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    advance_s=0.01,
    connect_stagger_s=0.0,
    resync=ResyncPolicy(fetch_interval_s=0.02, fetch_backoff_min_s=0.02, fetch_backoff_max_s=1.0),
)


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every refusal is logged, whatever an earlier test had refused."""
    log = RateLimitedLog(logging.getLogger("bookfeed.live.session"), interval_s=60.0)
    monkeypatch.setattr(session, "refusal_log", log)


@pytest.fixture
async def server() -> AsyncIterator[KalshiServer]:
    async with serving_kalshi() as running:
        yield running


def feed_of(
    server: KalshiServer, *markets: Market, venue: Venue | None = None, **options: object
) -> Feed:
    endpoint = Endpoint(kalshi(credentials=KEY) if venue is None else venue, server.url)
    how = {"options": QUICK, "clock": PatientClock(), **options}
    return Feed(markets, endpoints={"kalshi": endpoint}, **how)  # type: ignore[arg-type]


@asynccontextmanager
async def connected(
    server: KalshiServer, *tickers: str, **options: object
) -> AsyncIterator[tuple[Feed, KalshiPeer]]:
    """A feed whose books are live, and the server's end of its connection."""
    async with feed_of(server, *map(market, tickers or (A, B)), **options) as feed:  # type: ignore[arg-type]
        await feed.wait_live(PATIENCE_S)
        yield feed, await server.kalshi_peer(0)


# Handshake and subscription.


async def test_every_attempt_is_signed_anew(server: KalshiServer) -> None:
    async with connected(server) as (feed, peer):
        peer.abort()
        await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
    first, second = server.handshakes
    assert first["KALSHI-ACCESS-TIMESTAMP"] < second["KALSHI-ACCESS-TIMESTAMP"]
    for headers in (first, second):
        stamp = headers["KALSHI-ACCESS-TIMESTAMP"]
        assert abs(int(stamp) / 1e3 - time.time()) < 30
        signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
        ED25519.public_key().verify(signature, f"{stamp}GET/trade-api/ws/v2".encode())
        assert headers["KALSHI-ACCESS-KEY"] == KEY_ID


@pytest.mark.parametrize("yes_price", [True, False])
async def test_books_live_in_the_form_that_was_asked_for(
    server: KalshiServer, yes_price: bool
) -> None:
    tape = Tape()
    venue = kalshi(credentials=KEY, use_yes_price=yes_price)
    async with connected(server, venue=venue, recorder=tape) as (feed, peer):
        subscribed = [c["params"]["channels"] for c in peer.asked("subscribe")]
        assert subscribed == [[BOOKS], ["trade"], ["market_lifecycle_v2"]]
        assert peer.commands[0]["params"]["use_yes_price"] is yes_price
        assert feed.book(A).bid == 0.44
        assert feed.book(A).ask == (0.45 if yes_price else 0.55)
        ids = [command["id"] for command in peer.commands]
        assert len(set(ids)) == len(ids)
    (told,) = [payload for kind, _, _, _, payload in tape.records if kind == Kind.CONNECTED]
    assert told == (b"kalshi use_yes_price" if yes_price else b"kalshi")


async def test_a_session_of_kalshi_replays_byte_for_byte(server: KalshiServer) -> None:
    from test_session_replay import Output

    tape, live = Tape(), Output()
    async with connected(server, recorder=tape, on_batch=live.keep) as (feed, peer):
        peer.delta(A)
        peer.lose()
        peer.delta(A)
        await server.until(lambda: feed.counters()["resyncs"] >= 1)
        await feed.wait_live(PATIENCE_S)
        peer.abort()
        await server.kalshi_peer(1)
        await feed.wait_live(PATIENCE_S)
    assert Kind.RESYNC_BEGIN in {record[0] for record in tape.records}
    assert outcome(tape.records) == live


async def test_what_is_known_of_a_market_is_recorded(server: KalshiServer) -> None:
    tape = Tape()
    listed = market(A, event="KXA-26OCT01", open_ts=5, close_ts=4_000_000_000 * S)
    async with feed_of(server, listed, recorder=tape) as feed:
        await feed.wait_live(PATIENCE_S)
        assert feed.book(A).event == "KXA-26OCT01"
        assert (feed.book(A).open_ts, feed.book(A).close_ts) == (5, 4_000_000_000 * S)
    (told,) = [orjson.loads(r[4]) for r in tape.records if r[0] == Kind.SUBSCRIBE]
    assert told["event"] == "KXA-26OCT01"
    assert told["fee"] == "kalshi:quadratic;1;non_direct"


def test_a_recording_in_a_form_nobody_knows_is_refused() -> None:
    from bookfeed._bookfeed import Engine

    inputs = EngineInput(Engine())
    for payload in (b"kalshi use_no_price", b"kalshi use_yes_price x", b"kalshi "):
        assert not inputs.apply(Kind.CONNECTED, 1, 0, payload)
    assert inputs.apply(Kind.CONNECTED, 1, 0, b"kalshi use_yes_price")


# Refusals.


async def test_a_refused_key_is_explained_and_tried_again_rarely(
    server: KalshiServer, caplog: pytest.LogCaptureFixture
) -> None:
    behind = email.utils.formatdate(time.time() - 90, usegmt=True)
    body = b'{"error":{"code":"token_authentication_failure","message":"CANARY-BODY"}}'
    server.refusal = (401, body, {"Date": behind})
    clock = PatientClock()
    async with feed_of(server, market(A), clock=clock) as feed:
        await server.until(lambda: feed.counters()["handshakes_denied"] == 1)
        # Any other failure would be followed by the next attempt within 50 ms.
        await clock.passed(0.5)
        assert len(server.handshakes) == 1
    (record,) = [r for r in caplog.records if "HTTP 401" in r.getMessage()]
    told = record.getMessage()
    assert record.levelno == logging.ERROR
    assert "CANA…" in told
    assert "token_authentication_failure" in told
    assert "your clock is 90 s ahead" in told or "your clock is 89 s ahead" in told
    assert "CANARY-BODY" not in told
    assert KEY_ID not in told


async def test_one_line_for_a_key_that_is_refused_everywhere(
    server: KalshiServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.refusal = (403, b"", {})
    options = replace(QUICK, symbols_per_connection=1)
    async with feed_of(server, market(A), market(B), market(C), options=options) as feed:
        await server.until(lambda: feed.counters()["handshakes_denied"] == 3)
    assert sum("HTTP 403" in r.getMessage() for r in caplog.records) == 1


async def test_other_refusals_are_tried_again_as_ever(server: KalshiServer) -> None:
    server.refusal = (503, b"", {})
    async with feed_of(server, market(A)) as feed:
        await server.until(lambda: feed.counters()["connect_failures"] >= 3)
        assert feed.counters()["handshakes_denied"] == 0


async def test_no_secret_is_logged_recorded_or_shown(server: KalshiServer) -> None:
    """Everything at the lowest level there is, on a session that has seen all that can happen."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    # The other end of the connection is in this process, and tells what it receives.
    handler.addFilter(lambda record: not record.name.startswith("picows.server"))
    root = logging.getLogger()
    level, loggers = root.level, [logging.getLogger(n) for n in ("bookfeed", "picows", "asyncio")]
    root.addHandler(handler)
    root.setLevel(1)
    for logger in loggers:
        logger.setLevel(1)
    tape = Tape()
    trace = ""
    try:
        async with connected(server, recorder=tape) as (feed, peer):
            shown = f"{feed!r} {vars(feed)!r}"
            assert "Credentials" in shown or "kalshi" in shown
            peer.abort()
            await server.kalshi_peer(1)
            server.refusal = (401, f'{{"code":"{KEY_ID}"}}'.encode(), {"Date": "x"})
            (await server.kalshi_peer(1)).abort()
            await server.until(lambda: feed.counters()["handshakes_denied"] == 1)
            try:
                await feed.wait_live(0.01)
            except TimeoutError as error:
                trace = "".join(traceback.format_exception(error))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for logger in loggers:
            logger.setLevel(logging.NOTSET)
    signatures = [headers["KALSHI-ACCESS-SIGNATURE"] for headers in server.handshakes]
    lines = [line for line in pem(ED25519).splitlines() if "-----" not in line]
    recorded = b"".join(record[4] for record in tape.records).decode(errors="replace")
    logged = stream.getvalue()
    assert "connection 0: attempt" in logged
    assert trace
    for secret in (KEY_ID, *signatures, *lines):
        for where in (logged, recorded, shown, trace):
            assert secret not in where
