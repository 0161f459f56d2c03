"""Logs: text and JSON, no more than was asked for, never a flood."""

import io
import json
import logging

import pytest

from bookfeed import log


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_importing_configures_nothing() -> None:
    handlers = logging.getLogger().handlers[:]
    log.configure(stream=io.StringIO())
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    ("verbosity", "level"),
    [(-5, "CRITICAL"), (-1, "ERROR"), (0, "WARNING"), (1, "INFO"), (9, "DEBUG")],
)
def test_verbosity(verbosity: int, level: str, stream: io.StringIO) -> None:
    assert log.configure(verbosity=verbosity, stream=stream).level == getattr(logging, level)


def test_text_lines(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    logging.getLogger("bookfeed.live.session").warning("lost %s", "it")
    logging.getLogger("bookfeed.live.session").info("not shown")
    line = stream.getvalue()
    assert line.endswith("Z WARNING bookfeed.live.session: lost it\n")
    assert line[4] == "-" and line[10] == "T"


def test_json_lines(stream: io.StringIO) -> None:
    log.configure(log_format="json", stream=stream)
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("bookfeed.x").exception('bad "frame"', extra={"conn": 3, "what": {1}})
    line = json.loads(stream.getvalue())
    assert (line["level"], line["logger"], line["message"]) == (
        "error",
        "bookfeed.x",
        'bad "frame"',
    )
    assert line["conn"] == 3
    assert line["what"] == "{1}"
    assert "ValueError: inside" in line["error"]


def test_a_flood_becomes_a_line_and_a_count(stream: io.StringIO) -> None:
    now = 0.0
    logger = log.configure(stream=stream)
    limited = log.RateLimitedLog(logger, interval_s=5, clock=lambda: now)
    assert [limited.warning("bad", "bad frame %d", n) for n in range(3)] == [True, False, False]
    assert limited.warning("other", "another")
    now = 5.0
    assert limited.warning("bad", "bad frame %d", 3)
    now = 10.0
    assert limited.warning("bad", "bad frame %d", 4)
    lines = [line.split(": ")[1] for line in stream.getvalue().splitlines()]
    held_back = "bad frame 3 (2 more like it were held back)"
    assert lines == ["bad frame 0", "another", held_back, "bad frame 4"]


def test_keys_made_of_data_do_not_grow_memory(stream: io.StringIO) -> None:
    limited = log.RateLimitedLog(log.configure(stream=stream), clock=lambda: 0.0)
    for n in range(3000):
        assert limited.warning(str(n), "x")
    # What is remembered is held back; what has been forgotten is told again.
    held_back = [not limited.warning(str(n), "x") for n in reversed(range(3000))]
    assert held_back.count(True) == 1024
