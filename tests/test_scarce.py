"""Descriptors, threads and memory run out: a typed error, or an end with the recording whole."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import scarce
from raw_server import raw_serving
from waiting import PATIENCE_S

from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.reader import Journal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, scarce.__file__, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        try:
            yield it
        finally:
            it.kill()


async def test_descriptors_run_out_while_a_connection_is_lost(tmp_path: Path) -> None:
    with raw_serving() as server, process("descriptors", str(tmp_path), server.url) as child:
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == "full\n"
        server.opened.get(timeout=PATIENCE_S).shutdown(2)
        out, err = await asyncio.to_thread(child.communicate, timeout=PATIENCE_S)
    assert out.splitlines() == ["not live", "live again"], err
    assert child.returncode == 0, err
    assert Journal(tmp_path).report().clean


def test_threads_run_out(tmp_path: Path) -> None:
    with process("threads", str(tmp_path)) as child:
        out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, err
    kinds, problems = zip(*(line.split(": ", 1) for line in out.splitlines()), strict=True)
    assert kinds == ("JournalError", "OSError", "CatalogueError", "SessionError"), err
    assert all("thread" in problem for problem in problems)
    # A recording that never began leaves nothing behind.
    assert list((tmp_path / "recording").iterdir()) == []


def test_memory_runs_out(tmp_path: Path) -> None:
    with process("memory", str(tmp_path)) as child:
        out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode != 0
    synced = [int(line.split()[1]) for line in out.splitlines() if line.startswith("synced ")]
    assert synced, err
    if "no memory" in out:  # Python's own; where it is the engine's, the process ends at once
        assert "wrong 0" in out, err
    frames = [
        payload for kind, *_, payload in Journal(tmp_path, recover=True) if kind == Kind.FRAME
    ]
    assert len(frames) >= synced[-1]
    assert frames == [scarce.frame(number) for number in range(1, len(frames) + 1)]
