"""``redis`` at a server that answers as badly as it can, and a million publishes at a real one."""

import os
from pathlib import Path
from typing import Final

import orjson
import pytest
from hostile_redis import FAULTS, hostile_redis
from services import Service
from session_server import MARKET, STAMPS, YES, Server, book_frame
from waiting import PATIENCE_S, until

from bookfeed import Feed, SinkOptions
from bookfeed.sinks.redis import RedisSink

redis = pytest.importorskip("redis")

PUBLISHES: Final = int(os.environ.get("BOOKFEED_REDIS_PUBLISHES", "5000"))
TRADES_AT_ONCE: Final = 100
QUEUE_MAX: Final = 200
MIB: Final = 1 << 20


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookfeed.sinks.sink_set.BEAT_S", 0.05)
    monkeypatch.setattr("bookfeed.sinks.redis.TIMEOUT_S", 0.3)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


@pytest.mark.parametrize("manner", FAULTS)
async def test_a_redis_that_answers_badly_costs_the_feed_nothing(
    manner: str, server: Server
) -> None:
    async with hostile_redis() as there:
        sink = RedisSink(f"redis://127.0.0.1:{there.port}")
        options = SinkOptions(queue_max=QUEUE_MAX, close_timeout_s=0.5)
        async with Feed([MARKET], url=server.url, sinks=[(sink, options)]) as feed:
            await feed.wait_live(PATIENCE_S)
            peer = await server.peer(0)
            await until(lambda: there.commands > 0)
            there.manner = manner
            before = resident_bytes()
            for number in range(300):
                peer.text(book_frame(YES, f"0.{100 + number}", "0.9"))
            await until(lambda: feed.book(YES).bid == 0.399)
            if manner != "slow":
                await until(lambda: feed.sink_status()[0].errors > 0)
            (status,) = feed.sink_status()
            assert feed.book(YES).live and feed.counters()["callback_errors"] == 0
            assert status.queued <= QUEUE_MAX
            assert resident_bytes() - before < 64 * MIB
            there.manner = "well"
            there.drop()
            told = there.commands
            peer.text(book_frame(YES, "0.45", "0.9"))
            await until(lambda: there.commands > told)
            await until(lambda: feed.sink_status()[0].state == "running")
        (status,) = feed.sink_status()
        assert status.received == status.written + status.dropped + status.conflated


def trades(first: int) -> bytes:
    """Trades in one message, each of which is published by itself."""
    told = [
        {
            "event_type": "last_trade_price", "asset_id": YES, "market": "0xabc", "price": "0.5",
            "size": str(1 + (first + number) % 99), "side": "BUY", "fee_rate_bps": "0",
            "timestamp": str(STAMPS.next_ms()),
        }
        for number in range(TRADES_AT_ONCE)
    ]  # fmt: skip
    return orjson.dumps(told)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_publishes_come_to_a_real_redis_without_an_error(
    redis_server: Service, server: Server, protocol: int
) -> None:
    sink = RedisSink(f"{redis_server.url}?protocol={protocol}")
    with redis.Redis.from_url(redis_server.url, protocol=protocol) as listener:
        async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
            await feed.wait_live(PATIENCE_S)
            peer = await server.peer(0)
            for first in range(0, PUBLISHES // 2, TRADES_AT_ONCE):
                peer.text(trades(first))
                behind = first - 20 * TRADES_AT_ONCE
                await until(lambda: feed.sink_status()[0].written >= behind)  # noqa: B023
            await until(lambda: feed.sink_status()[0].written >= PUBLISHES // 2)
            (status,) = feed.sink_status()
            assert (status.errors, status.dropped) == (0, 0)
        told = listener.info("commandstats")
        assert told["cmdstat_publish"]["calls"] >= PUBLISHES // 2
        # What the package itself asks a server of other abilities is refused, and no matter.
        ours = {name: one for name, one in told.items() if not name.startswith("cmdstat_client")}
        assert len(ours) > 3
        for name, one in ours.items():
            assert one["failed_calls"] == one["rejected_calls"] == 0, name
