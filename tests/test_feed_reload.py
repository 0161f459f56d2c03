"""A configuration is read anew while its feed is open: what changed is done, and nothing else."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from session_server import MARKET, NO, YES, Server, serving
from test_cli_run import running
from test_session_kalshi import QUICK
from waiting import PATIENCE_S, PatientClock

from bookfeed.cli.reloading import Reloading
from bookfeed.cli.source import Source
from bookfeed.config import Config, load
from bookfeed.errors import ConfigError, EngineError
from bookfeed.feed.alerts import Alerts
from bookfeed.feed.feed import Feed
from bookfeed.feed.reload import Difference, reload
from bookfeed.sim.polymarket import SimConfig, serve

OLD = f"""
[[market]]
market = "0xabc"
name = "Will it?"
outcomes = [{{ name = "Yes", asset = "{YES}" }}, {{ name = "No", asset = "{NO}" }}]

[rules.spread]
enabled = true
open = "0.05"
close = "0.04"
"""
MORE = f"""
[[market]]
market = "0xdef"
outcomes = [{{ name = "Yes", asset = "{"3" * 77}" }}]
"""


def config_of(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "some.toml"
    path.write_text(text)
    return load(path, {})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


def feed_of(server: Server, config: Config) -> Feed:
    assert config.markets() == [MARKET]
    rules = config.signal_rules()
    how = {"url": server.url, "rules": rules, "options": QUICK, "clock": PatientClock()}
    return Feed(config.markets(), **how)  # type: ignore[arg-type]


async def test_markets_and_rules_change_and_what_stays_does_not(
    tmp_path: Path, server: Server
) -> None:
    old = config_of(tmp_path, OLD)
    new = config_of(tmp_path, OLD.replace('"0.05"', '"0.06"') + MORE)
    async with feed_of(server, old) as feed:
        await feed.wait_live(PATIENCE_S)
        difference = await reload(feed, old, new, "some.toml", {})
        assert [view.symbol for view in feed.books()] == [YES, NO, "3" * 77]
        assert [rule.params["open"] for rule in feed.rules.values()] == ["0.06"]
        assert feed.book(YES).live and feed.book(YES).epoch == 1
        assert difference.lines()[0] == "+ market polymarket 0xdef"
        assert [line[:13] for line in difference.lines()[1:]] == ["- rule spread", "+ rule spread"]
        await reload(feed, new, old, "some.toml", {})
        assert [view.symbol for view in feed.books()] == [YES, NO]
        assert (await reload(feed, old, old, "some.toml", {})).lines() == []


async def test_what_cannot_be_used_changes_nothing(tmp_path: Path, server: Server) -> None:
    old = config_of(tmp_path, OLD)
    kalshi = '[[market]]\nvenue = "kalshi"\nticker = "KXA-1"\n[kalshi]\nrest_url = ""\n'
    new = config_of(tmp_path, OLD.replace('"0.05"', '"0.06"') + MORE + kalshi)
    async with feed_of(server, old) as feed:
        before = dict(feed.rules)
        with pytest.raises(ConfigError, match="KALSHI_API_KEY_ID"):
            await reload(feed, old, new, "some.toml", {})
        assert (dict(feed.rules), len(feed.books())) == (before, 2)


async def test_a_step_that_is_refused_undoes_those_before(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = config_of(tmp_path, OLD)
    new = config_of(tmp_path, MORE + '[rules.spread]\nenabled = true\nopen = "0.06"\n')
    async with feed_of(server, old) as feed:
        await feed.wait_live(PATIENCE_S)
        before, add = dict(feed.rules), feed.add_markets

        async def refusing(markets: object, **more: object) -> dict[int, str]:
            if MARKET not in list(markets):  # type: ignore[call-overload]
                raise EngineError("no room")
            return await add(markets, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(feed, "add_markets", refusing)
        with pytest.raises(EngineError, match="no room"):
            await reload(feed, old, new, "some.toml", {})
        assert dict(feed.rules) == before
        assert [view.symbol for view in feed.books()] == [YES, NO]


def test_what_counts_later_is_told(tmp_path: Path) -> None:
    old = config_of(tmp_path, OLD)
    new = config_of(
        tmp_path, "[console]\nrefresh_hz = 2\n[polymarket]\nping_interval_s = 5\n" + OLD
    )
    assert Difference.between(old, new).lines() == [
        "~ [console]: counts from the next start on",
        "~ [polymarket]: counts from the next start on",
    ]


async def test_a_hangup_on_a_terminal_that_is_gone_is_one(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = config_of(tmp_path, OLD)
    monkeypatch.setattr("bookfeed.cli.reloading._on_terminal", lambda: True)
    feed = feed_of(server, old)
    reloading = Reloading(feed, Source("some.toml", old), Alerts(feed, ()))
    assert not reloading.hung_up
    monkeypatch.setattr("bookfeed.cli.reloading._on_terminal", lambda: False)
    assert reloading.hung_up


@pytest.mark.slow
async def test_a_hangup_has_a_running_command_read_its_file_anew(tmp_path: Path) -> None:
    venue = await serve(SimConfig(markets=2, rate=50))
    tables = [
        f'[[market]]\nmarket = "{one.condition_id}"\noutcomes = ['
        + ", ".join(f'{{ name = "{asset[:9]}", asset = "{asset}" }}' for asset in one.asset_ids)
        + "]\n"
        for one in venue.markets
    ]
    head = f'[polymarket]\nws_url = "{venue.url}"\nrest_url = ""\n'
    symbols = [one.asset_ids[0] for one in venue.markets]
    try:
        await asyncio.to_thread(_follow, tmp_path / "some.toml", head, tables, symbols)
    finally:
        await venue.close()


def _follow(path: Path, head: str, tables: list[str], symbols: list[str]) -> None:
    path.write_text(head + tables[0])
    seen: list[dict[str, object]] = []
    with running("run", "--config", str(path), "-o", "ndjson") as process:
        assert process.stdout is not None and process.stderr is not None
        out, err = process.stdout, process.stderr

        def until_live(symbol: str) -> None:
            while not seen or (seen[-1].get("state"), seen[-1].get("symbol")) != ("live", symbol):
                seen.append(json.loads(out.readline()))

        until_live(symbols[0])
        path.write_text(head + "".join(tables))
        process.send_signal(signal.SIGHUP)
        until_live(symbols[1])
        path.write_text("nonsense")
        process.send_signal(signal.SIGHUP)
        told = ""
        while "nothing is changed" not in told:
            told += err.readline()
        assert "was reloaded: + market polymarket" in told
        process.send_signal(signal.SIGTERM)
        last, _ = process.communicate()
        assert process.returncode == 0
        assert json.loads(last.splitlines()[-1])["type"] == "summary"
    lost = [one for one in seen if (one.get("state"), one.get("symbol")) == ("stale", symbols[0])]
    assert not lost, "those that stay notice nothing"
