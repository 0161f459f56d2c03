"""Rows from a loopback socket to a book, a touch and a record, as fast as it goes.

``python -m benches.loopback [--quick]`` prints the rows as JSON. The sender is a process of its own
(``benches.sender``). Rows are wall time from the first frame to the last, so the slower end
decides; the row that only counts frames says what the sender, the socket and picows allow, and the
others are compared with it.

The hashes of this corpus are valid and bookfeed runs with its default hash sampling.
"""

import argparse
import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from picows import WSFrame, WSListener, WSTransport, ws_connect

from benches import loopback_feed, rust_peer
from benches.competitors import JsonSorted, Stack, installed, peer, wrong_answer
from benches.corpus import Corpus, Spec, load
from benches.sender import CA_FILE
from benches.timing import CoreWait, Row, Stopwatch, interleave, pin, write_rows
from bookfeed import JournalWriter
from bookfeed.loops import run
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.reader import Journal, segments

COUNT_ONLY = "picows + uvloop, counts frames only"
USUAL = "websockets + json + dict + sorted()"
BEST_PEER = "picows + uvloop + msgspec + dict, cached touch"
OURS = "bookfeed Feed: books, evidence, rules, records in a callback"
RUST_PEER = "Rust: tungstenite + serde + BTreeMap"
OURS_RECORDED = OURS + ", and a recording"
BUFFER_BYTES = 1 << 30
FRAMES_PER_MS = 400
"""Frames of one venue time: times may not run ahead of the clock of a feed that takes two µs."""
ROW_SECONDS_MAX = 60.0


class Sender:
    """The sending process, one connection at a time."""

    def __init__(self, spec: Spec) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="bookfeed-bench-")
        self.journals = Path(self.directory.name) / "journals"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benches.sender",
                str(spec.frames),
                spec.hashes,
                str(spec.frames_per_ms),
                self.directory.name,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        self.ports: dict[str, int] = self.answer()
        self.tls: ssl.SSLContext | None = None
        if "tls" in self.ports:
            self.tls = ssl.create_default_context(cafile=Path(self.directory.name) / CA_FILE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.process.kill()
        # Closes both pipes and waits.
        self.process.communicate()
        self.directory.cleanup()

    def answer(self) -> Any:
        """The sender's next line."""
        if self.process.stdout is None:
            raise RuntimeError("the sender has no output")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the sender died; its error output is above")
        return json.loads(line)

    def expect(self, transport: str) -> None:
        """Has the sender accept the next connection on ``plain`` or ``tls``."""
        if self.process.stdin is None:
            raise RuntimeError("the sender has no input")
        self.process.stdin.write(transport + "\n")
        self.process.stdin.flush()

    def url(self, transport: str, path: str) -> str:
        """Address to connect to."""
        scheme = "wss" if transport == "tls" else "ws"
        return f"{scheme}://127.0.0.1:{self.ports[transport]}/{path}"


@dataclass
class Receiver(WSListener):
    """A picows listener that hands every text frame to ``take`` until it had ``expected``."""

    expected: int
    take: Callable[[WSFrame], object] | None
    count: int = 0
    watch: Stopwatch = field(default_factory=Stopwatch)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame; the sender's are all text."""
        if self.count == 0:
            self.watch.start()
        self.count += 1
        if self.take is not None:
            self.take(frame)
        if self.count == self.expected:
            self.watch.stop()
            self.done.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The sender is gone, whether or not everything came."""
        self.done.set()


async def receive(
    url: str, tls: ssl.SSLContext | None, expected: int, take: Callable[[WSFrame], object] | None
) -> Stopwatch:
    """Receives ``expected`` frames; returns the time from the first to the last."""
    receiver = Receiver(expected, take)
    transport, _ = await ws_connect(lambda: receiver, url, ssl_context=tls)
    async with asyncio.timeout(ROW_SECONDS_MAX):
        await receiver.done.wait()
        transport.disconnect(graceful=False)
        await transport.wait_disconnected()
    if receiver.count != expected:
        raise ValueError(f"{receiver.count} frames of {expected}")
    return receiver.watch


async def receive_websockets(
    url: str, tls: ssl.SSLContext | None, expected: int, stack: Stack
) -> Stopwatch:
    """As :func:`receive`, with the ``websockets`` package and its strings."""
    from websockets.asyncio.client import connect

    count = 0
    watch = Stopwatch()
    feed: Callable[[Any], None] = stack.feed
    # The sender does not answer close frames, so there is nothing to wait for at the end.
    async with (
        asyncio.timeout(ROW_SECONDS_MAX),
        connect(url, ssl=tls, max_size=None, ping_interval=None, close_timeout=0.01) as connection,
    ):
        async for message in connection:
            if count == 0:
                watch.start()
            feed(message)
            count += 1
            if count == expected:
                watch.stop()
                break
    if count != expected:
        raise ValueError(f"{count} frames of {expected}")
    return watch


@dataclass
class Lane:
    """One way to the sender: which corpus, over which transport."""

    sender: Sender
    corpus: Corpus
    transport: str

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Context for ``ssl``; None for plain."""
        return self.sender.tls if self.transport == "tls" else None

    def begin(self, path: str) -> str:
        """Has the sender wait for a connection; returns the address."""
        self.sender.expect(self.transport)
        return self.sender.url(self.transport, path)

    def end(self) -> dict[str, Any]:
        """What the sender says of the connection. Raises ``ValueError`` if it failed."""
        answer: dict[str, Any] = self.sender.answer()
        if "error" in answer:
            raise ValueError(f"sender: {answer['error']}")
        return answer


@dataclass(frozen=True)
class Pass:
    """A round: wall time and CPU time of the receiving thread, µs a frame, and the share of it
    for which the thread waited for its core."""

    wall_us: float
    cpu_us: float
    core_wait: float


Saturated = Callable[[], Pass]
"""Has the whole corpus sent, receives it and compares the answers."""


def saturated_peer(
    lane: Lane, make: Callable[[], Stack] | None, *, websockets: bool = False
) -> Saturated:
    """A round of a peer; its answers are compared after every round."""
    count = len(lane.corpus.frames)

    def measure() -> Pass:
        url, wait = lane.begin(f"saturated/{count}"), CoreWait()
        stack = make() if make is not None else None
        work: Coroutine[Any, Any, Stopwatch]
        if stack is None:
            work = receive(url, lane.tls, count, None)
        elif websockets:
            work = receive_websockets(url, lane.tls, count, stack)
        else:
            feed: Callable[[Any], None] = stack.feed
            work = receive(url, lane.tls, count, lambda f: feed(f.get_payload_as_memoryview()))
        watch, share = run(work), wait.share()
        lane.end()
        wrong = wrong_answer(stack, lane.corpus) if stack is not None else None
        if wrong is not None:
            raise ValueError(f"{lane.transport}: {wrong}")
        return Pass(*watch.us_per_item(count), share)

    return measure


def saturated_ours(lane: Lane, directory: Path | None = None) -> Saturated:
    """A round of ours; its answers are compared after every round.

    With ``directory`` the frames are recorded there. Frames come faster than any disk takes them,
    so they wait in memory: what is measured is what recording costs the loop's thread.
    """
    count = len(lane.corpus.frames)
    records = loopback_feed.book_records(lane.corpus, count)

    def measure() -> Pass:
        url, wait = lane.begin(f"saturated/{count}"), CoreWait()
        recorder = JournalWriter(directory, buffer_bytes_max=BUFFER_BYTES) if directory else None
        work = loopback_feed.receive(
            lane.corpus,
            url,
            lane.tls,
            records,
            busy_poll=False,
            timeout_s=ROW_SECONDS_MAX,
            recorder=recorder,
        )
        arrivals, share = run(work), wait.share()
        lane.end()
        wrong = loopback_feed.wrong_answer(arrivals, lane.corpus)
        if directory is not None:
            wrong = wrong or wrong_recording(directory, lane.corpus)
        if wrong is None and not arrivals.native:
            wrong = "frames were taken in Python: `bookfeed doctor` says why"
        if wrong is not None:
            raise ValueError(f"bookfeed, {lane.transport}: {wrong}")
        return Pass(*arrivals.us_per_frame(count), share)

    return measure


def saturated_rust(lane: Lane) -> Saturated:
    """A round of a client in Rust, a process on the same core."""
    count = len(lane.corpus.frames)

    def measure() -> Pass:
        url = lane.begin(f"saturated/{count}")
        told = rust_peer.receive(url, lane.corpus, ROW_SECONDS_MAX)
        lane.end()
        wall, cpu = (told[name] / count / 1e3 for name in ("wall_ns", "cpu_ns"))
        return Pass(wall, cpu, told["waited_ns"] / told["wall_ns"])

    return measure


def wrong_recording(directory: Path, corpus: Corpus) -> str | None:
    """What is wrong with a recording of the whole corpus, or None; removes it."""
    frames = [payload for kind, *_, payload in Journal(directory) if kind == Kind.FRAME]
    for segment in segments(directory):
        segment.unlink()
    return None if frames == corpus.frames else "the recording does not hold the frames"


def clients_of(lane: Lane, journals: Path, rust_missing: str | None) -> dict[str, Saturated | str]:
    """Every row of a transport, or why it is skipped."""
    best, websockets = peer("msgspec + dict, cached touch"), installed("websockets")
    if lane.transport == "tls":
        rust_missing = "it has no TLS"
    return {
        COUNT_ONLY: saturated_peer(lane, None),
        USUAL: (
            saturated_peer(lane, JsonSorted, websockets=True)
            if websockets
            else "websockets is not installed"
        ),
        BEST_PEER: best if isinstance(best, str) else saturated_peer(lane, best),
        RUST_PEER: rust_missing or saturated_rust(lane),
        OURS: saturated_ours(lane),
        OURS_RECORDED: saturated_ours(lane, journals),
    }


def saturated_rows(lanes: Sequence[Lane], rounds: int, journals: Path) -> list[Row]:
    """Socket to book to touch, as fast as it goes."""
    rows: dict[str, Row] = {}
    measures: dict[str, Callable[[], float]] = {}
    passes: dict[str, list[Pass]] = {}
    rust_missing = rust_peer.missing()
    for lane in lanes:
        table = f"saturated {lane.transport}"
        for name, client in clients_of(lane, journals, rust_missing).items():
            key = f"{table}/{name}"
            rows[key] = Row(table, name, "µs a frame")
            if isinstance(client, str):
                rows[key].skipped = client
            else:
                passes[key] = []
                measures[key] = keeping(client, passes[key])
    for key, values in interleave(measures, rounds).items():
        rows[key].rounds = values
        rows[key].facts = {
            "cpu": statistics.median(one.cpu_us for one in passes[key]),
            "core wait": statistics.median(one.core_wait for one in passes[key]),
        }
    return list(rows.values())


def keeping(client: Saturated, passes: list[Pass]) -> Callable[[], float]:
    """The wall time of a round; the rest of it is kept."""

    def measure() -> float:
        passes.append(client())
        return passes[-1].wall_us

    return measure


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.loopback", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    options = parser.parse_args(argv)
    frames, rounds = (20_000, 3) if options.quick else (200_000, 5)
    spec = Spec(frames=frames, hashes="valid", frames_per_ms=FRAMES_PER_MS)
    corpus = load(spec)
    with Sender(spec) as sender:
        # Only now: the sender must not inherit this core.
        pin(0)
        lanes = [Lane(sender, corpus, "plain")]
        if sender.tls is not None:
            lanes.append(Lane(sender, corpus, "tls"))
        rows = saturated_rows(lanes, rounds, sender.journals)
    write_rows(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
