"""Every example runs as it stands, without a warning, and prints what it says it prints."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from waiting import PATIENCE_S

ROOT: Final = Path(__file__).parents[1]
EXAMPLES: Final = sorted((ROOT / "examples").glob("*.py"))
TWO_VENUES: Final = ROOT / "examples" / "two_venues.py"
PYTHON: Final = (sys.executable, "-W", "error")

# Comments at the end of an example, each line of its output indented by four.
PRINTS: Final = re.compile(r"^# It prints:\n#\n((?:#     .*\n)+)\Z", re.MULTILINE)


def run(example: Path, *arguments: str) -> str:
    """What an example prints. It must succeed without a warning.

    What it logs is its own business: a loaded machine makes a session say that it was held up.
    """
    done = subprocess.run(
        [*PYTHON, example, *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_it_runs(example: Path) -> None:
    assert run(example, *(["0.1"] if example == TWO_VENUES else []))


def test_what_stands_at_the_end_of_an_example_is_what_it_prints() -> None:
    stated = {e: PRINTS.search(e.read_text()) for e in EXAMPLES}
    assert stated[ROOT / "examples" / "pairs.py"]
    for example, match in stated.items():
        if match is not None:
            assert run(example) == re.sub(r"^#     ", "", match[1], flags=re.MULTILINE)


def test_the_pair_really_signals() -> None:
    printed = run(ROOT / "examples" / "pairs.py")
    opened = re.search(r"^BTC above 85k: open, (\S+) shares, net \$(\S+)$", printed, re.MULTILINE)
    assert opened is not None
    assert float(opened[1]) > 0 and float(opened[2]) > 0
    assert re.search(r"^  buy yes on kalshi .*\n  buy No on polymarket ", printed, re.MULTILINE)


def test_opportunities_are_shown_from_open_to_close() -> None:
    printed = run(ROOT / "examples" / "signals.py")
    opened = re.findall(r"^#(\d+) open   (?:buy|sell) Yes @ .* No @ ", printed, re.MULTILINE)
    closed = re.findall(
        r"^#(\d+) close .*\n   both outcomes: \S+ s, closed by", printed, re.MULTILINE
    )
    # What is open when the feed closes is closed with it.
    assert len(closed) >= 3
    assert set(closed) <= set(opened)


def test_each_print_with_a_comment_prints_that_comment() -> None:
    source = (ROOT / "examples" / "engine.py").read_text()
    promised = re.findall(r"print\(.*\)  # (?!a numpy)(.*)", source)
    assert len(promised) >= 3
    printed = run(ROOT / "examples" / "engine.py").splitlines()
    assert [line for line in printed if line in promised] == promised


class TestTwoVenues:
    """The bot that is shown in the README."""

    def test_a_stranger_reads_it_on_one_screen(self) -> None:
        assert len(TWO_VENUES.read_text().splitlines()) <= 60

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_finds_opportunities_across_venues_until_it_is_told_to_stop(
        self, number: signal.Signals
    ) -> None:
        with subprocess.Popen(
            [*PYTHON, "-u", TWO_VENUES],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        ) as bot:  # fmt: skip
            assert bot.stdout is not None and bot.stderr is not None
            overdue = threading.Timer(PATIENCE_S, bot.kill)
            overdue.start()
            lines = list(self.until_a_life_is_over(bot.stdout))
            bot.send_signal(number)
            lines += bot.stdout
            assert bot.wait() == 0, bot.stderr.read()
            overdue.cancel()
        # A touch and the price of a hundred for both outcomes here and for the market there.
        assert sum(line.startswith(("polymarket", "kalshi")) for line in lines) == 3
        opened = next(i for i, line in enumerate(lines) if line.startswith("open"))
        assert float(lines[opened].partition("net $")[2]) > 0
        # Yes on one venue and No on the other.
        legs = [line.split()[:4] for line in lines[opened + 1 : opened + 3]]
        assert sorted(outcome.lower() for _, outcome, _, _ in legs) == ["no", "yes"]
        assert [venue for _, _, _, venue in legs] == ["polymarket", "kalshi"]
        assert [line for line in lines if line.startswith("socket to signal, p99:")]

    @staticmethod
    def until_a_life_is_over(output: Iterator[str]) -> Iterator[str]:
        for line in output:
            yield line
            if line.startswith("close"):
                return
