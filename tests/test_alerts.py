"""Alerts: each kind tells once of what it is about, and no target ever shows its address."""

import asyncio
import json
import logging
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from test_feed_sim import markets_of
from waiting import PATIENCE_S, until, wait_until

from bookfeed import Feed, Rule
from bookfeed.catalogue.changes import Change
from bookfeed.catalogue.listing import Listing, Strike
from bookfeed.catalogue.news import MarketNews, NewsKind
from bookfeed.cli import main
from bookfeed.config import parse
from bookfeed.errors import ConfigError
from bookfeed.feed import alert_targets
from bookfeed.feed.alert_targets import Outbox, send
from bookfeed.feed.alerts import Alerts
from bookfeed.rules.alerts import Alert, When
from bookfeed.sim.polymarket import SimConfig, serve
from bookfeed.sim.polymarket.server import SimServer

KEY = "s3cr3t-key"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A file that a command writes what it is told into."""
    return tmp_path / "told.txt"


def to(box: Path) -> tuple[str, ...]:
    return (f"command:sh -c 'cat >> {box}'",)


def told(box: Path) -> list[str]:
    """The texts of the messages, without their titles."""
    return box.read_text().splitlines()[1::2] if box.exists() else []


@contextmanager
def service(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web hook, its address with a key in it, and what it was sent."""
    heard: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            heard.append({"path": self.path} | json.loads(self.rfile.read(length)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/{KEY}", heard
    server.shutdown()
    thread.join()
    server.server_close()


async def venue_with(**options: Any) -> tuple[SimServer, Feed]:
    venue = await serve(SimConfig(markets=1, rate=100, **options))
    rules = [Rule("spread", {"mode": "bps", "open": "1"}, name="wide")]
    return venue, Feed(markets_of(venue), url=venue.url, rules=rules)


# What they are about.


async def test_each_kind_of_record_is_told_once_while_it_lasts(box: Path) -> None:
    venue, feed = await venue_with()
    yes = venue.markets[0].asset_ids[0]
    alerts = [
        Alert(when="signal", to=to(box), rule="wide", min_edge="0", cooldown_s=0),
        Alert(when="trade", to=to(box), min_qty="0.01", cooldown_s=3_600),
        Alert(when="spread", to=to(box), symbol=yes, above="0.0001", cooldown_s=3_600),
        Alert(when="price", to=to(box), symbol=yes, above="0.0001"),
        Alert(when="tick_size", to=to(box)),
    ]
    async with feed, Alerts(feed, alerts) as watching:
        await until(
            lambda: {"signal", "trade", "spread"} <= {t.partition(":")[0] for t in told(box)}
        )
        await until(lambda: watching.counters()["cooldown"] > 2)
    await venue.close()
    texts = told(box)
    assert sum(text.startswith("spread") for text in texts) == 1
    # It was above when it was first seen: that is no crossing.
    assert not any(text.startswith(("price", "tick_size")) for text in texts)
    (signalled, *_) = [text for text in texts if text.startswith("signal")]
    assert "wide" in signalled and "USD net" in signalled
    counts = watching.counters()
    assert counts["sent"] == len(texts) and counts["failed"] == counts["dropped"] == 0


class Prices:
    """A feed whose only book is the user's own, at prices that a test states."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    async def at(self, bid: str, ask: str) -> None:
        self.feed.push_quote("mine", bid=bid, ask=ask, bid_qty=1, ask_qty=1, max_age_s=60)
        await asyncio.sleep(0.05)


async def test_a_price_that_crosses_is_told_and_one_that_stays_is_not(box: Path) -> None:
    alerts = [
        Alert(when="price", to=to(box), symbol="mine", above="0.50", cooldown_s=0),
        Alert(when="price", to=to(box), symbol="mine", below="0.30", cooldown_s=0, name="low"),
        Alert(when="spread", to=to(box), symbol="mine", above="0.10", cooldown_s=0),
    ]
    async with Feed() as feed, Alerts(feed, alerts):
        prices = Prices(feed)
        for bid, ask in (
            ("0.40", "0.42"), ("0.49", "0.50"), ("0.49", "0.51"), ("0.60", "0.61"),
            ("0.40", "0.50"), ("0.29", "0.31"), ("0.28", "0.30"), ("0.50", "0.52"),
        ):  # fmt: skip
            await prices.at(bid, ask)
    assert [text.rpartition(": ")[2] for text in told(box)] == [
        "0.49 / 0.51, above 0.50",
        "spread 0.1",
        "0.29 / 0.31, below 0.30",
        "0.5 / 0.52, above 0.50",
    ]
    assert told(box)[2].startswith("low: user mine")


async def test_what_lasts_is_told_after_its_time_and_again_after_it_ended(box: Path) -> None:
    now_s = 0.0
    venue, feed = await venue_with()
    alerts = [
        Alert(when="not_live", to=to(box), for_s=5, cooldown_s=0),
        Alert(when="connection", to=to(box), for_s=5, cooldown_s=0),
        Alert(when="delay", to=to(box), above="30", cooldown_s=0),
    ]
    async with feed, Alerts(feed, alerts, clock=lambda: now_s) as watching:
        await feed.wait_live(PATIENCE_S)
        watching.look()
        now_s = 100.0
        watching.look()
        assert told(box) == []
        await venue.close()
        await until(lambda: not any(book.live for book in feed.books()))
        watching.look()
        now_s = 104.9
        watching.look()
        assert told(box) == []
        now_s = 105.1
        watching.look()
        watching.look()
        await until(lambda: len(told(box)) == 3)
    lines = sorted(told(box))
    assert "connection" in lines[0] and "for 5 s" in lines[0]
    assert all("stale (disconnected) for 5 s" in line for line in lines[1:])


async def test_news_of_markets(box: Path) -> None:
    listing = Listing(
        venue="polymarket",
        market="0x1",
        slug="rain",
        title="Rain\nin \x1b[31mParis",
        status="open",
        strike=Strike("greater", None, None),
    )
    kinds: tuple[When, ...] = (
        "strike", "resolved", "disagreement", "new_market", "rules_changed",
    )  # fmt: skip
    alerts = [Alert(when=kind, to=to(box), text="paris") for kind in kinds]
    alerts.append(Alert(when="new_market", to=to(box), text="london"))
    async with Feed() as feed, Alerts(feed, alerts):
        told_kinds: tuple[NewsKind, ...] = (
            "new", "strike", "changed", "decided", "disagreement", "known",
        )  # fmt: skip
        for kind in told_kinds:
            feed.tell(MarketNews(kind=kind, listing=listing))
        await until(lambda: len(told(box)) == 4)
        rules = (Change("rules", "a", "b"),)
        feed.tell(MarketNews(kind="changed", listing=listing, changes=rules))
        await until(lambda: len(told(box)) == 5)
    assert {text.partition(":")[0] for text in told(box)} == set(kinds)
    # What a venue calls things cannot begin another line, or colour a terminal.
    assert all("Rain in  [31mParis" in text for text in told(box))


# How often.


async def test_cooldown_and_quiet_hours(box: Path) -> None:
    now_s, hour = 0.0, 12
    alert = Alert(when="price", to=to(box), symbol="mine", above="0.5", quiet="22:00-07:30")
    clocks: dict[str, Any] = {
        "clock": lambda: now_s,
        "now": lambda: datetime(2026, 11, 30, hour, 15),
    }
    async with Feed() as feed, Alerts(feed, [alert], **clocks) as watching:
        prices = Prices(feed)

        async def cross() -> None:
            await prices.at("0.40", "0.42")
            await prices.at("0.60", "0.62")

        await cross()
        await cross()
        await cross()
        await until(lambda: len(told(box)) == 1)
        now_s = 60.0
        await cross()
        await until(lambda: len(told(box)) == 2)
        assert told(box)[1].endswith("(2 more since the last message)")
        now_s, hour = 1_000.0, 7
        await cross()
        now_s, hour = 2_000.0, 23
        await cross()
        assert watching.counters() == {
            "sent": 2, "failed": 0, "dropped": 0, "cooldown": 2, "quiet": 2, "missed": 0,
        }  # fmt: skip


def test_too_many_messages_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    going, go_on = threading.Event(), threading.Event()

    def slow(*_arguments: object) -> None:
        going.set()
        go_on.wait(PATIENCE_S)

    monkeypatch.setattr(alert_targets, "send", slow)
    outbox = Outbox()
    outbox.begin()
    message = alert_targets.Message(("bell",), "a", "b")
    outbox.put(message)
    going.wait(PATIENCE_S)
    for _ in range(alert_targets.QUEUE_MAX + 7):
        outbox.put(message)
    assert outbox.dropped == 7
    go_on.set()
    wait_until(lambda: outbox.sent == 1 + alert_targets.QUEUE_MAX)
    outbox.close()


# Where to.


def test_a_service_is_sent_to_and_its_address_is_never_shown(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    with service() as (address, heard):
        send("env:HOOK", "title", "text", {"HOOK": address})
        file = tmp_path / "hook"
        file.write_text(f"{address}\n")
        send(f"file:{file}", "title", "again", {})
    assert [one["message"] for one in heard] == ["text", "again"]
    assert heard[0]["path"] == f"/{KEY}"
    with (
        service(500) as (address, heard),
        pytest.raises(alert_targets.AlertError, match="env:HOOK: the service") as refused,
    ):
        send("env:HOOK", "title", "text", {"HOOK": address})
    assert heard
    with pytest.raises(ConfigError, match="env:HOOK holds no address") as wrong:
        send("env:HOOK", "", "", {"HOOK": f"nothing://{KEY}"})
    assert KEY not in caplog.text + str(refused.value) + str(wrong.value)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("env:NOBODY", "NOBODY is not set"),
        ("file:/nonexistent/file", "cannot read file:/nonexistent/file"),
        ("command:'", "cannot be read"),
        ("command: ", "followed by a program"),
    ],
)
def test_targets_that_cannot_be_used_are_refused_before_anything_runs(
    target: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        Alerts(Feed(), [Alert(when="delay", above="1", to=(target,))], environ={})


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(alert_targets.AlertError, match="command false"):
        send("command:false with arguments", "a", "b")
    send("bell", "a", "b")


# The configuration and the command.


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('when = "price"\nto = ["bell"]\nabove = "0.5"', 'symbol: is required with "price"'),
        ('when = "price"\nto = ["bell"]\nsymbol = "1"', "above: is required"),
        ('when = "trade"\nto = ["bell"]', "min_qty: is required"),
        ('when = "trade"\nto = ["bell"]\nabove = "1"\nmin_qty = "1"', "above: does not go with"),
        ('when = "signal"\nto = []', "to: is empty"),
        ('when = "signal"\nto = ["bell"]\nquiet = "8-9"', "quiet: must be hours"),
        ('when = "signal"\nto = ["bell"]\ntemplate = "5 $"', "write \\$\\$"),
        ('when = "never"\nto = ["bell"]', "when: must be"),
        (f'when = "signal"\nto = ["tgram://{KEY}/1"]', "a variable or a file of your own holds it"),
    ],
)
def test_what_makes_no_sense_is_refused(lines: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as refused:
        parse(tomllib.loads(f"[[alert]]\n{lines}\n"))
    assert KEY not in str(refused.value)


def test_every_key_is_read() -> None:
    shared = {
        "to": ["bell", "env:HOOK"], "name": "mine", "cooldown_s": 5.0, "quiet": "22:00-07:30",
        "template": "$what",
    }  # fmt: skip
    kinds: list[dict[str, Any]] = [
        {"when": "signal", "rule": "box", "min_edge": "0.01", "min_profit": "5"},
        {"when": "price", "symbol": "71", "above": "0.5"},
        {"when": "price", "symbol": "71", "below": "0.5"},
        {"when": "trade", "symbol": "71", "min_qty": "100"},
        {"when": "not_live", "venue": "gemini", "symbol": "71", "for_s": 5.0},
        {"when": "new_market", "text": "rain in", "tag": "weather"},
    ]
    read = parse({"alert": [{**kind, **shared} for kind in kinds]}).alert
    for one, kind in zip(read, kinds, strict=True):
        stated = {**kind, **shared, "to": ("bell", "env:HOOK")}
        told = {f.name: getattr(one, f.name) for f in fields(one)}
        assert {name: value for name, value in told.items() if value is not None} == stated
    assert {f.name for f in fields(Alert)} == {*shared}.union(*kinds)


def test_a_template_and_the_fingerprint() -> None:
    text = '[[alert]]\nwhen = "signal"\nto = ["bell"]\ntemplate = "$$: $what of $about $else"\n'
    config = parse(tomllib.loads(text))
    assert config.alert[0].message("a book", "an edge") == "$: an edge of a book $else"
    assert config.fingerprint() == parse({}).fingerprint()


def test_the_command_says_what_arrived(
    tmp_path: Path, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alerts.toml"
    (target,) = to(box)
    file.write_text(
        f'[[alert]]\nname = "good"\nwhen = "signal"\nto = ["""{target}""", "bell"]\n'
        f'[[alert]]\nname = "bad"\nwhen = "signal"\nto = ["command:false {KEY}"]\n'
    )
    assert main(["alert", "test", "good", "--config", str(file)]) == 0
    assert told(box) == ["good: bookfeed: this is a test"]
    assert main(["alert", "test", "--config", str(file)]) == 1
    out = capsys.readouterr().out
    assert "good: bell: sent" in out and "bad: command false: command false:" in out
    assert KEY not in out
    assert main(["alert", "test", "nobody", "--config", str(file)]) == 2
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    assert main(["alert", "test", "--config", str(empty)]) == 2
