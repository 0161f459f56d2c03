"""How a command begins: with standard streams that are closed, and interrupted while it loads."""

import argparse
import importlib
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import PATIENCE_S

import bookfeed.cli
from bookfeed.__main__ import start
from bookfeed.cli import simulator
from bookfeed.cli.run import ending_signals
from bookfeed.sim import BOTH

TINY = Path(__file__).parent / "data" / "tiny.ndjson"


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line for the shell, which alone can close a stream."""
    command = f"{shlex.quote(sys.executable)} -m bookfeed {line}"
    return subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_nothing_and_no_socket(closed: str) -> None:
    done = shell(f"run --demo --markets 1 --seconds 0.5 -o ndjson {closed}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if not closed.startswith(">&-"):
        assert json.loads(done.stdout.splitlines()[-1])["type"] == "summary"
    else:
        assert done.stdout == ""


def interrupted(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_while_a_command_loads_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert bookfeed.cli.main(["replay", str(TINY)]) == 130


def test_an_interrupt_before_anything_is_loaded_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bookfeed.cli, "main", interrupted)
    assert start() == 130


def test_who_told_hangups_to_be_ignored_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ending_signals() == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    monkeypatch.setattr(signal, "getsignal", lambda _number: signal.SIG_IGN)
    assert ending_signals() == [signal.SIGINT, signal.SIGTERM]


class Started:
    """The simulators that a command started, and those that were ended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.started: list[list[str]] = []
        self.ended: list[object] = []
        patch.setattr(simulator, "_start", self.start)
        patch.setattr(simulator, "_end", self.ended.append)
        patch.setattr(simulator, "_ready_line", lambda process: {"process": process})

    def start(self, command: list[str]) -> object:
        self.started.append(command)
        return SimpleNamespace(args=command)


def simulated(**more: object) -> argparse.Namespace:
    given = {"sim": True, "demo": False, "url": [], "targets": []}
    given |= {"markets": 1, "rate": 100, "seed": 1}
    return argparse.Namespace(**given | more)


def test_a_simulator_starts_while_its_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, args = Started(monkeypatch), simulated()
    with simulator.begun(args):
        assert len(seen.started) == 1
        with simulator.simulator(args, BOTH, *simulator.LISTED) as told:
            assert told["process"] is args.begun
        with simulator.simulator(args, "polymarket"):
            assert len(seen.started) == 2, "another one is another process"
    assert seen.ended[-1] is args.begun


def test_a_simulator_ends_with_a_command_that_never_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, args = Started(monkeypatch), simulated()
    with pytest.raises(ImportError), simulator.begun(args):
        raise ImportError
    assert seen.ended == [args.begun]


def test_the_demo_begins_its_own_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, args = Started(monkeypatch), simulated(sim=False, demo=BOTH)
    with simulator.begun(args):
        (venue, *more), said = simulator.of_demo(args)
        assert (venue, said) == (BOTH, "")
        with simulator.simulator(args, venue, *more) as told:
            assert told["process"] is args.begun
    assert len(seen.started) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"sim": False},
        {"demo": True},
        {"sim": False, "demo": True, "targets": ["kalshi:X"]},
        {"url": ["kalshi.listings=x"]},
    ],
)
def test_no_simulator_starts_that_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, object]
) -> None:
    seen = Started(monkeypatch)
    with simulator.begun(simulated(**more)):
        assert seen.started == seen.ended == []
