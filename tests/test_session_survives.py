"""No error of a handler ends the life of a session: another attempt always comes, loudly."""
# ruff: noqa: SLF001 - nothing but a hand inside can take away what a session waits for.

import asyncio
import logging
import random
from dataclasses import replace
from typing import Any

import pytest
from raw_server import raw_serving
from session_server import MARKET, YES, Server, book_frame
from waiting import PATIENCE_S

from bookfeed.clock import NS_PER_S
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.live import http
from bookfeed.live.connection import (
    Connect,
    ConnectionLogic,
    ConnectionPolicy,
    Event,
    Opened,
    Phase,
    Reconnect,
    Revive,
    Start,
    Stop,
    Wait,
)
from bookfeed.live.pacing import Stagger
from bookfeed.live.session import Session
from bookfeed.live.supervisor import Supervisor
from bookfeed.recordings.inputs import EngineInput
from bookfeed.venues.polymarket import polymarket

pytestmark = pytest.mark.usefixtures("logs_held_nothing_back")

QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05, advance_s=0.02)
# Dates that no calendar holds, zones that overflow, numbers without an end.
UNREADABLE = (
    "Mon, 01 Jan 2030 00:00:00 +9999999999999999",
    "Mon, 01 Jan 99999 00:00:00 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Mon, 31 Feb 2030 99:99:99 -0000",
    "\u00b2",
    "-1",
    "",
    ",",
)


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_unreadable_header_is_ignored(text: str) -> None:
    assert http.retry_after_ns(text) == 0
    assert http.http_date_s(text) is None or text.startswith("Mon, 01 Jan 0001")


@pytest.mark.parametrize("text", UNREADABLE[:4])
@pytest.mark.parametrize("head", ["503 no\r\nRetry-After", "401 no\r\nDate", "403 no\r\nDate"])
async def test_the_next_attempt_comes_after_any_refusal(
    head: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who is denied has to wait for a minute; the wait itself is tested elsewhere.
    monkeypatch.setattr(ConnectionLogic, "_denied_ns", lambda _logic: 0)
    with raw_serving() as raw:
        refusal = f"HTTP/1.1 {head}: {text}\r\nContent-Length: 0\r\n\r\n".encode()
        raw.refusals = [refusal, refusal]
        async with Feed([MARKET], url=raw.url, options=QUICK) as feed:
            await feed.wait_live(PATIENCE_S)
            counters = feed.counters()
            assert (counters["connect_failures"], counters["handler_errors"]) == (2, 0)


class Once:
    """Replaces a method so that its first call, or the first with an event, fails."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str, event: Any) -> None:
        self.failed = 0
        original = getattr(owner, name)

        def failing(*args: Any, **kwargs: Any) -> Any:
            if not self.failed and (event is None or isinstance(args[2], event)):
                self.failed = 1
                raise ArithmeticError("nobody foresaw this")
            return original(*args, **kwargs)

        patch.setattr(owner, name, failing)


@pytest.mark.parametrize(
    ("owner", "name", "event"),
    [
        (ConnectionLogic, "handle", Opened),
        (EngineInput, "connected", None),
        (Session, "_send", None),
        (Session, "_connect", None),
        (Session, "_wait", None),
        (Supervisor, "opened", None),
        (Supervisor, "status_changed", None),
    ],
)
async def test_any_handler_may_fail_once(
    server: Server,
    owner: type,
    name: str,
    event: type[Event] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    once = Once(monkeypatch, owner, name, event)
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        assert once.failed
        assert feed.failure is None
        assert feed.counters()["handler_errors"] == 1
    assert "nobody foresaw this" in caplog.text


async def test_a_session_without_a_timer_is_begun_again_and_says_so(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        stuck = feed._supervisors[0].sessions[0]
        assert stuck._timer is not None
        stuck._timer.cancel()
        stuck._timer = None
        (await server.peer(0)).text(book_frame(YES, "0.41"))
        await server.until(lambda: feed.counters()["revivals"] == 1)
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)
    assert [r.levelno for r in caplog.records if "begun again" in r.getMessage()] == [logging.ERROR]


async def test_an_explanation_that_fails_does_not_end_the_attempts(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explain(_refusal: object) -> str:
        raise KeyError("no word for it")

    monkeypatch.setattr(ConnectionLogic, "_denied_ns", lambda _logic: 0)
    venue = replace(polymarket(), explain_refusal=explain)
    with raw_serving() as raw:
        raw.refusals = [b"HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n"]
        endpoints = {"polymarket": Endpoint(venue, raw.url)}
        async with Feed([MARKET], endpoints=endpoints, options=QUICK) as feed:
            await feed.wait_live(PATIENCE_S)
            assert feed.counters()["handler_errors"] == 1


async def test_what_fails_at_every_beat_is_said_and_costs_nothing_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ArithmeticError("at every beat")

    monkeypatch.setattr(Supervisor, "_arrived", failing)
    options = replace(QUICK, snapshot_s=0.0)
    async with Feed([MARKET], url=server.url, options=options) as feed:
        await feed.wait_live(PATIENCE_S)
        await server.until(lambda: feed.counters()["handler_errors"])
        (await server.peer(0)).abort()
        await server.peer(1)
        await feed.wait_live(PATIENCE_S)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.CONNECTING, Phase.OPEN, Phase.CLOSING])
async def test_whatever_it_was_doing_it_is_begun_again(server: Server, phase: Phase) -> None:
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        stuck = feed._supervisors[0].sessions[0]
        if phase is Phase.CLOSING:
            stuck._logic.handle(feed._clock.now_ns(), Reconnect(1000, "test"))
        stuck._logic.phase = phase
        if stuck._timer is not None:
            stuck._timer.cancel()
        stuck._timer = stuck._connecting = None
        await server.until(lambda: feed.counters()["revivals"] == 1)
        await feed.wait_live(PATIENCE_S)
        await asyncio.sleep(0)
        assert stuck.open


def test_a_session_that_ended_is_not_begun_again() -> None:
    logic = ConnectionLogic(
        ConnectionPolicy(), lambda: (), rng=random.Random(1), stagger=Stagger(0)
    )
    assert logic.handle(1, Revive()) == ()
    assert logic.handle(1, Start()) == (Connect(1),)
    logic.handle(2, Stop())
    assert logic.handle(3, Revive()) == ()
    assert logic.phase is Phase.STOPPED


def test_it_is_begun_again_by_the_backoff_of_a_lost_connection() -> None:
    logic = ConnectionLogic(
        ConnectionPolicy(), lambda: (), rng=random.Random(1), stagger=Stagger(0)
    )
    logic.handle(1, Start())
    logic.handle(2, Opened())
    (wait,) = logic.handle(3, Revive())
    assert isinstance(wait, Wait)
    assert wait.until_ns >= NS_PER_S // 2
