"""The invariants of ARCHITECTURE.md that can be read off the source, or seen through the API.

Where text is searched, comments count too, unless a test says otherwise: a URL in a comment of the
core would be as much out of place as one in its code.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from venue_names import path_names_one, text_names_one

from bookfeed import CAUSES, RULES, SIGNAL_PHASES, STATES, UPDATE_KINDS, Batch, Engine
from bookfeed.venues import VENUES

ROOT: Final = Path(__file__).parents[1]
CORE: Final = ROOT / "rust" / "bookfeed-core"
BINDINGS: Final = ROOT / "rust" / "bookfeed-py"
PYTHON: Final = ROOT / "python" / "bookfeed"

YES, NO, MARKET = "1" * 77, "2" * 77, "0x" + "ab" * 32
T0: Final = 1_790_000_000_000_000_000
MS: Final = 1_000_000

# One is what recordings of each venue showed, which simulated worlds are made by; another is which
# venues an index is of.
SHARED_FILES_NAMING_A_VENUE_MAX: Final = 8


def hits(pattern: str, *paths: Path, suffix: str) -> Iterator[str]:
    """``file:line: text`` of every match in the files below ``paths``."""
    expression = re.compile(pattern)
    files = [f for path in paths for f in ([path] if path.is_file() else path.rglob(f"*{suffix}"))]
    assert files, f"nothing to search in {paths}"
    for file in sorted(files):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if expression.search(line):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()}"


# 1. The core does no I/O.


def test_the_core_depends_on_few_crates_and_its_bans_are_lints() -> None:
    """What may not be depended on is in ``deny.toml``, what may not be used in ``clippy.toml``."""
    manifest = tomllib.loads((CORE / "Cargo.toml").read_text())
    assert set(manifest["dependencies"]) == {
        "bytemuck", "crc32fast", "foldhash", "libm", "sha1", "sha2", "wide", "zstd",
    }  # fmt: skip
    banned = {
        one["crate"] for one in tomllib.loads((ROOT / "deny.toml").read_text())["bans"]["deny"]
    }
    assert banned >= {"pyo3", "tokio", "mio", "socket2", "async-std", "smol", "chrono", "rayon"}
    limits = tomllib.loads((CORE / "clippy.toml").read_text())
    types = {one["path"] for one in limits["disallowed-types"]}
    assert types >= {"f32", "f64", "std::fs::File", "std::time::Instant", "std::time::SystemTime"}
    assert "std::thread::spawn" in {one["path"] for one in limits["disallowed-methods"]}
    lints = "disallowed_types, clippy::disallowed_methods"
    assert f"deny(clippy::{lints})" in (CORE / "src" / "lib.rs").read_text()


# 2. Rust never calls back; nothing outlives its frame.


def test_the_payload_is_borrowed_for_the_call_only() -> None:
    engine = live_engine()
    payload = bytearray(change_frame(T0 // MS + 1, [(YES, "0.42", "7", "BUY", "0.42", "0.60")]))
    engine.ingest(0, payload, T0 + MS)
    payload[:] = b"x" * len(payload)
    payload.clear()  # a BufferError, if the engine still held it
    assert engine.book(0).bid_e9 == 420_000_000
    assert [row["bid_price_e9"] for row in engine.drain().updates][-1] == 420_000_000


# 3. No float in a book, a fee or a comparison.


def test_floats_are_for_presentation_only() -> None:
    """Only metrics, trade windows and latencies may give floats, and only the index and what rests
    on it may compute in them: elsewhere they are an error.
    """
    said = hits(r"clippy::float_arithmetic", CORE / "src", suffix=".rs")
    found = {hit.split(":")[0].removeprefix("rust/bookfeed-core/src/") for hit in said}
    shown, computed = (
        {"latency.rs", "metrics/mod.rs", "trades.rs"},
        ("fairvalue", "index", "settlement"),
    )
    assert found == {"lib.rs"} | shown | {f"{room}/mod.rs" for room in computed}


def test_floats_that_are_computed_in_come_from_one_library() -> None:
    """The functions of ``f64`` are those of each platform: ``libm`` has the same bits on all."""
    rooms = [CORE / "src" / room for room in ("fairvalue", "index", "settlement")]
    functions = r"\.(exp|exp2|ln|log\w*|sqrt|pow[if]|sin|cos|tan|a?tan2?|round|mul_add)\("
    assert not [hit for hit in hits(functions, *rooms, suffix=".rs") if "//!" not in hit]


# 4. No market data in Python, no URL in Rust.


def test_no_python_file_reads_market_data() -> None:
    """Readers of JSON are banned by ruff, but for the files that ``pyproject.toml`` names."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert {"json.loads", "orjson.loads"} <= ruff["flake8-tidy-imports"]["banned-api"].keys()
    free = {path for path, rules in ruff["per-file-ignores"].items() if "TID251" in rules}
    live = [
        path for path in PYTHON.rglob("*.py") if path.parent.name in ("live", "recovery", "venues")
    ]
    assert live and not any(path.match(pattern) for path in live for pattern in free)
    assert _rooms(r"price_changes|orderbook_fp") <= {"audit", "scorecard", "sim"}
    # What is the user's own is no market data, and has these words, too.
    assert _rooms(r"event_type|asset_id") <= {"audit", "own", "scorecard", "sim"}


def _rooms(words: str) -> set[str]:
    """The rooms of which a file has one of the words as a text."""
    found = hits(rf"[\"']({words})[\"']", PYTHON, suffix=".py")
    return {hit.split(":")[0].split("/")[2] for hit in found}


def test_no_rust_file_knows_a_url() -> None:
    assert not list(hits(r"\b(https?|wss?)://", CORE, BINDINGS, suffix=".rs"))


def test_unsafe_code_is_in_the_bindings_only_and_says_why() -> None:
    assert "#![forbid(unsafe_code)]" in (CORE / "src" / "lib.rs").read_text()
    assert not list(hits(r"\bunsafe\b(?!_code)", CORE / "src", suffix=".rs"))
    found = {}
    for file in (BINDINGS / "src").rglob("*.rs"):
        text = file.read_text()
        blocks = len(re.findall(r"\bunsafe \{", text))
        explained = re.findall(r"// SAFETY:[^\n]*\n(?:\s*//[^\n]*\n)*[^\n]*\bunsafe \{", text)
        assert len(explained) == blocks, file
        functions = re.findall(
            r"((?:///[^\n]*\n)*)(?:pub[^\n]* )?unsafe (?:extern \"C\" )?fn \w", text
        )
        assert all("# Safety" in documented for documented in functions), file
        if re.search(r"\bunsafe\b", text):
            found[file.relative_to(BINDINGS / "src").as_posix()] = blocks
    assert found.keys() == {"engine/mod.rs", "listening/picows.rs"}
    assert found["engine/mod.rs"] == 1, "more than the one place that reads a Python buffer"


# 5. Once per venue message.


def book_json(asset: str, ms: int, bids: str, asks: str) -> str:
    return (
        f'{{"event_type":"book","market":"{MARKET}","asset_id":"{asset}","timestamp":"{ms}",'
        f'"hash":"","bids":[{bids}],"asks":[{asks}]}}'
    )


def level(price: str, size: str = "10") -> str:
    return f'{{"price":"{price}","size":"{size}"}}'


def change_frame(ms: int, changes: list[tuple[str, str, str, str, str, str]]) -> bytes:
    """A ``price_change``: (asset, price, size, side, best bid, best ask) of each entry."""
    entries = ",".join(
        f'{{"asset_id":"{asset}","price":"{price}","size":"{size}","side":"{side}","hash":"",'
        f'"best_bid":"{bid}","best_ask":"{ask}"}}'
        for asset, price, size, side, bid, ask in changes
    )
    return (
        f'{{"market":"{MARKET}","price_changes":[{entries}],"timestamp":"{ms}",'
        '"event_type":"price_change"}'
    ).encode()


def live_engine(*rules: tuple[str, Mapping[str, object]]) -> Engine:
    """Both outcomes of a market, live: 0.40 to 0.60, mirrored; nothing left to drain."""
    engine = Engine(hash_check="off")
    for kind, params in rules:
        engine.add_rule(kind, params)
    for asset in (YES, NO):
        engine.subscribe("polymarket", asset, 0, T0, market=MARKET, fee="polymarket:0;1")
    books = (book_json(asset, T0 // MS, level("0.40"), level("0.60")) for asset in (YES, NO))
    engine.ingest(0, f"[{','.join(books)}]".encode(), T0)
    assert [book.state for book in engine.books()] == ["live", "live"]
    engine.drain()
    return engine


def kinds(batch: Batch) -> list[tuple[int, str]]:
    return [(int(r["instrument"]), UPDATE_KINDS[r["kind"]]) for r in batch.updates]


def test_one_message_is_one_change_of_a_book_however_many_entries_it_has() -> None:
    engine = live_engine()
    entries = [(YES, f"0.4{i}", "5", "BUY", "0.45", "0.60") for i in range(6)]
    engine.ingest(0, change_frame(T0 // MS + 1, entries), T0 + MS)
    assert kinds(engine.drain()) == [(0, "book")]


def test_rules_never_see_a_message_half_applied() -> None:
    """Between these two entries YES and NO could be bought for 0.95; after both they cannot."""
    engine = live_engine(("complement", {"min_edge": "0.001"}))
    entries = [
        (YES, "0.35", "10", "SELL", "0.34", "0.35"),
        (YES, "0.40", "0", "BUY", "0.34", "0.35"),
        (YES, "0.34", "10", "BUY", "0.34", "0.35"),
        (NO, "0.60", "0", "SELL", "0.65", "0.66"),
        (NO, "0.66", "10", "SELL", "0.65", "0.66"),
        (NO, "0.65", "10", "BUY", "0.65", "0.66"),
        (NO, "0.40", "0", "BUY", "0.65", "0.66"),
        (YES, "0.60", "0", "SELL", "0.34", "0.35"),
    ]
    engine.ingest(0, change_frame(T0 // MS + 1, entries), T0 + MS)
    batch = engine.drain()
    assert kinds(batch) == [(0, "book"), (1, "book")]
    assert len(batch.signals) == 0
    assert sum(engine.refusals().values()) == 0, "the rule was asked in the middle"


# 7. State on every record; no signal from a book that is not live.


def test_every_record_carries_its_state_and_no_signal_outlives_it() -> None:
    engine = live_engine(("spread", {"open": "0.25"}))
    wide = [(YES, "0.40", "0", "BUY", "0", "0.60"), (YES, "0.30", "9", "BUY", "0.30", "0.60")]
    engine.ingest(0, change_frame(T0 // MS + 1, wide), T0 + MS)
    opened = engine.drain()
    assert [SIGNAL_PHASES[s["phase"]] for s in opened.signals] == ["open"]
    assert [STATES[leg["state"]] for leg in opened.legs] == ["live", "live"]
    engine.ingest(0, b'{"market":', T0 + 2 * MS)  # names nobody, so it concerns all
    lost = engine.drain()
    assert {(STATES[u["state"]], CAUSES[u["cause"]]) for u in lost.updates} == {
        ("stale", "malformed")
    }
    assert [SIGNAL_PHASES[s["phase"]] for s in lost.signals] == ["close"]
    engine.ingest(0, change_frame(T0 // MS + 3, wide), T0 + 3 * MS)
    assert len(engine.drain().signals) == 0
    assert not any(book.live for book in engine.books())


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_speaks_of_books_that_were_never_live(rule: str) -> None:
    engine = Engine(hash_check="off")
    legs = {"legs": f"polymarket {YES} yes; polymarket {NO} yes"}
    parameters: dict[str, dict[str, Any]] = {
        "spread": {"open": "0"},
        "complement": {},
        "box": {"a": f"polymarket {YES} yes", "b": f"polymarket {NO} no"},
        "basket": legs,
        "ladder": legs,
        "fair_value": {},
        "delay": {},
        "strike_gap": {
            "a": f"polymarket {YES} yes", "b": f"polymarket {NO} no",
            "a_strike": "1", "b_strike": "2", "reference_sd": "1",
        },
    }  # fmt: skip
    engine.add_rule(rule, parameters[rule])
    for asset in (YES, NO):
        engine.subscribe("polymarket", asset, 0, T0, market=MARKET, fee="polymarket:0;1")
    engine.ingest(0, change_frame(1, [(YES, "0.30", "9", "SELL", "0.20", "0.30")]), T0)
    assert len(engine.drain().signals) == 0


# 10. Nothing listens beyond loopback.


def test_only_the_simulators_listen() -> None:
    """What listens is banned by ruff elsewhere; what is left are methods, which no lint knows.

    A feed listens for other processes of its user, at a path; its server where it may.
    """
    servers = r"(\b(create_server|create_unix_server|serve_forever)|\.listen)\("
    found = {hit.split(":")[0] for hit in hits(servers, PYTHON, suffix=".py")}
    assert any(path.split("/")[2] == "sim" for path in found), "the pattern finds nothing"
    others = {path for path in found if path.split("/")[2] != "sim"}
    assert others == {"python/bookfeed/sinks/socket.py", "python/bookfeed/web/server.py"}
    assert "AF_INET" not in (PYTHON / "sinks" / "socket.py").read_text()
    everywhere = r"0\.0\.0\.0|[\"']::[\"']|INADDR_ANY"
    assert not list(hits(everywhere, PYTHON, suffix=".py"))


# The rooms.


@pytest.mark.parametrize("room", ["audit", "sim"])
def test_the_witness_and_the_simulators_do_without_the_engine(room: str) -> None:
    """The compiled engine is no module that import-linter sees: here it cannot be imported."""
    script = f"""
import importlib, pkgutil, sys
sys.modules["bookfeed._bookfeed"] = None
package = importlib.import_module("bookfeed.{room}")
for module in pkgutil.walk_packages(package.__path__, "bookfeed.{room}."):
    importlib.import_module(module.name)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_few_shared_files_name_a_venue() -> None:
    """A file whose own path carries a venue's name is that venue's; the others know none."""
    sources = [*PYTHON.rglob("*.py"), *PYTHON.rglob("*.pyi")]
    sources += [*(CORE / "src").rglob("*.rs"), *(BINDINGS / "src").rglob("*.rs")]
    shared = (path.relative_to(ROOT) for path in sources)
    naming = sorted(
        str(path)
        for path in shared
        if not path_names_one(path, VENUES) and text_names_one((ROOT / path).read_text(), VENUES)
    )
    assert len(naming) <= SHARED_FILES_NAMING_A_VENUE_MAX, naming
