"""Alerts as those see them who are beside the feed: processes, browsers, databases; and a file that
is read anew.
"""

import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from session_server import MARKET, NO, YES, Server, book_frame
from test_alerts import Prices, told
from test_alerts import to as to_box
from test_feed_reload import OLD, config_of, feed_of
from waiting import PATIENCE_S, until
from web_server import message, served_feed

from bookfeed import Feed
from bookfeed.cli.reloading import Reloading
from bookfeed.cli.source import Source
from bookfeed.config import load
from bookfeed.errors import ConfigError
from bookfeed.feed.alerted import KEPT
from bookfeed.feed.alerts import Alerts
from bookfeed.feed.reload import Difference
from bookfeed.rules.alerts import Alert, Alerted
from bookfeed.sinks import SqliteSink

HIGH = Alert(when="price", to=("bell",), symbol="mine", above="0.5", cooldown_s=0, name="high")
WIDE = Alert(when="spread", to=("bell",), symbol="mine", above="0.10", cooldown_s=0, name="wide")


async def cross(prices: Prices) -> None:
    """The price of the book comes from below to above."""
    await prices.at("0.40", "0.42")
    await prices.at("0.60", "0.62")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "told.txt"


async def test_the_feed_has_what_was_told_and_what_quiet_hours_held_back() -> None:
    at = [12, 0]
    heard: list[Alerted] = []
    alert = Alert(when="price", to=("bell",), symbol="mine", above="0.5", quiet="22:00-07:30")
    clocks: dict[str, Any] = {
        "clock": lambda: float(at[1]),
        "now": lambda: datetime(2026, 11, 30, at[0], 15),
    }
    async with Feed() as feed, Alerts(feed, [alert], **clocks):
        feed.on_alert(heard.append)
        prices = Prices(feed)
        for at[:] in ([12, 0], [23, 100], [23, 130], [23, 161], [8, 180]):
            await cross(prices)
        assert feed.alerts() == heard
    # Within a minute it is told once, in quiet hours as well; those hold nothing back after them.
    assert [(one.number, one.sent) for one in heard] == [
        (1, True), (2, False), (3, False), (4, True),
    ]  # fmt: skip
    assert heard[2].text.endswith("(1 more since the last message)")
    assert {(one.when, one.about) for one in heard} == {("price", "user mine yes")}
    assert [one.ts for one in heard] == sorted(one.ts for one in heard)


async def test_the_newest_are_remembered() -> None:
    async with Feed() as feed:
        for number in range(KEPT + 7):
            feed.tell_alert(HIGH, "mine", str(number), sent=True)
        assert [one.number for one in feed.alerts()] == list(range(8, KEPT + 8))


# Another list of them, while the feed goes on.


async def test_what_stays_is_not_told_anew_and_what_came_before_is_not_lost(box: Path) -> None:
    to = to_box(box)
    high, wide = (replace(one, to=to) for one in (HIGH, WIDE))
    async with Feed() as feed, Alerts(feed, [high]) as watching:
        prices = Prices(feed)
        await cross(prices)
        await prices.at("0.40", "0.42")
        # It waits to be looked at, and is not lost.
        feed.push_quote("mine", bid="0.60", ask="0.62", bid_qty=1, ask_qty=1, max_age_s=60)
        watching.follow([wide, high])
        await prices.at("0.61", "0.63")
        await prices.at("0.50", "0.70")
        await prices.at("0.40", "0.80")
        watching.follow([wide])
        await prices.at("0.39", "0.80")
        await cross(prices)
        watching.follow([])
        await cross(prices)
        watching.follow([high])
        await cross(prices)
        with pytest.raises(ConfigError, match="NOBODY is not set"):
            watching.follow([Alert(when="delay", above="1", to=("env:NOBODY",))])
        await cross(prices)
    said = [text.partition(":")[0] for text in told(box)]
    assert said == ["high", "high", "wide", "high", "high"]


async def test_without_any_there_may_be_some_later(box: Path) -> None:
    async with Feed() as feed, Alerts(feed, []) as watching:
        prices = Prices(feed)
        await cross(prices)
        assert not watching.begun
        watching.follow([replace(HIGH, to=to_box(box))])
        await cross(prices)
        assert watching.begun
    assert len(told(box)) == 1 and watching.counters()["sent"] == 1


async def test_a_file_that_is_read_anew_has_other_alerts(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    tables = {
        "before": '[[alert]]\nwhen = "tick_size"\nto = ["bell"]\n',
        "after": '[[alert]]\nname = "late"\nwhen = "delay"\nabove = "1"\nto = ["bell"]\n',
        "wrong": '[[alert]]\nwhen = "tick_size"\nto = ["env:NOBODY"]\n[rules.complement]\n',
    }
    old, new = (config_of(tmp_path, tables[one] + OLD) for one in ("before", "after"))
    assert Difference.between(old, new).lines() == ["- alert tick_size", "+ alert late"]
    path = tmp_path / "some.toml"

    def again() -> Source:
        return Source(str(path), load(path, {}), again=again)

    async with feed_of(server, old) as feed, Alerts(feed, old.alert) as watching:
        reloading = Reloading(feed, Source(str(path), old, again=again), watching)
        reloading.begin()
        await until(lambda: "+ alert late" in caplog.text)
        rules = dict(feed.rules)
        path.write_text(tables["wrong"] + OLD)
        reloading.begin()
        await until(lambda: "nothing is changed" in caplog.text)
        assert "NOBODY" in caplog.text and dict(feed.rules) == rules


# Who hears of them.


async def test_other_processes_and_browsers_hear_of_them(server: Server, tmp_path: Path) -> None:
    async with served_feed(server, tmp_path / "feed.sock") as (feed, there):
        feed.tell_alert(HIGH, "mine", "high: mine: <b>0.6</b>", sent=True)
        # Of the user's own account nobody hears through the server.
        own = Alert(when="position", to=("bell",), above="1")
        feed.tell_alert(own, "kalshi A", "7000 shares are held", sent=True)
        world = there.server.world
        await until(lambda: len(world.alerts()) == 1)
        (_, asked) = await there.ask("/alerts")
        assert asked["feed"] == "heard"
        (one,) = asked["alerts"]
        assert (one["number"], one["when"], one["name"], one["sent"]) == (1, "price", "high", True)
        async with there.http.ws_connect(f"{there.at}/ws") as socket:
            await socket.send_str(orjson.dumps({"op": "subscribe", "channel": "alerts"}).decode())
            assert [a["number"] for a in (await message(socket, "snapshot"))["alerts"]] == [1]
            feed.tell_alert(WIDE, "mine", "second", sent=False)
            feed.tell_alert(WIDE, "mine", "third", sent=False)
            said: list[int] = []
            while said[-1:] != [4]:
                said += [a["number"] for a in (await message(socket, "alerts"))["alerts"]]
            # One that came while it was asked for all may come twice: it has its number.
            assert said in ([3, 4], [1, 3, 4])
        assert [a["number"] for a in world.alerts()] == [1, 3, 4]


async def test_a_database_has_them(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    alert = Alert(when="spread", to=("bell",), above="0.02", name="wide", cooldown_s=3_600)
    sink = SqliteSink(path)
    async with (
        Feed([MARKET], url=server.url, sinks=[sink]) as feed,
        Alerts(feed, [alert]),
    ):
        await feed.wait_live(PATIENCE_S)
        for asset in (YES, NO):
            server.peers[-1].text(book_frame(asset, "0.40", "0.49"))
        await until(lambda: len(feed.alerts()) == 2)
        told = feed.alerts()
    with sqlite3.connect(path) as base:
        columns = "ts_recv_ns, kind, name, about, text, sent"
        rows = base.execute(f"SELECT {columns} FROM alerts").fetchall()
    assert rows == [(t.ts, "spread", "wide", t.about, t.text, 1) for t in told]
