"""Lines of JSON of ``run``: they tell what changed, and of signals those that are wanted."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bookfeed import RULES, SIGNAL_DTYPE, SIGNAL_PHASES, Batch, Engine, Feed
from bookfeed.clock import NS_PER_S
from bookfeed.monitor import shows
from bookfeed.monitor.wanted import Wanted
from bookfeed.monitor.watch import Watch


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.ns = 1_790_000_000 * NS_PER_S

    def now_ns(self) -> int:
        return self.ns


class Lines:
    """What was written, in the place of standard output."""

    error = None

    def __init__(self, *_arguments: object, **_named: object) -> None:
        self.told: list[dict[str, Any]] = []

    def put(self, line: str) -> None:
        self.told.append(json.loads(line))

    def fresh(self, kind: str) -> list[dict[str, Any]]:
        """Lines of a type since the last call; the others are forgotten, too."""
        found, self.told = [line for line in self.told if line["type"] == kind], []
        return found


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    made = Lines()
    monkeypatch.setattr(shows, "LineWriter", lambda *_arguments, **_named: made)
    yield made


async def test_only_books_that_changed_are_told_again(lines: Lines) -> None:
    engine, clock = Engine(), Clock()
    watch = Watch("test", engine, clock)
    async with Feed(engine=engine) as feed:
        watch.attach(feed)
        show = shows.show_for("ndjson", watch, 1.0, str, 5.0)
        assert show.every_s == 5.0
        for symbol in ("a", "b"):
            feed.push_quote(symbol, bid="0.4", bid_qty=10, max_age_s=60)
        show.refresh()
        (told,) = lines.fresh("books")
        assert [book["symbol"] for book in told["books"]] == ["a", "b"]
        # That evidence grows old is no news.
        clock.ns += 3 * NS_PER_S
        show.refresh()
        assert lines.told == []
        feed.push_quote("b", bid="0.41", bid_qty=10, max_age_s=60)
        show.refresh()
        (told,) = lines.fresh("books")
        assert [(book["symbol"], book["bid"]) for book in told["books"]] == [("b", 0.41)]
        feed.push_quote("b", bid="0.4", bid_qty=10, max_age_s=60)
        show.refresh()
        assert [book["bid"] for line in lines.fresh("books") for book in line["books"]] == [0.4]


async def test_what_was_refused_is_told_when_it_grows(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    watch = Watch("test", engine, Clock(), why=True)
    refused: list[dict[str, Any]] = []
    monkeypatch.setattr(watch, "refusals", lambda: list(refused))
    async with Feed(engine=engine) as feed:
        watch.attach(feed)
        show = shows.show_for("ndjson", watch, 1.0, str)
        for _ in range(2):
            show.refresh()
        assert lines.fresh("why") == [{"type": "why", "refusals": []}]
        refused.append({"rule": "box", "count": 1})
        for _ in range(2):
            show.refresh()
        assert [line["refusals"] for line in lines.fresh("why")] == [refused]


def batch(number: int, phase: str, edge: float) -> Batch:
    """A record of a box: 100 shares, with a net edge in USD a share."""
    record = np.zeros(1, SIGNAL_DTYPE)
    record["id"], record["phase"] = number, SIGNAL_PHASES.index(phase)
    record["rule"] = RULES.index("box")
    record["direction"], record["qty_e8"] = 1, 100 * 10**8
    record["net_edge_e9"] = round(edge * 1e9)
    return Batch(b"", record.tobytes(), b"", b"")


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (Wanted(), [1, 1, 1, 2, 2]),
        (Wanted(("box",)), [1, 1, 1, 2, 2]),
        (Wanted(("basket",)), []),
        # Once it was shown, its end is shown as well; what never came so far is not.
        (Wanted(min_edge=0.02), [1, 1]),
        (Wanted(min_profit=2.0), [1, 1]),
        (Wanted(min_edge=0.01), [1, 1, 1, 2, 2]),
    ],
)
async def test_signals_that_are_wanted_are_shown_to_their_end(
    lines: Lines, wanted: Wanted, shown: list[int]
) -> None:
    engine = Engine()
    watch = Watch("test", engine, Clock(), wanted=wanted)
    async with Feed(engine=engine) as feed:
        watch.attach(feed)
        shows.show_for("ndjson", watch, 1.0, str)
        for number, phase, edge in (
            (1, "open", 0.01), (2, "open", 0.01), (1, "update", 0.02),
            (1, "close", 0.001), (2, "close", 0.001),
        ):  # fmt: skip
            watch.on_batch(batch(number, phase, edge))
        assert sorted(line["id"] for line in lines.fresh("signal")) == shown
        assert watch.summary()["signals"]["opened"] == {"box": 2}
        assert {row.rule for row in watch.screen().signals} == ({"box"} if shown else set())
