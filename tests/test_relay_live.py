"""Relays on an open feed, over loopback: topics come and go, faults pass, recordings agree."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from bookfeed import Feed, replay
from bookfeed.config import parse
from bookfeed.errors import ConfigError, SessionError
from bookfeed.recordings.kinds import RELAY_KINDS
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.writer import JournalWriter
from bookfeed.records.points import PricePoint
from bookfeed.records.told import RelayEvent
from bookfeed.sim.polymarket import polybolt, rtds
from bookfeed.sim.relay_server import RelaySimConfig, RelaySimServer
from bookfeed.venues.secret import Secret

WAIT_S = 20.0
SIXTY = "rtds:crypto_prices_twap_sixty:btc/usd"
SPOT = "rtds:crypto_prices_chainlink:eth/usd"


class Key:
    """The key of the simulated relay."""

    api_key, secret, passphrase = (Secret(text) for text in polybolt.KEY)


@asynccontextmanager
async def serving(server: RelaySimServer) -> AsyncIterator[RelaySimServer]:
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def states(feed: Feed) -> dict[str, str]:
    return {str(one.topic): one.state for one in feed.topics()}


def wrong(server: RelaySimServer, points: list[PricePoint]) -> list[PricePoint]:
    """The points that the server never told so."""
    true = server.prices.value
    return [
        p for p in points if p.exact and true(p.topic, p.symbol, p.ts_event // 10**9) != p.value_e18
    ]


async def test_topics_come_and_go_and_a_poisoned_one_harms_nobody() -> None:
    async with serving(rtds.made(RelaySimConfig())) as server:
        heard: list[PricePoint] = []
        events: list[RelayEvent] = []
        async with Feed(topics=[SIXTY, "rtds:nonsense"], relay_urls={"rtds": server.url}) as feed:
            feed.on_price(heard.append)
            feed.on_event(events.append)
            await until(lambda: states(feed) == {SIXTY: "live", "rtds:nonsense": "refused"})
            assert any(p.backfill for p in heard) and any(not p.backfill for p in heard)
            await feed.add_topics([SPOT, "rtds:activity"])
            await until(lambda: states(feed)[SPOT] == states(feed)["rtds:activity"] == "live")
            assert {e.kind for e in events} == {"refused", "trade"}
            (refused,) = (one for one in feed.topics() if one.state == "refused")
            assert "nonsense" in refused.cause
            await feed.remove_topics([SIXTY])
            assert SIXTY not in states(feed)
            await until(lambda: any("unsubscribe" in text for text in server.heard))
            with pytest.raises(ValueError, match="no relay"):
                await feed.add_topics(["nobody:x"])
            # A connection that is lost comes back with all of its topics.
            before = server.connections_seen
            server.drop()
            await until(lambda: server.connections_seen > before and states(feed)[SPOT] == "live")
            counts = feed.counters()
        assert not wrong(server, heard)
        assert len({(p.topic, p.symbol, p.ts_event, p.exact) for p in heard}) == len(heard)
        assert counts["relay_points"] == len(heard) and counts["relay_malformed"] == 0
        with pytest.raises(SessionError, match="closed"):
            await feed.add_topics([SPOT])


async def test_iterators_filter_and_end_with_the_feed() -> None:
    async with serving(rtds.made(RelaySimConfig())) as server:
        feed = Feed(topics=["rtds:crypto_prices_twap_sixty"], relay_urls={"rtds": server.url})
        async with feed:
            prices = feed.prices(symbol="ETH/USD")
            async with asyncio.timeout(WAIT_S):
                first = await anext(prices)
            assert first.symbol == "eth/usd" and not first.backfill
            for _ in range(3):
                assert (await anext(prices)).symbol == "eth/usd"
        left = [point async for point in prices]
        assert {point.symbol for point in left} <= {"eth/usd"}
        with pytest.raises(ValueError, match="no kind"):
            feed.on_event(print, kind="nothing")


async def test_a_recording_tells_the_same(tmp_path: Path) -> None:
    heard: list[PricePoint | RelayEvent] = []
    async with serving(rtds.made(RelaySimConfig(), rtds.Faults(broken_one_in=4))) as server:
        feed = Feed(
            topics=[SIXTY, SPOT, "rtds:activity"],
            relay_urls={"rtds": server.url},
            recorder=JournalWriter(tmp_path, prefix="relays"),
        )
        feed.on_price(heard.append)
        feed.on_event(heard.append)
        async with feed:
            await until(lambda: len(heard) > 60)
    seen = replay(tmp_path)
    prices: list[PricePoint] = []
    events: list[RelayEvent] = []
    seen.on_price(prices.append)
    seen.on_event(events.append)
    progress = seen.run()
    assert prices == [one for one in heard if isinstance(one, PricePoint)]
    assert events == [one for one in heard if isinstance(one, RelayEvent)]
    assert progress.refused == 0 and progress.frames == 0
    assert {record[0] for record in Journal(tmp_path)} & RELAY_KINDS


async def test_the_key_of_polybolt_is_seen_by_the_relay_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(polybolt.made(RelaySimConfig())) as server:
        heard: list[PricePoint] = []
        feed = Feed(
            topics=["polybolt:price.crypto:btcusd", "polybolt:price.polymarket:123"],
            relay_urls={"polybolt": server.url},
            relay_credentials={"polybolt": Key},
            recorder=JournalWriter(tmp_path, prefix="relays"),
        )
        feed.on_price(heard.append)
        async with feed:
            await until(lambda: set(states(feed).values()) == {"live"})
        assert not wrong(server, heard)
        assert any(polybolt.KEY[1] in text for text in server.heard)
    journal = b"".join(record[-1] for record in Journal(tmp_path))
    for secret in polybolt.KEY:
        assert secret.encode() not in journal
        assert secret not in caplog.text and secret not in repr(feed)


async def test_topics_that_are_dropped_are_spread_over_more_connections() -> None:
    faults = polybolt.Faults(dropped=((1_500, 3_000),))
    async with serving(polybolt.made(RelaySimConfig(), faults)) as server:
        coins = [f"polybolt:price.crypto:{name}usd" for name in ("btc", "eth", "sol", "xrp")]
        heard: list[PricePoint] = []
        feed = Feed(
            topics=coins,
            relay_urls={"polybolt": server.url},
            relay_credentials={"polybolt": Key},
        )
        feed.on_price(heard.append)
        async with feed:
            await until(lambda: len({one.conn for one in feed.topics()}) == 2)
            await until(lambda: set(states(feed).values()) == {"live"})
            assert feed.counters()["relay_lost"] > 0
        assert not wrong(server, heard)


def test_the_configuration() -> None:
    config = parse({"relays": {"topics": [SIXTY], "rtds_url": "ws://127.0.0.1:1"}})
    feed = Feed.from_config(config)
    assert feed.topics() == ()
    for table, said in (
        ({"topics": ["rtd:x"]}, "no relay 'rtd'"),
        ({"topics": ["rtds:clob_market"]}, "retired"),
        ({"rtds_url": "http://x"}, "ws"),
    ):
        given: dict[str, Any] = {"relays": table}
        with pytest.raises(ConfigError, match=said):
            parse(given)
    with pytest.raises(ConfigError, match="nothing to follow"):
        Feed.from_config(parse({}))
