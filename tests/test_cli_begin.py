"""How a command begins: with standard streams that are closed, and interrupted while it loads."""

import importlib
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S

import bookfeed.cli
from bookfeed.__main__ import start
from bookfeed.cli.run import ending_signals

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
