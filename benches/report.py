"""Runs every row set, each in a process of its own, and writes ``benches/BENCHMARKS.md``.

``python -m benches.report`` takes some minutes. ``--quick`` takes about one, on smaller corpora,
and prints to standard output unless ``--output`` names a file: its figures are for a look, not
for the record. A row whose answer is wrong ends the run and nothing is written.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benches import ingest, loopback, questions, sinks, stages
from benches.targets import SENDER_LATE_US_MAX, verdicts
from benches.timing import Row, read_rows

HERE = Path(__file__).parent
OUTPUT = HERE / "BENCHMARKS.md"
ROW_SETS = ("ingest", "stages", "questions", "loopback", "sinks")
PACKAGES = (
    "bookfeed",
    "numpy",
    "orjson",
    "msgspec",
    "order-book",
    "pysimdjson",
    "sortedcontainers",
    "nautilus_trader",
    "picows",
    "uvloop",
    "websockets",
)
Table = dict[str, Row]


def run_row_set(name: str, *, quick: bool) -> list[Row]:
    """Rows of one set. Raises ``CalledProcessError`` if it failed; it has said why."""
    command = [sys.executable, "-m", f"benches.{name}"] + (["--quick"] if quick else [])
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    return read_rows(done.stdout)


def by_table(rows: Iterable[Row]) -> dict[str, Table]:
    """Rows by table and name, in order."""
    tables: dict[str, Table] = {}
    for row in rows:
        tables.setdefault(row.table, {})[row.name] = row
    return tables


def number(value: float) -> str:
    """Three significant digits or so."""
    if value >= 1_000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def lines_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return [*lines, ""]


def rounds_of(row: Row) -> list[str]:
    """min, median, max of the rounds."""
    return [number(row.min), number(row.median), number(row.max)]


def race_lines(table: Table) -> list[str]:
    """Bytes to book to touch."""
    ours = table[ingest.OURS]
    body = []
    for name, row in table.items():
        if row.skipped is not None:
            body.append([name, *["-"] * 6, f"skipped: {row.skipped}"])
            continue
        peer = not name.startswith("bookfeed")
        ratio = f"{row.median / ours.median:.1f} x" if peer else ""
        calls = [number(row.spread[p]) for p in ("p50", "p99", "max")]
        body.append([name, *rounds_of(row), *calls, ratio])
    head = ["stack", "min", "median", "max", "call p50", "call p99", "call max", "bookfeed is"]
    return lines_of(head, body)


def plain_lines(table: Table, unit: str) -> list[str]:
    """Rows with nothing but their rounds."""
    body = [
        [name, *(rounds_of(row) if row.skipped is None else ["-", "-", f"skipped: {row.skipped}"])]
        for name, row in table.items()
    ]
    return lines_of([unit, "min", "median", "max"], body)


def saturated_lines(table: Table) -> list[str]:
    """Wall time of the rounds, and the receiving thread's CPU time."""
    body = [
        [name, *rounds_of(row), number(row.facts["cpu"])]
        if row.skipped is None
        else [name, "-", "-", "-", f"skipped: {row.skipped}"]
        for name, row in table.items()
    ]
    return lines_of(["client", "min", "median", "max", "CPU, median"], body)


def question_lines(tables: dict[str, Table]) -> list[str]:
    """One line a stack, one column a question: median, and p99 over the rounds."""
    asked = [questions.TOUCH, questions.SPREAD, *questions.vwap_names().values()]
    body = []
    for stack in questions.ASKED:
        cells = []
        for question in asked:
            row = tables[question][stack]
            cells.append(
                f"skipped: {row.skipped}"
                if row.skipped is not None
                else " / ".join(
                    number(x) for x in (row.min, row.median, row.spread["p99"], row.max)
                )
            )
        body.append([stack, *cells])
    return lines_of(["min / median / p99 / max", *asked], body)


def paced_lines(tables: dict[str, Table]) -> list[str]:
    """Latency percentiles, and the difference to bare picows at p50 and p99."""
    body = []
    for title, table in tables.items():
        if not title.startswith("paced "):
            continue
        for name, row in table.items():
            busy = loopback.BUSY if name.endswith(loopback.BUSY) else ""
            bare = table[loopback.BARE + busy]
            against = [
                "" if row is bare else f"{row.spread[p] - bare.spread[p]:+.1f}"
                for p in ("p50", "p99")
            ]
            late = [number(row.facts[f"sender late {p}"]) for p in ("p50", "p99")]
            spread = [number(row.spread[p]) for p in ("p50", "p99", "p99.9", "max")]
            cells = [title.removeprefix("paced "), name, *spread, *against, " / ".join(late)]
            body.append(cells)
    head = ["rate", "client", "p50", "p99", "p99.9", "max", "p50 - bare", "p99 - bare"]
    return lines_of([*head, "sender late p50 / p99"], body)


def sink_lines(table: Table) -> list[str]:
    """What the feed takes with more and more sinks."""
    body = []
    for name, row in table.items():
        cells = [row.facts["emit p50"], row.facts["emit p99"], row.spread["p50"], row.spread["p99"]]
        late = row.facts["sender late p99"]
        body.append([name, *map(number, (*cells, row.facts["cpu"], late))])
    head = ["sinks", "recv to emit p50", "p99", "due to callback p50", "p99"]
    return lines_of([*head, "loop's CPU a frame", "sender late p99"], body)


def disturbance_lines(rows: Iterable[Row]) -> list[str]:
    """A warning where the sender could not keep its own schedule: something else was running."""
    late_us = max((r.facts.get("sender late p99", 0.0) for r in rows), default=0.0)
    if late_us <= SENDER_LATE_US_MAX:
        return []
    return [
        f"**Disturbed run: the sender itself was up to {number(late_us)} µs late at p99, so",
        "something else was running. The paced latencies below are not to be trusted.**",
        "",
    ]


def cpu_name() -> str:
    """The processor as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def versions() -> str:
    """Versions of what took part."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def head_lines(command: str, load_before: float, *, quick: bool) -> list[str]:
    """Where, when and how."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}`; do not edit. How each number is made is in `README.md` beside",
        "this file; the rows' code is in `ingest.py`, `questions.py` and `loopback.py`, those of",
        "the core's own stages in `rust/bookfeed-core/benches`.",
        "",
        f"* Date: {today}",
        f"* Machine: {cpu_name()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}; load average at the start {load_before:.2f}",
        f"* Versions: {versions()}",
        "",
    ]
    if quick:
        lines += ["**Quick tier: small corpora and few rounds. Not for the record.**", ""]
    return lines


def engine_lines(tables: dict[str, Table]) -> list[str]:
    """The tables of what is timed without a socket."""
    return [
        "## Bytes to book to touch, µs a frame",
        "",
        "The same corpus, books and touches in every row, compared before timing. CPU time over",
        "the whole corpus; single calls on the wall clock, timer included.",
        "",
        *race_lines(tables[ingest.RACE]),
        "## Parsing alone, and a call that finds nothing to do, µs a frame",
        "",
        *plain_lines(tables[ingest.PARSE] | tables[ingest.CALL], "row"),
        "## Kalshi: bytes to book to touch, µs a frame",
        "",
        "As above, another corpus. bookfeed has the spread rule on every market and a box with a",
        "Polymarket outcome on every second one; some boxes open, some are refused for fees.",
        "",
        *race_lines(tables[ingest.KALSHI_RACE]),
        "## Kalshi: parsing alone, µs a frame",
        "",
        *plain_lines(tables[ingest.KALSHI_PARSE], "row"),
        "## Binance: bytes to book to touch, µs a frame",
        "",
        "As above, another corpus: differences of 20 to 100 levels, of books of 1,000 levels",
        "a side and some far away. bookfeed checks the update ids and has the spread rule on each.",
        "",
        *race_lines(tables[ingest.BINANCE_RACE]),
        "## Binance: parsing alone, µs a frame",
        "",
        *plain_lines(tables[ingest.BINANCE_PARSE], "row"),
        "## What checking the venue's hashes costs, µs a frame",
        "",
        "A shorter corpus with valid hashes on every `book` and `price_change`. Sampling goes by",
        "receive time, so it costs less a frame the faster frames come.",
        "",
        *plain_lines(tables[ingest.HASH], "row"),
        "## The core's own stages, ns",
        "",
        "Rust alone, by `cargo bench --bench stages`, which compares each answer before it is",
        "timed. The time of an `ingest` is everything the engine does with a frame.",
        "",
        *plain_lines(tables[stages.STAGES], "stage"),
        "## Questions asked of a book, 97 levels a side, ns",
        "",
        *question_lines(tables),
        "## What relying on a book costs, ns",
        "",
        "A price is read; the book is asked whether it is live, its evidence at most two seconds",
        "old, and the venue's hash vouches for it as it stands.",
        "",
        *plain_lines(tables[questions.TRUST], "statement"),
    ]


def loopback_lines(tables: dict[str, Table], rows: Sequence[Row]) -> list[str]:
    """The tables of what is timed from a socket on."""
    lines: list[str] = []
    for transport in ("plain", "tls"):
        table = tables.get(f"saturated {transport}")
        if table is not None:
            title = f"## Saturated loopback, {transport}, µs a frame"
            lines += [title, "", *saturated_lines(table)]
    return [
        *lines,
        "## Paced loopback, µs from the frame's due time to the user's callback",
        "",
        "Open-loop schedule, percentiles pooled over the rounds; a stall delays every frame that",
        "was due meanwhile and all of them count. `bare` is picows with a callback that only looks",
        "at the clock. The sender's own lateness (worst round) is part of every latency.",
        "",
        *disturbance_lines(rows),
        *paced_lines(tables),
        f"## Sinks, {sinks.RATE:,} frames a second, µs",
        "",
        "The paced loopback with more and more sinks. The healthy one writes lines of JSON into a",
        "file; the stalling one never comes back from its first batch, so its queue is full and is",
        "conflated; the raising one raises at every batch. `recv to emit` is the engine's own",
        "histogram, medians of the rounds.",
        "",
        *sink_lines(tables[sinks.TABLE]),
    ]


def document(rows: Sequence[Row], command: str, load_before: float, *, quick: bool) -> str:
    """The whole of BENCHMARKS.md."""
    tables = by_table(rows)
    lines = head_lines(command, load_before, quick=quick)
    lines += ["## Targets", ""]
    lines += lines_of(["target", "asked", "measured", "verdict"], verdicts(tables))
    lines += [
        "Absolute targets were set on another machine, where parsing this mix with orjson took",
        "1.47 µs a frame; ratios carry over, absolute times only as far as the machines agree.",
        "",
    ]
    lines += engine_lines(tables)
    lines += loopback_lines(tables, rows)
    return "\n".join(lines).rstrip() + "\n"


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.report", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute instead of several")
    parser.add_argument("--output", type=Path, help=f"file to write (default: {OUTPUT.name})")
    options = parser.parse_args(argv)
    command = "python -m benches.report" + (" --quick" if options.quick else "")
    load_before = os.getloadavg()[0]
    rows: list[Row] = []
    for name in ROW_SETS:
        sys.stderr.write(f"{name} …\n")
        try:
            rows += run_row_set(name, quick=options.quick)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"row set {name} failed ({error.returncode}); nothing is written\n")
            return 1
    text = document(rows, command, load_before, quick=options.quick)
    output = options.output or (None if options.quick else OUTPUT)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
