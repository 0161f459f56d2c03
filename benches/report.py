"""Runs every row set, each in a process of its own, and writes ``benches/BENCHMARKS.md``.

``python -m benches.report`` takes some minutes. ``--quick`` takes about one, on smaller corpora,
and prints to standard output unless ``--output`` names a file: its figures are for a look, not
for the record. ``--only ROWSET`` measures that alone and prints it, as ``make bench-ROWSET`` does.
A row whose answer is wrong ends the run and nothing is written.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benches import picture
from benches.tables import ROW_SETS, Tables, lines_of
from benches.targets import NOT_MEASURED, verdicts
from benches.timing import Row, read_rows

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


def run_row_set(name: str, *, quick: bool) -> list[Row]:
    """Rows of one set. Raises ``CalledProcessError`` if it failed; it has said why."""
    module, *arguments = ROW_SETS[name].command
    command = [sys.executable, "-m", f"benches.{module}", *arguments]
    command += ["--quick"] if quick else []
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    return read_rows(done.stdout)


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


def head_lines(command: str, load_before: float, *, quick: bool) -> list[str]:
    """Where, when and how."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}`; do not edit. How each number is made is in `README.md` beside",
        "this file.",
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


def document(
    measured: dict[str, list[Row]], command: str, load_before: float, *, quick: bool
) -> str:
    """The whole of BENCHMARKS.md, from the rows of each row set, or what was measured of it."""
    tables = by_table(row for rows in measured.values() for row in rows)
    found = verdicts(tables)
    if len(measured) < len(ROW_SETS):
        found = [line for line in found if line[-1] != NOT_MEASURED]
    lines = head_lines(command, load_before, quick=quick)
    if found:
        lines += ["## Targets", "", *lines_of(["target", "asked", "measured", "verdict"], found)]
        lines += [
            "Absolute targets were set on another machine, where parsing this mix with orjson took",
            "1.47 µs a frame; ratios carry over, absolute times only as far as the machines agree.",
            "",
        ]
    for name in measured:
        lines += ROW_SETS[name].lines(tables)
    return "\n".join(lines).rstrip() + "\n"


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.report", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute instead of several")
    parser.add_argument(
        "--only", choices=ROW_SETS, action="append", help="this row set, printed; may be repeated"
    )
    parser.add_argument("--output", type=Path, help=f"file to write (default: {OUTPUT.name})")
    parser.add_argument("--picture", type=Path, help=f"curves of growth (default: {PICTURE.name})")
    options = parser.parse_args(argv)
    names: list[str] = options.only or list(ROW_SETS)
    command = " ".join(["python -m benches.report", *argv])
    load_before = os.getloadavg()[0]
    measured: dict[str, list[Row]] = {}
    for name in names:
        sys.stderr.write(f"{name} …\n")
        try:
            measured[name] = run_row_set(name, quick=options.quick)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"row set {name} failed ({error.returncode}); nothing is written\n")
            return 1
    text = document(measured, command, load_before, quick=options.quick)
    output = options.output or (None if options.quick or options.only else OUTPUT)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)
    drawn = options.picture or (PICTURE if output == OUTPUT else None)
    if drawn is not None and "growth" in measured:
        picture.draw(by_table(measured["growth"]), drawn)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
