"""A window that is over, as it is told: in a line, on the screen, and to programs."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import ClassVar

import pytest

from bookfeed import Engine, Feed, Rule, Series, WindowEnd
from bookfeed.clock import NS_PER_S
from bookfeed.feed.windows import Ended
from bookfeed.monitor import shows
from bookfeed.monitor.objects import window_object
from bookfeed.monitor.watch import Watch

WINDOW = Series("KXBTC15M").window(1_795_856_400 * NS_PER_S)
NEXT = "KXBTC15M-26NOV281715"
UP = Ended("BTC up?", Decimal("85000.10"), Decimal(85001), "yes")
DOWN, OPEN = UP._replace(result="no"), UP._replace(result=None)
END = WindowEnd(venue="kalshi", window=WINDOW, markets=(UP,), following=NEXT)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = 1_795_900_000 * NS_PER_S

    def now_ns(self) -> int:
        return self.ns


@pytest.mark.parametrize(
    ("markets", "following", "line"),
    [
        ((UP,), NEXT, f"BTC up? ended: yes, strike 85000.1, decided by 85001; next {NEXT}"),
        (
            (OPEN._replace(decided_by=None),),
            None,
            "BTC up? ended: result not known, strike 85000.1; no other is followed",
        ),
        (
            (UP, UP, DOWN, OPEN),
            NEXT,
            f"{WINDOW.event} ended: 4 markets, 2 yes, 1 no, 1 not known; next {NEXT}",
        ),
    ],
)
def test_it_is_one_line_for_people(
    markets: tuple[Ended, ...], following: str | None, line: str
) -> None:
    assert dataclasses.replace(END, markets=markets, following=following).line() == line


def test_programs_are_told_all_of_it() -> None:
    told = json.loads(json.dumps(window_object(END)))
    assert told["markets"] == [
        {"title": "BTC up?", "strike": 85000.1, "decided_by": 85001.0, "result": "yes"}
    ]
    assert (told["type"], told["window"], told["following"]) == ("window", WINDOW.event, NEXT)
    assert (told["start_ts"], told["end_ts"]) == (WINDOW.start_ts, WINDOW.end_ts)


async def test_the_screen_tells_it_for_a_while() -> None:
    clock, engine = Clock(), Engine()
    watch = Watch("test", engine, clock)
    async with Feed(engine=engine) as feed:
        watch.attach(feed)
        watch.window_ended(END)
        clock.ns += 299 * NS_PER_S
        assert watch.screen().notes == [END.line()]
        clock.ns += NS_PER_S
        assert watch.screen().notes == []


class Sink:
    """What lines of JSON were written."""

    error = None
    made: ClassVar[list["Sink"]] = []

    def __init__(self, *_arguments: object, **_named: object) -> None:
        self.made.append(self)
        self.lines: list[str] = []
        self.put: Callable[[str], None] = self.lines.append

    def of(self, kind: str) -> list[dict[str, object]]:
        told = map(json.loads, self.lines)
        return [line for line in told if line["type"] == kind]


async def test_lines_tell_windows_that_end_and_rules_that_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shows, "LineWriter", Sink)
    Sink.made.clear()
    engine = Engine()
    watch = Watch("test", engine, Clock())
    async with Feed(engine=engine) as feed:
        watch.attach(feed)
        show = shows.show_for("ndjson", watch, 1.0, str)
        (sink,) = Sink.made
        show.begin()
        assert sink.of("rule") == []
        number = await feed.add_rule(Rule("spread", {"open": "0.05"}, "wide", {"basis": []}))
        for _ in range(2):
            show.refresh()
        assert [line["basis"] for line in sink.of("rule")] == [[]]
        await feed.describe_rule(number, {"basis": ["strike"]})
        for _ in range(2):
            show.refresh()
        assert [line["basis"] for line in sink.of("rule")] == [[], ["strike"]]
        watch.window_ended(END)
        assert len(sink.of("window")) == 1
        with pytest.raises(KeyError):
            await feed.describe_rule(number + 1, {})
