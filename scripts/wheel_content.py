"""Checks what a wheel contains, against an allow-list: ``python scripts/wheel_content.py WHEEL…``.

Exits with 1 and names the files if one is not on the list, if one that must be there is missing,
or if the wheel is not the one wheel for every CPython from 3.11 on.
"""

import re
import sys
from pathlib import Path
from typing import Final
from zipfile import ZipFile

PACKAGES: Final = (
    "",
    "audit/((fees|readings|rules|shapes)/)?",
    "catalogue/((kalshi|polymarket)/)?",
    "cli/",
    "compat/",
    "dispatch/",
    "doctor/",
    "fair/",
    "feed/",
    "live/(recovery/)?",
    "monitor/",
    "own/",
    "recordings/",
    "records/",
    "relays/",
    "rules/",
    "scorecard/((campaigns|index_worlds|rows)/)?",
    "sim/([a-z_]+/){0,2}",
    "sinks/",
    "sync/",
    "tables/",
    "top/",
    "venues/",
    "web/",
)
EXTENSION: Final = "bookfeed/_bookfeed.abi3.so"
REQUIRED: Final = frozenset(
    {
        "bookfeed/__init__.py",
        "bookfeed/__main__.py",
        "bookfeed/_bookfeed.pyi",
        "bookfeed/py.typed",
        "bookfeed/web/page/index.html",
        "bookfeed/web/page/page.js",
        "bookfeed/web/page/style.css",
        "bookfeed/web/prometheus/alerts.yml",
        "bookfeed/web/prometheus/grafana.json",
        EXTENSION,
        "dist-info/METADATA",
        "dist-info/WHEEL",
        "dist-info/RECORD",
        "dist-info/entry_points.txt",
        "dist-info/licenses/LICENSE",
    }
)
ALLOWED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        *(rf"bookfeed/{package}[a-z_]+\.py" for package in PACKAGES),
        # The dashboard: files of ours alone, which a browser is given as they are.
        r"bookfeed/web/page/[a-z]+\.(css|html|js|svg)",
        # The list of compiled-in crates that the build writes.
        r"dist-info/sboms/[a-z-]+\.cyclonedx\.json",
    )
)
DIST_INFO: Final = re.compile(r"^bookfeed-[^/]+\.dist-info/")
BYTES_MAX: Final = 16 * 2**20
TAG: Final = "-cp311-abi3-"


def problems(wheel: Path) -> list[str]:
    """What is wrong with the wheel, one line each; empty if nothing is."""
    with ZipFile(wheel) as archive:
        sizes = {DIST_INFO.sub("dist-info/", i.filename): i.file_size for i in archive.infolist()}
    found = [f"{name} is missing" for name in sorted(REQUIRED - sizes.keys())]
    for name, size in sizes.items():
        if name not in REQUIRED and not any(pattern.fullmatch(name) for pattern in ALLOWED):
            found.append(f"{name} is not on the allow-list")
        if size > BYTES_MAX:
            found.append(f"{name} has {size} bytes, more than {BYTES_MAX}")
    if TAG not in wheel.name:
        found.append(f"the file name lacks {TAG!r}")
    return found


def main(arguments: list[str]) -> int:
    """Command line: one wheel or more."""
    if not arguments:
        print("which wheel? usage: python scripts/wheel_content.py WHEEL…", file=sys.stderr)
        return 2
    failed = False
    for argument in arguments:
        wheel = Path(argument)
        for problem in problems(wheel):
            failed = True
            print(f"{wheel.name}: {problem}", file=sys.stderr)
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
