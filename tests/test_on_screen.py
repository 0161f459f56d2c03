"""``run`` on a terminal, and positions in ``top``: the lists of a feed in the same process."""

import importlib.util
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path
from typing import IO, Any, cast
from unittest.mock import MagicMock

import pytest
from session_server import MARKET, NO, YES, Server, book_frame
from test_top import SIZES, text
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread
from textual.pilot import Pilot
from waiting import PATIENCE_S, until

from bookfeed import Feed, Rule
from bookfeed.cli import run as run_command
from bookfeed.clock import AnchoredClock
from bookfeed.config import ConsoleConfig
from bookfeed.monitor.text import Span
from bookfeed.monitor.wanted import ALL
from bookfeed.top.app import TABS, Top
from bookfeed.top.desk import Desk, Thresholds
from bookfeed.top.look import Whole
from bookfeed.top.near import Near
from bookfeed.top.on_screen import OnScreen
from bookfeed.top.opened import Ladder
from bookfeed.top.positions import POSITIONS
from bookfeed.top.terminal import Lasting

RULES = [Rule("spread", {"mode": "bps", "open": "20"})]
E17 = 10**17


@asynccontextmanager
async def near(
    venue: Server, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Feed, Top, Pilot[None]]]:
    """A feed whose books are live, and the lists of it, in one process."""
    desk, clock = Desk(Thresholds()), AnchoredClock()
    batches: list[Any] = []
    async with Feed([MARKET], url=venue.url, rules=RULES, on_batch=batches.append) as feed:
        await feed.wait_live(PATIENCE_S)
        followed = Near(desk, feed, clock, "here")
        feed.on_batch(followed.on_batch)
        app = Top(desk, followed, refresh_hz=30, whole=lambda _: [(Span("at a glance"),)])
        async with app.run_test(size=size) as pilot:
            await until(lambda: app.desk.world.feed == "heard" and app.desk.books)
            yield feed, app, pilot


async def test_it_begins_with_all_at_a_glance_and_has_the_lists_below(server: Server) -> None:
    async with near(server) as (_, app, pilot):
        await until(lambda: isinstance(app.screen, Whole) and "at a glance" in text(app))
        await pilot.press("tab")
        await until(lambda: "0.60" in text(app) and "2/2 live" in text(app))
        assert "here" in text(app) and "heard" in text(app)
        await pilot.press("0")
        await until(lambda: "at a glance" in text(app))
        # A number goes to its list, from wherever.
        await pilot.press("2")
        await until(lambda: app.spreads.rows)
        assert "at a glance" not in text(app)


async def test_what_the_feed_hands_out_is_listed_whole(server: Server) -> None:
    async with near(server) as (feed, app, pilot):
        await pilot.press("tab")
        before = app.desk.world.updates
        for bid in ("0.41", "0.42", "0.43"):
            (await server.peer(0)).text(book_frame(YES, bid))
        await until(lambda: "0.43" in text(app))
        assert app.desk.world.updates - before >= 3
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Ladder) and "spread 0.17" in text(app))
        # A book that may not be believed shows no price.
        server.on_subscribe = None
        (await server.peer(0)).abort()
        await until(lambda: not any(book.live for book in feed.books()))
        await until(lambda: "0.43" not in text(app))
        await pilot.press("escape")
        await until(lambda: "0/2 live" in text(app))
        assert "0.60" not in text(app)


def test_from_where_on_things_are_odd_is_configured() -> None:
    console = ConsoleConfig(
        refresh_hz=10, warn_ms=20, alert_ms=40, quiet_s=5, silent_s=7, large_usd=99
    )
    watch: Any = None
    show = OnScreen(watch, AnchoredClock(), ALL, console, str)
    assert show.every_s == 0.1
    assert show.thresholds == Thresholds(20, 40, 5, 7, 99)


# Positions.


def held(symbol: str, **told: Any) -> dict[str, Any]:
    """A position: 100 shares for 40 dollars, for which the book pays 45."""
    return {
        "symbol": symbol, "market": "0xabc", "qty_e8": 100 * 10**8, "pending_e8": 0,
        "cost_e17": 40 * E17, "realised_e17": 0, "value_e17": 45 * E17,
        "unrealised_e17": 5 * E17, "why": "",
    } | told  # fmt: skip


def account(state: str, *holdings: dict[str, Any]) -> dict[str, Any]:
    """How the feed tells of an account."""
    one = {"venue": "polymarket", "state": state, "cause": "", "orders": 2, "holdings": holdings}
    return {"part": "own", "accounts": [one]}


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_positions_are_listed_with_what_they_would_bring(
    server: Server, size: tuple[int, int]
) -> None:
    async with near(server, size) as (_, app, pilot):
        await pilot.press(str(TABS.index(POSITIONS) + 1))
        await until(lambda: "no account is followed" in text(app))
        why = "its book does not hold so much"
        nothing = {"value_e17": None, "unrealised_e17": None, "why": why}
        app.desk.take_piece(account("live", held(YES), held(NO, **nothing)))
        await until(lambda: "$45.00" in text(app))
        assert len(app.sheet.rows) == 2 and "$5.00" in text(app)
        if size[0] >= 80:
            assert "open gain $5.00" in text(app) and "without 1 not known" in text(app)
        # Not as the venue has it any more: what was paid stands, what it is worth does not.
        app.desk.take_piece(account("stale", held(YES)))
        await until(lambda: "$45.00" not in text(app))
        assert "$5.00" not in text(app) and "Will it?"[:4] in text(app)


# The command.


@pytest.mark.slow
@pytest.mark.parametrize("way", ["q", "SIGTERM"])
def test_the_command_takes_the_terminal_and_gives_it_back(way: str, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "bookfeed", "run", "--demo", "--rate", "50"]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, cwd=tmp_path,
        env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(follower)
    seen = b""

    def read_until(word: bytes) -> None:
        nonlocal seen
        end_s = time.monotonic() + 2 * PATIENCE_S
        while word not in seen and time.monotonic() < end_s:
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    seen += os.read(leader, 65_536)
                except OSError:
                    break
        assert word in seen, seen[-2_000:]

    try:
        read_until(b"Tab lists")
        os.write(leader, b"\t")
        read_until(b"8 why")
        if way == "q":
            os.write(leader, b"q")
        else:
            process.send_signal(signal.SIGTERM)
        # The other screen is left, and what was seen last stays.
        read_until(b"\x1b[?1049l")
        seen = b""
        read_until(b"recv")
        assert process.wait(PATIENCE_S) == 0
        assert b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_what_is_written_to_a_terminal_that_is_gone_stops_nobody() -> None:
    file = MagicMock(**{"write.side_effect": OSError(5, "gone")})
    lasting = Lasting(file)
    writer = WriterThread(cast(IO[str], lasting))
    writer.start()
    for _ in range(3 * MAX_QUEUED_WRITES):
        writer.write("a line")
    writer.stop()
    assert lasting.gone and file.write.call_count == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_command_ends_if_its_terminal_goes_away(tmp_path: Path) -> None:
    child, leader = pty.fork()  # so that it is its terminal, whose end the system tells it
    if child == 0:
        os.chdir(tmp_path)
        command = [sys.executable, "-m", "bookfeed", "run", "--demo", "--rate", "50"]
        os.execvpe(sys.executable, command, os.environ | {"TERM": "xterm-256color"})
    ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen, end_s = b"", time.monotonic() + 2 * PATIENCE_S
    while b"Tab lists" not in seen and time.monotonic() < end_s:
        if select.select([leader], [], [], 0.1)[0]:
            seen += os.read(leader, 65_536)
    os.close(leader)
    end_s = time.monotonic() + PATIENCE_S
    try:
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            assert time.monotonic() < end_s, "it waits for somebody to read what it draws"
            time.sleep(0.05)
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        raise


@pytest.mark.parametrize("lacking", ["a terminal", "Textual", "a terminal that can move"])
def test_where_nothing_can_be_drawn_lines_are_written(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb" if lacking == "a terminal that can move" else "xterm")
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        monkeypatch.setattr(stream, "isatty", lambda: lacking != "a terminal", raising=False)
    if lacking == "Textual":
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not run_command._can_draw()  # noqa: SLF001 - what it decides by
