"""The documents are held to what is there: examples run, links lead somewhere, names exist.

Nothing here looks at style. What is checked is what a reader would trip over.
"""

import ast
import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints
from urllib.parse import unquote

import numpy as np
import pytest

import bookfeed
from bookfeed import CAUSES, CLOSE_REASONS, Engine, Leg, Signal
from bookfeed.config import Config
from bookfeed.monitor.objects import signal_object
from bookfeed.records import LEG_BYTES, SIGNAL_BYTES
from bookfeed.sinks import SINKS
from bookfeed.venues import VENUES

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benches").glob("*.md")]
)
SNIPPET: Final = re.compile(r"`(?:\[+(\w+)\]+ )?(\w+ = [^`]+)`")
BENCHMARKS: Final = ROOT / "benches" / "BENCHMARKS.md"
SCORECARD: Final = ROOT / "docs" / "scorecard.md"

README_LINES_MAX: Final = 120
PAGE_LINES_MAX: Final = 250
LINE_MAX: Final = 100
# Of what is written for people who use or change bookfeed: all pages but the record of changes
# and what the benchmarks print. The first figure held the books of venues alone; the second is for
# what came beside them: doctor, private channels, prices of other streams, polling, the catalogue.
# The third is for how the warranty is measured: kept results, what others make of the same faults.
# The fourth is for a fifth venue.
# The fifth is for the index of spot books, windows and fair values.
# The sixth is for what the scorecard keeps, tells and takes from tests.
# The seventh is for sides of very many levels.
# The eighth is for the names of faults, by class and venue.
# The ninth is for several venues' books as one.
# The tenth is for a venue that numbers nothing: by what its books can be believed all the same.
# The eleventh is for a page of its own: which of two connections counts.
# The twelfth is for silence that is odd, and for how far witnesses are trusted.
# The thirteenth is for how near the index comes, and what it may not be called.
# The fourteenth is for delay that grows, and for whole books beside running ones.
# The fifteenth is for faults of connections, TLS and names.
# The sixteenth is for how good fair values were.
# The seventeenth is for the world of one price.
# The eighteenth is for an index as time passes, and its record.
# The nineteenth is for a venue that marks no whole book: by what one shows that is none.
# The twentieth is for books by REST that are asked about silent ones.
# Then an index beside what is told of it, fees of sweeps, and ledgers by their delay.
# The last is for silences that are vouched for however long, and for one book that falls behind.
# After it: what contracts are worth as time passes, and the three rules about that.
SPENT: Final = (27_000, 1_500, 150, 150, 150, 50, 60, 250, 350, 500, 750, 350, 450, 200, 200, 350)
# Then sinks that read books and are called without records, and what each kind of sink keeps.
# For programs of others: without async, by the classes that they know, told by alerts.
FACES: Final = 1_200
# What other processes are told of a feed: its socket, its server, its terminal.
# The last of it: how many clients it has, and which of them it cuts.
BESIDE: Final = 1_500 + 300 + 50
# For a page of its own, on where and how it is deployed; then for assistants,
# OpenTelemetry, and positions on a terminal.
DEPLOYED: Final = 720 + 140 + 170 + 90
# For a venue whose messages are a chain in a window.
CHAIN: Final = 560
# For a witness on another socket.
WITNESS: Final = 370
# For a database of the user's own, and what it promises; for a server that goes
# with a run; for what becomes of finished segments.
# The last of it: what sinks cost, and what each takes.
KEEPING: Final = 260 + 170 + 170 + 190 + 40 + 170
# For another interface of a venue that checks its books.
SECOND: Final = 330
# For a recording as data frames.
FRAMED: Final = 950
# For recordings served in their venue's protocol.
NATIVE: Final = 330
# For each market's own rule of settlement, wrong stamps at spot venues, and what is told of sinks.
RULED: Final = 450
# For whole books that are lost, late, foreign or old, and counts that go on elsewhere.
WHOLE: Final = 180
SUMMED: Final = (250, 430, 500, 100, 220, 160, 850, 1_200, NATIVE, RULED, WHOLE)
WORDS_MAX: Final = (
    FRAMED + FACES + BESIDE + DEPLOYED + CHAIN + WITNESS + KEEPING + SECOND + sum((*SPENT, *SUMMED))
)
# Written by commands, as the benchmarks are.
WRITTEN: Final = {"docs/scorecard.md", "docs/versus.md"}

FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# 0.35 µs, 1,200,000 frames/s, 6 times, 12.5 MiB
MEASURED: Final = re.compile(
    r"(\d[\d.,]*)\s?(?:µs|ns|ms|(?:frames|messages|records)(?:/s| a second)|MiB|times|%)"
)
PLACEHOLDER: Final = re.compile(r"\{\{\w+\}\}")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return [body for name, body in FENCE.findall(page.read_text()) if name == language]


def run(program: list[str | Path], timeout_s: float = 60) -> str:
    """Standard output of a Python program that must succeed without a warning.

    What it logs is its own business: a loaded machine makes a session say that it was held up.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, program)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr
    return done.stdout


# Examples.


def test_the_readme_shows_the_example_as_it_is() -> None:
    """What is run by ``test_examples.py``, so that what a reader copies runs, too."""
    (shown,) = code(ROOT / "README.md", "python")
    example = (ROOT / "examples" / "two_venues.py").read_text()
    for block in shown.strip().split("\n\n\n"):
        assert block in example


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_python_in_the_pages_is_python(page: Path) -> None:
    for body in code(page, "python"):
        compile(body, relative(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_toml_in_the_pages_is_toml() -> None:
    blocks = [body for page in PAGES for body in code(page, "toml")]
    assert blocks
    for body in blocks:
        tomllib.loads(body)


def configured(kind: Any, section: str = "") -> Iterator[tuple[str, str]]:
    """Section and key of whatever may stand in a configuration of a kind."""
    for field in dataclasses.fields(kind):
        yield section, field.name
        hint = get_type_hints(kind)[field.name]
        found: list[Any] = []
        while hint is not None or found:
            if dataclasses.is_dataclass(hint):
                yield from configured(hint, field.name)
            found += get_args(hint)
            hint = found.pop() if found else None


def test_configuration_in_the_prose_names_keys_that_there_are() -> None:
    """What a reader copies out of a sentence is refused if it is misspelled there."""
    parts: list[tuple[Any, str]] = [(kind, "sink") for kind in SINKS.values()]
    parts += [(row.market, "market") for row in VENUES.values()]
    parts += [(row.section, row.name) for row in VENUES.values() if row.section is not None]
    known = {*configured(Config)}.union(*(configured(*part) for part in parts))
    keys, seen = {key for _, key in known}, 0
    for page in (*PAGES, ROOT / "deploy" / "bookfeed.service"):
        for section, text in SNIPPET.findall(FENCE.sub("", page.read_text())):
            try:
                (key,) = tomllib.loads(text)
            except (tomllib.TOMLDecodeError, ValueError):
                continue  # a formula, or Python
            seen += 1
            fits = key in keys if not section else (section, key) in known
            assert fits, f"{relative(page)}: {section} {text}"
    assert seen > 30


# Links and names.


def anchor(heading: str) -> str:
    """The fragment that a heading is linked by, as GitHub spells it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """What links into a page may say after ``#``."""
    headings = re.findall(r"^#+ (.*)", FENCE.sub("", page.read_text()), re.MULTILINE)
    return set(map(anchor, headings))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target in LINK.findall(text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        path = (page.parent / file).resolve() if file else page
        if path == BENCHMARKS:
            continue  # written by `make bench`
        assert path.exists(), f"{relative(page)} links to {target}"
        assert path.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(path), f"{relative(page)}: no heading for {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = LINK.findall(FENCE.sub("", page.read_text()))
        waiting += [(page.parent / t.partition("#")[0]).resolve() for t in links if "://" not in t]
    assert {relative(page) for page in PAGES} == {relative(page) for page in reached}


def guards() -> Iterator[tuple[int, str, str]]:
    """Number of the invariant, file and name of each test that ARCHITECTURE.md gives for it."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.partition("## Invariants")[2].partition("\n## ")[0]
    items = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)
    for number, item in zip(items[1::2], items[2::2], strict=True):
        for file, name in re.findall(r"`([\w./-]+)::(\w+)`", item):
            yield int(number), file, name


def test_every_invariant_names_tests_that_exist() -> None:
    named = list(guards())
    assert {number for number, _, _ in named} == set(range(1, 11))
    for number, file, name in named:
        keyword = "fn" if file.endswith(".rs") else "def"
        source = (ROOT / file).read_text()
        assert re.search(rf"\b{keyword} {name}\(", source), f"invariant {number}: {file}::{name}"


def test_the_tree_is_where_the_architecture_says() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.partition("## Where things are")[2].partition("\n## ")[0]
    bases = ("", "rust/bookfeed-core/src/", "python/bookfeed/")
    for name in re.findall(r"`([\w./-]+(?:\.\w+|/))`", section):
        assert any(
            (ROOT / base / room / name).exists() or list((ROOT / base).glob(f"{room}*/{name}"))
            for base in bases
            for room in ("", "live/")
        ), name
    # What lies in the other rooms is one file a venue, rule, command or sink, found by its name.
    python = ("", "live", "live/recovery", "monitor", "recordings", "rules")
    core = ("", "book", "decode", "engine", "metrics", "sequence", "signals")
    rooms = [ROOT / "python" / "bookfeed" / room for room in python]
    rooms += [ROOT / "rust" / "bookfeed-core" / "src" / room for room in core]
    files = {path.name for room in rooms for path in room.glob("[a-z]*.*") if path.is_file()}
    named = set(re.findall(r"`(?:\w+/)?(\w+\.\w+)`", section))
    assert {name for name in files if name.endswith((".py", ".rs"))} <= named | {"mod.rs"}


def test_every_state_cause_and_evidence_is_explained() -> None:
    text = (ROOT / "docs" / "states.md").read_text()
    for name in (*bookfeed.STATES, *CAUSES, *Engine().evidence()):
        assert f"`{name}`" in text, name


def layout(dtype: np.dtype[Any]) -> list[tuple[str, str, str]]:
    """Offset, type and name of each field, as the page of records prints them."""
    assert dtype.fields is not None
    fields = [(name, *field[:2]) for name, field in dtype.fields.items()]
    return [(str(at), f"{of.kind}{8 * of.itemsize}", name) for name, of, at in fields]


def test_every_field_of_a_record_is_explained() -> None:
    text = (ROOT / "docs" / "records.md").read_text()
    shown = re.findall(r"^## \w+, (\d+) bytes.*?^```text\n(.*?)^```", text, re.M | re.S)
    dtypes = (
        bookfeed.UPDATE_DTYPE,
        bookfeed.SIGNAL_DTYPE,
        bookfeed.LEG_DTYPE,
        bookfeed.LEVEL_DTYPE,
        bookfeed.INDEX_DTYPE,
    )
    for (size, rows), dtype in zip(shown, dtypes, strict=True):
        assert int(size) == dtype.itemsize
        assert re.findall(r"^ *(\d+) +(\w+) +(\w+)", rows, re.M) == layout(dtype)
    for codes in (bookfeed.RULES, bookfeed.SIGNAL_PHASES):
        assert ", ".join(codes) in text
    for name in (*bookfeed.UPDATE_KINDS, *CLOSE_REASONS[1:]):
        assert f"`{name}`" in text, name


def test_the_signal_that_is_explained_is_as_signals_are_printed() -> None:
    section = (ROOT / "docs" / "signals.md").read_text().partition("## Legs")[0]
    shown = json.loads(FENCE.findall(section)[0][1])
    blank = replace(
        Signal.from_bytes(bytes(SIGNAL_BYTES), b""), legs=(Leg.from_bytes(bytes(LEG_BYTES)),)
    )
    printed = signal_object(blank)
    assert shown.keys() <= printed.keys() and shown["legs"][0].keys() <= printed["legs"][0].keys()
    explained = set(re.findall(r"`(\w+)`", section))
    assert {*shown, *shown["legs"][0]} - {"type"} <= explained
    paid = sum(leg["avg_price"] for leg in shown["legs"])
    assert shown["gross_edge"] == pytest.approx(1 - paid, abs=1e-8)
    assert shown["fee"] == pytest.approx(sum(leg["fee"] for leg in shown["legs"]))
    assert shown["capital"] == pytest.approx(shown["qty"] * paid + shown["fee"])
    net = shown["qty"] * shown["net_edge"]
    assert shown["qty"] * shown["gross_edge"] - shown["fee"] == pytest.approx(net, abs=1e-5)
    assert f"that is {net:.2f} USD" in section
    assert f"{net / shown['capital']:.1%}".replace("%", " %") in section


# What Python and the system say, and not we.
SAID_BY_OTHERS: Final = {
    "ConnectionRefusedError", "CERTIFICATE_VERIFY_FAILED", "No space left on device",
    "No module named 'bookfeed._bookfeed'", "address already in use",
    "cannot be called from a running event loop", "no field of name bid_price",
}  # fmt: skip


def test_what_the_troubleshooting_page_quotes_is_what_is_said() -> None:
    sources = [*(ROOT / "python").rglob("*.py"), *(ROOT / "rust").glob("bookfeed-*/src/**/*.rs")]
    said = "\n".join(path.read_text() for path in [*sources, ROOT / "Makefile"] if path.is_file())
    said = re.sub(r'"\s*\n\s*f?"', "", said)
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    symptoms = [row.split("|")[1] for row in re.findall(r"^\| .*", page, re.MULTILINE)]
    quoted = [text for symptom in symptoms for text in re.findall("`([^`]+)`", symptom)]
    assert len(symptoms) > 25 and len(quoted) > 25
    for text in quoted:
        parts = (part.strip(" .:") for part in re.split(r"…|\bN\b|\d+|[(),.]", text))
        missing = [p for p in parts if len(p) > 2 and p not in said and p not in SAID_BY_OTHERS]
        assert not missing or text in SAID_BY_OTHERS, f"nobody says {missing} of `{text}`"


def test_make_targets_in_the_pages_exist() -> None:
    rules = re.findall(r"^((?:[a-z0-9 -]|\\\n)+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {target for rule in rules for target in rule.replace("\\", " ").split()}
    for page in PAGES:
        for target in re.findall(r"`make ([a-z-]+)|^    make ([a-z-]+)", page.read_text(), re.M):
            assert (target[0] or target[1]) in targets, f"{relative(page)}: make {target}"


# Shape.


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_prose_is_wrapped(page: Path) -> None:
    """Tables and blocks are as wide as what they show; the record of benchmarks is printed."""
    if page == BENCHMARKS:
        pytest.skip("written by `make bench`")
    text = FENCE.sub("", page.read_text())
    wide = [line for line in text.splitlines() if len(line) > LINE_MAX]
    assert [
        line for line in wide if not line.startswith(("|", "    ")) and " " in line.strip()
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_a_long_page_says_what_is_in_it(page: Path) -> None:
    text = page.read_text()
    if len(text.splitlines()) > PAGE_LINES_MAX:
        anchors = re.findall(r"\]\(#([\w-]+)\)", text.partition("\n## ")[0])
        headings = re.findall(r"^## (.+)$", FENCE.sub("", text), re.MULTILINE)
        expected = [anchor(heading) for heading in headings]
        assert [a for a in anchors if a in expected] == expected


def test_the_readme_is_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < README_LINES_MAX


def test_all_pages_together_have_a_bound() -> None:
    told = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/")
    pages = [page for page in PAGES if relative(page).startswith(told)]
    pages = [page for page in pages if relative(page) not in WRITTEN]
    words = {relative(page): len(page.read_text().split()) for page in pages}
    assert sum(words.values()) < WORDS_MAX, sorted(words.items(), key=lambda item: -item[1])


# Numbers.


def test_every_measured_number_has_a_row_in_the_benchmarks() -> None:
    if not BENCHMARKS.exists():
        pytest.skip("benches/BENCHMARKS.md is not there yet; `make bench` writes it")
    measured = BENCHMARKS.read_text() + SCORECARD.read_text()
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "docs" / "tuning.md"):
        text = FENCE.sub("", page.read_text())
        assert not PLACEHOLDER.search(text), f"{page.name} has a number to fill in"
        for number in MEASURED.findall(text):
            bare = re.escape(number.rstrip(".,"))
            assert re.search(rf"(?<![\d.,]){bare}(?![\d]|[.,]\d)", measured), (
                f"{page.name}: {number}"
            )


def test_the_readme_states_the_three_figures_of_the_scorecard() -> None:
    # What it came to is followed by the tier that was measured.
    passed = re.compile(r"^\| (W\d) (?:\| [^|]* ){2}\| ([^|]*) \|(?: [^|]* \|)? pass \|$", re.M)
    rows = dict(passed.findall(SCORECARD.read_text()))
    readme = " ".join((ROOT / "README.md").read_text().replace("**", "").split())
    assert rows["W1"].partition(":")[0] in readme
    assert rows["W2"] in readme and rows["W3"] in readme


# The project speaks of itself alone.

FOREIGN: Final = re.compile(
    r"/work/|/tmp/(?:contract|corpus|bugs)|\bissue #?\d+\b|\bas an AI\b|\blanguage model\b"
    r"|\b(?:chat|coding|AI) (?:session|agent|assistant)s?\b|\bsub-?agents?\b|\bthe lead\b"
    r"|\bTODO\b|\bFIXME\b|\bXXX\b|\bHACK\b",
    re.IGNORECASE,
)
TEXT: Final = {".md", ".py", ".pyi", ".rs", ".toml", ".sh", ""}
SKIPPED: Final = {
    ".git",
    ".hypothesis",
    ".venv",
    ".make",
    "target",
    "dist",
    "corpus",
    "artifacts",
    "data",
}


def own_files() -> Iterator[Path]:
    """Every text file of the project, this one left out: it has to name what it looks for."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(p in SKIPPED or p.endswith(("_cache", "__pycache__", ".cache")) for p in parts)
        if path.is_file() and not hidden and path.suffix in TEXT and path != Path(__file__):
            yield path


def test_no_foreign_words() -> None:
    found = [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for path in own_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert found == []
