"""``bookfeed run``, ``record`` and ``sim`` as processes: real sockets, real signals, real ends."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "bookfeed"]
DEMO = ("--demo", "--markets", "3", "--rate", "500")
# Two of each market of Polymarket's; and one of each on Kalshi, three in a basket, three strikes,
# and two of each window: of two series the present one and the next, which begins within a minute.
POLYMARKET_BOOKS, BOOKS = 6, 23
VENUES = ("polymarket", "kalshi")
# What every private key of the simulator begins with, and what holds it.
KEY_WORDS = ("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEI", "private_key")
BUNDLES = {"complement", "box", "basket", "ladder"}
# What may be said: what was asked for by -v, that a pair is a basis, that one has not been seen to
# agree yet, and that the machine made the loop wait.
USUAL = re.compile(
    r"[^\n]* (?:DEBUG|INFO|WARNING bookfeed\.rules\.why:) [^\n]*\n"
    r"|[^\n]* WARNING [^\n]*: (?:basis, not the same contract:|the event loop stood still) [^\n]*\n"
)
# Two seconds where the machine has time.
ENDS_S_MAX = 10.0
HOME = b"\x1b[H"
# But for some that are inside a batch of frames.
ALL_LIVE = f"(1[89]|2[0-3])/{BOOKS} live"


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def finished(*arguments: str, code: int = 0) -> str:
    done = ran(*arguments)
    assert (done.returncode, complaints(done.stderr)) == (code, "")
    return done.stdout


def complaints(err: str) -> str:
    """What is on standard error, but for what is no fault."""
    return USUAL.sub("", err)


def believed(told: dict[str, Any]) -> int:
    """Books that are live, or inside a batch of frames at the moment they were looked at."""
    states: dict[str, int] = told["states"]
    assert states["live"] > 0
    return states["live"] + states.get("suspect", 0)


def own_seed(number: int) -> str:
    """A seed that no other run of these tests has at this moment, to know its processes by."""
    return f"{number}{os.getpid()}"


def processes(word: str) -> list[str]:
    """Command lines that have ``word`` as an argument."""
    told = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in told.stdout.splitlines() if word in line.split()]


@contextmanager
def running(
    *arguments: str, program: Sequence[str] = COMMAND, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A process of ``program``, killed in the end; ``options`` are those of ``Popen``."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen([*program, *arguments], text=True, **pipes)
    # What a test waits for may never be printed.
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


class Told:
    """What a process has told so far, a line of JSON for each thing."""

    def __init__(self) -> None:
        self.out = self.err = ""
        self.lines: list[dict[str, Any]] = []
        self.kinds: Counter[str] = Counter()
        """Lines by type; "signal open box", "signal close box edge", "fill box" and the like."""
        self.live: set[str] = set()
        """Symbols of books that have been live."""

    def take(self, line: str) -> None:
        self.out += line
        told = json.loads(line)
        self.lines.append(told)
        self.kinds[told["type"]] += 1
        if told["type"] == "signal":
            name = f"signal {told['phase']} {told['rule']}"
            self.kinds.update((name, f"{name} {told['reason']}"))
        elif told["type"] == "fill":
            self.kinds[f"fill {told['rule']}"] += 1
        elif told["type"] == "state" and told["state"] == "live":
            self.live.add(told["symbol"])


def run_until(
    enough: Callable[[Told], bool],
    *arguments: str,
    word: str = "run",
    **options: Any,
) -> Told:
    """Runs until enough has been told, then presses Ctrl-C; everything told, the summary last.

    ``options`` are those of ``running``.
    """
    told = Told()
    with (
        TemporaryFile("w+") as err,
        running(word, *arguments, "-o", "ndjson", stderr=err, **options) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            told.take(line)
            if enough(told):
                break
        else:
            raise AssertionError(f"ended before it had told enough: {told.kinds}")
        process.send_signal(signal.SIGINT)
        for line in process.stdout:
            told.take(line)
        code = process.wait()
        err.seek(0)
        told.err = err.read()
    assert (code, complaints(told.err)) == (0, "")
    assert told.lines[-1]["type"] == "summary"
    return told


@pytest.fixture(scope="module")
def demo() -> Told:
    """One run of the demo, of which several things are asked."""

    def enough(so_far: Told) -> bool:
        kinds = so_far.kinds
        return len(so_far.live) == BOOKS and kinds["books"] >= 3 and kinds["signal open spread"] > 0

    return run_until(enough, *DEMO, "--seed", "810001")


@pytest.mark.xdist_group("demo")
def test_the_demo_runs_and_tells_what_it_saw(demo: Told) -> None:
    told = demo.lines[-1]
    assert told["source"] == "demo seed 810001"
    assert believed(told) == BOOKS
    assert told["frames"] > 200
    assert told["messages"]["price_change"] > 100
    assert told["messages"]["orderbook_delta"] > 100
    # One for each book; then those that books are compared with, every few seconds.
    assert told["messages"]["orderbook_snapshot"] >= 9
    assert told["counters"]["decode_errors"] == 0
    assert told["counters"]["disconnects"] == 0
    assert told["evidence"]["bbo_mismatch"] == told["evidence"]["hash_change_mismatch"] == 0
    assert told["signals"]["opened"]["spread"] > 0
    for latency in told["latency_ns"].values():
        assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    for book in told["books"]:
        assert book["bid"] < book["ask"]
        assert book["spread"] == pytest.approx(book["ask"] - book["bid"])
    windows = [book for book in told["books"] if book["outcome"] in ("Up", "Down")]
    titles = {book["market"] for book in windows}
    assert len(titles) == 4 and len(windows) == 8
    assert {title.split(" - ")[0] for title in titles} == {
        "Bitcoin Up or Down",
        "Ethereum Up or Down",
    }
    others = [book for book in told["books"] if book not in windows]
    assert {book["outcome"] for book in others} == {"Yes", "No"}
    names = [{b["market"] for b in others if b["venue"] == v} for v in VENUES]
    assert len(names[0]) == 3
    assert names[0] < names[1]
    assert told["counters"]["handshakes_denied"] == 0


@pytest.mark.xdist_group("demo")
def test_lines_for_programs(demo: Told) -> None:
    lines = demo.lines
    assert {line["type"] for line in lines} == {"rule", "state", "signal", "books", "summary"}
    states: dict[str, list[str]] = {}
    for line in lines:
        if line["type"] == "state":
            states.setdefault(line["symbol"], []).append(line["state"])
    assert [of_book[:2] for of_book in states.values()] == [["syncing", "live"]] * BOOKS
    of_kalshi = {symbol for symbol in states if symbol.startswith("KX")}
    assert len(of_kalshi) == 9
    assert all(len(symbol) > 70 for symbol in states.keys() - of_kalshi)
    lives: dict[int, list[str]] = {}
    for line in lines:
        if line["type"] == "signal":
            lives.setdefault(line["id"], []).append(line["phase"])
            assert all(leg["symbol"] and leg["venue"] in VENUES for leg in line["legs"])
            assert all(leg["outcome"] in ("YES", "NO") for leg in line["legs"])
            assert {"name", "maker_edge", "lag_ns", "rule_id"} <= set(line)
    assert lives
    for phases in lives.values():
        assert phases[0] == "open"
        assert set(phases[1:-1]) <= {"update"}
        # The feed has ended, and with it every opportunity.
        assert phases[-1] == "close"


def test_the_paper_ledger_and_the_refusals_are_told_as_they_grow() -> None:
    # Which rule is filled first is the demo's affair.
    lines = run_until(
        lambda so_far: {"paper", "why", "fill complement"} <= so_far.kinds.keys(),
        *("--demo", "--markets", "12", "--rate", "900", "--seed", "810011"),
        *("--why", "--paper-latency-ms", "20", "-qq"),
    ).lines
    summary = lines[-1]
    fills = [line for line in lines if line["type"] == "fill"]
    totals = summary["paper"]
    # Fills that came after the summary was made up are told all the same.
    assert len({fill["signal"] for fill in fills}) == len(fills) >= totals["signals"] > 0
    assert totals["signals"] == totals["whole"] + totals["partial"] + totals["gone"]
    assert {fill["rule"] for fill in fills} <= BUNDLES
    opened = {
        line["id"]: line for line in lines if line["type"] == "signal" if "open" in line["phase"]
    }
    for fill in fills:
        assert fill["captured"] <= fill["qty"] == opened[fill["signal"]]["qty"]
    counts: dict[str, int] = {}
    for one in summary["why"]:
        counts[one["reason"]] = counts.get(one["reason"], 0) + one["count"]
    assert counts == {reason: n for reason, n in summary["signals"]["refused"].items() if n}


def test_signals_across_venues_come_and_go_and_nothing_secret_is_said(tmp_path: Path) -> None:
    told = run_until(
        lambda so_far: so_far.kinds["signal close box edge"] > 0,
        *("--demo", "--seed", "1", "--directory", str(tmp_path), "-vv"),
        word="record",
    )
    journal = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for said in (told.out, told.err, journal.decode("latin-1")):
        assert said
        assert not any(word in said for word in KEY_WORDS)
    lines = told.lines
    boxes = [line for line in lines if line["type"] == "signal" and line["rule"] == "box"]
    assert {"open", "close"} <= {line["phase"] for line in boxes}
    for box in boxes:
        assert [leg["venue"] for leg in box["legs"]] in ([*VENUES], [*VENUES[::-1]])
        assert {leg["outcome"] for leg in box["legs"]} == {"YES", "NO"}
        assert box["fee"] == pytest.approx(sum(leg["fee"] for leg in box["legs"]))
        assert box["gross_edge"] - box["fee"] / box["qty"] == pytest.approx(box["net_edge"])
    rules = {line["name"]: line for line in lines if line["type"] == "rule"}
    assert [rule["rule"] for rule in rules.values()] == ["box"] * 4 + ["basket", "ladder"]
    assert [len(rule.get("basis", ())) for rule in rules.values()] == [1, 0, 0, 0, 0, 0]
    assert {box["name"] for box in boxes} <= set(rules)


def test_without_cryptography_the_demo_is_of_polymarket_alone(tmp_path: Path) -> None:
    program = (
        "import importlib.util as util, sys\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: (\n"
        "    None if name == 'cryptography' else found(name, *more)\n"
        ")\n"
        "from bookfeed.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    run = ("run", *DEMO, "--seed", "810012", "--seconds", "1", "-o", "json")
    command = [sys.executable, "-c", program, *run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    (warning,) = complaints(done.stderr).splitlines()
    assert "Polymarket alone" in warning
    assert "pip install 'bookfeed[kalshi]'" in warning
    assert {book["venue"] for book in json.loads(done.stdout)["books"]} == {"polymarket"}


def test_a_pair_says_what_it_is_before_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    markets = "".join(
        f'[[market]]\nmarket = "0x{asset}"\noutcomes = [{{ name = "Yes", asset = "{asset}" }}]\n'
        for asset in (7, 8)
    )
    legs = "".join(
        f'[[pair.leg]]\nvenue = "polymarket"\nsymbol = "{asset}"\noutcome = "Yes"\n'
        f'polarity = "same"\noracle = "{oracle}"\nstrike = "85000"\ncut_off = "noon"\n'
        for asset, oracle in ((7, "BRTI"), (8, "Chainlink"))
    )
    venue = '[polymarket]\nws_url = "ws://127.0.0.1:9/ws/market"\nrest_url = ""\n'
    path.write_text(f'{venue}{markets}[[pair]]\nname = "BTC"\n{legs}')
    run = ("run", "--config", str(path), "--seconds", "1", "-o")
    done = ran(*run, "ndjson")
    assert done.returncode == 1  # nobody is there
    basis = 'oracle "BRTI" (polymarket), "Chainlink" (polymarket)'
    assert f'pair "BTC": basis, not the same contract: {basis}' in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    (rule,) = (line for line in told if line["type"] == "rule")
    assert (rule["rule"], rule["name"], rule["basis"]) == ("box", "BTC", [basis])
    assert [leg["oracle"] for leg in rule["legs"]] == ["BRTI", "Chainlink"]
    assert told[-1]["rules"] == [{k: v for k, v in rule.items() if k != "type"}]
    table = ran(*run, "table").stdout
    assert table.splitlines()[1] == f' pair "BTC": basis, not the same contract: {basis}'


def test_a_table_that_nobody_watches_is_printed_once() -> None:
    # It says nothing until it ends: whether it had time for its books is seen only then.
    for seconds in (2, 4, 8, 16):
        out = finished("run", *DEMO, "--seed", "810003", "--seconds", str(seconds), "-o", "table")
        assert "\x1b" not in out
        assert out.count(" bookfeed ") == 1
        if re.search(ALL_LIVE, out):
            return
    raise AssertionError(f"the books are not live after {seconds} s: {out}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_when_told_within_two_seconds(number: signal.Signals) -> None:
    seed = own_seed(810100 + number)
    with running("run", *DEMO, "--seed", seed, "-o", "ndjson") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("state") == "live":
                break
        assert len(processes(seed)) == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=ENDS_S_MAX)
        assert (process.returncode, complaints(err)) == (0, "")
        assert json.loads(out.splitlines()[-1])["type"] == "summary"
    assert processes(seed) == []


def test_the_simulator_does_not_outlive_a_killed_demo() -> None:
    seed = own_seed(810004)
    with running("run", *DEMO, "--seed", seed, "-o", "ndjson") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
        wait_until(lambda: processes(seed) == [])


def test_a_reader_that_leaves_ends_the_run() -> None:
    seed = own_seed(810005)
    with running("run", *DEMO, "--seed", seed, "-o", "ndjson") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 1
        assert complaints(process.stderr.read()) == ""
        process.stdout = None
    assert processes(seed) == []


def unread(process: subprocess.Popen[str]) -> int:
    """Bytes that wait in the pipe of a process' output."""
    assert process.stdout is not None
    return int.from_bytes(fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_reader_that_reads_nothing_holds_up_nothing() -> None:
    seed = own_seed(810008)
    with running("run", *DEMO, "--seed", seed, "--rate", "10000", "-o", "ndjson") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        # Nothing more goes into the pipe: it is full.
        before = -1
        while before < unread(process):
            before = unread(process)
            time.sleep(1.5)
        time.sleep(1.5)
        process.terminate()
        # A loop that waited for the reader would not hear of it.
        assert process.wait(ENDS_S_MAX) == 0
        told = process.stderr.read()
        assert complaints(told) == ""
        stalls = re.findall(r"the event loop stood still for (\d+) ms", told)
        # The machine may have made it wait, for a moment.
        assert all(int(ms) < 1_500 for ms in stalls)
    assert processes(seed) == []


def on_terminal(columns: int, rows: int, *arguments: str) -> tuple[int, bytes]:
    """Runs on a terminal of that size; exit code, output.

    Presses Ctrl-C when the books are live, at the fifth screen or later.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")},
    )
    os.close(follower)
    output = b""
    pressed = False
    end_s = time.monotonic() + PATIENCE_S
    while process.poll() is None or select.select([leader], [], [], 0)[0]:
        if select.select([leader], [], [], 0.05)[0]:
            try:
                output += os.read(leader, 65_536)
            except OSError:
                break
        last = output.decode(errors="replace").split(HOME.decode())[-1]
        if not pressed and output.count(HOME) >= 5 and re.search(ALL_LIVE, last):
            os.write(leader, b"\x03")
            pressed = True
        if time.monotonic() > end_s:
            process.kill()
    os.close(leader)
    return process.wait(PATIENCE_S), output


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_the_live_table(columns: int, rows: int) -> None:
    seed = own_seed(820000 + columns)
    code, output = on_terminal(columns, rows, "run", *DEMO, "--seed", seed, "-o", "table")
    assert code == 0
    assert output.count(HOME) >= 5
    assert output.index(b"\x1b[?25l") < output.rindex(b"\x1b[?25h")
    last = output.decode().split(HOME.decode())[-1].split("\x1b[J")[0]
    lines = last.replace("\r", "").split("\n")
    assert len(lines) < rows
    assert re.search(ALL_LIVE, last)
    assert "\x1b[32mlive" in last.replace(" ", "")
    assert "venue → recv" in last
    assert " signals " in last
    assert processes(seed) == []


def test_a_recording_replays_to_the_same_records(tmp_path: Path) -> None:
    directory = tmp_path / "recordings"
    told = run_until(
        lambda so_far: len(so_far.live) == BOOKS and so_far.kinds["books"] >= 2,
        *(*DEMO, "--seed", "810001", "--directory", str(directory)),
        word="record",
    ).lines[-1]
    journal = told["journal"]
    assert journal["records_synced"] == journal["records_appended"] > told["frames"] > 100
    assert journal["records_dropped"] == 0
    (segment,) = directory.glob("*.bfj")
    again = json.loads(finished("replay", str(segment), "--books", "-o", "json"))
    assert again["digest"] == told["digest"]
    # What was told is from just before the connection was closed, which closes signals.
    assert again["signals"] >= told["counters"]["signals"] > 0
    assert again["messages"].keys() == told["messages"].keys()
    assert all(again["messages"][kind] >= count for kind, count in told["messages"].items())
    # The recording holds the end of the connection too.
    assert {book["cause"] for book in again["books"].values()} == {"disconnected"}


def test_a_configuration_file_is_followed(tmp_path: Path) -> None:
    with running("sim", "--markets", "2", "--seed", "810007") as simulator:
        assert simulator.stdout is not None
        listing = json.loads(simulator.stdout.readline())
        market = listing["markets"][1]
        (yes, no) = market["outcomes"]
        path = tmp_path / "bookfeed.toml"
        path.write_text(
            f'[polymarket]\nws_url = "{listing["ws"]}"\nrest_url = ""\n'
            f'[[market]]\nmarket = "{market["market"]}"\n'
            f'outcomes = [{{ name = "Yes", asset = "{yes["asset"]}" }}, '
            f'{{ name = "No", asset = "{no["asset"]}" }}]\n'
        )
        done = run_until(lambda so_far: len(so_far.live) == 2, "--config", str(path))
        told = done.lines[-1]
        assert told["source"] == str(path)
        assert {book["symbol"] for book in told["books"]} == {yes["asset"], no["asset"]}
        assert believed(told) == 2


def test_a_venue_that_is_not_there_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "bookfeed.toml"
    path.write_text(
        '[polymarket]\nws_url = "ws://127.0.0.1:9/ws/market"\nrest_url = ""\n'
        '[[market]]\nmarket = "0xabc"\noutcomes = [{ name = "Yes", asset = "7" }]\n'
    )
    done = ran("run", "--config", str(path), "--seconds", "3", "-o", "json", "-qq")
    assert done.returncode == 1
    assert done.stderr.startswith("bookfeed run: never connected to polymarket: cannot connect: ")
    told = json.loads(done.stdout)
    assert told["states"] == {"syncing": 1}
    assert told["counters"]["connect_failures"] >= 1


def test_the_simulator_says_when_it_is_ready_and_ends_with_its_parent() -> None:
    with running("sim", "--exit-with-parent", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        listing = json.loads(process.stdout.readline())
        assert listing["ws"].startswith("ws://127.0.0.1:")
        assert len(listing["markets"]) == 10
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0
        process.stdin = None
