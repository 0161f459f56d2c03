"""The invariants of ARCHITECTURE.md that can be read off the source, or seen through the API.

Where text is searched, comments count too, unless a test says otherwise: a URL in a comment of the
core would be as much out of place as one in its code.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from bookfeed import CAUSES, RULES, SIGNAL_PHASES, STATES, UPDATE_KINDS, Batch, Engine

ROOT: Final = Path(__file__).parents[1]
CORE: Final = ROOT / "rust" / "bookfeed-core"
BINDINGS: Final = ROOT / "rust" / "bookfeed-py"
PYTHON: Final = ROOT / "python" / "bookfeed"

YES, NO, MARKET = "1" * 77, "2" * 77, "0x" + "ab" * 32
T0: Final = 1_790_000_000_000_000_000
MS: Final = 1_000_000


def hits(pattern: str, *paths: Path, suffix: str) -> Iterator[str]:
    """``file:line: text`` of every match in the files below ``paths``."""
    expression = re.compile(pattern)
    files = [f for path in paths for f in ([path] if path.is_file() else path.rglob(f"*{suffix}"))]
    assert files, f"nothing to search in {paths}"
    for file in sorted(files):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if expression.search(line):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()}"


def lock_closure(name: str) -> set[str]:
    """Every crate that ``name`` is built from, itself left out."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    needs: dict[str, list[str]] = {}
    for package in lock["package"]:
        needs.setdefault(package["name"], []).extend(
            text.split()[0] for text in package.get("dependencies", [])
        )
    manifest = tomllib.loads((CORE / "Cargo.toml").read_text())
    waiting = list(manifest["dependencies"]) if name == "bookfeed-core" else needs[name]
    seen: set[str] = set()
    while waiting:
        crate = waiting.pop()
        if crate not in seen:
            seen.add(crate)
            waiting += needs[crate]
    return seen


# 1. The core does no I/O.


def test_the_core_depends_on_nothing_that_does_io() -> None:
    manifest = tomllib.loads((CORE / "Cargo.toml").read_text())
    assert set(manifest["dependencies"]) == {
        "bytemuck", "crc32fast", "sha1", "sha2", "wide", "zstd",
    }  # fmt: skip
    io = {"pyo3", "pyo3-ffi", "tokio", "mio", "socket2", "async-std", "smol", "chrono", "rayon"}
    assert lock_closure("bookfeed-core").isdisjoint(io)
    assert "pyo3" in lock_closure("bookfeed-py"), "the closure is not read rightly"


def test_the_core_opens_nothing_reads_no_clock_and_starts_no_thread() -> None:
    modules = r"\bstd::(net|fs|io|env|process|thread|os)\b|\bextern crate\b"
    things = r"\b(SystemTime|Instant|TcpStream|UdpSocket|File|stdin|stdout|stderr|println!)\b"
    assert not list(hits(f"{modules}|{things}", CORE / "src", suffix=".rs"))


# 2. Rust never calls back; nothing outlives its frame.


def test_the_bindings_call_python_for_numpy_arrays_and_mappings_only() -> None:
    calls = hits(r"\.(call|call0|call1|call_method\w*)\(", BINDINGS / "src", suffix=".rs")
    allowed = re.compile(r'"numpy"|call_method1\("reshape"|call_method0\("items"\)')
    assert [hit for hit in calls if not allowed.search(hit)] == []


def test_the_payload_is_borrowed_for_the_call_only() -> None:
    engine = live_engine()
    payload = bytearray(change_frame(T0 // MS + 1, [(YES, "0.42", "7", "BUY", "0.42", "0.60")]))
    engine.ingest(0, payload, T0 + MS)
    payload[:] = b"x" * len(payload)
    payload.clear()  # a BufferError, if the engine still held it
    assert engine.book(0).bid_e9 == 420_000_000
    assert [row["bid_price"] for row in engine.drain().updates][-1] == 420_000_000


# 3. No float in a book, a fee or a comparison.


def test_floats_are_for_presentation_only() -> None:
    """Only metrics, trade windows and latencies give floats, and nothing there is read back."""
    found = {hit.split(":")[0] for hit in hits(r"\bf(32|64)\b", CORE / "src", suffix=".rs")}
    source = "rust/bookfeed-core/src"
    metrics = ("metrics/ratio", "metrics/touch", "metrics/walk")
    assert found == {f"{source}/{name}.rs" for name in ("latency", "trades", *metrics)}
    users = CORE / "src" / "book", CORE / "src" / "engine", CORE / "src" / "signals"
    assert not list(hits(r"_f64\b", *users, suffix=".rs"))


# 4. No market data in Python, no URL in Rust.

# What reads JSON, and what it reads; the simulators and their plain client are the
# other side of the wire.
JSON_READERS: Final = {
    "recordings/inputs.py": "control records of a journal",
    "recordings/reader.py": "metadata of a journal",
    "recordings/capture.py": "lines of a capture, in which a frame is a string",
    "cli/source.py": "the simulator's ready line",
    # The independent witness: it must read the frames itself, and is never on the live path.
    "audit/numbers.py": "frames of a journal, for the auditor",
    "audit/auditor.py": "control records of a journal, for the auditor",
    "audit/answers.py": "the line before a REST book of a journal, for the auditor",
}


def test_no_python_file_reads_market_data() -> None:
    found = {
        hit.split(":")[0].removeprefix("python/bookfeed/")
        for hit in hits(r"\bloads?\(|JSONDecoder|raw_decode|msgspec|simdjson", PYTHON, suffix=".py")
        if re.search(r"json|decode|msgspec", hit)
    }
    assert {name for name in found if not name.startswith("sim/")} == set(JSON_READERS)
    words = hits(r"[\"'](price_changes|event_type|asset_id)[\"']", PYTHON, suffix=".py")
    names = {hit.split(":")[0].removeprefix("python/bookfeed/") for hit in words}
    assert {n for n in names if not n.startswith("sim/")} <= {
        "audit/readings/kalshi.py",
        "audit/readings/polymarket.py",
    }


def test_no_rust_file_knows_a_url() -> None:
    assert not list(hits(r"\b(https?|wss?)://", CORE, BINDINGS, suffix=".rs"))


def test_unsafe_code_is_in_the_bindings_only_and_says_why() -> None:
    assert "#![forbid(unsafe_code)]" in (CORE / "src" / "lib.rs").read_text()
    assert not list(hits(r"\bunsafe\b(?!_code)", CORE / "src", suffix=".rs"))
    blocks = 0
    for file in (BINDINGS / "src").rglob("*.rs"):
        text = file.read_text()
        blocks += len(re.findall(r"\bunsafe\b", text))
        explained = re.findall(r"// SAFETY:[^\n]*\n(?:\s*//[^\n]*\n)*[^\n]*\bunsafe\b", text)
        assert len(explained) == len(re.findall(r"\bunsafe\b", text)), file
    assert blocks == 1, "more unsafe code than the one place that reads a Python buffer"


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
    }
    engine.add_rule(rule, parameters[rule])
    for asset in (YES, NO):
        engine.subscribe("polymarket", asset, 0, T0, market=MARKET, fee="polymarket:0;1")
    engine.ingest(0, change_frame(1, [(YES, "0.30", "9", "SELL", "0.20", "0.30")]), T0)
    assert len(engine.drain().signals) == 0


# 10. Nothing listens beyond loopback.


def test_only_the_simulator_listens() -> None:
    servers = r"\b(\w*create_server|start_server|TCPSite|UnixSite|serve_forever|\.listen)\("
    found = {hit.split(":")[0] for hit in hits(servers, PYTHON, suffix=".py")}
    assert found == {"python/bookfeed/sim/server.py", "python/bookfeed/sim/rest.py"}
    everywhere = r"0\.0\.0\.0|[\"']::[\"']|INADDR_ANY"
    assert not list(hits(everywhere, PYTHON, suffix=".py"))
