"""The Autobahn suite against this client: ``python tests/echoing.py ws://127.0.0.1:PORT``.

The suite's fuzzing server counts what a client makes of some 300 conversations. It expects every
message back, so the session here has an engine that echoes, and takes binary messages, which no
venue sends. All else, the socket side and RFC 6455, is what a feed runs on. ``scripts/autobahn``
starts the server and says what it found.
"""

import argparse
import asyncio
import codecs
import json
import logging
import random
import sys
from dataclasses import replace
from typing import Any, Final

import picows
import pytest

from bookfeed import loops
from bookfeed.clock import AnchoredClock
from bookfeed.live import session as sessions
from bookfeed.live.connection import ConnectionLogic, ConnectionPolicy
from bookfeed.live.framing import MessageAssembler, Opcode, check_text
from bookfeed.live.listener import FeedListener
from bookfeed.live.pacing import Stagger
from bookfeed.live.session import Session
from bookfeed.venues.base import Endpoint
from bookfeed.venues.polymarket import polymarket

# Four cases want an echo of a good frame that stands before a bad one in the same read, two that
# invalid UTF-8 is noticed before its frame is whole. The socket layer does neither.
LOOSE_MAX: Final = 6
TRIES: Final = 5
# The longest conversations of the suite send 16 MiB in small pieces.
CASE_TIMEOUT_S: Final = 120.0


class EchoAssembler(MessageAssembler):
    """Takes binary messages, too: any bytes are right in them."""

    binary = False

    def frame(self, opcode: int, fin: bool, reserved: bool, payload: bytes) -> bytes | None:
        if opcode in (Opcode.TEXT, Opcode.BINARY) and not self.open and not reserved:
            self.binary = opcode == Opcode.BINARY
            codec = "latin-1" if self.binary else "utf-8"
            self._decoder = codecs.getincrementaldecoder(codec)()  # type: ignore[assignment]
            opcode = Opcode.TEXT
        return super().frame(opcode, fin, reserved, payload)


class EchoListener(FeedListener):
    """Hands what is no plain text to the echo as well, empty messages and binary ones included."""

    def __init__(self, session: Session, venue: Any) -> None:
        super().__init__(session, venue)
        self._assembler = EchoAssembler(session.frame_bytes_max)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        assert isinstance(self._inputs, Echo)
        self._inputs.transport = transport
        super().on_ws_connected(transport)

    def _text(self, payload: bytes, ts: int) -> None:
        assembler = self._assembler
        assert isinstance(assembler, EchoAssembler) and isinstance(self._inputs, Echo)
        kind = picows.WSMsgType.TEXT
        if assembler.binary:
            assembler.binary, kind = False, picows.WSMsgType.BINARY
        else:
            check_text(payload)
        self._inputs.answer(kind, payload)


class Echo:
    """What a session takes for the door of an engine: it sends every message back, where wanted."""

    def __init__(self, *, wanted: bool) -> None:
        self.last = b""
        self.transport: picows.WSTransport | None = None
        self._wanted = wanted

    def ingest(self, conn: int, payload: bytes, ts: int) -> int:
        del conn, ts
        self.answer(picows.WSMsgType.TEXT, payload)
        return 0

    def answer(self, kind: picows.WSMsgType, payload: bytes) -> None:
        """The same message back."""
        self.last = payload
        if self._wanted and self.transport is not None:
            self.transport.send(kind, payload)

    def connected(self, *_: object, **__: object) -> None:
        """Nothing is kept."""

    disconnected = invalidate = connected


class Nobody:
    """The owner of a session that lives for one conversation."""

    def __init__(self) -> None:
        self.down = asyncio.Event()

    def flush(self, conn: int | None = None) -> None:
        """There are no records."""

    def opened(self, session: Session) -> None:
        """Nothing is asked for."""

    def fail(self, error: BaseException) -> None:
        """An engine that echoes does not fail."""
        raise error

    def status_changed(self, session: Session) -> None:
        """The conversation is over when the connection is."""
        if session.state == "down":
            self.down.set()


async def converse(url: str) -> bytes:
    """One connection until the server ends it; the last message."""
    echo, host = Echo(wanted="/runCase" in url), Nobody()
    policy = ConnectionPolicy(reconnect=False, silence_ns=0)
    logic = ConnectionLogic(policy, lambda: (), rng=random.Random(1), stagger=Stagger(0))
    session = Session(
        0,
        endpoint=Endpoint(replace(polymarket(), ping_text=None), url),
        logic=logic,
        inputs=echo,  # type: ignore[arg-type]
        clock=AnchoredClock(),
        host=host,
    )
    session.start()
    async with asyncio.timeout(CASE_TIMEOUT_S):
        await host.down.wait()
    await session.stop()
    return echo.last


def echo_by(patch: pytest.MonkeyPatch) -> None:
    """Sessions hand whatever comes to the listener that sends it back."""
    patch.setattr(sessions, "listener_of", EchoListener)


async def ask(url: str, what: str) -> Any:
    """What the server answers to a question, as JSON."""
    return json.loads(await converse(f"{url}/{what}"))


async def play(url: str, case: int, agent: str) -> str:
    """One case, and what the server thinks of it.

    A few depend on how the kernel joins their bytes; they have several tries.
    """
    told = ""
    for _ in range(TRIES):
        await converse(f"{url}/runCase?case={case}&agent={agent}")
        told = (await ask(url, f"getCaseStatus?case={case}&agent={agent}"))["behavior"]
        if told != "NON-STRICT":
            break
    return str(told)


async def run(url: str, loop: str) -> dict[str, list[str]]:
    """The names of all cases, by what the server thinks of them."""
    found: dict[str, list[str]] = {}
    for case in range(1, int(await ask(url, "getCaseCount")) + 1):
        told = await play(url, case, f"bookfeed-{loop}")
        name = (await ask(url, f"getCaseInfo?case={case}"))["id"]
        found.setdefault(told, []).append(name)
    return found


def main() -> int:
    """Plays all cases; 1 if one failed, or more are not strict than are known not to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    args = parser.parse_args()
    logging.getLogger("bookfeed").setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        echo_by(patch)
        patch.setattr(loops, "uvloop_available", lambda: args.loop == "uvloop")
        found = loops.run(run(args.url, args.loop))
    shown = {told: len(names) for told, names in sorted(found.items())}
    loose = found.get("NON-STRICT", [])
    print(json.dumps({"loop": args.loop, **shown, "not strict": loose}))
    return 1 if found.get("FAILED") or len(loose) > LOOSE_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
