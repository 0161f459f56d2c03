"""``/arbitrage``: spot prices, strikes, closes, fair values and lives of signals, of two venues."""

import asyncio
import time
from pathlib import Path
from typing import Any

from session_server import MARKET, YES, Server, book_frame
from settled_market import STRIKE, Settled
from spot_live import OPTIONS
from test_kraken_live import endpoint_of, markets_of
from waiting import PATIENCE_S, until
from web_server import RULES, message, served

from bookfeed import Feed
from bookfeed.sim.kraken import KrakenSimConfig, serve
from bookfeed.sinks import SocketSink
from bookfeed.venues.polymarket import PolymarketSection


async def test_everything_at_once_is_as_the_feed_has_it(server: Server, tmp_path: Path) -> None:
    venue, path = await serve(KrakenSimConfig(markets=1, levels=20, rate=5.0)), tmp_path / "socket"
    began_ns = time.time_ns()
    try:
        async with (
            Feed(
                [MARKET, *markets_of(venue)],
                rules=RULES,
                options=OPTIONS,
                sinks=[SocketSink(path)],
                endpoints={
                    "kraken": endpoint_of(venue),
                    "polymarket": PolymarketSection(ws_url=server.url).endpoint("test"),
                },
            ) as feed,
            served(path) as there,
        ):  # fmt: skip
            await feed.wait_live(PATIENCE_S)
            settled = Settled(feed)
            (await server.peer(0)).text(book_frame(YES, "0.45", "0.60"))
            await until(lambda: there.server.world.fair and there.server.world.open_signals())
            _, told = await there.ask("/arbitrage")
            check_spot(feed, told)
            check_market(settled, told)
            check_signals(told, began_ns)
            async with there.http.ws_connect(there.at + "/ws/arbitrage") as client:
                assert (await message(client, "snapshot")).keys() >= told.keys()
            # Its reference is silent from now on; all else goes on.
            await asyncio.sleep(5.5)
            _, told = await there.ask("/arbitrage")
            assert all(book["fair"] is None for one in told["markets"] for book in one["books"])
            settled.tick(STRIKE - 500)
            worth = feed.fair_value(YES)
            assert worth is not None
            worth_of = feed.book(YES).instrument

            await until(lambda: there.server.world.worth(worth_of) is not None)
            _, told = await there.ask("/arbitrage")
            (market,) = told["markets"]
            assert [one["fair"]["price"] for one in market["books"] if one["fair"]] == [worth.price]
    finally:
        await venue.close()


def check_spot(feed: Feed, told: Any) -> None:
    """The touch of the spot book, in its own currency."""
    (spot,) = told["spot"]
    assert (spot["venue"], spot["outcome"], spot["live"]) == ("kraken", "spot", True)
    assert 0 < float(spot["bid"]) < float(spot["ask"])
    assert float(spot["bid"]) > 1, "a currency, no contract"


def check_market(settled: Settled, told: Any) -> None:
    """When the market opens and closes, its strike, both prices, and what it is worth."""
    (market,) = told["markets"]
    assert market["strike"] == STRIKE
    assert (market["open_ts"], market["close_ts"]) == (settled.open_ts, settled.close_ts)
    yes, no = sorted(market["books"], key=lambda one: one["outcome"] != "Yes")
    assert (yes["bid"], yes["ask"], no["outcome"]) == ("0.45", "0.6", "No")
    assert no["fair"] is None
    fair = yes["fair"]
    assert 0 < fair["low"] < fair["price"] < fair["high"] < 1
    assert STRIKE + 40 < fair["expected"] < STRIKE + 60
    assert fair["reference_ts"] <= fair["ts"] <= time.time_ns()


def check_signals(told: Any, began_ns: int) -> None:
    """How long each has lived."""
    assert told["signals"]
    for one in told["signals"]:
        assert one["phase"] != "close"
        assert began_ns < one["ts_open"] <= one["ts_recv"] < time.time_ns()
