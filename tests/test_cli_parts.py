"""The parts commands are made of: output that never blocks, progress, tables, fault arguments."""

import contextlib
import io
import os
import time
from collections.abc import Iterator

import pytest
from waiting import wait_until

from bookfeed.cli.progress import Progress
from bookfeed.monitor.output import Fit, write_pairs, write_table
from bookfeed.monitor.terminal import LineWriter
from bookfeed.sim.entry import OptionError, fault_of
from bookfeed.sim.polymarket.faults import Fault


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Reading and writing end of a pipe; nobody reads it unless the test does."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def everything(reading: int, writing: int) -> str:
    """What is in the pipe, to the end."""
    os.close(writing)
    with os.fdopen(reading) as file:
        return file.read()


def fill(writing: int) -> int:
    """Fills the pipe until it takes no more; how many bytes that were."""
    os.set_blocking(writing, False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.write(writing, b"." * 1024)
    os.set_blocking(writing, True)
    return count


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    sink = LineWriter(pipe[1], lines_max=1_000)
    for number in range(500):
        sink.put(f"{number}\n")
    sink.close()
    assert everything(*pipe).split() == [str(number) for number in range(500)]
    assert sink.dropped == 0


@pytest.mark.parametrize("blocking", [True, False])
def test_a_file_that_takes_nothing_costs_the_oldest_lines_and_no_time(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reading, writing = pipe
    filler = fill(writing)
    os.set_blocking(writing, blocking)
    sink = LineWriter(writing, lines_max=2, dropped_text=lambda count: f"lost {count}\n")
    sink.put("first\n")
    wait_until(lambda: not sink.waiting)
    # Nobody reads meanwhile: a sink that waited would wait for good.
    for number in range(1_000):
        sink.put(f"{number}\n")
    assert sink.dropped == 998
    while filler:
        filler -= len(os.read(reading, filler))
    sink.close()
    assert everything(reading, writing) == "first\nlost 998\n998\n999\n"


def test_a_screen_shows_only_the_newest(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    filler = fill(writing)
    sink = LineWriter(writing, lines_max=1)
    sink.put("first ")
    wait_until(lambda: not sink.waiting)
    for number in range(10):
        sink.put(f"{number} ")
    while filler:
        filler -= len(os.read(reading, filler))
    sink.close()
    assert everything(reading, writing) == "first 9 "


def test_closing_gives_up_on_a_file_that_takes_nothing(pipe: tuple[int, int]) -> None:
    fill(pipe[1])
    sink = LineWriter(pipe[1], lines_max=2)
    sink.put("never")
    began_s = time.monotonic()
    # Nobody ever reads: it returns because it gives up.
    sink.close(timeout_s=0.1)
    assert time.monotonic() - began_s >= 0.1
    assert sink.error is None


def test_a_reader_that_left_is_remembered(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    sink = LineWriter(pipe[1], lines_max=2)
    sink.put("x")
    sink.close()
    assert isinstance(sink.error, BrokenPipeError)
    sink.put("y")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_and_gone_at_the_end() -> None:
    stream, now = Terminal(), 0.0
    with Progress("making", 100, stream=stream, clock=lambda: now) as progress:
        progress.reach(0)
        for step in range(1, 101):
            now = step * 0.01
            progress.reach(step)
    drawn = stream.getvalue()
    assert drawn.count("\r") - 1 <= 11
    assert "\n" not in drawn
    assert drawn.endswith("\r\x1b[K")


def test_progress_says_how_much_and_how_long() -> None:
    now = 0.0
    progress = Progress("making", 200, stream=io.StringIO(), clock=lambda: now)
    progress.reach(50)
    assert progress.line(2.0) == "making ██████··················  25% 25/s 6s left"
    progress.reach(400)
    assert "100%" in progress.line(2.0)
    unknown = Progress("reading", stream=io.StringIO(), clock=lambda: now)
    unknown.reach(3_000)
    assert unknown.line(2.0) == "reading 3,000 (1,500/s)"


def test_progress_is_silent_where_nobody_looks() -> None:
    stream = io.StringIO()
    with Progress("making", 10, stream=stream) as progress:
        progress.reach(5)
    assert stream.getvalue() == ""


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("name", "count", "us"), [("a", 12_345, 1.5), ("long", None, 250.25)])
    assert capsys.readouterr().out == (
        "name   count     us\n"
        "a     12,345  1.500\n"
        "long       -    250\n"
    )  # fmt: skip
    write_pairs([("a", 1), ("bcd", "text"), ("e", True)])
    assert capsys.readouterr().out == "a    1\nbcd  text\ne    yes\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop", Fault("drop")),
        ("drop@500", Fault("drop", at_frame=500)),
        ("freeze@2.5s+1s", Fault("freeze", at_s=2.5, duration_s=1.0)),
        ("malformed:truncated@7", Fault("malformed", at_frame=7, variant="truncated")),
        ("reset-behind-data@5", Fault("reset-behind-data", at_frame=5)),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    assert fault_of(text, Fault) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "KIND"),
        ("drop@x", "KIND"),
        ("drop@2.5", "KIND"),
        ("sing@5", "kind must be one of drop, drop+noop, duplicate, freeze"),
        ("drop:loudly@5", "no variant 'loudly'"),
    ],
)
def test_faults_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        fault_of(text, Fault)
    assert caught.value.option == "--fault" and words in str(caught.value)


TITLES = ("title", "venue", "ask", "name")
ROWS = [("A market with a long title that goes on and on (4)", "polymarket", "0.81", "slug-" * 5)]


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (200, ["title", "venue", "ask", "name"]),
        (90, ["title", "venue", "ask", "name"]),
        (60, ["title", "ask", "name"]),
        (54, ["title", "name"]),
        (40, ["title", "ask"]),
        (10, ["title"]),
    ],
)
def test_a_table_fits_its_terminal_and_the_name_is_whole(
    columns: int, titles: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fit = Fit("title", ("venue", "ask"))
    write_table(TITLES, ROWS, right=("ask",), fit=fit, columns=columns)
    lines = capsys.readouterr().out.splitlines()
    below = "name" not in titles
    assert lines[0].split() == titles
    assert any(line.endswith("slug-" * 5) for line in lines)
    assert len(lines) == (4 if below else 2)
    rows = lines[::2] if below else lines
    assert max(map(len, rows)) <= columns


def test_a_table_into_a_pipe_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(TITLES, ROWS, fit=Fit("title", ("venue", "ask")))
    _, row = capsys.readouterr().out.splitlines()
    assert row.split("  ") == list(ROWS[0])
