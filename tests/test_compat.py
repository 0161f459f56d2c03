"""``bookfeed.compat``: what programs call elsewhere answers the same, and says what to believe."""

import asyncio
import importlib
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from listed_venues import listing_venues
from venue_apart import markets_of, venue
from waiting import PATIENCE_S, wait_until

from bookfeed import ConfigError, Market, Outcome, Rule, SessionError, SettlementTerms
from bookfeed.compat.caches import DataCache, PriceCache
from bookfeed.compat.kalshi import KalshiPlatform
from bookfeed.compat.market_intelligence import MarketIntelligence
from bookfeed.compat.order_book_manager import OrderBookManager
from bookfeed.compat.polymarket import PolymarketPlatform
from bookfeed.compat.polymarket_streams import (
    PolymarketStream,
    PolymarketWebSocketClient,
    RealTimeDataClient,
)
from bookfeed.sim.kalshi import KalshiSimConfig
from bookfeed.sim.kalshi import serve as serve_kalshi
from bookfeed.sim.kalshi.server import KalshiSimServer
from bookfeed.sim.polymarket import rtds
from bookfeed.sim.polymarket.server import SimServer
from bookfeed.sim.relay_server import RelaySimConfig, RelaySimServer
from bookfeed.sync import Feed
from bookfeed.sync.thread import LoopThread

__all__ = ["venue"]

NOWHERE = "ws://127.0.0.1:1/ws"


class Clock:
    """Seconds that pass when told to."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("venue")
    thread.start()
    yield thread
    thread.stop()


def platform_of(venue: SimServer, url: str | None = None, **more: Any) -> PolymarketPlatform:
    return PolymarketPlatform(
        url=venue.url if url is None else url,
        rest_url=venue.rest_url,
        wait_s=PATIENCE_S if url is None else 0.0,
        **more,
    )


def test_every_class_is_found_in_the_room_itself() -> None:
    room = importlib.import_module("bookfeed.compat")
    for kind in (DataCache, KalshiPlatform, OrderBookManager, RealTimeDataClient):
        assert getattr(room, kind.__name__) is kind
    for name in ("Nobody", "Decimal", "platform_of"):
        with pytest.raises(AttributeError, match=name):
            getattr(room, name)


# The platform.


def test_a_book_that_may_be_believed_is_live(venue: SimServer) -> None:
    symbol = venue.markets[0].asset_ids[0]
    with platform_of(venue) as platform:
        book = platform.get_orderbook(symbol, depth=2)
        assert (book["source"], book["reason"], book["live"]) == ("live", "", True)
        assert len(book["bids"]) == len(book["asks"]) == 2
        assert book["bids"][0][0] == book["bid"] < book["ask"] == book["asks"][0][0]
        metrics = platform.get_orderbook_metrics(symbol)
        assert metrics["source"] == "live"
        assert metrics["best_bid"] < metrics["mid_price"] < metrics["best_ask"]
        assert metrics["bid_depth"] > 0 and metrics["ask_notional"] > 0
        bought = platform.calculate_vwap(symbol, "buy", shares="10")
        assert bought["complete"] and bought["shares"] == 10
        assert metrics["best_bid"] < bought["vwap"] <= bought["worst_price"]
        spent = platform.calculate_vwap(symbol, "sell", usd=5)
        assert 0 < spent["usd"] <= 5
        stats = platform.get_websocket_stats()
        assert stats["connected"] and stats["books_live"] == stats["books"] == 1
        assert stats["messages"] > 0 and 0 < stats["latency_avg_ms"] < 1_000
        for amounts in ({}, {"usd": 1, "shares": 1}):
            with pytest.raises(ValueError, match="one of them"):
                platform.calculate_vwap(symbol, "buy", **amounts)
        with pytest.raises(ConfigError, match="token id"):
            platform.get_orderbook("will-it-rain")


def test_where_nothing_streams_the_book_is_asked_for_and_says_so(venue: SimServer) -> None:
    symbol = venue.markets[0].asset_ids[0]
    with platform_of(venue, NOWHERE) as platform:
        book = platform.get_orderbook(symbol)
        assert (book["source"], book["live"]) == ("rest", False)
        assert "syncing" in book["reason"]
        assert book["bids"] and book["bid"] < book["ask"]
        assert platform.calculate_vwap(symbol, "buy", shares=1)["vwap"] > 0
        assert not platform.get_websocket_stats()["connected"]


def test_a_book_that_nobody_gives_has_no_prices() -> None:
    symbol = "7132"
    with PolymarketPlatform(url=NOWHERE, rest_url="http://127.0.0.1:1", wait_s=0.0) as platform:
        book = platform.get_orderbook(symbol)
        assert (book["source"], book["bids"], book["asks"], book["bid"]) == ("none", [], [], None)
        assert "by REST: GET" in book["reason"] or "by REST: POST" in book["reason"]
        metrics = platform.get_orderbook_metrics(symbol)
        assert metrics["source"] == "none" and metrics["mid_price"] is None
        told = platform.calculate_vwap(symbol, "buy", shares=1)
        assert (told["vwap"], told["shares"], told["complete"]) == (None, 0.0, False)


def test_a_book_that_is_lost_is_not_told_as_live(venue: SimServer, thread: LoopThread) -> None:
    symbol = venue.markets[0].asset_ids[0]
    platform = PolymarketPlatform(url=venue.url, wait_s=PATIENCE_S)
    with platform:
        assert platform.get_orderbook(symbol)["source"] == "live"
        platform.feed.resync(symbol)
        book = platform.get_orderbook(symbol)
        assert book["source"] in ("live", "none")
        assert (book["source"] == "none") == (not book["bids"])


@pytest.fixture
def kalshi_venue(thread: LoopThread) -> Iterator[KalshiSimServer]:
    server = thread.run(serve_kalshi(KalshiSimConfig(seed=9)))
    yield server
    thread.run(server.close())


def test_kalshi_without_a_key_is_asked_by_rest(
    kalshi_venue: KalshiSimServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY", "KALSHI_PRIVATE_KEY_PATH"):
        monkeypatch.delenv(name, raising=False)
    ticker = kalshi_venue.venue.markets[0].spec.ticker
    rest = str(kalshi_venue.rest_url)
    with KalshiPlatform(url=kalshi_venue.url, rest_url=rest, wait_s=0.0) as platform:
        book = platform.get_orderbook(ticker)
        assert book["source"] == "rest" and book["symbol"] == ticker


def test_kalshis_demo_is_another_place_and_there_is_no_third(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY", "KALSHI_PRIVATE_KEY_PATH"):
        monkeypatch.delenv(name, raising=False)
    places = {KalshiPlatform(env=env).endpoint.url for env in ("prod", "demo")}
    assert len(places) == 2 and sum("demo" in url for url in places) == 1
    with pytest.raises(ConfigError, match='"prod" or "demo"'):
        KalshiPlatform(env="test")  # type: ignore[arg-type]


def test_names_are_looked_up_and_the_foremost_are_found() -> None:
    with listing_venues() as there:
        rest_url = there.urls[1].partition("=")[2].partition("=")[2]
        platform = PolymarketPlatform(
            url=there.ws_url, rest_url=rest_url, listings=there.gamma.url, wait_s=PATIENCE_S
        )
        with platform, MarketIntelligence(platform) as intelligence:
            symbols = intelligence.start_monitoring(market_limit=2)
            assert len(symbols) == 4
            (market,) = platform.find("btc-updown-15m")
            assert market.name
            assert platform.market_of(symbols[0]).fee is not None
            assert intelligence.get_live_price(symbols[0])["source"] in ("live", "none", "rest")


# Its twins.


def test_market_intelligence(venue: SimServer) -> None:
    rules = [Rule("spread", {"mode": "bps", "open": "1"})]
    markets = markets_of(venue)
    with platform_of(venue, rules=rules) as platform, MarketIntelligence(platform) as intelligence:
        symbols = intelligence.start_monitoring(markets=markets)
        assert symbols == [symbol for market in markets for symbol in market.symbols]
        platform.feed.wait_live(PATIENCE_S)
        price = intelligence.get_live_price(symbols[0])
        assert price["bid"] < price["mid"] < price["ask"] and price["source"] == "live"
        assert intelligence.get_live_orderbook(symbols[0], 1)["source"] == "live"
        wait_until(lambda: len(intelligence.get_recent_trades(3)) == 3)
        trades = intelligence.get_recent_trades(3)
        assert trades[0]["ts_recv"] >= trades[-1]["ts_recv"]
        assert all(0 < one["price"] < 1 and one["kind"] == "trade" for one in trades)
        only = intelligence.get_recent_trades(symbol=trades[0]["symbol"])
        assert {one["symbol"] for one in only} == {trades[0]["symbol"]}

        def analysis() -> dict[str, Any]:
            return intelligence.analyze_market_opportunity(symbols[0])

        wait_until(lambda: analysis()["signals"])
        found = analysis()
        assert found["believed"] and found["fair_value"] is None
        assert found["spread"] > 0 and found["imbalance"] is not None
        assert {leg["symbol"] for one in found["signals"] for leg in one["legs"]} == {symbols[0]}


def test_market_intelligence_says_what_a_contract_is_worth(venue: SimServer) -> None:
    now, second = time.time_ns(), 10**9
    with platform_of(venue) as platform, MarketIntelligence(platform) as intelligence:
        (symbol, *_) = intelligence.start_monitoring(markets=markets_of(venue))
        platform.feed.wait_live(PATIENCE_S)
        params = {"step_ms": 1_000, "half_life_ms": 2_000}
        terms = SettlementTerms(
            "told btc", now + 600 * second, now - 600 * second, at_least="84000", params=params
        )

        def tell(ts: int, price: int) -> None:
            platform.feed.call(lambda feed: feed.tell_reference("btc", ts, price * 10**18))

        platform.feed.call(lambda feed: feed.add_terms(symbol, terms))
        # It was heard of until a minute ago: what the contract was worth then is not what it is.
        for number in range(-90, -60):
            tell(now + number * second, 84_050 + number % 3)
        assert platform.feed.fair_value(symbol) is not None
        assert intelligence.analyze_market_opportunity(symbol)["fair_value"] is None
        tell(time.time_ns(), 84_050)
        worth = platform.feed.fair_value(symbol)
        assert worth is not None and 0.5 < worth.price < 1
        assert intelligence.analyze_market_opportunity(symbol)["fair_value"] == worth.price


def test_order_book_manager(venue: SimServer) -> None:
    markets = markets_of(venue)
    with Feed(markets[:1], url=venue.url) as feed:
        manager = OrderBookManager(feed)
        assert manager.get_stats()["books_live"] <= 2
        feed.wait_live(PATIENCE_S)
        assert set(manager.symbols) == set(markets[0].symbols)
        yes = markets[0].symbols[0]
        bid, ask = manager.get_best_prices(yes)
        assert bid is not None and ask is not None and bid < ask
        assert manager.get_metrics(yes)["source"] == manager.get_orderbook(yes)["source"] == "live"
        stats = manager.get_stats()
        assert stats["books_live"] == 2 and stats["latency_avg_ms"] <= stats["latency_p95_ms"] * 10
        assert set(manager.add_markets(markets[1:])) == set(markets[1].symbols)
        with pytest.raises(KeyError, match="no book"):
            manager.get_metrics("nobody")


def test_price_cache_keeps_prices_for_a_while() -> None:
    clock = Clock()
    cache = PriceCache(ttl_s=60, clock=clock)
    cache.update_price("here", "rain", "0.40", 0.61)
    cache.update_price("there", "rain", "0.45", "0.55")
    cache.update_price("there", "snow", "0.01", "0.01")
    assert cache.get_price("here", "rain") == (Decimal("0.40"), Decimal("0.61"), 0.0)
    (found,) = cache.get_arbitrage_signals("0.04")
    assert (found["buy_yes"], found["buy_no"], found["edge"]) == ("here", "there", Decimal("0.05"))
    assert cache.get_arbitrage_signals("0.05") == []
    clock.now_s += 60.1
    assert cache.get_price("here", "rain") is None and cache.get_arbitrage_signals() == []
    for wrong in ("1.01", "-0.1"):
        with pytest.raises(ValueError, match="from 0 to 1"):
            cache.update_price("here", "rain", wrong, "0.5")
    cache.update_price("here", "rain", "0.4", "0.6")
    cache.forget("here", "rain")
    assert cache.get_price("here", "rain") is None


def test_price_cache_tells_prices_of_live_books_alone(venue: SimServer) -> None:
    market = markets_of(venue)[0]
    cache = PriceCache(ttl_s=0.0)
    with Feed([market], url=venue.url) as feed:
        cache.follow(feed, market, named="rain")
        feed.wait_live(PATIENCE_S)
        wait_until(lambda: cache.get_price("polymarket", "rain"))
        price = cache.get_price("polymarket", "rain")
        assert price is not None and price.yes + price.no >= 1
        feed.push_quote("other", bid="0.01", bid_qty=1, ask="0.02", ask_qty=1, max_age_s=60)
        own = Market("other", (Outcome("Yes", "other"),), venue="user")
        cache.follow(feed, own, named="rain")
        assert cache.get_price("user", "rain") == (Decimal("0.02"), Decimal("0.99"), 0.0)
        wait_until(lambda: cache.get_arbitrage_signals())
        assert cache.get_arbitrage_signals()[0]["buy_yes"] == "user"
    assert cache.get_price("polymarket", "rain") is None
    assert cache.get_arbitrage_signals() == []


def test_data_cache() -> None:
    clock = Clock()
    cache = DataCache(ttl_s=10, max_items=2, clock=clock)
    cache.set("a", 1)
    cache.set("b", 2, ttl_s=1)
    assert (cache.get("a"), cache.get("b"), cache.get("c", 0)) == (1, 2, 0)
    clock.now_s += 2
    assert cache.get("b") is None
    cache.set("d", 4)
    cache.set("e", 5)
    assert cache.get("a") is None and cache.get("d") == 4
    cache.delete("d")
    assert cache.stats() == {"items": 1, "hits": 3, "misses": 3}
    cache.clear()
    assert cache.stats()["items"] == 0
    with pytest.raises(ValueError, match="at least 1"):
        DataCache(max_items=0)


# Streams.


def test_polymarket_stream(venue: SimServer) -> None:
    tokens = [token for market in venue.markets for token in market.asset_ids]
    seen: list[dict[str, Any]] = []
    trades: list[dict[str, Any]] = []
    with PolymarketStream(tokens, seen.append, on_trade=trades.append, url=venue.url):
        wait_until(lambda: len(trades) > 2 and any(one["live"] for one in seen))
    assert {one["kind"] for one in trades} == {"trade"}
    assert {one["symbol"] for one in seen} <= set(tokens)
    assert all(one["bid"] is None for one in seen if not one["live"])
    assert any(one["bid"] is not None for one in seen)


async def test_polymarket_web_socket_client(venue: SimServer) -> None:
    token, other = venue.markets[0].asset_ids
    async with PolymarketWebSocketClient(url=venue.url) as client, asyncio.timeout(PATIENCE_S):
        await client.subscribe([token])
        await client.subscribe([token, other])
        async for message in client:
            if message["live"]:
                break
        await client.unsubscribe([other, "nobody"])
        assert [book.symbol for book in client.feed.books()] == [token]
    with pytest.raises(SessionError, match="closed"):
        await client.subscribe([other])


def test_real_time_data_client(thread: LoopThread) -> None:
    async def start() -> RelaySimServer:
        server = rtds.made(RelaySimConfig())
        await server.start()
        return server

    server = thread.run(start())
    seen: list[dict[str, Any]] = []
    with RealTimeDataClient(seen.append, relay_urls={"rtds": server.url}) as client:
        prices = client.create_crypto_prices_subscription("btc/usd", twap_s=60)
        assert prices == "rtds:crypto_prices_twap_sixty:btc/usd"
        client.subscribe(prices, client.create_activity_subscription("*"))
        wait_until(lambda: {"price", "trade"} <= {one["kind"] for one in seen})
        client.unsubscribe(prices)
        assert len(client.feed.topics()) == 1
        with pytest.raises(ValueError, match="no relay"):
            client.subscribe("nobody:x")
    price = next(one for one in seen if one["kind"] == "price")
    assert price["symbol"] == "btc/usd" and price["value"] > 1_000
    with pytest.raises(ValueError, match="30 or 60"):
        client.create_crypto_prices_subscription(twap_s=10)
    for made in (
        client.create_crypto_prices_subscription(),
        client.create_crypto_prices_chainlink_subscription("eth/usd"),
        client.create_equity_prices_subscription("AAPL"),
        client.create_comments_subscription(),
    ):
        assert made.startswith("rtds:")
    thread.run(server.close())
