"""Runs every row set, each in a process of its own, and writes ``benches/BENCHMARKS.md``.

``python -m benches.report`` takes some minutes. ``--quick`` takes about one, on smaller corpora,
and prints to standard output unless ``--output`` names a file: its figures are for a look, not
for the record. ``--only ROWSET`` measures that alone and prints it, as ``make bench-ROWSET`` does.
``--keep DIRECTORY`` puts what was measured there: with ``--only``, row sets can be measured one by
one, whenever the machine is quiet, and as soon as all of them are there, by the same build, the
file is written from them. A row whose answer is wrong ends the run and nothing is written.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benches import picture
from benches.tables import ROW_SETS, Tables, lines_of
from benches.targets import NOT_MEASURED, verdicts
from benches.timing import Row, read_rows
from bookfeed import _bookfeed

HERE = Path(__file__).parent
OUTPUT = HERE / "BENCHMARKS.md"
PICTURE = HERE / "growth.svg"
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


@dataclass(frozen=True)
class Measured:
    """Rows of one set, and when, how busy the machine was before, and by which build."""

    rows: list[Row]
    at: str
    load: float
    build: str

    def keep(self, path: Path) -> None:
        """Writes it down."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def kept(cls, path: Path) -> "Measured":
        """What :meth:`keep` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text())
        return cls(**fields | {"rows": [Row(**row) for row in fields["rows"]]})


def build() -> str:
    """Names the compiled part."""
    return hashlib.sha256(Path(_bookfeed.__file__).read_bytes()).hexdigest()[:16]


def run_row_set(name: str, *, quick: bool) -> Measured:
    """Measures one set. Raises ``CalledProcessError`` if it failed; it has said why."""
    module, *arguments = ROW_SETS[name].command
    command = [sys.executable, "-m", f"benches.{module}", *arguments]
    command += ["--quick"] if quick else []
    at = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    load = os.getloadavg()[0]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(read_rows(done.stdout), at, load, build())


def all_kept(directory: Path) -> dict[str, Measured] | None:
    """Every row set from a directory, in order; None while one is missing or of another build."""
    paths = {name: directory / f"{name}.json" for name in ROW_SETS}
    found = {name: Measured.kept(path) for name, path in paths.items() if path.exists()}
    of_this = {name: measured for name, measured in found.items() if measured.build == build()}
    for name in ROW_SETS:
        if name not in of_this:
            why = "by another build" if name in found else "not yet"
            sys.stderr.write(f"{name}: measured {why}\n")
    return of_this if len(of_this) == len(ROW_SETS) else None


def by_table(rows: Iterable[Row]) -> Tables:
    """Rows by table and name, in order."""
    tables: Tables = {}
    for row in rows:
        tables.setdefault(row.table, {})[row.name] = row
    return tables


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


def head_lines(command: str, measured: dict[str, Measured], *, quick: bool) -> list[str]:
    """Where, when and how."""
    times = ", ".join(f"{name} {one.at} ({one.load:.2f})" for name, one in measured.items())
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}`; do not edit. How each number is made is in `README.md` beside",
        "this file.",
        "",
        f"* Machine: {cpu_name()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}",
        f"* Measured, in UTC, with the load average just before: {times}",
        f"* Versions: {versions()}",
        "",
    ]
    if quick:
        lines += ["**Quick tier: small corpora and few rounds. Not for the record.**", ""]
    return lines


def contents(lines: Iterable[str]) -> list[str]:
    """What a page has: a link to each of its tables, a line each."""
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    return [f"* [{heading}](#{anchor(heading)})" for heading in headings]


def anchor(heading: str) -> str:
    """The name by which a browser finds a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def document(measured: dict[str, Measured], command: str, *, quick: bool) -> str:
    """The whole of BENCHMARKS.md, from the rows of each row set, or what was measured of it."""
    tables = by_table(row for one in measured.values() for row in one.rows)
    found = verdicts(tables)
    if len(measured) < len(ROW_SETS):
        found = [line for line in found if line[-1] != NOT_MEASURED]
    lines: list[str] = []
    if found:
        lines += ["## Targets", "", *lines_of(["target", "asked", "measured", "verdict"], found)]
        lines += [
            "Absolute targets were set on another machine, where parsing this mix with orjson took",
            "1.47 µs a frame; ratios carry over, absolute times only as far as the machines agree.",
            "",
        ]
    for name in measured:
        lines += ROW_SETS[name].lines(tables)
    head = head_lines(command, measured, quick=quick)
    return "\n".join([*head, *contents(lines), "", *lines]).rstrip() + "\n"


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.report", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute instead of several")
    parser.add_argument(
        "--only", choices=ROW_SETS, action="append", help="this row set, printed; may be repeated"
    )
    parser.add_argument("--output", type=Path, help=f"file to write (default: {OUTPUT.name})")
    parser.add_argument("--picture", type=Path, help=f"curves of growth (default: {PICTURE.name})")
    parser.add_argument("--keep", type=Path, help="directory for row sets measured one by one")
    options = parser.parse_args(argv)
    if options.keep and options.quick:
        parser.error("--keep is for the record, --quick is not: leave one of them out")
    measured: dict[str, Measured] = {}
    chosen = [name for name, rows in ROW_SETS.items() if rows.quick or not options.quick]
    for name in options.only or chosen:
        sys.stderr.write(f"{name} …\n")
        try:
            measured[name] = run_row_set(name, quick=options.quick)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"row set {name} failed ({error.returncode}); nothing is written\n")
            return 1
        if options.keep:
            measured[name].keep(options.keep / f"{name}.json")
    whole = all_kept(options.keep) if options.keep else None
    command = "python -m benches.report" if whole else " ".join(["python -m benches.report", *argv])
    text = document(whole or measured, command, quick=options.quick)
    part = options.quick or (options.only and not whole)
    output = options.output or (None if part else OUTPUT)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)
    drawn = options.picture or (PICTURE if output == OUTPUT else None)
    if drawn is not None and "growth" in (whole or measured):
        picture.draw(by_table((whole or measured)["growth"].rows), drawn)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
