"""What others say never forges a line of the log, never shows a secret, and makes no noise."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator

import pytest
from kalshi_server import market, serving_kalshi
from raw_server import raw_serving, reset
from session_server import MARKET, YES, Server, book_frame, raw_frame
from test_session_kalshi import KEY_ID, feed_of
from tls import Tls
from waiting import PATIENCE_S, until

from bookfeed import loops
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.log import configure
from bookfeed.venues.polymarket import polymarket

pytestmark = pytest.mark.usefixtures("logs_held_nothing_back")

QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05, advance_s=0.02)
FORGED = "bye\n2026-01-01T00:00:00.000Z CRITICAL bookfeed.feed: all is lost \x1b[2J\x9b31m\u2028"
SIGNATURE = "canary/signature+of==24bytes"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the command line's log shows, by the same handler."""
    stream = io.StringIO()
    root = logging.getLogger("bookfeed")
    handlers, level, propagate = root.handlers[:], root.level, root.propagate
    configure(verbosity=1, stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    root.propagate = propagate


def no_line_is_forged(text: str) -> None:
    assert "CRITICAL" in text  # it was said, inside another line
    for line in text.splitlines():
        assert not line.startswith("2026-01-01T00:00:00.000Z")
        assert line.isprintable(), ascii(line)


async def test_a_close_reason_is_quoted(server: Server, lines: io.StringIO) -> None:
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.raw(raw_frame(0x8, b"\x03\xe8" + FORGED.encode()))
        await server.until(lambda: feed.counters()["disconnects"])
        cause = feed.status().connections[0].cause
        await server.until(lambda: "closed by the venue" in lines.getvalue())
    no_line_is_forged(lines.getvalue())
    assert "1000 'bye\\n2026" in lines.getvalue()
    assert cause == "" or cause.isprintable()


async def test_bare_words_are_quoted(server: Server, lines: io.StringIO) -> None:
    async with Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text("bye\nCRITICAL \x1b[2J\x9b".encode())
        await server.until(lambda: feed.counters()["notices"])
    no_line_is_forged(lines.getvalue())


async def test_an_error_that_prints_lines_of_its_own_forges_none(lines: io.StringIO) -> None:
    logging.getLogger("bookfeed.feed").warning("a callback raised:\n%s", FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("bookfeed.feed").exception("failed")
    no_line_is_forged(lines.getvalue())


def test_lines_of_json_hold_nothing_that_a_terminal_obeys() -> None:
    stream = io.StringIO()
    root = logging.getLogger("bookfeed")
    handlers, level, propagate = root.handlers[:], root.level, root.propagate
    configure(log_format="json", stream=stream)
    root.warning(FORGED)
    root.handlers[:] = handlers
    root.setLevel(level)
    root.propagate = propagate
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert json.loads(line)["message"] == FORGED


@pytest.mark.parametrize("way", ["close", "error", "words"])
async def test_what_the_venue_repeats_of_our_key_is_not_shown(way: str, lines: io.StringIO) -> None:
    async with serving_kalshi() as kalshi, feed_of(kalshi, market("KXA-1")) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await kalshi.kalshi_peer(0)
        said = f"no access for {KEY_ID}"
        if way == "close":
            peer.raw(raw_frame(0x8, b"\x03\xe8" + said.encode()))
        elif way == "error":
            body = {"type": "error", "id": 99, "msg": {"code": 5, "msg": said}}
            peer.text(json.dumps(body).encode())
        else:
            peer.text(said.encode())
        await until(lambda: "no access for" in lines.getvalue())
        assert KEY_ID not in str(feed.status())
    assert KEY_ID not in lines.getvalue()
    assert "no access for …" in lines.getvalue()


VIOLATIONS = {
    "reserved": raw_frame(0x1, b"x", reserved=4),
    "opcode": raw_frame(0x3, b"x"),
    "masked": bytes((0x81, 0x81)) + b"mask" + b"x",
    "long control": raw_frame(0x9, b"x" * 126),
    "utf8": raw_frame(0x1, b"\xff"),
    "reset": b"",
}


async def noise_of(data: bytes, tls: Tls) -> None:
    """A connection is open, ``data`` come, and the socket is reset."""
    with raw_serving(tls.theirs) as server:
        endpoint = Endpoint(polymarket(), server.url, ssl_context=tls.ours)
        async with Feed([MARKET], endpoints={"polymarket": endpoint}, options=QUICK) as feed:
            for number in range(1, 4):
                await feed.wait_live(PATIENCE_S)
                sock = await asyncio.to_thread(server.opened.get)
                if data:
                    sock.sendall(data)
                else:
                    reset(sock, raw_frame(0x1, book_frame(YES, "0.41")))
                await until(lambda n=number: feed.counters()["disconnects"] >= n)  # type: ignore[misc]
    gc.collect()
    await asyncio.sleep(0)


@pytest.mark.usefixtures("either_loop")
@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
def test_asyncio_says_nothing(caplog: pytest.LogCaptureFixture, data: bytes, tls: Tls) -> None:
    loops.run(noise_of(data, tls))
    gc.collect()
    assert [r.getMessage() for r in caplog.records if r.name.startswith("asyncio")] == []
