"""Where the time of a frame goes: the receiving thread is sampled, and its samples are shared out.

``python -m benches.where [--quick]`` prints the rows as JSON. Linux's ``perf`` looks at the thread
thousands of times a second, by a timer and not by a counter of the processor, so that it works in
virtual machines too, and sees the kernel and every library. A sample belongs to the function it
hit: what the compiler put inside another function counts there, and libc's copies, comparisons and
allocations are a stage of their own, whoever asked for them.

Rounds with sampling and without take turns. The samples say what share of the time a stage took,
the others how long a frame takes: sampling makes nothing look longer. An extension that ships has
no symbols, so one that is equal but for them is built by ``cargo``, and loaded in its place.
"""

import argparse
import importlib.util
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benches.timing import Row, cpu_us_per_item, pin, write_rows

ROOT = Path(__file__).parent.parent
BUILD: Final = (
    *("cargo", "build", "--quiet", "--release", "--locked", "-p", "bookfeed-py"),
    *("--features", "pyo3/extension-module"),
)
BUILT = ROOT / "target" / "release" / "lib_bookfeed.so"
EXTENSION = "bookfeed._bookfeed"
SAMPLES_A_SECOND = 9_999
CLIENTS: Final = ("bare picows", "bookfeed")
RECORDED: Final = f"{CLIENTS[1]} and a recording"
VENUES: Final = ("polymarket", "kalshi", "binance")
TABLE = "where: "
TOGETHER = "together"
SAMPLES = "samples"

KERNEL, TLS, LOOP, SOCKETS = "kernel", "TLS", "uvloop", "picows"
CALL, DECODE, ENGINE = "listener or call, in Rust", "decode", "engine: sequence, books, records"
RULES, HASHES = "rules", "hashes"
LIBC, PYTHON = "libc: copies, comparisons, memory", "Python: dispatch and callback"
STAGES: Final = (KERNEL, TLS, LOOP, SOCKETS, CALL, DECODE, ENGINE, RULES, HASHES, LIBC, PYTHON)
"""In the order in which a frame meets them; the last two are met everywhere."""

LIBRARIES: Final = (
    ("[kernel", KERNEL),
    ("[vdso]", KERNEL),
    ("/uvloop/", LOOP),
    ("/picows/", SOCKETS),
    ("/libssl", TLS),
    ("/libcrypto", TLS),
    ("/_ssl.", TLS),
    ("/libc.so", LIBC),
    ("/libc-", LIBC),
    ("/ld-linux", LIBC),
)
"""By what their paths contain; any other is Python."""
FUNCTIONS: Final = (
    ("sha1", HASHES),
    ("bookfeed_core::book::proof", HASHES),
    ("bookfeed_core::engine::hashes", HASHES),
    ("bookfeed_core::engine::rules", RULES),
    ("bookfeed_core::signals", RULES),
    ("bookfeed_core::metrics", RULES),
    ("bookfeed_core::fees", RULES),
    ("bookfeed_core::venue", DECODE),
    ("bookfeed_core::decode", DECODE),
    ("bookfeed_core::openings", DECODE),
    ("bookfeed_core::instrument", DECODE),
    ("foldhash", DECODE),
    ("bookfeed_core::", ENGINE),
)
"""Of the extension's functions, by what their names contain; any other is the binding's."""


def stage_of(function: str, library: str) -> str:
    """The stage that a sample belongs to."""
    if "_bookfeed" in library:
        return next((stage for part, stage in FUNCTIONS if part in function), CALL)
    return next((stage for part, stage in LIBRARIES if part in library), PYTHON)


@dataclass(frozen=True)
class Round:
    """CPU time of a round, µs a frame, and when it began and ended (CLOCK_MONOTONIC, ns)."""

    cpu_us: float
    began_ns: int
    ended_ns: int


class Sampler:
    """``perf`` at this thread, from entering until leaving."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> "Sampler":
        told, self.tell = os.pipe()
        self.hear, said = os.pipe()
        command = ["perf", "record", "--quiet", "--event", "cpu-clock", "--clockid", "monotonic"]
        command += ["--freq", str(SAMPLES_A_SECOND), "--tid", str(threading.get_native_id())]
        command += ["--delay", "-1", "--control", f"fd:{told},{said}", "--output", str(self.file)]
        self.perf = subprocess.Popen(
            command, pass_fds=(told, said), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        # It wakes up now and then, and had better not do so on the core that is measured.
        os.sched_setaffinity(self.perf.pid, range(os.cpu_count() or 1))
        for end in (told, said):
            os.close(end)
        os.write(self.tell, b"enable\n")
        if not os.read(self.hear, 16):
            _, said_by_perf = self.perf.communicate()
            raise ValueError(f"perf: {said_by_perf.decode(errors='replace').strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.perf.send_signal(signal.SIGINT)
        self.perf.communicate()
        os.close(self.tell)
        os.close(self.hear)

    def stages(self, began_ns: int, ended_ns: int) -> Counter[str]:
        """Samples by stage, of those that were taken in between."""
        script = ["perf", "script", "--ns", "--fields", "time,ip,sym,dso", "--input"]
        done = subprocess.run([*script, str(self.file)], check=True, capture_output=True, text=True)
        return shared_out(done.stdout.splitlines(), began_ns, ended_ns)


def shared_out(lines: Iterable[str], began_ns: int, ended_ns: int) -> Counter[str]:
    """Samples by stage, from lines such as ``1.000000002:  7f00 some::function (/lib/some.so)``."""
    found: Counter[str] = Counter()
    for line in lines:
        at, _, rest = line.strip().partition(":")
        seconds, _, fraction = at.partition(".")
        if (
            not rest
            or not began_ns <= int(seconds) * 10**9 + int(fraction.ljust(9, "0")) <= ended_ns
        ):
            continue
        function, _, library = rest.strip().partition(" ")[2].rpartition(" (")
        found[stage_of(function, library.rstrip(")"))] += 1
    return found


def rows_of(name: str, play: Callable[[], Round], rounds: int, folder: Path) -> list[Row]:
    """A row for each stage, ns a frame, and one for all of them."""
    counts: list[Counter[str]] = []
    alone: list[float] = []
    for n in range(rounds):
        alone.append(play().cpu_us * 1e3)
        with Sampler(folder / f"{n}.data") as sampler:
            seen = play()
        counts.append(sampler.stages(seen.began_ns, seen.ended_ns))
    if not all(count.total() for count in counts):
        raise ValueError(f"perf took no samples of a round of {name}")
    table, frame_ns = TABLE + name, statistics.median(alone)
    rows = [
        Row(table, TOGETHER, "ns", alone, facts={SAMPLES: float(sum(counts, Counter()).total())})
    ]
    for stage in STAGES:
        shares = [count[stage] / count.total() for count in counts]
        rows.append(Row(table, stage, "ns", [share * frame_ns for share in shares]))
    return rows


def in_process(venue: str, frames: int) -> Callable[[], Round]:
    """A round of frames that are handed to the engine one after the other, hashes off."""
    from benches import ours, spent

    corpus, _ = spent.scene(venue, frames)

    def play() -> Round:
        stack = ours.BookfeedStack(spent.scene(venue, frames)[1])
        began_ns = time.perf_counter_ns()
        cpu_us = cpu_us_per_item(lambda: stack.run(corpus, read=False), len(corpus.frames))
        return Round(cpu_us, began_ns, time.perf_counter_ns())

    return play


def bare(lane: Any) -> Callable[[], Round]:
    """A round of picows that counts frames and does nothing else."""
    from benches import loopback
    from bookfeed.loops import run

    count = len(lane.corpus.frames)

    def play() -> Round:
        url = lane.begin(f"saturated/{count}")
        watch = run(loopback.receive(url, lane.tls, count, None))
        lane.end()
        return Round(watch.us_per_item(count)[1], watch.began_ns, watch.ended_ns)

    return play


def feed(lane: Any, directory: Path | None = None) -> Callable[[], Round]:
    """A round of ours, from its first records to its last; answers are compared.

    With ``directory`` the frames are recorded there, as in the saturated rows.
    """
    from benches import loopback, loopback_feed
    from bookfeed.loops import run
    from bookfeed.recordings.writer import JournalWriter

    count = len(lane.corpus.frames)
    records = loopback_feed.book_records(lane.corpus, count)

    def play() -> Round:
        url = lane.begin(f"saturated/{count}")
        bound = loopback.BUFFER_BYTES
        work = loopback_feed.receive(
            lane.corpus,
            url,
            lane.tls,
            records,
            busy_poll=False,
            timeout_s=loopback.ROW_SECONDS_MAX,
            recorder=JournalWriter(directory, buffer_bytes_max=bound) if directory else None,
        )
        arrivals = run(work)
        lane.end()
        wrong = loopback_feed.wrong_answer(arrivals, lane.corpus)
        if directory is not None:
            wrong = wrong or loopback.wrong_recording(directory, lane.corpus)
        if wrong is not None or not arrivals.native:
            raise ValueError(wrong or "frames were taken in Python: `bookfeed doctor` says why")
        began_ns, ended_ns = arrivals.batches[0][0], arrivals.batches[-1][0]
        return Round(arrivals.flow_cpu_ns / count / 1e3, began_ns, ended_ns)

    return play


def with_symbols() -> None:
    """Builds the extension with its symbols, and loads it in place of the one that is installed."""
    subprocess.run(BUILD, cwd=ROOT, check=True)
    spec = importlib.util.spec_from_file_location(EXTENSION, BUILT)
    if spec is None or spec.loader is None:
        raise ValueError(f"{BUILT} is no extension")
    module = importlib.util.module_from_spec(spec)
    sys.modules[EXTENSION] = module
    spec.loader.exec_module(module)


def measured(*, quick: bool) -> list[Row]:
    """Every row."""
    frames, rounds = (20_000, 2) if quick else (200_000, 5)
    from benches import loopback
    from benches.corpus import Spec, load

    rows: list[Row] = []
    spec = Spec(frames=frames, hashes="valid", frames_per_ms=loopback.FRAMES_PER_MS)
    corpus = load(spec)
    with (
        tempfile.TemporaryDirectory(prefix="bookfeed-where-") as name,
        loopback.Sender(spec) as sender,
    ):
        pin(0)
        folder = Path(name)
        for transport in ("plain", "tls") if sender.tls is not None else ("plain",):
            lane = loopback.Lane(sender, corpus, transport)
            clients = {CLIENTS[0]: bare(lane), CLIENTS[1]: feed(lane)}
            if transport == "plain":
                clients[RECORDED] = feed(lane, folder / "journal")
            for client, play in clients.items():
                rows += rows_of(f"{client}, {transport}", play, rounds, folder)
        for venue in VENUES:
            few = frames // 10 if venue == "binance" else frames
            rows += rows_of(f"{venue}, in process", in_process(venue, few), rounds, folder)
    return rows


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.where", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    options = parser.parse_args(argv)
    missing = [tool for tool in ("perf", "cargo") if shutil.which(tool) is None]
    if missing:
        skipped = f"{' and '.join(missing)} is not on PATH"
        write_rows([Row(f"{TABLE}{CLIENTS[1]}, plain", TOGETHER, "ns", skipped=skipped)])
        return 0
    with_symbols()
    write_rows(measured(quick=options.quick))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
