"""Of what alerts tell: books are told apart by venue, and what is remembered of them is bounded."""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_alerts import Prices, to, told
from waiting import until

from bookfeed import UPDATE_DTYPE, Feed
from bookfeed._bookfeed import CAUSES, STATES
from bookfeed.config import parse
from bookfeed.errors import ConfigError
from bookfeed.feed import alert_subjects
from bookfeed.feed.alert_subjects import Subjects
from bookfeed.feed.alerts import UNFOLLOWED_S, Alerts
from bookfeed.records import Update
from bookfeed.rules.alerts import Alert

BITSTAMP, GEMINI = 71, 72
VENUES = {BITSTAMP: "bitstamp", GEMINI: "gemini"}


class Stated:
    """A stream of updates, and the state of two books whose venues spell them alike."""

    def __init__(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.feed = feed
        self.live = {BITSTAMP: True, GEMINI: True}
        self.updates: Sequence[Update] = ()
        for number, venue in VENUES.items():
            feed.names.learn(
                number, venue=venue, symbol="btcusd", market="", outcome="spot", title=""
            )
        monkeypatch.setattr(feed, "books", lambda: [SimpleNamespace(instrument=n) for n in VENUES])
        monkeypatch.setattr(feed, "status", lambda: SimpleNamespace(books=self._books()))
        monkeypatch.setattr(feed, "updates", lambda **_: self)

    def _books(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(
                venue=VENUES[number], symbol="btcusd", instrument=number, live=live, polled=False,
                state="live" if live else "stale", cause="snapshot" if live else "silent",
            )
            for number, live in self.live.items()
        ]  # fmt: skip

    def at(self, number: int, bid: float, ask: float) -> Update:
        """A price of one of them."""
        row = np.zeros(1, UPDATE_DTYPE)
        row["instrument"], row["state"] = number, STATES.index("live")
        row["cause"] = CAUSES.index("snapshot")
        row["bid_price_e9"], row["ask_price_e9"] = round(bid * 1e9), round(ask * 1e9)
        return Update.from_bytes(row.tobytes(), 0, self.feed.names)

    async def __aiter__(self) -> AsyncIterator[Update]:
        for update in self.updates:
            yield update

    def drain(self) -> list[Update]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "told.txt"


async def test_a_live_book_does_not_hide_that_of_another_venue(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    alerts = [
        Alert(when="not_live", to=to(box), symbol="btcusd", for_s=5, cooldown_s=0),
        Alert(when="not_live", to=to(box), venue="gemini", for_s=5, cooldown_s=0, name="there"),
    ]
    async with Feed() as feed:
        stated = Stated(feed, monkeypatch)
        async with Alerts(feed, alerts, clock=lambda: now_s[0]) as watching:
            stated.live[BITSTAMP] = False
            for now_s[0] in (0.0, 4.0, 6.0, 7.0):
                watching.look()
            stated.live = {BITSTAMP: True, GEMINI: False}
            for now_s[0] in (10.0, 16.0):
                watching.look()
    found = sorted(line.partition(" btcusd")[0] for line in told(box))
    assert found == ["not_live: bitstamp", "not_live: gemini", "there: gemini"]


async def test_a_price_of_another_venue_is_no_crossing(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One above and one below take turns: neither of them ever crosses."""
    alerts = [
        Alert(when="price", to=to(box), symbol="btcusd", above="0.5", cooldown_s=0),
        Alert(when="spread", to=to(box), symbol="btcusd", above="0.1", cooldown_s=0),
        Alert(when="spread", to=to(box), venue="gemini", above="0.1", cooldown_s=0, name="not it"),
    ]
    async with Feed() as feed:
        stated = Stated(feed, monkeypatch)
        high, low = stated.at(BITSTAMP, 0.6, 0.8), stated.at(GEMINI, 0.2, 0.21)
        stated.updates = [high, low] * 5 + [stated.at(GEMINI, 0.7, 0.71)]
        async with Alerts(feed, alerts):
            await until(lambda: len(told(box)) >= 2)
    assert [line.partition(" btcusd")[0] for line in told(box)] == [
        "spread: bitstamp",
        "price: gemini",
    ]


async def test_a_symbol_that_nobody_follows_is_warned_of_once(
    box: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = [0.0]
    alerts = [
        Alert(when="price", to=to(box), symbol="nobody", above="0.5", name="mistyped"),
        Alert(when="not_live", to=to(box), venue="kraken"),
        Alert(when="price", to=to(box), symbol="mine", above="0.5", name="late"),
        Alert(when="trade", to=to(box), min_qty="1"),
    ]
    caplog.set_level(logging.WARNING, "bookfeed.alerts")
    async with Feed() as feed, Alerts(feed, alerts, clock=lambda: now_s[0]) as watching:
        watching.look()
        now_s[0] = UNFOLLOWED_S - 1
        watching.look()
        assert not caplog.messages
        await Prices(feed).at("0.40", "0.42")
        for now_s[0] in (UNFOLLOWED_S, 2 * UNFOLLOWED_S):
            watching.look()
    assert caplog.messages == [
        "alert mistyped: no book of nobody is followed",
        "alert not_live: no book of kraken is followed",
    ]


async def test_books_that_are_gone_leave_nothing_behind(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = Alert(when="spread", to=to(box), above="0.1", cooldown_s=0, quiet="00:00-23:59")
    async with Feed() as feed:
        stated = Stated(feed, monkeypatch)
        stated.updates = [stated.at(number, 0.2, 0.8) for number in range(1_000)]
        async with Alerts(feed, [alert]) as watching:
            subjects = watching._subjects  # noqa: SLF001 - nothing else shows what is kept
            # That it was told of them, and of the two books that are there what holds.
            await until(lambda: len(subjects) == 1_000 + 2 * 2)


def test_events_and_what_was_told_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_subjects, "TOLD_MAX", 100)
    subjects = Subjects()
    times: dict[str, Any] = {"quiet": False, "cooldown_s": 60.0}
    for number in range(1_000):
        assert subjects.happens(1, f"fill {number}")
        assert not subjects.happens(1, f"fill {number}")
        assert subjects.tell(1, f"book {number}", 0.0, **times) == 0
    assert len(subjects) == 200
    assert subjects.tell(1, "book 999", 30.0, **times) is None
    assert subjects.tell(1, "book 999", 61.0, **times) == 1
    subjects.forget(1)
    assert len(subjects) == 0


def test_an_alert_names_a_venue_that_there_is() -> None:
    with pytest.raises(ConfigError, match=r"venue: must be one of .*gemini"):
        parse({"alert": [{"when": "not_live", "to": ["bell"], "venue": "gemni"}]})
    with pytest.raises(ConfigError, match="venue: does not go with"):
        Alert(when="signal", to=("bell",), venue="gemini")
